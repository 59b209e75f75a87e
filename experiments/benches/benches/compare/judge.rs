//! Verdicts on the samples of a group, and their table.

use std::collections::BTreeMap;

use comfy_table::presets::UTF8_FULL_CONDENSED;
use comfy_table::{CellAlignment, Table};
use zkml_report::verdicts::{Comparison, Judged, Row};
use zkml_results::stats::Summary;
use zkml_results::verdict::{Ratio, noise_floor, ratio, verdict};

use super::samples::{Key, Samples};
use super::series::{AGAIN, Series};

/// Judges a group. `against` names the reference.
pub(crate) fn group(
    phase: &str,
    series: &[&Series],
    samples: &BTreeMap<Key, Samples>,
    against: Option<&str>,
) -> Result<Judged, String> {
    let reference = reference(series, against)?;
    let now = |label: &str, size: &Option<String>| samples.get(&(label.to_owned(), size.clone()));
    let noise_floor = series.first().map_or(0.0, |first| noise(phase, first, samples));
    let compare = |ours: &[f64], theirs: &[f64]| {
        let found = ratio(ours, theirs)?;
        let Ratio { value, low, high } = found;
        Some(Comparison { ratio: value, low, high, verdict: verdict(found, noise_floor) })
    };
    let mut rows = Vec::new();
    for Series { label, size } in series {
        let own = now(label, size).ok_or_else(|| format!("criterion kept no samples of {phase} of {label}"))?;
        let other = now(reference, size).filter(|_| label != reference);
        let Summary { median, spread, samples, .. } = Summary::of(&own.now);
        rows.push(Row {
            series: label.clone(),
            size: size.clone(),
            seconds: median,
            spread,
            samples,
            against_reference: other.and_then(|other| compare(&own.now, &other.now)),
            against_baseline: own.before.as_ref().and_then(|before| compare(&own.now, before)),
        });
    }
    Ok(Judged { phase: phase.to_owned(), reference: reference.to_owned(), noise_floor, rows })
}

/// What the first cell and its second measurement differ by.
fn noise(phase: &str, first: &Series, samples: &BTreeMap<Key, Samples>) -> f64 {
    let get = |label: String| samples.get(&(label, first.size.clone())).map(|s| s.now.as_slice());
    let pair = get(first.label.clone()).zip(get(format!("{} {AGAIN}", first.label)));
    let pairs: Vec<Ratio> = pair.and_then(|(first, again)| ratio(again, first)).into_iter().collect();
    if pairs.is_empty() {
        eprintln!("{phase}: the noise of this machine is not known");
    }
    noise_floor(&pairs)
}

fn reference<'a>(series: &[&'a Series], against: Option<&str>) -> Result<&'a str, String> {
    let mut labels: Vec<&str> = series.iter().map(|s| s.label.as_str()).collect();
    labels.dedup();
    let found = match against {
        Some(name) => labels.iter().find(|label| **label == name),
        None => labels.iter().find(|label| !label.contains("reveal")).or(labels.first()),
    };
    let allowed = labels.join("`, `");
    found
        .copied()
        .ok_or_else(|| format!("there is no series `{}`\n  allowed:  `{allowed}`", against.unwrap_or_default()))
}

/// The table of a group.
pub(crate) fn table(name: &str, judged: &Judged, baseline: Option<&str>) -> String {
    let Judged { phase, reference, noise_floor, rows } = judged;
    let mut header = vec!["series", "size", "median", "+-"];
    let against_reference = format!("/ {reference}");
    let against_baseline = format!("/ baseline {}", baseline.unwrap_or_default());
    header.extend([against_reference.as_str(), "95 %", "verdict"]);
    if baseline.is_some() {
        header.extend([against_baseline.as_str(), "95 %", "verdict"]);
    }
    let mut table = Table::new();
    table.load_style(UTF8_FULL_CONDENSED).set_header(header);
    for column in table.column_iter_mut().skip(1) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    for row in rows {
        let size = row.size.clone().unwrap_or_default();
        let mut cells = vec![row.series.clone(), size, seconds(row.seconds), seconds(row.spread)];
        cells.extend(compared(row.against_reference.as_ref()));
        if baseline.is_some() {
            cells.extend(compared(row.against_baseline.as_ref()));
        }
        table.add_row(cells);
    }
    let floor = 100.0 * noise_floor;
    format!(
        "{name}, {phase}: seconds of wall time; this machine's noise floor is {floor:.1} %, by measuring the first row twice\n{table}"
    )
}

fn compared(comparison: Option<&Comparison>) -> [String; 3] {
    comparison.map_or_else(Default::default, |c| {
        [format!("{:.3} x", c.ratio), format!("{:.3} to {:.3}", c.low, c.high), c.verdict.word().to_owned()]
    })
}

fn seconds(value: f64) -> String {
    match value {
        v if v >= 1.0 => format!("{v:.3} s"),
        v if v >= 1e-3 => format!("{:.3} ms", v * 1e3),
        v => format!("{:.1} us", v * 1e6),
    }
}

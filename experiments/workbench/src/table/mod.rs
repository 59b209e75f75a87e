//! Tables for people.

mod cell;
pub(crate) mod claims;
mod device;
mod notes;
mod plans;

use comfy_table::presets::UTF8_FULL_CONDENSED;
use comfy_table::{CellAlignment, ContentArrangement, Table};

use zkml_engine::spec::{self, Unsupported};
use zkml_results::environment::Environment;
use zkml_results::record::{CellRecord, Evaluation, Measured, Prediction, Soundness, Status};

pub(crate) use plans::plans;

fn table(header: &[&str]) -> Table {
    let mut table = Table::new();
    table.load_style(UTF8_FULL_CONDENSED).set_content_arrangement(ContentArrangement::Dynamic).set_header(header);
    for column in table.column_iter_mut().skip(1) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table
}

/// A table of texts.
pub(crate) fn plain(header: &[&str], rows: Vec<Vec<String>>) -> String {
    let mut table = table(header);
    table.add_rows(rows);
    table.to_string()
}

/// What to show of a finished run beside what is always shown.
#[derive(Clone, Copy, Debug, Default, clap::Args)]
pub(crate) struct Shown {
    /// Print every step of every cell's proof, not only every layer of a single cell.
    #[arg(long)]
    pub(crate) details: bool,
    /// Add a column that scores the hardware: predicted field products per joule where RAPL or NVML reports energy,
    /// per second elsewhere.
    #[arg(long)]
    pub(crate) zk_score: bool,
}

/// Everything about a finished run: the tables of a single cell, or one row per cell. With details, all tables of all cells.
pub(crate) fn report(name: &str, environment: &Environment, records: &[CellRecord], shown: Shown) -> String {
    let mut parts = vec![format!(
        "{name}: {} of {} cells ok | {} | {} threads | {} build | executable {}",
        records.iter().filter(|r| r.status == Status::Ok).count(),
        records.len(),
        environment.cpu,
        environment.threads,
        environment.profile,
        environment.executable.get(..12).unwrap_or_default(),
    )];
    if let [only] = records {
        parts.push(cell::tables(only, shown.details));
        if shown.zk_score {
            let score = notes::Score::of(records);
            parts.push(format!("{} {}\n  {}", score.value(only), score.heading, score.meaning));
        }
    } else {
        for record in records.iter().filter(|_| shown.details) {
            parts.extend([label(record), cell::tables(record, true)]);
        }
        parts.push(comparison(records, shown.zk_score.then(|| notes::Score::of(records)).as_ref()));
    }
    parts.extend(notes::doubts(environment, records));
    parts.extend(answers(records));
    parts.extend(device::lines(records));
    for record in records.iter().filter(|r| r.status != Status::Ok) {
        parts.push(format!("{} {}: {}", record.status.word(), label(record), reason(record)));
    }
    for record in records {
        for violation in &record.violations {
            let value = violation.value.map_or_else(|| "not measured".to_owned(), |v| format!("{v:.3}"));
            let bound = |b: Option<f64>, word: &str| b.map_or_else(String::new, |b| format!(" {word} {b}"));
            let limits = bound(violation.limits.min, "min") + &bound(violation.limits.max, "max");
            parts.push(format!("CHECK VIOLATED {}: {} is {value}, allowed:{limits}", label(record), violation.metric));
        }
    }
    parts.join("\n")
}

/// Combinations that were not run, with the reasons.
pub(crate) fn unsupported(unsupported: &[Unsupported], run: usize) -> String {
    let all = unsupported.len() + run;
    let mut lines = vec![format!("unsupported: {} of {all} combinations", unsupported.len())];
    lines.extend(unsupported.iter().map(|point| format!("  {}\n    {}", point.label, point.reasons.join("\n    "))));
    lines.join("\n")
}

/// What the networks answered, each answer once, with the cells that gave it if not all did.
fn answers(records: &[CellRecord]) -> Vec<String> {
    let mut answers: Vec<(String, Vec<String>)> = Vec::new();
    for record in records {
        let Some(line) = record.measured.as_ref().and_then(answer) else { continue };
        match answers.iter_mut().find(|(known, _)| *known == line) {
            Some((_, cells)) => cells.push(label(record)),
            None => answers.push((line, vec![label(record)])),
        }
    }
    match answers.as_slice() {
        [(line, _)] => vec![line.clone()],
        several => several.iter().map(|(line, cells)| format!("{line}\n  in {}", cells.join("; "))).collect(),
    }
}

/// Label and confidence of the proven inputs, and how the network does on held-out ones.
fn answer(measured: &Measured) -> Option<String> {
    let proven = predictions(&measured.predictions)?;
    let held_out = measured.evaluation.as_ref().map(evaluation);
    Some(std::iter::once(proven).chain(held_out).collect::<Vec<_>>().join(" · "))
}

/// Most labels in a line.
const MAX_LABELS: usize = 16;

fn predictions(predictions: &[Prediction]) -> Option<String> {
    if let [Prediction { label, confidence, float_label, float_confidence }] = predictions {
        return Some(format!(
            "answer: {label} (confidence {confidence:.2}; float {float_label}, {float_confidence:.2})"
        ));
    }
    let labels: Vec<String> = predictions.iter().take(MAX_LABELS).map(|p| p.label.to_string()).collect();
    let more = if predictions.len() > MAX_LABELS { " ..." } else { "" };
    let agreeing = predictions.iter().filter(|p| p.label == p.float_label).count();
    let all = predictions.len();
    (all > 0).then(|| format!("answers: {}{more} ({agreeing} of {all} as in float)", labels.join(" ")))
}

fn evaluation(evaluation: &Evaluation) -> String {
    let share = |count: usize| format!("{:.1} %", 100.0 * count as f64 / evaluation.rows.max(1) as f64);
    let Evaluation { rows, agreeing, correct, float_correct, .. } = evaluation;
    let accuracy = correct.zip(*float_correct).map_or_else(String::new, |(correct, float)| {
        format!(" · accuracy {} (float {})", share(correct), share(float))
    });
    format!("labels agree on {agreeing} of {rows} held-out inputs{accuracy}")
}

fn label(record: &CellRecord) -> String {
    spec::label(&record.point)
}

fn reason(record: &CellRecord) -> &str {
    record.reason.as_deref().unwrap_or("no reason was given")
}

/// The outcome of a cell in a line.
pub(crate) fn one_line(record: &CellRecord) -> String {
    let metric = |name: &str| record.metrics.get(name).copied();
    match (record.status, metric("prove_ms"), metric("verify_ms"), metric("proof_bytes")) {
        (Status::Ok, Some(prove), Some(verify), Some(bytes)) => {
            format!("ok, prove {}, verify {}, proof {}", millis(prove / 1e3), millis(verify / 1e3), size(bytes))
        }
        (Status::Ok, ..) => "ok".to_owned(),
        (status, ..) => format!("{}: {}", status.word(), reason(record)),
    }
}

fn soundness(soundness: &Soundness) -> String {
    let weak = if soundness.bits < f64::from(soundness.wanted) { ", WEAK" } else { "" };
    format!("{} ({}{weak})", bits(soundness.bits), soundness.regime)
}

/// One row per cell.
fn comparison(records: &[CellRecord], score: Option<&notes::Score>) -> String {
    let axes: Vec<&str> = records.first().map_or_else(Vec::new, |r| r.point.iter().map(|(p, _)| p.as_str()).collect());
    let mut header = axes;
    header.extend([
        "status", "commit", "lookups", "einsums", "opening", "prove", "+-", "cpu", "verify", "proof", "key", "memory",
        "bits", "error", "overhead",
    ]);
    header.extend(score.map(|s| s.heading));
    let mut table = table(&header);
    for record in records {
        let mut row: Vec<String> = record.point.iter().map(|(_, value)| value.clone()).collect();
        row.push(if record.weak { format!("{}, weak", record.status.word()) } else { record.status.word().to_owned() });
        if let Some(measured) = &record.measured {
            row.extend(compared(record, measured));
            row.extend(score.map(|s| s.value(record)));
        }
        table.add_row(row);
    }
    let meaning = score.map_or_else(String::new, |s| format!("\n  {}", s.meaning));
    format!(
        "{table}\n  wall times: medians; +-: median absolute deviation of prove; cpu: of prove; error: largest, in output steps\
         {meaning}"
    )
}

fn compared(record: &CellRecord, measured: &Measured) -> Vec<String> {
    let phase = |name: &str| measured.phases.get(name).copied().unwrap_or_default();
    let mut row: Vec<String> =
        ["commit", "lookups", "einsums", "opening", "prove"].iter().map(|p| millis(phase(p).wall.median)).collect();
    row.extend([
        millis(phase("prove").wall.spread),
        millis(phase("prove").cpu.median),
        millis(phase("verify").wall.median),
        size(measured.proof_bytes as f64),
        size(measured.verifying_key_bytes as f64),
        measured.peak_memory_bytes.map_or_else(String::new, |b| size(b as f64)),
        bits(measured.soundness.bits),
        format!("{:.3}", measured.accuracy.max_steps),
        record.metrics.get("overhead").map_or_else(String::new, |o| format!("{o:.0} x")),
    ]);
    row
}

fn bits(value: f64) -> String {
    if value.is_finite() { format!("{value:.1} bits") } else { "no error".to_owned() }
}

/// Seconds with three digits.
fn millis(seconds: f64) -> String {
    match seconds {
        s if s >= 100.0 => format!("{s:.0} s"),
        s if s >= 1.0 => format!("{s:.2} s"),
        s if s >= 0.1 => format!("{:.0} ms", s * 1e3),
        s if s >= 0.001 => format!("{:.2} ms", s * 1e3),
        s => format!("{:.1} us", s * 1e6),
    }
}

/// Bytes with a binary unit.
fn size(bytes: f64) -> String {
    match bytes {
        b if b >= f64::from(1 << 20) => format!("{:.1} MiB", b / f64::from(1 << 20)),
        b if b >= 10_240.0 => format!("{:.1} KiB", b / 1024.0),
        b => format!("{b} B"),
    }
}

fn count(operations: f64) -> String {
    match operations {
        n if n >= 1e9 => format!("{:.2} G", n / 1e9),
        n if n >= 1e6 => format!("{:.2} M", n / 1e6),
        n if n >= 1e4 => format!("{:.1} k", n / 1e3),
        n => format!("{n:.0}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_carry_units() {
        assert_eq!(
            [millis(0.012_345), millis(2.0), millis(0.000_5), millis(0.25)],
            ["12.35 ms", "2.00 s", "500.0 us", "250 ms"]
        );
        assert_eq!([size(512.0), size(20_480.0), size(3_145_728.0)], ["512 B", "20.0 KiB", "3.0 MiB"]);
        assert_eq!([count(12.0), count(12_345.0), count(1.5e9)], ["12", "12.3 k", "1.50 G"]);
    }

    #[test]
    fn a_cell_without_numbers_shows_its_reason_and_no_number() {
        let record =
            CellRecord { status: Status::Invalid, reason: Some("tampered".to_owned()), ..CellRecord::default() };
        assert_eq!(one_line(&record), "INVALID: tampered");
        let shown = report("t", &zkml_engine::environment::collect(), &[record.clone(), record], Shown::default());
        assert!(shown.contains("INVALID single cell: tampered") && !shown.contains(" ms"), "{shown}");
    }
}

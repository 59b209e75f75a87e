//! Verdicts of `just compare`: their file, and a picture of it.
//!
//! The file `<NAME>-verdicts.json` beside criterion's samples is a list of [`Judged`], one per phase. [`picture()`] draws it as a
//! forest plot: every ratio of medians with its 95 % interval, over this machine's noise.
//!
//! ```
//! use zkml_report::verdicts::{Judged, picture};
//! let file = r#"[{"phase": "prove", "reference": "sumcheck", "noise_floor": 0.02, "rows": [
//!     {"series": "sumcheck", "size": null, "seconds": 0.5, "spread": 0.01, "samples": 20,
//!      "against_reference": null, "against_baseline": null},
//!     {"series": "logkr", "size": null, "seconds": 0.4, "spread": 0.01, "samples": 20,
//!      "against_reference": {"ratio": 0.8, "low": 0.78, "high": 0.83, "verdict": "better"}, "against_baseline": null}]}]"#;
//! let judged: Vec<Judged> = serde_json::from_str(file)?;
//! let picture = picture("dense", &judged, None).map_err(|missing| missing.reason)?;
//! assert!(picture.svg().contains("better"));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

use serde::{Deserialize, Serialize};
use zkml_results::verdict::Verdict;

use crate::picture::forest::{Forest, Found, Line, Panel};
use crate::picture::{MOST_CELLS, Plate};
use crate::{Missing, Numbers, Picture, text};

/// The verdicts on one phase.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Judged {
    /// The phase, such as `prove` or `lookups`.
    pub phase: String,
    /// The series that the others are compared with.
    pub reference: String,
    /// Share by which two measurements of one cell differed; differences below it say nothing.
    pub noise_floor: f64,
    /// One row per benchmark.
    pub rows: Vec<Row>,
}

/// One benchmark: a series at a size.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Row {
    /// What is compared, such as a protocol.
    pub series: String,
    /// The size, if some axis is numeric.
    pub size: Option<String>,
    /// Median wall time, in seconds.
    pub seconds: f64,
    /// Median absolute deviation of the wall time, in seconds.
    pub spread: f64,
    /// Number of samples.
    pub samples: usize,
    /// With the reference at this size; nothing for the reference itself.
    pub against_reference: Option<Comparison>,
    /// With the same benchmark in the baseline; nothing without a baseline that has it.
    pub against_baseline: Option<Comparison>,
}

/// A ratio of medians, and what it says.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Comparison {
    /// Median of the row over median of the other.
    pub ratio: f64,
    /// Lower end of the ratio's 95 % interval.
    pub low: f64,
    /// Upper end of the ratio's 95 % interval.
    pub high: f64,
    /// What the interval says, given the noise floor.
    pub verdict: Verdict,
}

impl Comparison {
    /// What can be drawn: a ratio of two times.
    fn found(self) -> Option<Found> {
        let Self { ratio, low, high, verdict } = self;
        (ratio > 0.0 && ratio.is_finite()).then_some(Found { ratio, ends: [low, high], verdict })
    }
}

/// Names that others are compared with are cut to this width in sentences, in pixels.
const NAME: f64 = 260.0;
/// More panels than this are not drawn.
const MOST_PANELS: usize = 20;
/// More comparisons than this are not put into words.
const MOST_WORDS: usize = 40;

/// What a picture compares with.
struct Against<'a> {
    baseline: Option<&'a str>,
}

impl Against<'_> {
    fn of<'r>(&self, row: &'r Row) -> Option<&'r Comparison> {
        if self.baseline.is_some() { row.against_baseline.as_ref() } else { row.against_reference.as_ref() }
    }

    fn drawable(&self, row: &Row) -> Option<Found> {
        self.of(row).and_then(|comparison| comparison.found())
    }

    fn name(&self, phase: &Judged) -> String {
        let name = match self.baseline {
            Some(name) => format!("the baseline “{}”", text::printable(name)),
            None => text::value(&phase.reference),
        };
        text::fitted(&name, 13.0, NAME)
    }

    /// The verdict on a row, or why there is none.
    fn word(&self, phase: &Judged, row: &Row) -> &'static str {
        match self.drawable(row) {
            Some(found) => found.verdict.word(),
            None if self.baseline.is_some() => "no baseline",
            None if row.series == phase.reference => "reference",
            None => "not compared",
        }
    }

    /// What all phases are compared with.
    fn all(&self, judged: &[&Judged]) -> String {
        let mut names: Vec<String> = judged.iter().map(|phase| self.name(phase)).collect();
        names.dedup();
        if let [one] = names.as_slice() { one.clone() } else { "each phase's reference".to_owned() }
    }
}

/// The verdicts of a comparison called `name`, as a picture: the ratios to the reference, or, with a baseline, those to the
/// baseline. Nothing is drawn where nothing is compared.
pub fn picture(name: &str, judged: &[Judged], baseline: Option<&str>) -> Result<Picture, Missing> {
    let title = format!("Times of {}, compared", text::printable(name));
    let phases: Vec<&Judged> = judged.iter().filter(|phase| !phase.rows.is_empty()).collect();
    let against = Against { baseline };
    if phases.is_empty() {
        return Err(Missing::new(&title, "no phase was measured"));
    }
    if !phases.iter().any(|phase| phase.rows.iter().any(|row| against.drawable(row).is_some())) {
        let reason = match baseline {
            Some(baseline) => format!("the baseline “{}” has none of its benchmarks", text::printable(baseline)),
            None => "nothing but the reference was measured; another series, or a baseline, gives a ratio".to_owned(),
        };
        return Err(Missing::new(&title, reason));
    }
    let other = against.all(&phases);
    let plate = Plate {
        name: "verdicts".to_owned(),
        caption: format!(
            "Median time over that of {other}, with its 95 % interval; left of 1 × is faster. The shaded band is what two \
             measurements of one cell differ by on this machine. Discs are better, diamonds worse, squares the same; of rings \
             one cannot tell. Arrows: the interval goes on.{}",
            left_out(&phases)
        ),
        title,
        description: description(&against, &phases, &other),
        numbers: numbers(&against, &phases, &other),
    };
    let forest = Forest { panels: phases.iter().take(MOST_PANELS).map(|phase| panel(&against, phase)).collect() };
    let subtitle = format!("Ratios of median times to those of {other}, with 95 % confidence intervals");
    plate.under(&subtitle, |frame| forest.draw(&frame))
}

/// How much is in the table alone.
fn left_out(phases: &[&Judged]) -> String {
    let all: usize = phases.iter().map(|phase| phase.rows.len()).sum();
    let drawn: usize = phases.iter().take(MOST_PANELS).map(|phase| phase.rows.len().min(MOST_CELLS)).sum();
    match all - drawn {
        0 => String::new(),
        1 => " One more row is in the table.".to_owned(),
        more => format!(" {more} more rows are in the table."),
    }
}

fn panel(against: &Against<'_>, phase: &Judged) -> Panel {
    let floor = Some(phase.noise_floor).filter(|floor| *floor > 0.0 && floor.is_finite()).unwrap_or(0.0);
    let line = |row: &Row| Line {
        label: text::value(&row.series),
        size: text::printable(row.size.as_deref().unwrap_or_default()),
        found: against.drawable(row),
        word: against.word(phase, row),
        time: text::time(row.seconds),
    };
    Panel {
        heading: text::printable(&phase.phase),
        against: format!("against {}", against.name(phase)),
        note: format!("noise floor {} (shaded)", share(phase.noise_floor)),
        floor,
        lines: phase.rows.iter().take(MOST_CELLS).map(line).collect(),
    }
}

fn share(share: f64) -> String {
    let decimals = usize::from(share.abs() < 0.0995);
    format!("{:.decimals$} %", 100.0 * share)
}

/// `logkr at 64`.
fn benchmark(row: &Row) -> String {
    let series = text::fitted(&text::value(&row.series), 13.0, NAME);
    match &row.size {
        Some(size) => format!("{series} at {}", text::printable(size)),
        None => series,
    }
}

fn description(against: &Against<'_>, phases: &[&Judged], other: &str) -> String {
    let mut words = 0;
    let mut sentences = Vec::new();
    for phase in phases {
        let compared = phase.rows.iter().filter_map(|row| Some((row, against.drawable(row)?)));
        let told: Vec<String> = compared
            .take(MOST_WORDS - words)
            .map(|(row, found)| {
                let [low, high] = found.ends.map(text::steps);
                let (ratio, word) = (text::steps(found.ratio), found.verdict.word());
                format!("{} {ratio} times ({low} to {high}), {word}", benchmark(row))
            })
            .collect();
        words += told.len();
        if !told.is_empty() {
            let phase_name = text::printable(&phase.phase);
            sentences.push(format!(
                "{phase_name}, with a noise floor of {}: {}.",
                share(phase.noise_floor),
                told.join("; ")
            ));
        }
    }
    format!("Ratios of median times to those of {other}, with 95 % intervals. {}", sentences.join(" "))
}

fn numbers(against: &Against<'_>, phases: &[&Judged], other: &str) -> Numbers {
    let ratio = format!("ratio to {other}");
    let header = ["phase", "series", "size", "median", "±", "samples", &ratio, "from", "to", "verdict", "noise floor"];
    let row = |phase: &Judged, row: &Row| {
        let found = against.drawable(row);
        let number = |of: fn(&Found) -> f64| found.as_ref().map_or_else(String::new, |f| text::factor(of(f)));
        vec![
            text::printable(&phase.phase),
            text::value(&row.series),
            text::printable(row.size.as_deref().unwrap_or_default()),
            text::time(row.seconds),
            text::time(row.spread),
            row.samples.to_string(),
            number(|f| f.ratio),
            number(|f| f.ends[0]),
            number(|f| f.ends[1]),
            against.word(phase, row).to_owned(),
            share(phase.noise_floor),
        ]
    };
    let rows = phases.iter().flat_map(|phase| phase.rows.iter().map(move |r| row(phase, r)));
    Numbers { header: header.map(str::to_owned).to_vec(), rows: rows.collect() }
}

#[cfg(test)]
mod tests;

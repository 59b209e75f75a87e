//! A run as the report sees it: its cells, what they differ in, and where they were made.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use zkml_results::environment::Environment;
use zkml_results::record::{CellRecord, Measured, Status};
use zkml_results::store::{RunFolder, StoreError};

use crate::text;

/// Why there is no report.
#[derive(Debug, thiserror::Error)]
pub enum ReportError {
    /// The run's files cannot be read, or the report's not written.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The folder for the report cannot be made.
    #[error("{path}: the folder cannot be made: {source}")]
    Folder {
        /// The folder.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// No result can be read.
    #[error("{path}: no result in it can be read{}", if *.skipped > 0 { format!(" ({skipped} damaged)") } else { String::new() })]
    Empty {
        /// The file.
        path: PathBuf,
        /// Lines that are no results.
        skipped: usize,
    },
    /// A picture cannot be turned into pixels.
    #[error("the picture {name} cannot be turned into a PNG: {reason}")]
    Png {
        /// Its name.
        name: String,
        /// Why.
        reason: String,
    },
}

/// An exponent that a publication gives, to be shown beside fitted ones.
#[derive(Clone, Debug, PartialEq)]
pub struct Claim {
    /// A protocol, such as `logkr`: the claim is shown with every series that proves something with it.
    pub protocol: String,
    /// Path of the axis, such as `input.rows`.
    pub axis: String,
    /// Exponent of the time to prove.
    pub exponent: f64,
    /// Publication, with section or table.
    pub source: String,
}

/// What cells differ in.
#[derive(Clone, Debug, PartialEq)]
pub struct Axis {
    /// Path in the experiment.
    pub path: String,
    /// Its values in the order of their first appearance.
    pub values: Vec<String>,
    /// The values as numbers, if all of them are: a number itself, or, of generated tensors that differ in shape, the
    /// dimension that changes or the number of their cells.
    pub numbers: Option<Vec<f64>>,
    /// True if an earlier axis always changes with this one, as under `zip`: it says nothing new.
    pub redundant: bool,
}

impl Axis {
    /// The number at a value.
    pub fn number(&self, value: &str) -> Option<f64> {
        let at = self.values.iter().position(|v| v == value)?;
        self.numbers.as_ref()?.get(at).copied()
    }

    /// What distinguishes cells: more than one value, and not what an earlier axis says.
    pub fn tells(&self) -> bool {
        self.values.len() > 1 && !self.redundant
    }

    /// A value as a label: a bare number carries the axis' name.
    pub(crate) fn label(&self, value: &str) -> String {
        let shown = text::value(value);
        if shown.parse::<f64>().is_ok() {
            format!("{} {shown}", text::printable(text::last_part(&self.path)))
        } else {
            shown
        }
    }
}

/// The results of one run.
#[derive(Clone, Debug)]
pub struct Run {
    /// Name of the experiment.
    pub experiment: String,
    /// What the experiment says it is about.
    pub about: Option<String>,
    /// The results, the last one of every cell.
    pub records: Vec<CellRecord>,
    /// Machine and build; or why they are not known.
    pub environment: Result<Environment, String>,
    /// Lines of the results that could not be read.
    pub skipped: usize,
    /// What the cells differ in.
    pub axes: Vec<Axis>,
    /// Exponents from publications; none unless the caller adds some.
    pub claims: Vec<Claim>,
}

impl Run {
    /// Reads a run's folder. Lines that are no results are skipped and counted; a missing or damaged `env.json` is
    /// remembered as such. A folder without a readable result is an error.
    pub fn open(folder: &Path) -> Result<Self, ReportError> {
        let records = RunFolder::read(folder)?.records()?;
        let path = folder.join("results.jsonl");
        let skipped = damaged_lines(&path);
        if records.is_empty() {
            return Err(ReportError::Empty { path, skipped });
        }
        let environment = fs::read(folder.join("env.json"))
            .map_err(|e| format!("env.json cannot be read: {e}"))
            .and_then(|bytes| serde_json::from_slice(&bytes).map_err(|e| format!("env.json is damaged: {e}")));
        Ok(Self { environment, skipped, ..Self::of(records) })
    }

    /// A run of these results, made nobody knows where.
    pub fn of(records: Vec<CellRecord>) -> Self {
        let experiment = records.first().map_or_else(String::new, |r| text::printable(&r.experiment));
        let about = records.iter().find_map(|r| r.spec.get("about")?.as_str()).map(text::printable);
        let axes = axes(&records);
        let environment = Err("the machine was not recorded".to_owned());
        Self { experiment, about, records, environment, skipped: 0, axes, claims: Vec::new() }
    }

    /// The cells with numbers.
    pub(crate) fn measured(&self) -> Vec<Cell<'_>> {
        let numbers = |record| Some(Cell { record, measured: numbers(record)? });
        self.records.iter().filter_map(numbers).collect()
    }

    /// What distinguishes a cell from the others, in words.
    pub(crate) fn label(&self, record: &CellRecord) -> String {
        let label = self.label_by(record, |_| true);
        if !label.is_empty() {
            return label;
        }
        let all: Vec<String> = record.point.iter().map(|(_, value)| text::value(value)).collect();
        if all.is_empty() { self.experiment.clone() } else { all.join(" · ") }
    }

    /// The same of some axes only; empty if none of them distinguishes cells.
    pub(crate) fn label_by(&self, record: &CellRecord, takes: impl Fn(&Axis) -> bool) -> String {
        let axes = self.axes.iter().filter(|a| a.tells() && takes(a));
        let parts = axes.filter_map(|axis| Some(axis.label(value_at(record, &axis.path)?)));
        parts.collect::<Vec<_>>().join(" · ")
    }
}

/// A cell that has numbers.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cell<'a> {
    pub(crate) record: &'a CellRecord,
    pub(crate) measured: &'a Measured,
}

impl Cell<'_> {
    /// Median wall seconds of a phase, with its median absolute deviation.
    pub(crate) fn wall(&self, phase: &str) -> Option<(f64, f64)> {
        let wall = self.measured.phases.get(phase)?.wall;
        (wall.median.is_finite() && wall.spread.is_finite()).then_some((wall.median, wall.spread))
    }

    /// Predicted operations of all relations, in units of one product of challenge-field elements.
    pub(crate) fn predicted(&self) -> f64 {
        self.measured.relations.iter().map(|r| r.cost.ext_equivalents()).sum()
    }

    /// The same as counted, in a counting build.
    pub(crate) fn counted(&self) -> Option<f64> {
        Some(self.measured.counted?.ext_equivalents())
    }
}

/// The numbers of a cell that is ok.
pub(crate) fn numbers(record: &CellRecord) -> Option<&Measured> {
    record.measured.as_ref().filter(|_| record.status == Status::Ok)
}

/// A cell's value on an axis.
pub(crate) fn value_at<'a>(record: &'a CellRecord, path: &str) -> Option<&'a str> {
    record.point.iter().find(|(axis, _)| axis == path).map(|(_, value)| value.as_str())
}

fn damaged_lines(path: &Path) -> usize {
    let bytes = fs::read(path).unwrap_or_default();
    let lines = bytes.split(|b| *b == b'\n').filter(|l| !l.is_empty());
    lines.filter(|l| serde_json::from_slice::<CellRecord>(l).is_err()).count()
}

fn axes(records: &[CellRecord]) -> Vec<Axis> {
    let mut axes: Vec<Axis> = Vec::new();
    for (path, value) in records.iter().flat_map(|r| &r.point) {
        match axes.iter_mut().find(|a| a.path == *path) {
            Some(axis) if axis.values.contains(value) => {}
            Some(axis) => axis.values.push(value.clone()),
            None => {
                axes.push(Axis { path: path.clone(), values: vec![value.clone()], numbers: None, redundant: false });
            }
        }
    }
    for at in 0..axes.len() {
        let earlier = &axes[..at];
        let same =
            earlier.iter().any(|e| !e.redundant && e.values.len() > 1 && follows(records, &e.path, &axes[at].path));
        axes[at].redundant = same;
        axes[at].numbers = as_numbers(&axes[at].values);
    }
    axes
}

/// True if two axes always change together.
fn follows(records: &[CellRecord], first: &str, second: &str) -> bool {
    let (mut there, mut back) = (BTreeMap::new(), BTreeMap::new());
    records.iter().all(|record| match (value_at(record, first), value_at(record, second)) {
        (Some(a), Some(b)) => *there.entry(a).or_insert(b) == b && *back.entry(b).or_insert(a) == a,
        _ => false,
    })
}

fn as_numbers(values: &[String]) -> Option<Vec<f64>> {
    let plain: Option<Vec<f64>> = values.iter().map(|v| v.parse().ok().filter(|n: &f64| n.is_finite())).collect();
    if plain.is_some() {
        return plain;
    }
    let shapes: Vec<Vec<usize>> = values.iter().map(|v| text::generated(v)).collect::<Option<_>>()?;
    let first = shapes.first()?;
    let moving: Vec<usize> = (0..first.len()).filter(|&d| shapes.iter().any(|s| s.get(d) != first.get(d))).collect();
    if shapes.iter().any(|s| s.len() != first.len()) {
        return None;
    }
    let square = shapes.iter().all(|s| moving.windows(2).all(|w| s.get(w[0]) == s.get(w[1])));
    let size = |shape: &Vec<usize>| match moving.first().and_then(|&d| shape.get(d)) {
        Some(&side) if square => side as f64,
        _ => shape.iter().map(|d| *d as f64).product(),
    };
    Some(shapes.iter().map(size).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(point: &[(&str, &str)]) -> CellRecord {
        let point = point.iter().map(|(a, v)| ((*a).to_owned(), (*v).to_owned())).collect();
        CellRecord { point, status: Status::Ok, measured: Some(Measured::default()), ..CellRecord::default() }
    }

    #[test]
    fn axes_that_change_together_are_one() {
        let cells = [("normal:64x64:1", "normal:64x64:2"), ("normal:256x256:1", "normal:256x256:2")];
        let records = cells.iter().flat_map(|(a, b)| {
            ["bn254", "goldilocks"].map(|s| at(&[("input.file", a), ("weight", b), ("suite", s), ("device", "cpu")]))
        });
        let run = Run::of(records.collect());
        let tells: Vec<bool> = run.axes.iter().map(Axis::tells).collect();
        assert_eq!(tells, [true, false, true, false]);
        assert_eq!(run.axes[0].numbers, Some(vec![64.0, 256.0]));
        assert_eq!(run.label(&run.records[1]), "64 × 64 · goldilocks");
    }

    #[test]
    fn numbers_of_axes() {
        let of = |values: &[&str]| as_numbers(&values.iter().map(|v| (*v).to_owned()).collect::<Vec<_>>());
        assert_eq!(of(&["1", "16"]), Some(vec![1.0, 16.0]));
        assert_eq!(of(&["1", "logkr"]), None);
        assert_eq!(of(&["normal:64x8:1", "normal:128x8:1"]), Some(vec![64.0, 128.0]));
        assert_eq!(of(&["normal:64x8:1", "normal:128x16:1"]), Some(vec![512.0, 2048.0]));
        assert_eq!(of(&["normal:64x8:1", "normal:128:1"]), None);
        assert_eq!(of(&["inf", "1"]), None);
    }

    #[test]
    fn a_cell_that_is_not_ok_has_no_numbers() {
        let records = [Status::Ok, Status::Invalid, Status::Failed].map(|status| CellRecord { status, ..at(&[]) });
        assert_eq!(Run::of(records.to_vec()).measured().len(), 1);
    }
}

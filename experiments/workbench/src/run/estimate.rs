//! How long cells take: what this run has seen, and what earlier runs of the experiment took.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use serde::Deserialize;
use zkml_engine::spec;
use zkml_results::record::Status;
use zkml_results::store::RunFolder;

/// Earlier runs that are read.
const LOOK_BACK: usize = 10;

/// What is read of a record.
#[derive(Deserialize)]
struct Earlier {
    point: Vec<(String, String)>,
    status: Status,
    seconds: f64,
}

/// Wall seconds of cells, set-up and checks included, by their labels; of the newest run that has them.
pub(crate) fn earlier_seconds(runs: &Path, name: &str) -> BTreeMap<String, f64> {
    let mut seconds = BTreeMap::new();
    for folder in RunFolder::all(runs, name).into_iter().take(LOOK_BACK) {
        let text = fs::read_to_string(folder.path().join("results.jsonl")).unwrap_or_default();
        let records: BTreeMap<String, f64> = text
            .lines()
            .filter_map(|line| serde_json::from_str::<Earlier>(line).ok())
            .filter(|record| record.status == Status::Ok)
            .map(|record| (spec::label(&record.point), record.seconds))
            .collect();
        for (label, value) in records {
            seconds.entry(label).or_insert(value);
        }
    }
    seconds
}

/// Seconds of cells that are still to come.
#[derive(Debug, Default)]
pub(super) struct Estimate {
    earlier: BTreeMap<String, f64>,
    /// Seconds of the cells that this run has finished, and how many those are.
    finished: (f64, usize),
    /// What earlier runs said of the cells finished here, where they said something, and what those took now.
    both: (f64, f64),
}

impl Estimate {
    pub(super) fn new(earlier: BTreeMap<String, f64>) -> Self {
        Self { earlier, ..Self::default() }
    }

    /// A cell has ended in this run.
    pub(super) fn finished(&mut self, label: &str, seconds: f64) {
        self.finished = (self.finished.0 + seconds, self.finished.1 + 1);
        if let Some(earlier) = self.earlier.get(label) {
            self.both = (self.both.0 + earlier, self.both.1 + seconds);
        }
    }

    /// Of one cell: what it took before, corrected by how this run compares with before; else the mean of this run.
    fn of(&self, label: &str) -> Option<f64> {
        let pace = if self.both.0 > 0.0 { self.both.1 / self.both.0 } else { 1.0 };
        let earlier = self.earlier.get(label).map(|seconds| seconds * pace);
        earlier.or_else(|| (self.finished.1 > 0).then(|| self.finished.0 / self.finished.1 as f64))
    }

    /// Seconds left for the cells that wait, and those that run, with the seconds they have run for; `jobs` at a time. Nothing
    /// if too little is known.
    pub(super) fn left<'a>(
        &self,
        waiting: impl Iterator<Item = &'a str>,
        running: impl Iterator<Item = (&'a str, f64)>,
        jobs: usize,
    ) -> Option<f64> {
        let mut left = 0.0;
        let mut longest = 0.0_f64;
        for label in waiting {
            let seconds = self.of(label)?;
            left += seconds;
            longest = longest.max(seconds);
        }
        for (label, elapsed) in running {
            let seconds = (self.of(label)? - elapsed).max(0.0);
            left += seconds;
            longest = longest.max(seconds);
        }
        Some((left / jobs.max(1) as f64).max(longest))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_left_is_of_earlier_runs_at_this_runs_pace() {
        let mut estimate = Estimate::new([("a".to_owned(), 10.0), ("b".to_owned(), 30.0)].into());
        let left = |e: &Estimate, waiting: &[&str], running: &[(&str, f64)], jobs| {
            e.left(waiting.iter().copied(), running.iter().copied(), jobs)
        };
        assert_eq!(left(&estimate, &["b"], &[("a", 4.0)], 1), Some(36.0));
        assert_eq!(left(&estimate, &["b"], &[("a", 4.0)], 2), Some(30.0));
        assert_eq!(left(&estimate, &["c"], &[], 1), None);
        estimate.finished("a", 20.0);
        assert_eq!(left(&estimate, &["b", "c"], &[], 1), Some(80.0));
        assert_eq!(left(&estimate, &[], &[("b", 100.0)], 1), Some(0.0));
    }
}

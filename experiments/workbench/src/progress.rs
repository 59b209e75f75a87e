//! Progress of a run: a bar on a terminal, plain lines elsewhere. Both go to standard error.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::io::IsTerminal;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

use zkml_engine::job::Step;

/// Parts that the bar divides a cell into.
const PARTS: u64 = 1000;

/// A running cell: its label, what it does, and how many of its [`PARTS`] are done.
struct Row {
    label: String,
    doing: String,
    done: u64,
}

/// What the person at the terminal sees while cells run.
pub(crate) struct Progress {
    bar: Option<ProgressBar>,
    all: usize,
    ended: Cell<usize>,
    left: Cell<Option<f64>>,
    rows: RefCell<BTreeMap<usize, Row>>,
}

impl Progress {
    /// Progress over a number of cells.
    pub(crate) fn new(all: usize) -> Self {
        let terminal = std::io::stderr().is_terminal();
        let bar = terminal.then(|| {
            let bar = ProgressBar::new(PARTS * all as u64);
            let style = ProgressStyle::with_template("{prefix} [{bar:24}] {elapsed}{wide_msg}");
            bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()).progress_chars("=> "));
            bar.enable_steady_tick(Duration::from_millis(200));
            bar
        });
        let progress = Self { bar, all, ended: Cell::new(0), left: Cell::new(None), rows: RefCell::default() };
        progress.draw();
        progress
    }

    /// A cell was finished before.
    pub(crate) fn skip(&self) {
        self.ended.set(self.ended.get() + 1);
        if let Some(bar) = &self.bar {
            // Only what is done now counts for the bar's own idea of speed.
            bar.set_position(PARTS * self.ended.get() as u64);
        }
    }

    /// A cell begins.
    pub(crate) fn begin(&self, number: usize, label: &str) {
        let row = Row { label: label.to_owned(), doing: "starting".to_owned(), done: 0 };
        self.rows.borrow_mut().insert(number, row);
        if self.bar.is_none() {
            eprintln!("cell {} of {}: {label}{}", number + 1, self.all, self.time_left());
        }
        self.draw();
    }

    /// A cell takes a step.
    pub(crate) fn step(&self, number: usize, step: &Step) {
        if let Some(row) = self.rows.borrow_mut().get_mut(&number) {
            row.doing.clone_from(&step.doing);
            row.done = PARTS * step.done.min(step.of) / step.of.max(1);
        }
        self.draw();
    }

    /// A cell has ended; the line stays.
    pub(crate) fn end(&self, number: usize, line: &str) {
        self.rows.borrow_mut().remove(&number);
        self.ended.set(self.ended.get() + 1);
        match &self.bar {
            Some(bar) => bar.println(line),
            None => eprintln!("{line}"),
        }
        self.draw();
    }

    /// The seconds left, if they can be told.
    pub(crate) fn left(&self, seconds: Option<f64>) {
        self.left.set(seconds);
        self.draw();
    }

    fn time_left(&self) -> String {
        self.left.get().map_or_else(String::new, |seconds| format!(", about {} left", duration(seconds)))
    }

    fn draw(&self) {
        let Some(bar) = &self.bar else { return };
        let (rows, ended) = (self.rows.borrow(), self.ended.get());
        bar.set_prefix(format!("{ended} of {} {}", self.all, if self.all == 1 { "cell" } else { "cells" }));
        bar.set_position(PARTS * ended as u64 + rows.values().map(|r| r.done).sum::<u64>());
        let doing: Vec<String> = rows.values().map(|r| format!("{}: {}", r.label, r.doing)).collect();
        bar.set_message(format!("{} | {}", self.time_left(), doing.join(" | ")));
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

/// Seconds in words.
pub(crate) fn duration(seconds: f64) -> String {
    match seconds.round() as u64 {
        s if s < 120 => format!("{s} s"),
        s if s < 7200 => format!("{} min", (s + 30) / 60),
        s => format!("{:.1} h", s as f64 / 3600.0),
    }
}

#[cfg(test)]
mod tests {
    use super::duration;

    #[test]
    fn durations_have_a_fitting_unit() {
        assert_eq!([0.4, 119.0, 150.0, 7200.0].map(duration), ["0 s", "119 s", "3 min", "2.0 h"]);
    }
}

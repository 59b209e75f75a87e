//! Progress of a run: a bar on a terminal, plain lines elsewhere. Both go to standard error.

use std::io::IsTerminal;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

use zkml_engine::cell::Step;

/// What the person at the terminal sees while cells run.
pub(crate) struct Progress {
    bar: Option<ProgressBar>,
    cells: usize,
}

impl Progress {
    /// Progress over a number of cells.
    pub(crate) fn new(cells: usize) -> Self {
        let terminal = std::io::stderr().is_terminal();
        let bar = terminal.then(|| {
            let bar = ProgressBar::new(0);
            let style = ProgressStyle::with_template("{prefix} [{bar:24}] {msg} {elapsed}");
            bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()).progress_chars("=> "));
            bar.enable_steady_tick(Duration::from_millis(200));
            bar
        });
        Self { bar, cells }
    }

    /// A cell begins.
    pub(crate) fn begin(&self, number: usize, label: &str) {
        let text = format!("cell {} of {}: {label}", number + 1, self.cells);
        match &self.bar {
            Some(bar) => {
                bar.reset();
                bar.set_prefix(text);
            }
            None => eprintln!("{text}"),
        }
    }

    /// A cell takes a step.
    pub(crate) fn step(&self, step: &Step) {
        if let Some(bar) = &self.bar {
            bar.set_length(step.of);
            bar.set_position(step.done);
            bar.set_message(step.doing.clone());
        }
    }

    /// A line that stays.
    pub(crate) fn line(&self, text: &str) {
        match &self.bar {
            Some(bar) => bar.println(text),
            None => eprintln!("{text}"),
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

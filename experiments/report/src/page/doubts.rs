//! Reasons to doubt the numbers, the same ones together.

use maud::{Markup, html};
use zkml_results::advice;

use crate::run::{Run, numbers};
use crate::text;

/// One kind of advice: texts that differ in numbers alone.
struct Doubt {
    kind: String,
    /// Cell and text.
    cells: Vec<(String, String)>,
}

pub(super) fn section(run: &Run) -> Markup {
    let environment = run.environment.as_ref().map(advice::of_environment).unwrap_or_default();
    let doubts = doubts(run);
    let cells = run.measured().len();
    html! {
        @if !environment.is_empty() || !doubts.is_empty() {
            section.doubts aria-labelledby="doubts" {
                h2 id="doubts" { "Before you trust the times" }
                ul {
                    @for text in &environment { li { strong { "Build and machine" } ": " (prose(&text::printable(text))) } }
                    @for doubt in &doubts { li { (one(doubt, cells)) } }
                }
            }
        }
    }
}

fn one(doubt: &Doubt, all: usize) -> Markup {
    let [(first, text), rest @ ..] = &doubt.cells[..] else { return html! {} };
    let same = rest.iter().all(|(_, other)| other == text);
    let who = match doubt.cells.len() {
        count if count == all && all > 1 => format!("All {all} cells"),
        1 => first.clone(),
        count => format!("{count} of {all} cells"),
    };
    html! {
        strong { (who) }
        @if !same { ", such as " (first) }
        ": " (prose(text))
        @if !same || (!rest.is_empty() && doubt.cells.len() < all) {
            details {
                summary { "Which cells" }
                ul { @for (cell, text) in &doubt.cells { li { strong { (cell) } @if !same { ": " (prose(text)) } } } }
            }
        }
    }
}

/// A text in which backquotes enclose code.
fn prose(text: &str) -> Markup {
    html! {
        @for (at, part) in text.split('`').enumerate() { @if at % 2 == 1 { code { (part) } } @else { (part) } }
    }
}

fn doubts(run: &Run) -> Vec<Doubt> {
    let mut doubts: Vec<Doubt> = Vec::new();
    for record in run.records.iter().filter(|r| numbers(r).is_some()) {
        for text in advice::of(record).iter().map(|t| text::printable(t)) {
            let kind: String = text.chars().filter(|c| !c.is_ascii_digit() && *c != '.').collect();
            let entry = (run.label(record), text);
            match doubts.iter_mut().find(|d| d.kind == kind) {
                Some(doubt) => doubt.cells.push(entry),
                None => doubts.push(Doubt { kind, cells: vec![entry] }),
            }
        }
    }
    doubts
}

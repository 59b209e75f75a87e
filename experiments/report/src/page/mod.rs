//! The page: one HTML file, without a script and without anything to load.

mod cells;
mod compare;
mod doubts;

use maud::{DOCTYPE, Markup, PreEscaped, html};
use zkml_results::environment::Environment;
use zkml_results::record::Status;

use crate::picture::{Missing, Picture, svg};
use crate::run::{Cell, Run};
use crate::text;

/// The page of a run with these pictures.
pub(crate) fn html(run: &Run, gallery: &[Result<Picture, Missing>]) -> String {
    let pictures: Vec<&Picture> = gallery.iter().filter_map(|p| p.as_ref().ok()).collect();
    let missing: Vec<&Missing> = gallery.iter().filter_map(|p| p.as_ref().err()).collect();
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                title { (run.experiment) " – zkML workbench" }
                style { (PreEscaped(style())) }
            }
            body {
                a.skip href="#main" { "Skip to the results" }
                (header(run))
                main id="main" {
                    (verdict(run))
                    (doubts::section(run))
                    (compare::section(run))
                    (figures(&pictures, &missing))
                    (cells::section(run))
                    (environment(run))
                }
                footer { p { "Made from " code { "results.jsonl" } " and " code { "env.json" } " of this run. Times are medians; ± is the median absolute deviation." } }
            }
        }
    };
    page.into_string()
}

/// Colours of both schemes, then everything else.
fn style() -> String {
    let dark = svg::variables(true);
    format!(
        ":root{{{}}}\n@media (prefers-color-scheme:dark){{:root{{{dark}}}}}{}",
        svg::variables(false),
        include_str!("style.css")
    )
}

fn header(run: &Run) -> Markup {
    let started = run.records.iter().map(|r| r.started.as_str()).filter(|s| !s.is_empty()).min();
    html! {
        header {
            p.kicker { "zkML workbench · report of a run" }
            h1 { (run.experiment) }
            @if let Some(about) = &run.about { p.about { (about) } }
            @if let Some(started) = started { p.when { "Measured " time datetime=(started) { (started) } } }
            nav aria-label="Parts of this page" {
                ul {
                    li { a href="#comparison" { "Comparison" } }
                    li { a href="#pictures" { "Pictures" } }
                    li { a href="#cells" { "Cells" } }
                    li { a href="#environment" { "Machine and build" } }
                }
            }
        }
    }
}

/// How many cells ended how, why, and the ranges of the headline numbers.
fn verdict(run: &Run) -> Markup {
    let with = |status: Status| run.records.iter().filter(|r| r.status == status).count();
    let (ok, invalid, failed) = (with(Status::Ok), with(Status::Invalid), with(Status::Failed));
    let weak = run.records.iter().filter(|r| r.weak).count();
    let missed = run.records.iter().filter(|r| !r.violations.is_empty()).count();
    html! {
        section.verdict aria-labelledby="verdict" {
            h2 id="verdict" { "Verdict" }
            ul.pills {
                li class=(if ok == run.records.len() { "pill good" } else { "pill" }) { "✓ " (ok) " of " (text::plural(run.records.len(), "cell")) " ok" }
                @if invalid > 0 { li.pill.bad { "✗ " (invalid) " invalid" } }
                @if failed > 0 { li.pill.bad { "✗ " (failed) " failed" } }
                @if weak > 0 { li.pill.warn { "! " (weak) " weak" } }
                @if missed > 0 { li.pill.warn { "! " (missed) " missed a limit" } }
                @if run.skipped > 0 { li.pill.warn { "! " (text::plural(run.skipped, "damaged line")) " of results.jsonl left out" } }
            }
            (tiles(run))
            (reasons(run))
        }
    }
}

/// The cells that are not as they should be, with the reasons.
fn reasons(run: &Run) -> Markup {
    let told: Vec<_> =
        run.records.iter().filter(|r| r.status != Status::Ok || r.weak || !r.violations.is_empty()).collect();
    html! {
        @if !told.is_empty() {
            ul.reasons {
                @for record in told {
                    li {
                        strong { (run.label(record)) }
                        @if record.status != Status::Ok {
                            ": " (record.status.word()) " – " (text::printable(record.reason.as_deref().unwrap_or("no reason was recorded")))
                        } @else {
                            @if record.weak { ": weak: fewer bits of soundness than the experiment asks for" }
                            @for missed in &record.violations {
                                ": missed the limit on " code { (text::printable(&missed.metric)) }
                                @if let Some(value) = missed.value { " with " (text::count(value)) }
                                @if let Some(min) = missed.limits.min { ", at least " (text::count(min)) }
                                @if let Some(max) = missed.limits.max { ", at most " (text::count(max)) }
                            }
                        }
                    }
                }
            }
        }
    }
}

/// Ranges over all cells.
fn tiles(run: &Run) -> Markup {
    let cells = run.measured();
    let range = |get: &dyn Fn(&Cell<'_>) -> Option<f64>, show: fn(f64) -> String| {
        let values: Vec<f64> = cells.iter().filter_map(get).filter(|v| !v.is_nan()).collect();
        let low = show(values.iter().copied().reduce(f64::min)?);
        let high = show(values.iter().copied().reduce(f64::max)?);
        Some(text::range(&low, &high))
    };
    let metric = |name: &'static str| move |c: &Cell<'_>| c.record.metrics.get(name).copied();
    let tiles = [
        ("time to prove", range(&|c| Some(c.wall("prove")?.0), text::time)),
        ("time to verify", range(&|c| Some(c.wall("verify")?.0), text::time)),
        ("proof", range(&|c| Some(c.measured.proof_bytes as f64), text::bytes)),
        ("bits of soundness", range(&|c| Some(c.measured.soundness.bits), text::bits)),
        ("prove / plain inference", range(&metric("overhead"), text::factor)),
    ];
    html! {
        dl.tiles {
            @for (name, value) in tiles.into_iter().filter_map(|(name, value)| Some((name, value?))) {
                div { dt { (name) } dd { (value) } }
            }
        }
    }
}

fn figures(pictures: &[&Picture], missing: &[&Missing]) -> Markup {
    html! {
        section aria-labelledby="pictures" {
            h2 id="pictures" { "Pictures" }
            @for picture in pictures { (figure(picture)) }
            @if !missing.is_empty() {
                h3 { "Not drawn" }
                ul.missing { @for m in missing { li { strong { (text::printable(&m.title)) } ": " (text::printable(&m.reason)) "." } } }
            }
        }
    }
}

fn figure(picture: &Picture) -> Markup {
    let header: Vec<&str> = picture.numbers.header.iter().map(String::as_str).collect();
    html! {
        figure id=(picture.name) {
            h3 { (picture.title) }
            @for element in picture.elements() { (PreEscaped(element)) }
            figcaption { (picture.caption) }
            details {
                summary { "The numbers" }
                (table(&format!("Numbers of: {}", picture.title), &header, &picture.numbers.rows))
            }
        }
    }
}

/// A table with a head. Columns of numbers are set to the right.
fn table(caption: &str, header: &[&str], rows: &[Vec<String>]) -> Markup {
    let numeric =
        |value: &String| value.starts_with(|c: char| c.is_ascii_digit() || matches!(c, '–' | '−' | '-' | '<'));
    let class = |column: usize| {
        let all = column > 0 && rows.iter().filter_map(|r| r.get(column)).all(|v| v.is_empty() || numeric(v));
        all.then_some("number")
    };
    let classes: Vec<Option<&str>> = (0..header.len()).map(class).collect();
    html! {
        table.plain {
            caption { (caption) }
            thead { tr { @for (head, class) in header.iter().zip(&classes) { th class=[*class] scope="col" { (head) } } } }
            tbody {
                @for row in rows {
                    tr {
                        @for (at, (value, class)) in row.iter().zip(&classes).enumerate() {
                            @if at == 0 { th scope="row" { (value) } } @else { td class=[*class] { (value) } }
                        }
                    }
                }
            }
        }
    }
}

fn environment(run: &Run) -> Markup {
    let mut digests: Vec<&str> = run.records.iter().map(|r| r.environment.as_str()).filter(|d| !d.is_empty()).collect();
    digests.sort_unstable();
    digests.dedup();
    html! {
        section aria-labelledby="environment" {
            h2 id="environment" { "Machine and build" }
            @if digests.len() > 1 {
                p.note { "The cells were made in " (digests.len()) " environments; this is the first. Do not compare their times." }
            }
            @match &run.environment {
                Ok(environment) => (machine(environment)),
                Err(reason) => p.note { "Machine and build are not known: " (text::printable(reason)) },
            }
        }
    }
}

fn machine(environment: &Environment) -> Markup {
    let unknown = || "not told by the system".to_owned();
    let revision = environment.git_revision.as_deref().map_or_else(
        || "no repository".to_owned(),
        |r| {
            let short: String = r.chars().take(12).collect();
            if environment.git_dirty == Some(true) { format!("{short}, with changes") } else { short }
        },
    );
    let list = |items: &[String]| if items.is_empty() { "none".to_owned() } else { items.join(" ") };
    let rows = [
        ("processor", environment.cpu.clone()),
        ("cores, threads", format!("{}, {}", environment.cores, environment.threads)),
        ("governor", environment.governor.clone().unwrap_or_else(unknown)),
        ("memory", text::bytes(environment.memory_bytes as f64)),
        ("system", environment.os.clone()),
        ("compiler", environment.rustc.clone()),
        (
            "build",
            format!("{}, optimisation level {}, {}", environment.profile, environment.opt_level, environment.target),
        ),
        ("features", list(&environment.features)),
        ("git revision", revision),
        ("executable", environment.executable.chars().take(16).collect()),
    ];
    html! {
        dl.facts {
            @for (name, value) in rows { div { dt { (name) } dd { (text::printable(&value)) } } }
            @for (name, value) in &environment.variables { div { dt { "variable " (text::printable(name)) } dd { (text::printable(value)) } } }
        }
        details {
            summary { "Processor features that the compiler could use" }
            p.small { (list(&environment.target_features)) }
        }
    }
}

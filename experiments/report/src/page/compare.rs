//! The comparison: one row per cell.

use maud::{Markup, html};
use zkml_results::record::{CellRecord, Status};

use crate::run::{Axis, Cell, Run, numbers, value_at};
use crate::text;

/// Columns of numbers: name in the head, and in full.
const COLUMNS: [(&str, &str); 14] = [
    ("forward", "forward pass, which records what the proof needs"),
    ("commit", "commitment to the witness"),
    ("lookups", "proofs of lookups"),
    ("einsums", "proofs of einsums"),
    ("opening", "opening of the commitments"),
    ("other", "what is between the phases"),
    ("prove", "from quantised input to proof"),
    ("cpu", "CPU time to prove"),
    ("verify", "from bytes to verdict in a fresh process"),
    ("proof, key", "sizes of the proof file and of the verifying key"),
    ("memory", "largest resident memory of the proving process"),
    ("bits", "bits of soundness"),
    ("error", "largest deviation from the float model, in quantisation steps of the output"),
    (
        "overhead",
        "prove / plain inference; below it, prove / prove of the cell with protocol reveal and the same other values",
    ),
];

pub(super) fn section(run: &Run) -> Markup {
    let axes: Vec<&Axis> = run.axes.iter().filter(|a| a.tells()).collect();
    let axes = if axes.is_empty() { run.axes.iter().collect() } else { axes };
    html! {
        section aria-labelledby="comparison" {
            h2 id="comparison" { "Comparison" }
            div.scroll tabindex="0" role="region" aria-label="Comparison of all cells" {
                table.compare role="table" {
                    caption { "One row per cell. Medians; ± is the median absolute deviation, n the number of proofs." }
                    thead role="rowgroup" {
                        tr role="row" {
                            th scope="col" role="columnheader" {
                                @for axis in &axes { span.axis { (text::printable(&axis.path)) } }
                                @if axes.is_empty() { "cell" }
                            }
                            th scope="col" role="columnheader" { "status" }
                            @for (name, full) in COLUMNS { th.number scope="col" role="columnheader" { abbr title=(full) { (name) } } }
                        }
                    }
                    tbody role="rowgroup" { @for record in &run.records { (row(run, &axes, record)) } }
                }
            }
            details {
                summary { "What the columns mean" }
                dl.facts { @for (name, full) in COLUMNS { div { dt { (name) } dd { (full) } } } }
            }
        }
    }
}

fn row(run: &Run, axes: &[&Axis], record: &CellRecord) -> Markup {
    let status = if record.weak { format!("{}, weak", record.status.word()) } else { record.status.word().to_owned() };
    let class = if record.status == Status::Ok { "status good" } else { "status bad" };
    html! {
        tr role="row" data-cell=(text::printable(&record.cell)) {
            th scope="row" role="rowheader" {
                @for axis in axes { span.axis { (value_at(record, &axis.path).map_or_else(|| "–".to_owned(), |v| axis.label(v))) } }
                @if axes.is_empty() { (run.label(record)) }
            }
            td class=(class) role="cell" data-label="status" { (status) }
            @match numbers(record) {
                Some(measured) => {
                    @let cell = Cell { record, measured };
                    @for ((name, _), value) in COLUMNS.iter().zip(values(run, &cell)) {
                        td.number role="cell" data-label=(name) { (value) }
                    }
                }
                None => td.reason colspan=(COLUMNS.len()) role="cell" data-label="reason" {
                    (text::printable(record.reason.as_deref().unwrap_or("no reason was recorded")))
                },
            }
        }
    }
}

/// A number with its exact value.
fn data(value: Option<f64>, show: impl Fn(f64) -> String) -> Markup {
    html! {
        @if let Some(value) = value.filter(|v| v.is_infinite()) { (show(value)) } @else if let Some(value) = value.filter(|v| v.is_finite()) { data value=(value) { (show(value)) } } @else { "–" }
    }
}

fn values(run: &Run, cell: &Cell<'_>) -> Vec<Markup> {
    let measured = cell.measured;
    let phase = |name: &str| data(cell.wall(name).map(|t| t.0), text::time);
    let mut all: Vec<Markup> = ["forward", "commit", "lookups", "einsums", "opening", "other"].map(phase).to_vec();
    let prove = measured.phases.get("prove");
    let memory = measured.peak_memory_bytes.map(|b| b as f64);
    all.extend([
        html! {
            strong { (phase("prove")) }
            @if let Some(prove) = prove {
                span.sub { "± " (data(Some(prove.wall.spread), text::time)) }
                span.sub { "n " (prove.wall.samples) }
            }
        },
        data(prove.map(|p| p.cpu.median), text::time),
        phase("verify"),
        html! {
            (data(Some(measured.proof_bytes as f64), text::bytes))
            span.sub { "key " (data(Some(measured.verifying_key_bytes as f64), text::bytes)) }
        },
        data(memory, text::bytes),
        data(Some(measured.soundness.bits), text::bits),
        data(Some(measured.accuracy.max_steps), text::steps),
        html! {
            (data(cell.record.metrics.get("overhead").copied(), text::factor))
            @if let Some(ratio) = over_reveal(run, cell) { span.sub { (data(Some(ratio), text::factor)) " reveal" } }
        },
    ]);
    all
}

/// Time to prove over that of the cell that says `reveal` on one axis and agrees on all others.
fn over_reveal(run: &Run, cell: &Cell<'_>) -> Option<f64> {
    let own = cell.wall("prove")?.0;
    let baseline = run.measured().into_iter().find(|other| is_baseline(other.record, cell.record))?;
    Some(own / baseline.wall("prove")?.0).filter(|ratio| ratio.is_finite())
}

fn is_baseline(candidate: &CellRecord, record: &CellRecord) -> bool {
    let differing = record.point.iter().filter(|(axis, value)| value_at(candidate, axis) != Some(value));
    let differing: Vec<&str> = differing.map(|(axis, _)| axis.as_str()).collect();
    let reveals = |axis: &str| value_at(candidate, axis).is_some_and(|v| text::value(v) == "reveal");
    let has = || candidate.point.iter().any(|(axis, _)| reveals(axis));
    match differing[..] {
        [] => has(),
        [axis] => reveals(axis),
        _ => false,
    }
}

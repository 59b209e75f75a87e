//! Where the time goes: phases of proving, by cell.

use super::bars::{self, Bar, Bars, Part};
use super::canvas::Unit;
use super::palette::{Ink, REST, SERIES};
use super::{MOST_CELLS, Missing, Numbers, Picture, Plate, left_out};
use crate::run::{Axis, Cell, Run};
use crate::text;

/// Phases in the order of a proof, with the colour that each has in every picture.
pub(crate) const PHASES: [(&str, &str, Ink); 6] = [
    ("forward", "forward pass", SERIES[5]),
    ("commit", "commit", SERIES[4]),
    ("lookups", "lookups", SERIES[1]),
    ("einsums", "einsums", SERIES[2]),
    ("opening", "opening", SERIES[0]),
    ("other", "other", REST),
];

const TITLE: &str = "Time to prove, by phase";

pub(super) fn picture(run: &Run) -> Result<Picture, Missing> {
    let cells: Vec<Cell<'_>> = run.measured().into_iter().filter(|c| c.wall("prove").is_some()).collect();
    if cells.is_empty() {
        return Err(Missing::new(TITLE, "no cell has measured proofs"));
    }
    let shown = &cells[..cells.len().min(MOST_CELLS)];
    let bars = if let [only] = shown { ladder(only) } else { stacked(run, shown) };
    let plate = Plate {
        name: "phases".to_owned(),
        title: TITLE.to_owned(),
        caption: if shown.len() == 1 {
            "Median wall time of every phase, and its share of the whole proof; whiskers are the median absolute \
             deviation."
                .to_owned()
        } else {
            format!(
                "Median wall time of every phase, stacked. Numbers: the median of the whole proof and its median absolute \
                 deviation, which the whiskers show; medians of phases need not add up to it.{}",
                left_out(cells.len())
            )
        },
        description: description(run, &cells),
        numbers: numbers(run, &cells),
    };
    plate.drawn(run, |frame| bars::draw(&frame, std::slice::from_ref(&bars)))
}

fn parts() -> Vec<Part> {
    PHASES.iter().map(|(_, name, ink)| Part { name: (*name).to_owned(), ink: *ink }).collect()
}

fn median(cell: &Cell<'_>, phase: &str) -> f64 {
    cell.wall(phase).map_or(0.0, |(median, _)| median.max(0.0))
}

/// One bar per cell.
fn stacked(run: &Run, cells: &[Cell<'_>]) -> Bars {
    let (group, rest) = grouping(run);
    let bar = |cell: &Cell<'_>| {
        let (median_time, spread) = cell.wall("prove").unwrap_or_default();
        Bar {
            group: run.label_by(cell.record, |a| group.is_some_and(|g| g.path == a.path)),
            label: if group.is_some() { run.label_by(cell.record, &rest) } else { run.label(cell.record) },
            values: PHASES.iter().map(|(phase, ..)| median(cell, phase)).collect(),
            end: text::spread(median_time, spread),
            spread,
        }
    };
    Bars { heading: String::new(), parts: parts(), rows: cells.iter().map(bar).collect(), unit: Unit::TIME }
}

/// One bar per phase, of a single cell.
fn ladder(cell: &Cell<'_>) -> Bars {
    let whole = median(cell, "prove").max(f64::MIN_POSITIVE);
    let bars = PHASES.iter().enumerate().filter_map(|(at, (phase, name, _))| {
        let (median, spread) = cell.wall(phase)?;
        let values = (0..PHASES.len()).map(|k| if k == at { median.max(0.0) } else { 0.0 }).collect();
        let end = format!("{} · {:.0} %", text::time(median), 100.0 * median / whole);
        Some(Bar { group: String::new(), label: (*name).to_owned(), values, end, spread })
    });
    Bars { heading: String::new(), parts: parts(), rows: bars.collect(), unit: Unit::TIME }
}

/// The axis whose values are headings, where cells differ in several.
pub(super) fn grouping(run: &Run) -> (Option<&Axis>, impl Fn(&Axis) -> bool + use<>) {
    let telling: Vec<&Axis> = run.axes.iter().filter(|a| a.tells()).collect();
    let group = if telling.len() > 1 { telling.first().copied() } else { None };
    let path = group.map(|g| g.path.clone());
    (group, move |axis: &Axis| path.as_ref() != Some(&axis.path))
}

fn description(run: &Run, cells: &[Cell<'_>]) -> String {
    let slowest = |cell: &Cell<'_>| {
        let phases = PHASES.iter().map(|(phase, name, _)| (*name, median(cell, phase)));
        phases.max_by(|a, b| a.1.total_cmp(&b.1)).map_or("", |p| p.0)
    };
    let of = |cell: &Cell<'_>| {
        format!("{}: {}, most of it {}", run.label(cell.record), text::time(median(cell, "prove")), slowest(cell))
    };
    let first: Vec<String> = cells.iter().take(12).map(of).collect();
    format!("Bars of the time of every phase. {}.", first.join("; "))
}

fn numbers(run: &Run, cells: &[Cell<'_>]) -> Numbers {
    let header = ["cell", "prove", "±"].map(str::to_owned).into_iter();
    let header = header.chain(PHASES.iter().map(|(_, name, _)| (*name).to_owned())).collect();
    let row = |cell: &Cell<'_>| {
        let (whole, spread) = cell.wall("prove").unwrap_or_default();
        let first = [run.label(cell.record), text::time(whole), text::time(spread)];
        first.into_iter().chain(PHASES.iter().map(|(phase, ..)| text::time(median(cell, phase)))).collect()
    };
    Numbers { header, rows: cells.iter().map(row).collect() }
}

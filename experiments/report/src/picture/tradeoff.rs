//! Time to prove against proof size, one mark per cell.

use super::canvas::Unit;
use super::palette::{series_ink, series_mark};
use super::points::{Direction, Point, Points, Series};
use super::{MOST_CELLS, Missing, Numbers, Picture, Plate, left_out};
use crate::run::{Axis, Cell, Run, value_at};
use crate::text;

const TITLE: &str = "Time to prove against proof size";

/// More marks of one look than this are not told apart by colour and shape.
const MOST_LOOKS: usize = 10;

pub(super) fn picture(run: &Run) -> Result<Picture, Missing> {
    let cells: Vec<Cell<'_>> =
        run.measured().into_iter().filter(|c| c.wall("prove").is_some_and(|t| t.0 > 0.0)).collect();
    if cells.len() < 2 {
        return Err(Missing::new(TITLE, "it compares cells, and there are fewer than two with numbers"));
    }
    let shown = &cells[..cells.len().min(MOST_CELLS)];
    let time = |cell: &Cell<'_>| cell.wall("prove").unwrap_or_default().0;
    let at = |cell: &Cell<'_>| (time(cell), cell.measured.proof_bytes as f64);
    let points = Points {
        x: Direction { title: "time to prove (median) →", unit: Unit::TIME },
        y: Direction { title: "↑ proof size", unit: Unit::BYTES },
        series: series(run, shown, at),
        diagonal: false,
    };
    let quickest = cells.iter().min_by(|a, b| time(a).total_cmp(&time(b)));
    let smallest = cells.iter().min_by_key(|c| c.measured.proof_bytes);
    let name = |cell: Option<&Cell<'_>>| cell.map_or_else(String::new, |c| run.label(c.record));
    let plate = Plate {
        name: "time-against-size".to_owned(),
        title: TITLE.to_owned(),
        caption: format!(
            "One mark per cell; nearer to the lower left corner is better. Marks without room for a label are in the table.{}",
            left_out(cells.len())
        ),
        description: format!(
            "{} as marks. Quickest to prove: {}. Smallest proof: {}.",
            text::plural(cells.len(), "cell"),
            name(quickest),
            name(smallest)
        ),
        numbers: numbers(run, &cells),
    };
    plate.drawn(run, |frame| points.draw(&frame))
}

/// Marks by cell: with several axes, one look per value of one axis, and the other values as labels.
pub(super) fn series(run: &Run, cells: &[Cell<'_>], at: impl Fn(&Cell<'_>) -> (f64, f64)) -> Vec<Series> {
    let look = look_axis(run);
    let point = |cell: &Cell<'_>, label: String| {
        let (x, y) = at(cell);
        Point { x, y, label }
    };
    let Some(axis) = look else {
        let one = |(k, cell): (usize, &Cell<'_>)| {
            let label = run.label(cell.record);
            Series { points: vec![point(cell, label.clone())], label, ink: series_ink(k), mark: series_mark(k) }
        };
        return cells.iter().enumerate().map(one).collect();
    };
    let of_value = |(k, value): (usize, &String)| {
        let own = cells.iter().filter(|c| value_at(c.record, &axis.path) == Some(value));
        let points = own.map(|c| point(c, run.label_by(c.record, |a| a.path != axis.path))).collect();
        Series { label: axis.label(value), ink: series_ink(k), mark: series_mark(k), points }
    };
    axis.values.iter().enumerate().map(of_value).filter(|s| !s.points.is_empty()).collect()
}

/// The axis that colours and shapes stand for: a protocol if there is one, else the one with the most values.
fn look_axis(run: &Run) -> Option<&Axis> {
    let telling: Vec<&Axis> = run.axes.iter().filter(|a| a.tells() && a.values.len() <= MOST_LOOKS).collect();
    if run.axes.iter().filter(|a| a.tells()).count() < 2 {
        return None;
    }
    let protocol = telling.iter().find(|a| a.path.split('.').any(|part| part == "protocol"));
    protocol
        .or_else(|| telling.iter().filter(|a| a.numbers.is_none()).max_by_key(|a| a.values.len()))
        .or(telling.last())
        .copied()
}

fn numbers(run: &Run, cells: &[Cell<'_>]) -> Numbers {
    let header = ["cell", "prove", "±", "proof", "bytes"].map(str::to_owned).to_vec();
    let row = |cell: &Cell<'_>| {
        let (time, spread) = cell.wall("prove").unwrap_or_default();
        let bytes = cell.measured.proof_bytes;
        vec![run.label(cell.record), text::time(time), text::time(spread), text::bytes(bytes as f64), bytes.to_string()]
    };
    Numbers { header, rows: cells.iter().map(row).collect() }
}

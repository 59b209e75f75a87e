//! Predicted against counted operations, of a counting build.

use super::canvas::Unit;
use super::points::{Direction, Points};
use super::tradeoff::series;
use super::{MOST_CELLS, Missing, Numbers, Picture, Plate, left_out};
use crate::run::{Cell, Run};
use crate::text;

const TITLE: &str = "Predicted against counted operations";

pub(super) fn picture(run: &Run) -> Result<Picture, Missing> {
    let counts = |c: &Cell<'_>| Some((c.predicted(), c.counted()?)).filter(|(p, n)| *p > 0.0 && *n > 0.0);
    let cells: Vec<Cell<'_>> = run.measured().into_iter().filter(|c| counts(c).is_some()).collect();
    if cells.is_empty() {
        let reason =
            "nothing was counted: run the experiment with a workbench that was built with --features count-ops";
        return Err(Missing::new(TITLE, reason));
    }
    let at = |cell: &Cell<'_>| counts(cell).unwrap_or((1.0, 1.0));
    let points = Points {
        x: Direction { title: "predicted →", unit: Unit::COUNT },
        y: Direction { title: "↑ counted", unit: Unit::COUNT },
        series: series(run, &cells[..cells.len().min(MOST_CELLS)], at),
        diagonal: true,
    };
    let ratios: Vec<f64> = cells.iter().map(at).map(|(predicted, counted)| counted / predicted).collect();
    let (low, high) =
        (ratios.iter().copied().fold(f64::INFINITY, f64::min), ratios.iter().copied().fold(0.0, f64::max));
    let plate = Plate {
        name: "operations".to_owned(),
        title: TITLE.to_owned(),
        caption: format!(
            "Multiplications of one proof in units of one product of challenge-field elements; on the line, the prediction is \
             exact.{}",
            left_out(cells.len())
        ),
        description: format!(
            "{} as marks. Counted operations are {low:.3} to {high:.3} times the predicted ones.",
            text::plural(cells.len(), "cell")
        ),
        numbers: numbers(run, &cells),
    };
    plate.drawn(run, |frame| points.draw(&frame))
}

fn numbers(run: &Run, cells: &[Cell<'_>]) -> Numbers {
    let header = ["cell", "predicted", "counted", "counted / predicted"].map(str::to_owned).to_vec();
    let row = |cell: &Cell<'_>| {
        let (predicted, counted) = (cell.predicted(), cell.counted().unwrap_or_default());
        vec![
            run.label(cell.record),
            format!("{predicted:.0}"),
            format!("{counted:.0}"),
            format!("{:.3}", counted / predicted),
        ]
    };
    Numbers { header, rows: cells.iter().map(row).collect() }
}

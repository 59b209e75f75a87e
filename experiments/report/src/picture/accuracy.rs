//! The largest error of every layer, in steps of its own quantisation.

use zkml_results::record::{LayerAccuracy, Measured};

use super::canvas::{Anchor, Canvas, Frame, Plot, SIZE, Scale, Type, Unit};
use super::palette::{GRID, series_ink, series_mark};
use super::points::{draw_legend, legend};
use super::{Missing, Numbers, Picture, Plate};
use crate::run::{Cell, Run};
use crate::text;

const TITLE: &str = "Accuracy, by layer";
const ROW: f64 = 26.0;
/// More different networks than this are not drawn.
const MOST: usize = 10;

/// Cells whose layers have the same errors: a network has one accuracy, whoever proves it.
struct Series {
    label: String,
    errors: Vec<LayerAccuracy>,
    cells: usize,
}

fn errors(measured: &Measured) -> &[LayerAccuracy] {
    measured.evaluation.as_ref().map_or(&measured.layer_accuracy, |e| &e.layers)
}

pub(super) fn picture(run: &Run) -> Result<Picture, Missing> {
    let cells: Vec<Cell<'_>> = run.measured().into_iter().filter(|c| !errors(c.measured).is_empty()).collect();
    if cells.is_empty() {
        return Err(Missing::new(TITLE, "no cell recorded the errors of its layers; a new run of the experiment does"));
    }
    let all = series(run, &cells);
    let shown = &all[..all.len().min(MOST)];
    let layers = layers(shown);
    let held_out = cells.iter().filter_map(|c| c.measured.evaluation.as_ref()).map(|e| e.rows).max();
    let inputs = held_out.map_or_else(|| "the proven inputs".to_owned(), |rows| format!("{rows} held-out inputs"));
    let more = all.len().saturating_sub(MOST);
    let plate = Plate {
        name: "accuracy".to_owned(),
        title: TITLE.to_owned(),
        caption: format!(
            "Largest deviation of every layer's output from the float network over {inputs}, in steps of that output's \
             quantisation; errors accumulate from layer to layer. Cells with equal errors are one series.{}",
            if more == 0 {
                String::new()
            } else {
                format!(" {} are in the table alone.", text::plural(more, "series"))
            }
        ),
        description: description(shown),
        numbers: numbers(&all),
    };
    plate.drawn(run, |frame| draw(&frame, shown, &layers))
}

fn series(run: &Run, cells: &[Cell<'_>]) -> Vec<Series> {
    let mut all: Vec<(Series, Vec<&Cell<'_>>)> = Vec::new();
    for cell in cells {
        let errors = errors(cell.measured);
        match all.iter_mut().find(|(s, _)| s.errors == errors) {
            Some((series, of)) => {
                series.cells += 1;
                of.push(cell);
            }
            None => all.push((Series { label: String::new(), errors: errors.to_vec(), cells: 1 }, vec![cell])),
        }
    }
    let labelled = all.into_iter().map(|(series, of)| Series { label: common(run, &of), ..series });
    labelled.collect()
}

/// What cells have in common, and how many they are.
fn common(run: &Run, cells: &[&Cell<'_>]) -> String {
    let Some(first) = cells.first() else { return String::new() };
    if cells.len() == 1 {
        return run.label(first.record);
    }
    let same = run.label_by(first.record, |axis| {
        let value = |c: &Cell<'_>| crate::run::value_at(c.record, &axis.path).map(str::to_owned);
        cells.iter().all(|c| value(c) == value(first))
    });
    let count = text::plural(cells.len(), "cell");
    if same.is_empty() { count } else { format!("{same} ({count})") }
}

fn layers(all: &[Series]) -> Vec<String> {
    let mut layers: Vec<String> = Vec::new();
    for layer in all.iter().flat_map(|s| &s.errors).map(|e| text::printable(&e.layer)) {
        if !layers.contains(&layer) {
            layers.push(layer);
        }
    }
    layers
}

fn description(all: &[Series]) -> String {
    let worst = |s: &Series| {
        let worst =
            s.errors.iter().filter(|e| e.max_steps.is_finite()).max_by(|a, b| a.max_steps.total_cmp(&b.max_steps));
        worst.map_or_else(String::new, |e| {
            format!("{}: at most {} steps, in layer {}", s.label, text::steps(e.max_steps), text::printable(&e.layer))
        })
    };
    format!("Marks of the largest error of every layer. {}.", all.iter().map(worst).collect::<Vec<_>>().join("; "))
}

fn numbers(all: &[Series]) -> Numbers {
    let header = ["cells", "layer", "largest error, steps"].map(str::to_owned).to_vec();
    let rows = all.iter().flat_map(|s| {
        s.errors.iter().map(|e| vec![s.label.clone(), text::printable(&e.layer), text::steps(e.max_steps)])
    });
    Numbers { header, rows: rows.collect() }
}

/// One line of the drawing: marks of series, by the largest error.
struct Row {
    label: String,
    marks: Vec<(usize, f64)>,
}

/// One row per layer; with one layer, one row per series.
fn rows(all: &[Series], layers: &[String]) -> Vec<Row> {
    let error = |series: &Series, layer: &String| {
        let found = series.errors.iter().find(|e| text::printable(&e.layer) == *layer && e.max_steps.is_finite());
        found.map(|e| e.max_steps)
    };
    if let [only] = layers {
        let row =
            |s: &Series| Row { label: s.label.clone(), marks: error(s, only).map(|e| (0, e)).into_iter().collect() };
        return all.iter().map(row).collect();
    }
    let marks = |layer| all.iter().enumerate().filter_map(|(at, s)| Some((at, error(s, layer)?))).collect();
    layers.iter().map(|layer| Row { label: layer.clone(), marks: marks(layer) }).collect()
}

fn draw(frame: &Frame<'_>, all: &[Series], layers: &[String]) -> Option<String> {
    let (left, right) = frame.sides();
    let rows = rows(all, layers);
    let single = rows.iter().all(|r| r.marks.len() < 2);
    let labels: Vec<&str> = if single { Vec::new() } else { all.iter().map(|s| s.label.as_str()).collect() };
    let (places, top) = legend(labels.iter().copied(), left, right, frame.top());
    let room = (right - left) * if frame.narrow() { 0.45 } else { 0.36 };
    let names = rows.iter().map(|r| text::width(&r.label, SIZE)).fold(0.0, f64::max).min(room);
    let values: Vec<f64> = rows.iter().flat_map(|r| &r.marks).map(|m| m.1).collect();
    let highest = values.iter().copied().fold(0.0, f64::max);
    let x = Scale::linear(highest, if frame.narrow() { 3 } else { 7 }, Unit::COUNT);
    let bottom = top + rows.len() as f64 * ROW + 8.0;
    let numbers = if single { 60.0 } else { 14.0 };
    let plot = Plot::new([left + names + 14.0, top, right - numbers, bottom], x, Scale::linear(1.0, 1, Unit::COUNT));
    frame.draw(bottom + 44.0, |canvas| {
        let looks = labels.iter().zip(places).enumerate();
        draw_legend(canvas, right, looks.map(|(at, (label, place))| (*label, series_ink(at), series_mark(at), place)));
        plot.vertical(canvas);
        canvas.text(
            (right, bottom + 33.0),
            "largest error, in quantisation steps →",
            Type::QUIET.anchored(Anchor::End),
        );
        for (at, row) in rows.iter().enumerate() {
            let y = plot.top + 4.0 + (at as f64 + 0.5) * ROW;
            draw_row(canvas, &plot, row, y, names, single);
        }
    })
}

fn draw_row(canvas: &Canvas<'_>, plot: &Plot, row: &Row, y: f64, names: f64, single: bool) {
    canvas.line(&[(plot.left, y), (plot.right, y)], GRID, 1);
    canvas.text((plot.left - 12.0, y), &text::fitted(&row.label, SIZE, names), Type::LABEL.anchored(Anchor::End));
    for (at, error) in &row.marks {
        let (x, _) = plot.at(*error, 0.0);
        if single {
            canvas.line(&[(plot.left, y), (x, y)], series_ink(*at), 2);
            canvas.label((x + 10.0, y), &text::steps(*error));
        }
        canvas.mark((x, y), series_mark(*at), series_ink(*at));
    }
}

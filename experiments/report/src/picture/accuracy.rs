//! The largest error of every layer, in steps of its own quantisation.

use zkml_results::record::{LayerAccuracy, Measured};

use super::canvas::{Anchor, Canvas, Frame, Plot, SIZE, Scale, Type};
use super::palette::{series_ink, series_mark};
use super::points::{draw_legend, legend, scale};
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

fn draw(frame: &Frame<'_>, all: &[Series], layers: &[String]) -> Option<String> {
    let (left, right) = frame.sides();
    let labels: Vec<&str> = if all.len() > 1 { all.iter().map(|s| s.label.as_str()).collect() } else { Vec::new() };
    let (places, top) = legend(labels.iter().copied(), left, right, frame.top());
    let names = layers.iter().map(|l| text::width(l, SIZE)).fold(0.0, f64::max).min((right - left) * 0.36);
    let numbers = if all.len() == 1 { 60.0 } else { 14.0 };
    let values: Vec<f64> = all.iter().flat_map(|s| &s.errors).map(|e| e.max_steps).filter(|v| v.is_finite()).collect();
    let x: Scale = scale(&values, if frame.narrow() { 4 } else { 7 }, text::count);
    let bottom = top + layers.len() as f64 * ROW + 8.0;
    let plot = Plot::new([left + names + 14.0, top, right - numbers, bottom], x, Scale::linear(1.0, 1, text::count));
    frame.draw(bottom + 44.0, |canvas| {
        let looks = labels.iter().zip(places).enumerate();
        draw_legend(canvas, right, looks.map(|(at, (label, place))| (*label, series_ink(at), series_mark(at), place)));
        plot.vertical(canvas);
        canvas.text(
            (right, bottom + 33.0),
            "largest error, in quantisation steps →",
            Type::QUIET.anchored(Anchor::End),
        );
        rows(canvas, &plot, all, layers, names);
    })
}

fn rows(canvas: &Canvas<'_>, plot: &Plot, all: &[Series], layers: &[String], names: f64) {
    for (row, layer) in layers.iter().enumerate() {
        let y = plot.top + 4.0 + (row as f64 + 0.5) * ROW;
        canvas.line(&[(plot.left, y), (plot.right, y)], super::palette::GRID, 1);
        canvas.text((plot.left - 12.0, y), &text::fitted(layer, SIZE, names), Type::LABEL.anchored(Anchor::End));
        for (at, series) in all.iter().enumerate() {
            let of_layer = |e: &&LayerAccuracy| text::printable(&e.layer) == *layer && e.max_steps.is_finite();
            let Some(error) = series.errors.iter().find(of_layer) else { continue };
            let (x, _) = plot.at(error.max_steps, 0.0);
            if all.len() == 1 {
                canvas.line(&[(plot.left, y), (x, y)], series_ink(at), 2);
                canvas.text((x + 10.0, y), &text::steps(error.max_steps), Type::LABEL);
            }
            canvas.mark((x, y), series_mark(at), series_ink(at));
        }
    }
}

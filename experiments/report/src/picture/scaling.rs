//! Scaling: time, bytes and operations against a numeric axis, with exponents.

use super::canvas::{Anchor, Canvas, Frame, Plot, SIZE, Scale, Type, Unit};
use super::palette::{series_ink, series_mark};
use super::{Missing, Numbers, Picture, Plate};
use crate::fit::Fit;
use crate::run::{Axis, Cell, Claim, Run, value_at};
use crate::text;

const TITLE: &str = "Scaling";
/// An exponent needs this many sizes,
const FEWEST: usize = 3;
/// and the largest has to be this many times the smallest.
const SPAN: f64 = 4.0;
/// More series than this are spread over several pictures,
const MOST_SERIES: usize = 7;
/// at most this many,
const MOST_FACETS: usize = 8;
/// each with at most this many series.
const MOST_DRAWN: usize = 14;
/// Height of a line of the table below the plots.
const LINE: f64 = 21.0;

/// One size of a series.
#[derive(Clone, Copy, Debug)]
struct Sample {
    size: f64,
    /// Median seconds, bytes, predicted operations; not positive where there is none.
    values: [f64; 3],
}

struct Series {
    label: String,
    samples: Vec<Sample>,
    claims: Vec<Claim>,
    /// Whether its prover also works in the groups of a pairing.
    groups: bool,
}

const QUANTITIES: [(&str, Unit); 3] =
    [("time to prove", Unit::TIME), ("proof bytes", Unit::BYTES), ("operations, predicted", Unit::COUNT)];

impl Series {
    fn points(&self, quantity: usize) -> Vec<(f64, f64)> {
        let point = |s: &Sample| {
            Some((s.size, *s.values.get(quantity)?)).filter(|(x, y)| *x > 0.0 && *y > 0.0 && y.is_finite())
        };
        self.samples.iter().filter_map(point).collect()
    }

    fn fit(&self, quantity: usize) -> Option<Fit> {
        Fit::of(&self.points(quantity)).filter(|f| f.error.is_some())
    }

    fn claimed(&self) -> String {
        let claims =
            self.claims.iter().map(|c| format!("{} ({})", text::signed(c.exponent), text::printable(&c.source)));
        claims.collect::<Vec<_>>().join(", ")
    }
}

/// One picture per numeric axis, or several where its series are many.
pub(super) fn pictures(run: &Run) -> Vec<Result<Picture, Missing>> {
    let numeric: Vec<&Axis> = run.axes.iter().filter(|a| a.tells() && a.numbers.is_some()).collect();
    if numeric.is_empty() {
        let reason = "no axis of the matrix is numeric; sweep one, such as input.rows=16,64,256";
        return vec![Err(Missing::new(TITLE, reason))];
    }
    numeric.into_iter().flat_map(|axis| of_axis(run, axis)).collect()
}

fn of_axis(run: &Run, axis: &Axis) -> Vec<Result<Picture, Missing>> {
    let name = text::printable(&axis.path);
    let plain = axis.values.iter().all(|v| v.parse::<f64>().is_ok());
    let title =
        if plain { format!("{TITLE} with {name}") } else { format!("{TITLE} with the size of the tensors ({name})") };
    let numbers = axis.numbers.as_deref().unwrap_or_default();
    let low = numbers.iter().copied().fold(f64::INFINITY, f64::min);
    let high = numbers.iter().copied().fold(0.0, f64::max);
    if numbers.len() < FEWEST || low <= 0.0 || high / low < SPAN {
        let reason = format!(
            "an exponent needs {FEWEST} positive sizes or more, the largest at least {SPAN} times the smallest; {name} has {}",
            axis.values.iter().take(12).map(|v| text::value(v)).collect::<Vec<_>>().join(", ")
        );
        return vec![Err(Missing::new(&title, reason))];
    }
    let cells = run.measured();
    let all = series(run, axis, &cells);
    if all.is_empty() {
        return vec![Err(Missing::new(&title, format!("no series has numbers at {FEWEST} sizes or more")))];
    }
    if all.len() <= MOST_SERIES {
        return vec![picture(run, axis, title, "", &all)];
    }
    let Some(facet) = facets(run, axis) else { return vec![picture(run, axis, title, "", &all)] };
    let of_value = |value: &String| {
        let own: Vec<Cell<'_>> =
            cells.iter().filter(|c| value_at(c.record, &facet.path) == Some(value)).copied().collect();
        let own = series(run, axis, &own);
        let label = facet.label(value);
        let title = format!("{title}, {label}");
        (!own.is_empty()).then(|| picture(run, axis, title, &format!("-{}", slug(&label)), &own))
    };
    facet.values.iter().take(MOST_FACETS).filter_map(of_value).collect()
}

/// A name as a part of a file's name.
fn slug(name: &str) -> String {
    let simple = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' };
    name.chars().map(simple).take(40).collect()
}

/// The axis with the fewest values, over which series are spread.
fn facets<'r>(run: &'r Run, axis: &Axis) -> Option<&'r Axis> {
    let others: Vec<&Axis> = run.axes.iter().filter(|a| a.tells() && a.path != axis.path).collect();
    if others.len() < 2 { None } else { others.into_iter().min_by_key(|a| a.values.len()) }
}

/// The cells of equal values on all other axes, by size.
fn series(run: &Run, axis: &Axis, cells: &[Cell<'_>]) -> Vec<Series> {
    let constant = |a: &Axis| {
        cells.iter().all(|c| value_at(c.record, &a.path) == cells.first().and_then(|f| value_at(f.record, &a.path)))
    };
    let mut all: Vec<(String, Series)> = Vec::new();
    for cell in cells {
        let Some(size) = value_at(cell.record, &axis.path).and_then(|v| axis.number(v)) else { continue };
        let time = cell.wall("prove").map_or(0.0, |t| t.0);
        let sample = Sample { size, values: [time, cell.measured.proof_bytes as f64, cell.predicted()] };
        let key = run.label_by(cell.record, |a| a.path != axis.path);
        if let Some((_, series)) = all.iter_mut().find(|(k, _)| *k == key) {
            series.samples.push(sample);
            continue;
        }
        let groups =
            cell.measured.relations.iter().any(|r| r.cost.first_terms + r.cost.second_terms + r.cost.pairings > 0.0);
        let short = run.label_by(cell.record, |a| a.path != axis.path && !constant(a));
        let label = if short.is_empty() { run.experiment.clone() } else { short };
        let claims = run.claims.iter().filter(|c| c.axis == axis.path && uses(cell, &c.protocol)).cloned().collect();
        all.push((key, Series { label, samples: vec![sample], claims, groups }));
    }
    let sorted = all.into_iter().map(|(_, mut series)| {
        series.samples.sort_by(|a, b| a.size.total_cmp(&b.size));
        series
    });
    sorted.filter(|s| s.points(0).len() >= FEWEST).collect()
}

/// True if a cell's values or its relations name a protocol.
fn uses(cell: &Cell<'_>, protocol: &str) -> bool {
    let values = cell.record.point.iter().map(|(_, value)| value.as_str());
    let mut names = values.chain(cell.measured.relations.iter().map(|r| r.protocol.as_str()));
    names.any(|name| name.split(|c: char| !c.is_alphanumeric() && c != '-').any(|word| word == protocol))
}

fn picture(run: &Run, axis: &Axis, title: String, suffix: &str, all: &[Series]) -> Result<Picture, Missing> {
    let claimed = all.iter().any(|s| !s.claims.is_empty());
    let plate = Plate {
        name: format!("scaling-{}{suffix}", slug(&axis.path)),
        title,
        caption: format!(
            "Both directions are logarithmic: a power law is a straight line, and its slope is the exponent. Exponents are \
             least-squares fits with their standard errors. The predicted exponent is that of the operations which the cost \
             formulas of the relations give at the same sizes, openings not included{}.{}{}",
            if claimed { "; claimed exponents are from the publications named" } else { "" },
            if all.iter().any(|s| s.groups) { " It leaves out multi-scalar multiplications and pairings." } else { "" },
            if all.len() > MOST_DRAWN { " More series are in the table." } else { "" }
        ),
        description: description(all),
        numbers: numbers(axis, all),
    };
    let x_title = format!(
        "{} →",
        if axis.values.iter().all(|v| v.parse::<f64>().is_ok()) {
            text::printable(&axis.path)
        } else {
            "size of the tensors".to_owned()
        }
    );
    let shown = &all[..all.len().min(MOST_DRAWN)];
    plate.drawn(run, |frame| draw(&frame, shown, &x_title))
}

fn exponent(fit: Option<Fit>) -> String {
    fit.map_or_else(|| "–".to_owned(), |f| f.shown())
}

fn description(all: &[Series]) -> String {
    let of = |s: &Series| {
        let [time, bytes, operations] = [0, 1, 2].map(|q| exponent(s.fit(q)));
        format!("{}: time grows with exponent {time}, proof bytes {bytes}, predicted operations {operations}", s.label)
    };
    format!("Curves over logarithmic scales. {}.", all.iter().map(of).collect::<Vec<_>>().join("; "))
}

fn numbers(axis: &Axis, all: &[Series]) -> Numbers {
    let header = ["series", "size", "prove", "proof bytes", "operations, predicted"].map(str::to_owned);
    let mut rows = Vec::new();
    for series in all {
        for Sample { size, values: [time, bytes, operations] } in &series.samples {
            let size = format!("{} {}", text::printable(text::last_part(&axis.path)), text::count(*size));
            rows.push(vec![
                series.label.clone(),
                size,
                text::time(*time),
                format!("{bytes:.0}"),
                text::count(*operations),
            ]);
        }
        let [time, bytes, operations] = [0, 1, 2].map(|q| exponent(series.fit(q)));
        rows.push(vec![series.label.clone(), "exponent".to_owned(), time, bytes, operations]);
        if !series.claims.is_empty() {
            let none = String::new;
            rows.push(vec![series.label.clone(), "claimed exponent".to_owned(), series.claimed(), none(), none()]);
        }
    }
    Numbers { header: header.to_vec(), rows }
}

/// Three plots beside each other, or below each other on a phone, and the exponents below them.
fn draw(frame: &Frame<'_>, all: &[Series], x_title: &str) -> Option<String> {
    let (left, right) = frame.sides();
    let (columns, height) = if frame.narrow() { (1, 190.0) } else { (3, 230.0) };
    let gap = 26.0;
    let width = (right - left - gap * (columns - 1) as f64) / columns as f64;
    let row = height + 84.0;
    let table = frame.top() + row * (3 / columns) as f64 + 4.0;
    let claimed = all.iter().any(|s| !s.claims.is_empty());
    let bottom = table + table_height(frame, all.len(), claimed);
    frame.draw(bottom, |canvas| {
        for (quantity, (name, unit)) in QUANTITIES.iter().enumerate() {
            let x = left + (quantity % columns) as f64 * (width + gap);
            let y = frame.top() + (quantity / columns) as f64 * row;
            canvas.text((x, y + 8.0), &format!("↑ {name}"), Type::HEAD);
            panel(canvas, [x, y + 28.0, x + width, y + 28.0 + height], all, quantity, *unit, x_title);
        }
        exponents(canvas, frame, all, table, claimed);
    })
}

fn panel(
    canvas: &Canvas<'_>,
    [left, top, right, bottom]: [f64; 4],
    all: &[Series],
    quantity: usize,
    unit: Unit,
    x_title: &str,
) {
    let points: Vec<Vec<(f64, f64)>> = all.iter().map(|s| s.points(quantity)).collect();
    let values: Vec<f64> = points.iter().flatten().map(|p| p.1).collect();
    let mut sizes: Vec<f64> = all.iter().flat_map(|s| s.samples.iter().map(|p| p.size)).collect();
    sizes.sort_by(f64::total_cmp);
    sizes.dedup();
    let y = Scale::log(&values, 5, unit);
    let x = Scale::log(&sizes, 5, Unit::COUNT).at(&sizes, Unit::COUNT);
    let plot = Plot::new([left + Plot::gutter(&y), top, right - 10.0, bottom], x, y);
    plot.horizontal(canvas);
    plot.vertical(canvas);
    canvas.text((plot.right, bottom + 33.0), x_title, Type::QUIET.anchored(Anchor::End));
    if values.is_empty() {
        canvas.text((plot.left + 8.0, top + 14.0), "not recorded", Type::QUIET);
    }
    for (at, points) in points.iter().enumerate() {
        let pixels: Vec<(f64, f64)> = points.iter().map(|p| plot.at(p.0, p.1)).collect();
        canvas.line(&pixels, series_ink(at), 2);
        for pixel in pixels {
            canvas.mark(pixel, series_mark(at), series_ink(at));
        }
    }
}

fn table_height(frame: &Frame<'_>, series: usize, claimed: bool) -> f64 {
    let exponents = 3.0 + f64::from(u8::from(claimed));
    let one = if frame.narrow() { LINE + exponents * (LINE - 2.0) } else { LINE };
    series as f64 * one + LINE + 14.0
}

/// The legend, with the exponents of every series.
fn exponents(canvas: &Canvas<'_>, frame: &Frame<'_>, all: &[Series], top: f64, claimed: bool) {
    let (left, right) = frame.sides();
    let mut heads = vec!["time", "time, predicted", "proof bytes"];
    if claimed {
        heads.insert(2, "claimed");
    }
    let cells = |s: &Series| {
        let mut cells = vec![exponent(s.fit(0)), exponent(s.fit(2)), exponent(s.fit(1))];
        if claimed {
            cells.insert(2, s.claimed());
        }
        cells
    };
    canvas.text((left, top + 8.0), "Fitted exponents", Type::HEAD);
    let column = 132.0;
    let place = |at: usize| right - (heads.len() - 1 - at) as f64 * column;
    let mut y = top + 8.0;
    if !frame.narrow() {
        for (at, head) in heads.iter().enumerate() {
            canvas.text((place(at), y), head, Type::QUIET.anchored(Anchor::End));
        }
    }
    y += LINE + 2.0;
    for (at, series) in all.iter().enumerate() {
        canvas.mark((left + 6.0, y), series_mark(at), series_ink(at));
        let room = if frame.narrow() { right - left - 18.0 } else { place(0) - column - left };
        canvas.text((left + 18.0, y), &text::fitted(&series.label, SIZE, room), Type::LABEL);
        for (k, (cell, head)) in cells(series).iter().zip(&heads).enumerate() {
            if frame.narrow() {
                y += LINE - 2.0;
                canvas.text((left + 18.0, y), head, Type::QUIET);
                canvas.text(
                    (right, y),
                    &text::fitted(cell, SIZE, right - left - 120.0),
                    Type::LABEL.anchored(Anchor::End),
                );
            } else {
                canvas.text((place(k), y), &text::fitted(cell, SIZE, column - 8.0), Type::LABEL.anchored(Anchor::End));
            }
        }
        y += LINE;
    }
}

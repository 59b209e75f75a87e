//! Marks in a plane, labelled where they are.

use super::canvas::{Anchor, Canvas, Frame, Plot, SIZE, Scale, Type, Unit};
use super::palette::{Ink, MUTED, Mark};
use crate::text;

/// A mark.
#[derive(Clone, Debug)]
pub(super) struct Point {
    pub(super) x: f64,
    pub(super) y: f64,
    pub(super) label: String,
}

/// Marks of one look.
#[derive(Clone, Debug)]
pub(super) struct Series {
    pub(super) label: String,
    pub(super) ink: Ink,
    pub(super) mark: Mark,
    pub(super) points: Vec<Point>,
}

/// A direction.
#[derive(Clone, Copy, Debug)]
pub(super) struct Direction {
    pub(super) title: &'static str,
    pub(super) unit: Unit,
}

/// The drawing.
#[derive(Clone, Debug)]
pub(super) struct Points {
    pub(super) x: Direction,
    pub(super) y: Direction,
    pub(super) series: Vec<Series>,
    /// Whether the line of equal coordinates is drawn; both directions then have one scale.
    pub(super) diagonal: bool,
}

/// A wider range than this is shown by its logarithm.
const WIDE_RANGE: f64 = 5.0;
const LINE: f64 = 21.0;

/// Labels further above or below their mark than twice this have a line to it.
const NEAR: f64 = 12.0;
/// More marks than this have labels close to them only.
const MANY: usize = 20;

/// `[left, top, right, bottom]`.
type Box4 = [f64; 4];

fn meets(a: Box4, b: Box4) -> bool {
    a[0] < b[2] && b[0] < a[2] && a[1] < b[3] && b[1] < a[3]
}

/// A scale for values from which all of them can be read.
pub(super) fn scale(values: &[f64], ticks: usize, unit: Unit) -> Scale {
    let low = values.iter().copied().fold(f64::INFINITY, f64::min);
    let high = values.iter().copied().fold(0.0, f64::max);
    if low > 0.0 && high / low > WIDE_RANGE {
        Scale::log(values, ticks, unit)
    } else {
        Scale::linear(high * 1.04, ticks, unit)
    }
}

/// Where the entries of a legend stand from `(left, top)` on, and where it ends.
pub(super) fn legend<'s>(
    labels: impl Iterator<Item = &'s str>,
    left: f64,
    right: f64,
    top: f64,
) -> (Vec<(f64, f64)>, f64) {
    let (mut x, mut y, mut places) = (left, top + 9.0, Vec::new());
    for label in labels {
        let width = (18.0 + text::width(label, SIZE)).min(right - left);
        if x + width > right && x > left {
            (x, y) = (left, y + LINE);
        }
        places.push((x, y));
        x += width + 20.0;
    }
    let end = if places.is_empty() { top } else { y + 16.0 };
    (places, end)
}

/// Draws the entries of a legend.
pub(super) fn draw_legend<'s>(
    canvas: &Canvas<'_>,
    right: f64,
    entries: impl Iterator<Item = (&'s str, Ink, Mark, (f64, f64))>,
) {
    for (label, ink, mark, (x, y)) in entries {
        canvas.mark((x + 6.0, y), mark, ink);
        canvas.text((x + 18.0, y), &text::fitted(label, SIZE, right - x - 18.0), Type::LABEL);
    }
}

impl Points {
    pub(super) fn draw(&self, frame: &Frame<'_>) -> Option<String> {
        let (left, right) = frame.sides();
        let direct = self.series.iter().all(|s| s.points.len() == 1);
        let named = || self.series.iter().map(|s| s.label.as_str());
        let (no_legend, with_legend) = (frame.top(), legend(named(), left, right, frame.top()));
        // Where each series is one mark, labels replace the legend if all of them have room.
        let plot = self.plot(frame, no_legend);
        let labels = self.place(&plot, frame);
        let all = labels.iter().all(|l| l.iter().all(Option::is_some));
        let needs_legend = self.series.len() > 1 && !(direct && all);
        let (places, plot, labels) = if needs_legend {
            let plot = self.plot(frame, with_legend.1);
            let labels = if direct { Vec::new() } else { self.place(&plot, frame) };
            (with_legend.0, plot, labels)
        } else {
            (Vec::new(), plot, labels)
        };
        frame.draw(plot.bottom + 44.0, |canvas| {
            let entries = self.series.iter().zip(places).map(|(s, at)| (s.label.as_str(), s.ink, s.mark, at));
            draw_legend(canvas, right, entries);
            self.draw_plot(canvas, &plot, &labels);
        })
    }

    fn draw_plot(&self, canvas: &Canvas<'_>, plot: &Plot, labels: &[Vec<Option<(f64, f64)>>]) {
        plot.horizontal(canvas);
        plot.vertical(canvas);
        canvas.text((plot.left, plot.top - 14.0), self.y.title, Type::QUIET);
        canvas.text((plot.right, plot.bottom + 33.0), self.x.title, Type::QUIET.anchored(Anchor::End));
        if self.diagonal {
            let (low, high) = self.ends();
            canvas.line(&[plot.at(low, low), plot.at(high, high)], MUTED, 1);
        }
        for series in &self.series {
            for point in &series.points {
                canvas.mark(plot.at(point.x, point.y), series.mark, series.ink);
            }
        }
        for (series, places) in self.series.iter().zip(labels) {
            for (point, place) in series.points.iter().zip(places) {
                let Some((x, y)) = *place else { continue };
                let (mark_x, mark_y) = plot.at(point.x, point.y);
                if (y - mark_y).abs() > 2.0 * NEAR {
                    let side = if y < mark_y { 8.0 } else { -8.0 };
                    canvas.line(&[(mark_x, mark_y - side), (mark_x, y + side)], MUTED, 1);
                }
                canvas.label((x, y), &point.label);
            }
        }
    }

    fn all(&self) -> impl Iterator<Item = &Point> {
        self.series.iter().flat_map(|s| &s.points)
    }

    /// Smallest and largest coordinate.
    fn ends(&self) -> (f64, f64) {
        let all = || self.all().flat_map(|p| [p.x, p.y]);
        (all().fold(f64::INFINITY, f64::min), all().fold(0.0, f64::max))
    }

    fn plot(&self, frame: &Frame<'_>, top: f64) -> Plot {
        let (xs, ys): (Vec<f64>, Vec<f64>) = self.all().map(|p| (p.x, p.y)).unzip();
        let both: Vec<f64> = xs.iter().chain(&ys).copied().collect();
        let ticks = if frame.narrow() { (3, 5) } else { (7, 6) };
        let x = scale(if self.diagonal { &both } else { &xs }, ticks.0, self.x.unit);
        let y = scale(if self.diagonal { &both } else { &ys }, ticks.1, self.y.unit);
        let (left, right) = frame.sides();
        let height = if frame.narrow() { 300.0 } else { 400.0 };
        let edge = x.ticks.last().map_or(0.0, |(_, shown)| text::width(shown, SIZE) / 2.0);
        Plot::new([left + Plot::gutter(&y), top + 26.0, right - edge.min(24.0), top + 26.0 + height], x, y)
    }

    /// A place for the label of every point: beside its mark, or further off with a line to it; on no mark, label, line or
    /// edge, and nearer to its own mark than to others.
    fn place(&self, plot: &Plot, frame: &Frame<'_>) -> Vec<Vec<Option<(f64, f64)>>> {
        let around = |(x, y): (f64, f64), room: f64| [x - room, y - room, x + room, y + room];
        let marks: Vec<(f64, f64)> = self.all().map(|p| plot.at(p.x, p.y)).collect();
        let (_, right) = frame.sides();
        let mut taken: Vec<Box4> = Vec::new();
        let mut label = |point: &Point| {
            let (width, (x, y)) = (text::width(&point.label, SIZE), plot.at(point.x, point.y));
            let others: Vec<Box4> = marks.iter().filter(|m| **m != (x, y)).map(|m| around(*m, 6.0)).collect();
            let near: Vec<Box4> = marks.iter().filter(|m| **m != (x, y)).map(|m| around(*m, 13.0)).collect();
            let found = candidates(width, marks.len()).map(|(dx, dy)| (x + dx, y + dy)).find_map(|at| {
                let own = [at.0, at.1 - 8.0, at.0 + width, at.1 + 8.0];
                let line = [x - 2.0, y.min(at.1), x + 2.0, y.max(at.1)];
                let lined = (at.1 - y).abs() > 2.0 * NEAR;
                let inside =
                    own[0] >= plot.left && own[2] <= right && own[1] >= plot.top - 4.0 && own[3] <= plot.bottom;
                let free = |place: Box4, from: &[Box4]| !from.iter().any(|t| meets(*t, place));
                let fits = inside && free(own, &near) && free(own, &taken);
                (fits && (!lined || (free(line, &others) && free(line, &taken)))).then_some((
                    at,
                    own,
                    lined.then_some(line),
                ))
            });
            found.map(|(at, own, line)| {
                taken.push(own);
                taken.extend(line);
                at
            })
        };
        self.series.iter().map(|s| s.points.iter().map(&mut label).collect()).collect()
    }
}

/// Where a label of this width can begin, from its mark: among many marks only close to it.
fn candidates(width: f64, marks: usize) -> impl Iterator<Item = (f64, f64)> {
    let beside = [(10.0, 0.0), (-10.0 - width, 0.0), (-width / 2.0, -16.0), (-width / 2.0, 17.0)];
    let across = [8.0, -8.0 - width].map(|dx| [(dx, -13.0), (dx, 13.0)]);
    let far = [32.0, 52.0, 72.0].map(|dy| [-dy, dy].map(|dy| [-width / 2.0, -8.0, 8.0 - width].map(|dx| (dx, dy))));
    let far = if marks > MANY { Vec::new() } else { far.into_iter().flatten().flatten().collect() };
    beside.into_iter().chain(across.into_iter().flatten()).chain(far)
}

#[cfg(test)]
mod tests {
    use super::super::palette;
    use super::*;

    #[test]
    fn labels_never_lie_on_each_other() {
        let series = (0..40u8).map(|k| Series {
            label: format!("series {k}"),
            ink: palette::series_ink(k.into()),
            mark: palette::series_mark(k.into()),
            points: vec![Point {
                x: 1.0 + f64::from(k % 7) / 50.0,
                y: 1.0 + f64::from(k % 5) / 40.0,
                label: format!("cell {k}"),
            }],
        });
        let direction = Direction { title: "", unit: Unit::COUNT };
        let points = Points { x: direction, y: direction, series: series.collect(), diagonal: false };
        let frame = Frame { width: 880.0, title: None };
        let plot = points.plot(&frame, 0.0);
        let boxes: Vec<Box4> = points
            .place(&plot, &frame)
            .iter()
            .flatten()
            .flatten()
            .map(|(x, y)| [*x, y - 8.0, x + text::width("cell 0", SIZE), y + 8.0])
            .collect();
        assert!(boxes.len() > 2 && boxes.len() < 40, "{}", boxes.len());
        assert!(boxes.iter().enumerate().all(|(at, a)| boxes[at + 1..].iter().all(|b| !meets(*a, *b))));
    }
}

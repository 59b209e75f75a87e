//! Horizontal bars of stacked parts.

use super::canvas::{Anchor, Canvas, Frame, Plot, SIZE, Scale, Type, Unit};
use super::palette::{Ink, TEXT};
use crate::text;

/// A part that bars are made of.
#[derive(Clone, Debug)]
pub(super) struct Part {
    pub(super) name: String,
    pub(super) ink: Ink,
}

/// One bar.
#[derive(Clone, Debug)]
pub(super) struct Bar {
    /// Bars of one group follow each other under its name.
    pub(super) group: String,
    pub(super) label: String,
    /// One value per part.
    pub(super) values: Vec<f64>,
    /// What stands at its end.
    pub(super) end: String,
    /// Whisker at its end, to either side.
    pub(super) spread: f64,
}

/// A drawing of bars; `heading` stands above it where a picture has several.
#[derive(Clone, Debug)]
pub(super) struct Bars {
    pub(super) heading: String,
    pub(super) parts: Vec<Part>,
    pub(super) rows: Vec<Bar>,
    pub(super) unit: Unit,
}

const BAR: f64 = 20.0;
const GAP: f64 = 9.0;
const LINE: f64 = 19.0;

/// Where things are.
struct Layout {
    left: f64,
    right: f64,
    /// End of the plot: to the right of it, the longest bar's number has room.
    end: f64,
    /// Start of the bars.
    start: f64,
    /// Whether labels have lines of their own above the bars.
    above: bool,
}

impl Bars {
    /// Height that this needs in a frame.
    pub(super) fn height(&self, frame: &Frame<'_>) -> f64 {
        let layout = self.layout(frame);
        let row = BAR + GAP + if layout.above { LINE } else { 0.0 };
        self.head(&layout).1 + self.rows.len() as f64 * row + self.groups() as f64 * (LINE + 6.0) + 32.0
    }

    /// Draws it from `top` on.
    pub(super) fn draw(&self, canvas: &Canvas<'_>, frame: &Frame<'_>, top: f64) {
        let layout = self.layout(frame);
        let (places, head) = self.head(&layout);
        if !self.heading.is_empty() {
            canvas.heading((layout.left, top + 9.0), &self.heading, layout.right - layout.left);
        }
        for (part, (x, y)) in self.parts.iter().zip(places) {
            canvas.rectangle((x, top + y - 7.0), (x + 14.0, top + y + 7.0), part.ink);
            canvas.text((x + 20.0, top + y), &text::fitted(&part.name, SIZE, layout.right - x - 20.0), Type::LABEL);
        }
        let bottom = top + self.height(frame) - 28.0;
        let ticks = if frame.narrow() { 3 } else { 6 };
        let x = Scale::up_to(self.longest(), ticks, self.unit);
        let plot = Plot::new([layout.start, top + head, layout.end, bottom], x, Scale::linear(1.0, 1, Unit::COUNT));
        plot.vertical(canvas);
        self.draw_rows(canvas, &layout, &plot);
    }

    fn draw_rows(&self, canvas: &Canvas<'_>, layout: &Layout, plot: &Plot) {
        let mut y = plot.top + 4.0;
        let mut group = "";
        for bar in &self.rows {
            if bar.group != group {
                let room = layout.right - layout.left;
                canvas.heading((layout.left, y + LINE / 2.0 + 3.0), &bar.group, room);
                y += LINE + 6.0;
                group = &bar.group;
            }
            if layout.above {
                canvas.text(
                    (layout.left, y + LINE / 2.0),
                    &text::fitted(&bar.label, SIZE, layout.right - layout.left),
                    Type::LABEL,
                );
                y += LINE;
            } else {
                let room = layout.start - layout.left - 10.0;
                let at = (layout.start - 10.0, y + BAR / 2.0);
                canvas.text(at, &text::fitted(&bar.label, SIZE, room), Type::LABEL.anchored(Anchor::End));
            }
            let mut sum = 0.0;
            for (part, value) in self.parts.iter().zip(&bar.values) {
                let (from, to) = (plot.at(sum, 0.0).0, plot.at(sum + value, 0.0).0);
                if to > from {
                    canvas.rectangle((from, y), (to, y + BAR), part.ink);
                }
                sum += value;
            }
            let mut end = plot.at(sum, 0.0).0;
            if bar.spread > 0.0 {
                let (low, high) = (plot.at((sum - bar.spread).max(0.0), 0.0).0, plot.at(sum + bar.spread, 0.0).0);
                let middle = y + BAR / 2.0;
                canvas.line(&[(low, middle), (high, middle)], TEXT, 1);
                for x in [low, high] {
                    canvas.line(&[(x, middle - 4.0), (x, middle + 4.0)], TEXT, 1);
                }
                end = high;
            }
            canvas.label((end + 7.0, y + BAR / 2.0), &bar.end);
            y += BAR + GAP;
        }
    }

    fn layout(&self, frame: &Frame<'_>) -> Layout {
        let (left, right) = frame.sides();
        let labels = self.rows.iter().map(|b| text::width(&b.label, SIZE)).fold(0.0, f64::max);
        let above = frame.narrow() && labels > 90.0;
        let start = if above { left + 1.0 } else { left + labels.min((right - left) * 0.36) + 12.0 };
        let numbers = self.rows.iter().map(|b| text::width(&b.end, SIZE)).fold(0.0, f64::max);
        Layout { left, right, end: (right - numbers - 12.0).max(start + 40.0), start, above }
    }

    /// Where the entries of the legend stand, and where the bars begin, both from the top.
    fn head(&self, layout: &Layout) -> (Vec<(f64, f64)>, f64) {
        let first = if self.heading.is_empty() { 9.0 } else { 36.0 };
        let (mut x, mut y) = (layout.left, first);
        let mut places = Vec::new();
        if self.parts.len() > 1 && self.rows.iter().any(|b| b.values.iter().filter(|v| **v > 0.0).count() > 1) {
            for part in &self.parts {
                let width = 20.0 + text::width(&part.name, SIZE).min(layout.right - layout.left - 20.0);
                if x + width > layout.right && x > layout.left {
                    (x, y) = (layout.left, y + LINE + 2.0);
                }
                places.push((x, y));
                x += width + 18.0;
            }
            y += 18.0;
        } else if self.heading.is_empty() {
            y -= 9.0;
        } else {
            y -= 14.0;
        }
        (places, y)
    }

    fn longest(&self) -> f64 {
        self.rows.iter().map(|b| b.values.iter().sum::<f64>() + b.spread).fold(0.0, f64::max)
    }

    fn groups(&self) -> usize {
        let named = self.rows.iter().filter(|b| !b.group.is_empty());
        let mut groups: Vec<&str> = named.map(|b| b.group.as_str()).collect();
        groups.dedup();
        groups.len()
    }
}

/// Drawings below each other.
pub(super) fn draw(frame: &Frame<'_>, parts: &[Bars]) -> Option<String> {
    let space = 26.0;
    let bottom = parts.iter().fold(frame.top(), |y, part| y + part.height(frame) + space) - space;
    frame.draw(bottom, |canvas| {
        let mut y = frame.top();
        for part in parts {
            part.draw(canvas, frame, y);
            y += part.height(frame) + space;
        }
    })
}

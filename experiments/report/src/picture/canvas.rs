//! A surface in pixels over plotters' SVG backend, and plots with axes on it.

use std::cell::Cell;

use plotters::coord::Shift;
use plotters::coord::types::RangedCoordf64;
use plotters::element::{Drawable, PointCollection};
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use super::palette::{GRID, Ink, MUTED, Mark, PAPER, TEXT};
use crate::text;

/// Text of labels, in pixels.
pub(crate) const SIZE: f64 = 13.0;
/// Text of headings inside a picture.
pub(crate) const HEADING: f64 = 14.0;
/// Text of titles.
pub(crate) const TITLE: f64 = 17.0;

/// Bold text is wider by this factor.
pub(crate) const BOLD: f64 = 1.13;

/// The SVG backend divides sizes by this.
const SVG_SIZE: f64 = 1.24;

/// Where a text is pinned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Anchor {
    Start,
    Middle,
    End,
}

/// Look of a text.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Type {
    pub(crate) size: f64,
    pub(crate) ink: Ink,
    pub(crate) bold: bool,
    pub(crate) anchor: Anchor,
}

impl Type {
    /// A label.
    pub(crate) const LABEL: Self = Self { size: SIZE, ink: TEXT, bold: false, anchor: Anchor::Start };
    /// What stands back: ticks, units.
    pub(crate) const QUIET: Self = Self { ink: MUTED, ..Self::LABEL };
    /// The head of a part.
    pub(crate) const HEAD: Self = Self { size: HEADING, bold: true, ..Self::LABEL };

    pub(crate) const fn anchored(self, anchor: Anchor) -> Self {
        Self { anchor, ..self }
    }
}

/// A surface.
pub(crate) struct Canvas<'a> {
    area: DrawingArea<SVGBackend<'a>, Shift>,
    /// Set once something could not be drawn.
    failed: Cell<bool>,
}

impl<'a> Canvas<'a> {
    fn draw<'e, E>(&self, element: &'e E)
    where
        &'e E: PointCollection<'e, (i32, i32)>,
        E: Drawable<SVGBackend<'a>>,
    {
        if self.area.draw(element).is_err() {
            self.failed.set(true);
        }
    }

    /// A text with its vertical middle at `y`.
    pub(crate) fn text(&self, (x, y): (f64, f64), shown: &str, look: Type) {
        let horizontal = match look.anchor {
            Anchor::Start => HPos::Left,
            Anchor::Middle => HPos::Center,
            Anchor::End => HPos::Right,
        };
        let weight = if look.bold { FontStyle::Bold } else { FontStyle::Normal };
        let font = FontDesc::new(FontFamily::SansSerif, look.size * SVG_SIZE, weight);
        let ink = colour(look.ink);
        let style = TextStyle::from(font).color(&ink).pos(Pos::new(horizontal, VPos::Center));
        self.draw(&Text::new(text::printable(shown), pixel(x, y), style));
    }

    /// The head of a part, as much of it as has room.
    pub(crate) fn heading(&self, at: (f64, f64), shown: &str, room: f64) {
        self.text(at, &text::fitted(shown, HEADING * BOLD, room), Type::HEAD);
    }

    /// A label over lines of a grid, which do not show through it.
    pub(crate) fn label(&self, (x, y): (f64, f64), shown: &str) {
        self.rectangle((x - 2.0, y - 8.0), (x + text::width(shown, SIZE) + 2.0, y + 8.0), PAPER);
        self.text((x, y), shown, Type::LABEL);
    }

    /// A filled rectangle.
    pub(crate) fn rectangle(&self, from: (f64, f64), to: (f64, f64), ink: Ink) {
        let corners = [pixel(from.0, from.1), pixel(to.0, to.1)];
        self.draw(&Rectangle::new(corners, colour(ink).filled()));
    }

    /// A line through points.
    pub(crate) fn line(&self, points: &[(f64, f64)], ink: Ink, thickness: u32) {
        let points: Vec<(i32, i32)> = points.iter().map(|p| pixel(p.0, p.1)).collect();
        self.draw(&PathElement::new(points, colour(ink).stroke_width(thickness)));
    }

    /// An arrow's head with its tip at that point, towards the right or the left.
    pub(crate) fn arrow(&self, (x, y): (f64, f64), right: bool, ink: Ink) {
        let back = if right { x - 7.0 } else { x + 7.0 };
        let points = [pixel(x, y), pixel(back, y - 5.0), pixel(back, y + 5.0)];
        self.draw(&Polygon::new(points.to_vec(), colour(ink).filled()));
    }

    /// A mark of about ten pixels.
    pub(crate) fn mark(&self, (x, y): (f64, f64), mark: Mark, ink: Ink) {
        let r = 5.0;
        let polygon = |points: &[(f64, f64)]| {
            let points: Vec<(i32, i32)> = points.iter().map(|p| pixel(x + p.0, y + p.1)).collect();
            self.draw(&Polygon::new(points, colour(ink).filled()));
        };
        let stroke =
            |from: (f64, f64), to: (f64, f64)| self.line(&[(x + from.0, y + from.1), (x + to.0, y + to.1)], ink, 3);
        match mark {
            Mark::Disc => self.draw(&Circle::new(pixel(x, y), 5, colour(ink).filled())),
            Mark::Ring => {
                self.draw(&Circle::new(pixel(x, y), 5, colour(PAPER).filled()));
                self.draw(&Circle::new(pixel(x, y), 5, colour(ink).stroke_width(2)));
            }
            Mark::Square => polygon(&[(-r, -r), (r, -r), (r, r), (-r, r)]),
            Mark::Diamond => polygon(&[(0.0, -r - 1.0), (r + 1.0, 0.0), (0.0, r + 1.0), (-r - 1.0, 0.0)]),
            Mark::Triangle => polygon(&[(0.0, -r - 1.0), (r + 1.0, r), (-r - 1.0, r)]),
            Mark::Wedge => polygon(&[(-r - 1.0, -r), (r + 1.0, -r), (0.0, r + 1.0)]),
            Mark::Cross => {
                stroke((-r, -r), (r, r));
                stroke((-r, r), (r, -r));
            }
            Mark::Plus => {
                stroke((-r, 0.0), (r, 0.0));
                stroke((0.0, -r), (0.0, r));
            }
        }
    }
}

fn pixel(x: f64, y: f64) -> (i32, i32) {
    (x.round() as i32, y.round() as i32)
}

fn colour(ink: Ink) -> RGBColor {
    let [r, g, b] = ink.light;
    RGBColor(r, g, b)
}

/// What a drawing is given: its width in pixels, and a title if nothing beside it will say what it is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Frame<'a> {
    pub(crate) width: f64,
    pub(crate) title: Option<(&'a str, &'a str)>,
}

/// Below this width a layout is one column.
const NARROW: f64 = 600.0;

impl Frame<'_> {
    pub(crate) fn narrow(&self) -> bool {
        self.width < NARROW
    }

    /// Margin at every side: none where a page has its own.
    pub(crate) fn margin(&self) -> f64 {
        if self.title.is_some() { 24.0 } else { 1.0 }
    }

    /// Left and right end of what can be drawn on.
    pub(crate) fn sides(&self) -> (f64, f64) {
        (self.margin(), self.width - self.margin())
    }

    /// Where drawing begins, below the title.
    pub(crate) fn top(&self) -> f64 {
        if self.title.is_some() { self.margin() + 54.0 } else { 4.0 }
    }

    /// A picture whose parts end at `bottom`.
    pub(crate) fn draw(&self, bottom: f64, parts: impl FnOnce(&Canvas<'_>)) -> Option<String> {
        let mut svg = String::new();
        let size = (self.width.round() as u32, (bottom + self.margin()).round() as u32);
        let canvas =
            Canvas { area: SVGBackend::with_string(&mut svg, size).into_drawing_area(), failed: Cell::new(false) };
        if let Some((title, subtitle)) = self.title {
            let (left, right) = self.sides();
            canvas.rectangle((0.0, 0.0), (self.width, f64::from(size.1)), PAPER);
            let look = Type { size: TITLE, bold: true, ..Type::LABEL };
            canvas.text((left, self.margin() + 8.0), &text::fitted(title, TITLE * BOLD, right - left), look);
            canvas.text((left, self.margin() + 31.0), &text::fitted(subtitle, SIZE, right - left), Type::QUIET);
        }
        parts(&canvas);
        let failed = canvas.area.present().is_err() || canvas.failed.get();
        drop(canvas);
        (!failed).then_some(svg)
    }
}

/// What numbers along an axis are.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Unit {
    pub(crate) show: fn(f64) -> String,
    /// Whether round numbers are round in units of 1024, and powers of two.
    binary: bool,
}

impl Unit {
    pub(crate) const TIME: Self = Self { show: text::time, binary: false };
    pub(crate) const BYTES: Self = Self { show: text::bytes, binary: true };
    pub(crate) const COUNT: Self = Self { show: text::count, binary: false };
    pub(crate) const FACTOR: Self = Self { show: text::factor, binary: false };

    /// A round number, without zeros that say nothing.
    fn tick(self, value: f64) -> String {
        let shown = (self.show)(value);
        let (number, unit) = shown.split_once(' ').unwrap_or((&shown, ""));
        let number = if number.contains('.') { number.trim_end_matches('0').trim_end_matches('.') } else { number };
        if unit.is_empty() { number.to_owned() } else { format!("{number} {unit}") }
    }

    /// 1, 2 or 5 times a power of ten of the unit that shows the value, not below the step.
    fn round_step(self, step: f64) -> f64 {
        let base = if self.binary { 1024f64.powf((step.max(1.0).log2() / 10.0).floor()) } else { 1.0 };
        let power = base * 10f64.powf((step / base).log10().floor());
        [1.0, 2.0, 5.0, 10.0].map(|f| f * power).into_iter().find(|s| *s >= step * 0.999).unwrap_or(power * 10.0)
    }

    /// Round numbers in a range whose ends are logarithms to base ten: as many as fit, from the finest choice on.
    fn round_between(self, low: f64, high: f64, most: usize) -> Vec<f64> {
        let radix: f64 = if self.binary { 2.0 } else { 10.0 };
        let decimal: [&[f64]; 5] = [
            &[1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0],
            &[1.0, 2.0, 3.0, 5.0, 7.0],
            &[1.0, 2.0, 5.0],
            &[1.0, 3.0],
            &[1.0],
        ];
        let binary: [&[f64]; 3] = [&[1.0, 1.25, 1.5, 1.75], &[1.0, 1.5], &[1.0]];
        let choices: &[&[f64]] = if self.binary { &binary } else { &decimal };
        let between = |steps: &[f64], stride: i32| -> Vec<f64> {
            let powers = (low / radix.log10()).floor() as i32..=(high / radix.log10()).ceil() as i32;
            let values =
                powers.filter(|p| p.rem_euclid(stride) == 0).flat_map(|p| steps.iter().map(move |s| s * radix.powi(p)));
            values.filter(|v| (low..=high).contains(&v.log10())).collect()
        };
        let coarser = (2..40).map(|stride| between(&[1.0], stride));
        let mut fitting = choices.iter().map(|steps| between(steps, 1)).chain(coarser).filter(|t| t.len() <= most);
        fitting.next().unwrap_or_default()
    }
}

/// Larger numbers are not drawn to scale: sums of them are infinite.
const LARGEST: f64 = 1e200;

/// One direction of a plot.
#[derive(Clone, Debug)]
pub(crate) struct Scale {
    /// Ends, as logarithms to base ten if `log`.
    low: f64,
    high: f64,
    log: bool,
    pub(crate) ticks: Vec<(f64, String)>,
}

impl Scale {
    /// From zero to above the largest value, with round ticks.
    pub(crate) fn linear(high: f64, ticks: usize, unit: Unit) -> Self {
        let high = if high > 0.0 && high < LARGEST { high } else { 1.0 };
        let step = unit.round_step(high / ticks.max(1) as f64);
        let count = (high / step - 1e-9).ceil() as usize;
        let ticks = (0..=count).map(|k| k as f64 * step).map(|v| (v, unit.tick(v))).collect();
        Self { low: 0.0, high: count as f64 * step, log: false, ticks }
    }

    /// From zero to the largest value itself, with the round ticks up to it.
    pub(crate) fn up_to(high: f64, ticks: usize, unit: Unit) -> Self {
        let rounded = Self::linear(high, ticks, unit);
        if !(high > 0.0 && high < LARGEST) {
            return rounded;
        }
        let ticks = rounded.ticks.into_iter().filter(|(value, _)| *value <= high).collect();
        Self { high, ticks, ..rounded }
    }

    /// Around positive values, with logarithmic steps and at most `ticks` ticks.
    pub(crate) fn log(values: &[f64], ticks: usize, unit: Unit) -> Self {
        let low = values.iter().copied().fold(f64::INFINITY, f64::min);
        let high = values.iter().copied().fold(0.0, f64::max);
        let (low, high) = if low > 0.0 && high.is_finite() { (low.log10(), high.log10()) } else { (0.0, 1.0) };
        let room = ((high - low) * 0.07).max(0.07);
        let (low, high) = (low - room, high + room);
        let ticks = unit.round_between(low, high, ticks).into_iter().map(|v| (v, unit.tick(v))).collect();
        Self { low, high, log: true, ticks }
    }

    /// From the one to the other positive number, with logarithmic steps and no ticks.
    pub(crate) fn log_between(low: f64, high: f64) -> Self {
        Self { low: low.log10(), high: high.log10(), log: true, ticks: Vec::new() }
    }

    /// The same with ticks at these values.
    pub(crate) fn at(mut self, ticks: &[f64], unit: Unit) -> Self {
        self.ticks = ticks.iter().map(|v| (*v, unit.tick(*v))).collect();
        self
    }

    /// Where a value stands, at most one length beside the scale: further off, pixels have no numbers.
    fn place(&self, value: f64) -> f64 {
        let place = if self.log { value.max(f64::MIN_POSITIVE).log10() } else { value };
        let length = self.high - self.low;
        place.max(self.low - length).min(self.high + length)
    }
}

/// A plot: a rectangle with a scale in each direction.
pub(crate) struct Plot {
    pub(crate) left: f64,
    pub(crate) top: f64,
    pub(crate) right: f64,
    pub(crate) bottom: f64,
    x: Scale,
    y: Scale,
    coordinates: Cartesian2d<RangedCoordf64, RangedCoordf64>,
}

impl Plot {
    /// A plot over a rectangle `[left, top, right, bottom]`.
    pub(crate) fn new([left, top, right, bottom]: [f64; 4], x: Scale, y: Scale) -> Self {
        let pixels = (left as i32..right as i32, bottom as i32..top as i32);
        let coordinates = Cartesian2d::new(x.low..x.high, y.low..y.high, pixels);
        Self { left, top, right, bottom, x, y, coordinates }
    }

    /// The pixel of a point.
    pub(crate) fn at(&self, x: f64, y: f64) -> (f64, f64) {
        use plotters::coord::CoordTranslate;
        let (px, py) = self.coordinates.translate(&(self.x.place(x), self.y.place(y)));
        (f64::from(px), f64::from(py))
    }

    /// Where the vertical lines of the grid are, in the units of the scale.
    pub(crate) fn ticks(&self) -> impl Iterator<Item = f64> {
        self.x.ticks.iter().map(|(value, _)| *value)
    }

    /// Vertical lines of the grid, and their ticks below it.
    pub(crate) fn vertical(&self, canvas: &Canvas<'_>) {
        let mut free = f64::NEG_INFINITY;
        for (value, shown) in &self.x.ticks {
            let (x, _) = self.at(*value, 0.0);
            canvas.line(&[(x, self.top), (x, self.bottom)], GRID, 1);
            let half = text::width(shown, SIZE) / 2.0;
            let x = x.max(half + 1.0);
            if x - half > free {
                canvas.text((x, self.bottom + 13.0), shown, Type::QUIET.anchored(Anchor::Middle));
                free = x + half + 6.0;
            }
        }
    }

    /// Horizontal lines of the grid, and their ticks to the left of it.
    pub(crate) fn horizontal(&self, canvas: &Canvas<'_>) {
        for (value, shown) in &self.y.ticks {
            let (_, y) = self.at(0.0, *value);
            canvas.line(&[(self.left, y), (self.right, y)], GRID, 1);
            canvas.text((self.left - 7.0, y), shown, Type::QUIET.anchored(Anchor::End));
        }
    }

    /// Room that the ticks of a vertical scale need to the left.
    pub(crate) fn gutter(y: &Scale) -> f64 {
        y.ticks.iter().map(|(_, shown)| text::width(shown, SIZE)).fold(0.0, f64::max) + 9.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_round_and_few() {
        let scale = Scale::linear(32.5, 5, Unit::COUNT);
        assert_eq!(scale.ticks.iter().map(|t| t.0 as u32).collect::<Vec<_>>(), [0, 10, 20, 30, 40]);
        for (low, high) in [(1.0, 2.0), (1e-6, 1e3), (5.0, 5.0), (3.0, 900.0)] {
            let ticks = Scale::log(&[low, high], 5, Unit::COUNT).ticks;
            assert!((1..=5).contains(&ticks.len()), "{low} to {high}: {ticks:?}");
        }
        let shown = |scale: Scale| scale.ticks.into_iter().map(|t| t.1).collect::<Vec<_>>();
        assert_eq!(
            shown(Scale::linear(425_268.0, 5, Unit::BYTES)),
            ["0 B", "100 KiB", "200 KiB", "300 KiB", "400 KiB", "500 KiB"]
        );
        assert_eq!(shown(Scale::linear(0.0325, 4, Unit::TIME)), ["0 s", "10 ms", "20 ms", "30 ms", "40 ms"]);
        assert_eq!(
            shown(Scale::log(&[150e3, 500e3], 5, Unit::BYTES)),
            ["128 KiB", "192 KiB", "256 KiB", "384 KiB", "512 KiB"]
        );
        assert!(!Scale::linear(f64::NAN, 5, Unit::COUNT).ticks.is_empty());
        assert!(!Scale::linear(1e-300, 5, Unit::COUNT).ticks.is_empty());
    }

    #[test]
    fn points_land_inside_the_plot() {
        let (x, y) = (Scale::log(&[1.0, 1000.0], 5, Unit::COUNT), Scale::linear(10.0, 5, Unit::COUNT));
        let plot = Plot::new([50.0, 10.0, 250.0, 110.0], x, y);
        let ((x0, y0), (x1, y1)) = (plot.at(1.0, 0.0), plot.at(1000.0, 10.0));
        assert!(x0 > 50.0 && x1 < 250.0 && x0 < x1 && (y0 - 110.0).abs() < 1.5 && (y1 - 10.0).abs() < 1.5);
    }
}

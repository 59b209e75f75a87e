//! Ratios with their confidence intervals, one per line, by panels: a forest plot.

use zkml_results::verdict::Verdict;

use super::canvas::{Anchor, BOLD, Canvas, Frame, HEADING, Plot, SIZE, Scale, Type, Unit};
use super::palette::{GRID, Ink, MUTED, Mark, PAPER, SERIES};
use crate::text;

/// A ratio and what it says.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Found {
    /// Positive and finite.
    pub(crate) ratio: f64,
    /// Ends of the interval; one that is no positive number is off the axis.
    pub(crate) ends: [f64; 2],
    pub(crate) verdict: Verdict,
}

/// One line.
#[derive(Clone, Debug)]
pub(crate) struct Line {
    pub(crate) label: String,
    pub(crate) size: String,
    /// Nothing where nothing is compared.
    pub(crate) found: Option<Found>,
    /// The verdict, or why there is none.
    pub(crate) word: &'static str,
    /// At the right.
    pub(crate) time: String,
}

/// Lines under a heading.
#[derive(Clone, Debug)]
pub(crate) struct Panel {
    pub(crate) heading: String,
    /// What the lines are compared with.
    pub(crate) against: String,
    /// How large the noise is.
    pub(crate) note: String,
    /// Share around one that is shaded.
    pub(crate) floor: f64,
    pub(crate) lines: Vec<Line>,
}

/// Panels below each other, over one axis.
#[derive(Clone, Debug)]
pub(crate) struct Forest {
    pub(crate) panels: Vec<Panel>,
}

/// The axis goes this factor beyond the outermost ratios at most.
const REACH: f64 = 3.0;
/// Beyond what it shows, the axis goes on by this factor at least.
const LEAST_ROOM: f64 = 1.01;
/// Ratios further from one than this factor stand at the end of the axis.
const FARTHEST: f64 = 1e100;
/// Space between columns.
const GAP: f64 = 14.0;
/// Height of a line of text.
const LINE: f64 = 19.0;
/// Times and sizes are cut to these widths.
const WIDEST_TIME: f64 = 110.0;
const WIDEST_SIZE: f64 = 90.0;
/// Below this width the axis cannot be read, and the column of intervals gives way.
const LEAST: f64 = 210.0;

/// How a verdict is drawn: by shape and by colour.
fn look(verdict: Verdict) -> (Mark, Ink) {
    match verdict {
        Verdict::Better => (Mark::Disc, SERIES[0]),
        Verdict::Worse => (Mark::Diamond, SERIES[3]),
        Verdict::Same => (Mark::Square, MUTED),
        Verdict::CannotTell => (Mark::Ring, MUTED),
    }
}

/// Where the columns are.
struct Layout {
    left: f64,
    right: f64,
    /// Whether labels have lines of their own above the marks.
    above: bool,
    /// Right end of the labels, and of the sizes.
    labels: f64,
    sizes: f64,
    /// Ends of the axis.
    plot: [f64; 2],
    /// Right end of the ratios.
    ratios: f64,
    /// Left end of the intervals, if they have room.
    intervals: Option<f64>,
    /// Left end of the verdicts.
    words: f64,
    /// Height of a line with its mark.
    row: f64,
}

fn ratio(found: &Found) -> String {
    text::factor(found.ratio)
}

fn interval(found: &Found) -> String {
    let [low, high] = found.ends.map(text::factor);
    text::range(&low, &high)
}

impl Forest {
    pub(crate) fn draw(&self, frame: &Frame<'_>) -> Option<String> {
        let layout = self.layout(frame);
        let (low, high) = self.ends();
        let ticks = ticks(low, high, ((layout.plot[1] - layout.plot[0]) / 46.0) as usize);
        let scale = Scale::log_between(low, high).at(&ticks, Unit::FACTOR);
        let height = |panel: &Panel| head(&layout) + panel.lines.len() as f64 * layout.row + 6.0;
        let space = 46.0;
        let bottom = self.panels.iter().fold(frame.top(), |y, p| y + height(p) + space);
        frame.draw(bottom - 4.0, |canvas| {
            let mut y = frame.top();
            for (at, panel) in self.panels.iter().enumerate() {
                draw_heading(canvas, &layout, panel, y, at == 0);
                let place = [layout.plot[0], y + head(&layout), layout.plot[1], y + height(panel)];
                let plot = Plot::new(place, scale.clone(), Scale::linear(1.0, 1, Unit::COUNT));
                draw_panel(canvas, &layout, &plot, panel);
                y += height(panel) + space;
            }
            let under = y - space + 33.0;
            canvas.text((layout.plot[0], under), "← faster", Type::QUIET);
            canvas.text((layout.plot[1], under), "slower →", Type::QUIET.anchored(Anchor::End));
        })
    }

    /// Ends of the axis: all ratios and one lie between them, and intervals and noise, up to a distance.
    fn ends(&self) -> (f64, f64) {
        let found = || self.panels.iter().flat_map(|p| p.lines.iter().filter_map(|l| l.found));
        let ratios = || found().map(|f| f.ratio.clamp(1.0 / FARTHEST, FARTHEST)).chain([1.0]);
        let (low, high) = (ratios().fold(1.0, f64::min), ratios().fold(1.0, f64::max));
        let noise = self.panels.iter().flat_map(|p| [1.0 / (1.0 + p.floor), 1.0 + p.floor]);
        let ends: Vec<f64> = found().flat_map(|f| f.ends).chain(noise).filter(|end| *end > 0.0).collect();
        let lowest = ends.iter().copied().fold(low, f64::min);
        let highest = ends.iter().copied().fold(high, f64::max);
        let (lowest, highest) = (lowest.max(low / REACH), highest.min(high * REACH));
        let room = (highest / lowest).powf(0.06).max(LEAST_ROOM);
        (lowest / room, highest * room)
    }

    fn layout(&self, frame: &Frame<'_>) -> Layout {
        let (left, right) = frame.sides();
        let words = self.widest("verdict", |line| line.word.to_owned());
        let ratios = self.widest("ratio", |line| line.found.as_ref().map(ratio).unwrap_or_default());
        if !frame.narrow() {
            return self.columns(left, right, words, ratios);
        }
        let words = right - words;
        Layout {
            left,
            right,
            above: true,
            labels: right,
            sizes: right,
            plot: [left + 1.0, words - 10.0 - ratios - 8.0],
            ratios: words - 10.0,
            intervals: None,
            words,
            row: 2.0 * LINE + 6.0,
        }
    }

    /// All columns side by side; verdicts and ratios are that wide.
    fn columns(&self, left: f64, right: f64, words: f64, ratios: f64) -> Layout {
        let times = self.widest("median", |line| line.time.clone()).min(WIDEST_TIME);
        let intervals = self.widest("95 %", |line| line.found.as_ref().map(interval).unwrap_or_default());
        let sizes = self.widest("", |line| line.size.clone()).min(WIDEST_SIZE);
        let labels = left + self.widest("", |line| line.label.clone()).min((right - left) * 0.27);
        let sizes = labels + if sizes > 0.0 { GAP + sizes } else { 0.0 };
        let start = sizes + 12.0;
        let words = right - times - GAP - words;
        let before = words - 2.0 * GAP - intervals;
        let roomy = before - ratios - GAP - start >= LEAST;
        let ratios_end = if roomy { before } else { words - GAP };
        Layout {
            left,
            right,
            above: false,
            labels,
            sizes,
            plot: [start, ratios_end - ratios - GAP],
            ratios: ratios_end,
            intervals: roomy.then_some(before + GAP),
            words,
            row: 26.0,
        }
    }

    /// Width of a column: of its head, or of the widest text in it.
    fn widest(&self, head: &str, shown: impl Fn(&Line) -> String) -> f64 {
        let lines = self.panels.iter().flat_map(|p| &p.lines);
        lines.map(|line| text::width(&shown(line), SIZE)).fold(text::width(head, SIZE), f64::max)
    }
}

/// Height of a panel's heading; in one column, the note is below it.
fn head(layout: &Layout) -> f64 {
    if layout.above { 2.0 * LINE + 6.0 } else { LINE + 9.0 }
}

/// Round ratios between two that have one between them: it is among them, and at most `most` are.
fn ticks(low: f64, high: f64, most: usize) -> Vec<f64> {
    let even = |step: f64| -> Vec<f64> {
        let steps = (low / step - 1e-9).ceil() as i32..=(high / step + 1e-9).floor() as i32;
        steps.map(|k| f64::from(k) * step).collect()
    };
    let powers = |factors: &[f64], stride: i32| -> Vec<f64> {
        let exponents = low.log10().floor() as i32..=high.log10().ceil() as i32;
        let own = exponents.filter(|e| e.rem_euclid(stride) == 0);
        let values = own.flat_map(|e| factors.iter().map(move |f| f * 10f64.powi(e)));
        values.filter(|v| (low * 0.999_999..=high * 1.000_001).contains(v)).collect()
    };
    let linear = [0.01, 0.02, 0.05, 0.1, 0.2, 0.5].into_iter().filter(|_| high / low < 3.0).map(even);
    let logarithmic = [&[1.0, 1.5, 2.0, 3.0, 5.0, 7.0][..], &[1.0, 2.0, 5.0], &[1.0]].into_iter().map(|f| powers(f, 1));
    let coarser = (2..200).map(|stride| powers(&[1.0], stride));
    let mut fitting = linear.chain(logarithmic).chain(coarser).filter(|t| t.len() <= most.max(1));
    fitting.next().unwrap_or_else(|| vec![1.0])
}

fn draw_heading(canvas: &Canvas<'_>, layout: &Layout, panel: &Panel, top: f64, first: bool) {
    let y = top + LINE / 2.0;
    let (left, end) = (layout.left, if layout.above { layout.right } else { layout.plot[1] });
    let heading = text::fitted(&panel.heading, HEADING * BOLD, (end - left) * 0.6);
    canvas.text((left, y), &heading, Type::HEAD);
    let x = left + text::width(&heading, HEADING * BOLD) + GAP;
    let quiet = |at: (f64, f64), shown: &str| canvas.text(at, &text::fitted(shown, SIZE, end - at.0), Type::QUIET);
    if layout.above {
        quiet((x, y + 0.5), &panel.against);
        quiet((left, y + LINE), &panel.note);
    } else {
        quiet((x, y + 0.5), &format!("{}, {}", panel.against, panel.note));
    }
    if first && !layout.above {
        canvas.text((layout.ratios, y), "ratio", Type::QUIET.anchored(Anchor::End));
        if let Some(x) = layout.intervals {
            canvas.text((x, y), "95 %", Type::QUIET);
        }
        canvas.text((layout.words, y), "verdict", Type::QUIET);
        canvas.text((layout.right, y), "median", Type::QUIET.anchored(Anchor::End));
    }
}

fn draw_panel(canvas: &Canvas<'_>, layout: &Layout, plot: &Plot, panel: &Panel) {
    let x = |value: f64| plot.at(value, 0.0).0.clamp(plot.left, plot.right);
    let band = [x(1.0 / (1.0 + panel.floor)), x(1.0 + panel.floor)];
    canvas.rectangle((band[0], plot.top), (band[1], plot.bottom), GRID);
    plot.vertical(canvas);
    for tick in plot.ticks().filter(|tick| (band[0] + 2.0..band[1] - 2.0).contains(&x(*tick))) {
        canvas.line(&[(x(tick), plot.top), (x(tick), plot.bottom)], PAPER, 1);
    }
    canvas.line(&[(x(1.0), plot.top), (x(1.0), plot.bottom)], MUTED, 1);
    for (at, line) in panel.lines.iter().enumerate() {
        draw_line(canvas, layout, plot, line, plot.top + 3.0 + at as f64 * layout.row);
    }
}

fn draw_line(canvas: &Canvas<'_>, layout: &Layout, plot: &Plot, line: &Line, top: f64) {
    let y = if layout.above { top + 1.5 * LINE } else { top + layout.row / 2.0 };
    if layout.above {
        draw_label_above(canvas, layout, line, top);
    } else {
        let room = layout.labels - layout.left + 0.5;
        let end = |look: Type| look.anchored(Anchor::End);
        canvas.text((layout.labels, y), &text::fitted(&line.label, SIZE, room), end(Type::LABEL));
        if !line.size.is_empty() {
            let room = layout.sizes - layout.labels - GAP + 0.5;
            canvas.text((layout.sizes, y), &text::fitted(&line.size, SIZE, room), end(Type::QUIET));
        }
        canvas.text((layout.right, y), &text::fitted(&line.time, SIZE, WIDEST_TIME), end(Type::LABEL));
    }
    let Some(found) = &line.found else {
        canvas.text((layout.words, y), line.word, Type::QUIET);
        return;
    };
    canvas.text((layout.words, y), line.word, Type::LABEL);
    canvas.text((layout.ratios, y), &ratio(found), Type::LABEL.anchored(Anchor::End));
    if let Some(x) = layout.intervals {
        canvas.text((x, y), &interval(found), Type::QUIET);
    }
    draw_mark(canvas, plot, found, y);
}

/// The label over the grid, on paper of its own.
fn draw_label_above(canvas: &Canvas<'_>, layout: &Layout, line: &Line, top: f64) {
    let y = top + LINE / 2.0;
    canvas.rectangle((layout.left, top - 4.0), (layout.plot[1] + 1.0, top + LINE - 1.0), PAPER);
    let time = text::fitted(&line.time, SIZE, WIDEST_TIME);
    canvas.text((layout.right, y), &time, Type::QUIET.anchored(Anchor::End));
    let end = layout.right - text::width(&time, SIZE) - GAP;
    let size = text::fitted(&line.size, SIZE, WIDEST_SIZE);
    let sized = if size.is_empty() { 0.0 } else { text::width(&size, SIZE) + 8.0 };
    let label = text::fitted(&line.label, SIZE, end - layout.left - sized);
    canvas.text((layout.left, y), &label, Type::LABEL);
    if !size.is_empty() {
        canvas.text((layout.left + text::width(&label, SIZE) + 8.0, y), &size, Type::QUIET);
    }
}

/// The ratio's mark over its interval; an end beyond the axis is an arrow.
fn draw_mark(canvas: &Canvas<'_>, plot: &Plot, found: &Found, y: f64) {
    let (mark, ink) = look(found.verdict);
    let [low, high] = found.ends;
    let place = |end: f64, beyond: f64| if end > 0.0 { plot.at(end, 0.0).0 } else { beyond };
    let (low, high) = (place(low, plot.left - 1.0), place(high, plot.right + 1.0));
    let (from, to) = (low.max(plot.left), high.min(plot.right));
    canvas.line(&[(from, y), (to, y)], ink, 2);
    for (end, at, right) in [(low, from, false), (high, to, true)] {
        if (end - at).abs() > 0.5 {
            canvas.arrow((at, y), right, ink);
        } else {
            canvas.line(&[(at, y - 4.0), (at, y + 4.0)], ink, 2);
        }
    }
    canvas.mark((plot.at(found.ratio, 0.0).0.clamp(plot.left, plot.right), y), mark, ink);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_few_and_one_is_among_them() {
        for (low, high) in [(0.99, 1.01), (0.9, 1.2), (0.5, 1.0), (0.1, 4.0), (1e-3, 1e3), (1e-100, 1e100), (1.0, 1.0)]
        {
            for most in 2..8 {
                let found = ticks(low, high, most);
                assert!(found.len() <= most, "{low} to {high}: {found:?}");
                assert!(found.iter().any(|t| (t - 1.0).abs() < 1e-9), "{low} to {high}, {most}: {found:?}");
            }
        }
        assert_eq!(ticks(0.1, 4.0, 6), [0.1, 0.2, 0.5, 1.0, 2.0]);
    }
}

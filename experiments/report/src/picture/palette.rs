//! Colours in a light and a dark scheme, patterns and marks.
//!
//! The hues are Okabe's and Ito's, which people with any colour vision can tell apart ("Color Universal Design", 2008);
//! for the dark scheme they are lightened. No colour stands alone: every fill has a pattern, every line a mark.

/// A colour of the pictures.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ink {
    /// Name of its CSS variable, without `--`.
    pub(crate) name: &'static str,
    pub(crate) light: [u8; 3],
    pub(crate) dark: &'static str,
    /// Lines over a fill, in a square of eight units; empty for a plain fill.
    pub(crate) pattern: &'static str,
}

impl Ink {
    /// `#0072B2`, as the SVG backend writes it.
    pub(crate) fn hex(self) -> String {
        let [r, g, b] = self.light;
        format!("#{r:02X}{g:02X}{b:02X}")
    }
}

const fn plain(name: &'static str, light: [u8; 3], dark: &'static str) -> Ink {
    Ink { name, light, dark, pattern: "" }
}

const fn series(name: &'static str, light: [u8; 3], dark: &'static str, pattern: &'static str) -> Ink {
    Ink { name, light, dark, pattern }
}

pub(crate) const PAPER: Ink = plain("paper", [255, 255, 255], "#161B22");
pub(crate) const TEXT: Ink = plain("ink", [28, 33, 40], "#E6EDF3");
pub(crate) const MUTED: Ink = plain("muted", [87, 96, 106], "#9DA7B3");
pub(crate) const GRID: Ink = plain("grid", [222, 226, 231], "#30363D");
/// For what belongs to no series.
pub(crate) const REST: Ink = series("rest", [138, 146, 155], "#768390", "M0 4H8");

/// One per series, in the order of use.
pub(crate) const SERIES: [Ink; 7] = [
    series("blue", [0, 114, 178], "#4CA6E8", ""),
    series("orange", [230, 159, 0], "#F2B544", "M-2 2L2 -2M0 8L8 0M6 10L10 6"),
    series("green", [0, 158, 115], "#2EC094", "M4 0V8"),
    series("vermilion", [213, 94, 0], "#F58A4B", "M-2 6L2 10M0 0L8 8M6 -2L10 2"),
    series("purple", [204, 121, 167], "#E3A1C7", "M2 2h2v2h-2zM6 6h2v2h-2z"),
    series("sky", [86, 180, 233], "#9AD6F7", "M0 2H8M0 6H8"),
    series("brown", [140, 98, 57], "#C79A6B", "M0 4H8M4 0V8"),
];

/// Every colour.
pub(crate) fn all() -> impl Iterator<Item = Ink> {
    [PAPER, TEXT, MUTED, GRID, REST].into_iter().chain(SERIES)
}

/// The colour of a series; more than seven start over, with other marks.
pub(crate) fn series_ink(at: usize) -> Ink {
    SERIES[at % SERIES.len()]
}

/// Shapes of marks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mark {
    Disc,
    Square,
    Triangle,
    Diamond,
    Ring,
    Cross,
    Plus,
    Wedge,
}

const MARKS: [Mark; 8] =
    [Mark::Disc, Mark::Square, Mark::Triangle, Mark::Diamond, Mark::Ring, Mark::Cross, Mark::Plus, Mark::Wedge];

/// The mark of a series. With seven colours and eight marks, 56 series differ.
pub(crate) fn series_mark(at: usize) -> Mark {
    MARKS[at % MARKS.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Relative luminance, as WCAG 2 defines it.
    fn luminance([r, g, b]: [u8; 3]) -> f64 {
        let linear = |c: u8| {
            let c = f64::from(c) / 255.0;
            if c <= 0.04045 { c / 12.92 } else { ((c + 0.055) / 1.055).powf(2.4) }
        };
        0.2126 * linear(r) + 0.7152 * linear(g) + 0.0722 * linear(b)
    }

    fn contrast(a: [u8; 3], b: [u8; 3]) -> f64 {
        let (a, b) = (luminance(a), luminance(b));
        (a.max(b) + 0.05) / (a.min(b) + 0.05)
    }

    fn dark(ink: Ink) -> [u8; 3] {
        let parse = |at: usize| u8::from_str_radix(&ink.dark[at..at + 2], 16).unwrap();
        [parse(1), parse(3), parse(5)]
    }

    #[test]
    fn text_and_marks_stand_out_in_both_schemes() {
        for ink in [TEXT, MUTED] {
            assert!(contrast(ink.light, PAPER.light) >= 4.5 && contrast(dark(ink), dark(PAPER)) >= 4.5, "{ink:?}");
        }
        for ink in SERIES {
            assert!(contrast(ink.light, PAPER.light) >= 2.2 && contrast(dark(ink), dark(PAPER)) >= 3.0, "{ink:?}");
        }
    }

    #[test]
    fn no_two_colours_and_no_two_patterns_are_the_same() {
        let inks: Vec<Ink> = all().collect();
        for (at, a) in inks.iter().enumerate() {
            assert!(inks[at + 1..].iter().all(|b| a.light != b.light && a.dark != b.dark && a.name != b.name));
        }
        let patterns: std::collections::BTreeSet<_> = SERIES.iter().chain([&REST]).map(|i| i.pattern).collect();
        assert_eq!(patterns.len(), SERIES.len() + 1);
    }
}

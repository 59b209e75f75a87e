//! What becomes of a drawing: a part of the page, a file of its own, or pixels.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::sync::Arc;

use resvg::{tiny_skia, usvg};

use super::palette::{self, Ink, PAPER};

/// Fonts that a reader of an SVG file may have; DejaVu Sans, in which text is measured, is wider than the others.
const FONTS: &str = "Inter, 'Helvetica Neue', Arial, 'DejaVu Sans', sans-serif";

/// Where a drawing goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// Into a page, which sets the variables of the colours and the font.
    Page,
    /// Into a file: light colours, and a style that exchanges them where the reader prefers dark ones.
    File,
}

/// The drawing of plotters as an SVG element for that place. `id` starts the identifiers in it.
pub(crate) fn element(drawing: &str, place: Place, id: &str, class: &str, title: &str, description: &str) -> String {
    let (size, body) = drawing.split_once('\n').unwrap_or((drawing, ""));
    let mut patterns = BTreeSet::new();
    let body = tidy(body, place, id, &mut patterns);
    let attribute = |name: &str| size.split_once(&format!(" {name}=\"")).and_then(|(_, rest)| rest.split('"').next());
    let (width, height) = (attribute("width").unwrap_or("0"), attribute("height").unwrap_or("0"));
    let mut svg = String::with_capacity(drawing.len());
    svg.push_str("<svg");
    if place == Place::File {
        let _ = write!(
            svg,
            " xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" font-family=\"{FONTS}\""
        );
    } else {
        let _ = write!(svg, " class=\"{class}\"");
    }
    let _ = write!(svg, " viewBox=\"0 0 {width} {height}\" role=\"img\" aria-labelledby=\"{id}-title {id}-desc\">");
    let _ = write!(
        svg,
        "<title id=\"{id}-title\">{}</title><desc id=\"{id}-desc\">{}</desc>",
        escaped(title),
        escaped(description)
    );
    if place == Place::File {
        svg.push_str(&dark_style());
    }
    svg.push_str(&definitions(&patterns, place, id));
    svg.push_str(&body);
    svg
}

/// Text for XML.
pub(crate) fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

fn shown(ink: Ink, place: Place) -> String {
    match place {
        Place::Page => format!("var(--{}, {})", ink.name, ink.hex()),
        Place::File => ink.hex(),
    }
}

/// Colours by name, patterns for filled rectangles, and no attribute that says what holds anyway.
fn tidy(body: &str, place: Place, id: &str, patterns: &mut BTreeSet<&'static str>) -> String {
    let mut tidied = body.replace(" opacity=\"1\"", "").replace(" stroke=\"none\"", "").replace(" \"/>", "\"/>");
    tidied = tidied.replace(" font-family=\"sans-serif\"", "").replace("\n</text>", "</text>").replace(">\n<", "><");
    for ink in palette::all() {
        if !ink.pattern.is_empty() {
            let filled = format!("fill=\"{}\"/>", ink.hex());
            tidied = with_pattern(&tidied, &filled, &format!("fill=\"url(#{id}-{})\"/>", ink.name), || {
                patterns.insert(ink.name);
            });
        }
        if place == Place::Page {
            tidied = tidied.replace(&format!("\"{}\"", ink.hex()), &format!("\"{}\"", shown(ink, place)));
        }
    }
    // The backend writes text after `>` and a line break, and sizes with all digits of their division.
    round_sizes(&tidied.replace(">\n", ">"))
}

/// Replaces the fill of rectangles alone: marks stay plain.
fn with_pattern(body: &str, from: &str, to: &str, mut found: impl FnMut()) -> String {
    let mut out = String::with_capacity(body.len());
    for (at, part) in body.split('<').enumerate() {
        if at > 0 {
            out.push('<');
        }
        if part.starts_with("rect ") && part.contains(from) {
            found();
            out.push_str(&part.replace(from, to));
        } else {
            out.push_str(part);
        }
    }
    out
}

fn round_sizes(body: &str) -> String {
    let mut parts = body.split("font-size=\"");
    let mut out = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (size, rest) = part.split_once('"').unwrap_or((part, ""));
        let size: f64 = size.parse().unwrap_or(super::canvas::SIZE);
        let _ = write!(out, "font-size=\"{}\"{rest}", (size * 100.0).round() / 100.0);
    }
    out
}

fn definitions(used: &BTreeSet<&'static str>, place: Place, id: &str) -> String {
    let mut defs = String::new();
    for ink in palette::all().filter(|i| used.contains(i.name)) {
        let (fill, paper) = (shown(ink, place), shown(PAPER, place));
        let _ = write!(
            defs,
            "<pattern id=\"{id}-{}\" width=\"8\" height=\"8\" patternUnits=\"userSpaceOnUse\"><rect width=\"8\" height=\"8\" \
             fill=\"{fill}\"/><path d=\"{}\" fill=\"none\" stroke=\"{paper}\" stroke-width=\"1\" stroke-opacity=\"0.6\"/></pattern>",
            ink.name, ink.pattern
        );
    }
    if defs.is_empty() { defs } else { format!("<defs>{defs}</defs>") }
}

/// Programs that know no media queries show the light colours.
fn dark_style() -> String {
    let rule = |ink: Ink| {
        let (hex, dark) = (ink.hex(), ink.dark);
        format!("[fill=\"{hex}\"]{{fill:{dark}}}[stroke=\"{hex}\"]{{stroke:{dark}}}")
    };
    let rules: String = palette::all().map(rule).collect();
    format!("<style>@media(prefers-color-scheme:dark){{{rules}}}</style>")
}

/// The CSS variables of all colours, as declarations, light or dark.
pub(crate) fn variables(dark: bool) -> String {
    let declared = |i: Ink| format!("--{}:{}", i.name, if dark { i.dark.to_owned() } else { i.hex() });
    palette::all().map(declared).collect::<Vec<_>>().join(";")
}

/// Pixels of an SVG file, in its light colours, `zoom` times as large.
pub(crate) fn png(svg: &str, zoom: f32) -> Result<Vec<u8>, String> {
    let mut fonts = usvg::fontdb::Database::new();
    fonts.load_font_data(dejavu::sans::regular().to_vec());
    fonts.load_font_data(dejavu::sans::bold().to_vec());
    let options = usvg::Options { fontdb: Arc::new(fonts), ..usvg::Options::default() };
    // Pixels are of one scheme: the style for the other one is left out.
    let svg = svg.replace(FONTS, "DejaVu Sans").replace(&dark_style(), "");
    let tree = usvg::Tree::from_str(&svg, &options).map_err(|e| e.to_string())?;
    let size = tree.size().to_int_size();
    let side = |pixels: u32| (pixels as f32 * zoom).round() as u32;
    let mut pixels = tiny_skia::Pixmap::new(side(size.width()), side(size.height())).ok_or("it has no size")?;
    resvg::render(&tree, tiny_skia::Transform::from_scale(zoom, zoom), &mut pixels.as_mut());
    pixels.encode_png().map_err(|e| e.to_string())
}

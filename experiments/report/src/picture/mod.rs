//! Pictures: what is drawn, in which forms, and the numbers behind it.

mod accuracy;
mod bars;
mod bytes;
mod canvas;
pub(crate) mod forest;
mod operations;
mod palette;
mod phases;
mod points;
mod scaling;
pub(crate) mod svg;
mod tradeoff;

use std::collections::BTreeSet;

use crate::run::{ReportError, Run};
use crate::text;
use canvas::Frame;
pub(crate) use phases::PHASES;

/// Width of pictures in files and in wide windows, in pixels.
const WIDE: f64 = 880.0;
/// Width of pictures on phones, in pixels.
const NARROW: f64 = 350.0;
/// Pixels of a PNG per pixel of its picture.
const ZOOM: f32 = 2.0;
/// More cells than this are not drawn: the tables have all.
pub(crate) const MOST_CELLS: usize = 60;

/// A table of the numbers behind a picture.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Numbers {
    /// Names of the columns.
    pub header: Vec<String>,
    /// Rows, as long as the header.
    pub rows: Vec<Vec<String>>,
}

/// A picture of results.
#[derive(Clone, Debug, PartialEq)]
pub struct Picture {
    /// Name for files: small letters, digits and dashes.
    pub name: String,
    /// What it shows.
    pub title: String,
    /// How to read it.
    pub caption: String,
    /// What it shows, in words with numbers.
    pub description: String,
    /// The numbers.
    pub numbers: Numbers,
    file: String,
    wide: String,
    narrow: String,
}

impl Picture {
    /// The picture as an SVG file: light, or dark where the reader prefers that.
    pub fn svg(&self) -> String {
        svg::element(&self.file, svg::Place::File, &self.name, "", &self.title, &self.description)
    }

    /// The picture as an SVG file 350 pixels wide, for phones; without title, which stands beside it.
    pub fn narrow_svg(&self) -> String {
        svg::element(&self.narrow, svg::Place::File, &self.name, "", &self.title, &self.description)
    }

    /// The picture as a PNG file in the light palette.
    pub fn png(&self) -> Result<Vec<u8>, ReportError> {
        svg::png(&self.svg(), ZOOM).map_err(|reason| ReportError::Png { name: self.name.clone(), reason })
    }

    /// The picture as an element of a page, for wide windows and for phones.
    pub(crate) fn elements(&self) -> [String; 2] {
        [("wide", &self.wide), ("narrow", &self.narrow)].map(|(class, drawing)| {
            let id = format!("{}-{class}", self.name);
            svg::element(drawing, svg::Place::Page, &id, class, &self.title, &self.description)
        })
    }
}

/// A picture that there is no data for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Missing {
    /// What it would show.
    pub title: String,
    /// Why it cannot, and what to do about it.
    pub reason: String,
}

impl Missing {
    pub(crate) fn new(title: &str, reason: impl Into<String>) -> Self {
        Self { title: title.to_owned(), reason: reason.into() }
    }
}

/// Everything about a picture but its drawings.
pub(crate) struct Plate {
    pub(crate) name: String,
    pub(crate) title: String,
    pub(crate) caption: String,
    pub(crate) description: String,
    pub(crate) numbers: Numbers,
}

impl Plate {
    /// The picture of a run in all forms; `draw` is given each form's frame.
    fn drawn(self, run: &Run, draw: impl Fn(Frame<'_>) -> Option<String>) -> Result<Picture, Missing> {
        self.under(&text::printable(&run.experiment), draw)
    }

    /// The picture in all forms, with this subtitle in files.
    pub(crate) fn under(self, subtitle: &str, draw: impl Fn(Frame<'_>) -> Option<String>) -> Result<Picture, Missing> {
        let titled = Frame { width: WIDE, title: Some((&self.title, subtitle)) };
        let bare = |width| Frame { width, title: None };
        let [file, wide, narrow] = [titled, bare(WIDE), bare(NARROW)].map(draw);
        let (Some(file), Some(wide), Some(narrow)) = (file, wide, narrow) else {
            return Err(Missing { title: self.title, reason: "it could not be drawn".to_owned() });
        };
        let Self { name, title, caption, description, numbers } = self;
        Ok(Picture { name, title, caption, description, numbers, file, wide, narrow })
    }
}

/// Every picture, or why it is not there, in the order of the page.
pub fn gallery(run: &Run) -> Vec<Result<Picture, Missing>> {
    let mut gallery = vec![phases::picture(run), bytes::picture(run), tradeoff::picture(run)];
    gallery.extend(scaling::pictures(run));
    gallery.extend([operations::picture(run), accuracy::picture(run)]);
    let mut names = BTreeSet::new();
    for (at, picture) in gallery.iter_mut().enumerate() {
        // Axes that differ in signs alone have one name.
        if let Ok(picture) = picture
            && !names.insert(picture.name.clone())
        {
            picture.name = format!("{}-{at}", picture.name);
        }
    }
    gallery
}

/// The pictures that there is data for.
pub fn pictures(run: &Run) -> Vec<Picture> {
    gallery(run).into_iter().flatten().collect()
}

/// `; 5 more cells are in the table` where not all are drawn.
fn left_out(cells: usize) -> String {
    let more = cells.saturating_sub(MOST_CELLS);
    if more == 0 { String::new() } else { format!(" The first {MOST_CELLS} cells; {more} more are in the table.") }
}

#[cfg(test)]
pub(crate) mod tests {
    use std::path::Path;

    use resvg::usvg::roxmltree::Document;

    use super::*;

    /// The texts outside of any of a picture's drawings.
    pub(crate) fn all_outside(picture: &Picture) -> Vec<String> {
        [&picture.file, &picture.wide, &picture.narrow].into_iter().flat_map(|drawing| outside(drawing)).collect()
    }

    /// Texts that do not lie inside of a drawing.
    fn outside(svg: &str) -> Vec<String> {
        let document = Document::parse(svg).unwrap();
        let view: Vec<f64> =
            document.root_element().attribute("viewBox").unwrap().split(' ').map(|n| n.parse().unwrap()).collect();
        let (right, bottom) = (view[2], view[3]);
        let lies_outside = |node: &resvg::usvg::roxmltree::Node<'_, '_>| {
            let number = |name: &str| node.attribute(name).unwrap().parse::<f64>().unwrap();
            let bold = if node.has_attribute("font-weight") { 1.12 } else { 1.0 };
            let width = text::width(node.text().unwrap().trim(), number("font-size")) * bold;
            let left = match node.attribute("text-anchor").unwrap() {
                "end" => number("x") - width,
                "middle" => number("x") - width / 2.0,
                _ => number("x"),
            };
            left < -1.0 || left + width > right + 1.0 || number("y") < 6.0 || number("y") > bottom - 4.0
        };
        let texts = document.descendants().filter(|n| n.tag_name().name() == "text");
        texts.filter(lies_outside).map(|n| n.text().unwrap().to_owned()).collect()
    }

    #[test]
    fn every_text_lies_inside_its_drawing() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../notebooks-data/published");
        let mut drawings = 0;
        for folder in std::fs::read_dir(root).unwrap().map(|e| e.unwrap().path()) {
            let Ok(mut run) = Run::open(&folder) else { continue };
            for long in [false, true] {
                if long {
                    for (_, value) in run.records.iter_mut().flat_map(|r| &mut r.point) {
                        let numeric = value.parse::<f64>().is_ok();
                        value.push_str(&if numeric { String::new() } else { "a long name ".repeat(25) });
                    }
                    run = Run::of(run.records);
                }
                for picture in pictures(&run) {
                    for drawing in [&picture.file, &picture.wide, &picture.narrow] {
                        let found = outside(drawing);
                        assert!(found.is_empty(), "{}: {}: {found:?}", folder.display(), picture.name);
                        drawings += 1;
                    }
                }
            }
        }
        assert!(drawings > 100, "{drawings}");
    }
}

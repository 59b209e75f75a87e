//! Pictures: files that parse, text that can be read, pixels that show it.

mod common;

use std::fs;
use std::path::Path;

use common::{folder, published};
use resvg::tiny_skia::Pixmap;
use resvg::usvg::roxmltree::{Document, Node};
use zkml_report::{Format, Run, pictures, write};

fn elements<'d>(document: &'d Document<'_>, tag: &str) -> Vec<Node<'d, 'd>> {
    document.descendants().filter(|n| n.has_tag_name(tag) || n.tag_name().name() == tag).collect()
}

#[test]
fn files_of_all_published_runs_parse_and_can_be_read() {
    for folder in published() {
        for picture in pictures(&Run::open(&folder).unwrap()) {
            let svg = picture.svg();
            let name = format!("{}: {}", folder.display(), picture.name);
            let document = Document::parse(&svg).unwrap_or_else(|e| panic!("{name}: {e}"));
            let root = document.root_element();
            assert_eq!(root.attribute("role"), Some("img"), "{name}");
            for tag in ["title", "desc"] {
                assert!(elements(&document, tag)[0].text().is_some_and(|t| !t.is_empty()), "{name}");
            }
            let style = elements(&document, "style")[0].text().unwrap();
            assert!(style.contains("prefers-color-scheme:dark"), "{name}");
            let texts = elements(&document, "text");
            assert!(texts.len() > 3 && texts.iter().all(|t| t.text().is_some_and(|t| !t.is_empty())), "{name}");
            for text in texts {
                let size: f64 = text.attribute("font-size").unwrap().parse().unwrap();
                assert!(size >= 13.0, "{name}: {size}");
            }
            for filled in document.descendants().filter_map(|n| n.attribute("fill")) {
                let id = filled.strip_prefix("url(#").and_then(|f| f.strip_suffix(')'));
                assert!(
                    id.is_none_or(|id| elements(&document, "pattern").iter().any(|p| p.attribute("id") == Some(id))),
                    "{name}"
                );
                assert!(!filled.starts_with("var("), "{name}");
            }
            assert!(svg.len() < 60_000, "{name}: {} bytes", svg.len());
            assert!(picture.name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-'), "{name}");
        }
    }
}

#[test]
fn no_fill_is_told_by_its_colour_alone() {
    for picture in pictures(&Run::open(&folder("rmsnorm-compare")).unwrap()) {
        let svg = picture.svg();
        let document = Document::parse(&svg).unwrap();
        let plain = ["#FFFFFF", "#0072B2"];
        for rect in elements(&document, "rect")
            .into_iter()
            .filter(|r| r.parent_element().is_some_and(|p| p.tag_name().name() == "svg"))
        {
            let fill = rect.attribute("fill").unwrap();
            assert!(fill.starts_with("url(#") || plain.contains(&fill), "{}: {fill}", picture.name);
        }
    }
}

#[test]
fn pixels_have_the_text() {
    let run = Run::open(&folder("rmsnorm-compare")).unwrap();
    for picture in pictures(&run) {
        let pixels = Pixmap::decode_png(&picture.png().unwrap()).unwrap();
        assert_eq!(pixels.width(), 1760, "{}", picture.name);
        // The title stands alone in its lines: its ink is there, on paper, and not a row of boxes.
        let title = (0..pixels.width()).map(|x| {
            (50..80)
                .filter(|&y| pixels.pixel(x, y).is_some_and(|p| u32::from(p.red()) + u32::from(p.green()) < 200))
                .count()
        });
        let columns: Vec<usize> = title.collect();
        let inked = columns.iter().filter(|c| **c > 0).count();
        let heights: std::collections::BTreeSet<usize> = columns.iter().copied().collect();
        assert!(inked > 150 && heights.len() > 10, "{}: {inked} columns, {heights:?}", picture.name);
    }
}

#[test]
fn only_what_is_asked_for_is_written() {
    let run = Run::open(&folder("digits-mlp")).unwrap();
    let out = tempfile::tempdir().unwrap();
    let deep = out.path().join("a/b");
    let paths = write(&run, &deep, &[Format::Svg]).unwrap();
    assert!(!paths.is_empty() && paths.iter().all(|p| p.extension().is_some_and(|e| e == "svg") && p.exists()));
    assert_eq!(fs::read_dir(&deep).unwrap().count(), paths.len());
    fs::write(out.path().join("file"), "").unwrap();
    let failure = write(&run, &out.path().join("file"), &Format::ALL).unwrap_err();
    assert!(failure.to_string().contains("the folder cannot be made"), "{failure}");
}

#[test]
fn the_pictures_of_the_readme_are_those_of_the_published_results() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../notebooks-data/published/pictures");
    let mut compared = 0;
    for run in fs::read_dir(&root).unwrap().map(|e| e.unwrap().path()).filter(|path| path.is_dir()) {
        let drawn = pictures(&Run::open(&folder(run.file_name().unwrap().to_str().unwrap())).unwrap());
        for kept in fs::read_dir(&run).unwrap().map(|e| e.unwrap().path()) {
            let picture = drawn.iter().find(|p| kept.file_stem().is_some_and(|s| s == p.name.as_str()));
            let same = picture.is_some_and(|p| p.svg() == fs::read_to_string(&kept).unwrap());
            assert!(same, "{}: draw it again: cargo run -p zkml-report --example pictures", kept.display());
            compared += 1;
        }
    }
    assert!(compared > 3, "{compared}");
}

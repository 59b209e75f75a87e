//! What people look at: a page and pictures made from the results of a run.
//!
//! Everything here reads [`zkml_results`] and proves nothing. [`Run::open`] reads a run's folder, [`page`] makes one
//! self-contained HTML file of it (no network, no script), [`pictures`] the pictures alone, and [`write()`] puts either
//! into a folder. The same results give the same bytes.
//!
//! | picture | shows |
//! |---|---|
//! | `phases` | wall time of every phase of proving, stacked, by cell |
//! | `proof-bytes` | proof bytes by layer, or by relation where there is one layer |
//! | `scaling-<axis>` | prove time, proof bytes and operations against a numeric axis, with fitted exponents |
//! | `time-against-size` | time to prove against proof size, one mark per cell |
//! | `operations` | predicted against counted operations, of a counting build |
//! | `accuracy` | largest error of every layer against the float network |
//!
//! [`claims`] compares what papers claim with what cells show, [`tidy`] makes tables for notebooks, [`verdicts`] draws what
//! `just compare` found.
//!
//! ```
//! # use std::path::Path;
//! let published = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../notebooks-data/published");
//! let run = zkml_report::Run::open(&published.join("rmsnorm-compare"))?;
//! let page = zkml_report::page(&run);
//! assert!(page.contains("5 of 5 cells ok"));
//! let phases = zkml_report::pictures(&run).swap_remove(0);
//! assert_eq!(phases.numbers.rows.len(), 5);
//! # Ok::<(), zkml_report::ReportError>(())
//! ```
//!
//! A cell that is not ok has no numbers, whatever its record holds. Text in PNGs, and all measuring of text, is in DejaVu
//! Sans, which is embedded (Bitstream Vera licence); SVG files and the page use the reader's own fonts.

pub mod claims;
pub mod tidy;
pub mod verdicts;

mod fit;
mod page;
mod picture;
mod run;
mod text;

use std::path::{Path, PathBuf};

pub use fit::Fit;
pub use picture::{Missing, Numbers, Picture, gallery, pictures};
pub use run::{Axis, Claim, ReportError, Run};

/// A kind of file that [`write()`] makes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// `report.html`: everything in one file.
    Html,
    /// One `.svg` per picture.
    Svg,
    /// One `.png` per picture, in the light palette, at twice its native width.
    Png,
}

impl Format {
    /// All kinds.
    pub const ALL: [Self; 3] = [Self::Html, Self::Svg, Self::Png];
}

/// The whole page of a run.
pub fn page(run: &Run) -> String {
    page::html(run, &gallery(run))
}

/// Writes the files of these kinds into a folder, which is made if it is not there, and returns their paths.
pub fn write(run: &Run, folder: &Path, formats: &[Format]) -> Result<Vec<PathBuf>, ReportError> {
    std::fs::create_dir_all(folder).map_err(|source| ReportError::Folder { path: folder.to_owned(), source })?;
    let gallery = gallery(run);
    let mut paths = Vec::new();
    let mut save = |name: String, bytes: &[u8]| -> Result<(), ReportError> {
        let path = folder.join(name);
        zkml_results::store::write_atomic(&path, bytes)?;
        paths.push(path);
        Ok(())
    };
    if formats.contains(&Format::Html) {
        save("report.html".to_owned(), page::html(run, &gallery).as_bytes())?;
    }
    for picture in gallery.iter().flatten() {
        if formats.contains(&Format::Svg) {
            save(format!("{}.svg", picture.name), picture.svg().as_bytes())?;
        }
        if formats.contains(&Format::Png) {
            save(format!("{}.png", picture.name), &picture.png()?)?;
        }
    }
    Ok(paths)
}

//! The published runs, and records made up from one of them.

#![allow(dead_code, reason = "every test binary uses a part")]

use std::path::PathBuf;

use zkml_report::Run;
use zkml_results::record::CellRecord;

/// Folders of published runs of experiments.
pub(crate) fn published() -> Vec<PathBuf> {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../notebooks-data/published");
    let mut folders: Vec<PathBuf> = std::fs::read_dir(root).unwrap().map(|e| e.unwrap().path()).collect();
    folders.retain(|f| f.join("results.jsonl").exists());
    folders.sort();
    assert!(folders.len() >= 5, "{folders:?}");
    folders
}

/// One of them.
pub(crate) fn folder(name: &str) -> PathBuf {
    published().into_iter().find(|f| f.ends_with(name)).unwrap()
}

/// A record with all numbers.
pub(crate) fn template() -> CellRecord {
    Run::open(&folder("dense-compare")).unwrap().records.swap_remove(0)
}

/// The template at this point, with its own identity.
pub(crate) fn at(point: &[(&str, &str)]) -> CellRecord {
    let point: Vec<(String, String)> = point.iter().map(|(a, v)| ((*a).to_owned(), (*v).to_owned())).collect();
    let identity = format!("{point:?}");
    CellRecord { cell: identity.replace('"', "."), identity, point, ..template() }
}

//! Break-even sizes are measured once and kept; a folder that cannot be written is no error.

mod common;

use common::device;
use zkml_gpu::{Options, breakeven};

#[test]
fn sizes_are_measured_once_and_kept() {
    let Some(gpu) = device(&Options::default()) else { return };
    let folder = tempfile::tempdir().unwrap();
    let (sizes, source) = breakeven::kept_or_measured(&gpu, Some(folder.path()), &[10, 11]);
    assert!(source.starts_with("measured against"), "{source}");
    assert_eq!(breakeven::kept_or_measured(&gpu, Some(folder.path()), &[10]).0, sizes);
    let file = folder.path().read_dir().unwrap().next().unwrap().unwrap().path();
    assert!(breakeven::kept_or_measured(&gpu, Some(folder.path()), &[10]).1.starts_with("measured earlier"));
    std::fs::write(&file, "{}").unwrap();
    assert!(breakeven::kept_or_measured(&gpu, Some(folder.path()), &[10]).1.starts_with("measured against"));
}

#[test]
fn a_folder_that_cannot_be_written_is_no_error() {
    let Some(gpu) = device(&Options::default()) else { return };
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    std::fs::write(&file, "").unwrap();
    assert!(breakeven::kept_or_measured(&gpu, Some(&file), &[10]).1.starts_with("measured against"));
    gpu.destroy();
    let (sizes, source) = breakeven::kept_or_measured(&gpu, None, &[10]);
    assert!(source.starts_with("not measured") && sizes.rounds.is_none(), "{source}");
}

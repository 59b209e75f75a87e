//! Where experiments and runs lie.

use std::path::{Path, PathBuf};

use crate::exit::Failure;
use crate::spec::nearest;

/// The nearest folder, from the working directory upwards, that holds `experiments/`; else the working directory.
fn root() -> PathBuf {
    let here = std::env::current_dir().unwrap_or_else(|_| PathBuf::from("."));
    let found = here.ancestors().find(|folder| folder.join("experiments").is_dir()).map(Path::to_owned);
    found.unwrap_or(here)
}

/// Path relative to the working directory where it lies below, for messages.
fn shorten(path: PathBuf) -> PathBuf {
    let here = std::env::current_dir().unwrap_or_default();
    path.strip_prefix(&here).map(Path::to_owned).unwrap_or(path)
}

/// The folder of all runs.
pub fn runs() -> PathBuf {
    if let Some(folder) = std::env::var_os("WORKBENCH_RUNS").filter(|f| !f.is_empty()) {
        return folder.into();
    }
    shorten(root().join("notebooks-data/runs"))
}

/// Names and files of all experiments, sorted.
pub fn experiments() -> Vec<(String, PathBuf)> {
    let folder = root().join("experiments");
    let entries = std::fs::read_dir(&folder).into_iter().flatten().filter_map(Result::ok).map(|e| e.path());
    let mut found: Vec<(String, PathBuf)> = entries
        .filter(|path| path.extension().is_some_and(|e| e == "yaml"))
        .filter_map(|path| Some((path.file_stem()?.to_string_lossy().into_owned(), shorten(path))))
        .collect();
    found.sort();
    found
}

/// The file of an experiment given by name or by path.
pub fn experiment(spec: &str) -> Result<PathBuf, Failure> {
    let path = Path::new(spec);
    let is_path = spec.contains(['/', '\\']) || path.extension().is_some_and(|e| e == "yaml" || e == "yml");
    if is_path {
        return Ok(path.to_owned());
    }
    let known = experiments();
    if let Some((_, file)) = known.iter().find(|(name, _)| name == spec) {
        return Ok(file.clone());
    }
    let names: Vec<&str> = known.iter().map(|(name, _)| name.as_str()).collect();
    let near = nearest(spec, names.iter().copied()).map_or_else(String::new, |n| format!("\n  nearest:  {n}"));
    let allowed = if names.is_empty() { "a path to a YAML file".to_owned() } else { names.join(", ") };
    Err(Failure::usage(format!("unknown experiment `{spec}`\n  found:    `{spec}`\n  allowed:  {allowed}{near}")))
}

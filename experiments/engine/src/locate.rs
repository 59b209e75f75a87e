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

/// The folder of the papers' pages and claims.
pub fn papers() -> PathBuf {
    shorten(root().join("papers"))
}

/// The folder of the experiments that have names.
pub fn experiments_folder() -> PathBuf {
    shorten(root().join("experiments"))
}

/// Names and files of all experiments, sorted.
pub fn experiments() -> Vec<(String, PathBuf)> {
    let entries =
        std::fs::read_dir(root().join("experiments")).into_iter().flatten().filter_map(Result::ok).map(|e| e.path());
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

/// The folder of results: of the newest run, or of the one that is named by its folder or its experiment. Without runs of its
/// own, an experiment's published results.
pub fn results(which: Option<&str>, runs: &Path) -> Result<PathBuf, Failure> {
    let published = shorten(root().join("notebooks-data/published"));
    let has_results = |path: &PathBuf| path.join("results.jsonl").is_file();
    let Some(which) = which else {
        let mut newest: Vec<PathBuf> =
            folders(runs).into_iter().filter(|p| has_results(p) && !p.is_symlink()).collect();
        newest.sort();
        return newest.pop().or_else(|| Some(published.join("rmsnorm-compare")).filter(has_results)).ok_or_else(|| {
            let place = runs.display();
            Failure::usage(format!("{place}: there are no results yet\n  make some: just experiment rmsnorm-compare"))
        });
    };
    let places = [PathBuf::from(which), runs.join(which), runs.join(format!("latest-{which}")), published.join(which)];
    places.into_iter().find(has_results).ok_or_else(|| {
        let name = |path: &PathBuf| Some(path.file_name()?.to_string_lossy().into_owned());
        let all = [folders(runs), folders(&published)].concat();
        let mut known: Vec<String> = all.iter().filter(|p| has_results(p)).filter_map(name).collect();
        known.sort();
        let near =
            nearest(which, known.iter().map(String::as_str)).map_or_else(String::new, |n| format!("\n  nearest:  {n}"));
        let allowed = "a run's folder, or the name of an experiment that was run";
        Failure::usage(format!("there are no results of `{which}`\n  found:    `{which}`\n  allowed:  {allowed}{near}"))
    })
}

fn folders(parent: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(parent).into_iter().flatten().flatten();
    entries.map(|entry| entry.path()).filter(|path| path.is_dir()).collect()
}

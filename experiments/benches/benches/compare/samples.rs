//! Criterion's samples, read back from its folder.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::Deserialize;

/// Samples of one benchmark: seconds per iteration.
#[derive(Clone, Debug, Default)]
pub(crate) struct Samples {
    /// Of this run.
    pub(crate) now: Vec<f64>,
    /// Of the baseline, if there is one and it has this benchmark.
    pub(crate) before: Option<Vec<f64>>,
}

/// Label and size, as in [`super::series::Series`].
pub(crate) type Key = (String, Option<String>);

/// `benchmark.json`.
#[derive(Deserialize)]
struct Benchmark {
    group_id: String,
    function_id: Option<String>,
    value_str: Option<String>,
}

/// `sample.json`: iterations and nanoseconds of every sample.
#[derive(Deserialize)]
struct Sample {
    iters: Vec<f64>,
    times: Vec<f64>,
}

/// The samples of a group, of this run and of a baseline.
pub(crate) fn read(
    output: &Path,
    name: &str,
    phase: &str,
    baseline: Option<&str>,
) -> Result<BTreeMap<Key, Samples>, String> {
    let mut found = BTreeMap::new();
    for folder in benchmarks(output) {
        let new = folder.join("new");
        let Ok(text) = std::fs::read(new.join("benchmark.json")) else { continue };
        let benchmark: Benchmark =
            serde_json::from_slice(&text).map_err(|e| format!("{}: {e}", new.join("benchmark.json").display()))?;
        if benchmark.group_id != format!("{name}/{phase}") {
            continue;
        }
        let before = baseline.map(|b| folder.join(b)).filter(|b| b.join("sample.json").exists());
        let samples = Samples { now: seconds(&new)?, before: before.map(|b| seconds(&b)).transpose()? };
        // Without a size, criterion keeps the label as the parameter.
        let key = match (benchmark.function_id, benchmark.value_str) {
            (Some(label), size) => (label, size),
            (None, label) => (label.unwrap_or_default(), None),
        };
        found.insert(key, samples);
    }
    Ok(found)
}

fn seconds(folder: &Path) -> Result<Vec<f64>, String> {
    let file = folder.join("sample.json");
    let failed = |e: &dyn std::fmt::Display| format!("{}: {e}", file.display());
    let text = std::fs::read(&file).map_err(|e| failed(&e))?;
    let Sample { iters, times } = serde_json::from_slice(&text).map_err(|e| failed(&e))?;
    Ok(iters.iter().zip(&times).map(|(n, nanoseconds)| nanoseconds / n / 1e9).collect())
}

/// Folders that hold a benchmark: group/parameter, or group/function/parameter.
fn benchmarks(output: &Path) -> Vec<PathBuf> {
    let inside = |folder: &PathBuf| -> Vec<PathBuf> {
        let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
        entries.map(|e| e.path()).filter(|p| p.is_dir()).collect()
    };
    let groups = inside(&output.to_owned());
    let functions: Vec<PathBuf> = groups.iter().flat_map(inside).collect();
    let parameters: Vec<PathBuf> = functions.iter().flat_map(inside).collect();
    functions.into_iter().chain(parameters).filter(|folder| folder.join("new").is_dir()).collect()
}

/// An error that names the baselines there are, unless the one asked for is among them.
pub(crate) fn require_baseline(output: &Path, name: &str, baseline: &str) -> Result<(), String> {
    let mut known: Vec<String> = Vec::new();
    let prefix = format!("{name}_");
    for folder in benchmarks(output) {
        let of_name = folder.strip_prefix(output).is_ok_and(|p| p.to_string_lossy().starts_with(&prefix));
        let entries = std::fs::read_dir(&folder).into_iter().flatten().flatten().filter(|_| of_name);
        for entry in entries.filter(|e| e.path().join("sample.json").exists()) {
            let entry = entry.file_name().to_string_lossy().into_owned();
            if entry != "new" && !known.contains(&entry) {
                known.push(entry);
            }
        }
    }
    if known.iter().any(|k| k == baseline) {
        return Ok(());
    }
    known.sort();
    let allowed = if known.is_empty() { "none yet".to_owned() } else { known.join(", ") };
    Err(format!(
        "there is no baseline `{baseline}` of `{name}`\n  known:    {allowed}\n  make one: just compare {name} --save-baseline {baseline}"
    ))
}

//! Records of cells that ran elsewhere, or whose run was stopped before it took them over; and `workbench collect`.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use super::cell::{ENVIRONMENT, read_record};
use crate::table;
use zkml_engine::environment;
use zkml_engine::exit::{Exit, Failure};
use zkml_results::environment::Environment;
use zkml_results::planned::{Planned, PlannedCell};
use zkml_results::record::{CellRecord, Status};
use zkml_results::store::RunFolder;

/// Most missing cells that are named.
const MAX_MISSING: usize = 50;

/// Takes the records in the cells' folders into the results, each once, and returns the records of these cells, in the
/// order of the plan. The folder must be locked.
pub(super) fn gather(folder: &RunFolder, cells: &[PlannedCell]) -> Result<Vec<CellRecord>, Failure> {
    let records = folder.records()?;
    let mut known: BTreeMap<String, CellRecord> = records.into_iter().map(|r| (r.identity.clone(), r)).collect();
    for cell in cells {
        let path = folder.path().join("cells").join(&cell.id);
        let record = match read_record(&path, &cell.identity) {
            Ok(Some(record)) => record,
            Ok(None) => continue,
            Err(reason) => {
                tracing::warn!("{reason}: ignored");
                continue;
            }
        };
        if known.get(&cell.identity).is_none_or(|earlier| replaces(&record, earlier)) {
            take_environment(folder, &path, &record)?;
            folder.append(&record)?;
            known.insert(cell.identity.clone(), record);
        }
    }
    Ok(cells.iter().filter_map(|cell| known.get(&cell.identity).cloned()).collect())
}

/// Whether a cell's own record is another one than that in the results, and not worse.
fn replaces(own: &CellRecord, known: &CellRecord) -> bool {
    let same = own.status == known.status && own.started == known.started && (own.seconds - known.seconds).abs() < 1e-6;
    !same && (own.status == Status::Ok || known.status != Status::Ok)
}

/// Copies the environment that a cell ran in beside the run's own, if it is another one.
pub(super) fn take_environment(folder: &RunFolder, cell: &Path, record: &CellRecord) -> Result<(), Failure> {
    let read = fs::read(cell.join(ENVIRONMENT)).ok().and_then(|b| serde_json::from_slice::<Environment>(&b).ok());
    match read.filter(|environment| environment.digest() == record.environment) {
        Some(environment) => write_environment(folder, &environment),
        None => Ok(()),
    }
}

/// Records an environment in a run folder.
pub(super) fn write_environment(folder: &RunFolder, environment: &Environment) -> Result<(), Failure> {
    let as_json = serde_json::to_value(environment).map_err(|e| Failure::usage(e.to_string()))?;
    Ok(folder.write_environment(&as_json, &environment.digest())?)
}

/// The environment of most of these records, if the run folder has it; else this process's own.
pub(super) fn environment_of(folder: &RunFolder, records: &[CellRecord]) -> Environment {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for record in records {
        *counts.entry(record.environment.as_str()).or_default() += 1;
    }
    let digest = counts.into_iter().max_by_key(|(_, count)| *count).map_or("", |(digest, _)| digest);
    let files = ["env.json".to_owned(), format!("env-{digest}.json")];
    let read = |file: &String| -> Option<Environment> {
        serde_json::from_slice(&fs::read(folder.path().join(file)).ok()?).ok()
    };
    let found = files.iter().filter_map(read).find(|environment| environment.digest() == digest);
    found.unwrap_or_else(environment::collect)
}

/// A line for results of different machines or settings, whose times are not to be compared.
pub(super) fn several_environments(records: &[CellRecord]) -> Option<String> {
    let environments: BTreeSet<&str> = records.iter().map(|r| r.environment.as_str()).collect();
    let count = environments.len();
    (count > 1)
        .then(|| format!("note: the cells ran in {count} environments (env.json, env-*.json): compare times with care"))
}

/// `workbench collect`: the results of cells that ran anywhere, and which are missing.
pub(crate) fn command(path: &Path, shown: table::Shown) -> Result<Exit, Failure> {
    let plan = Planned::read(path)?;
    let folder = RunFolder::at(path);
    let _lock = folder.lock()?;
    let records = gather(&folder, &plan.cells)?;
    folder.tidy()?;
    if !records.is_empty() {
        println!("{}", table::report(&plan.experiment, &environment_of(&folder, &records), &records, shown));
    }
    if let Some(line) = several_environments(&records) {
        println!("{line}");
    }
    let missing: Vec<&PlannedCell> =
        plan.cells.iter().filter(|cell| !records.iter().any(|r| r.identity == cell.identity)).collect();
    for cell in missing.iter().take(MAX_MISSING) {
        println!("MISSING {}: workbench run-cell {}", cell.label, path.join("cells").join(&cell.id).display());
    }
    if !missing.is_empty() {
        println!("{} of {} cells are missing", missing.len(), plan.cells.len());
    }
    println!("results: {}", path.display());
    Ok(if missing.is_empty() { super::verdict(&records) } else { Exit::CellFailed })
}

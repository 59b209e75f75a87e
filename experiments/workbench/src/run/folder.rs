//! Which folder a run works in: that of an unfinished run of the same cells, or a new one.

use std::collections::BTreeSet;
use std::path::Path;

use super::Request;
use super::cell::read_record;
use super::gather::{gather, write_environment};
use zkml_engine::exit::Failure;
use zkml_engine::plan::{CellPlan, Plans};
use zkml_results::environment::Environment;
use zkml_results::lock::{Lock, LockError};
use zkml_results::planned::{Planned, PlannedCell};
use zkml_results::record::{CellRecord, Status};
use zkml_results::store::{RunFolder, remove_leftovers, write_atomic, write_json};

/// Earlier runs that are looked at, newest first.
const LOOK_BACK: usize = 20;

/// A run folder that this process alone works in.
pub(super) struct Open {
    pub(super) folder: RunFolder,
    /// What is there already of this plan's cells.
    pub(super) records: Vec<CellRecord>,
    /// What was decided, for the person at the terminal.
    pub(super) decision: String,
    _lock: Lock,
}

/// What a finished run needs of planned cells.
pub(super) fn planned(plans: &[CellPlan]) -> Vec<PlannedCell> {
    let cell = |plan: &CellPlan| PlannedCell {
        id: plan.id.clone(),
        identity: plan.identity.clone(),
        label: plan.label.clone(),
        data: plan.data.clone(),
        executable: plan.executable.clone(),
    };
    plans.iter().map(cell).collect()
}

/// Opens the folder for a run.
pub(super) fn open(request: &Request<'_>, name: &str, plans: &Plans) -> Result<Open, Failure> {
    let cells = planned(&plans.cells);
    if let Some(which) = request.resume {
        let folder = RunFolder::open(request.runs, name, which)?;
        let lock = lock(&folder)?;
        if let Some(reason) = Planned::read(folder.path()).ok().and_then(|earlier| changed_file(&earlier, &cells)) {
            let path = folder.path().display();
            return Err(Failure::usage(format!("{path}: {reason}\n  `--new` starts a run with the data as it is now")));
        }
        folder.make_latest(request.runs, name);
        return go_on(folder, lock, &cells);
    }
    if request.new {
        return start(request.runs, name, String::new());
    }
    let earlier = RunFolder::all(request.runs, name);
    let wanted: BTreeSet<&str> = cells.iter().map(|c| c.identity.as_str()).collect();
    let same = |folder: &&RunFolder| Planned::read(folder.path()).is_ok_and(|plan| plan.identities() == wanted);
    match earlier.iter().take(LOOK_BACK).find(same) {
        Some(folder) if done(folder, &cells) < cells.len() => {
            let lock = lock(folder)?;
            folder.make_latest(request.runs, name);
            go_on(folder.clone(), lock, &cells)
        }
        Some(_) => start(request.runs, name, String::new()),
        None => {
            let why = earlier.first().and_then(|newest| another_plan(newest, &cells)).unwrap_or_default();
            start(request.runs, name, why)
        }
    }
}

fn lock(folder: &RunFolder) -> Result<Lock, Failure> {
    folder.lock().map_err(|e| match e {
        LockError::Held { .. } => Failure::busy(format!("{e}\n  wait for it, or start another run with `--new`")),
        LockError::Impossible { .. } => e.into(),
    })
}

fn start(runs: &Path, name: &str, decision: String) -> Result<Open, Failure> {
    let folder = RunFolder::create(runs, name)?;
    let lock = lock(&folder)?;
    Ok(Open { folder, records: Vec::new(), decision, _lock: lock })
}

fn go_on(folder: RunFolder, lock: Lock, cells: &[PlannedCell]) -> Result<Open, Failure> {
    remove_leftovers(folder.path());
    let records = gather(&folder, cells)?;
    let done = records.iter().filter(|r| r.status == Status::Ok).count();
    let failed = match records.len() - done {
        0 => String::new(),
        1 => ", 1 failed and runs again".to_owned(),
        n => format!(", {n} failed and run again"),
    };
    let (path, all) = (folder.path().display(), cells.len());
    let decision = format!("going on with {path}: {done} of {all} cells are done{failed}; `--new` starts over");
    Ok(Open { folder, records, decision, _lock: lock })
}

/// How many of these cells are finished and ok, before the folder is locked.
fn done(folder: &RunFolder, cells: &[PlannedCell]) -> usize {
    let records = folder.results_so_far().unwrap_or_default().records;
    let recorded: BTreeSet<&str> =
        records.iter().filter(|r| r.status == Status::Ok).map(|r| r.identity.as_str()).collect();
    let own = |cell: &PlannedCell| {
        let record = read_record(&folder.path().join("cells").join(&cell.id), &cell.identity);
        record.is_ok_and(|r| r.is_some_and(|r| r.status == Status::Ok))
    };
    cells.iter().filter(|cell| recorded.contains(cell.identity.as_str()) || own(cell)).count()
}

/// Why an unfinished run is not gone on with; nothing if it is finished.
fn another_plan(folder: &RunFolder, cells: &[PlannedCell]) -> Option<String> {
    let earlier = Planned::read(folder.path()).ok()?;
    let done = done(folder, &earlier.cells);
    if done >= earlier.cells.len() {
        return None;
    }
    let executables = |cells: &[PlannedCell]| cells.iter().map(|c| c.executable.clone()).collect::<BTreeSet<_>>();
    let why = changed_file(&earlier, cells).unwrap_or_else(|| {
        if executables(&earlier.cells) == executables(cells) {
            "it has other cells".to_owned()
        } else {
            "it was made by another build of the workbench".to_owned()
        }
    });
    let path = folder.path().display();
    Some(format!("a new run: of {path}, {done} of {} cells are done, but {why}", earlier.cells.len()))
}

/// Says which input file is another one than it was.
fn changed_file(earlier: &Planned, cells: &[PlannedCell]) -> Option<String> {
    let before: BTreeSet<&(String, String)> = earlier.cells.iter().flat_map(|c| &c.data).collect();
    let names: BTreeSet<&str> = before.iter().map(|(name, _)| name.as_str()).collect();
    let changed = |file: &&(String, String)| names.contains(file.0.as_str()) && !before.contains(file);
    let (name, _) = cells.iter().flat_map(|c| &c.data).find(changed)?;
    Some(format!("the input file {name} has changed since"))
}

/// Writes what a run folder says of its cells before any of them runs.
pub(super) fn describe(
    folder: &RunFolder,
    resolved: Option<&str>,
    plans: &Plans,
    environment: &Environment,
) -> Result<(), Failure> {
    write_environment(folder, environment)?;
    if let Some(resolved) = resolved {
        write_atomic(&folder.path().join("resolved.yaml"), resolved.as_bytes())?;
    }
    Ok(write_json(&folder.path().join("plan.json"), plans)?)
}

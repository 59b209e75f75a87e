//! `workbench run-cell`: one cell in a process of its own, on any machine.

use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crate::table;
use zkml_engine::exit::{Exit, Failure};
use zkml_engine::job::{Attempt, Job, Step, Stopped};
use zkml_engine::{cell, environment};
use zkml_results::lock::Lock;
use zkml_results::record::{CellRecord, Status};
use zkml_results::store::{RECORD, remove_leftovers, write_json};

/// The job in a cell's folder.
pub(super) const JOB: &str = "cell.json";
/// The environment that the cell's record was made in.
pub(super) const ENVIRONMENT: &str = "environment.json";

/// How long a cell that `run` starts waits for the process of an earlier run, which is just ending, to let go of it.
const PATIENCE: Duration = Duration::from_secs(10);

/// What to run.
pub(crate) struct CellRequest<'a> {
    /// The cell's folder.
    pub(crate) folder: &'a Path,
    /// Measure again what is finished.
    pub(crate) again: bool,
    /// The folder of the input files, if it is not the job's.
    pub(crate) data: Option<PathBuf>,
    /// Cells that run on this machine at a time.
    pub(crate) jobs: usize,
    /// Started by `run`: end with it, and tell it every step on standard output.
    pub(crate) child: bool,
}

/// Runs the command.
pub(crate) fn command(request: &CellRequest<'_>) -> Result<Exit, Failure> {
    if request.child {
        stop_with_parent();
    }
    let folder = request.folder;
    let mut job = read_job(folder)?;
    if let Some(data) = &request.data {
        job.data.clone_from(data);
    }
    let _lock = if request.child { Lock::wait(folder, PATIENCE) } else { Lock::take(folder) }?;
    remove_leftovers(folder);
    let earlier = if request.again { None } else { finished(folder, &job.identity)? };
    let (record, before) = match earlier {
        Some(record) => (record, "finished before: "),
        None => (attempt(request, &job)?, ""),
    };
    if !request.child {
        println!("{}: {before}{}", job.label(), table::one_line(&record));
    }
    Ok(super::verdict(&[record]))
}

fn read_job(folder: &Path) -> Result<Job, Failure> {
    let path = folder.join(JOB);
    let wrong = |e: &dyn std::fmt::Display| {
        let hint = "a cell's folder is made by `workbench plan NAME --export DIR` or `workbench run NAME`";
        Failure::usage(format!("{}: the cell's job cannot be read: {e}\n  {hint}", path.display()))
    };
    let text = fs::read(&path).map_err(|e| wrong(&e))?;
    serde_json::from_slice(&text).map_err(|e| wrong(&e))
}

/// Ends this process when the parent does: its end closes our standard input.
fn stop_with_parent() {
    std::thread::spawn(|| {
        // Nothing is ever written to the pipe, so this returns at its end only.
        let _ = io::copy(&mut io::stdin(), &mut io::sink());
        std::process::exit(i32::from(Exit::Interrupted.code()));
    });
}

/// The record in a cell's folder; `Err` says why it cannot be used.
pub(super) fn read_record(folder: &Path, identity: &str) -> Result<Option<CellRecord>, String> {
    let path = folder.join(RECORD);
    let bytes = match fs::read(&path) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
        other => other.map_err(|e| format!("{}: {e}", path.display()))?,
    };
    let record: CellRecord = serde_json::from_slice(&bytes).map_err(|e| format!("{}: {e}", path.display()))?;
    if record.identity == identity {
        return Ok(Some(record));
    }
    let short = record.identity.get(..16).unwrap_or_default();
    Err(format!("{}: the record is of another cell ({short}): move it away", path.display()))
}

/// The record, if the cell is finished and ok. A record of another cell is an error: it may be the only one of its kind.
fn finished(folder: &Path, identity: &str) -> Result<Option<CellRecord>, Failure> {
    let damaged =
        fs::read(folder.join(RECORD)).is_ok_and(|bytes| serde_json::from_slice::<CellRecord>(&bytes).is_err());
    if damaged {
        tracing::warn!("{}: the record cannot be read: the cell runs again", folder.join(RECORD).display());
        return Ok(None);
    }
    let record = read_record(folder, identity).map_err(Failure::usage)?;
    Ok(record.filter(|r| r.status == Status::Ok))
}

/// Measures the cell and writes its record.
fn attempt(request: &CellRequest<'_>, job: &Job) -> Result<CellRecord, Failure> {
    job.check_inputs().map_err(Failure::usage)?;
    let folder = request.folder;
    // An attempt that crashes must not leave an older attempt's record behind as its own.
    let _ = fs::remove_file(folder.join(RECORD));
    let environment = environment::collect();
    write_json(&folder.join(ENVIRONMENT), &environment)?;
    let attempt = Attempt::begin(&environment.digest());
    let decided = stop_in_time(job, folder, &attempt);
    let report = |step: &Step| tell(request.child, step);
    let mut outcome = cell::measure(job, folder, &report);
    if let Ok(Some(machine)) = outcome.as_mut().map(|m| m.machine.as_mut()) {
        machine.jobs = (request.jobs > 1).then_some(request.jobs);
    }
    if let Err(Stopped { reason, .. }) = &outcome {
        tracing::error!("{reason}");
    }
    // From here on the time limit comes too late.
    let mut decided = decided.lock().unwrap_or_else(PoisonError::into_inner);
    *decided = true;
    let record = job.record(&attempt, outcome);
    write_json(&folder.join(RECORD), &record)?;
    Ok(record)
}

/// A line for `run` on standard output.
fn tell(child: bool, step: &Step) {
    if let (true, Ok(line)) = (child, serde_json::to_string(step)) {
        // The parent may be gone; then this process ends by itself.
        let _ = writeln!(io::stdout(), "{line}");
    }
}

/// Ends this process with a record that says so when the time limit is reached, unless the outcome is decided before.
fn stop_in_time(job: &Job, folder: &Path, attempt: &Attempt) -> Arc<Mutex<bool>> {
    let decided = Arc::new(Mutex::new(false));
    let (seen, job, folder, attempt) = (Arc::clone(&decided), job.clone(), folder.to_owned(), attempt.clone());
    std::thread::spawn(move || {
        let seconds = job.experiment.measure.timeout_s;
        std::thread::sleep(Duration::from_secs(seconds));
        let decided = seen.lock().unwrap_or_else(PoisonError::into_inner);
        if *decided {
            return;
        }
        let reason = format!("stopped after measure.timeout_s = {seconds} s");
        tracing::error!("{reason}");
        let record = job.record(&attempt, Err(Stopped { status: Status::Failed, reason }));
        if let Err(e) = write_json(&folder.join(RECORD), &record) {
            tracing::error!("{e}");
        }
        std::process::exit(i32::from(Exit::CellFailed.code()));
    });
    decided
}

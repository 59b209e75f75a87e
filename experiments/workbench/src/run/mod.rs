//! `workbench run` and `workbench plan`: plan, run every cell in its own process, record, report.
//!
//! | module | what |
//! |---|---|
//! | `folder` | which run folder: an unfinished one of the same cells, or a new one; one process at a time |
//! | `schedule` | the cells' processes, some at a time, with their time limits; signals |
//! | `cell` | `run-cell`: the process of one cell, also started by hand or by another scheduler |
//! | `gather` | `collect`: the records of cells that ran elsewhere |
//! | `export` | `plan --export`: jobs without a run |
//! | `papers` | `papers`: the cells that check what papers claim |
//! | `estimate` | seconds of cells in earlier runs, time left |

pub(crate) mod cell;
mod estimate;
mod export;
mod folder;
pub(crate) mod gather;
pub(crate) mod papers;
mod schedule;

use std::io::IsTerminal as _;
use std::path::{Path, PathBuf};

use crate::table;
use estimate::{Estimate, earlier_seconds};
use schedule::{Outcome, Scheduler};
use zkml_engine::environment;
use zkml_engine::exit::{Exit, Failure};
use zkml_engine::plan::{self, Plans};
use zkml_engine::spec::{Document, MANY_CELLS, SpecErrors};
use zkml_results::metrics;
use zkml_results::record::{CellRecord, Status};

/// What to run and where.
pub(crate) struct Request<'a> {
    /// The experiment file.
    pub(crate) file: &'a Path,
    /// Overrides, as typed.
    pub(crate) overrides: &'a [String],
    /// The folder of all runs.
    pub(crate) runs: &'a Path,
    /// An earlier run to go on with.
    pub(crate) resume: Option<&'a str>,
    /// Start a new run, whatever there is.
    pub(crate) new: bool,
    /// Do not ask about many cells.
    pub(crate) yes: bool,
    /// Cells at a time.
    pub(crate) jobs: usize,
    /// What to print at the end.
    pub(crate) shown: table::Shown,
}

/// Runs the command.
pub(crate) fn command(request: &Request<'_>) -> Result<Exit, Failure> {
    let document = Document::open(request.file, request.overrides)?;
    confirm(&document, request.yes)?;
    let plans = plan::plan(&document)?;
    let source = (document.name.as_str(), document.folder());
    let (open, records) = execute(request, source, &plans, Some(&document.resolved()))?;
    let Some(mut records) = records else { return Ok(Exit::Interrupted) };
    // Limits are those of now, also for cells that an earlier command has run.
    for (record, plan) in records.iter_mut().zip(&plans.cells).filter(|(r, _)| r.status == Status::Ok) {
        record.violations = metrics::violations(&plan.experiment.checks, &record.metrics);
    }
    let environment = gather::environment_of(&open.folder, &records);
    println!("{}", table::report(&document.name, &environment, &records, request.shown));
    if let Some(line) = gather::several_environments(&records) {
        println!("{line}");
    }
    if !plans.unsupported.is_empty() {
        println!("{}", table::unsupported(&plans.unsupported, records.len()));
    }
    println!("results: {}", open.folder.path().display());
    match crate::report::page(open.folder.path()) {
        Ok(page) => println!("report:  {}", page.display()),
        // The results are safe, and can be drawn later.
        Err(failure) => tracing::warn!("{}", failure.message),
    }
    Ok(verdict(&records))
}

/// Runs planned cells in a new run folder, or goes on in one that has some of them, and returns their records in the order of
/// the plan; `None` if a signal stopped it. `name` and `data` are the run's name and the folder of input files, `resolved` the
/// experiment after overrides, if it is one.
fn execute(
    request: &Request<'_>,
    (name, data): (&str, &Path),
    plans: &Plans,
    resolved: Option<&str>,
) -> Result<(folder::Open, Option<Vec<CellRecord>>), Failure> {
    let open = folder::open(request, name, plans)?;
    if !open.decision.is_empty() {
        eprintln!("{}", open.decision);
    }
    let environment = environment::collect();
    folder::describe(&open.folder, resolved, plans, &environment)?;

    let (digest, all) = (environment.digest(), plans.cells.len());
    let estimate = Estimate::new(earlier_seconds(request.runs, name));
    let mut scheduler = Scheduler::new(&open.folder, (name, data), &digest, request.jobs, estimate, all);
    let outcome = scheduler.run(&plans.cells, &open.records).map_err(|e| kept(&e, &open.folder))?;
    drop(scheduler);

    let records = gather::gather(&open.folder, &folder::planned(&plans.cells))?;
    open.folder.tidy()?;
    if outcome == Outcome::Complete {
        return Ok((open, Some(records)));
    }
    let done = records.iter().filter(|r| r.status == Status::Ok).count();
    let path = open.folder.path().display();
    eprintln!("stopped: {done} of {all} cells are done and kept in {path}; the same command goes on from there");
    Ok((open, None))
}

/// Asks before very many cells are planned: a matrix explodes easily. Where nobody can answer, `--yes` has to be there.
fn confirm(document: &Document, yes: bool) -> Result<(), Failure> {
    let count = document.count()?;
    if yes || count <= MANY_CELLS {
        return Ok(());
    }
    let many = format!("{}: the matrix has {count} cells, more than {MANY_CELLS}", document.name);
    if !(std::io::stdin().is_terminal() && std::io::stderr().is_terminal()) {
        return Err(Failure::usage(format!("{many}\n  allowed:  `--yes`, if they are meant")));
    }
    eprint!("{many}. Go on? [y/N] ");
    let mut answer = String::new();
    let read = std::io::stdin().read_line(&mut answer);
    let agreed = read.is_ok() && ["y", "yes"].contains(&answer.trim().to_lowercase().as_str());
    if agreed { Ok(()) } else { Err(Failure::usage("nothing was done")) }
}

/// A failure in the middle of a run, with the place of what is finished.
fn kept(failure: &Failure, folder: &zkml_results::store::RunFolder) -> Failure {
    let path = folder.path().display();
    let message =
        format!("{}\n  results so far are kept in {path}; the same command goes on from there", failure.message);
    Failure { message, exit: failure.exit }
}

/// The exit code for these results.
pub(crate) fn verdict(records: &[CellRecord]) -> Exit {
    if records.iter().any(|r| r.status != Status::Ok) {
        Exit::CellFailed
    } else if records.iter().any(|r| !r.violations.is_empty()) {
        Exit::CheckViolated
    } else {
        Exit::Done
    }
}

/// How to show a plan.
pub(crate) struct PlanRequest<'a> {
    /// The experiment file.
    pub(crate) file: &'a Path,
    /// Overrides, as typed.
    pub(crate) overrides: &'a [String],
    /// The folder of all runs.
    pub(crate) runs: &'a Path,
    /// Write the cells' jobs into this folder.
    pub(crate) export: Option<PathBuf>,
    /// Do not ask about many cells.
    pub(crate) yes: bool,
    /// Print JSON.
    pub(crate) json: bool,
    /// Print every relation.
    pub(crate) details: bool,
}

/// `workbench plan`: the same up to the first process.
pub(crate) fn plan_command(request: &PlanRequest<'_>) -> Result<Exit, Failure> {
    let document = Document::open(request.file, request.overrides)?;
    confirm(&document, request.yes)?;
    let plans = plan::plan(&document)?;
    if let Some(folder) = &request.export {
        export::export(&document, &plans, folder)?;
    } else if request.json {
        println!("{}", serde_json::to_string_pretty(&plans).map_err(|e| Failure::usage(e.to_string()))?);
    } else {
        let earlier = earlier_seconds(request.runs, &document.name);
        println!("{}", table::plans(&plans, &earlier, request.details));
    }
    Ok(Exit::Done)
}

/// `workbench describe EXPERIMENT`: the file after overrides.
pub(crate) fn resolved(file: &Path, overrides: &[String]) -> Result<String, SpecErrors> {
    let document = Document::open(file, overrides)?;
    document.cells()?;
    Ok(document.resolved())
}

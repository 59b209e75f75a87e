//! `workbench papers`: runs the cells that check the papers' claims, and says which claims hold.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::{Request, execute};
use crate::table;
use zkml_engine::exit::{Exit, Failure};
use zkml_engine::locate;
use zkml_engine::plan::{self, CellPlan, Plans};
use zkml_engine::spec::Document;
use zkml_report::claims::{self, Claim, Column, Verdict};
use zkml_results::record::CellRecord;

/// Name of the runs.
const NAME: &str = "papers";

/// What to check and how.
pub(crate) struct PapersRequest {
    /// Only claims whose name or paper contains one of these; all if there are none.
    pub(crate) only: Vec<String>,
    /// Only list the claims.
    pub(crate) list: bool,
    /// The folder of all runs.
    pub(crate) runs: PathBuf,
    /// Cells at a time.
    pub(crate) jobs: usize,
}

/// Runs the command.
pub(crate) fn command(request: &PapersRequest) -> Result<Exit, Failure> {
    let file = locate::papers().join("claims.yaml");
    let text = std::fs::read_to_string(&file).map_err(|e| Failure::usage(format!("{}: {e}", file.display())))?;
    let mut list = claims::read(&text).map_err(|e| Failure::usage(format!("{}: {e}", file.display())))?;
    list.retain(|claim| request.only.is_empty() || request.only.iter().any(|o| named(claim, o)));
    if list.is_empty() {
        return Err(Failure::usage(format!("{}: no claim has such a name or paper", file.display())));
    }
    if request.list {
        println!("{}", table::claims::list(&list));
        return Ok(Exit::Done);
    }
    let (checked, others): (Vec<Claim>, Vec<Claim>) = list.into_iter().partition(|claim| claim.check.is_some());
    let (plans, places) = planned(&checked)?;
    if plans.is_empty() {
        println!("{}", table::claims::list(&others));
        return Ok(Exit::Done);
    }
    let Some((records, path)) = records(request, &file, plans)? else { return Ok(Exit::Interrupted) };
    let mut judged = Vec::new();
    for (claim, cells) in checked.iter().zip(&places) {
        let records: Vec<&CellRecord> = cells.iter().filter_map(|&at| records.get(at)).collect();
        let columns = claim.check.as_ref().map(|check| claims::judge(check, &records));
        judged.push((claim, columns.unwrap_or_else(|| Ok(nothing())).map_err(|e| e.to_string())));
    }
    println!("{}", table::claims::report(&judged, others.len()));
    println!("results: {}", path.display());
    let holds = |columns: &Result<[Column; 2], String>| {
        columns.as_ref().is_ok_and(|both| both.iter().all(|column| column.verdict != Verdict::DoesNotHold))
    };
    Ok(if judged.iter().all(|(_, columns)| holds(columns)) { Exit::Done } else { Exit::CheckViolated })
}

fn named(claim: &Claim, part: &str) -> bool {
    claim.id.contains(part) || claim.paper.contains(part)
}

fn nothing() -> [Column; 2] {
    [(); 2].map(|()| Column { found: Vec::new(), verdict: Verdict::NotMeasured })
}

/// The cells of all checks, each once, and for every claim the positions of its own among them.
fn planned(claims: &[Claim]) -> Result<(Vec<CellPlan>, Vec<Vec<usize>>), Failure> {
    let mut plans: Vec<CellPlan> = Vec::new();
    let mut places = Vec::new();
    for claim in claims {
        let mut own = Vec::new();
        for overrides in claim.check.iter().flat_map(claims::Check::cells) {
            let plan = one_cell(claim, &overrides)?;
            let at = plans.iter().position(|known| known.identity == plan.identity).unwrap_or_else(|| {
                plans.push(plan);
                plans.len() - 1
            });
            own.push(at);
        }
        places.push(own);
    }
    Ok((plans, places))
}

/// The one cell that an experiment is after these overrides.
fn one_cell(claim: &Claim, overrides: &[String]) -> Result<CellPlan, Failure> {
    let name = claim.check.as_ref().map_or("", |check| check.experiment.as_str());
    let faulty = |what: String| Failure::usage(format!("claim `{}`: {what}", claim.id));
    let document = Document::open(&locate::experiment(name)?, overrides).map_err(|e| faulty(e.to_string()))?;
    let plans = plan::plan(&document).map_err(|e| faulty(e.to_string()))?;
    let count = plans.cells.len();
    let [mut cell] = <[CellPlan; 1]>::try_from(plans.cells)
        .map_err(|_| faulty(format!("{name} {} has {count} cells, and a point is one", overrides.join(" "))))?;
    cell.label = format!("{}: {name} {}", claim.id, overrides.join(" "));
    Ok(cell)
}

/// Runs the cells, or goes on where an earlier run of the same ones was stopped. `None` if it was interrupted.
fn records(
    request: &PapersRequest,
    file: &Path,
    cells: Vec<CellPlan>,
) -> Result<Option<(Vec<CellRecord>, PathBuf)>, Failure> {
    let plans = Plans { experiment: NAME.to_owned(), cells, unsupported: Vec::new() };
    let run = Request {
        file,
        overrides: &[],
        runs: &request.runs,
        resume: None,
        new: false,
        yes: true,
        jobs: request.jobs,
        shown: table::Shown::default(),
    };
    let (open, records) = execute(&run, (NAME, &locate::experiments_folder()), &plans, None)?;
    let Some(records) = records else { return Ok(None) };
    let known: BTreeSet<&str> = records.iter().map(|r| r.identity.as_str()).collect();
    match plans.cells.iter().find(|cell| !known.contains(cell.identity.as_str())) {
        Some(cell) => Err(Failure::usage(format!("{}: it left no record", cell.label))),
        None => Ok(Some((records, open.folder.path().to_owned()))),
    }
}

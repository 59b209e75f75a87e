//! `workbench plan --export`: cells that run on their own, on any machine.

use std::path::Path;

use super::cell::JOB;
use super::folder::{describe, planned};
use zkml_engine::environment;
use zkml_engine::exit::Failure;
use zkml_engine::job::Job;
use zkml_engine::plan::Plans;
use zkml_engine::spec::Document;
use zkml_results::planned::Planned;
use zkml_results::store::{RunFolder, write_json};

/// Writes a run folder with a job for every cell. Prints the cells' folders, one per line, and how to run them on standard
/// error. Results that are there already are kept.
pub(super) fn export(document: &Document, plans: &Plans, path: &Path) -> Result<(), Failure> {
    let folder = RunFolder::create_at(path)?;
    let path = std::fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    let _lock = folder.lock()?;
    let cells = planned(&plans.cells);
    if let Ok(earlier) = Planned::read(&path) {
        let wanted = Planned { experiment: String::new(), cells };
        if earlier.identities() != wanted.identities() {
            let path = path.display();
            return Err(Failure::usage(format!("{path}: the folder holds a run of other cells: name another one")));
        }
    }
    describe(&folder, Some(&document.resolved()), plans, &environment::collect())?;
    for plan in &plans.cells {
        let cell = folder.cell(&plan.id)?;
        write_json(&cell.join(JOB), &Job::new(plan, &document.name, document.folder(), None))?;
        println!("{}", path.join("cells").join(&plan.id).display());
    }
    let (count, path) = (plans.cells.len(), path.display());
    eprintln!(
        "{count} {} of {} in {path}; each runs on its own, with this executable, wherever this folder and the data can be read:\n  \
         workbench run-cell {path}/cells/<cell>\n  \
         ls -d {path}/cells/* | xargs -n 1 -P 2 workbench run-cell      two at a time\n\
         and, as often as you like, before or after the last one has ended:\n  \
         workbench collect {path}",
        if count == 1 { "cell" } else { "cells" },
        document.name,
    );
    Ok(())
}

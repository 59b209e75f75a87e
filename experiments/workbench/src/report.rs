//! `workbench report` and `workbench export`: pictures and tables of a run's results.

use std::path::{Path, PathBuf};

use zkml_engine::exit::{Exit, Failure};
use zkml_engine::locate;
use zkml_report::{Format, Run, tidy};

/// Writes the page and the pictures of a run.
pub(crate) fn report(which: Option<&str>, runs: &Path, output: Option<PathBuf>) -> Result<Exit, Failure> {
    let (run, beside) = open(which, runs)?;
    let output = output.unwrap_or_else(|| beside.join("report"));
    let files = zkml_report::write(&run, &output, &Format::ALL).map_err(|e| Failure::usage(e.to_string()))?;
    for file in files {
        println!("{}", file.display());
    }
    Ok(Exit::Done)
}

/// Writes the page of a run that has just ended, and returns its path.
pub(crate) fn page(folder: &Path) -> Result<PathBuf, Failure> {
    let failed = |e: zkml_report::ReportError| Failure::usage(format!("the run cannot be drawn: {e}"));
    let output = folder.join("report");
    zkml_report::write(&Run::open(folder).map_err(failed)?, &output, &[Format::Html]).map_err(failed)?;
    Ok(output.join("report.html"))
}

/// Writes the tables of a run.
pub(crate) fn export(which: Option<&str>, runs: &Path, output: Option<PathBuf>) -> Result<Exit, Failure> {
    let (run, beside) = open(which, runs)?;
    let output = output.unwrap_or_else(|| beside.join("tables"));
    for file in tidy::write(&run.records, &output).map_err(|e| Failure::usage(e.to_string()))? {
        println!("{}", file.display());
    }
    Ok(Exit::Done)
}

/// The results, and the folder for what is made of them: their own, but nothing is written among the published ones.
fn open(which: Option<&str>, runs: &Path) -> Result<(Run, PathBuf), Failure> {
    let folder = locate::results(which, runs)?;
    let run = Run::open(&folder).map_err(|e| Failure::usage(e.to_string()))?;
    let published = folder.components().any(|part| part.as_os_str() == "published");
    if !published {
        return Ok((run, folder));
    }
    eprintln!("no run of your own: these are the published results in {}", folder.display());
    let name = folder.file_name().unwrap_or_default().to_string_lossy();
    Ok((run, runs.join(format!("published-{name}"))))
}

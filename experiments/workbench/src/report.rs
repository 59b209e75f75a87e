//! `workbench report` and `workbench export`: pictures and tables of a run's results.

use std::path::{Path, PathBuf};

use zkml_engine::exit::{Exit, Failure};
use zkml_engine::locate;
use zkml_report::claims::{self, Expect, Measure};
use zkml_report::{Format, ReportError, Run, tidy};

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
    zkml_report::write(&read(folder).map_err(failed)?, &output, &[Format::Html]).map_err(failed)?;
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
    let run = read(&folder).map_err(|e| Failure::usage(e.to_string()))?;
    let published = folder.components().any(|part| part.as_os_str() == "published");
    if !published {
        return Ok((run, folder));
    }
    eprintln!("no run of your own: these are the published results in {}", folder.display());
    let name = folder.file_name().unwrap_or_default().to_string_lossy();
    Ok((run, runs.join(format!("published-{name}"))))
}

/// A run, with the exponents that papers claim.
fn read(folder: &Path) -> Result<Run, ReportError> {
    let claims = std::fs::read_to_string(locate::papers().join("claims.yaml")).ok().and_then(|t| claims::read(&t).ok());
    let exponents = claims.unwrap_or_default().iter().filter_map(exponent).collect();
    Ok(Run { claims: exponents, ..Run::open(folder)? })
}

/// The exponent of a prover's work that a claim states, under the claim's name, and the axis along which its check measures it.
fn exponent(claim: &claims::Claim) -> Option<zkml_report::Claim> {
    use Measure::{GroupTerms, Operations, Products, SmallProducts};
    let work = |c: &&claims::Check| matches!(c.measure, Operations | Products | SmallProducts | GroupTerms);
    let check = claim.check.as_ref().filter(work).filter(|c| c.baseline.is_empty())?;
    let Expect::Exponent { value, .. } = check.expect else { return None };
    let axis = check.points.first()?.set.first()?.split('=').next()?.to_owned();
    Some(zkml_report::Claim { protocol: claim.paper.clone(), axis, exponent: value, source: claim.id.clone() })
}

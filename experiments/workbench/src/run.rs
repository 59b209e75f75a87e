//! `workbench run`: plan, run every cell in its own process, record, report.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use crate::progress::Progress;
use crate::table;
use zkml_engine::cell::{Answer, Job, Step};
use zkml_engine::environment;
use zkml_engine::exit::{Exit, Failure};
use zkml_engine::plan::{self, CellPlan};
use zkml_engine::spec::{Document, SpecErrors};
use zkml_engine::verify::this_executable;
use zkml_results::clock;
use zkml_results::metrics;
use zkml_results::record::{CellRecord, Evaluation, Status};
use zkml_results::store::{RunFolder, write_atomic, write_json};

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
    /// Print every step.
    pub(crate) details: bool,
}

/// Runs the command.
pub(crate) fn command(request: &Request<'_>) -> Result<Exit, Failure> {
    let document = Document::open(request.file, request.overrides)?;
    let plans = plan::plan(&document)?;
    let folder = match request.resume {
        Some(which) => RunFolder::open(request.runs, &document.name, which)?,
        None => RunFolder::create(request.runs, &document.name)?,
    };
    let environment = environment::collect();
    let digest = environment.digest();
    let as_json = serde_json::to_value(&environment).map_err(|e| Failure::usage(e.to_string()))?;
    folder.write_environment(&as_json, &digest)?;
    write_atomic(&folder.path().join("resolved.yaml"), document.resolved().as_bytes())?;
    write_json(&folder.path().join("plan.json"), &plans)?;

    let evaluations = BTreeMap::new();
    let mut runner = Runner { document: &document, folder: &folder, environment: digest, evaluations };
    runner.run(&plans.cells)?;
    let ids: Vec<&str> = plans.cells.iter().map(|p| p.identity.as_str()).collect();
    let mut records = folder.records()?;
    records.retain(|r| ids.contains(&r.identity.as_str()));
    println!("{}", table::report(&document.name, &environment, &records, request.details));
    if !plans.unsupported.is_empty() {
        println!("{}", table::unsupported(&plans.unsupported, records.len()));
    }
    println!("results: {}", folder.path().display());
    Ok(verdict(&records))
}

/// The exit code for these results.
fn verdict(records: &[CellRecord]) -> Exit {
    if records.iter().any(|r| r.status != Status::Ok) {
        Exit::CellFailed
    } else if records.iter().any(|r| !r.violations.is_empty()) {
        Exit::CheckViolated
    } else {
        Exit::Done
    }
}

struct Runner<'a> {
    document: &'a Document,
    folder: &'a RunFolder,
    environment: String,
    /// Networks on held-out inputs, by the network's digest: cells that differ in their protocols share one.
    evaluations: BTreeMap<String, Evaluation>,
}

impl Runner<'_> {
    fn run(&mut self, plans: &[CellPlan]) -> Result<(), Failure> {
        let finished = self.folder.records()?;
        let progress = Progress::new(plans.len());
        let known = |plan: &CellPlan| finished.iter().any(|r| r.identity == plan.identity);
        if !finished.is_empty() && !plans.iter().any(known) {
            progress
                .line("no result of this run has the same experiment, executable and data: every cell is run again");
        }
        for (number, plan) in plans.iter().enumerate() {
            progress.begin(number, &plan.label);
            if let Some(record) = finished.iter().find(|r| r.identity == plan.identity && r.status == Status::Ok) {
                self.remember(plan, record);
                progress.line(&format!("  {}: finished before, skipped", plan.label));
                continue;
            }
            let record = self.run_cell(plan, &progress)?;
            self.folder.append(&record)?;
            self.remember(plan, &record);
            progress.line(&format!("  {}: {}", plan.label, table::one_line(&record)));
        }
        Ok(())
    }

    fn remember(&mut self, plan: &CellPlan, record: &CellRecord) {
        if let Some(evaluation) = record.measured.as_ref().and_then(|m| m.evaluation.as_ref()) {
            self.evaluations.insert(plan.network.clone(), evaluation.clone());
        }
    }

    fn run_cell(&self, plan: &CellPlan, progress: &Progress) -> Result<CellRecord, Failure> {
        let folder = self.folder.cell(&plan.id)?;
        let data = std::fs::canonicalize(self.document.folder()).unwrap_or_else(|_| self.document.folder().to_owned());
        let evaluation = self.evaluations.get(&plan.network).cloned();
        let job = Job { identity: plan.identity.clone(), experiment: plan.experiment.clone(), data, evaluation };
        write_json(&folder.join("cell.json"), &job)?;
        // An earlier attempt may have left an answer of its own.
        let _ = std::fs::remove_file(folder.join("result.json"));
        let (started, start) = (clock::now(), Instant::now());
        let limit = Duration::from_secs(plan.experiment.measure.timeout_s);
        let answer = execute(&folder, limit, progress).and_then(|()| read_answer(&folder, &plan.identity));
        let (status, reason, measured) = match answer {
            Ok(answer) => (answer.status, answer.reason, answer.measured),
            Err(reason) => (Status::Failed, Some(reason), None),
        };
        let weak = measured.as_ref().is_some_and(|m| m.soundness.bits < f64::from(m.soundness.wanted));
        let values = measured.as_ref().map(metrics::values).unwrap_or_default();
        let violations = metrics::violations(&plan.experiment.checks, &values);
        Ok(CellRecord {
            cell: plan.id.clone(),
            identity: plan.identity.clone(),
            experiment: self.document.name.clone(),
            point: plan.point.clone(),
            status,
            reason,
            weak,
            started: clock::readable(started),
            seconds: start.elapsed().as_secs_f64(),
            environment: self.environment.clone(),
            spec: serde_json::to_value(&plan.experiment).unwrap_or_default(),
            measured,
            metrics: values,
            violations: if status == Status::Ok { violations } else { Vec::new() },
        })
    }
}

/// Runs `workbench run-cell` to its end or to the time limit. `Err` says how it ended without an answer.
fn execute(folder: &Path, limit: Duration, progress: &Progress) -> Result<(), String> {
    let log = File::create(folder.join("log.txt")).map_err(|e| format!("the log cannot be written: {e}"))?;
    let mut command = Command::new(this_executable());
    command.arg("-v").arg("run-cell").arg(folder).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(log);
    let mut child = command.spawn().map_err(|e| format!("the cell's process cannot be started: {e}"))?;
    let steps = follow(&mut child);
    let deadline = Instant::now() + limit;
    loop {
        match steps.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
            Ok(step) => progress.step(&step),
            Err(RecvTimeoutError::Disconnected) => break,
            Err(RecvTimeoutError::Timeout) => {
                let stopped = child.kill().and_then(|()| child.wait());
                let how = stopped.map_or_else(|e| format!(" (and cannot be stopped: {e})"), |_| String::new());
                return Err(format!("stopped after measure.timeout_s = {} s{how}", limit.as_secs()));
            }
        }
    }
    let status = child.wait().map_err(|e| format!("the cell's process cannot be waited for: {e}"))?;
    match status.code() {
        Some(0) => Ok(()),
        Some(code) if code == i32::from(Exit::CellFailed.code()) && folder.join("result.json").exists() => Ok(()),
        _ => Err(format!("the cell's process ended with {status}; its last words: {}", last_words(folder))),
    }
}

/// Reads the child's steps in a thread; the channel closes when the child's output does.
fn follow(child: &mut Child) -> Receiver<Step> {
    let (sender, receiver) = channel();
    if let Some(output) = child.stdout.take() {
        std::thread::spawn(move || {
            for line in BufReader::new(output).lines().map_while(Result::ok) {
                if let Ok(step) = serde_json::from_str::<Step>(&line)
                    && sender.send(step).is_err()
                {
                    return;
                }
            }
        });
    }
    receiver
}

fn last_words(folder: &Path) -> String {
    let log = std::fs::read_to_string(folder.join("log.txt")).unwrap_or_default();
    let lines: Vec<&str> = log.lines().filter(|l| !l.trim().is_empty()).collect();
    let from = lines.len().saturating_sub(3);
    lines.get(from..).unwrap_or_default().join(" / ")
}

fn read_answer(folder: &Path, identity: &str) -> Result<Answer, String> {
    let path = folder.join("result.json");
    let bytes = std::fs::read(&path).map_err(|e| format!("{}: {e}", path.display()))?;
    let answer: Answer = serde_json::from_slice(&bytes).map_err(|e| format!("{}: {e}", path.display()))?;
    if answer.identity == identity { Ok(answer) } else { Err(format!("{}: it is of another cell", path.display())) }
}

/// `workbench plan`: the same up to the first process.
pub(crate) fn plan_command(file: &Path, overrides: &[String], json: bool, details: bool) -> Result<Exit, Failure> {
    let document = Document::open(file, overrides)?;
    let plans = plan::plan(&document)?;
    if json {
        println!("{}", serde_json::to_string_pretty(&plans).map_err(|e| Failure::usage(e.to_string()))?);
    } else {
        println!("{}", table::plans(&document.name, &plans, details));
    }
    Ok(Exit::Done)
}

/// `workbench describe EXPERIMENT`: the file after overrides.
pub(crate) fn resolved(file: &Path, overrides: &[String]) -> Result<String, SpecErrors> {
    let document = Document::open(file, overrides)?;
    document.cells()?;
    Ok(document.resolved())
}

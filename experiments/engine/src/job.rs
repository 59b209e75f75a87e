//! A cell as it is handed to the process that measures it, on this machine or on another one.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use zkml_results::clock;
use zkml_results::metrics;
use zkml_results::record::{CellRecord, Evaluation, Measured, Status};

use crate::environment::{executable_digest, file_digest};
use crate::plan::CellPlan;
use crate::spec::{self, Experiment};

/// All that a record of the cell needs, in `cell.json`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Job {
    /// First digits of the identity: the name of the cell's folder.
    pub cell: String,
    /// Identity of the cell.
    pub identity: String,
    /// The experiment's name.
    pub name: String,
    /// The matrix axes' values.
    pub point: Vec<(String, String)>,
    /// The cell, resolved.
    pub experiment: Experiment,
    /// The folder that input files are relative to, absolute.
    pub data: PathBuf,
    /// Input files with the digests they had when the cell was planned.
    pub files: Vec<(String, String)>,
    /// Digest of the executable that planned the cell.
    pub executable: String,
    /// The network on held-out inputs, if an earlier cell has run it.
    pub evaluation: Option<Evaluation>,
}

/// Where a cell is.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Step {
    /// What is being done.
    pub doing: String,
    /// Steps done so far.
    pub done: u64,
    /// Steps in all.
    pub of: u64,
}

/// Why a cell has no numbers.
#[derive(Clone, Debug)]
pub struct Stopped {
    /// Failed or invalid.
    pub status: Status,
    /// Why.
    pub reason: String,
}

/// When a cell's measurement began, and where.
#[derive(Clone, Debug)]
pub struct Attempt {
    started: Duration,
    start: Instant,
    environment: String,
}

impl Attempt {
    /// Begins now, in the environment with this digest.
    pub fn begin(environment: &str) -> Self {
        Self { started: clock::now(), start: Instant::now(), environment: environment.to_owned() }
    }
}

impl Job {
    /// The job of a planned cell of the experiment `name`, whose input files lie in `data`.
    pub fn new(plan: &CellPlan, name: &str, data: &Path, evaluation: Option<Evaluation>) -> Self {
        Self {
            cell: plan.id.clone(),
            identity: plan.identity.clone(),
            name: name.to_owned(),
            point: plan.point.clone(),
            experiment: plan.experiment.clone(),
            data: std::fs::canonicalize(data).unwrap_or_else(|_| data.to_owned()),
            files: plan.data.clone(),
            executable: plan.executable.clone(),
            evaluation,
        }
    }

    /// The cell in one line.
    pub fn label(&self) -> String {
        spec::label(&self.point)
    }

    /// Whether executable and input files are those that the cell was planned with: else its identity would be wrong.
    pub fn check_inputs(&self) -> Result<(), String> {
        if executable_digest() != self.executable {
            let planned = self.executable.get(..12).unwrap_or_default();
            return Err(format!(
                "this cell was planned by another build of the workbench (executable {planned}): use that one, or plan again"
            ));
        }
        for (name, planned) in &self.files {
            let path = self.data.join(name);
            let digest = file_digest(&path).map_err(|e| {
                format!(
                    "{}: the input file, which was there when the cell was planned, cannot be read: {e}",
                    path.display()
                )
            })?;
            if digest != *planned {
                return Err(format!(
                    "{}: the input file has changed since the cell was planned: put the old one back, or plan again",
                    path.display()
                ));
            }
        }
        Ok(())
    }

    /// What is recorded of an attempt that ends now.
    pub fn record(&self, attempt: &Attempt, outcome: Result<Measured, Stopped>) -> CellRecord {
        let (status, reason, measured) = match outcome {
            Ok(measured) => (Status::Ok, None, Some(measured)),
            Err(Stopped { status, reason }) => (status, Some(reason), None),
        };
        let values = measured.as_ref().map(metrics::values).unwrap_or_default();
        let violations = metrics::violations(&self.experiment.checks, &values);
        CellRecord {
            cell: self.cell.clone(),
            identity: self.identity.clone(),
            experiment: self.name.clone(),
            point: self.point.clone(),
            status,
            reason,
            weak: measured.as_ref().is_some_and(|m| m.soundness.bits < f64::from(m.soundness.wanted)),
            started: clock::readable(attempt.started),
            seconds: attempt.start.elapsed().as_secs_f64(),
            environment: attempt.environment.clone(),
            spec: serde_json::to_value(&self.experiment).unwrap_or_default(),
            measured,
            metrics: values,
            violations: if status == Status::Ok { violations } else { Vec::new() },
        }
    }
}

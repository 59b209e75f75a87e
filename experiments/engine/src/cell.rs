//! `workbench run-cell`: one cell in its own process, from data to checked measurements.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use zkml_commitment::CommittedSuite;
use zkml_core::{ProtocolSet, Witness};
use zkml_device::Device;
use zkml_device::count::{self, Operations};
use zkml_model::{Plan, Proof, ProvingKey};

use crate::devices::{self, Chosen};
use crate::environment::peak_memory;
use crate::exit::{Exit, Failure};
use crate::layers;
use crate::machine::Watch;
use crate::network::Network;
use crate::plan;
use crate::spec::Experiment;
use crate::suites::{self, WithSuite};
use crate::tamper::{self, NotChecked};
use crate::verify::{Files, Verdict, in_fresh_process};
use zkml_results::clock::{Time, timed};
use zkml_results::record::{Evaluation, Measured, PhaseSummary, ProofTimes, Soundness, Status, StepSummary};
use zkml_results::store::{write_atomic, write_json};

/// What the parent tells the cell's process, in `cell.json`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Job {
    /// Identity of the cell.
    pub identity: String,
    /// The cell, resolved.
    pub experiment: Experiment,
    /// The folder that input files are relative to.
    pub data: PathBuf,
    /// The network on held-out inputs, if an earlier cell has run it.
    pub evaluation: Option<Evaluation>,
}

/// What the cell's process answers, in `result.json`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Answer {
    /// Identity of the cell.
    pub identity: String,
    /// How it ended.
    pub status: Status,
    /// Why it is not ok.
    pub reason: Option<String>,
    /// What was measured, if it is ok.
    pub measured: Option<Measured>,
}

/// A line on standard output: where the cell is.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Step {
    /// What is being done.
    pub doing: String,
    /// Steps done so far.
    pub done: u64,
    /// Steps in all.
    pub of: u64,
}

/// Verifications of the final proof, each in a fresh process.
const VERIFICATIONS: u32 = 5;

/// Why a cell has no numbers.
struct Stopped {
    status: Status,
    reason: String,
}

fn failed(reason: impl std::fmt::Display) -> Stopped {
    Stopped { status: Status::Failed, reason: reason.to_string() }
}

fn not_checked(why: NotChecked) -> Stopped {
    match why {
        NotChecked::NotRejected(reason) => invalid(reason),
        NotChecked::Impossible(reason) => failed(reason),
    }
}

fn invalid(reason: String) -> Stopped {
    Stopped { status: Status::Invalid, reason }
}

/// Runs the command in a cell's folder.
pub fn command(folder: &Path) -> Result<Exit, Failure> {
    stop_with_parent();
    let job_file = folder.join("cell.json");
    let text = std::fs::read(&job_file).map_err(|e| Failure::usage(format!("{}: {e}", job_file.display())))?;
    let job: Job = serde_json::from_slice(&text).map_err(|e| Failure::usage(format!("{}: {e}", job_file.display())))?;
    let answer = match measure(&job, folder) {
        Ok(measured) => Answer { identity: job.identity, status: Status::Ok, reason: None, measured: Some(measured) },
        Err(Stopped { status, reason }) => {
            tracing::error!("{reason}");
            Answer { identity: job.identity, status, reason: Some(reason), measured: None }
        }
    };
    let exit = if answer.status == Status::Ok { Exit::Done } else { Exit::CellFailed };
    write_json(&folder.join("result.json"), &answer)?;
    Ok(exit)
}

/// Ends this process when the parent does: its end closes our standard input.
fn stop_with_parent() {
    std::thread::spawn(|| {
        // Nothing is ever written to the pipe, so this returns at its end only.
        let _ = std::io::copy(&mut std::io::stdin(), &mut std::io::sink());
        std::process::exit(i32::from(Exit::CellFailed.code()));
    });
}

fn measure(job: &Job, folder: &Path) -> Result<Measured, Stopped> {
    let beside = if job.experiment.device == devices::CPU { 1 } else { 2 };
    let steps = u64::from(job.experiment.measure.warmup + job.experiment.measure.samples) + 5 + beside;
    let progress = Progress { done: 0, of: steps };
    let visitor = Measuring { job, folder, progress };
    suites::with_suite(&job.experiment.suite, visitor)
        .unwrap_or_else(|| Err(failed(format!("unknown suite `{}`", job.experiment.suite))))
}

struct Progress {
    done: u64,
    of: u64,
}

impl Progress {
    fn now(&mut self, doing: &str) {
        tracing::info!("{doing}");
        let step = Step { doing: doing.to_owned(), done: self.done, of: self.of };
        if let Ok(line) = serde_json::to_string(&step) {
            // The parent may be gone; then this process ends by itself.
            let _ = writeln!(std::io::stdout(), "{line}");
        }
        self.done += 1;
    }
}

struct Measuring<'a> {
    job: &'a Job,
    folder: &'a Path,
    progress: Progress,
}

impl WithSuite for Measuring<'_> {
    type Output = Result<Measured, Stopped>;

    fn run<S: CommittedSuite>(mut self, protocols: &dyn ProtocolSet<S>) -> Self::Output {
        let experiment = &self.job.experiment;
        let mut measured = Measured::default();

        self.progress.now("import");
        let (imported, time) = timed(|| self.import::<S>(protocols));
        let (network, plan) = imported?;
        measured.import = time;
        measured.relations = plan::relations(&plan);
        measured.soundness = plan::soundness(&plan);
        measured.layers = layers::records(&network, &measured.relations);

        self.progress.now("keys");
        let witness = network.forward(&Device::cpu()).map_err(failed)?;
        let (key, time) = timed(|| ProvingKey::new(plan, &witness));
        let key = key.map_err(failed)?;
        measured.keys = time;
        measured.accuracy = network.accuracy().map_err(failed)?;
        measured.layer_accuracy = network.layer_accuracy().map_err(failed)?;
        measured.predictions = network.predictions().map_err(failed)?;
        drop(witness);

        for _ in 0..experiment.measure.warmup + experiment.measure.samples {
            let (output, time) = timed(|| network.infer());
            output.map_err(failed)?;
            measured.inference.push(time);
        }
        measured.inference.drain(..experiment.measure.warmup as usize);
        let (proof, witness) = self.prove(&network, &key, &mut measured)?;
        measured.peak_memory_bytes = peak_memory();
        self.write_files(&key, &proof, &witness, &mut measured)?;
        drop((key, witness));

        self.progress.now("verify in a fresh process");
        let files = Files::of_cell(self.folder);
        self.verify(&files, &mut measured)?;
        self.progress.now("tamper");
        measured.tampered = tamper::check(&files, &proof.bytes, &self.job.identity).map_err(not_checked)?;
        self.progress.now("evaluate");
        measured.evaluation = match &self.job.evaluation {
            Some(known) => Some(known.clone()),
            None => network.evaluate().map_err(failed)?,
        };
        Ok(measured)
    }
}

impl Measuring<'_> {
    fn import<S: CommittedSuite>(&self, protocols: &dyn ProtocolSet<S>) -> Result<(Network, Plan<S>), Stopped> {
        let network = Network::load(&self.job.experiment, &self.job.data).map_err(|f| failed(f.problem))?;
        let statement = plan::statement(&self.job.experiment, &network).map_err(|f| failed(f.problem))?;
        let plan = Plan::new(statement, protocols).map_err(failed)?;
        Ok((network, plan))
    }

    /// Warm-up proofs, then measured ones. The last proof is kept.
    fn prove<S: CommittedSuite>(
        &mut self,
        network: &Network,
        key: &ProvingKey<S>,
        measured: &mut Measured,
    ) -> Result<(Proof, Witness), Stopped> {
        let counts = &self.job.experiment.measure;
        self.progress.now("device");
        let mut chosen = Chosen::open(&self.job.experiment.device).map_err(failed)?;
        for i in 0..counts.warmup {
            self.progress.now(&format!("warm-up proof {} of {}", i + 1, counts.warmup));
            let device = chosen.for_a_proof();
            let witness = network.forward(&device).map_err(failed)?;
            zkml_model::prove(key, &witness, &device).map_err(failed)?;
        }
        let mut steps = Steps::default();
        let mut last = None;
        let watch = Watch::start(self.job.experiment.device != devices::CPU);
        for i in 0..counts.samples {
            self.progress.now(&format!("proof {} of {}", i + 1, counts.samples));
            drop(last.take());
            let device = chosen.for_a_proof();
            let before = count::snapshot();
            let (proof, witness, forward, proving) = prove_once(network, key, &device).map_err(failed)?;
            measured.counted = count::ENABLED.then(|| count::snapshot().since(before));
            measured.proofs.push(times_of(&proof, forward, proving));
            steps.add(&proof);
            // Times of the host must not pass for the device's: one proof that the host made is enough to say so.
            let fallback =
                measured.device.take().and_then(|earlier| earlier.fallback).or_else(|| proof.fallback.clone());
            measured.device = chosen.record(&device, fallback);
            last = Some((proof, witness));
        }
        measured.machine = Some(watch.stop());
        measured.phases = phases(&measured.proofs);
        measured.phases.insert("inference".to_owned(), PhaseSummary::of(&measured.inference));
        measured.steps = steps.summaries();
        let (proof, witness) = last.ok_or_else(|| failed("no proof was made"))?;
        if let Some(device) = &mut measured.device {
            self.progress.now("the same proof on the host");
            device.host = same_on_the_host(network, key, &proof)?;
        }
        Ok((proof, witness))
    }

    fn write_files<S: CommittedSuite>(
        &self,
        key: &ProvingKey<S>,
        proof: &Proof,
        witness: &Witness,
        measured: &mut Measured,
    ) -> Result<(), Stopped> {
        let files = Files::of_cell(self.folder);
        let public = zkml_model::public_bytes(&key.plan().statement().program, witness).map_err(failed)?;
        write_atomic(&files.proof, &proof.bytes).map_err(failed)?;
        write_atomic(&files.key, key.verifying_bytes()).map_err(failed)?;
        write_atomic(&files.public, &public).map_err(failed)?;
        measured.proof_bytes = proof.bytes.len();
        measured.proof_scopes = proof.breakdown.iter().map(|s| (s.scope.clone(), s.bytes)).collect();
        measured.verifying_key_bytes = key.verifying_bytes().len();
        measured.public_bytes = public.len();
        measured.committed_cells = proof.committed_cells;
        Ok(())
    }

    fn verify(&self, files: &Files, measured: &mut Measured) -> Result<(), Stopped> {
        for _ in 0..VERIFICATIONS.min(self.job.experiment.measure.samples) {
            match in_fresh_process(files) {
                Verdict::Accepted(accepted, verification) => {
                    measured.verifications.push(verification);
                    measured.soundness = Soundness { wanted: measured.soundness.wanted, ..accepted.soundness };
                }
                Verdict::Rejected(reason) => return Err(invalid(format!("the proof was rejected: {reason}"))),
                Verdict::Broken(reason) => return Err(invalid(reason)),
                Verdict::NotRun(reason) => return Err(failed(reason)),
            }
        }
        let inside: Vec<Time> = measured.verifications.iter().map(|v| v.inside).collect();
        measured.phases.insert("verify".to_owned(), PhaseSummary::of(&inside));
        let process: Vec<Time> = measured.verifications.iter().map(|v| Time { wall: v.process, cpu: 0.0 }).collect();
        measured.phases.insert("verify process".to_owned(), PhaseSummary::of(&process));
        Ok(())
    }
}

/// Makes the proof on the host alone, which must give the same bytes. Returns the time it took.
fn same_on_the_host<S: CommittedSuite>(network: &Network, key: &ProvingKey<S>, proof: &Proof) -> Result<Time, Stopped> {
    let (host, time) = timed(|| {
        let witness = network.forward(&Device::cpu()).map_err(failed)?;
        zkml_model::prove(key, &witness, &Device::cpu()).map_err(failed)
    });
    let host = host?.bytes;
    if host == proof.bytes {
        return Ok(time);
    }
    let at = host.iter().zip(&proof.bytes).position(|(a, b)| a != b).unwrap_or(host.len().min(proof.bytes.len()));
    Err(invalid(format!("the device's proof differs from the host's from byte {at} on: the device computes wrongly")))
}

/// The forward pass, the proof, and the times that both take. Errors are in words.
pub(crate) fn prove_once<S: CommittedSuite>(
    network: &Network,
    key: &ProvingKey<S>,
    device: &Device,
) -> Result<(Proof, Witness, Time, Time), String> {
    let (witness, forward) = timed(|| network.forward(device));
    let witness = witness.map_err(|e| e.to_string())?;
    let (proof, proving) = timed(|| zkml_model::prove(key, &witness, device));
    Ok((proof.map_err(|e| e.to_string())?, witness, forward, proving))
}

/// Times of a proof by phase.
pub(crate) fn times_of(proof: &Proof, forward: Time, proving: Time) -> ProofTimes {
    let mut phases: BTreeMap<String, Time> = BTreeMap::new();
    let mut known = Time::default();
    for timing in &proof.timings {
        let time = Time { wall: timing.wall, cpu: timing.cpu };
        let phase = phases.entry(timing.phase.clone()).or_default();
        *phase = phase.plus(time);
        known = known.plus(time);
    }
    let rest = Time { wall: (proving.wall - known.wall).max(0.0), cpu: (proving.cpu - known.cpu).max(0.0) };
    phases.insert("other".to_owned(), rest);
    phases.insert("forward".to_owned(), forward);
    ProofTimes { total: forward.plus(proving), phases }
}

/// Median and spread of every phase, and of the whole as `prove`.
fn phases(proofs: &[ProofTimes]) -> BTreeMap<String, PhaseSummary> {
    let mut columns: BTreeMap<String, Vec<Time>> = BTreeMap::new();
    for proof in proofs {
        columns.entry("prove".to_owned()).or_default().push(proof.total);
        for (phase, time) in &proof.phases {
            columns.entry(phase.clone()).or_default().push(*time);
        }
    }
    columns.into_iter().map(|(phase, times)| (phase, PhaseSummary::of(&times))).collect()
}

/// The steps of all proofs, which take the same steps in the same order.
#[derive(Default)]
struct Steps {
    rows: Vec<(String, String, Vec<Time>, Operations)>,
}

impl Steps {
    fn add(&mut self, proof: &Proof) {
        for (i, timing) in proof.timings.iter().enumerate() {
            let time = Time { wall: timing.wall, cpu: timing.cpu };
            match self.rows.get_mut(i) {
                Some(row) => row.2.push(time),
                None => self.rows.push((timing.phase.clone(), timing.scope.clone(), vec![time], timing.operations)),
            }
        }
    }

    fn summaries(self) -> Vec<StepSummary> {
        let summary = |(phase, scope, times, operations): (String, String, Vec<Time>, Operations)| StepSummary {
            phase,
            scope,
            times: PhaseSummary::of(&times),
            operations,
        };
        self.rows.into_iter().map(summary).collect()
    }
}

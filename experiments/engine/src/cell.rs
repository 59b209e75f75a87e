//! One cell, from data to checked measurements.

use std::collections::BTreeMap;
use std::path::Path;

use zkml_commitment::CommittedSuite;
use zkml_core::{ProtocolSet, Witness};
use zkml_device::Device;
use zkml_device::count::{self, Operations};
use zkml_model::{Plan, Proof, ProvingKey};

use crate::devices::{self, Chosen};
use crate::environment::peak_memory;
use crate::job::{Job, Step, Stopped};
use crate::layers;
use crate::machine::Watch;
use crate::network::Network;
use crate::plan;
use crate::suites::{self, WithSuite};
use crate::tamper::{self, NotChecked};
use crate::verify::{Files, Verdict, in_fresh_process};
use zkml_results::clock::{Time, timed};
use zkml_results::record::{Measured, PhaseSummary, ProofTimes, Soundness, Status, StepSummary};
use zkml_results::store::write_atomic;

/// Verifications of the final proof, each in a fresh process.
const VERIFICATIONS: u32 = 5;

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

/// Proves and measures a cell; its files go into `folder`. Every step is told to `report` as it begins.
pub fn measure(job: &Job, folder: &Path, report: &dyn Fn(&Step)) -> Result<Measured, Stopped> {
    let beside = if job.experiment.device == devices::CPU { 1 } else { 2 };
    let steps = u64::from(job.experiment.measure.warmup + job.experiment.measure.samples) + 5 + beside;
    let progress = Progress { report, done: 0, of: steps };
    let visitor = Measuring { job, folder, progress };
    suites::with_suite(&job.experiment.suite, visitor)
        .unwrap_or_else(|| Err(failed(format!("unknown suite `{}`", job.experiment.suite))))
}

struct Progress<'a> {
    report: &'a dyn Fn(&Step),
    done: u64,
    of: u64,
}

impl Progress<'_> {
    fn now(&mut self, doing: &str) {
        tracing::info!("{doing}");
        (self.report)(&Step { doing: doing.to_owned(), done: self.done, of: self.of });
        self.done += 1;
    }
}

struct Measuring<'a> {
    job: &'a Job,
    folder: &'a Path,
    progress: Progress<'a>,
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

//! The prover.

use std::time::Duration;

use cpu_time::ProcessTime;
use serde::{Deserialize, Serialize};
use zkml_commitment::{CommittedSuite, OpeningClaim};
use zkml_core::transcript::ScopeBytes;
use zkml_core::{Claim, ProveError, ProverTranscript, RelationId, Residence, TensorId, View, Witness};
use zkml_device::Device;
use zkml_device::count::{self, Operations};

use crate::keys::ProvingKey;
use crate::plan::Plan;
use crate::walk::{Side, walk};
use crate::{proof_header, public_bytes};

/// Wall and CPU time, and field operations, of one step.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Timing {
    /// `commit`, `lookups`, `einsums` or `opening`.
    pub phase: String,
    /// Scope of the step.
    pub scope: String,
    /// Wall time in seconds.
    pub wall: f64,
    /// CPU time of the process, all threads, in seconds.
    pub cpu: f64,
    /// Field operations (zero outside the counting build).
    pub operations: Operations,
}

/// A proof and what making it took.
#[derive(Clone, Debug)]
pub struct Proof {
    /// The proof file.
    pub bytes: Vec<u8>,
    /// Bytes by scope; they add up to the file less its 40-byte header.
    pub breakdown: Vec<ScopeBytes>,
    /// Every step in order.
    pub timings: Vec<Timing>,
    /// Cells behind the per-proof commitment.
    pub committed_cells: usize,
    /// Why the host made the whole proof although another device was asked to, if so.
    pub fallback: Option<String>,
}

/// Proves the key's statement for a witness that holds the values of every tensor of its program.
///
/// If the device fails on the way, the host starts over: the bytes are the same.
pub fn prove<S: CommittedSuite>(key: &ProvingKey<S>, witness: &Witness, device: &Device) -> Result<Proof, ProveError> {
    match prove_on(key, witness, device) {
        Err(ProveError::Device(error)) => {
            tracing::warn!(device = device.name(), "the host makes the proof: {error}");
            let proof = prove_on(key, witness, &Device::cpu())?;
            Ok(Proof { fallback: Some(error.to_string()), ..proof })
        }
        other => other,
    }
}

/// [`prove`] without a second try.
fn prove_on<S: CommittedSuite>(key: &ProvingKey<S>, witness: &Witness, device: &Device) -> Result<Proof, ProveError> {
    let plan = key.plan();
    let public = public_bytes(&plan.statement().program, witness).map_err(|e| witness_error(e.to_string()))?;
    let mut transcript = ProverTranscript::<S>::new();
    transcript.absorb("verifying key", blake3::hash(key.verifying_bytes()).as_bytes());
    transcript.absorb("public values", blake3::hash(&public).as_bytes());
    let mut side = ProverSide {
        plan,
        key,
        witness: witness.clone(),
        data: None,
        device,
        transcript,
        timings: Vec::new(),
        clock: None,
    };
    let committed_cells = side.commit()?;
    walk(plan, &mut side)?;
    let (messages, breakdown) = side.transcript.finish();
    let mut bytes = proof_header(key.verifying_bytes(), &public);
    bytes.extend(messages);
    Ok(Proof { bytes, breakdown, timings: side.timings, committed_cells, fallback: None })
}

fn witness_error(what: String) -> ProveError {
    ProveError::Witness { scope: "witness".to_owned(), what }
}

/// A running measurement.
struct Clock {
    phase: &'static str,
    label: String,
    wall: std::time::Instant,
    cpu: ProcessTime,
    operations: Operations,
}

struct ProverSide<'a, S: CommittedSuite> {
    plan: &'a Plan<S>,
    key: &'a ProvingKey<S>,
    witness: Witness,
    data: Option<S::ProverData>,
    device: &'a Device,
    transcript: ProverTranscript<S>,
    timings: Vec<Timing>,
    clock: Option<Clock>,
}

impl<S: CommittedSuite> ProverSide<'_, S> {
    /// Fills in the advice and commits to everything that is committed per proof. Returns the number of cells.
    fn commit(&mut self) -> Result<usize, ProveError> {
        let committed = self.plan.committed();
        if committed.is_empty() {
            return Ok(0);
        }
        self.enter("commit", "commitment");
        self.advise()?;
        let columns: Vec<_> =
            committed.iter().map(|&t| self.witness.require(self.plan.program(), t)).collect::<Result<_, _>>()?;
        let (bytes, data) = S::commit(&self.plan.shapes(&committed), &columns, self.device)?;
        self.transcript.write_bytes(&bytes);
        self.data = Some(data);
        self.leave();
        Ok(columns.iter().map(|c| c.len()).sum())
    }

    fn advise(&mut self) -> Result<(), ProveError> {
        for i in 0..self.plan.program().relations().len() {
            let id = RelationId(i);
            let (Some(protocol), Some(instance)) = (self.plan.protocol(id), self.plan.instance(id)) else { continue };
            let columns = protocol.advice(&instance, &self.witness)?;
            for (&tensor, column) in instance.advice.iter().zip(columns) {
                self.witness.set(tensor, column);
            }
        }
        Ok(())
    }

    fn missing(&self) -> ProveError {
        ProveError::Witness { scope: self.transcript.scope(), what: "the plan names no such relation".to_owned() }
    }

    fn evaluate(&self, tensor: TensorId, point: &[S::Challenge]) -> Result<S::Challenge, ProveError> {
        let column = self.witness.require(self.plan.program(), tensor)?;
        Ok(zkml_sumcheck::vector::evaluate_column::<S>(&column, &self.plan.shape(tensor), point, self.device)?)
    }
}

impl<S: CommittedSuite> Side<S> for ProverSide<'_, S> {
    type Error = ProveError;

    fn known(&self, tensor: TensorId, point: &[S::Challenge]) -> Result<Option<S::Challenge>, ProveError> {
        let Some(spec) = self.plan.program().get(tensor) else { return Ok(None) };
        let known = match spec.residence {
            Residence::Public => true,
            Residence::Fixed => self.plan.fixed_in_clear(),
            Residence::Committed | Residence::Virtual => false,
        };
        known.then(|| self.evaluate(tensor, point)).transpose()
    }

    fn exchange(&mut self, tensor: TensorId, point: &[S::Challenge]) -> Result<S::Challenge, ProveError> {
        let value = self.evaluate(tensor, point)?;
        self.transcript.write(&[value]);
        Ok(value)
    }

    fn reduce(
        &mut self,
        id: RelationId,
        claim: Option<&Claim<S::Challenge>>,
    ) -> Result<Vec<Claim<S::Challenge>>, ProveError> {
        let protocol = self.plan.protocol(id).ok_or_else(|| self.missing())?;
        let instance = self.plan.instance(id).ok_or_else(|| self.missing())?;
        protocol.prove(&instance, &self.witness, claim, &mut self.transcript, self.device)
    }

    fn view(&mut self, view: &View, claim: &Claim<S::Challenge>) -> Result<Claim<S::Challenge>, ProveError> {
        let column = self.witness.require(self.plan.program(), view.input)?;
        let (output, input) = (self.plan.shape(view.output), self.plan.shape(view.input));
        zkml_sumcheck::view::prove(view, &output, &input, &column, claim, &mut self.transcript, self.device)
    }

    fn merge(&mut self, tensor: TensorId, claims: &[Claim<S::Challenge>]) -> Result<Claim<S::Challenge>, ProveError> {
        let column = self.witness.require(self.plan.program(), tensor)?;
        let shape = self.plan.shape(tensor);
        zkml_sumcheck::merge::prove_merge(tensor, &column, &shape, claims, &mut self.transcript, self.device)
    }

    fn open_committed(&mut self, claims: &[OpeningClaim<S::Challenge>]) -> Result<(), ProveError> {
        let data = self.data.as_ref().ok_or_else(|| witness_error("nothing is committed".to_owned()))?;
        S::open(data, claims, &mut self.transcript, self.device)
    }

    fn open_fixed(&mut self, claims: &[OpeningClaim<S::Challenge>]) -> Result<(), ProveError> {
        let data = self.key.fixed_data.as_ref().ok_or_else(|| witness_error("the key has no commitment".to_owned()))?;
        S::open(data, claims, &mut self.transcript, self.device)
    }

    /// The prover checks the same equations: a witness that does not satisfy the program is found here.
    fn check(&self, holds: bool, what: &'static str) -> Result<(), ProveError> {
        if holds {
            return Ok(());
        }
        Err(ProveError::Unsatisfied { scope: self.transcript.scope(), what: format!("{what} does not hold") })
    }

    fn challenges(&mut self, count: usize) -> Vec<S::Challenge> {
        self.transcript.challenges(count)
    }

    fn enter(&mut self, phase: &'static str, label: &str) {
        self.transcript.enter(label);
        tracing::debug!(phase, label, "step");
        self.clock = Some(Clock {
            phase,
            label: label.to_owned(),
            wall: std::time::Instant::now(),
            cpu: ProcessTime::now(),
            operations: count::snapshot(),
        });
    }

    fn leave(&mut self) {
        self.transcript.leave();
        if let Some(clock) = self.clock.take() {
            self.timings.push(Timing {
                phase: clock.phase.to_owned(),
                scope: clock.label,
                wall: seconds(clock.wall.elapsed()),
                cpu: seconds(clock.cpu.elapsed()),
                operations: count::snapshot().since(clock.operations),
            });
        }
    }
}

fn seconds(duration: Duration) -> f64 {
    duration.as_secs_f64()
}

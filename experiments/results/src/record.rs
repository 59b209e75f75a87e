//! What is recorded of a cell: one line of `results.jsonl`.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use zkml_core::{Cost, ErrorTerm};
use zkml_device::count::Operations;
use zkml_device::{Activity, DeviceInfo};

use crate::clock::Time;
use crate::stats::Summary;

/// How a cell ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// Proven, verified from bytes, every tampered copy rejected.
    Ok,
    /// A proof was made, but it was rejected, or a tampered copy was not: its numbers mean nothing and are dropped.
    Invalid,
    /// No proof was made: an error, a crash, or a time-out.
    #[default]
    Failed,
}

impl Status {
    /// The word in tables.
    pub fn word(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Invalid => "INVALID",
            Self::Failed => "FAILED",
        }
    }
}

/// One cell's result.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct CellRecord {
    /// First digits of the identity: the name of the cell's folder.
    pub cell: String,
    /// Digest of cell, executable and data.
    pub identity: String,
    /// Experiment name.
    pub experiment: String,
    /// The matrix axes' values.
    pub point: Vec<(String, String)>,
    /// How it ended.
    pub status: Status,
    /// Why it is not ok.
    pub reason: Option<String>,
    /// True if the proof is below the security that was asked for.
    pub weak: bool,
    /// Start, UTC.
    pub started: String,
    /// Wall seconds of the whole cell, set-up and checks included.
    pub seconds: f64,
    /// Digest of the environment it ran in.
    pub environment: String,
    /// The cell's experiment, resolved.
    pub spec: Value,
    /// What was measured; absent unless the cell is ok.
    pub measured: Option<Measured>,
    /// The headline numbers by name (see `workbench list metrics`); empty unless the cell is ok.
    pub metrics: BTreeMap<String, f64>,
    /// Limits that were missed.
    pub violations: Vec<Violation>,
}

/// A limit that a result missed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Violation {
    /// The metric.
    pub metric: String,
    /// Its value, if it was measured.
    pub value: Option<f64>,
    /// What was asked for.
    pub limits: Limits,
}

/// Limits on one result, both inclusive.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Limits {
    /// The smallest acceptable value.
    #[serde(default)]
    pub min: Option<f64>,
    /// The largest acceptable value.
    #[serde(default)]
    pub max: Option<f64>,
}

/// All measurements of a cell.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Measured {
    /// Reading and quantising data, lowering to relations, planning.
    pub import: Time,
    /// Making the keys.
    pub keys: Time,
    /// Plain integer inference, per sample.
    pub inference: Vec<Time>,
    /// Every measured proof.
    pub proofs: Vec<ProofTimes>,
    /// Medians over the proofs, by phase; `prove` is the whole.
    pub phases: BTreeMap<String, PhaseSummary>,
    /// Medians over the proofs, by step.
    pub steps: Vec<StepSummary>,
    /// Size of the proof file.
    pub proof_bytes: usize,
    /// Proof bytes by scope.
    pub proof_scopes: Vec<(String, usize)>,
    /// Size of the verifying key.
    pub verifying_key_bytes: usize,
    /// Size of the file of public values.
    pub public_bytes: usize,
    /// Cells behind the per-proof commitment.
    pub committed_cells: usize,
    /// Soundness.
    pub soundness: Soundness,
    /// Relations with their protocols and predictions.
    pub relations: Vec<RelationRecord>,
    /// Operations counted over one proof; absent outside the counting build.
    pub counted: Option<Operations>,
    /// The same by layer.
    #[serde(default)]
    pub layers: Vec<LayerRecord>,
    /// Deviation from the float model.
    pub accuracy: Accuracy,
    /// The same for every layer's output, in steps of its own quantisation.
    #[serde(default)]
    pub layer_accuracy: Vec<LayerAccuracy>,
    /// The labels of the proven inputs, if the experiment evaluates labels.
    #[serde(default)]
    pub predictions: Vec<Prediction>,
    /// The network on held-out inputs, if the experiment has some.
    #[serde(default)]
    pub evaluation: Option<Evaluation>,
    /// The device beside the host, if there is one.
    #[serde(default)]
    pub device: Option<DeviceRecord>,
    /// The machine while the measured proofs were made.
    #[serde(default)]
    pub machine: Option<Machine>,
    /// Largest resident memory of the proving process, in bytes.
    pub peak_memory_bytes: Option<u64>,
    /// Verifications of the proof, each in a fresh process.
    pub verifications: Vec<Verification>,
    /// Tampered copies and why they were rejected.
    pub tampered: Vec<Tampering>,
}

/// The machine while the measured proofs were made: what else ran, how fast it went, what it used.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Machine {
    /// Wall seconds from before the first measured proof to after the last one.
    pub seconds: f64,
    /// Processors.
    pub cores: usize,
    /// Cells that ran side by side on it, if more than this one did.
    #[serde(default)]
    pub jobs: Option<usize>,
    /// CPU seconds of this process.
    pub own_cpu: f64,
    /// CPU seconds of all other processes, if the system tells.
    pub other_cpu: Option<f64>,
    /// Seconds for which a virtual machine waited for a processor, summed over its processors, if the system tells.
    pub stolen: Option<f64>,
    /// Frequency in MHz before and after, mean over the processors, if the system tells.
    pub mhz: Option<[f64; 2]>,
    /// Energy in joules, if something measures it.
    pub joules: Option<f64>,
    /// What measured the energy, and of what.
    pub energy_source: Option<String>,
}

/// A device beside the host, and what it did for the last proof.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DeviceRecord {
    /// What it is.
    pub info: DeviceInfo,
    /// Opening it, self-test included: once per process, not part of a proof's time.
    pub opened: Time,
    /// What it did.
    pub activity: Activity,
    /// Reasons for which steps were left to the host.
    pub left_to_the_host: Vec<String>,
    /// Why the host made a whole proof, the first that it made, if there is one.
    pub fallback: Option<String>,
    /// Forward pass and proof on the host alone, made once to compare the bytes.
    pub host: Time,
}

/// Times of one proof.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ProofTimes {
    /// From the input to the proof.
    pub total: Time,
    /// By phase: `forward`, `commit`, `lookups`, `einsums`, `opening`, and `other` for the rest.
    pub phases: BTreeMap<String, Time>,
}

/// A phase over all samples.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct PhaseSummary {
    /// Wall seconds.
    pub wall: Summary,
    /// CPU seconds.
    pub cpu: Summary,
}

impl PhaseSummary {
    /// The summary of samples.
    pub fn of(times: &[Time]) -> Self {
        let column = |get: fn(&Time) -> f64| times.iter().map(get).collect::<Vec<_>>();
        Self { wall: Summary::of(&column(|t| t.wall)), cpu: Summary::of(&column(|t| t.cpu)) }
    }
}

/// A step of the proof over all samples.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StepSummary {
    /// `commit`, `lookups`, `einsums` or `opening`.
    pub phase: String,
    /// Scope of the relation.
    pub scope: String,
    /// Times.
    pub times: PhaseSummary,
    /// Field operations of one proof (zero outside the counting build).
    pub operations: Operations,
}

/// Soundness of the proof.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Soundness {
    /// Proven bits; infinite (`null` in the file) for a proof that cannot err.
    #[serde(with = "infinite_as_null")]
    pub bits: f64,
    /// Bits asked for.
    pub wanted: u32,
    /// The bound that the commitment's terms rest on.
    pub regime: String,
    /// Every error term.
    pub terms: Vec<ErrorTerm>,
}

/// A relation, the protocol that proves it, and what that is predicted to cost.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RelationRecord {
    /// Scope.
    pub scope: String,
    /// `einsum`, `lookup` or `affine`.
    pub kind: String,
    /// Protocol with its options.
    pub protocol: String,
    /// Index string, or table and rows.
    pub detail: String,
    /// Predicted cost.
    pub cost: Cost,
    /// Predicted proof bytes.
    #[serde(default)]
    pub proof_bytes: usize,
}

/// One layer of a plan.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct LayerRecord {
    /// The layer's name.
    pub name: String,
    /// Its kernel.
    pub kernel: String,
    /// Names of the layers it reads, or `input`.
    pub inputs: Vec<String>,
    /// Shape of its output.
    pub shape: Vec<usize>,
    /// Cells that it commits to per proof, without advice of its protocols.
    pub committed_cells: usize,
    /// Cells of its weights.
    pub fixed_cells: usize,
    /// Bits of its range-checked limbs.
    pub limb_bits: u32,
    /// Parameters that were chosen for it, e.g. the shift of a requantisation.
    pub parameters: BTreeMap<String, String>,
    /// Its relations by kind and protocol.
    pub slots: Vec<SlotRecord>,
}

/// The relations of one kind in a layer.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct SlotRecord {
    /// `einsum`, `lookup`, `view` or `affine`.
    pub slot: String,
    /// Protocol with its options.
    pub protocol: String,
    /// Number of relations.
    pub relations: usize,
    /// Sum of their predicted costs.
    pub cost: Cost,
    /// Predicted proof bytes.
    pub proof_bytes: usize,
    /// Further layers whose lookups are proven in these relations.
    pub shared_with: Vec<String>,
}

/// The layers that a scope belongs to: one, or several for lookups that were merged.
pub fn owners(scope: &str) -> Vec<&str> {
    let mut names: Vec<&str> = Vec::new();
    for name in scope.split('+').filter_map(|part| part.split(['/', ':']).next()) {
        if !names.contains(&name) {
            names.push(name);
        }
    }
    names
}

/// Deviation from the float model, in steps of the output's quantisation.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Accuracy {
    /// Largest.
    pub max_steps: f64,
    /// Mean.
    pub mean_steps: f64,
    /// Euclidean norm of the error over that of the float output.
    pub relative: f64,
    /// Outputs at either end of the output range, where clamping may have cut something off.
    pub saturated: usize,
}

/// A layer's deviation from the float network, which accumulates from layer to layer.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct LayerAccuracy {
    /// The layer.
    pub layer: String,
    /// Largest, in steps of the layer's quantisation.
    pub max_steps: f64,
}

/// A label with its softmax probability, of the quantised and of the float network.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Prediction {
    /// Position of the largest output.
    pub label: usize,
    /// Its softmax over the dequantised outputs.
    pub confidence: f64,
    /// Position of the float network's largest output.
    pub float_label: usize,
    /// Its softmax.
    pub float_confidence: f64,
}

/// A network on held-out inputs.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Evaluation {
    /// Number of inputs.
    pub rows: usize,
    /// Inputs on which the quantised and the float network give the same label.
    pub agreeing: usize,
    /// Inputs on which the quantised network gives the right label, if labels are known.
    pub correct: Option<usize>,
    /// The same for the float network.
    pub float_correct: Option<usize>,
    /// The largest deviation of every layer.
    pub layers: Vec<LayerAccuracy>,
}

/// One verification in a fresh process.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Verification {
    /// Inside the process: from the three byte strings to the verdict.
    pub inside: Time,
    /// The process as a whole, start and reading included, in wall seconds.
    pub process: f64,
    /// Largest resident memory of the process, in bytes.
    pub peak_memory_bytes: Option<u64>,
}

/// A copy of the proof with one byte changed.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Tampering {
    /// Position of the byte.
    pub offset: usize,
    /// What it was combined with by exclusive or.
    pub mask: u8,
    /// The verifier's reason to reject it.
    pub reason: String,
}

/// JSON has no infinity.
mod infinite_as_null {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it with a reference")]
    pub(super) fn serialize<S: Serializer>(value: &f64, serializer: S) -> Result<S::Ok, S::Error> {
        value.is_finite().then_some(*value).serialize(serializer)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<f64, D::Error> {
        Ok(Option::deserialize(deserializer)?.unwrap_or(f64::INFINITY))
    }
}

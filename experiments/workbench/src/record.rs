//! What is recorded of a cell: one line of `results.jsonl`.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use zkml_core::{Cost, ErrorTerm};
use zkml_device::count::Operations;
use zkml_device::{Activity, DeviceInfo};

use crate::clock::Time;
use crate::layers::LayerRecord;
use crate::spec::{Experiment, Limits};
use crate::stats::Summary;

/// How a cell ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Status {
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
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Invalid => "INVALID",
            Self::Failed => "FAILED",
        }
    }
}

/// One cell's result.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct CellRecord {
    /// First digits of the identity: the name of the cell's folder.
    pub(crate) cell: String,
    /// Digest of cell, executable and data.
    pub(crate) identity: String,
    /// Experiment name.
    pub(crate) experiment: String,
    /// The matrix axes' values.
    pub(crate) point: Vec<(String, String)>,
    /// How it ended.
    pub(crate) status: Status,
    /// Why it is not ok.
    pub(crate) reason: Option<String>,
    /// True if the proof is below the security that was asked for.
    pub(crate) weak: bool,
    /// Start, UTC.
    pub(crate) started: String,
    /// Wall seconds of the whole cell, set-up and checks included.
    pub(crate) seconds: f64,
    /// Digest of the environment it ran in.
    pub(crate) environment: String,
    /// The cell's experiment, resolved.
    pub(crate) spec: Option<Experiment>,
    /// What was measured; absent unless the cell is ok.
    pub(crate) measured: Option<Measured>,
    /// The headline numbers by name (see `workbench list metrics`); empty unless the cell is ok.
    pub(crate) metrics: BTreeMap<String, f64>,
    /// Limits that were missed.
    pub(crate) violations: Vec<Violation>,
}

/// A limit that a result missed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Violation {
    /// The metric.
    pub(crate) metric: String,
    /// Its value, if it was measured.
    pub(crate) value: Option<f64>,
    /// What was asked for.
    pub(crate) limits: Limits,
}

/// All measurements of a cell.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Measured {
    /// Reading and quantising data, lowering to relations, planning.
    pub(crate) import: Time,
    /// Making the keys.
    pub(crate) keys: Time,
    /// Plain integer inference, per sample.
    pub(crate) inference: Vec<Time>,
    /// Every measured proof.
    pub(crate) proofs: Vec<ProofTimes>,
    /// Medians over the proofs, by phase; `prove` is the whole.
    pub(crate) phases: BTreeMap<String, PhaseSummary>,
    /// Medians over the proofs, by step.
    pub(crate) steps: Vec<StepSummary>,
    /// Size of the proof file.
    pub(crate) proof_bytes: usize,
    /// Proof bytes by scope.
    pub(crate) proof_scopes: Vec<(String, usize)>,
    /// Size of the verifying key.
    pub(crate) verifying_key_bytes: usize,
    /// Size of the file of public values.
    pub(crate) public_bytes: usize,
    /// Cells behind the per-proof commitment.
    pub(crate) committed_cells: usize,
    /// Soundness.
    pub(crate) soundness: Soundness,
    /// Relations with their protocols and predictions.
    pub(crate) relations: Vec<RelationRecord>,
    /// Operations counted over one proof; absent outside the counting build.
    pub(crate) counted: Option<Operations>,
    /// The same by layer.
    #[serde(default)]
    pub(crate) layers: Vec<LayerRecord>,
    /// Deviation from the float model.
    pub(crate) accuracy: Accuracy,
    /// The same for every layer's output, in steps of its own quantisation.
    #[serde(default)]
    pub(crate) layer_accuracy: Vec<LayerAccuracy>,
    /// The labels of the proven inputs, if the experiment evaluates labels.
    #[serde(default)]
    pub(crate) predictions: Vec<Prediction>,
    /// The network on held-out inputs, if the experiment has some.
    #[serde(default)]
    pub(crate) evaluation: Option<Evaluation>,
    /// The device beside the host, if there is one.
    #[serde(default)]
    pub(crate) device: Option<DeviceRecord>,
    /// Largest resident memory of the proving process, in bytes.
    pub(crate) peak_memory_bytes: Option<u64>,
    /// Verifications of the proof, each in a fresh process.
    pub(crate) verifications: Vec<Verification>,
    /// Tampered copies and why they were rejected.
    pub(crate) tampered: Vec<Tampering>,
}

/// A device beside the host, and what it did for the last proof.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct DeviceRecord {
    /// What it is.
    pub(crate) info: DeviceInfo,
    /// Opening it, self-test included: once per process, not part of a proof's time.
    pub(crate) opened: Time,
    /// What it did.
    pub(crate) activity: Activity,
    /// Reasons for which steps were left to the host.
    pub(crate) left_to_the_host: Vec<String>,
    /// Why the host made a whole proof, the first that it made, if there is one.
    pub(crate) fallback: Option<String>,
    /// Forward pass and proof on the host alone, made once to compare the bytes.
    pub(crate) host: Time,
}

/// Times of one proof.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct ProofTimes {
    /// From the input to the proof.
    pub(crate) total: Time,
    /// By phase: `forward`, `commit`, `lookups`, `einsums`, `opening`, and `other` for the rest.
    pub(crate) phases: BTreeMap<String, Time>,
}

/// A phase over all samples.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct PhaseSummary {
    /// Wall seconds.
    pub(crate) wall: Summary,
    /// CPU seconds.
    pub(crate) cpu: Summary,
}

impl PhaseSummary {
    /// The summary of samples.
    pub(crate) fn of(times: &[Time]) -> Self {
        let column = |get: fn(&Time) -> f64| times.iter().map(get).collect::<Vec<_>>();
        Self { wall: Summary::of(&column(|t| t.wall)), cpu: Summary::of(&column(|t| t.cpu)) }
    }
}

/// A step of the proof over all samples.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct StepSummary {
    /// `commit`, `lookups`, `einsums` or `opening`.
    pub(crate) phase: String,
    /// Scope of the relation.
    pub(crate) scope: String,
    /// Times.
    pub(crate) times: PhaseSummary,
    /// Field operations of one proof (zero outside the counting build).
    pub(crate) operations: Operations,
}

/// Soundness of the proof.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Soundness {
    /// Proven bits; infinite (`null` in the file) for a proof that cannot err.
    #[serde(with = "infinite_as_null")]
    pub(crate) bits: f64,
    /// Bits asked for.
    pub(crate) wanted: u32,
    /// The bound that the commitment's terms rest on.
    pub(crate) regime: String,
    /// Every error term.
    pub(crate) terms: Vec<ErrorTerm>,
}

/// A relation, the protocol that proves it, and what that is predicted to cost.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct RelationRecord {
    /// Scope.
    pub(crate) scope: String,
    /// `einsum`, `lookup` or `affine`.
    pub(crate) kind: String,
    /// Protocol with its options.
    pub(crate) protocol: String,
    /// Index string, or table and rows.
    pub(crate) detail: String,
    /// Predicted cost.
    pub(crate) cost: Cost,
    /// Predicted proof bytes.
    #[serde(default)]
    pub(crate) proof_bytes: usize,
}

/// Deviation from the float model, in steps of the output's quantisation.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Accuracy {
    /// Largest.
    pub(crate) max_steps: f64,
    /// Mean.
    pub(crate) mean_steps: f64,
    /// Euclidean norm of the error over that of the float output.
    pub(crate) relative: f64,
    /// Outputs at either end of the output range, where clamping may have cut something off.
    pub(crate) saturated: usize,
}

/// A layer's deviation from the float network, which accumulates from layer to layer.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct LayerAccuracy {
    /// The layer.
    pub(crate) layer: String,
    /// Largest, in steps of the layer's quantisation.
    pub(crate) max_steps: f64,
}

/// A label with its softmax probability, of the quantised and of the float network.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Prediction {
    /// Position of the largest output.
    pub(crate) label: usize,
    /// Its softmax over the dequantised outputs.
    pub(crate) confidence: f64,
    /// Position of the float network's largest output.
    pub(crate) float_label: usize,
    /// Its softmax.
    pub(crate) float_confidence: f64,
}

/// A network on held-out inputs.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Evaluation {
    /// Number of inputs.
    pub(crate) rows: usize,
    /// Inputs on which the quantised and the float network give the same label.
    pub(crate) agreeing: usize,
    /// Inputs on which the quantised network gives the right label, if labels are known.
    pub(crate) correct: Option<usize>,
    /// The same for the float network.
    pub(crate) float_correct: Option<usize>,
    /// The largest deviation of every layer.
    pub(crate) layers: Vec<LayerAccuracy>,
}

/// One verification in a fresh process.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Verification {
    /// Inside the process: from the three byte strings to the verdict.
    pub(crate) inside: Time,
    /// The process as a whole, start and reading included, in wall seconds.
    pub(crate) process: f64,
    /// Largest resident memory of the process, in bytes.
    pub(crate) peak_memory_bytes: Option<u64>,
}

/// A copy of the proof with one byte changed.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Tampering {
    /// Position of the byte.
    pub(crate) offset: usize,
    /// What it was combined with by exclusive or.
    pub(crate) mask: u8,
    /// The verifier's reason to reject it.
    pub(crate) reason: String,
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

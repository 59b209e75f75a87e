//! The typed form of an experiment file. Its doc comments are the hints that editors show.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::choice::{self, Choice};

/// An experiment: a network, the protocols that prove it, and what to measure.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(title = "zkML workbench experiment")]
pub(crate) struct Experiment {
    /// Version of this format.
    #[schemars(schema_with = "choice::version_schema")]
    pub(crate) schema: u32,
    /// What the experiment shows, in a sentence.
    #[serde(default)]
    pub(crate) about: String,
    /// Field, challenge field, hash and commitment.
    #[serde(default = "default_suite")]
    #[schemars(schema_with = "choice::suite_schema")]
    pub(crate) suite: String,
    /// The hardware to prove on.
    #[serde(default = "default_device")]
    #[schemars(schema_with = "choice::device_schema")]
    pub(crate) device: String,
    /// A proof below this many proven bits is refused; by default what the suite aims at.
    #[serde(default)]
    #[schemars(range(min = 1, max = 256))]
    pub(crate) security_bits: Option<u32>,
    /// Measure even below `security_bits`; every number of the run is then marked as weak.
    #[serde(default)]
    pub(crate) allow_weak: bool,
    /// The activations that enter the first layer.
    pub(crate) input: Input,
    /// The layers, first to last.
    #[schemars(length(min = 1))]
    pub(crate) model: Vec<Layer>,
    /// The protocol of every layer that names none.
    #[serde(default)]
    #[schemars(schema_with = "choice::protocol_schema")]
    pub(crate) protocol: Option<Choice>,
    /// Prove lookups of several layers together if they share table and protocol.
    #[serde(default = "yes")]
    pub(crate) merge_lookups: bool,
    /// Dotted key path to a list of values: every combination is one cell.
    #[serde(default)]
    pub(crate) matrix: BTreeMap<String, Vec<Value>>,
    /// How often to measure.
    #[serde(default)]
    pub(crate) measure: Measure,
    /// Limits on results: an experiment that misses one fails with exit code 3.
    #[serde(default)]
    #[schemars(schema_with = "choice::checks_schema")]
    pub(crate) checks: BTreeMap<String, Limits>,
}

/// The activations that enter the first layer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Input {
    /// A `.safetensors` or `.npy` file, relative to the experiment file.
    pub(crate) file: String,
    /// The tensor in a `.safetensors` file.
    #[serde(default)]
    pub(crate) tensor: Option<String>,
    /// Bits of the quantised activations, sign included.
    #[serde(default = "default_bits")]
    #[schemars(range(min = 2, max = 16))]
    pub(crate) bits: u32,
    /// Take only the first rows.
    #[serde(default)]
    #[schemars(range(min = 1))]
    pub(crate) rows: Option<usize>,
}

/// One layer: exactly one kernel, and optionally a protocol and a name.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(title = "kernel or key")]
pub(crate) struct Layer {
    /// Root-mean-square normalisation: `gain * x / sqrt(mean(x^2) + eps)`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) rmsnorm: Option<RmsNorm>,
    /// Dense layer: `activation(x * weight^T + bias)`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) dense: Option<Dense>,
    /// The protocol that proves this layer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "choice::protocol_schema")]
    pub(crate) protocol: Option<Choice>,
    /// The layer's name in reports; by default the kernel's name, numbered if it occurs twice.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = r"^[A-Za-z0-9_-]+$"))]
    pub(crate) name: Option<String>,
}

/// Root-mean-square normalisation: `gain * x / sqrt(mean(x^2) + eps)`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RmsNorm {
    /// The gain, one value per column: a tensor of the input's file, or a `.npy` file.
    pub(crate) gain: String,
    /// Added to the mean square.
    #[serde(default = "default_eps")]
    #[schemars(extend("exclusiveMinimum" = 0))]
    pub(crate) eps: f64,
    /// Bits of the quantised output, sign included.
    #[serde(default = "default_bits")]
    #[schemars(range(min = 2, max = 16))]
    pub(crate) bits: u32,
    /// Remainders are range checked in limbs of this many bits.
    #[serde(default)]
    #[schemars(range(min = 1, max = 20))]
    pub(crate) limb_bits: Option<u32>,
}

/// Dense layer: `activation(x * weight^T + bias)`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Dense {
    /// The weight, one row per output: a tensor `[outputs, inputs]` of the input's file, or a `.npy` file.
    pub(crate) weight: String,
    /// The bias, one value per output: a tensor of the input's file, or a `.npy` file. Without it, none is added.
    #[serde(default)]
    pub(crate) bias: Option<String>,
    /// What follows the sums; `relu` costs nothing, it is part of the requantisation's table.
    #[serde(default)]
    pub(crate) activation: Activation,
    /// Bits of the quantised weight and output, sign included.
    #[serde(default = "default_bits")]
    #[schemars(range(min = 2, max = 16))]
    pub(crate) bits: u32,
    /// Remainders are range checked in limbs of this many bits.
    #[serde(default)]
    #[schemars(range(min = 1, max = 20))]
    pub(crate) limb_bits: Option<u32>,
}

/// What follows the sums of a dense layer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(title = "activation")]
pub(crate) enum Activation {
    #[default]
    None,
    Relu,
}

/// How often to measure.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Measure {
    /// Proofs made before the first measured one.
    #[serde(default = "default_warmup")]
    pub(crate) warmup: u32,
    /// Measured proofs per cell.
    #[serde(default = "default_samples")]
    #[schemars(range(min = 1, max = 10_000))]
    pub(crate) samples: u32,
    /// A cell that takes longer than this many seconds is stopped and recorded as failed.
    #[serde(default = "default_timeout")]
    #[schemars(range(min = 1))]
    pub(crate) timeout_s: u64,
}

impl Default for Measure {
    fn default() -> Self {
        Self { warmup: default_warmup(), samples: default_samples(), timeout_s: default_timeout() }
    }
}

/// Limits on one result, both inclusive.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Limits {
    /// The smallest acceptable value.
    #[serde(default)]
    pub(crate) min: Option<f64>,
    /// The largest acceptable value.
    #[serde(default)]
    pub(crate) max: Option<f64>,
}

fn default_suite() -> String {
    "goldilocks".to_owned()
}
fn default_device() -> String {
    "cpu".to_owned()
}
fn yes() -> bool {
    true
}
fn default_eps() -> f64 {
    1e-5
}
fn default_bits() -> u32 {
    8
}
fn default_warmup() -> u32 {
    1
}
fn default_samples() -> u32 {
    10
}
fn default_timeout() -> u64 {
    600
}

//! The typed form of an experiment file. Its doc comments are the hints that editors show.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use zkml_results::record::Limits;

use super::choice::{self, Choice};
use super::matrix;
use crate::kernels::{Layer, default_bits};

/// An experiment: a network, the protocols that prove it, and what to measure.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(title = "zkML workbench experiment")]
pub struct Experiment {
    /// Version of this format.
    #[schemars(schema_with = "choice::version_schema")]
    pub schema: u32,
    /// What the experiment shows, in a sentence.
    #[serde(default)]
    pub about: String,
    /// Field, challenge field, hash and commitment.
    #[serde(default = "default_suite")]
    #[schemars(schema_with = "choice::suite_schema")]
    pub suite: String,
    /// The hardware to prove on.
    #[serde(default = "default_device")]
    #[schemars(schema_with = "choice::device_schema")]
    pub device: String,
    /// A proof below this many proven bits is refused; by default what the suite aims at.
    #[serde(default)]
    #[schemars(range(min = 1, max = 256))]
    pub security_bits: Option<u32>,
    /// Measure even below `security_bits`; every number of the run is then marked as weak.
    #[serde(default)]
    pub allow_weak: bool,
    /// The activations that enter the first layer.
    pub input: Input,
    /// Activations whose largest magnitudes, layer by layer, set the scales; by default the input itself.
    #[serde(default)]
    pub calibration: Option<Excerpt>,
    /// Compare the labels (the position of the largest output) of the quantised and the float network on held-out inputs.
    #[serde(default)]
    pub evaluate: Option<Evaluate>,
    /// The file of the weights, relative to the experiment file; by default the input's.
    #[serde(default)]
    pub weights: Option<String>,
    /// The layers. A layer reads the one before, or the earlier layers that it names.
    #[schemars(length(min = 1))]
    pub model: Vec<Layer>,
    /// The protocol of every layer that names none.
    #[serde(default)]
    #[schemars(schema_with = "choice::protocol_schema")]
    pub protocol: Option<Choice>,
    /// Prove lookups of several layers together if they share table and protocol.
    #[serde(default = "yes")]
    pub merge_lookups: bool,
    /// Dotted key path to values: every combination is one cell.
    #[serde(default)]
    #[schemars(schema_with = "matrix::matrix_schema")]
    pub matrix: BTreeMap<String, Vec<Value>>,
    /// What to do with combinations of the matrix that no protocol proves: refuse the experiment, or list them and run the
    /// others.
    #[serde(default)]
    pub unsupported: Unsupportable,
    /// How often to measure.
    #[serde(default)]
    pub measure: Measure,
    /// Limits on results: an experiment that misses one fails with exit code 3.
    #[serde(default)]
    #[schemars(schema_with = "choice::checks_schema")]
    pub checks: BTreeMap<String, Limits>,
}

/// The activations that enter the first layer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Input {
    /// A `.safetensors`, `.npy` or `.json` file (`{"input_data": [[...]]}`), relative to the experiment file; or generated
    /// normal numbers, as `normal:64x384:1`, by shape and seed.
    pub file: String,
    /// The tensor in a `.safetensors` file, or the key in a `.json` file (by default `input_data`).
    #[serde(default)]
    pub tensor: Option<String>,
    /// Bits of the quantised activations, sign included.
    #[serde(default = "default_bits")]
    #[schemars(range(min = 2, max = 16))]
    pub bits: u32,
    /// The network's input shape, batch first, e.g. `[1, 1, 28, 28]`: the file's values are read as rows of the other axes.
    /// By default the tensor's own shape.
    #[serde(default)]
    #[schemars(schema_with = "choice::shape_schema")]
    pub shape: Option<Vec<usize>>,
    /// Take this many rows; by default as many as `shape` says, or all.
    #[serde(default)]
    #[schemars(range(min = 1))]
    pub rows: Option<usize>,
    /// Leave out this many rows at the beginning.
    #[serde(default)]
    pub skip: Option<usize>,
    /// Take the row at this position, counted from 0.
    #[serde(default)]
    pub sample: Option<usize>,
    /// Commit to the input, and check its range, in place of publishing it. The verifier gets a commitment; nothing is hidden.
    #[serde(default)]
    pub committed: bool,
}

/// Rows of a tensor of a file.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Excerpt {
    /// A `.safetensors`, `.npy` or `.json` file, relative to the experiment file.
    pub file: String,
    /// The tensor in a `.safetensors` file, or the key in a `.json` file (by default `input_data`).
    #[serde(default)]
    pub tensor: Option<String>,
    /// Take only the first rows.
    #[serde(default)]
    #[schemars(range(min = 1))]
    pub rows: Option<usize>,
}

/// Held-out inputs, and the labels they should get.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Evaluate {
    /// A `.safetensors`, `.npy` or `.json` file, relative to the experiment file; by default the input's.
    #[serde(default)]
    pub file: Option<String>,
    /// The tensor in a `.safetensors` file, or the key in a `.json` file; in the input's file by default the input's.
    #[serde(default)]
    pub tensor: Option<String>,
    /// The right labels, one whole number per row: a tensor of the same file, or a `.npy` file.
    #[serde(default)]
    pub labels: Option<String>,
    /// Take only the first rows.
    #[serde(default)]
    #[schemars(range(min = 1))]
    pub rows: Option<usize>,
}

impl Evaluate {
    /// The held-out inputs.
    pub fn held_out(&self, input: &Input) -> Excerpt {
        let file = self.file.clone().unwrap_or_else(|| input.file.clone());
        let tensor = self.tensor.clone().or_else(|| input.tensor.clone().filter(|_| self.file.is_none()));
        Excerpt { file, tensor, rows: self.rows }
    }
}

/// What to do with combinations that no protocol proves.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(title = "answer")]
#[expect(missing_docs, reason = "the two words stand for themselves, and editors list plain words")]
pub enum Unsupportable {
    #[default]
    Error,
    List,
}

/// How often to measure.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Measure {
    /// Proofs made before the first measured one.
    #[serde(default = "default_warmup")]
    pub warmup: u32,
    /// Measured proofs per cell.
    #[serde(default = "default_samples")]
    #[schemars(range(min = 1, max = 10_000))]
    pub samples: u32,
    /// A cell that takes longer than this many seconds is stopped and recorded as failed.
    #[serde(default = "default_timeout")]
    #[schemars(range(min = 1))]
    pub timeout_s: u64,
}

impl Default for Measure {
    fn default() -> Self {
        Self { warmup: default_warmup(), samples: default_samples(), timeout_s: default_timeout() }
    }
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
fn default_warmup() -> u32 {
    1
}
fn default_samples() -> u32 {
    10
}
fn default_timeout() -> u64 {
    600
}

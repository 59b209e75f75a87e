//! Normalisations: `rmsnorm`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use zkml_layers::LayerSpec;

use super::{Entry, Site, default_bits, default_eps};
use crate::spec::Fault;

/// Root-mean-square normalisation over the last axis: `gain * x / sqrt(mean(x^2) + eps)`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RmsNorm {
    /// The gain, one value per column: a tensor of the weights' file, a `.npy` file, or `normal:LENGTHS:SEED`.
    gain: String,
    /// Added to the mean square.
    #[serde(default = "default_eps")]
    #[schemars(extend("exclusiveMinimum" = 0))]
    eps: f64,
    /// Bits of the quantised output, sign included.
    #[serde(default = "default_bits")]
    #[schemars(range(min = 2, max = 16))]
    bits: u32,
    /// Remainders are range checked in limbs of this many bits; by default the cheapest width.
    #[serde(default)]
    #[schemars(range(min = 1, max = 20))]
    limb_bits: Option<u32>,
}

impl Entry for RmsNorm {
    fn layer(&self, site: &mut Site<'_>) -> Result<LayerSpec, Fault> {
        Ok(LayerSpec::RmsNorm(zkml_layers::RmsNorm {
            name: site.name.clone(),
            gain: site.weights("gain", &self.gain)?.values,
            eps: self.eps,
            output_bits: self.bits,
            limb_bits: self.limb_bits,
        }))
    }
}

/// Normalisation over the last axis to mean 0 and variance 1: `gain * (x - mean(x)) / sqrt(variance(x) + eps) + bias`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LayerNorm {
    /// The gain, one value per column: a tensor of the weights' file, a `.npy` file, or `normal:LENGTHS:SEED`.
    gain: String,
    /// Added last, one value per column: a tensor of the weights' file, a `.npy` file, or `normal:LENGTHS:SEED`. Without it, none is added.
    #[serde(default)]
    bias: Option<String>,
    /// Added to the variance.
    #[serde(default = "default_eps")]
    #[schemars(extend("exclusiveMinimum" = 0))]
    eps: f64,
    /// Bits of the quantised output, sign included.
    #[serde(default = "default_bits")]
    #[schemars(range(min = 2, max = 16))]
    bits: u32,
    /// Remainders are range checked in limbs of this many bits; by default the cheapest width.
    #[serde(default)]
    #[schemars(range(min = 1, max = 20))]
    limb_bits: Option<u32>,
}

impl Entry for LayerNorm {
    fn layer(&self, site: &mut Site<'_>) -> Result<LayerSpec, Fault> {
        let gain = site.weights("gain", &self.gain)?.values;
        Ok(LayerSpec::LayerNorm(zkml_layers::LayerNorm {
            name: site.name.clone(),
            bias: site.bias(self.bias.as_ref(), gain.len(), &self.gain)?,
            gain,
            eps: self.eps,
            output_bits: self.bits,
            limb_bits: self.limb_bits,
        }))
    }
}

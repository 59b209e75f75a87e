//! Sums of products with a weight: `dense`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use zkml_layers::{LayerSpec, Nonlinearity};

use super::{Entry, Site, default_bits};
use crate::spec::Fault;

/// Dense layer: `activation(x * weight^T + bias)`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Dense {
    /// The weight, one row per output: a tensor `[outputs, inputs]` of the weights' file, or a `.npy` file.
    weight: String,
    /// The bias, one value per output: a tensor of the weights' file, or a `.npy` file. Without it, none is added.
    #[serde(default)]
    bias: Option<String>,
    /// What follows the sums; `relu` costs nothing, it is part of the requantisation's table.
    #[serde(default)]
    activation: Activation,
    /// Bits of the quantised weight and output, sign included.
    #[serde(default = "default_bits")]
    #[schemars(range(min = 2, max = 16))]
    bits: u32,
    /// One scale per output instead of one for the whole weight.
    #[serde(default)]
    per_channel: bool,
    /// Remainders are range checked in limbs of this many bits; by default the cheapest width.
    #[serde(default)]
    #[schemars(range(min = 1, max = 20))]
    limb_bits: Option<u32>,
}

/// What follows the sums.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(title = "activation")]
pub(crate) enum Activation {
    #[default]
    None,
    Relu,
}

impl From<Activation> for Nonlinearity {
    fn from(activation: Activation) -> Self {
        match activation {
            Activation::None => Self::None,
            Activation::Relu => Self::Relu,
        }
    }
}

impl Entry for Dense {
    fn layer(&self, site: &mut Site<'_>) -> Result<LayerSpec, Fault> {
        let weight = site.weights("weight", &self.weight)?;
        let [outputs, inputs] = *weight.shape.as_slice() else {
            let problem = format!("`{}` is no matrix", self.weight);
            return Err(site.fault("weight", problem, format!("shape {:?}", weight.shape), "shape [outputs, inputs]"));
        };
        Ok(LayerSpec::Dense(zkml_layers::Dense {
            name: site.name.clone(),
            weight: weight.values,
            inputs,
            bias: site.bias(self.bias.as_ref(), outputs, &self.weight)?,
            nonlinearity: self.activation.into(),
            bits: self.bits,
            per_channel: self.per_channel,
            limb_bits: self.limb_bits,
        }))
    }
}

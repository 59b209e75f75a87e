//! Sums of products with a weight: `dense`, `matmul`, `conv2d`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use zkml_layers::{LayerSpec, Nonlinearity};

use super::window::{Padding, Pair};
use super::{Entry, Site, default_bits};
use crate::spec::Fault;

/// Dense layer: `activation(x * weight^T + bias)`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Dense {
    /// The weight, one row per output: a tensor `[outputs, inputs]` of the weights' file, a `.npy` file, or `normal:LENGTHS:SEED`.
    weight: String,
    /// The bias, one value per output: a tensor of the weights' file, a `.npy` file, or `normal:LENGTHS:SEED`. Without it, none is added.
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
pub enum Activation {
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
        let (weight, [outputs, inputs]) = matrix(site, &self.weight)?;
        Ok(LayerSpec::Dense(zkml_layers::Dense {
            name: site.name.clone(),
            weight,
            inputs,
            bias: site.bias(self.bias.as_ref(), outputs, &self.weight)?,
            nonlinearity: self.activation.into(),
            bits: self.bits,
            per_channel: self.per_channel,
            limb_bits: self.limb_bits,
        }))
    }
}

/// The values and the shape of the weight of a matrix product.
fn matrix(site: &mut Site<'_>, name: &str) -> Result<(Vec<f64>, [usize; 2]), Fault> {
    let weight = site.weights("weight", name)?;
    let [outputs, inputs] = *weight.shape.as_slice() else {
        let (problem, found) = (format!("`{name}` is no matrix"), format!("shape {:?}", weight.shape));
        return Err(site.fault("weight", problem, found, "shape [outputs, inputs]"));
    };
    Ok((weight.values, [outputs, inputs]))
}

/// Matrix product: `x * weight^T`, its sums kept as they are; only as the last layer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct MatMul {
    /// The weight, one row per output: a tensor `[outputs, inputs]` of the weights' file, a `.npy` file, or `normal:LENGTHS:SEED`.
    weight: String,
    /// Bits of the quantised weight, sign included.
    #[serde(default = "default_bits")]
    #[schemars(range(min = 2, max = 16))]
    bits: u32,
}

impl Entry for MatMul {
    fn layer(&self, site: &mut Site<'_>) -> Result<LayerSpec, Fault> {
        let (weight, [_, inputs]) = matrix(site, &self.weight)?;
        Ok(LayerSpec::MatMul(zkml_layers::MatMul { name: site.name.clone(), weight, inputs, bits: self.bits }))
    }
}

/// Convolution over the last two axes of `[batch, channels, height, width]`, as cross-correlation.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Conv2d {
    /// The weight: a tensor `[outputs, inputs / groups, height, width]` of the weights' file, a `.npy` file, or `normal:LENGTHS:SEED`.
    weight: String,
    /// The bias, one value per output channel: a tensor of the weights' file, a `.npy` file, or `normal:LENGTHS:SEED`. Without it, none is added.
    #[serde(default)]
    bias: Option<String>,
    /// Cells from one window to the next: a number, or `[down, right]`.
    #[serde(default)]
    stride: Pair,
    /// Zeros around the input: a number, `[vertical, horizontal]`, or `[top, left, bottom, right]`.
    #[serde(default)]
    padding: Padding,
    /// Cells from one tap of the kernel to the next: a number, or `[down, right]`.
    #[serde(default)]
    dilation: Pair,
    /// Groups of channels that do not mix.
    #[serde(default = "one")]
    #[schemars(range(min = 1))]
    groups: usize,
    /// What follows the sums; `relu` costs nothing, it is part of the requantisation's table.
    #[serde(default)]
    activation: Activation,
    /// Bits of the quantised weight and output, sign included.
    #[serde(default = "default_bits")]
    #[schemars(range(min = 2, max = 16))]
    bits: u32,
    /// One scale per output channel instead of one for the whole weight.
    #[serde(default)]
    per_channel: bool,
    /// Remainders are range checked in limbs of this many bits; by default the cheapest width.
    #[serde(default)]
    #[schemars(range(min = 1, max = 20))]
    limb_bits: Option<u32>,
}

fn one() -> usize {
    1
}

impl Entry for Conv2d {
    fn layer(&self, site: &mut Site<'_>) -> Result<LayerSpec, Fault> {
        let weight = site.weights("weight", &self.weight)?;
        let Ok(weight_shape) = <[usize; 4]>::try_from(weight.shape.as_slice()) else {
            let problem = format!("`{}` is no convolution's weight", self.weight);
            let allowed = "shape [outputs, inputs / groups, height, width]";
            return Err(site.fault("weight", problem, format!("shape {:?}", weight.shape), allowed));
        };
        Ok(LayerSpec::Conv2d(zkml_layers::Conv2d {
            name: site.name.clone(),
            weight: weight.values,
            weight_shape,
            bias: site.bias(self.bias.as_ref(), weight_shape[0], &self.weight)?,
            stride: self.stride.each(),
            padding: self.padding.sides(site)?,
            dilation: self.dilation.each(),
            groups: self.groups,
            nonlinearity: self.activation.into(),
            bits: self.bits,
            per_channel: self.per_channel,
            limb_bits: self.limb_bits,
        }))
    }
}

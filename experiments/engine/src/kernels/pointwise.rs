//! Functions of single cells: `relu`, `clamp`, `silu`, `gelu`, `sigmoid`, `tanh`; and of two tensors cell by cell: `add`,
//! `mul`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use zkml_layers::{Function, LayerSpec, Pointwise};

use super::linear::Activation;
use super::{Entry, Site, default_bits};
use crate::spec::Fault;

fn function(site: &Site<'_>, function: Function, bits: u32) -> LayerSpec {
    LayerSpec::Pointwise(Pointwise { name: site.name.clone(), function, bits })
}

/// `max(x, 0)`. After a dense layer or a convolution, `activation: relu` there is cheaper.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Relu {}

impl Entry for Relu {
    fn layer(&self, site: &mut Site<'_>) -> Result<LayerSpec, Fault> {
        Ok(function(site, Function::Relu, default_bits()))
    }
}

/// `min(max(x, lo), hi)`, with bounds rounded to steps of the input.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Clamp {
    /// The smallest output.
    lo: f64,
    /// The largest output.
    hi: f64,
}

impl Entry for Clamp {
    fn layer(&self, site: &mut Site<'_>) -> Result<LayerSpec, Fault> {
        if self.lo < self.hi {
            return Ok(function(site, Function::Clamp { lo: self.lo, hi: self.hi }, default_bits()));
        }
        Err(site.fault("hi", "`hi` is not above `lo`", self.hi.to_string(), format!("a number above {}", self.lo)))
    }
}

/// Declares functions that are looked up in a table of all inputs.
macro_rules! functions {
    ($($(#[$doc:meta])* $name:ident),* $(,)?) => {$(
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
        #[serde(deny_unknown_fields)]
        pub struct $name {
            /// Bits of the quantised output, sign included.
            #[serde(default = "default_bits")]
            #[schemars(range(min = 2, max = 16))]
            bits: u32,
        }

        impl Entry for $name {
            fn layer(&self, site: &mut Site<'_>) -> Result<LayerSpec, Fault> {
                Ok(function(site, Function::$name, self.bits))
            }
        }
    )*};
}

functions! {
    /// `x / (1 + exp(-x))`, by a table of all inputs.
    Silu,
    /// `x/2 * (1 + erf(x / sqrt(2)))`, by a table of all inputs.
    Gelu,
    /// `1 / (1 + exp(-x))`, by a table of all inputs.
    Sigmoid,
    /// Hyperbolic tangent, by a table of all inputs.
    Tanh,
}

/// Sum of two tensors of one shape, each with a scale of its own.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Add {
    /// What follows the sum.
    #[serde(default)]
    activation: Activation,
    /// Bits of the quantised output, sign included.
    #[serde(default = "default_bits")]
    #[schemars(range(min = 2, max = 16))]
    bits: u32,
    /// Remainders are range checked in limbs of this many bits; by default the cheapest width.
    #[serde(default)]
    #[schemars(range(min = 1, max = 20))]
    limb_bits: Option<u32>,
}

impl Entry for Add {
    fn layer(&self, site: &mut Site<'_>) -> Result<LayerSpec, Fault> {
        Ok(LayerSpec::Add(zkml_layers::Add {
            name: site.name.clone(),
            nonlinearity: self.activation.into(),
            bits: self.bits,
            limb_bits: self.limb_bits,
        }))
    }
}

/// Product of two tensors of one shape, cell by cell.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Mul {
    /// Bits of the quantised output, sign included.
    #[serde(default = "default_bits")]
    #[schemars(range(min = 2, max = 16))]
    bits: u32,
    /// Remainders are range checked in limbs of this many bits; by default the cheapest width.
    #[serde(default)]
    #[schemars(range(min = 1, max = 20))]
    limb_bits: Option<u32>,
}

impl Entry for Mul {
    fn layer(&self, site: &mut Site<'_>) -> Result<LayerSpec, Fault> {
        Ok(LayerSpec::Mul(zkml_layers::Mul { name: site.name.clone(), bits: self.bits, limb_bits: self.limb_bits }))
    }
}

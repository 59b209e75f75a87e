//! The kernels of experiment files: for each one the keys it takes, and the layer it stands for.
//!
//! A kernel is one type, whose doc comments are the hints that editors show, with its [`Entry`], and one line in the list
//! below. Everything else follows from the list: the keys of a layer, the schema, `workbench list`, default names.

mod key;
mod linear;
mod norm;
mod pointwise;
mod pool;
mod shape;
mod window;

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use zkml_import::Array;
use zkml_layers::LayerSpec;

pub use key::Key;
use linear::{Conv2d, Dense, MatMul};
use norm::{LayerNorm, RmsNorm};
use pointwise::{Add, Clamp, Gelu, Mul, Relu, Sigmoid, Silu, Tanh};
use pool::{AvgPool, MaxPool};
use shape::{Flatten, Reshape, Transpose};

use crate::data::Data;
use crate::spec::choice::{self, Choice};
use crate::spec::{Fault, KeyPath};

/// What stands at a kernel's key.
pub trait Entry {
    /// The layer.
    fn layer(&self, site: &mut Site<'_>) -> Result<LayerSpec, Fault>;
}

/// Where a kernel stands, and the data it may read.
pub struct Site<'a> {
    /// The kernel's key.
    pub path: KeyPath,
    /// The layer's name.
    pub name: String,
    /// Shapes of the layer's inputs, batch first.
    pub inputs: Vec<Vec<usize>>,
    /// The experiment's files.
    pub data: &'a mut Data,
}

impl Site<'_> {
    /// The weights that the value of a key names.
    fn weights(&mut self, key: &str, tensor: &str) -> Result<Array, Fault> {
        self.data.weights(&self.path.key(key), tensor)
    }

    /// The same, for one value per output channel of `weight`.
    fn bias(&mut self, tensor: Option<&String>, channels: usize, weight: &str) -> Result<Option<Vec<f64>>, Fault> {
        let Some(tensor) = tensor else { return Ok(None) };
        let bias = self.weights("bias", tensor)?;
        if bias.shape != [channels] {
            let problem = format!("`{tensor}` does not fit the weight");
            let allowed = format!("shape [{channels}]: one value per output of `{weight}`");
            return Err(self.fault("bias", problem, format!("shape {:?}", bias.shape), allowed));
        }
        Ok(Some(bias.values))
    }

    /// A fault of the value of a key.
    fn fault(&self, key: &str, problem: impl Into<String>, found: String, allowed: impl Into<String>) -> Fault {
        Fault::value(&self.path.key(key), problem, found, allowed)
    }
}

macro_rules! kernels {
    ($($(#[$doc:meta])* $key:ident: $kernel:ty),* $(,)?) => {
        /// One layer: exactly one kernel, and optionally a name, its inputs and a protocol.
        #[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
        #[serde(deny_unknown_fields)]
        #[schemars(title = "kernel or key")]
        pub struct Layer {
            $(
                $(#[$doc])*
                #[serde(default, skip_serializing_if = "Key::is_absent")]
                pub $key: Key<$kernel>,
            )*
            /// The protocol that proves this layer.
            #[serde(default, skip_serializing_if = "Option::is_none")]
            #[schemars(schema_with = "choice::protocol_schema")]
            pub protocol: Option<Choice>,
            /// The layer's name in reports, in overrides (`model.NAME.protocol=...`) and as an input of later layers; by default
            /// the kernel's name, numbered if it occurs twice.
            #[serde(default, skip_serializing_if = "Option::is_none")]
            #[schemars(regex(pattern = r"^[A-Za-z0-9_-]+$"))]
            pub name: Option<String>,
            /// The earlier layer that this one reads, or `input`; by default the layer before.
            #[serde(default, skip_serializing_if = "Option::is_none")]
            pub input: Option<String>,
            /// The earlier layers that a layer of several inputs reads, in order; `input` is the network's input.
            #[serde(default, skip_serializing_if = "Option::is_none")]
            #[schemars(length(min = 1))]
            pub inputs: Option<Vec<String>>,
        }

        impl Layer {
            /// Every kernel that this layer names, by key.
            fn entries(&self) -> Vec<(&'static str, &dyn Entry)> {
                let all = [$((stringify!($key), self.$key.get().map(|entry| entry as &dyn Entry))),*];
                all.into_iter().filter_map(|(key, entry)| Some((key, entry?))).collect()
            }
        }

        /// The keys of all kernels.
        pub const KEYS: &[&str] = &[$(stringify!($key)),*];
    };
}

kernels! {
    /// Dense layer: `activation(x * weight^T + bias)`.
    dense: Dense,
    /// Matrix product: `x * weight^T`, its sums kept as they are; only as the last layer.
    matmul: MatMul,
    /// Convolution over the last two axes of `[batch, channels, height, width]`, with bias and activation.
    conv2d: Conv2d,
    /// The largest cell of every window.
    maxpool: MaxPool,
    /// The mean of every window, or of the whole input.
    avgpool: AvgPool,
    /// Root-mean-square normalisation over the last axis: `gain * x / sqrt(mean(x^2) + eps)`.
    rmsnorm: RmsNorm,
    /// Normalisation over the last axis to mean 0 and variance 1, with gain and bias.
    layernorm: LayerNorm,
    /// `max(x, 0)`.
    relu: Relu,
    /// `min(max(x, lo), hi)`.
    clamp: Clamp,
    /// `x / (1 + exp(-x))`.
    silu: Silu,
    /// `x/2 * (1 + erf(x / sqrt(2)))`.
    gelu: Gelu,
    /// `1 / (1 + exp(-x))`.
    sigmoid: Sigmoid,
    /// Hyperbolic tangent.
    tanh: Tanh,
    /// Sum of two tensors, as in a residual connection.
    add: Add,
    /// Product of two tensors, cell by cell.
    mul: Mul,
    /// One axis per row.
    flatten: Flatten,
    /// Another shape per row.
    reshape: Reshape,
    /// Axes in another order.
    transpose: Transpose,
}

impl Layer {
    /// The kernel's key and entry; a layer has exactly one.
    pub fn entry(&self, path: &KeyPath) -> Result<(&'static str, &dyn Entry), Fault> {
        let entries = self.entries();
        let (problem, found) = match entries.as_slice() {
            [one] => return Ok(*one),
            [] => ("this layer names no kernel", "nothing".to_owned()),
            several => {
                let keys: Vec<&str> = several.iter().map(|(key, _)| *key).collect();
                ("this layer names several kernels", keys.join(", "))
            }
        };
        Err(Fault::value(path, problem, found, format!("exactly one kernel: {}", KEYS.join(", "))))
    }
}

/// The layers' names, from given names and kernels: by default the kernel's name, numbered if several layers have it.
pub fn names<'a>(layers: impl Iterator<Item = (Option<String>, &'a str)>) -> Vec<String> {
    let mut used: BTreeMap<&str, usize> = BTreeMap::new();
    let name = |(name, kernel): (Option<String>, &'a str)| {
        name.unwrap_or_else(|| {
            let count = used.entry(kernel).and_modify(|n| *n += 1).or_insert(1);
            if *count == 1 { kernel.to_owned() } else { format!("{kernel}-{count}") }
        })
    };
    layers.map(name).collect()
}

/// Bits of quantised tensors that nothing else is said of.
pub fn default_bits() -> u32 {
    8
}

fn default_eps() -> f64 {
    1e-5
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    #[test]
    fn every_kernel_can_be_written_in_an_experiment_file() {
        let built_in: BTreeSet<&str> = zkml_layers::KERNELS.iter().map(|kernel| kernel.id).collect();
        assert_eq!(super::KEYS.iter().copied().collect::<BTreeSet<_>>(), built_in);
    }
}

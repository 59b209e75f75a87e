//! Pooling over the last two axes of `[batch, channels, height, width]`: `maxpool`, `avgpool`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use zkml_layers::LayerSpec;

use super::window::{Padding, Pair};
use super::{Entry, Site, default_bits};
use crate::spec::Fault;

/// The largest cell of every window; padding never counts.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct MaxPool {
    /// Height and width of the window: a number, or `[height, width]`.
    kernel: Pair,
    /// Cells from one window to the next: a number, or `[down, right]`; by default the kernel's size.
    #[serde(default)]
    stride: Option<Pair>,
    /// Cells around the input: a number, `[vertical, horizontal]`, or `[top, left, bottom, right]`.
    #[serde(default)]
    padding: Padding,
    /// Cells from one tap of the window to the next: a number, or `[down, right]`.
    #[serde(default)]
    dilation: Pair,
    /// Differences are range checked in limbs of this many bits; by default the cheapest width.
    #[serde(default)]
    #[schemars(range(min = 1, max = 20))]
    limb_bits: Option<u32>,
}

impl Entry for MaxPool {
    fn layer(&self, site: &mut Site<'_>) -> Result<LayerSpec, Fault> {
        Ok(LayerSpec::MaxPool(zkml_layers::MaxPool {
            name: site.name.clone(),
            kernel: self.kernel.each(),
            stride: self.stride.unwrap_or(self.kernel).each(),
            padding: self.padding.sides(site)?,
            dilation: self.dilation.each(),
            limb_bits: self.limb_bits,
        }))
    }
}

/// The mean of every window.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AvgPool {
    /// Height and width of the window: a number, or `[height, width]`; by default the whole input.
    #[serde(default)]
    kernel: Option<Pair>,
    /// Cells from one window to the next: a number, or `[down, right]`; by default the kernel's size.
    #[serde(default)]
    stride: Option<Pair>,
    /// Zeros around the input: a number, `[vertical, horizontal]`, or `[top, left, bottom, right]`.
    #[serde(default)]
    padding: Padding,
    /// Whether padding counts as cells of value 0; otherwise the mean is over the input's cells.
    #[serde(default)]
    count_include_pad: bool,
    /// Bits of the quantised output, sign included.
    #[serde(default = "default_bits")]
    #[schemars(range(min = 2, max = 16))]
    bits: u32,
    /// Remainders are range checked in limbs of this many bits; by default the cheapest width.
    #[serde(default)]
    #[schemars(range(min = 1, max = 20))]
    limb_bits: Option<u32>,
}

impl Entry for AvgPool {
    fn layer(&self, site: &mut Site<'_>) -> Result<LayerSpec, Fault> {
        Ok(LayerSpec::AvgPool(zkml_layers::AvgPool {
            name: site.name.clone(),
            kernel: self.kernel.map(Pair::each),
            stride: self.stride.or(self.kernel).unwrap_or_default().each(),
            padding: self.padding.sides(site)?,
            count_include_pad: self.count_include_pad,
            bits: self.bits,
            limb_bits: self.limb_bits,
        }))
    }
}

//! A convolution `y = f(x ∗ w + b)` with `f` the identity or ReLU, as an exact statement about integers.
//!
//! Over an input `[b, c, h, w]`, with quantised weights `w_ocuv`, a bias `b_o` in units of the accumulator, and the
//! integers `m` and `t` of the requantisation:
//!
//! | | relation | proven for every accepted witness |
//! |---|---|---|
//! | C1 | `window_bciujv = x_bc(s·i + d·u - p)(s'·j + d'·v - p')`, 0 where that is padding | View: two sliding windows |
//! | C2 | `product = Σ_cuv window_bciujv·w_ocuv` | Einsum `bciujv,ocuv->boij`; magnitude at most `n·X·W`, `n` taps |
//! | C3 | `bias-rows = one_b·one_i·one_j·b_o` | Einsum `b,i,j,o->boij`; `b_o` in every true cell |
//! | C4 | `acc = m·product + m·bias-rows` | Affine |
//! | C5 | `acc + 2^(t-1) = z·2^t + rem`, `y = clamp(z)` | `z = floor((acc + 2^(t-1))/2^t)`, unique |
//!
//! As in most networks this is a correlation: the kernel is not flipped.
//!
//! **Nobody has the windows.** `window` has `kh·kw` times as many cells as the input, and is virtual: nobody commits to
//! it, a forward pass does not record it, and the protocol `sumcheck` reads it from `x` while it contracts the
//! positions. Then C2 ends on one claim on `window`, and C1 turns that into one on `x`: the two stages of the direct
//! convolution argument. Stride, dilation and padding are constants of the relation, in the key's digest. A convolution
//! 1×1 with stride 1 and without padding needs no windows: there C2 is the Einsum `bcij,ocuv->boij` on the input.
//!
//! **Groups.** With `g > 1` groups C1 also splits the channels, `window_bgciujv`, C2 is the Einsum
//! `bgciujv,gocuv->bgoij` with the same weights in the shape `[g, o, c, u, v]`, and a second View gives the result the
//! shape `[b, g·o, i, j]`. Depthwise convolution is the case of one channel per group.
//!
//! **Uniqueness.** Every cell of `window`, `product`, `bias-rows` and `acc` is a function of `x`, `w` and `b`; C5 is
//! [`crate::requantise`]. Padding is zero whatever the prover does: the View says so. The bias touches true cells
//! only, as in [`crate::dense`]: `one` are public tensors with bounds `[1, 1]`, here one per axis, so that the verifier
//! evaluates them in `O(b + i + j)`.
//!
//! **One scale per output channel** (`per_channel`) as in [`crate::dense`].
//!
//! Cost: `t/l + 1` lookups and as many committed cells per output with a clamp table; see `papers/conv2d.md`.

use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use zkml_core::{AxisGroup, AxisMap, Bounds, Residence, Shape, TensorId};

use crate::LayerError;
use crate::convolve::{Filters, IntegerFilters};
use crate::kernel::{FloatTensor, Kernel, KernelInfo, Step, accessors, first, sole};
use crate::linear::{Linear, Nonlinearity, Plan};
use crate::lowering::{Activation, Lowering, Recorder};
use crate::requantise::{Requantisation, Rescaling};
use crate::window::{Sliding, Windows};

/// A convolution over `[b, c, h, w]`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Conv2d {
    /// The layer's name.
    pub name: String,
    /// Real weights `[outputs, channels / groups, height, width]`, row-major.
    pub weight: Vec<f64>,
    /// Axis lengths of the weight.
    pub weight_shape: [usize; 4],
    /// One real number per output channel.
    pub bias: Option<Vec<f64>>,
    /// Input rows and columns from one position to the next.
    pub stride: [usize; 2],
    /// Zeros at the top, left, bottom and right.
    pub padding: [usize; 4],
    /// Input rows and columns from one tap to the next.
    pub dilation: [usize; 2],
    /// Groups of channels that are convolved by themselves; divides input and output channels.
    pub groups: usize,
    /// Applied to the sums.
    pub nonlinearity: Nonlinearity,
    /// Bits of the quantised weights and output, sign included.
    pub bits: u32,
    /// One scale per output channel, not one for all.
    #[serde(default)]
    pub per_channel: bool,
    /// Width of the range-checked limbs; `None` chooses the cheapest.
    pub limb_bits: Option<u32>,
}

impl Conv2d {
    /// What the kernel is.
    pub const INFO: KernelInfo = KernelInfo {
        id: "conv2d",
        about: "convolution with fixed weights: stride, padding, dilation, groups, optional bias, optional fused ReLU",
    };

    /// The windows, if weight, bias and input fit together.
    fn windows(&self, input: &Shape) -> Result<Windows, LayerError> {
        let refuse = |what: String| Err(LayerError::shape(&self.name, what));
        let [outputs, own, height, width] = self.weight_shape;
        let Self { stride, padding, dilation, groups, .. } = *self;
        let windows = Windows::new(&self.name, input, Sliding { kernel: [height, width], stride, padding, dilation })?;
        let channels = windows.channels;
        let cells = Shape::new(self.weight_shape).map(|shape| shape.cells());
        if cells != Some(self.weight.len()) {
            return refuse(format!("{} weights for the shape {:?}", self.weight.len(), self.weight_shape));
        }
        if groups == 0 || !outputs.is_multiple_of(groups) || !channels.is_multiple_of(groups) {
            return refuse(format!("{groups} groups do not divide {channels} input and {outputs} output channels"));
        }
        if own * groups != channels {
            return refuse(format!(
                "the weight is for {own} channels in each of {groups} groups, the input has {channels} channels"
            ));
        }
        match &self.bias {
            Some(bias) if bias.len() != outputs => {
                refuse(format!("the bias has {} values for {outputs} output channels", bias.len()))
            }
            _ => Ok(windows),
        }
    }

    fn outputs(&self) -> usize {
        self.weight_shape[0]
    }

    fn linear(&self) -> Linear<'_> {
        Linear {
            layer: &self.name,
            weight: &self.weight,
            bias: self.bias.as_deref(),
            outputs: self.outputs(),
            bits: self.bits,
            per_channel: self.per_channel,
            nonlinearity: self.nonlinearity,
        }
    }
}

impl Kernel for Conv2d {
    accessors!();

    fn output_shape(&self, inputs: &[Shape]) -> Result<Shape, LayerError> {
        self.windows(sole(&self.name, inputs)?)?.output(&self.name, self.outputs())
    }

    fn float(&self, inputs: &[FloatTensor<'_>]) -> Vec<f64> {
        let Some((input, windows)) = inputs.first().and_then(|i| Some((i.values, self.windows(i.shape).ok()?))) else {
            return Vec::new();
        };
        let bias = |o: usize| self.bias.as_ref().and_then(|b| b.get(o)).copied().unwrap_or(0.0);
        let filters = Filters { weight: &self.weight, outputs: self.outputs(), groups: self.groups, windows };
        filters.apply(input, |w, x| w * x, |o, sum: f64| self.nonlinearity.apply(sum + bias(o)))
    }

    fn lower(&self, builder: &mut Lowering, inputs: &[&Activation]) -> Result<(Activation, Box<dyn Step>), LayerError> {
        let input = *sole(&self.name, inputs)?;
        let windows = self.windows(&input.shape)?;
        let shape = windows.output(&self.name, self.outputs())?;
        let plan = self.linear().plan(builder, input.quantisation)?;
        let product = Product::lower(builder, self, input, windows, &shape, &plan)?;
        let bias =
            plan.bias.clone().map(|values| Bias::lower(builder, &shape, values, plan.limits.bias)).transpose()?;
        let mut terms = vec![(1, product.output)];
        terms.extend(bias.as_ref().map(|bias| (1, bias.spread)));
        let proven = plan.limits.proven();
        let requantisation = Requantisation::of_terms(builder, &shape, terms, proven, plan.rescaling.clone())?;
        let output = Activation { tensor: requantisation.output(), shape, quantisation: plan.rescaling.output };
        let filters = IntegerFilters::new(&plan.weights.values, self.outputs(), self.groups, windows, plan.limits.sum);
        Ok((output, Box::new(LoweredConv2d { filters, product, bias, rescaling: plan.rescaling, requantisation })))
    }
}

fn tensor_shape(layer: &str, dims: impl Into<Vec<usize>>) -> Result<Shape, LayerError> {
    Shape::new(dims).ok_or_else(|| LayerError::shape(layer, "a tensor of the layer is empty or too large"))
}

/// C1 and C2.
#[derive(Debug)]
struct Product {
    weight: TensorId,
    /// `[b, g, o, i, j]`, with more than one group.
    grouped: Option<TensorId>,
    /// `[b, o, i, j]`.
    output: TensorId,
}

impl Product {
    fn lower(
        builder: &mut Lowering,
        layer: &Conv2d,
        input: &Activation,
        windows: Windows,
        shape: &Shape,
        plan: &Plan,
    ) -> Result<Self, LayerError> {
        let [outputs, own, height, width] = layer.weight_shape;
        let (groups, Windows { batch, rows, columns, .. }) = (layer.groups, windows);
        let (largest, most) = (plan.weights.largest, plan.limits.product);
        let weight = |builder: &mut Lowering, dims: &[usize]| -> Result<TensorId, LayerError> {
            let shape = tensor_shape(&layer.name, dims)?;
            Ok(builder.fixed("weight", &shape, Bounds::new(-largest, largest), plan.weights.values.clone()))
        };
        if groups == 1 {
            let weight = weight(builder, &layer.weight_shape)?;
            let output = builder.value("product", shape, -most, most);
            if layer.is_pointwise() {
                builder.einsum("product", "bcij,ocuv->boij", output, &[input.tensor, weight])?;
            } else {
                let dims = [batch, own, rows.positions, height, columns.positions, width];
                let axes = vec![AxisGroup::same(0, 0), AxisGroup::same(1, 1)];
                let window = window(builder, input, windows, &dims, axes)?;
                builder.einsum("product", "bciujv,ocuv->boij", output, &[window, weight])?;
            }
            return Ok(Self { weight, grouped: None, output });
        }
        let weight = weight(builder, &[groups, outputs / groups, own, height, width])?;
        let dims = [batch, groups, own, rows.positions, height, columns.positions, width];
        let channels = AxisGroup { output: vec![1, 2], input: vec![1], map: AxisMap::Reshape };
        let window = window(builder, input, windows, &dims, vec![AxisGroup::same(0, 0), channels])?;
        let dims = [batch, groups, outputs / groups, rows.positions, columns.positions];
        let grouped = builder.value("grouped", &tensor_shape(&layer.name, dims)?, -most, most);
        builder.einsum("grouped", "bgciujv,gocuv->bgoij", grouped, &[window, weight])?;
        let output = builder.value("product", shape, -most, most);
        let channels = AxisGroup { output: vec![1], input: vec![1, 2], map: AxisMap::Reshape };
        let axes = vec![AxisGroup::same(0, 0), channels, AxisGroup::same(2, 3), AxisGroup::same(3, 4)];
        builder.view("product", output, grouped, axes);
        Ok(Self { weight, grouped: Some(grouped), output })
    }
}

/// C1: `dims` end with the axes `i`, `u`, `j`, `v`; `axes` are the groups of the others.
fn window(
    builder: &mut Lowering,
    input: &Activation,
    windows: Windows,
    dims: &[usize],
    mut axes: Vec<AxisGroup>,
) -> Result<TensorId, LayerError> {
    let shape = tensor_shape(builder.layer(), dims)?;
    let Bounds { lo, hi } = input.quantisation.bounds();
    let window = builder.value("window", &shape, lo, hi);
    let first = dims.len() - 4;
    axes.push(windows.rows.window([first, first + 1], 2));
    axes.push(windows.columns.window([first + 2, first + 3], 3));
    builder.view("window", window, input.tensor, axes);
    Ok(window)
}

impl Conv2d {
    /// True if the windows are the input's cells.
    fn is_pointwise(&self) -> bool {
        let [_, _, height, width] = self.weight_shape;
        [height, width] == [1, 1] && self.stride == [1, 1] && self.padding == [0; 4]
    }
}

/// C3.
#[derive(Debug)]
struct Bias {
    values: Vec<i64>,
    /// The indicators of the true batch entries, rows and columns, and their lengths.
    ones: [(TensorId, usize); 3],
    spread: TensorId,
}

impl Bias {
    fn lower(builder: &mut Lowering, shape: &Shape, values: Vec<i64>, most: i64) -> Result<Self, LayerError> {
        let &[batch, outputs, rows, columns] = shape.dims() else {
            return Err(LayerError::shape(builder.layer(), format!("the output is {shape}; it must be [b, o, i, j]")));
        };
        let mut one = |name: &str, length: usize| -> Result<(TensorId, usize), LayerError> {
            let axis = tensor_shape(builder.layer(), [length])?;
            Ok((builder.tensor(name, &axis, Bounds::new(1, 1), Residence::Public), length))
        };
        let ones = [one("one.batch", batch)?, one("one.rows", rows)?, one("one.columns", columns)?];
        let axis = tensor_shape(builder.layer(), [outputs])?;
        let bias = builder.fixed("bias", &axis, Bounds::new(-most, most), values.clone());
        let spread = builder.value("bias-rows", shape, -most, most);
        let [b, i, j] = ones.map(|(tensor, _)| tensor);
        builder.einsum("bias-rows", "b,i,j,o->boij", spread, &[b, i, j, bias])?;
        Ok(Self { values, ones, spread })
    }

    /// Records the ones and the spread bias, and adds it to sums `[b, o, i, j]` with planes of `plane` cells.
    fn record(&self, sums: &[i64], plane: usize, recorder: &mut Recorder) -> Vec<i64> {
        for (tensor, length) in self.ones {
            recorder.set(tensor, vec![1; length]);
        }
        let outputs = self.values.len().max(1);
        let of = |index: usize| self.values.get(index / plane.max(1) % outputs).copied().unwrap_or(0);
        recorder.set(self.spread, (0..sums.len()).into_par_iter().map(of).collect());
        sums.par_iter().enumerate().map(|(index, sum)| sum + of(index)).collect()
    }
}

#[derive(Debug)]
struct LoweredConv2d {
    filters: IntegerFilters,
    product: Product,
    bias: Option<Bias>,
    rescaling: Rescaling,
    requantisation: Requantisation,
}

impl Step for LoweredConv2d {
    fn infer(&self, inputs: &[&[i64]]) -> Vec<i64> {
        let bias = |o: usize| self.bias.as_ref().and_then(|b| b.values.get(o)).copied().unwrap_or(0);
        self.filters.apply(first(inputs), |o, sum| self.rescaling.channel_output(o, sum + bias(o)))
    }

    /// Records the virtual tensors too, all but the window: the generic evaluation of an einsum is far slower than this
    /// convolution.
    fn record(&self, inputs: &[&[i64]], recorder: &mut Recorder) -> Vec<i64> {
        let products = self.filters.sums(first(inputs), self.product.weight, recorder);
        let outputs = match &self.bias {
            Some(bias) => {
                let sums = bias.record(&products, self.filters.plane(), recorder);
                self.requantisation.record(&sums, recorder)
            }
            None => self.requantisation.record(&products, recorder),
        };
        recorder.set(self.product.output, products);
        if let Some(grouped) = self.product.grouped {
            recorder.same(grouped, self.product.output);
        }
        outputs
    }
}

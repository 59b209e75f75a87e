//! A dense layer `y = f(x·Wᵀ + b)` with `f` the identity or ReLU, as an exact statement about integers.
//!
//! For quantised weights `w_oi`, a bias `b_o` in units of the accumulator, and the integers `m` and `t` of the
//! requantisation:
//!
//! | | relation | proven for every accepted witness |
//! |---|---|---|
//! | D1 | `product = Σ_i x_bi·w_oi` | Einsum `bi,oi->bo`; magnitude at most `n·X·W` |
//! | D2 | `bias-rows = one_b·b_o` | Einsum `b,o->bo`; `b_o` in every true cell |
//! | D3 | `acc = m·product + m·bias-rows` | Affine |
//! | D4 | `acc + 2^(t-1) = z·2^t + rem`, `y = clamp(z)` | `z = floor((acc + 2^(t-1))/2^t)`, unique |
//!
//! `X = 2^(B-1)` bounds the input, `W` the weights. Only D4 commits to anything: product, bias and accumulator
//! are virtual, so a claim on the accumulator passes through D3 and ends, by D1 and D2, on input, weight and bias.
//!
//! **An input of more axes** is read as if flattened: for `[b, c, h, w]` the weight has the shape `[o, c, h, w]`, and D1
//! is the Einsum `bchw,ochw->bo`. Nothing is moved and nothing is proven about it. A `flatten` or `reshape` in front is
//! looked through.
//!
//! **One scale per output** (`per_channel`) gives every row of the weight, and every `b_o`, a step of its own. D3 is then
//! `sum = product + bias-rows` and `acc = sum·m_o`, the latter an Einsum `bo,o->bo` with a fixed `m`.
//!
//! **The bias must only touch true cells.** Tensors are padded with zeros, so the extension of "add `b_o` to every
//! row" is `b~(r_o)` times the extension of the *true* rows' indicator, not `b~(r_o)` alone. `one` is that indicator: a
//! public tensor `[rows]` with bounds `[1, 1]`. Bounds of public tensors are checked where their values enter the
//! verifier, so it can hold nothing but ones, and the verifier evaluates it itself in `O(rows)`: no opening, and
//! nothing to trust in the key. The zero padding of `one` and of `b` is what makes padded rows and columns zero.
//!
//! ReLU costs nothing: `y` is clamped to `[0, hi]` in place of `[lo, hi]`. Rounding comes first, so `z = 0` is
//! `acc/2^t` in `[-1/2, 1/2)`.
//!
//! The clamping covers `max_o (X·Σ_i |w_oi| + |b_o|)`, which every admissible input respects, so the honest prover
//! never fails. That is far more than a calibration sample shows if there are thousands of inputs: then the clamping
//! avoids its table ([`crate::saturate`]). What must not wrap is judged by the weaker `n·X·W + max |b_o|`: that is
//! all [`zkml_core::Program::check`] knows.
//!
//! Cost: `t/l + 1` lookups and as many committed cells per output with a clamp table; nothing per weight but the
//! opening of one claim on the weight. See `papers/dense.md` and `papers/requantisation.md`.

use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use zkml_core::{Bounds, Shape, TensorId};

use crate::LayerError;
use crate::bias::BiasRows;
use crate::kernel::{FloatTensor, Kernel, KernelInfo, Step, accessors, first, sole};
use crate::linear::{Linear, Nonlinearity, Plan};
use crate::lowering::{Activation, Lowering, Recorder};
use crate::matmul::Matrix;
use crate::requantise::{Requantisation, Rescaling};

/// A dense layer `f(x·Wᵀ + b)` over `[rows, …]`, every row flattened.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Dense {
    /// The layer's name.
    pub name: String,
    /// Real weights `[outputs, inputs]`, row-major.
    pub weight: Vec<f64>,
    /// Cells of an input row.
    pub inputs: usize,
    /// One real number per output.
    pub bias: Option<Vec<f64>>,
    /// Applied to the sums.
    pub nonlinearity: Nonlinearity,
    /// Bits of the quantised weights and output, sign included.
    pub bits: u32,
    /// One scale per row of the weight, not one for all.
    #[serde(default)]
    pub per_channel: bool,
    /// Width of the range-checked limbs; `None` chooses the cheapest.
    pub limb_bits: Option<u32>,
}

impl Dense {
    /// What the kernel is.
    pub const INFO: KernelInfo = KernelInfo {
        id: "dense",
        about: "matrix product with a fixed weight, optional bias, and optional ReLU fused into the clamp table",
    };

    /// Number of outputs, if weight and bias agree on it and rows of `input` fit.
    fn outputs(&self, input: &Shape) -> Result<usize, LayerError> {
        let refuse = |what: String| Err(LayerError::shape(&self.name, what));
        let [_, _, ..] = *input.dims() else {
            return refuse(format!("the input is {input}; it must be [rows, n], or rows of more axes"));
        };
        let columns: usize = input.dims().iter().skip(1).product();
        if columns != self.inputs {
            return refuse(format!("the weight is for rows of {}, the input has rows of {columns}", self.inputs));
        }
        if self.weight.is_empty() || !self.weight.len().is_multiple_of(self.inputs) {
            return refuse(format!("{} weights are not whole rows of {}", self.weight.len(), self.inputs));
        }
        let outputs = self.weight.len() / self.inputs;
        match &self.bias {
            Some(bias) if bias.len() != outputs => {
                refuse(format!("the bias has {} values for {outputs} outputs", bias.len()))
            }
            _ => Ok(outputs),
        }
    }

    fn linear(&self, outputs: usize) -> Linear<'_> {
        Linear {
            layer: &self.name,
            weight: &self.weight,
            bias: self.bias.as_deref(),
            outputs,
            bits: self.bits,
            per_channel: self.per_channel,
            nonlinearity: self.nonlinearity,
        }
    }
}

impl Kernel for Dense {
    accessors!();

    fn output_shape(&self, inputs: &[Shape]) -> Result<Shape, LayerError> {
        let input = sole(&self.name, inputs)?;
        let outputs = self.outputs(input)?;
        let rows = input.dims().first().copied().unwrap_or(1);
        Shape::new([rows, outputs]).ok_or_else(|| LayerError::shape(&self.name, "the output is too large"))
    }

    fn float(&self, inputs: &[FloatTensor<'_>]) -> Vec<f64> {
        let row = |row: &[f64]| {
            let sums = self.weight.chunks(self.inputs).map(|w| w.iter().zip(row).map(|(w, x)| w * x).sum::<f64>());
            let bias = |o: usize| self.bias.as_ref().and_then(|b| b.get(o)).copied().unwrap_or(0.0);
            sums.enumerate().map(|(o, sum)| self.nonlinearity.apply(sum + bias(o))).collect::<Vec<f64>>()
        };
        let values = inputs.first().map_or(&[][..], |input| input.values);
        values.par_chunks(self.inputs.max(1)).flat_map_iter(row).collect()
    }

    fn lower(&self, builder: &mut Lowering, inputs: &[&Activation]) -> Result<(Activation, Box<dyn Step>), LayerError> {
        let input = *sole(&self.name, inputs)?;
        let shape = self.output_shape(std::slice::from_ref(&input.shape))?;
        let outputs = self.outputs(&input.shape)?;
        let plan = self.linear(outputs).plan(builder, input.quantisation)?;
        let sums = Sums::lower(builder, &shape, input, &plan)?;
        let proven = plan.limits.proven();
        let requantisation = Requantisation::of_terms(builder, &shape, sums.terms(), proven, plan.rescaling.clone())?;
        let quantisation = plan.rescaling.output;
        let output = Activation { tensor: requantisation.output(), shape, quantisation };
        let matrix = Matrix::new(&plan.weights.values, self.inputs, plan.limits.sum);
        let (bias, rescaling) = (plan.bias, plan.rescaling);
        Ok((output, Box::new(LoweredDense { matrix, bias, rescaling, sums, requantisation })))
    }
}

/// D1 and D2.
#[derive(Debug)]
struct Sums {
    weight: TensorId,
    product: TensorId,
    bias: Option<BiasRows>,
}

impl Sums {
    fn lower(builder: &mut Lowering, shape: &Shape, input: &Activation, plan: &Plan) -> Result<Self, LayerError> {
        let (tensor, rows) = builder.unshaped(input);
        let mut dims = rows.dims().to_vec();
        let summed: String = "ijklmnpqrstuvwx".chars().take(dims.len().saturating_sub(1)).collect();
        dims.iter_mut().take(1).for_each(|rows| *rows = shape.dims().last().copied().unwrap_or(1));
        let matrix =
            Shape::new(dims).ok_or_else(|| LayerError::shape(builder.layer(), "the weight is empty or too large"))?;
        let (largest, most) = (plan.weights.largest, plan.limits.product);
        let weight = builder.fixed("weight", &matrix, Bounds::new(-largest, largest), plan.weights.values.clone());
        let product = builder.value("product", shape, -most, most);
        builder.einsum("product", &format!("b{summed},o{summed}->bo"), product, &[tensor, weight])?;
        let bias = plan.bias.clone();
        let bias = bias.map(|values| BiasRows::lower(builder, shape, 1, values, plan.limits.bias)).transpose()?;
        Ok(Self { weight, product, bias })
    }

    /// The accumulator, before the multiplier.
    fn terms(&self) -> Vec<(i64, TensorId)> {
        let mut terms = vec![(1, self.product)];
        terms.extend(self.bias.as_ref().map(|bias| (1, bias.spread())));
        terms
    }
}

#[derive(Debug)]
struct LoweredDense {
    matrix: Matrix,
    bias: Option<Vec<i64>>,
    rescaling: Rescaling,
    sums: Sums,
    requantisation: Requantisation,
}

impl Step for LoweredDense {
    fn infer(&self, inputs: &[&[i64]]) -> Vec<i64> {
        let rescaling = &self.rescaling;
        match &self.bias {
            Some(bias) => self.matrix.multiply(first(inputs), |o, sum| rescaling.channel_output(o, sum + bias[o])),
            None => self.matrix.multiply(first(inputs), |o, sum| rescaling.channel_output(o, sum)),
        }
    }

    /// Records the virtual tensors too: the generic evaluation of an einsum is far slower than this product.
    fn record(&self, inputs: &[&[i64]], recorder: &mut Recorder) -> Vec<i64> {
        let products = self.matrix.sums(first(inputs), self.sums.weight, recorder);
        let mut sums = products.clone();
        recorder.set(self.sums.product, products);
        if let Some(bias) = &self.sums.bias {
            bias.record(&mut sums, recorder);
        }
        self.requantisation.record(&sums, recorder)
    }
}

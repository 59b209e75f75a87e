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
//! | D4 | `acc + 2^(t-1) = z·2^t + rem`; `(z, y)` in the clamp table | `z = floor((acc + 2^(t-1))/2^t)`, unique |
//!
//! `X = 2^(B-1)` bounds the input, `W` the weights. Only D4 commits to anything: product, bias and accumulator
//! are virtual, so a claim on the accumulator passes through D3 and ends, by D1 and D2, on input, weight and bias.
//!
//! **The bias must only touch true cells.** Tensors are padded with zeros, so the extension of "add `b_o` to every
//! row" is `b~(r_o)` times the extension of the *true* rows' indicator, not `b~(r_o)` alone. `one` is that indicator: a
//! public tensor `[rows]` with bounds `[1, 1]`. Bounds of public tensors are checked where their values enter the
//! verifier, so it can hold nothing but ones, and the verifier evaluates it itself in `O(rows)`: no opening, and
//! nothing to trust in the key. The zero padding of `one` and of `b` is what makes padded rows and columns zero.
//!
//! ReLU costs nothing: it is the clamp table `z -> clamp(z, 0, hi)` in place of `z -> clamp(z, lo, hi)`. Rounding
//! comes first, so `z = 0` is `acc/2^t` in `[-1/2, 1/2)`.
//!
//! The clamp table is sized by `max_o (X·Σ_i |w_oi| + |b_o|)`, which every admissible input respects, so the
//! honest prover never fails. What must not wrap is judged by the weaker `n·X·W + max |b_o|`: that is all
//! [`zkml_core::Program::check`] knows.
//!
//! Cost: `t/l + 1` lookups and as many committed cells per output; nothing per weight but the opening of one claim
//! on the weight. See `papers/dense.md`.

use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use zkml_core::{Bounds, Residence, Shape, TensorId};

use crate::kernel::{FloatTensor, Kernel, KernelInfo, Step, first, sole};
use crate::lowering::{Activation, Lowering, Recorder};
use crate::matmul::Matrix;
use crate::requantise::{Accumulator, Requantisation, Rescaling};
use crate::{LayerError, Quantisation};

/// Accumulators stay below two to this power, before the multiplier.
const MAX_ACCUMULATOR_BITS: u32 = 60;

/// What follows the matrix product.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Nonlinearity {
    /// Nothing.
    #[default]
    None,
    /// `max(0, v)`.
    Relu,
}

/// A dense layer `f(x·Wᵀ + b)` over `[rows, inputs]`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Dense {
    /// The layer's name.
    pub name: String,
    /// Real weights `[outputs, inputs]`, row-major.
    pub weight: Vec<f64>,
    /// Length of an input row.
    pub inputs: usize,
    /// One real number per output.
    pub bias: Option<Vec<f64>>,
    /// Applied to the sums.
    pub nonlinearity: Nonlinearity,
    /// Bits of the quantised weights and output, sign included.
    pub bits: u32,
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
        let [_, columns] = *input.dims() else {
            return refuse(format!("the input is {input}; it must be [rows, n]"));
        };
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

    fn apply(&self, value: f64) -> f64 {
        match self.nonlinearity {
            Nonlinearity::None => value,
            Nonlinearity::Relu => value.max(0.0),
        }
    }

    /// The bias in units of the accumulator, `step` each.
    fn quantised_bias(&self, step: f64) -> Result<Option<Vec<i64>>, LayerError> {
        let Some(bias) = &self.bias else { return Ok(None) };
        let limit = (1_i64 << MAX_ACCUMULATOR_BITS) as f64;
        let integer = |(index, value): (usize, &f64)| {
            let scaled = (value / step).round();
            if scaled.abs() < limit {
                return Ok(scaled as i64);
            }
            let what = format!("bias value {index} is {value:e}: too large for products with a step of {step:e}");
            Err(LayerError::parameter(&self.name, what))
        };
        bias.iter().enumerate().map(integer).collect::<Result<_, _>>().map(Some)
    }

    /// Quantised weights and bias, their bounds, and how accumulators become outputs.
    fn plan(&self, builder: &Lowering, input: Quantisation) -> Result<Plan, LayerError> {
        let quantisation = Quantisation::calibrate(&self.name, self.bits, &self.weight)?;
        let weight = quantisation.quantise(&self.weight);
        let step = input.scale * quantisation.scale;
        let bias = self.quantised_bias(step)?;
        let limits = Limits::new(&weight, self.inputs, bias.as_deref(), input)
            .ok_or_else(|| LayerError::parameter(&self.name, "the sums are too large; use fewer bits"))?;
        let worst = limits.honest as f64 * step;
        let largest = builder.output_largest().filter(|&l| l > 0.0).unwrap_or(worst);
        let target = Quantisation::for_largest(&self.name, self.bits, largest)?;
        let accumulator = Accumulator { step, honest: limits.honest, proven: limits.product + limits.bias };
        let mut rescaling = Rescaling::plan(&self.name, accumulator, target, builder.limb_bits())?;
        if self.nonlinearity == Nonlinearity::Relu {
            rescaling.clamp.lo = 0;
        }
        Ok(Plan { weight, bias, limits, rescaling })
    }
}

/// Bounds on magnitudes, in units of the accumulator.
#[derive(Clone, Copy, Debug)]
struct Limits {
    /// Of a weight; at least 1.
    weight: i64,
    /// Of a product, from the bounds of input and weight alone.
    product: i64,
    /// Of a bias; 0 without one.
    bias: i64,
    /// Of `Σ_i |x_bi·w_oi|` for the weights at hand.
    sum: i64,
    /// Of a sum with its bias, for the weights at hand.
    honest: i64,
}

impl Limits {
    /// `None` if something reaches `2^MAX_ACCUMULATOR_BITS`.
    fn new(weight: &[i64], inputs: usize, bias: Option<&[i64]>, input: Quantisation) -> Option<Self> {
        let largest_input = -input.bounds().lo;
        let largest = weight.iter().map(|w| w.abs()).max()?.max(1);
        let below = |v: i128| i64::try_from(v).ok().filter(|&v| v < 1 << MAX_ACCUMULATOR_BITS);
        let product = below(inputs as i128 * i128::from(largest_input) * i128::from(largest))?;
        let (mut sum, mut honest, mut largest_bias) = (0, 0, 0);
        // With the product's bound, no sum of a row overflows.
        for (o, row) in weight.chunks(inputs).enumerate() {
            let own = row.iter().map(|w| w.abs()).sum::<i64>() * largest_input;
            let bias = bias.and_then(|b| b.get(o)).map_or(0, |b| b.abs());
            sum = sum.max(own);
            honest = honest.max(own + bias);
            largest_bias = largest_bias.max(bias);
        }
        Some(Self { weight: largest, product, bias: largest_bias, sum, honest: honest.max(1) })
    }
}

#[derive(Debug)]
struct Plan {
    weight: Vec<i64>,
    bias: Option<Vec<i64>>,
    limits: Limits,
    rescaling: Rescaling,
}

impl Kernel for Dense {
    fn info(&self) -> KernelInfo {
        Self::INFO
    }

    fn name(&self) -> &str {
        &self.name
    }

    fn limb_bits(&self) -> Option<u32> {
        self.limb_bits
    }

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
            sums.enumerate().map(|(o, sum)| self.apply(sum + bias(o))).collect::<Vec<f64>>()
        };
        let values = inputs.first().map_or(&[][..], |input| input.values);
        values.par_chunks(self.inputs.max(1)).flat_map_iter(row).collect()
    }

    fn lower(&self, builder: &mut Lowering, inputs: &[&Activation]) -> Result<(Activation, Box<dyn Step>), LayerError> {
        let input = *sole(&self.name, inputs)?;
        let shape = self.output_shape(std::slice::from_ref(&input.shape))?;
        let plan = self.plan(builder, input.quantisation)?;
        let sums = Sums::lower(builder, &shape, input, self.inputs, &plan)?;
        let requantisation = Requantisation::lower(builder, &shape, sums.accumulator, plan.rescaling)?;
        let quantisation = plan.rescaling.output;
        let output = Activation { tensor: requantisation.output(), shape, quantisation };
        let matrix = Matrix::new(&plan.weight, self.inputs, plan.limits.sum);
        let (bias, rescaling) = (plan.bias, plan.rescaling);
        Ok((output, Box::new(LoweredDense { matrix, bias, rescaling, sums, requantisation })))
    }
}

fn axis(layer: &str, length: usize) -> Result<Shape, LayerError> {
    Shape::new([length]).ok_or_else(|| LayerError::shape(layer, "an axis is empty"))
}

/// D1 to D3.
#[derive(Debug)]
struct Sums {
    product: TensorId,
    /// `one` and `bias-rows`.
    bias: Option<(TensorId, TensorId)>,
    accumulator: TensorId,
}

impl Sums {
    fn lower(
        builder: &mut Lowering,
        shape: &Shape,
        input: &Activation,
        inputs: usize,
        plan: &Plan,
    ) -> Result<Self, LayerError> {
        let Limits { weight: largest, product: most, bias: most_bias, .. } = plan.limits;
        let (rows, outputs) = (input.shape.dims().first().copied().unwrap_or(1), plan.weight.len() / inputs.max(1));
        let matrix = Shape::new([outputs, inputs])
            .ok_or_else(|| LayerError::shape(builder.layer(), "the weight is empty or too large"))?;
        let weight = builder.fixed("weight", &matrix, Bounds::new(-largest, largest), plan.weight.clone());
        let product = builder.value("product", shape, -most, most);
        builder.einsum("product", "bi,oi->bo", product, &[input.tensor, weight])?;
        let multiplier = plan.rescaling.multiplier;
        let mut terms = vec![(multiplier, product)];
        let mut broadcast = None;
        if let Some(values) = &plan.bias {
            let (rows, outputs) = (axis(builder.layer(), rows)?, axis(builder.layer(), outputs)?);
            let one = builder.tensor("one", &rows, Bounds::new(1, 1), Residence::Public);
            let bias = builder.fixed("bias", &outputs, Bounds::new(-most_bias, most_bias), values.clone());
            let spread = builder.value("bias-rows", shape, -most_bias, most_bias);
            builder.einsum("bias-rows", "b,o->bo", spread, &[one, bias])?;
            terms.push((multiplier, spread));
            broadcast = Some((one, spread));
        }
        // `Rescaling::plan` keeps this below `2^62`.
        let most = multiplier * (most + most_bias);
        let accumulator = builder.value("accumulator", shape, -most, most);
        builder.affine("accumulator", accumulator, terms, 0);
        Ok(Self { product, bias: broadcast, accumulator })
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
        let input = first(inputs);
        match &self.bias {
            Some(bias) => self.matrix.multiply(input, |o, sum| self.rescaling.output(sum + bias[o])),
            None => self.matrix.multiply(input, |_, sum| self.rescaling.output(sum)),
        }
    }

    /// Records the virtual tensors too: the generic evaluation of an einsum is far slower than this product.
    fn record(&self, inputs: &[&[i64]], recorder: &mut Recorder) -> Vec<i64> {
        let input = first(inputs);
        let products = self.matrix.multiply(input, |_, sum| sum);
        let sums = match (&self.bias, self.sums.bias) {
            (Some(bias), Some((one, spread))) => {
                let rows = products.len() / bias.len().max(1);
                recorder.set(one, vec![1; rows]);
                recorder.set(spread, bias.repeat(rows));
                let rows = products.par_chunks(bias.len());
                rows.flat_map_iter(|row| row.iter().zip(bias).map(|(sum, b)| sum + b)).collect()
            }
            _ => products.clone(),
        };
        recorder.set(self.sums.product, products);
        let outputs = self.requantisation.record(&sums, recorder);
        let multiplier = self.rescaling.multiplier;
        recorder.set(self.sums.accumulator, sums.par_iter().map(|sum| multiplier * sum).collect());
        outputs
    }
}

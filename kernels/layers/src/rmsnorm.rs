//! RMSNorm over the last axis: `y_i = g_i · x_i / sqrt(mean(x²) + eps)`, as an exact statement about integers.
//!
//! For a row `x` of `n` integers of at most `B` bits, the quantised gain `g`, and the constant
//! `E = max(1, round(n·eps/scale(x)²))`:
//!
//! | | relation | proven for every accepted witness |
//! |---|---|---|
//! | R1 | `a = E + Σ x_i²` | `1 <= a < 2^30`, because `n·4^(B-1) + E < 2^30` |
//! | R2 | `p` in `{2^0, …, 2^14}`; `a' = a·p²`; `a' - 2^28 >= 0`, `2^30 - 1 - a' >= 0` | `p` is unique: the window is one factor 4 wide |
//! | R3 | `h = r·a'`, `q = r·h`; `r >= 0`, `2^15 - r >= 0`; `K - q >= 0`, `q + 2h + a' - K - 1 >= 0` with `K = 2^58` | `r² a' <= K < (r+1)² a'`, so `r = floor(sqrt(K/a'))`, unique |
//! | R4 | `w = r·p`; `acc_i = x_i·g_i·m·w`; `acc_i + 2^(t-1) = z_i·2^t + rem_i`; `(z_i, y_i)` in the clamp table | `z_i = floor((acc_i + 2^(t-1))/2^t)`, unique |
//!
//! Every `>= 0` is a decomposition into range-checked limbs ([`crate::limbs`]), so nothing in the table rests on
//! the prover's goodwill: `a < 2^30` and `p <= 2^14` give `a·p² < 2^58`; `r <= 2^15` (both sides checked) and
//! `a' < 2^30` give `q <= 2^60`; all limb sums stay below `2^62`. No side of an equation reaches half the field, so
//! equality modulo `p` is equality of integers. [`zkml_core::Program::check`] derives the same bounds
//! mechanically.
//!
//! `w` is at most `2^29/sqrt(a)`, with relative error below `2^-14`. So `w·|x_i| <= 2^29·X/sqrt(E + X²) < 2^29` for
//! `|x_i| <= X = 2^(B-1)`, because `E + x_i² <= a`: that is what sizes the clamp table.
//!
//! Cost, with limbs of `l` bits: `2·ceil(30/l) + 2·ceil(16/l) + 2·ceil(46/l) + 1` lookups per row and `t/l + 1` per
//! element; see `papers/rmsnorm.md`.

use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use zkml_core::{Bounds, Shape, TensorId};

use crate::kernel::{FloatTensor, Kernel, KernelInfo, Step, accessors, first, sole};
use crate::lowering::{Activation, Lowering, Recorder};
use crate::requantise::{Accumulator, Requantisation, Rescaling};
use crate::rsqrt::{ReciprocalRoot, Root, Row, largest_weighted};
use crate::{LayerError, Quantisation};

/// `a` stays below two to this power.
const SUM_BITS: u32 = 30;
/// Elements that one parallel job handles at least.
const JOB_ELEMENTS: usize = 1 << 12;

/// Root-mean-square normalisation `gain · x / sqrt(mean(x²) + eps)` over the last axis of `[rows, n]`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RmsNorm {
    /// The layer's name.
    pub name: String,
    /// One real gain per column.
    pub gain: Vec<f64>,
    /// Added to the mean square. At least 0; the integer constant `E` is at least 1.
    pub eps: f64,
    /// Bits of the quantised gain and output, sign included.
    pub output_bits: u32,
    /// Width of the range-checked limbs; `None` chooses the cheapest.
    pub limb_bits: Option<u32>,
}

impl RmsNorm {
    /// What the kernel is.
    pub const INFO: KernelInfo = KernelInfo {
        id: "rmsnorm",
        about: "root-mean-square normalisation over the last axis, with an exact integer reciprocal square root",
    };

    /// `E`, after checking that `a` stays below `2^30` for every admissible row.
    fn epsilon(&self, columns: usize, input: Quantisation) -> Result<i64, LayerError> {
        let refuse = |what: String| Err(LayerError::parameter(&self.name, what));
        if !(self.eps.is_finite() && self.eps >= 0.0) {
            return refuse(format!("eps is {}; it must be finite and not negative", self.eps));
        }
        let limit = 1_i64 << SUM_BITS;
        let room = limit / columns as i64;
        if columns as i64 >= limit >> (2 * (input.bits - 1)) {
            let most = (2..=input.bits).rev().find(|b| 1 << (2 * (b - 1)) < room);
            return refuse(match most {
                Some(bits) => format!("rows of {columns} values need activations of at most {bits} bits"),
                None => format!("rows of {columns} values are too long for the exact square root"),
            });
        }
        let epsilon = (columns as f64 * self.eps / (input.scale * input.scale)).round().max(1.0);
        let sum = columns as i64 * (1 << (2 * (input.bits - 1)));
        if epsilon >= (limit - sum) as f64 {
            return refuse(format!(
                "eps {:e} is too large for an input step of {:e}: the input is smaller than sqrt(eps); rescale it",
                self.eps, input.scale
            ));
        }
        Ok(epsilon as i64)
    }

    /// Quantised gain, and how accumulators become outputs.
    fn plan(&self, builder: &Lowering, columns: usize, input: Quantisation) -> Result<Plan, LayerError> {
        let epsilon = self.epsilon(columns, input)?;
        let quantisation = Quantisation::calibrate(&self.name, self.output_bits, &self.gain)?;
        let gain = quantisation.quantise(&self.gain);
        let largest_gain = gain.iter().map(|g| g.abs()).max().unwrap_or(0).max(1);
        let norm = (columns as f64).sqrt();
        let worst = norm * self.gain.iter().fold(0.0_f64, |m, g| m.max(g.abs()));
        let largest = builder.output_largest().filter(|&l| l > 0.0).unwrap_or(worst);
        let target = Quantisation::for_largest(&self.name, self.output_bits, largest)?;
        let root = Root::new(&self.name, 1, (1 << SUM_BITS) - 1, builder.limb_bits())?;
        // `w·|x|` is at most `2^29·|x|/sqrt(E + x²)`, which grows with `|x|`.
        let extreme = f64::from(1 << (input.bits - 1));
        let share = extreme / (epsilon as f64 + extreme * extreme).sqrt();
        let accumulator = Accumulator {
            step: quantisation.scale * norm / f64::from(root.scale_bits()).exp2(),
            honest: largest_gain * largest_weighted(root, share).min(1 << root.scale_bits()),
            proven: (largest_gain << root.weight_bits()) << (input.bits - 1),
        };
        let rescaling = Rescaling::plan(&self.name, accumulator, target, builder.limb_bits())?;
        Ok(Plan { gain, largest_gain, epsilon, root, rescaling })
    }
}

#[derive(Debug)]
struct Plan {
    gain: Vec<i64>,
    largest_gain: i64,
    epsilon: i64,
    root: Root,
    rescaling: Rescaling,
}

impl Kernel for RmsNorm {
    accessors!();

    fn output_shape(&self, inputs: &[Shape]) -> Result<Shape, LayerError> {
        let input = sole(&self.name, inputs)?;
        row_length(&self.name, input, self.gain.len()).map(|_| input.clone())
    }

    fn float(&self, inputs: &[FloatTensor<'_>]) -> Vec<f64> {
        let Some(&FloatTensor { shape, values }) = inputs.first() else { return Vec::new() };
        let columns = shape.dims().last().copied().unwrap_or(1).max(1);
        let normalise = |row: &[f64]| {
            let mean = row.iter().map(|x| x * x).sum::<f64>() / columns as f64;
            let inverse = 1.0 / (mean + self.eps).sqrt();
            // A row of zeros without eps: the integer layer gives zeros too.
            let inverse = if inverse.is_finite() { inverse } else { 0.0 };
            row.iter().zip(&self.gain).map(|(x, g)| g * x * inverse).collect::<Vec<f64>>()
        };
        values.chunks(columns).flat_map(normalise).collect()
    }

    fn lower(&self, builder: &mut Lowering, inputs: &[&Activation]) -> Result<(Activation, Box<dyn Step>), LayerError> {
        let input = *sole(&self.name, inputs)?;
        let columns = row_length(&self.name, &input.shape, self.gain.len())?;
        let plan = self.plan(builder, columns, input.quantisation)?;
        builder.parameter("epsilon", &plan.epsilon);
        let rows = row_shape(&self.name, &input.shape)?;
        let sum = sum_of_squares(builder, &rows, input, columns, plan.epsilon)?;
        let root = ReciprocalRoot::lower(builder, &rows, sum, plan.root)?;
        let scaled = self.scaling(builder, &rows, input, &plan, &root)?;
        let requantisation = Requantisation::lower(builder, &input.shape, scaled, plan.rescaling.clone())?;
        let output = Activation {
            tensor: requantisation.output(),
            shape: input.shape.clone(),
            quantisation: plan.rescaling.output,
        };
        let Plan { gain, epsilon, rescaling, .. } = plan;
        let integers = Integers { gain, epsilon, root: plan.root, rescaling };
        Ok((output, Box::new(LoweredRmsNorm { integers, root, requantisation })))
    }
}

/// Length of a row of `[rows, n]`, which has to be that of the gain.
pub(crate) fn row_length(layer: &str, input: &Shape, gain: usize) -> Result<usize, LayerError> {
    match *input.dims() {
        [_, columns] if columns == gain => Ok(columns),
        [_, columns] => Err(LayerError::shape(layer, format!("the gain has {gain} values for rows of {columns}"))),
        _ => Err(LayerError::shape(layer, format!("the input is {input}; it must be [rows, n]"))),
    }
}

/// The shape of one value per row.
pub(crate) fn row_shape(layer: &str, input: &Shape) -> Result<Shape, LayerError> {
    let rows = input.dims().first().copied().unwrap_or(1);
    Shape::new([rows]).ok_or_else(|| LayerError::shape(layer, "the input has no rows"))
}

/// R1: `a = E + Σ x²`.
fn sum_of_squares(
    builder: &mut Lowering,
    rows: &Shape,
    input: &Activation,
    columns: usize,
    epsilon: i64,
) -> Result<TensorId, LayerError> {
    let most = columns as i64 * (1 << (2 * (input.quantisation.bits - 1)));
    let squares = builder.value("sum-of-squares", rows, 0, most);
    builder.einsum("sum-of-squares", "bi,bi->b", squares, &[input.tensor, input.tensor])?;
    let sum = builder.value("sum", rows, epsilon, epsilon + most);
    builder.affine("epsilon", sum, vec![(1, squares)], epsilon);
    Ok(sum)
}

impl RmsNorm {
    /// R4 up to the accumulator: `acc = x·g·m·w`.
    fn scaling(
        &self,
        builder: &mut Lowering,
        rows: &Shape,
        input: &Activation,
        plan: &Plan,
        root: &ReciprocalRoot,
    ) -> Result<TensorId, LayerError> {
        let multiplier = plan.rescaling.multiplier;
        let scaled_weight = root.scaled_weight(builder, rows, multiplier)?;
        let columns =
            Shape::new([plan.gain.len()]).ok_or_else(|| LayerError::shape(&self.name, "the gain is empty"))?;
        let gain_bounds = Bounds::new(-plan.largest_gain, plan.largest_gain);
        let gain = builder.fixed("gain", &columns, gain_bounds, plan.gain.clone());
        let most = (multiplier * plan.largest_gain) << (plan.root.weight_bits() + input.quantisation.bits - 1);
        let accumulator = builder.value("accumulator", &input.shape, -most, most);
        builder.einsum("scale", "bi,i,b->bi", accumulator, &[input.tensor, gain, scaled_weight])?;
        Ok(accumulator)
    }
}

/// What the layer computes, without the proof's intermediate values.
#[derive(Debug)]
struct Integers {
    gain: Vec<i64>,
    epsilon: i64,
    root: Root,
    rescaling: Rescaling,
}

impl Integers {
    fn row(&self, row: &[i64]) -> Row {
        self.root.row(self.epsilon + row.iter().map(|x| x * x).sum::<i64>())
    }

    fn min_rows(&self) -> usize {
        (JOB_ELEMENTS / self.gain.len().max(1)).max(1)
    }
}

#[derive(Debug)]
struct LoweredRmsNorm {
    integers: Integers,
    root: ReciprocalRoot,
    requantisation: Requantisation,
}

impl Step for LoweredRmsNorm {
    fn infer(&self, inputs: &[&[i64]]) -> Vec<i64> {
        let input = first(inputs);
        let Integers { gain, rescaling, .. } = &self.integers;
        let columns = gain.len();
        let mut output = vec![0; input.len()];
        let rows = output.par_chunks_mut(columns).zip(input.par_chunks(columns));
        rows.with_min_len(self.integers.min_rows()).for_each(|(output, row)| {
            let weight = self.integers.row(row).weight();
            for ((y, x), g) in output.iter_mut().zip(row).zip(gain) {
                *y = rescaling.output(x * g * weight);
            }
        });
        output
    }

    fn record(&self, inputs: &[&[i64]], recorder: &mut Recorder) -> Vec<i64> {
        let input = first(inputs);
        let gain = &self.integers.gain;
        let columns = gain.len();
        let chunks = || input.par_chunks(columns).with_min_len(self.integers.min_rows());
        let rows: Vec<Row> = chunks().map(|row| self.integers.row(row)).collect();
        self.root.record(&rows, recorder);
        let accumulators: Vec<i64> = chunks()
            .zip(&rows)
            .flat_map_iter(|(row, own)| {
                let weight = own.weight();
                row.iter().zip(gain).map(move |(x, g)| x * g * weight)
            })
            .collect();
        self.requantisation.record(&accumulators, recorder)
    }
}

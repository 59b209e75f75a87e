//! LayerNorm over the last axis: `y_i = g_i · (x_i - mean) / sqrt(variance + eps) + b_i`, as an exact statement about
//! integers.
//!
//! For a row `x` of `n` integers of at most `B` bits, the quantised gain `g`, the bias `b` in units of the accumulator, and
//! the constant `E = max(E_min, round(n²·eps/scale(x)²))`:
//!
//! | | relation | proven for every accepted witness |
//! |---|---|---|
//! | L1 | `s = Σ x_i`; `a = n·Σ x_i² - s² + E` | `a = n²·variance + E`, so `E <= a` for every `x` |
//! | L2 | `w = floor(sqrt(K/a'))·p`, `a' = a·p²` | the reciprocal root of `rsqrt.rs`, unique |
//! | L3 | `scaled_i = x_i·g_i·m·w`; `shift_i = (s·m·w)·g_i` | Einsum `bi,i,b->bi` and `b,i->bi` |
//! | L4 | `acc_i = n·scaled_i - shift_i + m·b_i` | `(n·x_i - s)·g_i·m·w + m·b_i`, in true cells only |
//! | L5 | `acc_i + 2^(t-1) = z_i·2^t + rem_i`; `y_i = clamp(z_i)` | `z_i = floor((acc_i + 2^(t-1))/2^t)`, unique |
//!
//! The mean is never divided: `(x_i - mean)/sqrt(variance + eps)` is `(n·x_i - s)/sqrt(a)`, exactly.
//!
//! Interval arithmetic sees `-n²·X² + E <= a <= n²·X² + E` with `X = 2^(B-1)`; that `a >= E` is the inequality of Cauchy and
//! Schwarz, which the honest prover relies on and the verifier does not need: a row has no `p` unless `a >= 1`, and one
//! `p` otherwise. Products stay below `2^62` if the exponent of `p` is bounded by `E`, so `E` is at least `E_min`, the
//! smallest power of two with `2·bits(n²·X²) + 1 - log2(E_min) <= 62`. As an eps that is a standard deviation of at most
//! `2^-11` of the input's full scale: for 8 bits, a twentieth of a step, far below the rounding of the input.
//!
//! `|n·x_i - s|` is at most `sqrt((n-1)·(a-E))`, as the centred row sums to zero: that is what the clamping covers.
//!
//! Cost: that of RMSNorm.

use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use zkml_core::{Bounds, Shape, TensorId};

use crate::bias::BiasRows;
use crate::kernel::{FloatTensor, Kernel, KernelInfo, Step, accessors, first, sole};
use crate::lowering::{Activation, Lowering, Recorder};
use crate::requantise::{Accumulator, Requantisation, Rescaling};
use crate::rmsnorm::{row_length, row_shape};
use crate::rsqrt::{ReciprocalRoot, Root, Row, largest_weighted};
use crate::{LayerError, Quantisation};

/// Sums of squares stay below two to this power.
const MAX_SUM_BITS: u32 = 38;
/// A bias stays below two to this power, in units of the accumulator.
const MAX_BIAS_BITS: u32 = 56;
/// Elements that one parallel job handles at least.
const JOB_ELEMENTS: usize = 1 << 12;

/// Normalisation of every row of `[rows, n]` to mean 0 and variance 1, times a gain, plus a bias.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LayerNorm {
    /// The layer's name.
    pub name: String,
    /// One real gain per column.
    pub gain: Vec<f64>,
    /// One real number per column, added last.
    pub bias: Option<Vec<f64>>,
    /// Added to the variance. At least 0; the integer constant `E` is at least `E_min`.
    pub eps: f64,
    /// Bits of the quantised gain and output, sign included.
    pub output_bits: u32,
    /// Width of the range-checked limbs; `None` chooses the cheapest.
    pub limb_bits: Option<u32>,
}

#[derive(Debug)]
struct Plan {
    gain: Vec<i64>,
    largest_gain: i64,
    bias: Option<Vec<i64>>,
    largest_bias: i64,
    epsilon: i64,
    /// `n²·X²`.
    squares: i64,
    root: Root,
    /// Bound on an unscaled accumulator.
    proven: i64,
    rescaling: Rescaling,
}

impl LayerNorm {
    /// What the kernel is.
    pub const INFO: KernelInfo = KernelInfo {
        id: "layernorm",
        about: "normalisation to mean 0 and variance 1 over the last axis, with gain and bias; exact in integers",
    };

    /// `E` and `n²·X²`.
    fn epsilon(&self, columns: usize, input: Quantisation) -> Result<(i64, i64), LayerError> {
        let refuse = |what: String| Err(LayerError::parameter(&self.name, what));
        if !(self.eps.is_finite() && self.eps >= 0.0) {
            return refuse(format!("eps is {}; it must be finite and not negative", self.eps));
        }
        let limit = 1_i128 << MAX_SUM_BITS;
        let squares = (columns as i128).pow(2) << (2 * (input.bits - 1));
        if squares >= limit {
            let most = (2..=input.bits).rev().find(|b| (columns as i128).pow(2) << (2 * (b - 1)) < limit);
            return refuse(match most {
                Some(bits) => format!("rows of {columns} values need activations of at most {bits} bits"),
                None => format!("rows of {columns} values are too long for the exact square root"),
            });
        }
        let epsilon = ((columns as f64 / input.scale).powi(2) * self.eps).round().max(1.0);
        if epsilon >= (limit - squares) as f64 {
            return refuse(format!(
                "eps {:e} is too large for an input step of {:e}: the input is smaller than sqrt(eps); rescale it",
                self.eps, input.scale
            ));
        }
        let squares = squares as i64;
        let mut epsilon = epsilon as i64;
        // The smallest constant may make the sum longer by a bit, and that the constant larger, once.
        for _ in 0..2 {
            epsilon = epsilon.max(Root::least(squares + epsilon));
        }
        Ok((epsilon, squares))
    }

    /// The bias in units of the accumulator, `step` each.
    fn quantised_bias(&self, step: f64) -> Result<Option<Vec<i64>>, LayerError> {
        let integer = |(index, value): (usize, &f64)| {
            let scaled = (value / step).round();
            if scaled.abs() < (1_i64 << MAX_BIAS_BITS) as f64 {
                return Ok(scaled as i64);
            }
            let what = format!("bias value {index} is {value:e}: too large beside the gain");
            Err(LayerError::parameter(&self.name, what))
        };
        self.bias.as_ref().map(|bias| bias.iter().enumerate().map(integer).collect()).transpose()
    }

    fn plan(&self, builder: &Lowering, columns: usize, input: Quantisation) -> Result<Plan, LayerError> {
        let (epsilon, squares) = self.epsilon(columns, input)?;
        let quantisation = Quantisation::calibrate(&self.name, self.output_bits, &self.gain)?;
        let gain = quantisation.quantise(&self.gain);
        let largest_gain = gain.iter().map(|g| g.abs()).max().unwrap_or(0).max(1);
        let root = Root::new(&self.name, epsilon, squares + epsilon, builder.limb_bits())?;
        let step = quantisation.scale / f64::from(root.scale_bits()).exp2();
        let bias = self.quantised_bias(step)?;
        let largest_bias = bias.iter().flatten().map(|b| b.abs()).max().unwrap_or(0);
        // |n·x - s| <= C and (n·x - s)² <= (n-1)·(a-E).
        let (others, extreme) = ((columns - 1) as f64, -input.bounds().lo);
        let furthest = 2.0 * others * extreme as f64;
        let share =
            if others > 0.0 { (epsilon as f64 / furthest.powi(2) + others.recip()).sqrt().recip() } else { 0.0 };
        let honest = largest_gain * largest_weighted(root, share) + largest_bias;
        let proven = i128::from(2 * extreme * largest_gain) * columns as i128 * (1_i128 << root.weight_bits());
        let too_large = || LayerError::parameter(&self.name, "the products are too large; use fewer bits");
        let proven = i64::try_from(proven).ok().filter(|&p| p < 1 << 60).ok_or_else(too_large)? + largest_bias;
        let worst = honest as f64 * step;
        let largest = builder.output_largest().filter(|&l| l > 0.0).unwrap_or(worst);
        let target = Quantisation::for_largest(&self.name, self.output_bits, largest)?;
        let accumulator = Accumulator { step, honest, proven };
        let rescaling = Rescaling::plan(&self.name, accumulator, target, builder.limb_bits())?;
        Ok(Plan { gain, largest_gain, bias, largest_bias, epsilon, squares, root, proven, rescaling })
    }
}

impl Kernel for LayerNorm {
    accessors!();

    fn output_shape(&self, inputs: &[Shape]) -> Result<Shape, LayerError> {
        let input = sole(&self.name, inputs)?;
        let columns = row_length(&self.name, input, self.gain.len())?;
        match &self.bias {
            Some(bias) if bias.len() != columns => {
                let what = format!("the bias has {} values for rows of {columns}", bias.len());
                Err(LayerError::shape(&self.name, what))
            }
            _ => Ok(input.clone()),
        }
    }

    fn float(&self, inputs: &[FloatTensor<'_>]) -> Vec<f64> {
        let Some(&FloatTensor { values, .. }) = inputs.first() else { return Vec::new() };
        let columns = self.gain.len().max(1);
        let normalise = |row: &[f64]| {
            let mean = row.iter().sum::<f64>() / columns as f64;
            let variance = row.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / columns as f64;
            let inverse = 1.0 / (variance + self.eps).sqrt();
            // A row of equal values without eps: the integer layer gives the bias.
            let inverse = if inverse.is_finite() { inverse } else { 0.0 };
            let bias = |i: usize| self.bias.as_ref().and_then(|b| b.get(i)).copied().unwrap_or(0.0);
            let cells = row.iter().zip(&self.gain).enumerate();
            cells.map(|(i, (x, g))| g * (x - mean) * inverse + bias(i)).collect::<Vec<f64>>()
        };
        values.chunks(columns).flat_map(normalise).collect()
    }

    fn lower(&self, builder: &mut Lowering, inputs: &[&Activation]) -> Result<(Activation, Box<dyn Step>), LayerError> {
        let input = *sole(&self.name, inputs)?;
        let columns = row_length(&self.name, &input.shape, self.gain.len())?;
        let plan = self.plan(builder, columns, input.quantisation)?;
        builder.parameter("epsilon", &plan.epsilon);
        let rows = row_shape(&self.name, &input.shape)?;
        let (total, spread) = spread(builder, &rows, input, &plan)?;
        let root = ReciprocalRoot::lower(builder, &rows, spread, plan.root)?;
        let sums = Sums::lower(builder, &rows, input, &plan, &root, total)?;
        let requantisation = Requantisation::lower(builder, &input.shape, sums.scaled, plan.rescaling.clone())?;
        let output = Activation {
            tensor: requantisation.output(),
            shape: input.shape.clone(),
            quantisation: plan.rescaling.output,
        };
        let Plan { gain, bias, epsilon, rescaling, root: size, .. } = plan;
        let integers = Integers { gain, bias, epsilon, root: size, rescaling };
        Ok((output, Box::new(LoweredLayerNorm { integers, root, sums, requantisation })))
    }
}

/// L1: `s` and `a`.
fn spread(
    builder: &mut Lowering,
    rows: &Shape,
    input: &Activation,
    plan: &Plan,
) -> Result<(TensorId, TensorId), LayerError> {
    let columns = plan.gain.len() as i64;
    let extreme = -input.quantisation.bounds().lo;
    let total = builder.value("total", rows, -columns * extreme, columns * extreme);
    builder.einsum("total", "bi->b", total, &[input.tensor])?;
    let squares = builder.value("sum-of-squares", rows, 0, plan.squares / columns);
    builder.einsum("sum-of-squares", "bi,bi->b", squares, &[input.tensor, input.tensor])?;
    let square = builder.value("square-of-total", rows, 0, plan.squares);
    builder.einsum("square-of-total", "b,b->b", square, &[total, total])?;
    let spread = builder.value("spread", rows, plan.epsilon - plan.squares, plan.epsilon + plan.squares);
    builder.affine("spread", spread, vec![(columns, squares), (-1, square)], plan.epsilon);
    Ok((total, spread))
}

/// L3 and L4.
#[derive(Debug)]
struct Sums {
    /// `x·g·m·w`.
    products: TensorId,
    /// `s·m·w·g`.
    shift: TensorId,
    bias: Option<BiasRows>,
    scaled: TensorId,
}

impl Sums {
    fn lower(
        builder: &mut Lowering,
        rows: &Shape,
        input: &Activation,
        plan: &Plan,
        root: &ReciprocalRoot,
        total: TensorId,
    ) -> Result<Self, LayerError> {
        let (shape, multiplier, columns) = (&input.shape, plan.rescaling.multiplier, plan.gain.len() as i64);
        let weight = root.scaled_weight(builder, rows, multiplier)?;
        let axis =
            Shape::new([plan.gain.len()]).ok_or_else(|| LayerError::shape(builder.layer(), "the gain is empty"))?;
        let bounds = Bounds::new(-plan.largest_gain, plan.largest_gain);
        let gain = builder.fixed("gain", &axis, bounds, plan.gain.clone());
        let extreme = -input.quantisation.bounds().lo;
        let largest_weight = multiplier << plan.root.weight_bits();
        let most = extreme * plan.largest_gain * largest_weight;
        let products = builder.value("products", shape, -most, most);
        builder.einsum("products", "bi,i,b->bi", products, &[input.tensor, gain, weight])?;
        let most_row = columns * extreme * largest_weight;
        let weighted = builder.value("weighted-total", rows, -most_row, most_row);
        builder.einsum("weighted-total", "b,b->b", weighted, &[total, weight])?;
        let shift = builder.value("shift", shape, -columns * most, columns * most);
        builder.einsum("shift", "b,i->bi", shift, &[weighted, gain])?;
        let bias = plan.bias.clone();
        let bias = bias.map(|values| BiasRows::lower(builder, shape, 1, values, plan.largest_bias)).transpose()?;
        let most = multiplier * plan.proven;
        let scaled = builder.value("accumulator", shape, -most, most);
        let mut terms = vec![(columns, products), (-1, shift)];
        terms.extend(bias.as_ref().map(|bias| (multiplier, bias.spread())));
        builder.affine("accumulator", scaled, terms, 0);
        Ok(Self { products, shift, bias, scaled })
    }
}

/// What the layer computes, without the proof's intermediate values.
#[derive(Debug)]
struct Integers {
    gain: Vec<i64>,
    bias: Option<Vec<i64>>,
    epsilon: i64,
    root: Root,
    rescaling: Rescaling,
}

impl Integers {
    /// `s`, and the integers of the reciprocal root.
    fn row(&self, row: &[i64]) -> (i64, Row) {
        let total = row.iter().sum::<i64>();
        let squares = row.iter().map(|x| x * x).sum::<i64>();
        (total, self.root.row(row.len() as i64 * squares - total * total + self.epsilon))
    }

    fn bias(&self, column: usize) -> i64 {
        self.bias.as_ref().and_then(|b| b.get(column)).copied().unwrap_or(0)
    }

    fn min_rows(&self) -> usize {
        (JOB_ELEMENTS / self.gain.len().max(1)).max(1)
    }
}

#[derive(Debug)]
struct LoweredLayerNorm {
    integers: Integers,
    root: ReciprocalRoot,
    sums: Sums,
    requantisation: Requantisation,
}

impl Step for LoweredLayerNorm {
    fn infer(&self, inputs: &[&[i64]]) -> Vec<i64> {
        let own = &self.integers;
        let columns = own.gain.len();
        let output = |row: &[i64]| {
            let (total, root) = own.row(row);
            let weight = root.weight();
            let cells = row.iter().zip(&own.gain).enumerate();
            let sum = |(i, (x, g)): (usize, (&i64, &i64))| (columns as i64 * x - total) * g * weight + own.bias(i);
            cells.map(|cell| own.rescaling.output(sum(cell))).collect::<Vec<i64>>()
        };
        first(inputs).par_chunks(columns).with_min_len(own.min_rows()).flat_map_iter(output).collect()
    }

    fn record(&self, inputs: &[&[i64]], recorder: &mut Recorder) -> Vec<i64> {
        let own = &self.integers;
        let columns = own.gain.len();
        let chunks = || first(inputs).par_chunks(columns).with_min_len(own.min_rows());
        let rows: Vec<(i64, Row)> = chunks().map(|row| own.row(row)).collect();
        let roots: Vec<Row> = rows.iter().map(|&(_, root)| root).collect();
        self.root.record(&roots, recorder);
        let products: Vec<i64> = chunks()
            .zip(&rows)
            .flat_map_iter(|(row, (_, root))| row.iter().zip(&own.gain).map(|(x, g)| x * g * root.weight()))
            .collect();
        let shift: Vec<i64> = rows
            .par_iter()
            .flat_map_iter(|(total, root)| own.gain.iter().map(move |g| total * root.weight() * g))
            .collect();
        let mut sums: Vec<i64> = products.iter().zip(&shift).map(|(p, s)| columns as i64 * p - s).collect();
        if let Some(bias) = &self.sums.bias {
            bias.record(&mut sums, recorder);
        }
        let multiplier = own.rescaling.multiplier;
        recorder.set(self.sums.products, products.iter().map(|v| v * multiplier).collect());
        recorder.set(self.sums.shift, shift.iter().map(|v| v * multiplier).collect());
        self.requantisation.record(&sums, recorder)
    }
}

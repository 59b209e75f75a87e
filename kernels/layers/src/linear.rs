//! What dense layers and convolutions share: sums of products with a fixed weight, a bias per output channel, and
//! ReLU in the clamping.
//!
//! For weights `w_o·` of output channel `o`, a bias `b_o` in units of the accumulator and inputs of magnitude at most
//! `X`, two bounds matter. Whatever the prover commits to, a sum has magnitude at most `n·X·W + max_o |b_o|`, with `n`
//! products per sum and `W` the largest weight; this is what must not wrap. For admissible inputs it is at most
//! `max_o (X·Σ_i |w_oi| + |b_o|)`; this is what the clamping must cover, so that the honest prover never fails.

use serde::{Deserialize, Serialize};
use zkml_core::Bounds;

use crate::lowering::Lowering;
use crate::requantise::{Accumulator, Rescaling};
use crate::weights::Weights;
use crate::{LayerError, Quantisation};

/// Accumulators stay below two to this power, before the multiplier.
const MAX_ACCUMULATOR_BITS: u32 = 60;

/// What follows the sums.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Nonlinearity {
    /// Nothing.
    #[default]
    None,
    /// `max(0, v)`.
    Relu,
}

impl Nonlinearity {
    /// On real numbers.
    pub(crate) fn apply(self, value: f64) -> f64 {
        match self {
            Self::None => value,
            Self::Relu => value.max(0.0),
        }
    }

    /// As a narrower clamp.
    pub(crate) fn restrict(self, clamp: &mut Bounds) {
        if self == Self::Relu {
            clamp.lo = 0;
        }
    }
}

/// The real-valued parameters.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Linear<'a> {
    /// The layer's name.
    pub(crate) layer: &'a str,
    /// Weights `[outputs, …]`, row-major and not empty.
    pub(crate) weight: &'a [f64],
    /// One value per output channel.
    pub(crate) bias: Option<&'a [f64]>,
    /// Number of output channels; divides the number of weights.
    pub(crate) outputs: usize,
    /// Bits of weights and output.
    pub(crate) bits: u32,
    /// One scale per output channel, not one for all.
    pub(crate) per_channel: bool,
    /// Applied to the sums.
    pub(crate) nonlinearity: Nonlinearity,
}

impl Linear<'_> {
    /// The bias in units of the accumulator, `steps[o]` each.
    fn quantised_bias(&self, steps: &[f64]) -> Result<Option<Vec<i64>>, LayerError> {
        let Some(bias) = &self.bias else { return Ok(None) };
        let limit = (1_i64 << MAX_ACCUMULATOR_BITS) as f64;
        let integer = |(index, (value, step)): (usize, (&f64, &f64))| {
            let scaled = (value / step).round();
            if scaled.abs() < limit {
                return Ok(scaled as i64);
            }
            let what = format!("bias value {index} is {value:e}: too large for products with a step of {step:e}");
            Err(LayerError::parameter(self.layer, what))
        };
        bias.iter().zip(steps).enumerate().map(integer).collect::<Result<_, _>>().map(Some)
    }

    /// Quantised weights and bias, their bounds, and how accumulators become outputs.
    pub(crate) fn plan(&self, builder: &Lowering, input: Quantisation) -> Result<Plan, LayerError> {
        let weights = Weights::quantise(self.layer, self.bits, self.weight, self.outputs, self.per_channel)?;
        let steps: Vec<f64> = weights.scales.iter().map(|scale| scale * input.scale).collect();
        let bias = self.quantised_bias(&steps)?;
        let products = self.weight.len() / self.outputs.max(1);
        let limits = Limits::new(&weights, products, bias.as_deref(), input)
            .ok_or_else(|| LayerError::parameter(self.layer, "the sums are too large; use fewer bits"))?;
        let proven = limits.proven();
        let accumulators: Vec<Accumulator> =
            steps.iter().zip(&limits.honest).map(|(&step, &honest)| Accumulator { step, honest, proven }).collect();
        let worst = accumulators.iter().map(|a| a.honest as f64 * a.step).fold(0.0, f64::max);
        let largest = builder.output_largest().filter(|&l| l > 0.0).unwrap_or(worst);
        let target = Quantisation::for_largest(self.layer, self.bits, largest)?;
        let mut rescaling = if self.per_channel {
            Rescaling::plan_channels(self.layer, &accumulators, target, builder.limb_bits())?
        } else {
            let honest = limits.honest.iter().copied().max().unwrap_or(1);
            let step = steps.first().copied().unwrap_or(1.0);
            Rescaling::plan(self.layer, Accumulator { step, honest, proven }, target, builder.limb_bits())?
        };
        self.nonlinearity.restrict(&mut rescaling.clamp);
        Ok(Plan { weights, bias, limits, rescaling })
    }
}

/// Bounds on magnitudes, in units of the accumulator.
#[derive(Clone, Debug)]
pub(crate) struct Limits {
    /// Of a sum without its bias, from the bounds of input and weight alone.
    pub(crate) product: i64,
    /// Of a bias; 0 without one.
    pub(crate) bias: i64,
    /// Of `Σ_i |x_i·w_oi|` for the weights at hand.
    pub(crate) sum: i64,
    /// Of a sum with its bias, for the weights at hand; one per output channel, at least 1.
    pub(crate) honest: Vec<i64>,
}

impl Limits {
    /// `None` if something reaches `2^MAX_ACCUMULATOR_BITS`.
    pub(crate) fn new(weights: &Weights, products: usize, bias: Option<&[i64]>, input: Quantisation) -> Option<Self> {
        let largest_input = -input.bounds().lo;
        let below = |v: i128| i64::try_from(v).ok().filter(|&v| v < 1 << MAX_ACCUMULATOR_BITS);
        let product = below(products as i128 * i128::from(largest_input) * i128::from(weights.largest))?;
        let mut limits = Self { product, bias: 0, sum: 0, honest: Vec::new() };
        // With the product's bound, no sum of a row overflows.
        for (o, row) in weights.values.chunks(products.max(1)).enumerate() {
            let own = row.iter().map(|w| w.abs()).sum::<i64>() * largest_input;
            let bias = bias.and_then(|b| b.get(o)).map_or(0, |b| b.abs());
            limits.sum = limits.sum.max(own);
            limits.bias = limits.bias.max(bias);
            limits.honest.push((own + bias).max(1));
        }
        Some(limits)
    }

    /// Of a sum with its bias, from the bounds of input, weight and bias alone.
    pub(crate) fn proven(&self) -> i64 {
        self.product + self.bias
    }
}

/// The integers of a layer.
#[derive(Debug)]
pub(crate) struct Plan {
    pub(crate) weights: Weights,
    pub(crate) bias: Option<Vec<i64>>,
    pub(crate) limits: Limits,
    pub(crate) rescaling: Rescaling,
}

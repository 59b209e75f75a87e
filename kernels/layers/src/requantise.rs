//! Requantisation: `y = clamp(floor((m·acc + 2^(t-1)) / 2^t))`, with one `m` per tensor or one per output channel.
//!
//! For an accumulator `acc`, fixed non-negative integers `m` and a fixed `t >= 1`,
//!
//! > `m·acc + 2^(t-1) = z·2^t + rem`, `0 <= rem < 2^t`, `y = clamp(z)`.
//!
//! `t` is a multiple of the limb width, so `rem` is exactly the integers that its limbs express and the whole layer
//! needs one range table. How `y` follows from `z` is [`crate::saturate`].
//!
//! **Uniqueness.** Let `Z` bound `|z|` for every witness that passes the lookups. Two solutions `(z, rem)` and
//! `(z', rem')` of the equation modulo `p` differ by `(z - z')·2^t + (rem - rem') = 0 mod p`. If
//!
//! > `Z·2^t + 2^t < p/2` and `|m·acc| < p/2` for every admissible `acc`,
//!
//! that is an equation of integers, and `z`, `rem` are quotient and remainder of an integer division, hence unique.
//! [`zkml_core::Program::check`] proves both from the bounds of `acc`, of `m`, of the limbs and of the clamp, and
//! refuses the program otherwise. `Z` is `2^(c-1)` for a clamp table of `c` bits, and follows from the limbs of the
//! excess without one.
//!
//! Rounding is to nearest, halves up: `-0.5` becomes `0`.
//!
//! **One multiplier.** The step of the output is `step(acc)·2^t / m`, whatever `m` is. So `m` need not approximate
//! anything accurately; it only brings the output's step close to the calibrated one.
//!
//! **One multiplier per channel** (axis 1). Accumulators of different channels have different steps, the output has
//! one: `m_o = round(step_o/step(y)·2^t)`, a fixed tensor, applied by an Einsum `bo,o->bo`, with one `t` for all.
//! Here `m_o` must be accurate, and `t` is the smallest for which its rounding moves no output that is not clamped by
//! more than [`CHANNEL_ERROR`] of a step.

use std::sync::Arc;

use rayon::prelude::*;
use zkml_core::{Bounds, Shape, TensorId};

use crate::limbs::Limbs;
use crate::lowering::{Lowering, Recorder, letters};
use crate::saturate::{Clamp, Clamping};
use crate::{LayerError, Quantisation};

/// The multiplier of a tensor is at least this, if the bounds allow: the step is coarser than the calibrated one by
/// less than a factor `1 + 1/MIN_MULTIPLIER`.
pub const MIN_MULTIPLIER: i64 = 8;
/// Largest effect of rounding a channel's multiplier, in output steps.
pub const CHANNEL_ERROR: f64 = 0.125;
/// Both sides of the requantisation equation stay below two to this power.
const MAX_MAGNITUDE_BITS: u32 = 62;
/// Cells that one parallel job handles at least.
const JOB_CELLS: usize = 1 << 13;

/// The integers of one requantisation.
#[derive(Clone, Debug, PartialEq)]
pub struct Rescaling {
    /// `m`; with channels, the largest one.
    pub multiplier: i64,
    /// `m_o` of every channel, if they differ.
    pub channels: Option<Arc<[i64]>>,
    /// `t`, a multiple of the limb width.
    pub shift: u32,
    /// The smallest and the largest `z` of admissible inputs.
    pub quotients: Bounds,
    /// What the output integers stand for.
    pub output: Quantisation,
    /// Outputs are clamped to this interval: all that `output` represents, or only a part of it (ReLU: from 0 up).
    pub clamp: Bounds,
}

/// What is to be rescaled.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Accumulator {
    /// The real number that the accumulator's integer 1 stands for.
    pub step: f64,
    /// Largest magnitude for admissible inputs (what the clamping covers).
    pub honest: i64,
    /// Largest magnitude that the bounds pass can prove (what must not wrap after multiplication).
    pub proven: i64,
}

/// The largest multiplier for an accumulator.
fn limit(proven: i64) -> f64 {
    (1_i64 << MAX_MAGNITUDE_BITS) as f64 / proven.max(1) as f64 / 2.0
}

fn shifts(limb_bits: u32) -> impl Iterator<Item = u32> {
    (limb_bits.max(1)..MAX_MAGNITUDE_BITS).step_by(limb_bits.max(1) as usize)
}

fn no_multiplier(layer: &str, limb_bits: u32) -> LayerError {
    let what = format!("no multiplier fits limbs of {limb_bits} bits; use narrower limbs or fewer bits");
    LayerError::parameter(layer, what)
}

impl Rescaling {
    /// Chooses multiplier and shift so that the output's step is at least, and close to, that of `target`.
    pub fn plan(
        layer: &str,
        accumulator: Accumulator,
        target: Quantisation,
        limb_bits: u32,
    ) -> Result<Self, LayerError> {
        let ratio = accumulator.step / target.scale;
        let mut best = None;
        for shift in shifts(limb_bits) {
            let multiplier = (ratio * f64::from(shift).exp2()).floor();
            if multiplier >= 1.0 && multiplier <= limit(accumulator.proven) {
                best = Some((multiplier as i64, shift));
            }
            if multiplier >= MIN_MULTIPLIER as f64 {
                break;
            }
        }
        let (multiplier, shift) = best.ok_or_else(|| no_multiplier(layer, limb_bits))?;
        let scale = accumulator.step * f64::from(shift).exp2() / multiplier as f64;
        let output = Quantisation { bits: target.bits, scale };
        let (clamp, quotients) = (output.bounds(), Bounds::new(0, 0));
        let mut plan = Self { multiplier, channels: None, shift, quotients, output, clamp };
        plan.quotients = Bounds::new(plan.quotient(-accumulator.honest), plan.quotient(accumulator.honest));
        Ok(plan)
    }

    /// Chooses one multiplier per channel and a common shift; the output's step is that of `target`.
    pub fn plan_channels(
        layer: &str,
        accumulators: &[Accumulator],
        target: Quantisation,
        limb_bits: u32,
    ) -> Result<Self, LayerError> {
        let proven = accumulators.iter().map(|a| a.proven).max().unwrap_or(0);
        let top = (1_i64 << (target.bits - 1)) as f64;
        for shift in shifts(limb_bits) {
            let power = f64::from(shift).exp2();
            let scaled: Vec<f64> = accumulators.iter().map(|a| (a.step / target.scale * power).round()).collect();
            if scaled.iter().any(|&m| m > limit(proven)) {
                break;
            }
            let error = |(a, m): (&Accumulator, &f64)| (a.honest as f64 / power / 2.0).min(top / 2.0 / m.max(0.5));
            if accumulators.iter().zip(&scaled).map(error).any(|e| e > CHANNEL_ERROR) {
                continue;
            }
            let channels: Arc<[i64]> = scaled.iter().map(|&m| m as i64).collect();
            let multiplier = channels.iter().copied().max().unwrap_or(0).max(1);
            let (clamp, quotients) = (target.bounds(), Bounds::new(0, 0));
            let mut plan = Self { multiplier, channels: Some(channels), shift, quotients, output: target, clamp };
            for (o, a) in accumulators.iter().enumerate() {
                plan.quotients.lo = plan.quotients.lo.min(plan.channel_quotient(o, -a.honest));
                plan.quotients.hi = plan.quotients.hi.max(plan.channel_quotient(o, a.honest));
            }
            return Ok(plan);
        }
        Err(no_multiplier(layer, limb_bits))
    }

    /// For a sum of tensors with steps of their own: chooses one multiplier for each, which makes the accumulator
    /// `Σ m_k·tensor_k`, and a common shift. The output's step is that of `target`; rounding each multiplier moves
    /// no output by more than [`CHANNEL_ERROR`] of it.
    pub fn plan_sum(
        layer: &str,
        summands: &[Accumulator],
        target: Quantisation,
        limb_bits: u32,
    ) -> Result<(Arc<[i64]>, Self), LayerError> {
        let count = summands.len() as i64;
        let apart: Vec<_> = summands.iter().map(|a| Accumulator { proven: a.proven * count, ..*a }).collect();
        let mut plan = Self::plan_channels(layer, &apart, target, limb_bits)?;
        let multipliers = plan.channels.take().unwrap_or_default();
        let largest = summands.iter().zip(multipliers.iter()).map(|(a, m)| a.honest * m).sum::<i64>();
        plan.multiplier = 1;
        plan.quotients = Bounds::new(plan.quotient(-largest), plan.quotient(largest));
        Ok((multipliers, plan))
    }

    /// `z` for an accumulator within its bounds; one multiplier.
    #[inline]
    pub fn quotient(&self, accumulator: i64) -> i64 {
        (accumulator * self.multiplier + (1 << (self.shift - 1))) >> self.shift
    }

    /// `y`; one multiplier.
    #[inline]
    pub fn output(&self, accumulator: i64) -> i64 {
        self.quotient(accumulator).clamp(self.clamp.lo, self.clamp.hi)
    }

    /// `m` of a channel.
    #[inline]
    pub fn channel_multiplier(&self, channel: usize) -> i64 {
        self.channels.as_ref().and_then(|m| m.get(channel).copied()).unwrap_or(self.multiplier)
    }

    /// `z` for an accumulator of a channel.
    #[inline]
    pub fn channel_quotient(&self, channel: usize, accumulator: i64) -> i64 {
        (accumulator * self.channel_multiplier(channel) + (1 << (self.shift - 1))) >> self.shift
    }

    /// `y` for an accumulator of a channel.
    #[inline]
    pub fn channel_output(&self, channel: usize, accumulator: i64) -> i64 {
        self.channel_quotient(channel, accumulator).clamp(self.clamp.lo, self.clamp.hi)
    }

    fn clamping(&self) -> Clamping {
        Clamping { quotients: self.quotients, clamp: self.clamp }
    }
}

/// The tensors of one lowered requantisation.
#[derive(Clone, Debug, PartialEq)]
pub struct Requantisation {
    rescaling: Rescaling,
    shape: Shape,
    /// The accumulator before the channels' multipliers.
    sum: Option<TensorId>,
    scaled: TensorId,
    remainder: Limbs,
    clamp: Clamp,
    output: TensorId,
}

impl Requantisation {
    /// Emits the relations for `acc = Σ coefficient·tensor`, a magnitude of at most `proven`: applies the
    /// multipliers, then as [`Requantisation::lower`]. The scaled accumulator is named `layer/accumulator`.
    pub fn of_terms(
        builder: &mut Lowering,
        shape: &Shape,
        terms: Vec<(i64, TensorId)>,
        proven: i64,
        rescaling: Rescaling,
    ) -> Result<Self, LayerError> {
        let most = rescaling.multiplier * proven;
        let scaled = builder.value("accumulator", shape, -most, most);
        let Some(channels) = rescaling.channels.clone() else {
            let terms = terms.into_iter().map(|(c, tensor)| (c * rescaling.multiplier, tensor)).collect();
            builder.affine("accumulator", scaled, terms, 0);
            return Self::lower(builder, shape, scaled, rescaling);
        };
        let sum = builder.value("sum", shape, -proven, proven);
        builder.affine("sum", sum, terms, 0);
        let axis = Shape::new([channels.len()])
            .ok_or_else(|| LayerError::shape(builder.layer(), "there are no channels to rescale"))?;
        let bounds = Bounds::new(0, rescaling.multiplier);
        let multiplier = builder.fixed("multiplier", &axis, bounds, channels.to_vec());
        let axes = letters(shape.dims().len());
        let channel: String = axes.chars().skip(1).take(1).collect();
        builder.einsum("accumulator", &format!("{axes},{channel}->{axes}"), scaled, &[sum, multiplier])?;
        let lowered = Self::lower(builder, shape, scaled, rescaling)?;
        Ok(Self { sum: Some(sum), ..lowered })
    }

    /// Emits the relations for `scaled = m·acc`, the accumulator with the multipliers already applied (where a kernel
    /// can apply them more cheaply). Returns the tensors; the output is named `layer/output`.
    pub fn lower(
        builder: &mut Lowering,
        shape: &Shape,
        scaled: TensorId,
        rescaling: Rescaling,
    ) -> Result<Self, LayerError> {
        let clamping = rescaling.clamping();
        if rescaling.shift == 0 || !rescaling.shift.is_multiple_of(builder.limb_bits()) {
            let what = format!("a shift by {} is not made of limbs of {} bits", rescaling.shift, builder.limb_bits());
            return Err(LayerError::parameter(builder.layer(), what));
        }
        if clamping.proven_bits(shape.cells(), builder.limb_bits()) + rescaling.shift > MAX_MAGNITUDE_BITS {
            let what = format!(
                "admissible inputs reach output {}, too far beyond {}; calibrate on a larger output, or use fewer bits",
                rescaling.quotients.hi, rescaling.clamp.hi
            );
            return Err(LayerError::parameter(builder.layer(), what));
        }
        builder.parameter(
            "multiplier",
            &match &rescaling.channels {
                None => rescaling.multiplier.to_string(),
                Some(m) => format!("{} to {}", m.iter().min().copied().unwrap_or(0), rescaling.multiplier),
            },
        );
        builder.parameter("shift", &rescaling.shift);
        let output = builder.tensor("output", shape, rescaling.clamp, builder.output_residence());
        let (clamp, quotient) = Clamp::lower(builder, shape, output, clamping)?;
        let remainder = Limbs::new(builder, "remainder", shape, rescaling.shift);
        let mut terms: Vec<_> = quotient.into_iter().map(|(c, tensor)| (c << rescaling.shift, tensor)).collect();
        terms.extend(remainder.terms(1));
        builder.affine("requantise", scaled, terms, -(1 << (rescaling.shift - 1)));
        Ok(Self { rescaling, shape: shape.clone(), sum: None, scaled, remainder, clamp, output })
    }

    /// The output tensor.
    pub fn output(&self) -> TensorId {
        self.output
    }

    /// Records scaled accumulators, quotients, remainders and outputs for unscaled accumulators; returns the outputs.
    pub fn record(&self, accumulators: &[i64], recorder: &mut Recorder) -> Vec<i64> {
        if let Some(sum) = self.sum {
            recorder.set(sum, accumulators.to_vec());
        }
        self.record_scaled(self.scale(accumulators), recorder)
    }

    /// The same for accumulators that are scaled already.
    pub(crate) fn record_scaled(&self, scaled: Vec<i64>, recorder: &mut Recorder) -> Vec<i64> {
        let Rescaling { shift, clamp, .. } = self.rescaling;
        let half = 1_i64 << (shift - 1);
        let cells = || scaled.par_iter().with_min_len(JOB_CELLS);
        let remainders: Vec<i64> = cells().map(|&v| (v + half) & ((1 << shift) - 1)).collect();
        self.remainder.record(&remainders, recorder);
        let quotients: Vec<i64> = cells().map(|&v| (v + half) >> shift).collect();
        let outputs: Vec<i64> = quotients.par_iter().map(|z| (*z).clamp(clamp.lo, clamp.hi)).collect();
        self.clamp.record(quotients, clamp, recorder);
        recorder.set(self.output, outputs.clone());
        recorder.set(self.scaled, scaled);
        outputs
    }

    /// `m·acc`.
    fn scale(&self, accumulators: &[i64]) -> Vec<i64> {
        let Some(channels) = &self.rescaling.channels else {
            let multiplier = self.rescaling.multiplier;
            return accumulators.par_iter().with_min_len(JOB_CELLS).map(|acc| acc * multiplier).collect();
        };
        let run: usize = self.shape.dims().iter().skip(2).product();
        let runs = accumulators.par_chunks(run.max(1)).zip_eq(channels_of(channels, accumulators.len() / run.max(1)));
        runs.flat_map_iter(|(accumulators, m)| accumulators.iter().map(move |acc| acc * m)).collect()
    }
}

/// The multiplier of each of `count` runs of cells.
fn channels_of(channels: &[i64], count: usize) -> impl IndexedParallelIterator<Item = i64> {
    (0..count).into_par_iter().map(|i| channels[i % channels.len().max(1)])
}

#[cfg(test)]
mod tests {
    use zkml_core::{Program, Residence};

    use super::*;

    /// Limbs that cover more than `t` bits would admit `rem >= 2^t`, and with it another quotient.
    #[test]
    fn a_shift_that_is_not_made_of_limbs_is_refused() {
        let shape = Shape::new([2, 3]).unwrap();
        let output = Quantisation { bits: 8, scale: 1.0 };
        let lower = |shift: u32| {
            let mut program = Program::default();
            let mut builder = Lowering::new(&mut program, "layer", 8, None, Residence::Committed);
            let scaled = builder.value("accumulator", &shape, -1 << 30, 1 << 30);
            let quotients = Bounds::new(-1000, 1000);
            let rescaling =
                Rescaling { multiplier: 1, channels: None, shift, quotients, output, clamp: output.bounds() };
            Requantisation::lower(&mut builder, &shape, scaled, rescaling).map(|_| ())
        };
        assert!([8, 16].into_iter().all(|shift| lower(shift).is_ok()));
        assert!([0, 1, 7, 9, 12, 20].into_iter().all(|shift| lower(shift).is_err()));
    }
}

//! Requantisation: `y = clamp(floor((m·acc + 2^(t-1)) / 2^t))`.
//!
//! For an accumulator `acc` and the fixed positive integers `m` and `t`,
//!
//! > `m·acc + 2^(t-1) = z·2^t + rem`, `0 <= rem < 2^t`, `(z, y)` in the clamp table.
//!
//! `t` is a multiple of the limb width, so `rem` is exactly the integers that its limbs express and the whole layer
//! needs one range table. The pair `(z, rem)` is then the quotient and the remainder of an integer division, hence
//! unique, provided that neither side of the equation wraps in the field; [`zkml_core::Program::check`] proves that
//! from the bounds of `acc`, of the limbs and of the clamp table.
//!
//! Rounding is to nearest, halves up: `-0.5` becomes `0`.
//!
//! The step of the output is `step(acc)·2^t / m`, whatever `m` is. So `m` need not approximate anything
//! accurately; it only brings the output's step close to the calibrated one. A quotient beyond the output's bounds
//! is clamped, and the table covers every quotient that any admissible input can produce.

use rayon::prelude::*;
use zkml_core::{Bounds, Shape, Table, TensorId};

use crate::limbs::Limbs;
use crate::lowering::{Lowering, Recorder};
use crate::{LayerError, Quantisation};

/// The multiplier is at least this, if the bounds allow: the step is coarser than the calibrated one by less than a
/// factor `1 + 1/MIN_MULTIPLIER`.
pub const MIN_MULTIPLIER: i64 = 8;
/// Both sides of the requantisation equation stay below two to this power.
const MAX_MAGNITUDE_BITS: u32 = 62;
/// Most bits of the clamp table's domain.
const MAX_CLAMP_BITS: u32 = 18;
/// Cells that one parallel job handles at least.
const JOB_CELLS: usize = 1 << 13;

/// The integers of one requantisation.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rescaling {
    /// `m`.
    pub multiplier: i64,
    /// `t`, a multiple of the limb width.
    pub shift: u32,
    /// Quotients lie in `[-2^(clamp_bits-1), 2^(clamp_bits-1))`.
    pub clamp_bits: u32,
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
    /// Largest magnitude for admissible inputs (what the clamp table covers).
    pub honest: i64,
    /// Largest magnitude that the bounds pass can prove (what must not wrap after multiplication).
    pub proven: i64,
}

impl Rescaling {
    /// Chooses multiplier, shift and clamp domain so that the output's step is at least, and close to, that of
    /// `target`.
    pub fn plan(
        layer: &str,
        accumulator: Accumulator,
        target: Quantisation,
        limb_bits: u32,
    ) -> Result<Self, LayerError> {
        let ratio = accumulator.step / target.scale;
        let limit = 1_i64 << MAX_MAGNITUDE_BITS;
        let mut best = None;
        for shift in (limb_bits..MAX_MAGNITUDE_BITS).step_by(limb_bits as usize) {
            let multiplier = (ratio * f64::from(shift).exp2()).floor();
            if multiplier >= 1.0 && multiplier <= limit as f64 / accumulator.proven.max(1) as f64 / 2.0 {
                best = Some((multiplier as i64, shift));
            }
            if multiplier >= MIN_MULTIPLIER as f64 {
                break;
            }
        }
        let (multiplier, shift) = best.ok_or_else(|| {
            let what = format!("no multiplier fits limbs of {limb_bits} bits; use narrower limbs or fewer bits");
            LayerError::parameter(layer, what)
        })?;
        let scale = accumulator.step * f64::from(shift).exp2() / multiplier as f64;
        let output = Quantisation { bits: target.bits, scale };
        let mut plan = Self { multiplier, shift, clamp_bits: 1, output, clamp: output.bounds() };
        let (low, high) = (plan.quotient(-accumulator.honest), plan.quotient(accumulator.honest));
        while low < -(1 << (plan.clamp_bits - 1)) || high >= 1 << (plan.clamp_bits - 1) {
            plan.clamp_bits += 1;
        }
        if plan.clamp_bits > MAX_CLAMP_BITS || plan.clamp_bits - 1 + shift > MAX_MAGNITUDE_BITS {
            let what = format!(
                "admissible inputs reach output {high}, too far beyond {}; calibrate on a larger output, or use fewer bits",
                plan.output.bounds().hi
            );
            return Err(LayerError::parameter(layer, what));
        }
        Ok(plan)
    }

    /// `z` for an accumulator within its bounds.
    #[inline]
    pub fn quotient(&self, accumulator: i64) -> i64 {
        (accumulator * self.multiplier + (1 << (self.shift - 1))) >> self.shift
    }

    /// `y`.
    #[inline]
    pub fn output(&self, accumulator: i64) -> i64 {
        self.quotient(accumulator).clamp(self.clamp.lo, self.clamp.hi)
    }

    /// The table of all pairs `(z, clamp(z))`.
    fn table(&self, layer: &str) -> Result<Table, LayerError> {
        let Bounds { lo, hi } = self.clamp;
        let half = 1_i64 << (self.clamp_bits - 1);
        let outputs = (-half..half).map(|z| z.clamp(lo, hi)).collect();
        let name = format!("clamp[{},{half})->[{lo},{hi}]", -half);
        Table::listed(name, vec![(-half..half).collect(), outputs])
            .ok_or_else(|| LayerError::parameter(layer, "the clamp table is too large"))
    }
}

/// The tensors of one lowered requantisation.
#[derive(Clone, Debug, PartialEq)]
pub struct Requantisation {
    rescaling: Rescaling,
    quotient: TensorId,
    remainder: Limbs,
    output: TensorId,
}

impl Requantisation {
    /// Emits the relations for `scaled = m·acc`, the accumulator with the multiplier already applied (a kernel
    /// applies it where that is cheapest). Returns the tensors; the output is named `layer/output`.
    pub fn lower(
        builder: &mut Lowering,
        shape: &Shape,
        scaled: TensorId,
        rescaling: Rescaling,
    ) -> Result<Self, LayerError> {
        let half = 1_i64 << (rescaling.clamp_bits - 1);
        let quotient = builder.tensor("quotient", shape, Bounds::new(-half, half - 1), zkml_core::Residence::Committed);
        let remainder = Limbs::new(builder, "remainder", shape, rescaling.shift);
        let output = builder.tensor("output", shape, rescaling.clamp, builder.output_residence());
        let mut terms = vec![(1 << rescaling.shift, quotient)];
        terms.extend(remainder.terms(1));
        builder.affine("requantise", scaled, terms, -(1 << (rescaling.shift - 1)));
        let table = rescaling.table(builder.layer())?;
        builder.lookup("clamp", table, vec![vec![quotient, output]]);
        builder.parameter("multiplier", &rescaling.multiplier);
        builder.parameter("shift", &rescaling.shift);
        builder.parameter("clamp bits", &rescaling.clamp_bits);
        Ok(Self { rescaling, quotient, remainder, output })
    }

    /// The output tensor.
    pub fn output(&self) -> TensorId {
        self.output
    }

    /// Records quotients, remainders and outputs for unscaled accumulators; returns the outputs.
    pub fn record(&self, accumulators: &[i64], recorder: &mut Recorder) -> Vec<i64> {
        let Rescaling { multiplier, shift, .. } = self.rescaling;
        let mask = (1_i64 << shift) - 1;
        let rounded = |acc: i64| acc * multiplier + (1 << (shift - 1));
        let cells = || accumulators.par_iter().with_min_len(JOB_CELLS);
        let remainders: Vec<i64> = cells().map(|&acc| rounded(acc) & mask).collect();
        self.remainder.record(&remainders, recorder);
        recorder.set(self.quotient, cells().map(|&acc| self.rescaling.quotient(acc)).collect());
        let outputs: Vec<i64> = cells().map(|&acc| self.rescaling.output(acc)).collect();
        recorder.set(self.output, outputs.clone());
        outputs
    }
}

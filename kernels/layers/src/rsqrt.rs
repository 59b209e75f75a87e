//! The exact integer reciprocal square root that the normalisations share.
//!
//! For a row's integer `a >= 1` and sizes `W` (even), `R` and `e`, with `K = 2^(2R+W)`:
//!
//! | | relation | proven for every accepted witness |
//! |---|---|---|
//! | N1 | `p` in `{2^0, …, 2^e}`; `a' = a·p²`; `a' - 2^W >= 0`, `2^(W+2) - 1 - a' >= 0` | `p` is unique: the window is one factor 4 wide |
//! | N2 | `h = r·a'`, `q = r·h`; `r >= 0`, `2^R - r >= 0`; `K - q >= 0`, `q + 2h + a' - K - 1 >= 0` | `r² a' <= K < (r+1)² a'`, so `r = floor(sqrt(K/a'))`, unique |
//! | N3 | `w = r·p` | `w = 2^(R+W/2)/sqrt(a)` up to a relative error of `2^(1-R)`, never more |
//!
//! Every `>= 0` is a decomposition into range-checked limbs. What may be proven about `a` is an interval `|a| <= A`
//! with `A < 2^(W+2)`; then `|a·p²| <= A·4^e`, and `q < 2^(2R+W+2)`. Both stay below `2^62`, so no product of N1 or N2
//! wraps, whatever `p` and `r` a prover chooses.

use zkml_core::{Bounds, Residence, Shape, Table, TensorId};

use crate::LayerError;
use crate::limbs::Limbs;
use crate::lowering::{Lowering, Recorder};

/// Smallest `W`.
const MIN_WINDOW_BITS: u32 = 28;
/// Largest `R`.
const MAX_ROOT_BITS: u32 = 15;
/// Smallest `R`: the reciprocal root is accurate to `2^-11`.
const MIN_ROOT_BITS: u32 = 12;
/// Products stay below two to this power.
const MAX_MAGNITUDE_BITS: u32 = 62;

/// Sizes of one reciprocal square root.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Root {
    /// `a'` lies in `[2^W, 4·2^W)`.
    window_bits: u32,
    /// `r <= 2^R`, reached at `a' = 2^W`.
    precision_bits: u32,
    /// The largest exponent of `p`.
    max_exponent: u32,
}

impl Root {
    /// Sizes for `1 <= least <= a <= most`, where `|a| <= most` is what the bounds pass can prove.
    pub(crate) fn new(layer: &str, least: i64, most: i64, limb_bits: u32) -> Result<Self, LayerError> {
        let bits = i64::BITS - most.leading_zeros();
        let window_bits = bits.saturating_sub(2).next_multiple_of(2).max(MIN_WINDOW_BITS);
        let precision_bits = ((MAX_MAGNITUDE_BITS - 2).saturating_sub(window_bits) / 2).min(MAX_ROOT_BITS);
        let own = least.max(1).ilog2();
        let root = Self { window_bits, precision_bits, max_exponent: window_bits.saturating_sub(own).div_ceil(2) };
        let fits = i128::from(most) << (2 * root.max_exponent) <= 1 << MAX_MAGNITUDE_BITS;
        if precision_bits < MIN_ROOT_BITS || !fits {
            return Err(LayerError::parameter(layer, "rows are too long for the exact square root; use fewer bits"));
        }
        if root.slack_bits().next_multiple_of(limb_bits) >= MAX_MAGNITUDE_BITS {
            let what = format!("limbs of {limb_bits} bits are too wide for the exact square root; use narrower ones");
            return Err(LayerError::parameter(layer, what));
        }
        Ok(root)
    }

    /// `least` for which [`Root::new`] can bound the products, if `a` may reach `most`.
    pub(crate) fn least(most: i64) -> i64 {
        let bits = i64::BITS - most.leading_zeros();
        // |a·p²| < 2^bits·2^(W+1-log2(least)), W < bits.
        1 << (2 * bits + 1).saturating_sub(MAX_MAGNITUDE_BITS)
    }

    /// `w` is `2^scale_bits/sqrt(a)`.
    pub(crate) fn scale_bits(self) -> u32 {
        self.precision_bits + self.window_bits / 2
    }

    /// `w <= 2^weight_bits`.
    pub(crate) fn weight_bits(self) -> u32 {
        self.precision_bits + self.max_exponent
    }

    /// `u` and `v` are at most `2·sqrt(K·a') + a' < 2^(R+W+2) + 2^(W+2)`.
    fn slack_bits(self) -> u32 {
        self.precision_bits + self.window_bits + 3
    }

    /// `K`.
    fn target(self) -> i64 {
        1 << (2 * self.precision_bits + self.window_bits)
    }

    /// The unique integers for `1 <= a`.
    pub(crate) fn row(self, a: i64) -> Row {
        let bits = i64::BITS - a.leading_zeros();
        let exponent = (self.window_bits + 2).saturating_sub(bits) / 2;
        let normalised = a << (2 * exponent);
        let root = (self.target() / normalised).isqrt();
        let under = self.target() - root * root * normalised;
        Row { power: 1 << exponent, normalised, root, under }
    }
}

/// Bound on `|x|·w` for `|x|/sqrt(a) <= share`, in integers.
pub(crate) fn largest_weighted(root: Root, share: f64) -> i64 {
    // Two more than the real number, and a relative 2^-40: far beyond the rounding of its computation.
    ((f64::from(root.scale_bits()).exp2() * share) * (1.0 + (-40_f64).exp2())).ceil() as i64 + 2
}

/// The unique integers of one row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Row {
    power: i64,
    normalised: i64,
    root: i64,
    /// `u = K - r²a'`.
    under: i64,
}

impl Row {
    /// `v = (2r+1)a' - 1 - u`.
    fn over(&self) -> i64 {
        (2 * self.root + 1) * self.normalised - 1 - self.under
    }

    /// `w`.
    pub(crate) fn weight(&self) -> i64 {
        self.root * self.power
    }
}

/// The tensors of one lowered reciprocal square root, one value per row.
#[derive(Debug)]
pub(crate) struct ReciprocalRoot {
    plan: Root,
    power: TensorId,
    above: Limbs,
    below: Limbs,
    root: TensorId,
    digits: Limbs,
    complement: Limbs,
    under: Limbs,
    over: Limbs,
}

impl ReciprocalRoot {
    /// N1 and N2 for the tensor `sum` of `rows`.
    pub(crate) fn lower(builder: &mut Lowering, rows: &Shape, sum: TensorId, plan: Root) -> Result<Self, LayerError> {
        let (lo, hi) = (1_i64 << plan.window_bits, (1_i64 << (plan.window_bits + 2)) - 1);
        let power = builder.tensor("power", rows, Bounds::new(1, 1 << plan.max_exponent), Residence::Committed);
        let powers = (0..=plan.max_exponent).map(|e| 1 << e).collect();
        let table = Table::listed(format!("powers-of-two[0,{}]", plan.max_exponent), vec![powers])
            .ok_or_else(|| LayerError::parameter(builder.layer(), "the table of powers is malformed"))?;
        builder.lookup("power", table, vec![vec![power]]);
        let normalised = builder.value("normalised", rows, lo, hi);
        builder.einsum("normalise", "b,b,b->b", normalised, &[sum, power, power])?;
        let above = Limbs::new(builder, "above-window", rows, plan.window_bits + 2);
        let below = Limbs::new(builder, "below-window", rows, plan.window_bits + 2);
        builder.affine("window", normalised, above.terms(1), lo);
        builder.affine("window", normalised, below.terms(-1), hi);
        let largest = 1_i64 << plan.precision_bits;
        let digits = Limbs::new(builder, "root", rows, plan.precision_bits + 1);
        let complement = Limbs::new(builder, "root-complement", rows, plan.precision_bits + 1);
        let root = builder.value("root", rows, 0, largest);
        builder.affine("root", root, digits.terms(1), 0);
        builder.affine("root", root, complement.terms(-1), largest);
        let (under, over) = plan.floor(builder, rows, root, normalised)?;
        Ok(Self { plan, power, above, below, root, digits, complement, under, over })
    }

    /// N3 times a multiplier: `m·w`.
    pub(crate) fn scaled_weight(
        &self,
        builder: &mut Lowering,
        rows: &Shape,
        multiplier: i64,
    ) -> Result<TensorId, LayerError> {
        let weight = builder.value("weight", rows, 0, 1 << self.plan.weight_bits());
        builder.einsum("weight", "b,b->b", weight, &[self.root, self.power])?;
        let scaled = builder.value("scaled-weight", rows, 0, multiplier << self.plan.weight_bits());
        builder.affine("multiplier", scaled, vec![(multiplier, weight)], 0);
        Ok(scaled)
    }

    /// Records everything committed.
    pub(crate) fn record(&self, rows: &[Row], recorder: &mut Recorder) {
        let column = |f: &dyn Fn(&Row) -> i64| rows.iter().map(f).collect::<Vec<i64>>();
        let window = self.plan.window_bits;
        recorder.set(self.power, column(&|row| row.power));
        self.above.record(&column(&|row| row.normalised - (1 << window)), recorder);
        self.below.record(&column(&|row| (1 << (window + 2)) - 1 - row.normalised), recorder);
        self.digits.record(&column(&|row| row.root), recorder);
        self.complement.record(&column(&|row| (1 << self.plan.precision_bits) - row.root), recorder);
        self.under.record(&column(&|row| row.under), recorder);
        self.over.record(&column(&Row::over), recorder);
    }
}

impl Root {
    /// `u = K - q >= 0` and `v = q + 2h + a' - K - 1 >= 0`.
    fn floor(
        self,
        builder: &mut Lowering,
        rows: &Shape,
        root: TensorId,
        normalised: TensorId,
    ) -> Result<(Limbs, Limbs), LayerError> {
        let largest = 1_i64 << self.precision_bits;
        let product = builder.value("root-product", rows, 0, largest << (self.window_bits + 2));
        builder.einsum("root-product", "b,b->b", product, &[root, normalised])?;
        let square = builder.value("root-square", rows, 0, self.target());
        builder.einsum("root-square", "b,b->b", square, &[root, product])?;
        let under = Limbs::new(builder, "under", rows, self.slack_bits());
        let over = Limbs::new(builder, "over", rows, self.slack_bits());
        builder.affine("root-below", square, under.terms(-1), self.target());
        let mut above = vec![(-2, product), (-1, normalised)];
        above.extend(over.terms(1));
        builder.affine("root-above", square, above, self.target() + 1);
        Ok((under, over))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_window_has_room_and_rows_are_unique() {
        for bits in 10..=38 {
            let most = (1_i64 << bits) - 1;
            let root = Root::new("t", Root::least(most), most, 8).unwrap();
            for a in [Root::least(most), Root::least(most) + 1, most / 2, most] {
                let row = root.row(a);
                assert!(row.normalised >= 1 << root.window_bits && row.normalised < 1 << (root.window_bits + 2));
                assert!(row.power <= 1 << root.max_exponent && row.root <= 1 << root.precision_bits);
                assert!(row.under >= 0 && row.over() >= 0, "{bits} {a} {row:?}");
                assert!(row.under < 1 << root.slack_bits() && row.over() < 1 << root.slack_bits());
                let exact = f64::from(root.scale_bits()).exp2() / (a as f64).sqrt();
                let error = 1.0 - row.weight() as f64 / exact;
                assert!(
                    (-1e-12..f64::from(1 - root.precision_bits as i32).exp2()).contains(&error),
                    "{bits} {a} {error}"
                );
            }
        }
        assert!(Root::new("t", 1 << 20, 1 << 40, 8).is_err());
        assert!(Root::new("t", 1, 1 << 33, 8).is_err());
    }
}

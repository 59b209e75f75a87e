//! Clamping a quotient: `y = clamp(z, lo, hi)`, by a table of all quotients or by the excess over the bounds.
//!
//! **By table.** `z` is committed and `(z, y)` looked up among all pairs `(z, clamp(z, lo, hi))` with
//! `-2^(c-1) <= z < 2^(c-1)`: one lookup per cell, `2^c` rows.
//!
//! **By excess.** `z` is not committed; `y`, a side `s` and limbs `e_k` are, and `z = y + 2sd - d`:
//!
//! | | relation | proven for every accepted witness |
//! |---|---|---|
//! | X1 | `(s, y)` in the table `{0, 1} × [lo, hi]` | `lo <= y <= hi`; `s` is 0 or 1 |
//! | X2 | `d = s + Σ_k 2^(l·k)·e_k`, limbs in range | `d >= s >= 0` |
//! | X3 | `over = s·d`; `reached = lo·d + (hi-lo)·over`; `reached = d·y` | `d·(y - bound) = 0`, `bound` being `lo` for `s = 0` and `hi` for `s = 1` |
//!
//! So `s = 1` means `d >= 1`, `y = hi` and `z = hi + d > hi`. And `s = 0` means `z = y - d`: either `d = 0` and `z = y`, or
//! `y = lo` and `z < lo`. The three cases exclude each other, so `y = clamp(z)`, `s` and `d` are unique. All of this
//! needs `|d·y| + |reached| < p`, which [`zkml_core::Program::check`] derives from the limbs and the table. Cost: `k + 1`
//! lookups, `k + 1` committed cells besides `y`, and two products per cell for `k` limbs; the table has
//! `2·(hi - lo + 1)` rows, however far quotients reach.
//!
//! The table costs less if there are many cells, the excess if there are few or if quotients reach far: sums of
//! thousands of products have a worst case that is far beyond what a calibration sample shows, and a complete
//! proof system must cover the worst case.

use rayon::prelude::*;
use zkml_core::{Bounds, Residence, Shape, Table, TensorId};

use crate::LayerError;
use crate::limbs::Limbs;
use crate::lowering::{Lowering, Recorder, letters};

/// Most bits of the clamp table's domain.
const MAX_TABLE_BITS: u32 = 18;
/// Tables of so few bits are not worth avoiding.
const SMALL_TABLE_BITS: u32 = 12;
/// `d·y` and `reached` stay below two to this power.
const MAX_PRODUCT_BITS: u32 = 60;
/// Cells that one parallel job handles at least.
const JOB_CELLS: usize = 1 << 13;

/// What is to be clamped, and to what.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Clamping {
    /// Smallest and largest quotient that admissible inputs produce.
    pub(crate) quotients: Bounds,
    /// The interval of the outputs.
    pub(crate) clamp: Bounds,
}

impl Clamping {
    /// `c`: quotients lie in `[-2^(c-1), 2^(c-1))`.
    pub(crate) fn bits(&self) -> u32 {
        let magnitude = self.quotients.hi.max(-1 - self.quotients.lo).max(0);
        bits(magnitude) + 1
    }

    /// Bits of the largest excess.
    fn excess_bits(&self) -> u32 {
        bits((self.quotients.hi - self.clamp.hi).max(self.clamp.lo - self.quotients.lo).max(0)).max(1)
    }

    /// True if a table is possible and costs no more than the excess, in units of looked-up cells: a table row
    /// counts twice (its leaf, and its committed multiplicity), a cell of the excess one more lookup, one more
    /// commitment and two products.
    fn by_table(&self, cells: usize, limb_bits: u32) -> bool {
        let limbs = self.excess_bits().div_ceil(limb_bits) as usize;
        let outputs = (self.clamp.hi - self.clamp.lo + 1) as usize;
        let table = |rows: usize| 2 * rows;
        self.bits() <= SMALL_TABLE_BITS
            || self.bits() <= MAX_TABLE_BITS
                && table(1 << self.bits()) <= table(2 * outputs) + cells.saturating_mul(2 * limbs + 2)
    }

    /// Two to this power bounds the magnitude of the quotients that the relations admit.
    pub(crate) fn proven_bits(&self, cells: usize, limb_bits: u32) -> u32 {
        if self.by_table(cells, limb_bits) {
            self.bits() - 1
        } else {
            // |y + 2·over - d|, as interval arithmetic sees it.
            let output = bits(self.clamp.hi.max(-self.clamp.lo));
            (self.excess_bits().next_multiple_of(limb_bits) + 1).max(output) + 1
        }
    }
}

impl Clamping {
    /// All pairs `(z, clamp(z))` of `c` bits.
    fn table(&self, layer: &str) -> Result<Table, LayerError> {
        let Bounds { lo, hi } = self.clamp;
        let half = 1_i64 << (self.bits() - 1);
        let outputs = (-half..half).map(|z| z.clamp(lo, hi)).collect();
        let name = format!("clamp[{},{half})->[{lo},{hi}]", -half);
        Table::listed(name, vec![(-half..half).collect(), outputs])
            .ok_or_else(|| LayerError::parameter(layer, "the clamp table is too large"))
    }
}

/// Bits of a non-negative integer.
fn bits(value: i64) -> u32 {
    i64::BITS - value.leading_zeros()
}

/// The tensors of one lowered clamping.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Clamp {
    /// The quotient, if it is committed for this.
    Table {
        quotient: Option<TensorId>,
    },
    Excess(Excess),
}

/// The tensors of X1 to X3.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Excess {
    limbs: Limbs,
    total: TensorId,
    side: TensorId,
    over: TensorId,
    reached: TensorId,
}

impl Clamp {
    /// Emits the relations between `output` and the quotient; also returns the terms whose sum is the quotient.
    pub(crate) fn lower(
        builder: &mut Lowering,
        shape: &Shape,
        output: TensorId,
        clamping: Clamping,
    ) -> Result<(Self, Vec<(i64, TensorId)>), LayerError> {
        if !clamping.by_table(shape.cells(), builder.limb_bits()) {
            let excess = Excess::lower(builder, shape, output, clamping)?;
            let terms = excess.terms(output);
            return Ok((Self::Excess(excess), terms));
        }
        let half = 1_i64 << (clamping.bits() - 1);
        let quotient = builder.tensor("quotient", shape, Bounds::new(-half, half - 1), Residence::Committed);
        builder.lookup("clamp", clamping.table(builder.layer())?, vec![vec![quotient, output]]);
        builder.parameter("clamp bits", &clamping.bits());
        Ok((Self::Table { quotient: Some(quotient) }, vec![(1, quotient)]))
    }

    /// Emits the relations between `output` and a quotient that exists already.
    pub(crate) fn of_tensor(
        builder: &mut Lowering,
        shape: &Shape,
        quotient: TensorId,
        output: TensorId,
        clamping: Clamping,
    ) -> Result<Self, LayerError> {
        if clamping.by_table(shape.cells(), builder.limb_bits()) {
            builder.lookup("clamp", clamping.table(builder.layer())?, vec![vec![quotient, output]]);
            return Ok(Self::Table { quotient: None });
        }
        let excess = Excess::lower(builder, shape, output, clamping)?;
        builder.affine("clamp", quotient, excess.terms(output), 0);
        Ok(Self::Excess(excess))
    }

    /// Records everything but the output.
    pub(crate) fn record(&self, quotients: Vec<i64>, clamp: Bounds, recorder: &mut Recorder) {
        match self {
            Self::Table { quotient: Some(quotient) } => recorder.set(*quotient, quotients),
            Self::Table { quotient: None } => {}
            Self::Excess(excess) => excess.record(&quotients, clamp, recorder),
        }
    }
}

impl Excess {
    fn lower(builder: &mut Lowering, shape: &Shape, output: TensorId, clamping: Clamping) -> Result<Self, LayerError> {
        let Bounds { lo, hi } = clamping.clamp;
        let limbs = Limbs::new(builder, "excess", shape, clamping.excess_bits());
        if limbs.bits() + bits((hi - lo).max(lo.abs())) + 1 > MAX_PRODUCT_BITS {
            let what = format!("admissible inputs reach output {}, too far beyond {hi}", clamping.quotients.hi);
            return Err(LayerError::parameter(builder.layer(), what));
        }
        let most = limbs.bounds().hi + 1;
        let side = builder.tensor("side", shape, Bounds::new(0, 1), Residence::Committed);
        let excess = builder.value("excess", shape, 0, most);
        let mut terms = limbs.terms(1);
        terms.push((1, side));
        builder.affine("excess", excess, terms, 0);
        let pairs =
            |column: fn(i64, i64) -> i64| (0..2).flat_map(move |s| (lo..=hi).map(move |y| column(s, y))).collect();
        let table = Table::listed(format!("{{0,1}}×[{lo},{hi}]"), vec![pairs(|s, _| s), pairs(|_, y| y)])
            .ok_or_else(|| LayerError::parameter(builder.layer(), "the table of outputs is too large"))?;
        builder.lookup("clamp", table, vec![vec![side, output]]);
        let axes = letters(shape.dims().len());
        let product = format!("{axes},{axes}->{axes}");
        let over = builder.value("over", shape, 0, most);
        builder.einsum("over", &product, over, &[side, excess])?;
        let reached = builder.value("reached", shape, lo.min(0) * most, (hi - lo + lo.max(0)) * most);
        builder.affine("reached", reached, vec![(lo, excess), (hi - lo, over)], 0);
        builder.einsum("saturate", &product, reached, &[excess, output])?;
        builder.parameter("excess bits", &limbs.bits());
        Ok(Self { limbs, total: excess, side, over, reached })
    }

    /// `z = y + 2·over - d`.
    fn terms(&self, output: TensorId) -> Vec<(i64, TensorId)> {
        vec![(1, output), (2, self.over), (-1, self.total)]
    }

    fn record(&self, quotients: &[i64], clamp: Bounds, recorder: &mut Recorder) {
        let Bounds { lo, hi } = clamp;
        let cells = || quotients.par_iter().with_min_len(JOB_CELLS);
        let excess: Vec<i64> = cells().map(|&z| (z - z.clamp(lo, hi)).abs()).collect();
        let digits: Vec<i64> = cells().zip(&excess).map(|(&z, d)| d - i64::from(z > hi)).collect();
        self.limbs.record(&digits, recorder);
        recorder.set(self.side, cells().map(|&z| i64::from(z > hi)).collect());
        recorder.set(self.over, cells().map(|&z| (z - hi).max(0)).collect());
        recorder.set(self.reached, cells().map(|&z| (z - z.clamp(lo, hi)).abs() * z.clamp(lo, hi)).collect());
        recorder.set(self.total, excess);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn clamping(lo: i64, hi: i64) -> Clamping {
        Clamping { quotients: Bounds::new(lo, hi), clamp: Bounds::new(-128, 127) }
    }

    #[test]
    fn sizes() {
        assert_eq!([clamping(-128, 127).bits(), clamping(-129, 127).bits(), clamping(0, 128).bits()], [8, 9, 9]);
        assert_eq!(clamping(-129, 128).excess_bits(), 1);
        assert_eq!(clamping(-128, 127 + 256).excess_bits(), 9);
    }

    #[test]
    fn far_quotients_and_few_cells_avoid_the_table() {
        assert!(clamping(-2000, 2000).by_table(1, 8));
        assert!(!clamping(-40_000, 40_000).by_table(100, 8));
        assert!(clamping(-40_000, 40_000).by_table(100_000, 8));
        assert!(!clamping(-1 << 18, 1 << 18).by_table(usize::MAX, 8));
    }
}

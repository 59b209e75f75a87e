//! Max pooling, `y_bcij = max_uv x_bc(s·i + d·u - p)(s'·j + d'·v - p')`, as an exact statement about integers.
//!
//! Values have `B` bits; `lo` is the smallest. With the taps `w` of a window numbered in row-major order:
//!
//! | | relation | proven for every accepted witness |
//! |---|---|---|
//! | M1 | `x' = x - lo` | Affine; `0 <= x' < 2^B` |
//! | M2 | `x'_w(b, c, i, j) = x'` at tap `w`, 0 where that is padding | View, one per tap |
//! | M3 | `x'_w = y' - d_w`, limbs of `d_w` in range | Affine; `y' >= x'_w` |
//! | M4 | `0 = Π_w d_w` | Einsum; `y'` is some `x'_w` |
//! | M5 | `y = y' + lo` | Affine |
//!
//! M3 alone would allow a `y` above all cells, M4 alone any cell of the window; together they say that `y'` is the
//! largest `x'_w`, which is unique. Ties are no problem: then several `d_w` are zero. Padding is the value 0 of `x'`,
//! no larger than any cell, and every window holds a cell (refused otherwise), so padding never changes a maximum.
//!
//! **One check of each difference is enough.** `d_w` needs no upper bound of its own: limbs make it an integer in
//! `[0, 2^B)`, so M3 says that `y' - x'_w` is one, and M4 is what bounds `y'` from above.
//!
//! **Products must not wrap**, or the bounds pass refuses: with `n` factors, `(2^B - 1)^n < 2^62`, so `n <= 62/B`
//! (7 for 8 bits). Larger windows take several *stages*: the first takes the maximum `y'_1` of some taps, the
//! next that of `y'_1` and some more taps, and so on, each by M3 and M4; the maxima between are committed and
//! range-checked. For `n` factors per product a window of `k` taps takes `(k - 1)/(n - 1)` stages, rounded up.
//!
//! A committed `y'` is range-checked too; a public one (the network's output) has the bounds of its declaration. The
//! limbs have a width that divides `B`, so that they express the integers of `B` bits and no others.
//!
//! The output stands for the same real numbers as the input: no requantisation. Cost: `B/l` lookups and committed cells
//! per tap and output cell, and as much twice for each further stage. See `papers/pooling.md`.

use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use zkml_core::{AxisGroup, Bounds, Residence, Shape, TensorId};

use crate::LayerError;
use crate::kernel::{FloatTensor, Kernel, KernelInfo, Step, accessors, first, sole};
use crate::limbs::Limbs;
use crate::lowering::{Activation, Lowering, Recorder, letters};
use crate::window::{Sliding, Windows};

/// Products of differences stay below two to this power.
const MAX_PRODUCT_BITS: u32 = 62;
/// Most differences in one product: rounds of degree `n` take `n` evaluations of `n` factors.
const MAX_FACTORS: usize = 8;
/// Most taps of a window: each is a tensor.
const MAX_TAPS: usize = 256;

/// Max pooling over `[b, c, h, w]`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MaxPool {
    /// The layer's name.
    pub name: String,
    /// Rows and columns of the window.
    pub kernel: [usize; 2],
    /// Input rows and columns from one position to the next.
    pub stride: [usize; 2],
    /// Rows and columns that no maximum counts, at the top, left, bottom and right.
    pub padding: [usize; 4],
    /// Input rows and columns from one tap to the next.
    pub dilation: [usize; 2],
    /// Width of the range-checked limbs, used where it divides the bits of the values and is cheapest; `None`
    /// chooses.
    pub limb_bits: Option<u32>,
}

impl MaxPool {
    /// What the kernel is.
    pub const INFO: KernelInfo = KernelInfo {
        id: "maxpool",
        about: "largest value of every window: stride, padding, dilation; exact, by range checks and a product",
    };

    fn windows(&self, input: &Shape) -> Result<Windows, LayerError> {
        let Self { kernel, stride, padding, dilation, .. } = *self;
        let windows = Windows::new(&self.name, input, Sliding { kernel, stride, padding, dilation })?;
        windows.require_cells(&self.name)?;
        let taps = kernel[0] * kernel[1];
        if taps > MAX_TAPS {
            let what = format!("a window of {taps} taps; use at most {MAX_TAPS}, or pool twice");
            return Err(LayerError::parameter(&self.name, what));
        }
        Ok(windows)
    }
}

impl Kernel for MaxPool {
    accessors!();

    fn output_shape(&self, inputs: &[Shape]) -> Result<Shape, LayerError> {
        let windows = self.windows(sole(&self.name, inputs)?)?;
        windows.output(&self.name, windows.channels)
    }

    fn float(&self, inputs: &[FloatTensor<'_>]) -> Vec<f64> {
        let Some((input, windows)) = inputs.first().and_then(|i| Some((i.values, self.windows(i.shape).ok()?))) else {
            return Vec::new();
        };
        windows.fold(
            input,
            f64::NEG_INFINITY,
            |_| |largest: &mut f64, x| *largest = largest.max(x),
            |_, largest| largest,
        )
    }

    fn lower(&self, builder: &mut Lowering, inputs: &[&Activation]) -> Result<(Activation, Box<dyn Step>), LayerError> {
        let input = *sole(&self.name, inputs)?;
        let windows = self.windows(&input.shape)?;
        let shape = windows.output(&self.name, windows.channels)?;
        let bits = input.quantisation.bits;
        let bounds = input.quantisation.bounds();
        let taps = self.kernel[0] * self.kernel[1];
        let sizes = stages(taps, factors(bits));
        let checked = shape.cells().saturating_mul(taps + 2 * sizes.len());
        let width = limb_width(bits, builder.limb_bits(), checked);
        builder.parameter("stages", &sizes.len());
        builder.parameter("difference limb bits", &width);
        let mut parts = Parts { builder, shape: &shape, bits, width };
        let shifted = parts.builder.value("shifted", &input.shape, 0, bounds.hi - bounds.lo);
        parts.builder.affine("shifted", shifted, vec![(1, input.tensor)], -bounds.lo);
        let taps = parts.taps(windows, shifted);
        let zero = parts.builder.value("zero", &shape, 0, 0);
        parts.builder.affine("zero", zero, Vec::new(), 0);
        let mut rest = taps.into_iter();
        let (mut lowered, mut previous): (Vec<Stage>, Option<Maximum>) = (Vec::new(), None);
        for (k, &size) in sizes.iter().enumerate() {
            let maximum = if k + 1 < sizes.len() { parts.maximum(&format!("stage{k}")) } else { parts.output(bounds) };
            let taps: Vec<_> = rest.by_ref().take(size + usize::from(k == 0)).collect();
            let stage = parts.stage(k, maximum, previous.as_ref().map(|m| m.shifted), taps, zero)?;
            previous = Some(stage.maximum.clone());
            lowered.push(stage);
        }
        let output = lowered.last().and_then(|stage| stage.maximum.output);
        let tensor = output.ok_or_else(|| LayerError::shape(&self.name, "there is no window"))?;
        let output = Activation { tensor, shape, quantisation: input.quantisation };
        Ok((output, Box::new(LoweredMaxPool { windows, bounds, shifted, stages: lowered })))
    }
}

/// Most differences in one product.
fn factors(bits: u32) -> usize {
    ((MAX_PRODUCT_BITS / bits.max(1)) as usize).clamp(2, MAX_FACTORS)
}

/// What every stage adds to the maximum of the stage before: taps; the first adds them to its first tap.
fn stages(taps: usize, factors: usize) -> Vec<usize> {
    let more = taps.saturating_sub(1);
    let count = more.div_ceil(factors - 1).max(1);
    (0..count).map(|k| (k + 1) * more / count - k * more / count).collect()
}

/// The width of limbs for values of `bits` bits: it divides `bits`, and lookups, committed cells and rows of a table
/// that no other layer may need are fewest.
fn limb_width(bits: u32, limb_bits: u32, cells: usize) -> u32 {
    let cost = |&width: &u32| {
        let table = if width == limb_bits { 0 } else { 2_usize << width };
        cells.saturating_mul(2 * (bits / width) as usize).saturating_add(table)
    };
    (1..=bits).rev().filter(|width| bits.is_multiple_of(*width)).min_by_key(cost).unwrap_or(bits)
}

/// One tap: its place in the kernel, and `x'_w`.
type Tap = ([usize; 2], TensorId);

/// A maximum of some taps, and how it is committed.
#[derive(Clone, Debug)]
struct Maximum {
    /// `y'`.
    shifted: TensorId,
    /// Its limbs; `None` where it follows from a public output.
    limbs: Option<Limbs>,
    /// `y`, for the last stage.
    output: Option<TensorId>,
}

/// M3 and M4 for some operands.
#[derive(Debug)]
struct Stage {
    maximum: Maximum,
    taps: Vec<[usize; 2]>,
    /// Difference to the maximum of the stage before.
    previous: Option<Difference>,
    /// Differences to the taps.
    differences: Vec<Difference>,
}

#[derive(Debug)]
struct Difference {
    total: TensorId,
    limbs: Limbs,
}

/// Emits the parts of a max pooling.
struct Parts<'a, 'b> {
    builder: &'a mut Lowering<'b>,
    shape: &'a Shape,
    bits: u32,
    width: u32,
}

impl Parts<'_, '_> {
    fn largest(&self) -> i64 {
        (1 << self.bits) - 1
    }

    /// M2.
    fn taps(&mut self, windows: Windows, shifted: TensorId) -> Vec<Tap> {
        let places = (0..windows.rows.taps).flat_map(|u| (0..windows.columns.taps).map(move |v| [u, v]));
        let mut tap = |[u, v]: [usize; 2]| {
            let name = format!("tap.{u}.{v}");
            let tensor = self.builder.value(&name, self.shape, 0, self.largest());
            let mut axes = vec![AxisGroup::same(0, 0), AxisGroup::same(1, 1)];
            axes.extend([windows.rows.tap(u, 2, 2), windows.columns.tap(v, 3, 3)]);
            self.builder.view(&name, tensor, shifted, axes);
            ([u, v], tensor)
        };
        places.map(&mut tap).collect()
    }

    /// A non-negative integer of `bits` bits, as limbs; the sum of one limb is that limb.
    fn limbs(&mut self, name: &str) -> (TensorId, Limbs) {
        let limbs = Limbs::of_width(self.builder, name, self.shape, self.bits, self.width);
        if let [only] = limbs.tensors() {
            return (*only, limbs);
        }
        let total = self.builder.value(name, self.shape, 0, self.largest());
        self.builder.affine(name, total, limbs.terms(1), 0);
        (total, limbs)
    }

    fn maximum(&mut self, name: &str) -> Maximum {
        let (shifted, limbs) = self.limbs(name);
        Maximum { shifted, limbs: Some(limbs), output: None }
    }

    /// M5.
    fn output(&mut self, bounds: Bounds) -> Maximum {
        if self.builder.output_residence() == Residence::Public {
            let output = self.builder.tensor("output", self.shape, bounds, Residence::Public);
            let shifted = self.builder.value("maximum", self.shape, 0, self.largest());
            self.builder.affine("maximum", shifted, vec![(1, output)], -bounds.lo);
            return Maximum { shifted, limbs: None, output: Some(output) };
        }
        let maximum = self.maximum("maximum");
        let output = self.builder.value("output", self.shape, bounds.lo, bounds.hi);
        self.builder.affine("output", output, vec![(1, maximum.shifted)], bounds.lo);
        Maximum { output: Some(output), ..maximum }
    }

    /// M3 and M4.
    fn stage(
        &mut self,
        k: usize,
        maximum: Maximum,
        previous: Option<TensorId>,
        taps: Vec<Tap>,
        zero: TensorId,
    ) -> Result<Stage, LayerError> {
        let largest = maximum.shifted;
        let previous = previous.map(|before| self.difference(&format!("difference.stage{k}"), largest, before));
        let differences: Vec<Difference> = taps
            .iter()
            .map(|&([u, v], tensor)| self.difference(&format!("difference.{u}.{v}"), largest, tensor))
            .collect();
        let operands: Vec<TensorId> = previous.iter().chain(&differences).map(|d| d.total).collect();
        let axes = letters(self.shape.dims().len());
        let subscripts = format!("{}->{axes}", vec![axes.as_str(); operands.len()].join(","));
        self.builder.einsum(&format!("reached{k}"), &subscripts, zero, &operands)?;
        Ok(Stage { maximum, taps: taps.into_iter().map(|(place, _)| place).collect(), previous, differences })
    }

    /// `operand = largest - difference`.
    fn difference(&mut self, name: &str, largest: TensorId, operand: TensorId) -> Difference {
        let (total, limbs) = self.limbs(name);
        self.builder.affine(&format!("{name}.at-most"), operand, vec![(1, largest), (-1, total)], 0);
        Difference { total, limbs }
    }
}

#[derive(Debug)]
struct LoweredMaxPool {
    windows: Windows,
    /// Of the values.
    bounds: Bounds,
    shifted: TensorId,
    stages: Vec<Stage>,
}

impl Step for LoweredMaxPool {
    fn infer(&self, inputs: &[&[i64]]) -> Vec<i64> {
        let step = |_| |largest: &mut i64, x: i64| *largest = x.max(*largest);
        self.windows.fold(first(inputs), self.bounds.lo, step, |_, largest| largest)
    }

    /// Records all but the taps.
    fn record(&self, inputs: &[&[i64]], recorder: &mut Recorder) -> Vec<i64> {
        let lo = self.bounds.lo;
        let shifted: Vec<i64> = first(inputs).par_iter().map(|x| x - lo).collect();
        let (mut largest, mut output): (Option<Vec<i64>>, Vec<i64>) = (None, Vec::new());
        for stage in &self.stages {
            let taps: Vec<Vec<i64>> = stage.taps.iter().map(|&tap| self.windows.at_tap(&shifted, tap, 0)).collect();
            let before = largest.take();
            let mut own = before.clone().unwrap_or_else(|| vec![0; taps.first().map_or(0, Vec::len)]);
            for tap in &taps {
                own.iter_mut().zip(tap).for_each(|(largest, &x)| *largest = x.max(*largest));
            }
            let operands = before.iter().chain(&taps);
            for (difference, operand) in stage.previous.iter().chain(&stage.differences).zip(operands) {
                let values: Vec<i64> = own.iter().zip(operand).map(|(largest, x)| largest - x).collect();
                difference.limbs.record(&values, recorder);
                recorder.set(difference.total, values);
            }
            if let Some(limbs) = &stage.maximum.limbs {
                limbs.record(&own, recorder);
            }
            recorder.set(stage.maximum.shifted, own.clone());
            if let Some(tensor) = stage.maximum.output {
                output = own.iter().map(|y| y + lo).collect();
                recorder.set(tensor, output.clone());
            }
            largest = Some(own);
        }
        recorder.set(self.shifted, shifted);
        output
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_tap_has_its_stage_and_no_product_is_too_long() {
        for taps in 1..=MAX_TAPS {
            for bits in 2..=16 {
                let most = factors(bits);
                let sizes = stages(taps, most);
                assert_eq!(1 + sizes.iter().sum::<usize>(), taps);
                assert!(sizes.iter().all(|&size| size < most), "{taps} taps, {bits} bits: {sizes:?}");
                assert!(sizes.len() == 1 || sizes.iter().all(|&size| size > 0));
                assert!(most as u32 * bits <= MAX_PRODUCT_BITS);
            }
        }
        assert_eq!([stages(4, 7), stages(9, 7), stages(49, 7)], [vec![3], vec![4, 4], vec![6; 8]]);
    }

    #[test]
    fn widths_divide_and_share_a_table_where_that_is_cheapest() {
        assert_eq!([limb_width(8, 8, 100), limb_width(8, 4, 1 << 20), limb_width(8, 5, 10)], [8, 8, 4]);
        assert_eq!([limb_width(16, 8, 1000), limb_width(16, 8, 1 << 20), limb_width(11, 8, 10)], [8, 16, 1]);
    }
}

//! Average pooling, `y_bcij = mean_uv x_bc(s·i + u - p)(s'·j + v - p')`, as an exact statement about integers.
//!
//! | | relation | proven for every accepted witness |
//! |---|---|---|
//! | A1 | `window_bciujv = x_bc(s·i + u - p)(s'·j + v - p')`, 0 where that is padding | View: two sliding windows |
//! | A2 | `total = Σ_uv window_bciujv` | Einsum `bciujv->bcij`; magnitude at most `k·X` for `k` taps |
//! | A3 | `acc = m·total` | Affine |
//! | A4 | `acc + 2^(t-1) = z·2^t + rem`, `y = clamp(z)` | `z = floor((acc + 2^(t-1))/2^t)`, unique |
//!
//! `m/2^t` stands for `1/k` and the ratio of the steps: an integer of `total` stands for `step(x)/k`. As in
//! [`crate::conv2d`] nobody has the windows.
//!
//! **Padding that does not count** (`count_include_pad: false`): windows at the border have fewer cells, so every
//! position has a multiplier of its own, `m_ij`, with one `t` for all: a fixed tensor `[i, j]`, and A3 is the Einsum
//! `bcij,ij->bcij`. The multipliers are chosen as those of channels in [`crate::requantise`].
//!
//! **Uniqueness.** `total` and `acc` are functions of `x` and the constants; A4 is [`crate::requantise`].
//!
//! Cost: `t/l + 1` lookups and as many committed cells per output with a clamp table; see `papers/pooling.md`.

use serde::{Deserialize, Serialize};
use zkml_core::{AxisGroup, Bounds, Shape, TensorId};

use crate::kernel::{FloatTensor, Kernel, KernelInfo, Step, accessors, first, sole};
use crate::lowering::{Activation, Lowering, Recorder};
use crate::requantise::{Accumulator, Requantisation, Rescaling};
use crate::window::{Sliding, Windows};
use crate::{LayerError, Quantisation};

/// Average pooling over `[b, c, h, w]`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AvgPool {
    /// The layer's name.
    pub name: String,
    /// Rows and columns of the window; `None` is the whole input (global average pooling).
    pub kernel: Option<[usize; 2]>,
    /// Input rows and columns from one position to the next.
    pub stride: [usize; 2],
    /// Zeros at the top, left, bottom and right.
    pub padding: [usize; 4],
    /// Divide by the number of taps everywhere, padding counted; or else by the number of input cells in the window.
    pub count_include_pad: bool,
    /// Bits of the output, sign included.
    pub bits: u32,
    /// Width of the range-checked limbs; `None` chooses the cheapest.
    pub limb_bits: Option<u32>,
}

impl AvgPool {
    /// What the kernel is.
    pub const INFO: KernelInfo = KernelInfo {
        id: "avgpool",
        about: "mean of every window, or of the whole plane: stride, padding counted or not; requantised",
    };

    fn windows(&self, input: &Shape) -> Result<Windows, LayerError> {
        let kernel = match (self.kernel, input.dims()) {
            (Some(kernel), _) => kernel,
            (None, &[_, _, height, width]) => [height, width],
            (None, _) => [1, 1],
        };
        let Self { stride, padding, .. } = *self;
        let windows = Windows::new(&self.name, input, Sliding { kernel, stride, padding, dilation: [1, 1] })?;
        windows.require_cells(&self.name)?;
        Ok(windows)
    }

    /// What each position's sum is divided by, row-major; `None` where it is the number of taps everywhere.
    fn counts(&self, windows: &Windows) -> Option<Vec<usize>> {
        if self.count_include_pad || !windows.padded() {
            return None;
        }
        let rows = (0..windows.rows.positions).map(|i| windows.rows.taps_inside(i));
        let columns: Vec<usize> = (0..windows.columns.positions).map(|j| windows.columns.taps_inside(j)).collect();
        Some(rows.flat_map(|rows| columns.iter().map(move |columns| rows * columns)).collect())
    }

    fn rescaling(&self, builder: &Lowering, input: Quantisation, windows: &Windows) -> Result<Rescaling, LayerError> {
        let (taps, most) = (windows.taps(), -input.bounds().lo);
        let sum = |count: usize| i64::try_from(count).ok().and_then(|n| n.checked_mul(most));
        let accumulator = |count: usize| {
            let (honest, proven) = sum(count).zip(sum(taps))?;
            Some(Accumulator { step: input.scale / count.max(1) as f64, honest, proven })
        };
        let too_large = || LayerError::parameter(&self.name, "the window is too large");
        let worst = most as f64 * input.scale;
        let largest = builder.output_largest().filter(|&l| l > 0.0).unwrap_or(worst);
        let target = Quantisation::for_largest(&self.name, self.bits, largest)?;
        match self.counts(windows) {
            None => {
                let accumulator = accumulator(taps).ok_or_else(too_large)?;
                Rescaling::plan(&self.name, accumulator, target, builder.limb_bits())
            }
            Some(counts) => {
                let accumulators = counts.into_iter().map(accumulator).collect::<Option<Vec<_>>>();
                let accumulators = accumulators.ok_or_else(too_large)?;
                Rescaling::plan_channels(&self.name, &accumulators, target, builder.limb_bits())
            }
        }
    }
}

impl Kernel for AvgPool {
    accessors!();

    fn output_shape(&self, inputs: &[Shape]) -> Result<Shape, LayerError> {
        let windows = self.windows(sole(&self.name, inputs)?)?;
        windows.output(&self.name, windows.channels)
    }

    fn float(&self, inputs: &[FloatTensor<'_>]) -> Vec<f64> {
        let Some((input, windows)) = inputs.first().and_then(|i| Some((i.values, self.windows(i.shape).ok()?))) else {
            return Vec::new();
        };
        let (counts, taps) = (self.counts(&windows), windows.taps());
        let count = |at: usize| counts.as_ref().and_then(|c| c.get(at)).copied().unwrap_or(taps);
        windows.fold(input, 0.0, |_| |sum: &mut f64, x| *sum += x, |at, sum| sum / count(at) as f64)
    }

    fn lower(&self, builder: &mut Lowering, inputs: &[&Activation]) -> Result<(Activation, Box<dyn Step>), LayerError> {
        let input = *sole(&self.name, inputs)?;
        let windows = self.windows(&input.shape)?;
        let shape = windows.output(&self.name, windows.channels)?;
        let rescaling = self.rescaling(builder, input.quantisation, &windows)?;
        let total = total(builder, input, &windows, &shape)?;
        // `Rescaling` has checked that the sums of `taps` cells fit.
        let most = -input.quantisation.bounds().lo * windows.taps() as i64;
        let requantisation = match rescaling.channels.clone() {
            None => Requantisation::of_terms(builder, &shape, vec![(1, total)], most, rescaling.clone())?,
            Some(multipliers) => {
                let plane = Shape::new([windows.rows.positions, windows.columns.positions])
                    .ok_or_else(|| LayerError::shape(&self.name, "the output is too large"))?;
                let bounds = Bounds::new(0, rescaling.multiplier);
                let multiplier = builder.fixed("multiplier", &plane, bounds, multipliers.to_vec());
                let most = most * rescaling.multiplier;
                let scaled = builder.value("accumulator", &shape, -most, most);
                builder.einsum("accumulator", "bcij,ij->bcij", scaled, &[total, multiplier])?;
                Requantisation::lower(builder, &shape, scaled, rescaling.clone())?
            }
        };
        let output = Activation { tensor: requantisation.output(), shape, quantisation: rescaling.output };
        Ok((output, Box::new(LoweredAvgPool { windows, total, rescaling, requantisation })))
    }
}

/// A1 and A2.
fn total(builder: &mut Lowering, input: &Activation, windows: &Windows, shape: &Shape) -> Result<TensorId, LayerError> {
    let Windows { batch, channels, rows, columns } = *windows;
    let dims = [batch, channels, rows.positions, rows.taps, columns.positions, columns.taps];
    let dims = Shape::new(dims).ok_or_else(|| LayerError::shape(builder.layer(), "the windows are too large"))?;
    let Bounds { lo, hi } = input.quantisation.bounds();
    let window = builder.value("window", &dims, lo, hi);
    let axes = vec![AxisGroup::same(0, 0), AxisGroup::same(1, 1), rows.window([2, 3], 2), columns.window([4, 5], 3)];
    builder.view("window", window, input.tensor, axes);
    let taps = windows.taps() as i64;
    let total = builder.value("total", shape, lo * taps, -lo * taps);
    builder.einsum("total", "bciujv->bcij", total, &[window])?;
    Ok(total)
}

#[derive(Debug)]
struct LoweredAvgPool {
    windows: Windows,
    total: TensorId,
    rescaling: Rescaling,
    requantisation: Requantisation,
}

impl LoweredAvgPool {
    /// `finish` gets the row-major position in the plane, and the sum.
    fn totals(&self, input: &[i64], finish: impl Fn(usize, i64) -> i64 + Sync) -> Vec<i64> {
        self.windows.fold(input, 0, |_| |sum: &mut i64, x: i64| *sum += x, finish)
    }
}

impl Step for LoweredAvgPool {
    fn infer(&self, inputs: &[&[i64]]) -> Vec<i64> {
        self.totals(first(inputs), |at, sum| self.rescaling.channel_output(at, sum))
    }

    /// Records all but the window.
    fn record(&self, inputs: &[&[i64]], recorder: &mut Recorder) -> Vec<i64> {
        let totals = self.totals(first(inputs), |_, sum| sum);
        let outputs = if self.rescaling.channels.is_some() {
            let [_, plane] = self.windows.planes();
            let multiplier = |cell: usize| self.rescaling.channel_multiplier(cell % plane.max(1));
            let scaled = totals.iter().enumerate().map(|(cell, sum)| sum * multiplier(cell)).collect();
            self.requantisation.record_scaled(scaled, recorder)
        } else {
            self.requantisation.record(&totals, recorder)
        };
        recorder.set(self.total, totals);
        outputs
    }
}

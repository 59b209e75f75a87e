//! Direct convolution with fixed filters: the forward pass of a convolution layer, without gathering windows.

use std::ops::AddAssign;

use rayon::prelude::*;
use zkml_core::TensorId;

use crate::lowering::Recorder;
use crate::sums::Strides;
use crate::window::Windows;

/// Filters `[outputs, channels of a group, height, width]`, row-major, and where they are applied.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Filters<'a, T> {
    pub(crate) weight: &'a [T],
    pub(crate) outputs: usize,
    pub(crate) groups: usize,
    pub(crate) windows: Windows,
}

impl<T: Copy + Sync> Filters<'_, T> {
    /// `finish(o, Σ_{c,u,v} product(w_ocuv, x))` for every cell of the output `[b, outputs, i, j]`, row-major. One job
    /// per output plane; padding is skipped.
    pub(crate) fn apply<A: Copy + Default + AddAssign, Y: Copy + Default + Send>(
        &self,
        input: &[T],
        product: impl Fn(T, T) -> A + Sync,
        finish: impl Fn(usize, A) -> Y + Sync,
    ) -> Vec<Y> {
        let Windows { batch, channels, rows, columns } = self.windows;
        let own = channels / self.groups.max(1);
        let (plane, cells) = (rows.length * columns.length, rows.positions * columns.positions);
        let filter = own * rows.taps * columns.taps;
        let mut output = vec![Y::default(); batch * self.outputs * cells];
        output.par_chunks_mut(cells.max(1)).enumerate().for_each(|(index, output)| {
            let (b, o) = (index / self.outputs, index % self.outputs);
            let group = o / (self.outputs / self.groups.max(1)).max(1);
            let start = (b * channels + group * own) * plane;
            let mut sums = vec![A::default(); cells];
            let filters = self.weight[o * filter..(o + 1) * filter].chunks(rows.taps * columns.taps);
            for (input, filter) in input[start..start + own * plane].chunks(plane).zip(filters) {
                self.windows.fold_plane(input, &mut sums, |tap| {
                    let (weight, product) = (filter[tap], &product);
                    move |sum: &mut A, x| *sum += product(weight, x)
                });
            }
            output.iter_mut().zip(sums).for_each(|(y, sum)| *y = finish(o, sum));
        });
        output
    }
}

/// Filters of integers of at most 16 bits.
#[derive(Debug)]
pub(crate) struct IntegerFilters {
    weight: Vec<i16>,
    outputs: usize,
    groups: usize,
    windows: Windows,
    /// Bounds the sum of magnitudes `Σ |w·x|` of admissible inputs.
    largest: u64,
}

impl IntegerFilters {
    /// `largest` bounds the sum of magnitudes `Σ |w·x|` for every output channel and every admissible input. Weights
    /// and inputs must fit 16 bits.
    pub(crate) fn new(weight: &[i64], outputs: usize, groups: usize, windows: Windows, largest: i64) -> Self {
        let weight = weight.iter().map(|&w| w as i16).collect();
        Self { weight, outputs, groups, windows, largest: largest.unsigned_abs() }
    }

    /// `finish(o, sum)` for every cell of the output.
    pub(crate) fn apply(&self, input: &[i64], finish: impl Fn(usize, i64) -> i64 + Sync) -> Vec<i64> {
        let input: Vec<i16> = input.iter().map(|&x| x as i16).collect();
        let Self { outputs, groups, windows, .. } = *self;
        let filters = Filters { weight: &self.weight, outputs, groups, windows };
        if i32::try_from(self.largest).is_ok() {
            let product = |w, x| i32::from(w) * i32::from(x);
            return filters.apply(&input, product, |o, sum: i32| finish(o, i64::from(sum)));
        }
        filters.apply(&input, |w, x| i64::from(i32::from(w) * i32::from(x)), finish)
    }

    /// The sums themselves, on the recorder's device if they are worth it; `weight` is the tensor of the filters.
    pub(crate) fn sums(&self, input: &[i64], weight: TensorId, recorder: &Recorder<'_>) -> Vec<i64> {
        let sums = recorder.sums_on_device(|| self.windows.pad(input), weight, &self.strides());
        sums.unwrap_or_else(|| self.apply(input, |_, sum| sum))
    }

    /// The convolution as loops over the padded input and the filters.
    fn strides(&self) -> Strides {
        let Windows { batch, channels, rows, columns } = self.windows;
        let (groups, own) = (self.groups.max(1), channels / self.groups.max(1));
        let (width, plane) = (columns.extent(), rows.extent() * columns.extent());
        let taps = rows.taps * columns.taps;
        let outputs = self.outputs / groups;
        let (by_row, by_column) = (rows.stride * width, columns.stride);
        Strides {
            outer: vec![batch, groups, outputs, rows.positions, columns.positions],
            inner: vec![own, rows.taps, columns.taps],
            operands: [
                vec![
                    channels * plane,
                    own * plane,
                    0,
                    by_row,
                    by_column,
                    plane,
                    rows.dilation * width,
                    columns.dilation,
                ],
                vec![0, outputs * own * taps, own * taps, 0, 0, taps, columns.taps, 1],
            ],
            largest: self.largest,
        }
    }

    /// Cells of one output plane.
    pub(crate) fn plane(&self) -> usize {
        self.windows.rows.positions * self.windows.columns.positions
    }
}

#[cfg(test)]
mod tests {
    use zkml_core::Shape;

    use super::*;
    use crate::window::Sliding;

    #[test]
    fn extremes_of_16_bits_do_not_overflow() {
        let sliding = Sliding { kernel: [2, 1], stride: [1, 1], padding: [0; 4], dilation: [1, 1] };
        let windows = Windows::new("t", &Shape::new([1, 1, 2, 1]).unwrap(), sliding).unwrap();
        let sums = |weight: [i64; 2], input: [i64; 2], largest| {
            IntegerFilters::new(&weight, 1, 1, windows, largest).apply(&input, |_, sum| sum)
        };
        let low = -1 << 15;
        assert_eq!(sums([low, low], [low, low], 1 << 31), [1 << 31]);
        assert_eq!(sums([low, low], [low, low + 1], (1 << 31) - 1), [(1 << 31) - (1 << 15)]);
    }

    #[test]
    fn the_finish_sees_the_output_channel() {
        let sliding = Sliding { kernel: [1, 1], stride: [1, 1], padding: [0; 4], dilation: [1, 1] };
        let windows = Windows::new("t", &Shape::new([2, 2, 1, 2]).unwrap(), sliding).unwrap();
        let filters = IntegerFilters::new(&[2, 3], 2, 2, windows, 1 << 10);
        let output = filters.apply(&[1, 2, 3, 4, 5, 6, 7, 8], |o, sum| 100 * o as i64 + sum);
        assert_eq!(output, [2, 4, 109, 112, 10, 12, 121, 124]);
    }
}

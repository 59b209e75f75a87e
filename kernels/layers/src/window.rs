//! Windows that slide over the last two axes of `[batch, channels, height, width]`.

use std::ops::Range;

use rayon::prelude::*;
use zkml_core::{AxisGroup, AxisMap, Shape};

use crate::LayerError;

/// Largest kernel, stride, dilation and padding.
const MAX_STEP: usize = 1 << 16;

/// How windows slide, as the user gives it: height first, then width.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sliding {
    pub(crate) kernel: [usize; 2],
    pub(crate) stride: [usize; 2],
    /// Top, left, bottom, right.
    pub(crate) padding: [usize; 4],
    pub(crate) dilation: [usize; 2],
}

/// One axis: tap `u` of the window at position `i` is input index `stride·i + dilation·u - before`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Axis {
    pub(crate) length: usize,
    pub(crate) taps: usize,
    pub(crate) positions: usize,
    pub(crate) stride: usize,
    pub(crate) dilation: usize,
    before: usize,
}

impl Axis {
    /// The input index, if it is not padding.
    pub(crate) fn index(&self, position: usize, tap: usize) -> Option<usize> {
        let index = (self.stride * position + self.dilation * tap).checked_sub(self.before)?;
        (index < self.length).then_some(index)
    }

    /// The positions at which a tap is not padding.
    pub(crate) fn inside(&self, tap: usize) -> Range<usize> {
        let offset = self.dilation * tap;
        let first = self.before.saturating_sub(offset).div_ceil(self.stride);
        let end = (self.length + self.before).saturating_sub(offset).div_ceil(self.stride);
        first.min(self.positions)..end.min(self.positions).max(first.min(self.positions))
    }

    /// Number of taps of a window that are not padding.
    pub(crate) fn taps_inside(&self, position: usize) -> usize {
        (0..self.taps).filter(|&tap| self.index(position, tap).is_some()).count()
    }

    /// Indices that windows reach into, padding included.
    pub(crate) fn extent(&self) -> usize {
        self.stride * (self.positions - 1) + self.dilation * (self.taps - 1) + 1
    }

    fn offset(&self) -> i64 {
        -(self.before as i64)
    }

    /// Positions `i` and taps `u`, as output axes.
    pub(crate) fn window(&self, output: [usize; 2], input: usize) -> AxisGroup {
        let map = AxisMap::Window { stride: self.stride, dilation: self.dilation, offset: self.offset() };
        AxisGroup { output: output.to_vec(), input: vec![input], map }
    }

    /// Positions `i` at one tap, as an output axis.
    pub(crate) fn tap(&self, tap: usize, output: usize, input: usize) -> AxisGroup {
        let offset = (self.dilation * tap) as i64 + self.offset();
        let map = AxisMap::Window { stride: self.stride, dilation: 1, offset };
        AxisGroup { output: vec![output], input: vec![input], map }
    }
}

/// Batch, channels, and the two axes that windows slide over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Windows {
    pub(crate) batch: usize,
    pub(crate) channels: usize,
    pub(crate) rows: Axis,
    pub(crate) columns: Axis,
}

impl Windows {
    /// Refuses inputs that are not `[b, c, h, w]`, sizes out of range, and windows that do not fit the padded input.
    pub(crate) fn new(layer: &str, input: &Shape, sliding: Sliding) -> Result<Self, LayerError> {
        let &[batch, channels, height, width] = input.dims() else {
            return Err(LayerError::shape(layer, format!("the input is {input}; it must be [b, c, h, w]")));
        };
        let Sliding { kernel, stride, padding: [top, left, bottom, right], dilation } = sliding;
        let axis = |name: &str, length: usize, at: usize, [before, after]: [usize; 2]| {
            let (taps, stride, dilation) = (kernel[at], stride[at], dilation[at]);
            if [taps, stride, dilation].contains(&0) {
                let what = format!("kernel {taps}, stride {stride} and dilation {dilation} must be at least 1");
                return Err(LayerError::parameter(layer, what));
            }
            if [taps, stride, dilation, before, after].iter().any(|&v| v > MAX_STEP) {
                let what = format!("kernel, stride, dilation and padding must be at most {MAX_STEP}");
                return Err(LayerError::parameter(layer, what));
            }
            let (extent, padded) = (dilation * (taps - 1) + 1, length + before + after);
            if extent > padded {
                let what =
                    format!("a window of {name} {extent} does not fit an input of {name} {padded} (with padding)");
                return Err(LayerError::shape(layer, what));
            }
            Ok(Axis { length, taps, positions: (padded - extent) / stride + 1, stride, dilation, before })
        };
        let rows = axis("height", height, 0, [top, bottom])?;
        let columns = axis("width", width, 1, [left, right])?;
        Ok(Self { batch, channels, rows, columns })
    }

    /// The input with its padding: every plane as far as windows reach.
    pub(crate) fn pad(&self, input: &[i64]) -> Vec<i64> {
        let (rows, columns) = (self.rows, self.columns);
        let at = |axis: Axis, index: usize| index.checked_sub(axis.before).filter(|&i| i < axis.length);
        let row = |plane: usize, i: usize| {
            let start = at(rows, i).map(|i| (plane * rows.length + i) * columns.length);
            let cell = move |j: usize| input.get(start? + at(columns, j)?).copied();
            (0..columns.extent()).map(move |j| cell(j).unwrap_or(0))
        };
        let planes = 0..self.batch * self.channels;
        planes.flat_map(|plane| (0..rows.extent()).flat_map(move |i| row(plane, i))).collect()
    }

    /// `[b, channels, positions, positions]`.
    pub(crate) fn output(&self, layer: &str, channels: usize) -> Result<Shape, LayerError> {
        Shape::new([self.batch, channels, self.rows.positions, self.columns.positions])
            .ok_or_else(|| LayerError::shape(layer, "the output is too large"))
    }

    /// Refuses a window that has no input cell: it has no maximum and no mean.
    pub(crate) fn require_cells(&self, layer: &str) -> Result<(), LayerError> {
        for axis in [self.rows, self.columns] {
            if let Some(position) = (0..axis.positions).find(|&i| axis.taps_inside(i) == 0) {
                let what = format!("the window at position {position} holds nothing but padding; use less padding");
                return Err(LayerError::parameter(layer, what));
            }
        }
        Ok(())
    }

    /// Number of taps.
    pub(crate) fn taps(&self) -> usize {
        self.rows.taps * self.columns.taps
    }

    /// Cells of an input plane and of an output plane.
    pub(crate) fn planes(&self) -> [usize; 2] {
        [self.rows.length * self.columns.length, self.rows.positions * self.columns.positions]
    }

    /// Visits every cell of one input plane at every tap that reaches it: `step(tap)`, with the row-major position of
    /// the tap in the kernel, gets the output cell and the input cell. Padding is skipped.
    pub(crate) fn fold_plane<T: Copy, A, G: Fn(&mut A, T)>(
        &self,
        input: &[T],
        output: &mut [A],
        step: impl Fn(usize) -> G,
    ) {
        let Self { rows, columns, .. } = *self;
        for (u, v) in (0..rows.taps).flat_map(|u| (0..columns.taps).map(move |v| (u, v))) {
            let step = step(u * columns.taps + v);
            let inside = columns.inside(v);
            let Some(first) = columns.index(inside.start, v).filter(|_| !inside.is_empty()) else { continue };
            for i in rows.inside(u) {
                let Some(row) = rows.index(i, u) else { continue };
                let row = &input[row * columns.length + first..(row + 1) * columns.length];
                let cells = output[i * columns.positions..(i + 1) * columns.positions][inside.clone()].iter_mut();
                if columns.stride == 1 {
                    cells.zip(row).for_each(|(cell, &x)| step(cell, x));
                } else {
                    cells.zip(row.iter().step_by(columns.stride)).for_each(|(cell, &x)| step(cell, x));
                }
            }
        }
    }

    /// [`Windows::fold_plane`] for every plane of `[b, c, h, w]`, from `start` in every output cell; then `finish`,
    /// which also gets the row-major position in the output plane.
    pub(crate) fn fold<T: Copy + Sync, A: Copy + Send + Sync, G: Fn(&mut A, T)>(
        &self,
        input: &[T],
        start: A,
        step: impl Fn(usize) -> G + Sync,
        finish: impl Fn(usize, A) -> A + Sync,
    ) -> Vec<A> {
        let [plane, cells] = self.planes();
        let mut output = vec![start; self.batch * self.channels * cells];
        let planes = output.par_chunks_mut(cells.max(1)).zip(input.par_chunks(plane.max(1)));
        planes.for_each(|(output, input)| {
            self.fold_plane(input, output, &step);
            output.iter_mut().enumerate().for_each(|(position, cell)| *cell = finish(position, *cell));
        });
        output
    }

    /// The input cell of every window at one tap, `fill` where that is padding.
    pub(crate) fn at_tap(&self, input: &[i64], tap: [usize; 2], fill: i64) -> Vec<i64> {
        let ([plane, cells], Self { rows, columns, .. }, [u, v]) = (self.planes(), *self, tap);
        let mut output = vec![fill; self.batch * self.channels * cells];
        let planes = output.par_chunks_mut(cells.max(1)).zip(input.par_chunks(plane.max(1)));
        planes.for_each(|(output, input)| {
            for (i, output) in output.chunks_mut(columns.positions).enumerate() {
                let Some(row) = rows.index(i, u) else { continue };
                for (j, output) in output.iter_mut().enumerate() {
                    if let Some(column) = columns.index(j, v) {
                        *output = input[row * columns.length + column];
                    }
                }
            }
        });
        output
    }

    /// True if some tap of some window is padding.
    pub(crate) fn padded(&self) -> bool {
        [self.rows, self.columns].iter().any(|axis| (0..axis.positions).any(|i| axis.taps_inside(i) < axis.taps))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn windows(length: usize, taps: usize, stride: usize, dilation: usize, padding: [usize; 2]) -> Axis {
        let [before, after] = padding;
        let sliding =
            Sliding { kernel: [taps, 1], stride: [stride, 1], padding: [before, 0, after, 0], dilation: [dilation, 1] };
        Windows::new("t", &Shape::new([1, 1, length, 1]).unwrap(), sliding).unwrap().rows
    }

    /// Against a search through the padded axis.
    #[test]
    fn positions_and_ranges() {
        for length in 1..8 {
            for taps in 1..4 {
                for (stride, dilation) in [(1, 1), (2, 1), (3, 2), (1, 3)] {
                    for padding in [[0, 0], [1, 0], [0, 2], [3, 3]] {
                        let extent = dilation * (taps - 1) + 1;
                        let padded = length + padding[0] + padding[1];
                        if extent > padded {
                            continue;
                        }
                        let axis = windows(length, taps, stride, dilation, padding);
                        let starts: Vec<usize> = (0..=padded - extent).step_by(stride).collect();
                        assert_eq!(axis.positions, starts.len());
                        for tap in 0..taps {
                            let inside = axis.inside(tap);
                            for (i, start) in starts.iter().enumerate() {
                                let at = start + dilation * tap;
                                let expected = (padding[0]..padding[0] + length).contains(&at);
                                assert_eq!(axis.index(i, tap), expected.then(|| at - padding[0]));
                                assert_eq!(inside.contains(&i), expected, "{axis:?}, tap {tap}, position {i}");
                            }
                        }
                    }
                }
            }
        }
    }
}

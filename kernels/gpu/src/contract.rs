//! Contraction of an axis with weights: `out[a, b] = Σ_m weights[m] · cells[a, m, b]`.
//!
//! | shape | kernel |
//! |---|---|
//! | the summed axis is innermost and long | a workgroup per output: neighbours read neighbours |
//! | many outputs | a thread per output: neighbours read neighbours |
//! | few outputs | the summed axis in pieces, which a second kernel adds up |

use zkml_device::{Buffer, Contents, DeviceError, FieldKind};

use crate::buffer::{Vector, window_entries};
use crate::context::{Args, Context, Dispatch};
use crate::shader::{THREADS, View, vectors as kernels};
use crate::vectors::{parts, request};

/// A part of the work whose cells, weights and outputs fit a window each: first index and length, by axis.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Block {
    rows: (usize, usize),
    middle: (usize, usize),
    inner: (usize, usize),
}

/// Splits the shape so that at most so many cells, weights and outputs are in a block.
fn blocks([rows, middle, inner]: [usize; 3], cells: usize, weights: usize, outputs: usize) -> Vec<Block> {
    let row = middle * inner;
    if row <= cells && inner <= outputs && middle <= weights {
        let most = (cells / row.max(1)).min(outputs / inner.max(1));
        return parts(rows, most).map(|rows| Block { rows, middle: (0, middle), inner: (0, inner) }).collect();
    }
    let mut blocks = Vec::new();
    for a in 0..rows {
        for inner_part in parts(inner, inner.min(cells).min(outputs)) {
            let most = (1 + (cells - inner_part.1) / inner).min(weights);
            let all = parts(middle, most);
            blocks.extend(all.map(|middle| Block { rows: (a, 1), middle, inner: inner_part }));
        }
    }
    blocks
}

/// One contraction.
struct Contraction<'a> {
    context: &'a Context,
    field: FieldKind,
    shape: [usize; 3],
    cells: Vector,
    view: View,
    weights: Vector,
    out: Vector,
}

pub(crate) fn contract(
    context: &Context,
    cells: &Buffer,
    shape: [usize; 3],
    weights: &Buffer,
) -> Result<Buffer, DeviceError> {
    let Contents::Elements(field) = weights.contents() else { return Err(request("weights are elements")) };
    let view = match cells.contents() {
        Contents::Integers(bytes) => View::Integers(bytes),
        Contents::Elements(of) if of == field => View::Read,
        Contents::Elements(_) => return Err(request("cells and weights are of different fields")),
    };
    let [rows, middle, inner] = shape;
    let total = rows.checked_mul(middle).and_then(|n| n.checked_mul(inner));
    if total != Some(cells.len()) || weights.len() < middle {
        return Err(request("cells or weights do not have the lengths of the split"));
    }
    let (buffer, out) = context.vector("a contraction", Contents::Elements(field), rows * inner)?;
    let (cells, weights) = (context.find(cells)?, context.find(weights)?);
    let limits = (cells.fits(context), weights.fits(context), out.fits(context));
    let contraction = Contraction { context, field, shape, cells, view, weights, out };
    let mut dispatches = Vec::new();
    if middle > 0 {
        for block in blocks(shape, limits.0, limits.1, limits.2) {
            contraction.block(block, &mut dispatches)?;
        }
    }
    context.run(&dispatches)?;
    Ok(buffer)
}

impl Contraction<'_> {
    fn block(&self, block: Block, dispatches: &mut Vec<Dispatch>) -> Result<(), DeviceError> {
        let ([_, middle, inner], context) = (self.shape, self.context);
        let (rows, depth, width) = (block.rows.1, block.middle.1, block.inner.1);
        let outputs = rows * width;
        let cooperative = inner == 1 && depth >= 64;
        let splits = self.splits(outputs, depth, cooperative);
        let cells_first = (block.rows.0 * middle + block.middle.0) * inner + block.inner.0;
        let cells_count = (rows - 1) * middle * inner + (depth - 1) * inner + width;
        let (cells, cells_base) = self.cells.window(context, cells_first, cells_count);
        let (weights, weights_base) = self.weights.window(context, block.middle.0, depth);
        let (out, out_base) =
            self.out.window(context, block.rows.0 * inner + block.inner.0, (rows - 1) * inner + width);
        let add = usize::from(block.middle.0 > 0);
        let threads = if cooperative { outputs * splits * THREADS as usize } else { outputs * splits };
        let kernel = kernels::contract(context.dialect(self.field), self.view.clone(), cooperative);
        let mut numbers =
            vec![outputs, width, depth, splits, depth.div_ceil(splits), cells_base, middle * inner, inner];
        if splits == 1 {
            numbers.extend([weights_base, out_base, inner, 0, add]);
            let windows = vec![cells, weights, out];
            dispatches.push(context.dispatch(&kernel, Args::new(&numbers)?, windows, context.groups(threads))?);
            return Ok(());
        }
        let (_, pieces) = context.vector("partial sums", Contents::Elements(self.field), outputs * splits)?;
        let (window, base) = pieces.window(context, 0, outputs * splits);
        numbers.extend([weights_base, base, width, outputs, 0]);
        let windows = vec![cells, weights, window.clone()];
        dispatches.push(context.dispatch(&kernel, Args::new(&numbers)?, windows, context.groups(threads))?);
        let fold = kernels::fold(context.dialect(self.field));
        let args = Args::new(&[outputs, width, splits, out_base, inner, add])?;
        dispatches.push(context.dispatch(&fold, args, vec![window, out], context.groups(outputs))?);
        Ok(())
    }

    /// In how many pieces the summed axis is worked on, so that few outputs keep the adapter busy as well.
    fn splits(&self, outputs: usize, depth: usize, cooperative: bool) -> usize {
        let groups = self.context.limits.groups as usize;
        let (workers, piece) = if cooperative { (groups, 1024) } else { (groups * THREADS as usize, 64) };
        let room = window_entries(self.context, self.field.bytes()) / outputs.max(1);
        (workers / outputs.max(1)).min(depth / piece).min(room).max(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_cover_the_shape_and_respect_the_limits() {
        for shape in [[3, 5, 7], [1, 100, 1], [9, 1, 40], [2, 30, 8], [40, 1, 1]] {
            for (cells, weights, outputs) in [(1000, 1000, 1000), (16, 1000, 4), (7, 3, 1000), (50, 50, 3)] {
                let blocks = blocks(shape, cells, weights, outputs);
                let volume: usize = blocks.iter().map(|b| b.rows.1 * b.middle.1 * b.inner.1).sum();
                assert_eq!(volume, shape.iter().product::<usize>(), "{shape:?}");
                for b in blocks {
                    let span = (b.rows.1 - 1) * shape[1] * shape[2] + (b.middle.1 - 1) * shape[2] + b.inner.1;
                    assert!(span <= cells && b.middle.1 <= weights && b.rows.1 * b.inner.1 <= outputs, "{b:?}");
                }
            }
        }
    }
}

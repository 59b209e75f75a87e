//! Multilinear extensions of integer columns.

use zkml_core::{Shape, Suite};
use zkml_device::Column;

use super::{Tensor, Vector, eq_scalars};

/// The multilinear extension of a column at a point (zero-padded by its true shape).
///
/// One small-by-extension product per cell; the eq tables of the axes cost one extension product per index. Cells
/// and coordinates that are missing count as zero.
pub fn evaluate_column<S: Suite>(column: &Column, shape: &Shape, point: &[S::Challenge]) -> S::Challenge {
    let mut rest = point;
    let mut weights = Vec::new();
    for (axis, variables) in shape.axis_variables().into_iter().enumerate() {
        let (own, tail) = rest.split_at(variables.min(rest.len()));
        weights.push((axis, eq_scalars::<S>(own)));
        rest = tail;
    }
    let mut tensor = Tensor::<S>::new(column, shape);
    tensor.contract_all(weights);
    tensor.scalar()
}

/// A column as the values of its multilinear extension on the cube: every axis zero-padded to a power of two.
pub fn pad_column<S: Suite>(column: &Column, shape: &Shape) -> Vector<S> {
    let lengths: Vec<usize> = shape.axis_variables().into_iter().map(|n| 1 << n).collect();
    let axes: Vec<Option<usize>> = (0..lengths.len()).map(Some).collect();
    Tensor::<S>::new(column, shape).spread(&lengths, &axes).into()
}

//! Multilinear extensions of integer columns.

use std::sync::Arc;

use zkml_core::{Shape, Suite};
use zkml_device::{Column, Device, DeviceError};

use super::{Tensor, Vector, eq_scalars};

/// The multilinear extension of a column at a point (zero-padded by its true shape).
///
/// One small-by-extension product per cell, on the device if that is worth it; the eq tables of the axes cost one extension product per index. Cells
/// and coordinates that are missing count as zero.
pub fn evaluate_column<S: Suite>(
    column: &Arc<Column>,
    shape: &Shape,
    point: &[S::Challenge],
    device: &Device,
) -> Result<S::Challenge, DeviceError> {
    let mut rest = point;
    let mut weights = Vec::new();
    for (axis, variables) in shape.axis_variables().into_iter().enumerate() {
        let (own, tail) = rest.split_at(variables.min(rest.len()));
        weights.push((axis, eq_scalars::<S>(own)));
        rest = tail;
    }
    let mut tensor = Tensor::<S>::on_device(column, shape, device);
    tensor.contract_all(weights)?;
    Ok(tensor.scalar())
}

/// A column as the values of its multilinear extension on the cube: every axis zero-padded to a power of two.
pub fn pad_column<S: Suite>(column: &Column, shape: &Shape) -> Vector<S> {
    let lengths: Vec<usize> = shape.axis_variables().into_iter().map(|n| 1 << n).collect();
    let axes: Vec<Option<usize>> = (0..lengths.len()).map(Some).collect();
    Tensor::<S>::new(column, shape).spread(&lengths, &axes).into()
}

//! Multilinear extensions of integer columns.

use p3_field::PrimeCharacteristicRing;
use rayon::prelude::*;
use zkml_core::{Shape, Suite};
use zkml_device::{Column, with_column};

use super::{CHUNK, Vector, contract_column, contract_table, eq_scalars};

/// The multilinear extension of a column at a point (zero-padded by its true shape).
///
/// One small-by-extension product per cell; the eq tables of the axes cost one extension product per index.
/// Columns shorter or longer than the shape are read as far as they go.
pub fn evaluate_column<S: Suite>(column: &Column, shape: &Shape, point: &[S::Challenge]) -> S::Challenge {
    let mut rest = point;
    let mut weights = Vec::new();
    for variables in shape.axis_variables() {
        let (own, tail) = rest.split_at(variables.min(rest.len()));
        weights.push(eq_scalars::<S>(own));
        rest = tail;
    }
    let Some((last, outer)) = shape.dims().split_last() else {
        return column.get(0).map_or(S::Challenge::ZERO, |v| S::from_i64(v).into());
    };
    let rows: usize = outer.iter().product();
    let mut table = contract_column::<S>(column, [rows, *last, 1], &weights[outer.len()]);
    for (axis, &n) in outer.iter().enumerate().rev() {
        let rows: usize = outer[..axis].iter().product();
        table = contract_table::<S>(&table, [rows, n, 1], &weights[axis]);
    }
    table.first().copied().unwrap_or_default()
}

/// A column as the values of its multilinear extension on the cube: every axis zero-padded to a power of two.
pub fn pad_column<S: Suite>(column: &Column, shape: &Shape) -> Vector<S> {
    let mut padded = vec![S::Challenge::ZERO; 1 << shape.variables()];
    let last = shape.dims().last().copied().unwrap_or(1);
    let width = last.next_power_of_two();
    let rows = row_offsets(shape);
    #[allow(clippy::useless_conversion, reason = "the macro also expands to i64")]
    {
        with_column!(column, values => {
            let fill = |(slot, row): (&mut [S::Challenge], &Option<usize>)| {
                if let Some(source) = row.and_then(|row| values.get(row..row + last)) {
                    slot.iter_mut().zip(source).for_each(|(s, &v)| *s = S::from_i64(i64::from(v)).into());
                }
            };
            let min_rows = CHUNK.div_ceil(width);
            padded.par_chunks_mut(width).zip(&rows).with_min_len(min_rows).for_each(fill);
        });
    }
    padded.into()
}

/// For every row (index of all axes but the last) of the padded tensor: where it starts in the true tensor.
fn row_offsets(shape: &Shape) -> Vec<Option<usize>> {
    let last = shape.dims().last().copied().unwrap_or(1);
    let mut rows = vec![Some(0)];
    for &n in &shape.dims()[..shape.dims().len().saturating_sub(1)] {
        rows = rows
            .iter()
            .flat_map(|&row| (0..n.next_power_of_two()).map(move |i| row.filter(|_| i < n).map(|row| row * n + i)))
            .collect();
    }
    rows.into_iter().map(|row| row.map(|row| row * last)).collect()
}

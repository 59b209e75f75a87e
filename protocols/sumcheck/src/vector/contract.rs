//! Contraction of one axis of a tensor with a weight vector: partial evaluation of multilinear extensions.

use p3_field::PrimeCharacteristicRing;
use rayon::prelude::*;
use zkml_core::Suite;
use zkml_device::{Column, count, with_column};

use super::CHUNK;

/// `out[a, b] = Σ_m weights[m] · column[a, m, b]` for a column of shape `[a, m, b]`, row-major.
///
/// One small-by-extension product per cell. Missing weights and cells count as zero.
pub fn contract_column<S: Suite>(
    column: &Column,
    [rows, middle, inner]: [usize; 3],
    weights: &[S::Challenge],
) -> Vec<S::Challenge> {
    count::base_ext_mul(rows * middle * inner);
    #[allow(clippy::useless_conversion, reason = "the macro also expands to i64")]
    {
        with_column!(column, values => {
            contract::<S, _>(values, [rows, middle, inner], weights, |&v, w| w * S::from_i64(i64::from(v)))
        })
    }
}

/// [`contract_column`] for challenge-field cells: one extension product per cell.
pub fn contract_table<S: Suite>(
    table: &[S::Challenge],
    [rows, middle, inner]: [usize; 3],
    weights: &[S::Challenge],
) -> Vec<S::Challenge> {
    count::ext_mul(rows * middle * inner);
    contract::<S, _>(table, [rows, middle, inner], weights, |&v, w| w * v)
}

fn contract<S: Suite, T: Sync>(
    cells: &[T],
    [rows, middle, inner]: [usize; 3],
    weights: &[S::Challenge],
    multiply: impl Fn(&T, S::Challenge) -> S::Challenge + Sync,
) -> Vec<S::Challenge> {
    let mut out = vec![S::Challenge::ZERO; rows * inner];
    let one = |(a, out): (usize, &mut [S::Challenge])| {
        for (m, &w) in weights.iter().take(middle).enumerate() {
            let start = (a * middle + m) * inner;
            let Some(slab) = cells.get(start..start + inner) else { return };
            out.iter_mut().zip(slab).for_each(|(out, v)| *out += multiply(v, w));
        }
    };
    out.par_chunks_mut(inner.max(1)).with_min_len(CHUNK.div_ceil(middle * inner)).enumerate().for_each(
        |(a, out)| one((a, out)),
    );
    out
}

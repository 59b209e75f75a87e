//! Contraction of one axis of a tensor with a weight vector: partial evaluation of multilinear extensions.

use p3_field::PrimeCharacteristicRing;
use rayon::prelude::*;
use zkml_core::Suite;
use zkml_device::{Column, count, with_column};

use super::CHUNK;
use super::limbs::{self, Limbs};

/// `out[a, b] = Σ_m weights[m] · column[a, m, b]` for a column of shape `[a, m, b]`, row-major.
///
/// One small-by-extension product per cell. Missing weights and cells count as zero.
pub fn contract_column<S: Suite>(
    column: &Column,
    [rows, middle, inner]: [usize; 3],
    weights: &[S::Challenge],
) -> Vec<S::Challenge> {
    count::base_ext_mul(rows * middle * inner);
    let split = [rows, middle, inner];
    match Limbs::new::<S>(&weights[..weights.len().min(middle)]) {
        Some(limbs) if limbs.len() == middle && column.len() >= rows * middle * inner => match column {
            Column::I8(v) => limbs::contract::<S, _>(v, split, &limbs, i64::from),
            Column::I16(v) => limbs::contract::<S, _>(v, split, &limbs, i64::from),
            Column::I32(v) => by_digits::<S, _>(v, split, &limbs, 2),
            Column::I64(v) => by_digits::<S, _>(v, split, &limbs, 4),
        },
        #[allow(clippy::useless_conversion, reason = "the macro also expands to i64")]
        _ => with_column!(column, values => {
            contract::<S, _>(values, split, weights, |&v, w| w * S::from_i64(i64::from(v)))
        }),
    }
}

/// One pass per 16-bit digit; the last digit carries the sign.
fn by_digits<S: Suite, T: Copy + Sync + Into<i64>>(
    cells: &[T],
    split: [usize; 3],
    limbs: &Limbs,
    digits: u32,
) -> Vec<S::Challenge> {
    let top = 16 * (digits - 1);
    let mut total = limbs::contract::<S, T>(cells, split, limbs, |v| v.into() >> top);
    for digit in (0..digits - 1).rev() {
        let part = limbs::contract::<S, T>(cells, split, limbs, |v| (v.into() >> (16 * digit)) & 0xffff);
        total.iter_mut().zip(part).for_each(|(total, part)| *total = total.mul_2exp_u64(16) + part);
    }
    total
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
    out.par_chunks_mut(inner.max(1))
        .with_min_len(CHUNK.div_ceil(middle * inner))
        .enumerate()
        .for_each(|(a, out)| one((a, out)));
    out
}

//! Small integers times challenge-field weights, accumulated without reduction.
//!
//! A weight's coordinate is a balanced number of two signed 32-bit limbs, `w = w_0 + 2^32 w_1`; a cell is a sum of
//! digits of at most 16 bits (one for `i8` and `i16`, two for `i32`, four for `i64`). Digit times limb stays below
//! `2^47`, so that `2^14` products add up in an `i64`: two multiply-adds of 32-bit numbers per coordinate and digit,
//! which vectorise, and one reduction per `2^14` terms.

use p3_field::{BasedVectorSpace, PrimeCharacteristicRing};
use rayon::prelude::*;
use zkml_core::Suite;

use super::CHUNK;

/// Products that one accumulator holds.
const TERMS: usize = 1 << 14;

/// Columns that are accumulated side by side.
const TILE: usize = 256;

/// The limbs of some weights, by coordinate.
pub(super) struct Limbs {
    coordinates: Vec<[Vec<i32>; 2]>,
}

impl Limbs {
    /// `None` if the base field's elements do not have two balanced limbs.
    pub(super) fn new<S: Suite>(weights: &[S::Challenge]) -> Option<Self> {
        let largest = integer::<S>(S::from_i64(-1))?;
        // Up to this modulus, [-(p + 1)/2, (p - 3)/2] has limbs in range.
        if largest > u64::MAX - u64::from(u32::MAX) {
            return None;
        }
        let dimension = <S::Challenge as BasedVectorSpace<S::Base>>::DIMENSION;
        let mut coordinates = vec![[Vec::with_capacity(weights.len()), Vec::with_capacity(weights.len())]; dimension];
        for weight in weights {
            for (limbs, &coordinate) in coordinates.iter_mut().zip(weight.as_basis_coefficients_slice()) {
                let balanced = balance(integer::<S>(coordinate)?, largest);
                let low = balanced as i32;
                limbs[0].push(low);
                limbs[1].push(((balanced - i64::from(low)) >> 32) as i32);
            }
        }
        Some(Self { coordinates })
    }

    /// Number of weights.
    pub(super) fn len(&self) -> usize {
        self.coordinates.first().map_or(0, |c| c[0].len())
    }
}

/// The representative of `value` nearest to zero, for the modulus `largest + 1`.
fn balance(value: u64, largest: u64) -> i64 {
    const HALF: u64 = (1 << 63) - (1 << 31);
    if value < HALF { value as i64 } else { value.wrapping_sub(largest).wrapping_sub(1) as i64 }
}

/// An element as an integer, if its encoding has eight bytes.
fn integer<S: Suite>(value: S::Base) -> Option<u64> {
    let mut bytes = Vec::with_capacity(S::BASE_BYTES);
    S::encode(value, &mut bytes);
    Some(u64::from_le_bytes(bytes.try_into().ok()?))
}

/// Sums of one coordinate's limbs, reduced.
fn reduce<S: Suite>(sums: &[[i64; 2]]) -> S::Challenge {
    S::Challenge::from_basis_coefficients_fn(|d| {
        sums.get(d).map_or(S::Base::ZERO, |&[low, high]| S::from_i64(low) + S::from_i64(high).mul_2exp_u64(32))
    })
}

/// `out[a, b] = Σ_m weights[m] · digit(cells[a, m, b])`; `cells` has all of `[rows, middle, inner]`, and a digit at
/// most 16 bits.
pub(super) fn contract<S: Suite, T: Copy + Sync>(
    cells: &[T],
    [rows, middle, inner]: [usize; 3],
    limbs: &Limbs,
    digit: impl Fn(T) -> i64 + Sync,
) -> Vec<S::Challenge> {
    let mut out = vec![S::Challenge::ZERO; rows * inner];
    if out.is_empty() || middle == 0 {
        return out;
    }
    if rows * inner == 1 {
        out[0] =
            cells.par_chunks(TERMS).enumerate().map(|(i, cells)| dot::<S, T>(cells, i * TERMS, limbs, &digit)).sum();
    } else if inner == 1 {
        let row = |(out, cells): (&mut S::Challenge, &[T])| *out = dot::<S, T>(cells, 0, limbs, &digit);
        out.par_iter_mut().zip(cells.par_chunks(middle)).with_min_len(CHUNK.div_ceil(middle)).for_each(row);
    } else {
        let slab = |(out, cells): (&mut [S::Challenge], &[T])| {
            let tile =
                |(i, out): (usize, &mut [S::Challenge])| columns::<S, T>(cells, inner, i * TILE, limbs, &digit, out);
            out.par_chunks_mut(TILE).with_min_len(CHUNK.div_ceil(TILE * middle)).enumerate().for_each(tile);
        };
        let slabs = out.par_chunks_mut(inner).zip(cells.par_chunks(middle * inner));
        slabs.with_min_len(CHUNK.div_ceil(middle * inner)).for_each(slab);
    }
    out
}

/// Dot product of consecutive cells with the weights from `start` on.
fn dot<S: Suite, T: Copy>(cells: &[T], start: usize, limbs: &Limbs, digit: &impl Fn(T) -> i64) -> S::Challenge {
    let mut total = S::Challenge::ZERO;
    for (piece, cells) in cells.chunks(TERMS).enumerate() {
        let from = (start + piece * TERMS).min(limbs.len());
        let sums: Vec<[i64; 2]> = limbs
            .coordinates
            .iter()
            .map(|[low, high]| {
                cells.iter().zip(&low[from..]).zip(&high[from..]).fold([0, 0], |[a, b], ((&v, &low), &high)| {
                    let v = digit(v);
                    [a + v * i64::from(low), b + v * i64::from(high)]
                })
            })
            .collect();
        total += reduce::<S>(&sums);
    }
    total
}

/// Adds to `out[j]` the weighted sum of column `from + j` of a row-major matrix of `width` columns.
fn columns<S: Suite, T: Copy>(
    cells: &[T],
    width: usize,
    from: usize,
    limbs: &Limbs,
    digit: &impl Fn(T) -> i64,
    out: &mut [S::Challenge],
) {
    let rows: Vec<&[T]> = cells.chunks_exact(width).map(|row| &row[from..from + out.len()]).take(limbs.len()).collect();
    let mut sums = vec![[vec![0_i64; out.len()], vec![0_i64; out.len()]]; limbs.coordinates.len()];
    for (piece, rows) in rows.chunks(TERMS).enumerate() {
        for (sums, limbs) in sums.iter_mut().zip(&limbs.coordinates) {
            for (sums, limbs) in sums.iter_mut().zip(limbs) {
                sums.fill(0);
                accumulate(rows, &limbs[piece * TERMS..], digit, sums);
            }
        }
        for (j, out) in out.iter_mut().enumerate() {
            *out += S::Challenge::from_basis_coefficients_fn(|d| {
                S::from_i64(sums[d][0][j]) + S::from_i64(sums[d][1][j]).mul_2exp_u64(32)
            });
        }
    }
}

/// `sums[j] += Σ_m limbs[m] · rows[m][j]`, four rows at a time so that sums stay in registers longer.
fn accumulate<T: Copy>(rows: &[&[T]], limbs: &[i32], digit: &impl Fn(T) -> i64, sums: &mut [i64]) {
    let mut quads = rows.chunks_exact(4).zip(limbs.chunks_exact(4));
    for (rows, limbs) in &mut quads {
        let [w0, w1, w2, w3] = [limbs[0], limbs[1], limbs[2], limbs[3]].map(i64::from);
        let cells = rows[0].iter().zip(rows[1]).zip(rows[2].iter().zip(rows[3]));
        for (sum, ((&a, &b), (&c, &d))) in sums.iter_mut().zip(cells) {
            *sum += digit(a) * w0 + digit(b) * w1 + (digit(c) * w2 + digit(d) * w3);
        }
    }
    let done = rows.len() / 4 * 4;
    for (row, &limb) in rows[done..].iter().zip(&limbs[done..]) {
        sums.iter_mut().zip(*row).for_each(|(sum, &v)| *sum += digit(v) * i64::from(limb));
    }
}

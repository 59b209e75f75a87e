//! Plonky2's field: vector instructions by `specialization`, extensions with one reduction per coefficient.

use core::ops::{Add, Mul};

use plonky2_field::extension::FieldExtension;
use plonky2_field::extension::quadratic::QuadraticExtension;
use plonky2_field::goldilocks_field::GoldilocksField;
use plonky2_field::packable::Packable;
use plonky2_field::packed::PackedField;
use plonky2_field::types::{Field, PrimeField64};

use crate::{DOT_TERMS, Implementation, Prime};

type Packing = <GoldilocksField as Packable>::Packing;

/// Goldilocks.
pub struct Goldilocks;

impl Implementation for Goldilocks {
    type Value = GoldilocksField;
    type Canonical = u64;

    const LIBRARY: &'static str = "plonky2_field";
    const FIELD: &'static str = "Goldilocks";
    const DEGREE: usize = 1;
    const LANES: usize = 1;

    fn from_coefficients(coefficient: impl Fn(usize, usize) -> u64) -> GoldilocksField {
        GoldilocksField::from_canonical_u64(coefficient(0, 0))
    }

    #[inline(always)]
    fn coefficient(value: &GoldilocksField, _: usize, _: usize) -> u64 {
        value.to_canonical_u64()
    }

    #[inline(always)]
    fn scale(value: GoldilocksField, integers: &[i32]) -> GoldilocksField {
        value * GoldilocksField::from_noncanonical_i64(integers[0].into())
    }

    #[inline(always)]
    fn multiply_accumulate(sum: GoldilocksField, a: GoldilocksField, b: GoldilocksField) -> GoldilocksField {
        sum.multiply_accumulate(a, b)
    }

    #[inline(always)]
    fn dot(a: &[GoldilocksField; DOT_TERMS], b: &[GoldilocksField; DOT_TERMS]) -> GoldilocksField {
        chains(a, b, |sum, a, b| sum.multiply_accumulate(a, b))
    }
}

impl Prime for Goldilocks {
    #[inline(always)]
    fn from_i64(integer: i64) -> GoldilocksField {
        GoldilocksField::from_noncanonical_i64(integer)
    }

    #[inline(always)]
    fn from_i8(integer: i8) -> GoldilocksField {
        GoldilocksField::from_noncanonical_i64(integer.into())
    }
}

/// Goldilocks, packed.
pub struct GoldilocksPacked;

impl Implementation for GoldilocksPacked {
    type Value = Packing;
    type Canonical = u64;

    const LIBRARY: &'static str = "plonky2_field";
    const FIELD: &'static str = "Goldilocks";
    const DEGREE: usize = 1;
    const LANES: usize = Packing::WIDTH;

    fn from_coefficients(coefficient: impl Fn(usize, usize) -> u64) -> Packing {
        let mut value = Packing::default();
        for (lane, element) in value.as_slice_mut().iter_mut().enumerate() {
            *element = GoldilocksField::from_canonical_u64(coefficient(lane, 0));
        }
        value
    }

    #[inline(always)]
    fn coefficient(value: &Packing, lane: usize, _: usize) -> u64 {
        value.as_slice()[lane].to_canonical_u64()
    }

    #[inline(always)]
    fn scale(value: Packing, integers: &[i32]) -> Packing {
        let mut factor = Packing::default();
        for (element, &integer) in factor.as_slice_mut().iter_mut().zip(integers) {
            *element = GoldilocksField::from_noncanonical_i64(integer.into());
        }
        value * factor
    }

    #[inline(always)]
    fn dot(a: &[Packing; DOT_TERMS], b: &[Packing; DOT_TERMS]) -> Packing {
        chains(a, b, |sum, a, b| sum + a * b)
    }
}

/// Goldilocks, degree 2. There is no packed form.
pub struct Goldilocks2;

impl Implementation for Goldilocks2 {
    type Value = QuadraticExtension<GoldilocksField>;
    type Canonical = u64;

    const LIBRARY: &'static str = "plonky2_field";
    const FIELD: &'static str = "Goldilocks";
    const DEGREE: usize = 2;
    const LANES: usize = 1;

    fn from_coefficients(coefficient: impl Fn(usize, usize) -> u64) -> Self::Value {
        QuadraticExtension([0, 1].map(|power| GoldilocksField::from_canonical_u64(coefficient(0, power))))
    }

    #[inline(always)]
    fn coefficient(value: &Self::Value, _: usize, power: usize) -> u64 {
        value.0[power].to_canonical_u64()
    }

    #[inline(always)]
    fn scale(value: Self::Value, integers: &[i32]) -> Self::Value {
        FieldExtension::<2>::scalar_mul(&value, GoldilocksField::from_noncanonical_i64(integers[0].into()))
    }

    #[inline(always)]
    fn dot(a: &[Self::Value; DOT_TERMS], b: &[Self::Value; DOT_TERMS]) -> Self::Value {
        chains(a, b, |sum, a, b| sum + a * b)
    }
}

/// The library has no sum of products: four sums side by side, so that not every product waits for the one before.
#[inline(always)]
fn chains<T: Copy + Add<Output = T> + Mul<Output = T>>(
    a: &[T; DOT_TERMS],
    b: &[T; DOT_TERMS],
    step: impl Fn(T, T, T) -> T,
) -> T {
    let mut sums: [T; 4] = core::array::from_fn(|i| a[i] * b[i]);
    for i in 4..DOT_TERMS {
        sums[i % 4] = step(sums[i % 4], a[i], b[i]);
    }
    (sums[0] + sums[1]) + (sums[2] + sums[3])
}

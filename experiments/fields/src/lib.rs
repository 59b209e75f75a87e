//! Field libraries under one interface, to be compared operation by operation (`just bench fields`).
//!
//! | module | library | fields |
//! |---|---|---|
//! | [`plonky3`] | p3-goldilocks, p3-koala-bear, p3-bn254 | Goldilocks and degrees 2, 3; KoalaBear and degree 4; BN254's scalars |
//! | [`plonky2`] | plonky2_field | Goldilocks and degree 2 |
//! | [`arkworks`] | ark-ff, ark-bn254 | Goldilocks in two backends and degree 2; BN254's scalars |
//! | [`kernels`] | – | the loops that are timed, the same for every library |
//!
//! Extensions are given by their reduction: `X^2 = 7` and `X^3 = X + 1` over Goldilocks, `X^4 = 3` over KoalaBear, in every
//! library that has them. `tests/parity.rs` checks all of it against integer arithmetic.

use core::fmt::Debug;
use core::ops::{Add, Mul};

pub mod arkworks;
pub mod kernels;
pub mod plonky2;
pub mod plonky3;

/// Terms of one call of [`Implementation::dot`].
pub const DOT_TERMS: usize = 16;

/// A library's representation of a field, as single elements or as many as a vector register holds.
pub trait Implementation {
    /// [`Self::LANES`] elements.
    type Value: Copy + Add<Output = Self::Value> + Mul<Output = Self::Value> + 'static;
    /// A coefficient as an integer in `[0, p)`: a word, or four of them with the least significant first.
    type Canonical: Copy + Default + PartialEq + Debug + 'static;

    /// The package that implements it.
    const LIBRARY: &'static str;
    /// The prime field.
    const FIELD: &'static str;
    /// The type inside the package, where there are several for one field.
    const BACKEND: &'static str = "";
    /// Degree over the prime field.
    const DEGREE: usize;
    /// Elements of a value: 1, or the lanes of a vector register.
    const LANES: usize;

    /// The value with `coefficient(lane, power)` at `X^power` in every lane.
    fn from_coefficients(coefficient: impl Fn(usize, usize) -> Self::Canonical) -> Self::Value;

    /// The coefficient of `X^power` in a lane.
    fn coefficient(value: &Self::Value, lane: usize, power: usize) -> Self::Canonical;

    /// Every lane times an integer of its own.
    fn scale(value: Self::Value, integers: &[i32]) -> Self::Value;

    /// `sum + a · b`, in the library's own way if it has one.
    fn multiply_accumulate(sum: Self::Value, a: Self::Value, b: Self::Value) -> Self::Value {
        sum + a * b
    }

    /// `Σ a_i b_i`, lane by lane, in the library's own way if it has one.
    fn dot(a: &[Self::Value; DOT_TERMS], b: &[Self::Value; DOT_TERMS]) -> Self::Value;
}

/// Single elements of a prime field: where integers come in and go out.
pub trait Prime: Implementation {
    /// The residue of an integer.
    fn from_i64(integer: i64) -> Self::Value;

    /// The residue of a small integer, by the library's conversion for that type if it has one.
    fn from_i8(integer: i8) -> Self::Value;
}

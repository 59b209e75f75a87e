//! arkworks: Montgomery form in every field, no vector instructions.

use ark_ff::{
    BigInt, Field, Fp2, Fp2Config, Fp64, MontBackend, MontConfig, MontFp, PrimeField, SmallFp, SmallFpConfig,
};

use crate::{DOT_TERMS, Implementation, Prime};

/// The modulus of Goldilocks for the backend of big integers.
#[derive(MontConfig)]
#[modulus = "18446744069414584321"]
#[generator = "7"]
pub struct MontgomeryConfig;

type Fp = Fp64<MontBackend<MontgomeryConfig, 1>>;

/// The derived configuration has public functions without docstrings.
#[allow(missing_docs)]
mod small {
    /// The modulus of Goldilocks for the backend of native integers.
    #[derive(super::SmallFpConfig)]
    #[modulus = "18446744069414584321"]
    #[generator = "7"]
    pub struct Config;
}

/// `X^2 = 7`.
pub struct QuadraticConfig;

impl Fp2Config for QuadraticConfig {
    type Fp = Fp;

    const NONRESIDUE: Fp = MontFp!("7");
    const FROBENIUS_COEFF_FP2_C1: &'static [Fp] = &[MontFp!("1"), MontFp!("-1")];
}

/// `prime!(name, type, package, field, backend, canonical form, from it, to it)`.
macro_rules! prime {
    (
        $(#[$doc:meta])* $name:ident, $value:ty, $library:literal, $field:literal, $backend:literal, $canonical:ty,
        $integer:expr, $words:expr
    ) => {
        $(#[$doc])*
        pub struct $name;

        impl Implementation for $name {
            type Value = $value;
            type Canonical = $canonical;

            const LIBRARY: &'static str = $library;
            const FIELD: &'static str = $field;
            const BACKEND: &'static str = $backend;
            const DEGREE: usize = 1;
            const LANES: usize = 1;

            fn from_coefficients(coefficient: impl Fn(usize, usize) -> $canonical) -> $value {
                <$value>::from_bigint($integer(coefficient(0, 0))).expect("a canonical integer")
            }

            #[inline(always)]
            fn coefficient(value: &$value, _: usize, _: usize) -> $canonical {
                $words(value.into_bigint())
            }

            #[inline(always)]
            fn scale(value: $value, integers: &[i32]) -> $value {
                value * <$value>::from(integers[0])
            }

            #[inline(always)]
            fn dot(a: &[$value; DOT_TERMS], b: &[$value; DOT_TERMS]) -> $value {
                Field::sum_of_products(a, b)
            }
        }

        impl Prime for $name {
            #[inline(always)]
            fn from_i64(integer: i64) -> $value {
                <$value>::from(integer)
            }

            #[inline(always)]
            fn from_i8(integer: i8) -> $value {
                <$value>::from(integer)
            }
        }
    };
}

/// An integer of one word.
fn integer(word: u64) -> BigInt<1> {
    BigInt([word])
}

/// Its word.
fn word(BigInt([word]): BigInt<1>) -> u64 {
    word
}

prime!(
    /// Goldilocks as a big integer of one word.
    Goldilocks, Fp, "ark-ff", "Goldilocks", "Fp64", u64, integer, word
);
prime!(
    /// Goldilocks as a native integer.
    GoldilocksSmall, SmallFp<small::Config>, "ark-ff", "Goldilocks", "SmallFp", u64, integer, word
);
prime!(
    /// The scalars of BN254.
    Bn254, ark_bn254::Fr, "ark-bn254", "BN254", "", [u64; 4], BigInt, |BigInt(words): BigInt<4>| words
);

/// Goldilocks as a big integer of one word, degree 2.
pub struct Goldilocks2;

impl Implementation for Goldilocks2 {
    type Value = Fp2<QuadraticConfig>;
    type Canonical = u64;

    const LIBRARY: &'static str = "ark-ff";
    const FIELD: &'static str = "Goldilocks";
    const BACKEND: &'static str = "Fp64";
    const DEGREE: usize = 2;
    const LANES: usize = 1;

    fn from_coefficients(coefficient: impl Fn(usize, usize) -> u64) -> Self::Value {
        let part = |power| Goldilocks::from_coefficients(|_, _| coefficient(0, power));
        Fp2::new(part(0), part(1))
    }

    #[inline(always)]
    fn coefficient(value: &Self::Value, lane: usize, power: usize) -> u64 {
        Goldilocks::coefficient(&[value.c0, value.c1][power], lane, 0)
    }

    #[inline(always)]
    fn scale(value: Self::Value, integers: &[i32]) -> Self::Value {
        value.mul_by_base_prime_field(&Fp::from(integers[0]))
    }

    #[inline(always)]
    fn dot(a: &[Self::Value; DOT_TERMS], b: &[Self::Value; DOT_TERMS]) -> Self::Value {
        Field::sum_of_products(a, b)
    }
}

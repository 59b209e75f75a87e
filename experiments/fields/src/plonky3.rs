//! Plonky3: vector instructions on stable Rust, extensions packed by coefficient.

use p3_field::extension::{BinomialExtensionField, CubicTrinomialExtensionField};
use p3_field::{
    BasedVectorSpace, ExtensionField, Field, PackedFieldExtension, PackedValue, PrimeCharacteristicRing, PrimeField,
    PrimeField64,
};

use crate::{DOT_TERMS, Implementation, Prime};

/// `elements!(name, package, base field, field, degree)`: single elements.
macro_rules! elements {
    ($(#[$doc:meta])* $name:ident, $library:literal, $base:ty, $element:ty, $degree:literal) => {
        implementation!($(#[$doc])* $name, $library, $base, $element, $degree, $element, $base, single, |value: &$element, _| {
            *value
        });
    };
}

/// The same arguments: as many elements as a vector register has lanes.
macro_rules! packed {
    ($(#[$doc:meta])* $name:ident, $library:literal, $base:ty, $element:ty, $degree:literal) => {
        implementation!(
            $(#[$doc])*
            $name,
            $library,
            $base,
            $element,
            $degree,
            <$element as ExtensionField<$base>>::ExtensionPacking,
            <$base as Field>::Packing,
            PackedFieldExtension::<$base, $element>::from_ext_fn,
            PackedFieldExtension::<$base, $element>::extract
        );
    };
}

macro_rules! implementation {
    (
        $(#[$doc:meta])* $name:ident, $library:literal, $base:ty, $element:ty, $degree:literal, $value:ty, $factor:ty, $new:expr, $get:expr
    ) => {
        $(#[$doc])*
        pub struct $name;

        impl Implementation for $name {
            type Value = $value;
            type Canonical = u64;

            const LIBRARY: &'static str = $library;
            const FIELD: &'static str = <$base as PrimeName>::NAME;
            const DEGREE: usize = $degree;
            const LANES: usize = <$factor as PackedValue>::WIDTH;

            fn from_coefficients(coefficient: impl Fn(usize, usize) -> u64) -> $value {
                $new(|lane| {
                    <$element as BasedVectorSpace<$base>>::from_basis_coefficients_fn(|power| {
                        <$base>::from_u64(coefficient(lane, power))
                    })
                })
            }

            #[inline(always)]
            fn coefficient(value: &$value, lane: usize, power: usize) -> u64 {
                let element: $element = $get(value, lane);
                BasedVectorSpace::<$base>::as_basis_coefficients_slice(&element)[power].as_canonical_u64()
            }

            #[inline(always)]
            fn scale(value: $value, integers: &[i32]) -> $value {
                value * <$factor as PackedValue>::from_fn(|lane| <$base>::from_i32(integers[lane]))
            }

            #[inline(always)]
            fn dot(a: &[$value; DOT_TERMS], b: &[$value; DOT_TERMS]) -> $value {
                // Packed Goldilocks reduces up to six products at once, everything else any number.
                const PACKED_WORDS: bool =
                    $degree == 1 && <$factor as PackedValue>::WIDTH > 1 && size_of::<$base>() == 8;
                const TERMS: usize = if PACKED_WORDS { 4 } else { DOT_TERMS };
                let ((a, _), (b, _)) = (a.as_chunks::<TERMS>(), b.as_chunks::<TERMS>());
                let sums = a.iter().zip(b).map(|(a, b)| <$value>::dot_product(a, b));
                sums.reduce(|sum, block| sum + block).unwrap_or_default()
            }
        }
    };
}

macro_rules! prime {
    ($name:ident) => {
        impl Prime for $name {
            #[inline(always)]
            fn from_i64(integer: i64) -> Self::Value {
                PrimeCharacteristicRing::from_i64(integer)
            }

            #[inline(always)]
            fn from_i8(integer: i8) -> Self::Value {
                PrimeCharacteristicRing::from_i8(integer)
            }
        }
    };
}

/// What a base field is called.
trait PrimeName {
    const NAME: &'static str;
}

impl PrimeName for p3_goldilocks::Goldilocks {
    const NAME: &'static str = "Goldilocks";
}

impl PrimeName for p3_koala_bear::KoalaBear {
    const NAME: &'static str = "KoalaBear";
}

/// The element of the only lane.
fn single<T>(element: impl Fn(usize) -> T) -> T {
    element(0)
}

type F = p3_goldilocks::Goldilocks;
type F2 = BinomialExtensionField<F, 2>;
type F3 = CubicTrinomialExtensionField<F>;
type K = p3_koala_bear::KoalaBear;
type K4 = BinomialExtensionField<K, 4>;

elements!(
    #[doc = "Goldilocks."]
    Goldilocks,
    "p3-goldilocks",
    F,
    F,
    1
);
elements!(
    #[doc = "Goldilocks, degree 2."]
    Goldilocks2,
    "p3-goldilocks",
    F,
    F2,
    2
);
elements!(
    #[doc = "Goldilocks, degree 3."]
    Goldilocks3,
    "p3-goldilocks",
    F,
    F3,
    3
);
elements!(
    #[doc = "KoalaBear."]
    KoalaBear,
    "p3-koala-bear",
    K,
    K,
    1
);
elements!(
    #[doc = "KoalaBear, degree 4."]
    KoalaBear4,
    "p3-koala-bear",
    K,
    K4,
    4
);
packed!(
    #[doc = "Goldilocks, packed."]
    GoldilocksPacked,
    "p3-goldilocks",
    F,
    F,
    1
);
packed!(
    #[doc = "Goldilocks, degree 2, packed."]
    Goldilocks2Packed,
    "p3-goldilocks",
    F,
    F2,
    2
);
packed!(
    #[doc = "Goldilocks, degree 3, packed."]
    Goldilocks3Packed,
    "p3-goldilocks",
    F,
    F3,
    3
);
packed!(
    #[doc = "KoalaBear, packed."]
    KoalaBearPacked,
    "p3-koala-bear",
    K,
    K,
    1
);
packed!(
    #[doc = "KoalaBear, degree 4, packed."]
    KoalaBear4Packed,
    "p3-koala-bear",
    K,
    K4,
    4
);
prime!(Goldilocks);
prime!(KoalaBear);
prime!(Bn254);

/// The scalars of BN254.
pub struct Bn254;

impl Implementation for Bn254 {
    type Value = p3_bn254::Bn254;
    type Canonical = [u64; 4];

    const LIBRARY: &'static str = "p3-bn254";
    const FIELD: &'static str = "BN254";
    const DEGREE: usize = 1;
    const LANES: usize = 1;

    fn from_coefficients(coefficient: impl Fn(usize, usize) -> [u64; 4]) -> Self::Value {
        let word = Self::Value::TWO.exp_power_of_2(6);
        let limbs = coefficient(0, 0);
        limbs.iter().rev().fold(Self::Value::ZERO, |value, &limb| value * word + Self::Value::from_u64(limb))
    }

    /// By way of an integer on the heap: `into_bytes` has the words of the Montgomery form.
    fn coefficient(value: &Self::Value, _: usize, _: usize) -> [u64; 4] {
        let mut limbs = [0; 4];
        let integer = value.as_canonical_biguint();
        for (limb, digit) in limbs.iter_mut().zip(integer.iter_u64_digits()) {
            *limb = digit;
        }
        limbs
    }

    #[inline(always)]
    fn scale(value: Self::Value, integers: &[i32]) -> Self::Value {
        value * Self::Value::from_i32(integers[0])
    }

    #[inline(always)]
    fn dot(a: &[Self::Value; DOT_TERMS], b: &[Self::Value; DOT_TERMS]) -> Self::Value {
        PrimeCharacteristicRing::dot_product(a, b)
    }
}

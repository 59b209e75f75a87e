//! One type for base field, challenge field and hash.

use core::fmt::Debug;

use p3_blake3::Blake3;
use p3_challenger::{FieldChallenger, GrindingChallenger, HashChallenger, SerializingChallenger64};
use p3_field::extension::{BinomialExtensionField, CubicTrinomialExtensionField};
use p3_field::{BasedVectorSpace, ExtensionField, PrimeCharacteristicRing, PrimeField, PrimeField64};

/// A base field, a challenge field over it and a Fiat-Shamir hash.
///
/// Integers are embedded in the base field; every challenge is a challenge-field element.
pub trait Suite: 'static + Copy + Debug + Default + Send + Sync {
    /// The field in which integers are embedded.
    type Base: PrimeField;
    /// The field that challenges are drawn from.
    type Challenge: ExtensionField<Self::Base>;
    /// The Fiat-Shamir sponge. Transcripts own it; protocols never see it.
    type Challenger: FieldChallenger<Self::Base> + GrindingChallenger<Witness = Self::Base> + Clone + Send + Sync;

    /// The name used in experiment files.
    const ID: &'static str;
    /// One line for `list`.
    const ABOUT: &'static str;
    /// Bytes of an encoded base-field element.
    const BASE_BYTES: usize;
    /// Security bits that a proof over this suite aims at.
    const SECURITY_BITS: u32;
    /// The assumption on which commitments rest besides the hash, and its security in bits; `None` if there is none.
    const ASSUMPTION: Option<(&'static str, f64)> = None;

    /// The challenge field as devices know it; `None` if they do not.
    #[cfg(feature = "prover")]
    const DEVICE_FIELD: Option<zkml_device::FieldKind> = None;

    /// A fresh sponge.
    fn challenger() -> Self::Challenger;
    /// The embedding of an integer.
    fn from_i64(value: i64) -> Self::Base;
    /// Appends the canonical encoding, [`Suite::BASE_BYTES`] long.
    fn encode(value: Self::Base, out: &mut Vec<u8>);
    /// Reads a canonical encoding; `None` if the length is wrong or the number is not below the modulus.
    fn decode(bytes: &[u8]) -> Option<Self::Base>;
    /// Largest magnitude of an integer that cannot be confused with another one: `floor((p - 1) / 2)`,
    /// saturated to `i128`.
    fn max_magnitude() -> i128;

    /// Base-two logarithm of the size of the challenge field.
    fn challenge_bits() -> f64 {
        let dimension = <Self::Challenge as BasedVectorSpace<Self::Base>>::DIMENSION;
        // The order lies below 2^bits by a factor of at most 1 - 2^-32 in every supported field, and a
        // rounded-up logarithm would overstate security: take a hair off.
        dimension as f64 * Self::base_bits() - 1e-6
    }
    /// Base-two logarithm of the size of the base field, rounded down.
    fn base_bits() -> f64;
    /// Bytes of an encoded challenge-field element.
    fn challenge_bytes() -> usize {
        <Self::Challenge as BasedVectorSpace<Self::Base>>::DIMENSION * Self::BASE_BYTES
    }
}

type GoldilocksField = p3_goldilocks::Goldilocks;
type GoldilocksChallenger = SerializingChallenger64<GoldilocksField, HashChallenger<u8, Blake3, 32>>;

/// Goldilocks with its quadratic extension and BLAKE3: the default, 100 proven bits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Goldilocks;

/// Goldilocks with its cubic extension and BLAKE3: 128 proven bits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Goldilocks3;

macro_rules! goldilocks_suite {
    ($suite:ty, $challenge:ty, $kind:ident, $id:literal, $about:literal, $bits:literal) => {
        impl Suite for $suite {
            type Base = GoldilocksField;
            type Challenge = $challenge;
            type Challenger = GoldilocksChallenger;
            const ID: &'static str = $id;
            const ABOUT: &'static str = $about;
            const BASE_BYTES: usize = 8;
            const SECURITY_BITS: u32 = $bits;
            #[cfg(feature = "prover")]
            const DEVICE_FIELD: Option<zkml_device::FieldKind> = Some(zkml_device::FieldKind::$kind);

            fn challenger() -> Self::Challenger {
                SerializingChallenger64::new(HashChallenger::new(b"zkml-workbench v1".to_vec(), Blake3))
            }
            fn from_i64(value: i64) -> Self::Base {
                GoldilocksField::from_i64(value)
            }
            fn encode(value: Self::Base, out: &mut Vec<u8>) {
                out.extend_from_slice(&value.as_canonical_u64().to_le_bytes());
            }
            fn decode(bytes: &[u8]) -> Option<Self::Base> {
                let value = u64::from_le_bytes(bytes.try_into().ok()?);
                (value < GoldilocksField::ORDER_U64).then(|| GoldilocksField::from_u64(value))
            }
            fn max_magnitude() -> i128 {
                i128::from((GoldilocksField::ORDER_U64 - 1) / 2)
            }
            fn base_bits() -> f64 {
                // log2(2^64 - 2^32 + 1) = 64 - 3.4e-10
                64.0 - 1e-9
            }
        }
    };
}

goldilocks_suite!(
    Goldilocks,
    BinomialExtensionField<GoldilocksField, 2>,
    Goldilocks2,
    "goldilocks",
    "Goldilocks (2^64 - 2^32 + 1), degree-2 challenges, BLAKE3, WHIR",
    100
);
goldilocks_suite!(
    Goldilocks3,
    CubicTrinomialExtensionField<GoldilocksField>,
    Goldilocks3,
    "goldilocks3",
    "Goldilocks (2^64 - 2^32 + 1), degree-3 challenges, BLAKE3, WHIR",
    128
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn encodings_are_canonical_and_integers_embed_with_their_sign() {
        let mut bytes = Vec::new();
        Goldilocks::encode(Goldilocks::from_i64(-3), &mut bytes);
        assert_eq!(Goldilocks::decode(&bytes), Some(-GoldilocksField::from_u64(3)));
        assert_eq!(Goldilocks::decode(&GoldilocksField::ORDER_U64.to_le_bytes()), None);
        assert_eq!(Goldilocks::decode(&bytes[..7]), None);
    }
}

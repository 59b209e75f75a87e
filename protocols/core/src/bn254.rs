//! The suite over the scalar field of the pairing-friendly curve BN254: base and challenge field are one.
//!
//! Elements are encoded, and absorbed, as 32 bytes of the number in `0..p`, little endian. A challenge is drawn by
//! rejection: 32 bytes of the BLAKE3 sponge with the top two bits cleared, again until they are below `p` (one try
//! succeeds with probability `p / 2^254 = 0.756`). Challenges are therefore exactly uniform if the hash is.

use p3_blake3::Blake3;
use p3_bn254::Bn254 as Felt;
use p3_challenger::{CanObserve, CanSample, CanSampleBits, FieldChallenger, GrindingChallenger, HashChallenger};
use p3_field::{PrimeCharacteristicRing, RawDataSerializable};

use crate::Suite;

/// Bytes of an encoded element.
const BYTES: usize = 32;
/// The modulus `p`, least significant limb first.
const MODULUS: [u64; 4] = [0x43e1_f593_f000_0001, 0x2833_e848_79b9_7091, 0xb850_45b6_8181_585d, 0x3064_4e72_e131_a029];
/// `2^-256 mod p`. The library stores `x` as `x · 2^256 mod p`, so the stored form of `x · 2^-256` is the number `x`.
const INVERSE_RADIX: [u64; 4] =
    [0xdc5b_a005_6db1_194e, 0x090e_f5a9_e111_ec87, 0xc826_0de4_aeb8_5d5d, 0x15eb_f951_82c5_551c];
/// Bits of the modulus in its most significant byte.
const TOP_MASK: u8 = 0x3f;
/// Largest difficulty of a proof of work.
const MAX_WORK_BITS: usize = 40;

/// The number in `0..p` that an element stands for, little endian.
fn canonical(value: Felt) -> [u8; BYTES] {
    (value * Felt::new(INVERSE_RADIX)).into_bytes()
}

/// The element with this canonical encoding; `None` if the number is not below the modulus.
fn from_canonical(bytes: [u8; BYTES]) -> Option<Felt> {
    let mut limbs = [0; 4];
    for (limb, chunk) in limbs.iter_mut().zip(bytes.as_chunks::<8>().0) {
        *limb = u64::from_le_bytes(*chunk);
    }
    limbs.iter().rev().lt(MODULUS.iter().rev()).then(|| Felt::new(limbs))
}

/// BN254's scalar field (254 bits) with BLAKE3: one field for integers and challenges, 100 bits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Bn254;

impl Suite for Bn254 {
    type Base = Felt;
    type Challenge = Felt;
    type Challenger = Bn254Challenger;
    const ID: &'static str = "bn254";
    const ABOUT: &'static str = "BN254's scalar field for cells and challenges, BLAKE3, Dory";
    const BASE_BYTES: usize = BYTES;
    const SECURITY_BITS: u32 = 100;
    const ASSUMPTION: Option<(&'static str, f64)> = Some(("SXDH on BN254", 100.0));

    fn challenger() -> Self::Challenger {
        Bn254Challenger { bytes: HashChallenger::new(b"zkml-workbench v1".to_vec(), Blake3) }
    }
    fn from_i64(value: i64) -> Self::Base {
        Felt::from_i64(value)
    }
    fn encode(value: Self::Base, out: &mut Vec<u8>) {
        out.extend_from_slice(&canonical(value));
    }
    fn decode(bytes: &[u8]) -> Option<Self::Base> {
        from_canonical(bytes.try_into().ok()?)
    }
    fn max_magnitude() -> i128 {
        // (p - 1) / 2 has 253 bits.
        i128::MAX
    }
    fn base_bits() -> f64 {
        // log2(p) = 253.59669...
        253.596
    }
}

/// BLAKE3 as a sponge for elements of BN254's scalar field.
#[derive(Clone, Debug)]
pub struct Bn254Challenger {
    bytes: HashChallenger<u8, Blake3, 32>,
}

impl CanObserve<Felt> for Bn254Challenger {
    fn observe(&mut self, value: Felt) {
        self.bytes.observe_slice(&canonical(value));
    }
}

impl CanSample<Felt> for Bn254Challenger {
    fn sample(&mut self) -> Felt {
        loop {
            let mut drawn: [u8; BYTES] = self.bytes.sample_array();
            drawn[BYTES - 1] &= TOP_MASK;
            if let Some(element) = from_canonical(drawn) {
                return element;
            }
        }
    }
}

impl CanSampleBits<usize> for Bn254Challenger {
    fn sample_bits(&mut self, bits: usize) -> usize {
        let mask = u32::try_from(bits).ok().and_then(|bits| 1_usize.checked_shl(bits)).unwrap_or(0).wrapping_sub(1);
        usize::from_le_bytes(self.bytes.sample_array()) & mask
    }
}

impl FieldChallenger<Felt> for Bn254Challenger {}

impl GrindingChallenger for Bn254Challenger {
    type Witness = Felt;

    /// The smallest witness, so that proofs are deterministic.
    fn grind(&mut self, bits: usize) -> Felt {
        let bits = bits.min(MAX_WORK_BITS);
        let passes = |&witness: &Felt| self.clone().check_witness(bits, witness);
        let witness = (0..=u64::MAX).map(Felt::from_u64).find(passes).unwrap_or_default();
        let _ = self.check_witness(bits, witness);
        witness
    }
}

#[cfg(test)]
mod tests {
    use ark_bn254::Fr;
    use ark_ff::{BigInteger, PrimeField as _};
    use p3_field::{Field, PrimeField};
    use proptest::prelude::*;

    use super::*;

    /// The element as arkworks has it: an independent implementation of the field.
    fn reference(bytes: &[u8]) -> Fr {
        Fr::from_le_bytes_mod_order(bytes)
    }

    fn encoded(value: Felt) -> Vec<u8> {
        let mut bytes = Vec::new();
        Bn254::encode(value, &mut bytes);
        bytes
    }

    fn bytes_of(value: Fr) -> Vec<u8> {
        value.into_bigint().to_bytes_le()
    }

    #[test]
    fn constants_are_those_of_the_field() {
        let modulus: Vec<u8> = MODULUS.iter().flat_map(|limb| limb.to_le_bytes()).collect();
        assert_eq!(Fr::MODULUS.to_bytes_le(), modulus);
        assert_eq!(Felt::order().to_bytes_le(), modulus);
        assert_eq!(Felt::new(INVERSE_RADIX) * Felt::TWO.exp_u64(256), Felt::ONE);
        let log2 = Felt::order().to_u64_digits().iter().rev().fold(0.0, |sum: f64, &d| sum * 64_f64.exp2() + d as f64);
        assert!(Bn254::base_bits() <= log2.log2() && Bn254::base_bits() > log2.log2() - 1e-3);
    }

    #[test]
    fn encodings_are_canonical_and_integers_embed_with_their_sign() {
        for value in [0, 1, -1, 7, i64::MAX, i64::MIN] {
            let bytes = encoded(Bn254::from_i64(value));
            assert_eq!(bytes, bytes_of(Fr::from(value)), "{value}");
            assert_eq!(Bn254::decode(&bytes), Some(Bn254::from_i64(value)));
        }
        let modulus: Vec<u8> = MODULUS.iter().flat_map(|limb| limb.to_le_bytes()).collect();
        let mut above = modulus.clone();
        above[0] += 1;
        for bad in [modulus, above, vec![0xff; 32], vec![0; 31], vec![0; 33], vec![]] {
            assert_eq!(Bn254::decode(&bad), None, "{bad:?}");
        }
        assert_eq!(encoded(Felt::ONE)[..2], [1, 0]);
    }

    #[test]
    fn challenges_depend_on_what_was_absorbed_and_fill_the_field() {
        let draw = |value: u64| {
            let mut sponge = Bn254::challenger();
            sponge.observe(Felt::from_u64(value));
            let drawn: Felt = sponge.sample();
            drawn
        };
        assert_eq!(draw(1), draw(1));
        assert_ne!(draw(1), draw(2));
        let mut sponge = Bn254::challenger();
        let drawn: Vec<Felt> = (0..4000).map(|_| sponge.sample()).collect();
        // A quarter each: uniform over 0..p, not over 0..2^254.
        let quarter = Felt::order() / 4_u32;
        for part in 0_u32..4 {
            let inside =
                |x: &&Felt| (x.as_canonical_biguint() / &quarter).to_u32_digits().first().copied().unwrap_or(0) == part;
            let share = drawn.iter().filter(inside).count();
            assert!((850..1150).contains(&share), "{share} of 4000 challenges in quarter {part}");
        }
    }

    #[test]
    fn challenges_depend_on_every_byte_of_every_element() {
        let draw = |values: &[Felt]| {
            let mut sponge = Bn254::challenger();
            for &value in values {
                sponge.observe(value);
            }
            let drawn: Felt = sponge.sample();
            drawn
        };
        let units: Vec<Felt> = (0..BYTES as u64).map(|i| Felt::TWO.exp_u64(8 * i)).collect();
        let mut drawn: Vec<Felt> = units.iter().map(|&unit| draw(&[unit])).collect();
        let pairs = [[Felt::ZERO, Felt::ONE], [Felt::ONE, Felt::ZERO], [Felt::ZERO, Felt::ZERO]];
        drawn.extend(pairs.iter().map(|pair| draw(pair)));
        drawn.extend([draw(&[]), draw(&[Felt::ZERO])]);
        for (i, challenge) in drawn.iter().enumerate() {
            assert!(!drawn[..i].contains(challenge), "input {i}");
        }
    }

    #[test]
    fn work_is_checked() {
        let start = Bn254::challenger();
        let witness = start.clone().grind(6);
        assert!(start.clone().check_witness(6, witness));
        let smaller = (0..).map(Felt::from_u64).take_while(|&w| w != witness);
        assert!(smaller.into_iter().all(|w| !start.clone().check_witness(6, w)));
    }

    proptest! {
        #[test]
        fn arithmetic_agrees_with_arkworks(a in any::<[u8; 32]>(), b in any::<[u8; 32]>()) {
            let (x, y) = (reference(&a), reference(&b));
            let element = |value: Fr| Bn254::decode(&bytes_of(value)).unwrap();
            let (p, q) = (element(x), element(y));
            prop_assert_eq!(encoded(p * q), bytes_of(x * y));
            prop_assert_eq!(encoded(p + q), bytes_of(x + y));
            prop_assert_eq!(encoded(p - q), bytes_of(x - y));
            if let Some(inverse) = p.try_inverse() {
                prop_assert_eq!(encoded(inverse), bytes_of(ark_ff::Field::inverse(&x).unwrap()));
            }
        }
    }
}

//! Attacks on the elements of a Dory opening: replaced by other valid ones, or by what is no element of its group.

mod common;

use ark_bn254::{Fq, Fq2, Fq6, Fq12, G1Affine, G2Affine};
use ark_ff::{BigInteger, CyclotomicMultSubgroup, Field, PrimeField};
use ark_serialize::{CanonicalDeserialize, CanonicalSerialize};
use common::Case;
use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};
use zkml_commitment::OpeningClaim;
use zkml_core::{Bn254, Suite, VerifyError};

/// 26 cells: a polynomial of five variables, a matrix of eight columns.
const SHAPES: &[&[usize]] = &[&[3, 5], &[4], &[], &[2, 3]];
const COLUMNS: usize = 3;
const COMMITMENT: usize = 192;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    First = 32,
    Second = 64,
    Target = 192,
}

use Kind::{First, Second, Target};

/// The elements of the library's proof, in order.
fn kinds() -> Vec<Kind> {
    let round = [Target, Target, Target, Target, First, Second, Target, Target, First, First, Second, Second];
    let rounds = round.iter().cycle().take(COLUMNS * round.len());
    [Target, Target, First].iter().chain(rounds).chain(&[First, Second]).copied().collect()
}

/// A proof with the places of its parts: the commitment, and the elements of the opening.
struct Opened {
    case: Case<Bn254>,
    claims: Vec<OpeningClaim<<Bn254 as Suite>::Challenge>>,
    proof: Vec<u8>,
    slots: Vec<(usize, Kind)>,
}

impl Opened {
    fn new(seed: u64) -> Self {
        let mut case = Case::<Bn254>::new(SHAPES, seed);
        let claims: Vec<_> = (0..6).map(|i| case.claim(i % SHAPES.len(), 0.0)).collect();
        let proof = case.open(&claims);
        case.verify(&claims, &proof).unwrap();
        // The test's own last challenge follows the opening.
        let length: usize = kinds().iter().map(|&kind| kind as usize).sum();
        let mut at = proof.len() - 32 - length;
        assert_eq!(proof[at - 4..at], u32::try_from(length).unwrap().to_le_bytes());
        let mut slots = vec![(0, Target)];
        for kind in kinds() {
            slots.push((at, kind));
            at += kind as usize;
        }
        Self { case, claims, proof, slots }
    }

    fn read(&self, (at, kind): (usize, Kind)) -> &[u8] {
        &self.proof[at..at + kind as usize]
    }

    fn with(&self, (at, kind): (usize, Kind), element: &[u8]) -> VerifyError {
        let mut altered = self.proof.clone();
        assert_eq!(element.len(), kind as usize);
        altered[at..at + element.len()].copy_from_slice(element);
        let result = self.case.verify(&self.claims, &altered);
        result.expect_err(&format!("a {kind:?} at byte {at} of {} was replaced", self.proof.len()))
    }

    /// The element is refused where it is decoded.
    fn is_no_element(&self, kind: Kind, what: &str, element: &[u8]) {
        for slot in self.slots.iter().filter(|slot| slot.1 == kind) {
            let error = self.with(*slot, element);
            assert!(matches!(error, VerifyError::Encoding { .. }), "{what} at byte {}: {error}", slot.0);
        }
    }
}

fn bytes(value: &impl CanonicalSerialize) -> Vec<u8> {
    let mut out = Vec::new();
    value.serialize_compressed(&mut out).unwrap();
    out
}

fn neutral(kind: Kind) -> Vec<u8> {
    match kind {
        First => bytes(&G1Affine::identity()),
        Second => bytes(&G2Affine::identity()),
        Target => vec![0; COMMITMENT],
    }
}

fn negated(kind: Kind, element: &[u8]) -> Vec<u8> {
    match kind {
        First => bytes(&-G1Affine::deserialize_compressed(element).unwrap()),
        Second => bytes(&-G2Affine::deserialize_compressed(element).unwrap()),
        Target => bytes(&-Fq6::deserialize_compressed(element).unwrap()),
    }
}

#[test]
fn every_element_replaced_by_another_valid_one_is_rejected() {
    let opened = Opened::new(1);
    for (i, &slot) in opened.slots.iter().enumerate() {
        let own = opened.read(slot);
        let others = opened.slots[i + 1..].iter().chain(&opened.slots[..i]).filter(|other| other.1 == slot.1);
        let other = others.map(|&other| opened.read(other)).find(|&other| other != own).unwrap();
        // The right half of the first round's rows is empty, so one element is neutral itself.
        let replacements = [neutral(slot.1), negated(slot.1, own), other.to_vec()];
        for element in replacements.into_iter().filter(|element| element != own) {
            let error = opened.with(slot, &element);
            // The commitment is bound by the merging sumcheck already.
            let expected = if i == 0 {
                matches!(error, VerifyError::Check { .. })
            } else {
                matches!(error, VerifyError::Opening { .. })
            };
            assert!(expected, "element {i}: {error}");
        }
    }
}

#[test]
fn swapped_elements_and_rounds_are_rejected() {
    let opened = Opened::new(2);
    let per_round = 12;
    for (i, &slot) in opened.slots.iter().enumerate().skip(4) {
        let Some(&next) = opened.slots.get(i + per_round).filter(|next| next.1 == slot.1) else { continue };
        let mut altered = opened.proof.clone();
        altered[slot.0..slot.0 + slot.1 as usize].copy_from_slice(opened.read(next));
        altered[next.0..next.0 + next.1 as usize].copy_from_slice(opened.read(slot));
        assert!(opened.case.verify(&opened.claims, &altered).is_err(), "element {i} and that of the next round");
    }
}

#[test]
fn points_off_the_curve_or_outside_the_subgroup_are_no_elements() {
    let opened = Opened::new(3);
    let off_curve = (1_u64..100).map(Fq::from).find(|&x| G1Affine::get_ys_from_x_unchecked(x).is_none()).unwrap();
    opened.is_no_element(First, "an x-coordinate off the curve", &bytes(&off_curve));
    let x = |i: u64| Fq2::new(Fq::from(i), Fq::ONE);
    let off_twist = (1..100).map(x).find(|&x| G2Affine::get_ys_from_x_unchecked(x).is_none()).unwrap();
    opened.is_no_element(Second, "an x-coordinate off the twist", &bytes(&off_twist));
    let outside = (1..100).filter_map(|i| G2Affine::get_point_from_x_unchecked(x(i), false));
    let outside = { outside }.find(|point| !point.is_in_correct_subgroup_assuming_on_curve()).unwrap();
    assert!(outside.is_on_curve());
    opened.is_no_element(Second, "a point of the twist outside the subgroup", &bytes(&outside));
}

/// The encoding of an element of norm 1 over `Fq6`.
fn compressed(element: &Fq12) -> Vec<u8> {
    bytes(&(element.c1 * (Fq6::ONE + element.c0).inverse().unwrap()))
}

#[test]
fn elements_outside_the_target_group_are_no_elements() {
    let opened = Opened::new(4);
    let of = |i: u64| Fq2::new(Fq::from(i), Fq::from(3 * i));
    let any = Fq12::new(Fq6::new(of(1), of(2), of(3)), Fq6::new(of(4), of(5), of(6)));
    let power = |element: Fq12, power| {
        let mut image = element;
        image.frobenius_map_in_place(power);
        image
    };
    let norm_one = power(any, 6) * any.inverse().unwrap();
    let cyclotomic = power(norm_one, 2) * norm_one;
    opened.is_no_element(Target, "an element of norm 1", &compressed(&norm_one));
    opened.is_no_element(Target, "an element of the cyclotomic subgroup", &compressed(&cyclotomic));
    // For contrast: its power by the cofactor is an element, and is rejected only by the verification.
    let element = cyclotomic.cyclotomic_exp(COFACTOR);
    let error = opened.with(opened.slots[1], &compressed(&element));
    assert!(matches!(error, VerifyError::Opening { .. }), "{error}");
}

/// `(p^4 - p^2 + 1) / r`, least significant limb first.
const COFACTOR: [u64; 12] = [
    0xe81b_b482_ccdf_42b1,
    0x5abf_5cc4_f49c_36d4,
    0xf115_4e7e_1da0_14fd,
    0xdcc7_b44c_87cd_bacf,
    0xaaa4_41e3_954b_cf8a,
    0x6b88_7d56_d509_5f23,
    0x7958_1e16_f3fd_90c6,
    0x3b1b_1355_d189_227d,
    0x4e52_9a58_6187_6f6b,
    0x6c0e_b522_d5b1_2278,
    0x331e_c151_8317_7faf,
    0x01ba_aa71_0b07_59ad,
];

#[test]
fn encodings_that_are_not_canonical_are_no_elements() {
    let opened = Opened::new(5);
    // The generator (1, 2) with the coordinate 1 written as 1 + q, which has 254 bits.
    let mut above = Fq::MODULUS;
    above.add_with_carry(&Fq::ONE.into_bigint());
    let above = above.to_bytes_le();
    opened.is_no_element(First, "1 + q as coordinate", &above);
    opened.is_no_element(Second, "1 + q as coordinate", &[above.clone(), vec![0; 32]].concat());
    opened.is_no_element(Target, "1 + q as coordinate", &[above, vec![0; 160]].concat());
    for kind in [First, Second] {
        let mut infinity = neutral(kind);
        infinity[0] = 1;
        opened.is_no_element(kind, "infinity with a coordinate", &infinity);
        let mut flags = neutral(kind);
        *flags.last_mut().unwrap() |= 0xc0;
        opened.is_no_element(kind, "infinity with a sign", &flags);
    }
    opened.is_no_element(Target, "bits above the modulus", &[0xff; 192]);
}

#[test]
fn scalars_that_are_not_canonical_are_refused() {
    let opened = Opened::new(6);
    let first_of_opening = opened.slots[1].0 - 4;
    for at in (COMMITMENT..first_of_opening).step_by(32) {
        let mut altered = opened.proof.clone();
        let mut carry = 0_u16;
        for (byte, modulus) in altered[at..at + 32].iter_mut().zip(ark_bn254::Fr::MODULUS.to_bytes_le()) {
            carry += u16::from(*byte) + u16::from(modulus);
            *byte = carry as u8;
            carry >>= 8;
        }
        assert_eq!(carry, 0, "a number below r plus r has 255 bits");
        let error = opened.case.verify(&opened.claims, &altered).unwrap_err();
        assert!(matches!(error, VerifyError::Encoding { .. }), "byte {at}: {error}");
        let mut altered = opened.proof.clone();
        altered[at] ^= 1;
        assert!(opened.case.verify(&opened.claims, &altered).is_err(), "byte {at} of a scalar");
    }
}

#[test]
fn sampled_bytes_matter() {
    let seed = 7;
    let opened = Opened::new(seed);
    let mut rng = SmallRng::seed_from_u64(seed);
    for _ in 0..300 {
        let position = rng.random_range(0..opened.proof.len());
        let mut altered = opened.proof.clone();
        altered[position] ^= 1 << rng.random_range(0..8);
        let result = opened.case.verify(&opened.claims, &altered);
        assert!(result.is_err(), "seed {seed}: byte {position} of {} is free", altered.len());
    }
}

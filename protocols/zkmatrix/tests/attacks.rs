//! False statements and altered proofs, by name.

mod common;

use std::panic::{AssertUnwindSafe, catch_unwind};

use ark_bn254::{Fq, Fq2, Fq6, Fq12, Fr, G1Affine, G2Affine};
use ark_ff::{BigInteger, CyclotomicMultSubgroup, Field as _, PrimeField};
use ark_serialize::CanonicalSerialize;
use common::{BEFORE_ROUNDS, Felt, Kind, PER_ROUND, honest, matmul, random_matmul, rejection, slots, verdict};
use p3_field::PrimeCharacteristicRing;
use zkml_core::{Bn254, Claim, Suite};
use zkml_pairing::{Curve, Encoding, First, Group, PairingCurve, Second, Target, setup};
use zkml_testkit::driver::{Proof, Setup, Side, Verdict, prove, verify};
use zkml_zkmatrix::ZkMatrix;

const SHAPE: [usize; 3] = [3, 7, 4];
const ROUNDS: usize = 3;

#[test]
fn an_output_with_one_entry_off_by_one_is_rejected() {
    let setup = random_matmul(SHAPE);
    let output = setup.statement.relation.output().unwrap();
    for cell in 0..12 {
        let mut wrong = setup.clone();
        wrong.witness = setup.altered(output, cell, 1).unwrap();
        let why = rejection(&wrong, &honest(&wrong).bytes, "C with one entry plus one");
        assert!(why.contains("the folded inner product"), "{why}");
    }
}

#[test]
fn another_claimed_value_is_rejected() {
    let setup = random_matmul(SHAPE);
    let changes: [fn(&mut Claim<Felt>); 4] = [
        |claim| claim.value += Felt::ONE,
        |claim| claim.value = Felt::ZERO,
        |claim| claim.value = -claim.value,
        |claim| claim.point.reverse(),
    ];
    for (i, change) in changes.iter().enumerate() {
        let side = Side::<Bn254> { change: Some(change), ..Side::honest(&setup) };
        let proof = prove(&ZkMatrix, side, &setup.witness).unwrap();
        assert!(matches!(verify(&ZkMatrix, side, &proof.bytes), Verdict::Rejected(_)), "change {i}");
    }
}

#[test]
fn the_transposed_statement_is_another_one() {
    // Square matrices, so that all lengths agree.
    let shape = [4, 4, 4];
    let setup = random_matmul(shape);
    let values = |tensor: usize| setup.witness.get(setup.statement.relation.inputs()[tensor]).unwrap().to_i64();
    let transposed = |m: Vec<i64>| -> Vec<i64> { (0..16).map(|i| m[i % 4 * 4 + i / 4]).collect() };
    // C^T = B^T A^T is true, and its proof is none of C = A B.
    let other = matmul(shape, transposed(values(1)), transposed(values(0)));
    common::accepts(&other);
    rejection(&setup, &honest(&other).bytes, "a proof of the transposed statement");
    // A prover that uses B A, or the transposes, for the statement C = A B.
    let [a, b] = [values(0), values(1)];
    for (a, b) in
        [(b.clone(), a.clone()), (transposed(a.clone()), transposed(b.clone())), (transposed(b), transposed(a))]
    {
        let cheat = matmul(shape, a, b);
        let proof = prove(&ZkMatrix, Side::honest(&setup), &cheat.witness).unwrap();
        rejection(&setup, &proof.bytes, "a proof with other operands");
    }
}

#[test]
fn proofs_do_not_verify_for_other_shapes_claims_or_matrices() {
    let setup = random_matmul([2, 4, 8]);
    let bytes = honest(&setup).bytes;
    for shape in [[4, 4, 4], [2, 3, 8], [2, 4, 7], [16, 4, 1]] {
        let other = random_matmul(shape);
        assert_eq!(honest(&other).bytes.len(), bytes.len(), "the attack is no attack on lengths");
        rejection(&other, &bytes, "a proof for another shape");
    }
    for tensor in setup.statement.relation.inputs() {
        let mut other = setup.clone();
        other.witness = setup.altered(tensor, 3, 1).unwrap();
        rejection(&other, &bytes, "a proof for another matrix");
    }
}

/// A proof, and the elements it consists of.
struct Proven {
    setup: Setup,
    bytes: Vec<u8>,
    slots: Vec<(usize, Kind)>,
}

impl Proven {
    fn new() -> Self {
        let setup = random_matmul(SHAPE);
        let bytes = honest(&setup).bytes;
        let slots = slots(ROUNDS);
        assert_eq!(slots.iter().map(|slot| slot.1.bytes()).sum::<usize>(), bytes.len());
        Self { setup, bytes, slots }
    }

    fn read(&self, (at, kind): (usize, Kind)) -> &[u8] {
        &self.bytes[at..at + kind.bytes()]
    }

    fn with(&self, (at, kind): (usize, Kind), element: &[u8], what: &str) -> String {
        assert_eq!(element.len(), kind.bytes());
        let mut altered = self.bytes.clone();
        altered[at..at + element.len()].copy_from_slice(element);
        assert_ne!(altered, self.bytes, "{what} at byte {at} changes nothing");
        rejection(&self.setup, &altered, &format!("{what} at byte {at}"))
    }

    /// The element is refused where it is decoded.
    fn is_no_element(&self, kind: Kind, what: &str, element: &[u8]) {
        for slot in self.slots.iter().filter(|slot| slot.1 == kind) {
            let why = self.with(*slot, element, what);
            assert!(why.contains("not canonically encoded"), "{what} at byte {}: {why}", slot.0);
        }
    }
}

fn encoded(element: &impl Encoding) -> Vec<u8> {
    let mut out = Vec::new();
    element.encode(&mut out);
    out
}

/// Other valid elements: the sum with a generator, twice and minus the element, the neutral one.
fn others<G: Group + Encoding + Copy>(element: &[u8], generator: G) -> Vec<Vec<u8>> {
    let own = G::decode(element).unwrap();
    let candidates = [own.add(&generator), own.add(&own), own.neg(), G::identity(), generator];
    candidates.iter().map(encoded).filter(|other| other != element).collect()
}

#[test]
fn every_element_of_every_message_replaced_by_a_valid_one_is_rejected() {
    let proven = Proven::new();
    let levels = setup::verifier(ROUNDS).unwrap();
    for (i, &slot) in proven.slots.iter().enumerate() {
        let own = proven.read(slot);
        let replacements = match slot.1 {
            Kind::First => others(own, levels.g1_0),
            Kind::Second => others(own, levels.g2_0),
            Kind::Target => others(own, levels.ht),
            Kind::Scalar => [[0; 32], {
                let mut one = [0; 32];
                one[0] = 1;
                one
            }]
            .map(Vec::from)
            .to_vec(),
        };
        for element in replacements {
            let why = proven.with(slot, &element, &format!("element {i}"));
            assert!(why.contains("the folded inner product"), "element {i}: {why}");
        }
    }
}

#[test]
fn swapped_halves_rounds_and_messages_are_rejected() {
    let proven = Proven::new();
    let swap = |i: usize, j: usize| {
        let (a, b) = (proven.slots[i], proven.slots[j]);
        assert_eq!(a.1, b.1);
        let mut altered = proven.bytes.clone();
        altered[a.0..a.0 + a.1.bytes()].copy_from_slice(proven.read(b));
        altered[b.0..b.0 + b.1.bytes()].copy_from_slice(proven.read(a));
        assert_ne!(altered, proven.bytes);
        let why = rejection(&proven.setup, &altered, &format!("elements {i} and {j} swapped"));
        assert!(why.contains("the folded inner product"), "{why}");
    };
    // α and β.
    swap(2, 3);
    for round in 0..ROUNDS {
        let start = BEFORE_ROUNDS + round * PER_ROUND;
        // L and R of D_1 and D_2, D_1 and D_2, plus and minus of C, E_1 and E_2.
        for (i, j) in [(0, 1), (2, 3), (0, 2), (1, 3), (6, 7), (8, 9), (10, 11)] {
            swap(start + i, start + j);
        }
        for element in (0..PER_ROUND).filter(|_| round + 1 < ROUNDS) {
            swap(start + element, start + PER_ROUND + element);
        }
    }
    let start = proven.slots[BEFORE_ROUNDS].0;
    let length = proven.slots[BEFORE_ROUNDS + PER_ROUND].0 - start;
    let mut permuted = proven.bytes.clone();
    permuted[start..start + 2 * length].rotate_left(length);
    rejection(&proven.setup, &permuted, "the first two rounds exchanged");
}

#[test]
fn truncated_and_extended_proofs_are_rejected() {
    let proven = Proven::new();
    for (at, _) in proven.slots.iter().copied().chain([(proven.bytes.len() - 1, Kind::Scalar)]) {
        let why = rejection(&proven.setup, &proven.bytes[..at], "a truncated proof");
        assert!(why.contains("too early"), "{why}");
    }
    let longer = [&proven.bytes[..], &[0]].concat();
    let why = rejection(&proven.setup, &longer, "an extended proof");
    assert!(why.contains("left over"), "{why}");
}

/// The length is looked at first: no generators are computed, and no points decoded, for a proof that is too short.
#[test]
fn a_short_proof_is_rejected_for_its_length() {
    let proven = Proven::new();
    let mut short = proven.bytes[..proven.bytes.len() - 1].to_vec();
    short[..32].fill(0xff);
    let why = rejection(&proven.setup, &short, "a short proof of no elements");
    assert!(why.contains("too early"), "{why}");
}

fn bytes(value: &impl CanonicalSerialize) -> Vec<u8> {
    let mut out = Vec::new();
    value.serialize_compressed(&mut out).unwrap();
    out
}

#[test]
fn points_off_the_curve_or_outside_the_subgroup_are_no_elements() {
    let proven = Proven::new();
    let off_curve = (1_u64..100).map(Fq::from).find(|&x| G1Affine::get_ys_from_x_unchecked(x).is_none()).unwrap();
    proven.is_no_element(Kind::First, "an x-coordinate off the curve", &bytes(&off_curve));
    let x = |i: u64| Fq2::new(Fq::from(i), Fq::ONE);
    let off_twist = (1..100).map(x).find(|&x| G2Affine::get_ys_from_x_unchecked(x).is_none()).unwrap();
    proven.is_no_element(Kind::Second, "an x-coordinate off the twist", &bytes(&off_twist));
    let outside = (1..100).filter_map(|i| G2Affine::get_point_from_x_unchecked(x(i), false));
    let outside = { outside }.find(|point| !point.is_in_correct_subgroup_assuming_on_curve()).unwrap();
    assert!(outside.is_on_curve());
    proven.is_no_element(Kind::Second, "a point of the twist outside the subgroup", &bytes(&outside));
}

#[test]
fn elements_outside_the_target_group_are_no_elements() {
    let proven = Proven::new();
    let of = |i: u64| Fq2::new(Fq::from(i), Fq::from(3 * i));
    let any = Fq12::new(Fq6::new(of(1), of(2), of(3)), Fq6::new(of(4), of(5), of(6)));
    let power = |element: Fq12, power| {
        let mut image = element;
        image.frobenius_map_in_place(power);
        image
    };
    let compressed = |element: &Fq12| bytes(&(element.c1 * (Fq6::ONE + element.c0).inverse().unwrap()));
    let norm_one = power(any, 6) * any.inverse().unwrap();
    let cyclotomic = power(norm_one, 2) * norm_one;
    proven.is_no_element(Kind::Target, "an element of norm 1", &compressed(&norm_one));
    proven.is_no_element(Kind::Target, "an element of the cyclotomic subgroup", &compressed(&cyclotomic));
    // A member of the group times an element of small order is outside as well.
    let member = Curve::pair(&setup::verifier(0).unwrap().h1, &setup::verifier(0).unwrap().h2).0;
    let outside = member * cyclotomic.cyclotomic_exp(Fr::MODULUS.0);
    proven.is_no_element(Kind::Target, "a member times a non-member", &compressed(&outside));
}

#[test]
fn encodings_that_are_not_canonical_are_no_elements() {
    let proven = Proven::new();
    // The generator (1, 2) with the coordinate 1 written as 1 + q, which has 254 bits.
    let mut above = Fq::MODULUS;
    above.add_with_carry(&Fq::ONE.into_bigint());
    let above = above.to_bytes_le();
    proven.is_no_element(Kind::First, "1 + q as coordinate", &above);
    proven.is_no_element(Kind::Second, "1 + q as coordinate", &[above.clone(), vec![0; 32]].concat());
    proven.is_no_element(Kind::Target, "1 + q as coordinate", &[above, vec![0; 160]].concat());
    for (kind, infinity) in [(Kind::First, encoded(&First::identity())), (Kind::Second, encoded(&Second::identity()))] {
        let mut coordinate = infinity.clone();
        coordinate[0] = 1;
        proven.is_no_element(kind, "infinity with a coordinate", &coordinate);
        let mut sign = infinity;
        *sign.last_mut().unwrap() |= 0xc0;
        proven.is_no_element(kind, "infinity with a sign", &sign);
    }
    proven.is_no_element(Kind::Target, "bits above the modulus", &[0xff; Target::BYTES]);
    for &slot in proven.slots.iter().filter(|slot| slot.1 == Kind::Scalar) {
        let mut carry = 0_u16;
        let plus_modulus = proven.read(slot).iter().zip(Fr::MODULUS.to_bytes_le()).map(|(&byte, modulus)| {
            carry = (carry >> 8) + u16::from(byte) + u16::from(modulus);
            carry as u8
        });
        let why = proven.with(slot, &plus_modulus.collect::<Vec<u8>>(), "a value plus r");
        assert!(why.contains("not canonically encoded"), "{why}");
    }
}

#[test]
fn junk_neither_verifies_nor_panics() {
    let setup = random_matmul(SHAPE);
    let length = honest(&setup).bytes.len();
    for junk in [vec![], vec![0; length], vec![0xff; length], (0..length).map(|i| i as u8).collect()] {
        let verdict = catch_unwind(AssertUnwindSafe(|| verdict(&setup, &junk))).unwrap();
        assert!(matches!(verdict, Verdict::Rejected(_)), "{verdict}");
    }
}

mod cheats;

/// A prover that plays other vectors; `play` gets the honest ones and the claimed value.
fn cheat(setup: &Setup, claimed: fn(&mut Claim<Felt>), play: cheats::Strategy) -> (Verdict<Bn254>, Proof<Bn254>) {
    let side = Side::<Bn254> { change: Some(&claimed), ..Side::honest(setup) };
    let proof = prove(&cheats::Cheat(play), side, &setup.witness).unwrap();
    (verify(&ZkMatrix, side, &proof.bytes), proof)
}

fn expect(verdict: &Verdict<Bn254>, reason: &str) {
    assert!(matches!(verdict, Verdict::Rejected(why) if why.contains(reason)), "{verdict} instead of {reason}");
}

/// The reduction holds, the claims that remain are false: what the commitment's opening is for.
const FALSE_CLAIM: &str = "is false";
/// The reduction fails.
const FOLDED: &str = "the folded inner product";

#[test]
fn a_cheating_prover_that_does_not_cheat_is_accepted() {
    let setup = random_matmul(SHAPE);
    let (verdict, proof) = cheat(&setup, |_| (), cheats::honest);
    assert!(matches!(verdict, Verdict::Accepted(_)), "{verdict}");
    assert_eq!(proof.bytes, honest(&setup).bytes);
}

#[test]
fn vectors_that_fit_a_false_value_are_caught_by_the_claims_that_remain() {
    let setup = random_matmul(SHAPE);
    let plus_one: fn(&mut Claim<Felt>) = |claim| claim.value += Felt::ONE;
    expect(&cheat(&setup, plus_one, cheats::first_fits_value).0, FALSE_CLAIM);
    expect(&cheat(&setup, plus_one, cheats::second_fits_value).0, FALSE_CLAIM);
    // With the true values of A and B instead, the reduction catches it.
    expect(&cheat(&setup, plus_one, cheats::first_fits_value_true_values).0, FOLDED);
    expect(&cheat(&setup, plus_one, cheats::second_fits_value_true_values).0, FOLDED);
}

#[test]
fn commitments_to_other_projections_are_rejected() {
    let setup = random_matmul(SHAPE);
    expect(&cheat(&setup, |_| (), cheats::first_projection_replaced).0, FOLDED);
    expect(&cheat(&setup, |_| (), cheats::second_projection_replaced).0, FOLDED);
    expect(&cheat(&setup, |_| (), cheats::projections_of_zero).0, FOLDED);
    // Projected vectors with the same product that are none of A and B.
    expect(&cheat(&setup, |_| (), cheats::scaled_against_each_other).0, FALSE_CLAIM);
    expect(&cheat(&setup, |_| (), cheats::exchanged).0, FALSE_CLAIM);
    // The second vector moved orthogonally to the first.
    expect(&cheat(&setup, |_| (), cheats::second_moved_orthogonally).0, FALSE_CLAIM);
}

#[test]
fn values_that_differ_from_the_vectors_are_rejected() {
    let setup = random_matmul(SHAPE);
    for play in [cheats::first_value_wrong as cheats::Strategy, cheats::second_value_wrong, cheats::values_zero] {
        expect(&cheat(&setup, |_| (), play).0, FOLDED);
    }
}

#[test]
fn an_outer_product_with_scaled_values_is_caught_by_the_claims_that_remain() {
    let setup = random_matmul([3, 1, 4]);
    let bytes = honest(&setup).bytes;
    let [alpha, beta] = [&bytes[..32], &bytes[32..]].map(|b| Bn254::decode(b).unwrap());
    let proof = |values: [Felt; 2]| {
        let mut out = Vec::new();
        for value in values {
            Bn254::encode(value, &mut out);
        }
        out
    };
    assert_eq!(proof([alpha, beta]), bytes);
    let why = rejection(&setup, &proof([alpha.double(), beta.halve()]), "2 α and β / 2");
    assert!(why.contains(FALSE_CLAIM), "{why}");
    let why = rejection(&setup, &proof([alpha + Felt::ONE, beta]), "α + 1");
    assert!(why.contains("the product of the operands' values"), "{why}");
}

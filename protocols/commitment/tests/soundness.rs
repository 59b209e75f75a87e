//! False claims, altered proofs and garbage are rejected, and nothing panics.

mod common;

use common::{Case, shape, verify};
use p3_field::PrimeCharacteristicRing;
use proptest::prelude::*;
use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};
use zkml_commitment::{CommittedSuite, OpeningClaim};
use zkml_core::{Bn254, Goldilocks, Goldilocks3, ProveError, ProverTranscript, Shape, Suite};

/// Tensors small enough that every byte of their opening can be altered.
const SMALL: &[&[usize]] = &[&[3, 5], &[4], &[], &[2, 3]];
/// Large enough for an intermediate round, so that proofs have every kind of message.
const LARGE: &[&[usize]] = &[&[33, 70], &[64, 17], &[9]];

type Claims<S> = Vec<OpeningClaim<<S as Suite>::Challenge>>;

fn opened<S: CommittedSuite>(dims: &[&[usize]], seed: u64) -> (Case<S>, Claims<S>, Vec<u8>) {
    let mut case = Case::<S>::new(dims, seed);
    let claims: Claims<S> =
        (0..2 * dims.len()).map(|i| case.claim(i % dims.len(), if i % 3 == 2 { 0.5 } else { 0.0 })).collect();
    let proof = case.open(&claims);
    case.verify(&claims, &proof).unwrap();
    (case, claims, proof)
}

fn false_claims_are_rejected<S: CommittedSuite>() {
    let (case, claims, proof) = opened::<S>(SMALL, 1);
    for i in 0..claims.len() {
        let mut wrong = claims.clone();
        wrong[i].value += S::Challenge::ONE;
        assert!(case.verify(&wrong, &proof).is_err(), "claim {i}: wrong value");
        for coordinate in 0..claims[i].point.len() {
            let mut wrong = claims.clone();
            wrong[i].point[coordinate] += S::Challenge::ONE;
            assert!(case.verify(&wrong, &proof).is_err(), "claim {i}: wrong coordinate {coordinate}");
        }
        for j in (0..i).filter(|&j| claims[j] != claims[i]) {
            let mut swapped = claims.clone();
            swapped.swap(i, j);
            assert!(case.verify(&swapped, &proof).is_err(), "claims {i} and {j} swapped");
            let mut values = claims.clone();
            (values[i].value, values[j].value) = (claims[j].value, claims[i].value);
            assert!(case.verify(&values, &proof).is_err(), "values of {i} and {j} swapped");
        }
        let mut fewer = claims.clone();
        fewer.remove(i);
        assert!(case.verify(&fewer, &proof).is_err(), "claim {i} left out");
        let mut more = claims.clone();
        more.push(claims[i].clone());
        assert!(case.verify(&more, &proof).is_err(), "claim {i} repeated");
    }
    assert!(case.verify(&[], &proof).is_err(), "no claims");
}

#[test]
fn false_claims_goldilocks() {
    false_claims_are_rejected::<Goldilocks>();
}

#[test]
fn false_claims_bn254() {
    false_claims_are_rejected::<Bn254>();
}

#[test]
fn false_claims_goldilocks3() {
    false_claims_are_rejected::<Goldilocks3>();
}

fn false_claims_are_not_opened<S: CommittedSuite>() {
    let (case, mut claims, _) = opened::<S>(SMALL, 2);
    // The second claim on a tensor: the first one's terms do not determine it.
    claims.push(claims[0].clone());
    claims.last_mut().unwrap().value += S::Challenge::ONE;
    let mut transcript = ProverTranscript::<S>::new();
    let result = S::open(&case.data, &claims, &mut transcript, &zkml_device::Device::cpu());
    assert!(matches!(result, Err(ProveError::Unsatisfied { .. })));
    claims.pop();
    claims[0].value += S::Challenge::ONE;
    let result = S::open(&case.data, &claims, &mut transcript, &zkml_device::Device::cpu());
    assert!(matches!(result, Err(ProveError::Unsatisfied { .. })));
}

#[test]
fn a_prover_does_not_open_a_false_claim() {
    false_claims_are_not_opened::<Goldilocks>();
    false_claims_are_not_opened::<Bn254>();
}

fn malformed_claims_are_errors<S: CommittedSuite>() {
    let (case, claims, proof) = opened::<S>(SMALL, 3);
    let mut cases = vec![claims.clone(), claims.clone(), claims.clone()];
    cases[0][0].tensor = 99;
    cases[1][0].point.push(S::Challenge::ONE);
    cases[2][0].point.clear();
    for wrong in cases {
        assert!(case.verify(&wrong, &proof).is_err());
        let mut transcript = ProverTranscript::<S>::new();
        assert!(S::open(&case.data, &wrong, &mut transcript, &zkml_device::Device::cpu()).is_err());
    }
}

#[test]
fn malformed_claims_are_errors_on_both_sides() {
    malformed_claims_are_errors::<Goldilocks>();
    malformed_claims_are_errors::<Bn254>();
}

fn other_commitments<S: CommittedSuite>() {
    let (case, claims, proof) = opened::<S>(SMALL, 4);
    let other = Case::<S>::new(SMALL, 5);
    let mut swapped = proof.clone();
    swapped[..other.root.len()].copy_from_slice(&other.root);
    assert!(case.verify(&claims, &swapped).is_err());
    // A proof for the other commitment does not prove claims about this one either.
    let true_of_other: Vec<_> = claims.iter().map(|c| other.claim_at(c.tensor, c.point.clone())).collect();
    let mut theirs = other.open(&true_of_other);
    assert!(case.verify(&claims, &theirs).is_err());
    theirs[..case.root.len()].copy_from_slice(&case.root);
    assert!(case.verify(&true_of_other, &theirs).is_err());
}

#[test]
fn another_commitment_is_rejected() {
    other_commitments::<Goldilocks>();
    other_commitments::<Bn254>();
}

fn other_shapes<S: CommittedSuite>() {
    let (case, claims, proof) = opened::<S>(SMALL, 6);
    // Shapes with the same numbers of variables, so that the claims still fit.
    for (tensor, dims) in [(0, vec![4, 5]), (0, vec![3, 6]), (0, vec![3, 8]), (1, vec![3]), (3, vec![2, 4])] {
        let mut shapes = case.shapes.clone();
        shapes[tensor] = shape(&dims);
        assert_eq!(shapes[tensor].variables(), case.shapes[tensor].variables());
        assert!(verify::<S>(&shapes, &claims, &proof, b"test").is_err(), "tensor {tensor} as {dims:?}");
    }
    let mut reordered = case.shapes.clone();
    reordered.swap(1, 3);
    assert!(verify::<S>(&reordered, &claims, &proof, b"test").is_err());
    assert!(verify::<S>(&[], &claims, &proof, b"test").is_err());
    let huge = vec![Shape::new([1 << 39]).unwrap()];
    assert!(verify::<S>(&huge, &claims, &proof, b"test").is_err());
}

#[test]
fn other_shapes_are_rejected() {
    other_shapes::<Goldilocks>();
    other_shapes::<Bn254>();
}

fn replay<S: CommittedSuite>() {
    let (case, claims, proof) = opened::<S>(SMALL, 7);
    assert!(verify::<S>(&case.shapes, &claims, &proof, b"another statement").is_err());
}

#[test]
fn a_proof_does_not_replay_in_another_transcript() {
    replay::<Goldilocks>();
    replay::<Bn254>();
}

fn every_byte<S: CommittedSuite>(seed: u64) {
    let (case, claims, proof) = opened::<S>(SMALL, seed);
    let mut rng = SmallRng::seed_from_u64(seed);
    for position in 0..proof.len() {
        for flip in [1_u8 << rng.random_range(0..8), rng.random_range(1..=255)] {
            let mut altered = proof.clone();
            altered[position] ^= flip;
            let result = case.verify(&claims, &altered);
            assert!(result.is_err(), "seed {seed}: byte {position} of {} xor {flip} is accepted", proof.len());
        }
    }
}

#[test]
fn every_byte_matters_goldilocks() {
    every_byte::<Goldilocks>(8);
}

#[test]
fn every_byte_matters_goldilocks3() {
    every_byte::<Goldilocks3>(9);
}

fn sampled_bytes<S: CommittedSuite>(seed: u64) {
    let (case, claims, proof) = opened::<S>(LARGE, seed);
    let mut rng = SmallRng::seed_from_u64(seed);
    for _ in 0..600 {
        let position = rng.random_range(0..proof.len());
        let mut altered = proof.clone();
        altered[position] ^= rng.random_range(1..=255_u8);
        assert!(case.verify(&claims, &altered).is_err(), "seed {seed}: byte {position} of {} is free", proof.len());
    }
    for _ in 0..200 {
        let position = rng.random_range(0..proof.len());
        let mut shorter = proof.clone();
        shorter.remove(position);
        assert!(case.verify(&claims, &shorter).is_err(), "seed {seed}: byte {position} removed");
        let mut longer = proof.clone();
        longer.insert(position, rng.random());
        // Inserting a byte equal to its neighbour at the end of a run of such bytes still lengthens the proof.
        assert!(case.verify(&claims, &longer).is_err(), "seed {seed}: byte {position} inserted");
    }
}

#[test]
fn sampled_bytes_of_a_larger_proof_matter() {
    sampled_bytes::<Goldilocks>(10);
    sampled_bytes::<Goldilocks3>(11);
}

fn other_lengths<S: CommittedSuite>() {
    let (case, claims, proof) = opened::<S>(SMALL, 12);
    for length in 0..proof.len() {
        assert!(case.verify(&claims, &proof[..length]).is_err(), "truncated to {length}");
    }
    let mut extended = proof.clone();
    extended.push(0);
    assert!(case.verify(&claims, &extended).is_err());
}

#[test]
fn truncated_and_extended_proofs_are_rejected() {
    other_lengths::<Goldilocks>();
    other_lengths::<Bn254>();
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn garbage_is_an_error(bytes in prop::collection::vec(any::<u8>(), 0..4000), length in any::<u16>()) {
        let dims: Vec<Shape> = SMALL.iter().map(|d| shape(d)).collect();
        let claims = vec![OpeningClaim {
            tensor: 1,
            point: vec![<Goldilocks as Suite>::Challenge::TWO; 2],
            value: <Goldilocks as Suite>::Challenge::ONE,
        }];
        prop_assert!(verify::<Goldilocks>(&dims, &claims, &bytes, b"test").is_err());
        // With plausible messages before the opening proof, so that garbage reaches the decoder.
        let mut plausible = vec![7; 32 + 6 * 32];
        plausible.extend_from_slice(&u32::from(length).to_le_bytes());
        plausible.extend_from_slice(&bytes);
        prop_assert!(verify::<Goldilocks>(&dims, &claims, &plausible, b"test").is_err());
    }

    #[test]
    fn garbage_inside_a_proof_is_an_error(start in 0.0..1.0_f64, bytes in prop::collection::vec(any::<u8>(), 1..64)) {
        thread_local! {
            static OPENED: (Case<Goldilocks3>, Claims<Goldilocks3>, Vec<u8>) = opened::<Goldilocks3>(LARGE, 13);
        }
        OPENED.with(|(case, claims, proof)| {
            let start = (start * (proof.len() - bytes.len()) as f64) as usize;
            let mut altered = proof.clone();
            altered[start..start + bytes.len()].copy_from_slice(&bytes);
            prop_assert_eq!(case.verify(claims, &altered).is_ok(), altered == *proof);
            Ok(())
        })?;
    }
}

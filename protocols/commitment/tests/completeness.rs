//! Honest openings verify, whatever the shapes and the claims.

mod common;

use common::Case;
use p3_field::PrimeCharacteristicRing;
use proptest::prelude::*;
use zkml_commitment::{CommittedSuite, OpeningClaim};
use zkml_core::{Bn254, Goldilocks, Goldilocks3, Suite};

type Challenge = <Goldilocks as Suite>::Challenge;

const SHAPE_LISTS: &[&[&[usize]]] = &[
    &[&[]],
    &[&[1]],
    &[&[1], &[], &[1, 1, 1]],
    &[&[3, 5, 7]],
    &[&[64, 384]],
    &[&[2], &[64], &[17, 33], &[5], &[128, 8], &[], &[31, 1, 3]],
    &[&[1 << 13]],
    &[&[100, 100], &[7, 11, 13], &[255]],
];

fn every_shape_list<S: CommittedSuite>(lists: &[&[&[usize]]]) {
    for (i, dims) in lists.iter().enumerate() {
        let seed = 100 + i as u64;
        let mut case = Case::<S>::new(dims, seed);
        let mut claims = Vec::new();
        for tensor in 0..dims.len() {
            for boolean in [0.0, 0.5, 1.0] {
                claims.push(case.claim(tensor, boolean));
            }
        }
        // Duplicates, and the order of tensors mixed.
        claims.push(claims[0].clone());
        claims.rotate_left(2);
        let proof = case.open(&claims);
        case.verify(&claims, &proof).unwrap_or_else(|error| panic!("{dims:?}, seed {seed}: {error}"));
        let single = case.claim(dims.len() - 1, 0.0);
        let proof = case.open(std::slice::from_ref(&single));
        case.verify(&[single], &proof).unwrap_or_else(|error| panic!("{dims:?}, seed {seed}, one claim: {error}"));
    }
}

#[test]
fn goldilocks() {
    every_shape_list::<Goldilocks>(SHAPE_LISTS);
}

#[test]
fn goldilocks3() {
    every_shape_list::<Goldilocks3>(SHAPE_LISTS);
}

#[test]
fn bn254() {
    every_shape_list::<Bn254>(&SHAPE_LISTS[..4]);
    every_shape_list::<Bn254>(&[&[&[2], &[64], &[17, 3], &[5], &[16, 8], &[], &[31, 1, 3]]]);
}

fn bytes<S: CommittedSuite>(threads: usize, dims: &[&[usize]; 4]) -> (Vec<u8>, Vec<u8>) {
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
    pool.install(|| {
        let mut case = Case::<S>::new(dims, 77);
        let claims: Vec<_> = (0..8).map(|i| case.claim(i % 4, 0.0)).collect();
        (case.root.clone(), case.open(&claims))
    })
}

#[test]
fn proof_bytes_do_not_depend_on_the_number_of_threads() {
    let large: [&[usize]; 4] = [&[100, 300], &[33, 17, 3], &[2], &[]];
    assert_eq!(bytes::<Goldilocks>(1, &large), bytes::<Goldilocks>(4, &large));
    assert_eq!(bytes::<Goldilocks3>(1, &large), bytes::<Goldilocks3>(3, &large));
    let small: [&[usize]; 4] = [&[32, 60], &[17, 3], &[2], &[]];
    assert_eq!(bytes::<Bn254>(1, &small), bytes::<Bn254>(2, &small));
}

#[test]
fn the_padding_of_a_tensor_opens_to_zero_and_to_nothing_else() {
    let case = Case::<Goldilocks>::new(&[&[3, 5], &[6]], 78);
    let index = |i: usize, bits: usize| (0..bits).rev().map(move |b| Challenge::from_bool(i >> b & 1 == 1));
    for (row, column) in [(3, 0), (0, 5), (2, 7), (3, 7)] {
        let point: Vec<Challenge> = index(row, 2).chain(index(column, 3)).collect();
        let claim = case.claim_at(0, point);
        assert!(claim.value == Challenge::ZERO, "cell ({row}, {column}) is padding");
        let proof = case.open(std::slice::from_ref(&claim));
        case.verify(std::slice::from_ref(&claim), &proof).unwrap();
        let wrong = OpeningClaim { value: Challenge::ONE, ..claim };
        assert!(case.verify(&[wrong], &proof).is_err());
    }
    // A true cell, for contrast: the same kind of point inside the shape opens to the cell.
    let claim = case.claim_at(0, index(2, 2).chain(index(4, 3)).collect());
    assert!(claim.value == Challenge::from(Goldilocks::from_i64(case.columns[0].get(14).unwrap())));
    let proof = case.open(std::slice::from_ref(&claim));
    case.verify(&[claim], &proof).unwrap();
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn random_shapes_and_claims(
        dims in prop::collection::vec(prop::collection::vec(1_usize..20, 0..4), 1..6),
        picks in prop::collection::vec((any::<prop::sample::Index>(), prop::sample::select(vec![0.0, 0.3, 1.0])), 1..12),
        seed in any::<u64>(),
    ) {
        let dims: Vec<&[usize]> = dims.iter().map(Vec::as_slice).collect();
        let mut case = Case::<Goldilocks>::new(&dims, seed);
        let claims: Vec<_> = picks.iter().map(|(pick, boolean)| case.claim(pick.index(dims.len()), *boolean)).collect();
        let proof = case.open(&claims);
        prop_assert!(case.verify(&claims, &proof).is_ok());
        let wrong: usize = picks.len() / 2;
        let mut altered = claims.clone();
        altered[wrong].value += Challenge::ONE;
        prop_assert!(case.verify(&altered, &proof).is_err());
    }
}

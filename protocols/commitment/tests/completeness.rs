//! Honest openings verify, whatever the shapes and the claims.

mod common;

use common::Case;
use zkml_commitment::CommittedSuite;
use zkml_core::{Goldilocks, Goldilocks3};

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

fn every_shape_list<S: CommittedSuite>() {
    for (i, dims) in SHAPE_LISTS.iter().enumerate() {
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
    every_shape_list::<Goldilocks>();
}

#[test]
fn goldilocks3() {
    every_shape_list::<Goldilocks3>();
}

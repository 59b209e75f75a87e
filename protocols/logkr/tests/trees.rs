//! Fraction trees: the packed prover against the reference, and both against the definition.

mod common;

use std::sync::Arc;

use common::{Cheat, is_true, levels, prove_tree, random, rng, root};
use zkml_core::{Bn254, Goldilocks, Goldilocks3, ProverTranscript, Suite, VerifierTranscript};
use zkml_device::Device;
use zkml_device::reference::Reference;
use zkml_logkr::Form;
use zkml_logkr::fraction::{Tree, verify_tree};

fn explicit<S: Suite>(seed: u64) {
    let mut rng = rng(seed);
    for depth in 0..=9 {
        let vector = |rng: &mut _| (0..1 << depth).map(|_| random::<S>(rng)).collect::<Vec<_>>();
        let (n, d) = (vector(&mut rng), vector(&mut rng));
        let levels = levels(n.clone(), d.clone());
        for form in Form::ALL {
            let mut plain = ProverTranscript::<S>::new();
            let expected = prove_tree(form, &levels, root(&levels), (0, Cheat::Honest), false, &mut plain);
            let bytes = plain.finish().0;
            let devices = [1, 30].map(|break_even| Device::accelerated(Arc::new(Reference::new(break_even))));
            let mut claim = expected.clone();
            for device in [Device::cpu()].iter().chain(&devices) {
                let mut packed = ProverTranscript::<S>::new();
                let tree = Tree::explicit(n.clone(), d.clone(), device).unwrap();
                assert_eq!(tree.root(), root(&levels));
                claim = tree.prove(form, &mut packed, device).unwrap();
                assert_eq!(claim, expected, "{form:?}, depth {depth}, {}", device.name());
                assert!(packed.finish().0 == bytes, "{form:?}, depth {depth}, {}", device.name());
            }
            let mut verifier = VerifierTranscript::<S>::new(&bytes);
            let verified = verify_tree(form, root(&levels), depth, &mut verifier).unwrap();
            verifier.finish().unwrap();
            assert_eq!(verified, claim);
            assert!(is_true(&claim, &levels[0]), "{form:?}, depth {depth}: the leaf claim is false");
        }
    }
}

#[test]
fn packed_trees_equal_the_reference_byte_for_byte() {
    explicit::<Goldilocks>(11);
    explicit::<Goldilocks3>(12);
    explicit::<Bn254>(12);
}

/// The forms' claims on the leaves are all linear forms `A ñ + B d̃ = K`, true on the same leaves, and their x-rounds
/// differ by the factor that squaring brings in.
#[test]
fn the_forms_agree_on_the_statement() {
    type S = Goldilocks;
    let mut rng = rng(13);
    let vector = |rng: &mut _| (0..64).map(|_| random::<S>(rng)).collect::<Vec<_>>();
    let levels = levels(vector(&mut rng), vector(&mut rng));
    let claim = |form| {
        let mut t = ProverTranscript::<S>::new();
        prove_tree(form, &levels, root(&levels), (0, Cheat::Honest), false, &mut t)
    };
    let claims = Form::ALL.map(claim);
    for (form, claim) in Form::ALL.iter().zip(&claims) {
        assert_eq!(claim.point.len(), 6);
        assert!(is_true(claim, &levels[0]), "{form:?}");
    }
    assert_ne!(claims[0], claims[2]);
}

#[test]
fn proof_lengths_follow_the_formula() {
    type S = Goldilocks;
    let mut rng = rng(14);
    for depth in 1..=7 {
        let vector = |rng: &mut _| (0..1 << depth).map(|_| random::<S>(rng)).collect::<Vec<_>>();
        let levels = levels(vector(&mut rng), vector(&mut rng));
        for (form, tail) in Form::ALL.into_iter().zip([5, 4, 4]) {
            let mut t = ProverTranscript::<S>::new();
            prove_tree(form, &levels, root(&levels), (0, Cheat::Honest), false, &mut t);
            assert_eq!(t.len() / S::challenge_bytes(), depth * (depth - 1) + tail * depth, "{form:?}, depth {depth}");
        }
    }
}

//! Provers that cheat in one layer of a fraction tree.
//!
//! "Caught" means: some check fails, or the claim on the leaves, which commitments decide, is false.

mod common;

use common::{Cheat, Levels, is_true, levels, prove_tree, random, rng, root};
use p3_field::PrimeCharacteristicRing;
use zkml_core::{Goldilocks as S, ProverTranscript, Suite, VerifierTranscript, VerifyError};
use zkml_logkr::Form;
use zkml_logkr::fraction::{Degenerate, FractionClaim, child_point, verify_layer, verify_tree};
use zkml_sumcheck::lookup::Fraction;

type EF = <S as Suite>::Challenge;

const DEPTH: usize = 5;

fn tree(seed: u64) -> Levels<EF> {
    let mut rng = rng(seed);
    let vector = |rng: &mut _| (0..1 << DEPTH).map(|_| random::<S>(rng)).collect::<Vec<_>>();
    levels(vector(&mut rng), vector(&mut rng))
}

fn run(
    form: Form,
    levels: &Levels<EF>,
    claimed: Fraction<EF>,
    cheat: (usize, Cheat),
    adaptive: bool,
) -> (Vec<u8>, Result<FractionClaim<EF>, VerifyError>) {
    let mut prover = ProverTranscript::<S>::new();
    prove_tree(form, levels, claimed, cheat, adaptive, &mut prover);
    let bytes = prover.finish().0;
    let mut verifier = VerifierTranscript::<S>::new(&bytes);
    let claim = verify_tree(form, claimed, DEPTH, &mut verifier);
    (bytes, claim)
}

/// A prover that passes every check of every layer, whatever its claim was, is left with a false claim on the leaves.
#[test]
fn false_claims_stay_false_down_to_the_leaves() {
    let levels = tree(21);
    let root = root(&levels);
    for form in Form::ALL {
        let lies = [
            Fraction { numerator: root.numerator + EF::ONE, ..root },
            Fraction { denominator: root.denominator.double(), ..root },
            Fraction { numerator: EF::ZERO, ..root },
        ];
        for lie in lies {
            let claim = run(form, &levels, lie, (0, Cheat::Honest), true).1.unwrap();
            assert!(!is_true(&claim, &levels[0]), "{form:?}: a false root ends in a true claim");
            assert!(run(form, &levels, lie, (0, Cheat::Honest), false).1.is_err());
        }
        // The forging prover is an honest one where nothing is false.
        let claim = run(form, &levels, root, (0, Cheat::Honest), true).1.unwrap();
        assert!(is_true(&claim, &levels[0]));
    }
}

/// `u* -> -u*` (and the pair of values negated) passes the layer's check. The claim is false from there on.
#[test]
fn the_sign_of_a_layer_value_does_not_help() {
    let levels = tree(22);
    for form in Form::ALL {
        for layer in 0..DEPTH {
            let claim = run(form, &levels, root(&levels), (layer, Cheat::Negate), true).1;
            let claim = claim.unwrap_or_else(|e| panic!("{form:?}, layer {layer}: the negated value fails: {e}"));
            assert!(!is_true(&claim, &levels[0]), "{form:?}, layer {layer}");
            let stubborn = run(form, &levels, root(&levels), (layer, Cheat::Negate), false).1;
            assert!(stubborn.is_err() || layer + 1 == DEPTH, "{form:?}, layer {layer}");
        }
    }
}

#[test]
fn a_layer_value_off_by_one_fails_in_its_layer() {
    let levels = tree(23);
    for form in Form::ALL {
        for layer in 0..DEPTH {
            let result = run(form, &levels, root(&levels), (layer, Cheat::AddOne), true).1;
            assert!(matches!(result, Err(VerifyError::Check { .. })), "{form:?}, layer {layer}: {result:?}");
        }
    }
}

#[test]
fn wrong_wires_and_swapped_rounds_are_caught() {
    let levels = tree(24);
    for form in Form::ALL {
        for layer in 0..DEPTH {
            let result = run(form, &levels, root(&levels), (layer, Cheat::WrongWire), false).1;
            assert!(result.is_err(), "{form:?}, layer {layer}: wrong wire");
            let forged = run(form, &levels, root(&levels), (layer, Cheat::WrongWire), true).1.unwrap();
            assert!(!is_true(&forged, &levels[0]), "{form:?}, layer {layer}: wrong wire, forged");
        }
    }
    for layer in 0..DEPTH {
        let result = run(Form::Square, &levels, root(&levels), (layer, Cheat::SwapRounds), false).1;
        assert!(result.is_err(), "layer {layer}: c bound before b");
    }
}

/// Where layer `k` starts in the proof of a tree, in elements.
fn start(form: Form, k: usize) -> usize {
    let tail = if form == Form::Square { 5 } else { 4 };
    (0..k).map(|j| 2 * j + tail).sum()
}

/// Messages of one layer in the place of another's, and the b round in the place of the c round.
#[test]
fn messages_of_other_places_are_rejected() {
    let levels = tree(25);
    let width = S::challenge_bytes();
    for form in Form::ALL {
        let bytes = run(form, &levels, root(&levels), (0, Cheat::Honest), false).0;
        let rejected = |changed: &[u8], what: &str| {
            let mut verifier = VerifierTranscript::<S>::new(changed);
            let result = verify_tree(form, root(&levels), DEPTH, &mut verifier);
            assert!(result.is_err(), "{form:?}: {what}");
        };
        for k in 0..DEPTH - 1 {
            // The tail of layer k (two values at least) replayed as the tail of layer k + 1.
            let mut changed = bytes.clone();
            let (from, to) = (start(form, k + 1), start(form, k + 2));
            let tail = bytes[(from - 4) * width..from * width].to_vec();
            changed[(to - 4) * width..to * width].copy_from_slice(&tail);
            rejected(&changed, "the end of a layer replayed one layer below");
        }
        for k in 0..DEPTH {
            let b = (start(form, k) + 2 * k) * width;
            let mut changed = bytes.clone();
            changed[b..b + 4 * width].rotate_left(2 * width);
            rejected(&changed, "b and c messages swapped");
        }
    }
}

/// A claim of level `k` taken for one of level `k + 1`: the proof of the former does not prove the latter.
#[test]
fn the_claim_of_one_level_is_none_of_the_next() {
    let levels = tree(26);
    for form in Form::ALL {
        let mut prover = ProverTranscript::<S>::new();
        let mut claim = zkml_logkr::fraction::root_claim(root(&levels), prover.challenge());
        for children in levels.iter().rev().skip(1) {
            let mut prover = ProverTranscript::<S>::new();
            let next = common::layer::<S>(form, &claim, children, Cheat::Honest, false, &mut prover);
            let bytes = prover.finish().0;
            let verify = |claim| verify_layer(form, claim, &mut VerifierTranscript::<S>::new(&bytes));
            assert_eq!(verify(&claim), Ok(next.clone()), "{form:?}");
            assert!(verify(&next).is_err(), "{form:?}");
            claim = next;
        }
    }
}

#[test]
fn degenerate_challenges_are_refused() {
    let mut rng = rng(27);
    let x = [random::<S>(&mut rng), random::<S>(&mut rng)];
    let (b, a, k) = (random::<S>(&mut rng), random::<S>(&mut rng), random::<S>(&mut rng));
    assert_eq!(child_point(EF::ONE), None);
    assert_eq!(FractionClaim::from_wires(&x, EF::ONE, a, a, k), Err(Degenerate::NoPoint));
    assert_eq!(FractionClaim::from_wires(&x, b, EF::ZERO, EF::ZERO, k), Err(Degenerate::NoWeight));
    assert!(FractionClaim::from_wires(&x, b, EF::ZERO, a, k).is_ok());
    // b* = 1/2 binds the child bit to the left child.
    assert_eq!(child_point(EF::ONE.halve()), Some((EF::ONE, EF::ZERO)));
}

/// A claim about nothing, `0 ñ + 0 d̃ = K`, is true for `K = 0` only: zeros prove that one and no other.
#[test]
fn a_vacuous_claim_with_a_value_is_rejected() {
    let zeros = vec![0; 64 * S::challenge_bytes()];
    for form in Form::ALL {
        let claim = FractionClaim { point: vec![], n_weight: EF::ZERO, d_weight: EF::ZERO, value: EF::ONE };
        let mut verifier = VerifierTranscript::<S>::new(&zeros);
        assert!(verify_layer(form, &claim, &mut verifier).is_err(), "{form:?}");
        let claim = FractionClaim { value: EF::ZERO, ..claim };
        let mut verifier = VerifierTranscript::<S>::new(&zeros);
        assert!(verify_layer(form, &claim, &mut verifier).is_ok(), "{form:?}");
    }
}

//! A whole tree: from the root fraction to one linear claim on the leaves.

use p3_field::PrimeCharacteristicRing;
use zkml_core::{Suite, VerifierTranscript, VerifyError};
use zkml_sumcheck::lookup::Fraction;

use super::{FractionClaim, verify_layer};
use crate::Form;

/// The claim on the root, `n + B d`, for a challenge `B` drawn after the root was sent.
pub fn root_claim<F: PrimeCharacteristicRing + Copy>(root: Fraction<F>, challenge: F) -> FractionClaim<F> {
    FractionClaim {
        point: Vec::new(),
        n_weight: F::ONE,
        d_weight: challenge,
        value: root.numerator + challenge * root.denominator,
    }
}

/// Reduces the claim that a tree of the given depth has the root `root` to a claim on its leaves.
pub fn verify_tree<S: Suite>(
    form: Form,
    root: Fraction<S::Challenge>,
    depth: usize,
    transcript: &mut VerifierTranscript<'_, S>,
) -> Result<FractionClaim<S::Challenge>, VerifyError> {
    let mut claim = root_claim(root, transcript.challenge());
    for _ in 0..depth {
        claim = verify_layer::<S>(form, &claim, transcript)?;
    }
    Ok(claim)
}

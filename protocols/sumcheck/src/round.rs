//! One round of an eq-factored sumcheck: the message and its verifier.
//!
//! The statement is `claim = Σ_x Π_i weight_i(x_i) · C(x)`, where the weight of variable `i` is either `eq(w_i, x_i)`
//! or 1 (a plain sum) and `C` has degree at most `d` in each variable. Write `q_i(X)` for the sum of `C` over
//! the later variables with their weights, at `x_i = X` and the earlier variables bound. Then
//!
//! * `Eq(w)`: `claim_i = (1 - w) q_i(0) + w q_i(1)`; `Sum`: `claim_i = q_i(0) + q_i(1)`;
//! * `claim_{i+1} = q_i(r_i)`.
//!
//! So the weights of bound variables never enter a claim, and after the last round the claim is `C(r)` itself.
//! The prover sends the coefficients of `X, …, X^d` of `q_i`; the verifier gets the constant one from the claim
//! without a division, whatever `w` is (eq-factoring: Gruen, eprint 2024/108, section 3).

use p3_field::Field;
use zkml_core::{Suite, VerifierTranscript, VerifyError};

/// How one variable is summed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Weight<F> {
    /// Weighted by `eq(w, x)`.
    Eq(F),
    /// Over both values with weight 1.
    Sum,
}

/// The constant coefficient of `q` that makes the round consistent with the claim; `higher` holds the
/// coefficients of `X, X², …`.
pub fn constant_coefficient<F: Field>(weight: Weight<F>, claim: F, higher: &[F]) -> F {
    let sum: F = higher.iter().copied().sum();
    match weight {
        Weight::Eq(w) => claim - w * sum,
        Weight::Sum => (claim - sum).halve(),
    }
}

/// `q(r)` from the constant and the higher coefficients, by Horner's rule.
pub fn evaluate_round<F: Field>(constant: F, higher: &[F], r: F) -> F {
    higher.iter().rev().fold(F::ZERO, |sum, &c| (sum + c) * r) + constant
}

/// Verifies `weights.len()` rounds of degree `degree` each. Returns the bound point and the claim on `C` there.
pub fn verify_rounds<S: Suite>(
    weights: &[Weight<S::Challenge>],
    degree: usize,
    mut claim: S::Challenge,
    transcript: &mut VerifierTranscript<'_, S>,
) -> Result<(Vec<S::Challenge>, S::Challenge), VerifyError> {
    let mut point = Vec::with_capacity(weights.len());
    for &weight in weights {
        let higher = transcript.read(degree)?;
        let constant = constant_coefficient(weight, claim, &higher);
        let r = transcript.challenge();
        claim = evaluate_round(constant, &higher, r);
        point.push(r);
    }
    Ok((point, claim))
}

#[cfg(all(test, feature = "prover"))]
mod tests {
    use p3_field::{BasedVectorSpace, PrimeCharacteristicRing};
    use zkml_core::{Goldilocks as S, ProverTranscript};

    use super::*;

    type E = <S as Suite>::Challenge;

    fn element(seed: i64) -> E {
        E::from_basis_coefficients_fn(|i| S::from_i64(seed.wrapping_mul(0x5851_f42d_4c95_7f2d + i as i64)))
    }

    fn weights() -> [Weight<E>; 4] {
        [Weight::Sum, Weight::Eq(E::ZERO), Weight::Eq(E::ONE), Weight::Eq(element(3))]
    }

    #[test]
    fn the_constant_follows_from_the_claim_for_every_weight() {
        let coefficients = [element(5), element(6), element(7), element(8)];
        let q = |x: E| evaluate_round(coefficients[0], &coefficients[1..], x);
        assert_eq!(q(E::TWO), coefficients.iter().rev().fold(E::ZERO, |sum, &c| sum * E::TWO + c));
        for weight in weights() {
            let claim = match weight {
                Weight::Sum => q(E::ZERO) + q(E::ONE),
                Weight::Eq(w) => (E::ONE - w) * q(E::ZERO) + w * q(E::ONE),
            };
            assert_eq!(constant_coefficient(weight, claim, &coefficients[1..]), coefficients[0], "{weight:?}");
            assert_ne!(constant_coefficient(weight, claim + E::ONE, &coefficients[1..]), coefficients[0]);
        }
    }

    #[test]
    fn rounds_read_exactly_their_coefficients() {
        let mut prover = ProverTranscript::<S>::new();
        let mut claim = element(1);
        let mut point = Vec::new();
        for (i, weight) in weights().into_iter().enumerate() {
            let higher = [element(10 + i as i64), element(20 + i as i64)];
            prover.write(&higher);
            let r = prover.challenge();
            claim = evaluate_round(constant_coefficient(weight, claim, &higher), &higher, r);
            point.push(r);
        }
        let proof = prover.finish().0;
        let verify = |proof: &[u8], degree: usize| {
            let mut verifier = VerifierTranscript::<S>::new(proof);
            let verified = verify_rounds(&weights(), degree, element(1), &mut verifier)?;
            verifier.finish().map(|()| verified)
        };
        assert_eq!(verify(&proof, 2), Ok((point, claim)));
        assert!(matches!(verify(&proof, 3), Err(VerifyError::Truncated { .. })));
        assert!(matches!(verify(&proof, 1), Err(VerifyError::Trailing { .. })));
        assert!(matches!(
            verify(&proof[1..], 2),
            Err(VerifyError::Truncated { missing: 1, .. } | VerifyError::Encoding { .. })
        ));
        for at in (0..proof.len()).step_by(8) {
            let mut changed = proof.clone();
            changed[at] ^= 1;
            assert_ne!(verify(&changed, 2).map(|v| v.1), Ok(claim), "byte {at}");
        }
    }

    #[test]
    fn no_rounds_leave_the_claim() {
        let mut verifier = VerifierTranscript::<S>::new(&[]);
        assert_eq!(verify_rounds(&[], 2, element(1), &mut verifier), Ok((Vec::new(), element(1))));
    }
}

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

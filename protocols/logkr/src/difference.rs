//! One difference round: the variable of a polarised product.
//!
//! Polarisation writes a product as a difference of squares, `4ab = Σ_s (1 - 2s) (a + (1 - 2s) b)²` over one bit `s`.
//! Let `q(X)` be the summand without its sign at `s = X`, of degree `d`. The statement is `claim = q(0) - q(1)`, and
//! the next one is `claim' = q(r)`: the sign never enters a claim, as the weight of an eq-factored round does not.
//! The difference fixes the linear coefficient, `q_1 = -claim - q_2 - … - q_d`, so the prover sends
//! `q_0, q_2, …, q_d`: `d` elements.

use p3_field::Field;
use zkml_core::{Suite, VerifierTranscript, VerifyError};

/// `q(r)` from a quadratic difference round with message `(q_0, q_2)`.
pub fn evaluate_difference<F: Field>(claim: F, [constant, quadratic]: [F; 2], r: F) -> F {
    let linear = -claim - quadratic;
    constant + r * (linear + r * quadratic)
}

/// Verifies one difference round of degree two. Returns the challenge and the next claim.
pub fn verify_difference<S: Suite>(
    claim: S::Challenge,
    transcript: &mut VerifierTranscript<'_, S>,
) -> Result<(S::Challenge, S::Challenge), VerifyError> {
    let message = transcript.read_array::<2>()?;
    let r = transcript.challenge();
    Ok((r, evaluate_difference(claim, message, r)))
}

/// Proves one difference round for `q(X) = Σ_j sign_j (sum_j + (1 - 2X) difference_j)²` given by `q_0 = q(0)` and
/// `q_2`. Returns the challenge and the next claim.
#[cfg(feature = "prover")]
pub fn prove_difference<S: Suite>(
    claim: S::Challenge,
    message: [S::Challenge; 2],
    transcript: &mut zkml_core::ProverTranscript<S>,
) -> (S::Challenge, S::Challenge) {
    transcript.write(&message);
    let r = transcript.challenge();
    (r, evaluate_difference(claim, message, r))
}

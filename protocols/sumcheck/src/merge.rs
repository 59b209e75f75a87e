//! Several claims on one multilinear table become one.
//!
//! Claims `T(p_t) = v_t`, `t < c`, are absorbed; then a challenge `ρ` is drawn and a sumcheck of degree 2 proves
//! `Σ_t ρ^t v_t = Σ_x T(x) · Σ_t ρ^t eq(p_t, x)`. It ends at a point `r`; the prover sends `T(r)`, the verifier
//! multiplies it by `Σ_t ρ^t eq(p_t, r)`, which it computes. Error: `(c - 1 + 2n) / |E|`.
//!
//! A single claim is returned as it is, without a message.

use p3_field::PrimeCharacteristicRing;
use zkml_core::{Claim, Suite, TensorId, VerifierTranscript, VerifyError, mle};
#[cfg(feature = "prover")]
use zkml_core::{ProveError, ProverTranscript, Shape};
#[cfg(feature = "prover")]
use zkml_device::Device;

#[cfg(feature = "prover")]
use crate::engine::{Product, prove_rounds};
#[cfg(feature = "prover")]
use crate::vector::{self, Vector};
use crate::{Weight, verify_rounds};

/// Verifies a merge of claims on `tensor`, whose extension has `variables` variables.
///
/// Errors if there are no claims, a point has another number of coordinates, or the check fails.
pub fn verify_merge<S: Suite>(
    tensor: TensorId,
    variables: usize,
    claims: &[Claim<S::Challenge>],
    transcript: &mut VerifierTranscript<'_, S>,
) -> Result<Claim<S::Challenge>, VerifyError> {
    if let Some(what) = malformed(tensor, variables, claims) {
        return Err(VerifyError::Statement { scope: transcript.scope(), what });
    }
    if let [only] = claims {
        return Ok(only.clone());
    }
    for claim in claims {
        transcript.absorb_elements(&claim.point);
        transcript.absorb_elements(&[claim.value]);
    }
    let powers = powers(transcript.challenge(), claims.len());
    let weights = vec![Weight::Sum; variables];
    let (point, last) = verify_rounds(&weights, 2, combine(&powers, claims), transcript)?;
    let [value] = transcript.read_array()?;
    let weight: S::Challenge = powers.iter().zip(claims).map(|(&p, c)| p * mle::eq_eval(&c.point, &point)).sum();
    transcript.check(value * weight == last, "the merge of several claims on one tensor")?;
    Ok(Claim::new(tensor, point, value))
}

/// Proves a merge of claims on an integer tensor.
#[cfg(feature = "prover")]
pub fn prove_merge<S: Suite>(
    tensor: TensorId,
    column: &zkml_device::Column,
    shape: &Shape,
    claims: &[Claim<S::Challenge>],
    transcript: &mut ProverTranscript<S>,
    device: &Device,
) -> Result<Claim<S::Challenge>, ProveError> {
    if let [only] = claims
        && only.point.len() == shape.variables()
    {
        return Ok(only.clone());
    }
    prove_merge_table(tensor, vector::pad_column(column, shape), shape.variables(), claims, transcript, device)
}

/// Proves a merge of claims on a table of `2^variables` challenge-field elements.
#[cfg(feature = "prover")]
pub fn prove_merge_table<S: Suite>(
    tensor: TensorId,
    table: impl Into<Vector<S>>,
    variables: usize,
    claims: &[Claim<S::Challenge>],
    transcript: &mut ProverTranscript<S>,
    device: &Device,
) -> Result<Claim<S::Challenge>, ProveError> {
    if let Some(what) = malformed(tensor, variables, claims) {
        return Err(ProveError::Witness { scope: transcript.scope(), what });
    }
    if let [only] = claims {
        return Ok(only.clone());
    }
    for claim in claims {
        transcript.absorb_elements(&claim.point);
        transcript.absorb_elements(&[claim.value]);
    }
    let powers = powers(transcript.challenge(), claims.len());
    let weight = vector::eq_combination::<S>(powers.iter().zip(claims).map(|(&p, c)| (p, c.point.as_slice())));
    let weights = vec![Weight::Sum; variables];
    let factors = vec![table.into(), weight];
    let sum = combine(&powers, claims);
    let (point, values) = prove_rounds(&Product { factors: 2 }, factors, &weights, sum, transcript, device)?;
    let value = values.first().copied().unwrap_or_default();
    transcript.write(&[value]);
    Ok(Claim::new(tensor, point, value))
}

fn malformed<F>(tensor: TensorId, variables: usize, claims: &[Claim<F>]) -> Option<String> {
    if claims.is_empty() {
        return Some("there are no claims to merge".to_owned());
    }
    let fits = |c: &Claim<F>| c.tensor == tensor && c.point.len() == variables;
    (!claims.iter().all(fits)).then(|| format!("claims to merge are not all on one tensor of {variables} variables"))
}

fn powers<F: PrimeCharacteristicRing + Copy>(rho: F, count: usize) -> Vec<F> {
    core::iter::successors(Some(F::ONE), |&p| Some(p * rho)).take(count).collect()
}

fn combine<F: p3_field::Field>(powers: &[F], claims: &[Claim<F>]) -> F {
    powers.iter().zip(claims).map(|(&p, c)| p * c.value).sum()
}

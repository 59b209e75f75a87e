//! The slot `einsum`: layers of powers.

#[cfg(feature = "prover")]
mod operations;
mod plan;
mod predict;
#[cfg(feature = "prover")]
mod prover;
#[cfg(feature = "prover")]
mod tables;
mod verifier;

use plan::Plan;
pub(crate) use predict::predict;
#[cfg(feature = "prover")]
pub(crate) use prover::prove;
pub(crate) use verifier::verify;

use plan::FactorClaim;
use zkml_core::Claim;

/// Claims on the factors' tensors, coordinates in axis order.
fn tensor_claims<F: Clone>(plan: &Plan, claims: Vec<FactorClaim<F>>) -> Option<Vec<Claim<F>>> {
    let claim = |(f, bound, value): FactorClaim<F>| {
        let factor = plan.factors.get(f)?;
        let coordinates = |letter: &char| bound.iter().find(|(l, _)| l == letter).map(|(_, p)| p.clone());
        let point: Option<Vec<Vec<F>>> = factor.letters.iter().map(coordinates).collect();
        Some(Claim::new(factor.tensor, point?.concat(), value))
    };
    claims.into_iter().map(claim).collect()
}

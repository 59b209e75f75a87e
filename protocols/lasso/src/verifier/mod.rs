//! The verifier: from the roots of the trees to claims on tensors and advice.

pub(crate) mod close;
pub(crate) mod fraction;
pub(crate) mod product;

use p3_field::Field;
use zkml_core::{Claim, Instance, Suite, VerifierTranscript, VerifyError};

use crate::MemoryCheck;
use crate::decompose::{Advice, Decomposition};
use crate::hash::Hash;

/// What the comparison of the multisets leaves behind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct MemoryClaims<F> {
    /// A leaf point.
    pub(crate) point: Vec<F>,
    /// By memory: the extension, at this point, of the read fingerprints, zero after the last leaf.
    pub(crate) reads: Vec<F>,
    /// By memory: a point of its rows, and the value of the final counters there.
    pub(crate) finals: Vec<(Vec<F>, F)>,
}

/// Verifies a whole lookup. The claims are on the tuples' tensors, then on the advice.
pub(crate) fn verify<S: Suite>(
    check: MemoryCheck,
    instance: &Instance<'_>,
    decomposition: &Decomposition<'_>,
    transcript: &mut VerifierTranscript<'_, S>,
) -> Result<Vec<Claim<S::Challenge>>, VerifyError> {
    let advice = decomposition.advice(instance).ok_or_else(|| statement(transcript, "the advice does not fit"))?;
    transcript.absorb("lookup", instance.relation.scope().as_bytes());
    transcript.absorb(check.name(), decomposition.describe().as_bytes());
    let hash = Hash::draw(decomposition.entries(), || transcript.challenge());
    transcript.enter("memory");
    let memory = match check {
        MemoryCheck::GrandProduct => product::verify(decomposition, &hash, transcript)?,
        MemoryCheck::Logup => fraction::verify(decomposition, &hash, transcript)?,
    };
    transcript.leave();
    transcript.enter("leaves");
    let claims = close::verify(instance, decomposition, &advice, &hash, &memory, transcript)?;
    transcript.leave();
    Ok(claims)
}

/// The claims on the counters, in the order of the memories.
pub(crate) fn counter_claims<F: Field>(
    advice: &Advice,
    memory: &MemoryClaims<F>,
    reads: impl IntoIterator<Item = F>,
) -> Vec<Claim<F>> {
    let mut claims = Vec::new();
    let tensors = advice.reads.iter().zip(&advice.finals);
    for (((&read, &last), value), (point, counts)) in tensors.zip(reads).zip(&memory.finals) {
        claims.push(Claim::new(read, memory.point.clone(), value));
        claims.push(Claim::new(last, point.clone(), *counts));
    }
    claims
}

/// `Σ_t ρ^t value_t`.
pub(crate) fn combine<F: Field>(rho: F, values: impl DoubleEndedIterator<Item = F>) -> F {
    values.rev().fold(F::ZERO, |sum, value| sum * rho + value)
}

/// `low + c (high - low)`.
pub(crate) fn interpolate<F: Field>([low, high]: [F; 2], c: F) -> F {
    low + c * (high - low)
}

/// `(c, point)`.
pub(crate) fn extended<F: Field>(c: F, point: &[F]) -> Vec<F> {
    core::iter::once(c).chain(point.iter().copied()).collect()
}

/// True right children in the layer of `2^k` gates above the leaves.
pub(crate) fn pairs(leaves: usize, k: usize) -> usize {
    leaves.saturating_sub(1 << k)
}

fn statement<S: Suite>(transcript: &VerifierTranscript<'_, S>, what: &str) -> VerifyError {
    VerifyError::Statement { scope: transcript.scope(), what: what.to_owned() }
}

fn unlucky<S: Suite>(transcript: &VerifierTranscript<'_, S>, what: &'static str) -> VerifyError {
    VerifyError::Check { scope: transcript.scope(), what }
}

//! The prover: counters, trees, and the messages that the verifier reads.

mod advice;
mod close;
mod fraction;
mod layer;
mod leaves;
mod product;
mod tree;

use zkml_core::{Claim, Instance, ProveError, ProverTranscript, Suite, Witness};
use zkml_device::Device;

use crate::MemoryCheck;
use crate::decompose::Decomposition;
use crate::hash::Hash;

pub(crate) use advice::advice;
pub(crate) use fraction::WeightedSquares;
pub(crate) use layer::SumOfProducts;
use leaves::Leaves;

/// Proves a whole lookup; the claims equal the verifier's.
pub(crate) fn prove<S: Suite>(
    check: MemoryCheck,
    instance: &Instance<'_>,
    decomposition: &Decomposition<'_>,
    witness: &Witness,
    transcript: &mut ProverTranscript<S>,
    device: &Device,
) -> Result<Vec<Claim<S::Challenge>>, ProveError> {
    let misfit = || ProveError::Witness { scope: transcript.scope(), what: "the advice does not fit".to_owned() };
    let advice = decomposition.advice(instance).ok_or_else(misfit)?;
    let leaves = Leaves::<S>::new(instance, decomposition, &advice, witness)?;
    transcript.absorb("lookup", instance.relation.scope().as_bytes());
    transcript.absorb(check.name(), decomposition.describe().as_bytes());
    let hash = Hash::draw(decomposition.entries(), || transcript.challenge());
    let leaves = leaves.with_hash(&hash, decomposition);
    transcript.enter("memory");
    let memory = match check {
        MemoryCheck::GrandProduct => product::prove(decomposition, &hash, &leaves, transcript, device)?,
        MemoryCheck::Logup => fraction::prove(decomposition, &hash, &leaves, transcript, device)?,
    };
    transcript.leave();
    transcript.enter("leaves");
    let claims = close::prove(instance, decomposition, &advice, &hash, (&leaves, &memory), transcript, device)?;
    transcript.leave();
    Ok(claims)
}

fn unlucky<S: Suite>(transcript: &ProverTranscript<S>, what: &'static str) -> ProveError {
    ProveError::UnluckyChallenge { scope: transcript.scope(), what }
}

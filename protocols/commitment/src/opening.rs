//! The commitment scheme of the Goldilocks suites: stacking, merging, WHIR.

use p3_goldilocks::Goldilocks as Felt;
use zkml_core::{Shape, Suite, VerifierTranscript, VerifyError};

use crate::claims::Terms;
use crate::encoder::Encoder;
use crate::stacking::Stacking;
use crate::whir::{ChallengeField, Sponge};
use crate::{OpeningClaim, OpeningSoundness, params, reduction, tree, whir, wire};

/// Verifies an opening: see the crate documentation for the steps.
pub(crate) fn verify<S>(
    shapes: &[Shape],
    commitment: &[u8],
    claims: &[OpeningClaim<S::Challenge>],
    transcript: &mut VerifierTranscript<'_, S>,
) -> Result<(), VerifyError>
where
    S: Suite<Base = Felt, Challenger = Sponge, Challenge: ChallengeField>,
{
    if claims.is_empty() {
        return Ok(());
    }
    let scope = transcript.scope();
    let statement = |what: String| VerifyError::Statement { scope: scope.clone(), what };
    let rejected = |reason: String| VerifyError::Opening { scope: scope.clone(), reason };
    let stacking = Stacking::new(shapes, &whir::VARIABLES).map_err(statement)?;
    let terms = Terms::new(&stacking, claims).map_err(statement)?;
    let root = wire::root(commitment).ok_or_else(|| transcript.encoding("the Merkle root"))?;
    let pcs = params::choose::<S>(stacking.variables, &Encoder::default()).map_err(statement)?;

    let merged = reduction::verify(&stacking, &terms, shapes, commitment, claims, transcript)?;
    let blob = transcript.read_blob()?;
    let proof = wire::decode(&pcs, blob).ok_or_else(|| transcript.encoding("the WHIR proof"))?;
    let value = whir::verify(&pcs, &root, &proof, &merged.point, transcript.challenger_mut()).map_err(rejected)?;
    transcript.absorb_blob(blob);
    transcript.check(merged.holds(value), "the merged claim on the stacked polynomial")
}

/// Bytes of a commitment.
pub(crate) const fn commitment_bytes() -> usize {
    tree::ROOT_BYTES
}

/// Error terms of one commitment and its opening at so many claims.
pub(crate) fn soundness<S>(shapes: &[Shape], claims: usize) -> OpeningSoundness
where
    S: Suite<Base = Felt, Challenger = Sponge, Challenge: ChallengeField>,
{
    params::soundness::<S>(shapes, claims)
}

#[cfg(feature = "prover")]
pub use prover::ProverData;
#[cfg(feature = "prover")]
pub(crate) use prover::{commit, open};

#[cfg(feature = "prover")]
mod prover {
    use std::sync::Arc;

    use zkml_core::{ProveError, ProverTranscript};
    use zkml_device::{Column, Device};

    use super::{
        ChallengeField, Encoder, Felt, OpeningClaim, Shape, Sponge, Stacking, Suite, params, reduction, whir, wire,
    };
    use crate::whir::prover::Committed;

    /// What the prover keeps between commitment and opening: the stacked vector, its code word and Merkle tree.
    pub struct ProverData<S: Suite<Base = Felt>> {
        stacking: Stacking,
        root: Vec<u8>,
        committed: Committed<S::Challenge>,
    }

    fn failed(scope: String) -> impl Fn(String) -> ProveError {
        move |reason| ProveError::Commitment { scope: scope.clone(), reason }
    }

    /// Commits to tensors.
    pub(crate) fn commit<S>(
        shapes: &[Shape],
        columns: &[Arc<Column>],
        device: &Device,
    ) -> Result<(Vec<u8>, ProverData<S>), ProveError>
    where
        S: Suite<Base = Felt, Challenger = Sponge, Challenge: ChallengeField>,
    {
        let failed = failed("commitment".to_owned());
        let stacking = Stacking::new(shapes, &whir::VARIABLES).map_err(&failed)?;
        let pcs = params::choose::<S>(stacking.variables, &Encoder::on(device)).map_err(&failed)?;
        let stacked = stacking.fill::<S>(columns).ok_or_else(|| ProveError::Witness {
            scope: "commitment".to_owned(),
            what: "there must be one column per shape, with as many cells".to_owned(),
        })?;
        let (root, committed) = whir::prover::commit(&pcs, stacked, S::challenger()).map_err(&failed)?;
        let root = root.roots().concat();
        Ok((root.clone(), ProverData { stacking, root, committed }))
    }

    /// Opens a commitment at all claims.
    pub(crate) fn open<S>(
        data: &ProverData<S>,
        claims: &[OpeningClaim<S::Challenge>],
        transcript: &mut ProverTranscript<S>,
        device: &Device,
    ) -> Result<(), ProveError>
    where
        S: Suite<Base = Felt, Challenger = Sponge, Challenge: ChallengeField>,
    {
        if claims.is_empty() {
            return Ok(());
        }
        let scope = transcript.scope();
        let failed = failed(scope.clone());
        let stacking = &data.stacking;
        let pcs = params::choose::<S>(stacking.variables, &Encoder::on(device)).map_err(&failed)?;
        let column = data.committed.table(0).poly(0);
        let (point, _) = reduction::prove(stacking, column.as_slice(), &data.root, claims, transcript, device)?;
        let proof = whir::prover::open(&pcs, &data.committed, &point, transcript.challenger_mut()).map_err(&failed)?;
        transcript.write_blob(&wire::encode(&proof).map_err(&failed)?)
    }
}

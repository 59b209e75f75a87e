//! WHIR from `p3-whir`, for one multilinear polynomial opened at one point.

use core::ops::RangeInclusive;

use p3_blake3::Blake3;
use p3_challenger::{HashChallenger, SerializingChallenger64};
use p3_field::{ExtensionField, TwoAdicField};
use p3_goldilocks::Goldilocks as Felt;
use p3_multilinear_util::point::Point;
use p3_sumcheck::PrescribedPointPcs;
use p3_sumcheck::layout::SuffixProver;
use p3_whir::pcs::proof::PcsProof;
use p3_whir::pcs::prover::WhirProver;

use crate::encoder::Encoder;
use crate::params::{Parameters, one_opening};
use crate::pow::PowSponge;
use crate::tree::{Root, Tree};

/// Variables that a stacked polynomial can have; smaller ones are padded with zeros.
pub(crate) const VARIABLES: RangeInclusive<usize> = 6..=32;

/// The sponge of the Goldilocks suites.
pub(crate) type Sponge = SerializingChallenger64<Felt, HashChallenger<u8, Blake3, 32>>;
/// The library's prover and verifier.
pub(crate) type Pcs<EF> = WhirProver<EF, Felt, Encoder, Tree, PowSponge, SuffixProver<Felt, EF>>;
/// The library's opening proof.
pub(crate) type Proof<EF> = PcsProof<Felt, EF, Tree>;

/// Fields that WHIR draws its challenges from.
pub(crate) trait ChallengeField: ExtensionField<Felt> + TwoAdicField {}
impl<EF: ExtensionField<Felt> + TwoAdicField> ChallengeField for EF {}

/// The scheme for one size.
pub(crate) fn pcs<EF: ChallengeField>(
    parameters: Parameters,
    variables: usize,
    encoder: &Encoder,
) -> Result<Pcs<EF>, String> {
    let config = parameters.config::<EF>(variables)?;
    Ok(Pcs::new(config, encoder.clone(), Tree::default()))
}

/// Runs `body` on the transcript's sponge with deterministic proofs of work.
pub(crate) fn with_pow<T>(sponge: &mut Sponge, body: impl FnOnce(&mut PowSponge) -> T) -> T {
    let mut pow = PowSponge(sponge.clone());
    let result = body(&mut pow);
    *sponge = pow.0;
    result
}

/// Verifies that the committed polynomial has some value at `point`, and returns the value. The structure of the
/// proof was checked before.
pub(crate) fn verify<EF: ChallengeField>(
    pcs: &Pcs<EF>,
    root: &Root,
    proof: &Proof<EF>,
    point: &[EF],
    sponge: &mut Sponge,
) -> Result<EF, String> {
    let protocol = one_opening(point.len());
    let points = [Point::new(point.to_vec())];
    let values = with_pow(sponge, |pow| pcs.verify_at(root, proof, &protocol, &points, pow))
        .map_err(|error| error.to_string())?;
    let value = values.first().and_then(|batch| batch.current().first()).copied();
    value.ok_or_else(|| "the opening has no value".to_owned())
}

#[cfg(feature = "prover")]
pub(crate) mod prover {
    use p3_commit::MultilinearPcs;
    use p3_matrix::dense::RowMajorMatrix;
    use p3_sumcheck::layout::{Layout, Table};
    use p3_whir::pcs::WhirProverData;

    use super::{
        ChallengeField, Felt, Pcs, Point, PowSponge, PrescribedPointPcs, Proof, Root, Sponge, SuffixProver, Tree,
    };
    use super::{one_opening, with_pow};
    use crate::params::FOLDING;

    /// What the library keeps between commitment and opening.
    pub(crate) type Committed<EF> = WhirProverData<Felt, EF, Tree, SuffixProver<Felt, EF>>;

    /// Commits to the multilinear polynomial with these values on the cube.
    pub(crate) fn commit<EF: ChallengeField>(
        pcs: &Pcs<EF>,
        values: Vec<Felt>,
        scratch: Sponge,
    ) -> Result<(Root, Committed<EF>), String> {
        let width = values.len();
        let table = Table::new(RowMajorMatrix::new(values, width));
        let witness = <SuffixProver<Felt, EF> as Layout<Felt, EF>>::new_witness(vec![table], FOLDING);
        // The library also absorbs the root; here the caller of the commitment does that.
        MultilinearPcs::<EF, PowSponge>::commit(pcs, witness, &mut PowSponge(scratch))
            .map_err(|error| error.to_string())
    }

    /// Opens a committed polynomial at `point`.
    pub(crate) fn open<EF: ChallengeField>(
        pcs: &Pcs<EF>,
        committed: &Committed<EF>,
        point: &[EF],
        sponge: &mut Sponge,
    ) -> Result<Proof<EF>, String> {
        let protocol = one_opening(point.len());
        let points = [Point::new(point.to_vec())];
        with_pow(sponge, |pow| pcs.open_at(committed.clone(), &protocol, &points, pow))
            .map_err(|error| error.to_string())
    }
}

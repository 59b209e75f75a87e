//! The verifier of a lookup.

use p3_field::Field;
use zkml_core::{Claim, Instance, Suite, VerifierTranscript, VerifyError};
use zkml_sumcheck::lookup::{self, Fingerprint, Layout, LeafClaim};

use crate::Form;
use crate::fraction::{FractionClaim, verify_tree};

/// Verifies a lookup; the claims are on the tuples' tensors, block by block, then on the multiplicities.
pub(crate) fn verify<S: Suite>(
    form: Form,
    instance: &Instance<'_>,
    transcript: &mut VerifierTranscript<'_, S>,
) -> Result<Vec<Claim<S::Challenge>>, VerifyError> {
    let layout = Layout::new(instance).map_err(|what| statement(transcript, &what))?;
    let fingerprint = Fingerprint::draw(layout.width(), || transcript.challenge());
    let (witness_root, table_root) = lookup::read_roots(transcript)?;

    transcript.enter("witness");
    let leaves = verify_tree(form, witness_root, layout.variables(), transcript)?;
    let leaf = witness_leaf(&layout, leaves)
        .ok_or_else(|| check_error(transcript, "that the leaf claim involves the denominators (B is not 0)"))?;
    let mut claims = lookup::verify_witness_leaves(instance, &layout, &fingerprint, &leaf, transcript)?;
    transcript.leave();

    transcript.enter("table");
    let leaves = verify_tree(form, table_root, layout.table_variables(), transcript)?;
    let leaf = table_leaf::<S>(instance, &fingerprint, leaves)
        .ok_or_else(|| check_error(transcript, "that the leaf claim involves the numerators (A is not 0)"))?;
    claims.push(lookup::table_claim(instance, &leaf).ok_or_else(|| statement(transcript, "it has no multiplicities"))?);
    transcript.leave();
    Ok(claims)
}

/// The witness leaves' denominator from the linear claim: their numerators are known. `None` if the claim does not
/// involve the denominators.
pub(crate) fn witness_leaf<F: Field>(layout: &Layout, claim: FractionClaim<F>) -> Option<LeafClaim<F>> {
    let numerator = layout.numerator(&claim.point);
    let denominator = (claim.value - claim.n_weight * numerator) * claim.d_weight.try_inverse()?;
    Some(LeafClaim { point: claim.point, numerator, denominator })
}

/// The table leaves' numerator from the linear claim: the verifier evaluates the table itself. `None` if the claim
/// does not involve the numerators.
pub(crate) fn table_leaf<S: Suite>(
    instance: &Instance<'_>,
    fingerprint: &Fingerprint<S::Challenge>,
    claim: FractionClaim<S::Challenge>,
) -> Option<LeafClaim<S::Challenge>> {
    let table = &lookup::lookup(instance)?.table;
    let row: Vec<_> = (0..table.width()).map(|column| table.evaluate::<S>(column, &claim.point)).collect();
    let denominator = fingerprint.denominator(&row);
    let numerator = (claim.value - claim.d_weight * denominator) * claim.n_weight.try_inverse()?;
    Some(LeafClaim { point: claim.point, numerator, denominator })
}

fn statement<S: Suite>(transcript: &VerifierTranscript<'_, S>, what: &str) -> VerifyError {
    VerifyError::Statement { scope: transcript.scope(), what: what.to_owned() }
}

fn check_error<S: Suite>(transcript: &VerifierTranscript<'_, S>, what: &'static str) -> VerifyError {
    VerifyError::Check { scope: transcript.scope(), what }
}

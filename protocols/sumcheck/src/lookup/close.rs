//! The two ends of a tree reduction: roots in, leaf claims out.

use p3_field::PrimeCharacteristicRing;
use zkml_core::{Claim, Instance, Lookup, Suite, VerifierTranscript, VerifyError};
#[cfg(feature = "prover")]
use zkml_core::{ProveError, ProverTranscript};

#[cfg(feature = "prover")]
use super::LeafColumns;
use super::{Fingerprint, Layout, lookup};

/// A fraction `numerator / denominator`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fraction<F> {
    /// The numerator.
    pub numerator: F,
    /// The denominator.
    pub denominator: F,
}

/// "The extensions of a tree's leaf numerators and denominators at `point` are these": what a tree reduction ends with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeafClaim<F> {
    /// One coordinate per level of the tree, most significant bit of the leaf index first.
    pub point: Vec<F>,
    /// Claimed numerator.
    pub numerator: F,
    /// Claimed denominator.
    pub denominator: F,
}

/// The roots of the witness tree and of the table tree.
pub type Roots<F> = (Fraction<F>, Fraction<F>);

/// True if the two roots are fractions (denominators not zero) that cancel.
pub fn check_roots<F: p3_field::Field>(witness: Fraction<F>, table: Fraction<F>) -> bool {
    witness.denominator != F::ZERO
        && table.denominator != F::ZERO
        && witness.numerator * table.denominator + table.numerator * witness.denominator == F::ZERO
}

/// Reads the roots of the witness and the table tree and rejects them unless [`check_roots`] holds.
pub fn read_roots<S: Suite>(transcript: &mut VerifierTranscript<'_, S>) -> Result<Roots<S::Challenge>, VerifyError> {
    let [numerator, denominator, table_numerator, table_denominator] = transcript.read_array()?;
    let witness = Fraction { numerator, denominator };
    let table = Fraction { numerator: table_numerator, denominator: table_denominator };
    let zero = witness.denominator == S::Challenge::ZERO || table.denominator == S::Challenge::ZERO;
    transcript.check(!zero, "a root's denominator differing from zero")?;
    transcript.check(check_roots(witness, table), "the equality of witness sum and table sum")?;
    Ok((witness, table))
}

/// Sends the roots of the witness and the table tree.
///
/// Errors if a denominator is zero: `α` equals a fingerprint.
#[cfg(feature = "prover")]
pub fn write_roots<S: Suite>(
    witness: Fraction<S::Challenge>,
    table: Fraction<S::Challenge>,
    transcript: &mut ProverTranscript<S>,
) -> Result<(), ProveError> {
    if witness.denominator == S::Challenge::ZERO || table.denominator == S::Challenge::ZERO {
        return Err(ProveError::UnluckyChallenge { scope: transcript.scope(), what: "alpha is a fingerprint" });
    }
    transcript.write(&[witness.numerator, witness.denominator, table.numerator, table.denominator]);
    Ok(())
}

/// Reduces the witness tree's leaf claim to claims on the tuples' tensors: reads one value per block and column
/// (blocks in layout order, columns in tuple order), and checks that they recombine to the leaf claim.
pub fn verify_witness_leaves<S: Suite>(
    instance: &Instance<'_>,
    layout: &Layout,
    fingerprint: &Fingerprint<S::Challenge>,
    leaf: &LeafClaim<S::Challenge>,
    transcript: &mut VerifierTranscript<'_, S>,
) -> Result<Vec<Claim<S::Challenge>>, VerifyError> {
    let values = transcript.read(layout.blocks().len().saturating_mul(layout.width()))?;
    let (numerator, denominator) = recombine(layout, fingerprint, &leaf.point, &values);
    transcript.check(leaf.numerator == numerator, "the witness leaves' numerator")?;
    transcript.check(leaf.denominator == denominator, "the witness leaves' denominator")?;
    let claims = block_claims(instance, layout, &leaf.point, &values);
    claims.ok_or_else(|| statement(transcript, "a block does not fit its tensor"))
}

/// Reduces the table tree's leaf claim to a claim on the multiplicities; the table is evaluated here.
pub fn verify_table_leaves<S: Suite>(
    instance: &Instance<'_>,
    fingerprint: &Fingerprint<S::Challenge>,
    leaf: &LeafClaim<S::Challenge>,
    transcript: &VerifierTranscript<'_, S>,
) -> Result<Claim<S::Challenge>, VerifyError> {
    let lookup = lookup(instance).ok_or_else(|| statement(transcript, "it is not a lookup"))?;
    let expected = table_denominator::<S>(lookup, fingerprint, &leaf.point);
    transcript.check(leaf.denominator == expected, "the table leaves' denominator")?;
    table_claim(instance, leaf).ok_or_else(|| statement(transcript, "the multiplicities are missing"))
}

/// The claim on the multiplicities that a table leaf claim stands for; `None` without an advice tensor.
pub fn table_claim<F: PrimeCharacteristicRing + Copy>(
    instance: &Instance<'_>,
    leaf: &LeafClaim<F>,
) -> Option<Claim<F>> {
    Some(Claim::new(*instance.advice.first()?, leaf.point.clone(), -leaf.numerator))
}

/// Sends the value of every block and column at the leaf point and returns the claims on the tuples' tensors.
#[cfg(feature = "prover")]
pub fn prove_witness_leaves<S: Suite>(
    instance: &Instance<'_>,
    layout: &Layout,
    columns: &LeafColumns<'_>,
    point: &[S::Challenge],
    transcript: &mut ProverTranscript<S>,
) -> Result<Vec<Claim<S::Challenge>>, ProveError> {
    let values = columns.evaluate::<S>(point);
    transcript.write(&values);
    block_claims(instance, layout, point, &values).ok_or_else(|| ProveError::Witness {
        scope: transcript.scope(),
        what: "a block does not fit its tensor".to_owned(),
    })
}

/// Numerator and denominator of the witness leaves at `point` from the blocks' values there.
fn recombine<F: p3_field::Field>(layout: &Layout, fingerprint: &Fingerprint<F>, point: &[F], values: &[F]) -> (F, F) {
    let (mut numerator, mut denominator) = (F::ZERO, F::ZERO);
    for (block, row) in layout.blocks().iter().zip(values.chunks(layout.width())) {
        let weight = block.weight(point);
        numerator += weight;
        denominator += weight * fingerprint.denominator(row);
    }
    (numerator, denominator + F::ONE - numerator)
}

/// One claim per block and column from their values at a leaf point: blocks in layout order, columns in tuple order.
/// `None` if a block does not fit its tensor.
pub fn block_claims<F: p3_field::Field>(
    instance: &Instance<'_>,
    layout: &Layout,
    point: &[F],
    values: &[F],
) -> Option<Vec<Claim<F>>> {
    let tuples = &lookup(instance)?.tuples;
    let mut claims = Vec::with_capacity(values.len());
    for (block, row) in layout.blocks().iter().zip(values.chunks(layout.width())) {
        let lifted = block.block.lift(layout.shapes().get(block.tuple)?, block.own_point(point))?;
        let tensors = tuples.get(block.tuple)?;
        claims.extend(tensors.iter().zip(row).map(|(&t, &v)| Claim::new(t, lifted.clone(), v)));
    }
    Some(claims)
}

fn table_denominator<S: Suite>(
    lookup: &Lookup,
    fingerprint: &Fingerprint<S::Challenge>,
    point: &[S::Challenge],
) -> S::Challenge {
    let row: Vec<_> = (0..lookup.table.width()).map(|column| lookup.table.evaluate::<S>(column, point)).collect();
    fingerprint.denominator(&row)
}

fn statement<S: Suite>(transcript: &VerifierTranscript<'_, S>, what: &str) -> VerifyError {
    VerifyError::Statement { scope: transcript.scope(), what: what.to_owned() }
}

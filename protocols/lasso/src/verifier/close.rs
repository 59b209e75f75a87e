//! From fingerprints at a leaf point to claims on columns, digits and counters.

use p3_field::Field;
use zkml_core::{Claim, Instance, Suite, VerifierTranscript, VerifyError};
use zkml_sumcheck::lookup::block_claims;
use zkml_sumcheck::{Weight, verify_rounds};

use super::{MemoryClaims, counter_claims, statement, unlucky};
use crate::decompose::{Advice, Decomposition, Memory};
use crate::hash::Hash;

/// Reads the values of all columns at the leaf point. Each memory's read counters have the value that is missing from
/// its read fingerprint: a claim.
pub(super) fn verify<S: Suite>(
    instance: &Instance<'_>,
    decomposition: &Decomposition<'_>,
    advice: &Advice,
    hash: &Hash<S::Challenge>,
    memory: &MemoryClaims<S::Challenge>,
    transcript: &mut VerifierTranscript<'_, S>,
) -> Result<Vec<Claim<S::Challenge>>, VerifyError> {
    let layout = &decomposition.layout;
    let blocks = transcript.read(layout.blocks().len().saturating_mul(layout.width()))?;
    let digits = transcript.read(decomposition.digits.len())?;
    let product = transcript.read(usize::from(decomposition.has_product))?;
    let stacked: Vec<_> = digits.iter().chain(&product).copied().collect();
    let counters = counters::<S>(decomposition, hash, memory, &blocks, &stacked);
    let counters = counters.ok_or_else(|| unlucky(transcript, "that counters enter the fingerprints"))?;
    let mut claims = block_claims(instance, layout, &memory.point, &blocks)
        .ok_or_else(|| statement(transcript, "a block does not fit its tensor"))?;
    claims.extend(digit_claims(advice, &memory.point, &digits));
    if let Some(&product) = product.first() {
        let weights: Vec<_> = memory.point.iter().map(|&z| Weight::Eq(z)).collect();
        let (point, claim) = verify_rounds(&weights, 2, product, transcript)?;
        let factors = transcript.read_array::<2>()?;
        transcript.check(factors[0] * factors[1] == claim, "the primary sumcheck")?;
        claims.extend(digit_claims(advice, &point, &factors));
    }
    claims.extend(counter_claims(advice, memory, counters));
    Ok(claims)
}

/// The value of every memory's read counters at the leaf point: what the values of the columns leave of its read
/// fingerprint. `None` if a step is zero.
pub(crate) fn counters<S: Suite>(
    decomposition: &Decomposition<'_>,
    hash: &Hash<S::Challenge>,
    memory: &MemoryClaims<S::Challenge>,
    blocks: &[S::Challenge],
    stacked: &[S::Challenge],
) -> Option<Vec<S::Challenge>> {
    let mut values = column_values(decomposition, &memory.point, blocks);
    values.extend(stacked);
    let inside = decomposition.layout.numerator(&memory.point);
    let counter = |(part, &read): (&Memory<'_>, &S::Challenge)| {
        let coefficients = hash.coefficients::<S>(decomposition, part);
        let row: S::Challenge = coefficients.iter().zip(&values).map(|(&c, &v)| c * v).sum();
        Some((read - row - hash.constant() * inside) * hash.step(part).try_inverse()?)
    };
    decomposition.memories.iter().zip(&memory.reads).map(counter).collect()
}

/// The tuple columns' values at a leaf point, stacked over all tuples, from those of the blocks.
fn column_values<F: Field>(decomposition: &Decomposition<'_>, point: &[F], blocks: &[F]) -> Vec<F> {
    let layout = &decomposition.layout;
    let mut values = vec![F::ZERO; layout.width()];
    for (block, row) in layout.blocks().iter().zip(blocks.chunks(layout.width())) {
        let weight = block.weight(point);
        values.iter_mut().zip(row).for_each(|(value, &v)| *value += weight * v);
    }
    values
}

/// One claim per digit.
pub(crate) fn digit_claims<F: Field>(advice: &Advice, point: &[F], values: &[F]) -> Vec<Claim<F>> {
    advice.digits.iter().zip(values).map(|(&digit, &v)| Claim::new(digit, point.to_vec(), v)).collect()
}

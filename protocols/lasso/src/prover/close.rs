//! From fingerprints at a leaf point to claims on columns, digits and counters.

use zkml_core::{Claim, Instance, ProveError, ProverTranscript, Shape, Suite};
use zkml_device::{Column, Device, count};
use zkml_sumcheck::Weight;
use zkml_sumcheck::engine::{Product, prove_rounds};
use zkml_sumcheck::lookup::block_claims;
use zkml_sumcheck::vector::{contract_column, dot, eq_scalars, pad_column};

use super::leaves::Leaves;
use super::unlucky;
use crate::decompose::{Advice, Decomposition};
use crate::hash::Hash;
use crate::verifier::close::{counters, digit_claims};
use crate::verifier::{MemoryClaims, counter_claims};

/// Sends the values of all columns at the leaf point, and proves that of the product of the digits.
pub(super) fn prove<S: Suite>(
    instance: &Instance<'_>,
    decomposition: &Decomposition<'_>,
    advice: &Advice,
    hash: &Hash<S::Challenge>,
    (leaves, memory): (&Leaves<'_, S>, &MemoryClaims<S::Challenge>),
    transcript: &mut ProverTranscript<S>,
    device: &Device,
) -> Result<Vec<Claim<S::Challenge>>, ProveError> {
    let layout = &decomposition.layout;
    let misfit = |what: &str| ProveError::Witness { scope: transcript.scope(), what: what.to_owned() };
    let shape = Shape::new([layout.leaves()]).ok_or_else(|| misfit("there are too many leaves"))?;
    let blocks = leaves.columns().evaluate::<S>(&memory.point);
    let mut claims = block_claims(instance, layout, &memory.point, &blocks)
        .ok_or_else(|| misfit("a block does not fit its tensor"))?;
    let columns = leaves.digits.iter().chain(&leaves.product);
    let stacked: Vec<_> = columns.map(|column| evaluate_stacked::<S>(column, &memory.point)).collect();
    transcript.write(&blocks);
    transcript.write(&stacked);
    claims.extend(digit_claims(advice, &memory.point, &stacked));
    let counters = counters::<S>(decomposition, hash, memory, &blocks, &stacked);
    let counters = counters.ok_or_else(|| unlucky(transcript, "counters do not enter the fingerprints"))?;
    if let Some(&product) = stacked.last().filter(|_| leaves.product.is_some()) {
        let factors = leaves.digits.iter().map(|digit| pad_column::<S>(digit, &shape)).collect();
        let weights: Vec<_> = memory.point.iter().map(|&z| Weight::Eq(z)).collect();
        let (point, values) = prove_rounds(&Product { factors: 2 }, factors, &weights, product, transcript, device)?;
        transcript.write(&values);
        claims.extend(digit_claims(advice, &point, &values));
    }
    claims.extend(counter_claims(advice, memory, counters));
    Ok(claims)
}

/// Variables of the inner eq table.
const INNER: usize = 10;

/// The extension at a leaf point of a column in leaf order: one small-by-extension product per leaf.
fn evaluate_stacked<S: Suite>(column: &Column, point: &[S::Challenge]) -> S::Challenge {
    let (outer, inner) = point.split_at(point.len() - point.len().min(INNER));
    let (outer, inner) = (eq_scalars::<S>(outer), eq_scalars::<S>(inner));
    let rows = column.len() / inner.len();
    let mut sums = contract_column::<S>(column, [rows, inner.len(), 1], &inner);
    let rest = rows * inner.len()..column.len();
    if !rest.is_empty() {
        count::base_ext_mul(rest.len());
        let value = |i| S::from_i64(column.get(i).unwrap_or(0));
        sums.push(rest.zip(&inner).map(|(i, &e)| e * value(i)).sum());
    }
    dot::<S>(&sums, &outer)
}

//! The prover of [`crate::merge`]: term values, the weight vector, the sumcheck.
//!
//! Everything is read in cache-sized runs: `eq(p, x)` is the product of a table over the trailing
//! [`INNER_VARIABLES`] variables and one over the leading ones, so a run of the weight vector costs one product per
//! cell and term and no memory beyond the vector itself. The first round works on the committed base-field cells;
//! the later ones are the sumcheck engine's.

use p3_field::{Field, PackedValue, PrimeCharacteristicRing};
use rayon::prelude::*;
use zkml_core::{ProveError, ProverTranscript, Suite};
use zkml_device::{Device, count};
use zkml_sumcheck::Weight;
use zkml_sumcheck::engine::{Product, prove_rounds};
use zkml_sumcheck::vector::{Pack, Vector, eq_scalars, eq_table, lanes, pack, sum_lanes};

use crate::claims::Term;
use crate::stacking::{Slot, Stacking};

/// Variables of the inner eq table.
const INNER_VARIABLES: usize = 10;
/// Registers handled by one task of a pass over the whole vector.
const TASK: usize = 1 << 10;

/// A register of committed cells.
type Cells<S> = <<S as Suite>::Base as Field>::Packing;

/// `scale · eq(point, ·)` as an outer product: one scalar for each run of the inner table.
struct SplitEq<S: Suite> {
    outer: Vec<S::Challenge>,
    inner: Vec<Pack<S>>,
}

impl<S: Suite> SplitEq<S> {
    fn new(point: &[S::Challenge], scale: S::Challenge) -> Self {
        let (outer, inner) = point.split_at(point.len().saturating_sub(INNER_VARIABLES));
        Self {
            outer: eq_table::<S>(outer, scale).to_scalars(),
            inner: eq_table::<S>(inner, S::Challenge::ONE).into_packed(),
        }
    }
}

/// True if a slot fills registers.
fn in_registers<S: Suite>(slot: &Slot) -> bool {
    1 << slot.variables >= lanes::<S>()
}

/// The value of a term: the multilinear extension of its slot's cells at its point.
pub(crate) fn evaluate<S: Suite>(stacking: &Stacking, stacked: &[S::Base], term: &Term<S::Challenge>) -> S::Challenge {
    let slot = &stacking.slots[term.slot];
    let cells = &stacked[slot.offset..][..1 << slot.variables];
    count::base_ext_mul(cells.len());
    if !in_registers::<S>(slot) {
        return eq_scalars::<S>(&term.point).into_iter().zip(cells).map(|(e, &cell)| e * cell).sum();
    }
    let eq = SplitEq::<S>::new(&term.point, S::Challenge::ONE);
    let run = |(cells, &outer): (&[Cells<S>], &S::Challenge)| -> S::Challenge {
        let sum: Pack<S> = eq.inner.iter().zip(cells).map(|(&e, &cells)| e * cells).sum();
        sum_lanes::<S>(sum) * outer
    };
    Cells::<S>::pack_slice(cells).par_chunks(eq.inner.len()).zip(&eq.outer).with_min_len(4).map(run).sum()
}

/// The weight vector `W` over the cube.
fn weights<S: Suite>(stacking: &Stacking, terms: &[Term<S::Challenge>], powers: &[S::Challenge]) -> Vec<Pack<S>> {
    let mut of_slot: Vec<Vec<usize>> = vec![Vec::new(); stacking.slots.len()];
    for (index, term) in terms.iter().enumerate() {
        of_slot[term.slot].push(index);
    }
    let mut weights = vec![Pack::<S>::ZERO; (1 << stacking.variables) / lanes::<S>()];
    let (mut rest, mut in_large) = (weights.as_mut_slice(), 0);
    // Slots come largest first: those that fill registers precede those that share them.
    let large = stacking.slots.partition_point(in_registers::<S>);
    for (slot, own) in stacking.slots.iter().zip(&of_slot).take(large) {
        let (part, tail) = rest.split_at_mut((1 << slot.variables) / lanes::<S>());
        (rest, in_large) = (tail, slot.offset + (1 << slot.variables));
        let terms: Vec<_> = own.iter().map(|&t| SplitEq::<S>::new(&terms[t].point, powers[t])).collect();
        count::ext_mul(terms.len() << slot.variables);
        fill_slot(&terms, part);
    }
    let end = stacking.slots.last().map_or(0, |slot| slot.offset + (1 << slot.variables));
    let mut tail = vec![S::Challenge::ZERO; (end - in_large).next_multiple_of(lanes::<S>())];
    for (slot, own) in stacking.slots.iter().zip(&of_slot).skip(large) {
        for &t in own {
            let table = eq_table::<S>(&terms[t].point, powers[t]).to_scalars();
            tail[slot.offset - in_large..].iter_mut().zip(table).for_each(|(sum, e)| *sum += e);
        }
    }
    rest[..tail.len() / lanes::<S>()].copy_from_slice(&pack::<S>(&tail));
    weights
}

/// Adds up the terms of one slot, run by run.
fn fill_slot<S: Suite>(terms: &[SplitEq<S>], part: &mut [Pack<S>]) {
    let Some(run) = terms.first().map(|term| term.inner.len()) else { return };
    part.par_chunks_mut(run).enumerate().with_min_len(4).for_each(|(index, part)| {
        for term in terms {
            let outer = Pack::<S>::from(term.outer[index]);
            part.iter_mut().zip(&term.inner).for_each(|(sum, &e)| *sum += e * outer);
        }
    });
}

/// The two halves of a vector: the most significant variable is 0 in the first.
fn halves<T>(values: &[T]) -> (&[T], &[T]) {
    values.split_at(values.len() / 2)
}

/// `Σ P(0,x) W(0,x)`, `Σ P(1,x) W(1,x)` and `Σ (P(1,x) - P(0,x)) (W(1,x) - W(0,x))`.
fn first_sums<S: Suite>(cells: &[Cells<S>], weights: &[Pack<S>]) -> [S::Challenge; 3] {
    count::base_ext_mul(3 * lanes::<S>() * cells.len() / 2);
    let ((p0, p1), (w0, w1)) = (halves(cells), halves(weights));
    let sums = (p0.par_chunks(TASK), p1.par_chunks(TASK), w0.par_chunks(TASK), w1.par_chunks(TASK))
        .into_par_iter()
        .map(|(p0, p1, w0, w1)| {
            let mut sums = [Pack::<S>::ZERO; 3];
            for (((&p0, &p1), &w0), &w1) in p0.iter().zip(p1).zip(w0).zip(w1) {
                sums[0] += w0 * p0;
                sums[1] += w1 * p1;
                sums[2] += (w1 - w0) * (p1 - p0);
            }
            sums
        })
        .reduce(|| [Pack::<S>::ZERO; 3], |a, b| core::array::from_fn(|i| a[i] + b[i]));
    sums.map(sum_lanes::<S>)
}

/// Both vectors with the most significant variable bound to `r`.
fn bind_first<S: Suite>(cells: &[Cells<S>], weights: &[Pack<S>], r: S::Challenge) -> [Vec<Pack<S>>; 2] {
    count::base_ext_mul(lanes::<S>() * cells.len() / 2);
    count::ext_mul(lanes::<S>() * cells.len() / 2);
    let ((p0, p1), (w0, w1)) = (halves(cells), halves(weights));
    let r = Pack::<S>::from(r);
    let bound = p0.par_iter().zip(p1).with_min_len(TASK).map(|(&p0, &p1)| r * (p1 - p0) + p0).collect();
    let weights = w0.par_iter().zip(w1).with_min_len(TASK).map(|(&w0, &w1)| r * (w1 - w0) + w0).collect();
    [bound, weights]
}

/// The bound point, and the value of `P` there.
type Bound<S> = (Vec<<S as Suite>::Challenge>, <S as Suite>::Challenge);

/// The sumcheck `claim = Σ_x P(x) W(x)`. Returns the bound point and the value of `P` there; `None` if the equation does
/// not hold.
pub(crate) fn prove<S: Suite>(
    stacking: &Stacking,
    stacked: &[S::Base],
    terms: &[Term<S::Challenge>],
    powers: &[S::Challenge],
    claim: S::Challenge,
    transcript: &mut ProverTranscript<S>,
    device: &Device,
) -> Result<Option<Bound<S>>, ProveError> {
    let cells = Cells::<S>::pack_slice(stacked);
    let weights = weights::<S>(stacking, terms, powers);
    let [at_zero, at_one, leading] = first_sums::<S>(cells, &weights);
    if at_zero + at_one != claim {
        return Ok(None);
    }
    let linear = at_one - at_zero - leading;
    transcript.write(&[linear, leading]);
    let r = transcript.challenge();
    let claim = (leading * r + linear) * r + at_zero;
    let factors = bind_first::<S>(cells, &weights, r).map(Vector::<S>::Packed);
    drop(weights);
    let rounds = vec![Weight::Sum; stacking.variables - 1];
    let (rest, values) = prove_rounds(&Product { factors: 2 }, factors.into(), &rounds, claim, transcript, device)?;
    Ok(values.first().map(|&value| (core::iter::once(r).chain(rest).collect(), value)))
}

//! Many claims on blocks of one polynomial become one claim at one point.
//!
//! With terms `P(p_t) = v_t` (points lifted to the stacked polynomial `P`) and a challenge `ρ` drawn after all of
//! them were absorbed, one sumcheck proves
//!
//! ```text
//! Σ_t ρ^t v_t = Σ_x P(x) W(x),    W(x) = Σ_t ρ^t eq(p_t, x)
//! ```
//!
//! and leaves `P(r) · W(r)`; the verifier computes `W(r)` and the commitment opens `P` at `r`. The prefix of every
//! `p_t` is Boolean, so `W` is written slot by slot at a cost of one multiplication per cell of each term.

use p3_field::Field;
use zkml_core::mle::eq_eval;

use crate::claims::Term;
use crate::stacking::Stacking;

/// Coefficients sent per round: those of `X` and `X²`.
pub(crate) const DEGREE: usize = 2;

/// `ρ^0, ρ^1, …`, one for each term.
pub(crate) fn powers<EF: Field>(rho: EF, count: usize) -> Vec<EF> {
    rho.powers().take(count).collect()
}

/// `Σ a_t b_t`.
pub(crate) fn dot<EF: Field>(a: &[EF], b: &[EF]) -> EF {
    a.iter().zip(b).map(|(&a, &b)| a * b).sum()
}

/// `W(r)`.
pub(crate) fn weight_at<EF: Field>(stacking: &Stacking, terms: &[Term<EF>], powers: &[EF], r: &[EF]) -> EF {
    let mut sum = EF::ZERO;
    for (term, &power) in terms.iter().zip(powers) {
        if let Some(slot) = stacking.slots.get(term.slot) {
            let lifted: Vec<EF> = stacking.prefix(slot).chain(term.point.iter().copied()).collect();
            sum += power * eq_eval(&lifted, r);
        }
    }
    sum
}

#[cfg(feature = "prover")]
pub(crate) use prover::{evaluate_terms, prove, weights};

#[cfg(feature = "prover")]
mod prover {
    use p3_field::{ExtensionField, Field, PrimeCharacteristicRing};
    use p3_goldilocks::Goldilocks as Felt;
    use rayon::prelude::*;
    use zkml_core::{ProverTranscript, Suite};

    use super::{Stacking, Term};

    /// Cells handled by one task.
    const CHUNK: usize = 1 << 12;

    /// `scale · eq(point, ·)` over the cube, written into `out`.
    fn eq_into<EF: Field>(point: &[EF], scale: EF, out: &mut [EF]) {
        out[0] = scale;
        let mut filled = 1;
        // Least significant variable first, so that each doubling writes the high half from the low one.
        for &r in point.iter().rev() {
            let (low, high) = out[..2 * filled].split_at_mut(filled);
            let step = |(low, high): (&mut EF, &mut EF)| {
                *high = *low * r;
                *low -= *high;
            };
            if filled >= CHUNK {
                low.par_iter_mut().zip(high).with_min_len(CHUNK).for_each(step);
            } else {
                low.iter_mut().zip(high).for_each(step);
            }
            filled *= 2;
        }
    }

    fn eq_vector<EF: Field>(point: &[EF], scale: EF) -> Vec<EF> {
        let mut out = EF::zero_vec(1 << point.len());
        eq_into(point, scale, &mut out);
        out
    }

    /// The value of each term: the multilinear extension of its slot's cells at its point.
    pub(crate) fn evaluate_terms<EF: ExtensionField<Felt>>(
        stacking: &Stacking,
        stacked: &[Felt],
        terms: &[Term<EF>],
    ) -> Vec<EF> {
        terms
            .par_iter()
            .map(|term| {
                let slot = &stacking.slots[term.slot];
                let cells = &stacked[slot.offset..][..1 << slot.variables];
                // Two tables of square-root size: one base × extension product per cell.
                let (high, low) = term.point.split_at(slot.variables / 2);
                let (high, low) = (eq_vector(high, EF::ONE), eq_vector(low, EF::ONE));
                cells
                    .par_chunks(low.len())
                    .zip(&high)
                    .with_min_len(CHUNK.div_ceil(low.len()))
                    .map(|(row, &weight)| {
                        let dot: EF = row.iter().zip(&low).map(|(&cell, &e)| e * cell).sum();
                        dot * weight
                    })
                    .sum()
            })
            .collect()
    }

    /// `W` over the cube.
    pub(crate) fn weights<EF: Field>(stacking: &Stacking, terms: &[Term<EF>], powers: &[EF]) -> Vec<EF> {
        let mut weights = EF::zero_vec(1 << stacking.variables);
        let mut of_slot: Vec<Vec<usize>> = vec![Vec::new(); stacking.slots.len()];
        for (index, term) in terms.iter().enumerate() {
            of_slot[term.slot].push(index);
        }
        let mut rest = weights.as_mut_slice();
        let mut parts = Vec::with_capacity(stacking.slots.len());
        for (slot, own) in stacking.slots.iter().zip(&of_slot) {
            let (part, tail) = rest.split_at_mut(1 << slot.variables);
            rest = tail;
            parts.push((part, own));
        }
        parts.into_par_iter().for_each(|(part, own)| {
            let Some((&first, more)) = own.split_first() else { return };
            eq_into(&terms[first].point, powers[first], part);
            for &index in more {
                let addend = eq_vector(&terms[index].point, powers[index]);
                part.par_iter_mut().zip(addend).with_min_len(CHUNK).for_each(|(sum, e)| *sum += e);
            }
        });
        weights
    }

    /// `Σ_x A(0,x) B(0,x)` and `Σ_x (A(1,x) - A(0,x)) (B(1,x) - B(0,x))` over the halves of `a` and `b`.
    fn round_sums<A, EF>(a: &[A], b: &[EF]) -> (EF, EF)
    where
        A: Field,
        EF: ExtensionField<A>,
    {
        let half = a.len() / 2;
        let ((a0, a1), (b0, b1)) = (a.split_at(half), b.split_at(half));
        (a0.par_chunks(CHUNK), a1.par_chunks(CHUNK), b0.par_chunks(CHUNK), b1.par_chunks(CHUNK))
            .into_par_iter()
            .map(|(a0, a1, b0, b1)| {
                let (mut constant, mut leading) = (EF::ZERO, EF::ZERO);
                for (((&a0, &a1), &b0), &b1) in a0.iter().zip(a1).zip(b0).zip(b1) {
                    constant += b0 * a0;
                    leading += (b1 - b0) * (a1 - a0);
                }
                (constant, leading)
            })
            .reduce(|| (EF::ZERO, EF::ZERO), |x, y| (x.0 + y.0, x.1 + y.1))
    }

    /// Binds the most significant variable to `r` in place.
    fn bind<EF: Field>(values: &mut Vec<EF>, r: EF) {
        let half = values.len() / 2;
        let (low, high) = values.split_at_mut(half);
        low.par_iter_mut().zip(high).with_min_len(CHUNK).for_each(|(low, high)| *low += r * (*high - *low));
        values.truncate(half);
    }

    /// Binds the most significant variable of a base-field vector to `r`.
    fn bind_base<EF: ExtensionField<Felt>>(values: &[Felt], r: EF) -> Vec<EF> {
        let (low, high) = values.split_at(values.len() / 2);
        low.par_iter().zip(high).with_min_len(CHUNK).map(|(&low, &high)| r * (high - low) + low).collect()
    }

    /// The sumcheck `claim = Σ_x P(x) W(x)`, most significant variable first. Returns the bound point.
    pub(crate) fn prove<S>(
        stacked: &[Felt],
        mut weights: Vec<S::Challenge>,
        mut claim: S::Challenge,
        transcript: &mut ProverTranscript<S>,
    ) -> Vec<S::Challenge>
    where
        S: Suite<Base = Felt>,
    {
        let mut point = Vec::with_capacity(stacked.len().ilog2() as usize);
        let mut bound: Option<Vec<S::Challenge>> = None;
        while weights.len() > 1 {
            let (constant, leading) = match &bound {
                None => round_sums(stacked, &weights),
                Some(values) => round_sums(values, &weights),
            };
            let linear = claim - constant.double() - leading;
            transcript.write(&[linear, leading]);
            let r = transcript.challenge();
            claim = (leading * r + linear) * r + constant;
            match &mut bound {
                None => bound = Some(bind_base(stacked, r)),
                Some(values) => bind(values, r),
            }
            bind(&mut weights, r);
            point.push(r);
        }
        point
    }
}

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

/// `W(r)`; `None` if a term names no slot.
pub(crate) fn weight_at<EF: Field>(stacking: &Stacking, terms: &[Term<EF>], powers: &[EF], r: &[EF]) -> Option<EF> {
    let mut sum = EF::ZERO;
    for (term, &power) in terms.iter().zip(powers) {
        let slot = stacking.slots.get(term.slot)?;
        let lifted: Vec<EF> = stacking.prefix(slot).chain(term.point.iter().copied()).collect();
        sum += power * eq_eval(&lifted, r);
    }
    Some(sum)
}

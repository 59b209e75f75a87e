//! From claims on tensors to claims on blocks of the stacked polynomial.
//!
//! A tensor's extension is `Σ_b weight_b(r) · value_b(own part of r)` over its blocks ([`zkml_core::Block::restrict`]).
//! Every block of non-zero weight becomes a *term*; equal terms (same block, same point) are kept once. The
//! prover sends the value of a term unless it follows from a claim: the last new term of each claim is the one
//! that makes the claim's equation hold, and its value is derived by both sides with one division. A tensor whose
//! shape is all powers of two has one block of weight 1, so nothing is sent for it at all.

use std::collections::HashMap;

use p3_field::Field;

use crate::OpeningClaim;
use crate::stacking::Stacking;

/// A claim on one block, at a point in the block's own coordinates.
#[derive(Clone, Debug)]
pub(crate) struct Term<EF> {
    /// Position in [`Stacking::slots`].
    pub(crate) slot: usize,
    /// The block's own coordinates.
    pub(crate) point: Vec<EF>,
}

/// Where the value of a term comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Source {
    /// The prover sends it.
    Sent,
    /// From the equation of the claim of this index.
    Derived(usize),
}

/// All terms of a batch of claims, and how each claim is made of them.
#[derive(Clone, Debug)]
pub(crate) struct Terms<EF> {
    /// The distinct terms, in order of first use.
    pub(crate) distinct: Vec<Term<EF>>,
    sources: Vec<Source>,
    /// For each claim: its terms and their weights.
    claims: Vec<Vec<(usize, EF)>>,
}

impl<EF: Field> Terms<EF> {
    /// Splits claims into terms. Errors, in words, if a claim names no tensor or has the wrong number of
    /// coordinates.
    pub(crate) fn new(stacking: &Stacking, claims: &[OpeningClaim<EF>]) -> Result<Self, String> {
        let mut all = Self { distinct: Vec::new(), sources: Vec::new(), claims: Vec::with_capacity(claims.len()) };
        let mut known: HashMap<(usize, Vec<EF>), usize> = HashMap::new();
        for (index, claim) in claims.iter().enumerate() {
            let shape = stacking.shapes.get(claim.tensor);
            let slots = stacking.of_tensor.get(claim.tensor);
            let (Some(shape), Some(slots)) = (shape, slots) else {
                return Err(format!("claim {index} is on tensor {}, which was not committed", claim.tensor));
            };
            let mut parts = Vec::with_capacity(slots.len());
            let mut last_new = None;
            for &position in slots {
                let slot = stacking.slots.get(position).ok_or("a block without a place in the stack")?;
                let Some((weight, point)) = slot.block.restrict(shape, &claim.point) else {
                    return Err(format!("claim {index} has {} coordinates for shape {shape}", claim.point.len()));
                };
                if weight.is_zero() {
                    continue;
                }
                let next = all.distinct.len();
                let term = *known.entry((position, point.clone())).or_insert(next);
                if term == next {
                    all.distinct.push(Term { slot: position, point });
                    all.sources.push(Source::Sent);
                    last_new = Some(term);
                }
                parts.push((term, weight));
            }
            if let Some(source) = last_new.and_then(|term| all.sources.get_mut(term)) {
                *source = Source::Derived(index);
            }
            all.claims.push(parts);
        }
        Ok(all)
    }

    /// Number of values that the prover sends.
    pub(crate) fn sent(&self) -> usize {
        self.sources.iter().filter(|&&source| source == Source::Sent).count()
    }

    /// The terms whose values the prover sends, in order.
    #[cfg(feature = "prover")]
    pub(crate) fn sent_terms(&self) -> impl Iterator<Item = &Term<EF>> {
        self.distinct.iter().zip(&self.sources).filter(|(_, source)| **source == Source::Sent).map(|(term, _)| term)
    }

    /// The values of all terms from those sent. `None` if the equation of a claim does not hold.
    pub(crate) fn complete(&self, claims: &[OpeningClaim<EF>], sent: &[EF]) -> Option<Vec<EF>> {
        let mut sent = sent.iter();
        let mut values = Vec::with_capacity(self.distinct.len());
        for source in &self.sources {
            values.push(if *source == Source::Sent { *sent.next()? } else { EF::ZERO });
        }
        // Terms are numbered in order of first use, so a claim's equation refers to earlier claims' terms and
        // its own new ones only, and its last new term is the only one that is still open.
        for (index, (claim, parts)) in claims.iter().zip(&self.claims).enumerate() {
            let mut open = None;
            let mut sum = EF::ZERO;
            for &(term, weight) in parts {
                if self.sources.get(term) == Some(&Source::Derived(index)) {
                    open = Some((term, weight));
                } else {
                    sum += weight * *values.get(term)?;
                }
            }
            match open {
                Some((term, weight)) => *values.get_mut(term)? = (claim.value - sum) * weight.try_inverse()?,
                None if sum != claim.value => return None,
                None => (),
            }
        }
        Some(values)
    }
}

//! The soundness error of a whole proof.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use zkml_commitment::CommittedSuite;
use zkml_core::soundness::total_bits;
use zkml_core::{ErrorTerm, Relation, RelationId, TensorId};

use crate::plan::{Plan, Step};
use crate::walk::MAX_VIEW_CLAIMS;

/// Every error term of a proof, and what they add up to.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SoundnessReport {
    /// Minus the logarithm of the sum of all terms.
    pub bits: f64,
    /// The terms; those of protocols already pay for the commitment's candidates.
    pub terms: Vec<ErrorTerm>,
    /// The bound, or the assumption, that the commitment's terms rest on.
    pub regime: String,
    /// Bits that the statement asks for.
    pub wanted: u32,
}

impl SoundnessReport {
    /// True if the proof has fewer bits than the statement asks for (which a statement may allow).
    pub fn is_weak(&self) -> bool {
        // Bits that are not a number are weak, too.
        self.bits.is_nan() || self.bits < f64::from(self.wanted)
    }
}

pub(crate) fn report<S: CommittedSuite>(plan: &Plan<S>) -> SoundnessReport {
    let claims = claim_bounds(plan);
    let field = S::challenge_bits();
    let mut own: Vec<ErrorTerm> =
        (0..plan.program().relations().len()).map(RelationId).flat_map(|id| relation_terms(plan, id)).collect();
    let points: usize = plan.constraint_shapes().iter().map(zkml_core::Shape::variables).sum();
    own.push(ErrorTerm::over_field("constraints/points", points as f64, field));
    own.push(ErrorTerm::over_field("merged claims", merge_numerator(plan, &claims), field));

    own.push(ErrorTerm::over_field("views", view_numerator(plan, &claims), field));

    let committed = plan.committed();
    let count = |tensors: &[TensorId]| {
        tensors.iter().map(|t| claims.get(t).copied().unwrap_or(0)).fold(0, usize::saturating_add)
    };
    let mut opening = Vec::new();
    let (mut candidates, mut regime) = (0.0, None);
    if !committed.is_empty() {
        let soundness = S::opening_soundness(&plan.shapes(&committed), count(&committed));
        candidates = soundness.log2_candidates;
        regime = Some(soundness.regime);
        opening.extend(prefixed("opening", soundness.terms));
    }
    let fixed = plan.fixed();
    if !fixed.is_empty() && !plan.fixed_in_clear() {
        // The key's commitment is made by whoever makes the keys, honestly: it has one candidate, but its
        // opening is still a proof.
        let soundness = S::opening_soundness(&plan.shapes(&fixed), count(&fixed));
        opening.extend(prefixed("weights", soundness.terms));
        regime = regime.or(Some(soundness.regime));
    }
    // Whoever breaks it breaks every commitment of the proof at once: it counts once.
    opening.extend(S::ASSUMPTION.map(|(name, bits)| ErrorTerm::of_bits(format!("assumption/{name}"), bits)));
    let assumed =
        || S::ASSUMPTION.map_or_else(|| "nothing is committed".to_owned(), |(name, _)| format!("{name}, assumed"));
    let regime = regime.unwrap_or_else(assumed);
    let terms: Vec<ErrorTerm> = own
        .into_iter()
        .map(|t| t.over_candidates(candidates))
        .chain(opening)
        .filter(|t| t.log2_error != f64::NEG_INFINITY)
        .collect();
    SoundnessReport { bits: total_bits(&terms), terms, regime, wanted: plan.statement().security_bits }
}

/// The terms of a relation's protocol.
fn relation_terms<S: CommittedSuite>(plan: &Plan<S>, id: RelationId) -> Vec<ErrorTerm> {
    let (Some(protocol), Some(instance)) = (plan.protocol(id), plan.instance(id)) else { return Vec::new() };
    prefixed(instance.relation.scope(), protocol.soundness(&instance)).collect()
}

fn prefixed(prefix: &str, terms: Vec<ErrorTerm>) -> impl Iterator<Item = ErrorTerm> {
    terms.into_iter().map(move |t| ErrorTerm { name: format!("{prefix}/{}", t.name), ..t })
}

/// Batching `c` claims on a tensor of `n` variables by powers of a challenge, and its sumcheck of degree 2.
fn merge_numerator<S: CommittedSuite>(plan: &Plan<S>, claims: &BTreeMap<TensorId, usize>) -> f64 {
    plan.steps()
        .iter()
        .map(|step| match *step {
            Step::Definition(tensor, _) => match claims.get(&tensor).copied().unwrap_or(0) {
                0 | 1 => 0.0,
                c => (c - 1) as f64 + 2.0 * plan.shape(tensor).variables() as f64,
            },
            _ => 0.0,
        })
        .sum()
}

/// The sumchecks behind views, of degree 2, once per claim that is reduced by itself.
fn view_numerator<S: CommittedSuite>(plan: &Plan<S>, claims: &BTreeMap<TensorId, usize>) -> f64 {
    plan.steps()
        .iter()
        .map(|step| {
            let (id, incoming) = match *step {
                Step::Definition(tensor, id) => (id, claims.get(&tensor).copied().unwrap_or(0)),
                Step::Constraint(id) | Step::Lookup(id) => (id, 1),
            };
            let Some(Relation::View(view)) = plan.relation(id) else { return 0.0 };
            let rounds = zkml_sumcheck::view::rounds(view, &plan.shape(view.output), &plan.shape(view.input));
            2.0 * rounds as f64 * incoming.min(MAX_VIEW_CLAIMS) as f64
        })
        .sum()
}

/// An upper bound on the number of claims on each tensor: equal claims are counted as if they differed.
fn claim_bounds<S: CommittedSuite>(plan: &Plan<S>) -> BTreeMap<TensorId, usize> {
    let mut claims: BTreeMap<TensorId, usize> = BTreeMap::new();
    for step in plan.steps() {
        let (id, incoming) = match *step {
            Step::Lookup(id) | Step::Constraint(id) => (id, 1),
            Step::Definition(tensor, id) => (id, claims.get(&tensor).copied().unwrap_or(0)),
        };
        add_claims(plan, id, incoming, &mut claims);
    }
    claims
}

fn add_claims<S: CommittedSuite>(
    plan: &Plan<S>,
    id: RelationId,
    incoming: usize,
    claims: &mut BTreeMap<TensorId, usize>,
) {
    let Some(relation) = plan.relation(id) else { return };
    let is_definition = relation.output().is_some_and(|o| plan.definition(o) == Some(id));
    if let Some(output) = relation.output()
        && !is_definition
    {
        add(claims, output, 1);
    }
    let per_input = |tensor: TensorId| match relation {
        Relation::Einsum(_) => 1,
        // There may be fewer claims than counted, and then they are reduced one by one.
        Relation::View(_) => incoming.min(MAX_VIEW_CLAIMS),
        Relation::Affine(_) => incoming,
        Relation::Lookup(_) => plan.shape(tensor).block_count(),
    };
    for tensor in relation.inputs() {
        add(claims, tensor, per_input(tensor));
    }
    for &advice in plan.instance(id).map_or(&[][..], |i| i.advice) {
        add(claims, advice, 1);
    }
}

/// Saturates: a chain of affine relations can double the bound at every step.
fn add(claims: &mut BTreeMap<TensorId, usize>, tensor: TensorId, count: usize) {
    let own = claims.entry(tensor).or_default();
    *own = own.saturating_add(count);
}

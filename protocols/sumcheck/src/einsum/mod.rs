//! The protocol `sumcheck` for [`zkml_core::Einsum`] (Thaler 2013).
//!
//! A claim on `out` at `r` is `y = Σ_x Π_o eq(r_o, x_o) Π_j f_j(x)^{e_j}`, with `o` over the output letters and `x`
//! over all letters. A plan depends on shapes and letters only:
//!
//! 1. equal operands are one factor with a power `e_j`;
//! 2. a letter that occurs once is contracted without a round: an output letter at the claim's coordinates, a summed
//!    one at `(1/2, …, 1/2)`, since `Σ_x f(x) = 2^k f(1/2, …, 1/2)`;
//! 3. each remaining letter gets rounds of its own where the other letters can be summed out to vectors over it, such
//!    as `Σ_b eq(r_b, b) w(b) · [Σ_i eq(r_i, i) g(i) x(b, i)]`; whatever is left is bound over the joint cube.
//!
//! | step | prover sends | verifier |
//! |---|---|---|
//! | 1 | per variable of every phase: the coefficients of `X, …, X^d`, `d` the sum of the powers it occurs in | binds the variable to a challenge |
//! | 2 | the value `v_j` of each factor | checks `claim = Π_j (2^{k_j} v_j)^{e_j}`, `k_j` counting coordinates set to one half |
//! | 3 | – | claims `f_j = v_j`, one per factor |
//!
//! Error: the sum of `d / |E|` over the rounds. `bi,oi->bo` is Thaler's matrix multiplication: two partial
//! evaluations that read each operand once, then `log I` rounds of degree 2.

use p3_field::PrimeCharacteristicRing;
use zkml_core::{
    AdviceSpec, Claim, Cost, ErrorTerm, Instance, LayerVerifier, ProtocolInfo, Refusal, Slot, Suite,
    VerifierTranscript, VerifyError,
};

use crate::{Weight, verify_rounds};

mod plan;
#[cfg(feature = "prover")]
mod prover;
#[cfg(feature = "prover")]
mod schedule;
#[cfg(feature = "prover")]
mod source;

use plan::{Phase, Plan};

/// Base-two logarithm of the largest joint cube: a factor then takes 16 GiB.
pub const MAX_JOINT_VARIABLES: usize = 30;

/// The protocol `sumcheck`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sumcheck;

/// What the protocol is.
const INFO: ProtocolInfo = ProtocolInfo {
    id: "sumcheck",
    about: "sums of products by the sumcheck protocol on multilinear extensions",
    paper: "Thaler13 (eprint 2013/351), matrix multiplication; eq-factored rounds: Gruen (eprint 2024/108), section 3",
    slots: &[Slot::Einsum],
    options: &[],
    companion: Some("logup-gkr"),
    setup: "no setup; hides nothing",
};

impl<S: Suite> LayerVerifier<S> for Sumcheck {
    fn info(&self) -> ProtocolInfo {
        INFO
    }

    fn supports(&self, instance: &Instance<'_>) -> Result<(), Refusal> {
        let refuse = |reason| Refusal { protocol: INFO.id, relation: instance.relation.kind(), reason };
        let plan = Plan::new(instance).map_err(refuse)?;
        let joint = plan.phases.iter().map(|p| plan.rounds(p)).max().unwrap_or(0);
        if joint > MAX_JOINT_VARIABLES {
            return Err(refuse(format!(
                "{joint} variables have to be bound jointly and {MAX_JOINT_VARIABLES} fit into memory; split the sum"
            )));
        }
        Ok(())
    }

    fn advice_specs(&self, _: &Instance<'_>) -> Vec<AdviceSpec> {
        Vec::new()
    }

    fn verify(
        &self,
        instance: &Instance<'_>,
        claim: Option<&Claim<S::Challenge>>,
        transcript: &mut VerifierTranscript<'_, S>,
    ) -> Result<Vec<Claim<S::Challenge>>, VerifyError> {
        let statement = |what: String| VerifyError::Statement { scope: transcript.scope(), what };
        let plan = Plan::new(instance).map_err(statement)?;
        let claim = checked(&plan, claim).map_err(statement)?;
        transcript.absorb_elements(&claim.point);
        transcript.absorb_elements(&[claim.value]);
        let mut points = Points::<S>::new(&plan, &claim.point);
        let mut last = claim.value;
        for phase in &plan.phases {
            let weights = points.weights(&plan, phase);
            let (bound, next) = verify_rounds(&weights, plan.degree(phase), last, transcript)?;
            points.bind(&plan, phase, &bound);
            last = next;
        }
        let values = transcript.read(plan.factors.len())?;
        transcript.check(product::<S>(&plan, &values) == last, "the product of the operands' values")?;
        Ok(points.claims(&plan, &values))
    }

    fn soundness(&self, instance: &Instance<'_>) -> Vec<ErrorTerm> {
        let Ok(plan) = Plan::new(instance) else { return Vec::new() };
        let numerator: usize = plan.phases.iter().map(|p| plan.rounds(p) * plan.degree(p)).sum();
        vec![ErrorTerm::over_field("sumcheck/rounds", numerator as f64, S::challenge_bits())]
    }

    fn cost(&self, instance: &Instance<'_>) -> Cost {
        let Ok(plan) = Plan::new(instance) else { return Cost::default() };
        let rounds = |p: &Phase| (plan.rounds(p), plan.rounds(p) * plan.degree(p));
        let cost = Cost {
            proof_elements: plan.phases.iter().map(|p| rounds(p).1).sum::<usize>() + plan.factors.len(),
            rounds: plan.phases.iter().map(|p| rounds(p).0).sum(),
            ..Cost::default()
        };
        #[cfg(feature = "prover")]
        let cost = schedule::operations::<S>(&plan, instance).plus(cost);
        cost
    }
}

/// The claim, if there is one with the right number of coordinates.
fn checked<'a, F>(plan: &Plan, claim: Option<&'a Claim<F>>) -> Result<&'a Claim<F>, String> {
    let claim = claim.ok_or("an einsum is proven for a claim on its output, and there is none")?;
    if claim.tensor != plan.output {
        return Err("the claim is on another tensor than the einsum's output".to_owned());
    }
    if claim.point.len() != plan.claim_variables {
        let (got, expected) = (claim.point.len(), plan.claim_variables);
        return Err(format!("the claim on the output has {got} coordinates instead of {expected}"));
    }
    Ok(claim)
}

/// The right-hand side of the final check.
fn product<S: Suite>(plan: &Plan, values: &[S::Challenge]) -> S::Challenge {
    let one = |(factor, &value): (&plan::Factor, &S::Challenge)| {
        value.mul_2exp_u64(plan.halved_variables(factor) as u64).exp_u64(factor.power as u64)
    };
    plan.factors.iter().zip(values).map(one).product()
}

/// Coordinates of every letter: known for closed ones, found phase by phase for the others.
struct Points<S: Suite> {
    claimed: Vec<S::Challenge>,
    letters: Vec<Vec<S::Challenge>>,
}

impl<S: Suite> Points<S> {
    fn new(plan: &Plan, claimed: &[S::Challenge]) -> Self {
        let mut points = Self { claimed: claimed.to_vec(), letters: Vec::new() };
        points.letters = plan
            .letters
            .iter()
            .map(|letter| match points.output_coordinates(letter) {
                _ if !letter.closed => Vec::new(),
                Some(own) => own.to_vec(),
                None => vec![S::Challenge::ONE.halve(); letter.variables],
            })
            .collect();
        points
    }

    /// The claim's coordinates of an output letter.
    fn output_coordinates(&self, letter: &plan::Letter) -> Option<&[S::Challenge]> {
        self.claimed.get(letter.output?..)?.get(..letter.variables)
    }

    /// The weights of a phase's variables.
    fn weights(&self, plan: &Plan, phase: &Phase) -> Vec<Weight<S::Challenge>> {
        let letters = phase.letters().iter().filter_map(|&l| plan.letters.get(l));
        letters
            .flat_map(|letter| match self.output_coordinates(letter) {
                Some(own) => own.iter().map(|&w| Weight::Eq(w)).collect(),
                None => vec![Weight::Sum; letter.variables],
            })
            .collect()
    }

    /// Distributes a phase's challenges over its letters.
    fn bind(&mut self, plan: &Plan, phase: &Phase, bound: &[S::Challenge]) {
        let mut rest = bound.iter().copied();
        for &l in phase.letters() {
            if let (Some(letter), Some(own)) = (plan.letters.get(l), self.letters.get_mut(l)) {
                *own = rest.by_ref().take(letter.variables).collect();
            }
        }
    }

    fn claims(&self, plan: &Plan, values: &[S::Challenge]) -> Vec<Claim<S::Challenge>> {
        let claim = |(factor, &value): (&plan::Factor, &S::Challenge)| {
            let own = factor.letters.iter().filter_map(|&l| self.letters.get(l));
            Claim::new(factor.tensor, own.flatten().copied().collect(), value)
        };
        plan.factors.iter().zip(values).map(claim).collect()
    }
}

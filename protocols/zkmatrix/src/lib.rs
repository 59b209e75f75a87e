//! The protocol `zkmatrix` for [`zkml_core::Einsum`] over two operands: matrix products by projections and an inner-product
//! argument in the target group ([zkMatrix, eprint 2024/161, and its successor DualMatrix], over Dory's transparent generators).
//!
//! A claim `C~(r) = v` on `C = A · B` is the projection of `C` by eq tables from both sides. With `a = y_L^T A` and `b = B y_R`
//! it says `v = ⟨a, b⟩`:
//!
//! | step | prover sends | verifier |
//! |---|---|---|
//! | 1 | the [`reduce::Projections`]: commitments to `a` and `b` | draws `t` |
//! | 2 | `α`, `β`, the values of `A` and `B` at the points made of `r` and `t` | knows `a~(t)`, `b~(t)` |
//! | 3 | [`reduce`]: the committed vectors have the product `v` and the values `a~(t)`, `b~(t)` | one equation |
//! | 4 | – | claims `A = α`, `B = β`: the left and the right projection |
//!
//! An outer product has nothing to contract: `v = α β`, no round and no group element. It exists over the suite `bn254` alone.
//! `papers/zkmatrix.md` has the statement, what is bound when, and the error terms.

use p3_bn254::Bn254 as Felt;
use zkml_core::{
    AdviceSpec, Bn254, Claim, Cost, ErrorTerm, Instance, LayerVerifier, ProtocolInfo, Refusal, Slot, Suite,
    VerifierTranscript, VerifyError,
};

mod cost;
mod plan;
#[cfg(feature = "prover")]
mod prover;
pub mod reduce;

use plan::{Plan, Points};

/// Numerator of the error charged to each challenge of the reduction, more than the degree of any equation in it.
const PER_CHALLENGE: f64 = 16.0;

/// The protocol `zkmatrix`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ZkMatrix;

/// What the protocol is.
const INFO: ProtocolInfo = ProtocolInfo {
    id: "zkmatrix",
    about: "products of two tensors by committed projections and an inner-product argument with pairings; suite bn254 only",
    paper: "Cong, Yuen, Yiu (eprint 2024/161) and DualMatrix; Dory-Reduce: Lee (eprint 2020/1274), sections 3 and 4",
    slots: &[Slot::Einsum],
    options: &[],
    companion: Some("logup-gkr"),
    setup: "transparent: generators hashed to the curves; hides nothing",
};

fn refusal(instance: &Instance<'_>, reason: String) -> Refusal {
    Refusal { protocol: INFO.id, relation: instance.relation.kind(), reason }
}

/// What both halves absorb before the first message.
macro_rules! absorb_statement {
    ($transcript:expr, $plan:expr, $claim:expr) => {
        $transcript.absorb("setup", zkml_pairing::setup::DOMAIN.as_bytes());
        $transcript.absorb("einsum", $plan.description.as_bytes());
        $transcript.absorb_elements(&$claim.point);
        $transcript.absorb_elements(&[$claim.value]);
    };
}
#[cfg(feature = "prover")]
use absorb_statement;

impl LayerVerifier<Bn254> for ZkMatrix {
    fn info(&self) -> ProtocolInfo {
        INFO
    }

    fn supports(&self, instance: &Instance<'_>) -> Result<(), Refusal> {
        Plan::new(instance).map(|_| ()).map_err(|reason| refusal(instance, reason))
    }

    fn advice_specs(&self, _: &Instance<'_>) -> Vec<AdviceSpec> {
        Vec::new()
    }

    fn verify(
        &self,
        instance: &Instance<'_>,
        claim: Option<&Claim<Felt>>,
        transcript: &mut VerifierTranscript<'_, Bn254>,
    ) -> Result<Vec<Claim<Felt>>, VerifyError> {
        transcript.enter(INFO.id);
        let statement = |what: String| VerifyError::Statement { scope: transcript.scope(), what };
        let plan = Plan::new(instance).map_err(statement)?;
        let claim = plan.claim(claim).map_err(statement)?;
        absorb_statement!(transcript, plan, claim);
        transcript.expect_bytes(cost::bytes(&plan))?;
        let projections = (plan.rounds > 0).then(|| reduce::Projections::read(transcript)).transpose()?;
        let point = transcript.challenges(plan.rounds);
        let Some(points) = Points::new(&plan, &claim.point, &point) else {
            return Err(VerifyError::Check {
                scope: transcript.scope(),
                what: "the weight of the batch other than zero",
            });
        };
        let values: [Felt; 2] = transcript.read_array()?;
        let [a, b] = points.of_vectors(values);
        match projections {
            None => transcript.check(a * b == claim.value, "the product of the operands' values")?,
            Some(projections) => {
                let statement = reduce::Statement { projections, product: claim.value, point, values: [a, b] };
                reduce::verify(&statement, transcript)?;
            }
        }
        transcript.leave();
        Ok(points.claims(&plan, values))
    }

    fn soundness(&self, instance: &Instance<'_>) -> Vec<ErrorTerm> {
        let Ok(plan) = Plan::new(instance) else { return Vec::new() };
        if plan.rounds == 0 {
            return Vec::new();
        }
        let (rounds, field) = (plan.rounds as f64, Bn254::challenge_bits());
        vec![
            ErrorTerm::over_field("zkmatrix/projections", 2.0 * rounds, field),
            ErrorTerm::over_field("zkmatrix/reduction", PER_CHALLENGE * (2.0 * rounds + 2.0), field),
        ]
    }

    fn cost(&self, instance: &Instance<'_>) -> Cost {
        Plan::new(instance).map_or_else(|_| Cost::default(), |plan| cost::predict(&plan))
    }
}

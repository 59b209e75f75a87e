//! The proving half.

use p3_bn254::Bn254 as Felt;
use p3_field::PrimeCharacteristicRing;
use zkml_core::{Bn254, Claim, Instance, LayerProver, ProveError, ProverTranscript, Witness};
use zkml_device::{Column, Device, count};
use zkml_sumcheck::vector::{self, Tensor};

use crate::plan::{Factor, Plan, Points};
use crate::reduce::{Lifted, encoded};
use crate::{INFO, ZkMatrix, absorb_statement, refusal};

impl LayerProver<Bn254> for ZkMatrix {
    fn advice(&self, _: &Instance<'_>, _: &Witness) -> Result<Vec<Column>, ProveError> {
        Ok(Vec::new())
    }

    fn prove(
        &self,
        instance: &Instance<'_>,
        witness: &Witness,
        claim: Option<&Claim<Felt>>,
        transcript: &mut ProverTranscript<Bn254>,
        _: &Device,
    ) -> Result<Vec<Claim<Felt>>, ProveError> {
        transcript.enter(INFO.id);
        let scope = transcript.scope();
        let plan = Plan::new(instance).map_err(|reason| refusal(instance, reason))?;
        let claim = plan.claim(claim).map_err(|reason| refusal(instance, reason))?;
        absorb_statement!(transcript, plan, claim);
        let [first, second] = &plan.factors;
        let a = weighted(&plan, &claim.point, projection(&plan, first, &claim.point, instance, witness)?);
        let b = projection(&plan, second, &claim.point, instance, witness)?;
        let unlucky = || ProveError::UnluckyChallenge { scope: scope.clone(), what: "the weight of the batch is zero" };
        if plan.rounds == 0 {
            let points = Points::new(&plan, &claim.point, &[]).ok_or_else(unlucky)?;
            let values = points.of_tensors([a, b].map(|v| v.first().copied().unwrap_or_default()));
            transcript.write(&values);
            transcript.leave();
            return Ok(points.claims(&plan, values));
        }
        let lifted = Lifted::new(a, b).map_err(|reason| ProveError::Commitment { scope: scope.clone(), reason })?;
        transcript.write_bytes(&encoded(&lifted.projections()));
        let point = transcript.challenges(plan.rounds);
        let points = Points::new(&plan, &claim.point, &point).ok_or_else(unlucky)?;
        let pointed = lifted.at(point);
        let values = points.of_tensors(pointed.values());
        transcript.write(&values);
        pointed.prove(transcript);
        transcript.leave();
        Ok(points.claims(&plan, values))
    }
}

/// An operand over the joint index, zero-padded: its other letters contracted, an output letter with the eq table of the
/// claim's coordinates, a summed one with ones.
fn projection(
    plan: &Plan,
    factor: &Factor,
    claimed: &[Felt],
    instance: &Instance<'_>,
    witness: &Witness,
) -> Result<Vec<Felt>, ProveError> {
    let column = witness.require(instance.program, factor.tensor)?;
    let mut tensor = Tensor::<Bn254>::new(&column, &instance.shape(factor.tensor));
    let (mut own, mut contracted) = (Vec::new(), Vec::new());
    for (axis, &l) in factor.letters.iter().enumerate() {
        let Some(letter) = plan.letters.get(l) else { continue };
        if letter.joint.is_some() {
            own.push(l);
            continue;
        }
        let mut weights = match letter.claimed(claimed) {
            Some(r) => vector::eq_scalars::<Bn254>(r),
            None => vec![Felt::ONE; letter.length],
        };
        weights.truncate(letter.length);
        contracted.push((axis, weights));
    }
    tensor.contract_all(contracted)?;
    let joint = plan.letters.iter().enumerate().filter(|(_, letter)| letter.joint.is_some());
    let (lengths, axes): (Vec<usize>, Vec<Option<usize>>) =
        joint.map(|(l, letter)| (1 << letter.variables, own.iter().position(|&o| o == l))).unzip();
    Ok(tensor.spread(&lengths, &axes))
}

/// Multiplies the batch's indices, the leading ones, by the eq table of the claim's coordinates.
fn weighted(plan: &Plan, claimed: &[Felt], mut vector: Vec<Felt>) -> Vec<Felt> {
    let coordinates: Vec<Felt> = plan.batch().filter_map(|l| l.claimed(claimed)).flatten().copied().collect();
    if coordinates.is_empty() {
        return vector;
    }
    let weights = vector::eq_scalars::<Bn254>(&coordinates);
    count::ext_mul(vector.len());
    let width = vector.len() / weights.len();
    for (slab, &weight) in vector.chunks_mut(width.max(1)).zip(&weights) {
        for value in slab {
            *value *= weight;
        }
    }
    vector
}

//! The verifier of an einsum.

use p3_field::PrimeCharacteristicRing;
use zkml_core::{Claim, Einsum, Instance, Suite, VerifierTranscript, VerifyError};
use zkml_sumcheck::{Weight, verify_rounds};

use super::plan::{Layers, Node, Plan, Split, weights};
use crate::Form;
use crate::difference::verify_difference;

/// Verifies an einsum; the claims are on its distinct operands.
pub(crate) fn verify<S: Suite>(
    form: Form,
    instance: &Instance<'_>,
    einsum: &Einsum,
    claim: &Claim<S::Challenge>,
    transcript: &mut VerifierTranscript<'_, S>,
) -> Result<Vec<Claim<S::Challenge>>, VerifyError> {
    let scope = transcript.scope();
    let refuse = |what: String| VerifyError::Statement { scope: scope.clone(), what };
    let plan = Plan::new(instance, einsum).map_err(&refuse)?;
    let root = plan.root(&claim.point, claim.value);
    let root = root.ok_or_else(|| refuse("the output claim has the wrong number of coordinates".to_owned()))?;
    let mut layers = Verifier { form, transcript };
    let claims = plan.reduce(root, &mut layers, &refuse)?;
    super::tensor_claims(&plan, claims).ok_or_else(|| refuse("a factor is left without a claim".to_owned()))
}

struct Verifier<'t, 'p, S: Suite> {
    form: Form,
    transcript: &'t mut VerifierTranscript<'p, S>,
}

impl<S: Suite> Layers<S::Challenge> for Verifier<'_, '_, S> {
    type Table = ();
    type Error = VerifyError;

    fn tables(
        &mut self,
        _plan: &Plan,
        _node: &Node<S::Challenge>,
        split: &Split<S::Challenge>,
    ) -> Result<Vec<()>, VerifyError> {
        Ok(vec![(); split.children.len()])
    }

    fn product(
        &mut self,
        _tables: &mut Vec<()>,
        weights: &[Weight<S::Challenge>],
        value: S::Challenge,
    ) -> Result<(Vec<S::Challenge>, [S::Challenge; 2]), VerifyError> {
        if self.form != Form::Square {
            let (point, running) = verify_rounds(weights, 2, value, self.transcript)?;
            let [a, b] = self.transcript.read_array()?;
            self.transcript.check(running == a * b, "the layer's last claim = a b")?;
            return Ok((point, [a, b]));
        }
        let (point, running) = verify_rounds(weights, 2, value.double().double(), self.transcript)?;
        let (s, running) = verify_difference(running, self.transcript)?;
        let [a, b] = self.transcript.read_array()?;
        let wire = a + (S::Challenge::ONE - s.double()) * b;
        self.transcript.check(running == wire.square(), "the layer's last claim = (a + (1 - 2s) b)²")?;
        Ok((point, [a, b]))
    }

    fn power(
        &mut self,
        plan: &Plan,
        node: &Node<S::Challenge>,
    ) -> Result<(Vec<S::Challenge>, S::Challenge), VerifyError> {
        let power = node.power(plan);
        let (point, running) = verify_rounds(&weights(plan, &node.axes), power, node.value, self.transcript)?;
        let [y] = self.transcript.read_array()?;
        self.transcript.check(running == y.exp_u64(power as u64), "the layer's last claim = the power of its value")?;
        Ok((point, y))
    }
}

//! The prover of an einsum.

use p3_field::{Algebra, Field, PrimeCharacteristicRing};
use zkml_core::{Claim, Einsum, Instance, ProveError, ProverTranscript, Suite, Witness};
use zkml_device::Device;
use zkml_sumcheck::Weight;
use zkml_sumcheck::engine::{Composition, Product, prove_rounds};

use super::plan::{Layers, Node, Plan, Split, weights};
use super::tables::Tables;
use crate::Form;
use crate::difference::prove_difference;

/// Proves an einsum: the messages of [`super::verify`].
pub(crate) fn prove<S: Suite>(
    form: Form,
    instance: &Instance<'_>,
    einsum: &Einsum,
    witness: &Witness,
    claim: &Claim<S::Challenge>,
    transcript: &mut ProverTranscript<S>,
    device: &Device,
) -> Result<Vec<Claim<S::Challenge>>, ProveError> {
    let scope = transcript.scope();
    let refuse = |what: String| ProveError::Witness { scope: scope.clone(), what };
    let plan = Plan::new(instance, einsum).map_err(&refuse)?;
    let root = plan.root(&claim.point, claim.value);
    let root = root.ok_or_else(|| refuse("the output claim has the wrong number of coordinates".to_owned()))?;
    let mut layers = Prover { form, tables: Tables::new(instance, &plan, witness)?, transcript, device };
    let claims = plan.reduce(root, &mut layers, &refuse)?;
    super::tensor_claims(&plan, claims).ok_or_else(|| refuse("a factor is left without a claim".to_owned()))
}

struct Prover<'t, S: Suite> {
    form: Form,
    tables: Tables<S>,
    transcript: &'t mut ProverTranscript<S>,
    device: &'t Device,
}

/// `p² - q²`: four times `a b` for `p = a + b`, `q = a - b`.
pub(super) struct DifferenceOfSquares;

impl<F: Field> Composition<F> for DifferenceOfSquares {
    fn degree(&self) -> usize {
        2
    }

    fn products(&self) -> usize {
        2
    }

    fn evaluate<A: Algebra<F> + Copy>(&self, factors: &[A]) -> A {
        match factors {
            [p, q, ..] => p.square() - q.square(),
            _ => A::ZERO,
        }
    }
}

/// `x^e` by repeated multiplication.
pub(super) struct Power(pub(super) usize);

impl<F: Field> Composition<F> for Power {
    fn degree(&self) -> usize {
        self.0
    }

    fn evaluate<A: Algebra<F> + Copy>(&self, factors: &[A]) -> A {
        let Some(&x) = factors.first() else { return A::ZERO };
        match self.0 {
            2 => x.square(),
            3 => x.square() * x,
            power => (1..power).fold(x, |product, _| product * x),
        }
    }
}

impl<S: Suite> Layers<S::Challenge> for Prover<'_, S> {
    type Table = Vec<S::Challenge>;
    type Error = ProveError;

    fn tables(
        &mut self,
        plan: &Plan,
        node: &Node<S::Challenge>,
        split: &Split<S::Challenge>,
    ) -> Result<Vec<Self::Table>, ProveError> {
        Ok(split.children.iter().map(|child| self.tables.child(plan, node, &split.along, child)).collect())
    }

    fn product(
        &mut self,
        tables: &mut Vec<Self::Table>,
        weights: &[Weight<S::Challenge>],
        value: S::Challenge,
    ) -> Result<(Vec<S::Challenge>, [S::Challenge; 2]), ProveError> {
        let first = if tables.is_empty() { Vec::new() } else { tables.remove(0) };
        let rest = super::tables::product_of::<S>(tables);
        let mut values = [S::Challenge::ZERO; 2];
        if self.form != Form::Square {
            let composition = Product { factors: 2 };
            let (point, bound) =
                prove_rounds(&composition, vec![first, rest], weights, value, self.transcript, self.device)?;
            values.iter_mut().zip(bound).for_each(|(v, b)| *v = b);
            self.transcript.write(&values);
            return Ok((point, values));
        }
        let (sum, difference): (Vec<_>, Vec<_>) = first.iter().zip(&rest).map(|(&a, &b)| (a + b, a - b)).unzip();
        let claim = value.double().double();
        let (point, bound) =
            prove_rounds(&DifferenceOfSquares, vec![sum, difference], weights, claim, self.transcript, self.device)?;
        if let [p, q] = *bound {
            values = [(p + q).halve(), (p - q).halve()];
            let message = [p.square(), values[1].square().double().double()];
            prove_difference(p.square() - q.square(), message, self.transcript);
        }
        self.transcript.write(&values);
        Ok((point, values))
    }

    fn power(
        &mut self,
        plan: &Plan,
        node: &Node<S::Challenge>,
    ) -> Result<(Vec<S::Challenge>, S::Challenge), ProveError> {
        let table = self.tables.factor_of(plan, node);
        let weights = weights(plan, &node.axes);
        let (point, bound) =
            prove_rounds(&Power(node.power(plan)), vec![table], &weights, node.value, self.transcript, self.device)?;
        let y = bound.first().copied().unwrap_or(S::Challenge::ZERO);
        self.transcript.write(&[y]);
        Ok((point, y))
    }
}

//! What an einsum costs, and how it can go wrong, from its plan alone.

use p3_field::PrimeCharacteristicRing;
use zkml_core::{Cost, Einsum, Instance, Suite};
use zkml_sumcheck::Weight;

use super::plan::{Layers, Node, Plan, Split, weights};
use crate::Form;

/// Predictions for an einsum.
pub(crate) struct Prediction {
    /// Operations, elements, rounds.
    pub(crate) cost: Cost,
    /// Sum of the degrees of all rounds.
    pub(crate) degrees: usize,
}

/// Walks the layers of an einsum without a proof. Errors with the reason why it is not supported.
pub(crate) fn predict<S: Suite>(form: Form, instance: &Instance<'_>, einsum: &Einsum) -> Result<Prediction, String> {
    let plan = Plan::new(instance, einsum)?;
    let variables = instance.shape(einsum.output).variables();
    let root = plan.root(&vec![S::Challenge::ZERO; variables], S::Challenge::ZERO);
    let root = root.ok_or("the output's indices do not fit its shape")?;
    let prediction = Prediction { cost: Cost::default(), degrees: 0 };
    let mut walk = Walk::<S> { form, prediction, suite: core::marker::PhantomData };
    plan.reduce(root, &mut walk, &|reason| reason)?;
    Ok(walk.prediction)
}

struct Walk<S: Suite> {
    form: Form,
    prediction: Prediction,
    suite: core::marker::PhantomData<S>,
}

impl<S: Suite> Walk<S> {
    fn add(&mut self, cost: Cost) {
        self.prediction.cost = self.prediction.cost.plus(cost);
    }

    fn rounds(&mut self, variables: usize, degree: usize, elements: usize) {
        self.prediction.degrees += variables * degree;
        self.add(Cost { rounds: variables, proof_elements: variables * degree + elements, ..Cost::default() });
    }
}

impl<S: Suite> Layers<S::Challenge> for Walk<S> {
    /// Length of the table.
    type Table = usize;
    type Error = String;

    fn tables(
        &mut self,
        plan: &Plan,
        node: &Node<S::Challenge>,
        split: &Split<S::Challenge>,
    ) -> Result<Vec<usize>, String> {
        let length = 1 << weights(plan, &split.along).len();
        #[cfg(feature = "prover")]
        for child in &split.children {
            self.add(super::operations::child::<S>(plan, node, &split.along, child));
        }
        #[cfg(not(feature = "prover"))]
        let _ = node;
        Ok(vec![length; split.children.len()])
    }

    fn product(
        &mut self,
        tables: &mut Vec<usize>,
        weights: &[Weight<S::Challenge>],
        value: S::Challenge,
    ) -> Result<(Vec<S::Challenge>, [S::Challenge; 2]), String> {
        let length = tables.pop().unwrap_or(0);
        self.add(Cost { ext_mul: (length * tables.len().saturating_sub(1)) as f64, ..Cost::default() });
        #[cfg(feature = "prover")]
        self.add(super::operations::product_rounds::<S>(self.form, weights));
        self.rounds(weights.len(), 2, 2);
        if self.form == Form::Square {
            self.rounds(1, 2, 0);
        }
        Ok((vec![S::Challenge::ZERO; weights.len()], [value; 2]))
    }

    fn power(&mut self, plan: &Plan, node: &Node<S::Challenge>) -> Result<(Vec<S::Challenge>, S::Challenge), String> {
        let weights = weights(plan, &node.axes);
        #[cfg(feature = "prover")]
        self.add(super::operations::power::<S>(plan, node, &weights));
        self.rounds(weights.len(), node.power(plan), 1);
        Ok((vec![S::Challenge::ZERO; weights.len()], S::Challenge::ZERO))
    }
}

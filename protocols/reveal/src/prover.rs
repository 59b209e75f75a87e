//! The prover half: it sends the witness.

use zkml_core::{Claim, Instance, LayerProver, ProveError, ProverTranscript, Relation, Suite, TensorId, Witness};
use zkml_device::{Column, Device, count};

use crate::{Reveal, claim_on, encodings, recompute, refusal, revealed};

impl<S: Suite> LayerProver<S> for Reveal {
    fn advice(&self, _instance: &Instance<'_>, _witness: &Witness) -> Result<Vec<Column>, ProveError> {
        Ok(Vec::new())
    }

    fn prove(
        &self,
        instance: &Instance<'_>,
        witness: &Witness,
        _claim: Option<&Claim<S::Challenge>>,
        transcript: &mut ProverTranscript<S>,
        _device: &Device,
    ) -> Result<Vec<Claim<S::Challenge>>, ProveError> {
        refusal::<S>(instance)?;
        let scope = instance.relation.scope();
        let tensors = revealed(instance);
        let mut values = Vec::with_capacity(tensors.len());
        for &tensor in &tensors {
            values.push(witness.require(instance.program, tensor)?.to_i64());
        }
        check_rows(instance, &tensors, &values)?;
        let echo = transcript.challenge();
        transcript.write(&[echo]);
        for (encoding, values) in encodings::<S>(instance).unwrap_or_default().iter().zip(&values) {
            let bytes = encoding.encode(values).map_err(|value| ProveError::Unsatisfied {
                scope: scope.to_owned(),
                what: format!("the value {value} lies outside the tensor's bounds"),
            })?;
            transcript.write_bytes(&bytes);
        }
        let claims = tensors.iter().zip(&values).map(|(&tensor, values)| {
            let shape = instance.shape(tensor);
            let point = transcript.challenges(shape.variables());
            count::base_ext_mul(values.len());
            claim_on::<S>(tensor, &shape, point, values)
        });
        Ok(claims.collect())
    }
}

/// Refuses a lookup whose rows are not in the table.
fn check_rows(instance: &Instance<'_>, tensors: &[TensorId], values: &[Vec<i64>]) -> Result<(), ProveError> {
    let Relation::Lookup(lookup) = instance.relation else { return Ok(()) };
    let column = |tensor: TensorId| values.get(tensors.binary_search(&tensor).ok()?).map(Vec::as_slice);
    match recompute::missing_row(lookup, column) {
        None => Ok(()),
        Some((tuple, cell)) => Err(ProveError::Unsatisfied {
            scope: lookup.scope.clone(),
            what: format!("cell {cell} of tuple {tuple} is no row of table `{}`", lookup.table.name()),
        }),
    }
}

//! Every way in which a false relation can be accepted.

use zkml_core::{ErrorTerm, Instance, Relation, Suite};
use zkml_sumcheck::lookup::{self, Layout};

use crate::{Form, einsum};

/// Error terms of a relation; none if it is not supported.
pub(crate) fn terms<S: Suite>(form: Form, instance: &Instance<'_>) -> Vec<ErrorTerm> {
    let bits = S::challenge_bits();
    match instance.relation {
        Relation::Einsum(r) => {
            let Ok(prediction) = einsum::predict::<S>(form, instance, r) else { return Vec::new() };
            vec![ErrorTerm::over_field("logkr/rounds", prediction.degrees as f64, bits)]
        }
        Relation::Lookup(_) => {
            let Ok(layout) = Layout::new(instance) else { return Vec::new() };
            let depths = [layout.variables(), layout.table_variables()];
            let degrees: usize =
                depths.iter().map(|&depth| (0..depth).map(|k| layer_degree(form, k)).sum::<usize>()).sum();
            let mut terms = lookup::soundness("logkr", &layout, bits);
            terms.push(ErrorTerm::over_field("logkr/roots", 2.0, bits));
            terms.push(ErrorTerm::over_field("logkr/layers", degrees as f64, bits));
            terms
        }
        Relation::Affine(_) | Relation::View(_) => Vec::new(),
    }
}

/// Numerator of the error of a fraction layer with `k` variables: two per round (`k` x-rounds, b, and c of the square
/// form), one for the `λ` of the others.
fn layer_degree(form: Form, k: usize) -> usize {
    2 * k + 2 + if form == Form::Square { 2 } else { 1 }
}

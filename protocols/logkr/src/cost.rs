//! Predicted cost. Operations are the prover's, so they are predicted in builds with the prover half only; bytes and
//! rounds always.

use zkml_core::{Cost, Instance, Relation, Suite};
use zkml_sumcheck::lookup::Layout;

use crate::{Form, einsum};

/// Predicted cost of a relation; zero if it is not supported.
pub(crate) fn predict<S: Suite>(form: Form, instance: &Instance<'_>) -> Cost {
    match instance.relation {
        Relation::Einsum(r) => einsum::predict::<S>(form, instance, r).map(|p| p.cost).unwrap_or_default(),
        Relation::Lookup(_) => {
            let Ok(layout) = Layout::new(instance) else { return Cost::default() };
            let messages = lookup(form, &layout);
            #[cfg(feature = "prover")]
            let messages = messages.plus(operations::lookup::<S>(form, &layout));
            messages
        }
        Relation::Affine(_) | Relation::View(_) => Cost::default(),
    }
}

fn lookup(form: Form, layout: &Layout) -> Cost {
    let messages = |depth: usize| {
        let tail = if form == Form::Square { 5 } else { 4 };
        let rounds = if form == Form::Square { 2 } else { 1 };
        Cost {
            proof_elements: (0..depth).map(|k| 2 * k + tail).sum(),
            rounds: (0..depth).map(|k| k + rounds).sum(),
            ..Cost::default()
        }
    };
    let ends = Cost {
        proof_elements: 4 + layout.blocks().len() * layout.width(),
        committed_cells: 1 << layout.table_variables(),
        ..Cost::default()
    };
    ends.plus(messages(layout.variables())).plus(messages(layout.table_variables()))
}

/// Products that an eq table takes.
#[cfg(feature = "prover")]
pub(crate) fn eq_table<S: Suite>(variables: usize) -> usize {
    (1_usize << variables).saturating_sub(zkml_sumcheck::vector::lanes::<S>())
}

#[cfg(feature = "prover")]
mod operations {
    use zkml_core::{Cost, Suite};
    use zkml_sumcheck::lookup::Layout;

    use super::eq_table;
    use crate::Form;

    /// Products per gate of the x-rounds of an inner layer: two evaluations, four binds, and the fold of `m_0`.
    fn per_inner_gate(form: Form) -> (usize, usize) {
        match form {
            Form::Square => (2 * (4 + 1) + 4, 1),
            Form::HalfSquare => (2 * (4 + 2) + 4, 0),
            Form::Product => (2 * (2 + 1) + 4, 1),
        }
    }

    /// The same for the layer above witness leaves: two binds, no fold.
    fn per_leaf_gate(form: Form) -> usize {
        match form {
            Form::Square | Form::HalfSquare => 2 * (2 + 1) + 2,
            Form::Product => 2 * (1 + 1) + 2,
        }
    }

    /// The layers with `0 .. depth` variables whose children are stored, and the products that built them.
    fn inner_layers<S: Suite>(form: Form, depth: usize) -> usize {
        let (round, fold) = per_inner_gate(form);
        (0..depth)
            .map(|k| {
                let gates = 1_usize << k;
                gates * (fold + 3) + (gates - 1) * round + eq_table::<S>(k.saturating_sub(1))
            })
            .sum()
    }

    pub(super) fn lookup<S: Suite>(form: Form, layout: &Layout) -> Cost {
        let (n, t) = (layout.variables(), layout.table_variables());
        let (leaves, width) = (layout.leaves(), layout.width());
        let mut ext = inner_layers::<S>(form, t);
        if n > 0 {
            let half = 1_usize << (n - 1);
            ext += inner_layers::<S>(form, n - 1);
            ext += (leaves - half) + (half - 1) * per_leaf_gate(form) + eq_table::<S>(n.saturating_sub(2));
        }
        let fingerprints = (width - 1) * (2 * leaves + (1 << t));
        Cost { ext_mul: ext as f64, base_ext_mul: (fingerprints + width * leaves) as f64, ..Cost::default() }
    }
}

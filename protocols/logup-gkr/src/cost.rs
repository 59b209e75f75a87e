//! Predicted work and error terms.

use zkml_core::{Cost, ErrorTerm};
use zkml_sumcheck::lookup::{self, Layout};

use crate::ID;

/// Operations, elements and rounds (the derivation is the cost table of `papers/logup-gkr.md`).
pub(crate) fn cost(layout: &Layout) -> Cost {
    let (leaves, width) = (layout.leaves() as f64, layout.width() as f64);
    let rows = (layout.table_variables() as f64).exp2();
    let (witness_depth, table_depth) = (layout.variables(), layout.table_variables());
    let depth = witness_depth.max(table_depth);
    let values = layout.blocks().len() * layout.width();
    Cost {
        ext_mul: witness_tree(layout) + table_tree(layout) + (1..depth).map(eq_tables).sum::<f64>(),
        // Fingerprints (twice on the witness side, where the first power of β is free once) and closing.
        base_ext_mul: leaves * ((width - 1.0) + width + width) + rows * (width - 1.0),
        proof_elements: 4
            + depth * depth.saturating_sub(1)
            + children(witness_depth, 2)
            + children(table_depth, 4)
            + values,
        proof_bytes: 0,
        rounds: depth * depth.saturating_sub(1) / 2,
        committed_cells: 1 << table_depth,
        ..Cost::default()
    }
}

/// Children values of a tree whose leaf layer sends `last`.
fn children(depth: usize, last: usize) -> usize {
    if depth == 0 { 0 } else { 4 * (depth - 1) + last }
}

/// Products of a tree layer of `2^k` gates: 3 per gate to build it, then the fold by λ and 10 per pair and round.
fn gates(k: usize) -> f64 {
    let gates = (k as f64).exp2();
    if k == 0 { 3.0 } else { 3.0 * gates + gates + 10.0 * (gates - 1.0) }
}

/// Products for the equality tables of layer `k`, split into an inner table of up to `2^9` entries (64 packs of eight)
/// and an outer one.
fn eq_tables(k: usize) -> f64 {
    let inner = (k - 1).min(9);
    (inner as f64).exp2() + ((k - 1 - inner) as f64).exp2() - 2.0
}

fn table_tree(layout: &Layout) -> f64 {
    (0..layout.table_variables()).map(gates).sum()
}

/// The leaf layer of `half` gates, `paired` of which have two stored children: 1 to build each of these; then,
/// per round and pair, one bind per stored column and 1 or 2 × (gate + eq).
fn witness_tree(layout: &Layout) -> f64 {
    let Some(inner) = layout.variables().checked_sub(1) else { return 0.0 };
    let (half, mut stored) = (1_usize << inner, layout.leaves() - (1 << inner));
    let mut total = stored as f64;
    let mut length = half;
    while length > 1 {
        length /= 2;
        let products = stored.min(length);
        total += 4.0 * products as f64 + (length - products) as f64;
        total += (length + stored.min(length)) as f64;
        stored = stored.min(length);
    }
    total + (0..inner).map(gates).sum::<f64>()
}

/// The errors of the identity, of the layers and of their rounds.
pub(crate) fn soundness(layout: &Layout, challenge_bits: f64) -> Vec<ErrorTerm> {
    let (witness, table) = (layout.variables() as f64, layout.table_variables() as f64);
    let depth = witness.max(table);
    let term = |name: &str, numerator| ErrorTerm::over_field(format!("{ID}/{name}"), numerator, challenge_bits);
    let mut terms = lookup::soundness(ID, layout, challenge_bits);
    terms.push(term("rounds", depth * (depth - 1.0)));
    terms.push(term("lambda", depth));
    terms.push(term("rho", witness.min(table)));
    terms.push(term("merge", depth));
    terms
}

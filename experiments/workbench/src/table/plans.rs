//! The tables of `workbench plan`.

use std::collections::BTreeMap;

use zkml_core::Cost;

use super::cell::dims;
use super::{bits, count, soundness, table, unsupported};
use crate::progress::duration;
use zkml_engine::plan::{CellPlan, Plans, grouped_terms};
use zkml_results::record::{LayerRecord, SlotRecord};

/// The plan: one row per cell; of a single cell, or with `details`, layer by layer. `earlier` has seconds of cells by label.
pub(crate) fn plans(plans: &Plans, earlier: &BTreeMap<String, f64>, details: bool) -> String {
    let all = plans.cells.len();
    let mut parts = vec![format!("{}: {all} {}", plans.experiment, if all == 1 { "cell" } else { "cells" })];
    if all > 1 {
        parts.push(overview(plans, earlier));
    }
    for (i, plan) in plans.cells.iter().enumerate().filter(|_| all == 1 || details) {
        parts.push(format!("\ncell {} of {all} ({}): {}", i + 1, plan.id, plan.label));
        parts.push(layers(plan));
        if details {
            parts.push(relations(plan));
        }
        parts.push(format!("  soundness: {}; the largest terms:", soundness(&plan.soundness)));
        for (term, term_bits) in grouped_terms(&plan.soundness).into_iter().take(8) {
            parts.push(format!("    {:>7}  {term}", format!("{term_bits:.1}")));
        }
        if let (1, Some(seconds)) = (all, earlier.get(&plan.label)) {
            parts.push(format!("  time of this cell in an earlier run: {}", duration(*seconds)));
        }
    }
    if !plans.unsupported.is_empty() {
        parts.push(format!("\n{}", unsupported(&plans.unsupported, all)));
    }
    parts.join("\n")
}

/// One row per cell, and how long all of them took before.
fn overview(plans: &Plans, earlier: &BTreeMap<String, f64>) -> String {
    let axes = plans.cells.first().map_or(&[][..], |plan| plan.point.as_slice());
    let mut header: Vec<&str> = axes.iter().map(|(path, _)| path.as_str()).collect();
    header.extend(["operations", "proof bytes", "committed", "soundness", "earlier", "cell"]);
    let mut table = table(&header);
    for plan in &plans.cells {
        let weak = if plan.soundness.bits < f64::from(plan.soundness.wanted) { ", WEAK" } else { "" };
        let mut row: Vec<String> = plan.point.iter().map(|(_, value)| value.clone()).collect();
        row.extend([
            count(plan.predicted.ext_equivalents()),
            plan.relations.iter().map(|r| r.proof_bytes).sum::<usize>().to_string(),
            plan.committed_cells.to_string(),
            format!("{}{weak}", bits(plan.soundness.bits)),
            earlier.get(&plan.label).map_or_else(String::new, |seconds| duration(*seconds)),
            plan.id.clone(),
        ]);
        table.add_row(row);
    }
    let known: Vec<f64> = plans.cells.iter().filter_map(|plan| earlier.get(&plan.label).copied()).collect();
    let time = match known.len() {
        0 => String::new(),
        n => format!("\n  {n} of {} cells ran before, in {} together", plans.cells.len(), duration(known.iter().sum())),
    };
    format!(
        "{table}\n  predicted: operations in products of challenge-field elements, proof bytes before the opening; earlier: the \
         whole cell in an earlier run, set-up and checks included; --details: every layer{time}"
    )
}

/// Layer, slot, protocol, and what that is predicted to cost; and the sums.
fn layers(plan: &CellPlan) -> String {
    let header =
        ["layer", "kernel", "output", "slot", "protocol", "relations", "operations", "proof bytes", "committed"];
    let mut table = table(&header);
    let (mut free, mut relations, mut bytes) = (0, 0, 0);
    for layer in &plan.layers {
        free += layer.slots.iter().filter(|s| is_free(s)).map(|s| s.relations).sum::<usize>();
        relations += layer.slots.iter().map(|s| s.relations).sum::<usize>();
        bytes += layer.slots.iter().map(|s| s.proof_bytes).sum::<usize>();
        let costly: Vec<&SlotRecord> = layer.slots.iter().filter(|s| !is_free(s)).collect();
        let mut first = [layer.name.clone(), layer.kernel.clone(), dims(&layer.shape)];
        let mut committed = layer.committed_cells;
        if costly.is_empty() {
            table.add_row(first.into_iter().chain(own_columns(plan, layer, committed)));
            continue;
        }
        for slot in costly {
            let row = [
                slot.slot.clone(),
                protocol(slot),
                slot.relations.to_string(),
                count(slot.cost.ext_equivalents()),
                slot.proof_bytes.to_string(),
                (committed + slot.cost.committed_cells).to_string(),
            ];
            table.add_row(std::mem::take(&mut first).into_iter().chain(row));
            committed = 0;
        }
    }
    let sums = [relations.to_string(), count(plan.predicted.ext_equivalents()), bytes.to_string()];
    let total = ["total", "", "", "", ""].map(str::to_owned).into_iter();
    table.add_row(total.chain(sums).chain([plan.committed_cells.to_string()]));
    format!(
        "{table}\n  operations in products of challenge-field elements; proof bytes before the opening; committed cells per \
         proof, those of a layer in its first row{}\n  relations: {free} of them affine, built in and almost free; weights: \
         {} cells, committed once",
        groups(&plan.predicted),
        plan.fixed_cells
    )
}

/// What the table's operations leave out.
fn groups(cost: &Cost) -> String {
    if cost.pairings == 0.0 {
        return String::new();
    }
    let [first, second, pairings] = [cost.first_terms, cost.second_terms, cost.pairings].map(count);
    format!("\n  beside them: {first} multiples in G1, {second} in G2, {pairings} pairings")
}

/// Affine relations are not worth a row.
fn is_free(slot: &SlotRecord) -> bool {
    slot.slot == "affine"
}

/// What is left of the row of a layer without costly relations of its own.
fn own_columns(plan: &CellPlan, layer: &LayerRecord, committed: usize) -> [String; 6] {
    let shared = |l: &&LayerRecord| l.slots.iter().any(|slot| slot.shared_with.contains(&layer.name));
    let with = plan.layers.iter().find(shared).map(|l| format!("with {}", l.name));
    let free: usize = layer.slots.iter().map(|s| s.relations).sum();
    let [none, zero] = [String::new(), "0".to_owned()];
    [none, with.unwrap_or_else(|| "built in".to_owned()), free.to_string(), zero.clone(), zero, committed.to_string()]
}

/// The protocol, and for how many layers.
fn protocol(slot: &SlotRecord) -> String {
    match slot.shared_with.as_slice() {
        [] => slot.protocol.clone(),
        [other] => format!("{}, also for {other}", slot.protocol),
        others => format!("{}, also for {} layers", slot.protocol, others.len()),
    }
}

fn relations(plan: &CellPlan) -> String {
    let mut table = table(&["relation", "kind", "protocol", "operations", "proof bytes", "committed", "what"]);
    for relation in plan.relations.iter().filter(|r| r.kind != "affine") {
        let cost = &relation.cost;
        table.add_row([
            relation.scope.clone(),
            relation.kind.clone(),
            relation.protocol.clone(),
            count(cost.ext_equivalents()),
            relation.proof_bytes.to_string(),
            cost.committed_cells.to_string(),
            relation.detail.clone(),
        ]);
    }
    table.to_string()
}

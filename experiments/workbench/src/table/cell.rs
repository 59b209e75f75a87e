//! The tables of one cell.

use std::collections::BTreeSet;

use super::{count, millis, size, soundness, table};
use zkml_results::record::{CellRecord, Measured, PhaseSummary, StepSummary};
use zkml_results::record::{LayerRecord, owners};

/// Phases of a proof in the order of the tables.
const PHASES: &[(&str, &str)] = &[
    ("forward", "forward pass"),
    ("commit", "commit"),
    ("lookups", "lookups"),
    ("einsums", "einsums"),
    ("opening", "opening"),
    ("other", "other"),
    ("prove", "total prove"),
    ("inference", "plain inference"),
    ("verify", "verify"),
    ("verify process", "verify, whole process"),
];

/// All tables of a cell. A network of several layers is shown layer by layer; its steps are details.
pub(super) fn tables(record: &CellRecord, details: bool) -> String {
    let Some(measured) = &record.measured else { return String::new() };
    let many = measured.layers.len() > 1;
    let parts = [
        Some(phases(measured)),
        many.then(|| layers(measured)),
        (details || !many).then(|| steps(measured)),
        Some(facts(record, measured)),
    ];
    parts.into_iter().flatten().collect::<Vec<_>>().join("\n")
}

/// Time, proof bytes and error by layer. Lookups that were merged across layers have a row of their own.
fn layers(measured: &Measured) -> String {
    let mut table = table(&["layer", "kernel", "output", "lookups", "einsums", "proof bytes", "share", "error"]);
    let total = measured.proof_bytes.max(1) as f64;
    let errors = measured.evaluation.as_ref().map_or(&measured.layer_accuracy, |e| &e.layers);
    let mut row = |first: [String; 3], own: &dyn Fn(&str) -> bool, error: String| {
        let time = |phase: &str| {
            let steps = measured.steps.iter().filter(|s| s.phase == phase && own(&s.scope));
            Some(steps.map(|s| s.times.wall.median).sum()).filter(|t| *t > 0.0).map_or_else(String::new, millis)
        };
        let bytes: usize = measured.proof_scopes.iter().filter(|(scope, _)| own(scope)).map(|(_, bytes)| bytes).sum();
        table.add_row(first.into_iter().chain([
            time("lookups"),
            time("einsums"),
            bytes.to_string(),
            percent(bytes, total),
            error,
        ]));
    };
    for layer in &measured.layers {
        let LayerRecord { name, kernel, shape, .. } = layer;
        let error =
            errors.iter().find(|e| e.layer == *name).map_or_else(String::new, |e| format!("{:.2}", e.max_steps));
        row([name.clone(), kernel.clone(), dims(shape)], &|scope| owners(scope) == [name], error);
    }
    if measured.steps.iter().any(is_shared) {
        row(
            ["lookups of several layers".to_owned(), String::new(), String::new()],
            &|scope| owners(scope).len() > 1,
            String::new(),
        );
    }
    for scope in global_scopes(measured) {
        row([scope.to_owned(), String::new(), String::new()], &|s| owners(s) == [scope], String::new());
    }
    let inputs =
        measured.evaluation.as_ref().map_or_else(|| "the input".to_owned(), |e| format!("{} held-out inputs", e.rows));
    format!("{table}\n  error: largest deviation from the float network over {inputs}, in steps of the layer's output")
}

/// Scopes of messages that belong to no layer, such as openings.
fn global_scopes(measured: &Measured) -> Vec<&str> {
    let mut scopes: Vec<&str> = Vec::new();
    for (scope, _) in &measured.proof_scopes {
        if let [one] = owners(scope)[..]
            && !measured.layers.iter().any(|layer| layer.name == one)
            && !scopes.contains(&one)
        {
            scopes.push(one);
        }
    }
    scopes
}

fn is_shared(step: &StepSummary) -> bool {
    owners(&step.scope).len() > 1
}

/// `1 x 16 x 28 x 28`.
pub(super) fn dims(shape: &[usize]) -> String {
    shape.iter().map(ToString::to_string).collect::<Vec<_>>().join(" x ")
}

fn phases(measured: &Measured) -> String {
    let mut table = table(&["phase", "wall", "+-", "cpu", "samples"]);
    let mut once = |name: &str, wall: f64, cpu: f64| {
        table.add_row([name.to_owned(), millis(wall), String::new(), millis(cpu), "1".to_owned()]);
    };
    once("import, lower, plan", measured.import.wall, measured.import.cpu);
    once("keys", measured.keys.wall, measured.keys.cpu);
    for (key, shown) in PHASES {
        if let Some(PhaseSummary { wall, cpu }) = measured.phases.get(*key) {
            let cpu = if *key == "verify process" { String::new() } else { millis(cpu.median) };
            table.add_row([
                (*shown).to_owned(),
                millis(wall.median),
                millis(wall.spread),
                cpu,
                wall.samples.to_string(),
            ]);
        }
    }
    format!("{table}\n  median and median absolute deviation")
}

/// Time, proof bytes and operations per step. Affine relations, which cost next to nothing, are one row.
fn steps(measured: &Measured) -> String {
    let counting = measured.counted.is_some();
    let header = ["step", "phase", "wall", "proof bytes", "share", "predicted", "counted", "counted / predicted"];
    let mut table = table(if counting { &header[..] } else { &header[..6] });
    let total = measured.proof_bytes.max(1) as f64;
    let mut affine = (0.0, 0);
    let mut named = 0;
    let mut seen = BTreeSet::new();
    for step in &measured.steps {
        let bytes = if seen.insert(&step.scope) { scopes_of(measured, &step.scope) } else { 0 };
        named += bytes;
        if step.scope.ends_with("/affine") {
            affine = (affine.0 + step.times.wall.median, affine.1 + bytes);
            continue;
        }
        let predicted = predicted(measured, &step.scope);
        let mut row = vec![step.scope.clone(), step.phase.clone(), millis(step.times.wall.median)];
        row.extend([bytes.to_string(), percent(bytes, total), predicted.map_or_else(String::new, count)]);
        if let Some(predicted) = predicted.filter(|_| counting) {
            let counted = step.operations.ext_equivalents();
            row.extend([count(counted), format!("{:.3}", counted / predicted)]);
        }
        table.add_row(row);
    }
    if affine.1 > 0 {
        let row = ["affine relations", "einsums"].map(str::to_owned).into_iter();
        table.add_row(row.chain([millis(affine.0), affine.1.to_string(), percent(affine.1, total), String::new()]));
    }
    let rest = measured.proof_bytes.saturating_sub(named);
    let row = ["header", "", ""].map(str::to_owned).into_iter();
    table.add_row(row.chain([rest.to_string(), percent(rest, total), String::new()]));
    format!("{table}\n  predicted and counted: operations in units of one product of challenge-field elements")
}

/// Bytes of a step's scope and all scopes in it. Several steps can share a label: count it at the first of them.
fn scopes_of(measured: &Measured, label: &str) -> usize {
    let inside = |scope: &str| scope == label || scope.strip_prefix(label).is_some_and(|rest| rest.starts_with('/'));
    measured.proof_scopes.iter().filter(|(scope, _)| inside(scope)).map(|(_, bytes)| bytes).sum()
}

/// The predicted operations of a step's relation, if it has a protocol.
fn predicted(measured: &Measured, label: &str) -> Option<f64> {
    let (scope, _) = label.rsplit_once('/')?;
    let relation = measured.relations.iter().find(|r| r.scope == scope)?;
    Some(relation.cost.ext_equivalents()).filter(|n| *n > 0.0)
}

fn percent(bytes: usize, total: f64) -> String {
    format!("{:.1} %", 100.0 * bytes as f64 / total)
}

fn facts(record: &CellRecord, measured: &Measured) -> String {
    let mut table = table(&["", ""]);
    let mut row = |name: &str, value: String| {
        table.add_row([name.to_owned(), value]);
    };
    row("soundness", soundness(&measured.soundness));
    row("committed cells per proof", measured.committed_cells.to_string());
    row("proof", size(measured.proof_bytes as f64));
    row("verifying key", size(measured.verifying_key_bytes as f64));
    row("public values", size(measured.public_bytes as f64));
    if let Some(bytes) = measured.peak_memory_bytes {
        row("peak memory, prover", size(bytes as f64));
    }
    if let Some(bytes) = measured.verifications.iter().filter_map(|v| v.peak_memory_bytes).max() {
        row("peak memory, verifier", size(bytes as f64));
    }
    let accuracy = measured.accuracy;
    let steps = format!("max {:.3}, mean {:.4} output steps", accuracy.max_steps, accuracy.mean_steps);
    row("error against float", steps);
    if let Some(overhead) = record.metrics.get("overhead") {
        row("overhead (prove / plain inference)", format!("{overhead:.0} x"));
    }
    row("tampered copies rejected", measured.tampered.len().to_string());
    table.to_string()
}

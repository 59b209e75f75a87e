//! Tables for people.

use std::collections::BTreeSet;

use comfy_table::presets::UTF8_FULL_CONDENSED;
use comfy_table::{CellAlignment, ContentArrangement, Table};

use crate::environment::Environment;
use crate::plan::{CellPlan, grouped_terms};
use crate::record::{CellRecord, Measured, PhaseSummary, Soundness, Status};

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

fn table(header: &[&str]) -> Table {
    let mut table = Table::new();
    table.load_style(UTF8_FULL_CONDENSED).set_content_arrangement(ContentArrangement::Dynamic).set_header(header);
    for column in table.column_iter_mut().skip(1) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table
}

/// A table of texts.
pub(crate) fn plain(header: &[&str], rows: Vec<Vec<String>>) -> String {
    let mut table = table(header);
    table.add_rows(rows);
    table.to_string()
}

/// Everything about a finished run: one block of tables per cell if there are few, and the comparison.
pub(crate) fn report(name: &str, environment: &Environment, records: &[CellRecord]) -> String {
    let mut parts = vec![format!(
        "{name}: {} of {} cells ok | {} | {} threads | {} build | executable {}",
        records.iter().filter(|r| r.status == Status::Ok).count(),
        records.len(),
        environment.cpu,
        environment.threads,
        environment.profile,
        environment.executable.get(..12).unwrap_or_default(),
    )];
    if environment.opt_level != "3" {
        let level = &environment.opt_level;
        parts.push(format!("note: built at optimisation level {level}; measure with `cargo run --release`"));
    }
    if let [only] = records {
        parts.push(cell(only));
    } else {
        parts.push(comparison(records));
    }
    for record in records.iter().filter(|r| r.status != Status::Ok) {
        parts.push(format!("{} {}: {}", record.status.word(), label(record), reason(record)));
    }
    for record in records {
        for violation in &record.violations {
            let value = violation.value.map_or_else(|| "not measured".to_owned(), |v| format!("{v:.3}"));
            let bound = |b: Option<f64>, word: &str| b.map_or_else(String::new, |b| format!(" {word} {b}"));
            let limits = bound(violation.limits.min, "min") + &bound(violation.limits.max, "max");
            parts.push(format!("CHECK VIOLATED {}: {} is {value}, allowed:{limits}", label(record), violation.metric));
        }
    }
    parts.join("\n")
}

fn label(record: &CellRecord) -> String {
    let parts: Vec<String> = record.point.iter().map(|(path, value)| format!("{path}={value}")).collect();
    if parts.is_empty() { "single cell".to_owned() } else { parts.join(" ") }
}

fn reason(record: &CellRecord) -> &str {
    record.reason.as_deref().unwrap_or("no reason was given")
}

/// The outcome of a cell in a line.
pub(crate) fn one_line(record: &CellRecord) -> String {
    let metric = |name: &str| record.metrics.get(name).copied();
    match (record.status, metric("prove_ms"), metric("verify_ms"), metric("proof_bytes")) {
        (Status::Ok, Some(prove), Some(verify), Some(bytes)) => {
            format!("ok, prove {}, verify {}, proof {}", millis(prove / 1e3), millis(verify / 1e3), size(bytes))
        }
        (Status::Ok, ..) => "ok".to_owned(),
        (status, ..) => format!("{}: {}", status.word(), reason(record)),
    }
}

fn cell(record: &CellRecord) -> String {
    let Some(measured) = &record.measured else { return String::new() };
    [phases(measured), steps(measured), facts(record, measured)].join("\n")
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

fn soundness(soundness: &Soundness) -> String {
    let weak = if soundness.bits < f64::from(soundness.wanted) { ", WEAK" } else { "" };
    format!("{} ({}{weak})", bits(soundness.bits), soundness.regime)
}

/// One row per cell.
fn comparison(records: &[CellRecord]) -> String {
    let axes: Vec<&str> = records.first().map_or_else(Vec::new, |r| r.point.iter().map(|(p, _)| p.as_str()).collect());
    let mut header = axes;
    header.extend([
        "status", "commit", "lookups", "einsums", "opening", "prove", "+-", "cpu", "verify", "proof", "key", "memory",
        "bits", "error", "overhead",
    ]);
    let mut table = table(&header);
    for record in records {
        let mut row: Vec<String> = record.point.iter().map(|(_, value)| value.clone()).collect();
        row.push(if record.weak { format!("{}, weak", record.status.word()) } else { record.status.word().to_owned() });
        if let Some(measured) = &record.measured {
            row.extend(compared(record, measured));
        }
        table.add_row(row);
    }
    format!(
        "{table}\n  wall times: medians; +-: median absolute deviation of prove; cpu: of prove; error: largest, in output steps"
    )
}

fn compared(record: &CellRecord, measured: &Measured) -> Vec<String> {
    let phase = |name: &str| measured.phases.get(name).copied().unwrap_or_default();
    let mut row: Vec<String> =
        ["commit", "lookups", "einsums", "opening", "prove"].iter().map(|p| millis(phase(p).wall.median)).collect();
    row.extend([
        millis(phase("prove").wall.spread),
        millis(phase("prove").cpu.median),
        millis(phase("verify").wall.median),
        size(measured.proof_bytes as f64),
        size(measured.verifying_key_bytes as f64),
        measured.peak_memory_bytes.map_or_else(String::new, |b| size(b as f64)),
        bits(measured.soundness.bits),
        format!("{:.3}", measured.accuracy.max_steps),
        record.metrics.get("overhead").map_or_else(String::new, |o| format!("{o:.0} x")),
    ]);
    row
}

/// The tables of `workbench plan`.
pub(crate) fn plans(name: &str, plans: &[CellPlan]) -> String {
    let mut parts = vec![format!("{name}: {} cells", plans.len())];
    for (i, plan) in plans.iter().enumerate() {
        parts.push(format!("\ncell {} of {} ({}): {}", i + 1, plans.len(), plan.id, plan.label));
        let mut table = table(&["relation", "kind", "protocol", "operations", "proof elements", "committed", "what"]);
        for relation in plan.relations.iter().filter(|r| r.kind != "affine") {
            let cost = &relation.cost;
            table.add_row([
                relation.scope.clone(),
                relation.kind.clone(),
                relation.protocol.clone(),
                count(cost.ext_equivalents()),
                cost.proof_elements.to_string(),
                cost.committed_cells.to_string(),
                relation.detail.clone(),
            ]);
        }
        let affine = plan.relations.iter().filter(|r| r.kind == "affine").count();
        parts.push(format!("{table}\n  and {affine} affine relations, built in and almost free"));
        parts.push(format!(
            "  predicted: {} operations (in products of challenge-field elements), {} proof elements before the opening, \
             {} committed cells, {} fixed cells",
            count(plan.predicted.ext_equivalents()),
            plan.predicted.proof_elements,
            plan.committed_cells,
            plan.fixed_cells
        ));
        parts.push(format!("  soundness: {}; the largest terms:", soundness(&plan.soundness)));
        for (term, term_bits) in grouped_terms(&plan.soundness).into_iter().take(8) {
            parts.push(format!("    {:>7}  {term}", format!("{term_bits:.1}")));
        }
    }
    parts.join("\n")
}

fn bits(value: f64) -> String {
    if value.is_finite() { format!("{value:.1} bits") } else { "no error".to_owned() }
}

/// Seconds with three digits.
fn millis(seconds: f64) -> String {
    match seconds {
        s if s >= 100.0 => format!("{s:.0} s"),
        s if s >= 1.0 => format!("{s:.2} s"),
        s if s >= 0.1 => format!("{:.0} ms", s * 1e3),
        s if s >= 0.001 => format!("{:.2} ms", s * 1e3),
        s => format!("{:.1} us", s * 1e6),
    }
}

/// Bytes with a binary unit.
fn size(bytes: f64) -> String {
    match bytes {
        b if b >= f64::from(1 << 20) => format!("{:.1} MiB", b / f64::from(1 << 20)),
        b if b >= 10_240.0 => format!("{:.1} KiB", b / 1024.0),
        b => format!("{b} B"),
    }
}

fn count(operations: f64) -> String {
    match operations {
        n if n >= 1e9 => format!("{:.2} G", n / 1e9),
        n if n >= 1e6 => format!("{:.2} M", n / 1e6),
        n if n >= 1e4 => format!("{:.1} k", n / 1e3),
        n => format!("{n:.0}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_carry_units() {
        assert_eq!(
            [millis(0.012_345), millis(2.0), millis(0.000_5), millis(0.25)],
            ["12.35 ms", "2.00 s", "500.0 us", "250 ms"]
        );
        assert_eq!([size(512.0), size(20_480.0), size(3_145_728.0)], ["512 B", "20.0 KiB", "3.0 MiB"]);
        assert_eq!([count(12.0), count(12_345.0), count(1.5e9)], ["12", "12.3 k", "1.50 G"]);
    }

    #[test]
    fn a_cell_without_numbers_shows_its_reason_and_no_number() {
        let record =
            CellRecord { status: Status::Invalid, reason: Some("tampered".to_owned()), ..CellRecord::default() };
        assert_eq!(one_line(&record), "INVALID: tampered");
        let shown = report("t", &Environment::collect(), &[record.clone(), record]);
        assert!(shown.contains("INVALID single cell: tampered") && !shown.contains(" ms"), "{shown}");
    }
}

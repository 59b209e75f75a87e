//! The tables with several rows per cell.

use zkml_results::clock::Time;
use zkml_results::record::{
    CellRecord, LayerRecord, Measured, RelationRecord, SlotRecord, Status, StepSummary, owners,
};

use super::Table;
use super::cells::keys;
use super::column::{Columns, Unit};

/// One observation of a cell that is ok.
struct Row<'a, T> {
    record: &'a CellRecord,
    measured: &'a Measured,
    item: T,
}

/// The observations of all cells that are ok, in order.
fn rows<'a, T>(records: &'a [CellRecord], items: impl Fn(&'a Measured) -> Vec<T>) -> Vec<Row<'a, T>> {
    let ok = records.iter().filter(|record| record.status == Status::Ok);
    let measured = ok.filter_map(|record| Some((record, record.measured.as_ref()?)));
    measured
        .flat_map(|(record, measured)| items(measured).into_iter().map(move |item| Row { record, measured, item }))
        .collect()
}

fn table<T>(
    name: &'static str,
    about: &'static str,
    rows: &[Row<'_, T>],
    define: impl Fn(&mut Columns<'_, Row<'_, T>>),
) -> Table {
    let mut columns = Columns::of(rows);
    keys(&mut columns, |row| row.record);
    define(&mut columns);
    Table { name, about, columns: columns.done() }
}

/// All of them.
pub(super) fn tables(records: &[CellRecord]) -> Vec<Table> {
    vec![samples(records), steps(records), relations(records), scopes(records), layers(records)]
}

struct Sample {
    number: usize,
    phase: String,
    wall: f64,
    cpu: Option<f64>,
}

fn samples(records: &[CellRecord]) -> Table {
    let about = "One row per phase of every measured proof, and per run of plain inference and of the verifier.";
    table("samples", about, &rows(records, all_samples), |columns| {
        columns.integer(
            "sample",
            Unit::Count,
            "Number of the sample, from 0, within its kind: proofs, inferences, verifications.",
            |row| Some(row.item.number),
        );
        columns.text("phase", "`prove` is a whole proof; `forward`, `commit`, `lookups`, `einsums`, `opening` and `other` are its parts; `inference` is plain integer inference; `verify` is a verification inside its process, `verify process` with the process's start.", |row| Some(row.item.phase.clone()));
        columns.number("wall_ms", Unit::Milliseconds, "Wall time.", |row| Some(row.item.wall * 1e3));
        columns
            .number("cpu_ms", Unit::Milliseconds, "CPU time of all threads.", |row| row.item.cpu.map(|cpu| cpu * 1e3));
    })
}

fn all_samples(measured: &Measured) -> Vec<Sample> {
    let sample = |number: usize, phase: &str, time: Time| Sample {
        number,
        phase: phase.to_owned(),
        wall: time.wall,
        cpu: Some(time.cpu),
    };
    let mut samples = Vec::new();
    for (number, proof) in measured.proofs.iter().enumerate() {
        samples.push(sample(number, "prove", proof.total));
        samples.extend(proof.phases.iter().map(|(phase, time)| sample(number, phase, *time)));
    }
    samples.extend(measured.inference.iter().enumerate().map(|(number, time)| sample(number, "inference", *time)));
    for (number, verification) in measured.verifications.iter().enumerate() {
        samples.push(sample(number, "verify", verification.inside));
        samples.push(Sample { number, phase: "verify process".to_owned(), wall: verification.process, cpu: None });
    }
    samples
}

/// The relation that a step or a message belongs to: the longest whose scope is a beginning of its scope.
fn relation(measured: &Measured, scope: &str) -> Option<String> {
    let inside = |relation: &&RelationRecord| {
        scope.strip_prefix(relation.scope.as_str()).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    };
    measured.relations.iter().filter(inside).map(|r| &r.scope).max_by_key(|scope| scope.len()).cloned()
}

/// The layers that a scope belongs to, with `+` between them; none for what belongs to the whole proof.
fn layer(measured: &Measured, scope: &str) -> Option<String> {
    let known = |name: &str| {
        measured.layers.iter().any(|layer| layer.name == name)
            || measured.relations.iter().any(|relation| owners(&relation.scope).contains(&name))
    };
    let names: Vec<&str> = owners(scope).into_iter().filter(|name| known(name)).collect();
    (!names.is_empty()).then(|| names.join("+"))
}

const LAYER: &str = "The layer it belongs to; several, with `+` between them, if their lookups were merged; none for commitments and openings.";
const RELATION: &str = "Scope of the relation it belongs to, as in `relations`; none for commitments and openings.";
const COUNTED: &str = "in one proof; only in a build that counts (`--features count-ops`).";

fn steps(records: &[CellRecord]) -> Table {
    let about = "One row per step of proving: medians over the measured proofs, and counted operations.";
    let rows = rows(records, |measured| measured.steps.iter().collect());
    table("steps", about, &rows, |columns| {
        columns.text("phase", "`commit`, `lookups`, `einsums` or `opening`.", |row| Some(row.item.phase.clone()));
        columns.text("scope", "Scope of the step: relation and protocol.", |row| Some(row.item.scope.clone()));
        columns.text("layer", LAYER, |row| layer(row.measured, &row.item.scope));
        columns.text("relation", RELATION, |row| relation(row.measured, &row.item.scope));
        let mut time = |name: &str, about: &str, get: fn(&StepSummary) -> f64| {
            columns.number(name, Unit::Milliseconds, about, |row| Some(get(row.item) * 1e3));
        };
        time("wall_ms", "Median wall time.", |step| step.times.wall.median);
        time("wall_mad_ms", "Median absolute deviation of the wall time.", |step| step.times.wall.spread);
        time("cpu_ms", "Median CPU time of all threads.", |step| step.times.cpu.median);
        time("cpu_mad_ms", "Median absolute deviation of the CPU time.", |step| step.times.cpu.spread);
        let mut counted = |name: &str, unit: Unit, what: &str, get: fn(&StepSummary) -> u64| {
            let about = format!("{what} {COUNTED}");
            columns.integer(name, unit, &about, |row| row.measured.counted.map(|_| get(row.item) as usize));
        };
        counted("ext_mul", Unit::Products, "Challenge-field multiplications, squarings included,", |s| {
            s.operations.ext_mul
        });
        counted(
            "base_ext_mul",
            Unit::Products,
            "Multiplications of base-field elements or small integers by challenge-field elements,",
            |s| s.operations.base_ext_mul,
        );
        counted("base_mul", Unit::Products, "Base-field multiplications", |s| s.operations.base_mul);
        counted(
            "first_terms",
            Unit::Count,
            "Terms of multi-scalar multiplications in the pairing's first source group",
            |s| s.operations.first_terms,
        );
        counted(
            "second_terms",
            Unit::Count,
            "Terms of multi-scalar multiplications in the pairing's second source group",
            |s| s.operations.second_terms,
        );
        counted("pairings", Unit::Count, "Pairs in products of pairings", |s| s.operations.pairings);
    })
}

fn relations(records: &[CellRecord]) -> Table {
    let about = "One row per relation: the protocol that proves it, and the prover's cost as predicted from formulas before anything runs. \
        A scope can have several relations.";
    let rows = rows(records, |measured| measured.relations.iter().collect());
    table("relations", about, &rows, |columns| {
        columns.text("scope", "Scope of the relation.", |row| Some(row.item.scope.clone()));
        columns.text("layer", LAYER, |row| layer(row.measured, &row.item.scope));
        columns.text("kind", "`einsum`, `lookup`, `affine` or `view`.", |row| Some(row.item.kind.clone()));
        columns.text("protocol", "The protocol, with options.", |row| Some(row.item.protocol.clone()));
        columns.text("detail", "Index string, or table and rows.", |row| Some(row.item.detail.clone()));
        let mut cost = |name: &str, unit: Unit, about: &str, get: fn(&RelationRecord) -> f64| {
            columns.number(name, unit, about, |row| Some(get(row.item)));
        };
        cost("ext_mul", Unit::Products, "Challenge-field multiplications.", |r| r.cost.ext_mul);
        cost(
            "base_ext_mul",
            Unit::Products,
            "Multiplications of base-field elements or small integers by challenge-field elements.",
            |r| r.cost.base_ext_mul,
        );
        cost("base_mul", Unit::Products, "Base-field multiplications.", |r| r.cost.base_mul);
        cost(
            "first_terms",
            Unit::Count,
            "Terms of multi-scalar multiplications in the pairing's first source group.",
            |r| r.cost.first_terms,
        );
        cost(
            "second_terms",
            Unit::Count,
            "Terms of multi-scalar multiplications in the pairing's second source group.",
            |r| r.cost.second_terms,
        );
        cost("pairings", Unit::Count, "Pairs in products of pairings.", |r| r.cost.pairings);
        columns.integer("proof_elements", Unit::Count, "Challenge-field elements in the proof.", |row| {
            Some(row.item.cost.proof_elements)
        });
        columns.integer(
            "proof_bytes",
            Unit::Bytes,
            "Bytes in the proof; none in results that do not record it.",
            |row| {
                let silent = row.item.proof_bytes == 0 && row.item.cost.proof_elements > 0;
                (!silent).then_some(row.item.proof_bytes)
            },
        );
        columns.integer("rounds", Unit::Count, "Rounds of interaction.", |row| Some(row.item.cost.rounds));
        columns.integer("committed_cells", Unit::Cells, "Cells that the protocol itself commits to.", |row| {
            Some(row.item.cost.committed_cells)
        });
    })
}

fn scopes(records: &[CellRecord]) -> Table {
    let about = "One row per message of the proof: its size. A cell's rows add up to its `proof_bytes` but for the file's frame.";
    let rows = rows(records, |measured| measured.proof_scopes.iter().collect());
    table("scopes", about, &rows, |columns| {
        columns.text(
            "scope",
            "Scope of the message: relation, protocol and part, or the commitment or opening it belongs to.",
            |row| Some(row.item.0.clone()),
        );
        columns.text("layer", LAYER, |row| layer(row.measured, &row.item.0));
        columns.text("relation", RELATION, |row| relation(row.measured, &row.item.0));
        columns.integer("bytes", Unit::Bytes, "Size of the message.", |row| Some(row.item.1));
    })
}

fn layers(records: &[CellRecord]) -> Table {
    let about = "One row per layer of the network.";
    let rows = rows(records, |measured| measured.layers.iter().collect());
    table("layers", about, &rows, |columns| {
        let joined = |slots: &[SlotRecord], slot: &str| {
            let names: Vec<&str> = slots.iter().filter(|s| s.slot == slot).map(|s| s.protocol.as_str()).collect();
            Some(names.join("; "))
        };
        columns.text("layer", "Its name.", |row| Some(row.item.name.clone()));
        columns.text("kernel", "Its kernel.", |row| Some(row.item.kernel.clone()));
        columns.text("shape", "Shape of its output, lengths with `x` between.", |row| Some(shape(row.item)));
        columns.text("einsum_protocol", "The protocols of its einsums, with options.", move |row| {
            joined(&row.item.slots, "einsum")
        });
        columns.text("lookup_protocol", "The protocols of its lookups, with options.", move |row| {
            joined(&row.item.slots, "lookup")
        });
        columns.integer(
            "committed_cells",
            Unit::Cells,
            "Cells it commits to per proof, without what its protocols add.",
            |row| Some(row.item.committed_cells),
        );
        columns.integer("fixed_cells", Unit::Cells, "Cells of its weights.", |row| Some(row.item.fixed_cells));
        columns.number("max_error_steps", Unit::Steps, "Largest deviation of its output from the float network on the proven input, in steps of its own quantisation.", |row| {
            row.measured.layer_accuracy.iter().find(|l| l.layer == row.item.name).map(|l| l.max_steps)
        });
    })
}

fn shape(layer: &LayerRecord) -> String {
    let lengths: Vec<String> = layer.shape.iter().map(ToString::to_string).collect();
    lengths.join("x")
}

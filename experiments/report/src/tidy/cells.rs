//! The table `cells`.

use std::collections::BTreeMap;

use zkml_results::advice;
use zkml_results::metrics::{self, METRICS};
use zkml_results::record::{CellRecord, Machine, Measured, PhaseSummary, Status};

use super::Table;
use super::column::{Columns, Unit};

/// Phases with columns of their own: prefix, key in the records, and what it is. Of `prove`, `verify` and `inference`
/// the median wall time is a metric.
const PHASES: [(&str, &str, &str); 10] = [
    ("prove", "prove", "one whole proof, from quantised input to bytes"),
    ("forward", "forward", "integer inference that records every intermediate value"),
    ("commit", "commit", "the commitment to the witness"),
    ("lookups", "lookups", "the proofs of all lookups"),
    ("einsums", "einsums", "the proofs of all einsums and affine relations"),
    ("opening", "opening", "the openings of all commitments"),
    ("other", "other", "what lies between the phases of a proof"),
    ("inference", "inference", "plain integer inference"),
    ("verify", "verify", "one verification inside a fresh process"),
    ("verify_process", "verify process", "the verifying process as a whole, start and reading included"),
];

/// A cell with what is computed from it.
struct Row<'a> {
    record: &'a CellRecord,
    metrics: BTreeMap<String, f64>,
}

impl Row<'_> {
    fn measured(&self) -> Option<&Measured> {
        self.record.measured.as_ref().filter(|_| self.record.status == Status::Ok)
    }

    fn machine(&self) -> Option<&Machine> {
        self.measured()?.machine.as_ref()
    }

    fn spec(&self, key: &str) -> Option<String> {
        Some(self.record.spec.get(key)?.as_str()?.to_owned())
    }

    /// A median or a spread of a phase, in milliseconds.
    fn phase(&self, key: &str, get: impl Fn(&PhaseSummary) -> f64) -> Option<f64> {
        self.measured()?.phases.get(key).map(|phase| get(phase) * 1e3)
    }

    /// The different protocols of one kind of relation.
    fn protocols(&self, kind: &str) -> Option<String> {
        let mut names: Vec<&str> = Vec::new();
        for relation in self.measured()?.relations.iter().filter(|r| r.kind == kind) {
            if !names.contains(&relation.protocol.as_str()) {
                names.push(&relation.protocol);
            }
        }
        Some(names.join("; "))
    }
}

/// The axes of the matrices, in the order of their first appearance.
pub(super) fn axes(records: &[CellRecord]) -> Vec<&str> {
    let mut axes: Vec<&str> = Vec::new();
    for (path, _) in records.iter().flat_map(|record| &record.point) {
        if !axes.contains(&path.as_str()) {
            axes.push(path);
        }
    }
    axes
}

/// One row per record, with these axes.
pub(super) fn table(records: &[CellRecord], axes: &[&str]) -> Table {
    let rows: Vec<Row<'_>> = records.iter().map(row).collect();
    let mut columns = Columns::of(&rows);
    identity(&mut columns, axes);
    surroundings(&mut columns);
    for metric in METRICS {
        let unit = unit(metric.name).unwrap_or(Unit::Ratio);
        columns.number(metric.name, unit, metric.about, |row| row.metrics.get(metric.name).copied());
    }
    phases(&mut columns);
    details(&mut columns);
    machine(&mut columns);
    let about = "One row per cell: where in the matrix it lies, how it ended, its metrics and the medians of its phases. \
        `mad` is the median absolute deviation from the median.";
    Table { name: "cells", about, columns: columns.done() }
}

fn row(record: &CellRecord) -> Row<'_> {
    // Results from before a metric was added have what it is computed from.
    let mut metrics = record.measured.as_ref().map(metrics::values).unwrap_or_default();
    metrics.extend(record.metrics.clone());
    if record.status != Status::Ok {
        metrics.clear();
    }
    Row { record, metrics }
}

/// The columns that name a cell, in every table.
pub(super) fn keys<R>(columns: &mut Columns<'_, R>, get: impl Fn(&R) -> &CellRecord) {
    columns.text("experiment", "Name of the experiment.", |row| Some(get(row).experiment.clone()));
    columns.text("cell", "Identifier of the cell, and its folder: the first digits of `identity`.", |row| {
        Some(get(row).cell.clone())
    });
}

fn identity(columns: &mut Columns<'_, Row<'_>>, axes: &[&str]) {
    keys(columns, |row| row.record);
    columns.text("identity", "BLAKE3 digest of the cell's experiment, the executable and the data.", |row| {
        Some(row.record.identity.clone())
    });
    columns.text("point", "The values of the matrix's axes, as `path=value` with spaces between.", |row| {
        let parts: Vec<String> = row.record.point.iter().map(|(path, value)| format!("{path}={value}")).collect();
        Some(parts.join(" "))
    });
    for axis in axes {
        let name = format!("axis.{axis}");
        let about =
            "The value of this axis of the matrix; one column per axis, numbers where all its values are numbers.";
        columns.axis(&name, about, |row| {
            row.record.point.iter().find(|(path, _)| path == axis).map(|(_, value)| value.clone())
        });
    }
    columns.text(
        "status",
        "`ok`; `invalid`: a proof was rejected, or a tampered copy was not; `failed`: no proof was made.",
        |row| Some(row.record.status.word().to_lowercase()),
    );
    columns.text("reason", "Why the cell is not `ok`.", |row| row.record.reason.clone());
    columns.boolean("weak", "The proof has fewer bits than were asked for, and the experiment allowed it.", |row| {
        Some(row.record.weak)
    });
}

fn surroundings(columns: &mut Columns<'_, Row<'_>>) {
    columns.text("started", "Start of the cell, UTC (ISO 8601).", |row| Some(row.record.started.clone()));
    columns.number("seconds", Unit::Seconds, "Wall time of the whole cell, set-up and checks included.", |row| {
        row.measured().map(|_| row.record.seconds)
    });
    columns.text("environment", "Digest of machine and build, see `env.json` in the run's folder.", |row| {
        Some(row.record.environment.clone())
    });
    columns.text("suite", "The suite: field and commitment.", |row| row.spec("suite"));
    columns.text("device", "Where the prover computes: `cpu`, `gpu` or `icicle`.", |row| row.spec("device"));
    columns.text("adapter", "The device beside the host, as its driver names it.", |row| {
        Some(row.measured()?.device.as_ref()?.info.adapter.clone())
    });
    columns.text("einsum_protocol", "The protocols of the einsums, with options, separated by `; `.", |row| {
        row.protocols("einsum")
    });
    columns.text("lookup_protocol", "The protocols of the lookups, with options, separated by `; `.", |row| {
        row.protocols("lookup")
    });
}

fn phases(columns: &mut Columns<'_, Row<'_>>) {
    for (prefix, key, about) in PHASES {
        let mut add = |suffix: &str, which: &str, get: fn(&PhaseSummary) -> f64| {
            let name = format!("{prefix}_{suffix}");
            if METRICS.iter().all(|metric| metric.name != name) {
                let about = format!("{which} of {about}.");
                columns.number(&name, Unit::Milliseconds, &about, move |row| row.phase(key, get));
            }
        };
        add("ms", "Median wall time", |phase| phase.wall.median);
        add("mad_ms", "Median absolute deviation of the wall time", |phase| phase.wall.spread);
        // Only the wall time of a process that is waited for is known.
        if key != "verify process" {
            add("cpu_ms", "Median CPU time (all threads)", |phase| phase.cpu.median);
            add("cpu_mad_ms", "Median absolute deviation of the CPU time", |phase| phase.cpu.spread);
        }
    }
}

fn details(columns: &mut Columns<'_, Row<'_>>) {
    columns.integer("samples", Unit::Count, "Measured proofs.", |row| Some(row.measured()?.proofs.len()));
    columns.number("import_ms", Unit::Milliseconds, "Wall time to read and quantise data, lower and plan.", |row| {
        Some(row.measured()?.import.wall * 1e3)
    });
    columns.number("keys_ms", Unit::Milliseconds, "Wall time to make the keys.", |row| {
        Some(row.measured()?.keys.wall * 1e3)
    });
    columns.integer("public_bytes", Unit::Bytes, "Size of the file of public values.", |row| {
        Some(row.measured()?.public_bytes)
    });
    columns.text("soundness_regime", "The bound or assumption that the commitment's error terms rest on.", |row| {
        Some(row.measured()?.soundness.regime.clone())
    });
    columns.number(
        "predicted_products",
        Unit::Products,
        "Predicted challenge-field multiplications of all relations, others converted into these.",
        |row| Some(row.measured()?.relations.iter().map(|r| r.cost.ext_equivalents()).sum()),
    );
    columns.integer("tampered", Unit::Count, "Tampered copies of the proof, all of which were rejected.", |row| {
        Some(row.measured()?.tampered.len())
    });
    columns.text("advice", "Reasons to doubt the times, separated by `; `.", |row| {
        row.measured().map(|_| advice::of(row.record).join("; "))
    });
}

fn machine(columns: &mut Columns<'_, Row<'_>>) {
    let share = |machine: &Machine, seconds: f64| seconds / (machine.seconds * machine.cores as f64);
    columns.integer(
        "jobs",
        Unit::Count,
        "Cells that ran side by side on the machine; none if only this one did.",
        |row| row.machine()?.jobs,
    );
    columns.number(
        "other_cpu_share",
        Unit::Ratio,
        "Share of the processors' time that other processes used while the measured proofs were made.",
        |row| row.machine().and_then(|m| Some(share(m, m.other_cpu?))),
    );
    columns.number(
        "stolen_share",
        Unit::Ratio,
        "Share of the processors' time for which the virtual machine was kept waiting.",
        |row| row.machine().and_then(|m| Some(share(m, m.stolen?))),
    );
    columns.number("mhz_before", Unit::Megahertz, "Mean frequency before the first measured proof.", |row| {
        Some(row.machine()?.mhz?[0])
    });
    columns.number("mhz_after", Unit::Megahertz, "Mean frequency after the last measured proof.", |row| {
        Some(row.machine()?.mhz?[1])
    });
    columns.text("energy_source", "What measured the energy, and of what.", |row| row.machine()?.energy_source.clone());
}

/// The unit of a metric, from its name.
pub(super) fn unit(metric: &str) -> Option<Unit> {
    const WHOLE_NAMES: [(&str, Unit); 7] = [
        ("overhead", Unit::Ratio),
        ("device_speedup", Unit::Ratio),
        ("agreement", Unit::Ratio),
        ("accuracy", Unit::Ratio),
        ("float_accuracy", Unit::Ratio),
        ("joules_per_proof", Unit::Joules),
        ("products_per_joule", Unit::ProductsPerJoule),
    ];
    const ENDINGS: [(&str, Unit); 7] = [
        ("_ms", Unit::Milliseconds),
        ("_bytes", Unit::Bytes),
        ("_mib", Unit::Mebibytes),
        ("_bits", Unit::Bits),
        ("_cells", Unit::Cells),
        ("_steps", Unit::Steps),
        ("products_per_second", Unit::ProductsPerSecond),
    ];
    let named = WHOLE_NAMES.iter().find(|(name, _)| *name == metric);
    named.or_else(|| ENDINGS.iter().find(|(ending, _)| metric.ends_with(ending))).map(|(_, unit)| *unit)
}

//! Everything about single cells.

use maud::{Markup, html};
use zkml_results::record::{CellRecord, Measured, Status, owners};

use super::table;
use crate::picture::PHASES;
use crate::run::{Run, numbers};
use crate::text;

/// Of more cells than this, the page has the comparison alone: it has to open on a phone.
const MOST: usize = 200;

pub(super) fn section(run: &Run) -> Markup {
    html! {
        section aria-labelledby="cells" {
            h2 id="cells" { "Cells" }
            @for record in run.records.iter().take(MOST) { (cell(run, record)) }
            @if run.records.len() > MOST {
                p.note { "Details of " (run.records.len() - MOST) " more cells are in results.jsonl." }
            }
        }
    }
}

fn cell(run: &Run, record: &CellRecord) -> Markup {
    html! {
        details.cell data-cell=(text::printable(&record.cell)) {
            summary { h3 { (run.label(record)) } " " span.id { (text::printable(&record.cell)) } }
            @if record.status == Status::Ok {
                @match numbers(record) {
                    Some(measured) => (tables(measured)),
                    None => p { "No numbers were recorded." },
                }
            } @else {
                p { (record.status.word()) ": " (text::printable(record.reason.as_deref().unwrap_or("no reason was recorded"))) }
            }
            h4 { "Experiment as resolved" }
            pre { (printable_lines(&serde_json::to_string_pretty(&record.spec).unwrap_or_default())) }
        }
    }
}

fn printable_lines(text: &str) -> String {
    text.lines().map(text::printable).collect::<Vec<_>>().join("\n")
}

fn tables(measured: &Measured) -> Markup {
    html! {
        (phases(measured))
        (layers(measured))
        (messages(measured))
        (soundness(measured))
        (tampered(measured))
        (machine(measured))
        @if let Some(device) = &measured.device {
            h4 { "Device" }
            p {
                (text::printable(&device.info.adapter)) ", " (text::printable(&device.info.backend)) ", " (text::printable(&device.info.driver))
                ". The same proof on the host: " (text::time(device.host.wall)) "."
                @if let Some(why) = &device.fallback { " The host made the whole proof: " (text::printable(why)) "." }
            }
        }
    }
}

fn phases(measured: &Measured) -> Markup {
    let names = PHASES.iter().map(|(key, name, _)| (*key, *name));
    let whole = [
        ("prove", "total prove"),
        ("inference", "plain inference"),
        ("verify", "verify"),
        ("verify process", "verify, whole process"),
    ];
    let rows = names.chain(whole).filter_map(|(key, name)| {
        let phase = measured.phases.get(key)?;
        let wall = phase.wall;
        let cpu = if key == "verify process" { "–".to_owned() } else { text::time(phase.cpu.median) };
        let times = [wall.median, wall.spread, wall.min, wall.max].map(text::time);
        let mut row = vec![name.to_owned()];
        row.extend(times);
        row.extend([cpu, wall.samples.to_string()]);
        Some(row)
    });
    table("Times", &["phase", "median", "±", "least", "most", "cpu", "n"], &rows.collect::<Vec<_>>())
}

fn layers(measured: &Measured) -> Markup {
    if measured.layers.is_empty() {
        return html! {};
    }
    let errors = measured.evaluation.as_ref().map_or(&measured.layer_accuracy, |e| &e.layers);
    let rows = measured.layers.iter().map(|layer| {
        let own = |scope: &str| owners(scope) == [layer.name.as_str()];
        let time = |phase: &str| {
            let steps = measured.steps.iter().filter(|s| s.phase == phase && own(&s.scope));
            text::time(steps.map(|s| s.times.wall.median).sum())
        };
        let messages = measured.proof_scopes.iter().filter(|(scope, _)| own(scope));
        let bytes = messages.fold(0usize, |sum, (_, bytes)| sum.saturating_add(*bytes));
        let error = errors.iter().find(|e| e.layer == layer.name);
        let shape: Vec<String> = layer.shape.iter().map(ToString::to_string).collect();
        vec![
            text::printable(&layer.name),
            text::printable(&layer.kernel),
            shape.join(" × "),
            time("lookups"),
            time("einsums"),
            bytes.to_string(),
            error.map_or_else(|| "–".to_owned(), |e| text::steps(e.max_steps)),
        ]
    });
    table(
        "Layers; lookups that layers share are not in them",
        &["layer", "kernel", "output", "lookups", "einsums", "bytes", "error"],
        &rows.collect::<Vec<_>>(),
    )
}

fn messages(measured: &Measured) -> Markup {
    let whole = measured.proof_bytes.max(1) as f64;
    let rows = measured.proof_scopes.iter().map(|(scope, bytes)| {
        vec![text::printable(scope), bytes.to_string(), format!("{:.1} %", 100.0 * *bytes as f64 / whole)]
    });
    table("Proof by message", &["message", "bytes", "share"], &rows.collect::<Vec<_>>())
}

fn soundness(measured: &Measured) -> Markup {
    let soundness = &measured.soundness;
    let rows = soundness.terms.iter().map(|t| vec![text::printable(&t.name), format!("{:.1}", t.log2_error)]);
    html! {
        p {
            "Soundness: " strong { (text::bits(soundness.bits)) @if soundness.bits.is_finite() { " bits" } }
            ", " (soundness.wanted) " asked for; " (text::printable(&soundness.regime)) "."
        }
        (table("Soundness: every error term", &["term", "log2 of the error"], &rows.collect::<Vec<_>>()))
    }
}

fn tampered(measured: &Measured) -> Markup {
    let rows = measured
        .tampered
        .iter()
        .map(|t| vec![t.offset.to_string(), format!("{:08b}", t.mask), text::printable(&t.reason)]);
    table(
        "Tampered copies, all rejected",
        &["byte", "flipped bits", "the verifier's reason"],
        &rows.collect::<Vec<_>>(),
    )
}

/// What else the machine did while the measured proofs were made.
fn machine(measured: &Measured) -> Markup {
    let Some(machine) = &measured.machine else { return html! {} };
    let unknown = || "not told by the system".to_owned();
    let seconds = |value: Option<f64>| value.map_or_else(unknown, text::time);
    let mut rows = vec![
        ["time of all measured proofs".to_owned(), text::time(machine.seconds)],
        ["processors".to_owned(), machine.cores.to_string()],
        ["CPU time of the prover".to_owned(), text::time(machine.own_cpu)],
        ["CPU time of all other programs".to_owned(), seconds(machine.other_cpu)],
        ["time that the virtual machine was kept waiting".to_owned(), seconds(machine.stolen)],
    ];
    if let Some([before, after]) = machine.mhz {
        rows.push(["frequency before and after".to_owned(), format!("{before:.0} MHz, {after:.0} MHz")]);
    }
    if let Some(joules) = machine.joules {
        let source = text::printable(machine.energy_source.as_deref().unwrap_or("an unnamed source"));
        rows.push(["energy".to_owned(), format!("{} J, from {source}", text::count(joules))]);
    }
    let rows: Vec<Vec<String>> = rows.into_iter().map(Vec::from).collect();
    table("Machine while the proofs were made", &["what", "value"], &rows)
}

//! Where the proof's bytes go: layers, or the relations of the only one.

use zkml_results::record::owners;

use super::bars::{self, Bar, Bars, Part};
use super::canvas::Unit;
use super::palette::{REST, SERIES};
use super::phases::grouping;
use super::{MOST_CELLS, Missing, Numbers, Picture, Plate, left_out};
use crate::run::{Cell, Run};
use crate::text;

/// Lookups that were merged across layers.
const SHARED: &str = "lookups of several layers";
/// Parts of the whole proof: openings of the witness and of the weights, and what is left.
const WHOLE: [&str; 4] = ["opening", "weights", "commitment", "header"];

/// Names and bytes of the parts of one proof, whole proof parts included.
fn breakdown(cell: &Cell<'_>, by_relation: bool) -> Vec<(String, usize)> {
    let mut parts: Vec<(String, usize)> = Vec::new();
    let mut add = |name: String, bytes: usize| match parts.iter_mut().find(|p| p.0 == name) {
        Some(part) => part.1 = part.1.saturating_add(bytes),
        None => parts.push((name, bytes)),
    };
    let mut named = 0usize;
    for (scope, bytes) in &cell.measured.proof_scopes {
        named = named.saturating_add(*bytes);
        add(owner(scope, by_relation), *bytes);
    }
    let header = cell.measured.proof_bytes.saturating_sub(named);
    if header > 0 {
        add("header".to_owned(), header);
    }
    parts.sort_by_key(|(name, _)| order(cell, name));
    parts
}

/// Layers by their place in the network, then lookups that they share, then what belongs to the whole proof.
fn order(cell: &Cell<'_>, name: &str) -> (usize, usize) {
    if let Some(at) = WHOLE.iter().position(|w| *w == name) {
        return (2, at);
    }
    let layer = cell.measured.layers.iter().position(|l| l.name == name);
    (usize::from(name == SHARED), layer.map_or(0, |at| at + 1))
}

fn owner(scope: &str, by_relation: bool) -> String {
    let owners = owners(scope);
    let name = match owners[..] {
        [one] if by_relation && !WHOLE.contains(&one) => scope.split('/').take(2).collect::<Vec<_>>().join("/"),
        [one] => one.to_owned(),
        _ => SHARED.to_owned(),
    };
    text::printable(&name)
}

/// All part names of a run's proofs: those of layers by their order in the network, or the largest first for relations.
fn names(breakdowns: &[Vec<(String, usize)>]) -> Vec<(String, usize)> {
    let mut names: Vec<(String, usize)> = Vec::new();
    for (name, bytes) in breakdowns.iter().flatten() {
        match names.iter_mut().find(|n| n.0 == *name) {
            Some(known) => known.1 = known.1.max(*bytes),
            None => names.push((name.clone(), *bytes)),
        }
    }
    names
}

pub(super) fn picture(run: &Run) -> Result<Picture, Missing> {
    let cells: Vec<Cell<'_>> = run.measured().into_iter().filter(|c| !c.measured.proof_scopes.is_empty()).collect();
    let single = single_layer(&cells);
    let title = if single { "Proof bytes, by relation" } else { "Proof bytes, by layer" };
    if cells.is_empty() {
        return Err(Missing::new(title, "no cell recorded the bytes of its messages"));
    }
    let breakdowns: Vec<_> = cells.iter().map(|c| breakdown(c, single)).collect();
    let all = names(&breakdowns);
    let shown = cells.len().min(MOST_CELLS);
    let drawings = if let [only] = &breakdowns[..] {
        vec![ladder(&cells[0], only)]
    } else {
        let kept = largest(&all);
        let what = if single { "relations" } else { "layers" };
        vec![
            stacked(run, &cells[..shown], &breakdowns, &whole_parts(what), "The whole proof", whole_values),
            stacked(
                run,
                &cells[..shown],
                &breakdowns,
                &own_parts(&kept, what),
                &format!("The messages of {what} alone"),
                own_values,
            ),
        ]
    };
    let plate = Plate {
        name: "proof-bytes".to_owned(),
        title: title.to_owned(),
        caption: format!(
            "Bytes of the proof file. The opening answers for every commitment at once; the other messages belong to {}.{}",
            if single { "a relation of the layer" } else { "one layer, or to lookups that several layers share" },
            left_out(cells.len())
        ),
        description: description(run, &cells, &breakdowns),
        numbers: numbers(run, &cells, &breakdowns, &all),
    };
    plate.drawn(run, |frame| bars::draw(&frame, &drawings))
}

/// True if every proof has messages of one layer at most.
fn single_layer(cells: &[Cell<'_>]) -> bool {
    cells.iter().all(|cell| {
        let mut layers: Vec<String> = cell.measured.proof_scopes.iter().map(|(s, _)| owner(s, false)).collect();
        layers.retain(|l| !WHOLE.contains(&l.as_str()) && l != "input");
        layers.sort();
        layers.dedup();
        layers.len() < 2
    })
}

/// The largest parts of layers or relations, at most six.
fn largest(all: &[(String, usize)]) -> Vec<String> {
    let mut own: Vec<&(String, usize)> = all.iter().filter(|(n, _)| !WHOLE.contains(&n.as_str())).collect();
    own.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
    let kept: Vec<&str> = own.iter().take(SERIES.len() - 1).map(|n| n.0.as_str()).collect();
    all.iter().filter(|(n, _)| kept.contains(&n.as_str())).map(|n| n.0.clone()).collect()
}

fn whole_parts(what: &str) -> Vec<Part> {
    vec![
        Part { name: "opening of the witness".to_owned(), ink: SERIES[0] },
        Part { name: "opening of the weights".to_owned(), ink: SERIES[5] },
        Part { name: format!("messages of {what}"), ink: SERIES[1] },
        Part { name: "commitment and header".to_owned(), ink: REST },
    ]
}

fn whole_values(parts: &[(String, usize)], _: &[Part]) -> Vec<f64> {
    let opening = sum(parts, |n| n == "opening");
    let weights = sum(parts, |n| n == "weights");
    let own = sum(parts, |n| !WHOLE.contains(&n));
    vec![opening, weights, own, sum(parts, |n| n == "commitment" || n == "header")]
}

fn own_parts(kept: &[String], what: &str) -> Vec<Part> {
    let mut parts: Vec<Part> =
        kept.iter().zip(&SERIES[1..]).map(|(name, ink)| Part { name: name.clone(), ink: *ink }).collect();
    parts.push(Part { name: format!("other {what}"), ink: REST });
    parts
}

fn own_values(parts: &[(String, usize)], drawn: &[Part]) -> Vec<f64> {
    let named = &drawn[..drawn.len() - 1];
    let mut values: Vec<f64> = named.iter().map(|part| sum(parts, |n| n == part.name)).collect();
    let rest = sum(parts, |n| !WHOLE.contains(&n)) - values.iter().sum::<f64>();
    values.push(rest.max(0.0));
    values
}

fn sum(parts: &[(String, usize)], takes: impl Fn(&str) -> bool) -> f64 {
    parts.iter().filter(|(name, _)| takes(name)).map(|(_, bytes)| *bytes as f64).sum()
}

type Values = fn(&[(String, usize)], &[Part]) -> Vec<f64>;

fn stacked(
    run: &Run,
    cells: &[Cell<'_>],
    breakdowns: &[Vec<(String, usize)>],
    parts: &[Part],
    heading: &str,
    values: Values,
) -> Bars {
    let (group, rest) = grouping(run);
    let bar = |(cell, breakdown): (&Cell<'_>, &Vec<(String, usize)>)| {
        let values = values(breakdown, parts);
        Bar {
            group: run.label_by(cell.record, |a| group.is_some_and(|g| g.path == a.path)),
            label: if group.is_some() { run.label_by(cell.record, &rest) } else { run.label(cell.record) },
            end: text::bytes(values.iter().sum()),
            values,
            spread: 0.0,
        }
    };
    let bars: Vec<Bar> = cells.iter().zip(breakdowns).map(bar).collect();
    let used = |at: usize| bars.iter().any(|b| b.values.get(at).is_some_and(|v| *v > 0.0));
    let keep: Vec<usize> = (0..parts.len()).filter(|&at| used(at)).collect();
    let pick = |values: &[f64]| keep.iter().filter_map(|&at| values.get(at).copied()).collect();
    let bars = bars.iter().map(|b| Bar { values: pick(&b.values), ..b.clone() }).collect();
    let parts = keep.iter().filter_map(|&at| parts.get(at).cloned()).collect();
    Bars { heading: heading.to_owned(), parts, rows: bars, unit: Unit::BYTES }
}

/// One bar per part, of a single proof.
fn ladder(cell: &Cell<'_>, parts: &[(String, usize)]) -> Bars {
    let whole = cell.measured.proof_bytes.max(1) as f64;
    let ink = |name: &str| match name {
        "opening" => SERIES[0],
        "weights" => SERIES[5],
        SHARED => SERIES[1],
        name if WHOLE.contains(&name) => REST,
        _ => SERIES[2],
    };
    let inks = [SERIES[0], SERIES[1], SERIES[2], SERIES[5], REST];
    let bar = |(name, bytes): &(String, usize)| {
        let bytes = *bytes as f64;
        let share = 100.0 * bytes / whole;
        Bar {
            group: String::new(),
            label: match name.as_str() {
                "opening" => "opening of the witness".to_owned(),
                "weights" => "opening of the weights".to_owned(),
                _ => name.clone(),
            },
            values: inks.iter().map(|i| if *i == ink(name) { bytes } else { 0.0 }).collect(),
            end: format!(
                "{} · {}",
                text::bytes(bytes),
                if share < 0.1 { "< 0.1 %".to_owned() } else { format!("{share:.1} %") }
            ),
            spread: 0.0,
        }
    };
    let looks = inks.map(|ink| Part { name: String::new(), ink }).to_vec();
    Bars {
        heading: String::new(),
        parts: looks,
        rows: parts.iter().take(MOST_CELLS).map(bar).collect(),
        unit: Unit::BYTES,
    }
}

fn description(run: &Run, cells: &[Cell<'_>], breakdowns: &[Vec<(String, usize)>]) -> String {
    let of = |(cell, parts): (&Cell<'_>, &Vec<(String, usize)>)| {
        let opening = 100.0 * sum(parts, |n| n == "opening") / cell.measured.proof_bytes.max(1) as f64;
        let size = text::bytes(cell.measured.proof_bytes as f64);
        format!("{}: {size}, of which {opening:.0} % opening", run.label(cell.record))
    };
    let first: Vec<String> = cells.iter().zip(breakdowns).take(12).map(of).collect();
    format!("Bars of proof bytes. {}.", first.join("; "))
}

fn numbers(run: &Run, cells: &[Cell<'_>], breakdowns: &[Vec<(String, usize)>], all: &[(String, usize)]) -> Numbers {
    let header = ["cell", "part", "bytes", "share"].map(str::to_owned).to_vec();
    let mut rows = Vec::new();
    for (cell, parts) in cells.iter().zip(breakdowns) {
        let whole = cell.measured.proof_bytes.max(1) as f64;
        for (name, _) in all {
            let Some((_, bytes)) = parts.iter().find(|p| p.0 == *name) else { continue };
            let share = format!("{:.1} %", 100.0 * *bytes as f64 / whole);
            rows.push(vec![run.label(cell.record), name.clone(), bytes.to_string(), share]);
        }
    }
    Numbers { header, rows }
}

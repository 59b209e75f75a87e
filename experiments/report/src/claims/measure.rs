//! Quantities of a cell: predicted from its shapes, and measured.

use serde::Deserialize;
use zkml_results::record::{CellRecord, Measured, RelationRecord};

use super::{Check, ClaimsError, Scopes};

/// What is summed over relations; the comment of `papers/claims.yaml` defines each.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Measure {
    /// Products of two challenge-field elements, squares included.
    Products,
    /// Products of a base-field element or a small integer with a challenge-field element.
    SmallProducts,
    /// Products, half of the small ones, and a quarter of those in the base field.
    Operations,
    /// Scalars times points, in multi-scalar multiplications or alone.
    GroupTerms,
    /// Pairs in products of pairings.
    Pairings,
    /// Rounds of interaction.
    Rounds,
    /// Challenge-field elements in the messages.
    ProofElements,
    /// Bytes of the messages.
    ProofBytes,
    /// Cells that the protocol itself has committed.
    CommittedCells,
    /// Bytes of the opening of the per-proof commitment.
    OpeningBytes,
}

/// Kinds of operations, as both a prediction and a count have them.
struct Operations {
    ext: f64,
    base_ext: f64,
    base: f64,
    group: f64,
    pairings: f64,
}

impl Measure {
    /// This kind of operation; `None` for what is no operation.
    fn operations(self, o: &Operations) -> Option<f64> {
        match self {
            Self::Products => Some(o.ext),
            Self::SmallProducts => Some(o.base_ext),
            Self::Operations => Some(o.ext + o.base_ext / 2.0 + o.base / 4.0),
            Self::GroupTerms => Some(o.group),
            Self::Pairings => Some(o.pairings),
            _ => None,
        }
    }
}

/// The predicted and the measured value of a cell; `None` for one that there is not.
pub(crate) fn values(check: &Check, record: &CellRecord) -> Result<[Option<f64>; 2], ClaimsError> {
    let unfit = |what: String| ClaimsError::Unfit(format!("cell {}: {what}", record.cell));
    let Some(measured) = &record.measured else {
        let reason = record.reason.as_deref().unwrap_or("no reason was given");
        return Err(unfit(format!("{}: {reason}", record.status.word())));
    };
    if check.measure == Measure::OpeningBytes {
        return Ok([None, Some(bytes_below(measured, &["opening".to_owned()]))]);
    }
    let selected: Vec<&RelationRecord> = measured.relations.iter().filter(|r| selects(check, r)).collect();
    if selected.is_empty() {
        return Err(unfit("the check selects none of its relations".to_owned()));
    }
    Ok([Some(predicted(check.measure, &selected)), counted(check.measure, &selected, measured, record)])
}

fn selects(check: &Check, relation: &RelationRecord) -> bool {
    let scopes = match &check.scope {
        None => return check.kind.as_ref().is_none_or(|kind| *kind == relation.kind),
        Some(Scopes::One(scope)) => std::slice::from_ref(scope),
        Some(Scopes::Any(scopes)) => scopes,
    };
    check.kind.as_ref().is_none_or(|kind| *kind == relation.kind) && scopes.iter().any(|s| relation.scope.contains(s))
}

fn predicted(measure: Measure, relations: &[&RelationRecord]) -> f64 {
    let of = |relation: &&RelationRecord| {
        let c = &relation.cost;
        let group = c.first_terms + c.second_terms;
        let o = Operations { ext: c.ext_mul, base_ext: c.base_ext_mul, base: c.base_mul, group, pairings: c.pairings };
        measure.operations(&o).unwrap_or(match measure {
            Measure::Rounds => c.rounds as f64,
            Measure::ProofElements => c.proof_elements as f64,
            Measure::ProofBytes => relation.proof_bytes as f64,
            Measure::CommittedCells => c.committed_cells as f64,
            _ => 0.0,
        })
    };
    relations.iter().map(of).sum()
}

fn counted(measure: Measure, relations: &[&RelationRecord], measured: &Measured, record: &CellRecord) -> Option<f64> {
    let steps: Vec<String> = relations.iter().map(|r| step(r)).collect();
    match measure {
        Measure::Rounds | Measure::OpeningBytes => None,
        Measure::ProofBytes => Some(bytes_below(measured, &steps)),
        Measure::ProofElements => elements(relations, bytes_below(measured, &steps)),
        Measure::CommittedCells => advice_cells(relations, measured, record),
        _ => {
            measured.counted.as_ref()?;
            let of = |o: &zkml_device::count::Operations| {
                let [ext, base_ext, base] = [o.ext_mul, o.base_ext_mul, o.base_mul].map(|n| n as f64);
                let group = (o.first_terms + o.second_terms) as f64;
                measure.operations(&Operations { ext, base_ext, base, group, pairings: o.pairings as f64 })
            };
            measured.steps.iter().filter(|s| steps.contains(&s.scope)).map(|s| of(&s.operations)).sum()
        }
    }
}

/// The scope of the step that proves a relation: its own, and the protocol's name, or its kind if it is built in.
fn step(relation: &RelationRecord) -> String {
    let protocol = match relation.protocol.as_str() {
        "built in" => relation.kind.as_str(),
        other => other.split(' ').next().unwrap_or(other),
    };
    format!("{}/{protocol}", relation.scope)
}

/// Proof bytes of these scopes and all below them.
fn bytes_below(measured: &Measured, scopes: &[String]) -> f64 {
    let inside = |name: &str| {
        scopes
            .iter()
            .any(|s| name.strip_prefix(s.as_str()).is_some_and(|rest| rest.is_empty() || rest.starts_with('/')))
    };
    measured.proof_scopes.iter().filter(|(name, _)| inside(name)).map(|(_, bytes)| *bytes as f64).sum()
}

/// Challenge-field elements in these bytes. The predictions tell the size of one.
fn elements(relations: &[&RelationRecord], bytes: f64) -> Option<f64> {
    let sum = |get: fn(&RelationRecord) -> usize| relations.iter().map(|r| get(r)).sum::<usize>() as f64;
    let others = sum(|r| r.cost.proof_bytes);
    let size = (sum(|r| r.proof_bytes) - others) / sum(|r| r.cost.proof_elements);
    (size > 0.0).then(|| (bytes - others) / size)
}

/// Committed cells that no layer has of its own, if they are all of these relations.
fn advice_cells(relations: &[&RelationRecord], measured: &Measured, record: &CellRecord) -> Option<f64> {
    let all = |get: &dyn Fn(&RelationRecord) -> bool| measured.relations.iter().filter(|r| get(r)).count();
    let with_advice = |r: &RelationRecord| r.cost.committed_cells > 0;
    let selected = relations.iter().filter(|r| with_advice(r)).count();
    let input = record.spec.pointer("/input/committed").and_then(serde_json::Value::as_bool).unwrap_or(false);
    let own: usize = measured.layers.iter().map(|l| l.committed_cells).sum();
    (!input && selected == all(&with_advice)).then_some(measured.committed_cells as f64 - own as f64)
}

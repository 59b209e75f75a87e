//! The plan of an experiment: every cell lowered, checked and predicted before any of them runs.

use std::collections::BTreeMap;

use serde::Serialize;
use zkml_commitment::CommittedSuite;
use zkml_core::{Cost, ProtocolSet, Relation, TensorId};
use zkml_model::{Assignment, Plan, PlanError, Statement};

use crate::catalogue;
use crate::environment::executable_digest;
use crate::network::Network;
use crate::record::{RelationRecord, Soundness};
use crate::spec::{Cell, Choice, Document, Experiment, Fault, KeyPath, Named, SpecErrors};
use crate::suites::{self, WithSuite};

/// One cell, planned.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct CellPlan {
    /// First digits of the identity.
    pub(crate) id: String,
    /// Digest of cell, executable and data.
    pub(crate) identity: String,
    /// The matrix axes' values.
    pub(crate) point: Vec<(String, String)>,
    /// The same in one line.
    pub(crate) label: String,
    /// The cell's experiment.
    pub(crate) experiment: Experiment,
    /// Relations with protocols and predicted costs.
    pub(crate) relations: Vec<RelationRecord>,
    /// Sum of the predicted costs.
    pub(crate) predicted: Cost,
    /// Cells that will be committed per proof, advice included.
    pub(crate) committed_cells: usize,
    /// Cells of weights.
    pub(crate) fixed_cells: usize,
    /// Soundness.
    pub(crate) soundness: Soundness,
    /// Input files with their digests.
    pub(crate) data: Vec<(String, String)>,
}

/// Plans every cell of a document. All faults are returned at once, each once.
pub(crate) fn plan(document: &Document) -> Result<Vec<CellPlan>, SpecErrors> {
    let executable = executable_digest();
    let (mut plans, mut errors) = (Vec::new(), Vec::new());
    for cell in document.cells()? {
        match plan_cell(document, &cell, &executable) {
            Ok(plan) => plans.push(plan),
            Err(fault) => {
                for error in document.cell_error(&cell, &fault).0 {
                    if !errors.contains(&error) {
                        errors.push(error);
                    }
                }
            }
        }
    }
    if errors.is_empty() { Ok(plans) } else { Err(SpecErrors(errors)) }
}

fn plan_cell(document: &Document, cell: &Cell, executable: &str) -> Result<CellPlan, Fault> {
    let experiment = &cell.experiment;
    let network = Network::load(experiment, document.folder())?;
    let statement = statement(experiment, &network)?;
    let identity = identity(experiment, &network, executable);
    let visitor = Planning { cell, network: &network, statement, identity };
    suites::with_suite(&experiment.suite, visitor).unwrap_or_else(|| {
        let path = KeyPath::default().key("suite");
        let names: Vec<String> = catalogue::suites().into_iter().map(|(name, _)| name).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        Err(Fault::name(&path, "suite", &experiment.suite, &names))
    })
}

/// Digest of everything that decides a result: the cell without texts and limits, the executable, the data.
fn identity(experiment: &Experiment, network: &Network, executable: &str) -> String {
    let mut canonical = experiment.clone();
    canonical.about.clear();
    canonical.checks.clear();
    let text = serde_json::to_vec(&canonical).unwrap_or_default();
    let data: Vec<&[u8]> =
        network.files().iter().flat_map(|(file, digest)| [file.as_bytes(), digest.as_bytes()]).collect();
    let mut hasher = blake3::Hasher::new_derive_key("zkml-workbench cell identity");
    for part in [text.as_slice(), executable.as_bytes()].into_iter().chain(data) {
        hasher.update(&(part.len() as u64).to_le_bytes()).update(part);
    }
    hasher.finalize().to_hex().to_string()
}

/// The statement that a cell proves.
pub(crate) fn statement(experiment: &Experiment, network: &Network) -> Result<Statement, Fault> {
    let protocols = experiment
        .model
        .iter()
        .enumerate()
        .map(|(i, layer)| layer_protocols(i, layer.protocol.as_ref().or(experiment.protocol.as_ref())))
        .collect::<Result<Vec<_>, _>>()?;
    let assign = |relation: &Relation| {
        let [einsum, lookup] = protocols.get(network.layer_of(relation.scope()))?;
        let named = match relation {
            Relation::Einsum(_) => einsum,
            Relation::Lookup(_) => lookup,
            Relation::Affine(_) | Relation::View(_) => return None,
        };
        Some(Assignment { protocol: named.id.clone(), options: named.options.clone() })
    };
    let statement = Statement {
        suite: experiment.suite.clone(),
        program: network.program().clone(),
        assignments: network.program().relations().iter().map(assign).collect(),
        security_bits: security_bits(experiment),
        allow_weak: experiment.allow_weak,
    };
    Ok(if experiment.merge_lookups { statement.merge_lookups() } else { statement })
}

fn security_bits(experiment: &Experiment) -> u32 {
    experiment.security_bits.or_else(|| suites::security_bits(&experiment.suite)).unwrap_or(100)
}

/// The protocols of a layer's two slots.
fn layer_protocols(layer: usize, choice: Option<&Choice>) -> Result<[Named; 2], Fault> {
    let path = KeyPath::default().key("model").index(layer).key("protocol");
    let protocols = catalogue::protocols();
    let names: Vec<&str> = protocols.iter().map(|p| p.id).collect();
    let Some(choice) = choice else {
        let allowed = format!("`protocol` beside the kernel or at the top of the file: {}", names.join(", "));
        return Err(Fault::value(&path, "this layer has no protocol", "nothing".to_owned(), allowed));
    };
    choice.fill(&protocols).map_err(|problem| {
        let allowed =
            "a protocol for each of the slots einsum and lookup, e.g. `{einsum: sumcheck, lookup: logup-gkr}`";
        Fault::value(&path, problem, format!("`{}`", serde_json::to_value(choice).unwrap_or_default()), allowed)
    })
}

struct Planning<'a> {
    cell: &'a Cell,
    network: &'a Network,
    statement: Statement,
    identity: String,
}

impl WithSuite for Planning<'_> {
    type Output = Result<CellPlan, Fault>;

    fn run<S: CommittedSuite>(self, protocols: &dyn ProtocolSet<S>) -> Self::Output {
        let plan = Plan::<S>::new(self.statement, protocols)
            .map_err(|e| plan_fault(&e, &self.cell.experiment, self.network))?;
        let relations = relations(&plan);
        let cells = |tensors: &[TensorId]| -> usize {
            tensors.iter().filter_map(|&t| plan.program().get(t)).map(|t| t.shape.cells()).sum()
        };
        Ok(CellPlan {
            id: self.identity[..16].to_owned(),
            identity: self.identity,
            point: self.cell.point.clone(),
            label: self.cell.label(),
            experiment: self.cell.experiment.clone(),
            predicted: relations.iter().fold(Cost::default(), |sum, r| sum.plus(r.cost)),
            relations,
            committed_cells: cells(&plan.committed()),
            fixed_cells: cells(&plan.fixed()),
            soundness: soundness(&plan),
            data: self.network.files().to_vec(),
        })
    }
}

/// The relations of a plan.
pub(crate) fn relations<S: CommittedSuite>(plan: &Plan<S>) -> Vec<RelationRecord> {
    let record = |r: zkml_model::RelationSummary| RelationRecord {
        scope: r.scope,
        kind: r.kind.to_owned(),
        protocol: r.protocol,
        detail: r.detail,
        cost: r.cost,
    };
    plan.summary().into_iter().map(record).collect()
}

/// The soundness of a plan.
pub(crate) fn soundness<S: CommittedSuite>(plan: &Plan<S>) -> Soundness {
    let report = plan.soundness();
    let wanted = plan.statement().security_bits;
    Soundness { bits: report.bits, wanted, regime: report.regime, terms: report.terms }
}

/// Puts a fault of the plan at the key that causes it.
fn plan_fault(error: &PlanError, experiment: &Experiment, network: &Network) -> Fault {
    let top = KeyPath::default();
    let layer = |scope: &str| top.key("model").index(network.layer_of(scope));
    let protocol = |scope: &str| {
        let index = network.layer_of(scope);
        let own = experiment.model.get(index).is_some_and(|l| l.protocol.is_some());
        if own { layer(scope).key("protocol") } else { top.key("protocol") }
    };
    let message = error.to_string();
    match error {
        PlanError::Suite { stated, .. } => {
            Fault::value(&top.key("suite"), message, format!("`{stated}`"), "a known suite")
        }
        PlanError::Protocol { scope, .. } => {
            Fault::value(&protocol(scope), message, scope.clone(), "see `workbench list protocols`")
        }
        PlanError::Refused { scope, refusal } => {
            let allowed = format!("a protocol that proves this {}: see `workbench list protocols`", refusal.relation);
            Fault::value(&protocol(scope), message, format!("`{}`", refusal.protocol), allowed)
        }
        PlanError::Weak { bits, wanted, .. } => {
            let found = format!("{bits:.1} bits of {wanted}");
            Fault::value(&top.key("security_bits"), message, found, "as many bits as asked for, or `allow_weak: true`")
        }
        PlanError::Bounds(bounds) => {
            let scope = message.split(':').next().unwrap_or_default().to_owned();
            let allowed = "integers that cannot wrap in the suite's field, for any prover";
            Fault::value(&layer(&scope), bounds.to_string(), scope, allowed)
        }
        _ => Fault::value(&top.key("model"), message, "this model".to_owned(), "see the message"),
    }
}

/// Error terms grouped by their relation, as bits, worst first.
pub(crate) fn grouped_terms(soundness: &Soundness) -> Vec<(String, f64)> {
    let mut groups: BTreeMap<String, f64> = BTreeMap::new();
    for term in &soundness.terms {
        *groups.entry(term.name.clone()).or_default() += term.log2_error.exp2();
    }
    let mut rows: Vec<(String, f64)> = groups.into_iter().map(|(name, p)| (name, -p.log2())).collect();
    rows.sort_by(|a, b| a.1.total_cmp(&b.1));
    rows
}

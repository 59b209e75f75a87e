//! The plan of an experiment: every cell lowered, checked and predicted before any of them runs.

use std::collections::BTreeMap;

use serde::Serialize;
use zkml_commitment::CommittedSuite;
use zkml_core::{Cost, ProtocolSet, Relation, TensorId};
use zkml_model::{Assignment, Plan, PlanError, Statement};

use crate::environment::executable_digest;
use crate::layers;
use crate::network::Network;
use crate::spec::{
    Cell, Choice, Document, Experiment, Fault, KeyPath, Measure, Named, SpecErrors, Unsupportable, Unsupported,
};
use crate::suites::{self, WithSuite};
use crate::{catalogue, devices};
use zkml_results::record::{LayerRecord, RelationRecord, Soundness};

/// One cell, planned.
#[derive(Clone, Debug, Serialize)]
pub struct CellPlan {
    /// First digits of the identity.
    pub id: String,
    /// Digest of cell, executable and data.
    pub identity: String,
    /// The matrix axes' values.
    pub point: Vec<(String, String)>,
    /// The same in one line.
    pub label: String,
    /// The cell's experiment.
    pub experiment: Experiment,
    /// Digest of the network, its data and the executable: what an evaluation depends on.
    pub network: String,
    /// Relations with protocols and predicted costs.
    pub relations: Vec<RelationRecord>,
    /// The same by layer.
    pub layers: Vec<LayerRecord>,
    /// Sum of the predicted costs.
    pub predicted: Cost,
    /// Cells that will be committed per proof, advice included.
    pub committed_cells: usize,
    /// Cells of weights.
    pub fixed_cells: usize,
    /// Soundness.
    pub soundness: Soundness,
    /// Input files with their digests.
    pub data: Vec<(String, String)>,
    /// Digest of the executable.
    pub executable: String,
}

/// The cells of an experiment, planned, and the combinations that no protocol proves.
#[derive(Clone, Debug, Serialize)]
pub struct Plans {
    /// The experiment's name.
    pub experiment: String,
    /// What can run; at least one cell.
    pub cells: Vec<CellPlan>,
    /// What cannot.
    pub unsupported: Vec<Unsupported>,
}

/// Plans every cell of a document. All faults are returned at once, each once.
pub fn plan(document: &Document) -> Result<Plans, SpecErrors> {
    let executable = executable_digest();
    let (cells, mut unsupported) = document.cells()?;
    let (mut plans, mut errors) = (Vec::new(), Vec::new());
    for cell in cells {
        match plan_cell(document, &cell, &executable) {
            Ok(plan) => plans.push(plan),
            Err(fault) => match cell.put_aside(&fault) {
                Some(point) => unsupported.push(point),
                None => {
                    for error in document.cell_error(&cell, &fault).0 {
                        if !errors.contains(&error) {
                            errors.push(error);
                        }
                    }
                }
            },
        }
    }
    if !errors.is_empty() {
        return Err(SpecErrors(errors));
    }
    if plans.is_empty() {
        return Err(document.nothing_supported(&unsupported));
    }
    Ok(Plans { experiment: document.name.clone(), cells: plans, unsupported })
}

fn plan_cell(document: &Document, cell: &Cell, executable: &str) -> Result<CellPlan, Fault> {
    let experiment = &cell.experiment;
    devices::check(&experiment.device)?;
    let network = Network::load(experiment, document.folder())?;
    let statement = statement(experiment, &network)?;
    let digest = |experiment: &Experiment| digest(experiment, &network, executable);
    let identity = digest(experiment);
    let of_network = digest(&network_only(experiment));
    let visitor = Planning { cell, network: &network, statement, identity, of_network, executable };
    suites::with_suite(&experiment.suite, visitor).unwrap_or_else(|| {
        let path = KeyPath::default().key("suite");
        let names: Vec<String> = catalogue::suites().into_iter().map(|(name, _)| name).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        Err(Fault::name(&path, "suite", &experiment.suite, &names))
    })
}

/// The experiment without what proves and measures its network.
fn network_only(experiment: &Experiment) -> Experiment {
    let mut network = Experiment { protocol: None, measure: Measure::default(), ..experiment.clone() };
    for layer in &mut network.model {
        layer.protocol = None;
    }
    for text in [&mut network.suite, &mut network.device] {
        text.clear();
    }
    (network.security_bits, network.allow_weak, network.merge_lookups) = (None, false, false);
    network
}

/// Digest of everything that decides a result: the experiment without texts and limits, the executable, the data.
fn digest(experiment: &Experiment, network: &Network, executable: &str) -> String {
    let mut canonical = experiment.clone();
    canonical.about.clear();
    canonical.checks.clear();
    canonical.unsupported = Unsupportable::default();
    let text = serde_json::to_vec(&canonical).unwrap_or_default();
    let data: Vec<&[u8]> =
        network.files().iter().flat_map(|(file, digest)| [file.as_bytes(), digest.as_bytes()]).collect();
    let mut hasher = blake3::Hasher::new_derive_key("zkml-workbench cell identity");
    let device = devices::identity(&experiment.device);
    for part in [text.as_slice(), executable.as_bytes(), device.as_bytes()].into_iter().chain(data) {
        hasher.update(&(part.len() as u64).to_le_bytes()).update(part);
    }
    hasher.finalize().to_hex().to_string()
}

/// The statement that a cell proves.
pub fn statement(experiment: &Experiment, network: &Network) -> Result<Statement, Fault> {
    let protocols = experiment
        .model
        .iter()
        .enumerate()
        .map(|(i, layer)| layer_protocols(i, layer.protocol.as_ref(), experiment.protocol.as_ref()))
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

/// The protocols of a layer's two slots: the layer's own, else the default.
fn layer_protocols(layer: usize, own: Option<&Choice>, default: Option<&Choice>) -> Result<[Named; 2], Fault> {
    let top = KeyPath::default();
    let of_layer = top.key("model").index(layer).key("protocol");
    let protocols = catalogue::protocols();
    let (path, choice) = match (own, default) {
        (Some(own), _) => (of_layer, own),
        (None, Some(default)) => (top.key("protocol"), default),
        (None, None) => {
            let names: Vec<&str> = protocols.iter().map(|p| p.id).collect();
            let allowed = format!("`protocol` beside the kernel or at the top of the file: {}", names.join(", "));
            let problem = "this layer has no protocol";
            return Err(Fault::value(&of_layer, problem, "nothing".to_owned(), allowed));
        }
    };
    choice.fill(default, &protocols).map_err(|problem| {
        let allowed =
            "a protocol for each of the slots einsum and lookup, e.g. `{einsum: sumcheck, lookup: logup-gkr}`";
        let found = format!("`{}`", serde_json::to_value(choice).unwrap_or_default());
        Fault::value(&path, problem, found, allowed).unsupported()
    })
}

struct Planning<'a> {
    cell: &'a Cell,
    network: &'a Network,
    statement: Statement,
    identity: String,
    of_network: String,
    executable: &'a str,
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
            network: self.of_network,
            layers: layers::records(self.network, &relations),
            predicted: relations.iter().fold(Cost::default(), |sum, r| sum.plus(r.cost)),
            relations,
            committed_cells: cells(&plan.committed()),
            fixed_cells: cells(&plan.fixed()),
            soundness: soundness(&plan),
            data: self.network.files().to_vec(),
            executable: self.executable.to_owned(),
        })
    }
}

/// The relations of a plan.
pub fn relations<S: CommittedSuite>(plan: &Plan<S>) -> Vec<RelationRecord> {
    let record = |r: zkml_model::RelationSummary| RelationRecord {
        scope: r.scope,
        kind: r.kind.to_owned(),
        protocol: r.protocol,
        detail: r.detail,
        proof_bytes: r.cost.proof_elements * S::challenge_bytes() + r.cost.proof_bytes,
        cost: r.cost,
    };
    plan.summary().into_iter().map(record).collect()
}

/// The soundness of a plan.
pub fn soundness<S: CommittedSuite>(plan: &Plan<S>) -> Soundness {
    let report = plan.soundness();
    let wanted = plan.statement().security_bits;
    Soundness { bits: report.bits, wanted, regime: report.regime, terms: report.terms }
}

/// The key that names the protocol of a relation of this kind in a layer.
fn protocol_key(experiment: &Experiment, layer: usize, kind: &str) -> KeyPath {
    let top = KeyPath::default();
    let own = top.key("model").index(layer).key("protocol");
    match experiment.model.get(layer).and_then(|layer| layer.protocol.as_ref()) {
        Some(choice) if choice.names(kind) => own.key(kind),
        Some(Choice::Slots { .. }) if experiment.protocol.is_some() => top.key("protocol"),
        Some(_) => own,
        None => match &experiment.protocol {
            Some(choice) if choice.names(kind) => top.key("protocol").key(kind),
            _ => top.key("protocol"),
        },
    }
}

/// Puts a fault of the plan at the key that causes it.
fn plan_fault(error: &PlanError, experiment: &Experiment, network: &Network) -> Fault {
    let top = KeyPath::default();
    let layer = |scope: &str| top.key("model").index(network.layer_of(scope));
    let kind = |scope: &str| {
        let relation = network.program().relations().iter().find(|r| r.scope() == scope);
        relation.map_or("", Relation::kind)
    };
    let protocol = |scope: &str, kind: &str| protocol_key(experiment, network.layer_of(scope), kind);
    let message = error.to_string();
    match error {
        PlanError::Suite { stated, .. } => {
            Fault::value(&top.key("suite"), message, format!("`{stated}`"), "a known suite")
        }
        PlanError::Protocol { scope, .. } => {
            let path = protocol(scope, kind(scope));
            Fault::value(&path, message, scope.clone(), "see `workbench list protocols`").unsupported()
        }
        PlanError::Refused { scope, refusal } => {
            let allowed = format!("a protocol that proves this {}: see `workbench list protocols`", refusal.relation);
            let path = protocol(scope, refusal.relation);
            Fault::value(&path, message, format!("`{}`", refusal.protocol), allowed).unsupported()
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
pub fn grouped_terms(soundness: &Soundness) -> Vec<(String, f64)> {
    let mut groups: BTreeMap<String, f64> = BTreeMap::new();
    for term in &soundness.terms {
        *groups.entry(term.name.clone()).or_default() += term.log2_error.exp2();
    }
    let mut rows: Vec<(String, f64)> = groups.into_iter().map(|(name, p)| (name, -p.log2())).collect();
    rows.sort_by(|a, b| a.1.total_cmp(&b.1));
    rows
}

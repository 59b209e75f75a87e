//! A statement made executable: protocols built, advice added, steps in order.

use std::collections::BTreeMap;

use zkml_commitment::CommittedSuite;
use zkml_core::protocol::SharedProtocol;
use zkml_core::{
    Bounds, Cost, ErrorTerm, Instance, Program, ProtocolSet, Refusal, Relation, RelationId, Residence, Shape, TensorId,
};

use crate::soundness::SoundnessReport;
use crate::{PlanError, Statement};

/// Fixed tensors of at most this many cells together are listed in the verifying key instead of being
/// committed: for the verifier, evaluating them is cheaper than checking an opening.
pub(crate) const CLEAR_CELLS: usize = 1 << 12;

/// One step of a proof. Both halves walk [`Plan::steps`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Prove a lookup.
    Lookup(RelationId),
    /// Check an equation between tensors that exist already, at its shape's random point.
    Constraint(RelationId),
    /// Reduce the claims on a virtual tensor through the relation that defines it.
    Definition(TensorId, RelationId),
}

/// What a plan says about one relation.
#[derive(Clone, Debug, PartialEq)]
pub struct RelationSummary {
    /// Scope of the relation.
    pub scope: String,
    /// `einsum`, `lookup` or `affine`.
    pub kind: &'static str,
    /// Protocol with its options, `built in` for affine relations.
    pub protocol: String,
    /// What is related, in words: index string, or table and number of rows.
    pub detail: String,
    /// Predicted cost.
    pub cost: Cost,
    /// Error terms, before the charge for the commitment's candidates.
    pub terms: Vec<ErrorTerm>,
}

/// A statement made executable over one suite.
pub struct Plan<S: CommittedSuite> {
    statement: Statement,
    program: Program,
    protocols: Vec<Option<SharedProtocol<S>>>,
    advice: Vec<Vec<TensorId>>,
    steps: Vec<Step>,
    definitions: BTreeMap<TensorId, RelationId>,
}

impl<S: CommittedSuite> Plan<S> {
    /// Checks bounds, builds the protocols and asks each whether it supports its relation, and adds up the soundness
    /// error of the whole proof.
    pub fn new(statement: Statement, protocols: &dyn ProtocolSet<S>) -> Result<Self, PlanError> {
        if statement.suite != S::ID {
            return Err(PlanError::Suite { stated: statement.suite, suite: S::ID });
        }
        statement.program.check(S::max_magnitude())?;
        let built = build_protocols(&statement, protocols)?;
        let mut plan = Self {
            program: statement.program.clone(),
            advice: vec![Vec::new(); built.len()],
            steps: Vec::new(),
            definitions: statement.program.definitions(),
            protocols: built,
            statement,
        };
        plan.check_support()?;
        plan.add_advice();
        plan.steps = plan.order_steps();
        plan.check_security()?;
        Ok(plan)
    }

    /// The statement.
    pub fn statement(&self) -> &Statement {
        &self.statement
    }

    /// The program with advice tensors.
    pub fn program(&self) -> &Program {
        &self.program
    }

    /// All steps after the commitment, in order.
    pub fn steps(&self) -> &[Step] {
        &self.steps
    }

    /// A relation; the id comes from this plan's own steps.
    pub(crate) fn relation(&self, id: RelationId) -> Option<&Relation> {
        self.program.relations().get(id.0)
    }

    /// The protocol of a relation.
    pub(crate) fn protocol(&self, id: RelationId) -> Option<&SharedProtocol<S>> {
        self.protocols.get(id.0)?.as_ref()
    }

    /// A relation with its advice.
    pub(crate) fn instance(&self, id: RelationId) -> Option<Instance<'_>> {
        Some(Instance {
            program: &self.program,
            relation: self.relation(id)?,
            advice: self.advice.get(id.0).map_or(&[], Vec::as_slice),
        })
    }

    /// Committed tensors, advice included, in the order of the commitment.
    pub fn committed(&self) -> Vec<TensorId> {
        self.program.with_residence(Residence::Committed)
    }

    /// Fixed tensors, in the order of the key's commitment.
    pub fn fixed(&self) -> Vec<TensorId> {
        self.program.with_residence(Residence::Fixed)
    }

    /// True if the key lists the fixed tensors instead of committing to them.
    pub fn fixed_in_clear(&self) -> bool {
        self.fixed().iter().map(|&t| self.shape(t).cells()).sum::<usize>() <= CLEAR_CELLS
    }

    pub(crate) fn shape(&self, tensor: TensorId) -> Shape {
        self.program.get(tensor).map_or_else(Shape::scalar, |t| t.shape.clone())
    }

    pub(crate) fn shapes(&self, tensors: &[TensorId]) -> Vec<Shape> {
        tensors.iter().map(|&t| self.shape(t)).collect()
    }

    /// The relation that defines a virtual tensor.
    pub(crate) fn definition(&self, tensor: TensorId) -> Option<RelationId> {
        self.definitions.get(&tensor).copied()
    }

    /// The shapes of all constraints' outputs, each once: one random point is drawn for each.
    pub(crate) fn constraint_shapes(&self) -> Vec<Shape> {
        let mut shapes = Vec::new();
        for step in &self.steps {
            if let Step::Constraint(id) = *step
                && let Some(output) = self.relation(id).and_then(Relation::output)
            {
                let shape = self.shape(output);
                if !shapes.contains(&shape) {
                    shapes.push(shape);
                }
            }
        }
        shapes
    }

    /// Every relation with its protocol, predicted cost and error terms.
    pub fn summary(&self) -> Vec<RelationSummary> {
        (0..self.program.relations().len()).filter_map(|i| self.summarise(RelationId(i))).collect()
    }

    fn summarise(&self, id: RelationId) -> Option<RelationSummary> {
        let relation = self.relation(id)?;
        let instance = self.instance(id)?;
        let protocol = self.protocol(id);
        let assignment = self.statement.assignments.get(id.0).cloned().flatten();
        Some(RelationSummary {
            scope: relation.scope().to_owned(),
            kind: relation.kind(),
            protocol: assignment.map_or_else(|| "built in".to_owned(), |a| describe_assignment(&a)),
            detail: describe_relation(&self.program, relation),
            cost: protocol.map_or_else(|| self.built_in_cost(relation), |p| p.cost(&instance)),
            terms: protocol.map_or_else(Vec::new, |p| p.soundness(&instance)),
        })
    }

    /// Affine relations cost nothing beyond the claims they pass on.
    fn built_in_cost(&self, relation: &Relation) -> Cost {
        match relation {
            Relation::View(view) => {
                zkml_sumcheck::view::cost::<S>(view, &self.shape(view.output), &self.shape(view.input))
            }
            _ => Cost::default(),
        }
    }

    /// All error terms of the proof and their sum.
    pub fn soundness(&self) -> SoundnessReport {
        crate::soundness::report(self)
    }

    fn check_support(&self) -> Result<(), PlanError> {
        for (i, relation) in self.program.relations().iter().enumerate() {
            let Some(protocol) = self.protocol(RelationId(i)) else { continue };
            let instance = Instance { program: &self.program, relation, advice: &[] };
            protocol
                .supports(&instance)
                .map_err(|refusal: Refusal| PlanError::Refused { scope: relation.scope().to_owned(), refusal })?;
        }
        Ok(())
    }

    /// Advice becomes committed tensors after all others. It needs no bounds: protocols treat it as field
    /// elements that happen to be small for an honest prover.
    fn add_advice(&mut self) {
        let base = self.program.clone();
        for (i, relation) in base.relations().iter().enumerate() {
            let Some(protocol) = &self.protocols[i] else { continue };
            let specs = protocol.advice_specs(&Instance { program: &base, relation, advice: &[] });
            self.advice[i] = specs
                .into_iter()
                .map(|spec| {
                    let name = format!("{}/{}", relation.scope(), spec.name);
                    self.program.tensor(name, spec.shape, Bounds::new(i64::MIN, i64::MAX), Residence::Committed)
                })
                .collect();
        }
    }

    fn order_steps(&self) -> Vec<Step> {
        let relations = self.program.relations();
        let lookups = (0..relations.len()).map(RelationId).filter(|r| matches!(relations[r.0], Relation::Lookup(_)));
        let mut definitions: Vec<(RelationId, TensorId)> = self.definitions.iter().map(|(&t, &r)| (r, t)).collect();
        definitions.sort_unstable();
        lookups
            .map(Step::Lookup)
            .chain(self.program.constraints().into_iter().map(Step::Constraint))
            .chain(definitions.into_iter().rev().map(|(r, t)| Step::Definition(t, r)))
            .collect()
    }

    fn check_security(&self) -> Result<(), PlanError> {
        let report = self.soundness();
        let wanted = self.statement.security_bits;
        if self.statement.allow_weak || !report.is_weak() {
            return Ok(());
        }
        let worst = report.terms.iter().max_by(|a, b| a.log2_error.total_cmp(&b.log2_error));
        Err(PlanError::Weak {
            bits: report.bits,
            wanted,
            worst: worst.map_or_else(String::new, |t| format!("{} at 2^{:.1}", t.name, t.log2_error)),
            remedy: "take `suite: goldilocks3`, lower `security_bits`, or set `allow_weak: true` to measure anyway",
        })
    }
}

fn build_protocols<S: CommittedSuite>(
    statement: &Statement,
    protocols: &dyn ProtocolSet<S>,
) -> Result<Vec<Option<SharedProtocol<S>>>, PlanError> {
    let relations = statement.program.relations();
    relations
        .iter()
        .enumerate()
        .map(|(i, relation)| {
            let error = |reason: String| PlanError::Protocol { scope: relation.scope().to_owned(), reason };
            match (relation, statement.assignments.get(i).cloned().flatten()) {
                (Relation::Affine(_) | Relation::View(_), None) => Ok(None),
                (Relation::Affine(_) | Relation::View(_), Some(_)) => {
                    Err(error(format!("{} relations are built in", relation.kind())))
                }
                (_, None) => Err(error(format!("no protocol is assigned to this {}", relation.kind()))),
                (_, Some(a)) => protocols.build(&a.protocol, &a.options).map(Some).map_err(error),
            }
        })
        .collect()
}

fn describe_assignment(assignment: &crate::Assignment) -> String {
    if assignment.options.is_empty() {
        return assignment.protocol.clone();
    }
    let options: Vec<String> = assignment.options.iter().map(|(k, v)| format!("{k}: {v}")).collect();
    format!("{} ({})", assignment.protocol, options.join(", "))
}

fn describe_relation(program: &Program, relation: &Relation) -> String {
    let cells = |t: TensorId| program.get(t).map_or(0, |t| t.shape.cells());
    match relation {
        Relation::Einsum(einsum) => einsum.subscripts(),
        Relation::Affine(affine) => format!("{} terms", affine.terms.len()),
        Relation::View(view) => {
            let shape = |t: TensorId| program.get(t).map_or_else(Shape::scalar, |t| t.shape.clone());
            format!("{} from {}", shape(view.output), shape(view.input))
        }
        Relation::Lookup(lookup) => {
            let rows: usize = lookup.tuples.iter().filter_map(|t| t.first()).map(|&t| cells(t)).sum();
            format!("{rows} rows in {} ({} rows)", lookup.table.name(), lookup.table.rows())
        }
    }
}

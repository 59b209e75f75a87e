//! The protocol of a whole proof, written once for both halves.

use zkml_commitment::{CommittedSuite, OpeningClaim};
use zkml_core::{Affine, Claim, Relation, RelationId, Residence, Shape, TensorId, View, mle};

use crate::Ledger;
use crate::plan::{Plan, Step};

/// What differs between prover and verifier: one sends where the other reads.
pub(crate) trait Side<S: CommittedSuite> {
    /// The half's error.
    type Error;

    /// The value of a tensor that the verifier knows, at a point; `None` if the verifier does not know it.
    fn known(&self, tensor: TensorId, point: &[S::Challenge]) -> Result<Option<S::Challenge>, Self::Error>;
    /// Sends or reads the value of a tensor at a point.
    fn exchange(&mut self, tensor: TensorId, point: &[S::Challenge]) -> Result<S::Challenge, Self::Error>;
    /// Runs the relation's protocol.
    fn reduce(
        &mut self,
        id: RelationId,
        claim: Option<&Claim<S::Challenge>>,
    ) -> Result<Vec<Claim<S::Challenge>>, Self::Error>;
    /// Reduces a claim on a view to a claim on the tensor behind it.
    fn view(&mut self, view: &View, claim: &Claim<S::Challenge>) -> Result<Claim<S::Challenge>, Self::Error>;
    /// Merges several claims on one tensor into one.
    fn merge(&mut self, tensor: TensorId, claims: &[Claim<S::Challenge>]) -> Result<Claim<S::Challenge>, Self::Error>;
    /// Proves or verifies the opening of the per-proof commitment.
    fn open_committed(&mut self, claims: &[OpeningClaim<S::Challenge>]) -> Result<(), Self::Error>;
    /// Proves or verifies the opening of the key's commitment.
    fn open_fixed(&mut self, claims: &[OpeningClaim<S::Challenge>]) -> Result<(), Self::Error>;
    /// Fails unless `holds`.
    fn check(&self, holds: bool, what: &'static str) -> Result<(), Self::Error>;
    /// Draws a point.
    fn challenges(&mut self, count: usize) -> Vec<S::Challenge>;
    /// Opens a step's scope; `phase` groups steps in reports.
    fn enter(&mut self, phase: &'static str, label: &str);
    /// Closes it.
    fn leave(&mut self);
}

/// Up to this many claims on a view are reduced one by one, so that the prover never holds its cells; more are merged.
pub(crate) const MAX_VIEW_CLAIMS: usize = 4;

/// A random point for one shape of constraint outputs.
type ConstraintPoint<S> = (Shape, Vec<<S as zkml_core::Suite>::Challenge>);

struct Walk<'a, S: CommittedSuite, X: Side<S>> {
    plan: &'a Plan<S>,
    side: &'a mut X,
    ledger: Ledger<S::Challenge>,
    points: Option<Vec<ConstraintPoint<S>>>,
}

/// Runs all steps after the commitment, down to the openings.
pub(crate) fn walk<S: CommittedSuite, X: Side<S>>(plan: &Plan<S>, side: &mut X) -> Result<(), X::Error> {
    let mut walk = Walk { plan, side, ledger: Ledger::new(), points: None };
    for &step in plan.steps() {
        walk.step(step)?;
    }
    walk.discharge()
}

impl<S: CommittedSuite, X: Side<S>> Walk<'_, S, X> {
    fn step(&mut self, step: Step) -> Result<(), X::Error> {
        let plan = self.plan;
        match step {
            Step::Lookup(id) => {
                self.enter("lookups", id);
                let claims = self.side.reduce(id, None)?;
                self.ledger.extend(claims);
            }
            Step::Constraint(id) => {
                let Some(relation) = plan.relation(id) else { return Ok(()) };
                let point = self.constraint_point(relation);
                self.enter("einsums", id);
                self.constraint(id, relation, &point)?;
            }
            Step::Definition(tensor, id) => {
                let claims = self.ledger.take(tensor);
                let Some(relation) = plan.relation(id).filter(|_| !claims.is_empty()) else { return Ok(()) };
                self.enter("einsums", id);
                self.definition(id, relation, tensor, &claims)?;
            }
        }
        self.side.leave();
        Ok(())
    }

    fn enter(&mut self, phase: &'static str, id: RelationId) {
        let scope = self.plan.relation(id).map_or("", Relation::scope);
        let built_in = self.plan.relation(id).map_or("", Relation::kind);
        let protocol = self.plan.protocol(id).map_or(built_in, |p| p.info().id);
        self.side.enter(phase, &format!("{scope}/{protocol}"));
    }

    /// One random point per shape, drawn when the first constraint is reached: after every commitment.
    fn constraint_point(&mut self, relation: &Relation) -> Vec<S::Challenge> {
        let shapes = self.plan.constraint_shapes();
        let side = &mut *self.side;
        let points = self.points.get_or_insert_with(|| {
            shapes
                .into_iter()
                .map(|s| {
                    let p = side.challenges(s.variables());
                    (s, p)
                })
                .collect()
        });
        let shape = relation.output().map(|o| self.plan.shape(o));
        points.iter().find(|(s, _)| Some(s) == shape.as_ref()).map(|(_, p)| p.clone()).unwrap_or_default()
    }

    fn constraint(&mut self, id: RelationId, relation: &Relation, point: &[S::Challenge]) -> Result<(), X::Error> {
        let Some(output) = relation.output() else { return Ok(()) };
        if let Relation::Affine(affine) = relation {
            let value = self.affine_value(affine, point)?;
            if let Some(known) = self.side.known(output, point)? {
                return self.side.check(known == value, "the affine constraint on public values");
            }
            self.ledger.add(Claim::new(output, point.to_vec(), value));
            return Ok(());
        }
        let value = self.value(output, point)?;
        let claim = Claim::new(output, point.to_vec(), value);
        self.reduce(id, relation, &claim)
    }

    fn definition(
        &mut self,
        id: RelationId,
        relation: &Relation,
        tensor: TensorId,
        claims: &[Claim<S::Challenge>],
    ) -> Result<(), X::Error> {
        if let Relation::Affine(affine) = relation {
            for claim in claims {
                let value = self.affine_value(affine, &claim.point)?;
                self.side.check(value == claim.value, "the affine relation")?;
            }
            return Ok(());
        }
        if matches!(relation, Relation::View(_)) && claims.len() <= MAX_VIEW_CLAIMS {
            return claims.iter().try_for_each(|claim| self.reduce(id, relation, claim));
        }
        let claim = match claims {
            [only] => only.clone(),
            several => self.side.merge(tensor, several)?,
        };
        self.reduce(id, relation, &claim)
    }

    fn reduce(&mut self, id: RelationId, relation: &Relation, claim: &Claim<S::Challenge>) -> Result<(), X::Error> {
        match relation {
            Relation::View(view) => {
                let claim = self.side.view(view, claim)?;
                self.ledger.add(claim);
            }
            _ => self.ledger.extend(self.side.reduce(id, Some(claim))?),
        }
        Ok(())
    }

    /// The right-hand side of an affine relation at a point, leaving claims on its tensors.
    fn affine_value(&mut self, affine: &Affine, point: &[S::Challenge]) -> Result<S::Challenge, X::Error> {
        let shape = self.plan.shape(affine.output);
        let mut sum = mle::shape_indicator(&shape, point) * S::from_i64(affine.constant);
        for &(coefficient, tensor) in &affine.terms {
            sum += self.value(tensor, point)? * S::from_i64(coefficient);
        }
        Ok(sum)
    }

    /// The value of a tensor at a point: computed if the verifier knows the tensor, reused if it is claimed
    /// already, else exchanged, absorbed and claimed.
    fn value(&mut self, tensor: TensorId, point: &[S::Challenge]) -> Result<S::Challenge, X::Error> {
        if let Some(value) = self.side.known(tensor, point)?.or_else(|| self.ledger.value_at(tensor, point)) {
            return Ok(value);
        }
        let value = self.side.exchange(tensor, point)?;
        self.ledger.add(Claim::new(tensor, point.to_vec(), value));
        Ok(value)
    }

    /// Opens what is committed, evaluates what is known, and refuses to leave anything over.
    fn discharge(&mut self) -> Result<(), X::Error> {
        let (committed, fixed) = (self.plan.committed(), self.plan.fixed());
        for tensor in self.plan.program().with_residence(Residence::Public) {
            self.evaluate_known(tensor)?;
        }
        if self.plan.fixed_in_clear() {
            for &tensor in &fixed {
                self.evaluate_known(tensor)?;
            }
        } else {
            let claims = self.opening_claims(&fixed);
            if !claims.is_empty() {
                self.side.enter("opening", "weights");
                self.side.open_fixed(&claims)?;
                self.side.leave();
            }
        }
        let claims = self.opening_claims(&committed);
        if !claims.is_empty() {
            self.side.enter("opening", "opening");
            self.side.open_committed(&claims)?;
            self.side.leave();
        }
        self.side.check(self.ledger.open().is_empty(), "that every claim is discharged")
    }

    fn evaluate_known(&mut self, tensor: TensorId) -> Result<(), X::Error> {
        for claim in self.ledger.take(tensor) {
            let known = self.side.known(tensor, &claim.point)?;
            self.side.check(known == Some(claim.value), "a claim on public values")?;
        }
        Ok(())
    }

    fn opening_claims(&mut self, tensors: &[TensorId]) -> Vec<OpeningClaim<S::Challenge>> {
        let mut claims = Vec::new();
        for (position, &tensor) in tensors.iter().enumerate() {
            for claim in self.ledger.take(tensor) {
                claims.push(OpeningClaim { tensor: position, point: claim.point, value: claim.value });
            }
        }
        claims
    }
}

//! A program: tensors and the relations between them. It is the statement that gets proven.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{Affine, AxisGroup, BoundsError, Einsum, Lookup, Relation, RelationId, Shape, Table, View};

mod bounds;

/// Position of a tensor in its [`Program`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct TensorId(pub usize);

/// An inclusive integer interval.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bounds {
    /// Smallest value.
    pub lo: i64,
    /// Largest value.
    pub hi: i64,
}

impl Bounds {
    /// The interval `[lo, hi]`.
    pub fn new(lo: i64, hi: i64) -> Self {
        Self { lo, hi }
    }
}

/// Who knows a tensor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Residence {
    /// The verifier has the values.
    Public,
    /// Weights: committed once, in the keys.
    Fixed,
    /// Activations and advice: committed per proof.
    Committed,
    /// Nobody commits it; claims on it are passed to the relation that defines it.
    Virtual,
}

/// One tensor of a program.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tensor {
    /// Name for reports and errors, e.g. `norm/remainder.0`.
    pub name: String,
    /// True shape.
    pub shape: Shape,
    /// Every value lies in this interval, also for a malicious prover ([`Program::check`] proves it).
    pub bounds: Bounds,
    /// Who knows the values.
    pub residence: Residence,
}

/// Tensors and relations. A virtual tensor is defined by the first relation with it as output; every other relation is a constraint. Definitions only use tensors defined before them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Program {
    tensors: Vec<Tensor>,
    relations: Vec<Relation>,
}

impl Program {
    /// Adds a tensor.
    pub fn tensor(&mut self, name: impl Into<String>, shape: Shape, bounds: Bounds, residence: Residence) -> TensorId {
        self.tensors.push(Tensor { name: name.into(), shape, bounds, residence });
        TensorId(self.tensors.len() - 1)
    }

    /// Adds a relation.
    pub fn relation(&mut self, relation: Relation) -> RelationId {
        self.relations.push(relation);
        RelationId(self.relations.len() - 1)
    }

    /// Adds `output = Σ Π operands` by its index string.
    pub fn einsum(
        &mut self,
        scope: impl Into<String>,
        subscripts: &str,
        output: TensorId,
        operands: &[TensorId],
    ) -> Result<RelationId, BoundsError> {
        let scope = scope.into();
        let what = format!("`{subscripts}` is not an index string for {} operands", operands.len());
        let relation = Einsum::new(scope.clone(), subscripts, output, operands);
        relation.map(|r| self.relation(Relation::Einsum(r))).ok_or(BoundsError::Malformed { scope, what })
    }

    /// Adds a lookup.
    pub fn lookup(&mut self, scope: impl Into<String>, table: Table, tuples: Vec<Vec<TensorId>>) -> RelationId {
        self.relation(Relation::Lookup(Lookup { scope: scope.into(), table, tuples }))
    }

    /// Adds `output = constant + Σ coefficient · tensor`.
    pub fn affine(
        &mut self,
        scope: impl Into<String>,
        output: TensorId,
        terms: Vec<(i64, TensorId)>,
        constant: i64,
    ) -> RelationId {
        self.relation(Relation::Affine(Affine { scope: scope.into(), output, terms, constant }))
    }

    /// Adds `output[y] = input[address(y)]`.
    pub fn view(
        &mut self,
        scope: impl Into<String>,
        output: TensorId,
        input: TensorId,
        groups: Vec<AxisGroup>,
    ) -> RelationId {
        self.relation(Relation::View(View { scope: scope.into(), output, input, groups }))
    }

    /// The view that defines a virtual tensor, if one does.
    pub fn view_of(&self, tensor: TensorId) -> Option<&View> {
        if self.get(tensor)?.residence != Residence::Virtual {
            return None;
        }
        match self.relations.iter().find(|r| r.output() == Some(tensor))? {
            Relation::View(view) => Some(view),
            _ => None,
        }
    }

    /// All tensors.
    pub fn tensors(&self) -> &[Tensor] {
        &self.tensors
    }

    /// All relations.
    pub fn relations(&self) -> &[Relation] {
        &self.relations
    }

    /// A tensor; `None` for an id of another program.
    pub fn get(&self, id: TensorId) -> Option<&Tensor> {
        self.tensors.get(id.0)
    }

    /// Ids of the tensors with a residence, in order.
    pub fn with_residence(&self, residence: Residence) -> Vec<TensorId> {
        (0..self.tensors.len()).map(TensorId).filter(|&t| self.tensors[t.0].residence == residence).collect()
    }

    /// The relation that defines each virtual tensor.
    pub fn definitions(&self) -> BTreeMap<TensorId, RelationId> {
        let mut definitions = BTreeMap::new();
        for (i, relation) in self.relations.iter().enumerate() {
            if let Some(output) = relation.output()
                && self.get(output).is_some_and(|t| t.residence == Residence::Virtual)
            {
                definitions.entry(output).or_insert(RelationId(i));
            }
        }
        definitions
    }

    /// Relations with an output that define nothing: both sides exist already and must agree.
    pub fn constraints(&self) -> Vec<RelationId> {
        let definitions = self.definitions();
        (0..self.relations.len())
            .map(RelationId)
            .filter(|&r| self.relations[r.0].output().is_some_and(|output| definitions.get(&output) != Some(&r)))
            .collect()
    }

    /// Lookups with one table, merged into one relation each (the planner's `merge_lookups`). `same` says whether
    /// two lookups, by their positions, may be merged.
    #[must_use]
    pub fn merge_lookups(&self, same: impl Fn(RelationId, RelationId) -> bool) -> (Self, Vec<RelationId>) {
        let mut merged = Self { tensors: self.tensors.clone(), relations: Vec::new() };
        let mut origin: Vec<RelationId> = Vec::new();
        for (i, relation) in self.relations.iter().enumerate() {
            if let Relation::Lookup(lookup) = relation {
                let target = merged.relations.iter_mut().zip(&origin).find_map(|(r, &from)| match r {
                    Relation::Lookup(l) if l.table == lookup.table && same(from, RelationId(i)) => Some(l),
                    _ => None,
                });
                if let Some(target) = target {
                    target.tuples.extend(lookup.tuples.iter().cloned());
                    if !target.scope.split('+').any(|s| s == lookup.scope) {
                        target.scope = format!("{}+{}", target.scope, lookup.scope);
                    }
                    continue;
                }
            }
            merged.relations.push(relation.clone());
            origin.push(RelationId(i));
        }
        (merged, origin)
    }

    /// Checks that the program is a sound statement about integers: shapes and indices fit, virtual tensors
    /// are defined before use, every committed tensor is bounded by a lookup, and no side of an equation can
    /// exceed `max_magnitude` (half the field), whatever a malicious prover commits to. Constraints tighten the
    /// bounds of what they constrain, once both of their sides are known not to wrap.
    pub fn check(&self, max_magnitude: i128) -> Result<(), BoundsError> {
        bounds::check(self, max_magnitude)
    }
}

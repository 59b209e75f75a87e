//! What is proven, and by which protocol each relation.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use zkml_core::{Program, Relation};

/// A protocol and its options.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Assignment {
    /// Protocol id.
    pub protocol: String,
    /// Options by name.
    pub options: BTreeMap<String, String>,
}

impl Assignment {
    /// A protocol with its default options.
    pub fn new(protocol: impl Into<String>) -> Self {
        Self { protocol: protocol.into(), options: BTreeMap::new() }
    }
}

/// A program with a protocol for every Einsum and Lookup, over a suite, at a security level.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Statement {
    /// Suite id.
    pub suite: String,
    /// The program.
    pub program: Program,
    /// One entry per relation; `None` for Affine relations.
    pub assignments: Vec<Option<Assignment>>,
    /// The proof is refused below this many bits ...
    pub security_bits: u32,
    /// ... unless this is set.
    pub allow_weak: bool,
}

impl Statement {
    /// The same statement with lookups merged that share table and protocol: one instance instead of several.
    #[must_use]
    pub fn merge_lookups(&self) -> Self {
        let (program, origin) =
            self.program.merge_lookups(|a, b| self.assignments.get(a.0) == self.assignments.get(b.0));
        let assignments = origin.iter().map(|r| self.assignments.get(r.0).cloned().flatten()).collect();
        Self { program, assignments, ..self.clone() }
    }

    /// Assigns a protocol to every relation by its kind.
    #[must_use]
    pub fn assign(program: &Program, einsum: &Assignment, lookup: &Assignment) -> Vec<Option<Assignment>> {
        program
            .relations()
            .iter()
            .map(|relation| match relation {
                Relation::Einsum(_) => Some(einsum.clone()),
                Relation::Lookup(_) => Some(lookup.clone()),
                Relation::Affine(_) | Relation::View(_) => None,
            })
            .collect()
    }
}

//! Relations with a witness that satisfies them: edge cases first, then random ones.

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use zkml_core::{Bounds, Instance, Program, Relation, RelationId, Residence, Shape, Slot, TensorId, Witness};

use crate::Failure;

mod einsum;
mod lookup;

pub(crate) use einsum::evaluate as evaluate_einsum;

/// One true statement: a program, the relation of it to prove, and values for all of its tensors.
#[derive(Clone)]
pub struct Case {
    /// What it is, for failure messages.
    pub name: String,
    /// The tensors and the relations, without any protocol's advice.
    pub program: Program,
    /// The relation to prove.
    pub relation: RelationId,
    /// Satisfies every relation of the program.
    pub witness: Witness,
}

impl Case {
    /// The relation to prove.
    pub fn relation(&self) -> Result<&Relation, Failure> {
        let relation = self.program.relations().get(self.relation.0);
        relation.ok_or_else(|| Failure::new(format!("case {} has no relation", self.name)))
    }

    /// The relation as a protocol sees it before advice is added.
    pub fn instance(&self) -> Result<Instance<'_>, Failure> {
        Ok(Instance { program: &self.program, relation: self.relation()?, advice: &[] })
    }
}

/// `count` cases for a slot, and all edge cases, the same ones for the same seed.
pub fn all(slot: Slot, seed: u64, count: usize) -> Result<Vec<Case>, Failure> {
    let mut rng = StdRng::seed_from_u64(seed);
    let mut cases = edge(slot, &mut rng)?;
    for _ in 0..count {
        cases.push(match slot {
            Slot::Einsum => einsum::random(&mut rng)?,
            Slot::Lookup => lookup::random(&mut rng)?,
        });
    }
    Ok(cases)
}

/// The edge cases of a slot: single cells, axes of length one, extreme values, one-row tables.
fn edge(slot: Slot, rng: &mut StdRng) -> Result<Vec<Case>, Failure> {
    match slot {
        Slot::Einsum => einsum::edge(rng),
        Slot::Lookup => lookup::edge(rng),
    }
}

/// A few small cases whose proofs are tampered with: every axis at least 3 long, so that challenges matter.
pub fn to_tamper(slot: Slot, seed: u64) -> Result<Vec<Case>, Failure> {
    let mut rng = StdRng::seed_from_u64(seed ^ 0x7a3b);
    match slot {
        Slot::Einsum => einsum::to_tamper(&mut rng),
        Slot::Lookup => lookup::to_tamper(&mut rng),
    }
}

/// Cases that are large enough for parallel loops.
pub fn large(slot: Slot, seed: u64) -> Result<Vec<Case>, Failure> {
    let mut rng = StdRng::seed_from_u64(seed ^ 0x1a26);
    match slot {
        Slot::Einsum => einsum::large(&mut rng),
        Slot::Lookup => lookup::large(&mut rng),
    }
}

/// Adds a tensor together with its values.
fn add(
    program: &mut Program,
    witness: &mut Witness,
    name: &str,
    shape: &Shape,
    bounds: (i64, i64),
    residence: Residence,
    values: Vec<i64>,
) -> TensorId {
    let tensor = program.tensor(name, shape.clone(), Bounds::new(bounds.0, bounds.1), residence);
    witness.set_i64(program, tensor, values);
    tensor
}

fn shape(dims: Vec<usize>) -> Result<Shape, Failure> {
    let message = format!("{dims:?} is no shape");
    Shape::new(dims).ok_or_else(|| Failure::new(message))
}

/// An axis length: mostly small, often an edge of a power of two.
fn length(rng: &mut StdRng, largest: usize) -> usize {
    let edges = [1, 2, 3, 4, 5, 7, 8, 9, 16, 17];
    let n = if rng.random_bool(0.6) { edges[rng.random_range(0..edges.len())] } else { rng.random_range(1..=largest) };
    n.min(largest)
}

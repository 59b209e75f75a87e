//! The claims that remain to be discharged.

use std::collections::BTreeMap;

use zkml_core::{Claim, TensorId};

/// Claims by tensor, in order of arrival. An exact repetition is kept once; two claims that contradict each
/// other are both kept, and then no proof of both exists.
#[derive(Clone, Debug, Default)]
pub struct Ledger<EF> {
    claims: BTreeMap<TensorId, Vec<Claim<EF>>>,
}

impl<EF: Clone + PartialEq> Ledger<EF> {
    /// An empty ledger.
    pub fn new() -> Self {
        Self { claims: BTreeMap::new() }
    }

    /// Adds a claim.
    pub fn add(&mut self, claim: Claim<EF>) {
        let own = self.claims.entry(claim.tensor).or_default();
        if !own.contains(&claim) {
            own.push(claim);
        }
    }

    /// Adds several claims.
    pub fn extend(&mut self, claims: Vec<Claim<EF>>) {
        for claim in claims {
            self.add(claim);
        }
    }

    /// The value claimed for a tensor at a point, if there is one.
    pub fn value_at(&self, tensor: TensorId, point: &[EF]) -> Option<EF> {
        self.claims.get(&tensor)?.iter().find(|c| c.point == point).map(|c| c.value.clone())
    }

    /// Removes and returns the claims on a tensor.
    pub fn take(&mut self, tensor: TensorId) -> Vec<Claim<EF>> {
        self.claims.remove(&tensor).unwrap_or_default()
    }

    /// Tensors with claims that nobody took.
    pub fn open(&self) -> Vec<TensorId> {
        self.claims.keys().copied().collect()
    }
}

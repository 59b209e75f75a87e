//! Predicted work of a protocol.

use serde::{Deserialize, Serialize};

/// Prover operations, proof size and committed cells of one relation, predicted from its shape alone.
///
/// The counting build (`zkml-device`'s feature `count-ops`) checks the operations.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Cost {
    /// Extension × extension multiplications of the prover.
    pub ext_mul: f64,
    /// Small-integer or base × extension multiplications of the prover.
    pub base_ext_mul: f64,
    /// Base × base multiplications of the prover.
    pub base_mul: f64,
    /// Terms of multi-scalar multiplications of the prover, single multiples included, in the first source group of a
    /// pairing.
    #[serde(default)]
    pub first_terms: f64,
    /// The same in the second source group.
    #[serde(default)]
    pub second_terms: f64,
    /// Pairs in the prover's products of pairings.
    #[serde(default)]
    pub pairings: f64,
    /// Challenge-field elements in the proof.
    pub proof_elements: usize,
    /// Proof bytes that are not challenge-field elements.
    pub proof_bytes: usize,
    /// Rounds of interaction.
    pub rounds: usize,
    /// Advice cells committed.
    pub committed_cells: usize,
}

impl Cost {
    /// Sum of two costs.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        Self {
            ext_mul: self.ext_mul + other.ext_mul,
            base_ext_mul: self.base_ext_mul + other.base_ext_mul,
            base_mul: self.base_mul + other.base_mul,
            first_terms: self.first_terms + other.first_terms,
            second_terms: self.second_terms + other.second_terms,
            pairings: self.pairings + other.pairings,
            proof_elements: self.proof_elements + other.proof_elements,
            proof_bytes: self.proof_bytes + other.proof_bytes,
            rounds: self.rounds + other.rounds,
            committed_cells: self.committed_cells + other.committed_cells,
        }
    }

    /// Field work in units of one extension multiplication (base × extension one half, base × base one quarter).
    pub fn ext_equivalents(&self) -> f64 {
        self.ext_mul + 0.5 * self.base_ext_mul + 0.25 * self.base_mul
    }
}

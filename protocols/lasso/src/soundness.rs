//! Every way in which a false lookup can be accepted.

use zkml_core::ErrorTerm;

use crate::MemoryCheck;
use crate::decompose::{Decomposition, Memory};
use crate::options::ID;
use crate::verifier::product::depths;

/// The error terms (the derivation is the table of `papers/lasso.md`).
pub(crate) fn terms(check: MemoryCheck, decomposition: &Decomposition<'_>, challenge_bits: f64) -> Vec<ErrorTerm> {
    let term = |name: &str, numerator: f64| ErrorTerm::over_field(format!("{ID}/{name}"), numerator, challenge_bits);
    let reads = decomposition.layout.variables();
    let trees: Vec<usize> = match check {
        MemoryCheck::GrandProduct => depths(decomposition).into_iter().map(|t| t.2).collect(),
        MemoryCheck::Logup => decomposition.memories.iter().flat_map(|m| [reads, m.variables()]).collect(),
    };
    let depth = trees.iter().copied().max().unwrap_or(0);
    let joined: usize = (0..depth).map(|k| trees.iter().filter(|&&d| d > k).count().saturating_sub(1)).sum();
    // Fingerprints have degree 1 in τ and at most `entries` in γ.
    let sides = |m: &Memory<'_>| (decomposition.layout.leaves() as f64 + (m.variables() as f64).exp2(), entries(m));
    let over = |f: &dyn Fn((f64, f64)) -> f64| decomposition.memories.iter().map(|m| f(sides(m))).sum::<f64>();
    let mut terms = match check {
        MemoryCheck::GrandProduct => vec![term("multisets", over(&|(factors, degree)| factors * degree))],
        MemoryCheck::Logup => {
            let rows: usize = decomposition.memories.iter().map(|m| 1 + 2 * m.variables()).sum();
            let leaves = decomposition.memories.len() - 1 + 2 * reads + rows;
            vec![
                term("multisets", over(&|(factors, degree)| (2.0 * factors - 1.0) * degree)),
                term("poles", over(&|(factors, degree)| 2.0 * factors * degree)),
                term("lambda", depth as f64),
                term("leaves", leaves as f64),
            ]
        }
    };
    terms.push(term("rho", joined as f64));
    terms.push(term("rounds", (depth * depth.saturating_sub(1)) as f64));
    terms.push(term("merge", depth as f64));
    if decomposition.has_product {
        terms.push(term("primary", 2.0 * reads as f64));
    }
    terms
}

fn entries(memory: &Memory<'_>) -> f64 {
    memory.entries.len() as f64
}

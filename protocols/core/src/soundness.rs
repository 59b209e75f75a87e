//! Named soundness error terms, summed over a whole proof.

use serde::{Deserialize, Serialize};

/// One way in which a false statement can be accepted, with its probability.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ErrorTerm {
    /// Where the error comes from, e.g. `logup-gkr/poles`.
    pub name: String,
    /// Base-two logarithm of the probability (negative).
    pub log2_error: f64,
}

impl ErrorTerm {
    /// The term `numerator / 2^field_bits`, as Schwartz-Zippel gives it. A zero numerator is an error that
    /// cannot happen.
    pub fn over_field(name: impl Into<String>, numerator: f64, field_bits: f64) -> Self {
        let log2_error = if numerator > 0.0 { numerator.log2() - field_bits } else { f64::NEG_INFINITY };
        Self { name: name.into(), log2_error }
    }

    /// A term whose security in bits is known.
    pub fn of_bits(name: impl Into<String>, bits: f64) -> Self {
        Self { name: name.into(), log2_error: -bits }
    }

    /// The same term when the prover may choose among `2^log2_candidates` committed words.
    #[must_use]
    pub fn over_candidates(mut self, log2_candidates: f64) -> Self {
        self.log2_error += log2_candidates;
        self
    }
}

/// Security in bits of a proof whose errors are `terms`: minus the logarithm of their sum.
pub fn total_bits(terms: &[ErrorTerm]) -> f64 {
    let sum: f64 = terms.iter().map(|t| t.log2_error.exp2()).sum();
    -sum.log2()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_add_up() {
        let terms = [ErrorTerm::of_bits("a", 101.0), ErrorTerm::of_bits("b", 101.0)];
        assert!((total_bits(&terms) - 100.0).abs() < 1e-9);
        assert!(total_bits(&[]).is_infinite());
    }
}

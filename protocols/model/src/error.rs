//! Errors before any proof is made or read.

use thiserror::Error;
use zkml_core::{BoundsError, ProveError, Refusal};

/// Why a statement cannot be planned.
#[derive(Clone, Debug, PartialEq, Error)]
#[non_exhaustive]
pub enum PlanError {
    /// Shapes, definitions or integer bounds are wrong.
    #[error(transparent)]
    Bounds(#[from] BoundsError),
    /// The statement names another suite.
    #[error("the statement is over suite `{stated}`, this is `{suite}`")]
    Suite {
        /// Suite named by the statement.
        stated: String,
        /// Suite of the plan.
        suite: &'static str,
    },
    /// A relation has no protocol, or an unknown one.
    #[error("{scope}: {reason}")]
    Protocol {
        /// Scope of the relation.
        scope: String,
        /// What is wrong, and what is allowed.
        reason: String,
    },
    /// A protocol declines a relation.
    #[error("{scope}: {refusal}")]
    Refused {
        /// Scope of the relation.
        scope: String,
        /// The protocol's reason.
        refusal: Refusal,
    },
    /// The sum of all error terms is too large.
    #[error(
        "the proof would have {bits:.1} bits of soundness, {wanted} are asked for (largest term: {worst}); {remedy}"
    )]
    Weak {
        /// Bits reached.
        bits: f64,
        /// Bits asked for.
        wanted: u32,
        /// Name of the largest error term.
        worst: String,
        /// What would help.
        remedy: &'static str,
    },
}

/// Why keys or public values cannot be made or read.
#[derive(Clone, Debug, PartialEq, Error)]
#[non_exhaustive]
pub enum KeyError {
    /// The file is not what it should be.
    #[error("not a {what}: {reason}")]
    Format {
        /// What was expected.
        what: &'static str,
        /// What is wrong.
        reason: String,
    },
    /// A value lies outside its tensor's bounds.
    #[error("`{tensor}` has a value outside [{lo}, {hi}] (cell {cell})")]
    OutOfBounds {
        /// Tensor name.
        tensor: String,
        /// Lower bound.
        lo: i64,
        /// Upper bound.
        hi: i64,
        /// Flat index.
        cell: usize,
    },
    /// The statement in the key cannot be planned.
    #[error(transparent)]
    Plan(#[from] PlanError),
    /// A tensor of the witness is missing or of the wrong length, or the commitment failed.
    #[error(transparent)]
    Prove(#[from] ProveError),
}

//! Errors of the relation language and of both halves of a protocol.

use thiserror::Error;

/// Why a protocol declines a relation. Shown to the user next to the key that chose the protocol.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{protocol} cannot prove this {relation}: {reason}")]
pub struct Refusal {
    /// The protocol.
    pub protocol: &'static str,
    /// The kind of relation: `einsum`, `lookup` or `affine`.
    pub relation: &'static str,
    /// What is in the way, and what would be possible.
    pub reason: String,
}

/// Why a proof is rejected. `scope` names the step that failed.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum VerifyError {
    /// The proof ends before the verifier has read everything.
    #[error("{scope}: the proof ends {missing} bytes too early")]
    Truncated {
        /// Transcript scope.
        scope: String,
        /// Bytes that were expected and are not there.
        missing: usize,
    },
    /// Bytes that are not the canonical encoding of anything.
    #[error("{scope}: {what} is not canonically encoded")]
    Encoding {
        /// Transcript scope.
        scope: String,
        /// What was being read.
        what: &'static str,
    },
    /// An equation does not hold.
    #[error("{scope}: {what} does not hold")]
    Check {
        /// Transcript scope.
        scope: String,
        /// The equation.
        what: &'static str,
    },
    /// Bytes are left over after the last message.
    #[error("{count} bytes are left over after the end of the proof")]
    Trailing {
        /// How many.
        count: usize,
    },
    /// The statement itself is malformed: key, public values and proof do not fit together.
    #[error("{scope}: {what}")]
    Statement {
        /// Where.
        scope: String,
        /// What does not fit.
        what: String,
    },
    /// The commitment's opening proof was rejected.
    #[error("{scope}: the opening was rejected: {reason}")]
    Opening {
        /// Transcript scope.
        scope: String,
        /// The commitment scheme's own words.
        reason: String,
    },
}

/// Why no proof can be made.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ProveError {
    /// The witness does not satisfy the relation.
    #[error("{scope}: the witness does not satisfy the relation: {what}")]
    Unsatisfied {
        /// Transcript scope.
        scope: String,
        /// Which cell, and how.
        what: String,
    },
    /// A tensor has no values, or values of another shape.
    #[error("{scope}: {what}")]
    Witness {
        /// Transcript scope.
        scope: String,
        /// What is missing.
        what: String,
    },
    /// A challenge hit a pole or another point of probability about `1/|E|`; proving again with another
    /// transcript succeeds.
    #[error("{scope}: an unlucky challenge ({what}); prove again")]
    UnluckyChallenge {
        /// Transcript scope.
        scope: String,
        /// Which condition was hit.
        what: &'static str,
    },
    /// The commitment scheme failed.
    #[error("{scope}: the commitment scheme failed: {reason}")]
    Commitment {
        /// Transcript scope.
        scope: String,
        /// Its own words.
        reason: String,
    },
    /// The relation is not supported.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The device failed in the middle of the proof. On the host the same proof can be made.
    #[cfg(feature = "prover")]
    #[error(transparent)]
    Device(#[from] zkml_device::DeviceError),
}

/// Why a program is not a sound statement about integers.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum BoundsError {
    /// An integer could exceed half the field and wrap.
    #[error(
        "{scope}: values of `{tensor}` could reach 2^{bits:.1}, which wraps in a field where 2^{limit:.1} is the \
         largest safe magnitude; use fewer bits, a shorter sum, or a suite with a larger field",
        bits = f64::from(*bits_x10) / 10.0, limit = f64::from(*limit_x10) / 10.0
    )]
    Wrap {
        /// Scope of the relation.
        scope: String,
        /// Name of the tensor.
        tensor: String,
        /// Ten times the logarithm of the largest magnitude.
        bits_x10: u32,
        /// Ten times the logarithm of the limit.
        limit_x10: u32,
    },
    /// A committed tensor that no lookup bounds: a malicious prover could put anything there.
    #[error("{scope}: `{tensor}` is committed but no lookup bounds its values")]
    Unbounded {
        /// Scope of the tensor.
        scope: String,
        /// Name of the tensor.
        tensor: String,
    },
    /// The relations prove wider bounds than the tensor declares.
    #[error("{scope}: `{tensor}` declares [{declared_lo}, {declared_hi}] but only [{lo}, {hi}] is proven")]
    Declared {
        /// Scope of the tensor.
        scope: String,
        /// Name of the tensor.
        tensor: String,
        /// Declared lower bound.
        declared_lo: i64,
        /// Declared upper bound.
        declared_hi: i64,
        /// Proven lower bound.
        lo: i128,
        /// Proven upper bound.
        hi: i128,
    },
    /// Shapes or indices that do not fit together.
    #[error("{scope}: {what}")]
    Malformed {
        /// Scope of the relation.
        scope: String,
        /// What does not fit.
        what: String,
    },
}

//! Errors of lowering and of the integer forward pass.

use thiserror::Error;
use zkml_core::BoundsError;

/// Why a network cannot be lowered, or a forward pass cannot be run.
#[derive(Clone, Debug, PartialEq, Error)]
#[non_exhaustive]
pub enum LayerError {
    /// Sizes that do not fit together.
    #[error("{layer}: {what}")]
    Shape {
        /// The layer, or `input`.
        layer: String,
        /// What does not fit.
        what: String,
    },
    /// A parameter outside of what the kernel supports; says what to change.
    #[error("{layer}: {what}")]
    Parameter {
        /// The layer, or `input`.
        layer: String,
        /// What is wrong and what is possible.
        what: String,
    },
    /// A value outside its bounds.
    #[error("{layer}: value {value} at index {index} is outside [{lo}, {hi}]")]
    OutOfBounds {
        /// The layer or tensor.
        layer: String,
        /// Row-major index.
        index: usize,
        /// The value.
        value: i64,
        /// Smallest allowed value.
        lo: i64,
        /// Largest allowed value.
        hi: i64,
    },
    /// An integer left the range of the machine type. The bounds pass rules this out for checked programs.
    #[error("{scope}: a value exceeds 64 bits")]
    Overflow {
        /// Scope of the relation.
        scope: String,
    },
    /// A tensor has no values when a relation needs them.
    #[error("{scope}: `{tensor}` has no values")]
    Missing {
        /// Scope of the relation.
        scope: String,
        /// The tensor.
        tensor: String,
    },
    /// The relations that the kernel emitted are not a sound statement.
    #[error(transparent)]
    Bounds(#[from] BoundsError),
}

impl LayerError {
    pub(crate) fn shape(layer: &str, what: impl Into<String>) -> Self {
        Self::Shape { layer: layer.to_owned(), what: what.into() }
    }

    pub(crate) fn parameter(layer: &str, what: impl Into<String>) -> Self {
        Self::Parameter { layer: layer.to_owned(), what: what.into() }
    }
}

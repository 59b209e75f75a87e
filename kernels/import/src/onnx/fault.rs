//! Errors below the level of a file: a reason that still has to learn its node, or a finished [`ImportError`].

use crate::ImportError;

/// Why a node or a constant is refused.
#[derive(Debug)]
pub(super) enum Fault {
    /// Words that continue "node `x` (Operator): ".
    Reason(String),
    /// An error that names everything already.
    Import(ImportError),
}

impl From<String> for Fault {
    fn from(reason: String) -> Self {
        Self::Reason(reason)
    }
}

impl From<&str> for Fault {
    fn from(reason: &str) -> Self {
        Self::Reason(reason.to_owned())
    }
}

impl From<ImportError> for Fault {
    fn from(error: ImportError) -> Self {
        Self::Import(error)
    }
}

impl Fault {
    /// The error, for a node.
    pub(super) fn at(self, file: &str, node: &str, operator: &str) -> ImportError {
        match self {
            Self::Import(error) => error,
            Self::Reason(reason) => ImportError::Node {
                file: file.to_owned(),
                node: node.to_owned(),
                operator: operator.to_owned(),
                reason,
            },
        }
    }
}

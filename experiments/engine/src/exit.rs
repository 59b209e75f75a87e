//! Exit codes, and failures that end the program with one.

use std::process::ExitCode;

/// How the program ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// All is well.
    Done,
    /// The command or the experiment is wrong, or a file cannot be read or written.
    Usage,
    /// The proof was rejected.
    Rejected,
    /// A limit under `checks` was missed.
    CheckViolated,
    /// Some cell failed, is invalid, or has not run.
    CellFailed,
    /// Another process works on the same run or cell.
    Busy,
    /// Stopped by a signal; everything finished is kept.
    Interrupted,
}

impl Exit {
    /// The code.
    pub fn code(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::Usage => 1,
            Self::Rejected => 2,
            Self::CheckViolated => 3,
            Self::CellFailed => 4,
            Self::Busy => 5,
            Self::Interrupted => 130,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}

/// A failure in words, and the code to end with.
#[derive(Debug)]
pub struct Failure {
    /// The code.
    pub exit: Exit,
    /// For the person at the terminal.
    pub message: String,
}

impl Failure {
    /// A wrong command, experiment or file.
    pub fn usage(message: impl Into<String>) -> Self {
        Self { exit: Exit::Usage, message: message.into() }
    }

    /// A run or cell that another process works on.
    pub fn busy(message: impl Into<String>) -> Self {
        Self { exit: Exit::Busy, message: message.into() }
    }

    /// A rejected proof.
    pub fn rejected(reason: impl std::fmt::Display) -> Self {
        Self { exit: Exit::Rejected, message: format!("rejected: {reason}") }
    }
}

impl From<crate::spec::SpecErrors> for Failure {
    fn from(errors: crate::spec::SpecErrors) -> Self {
        Self::usage(errors.to_string())
    }
}

impl From<zkml_results::store::StoreError> for Failure {
    fn from(error: zkml_results::store::StoreError) -> Self {
        Self::usage(error.to_string())
    }
}

impl From<zkml_results::lock::LockError> for Failure {
    fn from(error: zkml_results::lock::LockError) -> Self {
        match &error {
            zkml_results::lock::LockError::Held { .. } => Self::busy(error.to_string()),
            zkml_results::lock::LockError::Impossible { .. } => Self::usage(error.to_string()),
        }
    }
}

impl From<zkml_import::ImportError> for Failure {
    fn from(error: zkml_import::ImportError) -> Self {
        Self::usage(error.to_string())
    }
}

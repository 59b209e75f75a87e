//! From a suite's name to its type.

use zkml_commitment::CommittedSuite;
use zkml_core::{Bn254, Goldilocks, Goldilocks3, ProtocolSet, Suite, VerifyError};
use zkml_model::VerifyReport;
use zkml_registry::Registry;

/// Work that is written once for all suites.
pub trait WithSuite {
    /// What it yields.
    type Output;

    /// Does it.
    fn run<S: CommittedSuite>(self, protocols: &dyn ProtocolSet<S>) -> Self::Output;
}

/// Does the work over the suite with this name; `None` if there is none.
pub fn with_suite<W: WithSuite>(id: &str, work: W) -> Option<W::Output> {
    match id {
        Goldilocks::ID => Some(work.run::<Goldilocks>(&Registry)),
        Goldilocks3::ID => Some(work.run::<Goldilocks3>(&Registry)),
        Bn254::ID => Some(work.run::<Bn254>(&Registry)),
        _ => None,
    }
}

/// Bits that a suite aims at.
pub fn security_bits(id: &str) -> Option<u32> {
    zkml_registry::suite(id).ok().map(|s| s.security_bits)
}

struct Verifying<'a> {
    key: &'a [u8],
    public: &'a [u8],
    proof: &'a [u8],
}

impl WithSuite for Verifying<'_> {
    type Output = Result<VerifyReport, VerifyError>;

    fn run<S: CommittedSuite>(self, protocols: &dyn ProtocolSet<S>) -> Self::Output {
        zkml_model::verify(self.key, self.public, self.proof, protocols)
    }
}

/// Verifies over the suite that the key names.
pub fn verify(key: &[u8], public: &[u8], proof: &[u8]) -> Result<VerifyReport, VerifyError> {
    let statement = |what: String| VerifyError::Statement { scope: "verifying key".to_owned(), what };
    let suite = zkml_model::suite_of_key(key).map_err(|e| statement(e.to_string()))?;
    with_suite(&suite, Verifying { key, public, proof })
        .unwrap_or_else(|| Err(statement(format!("it names the unknown suite `{suite}`"))))
}

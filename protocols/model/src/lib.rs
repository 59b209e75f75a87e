//! Proves and verifies a whole program: keys, phases, claim ledger, batched openings, proof file.
//!
//! A [`Statement`] says what is proven and by which protocol each relation. A [`Plan`] is a statement made
//! executable over one suite: protocols built, advice tensors added, every step in order. Both halves walk
//! the same plan:
//!
//! 1. absorb the digests of the verifying key and of the public values;
//! 2. commitment to all committed tensors and advice, before any challenge;
//! 3. lookups, which leave claims on their columns;
//! 4. constraints: both sides of an equation that exists already, at one random point per shape;
//! 5. definitions in reverse order: the claims on a virtual tensor are merged into one, and the relation that
//!    defines the tensor reduces it to claims on its inputs;
//! 6. one opening per commitment for the claims on committed and on fixed tensors; public tensors are
//!    evaluated by the verifier. The [`Ledger`] refuses to finish while any claim is left.

mod error;
mod keys;
mod ledger;
mod plan;
#[cfg(feature = "prover")]
mod prover;
mod public;
mod soundness;
mod statement;
mod verifier;
mod walk;

pub use error::{KeyError, PlanError};
#[cfg(feature = "prover")]
pub use keys::ProvingKey;
pub use keys::{FixedValues, VerifyingKey, suite_of_key};
pub use ledger::Ledger;
pub use plan::{Plan, RelationSummary, Step};
#[cfg(feature = "prover")]
pub use prover::{Proof, Timing, prove};
#[cfg(feature = "prover")]
pub use public::public_bytes;
pub use public::read_public;
pub use soundness::SoundnessReport;
pub use statement::{Assignment, Statement};
pub use verifier::{VerifyReport, verify};

/// First bytes of every proof.
const PROOF_MAGIC: &[u8; 8] = b"zkmlprf1";
/// First bytes of every verifying key.
const KEY_MAGIC: &[u8; 8] = b"zkmlkey1";
/// First bytes of every file of public values.
const PUBLIC_MAGIC: &[u8; 8] = b"zkmlpub1";

/// The first 40 bytes of a proof: what it is, and the key and the public values it was made for.
pub fn proof_header(key: &[u8], public: &[u8]) -> Vec<u8> {
    [PROOF_MAGIC.as_slice(), &short_digest(key), &short_digest(public)].concat()
}

/// The first 16 bytes of a BLAKE3 digest: enough to tell files apart in error messages. (Security does not rest
/// on it: the transcript absorbs the full digest.)
fn short_digest(bytes: &[u8]) -> [u8; 16] {
    let mut short = [0; 16];
    short.iter_mut().zip(blake3::hash(bytes).as_bytes()).for_each(|(s, b)| *s = *b);
    short
}

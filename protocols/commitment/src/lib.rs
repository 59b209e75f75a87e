//! Multilinear commitments: one commitment to many integer tensors, one opening for many claims.
//!
//! WHIR serves the Goldilocks suites.

mod claims;
mod merge;
#[cfg(feature = "prover")]
mod merge_prover;
mod opening;
mod params;
mod pow;
mod stacking;
mod tree;
mod whir;
mod wire;

use zkml_core::{ErrorTerm, Goldilocks, Goldilocks3, Shape, Suite, VerifierTranscript, VerifyError};
#[cfg(feature = "prover")]
use zkml_core::{ProveError, ProverTranscript};

#[cfg(feature = "prover")]
pub use opening::ProverData;

/// A claim on one of the tensors of a commitment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpeningClaim<EF> {
    /// Position in the list of shapes that was committed.
    pub tensor: usize,
    /// A point of the tensor's multilinear extension (zero-padded; axes in order, most significant bit first).
    pub point: Vec<EF>,
    /// The claimed value.
    pub value: EF,
}

/// What an opening can get wrong, and how many words the prover may have committed to at once.
#[derive(Clone, Debug, PartialEq)]
pub struct OpeningSoundness {
    /// Named error terms of commitment and opening.
    pub terms: Vec<ErrorTerm>,
    /// Every challenge drawn after the commitment is charged over this many candidates (0 in unique decoding).
    pub log2_candidates: f64,
    /// Which bound the terms rest on, e.g. `Johnson bound, proven`.
    pub regime: String,
}

/// A suite with a commitment scheme. Tensors are committed without their padding (by aligned blocks).
pub trait CommittedSuite: Suite {
    /// What the prover keeps between commitment and opening.
    #[cfg(feature = "prover")]
    type ProverData: Send + Sync;

    /// Bytes of a commitment to tensors of these shapes.
    fn commitment_bytes(shapes: &[Shape]) -> usize;

    /// Commits to tensors (`columns[i]` has the true cells of `shapes[i]`, row-major). Does not touch a
    /// transcript: the caller sends the bytes.
    #[cfg(feature = "prover")]
    fn commit(
        shapes: &[Shape],
        columns: &[std::sync::Arc<zkml_device::Column>],
    ) -> Result<(Vec<u8>, Self::ProverData), ProveError>;

    /// Proves all claims at once. The commitment was absorbed before; the claims are absorbed here.
    #[cfg(feature = "prover")]
    fn open(
        data: &Self::ProverData,
        claims: &[OpeningClaim<Self::Challenge>],
        transcript: &mut ProverTranscript<Self>,
    ) -> Result<(), ProveError>;

    /// Verifies what [`CommittedSuite::open`] sends.
    fn verify_opening(
        shapes: &[Shape],
        commitment: &[u8],
        claims: &[OpeningClaim<Self::Challenge>],
        transcript: &mut VerifierTranscript<'_, Self>,
    ) -> Result<(), VerifyError>;

    /// Error terms of one commitment to these shapes and its opening at `claims` claims.
    fn opening_soundness(shapes: &[Shape], claims: usize) -> OpeningSoundness;
}

macro_rules! whir_suite {
    ($suite:ty) => {
        impl CommittedSuite for $suite {
            #[cfg(feature = "prover")]
            type ProverData = ProverData<$suite>;

            fn commitment_bytes(_shapes: &[Shape]) -> usize {
                opening::commitment_bytes()
            }

            #[cfg(feature = "prover")]
            fn commit(
                shapes: &[Shape],
                columns: &[std::sync::Arc<zkml_device::Column>],
            ) -> Result<(Vec<u8>, Self::ProverData), ProveError> {
                opening::commit(shapes, columns)
            }

            #[cfg(feature = "prover")]
            fn open(
                data: &Self::ProverData,
                claims: &[OpeningClaim<Self::Challenge>],
                transcript: &mut ProverTranscript<Self>,
            ) -> Result<(), ProveError> {
                opening::open(data, claims, transcript)
            }

            fn verify_opening(
                shapes: &[Shape],
                commitment: &[u8],
                claims: &[OpeningClaim<Self::Challenge>],
                transcript: &mut VerifierTranscript<'_, Self>,
            ) -> Result<(), VerifyError> {
                opening::verify(shapes, commitment, claims, transcript)
            }

            fn opening_soundness(shapes: &[Shape], claims: usize) -> OpeningSoundness {
                opening::soundness::<Self>(shapes, claims)
            }
        }
    };
}

whir_suite!(Goldilocks);
whir_suite!(Goldilocks3);

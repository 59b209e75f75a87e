//! Multilinear commitments: one commitment to many integer tensors, one opening for many claims.
//!
//! WHIR serves the Goldilocks suites (`papers/whir.md`; [ACFY24, Construction 5.1] through `p3-whir`), Dory the suite
//! `bn254` (`papers/dory.md`; [Lee20, section 5] through `dory-pcs`).
//!
//! | module | step |
//! |---|---|
//! | `stacking` | every tensor splits into aligned blocks, all blocks lie in one vector of `2^N` cells |
//! | `claims` | a claim on a tensor becomes claims on its blocks; what follows from a claim is not sent |
//! | `merge`, `merge_prover` | one sumcheck turns all claims on blocks into one claim on the stacked polynomial |
//! | `reduction` | these steps in order, for every scheme |
//! | `whir`, `tree`, `pow` | the stacked polynomial is committed, and opened at that one point |
//! | `encoder` | WHIR's code words, on the prover's device if they are large |
//! | `wire` | one encoding per proof; every list as long as the parameters say, checked before the library looks |
//! | `params` | parameters by suite and size, and their proven error terms |
//! | `opening` | WHIR behind the reduction |
//! | `dory` | the stacked polynomial committed and opened with pairings |
//!
//! # Sizes
//! WHIR: a commitment is a Merkle root of 32 bytes. `N` is at least 6 (smaller commitments are padded with zeros: there
//! the opening reads the whole code word) and at most 32. Dory: 192 bytes, `N` from 2 to 26. Values are committed as they
//! are, one field element per cell.
//!
//! # Cost
//! One tensor of 8-bit cells, four claims at random points; least CPU time of five runs on one thread of a Xeon with
//! AVX-512, `cargo run --release -p zkml-commitment --example openings` (which also measures two threads):
//!
//! | cells | suite | commit (ms) | open (ms) | verify (ms) | proof (KiB) | proven bits |
//! |---|---|---|---|---|---|---|
//! | `2^12` | `goldilocks` | 0.1 | 2.3 | 0.6 | 63 | 105.2 |
//! | `2^12` | `goldilocks3` | 0.1 | 3.0 | 0.7 | 68 | 133.4 |
//! | `2^16` | `goldilocks` | 1.1 | 7.6 | 1.3 | 131 | 104.6 |
//! | `2^16` | `goldilocks3` | 1.1 | 10.4 | 1.3 | 125 | 132.7 |
//! | `2^18` | `goldilocks` | 5.0 | 22 | 1.5 | 159 | 104.8 |
//! | `2^18` | `goldilocks3` | 5.0 | 38 | 1.5 | 148 | 132.7 |
//! | `2^20` | `goldilocks` | 26 | 107 | 2.2 | 232 | 104.9 |
//! | `2^20` | `goldilocks3` | 26 | 163 | 1.8 | 188 | 133.2 |
//!
//! Proof bytes do not depend on the number of threads.

mod claims;
mod dory;
mod encoder;
mod merge;
#[cfg(feature = "prover")]
mod merge_prover;
mod opening;
mod params;
mod pow;
mod reduction;
mod stacking;
mod tree;
mod whir;
mod wire;

use zkml_core::{Bn254, ErrorTerm, Goldilocks, Goldilocks3, Shape, Suite, VerifierTranscript, VerifyError};
#[cfg(feature = "prover")]
use zkml_core::{ProveError, ProverTranscript};

#[cfg(feature = "prover")]
pub use dory::ProverData as DoryProverData;
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
    /// Which bound the terms rest on, e.g. `Johnson bound, proven; 16 bits by work`: of the bits of each query phase, that
    /// many are a proof of work, that is, hashes that every further attempt costs.
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
    /// transcript: the caller sends the bytes. They do not depend on the device.
    #[cfg(feature = "prover")]
    fn commit(
        shapes: &[Shape],
        columns: &[std::sync::Arc<zkml_device::Column>],
        device: &zkml_device::Device,
    ) -> Result<(Vec<u8>, Self::ProverData), ProveError>;

    /// Proves all claims at once. The commitment was absorbed before; the claims are absorbed here.
    #[cfg(feature = "prover")]
    fn open(
        data: &Self::ProverData,
        claims: &[OpeningClaim<Self::Challenge>],
        transcript: &mut ProverTranscript<Self>,
        device: &zkml_device::Device,
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

/// A suite, the module that commits for it, what its prover keeps, and its error terms.
macro_rules! committed_suite {
    ($suite:ty, $scheme:ident, $data:ty, $soundness:expr) => {
        impl CommittedSuite for $suite {
            #[cfg(feature = "prover")]
            type ProverData = $data;

            fn commitment_bytes(_shapes: &[Shape]) -> usize {
                $scheme::commitment_bytes()
            }

            #[cfg(feature = "prover")]
            fn commit(
                shapes: &[Shape],
                columns: &[std::sync::Arc<zkml_device::Column>],
                device: &zkml_device::Device,
            ) -> Result<(Vec<u8>, Self::ProverData), ProveError> {
                $scheme::commit(shapes, columns, device)
            }

            #[cfg(feature = "prover")]
            fn open(
                data: &Self::ProverData,
                claims: &[OpeningClaim<Self::Challenge>],
                transcript: &mut ProverTranscript<Self>,
                device: &zkml_device::Device,
            ) -> Result<(), ProveError> {
                $scheme::open(data, claims, transcript, device)
            }

            fn verify_opening(
                shapes: &[Shape],
                commitment: &[u8],
                claims: &[OpeningClaim<Self::Challenge>],
                transcript: &mut VerifierTranscript<'_, Self>,
            ) -> Result<(), VerifyError> {
                $scheme::verify(shapes, commitment, claims, transcript)
            }

            fn opening_soundness(shapes: &[Shape], claims: usize) -> OpeningSoundness {
                $soundness(shapes, claims)
            }
        }
    };
}

committed_suite!(Goldilocks, opening, ProverData<Goldilocks>, opening::soundness::<Goldilocks>);
committed_suite!(Goldilocks3, opening, ProverData<Goldilocks3>, opening::soundness::<Goldilocks3>);
committed_suite!(Bn254, dory, DoryProverData, dory::soundness);

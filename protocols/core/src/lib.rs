//! The language of the workbench: tensors, relations between them, claims about them, and the two traits
//! by which a protocol proves a relation.
//!
//! | module | holds |
//! |---|---|
//! | [`shape`] | shapes, power-of-two padding, the decomposition into aligned blocks |
//! | [`program`] | tensors, relations, and the bounds pass that rules out wrap-around |
//! | [`relation`] | [`Einsum`], [`Lookup`], [`Affine`] |
//! | [`view`] | [`View`]: sliding windows, reshaped and transposed tensors |
//! | [`table`] | lookup tables and their multilinear extensions |
//! | [`mle`] | equality polynomials and multilinear evaluation, verifier side |
//! | [`claim`] | what is left to prove about a tensor |
//! | [`suite`] | base field, challenge field and hash, as one type |
//! | [`transcript`] | the proof as one byte string, and Fiat-Shamir |
//! | [`protocol`] | [`LayerVerifier`] and [`LayerProver`] |
//! | [`soundness`], [`cost`] | named error terms; predicted operations and bytes |
//!
//! # Conventions
//! * Tensors are row-major. The multilinear extension of a tensor pads every axis to a power of two **with
//!   zeros**; its variables are the axes in order, each most significant bit first.
//! * Cells outside the true shape are zero by construction: nobody can commit to anything there.
//! * Integers are embedded as `v mod p`. [`Program::check`] refuses whatever could wrap.

pub mod bn254;
pub mod claim;
pub mod cost;
pub mod error;
pub mod mle;
pub mod program;
pub mod protocol;
pub mod relation;
pub mod shape;
pub mod soundness;
pub mod suite;
pub mod table;
pub mod transcript;
pub mod view;
#[cfg(feature = "prover")]
pub mod witness;

pub use bn254::Bn254;
pub use claim::Claim;
pub use cost::Cost;
pub use error::{BoundsError, ProveError, Refusal, VerifyError};
pub use program::{Bounds, Program, Residence, Tensor, TensorId};
#[cfg(feature = "prover")]
pub use protocol::LayerProver;
pub use protocol::{AdviceSpec, Instance, LayerVerifier, ProtocolInfo, ProtocolSet, Slot};
pub use relation::{Affine, Einsum, Lookup, Operand, Relation, RelationId};
pub use shape::{Block, Shape};
pub use soundness::ErrorTerm;
pub use suite::{Goldilocks, Goldilocks3, Suite};
pub use table::Table;
#[cfg(feature = "prover")]
pub use transcript::ProverTranscript;
pub use transcript::VerifierTranscript;
pub use view::{AxisGroup, AxisMap, View};
#[cfg(feature = "prover")]
pub use witness::Witness;

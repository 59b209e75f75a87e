//! The sumcheck engine, and the protocol `sumcheck` for [`zkml_core::Einsum`].
//!
//! | module | holds |
//! |---|---|
//! | [`round`] | the message of one round and its verifier |
//! | [`engine`] | the prover of the rounds, for any composition of multilinear factors |
//! | [`merge`] | several claims on one table become one |
//! | [`view`] | a claim on a view becomes one on the tensor behind it |
//! | [`vector`] | packed vectors, eq tables, evaluation and contraction of integer columns |
//! | [`einsum`] | the protocol [`Sumcheck`] |
//! | [`lookup`] | what every fractional-sum lookup argument shares: leaf layout, multiplicities, trees |

pub mod einsum;
#[cfg(feature = "prover")]
pub mod engine;
pub mod lookup;
pub mod merge;
pub mod round;
#[cfg(feature = "prover")]
pub mod vector;
pub mod view;

pub use einsum::Sumcheck;
pub use round::{Weight, verify_rounds};

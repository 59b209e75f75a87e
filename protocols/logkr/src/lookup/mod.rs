//! The slot `lookup`: two fraction trees over squaring circuits, and the ends they share with every other
//! fractional lookup argument ([`zkml_sumcheck::lookup`]).

#[cfg(feature = "prover")]
mod prover;
mod verifier;

#[cfg(feature = "prover")]
pub(crate) use prover::prove;
pub(crate) use verifier::verify;

//! The sumcheck engine, and the protocol `sumcheck` for [`zkml_core::Einsum`].
//!
//! | module | holds |
//! |---|---|
//! | [`round`] | the message of one round and its verifier |
//! | [`lookup`] | what every fractional-sum lookup argument shares: leaf layout, multiplicities, trees |

pub mod lookup;
pub mod round;

pub use round::{Weight, verify_rounds};

//! The protocol `logkr`: Einsum and Lookup by layers of powers.
//!
//! [Soukhanov, eprint 2023/1611] replaces multiplication gates by squarings: `4ab = (a + b)² - (a - b)²`. A GKR layer
//! whose only non-linear gate is a power ends in **one** value of **one** wire vector, so one claim travels from layer
//! to layer. This crate applies that to the two relations, in three forms ([`Form`]) that differ in where they
//! square and where they multiply, so that the trade can be measured. `papers/logkr.md` has the messages, the
//! derivations, the error terms and the measured verdict.
//!
//! | module | holds |
//! |---|---|
//! | [`fraction`] | the fraction tree of a lookup: one linear claim `A ñ + B d̃ = K` per layer |
//! | [`difference`] | the round of a polarisation variable |
//! | `einsum` | power layers and polarised products, by a recursion on the operands |
//! | `lookup` | two trees between the ends that all fractional lookups share |

mod cost;
pub mod difference;
mod einsum;
mod form;
pub mod fraction;
mod lookup;
mod protocol;
mod soundness;

pub use form::Form;
pub use protocol::LogKr;

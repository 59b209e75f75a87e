//! BN254 and its pairing as the group-based constructions of the suite `bn254` use them.
//!
//! | module | holds |
//! |---|---|
//! | [`groups`] | scalars, both source groups, the target group; the traits of `dory-pcs` over arkworks |
//! | [`encoding`] | one encoding of fixed length per value, with curve and subgroup checks |
//! | [`setup`] | generators hashed to the curves, their pairings, the files they are kept in |
//!
//! The groups are written additively; the target group too.

pub mod encoding;
pub mod groups;
pub mod setup;

pub use dory_pcs::primitives::arithmetic::{DoryRoutines, Field, Group, PairingCurve};
pub use encoding::Encoding;
pub use groups::{Curve, First, Routines, Scalar, Second, Target};

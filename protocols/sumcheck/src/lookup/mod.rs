//! What fractional-sum lookup arguments share (LogUp, eprint 2022/1530; over GKR, eprint 2023/1284).
//!
//! The statement of a [`zkml_core::Lookup`]: every row of every tuple occurs in the table. With challenges `α, β`,
//! `f(v_1, …, v_k) = Σ β^(j-1) v_j` and multiplicities `m`, it holds (up to the error of [`soundness`]) if and
//! only if
//!
//! ```text
//! Σ_i 1 / (α - f(w_i))  +  Σ_j (-m_j) / (α - f(t_j))  =  0
//! ```
//!
//! Both sums are the root of a tree of fractions. A protocol adds only the *tree reduction*: from the claim that
//! a tree has root `n / d` to the claim [`LeafClaim`] that its leaves' multilinear extensions at a point are
//! `(numerator, denominator)`. Everything around it is here:
//!
//! | step | prover | verifier |
//! |---|---|---|
//! | where each cell sits among the leaves | [`Layout::new`] | [`Layout::new`] |
//! | multiplicities, committed before any challenge | [`multiplicities`] | [`advice_specs`] |
//! | `β` (if `k > 1`), then `α` | [`Fingerprint::draw`] | [`Fingerprint::draw`] |
//! | witness leaves `(1, α - f(w_i))`, tail `(0, 1)` | [`LeafColumns`] | |
//! | table leaves `(-m_j, α - f(t_j))` | [`table_leaves`] | |
//! | roots sent and compared | [`write_roots`] | [`read_roots`] |
//! | the trees, if the prover has a device that they are worth | [`ResidentTree`] | |
//! | *tree reduction* | the protocol | the protocol |
//! | witness leaf claim to claims on the tensors | [`prove_witness_leaves`] | [`verify_witness_leaves`] |
//! | table leaf claim to a claim on the multiplicities | [`table_claim`] | [`verify_table_leaves`] |
//!
//! # Leaf layout
//! Only true cells are leaves. Each tensor shape splits into aligned power-of-two blocks
//! ([`zkml_core::Shape::blocks`]); the blocks of all tuples, sorted by size (largest first), are stacked, so each
//! is an aligned sub-cube of the cube of `2^n` leaves, `n = ⌈log2 total⌉`. In a leaf point, the variables of a
//! block are the trailing ones, in the tensor's axis order; the leading ones select the block. The leaves after
//! the last block are the constant fraction `0/1`.

mod close;
mod fingerprint;
mod layout;
mod soundness;
#[cfg(all(test, feature = "prover"))]
mod tests;

#[cfg(feature = "prover")]
mod columns;
#[cfg(feature = "prover")]
mod multiplicities;
#[cfg(feature = "prover")]
mod resident;

pub use close::{
    Fraction, LeafClaim, Roots, block_claims, check_roots, read_roots, table_claim, verify_table_leaves,
    verify_witness_leaves,
};
#[cfg(feature = "prover")]
pub use close::{prove_witness_leaves, write_roots};
#[cfg(feature = "prover")]
pub use columns::{CHUNK, LeafColumns, table_leaves};
pub use fingerprint::Fingerprint;
pub use layout::{Layout, LeafBlock, advice_specs, lookup};
#[cfg(feature = "prover")]
pub use multiplicities::{multiplicities, table_rows};
#[cfg(feature = "prover")]
pub use resident::{Level, ResidentLeaves, ResidentTree};
pub use soundness::soundness;

//! The fraction tree of a lookup, layer by layer, with one linear claim per layer.
//!
//! Node `x` of a layer has the children `x` and `x + half` of the layer below: the child bit is the most significant
//! variable. Fractions are added, `(n, d) = (n_0 d_1 + n_1 d_0, d_0 d_1)`. The claim on a layer is one linear form
//! `K = A ñ(z) + B d̃(z)`. With `m = 2A n + B d`, which is linear in the layer, and the sum/difference wires
//! `ω(x, b) = v(x, 0) + (1 - 2b) v(x, 1)` of the children,
//!
//! ```text
//! 4 (A n + B d)(x) = Σ_b (1 - 2b) ω_d(x, b) ω_m(x, b),      16 (A n + B d)(x) = Σ_{b,c} (1 - 2b)(1 - 2c) u(x, b, c)²
//! ```
//!
//! with `u(x, b, c) = ω_d(x, b) + (1 - 2c) ω_m(x, b)`. A value of `ω` at `(x*, b*)` is a value of the layer below:
//! `ω̃(x*, b*) = κ ṽ(β, x*)`, `κ = 2 - 2b*`, `β = (1 - 2b*)/κ`. That is what makes one value per layer enough.

#[cfg(feature = "prover")]
mod gate;
#[cfg(feature = "prover")]
mod leaves;
#[cfg(feature = "prover")]
mod nodes;
#[cfg(feature = "prover")]
mod prover;
#[cfg(feature = "prover")]
mod rounds;
mod tree;
mod verifier;

#[cfg(feature = "prover")]
pub use leaves::WitnessLeaves;
#[cfg(feature = "prover")]
pub use prover::Tree;
pub use tree::{root_claim, verify_tree};
pub use verifier::{Degenerate, FractionClaim, child_point, verify_layer};

/// Gates (elements or packs) from which on a loop is worth several threads.
#[cfg(feature = "prover")]
const PARALLEL: usize = 1 << 10;

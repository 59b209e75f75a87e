//! Kernels: what a layer computes on integers, and the relations that state it.
//!
//! A [`NetworkSpec`] is *lowered* to a [`zkml_core::Program`]; [`Lowered`] then runs it:
//!
//! ```
//! use zkml_layers::{LayerSpec, NetworkSpec, RmsNorm, lower};
//!
//! let activations = vec![0.5, -1.0, 2.0, 0.25, 3.0, -0.125, 1.0, 1.0];
//! let norm = RmsNorm { name: "norm".into(), gain: vec![1.0; 4], eps: 1e-5, output_bits: 8, limb_bits: None };
//! let spec = NetworkSpec::calibrated([2, 4], 8, &activations, vec![LayerSpec::RmsNorm(norm)])?;
//! let lowered = lower(&spec)?;
//! let input = lowered.input_quantisation.quantise(&activations);
//! let witness = lowered.forward(&input)?;              // every tensor of lowered.program
//! let output = lowered.infer(&input)?;                 // the same outputs, nothing recorded
//! assert_eq!(witness.get(lowered.output).unwrap().to_i64(), output);
//! # Ok::<(), zkml_layers::LayerError>(())
//! ```
//!
//! | module | holds |
//! |---|---|
//! | [`kernel`] | the trait a kernel implements, and the list of kernels |
//! | [`dense`] | the kernel `dense` |
//! | [`rmsnorm`], [`layernorm`] | the normalisations of rows, over one reciprocal square root |
//! | [`pointwise`] | the kernels `relu`, `clamp`, `silu`, `gelu`, `sigmoid`, `tanh` |
//! | [`add`], [`mul`] | sum and product of two tensors |
//! | [`reshape`] | the kernels `reshape`, `flatten`, `transpose` |
//! | [`conv2d`] | the kernel `conv2d` |
//! | [`maxpool`], [`avgpool`] | the kernels `maxpool` and `avgpool` |
//! | [`network`] | [`NetworkSpec`]: the graph of layers, and [`lower`] |
//! | [`lowered`] | [`Lowered`]: the program, its forward pass, its accuracy |
//! | [`lowering`] | the builder that kernels emit tensors and relations through |
//! | [`limbs`] | non-negativity by range-checked limbs |
//! | [`requantise`], [`saturate`] | division by `2^t` with rounding; clamping |
//! | [`quantise`], [`accuracy`] | real numbers to integers, and what that costs |
//! | [`evaluate`] | virtual tensors from their definitions |
//! | [`check`] | a plain checker of a witness, cell by cell, modulo the field |
//!
//! A new kernel is one file with an implementation of [`kernel::Kernel`], and one line in the list in
//! [`kernel`].

pub mod accuracy;
pub mod add;
pub mod avgpool;
mod bias;
pub mod check;
pub mod conv2d;
mod convolve;
pub mod dense;
pub mod error;
pub mod evaluate;
mod graph;
pub mod kernel;
pub mod layernorm;
pub mod limbs;
mod linear;
pub mod lowered;
pub mod lowering;
mod matmul;
pub mod maxpool;
pub mod mul;
pub mod network;
pub mod pointwise;
pub mod product;
pub mod quantise;
pub mod requantise;
pub mod reshape;
pub mod rmsnorm;
mod rsqrt;
pub mod saturate;
mod sums;
mod weights;
mod window;

pub use accuracy::Accuracy;
pub use add::Add;
pub use avgpool::AvgPool;
pub use check::{Violation, check_witness};
pub use conv2d::Conv2d;
pub use dense::Dense;
pub use error::LayerError;
pub use kernel::{FloatTensor, KERNELS, Kernel, KernelInfo, LayerSpec};
pub use layernorm::LayerNorm;
pub use linear::Nonlinearity;
pub use lowered::{LayerInfo, Lowered, TableUse};
pub use maxpool::MaxPool;
pub use mul::Mul;
pub use network::{InputSpec, NetworkSpec, Node, lower};
pub use pointwise::{Function, Pointwise};
pub use product::MatMul;
pub use quantise::Quantisation;
pub use reshape::{Flatten, Reshape, Transpose};
pub use rmsnorm::RmsNorm;

//! The device `gpu`: compute shaders through Vulkan, Metal or Direct3D 12.
//!
//! [`open`] takes the best adapter, checks it with known answers and returns a [`Gpu`], which is a
//! [`zkml_device::Accelerator`]. A wrong result could not make a false statement provable, only an honest proof fail; the
//! self-test finds drivers that miscompile, and the tests compare every verb with the host's results word by word.
//!
//! ```
//! use zkml_device::{Accelerator, FieldKind};
//! use zkml_gpu::Options;
//!
//! match zkml_gpu::open(&Options { break_even: Some(1 << 18), ..Options::from_env() }) {
//!     Ok(gpu) => {
//!         let table = gpu.eq_table(FieldKind::Goldilocks, &[2, 3], &[1])?;
//!         let p = 0xffff_ffff_0000_0001;
//!         assert_eq!(gpu.download(&table)?, [2, p - 3, p - 4, 6]);
//!     }
//!     Err(reason) => println!("{reason}"),
//! }
//! # Ok::<(), zkml_device::DeviceError>(())
//! ```
//!
//! | module | holds |
//! |---|---|
//! | [`adapter`] | which adapters there are, and which is taken |
//! | [`options`] | what a caller can ask for, also by environment variables |
//! | [`shader`] | the kernels as text; sumcheck rounds are generated from the composition |
//! | `context`, `clock`, `buffer` | one open adapter: pipelines, submissions, waiting, errors; its clock; its memory |
//! | `vectors`, `contract`, `rounds`, `einsum`, `fourier` | the verbs |
//! | `selftest`, `host` | known answers, computed on the host |
//! | [`breakeven`], `measure` | from which sizes on the adapter is faster than the host, measured once |
//!
//! Where a vector is larger than the adapter's largest binding it is worked on in parts; where it is larger than the
//! adapter's largest buffer the error is [`zkml_device::DeviceError::Limit`]. The matrix of a Fourier transform is not worked
//! on in parts: one above the largest binding is [`zkml_device::DeviceError::Unsupported`].

pub mod adapter;
pub mod breakeven;
mod buffer;
mod clock;
mod context;
mod contract;
mod einsum;
mod fourier;
mod gpu;
mod host;
mod measure;
pub mod options;
mod rounds;
mod selftest;
pub mod shader;
mod vectors;

pub use adapter::{Found, Unavailable, discover};
pub use gpu::{Gpu, open};
pub use options::{Fault, Options, Prelude};

/// The device's name in experiment files.
pub const ID: &str = "gpu";

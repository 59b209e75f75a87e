//! The device `icicle`: an installed ICICLE library, opened at run time.
//!
//! | module | holds |
//! |---|---|
//! | `open` | where the library is looked for, and which of its devices is used: [`Options`], [`open`] |
//! | `ffi` | the C interface, in tables; all that is `unsafe` |
//! | `worker` | the one thread that calls it, and the time limit |
//! | `vectors`, `rounds` | steps and sumcheck rounds as vector operations |
//! | `accelerator` | the verbs of [`zkml_device::Accelerator`] |
//! | `msm` | [`Icicle::bn254_msm`] |
//! | `selftest` | what is compared with the host before the device is used |
//!
//! # What is used of ICICLE
//!
//! Versions 3.9 to 4.0 export the same functions with the same structs. Versions 3.7 and 3.8 have Goldilocks, but not its
//! extension. No function tells the version, so a library with another interface is recognised by the first function that it
//! lacks. The extension is the quadratic one, `X^2 = 7`, which is [`FieldKind::Goldilocks2`](zkml_device::FieldKind), with the
//! same layout: canonical 64-bit words. Its vector operations are exported by the C library, though not by ICICLE's own Rust
//! crate.
//!
//! | verb | from |
//! |---|---|
//! | `upload`, `upload_column`, `download` | `icicle_malloc`, copies; integers become 8-byte elements of the base field |
//! | `eq_table` | one scalar product and one difference per coordinate |
//! | `contract` | scalar products of rows, sums of columns; more than 1024 rows of more than one column are refused |
//! | `combine` | products of coefficients with columns (extension × base), sums |
//! | `add_fractions` | three products and a sum of halves |
//! | `sumcheck` | per point and operation of the composition one vector operation; weights as scalar products and column sums |
//! | `einsum` | refused: no integer products |
//!
//! ICICLE's *own sumcheck* is not used. Over Goldilocks its challenges are from the base field (the option for the extension is
//! declared but not implemented), which leaves about 58 bits of soundness for 20 rounds of degree 3; its transcript is a fixed
//! hash layout that takes nothing from outside but a label and a seed, so its rounds cannot be part of another proof; and it
//! does not return the last challenge, which the opening needs.
//!
//! Where a backend lacks an operation, ICICLE throws a C++ exception, which ends the program: Rust cannot catch it. The self-test
//! does every operation once, so that this happens while the device is opened and not in the middle of a proof.
//!
//! # Licences
//!
//! ICICLE's libraries and its CPU backend are MIT-licensed. The CUDA, Metal and Vulkan backends are closed source: separate
//! downloads that ask a licence server of their maker, or the one in `ICICLE_LICENSE`, whether they may run. Without an answer
//! they fail with error 13, reported as [`Unavailable::Licence`].
//!
//! # Why not the crate `icicle-core`
//!
//! The version on crates.io, 1.3.0, is from 2024. It has traits for MSM and NTT, and neither a field of its own, nor Goldilocks,
//! nor a sumcheck, nor vector operations over an extension; every operation is an `extern "C"` function that C++ libraries built
//! from the source tree of that time have to supply.
//!
//! As an optional dependency it leaves the default build alone (it is neither compiled by `cargo check --workspace
//! --all-targets` nor by `cargo clippy --workspace`), but brings 27 packages into `Cargo.lock`, and with its feature the build
//! script of `icicle-cuda-runtime` fails: without libclang with "Unable to find libclang", with it with "Unable to generate
//! bindings: NotExist("/usr/local/cuda/include/cuda_runtime_api.h")", a path that it does not let anybody change. With the
//! headers in that place it writes its bindings into its own source folder. So the feature would be a part of `--all-features`
//! that builds almost nowhere and computes nothing; it is left out.
//!
//! # Checking an installation
//!
//! `ZKML_ICICLE_DIR=/opt/icicle cargo test -p zkml-icicle --test parity --test msm` compares what is installed with the
//! reference and with arkworks; `ZKML_ICICLE_DEVICE=CPU` with it takes ICICLE's CPU backend. Without the first variable the tests
//! use a double of the library. The CPU backends of 3.9.0 (without BN254) and 4.0.0, built from source, pass; no GPU backend has
//! been tried.

mod accelerator;
mod error;
mod ffi;
mod msm;
mod open;
mod rounds;
mod selftest;
mod vectors;
mod worker;

use zkml_device::{BreakEven, DeviceError, DeviceInfo, FieldKind};

pub use error::Unavailable;
pub use msm::Projective;
pub use open::Options;
use worker::Worker;

/// A device of an installed ICICLE.
#[derive(Debug)]
pub struct Icicle {
    info: DeviceInfo,
    worker: Worker,
}

/// Opens ICICLE and one of its devices, and tests that it computes rightly.
///
/// ```
/// use zkml_icicle::{Options, Unavailable, open};
///
/// let nowhere = Options { directory: Some("/nowhere".into()), ..Options::default() };
/// # #[cfg(unix)]
/// assert!(matches!(open(&nowhere), Err(Unavailable::NotInstalled { .. })));
/// ```
pub fn open(options: &Options) -> Result<Icicle, Unavailable> {
    let (api, folder) = open::libraries(options)?;
    let start = |reason: String| Unavailable::Start { device: "icicle".to_owned(), reason };
    let worker = Worker::start(api, options.timeout).map_err(|e| start(e.to_string()))?;
    let wanted = options.clone();
    let started = worker.run(move |context| {
        let (kind, number) = open::activate(context.api, &wanted, folder.as_deref())?;
        selftest::run(context).map_err(|e| e.at_start(&kind))?;
        Ok((kind, number, context.api.total_memory(), context.api.has_curve()))
    });
    let (kind, number, memory, has_curve) = started.map_err(|e: DeviceError| start(e.to_string()))??;
    let software = kind == "CPU";
    let memory = memory.unwrap_or(u64::MAX);
    let notes = if has_curve { Vec::new() } else { vec!["without BN254: its libraries are not installed".to_owned()] };
    let info = DeviceInfo {
        id: "icicle".to_owned(),
        adapter: format!("{kind}:{number}"),
        driver: "ICICLE, 3.9 to 4.x".to_owned(),
        kind: if software { "software" } else { "GPU" }.to_owned(),
        software,
        prelude: "u64".to_owned(),
        fields: vec![FieldKind::Goldilocks2],
        max_binding: memory,
        max_buffer: memory,
        break_even: options.break_even,
        break_even_source: source(options).to_owned(),
        notes,
        backend: kind,
    };
    Ok(Icicle { info, worker })
}

fn source(options: &Options) -> &'static str {
    let usual: BreakEven = Options::default().break_even;
    if options.break_even == usual { "estimate for a discrete GPU, not measured" } else { "given" }
}

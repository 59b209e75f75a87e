//! From which sizes on an adapter is faster than the host.
//!
//! On a hardware adapter both are measured once, over `Goldilocks` with `X^2 = 7`, and the answer is kept in the user's cache
//! folder. What is compared:
//!
//! | step | adapter | host: plain loops in all threads of rayon's current pool |
//! |---|---|---|
//! | rounds | all rounds of a product of two resident factors | the same rounds, arrays of field elements |
//! | contract | a resident matrix of bytes with resident weights; the result is read back | a dot product per row |
//! | tree | all levels over resident leaves; the root is read back | the same levels |
//! | forward | a product of two square matrices of bytes, sent and read back | three nested loops, 32 bits |
//! | encode | a matrix of 16 columns, its first half sent, the transform read back | the transform that provers use |
//!
//! A step's size is the smallest from which on the adapter won at every size that was tried. The host's loops are mostly
//! simpler than a prover's, so the sizes are a rule of thumb. A software adapter only shares the host's cores: it is never faster, and gets
//! a fixed small size for the sake of tests.

use std::fs;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use zkml_device::{Accelerator, BreakEven, DeviceError, Step};

use crate::measure::{on_device, on_host};
use crate::{Gpu, Options};

/// The size from which on a software adapter is used: small, so that tests take its paths.
pub const SOFTWARE: usize = 1 << 8;

/// Base-two logarithms of the sizes that are tried.
const SIZES: [u32; 7] = [10, 12, 14, 16, 18, 20, 22];

/// What is kept in the cache folder.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Kept {
    adapter: String,
    backend: String,
    driver: String,
    prelude: String,
    host_threads: usize,
    sizes: BreakEven,
}

/// The sizes and where they are from.
pub(crate) fn decide(gpu: &Gpu, options: &Options) -> (BreakEven, String) {
    if let Some(size) = options.break_even {
        return (BreakEven::all(size), "given (ZKML_GPU_BREAK_EVEN)".to_owned());
    }
    if gpu.info().software {
        return (BreakEven::all(SOFTWARE), "software adapter: for tests, not for speed".to_owned());
    }
    kept_or_measured(gpu, cache_folder().as_deref(), &SIZES)
}

/// The user's folder for caches.
fn cache_folder() -> Option<PathBuf> {
    let variable = |name: &str| std::env::var_os(name).filter(|v| !v.is_empty()).map(PathBuf::from);
    variable("XDG_CACHE_HOME")
        .or_else(|| variable("HOME").map(|home| home.join(".cache")))
        .or_else(|| variable("LOCALAPPDATA"))
        .map(|folder| folder.join("zkml-workbench"))
}

/// Sizes from the folder's file for this adapter, driver, prelude and number of threads, or measured now and kept there.
#[doc(hidden)]
pub fn kept_or_measured(gpu: &Gpu, folder: Option<&Path>, sizes: &[u32]) -> (BreakEven, String) {
    let info = gpu.info();
    let mut kept = Kept {
        adapter: info.adapter.clone(),
        backend: info.backend.clone(),
        driver: info.driver.clone(),
        prelude: info.prelude.clone(),
        host_threads: rayon::current_num_threads(),
        sizes: BreakEven { rounds: None, contract: None, tree: None, forward: None, encode: None },
    };
    let file = folder.map(|folder| folder.join(file_name(&kept)));
    if let Some(earlier) = file.as_deref().and_then(load)
        && (Kept { sizes: kept.sizes, ..earlier.clone() }) == kept
    {
        return (earlier.sizes, format!("measured earlier against {} threads of the host", kept.host_threads));
    }
    match measure(gpu, sizes) {
        Ok(measured) => {
            kept.sizes = measured;
            if let Some(file) = &file
                && let Err(error) = store(file, &kept)
            {
                tracing::warn!("{} is not written ({error}): the next start measures again", file.display());
            }
            (measured, format!("measured against {} threads of the host", kept.host_threads))
        }
        Err(error) => {
            tracing::warn!(adapter = kept.adapter, "the break-even sizes were not measured: {error}");
            (kept.sizes, format!("not measured, so all steps are the host's: {error}"))
        }
    }
}

fn file_name(kept: &Kept) -> String {
    let name = format!("{} {} {} {}", kept.adapter, kept.backend, kept.driver, kept.prelude);
    let plain = |c: char| if c.is_ascii_alphanumeric() || c == '.' { c.to_ascii_lowercase() } else { '-' };
    format!("break-even-{}.json", name.chars().map(plain).take(150).collect::<String>())
}

fn load(file: &Path) -> Option<Kept> {
    serde_json::from_str(&fs::read_to_string(file).ok()?).ok()
}

/// Written beside and renamed, so that others never read half a file.
fn store(file: &Path, kept: &Kept) -> std::io::Result<()> {
    let folder = file.parent().unwrap_or(Path::new("."));
    fs::create_dir_all(folder)?;
    let beside = folder.join(format!("break-even-{}.new", std::process::id()));
    fs::write(&beside, serde_json::to_string_pretty(kept)?)?;
    fs::rename(&beside, file)
}

/// Seconds of one step at a size of `2^bits`, the best of three: on the adapter, and by the host's plain loops.
#[doc(hidden)]
pub fn compare(gpu: &Gpu, step: Step, bits: u32) -> Result<[f64; 2], DeviceError> {
    Ok([best(|| on_device(gpu, step, bits))?, best(|| Ok(on_host(step, bits)))?])
}

/// Measures every step.
fn measure(gpu: &Gpu, sizes: &[u32]) -> Result<BreakEven, DeviceError> {
    let of = |step: Step| -> Result<Option<usize>, DeviceError> {
        let mut first = None;
        for &bits in sizes {
            let [device, host] = compare(gpu, step, bits)?;
            tracing::debug!(step = step.name(), bits, device, host, "break-even");
            first = if device < host { first.or(Some(1 << bits)) } else { None };
        }
        Ok(first)
    };
    Ok(BreakEven {
        rounds: of(Step::Rounds)?,
        contract: of(Step::Contract)?,
        tree: of(Step::Tree)?,
        forward: of(Step::Forward)?,
        encode: of(Step::Encode)?,
    })
}

/// The best of three, after one that warms up.
fn best(mut run: impl FnMut() -> Result<f64, DeviceError>) -> Result<f64, DeviceError> {
    run()?;
    (0..3).try_fold(f64::INFINITY, |best, _| Ok(best.min(run()?)))
}

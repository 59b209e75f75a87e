//! From which sizes on an adapter is faster than the host.

use zkml_device::BreakEven;

use crate::{Gpu, Options};

/// The size from which on a software adapter is used: small, so that tests take its paths.
pub const SOFTWARE: usize = 1 << 8;

/// The sizes and where they are from.
pub(crate) fn decide(gpu: &Gpu, options: &Options) -> (BreakEven, String) {
    let _ = gpu;
    if let Some(size) = options.break_even {
        return (BreakEven::all(size), "given (ZKML_GPU_BREAK_EVEN)".to_owned());
    }
    (BreakEven::all(SOFTWARE), "software adapter: for tests, not for speed".to_owned())
}

//! A folder that looks like an installed ICICLE, with the test double as every library.

#![allow(dead_code, unreachable_pub, reason = "every test file uses a part of it")]

use std::ffi::CString;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use libloading::Library;
use tempfile::TempDir;
use zkml_device::BreakEven;
use zkml_icicle::{Icicle, Options, Unavailable, open};

/// Names of ICICLE's libraries.
pub const LIBRARIES: [&str; 4] =
    ["icicle_device", "icicle_field_goldilocks", "icicle_field_bn254", "icicle_curve_bn254"];

fn extension() -> &'static str {
    if cfg!(target_os = "macos") { "dylib" } else { "so" }
}

/// A library's path in a folder.
pub fn library(folder: &Path, name: &str) -> PathBuf {
    folder.join(format!("lib{name}.{}", extension()))
}

/// The double: `cargo test` builds this package's examples into `examples` beside the folder of the tests.
pub fn double() -> PathBuf {
    let test = std::env::current_exe().expect("the path of this test");
    let profile = test.ancestors().nth(2).expect("target/profile/deps/test");
    let path = library(&profile.join("examples"), "icicle_double");
    assert!(path.is_file(), "{} is missing: `cargo test -p zkml-icicle` builds it", path.display());
    path
}

/// An installation of its own: the double's counters are shared with no other test.
pub struct Installation {
    pub folder: TempDir,
    control: Library,
}

impl Installation {
    /// All libraries are links to one copy of the double, so that they are one library for the loader, too.
    pub fn new() -> Self {
        Self::with(&LIBRARIES)
    }

    /// As [`Installation::new`], with these libraries only.
    pub fn with(names: &[&str]) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let copy = library(folder.path(), "double");
        std::fs::copy(double(), &copy).expect("the double can be copied");
        for name in names {
            std::fs::hard_link(&copy, library(folder.path(), name)).expect("a link");
        }
        std::fs::create_dir(folder.path().join("backend")).expect("a folder");
        std::fs::write(folder.path().join("backend/libicicle_backend_cuda_device.so"), []).expect("a file");
        // SAFETY: the double's initialisers do nothing.
        let control = unsafe { Library::new(&copy) }.expect("the double can be loaded");
        Self { folder, control }
    }

    /// Options that look in this folder only.
    pub fn options(&self) -> Options {
        Options { directory: Some(self.folder.path().to_owned()), break_even: BreakEven::all(1), ..Options::default() }
    }

    /// Opens it.
    pub fn open(&self) -> Result<Icicle, Unavailable> {
        open(&self.options())
    }

    /// Opens it, ready to be shared.
    pub fn device(&self) -> Arc<Icicle> {
        Arc::new(self.open().expect("the double can be opened"))
    }

    /// Makes functions fail: see the double's documentation.
    pub fn faults(&self, text: &str) {
        let text = CString::new(text).expect("no zero inside");
        // SAFETY: the double exports this function with this type, and the string outlives the call.
        unsafe {
            let set: libloading::Symbol<'_, extern "C" fn(*const std::ffi::c_char)> =
                self.control.get(b"icicle_double_faults").expect("the double's control");
            set(text.as_ptr());
        }
    }

    /// Allocations so far, and how many were freed.
    pub fn counts(&self) -> (u64, u64) {
        let (mut allocated, mut freed) = (0, 0);
        // SAFETY: the double exports this function with this type.
        unsafe {
            let read: libloading::Symbol<'_, extern "C" fn(&mut u64, &mut u64)> =
                self.control.get(b"icicle_double_counts").expect("the double's control");
            read(&mut allocated, &mut freed);
        }
        (allocated, freed)
    }
}

/// The device that results are compared on: the double, or if `ZKML_ICICLE_DIR` is set, what is installed there. The double's
/// folder lives as long as what is returned.
pub fn device() -> (Option<Installation>, Arc<Icicle>) {
    if std::env::var_os("ZKML_ICICLE_DIR").is_some() {
        let device = open(&Options::from_env()).unwrap_or_else(|e| panic!("{e}"));
        return (None, Arc::new(device));
    }
    let installation = Installation::new();
    let device = installation.device();
    (Some(installation), device)
}

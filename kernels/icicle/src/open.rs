//! Finding an installed ICICLE, and choosing its device.

use std::env;
use std::ffi::{CString, OsString};
use std::path::{Path, PathBuf};
use std::time::Duration;

use zkml_device::BreakEven;

use crate::error::Unavailable;
use crate::ffi::{Api, DeviceId, Library};

/// Where to look for ICICLE, and which of its devices to use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// The only folder to look in, if it is given: the libraries are in it or in its folder `lib`.
    pub directory: Option<PathBuf>,
    /// Folders to look in otherwise, in order, before the system's search path.
    pub places: Vec<PathBuf>,
    /// The folder of the backends; `backend` beside the libraries, or `/opt/icicle/lib/backend`, otherwise.
    pub backend: Option<PathBuf>,
    /// Kinds of device in order of preference, each with its number.
    pub devices: Vec<(String, i32)>,
    /// Sizes from which on the device is used. The default is an estimate for a discrete GPU, not a measurement.
    pub break_even: BreakEven,
    /// How long one step may take.
    pub timeout: Duration,
}

impl Default for Options {
    /// The usual places and GPUs.
    fn default() -> Self {
        Self {
            directory: None,
            places: ["/opt/icicle", "/usr/local", "/usr"].map(PathBuf::from).to_vec(),
            backend: None,
            devices: ["CUDA", "METAL", "VULKAN"].map(|kind| (kind.to_owned(), 0)).to_vec(),
            break_even: BreakEven { forward: None, encode: None, ..BreakEven::all(1 << 18) },
            timeout: Duration::from_mins(1),
        }
    }
}

impl Options {
    /// The defaults, changed by these variables:
    ///
    /// | variable | holds |
    /// |---|---|
    /// | `ZKML_ICICLE_DIR` | the only folder to look in |
    /// | `ZKML_ICICLE_DEVICE` | the only kind of device to use: `CUDA`, `METAL`, `VULKAN` or `CPU`, with its number as in `CUDA:1` |
    /// | `ICICLE_INSTALL_DIR` | a folder to look in first |
    /// | `ICICLE_BACKEND_INSTALL_DIR` | the folder of the backends |
    /// | `ZKML_GPU_TIMEOUT` | seconds that one step may take |
    pub fn from_env() -> Self {
        Self::from_variables(|name| env::var_os(name).filter(|value| !value.is_empty()))
    }

    fn from_variables(variable: impl Fn(&str) -> Option<OsString>) -> Self {
        let mut options = Self {
            directory: variable("ZKML_ICICLE_DIR").map(PathBuf::from),
            backend: variable("ICICLE_BACKEND_INSTALL_DIR").map(PathBuf::from),
            ..Self::default()
        };
        if let Some(first) = variable("ICICLE_INSTALL_DIR") {
            options.places.insert(0, PathBuf::from(first));
        }
        if let Some(device) = variable("ZKML_ICICLE_DEVICE") {
            options.devices = vec![device_name(&device.to_string_lossy())];
        }
        let seconds = variable("ZKML_GPU_TIMEOUT").and_then(|s| s.to_str()?.trim().parse().ok());
        if let Some(seconds) = seconds.filter(|&s: &u64| s > 0) {
            options.timeout = Duration::from_secs(seconds);
        }
        options
    }
}

/// `KIND` or `KIND:number`.
fn device_name(text: &str) -> (String, i32) {
    let (kind, number) = text.split_once(':').unwrap_or((text, "0"));
    (kind.trim().to_uppercase(), number.trim().parse().unwrap_or(0))
}

/// File name of a library.
fn file(name: &str) -> String {
    format!("lib{name}.{}", if cfg!(target_os = "macos") { "dylib" } else { "so" })
}

/// The folder of ICICLE's libraries; `None` stands for the system's search path.
fn find(options: &Options) -> Result<(Library, Option<PathBuf>), Unavailable> {
    if cfg!(not(unix)) {
        return Err(Unavailable::Platform);
    }
    let name = file("icicle_device");
    let roots = options.directory.as_ref().map_or(options.places.as_slice(), std::slice::from_ref);
    let folders: Vec<PathBuf> = roots.iter().flat_map(|root| [root.clone(), root.join("lib")]).collect();
    if let Some(folder) = folders.iter().find(|folder| folder.join(&name).is_file()) {
        return Ok((Library::open(&folder.join(&name))?, Some(folder.clone())));
    }
    let mut places: Vec<String> = folders.iter().map(|f| f.display().to_string()).collect();
    if options.directory.is_none() {
        if let Ok(library) = Library::open(Path::new(&name)) {
            return Ok((library, None));
        }
        places.push("the system's search path".to_owned());
    }
    Err(Unavailable::NotInstalled { library: name, places })
}

/// Opens the libraries. Fields and curves come before the backends, which register themselves in them.
pub(crate) fn libraries(options: &Options) -> Result<(Api, Option<PathBuf>), Unavailable> {
    let (device, folder) = find(options)?;
    let path = |name: &str| folder.as_ref().map_or_else(|| PathBuf::from(file(name)), |folder| folder.join(file(name)));
    let required = |name: &str| match &folder {
        Some(folder) if !path(name).is_file() => {
            Err(Unavailable::NotInstalled { library: file(name), places: vec![folder.display().to_string()] })
        }
        _ => Library::open(&path(name)),
    };
    let field = required("icicle_field_goldilocks")?;
    let curve = match required("icicle_field_bn254").and_then(|_| required("icicle_curve_bn254")) {
        Ok(curve) => Some(curve),
        Err(reason) => {
            tracing::info!("ICICLE without BN254: {reason}");
            None
        }
    };
    Ok((Api::resolve(&device, &field, curve.as_ref())?, folder))
}

/// Loads the backends and makes a device active: on the thread that will use it.
pub(crate) fn activate(api: &Api, options: &Options, folder: Option<&Path>) -> Result<(String, i32), Unavailable> {
    let usual = [folder.map(|f| f.join("backend")), Some(PathBuf::from("/opt/icicle/lib/backend"))];
    let backend = options.backend.clone().or_else(|| usual.into_iter().flatten().find(|p| p.is_dir()));
    if let Some(backend) = backend.and_then(|b| CString::new(b.into_os_string().into_encoded_bytes()).ok()) {
        api.load_backend(&backend).map_err(|e| e.at_start("backend"))?;
    }
    for (kind, number) in &options.devices {
        let id = DeviceId::new(kind, *number);
        if api.is_available(&id) {
            api.set_device(&id).map_err(|e| e.at_start(kind))?;
            return Ok((kind.clone(), *number));
        }
    }
    let asked = options.devices.iter().map(|(kind, _)| kind.clone()).collect();
    Err(Unavailable::NoDevice { asked, registered: api.registered() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_change_the_defaults() {
        let options = Options::from_variables(|name| match name {
            "ZKML_ICICLE_DEVICE" => Some("cuda:3".into()),
            "ICICLE_INSTALL_DIR" => Some("/here".into()),
            "ICICLE_BACKEND_INSTALL_DIR" => Some("/there".into()),
            "ZKML_GPU_TIMEOUT" => Some("5".into()),
            _ => None,
        });
        assert_eq!(options.devices, [("CUDA".to_owned(), 3)]);
        assert_eq!(options.places.first(), Some(&PathBuf::from("/here")));
        assert_eq!((options.backend, options.timeout), (Some("/there".into()), Duration::from_secs(5)));
        assert_eq!(Options::from_variables(|_| None), Options::default());
        assert!(!Options::default().devices.iter().any(|(kind, _)| kind == "CPU"), "the CPU has to be asked for");
    }
}

//! What can go wrong while opening ICICLE, and while using it.

use zkml_device::DeviceError;

/// Where the releases are.
const RELEASES: &str = "https://github.com/ingonyama-zk/icicle/releases";

/// Why there is no device `icicle`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Unavailable {
    /// ICICLE does not run on this operating system.
    #[error("ICICLE runs on Linux and macOS only: use `device: gpu` or `device: cpu`")]
    Platform,
    /// No library was found.
    #[error(
        "ICICLE is not installed: looked for {library} in {}. Unpack a release from 3.9 to 4.x with its backend ({RELEASES}) into \
         /opt/icicle, or name its folder in ZKML_ICICLE_DIR",
        places.join(", ")
    )]
    NotInstalled {
        /// The file that was looked for.
        library: String,
        /// Where it was looked for.
        places: Vec<String>,
    },
    /// The system's loader refuses a library.
    #[error("{library} cannot be loaded: {reason}")]
    Broken {
        /// The file.
        library: String,
        /// The loader's message.
        reason: String,
    },
    /// A library has another interface than ICICLE 3.9 to 4.0.
    #[error(
        "{library} does not export {symbol}: it is no ICICLE from 3.9 to 4.x, whose interface is used here ({RELEASES})"
    )]
    Symbol {
        /// The file.
        library: String,
        /// The name that is missing.
        symbol: String,
    },
    /// None of the wanted kinds of device is registered.
    #[error(
        "ICICLE has no device {}: it registered {}. Backends are separate downloads ({RELEASES}); name the folder of an \
         installed one in ICICLE_BACKEND_INSTALL_DIR. ZKML_ICICLE_DEVICE=CPU uses the host's cores through ICICLE",
        asked.join(" or "), registered
    )]
    NoDevice {
        /// What was asked for, in order.
        asked: Vec<String>,
        /// What the installed backends offer.
        registered: String,
    },
    /// The backend got no licence.
    #[error(
        "ICICLE's backend for {device} has no licence (error 13). The CUDA, Metal and Vulkan backends are closed source and ask \
         a licence server: check that this machine reaches it, or set ICICLE_LICENSE to a server `port@address` or a file"
    )]
    Licence {
        /// The kind of device.
        device: String,
    },
    /// A call failed while the device was started.
    #[error("ICICLE's device {device} does not start: {reason}")]
    Start {
        /// The kind of device.
        device: String,
        /// The call and its error.
        reason: String,
    },
    /// The device computes something else than the host.
    #[error("ICICLE's device {device} fails the self-test: {step} gives wrong values")]
    SelfTest {
        /// The kind of device.
        device: String,
        /// The operation.
        step: String,
    },
}

/// A call that did not succeed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Failure {
    /// ICICLE's error code.
    Code {
        /// The function.
        step: &'static str,
        /// What it returned.
        code: i32,
    },
    /// Lengths or places that do not fit; nothing was called.
    Misfit(String),
    /// A step that is not worth doing here.
    Refused(&'static str),
    /// The self-test's verdict.
    Wrong(&'static str),
}

/// ICICLE's names of its error codes.
const CODES: [&str; 15] = [
    "SUCCESS",
    "INVALID_DEVICE",
    "OUT_OF_MEMORY",
    "INVALID_POINTER",
    "ALLOCATION_FAILED",
    "DEALLOCATION_FAILED",
    "COPY_FAILED",
    "SYNCHRONIZATION_FAILED",
    "STREAM_CREATION_FAILED",
    "STREAM_DESTRUCTION_FAILED",
    "API_NOT_IMPLEMENTED",
    "INVALID_ARGUMENT",
    "BACKEND_LOAD_FAILED",
    "LICENSE_CHECK_ERROR",
    "UNKNOWN_ERROR",
];

/// An error code with its name.
fn name(code: i32) -> String {
    let name = usize::try_from(code).ok().and_then(|c| CODES.get(c)).copied().unwrap_or("not a code of ICICLE 4.0");
    format!("error {code}, {name}")
}

impl Failure {
    /// As an error of the device.
    pub(crate) fn on(self, device: &str) -> DeviceError {
        match self {
            Self::Code { step, code: 2 | 4 } => DeviceError::OutOfMemory(step.to_owned()),
            Self::Code { step, code: 10 } => {
                DeviceError::Unsupported { device: "icicle".to_owned(), step: format!("{step} on {device}") }
            }
            Self::Code { code: 13, .. } => {
                DeviceError::Invalid(Unavailable::Licence { device: device.to_owned() }.to_string())
            }
            Self::Code { step, code } => DeviceError::Invalid(format!("{step}: {}", name(code))),
            Self::Misfit(what) => DeviceError::Request(what),
            Self::Refused(step) => DeviceError::Unsupported { device: "icicle".to_owned(), step: step.to_owned() },
            Self::Wrong(step) => DeviceError::Invalid(format!("{step} gives wrong values")),
        }
    }

    /// As a reason for not opening the device.
    pub(crate) fn at_start(self, device: &str) -> Unavailable {
        let device = device.to_owned();
        match self {
            Self::Code { code: 13, .. } => Unavailable::Licence { device },
            Self::Wrong(step) => Unavailable::SelfTest { device, step: step.to_owned() },
            other => Unavailable::Start { reason: other.on(&device).to_string(), device },
        }
    }
}

//! What can go wrong on a device.

/// Why a device did not do what it was asked to.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DeviceError {
    /// The device has no implementation of this step, for this field or at all. The host does it instead.
    #[error("the device {device} has no {step}")]
    Unsupported {
        /// The device's name.
        device: String,
        /// What was asked for.
        step: String,
    },
    /// A limit of the adapter is in the way.
    #[error("{what} needs {needed} bytes, the adapter allows {allowed}: use a smaller size, or `device: cpu`")]
    Limit {
        /// What does not fit.
        what: String,
        /// Bytes needed.
        needed: u64,
        /// Bytes allowed.
        allowed: u64,
    },
    /// The device's memory is exhausted.
    #[error("the device is out of memory ({0}): close other programs that use it, or use `device: cpu`")]
    OutOfMemory(String),
    /// The device went away: unplugged, reset, or its driver crashed.
    #[error("the device was lost: {0}")]
    Lost(String),
    /// No answer within the time-out.
    #[error("no answer from the device within {seconds} s: it may be busy or hung (ZKML_GPU_TIMEOUT sets the limit)")]
    Timeout {
        /// The time-out.
        seconds: u64,
    },
    /// A shader does not compile, or a call is invalid: a fault of the backend or the driver.
    #[error("the device refused a step: {0}")]
    Invalid(String),
    /// A buffer or request does not have the promised shape.
    #[error("a request to the device does not fit: {0}")]
    Request(String),
}

impl DeviceError {
    /// True if the step merely has to be done on the host, and the device can be used for others.
    pub fn is_refusal(&self) -> bool {
        matches!(self, Self::Unsupported { .. })
    }
}

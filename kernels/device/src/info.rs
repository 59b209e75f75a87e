//! What is known about a device.

use serde::{Deserialize, Serialize};

use crate::FieldKind;

/// Steps that a device can take off the host.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Step {
    /// Rounds of a sumcheck; the size is the number of elements of all factors.
    Rounds,
    /// Contraction of an axis with weights: partial evaluation; the size is the number of cells.
    Contract,
    /// Building a tree of fractions; the size is the number of leaves.
    Tree,
    /// A sum of products of integers; the size is the number of products.
    Forward,
    /// Encoding of a code word by a Fourier transform; the size is the number of words of the code word.
    Encode,
}

impl Step {
    /// All steps.
    pub const ALL: [Self; 5] = [Self::Rounds, Self::Contract, Self::Tree, Self::Forward, Self::Encode];

    /// The name in tables.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Rounds => "rounds",
            Self::Contract => "contract",
            Self::Tree => "tree",
            Self::Forward => "forward",
            Self::Encode => "encode",
        }
    }
}

/// Smallest sizes, by step, for which the device is faster than the host; `None` if it never was.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BreakEven {
    /// For [`Step::Rounds`].
    pub rounds: Option<usize>,
    /// For [`Step::Contract`].
    pub contract: Option<usize>,
    /// For [`Step::Tree`].
    pub tree: Option<usize>,
    /// For [`Step::Forward`].
    pub forward: Option<usize>,
    /// For [`Step::Encode`].
    #[serde(default)]
    pub encode: Option<usize>,
}

impl BreakEven {
    /// The same size for every step.
    pub const fn all(size: usize) -> Self {
        let size = Some(size);
        Self { rounds: size, contract: size, tree: size, forward: size, encode: size }
    }

    /// The size for one step.
    pub const fn of(&self, step: Step) -> Option<usize> {
        match step {
            Step::Rounds => self.rounds,
            Step::Contract => self.contract,
            Step::Tree => self.tree,
            Step::Forward => self.forward,
            Step::Encode => self.encode,
        }
    }
}

/// What a device is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeviceInfo {
    /// The name used in experiment files: `gpu` or `icicle`.
    pub id: String,
    /// The adapter as its driver names it.
    pub adapter: String,
    /// The interface to it, such as `vulkan`.
    pub backend: String,
    /// Driver and version, as far as known.
    pub driver: String,
    /// `discrete GPU`, `integrated GPU`, `software`, ….
    pub kind: String,
    /// True if the "device" is a program on the host's own cores: right for tests, no measure of a GPU.
    pub software: bool,
    /// How 64-bit arithmetic is done: `u64` natively, `u32` in halves.
    pub prelude: String,
    /// Fields it computes in.
    pub fields: Vec<FieldKind>,
    /// Largest range that one shader binding can have, in bytes.
    pub max_binding: u64,
    /// Largest buffer, in bytes.
    pub max_buffer: u64,
    /// From which sizes on it is used.
    pub break_even: BreakEven,
    /// Where those sizes are from.
    pub break_even_source: String,
    /// What had to be given up on the way, such as a prelude that failed the self-test.
    pub notes: Vec<String>,
}

/// What a device has done so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Activity {
    /// Steps started.
    pub dispatches: u64,
    /// Bytes sent to the device.
    pub uploaded: u64,
    /// Bytes read back.
    pub downloaded: u64,
    /// Seconds in which the host sent data.
    pub upload_seconds: f64,
    /// Seconds in which the host waited for results, computing included.
    pub wait_seconds: f64,
    /// Seconds that the device itself reports for its computing; `None` if it has no clock.
    pub device_seconds: Option<f64>,
}

impl Activity {
    /// What was done after an earlier reading.
    #[must_use]
    pub fn since(self, earlier: Self) -> Self {
        Self {
            dispatches: self.dispatches.saturating_sub(earlier.dispatches),
            uploaded: self.uploaded.saturating_sub(earlier.uploaded),
            downloaded: self.downloaded.saturating_sub(earlier.downloaded),
            upload_seconds: self.upload_seconds - earlier.upload_seconds,
            wait_seconds: self.wait_seconds - earlier.wait_seconds,
            device_seconds: self.device_seconds.zip(earlier.device_seconds).map(|(a, b)| a - b),
        }
    }
}

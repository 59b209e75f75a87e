//! Where vectors live and where they are computed on.
//!
//! [`Column`] keeps integers as small as their bounds allow; [`count`] tallies field operations in the
//! counting build; [`Device`] names the hardware a run uses.

pub mod column;
pub mod count;

pub use column::Column;

/// The hardware that a prover runs on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Device {
    /// The host's cores, through rayon's current thread pool.
    Cpu,
}

impl Device {
    /// The name used in experiment files.
    pub fn name(self) -> &'static str {
        match self {
            Self::Cpu => "cpu",
        }
    }

    /// Threads that parallel loops may use.
    pub fn threads(self) -> usize {
        rayon::current_num_threads()
    }
}

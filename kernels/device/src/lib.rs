//! Where vectors live and where they are computed on.
//!
//! | module | holds |
//! |---|---|
//! | [`mod@column`] | integers as small as their bounds allow |
//! | [`device`] | the choice of a proof: the host, or an accelerator beside it |
//! | [`accelerator`] | the verbs of an accelerator, one object-safe trait |
//! | [`expression`] | a composition as data, for kernels generated from the code that the host runs |
//! | [`info`] | what a device is, and from which sizes on it is used |
//! | [`idle`] | what stands for a device that failed its self-test |
//! | `reference` | an accelerator that computes plainly on the host: what others are tested against |
//! | [`count`] | field operations done so far, in the counting build |

pub mod accelerator;
pub mod column;
pub mod count;
pub mod device;
pub mod error;
pub mod expression;
pub mod field;
pub mod idle;
pub mod info;
#[cfg(feature = "reference")]
pub mod reference;

pub use accelerator::{
    Accelerator, Buffer, Combination, Contents, Fourier, IntegerEinsum, Numerators, Point, Round, Rounds, Sumcheck,
};
pub use column::Column;
pub use device::{Device, Session};
pub use error::DeviceError;
pub use expression::{Expression, Trace};
pub use field::FieldKind;
pub use idle::Idle;
pub use info::{Activity, BreakEven, DeviceInfo, Step};

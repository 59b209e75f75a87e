//! What a kernel is, and the list of kernels.

use std::fmt::Debug;

use serde::{Deserialize, Serialize};
use zkml_core::Shape;

use crate::lowering::{Activation, Lowering, Recorder};
use crate::{Dense, LayerError, RmsNorm};

/// What a kernel is, for `list` and `describe`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KernelInfo {
    /// Name used in experiment files.
    pub id: &'static str,
    /// One line.
    pub about: &'static str,
}

/// A layer with its parameters: real-valued semantics and the lowering to integer relations.
pub trait Kernel: Send + Sync {
    /// What the kernel is.
    fn info(&self) -> KernelInfo;
    /// The layer's name: first segment of the scopes of its relations and of the names of its tensors.
    fn name(&self) -> &str;
    /// The limb width that the user asked for; `None` leaves it to [`crate::lower`].
    fn limb_bits(&self) -> Option<u32>;
    /// Shape of the output, or why the input does not fit.
    fn output_shape(&self, input: &Shape) -> Result<Shape, LayerError>;
    /// The float reference on real-valued activations of shape `input`.
    fn float(&self, input: &Shape, values: &[f64]) -> Vec<f64>;
    /// Emits the layer's tensors and relations. Returns the output and the integer semantics of the layer.
    fn lower(&self, builder: &mut Lowering, input: &Activation) -> Result<(Activation, Box<dyn Step>), LayerError>;
}

/// The integer semantics of a lowered layer.
pub trait Step: Debug + Send + Sync {
    /// The output integers, row-major, of in-bounds input integers.
    fn infer(&self, input: &[i64]) -> Vec<i64>;
    /// The same, recording every committed and public tensor of the layer. Virtual tensors may be recorded as well;
    /// the others are computed from their definitions.
    fn record(&self, input: &[i64], recorder: &mut Recorder) -> Vec<i64>;
}

/// Declares [`LayerSpec`] and [`KERNELS`]: one line per kernel.
macro_rules! kernels {
    ($($(#[$doc:meta])* $kernel:ident),* $(,)?) => {
        /// One layer of a network.
        #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
        #[non_exhaustive]
        pub enum LayerSpec {
            $($(#[$doc])* $kernel($kernel),)*
        }

        impl LayerSpec {
            /// The kernel behind the layer.
            pub fn kernel(&self) -> &dyn Kernel {
                match self {
                    $(Self::$kernel(kernel) => kernel,)*
                }
            }
        }

        /// All kernels.
        pub const KERNELS: &[KernelInfo] = &[$($kernel::INFO),*];
    };
}

kernels! {
    /// Root-mean-square normalisation.
    RmsNorm,
    /// A dense layer.
    Dense,
}

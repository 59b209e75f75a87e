//! What a kernel is, and the list of kernels.

use std::fmt::Debug;

use serde::{Deserialize, Serialize};
use zkml_core::Shape;

use crate::lowering::{Activation, Lowering, Recorder};
use crate::{
    Add, AvgPool, Conv2d, Dense, Flatten, LayerError, LayerNorm, MatMul, MaxPool, Mul, Pointwise, Reshape, RmsNorm,
    Transpose,
};

/// What a kernel is, for `list` and `describe`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KernelInfo {
    /// Name used in experiment files.
    pub id: &'static str,
    /// One line.
    pub about: &'static str,
}

/// Real values with their shape, row-major.
#[derive(Clone, Copy, Debug)]
pub struct FloatTensor<'a> {
    /// True shape.
    pub shape: &'a Shape,
    /// One value per cell.
    pub values: &'a [f64],
}

/// A layer with its parameters: real-valued semantics and the lowering to integer relations.
///
/// Every method that takes inputs gets [`Kernel::arity`] of them. The first axis of every tensor is the batch axis:
/// the calibration sample may have another number of rows than the network's input.
pub trait Kernel: Send + Sync {
    /// What the kernel is.
    fn info(&self) -> KernelInfo;
    /// The layer's name: first segment of the scopes of its relations and of the names of its tensors.
    fn name(&self) -> &str;
    /// Number of inputs.
    fn arity(&self) -> usize {
        1
    }
    /// The limb width that the user asked for; `None` leaves it to [`crate::lower`].
    fn limb_bits(&self) -> Option<u32>;
    /// Shape of the output, or why the inputs do not fit.
    fn output_shape(&self, inputs: &[Shape]) -> Result<Shape, LayerError>;
    /// The float reference. Shapes are those that [`Kernel::output_shape`] accepted.
    fn float(&self, inputs: &[FloatTensor<'_>]) -> Vec<f64>;
    /// Emits the layer's tensors and relations. Returns the output and the integer semantics of the layer.
    fn lower(&self, builder: &mut Lowering, inputs: &[&Activation]) -> Result<(Activation, Box<dyn Step>), LayerError>;
}

/// The integer semantics of a lowered layer.
pub trait Step: Debug + Send + Sync {
    /// The output integers, row-major, of in-bounds input integers.
    fn infer(&self, inputs: &[&[i64]]) -> Vec<i64>;
    /// The same, recording every committed and public tensor of the layer. Virtual tensors may be recorded as well;
    /// the others are computed from their definitions.
    fn record(&self, inputs: &[&[i64]], recorder: &mut Recorder) -> Vec<i64>;
}

/// The input of a kernel that has one.
pub(crate) fn sole<'a, T>(layer: &str, inputs: &'a [T]) -> Result<&'a T, LayerError> {
    match inputs {
        [input] => Ok(input),
        _ => Err(LayerError::shape(layer, format!("it takes one input, not {}", inputs.len()))),
    }
}

/// The first input: that of a kernel that has one.
pub(crate) fn first<'a>(inputs: &[&'a [i64]]) -> &'a [i64] {
    inputs.first().copied().unwrap_or_default()
}

/// The inputs of a kernel that has two.
pub(crate) fn pair<'a, T>(layer: &str, inputs: &'a [T]) -> Result<(&'a T, &'a T), LayerError> {
    match inputs {
        [a, b] => Ok((a, b)),
        _ => Err(LayerError::shape(layer, format!("it takes two inputs, not {}", inputs.len()))),
    }
}

/// Shape of two inputs that agree.
pub(crate) fn common_shape(layer: &str, inputs: &[Shape]) -> Result<Shape, LayerError> {
    let (a, b) = pair(layer, inputs)?;
    if a == b { Ok(a.clone()) } else { Err(LayerError::shape(layer, format!("its inputs are {a} and {b}"))) }
}

/// The accessors of a kernel that is one `INFO` with the field `name`, and `limb_bits` unless `accessors!(no limbs)`.
macro_rules! accessors {
    () => {
        accessors!(@limbs |kernel| kernel.limb_bits);
    };
    (no limbs) => {
        accessors!(@limbs |_kernel| None);
    };
    (@limbs |$kernel:ident| $limbs:expr) => {
        fn info(&self) -> $crate::kernel::KernelInfo {
            Self::INFO
        }

        fn name(&self) -> &str {
            &self.name
        }

        fn limb_bits(&self) -> Option<u32> {
            let $kernel = self;
            $limbs
        }
    };
}
pub(crate) use accessors;

/// Declares [`LayerSpec`] and [`KERNELS`]: one line per kernel.
macro_rules! kernels {
    ($($(#[$doc:meta])* $kernel:ident: $($info:ident)*;)*) => {
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
        pub const KERNELS: &[KernelInfo] = &[$($($kernel::$info),*),*];
    };
}

kernels! {
    /// Root-mean-square normalisation.
    RmsNorm: INFO;
    /// Normalisation to mean 0 and variance 1.
    LayerNorm: INFO;
    /// A dense layer.
    Dense: INFO;
    /// A matrix product, its sums kept.
    MatMul: INFO;
    /// A function of single values.
    Pointwise: RELU CLAMP SILU GELU SIGMOID TANH;
    /// A sum of two tensors.
    Add: INFO;
    /// A product of two tensors, cell by cell.
    Mul: INFO;
    /// Another shape per row.
    Reshape: INFO;
    /// One axis per row.
    Flatten: INFO;
    /// Axes in another order.
    Transpose: INFO;
    /// A convolution.
    Conv2d: INFO;
    /// Max pooling.
    MaxPool: INFO;
    /// Average pooling.
    AvgPool: INFO;
}

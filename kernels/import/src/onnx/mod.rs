//! Networks from ONNX files, as layers in the workbench's own vocabulary.
//!
//! [`read`] walks the nodes of a file in four passes:
//!
//! | pass | does |
//! |---|---|
//! | shapes | infers every shape, evaluates nodes over constants (also computed shapes), drops nodes that change nothing |
//! | patterns | recognises RMSNorm and LayerNorm written as primitive nodes, and activations by the function they compute |
//! | lowering | turns every node or pattern into a [`Layer`] |
//! | folding | merges constant factors and terms, batch normalisation and ReLU into the `Dense` or `Conv2d` before them |
//!
//! A node is folded only if the value before it has no other consumer. Whatever has no counterpart among the
//! [`Operator`]s is refused by the name of its node. Supported are operator sets 9 to 22, one input, one output, fixed
//! shapes (dynamic dimensions get their length from [`Options::dims`]) and weights inside the file.
//!
//! [`Reference`] runs the same file in tract, independently of the import: the float results to compare with.
//!
//! ```
//! use zkml_import::onnx::{Operator, Options, Reference, read};
//! # use prost::Message;
//! # use tract_onnx::pb::{self, type_proto, tensor_shape_proto::{Dimension, dimension}};
//! # let value = |name: &str, shape: [i64; 2]| pb::ValueInfoProto {
//! #     name: name.into(),
//! #     r#type: Some(pb::TypeProto {
//! #         value: Some(type_proto::Value::TensorType(type_proto::Tensor {
//! #             elem_type: 1,
//! #             shape: Some(pb::TensorShapeProto {
//! #                 dim: shape.map(|n| Dimension { value: Some(dimension::Value::DimValue(n)), ..Default::default() }).into(),
//! #             }),
//! #         })),
//! #         ..Default::default()
//! #     }),
//! #     ..Default::default()
//! # };
//! # let node = |name: &str, op: &str, input: &[&str], output: &str| pb::NodeProto {
//! #     name: name.into(),
//! #     op_type: op.into(),
//! #     input: input.iter().map(|s| s.to_string()).collect(),
//! #     output: vec![output.into()],
//! #     ..Default::default()
//! # };
//! # let weight = pb::TensorProto {
//! #     name: "w".into(), dims: vec![3, 2], data_type: 1, float_data: vec![1., 0., 2., -1., 0., 1.], ..Default::default()
//! # };
//! # let model = pb::ModelProto {
//! #     ir_version: 8,
//! #     opset_import: vec![pb::OperatorSetIdProto { domain: String::new(), version: 13 }],
//! #     graph: Some(pb::GraphProto {
//! #         node: vec![node("fc", "MatMul", &["x", "w"], "y"), node("act", "Relu", &["y"], "z")],
//! #         initializer: vec![weight],
//! #         input: vec![value("x", [1, 3])],
//! #         output: vec![value("z", [1, 2])],
//! #         ..Default::default()
//! #     }),
//! #     ..Default::default()
//! # };
//! # let folder = tempfile::tempdir()?;
//! # let path = folder.path().join("tiny.onnx");
//! # std::fs::write(&path, model.encode_to_vec())?;
//! // x of shape [1, 3] through MatMul (node `fc`), then Relu (node `act`).
//! let model = read(&path, &Options::default())?;
//! let [layer] = model.layers.as_slice() else { panic!("Relu is fused") };
//! assert_eq!((layer.name.as_str(), layer.shape.as_slice()), ("fc", [1, 2].as_slice()));
//! let Operator::Dense { weight, relu: true, .. } = &layer.operator else { panic!("a dense layer") };
//! assert_eq!(weight.shape, [2, 3]);
//!
//! let input = zkml_import::Array { source: "here".into(), shape: vec![1, 3], values: vec![1.0, 1.0, 1.0] };
//! assert_eq!(Reference::open(&path, &Options::default())?.run(&input)?.values, [3.0, 0.0]);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod activation;
mod constant;
mod fault;
mod graph;
mod lower;
mod node;
mod norm;
mod pattern;
mod proto;
mod reference;
mod shapes;
mod window;

use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::path::Path;

pub use activation::Activation;
pub use reference::Reference;

use crate::{Array, ImportError};

/// Versions of ONNX's operator set that are read.
const OPSETS: RangeInclusive<i64> = 9..=22;

/// More cells than this in one tensor are refused (1 GiB as `f64`).
const MAX_CELLS: usize = 1 << 27;

/// ONNX operators that are read, if only in some position: as a layer, folded, in a pattern, or over constants.
pub const OPERATORS: &[&str] = &[
    "Add",
    "AveragePool",
    "BatchNormalization",
    "Cast",
    "Clip",
    "Concat",
    "Constant",
    "ConstantOfShape",
    "Conv",
    "Div",
    "Dropout",
    "Erf",
    "Exp",
    "Flatten",
    "Gather",
    "Gelu",
    "Gemm",
    "GlobalAveragePool",
    "Identity",
    "LayerNormalization",
    "MatMul",
    "MaxPool",
    "Mul",
    "Neg",
    "Pow",
    "Reciprocal",
    "ReduceMean",
    "Relu",
    "Reshape",
    "Shape",
    "Sigmoid",
    "Slice",
    "Softmax",
    "Sqrt",
    "Squeeze",
    "Sub",
    "Tanh",
    "Transpose",
    "Unsqueeze",
];

/// What the file leaves open.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// Lengths of the input's dynamic dimensions, by name; `axis0`, `axis1`, … where the file names none.
    pub dims: BTreeMap<String, usize>,
    /// Leave out a `Softmax` at the very end: the output is then its input, which has the same order.
    pub drop_final_softmax: bool,
}

/// A network.
#[derive(Clone, Debug, PartialEq)]
pub struct Model {
    /// What enters it.
    pub input: Value,
    /// Name of the layer that is the output.
    pub output: String,
    /// Its layers; every one comes after the layers that it reads.
    pub layers: Vec<Layer>,
    /// What import did to nodes that are no layer of their own, one sentence each.
    pub folded: Vec<String>,
}

/// A tensor that enters the network.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Value {
    /// Its name in the file.
    pub name: String,
    /// Axis lengths, the batch included.
    pub shape: Vec<usize>,
}

/// A layer.
#[derive(Clone, Debug, PartialEq)]
pub struct Layer {
    /// After its main ONNX node: letters, digits, `_` and `-`; distinct, and never `input`.
    pub name: String,
    /// What it computes.
    pub operator: Operator,
    /// What it reads: `input`, or names of layers.
    pub inputs: Vec<String>,
    /// Axis lengths of its output, the batch included.
    pub shape: Vec<usize>,
    /// Names of the ONNX nodes that it stands for, in the file's order.
    pub nodes: Vec<String>,
    /// Name of the ONNX value that it computes; `None` for an intermediate result that the file does not have.
    pub value: Option<String>,
}

/// What a layer computes.
#[derive(Clone, Debug, PartialEq)]
pub enum Operator {
    /// `output[.., o] = Σ_i weight[o, i] · x[.., i] + bias[o]`, then ReLU if `relu`.
    Dense {
        /// `[outputs, inputs]`.
        weight: Array,
        /// `[outputs]`.
        bias: Option<Array>,
        /// Negative results become 0.
        relu: bool,
    },
    /// Cross-correlation over the last two axes of `[batch, channels, height, width]`, then ReLU if `relu`.
    Conv2d {
        /// `[outputs, inputs / groups, kernel height, kernel width]`.
        weight: Array,
        /// `[outputs]`.
        bias: Option<Array>,
        /// Down, right.
        stride: [usize; 2],
        /// Rows and columns of zeros: top, left, bottom, right.
        padding: [usize; 4],
        /// Distance between the kernel's cells: down, right.
        dilation: [usize; 2],
        /// Channels are split into as many groups, which do not mix.
        groups: usize,
        /// Negative results become 0.
        relu: bool,
    },
    /// The largest cell of each window; padding never counts.
    MaxPool {
        /// Height, width.
        kernel: [usize; 2],
        /// Down, right.
        stride: [usize; 2],
        /// Top, left, bottom, right.
        padding: [usize; 4],
        /// Distance between the window's cells: down, right.
        dilation: [usize; 2],
    },
    /// The mean of each window.
    AvgPool {
        /// Height, width.
        kernel: [usize; 2],
        /// Down, right.
        stride: [usize; 2],
        /// Top, left, bottom, right.
        padding: [usize; 4],
        /// Whether padding counts as cells of value 0; otherwise the mean is over the cells inside.
        count_include_pad: bool,
    },
    /// `max(x, 0)`.
    Relu,
    /// `min(max(x, lo), hi)`; a bound that the file leaves out is the largest finite `f32`.
    Clamp {
        /// Lower bound.
        lo: f64,
        /// Upper bound.
        hi: f64,
    },
    /// Sum of two values of one shape.
    Add,
    /// Product of two values of one shape.
    Mul,
    /// The same cells in the same order.
    Reshape {
        /// The output's shape, the batch included.
        shape: Vec<usize>,
    },
    /// Axes in another order.
    Transpose {
        /// Axis `i` of the output is axis `permutation[i]` of the input.
        permutation: Vec<usize>,
    },
    /// `x / sqrt(mean(x²) + eps) · gain` over the last axis.
    RmsNorm {
        /// One number per index of the last axis.
        gain: Array,
        /// Added to the mean square.
        eps: f64,
    },
    /// `(x - mean(x)) / sqrt(variance(x) + eps) · gain + bias` over the last axis, with the biased variance.
    LayerNorm {
        /// One number per index of the last axis.
        gain: Array,
        /// One number per index of the last axis.
        bias: Option<Array>,
        /// Added to the variance.
        eps: f64,
    },
    /// A function of each cell.
    Activation(Activation),
}

/// Reads an ONNX file.
pub fn read(path: &Path, options: &Options) -> Result<Model, ImportError> {
    let (file, bytes) = crate::bytes(path)?;
    read_bytes(&file, &bytes, options)
}

/// Reads the content of an ONNX file; `name` is for errors.
pub fn read_bytes(name: &str, bytes: &[u8], options: &Options) -> Result<Model, ImportError> {
    lower::lower(&graph::Graph::read(name, bytes, options)?)
}

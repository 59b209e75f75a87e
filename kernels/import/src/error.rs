//! Errors that name file and tensor, and say what to do.

use thiserror::Error;

/// Why a tensor or a network cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ImportError {
    /// The file is missing or unreadable.
    #[error("{file}: cannot be read: {reason}")]
    Read {
        /// The file.
        file: String,
        /// The operating system's words.
        reason: String,
    },
    /// The format is not known.
    #[error("{file}: unknown format; use a .safetensors, .npy or .json file")]
    Extension {
        /// The file.
        file: String,
    },
    /// The file is damaged, or not what its extension says.
    #[error("{file}: malformed: {reason}")]
    Malformed {
        /// The file.
        file: String,
        /// What is wrong.
        reason: String,
    },
    /// No tensor has this name.
    #[error("{file}: no tensor `{name}`{hint}; the file has {available}")]
    UnknownTensor {
        /// The file.
        file: String,
        /// The name asked for.
        name: String,
        /// The nearest match, as words to insert; may be empty.
        hint: String,
        /// All names.
        available: String,
    },
    /// The file holds several tensors and none was named.
    #[error("{file}: holds several tensors, name one of {available}")]
    Unnamed {
        /// The file.
        file: String,
        /// All names.
        available: String,
    },
    /// A `.npy` file holds one tensor without a name.
    #[error("{file}: a .npy file holds a single tensor; remove the name `{name}`")]
    Named {
        /// The file.
        file: String,
        /// The name asked for.
        name: String,
    },
    /// The element type is not supported.
    #[error("{source_name}: element type {dtype} is not supported; convert to one of {supported}")]
    ElementType {
        /// File and tensor.
        source_name: String,
        /// The type found.
        dtype: String,
        /// The types that can be read.
        supported: &'static str,
    },
    /// A column-major `.npy` file.
    #[error("{source_name}: stored in Fortran order; save it with numpy.save(file, numpy.ascontiguousarray(a))")]
    FortranOrder {
        /// File and tensor.
        source_name: String,
    },
    /// A value that is NaN or infinite.
    #[error("{source_name}: the value at index {index:?} is {value}")]
    NotFinite {
        /// File and tensor.
        source_name: String,
        /// Index along every axis.
        index: Vec<usize>,
        /// `NaN`, `inf` or `-inf`.
        value: String,
    },
    /// An integer that a double-precision number cannot hold.
    #[error("{source_name}: the integer {value} at index {index:?} exceeds 2^53")]
    TooLarge {
        /// File and tensor.
        source_name: String,
        /// Index along every axis.
        index: Vec<usize>,
        /// The integer.
        value: i64,
    },
    /// Another shape was expected.
    #[error("{source_name}: the shape is {shape:?}, expected {expected}")]
    Shape {
        /// File and tensor.
        source_name: String,
        /// The shape found.
        shape: Vec<usize>,
        /// The shape expected.
        expected: String,
    },
    /// Fewer rows than asked for, or none asked for.
    #[error("{source_name}: cannot take {rows} rows, there are {available}; ask for 1 to {available}")]
    Rows {
        /// File and tensor.
        source_name: String,
        /// Rows asked for.
        rows: usize,
        /// Rows there are.
        available: usize,
    },
    /// An ONNX file for another version of the operators.
    #[error("{file}: uses version {version} of the ONNX operators; versions {lowest} to {highest} are supported")]
    Opset {
        /// The file.
        file: String,
        /// Its version.
        version: i64,
        /// First supported version.
        lowest: i64,
        /// Last supported version.
        highest: i64,
    },
    /// An ONNX operator that is not supported.
    #[error("{file}: node `{node}`: the operator {operator} is not supported; supported are {supported}")]
    UnsupportedOperator {
        /// The file.
        file: String,
        /// The node.
        node: String,
        /// Its operator, with its domain unless that is ONNX's own.
        operator: String,
        /// Supported operators.
        supported: String,
    },
    /// A supported ONNX operator, used in a way that is not.
    #[error("{file}: node `{node}` ({operator}): {reason}")]
    Node {
        /// The file.
        file: String,
        /// The node.
        node: String,
        /// Its operator.
        operator: String,
        /// What is wrong.
        reason: String,
    },
    /// An input's dimension that the file leaves open.
    #[error("{file}: axis {axis} of the input `{value}` is dynamic; give it a length with --dim {dimension}=1")]
    DynamicDimension {
        /// The file.
        file: String,
        /// The input.
        value: String,
        /// The axis.
        axis: usize,
        /// The dimension's name.
        dimension: String,
    },
    /// A length for a dimension that the file does not have.
    #[error("{file}: has no dynamic dimension `{name}`; it has {available}")]
    UnknownDimension {
        /// The file.
        file: String,
        /// The name given.
        name: String,
        /// The dynamic dimensions there are.
        available: String,
    },
    /// Weights in another file.
    #[error("{file}: the tensor `{tensor}` is stored outside the file; save the model with its weights inside")]
    ExternalData {
        /// The file.
        file: String,
        /// The tensor.
        tensor: String,
    },
    /// A node reads a value that nothing writes before it.
    #[error(
        "{file}: node `{node}` reads `{value}`, which is neither the input, a constant nor written by a node before it"
    )]
    MissingValue {
        /// The file.
        file: String,
        /// The node.
        node: String,
        /// The value.
        value: String,
    },
    /// Not exactly one input or output.
    #[error("{file}: has {count} {kind}s ({names}); exactly one is supported")]
    ValueCount {
        /// The file.
        file: String,
        /// `input` or `output`.
        kind: &'static str,
        /// How many there are.
        count: usize,
        /// Their names.
        names: String,
    },
    /// The float reference fails.
    #[error("{file}: tract cannot run it: {reason}")]
    Reference {
        /// The file.
        file: String,
        /// tract's words.
        reason: String,
    },
}

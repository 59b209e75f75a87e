//! From protocol buffers to nodes, shapes and constants.

use tract_onnx::pb::tensor_proto::{DataLocation, DataType};
use tract_onnx::pb::tensor_shape_proto::dimension;
use tract_onnx::pb::{GraphProto, ModelProto, TensorProto, ValueInfoProto, type_proto};

use prost::Message;

use super::constant::{Cells, Constant};
use super::{MAX_CELLS, OPSETS, Options, Value};
use crate::ImportError;
use crate::numbers::{Element, decode};

/// Decodes a file and checks what holds for the file as a whole. Returns the graph and the operator set's version.
pub(super) fn open(file: &str, bytes: &[u8]) -> Result<(GraphProto, i64), ImportError> {
    let malformed = |reason: String| ImportError::Malformed { file: file.to_owned(), reason };
    let model = ModelProto::decode(bytes).map_err(|e| malformed(format!("it is truncated or not ONNX ({e})")))?;
    let graph = model.graph.ok_or_else(|| malformed("it has no graph; is it an ONNX file?".to_owned()))?;
    let opset = model.opset_import.iter().find(|o| matches!(o.domain.as_str(), "" | "ai.onnx"));
    let opset = opset.ok_or_else(|| malformed("it does not say which version of the operators it uses".to_owned()))?;
    if !OPSETS.contains(&opset.version) {
        return Err(ImportError::Opset {
            file: file.to_owned(),
            version: opset.version,
            lowest: *OPSETS.start(),
            highest: *OPSETS.end(),
        });
    }
    Ok((graph, opset.version))
}

/// The only element of `values`, by name.
pub(super) fn single<'a>(
    file: &str,
    kind: &'static str,
    values: &[&'a ValueInfoProto],
) -> Result<&'a ValueInfoProto, ImportError> {
    match values {
        [only] => Ok(only),
        _ => Err(ImportError::ValueCount {
            file: file.to_owned(),
            kind,
            count: values.len(),
            names: values.iter().map(|v| format!("`{}`", v.name)).collect::<Vec<_>>().join(", "),
        }),
    }
}

/// The input's name and shape, with lengths for its dynamic dimensions from the options.
pub(super) fn input(file: &str, proto: &ValueInfoProto, options: &Options) -> Result<Value, ImportError> {
    let malformed = |reason: &str| ImportError::Malformed {
        file: file.to_owned(),
        reason: format!("the input `{}` {reason}", proto.name),
    };
    let Some(type_proto::Value::TensorType(tensor)) = proto.r#type.as_ref().and_then(|t| t.value.as_ref()) else {
        return Err(malformed("is not a tensor"));
    };
    let floats = [DataType::Float, DataType::Double, DataType::Float16, DataType::Bfloat16];
    if !floats.iter().any(|f| *f as i32 == tensor.elem_type) {
        return Err(ImportError::ElementType {
            source_name: format!("{file}:{}", proto.name),
            dtype: type_name(tensor.elem_type),
            supported: "FLOAT, DOUBLE, FLOAT16, BFLOAT16",
        });
    }
    let dims = &tensor.shape.as_ref().ok_or_else(|| malformed("has no shape"))?.dim;
    let mut shape = Vec::with_capacity(dims.len());
    let mut named = Vec::new();
    for (axis, dim) in dims.iter().enumerate() {
        let dimension = match &dim.value {
            Some(dimension::Value::DimValue(n)) if *n > 0 => {
                shape.push(usize::try_from(*n).map_err(|_| malformed("is too large"))?);
                continue;
            }
            Some(dimension::Value::DimParam(name)) if !name.is_empty() => name.clone(),
            _ => format!("axis{axis}"),
        };
        let length = options.dims.get(&dimension).copied().filter(|n| *n > 0);
        let value = proto.name.clone();
        let error = ImportError::DynamicDimension { file: file.to_owned(), value, axis, dimension: dimension.clone() };
        shape.push(length.ok_or(error)?);
        named.push(dimension);
    }
    if let Some(unknown) = options.dims.keys().find(|name| !named.contains(name)) {
        return Err(ImportError::UnknownDimension {
            file: file.to_owned(),
            name: unknown.clone(),
            available: if named.is_empty() { "no dynamic dimension".to_owned() } else { named.join(", ") },
        });
    }
    if cells(&shape).is_none() {
        return Err(malformed("is too large"));
    }
    Ok(Value { name: proto.name.clone(), shape })
}

/// The number of cells, if it is one this crate handles.
pub(super) fn cells(shape: &[usize]) -> Option<usize> {
    // An axis of length 0 counts as 1 in the limit, so that no product of some axes overflows either.
    let bound = shape.iter().try_fold(1_usize, |product, &n| product.checked_mul(n.max(1)))?;
    (bound <= MAX_CELLS).then(|| if shape.contains(&0) { 0 } else { bound })
}

fn type_name(code: i32) -> String {
    DataType::try_from(code).map_or_else(|_| format!("number {code}"), |t| t.as_str_name().to_owned())
}

/// A tensor's numbers.
pub(super) fn tensor(file: &str, name: &str, proto: &TensorProto) -> Result<Constant, ImportError> {
    let source = format!("{file}:{name}");
    if proto.data_location == Some(DataLocation::External as i32) || !proto.external_data.is_empty() {
        return Err(ImportError::ExternalData { file: file.to_owned(), tensor: name.to_owned() });
    }
    let shape = proto.dims.iter().map(|&n| usize::try_from(n).ok()).collect::<Option<Vec<_>>>();
    let shape = shape.filter(|shape| cells(shape).is_some()).ok_or_else(|| ImportError::Malformed {
        file: source.clone(),
        reason: format!("the shape {:?} is negative or too large", proto.dims),
    })?;
    let kind = DataType::try_from(proto.data_type).unwrap_or(DataType::Undefined);
    if let Some(element) = integer_width(kind) {
        let values = integers(proto, element);
        if Some(values.len()) != cells(&shape) {
            let reason = format!("{} values do not fit shape {shape:?}", values.len());
            return Err(ImportError::Malformed { file: source, reason });
        }
        return Ok(Constant { source, shape, cells: Cells::Integer(values) });
    }
    let (element, bytes) = match kind {
        DataType::Float => (Element::F32, proto.float_data.iter().flat_map(|v| v.to_le_bytes()).collect()),
        DataType::Double => (Element::F64, proto.double_data.iter().flat_map(|v| v.to_le_bytes()).collect()),
        DataType::Float16 => (Element::F16, halves(&proto.int32_data)),
        DataType::Bfloat16 => (Element::Bf16, halves(&proto.int32_data)),
        _ => {
            let dtype = type_name(proto.data_type);
            return Err(ImportError::ElementType { source_name: source, dtype, supported: TYPES });
        }
    };
    let bytes: &[u8] = if proto.raw_data.is_empty() { &bytes } else { &proto.raw_data };
    let array = decode(source, element, shape, bytes)?;
    Ok(Constant { source: array.source, shape: array.shape, cells: Cells::Real(array.values) })
}

const TYPES: &str = "FLOAT, DOUBLE, FLOAT16, BFLOAT16; for shapes and axes INT64, INT32, BOOL";

/// Bytes per integer.
fn integer_width(kind: DataType) -> Option<usize> {
    match kind {
        DataType::Int64 => Some(8),
        DataType::Int32 => Some(4),
        DataType::Bool => Some(1),
        _ => None,
    }
}

fn integers(proto: &TensorProto, width: usize) -> Vec<i64> {
    let raw = &proto.raw_data;
    match (raw.is_empty(), width) {
        (true, 8) => proto.int64_data.clone(),
        (true, _) => proto.int32_data.iter().map(|&v| i64::from(v)).collect(),
        (false, 8) => raw.as_chunks().0.iter().map(|&b| i64::from_le_bytes(b)).collect(),
        (false, 4) => raw.as_chunks().0.iter().map(|&b| i64::from(i32::from_le_bytes(b))).collect(),
        (false, _) => raw.iter().map(|&b| i64::from(b)).collect(),
    }
}

/// 16-bit floats are stored one to a 32-bit integer.
fn halves(values: &[i32]) -> Vec<u8> {
    values.iter().flat_map(|v| (*v as u16).to_le_bytes()).collect()
}

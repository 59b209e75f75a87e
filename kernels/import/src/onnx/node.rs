//! A node and its attributes.

use tract_onnx::pb::attribute_proto::AttributeType;
use tract_onnx::pb::{AttributeProto, NodeProto, TensorProto};

use super::fault::Fault;

/// One operation of the file.
#[derive(Clone, Debug)]
pub(super) struct Node {
    /// The node's name; operator and position if the file gives none.
    pub(super) name: String,
    /// The operator, with its domain unless that is ONNX's own.
    pub(super) operator: String,
    /// Values it reads; empty for an optional input left out.
    pub(super) inputs: Vec<String>,
    /// Values it writes.
    pub(super) outputs: Vec<String>,
    attributes: Vec<AttributeProto>,
}

impl Node {
    pub(super) fn new(index: usize, proto: NodeProto) -> Self {
        let operator = match proto.domain.as_str() {
            "" | "ai.onnx" => proto.op_type,
            domain => format!("{domain}.{}", proto.op_type),
        };
        let name = if proto.name.is_empty() { format!("{operator}_{index}") } else { proto.name };
        Self { name, operator, inputs: proto.input, outputs: proto.output, attributes: proto.attribute }
    }

    /// Input `i`, if it is there.
    pub(super) fn input(&self, i: usize) -> Option<&str> {
        self.inputs.get(i).map(String::as_str).filter(|name| !name.is_empty())
    }

    /// Input `i`, which the operator requires.
    pub(super) fn required(&self, i: usize) -> Result<&str, Fault> {
        self.input(i).ok_or_else(|| format!("input {i} is absent").into())
    }

    /// The first output; empty if the node has none.
    pub(super) fn output(&self) -> &str {
        self.outputs.first().map_or("", String::as_str)
    }

    fn attribute(&self, name: &str, kind: AttributeType) -> Result<Option<&AttributeProto>, Fault> {
        let Some(found) = self.attributes.iter().find(|a| a.name == name) else { return Ok(None) };
        if found.r#type != kind as i32 {
            return Err(format!("the attribute `{name}` is not of type {}", kind.as_str_name()).into());
        }
        Ok(Some(found))
    }

    pub(super) fn int(&self, name: &str, default: i64) -> Result<i64, Fault> {
        Ok(self.attribute(name, AttributeType::Int)?.map_or(default, |a| a.i))
    }

    pub(super) fn flag(&self, name: &str) -> Result<bool, Fault> {
        Ok(self.int(name, 0)? != 0)
    }

    /// A finite number.
    pub(super) fn float(&self, name: &str) -> Result<Option<f64>, Fault> {
        match self.attribute(name, AttributeType::Float)? {
            Some(a) if !a.f.is_finite() => Err(format!("the attribute `{name}` is {}", a.f).into()),
            found => Ok(found.map(|a| f64::from(a.f))),
        }
    }

    pub(super) fn ints(&self, name: &str) -> Result<Option<&[i64]>, Fault> {
        Ok(self.attribute(name, AttributeType::Ints)?.map(|a| a.ints.as_slice()))
    }

    pub(super) fn floats(&self, name: &str) -> Result<Option<&[f32]>, Fault> {
        Ok(self.attribute(name, AttributeType::Floats)?.map(|a| a.floats.as_slice()))
    }

    pub(super) fn text(&self, name: &str) -> Result<Option<&str>, Fault> {
        let Some(found) = self.attribute(name, AttributeType::String)? else { return Ok(None) };
        let text = std::str::from_utf8(&found.s).map_err(|_| format!("the attribute `{name}` is not text"))?;
        Ok(Some(text))
    }

    pub(super) fn tensor(&self, name: &str) -> Result<Option<&TensorProto>, Fault> {
        Ok(self.attribute(name, AttributeType::Tensor)?.and_then(|a| a.t.as_ref()))
    }
}

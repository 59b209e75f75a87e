//! The same file, run by tract: an implementation that shares nothing with the import but the protocol buffers.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::Arc;

use tract_onnx::pb::tensor_shape_proto::{Dimension, dimension};
use tract_onnx::pb::{ModelProto, TensorShapeProto, ValueInfoProto, type_proto};
use tract_onnx::prelude::{
    Framework, InferenceModelExt, IntoRunnable, IntoTValue, TValue, Tensor, TractResult, TypedRunnableModel, tvec,
};

use prost::Message;

use super::{Options, Value, read_bytes};
use crate::{Array, ImportError};

/// A network in tract's float arithmetic (`f32`).
pub struct Reference {
    file: String,
    input: Value,
    runnable: Arc<TypedRunnableModel>,
    /// Layers whose values are computed, in the order of the model.
    layers: Vec<String>,
    /// Where among them the network's output is.
    output: usize,
}

impl Reference {
    /// Opens an ONNX file; it has to be one that [`super::read`] accepts.
    pub fn open(path: &Path, options: &Options) -> Result<Self, ImportError> {
        let (file, bytes) = crate::bytes(path)?;
        Self::from_bytes(&file, &bytes, options)
    }

    /// From the content of an ONNX file; `name` is for errors.
    pub fn from_bytes(name: &str, bytes: &[u8], options: &Options) -> Result<Self, ImportError> {
        let model = read_bytes(name, bytes, options)?;
        let fault = |error: &dyn std::fmt::Display| failed(name, error);
        let mut proto = ModelProto::decode(bytes).map_err(|e| fault(&e))?;
        let (layers, values): (Vec<_>, Vec<_>) =
            model.layers.iter().filter_map(|layer| Some((layer.name.clone(), layer.value.as_ref()?))).unzip();
        let output = layers.iter().position(|layer| *layer == model.output);
        let output = output.ok_or_else(|| fault(&"the output is no value of the file"))?;
        prepare(&mut proto, &model.input, &values);
        let runnable = guarded(|| compile(&proto)).map_err(|reason| fault(&reason))?;
        Ok(Self { file: name.to_owned(), input: model.input, runnable, layers, output })
    }

    /// The network's output for one input, which has the model's input shape (or as many cells).
    pub fn run(&self, input: &Array) -> Result<Array, ImportError> {
        let mut values = self.layers(input)?;
        Ok(values.swap_remove(self.output).1)
    }

    /// Names and outputs of all layers, except for those that are no value of the file.
    pub fn layers(&self, input: &Array) -> Result<Vec<(String, Array)>, ImportError> {
        let input = input.clone().reshaped(&self.input.shape)?;
        let outputs = guarded(|| self.outputs(&input)).map_err(|reason| failed(&self.file, &reason))?;
        let pairs = self.layers.iter().zip(outputs);
        pairs.map(|(name, value)| Ok((name.clone(), self.array(name, &value)?))).collect()
    }

    fn outputs(&self, input: &Array) -> TractResult<Vec<TValue>> {
        let values: Vec<f32> = input.values.iter().map(|v| *v as f32).collect();
        let tensor = Tensor::from_shape(&input.shape, &values)?;
        let kind = self.runnable.model().input_fact(0)?.datum_type;
        let tensor = tensor.cast_to_dt(kind)?.into_owned();
        Ok(self.runnable.run(tvec!(tensor.into_tvalue()))?.into_vec())
    }

    fn array(&self, name: &str, value: &TValue) -> Result<Array, ImportError> {
        let source = format!("{}:{name}", self.file);
        let convert = || -> TractResult<Vec<f64>> {
            let reals = value.cast_to::<f64>()?;
            Ok(reals.to_plain_array_view::<f64>()?.iter().copied().collect())
        };
        let values = convert().map_err(|e| failed(&self.file, &format!("{e:#}")))?;
        Ok(Array { source, shape: value.shape().to_vec(), values })
    }
}

/// The result, or words for an error; tract panics on some graphs that are malformed in ways it does not expect.
fn guarded<T>(run: impl FnOnce() -> TractResult<T>) -> Result<T, String> {
    match catch_unwind(AssertUnwindSafe(run)) {
        Ok(result) => result.map_err(|error| format!("{error:#}")),
        Err(_) => Err("it panicked".to_owned()),
    }
}

fn failed(file: &str, error: &dyn std::fmt::Display) -> ImportError {
    ImportError::Reference { file: file.to_owned(), reason: error.to_string() }
}

/// Fixes the input's shape, asks for the given values, and removes shapes that the file claims for others: tract infers
/// them itself.
fn prepare(proto: &mut ModelProto, input: &Value, values: &[&String]) {
    let Some(graph) = proto.graph.as_mut() else { return };
    graph.value_info.clear();
    graph.output = values.iter().map(|v| ValueInfoProto { name: (*v).clone(), ..Default::default() }).collect();
    let found = graph.input.iter_mut().find(|v| v.name == input.name).and_then(|v| v.r#type.as_mut());
    if let Some(type_proto::Value::TensorType(tensor)) = found.and_then(|t| t.value.as_mut()) {
        let length = |n: &usize| Dimension { value: Some(dimension::Value::DimValue(*n as i64)), ..Default::default() };
        tensor.shape = Some(TensorShapeProto { dim: input.shape.iter().map(length).collect() });
    }
}

fn compile(proto: &ModelProto) -> TractResult<Arc<TypedRunnableModel>> {
    tract_onnx::onnx().model_for_proto_model(proto)?.into_optimized()?.into_runnable()
}

//! Imported layers as entries of an experiment file.

use serde_json::{Value, json};
use zkml_import::Array;
use zkml_import::onnx::{Activation, Layer, Operator};

/// A layer's kernel with its fields, and the tensors that they name.
pub(super) struct Entry {
    pub(super) kernel: &'static str,
    pub(super) fields: Vec<(String, Value)>,
    pub(super) tensors: Vec<(String, Array)>,
}

/// The entry of a layer; its tensors are called `layer.field`. Fields at their defaults are left out. Or why there is no
/// such kernel.
pub(super) fn entry(layer: &Layer) -> Result<Entry, &'static str> {
    let mut entry = Entry { kernel: "", fields: Vec::new(), tensors: Vec::new() };
    entry.kernel = match &layer.operator {
        Operator::Dense { weight, bias, relu } => {
            entry.affine(&layer.name, weight, bias.as_ref(), *relu);
            "dense"
        }
        Operator::Conv2d { weight, bias, stride, padding, dilation, groups, relu } => {
            entry.affine(&layer.name, weight, bias.as_ref(), *relu);
            entry.unless("stride", stride, &[1; 2]);
            entry.unless("padding", padding, &[0; 4]);
            entry.unless("dilation", dilation, &[1; 2]);
            entry.unless("groups", groups, &1);
            "conv2d"
        }
        Operator::MaxPool { kernel, stride, padding, dilation } => {
            entry.field("kernel", kernel);
            entry.unless("stride", stride, kernel);
            entry.unless("padding", padding, &[0; 4]);
            entry.unless("dilation", dilation, &[1; 2]);
            "maxpool"
        }
        Operator::AvgPool { kernel, stride, padding, count_include_pad } => {
            entry.field("kernel", kernel);
            entry.unless("stride", stride, kernel);
            entry.unless("padding", padding, &[0; 4]);
            if padding != &[0; 4] {
                entry.field("count_include_pad", count_include_pad);
            }
            "avgpool"
        }
        Operator::Clamp { lo, hi } => {
            entry.field("lo", lo);
            entry.field("hi", hi);
            "clamp"
        }
        Operator::Reshape { shape } => match shape.as_slice() {
            [_, _] | [_] => "flatten",
            [_, row @ ..] => {
                entry.field("shape", &row);
                "reshape"
            }
            [] => "reshape",
        },
        Operator::Transpose { permutation } => {
            entry.field("permutation", permutation);
            "transpose"
        }
        Operator::RmsNorm { gain, eps } => {
            entry.tensor(&layer.name, "gain", gain);
            entry.field("eps", eps);
            "rmsnorm"
        }
        Operator::LayerNorm { gain, bias, eps } => {
            entry.tensor(&layer.name, "gain", gain);
            if let Some(bias) = bias {
                entry.tensor(&layer.name, "bias", bias);
            }
            entry.field("eps", eps);
            "layernorm"
        }
        Operator::Relu => "relu",
        Operator::Add => "add",
        Operator::Mul => "mul",
        Operator::Activation(Activation::Silu) => "silu",
        Operator::Activation(Activation::Gelu) => "gelu",
        Operator::Activation(Activation::GeluTanh) => {
            return Err("GELU approximated by tanh is no kernel; export the exact one, by Erf");
        }
        Operator::Activation(Activation::Sigmoid) => "sigmoid",
        Operator::Activation(Activation::Tanh) => "tanh",
    };
    Ok(entry)
}

impl Entry {
    fn field<T: serde::Serialize>(&mut self, name: &str, value: &T) {
        self.fields.push((name.to_owned(), json!(value)));
    }

    fn unless<T: serde::Serialize + PartialEq>(&mut self, name: &str, value: &T, default: &T) {
        if value != default {
            self.field(name, value);
        }
    }

    fn tensor(&mut self, layer: &str, name: &str, array: &Array) {
        let tensor = format!("{layer}.{name}");
        self.field(name, &tensor);
        self.tensors.push((tensor, array.clone()));
    }

    fn affine(&mut self, layer: &str, weight: &Array, bias: Option<&Array>, relu: bool) {
        self.tensor(layer, "weight", weight);
        if let Some(bias) = bias {
            self.tensor(layer, "bias", bias);
        }
        if relu {
            self.field("activation", &"relu");
        }
    }
}

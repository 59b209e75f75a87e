//! ONNX files built in memory, and a plain interpreter of imported layers.
#![allow(dead_code, reason = "every test binary uses a part")]

use std::collections::BTreeMap;

use prost::Message;
use tract_onnx::pb::attribute_proto::AttributeType;
use tract_onnx::pb::tensor_shape_proto::{Dimension, dimension};
use tract_onnx::pb::{self, AttributeProto, NodeProto, TensorProto, type_proto};
use zkml_import::Array;
use zkml_import::onnx::{Model, Operator, Options, Reference, read_bytes};

/// Pseudo-random numbers (SplitMix64).
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub(crate) fn below(&mut self, n: usize) -> usize {
        (self.next() % n as u64) as usize
    }

    /// Between -1 and 1.
    pub(crate) fn real(&mut self) -> f32 {
        (self.next() >> 40) as f32 / (1_u64 << 23) as f32 - 1.0
    }

    pub(crate) fn reals(&mut self, n: usize) -> Vec<f32> {
        (0..n).map(|_| self.real()).collect()
    }
}

/// A length of a dimension, or its name.
#[derive(Clone)]
pub(crate) enum Dim {
    Fixed(usize),
    Named(&'static str),
    Unknown,
}

pub(crate) fn value(name: &str, dims: &[Dim]) -> pb::ValueInfoProto {
    let dim = |dim: &Dim| Dimension {
        value: match dim {
            Dim::Fixed(n) => Some(dimension::Value::DimValue(*n as i64)),
            Dim::Named(name) => Some(dimension::Value::DimParam((*name).to_owned())),
            Dim::Unknown => None,
        },
        ..Default::default()
    };
    let shape = Some(pb::TensorShapeProto { dim: dims.iter().map(dim).collect() });
    let tensor = type_proto::Value::TensorType(type_proto::Tensor { elem_type: 1, shape });
    let kind = pb::TypeProto { value: Some(tensor), ..Default::default() };
    pb::ValueInfoProto { name: name.to_owned(), r#type: Some(kind), ..Default::default() }
}

pub(crate) fn fixed(shape: &[usize]) -> Vec<Dim> {
    shape.iter().map(|n| Dim::Fixed(*n)).collect()
}

pub(crate) fn int(name: &str, i: i64) -> AttributeProto {
    AttributeProto { name: name.to_owned(), r#type: AttributeType::Int as i32, i, ..Default::default() }
}

pub(crate) fn ints(name: &str, ints: &[i64]) -> AttributeProto {
    let ints = ints.to_vec();
    AttributeProto { name: name.to_owned(), r#type: AttributeType::Ints as i32, ints, ..Default::default() }
}

pub(crate) fn float(name: &str, f: f32) -> AttributeProto {
    AttributeProto { name: name.to_owned(), r#type: AttributeType::Float as i32, f, ..Default::default() }
}

pub(crate) fn text(name: &str, s: &str) -> AttributeProto {
    let s = s.as_bytes().to_vec();
    AttributeProto { name: name.to_owned(), r#type: AttributeType::String as i32, s, ..Default::default() }
}

pub(crate) fn floats_tensor(name: &str, shape: &[usize], float_data: Vec<f32>) -> TensorProto {
    let dims = shape.iter().map(|n| *n as i64).collect();
    TensorProto { name: name.to_owned(), dims, data_type: 1, float_data, ..Default::default() }
}

/// A graph under construction. The input is `x`; every node writes the value of its own name.
pub(crate) struct Network {
    pub(crate) graph: pb::GraphProto,
    pub(crate) opset: i64,
    pub(crate) options: Options,
    random: Random,
}

impl Network {
    pub(crate) fn new(opset: i64, input: &[usize]) -> Self {
        let graph =
            pb::GraphProto { name: "test".to_owned(), input: vec![value("x", &fixed(input))], ..Default::default() };
        Self { graph, opset, options: Options::default(), random: Random(7) }
    }

    pub(crate) fn node(mut self, operator: &str, name: &str, inputs: &[&str], attributes: Vec<AttributeProto>) -> Self {
        self.graph.node.push(NodeProto {
            name: name.to_owned(),
            op_type: operator.to_owned(),
            input: inputs.iter().map(|s| (*s).to_owned()).collect(),
            output: vec![name.to_owned()],
            attribute: attributes,
            ..Default::default()
        });
        self
    }

    /// An initializer with random values.
    pub(crate) fn weight(mut self, name: &str, shape: &[usize]) -> Self {
        let values = self.random.reals(shape.iter().product());
        self.graph.initializer.push(floats_tensor(name, shape, values));
        self
    }

    /// An initializer with values from 0.5 to 1.5.
    pub(crate) fn positive(mut self, name: &str, shape: &[usize]) -> Self {
        let values = self.random.reals(shape.iter().product()).iter().map(|v| 1.0 + v / 2.0).collect();
        self.graph.initializer.push(floats_tensor(name, shape, values));
        self
    }

    pub(crate) fn scalar(mut self, name: &str, value: f32) -> Self {
        self.graph.initializer.push(floats_tensor(name, &[], vec![value]));
        self
    }

    pub(crate) fn list(mut self, name: &str, values: &[i64]) -> Self {
        self.graph.initializer.push(TensorProto {
            name: name.to_owned(),
            dims: vec![values.len() as i64],
            data_type: 7,
            int64_data: values.to_vec(),
            ..Default::default()
        });
        self
    }

    /// The file; the output is the last node's unless one is set.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        let mut graph = self.graph.clone();
        if graph.output.is_empty() {
            let name = graph.node.last().map_or("x", |n| n.name.as_str()).to_owned();
            graph.output.push(pb::ValueInfoProto { name, ..Default::default() });
        }
        let opset = pb::OperatorSetIdProto { domain: String::new(), version: self.opset };
        let model =
            pb::ModelProto { ir_version: 8, opset_import: vec![opset], graph: Some(graph), ..Default::default() };
        model.encode_to_vec()
    }

    pub(crate) fn import(&self) -> Result<Model, zkml_import::ImportError> {
        read_bytes("test.onnx", &self.bytes(), &self.options)
    }

    /// The error's text.
    pub(crate) fn refused(&self) -> String {
        match self.import() {
            Ok(model) => panic!("accepted: {:#?}", operators(&model)),
            Err(error) => error.to_string(),
        }
    }

    /// Imports, and compares every layer with tract.
    pub(crate) fn check(&self) -> Model {
        let model = self.import().unwrap_or_else(|e| panic!("{e}"));
        let reference =
            Reference::from_bytes("test.onnx", &self.bytes(), &self.options).unwrap_or_else(|e| panic!("{e}"));
        let mut random = Random(11);
        for scale in [1.0, 5.0] {
            let n = model.input.shape.iter().product();
            let values = random.reals(n).iter().map(|v| f64::from(*v) * scale).collect();
            let input = Array { source: "random".to_owned(), shape: model.input.shape.clone(), values };
            let ours = evaluate(&model, &input);
            for (name, theirs) in reference.layers(&input).unwrap_or_else(|e| panic!("{e}")) {
                close(&name, &ours[&name], &theirs);
            }
            let output = reference.run(&input).unwrap();
            close("output", &ours[&model.output], &output);
        }
        model
    }
}

/// Names and operators, without weights.
pub(crate) fn operators(model: &Model) -> Vec<(&str, &'static str)> {
    model.layers.iter().map(|l| (l.name.as_str(), kind(&l.operator))).collect()
}

pub(crate) fn kind(operator: &Operator) -> &'static str {
    match operator {
        Operator::Dense { relu: false, .. } => "Dense",
        Operator::Dense { .. } => "Dense+Relu",
        Operator::Conv2d { relu: false, .. } => "Conv2d",
        Operator::Conv2d { .. } => "Conv2d+Relu",
        Operator::MaxPool { .. } => "MaxPool",
        Operator::AvgPool { .. } => "AvgPool",
        Operator::Relu => "Relu",
        Operator::Clamp { .. } => "Clamp",
        Operator::Add => "Add",
        Operator::Mul => "Mul",
        Operator::Reshape { .. } => "Reshape",
        Operator::Transpose { .. } => "Transpose",
        Operator::RmsNorm { .. } => "RmsNorm",
        Operator::LayerNorm { .. } => "LayerNorm",
        Operator::Activation(_) => "Activation",
    }
}

pub(crate) fn close(name: &str, ours: &Array, theirs: &Array) {
    assert_eq!(ours.shape, theirs.shape, "shape of {name}");
    assert_eq!(ours.values.len(), theirs.values.len(), "cells of {name}");
    for (i, (a, b)) in ours.values.iter().zip(&theirs.values).enumerate() {
        assert!((a - b).abs() <= 1e-4 * b.abs().max(1.0), "{name} at {i}: {a} instead of {b}");
    }
}

/// The outputs of all layers.
pub(crate) fn evaluate(model: &Model, input: &Array) -> BTreeMap<String, Array> {
    let mut values = BTreeMap::from([("input".to_owned(), input.clone())]);
    for layer in &model.layers {
        let inputs: Vec<&Array> = layer.inputs.iter().map(|name| &values[name]).collect();
        let output = apply(&layer.operator, &inputs, &layer.shape);
        assert_eq!(output.len(), layer.shape.iter().product::<usize>(), "cells of {}", layer.name);
        let array = Array { source: layer.name.clone(), shape: layer.shape.clone(), values: output };
        values.insert(layer.name.clone(), array);
    }
    values
}

fn apply(operator: &Operator, inputs: &[&Array], shape: &[usize]) -> Vec<f64> {
    let x = inputs[0];
    let map = |f: &dyn Fn(f64) -> f64| x.values.iter().map(|v| f(*v)).collect();
    match operator {
        Operator::Dense { weight, bias, relu } => dense(x, weight, bias.as_ref(), *relu),
        Operator::Conv2d { weight, bias, stride, padding, dilation, groups, relu } => {
            let kernel = [weight.shape[2], weight.shape[3]];
            let (inner, outer) = (weight.shape[1], weight.shape[0] / groups);
            slide(x, shape, kernel, *stride, *padding, *dilation, |o, read| {
                let mut sum = bias.as_ref().map_or(0.0, |b| b.values[o]);
                for i in 0..inner {
                    for (k, cell) in read(o / outer * inner + i).into_iter().enumerate() {
                        sum += weight.values[(o * inner + i) * kernel[0] * kernel[1] + k] * cell.unwrap_or(0.0);
                    }
                }
                if *relu { sum.max(0.0) } else { sum }
            })
        }
        Operator::MaxPool { kernel, stride, padding, dilation } => {
            slide(x, shape, *kernel, *stride, *padding, *dilation, |c, read| {
                read(c).into_iter().flatten().fold(f64::NEG_INFINITY, f64::max)
            })
        }
        Operator::AvgPool { kernel, stride, padding, count_include_pad } => {
            slide(x, shape, *kernel, *stride, *padding, [1, 1], |c, read| {
                let cells = read(c);
                let inside = cells.iter().flatten().count();
                let n = if *count_include_pad { cells.len() } else { inside };
                cells.into_iter().flatten().sum::<f64>() / n as f64
            })
        }
        Operator::Relu => map(&|v| v.max(0.0)),
        Operator::Clamp { lo, hi } => map(&|v| v.clamp(*lo, *hi)),
        Operator::Add => x.values.iter().zip(&inputs[1].values).map(|(a, b)| a + b).collect(),
        Operator::Mul => x.values.iter().zip(&inputs[1].values).map(|(a, b)| a * b).collect(),
        Operator::Reshape { shape: own } => {
            assert_eq!(own, shape);
            x.values.clone()
        }
        Operator::Transpose { permutation } => transpose(x, permutation, shape),
        Operator::RmsNorm { gain, eps } => rows(x, |row| {
            let root = (row.iter().map(|v| v * v).sum::<f64>() / row.len() as f64 + eps).sqrt();
            row.iter().zip(&gain.values).map(|(v, g)| v / root * g).collect()
        }),
        Operator::LayerNorm { gain, bias, eps } => rows(x, |row| {
            let mean = row.iter().sum::<f64>() / row.len() as f64;
            let root = (row.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / row.len() as f64 + eps).sqrt();
            let shift = |i: usize| bias.as_ref().map_or(0.0, |b| b.values[i]);
            row.iter().enumerate().map(|(i, v)| (v - mean) / root * gain.values[i] + shift(i)).collect()
        }),
        Operator::Activation(function) => map(&|v| function.at(v)),
    }
}

fn dense(x: &Array, weight: &Array, bias: Option<&Array>, relu: bool) -> Vec<f64> {
    rows(x, |row| {
        let output = |o: usize| {
            let products = row.iter().enumerate().map(|(i, v)| v * weight.values[o * row.len() + i]);
            let sum = products.sum::<f64>() + bias.map_or(0.0, |b| b.values[o]);
            if relu { sum.max(0.0) } else { sum }
        };
        (0..weight.shape[0]).map(output).collect()
    })
}

fn rows(x: &Array, f: impl Fn(&[f64]) -> Vec<f64>) -> Vec<f64> {
    x.values.chunks(*x.shape.last().unwrap()).flat_map(f).collect()
}

/// `f(channel, read)` for each output cell, where `read(input channel)` gives the window's cells, `None` in the padding.
fn slide(
    x: &Array,
    shape: &[usize],
    kernel: [usize; 2],
    stride: [usize; 2],
    padding: [usize; 4],
    dilation: [usize; 2],
    f: impl Fn(usize, &dyn Fn(usize) -> Vec<Option<f64>>) -> f64,
) -> Vec<f64> {
    let (channels, height, width) = (x.shape[1], x.shape[2], x.shape[3]);
    let mut output = Vec::new();
    for cell in 0..shape.iter().product::<usize>() {
        let (column, row) = (cell % shape[3], cell / shape[3] % shape[2]);
        let (channel, batch) = (cell / (shape[3] * shape[2]) % shape[1], cell / (shape[3] * shape[2] * shape[1]));
        let read = |c: usize| {
            let cells = (0..kernel[0]).flat_map(|i| (0..kernel[1]).map(move |j| (i, j)));
            let at = |(i, j): (usize, usize)| {
                let r = (row * stride[0] + i * dilation[0]).checked_sub(padding[0]).filter(|r| *r < height)?;
                let k = (column * stride[1] + j * dilation[1]).checked_sub(padding[1]).filter(|k| *k < width)?;
                Some(x.values[((batch * channels + c) * height + r) * width + k])
            };
            cells.map(at).collect()
        };
        output.push(f(channel, &read));
    }
    output
}

fn transpose(x: &Array, permutation: &[usize], shape: &[usize]) -> Vec<f64> {
    let n = shape.iter().product();
    let cell = |mut flat: usize| {
        let mut index = vec![0; shape.len()];
        for axis in (0..shape.len()).rev() {
            index[permutation[axis]] = flat % shape[axis];
            flat /= shape[axis];
        }
        x.values[index.iter().zip(&x.shape).fold(0, |sum, (i, n)| sum * n + i)]
    };
    (0..n).map(cell).collect()
}

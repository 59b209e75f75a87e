//! The third and fourth pass: layers, and what folds into them.

mod affine;
mod linear;
mod simple;

use std::collections::{BTreeMap, BTreeSet};

use super::constant::Constant;
use super::fault::Fault;
use super::graph::Graph;
use super::node::Node;
use super::pattern::{self, Match, View};
use super::{Layer, Model, Operator};
use crate::ImportError;

/// Turns a graph into layers.
pub(super) fn lower(graph: &Graph) -> Result<Model, ImportError> {
    let view = View::new(graph);
    let patterns = pattern::find(&view);
    let absorbed: BTreeSet<usize> = patterns.values().flat_map(|m| m.nodes.iter().copied()).collect();
    let mut state = Lowering {
        view: &view,
        layers: Vec::new(),
        computed_by: BTreeMap::new(),
        names: BTreeSet::from(["input".to_owned()]),
        folded: graph.notes.clone(),
    };
    for (i, node) in graph.nodes.iter().enumerate() {
        let lowered = match patterns.get(&i) {
            Some(matched) => state.pattern(matched, node),
            None if absorbed.contains(&i) => Ok(()),
            None => state.node(node),
        };
        lowered.map_err(|fault| fault.at(&graph.file, &node.name, &node.operator))?;
    }
    let output = state.computed_by.get(&graph.output).and_then(|&i| state.layers.get(i));
    let output = output.map(|layer| layer.name.clone()).ok_or_else(|| ImportError::Malformed {
        file: graph.file.clone(),
        reason: "its output is its input: there is nothing to prove".to_owned(),
    })?;
    Ok(Model { input: graph.input.clone(), output, layers: state.layers, folded: state.folded })
}

/// The layers so far.
struct Lowering<'a> {
    view: &'a View<'a>,
    layers: Vec<Layer>,
    /// ONNX values and the index of the layer that computes them.
    computed_by: BTreeMap<String, usize>,
    names: BTreeSet<String>,
    folded: Vec<String>,
}

impl<'a> Lowering<'a> {
    fn node(&mut self, node: &'a Node) -> Result<(), Fault> {
        match node.operator.as_str() {
            "Gemm" => self.gemm(node),
            "MatMul" => self.matmul(node),
            "Conv" => self.conv(node),
            "BatchNormalization" => self.batch_normalization(node),
            "Add" | "Mul" | "Sub" | "Div" => self.arithmetic(node),
            "Relu" => self.relu(node),
            "Clip" => self.clip(node),
            "MaxPool" | "AveragePool" | "GlobalAveragePool" => self.pool(node),
            "ReduceMean" => self.mean(node),
            "Reshape" | "Flatten" | "Squeeze" | "Unsqueeze" => self.reshape(node),
            "Transpose" => self.transpose(node),
            "LayerNormalization" => self.layer_normalization(node),
            "Sigmoid" | "Tanh" | "Gelu" => self.activation(node),
            "Pow" => self.power(node),
            "Softmax" => Err("a softmax is not supported; if it is the last node, leave it out (the option \
                              `drop_final_softmax`): the label stays the same"
                .into()),
            operator => Err(format!(
                "`{operator}` is supported only inside an RMSNorm, LayerNorm, GELU, SiLU, sigmoid or tanh written as \
                 primitive nodes, or over constants, and these nodes form none of them"
            )
            .into()),
        }
    }

    fn pattern(&mut self, matched: &Match, last: &Node) -> Result<(), Fault> {
        let nodes = &self.view.graph.nodes;
        let names: Vec<String> = matched.nodes.iter().filter_map(|&i| nodes.get(i)).map(|n| n.name.clone()).collect();
        let main = nodes.get(matched.main).ok_or("the pattern has no main node")?;
        let inputs = vec![self.reads(&matched.input)?];
        let shape = self.view.graph.shape(last.output())?.to_vec();
        let name = self.name(&main.name);
        let kind = match matched.operator {
            Operator::RmsNorm { .. } => "an RMSNorm",
            Operator::LayerNorm { .. } => "a LayerNorm",
            _ => "an activation",
        };
        let listed = names.iter().map(|n| format!("`{n}`")).collect::<Vec<_>>().join(", ");
        self.folded.push(format!("{listed} are {kind}: `{name}`"));
        self.folded.extend(matched.note.clone());
        let value = Some(last.output().to_owned());
        self.computed_by.insert(last.output().to_owned(), self.layers.len());
        self.layers.push(Layer { name, operator: matched.operator.clone(), inputs, shape, nodes: names, value });
        Ok(())
    }

    /// Adds the layer of one node.
    fn push(&mut self, node: &Node, inputs: &[&str], operator: Operator) -> Result<(), Fault> {
        let inputs = inputs.iter().map(|value| self.reads(value)).collect::<Result<_, _>>()?;
        let shape = self.shape(node.output())?.to_vec();
        let name = self.name(&node.name);
        self.computed_by.insert(node.output().to_owned(), self.layers.len());
        let (nodes, value) = (vec![node.name.clone()], Some(node.output().to_owned()));
        self.layers.push(Layer { name, operator, inputs, shape, nodes, value });
        Ok(())
    }

    /// The layer's name, or `input`, that a value comes from.
    fn reads(&self, value: &str) -> Result<String, Fault> {
        if value == self.view.graph.input.name {
            return Ok("input".to_owned());
        }
        let layer = self.computed_by.get(value).and_then(|&i| self.layers.get(i));
        layer.map(|l| l.name.clone()).ok_or_else(|| self.not_computed(value))
    }

    fn not_computed(&self, value: &str) -> Fault {
        match self.view.graph.constants.get(value) {
            Some(constant) => {
                format!("it reads the constant `{}` where a computed value is supported", constant.source)
            }
            None => format!("the value `{value}` is not computed by any layer"),
        }
        .into()
    }

    fn shape(&self, value: &str) -> Result<&'a [usize], Fault> {
        self.view.graph.shape(value)
    }

    fn constant(&self, node: &Node, i: usize) -> Option<&'a Constant> {
        self.view.graph.constant(node, i)
    }

    /// Input `i`, which has to be a constant.
    fn required_constant(&self, node: &Node, i: usize) -> Result<&'a Constant, Fault> {
        let name = node.required(i)?;
        self.constant(node, i).ok_or_else(|| format!("input {i}, `{name}`, must be a constant").into())
    }

    /// The layer that computes `value`, if `value` has only one consumer and something can still be folded into it.
    fn foldable(&mut self, value: &str) -> Option<&mut Layer> {
        self.view.only_consumer(value)?;
        let layer = self.layers.get_mut(*self.computed_by.get(value)?)?;
        let open = matches!(layer.operator, Operator::Dense { relu: false, .. } | Operator::Conv2d { relu: false, .. });
        open.then_some(layer)
    }

    /// Notes that `node` is now part of the layer that computed `value`.
    fn merge(&mut self, node: &Node, value: &str) {
        let Some(&index) = self.computed_by.get(value) else { return };
        let Some(layer) = self.layers.get_mut(index) else { return };
        layer.nodes.push(node.name.clone());
        layer.value = Some(node.output().to_owned());
        self.folded.push(format!("`{}` ({}) is folded into `{}`", node.name, node.operator, layer.name));
        self.computed_by.insert(node.output().to_owned(), index);
    }

    /// A layer's name from a node's: safe characters, and no other layer's.
    fn name(&mut self, node: &str) -> String {
        let safe: String =
            node.chars().map(|c| if c.is_ascii_alphanumeric() || c == '_' || c == '-' { c } else { '-' }).collect();
        let trimmed = safe.trim_matches('-');
        let base = if trimmed.is_empty() { "layer" } else { trimmed };
        let mut name = base.to_owned();
        let mut count = 1;
        while !self.names.insert(name.clone()) {
            count += 1;
            name = format!("{base}-{count}");
        }
        name
    }
}

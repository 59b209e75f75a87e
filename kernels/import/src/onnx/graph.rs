//! The first pass: nodes in order, with shapes; constants are evaluated, and nodes that change nothing drop out.

use std::collections::{BTreeMap, BTreeSet};

use tract_onnx::pb::{GraphProto, TensorProto};

use super::constant::{Constant, fold, literal};
use super::fault::Fault;
use super::node::Node;
use super::shapes::{Inputs, infer, most_inputs};
use super::{OPERATORS, Options, Value, proto};
use crate::ImportError;

/// Nodes that compute something from the input, in order.
#[derive(Debug)]
pub(super) struct Graph {
    pub(super) file: String,
    pub(super) opset: i64,
    pub(super) input: Value,
    /// The value that leaves the network.
    pub(super) output: String,
    pub(super) nodes: Vec<Node>,
    pub(super) constants: BTreeMap<String, Constant>,
    pub(super) shapes: BTreeMap<String, Vec<usize>>,
    pub(super) notes: Vec<String>,
}

impl Graph {
    /// Reads a file.
    pub(super) fn read(file: &str, bytes: &[u8], options: &Options) -> Result<Self, ImportError> {
        let (mut proto, opset) = proto::open(file, bytes)?;
        if let Some(sparse) = proto.sparse_initializer.first() {
            let name = sparse.values.as_ref().map_or("", |v| v.name.as_str());
            let reason = format!("the initializer `{name}` is sparse; store it densely");
            return Err(ImportError::Malformed { file: file.to_owned(), reason });
        }
        let initializers: BTreeMap<String, TensorProto> =
            std::mem::take(&mut proto.initializer).into_iter().map(|t| (t.name.clone(), t)).collect();
        let inputs: Vec<_> = proto.input.iter().filter(|v| !initializers.contains_key(&v.name)).collect();
        let input = proto::input(file, proto::single(file, "input", &inputs)?, options)?;
        let output = proto::single(file, "output", &proto.output.iter().collect::<Vec<_>>())?.name.clone();
        let nodes = live(file, &mut proto, &output)?;
        let shapes = BTreeMap::from([(input.name.clone(), input.shape.clone())]);
        let graph = Self {
            file: file.to_owned(),
            opset,
            input,
            output,
            nodes: Vec::with_capacity(nodes.len()),
            constants: BTreeMap::new(),
            shapes,
            notes: Vec::new(),
        };
        let mut graph = graph.walk(nodes, &initializers)?;
        if options.drop_final_softmax {
            graph.drop_softmax();
        }
        Ok(graph)
    }

    /// Leaves out a softmax that writes the output and nothing else reads.
    fn drop_softmax(&mut self) {
        let output = &self.output;
        if self.nodes.iter().any(|n| n.inputs.contains(output)) {
            return;
        }
        let Some(at) = self.nodes.iter().position(|n| n.operator == "Softmax" && n.output() == output) else { return };
        let node = self.nodes.remove(at);
        if let Some(x) = node.input(0) {
            x.clone_into(&mut self.output);
            self.notes.push(format!("`{}` (Softmax) is left out: its input has the same order", node.name));
        }
    }

    fn walk(mut self, nodes: Vec<Node>, initializers: &BTreeMap<String, TensorProto>) -> Result<Self, ImportError> {
        let mut aliases = BTreeMap::new();
        for mut node in nodes {
            for name in &mut node.inputs {
                if let Some(original) = aliases.get(name) {
                    name.clone_from(original);
                }
                if name.is_empty() || self.shapes.contains_key(name) || self.constants.contains_key(name) {
                    continue;
                }
                let Some(tensor) = initializers.get(name) else {
                    let (file, value) = (self.file.clone(), name.clone());
                    return Err(ImportError::MissingValue { file, node: node.name, value });
                };
                self.constants.insert(name.clone(), proto::tensor(&self.file, name, tensor)?);
            }
            let (name, operator) = (node.name.clone(), node.operator.clone());
            let same = self.enter(node).map_err(|fault| fault.at(&self.file, &name, &operator))?;
            if let Some((output, original)) = same {
                self.notes.push(format!("`{name}` ({operator}) passes its input through"));
                aliases.insert(output, original);
            }
        }
        if let Some(original) = aliases.get(&self.output) {
            self.output.clone_from(original);
        }
        if !self.shapes.contains_key(&self.output) {
            let why = if self.constants.contains_key(&self.output) {
                "does not depend on its input"
            } else {
                "is written by no node"
            };
            let reason = format!("its output `{}` {why}", self.output);
            return Err(ImportError::Malformed { file: self.file, reason });
        }
        Ok(self)
    }

    /// Takes a node in: as a constant, as a node, or, if it changes nothing, as another name for its input.
    fn enter(&mut self, node: Node) -> Result<Option<(String, String)>, Fault> {
        let output = node.output().to_owned();
        if output.is_empty() || self.shapes.contains_key(&output) || self.constants.contains_key(&output) {
            return Err(format!("its output `{output}` is unnamed, or written twice").into());
        }
        let (found, most) = (node.inputs.len(), most_inputs(&node.operator));
        if found > most {
            return Err(format!("it has {found} inputs; the operator takes {most} at most").into());
        }
        if node.operator == "Constant" {
            self.constants.insert(output, literal(&self.file, &node)?);
            return Ok(None);
        }
        let constants: Vec<_> = node.inputs.iter().map(|name| self.constants.get(name)).collect();
        let first = node.required(0)?;
        if let Some(shape) = self.shapes.get(first).filter(|_| node.operator == "Shape") {
            let constant = self.shape_of(&node, shape)?;
            self.constants.insert(output, constant);
            return Ok(None);
        }
        if constants.iter().zip(&node.inputs).all(|(c, name)| c.is_some() || name.is_empty()) {
            let constant = fold(&node, &constants, self.opset)?;
            self.constants.insert(output, constant);
            return Ok(None);
        }
        let known =
            |name: &String| self.shapes.get(name).or_else(|| Some(&self.constants.get(name)?.shape)).map(Vec::as_slice);
        let shapes = node.inputs.iter().map(known).collect();
        let shape = infer(&node, &Inputs { shapes, constants, opset: self.opset })?;
        if unchanged(&node, &self.constants, self.shapes.get(first) == Some(&shape))? {
            return Ok(Some((output, first.to_owned())));
        }
        self.shapes.insert(output, shape);
        self.nodes.push(node);
        Ok(None)
    }

    fn shape_of(&self, node: &Node, shape: &[usize]) -> Result<Constant, Fault> {
        let n = shape.len() as i64;
        let clamp = |i: i64| (if i < 0 { i.saturating_add(n) } else { i }).clamp(0, n) as usize;
        let range = clamp(node.int("start", 0)?)..clamp(node.int("end", n)?);
        let lengths = shape.get(range).unwrap_or(&[]).iter().map(|&l| l as i64).collect();
        Ok(Constant::list(format!("{}:{}", self.file, node.output()), lengths))
    }

    /// The shape of a value of this graph.
    pub(super) fn shape(&self, value: &str) -> Result<&[usize], Fault> {
        self.shapes.get(value).map(Vec::as_slice).ok_or_else(|| format!("the value `{value}` is not computed").into())
    }

    /// A constant input.
    pub(super) fn constant(&self, node: &Node, i: usize) -> Option<&Constant> {
        self.constants.get(node.input(i)?)
    }
}

/// Nodes on which the output depends, in the file's order; all of them are of a known operator.
fn live(file: &str, proto: &mut GraphProto, output: &str) -> Result<Vec<Node>, ImportError> {
    let nodes: Vec<Node> =
        std::mem::take(&mut proto.node).into_iter().enumerate().map(|(i, n)| Node::new(i, n)).collect();
    let mut producers = BTreeMap::new();
    for (i, node) in nodes.iter().enumerate() {
        for (slot, value) in node.outputs.iter().enumerate().filter(|(_, v)| !v.is_empty()) {
            if producers.insert(value.as_str(), (i, slot)).is_some() {
                let reason = format!("two nodes write the value `{value}`");
                return Err(ImportError::Malformed { file: file.to_owned(), reason });
            }
        }
    }
    let mut needed = BTreeSet::new();
    let mut open = vec![output];
    while let Some(value) = open.pop() {
        let Some(&(i, slot)) = producers.get(value) else { continue };
        let Some(node) = nodes.get(i) else { continue };
        if slot != 0 {
            let reason = format!("output {slot}, `{value}`, is used; only the first output is supported");
            return Err(Fault::from(reason).at(file, &node.name, &node.operator));
        }
        if needed.insert(i) {
            open.extend(node.inputs.iter().map(String::as_str).filter(|v| !v.is_empty()));
        }
    }
    let nodes: Vec<Node> = nodes.into_iter().enumerate().filter(|(i, _)| needed.contains(i)).map(|(_, n)| n).collect();
    match nodes.iter().find(|n| !OPERATORS.contains(&n.operator.as_str())) {
        None => Ok(nodes),
        Some(node) => Err(ImportError::UnsupportedOperator {
            file: file.to_owned(),
            node: node.name.clone(),
            operator: node.operator.clone(),
            supported: OPERATORS.join(", "),
        }),
    }
}

/// Whether a node hands its first input on as it is.
fn unchanged(node: &Node, constants: &BTreeMap<String, Constant>, same_shape: bool) -> Result<bool, Fault> {
    match node.operator.as_str() {
        "Identity" => Ok(true),
        "Dropout" => match node.input(2).map(|name| constants.get(name).and_then(Constant::scalar)) {
            None | Some(Some(0.0)) => Ok(true),
            Some(_) => Err("it is in training mode; export the model for inference".into()),
        },
        "Cast" => match node.int("to", 0)? {
            1 | 10 | 11 | 16 => Ok(true),
            other => Err(format!("it casts to element type {other}; casts between floats are supported").into()),
        },
        "Reshape" | "Flatten" | "Squeeze" | "Unsqueeze" => Ok(same_shape),
        _ => Ok(false),
    }
}

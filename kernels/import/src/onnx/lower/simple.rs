//! ReLU, clamps, pools, shapes, norms and activations that are one node.

use super::super::Activation;
use super::super::fault::Fault;
use super::super::node::Node;
use super::super::shapes::{axes, permutation};
use super::super::window::{Window, kernel};
use super::{Layer, Lowering, Operator};
use crate::Array;

impl<'a> Lowering<'a> {
    pub(super) fn relu(&mut self, node: &'a Node) -> Result<(), Fault> {
        let x = node.required(0)?;
        if let Some(layer) = self.foldable(x) {
            if let Operator::Dense { relu, .. } | Operator::Conv2d { relu, .. } = &mut layer.operator {
                *relu = true;
            }
            self.merge(node, x);
            return Ok(());
        }
        self.push(node, &[x], Operator::Relu)
    }

    pub(super) fn clip(&mut self, node: &'a Node) -> Result<(), Fault> {
        let bound = |i: usize, name: &str| match node.input(i) {
            Some(_) => {
                let constant = self.required_constant(node, i)?;
                constant.scalar().map(Some).ok_or_else(|| format!("input {i} is not one number").into())
            }
            None => node.float(name),
        };
        let (lo, hi) = (bound(1, "min")?, bound(2, "max")?);
        let largest = f64::from(f32::MAX);
        match (lo.unwrap_or(-largest), hi.unwrap_or(largest)) {
            (0.0, hi) if hi >= largest => self.relu(node),
            (lo, hi) if lo <= hi => self.push(node, &[node.required(0)?], Operator::Clamp { lo, hi }),
            (lo, hi) => Err(format!("its lower bound {lo} exceeds its upper bound {hi}").into()),
        }
    }

    pub(super) fn pool(&mut self, node: &'a Node) -> Result<(), Fault> {
        let x = node.required(0)?;
        let shape = self.shape(x)?;
        if node.operator == "GlobalAveragePool" {
            return self.push(node, &[x], whole(shape)?);
        }
        let Window { kernel, stride, padding, dilation, .. } = Window::new(node, shape, kernel(node)?)?;
        let operator = if node.operator == "MaxPool" {
            Operator::MaxPool { kernel, stride, padding, dilation }
        } else if dilation == [1, 1] {
            Operator::AvgPool { kernel, stride, padding, count_include_pad: node.flag("count_include_pad")? }
        } else {
            return Err("average pooling with dilation is not supported".into());
        };
        self.push(node, &[x], operator)
    }

    /// A mean over height and width is a pool; without `keepdims`, a pool and a reshape.
    pub(super) fn mean(&mut self, node: &'a Node) -> Result<(), Fault> {
        let x = node.required(0)?;
        let shape = self.shape(x)?;
        let axes = axes(node, shape.len(), self.constant(node, 1))?;
        let (&[batch, channels, _, _], [2, 3]) = (shape, axes.as_slice()) else {
            return Err(format!(
                "a mean over axes {axes:?} of {shape:?} is supported only inside an RMSNorm or LayerNorm written as \
                 primitive nodes (and these nodes form none), or over height and width"
            )
            .into());
        };
        let pool = whole(shape)?;
        if node.int("keepdims", 1)? != 0 {
            return self.push(node, &[x], pool);
        }
        let inputs = vec![self.reads(x)?];
        let name = self.name(&format!("{}-pool", node.name));
        let (nodes, pooled) = (vec![node.name.clone()], vec![batch, channels, 1, 1]);
        self.layers.push(Layer { name: name.clone(), operator: pool, inputs, shape: pooled, nodes, value: None });
        let operator = Operator::Reshape { shape: vec![batch, channels] };
        self.push(node, &[x], operator)?;
        if let Some(layer) = self.layers.last_mut() {
            layer.inputs = vec![name];
        }
        Ok(())
    }

    pub(super) fn reshape(&mut self, node: &'a Node) -> Result<(), Fault> {
        let shape = self.shape(node.output())?.to_vec();
        self.push(node, &[node.required(0)?], Operator::Reshape { shape })
    }

    pub(super) fn transpose(&mut self, node: &'a Node) -> Result<(), Fault> {
        let x = node.required(0)?;
        let permutation = permutation(node, self.shape(x)?.len())?;
        self.push(node, &[x], Operator::Transpose { permutation })
    }

    pub(super) fn layer_normalization(&mut self, node: &'a Node) -> Result<(), Fault> {
        let x = node.required(0)?;
        let shape = self.shape(x)?;
        let (rank, axis) = (shape.len() as i64, node.int("axis", -1)?);
        if axis != -1 && axis != rank - 1 {
            return Err(format!("it normalises from axis {axis} on; only the last axis is supported").into());
        }
        let vector = |i: usize| {
            let constant = self.required_constant(node, i)?;
            let values = constant.along(shape, shape.len().saturating_sub(1)).ok_or_else(|| {
                format!(
                    "`{}` has shape {:?}, which does not fit the last axis of {shape:?}",
                    constant.source, constant.shape
                )
            })?;
            Ok::<_, Fault>(Array { source: constant.source.clone(), shape: vec![values.len()], values })
        };
        let gain = vector(1)?;
        let bias = node.input(2).map(|_| vector(2)).transpose()?;
        let eps = node.float("epsilon")?.unwrap_or(1e-5);
        if eps <= 0.0 {
            return Err(format!("its epsilon is {eps}; it must be positive").into());
        }
        self.push(node, &[x], Operator::LayerNorm { gain, bias, eps })
    }

    pub(super) fn activation(&mut self, node: &'a Node) -> Result<(), Fault> {
        let function = match (node.operator.as_str(), node.text("approximate")?) {
            ("Sigmoid", _) => Activation::Sigmoid,
            ("Tanh", _) => Activation::Tanh,
            (_, None | Some("none")) => Activation::Gelu,
            (_, Some("tanh")) => Activation::GeluTanh,
            (_, Some(other)) => return Err(format!("the approximation `{other}` is unknown").into()),
        };
        self.push(node, &[node.required(0)?], Operator::Activation(function))
    }

    /// A square is a product of a value with itself.
    pub(super) fn power(&mut self, node: &'a Node) -> Result<(), Fault> {
        let x = node.required(0)?;
        match self.constant(node, 1).and_then(super::Constant::scalar) {
            Some(2.0) => self.push(node, &[x, x], Operator::Mul),
            _ => Err("of powers, only the square is supported outside a pattern".into()),
        }
    }
}

/// A pool with one window.
fn whole(shape: &[usize]) -> Result<Operator, Fault> {
    let &[_, _, height, width] = shape else {
        return Err(format!("its input has shape {shape:?}; four axes are supported").into());
    };
    let kernel = [height, width];
    Ok(Operator::AvgPool { kernel, stride: [1, 1], padding: [0; 4], count_include_pad: true })
}

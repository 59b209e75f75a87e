//! Sums and products: of two computed values, or with constants that fold into the layer before.

use super::super::constant::Constant;
use super::super::fault::Fault;
use super::super::node::Node;
use super::{Lowering, Operator};
use crate::Array;

/// `scale[c] · x + shift[c]` for channel `c`.
struct Affine {
    scale: Vec<f64>,
    shift: Vec<f64>,
    /// Where the shift comes from.
    source: String,
}

impl<'a> Lowering<'a> {
    /// `Add`, `Sub`, `Mul`, `Div`.
    pub(super) fn arithmetic(&mut self, node: &'a Node) -> Result<(), Fault> {
        let (a, b) = (node.required(0)?, node.required(1)?);
        match (self.constant(node, 0), self.constant(node, 1)) {
            (None, None) => self.two_values(node, a, b),
            (None, Some(constant)) => self.with_constant(node, a, constant, false),
            (Some(constant), None) => self.with_constant(node, b, constant, true),
            (Some(_), Some(_)) => Err("both operands are constants".into()),
        }
    }

    fn two_values(&mut self, node: &'a Node, a: &str, b: &str) -> Result<(), Fault> {
        let operator = match node.operator.as_str() {
            "Add" => Operator::Add,
            "Mul" => Operator::Mul,
            _ => return Err("of two computed values, only Add and Mul are supported".into()),
        };
        let (left, right) = (self.shape(a)?, self.shape(b)?);
        if left != right {
            return Err(
                format!("`{a}` and `{b}` have shapes {left:?} and {right:?}; equal shapes are supported").into()
            );
        }
        self.push(node, &[a, b], operator)
    }

    fn with_constant(&mut self, node: &Node, x: &str, constant: &Constant, first: bool) -> Result<(), Fault> {
        let operator = node.operator.as_str();
        let channel = self.channel_axis(x).ok_or_else(|| {
            format!(
                "it combines `{x}` with the constant `{}`, which is supported only directly after a Dense or Conv2d layer \
                 (before its ReLU) whose value has no other consumer",
                constant.source
            )
        })?;
        let shape = self.shape(x)?;
        let values = constant.along(shape, channel).ok_or_else(|| {
            format!(
                "the constant `{}` of shape {:?} is neither a scalar nor one number per index of axis {channel} of \
                 {shape:?}",
                constant.source, constant.shape
            )
        })?;
        let (zeros, ones) = (vec![0.0; values.len()], vec![1.0; values.len()]);
        let (scale, shift) = match (operator, first) {
            ("Add", _) => (ones, values),
            ("Sub", false) => (ones, values.iter().map(|v| -v).collect()),
            ("Sub", true) => (vec![-1.0; values.len()], values),
            ("Mul", _) => (values, zeros),
            ("Div", false) => (values.iter().map(|v| v.recip()).collect(), zeros),
            _ => return Err("a constant divided by a computed value is not supported".into()),
        };
        self.fold(node, x, &Affine { scale, shift, source: constant.source.clone() })
    }

    /// `scale · (x - mean) / sqrt(variance + epsilon) + bias` per channel.
    pub(super) fn batch_normalization(&mut self, node: &Node) -> Result<(), Fault> {
        if node.flag("training_mode")? {
            return Err("it is in training mode; export the model for inference".into());
        }
        let x = node.required(0)?;
        let shape = self.shape(x)?;
        match self.channel_axis(x) {
            Some(1) => {}
            Some(_) => return Err("its channels, axis 1, are not the outputs of the layer before".into()),
            None => {
                return Err(format!(
                    "it folds only into a Dense or Conv2d layer directly before it (before its ReLU), whose value has no \
                     other consumer; `{x}` is not the value of one"
                )
                .into());
            }
        }
        let channels = shape.get(1).copied().unwrap_or(0);
        let vector = |i: usize| {
            let constant = self.required_constant(node, i)?;
            if constant.shape != [channels] {
                return Err(format!("input {i} has shape {:?}; there are {channels} channels", constant.shape).into());
            }
            constant.reals()
        };
        let (gain, bias, mean, variance) = (vector(1)?, vector(2)?, vector(3)?, vector(4)?);
        let epsilon = node.float("epsilon")?.unwrap_or(1e-5);
        let scale: Vec<f64> = gain.iter().zip(variance).map(|(g, v)| g / (v + epsilon).sqrt()).collect();
        let shift = bias.iter().zip(mean).zip(&scale).map(|((b, m), s)| b - m * s).collect();
        let source = self.required_constant(node, 2)?.source.clone();
        self.fold(node, x, &Affine { scale, shift, source })
    }

    /// The axis of `value` that counts the outputs of the layer that computes it, if something can be folded into it.
    fn channel_axis(&mut self, value: &str) -> Option<usize> {
        let layer = self.foldable(value)?;
        match layer.operator {
            Operator::Conv2d { .. } => Some(1),
            _ => layer.shape.len().checked_sub(1),
        }
    }

    /// Folds a function into the weights and bias of the layer that computes `x`.
    fn fold(&mut self, node: &Node, x: &str, affine: &Affine) -> Result<(), Fault> {
        if affine.scale.iter().chain(&affine.shift).any(|v| !v.is_finite()) {
            return Err("its factor or term is not finite".into());
        }
        let layer = self.foldable(x).ok_or("there is no layer to fold it into")?;
        let (Operator::Dense { weight, bias, .. } | Operator::Conv2d { weight, bias, .. }) = &mut layer.operator else {
            return Err("there is no layer to fold it into".into());
        };
        let per_channel = weight.values.len() / affine.scale.len().max(1);
        for (row, scale) in weight.values.chunks_mut(per_channel.max(1)).zip(&affine.scale) {
            for w in row {
                *w *= scale;
            }
        }
        let n = affine.scale.len();
        if bias.is_some() || affine.shift.iter().any(|s| *s != 0.0) {
            let bias = bias.get_or_insert_with(|| Array {
                source: affine.source.clone(),
                shape: vec![n],
                values: vec![0.0; n],
            });
            for ((b, scale), shift) in bias.values.iter_mut().zip(&affine.scale).zip(&affine.shift) {
                *b = *b * scale + shift;
            }
        }
        let bias = bias.as_ref().map_or(&[][..], |b| &b.values);
        if weight.values.iter().chain(bias).any(|v| !v.is_finite()) {
            return Err("folding it into the layer before gives a weight that is not finite".into());
        }
        self.merge(node, x);
        Ok(())
    }
}

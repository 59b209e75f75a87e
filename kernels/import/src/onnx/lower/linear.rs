//! `Gemm`, `MatMul` and `Conv` with constant weights.

use super::super::constant::Constant;
use super::super::fault::Fault;
use super::super::node::Node;
use super::super::shapes::groups;
use super::super::window::Window;
use super::{Lowering, Operator};
use crate::Array;

impl<'a> Lowering<'a> {
    /// `alpha · x · w + beta · c`.
    pub(super) fn gemm(&mut self, node: &'a Node) -> Result<(), Fault> {
        if node.flag("transA")? {
            return Err("transA = 1 (its first operand transposed) is not supported".into());
        }
        let weight = self.weight(node)?;
        let weight = if node.flag("transB")? { weight.array()? } else { weight.transposed(&[1, 0]).array()? };
        let weight = scaled(weight, node.float("alpha")?.unwrap_or(1.0))?;
        let bias = node.input(2).map(|_| self.gemm_bias(node)).transpose()?;
        self.push(node, &[node.required(0)?], Operator::Dense { weight, bias, relu: false })
    }

    fn gemm_bias(&self, node: &Node) -> Result<Array, Fault> {
        let constant = self.required_constant(node, 2)?;
        let values = constant
            .along(self.shape(node.output())?, 1)
            .ok_or_else(|| format!("its bias has shape {:?}; one number per output is supported", constant.shape))?;
        let bias = Array { source: constant.source.clone(), shape: vec![values.len()], values };
        scaled(bias, node.float("beta")?.unwrap_or(1.0))
    }

    pub(super) fn matmul(&mut self, node: &'a Node) -> Result<(), Fault> {
        let weight = self.weight(node)?.transposed(&[1, 0]).array()?;
        self.push(node, &[node.required(0)?], Operator::Dense { weight, bias: None, relu: false })
    }

    /// The second operand, a constant matrix.
    fn weight(&self, node: &Node) -> Result<&'a Constant, Fault> {
        if self.constant(node, 0).is_some() {
            return Err("its first operand is a constant; only the second may be".into());
        }
        let weight = self
            .constant(node, 1)
            .ok_or("both operands are computed values; the second must be a constant (a product of two activations)")?;
        if weight.shape.len() != 2 {
            return Err(format!("its second operand has shape {:?}; two axes are supported", weight.shape).into());
        }
        Ok(weight)
    }

    pub(super) fn conv(&mut self, node: &'a Node) -> Result<(), Fault> {
        let x = node.required(0)?;
        let weight = self.required_constant(node, 1)?.array()?;
        let &[outputs, _, height, width] = weight.shape.as_slice() else {
            return Err("its kernel must have four axes".into());
        };
        let window = Window::new(node, self.shape(x)?, [height, width])?;
        let bias = node.input(2).map(|_| self.required_constant(node, 2)?.array()).transpose()?;
        if let Some(bias) = bias.as_ref().filter(|b| b.shape != [outputs]) {
            return Err(format!("its bias has shape {:?}; there are {outputs} outputs", bias.shape).into());
        }
        let operator = Operator::Conv2d {
            weight,
            bias,
            stride: window.stride,
            padding: window.padding,
            dilation: window.dilation,
            groups: groups(node)?,
            relu: false,
        };
        self.push(node, &[x], operator)
    }
}

fn scaled(mut array: Array, factor: f64) -> Result<Array, Fault> {
    for v in &mut array.values {
        *v *= factor;
    }
    if array.values.iter().any(|v| !v.is_finite()) {
        return Err(format!("`{}` times {factor} is not finite", array.source).into());
    }
    Ok(array)
}

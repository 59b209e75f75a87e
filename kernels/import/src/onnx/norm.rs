//! RMSNorm and LayerNorm written as primitive nodes.
//!
//! With `n = x` (RMSNorm) or `n = x - ReduceMean(x)` (LayerNorm), means over the last axis with `keepdims`:
//! `n / Sqrt(ReduceMean(n²) + eps)`, where the square is `Pow(n, 2)` or `Mul(n, n)` and the division is `Div`, or `Mul` by a
//! `Reciprocal`, by `Div(1, ·)`, or by `Pow(·, -0.5)`; then `Mul` by a constant gain, and for LayerNorm `Add` of a constant
//! bias, if they follow.

use std::collections::BTreeSet;

use super::node::Node;
use super::pattern::{Match, View};
use super::{Operator, shapes};
use crate::Array;

/// The pattern whose division is node `main`.
pub(super) fn norm(view: &View, main: usize) -> Option<Match> {
    let node = view.graph.nodes.get(main)?;
    let divisions = match node.operator.as_str() {
        "Div" => vec![(node.input(0)?, node.input(1)?, 0.5)],
        "Mul" => vec![(node.input(0)?, node.input(1)?, -0.5), (node.input(1)?, node.input(0)?, -0.5)],
        _ => return None,
    };
    divisions.into_iter().find_map(|(numerator, divisor, power)| {
        let mut nodes = BTreeSet::from([main]);
        let variance = root(view, divisor, power, &mut nodes)?;
        let (mean, eps) = with_scalar(view, variance, "Add", &mut nodes)?;
        let square = mean_of(view, mean, &mut nodes)?;
        if squared(view, square, &mut nodes)? != numerator || eps <= 0.0 {
            return None;
        }
        let centred = centre(view, numerator, &mut nodes);
        finish(view, main, nodes, numerator, centred, eps)
    })
}

/// The value `a` with `value = a^power`, for `power` 0.5 or -0.5.
fn root<'a>(view: &View<'a>, value: &str, power: f64, nodes: &mut BTreeSet<usize>) -> Option<&'a str> {
    let (i, node) = view.producer(value)?;
    nodes.insert(i);
    match node.operator.as_str() {
        "Sqrt" if power > 0.0 => node.input(0),
        "Pow" if scalar(view, node, 1) == Some(power) => node.input(0),
        "Reciprocal" if power < 0.0 => root(view, node.input(0)?, 0.5, nodes),
        "Div" if power < 0.0 && scalar(view, node, 0) == Some(1.0) => root(view, node.input(1)?, 0.5, nodes),
        _ => None,
    }
}

fn scalar(view: &View, node: &Node, i: usize) -> Option<f64> {
    view.graph.constant(node, i)?.scalar()
}

/// The two operands of a commutative node, if one is a scalar.
fn with_scalar<'a>(
    view: &View<'a>,
    value: &str,
    operator: &str,
    nodes: &mut BTreeSet<usize>,
) -> Option<(&'a str, f64)> {
    let (i, node) = view.made_by(value, operator)?;
    nodes.insert(i);
    let first = scalar(view, node, 0).and_then(|c| Some((node.input(1)?, c)));
    first.or_else(|| Some((node.input(0)?, scalar(view, node, 1)?)))
}

/// The value of which `value` is the mean over the last axis, the axis kept.
fn mean_of<'a>(view: &View<'a>, value: &str, nodes: &mut BTreeSet<usize>) -> Option<&'a str> {
    let (i, node) = view.made_by(value, "ReduceMean")?;
    let x = node.input(0)?;
    let rank = view.graph.shape(x).ok()?.len();
    let axes = shapes::axes(node, rank, view.graph.constant(node, 1)).ok()?;
    if axes != [rank.checked_sub(1)?] || node.int("keepdims", 1).ok()? == 0 {
        return None;
    }
    nodes.insert(i);
    Some(x)
}

/// The value of which `value` is the square.
fn squared<'a>(view: &View<'a>, value: &str, nodes: &mut BTreeSet<usize>) -> Option<&'a str> {
    let (i, node) = view.producer(value)?;
    let is_square = match node.operator.as_str() {
        "Mul" => node.input(0) == node.input(1),
        "Pow" => scalar(view, node, 1) == Some(2.0),
        _ => false,
    };
    nodes.insert(i);
    node.input(0).filter(|_| is_square)
}

/// The value `x` with `value = x - mean(x)`.
fn centre<'a>(view: &View<'a>, value: &str, nodes: &mut BTreeSet<usize>) -> Option<&'a str> {
    let (i, node) = view.made_by(value, "Sub")?;
    let (x, mean) = (node.input(0)?, node.input(1)?);
    let mut own = BTreeSet::from([i]);
    if mean_of(view, mean, &mut own)? != x {
        return None;
    }
    nodes.extend(own);
    Some(x)
}

/// Adds gain and bias, if they follow, and checks that the nodes are used for nothing else.
fn finish(
    view: &View,
    main: usize,
    mut nodes: BTreeSet<usize>,
    numerator: &str,
    centred: Option<&str>,
    eps: f64,
) -> Option<Match> {
    let (mut last, mut note) = (main, None);
    let shape = view.graph.shape(numerator).ok()?;
    let name = &view.graph.nodes.get(main)?.name;
    let gain = if let Some((i, gain)) = constant_operand(view, main, "Mul", shape) {
        nodes.insert(i);
        last = i;
        gain
    } else {
        note = Some(format!("`{name}` is a normalisation without a gain: it gets one of ones"));
        let n = *shape.last()?;
        Array { source: format!("{}:{name}, ones", view.graph.file), shape: vec![n], values: vec![1.0; n] }
    };
    let (operator, input) = if let Some(x) = centred {
        let bias = constant_operand(view, last, "Add", shape);
        let bias = bias.map(|(i, bias)| {
            nodes.insert(i);
            last = i;
            bias
        });
        (Operator::LayerNorm { gain, bias, eps }, x)
    } else {
        (Operator::RmsNorm { gain, eps }, numerator)
    };
    let input = input.to_owned();
    view.closed(&nodes, last).then(|| Match { main, last, nodes: nodes.into_iter().collect(), input, operator, note })
}

/// The only reader of node `i`'s output, if it is of the given operator with a constant per index of the last axis.
fn constant_operand(view: &View, i: usize, operator: &str, shape: &[usize]) -> Option<(usize, Array)> {
    let (reader, node) = view.only_consumer(view.graph.nodes.get(i)?.output())?;
    let constant = view.graph.constant(node, 0).or_else(|| view.graph.constant(node, 1))?;
    if node.operator != operator {
        return None;
    }
    let values = constant.along(shape, shape.len().checked_sub(1)?)?;
    Some((reader, Array { source: constant.source.clone(), shape: vec![values.len()], values }))
}

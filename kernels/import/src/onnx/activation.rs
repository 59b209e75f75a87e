//! Activation functions, recognised by the values they take.

use std::collections::{BTreeSet, VecDeque};
use std::f64::consts::{FRAC_1_SQRT_2, FRAC_2_PI, FRAC_2_SQRT_PI};

use super::Operator;
use super::node::Node;
use super::pattern::{Match, View};

/// A smooth function of one number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Activation {
    /// `x · sigmoid(x)`.
    Silu,
    /// `x · (1 + erf(x / √2)) / 2`.
    Gelu,
    /// `x · (1 + tanh(√(2/π) · (x + 0.044715 x³))) / 2`.
    GeluTanh,
    /// `1 / (1 + e^-x)`.
    Sigmoid,
    /// The hyperbolic tangent.
    Tanh,
}

impl Activation {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Silu, Self::Gelu, Self::GeluTanh, Self::Sigmoid, Self::Tanh];

    /// The function's value.
    ///
    /// ```
    /// use zkml_import::onnx::Activation;
    ///
    /// assert_eq!(Activation::Sigmoid.at(0.0), 0.5);
    /// assert!((Activation::Gelu.at(1.0) - 0.841_344_746).abs() < 1e-9);
    /// ```
    pub fn at(self, x: f64) -> f64 {
        match self {
            Self::Silu => x * sigmoid(x),
            Self::Gelu => 0.5 * x * (1.0 + erf(x * FRAC_1_SQRT_2)),
            Self::GeluTanh => 0.5 * x * (1.0 + (FRAC_2_PI.sqrt() * (x + 0.044_715 * x.powi(3))).tanh()),
            Self::Sigmoid => sigmoid(x),
            Self::Tanh => x.tanh(),
        }
    }
}

fn sigmoid(x: f64) -> f64 {
    1.0 / (1.0 + (-x).exp())
}

/// The error function: `2/√π · e^(-x²) · Σ 2^n x^(2n+1) / (2n+1)!!`, all of whose terms have one sign.
fn erf(x: f64) -> f64 {
    if x.abs() > 6.0 {
        return x.signum();
    }
    let (mut term, mut sum, mut n) = (x, x, 0.0);
    while term.abs() > sum.abs() * f64::EPSILON {
        n += 1.0;
        term *= 2.0 * x * x / (2.0 * n + 1.0);
        sum += term;
    }
    FRAC_2_SQRT_PI * (-x * x).exp() * sum
}

/// Operators that expressions of one variable are made of.
const ELEMENTWISE: &[&str] =
    &["Add", "Sub", "Mul", "Div", "Pow", "Sqrt", "Reciprocal", "Exp", "Neg", "Erf", "Tanh", "Sigmoid"];

/// Most nodes of an expression, counted as often as they are read.
const LARGEST: usize = 32;

/// Deviation from an activation that is taken for rounding of the file's constants.
const TOLERANCE: f64 = 1e-6;

/// An expression of one variable.
enum Expression<'a> {
    Variable,
    Constant(f64),
    Node(&'a Node, Vec<Self>),
}

/// The activation that node `last` completes: some value `x` above it, of which the nodes between compute an activation.
///
/// The nodes' expression is compared with every activation at points from -8 to 8. The nearest such `x` is taken. A
/// single node is no pattern.
pub(super) fn activation(view: &View, last: usize) -> Option<Match> {
    let output = view.graph.nodes.get(last)?.output();
    candidates(view, output).into_iter().find_map(|x| {
        let mut nodes = BTreeSet::new();
        let expression = build(view, output, x, &mut nodes, &mut LARGEST.clone())?;
        let same_shape = view.graph.shape(x).ok()? == view.graph.shape(output).ok()?;
        if nodes.len() < 2 || !same_shape || !view.closed(&nodes, last) {
            return None;
        }
        let found = Activation::ALL.into_iter().find(|a| agrees(&expression, *a))?;
        let nodes = nodes.into_iter().collect();
        Some(Match { main: last, last, nodes, input: x.to_owned(), operator: Operator::Activation(found), note: None })
    })
}

/// Values above `output` that are reached through elementwise nodes, nearest first.
fn candidates<'a>(view: &View<'a>, output: &'a str) -> Vec<&'a str> {
    let (mut found, mut open) = (Vec::new(), VecDeque::from([output]));
    while let Some(value) = open.pop_front().filter(|_| found.len() < LARGEST) {
        let Some((_, node)) = view.producer(value).filter(|(_, n)| ELEMENTWISE.contains(&n.operator.as_str())) else {
            continue;
        };
        for input in node.inputs.iter().map(String::as_str).filter(|v| view.graph.shapes.contains_key(*v)) {
            if !found.contains(&input) {
                found.push(input);
                open.push_back(input);
            }
        }
    }
    found
}

/// The expression of `value` in the variable `x`; collects its nodes.
fn build<'a>(
    view: &View<'a>,
    value: &'a str,
    x: &str,
    nodes: &mut BTreeSet<usize>,
    budget: &mut usize,
) -> Option<Expression<'a>> {
    if value == x {
        return Some(Expression::Variable);
    }
    if let Some(constant) = view.graph.constants.get(value) {
        return constant.scalar().map(Expression::Constant);
    }
    let (index, node) = view.producer(value).filter(|(_, n)| ELEMENTWISE.contains(&n.operator.as_str()))?;
    *budget = budget.checked_sub(1)?;
    nodes.insert(index);
    let inputs = node.inputs.iter().map(|v| build(view, v, x, nodes, budget)).collect::<Option<_>>()?;
    Some(Expression::Node(node, inputs))
}

fn agrees(expression: &Expression, activation: Activation) -> bool {
    (-64..=64).map(|i| f64::from(i) / 8.0).all(|x| {
        let expected = activation.at(x);
        evaluate(expression, x).is_some_and(|y| (y - expected).abs() <= TOLERANCE * expected.abs().max(1.0))
    })
}

fn evaluate(expression: &Expression, x: f64) -> Option<f64> {
    let (node, inputs) = match expression {
        Expression::Variable => return Some(x),
        Expression::Constant(value) => return Some(*value),
        Expression::Node(node, inputs) => (node, inputs),
    };
    let values = inputs.iter().map(|e| evaluate(e, x)).collect::<Option<Vec<_>>>()?;
    Some(match (node.operator.as_str(), values.as_slice()) {
        ("Add", [a, b]) => a + b,
        ("Sub", [a, b]) => a - b,
        ("Mul", [a, b]) => a * b,
        ("Div", [a, b]) => a / b,
        ("Pow", [a, b]) => a.powf(*b),
        ("Sqrt", [a]) => a.sqrt(),
        ("Reciprocal", [a]) => a.recip(),
        ("Exp", [a]) => a.exp(),
        ("Neg", [a]) => -a,
        ("Erf", [a]) => erf(*a),
        ("Tanh", [a]) => a.tanh(),
        ("Sigmoid", [a]) => sigmoid(*a),
        _ => return None,
    })
}

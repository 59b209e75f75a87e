//! Sumcheck rounds as vector operations.
//!
//! The pairs of a round are the two halves of every factor, so that both are contiguous and a point's values need no copy:
//! at 0 the first half, at 1 the second. The composition's operations are done one by one over all pairs, in as few vectors as
//! are alive at the same time; what does not depend on the pair is computed on the host.

use std::collections::BTreeMap;

use p3_field::PrimeCharacteristicRing;
use p3_goldilocks::Goldilocks;
use zkml_device::expression::Node;
use zkml_device::{Expression, Point};

use crate::error::Failure;
use crate::ffi::{EXTENSION, Elementwise, Scalar, Scalars, Span};
use crate::vectors::{E, words};
use crate::worker::Context;

/// A round, owned.
pub(crate) struct Request {
    pub(crate) bind: Option<[u64; 2]>,
    pub(crate) points: Vec<Point>,
    pub(crate) outer: Vec<u64>,
    pub(crate) inner: Vec<u64>,
}

/// A running sumcheck's data.
pub(crate) struct State {
    pub(crate) factors: Vec<Span>,
    pub(crate) expression: Expression,
    pub(crate) parameters: Vec<E>,
    /// Vectors for intermediate values, as long as the first round's pairs.
    pub(crate) registers: Vec<Span>,
}

/// The value of a node.
enum Value {
    /// The same for all pairs.
    Same(E),
    /// Half of a factor.
    Half(Span),
    /// A register.
    Register(Span),
}

/// A composition's evaluation at one point.
struct Evaluation<'a, 'c> {
    context: &'a Context<'c>,
    state: &'a mut State,
    values: BTreeMap<usize, Value>,
    /// How often each value is still needed.
    uses: Vec<usize>,
    pairs: usize,
}

fn misfit<T>(what: &str) -> Result<T, Failure> {
    Err(Failure::Misfit(what.to_owned()))
}

/// Operands of a node.
fn operands(node: Node) -> Option<(usize, usize)> {
    match node {
        Node::Add(a, b) | Node::Sub(a, b) | Node::Mul(a, b) => Some((a, b)),
        Node::Integer(_) | Node::Factor(_) | Node::Parameter(_) => None,
    }
}

/// How often each node's value is needed: zero for nodes that no output depends on.
fn uses(expression: &Expression) -> Vec<usize> {
    let mut uses = vec![0_usize; expression.nodes().len()];
    let need = |uses: &mut Vec<usize>, node: usize| {
        if let Some(n) = uses.get_mut(node) {
            *n += 1;
        }
    };
    expression.outputs().iter().for_each(|&node| need(&mut uses, node));
    for (i, &node) in expression.nodes().iter().enumerate().rev() {
        if uses.get(i).is_some_and(|&n| n > 0)
            && let Some((a, b)) = operands(node)
        {
            need(&mut uses, a);
            need(&mut uses, b);
        }
    }
    uses
}

impl State {
    /// Binds the first variable.
    pub(crate) fn bind(&mut self, context: &Context<'_>, challenge: Option<[u64; 2]>) -> Result<(), Failure> {
        if let Some(challenge) = challenge {
            for factor in &mut self.factors {
                if factor.len() < 2 {
                    return misfit("a challenge after the last variable");
                }
                *factor = context.fold(factor, challenge)?;
            }
        }
        Ok(())
    }

    /// The sums of one round, as words.
    pub(crate) fn round(&mut self, context: &Context<'_>, request: &Request) -> Result<Vec<u64>, Failure> {
        self.bind(context, request.bind)?;
        let pairs = self.factors.first().map_or(0, Span::len) / 2;
        if pairs == 0 {
            return misfit("a round after the last variable");
        }
        let inner = if request.inner.is_empty() { None } else { Some(context.upload(&request.inner, EXTENSION)?) };
        let outputs = self.expression.outputs().to_vec();
        let sums = context.vector(request.points.len() * outputs.len())?;
        let uses = uses(&self.expression);
        for (p, &point) in request.points.iter().enumerate() {
            let (values, uses) = (BTreeMap::new(), uses.clone());
            let mut evaluation = Evaluation { context, state: self, values, uses, pairs };
            evaluation.run(point)?;
            for (o, &output) in outputs.iter().enumerate() {
                let v = evaluation.vector(output)?;
                let at = p * outputs.len() + o;
                context.weighted_sum(&v, &request.outer, inner.as_ref(), &sums.part(at..at + 1)?)?;
            }
            evaluation.end();
        }
        context.api.receive(&sums)
    }

    /// What is left of every factor, as words.
    pub(crate) fn finish(mut self, context: &Context<'_>, bind: Option<[u64; 2]>) -> Result<Vec<Vec<u64>>, Failure> {
        self.bind(context, bind)?;
        self.factors.iter().map(|factor| context.api.receive(factor)).collect()
    }
}

impl Evaluation<'_, '_> {
    /// Computes all nodes that are needed.
    fn run(&mut self, point: Point) -> Result<(), Failure> {
        for i in 0..self.uses.len() {
            let Some(&node) = self.state.expression.nodes().get(i) else { break };
            if self.uses.get(i).is_none_or(|&n| n == 0) {
                continue;
            }
            let value = match node {
                Node::Integer(n) => Value::Same(E::from(Goldilocks::from_i8(n))),
                Node::Parameter(j) => match self.state.parameters.get(j) {
                    Some(&parameter) => Value::Same(parameter),
                    None => return misfit("too few parameters"),
                },
                Node::Factor(j) => self.factor(j, point)?,
                Node::Add(a, b) | Node::Sub(a, b) | Node::Mul(a, b) => {
                    let value = self.operation(node, a, b)?;
                    self.release(a);
                    self.release(b);
                    value
                }
            };
            self.values.insert(i, value);
        }
        Ok(())
    }

    /// A vector for a result.
    fn register(&mut self) -> Result<Span, Failure> {
        match self.state.registers.pop() {
            Some(register) => register.part(0..self.pairs),
            None => self.context.vector(self.pairs),
        }
    }

    /// One use less of a value.
    fn release(&mut self, node: usize) {
        let Some(left) = self.uses.get_mut(node) else { return };
        *left = left.saturating_sub(1);
        if *left == 0
            && let Some(Value::Register(register)) = self.values.remove(&node)
        {
            self.state.registers.push(register);
        }
    }

    /// Keeps all registers for the next point.
    fn end(self) {
        let registers = self.values.into_values().filter_map(|value| match value {
            Value::Register(register) => Some(register),
            Value::Same(_) | Value::Half(_) => None,
        });
        self.state.registers.extend(registers);
    }

    /// A factor's values at a point.
    fn factor(&mut self, factor: usize, point: Point) -> Result<Value, Failure> {
        let Some(factor) = self.state.factors.get(factor) else { return misfit("too few factors") };
        let (low, high) = (factor.part(0..self.pairs)?, factor.part(self.pairs..2 * self.pairs)?);
        match point {
            Point::At(0) => return Ok(Value::Half(low)),
            Point::At(1) => return Ok(Value::Half(high)),
            Point::At(_) | Point::Infinity => {}
        }
        let slopes = self.register()?;
        self.context.api.elementwise(Elementwise::Sub, &high, &low, &slopes)?;
        let Point::At(t) = point else { return Ok(Value::Register(slopes)) };
        let steps = self.register()?;
        let t = words(E::from(Goldilocks::from_u8(t)));
        self.context.api.scalar(Scalar::Mul, Scalars::Host(&t), &slopes, &steps)?;
        self.context.api.elementwise(Elementwise::Add, &low, &steps, &slopes)?;
        self.state.registers.push(steps);
        Ok(Value::Register(slopes))
    }

    /// A sum, difference or product.
    fn operation(&mut self, node: Node, a: usize, b: usize) -> Result<Value, Failure> {
        let (Some(left), Some(right)) = (self.values.get(&a), self.values.get(&b)) else {
            return misfit("an expression whose nodes are out of order");
        };
        let (left, right) = match (left, right) {
            (&Value::Same(a), &Value::Same(b)) => return Ok(Value::Same(on_host(node, a, b))),
            (&Value::Same(s), Value::Half(v) | Value::Register(v)) => {
                let op = match node {
                    Node::Add(..) => Scalar::Add,
                    Node::Sub(..) => Scalar::Sub,
                    _ => Scalar::Mul,
                };
                let v = v.clone();
                return self.with_scalar(op, s, &v);
            }
            (Value::Half(v) | Value::Register(v), &Value::Same(s)) => {
                let (op, s) = match node {
                    Node::Add(..) => (Scalar::Add, s),
                    Node::Sub(..) => (Scalar::Add, -s),
                    _ => (Scalar::Mul, s),
                };
                let v = v.clone();
                return self.with_scalar(op, s, &v);
            }
            (Value::Half(a) | Value::Register(a), Value::Half(b) | Value::Register(b)) => (a.clone(), b.clone()),
        };
        let op = match node {
            Node::Add(..) => Elementwise::Add,
            Node::Sub(..) => Elementwise::Sub,
            _ => Elementwise::Mul,
        };
        let out = self.register()?;
        self.context.api.elementwise(op, &left, &right, &out)?;
        Ok(Value::Register(out))
    }

    fn with_scalar(&mut self, op: Scalar, scalar: E, v: &Span) -> Result<Value, Failure> {
        let out = self.register()?;
        self.context.api.scalar(op, Scalars::Host(&words(scalar)), v, &out)?;
        Ok(Value::Register(out))
    }

    /// A node's value for all pairs.
    fn vector(&mut self, node: usize) -> Result<Span, Failure> {
        match self.values.get(&node) {
            Some(Value::Half(v) | Value::Register(v)) => Ok(v.clone()),
            Some(&Value::Same(s)) => self.context.fill(Scalars::Host(&words(s)), self.pairs),
            None => misfit("an output that is no node"),
        }
    }
}

fn on_host(node: Node, a: E, b: E) -> E {
    match node {
        Node::Add(..) => a + b,
        Node::Sub(..) => a - b,
        _ => a * b,
    }
}

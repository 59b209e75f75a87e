//! A polynomial written down once: traced from the code that the host runs, compiled by devices.
//!
//! A composition's body is generic over the ring it computes in. Run with [`Trace`] instead of numbers, it leaves behind an
//! [`Expression`]: the same sums and products as data, from which a device generates its kernel.

use core::any::Any;
use core::cell::RefCell;
use core::fmt::Debug;
use core::iter::{Product, Sum};
use core::marker::PhantomData;
use core::ops::{Add, AddAssign, Mul, MulAssign, Neg, Sub, SubAssign};

use p3_field::{Algebra, Field, PrimeCharacteristicRing};

/// One operation; operands are positions of earlier nodes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Node {
    /// A small integer.
    Integer(i8),
    /// The value of a factor.
    Factor(usize),
    /// A field element that is known when the expression is used, not when it is compiled.
    Parameter(usize),
    /// `a + b`.
    Add(usize, usize),
    /// `a - b`.
    Sub(usize, usize),
    /// `a · b`.
    Mul(usize, usize),
}

/// Polynomials in some factors. Equal expressions have the same kernel, whatever the parameters are.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Expression {
    nodes: Vec<Node>,
    outputs: Vec<usize>,
    factors: usize,
    parameters: usize,
}

impl Expression {
    /// Traces `body`, a function of `factors` values. Returns the expression and its parameters' values. A body may trace
    /// others, and computes on the thread that it is called on.
    pub fn trace<F: Field>(factors: usize, body: impl FnOnce(&[Trace<F>]) -> Vec<Trace<F>>) -> (Self, Vec<F>) {
        let outer = TAPE.replace(Tape::new());
        let inputs: Vec<Trace<F>> = (0..factors).map(|i| Trace::push(Node::Factor(i))).collect();
        let outputs: Vec<usize> = body(&inputs).into_iter().map(|t| t.node as usize).collect();
        let tape = TAPE.replace(outer);
        let parameters: Vec<F> = tape.parameters.iter().filter_map(|p| p.downcast_ref().copied()).collect();
        (Self { nodes: tape.nodes, outputs, factors, parameters: parameters.len() }, parameters)
    }

    /// The operations in order.
    pub fn nodes(&self) -> &[Node] {
        &self.nodes
    }

    /// The nodes that are results.
    pub fn outputs(&self) -> &[usize] {
        &self.outputs
    }

    /// Number of factors.
    pub fn factors(&self) -> usize {
        self.factors
    }

    /// Number of parameters.
    pub fn parameters(&self) -> usize {
        self.parameters
    }

    /// The results for some values.
    pub fn evaluate<F: Field>(&self, factors: &[F], parameters: &[F]) -> Vec<F> {
        let mut values: Vec<F> = Vec::with_capacity(self.nodes.len());
        for node in &self.nodes {
            values.push(match *node {
                Node::Integer(i) => integer(i),
                Node::Factor(i) => factors[i],
                Node::Parameter(i) => parameters[i],
                Node::Add(a, b) => values[a] + values[b],
                Node::Sub(a, b) => values[a] - values[b],
                Node::Mul(a, b) => values[a] * values[b],
            });
        }
        self.outputs.iter().map(|&node| values[node]).collect()
    }
}

fn integer<F: Field>(value: i8) -> F {
    F::from_prime_subfield(F::PrimeSubfield::from_i8(value))
}

/// Nodes that every tape starts with, so that constants need no tape.
const FIRST: [Node; 4] = [Node::Integer(0), Node::Integer(1), Node::Integer(2), Node::Integer(-1)];

/// What is recorded on one thread.
#[derive(Default)]
struct Tape {
    nodes: Vec<Node>,
    /// Elements of the field that is traced.
    parameters: Vec<Box<dyn Any>>,
}

impl Tape {
    fn new() -> Self {
        Self { nodes: FIRST.to_vec(), parameters: Vec::new() }
    }
}

thread_local! {
    static TAPE: RefCell<Tape> = RefCell::default();
}

/// A value that records what is computed from it.
#[derive(Clone, Copy, Debug)]
pub struct Trace<F> {
    node: u32,
    field: PhantomData<F>,
}

impl<F> Trace<F> {
    const fn constant(node: u32) -> Self {
        Self { node, field: PhantomData }
    }

    fn push(node: Node) -> Self {
        TAPE.with_borrow_mut(|tape| {
            tape.nodes.push(node);
            Self::constant(tape.nodes.len() as u32 - 1)
        })
    }
}

impl<F: Field> From<F> for Trace<F> {
    /// A parameter, unless it is one of the small constants.
    fn from(value: F) -> Self {
        if let Some(node) = FIRST.iter().position(|&n| matches!(n, Node::Integer(i) if integer::<F>(i) == value)) {
            return Self::constant(node as u32);
        }
        let parameter = TAPE.with_borrow_mut(|tape| {
            tape.parameters.push(Box::new(value));
            tape.parameters.len() - 1
        });
        Self::push(Node::Parameter(parameter))
    }
}

macro_rules! operator {
    ($trait:ident, $method:ident, $assign_trait:ident, $assign:ident) => {
        impl<F: Field> $trait for Trace<F> {
            type Output = Self;
            fn $method(self, other: Self) -> Self {
                Self::push(Node::$trait(self.node as usize, other.node as usize))
            }
        }
        impl<F: Field> $assign_trait for Trace<F> {
            fn $assign(&mut self, other: Self) {
                *self = $trait::$method(*self, other);
            }
        }
        impl<F: Field> $trait<F> for Trace<F> {
            type Output = Self;
            fn $method(self, other: F) -> Self {
                $trait::$method(self, Self::from(other))
            }
        }
        impl<F: Field> $assign_trait<F> for Trace<F> {
            fn $assign(&mut self, other: F) {
                *self = $trait::$method(*self, other);
            }
        }
    };
}
operator!(Add, add, AddAssign, add_assign);
operator!(Sub, sub, SubAssign, sub_assign);
operator!(Mul, mul, MulAssign, mul_assign);

impl<F: Field> Neg for Trace<F> {
    type Output = Self;
    fn neg(self) -> Self {
        Self::ZERO - self
    }
}

impl<F: Field> Sum for Trace<F> {
    fn sum<I: Iterator<Item = Self>>(values: I) -> Self {
        values.reduce(Add::add).unwrap_or(Self::ZERO)
    }
}

impl<F: Field> Product for Trace<F> {
    fn product<I: Iterator<Item = Self>>(values: I) -> Self {
        values.reduce(Mul::mul).unwrap_or(Self::ONE)
    }
}

impl<F> Default for Trace<F> {
    fn default() -> Self {
        Self::constant(0)
    }
}

impl<F: Field> PrimeCharacteristicRing for Trace<F> {
    type PrimeSubfield = F::PrimeSubfield;
    const ZERO: Self = Self::constant(0);
    const ONE: Self = Self::constant(1);
    const TWO: Self = Self::constant(2);
    const NEG_ONE: Self = Self::constant(3);

    fn from_prime_subfield(value: Self::PrimeSubfield) -> Self {
        Self::from(F::from_prime_subfield(value))
    }
}

impl<F: Field> Algebra<F> for Trace<F> {}

#[cfg(test)]
mod tests {
    use p3_field::extension::BinomialExtensionField;
    use p3_goldilocks::Goldilocks;

    use super::*;

    type E = BinomialExtensionField<Goldilocks, 2>;

    fn gate<A: Algebra<E> + Copy>(x: &[A], lambda: E) -> Vec<A> {
        let folded = x[0] + x[1] * lambda;
        vec![folded * x[3] + x[2] * x[1].square(), -x[0].double() * E::TWO + A::ONE]
    }

    #[test]
    fn a_trace_computes_what_the_body_does() {
        let value = |i: u64| E::from(Goldilocks::from_u64(i * i + 3)) * E::from_prime_subfield(Goldilocks::from_u64(i));
        let lambda = value(77);
        let (expression, parameters) = Expression::trace(4, |x: &[Trace<E>]| gate(x, lambda));
        assert_eq!((expression.factors(), expression.parameters()), (4, 1));
        let factors: Vec<E> = (1..5).map(value).collect();
        assert_eq!(expression.evaluate(&factors, &parameters), gate(&factors, lambda));
        let (again, other) = Expression::trace(4, |x: &[Trace<E>]| gate(x, value(5)));
        assert_eq!(again, expression);
        assert_ne!(other, parameters);
    }

    #[test]
    fn traces_nest() {
        let lambda = E::from(Goldilocks::from_u64(77));
        let (alone, _) = Expression::trace(4, |x: &[Trace<E>]| gate(x, lambda));
        let mut inner = Expression::default();
        let (outer, parameters) = Expression::trace(4, |x: &[Trace<E>]| {
            let first = x[3] * lambda;
            inner = Expression::trace(4, |y: &[Trace<Goldilocks>]| vec![y[0] * Goldilocks::from_u64(5)]).0;
            vec![first + gate(x, lambda.square())[0]]
        });
        assert_eq!((inner.parameters(), outer.parameters(), alone.parameters()), (1, 2, 1));
        let factors: Vec<E> = (2..6).map(|i| E::from(Goldilocks::from_u64(i * i))).collect();
        let expected = factors[3] * lambda + gate(&factors, lambda.square())[0];
        assert_eq!(outer.evaluate(&factors, &parameters), [expected]);
    }
}

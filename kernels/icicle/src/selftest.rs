//! What a device has to compute rightly before it is used: every vector operation, against the host.

use p3_field::PrimeCharacteristicRing;
use p3_goldilocks::Goldilocks;
use zkml_device::{Expression, Point, Trace};

use crate::error::Failure;
use crate::ffi::{BASE, EXTENSION};
use crate::rounds::{Request, State};
use crate::vectors::{E, words};
use crate::worker::Context;

/// Some elements, among them ones whose limbs are all ones or nearly so.
fn sample(count: u64, seed: u64) -> Vec<E> {
    let edges = [0, 1, 0xffff_ffff, 0x1_0000_0000, 0xffff_ffff_0000_0000, 0x8000_0000_0000_0000];
    let word = |i: u64| {
        let mixed = (i + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15 ^ seed).rotate_left(23);
        Goldilocks::new(if i.is_multiple_of(3) { edges[(mixed % 6) as usize] } else { mixed })
    };
    (0..count).map(|i| E::new([word(2 * i), word(2 * i + 1)])).collect()
}

fn flat(elements: &[E]) -> Vec<u64> {
    elements.iter().flat_map(|&e| words(e)).collect()
}

/// Every operation that [`State::round`] can use.
fn body<A: p3_field::Algebra<E> + Copy>(x: &[A], lambda: E) -> Vec<A> {
    vec![(x[0] * x[1] + x[1] * lambda) * (A::ONE - x[0]), x[0] - x[1] + lambda]
}

fn rounds(context: &Context<'_>) -> Result<(), Failure> {
    let factors = [sample(16, 1), sample(16, 2)];
    let (outer, inner, lambda) = (sample(2, 3), sample(4, 4), sample(5, 5)[4]);
    let (expression, parameters) = Expression::trace(2, |x: &[Trace<E>]| body(x, lambda));
    let spans = factors.iter().map(|f| context.upload(&flat(f), EXTENSION)).collect::<Result<_, _>>()?;
    let mut state = State { factors: spans, expression, parameters, registers: Vec::new() };
    let points = vec![Point::At(0), Point::At(1), Point::At(2), Point::Infinity];
    let request = Request { bind: None, points, outer: flat(&outer), inner: flat(&inner) };
    let sums = state.round(context, &request)?;
    let mut expected = Vec::new();
    for point in request.points {
        let mut sums = [E::ZERO; 2];
        for x in 0..8 {
            let values = factors.each_ref().map(|f| match point {
                Point::At(t) => f[x] + (f[x + 8] - f[x]) * E::from(Goldilocks::from_u8(t)),
                Point::Infinity => f[x + 8] - f[x],
            });
            let weight = outer[x / 4] * inner[x % 4];
            sums.iter_mut().zip(body(&values, lambda)).for_each(|(sum, value)| *sum += weight * value);
        }
        expected.extend(sums);
    }
    if sums == flat(&expected) { Ok(()) } else { Err(Failure::Wrong("a sumcheck round")) }
}

fn contraction(context: &Context<'_>) -> Result<(), Failure> {
    let cells: Vec<Goldilocks> =
        (0..24).map(|i| if i % 5 == 0 { -Goldilocks::new(i) } else { Goldilocks::new(i) }).collect();
    let weights = sample(4, 6);
    let column: Vec<u64> = cells.iter().map(p3_field::PrimeField64::as_canonical_u64).collect();
    let (column, table) = (context.upload(&column, BASE)?, context.upload(&flat(&weights), EXTENSION)?);
    let result = context.api.receive(&context.contract(&column, true, [2, 4, 3], &table)?)?;
    let cell = |i: usize| (0..4).map(|m| weights[m] * cells[(i / 3 * 4 + m) * 3 + i % 3]).sum();
    let expected: Vec<E> = (0..6).map(cell).collect();
    if result == flat(&expected) { Ok(()) } else { Err(Failure::Wrong("a contraction")) }
}

/// Computes a little on the device and on the host.
pub(crate) fn run(context: &Context<'_>) -> Result<(), Failure> {
    rounds(context)?;
    contraction(context)
}

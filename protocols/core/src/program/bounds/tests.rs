use super::*;
use crate::{Bounds, Shape, Table};

const LIMIT: i128 = 1 << 62;

fn vector(n: usize) -> Shape {
    Shape::new([n]).unwrap()
}

/// A program with one public vector `x` of `n` values in `[lo, hi]`.
fn with_input(n: usize, lo: i64, hi: i64) -> (Program, TensorId) {
    let mut program = Program::default();
    let x = program.tensor("input", vector(n), Bounds::new(lo, hi), Residence::Public);
    (program, x)
}

fn digits(program: &mut Program, name: &str, bits: u32) -> TensorId {
    let tensor = program.tensor(name, vector(4), Bounds::new(0, (1 << bits) - 1), Residence::Committed);
    program.lookup(name, Table::Range { bits }, vec![vec![tensor]]);
    tensor
}

fn value(program: &mut Program, name: &str, lo: i64, hi: i64) -> TensorId {
    program.tensor(name, vector(4), Bounds::new(lo, hi), Residence::Virtual)
}

#[test]
fn products_and_sums_that_wrap_are_refused() {
    for (length, fits) in [(1 << 6, true), (1 << 7, false)] {
        let (mut program, x) = with_input(length, -(1 << 28), 1 << 28);
        let sum = program.tensor("l/sum", Shape::scalar(), Bounds::new(0, i64::MAX), Residence::Virtual);
        program.einsum("l/sum", "i,i->", sum, &[x, x]).unwrap();
        match program.check(LIMIT) {
            Ok(()) => assert!(fits),
            Err(BoundsError::Wrap { scope, tensor, bits_x10, .. }) => {
                assert_eq!((fits, scope.as_str(), tensor.as_str(), bits_x10), (false, "l/sum", "l/sum", 630));
            }
            Err(other) => panic!("{other}"),
        }
    }
}

#[test]
fn an_affine_side_that_wraps_is_refused() {
    let (mut program, x) = with_input(4, 0, 1 << 40);
    let y = value(&mut program, "l/y", 0, i64::MAX);
    program.affine("l/y", y, vec![(1 << 22, x)], 1);
    assert!(matches!(program.check(LIMIT), Err(BoundsError::Wrap { .. })));
    assert_eq!(program.check(1 << 63), Ok(()));
}

#[test]
fn an_overflow_of_the_intervals_is_refused_under_every_limit() {
    for limit in [LIMIT, i128::MAX - 1, i128::MAX] {
        let (mut program, x) = with_input(4, i64::MIN, i64::MAX);
        let cube = value(&mut program, "l/cube", i64::MIN, i64::MAX);
        program.einsum("l/cube", "i,i,i->i", cube, &[x, x, x]).unwrap();
        let difference = value(&mut program, "l/difference", 0, 0);
        program.affine("l/difference", difference, vec![(1, cube), (-1, cube)], 0);
        assert!(matches!(program.check(limit), Err(BoundsError::Wrap { .. })), "limit {limit}");
    }
}

#[test]
fn intervals_up_to_the_largest_are_accepted_in_a_large_field() {
    // (2^63 - 1)^2 exceeds a 64-bit field, not a 254-bit one; the difference brings it back into declared bounds.
    let (mut program, x) = with_input(4, i64::MAX, i64::MAX);
    let square = program.tensor("l/square", vector(4), Bounds::new(i64::MIN, i64::MAX), Residence::Virtual);
    program.einsum("l/square", "i,i->i", square, &[x, x]).unwrap();
    assert!(matches!(program.check(LIMIT), Err(BoundsError::Wrap { .. })));
    assert!(matches!(program.check(i128::MAX), Err(BoundsError::Declared { .. })));
}

#[test]
fn an_overflow_of_the_intervals_does_not_cancel() {
    // 2^63-sized terms: four positive ones overflow 2^127 before two negative ones would bring the sum back.
    let (mut program, x) = with_input(4, i64::MAX, i64::MAX);
    let y = value(&mut program, "l/y", i64::MIN, i64::MAX);
    let terms = [i64::MAX, i64::MAX, i64::MAX, i64::MAX, -i64::MAX, -i64::MAX, -i64::MAX, -i64::MAX];
    program.affine("l/y", y, terms.map(|c| (c, x)).to_vec(), 0);
    assert!(matches!(program.check(1 << 63), Err(BoundsError::Wrap { .. })));
}

#[test]
fn the_number_of_summed_terms_does_not_overflow() {
    let mut program = Program::default();
    let long = Shape::new([1 << 32]).unwrap();
    let a = program.tensor("a", long.clone(), Bounds::new(0, 1), Residence::Public);
    let b = program.tensor("b", long, Bounds::new(0, 1), Residence::Public);
    let sum = program.tensor("l/sum", Shape::scalar(), Bounds::new(0, i64::MAX), Residence::Virtual);
    program.einsum("l/sum", "i,j->", sum, &[a, b]).unwrap();
    assert!(matches!(program.check(LIMIT), Err(BoundsError::Wrap { .. })), "2^64 terms");
}

#[test]
fn public_values_and_table_entries_stay_below_the_limit() {
    let (program, _) = with_input(4, 0, i64::MAX);
    assert!(matches!(program.check(LIMIT), Err(BoundsError::Wrap { .. })));
    let mut program = Program::default();
    let t = program.tensor("l/t", vector(4), Bounds::new(0, i64::MAX), Residence::Committed);
    let table = Table::listed("large", vec![vec![0, i64::MAX]]).unwrap();
    program.lookup("l/t", table, vec![vec![t]]);
    assert!(matches!(program.check(LIMIT), Err(BoundsError::Wrap { .. })));
}

#[test]
fn a_committed_tensor_needs_a_lookup() {
    let (mut program, x) = with_input(4, -8, 7);
    let y = program.tensor("l/y", vector(4), Bounds::new(-8, 7), Residence::Committed);
    program.affine("l/copy", y, vec![(1, x)], 0);
    // Bounding it by an equation would take the equation for one of integers before it is known to be one.
    let expected = BoundsError::Unbounded { scope: "l".to_owned(), tensor: "l/y".to_owned() };
    assert_eq!(program.check(LIMIT), Err(expected));
}

#[test]
fn constraints_tighten_from_both_sides() {
    // r from 24 bits of digits and 2^15 - r from 24 bits of digits: r in [0, 2^15], so r·r·(30 bits) fits.
    let build = |two_sided: bool| {
        let mut program = Program::default();
        let [low, high] = [digits(&mut program, "l/low", 12), digits(&mut program, "l/high", 12)];
        let r = value(&mut program, "l/r", 0, 1 << 15);
        program.affine("l/r", r, vec![(1, low), (1 << 12, high)], 0);
        if two_sided {
            let [low, high] = [digits(&mut program, "l/clow", 12), digits(&mut program, "l/chigh", 12)];
            program.affine("l/r", r, vec![(-1, low), (-(1 << 12), high)], 1 << 15);
        }
        let a = digits(&mut program, "l/a", 20);
        let q = value(&mut program, "l/q", 0, (1 << 50) - 1);
        program.einsum("l/q", "b,b,b->b", q, &[r, r, a]).unwrap();
        program
    };
    assert_eq!(build(true).check(LIMIT), Ok(()));
    assert!(matches!(build(false).check(LIMIT), Err(BoundsError::Wrap { .. })), "24-bit r");
}

#[test]
fn a_constraint_after_the_use_tightens_too() {
    let mut program = Program::default();
    let wide = digits(&mut program, "l/wide", 20);
    let r = value(&mut program, "l/r", 0, 100);
    program.affine("l/r", r, vec![(1 << 11, wide)], 0);
    let cube = value(&mut program, "l/cube", 0, 1_000_000);
    program.einsum("l/cube", "b,b,b->b", cube, &[r, r, r]).unwrap();
    assert!(matches!(program.check(LIMIT), Err(BoundsError::Wrap { .. })), "31-bit r");
    let complement = digits(&mut program, "l/complement", 12);
    program.affine("l/complement", r, vec![(-1, complement)], 100);
    assert_eq!(program.check(LIMIT), Ok(()));
}

#[test]
fn a_constraint_whose_side_may_wrap_proves_nothing() {
    // x = 2^40·y over the field says nothing about the integers while 2^40·y may wrap.
    let mut program = Program::default();
    let y = program.tensor("y", vector(4), Bounds::new(0, 1 << 30), Residence::Public);
    let x = digits(&mut program, "l/x", 20);
    program.affine("l/x", x, vec![(1 << 40, y)], 0);
    assert!(matches!(program.check(LIMIT), Err(BoundsError::Wrap { .. })));
}

#[test]
fn a_lookup_bounds_virtual_tensors_too() {
    let (mut program, x) = with_input(4, -(1 << 30), 1 << 30);
    let y = value(&mut program, "l/y", 0, 255);
    program.affine("l/y", y, vec![(1, x)], 3);
    assert!(matches!(program.check(LIMIT), Err(BoundsError::Declared { .. })));
    program.lookup("l/y", Table::Range { bits: 8 }, vec![vec![y]]);
    assert_eq!(program.check(LIMIT), Ok(()));
    // Unless the tensor may wrap: then a large integer may look like a small one.
    let (mut program, x) = with_input(4, -(1 << 30), 1 << 30);
    let y = value(&mut program, "l/y", 0, 255);
    program.affine("l/y", y, vec![(1 << 33, x)], 3);
    program.lookup("l/y", Table::Range { bits: 8 }, vec![vec![y]]);
    assert!(matches!(program.check(LIMIT), Err(BoundsError::Wrap { .. })));
}

#[test]
fn declared_bounds_must_be_proven() {
    let (mut program, x) = with_input(4, -8, 7);
    let y = value(&mut program, "l/y", -14, 15);
    program.affine("l/double", y, vec![(2, x)], 0);
    match program.check(LIMIT) {
        Err(BoundsError::Declared { tensor, lo, hi, .. }) => assert_eq!((tensor.as_str(), lo, hi), ("l/y", -16, 14)),
        other => panic!("{other:?}"),
    }
    let (mut program, x) = with_input(4, -8, 7);
    let square = value(&mut program, "l/square", 0, 64);
    program.einsum("l/square", "b,b->b", square, &[x, x]).unwrap();
    assert_eq!(program.check(LIMIT), Ok(()), "a square is not negative");
}

#[test]
fn contradictions_are_refused() {
    let (mut program, x) = with_input(4, -8, 7);
    let y = value(&mut program, "l/y", -8, 7);
    program.affine("l/y", y, vec![(1, x)], 0);
    program.affine("l/other", y, vec![(1, x)], 100);
    match program.check(LIMIT) {
        Err(BoundsError::Malformed { scope, what }) => {
            assert_eq!((scope.as_str(), what.as_str()), ("l/other", "no value of `l/y` satisfies this"));
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn undefined_and_late_definitions_are_refused() {
    let (mut program, x) = with_input(4, -8, 7);
    let y = value(&mut program, "l/y", -8, 7);
    assert!(matches!(program.check(LIMIT), Err(BoundsError::Malformed { .. })), "never defined");
    let z = value(&mut program, "l/z", -8, 7);
    program.affine("l/z", z, vec![(1, y)], 0);
    program.affine("l/y", y, vec![(1, x)], 0);
    assert!(matches!(program.check(LIMIT), Err(BoundsError::Malformed { .. })), "used before defined");
}

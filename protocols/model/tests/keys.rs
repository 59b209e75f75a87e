//! Keys and statements that a verifier must survive or refuse.

use zkml_core::{Bounds, BoundsError, Goldilocks, Program, Residence, Shape, Suite, Table, TensorId};
use zkml_model::{FixedValues, Statement, VerifyingKey};
use zkml_registry::Registry;

fn vector(program: &mut Program, name: impl Into<String>, bounds: Bounds, residence: Residence) -> TensorId {
    program.tensor(name, Shape::new([4]).unwrap(), bounds, residence)
}

/// `x` is looked up in `{3, 2^63 - 1}` and in `{2^63 - 1 - p, 5}`. As integers the tables have no wider
/// common range than `[3, 5]`, but `2^63 - 1` and `2^63 - 1 - p` are one field element.
#[test]
fn tables_whose_entries_wrap_do_not_bound_anything() {
    const P: i128 = (1 << 64) - (1 << 32) + 1;
    let congruent = i64::try_from(i128::from(i64::MAX) - P).unwrap();
    let mut program = Program::default();
    let x = vector(&mut program, "x", Bounds::new(3, 5), Residence::Committed);
    let tables = [("a", vec![3, i64::MAX]), ("b", vec![congruent, 5])];
    for (name, entries) in tables {
        program.lookup(name, Table::listed(name, vec![entries]).unwrap(), vec![vec![x]]);
    }
    let refused = program.check(Goldilocks::max_magnitude());
    assert!(matches!(refused, Err(BoundsError::Wrap { .. })), "{refused:?}");
}

/// `v_{k+1} = 0·v_k + 0·v_k`: an upper bound on the number of claims doubles at every step.
#[test]
fn a_key_cannot_overflow_the_count_of_claims() {
    let mut program = Program::default();
    let out = vector(&mut program, "out", Bounds::new(0, 0), Residence::Public);
    let mut last = vector(&mut program, "in", Bounds::new(0, 1), Residence::Public);
    for k in 0..70 {
        let next = vector(&mut program, format!("v{k}"), Bounds::new(0, 0), Residence::Virtual);
        program.affine(format!("a{k}"), next, vec![(0, last), (0, last)], 0);
        last = next;
    }
    program.affine("end", out, vec![(1, last)], 0);
    let statement = Statement {
        suite: Goldilocks::ID.to_owned(),
        assignments: vec![None; 71],
        program,
        security_bits: 100,
        allow_weak: false,
    };
    let key = VerifyingKey { statement, fixed: FixedValues::Clear(vec![]) }.to_bytes().unwrap();
    assert!(zkml_model::verify::<Goldilocks>(&key, b"zkmlpub1", b"", &Registry).is_err());
}

#[test]
fn shapes_that_explode_into_blocks_are_refused() {
    let mut program = Program::default();
    let shape = Shape::new([3; 14]).unwrap();
    program.tensor("t/x", shape, Bounds::new(0, 1), Residence::Public);
    assert!(matches!(program.check(Goldilocks::max_magnitude()), Err(BoundsError::Malformed { .. })));
}

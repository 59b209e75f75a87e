//! The packed prover sends the bytes of the plain reference prover, whatever the size and the number of threads.

mod common;

use common::{Case, reference, tables};
use zkml_core::{Bn254, Goldilocks, Goldilocks3, Suite, Table};

fn assert_parity<S: Suite>(table: &Table, shapes: &[&[usize]], seed: u64) {
    let case = Case::random(table, shapes, seed);
    let expected = reference::<S>(&case, |_| (), |_| ());
    for threads in [1, 2] {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        let (proof, claims) = pool.install(|| case.prove::<S>()).unwrap();
        let what = format!("{} {shapes:?} seed {seed} threads {threads} {}", table.name(), S::ID);
        assert!(proof == expected, "{what}: other bytes");
        assert_eq!(case.verify::<S>(&proof), Ok(claims.clone()), "{what}");
        assert!(claims.iter().all(|claim| case.holds::<S>(claim)), "{what}");
    }
}

#[test]
fn parity_for_every_small_number_of_leaves() {
    for leaves in (1..=70).chain([127, 128, 129, 191, 255, 256, 257, 300]) {
        assert_parity::<Goldilocks>(&Table::Range { bits: 3 }, &[&[leaves]], leaves as u64);
    }
}

#[test]
fn parity_for_every_table_and_stack_of_shapes() {
    let shapes: [&[&[usize]]; 7] = [
        &[&[]],
        &[&[1], &[1, 1]],
        &[&[3, 5], &[2]],
        &[&[24], &[24], &[24]],
        &[&[17, 3], &[], &[64]],
        &[&[6, 7, 5]],
        &[&[16, 16], &[130]],
    ];
    for table in tables() {
        for (shapes, seed) in shapes.iter().zip(100..) {
            assert_parity::<Goldilocks>(&table, shapes, seed);
            assert_parity::<Goldilocks3>(&table, shapes, seed);
            assert_parity::<Bn254>(&table, shapes, seed);
        }
    }
}

#[test]
fn parity_where_the_work_is_split_among_threads() {
    let relu = &tables()[3];
    assert_parity::<Goldilocks>(&Table::Range { bits: 7 }, &[&[129, 129]], 1);
    assert_parity::<Goldilocks>(relu, &[&[1 << 15]], 2);
    assert_parity::<Goldilocks3>(relu, &[&[100, 200], &[31, 33]], 3);
    assert_parity::<Bn254>(relu, &[&[100, 200], &[31, 33]], 3);
    assert_parity::<Goldilocks>(&Table::Range { bits: 14 }, &[&[5000], &[3, 70]], 4);
}

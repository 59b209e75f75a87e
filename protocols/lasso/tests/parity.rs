//! The packed prover sends the bytes of the plain reference prover, whatever the table, the size and the threads; and
//! what is proven is true.

mod common;

use common::{Case, Hooks, both, clamp, fractions, reference, triple};
use zkml_core::{Bn254, Goldilocks, Goldilocks3, Suite, Table};
use zkml_lasso::Chunks::{self, Auto, Exactly};
use zkml_lasso::{Lasso, MemoryCheck};

fn assert_parity<S: Suite>(chunks: Chunks, table: &Table, shapes: &[&[usize]], seed: u64) {
    for check in [MemoryCheck::GrandProduct, MemoryCheck::Logup] {
        assert_parity_of::<S>(check, Lasso::new(chunks, check), table, shapes, seed);
    }
}

fn assert_parity_of<S: Suite>(check: MemoryCheck, protocol: Lasso, table: &Table, shapes: &[&[usize]], seed: u64) {
    let case = Case::random(protocol, table, shapes, seed);
    let expected = match check {
        MemoryCheck::GrandProduct => reference::<S>(&case, &Hooks::none()),
        MemoryCheck::Logup => fractions::reference::<S>(&case, None, |_| ()),
    };
    for threads in [1, 2] {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        let (proof, claims) = pool.install(|| case.prove::<S>()).unwrap();
        let what = format!("{} {shapes:?} seed {seed} threads {threads} {} {protocol:?}", table.name(), S::ID);
        assert!(proof == expected, "{what}: other bytes");
        assert_eq!(case.verify::<S>(&proof), Ok(claims.clone()), "{what}");
        assert!(claims.iter().all(|claim| case.holds::<S>(claim)), "{what}");
    }
}

#[test]
fn parity_for_every_small_number_of_leaves() {
    for leaves in (1..=40).chain([63, 64, 65, 127, 129, 200, 257]) {
        assert_parity::<Goldilocks>(Exactly(1), &Table::Range { bits: 3 }, &[&[leaves]], leaves as u64);
        assert_parity::<Goldilocks>(Exactly(3), &Table::Range { bits: 7 }, &[&[leaves]], leaves as u64);
        assert_parity::<Goldilocks>(Exactly(2), &clamp(), &[&[leaves]], leaves as u64);
    }
}

#[test]
fn parity_for_every_table_and_stack_of_shapes() {
    let shapes: [&[&[usize]]; 6] =
        [&[&[]], &[&[1], &[1, 1]], &[&[3, 5], &[2]], &[&[17, 3], &[], &[64]], &[&[6, 7, 5]], &[&[16, 16], &[130]]];
    let integers = Table::listed("integers", vec![(-20..44).collect()]).unwrap();
    let cases = [
        (Exactly(1), Table::Range { bits: 0 }),
        (Exactly(1), triple()),
        (Exactly(1), clamp()),
        (Exactly(2), clamp()),
        (Exactly(2), integers),
        (Exactly(4), Table::Range { bits: 9 }),
        (Auto, Table::Range { bits: 12 }),
    ];
    for (chunks, table) in &cases {
        for (shapes, seed) in shapes.iter().zip(100..) {
            assert_parity::<Goldilocks>(*chunks, table, shapes, seed);
            assert_parity::<Goldilocks3>(*chunks, table, shapes, seed);
            assert_parity::<Bn254>(*chunks, table, shapes, seed);
        }
    }
}

#[test]
fn parity_where_the_work_is_split_among_threads() {
    assert_parity::<Goldilocks>(Exactly(1), &Table::Range { bits: 7 }, &[&[129, 129]], 1);
    assert_parity::<Goldilocks>(Exactly(2), &clamp(), &[&[100, 200], &[31, 33]], 2);
}

/// Table sizes `2^4 … 2^16`, fewer and more lookups than rows, one address, every address once.
#[test]
fn completeness_for_every_ratio_of_reads_and_rows() {
    for bits in [4, 8, 12, 16] {
        for count in 1..=4 {
            for protocol in both(count) {
                let table = Table::Range { bits };
                for leaves in [7, 300] {
                    let case = Case::random(protocol, &table, &[&[leaves]], u64::from(bits));
                    assert!(case.convinces::<Goldilocks>(), "{bits} bits, {leaves} random reads, {protocol:?}");
                    let one = Case::with_rows(protocol, &table, &[&[leaves]], &[vec![table.rows() - 1; leaves]]);
                    assert!(one.convinces::<Goldilocks>(), "{bits} bits, {leaves} reads of the last row, {protocol:?}");
                }
            }
        }
    }
    let table = Table::Range { bits: 8 };
    for protocol in [both(1), both(2)].concat() {
        let each = Case::with_rows(protocol, &table, &[&[256]], &[(0..256).rev().collect()]);
        assert!(each.convinces::<Goldilocks>(), "every row once, {protocol:?}");
    }
}

/// Reads of rows 2, 0, 2, 2 of four.
#[test]
fn counters_of_the_hand_computed_vector() {
    for protocol in both(1) {
        let case = Case::with_rows(protocol, &Table::Range { bits: 2 }, &[&[4]], &[vec![2, 0, 2, 2]]);
        assert_eq!(case.values(case.named("read-counters.0")), [0, 0, 1, 2]);
        assert_eq!(case.values(case.named("final-counters.0")), [1, 0, 3, 0]);
        assert!(case.convinces::<Goldilocks>());
    }
}

//! Attacks, each by a prover that knows the verifier.

mod common;

use common::{Case, Hooks, both, chunks, clamp, fractions, reference, triple};
use p3_field::{Field, PrimeCharacteristicRing};
use zkml_core::{
    Goldilocks, Goldilocks3, LayerVerifier, Lookup, ProveError, Relation, Suite, Table, TensorId, VerifyError,
};
use zkml_lasso::Lasso;

type S = Goldilocks;
type EF = <S as Suite>::Challenge;

const SHAPES: [&[&[usize]]; 3] = [&[&[8]], &[&[3, 5], &[2]], &[&[37]]];

/// Replaces every memory's product of reads by the one that balances the other three.
fn balance(roots: &mut [[EF; 4]]) {
    for [read, write, init, last] in roots {
        *read = *init * *write * last.inverse();
    }
}

/// Replaces every memory's sum over reads by the one that cancels the sum over rows.
fn cancel(roots: &mut [[EF; 4]]) {
    for [numerator, denominator, rows, over] in roots {
        *numerator = -*rows * *denominator * over.inverse();
    }
}

/// Rejects the honest prover's and the root-forging prover's proofs of a false statement.
fn assert_unprovable(case: &Case, what: &str) {
    assert!(!case.convinces::<S>(), "{what}: accepted, {:?}", case.protocol);
    let products = [1, 2, 3].map(chunks).contains(&case.protocol);
    let forged = if products {
        reference::<S>(case, &Hooks { roots: &balance, ..Hooks::none() })
    } else {
        fractions::reference::<S>(case, None, cancel)
    };
    assert!(!case.accepts::<S>(&forged), "{what}: accepted with a forged root, {:?}", case.protocol);
}

/// All cells of a short column, the ends and some of a longer one.
fn cells(length: usize) -> impl Iterator<Item = usize> {
    (0..length).filter(move |&i| length <= 15 || i % 9 == 0 || i + 1 == length)
}

/// One lookup of each kind: one chunk, several, piecewise linear, unstructured; by both checks.
fn honest(shapes: &[&[usize]], seed: u64) -> Vec<Case> {
    let with = |protocols: [Lasso; 2], table: &Table| protocols.map(|p| Case::random(p, table, shapes, seed));
    let cases = [
        with(both(1), &Table::Range { bits: 4 }),
        with(both(3), &Table::Range { bits: 5 }),
        with(both(2), &clamp()),
        with(both(1), &triple()),
    ];
    cases.into_iter().flatten().collect()
}

#[test]
fn soundness_one_value_outside_the_table_in_any_cell() {
    // Half the modulus: the integer furthest from both ends of every interval.
    let half = 0x7fff_ffff_8000_0000_i64;
    for (shapes, seed) in SHAPES.iter().zip(0..) {
        for honest in honest(shapes, seed) {
            for tensor in honest.lookup().tuples.concat() {
                for cell in cells(honest.values(tensor).len()) {
                    for bad in [64, -33, half] {
                        let case = honest.changed(tensor, |values| values[cell] = bad);
                        let Err(ProveError::Unsatisfied { what, .. }) = case.honest_advice() else {
                            panic!("{bad} was counted")
                        };
                        assert!(what.contains(&format!("cell {cell} ")), "{what}");
                        assert_unprovable(&case, &format!("{bad} in cell {cell} of {shapes:?}"));
                    }
                }
            }
        }
    }
}

/// With a single lookup the roots are the leaves: nothing but the comparison of leaves with each other is left.
#[test]
fn soundness_a_single_lookup_outside_the_table() {
    let balance_write = |roots: &mut [[EF; 4]]| {
        for [read, write, init, last] in roots {
            *write = *read * *last * init.inverse();
        }
    };
    for honest in honest(&[&[]], 21) {
        assert!(honest.convinces::<S>());
        let case = honest.changed(TensorId(0), |values| values[0] = 64);
        assert_unprovable(&case, "64");
        if [1, 2, 3].map(chunks).contains(&case.protocol) {
            let forged = reference::<S>(&case, &Hooks { roots: &balance_write, ..Hooks::none() });
            assert!(!case.accepts::<S>(&forged), "accepted with a forged write, {:?}", case.protocol);
        }
    }
}

#[test]
fn soundness_a_range_ends_where_it_ends() {
    for bits in [4_u32, 7] {
        for protocol in [both(1), both(2), both(3)].concat() {
            let rows = vec![0, (1 << bits) - 1, 3];
            let honest = Case::with_rows(protocol, &Table::Range { bits }, &[&[3]], &[rows]);
            assert!(honest.convinces::<S>(), "0 and 2^{bits} - 1");
            for bad in [1 << bits, -1] {
                let case = honest.changed(TensorId(0), |values| values[1] = bad);
                assert_unprovable(&case, &format!("{bad} in a range of {bits} bits"));
            }
        }
    }
}

/// The value stays, its chunks do not: a chunk borrows from the next one, so that one of them leaves its memory.
#[test]
fn soundness_a_chunk_outside_its_memory() {
    for protocol in both(2) {
        let honest = Case::with_rows(protocol, &Table::Range { bits: 6 }, &[&[5]], &[vec![9, 63, 0, 8, 32]]);
        let chunk = honest.named("chunk.1");
        for cell in 0..5 {
            for change in [1, -1, 8, -8] {
                let case = honest.changed(chunk, |values| values[cell] += change);
                assert_unprovable(&case, &format!("{change} added to chunk 1 of lookup {cell}"));
                // With counters as if the borrowed address existed.
                let mut case = case.clone();
                for name in ["read-counters.0", "read-counters.1"] {
                    case = case.changed(case.named(name), |values| values[cell] = 0);
                }
                assert_unprovable(&case, "a borrowed chunk with fresh counters");
            }
        }
    }
}

#[test]
fn soundness_an_address_outside_the_memory_read_by_itself() {
    // One lookup alone outside the table, whatever its counters say.
    for protocol in both(1) {
        let honest = Case::with_rows(protocol, &Table::Range { bits: 2 }, &[&[4]], &[vec![2, 0, 2, 2]]);
        for counter in [0, 1, -1, 3] {
            for last in [[1, 0, 2, 0], [1, 0, 3, 0], [1, 0, 2, 1], [2, 0, 2, 0]] {
                let case = honest.changed(TensorId(0), |values| values[3] = 4);
                let case = case.changed(case.named("read-counters.0"), |values| values[3] = counter);
                let case = case.changed(case.named("final-counters.0"), |values| *values = last.to_vec());
                assert_unprovable(&case, &format!("address 4 of 4, counter {counter}, {last:?}"));
            }
        }
    }
}

#[test]
fn soundness_forged_counters() {
    for (shapes, seed) in SHAPES.iter().zip(20..) {
        for honest in honest(shapes, seed) {
            for tensor in honest.advice.clone() {
                let values = honest.values(tensor);
                for cell in cells(values.len()) {
                    for delta in [1, -1, 1 << 33] {
                        let case = honest.changed(tensor, |values| values[cell] += delta);
                        assert_unprovable(&case, &format!("{delta} added to advice {} [{cell}]", tensor.0));
                    }
                }
                let wrong: [(&str, Vec<i64>); 2] =
                    [("all zero", vec![0; values.len()]), ("negated", values.iter().map(|v| -v).collect())];
                for (what, wrong) in wrong {
                    if wrong != values {
                        assert_unprovable(&honest.changed(tensor, |v| *v = wrong), what);
                    }
                }
            }
        }
    }
}

/// Two reads of one row may exchange their counters: the multisets stay the same. Reads of different rows may not.
#[test]
fn soundness_swapped_counters_are_harmless_within_a_row_only() {
    for protocol in both(1) {
        let rows = vec![2, 0, 2, 2, 1, 1];
        let honest = Case::with_rows(protocol, &Table::Range { bits: 2 }, &[&[6]], std::slice::from_ref(&rows));
        let reads = honest.named("read-counters.0");
        // Two blocks, of four and two cells: leaf order is cell order.
        let times = honest.values(reads);
        assert_eq!(times, [0, 0, 1, 2, 0, 1]);
        for i in 0..6 {
            for j in 0..i {
                let case = honest.changed(reads, |values| values.swap(i, j));
                if rows[i] == rows[j] || times[i] == times[j] {
                    assert!(case.convinces::<S>(), "counters {i} and {j} of one row exchanged");
                } else {
                    assert_unprovable(&case, &format!("counters {i} and {j} of two rows exchanged"));
                }
            }
        }
    }
}

#[test]
fn soundness_final_counters_from_another_run() {
    for (one, other) in honest(&[&[37]], 40).into_iter().zip(honest(&[&[37]], 41)) {
        for memory in 0..(one.advice.len() / 2).min(3) {
            for kind in ["read-counters", "final-counters"] {
                let name = format!("{kind}.{memory}");
                if !one.advice.iter().any(|&t| one.program.get(t).is_some_and(|t| t.name == name)) {
                    continue;
                }
                let theirs = other.values(other.named(&name));
                if theirs != one.values(one.named(&name)) {
                    assert_unprovable(&one.changed(one.named(&name), |values| *values = theirs), &name);
                }
            }
        }
        let all = one.advice.iter().fold(one.clone(), |case, &t| case.changed(t, |values| *values = other.values(t)));
        assert_unprovable(&all, "all advice of another run");
    }
}

#[test]
fn soundness_zero_products() {
    let honest = Case::random(chunks(2), &Table::Range { bits: 5 }, &[&[37]], 6);
    for memory in 0..2 {
        for zeros in [vec![0], vec![1], vec![2], vec![0, 1], vec![0, 2], vec![1, 3], vec![2, 3], vec![0, 1, 2, 3]] {
            let forge = |roots: &mut [[EF; 4]]| zeros.iter().for_each(|&i| roots[memory][i] = EF::ZERO);
            let forged = reference::<S>(&honest, &Hooks { roots: &forge, ..Hooks::none() });
            let error = honest.verify::<S>(&forged).unwrap_err().to_string();
            assert!(error.contains("a product differing from zero"), "{zeros:?}: {error}");
        }
    }
}

/// The first elements of a proof by sums of fractions are the roots.
#[test]
fn soundness_zero_denominators() {
    let honest = Case::random(both(1)[1], &Table::Range { bits: 3 }, &[&[37]], 7);
    let (proof, _) = honest.prove::<S>().unwrap();
    let width = S::challenge_bytes();
    for zeros in [vec![1], vec![3], vec![1, 3], vec![0, 1], vec![2, 3], vec![0, 1, 2, 3]] {
        let mut forged = proof.clone();
        for &i in &zeros {
            forged[i * width..(i + 1) * width].fill(0);
        }
        let error = honest.verify::<S>(&forged).unwrap_err().to_string();
        assert!(error.contains("denominator differing from zero"), "{zeros:?}: {error}");
    }
}

/// The trees of fractions are those of other reads, so that the sums cancel; the squares under their leaves are true.
#[test]
fn soundness_denominators_that_are_not_those_of_the_reads() {
    for (table, count) in [(Table::Range { bits: 4 }, 1), (Table::Range { bits: 6 }, 2), (triple(), 1)] {
        let honest = Case::random(both(count)[1], &table, &[&[13]], 22);
        assert!(honest.accepts::<S>(&fractions::reference::<S>(&honest, Some(&honest), |_| ())));
        for cell in 0..13 {
            let case = honest.changed(TensorId(0), |values| values[cell] = 77);
            let forged = fractions::reference::<S>(&case, Some(&honest), |_| ());
            let error = case.verify::<S>(&forged).unwrap_err().to_string();
            assert!(error.contains("the lookup leaves' denominators"), "cell {cell}: {error}");
        }
    }
}

#[test]
fn soundness_swapped_products_memories_and_children() {
    let honest = Case::random(chunks(2), &Table::Range { bits: 8 }, &[&[16]], 8);
    let accepts = |roots: &dyn Fn(&mut [[EF; 4]]), children: &dyn Fn(usize, &mut [[EF; 2]])| {
        honest.accepts::<S>(&reference::<S>(&honest, &Hooks { roots, children, pretence: None }))
    };
    let (keep_roots, keep) = (|_: &mut [[EF; 4]]| (), |_: usize, _: &mut [[EF; 2]]| ());
    assert!(accepts(&keep_roots, &keep));
    for memory in 0..2 {
        for i in 0..4 {
            for j in 0..i {
                assert!(!accepts(&|roots| roots[memory].swap(i, j), &keep), "products {i} and {j}");
            }
        }
        // Init and final exchanged, reads and writes too: the equation still holds.
        let all = |roots: &mut [[EF; 4]]| {
            roots[memory].swap(0, 1);
            roots[memory].swap(2, 3);
        };
        assert!(!accepts(&all, &keep), "both sides exchanged");
    }
    assert!(!accepts(&|roots| roots.swap(0, 1), &keep), "memories permuted");
    assert!(!accepts(&|roots| roots[1] = roots[0], &keep), "one memory proven twice");
    assert!(!accepts(&|roots| roots[1] = [EF::ONE; 4], &keep), "one memory dropped");
    assert!(!accepts(&balance, &|k, children| children[0][0] += EF::from_bool(k == 2)), "a child");
    for layer in 0..4 {
        for tree in 0..8 {
            let swap = |k: usize, children: &mut [[EF; 2]]| {
                if k == layer {
                    children[tree].swap(0, 1);
                }
            };
            // What is written back at the leaves is not sent.
            if !(layer == 3 && tree % 4 == 1) {
                assert!(!accepts(&keep_roots, &swap), "layer {layer}: children of tree {tree} exchanged");
            }
        }
        let trees = |k: usize, children: &mut [[EF; 2]]| {
            if k == layer {
                children.swap(0, 2);
            }
        };
        assert!(!accepts(&keep_roots, &trees), "layer {layer}: trees of reads and rows exchanged");
    }
}

#[test]
fn soundness_every_byte_flipped() {
    fn run<S: Suite>(case: &Case) {
        let (proof, _) = case.prove::<S>().unwrap();
        assert!(case.accepts::<S>(&proof));
        for byte in 0..proof.len() {
            let mut other = proof.clone();
            other[byte] ^= 1 << (byte % 8);
            assert!(!case.accepts::<S>(&other), "byte {byte} of {}, {:?}", proof.len(), case.protocol);
        }
    }
    for case in honest(&[&[3, 5], &[2]], 9) {
        run::<Goldilocks>(&case);
    }
    for case in honest(&[&[1]], 10) {
        run::<Goldilocks3>(&case);
    }
}

#[test]
fn soundness_truncated_and_extended() {
    for case in honest(&[&[11]], 11) {
        let (proof, _) = case.prove::<S>().unwrap();
        for length in 0..proof.len() {
            assert!(case.verify::<S>(&proof[..length]).is_err());
        }
        assert!(case.verify::<S>(&[proof.as_slice(), &[0]].concat()).is_err());
        assert!(case.verify::<S>(&[proof.as_slice(), &[0; 16]].concat()).is_err());
    }
}

#[test]
fn soundness_replay_on_another_witness_or_number_of_lookups() {
    for (case, other) in honest(&[&[20], &[20]], 12).into_iter().zip(honest(&[&[20], &[20]], 13)) {
        let (proof, _) = case.prove::<S>().unwrap();
        assert!(!other.accepts::<S>(&proof), "another witness");
        let [a, b] = [0, 1].map(|t| case.lookup().tuples[t][0]);
        let swapped = case.changed(a, |v| *v = case.values(b)).changed(b, |v| *v = case.values(a));
        assert!(!swapped.accepts::<S>(&proof), "another order of columns");
    }
    let longer = Case::random(chunks(1), &Table::Range { bits: 4 }, &[&[21]], 14);
    let shorter = Case::random(chunks(1), &Table::Range { bits: 4 }, &[&[20]], 14);
    let (proof, _) = longer.prove::<S>().unwrap();
    assert!(!shorter.accepts::<S>(&proof), "another number of lookups");
}

/// Another table of the same size: one that lacks a row, one under another name, one of another kind.
#[test]
fn soundness_another_table() {
    for case in honest(&[&[20]], 15) {
        let (proof, _) = case.prove::<S>().unwrap();
        let table = &case.lookup().table;
        let used = case.values(case.lookup().tuples[0][0])[0];
        let columns: Vec<Vec<i64>> =
            (0..table.width()).map(|c| (0..table.rows()).map(|row| table.get(c, row).unwrap()).collect()).collect();
        let mut without = columns.clone();
        let gone: Vec<usize> = (0..table.rows()).filter(|&row| columns[0][row] == used).collect();
        for &row in &gone {
            without[0][row] = 9999;
        }
        let mut shifted = columns;
        shifted.iter_mut().flatten().for_each(|v| *v += 1);
        for columns in [without, shifted] {
            let other = Table::listed(table.name(), columns).unwrap();
            let told = with_table(&case, other);
            assert!(!told.accepts::<S>(&proof), "{:?}", case.protocol);
            // Advice for a table of another structure is refused, not misread; for one of the same it proves nothing.
            if let Ok((proof, _)) = told.prove::<S>() {
                assert!(!told.accepts::<S>(&proof), "{:?}", case.protocol);
            }
        }
    }
}

fn with_table(case: &Case, table: Table) -> Case {
    let mut told = case.clone();
    let tuples: Vec<Vec<TensorId>> = case.lookup().tuples.clone();
    let mut program = zkml_core::Program::default();
    for t in case.program.tensors() {
        program.tensor(t.name.clone(), t.shape.clone(), t.bounds, t.residence);
    }
    program.relation(Relation::Lookup(Lookup { scope: "case".to_owned(), table, tuples }));
    told.program = program;
    told
}

/// Piecewise linear tables: a slope, or a low part, that belongs to another run.
#[test]
fn soundness_another_slope_or_low_part() {
    for protocol in both(2) {
        // x = -20 -> -8 in a flat run, x = 3 -> 3 in a steep one.
        let honest = Case::with_rows(protocol, &clamp(), &[&[4]], &[vec![12, 35, 33, 63]]);
        assert!(honest.convinces::<S>());
        let (low, slope) = (honest.named("low"), honest.named("slope"));
        for cell in 0..4 {
            assert_unprovable(&honest.changed(slope, |v| v[cell] = 1 - v[cell]), "the other slope");
            assert_unprovable(&honest.changed(low, |v| v[cell] += 8), "a low part beyond its run");
            assert_unprovable(&honest.changed(low, |v| v[cell] = (v[cell] + 1) % 8), "another low part");
        }
        // y = x + slope error that the slope would explain.
        let case = honest.changed(TensorId(1), |y| y[0] += 4).changed(slope, |v| v[0] = 1);
        assert_unprovable(&case, "a steep slope in a flat run");
    }
}

/// The memory check is run on the offsets that belong to the right outputs, and the claimed sum of `slope · low` makes up
/// for the wrong ones: all is consistent but the primary sumcheck.
#[test]
fn soundness_a_claimed_product_that_explains_a_wrong_output() {
    let honest = Case::random(chunks(2), &clamp(), &[&[13]], 20);
    let told = Hooks { pretence: Some(&honest), ..Hooks::none() };
    assert!(honest.accepts::<S>(&reference::<S>(&honest, &told)));
    for cell in 0..13 {
        for delta in [1, -8, 1 << 40] {
            let case = honest.changed(TensorId(1), |y| y[cell] += delta);
            let error = case.verify::<S>(&reference::<S>(&case, &told)).unwrap_err().to_string();
            assert!(error.contains("the primary sumcheck"), "{delta} added to output {cell}: {error}");
        }
    }
}

#[test]
fn advice_that_does_not_fit_is_an_error() {
    for case in honest(&[&[9]], 16) {
        let (proof, _) = case.prove::<S>().unwrap();
        for advice in [vec![], case.advice[1..].to_vec(), case.advice.iter().rev().copied().collect()] {
            let mut other = case.clone();
            other.advice = advice;
            assert!(matches!(other.verify::<S>(&proof), Err(VerifyError::Statement { .. })));
            assert!(matches!(other.prove::<S>(), Err(ProveError::Witness { .. })));
        }
    }
}

#[test]
fn tables_that_do_not_split_so_are_declined_with_a_reason() {
    let decline = |count: usize, table: &Table| {
        let case = Case::random(Lasso::default(), table, &[&[5]], 17);
        LayerVerifier::<S>::supports(&chunks(count), &case.instance()).unwrap_err().to_string()
    };
    let message = decline(2, &triple());
    assert!(message.contains("`triple` is not decomposable") && message.contains("chunks: auto"), "{message}");
    let message = decline(4, &Table::Range { bits: 3 });
    assert!(message.contains("have 3 bits") && message.contains("4 chunks"), "{message}");
    let message = decline(3, &clamp());
    assert!(message.contains("two chunks, not 3"), "{message}");
    for (table, count) in [(triple(), 1), (clamp(), 2), (Table::Range { bits: 3 }, 3)] {
        let case = Case::random(Lasso::default(), &table, &[&[5]], 18);
        LayerVerifier::<S>::supports(&chunks(count), &case.instance()).unwrap();
    }
}

#[test]
fn options_are_read_and_wrong_ones_explained() {
    let options = |key: &str, value: &str| Lasso::from_options(&[(key.to_owned(), value.to_owned())].into());
    assert_eq!(options("chunks", "3"), Ok(chunks(3)));
    assert_eq!(options("memory_check", "grand-product"), Ok(Lasso::default()));
    assert!(options("chunks", "5").unwrap_err().contains("allowed are auto, 1, 2, 3, 4"));
    assert!(options("chunks", "0").is_err());
    assert!(options("memory_check", "log").unwrap_err().contains("grand-product, logup"));
    assert!(options("chunk", "1").unwrap_err().contains("`chunks` and `memory_check`"));
}

#[test]
fn soundness_terms_add_up() {
    let total = |case: &Case| {
        let terms = LayerVerifier::<S>::soundness(&case.protocol, &case.instance());
        terms.iter().map(|t| (t.log2_error + S::challenge_bits()).exp2()).sum::<f64>()
    };
    let [product, logup] = both(2).map(|p| total(&Case::random(p, &clamp(), &[&[37]], 19)));
    // 64 rows are runs of 8 or of 4 by 16; 37 reads of memories of 8 rows and one entry, of 8 rows and three.
    // Depths: 6 for reads, 3 for rows; primary sumcheck 2 · 6; rounds 6 · 5, merge 6.
    let sides = f64::from(45 + 3 * 45);
    assert!((product - (sides + f64::from(3 * 7 + 3 * 3 + 30 + 6 + 12))).abs() < 1e-3, "{product}");
    let fractions = f64::from(89 + 3 * 89 + 90 + 3 * 90);
    let leaves = f64::from(1 + 12 + 2 * 7);
    assert!((logup - (fractions + leaves + f64::from(3 * 3 + 3 + 6 + 30 + 6 + 12))).abs() < 1e-3, "{logup}");
}

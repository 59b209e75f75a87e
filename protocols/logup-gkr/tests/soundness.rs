//! Attacks, each by a prover that knows the verifier.

mod common;

use common::{Case, LayerView, reference, tables};
use p3_field::{Field, PrimeCharacteristicRing};
use zkml_core::{
    Goldilocks, Goldilocks3, LayerProver, LayerVerifier, Lookup, ProveError, Relation, Suite, Table, TensorId,
};
use zkml_logup_gkr::LogupGkr;

type S = Goldilocks;
type EF = <S as Suite>::Challenge;

const SHAPES: [&[&[usize]]; 3] = [&[&[8]], &[&[3, 5], &[2]], &[&[37]]];

/// Replaces the witness root's numerator by the one that cancels the table's root.
fn cancel(roots: &mut [EF; 4]) {
    roots[0] = -roots[2] * roots[1] * roots[3].inverse();
}

/// Rejects the honest prover's and the root-forging prover's proofs of a false statement.
fn assert_unprovable(case: &Case, what: &str) {
    let (proof, _) = case.prove::<S>().unwrap();
    assert!(!case.accepts::<S>(&proof), "{what}: accepted");
    let forged = reference::<S>(case, cancel, |_| ());
    assert!(!case.accepts::<S>(&forged), "{what}: accepted with a forged root");
}

#[test]
fn soundness_one_bad_value_in_any_row_and_column() {
    // Half the modulus: the integer furthest from both ends of every interval.
    let half = 0x7fff_ffff_8000_0000_i64;
    for table in [Table::Range { bits: 4 }, tables()[3].clone()] {
        for (shapes, seed) in SHAPES.iter().zip(0..) {
            let honest = Case::random(&table, shapes, seed);
            for tensor in honest.lookup().tuples.concat() {
                let values = honest.values(tensor);
                for cell in 0..values.len() {
                    for bad in [16, -9, half, i64::MIN] {
                        let mut case = honest.clone();
                        let mut values = values.clone();
                        values[cell] = bad;
                        case.set(tensor, values);
                        let advice = LayerProver::<S>::advice(&LogupGkr, &case.instance(), &case.witness);
                        let Err(ProveError::Unsatisfied { what, .. }) = advice else { panic!("{bad} was counted") };
                        assert!(what.contains(&format!("cell {cell} ")), "{what}");
                        assert_unprovable(&case, &format!("{bad} in cell {cell} of {shapes:?}, seed {seed}"));
                    }
                }
            }
        }
    }
}

#[test]
fn soundness_minus_one_is_not_in_a_range() {
    let mut case = Case::random(&Table::Range { bits: 4 }, &[&[3, 5]], 1);
    let tensor = case.lookup().tuples[0][0];
    for cell in 0..15 {
        let mut values = case.values(tensor);
        values[cell] = -1;
        let mut bad = case.clone();
        bad.set(tensor, values);
        assert_unprovable(&bad, "-1");
    }
    // The same residue is accepted where the table lists it.
    let signed = Table::listed("signed", vec![vec![-3, 5]]).unwrap();
    case = Case::random(&signed, &[&[3, 5]], 2);
    let (proof, _) = case.prove::<S>().unwrap();
    assert!(case.accepts::<S>(&proof));
}

#[test]
fn soundness_columns_of_a_tuple_cannot_be_exchanged() {
    let honest = Case::random(&tables()[3], &[&[3, 5]], 3);
    let tuple = honest.lookup().tuples[0].clone();
    let mut case = honest.clone();
    case.set(tuple[0], honest.values(tuple[1]));
    case.set(tuple[1], honest.values(tuple[0]));
    assert_unprovable(&case, "columns exchanged");
}

#[test]
fn soundness_wrong_multiplicities() {
    for table in [Table::Range { bits: 3 }, tables()[3].clone()] {
        let honest = Case::random(&table, &[&[37], &[5]], 4);
        let counts = honest.multiplicities();
        let mut wrong = vec![("all zero", vec![0; counts.len()])];
        wrong.push(("negated", counts.iter().map(|&m| -m).collect()));
        for row in 0..counts.len() {
            for delta in [1, -1] {
                let mut other = counts.clone();
                other[row] += delta;
                wrong.push(("off by one", other));
            }
            let next = (row + 1) % counts.len();
            if counts[row] != counts[next] {
                let mut other = counts.clone();
                other.swap(row, next);
                wrong.push(("exchanged", other));
                let mut other = counts.clone();
                (other[row], other[next]) = (other[row] + 1, other[next] - 1);
                wrong.push(("right total, wrong split", other));
            }
        }
        for (what, counts) in wrong {
            let mut case = honest.clone();
            case.set(case.advice[0], counts.clone());
            // Equal rows may share their count in any way: only then is the change harmless.
            let same = (0..counts.len()).all(|row| per_value(&honest, row) == per_value(&case, row));
            if !same {
                assert_unprovable(&case, what);
            }
        }
    }
}

/// Total multiplicity of the rows equal to `row`.
fn per_value(case: &Case, row: usize) -> i64 {
    let table = &case.lookup().table;
    let values = |row: usize| (0..table.width()).map(|c| table.get(c, row)).collect::<Vec<_>>();
    let counts = case.multiplicities();
    (0..counts.len()).filter(|&other| values(other) == values(row)).map(|other| counts[other]).sum()
}

#[test]
fn completeness_equal_rows_share_their_multiplicity_in_any_way() {
    let table = Table::listed("twice", vec![vec![7, 7, 1, 7]]).unwrap();
    let mut case = Case::random(&table, &[&[9]], 5);
    let counts = case.multiplicities();
    let (proof, _) = case.prove::<S>().unwrap();
    assert!(case.accepts::<S>(&proof));
    case.set(case.advice[0], vec![counts[0] - 5, 2, counts[2], 3]);
    let (proof, _) = case.prove::<S>().unwrap();
    assert!(case.accepts::<S>(&proof));
}

#[test]
fn soundness_zero_root_denominators() {
    let honest = Case::random(&Table::Range { bits: 3 }, &[&[37]], 6);
    for zeros in [vec![1], vec![3], vec![1, 3], vec![0, 1], vec![2, 3], vec![0, 1, 2, 3]] {
        let forged = reference::<S>(&honest, |roots| zeros.iter().for_each(|&i| roots[i] = EF::ZERO), |_| ());
        let error = honest.verify::<S>(&forged).unwrap_err().to_string();
        assert!(error.contains("denominator differing from zero"), "{zeros:?}: {error}");
    }
}

#[test]
fn soundness_swapped_roots_and_children() {
    let honest = Case::random(&Table::Range { bits: 3 }, &[&[16]], 7);
    let (proof, _) = honest.prove::<S>().unwrap();
    assert_eq!(proof, reference::<S>(&honest, |_| (), |_| ()));
    for (i, j) in [(0, 1), (2, 3), (0, 2), (1, 3)] {
        assert!(!honest.accepts::<S>(&reference::<S>(&honest, |roots| roots.swap(i, j), |_| ())), "roots {i} {j}");
    }
    for k in 0..4 {
        for (i, j) in [(0, 1), (2, 3), (0, 2), (1, 3)] {
            // Known numerators are not sent, and children that are exchanged in both parts leave the gate as it is.
            let swap = |view: LayerView<'_, S>| {
                if view.k == k {
                    view.children[0].swap(i, j);
                }
            };
            if k < 3 || i == 2 {
                assert!(!honest.accepts::<S>(&reference::<S>(&honest, |_| (), swap)), "layer {k}: {i} and {j}");
            }
        }
        let both = |view: LayerView<'_, S>| {
            if view.k == k {
                view.children[0].swap(0, 1);
                view.children[0].swap(2, 3);
            }
        };
        assert!(!honest.accepts::<S>(&reference::<S>(&honest, |_| (), both)), "layer {k}: exchanged children");
        if k < 3 {
            let trees = |view: LayerView<'_, S>| {
                if view.k == k {
                    view.children.swap(0, 1);
                }
            };
            assert!(!honest.accepts::<S>(&reference::<S>(&honest, |_| (), trees)), "layer {k}: exchanged trees");
        }
    }
}

/// The "adaptive merge": choose the children so that both the layer's gate equation and the *next* layer's claim
/// hold for challenges `c, λ'` that are already known. Against a verifier that draws `c` without absorbing the
/// children, any false root is accepted; here `c` changes with them.
#[test]
fn soundness_adaptive_merge_forgery() {
    let mut case = Case::random(&Table::Range { bits: 0 }, &[&[16]], 8);
    let tensor = case.lookup().tuples[0][0];
    let mut values = case.values(tensor);
    values[11] = 5;
    case.set(tensor, values);
    let mut forged_layers = 0;
    let forged = reference::<S>(&case, cancel, |view: LayerView<'_, S>| {
        if view.k != 0 {
            return;
        }
        // The challenges as they would be drawn had the children not been absorbed.
        let mut early = view.transcript.clone();
        let (c, next) = (early.challenge(), early.challenge());
        let [n0, n1, d0, d1] = view.children[0];
        let merged = |a: EF, b: EF| a + c * (b - a);
        let truth = merged(n0, n1) + next * merged(d0, d1);
        let gate = |[n0, n1, d0, d1]: [EF; 4]| n0 * d1 + n1 * d0 + view.lambda * d0 * d1;
        assert_ne!(gate([n0, n1, d0, d1]), view.claim, "the root is false");
        let (f0, f1) = (EF::from_u64(17), EF::from_u64(4));
        // f1 x + f0 y = claim - λ f0 f1 and (1 - c) x + c y = truth - λ' ((1 - c) f0 + c f1).
        let (e, h) = (view.claim - view.lambda * f0 * f1, truth - next * merged(f0, f1));
        let inverse = (f1 * c - f0 * (EF::ONE - c)).inverse();
        let x = (e * c - h * f0) * inverse;
        let y = (h * f1 - e * (EF::ONE - c)) * inverse;
        let children = [x, y, f0, f1];
        assert_eq!(gate(children), view.claim, "the forgery satisfies the layer");
        assert_eq!(merged(x, y) + next * merged(f0, f1), truth, "and makes the next claim true");
        view.children[0] = children;
        forged_layers += 1;
    });
    assert_eq!(forged_layers, 1);
    assert!(!case.accepts::<S>(&forged));
}

#[test]
fn soundness_every_byte_flipped() {
    fn run<S: Suite>(table: &Table, shapes: &[&[usize]]) {
        let case = Case::random(table, shapes, 9);
        let (proof, _) = case.prove::<S>().unwrap();
        assert!(case.accepts::<S>(&proof));
        for byte in 0..proof.len() {
            for bit in [1, 0x80] {
                let mut other = proof.clone();
                other[byte] ^= bit;
                assert!(!case.accepts::<S>(&other), "byte {byte} of {}", proof.len());
            }
        }
    }
    run::<Goldilocks>(&Table::Range { bits: 4 }, &[&[37]]);
    run::<Goldilocks>(&tables()[3], &[&[3, 5], &[2]]);
    run::<Goldilocks3>(&Table::Range { bits: 0 }, &[&[5]]);
}

#[test]
fn soundness_truncated_and_extended() {
    let case = Case::random(&tables()[4], &[&[11]], 10);
    let (proof, _) = case.prove::<S>().unwrap();
    for length in 0..proof.len() {
        assert!(case.verify::<S>(&proof[..length]).is_err());
    }
    assert!(case.verify::<S>(&[proof.as_slice(), &[0]].concat()).is_err());
    assert!(case.verify::<S>(&[proof.as_slice(), &[0; 16]].concat()).is_err());
}

#[test]
fn soundness_replay_on_another_witness_or_table() {
    let case = Case::random(&Table::Range { bits: 4 }, &[&[20], &[20]], 11);
    let (proof, _) = case.prove::<S>().unwrap();
    let [a, b] = [0, 1].map(|t| case.lookup().tuples[t][0]);
    let mut swapped = case.clone();
    swapped.set(a, case.values(b));
    swapped.set(b, case.values(a));
    assert!(!swapped.accepts::<S>(&proof), "another order of columns");
    let other = Case::random(&Table::Range { bits: 4 }, &[&[20], &[20]], 12);
    assert!(!other.accepts::<S>(&proof), "another witness");
    // Another table of the same size, also if the prover commits to the same values.
    let rows: Vec<i64> = (0..16).map(|v| if v == case.values(a)[0] { 99 } else { v }).collect();
    for table in [Table::listed("other", vec![rows]).unwrap(), Table::Range { bits: 3 }] {
        let mut told = case.clone();
        let tuples: Vec<Vec<TensorId>> = case.lookup().tuples.clone();
        let mut program = zkml_core::Program::default();
        for t in case.program.tensors() {
            program.tensor(t.name.clone(), t.shape.clone(), t.bounds, t.residence);
        }
        program.relation(Relation::Lookup(Lookup { scope: "case".to_owned(), table, tuples }));
        told.program = program;
        assert!(!told.accepts::<S>(&proof), "another table");
    }
}

#[test]
fn soundness_a_pole_stops_the_prover_and_the_verifier() {
    // Denominators are zero only for an unlucky α, so the root's zero is what a verifier would see.
    let case = Case::random(&Table::Range { bits: 2 }, &[&[6]], 13);
    let forged = reference::<S>(&case, |roots| (roots[0], roots[1]) = (EF::ZERO, EF::ZERO), |_| ());
    assert!(case.verify::<S>(&forged).is_err());
    let zero = zkml_sumcheck::lookup::Fraction { numerator: EF::ONE, denominator: EF::ZERO };
    let one = zkml_sumcheck::lookup::Fraction { numerator: EF::ONE, denominator: EF::ONE };
    for (witness, table) in [(zero, one), (one, zero)] {
        let mut transcript = zkml_core::ProverTranscript::<S>::new();
        let result = zkml_sumcheck::lookup::write_roots(witness, table, &mut transcript);
        assert!(matches!(result, Err(ProveError::UnluckyChallenge { .. })));
    }
}

#[test]
fn soundness_terms_add_up() {
    let case = Case::random(&tables()[3], &[&[37]], 14);
    let terms = LayerVerifier::<S>::soundness(&LogupGkr, &case.instance());
    let total: f64 = terms.iter().map(|t| (t.log2_error + S::challenge_bits()).exp2()).sum();
    // 37 + 16 fractions of degree 1: 52 + 53; depths 6 and 4: 2 · 15 round degrees, 6 λ, 4 ρ, 6 c.
    assert!((total - f64::from(52 + 53 + 30 + 6 + 4 + 6)).abs() < 1e-3, "{total}");
}

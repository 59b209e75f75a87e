//! The scaffolding against direct evaluation.

use p3_field::{PackedFieldExtension, PrimeCharacteristicRing};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use zkml_core::{
    Bounds, Goldilocks, Instance, Program, ProveError, ProverTranscript, Relation, Residence, Shape, Suite, Table,
    TensorId, VerifierTranscript, Witness, mle,
};
use zkml_device::Column;

use super::*;

type S = Goldilocks;
type EF = <S as Suite>::Challenge;
type Packing = <EF as p3_field::ExtensionField<<S as Suite>::Base>>::ExtensionPacking;

/// A program with one lookup: a tuple per shape, as many columns as the table.
fn program(table: &Table, shapes: &[&[usize]], seed: u64) -> (Program, Witness, Vec<TensorId>) {
    let mut rng = StdRng::seed_from_u64(seed);
    let mut program = Program::default();
    let mut witness = Witness::default();
    let mut tuples = Vec::new();
    for (t, dims) in shapes.iter().enumerate() {
        let shape = Shape::new(dims.to_vec()).unwrap();
        let rows: Vec<usize> = (0..shape.cells()).map(|_| rng.random_range(0..table.rows())).collect();
        let mut tuple = Vec::new();
        for c in 0..table.width() {
            let (lo, hi) = table.bounds(c).unwrap();
            let tensor = program.tensor(format!("w{t}.{c}"), shape.clone(), Bounds::new(lo, hi), Residence::Committed);
            let values = rows.iter().map(|&row| table.get(c, row).unwrap()).collect();
            witness.set_i64(&program, tensor, values);
            tuple.push(tensor);
        }
        tuples.push(tuple);
    }
    program.lookup("test", table.clone(), tuples);
    let shape = Shape::new([table.rows()]).unwrap();
    let advice = program.tensor("multiplicities", shape, Bounds::new(0, 1 << 30), Residence::Committed);
    (program, witness, vec![advice])
}

const SHAPES: [&[&[usize]]; 6] =
    [&[&[]], &[&[3]], &[&[5, 7], &[64, 3]], &[&[2, 3, 4], &[1], &[9]], &[&[37, 128]], &[&[3, 64, 2], &[700]]];

fn tables() -> Vec<Table> {
    vec![
        Table::Range { bits: 0 },
        Table::Range { bits: 5 },
        Table::listed("relu", vec![(-8..8).collect(), (-8..8).map(|x: i64| x.max(0)).collect()]).unwrap(),
    ]
}

#[test]
fn leaves_hold_every_cell_once_in_aligned_blocks() {
    for (shapes, seed) in SHAPES.iter().zip(0..) {
        let (program, witness, advice) = program(&Table::Range { bits: 12 }, shapes, seed);
        let instance = Instance { program: &program, relation: &program.relations()[0], advice: &advice };
        let layout = Layout::new(&instance).unwrap();
        let columns = LeafColumns::new(&instance, &layout, &witness).unwrap();
        let mut expected = Vec::new();
        for block in layout.blocks() {
            assert_eq!(block.start % block.block.cells(), 0);
            assert_eq!(block.start, expected.len());
            let tensor = lookup(&instance).unwrap().tuples[block.tuple][0];
            let values = witness.get(tensor).unwrap();
            let indices = block.block.indices(&layout.shapes()[block.tuple]);
            expected.extend(indices.iter().map(|&i| S::from_i64(values.get(i).unwrap())));
        }
        assert_eq!(expected.len(), layout.leaves());
        let gathered = columns.gather(0);
        assert_eq!(gathered.to_i64().into_iter().map(S::from_i64).collect::<Vec<_>>(), expected);
        assert!(matches!(gathered, Column::I16(_)), "values below 2^12");
        for first in [0, 1, layout.leaves() / 3, layout.leaves() - 1] {
            let mut out = vec![<S as Suite>::Base::ZERO; layout.leaves() - first];
            columns.fill::<S>(0, first, &mut out);
            assert_eq!(out, expected[first..], "shapes {shapes:?} seed {seed} first {first}");
        }
    }
}

#[test]
fn closing_accepts_exactly_the_true_leaf_claim() {
    for table in tables() {
        for (shapes, seed) in SHAPES.iter().zip(0..) {
            let (program, witness, advice) = program(&table, shapes, seed);
            let instance = Instance { program: &program, relation: &program.relations()[0], advice: &advice };
            let layout = Layout::new(&instance).unwrap();
            let columns = LeafColumns::new(&instance, &layout, &witness).unwrap();
            let mut prover = ProverTranscript::<S>::new();
            let fingerprint = Fingerprint::draw(layout.width(), || prover.challenge());
            let point = prover.challenges(layout.variables());

            let packed: Vec<Packing> = columns.denominators::<S>(&fingerprint);
            let mut leaves: Vec<EF> =
                <Packing as PackedFieldExtension<<S as Suite>::Base, EF>>::to_ext_iter(packed).collect();
            leaves.resize(1 << layout.variables(), EF::ONE);
            let eq = mle::eq_table(&point);
            let denominator: EF = eq.iter().zip(&leaves).map(|(&e, &d)| e * d).sum();
            let numerator: EF = eq.iter().take(layout.leaves()).copied().sum();
            let claims = prove_witness_leaves(&instance, &layout, &columns, &point, &mut prover).unwrap();
            for claim in &claims {
                let values = witness.get(claim.tensor).unwrap();
                let shape = instance.shape(claim.tensor);
                let at = |i| S::from_i64(values.get(i).unwrap());
                assert_eq!(mle::evaluate(&shape, &claim.point, at), claim.value, "shapes {shapes:?} seed {seed}");
            }
            let (proof, _) = prover.finish();
            for (delta_n, delta_d, accepted) in [(0, 0, true), (1, 0, false), (0, 1, false)] {
                let mut verifier = VerifierTranscript::<S>::new(&proof);
                assert_eq!(fingerprint, Fingerprint::draw(layout.width(), || verifier.challenge()));
                verifier.challenges(layout.variables());
                let leaf = LeafClaim {
                    point: point.clone(),
                    numerator: numerator + EF::from_u64(delta_n),
                    denominator: denominator + EF::from_u64(delta_d),
                };
                let result = verify_witness_leaves(&instance, &layout, &fingerprint, &leaf, &mut verifier);
                assert_eq!(result.ok(), accepted.then(|| claims.clone()), "shapes {shapes:?} seed {seed}");
            }
        }
    }
}

#[test]
fn table_closing_evaluates_the_table() {
    for table in tables() {
        let (program, witness, advice) = program(&table, &[&[50]], 1);
        let instance = Instance { program: &program, relation: &program.relations()[0], advice: &advice };
        let layout = Layout::new(&instance).unwrap();
        let counts = multiplicities(&instance, &witness).unwrap();
        let mut prover = ProverTranscript::<S>::new();
        let fingerprint = Fingerprint::draw(layout.width(), || prover.challenge());
        let leaves = table_leaves::<S>(&instance, &fingerprint, &counts);
        let point = prover.challenges(table.variables());
        let eq = mle::eq_table(&point);
        let numerator = eq.iter().zip(&leaves).map(|(&e, l)| e * l.0).sum();
        let denominator: EF = eq.iter().zip(&leaves).map(|(&e, l)| e * l.1).sum();
        let mut leaf = LeafClaim { point: point.clone(), numerator, denominator };
        let verifier = VerifierTranscript::<S>::new(&[]);
        let claim = verify_table_leaves::<S>(&instance, &fingerprint, &leaf, &verifier).unwrap();
        let at = |i| S::from_i64(counts.get(i).unwrap());
        assert_eq!(mle::evaluate(&instance.shape(advice[0]), &point, at), claim.value);
        leaf.denominator += EF::ONE;
        assert!(verify_table_leaves::<S>(&instance, &fingerprint, &leaf, &verifier).is_err());
    }
}

#[test]
fn multiplicities_count_and_name_the_first_value_outside() {
    let pairs = Table::listed("p", vec![vec![7, 7, 9, 7], vec![1, 2, 1, 1]]).unwrap();
    let far = Table::listed("f", vec![vec![i64::MIN, i64::MAX, 0, 5]]).unwrap();
    for (table, bad) in [(pairs, [9, 2]), (far, [1, 0]), (Table::Range { bits: 3 }, [-1, 0])] {
        let (program, mut witness, advice) = program(&table, &[&[2, 3], &[4]], 5);
        let instance = Instance { program: &program, relation: &program.relations()[0], advice: &advice };
        let tuples = &lookup(&instance).unwrap().tuples;
        let counts = multiplicities(&instance, &witness).unwrap();
        for row in 0..table.rows() {
            let tuple: Vec<i64> = (0..table.width()).map(|c| table.get(c, row).unwrap()).collect();
            let is_first = table.find(&tuple) == Some(row);
            let cells = tuples.iter().flat_map(|t| (0..instance.shape(t[0]).cells()).map(move |i| (t, i)));
            let same =
                cells.filter(|(t, i)| (0..table.width()).all(|c| witness.get(t[c]).unwrap().get(*i) == Some(tuple[c])));
            let expected = if is_first { same.count() as i64 } else { 0 };
            assert_eq!(counts.get(row), Some(expected), "row {row} of {}", table.name());
        }
        for (c, &tensor) in tuples[1].iter().enumerate() {
            let mut values = witness.get(tensor).unwrap().to_i64();
            values[3] = bad[c];
            witness.set_i64(&program, tensor, values);
        }
        let Err(ProveError::Unsatisfied { what, .. }) = multiplicities(&instance, &witness) else {
            panic!("{bad:?} counted as a row of {}", table.name())
        };
        assert!(what.contains("cell 3 of `w1.0`"), "{what}");
    }
}

#[test]
fn roots_must_cancel_and_have_denominators() {
    let f = |n: i64, d: i64| Fraction { numerator: EF::from_i64(n), denominator: EF::from_i64(d) };
    assert!(check_roots(f(1, 2), f(-2, 4)));
    assert!(!check_roots(f(1, 2), f(2, 4)));
    assert!(!check_roots(f(0, 0), f(1, 4)));
    assert!(!check_roots(f(1, 4), f(0, 0)));
}

#[test]
fn malformed_lookups_have_no_layout() {
    let (program, _, advice) = program(&Table::Range { bits: 2 }, &[&[4], &[5]], 0);
    let tensors: Vec<_> = lookup(&Instance { program: &program, relation: &program.relations()[0], advice: &advice })
        .unwrap()
        .tuples
        .concat();
    let pairs = Table::listed("p", vec![vec![0], vec![0]]).unwrap();
    let range = Table::Range { bits: 2 };
    for (table, tuples) in [
        (range.clone(), vec![]),
        (range.clone(), vec![vec![]]),
        (range, vec![tensors.clone()]),
        (pairs, vec![tensors]),
        (Table::Range { bits: 60 }, vec![vec![TensorId(0)]]),
    ] {
        let relation = Relation::Lookup(zkml_core::Lookup { scope: "bad".to_owned(), table, tuples });
        assert!(Layout::new(&Instance { program: &program, relation: &relation, advice: &advice }).is_err());
    }
}

//! Whole lookups: ragged trees of recomputed leaves against the reference on all leaves.

mod common;

use std::sync::Arc;

use common::{Cheat, levels, prove_tree, rng, root};
use p3_field::PrimeCharacteristicRing;
use rand::RngExt;
use rand::rngs::StdRng;
use zkml_core::{
    Bn254, Bounds, Claim, Goldilocks, Goldilocks3, Instance, LayerProver, LayerVerifier, Program, ProveError,
    ProverTranscript, Residence, Shape, Suite, Table, TensorId, VerifierTranscript, Witness, mle,
};
use zkml_device::reference::Reference;
use zkml_device::{Column, Device};
use zkml_logkr::{Form, LogKr};
use zkml_sumcheck::lookup::{Fingerprint, Layout, LeafColumns, prove_witness_leaves, table_leaves};

/// A lookup of columns of the given shapes, with its multiplicities as the last tensor.
struct Case {
    program: Program,
    witness: Witness,
    advice: TensorId,
}

impl Case {
    fn new(table: Table, shapes: &[&[usize]], rng: &mut StdRng) -> Self {
        let (mut program, mut witness, mut tuples) = (Program::default(), Witness::default(), Vec::new());
        for dims in shapes {
            let shape = Shape::new(dims.to_vec()).unwrap();
            let rows: Vec<usize> = (0..shape.cells()).map(|_| rng.random_range(0..table.rows())).collect();
            let tuple = (0..table.width()).map(|c| {
                let values: Vec<i64> = rows.iter().map(|&row| table.get(c, row).unwrap()).collect();
                let tensor =
                    program.tensor("column", shape.clone(), Bounds::new(-1 << 40, 1 << 40), Residence::Committed);
                witness.set(tensor, Column::with_bounds(values, 0, 0));
                tensor
            });
            tuples.push(tuple.collect());
        }
        let rows = Shape::new([table.rows()]).unwrap();
        program.lookup("lookup", table, tuples);
        let instance = Instance { program: &program, relation: &program.relations()[0], advice: &[] };
        let advice = LayerProver::<Goldilocks>::advice(&LogKr::default(), &instance, &witness).unwrap().remove(0);
        let tensor = program.tensor("multiplicities", rows, Bounds::new(0, 1 << 30), Residence::Committed);
        witness.set(tensor, advice);
        Self { program, witness, advice: tensor }
    }

    fn instance(&self) -> Instance<'_> {
        Instance {
            program: &self.program,
            relation: &self.program.relations()[0],
            advice: core::slice::from_ref(&self.advice),
        }
    }

    fn multiplicities(&self) -> &Column {
        self.witness.get(self.advice).unwrap()
    }
}

/// The messages of a lookup with both trees built over all leaves, tail included.
fn reference<S: Suite>(form: Form, case: &Case) -> Vec<u8> {
    let instance = case.instance();
    let layout = Layout::new(&instance).unwrap();
    let columns = LeafColumns::new(&instance, &layout, &case.witness).unwrap();
    let mut t = ProverTranscript::<S>::new();
    t.enter("logkr");
    t.absorb("form", form.name().as_bytes());
    let fingerprint = Fingerprint::draw(layout.width(), || t.challenge());
    let (mut n, mut d) = (Vec::new(), Vec::new());
    for leaf in 0..1 << layout.variables() {
        let mut row = vec![S::Challenge::ZERO; layout.width()];
        if leaf < layout.leaves() {
            for (column, value) in row.iter_mut().enumerate() {
                let mut cell = [<S::Base as PrimeCharacteristicRing>::ZERO];
                columns.fill::<S>(column, leaf, &mut cell);
                *value = cell[0].into();
            }
        }
        let inside = leaf < layout.leaves();
        n.push(S::Challenge::from_bool(inside));
        d.push(if inside { fingerprint.denominator(&row) } else { S::Challenge::ONE });
    }
    let witness = levels(n, d);
    let table = table_leaves::<S>(&instance, &fingerprint, case.multiplicities());
    let table = levels(table.iter().map(|l| l.0.into()).collect(), table.iter().map(|l| l.1).collect());
    let (w, r) = (root(&witness), root(&table));
    t.write(&[w.numerator, w.denominator, r.numerator, r.denominator]);
    t.enter("witness");
    let leaf = prove_tree(form, &witness, w, (0, Cheat::Honest), false, &mut t);
    prove_witness_leaves(&instance, &layout, &columns, &leaf.point, &mut t).unwrap();
    t.leave();
    t.enter("table");
    prove_tree(form, &table, r, (0, Cheat::Honest), false, &mut t);
    t.leave();
    t.leave();
    t.finish().0
}

/// The proof's bytes and claims.
type Proof<S> = (Vec<u8>, Vec<Claim<<S as Suite>::Challenge>>);

fn prove_on<S: Suite>(form: Form, case: &Case, device: &Device) -> Result<Proof<S>, ProveError> {
    let mut t = ProverTranscript::<S>::new();
    let claims = LogKr::new(form).prove(&case.instance(), &case.witness, None, &mut t, device)?;
    Ok((t.finish().0, claims))
}

/// As [`prove_on`]; also the calls of the device.
fn prove_on_reference<S: Suite>(form: Form, case: &Case, device: Reference) -> (Result<Proof<S>, ProveError>, u64) {
    let device = Arc::new(device);
    let proof = prove_on::<S>(form, case, &Device::accelerated(Arc::clone(&device) as Arc<_>));
    (proof, device.calls())
}

fn check<S: Suite>(case: &Case, name: &str) {
    let instance = case.instance();
    for form in Form::ALL {
        let protocol = LogKr::new(form);
        let (bytes, claims) = prove_on::<S>(form, case, &Device::cpu()).unwrap();
        assert_eq!(bytes, reference::<S>(form, case), "{form:?}, {name}");
        for break_even in [1, 16, 70, 1000] {
            let (proof, calls) = prove_on_reference::<S>(form, case, Reference::new(break_even));
            let (there, claims_there) = proof.unwrap();
            assert_eq!(bytes, there, "{form:?}, {name}, device from {break_even} on");
            assert_eq!(claims, claims_there, "{form:?}, {name}, device from {break_even} on");
            let column = case.witness.get(claims[0].tensor).unwrap();
            let used = S::DEVICE_FIELD.is_some() && column.len() > 2 && column.len() >= break_even;
            assert!(calls > 0 || !used, "{form:?}, {name}, device from {break_even} on: not used");
            assert!(calls == 0 || S::DEVICE_FIELD.is_some());
        }
        let mut verifier = VerifierTranscript::<S>::new(&bytes);
        assert_eq!(LayerVerifier::<S>::verify(&protocol, &instance, None, &mut verifier).unwrap(), claims);
        verifier.finish().unwrap();
        for claim in claims {
            let column = case.witness.get(claim.tensor).unwrap();
            let shape = &case.program.get(claim.tensor).unwrap().shape;
            let value = |i: usize| S::from_i64(column.get(i).unwrap());
            assert_eq!(mle::evaluate::<S::Base, S::Challenge>(shape, &claim.point, value), claim.value);
        }
    }
}

#[test]
fn a_device_that_fails_is_an_error_at_every_call() {
    type S = Goldilocks;
    let case = Case::new(Table::Range { bits: 3 }, &[&[16, 3], &[5]], &mut rng(34));
    for (form, break_even) in Form::ALL.into_iter().flat_map(|form| [(form, 1), (form, 20)]) {
        let (_, calls) = prove_on_reference::<S>(form, &case, Reference::new(break_even));
        assert!(calls > 10, "{form:?}: {calls} calls");
        for call in 0..calls {
            let (failed, _) = prove_on_reference::<S>(form, &case, Reference::failing(break_even, call));
            assert!(matches!(failed, Err(ProveError::Device(_))), "{form:?}, break-even {break_even}, call {call}");
        }
    }
}

#[test]
fn every_number_of_leaves_gives_the_reference_bytes() {
    let mut rng = rng(31);
    for cells in (1..=20).chain([31, 32, 33, 47, 63, 64, 65, 96, 127, 129, 200, 257]) {
        let case = Case::new(Table::Range { bits: 3 }, &[&[cells]], &mut rng);
        check::<Goldilocks>(&case, &format!("{cells} leaves"));
    }
}

#[test]
fn tuples_of_several_shapes_give_the_reference_bytes() {
    let mut rng = rng(32);
    let table = Table::listed("pairs", vec![(-20..20).collect(), (-20..20).map(|v: i64| v * v).collect()]).unwrap();
    for shapes in [&[&[3, 5][..], &[7]][..], &[&[64], &[1], &[9, 2]], &[&[]], &[&[1, 1], &[130]]] {
        let case = Case::new(table.clone(), shapes, &mut rng);
        check::<Goldilocks>(&case, &format!("{shapes:?}"));
        check::<Goldilocks3>(&case, &format!("{shapes:?}"));
        check::<Bn254>(&case, &format!("{shapes:?}"));
    }
}

/// A value outside of the table, with multiplicities of the other values: the roots do not cancel.
#[test]
fn a_value_outside_the_table_is_caught() {
    type S = Goldilocks;
    let mut rng = rng(33);
    for form in Form::ALL {
        let mut case = Case::new(Table::Range { bits: 4 }, &[&[21]], &mut rng);
        let tensor = TensorId(0);
        let mut values = case.witness.get(tensor).unwrap().to_i64();
        values[20] = 16;
        case.witness.set(tensor, Column::with_bounds(values, 0, 0));
        let mut t = ProverTranscript::<S>::new();
        let protocol = LogKr::new(form);
        let proof = protocol.prove(&case.instance(), &case.witness, None, &mut t, &Device::cpu());
        assert!(proof.is_ok(), "the prover does not look at the roots");
        let bytes = t.finish().0;
        let mut verifier = VerifierTranscript::<S>::new(&bytes);
        let verdict = LayerVerifier::<S>::verify(&protocol, &case.instance(), None, &mut verifier);
        assert!(verdict.is_err(), "{form:?}");
    }
}

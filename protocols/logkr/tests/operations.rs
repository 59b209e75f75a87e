//! The counting build: `cargo test -p zkml-logkr --features count-ops --test operations`.
#![cfg(feature = "count-ops")]

use zkml_core::{
    Bounds, Claim, Goldilocks as S, Instance, LayerProver, LayerVerifier, Program, ProverTranscript, Residence, Shape,
    Suite, Table, Witness,
};
use zkml_device::{Column, Device, count};
use zkml_logkr::{Form, LogKr};

use p3_field::PrimeCharacteristicRing;

type EF = <S as Suite>::Challenge;

fn einsum(subscripts: &str, operands: &[(&[usize], usize)], output: &[usize]) -> (Program, Witness) {
    let (mut program, mut witness) = (Program::default(), Witness::default());
    let bounds = Bounds::new(-1 << 50, 1 << 50);
    let mut ids = Vec::new();
    for (position, &(dims, source)) in operands.iter().enumerate() {
        if source < position {
            ids.push(ids[source]);
            continue;
        }
        let shape = Shape::new(dims.to_vec()).unwrap();
        let values: Vec<i64> = (0..shape.cells() as i64).map(|i| i * i % 251 - 125).collect();
        let tensor = program.tensor("operand", shape, bounds, Residence::Committed);
        witness.set(tensor, Column::with_bounds(values, 0, 0));
        ids.push(tensor);
    }
    let out = program.tensor("output", Shape::new(output.to_vec()).unwrap(), bounds, Residence::Virtual);
    program.einsum("einsum", subscripts, out, &ids).unwrap();
    (program, witness)
}

fn lookup(bits: u32, cells: usize) -> (Program, Witness) {
    let (mut program, mut witness) = (Program::default(), Witness::default());
    let bounds = Bounds::new(0, 1 << 30);
    let x = program.tensor("x", Shape::new([cells]).unwrap(), bounds, Residence::Committed);
    witness.set(x, Column::with_bounds((0..cells as i64).map(|i| i * 7 % (1 << bits)).collect(), 0, 0));
    program.lookup("lookup", Table::Range { bits }, vec![vec![x]]);
    (program, witness)
}

fn check(name: &str, form: Form, (mut program, mut witness): (Program, Witness)) {
    let protocol = LogKr::new(form);
    let relation = program.relations()[0].clone();
    let specs =
        LayerVerifier::<S>::advice_specs(&protocol, &Instance { program: &program, relation: &relation, advice: &[] });
    let instance = Instance { program: &program, relation: &relation, advice: &[] };
    let columns = LayerProver::<S>::advice(&protocol, &instance, &witness).unwrap();
    let mut advice = Vec::new();
    for (spec, column) in specs.into_iter().zip(columns) {
        let tensor = program.tensor(spec.name, spec.shape, Bounds::new(0, 1 << 40), Residence::Committed);
        witness.set(tensor, column);
        advice.push(tensor);
    }
    let instance = Instance { program: &program, relation: &relation, advice: &advice };
    let claim = relation.output().map(|output| {
        let variables = instance.shape(output).variables() as u64;
        Claim::new(output, (0..variables).map(|i| EF::from_u64(i + 3)).collect(), EF::ONE)
    });
    let before = count::snapshot();
    let mut t = ProverTranscript::<S>::new();
    protocol.prove(&instance, &witness, claim.as_ref(), &mut t, &Device::cpu()).unwrap();
    let counted = count::snapshot().since(before);
    let predicted = LayerVerifier::<S>::cost(&protocol, &instance);
    println!(
        "{name:28} {:12} ext {:>9} (predicted {:>9}), base x ext {:>9} (predicted {:>9}), {} elements",
        form.name(),
        counted.ext_mul,
        predicted.ext_mul,
        counted.base_ext_mul,
        predicted.base_ext_mul,
        predicted.proof_elements
    );
    assert_eq!(t.len(), predicted.proof_elements * S::challenge_bytes());
    for (counted, predicted) in
        [(counted.ext_mul as f64, predicted.ext_mul), (counted.base_ext_mul as f64, predicted.base_ext_mul)]
    {
        assert!(
            (counted - predicted).abs() <= 0.05 * counted,
            "{name}, {form:?}: {counted} counted, {predicted} predicted"
        );
    }
}

/// One test, because the counters belong to the process.
#[test]
fn counted_operations_are_the_predicted_ones() {
    for form in Form::ALL {
        check("range 10, 2^14 cells", form, lookup(10, 1 << 14));
        check("range 10, 9000 cells", form, lookup(10, 9000));
        check("bi,bi->b, squares", form, einsum("bi,bi->b", &[(&[64, 96], 0), (&[64, 96], 0)], &[64]));
        check("b,b,b->b, x²y", form, einsum("b,b,b->b", &[(&[4096], 0), (&[4096], 0), (&[4096], 2)], &[4096]));
        check("b,b,b->b, cubes", form, einsum("b,b,b->b", &[(&[4096], 0), (&[4096], 0), (&[4096], 0)], &[4096]));
        check("bi,b,i->bi", form, einsum("bi,b,i->bi", &[(&[64, 96], 0), (&[64], 1), (&[96], 2)], &[64, 96]));
        check("bi,oi->bo", form, einsum("bi,oi->bo", &[(&[48, 256], 0), (&[64, 256], 1)], &[48, 64]));
        check("bi,bi,b->b, distinct", form, einsum("bi,bi,b->b", &[(&[64, 32], 0), (&[64, 32], 1), (&[64], 2)], &[64]));
    }
}

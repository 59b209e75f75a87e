//! A small requantised dense layer through the whole driver: every protocol, every suite, and what a verifier must
//! refuse.

mod common;

use common::{accepts, prove, statement};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use zkml_commitment::CommittedSuite;
use zkml_core::{Bn254, Bounds, Goldilocks, Goldilocks3, Program, Residence, Shape, Table, TensorId, Witness};
use zkml_device::Device;
use zkml_model::{Plan, PlanError, ProvingKey, public_bytes};
use zkml_registry::Registry;

const ROWS: usize = 3;
const INPUTS: usize = 5;
const OUTPUTS: usize = 4;

/// Tensor ids of the layer `y = clamp(round(x·wᵀ / 16))`.
struct Layer {
    program: Program,
    x: TensorId,
    w: TensorId,
    acc: TensorId,
    z: TensorId,
    rem: TensorId,
    y: TensorId,
}

fn shape(dims: &[usize]) -> Shape {
    Shape::new(dims).unwrap()
}

fn clamp_table() -> Table {
    let z: Vec<i64> = (-32..32).collect();
    let y = z.iter().map(|&z: &i64| z.clamp(-8, 7)).collect();
    Table::listed("clamp", vec![z, y]).unwrap()
}

fn layer(outputs: usize) -> Layer {
    let mut program = Program::default();
    let small = Bounds::new(-8, 7);
    let x = program.tensor("dense/x", shape(&[ROWS, INPUTS]), small, Residence::Public);
    let w = program.tensor("dense/w", shape(&[outputs, INPUTS]), small, Residence::Fixed);
    let out = shape(&[ROWS, outputs]);
    let acc = program.tensor("dense/acc", out.clone(), Bounds::new(-512, 512), Residence::Virtual);
    let z = program.tensor("dense/z", out.clone(), Bounds::new(-32, 31), Residence::Committed);
    let rem = program.tensor("dense/rem", out.clone(), Bounds::new(0, 15), Residence::Committed);
    let y = program.tensor("dense/y", out, small, Residence::Public);
    program.einsum("dense/matmul", "bi,oi->bo", acc, &[x, w]).unwrap();
    program.affine("dense/requant", acc, vec![(16, z), (1, rem)], -8);
    program.lookup("dense/remainder", Table::Range { bits: 4 }, vec![vec![rem]]);
    program.lookup("dense/clamp", clamp_table(), vec![vec![z, y]]);
    Layer { program, x, w, acc, z, rem, y }
}

fn witness(layer: &Layer, outputs: usize, seed: u64) -> Witness {
    let mut rng = StdRng::seed_from_u64(seed);
    let mut draw = |n: usize| -> Vec<i64> { (0..n).map(|_| rng.random_range(-8..8)).collect() };
    let (x, w) = (draw(ROWS * INPUTS), draw(outputs * INPUTS));
    let dot = |b: usize, o: usize| (0..INPUTS).map(|i| x[b * INPUTS + i] * w[o * INPUTS + i]).sum::<i64>();
    let acc: Vec<i64> = (0..ROWS * outputs).map(|i| dot(i / outputs, i % outputs)).collect();
    let z: Vec<i64> = acc.iter().map(|a| (a + 8).div_euclid(16)).collect();
    let rem = acc.iter().map(|a| (a + 8).rem_euclid(16)).collect();
    let y = z.iter().map(|&z| z.clamp(-8, 7)).collect();
    let mut witness = Witness::default();
    for (tensor, values) in [(layer.x, x), (layer.w, w), (layer.acc, acc), (layer.z, z), (layer.rem, rem), (layer.y, y)]
    {
        witness.set_i64(&layer.program, tensor, values);
    }
    witness
}

/// Key, public values and proof as bytes.
fn files<S: CommittedSuite>(einsum: &str, lookup: &str, outputs: usize, seed: u64) -> [Vec<u8>; 3]
where
    Registry: zkml_core::ProtocolSet<S>,
{
    let layer = layer(outputs);
    let witness = witness(&layer, outputs, seed);
    prove::<S>(&layer.program, &witness, einsum, lookup)
}

#[test]
fn every_protocol_in_every_slot_proves_the_layer() {
    for einsum in ["sumcheck", "logkr", "reveal"] {
        for lookup in ["logup-gkr", "logkr", "lasso", "reveal"] {
            assert!(accepts::<Goldilocks>(&files::<Goldilocks>(einsum, lookup, OUTPUTS, 1)), "{einsum} {lookup}");
            assert!(accepts::<Goldilocks3>(&files::<Goldilocks3>(einsum, lookup, OUTPUTS, 2)), "{einsum} {lookup}");
            assert!(accepts::<Bn254>(&files::<Bn254>(einsum, lookup, OUTPUTS, 8)), "{einsum} {lookup}");
        }
    }
}

#[test]
fn a_protocol_of_one_suite_proves_the_layer_there_and_is_refused_elsewhere() {
    for lookup in ["logup-gkr", "logkr", "lasso", "reveal"] {
        assert!(accepts::<Bn254>(&files::<Bn254>("zkmatrix", lookup, OUTPUTS, 10)), "{lookup}");
    }
    let statement = statement::<Goldilocks>(&layer(OUTPUTS).program, "zkmatrix", "logup-gkr");
    let Err(PlanError::Protocol { scope, reason }) = Plan::<Goldilocks>::new(statement, &Registry) else {
        panic!("a protocol that needs pairings is built over Goldilocks");
    };
    assert_eq!(scope, "dense/matmul");
    assert!(reason.contains("choose `suite: bn254`"), "{reason}");
}

#[test]
fn large_weights_are_committed_in_the_key() {
    let outputs = 1 << 10;
    let files = files::<Goldilocks>("sumcheck", "logup-gkr", outputs, 3);
    assert!(files[0].len() < outputs * INPUTS, "the key lists the weights");
    assert!(accepts::<Goldilocks>(&files));
}

#[test]
fn any_changed_bit_of_key_public_values_or_proof_is_refused() {
    changed_bits_are_refused::<Goldilocks>("sumcheck", 400);
    changed_bits_are_refused::<Bn254>("sumcheck", 60);
    changed_bits_are_refused::<Bn254>("zkmatrix", 60);
}

fn changed_bits_are_refused<S: CommittedSuite>(einsum: &str, places: usize)
where
    Registry: zkml_core::ProtocolSet<S>,
{
    let good = files::<S>(einsum, "logup-gkr", OUTPUTS, 4);
    assert!(accepts::<S>(&good));
    for file in 0..3 {
        let step = (good[file].len() / places).max(1);
        for byte in (0..good[file].len()).step_by(step) {
            let mut bad = good.clone();
            bad[file][byte] ^= 1 << (byte % 8);
            assert!(!accepts::<S>(&bad), "file {file}, byte {byte}");
        }
        for length in [0, 1, 8, good[file].len() / 2, good[file].len() - 1] {
            let mut bad = good.clone();
            bad[file].truncate(length);
            assert!(!accepts::<S>(&bad), "file {file} cut to {length}");
        }
        let mut bad = good.clone();
        bad[file].push(0);
        assert!(!accepts::<S>(&bad), "file {file} extended");
    }
}

#[test]
fn large_weights_are_committed_in_a_key_over_bn254() {
    let outputs = 1 << 8;
    let files = files::<Bn254>("sumcheck", "logup-gkr", outputs, 9);
    assert!(accepts::<Bn254>(&files));
    assert!(!accepts::<Goldilocks>(&files), "files of another suite");
}

#[test]
fn files_of_another_run_are_refused() {
    let (a, b) =
        (files::<Goldilocks>("sumcheck", "logup-gkr", OUTPUTS, 5), files::<Goldilocks>("logkr", "logkr", OUTPUTS, 6));
    for file in 0..3 {
        let mut mixed = a.clone();
        mixed[file].clone_from(&b[file]);
        assert!(!accepts::<Goldilocks>(&mixed), "file {file}");
    }
}

#[test]
fn a_witness_that_does_not_satisfy_the_program_is_not_proven() {
    let layer = layer(OUTPUTS);
    let good = witness(&layer, OUTPUTS, 7);
    // The accumulator is not among them: nobody commits to a virtual tensor, so its values are no part of the statement.
    for (tensor, value) in [(layer.y, 7), (layer.z, 31), (layer.rem, 15), (layer.rem, 16), (layer.x, 3)] {
        let mut bad = good.clone();
        let mut values = good.get(tensor).unwrap().to_i64();
        if values[5] == value {
            continue;
        }
        values[5] = value;
        bad.set_i64(&layer.program, tensor, values);
        let plan = Plan::<Goldilocks>::new(statement::<Goldilocks>(&layer.program, "sumcheck", "logup-gkr"), &Registry);
        let key = ProvingKey::new(plan.unwrap(), &bad).unwrap();
        let Ok(proof) = zkml_model::prove(&key, &bad, &Device::cpu()) else { continue };
        let public = public_bytes(&layer.program, &bad).unwrap();
        assert!(
            zkml_model::verify::<Goldilocks>(key.verifying_bytes(), &public, &proof.bytes, &Registry).is_err(),
            "tensor {tensor:?} = {value} was proven"
        );
    }
}

#[test]
fn security_below_the_floor_is_refused_unless_allowed() {
    let layer = layer(OUTPUTS);
    let mut statement = statement::<Goldilocks>(&layer.program, "sumcheck", "logup-gkr");
    statement.security_bits = 128;
    assert!(matches!(Plan::<Goldilocks>::new(statement.clone(), &Registry), Err(PlanError::Weak { .. })));
    statement.allow_weak = true;
    assert!(Plan::<Goldilocks>::new(statement, &Registry).is_ok());
}

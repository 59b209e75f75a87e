//! A small convolution and a dense layer over its flattened output through the whole driver: a window and a reshape that
//! nobody holds, a transposed public output, and what a verifier must refuse.

mod common;

use common::{accepts, prove, statement};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use zkml_commitment::CommittedSuite;
use zkml_core::{
    AxisGroup, AxisMap, Bn254, Bounds, Goldilocks, Goldilocks3, Program, Relation, Residence, Shape, Table, TensorId,
    Witness,
};
use zkml_device::Device;
use zkml_model::{Plan, ProvingKey, public_bytes};
use zkml_registry::Registry;

/// Input `[ROWS, CHANNELS, SIDE, SIDE]`, filters 3 × 3 with padding 1 and stride 2.
const ROWS: usize = 2;
const CHANNELS: usize = 3;
const FILTERS: usize = 2;
const SIDE: usize = 5;
const OUT: usize = 3;
const LABELS: usize = 4;

fn shape(dims: &[usize]) -> Shape {
    Shape::new(dims).unwrap()
}

/// What a network's weights and window are; attacks change one of them.
#[derive(Clone)]
struct Network {
    stride: usize,
    dilation: usize,
    offset: i64,
    flat: Vec<AxisGroup>,
}

impl Default for Network {
    fn default() -> Self {
        let flat =
            vec![AxisGroup::same(0, 0), AxisGroup { output: vec![1], input: vec![1, 2, 3], map: AxisMap::Reshape }];
        Self { stride: 2, dilation: 1, offset: -1, flat }
    }
}

struct Tensors {
    program: Program,
    x: TensorId,
    filters: TensorId,
    weight: TensorId,
    answer: TensorId,
    /// Quotients and remainders of both requantisations, by 16 and by 32.
    parts: [(TensorId, TensorId); 2],
}

fn requantised(program: &mut Program, layer: &str, sums: TensorId, dims: &[usize], shift: u32) -> (TensorId, TensorId) {
    let half = 1 << (shift - 1);
    let quotient = program.tensor(format!("{layer}/y"), shape(dims), Bounds::new(-128, 127), Residence::Committed);
    let remainder =
        program.tensor(format!("{layer}/rem"), shape(dims), Bounds::new(0, (1 << shift) - 1), Residence::Committed);
    program.affine(format!("{layer}/requantise"), sums, vec![(1 << shift, quotient), (1, remainder)], -half);
    let entries: Vec<i64> = (-128..128).collect();
    program.lookup(format!("{layer}/bytes"), Table::listed("bytes", vec![entries]).unwrap(), vec![vec![quotient]]);
    program.lookup(format!("{layer}/range"), Table::Range { bits: shift }, vec![vec![remainder]]);
    (quotient, remainder)
}

fn network(spec: &Network) -> Tensors {
    let mut program = Program::default();
    let small = Bounds::new(-8, 7);
    let x = program.tensor("conv/x", shape(&[ROWS, CHANNELS, SIDE, SIDE]), small, Residence::Public);
    let filters = program.tensor("conv/filters", shape(&[FILTERS, CHANNELS, 3, 3]), small, Residence::Fixed);
    let window = program.tensor("conv/window", shape(&[ROWS, CHANNELS, OUT, 3, OUT, 3]), small, Residence::Virtual);
    let map = AxisMap::Window { stride: spec.stride, dilation: spec.dilation, offset: spec.offset };
    let slide =
        |position: usize, axis: usize| AxisGroup { output: vec![position, position + 1], input: vec![axis], map };
    program.view(
        "conv/window",
        window,
        x,
        vec![AxisGroup::same(0, 0), AxisGroup::same(1, 1), slide(2, 2), slide(4, 3)],
    );
    let dims = [ROWS, FILTERS, OUT, OUT];
    let sums = program.tensor("conv/sums", shape(&dims), Bounds::new(-2048, 2048), Residence::Virtual);
    program.einsum("conv/product", "bciujv,ocuv->boij", sums, &[window, filters]).unwrap();
    let conv = requantised(&mut program, "conv", sums, &dims, 4);

    let features = FILTERS * OUT * OUT;
    let flat = program.tensor("flat/y", shape(&[ROWS, features]), Bounds::new(-128, 127), Residence::Virtual);
    program.view("flat/view", flat, conv.0, spec.flat.clone());
    let weight = program.tensor("dense/weight", shape(&[LABELS, features]), small, Residence::Fixed);
    let dims = [ROWS, LABELS];
    let sums = program.tensor("dense/sums", shape(&dims), Bounds::new(-1 << 15, 1 << 15), Residence::Virtual);
    program.einsum("dense/product", "bi,oi->bo", sums, &[flat, weight]).unwrap();
    let dense = requantised(&mut program, "dense", sums, &dims, 8);
    let answer = program.tensor("answer/y", shape(&[LABELS, ROWS]), Bounds::new(-128, 127), Residence::Public);
    program.view("answer/view", answer, dense.0, vec![AxisGroup::same(1, 0), AxisGroup::same(0, 1)]);
    Tensors { program, x, filters, weight, answer, parts: [conv, dense] }
}

/// The plain forward pass: loops over pixels and taps, no views.
fn witness(tensors: &Tensors, spec: &Network, seed: u64) -> Witness {
    let mut rng = StdRng::seed_from_u64(seed);
    let mut draw = |n: usize| -> Vec<i64> { (0..n).map(|_| rng.random_range(-8..8)).collect() };
    let x = draw(ROWS * CHANNELS * SIDE * SIDE);
    let filters = draw(FILTERS * CHANNELS * 9);
    let weight = draw(LABELS * FILTERS * OUT * OUT);
    let pixel = |b: usize, c: usize, i: i64, j: i64| {
        let inside = (0..SIDE as i64).contains(&i) && (0..SIDE as i64).contains(&j);
        if inside { x[((b * CHANNELS + c) * SIDE + i as usize) * SIDE + j as usize] } else { 0 }
    };
    let mut sums = Vec::new();
    for (b, o) in (0..ROWS).flat_map(|b| (0..FILTERS).map(move |o| (b, o))) {
        for (i, j) in (0..OUT).flat_map(|i| (0..OUT).map(move |j| (i, j))) {
            let taps = (0..CHANNELS).flat_map(|c| (0..9).map(move |t| (c, t / 3, t % 3)));
            let place = |at: usize, tap: usize| (at * spec.stride + tap * spec.dilation) as i64 + spec.offset;
            let terms = taps
                .map(|(c, u, v)| pixel(b, c, place(i, u), place(j, v)) * filters[((o * CHANNELS + c) * 3 + u) * 3 + v]);
            sums.push(terms.sum::<i64>());
        }
    }
    let divide = |sums: &[i64], shift: u32| -> (Vec<i64>, Vec<i64>) {
        let rounded = sums.iter().map(|s| s + (1 << (shift - 1)));
        rounded.map(|s| (s >> shift, s & ((1 << shift) - 1))).unzip()
    };
    let features = FILTERS * OUT * OUT;
    let (y, rem) = divide(&sums, 4);
    let logits: Vec<i64> = (0..ROWS * LABELS)
        .map(|i| (0..features).map(|f| y[i / LABELS * features + f] * weight[i % LABELS * features + f]).sum())
        .collect();
    let (answer, last) = divide(&logits, 8);
    let transposed = (0..ROWS * LABELS).map(|i| answer[i % ROWS * LABELS + i / ROWS]).collect();
    let mut witness = Witness::default();
    let [(conv_y, conv_rem), (dense_y, dense_rem)] = tensors.parts;
    let all = [
        (tensors.x, x),
        (tensors.filters, filters),
        (conv_y, y),
        (conv_rem, rem),
        (tensors.weight, weight),
        (dense_y, answer),
        (dense_rem, last),
        (tensors.answer, transposed),
    ];
    for (tensor, values) in all {
        witness.set_i64(&tensors.program, tensor, values);
    }
    witness
}

/// Key, public values and proof as bytes. No tensor that a view or an einsum defines is in the witness.
fn files<S: CommittedSuite>(einsum: &str, lookup: &str, spec: &Network, seed: u64) -> [Vec<u8>; 3]
where
    Registry: zkml_core::ProtocolSet<S>,
{
    let tensors = network(spec);
    let witness = witness(&tensors, spec, seed);
    prove::<S>(&tensors.program, &witness, einsum, lookup)
}

#[test]
fn every_protocol_proves_layers_over_views() {
    let spec = Network::default();
    for einsum in ["sumcheck", "logkr", "reveal"] {
        for lookup in ["logup-gkr", "logkr", "lasso", "reveal"] {
            assert!(accepts::<Goldilocks>(&files::<Goldilocks>(einsum, lookup, &spec, 1)), "{einsum} {lookup}");
        }
    }
    assert!(accepts::<Goldilocks3>(&files::<Goldilocks3>("sumcheck", "logup-gkr", &spec, 2)));
    assert!(accepts::<Bn254>(&files::<Bn254>("sumcheck", "lasso", &spec, 2)));
}

/// The key says where windows lie; a proof for one place does not pass for another, whoever made it.
#[test]
fn proofs_do_not_pass_for_other_windows() {
    let good = files::<Goldilocks>("sumcheck", "logup-gkr", &Network::default(), 3);
    assert!(accepts::<Goldilocks>(&good));
    let flipped =
        vec![AxisGroup::same(0, 0), AxisGroup { output: vec![1], input: vec![1, 3, 2], map: AxisMap::Reshape }];
    let others = [
        Network { stride: 1, ..Network::default() },
        Network { offset: 0, ..Network::default() },
        Network { offset: -2, ..Network::default() },
        Network { dilation: 2, ..Network::default() },
        Network { flat: flipped, ..Network::default() },
    ];
    for (i, other) in others.iter().enumerate() {
        let tensors = network(other);
        // The witness of the true network, proven under the key of the other one.
        let honest = witness(&tensors, &Network::default(), 3);
        let plan =
            Plan::<Goldilocks>::new(statement::<Goldilocks>(&tensors.program, "sumcheck", "logup-gkr"), &Registry);
        let key = ProvingKey::new(plan.unwrap(), &honest).unwrap();
        let public = public_bytes(&tensors.program, &honest).unwrap();
        let old = [key.verifying_bytes().to_vec(), public.clone(), good[2].clone()];
        assert!(!accepts::<Goldilocks>(&old), "network {i}: the old proof");
        if let Ok(proof) = zkml_model::prove(&key, &honest, &Device::cpu()) {
            let own = [key.verifying_bytes().to_vec(), public, proof.bytes];
            assert!(!accepts::<Goldilocks>(&own), "network {i}: a proof of its own");
        }
    }
}

#[test]
fn a_wrong_value_before_or_behind_a_view_is_not_proven() {
    let spec = Network::default();
    let tensors = network(&spec);
    let good = witness(&tensors, &spec, 4);
    let [(conv_y, conv_rem), (dense_y, dense_rem)] = tensors.parts;
    for tensor in [tensors.x, conv_y, conv_rem, dense_y, dense_rem, tensors.answer] {
        let mut values = good.get(tensor).unwrap().to_i64();
        values[1] += if values[1] > 0 { -1 } else { 1 };
        let mut bad = good.clone();
        bad.set_i64(&tensors.program, tensor, values);
        let plan =
            Plan::<Goldilocks>::new(statement::<Goldilocks>(&tensors.program, "sumcheck", "logup-gkr"), &Registry);
        let key = ProvingKey::new(plan.unwrap(), &bad).unwrap();
        let Ok(proof) = zkml_model::prove(&key, &bad, &Device::cpu()) else { continue };
        let public = public_bytes(&tensors.program, &bad).unwrap();
        let files = [key.verifying_bytes().to_vec(), public, proof.bytes];
        assert!(!accepts::<Goldilocks>(&files), "{}", tensors.program.get(tensor).unwrap().name);
    }
}

#[test]
fn any_changed_bit_of_a_proof_over_views_is_refused() {
    let good = files::<Goldilocks>("sumcheck", "logup-gkr", &Network::default(), 5);
    let step = (good[2].len() / 300).max(1);
    for byte in (0..good[2].len()).step_by(step) {
        let mut bad = good.clone();
        bad[2][byte] ^= 1 << (byte % 8);
        assert!(!accepts::<Goldilocks>(&bad), "byte {byte}");
    }
}

/// A view is judged like any relation: shapes fit, and its bounds are the input's, with zero where it fills.
#[test]
fn a_view_that_does_not_fit_is_refused() {
    let mut program = network(&Network::default()).program;
    let relations: Vec<Relation> = program.relations().to_vec();
    assert!(program.check(1 << 62).is_ok());
    let small = Bounds::new(3, 7);
    let x = program.tensor("more/x", shape(&[4]), small, Residence::Public);
    let y = program.tensor("more/y", shape(&[4]), small, Residence::Virtual);
    let map = AxisMap::Window { stride: 1, dilation: 1, offset: -1 };
    program.view("more/view", y, x, vec![AxisGroup { output: vec![0], input: vec![0], map }]);
    let error = program.check(1 << 62).unwrap_err().to_string();
    assert!(error.contains("more"), "zeros lie outside the declared bounds: {error}");
    assert_eq!(relations.iter().filter(|r| matches!(r, Relation::View(_))).count(), 3);
}

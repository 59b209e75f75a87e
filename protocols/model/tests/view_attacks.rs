//! Attacks on views through the whole driver: false constraints and definitions, many claims, and hostile keys.

mod common;

use std::time::{Duration, Instant};

use common::statement;
use zkml_core::{AxisGroup, AxisMap, Bounds, Goldilocks, Program, Residence, Shape, Table, TensorId, Witness};
use zkml_device::Device;
use zkml_model::{FixedValues, Plan, ProvingKey, SoundnessReport, VerifyingKey, proof_header, public_bytes};
use zkml_registry::Registry;

type S = Goldilocks;

const SMALL: Bounds = Bounds { lo: -8, hi: 7 };

fn shape(dims: &[usize]) -> Shape {
    Shape::new(dims).unwrap()
}

fn group(output: &[usize], input: &[usize], map: AxisMap) -> AxisGroup {
    AxisGroup { output: output.to_vec(), input: input.to_vec(), map }
}

fn window(stride: usize, dilation: usize, offset: i64) -> AxisMap {
    AxisMap::Window { stride, dilation, offset }
}

fn bytes_table() -> Table {
    Table::listed("small", vec![(SMALL.lo..=SMALL.hi).collect()]).unwrap()
}

/// True if the real prover, given this witness, makes a proof that is accepted.
fn proves(program: &Program, witness: &Witness, einsum: &str, lookup: &str) -> bool {
    let plan = Plan::<S>::new(statement::<S>(program, einsum, lookup), &Registry).unwrap();
    let Ok(key) = ProvingKey::new(plan, witness) else { return false };
    let Ok(proof) = zkml_model::prove(&key, witness, &Device::cpu()) else { return false };
    let Ok(public) = public_bytes(program, witness) else { return false };
    zkml_model::verify::<S>(key.verifying_bytes(), &public, &proof.bytes, &Registry).is_ok()
}

fn changed(program: &Program, witness: &Witness, tensor: TensorId, cell: usize) -> Witness {
    let mut values = witness.get(tensor).unwrap().to_i64();
    values[cell] += if values[cell] > 0 { -1 } else { 1 };
    let mut bad = witness.clone();
    bad.set_i64(program, tensor, values);
    bad
}

/// A tensor with values in [`SMALL`], and a lookup on it if it is committed.
fn small(program: &mut Program, name: &str, dims: &[usize], residence: Residence) -> TensorId {
    let tensor = program.tensor(format!("{name}/t"), shape(dims), SMALL, residence);
    if residence == Residence::Committed {
        program.lookup(format!("{name}/small"), bytes_table(), vec![vec![tensor]]);
    }
    tensor
}

/// `y = view(x)` with both sides given: public, fixed, committed, or defined by another relation.
#[test]
fn a_view_between_tensors_that_exist_is_a_constraint() {
    use Residence::{Committed, Fixed, Public, Virtual};
    let cells: Vec<i64> = (0..15).map(|i| i * 5 % 16 - 8).collect();
    // Transposition of the first axis behind the second, of which every other index from -1 on is read.
    let groups = vec![AxisGroup::same(1, 0), group(&[0], &[1], window(2, 1, -1))];
    let viewed: Vec<i64> =
        (0..12).map(|i| if i / 3 == 0 || i / 3 == 3 { 0 } else { cells[i % 3 * 5 + i / 3 * 2 - 1] }).collect();
    for from in [Public, Fixed, Committed, Virtual] {
        for to in [Public, Fixed, Committed, Virtual] {
            let mut program = Program::default();
            let mut witness = Witness::default();
            let mut add = |name: &str, dims: &[usize], residence, values: &[i64]| {
                let source = if residence == Virtual { Committed } else { residence };
                let own = small(&mut program, name, dims, source);
                let mut all = vec![(own, 1)];
                if residence == Virtual {
                    let bounds = Bounds::new(-SMALL.hi, -SMALL.lo);
                    let negated = program.tensor(format!("{name}/negated"), shape(dims), bounds, Virtual);
                    program.affine(format!("{name}/negated"), negated, vec![(-1, own)], 0);
                    let again = small(&mut program, &format!("{name}-again"), dims, Virtual);
                    program.affine(format!("{name}/again"), again, vec![(-1, negated)], 0);
                    all.extend([(negated, -1), (again, 1)]);
                }
                set(&program, &mut witness, &all, values);
                all
            };
            let x = add("x", &[3, 5], from, &cells);
            let y = add("y", &[4, 3], to, &viewed);
            program.view("y/view", y[y.len() - 1].0, x[x.len() - 1].0, groups.clone());
            assert!(proves(&program, &witness, "sumcheck", "logup-gkr"), "{from:?} {to:?}");
            // Of the input, cells 1 and 3 of every row are read.
            for (tensors, cell) in [(&y, 0), (&y, 4), (&y, 11), (&x, 1), (&x, 13)] {
                let mut bad = changed(&program, &witness, tensors[0].0, cell);
                let values = bad.get(tensors[0].0).unwrap().to_i64();
                set(&program, &mut bad, tensors, &values);
                assert!(!proves(&program, &bad, "sumcheck", "logup-gkr"), "{from:?} {to:?} {cell}");
            }
        }
    }
}

/// Sets tensors to a multiple of some values each.
fn set(program: &Program, witness: &mut Witness, tensors: &[(TensorId, i64)], values: &[i64]) {
    for &(tensor, sign) in tensors {
        witness.set_i64(program, tensor, values.iter().map(|v| sign * v).collect());
    }
}

/// A view of a view of a view with `uses` claims on the last: below, at and above the number that is merged.
fn chain(uses: usize) -> (Program, Witness, Vec<TensorId>) {
    let mut program = Program::default();
    let x = small(&mut program, "x", &[3, 6], Residence::Committed);
    let turned = small(&mut program, "turned", &[6, 3], Residence::Virtual);
    program.view("turned/view", turned, x, vec![AxisGroup::same(0, 1), AxisGroup::same(1, 0)]);
    let slid = small(&mut program, "slid", &[3, 3, 3], Residence::Virtual);
    program.view("slid/view", slid, turned, vec![AxisGroup::same(2, 1), group(&[0, 1], &[0], window(2, 1, -1))]);
    let flat = small(&mut program, "flat", &[27], Residence::Virtual);
    program.view("flat/view", flat, slid, vec![group(&[0], &[0, 1, 2], AxisMap::Reshape)]);
    let cells: Vec<i64> = (0..18).map(|i| i * 7 % 16 - 8).collect();
    let flat_cells: Vec<i64> = (0..27)
        .map(|i| (i / 9 * 2 + i / 3 % 3_usize).checked_sub(1).filter(|&a| a < 6).map_or(0, |a| cells[i % 3 * 6 + a]))
        .collect();
    let mut witness = Witness::default();
    witness.set_i64(&program, x, cells);
    let mut outputs = Vec::new();
    for k in 0..uses {
        let weight = small(&mut program, &format!("w{k}"), &[2, 27], Residence::Public);
        let name = format!("out{k}/y");
        let out = program.tensor(name, shape(&[2]), Bounds::new(-27 * 64, 27 * 64), Residence::Public);
        program.einsum(format!("out{k}/product"), "i,oi->o", out, &[flat, weight]).unwrap();
        let weights: Vec<i64> = (0..54).map(|i| (i * 11 + k as i64) % 16 - 8).collect();
        let row = |o: usize| flat_cells.iter().zip(&weights[o * 27..]).map(|(a, b)| a * b).sum::<i64>();
        witness.set_i64(&program, out, vec![row(0), row(1)]);
        witness.set_i64(&program, weight, weights);
        outputs.push(out);
    }
    (program, witness, [vec![x, turned, slid, flat], outputs].concat())
}

#[test]
fn chains_of_views_with_few_and_many_claims() {
    for uses in 1..=6 {
        let (program, witness, tensors) = chain(uses);
        for einsum in ["sumcheck", "logkr", "reveal"] {
            assert!(proves(&program, &witness, einsum, "logup-gkr"), "{uses} {einsum}");
            for &tensor in tensors[4..].iter().chain([&tensors[0]]) {
                let cell = witness.get(tensor).unwrap().len() - 1;
                // Cell 17 of the input is index 5 of the windowed axis, the last one that is read.
                let bad = changed(&program, &witness, tensor, cell);
                assert!(!proves(&program, &bad, einsum, "logup-gkr"), "{uses} {einsum} {tensor:?}");
            }
        }
    }
}

/// The witness has cells of its own for every view: consistent with the outputs, but not with the tensor behind.
#[test]
fn cells_of_a_view_that_are_not_behind_it() {
    for uses in [1, 4, 5] {
        let (program, witness, tensors) = chain(uses);
        let other = changed(&program, &witness, tensors[0], 4);
        let mut forged = witness.clone();
        for &view in &tensors[1..4] {
            forged.set(view, other.require(&program, view).unwrap());
        }
        let flat = forged.get(tensors[3]).unwrap().to_i64();
        for (k, &out) in tensors[4..].iter().enumerate() {
            let weights: Vec<i64> = (0..54).map(|i| (i * 11 + k as i64) % 16 - 8).collect();
            let row = |o: usize| flat.iter().zip(&weights[o * 27..]).map(|(a, b)| a * b).sum::<i64>();
            forged.set_i64(&program, out, vec![row(0), row(1)]);
        }
        for einsum in ["sumcheck", "logkr", "reveal"] {
            assert!(!proves(&program, &forged, einsum, "logup-gkr"), "{uses} {einsum}");
            let mut consistent = forged.clone();
            consistent.set(tensors[0], other.get(tensors[0]).unwrap().clone());
            assert!(proves(&program, &consistent, einsum, "logup-gkr"), "{uses} {einsum}: the attack is empty");
        }
    }
}

/// A view of `x` that is looked up three times and used in `affine` constraints, which share one point.
fn report(affine: usize) -> SoundnessReport {
    let mut program = Program::default();
    let x = small(&mut program, "x", &[3, 6], Residence::Committed);
    let turned = small(&mut program, "turned", &[6, 4], Residence::Virtual);
    program.view("turned/view", turned, x, vec![AxisGroup::same(0, 1), group(&[1], &[0], window(1, 1, 0))]);
    for k in 0..affine {
        let out = small(&mut program, &format!("out{k}"), &[6, 4], Residence::Public);
        program.affine(format!("out{k}/same"), out, vec![(1, turned)], 0);
    }
    for k in 0..3 {
        let name = format!("other{k}");
        let weight = small(&mut program, &name, &[4], Residence::Public);
        let sums = program.tensor(format!("{name}/y"), shape(&[6]), Bounds::new(-256, 256), Residence::Public);
        program.einsum(format!("{name}/product"), "bi,i->b", sums, &[turned, weight]).unwrap();
    }
    Plan::<S>::new(statement::<S>(&program, "sumcheck", "logup-gkr"), &Registry).unwrap().soundness()
}

/// Equal claims are kept once, so more uses may leave the number of claims as it is. Never does that lower an error.
#[test]
fn more_uses_of_a_view_never_lower_an_error_term() {
    let reports: Vec<SoundnessReport> = (1..6).map(report).collect();
    for pair in reports.windows(2) {
        for term in &pair[0].terms {
            let more = pair[1].terms.iter().find(|t| t.name == term.name).unwrap();
            assert!(more.log2_error >= term.log2_error, "{}: {} then {}", term.name, term.log2_error, more.log2_error);
        }
    }
}

fn key_bytes(program: &Program) -> Vec<u8> {
    let statement = statement::<S>(program, "sumcheck", "logup-gkr");
    VerifyingKey { statement, fixed: FixedValues::Clear(vec![]) }.to_bytes().unwrap()
}

/// The verdict on a key, without a proof that could be valid; panics and long loops are what this looks for.
fn refusal(program: &Program) -> String {
    let start = Instant::now();
    let verdict = zkml_model::verify::<S>(&key_bytes(program), b"zkmlpub1", b"", &Registry);
    assert!(start.elapsed() < Duration::from_secs(20), "{:?}", start.elapsed());
    verdict.unwrap_err().to_string()
}

/// Every view alone is one that a verifier may walk; thousands of them fit into a small key.
#[test]
fn a_key_of_many_large_views_is_refused_at_once() {
    let mut program = Program::default();
    let x = small(&mut program, "x", &[1 << 20], Residence::Public);
    for k in 0..2000 {
        let y = small(&mut program, &format!("y{k}"), &[1 << 12, 1 << 12], Residence::Virtual);
        program.view(format!("y{k}/view"), y, x, vec![group(&[0, 1], &[0], window(1, 1, 0))]);
    }
    assert!(refusal(&program).contains("y1/view: "), "{}", refusal(&program));
}

/// Sizes of what the prover would do with a key are nothing that a verifier computes.
#[test]
fn a_window_that_no_prover_could_read_is_no_reason_to_panic() {
    let mut program = Program::default();
    let zero = Bounds::new(0, 0);
    let x = program.tensor("x/t", shape(&[1 << 16, 1 << 24]), zero, Residence::Public);
    let y = program.tensor("y/t", shape(&[1 << 16, 1, 1 << 24]), zero, Residence::Virtual);
    program.view("y/view", y, x, vec![AxisGroup::same(0, 0), group(&[1, 2], &[1], window(1, 1, 0))]);
    let w = program.tensor("w/t", shape(&[1 << 24]), zero, Residence::Public);
    let z = program.tensor("z/t", shape(&[1 << 16, 1]), zero, Residence::Public);
    program.einsum("z/product", "apu,u->ap", z, &[y, w]).unwrap();
    assert!(refusal(&program).contains("public values"), "{}", refusal(&program));
    let plan = Plan::<S>::new(statement::<S>(&program, "sumcheck", "logup-gkr"), &Registry).unwrap();
    assert_eq!(plan.summary().len(), 2);
}

/// A key with views, damaged in one place, and a proof that was made for the whole key.
#[test]
fn damaged_keys_are_refused() {
    let (program, witness, _) = chain(2);
    let plan = Plan::<S>::new(statement::<S>(&program, "sumcheck", "logup-gkr"), &Registry).unwrap();
    let key = ProvingKey::new(plan, &witness).unwrap();
    let proof = zkml_model::prove(&key, &witness, &Device::cpu()).unwrap().bytes;
    let (key, public) = (key.verifying_bytes(), public_bytes(&program, &witness).unwrap());
    assert!(zkml_model::verify::<S>(key, &public, &proof, &Registry).is_ok());
    let messages = &proof[proof_header(key, &public).len()..];
    for place in 8..key.len() {
        for value in [key[place] ^ 1, [0, 0x7f, 0x80, 0xff][place % 4]] {
            let mut damaged = key.to_vec();
            damaged[place] = value;
            if damaged == key {
                continue;
            }
            let proof = [proof_header(&damaged, &public), messages.to_vec()].concat();
            let start = Instant::now();
            let verdict = zkml_model::verify::<S>(&damaged, &public, &proof, &Registry);
            assert!(verdict.is_err(), "byte {place} is {value}");
            assert!(start.elapsed() < Duration::from_secs(5), "byte {place} is {value}: {:?}", start.elapsed());
        }
    }
}

//! Every kernel with every protocol in every slot: small networks through the real prover and the real verifier, and what
//! a verifier must refuse.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use zkml_commitment::CommittedSuite;
use zkml_core::{Bn254, Goldilocks, Program, ProtocolSet, Residence, Shape, Slot, Suite, TensorId, Witness};
use zkml_device::reference::Reference;
use zkml_device::{Accelerator, Activity, Buffer, Column, Device, DeviceError, DeviceInfo, FieldKind, IntegerEinsum};
use zkml_layers::{KERNELS, LayerSpec, Lowered, MatMul, NetworkSpec, lower};
use zkml_model::{Assignment, Plan, PlanError, ProvingKey, Statement, public_bytes};
use zkml_registry::Registry;

mod networks;

use networks::{Small, networks, relatives};

/// Names of the protocols that fill a slot over every suite.
fn fillers(slot: Slot) -> Vec<&'static str> {
    let everywhere = |id: &str| ProtocolSet::<Goldilocks>::build(&Registry, id, &BTreeMap::new()).is_ok();
    let all = zkml_registry::protocols().into_iter().filter(|p| p.slots.contains(&slot)).map(|p| p.id);
    all.filter(|id| everywhere(id)).collect()
}

/// Protocols that prove every kernel. Others may decline some.
const GENERAL: [&str; 5] = ["reveal", "sumcheck", "logup-gkr", "logkr", "lasso"];

/// Whether a protocol that may do so declines a relation of the program.
fn declined(program: &Program, [einsum, lookup]: [&str; 2]) -> bool {
    match Plan::<Goldilocks>::new(statement::<Goldilocks>(program, einsum, lookup), &Registry) {
        Err(PlanError::Refused { refusal, .. }) => !GENERAL.contains(&refusal.protocol),
        _ => false,
    }
}

fn statement<S: Suite>(program: &Program, einsum: &str, lookup: &str) -> Statement {
    Statement {
        suite: S::ID.to_owned(),
        program: program.clone(),
        assignments: Statement::assign(program, &Assignment::new(einsum), &Assignment::new(lookup)),
        security_bits: 100,
        allow_weak: false,
    }
    .merge_lookups()
}

fn lowered(small: &Small) -> (Lowered, Witness) {
    let lowered = lower(&small.spec).unwrap_or_else(|e| panic!("{}: {e}", small.name));
    let input = lowered.input_quantisation.quantise(small.spec.sample.as_ref().unwrap());
    let witness = lowered.forward(&input).unwrap_or_else(|e| panic!("{}: {e}", small.name));
    assert_eq!(witness.get(lowered.output).unwrap().to_i64(), lowered.infer(&input).unwrap(), "{}", small.name);
    (lowered, witness)
}

/// Key, public values and proof as bytes; `None` if the prover finds that the witness does not satisfy the program.
fn files(program: &Program, protocols: [&str; 2], honest: &Witness, witness: &Witness) -> Option<[Vec<u8>; 3]> {
    let [einsum, lookup] = protocols;
    let statement = statement::<Goldilocks>(program, einsum, lookup);
    files_of(Plan::<Goldilocks>::new(statement, &Registry).unwrap_or_else(|e| panic!("{e}")), honest, witness)
}

fn files_of<S: CommittedSuite>(plan: Plan<S>, honest: &Witness, witness: &Witness) -> Option<[Vec<u8>; 3]> {
    let program = plan.statement().program.clone();
    let key = ProvingKey::new(plan, honest).unwrap();
    let proof = zkml_model::prove(&key, witness, &Device::cpu()).ok()?;
    let public = public_bytes(&program, witness).ok()?;
    Some([key.verifying_bytes().to_vec(), public, proof.bytes])
}

fn accepts([key, public, proof]: &[Vec<u8>; 3]) -> bool {
    zkml_model::verify::<Goldilocks>(key, public, proof, &Registry).is_ok()
}

#[test]
fn every_kernel_has_a_small_network() {
    let covered: BTreeSet<&str> = networks().iter().flat_map(Small::kernels).collect();
    let missing: Vec<&str> = KERNELS.iter().map(|k| k.id).filter(|id| !covered.contains(id)).collect();
    assert!(missing.is_empty(), "no network in tests/networks uses {missing:?}");
}

#[test]
fn every_protocol_proves_every_kernel() {
    for small in networks() {
        let (lowered, witness) = lowered(&small);
        for einsum in fillers(Slot::Einsum) {
            for lookup in fillers(Slot::Lookup) {
                if declined(&lowered.program, [einsum, lookup]) {
                    continue;
                }
                let files = files(&lowered.program, [einsum, lookup], &witness, &witness);
                let files = files.unwrap_or_else(|| panic!("{}: {einsum} and {lookup} do not prove it", small.name));
                assert!(accepts(&files), "{}: {einsum} and {lookup}", small.name);
            }
        }
    }
}

/// A device beside the host computes the same tensors and makes the same bytes; one that fails on the way leaves the host to
/// make them.
#[test]
fn a_device_changes_neither_tensors_nor_proofs() {
    for small in networks() {
        let (lowered, expected) = lowered(&small);
        let input = lowered.input_quantisation.quantise(small.spec.sample.as_ref().unwrap());
        for [einsum, lookup] in [["sumcheck", "logup-gkr"], ["logkr", "logkr"], ["sumcheck", "lasso"]] {
            let statement = statement::<Goldilocks>(&lowered.program, einsum, lookup);
            let key = ProvingKey::new(Plan::<Goldilocks>::new(statement, &Registry).unwrap(), &expected).unwrap();
            let host = zkml_model::prove(&key, &expected, &Device::cpu()).unwrap();
            let mut calls = 0;
            for failing in [false, true] {
                let reference = Arc::new(Reference::failing(1, if failing { calls / 2 } else { u64::MAX }));
                let device = Device::accelerated(Arc::clone(&reference) as _);
                let witness = lowered.forward_on(&input, &device).unwrap();
                for tensor in (0..lowered.program.tensors().len()).map(TensorId) {
                    assert_eq!(witness.get(tensor), expected.get(tensor), "{}: {tensor:?}", small.name);
                }
                let proof = zkml_model::prove(&key, &witness, &device).unwrap();
                assert!(proof.bytes == host.bytes, "{} by {einsum} and {lookup}, failing: {failing}", small.name);
                assert_eq!(proof.fallback.is_some(), failing && calls > 0, "{}", small.name);
                let left = device.left_to_the_host();
                assert!(failing || left.is_empty(), "{}: {left:?}", small.name);
                calls = reference.calls();
            }
        }
    }
}

type Change = fn(&mut Vec<i64>);

/// The reference, whose sums are changed.
#[derive(Debug)]
struct Wrong(Reference, Change);

impl Accelerator for Wrong {
    fn info(&self) -> &DeviceInfo {
        self.0.info()
    }
    fn activity(&self) -> Activity {
        self.0.activity()
    }
    fn upload(&self, field: FieldKind, words: &[u64]) -> Result<Buffer, DeviceError> {
        self.0.upload(field, words)
    }
    fn upload_column(&self, column: &Column) -> Result<Buffer, DeviceError> {
        self.0.upload_column(column)
    }
    fn download(&self, buffer: &Buffer) -> Result<Vec<u64>, DeviceError> {
        self.0.download(buffer)
    }
    fn einsum(&self, request: &IntegerEinsum<'_>) -> Result<Vec<i64>, DeviceError> {
        let mut sums = self.0.einsum(request)?;
        (self.1)(&mut sums);
        Ok(sums)
    }
}

/// A device whose sums cannot be right is noted, and the sums are the host's.
#[test]
fn sums_that_cannot_be_are_computed_again() {
    let changes: [Change; 5] = [
        |sums| sums.truncate(sums.len() - 1),
        |sums| sums.push(0),
        |sums| sums.clear(),
        |sums| sums[0] = i64::MIN,
        |sums| *sums.last_mut().unwrap() = i64::MAX,
    ];
    let mut noted = 0;
    for small in networks() {
        let lowered = lower(&small.spec).unwrap();
        let input = lowered.input_quantisation.quantise(small.spec.sample.as_ref().unwrap());
        let expected = lowered.forward(&input).unwrap();
        for change in changes {
            let device = Device::accelerated(Arc::new(Wrong(Reference::new(1), change)));
            let witness = lowered.forward_on(&input, &device).unwrap();
            for tensor in (0..lowered.program.tensors().len()).map(TensorId) {
                assert_eq!(witness.get(tensor), expected.get(tensor), "{}: {tensor:?}", small.name);
            }
            assert_eq!(device.left_to_the_host().is_empty(), device.activity().dispatches == 0, "{}", small.name);
            noted += device.left_to_the_host().len();
        }
    }
    assert!(noted > 0);
}

/// One cell of one tensor is changed at a time: weights, activations, remainders, the public answer.
/// A protocol for products of two tensors proves the networks that have no others.
#[test]
fn zkmatrix_proves_the_kernels_whose_products_have_two_factors() {
    let mut proven: BTreeSet<&str> = BTreeSet::new();
    for small in networks() {
        let (lowered, witness) = lowered(&small);
        let statement = statement::<Bn254>(&lowered.program, "zkmatrix", "reveal");
        let plan = match Plan::<Bn254>::new(statement, &Registry) {
            Ok(plan) => plan,
            Err(refused) => {
                assert!(refused.to_string().contains("zkmatrix"), "{}: {refused}", small.name);
                continue;
            }
        };
        let [key, public, proof] = files_of(plan, &witness, &witness).expect("it proves");
        let verdict = zkml_model::verify::<Bn254>(&key, &public, &proof, &Registry);
        verdict.unwrap_or_else(|e| panic!("{}: {e}", small.name));
        proven.extend(small.kernels());
    }
    for kernel in ["dense", "matmul", "mul", "relu"] {
        assert!(proven.contains(kernel), "{kernel} is not among {proven:?}");
    }
}

/// Without its range check, a committed input could be anything: no other relation of a matrix product bounds it.
#[test]
fn a_committed_input_out_of_range_is_refused() {
    let layer = MatMul { name: "product".to_owned(), weight: vec![1.0], inputs: 1, bits: 8 };
    let mut spec = NetworkSpec::calibrated([1, 1], 8, &[1.0], vec![LayerSpec::MatMul(layer)]).unwrap();
    spec.input.committed = true;
    let lowered = lower(&spec).unwrap();
    let honest = lowered.forward(&[127]).unwrap();
    for (value, admissible) in [(127, true), (-128, true), (128, false)] {
        let mut witness = honest.clone();
        witness.set_i64(&lowered.program, lowered.input, vec![value]);
        witness.set_i64(&lowered.program, lowered.output, vec![127 * value]);
        for lookup in fillers(Slot::Lookup) {
            if declined(&lowered.program, ["sumcheck", lookup]) {
                continue;
            }
            let files = files(&lowered.program, ["sumcheck", lookup], &honest, &witness);
            assert_eq!(files.as_ref().is_some_and(accepts), admissible, "{value} by {lookup}");
        }
    }
}

#[test]
fn no_changed_cell_is_proven() {
    for small in networks() {
        let (lowered, witness) = lowered(&small);
        let program = &lowered.program;
        for (i, tensor) in program.tensors().iter().enumerate().filter(|(_, t)| t.residence != Residence::Virtual) {
            let id = TensorId(i);
            let mut values = witness.get(id).unwrap().to_i64();
            let cell = values.len() / 2;
            let step = if values[cell] > 0 { -1 } else { 1 };
            values[cell] += step;
            let mut bad = witness.clone();
            bad.set_i64(program, id, values);
            // Virtual tensors follow from the changed cell, as a prover that stands by it would compute them.
            let mut consistent = bad.clone();
            for (j, other) in program.tensors().iter().enumerate() {
                if other.residence == Residence::Virtual {
                    consistent.unset(TensorId(j));
                }
            }
            let filled = zkml_layers::evaluate::fill_virtual(program, &mut consistent).is_ok();
            for forged in [Some(bad), filled.then_some(consistent)].into_iter().flatten() {
                let Some(files) = files(program, ["sumcheck", "logup-gkr"], &witness, &forged) else { continue };
                assert!(!accepts(&files), "{}: `{}` with cell {cell} changed by {step}", small.name, tensor.name);
            }
        }
    }
}

/// The statement is the network: the messages of a proof for one do not pass under the key of another with the same shapes.
#[test]
fn a_proof_of_one_network_is_none_of_its_relatives() {
    for family in relatives() {
        let shapes = |small| -> Vec<Shape> {
            lowered(small).0.program.tensors().iter().map(|tensor| tensor.shape.clone()).collect()
        };
        let expected = shapes(&family[0]);
        let made: Vec<[Vec<u8>; 3]> = family
            .iter()
            .map(|small| {
                assert_eq!(shapes(small), expected, "{} is no relative of {}", small.name, family[0].name);
                let (lowered, witness) = lowered(small);
                files(&lowered.program, ["sumcheck", "logup-gkr"], &witness, &witness).expect("it proves")
            })
            .collect();
        for (i, mine) in made.iter().enumerate() {
            assert!(accepts(mine), "{}", family[i].name);
            for (j, other) in made.iter().enumerate().filter(|&(j, _)| j != i) {
                // The header says which key and which public values a proof is for; a forger writes what suits.
                for public in [&mine[1], &other[1]] {
                    let header = zkml_model::proof_header(&mine[0], public);
                    let proof = [header.as_slice(), &other[2][header.len()..]].concat();
                    let mixed = [mine[0].clone(), public.clone(), proof];
                    assert!(!accepts(&mixed), "the proof of {} passes for {}", family[j].name, family[i].name);
                }
            }
        }
    }
}

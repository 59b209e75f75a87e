//! Products with a witness, elements of proofs, and provers that cheat.
#![allow(dead_code, reason = "every test uses a part of it")]

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use zkml_core::{Bn254, Bounds, Program, Relation, Residence, Shape, Suite, TensorId, Witness};
use zkml_pairing::encoding::{FIRST_BYTES, SECOND_BYTES, TARGET_BYTES};
use zkml_testkit::cases::Case;
use zkml_testkit::driver::{Proof, Setup, Side, Verdict, prove, verify};
use zkml_zkmatrix::ZkMatrix;

pub(crate) type Felt = <Bn254 as Suite>::Challenge;

/// Seed of random entries and positions.
pub(crate) const SEED: u64 = 20_261_121;

pub(crate) fn rng() -> StdRng {
    StdRng::seed_from_u64(zkml_testkit::seed() ^ SEED)
}

/// Entries of eight bits with both signs.
pub(crate) fn entries(count: usize, rng: &mut StdRng) -> Vec<i64> {
    (0..count).map(|_| rng.random_range(-128..128)).collect()
}

/// A program with one einsum, and values for all of its tensors.
pub(crate) fn einsum(subscripts: &str, operands: &[(&[usize], Vec<i64>)], output: (&[usize], Vec<i64>)) -> Case {
    let (mut program, mut witness) = (Program::default(), Witness::default());
    let mut add = |dims: &[usize], values: Vec<i64>, residence| {
        let tensor =
            program.tensor("tensor", Shape::new(dims.to_vec()).unwrap(), Bounds::new(-1 << 40, 1 << 40), residence);
        witness.set_i64(&program, tensor, values);
        tensor
    };
    let ids: Vec<TensorId> =
        operands.iter().map(|(dims, values)| add(dims, values.clone(), Residence::Fixed)).collect();
    let out = add(output.0, output.1, Residence::Virtual);
    let relation = zkml_core::Einsum::new("test/product", subscripts, out, &ids).unwrap();
    let relation = program.relation(Relation::Einsum(relation));
    Case { name: subscripts.to_owned(), program, relation, witness }
}

/// `A · B`, row by row.
pub(crate) fn product([m, l, n]: [usize; 3], a: &[i64], b: &[i64]) -> Vec<i64> {
    let entry = |i: usize, j: usize| (0..l).map(|k| a[i * l + k] * b[k * n + j]).sum();
    (0..m * n).map(|cell| entry(cell / n, cell % n)).collect()
}

/// `C = A · B` for an `m × l` and an `l × n` matrix.
pub(crate) fn matmul([m, l, n]: [usize; 3], a: Vec<i64>, b: Vec<i64>) -> Setup {
    let c = product([m, l, n], &a, &b);
    setup(&einsum("ml,ln->mn", &[(&[m, l], a), (&[l, n], b)], (&[m, n], c)))
}

pub(crate) fn random_matmul(shape: [usize; 3]) -> Setup {
    let mut rng = rng();
    let [m, l, n] = shape;
    let (a, b) = (entries(m * l, &mut rng), entries(l * n, &mut rng));
    matmul(shape, a, b)
}

pub(crate) fn setup(case: &Case) -> Setup {
    Setup::new::<Bn254>(&ZkMatrix, case).unwrap()
}

pub(crate) fn honest(setup: &Setup) -> Proof<Bn254> {
    prove(&ZkMatrix, Side::honest(setup), &setup.witness).unwrap()
}

pub(crate) fn verdict(setup: &Setup, bytes: &[u8]) -> Verdict<Bn254> {
    verify(&ZkMatrix, Side::honest(setup), bytes)
}

/// The honest proof verifies.
pub(crate) fn accepts(setup: &Setup) {
    let proof = honest(setup);
    match verdict(setup, &proof.bytes) {
        Verdict::Accepted(claims) => assert_eq!(claims, proof.claims),
        other => panic!("{}: {other}", setup.name),
    }
}

/// Why a proof is rejected.
pub(crate) fn rejection(setup: &Setup, bytes: &[u8], what: &str) -> String {
    match verdict(setup, bytes) {
        Verdict::Rejected(why) => why,
        other => panic!("{}, {what}: {other}", setup.name),
    }
}

/// What an element of a proof is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Scalar,
    First,
    Second,
    Target,
}

impl Kind {
    pub(crate) fn bytes(self) -> usize {
        match self {
            Self::Scalar => Bn254::challenge_bytes(),
            Self::First => FIRST_BYTES,
            Self::Second => SECOND_BYTES,
            Self::Target => TARGET_BYTES,
        }
    }
}

/// Elements of one round.
pub(crate) const PER_ROUND: usize = 12;
/// Elements before the rounds: both projections, both values.
pub(crate) const BEFORE_ROUNDS: usize = 4;

/// Place and kind of every element of a proof.
pub(crate) fn slots(rounds: usize) -> Vec<(usize, Kind)> {
    use Kind::{First, Scalar, Second, Target};
    let round: [Kind; PER_ROUND] =
        [Target, Target, Target, Target, First, Second, Target, Target, First, First, Second, Second];
    let all = [Second, First, Scalar, Scalar].into_iter();
    let all = all.chain(round.into_iter().cycle().take(rounds * PER_ROUND)).chain([First, Second]);
    let mut at = 0;
    all.map(|kind| {
        let slot = (at, kind);
        at += kind.bytes();
        slot
    })
    .collect()
}

//! Merging claims: completeness against direct evaluation, and what must be rejected.

use std::sync::Arc;

use p3_field::{BasedVectorSpace, PrimeCharacteristicRing};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use zkml_core::{
    Bn254, Claim, Goldilocks, Goldilocks3, ProverTranscript, Shape, Suite, TensorId, VerifierTranscript, mle,
};
use zkml_device::{Column, Device};
use zkml_sumcheck::merge::{prove_merge, prove_merge_table, verify_merge};
use zkml_sumcheck::vector;

const SEED: u64 = 0x5eed_0002;
const TENSOR: TensorId = TensorId(7);

fn random<S: Suite>(rng: &mut StdRng) -> S::Challenge {
    let coefficients: Vec<S::Base> = (0..3).map(|_| S::from_i64(rng.random::<i64>())).collect();
    S::Challenge::from_basis_coefficients_fn(|i| coefficients[i])
}

fn truth<S: Suite>(column: &Column, shape: &Shape, point: &[S::Challenge]) -> S::Challenge {
    mle::evaluate(shape, point, |i| S::from_i64(column.get(i).unwrap()))
}

/// Columns of every width, extreme values included.
fn columns(rng: &mut StdRng, cells: usize) -> Vec<Column> {
    vec![
        Column::I8((0..cells).map(|i| if i % 3 == 0 { i8::MIN } else { rng.random() }).collect()),
        Column::I16((0..cells).map(|i| if i % 3 == 0 { i16::MIN } else { rng.random() }).collect()),
        Column::I32((0..cells).map(|i| if i % 3 == 0 { i32::MIN } else { rng.random() }).collect()),
        Column::I64((0..cells).map(|i| if i % 3 == 0 { i64::MIN } else { rng.random() }).collect()),
    ]
}

/// Random coordinates, some of them boolean as in block claims.
fn point<S: Suite>(rng: &mut StdRng, n: usize) -> Vec<S::Challenge> {
    (0..n)
        .map(|_| match rng.random_range(0..4) {
            0 => S::Challenge::from_bool(rng.random()),
            _ => random::<S>(rng),
        })
        .collect()
}

fn shapes() -> Vec<Shape> {
    [vec![], vec![1], vec![2], vec![5], vec![3, 5, 7], vec![1, 9, 1], vec![64, 100], vec![300, 3]]
        .into_iter()
        .map(|dims| Shape::new(dims).unwrap())
        .collect()
}

fn columns_and_claims<S: Suite>() {
    let mut rng = StdRng::seed_from_u64(SEED);
    for shape in shapes() {
        for column in columns(&mut rng, shape.cells()) {
            for count in 1..4 {
                let claims: Vec<Claim<S::Challenge>> = (0..count)
                    .map(|_| {
                        let point = point::<S>(&mut rng, shape.variables());
                        let value = truth::<S>(&column, &shape, &point);
                        assert_eq!(
                            vector::evaluate_column::<S>(&Arc::new(column.clone()), &shape, &point, &Device::cpu())
                                .unwrap(),
                            value,
                            "{shape}, seed {SEED}"
                        );
                        Claim::new(TENSOR, point, value)
                    })
                    .collect();
                let mut prover = ProverTranscript::<S>::new();
                let merged = prove_merge(TENSOR, &column, &shape, &claims, &mut prover, &Device::cpu()).unwrap();
                let proof = prover.finish().0;
                let mut verifier = VerifierTranscript::<S>::new(&proof);
                let verified = verify_merge(TENSOR, shape.variables(), &claims, &mut verifier).unwrap();
                verifier.finish().unwrap();
                assert_eq!(merged, verified, "{shape}, seed {SEED}");
                assert_eq!(truth::<S>(&column, &shape, &merged.point), merged.value, "{shape}, seed {SEED}");
            }
        }
    }
}

#[test]
fn merged_claims_are_true() {
    columns_and_claims::<Goldilocks>();
    columns_and_claims::<Goldilocks3>();
    columns_and_claims::<Bn254>();
}

#[test]
fn false_claims_and_changed_proofs_are_rejected() {
    type S = Goldilocks;
    let mut rng = StdRng::seed_from_u64(SEED + 1);
    let shape = Shape::new([6, 5]).unwrap();
    let n = shape.variables();
    let column = Column::I8((0..shape.cells()).map(|_| rng.random()).collect());
    let accepted = |claims: &[Claim<_>], proof: &[u8]| {
        let mut verifier = VerifierTranscript::<S>::new(proof);
        let Ok(merged) = verify_merge(TENSOR, n, claims, &mut verifier) else { return false };
        verifier.finish().is_ok() && truth::<S>(&column, &shape, &merged.point) == merged.value
    };
    let claims: Vec<_> = (0..3)
        .map(|_| {
            let point: Vec<_> = (0..n).map(|_| random::<S>(&mut rng)).collect();
            let value = truth::<S>(&column, &shape, &point);
            Claim::new(TENSOR, point, value)
        })
        .collect();
    let prove = |claims: &[Claim<_>]| {
        let mut prover = ProverTranscript::<S>::new();
        prove_merge(TENSOR, &column, &shape, claims, &mut prover, &Device::cpu()).unwrap();
        prover.finish().0
    };
    let proof = prove(&claims);
    assert_eq!(proof.len(), 16 * (2 * n + 1));
    assert!(accepted(&claims, &proof));
    for t in 0..claims.len() {
        let mut wrong = claims.clone();
        wrong[t].value += random::<S>(&mut rng);
        assert!(!accepted(&wrong, &proof), "seed {SEED}");
        assert!(!accepted(&wrong, &prove(&wrong)), "a prover that knows of the false claim, seed {SEED}");
    }
    let mut reordered = claims.clone();
    reordered.swap(0, 1);
    assert!(!accepted(&reordered, &proof));
    for i in 0..proof.len() {
        let mut changed = proof.clone();
        changed[i] ^= 1;
        assert!(!accepted(&claims, &changed), "byte {i}, seed {SEED}");
    }
    assert!(!accepted(&claims, &proof[..proof.len() - 1]));
    assert!(!accepted(&claims, &[proof.as_slice(), &[0; 16]].concat()));
}

#[test]
fn malformed_statements_are_errors() {
    type S = Goldilocks;
    let claim = |tensor, n| Claim::new(tensor, vec![<S as Suite>::Challenge::ONE; n], <S as Suite>::Challenge::ONE);
    for claims in
        [vec![], vec![claim(TENSOR, 2), claim(TENSOR, 3)], vec![claim(TensorId(1), 3)], vec![claim(TENSOR, 4)]]
    {
        let mut verifier = VerifierTranscript::<S>::new(&[0; 400]);
        assert!(verify_merge(TENSOR, 3, &claims, &mut verifier).is_err());
        let mut prover = ProverTranscript::<S>::new();
        let table = vec![<S as Suite>::Challenge::ONE; 8];
        assert!(prove_merge_table(TENSOR, table, 3, &claims, &mut prover, &Device::cpu()).is_err());
    }
}

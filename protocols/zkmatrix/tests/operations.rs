//! The counting build: `cargo test -p zkml-zkmatrix --features count-ops --test operations`.
#![cfg(feature = "count-ops")]

mod common;

use common::{accepts, einsum, entries, honest, product, random_matmul, rng, setup};
use zkml_core::LayerVerifier;
use zkml_device::count;
use zkml_testkit::driver::Setup;
use zkml_zkmatrix::ZkMatrix;

/// Predicted and counted operations are equal, not only close.
fn check(setup: &Setup) {
    let before = count::snapshot();
    let bytes = honest(setup).bytes.len();
    let counted = count::snapshot().since(before);
    let predicted = ZkMatrix.cost(&setup.statement.instance());
    let name = &setup.name;
    println!("{name}: {predicted:?}");
    for (what, counted, predicted) in [
        ("terms in the first group", counted.first_terms, predicted.first_terms),
        ("terms in the second group", counted.second_terms, predicted.second_terms),
        ("pairings", counted.pairings, predicted.pairings),
        ("extension products", counted.ext_mul, predicted.ext_mul),
        ("small products", counted.base_ext_mul, predicted.base_ext_mul),
        ("base products", counted.base_mul, predicted.base_mul),
    ] {
        assert!((counted as f64 - predicted).abs() < 0.5, "{name}, {what}: {counted} counted, {predicted} predicted");
    }
    assert_eq!(bytes, predicted.proof_bytes + 32 * predicted.proof_elements, "{name}");
}

/// One test, because the counters belong to the process.
#[test]
fn counted_operations_are_the_predicted_ones() {
    for shape in [[1, 1, 1], [1, 2, 1], [16, 16, 16], [3, 5, 7], [20, 64, 9], [64, 100, 30]] {
        check(&random_matmul(shape));
    }
    let mut rng = rng();
    let (a, b) = (entries(3 * 4 * 5, &mut rng), entries(3 * 5 * 2, &mut rng));
    let c: Vec<i64> = (0..3).flat_map(|i| product([4, 5, 2], &a[i * 20..], &b[i * 10..])).collect();
    let operands: [(&[usize], Vec<i64>); 2] = [(&[3, 4, 5], a.clone()), (&[3, 5, 2], b.clone())];
    let batch = setup(&einsum("bmk,bkn->bmn", &operands, (&[3, 4, 2], c)));
    accepts(&batch);
    check(&batch);
    // Several letters to contract in one operand: a_xyk b_k -> y, with x summed by itself.
    let column = entries(5, &mut rng);
    let rows = product([12, 5, 1], &a, &column);
    let sums = (0..4).map(|y| (0..3).map(|x| rows[x * 4 + y]).sum()).collect();
    let operands: [(&[usize], Vec<i64>); 2] = [(&[3, 4, 5], a), (&[5], column)];
    let summed = setup(&einsum("xyk,k->y", &operands, (&[4], sums)));
    accepts(&summed);
    check(&summed);
}

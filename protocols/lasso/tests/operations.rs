//! The counting build: `cargo test -p zkml-lasso --features count-ops --test operations`.
#![cfg(feature = "count-ops")]

mod common;

use common::{Case, both};
use zkml_core::{Goldilocks as S, LayerVerifier, Table};
use zkml_device::count;

fn check(name: &str, case: &Case) {
    let before = count::snapshot();
    case.prove::<S>().unwrap();
    let counted = count::snapshot().since(before);
    let predicted = LayerVerifier::<S>::cost(&case.protocol, &case.instance());
    println!(
        "{name:32} {:?}: ext {} (predicted {}), base x ext {} (predicted {}), {} elements",
        case.protocol,
        counted.ext_mul,
        predicted.ext_mul,
        counted.base_ext_mul,
        predicted.base_ext_mul,
        predicted.proof_elements
    );
    for (counted, predicted) in
        [(counted.ext_mul as f64, predicted.ext_mul), (counted.base_ext_mul as f64, predicted.base_ext_mul)]
    {
        assert!((counted - predicted).abs() <= 0.05 * counted, "{name}: {counted} counted, {predicted} predicted");
    }
}

/// One test, because the counters belong to the process.
#[test]
fn counted_operations_are_the_predicted_ones() {
    let relu: Vec<i64> = (-2048..2048).collect();
    let relu = Table::listed("relu", vec![relu.clone(), relu.iter().map(|&x| x.clamp(0, 127)).collect()]).unwrap();
    for protocol in both(1) {
        check("range 8, 2^16", &Case::random(protocol, &Table::Range { bits: 8 }, &[&[256, 256]], 1));
        check("range 12, 40000", &Case::random(protocol, &Table::Range { bits: 12 }, &[&[200, 200]], 2));
        check("clamp 12, 2^14, one chunk", &Case::random(protocol, &relu, &[&[128, 128]], 3));
    }
    for protocol in both(2) {
        check("range 16, 2^14, two chunks", &Case::random(protocol, &Table::Range { bits: 16 }, &[&[128, 128]], 4));
        check("clamp 12, 2^14, runs", &Case::random(protocol, &relu, &[&[128, 128]], 5));
    }
    for protocol in both(3) {
        check("range 16, 10000, three chunks", &Case::random(protocol, &Table::Range { bits: 16 }, &[&[100, 100]], 6));
    }
}

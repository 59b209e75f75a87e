//! Experiments of this repository on a GPU: the bytes are those of the host.
//!
//! Without an adapter the tests say SKIPPED; with `ZKML_REQUIRE_GPU=1` they fail. A software adapter will do.

mod common;

use std::fs;
use std::path::Path;

use common::{Bench, code, text};
use serde_json::Value;

/// Whether there is an adapter to test with.
fn adapter() -> bool {
    let found = zkml_gpu::discover();
    let usable = found.iter().any(|adapter| adapter.usable.is_ok());
    if !usable {
        assert!(std::env::var("ZKML_REQUIRE_GPU").is_err(), "ZKML_REQUIRE_GPU is set, but there is no GPU: {found:?}");
        println!("SKIPPED: no adapter can be used; found: {found:?}");
    }
    usable
}

/// The proof of the latest run of an experiment with one cell.
fn proof(bench: &Bench, experiment: &str) -> Vec<u8> {
    let cells = fs::canonicalize(bench.path(&format!("runs/latest-{experiment}/cells"))).unwrap();
    fs::read(fs::read_dir(cells).unwrap().next().unwrap().unwrap().path().join("proof.bin")).unwrap()
}

/// Runs an experiment of the repository, and returns its proof and record.
fn run(bench: &Bench, experiment: &str, device: &str) -> (Vec<u8>, Value) {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("../{experiment}.yaml"));
    let device = format!("device={device}");
    let arguments = ["run", file.to_str().unwrap(), &device, "measure.warmup=0", "measure.samples=1"];
    let output = bench.workbench(&arguments);
    assert!([0, 3].contains(&code(&output)), "{experiment} {device}: {}", text(&output));
    let results = fs::read_to_string(bench.path(&format!("runs/latest-{experiment}/results.jsonl"))).unwrap();
    let record = serde_json::from_str(results.lines().next().unwrap()).unwrap();
    (proof(bench, experiment), record)
}

fn same_bytes(experiment: &str) {
    if !adapter() {
        return;
    }
    let bench = Bench::new();
    let (expected, host) = run(&bench, experiment, "cpu");
    assert!(host["measured"]["device"].is_null());
    let (proof, record) = run(&bench, experiment, "gpu");
    assert_eq!(record["status"], "ok", "{record}");
    let device = &record["measured"]["device"];
    assert!(proof == expected, "{experiment}: the bytes differ from the host's");
    assert!(device["activity"]["dispatches"].as_u64().unwrap() > 0, "{experiment}: the device did nothing: {device}");
    assert!(device["fallback"].is_null(), "{experiment}: {device}");
}

#[test]
fn rmsnorm_has_the_same_bytes() {
    same_bytes("rmsnorm-logkr");
}

#[test]
fn a_convolutional_network_has_the_same_bytes() {
    same_bytes("digits-cnn");
}

#[test]
fn a_device_that_is_missing_is_named_with_what_to_do() {
    let bench = Bench::new();
    let output = bench.workbench(&["plan", "tiny.yaml", "device=icicle"]);
    if code(&output) != 0 {
        assert!(text(&output).contains("not installed: looked for"), "{}", text(&output));
        let listed = bench.workbench(&["plan", "tiny.yaml", "device=cpu,icicle", "unsupported=list"]);
        assert_eq!(code(&listed), 0, "{}", text(&listed));
    }
    let output = bench.workbench(&["plan", "tiny.yaml", "device=gpo"]);
    assert!(code(&output) == 1 && text(&output).contains("gpu"), "{}", text(&output));
}

#[test]
fn devices_are_listed_and_described() {
    let bench = Bench::new();
    let listed = text(&bench.workbench(&["list", "devices"]));
    assert!(["cpu", "gpu", "icicle"].iter().all(|name| listed.contains(name)), "{listed}");
    let described = text(&bench.workbench(&["describe", "gpu"]));
    for word in ["prelude", "limits", "break-even", "ZKML_GPU_BREAK_EVEN", "on this machine"] {
        assert!(described.contains(word), "{word}: {described}");
    }
}

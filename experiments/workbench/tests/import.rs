//! `workbench import`: ONNX files made elsewhere become experiments that run, and what cannot be imported leaves nothing behind.

mod common;

use std::fs;
use std::path::{Path, PathBuf};

use common::{Bench, code, text};

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../kernels/import/tests/fixtures").join(name)
}

fn import(bench: &Bench, name: &str, more: &[&str]) -> std::process::Output {
    let (model, sample) = (fixture(&format!("{name}.onnx")), fixture(&format!("{name}.json")));
    let sample = if sample.exists() { sample } else { fixture("gemm-transb1.json") };
    let arguments =
        ["import", &model.display().to_string(), "--calibrate", &sample.display().to_string(), "--output", "net.yaml"]
            .map(str::to_owned);
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).chain(more.iter().copied()).collect();
    bench.workbench(&arguments)
}

/// Operator sets 12 to 17; ours, and files by the exporters of Flax and scikit-learn.
#[test]
fn imported_networks_are_proven_and_verified() {
    let networks = [
        "gemm-transb0-alpha-beta",
        "matmul-add",
        "conv-stride-asymmetric-pads",
        "conv-groups",
        "pools",
        "residual-add",
        "layernorm-primitives",
        "rmsnorm-pow-div",
        "silu",
        "flax-cnn",
        "sklearn-mlp-regressor",
    ];
    for name in networks {
        let bench = Bench::new();
        let output = import(&bench, name, &[]);
        assert_eq!(code(&output), 0, "{name}: {}", text(&output));
        assert!(text(&output).contains("max error (steps)"), "{name}: {}", text(&output));
        let output = bench.workbench(&["run", "./net.yaml", "measure.samples=1", "measure.warmup=0"]);
        assert_eq!(code(&output), 0, "{name}: {}", text(&output));
    }
}

#[test]
fn what_cannot_be_imported_is_named_and_leaves_nothing_behind() {
    let refusals = [
        ("bad-truncated", "malformed"),
        ("bad-operator-lstm", "LSTM"),
        ("bad-dynamic-batch", "--dim"),
        ("bad-external-data", "outside the file"),
        ("bad-nan-weight", "NaN"),
        ("bad-missing-input", "reads"),
    ];
    for (name, word) in refusals {
        let bench = Bench::new();
        let output = import(&bench, name, &[]);
        assert_eq!(code(&output), 1, "{name}: {}", text(&output));
        assert!(text(&output).contains(word), "{name}: {}", text(&output));
        assert!(!bench.path("net.yaml").exists() && !bench.path("net.safetensors").exists(), "{name}");
    }
}

#[test]
fn samples_of_another_length_and_existing_files_are_refused() {
    let bench = Bench::new();
    fs::write(bench.path("short.json"), r#"{"input_data": [[1, 2, 3]]}"#).unwrap();
    let model = fixture("conv-groups.onnx").display().to_string();
    let output = bench.workbench(&["import", &model, "--calibrate", "short.json", "--output", "net.yaml"]);
    assert_eq!(code(&output), 1, "{}", text(&output));
    assert!(text(&output).contains("short.json"), "{}", text(&output));
    assert_eq!(code(&import(&bench, "matmul-add", &[])), 0);
    let output = import(&bench, "matmul-add", &[]);
    assert!(code(&output) == 1 && text(&output).contains("--force"), "{}", text(&output));
    assert_eq!(code(&import(&bench, "matmul-add", &["--force", "--bits", "6", "--per-channel"])), 0);
}

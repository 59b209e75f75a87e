//! ONNX files written by other tools, with outputs computed by ONNX Runtime (`experiments/data/make_fixtures.py`).

mod common;

use std::path::{Path, PathBuf};

use common::{close, evaluate, kind};
use zkml_import::onnx::{Options, Reference, read};
use zkml_import::{Array, load};

const FIXTURES: &str = "tests/fixtures";
const NETWORKS: &str = "../../experiments/data";

fn files(folder: &str) -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
    let entries = std::fs::read_dir(&folder).unwrap_or_else(|e| panic!("{}: {e}", folder.display()));
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    files.retain(|path| path.extension().is_some_and(|e| e == "onnx"));
    files.sort();
    files
}

fn stem(path: &Path) -> &str {
    path.file_stem().unwrap().to_str().unwrap()
}

/// Checks the imported layers against tract, one by one; returns the outputs of both.
fn check(path: &Path, json: &Path) -> [Array; 2] {
    let name = stem(path);
    let model = read(path, &Options::default()).unwrap_or_else(|e| panic!("{e}"));
    let reference = Reference::open(path, &Options::default()).unwrap_or_else(|e| panic!("{e}"));
    let inputs = load(json, None).unwrap().samples(&model.input.shape).unwrap();
    assert_eq!(inputs.len(), 1, "{name}");
    let mut ours = evaluate(&model, &inputs[0]);
    for (layer, theirs) in reference.layers(&inputs[0]).unwrap() {
        close(&format!("{name}, layer {layer}"), &ours[&layer], &theirs);
    }
    [ours.remove(&model.output).unwrap(), reference.run(&inputs[0]).unwrap()]
}

#[test]
fn fixtures_give_the_outputs_of_onnx_runtime() {
    let good: Vec<PathBuf> = files(FIXTURES).into_iter().filter(|path| !stem(path).starts_with("bad-")).collect();
    assert!(good.len() >= 34, "{} fixtures", good.len());
    for path in good {
        let json = path.with_extension("json");
        let expected = load(&json, Some("output_data")).unwrap();
        for output in check(&path, &json) {
            close(stem(&path), &output.reshaped(&expected.shape).unwrap(), &expected);
        }
    }
}

#[test]
fn networks_give_the_outputs_of_tract() {
    let input = |path: &Path| path.with_file_name(format!("{}-input.json", stem(path)));
    let networks: Vec<PathBuf> = files(NETWORKS).into_iter().filter(|path| input(path).exists()).collect();
    assert!(networks.len() >= 4, "{} networks", networks.len());
    for path in networks {
        let [ours, theirs] = check(&path, &input(&path));
        close(stem(&path), &ours, &theirs);
    }
}

/// What some fixtures become.
#[test]
fn layers_of_fixtures() {
    let cases: [(&str, &[&str]); 9] = [
        ("batchnorm-conv", &["Conv2d+Relu", "Conv2d"]),
        ("flax-cnn", &["Transpose", "Conv2d+Relu", "MaxPool", "Transpose", "Reshape", "Dense"]),
        ("gelu-erf", &["Dense", "Activation", "Dense"]),
        ("layernorm-primitives", &["LayerNorm"]),
        ("residual-add", &["Conv2d+Relu", "Conv2d+Relu", "Conv2d", "Add", "Relu"]),
        ("rmsnorm-mul-inverse", &["RmsNorm"]),
        ("rmsnorm-pow-reciprocal", &["RmsNorm"]),
        ("sklearn-mlp-regressor", &["Dense+Relu", "Dense+Relu", "Dense"]),
        ("transformer-ffn", &["RmsNorm", "Dense", "Activation", "Dense", "Add"]),
    ];
    for (name, expected) in cases {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(FIXTURES).join(format!("{name}.onnx"));
        let model = read(&path, &Options::default()).unwrap_or_else(|e| panic!("{e}"));
        assert_eq!(model.layers.iter().map(|l| kind(&l.operator)).collect::<Vec<_>>(), expected, "{name}");
    }
}

#[test]
fn bad_fixtures_are_refused() {
    let cases = [
        ("bad-axis", "node `norm` (LayerNormalization): it normalises from axis -128 on"),
        ("bad-cycle", "node `first` reads `second.out`, which is neither"),
        ("bad-dynamic-batch", "axis 0 of the input `input` is dynamic; give it a length with --dim N=1"),
        ("bad-empty", "malformed: it has no graph"),
        ("bad-external-data", "the tensor `dense.weight` is stored outside the file"),
        (
            "bad-huge-tensor",
            "dense.weight: malformed: the shape [1099511627776, 1099511627776] is negative or too large",
        ),
        ("bad-infinite-weight", "dense.weight: the value at index [2, 5] is -inf"),
        ("bad-integer-input", ":input: element type INT64 is not supported"),
        ("bad-missing-input", "node `sum` reads `nowhere`, which is neither"),
        ("bad-missing-output", "malformed: its output `output` is written by no node"),
        ("bad-nan-weight", "dense.weight: the value at index [2, 5] is NaN"),
        ("bad-not-onnx", "malformed: it is truncated or not ONNX"),
        ("bad-operator-custom-domain", "node `foreign`: the operator com.example.Relu is not supported"),
        ("bad-operator-einsum", "node `contract`: the operator Einsum is not supported"),
        ("bad-operator-lstm", "node `recurrent`: the operator LSTM is not supported"),
        ("bad-opset-99", "uses version 99 of the ONNX operators"),
        ("bad-shape-mismatch", "node `dense` (Gemm): shapes [1, 8] and [4, 9] do not fit: 8 columns meet 9 rows"),
        ("bad-short-tensor", "dense.weight: malformed: 120 bytes of data do not fit shape [4, 8]"),
        ("bad-sklearn-classifier", "has 2 outputs (`output_label`, `output_probability`)"),
        ("bad-truncated", "malformed: it is truncated or not ONNX"),
    ];
    for path in files(FIXTURES).iter().filter(|path| stem(path).starts_with("bad-")) {
        let case = cases.iter().find(|(name, _)| *name == stem(path));
        let expected = case.unwrap_or_else(|| panic!("no expectation for {}", path.display())).1;
        let error = read(path, &Options::default()).expect_err(stem(path)).to_string();
        assert!(error.contains(expected), "{error}");
        assert!(Reference::open(path, &Options::default()).is_err());
    }
    let mut options = Options::default();
    options.dims.insert("N".to_owned(), 3);
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(FIXTURES).join("bad-dynamic-batch.onnx");
    assert_eq!(read(&path, &options).unwrap().input.shape[0], 3);
}

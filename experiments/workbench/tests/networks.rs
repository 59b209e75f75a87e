//! The built program on a small network that is a graph: runs, held-out inputs, and faults at their places.

mod common;

use std::fs;

use common::{Bench, code, npy, text};
use serde_json::Value;

const NETWORK: &str = "\
schema: 1
input: {file: x.json, shape: [1, 1, 4, 4]}
calibration: {file: test.npy}
evaluate: {file: test.npy, labels: labels.npy, rows: 5}
protocol: {einsum: sumcheck, lookup: logup-gkr}
model:
  - conv2d: {weight: kernel.npy, padding: 1, activation: relu}
    name: conv
  - add:
    inputs: [conv, input]
  - maxpool: {kernel: 2}
  - flatten:
  - dense: {weight: weight.npy, per_channel: true}
    name: logits
measure: {warmup: 0, samples: 1, timeout_s: 300}
";

/// A convolution with a residual connection, pooling, and three outputs.
fn network() -> Bench {
    let bench = Bench::new();
    let values = |n: i32, step: i32| (0..n).map(|i| f64::from(i * step % 17) / 8.0 - 1.0).collect::<Vec<f64>>();
    let input: Vec<String> = values(16, 5).iter().map(ToString::to_string).collect();
    let files = [
        ("kernel.npy", npy("(1, 1, 3, 3)", &values(9, 4))),
        ("weight.npy", npy("(3, 4)", &values(12, 7))),
        ("test.npy", npy("(6, 1, 4, 4)", &values(96, 3))),
        ("labels.npy", npy("(6,)", &[0.0, 1.0, 2.0, 0.0, 1.0, 2.0])),
        ("halves.npy", npy("(6,)", &[0.5; 6])),
        ("short.npy", npy("(2,)", &[0.0, 1.0])),
        ("five.npy", npy("(6,)", &[5.0; 6])),
        ("small.npy", npy("(1, 16)", &[1e-6; 16])),
        ("x.json", format!("{{\"input_data\": [[{}]]}}", input.join(", ")).into_bytes()),
        ("tiny.yaml", NETWORK.as_bytes().to_vec()),
    ];
    for (name, bytes) in files {
        fs::write(bench.path(name), bytes).unwrap();
    }
    bench
}

#[test]
fn a_graph_is_proven_layer_by_layer_and_evaluated_once() {
    let bench = network();
    let output = bench.run(&["model.conv.protocol.lookup=logup-gkr,logkr"]);
    assert_eq!(code(&output), 0, "{}", text(&output));
    assert!(text(&output).contains("answer: ") && text(&output).contains(" of 5 held-out inputs"), "{}", text(&output));
    let records = bench.records();
    assert_eq!(records.len(), 2);
    for record in &records {
        let measured = &record["measured"];
        let layers: Vec<&str> =
            measured["layers"].as_array().unwrap().iter().map(|l| l["kernel"].as_str().unwrap()).collect();
        assert_eq!(layers, ["conv2d", "add", "maxpool", "flatten", "dense"]);
        assert_eq!(measured["layers"][1]["inputs"], Value::from(vec!["conv", "input"]));
        assert_eq!(
            (&measured["evaluation"]["rows"], measured["predictions"].as_array().unwrap().len()),
            (&Value::from(5), 1)
        );
        assert!(record["metrics"]["agreement"].as_f64().unwrap() >= 0.8, "{}", record["metrics"]);
        assert!(record["metrics"]["accuracy"].is_number() && record["metrics"]["max_layer_error_steps"].is_number());
    }
    // The second cell differs in a protocol only: it is given the first one's evaluation.
    let jobs: Vec<bool> = fs::read_dir(bench.path("runs/latest-tiny/cells"))
        .unwrap()
        .map(|cell| fs::read(cell.unwrap().path().join("cell.json")).unwrap())
        .map(|job| serde_json::from_slice::<Value>(&job).unwrap()["evaluation"].is_null())
        .collect();
    assert_eq!(jobs.iter().filter(|none| **none).count(), 1, "{jobs:?}");
    let protocols: Vec<&Value> = records.iter().map(|r| &r["measured"]["layers"][0]["slots"]).collect();
    assert_ne!(protocols[0], protocols[1]);
    let output = bench.run(&["checks.accuracy.min=1.1", "evaluate.rows=1"]);
    assert_eq!(code(&output), 3, "{}", text(&output));
}

#[test]
fn a_plan_shows_every_layer_with_its_slots() {
    let bench = network();
    let plan = bench.workbench(&["plan", "tiny.yaml", "model.conv.protocol.lookup=logkr"]);
    assert_eq!(code(&plan), 0, "{}", text(&plan));
    for word in ["conv2d", "1 x 1 x 4 x 4", "einsum", "lookup", "sumcheck", "logkr", "logup-gkr", "total"] {
        assert!(text(&plan).contains(word), "{word}: {}", text(&plan));
    }
    assert!(!text(&plan).contains("conv/product"), "{}", text(&plan));
    let plan = bench.workbench(&["plan", "tiny.yaml", "--details"]);
    assert!(text(&plan).contains("logits/product"), "{}", text(&plan));
}

#[test]
fn unsupported_combinations_are_listed_with_their_reasons() {
    let bench = network();
    let axes = ["protocol.einsum=sumcheck,logup-gkr", "protocol.lookup=reveal"];
    let output = bench.run(&axes);
    assert_eq!(code(&output), 1, "{}", text(&output));
    assert!(text(&output).contains("`logup-gkr` does not fill the slot einsum"), "{}", text(&output));
    let output = bench.run(&[&axes[..], &["unsupported=list"]].concat());
    assert_eq!(code(&output), 0, "{}", text(&output));
    assert!(text(&output).contains("unsupported: 1 of 2 combinations"), "{}", text(&output));
    assert!(text(&output).contains("protocol.einsum: `logup-gkr` does not fill"), "{}", text(&output));
    assert_eq!(bench.records().len(), 1);
    // Anything else that is wrong stays an error.
    let output = bench.run(&[&axes[..], &["unsupported=list", "input.file=none.json"]].concat());
    assert_eq!(code(&output), 1, "{}", text(&output));
}

#[test]
fn faults_name_their_key_and_what_is_allowed() {
    let bench = network();
    for (change, key, says) in [
        ("model.conv.flatten={}", "model.0", "this layer names several kernels"),
        ("model.1.inputs=[cnv, input]", "model.1.inputs.0", "nearest:  conv"),
        ("model.1.inputs=[logits, input]", "model.1.inputs.0", "does not come before this one"),
        ("model.logits.input=logits", "model.4.input", "does not come before this one"),
        ("model.1.input=conv", "model.1.inputs", "this layer has `input` and `inputs`"),
        ("model.1.inputs=null", "model.1.add", "add takes 2 inputs, not 1"),
        ("model.logits.inputs=[conv, input]", "model.4.dense", "dense takes 1 inputs, not 2"),
        ("model.logits.name=conv", "model.4.name", "two layers are called `conv`"),
        ("model.conv.name=input", "model.0.name", "`input` is the name of the network's input"),
        ("model.conv.conv2d.weight=weight.npy", "model.0.conv2d.weight", "`weight.npy` is no convolution's weight"),
        ("model.conv.conv2d.padding=[1, 1, 1]", "model.0.conv2d.padding", "neither two nor four sides"),
        ("model.conv.conv2d.stride=0", "model.0.conv2d.stride", "out of range"),
        ("model.flatten={reshape: {shape: [3, -1]}}", "model.3.reshape.shape", "rows of 4 cells"),
        ("model.flatten={transpose: {permutation: [1, 0, 2, 3]}}", "model.3.transpose", "batch"),
        ("model.logits.dense.weight=kernel.npy", "model.4.dense.weight", "`kernel.npy` is no matrix"),
        ("model.maxpool.maxpool.kernel=5", "model.2.maxpool", "maxpool"),
        ("model.maxpol.maxpool.kernel=5", "model.maxpol", "nearest:  maxpool"),
        ("input.shape=[1, 1, 4, 5]", "input.shape", "a multiple of 20 values"),
        ("input.sample=1", "input.sample", "there is no row 1"),
        ("input.rows=2", "input.rows", "1 to 1"),
        ("input.tensor=inputdata", "input.tensor", "nearest:  input_data"),
        ("calibration={file: small.npy}", "calibration", "beyond the calibration's range"),
        ("calibration={file: none.npy}", "calibration.file", "cannot be read"),
        ("calibration={file: test.npy, rows: 7}", "calibration.rows", "1 to 6"),
        ("evaluate.labels=none.npy", "evaluate.labels", "cannot be read"),
        ("evaluate={file: test.npy, labels: weight.npy}", "evaluate.labels", "12 labels for 6 inputs"),
        ("evaluate={file: test.npy, labels: short.npy, rows: 3}", "evaluate.labels", "2 labels for 3 inputs"),
        ("evaluate.labels=halves.npy", "evaluate.labels", "`halves.npy` does not hold labels"),
        ("evaluate.labels=five.npy", "evaluate.labels", "3 outputs per row, no label 5"),
        ("evaluate.rows=9", "evaluate.rows", "1 to 6"),
    ] {
        let output = bench.workbench(&["plan", "tiny.yaml", change]);
        assert_eq!(code(&output), 1, "{change}: {}", text(&output));
        assert!(text(&output).contains(says), "{change}: {}", text(&output));
        assert!(text(&output).contains(&format!("key:      {key}\n")), "{change}: {}", text(&output));
    }
}

#[test]
fn faults_of_edges_are_shown_in_the_file() {
    let bench = network();
    fs::write(bench.path("tiny.yaml"), NETWORK.replace("[conv, input]", "[conv, inptu]")).unwrap();
    let shown = text(&bench.workbench(&["plan", "tiny.yaml"]));
    let expected = "\
tiny.yaml:10:20: unknown layer `inptu`
  10 |     inputs: [conv, inptu]
     |                    ^
  key:      model.1.inputs.1
  found:    `inptu`
  allowed:  input, conv
  nearest:  input
";
    assert_eq!(shown, expected);
}

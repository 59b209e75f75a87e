//! The built program on a tiny experiment: run, verify from bytes in a fresh process, and every kind of tampering.

mod common;

use std::fs;
use std::path::Path;
use std::process::Output;

use common::{Bench, code, npy, text};
use serde_json::Value;

fn assert_rejected(output: &Output, what: &str) {
    assert_eq!(code(output), 2, "{what}: {}", text(output));
    assert!(text(output).contains("rejected: "), "{what}: {}", text(output));
}

#[test]
fn a_run_is_recorded_and_verifies_from_bytes_but_nothing_else_does() {
    let bench = Bench::new();
    let output = bench.run(&[]);
    assert_eq!(code(&output), 0, "{}", text(&output));
    let records = bench.records();
    assert_eq!((records.len(), &records[0]["status"]), (1, &Value::from("ok")));
    assert!(records[0]["metrics"]["prove_ms"].as_f64().unwrap() > 0.0);
    assert!(records[0]["metrics"]["soundness_bits"].as_f64().unwrap() >= 100.0);
    assert_eq!(records[0]["measured"]["tampered"].as_array().unwrap().len(), 8);
    for name in ["env.json", "resolved.yaml", "plan.json"] {
        assert!(bench.path("runs/latest-tiny").join(name).exists(), "{name}");
    }

    let [proof, key, public] = bench.files();
    let output = bench.verify([&proof, &key, &public]);
    assert_eq!(code(&output), 0, "{}", text(&output));
    assert!(text(&output).contains("accepted") && text(&output).contains("bits"), "{}", text(&output));

    every_change_is_rejected(&bench, &[proof.clone(), key.clone(), public.clone()]);
    for (files, what) in [
        ([&proof[..proof.len() - 1], &key, &public], "truncated proof"),
        ([&proof, &key[..key.len() - 1], &public], "truncated key"),
        ([&proof, &key, &public[..public.len() - 1]], "truncated public values"),
        ([&[], &key, &public], "empty proof"),
        ([&proof, &[], &public], "empty key"),
        ([&proof, &key, &[]], "no public values"),
        ([&[&proof[..], &[0]].concat(), &key, &public], "longer proof"),
        ([&proof, &[&key[..], &[0]].concat(), &public], "longer key"),
        ([&proof, &key, &[&public[..], &[0]].concat()], "longer public values"),
        ([&key, &proof, &public], "proof and key swapped"),
        ([&public, &key, &proof], "proof and public values swapped"),
        ([&proof, &public, &key], "key and public values swapped"),
    ] {
        assert_rejected(&bench.verify(files), what);
    }
}

/// One byte of each of 12 equal parts of every file, changed by the position's own mask.
fn every_change_is_rejected(bench: &Bench, files: &[Vec<u8>; 3]) {
    for (which, name) in ["proof", "key", "public values"].iter().enumerate() {
        for part in 0..12 {
            let mut changed = files.clone();
            let length = changed[which].len();
            let position = (part * length / 12 + part * 7 % 5).min(length - 1);
            changed[which][position] ^= 1 << (part % 8);
            let [proof, key, public] = &changed;
            assert_rejected(&bench.verify([proof, key, public]), &format!("{name} with byte {position} changed"));
        }
    }
}

#[test]
fn a_proof_of_another_experiment_is_rejected() {
    let bench = Bench::new();
    assert_eq!(code(&bench.run(&[])), 0);
    let [proof, key, public] = bench.files();
    for change in ["input.rows=3", "model.0.protocol=reveal", "model.0.rmsnorm.bits=7", "suite=goldilocks3"] {
        let output = bench.run(&[change]);
        assert_eq!(code(&output), 0, "{change}: {}", text(&output));
        let [other, other_key, other_public] = bench.files();
        assert_eq!(code(&bench.verify([&other, &other_key, &other_public])), 0, "{change}");
        assert_rejected(&bench.verify([&other, &key, &public]), change);
        assert_rejected(&bench.verify([&proof, &other_key, &public]), change);
        assert_rejected(&bench.verify([&proof, &other_key, &other_public]), change);
        // Another protocol or suite leaves inputs and outputs as they are.
        assert_eq!(other_public == public, change.contains("protocol") || change.contains("suite"), "{change}");
        if other_public != public {
            assert_rejected(&bench.verify([&other, &other_key, &public]), change);
            assert_rejected(&bench.verify([&proof, &key, &other_public]), change);
        }
    }
}

#[test]
fn finished_cells_are_skipped_on_resume_and_others_are_run() {
    let bench = Bench::new();
    assert_eq!(code(&bench.run(&["model.0.protocol=reveal"])), 0);
    let output = bench.run(&["model.0.protocol=reveal,logup-gkr", "--resume", "latest"]);
    assert_eq!(code(&output), 0, "{}", text(&output));
    assert!(text(&output).contains("1 of 2 cells are done"), "{}", text(&output));
    assert_eq!(bench.records().len(), 2);
    let output = bench.run(&["model.0.protocol=reveal,logup-gkr", "--resume", "latest"]);
    assert_eq!((code(&output), bench.records().len()), (0, 2), "{}", text(&output));
    // Other data is another cell, even under the same name, and a run of the old data is not gone on with.
    let values: Vec<f64> = (0..32).map(|i| f64::from(i % 11) - 5.0).collect();
    fs::write(bench.path("x.npy"), npy("(4, 8)", &values)).unwrap();
    let output = bench.run(&["model.0.protocol=reveal", "--resume", "latest"]);
    assert!(code(&output) == 1 && text(&output).contains("x.npy has changed"), "{}", text(&output));
    let output = bench.run(&["model.0.protocol=reveal"]);
    assert_eq!((code(&output), bench.records().len()), (0, 1), "{}", text(&output));
}

#[test]
fn exit_codes_tell_what_happened() {
    let bench = Bench::new();
    let reveal = "model.0.protocol=reveal";
    let output = bench.run(&[reveal, "checks.proof_bytes.max=1"]);
    assert_eq!(code(&output), 3, "{}", text(&output));
    assert!(text(&output).contains("CHECK VIOLATED"), "{}", text(&output));
    let output = bench.run(&[reveal, "measure.samples=10000", "measure.timeout_s=1"]);
    assert_eq!(code(&output), 4, "{}", text(&output));
    let failed = bench.records();
    assert_eq!(failed[0]["status"], "failed");
    assert!(failed[0]["measured"].is_null() && failed[0]["reason"].as_str().unwrap().contains("timeout_s"));
    for (arguments, says) in [
        (&["input.rows=5"][..], "1 to 4"),
        (&["input.file=y.npy"], "cannot be read"),
        (&["model.0.rmsnorm.gain=x.npy"], "rmsnorm"),
        (&["model.0.protocol=logkrr"], "nearest:  logkr"),
        (&["security_bits=200"], "security_bits"),
        (&["--resume", "latest-of-nothing"], "no such run"),
        (&["--no-such-flag"], "--no-such-flag"),
    ] {
        let output = bench.run(arguments);
        assert_eq!(code(&output), 1, "{arguments:?}: {}", text(&output));
        assert!(text(&output).contains(says), "{arguments:?}: {}", text(&output));
    }
    let output = bench.workbench(&["verify", "--proof", "none", "--key", "none", "--public", "none"]);
    assert_eq!(code(&output), 1);
}

#[test]
fn values_that_are_not_numbers_are_refused_with_their_position() {
    let bench = Bench::new();
    let mut values = vec![1.0; 32];
    values[11] = f64::NAN;
    fs::write(bench.path("x.npy"), npy("(4, 8)", &values)).unwrap();
    let output = bench.workbench(&["plan", "tiny.yaml"]);
    assert_eq!(code(&output), 1);
    assert!(text(&output).contains("tiny.yaml:3:") && text(&output).contains("NaN"), "{}", text(&output));
}

#[test]
fn plan_list_describe_and_schema_need_no_proof() {
    let bench = Bench::new();
    let plan = bench.workbench(&["plan", "tiny.yaml", "input.rows=2,4"]);
    assert_eq!(code(&plan), 0, "{}", text(&plan));
    assert!(text(&plan).contains("2 cells") && text(&plan).contains("input.rows"), "{}", text(&plan));
    let plan = bench.workbench(&["plan", "tiny.yaml", "input.rows=2,4", "--details"]);
    assert!(text(&plan).contains("cell 2 of 2") && text(&plan).contains("logup-gkr"), "{}", text(&plan));
    assert!(!Path::new(&bench.path("runs")).exists());
    let list = bench.workbench(&["list"]);
    for word in ["rmsnorm", "dense", "logkr", "goldilocks3", "cpu", "verify_ms"] {
        assert!(text(&list).contains(word), "{word}: {}", text(&list));
    }
    assert!(text(&bench.workbench(&["describe", "logkr"])).contains("2023/1611"));
    assert!(text(&bench.workbench(&["describe", "tiny.yaml", "input.rows=2"])).contains("rows: 2"));
    assert!(text(&bench.workbench(&["describe", "logkrr"])).contains("nearest:  logkr"));
    assert!(serde_json::from_slice::<Value>(&bench.workbench(&["schema"]).stdout).is_ok());
    assert!(text(&bench.workbench(&["completions", "bash"])).contains("workbench"));
}

#[test]
fn a_norm_and_a_dense_layer_are_proven_each_by_its_own_protocol() {
    let bench = Bench::new();
    let weight: Vec<f64> = (0..24).map(|i| f64::from(i * 7 % 11) - 5.0).collect();
    fs::write(bench.path("w.npy"), npy("(3, 8)", &weight)).unwrap();
    fs::write(bench.path("b.npy"), npy("(3,)", &[1.0, -2.0, 0.5])).unwrap();
    let text = "\
schema: 1
input: {file: x.npy}
model:
  - rmsnorm: {gain: gain.npy}
    protocol: logkr
  - dense: {weight: w.npy, bias: b.npy, activation: relu}
    protocol: {einsum: sumcheck, lookup: logup-gkr}
measure: {warmup: 0, samples: 1, timeout_s: 300}
";
    fs::write(bench.path("tiny.yaml"), text).unwrap();
    let output = bench.run(&[]);
    assert_eq!(code(&output), 0, "{}", self::text(&output));
    for (change, says) in [
        ("model.1.dense.weight=b.npy", "`b.npy` is no matrix"),
        ("model.1.dense.bias=gain.npy", "shape [3]: one value per output of `w.npy`"),
        ("model.1.dense.bias=w.npy", "`w.npy` does not fit the weight"),
        ("model.0.dense.weight=w.npy", "this layer names several kernels"),
        ("input.bits=16", "rows of 8 values need activations of at most"),
    ] {
        let output = bench.workbench(&["plan", "tiny.yaml", change]);
        assert_eq!(code(&output), 1, "{change}: {}", self::text(&output));
        assert!(self::text(&output).contains(says), "{change}: {}", self::text(&output));
    }
}

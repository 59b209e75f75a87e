//! Exact texts of errors, overrides and matrix expansion.

mod sweeps;

use std::path::Path;

use super::{Document, SpecErrors};

pub(super) const BASE: &str = "\
schema: 1
about: A test
input: {file: data/x.npy}
model:
  - rmsnorm: {gain: norm.gain, eps: 1e-5}
    protocol: logkr
measure: {samples: 3}
";

pub(super) fn document(text: &str, overrides: &[&str]) -> Result<Document, SpecErrors> {
    let typed: Vec<String> = overrides.iter().map(|s| (*s).to_owned()).collect();
    Document::from_text(Path::new("test.yaml"), text.to_owned(), &typed)
}

pub(super) fn errors(text: &str, overrides: &[&str]) -> String {
    match document(text, overrides).and_then(|d| d.cells()) {
        Ok((cells, _)) => format!("no error, {} cells", cells.len()),
        Err(errors) => errors.to_string(),
    }
}

#[test]
fn an_unknown_key_is_shown_with_line_and_nearest_match() {
    let text = BASE.replace("gain: norm.gain", "gian: norm.gain");
    assert_eq!(
        errors(&text, &[]),
        "\
test.yaml:5:15: unknown key `model.0.rmsnorm.gian`
  5 |   - rmsnorm: {gian: norm.gain, eps: 1e-5}
    |               ^
  key:      model.0.rmsnorm.gian
  found:    `gian`
  allowed:  bits, eps, gain, limb_bits
  nearest:  gain
test.yaml:5:5: missing key `model.0.rmsnorm.gain`
  5 |   - rmsnorm: {gian: norm.gain, eps: 1e-5}
    |     ^
  key:      model.0.rmsnorm.gain
  found:    nothing
  allowed:  a text"
    );
}

#[test]
fn an_unknown_top_level_key_is_shown_at_the_key() {
    let text = BASE.replace("measure:", "mesure:");
    assert_eq!(
        errors(&text, &[]),
        "\
test.yaml:7:1: unknown key `mesure`
  7 | mesure: {samples: 3}
    | ^
  key:      mesure
  found:    `mesure`
  allowed:  about, allow_weak, calibration, checks, device, evaluate, input, matrix, measure, merge_lookups, model, protocol, schema, security_bits, suite, unsupported, weights
  nearest:  measure"
    );
}

#[test]
fn a_wrong_type_is_shown_with_line_and_column() {
    let text = BASE.replace("samples: 3", "samples: many");
    assert_eq!(
        errors(&text, &[]),
        "\
test.yaml:7:20: wrong type at `measure.samples`
  7 | measure: {samples: many}
    |                    ^
  key:      measure.samples
  found:    the text `many`
  allowed:  a whole number from 1 to 10000"
    );
}

#[test]
fn an_unknown_protocol_is_shown_with_the_known_ones() {
    let text = BASE.replace("protocol: logkr", "protocol: logker");
    let shown = errors(&text, &[]);
    assert!(shown.starts_with("test.yaml:6:15: unknown protocol `logker`\n"), "{shown}");
    assert!(shown.contains("  nearest:  logkr"), "{shown}");
    let text = BASE.replace("protocol: logkr", "protocol: {einsum: sumcheck, lokup: logkr}");
    let shown = errors(&text, &[]);
    assert!(shown.contains("unknown protocol `model.0.protocol.lokup`"), "{shown}");
    assert!(shown.contains("  nearest:  lookup"), "{shown}");
}

#[test]
fn a_syntax_error_has_a_line() {
    let text = BASE.replace("input: {file: data/x.npy}", "input: {file: data/x.npy");
    assert!(errors(&text, &[]).starts_with("test.yaml:4:6: this is not well-formed YAML\n"), "{}", errors(&text, &[]));
    let text = format!("{BASE}about: again\n");
    assert!(errors(&text, &[]).starts_with("test.yaml:8:1: this is not well-formed YAML\n"), "{}", errors(&text, &[]));
    assert!(errors(&text, &[]).contains("found:    the key `about` is given twice"));
}

#[test]
fn faults_of_overrides_name_the_command_line() {
    assert_eq!(
        errors(BASE, &["suite=goldilock"]),
        "\
test.yaml, command line `suite=goldilock`: unknown suite `goldilock`
  key:      suite
  found:    `goldilock`
  allowed:  goldilocks, goldilocks3, bn254
  nearest:  goldilocks"
    );
    assert!(errors(BASE, &["model.3.protocol=reveal"]).contains("there is no `model.3.protocol`"));
    assert!(errors(BASE, &["input.rows=0"]).contains("`input.rows` is out of range"));
}

#[test]
fn overrides_replace_add_and_sweep() {
    let cells =
        document(BASE, &["measure.samples=5", "input.rows=16,64", "allow_weak=true"]).unwrap().cells().unwrap().0;
    assert_eq!(cells.len(), 2);
    assert_eq!(cells[1].experiment.measure.samples, 5);
    assert_eq!(cells[1].experiment.input.rows, Some(64));
    assert!(cells[0].experiment.allow_weak);
    assert_eq!(cells[0].label(), "input.rows=16");
}

#[test]
fn the_matrix_expands_to_every_combination_in_order() {
    let text =
        format!("{BASE}matrix:\n  model.0.protocol: [reveal, {{logkr: {{form: product}}}}]\n  input.rows: [16, 64]\n");
    let labels: Vec<String> = document(&text, &[]).unwrap().cells().unwrap().0.iter().map(super::Cell::label).collect();
    assert_eq!(
        labels,
        [
            "model.0.protocol=reveal input.rows=16",
            "model.0.protocol=reveal input.rows=64",
            "model.0.protocol={logkr: {form: product}} input.rows=16",
            "model.0.protocol={logkr: {form: product}} input.rows=64",
        ]
    );
    let replaced = document(&text, &["model.0.protocol=logkr"]).unwrap().cells().unwrap().0;
    assert_eq!(replaced.len(), 2);
    assert!(errors(&text, &["model.0.protocol.lookup=reveal"]).contains("would overwrite"));
}

#[test]
fn zipped_axes_advance_together() {
    let text = format!(
        "{BASE}matrix:\n  model.0.protocol: [reveal, logkr]\n  zip:\n    input.rows: [16, 64]\n    input.skip: [0, 8]\n"
    );
    let labels = |overrides: &[&str]| -> Vec<String> {
        document(&text, overrides).unwrap().cells().unwrap().0.iter().map(super::Cell::label).collect()
    };
    assert_eq!(
        labels(&[]),
        [
            "model.0.protocol=reveal input.rows=16 input.skip=0",
            "model.0.protocol=reveal input.rows=64 input.skip=8",
            "model.0.protocol=logkr input.rows=16 input.skip=0",
            "model.0.protocol=logkr input.rows=64 input.skip=8",
        ]
    );
    assert_eq!(labels(&["model.0.protocol=logkr", "input.skip=4"]), ["input.rows=16", "input.rows=64"]);
    let resolved = document(&text, &[]).unwrap().resolved();
    assert_eq!(document(&resolved, &[]).unwrap().cells().unwrap().0.len(), 4);
    let uneven = text.replace("[0, 8]", "[0, 8, 9]");
    let shown = errors(&uneven, &[]);
    assert!(shown.contains("`input.skip` has another length") && shown.contains("2 values, as many as"), "{shown}");
    let faulty = errors(&text.replace("[0, 8]", "[0, x]"), &[]);
    assert!(faulty.starts_with("test.yaml:12:"), "{faulty}");
}

#[test]
fn a_fault_in_one_value_of_the_matrix_is_shown_once_at_that_value() {
    let text = format!("{BASE}matrix:\n  model.0.protocol: [reveal, logker]\n  input.rows: [16, 64]\n");
    let shown = errors(&text, &[]);
    assert!(shown.starts_with("test.yaml:9:30: unknown protocol `logker`\n"), "{shown}");
    assert_eq!(shown.matches("unknown protocol").count(), 1);
}

#[test]
fn the_resolved_file_reads_back_to_the_same_cells() {
    let text = format!("{BASE}matrix:\n  input.rows: [16, 64]\n");
    let first = document(&text, &["measure.samples=7"]).unwrap();
    let second = document(&first.resolved(), &[]).unwrap();
    let experiments = |d: &Document| d.cells().unwrap().0.into_iter().map(|c| c.experiment).collect::<Vec<_>>();
    assert_eq!(experiments(&first), experiments(&second));
}

#[test]
fn an_unknown_activation_of_a_dense_layer_is_shown_with_the_known_ones() {
    let dense = "dense: {weight: w, bias: b, activation: rleu}";
    let text = BASE.replace("rmsnorm: {gain: norm.gain, eps: 1e-5}", dense);
    assert_eq!(
        errors(&text, &[]),
        "\
test.yaml:5:45: unknown activation `rleu`
  5 |   - dense: {weight: w, bias: b, activation: rleu}
    |                                             ^
  key:      model.0.dense.activation
  found:    `rleu`
  allowed:  none, relu
  nearest:  relu"
    );
    let shown = errors(&text.replace("weight: w", "wieght: w").replace("rleu", "relu"), &[]);
    assert!(shown.contains("unknown key `model.0.dense.wieght`") && shown.contains("nearest:  weight"), "{shown}");
    assert!(shown.contains("missing key `model.0.dense.weight`"), "{shown}");
    assert!(errors(&text.replace("rleu", "relu"), &["model.0.dense.bits=17"]).contains("is out of range"));
    assert_eq!(errors(&text.replace("rleu", "relu"), &[]), "no error, 1 cells");
}

const GRAPH: &str = "\
schema: 1
input: {file: x.npy}
protocol: {einsum: sumcheck, lookup: logup-gkr}
model:
  - dense: {weight: w}
    name: fc1
  - relu:
  - dense: {weight: v}
  - dense: {weight: u}
    protocol: logkr
";

fn protocols(overrides: &[&str]) -> Vec<String> {
    let cells = document(GRAPH, overrides).unwrap().cells().unwrap().0;
    let own = |layer: &crate::kernels::Layer| serde_json::to_string(&layer.protocol).unwrap();
    cells[0].experiment.model.iter().map(own).collect()
}

#[test]
fn layers_are_addressed_by_name_given_or_by_default() {
    let expected = protocols(&["model.0.protocol=reveal", "model.1.protocol=reveal", "model.2.protocol=reveal"]);
    assert_eq!(
        protocols(&["model.fc1.protocol=reveal", "model.relu.protocol=reveal", "model.dense.protocol=reveal"]),
        expected
    );
    assert_eq!(expected[0], "\"reveal\"");
    let text = format!("{GRAPH}matrix:\n  model.dense-2.protocol: [reveal, logkr]\n");
    let cells = document(&text, &[]).unwrap().cells().unwrap().0;
    assert_eq!(cells[0].label(), "model.dense-2.protocol=reveal");
    assert_eq!(
        errors(GRAPH, &["model.fc2.protocol=reveal"]),
        "\
test.yaml, command line `model.fc2.protocol=reveal`: there is no `model.fc2.protocol`
  key:      model.fc2
  found:    `fc2`
  allowed:  a layer's position, from 0 to 3, or its name: fc1, relu, dense, dense-2
  nearest:  fc1"
    );
}

#[test]
fn a_slot_alone_keeps_the_other_one() {
    let shown = protocols(&["model.0.protocol.lookup=reveal", "model.dense-2.protocol.lookup=reveal"]);
    assert_eq!(shown[0], r#"{"lookup":"reveal"}"#);
    assert_eq!(shown[3], r#"{"einsum":"logkr","lookup":"reveal"}"#);
}

#[test]
fn a_kernel_without_required_keys_needs_no_value() {
    assert_eq!(errors(GRAPH, &[]), "no error, 1 cells");
    let shown = errors(&GRAPH.replace("dense: {weight: v}", "dense:"), &[]);
    assert!(shown.starts_with("test.yaml:8:"), "{shown}");
    assert!(
        shown.contains("wrong type at `model.2.dense`") && shown.contains("allowed:  a map with keys from"),
        "{shown}"
    );
}

#[test]
fn a_known_protocol_in_the_wrong_slot_is_put_aside_if_asked_for() {
    let axis = "model.fc1.protocol.einsum=sumcheck,logup-gkr";
    let shown = errors(GRAPH, &[axis]);
    assert!(shown.contains("`logup-gkr` does not fill the slot einsum"), "{shown}");
    let (cells, unsupported) = document(GRAPH, &[axis, "unsupported=list"]).unwrap().cells().unwrap();
    assert_eq!((cells.len(), unsupported.len()), (1, 1));
    assert_eq!(unsupported[0].label, "model.fc1.protocol.einsum=logup-gkr");
    assert_eq!(unsupported[0].reasons, ["model.0.protocol.einsum: `logup-gkr` does not fill the slot einsum"]);
    let shown = errors(GRAPH, &["model.fc1.protocol.einsum=sumcheck,logup", "unsupported=list"]);
    assert!(shown.contains("unknown protocol `logup`"), "{shown}");
}

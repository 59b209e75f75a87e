//! Matrix products whose sums are the output.

use zkml_core::Residence;
use zkml_layers::{LayerSpec, MatMul, NetworkSpec, lower};

fn matmul(name: &str, weight: Vec<f64>, inputs: usize) -> LayerSpec {
    LayerSpec::MatMul(MatMul { name: name.to_owned(), weight, inputs, bits: 8 })
}

fn network(columns: usize, layers: Vec<LayerSpec>) -> Result<NetworkSpec, zkml_layers::LayerError> {
    let sample: Vec<f64> = (0..columns).map(|i| i as f64 - 1.5).collect();
    NetworkSpec::calibrated([1, columns], 8, &sample, layers)
}

/// Nothing but the input and the weight is rounded.
#[test]
fn the_output_is_the_sum_itself() {
    let spec =
        network(3, vec![matmul("scores", vec![127.0, -64.0, 1.0, 0.0, 5.0, -128.0 / 128.0 * 127.0], 3)]).unwrap();
    let lowered = lower(&spec).unwrap();
    let witness = lowered.forward(&[-127, 2, 127]).unwrap();
    let output = lowered.program.get(lowered.output).unwrap();
    assert_eq!((output.name.as_str(), output.residence), ("scores/product", Residence::Public));
    assert_eq!(witness.get(lowered.output).unwrap().to_i64(), [-127 * 127 - 128 + 127, 10 - 127 * 127]);
}

#[test]
fn a_layer_behind_it_and_shapes_that_do_not_fit_are_refused() {
    let error = |columns, layers| network(columns, layers).and_then(|spec| lower(&spec)).unwrap_err().to_string();
    let two = vec![matmul("first", vec![1.0; 8], 4), matmul("second", vec![1.0; 4], 2)];
    let message = error(4, two);
    assert!(message.contains("first: its sums are too wide for a layer behind it"), "{message}");
    assert!(error(3, vec![matmul("m", vec![1.0; 8], 4)]).contains("the input is [1, 3]; the weight is for [rows, 4]"));
    assert!(error(4, vec![matmul("m", vec![1.0; 9], 4)]).contains("9 weights are not whole rows of 4"));
    assert!(error(4, vec![matmul("m", Vec::new(), 4)]).contains("0 weights"));
    assert!(error(4, vec![matmul("m", vec![f64::NAN; 4], 4)]).contains("not finite"));
}

//! Networks as graphs: names, order, and what is refused.

use zkml_layers::{Dense, LayerSpec, NetworkSpec, Node, Nonlinearity, RmsNorm, lower};

const COLUMNS: usize = 6;

fn sample(rows: usize) -> Vec<f64> {
    (0..rows * COLUMNS).map(|i| f64::from((i * 29 % 83) as u32) / 10.0 - 4.1).collect()
}

fn dense(name: &str) -> LayerSpec {
    let weight = (0..COLUMNS * COLUMNS).map(|i| f64::from((i * 7 % 31) as u32) / 30.0 - 0.5).collect();
    LayerSpec::Dense(Dense {
        name: name.to_owned(),
        weight,
        inputs: COLUMNS,
        bias: None,
        nonlinearity: Nonlinearity::None,
        bits: 8,
        per_channel: false,
        limb_bits: None,
    })
}

fn norm(name: &str) -> LayerSpec {
    LayerSpec::RmsNorm(RmsNorm {
        name: name.to_owned(),
        gain: vec![1.0; COLUMNS],
        eps: 1e-5,
        output_bits: 8,
        limb_bits: None,
    })
}

fn error(layers: Vec<Node>) -> String {
    let spec = NetworkSpec::calibrated([4, COLUMNS], 8, &sample(4), layers).unwrap();
    lower(&spec).unwrap_err().to_string()
}

#[test]
fn named_edges_equal_the_implied_ones() {
    let lowered =
        |layers: Vec<Node>| lower(&NetworkSpec::calibrated([4, COLUMNS], 8, &sample(8), layers).unwrap()).unwrap();
    let implied = lowered(vec![norm("norm").into(), dense("fc").into()]);
    let named = lowered(vec![Node::new(norm("norm"), &["input"]), Node::new(dense("fc"), &["norm"])]);
    assert_eq!(implied.program, named.program);
    assert_eq!(implied.layers, named.layers);
    assert_eq!(named.layers[1].inputs, ["norm"]);
    assert_eq!(named.layers[1].shape.dims(), [4, COLUMNS]);
    assert_eq!(named.layers[1].quantisation, named.output_quantisation);
}

#[test]
fn the_last_layer_accuracy_is_that_of_the_network() {
    let layers = vec![norm("norm"), dense("fc")];
    let lowered = lower(&NetworkSpec::calibrated([4, COLUMNS], 8, &sample(4), layers).unwrap()).unwrap();
    let per_layer = lowered.layer_accuracy(&sample(4)).unwrap();
    assert_eq!(per_layer.len(), 2);
    assert_eq!(per_layer[1], lowered.accuracy(&sample(4)).unwrap());
    assert!(per_layer.iter().all(|a| a.max_steps > 0.0 && a.max_steps < 4.0), "{per_layer:?}");
    assert!(lowered.layer_accuracy(&sample(3)).unwrap_err().to_string().contains("18 values for 24 cells"));
}

#[test]
fn edges_that_lead_nowhere_are_refused() {
    let message = error(vec![norm("norm").into(), Node::new(dense("fc"), &["nrom"])]);
    assert_eq!(message, "fc: there is no layer `nrom` before it; did you mean `norm`?");
    let message = error(vec![Node::new(norm("norm"), &["fc"]), dense("fc").into()]);
    assert!(message.contains("norm: its input `fc` is not an earlier layer"), "{message}");
    let message = error(vec![Node::new(norm("norm"), &["norm"])]);
    assert!(message.contains("norm: its input `norm` is not an earlier layer"), "{message}");
    let message = error(vec![norm("norm").into(), Node::new(dense("fc"), &["input"])]);
    assert!(message.contains("norm: no later layer uses its output"), "{message}");
    let message = error(vec![norm("norm").into(), Node::new(dense("fc"), &["norm", "input"])]);
    assert_eq!(message, "fc: dense takes 1 inputs, not 2");
    assert!(error(vec![norm("same").into(), dense("same").into()]).contains("must be distinct"));
    assert!(error(vec![norm("input").into()]).contains("not `input`"));
    assert!(error(Vec::new()).contains("there is no layer"));
}

//! Networks built node by node: what they become, and that every layer computes what tract computes.

mod common;

use common::{Dim, Network, evaluate, float, int, ints, operators, text, value};
use zkml_import::onnx::{Activation, Operator, Reference};

#[test]
fn dense_layers() {
    for opset in [12, 13, 17] {
        let model = Network::new(opset, &[3, 5])
            .weight("w1", &[4, 5])
            .weight("b1", &[4])
            .node("Gemm", "fc1", &["x", "w1", "b1"], vec![int("transB", 1), float("alpha", 0.5), float("beta", 2.0)])
            .node("Relu", "act", &["fc1"], vec![])
            .weight("w2", &[4, 6])
            .weight("b2", &[1, 6])
            .node("Gemm", "fc2", &["act", "w2", "b2"], vec![])
            .weight("w3", &[6, 2])
            .weight("b3", &[2])
            .node("MatMul", "/net/fc3/MatMul", &["fc2", "w3"], vec![])
            .node("Add", "/net/fc3/Add", &["b3", "/net/fc3/MatMul"], vec![])
            .check();
        assert_eq!(operators(&model), [("fc1", "Dense+Relu"), ("fc2", "Dense"), ("net-fc3-MatMul", "Dense")]);
        assert_eq!(model.layers[2].nodes, ["/net/fc3/MatMul", "/net/fc3/Add"]);
        assert_eq!(
            (model.output.as_str(), model.layers[0].inputs.as_slice()),
            ("net-fc3-MatMul", &["input".to_owned()][..])
        );
        assert_eq!(
            model.folded,
            ["`act` (Relu) is folded into `fc1`", "`/net/fc3/Add` (Add) is folded into `net-fc3-MatMul`"]
        );
    }
}

#[test]
fn dense_over_several_axes() {
    let model = Network::new(17, &[2, 3, 4])
        .weight("w", &[4, 5])
        .weight("b", &[5])
        .node("MatMul", "a", &["x", "w"], vec![])
        .node("Add", "b1", &["a", "b"], vec![])
        .node("Relu", "r", &["b1"], vec![])
        .check();
    assert_eq!(operators(&model), [("a", "Dense+Relu")]);
    assert_eq!(model.layers[0].shape, [2, 3, 5]);
}

/// Every kind of padding, stride, dilation and grouping.
#[test]
fn convolutions() {
    let cases = [
        vec![],
        vec![ints("pads", &[1, 0, 2, 1]), ints("strides", &[2, 1])],
        vec![ints("dilations", &[2, 1]), ints("pads", &[0, 2, 1, 0])],
        vec![text("auto_pad", "SAME_UPPER"), ints("strides", &[2, 3])],
        vec![text("auto_pad", "SAME_UPPER")],
        vec![text("auto_pad", "SAME_LOWER"), ints("dilations", &[1, 3])],
        vec![text("auto_pad", "SAME_LOWER"), ints("strides", &[1, 2])],
        vec![text("auto_pad", "VALID"), ints("kernel_shape", &[3, 2])],
        vec![ints("pads", &[1, 1, 1, 1]), text("auto_pad", "NOTSET")],
    ];
    for attributes in cases {
        for groups in [1, 2] {
            let mut attributes = attributes.clone();
            attributes.push(int("group", groups));
            let model = Network::new(13, &[2, 4, 7, 6])
                .weight("w", &[6, 4 / groups as usize, 3, 2])
                .weight("b", &[6])
                .node("Conv", "conv", &["x", "w", "b"], attributes)
                .check();
            assert_eq!(operators(&model), [("conv", "Conv2d")]);
        }
    }
}

#[test]
fn pools() {
    let window = |rest: &[_]| [&[ints("kernel_shape", &[3, 2])], rest].concat();
    let cases = [
        ("MaxPool", window(&[ints("strides", &[2, 2])]), "MaxPool"),
        ("MaxPool", window(&[ints("pads", &[1, 1, 0, 1]), ints("dilations", &[2, 1])]), "MaxPool"),
        ("MaxPool", window(&[text("auto_pad", "SAME_UPPER"), ints("strides", &[3, 2])]), "MaxPool"),
        ("MaxPool", window(&[ints("strides", &[2, 2]), int("ceil_mode", 1)]), "MaxPool"),
        ("AveragePool", window(&[ints("strides", &[1, 2])]), "AvgPool"),
        ("AveragePool", window(&[ints("pads", &[2, 1, 1, 0])]), "AvgPool"),
        ("AveragePool", window(&[ints("pads", &[2, 1, 1, 0]), int("count_include_pad", 1)]), "AvgPool"),
        ("GlobalAveragePool", vec![], "AvgPool"),
        ("ReduceMean", vec![ints("axes", &[-1, 2])], "AvgPool"),
    ];
    for (operator, attributes, expected) in cases {
        let model = Network::new(13, &[2, 3, 7, 6]).node(operator, "pool", &["x"], attributes).check();
        assert_eq!(operators(&model), [("pool", expected)]);
    }
    let axes = vec![ints("axes", &[2, 3]), int("keepdims", 0)];
    let model = Network::new(13, &[2, 3, 7, 6]).node("ReduceMean", "mean", &["x"], axes).check();
    assert_eq!(operators(&model), [("mean-pool", "AvgPool"), ("mean", "Reshape")]);
}

#[test]
fn batch_normalisation_and_constants_fold() {
    let statistics = |network: Network, n: usize| {
        network.weight("gain", &[n]).weight("shift", &[n]).weight("mean", &[n]).positive("variance", &[n])
    };
    let inputs = ["conv", "gain", "shift", "mean", "variance"];
    for bias in [true, false] {
        let network = statistics(Network::new(12, &[1, 2, 5, 5]), 3).weight("w", &[3, 2, 3, 3]).weight("b", &[3]);
        let model = network
            .node("Conv", "conv", if bias { &["x", "w", "b"] } else { &["x", "w"] }, vec![])
            .node("BatchNormalization", "bn", &inputs, vec![float("epsilon", 0.01)])
            .weight("factor", &[3, 1, 1])
            .node("Mul", "scaled", &["bn", "factor"], vec![])
            .scalar("half", 0.5)
            .node("Sub", "shifted", &["half", "scaled"], vec![])
            .scalar("three", 3.0)
            .node("Div", "divided", &["shifted", "three"], vec![])
            .node("Sub", "again", &["divided", "half"], vec![])
            .node("Relu", "relu", &["again"], vec![])
            .check();
        assert_eq!(operators(&model), [("conv", "Conv2d+Relu")]);
        assert_eq!(model.layers[0].nodes.len(), 7);
    }
    let model = statistics(Network::new(15, &[4, 3]), 5)
        .weight("w", &[3, 5])
        .node("MatMul", "conv", &["x", "w"], vec![])
        .node("BatchNormalization", "bn", &inputs, vec![])
        .check();
    assert_eq!(operators(&model), [("conv", "Dense")]);
}

/// A residual edge: the value before the ReLU has two consumers, so the ReLU stays a layer.
#[test]
fn residual_graph() {
    let model = Network::new(14, &[2, 4])
        .weight("w", &[4, 4])
        .node("MatMul", "a", &["x", "w"], vec![])
        .node("Relu", "r", &["a"], vec![])
        .node("Add", "sum", &["a", "r"], vec![])
        .node("Mul", "product", &["sum", "x"], vec![])
        .scalar("two", 2.0)
        .node("Pow", "square", &["product", "two"], vec![])
        .check();
    let expected = [("a", "Dense"), ("r", "Relu"), ("sum", "Add"), ("product", "Mul"), ("square", "Mul")];
    assert_eq!(operators(&model), expected);
    assert_eq!(model.layers[2].inputs, ["a", "r"]);
    assert_eq!(model.layers[3].inputs, ["sum", "input"]);
}

#[test]
fn clips() {
    let clip = |inputs: &[&str]| {
        let network = Network::new(13, &[1, 4]).scalar("zero", 0.0).scalar("six", 6.0).weight("w", &[4, 4]);
        network.node("MatMul", "fc", &["x", "w"], vec![]).node("Clip", "clip", inputs, vec![]).check()
    };
    assert_eq!(operators(&clip(&["fc", "zero"])), [("fc", "Dense+Relu")]);
    assert_eq!(clip(&["fc", "zero", "six"]).layers[1].operator, Operator::Clamp { lo: 0.0, hi: 6.0 });
    let upper = clip(&["fc", "", "six"]);
    assert_eq!(upper.layers[1].operator, Operator::Clamp { lo: f64::from(f32::MIN), hi: 6.0 });
    let attributes = vec![float("min", -1.0), float("max", 1.0)];
    let model = Network::new(10, &[1, 4]).node("Clip", "clip", &["x"], attributes).check();
    assert_eq!(model.layers[0].operator, Operator::Clamp { lo: -1.0, hi: 1.0 });
}

#[test]
fn shapes() {
    let network = Network::new(13, &[2, 3, 4, 5]);
    let model = network
        .node("Transpose", "nhwc", &["x"], vec![ints("perm", &[0, 2, 3, 1])])
        .list("to", &[0, -1, 6])
        .node("Reshape", "r", &["nhwc", "to"], vec![])
        .list("axes", &[-1, 0])
        .node("Unsqueeze", "u", &["r", "axes"], vec![])
        .list("first", &[0])
        .node("Squeeze", "s", &["u", "first"], vec![])
        .node("Flatten", "f", &["s"], vec![])
        .node("Transpose", "t", &["f"], vec![])
        .node("Flatten", "same", &["t"], vec![])
        .check();
    let shapes: Vec<_> = model.layers.iter().map(|l| l.shape.as_slice()).collect();
    let expected: [&[usize]; 6] = [&[2, 4, 5, 3], &[2, 10, 6], &[1, 2, 10, 6, 1], &[2, 10, 6, 1], &[2, 60], &[60, 2]];
    assert_eq!(shapes, expected);
    assert_eq!(model.folded, ["`same` (Flatten) passes its input through"]);
    let model = Network::new(12, &[2, 3]).node("Unsqueeze", "u", &["x"], vec![ints("axes", &[1])]).check();
    assert_eq!(model.layers[0].shape, [2, 1, 3]);
}

/// `x.view(x.size(0), -1)` as exporters write it, over a dynamic batch.
#[test]
fn computed_shapes_and_dynamic_dimensions() {
    let mut network = Network::new(13, &[1, 2, 3])
        .node("Shape", "shape", &["x"], vec![])
        .node("Constant", "index", &[], vec![int("value_int", 0)])
        .node("Gather", "size", &["shape", "index"], vec![])
        .list("axes", &[0])
        .node("Unsqueeze", "batch", &["size", "axes"], vec![])
        .list("rest", &[-1])
        .node("Concat", "target", &["batch", "rest"], vec![int("axis", 0)])
        .node("Reshape", "flat", &["x", "target"], vec![]);
    network.graph.input = vec![value("x", &[Dim::Named("batch"), Dim::Fixed(2), Dim::Unknown])];
    let error = network.refused();
    let expected = "axis 0 of the input `x` is dynamic; give it a length with --dim batch=1";
    assert!(error.ends_with(expected), "{error}");
    network.options.dims.insert("batch".to_owned(), 5);
    let error = network.refused();
    assert!(error.contains("axis 2") && error.ends_with("--dim axis2=1"), "{error}");
    network.options.dims.insert("axis2".to_owned(), 3);
    let model = network.check();
    assert_eq!(model.input.shape, [5, 2, 3]);
    assert_eq!(model.layers[0].shape, [5, 6]);
    network.options.dims.insert("bach".to_owned(), 3);
    assert!(network.refused().contains("no dynamic dimension `bach`; it has batch, axis2"));
}

#[test]
fn nodes_that_pass_through() {
    let model = Network::new(13, &[1, 4])
        .node("Identity", "i", &["x"], vec![])
        .node("Dropout", "d", &["i"], vec![])
        .weight("w", &[4, 4])
        .node("Identity", "shared", &["w"], vec![])
        .node("Transpose", "wt", &["shared"], vec![])
        .node("MatMul", "fc", &["d", "wt"], vec![])
        .node("Cast", "c", &["fc"], vec![int("to", 1)])
        .node("Relu", "r", &["c"], vec![])
        .check();
    assert_eq!(operators(&model), [("fc", "Dense+Relu")]);
    assert_eq!(model.folded[0], "`i` (Identity) passes its input through");
}

/// RMSNorm: square and division each in all their forms, with the axes as attribute and as input.
#[test]
fn rms_norms() {
    for opset in [12, 17, 18] {
        for square in ["Pow", "Mul"] {
            for division in ["Div", "Reciprocal", "One", "Power"] {
                for gain in [true, false] {
                    let network = rms_norm(Network::new(opset, &[2, 3, 8]), square, division);
                    let network = if gain { network.node("Mul", "out", &["gain", "normed"], vec![]) } else { network };
                    let model = network.check();
                    assert_eq!(operators(&model), [("normed", "RmsNorm")], "{opset} {square} {division}");
                    let Operator::RmsNorm { eps, .. } = model.layers[0].operator else { panic!("not a norm") };
                    assert!((eps - 1e-2).abs() < 1e-8);
                    assert!(model.folded[0].ends_with("are an RMSNorm: `normed`"));
                    assert_eq!(model.folded.len(), 1 + usize::from(!gain), "{:?}", model.folded);
                }
            }
        }
    }
}

fn rms_norm(network: Network, square: &str, division: &str) -> Network {
    let opset = network.opset;
    let network = network.scalar("two", 2.0).scalar("eps", 1e-2).scalar("one", 1.0).scalar("power", -0.5);
    let network = network.list("axes", &[-1]).weight("gain", &[8]);
    let network = match square {
        "Pow" => network.node("Pow", "square", &["x", "two"], vec![]),
        _ => network.node("Mul", "square", &["x", "x"], vec![]),
    };
    let network = if opset < 18 {
        network.node("ReduceMean", "mean", &["square"], vec![ints("axes", &[-1])])
    } else {
        network.node("ReduceMean", "mean", &["square", "axes"], vec![])
    };
    let network = network.node("Add", "plus", &["mean", "eps"], vec![]);
    let network = match division {
        "Power" => network.node("Pow", "inverse", &["plus", "power"], vec![]),
        _ => network.node("Sqrt", "root", &["plus"], vec![]),
    };
    match division {
        "Div" => network.node("Div", "normed", &["x", "root"], vec![]),
        "Reciprocal" => {
            network.node("Reciprocal", "inverse", &["root"], vec![]).node("Mul", "normed", &["x", "inverse"], vec![])
        }
        "One" => {
            network.node("Div", "inverse", &["one", "root"], vec![]).node("Mul", "normed", &["inverse", "x"], vec![])
        }
        _ => network.node("Mul", "normed", &["x", "inverse"], vec![]),
    }
}

#[test]
fn layer_norms() {
    for affine in 0..3 {
        let network = Network::new(13, &[2, 6])
            .scalar("two", 2.0)
            .scalar("eps", 1e-3)
            .weight("gain", &[6])
            .weight("bias", &[6])
            .node("ReduceMean", "mean", &["x"], vec![ints("axes", &[-1])])
            .node("Sub", "centred", &["x", "mean"], vec![])
            .node("Pow", "square", &["centred", "two"], vec![])
            .node("ReduceMean", "variance", &["square"], vec![ints("axes", &[1])])
            .node("Add", "plus", &["variance", "eps"], vec![])
            .node("Sqrt", "root", &["plus"], vec![])
            .node("Div", "normed", &["centred", "root"], vec![]);
        let network = if affine > 0 { network.node("Mul", "gained", &["normed", "gain"], vec![]) } else { network };
        let network = if affine > 1 { network.node("Add", "out", &["gained", "bias"], vec![]) } else { network };
        let model = network.check();
        assert_eq!(operators(&model), [("normed", "LayerNorm")]);
        let Operator::LayerNorm { bias, .. } = &model.layers[0].operator else { panic!("not a norm") };
        assert_eq!(bias.is_some(), affine > 1);
    }
    let model = Network::new(17, &[2, 3, 6])
        .weight("gain", &[6])
        .weight("bias", &[6])
        .node("LayerNormalization", "ln", &["x", "gain", "bias"], vec![float("epsilon", 0.1)])
        .check();
    assert_eq!(operators(&model), [("ln", "LayerNorm")]);
}

#[test]
fn activations_of_several_nodes() {
    let start = || {
        let network = Network::new(13, &[2, 5]).scalar("half", 0.5).scalar("one", 1.0).scalar("root2", 2.0_f32.sqrt());
        network.scalar("three", 3.0).scalar("cube", 0.044_715).scalar("factor", 0.797_884_6)
    };
    let erf = || start().node("Div", "d", &["x", "root2"], vec![]).node("Erf", "e", &["d"], vec![]);
    let erf = || erf().node("Add", "p", &["e", "one"], vec![]);
    let tanh = || {
        start()
            .node("Pow", "x3", &["x", "three"], vec![])
            .node("Mul", "c", &["x3", "cube"], vec![])
            .node("Add", "s", &["x", "c"], vec![])
            .node("Mul", "f", &["s", "factor"], vec![])
            .node("Tanh", "t", &["f"], vec![])
            .node("Add", "p", &["one", "t"], vec![])
    };
    let cases = [
        (erf().node("Mul", "m", &["x", "p"], vec![]).node("Mul", "out", &["m", "half"], vec![]), Activation::Gelu),
        (erf().node("Mul", "m", &["half", "x"], vec![]).node("Mul", "out", &["m", "p"], vec![]), Activation::Gelu),
        (erf().node("Mul", "m", &["p", "half"], vec![]).node("Mul", "out", &["x", "m"], vec![]), Activation::Gelu),
        (tanh().node("Mul", "m", &["half", "x"], vec![]).node("Mul", "out", &["m", "p"], vec![]), Activation::GeluTanh),
        (start().node("Sigmoid", "s", &["x"], vec![]).node("Mul", "out", &["x", "s"], vec![]), Activation::Silu),
    ];
    for (network, expected) in cases {
        let model = network.check();
        let [layer] = model.layers.as_slice() else { panic!("{:?}", operators(&model)) };
        assert_eq!(layer.operator, Operator::Activation(expected));
        assert_eq!((layer.name.as_str(), layer.inputs[0].as_str()), ("out", "input"));
        assert_eq!(layer.nodes.len(), network.graph.node.len());
    }
    for (operator, expected) in [("Sigmoid", Activation::Sigmoid), ("Tanh", Activation::Tanh)] {
        let model = start().node(operator, "out", &["x"], vec![]).check();
        assert_eq!(model.layers[0].operator, Operator::Activation(expected));
    }
    let slightly_off = start().scalar("k", 1.702).node("Mul", "k1", &["x", "k"], vec![]);
    let slightly_off = slightly_off.node("Sigmoid", "s", &["k1"], vec![]).node("Mul", "out", &["x", "s"], vec![]);
    assert!(slightly_off.refused().contains("node `k1` (Mul)"), "{}", slightly_off.refused());
    let partly_used = start().node("Sigmoid", "s", &["x"], vec![]).node("Mul", "m", &["x", "s"], vec![]);
    let partly_used = partly_used.node("Add", "out", &["m", "s"], vec![]).check();
    assert_eq!(operators(&partly_used), [("s", "Activation"), ("m", "Mul"), ("out", "Add")]);
}

#[test]
fn final_softmax() {
    let mut network = Network::new(13, &[1, 4]).weight("w", &[4, 3]).node("MatMul", "fc", &["x", "w"], vec![]).node(
        "Softmax",
        "probabilities",
        &["fc"],
        vec![int("axis", -1)],
    );
    assert!(network.refused().contains("drop_final_softmax"));
    network.options.drop_final_softmax = true;
    let model = network.check();
    assert_eq!(operators(&model), [("fc", "Dense")]);
    assert!(model.folded[0].contains("`probabilities` (Softmax) is left out"), "{:?}", model.folded);
    let network = network.node("Relu", "r", &["probabilities"], vec![]);
    assert!(network.refused().contains("node `probabilities` (Softmax)"));
}

#[test]
fn names_are_safe_and_distinct() {
    let network = Network::new(13, &[1, 4])
        .node("Relu", "input", &["x"], vec![])
        .node("Relu", "a/b", &["input"], vec![])
        .node("Relu", "a.b", &["a/b"], vec![])
        .node("Relu", "ä", &["a.b"], vec![])
        .node("Relu", "", &["ä"], vec![]);
    let mut network = network;
    network.graph.node[4].output = vec!["last".to_owned()];
    network.graph.output = vec![value("last", &[])];
    let model = network.import().unwrap();
    let names: Vec<_> = model.layers.iter().map(|l| l.name.as_str()).collect();
    assert_eq!(names, ["input-2", "a-b", "a-b-2", "layer", "Relu_4"]);
}

/// Nodes and weights that the output does not need are no obstacle.
#[test]
fn unused_nodes_are_ignored() {
    let mut network = Network::new(13, &[1, 4]).weight("unused", &[3]).node("Relu", "r", &["x"], vec![]).node(
        "FancyOperator",
        "f",
        &["r"],
        vec![],
    );
    network.graph.initializer[0].float_data[1] = f32::NAN;
    network.graph.output = vec![value("r", &[])];
    assert_eq!(operators(&network.import().unwrap()), [("r", "Relu")]);
}

#[test]
fn reference_takes_flat_inputs_and_refuses_others() {
    let network = Network::new(13, &[1, 4]).node("Relu", "r", &["x"], vec![]);
    let reference = Reference::from_bytes("test.onnx", &network.bytes(), &network.options).unwrap();
    let input = |n: usize| zkml_import::Array {
        source: "in.json".to_owned(),
        shape: vec![n],
        values: (0..n).map(|i| i as f64 - 1.0).collect(),
    };
    assert_eq!(reference.run(&input(4)).unwrap().values, [0.0, 0.0, 1.0, 2.0]);
    let error = reference.run(&input(3)).unwrap_err().to_string();
    assert_eq!(error, "in.json: the shape is [3], expected 4 values in shape [1, 4]");
    let model = network.import().unwrap();
    assert_eq!(evaluate(&model, &input(4).reshaped(&[1, 4]).unwrap())["r"].values, [0.0, 0.0, 1.0, 2.0]);
}

//! Every way in which an ONNX file can be wrong or unsupported, and files damaged at random.

mod common;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use common::{Network, Random, close, evaluate, fixed, float, floats_tensor, int, ints, text, value};
use prost::Message;
use tract_onnx::pb::{ModelProto, StringStringEntryProto};
use zkml_import::Array;
use zkml_import::onnx::{Model, Operator, Options, Reference, read as open, read_bytes};

/// Convolution, batch normalisation, pool, a computed shape, dense, a norm and an activation of primitive nodes.
fn everything() -> Network {
    Network::new(13, &[1, 1, 6, 6])
        .weight("k", &[2, 1, 3, 3])
        .node("Conv", "conv", &["x", "k"], vec![ints("pads", &[1, 1, 1, 1]), ints("strides", &[1, 1]), int("group", 1)])
        .weight("gain", &[2])
        .positive("variance", &[2])
        .node("BatchNormalization", "bn", &["conv", "gain", "gain", "gain", "variance"], vec![float("epsilon", 0.1)])
        .node("Relu", "relu", &["bn"], vec![])
        .node("MaxPool", "pool", &["relu"], vec![ints("kernel_shape", &[2, 2]), ints("strides", &[2, 2])])
        .node("Shape", "shape", &["pool"], vec![])
        .list("zero", &[0])
        .list("one", &[1])
        .node("Slice", "batch", &["shape", "zero", "one"], vec![])
        .list("rest", &[-1])
        .node("Concat", "target", &["batch", "rest"], vec![int("axis", 0)])
        .node("Reshape", "flat", &["pool", "target"], vec![])
        .weight("w", &[18, 8])
        .weight("b", &[8])
        .node("Gemm", "fc", &["flat", "w", "b"], vec![float("alpha", 0.5)])
        .scalar("two", 2.0)
        .scalar("eps", 1e-5)
        .weight("g", &[8])
        .node("Pow", "square", &["fc", "two"], vec![])
        .node("ReduceMean", "mean", &["square"], vec![ints("axes", &[-1]), int("keepdims", 1)])
        .node("Add", "plus", &["mean", "eps"], vec![])
        .node("Sqrt", "root", &["plus"], vec![])
        .node("Div", "normed", &["fc", "root"], vec![])
        .node("Mul", "rms", &["normed", "g"], vec![])
        .node("Sigmoid", "sigmoid", &["rms"], vec![])
        .node("Mul", "silu", &["rms", "sigmoid"], vec![])
        .node("Transpose", "t", &["silu"], vec![ints("perm", &[1, 0])])
        .node("Add", "sum", &["t", "t"], vec![])
}

#[test]
fn everything_is_read() {
    let model = everything().check();
    let kinds: Vec<_> = common::operators(&model).into_iter().map(|(_, kind)| kind).collect();
    let expected = ["Conv2d+Relu", "MaxPool", "Reshape", "Dense", "RmsNorm", "Activation", "Transpose", "Add"];
    assert_eq!(kinds, expected);
}

#[test]
fn files_that_are_no_onnx() {
    let read = |bytes: &[u8]| read_bytes("a.onnx", bytes, &Options::default()).unwrap_err().to_string();
    assert!(read(&[]).contains("it has no graph"), "{}", read(&[]));
    assert!(read(b"PK\x03\x04 a zip file").starts_with("a.onnx: malformed: it is truncated or not ONNX"));
    let whole = everything().bytes();
    assert!(read(&whole[..whole.len() / 2]).contains("it is truncated or not ONNX"));
    let mut no_opset = ModelProto::decode(whole.as_slice()).unwrap();
    no_opset.opset_import.clear();
    assert!(read(&no_opset.encode_to_vec()).contains("which version of the operators"));
    let error = Network::new(8, &[1]).node("Relu", "r", &["x"], vec![]).refused();
    assert_eq!(error, "test.onnx: uses version 8 of the ONNX operators; versions 9 to 22 are supported");
    let missing = open(Path::new("/nonexistent/model.onnx"), &Options::default()).unwrap_err().to_string();
    assert!(missing.contains("/nonexistent/model.onnx: cannot be read"), "{missing}");
}

#[test]
fn unsupported_operators_are_named() {
    let error = Network::new(13, &[1, 4]).node("Softplus", "layer/act", &["x"], vec![]).refused();
    assert!(
        error.contains("node `layer/act`: the operator Softplus is not supported; supported are Add, Av"),
        "{error}"
    );
    let mut network = Network::new(13, &[1, 4]).node("Gelu", "g", &["x"], vec![]);
    network.graph.node[0].domain = "com.microsoft".to_owned();
    assert!(network.refused().contains("the operator com.microsoft.Gelu is not supported"));
    for operator in ["Sqrt", "Exp", "Erf", "Neg", "Reciprocal"] {
        let error = Network::new(13, &[1, 4]).node(operator, "n", &["x"], vec![]).refused();
        assert!(error.contains(&format!("node `n` ({operator}): `{operator}` is supported only inside")), "{error}");
    }
}

#[test]
fn inputs_and_outputs() {
    let relu = || Network::new(13, &[1, 4]).node("Relu", "r", &["x"], vec![]);
    let mut network = relu();
    network.graph.input.push(value("mask", &fixed(&[1])));
    assert!(
        network.refused().ends_with("has 2 inputs (`x`, `mask`); exactly one is supported"),
        "{}",
        network.refused()
    );
    let mut network = relu();
    network.graph.output = vec![value("r", &[]), value("x", &[])];
    assert!(network.refused().contains("has 2 outputs"));
    let mut network = relu();
    network.graph.input.clear();
    assert!(network.refused().contains("has 0 inputs"));
    let network = Network::new(13, &[1, 4]).node("Add", "sum", &["x", "lost"], vec![]);
    let error = network.refused();
    assert!(error.contains("node `sum` reads `lost`, which is neither the input"), "{error}");
    let mut network = relu();
    network.graph.output = vec![value("elsewhere", &[])];
    assert!(network.refused().contains("its output `elsewhere` is written by no node"));
    network.graph.output = vec![value("x", &[])];
    assert!(network.refused().contains("its output is its input"));
    let constant = Network::new(13, &[1, 4]).weight("w", &[2]).node("Identity", "i", &["w"], vec![]);
    assert!(constant.refused().contains("does not depend on its input"), "{}", constant.refused());
    let twice = relu().node("Tanh", "r", &["x"], vec![]);
    assert!(twice.refused().contains("two nodes write the value `r`"));
    let mut second = Network::new(13, &[1, 1, 4, 4]).node("MaxPool", "p", &["x"], vec![ints("kernel_shape", &[2, 2])]);
    second.graph.node[0].output.push("indices".to_owned());
    second.graph.output = vec![value("indices", &[])];
    assert!(second.refused().contains("node `p` (MaxPool): output 1, `indices`, is used"), "{}", second.refused());
}

#[test]
fn weights() {
    let network = |values: Vec<f32>| {
        let mut network = Network::new(13, &[1, 2]);
        network.graph.initializer.push(floats_tensor("w", &[2, 2], values));
        network.node("MatMul", "fc", &["x", "w"], vec![])
    };
    let error = network(vec![0.0, 1.0, f32::NAN, 2.0]).refused();
    assert_eq!(error, "test.onnx:w: the value at index [1, 0] is NaN");
    assert!(network(vec![0.0, 1.0, 2.0, f32::NEG_INFINITY]).refused().ends_with("index [1, 1] is -inf"));
    assert!(network(vec![0.0; 3]).refused().contains("test.onnx:w: malformed: 12 bytes of data do not fit"));
    let mut external = network(vec![]);
    let entry = StringStringEntryProto { key: "location".to_owned(), value: "weights.bin".to_owned() };
    external.graph.initializer[0].external_data.push(entry);
    external.graph.initializer[0].data_location = Some(1);
    assert!(external.refused().contains("the tensor `w` is stored outside the file"), "{}", external.refused());
    let mut kind = network(vec![0.0; 4]);
    kind.graph.initializer[0].data_type = 14;
    assert!(kind.refused().contains("element type COMPLEX64 is not supported"), "{}", kind.refused());
    let mut infinite = network(vec![1.0; 4]).scalar("zero", 0.0);
    infinite = infinite.node("Div", "d", &["fc", "zero"], vec![]);
    assert!(infinite.refused().contains("node `d` (Div): its factor or term is not finite"), "{}", infinite.refused());
}

/// Half-precision and double-precision weights, and raw bytes.
#[test]
fn weight_encodings() {
    let reference = [1.0, -2.0, 0.5, 3.0];
    let cases: [(i32, Vec<u8>); 4] = [
        (1, reference.iter().flat_map(|v| (*v as f32).to_le_bytes()).collect()),
        (11, reference.iter().flat_map(|v| f64::to_le_bytes(*v)).collect()),
        (10, [0x3c00_u16, 0xc000, 0x3800, 0x4200].iter().flat_map(|v| v.to_le_bytes()).collect()),
        (16, [0x3f80_u16, 0xc000, 0x3f00, 0x4040].iter().flat_map(|v| v.to_le_bytes()).collect()),
    ];
    for (data_type, raw_data) in cases {
        let mut network = Network::new(13, &[1, 2]).weight("w", &[2, 2]).node("MatMul", "fc", &["x", "w"], vec![]);
        let tensor = &mut network.graph.initializer[0];
        (tensor.data_type, tensor.raw_data) = (data_type, raw_data);
        tensor.float_data.clear();
        let model = network.import().unwrap();
        let Operator::Dense { weight, .. } = &model.layers[0].operator else { panic!("not dense") };
        assert_eq!(weight.values, [1.0, 0.5, -2.0, 3.0], "type {data_type}");
    }
}

/// One line per way of using a supported operator that is refused: the node's inputs, attributes, and words of the error.
#[test]
fn refused_uses() {
    let network = || {
        Network::new(13, &[2, 4])
            .weight("w", &[4, 3])
            .weight("cube", &[2, 4, 3])
            .weight("full", &[2, 4])
            .weight("v5", &[5])
            .scalar("half", 0.5)
            .list("bad", &[3, 5])
            .list("twice", &[-1, -1])
    };
    let cases: Vec<(&str, &[&str], Vec<_>, &str)> = vec![
        ("Gemm", &["x", "w"], vec![int("transA", 1)], "2 columns meet 4 rows"),
        ("Gemm", &["x", "w", "v5"], vec![], "its bias has shape [5]"),
        ("Gemm", &["x", "x"], vec![int("transB", 1)], "both operands are computed values"),
        ("Gemm", &["x", "w"], vec![int("alpha", 1)], "the attribute `alpha` is not of type FLOAT"),
        ("Gemm", &["x", "w"], vec![float("alpha", f32::NAN)], "the attribute `alpha` is NaN"),
        ("Gemm", &["x", "cube"], vec![], "two axes are required"),
        ("MatMul", &["x", "full"], vec![], "4 columns meet 2 rows"),
        ("MatMul", &["x", "cube"], vec![], "the second must be a matrix"),
        ("MatMul", &["x"], vec![], "input 1 is absent"),
        ("MatMul", &["full", "w"], vec![], "all its inputs are constants"),
        ("Add", &["x", "half"], vec![], "supported only directly after a Dense or Conv2d"),
        ("Add", &["x", "v5"], vec![], "shapes [2, 4] and [5] do not broadcast"),
        ("Sub", &["x", "x"], vec![], "only Add and Mul are supported"),
        ("Pow", &["x", "half"], vec![], "only the square is supported"),
        ("Reshape", &["x", "bad"], vec![], "shape [2, 4] cannot become [3, 5]"),
        ("Reshape", &["x", "twice"], vec![], "shape [2, 4] cannot become [-1, -1]"),
        ("Reshape", &["x", "half"], vec![], "should hold integers"),
        ("Flatten", &["x"], vec![int("axis", 7)], "axis 7 is out of range"),
        ("Transpose", &["x"], vec![ints("perm", &[0, 0])], "not a permutation of 2 axes"),
        ("Squeeze", &["x", "bad"], vec![], "axis 3 is out of range"),
        ("Softmax", &["x"], vec![], "drop_final_softmax"),
        ("Cast", &["x"], vec![int("to", 7)], "casts to element type 7"),
        ("Conv", &["x", "w"], vec![], "four axes each"),
        ("MaxPool", &["x"], vec![ints("kernel_shape", &[2, 2])], "only two-dimensional windows"),
        ("GlobalAveragePool", &["x"], vec![], "four axes are supported"),
        ("ReduceMean", &["x"], vec![ints("axes", &[-1])], "only inside an RMSNorm or LayerNorm"),
        ("BatchNormalization", &["x", "v5", "v5", "v5", "v5"], vec![], "folds only into a Dense or Conv2d"),
        ("LayerNormalization", &["x", "full"], vec![], "does not fit the last axis"),
        ("LayerNormalization", &["x", "v5"], vec![int("axis", 0)], "only the last axis"),
        ("Gelu", &["x"], vec![text("approximate", "cubic")], "approximation `cubic` is unknown"),
        ("Clip", &["x", "w"], vec![], "input 1 is not one number"),
        ("Sigmoid", &["x", "w"], vec![], "it has 2 inputs; the operator takes 1 at most"),
        ("Concat", &["bad", "twice"], vec![int("axis", 1)], "concatenated along axis 0 only"),
    ];
    for (operator, inputs, attributes, expected) in cases {
        let error = network().node(operator, "n", inputs, attributes).refused();
        assert!(error.contains(&format!("node `n` ({operator}): ")) && error.contains(expected), "{operator}: {error}");
    }
}

#[test]
fn refused_windows() {
    let cases = [
        (vec![int("group", 2)], "2 input channels do not fit a kernel of shape [4, 2, 3, 3] in 2 groups"),
        (vec![int("group", 0)], "`group` is not positive"),
        (vec![ints("strides", &[0, 1])], "must be at least 1"),
        (vec![ints("strides", &[1])], "two numbers are supported"),
        (vec![ints("dilations", &[9, 1])], "the window spans 19 cells of an axis that has 6"),
        (vec![ints("pads", &[-1, 0, 0, 0])], "four numbers from 0"),
        (vec![text("auto_pad", "SAME")], "auto_pad `SAME` is unknown"),
        (vec![ints("kernel_shape", &[5, 5])], "`kernel_shape` contradicts"),
    ];
    for (attributes, expected) in cases {
        let network = Network::new(13, &[1, 2, 6, 6]).weight("w", &[4, 2, 3, 3]);
        let error = network.node("Conv", "c", &["x", "w"], attributes).refused();
        assert!(error.contains("node `c` (Conv): ") && error.contains(expected), "{error}");
    }
    let cases = [
        (
            "MaxPool",
            vec![ints("strides", &[2, 2]), int("ceil_mode", 1)],
            "ceil_mode adds a window to axis 2 of length 7",
        ),
        ("MaxPool", vec![ints("pads", &[2, 0, 0, 0])], "the padding is as large as the window"),
        ("AveragePool", vec![ints("dilations", &[2, 1])], "dilation is not supported"),
    ];
    for (operator, mut attributes, expected) in cases {
        attributes.push(ints("kernel_shape", &[2, 2]));
        let error = Network::new(13, &[1, 2, 7, 7]).node(operator, "p", &["x"], attributes).refused();
        assert!(error.contains(&format!("node `p` ({operator}): ")) && error.contains(expected), "{error}");
    }
}

/// Folding needs a layer before, of which nothing else reads the value.
#[test]
fn refused_folds() {
    let start = || {
        let network = Network::new(13, &[2, 3, 4]).weight("w", &[4, 4]).weight("c", &[4]).weight("rows", &[3, 1]);
        network.positive("v", &[3]).node("MatMul", "fc", &["x", "w"], vec![])
    };
    let shared = start().node("Add", "a", &["fc", "c"], vec![]).node("Add", "b", &["a", "fc"], vec![]);
    assert!(shared.refused().contains("node `a` (Add)") && shared.refused().contains("no other consumer"));
    let after_relu = start().node("Relu", "r", &["fc"], vec![]).node("Mul", "m", &["r", "c"], vec![]);
    assert!(after_relu.refused().contains("node `m` (Mul)"), "{}", after_relu.refused());
    let rows = start().node("Add", "a", &["fc", "rows"], vec![]);
    assert!(rows.refused().contains("neither a scalar nor one number per index of axis 2"), "{}", rows.refused());
    let axis = start().node("BatchNormalization", "bn", &["fc", "v", "v", "v", "v"], vec![]);
    assert!(axis.refused().contains("its channels, axis 1, are not the outputs"), "{}", axis.refused());
    let inverse = start().scalar("one", 1.0).node("Div", "d", &["one", "fc"], vec![]);
    assert!(inverse.refused().contains("a constant divided by a computed value"), "{}", inverse.refused());
    let training = Network::new(14, &[1, 3]).weight("w", &[3, 3]).positive("v", &[3]);
    let training = training.node("MatMul", "fc", &["x", "w"], vec![]);
    let training =
        training.node("BatchNormalization", "bn", &["fc", "v", "v", "v", "v"], vec![int("training_mode", 1)]);
    assert!(training.refused().contains("it is in training mode"), "{}", training.refused());
    let different = Network::new(13, &[2, 4]).weight("w", &[4, 1]).node("MatMul", "fc", &["x", "w"], vec![]);
    let different = different.node("Add", "a", &["x", "fc"], vec![]);
    assert!(different.refused().contains("equal shapes are supported"), "{}", different.refused());
}

/// A norm whose inner values are used elsewhere, or whose mean runs over another axis, is none.
#[test]
fn broken_norms() {
    let norm = |axis: i64, keep: i64| {
        Network::new(13, &[4, 4])
            .scalar("eps", 1e-5)
            .node("Mul", "square", &["x", "x"], vec![])
            .node("ReduceMean", "mean", &["square"], vec![ints("axes", &[axis]), int("keepdims", keep)])
            .node("Add", "plus", &["mean", "eps"], vec![])
            .node("Sqrt", "root", &["plus"], vec![])
            .node("Div", "normed", &["x", "root"], vec![])
    };
    assert_eq!(norm(1, 1).check().layers.len(), 1);
    for network in [norm(0, 1), norm(1, 0), norm(1, 1).node("Add", "out", &["normed", "square"], vec![])] {
        let error = network.refused();
        assert!(error.contains("node `mean` (ReduceMean): a mean over axes"), "{error}");
    }
}

/// What must hold for a model that was accepted, whatever the bytes.
fn consistent(model: &Model) {
    let mut known = vec!["input"];
    for layer in &model.layers {
        assert!(layer.inputs.iter().all(|name| known.contains(&name.as_str())), "{} reads ahead", layer.name);
        assert!(layer.shape.iter().all(|n| *n > 0));
        if let Operator::Dense { weight, bias, .. } | Operator::Conv2d { weight, bias, .. } = &layer.operator {
            assert_eq!(weight.values.len(), weight.shape.iter().product::<usize>());
            assert!(bias.as_ref().is_none_or(|b| b.shape == weight.shape[..1] && b.values.len() == b.shape[0]));
            assert!(weight.values.iter().all(|w| w.is_finite()));
        }
        assert!(!known.contains(&layer.name.as_str()));
        known.push(&layer.name);
    }
    assert!(known[1..].contains(&model.output.as_str()));
}

fn survives(what: &str, bytes: &[u8]) -> bool {
    let read = || read_bytes("damaged.onnx", bytes, &Options::default());
    let outcome = catch_unwind(AssertUnwindSafe(|| read().map(|model| consistent(&model)).is_ok()));
    outcome.unwrap_or_else(|_| panic!("import panicked: {what}"))
}

#[test]
fn truncated_files_never_panic() {
    let bytes = everything().bytes();
    for length in 0..bytes.len() {
        survives(&format!("the first {length} bytes"), &bytes[..length]);
    }
}

#[test]
fn damaged_bytes_never_panic() {
    const SEED: u64 = 20;
    let original = everything().bytes();
    let mut random = Random(SEED);
    let mut accepted = 0;
    for step in 0..6000 {
        let mut bytes = original.clone();
        for _ in 0..=random.below(3) {
            let at = random.below(bytes.len());
            bytes[at] = if random.below(2) == 0 { random.next() as u8 } else { bytes[at] ^ (1 << random.below(8)) };
        }
        accepted += usize::from(survives(&format!("seed {SEED}, step {step}"), &bytes));
    }
    assert!((1..6000).contains(&accepted), "{accepted} accepted");
}

/// Damage that leaves the protocol buffers whole: extreme numbers, exchanged operators, rewired inputs.
fn damaged(original: &ModelProto, random: &mut Random) -> Vec<u8> {
    const EXTREME: [i64; 12] = [0, -1, 1, 2, 3, 7, 1 << 20, 1 << 27, 1 << 40, i64::MAX, i64::MIN, -2];
    let mut model = original.clone();
    let graph = model.graph.as_mut().unwrap();
    for _ in 0..=random.below(3) {
        let extreme = EXTREME[random.below(EXTREME.len())];
        let (n, m) = (random.below(graph.node.len()), random.below(graph.node.len()));
        let tensor = random.below(graph.initializer.len());
        let (mut other, initializer) = (graph.node[m].clone(), graph.initializer[tensor].name.clone());
        match random.below(8) {
            0 => graph.node[n].op_type = other.op_type,
            1 => graph.node[n].attribute = other.attribute,
            2 => {
                let input = random.below(graph.node[n].input.len());
                graph.node[n].input[input] = other.output.remove(0);
            }
            3 => {
                let input = random.below(graph.node[n].input.len());
                graph.node[n].input[input] = initializer;
            }
            4 => {
                for attribute in &mut graph.node[n].attribute {
                    attribute.i = extreme;
                    attribute.ints.fill(extreme);
                }
            }
            5 => graph.initializer[tensor].int64_data.fill(extreme),
            6 => {
                let dims = &mut graph.initializer[tensor].dims;
                dims.push(extreme);
                dims.rotate_right(random.below(2));
            }
            _ => {
                let shape: Vec<usize> = (0..4).map(|_| [1, 2, 6, 1 << 13][random.below(4)]).collect();
                graph.input = vec![value("x", &fixed(&shape))];
            }
        }
    }
    model.encode_to_vec()
}

#[test]
fn damaged_graphs_never_panic() {
    const SEED: u64 = 21;
    let original = ModelProto::decode(everything().bytes().as_slice()).unwrap();
    let mut random = Random(SEED);
    let mut accepted = 0;
    for step in 0..6000 {
        let bytes = damaged(&original, &mut random);
        accepted += usize::from(survives(&format!("seed {SEED}, step {step}"), &bytes));
    }
    assert!((1..6000).contains(&accepted), "{accepted} accepted");
}

/// Whatever import still accepts, tract computes the same for it, or refuses it.
#[test]
fn damaged_graphs_agree_with_tract() {
    const SEED: u64 = 22;
    let original = ModelProto::decode(everything().bytes().as_slice()).unwrap();
    let mut random = Random(SEED);
    let mut compared = 0;
    for step in 0..250 {
        let bytes = damaged(&original, &mut random);
        let Ok(model) = read_bytes("damaged.onnx", &bytes, &Options::default()) else { continue };
        let Ok(reference) = Reference::from_bytes("damaged.onnx", &bytes, &Options::default()) else { continue };
        let cells: usize = model.input.shape.iter().product();
        if cells > 1000 {
            continue;
        }
        let values = random.reals(cells).into_iter().map(f64::from).collect();
        let input = Array { source: "random".to_owned(), shape: model.input.shape.clone(), values };
        let ours = evaluate(&model, &input);
        for (name, theirs) in reference.layers(&input).unwrap() {
            close(&format!("seed {SEED}, step {step}, layer {name}"), &ours[&name], &theirs);
        }
        compared += 1;
    }
    assert!(compared >= 20, "{compared} compared");
}

//! Small networks that together use every kernel.

use zkml_layers::{
    Add, AvgPool, Conv2d, Dense, Flatten, Function, LayerNorm, LayerSpec, MatMul, MaxPool, Mul, NetworkSpec, Node,
    Nonlinearity, Pointwise, Reshape, RmsNorm, Transpose,
};

/// A network, and what it is there for.
pub(crate) struct Small {
    /// What it is there for.
    pub(crate) name: &'static str,
    /// The network; its sample is its input.
    pub(crate) spec: NetworkSpec,
}

impl Small {
    /// Kernels it uses.
    pub(crate) fn kernels(&self) -> Vec<&'static str> {
        self.spec.layers.iter().map(|node| node.layer.kernel().info().id).collect()
    }
}

/// Reproducible real numbers in `[-1, 1)`.
pub(crate) fn reals(seed: u64, count: usize) -> Vec<f64> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 11) as f64 / (1_u64 << 52) as f64 - 1.0
    };
    (0..count).map(|_| next()).collect()
}

fn small<N: Into<Node>>(name: &'static str, shape: &[usize], layers: Vec<N>) -> Small {
    let sample = reals(7, shape.iter().product());
    Small { name, spec: NetworkSpec::calibrated(shape, 8, &sample, layers).unwrap() }
}

fn dense(name: &str, inputs: usize, outputs: usize, nonlinearity: Nonlinearity) -> LayerSpec {
    LayerSpec::Dense(Dense {
        name: name.to_owned(),
        weight: reals(inputs as u64, inputs * outputs),
        inputs,
        bias: Some(reals(outputs as u64, outputs)),
        nonlinearity,
        bits: 8,
        limb_bits: None,
        per_channel: false,
    })
}

fn pointwise(name: &str, function: Function) -> LayerSpec {
    LayerSpec::Pointwise(Pointwise { name: name.to_owned(), function, bits: 5 })
}

/// Fine enough to tell neighbouring inputs apart.
fn fine(name: &str, function: Function) -> LayerSpec {
    LayerSpec::Pointwise(Pointwise { name: name.to_owned(), function, bits: 11 })
}

fn named(name: &str) -> String {
    name.to_owned()
}

/// Reshaped, transposed and flattened tensors, in between and as the output.
fn rearranged() -> Vec<Small> {
    let reshape = |name, shape: &[usize]| LayerSpec::Reshape(Reshape { name: named(name), shape: shape.to_vec() });
    let transpose = LayerSpec::Transpose(Transpose { name: named("turn"), permutation: vec![0, 2, 1] });
    let flatten = LayerSpec::Flatten(Flatten { name: named("flat") });
    let tanh = fine("tanh", Function::Tanh);
    vec![
        small("a transposed output", &[2, 3, 5], vec![tanh.clone(), transpose.clone()]),
        small(
            "a reshaped table input",
            &[2, 3, 4],
            vec![reshape("shape", &[2, 6]), tanh.clone(), pointwise("relu", Function::Relu)],
        ),
        small(
            "a dense layer behind views",
            &[2, 3, 5],
            vec![tanh, transpose, flatten, dense("fc", 15, 2, Nonlinearity::None)],
        ),
    ]
}

/// Residual edges, and tensors with several consumers.
fn graphs() -> Vec<Small> {
    let add = |name, nonlinearity| LayerSpec::Add(Add { name: named(name), nonlinearity, bits: 8, limb_bits: None });
    let mul = LayerSpec::Mul(Mul { name: named("gate"), bits: 8, limb_bits: None });
    let residual = vec![
        dense("inner", 6, 6, Nonlinearity::Relu).into(),
        Node::new(add("sum", Nonlinearity::None), &["inner", "input"]),
        Node::new(mul, &["sum", "inner"]),
        Node::new(add("last", Nonlinearity::Relu), &["gate", "gate"]),
    ];
    vec![small("residual edges", &[2, 6], residual)]
}

/// Sums whose worst case is far beyond the calibrated output, and weights with a scale per output.
fn requantised() -> Vec<Small> {
    let LayerSpec::Dense(layer) = dense("wide", 700, 3, Nonlinearity::None) else { unreachable!() };
    let bias = layer.bias.clone();
    let wide = |per_channel, nonlinearity| {
        LayerSpec::Dense(Dense { per_channel, nonlinearity, bias: bias.clone(), ..layer.clone() })
    };
    vec![
        small("no clamp table", &[2, 700], vec![wide(false, Nonlinearity::None)]),
        small(
            "a scale per output",
            &[2, 700],
            vec![wide(true, Nonlinearity::Relu), dense("fc", 3, 2, Nonlinearity::None)],
        ),
    ]
}

/// 3 × 2 taps, stride 2 × 1, padded at the top and on the right.
fn conv(name: &str, weight_shape: [usize; 4], groups: usize) -> Conv2d {
    let [outputs, ..] = weight_shape;
    Conv2d {
        name: name.to_owned(),
        weight: reals(outputs as u64, weight_shape.iter().product()),
        weight_shape,
        bias: Some(reals(5, outputs)),
        stride: [2, 1],
        padding: [1, 0, 0, 1],
        dilation: [1, 1],
        groups,
        nonlinearity: Nonlinearity::Relu,
        bits: 8,
        per_channel: false,
        limb_bits: None,
    }
}

fn maxpool(name: &str, kernel: [usize; 2], padding: [usize; 4]) -> MaxPool {
    MaxPool { name: name.to_owned(), kernel, stride: [2, 1], padding, dilation: [1, 1], limb_bits: None }
}

fn avgpool(name: &str, kernel: Option<[usize; 2]>, padding: [usize; 4], count_include_pad: bool) -> AvgPool {
    AvgPool { name: name.to_owned(), kernel, stride: [1, 2], padding, count_include_pad, bits: 8, limb_bits: None }
}

/// All of them.
pub(crate) fn networks() -> Vec<Small> {
    let norm = RmsNorm { name: "norm".to_owned(), gain: reals(3, 6), eps: 1e-5, output_bits: 8, limb_bits: None };
    let layer_norm = LayerSpec::LayerNorm(LayerNorm {
        name: named("norm"),
        gain: reals(3, 6),
        bias: Some(reals(4, 6)),
        eps: 1e-5,
        output_bits: 8,
        limb_bits: None,
    });
    let functions = vec![
        fine("a", Function::Silu),
        pointwise("b", Function::Gelu),
        pointwise("c", Function::Sigmoid),
        pointwise("d", Function::Tanh),
        pointwise("e", Function::Clamp { lo: 0.0, hi: 0.5 }),
    ];
    let mut all = vec![
        small(
            "dense layers",
            &[3, 5],
            vec![dense("hidden", 5, 7, Nonlinearity::Relu), dense("logits", 7, 3, Nonlinearity::None)],
        ),
        small(
            "a matrix product whose sums are kept",
            &[3, 5],
            vec![
                dense("hidden", 5, 6, Nonlinearity::Relu),
                LayerSpec::MatMul(MatMul { name: "scores".to_owned(), weight: reals(17, 18), inputs: 6, bits: 8 }),
            ],
        ),
        small("normalisation", &[3, 6], vec![LayerSpec::RmsNorm(norm)]),
        small("normalisation with mean and bias", &[3, 6], vec![layer_norm]),
        small("functions by table", &[3, 5], functions),
    ];
    let mut committed = small("a committed input", &[2, 5], vec![dense("logits", 5, 3, Nonlinearity::None)]);
    committed.spec.input.committed = true;
    all.push(committed);
    all.extend(rearranged());
    all.extend(graphs());
    all.extend(requantised());
    all.extend(windows());
    all
}

/// Convolutions and pooling.
fn windows() -> Vec<Small> {
    vec![
        small("convolution", &[2, 3, 5, 4], vec![LayerSpec::Conv2d(conv("conv", [3, 3, 3, 2], 1))]),
        small(
            "pointwise and grouped convolutions",
            &[1, 4, 4, 3],
            vec![
                LayerSpec::Conv2d(Conv2d {
                    stride: [1, 1],
                    padding: [0; 4],
                    per_channel: true,
                    ..conv("pointwise", [6, 4, 1, 1], 1)
                }),
                LayerSpec::Conv2d(Conv2d { dilation: [1, 2], ..conv("grouped", [6, 3, 3, 2], 2) }),
                LayerSpec::Conv2d(conv("depthwise", [18, 1, 2, 2], 6)),
            ],
        ),
        small(
            "pooling",
            &[1, 2, 6, 7],
            vec![
                LayerSpec::MaxPool(maxpool("max", [2, 2], [1, 0, 1, 1])),
                LayerSpec::AvgPool(avgpool("mean", Some([2, 3]), [1, 1, 0, 1], false)),
                LayerSpec::MaxPool(maxpool("stages", [3, 3], [1; 4])),
                LayerSpec::AvgPool(avgpool("global", None, [0; 4], true)),
            ],
        ),
    ]
}

/// Families of networks whose tensors have the same shapes.
pub(crate) fn relatives() -> Vec<Vec<Small>> {
    let weights = |name, seed| {
        let LayerSpec::Dense(layer) = dense("logits", 5, 3, Nonlinearity::None) else { unreachable!() };
        small(name, &[3, 5], vec![LayerSpec::Dense(Dense { weight: reals(seed, 15), ..layer })])
    };
    let one = |name, layer: LayerSpec| small(name, &[1, 3, 6, 7], vec![layer]);
    // One limb of 14 bits holds every remainder, so that the number of limbs is the same.
    let plain = Conv2d { stride: [1, 1], padding: [0, 0, 1, 0], limb_bits: Some(14), ..conv("conv", [3, 3, 3, 2], 1) };
    let flipped = plain.weight.chunks(6).flat_map(|kernel| kernel.iter().rev().copied()).collect();
    let convolution = |name, layer| one(name, LayerSpec::Conv2d(layer));
    let max = |name, padding, dilation| {
        one(name, LayerSpec::MaxPool(MaxPool { dilation, ..maxpool("max", [2, 2], padding) }))
    };
    let mean = |name, padding| one(name, LayerSpec::AvgPool(avgpool("mean", Some([2, 2]), padding, true)));
    vec![
        vec![weights("dense", 1), weights("dense with other weights", 2)],
        vec![
            convolution("convolution", plain.clone()),
            convolution("convolution with other weights", Conv2d { weight: reals(2, 54), ..plain.clone() }),
            convolution("convolution with flipped kernels", Conv2d { weight: flipped, ..plain.clone() }),
            convolution("convolution, rows shifted", Conv2d { padding: [1, 0, 0, 0], ..plain.clone() }),
            convolution("convolution with stride 2", Conv2d { stride: [2, 1], padding: [2, 0, 3, 0], ..plain.clone() }),
            convolution("convolution with dilation 2", Conv2d { dilation: [2, 1], padding: [1, 0, 2, 0], ..plain }),
        ],
        vec![
            max("max pooling", [0; 4], [1, 1]),
            max("max pooling, rows shifted", [1, 0, 0, 0], [1, 1]),
            max("max pooling with dilation 2", [0, 0, 1, 0], [2, 1]),
        ],
        vec![mean("average pooling", [0, 0, 0, 1]), mean("average pooling, columns shifted", [0, 1, 0, 0])],
    ]
}

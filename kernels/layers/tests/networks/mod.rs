//! Small networks that together use every kernel.

use zkml_layers::{Dense, LayerSpec, NetworkSpec, Node, Nonlinearity, RmsNorm};

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

/// All of them.
pub(crate) fn networks() -> Vec<Small> {
    let norm = RmsNorm { name: "norm".to_owned(), gain: reals(3, 6), eps: 1e-5, output_bits: 8, limb_bits: None };
    vec![
        small(
            "dense layers",
            &[3, 5],
            vec![dense("hidden", 5, 7, Nonlinearity::Relu), dense("logits", 7, 3, Nonlinearity::None)],
        ),
        small("normalisation", &[3, 6], vec![LayerSpec::RmsNorm(norm)]),
    ]
}

/// Families of networks whose tensors have the same shapes.
pub(crate) fn relatives() -> Vec<Vec<Small>> {
    let weights = |name, seed| {
        let LayerSpec::Dense(layer) = dense("logits", 5, 3, Nonlinearity::None) else { unreachable!() };
        small(name, &[3, 5], vec![LayerSpec::Dense(Dense { weight: reals(seed, 15), ..layer })])
    };
    vec![vec![weights("dense", 1), weights("dense with other weights", 2)]]
}

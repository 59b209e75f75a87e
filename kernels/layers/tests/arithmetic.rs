//! The kernels `add` and `mul`, and graphs in which tensors are used several times.

mod common;

use common::{
    accept, limbs_at, needs_lookup, parameter, put, put_limbs_at, refused_by_equation, refused_by_lookup, scalar,
    values,
};
use proptest::prelude::*;
use zkml_core::{Goldilocks, Relation, Shape, Suite, Witness};
use zkml_layers::{
    Add, Dense, Function, InputSpec, LayerSpec, Lowered, Mul, NetworkSpec, Node, Nonlinearity, Pointwise, Quantisation,
    lower,
};

fn add(name: &str, bits: u32, nonlinearity: Nonlinearity) -> LayerSpec {
    LayerSpec::Add(Add { name: name.to_owned(), nonlinearity, bits, limb_bits: None })
}

fn mul(name: &str, bits: u32) -> LayerSpec {
    LayerSpec::Mul(Mul { name: name.to_owned(), bits, limb_bits: None })
}

fn pointwise(name: &str, function: Function, bits: u32) -> LayerSpec {
    LayerSpec::Pointwise(Pointwise { name: name.to_owned(), function, bits })
}

/// `combine(input, tanh(input))`, over rows of 4: two inputs with scales of their own.
fn network(rows: usize, last: LayerSpec, bits: u32, sample: Option<Vec<f64>>) -> Lowered {
    let shape = Shape::new([rows, 2, 2]).unwrap();
    let input = InputSpec {
        shape,
        quantisation: Quantisation { bits, scale: 4.0 / f64::from(1 << (bits - 1)) },
        committed: false,
    };
    let layers = vec![pointwise("b", Function::Tanh, bits).into(), Node::new(last, &["input", "b"])];
    lower(&NetworkSpec { input, layers, sample }).unwrap()
}

fn round(acc: i128, shift: u32, bounds: (i64, i64)) -> i64 {
    (acc + (1 << (shift - 1))).div_euclid(1 << shift).clamp(bounds.0.into(), bounds.1.into()) as i64
}

/// The multipliers of an addition, from its relation.
fn multipliers(lowered: &Lowered) -> Vec<i128> {
    let found = lowered.program.relations().iter().find_map(|r| match r {
        Relation::Affine(affine) if affine.scope == "last/accumulator" => Some(affine.terms.clone()),
        _ => None,
    });
    found.unwrap().into_iter().map(|(c, _)| c.into()).collect()
}

fn model(lowered: &Lowered, witness: &Witness, product: bool, relu: bool) -> Vec<i64> {
    let [a, b] = ["input", "b/output"].map(|n| values(lowered, witness, n));
    let bounds = lowered.output_quantisation.bounds();
    let bounds = (if relu { 0 } else { bounds.lo }, bounds.hi);
    let (shift, m) = (parameter(lowered, "last", "shift") as u32, multipliers(lowered));
    let acc = |a: i64, b: i64| {
        let (a, b) = (i128::from(a), i128::from(b));
        if product { m[0] * a * b } else { m[0] * a + m[1] * b }
    };
    a.iter().zip(&b).map(|(&a, &b)| round(acc(a, b), shift, bounds)).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, ..ProptestConfig::default() })]

    #[test]
    fn sums_and_products_equal_the_model_and_the_float_layer(
        rows in 1_usize..20,
        product in any::<bool>(),
        relu in any::<bool>(),
        bits in prop::sample::select(vec![2_u32, 4, 8, 11, 16]),
        calibrated in any::<bool>(),
        seed in any::<u64>(),
    ) {
        use rand::{RngExt, SeedableRng, rngs::StdRng};
        let mut rng = StdRng::seed_from_u64(seed);
        let relu = relu && !product;
        let nonlinearity = if relu { Nonlinearity::Relu } else { Nonlinearity::None };
        let last = if product { mul("last", bits) } else { add("last", bits, nonlinearity) };
        let sample = calibrated.then(|| (0..64).map(|_| rng.random_range(-2.0..2.0)).collect());
        let lowered = network(rows, last, bits, sample);
        let half = 1_i64 << (bits - 1);
        let mut input: Vec<i64> = (0..4 * rows).map(|_| rng.random_range(-half..half)).collect();
        (input[0], input[1]) = (-half, half - 1);
        let witness = accept(&lowered, &input);
        let output = values(&lowered, &witness, "last/output");
        prop_assert_eq!(&output, &model(&lowered, &witness, product, relu), "seed {}", seed);
        // Against the float layer on what the integers stand for; clamping aside.
        let (step, bounds) = (lowered.output_quantisation.scale, lowered.output_quantisation.bounds());
        let a = lowered.input_quantisation.dequantise(&input);
        let b = lowered.layers[0].quantisation.dequantise(&values(&lowered, &witness, "b/output"));
        for ((a, b), y) in a.iter().zip(&b).zip(output) {
            let exact = if product { a * b } else if relu { (a + b).max(0.0) } else { a + b };
            let exact = (exact / step).clamp(bounds.lo as f64, bounds.hi as f64);
            prop_assert!((exact - y as f64).abs() <= 0.751, "{} for {}, seed {}", y, exact, seed);
        }
    }
}

#[test]
fn a_tensor_with_itself() {
    let shape = Shape::new([1, 3]).unwrap();
    let input = InputSpec { shape, quantisation: Quantisation { bits: 8, scale: 0.1 }, committed: false };
    for (last, expected) in
        [(add("last", 8, Nonlinearity::None), [-20.0, 0.0, 10.0]), (mul("last", 8), [100.0, 0.0, 25.0])]
    {
        let layers = vec![Node::new(last, &["input", "input"])];
        let lowered = lower(&NetworkSpec { input: input.clone(), layers, sample: None }).unwrap();
        accept(&lowered, &[-128, 127, 0]);
        let got = lowered.infer(&[-100, 0, 50]).unwrap();
        let step = lowered.output_quantisation.scale;
        for (got, expected) in got.iter().zip(expected) {
            assert!((*got as f64 * step - expected).abs() < step, "{got} {expected}");
        }
    }
}

/// `x + dense(relu(dense(x)))`, twice: the input of each block has two consumers.
#[test]
fn residual_blocks() {
    let dense = |name: &str, k: usize| {
        let weight = (0..64).map(|i| f64::from((i * k % 31) as u32) / 30.0 - 0.5).collect();
        let (nonlinearity, bias) = (Nonlinearity::Relu, Some(vec![0.1; 8]));
        let (name, inputs, bits) = (name.to_owned(), 8, 8);
        LayerSpec::Dense(Dense { name, weight, inputs, bias, nonlinearity, bits, per_channel: true, limb_bits: None })
    };
    let layers = vec![
        dense("a", 7).into(),
        dense("b", 11).into(),
        Node::new(add("c", 8, Nonlinearity::None), &["b", "input"]),
        dense("d", 13).into(),
        Node::new(add("e", 8, Nonlinearity::Relu), &["c", "d"]),
    ];
    let sample: Vec<f64> = (0..40).map(|i| f64::from(i * 29 % 83 - 41) / 10.0).collect();
    let lowered = lower(&NetworkSpec::calibrated([5, 8], 8, &sample, layers).unwrap()).unwrap();
    accept(&lowered, &lowered.input_quantisation.quantise(&sample));
    let accuracy = lowered.layer_accuracy(&sample).unwrap();
    assert!(accuracy.iter().all(|a| a.max_steps < 5.0), "{accuracy:?}");
    let range: Vec<_> = lowered.tables().into_iter().filter(|t| t.table.starts_with("range")).collect();
    assert_eq!(range.len(), 1, "{range:?}");
    // The float model, written out.
    let apply = |name: &str, x: &[f64]| -> Vec<f64> {
        let layer = lowered_spec(&layers_of(&dense), name);
        (0..8).map(|o| (0.1 + (0..8).map(|i| x[i] * layer[o * 8 + i]).sum::<f64>()).max(0.0)).collect()
    };
    let row = &sample[..8];
    let c: Vec<f64> = apply("b", &apply("a", row)).iter().zip(row).map(|(b, x)| b + x).collect();
    let e: Vec<f64> = apply("d", &c).iter().zip(&c).map(|(d, c)| (d + c).max(0.0)).collect();
    let float = lowered.float(&sample).unwrap();
    assert!(float[..8].iter().zip(&e).all(|(a, b)| (a - b).abs() < 1e-12), "{float:?} {e:?}");
}

fn layers_of(dense: &dyn Fn(&str, usize) -> LayerSpec) -> Vec<(&'static str, Vec<f64>)> {
    let weight = |layer: LayerSpec| if let LayerSpec::Dense(dense) = layer { dense.weight } else { Vec::new() };
    [("a", 7), ("b", 11), ("d", 13)].map(|(name, k)| (name, weight(dense(name, k)))).to_vec()
}

fn lowered_spec(layers: &[(&'static str, Vec<f64>)], name: &str) -> Vec<f64> {
    layers.iter().find(|(n, _)| *n == name).unwrap().1.clone()
}

#[test]
fn forgeries() {
    for (last, product) in [(add("last", 8, Nonlinearity::None), false), (mul("last", 8), true)] {
        let lowered = network(1, last, 8, None);
        let witness = accept(&lowered, &[50, -3, 127, -128]);
        let (shift, y) = (parameter(&lowered, "last", "shift"), scalar(&lowered, &witness, "last/output"));
        let mut forged = witness.clone();
        put(&lowered, &mut forged, "last/output", y + 1);
        refused_by_lookup(&lowered, &forged, "last/output");
        let z = scalar(&lowered, &witness, "last/quotient");
        put(&lowered, &mut forged, "last/quotient", z + 1);
        refused_by_equation(&lowered, &forged, "last/requantise");
        let rem = limbs_at(&lowered, &witness, "last/remainder", 0);
        let top = put_limbs_at(&lowered, &mut forged, "last/remainder", 0, rem - (1 << shift));
        refused_by_lookup(&lowered, &forged, &top);
        // An addition of another tensor, a product by something else.
        let mut forged = witness.clone();
        put(&lowered, &mut forged, "last/accumulator", scalar(&lowered, &witness, "last/accumulator") + 1);
        refused_by_equation(&lowered, &forged, "last/accumulator");
        if product {
            let mut forged = witness.clone();
            put(&lowered, &mut forged, "last/product", scalar(&lowered, &witness, "last/product") + 1);
            refused_by_equation(&lowered, &forged, "last/product");
        }
        let mut forged = witness;
        let b = scalar(&lowered, &forged, "b/output");
        put(&lowered, &mut forged, "b/output", b - 1);
        refused_by_lookup(&lowered, &forged, "b/output");
        needs_lookup(&lowered, "last/range");
        needs_lookup(&lowered, "last/clamp");
        assert!(lowered.program.check(Goldilocks::max_magnitude()).is_ok() && lowered.program.check(100).is_err());
    }
}

#[test]
fn shapes_must_agree() {
    let reshape = LayerSpec::Flatten(zkml_layers::Flatten { name: "flat".to_owned() });
    let layers = vec![Node::from(reshape), Node::new(mul("last", 8), &["input", "flat"])];
    let spec = NetworkSpec::calibrated([1, 2, 2], 8, &[1.0; 4], layers).unwrap();
    let message = lower(&spec).unwrap_err().to_string();
    assert!(message.starts_with("last: its inputs are "), "{message}");
    let spec = NetworkSpec::calibrated([1, 2, 2], 8, &[1.0; 4], vec![add("last", 8, Nonlinearity::None)]).unwrap();
    assert_eq!(lower(&spec).unwrap_err().to_string(), "last: add takes 2 inputs, not 1");
}

//! The kernel `layernorm`: the program accepts exactly the integers of an independent model.

mod common;

use common::{
    accept, id, limbs_at, needs_lookup, parameter, put, put_limbs_at, refused_by_equation, refused_by_lookup, scalar,
    values,
};
use proptest::prelude::*;
use zkml_core::{Goldilocks, Suite, Witness};
use zkml_layers::{LayerNorm, LayerSpec, Lowered, NetworkSpec, Quantisation, lower};

fn norm(gain: Vec<f64>, bias: Option<Vec<f64>>, eps: f64) -> LayerNorm {
    LayerNorm { name: "norm".to_owned(), gain, bias, eps, output_bits: 8, limb_bits: None }
}

fn network(rows: usize, layer: LayerNorm, bits: u32, scale: f64) -> Lowered {
    let columns = layer.gain.len();
    let sample: Vec<f64> = (0..4 * columns).map(|i| ((i * 37 % 101) as f64 - 40.0) * scale).collect();
    let mut spec = NetworkSpec::calibrated([rows, columns], bits, &sample, vec![LayerSpec::LayerNorm(layer)]).unwrap();
    spec.input.quantisation = Quantisation { bits, scale };
    lower(&spec).unwrap()
}

/// `(p, r)` by plain search in `i128`; the sizes follow from the declared bounds.
fn root_model(lowered: &Lowered, a: i128) -> (i128, i128) {
    let bounds = |name: &str| lowered.program.get(id(lowered, name)).unwrap().bounds;
    let window = i128::from(bounds("norm/normalised").lo);
    let target = i128::from(bounds("norm/root-square").hi);
    assert_eq!(i128::from(bounds("norm/root").hi).pow(2) * window, target);
    let mut p = 1;
    while a * p * p < window {
        p *= 2;
    }
    let normalised = a * p * p;
    assert!(normalised < 4 * window && p <= i128::from(bounds("norm/power").hi));
    let (mut lo, mut hi) = (0_i128, 1 << 17);
    while hi - lo > 1 {
        let middle = i128::midpoint(lo, hi);
        if middle * middle * normalised <= target { lo = middle } else { hi = middle }
    }
    (p, lo)
}

fn model(lowered: &Lowered, witness: &Witness, bias: bool) -> Vec<i64> {
    let [x, gain] = ["input", "norm/gain"].map(|n| values(lowered, witness, n));
    let bias = if bias { values(lowered, witness, "norm/bias") } else { vec![0; gain.len()] };
    let (m, t) = (parameter(lowered, "norm", "multiplier"), parameter(lowered, "norm", "shift") as u32);
    let (epsilon, n) = (parameter(lowered, "norm", "epsilon"), gain.len() as i128);
    let mut output = Vec::new();
    for row in x.chunks(gain.len()) {
        let s: i128 = row.iter().map(|&x| i128::from(x)).sum();
        let a = row.iter().map(|&x| (n * i128::from(x) - s).pow(2)).sum::<i128>() / n + epsilon;
        let (p, r) = root_model(lowered, a);
        for ((&x, &g), &b) in row.iter().zip(&gain).zip(&bias) {
            let acc = m * ((n * i128::from(x) - s) * i128::from(g) * r * p + i128::from(b));
            output.push((acc + (1 << (t - 1))).div_euclid(1 << t).clamp(-128, 127) as i64);
        }
    }
    output
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 30, ..ProptestConfig::default() })]

    #[test]
    fn random_rows_equal_the_independent_model(
        rows in 1_usize..5,
        columns in 1_usize..700,
        limb_bits in prop::option::of(1_u32..=7),
        eps_exponent in -12_i32..2,
        with_bias in any::<bool>(),
        seed in any::<u64>(),
    ) {
        use rand::{RngExt, SeedableRng, rngs::StdRng};
        let mut rng = StdRng::seed_from_u64(seed);
        let gain = (0..columns).map(|_| rng.random_range(-2.0..2.0)).collect();
        let bias = with_bias.then(|| (0..columns).map(|_| rng.random_range(-2.0..2.0)).collect());
        let (magnitude, offset) = (rng.random_range(1..=64), rng.random_range(-63..64));
        let input: Vec<i64> = (0..rows * columns).map(|_| offset + rng.random_range(-magnitude..magnitude)).collect();
        let layer = LayerNorm { limb_bits, ..norm(gain, bias, 10_f64.powi(eps_exponent)) };
        let lowered = network(rows, layer, 8, 0.02);
        let witness = accept(&lowered, &input);
        prop_assert_eq!(values(&lowered, &witness, "norm/output"), model(&lowered, &witness, with_bias), "seed {}", seed);
    }
}

#[test]
fn edge_rows() {
    for columns in [1, 2, 384, 768, 2048, 4095] {
        let gain: Vec<f64> = (0..columns).map(|i| if i % 3 == 0 { 1.0 } else { -0.5 }).collect();
        let bias: Vec<f64> = (0..columns).map(|i| if i % 2 == 0 { 0.25 } else { -1.0 }).collect();
        let lowered = network(6, norm(gain, Some(bias), 1e-12), 8, 0.02);
        let mut input = vec![0; columns];
        input.extend(vec![-128; columns]);
        input.extend(vec![127; columns]);
        input.extend((0..columns).map(|i| i64::from(i == 0)));
        input.extend((0..columns).map(|i| if i == 0 { -128 } else { 127 }));
        input.extend((0..columns).map(|i| if i % 2 == 0 { -128 } else { 127 }));
        let witness = accept(&lowered, &input);
        assert_eq!(values(&lowered, &witness, "norm/output"), model(&lowered, &witness, true), "{columns} columns");
    }
}

/// Real-valued parity: the error of the integer layer on already quantised inputs is rounding alone.
#[test]
fn the_integer_layer_is_accurate_to_a_step() {
    for (columns, most) in [(64, 1.0), (384, 1.0), (2048, 1.0)] {
        let gain: Vec<f64> = (0..columns).map(|i| 0.5 + (i * 7 % 11) as f64 / 10.0).collect();
        let bias: Vec<f64> = (0..columns).map(|i| (i * 5 % 13) as f64 / 10.0 - 0.6).collect();
        let lowered = network(4, norm(gain.clone(), Some(bias.clone()), 1e-5), 8, 0.02);
        let input: Vec<i64> = (0..4 * columns as i64).map(|i| i * i * 7 % 91 - 30).collect();
        let real = lowered.input_quantisation.dequantise(&input);
        let accuracy = lowered.accuracy(&real).unwrap();
        assert!(accuracy.max_steps < most && accuracy.saturated < 40, "{columns} columns: {accuracy:?}");
        // The float reference, in two passes of its own.
        let row = &real[..columns];
        let (sum, squares) = row.iter().fold((0.0, 0.0), |(s, q), x| (s + x, q + x * x));
        let mean = sum / columns as f64;
        let deviation = (squares / columns as f64 - mean * mean + 1e-5).sqrt();
        for (i, got) in lowered.float(&real).unwrap()[..columns].iter().enumerate() {
            let expected = gain[i] * (row[i] - mean) / deviation + bias[i];
            assert!((got - expected).abs() < 1e-9, "{got} {expected}");
        }
    }
}

mod forgeries {
    use super::*;

    fn honest() -> (Lowered, Witness) {
        let layer = norm(vec![1.0, -0.75, 0.5, 1.25, 1.0], Some(vec![0.5, 0.0, -0.5, 1.0, 0.25]), 1e-5);
        let lowered = network(2, LayerNorm { limb_bits: Some(12), ..layer }, 8, 0.02);
        let witness = accept(&lowered, &[3, -128, 127, 0, 55, 1, 0, -2, 1, 0]);
        (lowered, witness)
    }

    /// Puts `value` in a tensor, and expects the equation `scope` to fail.
    fn change(name: &str, scope: &str) {
        let (lowered, witness) = honest();
        for step in [1, -1] {
            let mut forged = witness.clone();
            put(&lowered, &mut forged, name, scalar(&lowered, &witness, name) + step);
            refused_by_equation(&lowered, &forged, scope);
        }
    }

    #[test]
    fn every_intermediate_value_is_tied_down() {
        change("norm/total", "norm/total");
        change("norm/sum-of-squares", "norm/sum-of-squares");
        change("norm/square-of-total", "norm/square-of-total");
        change("norm/spread", "norm/spread");
        change("norm/normalised", "norm/normalise");
        change("norm/weight", "norm/weight");
        change("norm/scaled-weight", "norm/multiplier");
        change("norm/products", "norm/products");
        change("norm/weighted-total", "norm/weighted-total");
        change("norm/shift", "norm/shift");
        change("norm/bias-rows", "norm/bias-rows");
        change("norm/accumulator", "norm/accumulator");
    }

    /// A smaller `s` alone: the mean left out of the numerator.
    #[test]
    fn the_mean_cannot_be_left_out() {
        let (lowered, witness) = honest();
        let mut forged = witness.clone();
        let zeros = vec![0; 10];
        forged.set_i64(&lowered.program, id(&lowered, "norm/shift"), zeros);
        refused_by_equation(&lowered, &forged, "norm/shift");
    }

    #[test]
    fn another_root() {
        let (lowered, witness) = honest();
        let r = scalar(&lowered, &witness, "norm/root");
        let a = scalar(&lowered, &witness, "norm/normalised");
        let [top, target] =
            ["norm/root", "norm/root-square"].map(|n| lowered.program.get(id(&lowered, n)).unwrap().bounds.hi);
        for (root, culprit) in [(r + 1, "norm/under"), (r - 1, "norm/over"), (2 * top, "norm/root-complement")] {
            let mut forged = witness.clone();
            put(&lowered, &mut forged, "norm/root", root);
            put_limbs_at(&lowered, &mut forged, "norm/root", 0, root);
            put_limbs_at(&lowered, &mut forged, "norm/root-complement", 0, top - root);
            put(&lowered, &mut forged, "norm/root-product", root * a);
            put(&lowered, &mut forged, "norm/root-square", root * root * a);
            let under = target - root * root * a;
            put_limbs_at(&lowered, &mut forged, "norm/under", 0, under);
            put_limbs_at(&lowered, &mut forged, "norm/over", 0, (2 * root + 1) * a - 1 - under);
            let equations = common::part(&lowered.program, |r| r.kind() == "lookup");
            match zkml_layers::check_witness::<Goldilocks>(&equations, &forged) {
                Err(zkml_layers::Violation::Lookup { tensors, .. }) => assert!(tensors.contains(culprit), "{tensors}"),
                other => panic!("{other:?}"),
            }
        }
    }

    #[test]
    fn another_quotient_or_output() {
        let (lowered, witness) = honest();
        let shift = parameter(&lowered, "norm", "shift") as u32;
        let z = scalar(&lowered, &witness, "norm/quotient");
        let remainder = limbs_at(&lowered, &witness, "norm/remainder", 0);
        let mut forged = witness.clone();
        put(&lowered, &mut forged, "norm/quotient", z + 1);
        put(&lowered, &mut forged, "norm/output", (z + 1).clamp(-128, 127));
        let last = put_limbs_at(&lowered, &mut forged, "norm/remainder", 0, remainder - (1 << shift));
        refused_by_lookup(&lowered, &forged, &last);
        let mut forged = witness;
        put(&lowered, &mut forged, "norm/output", z + 1);
        refused_by_lookup(&lowered, &forged, "norm/output");
    }

    #[test]
    fn soundness_rests_on_every_lookup() {
        let (lowered, _) = honest();
        for scope in ["norm/power", "norm/range", "norm/clamp"] {
            needs_lookup(&lowered, scope);
        }
        assert!(lowered.program.check(Goldilocks::max_magnitude()).is_ok());
    }
}

#[test]
fn errors_say_what_to_do() {
    let error = |layer: LayerNorm, columns: usize, bits: u32| {
        let spec = NetworkSpec::calibrated([2, columns], bits, &vec![1.0; columns], vec![LayerSpec::LayerNorm(layer)]);
        spec.and_then(|spec| lower(&spec)).unwrap_err().to_string()
    };
    assert!(error(norm(vec![1.0; 3], None, 0.0), 4, 8).contains("norm: the gain has 3 values for rows of 4"));
    assert!(error(norm(vec![1.0; 4], Some(vec![0.0; 5]), 0.0), 4, 8).contains("the bias has 5 values for rows of 4"));
    assert!(error(norm(vec![1.0; 4], None, f64::NAN), 4, 8).contains("eps is NaN"));
    assert!(error(norm(vec![1.0; 4], None, 1e12), 4, 8).contains("eps 1e12 is too large"));
    assert!(error(norm(vec![1.0; 5000], None, 1e-5), 5000, 8).contains("at most 7 bits"));
    assert!(error(norm(vec![1.0; 4], Some(vec![1e30; 4]), 0.0), 4, 8).contains("bias value 0 is 1e30"));
}

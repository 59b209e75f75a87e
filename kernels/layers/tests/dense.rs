//! The kernel `dense`: the program accepts exactly the integers of an independent model.

mod common;

use common::{P, id, parameter, put, refused_by_bounds, refused_by_equation, refused_by_lookup, scalar, table, values};
use proptest::prelude::*;
use zkml_core::{Goldilocks, Shape, Suite, Witness};
use zkml_layers::{
    Dense, InputSpec, LayerSpec, Lowered, NetworkSpec, Nonlinearity, Quantisation, RmsNorm, check_witness, lower,
};

fn dense(weight: Vec<f64>, inputs: usize, bias: Option<Vec<f64>>, nonlinearity: Nonlinearity) -> Dense {
    Dense { name: "dense".to_owned(), weight, inputs, bias, nonlinearity, bits: 8, per_channel: false, limb_bits: None }
}

/// A network over `rows` rows with input scale 0.02, calibrated on a sample that extreme inputs exceed.
fn network(rows: usize, layer: Dense) -> Lowered {
    let sample: Vec<f64> = (0..8 * layer.inputs).map(|i| ((i * 37 % 101) as f64 - 50.0) * 0.02).collect();
    scaled(rows, layer, Some(sample))
}

/// The same without a sample: the output's scale covers the worst case.
fn uncalibrated(rows: usize, layer: Dense) -> Lowered {
    scaled(rows, layer, None)
}

fn scaled(rows: usize, layer: Dense, sample: Option<Vec<f64>>) -> Lowered {
    let shape = Shape::new([rows, layer.inputs]).unwrap();
    let input = InputSpec { shape, quantisation: Quantisation { bits: layer.bits, scale: 0.02 }, committed: false };
    lower(&NetworkSpec { input, layers: vec![LayerSpec::Dense(layer).into()], sample }).unwrap()
}

/// The layer's outputs in `i128`, by the plain triple loop.
fn model(lowered: &Lowered, layer: &Dense, input: &[i64]) -> Vec<i64> {
    let (m, t) = (parameter(lowered, "dense", "multiplier"), parameter(lowered, "dense", "shift") as u32);
    let largest = layer.weight.iter().fold(0.0_f64, |m, v| m.max(v.abs()));
    let step = if largest > 0.0 { largest / f64::from((1 << (layer.bits - 1)) - 1) } else { 1.0 };
    let top = (1_i128 << (layer.bits - 1)) - 1;
    let bottom = if layer.nonlinearity == Nonlinearity::Relu { 0 } else { -top - 1 };
    let mut output = Vec::new();
    for row in input.chunks(layer.inputs) {
        for (o, weights) in layer.weight.chunks(layer.inputs).enumerate() {
            let mut sum = 0_i128;
            for (&x, w) in row.iter().zip(weights) {
                sum += i128::from(x) * (w / step).round() as i128;
            }
            if let Some(bias) = &layer.bias {
                sum += (bias[o] / (lowered.input_quantisation.scale * step)).round() as i128;
            }
            let quotient = (m * sum + (1 << (t - 1))).div_euclid(1 << t);
            output.push(quotient.clamp(bottom, top) as i64);
        }
    }
    output
}

/// The honest witness, accepted; compared with the model.
fn accept(lowered: &Lowered, layer: &Dense, input: &[i64]) -> Witness {
    let witness = common::accept(lowered, input);
    assert_eq!(witness.get(lowered.output).unwrap().to_i64(), model(lowered, layer, input));
    witness
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, ..ProptestConfig::default() })]

    #[test]
    fn random_layers_equal_the_independent_model(
        rows in 1_usize..12,
        inputs in 1_usize..90,
        outputs in 1_usize..40,
        limb in prop::option::of(2_u32..=18),
        bits in prop::sample::select(vec![4_u32, 8, 8, 11]),
        with_bias in any::<bool>(),
        relu in any::<bool>(),
        seed in any::<u64>(),
    ) {
        use rand::{RngExt, SeedableRng, rngs::StdRng};
        let mut rng = StdRng::seed_from_u64(seed);
        let weight: Vec<f64> = (0..inputs * outputs).map(|_| rng.random_range(-0.5..0.5)).collect();
        let bias = with_bias.then(|| (0..outputs).map(|_| rng.random_range(-2.0..2.0)).collect());
        let nonlinearity = if relu { Nonlinearity::Relu } else { Nonlinearity::None };
        let layer = Dense { bits, limb_bits: limb, ..dense(weight, inputs, bias, nonlinearity) };
        let most = 1_i64 << (bits - 1);
        let input: Vec<i64> = (0..rows * inputs).map(|_| rng.random_range(-most..most)).collect();
        let lowered = if bits > 8 { uncalibrated(rows, layer.clone()) } else { network(rows, layer.clone()) };
        let witness = accept(&lowered, &layer, &input);
        // Against the float layer on the same inputs: weights and output are each rounded once; clamping aside.
        let real = lowered.input_quantisation.dequantise(&input);
        let step = lowered.output_quantisation.scale;
        let weight_step = layer.weight.iter().fold(0.0_f64, |m, v| m.max(v.abs())) / (most - 1) as f64;
        let top = (most - 1) as f64 * step;
        let output = witness.get(lowered.output).unwrap().to_i64();
        for (b, row) in real.chunks(inputs).enumerate() {
            let drift = row.iter().map(|x| x.abs()).sum::<f64>() * weight_step / 2.0 + 0.02 * weight_step / 2.0;
            for (o, w) in layer.weight.chunks(inputs).enumerate() {
                let sum = row.iter().zip(w).map(|(x, w)| x * w).sum::<f64>();
                let mut expected = sum + layer.bias.as_ref().map_or(0.0, |b| b[o]);
                expected = expected.clamp(if relu { 0.0 } else { -top - step }, top);
                let got = output[b * outputs + o] as f64 * step;
                prop_assert!((got - expected).abs() <= drift + step * 0.501, "{got} for {expected}, seed {seed}");
            }
        }
    }
}

#[test]
fn extreme_inputs_and_weights() {
    for inputs in [1, 3, 384, 1025] {
        for nonlinearity in [Nonlinearity::None, Nonlinearity::Relu] {
            let sign = |i: usize| if i.is_multiple_of(2) { 1.0 } else { -1.0 };
            let rows = [vec![1.0; inputs], vec![-1.0; inputs], vec![0.0; inputs], (0..inputs).map(sign).collect()];
            let layer = dense(rows.concat(), inputs, Some(vec![1.0, -1.0, 0.0, 100.0]), nonlinearity);
            let lowered = network(5, layer.clone());
            let mut input = vec![0; inputs];
            input.extend(vec![-128; inputs]);
            input.extend(vec![127; inputs]);
            input.extend((0..inputs).map(|i| if i.is_multiple_of(2) { -128 } else { 127 }));
            input.extend((0..inputs).map(|i| i64::from(i == 0)));
            accept(&lowered, &layer, &input);
        }
    }
}

#[test]
fn sixteen_bits_use_wide_sums() {
    let layer = Dense { bits: 16, ..dense(vec![1.0; 64], 32, Some(vec![0.5, -0.5]), Nonlinearity::None) };
    let lowered = uncalibrated(2, layer.clone());
    let mut input = vec![-1 << 15; 32];
    input.extend(vec![(1 << 15) - 1; 32]);
    let witness = accept(&lowered, &layer, &input);
    assert!(values(&lowered, &witness, "dense/product")[0] < i64::from(i32::MIN));
}

#[test]
fn a_weight_of_zeros_gives_the_bias() {
    let layer = dense(vec![0.0; 6], 3, Some(vec![1.0, -1.0]), Nonlinearity::None);
    let lowered = network(1, layer.clone());
    let witness = accept(&lowered, &layer, &[5, -7, 100]);
    let output = witness.get(lowered.output).unwrap().to_i64();
    assert!(output[0] > 0 && output[0] == -output[1], "{output:?}");
    let silent = dense(vec![0.0; 6], 3, None, Nonlinearity::Relu);
    let lowered = network(2, silent.clone());
    accept(&lowered, &silent, &[127, -128, 1, 0, 0, 0]);
}

#[test]
fn a_norm_and_two_dense_layers_share_the_range_table() {
    let weight = |n: usize, k: usize| (0..n).map(|i| ((i * k % 31) as f64 - 15.0) / 30.0).collect::<Vec<_>>();
    let norm = RmsNorm { name: "norm".to_owned(), gain: vec![1.0; 24], eps: 1e-5, output_bits: 8, limb_bits: None };
    let up = Dense { name: "up".to_owned(), ..dense(weight(24 * 40, 7), 24, Some(weight(40, 3)), Nonlinearity::Relu) };
    let down = Dense { name: "down".to_owned(), ..dense(weight(40 * 24, 11), 40, None, Nonlinearity::None) };
    let sample: Vec<f64> = (0..24 * 8).map(|i| f64::from(i * 29 % 83 - 41) / 10.0).collect();
    let layers = vec![LayerSpec::RmsNorm(norm), LayerSpec::Dense(up), LayerSpec::Dense(down)];
    let lowered = lower(&NetworkSpec::calibrated([8, 24], 8, &sample, layers).unwrap()).unwrap();
    lowered.program.check(Goldilocks::max_magnitude()).unwrap();
    let input = lowered.input_quantisation.quantise(&sample);
    let witness = lowered.forward(&input).unwrap();
    check_witness::<Goldilocks>(&lowered.program, &witness).unwrap();
    assert_eq!(witness.get(lowered.output).unwrap().to_i64(), lowered.infer(&input).unwrap());
    assert_eq!(lowered.tables().iter().filter(|t| t.table.starts_with("range")).count(), 1);
    let accuracy = lowered.accuracy(&sample).unwrap();
    assert!(accuracy.max_steps < 4.0, "{accuracy:?}");
}

mod forgeries {
    use super::*;

    fn layer(nonlinearity: Nonlinearity) -> Dense {
        let weight = vec![1.0, -0.5, 0.25, 0.75, 0.5, -1.0, 0.125, 0.0, -0.25];
        Dense { limb_bits: Some(8), ..dense(weight, 3, Some(vec![0.5, -0.25, 0.0]), nonlinearity) }
    }

    fn honest() -> (Lowered, Witness) {
        let layer = layer(Nonlinearity::None);
        let lowered = network(2, layer.clone());
        let witness = accept(&lowered, &layer, &[3, -128, 127, 0, 55, 1]);
        (lowered, witness)
    }

    #[test]
    fn another_quotient() {
        let (lowered, witness) = honest();
        let shift = parameter(&lowered, "dense", "shift") as u32;
        let z = scalar(&lowered, &witness, "dense/quotient");
        let rem = common::limbs_at(&lowered, &witness, "dense/remainder", 0);
        for step in [1, -1] {
            let mut forged = witness.clone();
            put(&lowered, &mut forged, "dense/quotient", z + step);
            put(&lowered, &mut forged, "dense/output", (z + step).clamp(-128, 127));
            refused_by_equation(&lowered, &forged, "dense/requantise");
            // Carried into the remainder: negative, or 2^t and more.
            let last = common::put_limbs_at(&lowered, &mut forged, "dense/remainder", 0, rem - (step << shift));
            refused_by_lookup(&lowered, &forged, &last);
        }
    }

    #[test]
    fn another_remainder() {
        let (lowered, witness) = honest();
        let low = scalar(&lowered, &witness, "dense/remainder.0");
        let mut forged = witness;
        put(&lowered, &mut forged, "dense/remainder.0", low ^ 1);
        refused_by_equation(&lowered, &forged, "dense/requantise");
    }

    #[test]
    fn another_weight_or_bias() {
        let (lowered, witness) = honest();
        let product = scalar(&lowered, &witness, "dense/product");
        let mut forged = witness.clone();
        put(&lowered, &mut forged, "dense/weight", scalar(&lowered, &witness, "dense/weight") - 1);
        refused_by_equation(&lowered, &forged, "dense/product");
        let mut forged = witness.clone();
        put(&lowered, &mut forged, "dense/product", product + 1);
        refused_by_equation(&lowered, &forged, "dense/product");
        let mut forged = witness.clone();
        put(&lowered, &mut forged, "dense/bias", scalar(&lowered, &witness, "dense/bias") - 1);
        refused_by_equation(&lowered, &forged, "dense/bias-rows");
        let mut forged = witness.clone();
        put(&lowered, &mut forged, "dense/bias-rows", 0);
        refused_by_equation(&lowered, &forged, "dense/bias-rows");
        // The bias not scaled, as if the multiplier were left out.
        let mut forged = witness.clone();
        let accumulator = scalar(&lowered, &witness, "dense/accumulator");
        put(&lowered, &mut forged, "dense/accumulator", accumulator + 1);
        refused_by_equation(&lowered, &forged, "dense/accumulator");
    }

    /// The indicator of the rows is public: nothing but ones is within its bounds.
    #[test]
    fn a_row_without_bias() {
        let (lowered, witness) = honest();
        for other in [0, 2, -1] {
            let mut forged = witness.clone();
            put(&lowered, &mut forged, "dense/one", other);
            refused_by_bounds(&lowered, &forged);
        }
    }

    #[test]
    fn another_output_for_a_quotient() {
        let (lowered, witness) = honest();
        let y = scalar(&lowered, &witness, "dense/output");
        for other in [y + 1, y - 1, -y, 127, -128] {
            if other != y && (-128..128).contains(&other) {
                let mut forged = witness.clone();
                put(&lowered, &mut forged, "dense/output", other);
                refused_by_lookup(&lowered, &forged, "dense/output");
            }
        }
    }

    fn in_clamp_table(lowered: &Lowered, z: i64, y: i64) -> bool {
        table(lowered, "dense/clamp").find(&[z, y]).is_some()
    }

    #[test]
    fn clamp_and_relu_edges() {
        let plain = network(1, layer(Nonlinearity::None));
        for (z, y) in [(-129, -128), (-128, -128), (-1, -1), (0, 0), (1, 1), (127, 127), (128, 127)] {
            assert!(in_clamp_table(&plain, z, y), "({z}, {y})");
        }
        for (z, y) in [(-129, -129), (-128, 127), (-1, 0), (0, 1), (127, 126), (128, 128)] {
            assert!(!in_clamp_table(&plain, z, y), "({z}, {y})");
        }
        let relu = network(1, layer(Nonlinearity::Relu));
        for (z, y) in [(-128, 0), (-1, 0), (0, 0), (1, 1), (127, 127), (128, 127)] {
            assert!(in_clamp_table(&relu, z, y), "({z}, {y})");
        }
        for (z, y) in [(-1, -1), (-1, 1), (0, 1), (1, 0), (127, 126), (128, 128), (-128, -128)] {
            assert!(!in_clamp_table(&relu, z, y), "({z}, {y})");
        }
    }

    /// Quotients -1, 0 and 1 through ReLU, and every other output refused.
    #[test]
    fn relu_at_zero() {
        let layer = dense(vec![1.0], 1, None, Nonlinearity::Relu);
        let lowered = uncalibrated(9, layer.clone());
        let input: Vec<i64> = (-4..5).collect();
        let witness = accept(&lowered, &layer, &input);
        let quotients = values(&lowered, &witness, "dense/quotient");
        assert!([-1, 0, 1].iter().all(|z| quotients.contains(z)), "{quotients:?}");
        let output = values(&lowered, &witness, "dense/output");
        for (cell, &z) in quotients.iter().enumerate() {
            assert_eq!(output[cell], z.max(0));
            let mut forged = witness.clone();
            let mut column = output.clone();
            column[cell] = if z < 0 { 1 } else { z + 1 };
            forged.set_i64(&lowered.program, id(&lowered, "dense/output"), column);
            refused_by_lookup(&lowered, &forged, "dense/output");
        }
        let mut forged = witness;
        put(&lowered, &mut forged, "dense/output", -1);
        refused_by_bounds(&lowered, &forged);
    }

    /// `z = (acc + 2^(t-1) - rem)/2^t` has a solution modulo `p` for every remainder; the clamp table refuses it.
    #[test]
    fn wrapped_quotient() {
        let (lowered, witness) = honest();
        let shift = parameter(&lowered, "dense", "shift") as u32;
        let accumulator = i128::from(scalar(&lowered, &witness, "dense/accumulator"));
        let other = common::limbs_at(&lowered, &witness, "dense/remainder", 0) ^ 1;
        // 2^64 = 2^32 - 1 and 2^96 = -1 modulo p, so 2^-t = -2^(96-t).
        let product = (0..96 - shift).fold(accumulator + (1 << (shift - 1)) - i128::from(other), |v, _| 2 * v % P);
        let wrapped = (-product).rem_euclid(P);
        let wrapped = i64::try_from(if wrapped > P / 2 { wrapped - P } else { wrapped }).unwrap();
        let mut forged = witness;
        common::put_limbs_at(&lowered, &mut forged, "dense/remainder", 0, other);
        put(&lowered, &mut forged, "dense/quotient", wrapped);
        // The equation holds modulo p, so what refuses is the lookup.
        refused_by_lookup(&lowered, &forged, "dense/quotient");
    }
}

mod refusals {
    use super::*;

    fn error(rows: usize, columns: usize, layer: Dense) -> String {
        let sample: Vec<f64> = (0..columns).map(|i| i as f64 - 1.5).collect();
        let spec = NetworkSpec::calibrated([rows, columns], layer.bits, &sample, vec![LayerSpec::Dense(layer)]);
        spec.and_then(|spec| lower(&spec)).unwrap_err().to_string()
    }

    #[test]
    fn errors_name_the_layer_and_what_does_not_fit() {
        let plain = |n: usize, inputs| dense(vec![1.0; n], inputs, None, Nonlinearity::None);
        let biased = |bias: Vec<f64>| dense(vec![1.0; 8], 4, Some(bias), Nonlinearity::None);
        assert!(error(2, 4, plain(9, 3)).contains("dense: the weight is for rows of 3, the input has rows of 4"));
        assert!(error(2, 4, plain(9, 4)).contains("9 weights are not whole rows of 4"));
        assert!(error(2, 4, plain(0, 4)).contains("0 weights"));
        assert!(error(2, 4, biased(vec![0.0; 3])).contains("the bias has 3 values for 2 outputs"));
        assert!(error(2, 4, biased(vec![0.0, f64::NAN])).contains("bias value 1 is NaN"));
        assert!(error(2, 4, biased(vec![0.0, 1e30])).contains("bias value 1 is 1e30"));
        assert!(error(2, 4, dense(vec![f64::INFINITY; 4], 4, None, Nonlinearity::None)).contains("not finite"));
        assert!(error(2, 4, Dense { bits: 17, ..plain(8, 4) }).contains("17 bits"));
    }

    /// A bias that dwarfs the products leaves no room for the multiplier, or needs an absurd clamp table.
    #[test]
    fn absurd_sizes_are_refused() {
        let huge = dense(vec![1e-9; 8], 4, Some(vec![1e6, 0.0]), Nonlinearity::None);
        let message = error(2, 4, huge);
        assert!(message.starts_with("dense:"), "{message}");
    }

    /// The same program over a smaller field would wrap, and the pass says where.
    #[test]
    fn wrapping_is_refused_by_the_bounds_pass() {
        let layer = dense(vec![1.0; 384 * 4], 384, Some(vec![1.0; 4]), Nonlinearity::None);
        let lowered = network(2, layer);
        let product = 384 * 128 * 127;
        let message = lowered.program.check(product - 1).unwrap_err().to_string();
        assert!(message.contains("dense/product"), "{message}");
        let message = lowered.program.check(product).unwrap_err().to_string();
        assert!(message.contains("dense/accumulator"), "{message}");
    }
}

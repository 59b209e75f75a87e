//! Requantisation per channel and without a clamp table, through the kernel `dense`.

mod common;

use common::{
    accept, id, limbs_at, needs_lookup, parameter, put_at, put_limbs_at, refused_by_equation, refused_by_lookup, values,
};
use proptest::prelude::*;
use zkml_core::{Goldilocks, Relation, Shape, Suite, Witness};
use zkml_layers::{Dense, InputSpec, LayerSpec, Lowered, NetworkSpec, Nonlinearity, Quantisation, lower};

const SCALE: f64 = 0.02;

/// `dense` over rows of shape `row`; calibrated so that the float output of the sample just fits.
fn network(rows: usize, row: &[usize], layer: Dense) -> Lowered {
    let sample: Vec<f64> = (0..8 * layer.inputs).map(|i| ((i * 37 % 101) as f64 - 50.0) * SCALE).collect();
    let dims: Vec<usize> = std::iter::once(rows).chain(row.iter().copied()).collect();
    let quantisation = Quantisation { bits: layer.bits, scale: SCALE };
    let input = InputSpec { shape: Shape::new(dims).unwrap(), quantisation, committed: false };
    lower(&NetworkSpec { input, layers: vec![LayerSpec::Dense(layer).into()], sample: Some(sample) }).unwrap()
}

fn layer(weight: Vec<f64>, inputs: usize, bias: Option<Vec<f64>>, per_channel: bool) -> Dense {
    let (name, nonlinearity) = ("dense".to_owned(), Nonlinearity::None);
    Dense { name, weight, inputs, bias, nonlinearity, bits: 8, per_channel, limb_bits: None }
}

/// `clamp(floor((m·(x·Wᵀ + b) + 2^(t-1))/2^t))` in `i128`, from the quantised weights.
fn model(lowered: &Lowered, layer: &Dense, witness: &Witness) -> Vec<i64> {
    let [x, w] = ["input", "dense/weight"].map(|name| values(lowered, witness, name));
    let bias = layer.bias.as_ref().map(|_| values(lowered, witness, "dense/bias"));
    let shift = parameter(lowered, "dense", "shift") as u32;
    let multiplier = |o: usize| {
        let own = layer.per_channel.then(|| i128::from(values(lowered, witness, "dense/multiplier")[o]));
        own.unwrap_or_else(|| parameter(lowered, "dense", "multiplier"))
    };
    let (top, bottom) = ((1 << (layer.bits - 1)) - 1, -(1 << (layer.bits - 1)));
    let bottom = if layer.nonlinearity == Nonlinearity::Relu { 0 } else { bottom };
    let cell = |row: &[i64], o: usize, w: &[i64]| {
        let sum: i128 = row.iter().zip(w).map(|(&x, &w)| i128::from(x) * i128::from(w)).sum();
        let sum = sum + bias.as_ref().map_or(0, |b| i128::from(b[o]));
        (multiplier(o) * sum + (1 << (shift - 1))).div_euclid(1 << shift).clamp(bottom, top) as i64
    };
    let rows = x.chunks(layer.inputs);
    rows.flat_map(|row| w.chunks(layer.inputs).enumerate().map(|(o, w)| cell(row, o, w)).collect::<Vec<_>>()).collect()
}

fn without_table(lowered: &Lowered) -> bool {
    lowered.program.tensors().iter().any(|t| t.name == "dense/side")
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 30, ..ProptestConfig::default() })]

    #[test]
    fn random_layers_equal_the_model_and_stay_near_the_float_layer(
        rows in 1_usize..6,
        row in prop::sample::select(vec![vec![7], vec![300], vec![3, 5], vec![2, 4, 3], vec![3, 16, 16]]),
        outputs in 1_usize..20,
        per_channel in any::<bool>(),
        with_bias in any::<bool>(),
        relu in any::<bool>(),
        limb_bits in prop::option::of(3_u32..=12),
        seed in any::<u64>(),
    ) {
        use rand::{RngExt, SeedableRng, rngs::StdRng};
        let mut rng = StdRng::seed_from_u64(seed);
        let inputs: usize = row.iter().product();
        // Rows whose magnitudes differ by up to a factor 100.
        let magnitude: Vec<f64> = (0..outputs).map(|_| 10_f64.powf(rng.random_range(-2.0..0.0))).collect();
        let weight: Vec<f64> = (0..inputs * outputs).map(|i| magnitude[i / inputs] * rng.random_range(-0.5..0.5)).collect();
        let bias = with_bias.then(|| magnitude.iter().map(|m| m * rng.random_range(-2.0..2.0)).collect());
        let nonlinearity = if relu { Nonlinearity::Relu } else { Nonlinearity::None };
        let layer = Dense { nonlinearity, limb_bits, ..layer(weight, inputs, bias, per_channel) };
        let lowered = network(rows, &row, layer.clone());
        let input: Vec<i64> = (0..rows * inputs).map(|_| rng.random_range(-128..128)).collect();
        let witness = accept(&lowered, &input);
        let output = witness.get(lowered.output).unwrap().to_i64();
        prop_assert_eq!(&output, &model(&lowered, &layer, &witness), "seed {}", seed);
        let largest = |w: &[f64]| w.iter().fold(0.0_f64, |m, v| m.max(v.abs()));
        let (step, top) = (lowered.output_quantisation.scale, 127.0 * lowered.output_quantisation.scale);
        for (b, x) in lowered.input_quantisation.dequantise(&input).chunks(inputs).enumerate() {
            for (o, w) in layer.weight.chunks(inputs).enumerate() {
                let sum = x.iter().zip(w).map(|(x, w)| x * w).sum::<f64>() + layer.bias.as_ref().map_or(0.0, |b| b[o]);
                let expected = sum.clamp(if relu { 0.0 } else { -top - step }, top);
                let weight_step = largest(if per_channel { w } else { &layer.weight }) / 127.0;
                let drift = (x.iter().map(|x| x.abs()).sum::<f64>() + SCALE) * weight_step / 2.0;
                let rounding = step * (0.501 + if per_channel { zkml_layers::requantise::CHANNEL_ERROR } else { 0.0 });
                let got = output[b * outputs + o] as f64 * step;
                prop_assert!((got - expected).abs() <= drift + rounding, "{} for {}, seed {}", got, expected, seed);
            }
        }
    }
}

#[test]
fn an_image_is_flattened_for_free() {
    let weight: Vec<f64> = (0..3 * 60).map(|i| f64::from(i * 17 % 41 - 20) / 20.0).collect();
    let flat = network(2, &[60], layer(weight.clone(), 60, None, false));
    let image = network(2, &[3, 4, 5], layer(weight, 60, None, false));
    let input: Vec<i64> = (0..120).map(|i| i * 31 % 255 - 127).collect();
    assert_eq!(flat.infer(&input).unwrap(), image.infer(&input).unwrap());
    assert_eq!(flat.program.relations().len(), image.program.relations().len());
    let Relation::Einsum(product) = &image.program.relations()[0] else { panic!("not an einsum") };
    assert_eq!(product.subscripts(), "bijk,oijk->bo");
    accept(&image, &input);
}

#[test]
fn small_rows_keep_their_precision() {
    let weight: Vec<f64> = [1.0, -0.9, 0.8, 0.7].into_iter().chain([0.004, -0.003, 0.002, 0.001]).collect();
    let error = |per_channel: bool| {
        let lowered = network(4, &[4], layer(weight.clone(), 4, Some(vec![0.0, 0.5]), per_channel));
        let input: Vec<f64> = (0..16).map(|i| f64::from(i * 7 % 13 - 6) * 0.2).collect();
        let got = lowered.infer(&lowered.input_quantisation.quantise(&input)).unwrap();
        let exact = lowered.float(&input).unwrap();
        // The second output, in real units.
        let error = |(g, e): (&i64, &f64)| (*g as f64 * lowered.output_quantisation.scale - e).abs();
        let small = got.iter().zip(&exact).skip(1).step_by(2).map(error);
        (small.fold(0.0, f64::max), lowered.output_quantisation.scale)
    };
    let ((own, step), (shared, _)) = (error(true), error(false));
    assert!(own <= 0.65 * step && own <= shared, "{own} {shared} {step}");
}

/// Thousands of inputs at full scale: quotients reach far beyond 2^18.
#[test]
fn thousands_of_inputs_and_extreme_activations() {
    for (bits, inputs) in [(8, 4096), (8, 2049), (11, 1024), (16, 300)] {
        for nonlinearity in [Nonlinearity::None, Nonlinearity::Relu] {
            for per_channel in [false, true] {
                let weight = [vec![1.0; inputs], vec![-1.0; inputs], vec![0.25; inputs]].concat();
                let bias = Some(vec![1.0, -1.0, 0.0]);
                let layer = Dense { bits, nonlinearity, ..layer(weight, inputs, bias, per_channel) };
                let lowered = network(3, &[inputs], layer.clone());
                assert!(without_table(&lowered), "{bits} bits, {inputs} inputs\n{lowered}");
                let top = (1 << (bits - 1)) - 1;
                let mut input = vec![top; inputs];
                input.extend(vec![-top - 1; inputs]);
                input.extend((0..inputs as i64).map(|i| i % 3 - 1));
                let witness = accept(&lowered, &input);
                assert_eq!(values(&lowered, &witness, "dense/output"), model(&lowered, &layer, &witness));
            }
        }
    }
}

/// Many cells pay for the table; few do not.
#[test]
fn the_table_is_used_where_it_is_cheaper() {
    let weight: Vec<f64> = (0..64 * 256).map(|i| f64::from(i * 7919 % 201 - 100) / 100.0).collect();
    let few = network(1, &[256], layer(weight.clone(), 256, None, false));
    let many = network(256, &[256], layer(weight, 256, None, false));
    assert!(without_table(&few) && !without_table(&many), "{few}\n{many}");
}

mod forgeries {
    use super::*;

    /// Cells 0 to 2 are above, below and inside the bounds.
    fn honest() -> (Lowered, Witness) {
        let weight = [vec![1.0; 2048], vec![-1.0; 2048], (0..2048).map(|i| f64::from(i % 2)).collect()].concat();
        let layer = Dense { limb_bits: Some(8), ..layer(weight, 2048, Some(vec![0.0, 0.0, 0.5]), true) };
        let lowered = network(1, &[2048], layer);
        assert!(without_table(&lowered));
        let input: Vec<i64> = (0..2048).map(|i| if i % 2 == 0 { 100 } else { i % 5 - 2 }).collect();
        let witness = accept(&lowered, &input);
        let [y, e, s] = ["dense/output", "dense/excess", "dense/side"].map(|n| values(&lowered, &witness, n));
        assert!(y[0] == 127 && e[0] > 0 && s[0] == 1 && y[1] == -128 && e[1] > 0 && s[1] == 0, "{y:?} {e:?} {s:?}");
        assert!(y[2].abs() < 127 && e[2] == 0, "{y:?} {e:?}");
        (lowered, witness)
    }

    /// Sets output, side and excess of a cell, and everything that follows from them.
    fn continue_with(lowered: &Lowered, witness: &mut Witness, cell: usize, y: i64, side: i64, excess: i64) -> String {
        put_at(lowered, witness, "dense/output", cell, y);
        put_at(lowered, witness, "dense/side", cell, side);
        put_at(lowered, witness, "dense/excess", cell, excess);
        put_at(lowered, witness, "dense/over", cell, side * excess);
        put_at(lowered, witness, "dense/reached", cell, -128 * excess + 255 * side * excess);
        put_limbs_at(lowered, witness, "dense/excess", cell, excess - side)
    }

    fn quotient(lowered: &Lowered, witness: &Witness, cell: usize) -> i64 {
        let [y, over, e] = ["dense/output", "dense/over", "dense/excess"].map(|n| values(lowered, witness, n)[cell]);
        y + 2 * over - e
    }

    #[test]
    fn another_output_for_the_same_quotient() {
        let (lowered, witness) = honest();
        for cell in 0..3 {
            let z = quotient(&lowered, &witness, cell);
            for y in (-128..=127).filter(|&y| y != z.clamp(-128, 127)) {
                let mut forged = witness.clone();
                let (side, excess) = (i64::from(z > y), (z - y).abs());
                continue_with(&lowered, &mut forged, cell, y, side, excess);
                assert_eq!(quotient(&lowered, &forged, cell), z);
                refused_by_equation(&lowered, &forged, "dense/saturate");
            }
        }
    }

    #[test]
    fn a_bound_reached_from_the_wrong_side() {
        let (lowered, witness) = honest();
        let z = quotient(&lowered, &witness, 0);
        // y = -128 with the excess counted from the other side: negative, so its top limb is.
        let mut forged = witness.clone();
        let last = continue_with(&lowered, &mut forged, 0, -128, 0, -(z + 128));
        assert_eq!(quotient(&lowered, &forged, 0), z);
        refused_by_lookup(&lowered, &forged, &last);
        // A side that is no bit: y + (2s-1)e = z with another excess.
        let mut forged = witness;
        continue_with(&lowered, &mut forged, 0, 127, 2, z - 127);
        refused_by_lookup(&lowered, &forged, "dense/side");
    }

    #[test]
    fn another_remainder_multiplier_or_sum() {
        let (lowered, witness) = honest();
        let shift = parameter(&lowered, "dense", "shift") as u32;
        let rem = limbs_at(&lowered, &witness, "dense/remainder", 2);
        let y = values(&lowered, &witness, "dense/output")[2];
        for step in [1, -1] {
            let mut forged = witness.clone();
            continue_with(&lowered, &mut forged, 2, y + step, 0, 0);
            refused_by_equation(&lowered, &forged, "dense/requantise");
            let last = put_limbs_at(&lowered, &mut forged, "dense/remainder", 2, rem - (step << shift));
            refused_by_lookup(&lowered, &forged, &last);
        }
        for (tensor, scope) in [("multiplier", "dense/accumulator"), ("sum", "dense/sum"), ("over", "dense/over")] {
            let name = format!("dense/{tensor}");
            let old = values(&lowered, &witness, &name)[1];
            let mut forged = witness.clone();
            put_at(&lowered, &mut forged, &name, 1, old - 1);
            if tensor == "over" {
                refused_by_equation(&lowered, &forged, "dense/over");
            } else {
                refused_by_equation(&lowered, &forged, scope);
            }
        }
    }

    /// Without excess the side is 0: 1 stands for an excess of at least 1.
    #[test]
    fn the_side_without_excess() {
        let (lowered, witness) = honest();
        let y = values(&lowered, &witness, "dense/output")[2];
        let mut forged = witness.clone();
        let last = continue_with(&lowered, &mut forged, 2, y, 1, 0);
        refused_by_lookup(&lowered, &forged, &last);
        let mut forged = witness;
        put_at(&lowered, &mut forged, "dense/side", 2, 1);
        refused_by_equation(&lowered, &forged, "dense/excess");
    }

    #[test]
    fn soundness_rests_on_every_lookup() {
        let (lowered, _) = honest();
        needs_lookup(&lowered, "dense/range");
        needs_lookup(&lowered, "dense/clamp");
        assert!(lowered.program.check(Goldilocks::max_magnitude()).is_ok());
        assert!(lowered.program.check(1 << 40).is_err());
        assert_eq!(id(&lowered, "dense/output"), lowered.output);
    }
}

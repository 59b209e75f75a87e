//! The kernel `conv2d`: the program accepts exactly the integers of an independent model.

mod common;

use common::{
    accept, id, limbs_at, needs_lookup, parameter, put, put_limbs_at, refused_by_bounds, refused_by_equation,
    refused_by_lookup, scalar, values,
};
use proptest::prelude::*;
use rand::{RngExt, SeedableRng, rngs::StdRng};
use zkml_core::{AxisMap, Goldilocks, Program, Relation, Shape, Suite, Witness};
use zkml_layers::{
    Conv2d, Dense, InputSpec, LayerSpec, Lowered, NetworkSpec, Nonlinearity, Quantisation, check_witness, lower,
};

const STEP: f64 = 0.02;

fn conv(weight: Vec<f64>, weight_shape: [usize; 4]) -> Conv2d {
    Conv2d {
        name: "conv".to_owned(),
        weight,
        weight_shape,
        bias: None,
        stride: [1, 1],
        padding: [0; 4],
        dilation: [1, 1],
        groups: 1,
        nonlinearity: Nonlinearity::None,
        bits: 8,
        per_channel: false,
        limb_bits: None,
    }
}

fn spec(shape: &[usize], layer: LayerSpec, bits: u32, sample: Option<Vec<f64>>) -> NetworkSpec {
    let input = InputSpec {
        shape: Shape::new(shape).unwrap(),
        quantisation: Quantisation { bits, scale: STEP },
        committed: false,
    };
    NetworkSpec { input, layers: vec![layer.into()], sample }
}

/// Calibrated on a sample that extreme inputs exceed.
fn network(shape: &[usize], layer: &Conv2d) -> Lowered {
    let sample = (0..shape.iter().product()).map(|i: usize| ((i * 37 % 101) as f64 - 50.0) * STEP).collect();
    lower(&spec(shape, LayerSpec::Conv2d(layer.clone()), layer.bits, Some(sample))).unwrap()
}

fn uncalibrated(shape: &[usize], layer: &Conv2d) -> Lowered {
    lower(&spec(shape, LayerSpec::Conv2d(layer.clone()), layer.bits, None)).unwrap()
}

/// The quantised weights and the accumulator's step, one scale for the tensor.
fn quantised(layer: &Conv2d) -> (Vec<i64>, f64) {
    let largest = layer.weight.iter().fold(0.0_f64, |m, v| m.max(v.abs()));
    let step = if largest > 0.0 { largest / f64::from((1 << (layer.bits - 1)) - 1) } else { 1.0 };
    (layer.weight.iter().map(|w| (w / step).round() as i64).collect(), step * STEP)
}

/// Sums in `i128` by seven loops over the definition, as a textbook writes it.
fn sums(layer: &Conv2d, weight: &[i64], shape: &[usize], input: &[i64]) -> Vec<i128> {
    let &[batch, channels, height, width] = shape else { panic!("{shape:?}") };
    let [outputs, own, kernel_h, kernel_w] = layer.weight_shape;
    let ([top, left, bottom, right], [sh, sw], [dh, dw]) = (layer.padding, layer.stride, layer.dilation);
    let rows = (height + top + bottom - dh * (kernel_h - 1) - 1) / sh + 1;
    let columns = (width + left + right - dw * (kernel_w - 1) - 1) / sw + 1;
    let mut all = Vec::new();
    for b in 0..batch {
        for o in 0..outputs {
            let group = o * layer.groups / outputs;
            for i in 0..rows {
                for j in 0..columns {
                    let mut sum = 0;
                    for c in 0..own {
                        for u in 0..kernel_h {
                            for v in 0..kernel_w {
                                let (y, x) = (i * sh + u * dh, j * sw + v * dw);
                                if y < top || x < left || y - top >= height || x - left >= width {
                                    continue;
                                }
                                let cell = ((b * channels + group * own + c) * height + y - top) * width + x - left;
                                let tap = ((o * own + c) * kernel_h + u) * kernel_w + v;
                                sum += i128::from(input[cell]) * i128::from(weight[tap]);
                            }
                        }
                    }
                    all.push(sum);
                }
            }
        }
    }
    all
}

/// The layer's outputs; one scale for the tensor.
fn model(lowered: &Lowered, layer: &Conv2d, input: &[i64]) -> Vec<i64> {
    let (m, t) = (parameter(lowered, "conv", "multiplier"), parameter(lowered, "conv", "shift") as u32);
    let shape = lowered.program.get(lowered.input).unwrap().shape.dims().to_vec();
    let (weight, step) = quantised(layer);
    let top = (1_i128 << (layer.bits - 1)) - 1;
    let bottom = if layer.nonlinearity == Nonlinearity::Relu { 0 } else { -top - 1 };
    let plane: usize = lowered.layers[0].shape.dims()[2..].iter().product();
    let finish = |(cell, sum): (usize, i128)| {
        let bias = layer.bias.as_ref().map_or(0.0, |b| b[cell / plane % b.len()]);
        let sum = sum + (bias / step).round() as i128;
        (m * sum + (1 << (t - 1))).div_euclid(1 << t).clamp(bottom, top) as i64
    };
    sums(layer, &weight, &shape, input).into_iter().enumerate().map(finish).collect()
}

fn checked(lowered: &Lowered, layer: &Conv2d, input: &[i64]) -> Witness {
    let witness = accept(lowered, input);
    assert_eq!(values(lowered, &witness, "conv/output"), model(lowered, layer, input));
    witness
}

/// A random layer and the shape of its input.
#[derive(Clone, Debug)]
struct Case {
    shape: [usize; 4],
    layer: Conv2d,
    seed: u64,
}

fn cases() -> impl Strategy<Value = Case> {
    let sizes = (1_usize..4, 1_usize..4, 1_usize..4, 1_usize..4, 1_usize..8, 1_usize..8);
    let kernel =
        ([1_usize..4, 1_usize..4], [1_usize..4, 1_usize..4], [1_usize..3, 1_usize..3], [0_usize..3, 0..3, 0..3, 0..3]);
    let flags = (any::<bool>(), any::<bool>(), prop::sample::select(vec![4_u32, 8, 8, 11]), any::<u64>());
    (sizes, kernel, flags).prop_map(|(sizes, kernel, (biased, relu, bits, seed))| {
        let ((batch, groups, own, outputs, height, width), ([kh, kw], stride, dilation, padding)) = (sizes, kernel);
        let mut rng = StdRng::seed_from_u64(seed);
        // At least as large as one window.
        let (height, width) = (height.max(dilation[0] * (kh - 1) + 1), width.max(dilation[1] * (kw - 1) + 1));
        let weight_shape = [groups * outputs, own, kh, kw];
        let weight = (0..weight_shape.iter().product()).map(|_| rng.random_range(-0.5..0.5)).collect();
        let bias = biased.then(|| (0..groups * outputs).map(|_| rng.random_range(-2.0..2.0)).collect());
        let nonlinearity = if relu { Nonlinearity::Relu } else { Nonlinearity::None };
        let layer =
            Conv2d { bias, stride, padding, dilation, groups, nonlinearity, bits, ..conv(weight, weight_shape) };
        Case { shape: [batch, groups * own, height, width], layer, seed }
    })
}

fn random_input(shape: &[usize], bits: u32, seed: u64) -> Vec<i64> {
    let mut rng = StdRng::seed_from_u64(seed ^ 1);
    let most = 1_i64 << (bits - 1);
    (0..shape.iter().product()).map(|_| rng.random_range(-most..most)).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, ..ProptestConfig::default() })]

    #[test]
    fn random_layers_equal_the_independent_model(case in cases()) {
        let Case { shape, layer, seed } = case;
        let lowered = if layer.bits > 8 { uncalibrated(&shape, &layer) } else { network(&shape, &layer) };
        let input = random_input(&shape, layer.bits, seed);
        let witness = checked(&lowered, &layer, &input);
        // Against the float layer on the same inputs: weights, bias and output are each rounded once; clamping aside.
        let real = lowered.input_quantisation.dequantise(&input);
        let expected = lowered.float(&real).unwrap();
        let step = lowered.output_quantisation.scale;
        let (weight, sum_step) = quantised(&layer);
        let deviation = |(w, q): (&f64, &i64)| (w - *q as f64 * sum_step / STEP).abs();
        let taps = layer.weight_shape[1..].iter().product::<usize>();
        let largest = layer.weight.iter().zip(&weight).map(deviation).fold(0.0, f64::max);
        let drift = taps as f64 * largest * STEP * f64::from(1 << (layer.bits - 1)) + sum_step / 2.0;
        let top = f64::from((1 << (layer.bits - 1)) - 1) * step;
        for (got, expected) in witness.get(lowered.output).unwrap().to_i64().iter().zip(expected) {
            let (got, expected) = (*got as f64 * step, expected.clamp(-top - step, top));
            prop_assert!((got - expected).abs() <= drift + step * 0.501, "{got} for {expected}, seed {seed}");
        }
    }

    #[test]
    fn scales_of_their_own_keep_small_channels(case in cases()) {
        let Case { shape, layer, seed } = case;
        let layer = Conv2d { per_channel: true, bits: 8, ..layer };
        let lowered = network(&shape, &layer);
        accept(&lowered, &random_input(&shape, 8, seed));
    }
}

#[test]
fn hand_made() {
    // 4 × 4 counting up, a 3 × 3 kernel that picks the right neighbour, padded by one.
    let mut kernel = vec![0.0; 9];
    kernel[5] = 1.0;
    let layer = Conv2d { padding: [1; 4], ..conv(kernel, [1, 1, 3, 3]) };
    let lowered = uncalibrated(&[1, 1, 4, 4], &layer);
    let input: Vec<i64> = (1..17).collect();
    let witness = checked(&lowered, &layer, &input);
    let product: Vec<i64> = values(&lowered, &witness, "conv/product").iter().map(|v| v / 127).collect();
    assert_eq!(product, [2, 3, 4, 0, 6, 7, 8, 0, 10, 11, 12, 0, 14, 15, 16, 0]);
}

#[test]
fn extreme_inputs_and_weights() {
    for (groups, own) in [(1, 5), (5, 1), (2, 4)] {
        for nonlinearity in [Nonlinearity::None, Nonlinearity::Relu] {
            let weight_shape = [2 * groups, own, 3, 2];
            let cells: usize = weight_shape.iter().product();
            let weight = (0..cells).map(|i| if i < cells / 2 { 1.0 } else { -1.0 }).collect();
            let bias = Some((0..2 * groups).map(|o| if o % 2 == 0 { 100.0 } else { -1.0 }).collect());
            let layer = Conv2d { bias, nonlinearity, groups, padding: [2; 4], ..conv(weight, weight_shape) };
            let shape = [2, groups * own, 5, 4];
            let lowered = network(&shape, &layer);
            let cells: usize = shape.iter().product();
            for (even, odd) in [(-128, -128), (127, 127), (-128, 127), (0, 0)] {
                let input: Vec<i64> = (0..cells).map(|i| if i % 2 == 0 { even } else { odd }).collect();
                checked(&lowered, &layer, &input);
            }
        }
    }
}

#[test]
fn sixteen_bits_use_wide_sums() {
    let layer = Conv2d { bits: 16, padding: [1; 4], ..conv(vec![1.0; 36], [1, 4, 3, 3]) };
    let lowered = uncalibrated(&[1, 4, 3, 3], &layer);
    let witness = checked(&lowered, &layer, &[-1 << 15; 36]);
    assert!(values(&lowered, &witness, "conv/product")[4] < i64::from(i32::MIN));
}

#[test]
fn one_by_one_equals_dense() {
    let (outputs, channels) = (5, 6);
    let weight: Vec<f64> = (0..outputs * channels).map(|i| ((i * 7 % 31) as f64 - 15.0) / 30.0).collect();
    let bias: Vec<f64> = (0..outputs).map(|o| o as f64 / 4.0 - 0.5).collect();
    for per_channel in [false, true] {
        let layer = Conv2d { per_channel, bias: Some(bias.clone()), ..conv(weight.clone(), [outputs, channels, 1, 1]) };
        let dense = Dense {
            name: "dense".to_owned(),
            weight: weight.clone(),
            inputs: channels,
            bias: Some(bias.clone()),
            nonlinearity: Nonlinearity::None,
            bits: 8,
            per_channel,
            limb_bits: None,
        };
        // Three images of 2 × 2 are twelve rows.
        let (convolved, flat) = (
            lower(&spec(&[3, channels, 2, 2], LayerSpec::Conv2d(layer), 8, None)).unwrap(),
            lower(&spec(&[12, channels], LayerSpec::Dense(dense), 8, None)).unwrap(),
        );
        assert!(convolved.program.relations().iter().all(|r| r.kind() != "view"), "windows of one cell are the input");
        let input = random_input(&[3, channels, 2, 2], 8, 11);
        // [b, c, p] to [b, p, c].
        let transposed = |values: &[i64], c: usize| -> Vec<i64> {
            let image = |b: usize| (0..4).flat_map(move |p| (0..c).map(move |o| (b * c + o) * 4 + p));
            (0..3).flat_map(image).map(|cell| values[cell]).collect()
        };
        let output = values(&convolved, &accept(&convolved, &input), "conv/output");
        assert_eq!(transposed(&output, outputs), flat.infer(&transposed(&input, channels)).unwrap());
    }
}

#[test]
fn two_convolutions_and_a_dense_layer() {
    let weight = |n: usize, k: usize| (0..n).map(|i| ((i * k % 31) as f64 - 15.0) / 30.0).collect::<Vec<_>>();
    let first = Conv2d {
        name: "first".to_owned(),
        nonlinearity: Nonlinearity::Relu,
        stride: [2, 1],
        padding: [1, 0, 0, 1],
        ..conv(weight(4 * 2 * 9, 7), [4, 2, 3, 3])
    };
    let depthwise = Conv2d {
        name: "depthwise".to_owned(),
        groups: 4,
        padding: [1; 4],
        bias: Some(weight(12, 5)),
        ..conv(weight(12 * 9, 11), [12, 1, 3, 3])
    };
    let dense = Dense {
        name: "dense".to_owned(),
        weight: weight(12 * 3 * 5 * 4, 13),
        inputs: 12 * 3 * 5,
        bias: None,
        nonlinearity: Nonlinearity::None,
        bits: 8,
        per_channel: false,
        limb_bits: None,
    };
    let sample: Vec<f64> = (0..2 * 2 * 6 * 6).map(|i| f64::from(i * 29 % 83 - 41) / 10.0).collect();
    let layers = vec![LayerSpec::Conv2d(first), LayerSpec::Conv2d(depthwise), LayerSpec::Dense(dense)];
    let lowered = lower(&NetworkSpec::calibrated([2, 2, 6, 6], 8, &sample, layers).unwrap()).unwrap();
    accept(&lowered, &lowered.input_quantisation.quantise(&sample));
    let accuracy = lowered.accuracy(&sample).unwrap();
    assert!(accuracy.max_steps < 8.0, "{accuracy:?}");
}

mod forgeries {
    use super::*;

    const SHAPE: [usize; 4] = [1, 2, 4, 5];

    /// Weights without symmetry.
    fn layer() -> Conv2d {
        let weight: Vec<f64> = (0..3 * 2 * 9).map(|i| f64::from(i * 17 % 53 - 26) / 26.0).collect();
        Conv2d { bias: Some(vec![0.5, -0.25, 0.0]), padding: [1; 4], limb_bits: Some(8), ..conv(weight, [3, 2, 3, 3]) }
    }

    fn honest() -> (Lowered, Witness) {
        let layer = layer();
        let lowered = uncalibrated(&SHAPE, &layer);
        let witness = checked(&lowered, &layer, &random_input(&SHAPE, 8, 5));
        (lowered, witness)
    }

    /// A prover that runs `other` where `layer` is to be proven: the witness's tensors are all its own.
    fn runs(layer: &Conv2d, other: &Conv2d, shape: &[usize]) -> String {
        let [lowered, foreign] = [layer, other].map(|layer| uncalibrated(shape, layer));
        let input = random_input(shape, layer.bits, 5);
        let mut witness = foreign.forward(&input).unwrap();
        assert_eq!(lowered.program.tensors().len(), foreign.program.tensors().len());
        let weight = id(&lowered, "conv/weight");
        let own = lowered.forward(&input).unwrap().get(weight).unwrap().clone();
        witness.set(weight, own);
        check_witness::<Goldilocks>(&lowered.program, &witness).unwrap_err().to_string()
    }

    #[test]
    fn another_convolution() {
        let layer = layer();
        // A convolution in the sense of signal processing: the kernel flipped.
        let flipped = layer.weight.chunks(9).flat_map(|kernel| kernel.iter().rev().copied()).collect();
        let swapped = [&layer.weight[18..], &layer.weight[..18]].concat();
        for other in [
            Conv2d { weight: flipped, ..layer.clone() },
            Conv2d { weight: swapped, ..layer.clone() },
            // The window shifted by a row, by a column.
            Conv2d { padding: [2, 1, 0, 1], ..layer.clone() },
            Conv2d { padding: [1, 0, 1, 2], ..layer.clone() },
            // Half the taps of the larger kernel, with the same number of positions.
            Conv2d { padding: [2; 4], dilation: [2, 2], ..layer.clone() },
        ] {
            let message = runs(&layer, &other, &SHAPE);
            assert!(message.contains("conv/product"), "{message}");
        }
        // Two positions either way: those of stride 1, or those of stride 2.
        let layer = Conv2d { padding: [0; 4], ..layer };
        let short = |stride, bottom| Conv2d { stride: [stride, 1], padding: [0, 0, bottom, 0], ..layer.clone() };
        let message = runs(&short(1, 0), &short(2, 1), &SHAPE);
        assert!(message.contains("conv/product"), "{message}");
    }

    #[test]
    fn another_window() {
        let (lowered, mut witness) = honest();
        // The first cell is padding; it becomes the first cell of the input.
        let corner = scalar(&lowered, &witness, "input");
        let window = values(&lowered, &witness, "conv/window");
        assert_eq!(window[0], 0);
        put(&lowered, &mut witness, "conv/window", corner + i64::from(corner == 0));
        refused_by_equation(&lowered, &witness, "conv/window");
    }

    #[test]
    fn another_weight_bias_or_sum() {
        let (lowered, witness) = honest();
        for (tensor, relation) in [
            ("conv/weight", "conv/product"),
            ("conv/product", "conv/product"),
            ("conv/bias", "conv/bias-rows"),
            ("conv/bias-rows", "conv/bias-rows"),
            ("conv/accumulator", "conv/accumulator"),
        ] {
            let mut forged = witness.clone();
            let value = scalar(&lowered, &witness, tensor);
            put(&lowered, &mut forged, tensor, value - value.signum());
            refused_by_equation(&lowered, &forged, relation);
        }
        for one in ["conv/one.batch", "conv/one.rows", "conv/one.columns"] {
            for other in [0, 2, -1] {
                let mut forged = witness.clone();
                put(&lowered, &mut forged, one, other);
                refused_by_bounds(&lowered, &forged);
            }
        }
    }

    #[test]
    fn another_output() {
        let (lowered, witness) = honest();
        let y = scalar(&lowered, &witness, "conv/output");
        let mut forged = witness.clone();
        put(&lowered, &mut forged, "conv/output", y - 1);
        refused_by_lookup(&lowered, &forged, "conv/output");
        // The quotient follows, and the remainder.
        put(&lowered, &mut forged, "conv/quotient", scalar(&lowered, &witness, "conv/quotient") - 1);
        refused_by_equation(&lowered, &forged, "conv/requantise");
        let shift = parameter(&lowered, "conv", "shift");
        let remainder = limbs_at(&lowered, &witness, "conv/remainder", 0) + (1 << shift);
        let limb = put_limbs_at(&lowered, &mut forged, "conv/remainder", 0, remainder);
        refused_by_lookup(&lowered, &forged, &limb);
    }

    #[test]
    fn groups_do_not_mix() {
        let weight: Vec<f64> = (0..6 * 4).map(|i| f64::from(i * 17 % 53 - 26) / 26.0).collect();
        let layer = Conv2d { groups: 3, ..conv(weight, [6, 1, 2, 2]) };
        let shape = [1, 3, 3, 3];
        let lowered = uncalibrated(&shape, &layer);
        let witness = checked(&lowered, &layer, &random_input(&shape, 8, 7));
        // The first output channel of group 0 from the cells of group 1.
        let window = values(&lowered, &witness, "conv/window");
        let mut forged = witness.clone();
        let other = [&window[16..32], &window[16..]].concat();
        forged.set_i64(&lowered.program, id(&lowered, "conv/window"), other);
        refused_by_equation(&lowered, &forged, "conv/window");
        // The output channels in another order: those of one group next to each other.
        let mut forged = witness.clone();
        let product = values(&lowered, &witness, "conv/product");
        let order = [&product[..4], &product[8..12], &product[4..8], &product[12..]].concat();
        forged.set_i64(&lowered.program, id(&lowered, "conv/product"), order);
        refused_by_equation(&lowered, &forged, "conv/product");
    }

    /// With a lookup or a definition left out, the bounds pass refuses. Without the link between the sums and the
    /// requantisation it cannot know, and another output goes with the same sums.
    #[test]
    fn every_relation_is_needed() {
        let (lowered, witness) = honest();
        needs_lookup(&lowered, "conv/range");
        needs_lookup(&lowered, "conv/clamp");
        for scope in ["conv/window", "conv/product", "conv/bias-rows"] {
            let part = without(&lowered.program, scope);
            let message = part.check(Goldilocks::max_magnitude()).unwrap_err().to_string();
            assert!(message.contains("defines it"), "{message}");
        }
        let mut forged = witness.clone();
        let other: Vec<i64> = values(&lowered, &witness, "conv/output").iter().map(|y| (y + 1).min(127)).collect();
        forged.set_i64(&lowered.program, id(&lowered, "conv/output"), other.clone());
        forged.set_i64(&lowered.program, id(&lowered, "conv/quotient"), other.clone());
        refused_by_equation(&lowered, &forged, "conv/requantise");
        let part = without(&lowered.program, "conv/requantise");
        part.check(Goldilocks::max_magnitude()).unwrap();
        check_witness::<Goldilocks>(&part, &forged).unwrap();
        // The requantisation then defines the accumulator.
        let part = without(&lowered.program, "conv/accumulator");
        part.check(Goldilocks::max_magnitude()).unwrap();
        let shift = parameter(&lowered, "conv", "shift") as u32;
        let remainder = |cell| limbs_at(&lowered, &witness, "conv/remainder", cell);
        let accumulator = other.iter().enumerate().map(|(cell, z)| (z << shift) + remainder(cell) - (1 << (shift - 1)));
        forged.set_i64(&lowered.program, id(&lowered, "conv/accumulator"), accumulator.collect());
        check_witness::<Goldilocks>(&part, &forged).unwrap();
        refused_by_equation(&lowered, &forged, "conv/accumulator");
    }

    fn without(program: &Program, scope: &str) -> Program {
        let part = common::part(program, |r| r.scope() != scope);
        assert_eq!(part.relations().len() + 1, program.relations().len(), "{scope}");
        part
    }

    /// Stride, dilation and padding are in the relation: another value is another program.
    #[test]
    fn the_view_states_stride_dilation_and_padding() {
        let layer = Conv2d { stride: [2, 1], dilation: [1, 2], padding: [1, 3, 1, 1], ..layer() };
        let lowered = uncalibrated(&SHAPE, &layer);
        let view = lowered.program.view_of(id(&lowered, "conv/window")).unwrap();
        let maps: Vec<AxisMap> = view.groups.iter().map(|g| g.map).collect();
        let window = |stride, dilation, offset| AxisMap::Window { stride, dilation, offset };
        assert_eq!(maps, [AxisMap::Reshape, AxisMap::Reshape, window(2, 1, -1), window(1, 2, -3)]);
    }

    /// The window is neither recorded nor committed.
    #[test]
    fn nobody_has_the_windows() {
        let (lowered, witness) = honest();
        let window = id(&lowered, "conv/window");
        assert!(witness.get(window).is_none());
        assert!(lowered.program.relations().iter().all(|r| match r {
            Relation::Lookup(lookup) => lookup.tuples.iter().flatten().all(|&t| t != window),
            _ => true,
        }));
    }
}

mod refusals {
    use super::*;

    fn error(shape: &[usize], layer: Conv2d) -> String {
        lower(&spec(shape, LayerSpec::Conv2d(layer), 8, None)).unwrap_err().to_string()
    }

    #[test]
    fn errors_name_the_layer_and_what_does_not_fit() {
        let plain = || conv(vec![1.0; 3 * 2 * 9], [3, 2, 3, 3]);
        let image = [1, 2, 4, 4];
        assert!(error(&[4, 8], plain()).contains("conv: the input is [4, 8]; it must be [b, c, h, w]"));
        assert!(error(&[1, 3, 4, 4], plain()).contains("2 channels in each of 1 groups, the input has 3 channels"));
        assert!(error(&[1, 2, 2, 4], plain()).contains("a window of height 3 does not fit"));
        assert!(error(&image, Conv2d { weight: vec![1.0; 5], ..plain() }).contains("5 weights for the shape"));
        assert!(error(&image, Conv2d { weight_shape: [0, 2, 3, 3], ..plain() }).contains("54 weights for the shape"));
        assert!(error(&image, Conv2d { weight_shape: [3, 2, 0, 3], ..plain() }).contains("kernel 0"));
        assert!(error(&image, Conv2d { groups: 0, ..plain() }).contains("0 groups"));
        assert!(error(&image, Conv2d { groups: 2, ..plain() }).contains("2 groups do not divide 2 input and 3 output"));
        assert!(error(&image, Conv2d { stride: [0, 1], ..plain() }).contains("stride 0"));
        assert!(error(&image, Conv2d { dilation: [1, 0], ..plain() }).contains("dilation 0"));
        assert!(error(&image, Conv2d { dilation: [1, 2], ..plain() }).contains("a window of width 5 does not fit"));
        assert!(error(&image, Conv2d { padding: [0, 0, 1 << 20, 0], ..plain() }).contains("at most 65536"));
        assert!(error(&image, Conv2d { bias: Some(vec![0.0; 2]), ..plain() }).contains("the bias has 2 values for 3"));
        assert!(error(&image, Conv2d { bits: 17, ..plain() }).contains("17 bits"));
        assert!(error(&image, Conv2d { weight: vec![f64::NAN; 54], ..plain() }).contains("not finite"));
    }
}

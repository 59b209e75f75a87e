//! The kernels `maxpool` and `avgpool`: the programs accept exactly the integers of independent models.

mod common;

use common::{accept, id, needs_lookup, parameter, put_at, refused_by_equation, refused_by_lookup, values};
use proptest::prelude::*;
use rand::{RngExt, SeedableRng, rngs::StdRng};
use zkml_core::{Goldilocks, Program, Residence, Shape, Suite, TensorId, Witness};
use zkml_layers::{
    AvgPool, Dense, InputSpec, LayerSpec, Lowered, MaxPool, NetworkSpec, Nonlinearity, Quantisation, Violation,
    check_witness, lower,
};

const STEP: f64 = 0.02;

fn maxpool(kernel: [usize; 2], stride: [usize; 2]) -> MaxPool {
    MaxPool { name: "pool".to_owned(), kernel, stride, padding: [0; 4], dilation: [1, 1], limb_bits: None }
}

fn avgpool(kernel: Option<[usize; 2]>, stride: [usize; 2]) -> AvgPool {
    let name = "pool".to_owned();
    AvgPool { name, kernel, stride, padding: [0; 4], count_include_pad: true, bits: 8, limb_bits: None }
}

fn spec(shape: &[usize], bits: u32, layers: Vec<LayerSpec>) -> NetworkSpec {
    let input = InputSpec {
        shape: Shape::new(shape).unwrap(),
        quantisation: Quantisation { bits, scale: STEP },
        committed: false,
    };
    NetworkSpec { input, layers: layers.into_iter().map(Into::into).collect(), sample: None }
}

fn network(shape: &[usize], bits: u32, layer: impl Into<Layer>) -> Lowered {
    lower(&spec(shape, bits, vec![layer.into().0])).unwrap()
}

struct Layer(LayerSpec);

impl From<&MaxPool> for Layer {
    fn from(layer: &MaxPool) -> Self {
        Self(LayerSpec::MaxPool(layer.clone()))
    }
}

impl From<&AvgPool> for Layer {
    fn from(layer: &AvgPool) -> Self {
        Self(LayerSpec::AvgPool(layer.clone()))
    }
}

/// The input cells of every window, padding left out, by loops over the definition.
fn windows(
    shape: &[usize],
    input: &[i64],
    kernel: [usize; 2],
    stride: [usize; 2],
    padding: [usize; 4],
    dilation: [usize; 2],
) -> Vec<Vec<i64>> {
    let &[batch, channels, height, width] = shape else { panic!("{shape:?}") };
    let [top, left, bottom, right] = padding;
    let rows = (height + top + bottom - dilation[0] * (kernel[0] - 1) - 1) / stride[0] + 1;
    let columns = (width + left + right - dilation[1] * (kernel[1] - 1) - 1) / stride[1] + 1;
    let mut all = Vec::new();
    for plane in 0..batch * channels {
        for i in 0..rows {
            for j in 0..columns {
                let mut cells = Vec::new();
                for u in 0..kernel[0] {
                    for v in 0..kernel[1] {
                        let (y, x) = (i * stride[0] + u * dilation[0], j * stride[1] + v * dilation[1]);
                        if y >= top && x >= left && y - top < height && x - left < width {
                            cells.push(input[(plane * height + y - top) * width + x - left]);
                        }
                    }
                }
                all.push(cells);
            }
        }
    }
    all
}

fn max_model(layer: &MaxPool, shape: &[usize], input: &[i64]) -> Vec<i64> {
    let MaxPool { kernel, stride, padding, dilation, .. } = *layer;
    windows(shape, input, kernel, stride, padding, dilation).iter().map(|w| *w.iter().max().unwrap()).collect()
}

fn random_input(shape: &[usize], bits: u32, seed: u64) -> Vec<i64> {
    let mut rng = StdRng::seed_from_u64(seed);
    let most = 1_i64 << (bits - 1);
    (0..shape.iter().product()).map(|_| rng.random_range(-most..most)).collect()
}

/// Kernel, stride and padding, at most as much padding as leaves a cell in every window of the size.
fn geometry() -> impl Strategy<Value = ([usize; 4], [usize; 2], [usize; 2], [usize; 4])> {
    let kernel = [1_usize..5, 1_usize..5];
    (kernel, [1_usize..4, 1_usize..4], [0_usize..4, 0..4, 0..4, 0..4], [1_usize..3, 1_usize..4, 0_usize..6, 0_usize..6])
        .prop_map(|(kernel, stride, padding, [batch, channels, height, width])| {
            let pad = |p: usize, axis: usize| p.min(kernel[axis] - 1);
            let padding = [pad(padding[0], 0), pad(padding[1], 1), pad(padding[2], 0), pad(padding[3], 1)];
            ([batch, channels, height + kernel[0], width + kernel[1]], kernel, stride, padding)
        })
}

mod max {
    use super::*;

    fn checked(lowered: &Lowered, layer: &MaxPool, input: &[i64]) -> Witness {
        let witness = accept(lowered, input);
        let shape = lowered.program.get(lowered.input).unwrap().shape.dims().to_vec();
        assert_eq!(values(lowered, &witness, "pool/output"), max_model(layer, &shape, input));
        assert_eq!(lowered.layers[0].quantisation, lowered.input_quantisation);
        witness
    }

    /// A dense layer behind the pooling, so that its output is not public.
    fn hidden(shape: &[usize], layer: &MaxPool) -> Lowered {
        let alone = network(shape, 8, layer);
        let inputs = alone.layers[0].shape.dims()[1..].iter().product();
        let dense = Dense {
            name: "dense".to_owned(),
            weight: (0..inputs).map(|i| i as f64 - 2.5).collect(),
            inputs,
            bias: None,
            nonlinearity: Nonlinearity::None,
            bits: 8,
            per_channel: false,
            limb_bits: None,
        };
        lower(&spec(shape, 8, vec![LayerSpec::MaxPool(layer.clone()), LayerSpec::Dense(dense)])).unwrap()
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 40, ..ProptestConfig::default() })]

        #[test]
        fn random_layers_equal_the_independent_model(
            (shape, kernel, stride, padding) in geometry(),
            bits in prop::sample::select(vec![2_u32, 4, 7, 8, 11, 16]),
            limb in prop::option::of(2_u32..12),
            seed in any::<u64>(),
        ) {
            let layer = MaxPool { padding, limb_bits: limb, ..maxpool(kernel, stride) };
            let lowered = network(&shape, bits, &layer);
            let input = random_input(&shape, bits, seed);
            checked(&lowered, &layer, &input);
            let real = lowered.input_quantisation.dequantise(&input);
            let expected = lowered.output_quantisation.dequantise(&max_model(&layer, &shape, &input));
            prop_assert_eq!(lowered.float(&real).unwrap(), expected);
            checked(&hidden(&shape, &MaxPool { limb_bits: None, ..layer.clone() }), &layer, &random_input(&shape, 8, seed));
        }
    }

    #[test]
    fn dilated_windows() {
        let layer = MaxPool { dilation: [2, 3], padding: [1, 0, 2, 2], ..maxpool([3, 2], [2, 1]) };
        let shape = [2, 3, 7, 6];
        checked(&network(&shape, 8, &layer), &layer, &random_input(&shape, 8, 3));
    }

    #[test]
    fn extremes_and_ties() {
        let layer = MaxPool { padding: [1; 4], ..maxpool([3, 3], [2, 2]) };
        let shape = [1, 2, 6, 5];
        let lowered = network(&shape, 8, &layer);
        for (even, odd) in [(-128, -128), (127, 127), (-128, 127), (0, 0), (-1, 0)] {
            let input: Vec<i64> = (0..60).map(|i| if i % 2 == 0 { even } else { odd }).collect();
            checked(&lowered, &layer, &input);
        }
    }

    #[test]
    fn a_global_window_takes_stages() {
        let layer = maxpool([7, 7], [1, 1]);
        let shape = [1, 2, 7, 7];
        let lowered = network(&shape, 8, &layer);
        assert_eq!(parameter(&lowered, "pool", "stages"), 8);
        checked(&lowered, &layer, &random_input(&shape, 8, 4));
    }

    const SHAPE: [usize; 4] = [1, 1, 4, 6];

    fn honest(layer: &MaxPool) -> (Lowered, Witness) {
        let lowered = hidden(&SHAPE, layer);
        let witness = checked(&lowered, layer, &random_input(&SHAPE, 8, 9));
        (lowered, witness)
    }

    /// The values `x'` of all taps at the first position, with their names.
    fn taps(lowered: &Lowered, witness: &Witness, layer: &MaxPool) -> Vec<(String, i64)> {
        let places = (0..layer.kernel[0]).flat_map(|u| (0..layer.kernel[1]).map(move |v| format!("{u}.{v}")));
        places.map(|tap| (tap.clone(), values(lowered, witness, &format!("pool/tap.{tap}"))[0])).collect()
    }

    /// A witness in which the first maximum is `y'`, everything else following from that.
    fn claims(lowered: &Lowered, witness: &Witness, layer: &MaxPool, maximum: i64) -> Witness {
        let mut forged = witness.clone();
        put_at(lowered, &mut forged, "pool/maximum.0", 0, maximum);
        put_at(lowered, &mut forged, "pool/output", 0, maximum - 128);
        for (tap, value) in taps(lowered, witness, layer) {
            put_at(lowered, &mut forged, &format!("pool/difference.{tap}.0"), 0, maximum - value);
        }
        forged
    }

    #[test]
    fn another_cell_than_the_largest() {
        let layer = MaxPool { limb_bits: Some(8), ..maxpool([2, 2], [2, 2]) };
        let (lowered, witness) = honest(&layer);
        let all = taps(&lowered, &witness, &layer);
        let top = all.iter().map(|(_, value)| *value).max().unwrap();
        for (_, other) in all.iter().filter(|(_, value)| *value != top) {
            let mut forged = claims(&lowered, &witness, &layer, *other);
            complete(&lowered, &mut forged);
            let above: Vec<&String> = all.iter().filter(|(_, value)| value > other).map(|(tap, _)| tap).collect();
            refused_by_lookup(&lowered, &forged, &format!("pool/difference.{}.0", above[0]));
            // A difference that the range table has, but not the tap's.
            for difference in [0, 255] {
                for tap in &above {
                    put_at(&lowered, &mut forged, &format!("pool/difference.{tap}.0"), 0, difference);
                }
                refused_by_equation(&lowered, &forged, &format!("pool/difference.{}.at-most", above[0]));
            }
        }
    }

    #[test]
    fn more_than_every_cell() {
        let layer = MaxPool { limb_bits: Some(8), ..maxpool([2, 2], [2, 2]) };
        let (lowered, witness) = honest(&layer);
        let top = taps(&lowered, &witness, &layer).into_iter().map(|(_, value)| value).max().unwrap();
        for above in [top + 1, 255] {
            let mut forged = claims(&lowered, &witness, &layer, above);
            complete(&lowered, &mut forged);
            refused_by_equation(&lowered, &forged, "pool/reached0");
        }
        // Were it not for the product, 256 would still be too much.
        let mut forged = claims(&lowered, &witness, &layer, 256);
        complete(&lowered, &mut forged);
        let verdict = check_witness::<Goldilocks>(&without(&lowered.program, "pool/reached0"), &forged);
        let Err(Violation::Lookup { tensors, .. }) = verdict else { panic!("{verdict:?}") };
        assert_eq!(tensors, "pool/maximum.0");
    }

    /// Whatever follows the pooling, from the forged output.
    fn complete(lowered: &Lowered, forged: &mut Witness) {
        let dense = lowered.program.tensors().iter().enumerate().filter(|(_, t)| t.name.starts_with("dense/"));
        let virtuals = dense.filter(|(_, t)| t.residence == Residence::Virtual);
        virtuals.for_each(|(i, _)| forged.unset(TensorId(i)));
        zkml_layers::evaluate::fill_virtual(&lowered.program, forged).unwrap();
        assert!(forged.get(id(lowered, "dense/product")).is_some());
    }

    #[test]
    fn another_maximum_between_stages() {
        let layer = MaxPool { limb_bits: Some(8), ..maxpool([3, 3], [1, 3]) };
        let (lowered, witness) = honest(&layer);
        assert_eq!(parameter(&lowered, "pool", "stages"), 2);
        let between = values(&lowered, &witness, "pool/stage0.0")[0];
        for (step, refused) in [(1, "pool/difference.0.0.at-most"), (-1, "pool/difference.0.0.at-most")] {
            let mut forged = witness.clone();
            put_at(&lowered, &mut forged, "pool/stage0.0", 0, between + step);
            refused_by_equation(&lowered, &forged, refused);
        }
        // All differences follow: then the product of the first stage is not zero.
        let mut forged = witness.clone();
        put_at(&lowered, &mut forged, "pool/stage0.0", 0, between + 1);
        for tap in ["0.0", "0.1", "0.2", "1.0", "1.1"] {
            let name = format!("pool/difference.{tap}.0");
            let own = values(&lowered, &witness, &name)[0];
            put_at(&lowered, &mut forged, &name, 0, own + 1);
        }
        refused_by_equation(&lowered, &forged, "pool/reached0");
    }

    /// A prover that pools with `other` where `layer` is to be proven.
    #[test]
    fn another_pooling() {
        let layer = MaxPool { padding: [1, 1, 0, 0], ..maxpool([2, 2], [2, 2]) };
        for other in [
            MaxPool { padding: [0, 0, 1, 1], ..layer.clone() },
            MaxPool { padding: [0, 1, 1, 0], ..layer.clone() },
            MaxPool { stride: [1, 2], padding: [0, 1, 0, 0], ..layer.clone() },
            MaxPool { dilation: [2, 1], padding: [1, 1, 1, 0], ..layer.clone() },
        ] {
            let shape = if other.stride == [1, 2] { [1, 1, 3, 6] } else { SHAPE };
            let [lowered, foreign] = [&layer, &other].map(|layer| network(&shape, 8, layer));
            assert_eq!(lowered.layers[0].shape, foreign.layers[0].shape);
            let witness = foreign.forward(&random_input(&shape, 8, 5)).unwrap();
            let message = check_witness::<Goldilocks>(&lowered.program, &witness).unwrap_err().to_string();
            // The taps are gathered by the program that is checked, so what fails is the comparison with them.
            assert!(message.contains(".at-most: `pool/tap"), "{message}");
        }
    }

    #[test]
    fn every_relation_is_needed() {
        let layer = MaxPool { limb_bits: Some(8), ..maxpool([2, 2], [2, 2]) };
        let (lowered, _) = honest(&layer);
        needs_lookup(&lowered, "pool/range");
        let check = |scope: &str| without(&lowered.program, scope).check(Goldilocks::max_magnitude());
        let message = check("pool/zero").unwrap_err().to_string();
        assert!(message.contains("pool/zero"), "{message}");
        let message = check("pool/shifted").unwrap_err().to_string();
        assert!(message.contains("defines it"), "{message}");
        let message = check("pool/output").unwrap_err().to_string();
        assert!(message.contains("defines it"), "{message}");
        // The bounds pass cannot know that these are missing; forgeries pass without them.
        let alone = network(&SHAPE, 8, &layer);
        let honest = checked(&alone, &layer, &random_input(&SHAPE, 8, 9));
        let tapped = taps(&alone, &honest, &layer);
        assert!(tapped.iter().all(|(_, value)| *value < 255));
        let mut forged = honest.clone();
        let above = |forged: &mut Witness, exempt: &str| {
            put_at(&alone, forged, "pool/maximum", 0, 255);
            put_at(&alone, forged, "pool/output", 0, 127);
            for (tap, value) in &tapped {
                let difference = if tap == exempt { 0 } else { 255 - value };
                put_at(&alone, forged, &format!("pool/difference.{tap}.0"), 0, difference);
            }
        };
        above(&mut forged, "");
        let part = without(&alone.program, "pool/reached0");
        part.check(Goldilocks::max_magnitude()).unwrap();
        check_witness::<Goldilocks>(&part, &forged).unwrap();
        refused_by_equation(&alone, &forged, "pool/reached0");
        above(&mut forged, "0.1");
        let part = without(&alone.program, "pool/difference.0.1.at-most");
        part.check(Goldilocks::max_magnitude()).unwrap();
        check_witness::<Goldilocks>(&part, &forged).unwrap();
        refused_by_equation(&alone, &forged, "pool/difference.0.1.at-most");
    }

    fn without(program: &Program, scope: &str) -> Program {
        let part = common::part(program, |r| r.scope() != scope);
        assert_eq!(part.relations().len() + 1, program.relations().len(), "{scope}");
        part
    }

    /// Seven differences of 8 bits are just below `2^56`; over a field where that wraps, the program is refused.
    #[test]
    fn products_that_wrap_are_refused() {
        let lowered = network(&SHAPE, 8, &maxpool([1, 5], [1, 1]));
        assert_eq!(parameter(&lowered, "pool", "stages"), 1);
        let product = 255_i128.pow(5);
        lowered.program.check(product).unwrap();
        let message = lowered.program.check(product - 1).unwrap_err().to_string();
        assert!(message.contains("pool/reached0"), "{message}");
    }

    #[test]
    fn a_window_of_padding_is_refused() {
        let error = |layer: MaxPool| lower(&spec(&SHAPE, 8, vec![Layer::from(&layer).0])).unwrap_err().to_string();
        let message = error(MaxPool { padding: [2, 0, 0, 0], ..maxpool([2, 2], [2, 2]) });
        assert!(message.contains("pool: the window at position 0 holds nothing but padding"), "{message}");
        assert!(error(maxpool([5, 1], [1, 1])).contains("a window of height 5 does not fit"));
        assert!(error(maxpool([0, 1], [1, 1])).contains("kernel 0"));
        let wide = MaxPool { padding: [0, 300, 0, 300], ..maxpool([1, 302], [1, 1]) };
        assert!(error(wide).contains("a window of 302 taps; use at most 256"));
    }
}

mod average {
    use super::*;

    /// `floor((m·total + 2^(t-1))/2^t)` with one multiplier.
    fn checked(lowered: &Lowered, layer: &AvgPool, input: &[i64]) -> Witness {
        let witness = accept(lowered, input);
        let shape = lowered.program.get(lowered.input).unwrap().shape.dims().to_vec();
        let kernel = layer.kernel.unwrap_or([shape[2], shape[3]]);
        let windows = windows(&shape, input, kernel, layer.stride, layer.padding, [1, 1]);
        let output = values(lowered, &witness, "pool/output");
        let step = lowered.output_quantisation.scale;
        for (cells, y) in windows.iter().zip(&output) {
            let count = if layer.count_include_pad { kernel[0] * kernel[1] } else { cells.len() };
            let mean = cells.iter().sum::<i64>() as f64 * STEP / count as f64;
            let expected = (mean / step).clamp(-128.0, 127.0);
            assert!((*y as f64 - expected).abs() <= 0.5 + 0.125 + 1e-9, "{y} for {expected}");
        }
        if lowered.program.tensors().iter().all(|t| t.name != "pool/multiplier") {
            let (m, t) = (parameter(lowered, "pool", "multiplier"), parameter(lowered, "pool", "shift") as u32);
            let exact = windows.iter().map(|cells| {
                let total: i128 = cells.iter().map(|&x| i128::from(x)).sum();
                (m * total + (1 << (t - 1))).div_euclid(1 << t).clamp(-128, 127) as i64
            });
            assert_eq!(output, exact.collect::<Vec<_>>());
        }
        let real = lowered.input_quantisation.dequantise(input);
        let float = lowered.float(&real).unwrap();
        for (cells, value) in windows.iter().zip(float) {
            let count = if layer.count_include_pad { kernel[0] * kernel[1] } else { cells.len() };
            assert!((cells.iter().sum::<i64>() as f64 * STEP / count as f64 - value).abs() < 1e-9);
        }
        witness
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 40, ..ProptestConfig::default() })]

        #[test]
        fn random_layers_equal_the_independent_model(
            (shape, kernel, stride, padding) in geometry(),
            count_include_pad in any::<bool>(),
            seed in any::<u64>(),
        ) {
            let layer = AvgPool { padding, count_include_pad, ..avgpool(Some(kernel), stride) };
            let lowered = network(&shape, 8, &layer);
            checked(&lowered, &layer, &random_input(&shape, 8, seed));
        }
    }

    #[test]
    fn global_and_extremes() {
        let global = avgpool(None, [1, 1]);
        let padded = AvgPool { padding: [1; 4], count_include_pad: false, ..avgpool(Some([3, 3]), [2, 2]) };
        let shape = [2, 3, 5, 7];
        for layer in [global, padded] {
            let lowered = network(&shape, 8, &layer);
            for (even, odd) in [(-128, -128), (127, 127), (-128, 127), (0, 0)] {
                let input: Vec<i64> = (0..210).map(|i| if i % 2 == 0 { even } else { odd }).collect();
                checked(&lowered, &layer, &input);
            }
        }
    }

    #[test]
    fn forgeries() {
        let layer = AvgPool { padding: [1; 4], count_include_pad: false, ..avgpool(Some([2, 2]), [2, 2]) };
        let shape = [1, 1, 4, 6];
        let lowered = network(&shape, 8, &layer);
        let input = random_input(&shape, 8, 6);
        let witness = checked(&lowered, &layer, &input);
        for (tensor, relation) in [
            ("pool/total", "pool/total"),
            ("pool/multiplier", "pool/accumulator"),
            ("pool/accumulator", "pool/accumulator"),
        ] {
            let mut forged = witness.clone();
            let cell = values(&lowered, &witness, "pool/total").iter().position(|v| *v != 0).unwrap();
            let value = values(&lowered, &witness, tensor)[cell];
            put_at(&lowered, &mut forged, tensor, cell, value - value.signum());
            refused_by_equation(&lowered, &forged, relation);
        }
        // The sums of windows that start elsewhere.
        let own = AvgPool { padding: [1, 0, 0, 0], count_include_pad: true, ..layer };
        for padding in [[0; 4], [0, 0, 1, 0]] {
            let [lowered, foreign] =
                [own.padding, padding].map(|padding| network(&shape, 8, &AvgPool { padding, ..own.clone() }));
            let witness = foreign.forward(&input).unwrap();
            refused_by_equation(&lowered, &witness, "pool/total");
        }
    }

    #[test]
    fn a_window_of_padding_is_refused() {
        let layer = AvgPool { padding: [0, 3, 0, 0], ..avgpool(Some([2, 3]), [1, 1]) };
        let message = lower(&spec(&[1, 1, 4, 4], 8, vec![Layer::from(&layer).0])).unwrap_err().to_string();
        assert!(message.contains("nothing but padding"), "{message}");
        let message = lower(&spec(&[4, 4], 8, vec![Layer::from(&avgpool(None, [1, 1])).0])).unwrap_err().to_string();
        assert!(message.contains("it must be [b, c, h, w]"), "{message}");
    }
}

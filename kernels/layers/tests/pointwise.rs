//! The kernels `relu`, `clamp`, `silu`, `gelu`, `sigmoid` and `tanh`.

mod common;

use common::{
    accept, needs_lookup, put, put_at, put_limbs_at, refused_by_bounds, refused_by_equation, refused_by_lookup, table,
    values,
};
use zkml_core::{Goldilocks, Shape, Suite};
use zkml_layers::{
    Function, InputSpec, LayerSpec, Lowered, NetworkSpec, Node, Pointwise, Quantisation, Reshape, lower,
};

fn layer(function: Function, bits: u32) -> LayerSpec {
    LayerSpec::Pointwise(Pointwise { name: "f".to_owned(), function, bits })
}

fn network(layers: Vec<Node>, cells: usize, bits: u32, scale: f64, sample: Option<Vec<f64>>) -> Lowered {
    let input = InputSpec {
        shape: Shape::new([1, cells]).unwrap(),
        quantisation: Quantisation { bits, scale },
        committed: false,
    };
    lower(&NetworkSpec { input, layers, sample }).unwrap()
}

/// Every integer of `bits` bits.
fn domain(bits: u32) -> Vec<i64> {
    let half = 1_i64 << (bits - 1);
    (-half..half).collect()
}

/// `e^x` by its series, for small arguments, squared up.
fn exponential(x: f64) -> f64 {
    let halvings = x.abs().log2().ceil().max(0.0) as i32 + 4;
    let small = x / 2_f64.powi(halvings);
    let (mut term, mut sum) = (1.0, 1.0);
    for k in 1..30 {
        term *= small / f64::from(k);
        sum += term;
    }
    (0..halvings).fold(sum, |v, _| v * v)
}

/// `erf(x) = 2/√π ∫_0^x e^(-u²) du` by Simpson's rule.
fn error_function(x: f64) -> f64 {
    let (x, n) = (x.clamp(-7.0, 7.0), 2000);
    let f = |i: i32| exponential(-(x * f64::from(i) / f64::from(n)).powi(2));
    let inner: f64 = (1..n).map(|i| f(i) * if i % 2 == 1 { 4.0 } else { 2.0 }).sum();
    (f(0) + inner + f(n)) * x / f64::from(n) / 3.0 * 2.0 / std::f64::consts::PI.sqrt()
}

fn reference(function: Function, x: f64) -> f64 {
    match function {
        Function::Relu => {
            if x > 0.0 {
                x
            } else {
                0.0
            }
        }
        Function::Clamp { lo, hi } => {
            if x < lo {
                lo
            } else if x > hi {
                hi
            } else {
                x
            }
        }
        Function::Sigmoid => 1.0 / (1.0 + exponential(-x)),
        Function::Silu => x / (1.0 + exponential(-x)),
        Function::Tanh => 1.0 - 2.0 / (1.0 + exponential(2.0 * x)),
        Function::Gelu => 0.5 * x * (1.0 + error_function(x / 2_f64.sqrt())),
    }
}

const TABULATED: [Function; 4] = [Function::Silu, Function::Gelu, Function::Sigmoid, Function::Tanh];

#[test]
fn functions_equal_independent_ones() {
    let others = [Function::Relu, Function::Clamp { lo: -1.0, hi: 6.0 }];
    for function in TABULATED.into_iter().chain(others) {
        for i in -160..=160 {
            let x = f64::from(i) / 20.0;
            let (got, expected) = (function.at(x), reference(function, x));
            assert!((got - expected).abs() < 1e-11, "{function:?} at {x}: {got}, not {expected}");
        }
    }
}

/// Over the whole domain: within half a step of the function, saturating.
#[test]
fn tables_hold_the_rounded_function() {
    for function in TABULATED {
        for (bits, output) in [(2, 2), (4, 8), (8, 8), (11, 5), (12, 16)] {
            let scale = 8.0 / f64::from(1 << (bits - 1));
            let sample: Vec<f64> = domain(bits).iter().map(|&x| x as f64 * scale * 0.7).collect();
            let lowered = network(vec![layer(function, output).into()], 1 << bits, bits, scale, Some(sample));
            let witness = accept(&lowered, &domain(bits));
            let step = lowered.output_quantisation.scale;
            let bounds = lowered.output_quantisation.bounds();
            for (x, y) in domain(bits).into_iter().zip(values(&lowered, &witness, "f/output")) {
                let exact = reference(function, x as f64 * scale) / step;
                let exact = exact.clamp(bounds.lo as f64, bounds.hi as f64);
                assert!((y as f64 - exact).abs() < 0.5 + 1e-9, "{function:?} {x}: {y}, not {exact}");
            }
        }
    }
}

#[test]
fn sixteen_bits() {
    let lowered = network(vec![layer(Function::Gelu, 16).into()], 5, 16, 1e-4, None);
    accept(&lowered, &[-32768, 32767, 0, 1, -1]);
    assert_eq!(table(&lowered, "f/gelu").rows(), 1 << 16);
    assert!(lowered.accuracy(&[-3.0, 3.0, 0.0, 1e-4, -1e-4]).unwrap().max_steps < 0.51);
}

#[test]
fn relu_and_clamp_are_exact_and_keep_the_scale() {
    for bits in [2, 8, 16] {
        let half = 1_i64 << (bits - 1);
        let input = [-half, -1, 0, 1, half - 1];
        let scale = 3.0 / half as f64;
        let relu = network(vec![layer(Function::Relu, 8).into()], 5, bits, scale, None);
        let witness = accept(&relu, &input);
        assert_eq!(values(&relu, &witness, "f/output"), input.map(|x| x.max(0)));
        assert_eq!(relu.output_quantisation, relu.input_quantisation);
        let clamp = Function::Clamp { lo: -1.5, hi: 6.0 };
        let clamp = network(vec![layer(clamp, 8).into()], 5, bits, scale, None);
        let witness = accept(&clamp, &input);
        assert_eq!(values(&clamp, &witness, "f/output"), input.map(|x| x.max(-half / 2)));
    }
}

/// What was looked up may be virtual: here a reshaped tensor.
#[test]
fn a_reshaped_input() {
    let reshape = LayerSpec::Reshape(Reshape { name: "r".to_owned(), shape: vec![2, 3] });
    for function in [Function::Relu, Function::Tanh] {
        let lowered = network(vec![reshape.clone().into(), layer(function, 8).into()], 6, 8, 0.02, None);
        accept(&lowered, &[-128, 127, 5, -5, 0, 1]);
    }
}

#[test]
fn wrong_outputs_are_refused() {
    for function in TABULATED {
        let lowered = network(vec![layer(function, 8).into()], 3, 8, 0.03, None);
        let witness = accept(&lowered, &[-90, 3, 77]);
        let y = values(&lowered, &witness, "f/output")[0];
        for other in [y + 1, y - 1, 100] {
            let mut forged = witness.clone();
            put(&lowered, &mut forged, "f/output", other);
            refused_by_lookup(&lowered, &forged, "f/output");
        }
        let mut forged = witness;
        put(&lowered, &mut forged, "f/output", 128);
        refused_by_bounds(&lowered, &forged);
        // A table of another function is another table.
        let other = network(vec![layer(Function::Relu, 8).into()], 3, 8, 0.03, None);
        assert_ne!(
            table(&lowered, &format!("f/{}", lowered.layers[0].kernel)).digest(),
            table(&other, "f/clamp").digest()
        );
    }
    let relu = network(vec![layer(Function::Relu, 8).into()], 3, 8, 0.03, None);
    let witness = accept(&relu, &[-1, 0, 1]);
    for (cell, y) in [(0, 1), (1, 1), (2, 0)] {
        let mut forged = witness.clone();
        put_at(&relu, &mut forged, "f/output", cell, y);
        refused_by_lookup(&relu, &forged, "f/output");
    }
}

/// A narrow clamp of wide values over few cells goes by excess: no table of the input's domain.
#[test]
fn a_narrow_clamp_of_wide_values_needs_no_table_and_cannot_be_forged() {
    let function = Function::Clamp { lo: -0.1, hi: 0.2 };
    let relu = LayerSpec::Pointwise(Pointwise { name: "g".to_owned(), function: Function::Relu, bits: 16 });
    let lowered = network(vec![layer(function, 8).into(), relu.into()], 4, 16, 1e-3, None);
    assert!(table(&lowered, "f/clamp").rows() <= 1 << 10);
    let witness = accept(&lowered, &[-20_000, 17, 0, 32_767]);
    assert_eq!(values(&lowered, &witness, "f/output"), [-100, 17, 0, 200]);
    let mut outside = witness.clone();
    put(&lowered, &mut outside, "f/output", -101);
    refused_by_lookup(&lowered, &outside, "f/output");
    let mut inside = witness;
    put_at(&lowered, &mut inside, "f/output", 1, 0);
    refused_by_equation(&lowered, &inside, "f/clamp");
    put_at(&lowered, &mut inside, "f/side", 1, 1);
    put_at(&lowered, &mut inside, "f/excess", 1, 17);
    put_at(&lowered, &mut inside, "f/over", 1, 17);
    put_at(&lowered, &mut inside, "f/reached", 1, 17 * 200);
    put_limbs_at(&lowered, &mut inside, "f/excess", 1, 16);
    refused_by_equation(&lowered, &inside, "f/saturate");
    needs_lookup(&lowered, "f/clamp");
    needs_lookup(&lowered, "f/range");
    assert!(lowered.program.check(Goldilocks::max_magnitude()).is_ok());
}

#[test]
fn errors_say_what_to_change() {
    let error = |function, bits| {
        let spec = NetworkSpec::calibrated([1, 2], 8, &[1.0, -1.0], vec![layer(function, bits)]).unwrap();
        lower(&spec).unwrap_err().to_string()
    };
    assert!(error(Function::Clamp { lo: 1.0, hi: 1.0 }, 8).contains("f: clamp to [1, 1]"));
    assert!(error(Function::Clamp { lo: f64::NAN, hi: 1.0 }, 8).contains("must be below"));
    assert!(error(Function::Gelu, 17).contains("17 bits"));
}

//! The kernel `rmsnorm`: the program accepts exactly the integers of an independent model.

mod common;

use common::{P, id, parameter, put, refused_by_equation, refused_by_lookup, scalar, signed, values};
use proptest::prelude::*;
use zkml_core::{Goldilocks, Suite, TensorId, Witness};
use zkml_layers::{LayerSpec, Lowered, NetworkSpec, Quantisation, RmsNorm, Violation, check_witness, lower};

const K: i128 = 1 << 58;

fn norm(name: &str, gain: Vec<f64>, eps: f64) -> RmsNorm {
    RmsNorm { name: name.to_owned(), gain, eps, output_bits: 8, limb_bits: None }
}

/// A network whose input integers are given; input scale `scale`.
fn network(rows: usize, gain: &[f64], scale: f64, eps: f64, limb_bits: Option<u32>) -> Lowered {
    let layer = RmsNorm { limb_bits, ..norm("norm", gain.to_vec(), eps) };
    let sample: Vec<f64> = (0..4 * gain.len()).map(|i| ((i * 37 % 101) as f64 - 50.0) * scale).collect();
    let mut spec = NetworkSpec::calibrated([rows, gain.len()], 8, &sample, vec![LayerSpec::RmsNorm(layer)]).unwrap();
    spec.input.quantisation = Quantisation { bits: 8, scale };
    lower(&spec).unwrap()
}

/// `(p, a', r)` by plain search in `i128`.
fn row_model(a: i128) -> (i128, i128, i128) {
    let e = (0..=14).find(|e| a << (2 * e) >= 1 << 28).unwrap();
    let normalised = a << (2 * e);
    assert!(normalised < 1 << 30);
    let (mut lo, mut hi) = (0_i128, 1 << 16);
    while hi - lo > 1 {
        let middle = i128::midpoint(lo, hi);
        if middle * middle * normalised <= K { lo = middle } else { hi = middle }
    }
    (1 << e, normalised, lo)
}

/// The layer's outputs in `i128`.
fn model(lowered: &Lowered, input: &[i64], gain: &[i64]) -> Vec<i64> {
    let (m, t) = (parameter(lowered, "norm", "multiplier"), parameter(lowered, "norm", "shift") as u32);
    input
        .chunks(gain.len())
        .flat_map(|row| {
            let a = parameter(lowered, "norm", "epsilon")
                + row.iter().map(|&x| i128::from(x) * i128::from(x)).sum::<i128>();
            let (p, _, r) = row_model(a);
            row.iter()
                .zip(gain)
                .map(|(&x, &g)| {
                    let acc = i128::from(x) * i128::from(g) * m * r * p + (1 << (t - 1));
                    acc.div_euclid(1 << t).clamp(-128, 127) as i64
                })
                .collect::<Vec<_>>()
        })
        .collect()
}

fn accept(lowered: &Lowered, input: &[i64]) -> Witness {
    let witness = common::accept(lowered, input);
    let output = witness.get(lowered.output).unwrap().to_i64();
    assert_eq!(output, model(lowered, input, &values(lowered, &witness, "norm/gain")));
    witness
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, ..ProptestConfig::default() })]

    #[test]
    fn random_rows_equal_the_independent_model(
        rows in 1_usize..5,
        columns in 1_usize..300,
        limb in prop::option::of(1_u32..=18),
        eps_exponent in -9_i32..2,
        seed in any::<u64>(),
    ) {
        use rand::{RngExt, SeedableRng, rngs::StdRng};
        let mut rng = StdRng::seed_from_u64(seed);
        let gain: Vec<f64> = (0..columns).map(|_| rng.random_range(-2.0..2.0)).collect();
        let magnitude = rng.random_range(1..=128);
        let input: Vec<i64> = (0..rows * columns).map(|_| rng.random_range(-magnitude..magnitude)).collect();
        let lowered = network(rows, &gain, 0.02, 10_f64.powi(eps_exponent), limb);
        accept(&lowered, &input);
    }

    #[test]
    fn the_limb_width_does_not_change_row_integers(a in 1_i64..1 << 14, limb in 3_u32..=16) {
        let lowered = network(1, &[1.0], 1.0, a as f64, Some(limb));
        let witness = accept(&lowered, &[0]);
        let (p, normalised, r) = row_model(i128::from(a));
        prop_assert_eq!(values(&lowered, &witness, "norm/power"), vec![p as i64]);
        prop_assert_eq!(values(&lowered, &witness, "norm/normalised"), vec![normalised as i64]);
        prop_assert_eq!(values(&lowered, &witness, "norm/root"), vec![r as i64]);
    }
}

#[test]
fn edge_rows() {
    for columns in [1, 4, 384, 4096] {
        let gain: Vec<f64> = (0..columns).map(|i| if i % 3 == 0 { 1.0 } else { -0.5 }).collect();
        let lowered = network(5, &gain, 0.02, 1e-12, None);
        let mut input = vec![0; columns];
        input.extend(vec![-128; columns]);
        input.extend(vec![127; columns]);
        input.extend((0..columns).map(|i| i64::from(i == 0)));
        input.extend((0..columns).map(|i| if i == 0 { -128 } else { 0 }));
        accept(&lowered, &input);
    }
}

/// Both ends of the window, and the smallest and largest exponent.
#[test]
fn ends_of_the_window() {
    // One element 0: a = E = eps.
    for (a, p, normalised) in [
        (1, 1 << 14, 1 << 28),
        (3, 1 << 14, 3 << 28),
        (4, 1 << 13, 1 << 28),
        ((1 << 28) - 1, 2, (1 << 30) - 4),
        (1 << 28, 1, 1 << 28),
        ((1 << 30) - 1 - (1 << 14), 1, (1 << 30) - 1 - (1 << 14)),
    ] {
        let lowered = network(1, &[1.0], 1.0, f64::from(a), None);
        let witness = accept(&lowered, &[0]);
        assert_eq!(values(&lowered, &witness, "norm/power"), [p]);
        assert_eq!(values(&lowered, &witness, "norm/normalised"), [normalised]);
    }
    // (-128)² + E would be 2^30.
    let too_large = RmsNorm { eps: ((1_i64 << 30) - (1 << 14)) as f64, ..norm("norm", vec![1.0], 0.0) };
    let mut spec = NetworkSpec::calibrated([1, 1], 8, &[127.0], vec![LayerSpec::RmsNorm(too_large)]).unwrap();
    spec.input.quantisation.scale = 1.0;
    assert!(lower(&spec).unwrap_err().to_string().contains("eps"), "a could reach 2^30");
}

#[test]
fn the_largest_admissible_sum_is_accepted() {
    // (-128)² + E = 2^30 - 1.
    let lowered = network(1, &[1.0], 1.0, ((1_i64 << 30) - 1 - (1 << 14)) as f64, None);
    let witness = accept(&lowered, &[-128]);
    assert_eq!(values(&lowered, &witness, "norm/normalised"), [(1 << 30) - 1]);
}

#[test]
fn two_layers_share_tables_and_stay_attributable() {
    let gain = |k: usize| (0..24).map(|i| 0.5 + (i * k % 7) as f64 / 4.0).collect::<Vec<_>>();
    let layers = vec![norm("first", gain(3), 1e-5), norm("second", gain(5), 1e-5)];
    let sample: Vec<f64> = (0..24 * 8).map(|i| f64::from(i * 29 % 83 - 41) / 10.0).collect();
    let spec =
        NetworkSpec::calibrated([8, 24], 8, &sample, layers.into_iter().map(LayerSpec::RmsNorm).collect()).unwrap();
    let lowered = lower(&spec).unwrap();
    lowered.program.check(Goldilocks::max_magnitude()).unwrap();
    let input = lowered.input_quantisation.quantise(&sample);
    let witness = lowered.forward(&input).unwrap();
    check_witness::<Goldilocks>(&lowered.program, &witness).unwrap();
    for layer in &lowered.layers {
        for relation in &layer.relations {
            assert_eq!(lowered.program.relations()[relation.0].scope().split('/').next(), Some(layer.name.as_str()));
        }
    }
    assert_eq!(lowered.layers.iter().map(|l| l.relations.len()).sum::<usize>(), lowered.program.relations().len());
    let ranges: Vec<_> = lowered.tables().into_iter().filter(|t| t.table.starts_with("range")).collect();
    assert_eq!(ranges.len(), 1, "one range table for the network: {ranges:?}");
    assert!(lowered.accuracy(&sample).unwrap().max_steps < 4.0);
}

mod forgeries {
    use super::*;

    fn put_limbs(lowered: &Lowered, witness: &mut Witness, name: &str, value: i64) -> String {
        common::put_limbs_at(lowered, witness, name, 0, value)
    }

    /// A small layer with an honest witness.
    fn honest() -> (Lowered, Witness) {
        let gain = [1.0, -0.75, 0.5, 1.25, 1.0];
        let lowered = network(2, &gain, 0.02, 1e-5, Some(12));
        let witness = accept(&lowered, &[3, -128, 127, 0, 55, 1, 0, -2, 1, 0]);
        (lowered, witness)
    }

    /// Recomputes everything after the window from forged `p`, `a'` and `r`, as a cheating prover would: all
    /// equations hold over the integers, and what cannot be right ends up outside its range.
    fn continue_with(lowered: &Lowered, witness: &mut Witness, power: i64, normalised: i64, root: i64) {
        put(lowered, witness, "norm/power", power);
        put(lowered, witness, "norm/normalised", normalised);
        put_limbs(lowered, witness, "norm/above-window", normalised - (1 << 28));
        put_limbs(lowered, witness, "norm/below-window", (1 << 30) - 1 - normalised);
        put(lowered, witness, "norm/root", root);
        put_limbs(lowered, witness, "norm/root", root);
        put_limbs(lowered, witness, "norm/root-complement", (1 << 15) - root);
        let under = (1 << 58) - root * root * normalised;
        put(lowered, witness, "norm/root-product", root * normalised);
        put(lowered, witness, "norm/root-square", root * root * normalised);
        put_limbs(lowered, witness, "norm/under", under);
        put_limbs(lowered, witness, "norm/over", (2 * root + 1) * normalised - 1 - under);
        put(lowered, witness, "norm/weight", root * power);
        let multiplier = parameter(lowered, "norm", "multiplier") as i64;
        put(lowered, witness, "norm/scaled-weight", root * power * multiplier);
        outputs(lowered, witness);
    }

    /// Recomputes the first row's accumulators and outputs from its weight.
    fn outputs(lowered: &Lowered, witness: &mut Witness) {
        let weight = scalar(lowered, witness, "norm/scaled-weight");
        let shift = parameter(lowered, "norm", "shift") as u32;
        let [x, gain] = ["input", "norm/gain"].map(|n| values(lowered, witness, n));
        let [mut acc, mut z, mut y] =
            ["norm/accumulator", "norm/quotient", "norm/output"].map(|n| values(lowered, witness, n));
        let mut limbs: Vec<Vec<i64>> =
            (0..shift / 12).map(|k| values(lowered, witness, &format!("norm/remainder.{k}"))).collect();
        for i in 0..gain.len() {
            acc[i] = signed(i128::from(x[i] * gain[i]) * i128::from(weight));
            let rounded = i128::from(acc[i]) + (1 << (shift - 1));
            z[i] = (rounded >> shift) as i64;
            y[i] = z[i].clamp(-128, 127);
            limbs.iter_mut().enumerate().for_each(|(k, limb)| limb[i] = (rounded >> (12 * k) & 4095) as i64);
        }
        let program = &lowered.program;
        for (name, column) in [("norm/accumulator", acc), ("norm/quotient", z), ("norm/output", y)] {
            witness.set_i64(program, id(lowered, name), column);
        }
        for (k, limb) in limbs.into_iter().enumerate() {
            witness.set_i64(program, id(lowered, &format!("norm/remainder.{k}")), limb);
        }
    }

    #[test]
    fn the_helper_reproduces_the_honest_witness() {
        let (lowered, witness) = honest();
        let [p, a, r] = ["norm/power", "norm/normalised", "norm/root"].map(|n| scalar(&lowered, &witness, n));
        let mut same = witness.clone();
        continue_with(&lowered, &mut same, p, a, r);
        for (tensor, info) in lowered.program.tensors().iter().enumerate() {
            let [before, after] = [&witness, &same].map(|w| w.get(TensorId(tensor)).unwrap().to_i64());
            assert_eq!(before, after, "{}", info.name);
        }
    }

    #[test]
    fn every_other_root() {
        let (lowered, witness) = honest();
        let [p, a, r] = ["norm/power", "norm/normalised", "norm/root"].map(|n| scalar(&lowered, &witness, n));
        for (root, culprit) in [
            (r + 1, "norm/under"),
            (r - 1, "norm/over"),
            (0, "norm/under"),
            (-r, "norm/root"),
            (1 << 15, "norm/under"),
            (2 * r, "norm/root-complement"),
        ] {
            let mut forged = witness.clone();
            continue_with(&lowered, &mut forged, p, a, root);
            refused_by_lookup(&lowered, &forged, culprit);
        }
    }

    #[test]
    fn another_exponent() {
        let (lowered, witness) = honest();
        let [p, a, r] = ["norm/power", "norm/normalised", "norm/root"].map(|n| scalar(&lowered, &witness, n));
        let root = |a: i64| (K as i64 / a).isqrt();
        // e + 1 with a' unchanged.
        let mut forged = witness.clone();
        continue_with(&lowered, &mut forged, 2 * p, a, r);
        refused_by_equation(&lowered, &forged, "norm/normalise");
        // e + 1 and e - 1 carried through.
        let mut forged = witness.clone();
        continue_with(&lowered, &mut forged, 2 * p, 4 * a, root(4 * a));
        refused_by_lookup(&lowered, &forged, "norm/below-window");
        let mut forged = witness.clone();
        continue_with(&lowered, &mut forged, p / 2, a / 4, root(a / 4));
        refused_by_lookup(&lowered, &forged, "norm/above-window");
        // -p squares to the same a'.
        let mut forged = witness.clone();
        continue_with(&lowered, &mut forged, -p, a, r);
        refused_by_lookup(&lowered, &forged, "norm/power");
    }

    #[test]
    fn another_slack() {
        let (lowered, witness) = honest();
        let mut forged = witness.clone();
        let under = scalar(&lowered, &witness, "norm/under.0");
        put(&lowered, &mut forged, "norm/under.0", if under < 4095 { under + 1 } else { under - 1 });
        refused_by_equation(&lowered, &forged, "norm/root-below");
        let mut swapped = witness.clone();
        for k in 0..4 {
            put(
                &lowered,
                &mut swapped,
                &format!("norm/under.{k}"),
                scalar(&lowered, &witness, &format!("norm/over.{k}")),
            );
            put(
                &lowered,
                &mut swapped,
                &format!("norm/over.{k}"),
                scalar(&lowered, &witness, &format!("norm/under.{k}")),
            );
        }
        refused_by_equation(&lowered, &swapped, "norm/root-below");
    }

    /// Scaling the reciprocal root breaks the link to the input that one published system leaves out.
    #[test]
    fn a_scaled_weight() {
        let (lowered, witness) = honest();
        for factor in [2, -1, 0] {
            let mut forged = witness.clone();
            let weight = scalar(&lowered, &witness, "norm/weight");
            put(&lowered, &mut forged, "norm/weight", factor * weight);
            let multiplier = parameter(&lowered, "norm", "multiplier") as i64;
            put(&lowered, &mut forged, "norm/scaled-weight", factor * weight * multiplier);
            outputs(&lowered, &mut forged);
            refused_by_equation(&lowered, &forged, "norm/weight");
        }
    }

    #[test]
    fn another_quotient() {
        let (lowered, witness) = honest();
        let shift = parameter(&lowered, "norm", "shift") as u32;
        let remainder = common::limbs_at(&lowered, &witness, "norm/remainder", 0);
        let z = scalar(&lowered, &witness, "norm/quotient");
        for step in [1, -1] {
            let mut forged = witness.clone();
            put(&lowered, &mut forged, "norm/quotient", z + step);
            put(&lowered, &mut forged, "norm/output", (z + step).clamp(-128, 127));
            // The remainder alone: wrong equation.
            refused_by_equation(&lowered, &forged, "norm/requantise");
            // Carried into the remainder: negative, or 2^t and more.
            let last = put_limbs(&lowered, &mut forged, "norm/remainder", remainder - (step << shift));
            refused_by_lookup(&lowered, &forged, &last);
        }
    }

    #[test]
    fn another_output_for_a_quotient() {
        let (lowered, witness) = honest();
        let y = scalar(&lowered, &witness, "norm/output");
        for other in [y + 1, y - 1, -y, 127, -128] {
            if other != y {
                let mut forged = witness.clone();
                put(&lowered, &mut forged, "norm/output", other);
                refused_by_lookup(&lowered, &forged, "norm/output");
            }
        }
        let mut forged = witness;
        put(&lowered, &mut forged, "norm/output", 128);
        let verdict = check_witness::<Goldilocks>(&lowered.program, &forged);
        assert!(matches!(verdict, Err(Violation::Bounds { .. })), "{verdict:?}");
    }

    /// The clamp table at its corners: quotients -129, -128, 127, 128.
    #[test]
    fn clamp_edges() {
        let (lowered, _) = honest();
        let table = common::table(&lowered, "norm/clamp");
        for (z, y) in [(-129, -128), (-128, -128), (127, 127), (128, 127)] {
            assert!(table.find(&[z, y]).is_some(), "({z}, {y})");
        }
        for (z, y) in [(-129, -129), (128, 128), (127, 126), (-128, 127)] {
            assert!(table.find(&[z, y]).is_none(), "({z}, {y})");
        }
    }

    #[test]
    fn honest_outputs_are_clamped_at_both_ends() {
        let lowered = network(2, &[1.0; 64], 0.02, 1e-5, None);
        let spike = |at: usize, value: i64| (0..64).map(move |i| if i == at { value } else { 1 });
        let input: Vec<i64> = spike(3, 127).chain(spike(60, -128)).collect();
        let witness = accept(&lowered, &input);
        assert_eq!(witness.get(lowered.output).unwrap().range(), Some((-128, 127)));
        let (lo, hi) = witness.get(id(&lowered, "norm/quotient")).unwrap().range().unwrap();
        assert!(lo < -128 && hi > 127, "[{lo}, {hi}]");
    }

    /// `h = r·a'` has a solution modulo `p` for every `h`: a forged root hides behind a wrapped product unless
    /// its limbs are range checked. The equations all hold in the field; the lookups refuse.
    #[test]
    fn wrapped_root() {
        let (lowered, witness) = honest();
        let a = i128::from(scalar(&lowered, &witness, "norm/normalised"));
        let [p, r] = ["norm/power", "norm/root"].map(|n| scalar(&lowered, &witness, n));
        let inverse = power_mod(a, P - 2);
        // Another root: q = r²·a' = K + j·p for some integer j, so that r² = (K + j·p)/a' mod p is a square.
        let root = (0..64).find_map(|under| square_root_mod((K - under) * inverse % P).map(|s| (s, under)));
        let (root, under) = root.unwrap();
        assert_eq!((root * root % P) * a % P, K - under);
        assert!(signed(root).abs() > 1 << 16, "not the honest root {r}");
        let mut forged = witness.clone();
        continue_with(&lowered, &mut forged, p, a as i64, r);
        put(&lowered, &mut forged, "norm/root", signed(root));
        put_limbs(&lowered, &mut forged, "norm/root", signed(root));
        put_limbs(&lowered, &mut forged, "norm/root-complement", signed((1 << 15) - root));
        put(&lowered, &mut forged, "norm/root-product", signed(root * a % P));
        put(&lowered, &mut forged, "norm/root-square", (K - under) as i64);
        put_limbs(&lowered, &mut forged, "norm/under", under as i64);
        let over = (2 * root * a + a - 1 - under).rem_euclid(P);
        put_limbs(&lowered, &mut forged, "norm/over", signed(over));
        let weight = signed(root * i128::from(p) % P);
        put(&lowered, &mut forged, "norm/weight", weight);
        let multiplier = parameter(&lowered, "norm", "multiplier");
        put(&lowered, &mut forged, "norm/scaled-weight", signed(i128::from(weight) * multiplier));
        outputs(&lowered, &mut forged);
        // All equations hold modulo p; the range checks of the root refuse.
        let equations = common::part(&lowered.program, |r| r.kind() != "lookup");
        let ranges = common::part(&lowered.program, |r| r.scope() == "norm/range");
        check_witness::<Goldilocks>(&equations, &forged).unwrap();
        match check_witness::<Goldilocks>(&ranges, &forged) {
            Err(Violation::Lookup { tensors, .. }) => assert!(tensors.starts_with("norm/root"), "{tensors}"),
            other => panic!("{other:?}"),
        }
    }

    fn power_mod(base: i128, mut exponent: i128) -> i128 {
        let p = P as u128;
        let (mut base, mut result) = (base.rem_euclid(P) as u128, 1_u128);
        while exponent > 0 {
            if exponent & 1 == 1 {
                result = result * base % p;
            }
            base = base * base % p;
            exponent >>= 1;
        }
        result as i128
    }

    /// Tonelli-Shanks for `P = 2^32·q + 1` with generator 7.
    fn square_root_mod(n: i128) -> Option<i128> {
        if power_mod(n, (P - 1) / 2) != 1 {
            return None;
        }
        let q = (P - 1) >> 32;
        let mul = |a: i128, b: i128| (a as u128 * b as u128 % P as u128) as i128;
        let mut c = power_mod(7, q);
        let (mut t, mut root, mut m) = (power_mod(n, q), power_mod(n, (q + 1) / 2), 32);
        while t != 1 {
            let mut order = 0;
            let mut square = t;
            while square != 1 {
                square = mul(square, square);
                order += 1;
            }
            let b = power_mod(c, 1 << (m - order - 1));
            root = mul(root, b);
            c = mul(b, b);
            t = mul(t, c);
            m = order;
        }
        Some(root)
    }
}

mod refusals {
    use super::*;

    fn error(layer: RmsNorm, columns: usize, bits: u32, sample: &[f64]) -> String {
        let spec = NetworkSpec::calibrated([2, columns], bits, sample, vec![LayerSpec::RmsNorm(layer)]);
        spec.and_then(|spec| lower(&spec)).unwrap_err().to_string()
    }

    #[test]
    fn errors_name_the_layer_and_say_what_to_do() {
        let gain = vec![1.0; 4];
        let sample = [1.0, -2.0, 0.5, 3.0];
        assert!(error(norm("n", vec![1.0; 3], 0.0), 4, 8, &sample).contains("n: the gain has 3 values for rows of 4"));
        assert!(error(norm("n", gain.clone(), -1.0), 4, 8, &sample).contains("eps is -1"));
        assert!(error(norm("a/b", gain.clone(), 0.0), 4, 8, &sample).contains("without `/`"));
        assert!(error(norm("n", gain.clone(), 0.0), 4, 17, &sample).contains("17 bits"));
        assert!(error(norm("n", gain.clone(), 1e3), 4, 8, &[1e-6; 4]).contains("eps"));
        assert!(error(norm("n", gain.clone(), 0.0), 4, 8, &[1.0; 5]).contains("whole rows"));
        let narrow = RmsNorm { limb_bits: Some(21), ..norm("n", gain.clone(), 0.0) };
        assert!(error(narrow, 4, 8, &sample).contains("limbs of 21 bits"));
        let wide = error(norm("n", vec![1.0; 384], 0.0), 384, 16, &[1.0; 384]);
        assert!(wide.contains("at most 11 bits"), "{wide}");
        let nan = norm("n", vec![1.0, f64::NAN, 1.0, 1.0], 0.0);
        assert!(error(nan, 4, 8, &sample).contains("not finite"));
    }

    #[test]
    fn the_bits_that_the_refusal_names_are_accepted() {
        let sample: Vec<f64> = (0..768).map(|i| f64::from(i % 17) - 8.0).collect();
        let layer = RmsNorm { output_bits: 11, ..norm("n", vec![1.0; 384], 1e-5) };
        let spec = NetworkSpec::calibrated([2, 384], 11, &sample, vec![LayerSpec::RmsNorm(layer)]).unwrap();
        let lowered = lower(&spec).unwrap();
        lowered.program.check(Goldilocks::max_magnitude()).unwrap();
        let witness = lowered.forward(&lowered.input_quantisation.quantise(&sample)).unwrap();
        check_witness::<Goldilocks>(&lowered.program, &witness).unwrap();
    }

    #[test]
    fn inputs_out_of_bounds_or_of_another_length() {
        let lowered = network(1, &[1.0, 1.0], 0.02, 0.0, None);
        assert!(lowered.forward(&[1]).unwrap_err().to_string().contains("1 values for 2 cells"));
        assert!(lowered.infer(&[1, 128]).unwrap_err().to_string().contains("value 128 at index 1"));
    }
}

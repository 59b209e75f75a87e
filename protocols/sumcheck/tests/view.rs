//! Views: completeness against plain loops, windows read from behind, tampering, counted operations.

use std::sync::Arc;

use p3_field::{BasedVectorSpace, PrimeCharacteristicRing};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use zkml_core::{
    AxisGroup, AxisMap, Bn254, Bounds, Claim, Goldilocks, Goldilocks3, Instance, LayerProver, LayerVerifier, Program,
    ProverTranscript, Relation, Residence, Shape, Suite, TensorId, VerifierTranscript, View, Witness, mle,
};
use zkml_device::{Column, Device, count};
use zkml_sumcheck::{Sumcheck, view};

const SEED: u64 = 0x5eed_0011;

fn random<S: Suite>(rng: &mut StdRng) -> S::Challenge {
    let coefficients: Vec<S::Base> = (0..3).map(|_| S::from_i64(rng.random::<i64>())).collect();
    S::Challenge::from_basis_coefficients_fn(|i| coefficients[i])
}

fn shape(dims: &[usize]) -> Shape {
    Shape::new(dims).unwrap()
}

fn group(output: &[usize], input: &[usize], map: AxisMap) -> AxisGroup {
    AxisGroup { output: output.to_vec(), input: input.to_vec(), map }
}

fn window(stride: usize, dilation: usize, offset: i64) -> AxisMap {
    AxisMap::Window { stride, dilation, offset }
}

/// A view with the shapes of its output and its input.
struct Case {
    name: &'static str,
    output: Shape,
    input: Shape,
    groups: Vec<AxisGroup>,
    /// Input cell of an output cell, by indices: written out, not through the view.
    address: fn(&[usize]) -> Option<Vec<usize>>,
}

/// `i·s + u·d - p`, if it lies in `0..n`.
fn at(i: usize, u: usize, s: usize, d: usize, p: usize, n: usize) -> Option<usize> {
    (i * s + u * d).checked_sub(p).filter(|&a| a < n)
}

fn cases() -> Vec<Case> {
    let same = AxisGroup::same;
    vec![
        Case {
            name: "3x3 windows with padding",
            output: shape(&[2, 3, 5, 3, 6, 3]),
            input: shape(&[2, 3, 5, 6]),
            groups: vec![
                same(0, 0),
                same(1, 1),
                group(&[2, 3], &[2], window(1, 1, -1)),
                group(&[4, 5], &[3], window(1, 1, -1)),
            ],
            address: |y| Some(vec![y[0], y[1], at(y[2], y[3], 1, 1, 1, 5)?, at(y[4], y[5], 1, 1, 1, 6)?]),
        },
        Case {
            name: "stride 2, dilation 2, uneven padding",
            output: shape(&[1, 3, 4, 2, 5, 3]),
            input: shape(&[1, 3, 7, 9]),
            groups: vec![
                same(0, 0),
                same(1, 1),
                group(&[2, 3], &[2], window(2, 1, 0)),
                group(&[4, 5], &[3], window(2, 2, -2)),
            ],
            address: |y| Some(vec![y[0], y[1], at(y[2], y[3], 2, 1, 0, 7)?, at(y[4], y[5], 2, 2, 2, 9)?]),
        },
        Case {
            name: "one tap of a window",
            output: shape(&[3, 4]),
            input: shape(&[8, 3]),
            groups: vec![group(&[1], &[0], window(2, 1, 1)), same(0, 1)],
            address: |y| Some(vec![at(y[1], 0, 2, 1, 0, 8)? + 1, y[0]]),
        },
        Case {
            name: "transposition",
            output: shape(&[3, 5, 2]),
            input: shape(&[2, 3, 5]),
            groups: vec![same(2, 0), same(0, 1), same(1, 2)],
            address: |y| Some(vec![y[2], y[0], y[1]]),
        },
        Case {
            name: "flattening unaligned axes",
            output: shape(&[2, 45]),
            input: shape(&[2, 3, 3, 5]),
            groups: vec![same(0, 0), group(&[1], &[1, 2, 3], AxisMap::Reshape)],
            address: |y| Some(vec![y[0], y[1] / 15, y[1] / 5 % 3, y[1] % 5]),
        },
        Case {
            name: "aligned reshape",
            output: shape(&[6, 1, 4]),
            input: shape(&[3, 8]),
            groups: vec![group(&[0, 1, 2], &[0, 1], AxisMap::Reshape)],
            address: |y| Some(vec![y[0] / 2, y[0] % 2 * 4 + y[2]]),
        },
    ]
}

/// Indices of a flat row-major cell.
fn indices(shape: &Shape, mut cell: usize) -> Vec<usize> {
    let mut indices: Vec<usize> = shape.dims().iter().rev().map(|&n| (cell % n, cell /= n).0).collect();
    indices.reverse();
    indices
}

fn flat(shape: &Shape, indices: &[usize]) -> usize {
    shape.dims().iter().zip(indices).fold(0, |sum, (&n, &i)| sum * n + i)
}

impl Case {
    fn view(&self) -> View {
        View { scope: "test".to_owned(), output: TensorId(1), input: TensorId(0), groups: self.groups.clone() }
    }

    fn apply(&self, input: &[i64]) -> Vec<i64> {
        let cell = |cell| (self.address)(&indices(&self.output, cell)).map_or(0, |a| input[flat(&self.input, &a)]);
        (0..self.output.cells()).map(cell).collect()
    }

    fn claim<S: Suite>(&self, cells: &[i64], rng: &mut StdRng) -> Claim<S::Challenge> {
        let point: Vec<_> = (0..self.output.variables()).map(|_| random::<S>(rng)).collect();
        let value = mle::evaluate(&self.output, &point, |i| S::from_i64(cells[i]));
        Claim::new(TensorId(1), point, value)
    }
}

fn draw(rng: &mut StdRng, cells: usize) -> Vec<i64> {
    (0..cells).map(|_| rng.random_range(-128..128)).collect()
}

fn round_trips<S: Suite>() {
    let mut rng = StdRng::seed_from_u64(SEED);
    for case in cases() {
        let (name, view) = (case.name, case.view());
        assert_eq!(view.fault(&case.output, &case.input), None, "{name}");
        let input = draw(&mut rng, case.input.cells());
        let output = case.apply(&input);
        let column = Column::with_bounds(input.clone(), 0, 0);
        let gathered = column.gather(&view.cells(&case.output, &case.input)).to_i64();
        assert_eq!(gathered, output, "{name}");
        let claim = case.claim::<S>(&output, &mut rng);
        let mut prover = ProverTranscript::<S>::new();
        let mine = view::prove(
            &view,
            &case.output,
            &case.input,
            &Arc::new(column.clone()),
            &claim,
            &mut prover,
            &Device::cpu(),
        )
        .unwrap();
        let truth = mle::evaluate(&case.input, &mine.point, |i| S::from_i64(input[i]));
        assert_eq!(mine.value, truth, "{name}, seed {SEED}");
        let proof = prover.finish().0;
        assert_eq!(
            proof.len(),
            view::cost::<S>(&view, &case.output, &case.input).proof_elements * S::challenge_bytes()
        );
        let verify = |view: &View, claim: &Claim<S::Challenge>, proof: &[u8]| {
            let mut verifier = VerifierTranscript::<S>::new(proof);
            let theirs = view::verify(view, &case.output, &case.input, claim, &mut verifier)?;
            verifier.finish().map(|()| theirs)
        };
        assert_eq!(verify(&view, &claim, &proof).as_ref(), Ok(&mine), "{name}");
        // Whatever changes, no true claim comes out.
        let is_true = |claim: &Claim<S::Challenge>| {
            claim.value == mle::evaluate(&case.input, &claim.point, |i| S::from_i64(input[i]))
        };
        for byte in (0..proof.len()).step_by(5) {
            let mut changed = proof.clone();
            changed[byte] ^= 1 << (byte % 7);
            assert!(verify(&view, &claim, &changed).is_err(), "{name}, byte {byte}, seed {SEED}");
        }
        let mut lie = claim.clone();
        lie.value += S::Challenge::ONE;
        assert!(!verify(&view, &lie, &proof).is_ok_and(|c| is_true(&c)), "{name}: a false claim");
        let mut dishonest = ProverTranscript::<S>::new();
        let theirs = view::prove(
            &view,
            &case.output,
            &case.input,
            &Arc::new(column.clone()),
            &lie,
            &mut dishonest,
            &Device::cpu(),
        )
        .unwrap();
        let accepted = verify(&view, &lie, &dishonest.finish().0);
        assert!(!accepted.is_ok_and(|c| c == theirs && is_true(&c)), "{name}: a false claim, proven");
    }
}

#[test]
fn claims_pass_through_views_goldilocks() {
    round_trips::<Goldilocks>();
}

#[test]
fn claims_pass_through_views_goldilocks3() {
    round_trips::<Goldilocks3>();
    round_trips::<Bn254>();
}

/// A claim that is true of one window is not proven by the proof of another.
#[test]
fn other_strides_offsets_and_dilations_are_rejected() {
    type S = Goldilocks;
    let mut rng = StdRng::seed_from_u64(SEED);
    let case = cases().swap_remove(1);
    let input = draw(&mut rng, case.input.cells());
    let column = Column::with_bounds(input.clone(), 0, 0);
    let claim = case.claim::<S>(&case.apply(&input), &mut rng);
    let mut prover = ProverTranscript::<S>::new();
    view::prove(
        &case.view(),
        &case.output,
        &case.input,
        &Arc::new(column.clone()),
        &claim,
        &mut prover,
        &Device::cpu(),
    )
    .unwrap();
    let proof = prover.finish().0;
    for map in [window(1, 2, -2), window(2, 1, -2), window(2, 2, -1), window(2, 2, 0), window(2, 2, -3)] {
        let mut other = case.view();
        other.groups[3].map = map;
        let mut verifier = VerifierTranscript::<S>::new(&proof);
        let result = view::verify(&other, &case.output, &case.input, &claim, &mut verifier);
        assert!(result.is_err(), "{map:?}, seed {SEED}");
    }
    let mut swapped = case.view();
    (swapped.groups[2].map, swapped.groups[3].map) = (swapped.groups[3].map, swapped.groups[2].map);
    let mut verifier = VerifierTranscript::<S>::new(&proof);
    assert!(view::verify(&swapped, &case.output, &case.input, &claim, &mut verifier).is_err());
}

#[test]
fn predicted_products_of_a_large_view_are_counted() {
    type S = Goldilocks;
    let mut rng = StdRng::seed_from_u64(SEED);
    let slide = |i: usize, axis: usize| group(&[i, i + 1], &[axis], window(1, 1, -1));
    let (output, input) = (shape(&[4, 64, 32, 3, 30, 3]), shape(&[4, 64, 32, 30]));
    let groups = vec![AxisGroup::same(0, 0), AxisGroup::same(1, 1), slide(2, 2), slide(4, 3)];
    let view = View { scope: "test".to_owned(), output: TensorId(1), input: TensorId(0), groups };
    let column = Column::with_bounds(draw(&mut rng, input.cells()), 0, 0);
    let point: Vec<_> = (0..output.variables()).map(|_| random::<S>(&mut rng)).collect();
    let claim = Claim::new(TensorId(1), point, random::<S>(&mut rng));
    let counted = count::snapshot();
    view::prove(
        &view,
        &output,
        &input,
        &Arc::new(column.clone()),
        &claim,
        &mut ProverTranscript::<S>::new(),
        &Device::cpu(),
    )
    .unwrap();
    let counted = count::snapshot().since(counted);
    let predicted = view::cost::<S>(&view, &output, &input);
    if counted.ext_mul > 0 {
        let off = |counted: u64, predicted: f64| (counted as f64 / predicted - 1.0).abs();
        assert!(off(counted.base_ext_mul, predicted.base_ext_mul) < 0.05, "{counted:?}, {predicted:?}");
        assert!(off(counted.ext_mul, predicted.ext_mul) < 0.05, "{counted:?}, {predicted:?}");
    }
}

/// The einsum over a window, the window a view or a tensor of its own: the same bytes and the same claims.
#[test]
fn windows_are_read_from_behind_as_counted() {
    type S = Goldilocks;
    let mut rng = StdRng::seed_from_u64(SEED);
    let pairs = cases().into_iter().take(2).flat_map(|_| ["bciujv,ocuv->boij", "bciujv->bcij"]);
    for (i, subscripts) in pairs.enumerate() {
        let case = cases().swap_remove(i / 2);
        let weighted = subscripts.contains(',');
        let input = draw(&mut rng, case.input.cells());
        let cells = case.apply(&input);
        let mut proofs = Vec::new();
        let (taps, filters) = (case.output.dims(), 4);
        let weights = draw(&mut StdRng::seed_from_u64(SEED), filters * taps[1] * taps[3] * taps[5]);
        for behind in [true, false] {
            let mut program = Program::default();
            let small = Bounds::new(-128, 127);
            let x = program.tensor("x", case.input.clone(), small, Residence::Public);
            let residence = if behind { Residence::Virtual } else { Residence::Public };
            let p = program.tensor("p", case.output.clone(), small, residence);
            let w = program.tensor("w", shape(&[filters, taps[1], taps[3], taps[5]]), small, Residence::Public);
            let channels = if weighted { filters } else { taps[1] };
            let sums = Bounds::new(i64::MIN / 4, i64::MAX / 4);
            let y = program.tensor("y", shape(&[taps[0], channels, taps[2], taps[4]]), sums, Residence::Virtual);
            let mut witness = Witness::default();
            witness.set_i64(&program, x, input.clone());
            witness.set_i64(&program, w, weights.clone());
            if behind {
                program.view("test/window", p, x, case.groups.clone());
            } else {
                witness.set_i64(&program, p, cells.clone());
            }
            let operands: &[TensorId] = if weighted { &[p, w] } else { &[p] };
            let einsum = program.einsum("test/sum", subscripts, y, operands).unwrap();
            let relation = &program.relations()[einsum.0];
            let instance = Instance { program: &program, relation, advice: &[] };
            let output = shape(&[taps[0], channels, taps[2], taps[4]]);
            let mut points = StdRng::seed_from_u64(SEED + 1);
            let point: Vec<_> = (0..output.variables()).map(|_| random::<S>(&mut points)).collect();
            let value = mle::evaluate(&output, &point, |cell| {
                S::from_i64(convolve(&indices(&output, cell), &case.output, &cells, weighted, &weights))
            });
            let claim = Claim::new(y, point, value);
            let mut prover = ProverTranscript::<S>::new();
            let counted = count::snapshot();
            let claims = Sumcheck.prove(&instance, &witness, Some(&claim), &mut prover, &Device::cpu()).unwrap();
            let counted = count::snapshot().since(counted);
            let predicted = LayerVerifier::<S>::cost(&Sumcheck, &instance);
            if counted.ext_mul > 0 {
                let off =
                    (counted.ext_mul + counted.base_ext_mul) as f64 / (predicted.ext_mul + predicted.base_ext_mul);
                assert!((0.95..1.05).contains(&off), "{}, {subscripts}, behind {behind}: {off}", case.name);
            }
            for claim in claims.iter().filter(|c| c.tensor == p) {
                let truth = mle::evaluate(&case.output, &claim.point, |i| S::from_i64(cells[i]));
                assert_eq!(claim.value, truth, "{}, {subscripts}, seed {SEED}", case.name);
            }
            let proof = prover.finish().0;
            let mut verifier = VerifierTranscript::<S>::new(&proof);
            assert_eq!(Sumcheck.verify(&instance, Some(&claim), &mut verifier).as_ref(), Ok(&claims));
            assert!(!proof.is_empty() && matches!(relation, Relation::Einsum(_)));
            proofs.push((proof, claims));
        }
        assert_eq!(proofs[0], proofs[1], "{}, {subscripts}", case.name);
    }
}

/// A grouped convolution: the view splits the channels, `[b, c, h, w]` to `[b, g, c, i, u, j, v]`, aligned or not. The
/// window is not gathered (the claim on it costs no more than reading the input), and nothing else changes.
#[test]
fn windows_of_split_channels_are_read_from_behind_as_counted() {
    type S = Goldilocks;
    let mut rng = StdRng::seed_from_u64(SEED);
    for (groups, own, filters) in [(3, 4, 2), (4, 1, 1), (2, 3, 5), (1, 6, 2)] {
        let (dims, rest) = ([2, groups, own, 6, 3, 4, 2], [6, 7]);
        let (input, output) = (shape(&[2, groups * own, rest[0], rest[1]]), shape(&dims));
        let axes = vec![
            AxisGroup::same(0, 0),
            group(&[1, 2], &[1], AxisMap::Reshape),
            group(&[3, 4], &[2], window(1, 1, -1)),
            group(&[5, 6], &[3], window(2, 1, -1)),
        ];
        let result = shape(&[2, groups, filters, 6, 4]);
        let x = draw(&mut rng, input.cells());
        let w = draw(&mut rng, groups * filters * own * 6);
        let mut proofs = Vec::new();
        let mut products = Vec::new();
        for behind in [true, false] {
            let mut program = Program::default();
            let small = Bounds::new(-128, 127);
            let source = program.tensor("x", input.clone(), small, Residence::Public);
            let residence = if behind { Residence::Virtual } else { Residence::Public };
            let p = program.tensor("p", output.clone(), small, residence);
            let weight = program.tensor("w", shape(&[groups, filters, own, 3, 2]), small, Residence::Public);
            let sums = Bounds::new(i64::MIN / 4, i64::MAX / 4);
            let y = program.tensor("y", result.clone(), sums, Residence::Virtual);
            let view = program.view("test/window", p, source, axes.clone());
            let Relation::View(view) = program.relations()[view.0].clone() else { unreachable!() };
            assert_eq!(view.fault(&output, &input), None);
            let mut witness = Witness::default();
            witness.set_i64(&program, source, x.clone());
            witness.set_i64(&program, weight, w.clone());
            let cells: Vec<i64> =
                view.cells(&output, &input).into_iter().map(|place| place.map_or(0, |place| x[place])).collect();
            if !behind {
                witness.set_i64(&program, p, cells.clone());
            }
            let einsum = program.einsum("test/sum", "bgciujv,gocuv->bgoij", y, &[p, weight]).unwrap();
            let instance = Instance { program: &program, relation: &program.relations()[einsum.0], advice: &[] };
            let point: Vec<_> = {
                let mut points = StdRng::seed_from_u64(SEED + 2);
                (0..result.variables()).map(|_| random::<S>(&mut points)).collect()
            };
            let value = mle::evaluate(&result, &point, |cell| {
                let y = indices(&result, cell);
                let taps = (0..own).flat_map(|c| (0..3).flat_map(move |u| (0..2).map(move |v| (c, u, v))));
                let product = |(c, u, v)| {
                    let at = flat(&output, &[y[0], y[1], c, y[3], u, y[4], v]);
                    cells[at] * w[(((y[1] * filters + y[2]) * own + c) * 3 + u) * 2 + v]
                };
                S::from_i64(taps.map(product).sum())
            });
            let claim = Claim::new(y, point, value);
            let mut prover = ProverTranscript::<S>::new();
            let counted = count::snapshot();
            let claims = Sumcheck.prove(&instance, &witness, Some(&claim), &mut prover, &Device::cpu()).unwrap();
            let counted = count::snapshot().since(counted);
            let predicted = LayerVerifier::<S>::cost(&Sumcheck, &instance);
            products.push(predicted.base_ext_mul);
            if counted.ext_mul > 0 {
                let off =
                    (counted.ext_mul + counted.base_ext_mul) as f64 / (predicted.ext_mul + predicted.base_ext_mul);
                assert!((0.95..1.05).contains(&off), "{groups} groups of {own}, behind {behind}: {off}");
            }
            let truth = mle::evaluate(&output, &claims[0].point, |i| S::from_i64(cells[i]));
            assert_eq!((claims[0].tensor, claims[0].value), (p, truth), "{groups} groups of {own}, seed {SEED}");
            let proof = prover.finish().0;
            let mut verifier = VerifierTranscript::<S>::new(&proof);
            assert_eq!(Sumcheck.verify(&instance, Some(&claim), &mut verifier).as_ref(), Ok(&claims));
            proofs.push((proof, claims));
        }
        assert_eq!(proofs[0], proofs[1], "{groups} groups of {own}");
        // The first pass reads the input's cells, not the window's.
        assert!(products[0] < products[1], "{groups} groups of {own}: {products:?}");
    }
}

/// One output cell of a convolution over window cells `[b, c, i, u, j, v]`, or the window's plain sum by channel.
fn convolve(y: &[usize], window: &Shape, cells: &[i64], weighted: bool, weights: &[i64]) -> i64 {
    let (channels, rows, columns) = (window.dims()[1], window.dims()[3], window.dims()[5]);
    let mut sum = 0;
    for c in 0..channels {
        for u in 0..rows {
            for v in 0..columns {
                let cell = cells[flat(window, &[y[0], c, y[2], u, y[3], v])];
                if weighted {
                    sum += cell * weights[((y[1] * channels + c) * rows + u) * columns + v];
                } else if c == y[1] {
                    sum += cell;
                }
            }
        }
    }
    sum
}

/// Groups that do not cover the axes, windows of no stride, reshapes that lose cells.
#[test]
fn faulty_views_are_named() {
    let (output, input) = (shape(&[2, 3]), shape(&[6]));
    let fault = |groups: Vec<AxisGroup>| {
        let view = View { scope: "test".to_owned(), output: TensorId(1), input: TensorId(0), groups };
        view.fault(&output, &input)
    };
    assert_eq!(fault(vec![group(&[0, 1], &[0], AxisMap::Reshape)]), None);
    let faults = [
        vec![],
        vec![group(&[0], &[0], AxisMap::Reshape)],
        vec![group(&[0, 1, 1], &[0], AxisMap::Reshape)],
        vec![group(&[0, 9], &[0], AxisMap::Reshape)],
        vec![group(&[0, 1], &[0], window(0, 1, 0))],
        vec![group(&[0, 1], &[0], window(1, 0, 0))],
        vec![group(&[0, 1], &[0], window(1, 1, i64::MIN))],
        vec![group(&[0, 1], &[0], window(usize::MAX, 1, 0))],
    ];
    for groups in faults {
        assert!(fault(groups.clone()).is_some(), "{groups:?}");
    }
    let other = View {
        scope: "test".to_owned(),
        output: TensorId(1),
        input: TensorId(0),
        groups: vec![group(&[0, 1], &[0], AxisMap::Reshape)],
    };
    assert!(other.fault(&output, &shape(&[7])).is_some());
}

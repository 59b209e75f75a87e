//! Random views: what the verifier evaluates is the view's matrix, cell by cell, padding included.

use proptest::prelude::*;
use rand::rngs::StdRng;
use rand::seq::SliceRandom;
use rand::{RngExt, SeedableRng};
use zkml_core::{AxisGroup, AxisMap, Bounds, Goldilocks, Program, Residence, Shape, Suite, TensorId, View, mle};

type F = <Goldilocks as Suite>::Challenge;

fn random_point(rng: &mut StdRng, count: usize) -> Vec<F> {
    (0..count).map(|_| F::from(Goldilocks::from_i64(rng.random::<i64>()))).collect()
}

/// Axis lengths whose product is `cells`, in random places between axes of length 1.
fn factors(rng: &mut StdRng, cells: usize) -> Vec<usize> {
    let mut dims = vec![1; rng.random_range(0..2)];
    let mut rest = cells;
    while rest > 1 {
        let divisors: Vec<usize> = (2..=rest).filter(|d| rest.is_multiple_of(*d)).collect();
        let own = divisors[rng.random_range(0..divisors.len())];
        dims.push(own);
        rest /= own;
    }
    dims.extend(vec![1; rng.random_range(0..2)]);
    dims
}

/// A view of up to three groups, its axes in any order.
fn random_view(rng: &mut StdRng) -> (View, Shape, Shape) {
    let mut sides: [Vec<(usize, usize)>; 2] = [Vec::new(), Vec::new()];
    let mut maps = Vec::new();
    for g in 0..rng.random_range(1..=3) {
        let (own, theirs, map) = if rng.random_bool(0.5) {
            let cells = [1, 2, 3, 4, 5, 6, 8, 12, 15, 16, 24][rng.random_range(0..11)];
            (factors(rng, cells), factors(rng, cells), AxisMap::Reshape)
        } else {
            let own = (0..rng.random_range(1..=2)).map(|_| rng.random_range(1..=5)).collect();
            let (stride, dilation, offset) = (rng.random_range(1..4), rng.random_range(1..4), rng.random_range(-6..7));
            (own, vec![rng.random_range(1..10)], AxisMap::Window { stride, dilation, offset })
        };
        for (side, dims) in sides.iter_mut().zip([own, theirs]) {
            side.extend(dims.into_iter().map(|n| (g, n)));
        }
        maps.push(map);
    }
    let mut groups: Vec<AxisGroup> =
        maps.into_iter().map(|map| AxisGroup { output: Vec::new(), input: Vec::new(), map }).collect();
    let mut shapes = Vec::new();
    for (s, side) in sides.iter().enumerate() {
        // Where each axis lies; the order within a group is the order of the group's lengths.
        let mut places: Vec<usize> = (0..side.len()).collect();
        places.shuffle(rng);
        let mut dims = vec![1; side.len()];
        for (&(g, n), &place) in side.iter().zip(&places) {
            dims[place] = n;
            if s == 0 { groups[g].output.push(place) } else { groups[g].input.push(place) }
        }
        shapes.push(Shape::new(dims).unwrap());
    }
    groups.shuffle(rng);
    let view = View { scope: "v/view".to_owned(), output: TensorId(1), input: TensorId(0), groups };
    let input = shapes.pop().unwrap();
    (view, shapes.pop().unwrap(), input)
}

/// Indices of a flat row-major cell.
fn indices(dims: &[usize], mut cell: usize) -> Vec<usize> {
    let mut indices: Vec<usize> = dims.iter().rev().map(|&n| (cell % n, cell /= n).0).collect();
    indices.reverse();
    indices
}

fn flat(dims: &[usize], indices: &[usize]) -> usize {
    dims.iter().zip(indices).fold(0, |sum, (&n, &i)| sum * n + i)
}

/// The address of an output cell, from the definition of each group.
fn address(view: &View, output: &Shape, input: &Shape, cell: usize) -> Option<usize> {
    let y = indices(output.dims(), cell);
    let mut x = vec![0; input.dims().len()];
    for group in &view.groups {
        let pick = |axes: &[usize], of: &[usize]| axes.iter().map(|&a| of[a]).collect::<Vec<_>>();
        let own = pick(&group.output, &y);
        let theirs = pick(&group.input, input.dims());
        match group.map {
            AxisMap::Reshape => {
                let at = flat(&pick(&group.output, output.dims()), &own);
                for (&axis, index) in group.input.iter().zip(indices(&theirs, at)) {
                    x[axis] = index;
                }
            }
            AxisMap::Window { stride, dilation, offset } => {
                let tap = own.get(1).copied().unwrap_or(0);
                let at = (own[0] * stride + tap * dilation) as i64 + offset;
                if at < 0 || at >= theirs[0] as i64 {
                    return None;
                }
                x[group.input[0]] = at as usize;
            }
        }
    }
    Some(flat(input.dims(), &x))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    /// `output~(r) = Σ_x X(x)·Π_g M_g(r_g, x_g)`, by the verifier's own `M_g`, over every corner of the padded cube.
    #[test]
    fn the_product_of_the_groups_is_the_matrix_of_the_view(seed in any::<u64>()) {
        let mut rng = StdRng::seed_from_u64(seed);
        let (view, output, input) = random_view(&mut rng);
        prop_assert_eq!(view.fault(&output, &input), None, "{:?}", view);
        let addresses: Vec<_> = (0..output.cells()).map(|cell| address(&view, &output, &input, cell)).collect();
        prop_assert_eq!(view.cells(&output, &input), addresses.clone(), "{:?}", view);
        prop_assert_eq!(view.fills(&output, &input), addresses.contains(&None), "{:?}", view);
        let x: Vec<i64> = (0..input.cells()).map(|_| rng.random_range(1..100)).collect();
        let r = random_point(&mut rng, output.variables());
        let truth: F = mle::evaluate(&output, &r, |i| Goldilocks::from_i64(addresses[i].map_or(0, |a| x[a])));
        // The input's extension at s is a sum over its corners too: evaluate both at one random point s instead.
        let mut sum = F::from(Goldilocks::from_i64(0));
        for (cell, &value) in x.iter().enumerate() {
            let corner = corner(&input, cell);
            let weight: F = view.groups.iter().map(|group| {
                let own = view.output_coordinates(group, &output, &r);
                group.evaluate(&output, &input, &own, &coordinates(&input, &group.input, &corner))
            }).product();
            sum += weight * F::from(Goldilocks::from_i64(value));
        }
        prop_assert_eq!(sum, truth, "{:?} from {} to {}, seed {}", view, input, output, seed);
        for group in &view.groups {
            let own = view.output_coordinates(group, &output, &r);
            if group.is_free(&output, &input) {
                let variables: usize = group.input.iter().map(|&a| input.axis_variables()[a]).sum();
                prop_assert_eq!(own.len(), variables, "{:?}", group);
            }
            let s = random_point(&mut rng, group.input.iter().map(|&a| input.axis_variables()[a]).sum());
            let lengths: Vec<usize> = group.input.iter().map(|&a| input.dims()[a]).collect();
            let partial = group.partial(&output, &input, &own);
            let sub = Shape::new(lengths).unwrap();
            let at = |cell: usize| mle::eq_eval(&corner(&sub, cell), &s);
            let expected: F = partial.iter().enumerate().map(|(cell, &p)| p * at(cell)).sum();
            if !group.is_free(&output, &input) {
                prop_assert_eq!(group.evaluate(&output, &input, &own, &s), expected, "{:?}", group);
            }
        }
    }

    /// Bounds of a view hold for every cell of every input within its bounds, and are reached.
    #[test]
    fn bounds_of_a_view_are_those_of_its_cells(seed in any::<u64>(), lo in -9_i64..9, length in 0_i64..9) {
        let mut rng = StdRng::seed_from_u64(seed);
        let (view, output, input) = random_view(&mut rng);
        let zeros = (0..output.cells()).any(|cell| address(&view, &output, &input, cell).is_none());
        let (bottom, top) = if zeros { (lo.min(0), (lo + length).max(0)) } else { (lo, lo + length) };
        let accepted = |declared: Bounds| {
            let mut program = Program::default();
            let x = program.tensor("v/x", input.clone(), Bounds::new(lo, lo + length), Residence::Public);
            let y = program.tensor("v/y", output.clone(), declared, Residence::Virtual);
            program.view("v/view", y, x, view.groups.clone());
            program.check(Goldilocks::max_magnitude()).is_ok()
        };
        prop_assert!(accepted(Bounds::new(bottom, top)), "{:?}", view);
        prop_assert!(!accepted(Bounds::new(bottom + 1, top)) && !accepted(Bounds::new(bottom, top - 1)), "{:?}", view);
    }
}

/// A length that a key may state.
fn hostile_length(rng: &mut StdRng) -> usize {
    [1, 1, 2, 3, 7, 1 << 12, 3 << 11, (1 << 24) - 1, 1 << 24, 1 << 30, 1 << 40][rng.random_range(0..11)]
}

fn hostile_groups(rng: &mut StdRng) -> Vec<AxisGroup> {
    let extremes = [0, 1, 2, 1 << 20, (1 << 20) + 1, 1 << 44, usize::MAX];
    let group = |rng: &mut StdRng| {
        let mut axes = || {
            let axis = |rng: &mut StdRng| [0, 0, 1, 1, 2, usize::MAX][rng.random_range(0..6)];
            (0..rng.random_range(0..3)).map(|_| axis(rng)).collect::<Vec<_>>()
        };
        let (output, input) = (axes(), axes());
        let map = if rng.random_bool(0.5) {
            AxisMap::Reshape
        } else {
            let [stride, dilation] = [0, 0].map(|_| extremes[rng.random_range(0..extremes.len())]);
            let offset = [0, -1, 1, -1 << 20, 1 << 20, i64::MIN, i64::MAX][rng.random_range(0..7)];
            AxisMap::Window { stride, dilation, offset }
        };
        AxisGroup { output, input, map }
    };
    (0..rng.random_range(0..4)).map(|_| group(rng)).collect()
}

/// Whatever a key says, the bounds pass answers, and at once.
#[test]
fn hostile_views_are_judged() {
    let start = std::time::Instant::now();
    let (mut refused, mut accepted) = (0, 0);
    for seed in 0..20_000 {
        let mut rng = StdRng::seed_from_u64(seed);
        let mut program = Program::default();
        let mut tensor = |name: &str, residence| loop {
            let dims: Vec<usize> = (0..rng.random_range(0..4)).map(|_| hostile_length(&mut rng)).collect();
            if let Some(shape) = Shape::new(dims) {
                return program.tensor(name, shape, Bounds::new(-1, 1), residence);
            }
        };
        let tensors = [tensor("x", Residence::Public), tensor("y", Residence::Virtual), tensor("z", Residence::Public)];
        for (k, (output, input)) in [(1, 0), (2, 1), (1, 1)].into_iter().enumerate() {
            let groups = if rng.random_bool(0.5) {
                hostile_groups(&mut rng)
            } else {
                let axes = |t: usize| (0..program.tensors()[t].shape.dims().len()).collect();
                let [stride, dilation] = [0, 0].map(|_| rng.random_range(1..1 << 20));
                let window = AxisMap::Window { stride, dilation, offset: rng.random_range(-1 << 20..1 << 20) };
                let map = if rng.random_bool(0.5) { AxisMap::Reshape } else { window };
                vec![AxisGroup { output: axes(output), input: axes(input), map }]
            };
            program.view(format!("r{k}/view"), tensors[output], tensors[input], groups);
        }
        match program.check(Goldilocks::max_magnitude()) {
            Ok(()) => accepted += 1,
            Err(_) => refused += 1,
        }
    }
    assert!(refused > 0 && accepted > 0, "{refused} refused, {accepted} accepted");
    assert!(start.elapsed().as_secs() < 30, "{:?}", start.elapsed());
}

/// The bits of a cell's indices.
fn corner(shape: &Shape, cell: usize) -> Vec<F> {
    let bits = indices(shape.dims(), cell).into_iter().zip(shape.axis_variables());
    let axis = |(index, n): (usize, usize)| {
        (0..n).rev().map(move |bit| F::from(Goldilocks::from_i64((index >> bit & 1) as i64)))
    };
    bits.flat_map(axis).collect()
}

/// The coordinates of some axes, in their order.
fn coordinates(shape: &Shape, axes: &[usize], point: &[F]) -> Vec<F> {
    let variables = shape.axis_variables();
    let own = |&axis: &usize| {
        let start: usize = variables[..axis].iter().sum();
        point[start..start + variables[axis]].to_vec()
    };
    axes.iter().flat_map(own).collect()
}

//! Every verb on the test double, or on the ICICLE in `ZKML_ICICLE_DIR`, gives the words that the reference gives.

mod common;

use p3_field::extension::BinomialExtensionField;
use p3_field::{Algebra, BasedVectorSpace, PrimeField64};
use p3_goldilocks::Goldilocks;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use zkml_device::reference::Reference;
use zkml_device::{
    Accelerator, Buffer, Column, Combination, DeviceError, Expression, FieldKind, Numerators, Point, Round, Sumcheck,
    Trace,
};

type E = BinomialExtensionField<Goldilocks, 2>;

const FIELD: FieldKind = FieldKind::Goldilocks2;
const SEEDS: std::ops::Range<u64> = 0..6;

/// Canonical words; every fourth one is an edge value.
fn words(rng: &mut StdRng, elements: usize) -> Vec<u64> {
    let edges = [0, 1, u64::from(u32::MAX), 1 << 32, Goldilocks::ORDER_U64 - 1, 1 << 63];
    let word = |i: usize, value: u64| if i.is_multiple_of(4) { edges[(value % 6) as usize] } else { value };
    (0..2 * elements).map(|i| word(i, rng.random_range(0..Goldilocks::ORDER_U64))).collect()
}

fn flat(values: &[E]) -> Vec<u64> {
    let coefficients = |e: &E| <E as BasedVectorSpace<Goldilocks>>::as_basis_coefficients_slice(e).to_vec();
    values.iter().flat_map(coefficients).map(|c| c.as_canonical_u64()).collect()
}

fn column(rng: &mut StdRng, len: usize) -> Column {
    let values = (0..len).map(|_| rng.random_range(-100_i64..100)).collect();
    match len % 4 {
        0 => Column::with_bounds(values, -100, 100),
        1 => Column::with_bounds(values, -1000, 1000),
        2 => Column::with_bounds(values, -100_000, 100_000),
        _ => Column::I64([i64::MIN, i64::MAX].into_iter().chain(values).take(len).collect()),
    }
}

/// Runs a verb on both devices and compares what they answer.
fn same(seed: u64, verb: impl Fn(&dyn Accelerator) -> Result<Vec<Buffer>, DeviceError>) {
    let ((_folder, device), reference) = (common::device(), Reference::new(1));
    let read = |device: &dyn Accelerator| -> Vec<Vec<u64>> {
        let buffers = verb(device).unwrap_or_else(|e| panic!("seed {seed}: {e}"));
        buffers.iter().map(|b| device.download(b).expect("a download")).collect()
    };
    assert_eq!(read(&*device), read(&reference), "seed {seed}");
}

#[test]
fn uploads_parts_and_eq_tables() {
    for seed in SEEDS {
        let rng = &mut StdRng::seed_from_u64(seed);
        let (values, scale) = (words(rng, 9 + seed as usize), words(rng, 1));
        let point = words(rng, seed as usize);
        same(seed, |device| {
            let buffer = device.upload(FIELD, &values)?;
            let [first, second] = buffer.clone().halves();
            Ok(vec![buffer, first, second, device.eq_table(FIELD, &point, &scale)?])
        });
    }
}

#[test]
fn contractions() {
    for seed in SEEDS {
        let rng = &mut StdRng::seed_from_u64(seed);
        for split in [[1, 6, 5], [4, 7, 1], [3, 4, 2], [1, 1, 1], [2, 1, 3], [5, 3, 3]] {
            let [rows, middle, inner] = split;
            let cells = column(rng, rows * middle * inner);
            let (elements, weights) = (words(rng, rows * middle * inner), words(rng, middle + seed as usize % 2));
            same(seed, |device| {
                let weights = device.upload(FIELD, &weights)?;
                let of_integers = device.contract(&device.upload_column(&cells)?, split, &weights)?;
                Ok(vec![of_integers, device.contract(&device.upload(FIELD, &elements)?, split, &weights)?])
            });
        }
    }
}

#[test]
fn combinations() {
    for seed in SEEDS {
        let rng = &mut StdRng::seed_from_u64(seed);
        for (columns, stored, range) in
            [(1, 10, 0..16), (2, 16, 0..16), (3, 13, 8..16), (2, 5, 8..16), (0, 4, 0..8), (3, 16, 3..9), (1, 4, 4..4)]
        {
            let data: Vec<Column> = (0..columns).map(|i| column(rng, 16 + i)).collect();
            let [coefficients, constant, tail] = [words(rng, columns), words(rng, 1), words(rng, 1)];
            same(seed, |device| {
                let columns = data.iter().map(|c| device.upload_column(c)).collect::<Result<Vec<_>, _>>()?;
                let combination = Combination {
                    field: FIELD,
                    columns: &columns,
                    coefficients: &coefficients,
                    constant: &constant,
                    stored,
                    tail: &tail,
                    range: range.clone(),
                };
                Ok(vec![device.combine(&combination)?])
            });
        }
    }
}

#[test]
fn fractions() {
    for seed in SEEDS {
        let rng = &mut StdRng::seed_from_u64(seed);
        for half in [1, 4, 32] {
            let (numerators, denominators) = (words(rng, 2 * half), words(rng, 2 * half));
            same(seed, |device| {
                let denominators = device.upload(FIELD, &denominators)?;
                let numerators = device.upload(FIELD, &numerators)?;
                let mut results = device.add_fractions(Numerators::Stored(&numerators), &denominators)?.to_vec();
                for ones in [0, 1, half - 1, half, half + 1, 2 * half, 9 * half] {
                    results.extend(device.add_fractions(Numerators::Ones(ones), &denominators)?);
                }
                Ok(results)
            });
        }
    }
}

/// Compositions with constants, parameters, differences, squares, unused values and several outputs.
fn bodies<A: Algebra<E> + Copy>(which: usize, x: &[A], lambda: E) -> Vec<A> {
    match which {
        0 => vec![x[0] * x[1] * x[2]],
        1 => vec![(x[0] - x[1]) * lambda + x[2].square(), x[1]],
        2 => vec![A::ONE - x[0] * (x[1] + lambda), -x[2] + x[0].double(), A::TWO, x[0] - A::from(lambda) - x[0]],
        _ => vec![x[2] * (x[0] * x[0] + x[1] * x[1]) - A::from(lambda) * A::from(lambda) + x[0] * x[1]],
    }
}

/// Lengths of the weights' lists for so many pairs: `(outer, inner)`.
fn weights(which: usize, pairs: usize) -> (usize, usize) {
    match which {
        0 => (0, 0),
        1 => (pairs, 0),
        2 => (0, pairs),
        3 => (1, pairs),
        4 => (0, pairs.div_ceil(4)),
        _ => {
            let outer = 1 << (pairs.ilog2() / 2);
            (outer, if which == 5 { pairs / outer } else { 0 })
        }
    }
}

fn all_rounds(device: &dyn Accelerator, seed: u64, variables: u32, composition: usize) -> Vec<Vec<u64>> {
    let rng = &mut StdRng::seed_from_u64(seed);
    let lambda = E::new([Goldilocks::new(rng.random()), Goldilocks::new(rng.random())]);
    let (expression, parameters) = Expression::trace(3, |x: &[Trace<E>]| bodies(composition, x, lambda));
    let factors = (0..3).map(|_| device.upload(FIELD, &words(rng, 1 << variables)).expect("an upload")).collect();
    let points = [Point::At(0), Point::At(1), Point::At(2), Point::At(5), Point::Infinity];
    let request = Sumcheck { field: FIELD, factors, expression, parameters: flat(&parameters) };
    let mut rounds = device.sumcheck(request).expect("a sumcheck");
    let (mut answers, mut bind) = (Vec::new(), None::<Vec<u64>>);
    for round in 0..variables {
        let (outer, inner) = weights(rng.random_range(0..7), 1 << (variables - 1 - round));
        let (outer, inner) = (words(rng, outer), words(rng, inner));
        let points = &points[..=rng.random_range(0..points.len())];
        let round = Round { bind: bind.as_deref(), points, outer: &outer, inner: &inner };
        answers.push(rounds.round(round).expect("a round"));
        bind = Some(words(rng, 1));
    }
    answers.extend(rounds.finish(bind.as_deref()).expect("the last values"));
    answers
}

#[test]
fn sumchecks() {
    let ((_folder, device), reference) = (common::device(), Reference::new(1));
    for seed in 0..12 {
        for (variables, composition) in [(1, 0), (2, 1), (5, 2), (6, 3), (7, 1)] {
            let [ours, theirs] = [&*device as &dyn Accelerator, &reference]
                .map(|device| all_rounds(device, seed, variables, composition));
            assert_eq!(ours, theirs, "seed {seed}, {variables} variables, composition {composition}");
        }
    }
}

#[test]
fn several_threads_share_the_device() {
    let ((_folder, device), reference) = (common::device(), Reference::new(1));
    std::thread::scope(|scope| {
        for seed in 0..8 {
            let (device, reference) = (&device, &reference);
            scope.spawn(move || assert_eq!(all_rounds(&**device, seed, 5, 2), all_rounds(reference, seed, 5, 2)));
        }
    });
}

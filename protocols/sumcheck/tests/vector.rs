//! Vector helpers against plain field arithmetic.

use p3_field::{BasedVectorSpace, PrimeCharacteristicRing};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use zkml_core::{Bn254, Goldilocks, Goldilocks3, Shape, Suite, mle};
use zkml_device::Column;
use zkml_sumcheck::vector::{self, Tensor, Vector};

const SEED: u64 = 0x5eed_0004;

fn random<S: Suite>(rng: &mut StdRng) -> S::Challenge {
    let coefficients: Vec<S::Base> = (0..3).map(|_| S::from_i64(rng.random::<i64>())).collect();
    S::Challenge::from_basis_coefficients_fn(|i| coefficients[i])
}

/// Weights whose limbs are at the ends of their ranges: `p - 1`, `(p ± 1) / 2` and neighbours, or random.
fn weight<S: Suite>(rng: &mut StdRng) -> S::Challenge {
    let half = (1_i64 << 62) - (1 << 30);
    let ends = [0, 1, -1, half, -half, (1 << 31) - 1, 1 << 31, (1 << 31) + 1, (1 << 32) - 1, -(1 << 31)];
    let mut coordinate = || {
        if rng.random::<bool>() {
            return S::from_i64(rng.random());
        }
        let end = S::from_i64(ends[rng.random_range(0..ends.len())]);
        [end, end.double(), end.double() + S::Base::ONE, end.double() - S::Base::ONE][rng.random_range(0..4)]
    };
    let coordinates = [coordinate(), coordinate(), coordinate()];
    S::Challenge::from_basis_coefficients_fn(|i| coordinates[i])
}

fn columns(rng: &mut StdRng, cells: usize) -> [Column; 4] {
    [
        Column::I8((0..cells).map(|i| [i8::MIN, i8::MAX, rng.random(), rng.random()][i % 4]).collect()),
        Column::I16((0..cells).map(|i| [i16::MIN, i16::MAX, rng.random(), rng.random()][i % 4]).collect()),
        Column::I32((0..cells).map(|i| [i32::MIN, i32::MAX, rng.random(), rng.random()][i % 4]).collect()),
        Column::I64((0..cells).map(|i| [i64::MIN, i64::MAX, rng.random(), rng.random()][i % 4]).collect()),
    ]
}

fn contractions<S: Suite>() {
    let mut rng = StdRng::seed_from_u64(SEED);
    for split in [[1, 1, 1], [3, 5, 7], [1, 40_000, 1], [2, 20_000, 3], [1, 33, 600], [70, 65, 1], [1, 6, 257]] {
        let [rows, middle, inner] = split;
        let weights: Vec<S::Challenge> = (0..middle).map(|_| weight::<S>(&mut rng)).collect();
        for column in columns(&mut rng, rows * middle * inner) {
            let expected: Vec<S::Challenge> = (0..rows * inner)
                .map(|i| {
                    let (a, b) = (i / inner, i % inner);
                    let cell = |m: usize| S::from_i64(column.get((a * middle + m) * inner + b).unwrap());
                    (0..middle).map(|m| weights[m] * cell(m)).sum()
                })
                .collect();
            assert_eq!(vector::contract_column::<S>(&column, split, &weights), expected, "{split:?}, seed {SEED}");
            let table: Vec<S::Challenge> = column.to_i64().iter().map(|&v| S::from_i64(v).into()).collect();
            assert_eq!(vector::contract_table::<S>(&table, split, &weights), expected, "{split:?}, seed {SEED}");
        }
    }
}

#[test]
fn contractions_agree_with_field_arithmetic() {
    contractions::<Goldilocks>();
    contractions::<Goldilocks3>();
    contractions::<Bn254>();
}

#[test]
fn missing_cells_and_weights_count_as_zero() {
    type S = Goldilocks;
    let three = <S as Suite>::Challenge::from_u64(3);
    let column = Column::I8(vec![1, 2, 3]);
    let short = vector::contract_column::<S>(&column, [2, 2, 1], &[three, three]);
    assert_eq!(short, [<S as Suite>::Challenge::from_u64(9), <S as Suite>::Challenge::ZERO + three * three]);
    let unweighted = vector::contract_column::<S>(&column, [1, 3, 1], &[three]);
    assert_eq!(unweighted, [three]);
}

#[test]
fn all_axes_but_one_are_contracted() {
    type S = Goldilocks;
    let mut rng = StdRng::seed_from_u64(SEED + 1);
    let dims = [3, 4, 5];
    let shape = Shape::new(dims).unwrap();
    let [column, ..] = columns(&mut rng, 60);
    for axis in 0..3 {
        let [first, second] = [[1, 2], [0, 2], [0, 1]][axis];
        let weights: Vec<_> = (0..dims[first] * dims[second]).map(|_| weight::<S>(&mut rng)).collect();
        let mut expected = vec![<S as Suite>::Challenge::ZERO; dims[axis]];
        for flat in 0..60 {
            let at = [flat / 20, flat / 5 % 4, flat % 5];
            expected[at[axis]] +=
                weights[at[first] * dims[second] + at[second]] * S::from_i64(column.get(flat).unwrap());
        }
        assert_eq!(Tensor::<S>::new(&column, &shape).contract_others(axis, &weights).unwrap(), expected, "axis {axis}");
        let mut table = Tensor::<S>::new(&column, &Shape::new([3, 4, 5, 1]).unwrap());
        table.contract(3, &[<S as Suite>::Challenge::ONE]).unwrap();
        assert_eq!(table.contract_others(axis, &weights).unwrap(), expected, "axis {axis}");
    }
}

fn tables<S: Suite>() {
    let mut rng = StdRng::seed_from_u64(SEED + 2);
    for n in 0..14 {
        let point: Vec<S::Challenge> = (0..n).map(|_| random::<S>(&mut rng)).collect();
        let scale = random::<S>(&mut rng);
        let eq = mle::eq_table(&point);
        assert_eq!(vector::eq_scalars::<S>(&point), eq);
        let scaled: Vec<S::Challenge> = eq.iter().map(|&e| e * scale).collect();
        assert_eq!(vector::eq_table::<S>(&point, scale).to_scalars(), scaled);
        let values: Vec<S::Challenge> = (0..1 << n).map(|_| random::<S>(&mut rng)).collect();
        let expected: S::Challenge = eq.iter().zip(&values).map(|(&e, &v)| e * v).sum();
        assert_eq!(vector::dot::<S>(&eq, &values), expected);
        assert_eq!(vector::evaluate_vector::<S>(values.clone(), &point), expected);
        let packed = Vector::<S>::from(values.clone());
        assert_eq!((packed.len(), packed.to_scalars()), (1 << n, values.clone()));
        let (left, right) = (Vector::<S>::from(eq.clone()).into_packed(), packed.into_packed());
        assert_eq!(vector::dot_packed::<S>(&left, &right), expected);
        if 1 << n >= 2 * vector::lanes::<S>() {
            let (mut bound, mut scalars) = (right, values);
            vector::bind_packed::<S>(&mut bound, scale);
            vector::bind::<S>(&mut scalars, scale);
            assert_eq!(vector::unpack::<S>(&bound), scalars);
        }
    }
}

#[test]
fn packed_tables_agree_with_plain_ones() {
    tables::<Goldilocks>();
    tables::<Goldilocks3>();
    tables::<Bn254>();
}

//! One run of each step, on the adapter and on the host, at sizes of `2^bits`. Times are in seconds.

use core::hint::black_box;
use std::time::Instant;

use p3_dft::{Radix2DFTSmallBatch, TwoAdicSubgroupDft};
use p3_field::extension::BinomialExtensionField;
use p3_field::{BasedVectorSpace, PrimeCharacteristicRing, PrimeField64, TwoAdicField};
use p3_goldilocks::Goldilocks;
use p3_matrix::dense::RowMajorMatrix;
use rayon::prelude::*;
use zkml_device::{
    Accelerator, Column, DeviceError, Expression, FieldKind, Fourier, IntegerEinsum, Numerators, Point, Round, Step,
    Sumcheck,
};

use crate::Gpu;

const FIELD: FieldKind = FieldKind::Goldilocks2;
type E = BinomialExtensionField<Goldilocks, 2>;

/// Words of some elements.
fn words(elements: usize) -> Vec<u64> {
    (0..elements as u64 * 2).map(|i| i.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 1).collect()
}

fn elements(count: usize) -> Vec<E> {
    words(count).chunks(2).map(|w| E::from_basis_coefficients_fn(|i| Goldilocks::new(w[i]))).collect()
}

fn bytes(count: usize) -> Vec<i8> {
    (0..count).map(|i| (i * 37) as i8).collect()
}

/// The side of a square with so many cells, rounded up to a power of two.
const fn side(bits: u32) -> usize {
    1 << bits.div_ceil(2)
}

/// A step on the adapter.
pub(crate) fn on_device(gpu: &Gpu, step: Step, bits: u32) -> Result<f64, DeviceError> {
    match step {
        Step::Rounds => device_rounds(gpu, bits),
        Step::Contract => device_contract(gpu, bits),
        Step::Tree => device_tree(gpu, bits),
        Step::Forward => device_forward(gpu, bits),
        Step::Encode => device_encode(gpu, bits),
    }
}

/// A step on the host.
pub(crate) fn on_host(step: Step, bits: u32) -> f64 {
    match step {
        Step::Rounds => host_rounds(bits),
        Step::Contract => host_contract(bits),
        Step::Tree => host_tree(bits),
        Step::Forward => host_forward(bits),
        Step::Encode => host_encode(bits),
    }
}

fn device_rounds(gpu: &Gpu, bits: u32) -> Result<f64, DeviceError> {
    let (expression, parameters) = Expression::trace::<E>(2, |x| vec![x[0] * x[1]]);
    let vector = words(1 << (bits - 1));
    let factors = (0..2).map(|_| gpu.upload(FIELD, &vector)).collect::<Result<_, _>>()?;
    let points = vec![Point::At(0), Point::At(2)];
    debug_assert!(parameters.is_empty());
    let request = Sumcheck { field: FIELD, factors, expression, parameters: Vec::new() };
    gpu.synchronize()?;
    let start = Instant::now();
    let mut rounds = gpu.sumcheck(request)?;
    for round in 0..bits - 1 {
        let bind = (round > 0).then_some(&[3, 5][..]);
        rounds.round(Round { bind, points: &points, outer: &[], inner: &[] })?;
    }
    rounds.finish(Some(&[3, 5]))?;
    Ok(start.elapsed().as_secs_f64())
}

fn device_contract(gpu: &Gpu, bits: u32) -> Result<f64, DeviceError> {
    let (columns, rows) = (side(bits), (1 << bits) / side(bits));
    let cells = gpu.upload_column(&Column::I8(bytes(1 << bits)))?;
    let weights = gpu.upload(FIELD, &words(columns))?;
    gpu.synchronize()?;
    let start = Instant::now();
    gpu.download(&gpu.contract(&cells, [rows, columns, 1], &weights)?)?;
    Ok(start.elapsed().as_secs_f64())
}

fn device_tree(gpu: &Gpu, bits: u32) -> Result<f64, DeviceError> {
    let mut denominators = gpu.upload(FIELD, &words(1 << bits))?;
    gpu.synchronize()?;
    let start = Instant::now();
    let mut numerators = None;
    while denominators.len() > 1 {
        let above = numerators.as_ref().map_or(Numerators::Ones(denominators.len()), Numerators::Stored);
        let [n, d] = gpu.add_fractions(above, &denominators)?;
        (numerators, denominators) = (Some(n), d);
    }
    gpu.download(&denominators)?;
    Ok(start.elapsed().as_secs_f64())
}

fn device_forward(gpu: &Gpu, bits: u32) -> Result<f64, DeviceError> {
    let n = 1 << (bits / 3);
    let values = Column::I8(bytes(n * n));
    let start = Instant::now();
    let operands = [gpu.upload_column(&values)?, gpu.upload_column(&values)?];
    let strides = [vec![n, 0, 1], vec![0, 1, n]];
    let largest = 128 * 128 * n as u64;
    gpu.einsum(&IntegerEinsum { operands: &operands, outer: &[n, n], inner: &[n], strides: &strides, largest })?;
    Ok(start.elapsed().as_secs_f64())
}

/// Columns of a code word: WHIR folds four variables at a time.
const WIDTH: usize = 16;

/// Logarithm of the rows of a code word, and its first half.
fn message(bits: u32) -> (u32, Vec<u64>) {
    let log_height = bits - WIDTH.ilog2();
    (log_height, words(WIDTH << log_height >> 2))
}

fn device_encode(gpu: &Gpu, bits: u32) -> Result<f64, DeviceError> {
    let (log_height, rows) = message(bits);
    let root = Goldilocks::two_adic_generator(log_height as usize).as_canonical_u64();
    let start = Instant::now();
    black_box(gpu.fourier(&Fourier { rows: &rows, width: WIDTH, log_height, root })?);
    Ok(start.elapsed().as_secs_f64())
}

fn host_encode(bits: u32) -> f64 {
    let (log_height, rows) = message(bits);
    let mut values: Vec<Goldilocks> = rows.into_iter().map(Goldilocks::new).collect();
    values.resize(WIDTH << log_height, Goldilocks::ZERO);
    let transform = Radix2DFTSmallBatch::new(1 << log_height);
    let start = Instant::now();
    black_box(transform.dft_batch(RowMajorMatrix::new(values, WIDTH)));
    start.elapsed().as_secs_f64()
}

fn host_rounds(bits: u32) -> f64 {
    let mut factors = [elements(1 << (bits - 1)), elements(1 << (bits - 1))];
    let start = Instant::now();
    while factors[0].len() > 1 {
        let _ = black_box(host_round(&mut factors));
    }
    start.elapsed().as_secs_f64()
}

fn host_contract(bits: u32) -> f64 {
    let (cells, weights) = (bytes(1 << bits), elements(side(bits)));
    let start = Instant::now();
    let dot = |row: &[i8]| row.iter().zip(&weights).map(|(&v, &w)| w * Goldilocks::from_i8(v)).sum::<E>();
    black_box(cells.par_chunks(weights.len()).map(dot).collect::<Vec<E>>());
    start.elapsed().as_secs_f64()
}

fn host_tree(bits: u32) -> f64 {
    let (mut n, mut d) = (vec![E::ONE; 1 << bits], elements(1 << bits));
    let start = Instant::now();
    while d.len() > 1 {
        let half = d.len() / 2;
        let node = |x: usize| (n[x] * d[x + half] + n[x + half] * d[x], d[x] * d[x + half]);
        (n, d) = (0..half).into_par_iter().with_min_len(1 << 10).map(node).unzip();
    }
    black_box((n, d));
    start.elapsed().as_secs_f64()
}

fn host_forward(bits: u32) -> f64 {
    let n = 1 << (bits / 3);
    let values = bytes(n * n);
    let start = Instant::now();
    let row = |left: &[i8]| {
        let mut sums = vec![0i32; n];
        for (right, &l) in values.chunks(n).zip(left) {
            sums.iter_mut().zip(right).for_each(|(sum, &r)| *sum += i32::from(l) * i32::from(r));
        }
        sums
    };
    black_box(values.par_chunks(n).flat_map_iter(row).collect::<Vec<i32>>());
    start.elapsed().as_secs_f64()
}

/// The sums at 0 and 2 of one round, and binding.
fn host_round(factors: &mut [Vec<E>; 2]) -> (E, E) {
    let half = factors[0].len() / 2;
    let [f, g] = &*factors;
    let term = |x: usize| {
        let at_two = |v: &[E]| v[x + half].double() - v[x];
        (f[x] * g[x], at_two(f) * at_two(g))
    };
    let pairs = (0..half).into_par_iter().with_min_len(1 << 10);
    let sums = pairs.map(term).reduce(|| (E::ZERO, E::ZERO), |a, b| (a.0 + b.0, a.1 + b.1));
    for factor in factors {
        let (low, high) = factor.split_at_mut(half);
        let bind = |(l, h): (&mut E, &E)| *l += (*h - *l) * E::TWO;
        low.par_iter_mut().with_min_len(1 << 10).zip(&*high).for_each(bind);
        factor.truncate(half);
    }
    sums
}

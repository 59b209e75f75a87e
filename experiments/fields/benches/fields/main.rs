//! Field operations, library by library: nanoseconds of CPU time per element over arrays that stay in cache, on one thread, and
//! per operation in a chain of dependent ones.

use std::hint::black_box;
use std::time::Duration;

use criterion::Throughput;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use zkml_fields::{Implementation, Prime, arkworks, kernels, plonky2, plonky3};

use crate::cpu::CpuTime;
use crate::report::{Mode, Record, Report};

mod cpu;
mod report;

type Bencher<'a> = criterion::Bencher<'a, CpuTime>;
type BenchmarkGroup<'a> = criterion::BenchmarkGroup<'a, CpuTime>;
type Criterion = criterion::Criterion<CpuTime>;

/// Elements of an array that an iteration works on, and steps of a chain. The arrays of a prime field of one word fit into a
/// first-level cache, all others into a second-level one.
const ELEMENTS: usize = 1024;

/// Elements that conversions work on, [`ELEMENTS`] per iteration.
const INTEGERS: usize = 64 * ELEMENTS;

/// Random integers below the modulus.
trait Random: Copy {
    fn random(rng: &mut StdRng, field: &str) -> Self;
}

impl Random for u64 {
    fn random(rng: &mut StdRng, field: &str) -> Self {
        let modulus = if field == "KoalaBear" { 0x7f00_0001 } else { 0xffff_ffff_0000_0001 };
        rng.random::<u64>() % modulus
    }
}

impl Random for [u64; 4] {
    /// Of 253 bits; BN254's modulus has 254.
    fn random(rng: &mut StdRng, _: &str) -> Self {
        let mut words: [u64; 4] = rng.random();
        words[3] >>= 3;
        words
    }
}

fn rng() -> StdRng {
    StdRng::seed_from_u64(1)
}

/// Random elements.
fn random<T: Implementation<Canonical: Random>>(elements: usize, rng: &mut StdRng) -> Vec<T::Value> {
    let value = |_| {
        let words: Vec<_> = (0..T::LANES * T::DEGREE).map(|_| T::Canonical::random(rng, T::FIELD)).collect();
        T::from_coefficients(|lane, power| words[lane * T::DEGREE + power])
    };
    (0..elements / T::LANES).map(value).collect()
}

/// A window of `length` that moves on by `step` with every call.
///
/// Branches on carries are as good as random in a prover. Over the same operands again and again a processor learns them by
/// heart, and they seem to cost nothing; so no iteration sees the pairs of the one before.
fn windows<'a, A>(pool: &'a [A], length: usize, step: usize) -> impl FnMut() -> &'a [A] {
    let mut start = 0;
    move || {
        start = if start + step + length > pool.len() { 0 } else { start + step };
        &pool[start..start + length]
    }
}

/// Times a kernel that reads two arrays and writes one.
fn arrays<T: Implementation<Canonical: Random>>(
    bencher: &mut Bencher,
    kernel: impl Fn(&[T::Value], &[T::Value], &mut [T::Value]),
) {
    let mut rng = rng();
    let (a, b) = (random::<T>(2 * ELEMENTS, &mut rng), random::<T>(ELEMENTS, &mut rng));
    let (mut out, mut window) = (b.clone(), windows(&a, b.len(), 1));
    bencher.iter(|| kernel(black_box(window()), black_box(&b), black_box(&mut out)));
}

fn multiply<T: Implementation<Canonical: Random>>(bencher: &mut Bencher) {
    arrays::<T>(bencher, kernels::multiply::<T>);
}

fn add<T: Implementation<Canonical: Random>>(bencher: &mut Bencher) {
    arrays::<T>(bencher, kernels::add::<T>);
}

fn multiply_accumulate<T: Implementation<Canonical: Random>>(bencher: &mut Bencher) {
    arrays::<T>(bencher, kernels::multiply_accumulate::<T>);
}

fn dot<T: Implementation<Canonical: Random>>(bencher: &mut Bencher) {
    let mut rng = rng();
    let (a, b) = (random::<T>(2 * ELEMENTS, &mut rng), random::<T>(ELEMENTS, &mut rng));
    let mut window = windows(&a, b.len(), 1);
    bencher.iter(|| kernels::dot::<T>(black_box(window()), black_box(&b)));
}

fn scale<T: Implementation<Canonical: Random>>(bencher: &mut Bencher) {
    let mut rng = rng();
    let a = random::<T>(ELEMENTS, &mut rng);
    let mut out = a.clone();
    let integers: Vec<i32> = (0..2 * ELEMENTS).map(|_| rng.random()).collect();
    let mut window = windows(&integers, ELEMENTS, T::LANES);
    bencher.iter(|| kernels::scale::<T>(black_box(&a), black_box(window()), black_box(&mut out)));
}

fn from_i64<T: Prime<Canonical: Random>>(bencher: &mut Bencher) {
    let mut rng = rng();
    let mut out = random::<T>(ELEMENTS, &mut rng);
    let integers: Vec<i64> = (0..INTEGERS).map(|_| rng.random()).collect();
    let mut window = windows(&integers, ELEMENTS, ELEMENTS);
    bencher.iter(|| kernels::from_i64::<T>(black_box(window()), black_box(&mut out)));
}

fn from_i8<T: Prime<Canonical: Random>>(bencher: &mut Bencher) {
    let mut rng = rng();
    let mut out = random::<T>(ELEMENTS, &mut rng);
    let integers: Vec<i8> = (0..INTEGERS).map(|_| rng.random()).collect();
    let mut window = windows(&integers, ELEMENTS, ELEMENTS);
    bencher.iter(|| kernels::from_i8::<T>(black_box(window()), black_box(&mut out)));
}

fn to_canonical<T: Prime<Canonical: Random>>(bencher: &mut Bencher) {
    let a = random::<T>(INTEGERS, &mut rng());
    let mut out = vec![T::Canonical::default(); ELEMENTS];
    let mut window = windows(&a, ELEMENTS, ELEMENTS);
    bencher.iter(|| kernels::to_canonical::<T>(black_box(window()), black_box(&mut out)));
}

/// Times a kernel of [`ELEMENTS`] steps, each of which, and the first of the next iteration, waits for the one before.
fn chain<T: Implementation<Canonical: Random>>(
    bencher: &mut Bencher,
    kernel: impl Fn(T::Value, &[T::Value]) -> T::Value,
) {
    let operands = random::<T>(ELEMENTS * T::LANES, &mut rng());
    let mut value = operands[0];
    bencher.iter(|| value = kernel(value, black_box(&operands)));
    black_box(value);
}

fn multiply_chain<T: Implementation<Canonical: Random>>(bencher: &mut Bencher) {
    chain::<T>(bencher, kernels::multiply_chain::<T>);
}

fn add_chain<T: Implementation<Canonical: Random>>(bencher: &mut Bencher) {
    chain::<T>(bencher, kernels::add_chain::<T>);
}

fn group<'c>(criterion: &'c mut Criterion, operation: &str, mode: Mode) -> BenchmarkGroup<'c> {
    let mut group = criterion.benchmark_group(format!("{operation} {mode}"));
    group.sample_size(50).warm_up_time(Duration::from_millis(200)).measurement_time(Duration::from_secs(1));
    group.nresamples(10_000).throughput(Throughput::Elements(ELEMENTS as u64));
    group
}

/// One operation in every implementation, one after the other, so that they meet the same noise.
macro_rules! compare {
    ($criterion:expr, $report:expr, $operation:literal, $mode:expr, $function:ident, [$($implementation:ty),* $(,)?]) => {{
        let mut group = group($criterion, $operation, $mode);
        $(
            let record = Record::new::<$implementation>($operation, $mode, ELEMENTS);
            group.bench_function(record.name(), $function::<$implementation>);
            $report.push(record);
        )*
        group.finish();
    }};
}

/// [`compare!`] over everything there is.
macro_rules! compare_all {
    ($criterion:expr, $report:expr, $operation:literal, $mode:expr, $function:ident) => {
        compare!(
            $criterion,
            $report,
            $operation,
            $mode,
            $function,
            [
                plonky3::Goldilocks,
                plonky2::Goldilocks,
                arkworks::GoldilocksSmall,
                arkworks::Goldilocks,
                plonky3::GoldilocksPacked,
                plonky2::GoldilocksPacked,
                plonky3::Goldilocks2,
                plonky2::Goldilocks2,
                arkworks::Goldilocks2,
                plonky3::Goldilocks2Packed,
                plonky3::Goldilocks3,
                plonky3::Goldilocks3Packed,
                plonky3::KoalaBear,
                plonky3::KoalaBearPacked,
                plonky3::KoalaBear4,
                plonky3::KoalaBear4Packed,
                plonky3::Bn254,
                arkworks::Bn254,
            ]
        )
    };
}

/// [`compare!`] over single elements of prime fields.
macro_rules! compare_primes {
    ($criterion:expr, $report:expr, $operation:literal, $mode:expr, $function:ident) => {
        compare!(
            $criterion,
            $report,
            $operation,
            $mode,
            $function,
            [
                plonky3::Goldilocks,
                plonky2::Goldilocks,
                arkworks::GoldilocksSmall,
                arkworks::Goldilocks,
                plonky3::KoalaBear,
                plonky3::Bn254,
                arkworks::Bn254,
            ]
        )
    };
}

fn main() -> Result<(), report::Error> {
    let mut report = Report::new()?;
    let mut criterion = criterion::Criterion::default().output_directory(report.criterion()).with_measurement(CpuTime);
    criterion = criterion.configure_from_args();
    let c = &mut criterion;
    compare_all!(c, report, "multiply", Mode::Throughput, multiply);
    compare_all!(c, report, "add", Mode::Throughput, add);
    compare_all!(c, report, "multiply-accumulate", Mode::Throughput, multiply_accumulate);
    compare_all!(c, report, "dot product", Mode::Throughput, dot);
    compare_all!(c, report, "times i32", Mode::Throughput, scale);
    compare_primes!(c, report, "from i64", Mode::Conversion, from_i64);
    compare_primes!(c, report, "from i8", Mode::Conversion, from_i8);
    compare_primes!(c, report, "to canonical", Mode::Conversion, to_canonical);
    compare_all!(c, report, "multiply", Mode::Latency, multiply_chain);
    compare_all!(c, report, "add", Mode::Latency, add_chain);
    criterion.final_summary();
    report.finish()
}

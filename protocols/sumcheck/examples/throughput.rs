//! Nanoseconds per entry of the sumcheck prover and of the integer contractions, on one thread.
//!
//! `cargo run --release -p zkml-sumcheck --example throughput [variables]`

use std::hint::black_box;
use std::time::Instant;

use p3_field::{BasedVectorSpace, PrimeCharacteristicRing};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use zkml_core::{Goldilocks as S, ProverTranscript, Suite};
use zkml_device::{Column, Device};
use zkml_sumcheck::Weight;
use zkml_sumcheck::engine::{Product, prove_rounds};
use zkml_sumcheck::vector::{self, Vector};

type E = <S as Suite>::Challenge;

fn random(rng: &mut StdRng) -> E {
    let c: [i64; 2] = rng.random();
    E::from_basis_coefficients_fn(|i| S::from_i64(c[i]))
}

/// Best of five, in nanoseconds per entry.
fn measure<T>(name: &str, entries: usize, mut prepare: impl FnMut() -> T, mut run: impl FnMut(T)) {
    let best = (0..5)
        .map(|_| {
            let input = prepare();
            let start = Instant::now();
            run(input);
            start.elapsed().as_secs_f64()
        })
        .fold(f64::INFINITY, f64::min);
    println!("{name:<44} {:>8.2} ns/entry", best * 1e9 / entries as f64);
}

fn main() {
    let n: usize = std::env::args().nth(1).and_then(|a| a.parse().ok()).unwrap_or(20);
    let Ok(pool) = rayon::ThreadPoolBuilder::new().num_threads(1).build() else { return };
    pool.install(|| engine(n));
    pool.install(|| columns(n));
}

fn engine(n: usize) {
    let mut rng = StdRng::seed_from_u64(1);
    let point: Vec<E> = (0..n).map(|_| random(&mut rng)).collect();
    let factor = |rng: &mut StdRng| Vector::<S>::from((0..1 << n).map(|_| random(rng)).collect::<Vec<_>>());
    let factors = [factor(&mut rng), factor(&mut rng), factor(&mut rng)];
    for (name, weights) in
        [("eq", point.iter().map(|&w| Weight::Eq(w)).collect::<Vec<_>>()), ("sum", vec![Weight::Sum; n])]
    {
        for k in 1..=3 {
            measure(
                &format!("product of {k}, {name} weights"),
                1 << n,
                || factors[..k].to_vec(),
                |factors| {
                    let mut transcript = ProverTranscript::<S>::new();
                    black_box(
                        prove_rounds(
                            &Product { factors: k },
                            factors,
                            &weights,
                            E::ONE,
                            &mut transcript,
                            &Device::cpu(),
                        )
                        .unwrap(),
                    );
                },
            );
        }
    }
    measure(
        "eq table",
        1 << n,
        || (),
        |()| {
            black_box(vector::eq_table::<S>(&point, E::ONE));
        },
    );
}

fn columns(n: usize) {
    let mut rng = StdRng::seed_from_u64(2);
    let cells = 1 << n;
    let columns = [
        ("i8", Column::I8((0..cells).map(|_| rng.random()).collect())),
        ("i16", Column::I16((0..cells).map(|_| rng.random()).collect())),
        ("i32", Column::I32((0..cells).map(|_| rng.random()).collect())),
        ("i64", Column::I64((0..cells).map(|_| rng.random()).collect())),
    ];
    let (rows, width) = (1 << (n / 2), cells >> (n / 2));
    let weights: Vec<E> = (0..width.max(rows)).map(|_| random(&mut rng)).collect();
    for (name, column) in &columns {
        measure(
            &format!("{name} rows by weights"),
            cells,
            || (),
            |()| {
                black_box(vector::contract_column::<S>(column, [rows, width, 1], &weights));
            },
        );
        measure(
            &format!("{name} columns by weights"),
            cells,
            || (),
            |()| {
                black_box(vector::contract_column::<S>(column, [1, rows, width], &weights));
            },
        );
    }
}

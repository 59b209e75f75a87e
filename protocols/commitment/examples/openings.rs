//! Prints what commitments cost: `cargo run --release -p zkml-commitment --example openings [-- SUITE]`

use std::sync::Arc;
use std::time::Instant;

use cpu_time::ProcessTime;
use p3_field::PrimeCharacteristicRing;
use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};
use zkml_commitment::{CommittedSuite, OpeningClaim};
use zkml_core::mle::evaluate;
use zkml_core::soundness::total_bits;
use zkml_core::{Bn254, Goldilocks, Goldilocks3, ProverTranscript, Shape, Suite, VerifierTranscript};
use zkml_device::{Column, Device};

const RUNS: usize = 5;
const CLAIMS: usize = 4;

/// Least wall and CPU time of several runs, in milliseconds.
fn timed<T>(body: impl Fn() -> T) -> ((f64, f64), T) {
    let once = || {
        let (wall, cpu) = (Instant::now(), ProcessTime::now());
        let result = body();
        (1e3 * wall.elapsed().as_secs_f64(), 1e3 * cpu.elapsed().as_secs_f64(), result)
    };
    let (mut wall, mut cpu, mut result) = once();
    for _ in 1..RUNS {
        let (next_wall, next_cpu, next) = once();
        (wall, cpu, result) = (wall.min(next_wall), cpu.min(next_cpu), next);
    }
    ((wall, cpu), result)
}

fn measure<S: CommittedSuite>(variables: usize, threads: usize) -> Result<(), Box<dyn std::error::Error>> {
    let mut rng = SmallRng::seed_from_u64(1);
    let shapes = [Shape::new([1 << (variables - 6), 64]).ok_or("no such shape")?];
    let values: Vec<i8> = (0..1 << variables).map(|_| rng.random()).collect();
    let columns = [Arc::new(Column::I8(values))];
    let claims: Vec<OpeningClaim<S::Challenge>> = (0..CLAIMS)
        .map(|_| {
            let point: Vec<S::Challenge> = (0..variables).map(|_| S::Challenge::from_u64(rng.random())).collect();
            let value = evaluate(&shapes[0], &point, |i| S::from_i64(columns[0].get(i).unwrap_or(0)));
            OpeningClaim { tensor: 0, point, value }
        })
        .collect();
    let (commit, committed) = timed(|| S::commit(&shapes, &columns, &Device::cpu()));
    let (root, data) = committed?;
    let (open, proof) = timed(|| {
        let mut transcript = ProverTranscript::<S>::new();
        S::open(&data, &claims, &mut transcript, &Device::cpu()).map(|()| transcript.finish().0)
    });
    let proof = proof?;
    let (verify, verified) = timed(|| {
        let mut transcript = VerifierTranscript::<S>::new(&proof);
        S::verify_opening(&shapes, &root, &claims, &mut transcript)?;
        transcript.finish()
    });
    verified?;
    let soundness = S::opening_soundness(&shapes, CLAIMS);
    println!(
        "| 2^{variables} | {} | {threads} | {:.1} ({:.1}) | {:.1} ({:.1}) | {:.2} | {:.1} | {:.1} | {} |",
        S::ID,
        commit.0,
        commit.1,
        open.0,
        open.1,
        verify.0,
        proof.len() as f64 / 1024.0,
        total_bits(&soundness.terms),
        soundness.regime,
    );
    Ok(())
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    println!(
        "| cells | suite | threads | commit: wall (CPU) ms | open: wall (CPU) ms | verify (ms) | proof (KiB) | bits | regime |"
    );
    println!("|---|---|---|---|---|---|---|---|---|");
    let only = std::env::args().nth(1);
    for threads in [1, 2] {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build()?;
        for variables in [12, 16, 18, 20] {
            pool.install(|| {
                let wanted = |id: &str| only.as_deref().is_none_or(|only| only == id);
                if wanted(Goldilocks::ID) {
                    measure::<Goldilocks>(variables, threads).map_err(|e| e.to_string())?;
                }
                if wanted(Goldilocks3::ID) {
                    measure::<Goldilocks3>(variables, threads).map_err(|e| e.to_string())?;
                }
                if wanted(Bn254::ID) {
                    measure::<Bn254>(variables, threads).map_err(|e| e.to_string())?;
                }
                Ok::<(), String>(())
            })?;
        }
    }
    Ok(())
}

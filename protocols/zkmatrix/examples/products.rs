//! Prints what square products of eight-bit matrices cost, commitments and their opening not included:
//! `cargo run --release -p zkml-zkmatrix --example products [-- SIDE ...]`

use std::time::Instant;

use cpu_time::ProcessTime;
use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};
use zkml_core::{
    Bn254, Bounds, Claim, Einsum, Instance, LayerProver, LayerVerifier, Program, ProverTranscript, Relation, Residence,
    Shape, Suite, VerifierTranscript, Witness, mle,
};
use zkml_device::{Column, Device};
use zkml_pairing::setup;
use zkml_zkmatrix::ZkMatrix;
use zkml_zkmatrix::reduce::Lifted;

const RUNS: usize = 3;

type Felt = <Bn254 as Suite>::Challenge;
type Outcome<T> = Result<T, Box<dyn std::error::Error>>;

/// Least wall and CPU time of several runs, in milliseconds.
fn timed<T>(body: impl Fn() -> Outcome<T>) -> Outcome<(String, T)> {
    let (mut least, mut last) = ((f64::INFINITY, f64::INFINITY), None);
    for _ in 0..RUNS {
        let (wall, cpu) = (Instant::now(), ProcessTime::now());
        last = Some(body()?);
        least.0 = least.0.min(1e3 * wall.elapsed().as_secs_f64());
        least.1 = least.1.min(1e3 * cpu.elapsed().as_secs_f64());
    }
    let last = last.ok_or("nothing ran")?;
    Ok((format!("{:8.1} ({:8.1}) ms", least.0, least.1), last))
}

/// `C = A · B`, `side × side`, and a true claim on `C`.
fn product(side: usize, rng: &mut SmallRng) -> Outcome<(Program, Witness, Claim<Felt>)> {
    let (mut program, mut witness) = (Program::default(), Witness::default());
    let shape = Shape::new([side, side]).ok_or("no such shape")?;
    let (a, b): (Vec<i8>, Vec<i8>) = (0..side * side).map(|_| (rng.random::<i8>(), rng.random::<i8>())).unzip();
    let mut c = vec![0_i64; side * side];
    for (row, out) in a.chunks(side).zip(c.chunks_mut(side)) {
        for (&x, line) in row.iter().zip(b.chunks(side)) {
            out.iter_mut().zip(line).for_each(|(sum, &y)| *sum += i64::from(x) * i64::from(y));
        }
    }
    let mut tensor = |name, bounds| program.tensor(name, shape.clone(), bounds, Residence::Fixed);
    let (small, wide) = (Bounds::new(-128, 127), Bounds::new(-1 << 40, 1 << 40));
    let (first, second, output) = (tensor("a", small), tensor("b", small), tensor("c", wide));
    let einsum = Einsum::new("product", "ml,ln->mn", output, &[first, second]).ok_or("no such einsum")?;
    program.relation(Relation::Einsum(einsum));
    witness.set(first, Column::I8(a));
    witness.set(second, Column::I8(b));
    let point: Vec<Felt> = (0..shape.variables()).map(|_| Bn254::from_i64(rng.random())).collect();
    let value = mle::evaluate(&shape, &point, |i| Bn254::from_i64(c.get(i).copied().unwrap_or(0)));
    Ok((program, witness, Claim::new(output, point, value)))
}

fn measure(side: usize) -> Outcome<()> {
    let rng = &mut SmallRng::seed_from_u64(1);
    let (program, witness, claim) = product(side, rng)?;
    let relation = program.relations().first().ok_or("no relation")?;
    let instance = Instance { program: &program, relation, advice: &[] };
    let rounds = side.next_power_of_two().ilog2() as usize;
    // Generators are read or computed once per process, not once per proof.
    setup::prover(rounds)?;
    let (prove, bytes) = timed(|| {
        let mut transcript = ProverTranscript::<Bn254>::new();
        ZkMatrix.prove(&instance, &witness, Some(&claim), &mut transcript, &Device::cpu())?;
        Ok(transcript.finish().0)
    })?;
    let (verify, ()) = timed(|| {
        let mut transcript = VerifierTranscript::<Bn254>::new(&bytes);
        ZkMatrix.verify(&instance, Some(&claim), &mut transcript)?;
        Ok(transcript.finish()?)
    })?;
    let vector: Vec<Felt> = (0..1_usize << rounds).map(|_| Bn254::from_i64(rng.random())).collect();
    let point: Vec<Felt> = (0..rounds).map(|_| Bn254::from_i64(rng.random())).collect();
    let (reduction, ()) = timed(|| {
        let lifted = Lifted::new(vector.clone(), vector.clone())?;
        lifted.at(point.clone()).prove(&mut ProverTranscript::new());
        Ok(())
    })?;
    let length = bytes.len();
    println!(
        "{side:5} {prove} prove, of which {reduction} commit to projections and reduce; {verify} verify; {length} B"
    );
    Ok(())
}

fn main() -> Outcome<()> {
    let mut sides: Vec<usize> = std::env::args().skip(1).map(|side| side.parse()).collect::<Result<_, _>>()?;
    if sides.is_empty() {
        sides = vec![64, 256, 1024];
    }
    println!(" side wall (CPU) time, least of {RUNS} runs");
    sides.into_iter().filter(|&side| side > 1).try_for_each(measure)
}

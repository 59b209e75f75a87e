//! Lookup protocols side by side: nanoseconds of prover time per range check, on one thread, and of the advice.

use std::time::{Duration, Instant};

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use zkml_core::{
    Bounds, Goldilocks, Instance, LayerProver, LayerVerifier, Program, ProverTranscript, Residence, Shape, Table,
    TensorId, Witness,
};
use zkml_device::{Column, Device};
use zkml_lasso::{Chunks, Lasso, MemoryCheck};
use zkml_logkr::{Form, LogKr};
use zkml_logup_gkr::LogupGkr;

type S = Goldilocks;

/// A range lookup with the advice of a protocol.
struct Workload<'p> {
    protocol: &'p dyn LayerProver<S>,
    program: Program,
    witness: Witness,
    advice: Vec<TensorId>,
}

impl<'p> Workload<'p> {
    fn new(protocol: &'p dyn LayerProver<S>, bits: u32, log_rows: usize) -> Self {
        let mut rng = StdRng::seed_from_u64(log_rows as u64);
        let shape = Shape::new([1 << (log_rows / 2), 1 << log_rows.div_ceil(2)]).expect("a small shape");
        let (mut program, mut witness) = (Program::default(), Witness::default());
        let tensor = program.tensor("values", shape, Bounds::new(0, (1 << bits) - 1), Residence::Committed);
        let values = (0..1 << log_rows).map(|_| rng.random_range(0..1 << bits)).collect();
        witness.set_i64(&program, tensor, values);
        program.lookup("bench", Table::Range { bits }, vec![vec![tensor]]);
        let mut workload = Self { protocol, program, witness, advice: Vec::new() };
        let specs = protocol.advice_specs(&workload.instance());
        let columns = workload.columns();
        for (spec, column) in specs.into_iter().zip(columns) {
            let bounds = Bounds::new(0, 1 << 40);
            let tensor = workload.program.tensor(spec.name, spec.shape, bounds, Residence::Committed);
            workload.witness.set(tensor, column);
            workload.advice.push(tensor);
        }
        workload
    }

    fn instance(&self) -> Instance<'_> {
        Instance { program: &self.program, relation: &self.program.relations()[0], advice: &self.advice }
    }

    fn columns(&self) -> Vec<Column> {
        self.protocol.advice(&self.instance(), &self.witness).expect("all values are in range")
    }

    fn prove(&self) -> Vec<u8> {
        let mut transcript = ProverTranscript::<S>::new();
        let proven = self.protocol.prove(&self.instance(), &self.witness, None, &mut transcript, &Device::cpu());
        proven.expect("the witness satisfies the lookup");
        transcript.finish().0
    }
}

fn prove(c: &mut Criterion) {
    let lasso = |chunks, check| Box::new(Lasso::new(chunks, check)) as Box<dyn LayerProver<S>>;
    let protocols: Vec<(&str, Box<dyn LayerProver<S>>)> = vec![
        ("logup-gkr", Box::new(LogupGkr)),
        ("logkr", Box::new(LogKr::new(Form::Product))),
        ("lasso", lasso(Chunks::Auto, MemoryCheck::GrandProduct)),
        ("lasso-logup", lasso(Chunks::Auto, MemoryCheck::Logup)),
        ("lasso-2-chunks", lasso(Chunks::Exactly(2), MemoryCheck::GrandProduct)),
    ];
    let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build().expect("a thread pool");
    for bits in [8, 16] {
        let mut group = c.benchmark_group(format!("lookups/range-{bits}"));
        group.sample_size(10).measurement_time(Duration::from_secs(2)).warm_up_time(Duration::from_millis(300));
        for log_rows in [16, 20] {
            group.throughput(Throughput::Elements(1 << log_rows));
            for (name, protocol) in &protocols {
                let workload = Workload::new(protocol.as_ref(), bits, log_rows);
                let cost = LayerVerifier::<S>::cost(protocol.as_ref(), &workload.instance());
                let start = Instant::now();
                pool.install(|| workload.columns());
                let (advice, start) = (start.elapsed(), Instant::now());
                let proof = pool.install(|| workload.prove());
                let per_row = |time: Duration| time.as_secs_f64() * 1e9 / f64::from(1 << log_rows);
                println!(
                    "{name}, {bits} bits, 2^{log_rows} rows: advice {:.1} ns, first proof {:.1} ns, {:.2} products and {:.3} \
                     committed cells per row, {} bytes",
                    per_row(advice),
                    per_row(start.elapsed()),
                    cost.ext_equivalents() / f64::from(1 << log_rows),
                    cost.committed_cells as f64 / f64::from(1 << log_rows),
                    proof.len(),
                );
                group.bench_function(BenchmarkId::new(*name, log_rows), |b| {
                    b.iter(|| pool.install(|| workload.prove()));
                });
            }
        }
        group.finish();
    }
}

criterion_group!(benches, prove);
criterion_main!(benches);

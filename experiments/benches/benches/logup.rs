//! LogUp-GKR: nanoseconds of prover time per witness leaf, against the count of field operations.
//!
//! The prediction is `cost()` in extension products, times the measured time of one product (eight in flight, packed).

use std::hint::black_box;
use std::time::{Duration, Instant};

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use p3_field::{ExtensionField, Field, PackedFieldExtension, PackedValue, PrimeCharacteristicRing};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use zkml_core::{
    Bounds, Goldilocks, Instance, LayerProver, LayerVerifier, Program, ProverTranscript, Residence, Shape, Suite,
    Table, TensorId, Witness,
};
use zkml_device::Device;
use zkml_logup_gkr::LogupGkr;

type S = Goldilocks;
type EF = <S as Suite>::Challenge;
type Packed = <EF as ExtensionField<<S as Suite>::Base>>::ExtensionPacking;

/// A range lookup of `2^log_leaves` values of 8 bits, with its advice.
struct Workload {
    program: Program,
    witness: Witness,
    advice: Vec<TensorId>,
}

impl Workload {
    fn new(log_leaves: usize) -> Self {
        let mut rng = StdRng::seed_from_u64(log_leaves as u64);
        let shape = Shape::new([1 << (log_leaves / 2), 1 << log_leaves.div_ceil(2)]).expect("a small shape");
        let (mut program, mut witness) = (Program::default(), Witness::default());
        let tensor = program.tensor("values", shape, Bounds::new(0, 255), Residence::Committed);
        let values = (0..1 << log_leaves).map(|_| rng.random_range(0..256)).collect();
        witness.set_i64(&program, tensor, values);
        program.lookup("bench", Table::Range { bits: 8 }, vec![vec![tensor]]);
        let shape = Shape::new([256]).expect("a small shape");
        let bounds = Bounds::new(0, 1 << log_leaves);
        let advice = vec![program.tensor("multiplicities", shape, bounds, Residence::Committed)];
        let mut workload = Self { program, witness, advice };
        let columns = LayerProver::<S>::advice(&LogupGkr, &workload.instance(), &workload.witness);
        for (&tensor, column) in workload.advice.clone().iter().zip(columns.expect("all values are in range")) {
            workload.witness.set(tensor, column);
        }
        workload
    }

    fn instance(&self) -> Instance<'_> {
        Instance { program: &self.program, relation: &self.program.relations()[0], advice: &self.advice }
    }

    fn prove(&self) -> Vec<u8> {
        let mut transcript = ProverTranscript::<S>::new();
        LogupGkr
            .prove(&self.instance(), &self.witness, None, &mut transcript, &Device::cpu())
            .expect("the witness satisfies the lookup");
        transcript.finish().0
    }
}

/// Nanoseconds of one packed product, per element.
fn product_nanoseconds() -> f64 {
    let mut values: [Packed; 8] =
        core::array::from_fn(|i| Packed::from_ext_fn(|lane| EF::from_usize(3 + 17 * i + lane).inverse()));
    let factor = black_box(values[5]);
    let rounds = 200_000;
    let best = (0..20).map(|_| {
        let start = Instant::now();
        for _ in 0..rounds {
            for value in &mut values {
                *value *= factor;
            }
        }
        start.elapsed()
    });
    let best = best.min().unwrap_or_default();
    let _ = black_box(values);
    let elements = rounds * 8 * <<S as Suite>::Base as Field>::Packing::WIDTH;
    best.as_secs_f64() * 1e9 / elements as f64
}

fn prove(c: &mut Criterion) {
    let product = product_nanoseconds();
    println!("one extension product: {product:.2} ns (packed, per element)");
    let all = std::thread::available_parallelism().map_or(1, usize::from);
    let mut counts = vec![1];
    if all > 1 {
        counts.push(all);
    }
    for threads in counts {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("a thread pool");
        let mut group = c.benchmark_group(format!("logup-gkr/prove/{threads}-threads"));
        group.sample_size(10).measurement_time(Duration::from_secs(3)).warm_up_time(Duration::from_millis(500));
        for log_leaves in [16, 18, 20, 22] {
            let workload = Workload::new(log_leaves);
            let predicted = LayerVerifier::<S>::cost(&LogupGkr, &workload.instance()).ext_equivalents();
            let per_leaf = predicted / (1_u64 << log_leaves) as f64;
            let start = Instant::now();
            pool.install(|| workload.prove());
            println!(
                "2^{log_leaves} leaves, {threads} threads: predicted {per_leaf:.2} products = {:.1} ns per leaf and \
                 thread; first run {:.1} ns per leaf",
                per_leaf * product,
                start.elapsed().as_secs_f64() * 1e9 / (1_u64 << log_leaves) as f64
            );
            group.throughput(Throughput::Elements(1 << log_leaves));
            group.bench_function(BenchmarkId::from_parameter(log_leaves), |b| {
                b.iter(|| pool.install(|| workload.prove()));
            });
        }
        group.finish();
    }
}

criterion_group!(benches, prove);
criterion_main!(benches);

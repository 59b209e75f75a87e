//! `gpu-bench`: what the device `gpu` does per second, on resident vectors.
//!
//! ```text
//! cargo run --release -p zkml-gpu --example bench -- --from 16 --to 26 --json gpu.jsonl
//! ```
//!
//! | column | work at size `2^n`, over `Goldilocks` with `X^2 = 7` |
//! |---|---|
//! | upload | one vector of `2^n` elements to the device, until it is there |
//! | rounds | all rounds of a weighted product of two factors of `2^n` elements, evaluated at two points |
//! | tree | all levels of a tree of `2^n` fractions, numerators one |
//! | gates | the rounds of that tree's largest level: four factors of `2^(n-1)` elements |
//! | contract | a matrix of `2^n` bytes, square or nearly, with a vector, along the summed axis |
//!
//! A second table sets steps beside plain loops in all threads of the host, to show where the adapter overtakes them. The
//! provers of this repository are compared by `workbench run gpu-compare` and `workbench run lookup-compare device=cpu,gpu`.
//!
//! Utilisation is the larger of two shares: the bytes that the rounds must move, of the bytes that copying moves in the same
//! time, and their multiplications of the multiplications that a kernel of nothing else does. A software adapter says nothing
//! about GPUs; the output says so.

use std::fs::OpenOptions;
use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;

use clap::Parser;
use p3_field::extension::BinomialExtensionField;
use p3_goldilocks::Goldilocks;
use serde::Serialize;
use zkml_device::{
    Accelerator, Buffer, Column, DeviceError, DeviceInfo, Expression, FieldKind, Numerators, Point, Round, Step,
    Sumcheck,
};
use zkml_gpu::{Gpu, Options, breakeven, open};

mod plot;

use plot::Point as Compared;

const FIELD: FieldKind = FieldKind::Goldilocks2;
/// Base multiplications of one in the field, by Karatsuba.
const PER_PRODUCT: f64 = 3.0;
const BYTES: f64 = 16.0;
type E = BinomialExtensionField<Goldilocks, 2>;

/// Measures the device `gpu`.
#[derive(Debug, Parser)]
struct Arguments {
    /// Logarithm of the smallest size.
    #[arg(long, default_value_t = 16)]
    from: u32,
    /// Logarithm of the largest size.
    #[arg(long, default_value_t = 26)]
    to: u32,
    /// Repetitions; the best counts.
    #[arg(long, default_value_t = 5)]
    repeat: u32,
    /// Append a JSON object per size to this file.
    #[arg(long)]
    json: Option<PathBuf>,
    /// Draw the comparison with the host to this SVG file.
    #[arg(long)]
    plot: Option<PathBuf>,
}

/// What the adapter can do at best, as far as simple kernels reach it.
#[derive(Clone, Copy, Debug, Serialize)]
struct Peak {
    /// Bytes read and written per second by copies.
    copy_bytes_per_second: f64,
    /// Multiplications in the base field per second.
    products_per_second: f64,
}

/// One line of the table; seconds unless said otherwise.
#[derive(Clone, Debug, Serialize)]
struct Line<'a> {
    info: &'a DeviceInfo,
    peak: Peak,
    bits: u32,
    upload: f64,
    rounds: f64,
    tree: f64,
    gates: f64,
    contract: f64,
    /// Bytes of the rounds, of the peak's.
    bandwidth_share: f64,
    /// Multiplications of the rounds, of the peak's.
    product_share: f64,
}

fn main() -> ExitCode {
    match run(&Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("gpu-bench: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &Arguments) -> Result<(), Box<dyn std::error::Error>> {
    // The sizes are given here, so nothing has to be measured at the start.
    let gpu = open(&Options { break_even: Some(0), ..Options::from_env() })?;
    let info = gpu.info();
    println!("{} ({}, {}, {}), prelude {}", info.adapter, info.kind, info.backend, info.driver, info.prelude);
    if info.software {
        println!("*** SOFTWARE ADAPTER: the host's own cores. These numbers say nothing about any GPU. ***");
    }
    info.notes.iter().for_each(|note| println!("note: {note}"));
    let peak = peak(&gpu)?;
    println!(
        "copies {:.1} GB/s read and written, {:.2} G base multiplications/s",
        peak.copy_bytes_per_second / 1e9,
        peak.products_per_second / 1e9
    );
    println!("   n  upload GB/s  rounds ms  Melem/s  use %   tree ms  gates ms  contract ms  Gcell/s");
    for bits in arguments.from..=arguments.to {
        let line = match measure(&gpu, peak, bits, arguments.repeat.max(1)) {
            Err(error @ (DeviceError::Limit { .. } | DeviceError::OutOfMemory(_))) => {
                println!("{bits:4}  {error}");
                break;
            }
            other => other?,
        };
        print(&line);
        append(arguments, &line)?;
    }
    against_the_host(&gpu, arguments)?;
    if info.software {
        println!("*** SOFTWARE ADAPTER: no measure of a GPU. ***");
    }
    Ok(())
}

/// One step on the adapter and on the host.
#[derive(Debug, Serialize)]
struct Against<'a> {
    info: &'a DeviceInfo,
    step: &'static str,
    bits: u32,
    device: f64,
    host: f64,
    host_threads: usize,
}

/// Where the adapter overtakes the host: the table that break-even sizes are read from.
fn against_the_host(gpu: &Gpu, arguments: &Arguments) -> Result<(), Box<dyn std::error::Error>> {
    let host_threads = rayon::current_num_threads();
    let mut points = Vec::new();
    println!("\nagainst plain loops in {host_threads} threads of the host (ms on the adapter / ms on the host)");
    println!("   n  {}", Step::ALL.map(|step| format!("{:>20}", step.name())).join("  "));
    for bits in (10..=arguments.to.min(24)).step_by(2) {
        let mut row = Vec::new();
        for step in Step::ALL {
            let [device, host] = breakeven::compare(gpu, step, bits)?;
            append(arguments, &Against { info: gpu.info(), step: step.name(), bits, device, host, host_threads })?;
            points.push(Compared { step, bits, device, host });
            row.push(format!("{:9.3} /{:9.3}", device * 1e3, host * 1e3));
        }
        println!("{bits:4}  {}", row.join("  "));
    }
    if let Some(path) = &arguments.plot {
        plot::draw(path, gpu.info(), host_threads, &points)?;
    }
    Ok(())
}

fn append(arguments: &Arguments, line: &impl Serialize) -> Result<(), Box<dyn std::error::Error>> {
    if let Some(path) = &arguments.json {
        let mut file = OpenOptions::new().create(true).append(true).open(path)?;
        writeln!(file, "{}", serde_json::to_string(line)?)?;
    }
    Ok(())
}

fn print(line: &Line<'_>) {
    let size = f64::from(line.bits).exp2();
    println!(
        "{:4}  {:11.2}  {:9.2}  {:7.1}  {:5.1}  {:8.2}  {:8.2}  {:11.3}  {:7.2}",
        line.bits,
        size * BYTES / line.upload / 1e9,
        line.rounds * 1e3,
        2.0 * size / line.rounds / 1e6,
        100.0 * line.bandwidth_share.max(line.product_share),
        line.tree * 1e3,
        line.gates * 1e3,
        line.contract * 1e3,
        size / line.contract / 1e9,
    );
}

/// The adapter's speed at copying and at multiplying.
fn peak(gpu: &Gpu) -> Result<Peak, DeviceError> {
    let software = gpu.info().software;
    let (bytes, copies) = if software { (64 << 20, 4) } else { (1 << 30, 16) };
    let bytes = bytes.min(gpu.info().max_buffer);
    let copying = best(3, || gpu.time_copies(bytes, copies))?;
    let (count, times) = if software { (1 << 14, 64) } else { (1 << 20, 4096) };
    let multiplying = best(3, || gpu.time_products(FieldKind::Goldilocks, count, times))?;
    Ok(Peak {
        copy_bytes_per_second: 2.0 * bytes as f64 * copies as f64 / copying,
        products_per_second: count as f64 * times as f64 / multiplying,
    })
}

fn measure(gpu: &Gpu, peak: Peak, bits: u32, repeat: u32) -> Result<Line<'_>, DeviceError> {
    let size = 1usize << bits;
    let vector = words(size);
    let upload = best(repeat, || {
        let start = Instant::now();
        gpu.upload(FIELD, &vector)?;
        gpu.synchronize()?;
        Ok(start.elapsed().as_secs_f64())
    })?;
    let product = Expression::trace::<E>(2, |x| vec![x[0] * x[1]]).0;
    let gate = Expression::trace::<E>(4, |x| vec![x[0] * x[3] + x[1] * x[2], x[2] * x[3]]).0;
    let rounds = best(repeat, || all_rounds(gpu, &product, &vector))?;
    let gates = best(repeat, || all_rounds(gpu, &gate, &vector[..size]))?;
    let tree = best(repeat, || tree(gpu, &vector))?;
    let contract = contract(gpu, bits, repeat)?;
    // Per factor: a first round reads it; round by round, what is left is read and half of it written.
    let bytes = 2.0 * 4.0 * size as f64 * BYTES;
    // Per pair: the composition and two weightings at two points, the weight; two bindings of two factors after round one.
    let products = PER_PRODUCT * (0.5 * 5.0 + 0.5 * 9.0) * size as f64;
    Ok(Line {
        info: gpu.info(),
        peak,
        bits,
        upload,
        rounds,
        tree,
        gates,
        contract,
        bandwidth_share: bytes / rounds / peak.copy_bytes_per_second,
        product_share: products / rounds / peak.products_per_second,
    })
}

/// The best of some runs, after one that warms up.
fn best(repeat: u32, run: impl Fn() -> Result<f64, DeviceError>) -> Result<f64, DeviceError> {
    run()?;
    (0..repeat).try_fold(f64::INFINITY, |best, _| Ok(best.min(run()?)))
}

fn words(elements: usize) -> Vec<u64> {
    (0..elements as u64 * 2).map(|i| i.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 1).collect()
}

/// Every round of a composition over resident factors, with weights in two small tables.
fn all_rounds(gpu: &Gpu, expression: &Expression, vector: &[u64]) -> Result<f64, DeviceError> {
    let factors = (0..expression.factors()).map(|_| gpu.upload(FIELD, vector)).collect::<Result<Vec<Buffer>, _>>()?;
    let variables = (vector.len() / 2).ilog2();
    let points = [Point::At(0), Point::Infinity];
    let expression = expression.clone();
    let request = Sumcheck { field: FIELD, factors, expression, parameters: Vec::new() };
    let weights = words(1 << variables.div_ceil(2));
    gpu.synchronize()?;
    let start = Instant::now();
    let mut rounds = gpu.sumcheck(request)?;
    for round in 0..variables {
        let free = variables - round - 1;
        let (outer, inner) = (&weights[..2 << (free / 2)], &weights[..2 << (free - free / 2)]);
        let bind = (round > 0).then_some(&[3, 5][..]);
        rounds.round(Round { bind, points: &points, outer, inner })?;
    }
    rounds.finish(Some(&[3, 5]))?;
    Ok(start.elapsed().as_secs_f64())
}

fn tree(gpu: &Gpu, leaves: &[u64]) -> Result<f64, DeviceError> {
    let mut levels = vec![gpu.upload(FIELD, leaves)?];
    let mut numerators: Vec<Buffer> = Vec::new();
    gpu.synchronize()?;
    let start = Instant::now();
    while let Some(below) = levels.last().filter(|level| level.len() > 1) {
        let above = numerators.last().map_or(Numerators::Ones(below.len()), Numerators::Stored);
        let [n, d] = gpu.add_fractions(above, below)?;
        numerators.push(n);
        levels.push(d);
    }
    gpu.synchronize()?;
    Ok(start.elapsed().as_secs_f64())
}

fn contract(gpu: &Gpu, bits: u32, repeat: u32) -> Result<f64, DeviceError> {
    let (rows, columns) = (1usize << (bits / 2), 1usize << bits.div_ceil(2));
    let cells = gpu.upload_column(&Column::I8((0..rows * columns).map(|i| (i * 37) as i8).collect()))?;
    let weights = gpu.upload(FIELD, &words(columns))?;
    gpu.synchronize()?;
    best(repeat, || {
        let start = Instant::now();
        gpu.contract(&cells, [rows, columns, 1], &weights)?;
        gpu.synchronize()?;
        Ok(start.elapsed().as_secs_f64())
    })
}

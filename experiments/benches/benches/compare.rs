//! `just compare rmsnorm`: the cells of an experiment under criterion, and a verdict on every difference.
//!
//! Every phase of a proof is a group; a cell is a function of the group, by protocol, at its size. Criterion warms up, samples,
//! keeps baselines and draws; whether a difference means something is judged here, against this machine's noise: the first
//! cell of every group is measured once more at the group's end, and what the two differ by is the group's noise floor.

mod compare {
    pub(crate) mod judge;
    pub(crate) mod samples;
    pub(crate) mod series;
}

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::Parser;
use compare::judge;
use compare::series::{AGAIN, Series, series};
use criterion::{BenchmarkId, Criterion};
use zkml_engine::locate;
use zkml_engine::plan::{self, CellPlan};
use zkml_engine::prepared::{Prepared, prepare};
use zkml_engine::spec::Document;
use zkml_report::verdicts::{self, Judged};
use zkml_results::store::write_atomic;

/// Compare protocols, or this build with an earlier one, on the cells of an experiment.
#[derive(Debug, Parser)]
#[command(name = "just compare", after_help = EXAMPLES)]
struct Args {
    /// The experiment `<NAME>-compare`, or `<NAME>`, below experiments/.
    name: String,
    /// Overrides, as for `just experiment`: `input.rows=16,64`.
    #[arg(value_name = "KEY.PATH=VALUE")]
    overrides: Vec<String>,
    /// Keep the samples under this name, to compare with later.
    #[arg(long, value_name = "NAME")]
    save_baseline: Option<String>,
    /// Compare with the samples kept under this name.
    #[arg(long, value_name = "NAME", conflicts_with = "save_baseline")]
    baseline: Option<String>,
    /// What to measure: prove, forward, commit, lookups, einsums, opening, other, verify.
    #[arg(long, value_delimiter = ',', default_value = "prove,lookups,einsums,verify")]
    phases: Vec<String>,
    /// Compare with this series; by default with the first one that is not `reveal`.
    #[arg(long, value_name = "SERIES")]
    against: Option<String>,
    /// Samples per benchmark, 10 or more.
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u16).range(10..))]
    samples: u16,
    /// Seconds to measure each benchmark for, if one proof per sample does not take longer.
    #[arg(long, default_value_t = 2.0)]
    seconds: f64,
    /// Leave out cells whose proof takes longer than this many seconds.
    #[arg(long, default_value_t = 1.0)]
    longest: f64,
    /// Passed by cargo.
    #[arg(long, hide = true)]
    bench: bool,
}

const EXAMPLES: &str = "\
Examples:
  just compare rmsnorm
  just compare rmsnorm --save-baseline before      ... change something, then
  just compare rmsnorm --baseline before
  just compare dense input.rows=1,4,16 --phases prove,einsums
  just compare matmul suite=goldilocks --longest 10";

/// Phases that a proof has; `prove` is the whole, `verify` is what follows.
const PHASES: [&str; 8] = ["prove", "forward", "commit", "lookups", "einsums", "opening", "other", "verify"];

fn main() -> ExitCode {
    match run(&Args::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("{message}");
            ExitCode::FAILURE
        }
    }
}

fn run(args: &Args) -> Result<(), String> {
    if let Some(unknown) = args.phases.iter().find(|p| !PHASES.contains(&p.as_str())) {
        return Err(format!("unknown phase `{unknown}`\n  allowed:  {}", PHASES.join(", ")));
    }
    let document = open(args)?;
    let plans = plan::plan(&document).map_err(|e| e.to_string())?;
    let output = samples_folder()?;
    if let Some(name) = &args.baseline {
        compare::samples::require_baseline(&output, &args.name, name)?;
    }
    let data = std::fs::canonicalize(document.folder()).unwrap_or_else(|_| document.folder().to_owned());
    let cells = ready(&plans.cells, &data, args.longest)?;
    let mut criterion = configured(args, &output);
    for phase in &args.phases {
        measure(&mut criterion, &args.name, phase, &cells)?;
    }
    criterion.final_summary();
    report(args, &cells, &output)
}

fn open(args: &Args) -> Result<Document, String> {
    let file = locate::experiment(&format!("{}-compare", args.name))
        .or_else(|_| locate::experiment(&args.name))
        .map_err(|failure| failure.message)?;
    Document::open(&file, &args.overrides).map_err(|e| e.to_string())
}

/// Criterion's folder, beside the build that this program is part of: `target/criterion`.
fn samples_folder() -> Result<PathBuf, String> {
    if let Some(folder) = std::env::var_os("CRITERION_HOME") {
        return Ok(folder.into());
    }
    let program = std::env::current_exe().map_err(|e| format!("this program's own path is unknown: {e}"))?;
    // target/<profile>/deps/compare-<hash>
    program.ancestors().nth(3).map(|target| target.join("criterion")).ok_or_else(|| {
        format!("{}: not below a build folder; set CRITERION_HOME to a folder for the samples", program.display())
    })
}

fn configured(args: &Args, output: &Path) -> Criterion {
    let criterion = Criterion::default()
        .output_directory(output)
        .sample_size(usize::from(args.samples))
        .warm_up_time(Duration::from_millis(500))
        .measurement_time(Duration::from_secs_f64(args.seconds.clamp(0.1, 3600.0)));
    match (&args.save_baseline, &args.baseline) {
        (Some(name), _) => criterion.save_baseline(name.clone()),
        (None, Some(name)) => criterion.retain_baseline(name.clone(), false),
        (None, None) => criterion,
    }
}

/// A cell to measure.
struct Ready {
    series: Series,
    cell: std::cell::RefCell<Box<dyn Prepared>>,
}

/// Makes the keys of every cell and one proof, which must be accepted; leaves out the slow ones, and says so.
fn ready(plans: &[CellPlan], data: &Path, longest: f64) -> Result<Vec<Ready>, String> {
    let points: Vec<&[(String, String)]> = plans.iter().map(|p| p.point.as_slice()).collect();
    let mut cells = Vec::new();
    for (plan, series) in plans.iter().zip(series(&points)) {
        let mut cell = prepare(&plan.experiment, data).map_err(|e| format!("{}: {e}", plan.label))?;
        let start = Instant::now();
        cell.prove().map_err(|e| format!("{}: {e}", plan.label))?;
        let seconds = start.elapsed().as_secs_f64();
        cell.verify().map_err(|e| format!("{}: the proof was rejected: {e}", plan.label))?;
        if seconds > longest {
            println!(
                "left out: {}: one proof takes {seconds:.1} s; `--longest {:.0}` keeps it",
                plan.label,
                seconds.ceil()
            );
            continue;
        }
        cells.push(Ready { series, cell: cell.into() });
    }
    if cells.is_empty() { Err("no cell is left to measure".to_owned()) } else { Ok(cells) }
}

/// One group: every cell, and the first one again.
fn measure(criterion: &mut Criterion, name: &str, phase: &str, cells: &[Ready]) -> Result<(), String> {
    let mut group = criterion.benchmark_group(format!("{name}/{phase}"));
    let mut failure = None;
    let again = cells.first().map(|first| (first, format!("{} {AGAIN}", first.series.label)));
    let all = cells.iter().map(|ready| (ready, ready.series.label.clone())).chain(again);
    for (ready, label) in all {
        let id = match &ready.series.size {
            Some(size) => BenchmarkId::new(label, size),
            None => BenchmarkId::from_parameter(label),
        };
        group.bench_function(id, |bencher| {
            bencher.iter_custom(|iterations| {
                let mut cell = ready.cell.borrow_mut();
                (0..iterations).map(|_| once(cell.as_mut(), phase, &mut failure)).sum()
            });
        });
    }
    group.finish();
    failure.map_or(Ok(()), Err)
}

/// One measurement of a phase. What goes wrong is kept, to stop at the end of the group.
fn once(cell: &mut dyn Prepared, phase: &str, failure: &mut Option<String>) -> Duration {
    let seconds = match phase {
        "verify" => cell.verify().map(|time| time.wall),
        "prove" => cell.prove().map(|times| times.total.wall),
        other => cell.prove().map(|times| times.phases.get(other).map_or(0.0, |time| time.wall)),
    };
    let seconds = seconds.unwrap_or_else(|e| {
        failure.get_or_insert(e);
        0.0
    });
    // Criterion cannot handle a sample of no time at all.
    Duration::from_secs_f64(seconds).max(Duration::from_nanos(1))
}

fn report(args: &Args, cells: &[Ready], output: &Path) -> Result<(), String> {
    let series: Vec<&Series> = cells.iter().map(|ready| &ready.series).collect();
    let mut all: Vec<Judged> = Vec::new();
    for phase in &args.phases {
        let group = compare::samples::read(output, &args.name, phase, args.baseline.as_deref())?;
        let judged = judge::group(phase, &series, &group, args.against.as_deref())?;
        println!("\n{}", judge::table(&args.name, &judged, args.baseline.as_deref()));
        all.push(judged);
    }
    let file = output.join(format!("{}-verdicts.json", args.name));
    let text = serde_json::to_string_pretty(&all).map_err(|e| e.to_string())?;
    std::fs::write(&file, text).map_err(|e| format!("{}: the verdicts cannot be written: {e}", file.display()))?;
    println!("verdicts:          {}", file.display());
    draw(args, &all, &file.with_extension("svg"))?;
    println!("criterion's pages: {}", output.join("report/index.html").display());
    Ok(())
}

/// The verdicts as a picture, or why there is none.
fn draw(args: &Args, judged: &[Judged], file: &Path) -> Result<(), String> {
    match verdicts::picture(&args.name, judged, args.baseline.as_deref()) {
        Ok(picture) => {
            write_atomic(file, picture.svg().as_bytes()).map_err(|e| e.to_string())?;
            println!("picture:           {}", file.display());
        }
        Err(missing) => println!("no picture:        {}", missing.reason),
    }
    Ok(())
}

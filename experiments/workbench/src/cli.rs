//! The command line.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;

use crate::table::Shown;

/// Proofs of neural-network inference: write an experiment as YAML, prove it, verify it from bytes, compare.
#[derive(Debug, Parser)]
#[command(name = "workbench", version, about, after_help = AFTER_HELP)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,

    /// Log more on standard error (-v info, -vv debug, -vvv trace). RUST_LOG overrides it.
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    pub(crate) verbose: u8,
}

const AFTER_HELP: &str = "\
Examples:
  workbench list                                   what there is
  workbench plan rmsnorm-logkr                     check and predict, prove nothing
  workbench run rmsnorm-logkr                      prove, verify, record, print a table
  workbench run rmsnorm-logkr input.rows=16,64 measure.samples=3
  workbench run rmsnorm-compare                    again after Ctrl-C: goes on where it was stopped

Exit codes:
  0  all is well
  1  the command or the experiment is wrong, or a file cannot be read or written
  2  the proof was rejected
  3  a limit under `checks` was missed
  4  some cell failed, is invalid, or is missing
  5  another process works on this run or cell
130  stopped by Ctrl-C or SIGTERM; finished cells are kept";

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Prove every cell of an experiment, each in its own process, and record the results.
    ///
    /// All cells are planned and checked before the first one runs. Every cell verifies its proof from bytes in a
    /// fresh process, and tampered copies of it that must be rejected; a cell that fails either has no numbers.
    /// Results are flushed to the disk as each cell ends: stopping a run loses no finished cell, and the same command goes on
    /// with what is missing, as long as experiment, executable and data are the same. A finished run is not touched: the next
    /// one gets a new folder.
    #[command(after_help = RUN_HELP)]
    Run {
        #[command(flatten)]
        experiment: ExperimentArgs,
        /// Go on with this run (its folder, or `latest`), also with other cells: those that finished with the same
        /// experiment, executable and data are skipped.
        #[arg(long, value_name = "DIR|latest", conflicts_with = "new")]
        resume: Option<String>,
        /// Start a new run, also if an unfinished one has the same cells.
        #[arg(long)]
        new: bool,
        /// Run this many cells at the same time. Cells that run side by side disturb each other's times; each gets
        /// its share of the cores (unless RAYON_NUM_THREADS is set), and the results say so.
        #[arg(short, long, value_name = "N", default_value_t = 1, value_parser = jobs())]
        jobs: usize,
        /// Do not ask before more than 10 000 cells.
        #[arg(short, long)]
        yes: bool,
        /// Folder of all runs [default: notebooks-data/runs, or the variable WORKBENCH_RUNS].
        #[arg(long, value_name = "DIR")]
        runs: Option<PathBuf>,
        #[command(flatten)]
        shown: Shown,
    },
    /// Check an experiment and predict its cells, without proving anything.
    ///
    /// One row per cell: predicted operations, proof bytes, committed cells, soundness, and the time that the cell took in
    /// an earlier run. Of a single cell, or with --details: every layer with the protocol of each slot, and the largest
    /// error terms.
    #[command(after_help = PLAN_HELP)]
    Plan {
        #[command(flatten)]
        experiment: ExperimentArgs,
        /// Print the plan as JSON.
        #[arg(long)]
        json: bool,
        /// Print every relation of every cell.
        #[arg(long)]
        details: bool,
        /// Write the cells as jobs that run on their own, on any machine, into this folder; print their folders.
        #[arg(long, value_name = "DIR", conflicts_with_all = ["json", "details"])]
        export: Option<PathBuf>,
        /// Do not ask before more than 10 000 cells.
        #[arg(short, long)]
        yes: bool,
        /// Folder of all runs [default: notebooks-data/runs, or the variable WORKBENCH_RUNS].
        #[arg(long, value_name = "DIR")]
        runs: Option<PathBuf>,
    },
    /// Draw a run: one HTML page with everything in it, and every picture as SVG and PNG.
    ///
    /// The page needs no network and no script, follows the reader's light or dark scheme, and holds the numbers behind every
    /// picture.
    #[command(after_help = REPORT_HELP)]
    Report {
        /// The run's folder, or the name of an experiment, whose newest run it is [default: the newest run of all].
        run: Option<String>,
        /// Folder for the files [default: `report` in the run's folder].
        #[arg(short, long, value_name = "DIR")]
        output: Option<PathBuf>,
        /// Folder of all runs [default: notebooks-data/runs, or the variable WORKBENCH_RUNS].
        #[arg(long, value_name = "DIR")]
        runs: Option<PathBuf>,
    },
    /// Write a run's results as tables for notebooks, each as CSV and as Parquet.
    ///
    /// One table for cells, and one each for samples, steps, relations, layers and proof bytes. What every column
    /// means, and its unit, is in notebooks-data/DICTIONARY.md.
    Export {
        /// The run's folder, or the name of an experiment, whose newest run it is [default: the newest run of all].
        run: Option<String>,
        /// Folder for the files [default: `tables` in the run's folder].
        #[arg(short, long, value_name = "DIR")]
        output: Option<PathBuf>,
        /// Folder of all runs [default: notebooks-data/runs, or the variable WORKBENCH_RUNS].
        #[arg(long, value_name = "DIR")]
        runs: Option<PathBuf>,
    },
    /// Check what papers claim: run the cells behind every claim that an experiment can check, and print what is claimed,
    /// predicted and measured.
    ///
    /// Claims are data, in papers/claims.yaml, with their sources. Checked are counts, rounds, sizes and exponents; times on
    /// other people's hardware are listed and never compared. Operations are measured in a counting build only
    /// (`--features count-ops`, as `just papers` does). Exit code 3 if a claim does not hold.
    #[command(
        after_help = "Examples:\n  workbench papers --list\n  workbench papers logkr lasso\n  just papers --jobs 2"
    )]
    Papers {
        /// Only claims whose name or paper contains one of these.
        only: Vec<String>,
        /// List the claims with their sources, and run nothing.
        #[arg(long)]
        list: bool,
        /// Run this many cells at the same time: counts and sizes do not mind.
        #[arg(short, long, value_name = "N", default_value_t = 1, value_parser = jobs())]
        jobs: usize,
        /// Folder of all runs [default: notebooks-data/runs, or the variable WORKBENCH_RUNS].
        #[arg(long, value_name = "DIR")]
        runs: Option<PathBuf>,
    },
    /// Verify a proof from its file, the verifying key and the public values: nothing else is needed.
    ///
    /// Exit code 0 if the proof is accepted, 2 with the reason if it is rejected.
    #[command(after_help = VERIFY_HELP)]
    Verify {
        /// The proof.
        #[arg(long, value_name = "FILE")]
        proof: PathBuf,
        /// The verifying key. It holds the statement: model, suite, protocols, quantisation, shapes.
        #[arg(long, value_name = "FILE")]
        key: PathBuf,
        /// The public values: inputs and outputs.
        #[arg(long, value_name = "FILE")]
        public: PathBuf,
        /// Print the verdict as JSON.
        #[arg(long)]
        json: bool,
    },
    /// Turn an ONNX network into an experiment file, ready to run, with its weights beside it.
    ///
    /// Sample inputs set the scales of quantisation. Prints the layers with their shapes and scales and the error that
    /// quantisation costs, and compares the imported float model with an independent one. Whatever is not supported
    /// is refused by the name of its node, and nothing is written.
    #[command(after_help = IMPORT_HELP)]
    Import(ImportArgs),
    /// List what there is to choose from; everything, if no kind is named.
    List {
        /// One kind only.
        kind: Option<Kind>,
    },
    /// Describe a protocol, a suite, a kernel or an experiment.
    #[command(
        after_help = "Examples:\n  workbench describe logkr\n  workbench describe rmsnorm-logkr measure.samples=3"
    )]
    Describe {
        /// Its name.
        name: String,
        /// Overrides, for an experiment.
        overrides: Vec<String>,
    },
    /// Make the skeleton of a protocol, a kernel or an experiment, registered and ready to fill in.
    ///
    /// The skeleton of a protocol or kernel compiles and declines everything, with a reason; its comments `Step N` say what to
    /// write, in order. That of an experiment runs. Nothing is overwritten, and nothing is written if anything is in the way.
    #[command(after_help = NEW_HELP)]
    New(NewArgs),
    /// Check what a run needs on this machine, and say what to do about what is missing.
    ///
    /// Exit code 0 unless a run is impossible.
    Doctor {
        /// Folder of all runs [default: notebooks-data/runs, or the variable WORKBENCH_RUNS].
        #[arg(long, value_name = "DIR")]
        runs: Option<PathBuf>,
        /// Print the checks as JSON.
        #[arg(long)]
        json: bool,
    },
    /// Print the JSON schema of experiment files, for editors.
    Schema,
    /// Print a completion script for a shell.
    #[command(after_help = "Example:\n  source <(workbench completions bash)")]
    Completions {
        /// The shell.
        shell: Shell,
    },
    /// Run one cell, from the folder that `plan --export` or `run` made for it.
    ///
    /// Measures, verifies, and writes record.json, as `run` does: `run` starts this command for every cell. A cell that is
    /// finished is left alone. Its own time limit, measure.timeout_s, holds here too. The executable and the input files
    /// must be those that the cell was planned with.
    #[command(after_help = RUN_CELL_HELP)]
    RunCell {
        /// The cell's folder.
        folder: PathBuf,
        /// Measure again, also if the cell is finished.
        #[arg(long)]
        again: bool,
        /// Folder of the input files, where it is not the one that the cell was planned with.
        #[arg(long, value_name = "DIR")]
        data: Option<PathBuf>,
        /// How many cells run on this machine at the same time: recorded, because they disturb each other's times.
        /// RAYON_NUM_THREADS gives each of them its share of the cores.
        #[arg(short, long, value_name = "N", default_value_t = 1, value_parser = jobs())]
        jobs: usize,
        /// Started by `run`.
        #[arg(long, hide = true)]
        child: bool,
    },
    /// Gather the results of cells that were run with `run-cell`, and say which are missing.
    ///
    /// Takes every record.json into results.jsonl, each cell once; may be repeated at any time. Exit code 4 if a cell
    /// failed or is missing.
    #[command(after_help = "Example:\n  workbench collect sweep")]
    Collect {
        /// The folder of the run.
        folder: PathBuf,
        #[command(flatten)]
        shown: Shown,
    },
}

/// The number of cells at a time.
fn jobs() -> impl clap::builder::TypedValueParser<Value = usize> {
    use clap::builder::TypedValueParser as _;
    clap::value_parser!(u16).range(1..=1024).map(usize::from)
}

const PLAN_HELP: &str = "\
Examples:
  workbench plan rmsnorm-compare model.0.protocol=logkr
  workbench plan rmsnorm-compare --export sweep         cells for `run-cell` and `collect`
  workbench plan rmsnorm-compare --export sweep | xargs -n 1 -P 2 workbench run-cell";

const RUN_CELL_HELP: &str = "\
Examples:
  workbench run-cell sweep/cells/0123456789abcdef
  ls -d sweep/cells/* | xargs -n 1 -P 2 workbench run-cell --jobs 2

Exit codes: 0 ok, 3 ok but a limit was missed, 4 failed or invalid, 5 another process runs this cell, 1 it cannot be run here";

const RUN_HELP: &str = "\
Examples:
  workbench run rmsnorm-logkr
  workbench run rmsnorm-logkr input.rows=16,64        two cells
  workbench run rmsnorm-logkr 'model.0.protocol={logkr: {form: product}}'
  workbench run ./my-experiment.yaml measure.samples=3 suite=goldilocks3

A run folder holds env.json, resolved.yaml, plan.json, results.jsonl (one line per finished cell), and for every
cell its job, proof, verifying key, public values, record, environment and log:
  notebooks-data/runs/<utc>-<name>-<id>/cells/<cell>/
    {cell.json,proof.bin,verifying-key.bin,public.bin,record.json,environment.json,log.txt}";

const REPORT_HELP: &str = "\
Examples:
  workbench report                                 the newest run
  workbench report rmsnorm-compare                 the newest run of one experiment
  workbench report notebooks-data/published/dense-compare --output pictures";

const VERIFY_HELP: &str = "\
Example:
  cd notebooks-data/runs/latest-rmsnorm-logkr/cells/*/
  workbench verify --proof proof.bin --key verifying-key.bin --public public.bin";

const NEW_HELP: &str = "\
Examples:
  workbench new protocol small-range --slot lookup
  workbench new kernel softmax --dry-run
  workbench new experiment my-comparison";

const IMPORT_HELP: &str = "\
Examples:
  workbench import network.onnx --calibrate samples.json
  workbench import network.onnx --calibrate samples.npy --input digit.json --output experiments/digit.yaml
  workbench import network.onnx --calibrate samples.json --dim batch=1 --per-channel

Samples are read as whole inputs of the network, one after the other: from EZKL's JSON, {\"input_data\": [[...]]}, or .npy.
Supported operators: Gemm, MatMul, Conv, Relu, MaxPool, AveragePool, GlobalAveragePool, Flatten, Reshape, Transpose, Add,
Sub, Mul, Div, Clip, Sigmoid, Tanh, Gelu, LayerNormalization, BatchNormalization after Conv, Gemm or MatMul, and RMSNorm,
LayerNorm, GELU and SiLU written as primitive nodes.";

#[derive(Debug, Args)]
pub(crate) struct ImportArgs {
    /// The ONNX file: one input, one output, weights inside, operator sets 9 to 22.
    pub(crate) model: PathBuf,
    /// Sample inputs that set the scales: .json (`{"input_data": [[...]]}`), .npy or .safetensors with one tensor.
    #[arg(long, value_name = "FILE")]
    pub(crate) calibrate: PathBuf,
    /// The input to prove: the first sample of this file [default: the first sample of the calibration].
    #[arg(long, value_name = "FILE")]
    pub(crate) input: Option<PathBuf>,
    /// The experiment file; tensors go into a .safetensors file of the same name [default: the model's name, here].
    #[arg(short, long, value_name = "FILE.yaml")]
    pub(crate) output: Option<PathBuf>,
    /// Overwrite files that exist.
    #[arg(long)]
    pub(crate) force: bool,
    /// Bits of quantised weights and activations, sign included.
    #[arg(long, default_value_t = 8, value_parser = clap::value_parser!(u32).range(2..=16))]
    pub(crate) bits: u32,
    /// One scale per output channel for the weights of dense and convolution layers.
    #[arg(long)]
    pub(crate) per_channel: bool,
    /// Length of a dynamic dimension of the input, e.g. `batch=1`. May be repeated.
    #[arg(long, value_name = "NAME=LENGTH")]
    pub(crate) dim: Vec<String>,
    /// Leave out a Softmax at the very end.
    #[arg(long)]
    pub(crate) drop_final_softmax: bool,
    /// The suite of the experiment.
    #[arg(long, default_value = "goldilocks")]
    pub(crate) suite: String,
}

#[derive(Debug, Args)]
pub(crate) struct ExperimentArgs {
    /// A name under experiments/, or a path to a YAML file.
    #[arg(value_name = "SPEC")]
    pub(crate) spec: String,
    /// Overrides: `key.path=value`, layers by position or name; commas, `1..10` and `2^4..2^8` sweep.
    #[arg(value_name = "KEY.PATH=VALUE")]
    pub(crate) overrides: Vec<String>,
}

/// What `new` makes, and how it is called.
#[derive(Debug, Args)]
pub(crate) struct NewArgs {
    /// What to make.
    pub(crate) kind: NewKind,
    /// Its name: words of lower-case letters and digits, joined by hyphens; one word for a kernel.
    pub(crate) name: String,
    /// What a protocol proves: lookups in tables, einsums (sums of products), or both.
    #[arg(long, value_name = "SLOT", default_value = "lookup")]
    pub(crate) slot: NewSlot,
    /// Say what would be made, and make nothing.
    #[arg(long)]
    pub(crate) dry_run: bool,
}

/// What `new` can make.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum NewKind {
    /// A crate that proves relations.
    Protocol,
    /// A layer: its integers and relations, and its key in experiment files.
    Kernel,
    /// A YAML file.
    Experiment,
}

/// The slots that a new protocol fills.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum NewSlot {
    /// Lookups.
    Lookup,
    /// Sums of products.
    Einsum,
    /// Both.
    Both,
}

/// What `list` lists.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Kind {
    /// Protocols, with the slots they fill.
    Protocols,
    /// Kernels: what a layer can be.
    Kernels,
    /// Experiment files.
    Experiments,
    /// Suites: field, challenge field, hash, commitment.
    Suites,
    /// Hardware to prove on.
    Devices,
    /// Numbers that `checks` can limit.
    Metrics,
}

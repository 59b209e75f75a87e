//! The command line.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;

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
  workbench run rmsnorm-compare --resume latest    go on where a run was stopped

Exit codes:
  0  all is well
  1  the command or the experiment is wrong, or a file cannot be read or written
  2  the proof was rejected
  3  a limit under `checks` was missed
  4  some cell failed or is invalid";

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Prove every cell of an experiment, each in its own process, and record the results.
    ///
    /// All cells are planned and checked before the first one runs. Every cell verifies its proof from bytes in a
    /// fresh process, and tampered copies of it that must be rejected; a cell that fails either has no numbers.
    /// Results are flushed to the disk as each cell ends: stopping a run loses no finished cell.
    #[command(after_help = RUN_HELP)]
    Run {
        #[command(flatten)]
        experiment: ExperimentArgs,
        /// Go on with an earlier run (its folder, or `latest`): cells that finished with the same experiment,
        /// executable and data are skipped.
        #[arg(long, value_name = "DIR|latest")]
        resume: Option<String>,
        /// Folder of all runs [default: notebooks-data/runs, or the variable WORKBENCH_RUNS].
        #[arg(long, value_name = "DIR")]
        runs: Option<PathBuf>,
    },
    /// Check an experiment and predict its cells, without proving anything.
    ///
    /// Shows every relation with its protocol, predicted operations and proof elements, committed cells, and the
    /// soundness of the whole proof with its largest error terms.
    #[command(after_help = "Example:\n  workbench plan rmsnorm-compare model.0.protocol=logkr")]
    Plan {
        #[command(flatten)]
        experiment: ExperimentArgs,
        /// Print the plan as JSON.
        #[arg(long)]
        json: bool,
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
    /// Print the JSON schema of experiment files, for editors.
    Schema,
    /// Print a completion script for a shell.
    #[command(after_help = "Example:\n  source <(workbench completions bash)")]
    Completions {
        /// The shell.
        shell: Shell,
    },
    /// Run one cell of a run folder; `run` starts it.
    #[command(hide = true)]
    RunCell {
        /// The cell's folder.
        folder: PathBuf,
    },
}

const RUN_HELP: &str = "\
Examples:
  workbench run rmsnorm-logkr
  workbench run rmsnorm-logkr input.rows=16,64        two cells
  workbench run rmsnorm-logkr 'model.0.protocol={logkr: {form: product}}'
  workbench run ./my-experiment.yaml measure.samples=3 suite=goldilocks3

A run folder holds env.json, resolved.yaml, plan.json, results.jsonl (one line per finished cell), and for every
cell its proof, verifying key, public values, result and log:
  notebooks-data/runs/<utc>-<name>-<id>/cells/<cell>/{proof.bin,verifying-key.bin,public.bin,result.json,log.txt}";

const VERIFY_HELP: &str = "\
Example:
  cd notebooks-data/runs/latest-rmsnorm-logkr/cells/*/
  workbench verify --proof proof.bin --key verifying-key.bin --public public.bin";

#[derive(Debug, Args)]
pub(crate) struct ExperimentArgs {
    /// A name under experiments/, or a path to a YAML file.
    #[arg(value_name = "SPEC")]
    pub(crate) spec: String,
    /// Overrides: `key.path=value`, list positions as numbers, commas sweep.
    #[arg(value_name = "KEY.PATH=VALUE")]
    pub(crate) overrides: Vec<String>,
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

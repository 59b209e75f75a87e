//! The command-line workbench: experiment file, plan, run, record, report.

mod cli;
mod describe;
mod doctor;
mod import;
mod progress;
mod report;
mod run;
mod scaffold;
mod table;

use std::process::ExitCode;

use clap::{CommandFactory, Parser};
use cli::{Cli, Command};
use tracing_subscriber::EnvFilter;
use zkml_engine::exit::{Exit, Failure};
use zkml_engine::{locate, spec, verify};

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            // Help and version are printed the same way; only they are no error.
            let exit = if error.use_stderr() { Exit::Usage } else { Exit::Done };
            let _ = error.print();
            return exit.into();
        }
    };
    start_log(cli.verbose);
    match dispatch(cli.command) {
        Ok(exit) => exit.into(),
        Err(Failure { exit, message }) => {
            eprintln!("{message}");
            exit.into()
        }
    }
}

fn start_log(verbose: u8) {
    let level = ["warn", "info", "debug", "trace"][usize::from(verbose.min(3))];
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(level));
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).init();
}

fn dispatch(command: Command) -> Result<Exit, Failure> {
    match command {
        Command::Run { experiment, resume, new, jobs, yes, runs, shown } => {
            let file = locate::experiment(&experiment.spec)?;
            let runs = runs.unwrap_or_else(locate::runs);
            let (overrides, resume) = (experiment.overrides.as_slice(), resume.as_deref());
            run::command(&run::Request { file: &file, overrides, runs: &runs, resume, new, yes, jobs, shown })
        }
        Command::Plan { experiment, json, details, export, yes, runs } => {
            let file = locate::experiment(&experiment.spec)?;
            let runs = runs.unwrap_or_else(locate::runs);
            let overrides = experiment.overrides.as_slice();
            run::plan_command(&run::PlanRequest { file: &file, overrides, runs: &runs, export, yes, json, details })
        }
        Command::Report { run, output, runs } => {
            report::report(run.as_deref(), &runs.unwrap_or_else(locate::runs), output)
        }
        Command::Export { run, output, runs } => {
            report::export(run.as_deref(), &runs.unwrap_or_else(locate::runs), output)
        }
        Command::RunCell { folder, again, data, jobs, child } => {
            run::cell::command(&run::cell::CellRequest { folder: &folder, again, data, jobs, child })
        }
        Command::Collect { folder, shown } => run::gather::command(&folder, shown),
        Command::Papers { only, list, jobs, runs } => {
            let runs = runs.unwrap_or_else(locate::runs);
            run::papers::command(&run::papers::PapersRequest { only, list, runs, jobs })
        }
        Command::Verify { proof, key, public, json } => verify::command(&verify::Files { proof, key, public }, json),
        Command::Import(args) => import::command(&args),
        Command::List { kind } => {
            println!("{}", describe::list(kind));
            Ok(Exit::Done)
        }
        Command::Describe { name, overrides } => {
            println!("{}", describe::describe(&name, &overrides)?);
            Ok(Exit::Done)
        }
        Command::New(args) => scaffold::command(&args),
        Command::Doctor { runs, json } => doctor::command(&runs.unwrap_or_else(locate::runs), json),
        Command::Schema => {
            print!("{}", spec::schema::schema_text());
            Ok(Exit::Done)
        }
        Command::Completions { shell } => {
            clap_complete::generate(shell, &mut Cli::command(), "workbench", &mut std::io::stdout());
            Ok(Exit::Done)
        }
    }
}

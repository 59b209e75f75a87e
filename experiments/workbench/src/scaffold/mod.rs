//! `workbench new`: skeletons of protocols, kernels and experiments.
//!
//! A skeleton compiles, is registered, and is honest about what it is: a protocol declines every relation, a kernel every
//! input; an experiment runs. Its comments `Step N: …` say what to fill in, in order. The files are in `templates/`.

mod changes;
mod kinds;
mod name;

use std::fmt::Write;
use std::path::{Path, PathBuf};

use zkml_engine::exit::{Exit, Failure};

use crate::cli::{NewArgs, NewKind};
use changes::Changes;
use name::Name;

/// Makes the skeleton, or with `--dry-run` says what would be made.
pub(crate) fn command(args: &NewArgs) -> Result<Exit, Failure> {
    let here = std::env::current_dir().unwrap_or_else(|_| PathBuf::from("."));
    let root = root(&here).map_err(Failure::usage)?;
    let name = Name::new(&args.name, args.kind == NewKind::Kernel).map_err(Failure::usage)?;
    let changes = kinds::changes(args, &name, &root).map_err(Failure::usage)?;
    if !args.dry_run {
        changes.write().map_err(Failure::usage)?;
    }
    print!("{}", report(&changes, &kinds::next(args.kind, &name), args.dry_run));
    Ok(Exit::Done)
}

/// The nearest folder upwards that holds the workbench's sources.
fn root(here: &Path) -> Result<PathBuf, String> {
    let is_root = |folder: &&Path| folder.join("protocols/registry").is_dir() && folder.join("experiments").is_dir();
    let found = here.ancestors().find(is_root).map(Path::to_owned);
    found.ok_or_else(|| format!("{} is not inside a clone of the workbench's repository", here.display()))
}

/// What was or would be done, what to fill in, and what to run then.
fn report(changes: &Changes, next: &[String], dry_run: bool) -> String {
    let (made, changed) = if dry_run { ("would create", "would change") } else { ("created", "changed") };
    let mut text = String::new();
    for file in changes.created() {
        let _ = writeln!(text, "{made}  {}", file.display());
    }
    for insertion in changes.insertions() {
        let lines = insertion.text.lines().map(str::trim).collect::<Vec<_>>().join(" ");
        let _ = writeln!(text, "{changed}  {}:{}  + {lines}", insertion.file.display(), insertion.line);
    }
    let _ = writeln!(text, "\nto fill in, in this order");
    for step in changes.steps() {
        let place = format!("{}:{}", step.file.display(), step.line);
        let _ = writeln!(text, "  {:>2}  {place}\n      {}", step.number, step.text);
    }
    let _ = writeln!(text, "\nthen");
    for line in next {
        let _ = writeln!(text, "  {line}");
    }
    text
}

//! `workbench doctor`: what a run needs, whether this machine has it, and what to do.
//!
//! | state | means |
//! |---|---|
//! | `ok` | nothing to do |
//! | `note` | runs work; numbers are worse than they could be, or something beside runs is missing |
//! | `problem` | a run is impossible |

mod machine;
mod places;

use std::fmt::Write;
use std::path::Path;

use serde::Serialize;

use zkml_engine::exit::{Exit, Failure};
use zkml_engine::{devices, environment};

/// How serious something is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum State {
    Ok,
    Note,
    Problem,
}

/// One thing that was looked at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
struct Check {
    name: &'static str,
    state: State,
    /// What is there.
    found: String,
    /// What to do, unless all is well.
    #[serde(skip_serializing_if = "Option::is_none")]
    advice: Option<String>,
}

impl Check {
    fn ok(name: &'static str, found: impl Into<String>) -> Self {
        Self { name, state: State::Ok, found: found.into(), advice: None }
    }

    fn note(name: &'static str, found: impl Into<String>, advice: impl Into<String>) -> Self {
        Self { name, state: State::Note, found: found.into(), advice: Some(advice.into()) }
    }

    fn problem(name: &'static str, found: impl Into<String>, advice: impl Into<String>) -> Self {
        Self { name, state: State::Problem, found: found.into(), advice: Some(advice.into()) }
    }
}

/// All checks, and what follows from them.
#[derive(Debug, Serialize)]
struct Report {
    can_run: bool,
    checks: Vec<Check>,
}

/// Looks at everything and prints it.
pub(crate) fn command(runs: &Path, json: bool) -> Result<Exit, Failure> {
    let checks = checks(runs);
    let report = Report { can_run: checks.iter().all(|check| check.state != State::Problem), checks };
    if json {
        let text = serde_json::to_string_pretty(&report).map_err(|e| Failure::usage(e.to_string()))?;
        println!("{text}");
    } else {
        print!("{}", table(&report));
    }
    Ok(if report.can_run { Exit::Done } else { Exit::Usage })
}

fn checks(runs: &Path) -> Vec<Check> {
    let environment = environment::collect();
    let mut checks = vec![
        machine::executable(&environment),
        machine::build(&environment),
        machine::vectors(&environment),
        machine::threads(&environment),
        machine::governor(&environment),
        machine::load(environment.cores),
        machine::memory(),
        machine::clock(),
        places::experiments(),
        places::runs(runs),
        places::disk(runs),
        places::parameters(),
        places::git(&environment),
    ];
    checks.extend(devices::rows().into_iter().map(|(name, about)| device(&name, &about)));
    checks.push(places::python());
    checks.push(places::browser());
    checks
}

/// A device that cannot be used is no problem: experiments run on the host unless they ask for it.
fn device(name: &str, about: &str) -> Check {
    let (name, help) = match name {
        devices::CPU => ("device cpu", ""),
        "gpu" => (
            "device gpu",
            "only for `device: gpu`: install a Vulkan driver (Debian: mesa-vulkan-drivers, or the vendor's)",
        ),
        _ => ("device icicle", "only for `device: icicle`: install ICICLE and set ICICLE_INSTALL_DIR to its folder"),
    };
    // Reasons go on about where was looked; the first sentence says what is missing.
    let found = about.lines().next().unwrap_or_default();
    let found = found.split_once(". ").map_or(found, |(first, _)| first).to_owned();
    if about.contains("not usable") {
        Check::note(name, found, help)
    } else if about.contains("(software,") {
        Check::note(
            name,
            found,
            "a driver that computes on the processor: for tests, its times say nothing about a GPU",
        )
    } else {
        Check::ok(name, found)
    }
}

/// One line per check, and one below for what to do.
fn table(report: &Report) -> String {
    let width = report.checks.iter().map(|check| check.name.len()).max().unwrap_or(0);
    let mut text = String::new();
    for Check { name, state, found, advice } in &report.checks {
        let state = match state {
            State::Ok => "ok",
            State::Note => "note",
            State::Problem => "PROBLEM",
        };
        let _ = writeln!(text, "{state:8}{name:width$}  {found}");
        if let Some(advice) = advice {
            let _ = writeln!(text, "{:8}{:width$}  -> {advice}", "", "");
        }
    }
    let count = |wanted| report.checks.iter().filter(|check| check.state == wanted).count();
    let (problems, notes) = (counted(count(State::Problem), "problem"), counted(count(State::Note), "note"));
    let verdict = if report.can_run { "a run is possible" } else { "a run is impossible" };
    text + &format!("\n{verdict}: {problems}, {notes}\n")
}

/// `1 note`, `2 notes`.
fn counted(count: usize, what: &str) -> String {
    format!("{count} {what}{}", if count == 1 { "" } else { "s" })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_problems_make_a_run_impossible_and_every_advice_is_shown() {
        let checks =
            vec![Check::ok("a", "here"), Check::note("long name", "b", "do c"), device("gpu", "not usable: no\nx")];
        assert_eq!(checks[2].found, "not usable: no");
        assert_eq!(device("gpu", "llvmpipe (software, vulkan, Mesa 1.2): 64-bit arithmetic").state, State::Note);
        assert_eq!(device("gpu", "a card (discrete, vulkan, 1.2): 64-bit arithmetic").state, State::Ok);
        assert_eq!(device("icicle", "not usable: no library. Unpack a release").found, "not usable: no library");
        let text = table(&Report { can_run: true, checks: checks.clone() });
        assert!(text.contains("ok      a           here\n"), "{text}");
        assert!(text.contains("-> do c\n") && text.ends_with("a run is possible: 0 problems, 2 notes\n"), "{text}");
        let json = serde_json::to_value(Report { can_run: true, checks }).unwrap();
        assert_eq!((&json["checks"][1]["state"], json["checks"][0].get("advice")), (&"note".into(), None));
    }

    #[test]
    fn a_runs_folder_that_cannot_be_made_is_a_problem() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("file");
        std::fs::write(&file, "x").unwrap();
        assert_eq!(places::runs(&file.join("runs")).state, State::Problem);
        assert_eq!(places::runs(&file).state, State::Problem);
        assert_eq!(places::runs(&folder.path().join("new/runs")).state, State::Ok);
        assert!(!folder.path().join("new").exists());
        assert_eq!(command(&file, true).unwrap(), Exit::Usage);
    }
}

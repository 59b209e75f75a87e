//! `workbench verify`: proof, key and public values as files, and nothing else.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use serde::{Deserialize, Serialize};
use zkml_model::VerifyReport;

use crate::environment::peak_memory;
use crate::exit::{Exit, Failure};
use crate::suites;
use zkml_results::clock::{Time, timed};
use zkml_results::record::{Soundness, Verification};

/// The three files that a verifier gets.
#[derive(Clone, Debug)]
pub struct Files {
    /// The proof.
    pub proof: PathBuf,
    /// The verifying key.
    pub key: PathBuf,
    /// The public values.
    pub public: PathBuf,
}

impl Files {
    /// The files of a cell's folder.
    pub fn of_cell(folder: &Path) -> Self {
        let file = |name| folder.join(name);
        Self { proof: file("proof.bin"), key: file("verifying-key.bin"), public: file("public.bin") }
    }
}

/// What the verifying process says about an accepted proof, with `--json`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Accepted {
    /// Suite id.
    pub suite: String,
    /// Scopes of the relations proven.
    pub relations: Vec<String>,
    /// Soundness of the proof.
    pub soundness: Soundness,
    /// True if the key allows fewer bits than it asks for, and the proof has fewer.
    pub weak: bool,
    /// Time from bytes to verdict.
    pub time: Time,
    /// Largest resident memory of this process.
    pub peak_memory_bytes: Option<u64>,
}

/// Runs the command.
pub fn command(files: &Files, json: bool) -> Result<Exit, Failure> {
    let read = |path: &Path| {
        std::fs::read(path).map_err(|e| Failure::usage(format!("{}: the file cannot be read: {e}", path.display())))
    };
    let (key, public, proof) = (read(&files.key)?, read(&files.public)?, read(&files.proof)?);
    let (verdict, time) = timed(|| suites::verify(&key, &public, &proof));
    let VerifyReport { suite, relations, soundness } = verdict.map_err(Failure::rejected)?;
    let weak = soundness.is_weak();
    let soundness =
        Soundness { bits: soundness.bits, wanted: soundness.wanted, regime: soundness.regime, terms: soundness.terms };
    let accepted = Accepted { suite, relations, soundness, weak, time, peak_memory_bytes: peak_memory() };
    if json {
        println!("{}", serde_json::to_string(&accepted).map_err(|e| Failure::usage(e.to_string()))?);
    } else {
        print_accepted(&accepted, [key.len(), public.len(), proof.len()]);
    }
    Ok(Exit::Done)
}

fn print_accepted(accepted: &Accepted, [key, public, proof]: [usize; 3]) {
    println!("accepted: the proof is valid for this key and these public values");
    println!("  suite       {}", accepted.suite);
    println!("  soundness   {:.1} bits ({})", accepted.soundness.bits, accepted.soundness.regime);
    if accepted.weak {
        println!("  WEAK        the key asks for {} bits and allows fewer", accepted.soundness.wanted);
    }
    println!("  sizes       proof {proof} bytes, key {key} bytes, public values {public} bytes");
    println!("  time        {:.2} ms", accepted.time.wall * 1e3);
    println!("  relations   {}", accepted.relations.len());
    for scope in &accepted.relations {
        println!("    {scope}");
    }
}

/// The verdict of a fresh verifying process.
#[derive(Debug)]
pub enum Verdict {
    /// Exit code 0.
    Accepted(Box<Accepted>, Verification),
    /// Exit code 2, with the reason.
    Rejected(String),
    /// Any other end: a verifier must not crash, whatever the bytes.
    Broken(String),
    /// The process could not be started.
    NotRun(String),
}

/// Verifies in a fresh process.
pub fn in_fresh_process(files: &Files) -> Verdict {
    let start = Instant::now();
    let mut command = Command::new(this_executable());
    command.arg("verify").arg("--json").arg("--proof").arg(&files.proof).arg("--key").arg(&files.key);
    command.arg("--public").arg(&files.public).stdin(Stdio::null());
    let output = match command.output() {
        Ok(output) => output,
        Err(e) => return Verdict::NotRun(format!("the verifying process cannot be started: {e}")),
    };
    let process = start.elapsed().as_secs_f64();
    let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
    match output.status.code() {
        Some(0) => match serde_json::from_slice::<Accepted>(&output.stdout) {
            Ok(accepted) => {
                let (inside, peak_memory_bytes) = (accepted.time, accepted.peak_memory_bytes);
                Verdict::Accepted(Box::new(accepted), Verification { inside, process, peak_memory_bytes })
            }
            Err(e) => Verdict::Broken(format!("the verifying process answered in no known form: {e}")),
        },
        Some(code) if code == i32::from(Exit::Rejected.code()) => {
            Verdict::Rejected(said.strip_prefix("rejected: ").unwrap_or(&said).to_owned())
        }
        _ => Verdict::Broken(format!("the verifying process ended with {}: {said}", output.status)),
    }
}

/// This executable, also if its file has been replaced meanwhile.
pub fn this_executable() -> PathBuf {
    let own = Path::new("/proc/self/exe");
    if own.exists() { own.to_owned() } else { std::env::current_exe().unwrap_or_else(|_| PathBuf::from("workbench")) }
}

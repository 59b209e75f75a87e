//! A folder with a tiny experiment, and the built program in it.
#![allow(dead_code, reason = "each test file uses a part")]

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Output};

use serde_json::Value;

/// A folder with a tiny experiment: 4 rows of 8 activations.
pub(crate) struct Bench {
    folder: tempfile::TempDir,
}

/// A `.npy` file of 64-bit floats.
pub(crate) fn npy(shape: &str, values: &[f64]) -> Vec<u8> {
    let mut header = format!("{{'descr': '<f8', 'fortran_order': False, 'shape': {shape}, }}");
    while (10 + header.len() + 1) % 64 != 0 {
        header.push(' ');
    }
    header.push('\n');
    let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
    bytes.extend((header.len() as u16).to_le_bytes());
    bytes.extend(header.as_bytes());
    bytes.extend(values.iter().flat_map(|v| v.to_le_bytes()));
    bytes
}

impl Bench {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let values: Vec<f64> = (0..32).map(|i| f64::from((i * 37) % 19) - 9.0).collect();
        let gain: Vec<f64> = (0..8).map(|i| 0.5 + f64::from(i) / 8.0).collect();
        fs::write(folder.path().join("x.npy"), npy("(4, 8)", &values)).unwrap();
        fs::write(folder.path().join("gain.npy"), npy("(8,)", &gain)).unwrap();
        let text = "\
schema: 1
about: A tiny layer
input: {file: x.npy}
model:
  - rmsnorm: {gain: gain.npy}
    protocol: logup-gkr
measure: {warmup: 0, samples: 1, timeout_s: 300}
";
        fs::write(folder.path().join("tiny.yaml"), text).unwrap();
        Self { folder }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The program with these arguments, in this folder.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_workbench"));
        command.args(arguments).current_dir(self.folder.path());
        command.env("WORKBENCH_RUNS", self.path("runs")).env_remove("RUST_LOG");
        command
    }

    pub(crate) fn workbench(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().unwrap()
    }

    pub(crate) fn run(&self, arguments: &[&str]) -> Output {
        self.workbench(&[&["run", "tiny.yaml"], arguments].concat())
    }

    pub(crate) fn records(&self) -> Vec<Value> {
        let text = fs::read_to_string(self.path("runs/latest-tiny/results.jsonl")).unwrap();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// Proof, key and public values of the latest run's cell.
    pub(crate) fn files(&self) -> [Vec<u8>; 3] {
        let cells = fs::canonicalize(self.path("runs/latest-tiny/cells")).unwrap();
        let cell = fs::read_dir(cells).unwrap().next().unwrap().unwrap().path();
        ["proof.bin", "verifying-key.bin", "public.bin"].map(|name| fs::read(cell.join(name)).unwrap())
    }

    pub(crate) fn verify(&self, [proof, key, public]: [&[u8]; 3]) -> Output {
        let write = |name: &str, bytes: &[u8]| {
            fs::write(self.path(name), bytes).unwrap();
            self.path(name).display().to_string()
        };
        let (proof, key, public) = (write("p", proof), write("k", key), write("q", public));
        self.workbench(&["verify", "--proof", &proof, "--key", &key, "--public", &public])
    }
}

pub(crate) fn code(output: &Output) -> i32 {
    output.status.code().unwrap_or_else(|| panic!("no exit code: {output:?}"))
}

pub(crate) fn text(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

//! What criterion measured, as tables on the terminal and as a file of medians.

use std::fmt::{self, Write as _};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::SystemTime;
use std::{fs, io};

use serde_json::{Value, json};
use zkml_fields::Implementation;

/// The locked versions of the libraries.
const LOCK: &str = include_str!("../../Cargo.lock");

/// Why there is no report.
pub(crate) type Error = Box<dyn std::error::Error>;

/// What one iteration consists of.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Mode {
    /// Independent operations; time per element.
    Throughput,
    /// Independent conversions; time per element.
    Conversion,
    /// Operations that wait for the one before; time per operation, on all lanes at once.
    Latency,
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Throughput => "throughput",
            Self::Conversion => "conversion",
            Self::Latency => "latency",
        })
    }
}

/// One measurement: an operation of an implementation.
pub(crate) struct Record {
    operation: &'static str,
    mode: Mode,
    library: &'static str,
    backend: &'static str,
    field: &'static str,
    degree: usize,
    lanes: usize,
    steps: usize,
}

impl Record {
    /// A measurement whose iterations have `steps` operations.
    pub(crate) fn new<T: Implementation>(operation: &'static str, mode: Mode, steps: usize) -> Self {
        let (library, backend, field) = (T::LIBRARY, T::BACKEND, T::FIELD);
        Self { operation, mode, library, backend, field, degree: T::DEGREE, lanes: T::LANES, steps }
    }

    /// Name of the implementation, in words that a file name can have.
    pub(crate) fn name(&self) -> String {
        let mut name = format!("{} {}", self.field, self.library);
        if !self.backend.is_empty() {
            let _ = write!(name, " {}", self.backend);
        }
        if self.degree > 1 {
            let _ = write!(name, " degree {}", self.degree);
        }
        if self.lanes > 1 {
            let _ = write!(name, " packed {}", self.lanes);
        }
        name
    }

    /// Criterion's folder.
    fn folder(&self) -> PathBuf {
        Path::new(&format!("{} {}", self.operation, self.mode)).join(self.name())
    }
}

/// A median with the bounds of its 95 % interval, in nanoseconds per step.
struct Median {
    value: f64,
    low: f64,
    high: f64,
}

/// All measurements of one run of the bench.
pub(crate) struct Report {
    started: SystemTime,
    criterion: PathBuf,
    records: Vec<Record>,
}

impl Report {
    /// A report on what runs from now on. Criterion's files go beside the executable's build, or where `CRITERION_HOME` says.
    pub(crate) fn new() -> Result<Self, Error> {
        let criterion = if let Some(home) = std::env::var_os("CRITERION_HOME") {
            PathBuf::from(home)
        } else {
            let executable = std::env::current_exe()?;
            executable.ancestors().nth(3).ok_or("the executable is in no build folder")?.join("criterion")
        };
        Ok(Self { started: SystemTime::now(), criterion, records: Vec::new() })
    }

    /// Where criterion has to write.
    pub(crate) fn criterion(&self) -> &Path {
        &self.criterion
    }

    /// Adds a measurement.
    pub(crate) fn push(&mut self, record: Record) {
        self.records.push(record);
    }

    /// The median of a measurement, or `None` if a filter left it out of this run.
    fn median(&self, record: &Record) -> Result<Option<Median>, Error> {
        let path = self.criterion.join(record.folder()).join("new/estimates.json");
        match fs::metadata(&path) {
            Ok(metadata) if metadata.modified()? >= self.started => {}
            Ok(_) => return Ok(None),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error.into()),
        }
        let estimates: Value = serde_json::from_slice(&fs::read(&path)?)?;
        let number = |pointer: &str| {
            let value = estimates.pointer(pointer).and_then(Value::as_f64);
            value.map(|value| value / record.steps as f64).ok_or(format!("{}: no {pointer}", path.display()))
        };
        let low = number("/median/confidence_interval/lower_bound")?;
        let high = number("/median/confidence_interval/upper_bound")?;
        Ok(Some(Median { value: number("/median/point_estimate")?, low, high }))
    }

    /// Prints the tables, and writes `medians.csv` and `env.json` into `notebooks-data/runs/fields`.
    pub(crate) fn finish(&self) -> Result<(), Error> {
        let mut measured = Vec::new();
        for record in &self.records {
            if let Some(median) = self.median(record)? {
                measured.push((record, median));
            }
        }
        if measured.is_empty() {
            return Ok(());
        }
        for mode in [Mode::Throughput, Mode::Conversion, Mode::Latency] {
            let rows: Vec<_> = measured.iter().filter(|(record, _)| record.mode == mode).collect();
            print!("{}", table(mode, &rows));
        }
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../notebooks-data/runs/fields");
        fs::create_dir_all(&folder)?;
        fs::write(folder.join("medians.csv"), csv(&measured)?)?;
        fs::write(folder.join("env.json"), serde_json::to_string_pretty(&environment()?)? + "\n")?;
        println!("\nnotebooks-data/runs/fields: medians.csv, env.json");
        Ok(())
    }
}

/// Implementations in rows, operations in columns.
fn table(mode: Mode, measured: &[&(&Record, Median)]) -> String {
    let mut operations: Vec<&str> = Vec::new();
    let mut names: Vec<String> = Vec::new();
    for (record, _) in measured {
        if !operations.contains(&record.operation) {
            operations.push(record.operation);
        }
        if !names.contains(&record.name()) {
            names.push(record.name());
        }
    }
    let mut text = String::new();
    if !names.is_empty() {
        let _ =
            writeln!(text, "\n| {mode}, ns | {} |\n|---{}|", operations.join(" | "), "|---".repeat(operations.len()));
    }
    for name in names {
        let cell = |operation: &&str| {
            let found = measured.iter().find(|(record, _)| record.name() == name && record.operation == *operation);
            found.map_or("–".to_owned(), |(_, median)| format!("{:.2}", median.value))
        };
        let cells: Vec<String> = operations.iter().map(cell).collect();
        let _ = writeln!(text, "| {name} | {} |", cells.join(" | "));
    }
    text
}

fn csv(measured: &[(&Record, Median)]) -> Result<String, Error> {
    let mut text = "operation,mode,field,degree,library,version,backend,lanes,ns,ns_low,ns_high\n".to_owned();
    for (record, median) in measured {
        let Record { operation, mode, library, backend, field, degree, lanes, .. } = record;
        let Median { value, low, high } = median;
        let version = version(library)?;
        writeln!(
            text,
            "{operation},{mode},{field},{degree},{library},{version},{backend},{lanes},{value:.4},{low:.4},{high:.4}"
        )?;
    }
    Ok(text)
}

/// The locked version of a package.
fn version(package: &str) -> Result<&str, String> {
    let name = format!("name = \"{package}\"\nversion = \"");
    let rest = LOCK.split_once(&name).ok_or(format!("{package} is not in Cargo.lock"))?.1;
    rest.split_once('"').map(|(version, _)| version).ok_or(format!("{package} has no version in Cargo.lock"))
}

/// Processor and compiler.
fn environment() -> Result<Value, Error> {
    let cpu = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let line = |key: &str| {
        let line = cpu.lines().find(|line| line.starts_with(key));
        line.and_then(|line| line.split_once(':')).map(|(_, value)| value.trim().to_owned())
    };
    let flags: Option<Vec<String>> = line("flags").map(|flags| flags.split(' ').map(str::to_owned).collect());
    let compiler = Command::new("rustc").arg("--version").output()?;
    Ok(json!({
        "cpu": line("model name"),
        "cpu_flags": flags,
        "cores": std::thread::available_parallelism()?.get(),
        "rustc": String::from_utf8(compiler.stdout)?.trim(),
    }))
}

//! Renders a run's report: `cargo run -p zkml-report --example render -- FOLDER [--output DIR] [--svg] [--png] [--html]`.
//! Without a kind of file, all are written.

use std::path::PathBuf;
use std::process::ExitCode;

use zkml_report::{Format, ReportError, Run, write};

const USAGE: &str = "usage: render FOLDER [--output DIR] [--html] [--svg] [--png]";

struct Arguments {
    folder: PathBuf,
    output: PathBuf,
    formats: Vec<Format>,
}

fn arguments() -> Option<Arguments> {
    let (mut folder, mut output, mut formats) = (None, None, Vec::new());
    let mut words = std::env::args().skip(1);
    while let Some(word) = words.next() {
        match word.as_str() {
            "--output" => output = Some(PathBuf::from(words.next()?)),
            "--html" => formats.push(Format::Html),
            "--svg" => formats.push(Format::Svg),
            "--png" => formats.push(Format::Png),
            _ if folder.is_none() && !word.starts_with("--") => folder = Some(PathBuf::from(word)),
            _ => return None,
        }
    }
    let folder = folder?;
    let output = output.unwrap_or_else(|| folder.join("report"));
    Some(Arguments { folder, output, formats: if formats.is_empty() { Format::ALL.to_vec() } else { formats } })
}

fn render(arguments: &Arguments) -> Result<(), ReportError> {
    let run = Run::open(&arguments.folder)?;
    for path in write(&run, &arguments.output, &arguments.formats)? {
        println!("{}", path.display());
    }
    Ok(())
}

fn main() -> ExitCode {
    let Some(arguments) = arguments() else {
        eprintln!("{USAGE}");
        return ExitCode::from(2);
    };
    match render(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

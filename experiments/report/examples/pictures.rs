//! Draws the pictures of the README again from the published results: `cargo run -p zkml-report --example pictures`.

use std::path::Path;
use std::process::ExitCode;

use zkml_report::{Run, pictures};
use zkml_results::store::write_atomic;

/// Published runs, and which of their pictures are kept.
const KEPT: [(&str, &str); 6] = [
    ("rmsnorm-compare", "phases"),
    ("lookup-compare", "scaling-input-rows-bits-16"),
    ("matmul-compare", "scaling-input-file"),
    ("suites-compare", "time-against-size"),
    ("lenet5", "proof-bytes"),
    ("lenet5", "accuracy"),
];

fn draw(published: &Path) -> Result<(), Box<dyn std::error::Error>> {
    for (run, name) in KEPT {
        let picture = pictures(&Run::open(&published.join(run))?).into_iter().find(|p| p.name == name);
        let picture = picture.ok_or_else(|| format!("{run} has no picture {name}"))?;
        let folder = published.join("pictures").join(run);
        std::fs::create_dir_all(&folder)?;
        let path = folder.join(format!("{name}.svg"));
        write_atomic(&path, picture.svg().as_bytes())?;
        println!("{}", path.display());
    }
    Ok(())
}

fn main() -> ExitCode {
    match draw(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../../notebooks-data/published")) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

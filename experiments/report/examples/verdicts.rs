//! Draws the verdicts that `just compare` kept: `cargo run -p zkml-report --example verdicts -- VERDICTS.json OUT.svg [BASELINE]`.
//! Beside it, `OUT-narrow.svg` is the form for phones.

use std::path::Path;
use std::process::ExitCode;

use zkml_report::verdicts::{Judged, picture};
use zkml_results::store::write_atomic;

fn draw(file: &Path, out: &Path, baseline: Option<&str>) -> Result<(), Box<dyn std::error::Error>> {
    let text = std::fs::read(file).map_err(|e| format!("{}: {e}", file.display()))?;
    let judged: Vec<Judged> = serde_json::from_slice(&text).map_err(|e| format!("{}: {e}", file.display()))?;
    let name = file.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
    let name = name.strip_suffix("-verdicts").unwrap_or(&name);
    let picture = picture(name, &judged, baseline).map_err(|missing| format!("no picture: {}", missing.reason))?;
    let stem = out.file_stem().ok_or("the second argument names no file")?.to_string_lossy().into_owned();
    for (path, svg) in
        [(out.to_owned(), picture.svg()), (out.with_file_name(format!("{stem}-narrow.svg")), picture.narrow_svg())]
    {
        write_atomic(&path, svg.as_bytes())?;
        println!("{}", path.display());
    }
    Ok(())
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let drawn = match arguments.as_slice() {
        [file, out] => draw(Path::new(file), Path::new(out), None),
        [file, out, baseline] => draw(Path::new(file), Path::new(out), Some(baseline)),
        _ => Err("usage: verdicts VERDICTS.json OUT.svg [BASELINE]".into()),
    };
    match drawn {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

//! A run's results as tidy tables: `tidy RUN_FOLDER OUT_FOLDER`, or `tidy --dictionary` for what the columns mean.

use std::error::Error;
use std::path::Path;

use zkml_report::tidy;
use zkml_results::store::RunFolder;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["--dictionary"] => print!("{}", tidy::dictionary()),
        [run, out] => {
            let records = RunFolder::read(Path::new(run))?.records()?;
            for file in tidy::write(&records, Path::new(out))? {
                println!("{}", file.display());
            }
        }
        _ => return Err("use: tidy RUN_FOLDER OUT_FOLDER, or: tidy --dictionary".into()),
    }
    Ok(())
}

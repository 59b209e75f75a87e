//! `workbench import`: an ONNX network becomes an experiment file with its weights beside it.
//!
//! Everything is written into a folder of its own first, read back as any experiment is, lowered and compared with the
//! float model; only then do the files move to their places. A refusal leaves nothing behind.

mod layers;
mod report;
mod text;

use std::path::{Path, PathBuf};

use zkml_import::Array;
use zkml_import::onnx::{self, Model, Options, Reference};

use crate::cli::ImportArgs;
use zkml_engine::exit::{Exit, Failure};
use zkml_engine::network::Network;
use zkml_engine::plan;
use zkml_engine::spec::Document;
use zkml_results::store::write_atomic;

/// Samples that are also run by the reference implementation.
const REFERENCE_SAMPLES: usize = 8;

/// Runs the command.
pub(crate) fn command(args: &ImportArgs) -> Result<Exit, Failure> {
    let options = Options { dims: dimensions(&args.dim)?, drop_final_softmax: args.drop_final_softmax };
    let model = onnx::read(&args.model, &options)?;
    check_batch(&args.model, &model)?;
    let samples = samples(&args.calibrate, &model)?;
    let input = match &args.input {
        Some(file) => first_sample(self::samples(file, &model)?),
        None => first_sample(samples.clone()),
    };
    let files = Files::new(args)?;
    let written = text::Files::new(&model, args, &files.stem, &samples, &input)
        .map_err(|why| Failure::usage(format!("{}: {why}", args.model.display())))?;
    let folder = tempfile::tempdir().map_err(|e| Failure::usage(format!("no temporary folder: {e}")))?;
    let draft = folder.path().join(file_name(&files.experiment));
    let weights = zkml_import::to_safetensors(&files.weights.display().to_string(), &written.tensors())?;
    write_atomic(&draft, written.experiment.as_bytes())?;
    write_atomic(&folder.path().join(file_name(&files.weights)), &weights)?;

    let document = Document::open(&draft, &[])?;
    let plans = plan::plan(&document)?;
    let cell = plans.cells.first().ok_or_else(|| Failure::usage("the imported network has no cell"))?;
    let network = Network::load(&cell.experiment, document.folder()).map_err(|f| Failure::usage(f.problem))?;
    let reference = Reference::open(&args.model, &options)?;
    let report = report::report(&model, &network, &samples, |sample| reference.run(sample).map(|a| a.values));
    let report = report.map_err(|e| Failure::usage(format!("{}: {e}", args.model.display())))?;

    write_atomic(&files.weights, &weights)?;
    write_atomic(&files.experiment, written.experiment.as_bytes())?;
    println!("{report}\n");
    println!("wrote {} and {}", files.experiment.display(), files.weights.display());
    println!("prove it: workbench run {}", runnable(&files.experiment));
    Ok(Exit::Done)
}

/// Where the experiment and its tensors go.
struct Files {
    stem: String,
    experiment: PathBuf,
    weights: PathBuf,
}

impl Files {
    fn new(args: &ImportArgs) -> Result<Self, Failure> {
        let experiment =
            args.output.clone().unwrap_or_else(|| PathBuf::from(file_name(&args.model)).with_extension("yaml"));
        let is_yaml = experiment.extension().is_some_and(|e| e == "yaml" || e == "yml");
        let stem = experiment.file_stem().map(|s| s.to_string_lossy().into_owned()).filter(|_| is_yaml);
        let stem = stem.ok_or_else(|| Failure::usage(format!("`{}` is no .yaml file", experiment.display())))?;
        let weights = experiment.with_extension("safetensors");
        let taken = [&experiment, &weights].into_iter().find(|path| path.exists() && !args.force);
        match taken {
            Some(path) => Err(Failure::usage(format!("`{}` exists; overwrite it with --force", path.display()))),
            None => Ok(Self { stem, experiment, weights }),
        }
    }
}

fn file_name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

/// A path that `run` takes for a path and not for a name.
fn runnable(path: &Path) -> String {
    let text = path.display().to_string();
    if text.contains('/') { text } else { format!("./{text}") }
}

/// The first axis counts independent inputs from end to end.
fn check_batch(file: &Path, model: &Model) -> Result<(), Failure> {
    let batch = model.input.shape.first();
    match model.layers.iter().find(|layer| layer.shape.first() != batch) {
        None => Ok(()),
        Some(layer) => {
            let (node, shape) = (layer.nodes.join("`, `"), &layer.shape);
            let what =
                format!("makes {shape:?} of a batch of {}: the first axis must stay the batch", batch.unwrap_or(&1));
            Err(Failure::usage(format!("{}: node `{node}` {what}", file.display())))
        }
    }
}

/// Whole samples of the model's input shape.
fn samples(file: &Path, model: &Model) -> Result<Vec<Array>, Failure> {
    Ok(zkml_import::load(file, None)?.samples(&model.input.shape)?)
}

fn first_sample(samples: Vec<Array>) -> Array {
    samples.into_iter().next().unwrap_or_else(|| Array { source: String::new(), shape: Vec::new(), values: Vec::new() })
}

/// `batch=1` and the like.
fn dimensions(given: &[String]) -> Result<std::collections::BTreeMap<String, usize>, Failure> {
    let one = |text: &String| {
        let pair = text.split_once('=').and_then(|(name, n)| Some((name.to_owned(), n.parse().ok()?)));
        let wrong = || Failure::usage(format!("--dim {text}: expected NAME=LENGTH, e.g. --dim batch=1"));
        pair.filter(|&(_, n)| n > 0).ok_or_else(wrong)
    };
    given.iter().map(one).collect()
}

//! From an experiment to a lowered network with its input.

use std::path::Path;

use zkml_core::{Program, Shape, Witness};
use zkml_device::Device;
use zkml_import::Array;
use zkml_layers::{LayerError, LayerInfo, Lowered, NetworkSpec, Node, lower};

use crate::data::Data;
use crate::evaluate::{self, HeldOut};
use crate::kernels::{self, Layer, Site};
use crate::spec::{Experiment, Fault, KeyPath};
use zkml_results::record::{Accuracy, Evaluation, LayerAccuracy, Prediction};

/// What the network's input is called among the inputs of layers.
const INPUT: &str = "input";

/// A lowered network and the activations that enter it.
pub struct Network {
    lowered: Lowered,
    real: Vec<f64>,
    quantised: Vec<i64>,
    names: Vec<String>,
    files: Vec<(String, String)>,
    held_out: Option<HeldOut>,
}

impl Network {
    /// Reads the data, quantises, and lowers. `folder` is what input files are relative to.
    pub fn load(experiment: &Experiment, folder: &Path) -> Result<Self, Fault> {
        let names = layer_names(&experiment.model)?;
        let mut data = Data::open(folder, experiment);
        let input = data.input(&experiment.input)?;
        let layers = nodes(&experiment.model, &names, &input.shape, &mut data)?;
        let held_out =
            experiment.evaluate.as_ref().map(|e| HeldOut::read(e, experiment, &input, &mut data)).transpose()?;
        let sample = calibration(experiment, &input, &mut data)?;
        let fault = |error: LayerError| layer_fault(&error, &names, experiment.calibration.is_some());
        let mut spec = NetworkSpec::calibrated(input.shape, experiment.input.bits, &sample, layers).map_err(fault)?;
        spec.input.committed = experiment.input.committed;
        let lowered = lower(&spec).map_err(fault)?;
        let quantised = lowered.input_quantisation.quantise(&input.values);
        if let Some(held_out) = &held_out {
            held_out.check(&lowered)?;
        }
        Ok(Self { lowered, real: input.values, quantised, names, files: data.digests(), held_out })
    }

    /// The lowered network.
    pub fn lowered(&self) -> &Lowered {
        &self.lowered
    }

    /// The files read, with their digests.
    pub fn files(&self) -> &[(String, String)] {
        &self.files
    }

    /// The statement.
    pub fn program(&self) -> &Program {
        &self.lowered.program
    }

    /// The position of the layer that a scope belongs to: scopes begin with the layer's name.
    pub fn layer_of(&self, scope: &str) -> usize {
        position(&self.names, scope)
    }

    /// The forward pass with all tensors of the program.
    pub fn forward(&self, device: &Device) -> Result<Witness, LayerError> {
        self.lowered.forward_on(&self.quantised, device)
    }

    /// Plain integer inference.
    pub fn infer(&self) -> Result<Vec<i64>, LayerError> {
        self.lowered.infer(&self.quantised)
    }

    /// The layers.
    pub fn layers(&self) -> &[LayerInfo] {
        &self.lowered.layers
    }

    /// Labels of the proven inputs; none unless the experiment evaluates labels.
    pub fn predictions(&self) -> Result<Vec<Prediction>, LayerError> {
        if self.held_out.is_none() { Ok(Vec::new()) } else { evaluate::predictions(&self.lowered, &self.real) }
    }

    /// The network on held-out inputs, if there are some.
    pub fn evaluate(&self) -> Result<Option<Evaluation>, LayerError> {
        self.held_out.as_ref().map(|held_out| held_out.evaluate(&self.lowered)).transpose()
    }

    /// Largest deviation of every layer from the float model.
    pub fn layer_accuracy(&self) -> Result<Vec<LayerAccuracy>, LayerError> {
        evaluate::layer_accuracy(&self.lowered, &self.real)
    }

    /// Deviation from the float model.
    pub fn accuracy(&self) -> Result<Accuracy, LayerError> {
        let accuracy = self.lowered.accuracy(&self.real)?;
        Ok(Accuracy {
            max_steps: accuracy.max_steps,
            mean_steps: accuracy.mean_steps,
            relative: accuracy.relative,
            saturated: accuracy.saturated,
        })
    }
}

fn position(names: &[String], scope: &str) -> usize {
    let first = scope.split(['/', '+', ':']).next().unwrap_or(scope);
    names.iter().position(|name| name == first).unwrap_or(0)
}

/// The layers' names, each of one layer.
fn layer_names(layers: &[Layer]) -> Result<Vec<String>, Fault> {
    let kernels = with_paths(layers).map(|(path, layer)| Ok(layer.entry(&path)?.0)).collect::<Result<Vec<_>, _>>()?;
    let names = kernels::names(layers.iter().map(|layer| layer.name.clone()).zip(kernels));
    for (i, (path, _)) in with_paths(layers).enumerate() {
        let name = &names[i];
        let problem = if name == INPUT {
            "`input` is the name of the network's input".to_owned()
        } else if names[..i].contains(name) {
            format!("two layers are called `{name}`")
        } else {
            continue;
        };
        return Err(Fault::value(&path.key("name"), problem, format!("`{name}`"), "a name of its own"));
    }
    Ok(names)
}

fn with_paths(layers: &[Layer]) -> impl Iterator<Item = (KeyPath, &Layer)> {
    layers.iter().enumerate().map(|(i, layer)| (KeyPath::default().key("model").index(i), layer))
}

/// The layers with their weights and edges. Shapes are checked on the way.
fn nodes(layers: &[Layer], names: &[String], input: &[usize], data: &mut Data) -> Result<Vec<Node>, Fault> {
    let mut shapes = vec![shape(input)?];
    let mut nodes = Vec::with_capacity(layers.len());
    for (i, (path, layer)) in with_paths(layers).enumerate() {
        let inputs = inputs(&path, layer, i, names)?;
        let position = |name: &String| names.iter().position(|n| n == name).map_or(0, |p| p + 1);
        let sources = if inputs.is_empty() { vec![i] } else { inputs.iter().map(position).collect() };
        let own: Vec<Shape> = sources.into_iter().map(|source| shapes[source].clone()).collect();
        let (kernel, entry) = layer.entry(&path)?;
        let dims = own.iter().map(|shape| shape.dims().to_vec()).collect();
        let path = path.key(kernel);
        let layer = entry.layer(&mut Site { path: path.clone(), name: names[i].clone(), inputs: dims, data })?;
        let kernel = layer.kernel();
        if kernel.arity() != own.len() {
            let problem = format!("{} takes {} inputs, not {}", kernel.info().id, kernel.arity(), own.len());
            let allowed = format!("{} names of earlier layers or `input`, in `inputs`", kernel.arity());
            return Err(Fault::value(&path, problem, own.len().to_string(), allowed));
        }
        let output = kernel.output_shape(&own).map_err(|error| {
            let found: Vec<String> = own.iter().map(ToString::to_string).collect();
            let found = format!("input of shape {}", found.join(" and "));
            Fault::value(&path, error.to_string(), found, "shapes that fit together")
        })?;
        shapes.push(output);
        nodes.push(Node { layer, inputs });
    }
    Ok(nodes)
}

fn shape(dims: &[usize]) -> Result<Shape, Fault> {
    Shape::new(dims).ok_or_else(|| {
        let problem = "the input's shape is empty or too large";
        Fault::value(&KeyPath::default().key("input"), problem, format!("{dims:?}"), "a batch axis and others")
    })
}

/// Names of the values that a layer reads; none if it reads the layer before.
fn inputs(path: &KeyPath, layer: &Layer, position: usize, names: &[String]) -> Result<Vec<String>, Fault> {
    let given: Vec<(KeyPath, &String)> = match (&layer.input, &layer.inputs) {
        (Some(_), Some(_)) => {
            let problem = "this layer has `input` and `inputs`";
            return Err(Fault::value(&path.key("inputs"), problem, "both".to_owned(), "one of them"));
        }
        (Some(one), None) => vec![(path.key("input"), one)],
        (None, Some(several)) => several.iter().enumerate().map(|(i, n)| (path.key("inputs").index(i), n)).collect(),
        (None, None) => Vec::new(),
    };
    let (earlier, later) = names.split_at(position);
    let known: Vec<&str> = std::iter::once(INPUT).chain(earlier.iter().map(String::as_str)).collect();
    for (key, name) in &given {
        if later.contains(name) {
            let problem = format!("the layer `{name}` does not come before this one; layers read earlier layers only");
            return Err(Fault::value(key, problem, format!("`{name}`"), known.join(", ")));
        }
        if !known.contains(&name.as_str()) {
            return Err(Fault::name(key, "layer", name, &known));
        }
    }
    Ok(given.into_iter().map(|(_, name)| name.clone()).collect())
}

/// The activations that set the scales. At least one of the input's values that are not zero must be within their range.
fn calibration(experiment: &Experiment, input: &Array, data: &mut Data) -> Result<Vec<f64>, Fault> {
    let Some(rows) = &experiment.calibration else { return Ok(input.values.clone()) };
    let path = KeyPath::default().key("calibration");
    let sample = data.rows(&path, rows, input.shape.get(1..).unwrap_or_default())?.0.values;
    let largest = sample.iter().fold(0.0_f64, |m, v| m.max(v.abs()));
    let least = input.values.iter().map(|v| v.abs()).filter(|v| *v > 0.0).fold(f64::INFINITY, f64::min);
    if least > largest && least.is_finite() {
        let problem = "every value of the input lies beyond the calibration's range: all of them would be cut off";
        let found = format!("magnitudes up to {largest}, the input's begin at {least}");
        return Err(Fault::value(&path, problem, found, "activations like those of the input"));
    }
    Ok(sample)
}

/// Puts a fault of lowering at the layer or the input that causes it.
fn layer_fault(error: &LayerError, names: &[String], calibrated: bool) -> Fault {
    let message = error.to_string();
    let of = message.split([':', '/']).next().unwrap_or_default().to_owned();
    let top = KeyPath::default();
    let path = match of.as_str() {
        "calibration sample" | INPUT if calibrated => top.key("calibration"),
        "calibration sample" | INPUT => top.key("input"),
        "model" => top.key("model"),
        scope => top.key("model").index(position(names, scope)),
    };
    let allowed = match error {
        LayerError::Bounds(_) => "integers that cannot wrap in the field, for any prover",
        LayerError::Shape { .. } => "shapes that fit together",
        _ => "see the message",
    };
    Fault::value(&path, message, format!("the layer or input `{of}`"), allowed)
}

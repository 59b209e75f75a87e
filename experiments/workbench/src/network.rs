//! From an experiment to a lowered network with its input.

use std::collections::BTreeMap;
use std::path::Path;

use zkml_core::{Program, Witness};
use zkml_layers::{Dense, LayerError, LayerSpec, Lowered, NetworkSpec, Nonlinearity, RmsNorm, lower};

use crate::data::Data;
use crate::record::Accuracy;
use crate::spec::{self, Experiment, Fault, KeyPath, Layer};

/// A lowered network and the activations that enter it.
pub(crate) struct Network {
    lowered: Lowered,
    real: Vec<f64>,
    quantised: Vec<i64>,
    names: Vec<String>,
    files: Vec<(String, String)>,
}

impl Network {
    /// Reads the data, quantises, and lowers. `folder` is what input files are relative to.
    pub(crate) fn load(experiment: &Experiment, folder: &Path) -> Result<Self, Fault> {
        let mut data = Data::open(folder, &experiment.input.file)?;
        let input = data.input(&experiment.input)?;
        let names = layer_names(experiment)?;
        let layers = experiment
            .model
            .iter()
            .enumerate()
            .map(|(i, layer)| layer_spec(i, layer, &names[i], &mut data))
            .collect::<Result<Vec<_>, _>>()?;
        let fault = |error: LayerError| layer_fault(&error, &names);
        let spec = NetworkSpec::calibrated(input.shape, experiment.input.bits, &input.values, layers).map_err(fault)?;
        let lowered = lower(&spec).map_err(fault)?;
        let quantised = lowered.input_quantisation.quantise(&input.values);
        Ok(Self { lowered, real: input.values, quantised, names, files: data.digests() })
    }

    /// The files read, with their digests.
    pub(crate) fn files(&self) -> &[(String, String)] {
        &self.files
    }

    /// The statement.
    pub(crate) fn program(&self) -> &Program {
        &self.lowered.program
    }

    /// The position of the layer that a scope belongs to: scopes begin with the layer's name.
    pub(crate) fn layer_of(&self, scope: &str) -> usize {
        position(&self.names, scope)
    }

    /// The forward pass with all tensors of the program.
    pub(crate) fn forward(&self) -> Result<Witness, LayerError> {
        self.lowered.forward(&self.quantised)
    }

    /// Plain integer inference.
    pub(crate) fn infer(&self) -> Result<Vec<i64>, LayerError> {
        self.lowered.infer(&self.quantised)
    }

    /// Deviation from the float model.
    pub(crate) fn accuracy(&self) -> Result<Accuracy, LayerError> {
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

/// The layers' names: as given, else the kernel's name, numbered if several layers have it.
fn layer_names(experiment: &Experiment) -> Result<Vec<String>, Fault> {
    let mut names: Vec<String> = Vec::new();
    let mut used: BTreeMap<&str, usize> = BTreeMap::new();
    for (i, layer) in experiment.model.iter().enumerate() {
        let path = KeyPath::default().key("model").index(i);
        let kernel = kernel_of(&path, layer)?;
        let name = layer.name.clone().unwrap_or_else(|| {
            let count = used.entry(kernel).and_modify(|n| *n += 1).or_insert(1);
            if *count == 1 { kernel.to_owned() } else { format!("{kernel}-{count}") }
        });
        if names.contains(&name) {
            let problem = format!("two layers are called `{name}`");
            return Err(Fault::value(&path.key("name"), problem, format!("`{name}`"), "a name of its own"));
        }
        names.push(name);
    }
    Ok(names)
}

/// The kernel's name; a layer has exactly one.
fn kernel_of(path: &KeyPath, layer: &Layer) -> Result<&'static str, Fault> {
    let named: Vec<&'static str> = [("rmsnorm", layer.rmsnorm.is_some()), ("dense", layer.dense.is_some())]
        .into_iter()
        .filter_map(|(name, present)| present.then_some(name))
        .collect();
    let (problem, found) = match *named.as_slice() {
        [kernel] => return Ok(kernel),
        [] => ("this layer names no kernel", "nothing".to_owned()),
        _ => ("this layer names several kernels", named.join(", ")),
    };
    let kernels: Vec<String> = crate::catalogue::kernels().into_iter().map(|(name, _)| name).collect();
    Err(Fault::value(path, problem, found, format!("exactly one kernel: {}", kernels.join(", "))))
}

fn layer_spec(index: usize, layer: &Layer, name: &str, data: &mut Data) -> Result<LayerSpec, Fault> {
    let path = KeyPath::default().key("model").index(index);
    match (&layer.rmsnorm, &layer.dense) {
        (Some(norm), None) => rmsnorm_spec(&path.key("rmsnorm"), norm, name, data),
        (None, Some(dense)) => dense_spec(&path.key("dense"), dense, name, data),
        _ => Err(kernel_of(&path, layer).err().unwrap_or_else(|| {
            Fault::value(&path, "this layer cannot be built", "an unknown kernel".to_owned(), "a known kernel")
        })),
    }
}

fn rmsnorm_spec(path: &KeyPath, norm: &spec::RmsNorm, name: &str, data: &mut Data) -> Result<LayerSpec, Fault> {
    Ok(LayerSpec::RmsNorm(RmsNorm {
        name: name.to_owned(),
        gain: data.weights(&path.key("gain"), &norm.gain)?.values,
        eps: norm.eps,
        output_bits: norm.bits,
        limb_bits: norm.limb_bits,
    }))
}

fn dense_spec(path: &KeyPath, dense: &spec::Dense, name: &str, data: &mut Data) -> Result<LayerSpec, Fault> {
    let key = path.key("weight");
    let weight = data.weights(&key, &dense.weight)?;
    let [outputs, inputs] = *weight.shape.as_slice() else {
        let problem = format!("`{}` is no matrix", dense.weight);
        return Err(Fault::value(&key, problem, format!("shape {:?}", weight.shape), "shape [outputs, inputs]"));
    };
    let key = path.key("bias");
    let bias = dense.bias.as_deref().map(|tensor| data.weights(&key, tensor)).transpose()?;
    if let (Some(bias), Some(tensor)) = (&bias, &dense.bias)
        && bias.shape != [outputs]
    {
        let problem = format!("`{tensor}` does not fit the weight");
        let allowed = format!("shape [{outputs}]: one value per row of `{}`", dense.weight);
        return Err(Fault::value(&key, problem, format!("shape {:?}", bias.shape), allowed));
    }
    Ok(LayerSpec::Dense(Dense {
        name: name.to_owned(),
        weight: weight.values,
        inputs,
        bias: bias.map(|b| b.values),
        nonlinearity: match dense.activation {
            spec::Activation::None => Nonlinearity::None,
            spec::Activation::Relu => Nonlinearity::Relu,
        },
        bits: dense.bits,
        per_channel: false,
        limb_bits: dense.limb_bits,
    }))
}

/// Puts a fault of lowering at the layer or the input that causes it.
fn layer_fault(error: &LayerError, names: &[String]) -> Fault {
    let message = error.to_string();
    let of = message.split([':', '/']).next().unwrap_or_default().to_owned();
    let top = KeyPath::default();
    let path = match of.as_str() {
        "input" | "calibration sample" => top.key("input"),
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

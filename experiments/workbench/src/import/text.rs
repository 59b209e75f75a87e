//! The text of an imported experiment, and the tensors that it names.

use serde_json::Value;
use zkml_import::Array;
use zkml_import::onnx::Model;

use super::layers::entry;
use crate::cli::ImportArgs;

/// What is written.
pub(super) struct Files {
    /// The experiment.
    pub(super) experiment: String,
    tensors: Vec<(String, Array)>,
}

impl Files {
    /// `stem` is the name of both files. `input` is proven, `samples` set the scales.
    pub(super) fn new(
        model: &Model,
        args: &ImportArgs,
        stem: &str,
        samples: &[Array],
        input: &Array,
    ) -> Result<Self, String> {
        let mut tensors = vec![("input".to_owned(), input.clone()), ("calibration".to_owned(), stacked(samples))];
        let mut lines: Vec<String> = Vec::new();
        let mut before = "input";
        for layer in &model.layers {
            let mut entry = entry(layer).map_err(|why| format!("node `{}`: {why}", layer.nodes.join("`, `")))?;
            if matches!(entry.kernel, "dense" | "conv2d") && args.per_channel {
                entry.fields.push(("per_channel".to_owned(), true.into()));
            }
            if args.bits != 8 && takes_bits(entry.kernel) {
                entry.fields.push(("bits".to_owned(), args.bits.into()));
            }
            lines.push(format!("  - {}: {}", entry.kernel, flow(&entry.fields)));
            lines.push(format!("    name: {}", layer.name));
            match layer.inputs.as_slice() {
                [only] if only == before => {}
                [only] => lines.push(format!("    input: {only}")),
                several => lines.push(format!("    inputs: [{}]", several.join(", "))),
            }
            tensors.append(&mut entry.tensors);
            before = &layer.name;
        }
        let origin = args.model.file_name().unwrap_or_default().to_string_lossy();
        let comments: Vec<String> = model.folded.iter().map(|note| format!("# {note}\n")).collect();
        let experiment = format!(
            "# Imported from {origin}. Weights, the input and the samples that set the scales are in {stem}.safetensors.\n\
             {comments}schema: 1\nabout: {origin}, imported\nsuite: {suite}\n\
             input: {{file: {stem}.safetensors, tensor: input, bits: {bits}}}\n\
             calibration: {{file: {stem}.safetensors, tensor: calibration}}\n\
             protocol: {{einsum: sumcheck, lookup: logup-gkr}}\nmodel:\n{layers}\nmeasure: {{warmup: 1, samples: 5}}\n",
            comments = comments.concat(),
            layers = lines.join("\n"),
            suite = args.suite,
            bits = args.bits,
        );
        Ok(Self { experiment, tensors })
    }

    /// The tensors with their names.
    pub(super) fn tensors(&self) -> Vec<(String, &Array)> {
        self.tensors.iter().map(|(name, array)| (name.clone(), array)).collect()
    }
}

/// Kernels whose output width can be chosen.
fn takes_bits(kernel: &str) -> bool {
    !matches!(kernel, "maxpool" | "flatten" | "reshape" | "transpose" | "relu" | "clamp")
}

/// Samples one after the other along the first axis.
fn stacked(samples: &[Array]) -> Array {
    let mut shape = samples.first().map_or_else(Vec::new, |s| s.shape.clone());
    if let Some(rows) = shape.first_mut() {
        *rows *= samples.len();
    }
    let values = samples.iter().flat_map(|s| s.values.iter().copied()).collect();
    Array { source: "calibration".to_owned(), shape, values }
}

/// A map in one line.
fn flow(fields: &[(String, Value)]) -> String {
    let parts: Vec<String> = fields.iter().map(|(key, value)| format!("{key}: {}", inline(value))).collect();
    format!("{{{}}}", parts.join(", "))
}

fn inline(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Array(items) => format!("[{}]", items.iter().map(inline).collect::<Vec<_>>().join(", ")),
        other => other.to_string(),
    }
}

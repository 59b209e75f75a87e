//! What import says: layers, shapes, scales, and what quantisation costs.

use zkml_import::onnx::Model;
use zkml_import::{Array, ImportError};
use zkml_layers::LayerError;

use super::REFERENCE_SAMPLES;
use crate::table;
use zkml_engine::network::Network;

/// Either side of the comparison failed.
#[derive(Debug, thiserror::Error)]
pub(super) enum ReportError {
    #[error(transparent)]
    Layer(#[from] LayerError),
    #[error(transparent)]
    Reference(#[from] ImportError),
}

/// The table of layers, and the lines below it. `reference` runs one sample through an independent implementation.
pub(super) fn report(
    model: &Model,
    network: &Network,
    samples: &[Array],
    reference: impl Fn(&Array) -> Result<Vec<f64>, ImportError>,
) -> Result<String, ReportError> {
    let lowered = network.lowered();
    let mut costs = vec![(0.0_f64, 0.0_f64); lowered.layers.len()];
    for sample in samples {
        for (cost, accuracy) in costs.iter_mut().zip(lowered.layer_accuracy(&sample.values)?) {
            *cost = (cost.0.max(accuracy.max_steps), cost.1 + accuracy.mean_steps / samples.len() as f64);
        }
    }
    let mut rows = Vec::new();
    for (info, (max, mean)) in lowered.layers.iter().zip(costs) {
        let nodes = model.layers.iter().find(|l| l.name == info.name).map_or(0, |l| l.nodes.len());
        rows.push(vec![
            info.name.clone(),
            info.kernel.to_owned(),
            nodes.to_string(),
            info.shape.to_string(),
            info.quantisation.bits.to_string(),
            format!("{:.4e}", info.quantisation.scale),
            format!("{max:.2}"),
            format!("{mean:.2}"),
        ]);
    }
    let header =
        ["layer", "kernel", "ONNX nodes", "output", "bits", "scale", "max error (steps)", "mean error (steps)"];
    let mut parts = vec![table::plain(&header, rows)];
    let (mut worst, mut largest) = (0.0_f64, 0.0_f64);
    for sample in samples.iter().take(REFERENCE_SAMPLES) {
        let (ours, theirs) = (lowered.float(&sample.values)?, reference(sample)?);
        for (a, b) in ours.iter().zip(&theirs) {
            (worst, largest) = (worst.max((a - b).abs()), largest.max(b.abs()));
        }
    }
    parts.push(format!(
        "A step is the real number that the integer 1 stands for. Errors are over {} calibration samples, against the \
         float model.\nFloat model against tract on {} samples: largest difference {worst:.1e} (outputs up to {largest:.3}).",
        samples.len(),
        samples.len().min(REFERENCE_SAMPLES)
    ));
    parts.extend(model.folded.iter().map(|note| format!("note: {note}")));
    Ok(parts.join("\n"))
}

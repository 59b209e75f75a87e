//! Labels: what a network answers, how sure it is, and how often quantisation changes the answer.
//!
//! The label of a row of outputs is the position of the largest one (the first of several), its confidence is their
//! softmax. Held-out inputs go through the very network that is proven, in batches of its own size: nothing is
//! calibrated or lowered anew.

use rayon::prelude::*;
use zkml_import::Array;
use zkml_layers::{LayerError, Lowered};

use crate::data::Data;
use crate::spec::{Evaluate, Experiment, Fault, KeyPath};
use zkml_results::record::{Evaluation, LayerAccuracy, Prediction};

/// Inputs that were not used for anything else, and their labels.
pub struct HeldOut {
    values: Vec<f64>,
    rows: usize,
    labels: Option<Vec<usize>>,
}

impl HeldOut {
    /// Reads inputs of the shape of `input`, and labels.
    pub fn read(evaluate: &Evaluate, experiment: &Experiment, input: &Array, data: &mut Data) -> Result<Self, Fault> {
        let path = KeyPath::default().key("evaluate");
        let held_out = evaluate.held_out(&experiment.input);
        let (array, all) = data.rows(&path, &held_out, input.shape.get(1..).unwrap_or_default())?;
        let rows = array.shape.first().copied().unwrap_or(0);
        let labels = data.labels(evaluate, &held_out.file, rows, all)?;
        Ok(Self { values: array.values, rows, labels })
    }

    /// There are several outputs per row, and every label is one of them.
    pub fn check(&self, lowered: &Lowered) -> Result<(), Fault> {
        let path = KeyPath::default().key("evaluate");
        let (_, outputs) = rows_and_outputs(lowered);
        if outputs < 2 {
            let problem = "a network with one output per row gives no labels";
            return Err(Fault::value(&path, problem, format!("{outputs} output"), "two or more outputs per row"));
        }
        match self.labels.iter().flatten().find(|&&label| label >= outputs) {
            None => Ok(()),
            Some(label) => {
                let problem = format!("the network has {outputs} outputs per row, no label {label}");
                Err(Fault::value(&path.key("labels"), problem, label.to_string(), format!("0 to {}", outputs - 1)))
            }
        }
    }

    /// Runs all inputs, in batches of the network's size. The last batch is filled up with its first rows.
    pub fn evaluate(&self, lowered: &Lowered) -> Result<Evaluation, LayerError> {
        let (batch, _) = rows_and_outputs(lowered);
        let row = self.values.len() / self.rows.max(1);
        let run = |values: &[f64]| {
            let own = values.len() / row.max(1);
            let values: Vec<f64> = values.iter().copied().cycle().take(batch * row).collect();
            let mut predictions = predictions(lowered, &values)?;
            predictions.truncate(own);
            Ok((predictions, layer_accuracy(lowered, &values)?))
        };
        let parts = self.values.par_chunks((batch * row).max(1)).map(run).collect::<Result<Vec<_>, LayerError>>()?;
        let mut evaluation = Evaluation { rows: self.rows, ..Evaluation::default() };
        let mut predictions = Vec::with_capacity(self.rows);
        for (part, layers) in parts {
            predictions.extend(part);
            if evaluation.layers.is_empty() {
                evaluation.layers = layers;
            } else {
                for (largest, layer) in evaluation.layers.iter_mut().zip(layers) {
                    largest.max_steps = largest.max_steps.max(layer.max_steps);
                }
            }
        }
        evaluation.agreeing = predictions.iter().filter(|p| p.label == p.float_label).count();
        if let Some(labels) = &self.labels {
            let correct =
                |own: fn(&Prediction) -> usize| predictions.iter().zip(labels).filter(|(p, l)| own(p) == **l).count();
            evaluation.correct = Some(correct(|p| p.label));
            evaluation.float_correct = Some(correct(|p| p.float_label));
        }
        Ok(evaluation)
    }
}

/// Rows of a network's input, and outputs per row.
fn rows_and_outputs(lowered: &Lowered) -> (usize, usize) {
    let shape = |tensor| lowered.program.get(tensor).map(|t| t.shape.clone());
    let rows = shape(lowered.input).and_then(|s| s.dims().first().copied()).unwrap_or(1).max(1);
    (rows, shape(lowered.output).map_or(0, |s| s.cells()) / rows)
}

/// The label of every row of real activations.
pub fn predictions(lowered: &Lowered, input: &[f64]) -> Result<Vec<Prediction>, LayerError> {
    let output = lowered.infer(&lowered.input_quantisation.quantise(input))?;
    let float = lowered.float(input)?;
    let scale = lowered.output_quantisation.scale;
    let (_, outputs) = rows_and_outputs(lowered);
    let outputs = outputs.max(1);
    let prediction = |(integers, float): (&[i64], &[f64])| {
        let real: Vec<f64> = integers.iter().map(|&v| v as f64 * scale).collect();
        let ((label, confidence), (float_label, float_confidence)) = (softmax_peak(&real), softmax_peak(float));
        Prediction { label, confidence, float_label, float_confidence }
    };
    Ok(output.chunks(outputs).zip(float.chunks(outputs)).map(prediction).collect())
}

/// The position of the largest value and its softmax.
fn softmax_peak(values: &[f64]) -> (usize, f64) {
    let first = (0, f64::NEG_INFINITY);
    let (label, largest) =
        values.iter().enumerate().fold(first, |best, (i, &v)| if v > best.1 { (i, v) } else { best });
    let sum: f64 = values.iter().map(|v| (v - largest).exp()).sum();
    (label, 1.0 / sum)
}

/// Largest deviation of every layer from the float network.
pub fn layer_accuracy(lowered: &Lowered, input: &[f64]) -> Result<Vec<LayerAccuracy>, LayerError> {
    let accuracies = lowered.layer_accuracy(input)?;
    let named = |(layer, accuracy): (&zkml_layers::LayerInfo, zkml_layers::Accuracy)| LayerAccuracy {
        layer: layer.name.clone(),
        max_steps: accuracy.max_steps,
    };
    Ok(lowered.layers.iter().zip(accuracies).map(named).collect())
}

#[cfg(test)]
mod tests {
    use zkml_layers::{Dense, LayerSpec, NetworkSpec, Nonlinearity, lower};

    use super::*;

    /// Two outputs: the second is the negated first.
    fn signs(batch: usize) -> Lowered {
        let dense = Dense {
            name: "sign".to_owned(),
            weight: vec![1.0, 0.0, -1.0, 0.0],
            inputs: 2,
            bias: None,
            nonlinearity: Nonlinearity::None,
            bits: 8,
            per_channel: false,
            limb_bits: None,
        };
        let sample = vec![1.0, -1.0, -1.0, 1.0];
        lower(&NetworkSpec::calibrated([batch, 2], 8, &sample, vec![LayerSpec::Dense(dense)]).unwrap()).unwrap()
    }

    #[test]
    fn held_out_rows_count_once_whatever_the_batch() {
        let values = vec![1.0, 0.3, -1.0, 0.3, -0.5, 0.2, 0.001, 0.0, 0.7, 0.7];
        let held_out = HeldOut { values, rows: 5, labels: Some(vec![0, 1, 0, 0, 0]) };
        for batch in [1, 2, 3, 8] {
            let evaluation = held_out.evaluate(&signs(batch)).unwrap();
            assert_eq!((evaluation.rows, evaluation.agreeing), (5, 5), "batch {batch}");
            assert_eq!((evaluation.correct, evaluation.float_correct), (Some(4), Some(4)), "batch {batch}");
            assert!(evaluation.layers[0].max_steps <= 1.0, "batch {batch}: {evaluation:?}");
        }
    }

    #[test]
    fn labels_that_the_network_does_not_have_are_refused() {
        let held_out = HeldOut { values: vec![0.0; 2], rows: 1, labels: Some(vec![2]) };
        assert_eq!(held_out.check(&signs(1)).unwrap_err().allowed, "0 to 1");
    }

    #[test]
    fn confidence_is_the_softmax_of_the_largest() {
        let (label, confidence) = softmax_peak(&[0.0, 2.0_f64.ln(), 0.0]);
        assert_eq!(label, 1);
        assert!((confidence - 0.5).abs() < 1e-12);
        assert_eq!(softmax_peak(&[1.0, 1.0]).0, 0);
        assert!((softmax_peak(&[1000.0, 0.0]).1 - 1.0).abs() < 1e-12);
    }
}

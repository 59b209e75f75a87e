//! How far the integer output lies from the float model's.

use serde::{Deserialize, Serialize};

use crate::Quantisation;

/// Deviation of an integer output from the float reference. A *step* is the real number that the output
/// integer 1 stands for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Accuracy {
    /// Largest absolute error, in output steps.
    pub max_steps: f64,
    /// Mean absolute error, in output steps.
    pub mean_steps: f64,
    /// Largest absolute error, in the output's own unit.
    pub max_absolute: f64,
    /// Euclidean norm of the error divided by that of the reference; 0 if the reference is all zero.
    pub relative: f64,
    /// Number of outputs at either end of the output range, where clamping may have cut something off.
    pub saturated: usize,
}

impl Accuracy {
    /// Compares `output`, quantised by `quantisation`, with `reference`, cell by cell (the shorter one decides).
    pub fn measure(reference: &[f64], output: &[i64], quantisation: Quantisation) -> Self {
        let bounds = quantisation.bounds();
        let (mut result, mut sum, mut squares, mut norm) = (Self::default(), 0.0, 0.0, 0.0);
        for (&expected, &got) in reference.iter().zip(output) {
            let error = (got as f64 * quantisation.scale - expected).abs();
            result.max_absolute = result.max_absolute.max(error);
            sum += error;
            squares += error * error;
            norm += expected * expected;
            result.saturated += usize::from(got <= bounds.lo || got >= bounds.hi);
        }
        let cells = reference.len().min(output.len()).max(1) as f64;
        result.max_steps = result.max_absolute / quantisation.scale;
        result.mean_steps = sum / cells / quantisation.scale;
        result.relative = if norm > 0.0 { (squares / norm).sqrt() } else { 0.0 };
        result
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_are_counted_in_steps() {
        let quantisation = Quantisation { bits: 8, scale: 0.5 };
        let accuracy = Accuracy::measure(&[1.0, -1.25, 100.0], &[2, -3, 127], quantisation);
        assert!((accuracy.max_steps - 73.0).abs() < 1e-9, "{accuracy:?}");
        assert!((accuracy.max_absolute - 36.5).abs() < 1e-9);
        assert_eq!(accuracy.saturated, 1);
        assert!((accuracy.mean_steps - (0.0 + 0.5 + 73.0) / 3.0).abs() < 1e-9);
    }
}

//! Median and spread of samples.

use serde::{Deserialize, Serialize};

/// Samples in one number each.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Summary {
    /// Number of samples.
    pub samples: usize,
    /// Median.
    pub median: f64,
    /// Median absolute deviation from the median.
    pub spread: f64,
    /// Smallest sample.
    pub min: f64,
    /// Largest sample.
    pub max: f64,
}

impl Summary {
    /// The summary of samples; all zero if there are none.
    pub fn of(samples: &[f64]) -> Self {
        let Some(center) = median(samples) else { return Self::default() };
        let deviations: Vec<f64> = samples.iter().map(|s| (s - center).abs()).collect();
        Self {
            samples: samples.len(),
            median: center,
            spread: median(&deviations).unwrap_or(0.0),
            min: samples.iter().copied().fold(f64::INFINITY, f64::min),
            max: samples.iter().copied().fold(f64::NEG_INFINITY, f64::max),
        }
    }
}

/// The middle sample, or the mean of the two in the middle.
pub fn median(samples: &[f64]) -> Option<f64> {
    let mut sorted = samples.to_vec();
    sorted.sort_by(f64::total_cmp);
    let upper = *sorted.get(sorted.len() / 2)?;
    if sorted.len() % 2 == 1 {
        return Some(upper);
    }
    Some(f64::midpoint(*sorted.get(sorted.len() / 2 - 1)?, upper))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn median_and_spread_ignore_one_outlier() {
        let summary = Summary::of(&[3.0, 1.0, 2.0, 100.0, 2.5]);
        assert!((summary.median - 2.5).abs() < 1e-12 && (summary.spread - 0.5).abs() < 1e-12, "{summary:?}");
        assert_eq!(median(&[1.0, 3.0]), Some(2.0));
        assert_eq!(Summary::of(&[]).samples, 0);
    }
}

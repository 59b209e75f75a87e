//! Quantised weights, with one scale for the tensor or one per output channel.

use crate::{LayerError, Quantisation};

/// Weights `[channels, …]`, row-major, and what their integers stand for.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Weights {
    /// The integers.
    pub(crate) values: Vec<i64>,
    /// The scale of every channel.
    pub(crate) scales: Vec<f64>,
    /// Largest magnitude of an integer; at least 1.
    pub(crate) largest: i64,
}

impl Weights {
    /// Quantises `real` to `bits` bits.
    ///
    /// A channel's own scale is at least `2^-bits` of the tensor's: what lies below cannot reach a step of the output.
    /// `channels` divides the number of values.
    pub(crate) fn quantise(
        layer: &str,
        bits: u32,
        real: &[f64],
        channels: usize,
        per_channel: bool,
    ) -> Result<Self, LayerError> {
        let tensor = Quantisation::calibrate(layer, bits, real)?;
        let row = real.len() / channels.max(1);
        let own = |row: &[f64]| {
            let largest = row.iter().fold(0.0_f64, |m, v| m.max(v.abs()));
            if !per_channel || largest == 0.0 {
                return tensor;
            }
            let least = tensor.scale / f64::from(bits).exp2();
            Quantisation { scale: (largest / tensor.bounds().hi as f64).max(least), ..tensor }
        };
        let rows = real.chunks(row.max(1));
        let quantisations: Vec<Quantisation> = rows.clone().map(own).collect();
        let values: Vec<i64> = rows.zip(&quantisations).flat_map(|(row, q)| q.quantise(row)).collect();
        let largest = values.iter().map(|w| w.abs()).max().unwrap_or(0).max(1);
        Ok(Self { values, scales: quantisations.iter().map(|q| q.scale).collect(), largest })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_channel_uses_all_bits() {
        let real = [1.0, -0.5, 0.01, 0.02, 0.0, 0.0, 1e-9, 0.0];
        let weights = Weights::quantise("t", 8, &real, 4, true).unwrap();
        assert_eq!(weights.values, [127, -64, 64, 127, 0, 0, 0, 0]);
        assert!((weights.scales[1] * 127.0 - 0.02).abs() < 1e-12);
        assert!((weights.scales[2] * 127.0 - 1.0).abs() < 1e-12);
        assert!((weights.scales[3] * 256.0 - weights.scales[0]).abs() < 1e-12);
        let shared = Weights::quantise("t", 8, &real, 4, false).unwrap();
        assert_eq!(shared.values, [127, -64, 1, 3, 0, 0, 0, 0]);
    }
}

//! Symmetric quantisation: a real number `v` is stored as the integer nearest to `v / scale`.

use serde::{Deserialize, Serialize};
use zkml_core::Bounds;

use crate::LayerError;

/// Fewest bits of a quantised tensor, sign included.
pub const MIN_BITS: u32 = 2;
/// Most bits of a quantised tensor, sign included.
pub const MAX_BITS: u32 = 16;

/// One scale for a whole tensor, zero mapped to zero.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Quantisation {
    /// Bits, sign included: integers lie in `[-2^(bits-1), 2^(bits-1))`.
    pub bits: u32,
    /// The real number that the integer 1 stands for. Positive.
    pub scale: f64,
}

impl Quantisation {
    /// The scale at which the largest magnitude in `values` becomes `2^(bits-1) - 1`; scale 1 if all are zero.
    ///
    /// Refuses `bits` outside `[2, 16]` and values that are not finite; `layer` is named in the error.
    pub fn calibrate(layer: &str, bits: u32, values: &[f64]) -> Result<Self, LayerError> {
        if let Some(index) = values.iter().position(|v| !v.is_finite()) {
            return Err(LayerError::parameter(layer, format!("value {index} to quantise is not finite")));
        }
        let largest = values.iter().fold(0.0_f64, |m, v| m.max(v.abs()));
        Self::for_largest(layer, bits, largest)
    }

    /// The scale at which magnitude `largest` becomes `2^(bits-1) - 1`; scale 1 if that is zero.
    pub fn for_largest(layer: &str, bits: u32, largest: f64) -> Result<Self, LayerError> {
        if !(MIN_BITS..=MAX_BITS).contains(&bits) {
            let what = format!("{bits} bits are not supported; use {MIN_BITS} to {MAX_BITS}");
            return Err(LayerError::parameter(layer, what));
        }
        let quantised = f64::from((1_i32 << (bits - 1)) - 1);
        let scale = if largest > 0.0 { largest / quantised } else { 1.0 };
        let usable = scale.is_normal() && (1.0 / scale).is_normal();
        if !usable {
            let what = format!("largest magnitude {largest:e} gives no usable scale; rescale the tensor");
            return Err(LayerError::parameter(layer, what));
        }
        Ok(Self { bits, scale })
    }

    /// All representable integers.
    pub fn bounds(&self) -> Bounds {
        Bounds::new(-(1 << (self.bits - 1)), (1 << (self.bits - 1)) - 1)
    }

    /// The nearest representable integers (halves away from zero, saturating).
    pub fn quantise(&self, values: &[f64]) -> Vec<i64> {
        let Bounds { lo, hi } = self.bounds();
        values.iter().map(|v| ((v / self.scale).round() as i64).clamp(lo, hi)).collect()
    }

    /// The real numbers that integers stand for.
    pub fn dequantise(&self, values: &[i64]) -> Vec<f64> {
        values.iter().map(|&v| v as f64 * self.scale).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_largest_magnitude_becomes_the_largest_integer() {
        let q = Quantisation::calibrate("t", 8, &[0.5, -2.54, 1.0]).unwrap();
        assert_eq!(q.quantise(&[2.54, -2.54, 0.0, 0.01, -9.0, 9.0]), [127, -127, 0, 1, -128, 127]);
        assert_eq!((q.bounds().lo, q.bounds().hi), (-128, 127));
        assert!((q.dequantise(&[127])[0] - 2.54).abs() < 1e-12);
    }

    #[test]
    fn zeros_quantise_and_nonsense_is_refused() {
        assert_eq!(Quantisation::calibrate("t", 8, &[0.0; 3]).unwrap().quantise(&[0.0]), [0]);
        assert!(Quantisation::calibrate("t", 17, &[1.0]).is_err());
        assert!(Quantisation::calibrate("t", 8, &[f64::NAN]).unwrap_err().to_string().contains("value 0"));
        assert!(Quantisation::calibrate("t", 8, &[1e-320]).is_err());
    }
}

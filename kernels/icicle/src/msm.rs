//! Multi-scalar multiplication on BN254.

use zkml_device::DeviceError;

use crate::Icicle;

/// The order of BN254's groups, least significant limb first.
const SCALARS: [u64; 4] = [0x43e1_f593_f000_0001, 0x2833_e848_79b9_7091, 0xb850_45b6_8181_585d, 0x3064_4e72_e131_a029];

/// The modulus of BN254's coordinates, least significant limb first.
const COORDINATES: [u64; 4] =
    [0x3c20_8c16_d87c_fd47, 0x9781_6a91_6871_ca8d, 0xb850_45b6_8181_585d, 0x3064_4e72_e131_a029];

/// A point of BN254's first group in homogeneous coordinates: the affine point is `(x / z, y / z)`, and `z = 0` is the neutral
/// element. Coordinates are canonical (not in Montgomery form), four 64-bit limbs, the least significant first. Equal points
/// may have different coordinates.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Projective {
    /// First coordinate.
    pub x: [u64; 4],
    /// Second coordinate.
    pub y: [u64; 4],
    /// The denominator.
    pub z: [u64; 4],
}

/// True for limbs, least significant first, of a number below the modulus.
fn is_below(limbs: &[u64], modulus: &[u64; 4]) -> bool {
    limbs.iter().rev().lt(modulus.iter().rev())
}

impl Icicle {
    /// `Σ scalars[i] · points[i]` on BN254's first group.
    ///
    /// A scalar is four 64-bit limbs, the least significant first, of an integer below the group's order. A point is eight: `x`,
    /// then `y`, each below the field's modulus, and all zeros for the neutral element. Nothing is in Montgomery form. Whether
    /// points are on the curve is not checked.
    ///
    /// # Errors
    /// [`DeviceError::Request`] for lists of different lengths or numbers that are not reduced, [`DeviceError::Unsupported`]
    /// if the installation has no BN254, or what the device answers.
    pub fn bn254_msm(&self, scalars: &[[u64; 4]], points: &[[u64; 8]]) -> Result<Projective, DeviceError> {
        if scalars.len() != points.len() {
            return Err(DeviceError::Request(format!("{} scalars for {} points", scalars.len(), points.len())));
        }
        let reduced = scalars.iter().all(|s| is_below(s, &SCALARS));
        if !reduced || !points.as_flattened().chunks(4).all(|c| is_below(c, &COORDINATES)) {
            return Err(DeviceError::Request("scalars and coordinates of BN254 have to be reduced".to_owned()));
        }
        let (scalars, points) = (scalars.to_vec(), points.to_vec());
        let limbs = self.run(move |context| context.api.msm(&scalars, &points))?;
        let coordinate = |i: usize| core::array::from_fn(|j| limbs.get(4 * i + j).copied().unwrap_or_default());
        Ok(Projective { x: coordinate(0), y: coordinate(1), z: coordinate(2) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_compared_from_the_most_significant_limb() {
        assert!(is_below(&[u64::MAX, u64::MAX, u64::MAX, 0], &SCALARS));
        assert!(!is_below(&SCALARS, &SCALARS));
        let mut less = SCALARS;
        less[0] -= 1;
        assert!(is_below(&less, &SCALARS));
    }
}

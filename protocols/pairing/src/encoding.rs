//! Bytes of scalars and points.
//!
//! | what | bytes | encoding |
//! |---|---|---|
//! | scalar | 32 | the number below `r`, little endian |
//! | first group | 32 | x-coordinate, two flag bits |
//! | second group | 64 | x-coordinate, two flag bits |
//! | target group | 192 | `t = c_1 / (1 + c_0)` for `c_0 + c_1 w` of norm 1 |
//!
//! The last one is the compression of a torus: elements of `Fq12` of norm 1 over `Fq6`, other than -1, are exactly
//! `(1 + t w) / (1 - t w)`. Decoding accepts exactly the encodings of points of the prime-order subgroups.

use std::io::{Read, Write};

use ark_bn254::{Fq6, Fq12, Fq12Config, Fr, G1Affine, G2Affine};
use ark_ec::CurveGroup;
use ark_ff::{AdditiveGroup, CyclotomicMultSubgroup, Field as _, Fp12Config, Zero as _};
use ark_serialize::{CanonicalDeserialize, CanonicalSerialize};
use dory_pcs::primitives::serialization::{
    Compress, DoryDeserialize, DorySerialize, SerializationError, Valid, Validate,
};

use crate::groups::{First, Scalar, Second, Target};

/// Bytes of a scalar.
pub const SCALAR_BYTES: usize = 32;
/// Bytes of a point of the first group.
pub const FIRST_BYTES: usize = 32;
/// Bytes of a point of the second group.
pub const SECOND_BYTES: usize = 64;
/// Bytes of an element of the target group.
pub const TARGET_BYTES: usize = 192;
/// `6 x^2 = p - r` for the curve's parameter `x`, least significant limb first.
const SIX_X_SQUARED: [u64; 2] = [17_887_900_258_952_609_094, 8_020_209_761_171_036_667];

/// A type with one fixed-length encoding per value.
pub trait Encoding: Sized {
    /// Length.
    const BYTES: usize;
    /// Appends the encoding.
    fn encode(&self, out: &mut Vec<u8>);
    /// The value with this encoding, if there is one.
    fn decode(bytes: &[u8]) -> Option<Self>;
}

/// Appends arkworks' compressed form. Writing to a vector does not fail.
fn write(value: &impl CanonicalSerialize, out: &mut Vec<u8>) {
    let _ = value.serialize_compressed(out);
}

/// Reads arkworks' compressed form of a valid value, and only that one: the library ignores, for example, the coordinate of
/// a point at infinity.
fn read<T: CanonicalSerialize + CanonicalDeserialize>(bytes: &[u8]) -> Option<T> {
    let value = T::deserialize_compressed(bytes).ok()?;
    let mut again = Vec::with_capacity(bytes.len());
    write(&value, &mut again);
    (again == bytes).then_some(value)
}

impl Encoding for Scalar {
    const BYTES: usize = SCALAR_BYTES;
    fn encode(&self, out: &mut Vec<u8>) {
        write(&self.0, out);
    }
    fn decode(bytes: &[u8]) -> Option<Self> {
        read::<Fr>(bytes).map(Self)
    }
}

impl Encoding for First {
    const BYTES: usize = FIRST_BYTES;
    fn encode(&self, out: &mut Vec<u8>) {
        write(&self.0.into_affine(), out);
    }
    fn decode(bytes: &[u8]) -> Option<Self> {
        read::<G1Affine>(bytes).map(|point| Self(point.into()))
    }
}

impl Encoding for Second {
    const BYTES: usize = SECOND_BYTES;
    fn encode(&self, out: &mut Vec<u8>) {
        write(&self.0.into_affine(), out);
    }
    fn decode(bytes: &[u8]) -> Option<Self> {
        read::<G2Affine>(bytes).map(|point| Self(point.into()))
    }
}

impl Encoding for Target {
    const BYTES: usize = TARGET_BYTES;
    fn encode(&self, out: &mut Vec<u8>) {
        // 1 + c_0 is zero for -1 alone, which is not in a group of odd order.
        let t = self.0.c1 * (Fq6::ONE + self.0.c0).inverse().unwrap_or_default();
        write(&t, out);
    }
    fn decode(bytes: &[u8]) -> Option<Self> {
        let t = read::<Fq6>(bytes)?;
        let mut v_t_squared = t.square();
        Fq12Config::mul_fp6_by_nonresidue_in_place(&mut v_t_squared);
        // (1 + t w)^2 / (1 - v t^2), where v = w^2 is no square: the denominator is not zero.
        let scale = (Fq6::ONE - v_t_squared).inverse()?;
        let element = Fq12::new((Fq6::ONE + v_t_squared) * scale, t.double() * scale);
        in_subgroup(&element).then_some(Self(element))
    }
}

/// True for the elements of order dividing `r = p - 6 x^2`.
fn in_subgroup(element: &Fq12) -> bool {
    if element.is_zero() {
        return false;
    }
    let power = |power| {
        let mut image = *element;
        image.frobenius_map_in_place(power);
        image
    };
    // The order divides p^4 - p^2 + 1; only then are cyclotomic squarings squarings.
    power(4) * element == power(2) && power(1) == element.cyclotomic_exp(SIX_X_SQUARED)
}

macro_rules! library_encoding {
    ($($type:ty),*) => {$(
        impl Valid for $type {
            fn check(&self) -> Result<(), SerializationError> {
                let mut bytes = Vec::with_capacity(<Self as Encoding>::BYTES);
                self.encode(&mut bytes);
                let valid = <Self as Encoding>::decode(&bytes).as_ref() == Some(self);
                valid.then_some(()).ok_or(SerializationError::UnexpectedData)
            }
        }
        impl DorySerialize for $type {
            fn serialize_with_mode<W: Write>(&self, mut writer: W, _: Compress) -> Result<(), SerializationError> {
                let mut bytes = Vec::with_capacity(<Self as Encoding>::BYTES);
                self.encode(&mut bytes);
                Ok(writer.write_all(&bytes)?)
            }
            fn serialized_size(&self, _: Compress) -> usize {
                <Self as Encoding>::BYTES
            }
        }
        impl DoryDeserialize for $type {
            fn deserialize_with_mode<R: Read>(
                mut reader: R,
                _: Compress,
                _: Validate,
            ) -> Result<Self, SerializationError> {
                let mut bytes = [0; <Self as Encoding>::BYTES];
                reader.read_exact(&mut bytes)?;
                <Self as Encoding>::decode(&bytes).ok_or(SerializationError::UnexpectedData)
            }
        }
    )*};
}

library_encoding!(Scalar, First, Second, Target);

//! Bytes of points and of an opening proof.
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
use dory_pcs::{DoryProof, FirstReduceMessage, ScalarProductMessage, SecondReduceMessage, VMVMessage};

use super::groups::{First, Scalar, Second, Target};

/// Bytes of a scalar.
const SCALAR_BYTES: usize = 32;
/// Bytes of a point of the first group.
pub(crate) const FIRST_BYTES: usize = 32;
/// Bytes of a point of the second group.
pub(crate) const SECOND_BYTES: usize = 64;
/// Bytes of an element of the target group.
pub(crate) const TARGET_BYTES: usize = 192;
/// `6 x^2 = p - r` for the curve's parameter `x`, least significant limb first.
const SIX_X_SQUARED: [u64; 2] = [17_887_900_258_952_609_094, 8_020_209_761_171_036_667];

/// The library's opening proof.
pub(crate) type Proof = DoryProof<First, Second, Target>;

/// A type with one fixed-length encoding per value.
pub(crate) trait Encoding: Sized {
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

/// Bytes of a proof for a matrix of `2^columns` columns.
pub(crate) const fn proof_bytes(columns: usize) -> usize {
    let first = 4 * TARGET_BYTES + FIRST_BYTES + SECOND_BYTES;
    let second = 2 * TARGET_BYTES + 2 * FIRST_BYTES + 2 * SECOND_BYTES;
    2 * TARGET_BYTES + FIRST_BYTES + columns * (first + second) + FIRST_BYTES + SECOND_BYTES
}

/// Encodes a proof; `None` if it has no final message.
#[cfg(feature = "prover")]
pub(crate) fn encode(proof: &Proof) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(proof_bytes(proof.first_messages.len()));
    let start = &proof.vmv_message;
    start.c.encode(&mut out);
    start.d2.encode(&mut out);
    start.e1.encode(&mut out);
    for (first, second) in proof.first_messages.iter().zip(&proof.second_messages) {
        for target in [&first.d1_left, &first.d1_right, &first.d2_left, &first.d2_right] {
            target.encode(&mut out);
        }
        first.e1_beta.encode(&mut out);
        first.e2_beta.encode(&mut out);
        second.c_plus.encode(&mut out);
        second.c_minus.encode(&mut out);
        second.e1_plus.encode(&mut out);
        second.e1_minus.encode(&mut out);
        second.e2_plus.encode(&mut out);
        second.e2_minus.encode(&mut out);
    }
    let last = proof.final_message.as_ref()?;
    last.e1.encode(&mut out);
    last.e2.encode(&mut out);
    Some(out)
}

/// Decodes the proof for a matrix of `2^rows` rows and `2^columns` columns; `None` unless `bytes` is the encoding of one.
pub(crate) fn decode(bytes: &[u8], rows: usize, columns: usize) -> Option<Proof> {
    if bytes.len() != proof_bytes(columns) {
        return None;
    }
    let mut rest = bytes;
    let vmv_message = VMVMessage { c: take(&mut rest)?, d2: take(&mut rest)?, e1: take(&mut rest)? };
    let (mut first_messages, mut second_messages) = (Vec::with_capacity(columns), Vec::with_capacity(columns));
    for _ in 0..columns {
        first_messages.push(FirstReduceMessage {
            d1_left: take(&mut rest)?,
            d1_right: take(&mut rest)?,
            d2_left: take(&mut rest)?,
            d2_right: take(&mut rest)?,
            e1_beta: take(&mut rest)?,
            e2_beta: take(&mut rest)?,
        });
        second_messages.push(SecondReduceMessage {
            c_plus: take(&mut rest)?,
            c_minus: take(&mut rest)?,
            e1_plus: take(&mut rest)?,
            e1_minus: take(&mut rest)?,
            e2_plus: take(&mut rest)?,
            e2_minus: take(&mut rest)?,
        });
    }
    let final_message = Some(ScalarProductMessage { e1: take(&mut rest)?, e2: take(&mut rest)? });
    Some(DoryProof { vmv_message, first_messages, second_messages, final_message, nu: rows, sigma: columns })
}

fn take<T: Encoding>(rest: &mut &[u8]) -> Option<T> {
    let (head, tail) = rest.split_at_checked(T::BYTES)?;
    *rest = tail;
    T::decode(head)
}

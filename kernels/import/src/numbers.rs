//! Little-endian bytes to finite `f64` values.

use half::{bf16, f16};

use crate::{Array, ImportError};

/// Element types that can be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Element {
    F64,
    F32,
    F16,
    Bf16,
    I64,
    I32,
    I16,
    I8,
    U8,
}

/// For error messages.
pub(crate) const SUPPORTED: &str = "f64, f32, f16, bf16, i64, i32, i16, i8, u8, little endian";

/// The largest integer up to which all integers are exact in `f64`.
const EXACT: u64 = 1 << 53;

/// Decodes a tensor. The number of bytes must fit the shape.
pub(crate) fn decode(source: String, element: Element, shape: Vec<usize>, bytes: &[u8]) -> Result<Array, ImportError> {
    let cells = shape.iter().try_fold(1_usize, |product, &n| product.checked_mul(n));
    let values = match element {
        Element::F64 => floats(bytes, f64::from_le_bytes),
        Element::F32 => floats(bytes, |b| f64::from(f32::from_le_bytes(b))),
        Element::F16 => floats(bytes, |b| f16::from_le_bytes(b).to_f64()),
        Element::Bf16 => floats(bytes, |b| bf16::from_le_bytes(b).to_f64()),
        Element::I64 => large_integers(&source, &shape, bytes)?,
        Element::I32 => floats(bytes, |b| f64::from(i32::from_le_bytes(b))),
        Element::I16 => floats(bytes, |b| f64::from(i16::from_le_bytes(b))),
        Element::I8 => floats(bytes, |b| f64::from(i8::from_le_bytes(b))),
        Element::U8 => floats(bytes, |b: [u8; 1]| f64::from(b[0])),
    };
    if cells.is_none_or(|cells| values.len() != cells) || bytes.len() != values.len() * width(element) {
        let reason = format!("{} bytes of data do not fit shape {shape:?}", bytes.len());
        return Err(ImportError::Malformed { file: source, reason });
    }
    match values.iter().position(|v| !v.is_finite()) {
        None => Ok(Array { source, shape, values }),
        Some(flat) => {
            let value = values[flat].to_string();
            Err(ImportError::NotFinite { source_name: source, index: unflatten(flat, &shape), value })
        }
    }
}

fn width(element: Element) -> usize {
    match element {
        Element::F64 | Element::I64 => 8,
        Element::F32 | Element::I32 => 4,
        Element::F16 | Element::Bf16 | Element::I16 => 2,
        Element::I8 | Element::U8 => 1,
    }
}

fn floats<const N: usize>(bytes: &[u8], convert: impl Fn([u8; N]) -> f64) -> Vec<f64> {
    bytes.as_chunks::<N>().0.iter().map(|&chunk| convert(chunk)).collect()
}

fn large_integers(source: &str, shape: &[usize], bytes: &[u8]) -> Result<Vec<f64>, ImportError> {
    let integers: Vec<i64> = bytes.as_chunks::<8>().0.iter().map(|&chunk| i64::from_le_bytes(chunk)).collect();
    match integers.iter().position(|v| v.unsigned_abs() > EXACT) {
        None => Ok(integers.into_iter().map(|v| v as f64).collect()),
        Some(flat) => Err(ImportError::TooLarge {
            source_name: source.to_owned(),
            index: unflatten(flat, shape),
            value: integers[flat],
        }),
    }
}

fn unflatten(mut flat: usize, shape: &[usize]) -> Vec<usize> {
    let mut index = vec![0; shape.len()];
    for (i, &n) in index.iter_mut().zip(shape).rev() {
        *i = flat % n.max(1);
        flat /= n.max(1);
    }
    index
}

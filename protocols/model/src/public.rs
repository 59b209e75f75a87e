//! Public values: what the verifier brings along.

use std::sync::Arc;

#[cfg(feature = "prover")]
use zkml_core::Witness;
use zkml_core::{Bounds, Program, Residence, TensorId};

use crate::keys::Values;
use crate::{KeyError, PUBLIC_MAGIC};

/// Bytes of one value of a tensor with these bounds.
pub(crate) fn value_bytes(bounds: Bounds) -> usize {
    if i8::try_from(bounds.lo).is_ok() && i8::try_from(bounds.hi).is_ok() {
        1
    } else if i16::try_from(bounds.lo).is_ok() && i16::try_from(bounds.hi).is_ok() {
        2
    } else if i32::try_from(bounds.lo).is_ok() && i32::try_from(bounds.hi).is_ok() {
        4
    } else {
        8
    }
}

/// The values of all public tensors of a program: a magic number, then the tensors in the program's order, each
/// row-major, little endian, as narrow as its bounds allow.
#[cfg(feature = "prover")]
pub fn public_bytes(program: &Program, witness: &Witness) -> Result<Vec<u8>, KeyError> {
    let mut bytes = PUBLIC_MAGIC.to_vec();
    for tensor in program.with_residence(Residence::Public) {
        let column = witness.require(program, tensor)?.to_i64();
        let Some(info) = program.get(tensor) else { continue };
        check_bounds(&info.name, info.bounds, &column)?;
        let width = value_bytes(info.bounds);
        bytes.extend(column.iter().flat_map(|v| v.to_le_bytes().into_iter().take(width)));
    }
    Ok(bytes)
}

/// Reads what [`public_bytes`] writes, and checks lengths and bounds.
pub fn read_public(program: &Program, bytes: &[u8]) -> Result<Vec<(TensorId, Values)>, KeyError> {
    let format = |reason: String| KeyError::Format { what: "file of public values", reason };
    let mut rest = bytes.strip_prefix(PUBLIC_MAGIC).ok_or_else(|| format("the first bytes are wrong".to_owned()))?;
    let mut columns = Vec::new();
    for tensor in program.with_residence(Residence::Public) {
        let Some(info) = program.get(tensor) else { continue };
        let width = value_bytes(info.bounds);
        let (own, tail) = rest
            .split_at_checked(info.shape.cells().saturating_mul(width))
            .ok_or_else(|| format(format!("it ends inside `{}`", info.name)))?;
        let values: Vec<i64> = own.chunks(width).map(sign_extend).collect();
        check_bounds(&info.name, info.bounds, &values)?;
        columns.push((tensor, Arc::new(values)));
        rest = tail;
    }
    if rest.is_empty() { Ok(columns) } else { Err(format(format!("{} bytes are left over", rest.len()))) }
}

fn sign_extend(bytes: &[u8]) -> i64 {
    let negative = bytes.last().is_some_and(|b| b & 0x80 != 0);
    let mut word = [if negative { 0xff } else { 0 }; 8];
    word.iter_mut().zip(bytes).for_each(|(w, b)| *w = *b);
    i64::from_le_bytes(word)
}

pub(crate) fn check_bounds(tensor: &str, bounds: Bounds, values: &[i64]) -> Result<(), KeyError> {
    match values.iter().position(|v| *v < bounds.lo || *v > bounds.hi) {
        None => Ok(()),
        Some(cell) => Err(KeyError::OutOfBounds { tensor: tensor.to_owned(), lo: bounds.lo, hi: bounds.hi, cell }),
    }
}

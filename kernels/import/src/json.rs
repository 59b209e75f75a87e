//! EZKL's input files: `{"input_data": [[...]]}`, one list per input or output of the network.

use serde_json::{Map, Value};

use crate::{Array, ImportError, hint};

/// The key of the numbers that enter the network.
const INPUT: &str = "input_data";

/// Integers up to here are exact in `f64`.
const EXACT: u64 = 1 << 53;

/// Reads the list under `key` (by default `input_data`); it must hold one tensor, flat or nested by its axes.
pub(crate) fn read(file: &str, bytes: &[u8], key: Option<&str>) -> Result<Array, ImportError> {
    let object = object(file, bytes)?;
    let key = key.unwrap_or(INPUT);
    let source = format!("{file}:{key}");
    let malformed = |reason: String| ImportError::Malformed { file: source.clone(), reason };
    let Some(value) = object.get(key) else {
        let available: Vec<&str> = object.keys().map(String::as_str).collect();
        return Err(ImportError::UnknownTensor {
            file: file.to_owned(),
            name: key.to_owned(),
            hint: hint::nearest(key, &available),
            available: hint::quoted(&available),
        });
    };
    let list = value.as_array().ok_or_else(|| malformed("it is not a list of tensors".to_owned()))?;
    let [tensor] = list.as_slice() else {
        let found = list.len();
        return Err(malformed(format!(
            "it has {found} entries, one per tensor; exactly one is supported, as in [[1, 2]]"
        )));
    };
    if !tensor.is_array() {
        return Err(malformed(
            "it is a flat list; put the numbers of the one tensor in a list of their own".to_owned(),
        ));
    }
    let shape = shape(tensor);
    let mut values = Vec::new();
    flatten(&source, tensor, &shape, &mut Vec::new(), &mut values)?;
    Ok(Array { source, shape, values })
}

/// Keys that hold tensors, sorted.
pub(crate) fn names(file: &str, bytes: &[u8]) -> Result<Vec<String>, ImportError> {
    let object = object(file, bytes)?;
    let tensors = object.into_iter().filter(|(_, v)| v.as_array().is_some_and(|v| v.iter().any(Value::is_array)));
    let mut names: Vec<String> = tensors.map(|(key, _)| key).collect();
    names.sort();
    Ok(names)
}

fn object(file: &str, bytes: &[u8]) -> Result<Map<String, Value>, ImportError> {
    let malformed = |reason: String| ImportError::Malformed { file: file.to_owned(), reason };
    match serde_json::from_slice(bytes).map_err(|e| malformed(e.to_string()))? {
        Value::Object(object) => Ok(object),
        _ => Err(malformed(format!("it is not an object such as {{\"{INPUT}\": [[1, 2]]}}"))),
    }
}

/// Axis lengths, along the first entries.
fn shape(value: &Value) -> Vec<usize> {
    let (mut shape, mut inner) = (Vec::new(), Some(value));
    while let Some(list) = inner.and_then(Value::as_array) {
        shape.push(list.len());
        inner = list.first();
    }
    shape
}

/// Appends the numbers, in row-major order; `index` is where `value` is.
fn flatten(
    source: &str,
    value: &Value,
    shape: &[usize],
    index: &mut Vec<usize>,
    values: &mut Vec<f64>,
) -> Result<(), ImportError> {
    let malformed = |reason: &str| ImportError::Malformed {
        file: source.to_owned(),
        reason: format!("the entry at index {index:?} {reason}"),
    };
    match (value, shape.split_first()) {
        (Value::Array(list), Some((n, inner))) if list.len() == *n => {
            for (i, entry) in list.iter().enumerate() {
                index.push(i);
                flatten(source, entry, inner, index, values)?;
                index.pop();
            }
            Ok(())
        }
        (Value::Array(_), _) => Err(malformed("has another length than its neighbours")),
        (Value::Number(_), Some(_)) => Err(malformed("is a number among lists")),
        (Value::Number(number), None) => {
            let integer = number.as_i64().map(i64::unsigned_abs).or_else(|| number.as_u64());
            if integer.is_some_and(|n| n > EXACT) {
                return Err(malformed("is an integer beyond 2^53"));
            }
            values.push(number.as_f64().filter(|v| v.is_finite()).ok_or_else(|| malformed("is not finite"))?);
            Ok(())
        }
        _ => Err(malformed("is not a number")),
    }
}

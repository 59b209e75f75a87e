//! Reads tensors from `.safetensors`, `.npy` and `.json` files, and networks from ONNX files ([`onnx`]).
//!
//! Whatever the stored type, an [`Array`] holds finite `f64` values, row-major. Integers beyond `2^53` are refused
//! rather than rounded.
//!
//! ```no_run
//! let gain = zkml_import::load("layer.safetensors".as_ref(), Some("norm.gain"))?.with_shape(&[Some(384)])?;
//! # Ok::<(), zkml_import::ImportError>(())
//! ```

mod error;
mod hint;
mod json;
mod npy;
mod numbers;
pub mod onnx;
mod safetensors;

use std::path::Path;

pub use error::ImportError;

/// A tensor of finite real numbers.
#[derive(Clone, Debug, PartialEq)]
pub struct Array {
    /// Where it came from, for errors: the file, and the tensor's name if the file has several.
    pub source: String,
    /// Axis lengths; empty for a scalar.
    pub shape: Vec<usize>,
    /// The values, row-major.
    pub values: Vec<f64>,
}

impl Array {
    /// The array, if its shape is `expected`; `None` stands for any length.
    pub fn with_shape(self, expected: &[Option<usize>]) -> Result<Self, ImportError> {
        let fits = self.shape.len() == expected.len()
            && self.shape.iter().zip(expected).all(|(n, wanted)| wanted.is_none_or(|wanted| wanted == *n));
        if fits {
            return Ok(self);
        }
        let axes: Vec<String> =
            expected.iter().map(|n| n.map_or_else(|| "any".to_owned(), |n| n.to_string())).collect();
        Err(ImportError::Shape {
            source_name: self.source,
            shape: self.shape,
            expected: format!("[{}]", axes.join(", ")),
        })
    }

    /// The same values in another shape of as many cells.
    pub fn reshaped(mut self, shape: &[usize]) -> Result<Self, ImportError> {
        if cells(shape) != Some(self.values.len()) {
            let expected =
                format!("{} values in shape {shape:?}", cells(shape).map_or("fewer".to_owned(), |n| n.to_string()));
            return Err(ImportError::Shape { source_name: self.source, shape: self.shape, expected });
        }
        self.shape = shape.to_vec();
        Ok(self)
    }

    /// The values cut into whole samples of `shape`, a network's input shape with its batch: at least one.
    ///
    /// ```
    /// let values = (0..12).map(f64::from).collect();
    /// let data = zkml_import::Array { source: "digits.json".into(), shape: vec![12], values };
    /// let samples = data.samples(&[1, 2, 2])?;
    /// assert_eq!((samples.len(), samples[2].values[0]), (3, 8.0));
    /// let error = data.samples(&[1, 5]).unwrap_err().to_string();
    /// assert!(error.contains("a multiple of 5 values, for samples of shape [1, 5]"), "{error}");
    /// # Ok::<(), zkml_import::ImportError>(())
    /// ```
    pub fn samples(&self, shape: &[usize]) -> Result<Vec<Self>, ImportError> {
        let (n, found) = (cells(shape).unwrap_or(0), self.values.len());
        if n == 0 || found == 0 || !found.is_multiple_of(n) {
            return Err(ImportError::Shape {
                source_name: self.source.clone(),
                shape: self.shape.clone(),
                expected: format!("a multiple of {n} values, for samples of shape {shape:?}"),
            });
        }
        let sample =
            |values: &[f64]| Self { source: self.source.clone(), shape: shape.to_vec(), values: values.to_vec() };
        Ok(self.values.chunks_exact(n).map(sample).collect())
    }

    /// The first `rows` entries along the first axis.
    pub fn first_rows(mut self, rows: usize) -> Result<Self, ImportError> {
        match self.shape.first_mut() {
            Some(length) if rows >= 1 && rows <= *length => {
                let row = self.values.len() / *length;
                *length = rows;
                self.values.truncate(rows * row);
                Ok(self)
            }
            first => {
                let available = first.copied().unwrap_or(0);
                Err(ImportError::Rows { source_name: self.source, rows, available })
            }
        }
    }
}

/// The number of cells; `None` if it overflows.
fn cells(shape: &[usize]) -> Option<usize> {
    shape.iter().try_fold(1_usize, |product, &n| product.checked_mul(n))
}

/// Reads one tensor. The file's extension decides the format; `tensor` names the tensor of a `.safetensors` file
/// (needless if it holds only one), the key of a `.json` file (`input_data` if absent), and must be absent for `.npy`.
///
/// A `.json` file is EZKL's: `{"input_data": [[1.5, 2]]}`, one list for the one input of a network, flat or nested by axes.
pub fn load(path: &Path, tensor: Option<&str>) -> Result<Array, ImportError> {
    let reader = match extension(path) {
        Some("safetensors") => safetensors::read,
        Some("npy") => npy::read,
        Some("json") => json::read,
        _ => return Err(ImportError::Extension { file: path.display().to_string() }),
    };
    let (file, bytes) = bytes(path)?;
    reader(&file, &bytes, tensor)
}

/// The tensors as the content of a `.safetensors` file of 32-bit floats; `file` is for errors.
pub fn to_safetensors(file: &str, tensors: &[(String, &Array)]) -> Result<Vec<u8>, ImportError> {
    safetensors::to_bytes(file, tensors)
}

/// Names of the tensors in a `.safetensors` file or keys of a `.json` file, sorted; none for other files.
pub fn names(path: &Path) -> Result<Vec<String>, ImportError> {
    let reader = match extension(path) {
        Some("safetensors") => safetensors::names,
        Some("json") => json::names,
        _ => return Ok(Vec::new()),
    };
    let (file, bytes) = bytes(path)?;
    reader(&file, &bytes)
}

fn extension(path: &Path) -> Option<&str> {
    path.extension().and_then(|e| e.to_str())
}

/// A file's name, for errors, and its content.
fn bytes(path: &Path) -> Result<(String, Vec<u8>), ImportError> {
    let file = path.display().to_string();
    match std::fs::read(path) {
        Ok(bytes) => Ok((file, bytes)),
        Err(error) => Err(ImportError::Read { file, reason: error.to_string() }),
    }
}

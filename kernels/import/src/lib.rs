//! Reads tensors from `.safetensors` and `.npy` files.
//!
//! Whatever the stored type, an [`Array`] holds finite `f64` values, row-major. Integers beyond `2^53` are refused
//! rather than rounded.
//!
//! ```no_run
//! let gain = zkml_import::load("layer.safetensors".as_ref(), Some("norm.gain"))?.with_shape(&[Some(384)])?;
//! # Ok::<(), zkml_import::ImportError>(())
//! ```

mod error;
mod npy;
mod numbers;
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

/// Reads one tensor. The file's extension decides the format; `tensor` names the tensor of a `.safetensors` file
/// (needless if it holds only one) and must be absent for `.npy`.
pub fn load(path: &Path, tensor: Option<&str>) -> Result<Array, ImportError> {
    let file = path.display().to_string();
    let reader = match path.extension().and_then(|e| e.to_str()) {
        Some("safetensors") => safetensors::read,
        Some("npy") => npy::read,
        _ => return Err(ImportError::Extension { file }),
    };
    let bytes =
        std::fs::read(path).map_err(|error| ImportError::Read { file: file.clone(), reason: error.to_string() })?;
    reader(&file, &bytes, tensor)
}

/// Names of the tensors in a `.safetensors` file, sorted; none for other files.
pub fn names(path: &Path) -> Result<Vec<String>, ImportError> {
    let file = path.display().to_string();
    if path.extension().is_none_or(|e| e != "safetensors") {
        return Ok(Vec::new());
    }
    let bytes =
        std::fs::read(path).map_err(|error| ImportError::Read { file: file.clone(), reason: error.to_string() })?;
    safetensors::names(&file, &bytes)
}

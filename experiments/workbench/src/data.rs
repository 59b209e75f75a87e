//! Input files: tensors by name, faults at the key that names them, and the digests of everything read.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use zkml_import::{Array, ImportError, load, names};

use crate::environment::file_digest;
use crate::spec::{Fault, Input, KeyPath};

/// The files that an experiment reads.
pub(crate) struct Data {
    folder: PathBuf,
    /// The input's file, as the experiment names it.
    file: String,
    digests: BTreeMap<String, String>,
}

impl Data {
    /// The input's file, relative to `folder`.
    pub(crate) fn open(folder: &Path, file: &str) -> Result<Self, Fault> {
        let mut data = Self { folder: folder.to_owned(), file: file.to_owned(), digests: BTreeMap::new() };
        data.digest(&KeyPath::default().key("input").key("file"), file)?;
        Ok(data)
    }

    fn digest(&mut self, key: &KeyPath, file: &str) -> Result<(), Fault> {
        let path = self.folder.join(file);
        let digest = file_digest(&path).map_err(|e| {
            let found = format!("`{}`: {e}", path.display());
            Fault::value(
                key,
                "the file cannot be read",
                found,
                "a .safetensors or .npy file, relative to the experiment",
            )
        })?;
        self.digests.insert(file.to_owned(), digest);
        Ok(())
    }

    /// Names and digests of the files read so far.
    pub(crate) fn digests(&self) -> Vec<(String, String)> {
        self.digests.iter().map(|(file, digest)| (file.clone(), digest.clone())).collect()
    }

    /// The activations that enter the first layer.
    pub(crate) fn input(&mut self, input: &Input) -> Result<Array, Fault> {
        let top = KeyPath::default().key("input");
        let key = if input.tensor.is_some() { top.key("tensor") } else { top.key("file") };
        let array = self.read(&key, &input.file, input.tensor.as_deref())?;
        match input.rows {
            Some(rows) => array.first_rows(rows).map_err(|e| self.fault(&top.key("rows"), &e)),
            None => Ok(array),
        }
    }

    /// Weights: a tensor of the input's file, or a `.npy` file of its own.
    pub(crate) fn weights(&mut self, key: &KeyPath, name: &str) -> Result<Array, Fault> {
        if Path::new(name).extension().is_some_and(|e| e == "npy") {
            self.digest(key, name)?;
            return self.read(key, name, None);
        }
        let file = self.file.clone();
        self.read(key, &file, Some(name))
    }

    fn read(&self, key: &KeyPath, file: &str, tensor: Option<&str>) -> Result<Array, Fault> {
        load(&self.folder.join(file), tensor).map_err(|e| self.fault(key, &e))
    }

    fn fault(&self, key: &KeyPath, error: &ImportError) -> Fault {
        if let ImportError::UnknownTensor { name, .. } = error {
            let known = names(&self.folder.join(&self.file)).unwrap_or_default();
            return Fault::name(key, "tensor", name, &known.iter().map(String::as_str).collect::<Vec<_>>());
        }
        let (found, allowed) = match error {
            ImportError::Rows { rows, available, .. } => (rows.to_string(), format!("1 to {available}")),
            ImportError::NotFinite { value, index, .. } => {
                (format!("{value} at {index:?}"), "finite numbers".to_owned())
            }
            ImportError::Unnamed { available, .. } => ("no `tensor`".to_owned(), available.clone()),
            ImportError::Named { name, .. } => {
                (format!("`{name}`"), "a .safetensors file, or weights in a .npy file of their own".to_owned())
            }
            _ => (format!("`{}`", self.file), "a .safetensors or .npy file of numbers".to_owned()),
        };
        Fault::value(key, error.to_string(), found, allowed)
    }
}

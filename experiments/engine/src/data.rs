//! Input files: tensors by name, faults at the key that names them, and the digests of everything read.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use zkml_import::{Array, ImportError, load, names};

use crate::environment::file_digest;
use crate::generated;
use crate::spec::{Evaluate, Excerpt, Experiment, Fault, Input, KeyPath};

/// Files that tensors are read from.
const FILES: &str = "a .safetensors, .npy or .json file";

/// Labels are below this.
const MAX_LABEL: f64 = 4_294_967_296.0;

/// The files that an experiment reads.
pub struct Data {
    folder: PathBuf,
    /// The weights' file and the key that names it.
    weights: (KeyPath, String),
    digests: BTreeMap<String, String>,
}

impl Data {
    /// The files of an experiment, relative to `folder`.
    pub fn open(folder: &Path, experiment: &Experiment) -> Self {
        let top = KeyPath::default();
        let weights = match &experiment.weights {
            Some(file) => (top.key("weights"), file.clone()),
            None => (top.key("input").key("file"), experiment.input.file.clone()),
        };
        Self { folder: folder.to_owned(), weights, digests: BTreeMap::new() }
    }

    /// Names and digests of the files read so far.
    pub fn digests(&self) -> Vec<(String, String)> {
        self.digests.iter().map(|(file, digest)| (file.clone(), digest.clone())).collect()
    }

    /// The activations that enter the first layer: rows of the input's shape.
    pub fn input(&mut self, input: &Input) -> Result<Array, Fault> {
        let top = KeyPath::default().key("input");
        let array = self.tensor(&top, &input.file, input.tensor.as_deref())?;
        let (array, batch) = match input.shape.as_deref() {
            Some([batch, row @ ..]) => (as_rows(array, row, &top.key("shape"), &input.file)?, Some(*batch)),
            _ => (array, None),
        };
        let (skip, one) = match (input.skip, input.sample) {
            (Some(_), Some(sample)) => {
                let problem = "`sample` and `skip` both say where the rows begin";
                return Err(Fault::value(&top.key("sample"), problem, sample.to_string(), "one of them"));
            }
            (None, Some(sample)) => (sample, Some(1)),
            (skip, None) => (skip.unwrap_or(0), None),
        };
        let key = if input.sample.is_some() { "sample" } else { "skip" };
        let array = skip_rows(array, skip, &top.key(key))?;
        let key = if input.rows.is_none() && batch.is_some() { "shape" } else { "rows" };
        match input.rows.or(one).or(batch) {
            Some(rows) => first_rows(array, rows, &top.key(key)),
            None => Ok(array),
        }
    }

    /// Rows of shape `row`, from the section `key` of the experiment, and how many there are in the file.
    pub fn rows(&mut self, key: &KeyPath, rows: &Excerpt, row: &[usize]) -> Result<(Array, usize), Fault> {
        let array = self.tensor(key, &rows.file, rows.tensor.as_deref())?;
        let at = key.key(if rows.tensor.is_some() { "tensor" } else { "file" });
        let array = as_rows(array, row, &at, &rows.file)?;
        let all = array.shape.first().copied().unwrap_or(0);
        match rows.rows {
            Some(count) => Ok((first_rows(array, count, &key.key("rows"))?, all)),
            None => Ok((array, all)),
        }
    }

    /// The right labels of the first `rows` of `all` held-out inputs. If the experiment does not say how many it takes, there
    /// must be one for each.
    pub fn labels(
        &mut self,
        evaluate: &Evaluate,
        file: &str,
        rows: usize,
        all: usize,
    ) -> Result<Option<Vec<usize>>, Fault> {
        let Some(name) = &evaluate.labels else { return Ok(None) };
        let key = KeyPath::default().key("evaluate").key("labels");
        let labels = if is_npy(name) {
            self.digest(&key, name)?;
            self.read(&key, name, None)?
        } else {
            self.read(&key, file, Some(name))?
        };
        let count = labels.values.len();
        if count < rows || (evaluate.rows.is_none() && count != all) {
            let problem = "there is not one label per input";
            let found = format!("{count} labels for {rows} inputs");
            return Err(Fault::value(&key, problem, found, format!("{rows} labels")));
        }
        let label = |value: &f64| (value.fract() == 0.0 && (0.0..MAX_LABEL).contains(value)).then_some(*value as usize);
        let Some(whole) = labels.values.iter().take(rows).map(label).collect::<Option<Vec<_>>>() else {
            let found = labels.values.iter().find(|v| label(v).is_none()).map_or_else(String::new, f64::to_string);
            return Err(Fault::value(&key, format!("`{name}` does not hold labels"), found, "whole numbers from 0"));
        };
        Ok(Some(whole))
    }

    /// Weights: a tensor of the weights' file, a `.npy` file of its own, or generated.
    pub fn weights(&mut self, key: &KeyPath, name: &str) -> Result<Array, Fault> {
        if generated::is_generated(name) {
            return generate(key, name);
        }
        if is_npy(name) {
            self.digest(key, name)?;
            return self.read(key, name, None);
        }
        let (at, file) = self.weights.clone();
        self.digest(&at, &file)?;
        self.read(key, &file, Some(name))
    }

    /// A tensor that the keys `file` and `tensor` of a section name.
    fn tensor(&mut self, section: &KeyPath, file: &str, tensor: Option<&str>) -> Result<Array, Fault> {
        if generated::is_generated(file) {
            return generate(&section.key("file"), file);
        }
        self.digest(&section.key("file"), file)?;
        self.read(&section.key(if tensor.is_some() { "tensor" } else { "file" }), file, tensor)
    }

    fn digest(&mut self, key: &KeyPath, file: &str) -> Result<(), Fault> {
        if self.digests.contains_key(file) {
            return Ok(());
        }
        let path = self.folder.join(file);
        let digest = file_digest(&path).map_err(|e| {
            let found = format!("`{}`: {e}", path.display());
            Fault::value(key, "the file cannot be read", found, format!("{FILES}, relative to the experiment"))
        })?;
        self.digests.insert(file.to_owned(), digest);
        Ok(())
    }

    fn read(&self, key: &KeyPath, file: &str, tensor: Option<&str>) -> Result<Array, Fault> {
        let path = self.folder.join(file);
        load(&path, tensor).map_err(|error| {
            if let ImportError::UnknownTensor { name, .. } = &error {
                let known = names(&path).unwrap_or_default();
                return Fault::name(key, "tensor", name, &known.iter().map(String::as_str).collect::<Vec<_>>());
            }
            import_fault(key, file, &error)
        })
    }
}

fn generate(key: &KeyPath, name: &str) -> Result<Array, Fault> {
    let wrong = || Err(name.to_owned());
    generated::parse(name).unwrap_or_else(wrong).map_err(|problem| {
        Fault::value(key, problem, format!("`{name}`"), "`normal:` with lengths and a seed, e.g. `normal:10x64:1`")
    })
}

fn is_npy(name: &str) -> bool {
    Path::new(name).extension().is_some_and(|e| e == "npy")
}

fn import_fault(key: &KeyPath, file: &str, error: &ImportError) -> Fault {
    let (found, allowed) = match error {
        ImportError::NotFinite { value, index, .. } => (format!("{value} at {index:?}"), "finite numbers".to_owned()),
        ImportError::Unnamed { available, .. } => ("no `tensor`".to_owned(), available.clone()),
        ImportError::Named { name, .. } => {
            (format!("`{name}`"), "a .safetensors file, or weights in a .npy file of their own".to_owned())
        }
        _ => (format!("`{file}`"), format!("{FILES} of numbers")),
    };
    Fault::value(key, error.to_string(), found, allowed)
}

/// The values as rows of shape `row`, whatever their own shape.
fn as_rows(array: Array, row: &[usize], key: &KeyPath, file: &str) -> Result<Array, Fault> {
    let cells = row.iter().try_fold(1_usize, |product, &n| product.checked_mul(n)).unwrap_or(usize::MAX);
    let count = array.values.len();
    if cells == 0 || count == 0 || !count.is_multiple_of(cells) {
        let problem = format!("the values of `{file}` are not whole rows of shape {row:?}");
        let found = format!("{count} values, shape {:?}", array.shape);
        return Err(Fault::value(key, problem, found, format!("a multiple of {cells} values")));
    }
    let shape = std::iter::once(count / cells).chain(row.iter().copied()).collect();
    Ok(Array { shape, ..array })
}

/// Without the first `skip` rows; at least one is left.
fn skip_rows(mut array: Array, skip: usize, key: &KeyPath) -> Result<Array, Fault> {
    let Some(length) = array.shape.first_mut().filter(|_| skip > 0) else { return Ok(array) };
    if skip >= *length {
        let problem = format!("there is no row {skip}: {} has {length}", array.source);
        return Err(Fault::value(key, problem, skip.to_string(), format!("0 to {}", *length - 1)));
    }
    let row = array.values.len() / *length;
    *length -= skip;
    array.values.drain(..skip * row);
    Ok(array)
}

fn first_rows(array: Array, rows: usize, key: &KeyPath) -> Result<Array, Fault> {
    array.first_rows(rows).map_err(|error| match &error {
        ImportError::Rows { rows, available, .. } => {
            Fault::value(key, error.to_string(), rows.to_string(), format!("1 to {available}"))
        }
        _ => import_fault(key, "", &error),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn array(shape: &[usize]) -> Array {
        let values = (0..shape.iter().product::<usize>()).map(|i| i as f64).collect();
        Array { source: "x.json".to_owned(), shape: shape.to_vec(), values }
    }

    #[test]
    fn rows_are_cut_out_of_flat_values() {
        let key = KeyPath::default().key("input");
        let rows = as_rows(array(&[1, 12]), &[1, 2, 2], &key, "x.json").unwrap();
        assert_eq!(rows.shape, [3, 1, 2, 2]);
        let rows = first_rows(skip_rows(rows, 1, &key).unwrap(), 1, &key).unwrap();
        assert_eq!((rows.shape, rows.values), (vec![1, 1, 2, 2], vec![4.0, 5.0, 6.0, 7.0]));
    }

    #[test]
    fn rows_that_are_not_there_are_refused() {
        let key = KeyPath::default().key("input");
        assert!(as_rows(array(&[11]), &[2, 2], &key, "x.json").unwrap_err().problem.contains("not whole rows"));
        assert!(as_rows(array(&[4]), &[usize::MAX, 2], &key, "x.json").is_err());
        assert_eq!(skip_rows(array(&[3, 4]), 3, &key).unwrap_err().allowed, "0 to 2");
        assert_eq!(first_rows(array(&[3, 4]), 4, &key).unwrap_err().allowed, "1 to 3");
    }
}

//! Experiment files: text, overrides, matrix, typed cells, and errors that say where.
//!
//! A [`Document`] is the file after overrides. [`Document::count`] counts its cells; [`Document::cells`] expands its matrix and
//! checks every cell against the schema that is generated from [`Experiment`]. [`Document::cell_error`] turns any later fault
//! at a key path into an error with file, line and source text.

mod address;
mod check;
pub mod choice;
mod document;
mod error;
mod exclude;
mod matrix;
mod overrides;
mod path;
pub mod schema;
mod tree;
mod types;
mod values;
mod yaml;

#[cfg(test)]
mod tests;

pub use check::Fault;
pub use choice::{Choice, Named};
pub use document::{Cell, Document, Unsupported, label};
pub use error::{SpecErrors, nearest};
pub use matrix::{MANY_CELLS, MAX_CELLS};
pub use path::KeyPath;
pub use types::{Evaluate, Excerpt, Experiment, Input, Measure, Unsupportable};

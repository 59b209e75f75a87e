//! Experiment files: text, overrides, matrix, typed cells, and errors that say where.
//!
//! A [`Document`] is the file after overrides. [`Document::cells`] expands its matrix and checks every cell against
//! the schema that is generated from [`Experiment`]; [`Document::error`] turns any later fault at a key path into an
//! error with file, line and source text.

mod address;
mod check;
pub(crate) mod choice;
mod document;
mod error;
mod matrix;
mod overrides;
mod path;
pub(crate) mod schema;
mod tree;
mod types;
mod yaml;

#[cfg(test)]
mod tests;

pub(crate) use check::Fault;
pub(crate) use choice::{Choice, Named};
pub(crate) use document::{Cell, Document, Unsupported, label};
pub(crate) use error::{SpecErrors, nearest};
pub(crate) use path::KeyPath;
pub(crate) use types::{Evaluate, Excerpt, Experiment, Input, Limits, Measure, Unsupportable};

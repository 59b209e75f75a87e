//! Results as tidy tables: one row per observation, one column per variable, as CSV and as Parquet.
//!
//! | table | one row is |
//! |---|---|
//! | `cells` | a cell: its place in the matrix, how it ended, its metrics and the medians of its phases |
//! | `samples` | a phase of one measured proof, inference or verification |
//! | `steps` | a step of proving: median times, and operations where the build counts them |
//! | `relations` | a relation: its protocol and what that is predicted to cost |
//! | `scopes` | the proof bytes of one message |
//! | `layers` | a layer: kernel, shape, cells, deviation from the float model |
//!
//! `experiment` and `cell` join them. A cell that is not ok has a row in `cells`, without numbers, and none elsewhere.
//! Columns have one definition each, from which values and [`dictionary`] come alike.

mod cells;
mod column;
mod csv;
mod details;
mod dictionary;
mod parquet;
#[cfg(test)]
mod tests;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use zkml_results::record::CellRecord;
use zkml_results::store::{StoreError, write_atomic};

pub use column::{Column, Unit, Values};
pub use dictionary::dictionary;

/// Why tables cannot be written.
#[derive(Debug, thiserror::Error)]
pub enum TidyError {
    /// The folder cannot be made.
    #[error("{path}: the folder cannot be made: {source}")]
    Folder {
        /// The folder.
        path: String,
        /// What the system says.
        source: io::Error,
    },
    /// A file cannot be written.
    #[error(transparent)]
    File(#[from] StoreError),
    /// A table has no CSV form.
    #[error("table `{table}` as CSV: {source}")]
    Csv {
        /// The table.
        table: &'static str,
        /// What the library says.
        source: ::csv::Error,
    },
    /// A table has no Parquet form.
    #[error("table `{table}` as Parquet: {source}")]
    Parquet {
        /// The table.
        table: &'static str,
        /// What the library says.
        source: ::parquet::errors::ParquetError,
    },
}

/// A table by columns of one length.
#[derive(Clone, Debug, PartialEq)]
pub struct Table {
    /// Its name, which is that of its files.
    pub name: &'static str,
    /// What a row is.
    pub about: &'static str,
    /// The columns, in order.
    pub columns: Vec<Column>,
}

impl Table {
    /// The table in CSV: a header, then a line per row, empty where there is no value.
    pub fn to_csv(&self) -> Result<Vec<u8>, TidyError> {
        csv::encode(self).map_err(|source| TidyError::Csv { table: self.name, source })
    }

    /// The table as a Parquet file of one row group, compressed by Snappy; every column may be null.
    pub fn to_parquet(&self) -> Result<Vec<u8>, TidyError> {
        parquet::encode(self).map_err(|source| TidyError::Parquet { table: self.name, source })
    }

    /// Number of rows.
    pub fn rows(&self) -> usize {
        self.columns.first().map_or(0, |column| column.values.len())
    }
}

/// The records as tables, rows in the order of the records. Records of several experiments have the axes of all.
pub fn tables(records: &[CellRecord]) -> Vec<Table> {
    with_axes(records, &cells::axes(records))
}

fn with_axes(records: &[CellRecord], axes: &[&str]) -> Vec<Table> {
    let mut tables = vec![cells::table(records, axes)];
    tables.extend(details::tables(records));
    tables
}

/// Writes every table as `<name>.csv` and `<name>.parquet` into a folder, which is made if it is not there, and returns
/// the files. Each is replaced as a whole or not at all.
pub fn write(records: &[CellRecord], folder: &Path) -> Result<Vec<PathBuf>, TidyError> {
    let path = || folder.display().to_string();
    fs::create_dir_all(folder).map_err(|source| TidyError::Folder { path: path(), source })?;
    let mut written = Vec::new();
    for table in tables(records) {
        for (ending, bytes) in [("csv", table.to_csv()?), ("parquet", table.to_parquet()?)] {
            let file = folder.join(format!("{}.{ending}", table.name));
            write_atomic(&file, &bytes)?;
            written.push(file);
        }
    }
    Ok(written)
}

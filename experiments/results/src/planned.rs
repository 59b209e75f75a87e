//! `plan.json` of a run folder: which cells belong to the run.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::Path;

use serde::Deserialize;

use crate::store::{StoreError, error};

/// What a finished run needs of its plan; the file holds more.
#[derive(Clone, Debug, Deserialize)]
pub struct Planned {
    /// The experiment's name.
    #[serde(default)]
    pub experiment: String,
    /// Its cells.
    pub cells: Vec<PlannedCell>,
}

/// A cell of a plan.
#[derive(Clone, Debug, Deserialize)]
pub struct PlannedCell {
    /// First digits of the identity: the name of the cell's folder.
    pub id: String,
    /// Digest of cell, executable and data.
    pub identity: String,
    /// The matrix axes' values in a line.
    pub label: String,
    /// Input files with their digests.
    #[serde(default)]
    pub data: Vec<(String, String)>,
    /// Digest of the executable.
    #[serde(default)]
    pub executable: String,
}

impl Planned {
    /// Reads the plan of a run folder.
    pub fn read(folder: &Path) -> Result<Self, StoreError> {
        let path = folder.join("plan.json");
        let doing = "the plan of the run cannot be read";
        let bytes = fs::read(&path).map_err(error(&path, doing))?;
        serde_json::from_slice(&bytes).map_err(|e| error(&path, doing)(io::Error::from(e)))
    }

    /// The identities of all cells.
    pub fn identities(&self) -> BTreeSet<&str> {
        self.cells.iter().map(|cell| cell.identity.as_str()).collect()
    }
}

//! The matrix of an experiment: axes that are combined, and axes that are zipped.
//!
//! `matrix: {suite: [a, b], zip: {input.rows: [1, 2], input.skip: [0, 8]}}` has four points: the axes below `zip` advance
//! together. The axes are in the file's order; the last one runs fastest.

use schemars::{Schema, SchemaGenerator, json_schema};

use super::check::Fault;
use super::path::KeyPath;
use super::tree::Tree;

/// Largest number of cells of one experiment: beyond it, a matrix is more likely a slip than a plan.
const MAX_CELLS: usize = 10_000;
/// The key whose entries are zipped. No key of an experiment has this name.
const ZIP: &str = "zip";

/// One axis.
#[derive(Clone, Debug)]
pub(crate) struct Axis {
    /// The path as written.
    pub name: String,
    /// The path that it stands for.
    pub path: KeyPath,
    /// Its values, at least one.
    pub values: Vec<Tree>,
    /// The override that gave the axis, as typed.
    pub typed: Option<String>,
    /// True if it advances with the other axes below `zip`.
    pub zipped: bool,
}

impl Axis {
    /// Where value number `index` stands in the file.
    pub(crate) fn place(&self, index: usize) -> KeyPath {
        let matrix = KeyPath::default().key("matrix");
        let parent = if self.zipped { matrix.key(ZIP) } else { matrix };
        parent.key(&self.name).index(index)
    }
}

/// The axes that the value of the key `matrix` describes, each with its path as written.
pub(crate) fn axes(matrix: Tree) -> Result<Vec<Axis>, Fault> {
    let path = KeyPath::default().key("matrix");
    let mut axes = Vec::new();
    for (name, values) in entries(&path, matrix)? {
        if name == ZIP {
            let path = path.key(ZIP);
            let first = axes.len();
            for (name, values) in entries(&path, values)? {
                axes.push(axis(&path, name, values, true)?);
            }
            equal_lengths(&path, axes.get(first..).unwrap_or_default())?;
        } else {
            axes.push(axis(&path, name, values, false)?);
        }
    }
    Ok(axes)
}

fn entries(path: &KeyPath, tree: Tree) -> Result<Vec<(String, Tree)>, Fault> {
    match tree {
        Tree::Map(entries) => Ok(entries),
        other => {
            let allowed = "a map from dotted key paths to lists, e.g. `model.0.protocol: [reveal, logkr]`";
            Err(Fault::value(path, format!("wrong type at `{path}`"), other.describe(), allowed))
        }
    }
}

fn axis(parent: &KeyPath, name: String, values: Tree, zipped: bool) -> Result<Axis, Fault> {
    match values {
        Tree::List(values) if !values.is_empty() => {
            Ok(Axis { path: KeyPath::parse(&name), name, values, typed: None, zipped })
        }
        other => {
            let problem = format!("the axis `{name}` is not a list of values");
            Err(Fault::value(&parent.key(&name), problem, other.describe(), "a list with one or more values"))
        }
    }
}

fn equal_lengths(path: &KeyPath, zipped: &[Axis]) -> Result<(), Fault> {
    let Some(first) = zipped.first() else { return Ok(()) };
    match zipped.iter().find(|axis| axis.values.len() != first.values.len()) {
        None => Ok(()),
        Some(axis) => {
            let problem = format!("zipped axes advance together, `{}` has another length", axis.name);
            let allowed = format!("{} values, as many as `{}` has", first.values.len(), first.name);
            Err(Fault::value(&path.key(&axis.name), problem, format!("{} values", axis.values.len()), allowed))
        }
    }
}

/// The number of points of a matrix: the product of the axes' lengths, zipped ones counted once.
pub(crate) fn points(axes: &[Axis]) -> Result<usize, Fault> {
    let lengths = lengths(axes);
    let count = lengths.iter().try_fold(1_usize, |n, &(_, length)| n.checked_mul(length));
    count.filter(|n| *n <= MAX_CELLS).ok_or_else(|| {
        let path = KeyPath::default().key("matrix");
        let found = lengths.iter().map(|(_, length)| length.to_string()).collect::<Vec<_>>().join(" x ");
        Fault::value(&path, "the matrix has too many cells", found, format!("{MAX_CELLS} or fewer"))
    })
}

/// The index on each axis at a point of the matrix; the last axis runs fastest.
pub(crate) fn indices(axes: &[Axis], mut point: usize) -> Vec<usize> {
    let mut indices = vec![0; axes.len()];
    for (axis, length) in lengths(axes).into_iter().rev() {
        let index = point % length;
        point /= length;
        let moves = |(i, other): &(usize, &Axis)| *i == axis || axes[axis].zipped && other.zipped;
        for (i, _) in axes.iter().enumerate().filter(moves) {
            indices[i] = index;
        }
    }
    indices
}

/// Position and length of every axis that moves on its own; of the zipped ones, the first.
fn lengths(axes: &[Axis]) -> Vec<(usize, usize)> {
    let first_zipped = axes.iter().position(|axis| axis.zipped);
    let own = axes.iter().enumerate().filter(|(i, axis)| !axis.zipped || Some(*i) == first_zipped);
    own.map(|(i, axis)| (i, axis.values.len())).collect()
}

/// The matrix as a document: what [`axes`] reads.
pub(crate) fn document(axes: &[Axis]) -> Tree {
    let entry = |axis: &Axis| (axis.name.clone(), Tree::List(axis.values.clone()));
    let mut entries = Vec::new();
    for axis in axes {
        if !axis.zipped {
            entries.push(entry(axis));
        } else if !entries.iter().any(|(name, _)| name == ZIP) {
            let zipped = axes.iter().filter(|axis| axis.zipped).map(entry).collect();
            entries.push((ZIP.to_owned(), Tree::Map(zipped)));
        }
    }
    Tree::Map(entries)
}

/// Lists of values by path, and below `zip` lists of one length that advance together.
pub(crate) fn matrix_schema(_: &mut SchemaGenerator) -> Schema {
    let values = serde_json::json!({"type": "array", "minItems": 1});
    json_schema!({
        "description": "Dotted key path to a list of values: every combination is one cell.",
        "type": "object",
        "properties": {ZIP: {
            "description": "Lists of one length, by path, that advance together.",
            "type": "object",
            "additionalProperties": values,
        }},
        "additionalProperties": values,
    })
}

//! The matrix of an experiment: axes that are combined, axes that are zipped, and combinations that are left out.
//!
//! `matrix: {suite: [a, b], zip: {input.rows: [1, 2], input.skip: [0, 8]}}` has four points: the axes below `zip` advance
//! together. The axes are in the file's order; the last one runs fastest. Where one axis is inside another, the outer one is
//! set first. `exclude` lists parts of points (see [`super::exclude`]).

use std::collections::BTreeMap;

use schemars::{Schema, SchemaGenerator, json_schema};

use super::address;
use super::check::Fault;
use super::exclude::{self, Entry, Filter};
use super::path::KeyPath;
use super::tree::Tree;
use super::values::{POW2, RANGE, Values};

/// A caller asks before it runs more cells than this.
pub const MANY_CELLS: usize = 10_000;
/// Largest number of combinations of one matrix, before any is left out: beyond it, nothing is written out.
pub const MAX_CELLS: usize = 100_000;
/// The key whose entries are zipped. No key of an experiment has this name.
pub(crate) const ZIP: &str = "zip";
/// The key of the combinations that are left out. No key of an experiment has this name.
pub(crate) const EXCLUDE: &str = "exclude";

/// One axis.
#[derive(Clone, Debug)]
pub(crate) struct Axis {
    /// The path as written.
    pub name: String,
    /// The path that it stands for.
    pub path: KeyPath,
    /// Its values, at least one.
    pub values: Values,
    /// The override that gave the axis, as typed.
    pub typed: Option<String>,
    /// True if it advances with the other axes below `zip`.
    pub zipped: bool,
}

impl Axis {
    /// Reads an axis that is called `name` below `parent`.
    pub(crate) fn read(base: &Tree, parent: &KeyPath, name: String, values: Tree) -> Result<Self, Fault> {
        let here = parent.key(&name);
        let values = Values::read(&here, values)?;
        let path = address::resolve(base, &KeyPath::parse(&name)).map_err(|fault| Fault { path: here, ..fault })?;
        Ok(Self { path, name, values, typed: None, zipped: *parent == root().key(ZIP) })
    }

    /// Where the axis stands in the file.
    fn key(&self) -> KeyPath {
        if self.zipped { root().key(ZIP).key(&self.name) } else { root().key(&self.name) }
    }

    /// Where value number `index` stands in the file.
    pub(crate) fn place(&self, index: usize) -> KeyPath {
        self.values.item(index).map_or_else(|| self.key(), |item| self.key().index(item))
    }
}

/// The key path `matrix`.
pub(crate) fn root() -> KeyPath {
    KeyPath::default().key("matrix")
}

/// A fault of a matrix, and the override that it comes from.
#[derive(Debug)]
pub(crate) struct MatrixFault {
    /// The fault.
    pub fault: Box<Fault>,
    /// The override as typed.
    pub typed: Option<String>,
}

impl MatrixFault {
    fn new(fault: Fault, typed: Option<&String>) -> Self {
        Self { fault: Box::new(fault), typed: typed.cloned() }
    }
}

impl From<Fault> for MatrixFault {
    fn from(fault: Fault) -> Self {
        Self { fault: Box::new(fault), typed: None }
    }
}

/// All axes, and what is left out of their combinations.
#[derive(Clone, Debug, Default)]
pub(crate) struct Matrix {
    /// The axes; zipped ones stand together.
    pub axes: Vec<Axis>,
    /// What is left out.
    pub exclude: Vec<Entry>,
}

/// The groups of axes that move together, by position, with their length.
type Groups = Vec<(Vec<usize>, u128)>;

impl Matrix {
    /// Reads the value of the key `matrix`, for an experiment that is `base` otherwise.
    pub(crate) fn read(base: &Tree, tree: Tree) -> Result<Self, Fault> {
        let mut matrix = Self::default();
        for (name, value) in entries(&root(), tree)? {
            match name.as_str() {
                EXCLUDE => matrix.exclude = exclude::read(base, value)?,
                ZIP => matrix.axes.extend(zipped(base, value)?),
                _ => matrix.axes.push(Axis::read(base, &root(), name, value)?),
            }
        }
        Ok(matrix)
    }

    /// Refuses zipped axes of different lengths, two axes of one path, and an axis inside another whose values have that part
    /// already.
    pub(crate) fn check(&self) -> Result<(), MatrixFault> {
        let mut zipped = self.axes.iter().filter(|axis| axis.zipped);
        if let Some(first) = zipped.next()
            && let Some(axis) = zipped.find(|axis| axis.values.count() != first.values.count())
        {
            let problem = format!("zipped axes advance together, `{}` has another length", axis.name);
            let allowed = format!("{} values, as many as `{}` has", first.values.count(), first.name);
            let fault = Fault::value(&axis.key(), problem, format!("{} values", axis.values.count()), allowed);
            return Err(MatrixFault::new(fault, axis.typed.as_ref().or(first.typed.as_ref())));
        }
        for (i, axis) in self.axes.iter().enumerate() {
            if let Some(other) = self.axes.iter().take(i).find(|other| other.path == axis.path) {
                let problem = format!("the axes `{}` and `{}` are the same", other.name, axis.name);
                let fault = Fault::value(&axis.key(), problem, format!("`{}` twice", axis.path), "one axis per path");
                return Err(MatrixFault::new(Fault { at_key: true, ..fault }, axis.typed.as_ref()));
            }
            for (item, value) in axis.values.plain() {
                if let Some(fault) = overwritten(&self.axes, &axis.path, value) {
                    let rest = fault.path.below(&axis.path).unwrap_or_default();
                    let path = item.map_or_else(|| axis.key(), |item| axis.key().index(item)).join(&rest);
                    return Err(MatrixFault::new(Fault { path, ..fault }, axis.typed.as_ref()));
                }
            }
        }
        Ok(())
    }

    fn groups(&self) -> Groups {
        let mut groups = Groups::new();
        let mut zip = None;
        for (i, axis) in self.axes.iter().enumerate() {
            match zip.and_then(|at: usize| groups.get_mut(at)).filter(|_| axis.zipped) {
                Some((group, _)) => group.push(i),
                None => groups.push((vec![i], axis.values.count())),
            }
            if axis.zipped && zip.is_none() {
                zip = Some(groups.len() - 1);
            }
        }
        groups
    }

    /// The number of combinations before any is left out: the product of the axes' lengths, zipped ones counted once.
    /// Nothing is written out, and no product is too large.
    pub(crate) fn combinations(&self) -> Result<usize, Fault> {
        let groups = self.groups();
        let count = groups.iter().try_fold(1_u128, |n, (_, length)| n.checked_mul(*length));
        let count = count.and_then(|n| usize::try_from(n).ok()).filter(|n| *n <= MAX_CELLS);
        count.ok_or_else(|| {
            let found = groups.iter().map(|(_, length)| length.to_string()).collect::<Vec<_>>().join(" x ");
            Fault::value(&root(), "the matrix has too many cells", found, format!("{MAX_CELLS} or fewer"))
        })
    }

    /// Every value of every axis in a form that is equal for equal values.
    pub(crate) fn canonical(&self) -> Vec<Vec<String>> {
        self.axes.iter().map(|axis| axis.values.expand().map(|value| value.canonical()).collect()).collect()
    }

    /// Writes the axes out.
    pub(crate) fn expand(&self) -> Result<Expansion, MatrixFault> {
        let count = self.combinations()?;
        let canonical = self.canonical();
        let groups = self.groups();
        for (group, _) in &groups {
            self.no_value_twice(group, &canonical)?;
        }
        let filters = exclude::filters(&self.axes, &canonical, &self.exclude)?;
        let values = self.axes.iter().map(|axis| axis.values.expand().collect()).collect();
        Ok(Expansion { values, groups, filters, count })
    }

    /// Refuses axes that give the same cell twice. Zipped axes may repeat a value, but not all of them at once.
    fn no_value_twice(&self, group: &[usize], canonical: &[Vec<String>]) -> Result<(), MatrixFault> {
        let Some(axis) = group.first().and_then(|first| self.axes.get(*first)) else { return Ok(()) };
        let mut seen = BTreeMap::new();
        for index in 0..usize::try_from(axis.values.count()).unwrap_or(usize::MAX) {
            let value: Vec<&String> =
                group.iter().filter_map(|i| canonical.get(*i).and_then(|values| values.get(index))).collect();
            if let Some(first) = seen.insert(value, index) {
                let problem = format!("`{}` has a value twice", axis.name);
                let value = group.iter().filter_map(|i| self.axes.get(*i)?.values.expand().nth(index));
                let shown = value.map(|value| value.short()).collect::<Vec<_>>().join(", ");
                let found = format!("{shown} as value {} and as value {}", first + 1, index + 1);
                let fault = Fault::value(&axis.place(index), problem, found, "every value once: each one is a cell");
                return Err(MatrixFault::new(fault, axis.typed.as_ref()));
            }
        }
        Ok(())
    }

    /// The matrix as a document: what [`Matrix::read`] reads.
    pub(crate) fn document(&self) -> Tree {
        let entry = |axis: &Axis| (axis.name.clone(), axis.values.written());
        let mut entries = Vec::new();
        for axis in &self.axes {
            if !axis.zipped {
                entries.push(entry(axis));
            } else if !entries.iter().any(|(name, _)| name == ZIP) {
                let zipped = self.axes.iter().filter(|axis| axis.zipped).map(entry).collect();
                entries.push((ZIP.to_owned(), Tree::Map(zipped)));
            }
        }
        if !self.exclude.is_empty() {
            entries.push((EXCLUDE.to_owned(), Tree::List(self.exclude.iter().map(Entry::written).collect())));
        }
        Tree::Map(entries)
    }

    /// Puts an axis beside the others; zipped ones stay together.
    pub(crate) fn push(&mut self, axis: Axis) {
        let last = self.axes.iter().rposition(|other| other.zipped).filter(|_| axis.zipped);
        self.axes.insert(last.map_or(self.axes.len(), |last| last + 1), axis);
    }

    /// The positions of the axes in the order in which a cell's values are set: the outer one of two first.
    pub(crate) fn outer_first(&self) -> Vec<usize> {
        let mut order: Vec<usize> = (0..self.axes.len()).collect();
        order.sort_by_key(|i| self.axes.get(*i).map(|axis| axis.path.segments().len()));
        order
    }
}

/// A matrix, written out.
#[derive(Debug)]
pub(crate) struct Expansion {
    /// The values of every axis.
    pub values: Vec<Vec<Tree>>,
    groups: Groups,
    filters: Vec<Filter>,
    count: usize,
}

impl Expansion {
    /// The index on each axis, for every point that is not left out; the last axis runs fastest.
    pub(crate) fn points(&self) -> impl Iterator<Item = Vec<usize>> + '_ {
        (0..self.count)
            .map(|point| self.indices(point))
            .filter(|indices| !self.filters.iter().any(|f| f.matches(indices)))
    }

    fn indices(&self, point: usize) -> Vec<usize> {
        let (mut point, mut indices) = (point as u128, vec![0; self.values.len()]);
        for (group, length) in self.groups.iter().rev() {
            let index = usize::try_from(point % length).unwrap_or(0);
            point /= length;
            for &axis in group {
                if let Some(slot) = indices.get_mut(axis) {
                    *slot = index;
                }
            }
        }
        indices
    }

    /// The number of points that are not left out; at least one.
    pub(crate) fn left(&self) -> Result<usize, Fault> {
        let left = if self.filters.is_empty() { self.count } else { self.points().count() };
        if left > 0 {
            return Ok(left);
        }
        let found = format!("every one of the {} combinations matches an entry", self.count);
        let allowed = "entries that leave one or more; `matrix.exclude=[]` on the command line leaves nothing out";
        Err(Fault::value(&root().key(EXCLUDE), "`exclude` leaves no cell", found, allowed))
    }
}

/// The fault of a value at `path` that has a part which one of `axes` sets.
pub(crate) fn overwritten<'a>(axes: impl IntoIterator<Item = &'a Axis>, path: &KeyPath, value: &Tree) -> Option<Fault> {
    let inner = axes.into_iter().filter(|axis| axis.path != *path);
    let mut parts = inner.filter_map(|axis| Some((axis, value.get(&axis.path.below(path)?)?)));
    let (axis, part) = parts.find(|(_, part)| **part != Tree::Scalar(serde_json::Value::Null))?;
    let problem = format!("the matrix axis `{}` would overwrite a part of `{path}`", axis.name);
    Some(Fault::value(&axis.path, problem, part.describe(), "a value without this part, or an override of the axis"))
}

/// The axes below `zip`.
pub(crate) fn zipped(base: &Tree, tree: Tree) -> Result<Vec<Axis>, Fault> {
    let path = root().key(ZIP);
    entries(&path, tree)?.into_iter().map(|(name, values)| Axis::read(base, &path, name, values)).collect()
}

fn entries(path: &KeyPath, tree: Tree) -> Result<Vec<(String, Tree)>, Fault> {
    match tree {
        Tree::Map(entries) => Ok(entries),
        Tree::Scalar(serde_json::Value::Null) => Ok(Vec::new()),
        other => {
            let allowed = "a map from dotted key paths to lists, e.g. `model.0.protocol: [reveal, logkr]`";
            Err(Fault::value(path, format!("wrong type at `{path}`"), other.describe(), allowed))
        }
    }
}

/// Values by path; below `zip` axes of one length that advance together; below `exclude` what is left out.
pub(crate) fn matrix_schema(_: &mut SchemaGenerator) -> Schema {
    let progression = |key: &str, about: &str, part: serde_json::Value| {
        let parts =
            serde_json::json!({"type": "array", "minItems": 2, "maxItems": 3, "items": part, "description": about});
        serde_json::json!({
            "type": "object", "required": [key], "additionalProperties": false, "properties": {key: parts}, "description": about,
        })
    };
    let pow2 = "Powers of two: `{pow2: [4, 8]}` is 16, 32, 64, 128, 256; `{pow2: [0, 8, 2]}`, with a step of the exponent, is 1, 4, 16, 64, 256. On the command line also `2^4..2^8` and `2^0..2^8..2^2`.";
    let range = "Numbers, both ends included: `{range: [1, 4]}` is 1, 2, 3, 4; `{range: [0, 1, 0.25]}`, with a step, is 0, 0.25, 0.5, 0.75, 1. On the command line also `1..4` and `0..1..0.25`.";
    let axis = serde_json::json!({
        "description": "The values: a list such as `[16, 64]`, `{pow2: [from, to]}`, `{range: [from, to]}`, or a list with these among its items, such as `[1, {range: [4, 8, 2]}]`.",
        "anyOf": [
            {"type": "array", "minItems": 1},
            progression(POW2, pow2, serde_json::json!({"type": "integer", "minimum": 0, "maximum": 63})),
            progression(RANGE, range, serde_json::json!({"type": "number"})),
        ],
    });
    json_schema!({
        "description": "Dotted key path to values, as a list, `{pow2: [from, to]}` or `{range: [from, to, step]}`: every combination is one cell. On the command line, `input.rows=1,2^4..2^8` is `input.rows: [1, {pow2: [4, 8]}]`.",
        "type": "object",
        "properties": {
            ZIP: {
                "description": "Axes of one length, by path, that advance together.",
                "type": "object",
                "additionalProperties": axis,
            },
            EXCLUDE: {
                "description": "Combinations that are left out: maps from axes to a value (or to `{pow2: ...}`, `{range: ...}` for several), e.g. `- {suite: bn254, input.rows: 1024}`. A cell that matches all keys of an entry is left out. `matrix.exclude=[...]` on the command line replaces the list.",
                "type": "array",
                "items": {"type": "object", "minProperties": 1},
            },
        },
        "additionalProperties": axis,
    })
}

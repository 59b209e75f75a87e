//! `exclude`: parts of points of the matrix that are left out.
//!
//! An entry is a map from axes to a value, or to a progression for several values; a cell that matches all keys of an entry is
//! left out. Values are compared as data: `1024` is `1024.0`, the order of a map's keys does not matter, and `logkr` is not
//! `{logkr: {form: product}}`.
//!
//! Every entry must match something: the file's in the matrix as the file has it, those of the command line in the matrix after
//! all overrides. Where overrides take values from an axis, the entries of the file are reduced to what is left of it: an axis
//! that has become a single value is compared with that value, and an entry that matches nothing any more is dropped.

use std::collections::BTreeSet;

use serde_json::Value;

use super::address;
use super::check::Fault;
use super::error::nearest;
use super::matrix::{Axis, EXCLUDE, MAX_CELLS, root};
use super::path::KeyPath;
use super::tree::Tree;
use super::values::Values;

/// Most values of an axis among which the nearest one is looked for.
const CANDIDATES: usize = 1000;

/// One entry.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    /// Its position in the list.
    number: usize,
    /// All of them must hold.
    conditions: Vec<Condition>,
}

/// An axis has one of some values.
#[derive(Clone, Debug)]
struct Condition {
    /// The axis as written.
    name: String,
    /// The path that it stands for.
    path: KeyPath,
    /// What it is compared with.
    values: Values,
}

impl Condition {
    fn holds(&self) -> impl Fn(&String) -> bool + use<> {
        let values: BTreeSet<String> = self.values.expand().map(|value| value.canonical()).collect();
        move |value| values.contains(value)
    }
}

/// An entry for a written-out matrix: for some axes, which of their values match.
#[derive(Debug)]
pub(crate) struct Filter(Vec<(usize, Vec<bool>)>);

impl Filter {
    /// True if the point is left out.
    pub(crate) fn matches(&self, indices: &[usize]) -> bool {
        let at = |axis: usize, mask: &[bool]| indices.get(axis).and_then(|i| mask.get(*i)).copied().unwrap_or(false);
        self.0.iter().all(|(axis, mask)| at(*axis, mask))
    }

    /// One more condition; the second one of an axis narrows the first.
    fn narrow(&mut self, axis: usize, mask: Vec<bool>) {
        match self.0.iter_mut().find(|(other, _)| *other == axis) {
            Some((_, first)) => first.iter_mut().zip(mask).for_each(|(a, b)| *a &= b),
            None => self.0.push((axis, mask)),
        }
    }

    /// True if a point is left out: every axis has a value that matches, zipped axes at the same index.
    fn matches_any(&self, axes: &[Axis]) -> bool {
        let is_zipped = |axis: &usize| axes.get(*axis).is_some_and(|axis| axis.zipped);
        let (zipped, free): (Vec<_>, Vec<_>) = self.0.iter().partition(|(axis, _)| is_zipped(axis));
        let length = zipped.first().map_or(0, |(_, mask)| mask.len());
        let together = |i: usize| zipped.iter().all(|(_, mask)| mask.get(i) == Some(&true));
        free.iter().all(|(_, mask)| mask.contains(&true)) && (zipped.is_empty() || (0..length).any(together))
    }
}

impl Entry {
    /// Where it stands in the file.
    fn place(&self) -> KeyPath {
        root().key(EXCLUDE).index(self.number)
    }

    /// What [`read`] reads.
    pub(crate) fn written(&self) -> Tree {
        Tree::Map(self.conditions.iter().map(|c| (c.name.clone(), c.values.written())).collect())
    }

    /// The entry for these axes; a fault if it matches none of their points. `canonical` are the axes' values.
    fn filter(&self, axes: &[Axis], canonical: &[Vec<String>]) -> Result<Filter, Fault> {
        let mut filter = Filter(Vec::new());
        for condition in &self.conditions {
            let Some(position) = axes.iter().position(|axis| axis.path == condition.path) else {
                return Err(self.no_axis(condition, axes));
            };
            let mask: Vec<bool> = canonical.get(position).into_iter().flatten().map(condition.holds()).collect();
            if let (Some(axis), false) = (axes.get(position), mask.contains(&true)) {
                return Err(self.no_value(condition, axis));
            }
            filter.narrow(position, mask);
        }
        if filter.matches_any(axes) {
            return Ok(filter);
        }
        let of = |axis: &Axis| self.conditions.iter().any(|c| c.path == axis.path);
        let known: Vec<String> =
            axes.iter().filter(|axis| of(axis)).map(|a| format!("{}: {}", a.name, a.values.shown())).collect();
        let allowed = format!("values that a cell has together, of {}", known.join("; "));
        Err(Fault::value(&self.place(), self.problem(), "values that no cell has together".to_owned(), allowed))
    }

    fn problem(&self) -> String {
        format!("the entry {} of `exclude` matches no cell", self.written().short())
    }

    fn no_axis(&self, condition: &Condition, axes: &[Axis]) -> Fault {
        let names: Vec<&str> = axes.iter().map(|axis| axis.name.as_str()).collect();
        let fault = Fault::name(&self.place().key(&condition.name), "axis", &condition.name, &names);
        Fault { problem: format!("`{}` is no axis of the matrix", condition.name), at_key: true, ..fault }
    }

    fn no_value(&self, condition: &Condition, axis: &Axis) -> Fault {
        let wanted = condition.values.written().short();
        let known: Vec<String> = axis.values.expand().take(CANDIDATES).map(|value| value.short()).collect();
        let nearest = nearest(&wanted, known.iter().map(String::as_str)).map(String::into_boxed_str);
        let (found, allowed) =
            (format!("{}: {wanted}", condition.name), format!("values of `{}`: {}", axis.name, axis.values.shown()));
        let fault = Fault::value(&self.place().key(&condition.name), self.problem(), found, allowed);
        Fault { nearest: nearest.filter(|n| n.parse::<f64>().is_err()), ..fault }
    }

    /// What is left of the entry after overrides; `None` if it matches nothing any more.
    fn reduce(&self, base: &Tree, axes: &[Axis], canonical: &[Vec<String>]) -> Option<Self> {
        let (kept, fixed): (Vec<Condition>, Vec<Condition>) =
            self.conditions.iter().cloned().partition(|c| axes.iter().any(|axis| axis.path == c.path));
        let is_so = |c: &Condition| base.get(&c.path).is_some_and(|value| c.holds()(&value.canonical()));
        let entry = Self { number: self.number, conditions: kept };
        (fixed.iter().all(is_so) && entry.filter(axes, canonical).is_ok()).then_some(entry)
    }
}

/// The entries that the value of the key `exclude` describes.
pub(crate) fn read(base: &Tree, tree: Tree) -> Result<Vec<Entry>, Fault> {
    let path = root().key(EXCLUDE);
    let items = match tree {
        Tree::List(items) => items,
        Tree::Scalar(Value::Null) => Vec::new(),
        other => return Err(no_entries(&path, &other)),
    };
    let mut entries = Vec::new();
    for (number, item) in items.into_iter().enumerate() {
        let here = path.index(number);
        let map = match item {
            Tree::Map(map) if !map.is_empty() => map,
            other => return Err(no_entries(&here, &other)),
        };
        let conditions = map.into_iter().map(|(name, value)| condition(base, &here, name, value));
        entries.push(Entry { number, conditions: conditions.collect::<Result<_, _>>()? });
    }
    Ok(entries)
}

fn no_entries(path: &KeyPath, found: &Tree) -> Fault {
    let allowed = "a list of maps from axes to values, e.g. `- {suite: bn254, input.rows: 1024}`";
    Fault::value(path, format!("wrong type at `{path}`"), found.describe(), allowed)
}

fn condition(base: &Tree, parent: &KeyPath, name: String, value: Tree) -> Result<Condition, Fault> {
    let here = parent.key(&name);
    let values = Values::one(&here, value)?;
    if values.count() > MAX_CELLS as u128 {
        let found = format!("{} values", values.count());
        return Err(Fault::value(&here, "too many values to leave out", found, format!("{MAX_CELLS} or fewer")));
    }
    let path = address::resolve(base, &KeyPath::parse(&name)).map_err(|fault| Fault { path: here, ..fault })?;
    Ok(Condition { name, path, values })
}

/// The entries for these axes, in their canonical values. An entry that matches nothing is a fault.
pub(crate) fn filters(axes: &[Axis], canonical: &[Vec<String>], entries: &[Entry]) -> Result<Vec<Filter>, Fault> {
    entries.iter().map(|entry| entry.filter(axes, canonical)).collect()
}

/// What is left of the file's entries after overrides.
pub(crate) fn reduce(base: &Tree, axes: &[Axis], canonical: &[Vec<String>], entries: &[Entry]) -> Vec<Entry> {
    entries.iter().filter_map(|entry| entry.reduce(base, axes, canonical)).collect()
}

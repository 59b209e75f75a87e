//! Overrides on the command line: `key.path=value`, where commas and progressions sweep.
//!
//! | typed | does |
//! |---|---|
//! | `input.rows=16` | sets the value; a matrix axis of this path is dropped |
//! | `input.rows=16,64`, `input.rows=2^4..2^8` | makes an axis of the values, in place of an axis of this path |
//! | `matrix.zip.input.rows=16,64` | the same, of an axis that advances with the others below `zip` |
//! | `matrix.exclude=[{suite: bn254}]` | replaces the list; `[]` leaves nothing out |
//! | `matrix=...`, `matrix.zip=...` | replaces the whole; `null` leaves no axis |
//!
//! The order in which overrides are typed is the order of their axes and nothing else: a whole is set before its parts, and
//! values before axes. Two overrides of one path are an error, and so is a value inside an axis. Quotes keep a text that looks like several
//! values: `input.tensor="'1..3'"`.

use super::address;
use super::check::Fault;
use super::document::Document;
use super::error::SpecErrors;
use super::exclude;
use super::matrix::{self, Axis, EXCLUDE, Matrix, ZIP};
use super::path::KeyPath;
use super::tree::Tree;
use super::values::{self, Values};
use super::yaml;

/// What an override changes, in the order of application.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Target {
    /// The whole matrix.
    Matrix,
    /// All zipped axes.
    Zip,
    /// A value beside the matrix.
    Value,
    /// An axis.
    Axis,
    /// An axis below `zip`.
    Zipped,
    /// What the matrix leaves out.
    Exclude,
}

/// One override.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Override {
    /// As typed.
    pub text: String,
    /// Where the value goes; of an axis the path that varies.
    pub path: KeyPath,
    /// What it changes.
    pub target: Target,
    /// The value as it would stand in the file.
    pub tree: Tree,
}

/// Reads an override; `Err` says what is wrong with it.
pub(crate) fn parse(text: &str) -> Result<Override, String> {
    let (path, raw) = text.split_once('=').ok_or("it has no `=`")?;
    let path = KeyPath::parse(path.trim());
    if path.segments().is_empty() {
        return Err("there is no key before the `=`".to_owned());
    }
    let values = split_commas(raw).into_iter().map(value).collect::<Result<Vec<_>, _>>()?;
    if values.contains(&Tree::Scalar(serde_json::Value::Null)) && !raw.trim().contains("null") {
        return Err("there is no value after the `=`".to_owned());
    }
    let text = text.to_owned();
    if let Some(below) = path.below(&matrix::root()) {
        let (target, path) = within_matrix(path, &below)?;
        let tree = match <[Tree; 1]>::try_from(values) {
            Ok([single]) if target < Target::Value => single,
            Ok([single]) if matches!(single, Tree::List(_)) || values::is_progression(&single) => single,
            Ok([single]) if target == Target::Exclude && single == Tree::Scalar(serde_json::Value::Null) => single,
            Ok(single) => Tree::List(single.to_vec()),
            Err(_) if target < Target::Value => return Err("it has one value, a map".to_owned()),
            Err(several) => Tree::List(several),
        };
        return Ok(Override { text, path, target, tree });
    }
    let (target, tree) = match <[Tree; 1]>::try_from(values) {
        Ok([single]) if values::is_progression(&single) => (Target::Axis, single),
        Ok([single]) => (Target::Value, single),
        Err(several) => (Target::Axis, Tree::List(several)),
    };
    Ok(Override { text, path, target, tree })
}

fn value(part: &str) -> Result<Tree, String> {
    let part = part.trim();
    let read = values::short_form(part).unwrap_or_else(|| yaml::parse(part).map_err(|e| e.message));
    read.map_err(|problem| format!("`{part}` is not a value: {problem}"))
}

/// What a path below `matrix` means, and the path that it stands for.
fn within_matrix(path: KeyPath, below: &KeyPath) -> Result<(Target, KeyPath), String> {
    let (zip, exclude) = (KeyPath::default().key(ZIP), KeyPath::default().key(EXCLUDE));
    if below.segments().is_empty() {
        return Ok((Target::Matrix, path));
    }
    if let Some(rest) = below.below(&exclude) {
        let whole = rest.segments().is_empty().then_some((Target::Exclude, path));
        return whole
            .ok_or_else(|| "`matrix.exclude` is replaced as a whole: `matrix.exclude=[{suite: bn254}]`".to_owned());
    }
    match below.below(&zip) {
        Some(rest) if rest.segments().is_empty() => Ok((Target::Zip, path)),
        Some(rest) => Ok((Target::Zipped, rest)),
        None => Ok((Target::Axis, below.clone())),
    }
}

impl Document {
    /// Applies the overrides, in whatever order they are typed.
    pub(super) fn apply(&mut self, typed: &[String]) -> Result<(), SpecErrors> {
        let mut overrides = Vec::new();
        for text in typed {
            overrides.push(parse(text).map_err(|problem| {
                let problem = format!("this is not an override: {problem}");
                let allowed = "key.path=value, or key.path=a,b,c, key.path=1..10 or key.path=2^4..2^8 to sweep";
                self.typed_error(text, &Fault::value(&KeyPath::default(), problem, format!("`{text}`"), allowed))
            })?);
        }
        let replaced = overrides.iter().any(|o| matches!(o.target, Target::Matrix | Target::Exclude));
        let of_file = !typed.is_empty() && !replaced && !self.matrix.exclude.is_empty();
        if of_file && self.matrix.combinations().is_ok() {
            self.matrix.expand().map_err(|fault| self.matrix_error(fault))?;
        }
        let mut order: Vec<usize> = (0..overrides.len()).collect();
        order.sort_by_key(|i| overrides.get(*i).map(Override::rank));
        for i in order {
            if let Some(new) = overrides.get_mut(i) {
                self.apply_one(new).map_err(|fault| self.typed_error(&new.text, &fault))?;
            }
        }
        self.overrides = overrides;
        self.no_conflict()?;
        self.matrix.check().map_err(|fault| self.matrix_error(fault))?;
        if of_file && self.matrix.combinations().is_ok() {
            let Matrix { axes, exclude } = &self.matrix;
            self.matrix.exclude = exclude::reduce(&self.base, axes, &self.matrix.canonical(), exclude);
        }
        Ok(())
    }

    fn apply_one(&mut self, new: &mut Override) -> Result<(), Fault> {
        let tree = new.tree.clone();
        match new.target {
            Target::Matrix => {
                self.matrix = Matrix::read(&self.base, tree)?;
                self.matrix.axes.iter_mut().for_each(|axis| axis.typed = Some(new.text.clone()));
            }
            Target::Zip => {
                let zipped = matrix::zipped(&self.base, tree)?;
                self.matrix.axes.retain(|axis| !axis.zipped && zipped.iter().all(|new| new.path != axis.path));
                for axis in zipped {
                    self.matrix.push(Axis { typed: Some(new.text.clone()), ..axis });
                }
            }
            Target::Exclude => self.matrix.exclude = exclude::read(&self.base, tree)?,
            Target::Value => {
                new.path = address::resolve(&self.base, &new.path)?;
                self.matrix.axes.retain(|axis| axis.path != new.path);
                self.set(&new.path, tree)?;
            }
            Target::Axis | Target::Zipped => {
                let (name, zipped) = (new.path.to_string(), new.target == Target::Zipped);
                new.path = address::resolve(&self.base, &new.path)?;
                self.matrix.axes.retain(|axis| axis.path != new.path);
                let values = Values::read(&new.path, tree)?;
                self.matrix.push(Axis { name, path: new.path.clone(), values, typed: Some(new.text.clone()), zipped });
            }
        }
        Ok(())
    }

    fn set(&mut self, path: &KeyPath, value: Tree) -> Result<(), Fault> {
        address::split_slots(&mut self.base, path);
        self.base.set(path, value).map_err(|way| {
            let found = self.base.get(&way).map_or_else(|| "nothing".to_owned(), Tree::describe);
            let allowed = "a path into the maps and lists of the experiment";
            Fault::value(&way, format!("there is no `{path}`"), found, allowed)
        })
    }

    /// Refuses two overrides of one path, and a value inside an axis: one of the two would be lost.
    fn no_conflict(&self) -> Result<(), SpecErrors> {
        for (i, new) in self.overrides.iter().enumerate() {
            if let Some(first) = self.overrides.iter().take(i).find(|first| first.path == new.path) {
                let problem = format!("`{}` is given twice", new.path);
                let found = format!("`{}` and `{}`", first.text, new.text);
                let allowed = "one override of a path; commas for several values";
                return Err(self.typed_error(&new.text, &Fault::value(&new.path, problem, found, allowed)));
            }
        }
        for new in self.overrides.iter().filter(|new| new.target == Target::Value) {
            let covers = |axis: &&Axis| axis.path != new.path && new.path.below(&axis.path).is_some();
            if let Some(axis) = self.matrix.axes.iter().find(covers) {
                let problem = format!("the matrix axis `{}` would overwrite `{}`", axis.path, new.path);
                let fault =
                    Fault::value(&new.path, problem, format!("`{}`", new.text), "an override of the whole axis");
                return Err(self.typed_error(&new.text, &fault));
            }
            let of_file = self.matrix.axes.iter().filter(|axis| axis.typed.is_none());
            if let Some(fault) = matrix::overwritten(of_file, &new.path, &new.tree) {
                return Err(self.typed_error(&new.text, &fault));
            }
        }
        Ok(())
    }
}

impl Override {
    /// The order of application: a whole before its parts; axes as typed.
    fn rank(&self) -> (Target, usize) {
        match self.target {
            Target::Value => (Target::Value, self.path.segments().len()),
            Target::Zipped => (Target::Axis, 0),
            target => (target, 0),
        }
    }
}

/// Splits at the commas that are not inside brackets, braces or quotes.
fn split_commas(text: &str) -> Vec<&str> {
    let (mut depth, mut quote, mut start) = (0_i32, None, 0);
    let mut parts = Vec::new();
    for (i, c) in text.char_indices() {
        match (quote, c) {
            (Some(q), _) => quote = (q != c).then_some(q),
            (None, '"' | '\'') => quote = Some(c),
            (None, '[' | '{') => depth += 1,
            (None, ']' | '}') => depth -= 1,
            (None, ',') if depth == 0 => {
                parts.push(&text[start..i]);
                start = i + 1;
            }
            _ => {}
        }
    }
    parts.push(&text[start..]);
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> (Target, String) {
        let new = parse(text).unwrap();
        (new.target, new.tree.short())
    }

    #[test]
    fn commas_sweep_except_inside_brackets_and_quotes() {
        let axis = |text: &str| (Target::Axis, text.to_owned());
        assert_eq!(read("input.rows=16,64"), axis("[16, 64]"));
        assert_eq!(
            read("model.0.protocol={einsum: sumcheck, lookup: logkr},reveal"),
            axis("[{einsum: sumcheck, lookup: logkr}, reveal]")
        );
        assert_eq!(read("about='a, b'"), (Target::Value, "a, b".to_owned()));
        assert_eq!(read("a=[1, 2]"), (Target::Value, "[1, 2]".to_owned()));
    }

    #[test]
    fn progressions_sweep_and_quotes_keep_a_text() {
        let axis = |text: &str| (Target::Axis, text.to_owned());
        assert_eq!(read("input.rows=2^4..2^8"), axis("{pow2: [4, 8]}"));
        assert_eq!(read("input.rows={pow2: [4, 8]}"), axis("{pow2: [4, 8]}"));
        assert_eq!(read("input.rows=1, 4..8..2, 2^10"), axis("[1, {range: [4, 8, 2]}, 1024]"));
        assert_eq!(read("input.tensor='1..3'"), (Target::Value, "1..3".to_owned()));
        assert_eq!(read("input.file=a..b.npy"), (Target::Value, "a..b.npy".to_owned()));
        assert!(parse("input.rows=2^4..100").unwrap_err().contains("`2^4..100` is not a value: it mixes powers"));
    }

    #[test]
    fn parts_of_the_matrix_are_addressed() {
        assert_eq!(read("matrix.input.rows=16"), (Target::Axis, "[16]".to_owned()));
        assert_eq!(read("matrix.input.rows=[16, 64]"), (Target::Axis, "[16, 64]".to_owned()));
        assert_eq!(parse("matrix.zip.input.rows=16,64").unwrap().path, KeyPath::parse("input.rows"));
        assert_eq!(read("matrix.zip.input.rows=16..20"), (Target::Zipped, "{range: [16, 20]}".to_owned()));
        assert_eq!(read("matrix.exclude={a: 1},{b: 2}"), (Target::Exclude, "[{a: 1}, {b: 2}]".to_owned()));
        assert_eq!(read("matrix.exclude=[{a: 1}]"), (Target::Exclude, "[{a: 1}]".to_owned()));
        assert_eq!(read("matrix.exclude={a: 1}"), (Target::Exclude, "[{a: 1}]".to_owned()));
        assert_eq!(read("matrix.exclude=null"), (Target::Exclude, "null".to_owned()));
        assert_eq!(read("matrix=null"), (Target::Matrix, "null".to_owned()));
        assert!(parse("matrix.exclude.0=3").unwrap_err().contains("replaced as a whole"));
        assert!(parse("matrix.zip=1,2").unwrap_err().contains("one value, a map"));
    }

    #[test]
    fn faulty_overrides_are_refused() {
        assert_eq!(parse("rows").unwrap_err(), "it has no `=`");
        assert_eq!(parse("=3").unwrap_err(), "there is no key before the `=`");
        assert_eq!(parse("rows=").unwrap_err(), "there is no value after the `=`");
        assert!(parse("rows=[1").unwrap_err().contains("is not a value"));
    }
}

//! An experiment file with its overrides applied, and the cells of its matrix.

use std::path::{Path, PathBuf};

use serde::Serialize;

use super::address;
use super::check::{Fault, check};
use super::error::{Place, SpecError, SpecErrors};
use super::matrix::{self, Axis};
use super::overrides::{self, Override};
use super::path::KeyPath;
use super::schema;
use super::tree::Tree;
use super::types::{Experiment, Unsupportable};
use super::yaml;

/// An experiment file after its overrides.
#[derive(Debug)]
pub struct Document {
    /// The experiment's name: the file's stem.
    pub name: String,
    /// The file.
    pub file: PathBuf,
    text: String,
    base: Tree,
    axes: Vec<Axis>,
    overrides: Vec<Override>,
}

/// One point of the matrix, typed.
#[derive(Clone, Debug)]
pub struct Cell {
    /// The experiment without its matrix.
    pub experiment: Experiment,
    /// The axes' values, as `(path, value)` in the matrix's order.
    pub point: Vec<(String, String)>,
    indices: Vec<usize>,
}

impl Cell {
    /// `path=value` for every axis.
    pub fn label(&self) -> String {
        label(&self.point)
    }

    /// This cell, put aside for a fault, if the experiment says so.
    pub fn put_aside(&self, fault: &Fault) -> Option<Unsupported> {
        let lists = self.experiment.unsupported == Unsupportable::List;
        (lists && fault.unsupported).then(|| Unsupported::new(self.point.clone(), std::slice::from_ref(fault)))
    }
}

/// A point of the matrix that no protocol proves.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Unsupported {
    /// The axes' values, as `(path, value)` in the matrix's order.
    pub point: Vec<(String, String)>,
    /// The same in one line.
    pub label: String,
    /// Key path and reason of every refusal.
    pub reasons: Vec<String>,
}

impl Unsupported {
    fn new(point: Vec<(String, String)>, faults: &[Fault]) -> Self {
        let reasons = faults.iter().map(|fault| format!("{}: {}", fault.path, fault.problem)).collect();
        Self { label: label(&point), point, reasons }
    }
}

/// `path=value` for every axis.
pub fn label(point: &[(String, String)]) -> String {
    let parts: Vec<String> = point.iter().map(|(path, value)| format!("{path}={value}")).collect();
    if parts.is_empty() { "single cell".to_owned() } else { parts.join(" ") }
}

impl Document {
    /// Reads a file and applies overrides.
    pub fn open(file: &Path, typed: &[String]) -> Result<Self, SpecErrors> {
        let text = std::fs::read_to_string(file).map_err(|e| {
            SpecErrors(vec![SpecError {
                file: file.display().to_string(),
                place: Place::File(None),
                line: None,
                key: String::new(),
                problem: "the experiment file cannot be read".to_owned(),
                found: e.to_string(),
                allowed: "a readable YAML file".to_owned(),
                nearest: None,
            }])
        })?;
        Self::from_text(file, text, typed)
    }

    /// As [`Document::open`], for text that has been read.
    pub fn from_text(file: &Path, text: String, typed: &[String]) -> Result<Self, SpecErrors> {
        let name = file.file_stem().map_or_else(|| "experiment".to_owned(), |s| s.to_string_lossy().into_owned());
        let empty = Tree::Map(Vec::new());
        let mut document =
            Self { name, file: file.to_owned(), text, base: empty, axes: Vec::new(), overrides: Vec::new() };
        document.base = yaml::parse(&document.text).map_err(|e| SpecErrors(vec![document.syntax_error(&e)]))?;
        document.take_axes()?;
        for text in typed {
            document.apply(text)?;
        }
        Ok(document)
    }

    fn syntax_error(&self, error: &yaml::SyntaxError) -> SpecError {
        SpecError {
            file: self.file.display().to_string(),
            place: Place::File(error.position),
            line: error.position.and_then(|p| self.source_line(p.line)),
            key: String::new(),
            problem: "this is not well-formed YAML".to_owned(),
            found: error.message.clone(),
            allowed: "YAML: `key: value` lines, lists as `- item` or `[a, b]`, two spaces per level, no tabs"
                .to_owned(),
            nearest: None,
        }
    }

    fn source_line(&self, line: usize) -> Option<String> {
        self.text.lines().nth(line.checked_sub(1)?).map(str::to_owned)
    }

    /// Moves `matrix` out of the tree.
    fn take_axes(&mut self) -> Result<(), SpecErrors> {
        let matrix = match self.base.remove("matrix") {
            None | Some(Tree::Scalar(serde_json::Value::Null)) => return Ok(()),
            Some(matrix) => matrix,
        };
        let mut axes = matrix::axes(matrix).map_err(|fault| SpecErrors(vec![self.error(None, &fault)]))?;
        for axis in &mut axes {
            axis.path = address::resolve(&self.base, &axis.path).map_err(|fault| {
                let path = axis.place(0).parent().unwrap_or_default();
                SpecErrors(vec![self.error(None, &Fault { path, ..fault })])
            })?;
        }
        self.axes = axes;
        Ok(())
    }

    fn apply(&mut self, typed: &str) -> Result<(), SpecErrors> {
        let fail = |document: &Self, key: &KeyPath, problem: String, found: String, allowed: &str| {
            SpecErrors(vec![SpecError {
                file: document.file.display().to_string(),
                place: Place::CommandLine(typed.to_owned()),
                line: None,
                key: key.to_string(),
                problem,
                found,
                allowed: allowed.to_owned(),
                nearest: None,
            }])
        };
        let grammar = "key.path=value, or key.path=a,b,c to sweep";
        let mut new = overrides::parse(typed).map_err(|problem| {
            fail(
                self,
                &KeyPath::default(),
                format!("this is not an override: {problem}"),
                format!("`{typed}`"),
                grammar,
            )
        })?;
        let name = new.path.to_string();
        new.path = address::resolve(&self.base, &new.path).map_err(|fault| {
            let place = Place::CommandLine(typed.to_owned());
            SpecErrors(vec![SpecError { place, line: None, ..self.error(None, &fault) }])
        })?;
        self.axes.retain(|axis| axis.path != new.path);
        if let Some(axis) = self.axes.iter().find(|a| new.path.below(&a.path).is_some()) {
            let problem = format!("the matrix axis `{}` would overwrite `{}`", axis.path, new.path);
            return Err(fail(self, &new.path, problem, format!("`{typed}`"), "an override of the whole axis"));
        }
        if let [single] = new.values.as_slice() {
            address::split_slots(&mut self.base, &new.path);
            if let Err(way) = self.base.set(&new.path, single.clone()) {
                let found = self.base.get(&way).map_or_else(|| "nothing".to_owned(), Tree::describe);
                let problem = format!("there is no `{}`", new.path);
                return Err(fail(self, &way, problem, found, "a path into the maps and lists of the experiment"));
            }
        } else {
            let (path, values) = (new.path.clone(), new.values.clone());
            self.axes.push(Axis { name, path, values, typed: Some(typed.to_owned()), zipped: false });
        }
        self.overrides.push(new);
        Ok(())
    }

    /// Expands the matrix and checks every cell. All faults of all cells are returned at once, each once. Combinations that
    /// no protocol proves are put aside if the experiment says so.
    pub fn cells(&self) -> Result<(Vec<Cell>, Vec<Unsupported>), SpecErrors> {
        let count = matrix::points(&self.axes).map_err(|fault| SpecErrors(vec![self.error(None, &fault)]))?;
        let schema = schema::schema();
        let (mut cells, mut unsupported, mut errors) = (Vec::new(), Vec::new(), Vec::new());
        for number in 0..count {
            match self.cell(&schema, number) {
                Ok(Ok(cell)) => cells.push(cell),
                Ok(Err(point)) => unsupported.push(point),
                Err(SpecErrors(faults)) => {
                    for fault in faults {
                        if !errors.contains(&fault) {
                            errors.push(fault);
                        }
                    }
                }
            }
        }
        if errors.is_empty() { Ok((cells, unsupported)) } else { Err(SpecErrors(errors)) }
    }

    fn cell(&self, schema: &serde_json::Value, number: usize) -> Result<Result<Cell, Unsupported>, SpecErrors> {
        let indices = matrix::indices(&self.axes, number);
        let mut tree = self.base.clone();
        let mut point = Vec::new();
        for (axis, &index) in self.axes.iter().zip(&indices) {
            let value = &axis.values[index];
            point.push((axis.name.clone(), value.short()));
            address::split_slots(&mut tree, &axis.path);
            if let Err(way) = tree.set(&axis.path, value.clone()) {
                let found = tree.get(&way).map_or_else(|| "nothing".to_owned(), Tree::describe);
                let problem = format!("the matrix axis `{}` leads nowhere", axis.path);
                let fault = Fault::value(&axis.path, problem, found, "a path into the experiment");
                return Err(SpecErrors(vec![self.error(Some(&indices), &fault)]));
            }
        }
        let faults = check(schema, &tree);
        if !faults.is_empty() {
            let lists = tree.entry("unsupported").is_some_and(|mode| mode.short() == "list");
            if lists && faults.iter().all(|fault| fault.unsupported) {
                return Ok(Err(Unsupported::new(point, &faults)));
            }
            return Err(SpecErrors(faults.iter().map(|f| self.error(Some(&indices), f)).collect()));
        }
        let experiment = serde_json::from_value(tree.to_json()).map_err(|e| {
            let fault = Fault::value(
                &KeyPath::default(),
                "the experiment cannot be read",
                e.to_string(),
                "see `workbench schema`",
            );
            SpecErrors(vec![self.error(Some(&indices), &fault)])
        })?;
        Ok(Ok(Cell { experiment, point, indices }))
    }

    /// A fault found in a cell after it was typed, with its place.
    pub fn cell_error(&self, cell: &Cell, fault: &Fault) -> SpecErrors {
        SpecErrors(vec![self.error(Some(&cell.indices), fault)])
    }

    /// No combination is proven by its protocols.
    pub fn nothing_supported(&self, unsupported: &[Unsupported]) -> SpecErrors {
        let found = unsupported.first().map_or_else(String::new, |u| format!("{}: {}", u.label, u.reasons.join("; ")));
        let path = KeyPath::default().key("matrix");
        let problem = "no combination is proven by its protocols";
        SpecErrors(vec![self.error(None, &Fault::value(&path, problem, found, "at least one that is"))])
    }

    /// A fault of the document, with its place. `indices` say which value of each axis is meant.
    fn error(&self, indices: Option<&[usize]>, fault: &Fault) -> SpecError {
        let place = self.place(indices, fault);
        let line = match &place {
            Place::File(Some(position)) => self.source_line(position.line),
            _ => None,
        };
        SpecError {
            file: self.file.display().to_string(),
            place,
            line,
            key: fault.path.to_string(),
            problem: fault.problem.clone(),
            found: fault.found.clone(),
            allowed: fault.allowed.clone(),
            nearest: fault.nearest.as_deref().map(str::to_owned),
        }
    }

    fn place(&self, indices: Option<&[usize]>, fault: &Fault) -> Place {
        for (i, axis) in self.axes.iter().enumerate() {
            let Some(rest) = fault.path.below(&axis.path).filter(|_| indices.is_some()) else { continue };
            if let Some(typed) = &axis.typed {
                return Place::CommandLine(typed.clone());
            }
            let index = indices.and_then(|n| n.get(i)).copied().unwrap_or(0);
            return Place::File(
                self.locate(&axis.place(index).join(&rest), fault.at_key && !rest.segments().is_empty()),
            );
        }
        let typed = self.overrides.iter().rev().find(|o| fault.path.below(&o.path).is_some());
        match typed {
            Some(new) => Place::CommandLine(new.text.clone()),
            None => Place::File(self.locate(&fault.path, fault.at_key)),
        }
    }

    /// The position of a path, or of the nearest node above it.
    fn locate(&self, path: &KeyPath, at_key: bool) -> Option<yaml::Position> {
        if let Some(position) = yaml::locate(&self.text, path, at_key) {
            return Some(position);
        }
        let parent = path.parent().filter(|p| !p.segments().is_empty())?;
        self.locate(&parent, true)
    }

    /// The experiment after overrides, matrix included, as YAML text.
    pub fn resolved(&self) -> String {
        let mut tree = self.base.clone();
        if let (Tree::Map(entries), false) = (&mut tree, self.axes.is_empty()) {
            entries.push(("matrix".to_owned(), matrix::document(&self.axes)));
        }
        yaml::to_text(&tree).unwrap_or_else(|e| format!("# {e}\n"))
    }

    /// What the experiment shows, in its own words.
    pub fn about(&self) -> Option<String> {
        Some(self.base.entry("about")?.short())
    }

    /// The folder that input files are relative to.
    pub fn folder(&self) -> &Path {
        self.file.parent().unwrap_or_else(|| Path::new("."))
    }
}

//! An experiment file with its overrides applied, and the cells of its matrix.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::address;
use super::check::{Fault, check};
use super::error::{Place, SpecError, SpecErrors};
use super::matrix::{self, Expansion, Matrix, MatrixFault};
use super::overrides::Override;
use super::path::KeyPath;
use super::schema;
use super::tree::Tree;
use super::types::{Experiment, Unsupportable};
use super::values;
use super::yaml;

/// No more faults are looked for once there are this many: a long axis can be at fault in every value.
const MANY_FAULTS: usize = 100;

/// An experiment file after its overrides.
#[derive(Debug)]
pub struct Document {
    /// The experiment's name: the file's stem.
    pub name: String,
    /// The file.
    pub file: PathBuf,
    text: String,
    pub(super) base: Tree,
    pub(super) matrix: Matrix,
    pub(super) overrides: Vec<Override>,
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
        let (base, matrix) = (Tree::Map(Vec::new()), Matrix::default());
        let mut document = Self { name, file: file.to_owned(), text, base, matrix, overrides: Vec::new() };
        document.base = yaml::parse(&document.text).map_err(|e| SpecErrors(vec![document.syntax_error(&e)]))?;
        if let Some(matrix) = document.base.remove("matrix") {
            let read = Matrix::read(&document.base, matrix);
            document.matrix = read.map_err(|fault| SpecErrors(vec![document.error(None, &fault)]))?;
            document.matrix.check().map_err(|fault| document.matrix_error(fault))?;
        }
        document.apply(typed)?;
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

    /// The number of cells, without making any: of a matrix without `exclude` by multiplication. A matrix of more than
    /// [`MAX_CELLS`](super::MAX_CELLS) combinations is an error; a caller asks before it runs more than
    /// [`MANY_CELLS`](super::MANY_CELLS).
    pub fn count(&self) -> Result<usize, SpecErrors> {
        if self.matrix.exclude.is_empty() {
            return self.matrix.combinations().map_err(|fault| SpecErrors(vec![self.error(None, &fault)]));
        }
        self.expand().map(|(_, count)| count)
    }

    /// The matrix written out, and the number of its points.
    fn expand(&self) -> Result<(Expansion, usize), SpecErrors> {
        let expansion = self.matrix.expand().map_err(|fault| self.matrix_error(fault))?;
        let count = expansion.left().map_err(|fault| SpecErrors(vec![self.error(None, &fault)]))?;
        Ok((expansion, count))
    }

    /// Expands the matrix and checks every cell. The faults of all cells are returned at once, each once, as long as there are
    /// less than a hundred. Combinations that no protocol proves are put aside if the experiment says so.
    pub fn cells(&self) -> Result<(Vec<Cell>, Vec<Unsupported>), SpecErrors> {
        let (expansion, count) = self.expand()?;
        let (schema, order) = (schema::schema(), self.matrix.outer_first());
        let (mut cells, mut unsupported) = (Vec::with_capacity(count), Vec::new());
        let (mut errors, mut seen) = (Vec::new(), HashSet::new());
        for indices in expansion.points() {
            match self.cell(schema, &expansion, &order, &indices) {
                Ok(Ok(cell)) => cells.push(cell),
                Ok(Err(point)) => unsupported.push(point),
                Err(faults) => {
                    for fault in faults {
                        let value = self.origin(&fault).and_then(|axis| Some((axis, *indices.get(axis)?)));
                        if seen.insert((fault.clone(), value)) {
                            let error = self.error(Some(&indices), &fault);
                            if !errors.contains(&error) {
                                errors.push(error);
                            }
                        }
                    }
                }
            }
            if errors.len() >= MANY_FAULTS {
                break;
            }
        }
        if errors.is_empty() { Ok((cells, unsupported)) } else { Err(SpecErrors(errors)) }
    }

    fn cell(
        &self,
        schema: &serde_json::Value,
        expansion: &Expansion,
        order: &[usize],
        indices: &[usize],
    ) -> Result<Result<Cell, Unsupported>, Vec<Fault>> {
        let mut tree = self.base.clone();
        let value = |axis: usize| expansion.values.get(axis)?.get(*indices.get(axis)?);
        for &position in order {
            let (Some(axis), Some(value)) = (self.matrix.axes.get(position), value(position)) else { continue };
            address::split_slots(&mut tree, &axis.path);
            if let Err(way) = tree.set(&axis.path, value.clone()) {
                let found = tree.get(&way).map_or_else(|| "nothing".to_owned(), Tree::describe);
                let problem = format!("the matrix axis `{}` leads nowhere", axis.path);
                return Err(vec![Fault::value(&axis.path, problem, found, "a path into the experiment")]);
            }
        }
        let names = self.matrix.axes.iter().enumerate();
        let point = names.filter_map(|(i, axis)| Some((axis.name.clone(), value(i)?.short()))).collect::<Vec<_>>();
        let faults = check(schema, &tree);
        if !faults.is_empty() {
            let lists = tree.entry("unsupported").is_some_and(|mode| mode.short() == "list");
            if lists && faults.iter().all(|fault| fault.unsupported) {
                return Ok(Err(Unsupported::new(point, &faults)));
            }
            return Err(faults.into_iter().map(|fault| with_long_form(fault, &tree)).collect());
        }
        let experiment = serde_json::from_value(tree.to_json()).map_err(|e| {
            let top = KeyPath::default();
            vec![Fault::value(&top, "the experiment cannot be read", e.to_string(), "see `workbench schema`")]
        })?;
        Ok(Ok(Cell { experiment, point, indices: indices.to_vec() }))
    }

    /// A fault found in a cell after it was typed, with its place.
    pub fn cell_error(&self, cell: &Cell, fault: &Fault) -> SpecErrors {
        SpecErrors(vec![self.error(Some(&cell.indices), fault)])
    }

    /// No combination is proven by its protocols.
    pub fn nothing_supported(&self, unsupported: &[Unsupported]) -> SpecErrors {
        let found = unsupported.first().map_or_else(String::new, |u| format!("{}: {}", u.label, u.reasons.join("; ")));
        let path = matrix::root();
        let problem = "no combination is proven by its protocols";
        SpecErrors(vec![self.error(None, &Fault::value(&path, problem, found, "at least one that is"))])
    }

    /// A fault of the matrix, with its place.
    pub(super) fn matrix_error(&self, MatrixFault { fault, typed }: MatrixFault) -> SpecErrors {
        match typed {
            Some(typed) => self.typed_error(&typed, &fault),
            None => SpecErrors(vec![self.error(None, &fault)]),
        }
    }

    /// A fault of an override.
    pub(super) fn typed_error(&self, typed: &str, fault: &Fault) -> SpecErrors {
        let place = Place::CommandLine(typed.to_owned());
        SpecErrors(vec![SpecError { place, line: None, ..self.error(None, fault) }])
    }

    /// A fault of the document, with its place. `indices` say which value of each axis is meant.
    pub(super) fn error(&self, indices: Option<&[usize]>, fault: &Fault) -> SpecError {
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

    /// The axis whose value the fault is in; the innermost of several.
    fn origin(&self, fault: &Fault) -> Option<usize> {
        let axes = self.matrix.axes.iter().enumerate();
        let above = axes.filter(|(_, axis)| fault.path.below(&axis.path).is_some());
        above.max_by_key(|(_, axis)| axis.path.segments().len()).map(|(i, _)| i)
    }

    fn place(&self, indices: Option<&[usize]>, fault: &Fault) -> Place {
        if let Some((axis, index)) =
            indices.zip(self.origin(fault)).and_then(|(n, i)| Some((self.matrix.axes.get(i)?, n.get(i).copied()?)))
        {
            if let Some(typed) = &axis.typed {
                return Place::CommandLine(typed.clone());
            }
            let rest = fault.path.below(&axis.path).unwrap_or_default();
            let at_key = fault.at_key && !rest.segments().is_empty();
            return Place::File(self.locate(&axis.place(index).join(&rest), at_key));
        }
        let above = self.overrides.iter().filter(|o| fault.path.below(&o.path).is_some());
        match above.max_by_key(|o| o.path.segments().len()) {
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
        if let (Tree::Map(entries), false) = (&mut tree, self.matrix.axes.is_empty()) {
            entries.push(("matrix".to_owned(), self.matrix.document()));
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

/// The fault with a hint, if its value is the command line's short form of several values.
fn with_long_form(fault: Fault, tree: &Tree) -> Fault {
    let hint = tree.get(&fault.path).and_then(values::long_form).map(String::into_boxed_str);
    Fault { nearest: fault.nearest.or(hint), ..fault }
}

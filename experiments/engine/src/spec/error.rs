//! Errors in experiment files: every one says where, what was found, what is allowed, and the nearest match.

use std::fmt;

use super::yaml::Position;

/// Where a faulty value was given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// In the file, as far as it can be told.
    File(Option<Position>),
    /// In an override on the command line, quoted.
    CommandLine(String),
}

/// One fault of an experiment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SpecError {
    /// The experiment file.
    pub file: String,
    /// Where in it.
    pub place: Place,
    /// The source line at that place.
    pub line: Option<String>,
    /// Dotted key path; empty for the whole file.
    pub key: String,
    /// What is wrong.
    pub problem: String,
    /// The value that was found.
    pub found: String,
    /// What would be accepted.
    pub allowed: String,
    /// The accepted value nearest to the one found.
    pub nearest: Option<String>,
}

impl fmt::Display for SpecError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.place {
            Place::File(None) => write!(f, "{}", self.file)?,
            Place::File(Some(p)) => write!(f, "{}:{}:{}", self.file, p.line, p.column)?,
            Place::CommandLine(text) => write!(f, "{}, command line `{text}`", self.file)?,
        }
        writeln!(f, ": {}", self.problem)?;
        if let (Place::File(Some(p)), Some(line)) = (&self.place, &self.line) {
            let number = p.line.to_string();
            writeln!(f, "  {number} | {line}")?;
            writeln!(f, "  {:width$} | {:>column$}", "", "^", width = number.len(), column = p.column)?;
        }
        if !self.key.is_empty() {
            writeln!(f, "  key:      {}", self.key)?;
        }
        writeln!(f, "  found:    {}", self.found)?;
        write!(f, "  allowed:  {}", self.allowed)?;
        if let Some(nearest) = &self.nearest {
            write!(f, "\n  nearest:  {nearest}")?;
        }
        Ok(())
    }
}

/// All faults of an experiment, at least one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SpecErrors(pub Vec<SpecError>);

impl std::error::Error for SpecErrors {}

impl fmt::Display for SpecErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, error) in self.0.iter().enumerate() {
            write!(f, "{}{error}", if i == 0 { "" } else { "\n" })?;
        }
        Ok(())
    }
}

/// The candidate most like `found`, if any is alike enough to be meant.
pub fn nearest<'a>(found: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<String> {
    let score = |c: &str| strsim::jaro_winkler(&found.to_lowercase(), &c.to_lowercase());
    candidates
        .into_iter()
        .map(|c| (score(c), c))
        .filter(|(s, _)| *s > 0.6)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, c)| c.to_owned())
}

//! What a skeleton changes in the repository: new files, and lines in existing ones. All of it is worked out before the
//! first byte is written, and taken back if something cannot be written.

use std::collections::BTreeMap;
use std::fs::{self, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};

/// A line that was added to an existing file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Insertion {
    /// The file, relative to the repository.
    pub(super) file: PathBuf,
    /// Number of the first added line, from 1.
    pub(super) line: usize,
    /// What was added, without its last line break.
    pub(super) text: String,
}

/// Something to fill in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Step {
    /// Its place in the order.
    pub(super) number: usize,
    /// The file, relative to the repository.
    pub(super) file: PathBuf,
    /// Line number, from 1.
    pub(super) line: usize,
    /// What to do.
    pub(super) text: String,
}

/// Where a line goes.
pub(super) enum Place<'a> {
    /// Into the first run of lines that belong together, in the order of their keys.
    Sorted(&'a dyn Fn(&str) -> bool, &'a dyn Fn(&str) -> String),
    /// After the first run of lines that belong together.
    After(&'a dyn Fn(&str) -> bool),
    /// To the end of the block that this line opens and a line with the closing brace ends.
    EndOf(&'a str),
}

/// Changes to a repository.
pub(super) struct Changes {
    root: PathBuf,
    created: Vec<(PathBuf, String)>,
    changed: BTreeMap<PathBuf, [String; 2]>,
    insertions: Vec<Insertion>,
}

impl Changes {
    pub(super) fn new(root: &Path) -> Self {
        Self { root: root.to_owned(), created: Vec::new(), changed: BTreeMap::new(), insertions: Vec::new() }
    }

    /// Adds a file, which must not exist.
    pub(super) fn create(&mut self, file: impl Into<PathBuf>, text: String) -> Result<(), String> {
        let file = file.into();
        if fs::symlink_metadata(self.root.join(&file)).is_ok() {
            return Err(format!("{} exists already; nothing is overwritten", file.display()));
        }
        self.created.push((file, text));
        Ok(())
    }

    /// Adds one or more lines to an existing file.
    pub(super) fn insert(&mut self, file: &str, place: &Place<'_>, text: &str) -> Result<(), String> {
        let path = PathBuf::from(file);
        let current = match self.changed.get(&path) {
            Some([_, new]) => new.clone(),
            None => self.read(file)?,
        };
        let lines: Vec<&str> = current.lines().collect();
        let at = position(&lines, place, text).ok_or_else(|| format!("{file} has no place for `{}`", text.trim()))?;
        let new: Vec<&str> = [&lines[..at], &[text], &lines[at..]].concat();
        let new = new.join("\n") + "\n";
        self.insertions.push(Insertion { file: path.clone(), line: at + 1, text: text.to_owned() });
        self.changed.entry(path).or_insert_with(|| [current, String::new()])[1] = new;
        Ok(())
    }

    /// The text of an existing file.
    pub(super) fn read(&self, file: &str) -> Result<String, String> {
        let read = fs::read_to_string(self.root.join(file));
        read.map_err(|e| format!("{file} cannot be read: {e}"))
    }

    /// Files that are added.
    pub(super) fn created(&self) -> impl Iterator<Item = &Path> {
        self.created.iter().map(|(file, _)| file.as_path())
    }

    /// Lines that are added to existing files.
    pub(super) fn insertions(&self) -> &[Insertion] {
        &self.insertions
    }

    /// What is to be filled in, in order: the comments `Step N: …` of the new files.
    pub(super) fn steps(&self) -> Vec<Step> {
        let mut steps: Vec<Step> = self.created.iter().flat_map(|(file, text)| steps_of(file, text)).collect();
        steps.sort_by_key(|step| step.number);
        steps
    }

    /// Writes everything, or nothing.
    pub(super) fn write(&self) -> Result<(), String> {
        let mut written = Written::default();
        let result = self.write_all(&mut written);
        if result.is_err() {
            written.take_back();
        }
        result
    }

    fn write_all(&self, written: &mut Written) -> Result<(), String> {
        for (file, text) in &self.created {
            let path = self.root.join(file);
            let fail = |e: std::io::Error| format!("{} cannot be written: {e}", file.display());
            written.folders(path.parent().unwrap_or(&self.root)).map_err(fail)?;
            let mut open = OpenOptions::new().write(true).create_new(true).open(&path).map_err(fail)?;
            written.files.push(path);
            open.write_all(text.as_bytes()).map_err(fail)?;
        }
        for (file, [old, new]) in &self.changed {
            let path = self.root.join(file);
            written.changed.push((path.clone(), old.clone()));
            fs::write(&path, new).map_err(|e| format!("{} cannot be written: {e}", file.display()))?;
        }
        Ok(())
    }
}

/// What is on the disk so far.
#[derive(Default)]
struct Written {
    folders: Vec<PathBuf>,
    files: Vec<PathBuf>,
    changed: Vec<(PathBuf, String)>,
}

impl Written {
    /// Makes a folder and those above it.
    fn folders(&mut self, folder: &Path) -> std::io::Result<()> {
        let missing: Vec<&Path> = folder.ancestors().take_while(|f| !f.exists()).collect();
        for folder in missing.into_iter().rev() {
            fs::create_dir(folder)?;
            self.folders.push(folder.to_owned());
        }
        Ok(())
    }

    /// As far as the disk allows: the failure that led here is what gets reported.
    fn take_back(self) {
        for (file, old) in self.changed {
            let _ = fs::write(file, old);
        }
        for file in self.files {
            let _ = fs::remove_file(file);
        }
        for folder in self.folders.into_iter().rev() {
            let _ = fs::remove_dir(folder);
        }
    }
}

/// Index of the line before which the text goes.
fn position(lines: &[&str], place: &Place<'_>, text: &str) -> Option<usize> {
    let run = |belongs: &dyn Fn(&str) -> bool| {
        let start = lines.iter().position(|line| belongs(line))?;
        let length = lines[start..].iter().take_while(|line| belongs(line)).count();
        Some(start..start + length)
    };
    match place {
        Place::Sorted(belongs, key) => {
            let run = run(belongs)?;
            let own = key(text);
            Some(lines[run.clone()].iter().position(|line| key(line) > own).map_or(run.end, |i| run.start + i))
        }
        Place::After(belongs) => Some(run(belongs)?.end),
        Place::EndOf(opening) => {
            let start = lines.iter().position(|line| line == opening)?;
            Some(start + lines[start..].iter().position(|line| *line == "}")?)
        }
    }
}

/// The steps of one file. A step goes on over the comment lines that follow it.
fn steps_of(file: &Path, text: &str) -> Vec<Step> {
    let lines: Vec<&str> = text.lines().collect();
    let mut steps = Vec::new();
    for (i, line) in lines.iter().enumerate() {
        let Some((marker, rest)) = line.split_once("Step ") else { continue };
        let Some((number, first)) = rest.split_once(": ") else { continue };
        let Ok(number) = number.parse() else { continue };
        let marker = format!("{} ", marker.trim());
        let more = lines[i + 1..].iter().map_while(|line| line.trim_start().strip_prefix(&marker));
        let more = more.take_while(|line| !line.starts_with("Step "));
        let text = [first].into_iter().chain(more).collect::<Vec<_>>().join(" ");
        let text = text.trim_end_matches("-->").trim_end().to_owned();
        steps.push(Step { number, file: file.to_owned(), line: i + 1, text });
    }
    steps
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(line: &str) -> String {
        line.to_owned()
    }

    #[test]
    fn lines_go_where_they_belong() {
        let lines = ["a", "use b;", "use d;", "}", "list {", "  x", "}", "use e;"];
        let belongs = |line: &str| line.starts_with("use ");
        let at = |place: Place<'_>, text: &str| position(&lines, &place, text);
        assert_eq!(at(Place::Sorted(&belongs, &key), "use a;"), Some(1));
        assert_eq!(at(Place::Sorted(&belongs, &key), "use c;"), Some(2));
        assert_eq!(at(Place::Sorted(&belongs, &key), "use z;"), Some(3));
        assert_eq!(at(Place::After(&belongs), "use a;"), Some(3));
        assert_eq!(at(Place::EndOf("list {"), "  y"), Some(6));
        assert_eq!(at(Place::EndOf("map {"), "  y"), None);
        assert_eq!(at(Place::After(&|line| line == "none"), "y"), None);
    }

    #[test]
    fn steps_are_read_from_comments() {
        let text =
            "//! Step 2: b.\n//!\n// Step 1: a and\n// more.\n/// c\n<!-- Step 3: d. -->\n# Step 4: e\n# f\ncode\n";
        let steps: Vec<_> = steps_of(Path::new("x"), text).into_iter().map(|s| (s.number, s.line, s.text)).collect();
        let expected = [(2, 1, "b."), (1, 3, "a and more."), (3, 6, "d."), (4, 7, "e f")];
        assert_eq!(steps, expected.map(|(number, line, text)| (number, line, text.to_owned())));
    }

    #[test]
    fn what_cannot_be_finished_is_taken_back() {
        let root = tempfile::tempdir().unwrap();
        fs::write(root.path().join("list"), "a\n").unwrap();
        let mut changes = Changes::new(root.path());
        changes.create("new/deep/file", "x".to_owned()).unwrap();
        changes.create("list/file", "x".to_owned()).unwrap();
        changes.insert("list", &Place::After(&|line| line == "a"), "b").unwrap();
        let message = changes.write().unwrap_err();
        assert!(message.contains("list/file"), "{message}");
        assert!(!root.path().join("new").exists());
        assert_eq!(fs::read_to_string(root.path().join("list")).unwrap(), "a\n");
    }
}

//! Run folders: files that are never half-written, and results that survive whatever stops a run.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use serde::Serialize;
use serde_json::Value;

use crate::clock;
use crate::record::CellRecord;

/// Why a run's files cannot be written or read.
#[derive(Debug, thiserror::Error)]
#[error("{path}: {doing}: {source}")]
pub struct StoreError {
    path: String,
    doing: &'static str,
    source: io::Error,
}

fn error(path: &Path, doing: &'static str) -> impl FnOnce(io::Error) -> StoreError {
    let path = path.display().to_string();
    move |source| StoreError { path, doing, source }
}

/// Writes a file under a temporary name, flushes it to the disk, and renames it.
pub fn write_atomic(path: &Path, bytes: &[u8]) -> Result<(), StoreError> {
    let name = path.file_name().map_or_else(String::new, |n| n.to_string_lossy().into_owned());
    let temporary = path.with_file_name(format!(".{name}.{}.tmp", std::process::id()));
    let write = || -> io::Result<()> {
        let mut file = File::create(&temporary)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(&temporary, path)
    };
    write().map_err(|e| {
        // Whatever was written of the temporary file is of no use, and the disk may be full.
        let _ = fs::remove_file(&temporary);
        error(path, "the file cannot be written")(e)
    })?;
    if let Some(folder) = path.parent() {
        sync_folder(folder);
    }
    Ok(())
}

/// As [`write_atomic`], for data as indented JSON.
pub fn write_json(path: &Path, value: &impl Serialize) -> Result<(), StoreError> {
    let text = serde_json::to_string_pretty(value).map_err(|e| error(path, "it has no JSON form")(e.into()))?;
    write_atomic(path, format!("{text}\n").as_bytes())
}

/// Makes a rename durable. Some file systems cannot flush a folder; the data itself is flushed already.
fn sync_folder(folder: &Path) {
    if let Ok(folder) = File::open(folder) {
        let _ = folder.sync_all();
    }
}

/// The folder of one run.
#[derive(Clone, Debug)]
pub struct RunFolder {
    path: PathBuf,
}

impl RunFolder {
    /// Makes `<runs>/<utc>-<name>-<id>` and points `latest-<name>` at it.
    pub fn create(runs: &Path, name: &str) -> Result<Self, StoreError> {
        let now = clock::now();
        let seed = format!("{}/{}", now.as_nanos(), std::process::id());
        let id = &blake3::hash(seed.as_bytes()).to_hex()[..6];
        let folder = format!("{}-{name}-{id}", clock::compact(now));
        let path = runs.join(&folder);
        fs::create_dir_all(path.join("cells")).map_err(error(&path, "the run folder cannot be made"))?;
        point_latest(runs, name, &folder);
        Ok(Self { path })
    }

    /// The folder of an earlier run: a path, a name under `runs`, or `latest`.
    pub fn open(runs: &Path, name: &str, which: &str) -> Result<Self, StoreError> {
        let candidates = match which {
            "latest" => vec![runs.join(format!("latest-{name}"))],
            other => vec![PathBuf::from(other), runs.join(other)],
        };
        let found = candidates.iter().find(|p| p.join("results.jsonl").exists() || p.join("cells").is_dir());
        let missing = || io::Error::new(io::ErrorKind::NotFound, "there is no such run");
        let path = found.ok_or_else(missing).map_err(error(&candidates[0], "the run cannot be resumed"))?;
        let path = fs::canonicalize(path).map_err(error(path, "the run cannot be resumed"))?;
        fs::create_dir_all(path.join("cells")).map_err(error(&path, "the run folder cannot be made"))?;
        Ok(Self { path })
    }

    /// A finished run to read from. Nothing is made in it.
    pub fn read(path: &Path) -> Result<Self, StoreError> {
        let results = path.join("results.jsonl");
        fs::metadata(&results).map_err(error(&results, "the run cannot be read"))?;
        Ok(Self { path: path.to_owned() })
    }

    /// The folder itself.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The folder of a cell, made if it is not there.
    pub fn cell(&self, id: &str) -> Result<PathBuf, StoreError> {
        let path = self.path.join("cells").join(id);
        fs::create_dir_all(&path).map_err(error(&path, "the cell folder cannot be made"))?;
        Ok(path)
    }

    fn results(&self) -> PathBuf {
        self.path.join("results.jsonl")
    }

    /// Appends one result and flushes it to the disk. A line that an earlier run left unfinished is cut off first.
    pub fn append(&self, record: &CellRecord) -> Result<(), StoreError> {
        let path = self.results();
        let mut line = serde_json::to_vec(record).map_err(|e| error(&path, "a result has no JSON form")(e.into()))?;
        line.push(b'\n');
        let write = || -> io::Result<()> {
            let mut file = OpenOptions::new().create(true).read(true).write(true).truncate(false).open(&path)?;
            let end = finished_length(&mut file)?;
            file.set_len(end)?;
            file.seek(SeekFrom::Start(end))?;
            file.write_all(&line).and_then(|()| file.sync_all()).inspect_err(|_| {
                // A line that does not fit on the disk must not stay half there.
                let _ = file.set_len(end);
            })
        };
        write().map_err(error(&path, "the result cannot be appended"))
    }

    /// The results so far, the last one of every cell, in the order of their first appearance. Lines that cannot be
    /// read are skipped with a warning.
    pub fn records(&self) -> Result<Vec<CellRecord>, StoreError> {
        let path = self.results();
        let bytes = match fs::read(&path) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            other => other.map_err(error(&path, "the results cannot be read"))?,
        };
        let mut records: Vec<CellRecord> = Vec::new();
        for (number, line) in bytes.split(|b| *b == b'\n').enumerate().filter(|(_, l)| !l.is_empty()) {
            match serde_json::from_slice::<CellRecord>(line) {
                Ok(record) => match records.iter_mut().find(|r| r.identity == record.identity) {
                    Some(earlier) => *earlier = record,
                    None => records.push(record),
                },
                Err(e) => tracing::warn!("{}:{}: skipped: {e}", path.display(), number + 1),
            }
        }
        Ok(records)
    }

    /// Writes `env.json`, or `env-<digest>.json` if the run was started in another environment.
    pub fn write_environment(&self, environment: &Value, digest: &str) -> Result<(), StoreError> {
        let first = self.path.join("env.json");
        let same = |path: &Path| {
            let read = fs::read(path).ok().and_then(|b| serde_json::from_slice::<Value>(&b).ok());
            read.is_some_and(|v| v == *environment)
        };
        if !first.exists() {
            return write_json(&first, environment);
        }
        if same(&first) { Ok(()) } else { write_json(&self.path.join(format!("env-{digest}.json")), environment) }
    }
}

/// The length of a file up to its last line break.
fn finished_length(file: &mut File) -> io::Result<u64> {
    let mut bytes = Vec::new();
    file.seek(SeekFrom::Start(0))?;
    file.read_to_end(&mut bytes)?;
    Ok(bytes.iter().rposition(|b| *b == b'\n').map_or(0, |p| p as u64 + 1))
}

/// Points `latest-<name>` at a folder beside it, never at nothing. A file system without links is no reason to stop.
#[cfg(unix)]
fn point_latest(runs: &Path, name: &str, folder: &str) {
    let link = runs.join(format!("latest-{name}"));
    let temporary = runs.join(format!(".latest-{name}.{}.tmp", std::process::id()));
    let made = std::os::unix::fs::symlink(folder, &temporary).and_then(|()| fs::rename(&temporary, &link));
    if let Err(e) = made {
        let _ = fs::remove_file(&temporary);
        tracing::warn!("{}: the link cannot be made: {e}", link.display());
    }
}

#[cfg(not(unix))]
fn point_latest(_: &Path, _: &str, _: &str) {}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::Status;

    fn record(identity: &str, status: Status) -> CellRecord {
        CellRecord { identity: identity.to_owned(), status, ..CellRecord::default() }
    }

    #[test]
    fn results_survive_an_unfinished_last_line() {
        let runs = tempfile::tempdir().unwrap();
        let run = RunFolder::create(runs.path(), "t").unwrap();
        run.append(&record("a", Status::Ok)).unwrap();
        run.append(&record("b", Status::Failed)).unwrap();
        let path = run.path().join("results.jsonl");
        let mut bytes = fs::read(&path).unwrap();
        bytes.extend(b"{\"identity\": \"c\", \"sta");
        fs::write(&path, &bytes).unwrap();

        let again = RunFolder::open(runs.path(), "t", "latest").unwrap();
        assert_eq!(again.records().unwrap().len(), 2);
        again.append(&record("b", Status::Ok)).unwrap();
        let records = again.records().unwrap();
        let seen: Vec<_> = records.iter().map(|r| (r.identity.as_str(), r.status)).collect();
        assert_eq!(seen, [("a", Status::Ok), ("b", Status::Ok)]);
        assert!(!fs::read_to_string(&path).unwrap().contains("\"c\""));
    }

    #[test]
    fn files_are_whole_or_absent() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.json");
        write_atomic(&path, b"one").unwrap();
        write_atomic(&path, b"two").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"two");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
        let failure = write_atomic(&folder.path().join("no/such/folder"), b"x").unwrap_err();
        assert!(failure.to_string().contains("cannot be written"), "{failure}");
    }

    #[test]
    fn a_run_in_another_environment_is_recorded_beside_the_first() {
        let runs = tempfile::tempdir().unwrap();
        let run = RunFolder::create(runs.path(), "t").unwrap();
        run.write_environment(&serde_json::json!({"threads": 1}), "aa").unwrap();
        run.write_environment(&serde_json::json!({"threads": 1}), "bb").unwrap();
        run.write_environment(&serde_json::json!({"threads": 2}), "cc").unwrap();
        assert!(run.path().join("env-cc.json").exists() && !run.path().join("env-bb.json").exists());
    }

    #[test]
    fn reading_a_run_makes_nothing_in_it() {
        let folder = tempfile::tempdir().unwrap();
        let failure = RunFolder::read(folder.path()).unwrap_err();
        assert!(failure.to_string().contains("the run cannot be read"), "{failure}");
        fs::write(folder.path().join("results.jsonl"), "").unwrap();
        assert!(RunFolder::read(folder.path()).unwrap().records().unwrap().is_empty());
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn resuming_what_is_not_there_is_an_error() {
        let runs = tempfile::tempdir().unwrap();
        let failure = RunFolder::open(runs.path(), "t", "latest").unwrap_err();
        assert!(failure.to_string().contains("there is no such run"), "{failure}");
    }
}

//! Run folders: files that are never half-written, and results that survive whatever stops a run.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use serde::Serialize;
use serde_json::Value;

use crate::clock;
use crate::lock::{Lock, LockError};
use crate::record::CellRecord;

/// Why a run's files cannot be written or read.
#[derive(Debug, thiserror::Error)]
#[error("{path}: {doing}: {}", full_or(.source))]
pub struct StoreError {
    path: String,
    doing: &'static str,
    source: io::Error,
}

/// The system's words, and plain ones for a disk without space.
fn full_or(source: &io::Error) -> String {
    match source.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => format!("the disk is full ({source})"),
        _ => source.to_string(),
    }
}

pub(crate) fn error(path: &Path, doing: &'static str) -> impl FnOnce(io::Error) -> StoreError {
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

/// Removes the unfinished files that a killed process left in a folder, which must be locked.
pub fn remove_leftovers(folder: &Path) {
    for entry in fs::read_dir(folder).into_iter().flatten().filter_map(Result::ok) {
        let path = entry.path();
        let hidden = entry.file_name().as_encoded_bytes().starts_with(b".");
        if hidden && path.extension().is_some_and(|e| e == "tmp") {
            let _ = fs::remove_file(path);
        }
    }
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

/// Characters of a run folder's time and of its last part.
const COMPACT_LENGTH: usize = "20260131T235959Z".len();
const ID_LENGTH: usize = 6;

/// The name of the results in a run folder: one line per finished cell.
const RESULTS: &str = "results.jsonl";
/// Lines of results that could not be read.
const DAMAGED: &str = "results.damaged.jsonl";
/// The name of a cell's own record in its folder.
pub const RECORD: &str = "record.json";

/// What a file of results holds.
#[derive(Clone, Debug, Default)]
pub struct Results {
    /// The last record of every cell, in the order of their first appearance.
    pub records: Vec<CellRecord>,
    /// Records that a later one of the same cell replaces.
    pub replaced: usize,
    /// Lines that cannot be read: their number, counted from 1, and the reason.
    pub damaged: Vec<(usize, String)>,
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
        // Milliseconds first: the names of runs that start in one second are in their order, too.
        let id = format!("{:03}{}", now.subsec_millis(), &blake3::hash(seed.as_bytes()).to_hex()[..ID_LENGTH - 3]);
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
        let found = candidates.iter().find(|p| p.join(RESULTS).exists() || p.join("cells").is_dir());
        let missing = || io::Error::new(io::ErrorKind::NotFound, "there is no such run");
        let path = found.ok_or_else(missing).map_err(error(&candidates[0], "the run cannot be resumed"))?;
        let path = fs::canonicalize(path).map_err(error(path, "the run cannot be resumed"))?;
        fs::create_dir_all(path.join("cells")).map_err(error(&path, "the run folder cannot be made"))?;
        Ok(Self { path })
    }

    /// As [`RunFolder::create`], at a place of one's own, which must not hold anything else.
    pub fn create_at(path: &Path) -> Result<Self, StoreError> {
        let occupied = fs::read_dir(path).is_ok_and(|mut entries| entries.next().is_some());
        if occupied && !path.join("plan.json").exists() {
            let source = io::Error::new(io::ErrorKind::AlreadyExists, "the folder is not empty, and is no run");
            return Err(error(path, "the run folder cannot be made")(source));
        }
        fs::create_dir_all(path.join("cells")).map_err(error(path, "the run folder cannot be made"))?;
        Ok(Self { path: path.to_owned() })
    }

    /// The runs of an experiment, newest first.
    pub fn all(runs: &Path, name: &str) -> Vec<Self> {
        let is_run = |folder: &str| {
            let (utc, rest) = folder.split_at_checked(COMPACT_LENGTH)?;
            let (middle, id) = rest.strip_prefix('-')?.rsplit_once('-')?;
            (middle == name && utc.ends_with('Z') && id.len() == ID_LENGTH).then_some(())
        };
        let entries = fs::read_dir(runs).into_iter().flatten().filter_map(Result::ok);
        let mut names: Vec<String> =
            entries.filter_map(|e| e.file_name().into_string().ok()).filter(|n| is_run(n).is_some()).collect();
        names.sort_unstable_by(|a, b| b.cmp(a));
        names.into_iter().map(|name| Self { path: runs.join(name) }).collect()
    }

    /// Points `latest-<name>` at this folder, if it is one of `runs`.
    pub fn make_latest(&self, runs: &Path, name: &str) {
        let canonical = |path: &Path| fs::canonicalize(path).ok();
        let beside = self.path.parent().and_then(canonical).is_some_and(|parent| Some(parent) == canonical(runs));
        if let (true, Some(folder)) = (beside, self.path.file_name().and_then(|f| f.to_str())) {
            point_latest(runs, name, folder);
        }
    }

    /// A folder that is known to be there.
    pub fn at(path: &Path) -> Self {
        Self { path: path.to_owned() }
    }

    /// Keeps other processes from working on this run. The lock ends with the process, however that ends.
    pub fn lock(&self) -> Result<Lock, LockError> {
        Lock::take(&self.path)
    }

    /// A finished run to read from. Nothing is made in it.
    pub fn read(path: &Path) -> Result<Self, StoreError> {
        let results = path.join(RESULTS);
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
        self.path.join(RESULTS)
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

    /// The results so far. Lines that cannot be read are skipped, and are no reason to lose the others.
    pub fn results_so_far(&self) -> Result<Results, StoreError> {
        let path = self.results();
        let bytes = match fs::read(&path) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(Results::default()),
            other => other.map_err(error(&path, "the results cannot be read"))?,
        };
        let mut results = Results::default();
        let mut places: BTreeMap<String, usize> = BTreeMap::new();
        for (number, line) in bytes.split(|b| *b == b'\n').enumerate().filter(|(_, l)| !l.is_empty()) {
            match serde_json::from_slice::<CellRecord>(line) {
                Ok(record) => {
                    let place = *places.entry(record.identity.clone()).or_insert(results.records.len());
                    if let Some(earlier) = results.records.get_mut(place) {
                        *earlier = record;
                        results.replaced += 1;
                    } else {
                        results.records.push(record);
                    }
                }
                Err(e) => results.damaged.push((number + 1, e.to_string())),
            }
        }
        Ok(results)
    }

    /// As [`RunFolder::results_so_far`], with a warning for every line that is skipped.
    pub fn records(&self) -> Result<Vec<CellRecord>, StoreError> {
        let results = self.results_so_far()?;
        for (line, reason) in &results.damaged {
            tracing::warn!("{}:{line}: skipped: {reason}", self.results().display());
        }
        Ok(results.records)
    }

    /// Leaves one line per cell in the results: the last one. Lines that cannot be read go to `results.damaged.jsonl`.
    pub fn tidy(&self) -> Result<(), StoreError> {
        let results = self.results_so_far()?;
        if results.replaced == 0 && results.damaged.is_empty() {
            return Ok(());
        }
        let path = self.results();
        if !results.damaged.is_empty() {
            let bytes = fs::read(&path).map_err(error(&path, "the results cannot be read"))?;
            let lines: Vec<&[u8]> = bytes.split(|b| *b == b'\n').collect();
            let damaged = results.damaged.iter().filter_map(|(line, _)| lines.get(line - 1).copied());
            let aside = self.path.join(DAMAGED);
            let mut kept = fs::read(&aside).unwrap_or_default();
            for line in damaged {
                kept.extend_from_slice(line);
                kept.push(b'\n');
            }
            write_atomic(&aside, &kept)?;
        }
        let mut text = Vec::new();
        for record in &results.records {
            serde_json::to_writer(&mut text, record)
                .map_err(|e| error(&path, "a result has no JSON form")(e.into()))?;
            text.push(b'\n');
        }
        write_atomic(&path, &text)
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
    const BLOCK: u64 = 1 << 16;
    let mut end = file.seek(SeekFrom::End(0))?;
    while end > 0 {
        let from = end.saturating_sub(BLOCK);
        let mut bytes = vec![0; (end - from) as usize];
        file.seek(SeekFrom::Start(from))?;
        file.read_exact(&mut bytes)?;
        if let Some(last) = bytes.iter().rposition(|b| *b == b'\n') {
            return Ok(from + last as u64 + 1);
        }
        end = from;
    }
    Ok(0)
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
    fn a_damaged_line_costs_no_other_result_and_every_cell_is_left_once() {
        let runs = tempfile::tempdir().unwrap();
        let run = RunFolder::create(runs.path(), "t").unwrap();
        let path = run.path().join(RESULTS);
        run.append(&record("a", Status::Failed)).unwrap();
        let mut bytes = fs::read(&path).unwrap();
        bytes.extend(b"{\"identity\": \"b\", \xff\n");
        fs::write(&path, &bytes).unwrap();
        run.append(&record("c", Status::Ok)).unwrap();
        run.append(&record("a", Status::Ok)).unwrap();
        let results = run.results_so_far().unwrap();
        assert_eq!((results.records.len(), results.replaced, results.damaged.len()), (2, 1, 1));
        assert_eq!(results.damaged[0].0, 2);

        run.tidy().unwrap();
        run.tidy().unwrap();
        let tidied = run.results_so_far().unwrap();
        assert_eq!((&tidied.records, tidied.replaced, tidied.damaged.len()), (&results.records, 0, 0));
        assert_eq!(fs::read(run.path().join(DAMAGED)).unwrap(), b"{\"identity\": \"b\", \xff\n");
    }

    #[test]
    fn runs_are_found_by_the_experiments_whole_name_newest_first() {
        let runs = tempfile::tempdir().unwrap();
        for folder in ["20260101T000000Z-a-b-012345", "20260102T000000Z-a-b-012345", "20260103T000000Z-b-012345", "a-b"]
        {
            fs::create_dir_all(runs.path().join(folder).join("cells")).unwrap();
        }
        let found = |name| RunFolder::all(runs.path(), name);
        assert_eq!(
            found("a-b").iter().map(|r| r.path.ends_with("20260102T000000Z-a-b-012345")).collect::<Vec<_>>(),
            [true, false]
        );
        assert_eq!((found("b").len(), found("a").len()), (1, 0));
        let made = RunFolder::create(runs.path(), "b").unwrap();
        found("a-b")[1].make_latest(runs.path(), "a-b");
        let latest = RunFolder::open(runs.path(), "a-b", "latest").unwrap();
        assert!(latest.path.ends_with("20260101T000000Z-a-b-012345"), "{latest:?}");
        assert!(found("b").iter().any(|run| run.path == made.path));
    }

    #[test]
    fn a_folder_that_holds_something_else_is_not_made_a_run() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("run");
        RunFolder::create_at(&path).unwrap();
        assert!(RunFolder::create_at(folder.path()).unwrap_err().to_string().contains("not empty"));
    }

    #[test]
    fn names_of_runs_are_in_the_order_of_their_starts() {
        let runs = tempfile::tempdir().unwrap();
        let create = |_| {
            std::thread::sleep(std::time::Duration::from_millis(2));
            RunFolder::create(runs.path(), "t").unwrap().path().to_owned()
        };
        let mut paths: Vec<PathBuf> = (0..20).map(create).collect();
        assert!(paths.is_sorted(), "{paths:?}");
        paths.reverse();
        let newest_first: Vec<PathBuf> = RunFolder::all(runs.path(), "t").into_iter().map(|run| run.path).collect();
        assert_eq!(newest_first, paths);
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

//! One process at a time in a folder.
//!
//! The lock is the operating system's lock of the file `lock` in the folder: it ends with the process that holds it, also if
//! that is killed, and the file stays. Its text says who holds it, for messages only.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Read, Write};
use std::path::Path;
use std::time::{Duration, Instant};

/// A folder that is locked until this is dropped.
#[derive(Debug)]
pub struct Lock {
    _file: File,
}

/// Why a folder cannot be locked.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// Another process has it.
    #[error("{path}: another process{} is at work here", .holder.as_ref().map_or_else(String::new, |h| format!(" ({h})")))]
    Held {
        /// The folder.
        path: String,
        /// What it wrote of itself.
        holder: Option<String>,
    },
    /// The lock's file cannot be made or used.
    #[error("{path}: the lock cannot be made: {source}")]
    Impossible {
        /// The lock's file.
        path: String,
        /// Why.
        source: io::Error,
    },
}

impl Lock {
    /// Locks a folder, or says at once why not.
    pub fn take(folder: &Path) -> Result<Self, LockError> {
        let path = folder.join("lock");
        let impossible = |source| LockError::Impossible { path: path.display().to_string(), source };
        let open = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(&path);
        let mut file = open.map_err(impossible)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let mut holder = String::new();
                let _ = file.read_to_string(&mut holder);
                let holder = Some(holder.trim().to_owned()).filter(|h| !h.is_empty());
                return Err(LockError::Held { path: folder.display().to_string(), holder });
            }
            // A file system without locks is no reason to refuse work.
            Err(TryLockError::Error(e)) if e.kind() == io::ErrorKind::Unsupported => {
                tracing::warn!("{}: this file system has no locks: start nothing twice", folder.display());
            }
            Err(TryLockError::Error(e)) => return Err(impossible(e)),
        }
        // For messages only: the lock holds without it, also on a full disk.
        let _ = file.set_len(0).and_then(|()| file.write_all(holder().as_bytes()));
        Ok(Self { _file: file })
    }

    /// As [`Lock::take`], but waits this long for another process to end.
    pub fn wait(folder: &Path, patience: Duration) -> Result<Self, LockError> {
        let start = Instant::now();
        loop {
            match Self::take(folder) {
                Err(LockError::Held { .. }) if start.elapsed() < patience => {
                    std::thread::sleep(Duration::from_millis(20));
                }
                other => return other,
            }
        }
    }
}

/// This process and its machine.
fn holder() -> String {
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let host = Some(host.trim()).filter(|h| !h.is_empty()).map_or_else(String::new, |h| format!(" on {h}"));
    format!("process {}{host}\n", std::process::id())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_is_locked_until_its_holder_is_gone_and_the_refused_know_who_it_is() {
        let folder = tempfile::tempdir().unwrap();
        let first = Lock::take(folder.path()).unwrap();
        let refused = Lock::wait(folder.path(), Duration::from_millis(30)).unwrap_err().to_string();
        assert!(refused.contains(&format!("process {}", std::process::id())), "{refused}");
        drop(first);
        let _second = Lock::take(folder.path()).unwrap();
        let missing = Lock::take(&folder.path().join("none")).unwrap_err().to_string();
        assert!(missing.contains("cannot be made"), "{missing}");
    }
}

//! Folders, and programs beside the workbench.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use zkml_engine::locate;
use zkml_results::environment::Environment;

use super::Check;

/// Free disk space below which a run cannot be recorded, and below which a long one may not be.
const FULL: u64 = 16 << 20;
const SCARCE: u64 = 1 << 30;

/// Names that browsers of the Chromium family go by.
const BROWSERS: [&str; 4] = ["chromium", "chromium-browser", "google-chrome", "chrome"];

pub(super) fn experiments() -> Check {
    match locate::experiments().len() {
        0 => Check::note("experiments", "none here", "change into the repository, or name experiments by their path"),
        count => Check::ok("experiments", format!("{count} files")),
    }
}

/// The folder, or the nearest one above it that exists.
fn existing(folder: &Path) -> PathBuf {
    let absolute = std::path::absolute(folder).unwrap_or_else(|_| folder.to_owned());
    absolute.ancestors().find(|f| f.exists()).map_or(absolute.clone(), Path::to_owned)
}

/// Tries to write, and leaves nothing behind.
fn writable(folder: &Path) -> Result<(), String> {
    tempfile::tempfile_in(existing(folder)).map(|_| ()).map_err(|e| e.to_string())
}

pub(super) fn runs(folder: &Path) -> Check {
    let found = folder.display().to_string();
    match writable(folder) {
        Ok(()) => Check::ok("runs folder", format!("{found} can be written")),
        Err(error) => Check::problem(
            "runs folder",
            format!("{found}: {error}"),
            "name another one: --runs DIR, or WORKBENCH_RUNS=DIR",
        ),
    }
}

pub(super) fn disk(folder: &Path) -> Check {
    let output = Command::new("df").arg("-Pk").arg(existing(folder)).stderr(Stdio::null()).output();
    disk_of(&output.map(|o| String::from_utf8_lossy(&o.stdout).into_owned()).unwrap_or_default())
}

/// Free space by the second line of POSIX `df -Pk`, its fourth column.
fn disk_of(text: &str) -> Check {
    let column = text.lines().nth(1).and_then(|line| line.split_whitespace().nth(3)?.parse::<u64>().ok());
    let Some(bytes) = column.map(|kib| kib * 1024) else { return Check::ok("disk", "the system does not tell") };
    let found = format!("{:.1} GiB free", bytes as f64 / f64::from(1 << 30));
    let advice = "a run keeps a proof, a key and a log per cell: make room, or name another disk: --runs DIR";
    match bytes {
        0..FULL => Check::problem("disk", found, advice),
        FULL..SCARCE => Check::note("disk", found, advice),
        _ => Check::ok("disk", found),
    }
}

/// The commitment of `bn254` needs generators that are computed once and kept.
pub(super) fn parameters() -> Check {
    let name = "bn254 cache";
    let advice =
        "only for `suite: bn254`: generators are computed at every start; set ZKML_WORKBENCH_CACHE to a folder";
    let Some(folder) = zkml_pairing::setup::cache_folder() else {
        return Check::note(name, "there is no folder for caches", advice);
    };
    if let Err(error) = writable(&folder) {
        return Check::note(name, format!("{}: {error}", folder.display()), advice);
    }
    let files = fs::read_dir(&folder).into_iter().flatten().flatten();
    let kept = files.filter(|file| file.file_name().to_string_lossy().starts_with("dory-bn254-")).count();
    Check::ok(name, format!("{kept} files in {}", folder.display()))
}

pub(super) fn git(environment: &Environment) -> Check {
    let advice = "results cannot name what they were made from: work in a clone, and commit before measuring";
    match (&environment.git_revision, environment.git_dirty) {
        (None, _) => Check::note("git", "no revision", advice),
        (Some(revision), Some(true)) => {
            Check::note("git", format!("{}, and changed files", revision.get(..12).unwrap_or(revision)), advice)
        }
        (Some(revision), _) => Check::ok("git", revision.get(..12).unwrap_or(revision)),
    }
}

/// Notebooks run in a virtual environment of their own.
pub(super) fn python() -> Check {
    let runs = |code: &str| {
        let output = Command::new("python3").args(["-c", code]).stderr(Stdio::null()).output().ok()?;
        output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
    };
    let Some(version) = runs("import platform; print(platform.python_version())") else {
        return Check::note("python", "none", "only for notebooks: install python3 and its module venv");
    };
    match runs("import venv, ensurepip") {
        Some(_) => Check::ok("python", format!("{version} with venv")),
        None => Check::note(
            "python",
            format!("{version} without venv"),
            "only for notebooks: Debian's package python3-venv",
        ),
    }
}

/// The report is a file that any browser shows; its tests need one that can be driven.
pub(super) fn browser() -> Check {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let find = |name: &&str| std::env::split_paths(&path).map(|folder| folder.join(name)).find(|file| file.is_file());
    match BROWSERS.iter().find_map(find) {
        Some(file) => Check::ok("chromium", file.display().to_string()),
        None => Check::note("chromium", "none", "only to test reports: Debian's package chromium"),
    }
}

#[cfg(test)]
mod tests {
    use super::super::State;
    use super::*;

    #[test]
    fn free_space_is_read_from_df() {
        let df =
            |free: &str| format!("Filesystem 1024-blocks Used Available Capacity Mounted on\n/dev/x 9 9 {free} 9% /\n");
        for (free, state) in
            [("52428800", State::Ok), ("524288", State::Note), ("1024", State::Problem), ("?", State::Ok)]
        {
            assert_eq!(disk_of(&df(free)).state, state, "{free}");
        }
        assert_eq!(disk_of("").state, State::Ok);
    }

    #[test]
    fn results_without_a_revision_are_noted() {
        let environment = zkml_engine::environment::collect();
        let with = |revision: Option<&str>, dirty| Environment {
            git_revision: revision.map(str::to_owned),
            git_dirty: dirty,
            ..environment.clone()
        };
        assert_eq!(git(&with(None, None)).state, State::Note);
        assert_eq!(git(&with(Some("abc"), Some(true))).state, State::Note);
        assert_eq!(git(&with(Some("abc"), Some(false))).state, State::Ok);
    }
}

//! The machine and the build that a run was made with.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::LazyLock;

use crate::verify::this_executable;
use zkml_results::environment::Environment;

/// Environment variables that change what is measured on the host.
const VARIABLES: [&str; 4] = ["RAYON_NUM_THREADS", "RUSTFLAGS", "MALLOC_ARENA_MAX", "RUST_LOG"];

/// Asks the system about the machine and the build. What it does not tell stays empty.
pub fn collect() -> Environment {
    let cpu_info = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let words = |text: &str, by: char| text.split(by).filter(|w| !w.is_empty()).map(str::to_owned).collect();
    Environment {
        cpu: field(&cpu_info, "model name").unwrap_or_else(|| std::env::consts::ARCH.to_owned()),
        cpu_flags: words(&field(&cpu_info, "flags").unwrap_or_default(), ' '),
        cores: std::thread::available_parallelism().map_or(1, usize::from),
        threads: rayon::current_num_threads(),
        governor: read_trimmed("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor"),
        memory_bytes: kib_field("/proc/meminfo", "MemTotal").unwrap_or(0),
        os: operating_system(),
        rustc: env!("WORKBENCH_RUSTC").to_owned(),
        profile: env!("WORKBENCH_PROFILE").to_owned(),
        opt_level: env!("WORKBENCH_OPT_LEVEL").to_owned(),
        target: env!("WORKBENCH_TARGET").to_owned(),
        target_features: words(env!("WORKBENCH_TARGET_FEATURES"), ','),
        features: if cfg!(feature = "count-ops") { vec!["count-ops".to_owned()] } else { Vec::new() },
        git_revision: git(&["rev-parse", "HEAD"]).filter(|r| !r.is_empty()),
        git_dirty: git(&["status", "--porcelain", "--untracked-files=no"]).map(|s| !s.is_empty()),
        executable: executable_digest(),
        variables: variables(VARIABLES.iter().chain(&crate::devices::VARIABLES)),
    }
}

/// BLAKE3 digest of the running executable; empty if it cannot be read.
pub fn executable_digest() -> String {
    static DIGEST: LazyLock<String> = LazyLock::new(|| file_digest(&this_executable()).unwrap_or_default());
    DIGEST.clone()
}

/// BLAKE3 digest of a file.
pub fn file_digest(path: &Path) -> std::io::Result<String> {
    let mut hasher = blake3::Hasher::new();
    hasher.update_reader(fs::File::open(path)?)?;
    Ok(hasher.finalize().to_hex().to_string())
}

/// Largest resident memory of this process so far, in bytes, where the system tells.
pub fn peak_memory() -> Option<u64> {
    kib_field("/proc/self/status", "VmHWM")
}

fn field(text: &str, name: &str) -> Option<String> {
    let line = text.lines().find(|l| l.split(':').next().is_some_and(|k| k.trim() == name))?;
    Some(line.split_once(':')?.1.trim().to_owned())
}

fn kib_field(path: &str, name: &str) -> Option<u64> {
    let value = field(&fs::read_to_string(path).ok()?, name)?;
    Some(value.split_whitespace().next()?.parse::<u64>().ok()? * 1024)
}

fn read_trimmed(path: &str) -> Option<String> {
    fs::read_to_string(path).ok().map(|s| s.trim().to_owned())
}

fn operating_system() -> String {
    let release = fs::read_to_string("/etc/os-release").unwrap_or_default();
    let pretty = release.lines().find_map(|l| l.strip_prefix("PRETTY_NAME=")).map(|s| s.trim_matches('"').to_owned());
    let kernel = read_trimmed("/proc/sys/kernel/osrelease").unwrap_or_default();
    format!("{} {kernel}", pretty.unwrap_or_else(|| std::env::consts::OS.to_owned())).trim().to_owned()
}

fn git(arguments: &[&str]) -> Option<String> {
    let output = Command::new("git").args(arguments).output().ok().filter(|o| o.status.success())?;
    Some(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

/// Those of these environment variables that are set.
pub fn variables<'a>(names: impl IntoIterator<Item = &'a &'a str>) -> Vec<(String, String)> {
    names.into_iter().filter_map(|name| Some(((*name).to_owned(), std::env::var(name).ok()?))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_environment_is_known_and_reads_back() {
        let environment = collect();
        assert!(environment.rustc.starts_with("rustc "), "{environment:?}");
        assert_eq!(environment.executable.len(), 64);
        assert!(environment.threads >= 1);
        let text = serde_json::to_string(&environment).unwrap();
        assert_eq!(serde_json::from_str::<Environment>(&text).unwrap(), environment);
    }
}

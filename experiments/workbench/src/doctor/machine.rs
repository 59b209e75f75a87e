//! Processor, memory, clock and build.

use std::fs;
use std::time::{Duration, Instant};

use zkml_results::clock;
use zkml_results::environment::Environment;

use super::Check;

/// Vector units that field arithmetic uses where the compiler may.
const VECTOR_UNITS: [&str; 2] = ["avx2", "avx512f"];

/// Average number of busy threads per core above which times say little.
const BUSY: f64 = 0.3;

/// Free memory below which the larger experiments may fail: `dense-4m` takes about this much.
const MEMORY: u64 = 2 << 30;

/// Seconds from 1970 to 2025: no run was made before.
const EARLIEST: u64 = 1_735_689_600;

/// Coarsest clock that still times a step of microseconds.
const RESOLUTION: Duration = Duration::from_micros(1);

/// Every cell is proven, and every proof verified, in a process of its own: the executable is started again.
pub(super) fn executable(environment: &Environment) -> Check {
    match environment.executable.get(..12) {
        Some(digest) => Check::ok("executable", format!("can be started again (BLAKE3 {digest})")),
        None => Check::problem("executable", "cannot be read", "keep the program where it was started from"),
    }
}

pub(super) fn build(environment: &Environment) -> Check {
    let Environment { profile, opt_level, rustc, .. } = environment;
    let found = format!("{profile}, optimisation level {opt_level}, {rustc}");
    if opt_level != "3" {
        return Check::note(
            "build",
            found,
            "measure with the recipes of `just`, or `cargo run --release -p workbench --`",
        );
    }
    if environment.features.iter().any(|feature| feature == "count-ops") {
        return Check::note("build", found + ", counts operations", "measure times with a build without `count-ops`");
    }
    Check::ok("build", found)
}

pub(super) fn vectors(environment: &Environment) -> Check {
    let has = |list: &[String], unit: &str| list.iter().any(|known| known == unit);
    let units =
        |pick: &dyn Fn(&str) -> bool| VECTOR_UNITS.iter().copied().filter(|unit| pick(unit)).collect::<Vec<_>>();
    let used = units(&|unit| has(&environment.target_features, unit));
    let idle = units(&|unit| has(&environment.cpu_flags, unit) && !has(&environment.target_features, unit));
    let found = if used.is_empty() { "none used".to_owned() } else { format!("{} used", used.join(", ")) };
    let found = format!("{}: {found}", environment.cpu);
    if idle.is_empty() {
        return Check::ok("processor", found);
    }
    let advice = "build inside the repository, whose .cargo/config.toml sets target-cpu=native, without RUSTFLAGS";
    Check::note("processor", format!("{found}, {} idle", idle.join(", ")), advice)
}

pub(super) fn threads(environment: &Environment) -> Check {
    let Environment { cores, threads, .. } = *environment;
    let found = format!("{threads} on {cores} cores");
    match threads.cmp(&cores) {
        std::cmp::Ordering::Equal => Check::ok("threads", found),
        std::cmp::Ordering::Less => Check::note("threads", found, "unset RAYON_NUM_THREADS to use all cores"),
        std::cmp::Ordering::Greater => {
            Check::note("threads", found, "more threads than cores slow each other: RAYON_NUM_THREADS")
        }
    }
}

pub(super) fn governor(environment: &Environment) -> Check {
    match environment.governor.as_deref() {
        None => Check::ok("governor", "the system does not tell"),
        Some("performance") => Check::ok("governor", "performance"),
        Some(other) => Check::note("governor", other, "steadier times: `cpupower frequency-set -g performance`"),
    }
}

pub(super) fn load(cores: usize) -> Check {
    let text = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    load_of(&text, cores)
}

/// The first number of `/proc/loadavg`: threads that wanted to run during the last minute.
fn load_of(text: &str, cores: usize) -> Check {
    let Some(load) = text.split_whitespace().next().and_then(|word| word.parse::<f64>().ok()) else {
        return Check::ok("load", "the system does not tell");
    };
    let found = format!("{load:.1} threads during the last minute");
    if load <= BUSY * cores as f64 {
        return Check::ok("load", found);
    }
    Check::note("load", found, "other programs are computing: wait for a quiet machine, or compare CPU times")
}

pub(super) fn memory() -> Check {
    let text = fs::read_to_string("/proc/meminfo").unwrap_or_default();
    memory_of(&text)
}

fn memory_of(text: &str) -> Check {
    let line = text.lines().find_map(|line| line.strip_prefix("MemAvailable:"));
    let kib = line.and_then(|rest| rest.split_whitespace().next()?.parse::<u64>().ok());
    let Some(bytes) = kib.map(|kib| kib * 1024) else { return Check::ok("memory", "the system does not tell") };
    let found = format!("{:.1} GiB free", bytes as f64 / f64::from(1 << 30));
    if bytes >= MEMORY {
        return Check::ok("memory", found);
    }
    Check::note("memory", found, "small experiments run; `plan` predicts the committed cells of the others")
}

/// Run folders are named by the time of day; steps are timed by the steady clock.
pub(super) fn clock() -> Check {
    let now = clock::now().as_secs();
    let start = Instant::now();
    let tick = (0..100).filter_map(|_| next_tick(start)).min().unwrap_or(Duration::MAX);
    clock_of(now, tick)
}

fn clock_of(now: u64, tick: Duration) -> Check {
    if now < EARLIEST {
        let found = format!("{now} seconds after 1970");
        return Check::note("clock", found, "set the system's clock: runs are named and sorted by it");
    }
    if tick > RESOLUTION {
        return Check::note(
            "clock",
            format!("ticks of {tick:?}"),
            "times of short steps are coarse: raise measure.samples",
        );
    }
    Check::ok("clock", format!("plausible, ticks of at most {tick:?}"))
}

/// Time until the clock moves on; `None` if it does not.
fn next_tick(start: Instant) -> Option<Duration> {
    let before = start.elapsed();
    (0..1_000_000).map(|_| start.elapsed()).find_map(|now| now.checked_sub(before).filter(|tick| !tick.is_zero()))
}

#[cfg(test)]
mod tests {
    use super::super::State;
    use super::*;

    #[test]
    fn numbers_of_the_system_are_read_and_judged() {
        for (check, state, found) in [
            (load_of("0.52 0.58 0.59 1/2 3\n", 2), State::Ok, "0.5 threads"),
            (load_of("1.90 0.58 0.59 1/2 3\n", 2), State::Note, "1.9 threads"),
            (load_of("", 2), State::Ok, "does not tell"),
            (memory_of("MemTotal: 9 kB\nMemAvailable:   8388608 kB\n"), State::Ok, "8.0 GiB"),
            (memory_of("MemAvailable:   524288 kB\n"), State::Note, "0.5 GiB"),
            (clock_of(EARLIEST, Duration::from_nanos(30)), State::Ok, "30ns"),
            (clock_of(0, Duration::from_nanos(30)), State::Note, "1970"),
            (clock_of(EARLIEST, Duration::from_millis(1)), State::Note, "1ms"),
        ] {
            assert!(check.state == state && check.found.contains(found), "{check:?}");
            assert_eq!(check.advice.is_some(), state != State::Ok, "{check:?}");
        }
    }

    #[test]
    fn a_build_is_judged_by_what_it_could_use() {
        let environment = zkml_engine::environment::collect();
        let with = |flags: &[&str], features: &[&str]| Environment {
            cpu_flags: flags.iter().map(|f| (*f).to_owned()).collect(),
            target_features: features.iter().map(|f| (*f).to_owned()).collect(),
            ..environment.clone()
        };
        assert_eq!(vectors(&with(&["avx2"], &["avx2"])).state, State::Ok);
        assert!(vectors(&with(&["avx2", "avx512f"], &["avx2"])).found.ends_with("avx2 used, avx512f idle"));
        assert_eq!(vectors(&with(&[], &[])).state, State::Ok);
        let levels = ["1", "3"].map(|level| Environment {
            opt_level: level.to_owned(),
            features: Vec::new(),
            ..environment.clone()
        });
        assert_eq!(levels.each_ref().map(|e| build(e).state), [State::Note, State::Ok]);
        let counted = [3, 1, 4].map(|threads| threads_of(&environment, threads));
        assert_eq!(counted, [State::Ok, State::Note, State::Note]);
    }

    fn threads_of(environment: &Environment, count: usize) -> State {
        threads(&Environment { cores: 3, threads: count, ..environment.clone() }).state
    }
}

//! Runs that are stopped and gone on with, cells that run on their own, and everything that can be wrong with a run folder.

mod common;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use common::{Bench, code, npy, text};
use serde_json::Value;

const TWO: &str = "model.0.protocol=reveal,logup-gkr";

/// Starts the program and does not wait for it.
fn start(bench: &Bench, arguments: &[&str]) -> Child {
    let mut command = bench.command(arguments);
    command.stdout(Stdio::null()).stderr(Stdio::null()).stdin(Stdio::null());
    command.spawn().unwrap()
}

fn signal(process: &Child, signal: &str) {
    let sent = Command::new("kill").args([&format!("-{signal}"), &process.id().to_string()]).status().unwrap();
    assert!(sent.success(), "kill -{signal}");
}

fn read(path: &Path) -> Value {
    serde_json::from_slice(&fs::read(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))).unwrap()
}

fn runs(bench: &Bench) -> Vec<PathBuf> {
    let entries = fs::read_dir(bench.path("runs")).into_iter().flatten().map(|e| e.unwrap().path());
    let mut runs: Vec<PathBuf> = entries.filter(|p| p.is_dir() && !p.is_symlink()).collect();
    runs.sort();
    runs
}

fn cells(folder: &Path) -> Vec<PathBuf> {
    let mut cells: Vec<PathBuf> = fs::read_dir(folder.join("cells")).unwrap().map(|e| e.unwrap().path()).collect();
    cells.sort();
    cells
}

fn results(folder: &Path) -> Vec<Value> {
    let text = fs::read_to_string(folder.join("results.jsonl")).unwrap_or_default();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// Waits until a run has so many results, or has ended.
fn wait_for_results(bench: &Bench, process: &mut Child, count: usize) {
    let start = Instant::now();
    while process.try_wait().unwrap().is_none() && start.elapsed() < Duration::from_mins(1) {
        let newest = runs(bench).pop();
        if newest.is_some_and(|folder| {
            fs::read_to_string(folder.join("results.jsonl")).is_ok_and(|text| text.lines().count() >= count)
        }) {
            return;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// What does not depend on time, by identity: status, sizes, and the bytes of the three files.
fn deterministic(folder: &Path) -> BTreeMap<String, String> {
    let records = results(folder);
    let facts: BTreeMap<String, String> = records
        .iter()
        .map(|record| {
            let cell = folder.join("cells").join(record["cell"].as_str().unwrap());
            let files = ["proof.bin", "verifying-key.bin", "public.bin"]
                .map(|name| blake3::hash(&fs::read(cell.join(name)).unwrap()).to_hex().to_string());
            let measured = &record["measured"];
            let keys = ["proof_bytes", "proof_scopes", "committed_cells", "soundness", "accuracy", "tampered"];
            let values = keys.map(|key| measured[key].to_string());
            let facts = format!("{} {} {values:?} {files:?}", record["status"], record["point"]);
            (record["identity"].as_str().unwrap().to_owned(), facts)
        })
        .collect();
    assert_eq!(facts.len(), records.len(), "every cell once");
    facts
}

/// Numbers from a seed (`WORKBENCH_TEST_SEED`, else the time).
struct Random(u64);

impl Random {
    fn new() -> Self {
        let chosen = std::env::var("WORKBENCH_TEST_SEED").ok().and_then(|s| s.parse().ok());
        let seed = chosen.unwrap_or_else(|| std::time::UNIX_EPOCH.elapsed().unwrap().as_nanos() as u64);
        println!("WORKBENCH_TEST_SEED={seed}");
        Self(seed)
    }

    /// Below `bound`.
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % bound
    }
}

/// No process is left that works in this folder.
fn nobody_works_in(folder: &Path) {
    let name = folder.file_name().unwrap().to_string_lossy().into_owned();
    let at_work = || {
        let processes = fs::read_dir("/proc").into_iter().flatten().filter_map(Result::ok);
        processes.filter_map(|p| fs::read(p.path().join("cmdline")).ok()).any(|line| {
            let line = String::from_utf8_lossy(&line).into_owned();
            line.contains("run-cell") && line.contains(&name)
        })
    };
    let start = Instant::now();
    while at_work() {
        assert!(start.elapsed() < Duration::from_secs(10), "a cell goes on without its run in {}", folder.display());
        std::thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn forty_cells_killed_five_times_are_the_same_forty_cells() {
    let bench = Bench::new();
    let sweep = [
        "run",
        "tiny.yaml",
        "model.0.protocol=reveal,logup-gkr",
        "input.rows=1,2,3,4",
        "model.0.rmsnorm.bits=4,5,6,7,8",
    ];
    let output = bench.workbench(&[&sweep[..], &["--jobs", "2", "--runs", "undisturbed"]].concat());
    assert_eq!(code(&output), 0, "{}", text(&output));
    let undisturbed = fs::canonicalize(bench.path("undisturbed/latest-tiny")).unwrap();
    let expected = deterministic(&undisturbed);
    assert_eq!(expected.len(), 40);

    let mut random = Random::new();
    for kill in 0..5 {
        let mut process = start(&bench, &[&sweep[..], &["--jobs", if kill % 2 == 0 { "1" } else { "2" }]].concat());
        // A kill somewhere in the next eight cells: between cells, in a proof, while a record is written.
        let before = runs(&bench).pop().map_or(0, |folder| results(&folder).len());
        wait_for_results(&bench, &mut process, before + 1 + random.below(6) as usize);
        std::thread::sleep(Duration::from_millis(random.below(150)));
        signal(&process, ["KILL", "TERM", "KILL", "INT", "KILL"][kill]);
        let ended = process.wait().unwrap();
        let folder = runs(&bench).pop().unwrap();
        nobody_works_in(&folder);
        println!(
            "kill {kill}: {ended}, {} results",
            fs::read_to_string(folder.join("results.jsonl")).unwrap_or_default().lines().count()
        );
        assert_ne!(ended.code(), Some(0), "killed too late to be a test");
    }
    let output = bench.workbench(&sweep);
    assert_eq!(code(&output), 0, "{}", text(&output));
    assert!(text(&output).contains("going on with"), "{}", text(&output));
    let [folder] = runs(&bench).try_into().expect("one run, gone on with");
    assert_eq!(deterministic(&folder), expected);
    for cell in cells(&folder) {
        let left = fs::read_dir(&cell).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap());
        let hidden: Vec<String> = left.filter(|name| name.starts_with('.')).collect();
        assert!(hidden.is_empty(), "half-written files: {hidden:?}");
    }
    // A finished run is left alone: the same command makes a new one.
    let output = bench.workbench(&["run", "tiny.yaml", TWO]);
    assert_eq!((code(&output), runs(&bench).len()), (0, 2), "{}", text(&output));
}

#[test]
fn an_interrupt_keeps_what_is_finished_and_says_how_to_go_on() {
    let bench = Bench::new();
    let slow = ["run", "tiny.yaml", "model.0.protocol=reveal,logup-gkr", "input.rows=1,2,3,4", "measure.samples=20"];
    for sent in ["INT", "TERM"] {
        let mut command = bench.command(&slow);
        let mut process = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let before = runs(&bench).pop().map_or(0, |folder| results(&folder).len());
        wait_for_results(&bench, &mut process, before + 1);
        signal(&process, sent);
        let output = process.wait_with_output().unwrap();
        assert_eq!(code(&output), 130, "{}", text(&output));
        assert!(text(&output).contains("of 8 cells are done and kept in"), "{}", text(&output));
        nobody_works_in(&runs(&bench).pop().unwrap());
    }
    let output = bench.workbench(&slow);
    assert_eq!(code(&output), 0, "{}", text(&output));
    let decided = text(&output);
    let line = decided.lines().find(|l| l.starts_with("going on with")).unwrap();
    assert!(line.contains("of 8 cells are done; `--new` starts over"), "{line}");
    let [folder] = runs(&bench).try_into().expect("one run");
    assert_eq!(deterministic(&folder).len(), 8);
}

#[test]
fn a_run_goes_on_by_default_only_with_the_same_cells() {
    let bench = Bench::new();
    // A cell that fails leaves its run unfinished.
    let failing = [TWO, "measure.samples=10000", "measure.timeout_s=1"];
    let output = bench.run(&failing);
    assert_eq!(code(&output), 4, "{}", text(&output));
    let output = bench.run(&[&failing[..], &["--jobs", "2"]].concat());
    assert!(text(&output).contains("0 of 2 cells are done, 2 failed and run again"), "{}", text(&output));
    assert_eq!((runs(&bench).len(), results(&runs(&bench)[0]).len()), (1, 2));
    for record in results(&runs(&bench)[0]) {
        assert_eq!((&record["status"], record["measured"].is_null()), (&Value::from("failed"), true));
        assert_eq!(record["reason"], "stopped after measure.timeout_s = 1 s");
    }
    let output = bench.run(&[TWO, "input.rows=2"]);
    assert!(text(&output).contains("but it has other cells"), "{}", text(&output));
    assert_eq!((code(&output), runs(&bench).len()), (0, 2));
    let output = bench.run(&[&failing[..], &["--new"]].concat());
    assert_eq!((code(&output), runs(&bench).len()), (4, 3), "{}", text(&output));
    assert_eq!(code(&bench.run(&["--new", "--resume", "latest"])), 1);

    let values: Vec<f64> = (0..32).map(|i| f64::from(i % 11) - 5.0).collect();
    fs::write(bench.path("x.npy"), npy("(4, 8)", &values)).unwrap();
    let output = bench.run(&[&failing[..], &["--resume", "latest"]].concat());
    assert_eq!(code(&output), 1, "{}", text(&output));
    assert!(text(&output).contains("the input file x.npy has changed since"), "{}", text(&output));
    let output = bench.run(&[TWO, "measure.samples=2"]);
    assert!(text(&output).contains("but the input file x.npy has changed since"), "{}", text(&output));
    assert_eq!((code(&output), runs(&bench).len()), (0, 4));
}

#[test]
fn exported_cells_run_anywhere_and_are_collected_once() {
    let bench = Bench::new();
    let export = ["plan", "tiny.yaml", TWO, "input.rows=2,4", "--export", "sweep"];
    let output = bench.workbench(&export);
    assert_eq!(code(&output), 0, "{}", text(&output));
    let folder = bench.path("sweep");
    let listed: Vec<PathBuf> = String::from_utf8(output.stdout).unwrap().lines().map(PathBuf::from).collect();
    assert_eq!(listed.len(), 4);
    let run_cell =
        |cell: &Path, more: &[&str]| bench.workbench(&[&["run-cell", cell.to_str().unwrap()], more].concat());
    for cell in &listed[..3] {
        let output = run_cell(cell, &["--jobs", "2"]);
        assert_eq!(code(&output), 0, "{}", text(&output));
        let record = read(&cell.join("record.json"));
        assert_eq!((&record["status"], &record["experiment"]), (&Value::from("ok"), &Value::from("tiny")));
        assert_eq!(record["measured"]["machine"]["jobs"], 2);
        assert!(cell.join("environment.json").exists());
    }
    let collect = || bench.workbench(&["collect", "sweep"]);
    let output = collect();
    assert_eq!(code(&output), 4, "{}", text(&output));
    assert!(text(&output).contains("MISSING model.0.protocol=logup-gkr input.rows=4"), "{}", text(&output));
    assert!(text(&output).contains("1 of 4 cells are missing"), "{}", text(&output));

    // A finished cell is left alone unless it is asked for again, and exporting again keeps it.
    let first = fs::read(listed[0].join("record.json")).unwrap();
    assert!(text(&run_cell(&listed[0], &[])).contains("finished before: ok"));
    assert_eq!(code(&bench.workbench(&export)), 0);
    assert_eq!(fs::read(listed[0].join("record.json")).unwrap(), first);
    assert_eq!(code(&run_cell(&listed[0], &["--again"])), 0);
    assert_ne!(fs::read(listed[0].join("record.json")).unwrap(), first);

    assert_eq!(code(&run_cell(&listed[3], &[])), 0);
    for _ in 0..3 {
        let output = collect();
        assert_eq!(code(&output), 0, "{}", text(&output));
        assert!(text(&output).contains("4 of 4 cells ok"), "{}", text(&output));
        assert_eq!(deterministic(&folder).len(), 4);
    }
    let again = results(&folder).into_iter().find(|r| listed[0].ends_with(r["cell"].as_str().unwrap())).unwrap();
    assert_eq!(again["started"], read(&listed[0].join("record.json"))["started"]);
    // The same cells in a run of their own give the same bytes.
    assert_eq!(code(&bench.run(&[TWO, "input.rows=2,4"])), 0);
    assert_eq!(deterministic(&runs(&bench)[0]), deterministic(&folder));

    let output = bench.workbench(&["plan", "tiny.yaml", "--export", "sweep"]);
    assert!(code(&output) == 1 && text(&output).contains("a run of other cells"), "{}", text(&output));
    let output = bench.workbench(&["plan", "tiny.yaml", "--export", "."]);
    assert!(code(&output) == 1 && text(&output).contains("not empty"), "{}", text(&output));
    let output = bench.workbench(&["collect", "runs"]);
    assert!(code(&output) == 1 && text(&output).contains("plan of the run cannot be read"), "{}", text(&output));
}

#[test]
fn a_cell_refuses_what_it_was_not_planned_with() {
    let bench = Bench::new();
    let output = bench.workbench(&["plan", "tiny.yaml", TWO, "--export", "sweep"]);
    assert_eq!(code(&output), 0, "{}", text(&output));
    let [first, second] = cells(&bench.path("sweep")).try_into().unwrap();
    let run_cell = |more: &[&str]| bench.workbench(&[&["run-cell", first.to_str().unwrap()], more].concat());
    let refused = |output: &Output, says: &str| {
        assert_eq!(code(output), 1, "{says}: {}", text(output));
        assert!(text(output).contains(says), "{says}: {}", text(output));
        assert!(!first.join("record.json").exists(), "{says}");
    };
    let (data, job) = (fs::read(bench.path("x.npy")).unwrap(), fs::read(first.join("cell.json")).unwrap());
    fs::write(bench.path("x.npy"), npy("(4, 8)", &[1.5; 32])).unwrap();
    refused(&run_cell(&[]), "x.npy: the input file has changed");
    fs::remove_file(bench.path("x.npy")).unwrap();
    refused(&run_cell(&[]), "x.npy: the input file, which was there when the cell was planned, cannot be read");
    fs::create_dir(bench.path("elsewhere")).unwrap();
    fs::copy(bench.path("gain.npy"), bench.path("elsewhere/gain.npy")).unwrap();
    fs::write(bench.path("elsewhere/x.npy"), &data).unwrap();

    let mut other: Value = serde_json::from_slice(&job).unwrap();
    other["executable"] = Value::from("0123456789abcdef");
    fs::write(first.join("cell.json"), other.to_string()).unwrap();
    refused(&run_cell(&["--data", "elsewhere"]), "planned by another build of the workbench (executable 0123456789ab)");
    fs::write(first.join("cell.json"), &job[..job.len() / 2]).unwrap();
    refused(&run_cell(&["--data", "elsewhere"]), "the cell's job cannot be read");
    fs::write(first.join("cell.json"), &job).unwrap();
    assert_eq!(code(&run_cell(&["--data", "elsewhere"])), 0);

    // A record of another cell is neither taken for this one's nor overwritten.
    fs::copy(first.join("record.json"), second.join("record.json")).unwrap();
    let foreign = fs::read(second.join("record.json")).unwrap();
    fs::write(bench.path("x.npy"), &data).unwrap();
    let output = bench.workbench(&["run-cell", second.to_str().unwrap()]);
    assert!(code(&output) == 1 && text(&output).contains("the record is of another cell"), "{}", text(&output));
    let output = bench.workbench(&["collect", "sweep"]);
    assert_eq!(code(&output), 4, "{}", text(&output));
    assert!(
        text(&output).contains("ignored") && text(&output).contains("1 of 2 cells are missing"),
        "{}",
        text(&output)
    );
    assert_eq!(fs::read(second.join("record.json")).unwrap(), foreign);
    // Half of one is none.
    fs::write(second.join("record.json"), &foreign[..foreign.len() / 2]).unwrap();
    let output = bench.workbench(&["run-cell", second.to_str().unwrap()]);
    assert_eq!(code(&output), 0, "{}", text(&output));
    assert!(text(&output).contains("the cell runs again"), "{}", text(&output));
    assert_eq!(code(&bench.workbench(&["collect", "sweep"])), 0);
}

#[test]
fn nothing_runs_twice_at_once() {
    let bench = Bench::new();
    let long = ["run", "tiny.yaml", TWO, "measure.samples=10000", "measure.timeout_s=100"];
    let mut process = start(&bench, &long);
    let begun = Instant::now();
    let at_work = || runs(&bench).pop().filter(|f| f.join("cells").is_dir() && !cells(f).is_empty());
    while at_work().is_none_or(|f| !cells(&f)[0].join("environment.json").exists()) {
        assert!(begun.elapsed() < Duration::from_mins(1) && process.try_wait().unwrap().is_none());
        std::thread::sleep(Duration::from_millis(10));
    }
    let folder = at_work().unwrap();
    let name = folder.file_name().unwrap().to_string_lossy().into_owned();
    let pid = format!("process {}", process.id());
    for arguments in [&long[..], &["collect", folder.to_str().unwrap()]] {
        let output = bench.workbench(arguments);
        assert_eq!(code(&output), 5, "{}", text(&output));
        assert!(text(&output).contains(&name) && text(&output).contains(&pid), "{}", text(&output));
    }
    let output = bench.workbench(&["run-cell", cells(&folder)[0].to_str().unwrap()]);
    assert_eq!(code(&output), 5, "{}", text(&output));
    assert!(text(&output).contains("is at work here"), "{}", text(&output));
    // A crash frees both.
    signal(&process, "KILL");
    process.wait().unwrap();
    nobody_works_in(&folder);
    let output = bench.run(&[TWO, "measure.samples=10000", "measure.timeout_s=1", "--resume", "latest"]);
    assert_eq!(code(&output), 4, "{}", text(&output));
}

#[test]
fn a_corrupt_result_is_named_and_its_cell_runs_again() {
    let bench = Bench::new();
    let sweep = [TWO, "input.rows=2,4"];
    assert_eq!(code(&bench.run(&sweep)), 0);
    let folder = fs::canonicalize(bench.path("runs/latest-tiny")).unwrap();
    let path = folder.join("results.jsonl");
    let lines: Vec<String> = fs::read_to_string(&path).unwrap().lines().map(str::to_owned).collect();
    let cell = results(&folder)[1]["cell"].as_str().unwrap().to_owned();
    let damaged = format!("{}\n{}\n{}\n{}\n", lines[0], &lines[1][..lines[1].len() / 2], lines[2], lines[3]);
    fs::write(&path, &damaged).unwrap();
    // The cell's own record has the result still: nothing has to be measured again.
    let output = bench.run(&[&sweep[..], &["--resume", "latest"]].concat());
    assert_eq!(code(&output), 0, "{}", text(&output));
    assert!(text(&output).contains("results.jsonl:2: skipped"), "{}", text(&output));
    assert!(text(&output).contains("4 of 4 cells are done"), "{}", text(&output));
    assert_eq!(deterministic(&folder).len(), 4);
    // Without it, the cell runs again, and the others do not.
    let started = |skip: &str| {
        let records = results(&folder).into_iter().filter(|r| r["cell"] != skip);
        records
            .map(|r| (r["cell"].to_string(), r["started"].to_string(), r["seconds"].to_string()))
            .collect::<std::collections::BTreeSet<_>>()
    };
    let others = started(&cell);
    fs::write(&path, &damaged).unwrap();
    fs::remove_file(folder.join("cells").join(&cell).join("record.json")).unwrap();
    let output = bench.run(&sweep);
    assert_eq!(code(&output), 0, "{}", text(&output));
    assert!(text(&output).contains("3 of 4 cells are done"), "{}", text(&output));
    assert_eq!((runs(&bench).len(), deterministic(&folder).len()), (1, 4));
    assert_eq!(started(&cell), others);
    assert!(fs::read_to_string(folder.join("results.damaged.jsonl")).unwrap().starts_with(&lines[1][..50]));
}

#[test]
fn folders_that_cannot_be_written_are_named() {
    let bench = Bench::new();
    for folder in ["gain.npy", "/proc/runs"] {
        let output = bench.run(&["--runs", folder]);
        assert_eq!(code(&output), 1, "{}", text(&output));
        assert!(text(&output).contains(folder) && text(&output).contains("cannot be made"), "{}", text(&output));
        let output = bench.workbench(&["plan", "tiny.yaml", "--export", &format!("{folder}/sweep")]);
        assert_eq!(code(&output), 1, "{}", text(&output));
        assert!(text(&output).contains(folder) && text(&output).contains("cannot be made"), "{}", text(&output));
    }
}

#[test]
fn a_full_disk_is_named_and_earlier_results_stay() {
    let bench = Bench::new();
    fs::create_dir(bench.path("small")).unwrap();
    // A file system of one's own, in a mount namespace of one's own, that ends with the shell.
    let script = r#"
        mount -t tmpfs -o size=1m tmpfs small || exit 77
        "$0" run tiny.yaml "$1" --runs small || exit 78
        results=$(readlink -f small/latest-tiny)/results.jsonl
        cp "$results" before.jsonl
        dd if=/dev/zero of=small/filler bs=1k count=4096 2>/dev/null
        "$0" run tiny.yaml "$1" input.rows=1,2,3,4 --runs small --resume latest >second.txt 2>&1
        echo $? >code
        cp "$results" after.jsonl
        rm small/filler
        "$0" run tiny.yaml "$1" input.rows=1,2,3,4 --runs small --resume latest >third.txt 2>&1 || exit 79
        cp "$results" end.jsonl"#;
    let mut command = Command::new("unshare");
    command.args(["-rm", "sh", "-c", script, env!("CARGO_BIN_EXE_workbench"), "model.0.protocol=reveal"]);
    let output = match command.current_dir(bench.path("")).env_remove("RUST_LOG").output() {
        Ok(output) if output.status.code() != Some(77) && !text(&output).contains("unshare:") => output,
        refused => {
            println!("SKIPPED: no file system can be mounted here: {refused:?}");
            return;
        }
    };
    let file = |name: &str| fs::read_to_string(bench.path(name)).unwrap_or_default();
    assert_eq!(code(&output), 0, "{}\n{}\n{}", text(&output), file("second.txt"), file("third.txt"));
    assert_eq!(file("code").trim(), "1", "{}", file("second.txt"));
    assert!(file("second.txt").contains("the disk is full"), "{}", file("second.txt"));
    assert_eq!(file("before.jsonl"), file("after.jsonl"));
    assert_eq!((file("before.jsonl").lines().count(), file("end.jsonl").lines().count()), (1, 5));
    assert!(
        file("end.jsonl").lines().all(|line| serde_json::from_str::<Value>(line).is_ok_and(|r| r["status"] == "ok"))
    );
}

#[test]
fn the_plan_shows_what_cells_took_before_and_jobs_are_recorded() {
    let bench = Bench::new();
    let output = bench.run(&[TWO, "--jobs", "2"]);
    assert_eq!(code(&output), 0, "{}", text(&output));
    let records = bench.records();
    let threads = std::thread::available_parallelism().map_or(1, usize::from) / 2;
    for record in &records {
        assert_eq!(record["measured"]["machine"]["jobs"], 2);
        let digest = record["environment"].as_str().unwrap();
        let environment = read(&bench.path("runs/latest-tiny").join(format!("env-{digest}.json")));
        if std::env::var_os("RAYON_NUM_THREADS").is_none() {
            assert_eq!(environment["threads"], threads.max(1));
        }
    }
    let plan = text(&bench.workbench(&["plan", "tiny.yaml", "model.0.protocol=reveal,logup-gkr,logkr"]));
    assert!(plan.contains("2 of 3 cells ran before, in ") && plan.contains("soundness"), "{plan}");
    let fresh = text(&bench.workbench(&["plan", "tiny.yaml", TWO, "--runs", "none"]));
    assert!(!fresh.contains("ran before"), "{fresh}");
    let details = text(&bench.workbench(&["plan", "tiny.yaml", TWO, "--details"]));
    assert!(details.contains("cell 2 of 2") && details.contains("the largest terms"), "{details}");
}

#[test]
fn very_many_cells_are_asked_about_before_anything_is_planned() {
    let bench = Bench::new();
    let many = ["tiny.yaml", "measure.warmup=0..10000"];
    let asked = [&["run"][..], &["plan"], &["plan", "--export", "sweep"]];
    for command in asked {
        let output = bench.workbench(&[command, &many].concat());
        assert_eq!(code(&output), 1, "{}", text(&output));
        assert!(text(&output).contains("10001 cells") && text(&output).contains("`--yes`"), "{}", text(&output));
    }
    assert!(!bench.path("runs").exists() && !bench.path("sweep").exists());
    // With it, the next thing that is wrong is named.
    let output = bench.workbench(&["run", "--yes", "tiny.yaml", "measure.warmup=0..10000", "input.file=none.npy"]);
    assert!(code(&output) == 1 && text(&output).contains("cannot be read"), "{}", text(&output));
}

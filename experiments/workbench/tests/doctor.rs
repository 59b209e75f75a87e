//! `workbench doctor`: what it prints, and its exit code.

use std::fs;
use std::process::Command;

use serde_json::Value;

fn doctor(runs: &std::path::Path, arguments: &[&str]) -> (Option<i32>, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_workbench"));
    let output = command.arg("doctor").arg("--runs").arg(runs).args(arguments).output().unwrap();
    (output.status.code(), String::from_utf8(output.stdout).unwrap())
}

#[test]
fn every_check_has_a_state_and_every_note_says_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let (code, text) = doctor(folder.path(), &["--json"]);
    let report: Value = serde_json::from_str(&text).unwrap();
    assert_eq!((code, &report["can_run"]), (Some(0), &Value::from(true)), "{text}");
    let checks = report["checks"].as_array().unwrap();
    for check in checks {
        let ok = check["state"] == "ok";
        assert!(!check["found"].as_str().unwrap().is_empty(), "{check}");
        assert_eq!(check["advice"].as_str().is_some_and(|advice| !advice.is_empty()), !ok, "{check}");
    }
    let names: Vec<&str> = checks.iter().filter_map(|check| check["name"].as_str()).collect();
    let expected = [
        "build",
        "processor",
        "threads",
        "governor",
        "load",
        "memory",
        "clock",
        "experiments",
        "runs folder",
        "disk",
        "bn254 cache",
        "git",
        "device cpu",
        "device gpu",
        "device icicle",
        "python",
        "chromium",
    ];
    for name in expected {
        assert!(names.contains(&name), "{name} is missing in {names:?}");
    }
    // The tests are built for tests.
    let build = checks.iter().find(|check| check["name"] == "build").unwrap();
    assert_eq!(build["state"] == "ok", build["found"].as_str().unwrap().contains("level 3"), "{build}");
}

#[test]
fn a_folder_that_cannot_be_written_makes_a_run_impossible() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    fs::write(&file, "").unwrap();
    let (code, text) = doctor(&file.join("runs"), &[]);
    assert_eq!(code, Some(1), "{text}");
    assert!(text.contains("PROBLEM runs folder") && text.contains("-> name another one: --runs DIR"), "{text}");
    assert!(text.contains("a run is impossible: 1 problem"), "{text}");
}

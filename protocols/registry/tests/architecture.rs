//! The boundaries between the crates, and the house rules that a machine can check.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

/// Crates under `protocols/` that are no protocols themselves.
const INFRASTRUCTURE: &[&str] = &["core", "commitment", "model", "pairing", "registry", "testkit"];

/// What a crate may depend on, by folder. `protocols/*` stands for every protocol.
fn allowed(folder: &str) -> Option<&'static [&'static str]> {
    Some(match folder {
        "kernels/device" | "kernels/import" | "protocols/pairing" => &[],
        "protocols/core" | "kernels/gpu" | "kernels/icicle" => &["kernels/device"],
        "kernels/layers" | "protocols/testkit" | "protocols/sumcheck" | "experiments/results" => {
            &["protocols/core", "kernels/device"]
        }
        "protocols/commitment" => &["protocols/core", "protocols/pairing", "protocols/sumcheck", "kernels/device"],
        "protocols/model" => &["protocols/core", "protocols/sumcheck", "protocols/commitment", "kernels/device"],
        "protocols/registry" => &["protocols/core", "protocols/commitment", "protocols/*"],
        "experiments/report" => &["protocols/core", "kernels/device", "experiments/results"],
        "experiments/engine" => &[
            "protocols/core",
            "protocols/commitment",
            "protocols/model",
            "protocols/registry",
            "kernels/device",
            "kernels/gpu",
            "kernels/icicle",
            "kernels/import",
            "kernels/layers",
            "experiments/results",
        ],
        "experiments/workbench" => &[
            "protocols/core",
            "protocols/pairing",
            "kernels/gpu",
            "kernels/import",
            "kernels/layers",
            "experiments/results",
            "experiments/report",
            "experiments/engine",
        ],
        "experiments/benches" => &[
            "protocols/core",
            "protocols/*",
            "kernels/device",
            "experiments/results",
            "experiments/report",
            "experiments/engine",
        ],
        _ if is_protocol(folder) => &["protocols/core", "protocols/pairing", "protocols/sumcheck", "kernels/device"],
        _ => return None,
    })
}

fn is_protocol(folder: &str) -> bool {
    folder.strip_prefix("protocols/").is_some_and(|name| !INFRASTRUCTURE.contains(&name))
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().expect("the workspace has a root")
}

/// One crate of the workspace: its folder and its dependencies inside the workspace, by kind.
struct Member {
    folder: String,
    normal: BTreeSet<String>,
    dev: BTreeSet<String>,
}

fn members() -> Vec<Member> {
    let root = root();
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--no-deps", "--offline", "--locked", "--format-version", "1"])
        .current_dir(&root)
        .output()
        .expect("cargo runs");
    assert!(output.status.success(), "cargo metadata: {}", String::from_utf8_lossy(&output.stderr));
    let metadata: Value = serde_json::from_slice(&output.stdout).expect("cargo metadata prints JSON");
    let folder = |path: &str| {
        let path = Path::new(path).strip_prefix(&root).unwrap_or_else(|_| panic!("{path} lies outside the workspace"));
        path.to_string_lossy().replace('\\', "/")
    };
    let text = |value: &Value| value.as_str().map(ToOwned::to_owned);
    let packages = metadata["packages"].as_array().expect("packages");
    let member = |package: &Value| {
        let manifest = text(&package["manifest_path"]).expect("manifest path");
        let mut dependencies: BTreeMap<bool, BTreeSet<String>> = BTreeMap::new();
        for dependency in package["dependencies"].as_array().expect("dependencies") {
            if let Some(path) = text(&dependency["path"]) {
                let is_dev = dependency["kind"].as_str() == Some("dev");
                dependencies.entry(is_dev).or_default().insert(folder(&path));
            }
        }
        Member {
            folder: folder(manifest.trim_end_matches("/Cargo.toml")),
            normal: dependencies.remove(&false).unwrap_or_default(),
            dev: dependencies.remove(&true).unwrap_or_default(),
        }
    };
    packages.iter().map(member).collect()
}

#[test]
fn arrows_point_one_way() {
    let members = members();
    assert!(members.len() >= 10, "only {} crates found", members.len());
    let mut wrong = Vec::new();
    for member in &members {
        let Some(allowed) = allowed(&member.folder) else {
            wrong.push(format!("{} is no known place for a crate", member.folder));
            continue;
        };
        for target in &member.normal {
            let any_protocol = is_protocol(target) && allowed.contains(&"protocols/*");
            if !allowed.contains(&target.as_str()) && !any_protocol {
                wrong.push(format!("{} -> {target}", member.folder));
            }
        }
        for target in &member.dev {
            if target.starts_with("experiments/") || (member.folder.starts_with("kernels/") && is_protocol(target)) {
                wrong.push(format!("{} -> {target} (tests)", member.folder));
            }
        }
    }
    assert!(wrong.is_empty(), "arrows that ARCHITECTURE.md does not have:\n{}", wrong.join("\n"));
}

#[test]
fn every_protocol_is_registered_and_runs_the_conformance_suite() {
    let members = members();
    let registry = members.iter().find(|m| m.folder == "protocols/registry").expect("the registry exists");
    for member in members.iter().filter(|m| is_protocol(&m.folder)) {
        assert!(registry.normal.contains(&member.folder), "{} is not in the registry", member.folder);
        let sources = rust_files(&root().join(&member.folder));
        let runs = sources.iter().any(|file| read(file).contains("zkml_testkit::conformance!"));
        assert!(runs, "{} does not run `zkml_testkit::conformance!`", member.folder);
    }
}

#[test]
fn source_files_are_short_and_nothing_is_left_open() {
    let marks = ["TO".to_owned() + "DO", "FIX".to_owned() + "ME", "XX".to_owned() + "X:"];
    let mut wrong = Vec::new();
    for folder in ["protocols", "kernels", "experiments"] {
        for file in rust_files(&root().join(folder)) {
            let text = read(&file);
            let code = text.split("#[cfg(test)]\nmod ").next().unwrap_or_default();
            let lines = code.lines().filter(|line| !line.trim().is_empty()).count();
            if lines > 600 {
                wrong.push(format!("{} has {lines} lines of code", file.display()));
            }
            for (i, line) in text.lines().enumerate() {
                if marks.iter().any(|mark| line.contains(mark)) {
                    wrong.push(format!("{}:{}: {}", file.display(), i + 1, line.trim()));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "house rules broken:\n{}", wrong.join("\n"));
}

fn read(file: &Path) -> String {
    std::fs::read_to_string(file).unwrap_or_else(|e| panic!("{}: {e}", file.display()))
}

/// All Rust files below a folder, build outputs left out.
fn rust_files(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    let mut pending = vec![folder.to_owned()];
    while let Some(folder) = pending.pop() {
        let entries = std::fs::read_dir(&folder).unwrap_or_else(|e| panic!("{}: {e}", folder.display()));
        for path in entries.filter_map(Result::ok).map(|entry| entry.path()) {
            if path.is_dir() && path.file_name().is_some_and(|name| name != "target") {
                pending.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                files.push(path);
            }
        }
    }
    files.sort();
    files
}

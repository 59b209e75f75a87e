//! `workbench new` in a copy of the repository's sources: what it makes, where it registers it, and what it refuses. Whether
//! a skeleton compiles and passes its tests is shown by `docs/tutorial-test`.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// What skeletons are registered in, and the rest of the crates that these files are part of.
const SOURCES: [&str; 7] = [
    "Cargo.toml",
    "Cargo.lock",
    "rustfmt.toml",
    "papers",
    "protocols/registry",
    "kernels/layers/src",
    "experiments/engine/src",
];

struct Copy {
    folder: tempfile::TempDir,
}

impl Copy {
    fn new() -> Self {
        let copy = Self { folder: tempfile::tempdir().unwrap() };
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        for source in SOURCES {
            copy_all(&root.join(source), &copy.path(source));
        }
        copy
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap_or_else(|e| panic!("{name}: {e}"))
    }

    fn workbench(&self, arguments: &[&str]) -> Output {
        // From a folder below: the root is found upwards.
        let mut command = Command::new(env!("CARGO_BIN_EXE_workbench"));
        command.args(arguments).current_dir(self.path("protocols/registry")).output().unwrap()
    }

    /// Makes something; returns what is printed.
    fn make(&self, arguments: &[&str]) -> String {
        let output = self.workbench(&[&["new"], arguments].concat());
        let text = String::from_utf8(output.stdout).unwrap();
        assert!(output.status.success(), "{text}{}", String::from_utf8_lossy(&output.stderr));
        text
    }

    /// Does not make something, and changes nothing; returns the reason.
    fn refuse(&self, arguments: &[&str]) -> String {
        let before = self.files();
        let output = self.workbench(&[&["new"], arguments].concat());
        assert_eq!(output.status.code(), Some(1), "{arguments:?}");
        assert!(before == self.files(), "{arguments:?} changes files");
        String::from_utf8(output.stderr).unwrap()
    }

    /// All files with their content.
    fn files(&self) -> BTreeMap<PathBuf, Vec<u8>> {
        let mut files = BTreeMap::new();
        let mut pending = vec![self.folder.path().to_owned()];
        while let Some(path) = pending.pop() {
            if path.is_dir() {
                pending.extend(fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
            } else {
                files.insert(path.clone(), fs::read(&path).unwrap());
            }
        }
        files
    }

    /// The crate's files are formatted as `cargo fmt` wants them: the lists are still sorted.
    fn assert_formatted(&self, file: &str) {
        let output = Command::new("rustfmt")
            .args(["--check", "--edition", "2024", "--config-path"])
            .args([self.path("rustfmt.toml"), self.path(file)])
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    }
}

fn copy_all(from: &Path, to: &Path) {
    if from.is_dir() {
        fs::create_dir_all(to).unwrap();
        for entry in fs::read_dir(from).unwrap().map(Result::unwrap) {
            copy_all(&entry.path(), &to.join(entry.file_name()));
        }
    } else {
        fs::create_dir_all(to.parent().unwrap()).unwrap();
        fs::copy(from, to).unwrap();
    }
}

/// Every `FILE:LINE` that is printed below `to fill in` names a line that says `Step N`.
fn assert_steps(copy: &Copy, text: &str, count: usize) {
    let steps =
        text.split("to fill in, in this order\n").nth(1).and_then(|rest| rest.split("\nthen\n").next()).unwrap();
    let places: Vec<&str> = steps.lines().filter(|line| !line.starts_with("      ")).collect();
    assert_eq!(places.len(), count, "{steps}");
    for (i, place) in places.iter().enumerate() {
        let (number, place) = place.trim().split_once("  ").unwrap();
        let (file, line) = place.rsplit_once(':').unwrap();
        let text = copy.read(file);
        let line = text.lines().nth(line.parse::<usize>().unwrap() - 1).unwrap();
        assert_eq!(number, (i + 1).to_string());
        assert!(line.contains(&format!("Step {number}: ")), "{place}: {line}");
    }
}

#[test]
fn a_protocol_is_one_folder_and_is_registered() {
    let copy = Copy::new();
    let text = copy.make(&["protocol", "small-range"]);
    assert_steps(&copy, &text, 11);
    assert!(
        copy.read("Cargo.toml")
            .contains("\nzkml-small-range = { path = \"protocols/small-range\", default-features = false }\n")
    );
    let registry = copy.read("protocols/registry/Cargo.toml");
    assert!(
        registry
            .contains("    \"zkml-reveal/prover\",\n    \"zkml-small-range/prover\",\n    \"zkml-sumcheck/prover\",\n")
    );
    assert!(registry.contains("\nzkml-reveal.workspace = true\nzkml-small-range.workspace = true\n"));
    assert!(
        copy.read("protocols/registry/src/lib.rs")
            .contains("        row(|_| Ok(zkml_small_range::SmallRange)),\n    ];\n")
    );
    assert!(copy.read("papers/README.md").contains("\n| [small-range](small-range.md) |"));
    assert!(copy.read("protocols/small-range/src/lib.rs").contains("    slots: &[Slot::Lookup],\n"));
    assert!(copy.refuse(&["protocol", "small-range"]).contains("exists already; nothing is overwritten"));

    copy.make(&["protocol", "aa", "--slot", "both"]);
    copy.make(&["protocol", "zz", "--slot", "einsum"]);
    let both = copy.read("protocols/aa/src/lib.rs");
    assert!(both.contains("slots: &[Slot::Einsum, Slot::Lookup],") && both.contains("companion: None,"));
    assert!(copy.read("protocols/zz/src/lib.rs").contains("companion: Some(\"logup-gkr\"),"));
    assert!(
        copy.read("protocols/registry/Cargo.toml")
            .contains("    \"zkml-zkmatrix/prover\",\n    \"zkml-zz/prover\",\n]\n")
    );
    for name in ["small-range", "aa", "zz"] {
        copy.assert_formatted(&format!("protocols/{name}/src/lib.rs"));
        copy.assert_formatted(&format!("protocols/{name}/tests/conformance.rs"));
    }
    copy.assert_formatted("protocols/registry/src/lib.rs");
    for (path, content) in copy.files() {
        assert!(!String::from_utf8_lossy(&content).contains("@name@"), "{} is not filled in", path.display());
    }
}

#[test]
fn a_kernel_is_a_file_per_crate_and_is_listed_in_both() {
    let copy = Copy::new();
    let text = copy.make(&["kernel", "softmax"]);
    assert_steps(&copy, &text, 10);
    copy.make(&["kernel", "aa"]);
    copy.make(&["kernel", "zz"]);
    for (file, line) in [
        ("kernels/layers/src/lib.rs", "pub mod softmax;"),
        ("kernels/layers/src/lib.rs", "pub use softmax::Softmax;"),
        ("kernels/layers/src/kernel.rs", "use crate::softmax::Softmax;"),
        ("kernels/layers/src/kernel.rs", "    Softmax: INFO;"),
        ("experiments/engine/src/kernels/mod.rs", "mod softmax;"),
        ("experiments/engine/src/kernels/mod.rs", "    softmax: softmax::Softmax,"),
    ] {
        assert_eq!(copy.read(file).lines().filter(|other| *other == line).count(), 1, "{file}: {line}");
    }
    copy.assert_formatted("kernels/layers/src/lib.rs");
    copy.assert_formatted("experiments/engine/src/kernels/mod.rs");
}

#[test]
fn an_experiment_is_one_file_that_can_be_planned() {
    let copy = Copy::new();
    let text = copy.make(&["experiment", "my-comparison"]);
    assert_steps(&copy, &text, 5);
    let plan = copy.workbench(&["plan", "my-comparison", "--json"]);
    assert!(plan.status.success(), "{}", String::from_utf8_lossy(&plan.stderr));
    assert!(copy.refuse(&["experiment", "my-comparison"]).contains("is taken: it is an experiment"));
}

#[test]
fn a_dry_run_names_everything_and_writes_nothing() {
    let copy = Copy::new();
    for arguments in [["protocol", "toy"], ["kernel", "toy"], ["experiment", "toy"]] {
        let before = copy.files();
        let dry = copy.make(&[&arguments[..], &["--dry-run"]].concat());
        assert!(before == copy.files(), "{arguments:?}");
        let made = Copy::new().make(&arguments);
        assert_eq!(dry.replace("would create", "created").replace("would change", "changed"), made);
    }
}

#[test]
fn names_that_are_wrong_or_taken_are_refused() {
    let copy = Copy::new();
    for (arguments, reason) in [
        (["protocol", "Toy"], "is no name: lower-case"),
        (["protocol", "../toy"], "is no name: lower-case"),
        (["protocol", "match"], "reserved word"),
        (["protocol", "logkr"], "it is a protocol"),
        (["protocol", "registry"], "exists already"),
        (["protocol", "layers"], "there is a crate `zkml-layers`"),
        (["protocol", "lookup"], "key of experiment files"),
        (["protocol", "bn254"], "it is a suite"),
        (["protocol", "gpu"], "it is a device"),
        (["protocol", "claim"], "needs the type `Claim`"),
        (["protocol", "relu"], "it is a kernel"),
        (["kernel", "soft-max"], "one word"),
        (["kernel", "relu"], "it is a kernel"),
        (["kernel", "name"], "key of experiment files"),
        (["kernel", "limbs"], "exists already"),
        (["kernel", "node"], "has a type `Node`"),
        (["experiment", "logkr"], "it is a protocol"),
    ] {
        let message = copy.refuse(&arguments);
        assert!(message.contains(reason), "{arguments:?}: {message}");
    }
    // A registry that nobody foresaw: nothing is written before every place is found.
    fs::write(copy.path("protocols/registry/src/lib.rs"), "fn rows() {}\n").unwrap();
    assert!(copy.refuse(&["protocol", "toy"]).contains("protocols/registry/src/lib.rs has no place for `row("));
}

#[test]
fn outside_of_a_clone_nothing_is_made() {
    let folder = tempfile::tempdir().unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_workbench"));
    let output = command.args(["new", "protocol", "toy"]).current_dir(folder.path()).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains("is not inside a clone"));
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
}

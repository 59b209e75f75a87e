//! The three kinds of skeleton: which files they have, and where they are registered.

use std::path::Path;

use zkml_engine::{catalogue, devices, locate};

use super::changes::{Changes, Place};
use super::name::Name;
use crate::cli::{NewArgs, NewKind, NewSlot};

/// Keys of a layer, and of the slots of a `protocol` key, that are no names of kernels and protocols.
const KEYS: [&str; 6] = ["protocol", "name", "input", "inputs", "einsum", "lookup"];

/// A file of a skeleton: where it goes, and its template.
type File = (String, &'static str);

/// Everything that the skeleton changes, or why it cannot be made.
pub(super) fn changes(args: &NewArgs, name: &Name, root: &Path) -> Result<Changes, String> {
    check_free(args.kind, name)?;
    let mut changes = Changes::new(root);
    let files = match args.kind {
        NewKind::Protocol => protocol_files(name),
        NewKind::Kernel => kernel_files(name),
        NewKind::Experiment => experiment_files(name),
    };
    for (file, template) in files {
        if has_word(template, &name.camel) {
            return Err(format!(
                "`{}` cannot be used: {file} needs the type `{}` for something else",
                name.kebab, name.camel
            ));
        }
        changes.create(file, fill(template, name, args.slot))?;
    }
    match args.kind {
        NewKind::Protocol => register_protocol(&mut changes, name, args.slot)?,
        NewKind::Kernel => register_kernel(&mut changes, name)?,
        NewKind::Experiment => {}
    }
    Ok(changes)
}

/// What to run once everything is filled in.
pub(super) fn next(kind: NewKind, name: &Name) -> Vec<String> {
    let Name { kebab, ident, .. } = name;
    let schema =
        "just schema                      writes the name into experiments/experiment.schema.json, for editors";
    match kind {
        NewKind::Protocol => vec![
            format!("cargo test -p zkml-{kebab}"),
            "cargo test -p zkml-registry      the boundaries between crates".to_owned(),
            schema.to_owned(),
            format!("just describe {kebab}"),
        ],
        NewKind::Kernel => vec![
            format!("cargo test -p zkml-layers {ident}"),
            "cargo test -p zkml-layers --test conformance     every protocol proves it".to_owned(),
            schema.to_owned(),
            format!("just describe {kebab}"),
        ],
        NewKind::Experiment => vec![format!("just plan {kebab}"), format!("just experiment {kebab}")],
    }
}

/// Names are looked up in one list by `workbench describe`: each means one thing.
fn check_free(kind: NewKind, name: &Name) -> Result<(), String> {
    let name = name.kebab.as_str();
    let protocols = catalogue::protocols().into_iter().map(|p| p.id.to_owned()).collect();
    let names = |rows: Vec<(String, String)>| rows.into_iter().map(|(name, _)| name).collect::<Vec<_>>();
    let experiments = locate::experiments().into_iter().map(|(name, _)| name).collect();
    for (what, taken) in [
        ("a protocol", protocols),
        ("a kernel", names(catalogue::kernels())),
        ("a suite", names(catalogue::suites())),
        ("a device", names(devices::names())),
        ("an experiment", experiments),
    ] {
        if taken.iter().any(|known| known == name) {
            return Err(format!("`{name}` is taken: it is {what}"));
        }
    }
    if kind != NewKind::Experiment && KEYS.contains(&name) {
        return Err(format!("`{name}` is taken: it is a key of experiment files"));
    }
    Ok(())
}

fn protocol_files(name: &Name) -> Vec<File> {
    let folder = format!("protocols/{}", name.kebab);
    vec![
        (format!("papers/{}.md", name.kebab), include_str!("templates/protocol/paper.md.in")),
        (format!("{folder}/Cargo.toml"), include_str!("templates/protocol/Cargo.toml.in")),
        (format!("{folder}/src/lib.rs"), include_str!("templates/protocol/lib.rs.in")),
        (format!("{folder}/src/prover.rs"), include_str!("templates/protocol/prover.rs.in")),
        (format!("{folder}/tests/conformance.rs"), include_str!("templates/protocol/conformance.rs.in")),
    ]
}

fn kernel_files(name: &Name) -> Vec<File> {
    vec![
        (format!("papers/{}.md", name.kebab), include_str!("templates/kernel/paper.md.in")),
        (format!("kernels/layers/src/{}.rs", name.ident), include_str!("templates/kernel/layer.rs.in")),
        (format!("experiments/engine/src/kernels/{}.rs", name.ident), include_str!("templates/kernel/entry.rs.in")),
    ]
}

fn experiment_files(name: &Name) -> Vec<File> {
    vec![(format!("experiments/{}.yaml", name.kebab), include_str!("templates/experiment/experiment.yaml.in"))]
}

/// The template with the name and the slots filled in.
fn fill(template: &str, name: &Name, slot: NewSlot) -> String {
    let (slots, words, companion) = match slot {
        NewSlot::Lookup => (vec!["Lookup"], "lookup", "Some(\"sumcheck\")"),
        NewSlot::Einsum => (vec!["Einsum"], "einsum", "Some(\"logup-gkr\")"),
        NewSlot::Both => (vec!["Einsum", "Lookup"], "einsum, lookup", "None"),
    };
    let paths: Vec<String> = slots.iter().map(|slot| format!("Slot::{slot}")).collect();
    [
        ("@name@", name.kebab.as_str()),
        ("@ident@", &name.ident),
        ("@Type@", &name.camel),
        ("@slots@", &paths.join(", ")),
        ("@slot_names@", &slots.join(", ")),
        ("@slot_words@", words),
        ("@companion@", companion),
    ]
    .iter()
    .fold(template.to_owned(), |text, (mark, value)| text.replace(mark, value))
}

/// The registry's dependency, its prover half and its row, and the list of papers. The workspace takes in every folder of
/// `protocols/`.
fn register_protocol(changes: &mut Changes, name: &Name, slot: NewSlot) -> Result<(), String> {
    let Name { kebab, ident, camel } = name;
    let package = format!("zkml-{kebab}");
    if changes.read("Cargo.lock").is_ok_and(|lock| lock.contains(&format!("name = \"{package}\"\n"))) {
        return Err(format!("`{kebab}` is taken: there is a crate `{package}`"));
    }
    let is_dependency = |line: &str| line.starts_with("zkml-") && line.contains("path = \"protocols/");
    let line = format!("{package} = {{ path = \"protocols/{kebab}\", default-features = false }}");
    changes.insert("Cargo.toml", &Place::After(&is_dependency), &line)?;
    let registry = "protocols/registry/Cargo.toml";
    let half = |line: &str| line.starts_with("    \"zkml-");
    changes.insert(registry, &Place::Sorted(&half, &whole), &format!("    \"{package}/prover\","))?;
    let own = |line: &str| line.starts_with("zkml-");
    changes.insert(registry, &Place::Sorted(&own, &whole), &format!("{package}.workspace = true"))?;
    let row = |line: &str| line.starts_with("        row(");
    let line = format!("        row(|_| Ok(zkml_{ident}::{camel})),");
    changes.insert("protocols/registry/src/lib.rs", &Place::After(&row), &line)?;
    let words = if slot == NewSlot::Both { "relations" } else { "relations of one slot" };
    let line = format!("| [{kebab}]({kebab}.md) | – | a skeleton, which declines all {words}: `protocols/{kebab}` |");
    changes.insert("papers/README.md", &Place::After(&|line| line.starts_with("| [")), &line)
}

/// The module, its type and its place in the list of kernels, once for the layer and once for experiment files.
fn register_kernel(changes: &mut Changes, name: &Name) -> Result<(), String> {
    let Name { ident, camel, .. } = name;
    for file in ["kernels/layers/src/lib.rs", "kernels/layers/src/kernel.rs"] {
        if has_word(&changes.read(file)?, camel) {
            return Err(format!("`{ident}` is taken: {file} has a type `{camel}`"));
        }
    }
    let module = |line: &str| line.contains("mod ") && line.ends_with(';');
    let module_name = |line: &str| line.rsplit(' ').next().unwrap_or_default().replace(';', "");
    let modules = Place::Sorted(&module, &module_name);
    let layers = "kernels/layers/src/lib.rs";
    changes.insert(layers, &modules, &format!("pub mod {ident};"))?;
    let export = |line: &str| line.starts_with("pub use ");
    changes.insert(layers, &Place::Sorted(&export, &whole), &format!("pub use {ident}::{camel};"))?;
    let list = "kernels/layers/src/kernel.rs";
    let import = |line: &str| line.starts_with("use crate::") && line.ends_with(';');
    changes.insert(list, &Place::Sorted(&import, &whole), &format!("use crate::{ident}::{camel};"))?;
    let entry = format!("    /// A skeleton: declines every input.\n    {camel}: INFO;");
    changes.insert(list, &Place::EndOf("kernels! {"), &entry)?;
    let keys = "experiments/engine/src/kernels/mod.rs";
    changes.insert(keys, &modules, &format!("mod {ident};"))?;
    let entry = format!("    /// A skeleton: declines every input.\n    {ident}: {ident}::{camel},");
    changes.insert(keys, &Place::EndOf("kernels! {"), &entry)
}

/// A line's place in its list: paths are compared segment by segment, as rustfmt does.
fn whole(line: &str) -> String {
    line.replace("::", " ")
}

/// Whether a text has this identifier.
fn has_word(text: &str, word: &str) -> bool {
    text.split(|c: char| !c.is_alphanumeric() && c != '_').any(|other| other == word)
}

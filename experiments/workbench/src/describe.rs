//! `workbench list` and `workbench describe`.

use zkml_core::ProtocolInfo;

use crate::cli::Kind;
use crate::run;
use zkml_engine::exit::Failure;
use zkml_engine::spec::nearest;
use zkml_engine::{catalogue, devices, locate};
use zkml_results::metrics::METRICS;

type Rows = Vec<(String, String)>;

fn rows(kind: Kind) -> (&'static str, Rows) {
    match kind {
        Kind::Protocols => ("protocols", protocol_rows()),
        Kind::Kernels => ("kernels", catalogue::kernels()),
        Kind::Experiments => ("experiments", experiment_rows()),
        Kind::Suites => ("suites", catalogue::suites()),
        Kind::Devices => ("devices", devices::rows()),
        Kind::Metrics => ("metrics", METRICS.iter().map(|m| (m.name.to_owned(), m.about.to_owned())).collect()),
    }
}

fn protocol_rows() -> Rows {
    let row = |p: ProtocolInfo| (p.id.to_owned(), format!("{} [{}]", p.about, slots(&p)));
    catalogue::protocols().into_iter().map(row).collect()
}

fn slots(info: &ProtocolInfo) -> String {
    info.slots.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

/// Names with their `about` lines.
fn experiment_rows() -> Rows {
    let about = |path: &std::path::Path| {
        let document = zkml_engine::spec::Document::open(path, &[]).ok()?;
        document.about()
    };
    locate::experiments()
        .into_iter()
        .map(|(name, path)| (name, about(&path).unwrap_or_else(|| format!("{} cannot be read", path.display()))))
        .collect()
}

/// One kind, or all of them.
pub(crate) fn list(kind: Option<Kind>) -> String {
    let all = [Kind::Experiments, Kind::Protocols, Kind::Kernels, Kind::Suites, Kind::Devices, Kind::Metrics];
    let kinds = kind.map_or_else(|| all.to_vec(), |k| vec![k]);
    let blocks: Vec<String> = kinds
        .into_iter()
        .map(|kind| {
            let (title, rows) = rows(kind);
            let width = rows.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
            let lines: Vec<String> = rows.iter().map(|(name, about)| format!("  {name:width$}  {about}")).collect();
            format!("{title}\n{}", lines.join("\n"))
        })
        .collect();
    blocks.join("\n\n")
}

/// Whatever has this name.
pub(crate) fn describe(name: &str, overrides: &[String]) -> Result<String, Failure> {
    if let Some(info) = catalogue::protocols().into_iter().find(|p| p.id == name) {
        return Ok(protocol(&info));
    }
    if let Some((name, about)) = devices::names().into_iter().find(|(known, _)| known == name) {
        return Ok(devices::describe(&name, &about));
    }
    for (title, rows) in [("kernel", catalogue::kernels()), ("suite", catalogue::suites())] {
        if let Some((_, about)) = rows.iter().find(|(known, _)| known == name) {
            let details = if title == "kernel" { catalogue::kernel_keys(name) } else { String::new() };
            return Ok(format!("{title} {name}\n  {about}{details}"));
        }
    }
    let known: Vec<String> = [Kind::Protocols, Kind::Kernels, Kind::Suites, Kind::Experiments]
        .into_iter()
        .flat_map(|kind| rows(kind).1)
        .chain(devices::names())
        .map(|(name, _)| name)
        .collect();
    let is_experiment = name.contains(['/', '.']) || locate::experiments().iter().any(|(n, _)| n == name);
    if is_experiment {
        let file = locate::experiment(name)?;
        return Ok(format!("# {}, resolved\n{}", file.display(), run::resolved(&file, overrides)?));
    }
    let near =
        nearest(name, known.iter().map(String::as_str)).map_or_else(String::new, |n| format!("\n  nearest:  {n}"));
    Err(Failure::usage(format!("there is nothing called `{name}`\n  allowed:  {}{near}", known.join(", "))))
}

fn protocol(info: &ProtocolInfo) -> String {
    let options: Vec<String> = info
        .options
        .iter()
        .map(|(name, values)| {
            format!("\n    {name}: {} (default {})", values.join(", "), values.first().unwrap_or(&"none"))
        })
        .collect();
    let options = if options.is_empty() { " none".to_owned() } else { options.concat() };
    let companion = info.companion.map_or_else(String::new, |c| format!("\n  companion  {c} fills the other slot"));
    format!(
        "protocol {}\n  {}\n  paper      {}\n  slots      {}{companion}\n  setup      {}\n  options   {options}",
        info.id,
        info.about,
        info.paper,
        slots(info),
        info.setup
    )
}

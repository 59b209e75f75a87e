//! What a device beside the host did.

use super::{label, millis, size};
use zkml_results::record::{CellRecord, DeviceRecord, Measured};

/// Two lines per cell that used a device, with a warning where its times say nothing about a GPU.
pub(super) fn lines(records: &[CellRecord]) -> Vec<String> {
    let used = |record: &CellRecord| {
        let measured = record.measured.as_ref()?;
        Some((label(record), measured.device.as_ref()?.clone(), prove(measured)))
    };
    let used: Vec<(String, DeviceRecord, f64)> = records.iter().filter_map(used).collect();
    let mut lines: Vec<String> = used.iter().map(|(label, device, prove)| line(label, device, *prove)).collect();
    if let Some((_, device, _)) = used.iter().find(|(_, device, _)| device.info.software) {
        let adapter = &device.info.adapter;
        lines.push(format!("warning: {adapter} is a software adapter: these times say nothing about a GPU"));
    }
    lines
}

fn prove(measured: &Measured) -> f64 {
    measured.phases.get("prove").map_or(0.0, |phase| phase.wall.median)
}

fn line(label: &str, record: &DeviceRecord, prove: f64) -> String {
    let DeviceRecord { info, activity, left_to_the_host, fallback, host, opened } = record;
    if let Some(reason) = fallback {
        return format!("{} {label}: the host made a proof: {reason}", info.id);
    }
    let clock = activity.device_seconds.map_or_else(String::new, |s| format!(", computing {}", millis(s)));
    let left: Vec<String> = left_to_the_host.iter().map(|reason| format!("\n  left to the host: {reason}")).collect();
    format!(
        "{} {label}: {} ({}, {}): the same bytes as on the host; prove {}, on the host alone {} ({:.2} x)\n  per proof: {} \
         steps, {} sent in {}, waiting {}{clock}, {} read back; opened once in {}{left}",
        info.id,
        info.adapter,
        info.backend,
        info.prelude,
        millis(prove),
        millis(host.wall),
        host.wall / prove,
        activity.dispatches,
        size(activity.uploaded as f64),
        millis(activity.upload_seconds),
        millis(activity.wait_seconds),
        size(activity.downloaded as f64),
        millis(opened.wall),
        left = left.concat(),
    )
}

//! What there is to choose from.

use serde_json::Value;
use zkml_core::ProtocolInfo;

/// Protocols of the registry.
pub(crate) fn protocols() -> Vec<ProtocolInfo> {
    zkml_registry::protocols()
}

/// Suites, as `(name, one line)`.
pub(crate) fn suites() -> Vec<(String, String)> {
    zkml_registry::suites().into_iter().map(|s| (s.id.to_owned(), s.about.to_owned())).collect()
}

/// Kernels, as `(name, one line)`.
pub(crate) fn kernels() -> Vec<(String, String)> {
    let schema = crate::spec::schema::schema();
    let layer = schema.pointer("/$defs/Layer/properties").and_then(Value::as_object).cloned().unwrap_or_default();
    let about = |v: &Value| v.get("description").and_then(Value::as_str).unwrap_or_default().to_owned();
    layer.iter().filter(|(key, _)| *key != "name" && *key != "protocol").map(|(k, v)| (k.clone(), about(v))).collect()
}

/// The keys of a kernel, one indented line each.
pub(crate) fn kernel_keys(kernel: &str) -> String {
    let schema = crate::spec::schema::schema();
    let reference = schema.pointer(&format!("/$defs/Layer/properties/{kernel}/anyOf/0/$ref")).and_then(Value::as_str);
    let keys = reference.and_then(|r| schema.pointer(&format!("{}/properties", r.trim_start_matches('#'))));
    let line = |(key, value): (&String, &Value)| {
        let about = value.get("description").and_then(Value::as_str).unwrap_or_default();
        let default = value.get("default").map_or_else(|| "required".to_owned(), |d| format!("default {d}"));
        format!("\n    {key}: {about} ({default})")
    };
    keys.and_then(Value::as_object).into_iter().flatten().map(line).collect()
}

/// Devices, as `(name, one line)`.
pub(crate) fn devices() -> Vec<(String, String)> {
    vec![("cpu".to_owned(), "the host's cores".to_owned())]
}

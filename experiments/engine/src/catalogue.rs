//! What there is to choose from.

use serde_json::Value;
use zkml_core::ProtocolInfo;

use crate::kernels::KEYS;

/// Protocols of the registry.
pub fn protocols() -> Vec<ProtocolInfo> {
    zkml_registry::protocols()
}

/// Suites, as `(name, one line)`.
pub fn suites() -> Vec<(String, String)> {
    zkml_registry::suites().into_iter().map(|s| (s.id.to_owned(), s.about.to_owned())).collect()
}

/// Kernels, as `(name, one line)`.
pub fn kernels() -> Vec<(String, String)> {
    let schema = crate::spec::schema::schema();
    let about = |key: &str| {
        let about = schema.pointer(&format!("/$defs/Layer/properties/{key}/description")).and_then(Value::as_str);
        about.unwrap_or_default().to_owned()
    };
    KEYS.iter().map(|&key| (key.to_owned(), about(key))).collect()
}

/// The keys of a kernel, one indented line each.
pub fn kernel_keys(kernel: &str) -> String {
    let schema = crate::spec::schema::schema();
    let entry = schema.pointer(&format!("/$defs/Layer/properties/{kernel}"));
    let reference = entry.and_then(|e| e.get("$ref").or_else(|| e.pointer("/anyOf/0/$ref"))).and_then(Value::as_str);
    let keys = reference.and_then(|r| schema.pointer(&format!("{}/properties", r.trim_start_matches('#'))));
    let line = |(key, value): (&String, &Value)| {
        let about = value.get("description").and_then(Value::as_str).unwrap_or_default();
        let default = value.get("default").map_or_else(|| "required".to_owned(), |d| format!("default {d}"));
        format!("\n    {key}: {about} ({default})")
    };
    keys.and_then(Value::as_object).into_iter().flatten().map(line).collect()
}

//! Names in error messages.

/// Names in backquotes.
pub(crate) fn quoted(names: &[&str]) -> String {
    if names.is_empty() {
        return "no tensors".to_owned();
    }
    names.iter().map(|n| format!("`{n}`")).collect::<Vec<_>>().join(", ")
}

/// ", did you mean …?", or nothing if no name is near.
pub(crate) fn nearest(name: &str, names: &[&str]) -> String {
    let scored = names.iter().map(|n| (strsim::jaro_winkler(name, n), n)).filter(|(score, _)| *score > 0.7);
    scored.max_by(|a, b| a.0.total_cmp(&b.0)).map_or_else(String::new, |(_, n)| format!(", did you mean `{n}`?"))
}

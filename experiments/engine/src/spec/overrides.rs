//! Overrides on the command line: `key.path=value`, where commas sweep.

use super::path::KeyPath;
use super::tree::Tree;
use super::yaml;

/// One override.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Override {
    /// As typed.
    pub text: String,
    /// Where the value goes.
    pub path: KeyPath,
    /// The values; several are an axis of the matrix.
    pub values: Vec<Tree>,
}

/// Reads an override; `Err` says what is wrong with it.
pub(crate) fn parse(text: &str) -> Result<Override, String> {
    let (path, raw) = text.split_once('=').ok_or("it has no `=`")?;
    let path = KeyPath::parse(path.trim());
    if path.segments().is_empty() {
        return Err("there is no key before the `=`".to_owned());
    }
    let values = split_commas(raw)
        .into_iter()
        .map(|part| yaml::parse(part.trim()).map_err(|e| format!("`{part}` is not a value: {}", e.message)))
        .collect::<Result<Vec<_>, _>>()?;
    if values.contains(&Tree::Scalar(serde_json::Value::Null)) && !raw.trim().contains("null") {
        return Err("there is no value after the `=`".to_owned());
    }
    Ok(Override { text: text.to_owned(), path, values })
}

/// Splits at the commas that are not inside brackets, braces or quotes.
fn split_commas(text: &str) -> Vec<&str> {
    let (mut depth, mut quote, mut start) = (0_i32, None, 0);
    let mut parts = Vec::new();
    for (i, c) in text.char_indices() {
        match (quote, c) {
            (Some(q), _) => quote = (q != c).then_some(q),
            (None, '"' | '\'') => quote = Some(c),
            (None, '[' | '{') => depth += 1,
            (None, ']' | '}') => depth -= 1,
            (None, ',') if depth == 0 => {
                parts.push(&text[start..i]);
                start = i + 1;
            }
            _ => {}
        }
    }
    parts.push(&text[start..]);
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commas_sweep_except_inside_brackets_and_quotes() {
        let values = |text: &str| parse(text).unwrap().values.iter().map(Tree::short).collect::<Vec<_>>();
        assert_eq!(values("input.rows=16,64"), ["16", "64"]);
        assert_eq!(values("model.0.protocol={einsum: sumcheck, lookup: logkr},reveal").len(), 2);
        assert_eq!(values("about='a, b'"), ["a, b"]);
        assert_eq!(values("a=[1, 2]"), ["[1, 2]"]);
    }

    #[test]
    fn faulty_overrides_are_refused() {
        assert_eq!(parse("rows").unwrap_err(), "it has no `=`");
        assert_eq!(parse("=3").unwrap_err(), "there is no key before the `=`");
        assert_eq!(parse("rows=").unwrap_err(), "there is no value after the `=`");
        assert!(parse("rows=[1").unwrap_err().contains("is not a value"));
    }
}

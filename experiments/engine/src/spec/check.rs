//! Checks a document against the generated schema, so that editor, error messages and program agree.

use serde_json::{Map, Value};

use super::choice;
use super::error::nearest;
use super::path::KeyPath;
use super::tree::Tree;

/// A fault, before its place in the file is known.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Fault {
    /// Where in the document.
    pub path: KeyPath,
    /// True if the key itself is at fault, not its value.
    pub at_key: bool,
    /// What is wrong.
    pub problem: String,
    /// What was found.
    pub found: String,
    /// What is allowed.
    pub allowed: String,
    /// The allowed value nearest to the one found.
    pub nearest: Option<Box<str>>,
    /// True if every part is right but no protocol proves the combination.
    pub unsupported: bool,
}

impl Fault {
    /// A fault of a value.
    pub fn value(path: &KeyPath, problem: impl Into<String>, found: String, allowed: impl Into<String>) -> Self {
        let (problem, allowed) = (problem.into(), allowed.into());
        Self { path: path.clone(), at_key: false, problem, found, allowed, nearest: None, unsupported: false }
    }

    /// The same fault, of a combination that no protocol proves.
    #[must_use]
    pub fn unsupported(self) -> Self {
        Self { unsupported: true, ..self }
    }

    /// A name that is none of the known ones.
    pub fn name(path: &KeyPath, noun: &str, found: &str, known: &[&str]) -> Self {
        Self {
            nearest: nearest(found, known.iter().copied()).map(String::into_boxed_str),
            ..Self::value(path, format!("unknown {noun} `{found}`"), format!("`{found}`"), known.join(", "))
        }
    }
}

/// All faults of `tree` under `schema`.
pub(crate) fn check(root: &Value, tree: &Tree) -> Vec<Fault> {
    let mut checker = Checker { root, faults: Vec::new() };
    checker.node(root, tree, &KeyPath::default());
    checker.faults
}

struct Checker<'a> {
    root: &'a Value,
    faults: Vec<Fault>,
}

impl<'a> Checker<'a> {
    fn node(&mut self, schema: &'a Value, tree: &Tree, path: &KeyPath) {
        let schema = self.resolve(schema);
        if let Some(branches) = schema.get("anyOf").and_then(Value::as_array) {
            return self.any_of(branches, tree, path);
        }
        if !types(schema).is_empty() && !fits(schema, tree) {
            let problem = format!("wrong type at `{path}`");
            self.faults.push(Fault::value(path, problem, tree.describe(), self.in_words(schema)));
            return;
        }
        match tree {
            Tree::Map(entries) => self.map(schema, entries, path),
            Tree::List(items) => self.list(schema, items, path),
            Tree::Scalar(value) => self.scalar(schema, value, tree, path),
        }
    }

    fn resolve(&self, schema: &'a Value) -> &'a Value {
        let name = schema.get("$ref").and_then(Value::as_str).and_then(|r| r.strip_prefix("#/$defs/"));
        name.and_then(|n| self.root.get("$defs")?.get(n)).unwrap_or(schema)
    }

    /// Takes the branch that fits the value's type, so that faults are reported inside it.
    fn any_of(&mut self, branches: &'a [Value], tree: &Tree, path: &KeyPath) {
        let fitting = branches.iter().find(|b| fits(self.resolve(b), tree));
        if let Some(branch) = fitting {
            return self.node(branch, tree, path);
        }
        let allowed: Vec<String> = branches.iter().map(|b| self.in_words(self.resolve(b))).collect();
        let problem = format!("wrong type at `{path}`");
        self.faults.push(Fault::value(path, problem, tree.describe(), allowed.join("; or ")));
    }

    fn map(&mut self, schema: &'a Value, entries: &[(String, Tree)], path: &KeyPath) {
        let properties = schema.get("properties").and_then(Value::as_object);
        let property = |key: &str| properties.and_then(|p| p.get(key));
        let additional = schema.get("additionalProperties");
        for (key, value) in entries {
            let inner = path.key(key);
            match (property(key), additional) {
                (Some(property), _) => self.node(property, value, &inner),
                (None, Some(other)) if other.is_object() => self.node(other, value, &inner),
                (None, Some(Value::Bool(false))) => self.unknown_key(schema, key, &inner),
                _ => {}
            }
        }
        let required = schema.get("required").and_then(Value::as_array).into_iter().flatten();
        for key in required.filter_map(Value::as_str) {
            if !entries.iter().any(|(k, _)| k == key) {
                let missing = path.key(key);
                let about = property(key).map_or(String::new(), |p| self.in_words(self.resolve(p)));
                self.faults.push(Fault::value(
                    &missing,
                    format!("missing key `{missing}`"),
                    "nothing".to_owned(),
                    about,
                ));
            }
        }
    }

    fn unknown_key(&mut self, schema: &Value, key: &str, path: &KeyPath) {
        let title = schema.get("title").and_then(Value::as_str);
        let noun = title.filter(|_| path.segments().len() > 1).unwrap_or("key");
        let properties = schema.get("properties").and_then(Value::as_object);
        let known: Vec<&str> = properties.into_iter().flat_map(Map::keys).map(String::as_str).collect();
        if let Some(reason) = misfit(schema, key) {
            let fault = Fault::value(path, reason, format!("`{key}`"), known.join(", "));
            return self.faults.push(Fault { at_key: true, ..fault.unsupported() });
        }
        let problem = format!("unknown {noun} `{path}`");
        let fault = Fault::name(path, noun, key, &known);
        self.faults.push(Fault { problem, at_key: true, ..fault });
    }

    fn list(&mut self, schema: &'a Value, items: &[Tree], path: &KeyPath) {
        let least = schema.get("minItems").and_then(Value::as_u64).unwrap_or(0);
        if (items.len() as u64) < least {
            let found = format!("a list of {}", items.len());
            self.faults.push(Fault::value(
                path,
                format!("`{path}` is too short"),
                found,
                format!("{least} or more items"),
            ));
        }
        let most = schema.get("maxItems").and_then(Value::as_u64).unwrap_or(u64::MAX);
        if (items.len() as u64) > most {
            let found = format!("a list of {}", items.len());
            self.faults.push(Fault::value(
                path,
                format!("`{path}` is too long"),
                found,
                format!("{most} or fewer items"),
            ));
        }
        if let Some(item_schema) = schema.get("items") {
            for (i, item) in items.iter().enumerate() {
                self.node(item_schema, item, &path.index(i));
            }
        }
    }

    fn scalar(&mut self, schema: &Value, value: &Value, tree: &Tree, path: &KeyPath) {
        if let Some(allowed) = schema.get("enum").and_then(Value::as_array)
            && !allowed.contains(value)
        {
            return self.not_listed(schema, allowed, value, tree, path);
        }
        if let Some(number) = value.as_f64() {
            let limit = |key: &str| schema.get(key).and_then(Value::as_f64);
            let low =
                limit("minimum").is_some_and(|m| number < m) || limit("exclusiveMinimum").is_some_and(|m| number <= m);
            if low || limit("maximum").is_some_and(|m| number > m) {
                let problem = format!("`{path}` is out of range");
                self.faults.push(Fault::value(path, problem, tree.describe(), self.in_words(schema)));
            }
        }
        if let (Some(text), Some(_)) = (value.as_str(), schema.get("pattern"))
            && (text.is_empty() || !text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-'))
        {
            let allowed = "letters, digits, `_` and `-`";
            self.faults.push(Fault::value(path, format!("`{path}` is not a name"), tree.describe(), allowed));
        }
    }

    fn not_listed(&mut self, schema: &Value, allowed: &[Value], value: &Value, tree: &Tree, path: &KeyPath) {
        let noun = schema.get("title").and_then(Value::as_str).unwrap_or("value");
        let fault = match value.as_str() {
            Some(text) => {
                let known: Vec<&str> = allowed.iter().filter_map(Value::as_str).collect();
                match misfit(schema, text) {
                    Some(reason) => Fault::value(path, reason, format!("`{text}`"), known.join(", ")).unsupported(),
                    None => Fault::name(path, noun, text, &known),
                }
            }
            None => Fault::value(path, format!("unknown {noun} {value}"), tree.describe(), self.in_words(schema)),
        };
        self.faults.push(fault);
    }

    /// What a schema accepts, in words.
    fn in_words(&self, schema: &Value) -> String {
        if let Some(values) = schema.get("enum").and_then(Value::as_array) {
            let texts: Vec<String> =
                values.iter().map(|v| v.as_str().map_or_else(|| v.to_string(), str::to_owned)).collect();
            return texts.join(", ");
        }
        if let Some(branches) = schema.get("anyOf").and_then(Value::as_array) {
            let words: Vec<String> = branches.iter().map(|b| self.in_words(self.resolve(b))).collect();
            return words.join("; or ");
        }
        let kinds: Vec<&str> = types(schema).into_iter().filter(|t| *t != "null").map(type_in_words).collect();
        let keys = schema.get("properties").and_then(Value::as_object);
        let keys = keys.map(|p| format!(" with keys from {}", p.keys().cloned().collect::<Vec<_>>().join(", ")));
        format!("{}{}{}", kinds.join(" or "), keys.unwrap_or_default(), range_in_words(schema))
    }
}

/// Why a name that is known elsewhere cannot stand here.
fn misfit<'a>(schema: &'a Value, name: &str) -> Option<&'a str> {
    schema.get(choice::MISFITS)?.get(name)?.as_str()
}

fn range_in_words(schema: &Value) -> String {
    let number = |key: &str| schema.get(key).filter(|v| v.is_number());
    match (number("minimum"), number("maximum"), number("exclusiveMinimum")) {
        (Some(low), Some(high), _) => format!(" from {low} to {high}"),
        (Some(low), None, _) => format!(", {low} or more"),
        (None, Some(high), _) => format!(", {high} or less"),
        (None, None, Some(low)) => format!(" above {low}"),
        _ => String::new(),
    }
}

fn types(schema: &Value) -> Vec<&str> {
    match schema.get("type") {
        Some(Value::String(one)) => vec![one],
        Some(Value::Array(several)) => several.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    }
}

fn type_in_words(name: &str) -> &str {
    match name {
        "string" => "a text",
        "integer" => "a whole number",
        "number" => "a number",
        "boolean" => "true or false",
        "array" => "a list",
        "object" => "a map",
        other => other,
    }
}

/// True if the value has a type that the schema accepts; a schema without types accepts all.
fn fits(schema: &Value, tree: &Tree) -> bool {
    let types = types(schema);
    let is = |name: &str| match (name, tree) {
        ("null", Tree::Scalar(Value::Null))
        | ("string", Tree::Scalar(Value::String(_)))
        | ("boolean", Tree::Scalar(Value::Bool(_)))
        | ("number", Tree::Scalar(Value::Number(_)))
        | ("array", Tree::List(_))
        | ("object", Tree::Map(_)) => true,
        ("integer", Tree::Scalar(Value::Number(n))) => n.is_i64() || n.is_u64(),
        _ => false,
    };
    types.is_empty() || types.into_iter().any(is)
}

//! An experiment file before it is typed: scalars, lists, and maps in the file's order.

use serde_json::Value;

use super::path::{KeyPath, Segment};
use super::values::Decimal;

/// A node of the document.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Tree {
    /// A string, a number, a boolean or nothing.
    Scalar(Value),
    /// A list.
    List(Vec<Tree>),
    /// A map in the file's order.
    Map(Vec<(String, Tree)>),
}

impl Tree {
    /// The entry of a map.
    pub(crate) fn entry(&self, key: &str) -> Option<&Self> {
        match self {
            Self::Map(entries) => entries.iter().find(|(k, _)| k == key).map(|(_, v)| v),
            _ => None,
        }
    }

    /// The node at a path.
    pub(crate) fn get(&self, path: &KeyPath) -> Option<&Self> {
        path.segments().iter().try_fold(self, |node, segment| match (node, segment) {
            (Self::List(items), Segment::Index(i)) => items.get(*i),
            (Self::Map(_), segment) => node.entry(&segment.to_string()),
            _ => None,
        })
    }

    /// Takes an entry out of a map.
    pub(crate) fn remove(&mut self, key: &str) -> Option<Self> {
        let Self::Map(entries) = self else { return None };
        let position = entries.iter().position(|(k, _)| k == key)?;
        Some(entries.remove(position).1)
    }

    /// Puts `value` at a path. Missing maps are made; lists do not grow. On failure: the path of the node that is in
    /// the way.
    pub(crate) fn set(&mut self, path: &KeyPath, value: Self) -> Result<(), KeyPath> {
        let mut node = self;
        let mut here = KeyPath::default();
        for segment in path.segments() {
            if *node == Self::Scalar(Value::Null) {
                *node = Self::Map(Vec::new());
            }
            node = match (node, segment) {
                (Self::List(items), Segment::Index(i)) => items.get_mut(*i).ok_or_else(|| here.clone())?,
                (Self::Map(entries), segment) => slot(entries, &segment.to_string()),
                _ => return Err(here),
            };
            here = match segment {
                Segment::Key(key) => here.key(key),
                Segment::Index(i) => here.index(*i),
            };
        }
        *node = value;
        Ok(())
    }

    /// The same data for a typed reader.
    pub(crate) fn to_json(&self) -> Value {
        match self {
            Self::Scalar(value) => value.clone(),
            Self::List(items) => Value::Array(items.iter().map(Self::to_json).collect()),
            Self::Map(entries) => Value::Object(entries.iter().map(|(k, v)| (k.clone(), v.to_json())).collect()),
        }
    }

    /// The value in words, for error messages.
    pub(crate) fn describe(&self) -> String {
        match self {
            Self::Scalar(Value::Null) => "nothing".to_owned(),
            Self::Scalar(Value::String(s)) => format!("the text `{s}`"),
            Self::Scalar(Value::Bool(b)) => format!("the truth value {b}"),
            Self::Scalar(value) => format!("the number {value}"),
            Self::List(items) => format!("a list of {}", items.len()),
            Self::Map(entries) => {
                let keys: Vec<&str> = entries.iter().map(|(k, _)| k.as_str()).collect();
                format!("a map with the keys {}", if keys.is_empty() { "(none)".to_owned() } else { keys.join(", ") })
            }
        }
    }

    /// A text that is the same for equal data: `1024` and `1024.0`, a map in any order, an option's `"1"` and `1`.
    pub(crate) fn canonical(&self) -> String {
        match self {
            Self::Scalar(Value::Number(number)) => {
                let text = number.to_string();
                Decimal::read(&text).map_or(text, |decimal| decimal.to_string())
            }
            Self::Scalar(Value::String(text)) => match serde_json::from_str(text) {
                Ok(scalar @ (Value::Number(_) | Value::Bool(_))) => Self::Scalar(scalar).canonical(),
                _ => Value::from(text.as_str()).to_string(),
            },
            Self::Scalar(value) => value.to_string(),
            Self::List(items) => format!("[{}]", items.iter().map(Self::canonical).collect::<Vec<_>>().join(", ")),
            Self::Map(entries) => {
                let entry =
                    |(key, value): &(String, Self)| format!("{}: {}", Value::from(key.as_str()), value.canonical());
                let mut parts: Vec<String> = entries.iter().map(entry).collect();
                parts.sort_unstable();
                format!("{{{}}}", parts.join(", "))
            }
        }
    }

    /// The value on one line, for tables and labels.
    pub(crate) fn short(&self) -> String {
        match self {
            Self::Scalar(Value::String(s)) => s.clone(),
            Self::Scalar(Value::Null) => "null".to_owned(),
            Self::Scalar(value) => value.to_string(),
            Self::List(items) => format!("[{}]", items.iter().map(Self::short).collect::<Vec<_>>().join(", ")),
            Self::Map(entries) => {
                let parts: Vec<String> = entries.iter().map(|(k, v)| format!("{k}: {}", v.short())).collect();
                format!("{{{}}}", parts.join(", "))
            }
        }
    }
}

fn slot<'a>(entries: &'a mut Vec<(String, Tree)>, key: &str) -> &'a mut Tree {
    let position = entries.iter().position(|(k, _)| k == key).unwrap_or_else(|| {
        entries.push((key.to_owned(), Tree::Scalar(Value::Null)));
        entries.len() - 1
    });
    &mut entries[position].1
}

//! The only module that knows the YAML library: text to [`Tree`], [`Tree`] to text, and where a key stands.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde::ser::{Serialize, SerializeMap, SerializeSeq, Serializer};
use serde_json::Value;

use super::path::{KeyPath, Segment};
use super::tree::Tree;

/// A line and a column, both counted from one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Position {
    /// Line.
    pub line: usize,
    /// Column.
    pub column: usize,
}

/// What the parser says about text that is not YAML.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SyntaxError {
    /// Its own words.
    pub message: String,
    /// Where it stopped.
    pub position: Option<Position>,
}

impl SyntaxError {
    fn new(error: &serde_yaml::Error) -> Self {
        let position = error.location().map(|l| Position { line: l.line(), column: l.column() });
        let text = error.to_string();
        let message = text.split(" at line ").next().unwrap_or(&text).to_owned();
        Self { message, position }
    }
}

/// Parses one document. Duplicate keys, keys that are not strings and numbers that are not finite are errors.
pub(crate) fn parse(text: &str) -> Result<Tree, SyntaxError> {
    let document = serde_yaml::Deserializer::from_str(text);
    TreeSeed.deserialize(document).map_err(|e| SyntaxError::new(&e))
}

/// The tree as YAML text.
pub(crate) fn to_text(tree: &Tree) -> Result<String, String> {
    serde_yaml::to_string(tree).map_err(|e| e.to_string())
}

/// Where the value at `path` begins, or (with `key`) where its last key stands; `None` if the path is not there.
pub(crate) fn locate(text: &str, path: &KeyPath, key: bool) -> Option<Position> {
    let seed = Finder { rest: path.segments(), key };
    let error = seed.deserialize(serde_yaml::Deserializer::from_str(text)).err()?;
    if !error.to_string().contains(FOUND) {
        return None;
    }
    error.location().map(|l| Position { line: l.line(), column: l.column() })
}

/// Marks the error by which [`Finder`] reports a position.
const FOUND: &str = "\u{1}position\u{1}";

struct TreeSeed;

impl<'de> DeserializeSeed<'de> for TreeSeed {
    type Value = Tree;
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Tree, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for TreeSeed {
    type Value = Tree;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }
    fn visit_bool<E>(self, value: bool) -> Result<Tree, E> {
        Ok(Tree::Scalar(value.into()))
    }
    fn visit_i64<E>(self, value: i64) -> Result<Tree, E> {
        Ok(Tree::Scalar(value.into()))
    }
    fn visit_u64<E>(self, value: u64) -> Result<Tree, E> {
        Ok(Tree::Scalar(value.into()))
    }
    fn visit_f64<E: serde::de::Error>(self, value: f64) -> Result<Tree, E> {
        let number = serde_json::Number::from_f64(value).ok_or_else(|| E::custom(format!("{value} is not finite")))?;
        Ok(Tree::Scalar(Value::Number(number)))
    }
    fn visit_str<E>(self, value: &str) -> Result<Tree, E> {
        Ok(Tree::Scalar(value.into()))
    }
    fn visit_unit<E>(self) -> Result<Tree, E> {
        Ok(Tree::Scalar(Value::Null))
    }
    fn visit_none<E>(self) -> Result<Tree, E> {
        Ok(Tree::Scalar(Value::Null))
    }
    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Tree, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element_seed(Self)? {
            list.push(item);
        }
        Ok(Tree::List(list))
    }
    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Tree, A::Error> {
        let mut map: Vec<(String, Tree)> = Vec::new();
        while let Some(key) = entries.next_key_seed(KeySeed { taken: &map })? {
            let value = entries.next_value_seed(Self)?;
            map.push((key, value));
        }
        Ok(Tree::Map(map))
    }
}

/// Reads a key, so that a duplicate is reported at the key itself.
struct KeySeed<'a> {
    taken: &'a [(String, Tree)],
}

impl<'de> DeserializeSeed<'de> for KeySeed<'_> {
    type Value = String;
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<String, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for KeySeed<'_> {
    type Value = String;
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }
    fn visit_str<E: serde::de::Error>(self, key: &str) -> Result<String, E> {
        if self.taken.iter().any(|(k, _)| k == key) {
            return Err(E::custom(format!("the key `{key}` is given twice")));
        }
        Ok(key.to_owned())
    }
}

/// Walks to a path and fails there: the library attaches the position to the error.
#[derive(Clone, Copy)]
struct Finder<'a> {
    rest: &'a [Segment],
    key: bool,
}

impl<'a> Finder<'a> {
    fn arrive<E: serde::de::Error>(self) -> Result<(), E> {
        if self.rest.is_empty() { Err(E::custom(FOUND)) } else { Ok(()) }
    }
    fn descend(self) -> Option<(&'a Segment, Self)> {
        let (first, rest) = self.rest.split_first()?;
        Some((first, Self { rest, ..self }))
    }
}

impl<'de> DeserializeSeed<'de> for Finder<'_> {
    type Value = ();
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Finder<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }
    fn visit_bool<E: serde::de::Error>(self, _: bool) -> Result<(), E> {
        self.arrive()
    }
    fn visit_i64<E: serde::de::Error>(self, _: i64) -> Result<(), E> {
        self.arrive()
    }
    fn visit_u64<E: serde::de::Error>(self, _: u64) -> Result<(), E> {
        self.arrive()
    }
    fn visit_f64<E: serde::de::Error>(self, _: f64) -> Result<(), E> {
        self.arrive()
    }
    fn visit_str<E: serde::de::Error>(self, _: &str) -> Result<(), E> {
        self.arrive()
    }
    fn visit_unit<E: serde::de::Error>(self) -> Result<(), E> {
        self.arrive()
    }
    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        let Some((segment, inner)) = self.descend() else { return Err(A::Error::custom(FOUND)) };
        let mut index = 0;
        loop {
            let wanted = matches!(segment, Segment::Index(i) if *i == index);
            let at_end = if wanted {
                items.next_element_seed(inner)?.is_none()
            } else {
                items.next_element::<serde::de::IgnoredAny>()?.is_none()
            };
            if at_end {
                return Ok(());
            }
            index += 1;
        }
    }
    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<(), A::Error> {
        let Some((segment, inner)) = self.descend() else { return Err(A::Error::custom(FOUND)) };
        let wanted = segment.to_string();
        let at_key = self.key && inner.rest.is_empty();
        while let Some(hit) = entries.next_key_seed(KeyFinder { wanted: &wanted, fail: at_key })? {
            if hit {
                entries.next_value_seed(inner)?;
            } else {
                entries.next_value::<serde::de::IgnoredAny>()?;
            }
        }
        Ok(())
    }
}

struct KeyFinder<'a> {
    wanted: &'a str,
    fail: bool,
}

impl<'de> DeserializeSeed<'de> for KeyFinder<'_> {
    type Value = bool;
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<bool, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for KeyFinder<'_> {
    type Value = bool;
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }
    fn visit_str<E: serde::de::Error>(self, key: &str) -> Result<bool, E> {
        let hit = key == self.wanted;
        if hit && self.fail { Err(E::custom(FOUND)) } else { Ok(hit) }
    }
}

impl Serialize for Tree {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Scalar(value) => value.serialize(serializer),
            Self::List(items) => {
                let mut list = serializer.serialize_seq(Some(items.len()))?;
                for item in items {
                    list.serialize_element(item)?;
                }
                list.end()
            }
            Self::Map(entries) => {
                let mut map = serializer.serialize_map(Some(entries.len()))?;
                for (key, value) in entries {
                    map.serialize_entry(key, value)?;
                }
                map.end()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "a: 1\nlist:\n  - x: 2\n    y: [3, 4]\n  - z\n";

    fn at(path: &str, key: bool) -> Option<(usize, usize)> {
        locate(TEXT, &KeyPath::parse(path), key).map(|p| (p.line, p.column))
    }

    #[test]
    fn positions_of_values_and_keys_are_found() {
        assert_eq!(at("a", false), Some((1, 4)));
        assert_eq!(at("a", true), Some((1, 1)));
        assert_eq!(at("list.0.y", true), Some((4, 5)));
        assert_eq!(at("list.0.y.1", false), Some((4, 12)));
        assert_eq!(at("list.1", false), Some((5, 5)));
        assert_eq!(at("list.2", false), None);
        assert_eq!(at("b", true), None);
    }

    #[test]
    fn syntax_errors_and_duplicates_carry_positions() {
        let error = parse("a: 1\nb: [1, 2\nc: 3\n").unwrap_err();
        assert_eq!(error.position.map(|p| p.line), Some(3), "{error:?}");
        let error = parse("a: 1\nb: 2\na: 3\n").unwrap_err();
        assert_eq!(error.message, "the key `a` is given twice");
        assert_eq!(error.position, Some(Position { line: 3, column: 1 }));
        assert!(parse("a: .nan\n").unwrap_err().message.contains("not finite"));
    }

    #[test]
    fn text_round_trips_in_order() {
        let tree = parse("z: 1\na: [1e-5, true, text, null]\n").unwrap();
        assert_eq!(parse(&to_text(&tree).unwrap()).unwrap(), tree);
        assert!(to_text(&tree).unwrap().starts_with("z: 1\n"));
    }
}

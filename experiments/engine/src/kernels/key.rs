//! The value of a kernel's key.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::{Map, Value};

/// A key that may be absent. A key without a value (`relu:`) is present with all defaults.
#[derive(Clone, Debug, PartialEq)]
pub struct Key<T>(Option<T>);

impl<T> Key<T> {
    /// What stands there.
    pub fn get(&self) -> Option<&T> {
        self.0.as_ref()
    }

    /// True if the key is absent.
    pub fn is_absent(&self) -> bool {
        self.0.is_none()
    }
}

impl<T> Default for Key<T> {
    fn default() -> Self {
        Self(None)
    }
}

impl<T: Serialize> Serialize for Key<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(serializer)
    }
}

impl<'de, T: serde::de::DeserializeOwned> Deserialize<'de> for Key<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = match Value::deserialize(deserializer)? {
            Value::Null => Value::Object(Map::new()),
            value => value,
        };
        T::deserialize(value).map(|entry| Self(Some(entry))).map_err(D::Error::custom)
    }
}

impl<T: JsonSchema> JsonSchema for Key<T> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        T::schema_name()
    }

    /// Nothing is a value too, if no key is required.
    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let required = T::json_schema(generator).get("required").is_some();
        let reference = generator.subschema_for::<T>();
        if required { reference } else { json_schema!({ "anyOf": [reference, { "type": "null" }] }) }
    }
}

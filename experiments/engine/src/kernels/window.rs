//! Sizes of sliding windows: one number for both axes, or one for each.

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

use super::Site;
use crate::spec::Fault;

/// A number for both axes, or `[down, right]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub(crate) enum Pair {
    Both(usize),
    Each([usize; 2]),
}

impl Pair {
    pub(crate) const ONE: Self = Self::Both(1);

    /// Down, right.
    pub(crate) fn each(self) -> [usize; 2] {
        match self {
            Self::Both(n) => [n, n],
            Self::Each(each) => each,
        }
    }
}

impl Default for Pair {
    fn default() -> Self {
        Self::ONE
    }
}

impl JsonSchema for Pair {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Pair".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let length = json_schema!({ "type": "integer", "minimum": 1 });
        json_schema!({ "anyOf": [length, { "type": "array", "items": length, "minItems": 2, "maxItems": 2 }] })
    }
}

/// A number for all sides, `[vertical, horizontal]`, or `[top, left, bottom, right]`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub(crate) enum Padding {
    All(usize),
    Sides(Vec<usize>),
}

impl Padding {
    /// Top, left, bottom, right.
    pub(crate) fn sides(&self, site: &Site<'_>) -> Result<[usize; 4], Fault> {
        match self {
            &Self::All(n) => Ok([n; 4]),
            Self::Sides(sides) => match *sides.as_slice() {
                [vertical, horizontal] => Ok([vertical, horizontal, vertical, horizontal]),
                [top, left, bottom, right] => Ok([top, left, bottom, right]),
                _ => {
                    let allowed = "a number, [vertical, horizontal], or [top, left, bottom, right]";
                    let found = format!("a list of {}", sides.len());
                    Err(site.fault("padding", "the padding has neither two nor four sides", found, allowed))
                }
            },
        }
    }
}

impl Default for Padding {
    fn default() -> Self {
        Self::All(0)
    }
}

impl JsonSchema for Padding {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Padding".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let length = json_schema!({ "type": "integer", "minimum": 0 });
        json_schema!({ "anyOf": [length, { "type": "array", "items": length, "minItems": 2, "maxItems": 4 }] })
    }
}

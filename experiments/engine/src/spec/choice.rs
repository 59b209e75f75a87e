//! The keys whose values are names from the registry: protocols, suites, devices, metrics. Their schemas are made
//! from the registry itself, so that editors, error messages and the program agree.

use std::collections::BTreeMap;

use schemars::{Schema, SchemaGenerator, json_schema};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::{Map, Value, json};
use zkml_core::{ProtocolInfo, Slot};

use crate::catalogue;
use zkml_results::record::Limits;

/// Names that are known elsewhere but cannot stand here, with the reason.
pub const MISFITS: &str = "x-misfits";

/// A protocol by name, with options if any are given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Named {
    /// Protocol id.
    pub id: String,
    /// Options by name.
    pub options: BTreeMap<String, String>,
}

/// What stands at a `protocol` key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Choice {
    /// One protocol; its default companion fills a slot that it cannot.
    One(Named),
    /// One protocol per slot.
    Slots {
        /// Proves sums of products.
        einsum: Option<Named>,
        /// Proves table membership.
        lookup: Option<Named>,
    },
}

impl Choice {
    /// The protocol for each slot: as named here, else as named by `default` if slots are named one by one, else the
    /// companion of the other slot's. `Err` names the slot left empty.
    pub fn fill(&self, default: Option<&Self>, protocols: &[ProtocolInfo]) -> Result<[Named; 2], String> {
        if let (Self::Slots { einsum, lookup }, Some(default)) = (self, default) {
            let [default_einsum, default_lookup] = default.fill(None, protocols)?;
            let [einsum, lookup] = [einsum.clone().unwrap_or(default_einsum), lookup.clone().unwrap_or(default_lookup)];
            return Self::Slots { einsum: Some(einsum), lookup: Some(lookup) }.fill(None, protocols);
        }
        let companion = |named: &Named| {
            let info = protocols.iter().find(|p| p.id == named.id)?;
            info.companion.map(|id| Named { id: id.to_owned(), options: BTreeMap::new() })
        };
        let fits = |named: &Named, slot| protocols.iter().any(|p| p.id == named.id && p.slots.contains(&slot));
        let slot = |own: Option<&Named>, other: Option<&Named>, slot: Slot| match (own, other) {
            (Some(own), _) if fits(own, slot) => Ok(own.clone()),
            (Some(own), _) => Err(format!("`{}` does not fill the slot {slot}", own.id)),
            (None, Some(other)) => companion(other)
                .filter(|c| fits(c, slot))
                .or_else(|| fits(other, slot).then(|| other.clone()))
                .ok_or_else(|| {
                    format!("`{}` does not fill the slot {slot}, and no companion for it is built in", other.id)
                }),
            (None, None) => Err("no protocol is named".to_owned()),
        };
        let (einsum, lookup) = match self {
            Self::One(one) => (fits(one, Slot::Einsum).then_some(one), fits(one, Slot::Lookup).then_some(one)),
            Self::Slots { einsum, lookup } => (einsum.as_ref(), lookup.as_ref()),
        };
        Ok([slot(einsum, lookup, Slot::Einsum)?, slot(lookup, einsum, Slot::Lookup)?])
    }
}

impl Choice {
    /// True if a slot has a protocol of its own here.
    pub fn names(&self, slot: &str) -> bool {
        match self {
            Self::One(_) => false,
            Self::Slots { einsum, lookup } => match slot {
                "einsum" => einsum.is_some(),
                "lookup" => lookup.is_some(),
                _ => false,
            },
        }
    }
}

impl<'de> Deserialize<'de> for Choice {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = Value::deserialize(deserializer)?;
        read_choice(&value).map_err(D::Error::custom)
    }
}

fn read_choice(value: &Value) -> Result<Choice, String> {
    match value {
        Value::Object(map) if map.keys().any(|k| k == "einsum" || k == "lookup") => {
            if let Some(other) = map.keys().find(|k| *k != "einsum" && *k != "lookup") {
                return Err(format!("`{other}` stands beside `einsum` or `lookup`"));
            }
            let slot = |key: &str| map.get(key).map(read_named).transpose();
            Ok(Choice::Slots { einsum: slot("einsum")?, lookup: slot("lookup")? })
        }
        _ => read_named(value).map(Choice::One),
    }
}

fn read_named(value: &Value) -> Result<Named, String> {
    match value {
        Value::String(id) => Ok(Named { id: id.clone(), options: BTreeMap::new() }),
        Value::Object(map) if map.len() == 1 => {
            let (id, options) = map.iter().next().ok_or("empty map")?;
            let options = match options {
                Value::Object(options) => options.iter().map(|(k, v)| (k.clone(), scalar_text(v))).collect(),
                _ => BTreeMap::new(),
            };
            Ok(Named { id: id.clone(), options })
        }
        Value::Object(map) => Err(format!("{} protocols stand in one place", map.len())),
        other => Err(format!("{other} is not a protocol")),
    }
}

fn scalar_text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

impl Named {
    fn to_json(&self) -> Value {
        if self.options.is_empty() { json!(self.id) } else { json!({ self.id.clone(): self.options }) }
    }
}

impl std::fmt::Display for Named {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let options: Vec<String> = self.options.iter().map(|(k, v)| format!("{k}: {v}")).collect();
        if options.is_empty() { f.write_str(&self.id) } else { write!(f, "{} ({})", self.id, options.join(", ")) }
    }
}

impl Serialize for Choice {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::One(named) => named.to_json().serialize(serializer),
            Self::Slots { einsum, lookup } => {
                let slots = [("einsum", einsum), ("lookup", lookup)];
                let given = slots.into_iter().filter_map(|(k, v)| Some((k.to_owned(), v.as_ref()?.to_json())));
                Value::Object(given.collect()).serialize(serializer)
            }
        }
    }
}

fn named_enum(noun: &str, names: &[(String, String)]) -> Schema {
    let about: Vec<String> = names.iter().map(|(name, about)| format!("{name}: {about}")).collect();
    let names: Vec<&str> = names.iter().map(|(name, _)| name.as_str()).collect();
    json_schema!({ "title": noun, "type": "string", "enum": names, "description": about.join("\n") })
}

/// `schema: 1`.
pub fn version_schema(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "title": "format version", "type": "integer", "enum": [1], "description": "Version of this format." })
}

/// Axis lengths.
pub fn shape_schema(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": ["array", "null"], "minItems": 1, "items": { "type": "integer", "minimum": 1 },
        "description": "The network's input shape, batch first, e.g. `[1, 1, 28, 28]`: the file's values are read as rows of the other axes."
    })
}

/// Names of suites.
pub fn suite_schema(_: &mut SchemaGenerator) -> Schema {
    named_enum("suite", &catalogue::suites())
}

/// Names of devices.
pub fn device_schema(_: &mut SchemaGenerator) -> Schema {
    named_enum("device", &crate::devices::names())
}

/// Metrics with limits.
pub fn checks_schema(generator: &mut SchemaGenerator) -> Schema {
    let limits = generator.subschema_for::<Limits>().to_value();
    let properties: Map<String, Value> = zkml_results::metrics::METRICS
        .iter()
        .map(|m| {
            let mut schema = limits.clone();
            if let Some(map) = schema.as_object_mut() {
                map.insert("description".to_owned(), json!(m.about));
            }
            (m.name.to_owned(), schema)
        })
        .collect();
    json_schema!({
        "title": "metric", "type": "object", "additionalProperties": false, "properties": properties,
        "description": "Limits on results: an experiment that misses one fails with exit code 3."
    })
}

/// A protocol: a name, a name with options, or one of these per slot.
pub fn protocol_schema(_: &mut SchemaGenerator) -> Schema {
    let protocols = catalogue::protocols();
    let slot = |slot: Slot| {
        let (fit, others): (Vec<_>, Vec<_>) = protocols.iter().partition(|p| p.slots.contains(&slot));
        let misfit = |p: &ProtocolInfo| (p.id.to_owned(), json!(format!("`{}` does not fill the slot {slot}", p.id)));
        let misfits: Map<String, Value> = others.into_iter().map(misfit).collect();
        let mut schemas = named_schemas(&fit, Map::new());
        for schema in schemas.as_array_mut().into_iter().flatten().filter_map(Value::as_object_mut) {
            schema.insert(MISFITS.to_owned(), Value::Object(misfits.clone()));
        }
        json!({ "description": format!("Proves this layer's {slot} relations."), "anyOf": schemas })
    };
    let mut slots = Map::new();
    slots.insert("einsum".to_owned(), slot(Slot::Einsum));
    slots.insert("lookup".to_owned(), slot(Slot::Lookup));
    let all: Vec<&ProtocolInfo> = protocols.iter().collect();
    json_schema!({
        "description": "The protocol that proves this layer: a name, a name with options, or one per slot.",
        "anyOf": named_schemas(&all, slots)
    })
}

fn named_schemas(protocols: &[&ProtocolInfo], mut properties: Map<String, Value>) -> Value {
    let names: Vec<(String, String)> = protocols.iter().map(|p| (p.id.to_owned(), p.about.to_owned())).collect();
    properties.extend(protocols.iter().map(|p| (p.id.to_owned(), options_schema(p))));
    json!([
        named_enum("protocol", &names),
        { "title": "protocol", "type": "object", "additionalProperties": false, "minProperties": 1, "properties": properties }
    ])
}

fn options_schema(info: &ProtocolInfo) -> Value {
    let options: Map<String, Value> = info
        .options
        .iter()
        .map(|(name, values)| ((*name).to_owned(), json!({ "title": "value", "enum": option_values(values) })))
        .collect();
    json!({
        "title": "option", "description": info.about, "type": ["object", "null"], "additionalProperties": false,
        "properties": options
    })
}

/// Options are text to a protocol; in YAML `4` and `true` may stand without quotes.
fn option_values(values: &[&str]) -> Vec<Value> {
    let bare = values.iter().filter_map(|v| serde_json::from_str::<Value>(v).ok()).filter(|v| !v.is_string());
    values.iter().map(|v| json!(v)).chain(bare).collect()
}

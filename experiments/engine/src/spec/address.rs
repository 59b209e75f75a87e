//! Key paths as people write them: layers by name, and slots of a protocol that was given for both.

use serde_json::Value;
use zkml_core::{ProtocolInfo, Slot};

use super::check::Fault;
use super::path::{KeyPath, Segment};
use super::tree::Tree;
use crate::{catalogue, kernels};

/// The names of the layers, given or by default.
fn names(layers: &[Tree]) -> Vec<String> {
    let text = |layer: &Tree, key: &str| match layer.entry(key) {
        Some(Tree::Scalar(Value::String(text))) => Some(text.clone()),
        _ => None,
    };
    let kernel = |layer: &Tree| kernels::KEYS.iter().copied().find(|key| layer.entry(key).is_some()).unwrap_or("");
    kernels::names(layers.iter().map(|layer| (text(layer, "name"), kernel(layer))))
}

/// `path` with the position of a layer in place of its name: `model.conv1.protocol` is `model.0.protocol` if the first
/// layer is called `conv1`.
pub(crate) fn resolve(tree: &Tree, path: &KeyPath) -> Result<KeyPath, Fault> {
    let model = KeyPath::default().key("model");
    let (Some(Tree::List(layers)), Some(rest)) = (tree.get(&model), path.below(&model)) else {
        return Ok(path.clone());
    };
    let Some((first, below)) = rest.segments().split_first() else { return Ok(path.clone()) };
    let names = names(layers);
    let position = match first {
        Segment::Index(i) => Some(*i).filter(|i| *i < names.len()),
        Segment::Key(name) => names.iter().position(|n| n == name),
    };
    if let Some(position) = position {
        return Ok(below.iter().fold(model.index(position), |path, segment| path.segment(segment)));
    }
    let known: Vec<&str> = names.iter().map(String::as_str).collect();
    let fault = Fault::name(&model.segment(first), "layer", &first.to_string(), &known);
    let allowed =
        format!("a layer's position, from 0 to {}, or its name: {}", names.len().max(1) - 1, known.join(", "));
    Err(Fault { problem: format!("there is no `{path}`"), allowed, ..fault })
}

/// Makes room for a protocol of one slot where one protocol stands for both: it keeps the slots that it fits.
pub(crate) fn split_slots(tree: &mut Tree, path: &KeyPath) {
    let segments = path.segments();
    let key = |segment: &Segment, text: &str| matches!(segment, Segment::Key(key) if key == text);
    let slots = ["einsum", "lookup"];
    let at = segments.windows(2).position(|pair| key(&pair[0], "protocol") && slots.iter().any(|s| key(&pair[1], s)));
    let Some(at) = at else { return };
    let protocol = segments.iter().take(at + 1).fold(KeyPath::default(), |path, segment| path.segment(segment));
    let id = match tree.get(&protocol) {
        Some(Tree::Scalar(Value::String(id))) => id.clone(),
        Some(Tree::Map(entries)) => match entries.as_slice() {
            [(id, _)] if !slots.contains(&id.as_str()) => id.clone(),
            _ => return,
        },
        _ => return,
    };
    let known = catalogue::protocols();
    let Some(info) = known.iter().find(|p| p.id == id) else { return };
    let old = tree.get(&protocol).cloned();
    let fits = |info: &ProtocolInfo, slot: &str| {
        info.slots.contains(if slot == "einsum" { &Slot::Einsum } else { &Slot::Lookup })
    };
    let kept = slots.iter().filter(|slot| fits(info, slot)).filter_map(|slot| Some(((*slot).to_owned(), old.clone()?)));
    // The path was just read, so it can be set.
    let _ = tree.set(&protocol, Tree::Map(kept.collect()));
}

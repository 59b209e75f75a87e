//! A network layer by layer: what proves each one, and what that is predicted to cost.

use zkml_core::Residence;
use zkml_results::record::{LayerRecord, RelationRecord, SlotRecord, owners};

use crate::network::Network;

/// All layers of a plan. Merged lookups count for the first of their layers.
pub fn records(network: &Network, relations: &[RelationRecord]) -> Vec<LayerRecord> {
    let cells = |name: &str, residence: Residence| -> usize {
        let own = |tensor: &str| tensor.strip_prefix(name).is_some_and(|rest| rest.starts_with('/'));
        let program = network.program();
        let tensors = program.with_residence(residence).into_iter().filter_map(|t| program.get(t));
        tensors.filter(|t| own(&t.name)).map(|t| t.shape.cells()).sum()
    };
    let record = |layer: &zkml_layers::LayerInfo| LayerRecord {
        name: layer.name.clone(),
        kernel: layer.kernel.to_owned(),
        inputs: layer.inputs.clone(),
        shape: layer.shape.dims().to_vec(),
        committed_cells: cells(&layer.name, Residence::Committed),
        fixed_cells: cells(&layer.name, Residence::Fixed),
        limb_bits: layer.limb_bits,
        parameters: layer.parameters.iter().map(|(k, v)| ((*k).to_owned(), v.clone())).collect(),
        slots: slots(&layer.name, relations),
    };
    network.layers().iter().map(record).collect()
}

fn slots(layer: &str, relations: &[RelationRecord]) -> Vec<SlotRecord> {
    let mut slots: Vec<SlotRecord> = Vec::new();
    for relation in relations {
        let owners = owners(&relation.scope);
        let Some((_, others)) = owners.split_first().filter(|(first, _)| **first == layer) else { continue };
        let same = |s: &SlotRecord| s.slot == relation.kind && s.protocol == relation.protocol;
        let at = slots.iter().position(same).unwrap_or_else(|| {
            let (slot, protocol) = (relation.kind.clone(), relation.protocol.clone());
            slots.push(SlotRecord { slot, protocol, ..SlotRecord::default() });
            slots.len() - 1
        });
        let slot = &mut slots[at];
        slot.relations += 1;
        slot.cost = slot.cost.plus(relation.cost);
        slot.proof_bytes += relation.proof_bytes;
        for other in others {
            if !slot.shared_with.iter().any(|known| known == other) {
                slot.shared_with.push((*other).to_owned());
            }
        }
    }
    slots
}

#[cfg(test)]
mod tests {
    use zkml_core::Cost;

    use super::*;

    #[test]
    fn merged_lookups_count_for_their_first_layer() {
        let relation = |scope: &str, kind: &str, bytes| RelationRecord {
            scope: scope.to_owned(),
            kind: kind.to_owned(),
            protocol: "p".to_owned(),
            detail: String::new(),
            cost: Cost::default(),
            proof_bytes: bytes,
        };
        let relations = [
            relation("a/range+b/range+b/clamp", "lookup", 5),
            relation("a/clamp", "lookup", 2),
            relation("b/product", "einsum", 3),
        ];
        let a = slots("a", &relations);
        assert_eq!((a.len(), a[0].relations, a[0].proof_bytes), (1, 2, 7));
        assert_eq!(a[0].shared_with, ["b"]);
        let b = slots("b", &relations);
        assert_eq!((b.len(), b[0].slot.as_str()), (1, "einsum"));
    }
}

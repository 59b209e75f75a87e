//! What the tests of several kernels need: honest witnesses, and the means to forge them.

#![allow(dead_code, reason = "every test binary uses a part of it")]

use zkml_core::{Goldilocks, Program, Relation, Residence, Suite, Table, TensorId, Witness};
use zkml_layers::{Lowered, Violation, check_witness};

/// The Goldilocks prime.
pub(crate) const P: i128 = (1 << 64) - (1 << 32) + 1;

/// The tensor called `name`.
pub(crate) fn id(lowered: &Lowered, name: &str) -> TensorId {
    let position = lowered.program.tensors().iter().position(|t| t.name == name);
    TensorId(position.unwrap_or_else(|| panic!("no tensor {name}")))
}

pub(crate) fn values(lowered: &Lowered, witness: &Witness, name: &str) -> Vec<i64> {
    witness.require(&lowered.program, id(lowered, name)).unwrap().to_i64()
}

/// A derived parameter of a layer, as a number.
pub(crate) fn parameter(lowered: &Lowered, layer: &str, name: &str) -> i128 {
    let layer = lowered.layers.iter().find(|l| l.name == layer).unwrap();
    let (_, value) = layer.parameters.iter().find(|(n, _)| *n == name).unwrap();
    value.parse().unwrap()
}

/// The honest witness: the program is sound, all relations hold, all values are within their declared bounds,
/// plain inference gives the same outputs, and virtual tensors that a kernel recorded are those of their definitions.
pub(crate) fn accept(lowered: &Lowered, input: &[i64]) -> Witness {
    lowered.program.check(Goldilocks::max_magnitude()).unwrap();
    let witness = lowered.forward(input).unwrap();
    check_witness::<Goldilocks>(&lowered.program, &witness).unwrap();
    assert_eq!(witness.get(lowered.output).unwrap().to_i64(), lowered.infer(input).unwrap());
    for (tensor, info) in lowered.program.tensors().iter().enumerate() {
        let (lo, hi) = witness.require(&lowered.program, TensorId(tensor)).unwrap().range().unwrap();
        assert!(info.bounds.lo <= lo && hi <= info.bounds.hi, "{} reaches [{lo}, {hi}]", info.name);
    }
    recorded_equals_defined(lowered, &witness);
    witness
}

fn recorded_equals_defined(lowered: &Lowered, witness: &Witness) {
    let mut bare = Witness::default();
    for (tensor, info) in lowered.program.tensors().iter().enumerate() {
        if info.residence != Residence::Virtual {
            bare.set(TensorId(tensor), witness.get(TensorId(tensor)).unwrap().clone());
        }
    }
    zkml_layers::evaluate::fill_virtual(&lowered.program, &mut bare).unwrap();
    for (tensor, info) in lowered.program.tensors().iter().enumerate() {
        let [recorded, defined] =
            [witness, &bare].map(|w| w.require(&lowered.program, TensorId(tensor)).unwrap().to_i64());
        assert_eq!(recorded, defined, "{}", info.name);
    }
}

/// Puts `value` in the first cell.
pub(crate) fn put(lowered: &Lowered, witness: &mut Witness, name: &str, value: i64) {
    put_at(lowered, witness, name, 0, value);
}

/// Puts `value` in a cell.
pub(crate) fn put_at(lowered: &Lowered, witness: &mut Witness, name: &str, cell: usize, value: i64) {
    let mut column = values(lowered, witness, name);
    column[cell] = value;
    witness.set_i64(&lowered.program, id(lowered, name), column);
}

/// The first cell.
pub(crate) fn scalar(lowered: &Lowered, witness: &Witness, name: &str) -> i64 {
    values(lowered, witness, name)[0]
}

/// Number of limbs `name.0`, `name.1`, …, and the bits of one.
fn limb_sizes(lowered: &Lowered, name: &str) -> (u32, u32) {
    let tensors = lowered.program.tensors();
    let prefix = format!("{name}.");
    let limbs: Vec<_> = tensors.iter().filter(|t| t.name.starts_with(&prefix)).collect();
    (limbs.len() as u32, limbs[0].bounds.hi.count_ones())
}

/// The integer that the limbs of cell `cell` express.
pub(crate) fn limbs_at(lowered: &Lowered, witness: &Witness, name: &str, cell: usize) -> i64 {
    let (count, width) = limb_sizes(lowered, name);
    (0..count).map(|k| values(lowered, witness, &format!("{name}.{k}"))[cell] << (width * k)).sum()
}

/// Writes `value` into the limbs of cell `cell`: true digits, and whatever does not fit (or the sign) in the last one.
/// Returns the name of the last limb.
pub(crate) fn put_limbs_at(lowered: &Lowered, witness: &mut Witness, name: &str, cell: usize, value: i64) -> String {
    let (count, width) = limb_sizes(lowered, name);
    for k in 0..count {
        let shifted = value >> (width * k);
        let limb = if k + 1 == count { shifted } else { shifted & ((1 << width) - 1) };
        put_at(lowered, witness, &format!("{name}.{k}"), cell, limb);
    }
    format!("{name}.{}", count - 1)
}

/// The checker refuses a lookup of `tensor`.
pub(crate) fn refused_by_lookup(lowered: &Lowered, witness: &Witness, tensor: &str) {
    match check_witness::<Goldilocks>(&lowered.program, witness) {
        Err(Violation::Lookup { tensors, .. }) => assert!(tensors.contains(tensor), "{tensors}, not {tensor}"),
        other => panic!("expected a failed lookup of {tensor}, got {other:?}"),
    }
}

/// The checker refuses the equation with the scope `expected`.
pub(crate) fn refused_by_equation(lowered: &Lowered, witness: &Witness, expected: &str) {
    match check_witness::<Goldilocks>(&lowered.program, witness) {
        Err(Violation::Equation { scope, .. }) => assert_eq!(scope, expected),
        other => panic!("expected {expected} to fail, got {other:?}"),
    }
}

/// The checker refuses a public or fixed value.
pub(crate) fn refused_by_bounds(lowered: &Lowered, witness: &Witness) {
    let verdict = check_witness::<Goldilocks>(&lowered.program, witness);
    assert!(matches!(verdict, Err(Violation::Bounds { .. })), "{verdict:?}");
}

/// The table of the lookup with scope `scope`.
pub(crate) fn table<'a>(lowered: &'a Lowered, scope: &str) -> &'a Table {
    let table = lowered.program.relations().iter().find_map(|r| match r {
        Relation::Lookup(l) if l.scope == scope => Some(&l.table),
        _ => None,
    });
    table.unwrap_or_else(|| panic!("no lookup {scope}"))
}

/// The program with only those relations that `keep` wants.
pub(crate) fn part(program: &Program, keep: impl Fn(&Relation) -> bool) -> Program {
    let mut part = Program::default();
    for t in program.tensors() {
        part.tensor(t.name.clone(), t.shape.clone(), t.bounds, t.residence);
    }
    for relation in program.relations().iter().filter(|r| keep(r)) {
        part.relation(relation.clone());
    }
    part
}

/// The bounds pass refuses the program without the lookups whose scope is `scope`: they carry the soundness.
pub(crate) fn needs_lookup(lowered: &Lowered, scope: &str) {
    let without = part(&lowered.program, |r| r.kind() != "lookup" || r.scope() != scope);
    assert_ne!(without.relations().len(), lowered.program.relations().len(), "no lookup {scope}");
    assert!(without.check(Goldilocks::max_magnitude()).is_err(), "{scope} is not needed");
}

/// The representative of smallest magnitude modulo the field's characteristic.
pub(crate) fn signed(v: i128) -> i64 {
    let v = v.rem_euclid(P);
    i64::try_from(if v > P / 2 { v - P } else { v }).unwrap()
}

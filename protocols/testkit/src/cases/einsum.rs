//! Einsums over every index pattern that a kernel is lowered to.

use std::collections::BTreeMap;

use rand::RngExt;
use rand::rngs::StdRng;
use zkml_core::{Einsum, Program, Residence, Witness};

use super::{Case, add, length, shape};
use crate::Failure;

/// Index strings, and which operand tensor each position uses (so that `[0, 0, 1]` repeats the first one).
const PATTERNS: &[(&str, &[usize])] = &[
    ("bi,oi->bo", &[0, 1]),
    ("bi,bi->b", &[0, 1]),
    ("bi,bi->b", &[0, 0]),
    ("bi,b,i->bi", &[0, 1, 2]),
    ("b,b,b->b", &[0, 0, 1]),
    ("b,b,b->b", &[0, 0, 0]),
    ("bi->b", &[0]),
    ("bi->ib", &[0]),
    ("bi->i", &[0]),
    ("i->i", &[0]),
    ("io,bi->ob", &[0, 1]),
    ("bmk,bkn->bmn", &[0, 1]),
    ("bqhd,bkhd->bhqk", &[0, 1]),
    ("b,i->bi", &[0, 1]),
    ("bi,i->bi", &[0, 1]),
    ("bi,bi->bi", &[0, 1]),
    ("bi,bi->", &[0, 1]),
    ("abc->ca", &[0]),
];

/// How large the operands' values are.
#[derive(Clone, Copy, Debug)]
enum Magnitude {
    /// Eight bits.
    Byte,
    /// As many bits as the output can bear.
    Wide,
    /// Only the two ends of the interval.
    Ends,
    /// All zero.
    Zero,
    /// Small values in a tensor that declares 64-bit bounds.
    LooseBounds,
}

const MAGNITUDES: [Magnitude; 5] =
    [Magnitude::Byte, Magnitude::Wide, Magnitude::Ends, Magnitude::Zero, Magnitude::LooseBounds];

pub(super) fn random(rng: &mut StdRng) -> Result<Case, Failure> {
    let pattern = rng.random_range(0..PATTERNS.len());
    let magnitude = MAGNITUDES[rng.random_range(0..MAGNITUDES.len())];
    build(pattern, magnitude, rng, |rng, letters| length(rng, if letters > 3 { 5 } else { 11 }))
}

pub(super) fn edge(rng: &mut StdRng) -> Result<Vec<Case>, Failure> {
    let mut cases = Vec::new();
    for pattern in 0..PATTERNS.len() {
        cases.push(build(pattern, Magnitude::Byte, rng, |_, _| 1)?);
        cases.push(build(pattern, Magnitude::Ends, rng, |rng, _| rng.random_range(2..=5))?);
        cases.push(build(pattern, Magnitude::Wide, rng, |rng, _| rng.random_range(1..=6))?);
    }
    Ok(cases)
}

pub(super) fn to_tamper(rng: &mut StdRng) -> Result<Vec<Case>, Failure> {
    let mut cases = Vec::new();
    for pattern in [0, 2, 3, 4, 6, 11] {
        cases.push(build(pattern, Magnitude::Byte, rng, |rng, letters| rng.random_range(3..=9 - letters))?);
    }
    // Equal lengths, so that transposing an operand gives a statement that makes sense.
    for pattern in [0, 3] {
        cases.push(build(pattern, Magnitude::Byte, rng, |_, _| 3)?);
    }
    Ok(cases)
}

pub(super) fn large(rng: &mut StdRng) -> Result<Vec<Case>, Failure> {
    let dense = build(0, Magnitude::Byte, rng, |_, _| 72)?;
    let squares = build(2, Magnitude::Byte, rng, |_, _| 200)?;
    let scaling = build(3, Magnitude::Byte, rng, |_, _| 150)?;
    Ok(vec![dense, squares, scaling])
}

fn build(
    pattern: usize,
    magnitude: Magnitude,
    rng: &mut StdRng,
    mut axis: impl FnMut(&mut StdRng, usize) -> usize,
) -> Result<Case, Failure> {
    let (subscripts, sources) = PATTERNS[pattern];
    let (inputs, output) = subscripts.split_once("->").unwrap_or((subscripts, ""));
    let mut letters: Vec<char> = subscripts.chars().filter(|c| c.is_alphabetic()).collect();
    letters.sort_unstable();
    letters.dedup();
    let lengths: BTreeMap<char, usize> = letters.iter().map(|&c| (c, axis(rng, letters.len()))).collect();
    let dims = |indices: &str| indices.chars().map(|c| lengths[&c]).collect::<Vec<_>>();

    let (mut program, mut witness) = (Program::default(), Witness::default());
    let terms: usize = lengths.values().product();
    let bits = (60 - terms.ilog2()) / sources.len() as u32;
    let mut tensors = Vec::new();
    for (position, indices) in inputs.split(',').enumerate() {
        // The first use of a source declares the tensor.
        if sources[position] == tensors.len() {
            let shape = shape(dims(indices))?;
            let values = values(magnitude, bits, shape.cells(), rng);
            let name = format!("operand.{position}");
            tensors.push(operand(&mut program, &mut witness, &name, &shape, magnitude, bits, values));
        }
    }
    let operands: Vec<_> = sources.iter().map(|&s| tensors[s]).collect();
    let out_shape = shape(dims(output))?;
    let bounds = (i64::MIN, i64::MAX);
    let out =
        add(&mut program, &mut witness, "output", &out_shape, bounds, Residence::Virtual, vec![0; out_shape.cells()]);
    let einsum = Einsum::new("case/einsum", subscripts, out, &operands)
        .ok_or_else(|| Failure::new(format!("`{subscripts}` is malformed")))?;
    witness.set_i64(&program, out, evaluate(&program, &einsum, &witness)?);
    let relation = program.relation(zkml_core::Relation::Einsum(einsum));
    let name = format!("{subscripts} with {lengths:?}, {magnitude:?} values, operands {sources:?}");
    Ok(Case { name, program, relation, witness })
}

/// A weight with tight bounds, or a virtual copy of one with bounds of 64 bits.
fn operand(
    program: &mut Program,
    witness: &mut Witness,
    name: &str,
    shape: &zkml_core::Shape,
    magnitude: Magnitude,
    bits: u32,
    values: Vec<i64>,
) -> zkml_core::TensorId {
    let bits = value_bits(magnitude, bits);
    let bounds = (-(1 << (bits - 1)), (1 << (bits - 1)) - 1);
    if !matches!(magnitude, Magnitude::LooseBounds) {
        return add(program, witness, name, shape, bounds, Residence::Fixed, values);
    }
    let source = add(program, witness, &format!("{name}.source"), shape, bounds, Residence::Fixed, values.clone());
    let copy = add(program, witness, name, shape, (i64::MIN, i64::MAX), Residence::Virtual, values);
    program.affine("case/copy", copy, vec![(1, source)], 0);
    copy
}

fn value_bits(magnitude: Magnitude, bits: u32) -> u32 {
    if matches!(magnitude, Magnitude::Wide | Magnitude::Ends) { bits } else { bits.min(8) }
}

fn values(magnitude: Magnitude, bits: u32, count: usize, rng: &mut StdRng) -> Vec<i64> {
    let half = 1_i64 << (value_bits(magnitude, bits) - 1);
    (0..count)
        .map(|_| match magnitude {
            Magnitude::Zero => 0,
            Magnitude::Ends => [-half, half - 1][rng.random_range(0..2)],
            _ => rng.random_range(-half..half),
        })
        .collect()
}

/// The output's cells, straight from the definition.
pub(crate) fn evaluate(program: &Program, einsum: &Einsum, witness: &Witness) -> Result<Vec<i64>, Failure> {
    let indices = einsum.all_indices();
    let mut lengths = BTreeMap::new();
    let mut columns = Vec::new();
    for operand in &einsum.operands {
        let dims = program.get(operand.tensor).map(|t| t.shape.dims().to_vec()).unwrap_or_default();
        lengths.extend(operand.indices.iter().copied().zip(dims));
        let column = witness.require(program, operand.tensor).map_err(Failure::new)?;
        columns.push(column.to_i64());
    }
    let dims: Vec<usize> = indices.iter().map(|c| lengths.get(c).copied().unwrap_or(1)).collect();
    let cells = einsum.output_indices.iter().map(|c| lengths.get(c).copied().unwrap_or(1)).product();
    let mut output = vec![0_i64; cells];
    for flat in 0..dims.iter().product::<usize>() {
        let at = unflatten(flat, &indices, &dims);
        let place = |own: &[char]| own.iter().fold(0, |sum, c| sum * lengths[c] + at[c]);
        let product = einsum.operands.iter().zip(&columns).map(|(o, column)| column[place(&o.indices)]);
        output[place(&einsum.output_indices)] += product.product::<i64>();
    }
    Ok(output)
}

fn unflatten(flat: usize, indices: &[char], dims: &[usize]) -> BTreeMap<char, usize> {
    let mut rest = flat;
    let mut at = BTreeMap::new();
    for (&c, &n) in indices.iter().zip(dims).rev() {
        at.insert(c, rest % n);
        rest /= n;
    }
    at
}

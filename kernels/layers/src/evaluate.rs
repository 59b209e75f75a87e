//! The values of virtual tensors, computed from their definitions.

use std::collections::BTreeMap;

use rayon::prelude::*;
use zkml_core::{Affine, Einsum, Program, Relation, Shape, TensorId, Witness};

use crate::LayerError;

/// Output cells that one parallel job handles at least.
const JOB_CELLS: usize = 1 << 10;

/// Fills every virtual tensor that has no values yet, in the order of the definitions. Views stay empty: a witness gathers
/// their cells where they are asked for.
pub fn fill_virtual(program: &Program, witness: &mut Witness) -> Result<(), LayerError> {
    for (tensor, relation) in program.relations().iter().filter_map(|r| Some((r.output()?, r))) {
        if witness.get(tensor).is_none() && program.view_of(tensor).is_none() {
            let values = right_hand_side(program, witness, relation)?;
            witness.set_i64(program, tensor, values);
        }
    }
    Ok(())
}

/// The integers on the right-hand side of a relation; empty for a lookup.
pub fn right_hand_side(program: &Program, witness: &Witness, relation: &Relation) -> Result<Vec<i64>, LayerError> {
    let values = |tensor: TensorId| {
        witness.require(program, tensor).map(|c| c.to_i64()).map_err(|_| LayerError::Missing {
            scope: relation.scope().to_owned(),
            tensor: program.get(tensor).map_or_else(String::new, |t| t.name.clone()),
        })
    };
    let inputs = relation.inputs().into_iter().map(values).collect::<Result<Vec<_>, _>>()?;
    let cells = relation.output().and_then(|t| program.get(t)).map_or(0, |t| t.shape.cells());
    let wide = match relation {
        Relation::Affine(affine) => affine_values(affine, &inputs, cells),
        Relation::Einsum(einsum) => einsum_values(program, einsum, &inputs, cells),
        Relation::View(view) => {
            let shape = |t: TensorId| program.get(t).map_or_else(Shape::scalar, |t| t.shape.clone());
            let places = view.cells(&shape(view.output), &shape(view.input));
            Some(places.iter().map(|&p| p.map_or(0, |p| inputs[0][p])).collect())
        }
        Relation::Lookup(_) => Some(Vec::new()),
    };
    wide.ok_or_else(|| LayerError::Overflow { scope: relation.scope().to_owned() })
}

fn affine_values(affine: &Affine, inputs: &[Vec<i64>], cells: usize) -> Option<Vec<i64>> {
    let cell = |i: usize| {
        let terms = affine.terms.iter().zip(inputs);
        let sum = terms.map(|(&(c, _), v)| i128::from(c) * i128::from(v.get(i).copied().unwrap_or(0)));
        i64::try_from(sum.fold(i128::from(affine.constant), i128::saturating_add)).ok()
    };
    (0..cells).into_par_iter().with_min_len(JOB_CELLS).map(cell).collect()
}

/// An einsum as nested counting: for each index letter its length, and per operand its stride along every letter.
pub(crate) struct Loops {
    outer: Vec<usize>,
    inner: Vec<usize>,
    /// `strides[operand]`: first along the outer letters, then along the inner ones.
    strides: Vec<Vec<usize>>,
}

impl Loops {
    /// Outer letters are the output's, in its order; inner ones are summed.
    pub(crate) fn new(program: &Program, einsum: &Einsum) -> Self {
        let mut lengths = BTreeMap::new();
        for operand in &einsum.operands {
            let dims = program.get(operand.tensor).map(|t| t.shape.dims()).unwrap_or_default();
            lengths.extend(operand.indices.iter().copied().zip(dims.iter().copied()));
        }
        let letters = einsum.all_indices();
        let length = |c: &char| lengths.get(c).copied().unwrap_or(1);
        let (outer, inner) = letters.split_at(einsum.output_indices.len());
        let strides = einsum.operands.iter().map(|operand| {
            letters
                .iter()
                .map(|letter| match operand.indices.iter().position(|c| c == letter) {
                    Some(at) => operand.indices[at + 1..].iter().map(length).product(),
                    None => 0,
                })
                .collect()
        });
        Self {
            outer: outer.iter().map(length).collect(),
            inner: inner.iter().map(length).collect(),
            strides: strides.collect(),
        }
    }

    /// Calls `visit` with every operand's flat index, for each summed combination of output cell `cell`.
    pub(crate) fn for_each(&self, cell: usize, mut visit: impl FnMut(&[usize])) {
        let mut at = vec![0; self.strides.len()];
        let mut rest = cell;
        for (letter, &n) in self.outer.iter().enumerate().rev() {
            let index = rest % n;
            rest /= n;
            at.iter_mut().zip(&self.strides).for_each(|(a, s)| *a += index * s[letter]);
        }
        let mut counter = vec![0; self.inner.len()];
        loop {
            visit(&at);
            let Some(letter) = (0..counter.len()).rev().find(|&l| counter[l] + 1 < self.inner[l]) else { return };
            for l in letter + 1..counter.len() {
                at.iter_mut().zip(&self.strides).for_each(|(a, s)| *a -= counter[l] * s[self.outer.len() + l]);
                counter[l] = 0;
            }
            counter[letter] += 1;
            at.iter_mut().zip(&self.strides).for_each(|(a, s)| *a += s[self.outer.len() + letter]);
        }
    }
}

fn einsum_values(program: &Program, einsum: &Einsum, inputs: &[Vec<i64>], cells: usize) -> Option<Vec<i64>> {
    let loops = Loops::new(program, einsum);
    let cell = |i: usize| {
        let mut sum = Some(0_i128);
        loops.for_each(i, |at| {
            let mut factors = at.iter().zip(inputs).map(|(&a, v)| i128::from(v.get(a).copied().unwrap_or(0)));
            let product = factors.try_fold(1_i128, i128::checked_mul);
            sum = sum.and_then(|s| s.checked_add(product?));
        });
        sum.and_then(|s| i64::try_from(s).ok())
    };
    (0..cells).into_par_iter().with_min_len(JOB_CELLS).map(cell).collect()
}

#[cfg(test)]
mod tests {
    use zkml_core::{Bounds, Residence, Shape};

    use super::*;

    #[test]
    fn a_matrix_product_with_a_transposed_operand() {
        let mut program = Program::default();
        let wide = Bounds::new(-1000, 1000);
        let a = program.tensor("a", Shape::new([2, 3]).unwrap(), wide, Residence::Public);
        let b = program.tensor("b", Shape::new([2, 3]).unwrap(), wide, Residence::Public);
        let c = program.tensor("c", Shape::new([2, 2]).unwrap(), wide, Residence::Virtual);
        let d = program.tensor("d", Shape::new([2, 2]).unwrap(), wide, Residence::Virtual);
        program.einsum("m/product", "bi,oi->bo", c, &[a, b]).unwrap();
        program.affine("m/affine", d, vec![(-2, c)], 7);
        let mut witness = Witness::default();
        witness.set_i64(&program, a, vec![1, 2, 3, 4, 5, 6]);
        witness.set_i64(&program, b, vec![1, 0, -1, 10, 20, 30]);
        fill_virtual(&program, &mut witness).unwrap();
        assert_eq!(witness.get(c).unwrap().to_i64(), [-2, 140, -2, 320]);
        assert_eq!(witness.get(d).unwrap().to_i64(), [11, -273, 11, -633]);
    }

    #[test]
    fn overflow_and_missing_values_are_errors() {
        let mut program = Program::default();
        let shape = Shape::new([1]).unwrap();
        let a = program.tensor("a", shape.clone(), Bounds::new(0, i64::MAX), Residence::Public);
        let c = program.tensor("c", shape, Bounds::new(0, 1), Residence::Virtual);
        program.einsum("m/cube", "b,b,b->b", c, &[a, a, a]).unwrap();
        let mut witness = Witness::default();
        assert!(matches!(fill_virtual(&program, &mut witness), Err(LayerError::Missing { .. })));
        witness.set_i64(&program, a, vec![i64::MAX]);
        assert!(matches!(fill_virtual(&program, &mut witness), Err(LayerError::Overflow { .. })));
    }
}

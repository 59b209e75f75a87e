//! The bounds pass: shapes fit, and no equation modulo `p` can hold without holding over the integers.

use std::collections::{BTreeMap, BTreeSet};

use super::{Program, Residence, TensorId};
use crate::{Affine, BoundsError, Einsum, Lookup, Relation};

/// An interval wide enough for every intermediate; saturates instead of overflowing.
#[derive(Clone, Copy, Debug)]
struct Interval {
    lo: i128,
    hi: i128,
}

impl Interval {
    fn magnitude(self) -> i128 {
        self.lo.saturating_abs().max(self.hi.saturating_abs())
    }

    fn times(self, other: Self) -> Self {
        let corners = [
            self.lo.saturating_mul(other.lo),
            self.lo.saturating_mul(other.hi),
            self.hi.saturating_mul(other.lo),
            self.hi.saturating_mul(other.hi),
        ];
        Self { lo: corners.into_iter().fold(i128::MAX, i128::min), hi: corners.into_iter().fold(i128::MIN, i128::max) }
    }

    fn plus(self, other: Self) -> Self {
        Self { lo: self.lo.saturating_add(other.lo), hi: self.hi.saturating_add(other.hi) }
    }

    fn intersect(self, other: Self) -> Self {
        Self { lo: self.lo.max(other.lo), hi: self.hi.min(other.hi) }
    }
}

struct Pass<'a> {
    program: &'a Program,
    limit: i128,
    /// What is proven so far about each tensor.
    proven: Vec<Option<Interval>>,
}

pub(super) fn check(program: &Program, limit: i128) -> Result<(), BoundsError> {
    shapes(program)?;
    let mut pass = Pass { program, limit, proven: vec![None; program.tensors.len()] };
    pass.start()?;
    // Constraints found late tighten tensors that earlier definitions use: iterate until nothing moves.
    // Wrapping is judged in the last sweep only, on the tightest bounds.
    for _ in 0..=program.relations.len() {
        if !pass.sweep()? {
            break;
        }
    }
    pass.judge()
}

impl Pass<'_> {
    /// Public and fixed tensors have their declared bounds (checked against the values where those enter);
    /// committed ones have what their lookups give.
    fn start(&mut self) -> Result<(), BoundsError> {
        for (i, tensor) in self.program.tensors.iter().enumerate() {
            self.proven[i] = match tensor.residence {
                Residence::Public | Residence::Fixed => {
                    Some(Interval { lo: tensor.bounds.lo.into(), hi: tensor.bounds.hi.into() })
                }
                Residence::Committed => Some(self.lookup_bounds(TensorId(i)).ok_or_else(|| {
                    BoundsError::Unbounded { scope: scope_of(&tensor.name), tensor: tensor.name.clone() }
                })?),
                Residence::Virtual => None,
            };
        }
        Ok(())
    }

    fn lookup_bounds(&self, tensor: TensorId) -> Option<Interval> {
        let mut interval: Option<Interval> = None;
        for relation in &self.program.relations {
            let Relation::Lookup(lookup) = relation else { continue };
            for tuple in &lookup.tuples {
                for (column, _) in tuple.iter().enumerate().filter(|&(_, &t)| t == tensor) {
                    let (lo, hi) = lookup.table.bounds(column)?;
                    let new = Interval { lo: lo.into(), hi: hi.into() };
                    interval = Some(interval.map_or(new, |old| old.intersect(new)));
                }
            }
        }
        interval
    }

    /// One pass over all equations; true if some interval became known or narrower.
    fn sweep(&mut self) -> Result<bool, BoundsError> {
        let mut moved = false;
        for relation in &self.program.relations {
            let Some(output) = relation.output() else { continue };
            let right = self.right_hand_side(relation)?;
            let old = self.proven[output.0];
            let new = match old {
                None => right,
                // A constraint is an equation of integers only if neither side wraps; until then it proves nothing.
                Some(left) if left.magnitude() <= self.limit && right.magnitude() <= self.limit => {
                    left.intersect(right)
                }
                Some(left) => left,
            };
            if old.is_none_or(|old| (old.lo, old.hi) != (new.lo, new.hi)) {
                self.proven[output.0] = Some(new);
                moved = true;
            }
        }
        Ok(moved)
    }

    fn right_hand_side(&self, relation: &Relation) -> Result<Interval, BoundsError> {
        let known = |tensor: TensorId| {
            self.proven[tensor.0].ok_or_else(|| BoundsError::Malformed {
                scope: relation.scope().to_owned(),
                what: format!("`{}` is used before any relation defines it", self.program.tensors[tensor.0].name),
            })
        };
        match relation {
            Relation::Affine(affine) => {
                let mut sum = Interval { lo: affine.constant.into(), hi: affine.constant.into() };
                for &(coefficient, tensor) in &affine.terms {
                    let scale = Interval { lo: coefficient.into(), hi: coefficient.into() };
                    sum = sum.plus(known(tensor)?.times(scale));
                }
                // The padding stays zero, whatever the constant.
                Ok(sum)
            }
            Relation::Einsum(einsum) => {
                let mut product = Interval { lo: 1, hi: 1 };
                for (tensor, power) in operand_powers(einsum) {
                    product = product.times(power_interval(known(tensor)?, power));
                }
                let terms = summed_terms(self.program, einsum) as i128;
                Ok(product.times(Interval { lo: terms, hi: terms }))
            }
            Relation::Lookup(_) => Ok(Interval { lo: 0, hi: 0 }),
        }
    }

    /// The verdict: nothing wraps, and everything lies in its declared bounds.
    fn judge(&self) -> Result<(), BoundsError> {
        for relation in &self.program.relations {
            let Some(output) = relation.output() else { continue };
            let right = self.right_hand_side(relation)?;
            let left = self.proven[output.0].unwrap_or(right);
            let magnitude = right.magnitude().max(left.magnitude());
            if magnitude > self.limit {
                return Err(BoundsError::Wrap {
                    scope: relation.scope().to_owned(),
                    tensor: self.program.tensors[output.0].name.clone(),
                    bits_x10: log2_x10(magnitude),
                    limit_x10: log2_x10(self.limit),
                });
            }
        }
        for (tensor, proven) in self.program.tensors.iter().zip(&self.proven) {
            let declared = tensor.bounds;
            let Some(proven) = proven else { continue };
            if proven.lo < declared.lo.into() || proven.hi > declared.hi.into() {
                return Err(BoundsError::Declared {
                    scope: scope_of(&tensor.name),
                    tensor: tensor.name.clone(),
                    declared_lo: declared.lo,
                    declared_hi: declared.hi,
                    lo: proven.lo,
                    hi: proven.hi,
                });
            }
        }
        Ok(())
    }
}

/// Equal operands (same tensor, same indices) with their multiplicity: `x·x` is a square, so never negative.
fn operand_powers(einsum: &Einsum) -> Vec<(TensorId, u32)> {
    let mut powers: Vec<(&crate::Operand, u32)> = Vec::new();
    for operand in &einsum.operands {
        match powers.iter_mut().find(|(o, _)| *o == operand) {
            Some((_, power)) => *power += 1,
            None => powers.push((operand, 1)),
        }
    }
    powers.into_iter().map(|(o, power)| (o.tensor, power)).collect()
}

fn power_interval(base: Interval, power: u32) -> Interval {
    let (lo, hi) = (base.lo.saturating_pow(power), base.hi.saturating_pow(power));
    if power % 2 == 1 {
        return Interval { lo, hi };
    }
    let zero_inside = base.lo <= 0 && base.hi >= 0;
    Interval { lo: if zero_inside { 0 } else { lo.min(hi) }, hi: lo.max(hi) }
}

fn summed_terms(program: &Program, einsum: &Einsum) -> usize {
    let lengths = index_lengths(program, einsum).unwrap_or_default();
    lengths.iter().filter(|(index, _)| !einsum.output_indices.contains(index)).map(|(_, &n)| n).product()
}

fn shapes(program: &Program) -> Result<(), BoundsError> {
    let count = program.tensors.len();
    let mut defined: BTreeSet<TensorId> =
        (0..count).map(TensorId).filter(|t| program.tensors[t.0].residence != Residence::Virtual).collect();
    for relation in &program.relations {
        let scope = relation.scope().to_owned();
        let malformed = |what: String| Err(BoundsError::Malformed { scope: scope.clone(), what });
        if let Some(bad) = relation.inputs().iter().chain(relation.output().iter()).find(|t| t.0 >= count) {
            return malformed(format!("tensor {} does not exist", bad.0));
        }
        if relation.output().is_some()
            && let Some(early) = relation.inputs().iter().find(|t| !defined.contains(t))
        {
            return malformed(format!("`{}` is used before any relation defines it", program.tensors[early.0].name));
        }
        match relation {
            Relation::Affine(affine) => affine_shapes(program, affine)?,
            Relation::Einsum(einsum) => einsum_shapes(program, einsum)?,
            Relation::Lookup(lookup) => lookup_shapes(program, lookup)?,
        }
        defined.extend(relation.output());
    }
    match (0..count).map(TensorId).find(|t| !defined.contains(t)) {
        Some(t) => Err(BoundsError::Malformed {
            scope: scope_of(&program.tensors[t.0].name),
            what: format!("virtual tensor `{}` is never defined", program.tensors[t.0].name),
        }),
        None => Ok(()),
    }
}

fn affine_shapes(program: &Program, affine: &Affine) -> Result<(), BoundsError> {
    let shape = &program.tensors[affine.output.0].shape;
    for &(_, tensor) in &affine.terms {
        let other = &program.tensors[tensor.0].shape;
        if other != shape {
            let what = format!("`{}` is {other}, the output is {shape}", program.tensors[tensor.0].name);
            return Err(BoundsError::Malformed { scope: affine.scope.clone(), what });
        }
    }
    Ok(())
}

fn lookup_shapes(program: &Program, lookup: &Lookup) -> Result<(), BoundsError> {
    let malformed = |what: String| Err(BoundsError::Malformed { scope: lookup.scope.clone(), what });
    if !lookup.table.is_well_formed() {
        return malformed(format!("table `{}` is not a table of 2^n rows", lookup.table.name()));
    }
    if lookup.tuples.is_empty() {
        return malformed("a lookup needs at least one tuple".to_owned());
    }
    for tuple in &lookup.tuples {
        if tuple.len() != lookup.table.width() {
            return malformed(format!("a tuple of {} for a table of {} columns", tuple.len(), lookup.table.width()));
        }
        let shapes: Vec<_> = tuple.iter().map(|t| &program.tensors[t.0].shape).collect();
        if shapes.windows(2).any(|pair| pair[0] != pair[1]) {
            return malformed("the tensors of one tuple differ in shape".to_owned());
        }
    }
    Ok(())
}

fn einsum_shapes(program: &Program, einsum: &Einsum) -> Result<(), BoundsError> {
    let malformed = |what: String| Err(BoundsError::Malformed { scope: einsum.scope.clone(), what });
    let lengths = match index_lengths(program, einsum) {
        Ok(lengths) => lengths,
        Err(what) => return malformed(what),
    };
    let output = &program.tensors[einsum.output.0].shape;
    let expected: Option<Vec<usize>> = einsum.output_indices.iter().map(|i| lengths.get(i).copied()).collect();
    match expected {
        None => malformed(format!("an output index of `{}` occurs in no operand", einsum.subscripts())),
        Some(dims) if dims != output.dims() => {
            malformed(format!("`{}` gives {dims:?}, the output is {output}", einsum.subscripts()))
        }
        Some(_) if has_repetition(&einsum.output_indices) => {
            malformed(format!("`{}` repeats an output index", einsum.subscripts()))
        }
        Some(_) => Ok(()),
    }
}

/// Axis length of every index letter, or what contradicts.
pub(crate) fn index_lengths(program: &Program, einsum: &Einsum) -> Result<BTreeMap<char, usize>, String> {
    let mut lengths = BTreeMap::new();
    if einsum.operands.is_empty() {
        return Err("an einsum needs at least one operand".to_owned());
    }
    for operand in &einsum.operands {
        let shape = program.get(operand.tensor).map(|t| t.shape.dims()).unwrap_or_default();
        if shape.len() != operand.indices.len() || has_repetition(&operand.indices) {
            return Err(format!("`{}` does not fit operand of shape {shape:?}", einsum.subscripts()));
        }
        for (&index, &n) in operand.indices.iter().zip(shape) {
            let known = *lengths.entry(index).or_insert(n);
            if known != n {
                return Err(format!("index `{index}` of `{}` is {known} and {n} long", einsum.subscripts()));
            }
        }
    }
    Ok(lengths)
}

fn has_repetition(indices: &[char]) -> bool {
    indices.iter().enumerate().any(|(i, c)| indices[..i].contains(c))
}

fn scope_of(name: &str) -> String {
    name.rsplit_once('/').map_or(name, |(scope, _)| scope).to_owned()
}

fn log2_x10(magnitude: i128) -> u32 {
    ((magnitude.max(1) as f64).log2() * 10.0).ceil() as u32
}

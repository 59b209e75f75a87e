//! The bounds pass: shapes fit, and no equation modulo `p` can hold without holding over the integers.

use std::collections::{BTreeMap, BTreeSet};

use super::{Program, Residence, TensorId};
use crate::view::MAX_ADDRESSES;
use crate::{Affine, BoundsError, Einsum, Lookup, Relation, RelationId};

/// Most aligned blocks of one tensor: the verifier handles each.
const MAX_BLOCKS: usize = 1 << 12;
/// Most operands of one einsum.
const MAX_OPERANDS: usize = 16;

/// An interval of integers; what does not fit becomes [`Interval::EVERYTHING`] and stays it, so that no later step
/// can bring an overflow back into range.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Interval {
    lo: i128,
    hi: i128,
}

impl Interval {
    const EVERYTHING: Self = Self { lo: i128::MIN, hi: i128::MAX };

    fn constant(value: i128) -> Self {
        Self { lo: value, hi: value }
    }

    fn magnitude(self) -> i128 {
        self.lo.saturating_abs().max(self.hi.saturating_abs())
    }

    fn is_empty(self) -> bool {
        self.lo > self.hi
    }

    fn times(self, other: Self) -> Self {
        let corner = |a: i128, b: i128| a.checked_mul(b);
        let corners = [
            corner(self.lo, other.lo),
            corner(self.lo, other.hi),
            corner(self.hi, other.lo),
            corner(self.hi, other.hi),
        ];
        corners.into_iter().collect::<Option<Vec<_>>>().map_or(Self::EVERYTHING, |corners| Self {
            lo: corners.iter().copied().fold(i128::MAX, i128::min),
            hi: corners.iter().copied().fold(i128::MIN, i128::max),
        })
    }

    fn plus(self, other: Self) -> Self {
        match (self.lo.checked_add(other.lo), self.hi.checked_add(other.hi)) {
            (Some(lo), Some(hi)) if self != Self::EVERYTHING && other != Self::EVERYTHING => Self { lo, hi },
            _ => Self::EVERYTHING,
        }
    }

    fn power(self, exponent: u32) -> Self {
        let (Some(lo), Some(hi)) = (self.lo.checked_pow(exponent), self.hi.checked_pow(exponent)) else {
            return Self::EVERYTHING;
        };
        if exponent % 2 == 1 {
            return Self { lo, hi };
        }
        let zero_inside = self.lo <= 0 && self.hi >= 0;
        Self { lo: if zero_inside { 0 } else { lo.min(hi) }, hi: lo.max(hi) }
    }

    fn with_zero(self) -> Self {
        Self { lo: self.lo.min(0), hi: self.hi.max(0) }
    }

    fn intersect(self, other: Self) -> Self {
        Self { lo: self.lo.max(other.lo), hi: self.hi.min(other.hi) }
    }
}

struct Pass<'a> {
    program: &'a Program,
    limit: i128,
    definitions: BTreeMap<TensorId, RelationId>,
    /// What is proven so far about each tensor.
    proven: Vec<Option<Interval>>,
}

pub(super) fn check(program: &Program, limit: i128) -> Result<(), BoundsError> {
    // An overflow has the magnitude `i128::MAX`, which must not pass where the field is larger than that.
    let limit = limit.min(i128::MAX - 1);
    shapes(program, limit)?;
    let proven = vec![None; program.tensors.len()];
    let mut pass = Pass { program, limit, definitions: program.definitions(), proven };
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

    /// One pass over all relations; true if some interval became known or narrower.
    fn sweep(&mut self) -> Result<bool, BoundsError> {
        let mut moved = false;
        for (i, relation) in self.program.relations.iter().enumerate() {
            if let Relation::Lookup(lookup) = relation {
                moved |= self.sweep_lookup(lookup)?;
            }
            let Some(output) = relation.output() else { continue };
            let right = self.right_hand_side(relation)?;
            // A virtual tensor *is* the right-hand side of its definition, wrapping or not.
            let defines = self.definitions.get(&output) == Some(&RelationId(i));
            moved |= self.tighten(relation.scope(), output, right, defines)?;
        }
        Ok(moved)
    }

    /// What is looked up lies between the table's smallest and largest entries.
    fn sweep_lookup(&mut self, lookup: &Lookup) -> Result<bool, BoundsError> {
        let mut moved = false;
        for (column, &tensor) in lookup.tuples.iter().flat_map(|tuple| tuple.iter().enumerate()) {
            if let Some((lo, hi)) = lookup.table.bounds(column)
                && self.proven[tensor.0].is_some()
            {
                let entries = Interval { lo: lo.into(), hi: hi.into() };
                moved |= self.tighten(&lookup.scope, tensor, entries, false)?;
            }
        }
        Ok(moved)
    }

    /// Uses `tensor = right`. Unless it is the definition, that is an equation of integers only if neither side
    /// wraps; until then it proves nothing.
    fn tighten(&mut self, scope: &str, tensor: TensorId, right: Interval, defines: bool) -> Result<bool, BoundsError> {
        let old = self.proven[tensor.0];
        let new = match old {
            None => right,
            Some(left) if defines || left.magnitude().max(right.magnitude()) <= self.limit => left.intersect(right),
            Some(left) => left,
        };
        if new.is_empty() {
            let what = format!("no value of `{}` satisfies this", self.program.tensors[tensor.0].name);
            return Err(BoundsError::Malformed { scope: scope.to_owned(), what });
        }
        self.proven[tensor.0] = Some(new);
        Ok(old != Some(new))
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
                let mut sum = Interval::constant(affine.constant.into());
                for &(coefficient, tensor) in &affine.terms {
                    sum = sum.plus(known(tensor)?.times(Interval::constant(coefficient.into())));
                }
                // The padding stays zero, whatever the constant.
                Ok(sum)
            }
            Relation::Einsum(einsum) => {
                let mut product = Interval::constant(summed_terms(self.program, einsum));
                for (tensor, power) in operand_powers(einsum) {
                    product = product.times(known(tensor)?.power(power));
                }
                Ok(product)
            }
            Relation::View(view) => {
                let input = known(view.input)?;
                let shape = |t: TensorId| &self.program.tensors[t.0].shape;
                Ok(if view.fills(shape(view.output), shape(view.input)) { input.with_zero() } else { input })
            }
            Relation::Lookup(_) => Ok(Interval::constant(0)),
        }
    }

    /// The verdict: nothing wraps, and everything lies in its declared bounds.
    fn judge(&self) -> Result<(), BoundsError> {
        for relation in &self.program.relations {
            let Some(output) = relation.output() else { continue };
            self.judge_magnitude(relation.scope(), output, self.right_hand_side(relation)?)?;
        }
        for (i, (tensor, proven)) in self.program.tensors.iter().zip(&self.proven).enumerate() {
            let declared = tensor.bounds;
            let Some(proven) = *proven else { continue };
            self.judge_magnitude(&scope_of(&tensor.name), TensorId(i), proven)?;
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

    fn judge_magnitude(&self, scope: &str, tensor: TensorId, interval: Interval) -> Result<(), BoundsError> {
        let magnitude = interval.magnitude();
        if magnitude <= self.limit {
            return Ok(());
        }
        Err(BoundsError::Wrap {
            scope: scope.to_owned(),
            tensor: self.program.tensors[tensor.0].name.clone(),
            bits_x10: log2_x10(magnitude),
            limit_x10: log2_x10(self.limit),
        })
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

/// Number of products that are summed into one output cell; saturates.
fn summed_terms(program: &Program, einsum: &Einsum) -> i128 {
    let lengths = index_lengths(program, einsum).unwrap_or_default();
    let summed = lengths.iter().filter(|(index, _)| !einsum.output_indices.contains(index));
    summed.fold(1, |terms: i128, (_, &n)| terms.saturating_mul(n as i128))
}

fn shapes(program: &Program, limit: i128) -> Result<(), BoundsError> {
    let count = program.tensors.len();
    if let Some(tensor) = program.tensors.iter().find(|t| t.shape.block_count() > MAX_BLOCKS) {
        let what = format!("`{}` of shape {} splits into more than {MAX_BLOCKS} blocks", tensor.name, tensor.shape);
        return Err(BoundsError::Malformed { scope: scope_of(&tensor.name), what });
    }
    let mut defined: BTreeSet<TensorId> =
        (0..count).map(TensorId).filter(|t| program.tensors[t.0].residence != Residence::Virtual).collect();
    let mut addresses = 0_usize;
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
            Relation::Lookup(lookup) => lookup_shapes(program, lookup, limit)?,
            Relation::View(view) => {
                let shape = |t: TensorId| &program.tensors[t.0].shape;
                if let Some(what) = view.fault(shape(view.output), shape(view.input)) {
                    return malformed(what);
                }
                addresses = addresses.saturating_add(view.work(shape(view.output), shape(view.input)));
                if addresses > MAX_ADDRESSES {
                    return malformed(format!(
                        "views of {addresses} addresses up to here are too many for the verifier"
                    ));
                }
            }
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

fn lookup_shapes(program: &Program, lookup: &Lookup, limit: i128) -> Result<(), BoundsError> {
    let malformed = |what: String| Err(BoundsError::Malformed { scope: lookup.scope.clone(), what });
    if !lookup.table.is_well_formed() {
        return malformed(format!("table `{}` is not a table of 2^n rows", lookup.table.name()));
    }
    // A lookup proves that a value is congruent to an entry; only entries below half the field say which integer.
    for column in 0..lookup.table.width() {
        let (lo, hi) = lookup.table.bounds(column).unwrap_or_default();
        if i128::from(lo) < -limit || i128::from(hi) > limit {
            return Err(BoundsError::Wrap {
                scope: lookup.scope.clone(),
                tensor: lookup.table.name(),
                bits_x10: log2_x10(i128::from(lo).abs().max(i128::from(hi).abs())),
                limit_x10: log2_x10(limit),
            });
        }
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
    if einsum.operands.is_empty() || einsum.operands.len() > MAX_OPERANDS {
        return Err(format!("an einsum has 1 to {MAX_OPERANDS} operands, not {}", einsum.operands.len()));
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

#[cfg(test)]
mod tests;

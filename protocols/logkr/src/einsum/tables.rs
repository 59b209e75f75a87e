//! The tables of an einsum's layers.

use std::collections::BTreeMap;
use std::sync::Arc;

use p3_field::PrimeCharacteristicRing;
use rayon::prelude::*;
use zkml_core::{Instance, ProveError, Suite, Witness};
use zkml_device::{Column, count};
use zkml_sumcheck::vector::{contract_column, contract_table, dot, eq_scalars};

use super::plan::{Axis, Node, Plan};

/// Letters with weights of type `W`.
type Letters<W> = BTreeMap<char, W>;

/// Values over the true index ranges of some letters, row-major.
struct Slab<S: Suite> {
    letters: Vec<char>,
    values: Vec<S::Challenge>,
}

/// The columns of the factors.
pub(super) struct Tables<S: Suite> {
    columns: Vec<Arc<Column>>,
    suite: core::marker::PhantomData<S>,
}

impl<S: Suite> Tables<S> {
    /// The columns of the plan's factors. Errors if the witness lacks one.
    pub(super) fn new(instance: &Instance<'_>, plan: &Plan, witness: &Witness) -> Result<Self, ProveError> {
        let columns = plan.factors.iter().map(|f| witness.require(instance.program, f.tensor));
        Ok(Self { columns: columns.collect::<Result<_, _>>()?, suite: core::marker::PhantomData })
    }

    /// The only factor of a node, not raised to its power, over the node's axes.
    pub(super) fn factor_of(&self, plan: &Plan, node: &Node<S::Challenge>) -> Vec<S::Challenge> {
        let order: Vec<char> = node.axes.iter().map(|a| a.0).collect();
        arrange(plan, &self.slab(plan, node, node.factors[0], &BTreeMap::new()), &order)
    }

    /// A child of a split: the product of its factors, summed over the letters outside of `along`.
    pub(super) fn child(
        &self,
        plan: &Plan,
        node: &Node<S::Challenge>,
        along: &[(char, Axis<S::Challenge>)],
        child: &[usize],
    ) -> Vec<S::Challenge> {
        let inside: Vec<char> = along.iter().map(|a| a.0).collect();
        let shape = node.child_shape(plan, &inside, child);
        if shape.later.is_empty() {
            let mut table = arrange(plan, &self.slab(plan, node, shape.carrier, &BTreeMap::new()), &inside);
            raise::<S>(&mut table, plan.factors[shape.carrier].power);
            for other in shape.others {
                let own = arrange(plan, &self.slab(plan, node, other, &BTreeMap::new()), &inside);
                multiply::<S>(&mut table, own, plan.factors[other].power);
            }
            return table;
        }
        let mut later = Self::later_weights(plan, node, &shape.later);
        if shape.is_contraction(plan) {
            for other in shape.others {
                let slab = self.slab(plan, node, other, &BTreeMap::new());
                let weight = slab.letters.first().and_then(|l| later.get_mut(l));
                if let Some(weight) = weight {
                    multiply::<S>(weight, slab.values, plan.factors[other].power);
                }
            }
            return arrange(plan, &self.slab(plan, node, shape.carrier, &later), &inside);
        }
        self.wide_child(plan, node, &inside, &shape, &later)
    }

    /// The general case of [`Self::child`]: cell by cell over the letters of the carrier.
    fn wide_child(
        &self,
        plan: &Plan,
        node: &Node<S::Challenge>,
        inside: &[char],
        shape: &ChildShape,
        later: &Letters<Vec<S::Challenge>>,
    ) -> Vec<S::Challenge> {
        let mut order = shape.inside.clone();
        order.extend(&shape.later);
        let mut joint = arrange(plan, &self.slab(plan, node, shape.carrier, &BTreeMap::new()), &order);
        raise::<S>(&mut joint, plan.factors[shape.carrier].power);
        for &other in &shape.others {
            let own = arrange(plan, &self.slab(plan, node, other, &BTreeMap::new()), &order);
            multiply::<S>(&mut joint, own, plan.factors[other].power);
        }
        let weights = shape.later.iter().fold(vec![S::Challenge::ONE], |table, letter| {
            let own = later.get(letter).map_or(&[][..], Vec::as_slice);
            let padded = (0..1 << plan.variables(*letter)).map(|i| own.get(i).copied().unwrap_or_default());
            let padded: Vec<_> = padded.collect();
            table.iter().flat_map(|&t| padded.iter().map(move |&p| t * p)).collect()
        });
        count::ext_mul(weights.len());
        let rows: Vec<_> = joint.chunks(weights.len()).map(|row| dot::<S>(row, &weights)).collect();
        let slab = padded_slab::<S>(plan, &shape.inside, &rows);
        arrange(plan, &slab, inside)
    }

    /// For each letter the weights of its true indices.
    fn later_weights(plan: &Plan, node: &Node<S::Challenge>, later: &[char]) -> Letters<Vec<S::Challenge>> {
        let weight = |(letter, axis): &(char, Axis<S::Challenge>)| {
            let length = plan.axes.get(letter)?.0;
            let mut weights = match axis {
                Axis::Eq(point) => eq_scalars::<S>(point),
                Axis::Sum => vec![S::Challenge::ONE; length],
            };
            weights.truncate(length);
            later.contains(letter).then_some((*letter, weights))
        };
        node.axes.iter().filter_map(weight).collect()
    }

    /// A factor with its bound letters, and those that have weights here, summed out.
    fn slab(
        &self,
        plan: &Plan,
        node: &Node<S::Challenge>,
        factor: usize,
        weights: &Letters<Vec<S::Challenge>>,
    ) -> Slab<S> {
        let mut letters = plan.factors[factor].letters.clone();
        let mut values: Option<Vec<S::Challenge>> = None;
        for axis in (0..letters.len()).rev() {
            let bound = node.bound.get(&(factor, letters[axis]));
            let Some(weights) =
                bound.map(|point| eq_scalars::<S>(point)).or_else(|| weights.get(&letters[axis]).cloned())
            else {
                continue;
            };
            let length = |letters: &[char]| letters.iter().map(|l| plan.axes[l].0).product::<usize>();
            let dims = [length(&letters[..axis]), plan.axes[&letters[axis]].0, length(&letters[axis + 1..])];
            values = Some(match values {
                None => contract_column::<S>(&self.columns[factor], dims, &weights),
                Some(values) => contract_table::<S>(&values, dims, &weights),
            });
            letters.remove(axis);
        }
        let embed = || self.columns[factor].to_i64().into_iter().map(|v| S::from_i64(v).into()).collect();
        Slab { values: values.unwrap_or_else(embed), letters }
    }
}

/// What a child of a split is made of.
pub(super) struct ChildShape {
    /// A factor with all of the child's letters.
    pub(super) carrier: usize,
    pub(super) others: Vec<usize>,
    /// The child's letters in the split's letters, in their order.
    pub(super) inside: Vec<char>,
    /// The child's other letters, in the node's order.
    pub(super) later: Vec<char>,
    /// Letters of each of the others.
    other_letters: Vec<Vec<char>>,
}

impl ChildShape {
    /// True if the child is the carrier contracted with one vector per later letter.
    pub(super) fn is_contraction(&self, plan: &Plan) -> bool {
        plan.factors[self.carrier].power == 1
            && self.other_letters.iter().all(|letters| matches!(letters.as_slice(), [l] if self.later.contains(l)))
    }
}

impl<F> Node<F> {
    /// The shape of a child of a split along `inside`.
    pub(super) fn child_shape(&self, plan: &Plan, inside: &[char], child: &[usize]) -> ChildShape {
        let count = |f: &&usize| self.open_letters(plan, **f).len();
        let carrier = child.iter().rev().max_by_key(count).copied().unwrap_or(0);
        let letters = self.open_letters(plan, carrier);
        let others: Vec<usize> = child.iter().copied().filter(|&f| f != carrier).collect();
        ChildShape {
            carrier,
            other_letters: others.iter().map(|&f| self.open_letters(plan, f)).collect(),
            others,
            inside: inside.iter().copied().filter(|l| letters.contains(l)).collect(),
            later: self.axes.iter().map(|a| a.0).filter(|l| letters.contains(l) && !inside.contains(l)).collect(),
        }
    }
}

/// The product of all tables, which have one length.
pub(super) fn product_of<S: Suite>(tables: &[Vec<S::Challenge>]) -> Vec<S::Challenge> {
    let mut product = tables.first().cloned().unwrap_or_default();
    for table in tables.iter().skip(1) {
        count::ext_mul(product.len());
        product.par_iter_mut().zip(table).with_min_len(1 << 12).for_each(|(p, &t)| *p *= t);
    }
    product
}

/// `table = table^power`: `power - 1` products per value.
fn raise<S: Suite>(table: &mut [S::Challenge], power: usize) {
    if power > 1 {
        count::ext_mul(table.len() * (power - 1));
        table.par_iter_mut().with_min_len(1 << 12).for_each(|t| *t = (1..power).fold(*t, |product, _| product * *t));
    }
}

/// `table *= other^power`.
fn multiply<S: Suite>(table: &mut [S::Challenge], mut other: Vec<S::Challenge>, power: usize) {
    raise::<S>(&mut other, power);
    count::ext_mul(table.len());
    table.par_iter_mut().zip(&other).with_min_len(1 << 12).for_each(|(t, &o)| *t *= o);
}

/// The values on the cube of `order`: letters in that order, padded with zeros; letters that the slab lacks repeat
/// it.
fn arrange<S: Suite>(plan: &Plan, slab: &Slab<S>, order: &[char]) -> Vec<S::Challenge> {
    let mut stride = 1;
    let mut strides = BTreeMap::new();
    for &letter in slab.letters.iter().rev() {
        strides.insert(letter, stride);
        stride *= plan.axes[&letter].0;
    }
    let mut offsets = vec![Some(0)];
    for letter in order {
        let (length, variables) = plan.axes[letter];
        let step = strides.get(letter).copied();
        let at = |i: usize| step.map_or(Some(0), |step| (i < length).then_some(i * step));
        offsets = offsets.iter().flat_map(|&o| (0..1 << variables).map(move |i| Some(o? + at(i)?))).collect();
    }
    offsets.par_iter().with_min_len(1 << 12).map(|o| o.map_or(S::Challenge::ZERO, |o| slab.values[o])).collect()
}

/// The true cells of values on the cube of `letters`.
fn padded_slab<S: Suite>(plan: &Plan, letters: &[char], values: &[S::Challenge]) -> Slab<S> {
    let mut offsets = vec![0];
    for letter in letters {
        let (length, variables) = plan.axes[letter];
        offsets = offsets.iter().flat_map(|&o| (0..length).map(move |i| (o << variables) + i)).collect();
    }
    Slab { letters: letters.to_vec(), values: offsets.into_iter().map(|o| values[o]).collect() }
}

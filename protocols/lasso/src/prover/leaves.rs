//! The lookup leaves, prover side: recomputed from columns instead of being kept.

use std::sync::Arc;

use p3_field::{PackedFieldExtension, PrimeCharacteristicRing};
use rayon::prelude::*;
use zkml_core::{Instance, ProveError, Suite, Witness};
use zkml_device::Column;
use zkml_sumcheck::lookup::{CHUNK, Layout, LeafColumns};
use zkml_sumcheck::vector::{Pack, Vector, lanes, unpack};

use super::tree::{Combine, GRAIN, Level, Tree, fill, in_registers};
use crate::decompose::{Advice, Decomposition};
use crate::hash::Hash;

/// Columns of what is read, and how they make up the fingerprints.
pub(super) struct Leaves<'a, S: Suite> {
    layout: &'a Layout,
    columns: LeafColumns<'a>,
    /// Digits, in leaf order.
    pub(super) digits: Vec<Arc<Column>>,
    /// The product of the first two digits, if some entry contains it.
    pub(super) product: Option<Arc<Column>>,
    /// Final counters by memory.
    pub(super) finals: Vec<Arc<Column>>,
    forms: Vec<Form<S::Challenge>>,
}

/// A read fingerprint as a linear combination of columns.
struct Form<F> {
    constant: F,
    coefficients: Vec<F>,
    step: F,
}

impl<'a, S: Suite> Leaves<'a, S> {
    /// Collects the columns.
    ///
    /// Errors if values are missing.
    pub(super) fn new(
        instance: &Instance<'_>,
        decomposition: &'a Decomposition<'_>,
        advice: &Advice,
        witness: &Witness,
    ) -> Result<Self, ProveError> {
        let values = |&t| witness.require(instance.program, t);
        let digits: Vec<_> = advice.digits.iter().map(values).collect::<Result<_, _>>()?;
        let reads: Vec<_> = advice.reads.iter().map(values).collect::<Result<_, _>>()?;
        let finals = advice.finals.iter().map(values).collect::<Result<_, _>>()?;
        let product = match digits.as_slice() {
            [low, slope, ..] if decomposition.has_product => Some(Arc::new(product(low, slope))),
            _ => None,
        };
        let layout = &decomposition.layout;
        let stacked = digits.iter().chain(&product).chain(&reads).cloned();
        let columns = LeafColumns::new(instance, layout, witness)?.with_stacked(stacked.collect::<Vec<_>>());
        Ok(Self { layout, columns, digits, product, finals, forms: Vec::new() })
    }

    /// The same with fingerprints.
    pub(super) fn with_hash(mut self, hash: &Hash<S::Challenge>, decomposition: &Decomposition<'_>) -> Self {
        let forms = decomposition.memories.iter().enumerate().map(|(i, memory)| {
            let step = hash.step(memory);
            let mut coefficients = hash.coefficients::<S>(decomposition, memory);
            coefficients.resize(decomposition.columns() + i, S::Challenge::ZERO);
            coefficients.push(step);
            Form { constant: hash.constant(), coefficients, step }
        });
        self.forms = forms.collect();
        self
    }

    /// The tuples' columns.
    pub(super) fn columns(&self) -> &LeafColumns<'a> {
        &self.columns
    }

    /// `δ` of a memory.
    pub(super) fn step(&self, memory: usize) -> S::Challenge {
        self.forms[memory].step
    }

    fn half(&self) -> usize {
        (1 << self.layout.variables()) / 2
    }

    /// `R + shift` for every leaf, and `tail` after the last one.
    pub(super) fn reads(&self, memory: usize, shift: S::Challenge, tail: S::Challenge) -> Vector<S> {
        let length = 1 << self.layout.variables();
        if length < lanes::<S>() {
            return Vector::Scalar(self.scalars(memory, shift, tail));
        }
        Vector::Packed(self.packs(memory, shift, tail, 0..length / lanes::<S>()))
    }

    /// The two halves of [`Self::reads`], if there are at least two leaves.
    pub(super) fn halves(&self, memory: usize, shift: S::Challenge, tail: S::Challenge) -> [Vector<S>; 2] {
        let half = self.half();
        if !in_registers::<S>(half) {
            let mut left = self.scalars(memory, shift, tail);
            let right = left.split_off(half);
            return [left.into(), right.into()];
        }
        let packs = half / lanes::<S>();
        [0..packs, packs..2 * packs].map(|range| Vector::Packed(self.packs(memory, shift, tail, range)))
    }

    fn packs(
        &self,
        memory: usize,
        shift: S::Challenge,
        tail: S::Challenge,
        range: core::ops::Range<usize>,
    ) -> Vec<Pack<S>> {
        let mut out = vec![Pack::<S>::ZERO; range.len()];
        out.par_chunks_mut(CHUNK).enumerate().for_each(|(i, out)| {
            self.write(memory, shift, tail, range.start + i * CHUNK, out);
        });
        out
    }

    fn write(&self, memory: usize, shift: S::Challenge, tail: S::Challenge, first: usize, out: &mut [Pack<S>]) {
        let form = &self.forms[memory];
        self.columns.write_affine::<S>(form.constant + shift, &form.coefficients, tail, first, out);
    }

    fn scalars(&self, memory: usize, shift: S::Challenge, tail: S::Challenge) -> Vec<S::Challenge> {
        let form = &self.forms[memory];
        let mut out = unpack::<S>(&self.columns.affine::<S>(form.constant + shift, &form.coefficients, tail));
        out.truncate(self.layout.leaves());
        out.resize(1 << self.layout.variables(), tail);
        out
    }

    /// The tree above the pairs of leaves: `parent` gets the fingerprints `R_0`, `R_1` and `δ`; where the right leaf lies
    /// after the last one, `single` gets `R_0` and `δ`. The leaves themselves are not kept. Needs two leaves.
    pub(super) fn tree<C: Combine<N>, P: Parent<N>, const N: usize>(&self, memory: usize) -> Tree<S, N> {
        let (half, step) = (self.half(), self.step(memory));
        let pairs = self.layout.leaves() - half;
        P::count(half, pairs);
        if !in_registers::<S>(half) {
            let leaves = self.scalars(memory, S::Challenge::ZERO, S::Challenge::ONE);
            let (left, right) = leaves.split_at(half);
            let node = |x: usize| {
                if x < pairs { P::parent(left[x], right[x], step) } else { P::single(left[x], step) }
            };
            return Tree::above_nodes::<C>(core::array::from_fn(|i| (0..half).map(|x| node(x)[i]).collect()));
        }
        let packs = half / lanes::<S>();
        let build = |from: usize| {
            let mut out: [Vec<Pack<S>>; N] = core::array::from_fn(|_| vec![Pack::<S>::ZERO; packs / 2]);
            fill(out.each_mut().map(Vec::as_mut_slice), from, &|first, out: &mut [&mut [Pack<S>]; N]| {
                self.write_parents::<P, N>(memory, first, out);
            });
            out.map(Vector::Packed)
        };
        Tree::above::<C>(Level { left: build(0), right: build(packs / 2) })
    }

    /// Parents from register `first` on.
    fn write_parents<P: Parent<N>, const N: usize>(&self, memory: usize, first: usize, out: &mut [&mut [Pack<S>]; N]) {
        let half = self.half();
        let (packs, pairs) = (half / lanes::<S>(), self.layout.leaves() - half);
        let step = Pack::<S>::from(self.step(memory));
        let length = out[0].len();
        for from in (0..length).step_by(CHUNK) {
            let now = CHUNK.min(length - from);
            let mut leaves = [[Pack::<S>::ZERO; CHUNK]; 2];
            for (leaves, first) in leaves.iter_mut().zip([first + from, packs + first + from]) {
                self.write(memory, S::Challenge::ZERO, S::Challenge::ONE, first, &mut leaves[..now]);
            }
            for j in 0..now {
                let (l, r) = (leaves[0][j], leaves[1][j]);
                let stored = pairs.saturating_sub((first + from + j) * lanes::<S>());
                let value = if stored >= lanes::<S>() {
                    P::parent(l, r, step)
                } else if stored == 0 {
                    P::single(l, step)
                } else {
                    let (both, one) = (P::parent(l, r, step), P::single(l, step));
                    core::array::from_fn(|i| {
                        Pack::<S>::from_ext_fn(|lane| if lane < stored { both[i] } else { one[i] }.extract(lane))
                    })
                };
                out.iter_mut().zip(value).for_each(|(out, v)| out[from + j] = v);
            }
        }
    }
}

/// What stands above two neighbouring lookup leaves.
pub(super) trait Parent<const N: usize> {
    /// Counts the products of `half` parents, `pairs` of which have two true leaves.
    fn count(half: usize, pairs: usize);
    /// From both read fingerprints and `δ`.
    fn parent<A: PrimeCharacteristicRing + Copy>(left: A, right: A, step: A) -> [A; N];
    /// From the left one alone.
    fn single<A: PrimeCharacteristicRing + Copy>(left: A, step: A) -> [A; N];
}

/// `low · slope`, cell by cell.
fn product(low: &Column, slope: &Column) -> Column {
    let cells = (0..low.len()).into_par_iter().with_min_len(1 << 12);
    let cell = |i| low.get(i).unwrap_or(0).wrapping_mul(slope.get(i).unwrap_or(0));
    Column::with_bounds(cells.map(cell).collect(), 0, 0)
}

/// `values += factor · others`.
pub(super) fn add_scaled<A: PrimeCharacteristicRing + Copy + Send + Sync>(values: &mut [A], factor: A, others: &[A]) {
    values.par_iter_mut().zip(others).with_min_len(GRAIN).for_each(|(v, &o)| *v += factor * o);
}

/// `v (v + step) + shift` in place of every `v`.
pub(super) fn square_shifted<A: PrimeCharacteristicRing + Copy + Send + Sync>(values: &mut [A], step: A, shift: A) {
    values.par_iter_mut().with_min_len(GRAIN).for_each(|v| *v = *v * (*v + step) + shift);
}

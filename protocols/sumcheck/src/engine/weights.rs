//! The weights of the variables after the current one, as the product of two short tables.

use p3_field::{Field, PrimeCharacteristicRing};
use zkml_core::Suite;
use zkml_device::count;

use crate::Weight;
use crate::vector::{self, Pack, Vector, lanes};

/// Most variables of the inner table: `2^10` elements stay in the first-level cache.
const INNER_VARIABLES: usize = 10;

/// Products of weights over some variables; `None` stands for ones.
#[derive(Clone)]
struct Table<T> {
    variables: usize,
    values: Option<Vec<T>>,
}

impl<T: PrimeCharacteristicRing + Copy> Table<T> {
    /// Drops the first variable, whose weight was `weight`.
    fn drop_first<F: Copy>(&mut self, weight: Weight<F>) {
        self.variables -= 1;
        let Some(values) = &mut self.values else { return };
        let half = values.len() / 2;
        if matches!(weight, Weight::Eq(_)) {
            let (low, high) = values.split_at_mut(half);
            low.iter_mut().zip(high).for_each(|(low, high)| *low += *high);
        }
        values.truncate(half);
    }
}

/// `Π weight_i(x_i)` over the variables after the current one: `outer` of the first of them times `inner` of the
/// last ones.
pub(super) struct SuffixWeights<A, F> {
    outer: Table<F>,
    inner: Table<A>,
}

impl<A: PrimeCharacteristicRing + Copy, F: Field> SuffixWeights<A, F> {
    /// Drops the first variable, whose weight was `weight`.
    pub(super) fn drop_first(&mut self, weight: Weight<F>) {
        if self.outer.variables > 0 {
            self.outer.drop_first(weight);
        } else {
            self.inner.drop_first(weight);
        }
    }

    /// Weights within a block, if not all ones.
    pub(super) fn inner(&self) -> Option<&[A]> {
        self.inner.values.as_deref()
    }

    /// Weights of the blocks, if not all ones.
    pub(super) fn outer(&self) -> Option<&[F]> {
        self.outer.values.as_deref()
    }

    /// Number of blocks.
    pub(super) fn blocks(&self) -> usize {
        1 << self.outer.variables
    }
}

/// Splits the weights of all variables but the first.
fn split<F>(weights: &[Weight<F>], lanes: usize) -> (&[Weight<F>], &[Weight<F>]) {
    let suffix = weights.get(1..).unwrap_or(&[]);
    let inner = (suffix.len() / 2).min(INNER_VARIABLES).max(lanes.trailing_zeros() as usize).min(suffix.len());
    suffix.split_at(suffix.len() - inner)
}

/// The table of some weights; `None` if all are sums.
fn table<S: Suite>(weights: &[Weight<S::Challenge>]) -> Option<Vec<S::Challenge>> {
    let last = weights.iter().rposition(|w| matches!(w, Weight::Eq(_)))?;
    let mut table = vec![S::Challenge::ONE; 1 << (weights.len() - 1 - last)];
    for weight in weights[..=last].iter().rev() {
        let half = table.len();
        table.extend_from_within(..);
        if let Weight::Eq(w) = weight {
            count::ext_mul(half);
            let (low, high) = table.split_at_mut(half);
            for (low, high) in low.iter_mut().zip(high) {
                *high *= *w;
                *low -= *high;
            }
        }
    }
    Some(table)
}

/// Tables one by one.
pub(super) fn scalar<S: Suite>(weights: &[Weight<S::Challenge>]) -> SuffixWeights<S::Challenge, S::Challenge> {
    let (outer, inner) = split(weights, lanes::<S>());
    SuffixWeights {
        outer: Table { variables: outer.len(), values: table::<S>(outer) },
        inner: Table { variables: inner.len(), values: table::<S>(inner) },
    }
}

/// Tables for registers; needs at least as many later variables as a register has index bits.
pub(super) fn packed<S: Suite>(weights: &[Weight<S::Challenge>]) -> SuffixWeights<Pack<S>, S::Challenge> {
    let SuffixWeights { outer, inner } = scalar::<S>(weights);
    let values = inner.values.map(|v| Vector::<S>::from(v).into_packed());
    SuffixWeights { outer, inner: Table { variables: inner.variables, values } }
}

/// The same tables one by one.
pub(super) fn unpack<S: Suite>(
    weights: &SuffixWeights<Pack<S>, S::Challenge>,
) -> SuffixWeights<S::Challenge, S::Challenge> {
    let values = weights.inner.values.as_ref().map(|v| vector::unpack::<S>(v));
    let inner = Table { variables: weights.inner.variables, values };
    SuffixWeights { outer: weights.outer.clone(), inner }
}

/// Which tables exist at each round: what [`super::cost`] needs of the weights.
pub(super) struct Layout {
    outer: Vec<bool>,
    inner: Vec<bool>,
    outer_table: bool,
    inner_table: bool,
}

impl Layout {
    pub(super) fn new<F>(weights: &[Weight<F>], lanes: usize) -> Self {
        let (outer, inner) = split(weights, lanes);
        let kinds = |weights: &[Weight<F>]| weights.iter().map(|w| matches!(w, Weight::Eq(_))).collect::<Vec<_>>();
        let (outer, inner) = (kinds(outer), kinds(inner));
        Self { outer_table: outer.contains(&true), inner_table: inner.contains(&true), outer, inner }
    }

    /// Products that building the tables takes.
    pub(super) fn table_products(&self) -> usize {
        let one = |kinds: &[bool]| -> usize {
            kinds.iter().rev().enumerate().filter(|(_, eq)| **eq).map(|(i, _)| 1 << i).sum()
        };
        one(&self.outer) + one(&self.inner)
    }

    pub(super) fn drop_first(&mut self) {
        let side = if self.outer.is_empty() { &mut self.inner } else { &mut self.outer };
        if !side.is_empty() {
            side.remove(0);
        }
    }

    /// Whether pairs are multiplied by a weight, and how many blocks are.
    pub(super) fn multiplied(&self, pairs: usize) -> (bool, usize) {
        let blocks = if self.outer_table { (1 << self.outer.len()).min(pairs) } else { 0 };
        (self.inner_table, blocks)
    }
}

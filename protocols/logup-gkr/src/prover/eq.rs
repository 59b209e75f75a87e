//! The equality weights of a round, split into an outer and an inner table.

use p3_field::PrimeCharacteristicRing;
use zkml_core::Suite;
use zkml_device::count;

use super::lanes::{Factor, Packed, PackedBase, Weights, non_residue, pack, width};

/// Base-two logarithm of the packs in the inner table; it stays in the first-level cache.
const LOG_INNER_PACKS: u32 = 6;

/// `eq(z, x) = outer[x high] · inner[x low]` over the variables that the current round sums over
/// [Dao-Thaler 2024/1210]. Dropping the leading variable adds halves, since `eq(z, 0) + eq(z, 1) = 1`.
pub(super) struct SplitEq<S: Suite> {
    /// Weights of the chunks; one only once the inner table covers everything.
    outer: Vec<S::Challenge>,
    /// Weights within a chunk.
    inner: Vec<Factor<S::Challenge, S::Base>>,
    /// The same, packed; empty if there are fewer than one pack.
    packed: Vec<Factor<Packed<S>, PackedBase<S>>>,
    non_residue: S::Base,
}

impl<S: Suite> SplitEq<S> {
    /// The tables for the point `z`.
    pub(super) fn new(z: &[S::Challenge]) -> Self {
        let inner = z.len().min((width::<S>().ilog2() + LOG_INNER_PACKS) as usize);
        let (outer, inner) = z.split_at(z.len() - inner);
        let (outer, inner) = (table(outer), table(inner));
        let w = non_residue::<S>();
        let packed = pack::<S>(&inner).into_iter().map(|e| Factor::new(e, PackedBase::<S>::from(w))).collect();
        let inner = inner.into_iter().map(|e| Factor::new(e, w)).collect();
        Self { outer, inner, packed, non_residue: w }
    }

    /// The weights for plain columns.
    pub(super) fn plain(&self) -> Weights<'_, S::Challenge, S::Base, S::Challenge> {
        Weights { outer: &self.outer, inner: &self.inner, non_residue: self.non_residue }
    }

    /// The weights for packed columns.
    pub(super) fn packed(&self) -> Weights<'_, S::Challenge, PackedBase<S>, Packed<S>> {
        Weights { outer: &self.outer, inner: &self.packed, non_residue: PackedBase::<S>::from(self.non_residue) }
    }

    /// Drops the leading variable.
    pub(super) fn drop_leading(&mut self) {
        if self.outer.len() > 1 {
            add_halves(&mut self.outer, |a, b| a + b);
        } else {
            add_halves(&mut self.inner, Factor::plus);
            if self.packed.len() > 1 {
                add_halves(&mut self.packed, Factor::plus);
            } else {
                self.packed.clear();
            }
        }
    }
}

fn add_halves<T: Copy>(values: &mut Vec<T>, add: impl Fn(T, T) -> T) {
    let half = values.len() / 2;
    let (low, high) = values.split_at_mut(half);
    low.iter_mut().zip(high.iter()).for_each(|(l, &h)| *l = add(*l, h));
    values.truncate(half);
}

/// `eq(z, x)` for all `x`, most significant variable first. Costs one product per entry but the first.
fn table<F: PrimeCharacteristicRing + Copy>(z: &[F]) -> Vec<F> {
    count::ext_mul((1 << z.len()) - 1);
    let mut table = vec![F::ZERO; 1 << z.len()];
    table[0] = F::ONE;
    for (i, &r) in z.iter().rev().enumerate() {
        let (low, high) = table.split_at_mut(1 << i);
        for (l, h) in low.iter_mut().zip(high) {
            *h = *l * r;
            *l -= *h;
        }
    }
    table
}

//! The equality weights of a round, split into an outer and an inner table.

use p3_field::PrimeCharacteristicRing;
use zkml_core::Suite;
use zkml_device::count;

use super::lanes::{Packed, pack, width};

/// Base-two logarithm of the packs in the inner table; it stays in the first-level cache.
const LOG_INNER_PACKS: u32 = 6;

/// `eq(z, x) = outer[x high] · inner[x low]` over the variables that the current round sums over
/// [Dao-Thaler 2024/1210]. Dropping the leading variable adds halves, since `eq(z, 0) + eq(z, 1) = 1`.
pub(super) struct SplitEq<S: Suite> {
    /// Weights of the chunks; one only once the inner table covers everything.
    pub(super) outer: Vec<S::Challenge>,
    /// Weights within a chunk.
    pub(super) inner: Vec<S::Challenge>,
    /// The same, packed; empty if there are fewer than one pack.
    pub(super) packed: Vec<Packed<S>>,
}

impl<S: Suite> SplitEq<S> {
    /// The tables for the point `z`.
    pub(super) fn new(z: &[S::Challenge]) -> Self {
        let inner = z.len().min((width::<S>().ilog2() + LOG_INNER_PACKS) as usize);
        let (outer, inner) = z.split_at(z.len() - inner);
        let (outer, inner) = (table(outer), table(inner));
        let packed = pack::<S>(&inner);
        Self { outer, inner, packed }
    }

    /// Drops the leading variable.
    pub(super) fn drop_leading(&mut self) {
        if self.outer.len() > 1 {
            add_halves(&mut self.outer);
        } else {
            add_halves(&mut self.inner);
            if self.packed.len() > 1 {
                add_halves(&mut self.packed);
            } else {
                self.packed.clear();
            }
        }
    }
}

fn add_halves<T: PrimeCharacteristicRing + Copy>(values: &mut Vec<T>) {
    let half = values.len() / 2;
    let (low, high) = values.split_at_mut(half);
    low.iter_mut().zip(high.iter()).for_each(|(l, &h)| *l += h);
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

//! The rounds of a layer of fraction additions.
//!
//! With `m0 = n0 + λ d0` the gate `n0 d1 + n1 d0 + λ d0 d1` is `m0 d1 + n1 d0`: two products, and `m0` stays linear in
//! every variable, so the fold is done once per layer.

use p3_field::{Algebra, Field, PrimeCharacteristicRing};
use zkml_core::Suite;
use zkml_device::count;

use super::Children;
use super::eq::SplitEq;
use super::lanes::{Lanes, sum_lanes, unpack_pairs};
use super::tree::{Halves, Node, Nodes};

/// Elements (not packs) per parallel task and column.
pub(super) const GRAIN: usize = 1 << 11;

/// A layer during its sumcheck: `left` holds `[m0, d0]` (after the first round), `right` holds `[n1, d1]`.
pub(super) struct GateRounds<S: Suite> {
    nodes: Nodes<S>,
    lambda: S::Challenge,
}

impl<S: Suite> GateRounds<S> {
    pub(super) fn new(nodes: Nodes<S>, lambda: S::Challenge) -> Self {
        Self { nodes, lambda }
    }

    /// Value at 0 and leading coefficient of this round's polynomial, after binding `r`.
    ///
    /// Costs 10 products per pair of bound nodes (6 and the fold in the first round).
    pub(super) fn round(&mut self, r: Option<S::Challenge>, eq: &SplitEq<S>) -> [S::Challenge; 2] {
        if let Nodes::Packed(halves) = &mut self.nodes {
            let bound = if r.is_some() { halves.left.len() / 2 } else { halves.left.len() };
            if bound >= 2 {
                let sums = halves.round(r, self.lambda, &eq.outer, &eq.packed);
                return sums.map(sum_lanes::<S>);
            }
            // Less than one pair of packs: go on without packing.
            if let Some(r) = r {
                halves.bind(r);
            } else {
                halves.fold(self.lambda);
            }
            let (left, right) = (unpack_pairs::<S>(&halves.left), unpack_pairs::<S>(&halves.right));
            let mut plain = Halves { left, right };
            let sums = plain.evaluate(&eq.outer, &eq.inner);
            self.nodes = Nodes::Plain(plain);
            return sums;
        }
        let Nodes::Plain(halves) = &mut self.nodes else { return [S::Challenge::ZERO; 2] };
        halves.round(r, self.lambda, &eq.outer, &eq.inner)
    }

    /// The children at the point whose coordinates were all but the last bound already.
    pub(super) fn finish(self, point: &[S::Challenge]) -> Children<S::Challenge> {
        let mut halves = match self.nodes {
            Nodes::Plain(halves) => halves,
            Nodes::Packed(h) => Halves { left: unpack_pairs::<S>(&h.left), right: unpack_pairs::<S>(&h.right) },
        };
        if let Some(&r) = point.last() {
            halves.bind(r);
        }
        let ([mut n0, d0], [n1, d1]) = (halves.left[0], halves.right[0]);
        if !point.is_empty() {
            n0 -= self.lambda * d0;
        }
        Children { n: [n0, n1], d: [d0, d1], numerators_known: false }
    }
}

impl<T: Copy + Send + Sync> Halves<T> {
    fn lanes<F: Field>() -> usize {
        // A packed element is as many times larger as it has lanes.
        size_of::<T>() / size_of::<F>()
    }

    fn round<F: Field>(&mut self, r: Option<F>, lambda: F, outer: &[F], inner: &[T]) -> [T; 2]
    where
        T: Lanes<F>,
    {
        match r {
            None => {
                self.fold(lambda);
                self.evaluate(outer, inner)
            }
            Some(r) => {
                let pairs = self.left.len() / 4;
                count::ext_mul(14 * pairs * Self::lanes::<F>());
                let parts = (quarters(&mut self.left), quarters(&mut self.right));
                let sums = bind_evaluate(parts, r, outer, inner);
                self.left.truncate(2 * pairs);
                self.right.truncate(2 * pairs);
                sums
            }
        }
    }

    /// `n0 + λ d0` in place of `n0`.
    fn fold<F: Field>(&mut self, lambda: F)
    where
        T: Lanes<F>,
    {
        use rayon::prelude::*;
        count::ext_mul(self.left.len() * Self::lanes::<F>());
        let lambda = T::from(lambda);
        let grain = (GRAIN / Self::lanes::<F>()).max(1);
        self.left.par_iter_mut().with_min_len(grain).for_each(|node| node[0] += lambda * node[1]);
    }

    /// The sums without binding anything first.
    fn evaluate<F: Field>(&mut self, outer: &[F], inner: &[T]) -> [T; 2]
    where
        T: Lanes<F>,
    {
        let pairs = self.left.len() / 2;
        count::ext_mul(6 * pairs * Self::lanes::<F>());
        let ((l0, l1), (r0, r1)) = (self.left.split_at(pairs), self.right.split_at(pairs));
        evaluate([l0, l1, r0, r1], outer, inner)
    }

    /// Binds the leading variable.
    fn bind<F: Field>(&mut self, r: F)
    where
        T: Lanes<F>,
    {
        let half = self.left.len() / 2;
        count::ext_mul(4 * half * Self::lanes::<F>());
        let r = T::from(r);
        for nodes in [&mut self.left, &mut self.right] {
            let (low, high) = nodes.split_at_mut(half);
            low.iter_mut().zip(high.iter()).for_each(|(l, h)| *l = interpolate(*l, *h, r));
            nodes.truncate(half);
        }
    }
}

fn interpolate<T: PrimeCharacteristicRing + Copy>(low: Node<T>, high: Node<T>, r: T) -> Node<T> {
    [low[0] + r * (high[0] - low[0]), low[1] + r * (high[1] - low[1])]
}

/// Gate at 0 and its leading coefficient.
#[inline(always)]
fn gate<T: PrimeCharacteristicRing + Copy>(left: [Node<T>; 2], right: [Node<T>; 2]) -> [T; 2] {
    let ([[m0, d0], [m2, d2]], [[n1, d1], [n3, d3]]) = (left, right);
    [m0 * d1 + n1 * d0, (m2 - m0) * (d3 - d1) + (n3 - n1) * (d2 - d0)]
}

fn evaluate<F: Field, T: Lanes<F>>(parts: [&[Node<T>]; 4], outer: &[F], inner: &[T]) -> [T; 2] {
    let per_task = GRAIN / (size_of::<T>() / size_of::<F>());
    if outer.len() > 1 && outer.len() * inner.len() > per_task {
        let middle = outer.len() / 2;
        let split = parts.map(|p| p.split_at(middle * inner.len()));
        let (o0, o1) = outer.split_at(middle);
        let (a, b) =
            rayon::join(|| evaluate(split.map(|s| s.0), o0, inner), || evaluate(split.map(|s| s.1), o1, inner));
        return [a[0] + b[0], a[1] + b[1]];
    }
    let mut total = [T::ZERO; 2];
    for (i, &weight) in outer.iter().enumerate() {
        let [l0, l1, r0, r1] = parts.map(|p| &p[i * inner.len()..(i + 1) * inner.len()]);
        let mut sums = [T::ZERO; 2];
        for (j, &e) in inner.iter().enumerate() {
            let values = gate([l0[j], l1[j]], [r0[j], r1[j]]);
            sums[0] += e * values[0];
            sums[1] += e * values[1];
        }
        add_weighted(&mut total, sums, weight);
    }
    total
}

type Quarters<'a, T> = [&'a mut [Node<T>]; 4];

/// Binds `r` and evaluates the next round in one pass over memory.
fn bind_evaluate<F: Field, T: Lanes<F>>(
    (left, right): (Quarters<'_, T>, Quarters<'_, T>),
    r: F,
    outer: &[F],
    inner: &[T],
) -> [T; 2] {
    let per_task = GRAIN / (size_of::<T>() / size_of::<F>());
    if outer.len() > 1 && outer.len() * inner.len() > per_task {
        let middle = outer.len() / 2;
        let (o0, o1) = outer.split_at(middle);
        let (l0, l1) = split_quarters(left, middle * inner.len());
        let (r0, r1) = split_quarters(right, middle * inner.len());
        let (a, b) = rayon::join(|| bind_evaluate((l0, r0), r, o0, inner), || bind_evaluate((l1, r1), r, o1, inner));
        return [a[0] + b[0], a[1] + b[1]];
    }
    let ([l0, l1, l2, l3], [r0, r1, r2, r3]) = (left, right);
    let r = T::from(r);
    let mut total = [T::ZERO; 2];
    for (i, &weight) in outer.iter().enumerate() {
        let range = i * inner.len()..(i + 1) * inner.len();
        let (l0, l1, l2, l3) = (&mut l0[range.clone()], &mut l1[range.clone()], &l2[range.clone()], &l3[range.clone()]);
        let (r0, r1, r2, r3) = (&mut r0[range.clone()], &mut r1[range.clone()], &r2[range.clone()], &r3[range]);
        let mut sums = [T::ZERO; 2];
        for (j, &e) in inner.iter().enumerate() {
            let left = [interpolate(l0[j], l2[j], r), interpolate(l1[j], l3[j], r)];
            let right = [interpolate(r0[j], r2[j], r), interpolate(r1[j], r3[j], r)];
            [l0[j], l1[j]] = left;
            [r0[j], r1[j]] = right;
            let values = gate(left, right);
            sums[0] += e * values[0];
            sums[1] += e * values[1];
        }
        add_weighted(&mut total, sums, weight);
    }
    total
}

/// `total += weight · sums`; one product per chunk, not counted.
pub(super) fn add_weighted<F: Field, T: Algebra<F> + Copy>(total: &mut [T; 2], sums: [T; 2], weight: F) {
    total[0] += sums[0] * weight;
    total[1] += sums[1] * weight;
}

fn quarters<T>(values: &mut [Node<T>]) -> Quarters<'_, T> {
    let quarter = values.len() / 4;
    let (low, high) = values.split_at_mut(2 * quarter);
    let (a, b) = low.split_at_mut(quarter);
    let (c, d) = high.split_at_mut(quarter);
    [a, b, c, d]
}

fn split_quarters<T>(parts: Quarters<'_, T>, at: usize) -> (Quarters<'_, T>, Quarters<'_, T>) {
    let [a, b, c, d] = parts.map(|p| p.split_at_mut(at));
    ([a.0, b.0, c.0, d.0], [a.1, b.1, c.1, d.1])
}

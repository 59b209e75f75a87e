//! The rounds of a layer of fraction additions.
//!
//! With `m0 = n0 + λ d0` the gate `n0 d1 + n1 d0 + λ d0 d1` is `m0 d1 + n1 d0`: two products, and `m0` stays linear in
//! every variable, so the fold is done once per layer.

use p3_field::{BasedVectorSpace, Field, PrimeCharacteristicRing};
use rayon::prelude::*;
use zkml_core::Suite;
use zkml_device::count;

use super::Children;
use super::eq::SplitEq;
use super::lanes::{
    Coefficients, Factor, GRAIN, Lanes, Packed, Weights, add_weighted, non_residue, sum_lanes, sum_of_products,
    unpack_pairs,
};
use super::tree::{Halves, Node, Nodes};

/// A layer during its sumcheck: `left` holds `[m0, d0]` (after the first round), `right` holds `[n1, d1]`.
pub(super) struct GateRounds<S: Suite> {
    nodes: Nodes<S>,
    lambda: S::Challenge,
    /// The packed columns once they are no longer needed.
    spare: Spare<S>,
}

/// Memory of a reduced layer, which the layer of leaves goes into: pages that are mapped already.
pub(super) type Spare<S> = [Vec<Packed<S>>; 2];

impl<S: Suite> GateRounds<S> {
    pub(super) fn new(nodes: Nodes<S>, lambda: S::Challenge) -> Self {
        Self { nodes, lambda, spare: [Vec::new(), Vec::new()] }
    }

    /// A layer whose first rounds are done elsewhere, see [`Self::go_on`].
    pub(super) fn elsewhere(lambda: S::Challenge) -> Self {
        Self::new(Nodes::Plain(Halves { left: Vec::new(), right: Vec::new() }), lambda)
    }

    /// Goes on with what is left of `[n0, n1, d0, d1]`.
    pub(super) fn go_on(&mut self, factors: &[Vec<S::Challenge>]) {
        if let [n0, n1, d0, d1] = factors {
            self.nodes = Nodes::new(&[&n0[..], n1].concat(), &[&d0[..], d1].concat());
        }
    }

    /// Value at 0 and leading coefficient of this round's polynomial, after binding `r`.
    ///
    /// Costs 10 products per pair of bound nodes (6 and the fold in the first round).
    pub(super) fn round(&mut self, r: Option<S::Challenge>, eq: &SplitEq<S>) -> [S::Challenge; 2] {
        if let Nodes::Packed(halves) = &mut self.nodes {
            let bound = if r.is_some() { halves.left.len() / 2 } else { halves.left.len() };
            if bound >= 2 {
                let sums = halves.round(r, self.lambda, eq.packed());
                return sums.map(sum_lanes::<S>);
            }
            // Less than one pair of packs: go on without packing.
            if let Some(r) = r {
                halves.bind::<S::Challenge, _>(eq.packed().factor(r));
            } else {
                halves.fold::<S::Challenge, _>(eq.packed().factor(self.lambda));
            }
            let (left, right) = (unpack_pairs::<S>(&halves.left), unpack_pairs::<S>(&halves.right));
            let plain = Halves { left, right };
            let sums = plain.evaluate(eq.plain());
            if let Nodes::Packed(Halves { left, right }) = core::mem::replace(&mut self.nodes, Nodes::Plain(plain)) {
                self.spare = [left.into_flattened(), right.into_flattened()];
            }
            return sums;
        }
        let Nodes::Plain(halves) = &mut self.nodes else { return [S::Challenge::ZERO; 2] };
        halves.round(r, self.lambda, eq.plain())
    }

    /// The children at the point, whose coordinates but the last were bound already, and the layer's memory.
    pub(super) fn finish(self, point: &[S::Challenge]) -> (Children<S::Challenge>, Spare<S>) {
        let mut halves = match self.nodes {
            Nodes::Plain(halves) => halves,
            Nodes::Packed(h) => Halves { left: unpack_pairs::<S>(&h.left), right: unpack_pairs::<S>(&h.right) },
        };
        if let Some(&r) = point.last() {
            halves.bind::<S::Challenge, _>(Factor::<_, S::Base>::new(r, non_residue::<S>()));
        }
        let ([mut n0, d0], [n1, d1]) = (halves.left[0], halves.right[0]);
        if !point.is_empty() {
            n0 -= self.lambda * d0;
        }
        (Children { n: [n0, n1], d: [d0, d1], numerators_known: false }, self.spare)
    }
}

impl<T> Halves<T> {
    fn round<F: Field, B: Coefficients>(&mut self, r: Option<F>, lambda: F, weights: Weights<'_, F, B, T>) -> [T; 2]
    where
        T: Lanes<F, B>,
    {
        let Some(r) = r else {
            self.fold::<F, B>(weights.factor(lambda));
            return self.evaluate(weights);
        };
        let pairs = self.left.len() / 4;
        count::ext_mul(14 * pairs * T::LANES);
        let sums = bind_evaluate((quarters(&mut self.left), quarters(&mut self.right)), &weights.factor(r), weights);
        self.left.truncate(2 * pairs);
        self.right.truncate(2 * pairs);
        sums
    }

    /// `n0 + λ d0` in place of `n0`.
    fn fold<F, B: Coefficients>(&mut self, lambda: Factor<T, B>)
    where
        T: Lanes<F, B>,
    {
        count::ext_mul(self.left.len() * T::LANES);
        self.left.par_iter_mut().with_min_len(GRAIN / 8).for_each(|node| node[0] += lambda.times(node[1]));
    }

    /// The sums without binding anything first.
    fn evaluate<F: Field, B: Coefficients>(&self, weights: Weights<'_, F, B, T>) -> [T; 2]
    where
        T: Lanes<F, B>,
    {
        let pairs = self.left.len() / 2;
        count::ext_mul(6 * pairs * T::LANES);
        let ((l0, l1), (r0, r1)) = (self.left.split_at(pairs), self.right.split_at(pairs));
        evaluate([l0, l1, r0, r1], weights)
    }

    /// Binds the leading variable.
    fn bind<F, B: Coefficients>(&mut self, r: Factor<T, B>)
    where
        T: Lanes<F, B>,
    {
        let half = self.left.len() / 2;
        count::ext_mul(4 * half * T::LANES);
        for nodes in [&mut self.left, &mut self.right] {
            let (low, high) = nodes.split_at_mut(half);
            low.iter_mut().zip(high.iter()).for_each(|(l, h)| *l = interpolate(*l, *h, &r));
            nodes.truncate(half);
        }
    }
}

#[inline]
fn interpolate<B: Coefficients, T>(low: Node<T>, high: Node<T>, r: &Factor<T, B>) -> Node<T>
where
    T: PrimeCharacteristicRing + BasedVectorSpace<B> + Copy,
{
    [r.interpolate(low[0], high[0]), r.interpolate(low[1], high[1])]
}

/// Gate at 0 and its leading coefficient.
#[inline]
fn gate<B: Coefficients, T>(left: [Node<T>; 2], right: [Node<T>; 2], non_residue: B) -> [T; 2]
where
    T: PrimeCharacteristicRing + BasedVectorSpace<B> + Copy,
{
    let ([[m0, d0], [m2, d2]], [[n1, d1], [n3, d3]]) = (left, right);
    [
        sum_of_products([m0, d1], [n1, d0], non_residue),
        sum_of_products([m2 - m0, d3 - d1], [n3 - n1, d2 - d0], non_residue),
    ]
}

fn evaluate<F: Field, B: Coefficients, T: Lanes<F, B>>(
    parts: [&[Node<T>]; 4],
    weights: Weights<'_, F, B, T>,
) -> [T; 2] {
    if let Some((first, second, at)) = weights.halves() {
        let split = parts.map(|p| p.split_at(at));
        let (a, b) = rayon::join(|| evaluate(split.map(|s| s.0), first), || evaluate(split.map(|s| s.1), second));
        return [a[0] + b[0], a[1] + b[1]];
    }
    let mut total = [T::ZERO; 2];
    for (weight, range) in weights.chunks() {
        let [l0, l1, r0, r1] = parts.map(|p| &p[range.clone()]);
        let mut sums = [T::ZERO; 2];
        for (j, e) in weights.inner.iter().enumerate() {
            let values = gate([l0[j], l1[j]], [r0[j], r1[j]], weights.non_residue);
            sums[0] += e.times(values[0]);
            sums[1] += e.times(values[1]);
        }
        add_weighted(&mut total, sums, weight);
    }
    total
}

type Quarters<'a, T> = [&'a mut [Node<T>]; 4];

/// Binds `r` and evaluates the next round in one pass over memory.
fn bind_evaluate<F: Field, B: Coefficients, T: Lanes<F, B>>(
    (left, right): (Quarters<'_, T>, Quarters<'_, T>),
    r: &Factor<T, B>,
    weights: Weights<'_, F, B, T>,
) -> [T; 2] {
    if let Some((first, second, at)) = weights.halves() {
        let (l0, l1) = split_quarters(left, at);
        let (r0, r1) = split_quarters(right, at);
        let (a, b) = rayon::join(|| bind_evaluate((l0, r0), r, first), || bind_evaluate((l1, r1), r, second));
        return [a[0] + b[0], a[1] + b[1]];
    }
    let ([l0, l1, l2, l3], [r0, r1, r2, r3]) = (left, right);
    let mut total = [T::ZERO; 2];
    for (weight, range) in weights.chunks() {
        let (l0, l1, l2, l3) = (&mut l0[range.clone()], &mut l1[range.clone()], &l2[range.clone()], &l3[range.clone()]);
        let (r0, r1, r2, r3) = (&mut r0[range.clone()], &mut r1[range.clone()], &r2[range.clone()], &r3[range]);
        let mut sums = [T::ZERO; 2];
        for (j, e) in weights.inner.iter().enumerate() {
            let left = [interpolate(l0[j], l2[j], r), interpolate(l1[j], l3[j], r)];
            let right = [interpolate(r0[j], r2[j], r), interpolate(r1[j], r3[j], r)];
            [l0[j], l1[j]] = left;
            [r0[j], r1[j]] = right;
            let values = gate(left, right, weights.non_residue);
            sums[0] += e.times(values[0]);
            sums[1] += e.times(values[1]);
        }
        add_weighted(&mut total, sums, weight);
    }
    total
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

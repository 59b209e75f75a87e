//! The leaves of a tree, prover side. Witness leaves are recomputed from the columns instead of being kept.

use p3_field::PrimeCharacteristicRing;
use rayon::prelude::*;
use zkml_core::{ProveError, Suite};
use zkml_device::{Device, count};
use zkml_sumcheck::lookup::{Fingerprint, Layout, LeafColumns, ResidentLeaves, ResidentTree};
use zkml_sumcheck::vector::{Pack, lanes, pack, unpack};

use super::PARALLEL;
use super::nodes::Nodes;
use super::rounds::Wires;

/// Where the children of the last layer come from.
pub(super) enum Leaves<'a, S: Suite> {
    /// From the columns, which may also be on a device.
    Witness(WitnessLeaves<'a, S>, Option<ResidentLeaves>),
    /// They are the tree's largest stored level.
    Explicit,
}

/// The leaves `(1, α - f(w_i))`, and the constant fraction `0/1` up to the next power of two.
pub struct WitnessLeaves<'a, S: Suite> {
    columns: &'a LeafColumns<'a>,
    layout: &'a Layout,
    fingerprint: &'a Fingerprint<S::Challenge>,
}

impl<'a, S: Suite> WitnessLeaves<'a, S> {
    /// The leaves of the columns.
    pub fn new(columns: &'a LeafColumns<'a>, layout: &'a Layout, fingerprint: &'a Fingerprint<S::Challenge>) -> Self {
        Self { columns, layout, fingerprint }
    }

    /// Variables of the leaves.
    pub(super) fn depth(&self) -> usize {
        self.layout.variables()
    }

    /// Gates with two true leaves; the right child of the others is `0/1`.
    pub(super) fn pairs(&self) -> usize {
        self.layout.leaves() - self.half()
    }

    fn half(&self) -> usize {
        if self.depth() == 0 { 0 } else { 1 << (self.depth() - 1) }
    }

    fn is_packed(&self) -> bool {
        self.half() >= 2 * lanes::<S>()
    }

    /// The tree above the leaves on the device, and the leaves there, if the device should build it.
    pub(super) fn tree_there(&self, device: &Device) -> Result<Option<(ResidentTree<S>, ResidentLeaves)>, ProveError> {
        ResidentTree::over_witness(self.columns, self.fingerprint, device)
    }

    /// `d + shift` as a combination of the columns: constant, coefficients, and what the tail is.
    pub(super) fn combination(&self, shift: S::Challenge) -> (S::Challenge, Vec<S::Challenge>, S::Challenge) {
        let coefficients = self.fingerprint.powers.iter().map(|&p| -p).collect();
        (self.fingerprint.alpha + shift, coefficients, S::Challenge::ONE)
    }

    /// `d + shift` for every leaf, packed; the tail of the last pack is 1.
    fn packs(&self, shift: S::Challenge) -> Vec<Pack<S>> {
        let (constant, coefficients, tail) = self.combination(shift);
        self.columns.affine::<S>(constant, &coefficients, tail)
    }

    /// The level above the leaves: `(d_0 + d_1, d_0 d_1)`, and `(1, d_0)` where the right child is `0/1`. One product
    /// per gate with two true leaves. A single leaf is its own root.
    pub(super) fn parents(&self) -> Nodes<S> {
        let packs = self.packs(S::Challenge::ZERO);
        count::ext_mul(self.pairs());
        if self.depth() == 0 {
            let mut leaf = unpack::<S>(&packs);
            leaf.truncate(1);
            return Nodes::from_elements(vec![S::Challenge::ONE], leaf);
        }
        if !self.is_packed() {
            let (left, right) = self.elements(&packs);
            let (n, d) = left
                .iter()
                .zip(&right)
                .enumerate()
                .map(|(x, (&l, &r))| (if x < self.pairs() { l + r } else { S::Challenge::ONE }, l * r))
                .unzip();
            return Nodes::from_elements(n, d);
        }
        let (left, right) = packs.split_at(self.half() / lanes::<S>());
        let full = self.pairs() / lanes::<S>();
        let (mut n, mut d): (Vec<_>, Vec<_>) =
            left.par_iter().zip(right).with_min_len(PARALLEL).map(|(&l, &r)| (l + r, l * r)).unzip();
        n.resize(left.len(), Pack::<S>::ONE);
        d.extend_from_slice(&left[d.len()..]);
        if let Some(boundary) = n.get_mut(full) {
            *boundary = self.boundary(*boundary);
        }
        Nodes::from_packs(n, d)
    }

    /// The pack of numerators in which the tail starts.
    fn boundary(&self, packed: Pack<S>) -> Pack<S> {
        let inside = self.pairs() % lanes::<S>();
        let mut elements = unpack::<S>(&[packed]);
        elements.iter_mut().skip(inside).for_each(|e| *e = S::Challenge::ONE);
        pack::<S>(&elements).first().copied().unwrap_or(packed)
    }

    /// Left and right halves as elements, the right one filled up with ones.
    fn elements(&self, packs: &[Pack<S>]) -> (Vec<S::Challenge>, Vec<S::Challenge>) {
        let mut left = unpack::<S>(packs);
        left.truncate(self.layout.leaves());
        left.resize(2 * self.half(), S::Challenge::ONE);
        let right = left.split_off(self.half());
        (left, right)
    }

    /// The wires `e_0, e_1` with `e = d + shift`; `e_1 = 1` where the right child is `0/1`.
    pub(super) fn shifted(&self, shift: S::Challenge) -> Wires<S, 2> {
        let mut left = self.packs(shift);
        if !self.is_packed() {
            let (left, right) = self.elements(&left);
            return Wires::Plain([left, right]);
        }
        let mut right = left.split_off(self.half() / lanes::<S>());
        right.resize(left.len(), Pack::<S>::ONE);
        Wires::Packed([left, right])
    }
}

impl<S: Suite> Wires<S, 2> {
    /// The wires `e_0 + e_1, e_0 - e_1` from `e_0, e_1`.
    pub(super) fn sum_and_difference(self) -> Self {
        match self {
            Self::Packed([l, r]) => Self::Packed(sum_and_difference(l, r)),
            Self::Plain([l, r]) => Self::Plain(sum_and_difference(l, r)),
        }
    }
}

fn sum_and_difference<R: PrimeCharacteristicRing + Copy + Send + Sync>(mut a: Vec<R>, mut b: Vec<R>) -> [Vec<R>; 2] {
    a.par_iter_mut().zip(&mut b).with_min_len(PARALLEL).for_each(|(a, b)| (*a, *b) = (*a + *b, *a - *b));
    [a, b]
}

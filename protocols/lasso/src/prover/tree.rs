//! Trees of products and of fractions: building them, and handing out their levels.

use p3_field::PrimeCharacteristicRing;
use zkml_core::Suite;
use zkml_device::count;
use zkml_sumcheck::vector::{Pack, Vector, lanes};

/// Registers per parallel task.
pub(super) const GRAIN: usize = 1 << 8;

/// How two nodes of `N` elements make their parent.
pub(super) trait Combine<const N: usize> {
    /// Products per parent.
    const PRODUCTS: usize;

    /// The parent.
    fn combine<A: PrimeCharacteristicRing + Copy>(left: [A; N], right: [A; N]) -> [A; N];
}

/// The product.
pub(super) struct Multiply;

impl Combine<1> for Multiply {
    const PRODUCTS: usize = 1;

    #[inline]
    fn combine<A: PrimeCharacteristicRing + Copy>([l]: [A; 1], [r]: [A; 1]) -> [A; 1] {
        [l * r]
    }
}

/// The sum of two fractions `[n, d]`.
pub(super) struct AddFractions;

impl Combine<2> for AddFractions {
    const PRODUCTS: usize = 3;

    #[inline]
    fn combine<A: PrimeCharacteristicRing + Copy>(l: [A; 2], r: [A; 2]) -> [A; 2] {
        [l[0] * r[1] + r[0] * l[1], l[1] * r[1]]
    }
}

/// The nodes of a level without (left) and with (right) the most significant index bit.
pub(super) struct Level<S: Suite, const N: usize> {
    pub(super) left: [Vector<S>; N],
    pub(super) right: [Vector<S>; N],
}

/// A tree; levels are taken out from the root down.
pub(super) struct Tree<S: Suite, const N: usize> {
    root: [S::Challenge; N],
    /// Largest first.
    levels: Vec<Level<S, N>>,
}

impl<S: Suite, const N: usize> Level<S, N> {
    /// A level of `2^k >= 2` nodes, one vector per element.
    pub(super) fn split(nodes: [Vec<S::Challenge>; N]) -> Self {
        let mut left = nodes;
        let right = left.each_mut().map(|side| Vector::from(side.split_off(side.len() / 2)));
        Self { left: left.map(Vector::from), right }
    }

    /// All registers of both sides, if each has at least two.
    #[allow(clippy::type_complexity, reason = "two sides of N slices")]
    fn packed(&self) -> Option<([&[Pack<S>]; N], [&[Pack<S>]; N])> {
        let mut sides: ([&[Pack<S>]; N], [&[Pack<S>]; N]) = ([&[]; N], [&[]; N]);
        for i in 0..N {
            let (Vector::Packed(left), Vector::Packed(right)) = (&self.left[i], &self.right[i]) else { return None };
            if left.len() < 2 {
                return None;
            }
            (sides.0[i], sides.1[i]) = (left, right);
        }
        Some(sides)
    }
}

impl<S: Suite, const N: usize> Tree<S, N> {
    /// The tree above a level.
    pub(super) fn above<C: Combine<N>>(first: Level<S, N>) -> Self {
        let mut levels = vec![first];
        loop {
            let last = &levels[levels.len() - 1];
            count::ext_mul(C::PRODUCTS * last.left[0].len());
            if let Some((left, right)) = last.packed() {
                let node = |x: usize| C::combine(left.map(|l| l[x]), right.map(|r| r[x]));
                levels.push(packed_level(left[0].len(), node));
                continue;
            }
            let [left, right] = [&last.left, &last.right].map(|side| side.each_ref().map(Vector::to_scalars));
            let node = |x: usize| C::combine(left.each_ref().map(|l| l[x]), right.each_ref().map(|r| r[x]));
            if left[0].len() == 1 {
                return Self { root: node(0), levels };
            }
            let nodes = core::array::from_fn(|i| (0..left[0].len()).map(|x| node(x)[i]).collect());
            levels.push(Level::split(nodes));
        }
    }

    /// The tree above nodes, of which there may be just one.
    pub(super) fn above_nodes<C: Combine<N>>(nodes: [Vec<S::Challenge>; N]) -> Self {
        if nodes[0].len() > 1 {
            return Self::above::<C>(Level::split(nodes));
        }
        let root = nodes.map(|side| side.first().copied().unwrap_or_default());
        Self { root, levels: Vec::new() }
    }

    /// The root.
    pub(super) fn root(&self) -> [S::Challenge; N] {
        self.root
    }

    /// Takes the next level, starting with the root's two children; `None` after the largest stored one.
    pub(super) fn take(&mut self) -> Option<Level<S, N>> {
        self.levels.pop()
    }
}

/// A level of `packs` registers of nodes, an even number.
pub(super) fn packed_level<S: Suite, const N: usize>(
    packs: usize,
    node: impl Fn(usize) -> [Pack<S>; N] + Sync,
) -> Level<S, N> {
    let build = |from: usize| {
        let mut out: [Vec<Pack<S>>; N] = core::array::from_fn(|_| vec![Pack::<S>::ZERO; packs / 2]);
        fill(out.each_mut().map(Vec::as_mut_slice), from, &|first, out: &mut [&mut [Pack<S>]; N]| {
            for j in 0..out[0].len() {
                let value = node(first + j);
                out.iter_mut().zip(value).for_each(|(out, v)| out[j] = v);
            }
        });
        out.map(Vector::Packed)
    };
    Level { left: build(0), right: build(packs / 2) }
}

/// Fills slices of equal length, several threads at a time; `task` gets the index of its first element.
pub(super) fn fill<A: Send, const N: usize>(
    out: [&mut [A]; N],
    first: usize,
    task: &(impl Fn(usize, &mut [&mut [A]; N]) + Sync),
) {
    let length = out.first().map_or(0, |o| o.len());
    let mut out = out;
    if length <= GRAIN {
        task(first, &mut out);
        return;
    }
    let at = (length / 2).next_multiple_of(GRAIN);
    let mut later: [&mut [A]; N] = core::array::from_fn(|_| &mut [][..]);
    let mut slots = later.iter_mut();
    let earlier = out.map(|side| {
        let (head, tail) = side.split_at_mut(at.min(side.len()));
        if let Some(slot) = slots.next() {
            *slot = tail;
        }
        head
    });
    rayon::join(|| fill(earlier, first, task), || fill(later, first + at, task));
}

/// Whether a vector of so many elements is kept in registers that pair up.
pub(super) fn in_registers<S: Suite>(length: usize) -> bool {
    length >= 2 * lanes::<S>()
}

//! Trees of fractions: building them and handing out their layers.

use p3_field::{PackedFieldExtension, PrimeCharacteristicRing};
use rayon::prelude::*;
use zkml_core::Suite;
use zkml_device::count;
use zkml_sumcheck::lookup::{Fingerprint, Fraction, Layout, LeafColumns};

use super::lanes::{Packed, unpack, unpack_pairs, width};

/// A node `[numerator, denominator]`.
pub(super) type Node<T> = [T; 2];

/// The nodes of a layer: those without (left) and with (right) the most significant index bit. Node `x` of the
/// layer above is the sum of `left[x]` and `right[x]`.
pub(super) struct Halves<T> {
    pub(super) left: Vec<Node<T>>,
    pub(super) right: Vec<Node<T>>,
}

/// [`Halves`], packed if each half fills at least one pack.
pub(super) enum Nodes<S: Suite> {
    Packed(Halves<Packed<S>>),
    Plain(Halves<S::Challenge>),
}

/// A layer to reduce.
pub(super) enum Layer<S: Suite> {
    /// Its nodes.
    Stored(Nodes<S>),
    /// The witness leaves, which are recomputed from the witness.
    Witness,
}

/// Nodes per parallel task.
const GRAIN: usize = 1 << 9;

/// A tree of fractions.
pub(super) struct Tree<S: Suite> {
    root: Fraction<S::Challenge>,
    /// `layers[j]` has `2^(j+1)` nodes.
    layers: Vec<Layer<S>>,
}

impl<S: Suite> Tree<S> {
    /// The tree over the witness leaves `(1, α - f(w_i))`; the leaves themselves are not kept.
    ///
    /// Costs one product per pair of leaves and three per node above.
    pub(super) fn over_witness(
        layout: &Layout,
        columns: &LeafColumns<'_>,
        fingerprint: &Fingerprint<S::Challenge>,
    ) -> Self {
        let denominators: Vec<Packed<S>> = columns.denominators::<S>(fingerprint);
        let Some(log_half) = layout.variables().checked_sub(1) else {
            let denominator = denominators.first().map_or(S::Challenge::ONE, |d| d.extract(0));
            return Self { root: Fraction { numerator: S::Challenge::ONE, denominator }, layers: Vec::new() };
        };
        let half = 1_usize << log_half;
        count::ext_mul(layout.leaves() - half);
        let nodes = if half >= width::<S>() {
            let packs = half / width::<S>();
            let (left, right) = denominators.split_at(packs);
            let stored = layout.leaves() - half;
            let node = |x: usize| match right.get(x) {
                Some(&r) => {
                    // Lanes past the last leaf are the constant 0/1.
                    let ones = stored.saturating_sub(x * width::<S>());
                    let numerator = if ones >= width::<S>() {
                        left[x] + r
                    } else {
                        Packed::<S>::from_ext_fn(|lane| {
                            if lane < ones { left[x].extract(lane) + r.extract(lane) } else { S::Challenge::ONE }
                        })
                    };
                    [numerator, left[x] * r]
                }
                None => [Packed::<S>::ONE, left[x]],
            };
            Self::split_packed(packs, node)
        } else {
            let plain = unpack::<S>(&denominators);
            let node = |x: usize| match plain.get(x + half).filter(|_| x + half < layout.leaves()) {
                Some(&r) => [plain[x] + r, plain[x] * r],
                None => [S::Challenge::ONE, plain[x]],
            };
            Above::Plain((0..half).map(node).collect())
        };
        let mut tree = Self::above(nodes);
        tree.layers.push(Layer::Witness);
        tree
    }

    /// The tree over the table leaves.
    ///
    /// Costs three products per node above the leaves.
    pub(super) fn over_table(leaves: &[(S::Base, S::Challenge)]) -> Self {
        let node = |(n, d): (S::Base, S::Challenge)| [S::Challenge::from(n), d];
        if leaves.len() < 2 * width::<S>() {
            return Self::above(Above::Plain(leaves.iter().map(|&leaf| node(leaf)).collect()));
        }
        let pack = |x: usize| {
            let lanes = &leaves[x * width::<S>()..];
            [0, 1].map(|part| Packed::<S>::from_ext_fn(|lane| node(lanes[lane])[part]))
        };
        Self::above(Self::split_packed(leaves.len() / width::<S>(), pack))
    }

    fn split_packed(packs: usize, node: impl Fn(usize) -> Node<Packed<S>> + Sync) -> Above<S> {
        let collect = |from: usize, to: usize| -> Vec<Node<Packed<S>>> {
            (from..to).into_par_iter().with_min_len(GRAIN).map(&node).collect()
        };
        if packs == 1 {
            return Above::Plain(unpack_pairs::<S>(&collect(0, 1)));
        }
        Above::Packed(Halves { left: collect(0, packs / 2), right: collect(packs / 2, packs) })
    }

    /// The tree over a layer.
    fn above(mut nodes: Above<S>) -> Self {
        let mut layers = Vec::new();
        loop {
            let next = match &nodes {
                Above::Plain(plain) if plain.len() <= 1 => {
                    let [numerator, denominator] = plain.first().copied().unwrap_or([S::Challenge::ZERO; 2]);
                    layers.reverse();
                    return Self { root: Fraction { numerator, denominator }, layers };
                }
                Above::Plain(plain) => {
                    let (left, right) = plain.split_at(plain.len() / 2);
                    count::ext_mul(3 * left.len());
                    Above::Plain(left.iter().zip(right).map(|(&l, &r)| add(l, r)).collect())
                }
                Above::Packed(Halves { left, right }) => {
                    count::ext_mul(3 * left.len() * width::<S>());
                    Self::split_packed(left.len(), |x| add(left[x], right[x]))
                }
            };
            layers.push(Layer::Stored(match core::mem::replace(&mut nodes, next) {
                Above::Packed(halves) => Nodes::Packed(halves),
                Above::Plain(mut left) => {
                    let right = left.split_off(left.len() / 2);
                    Nodes::Plain(Halves { left, right })
                }
            }));
        }
    }

    /// The sum of all leaves.
    pub(super) fn root(&self) -> Fraction<S::Challenge> {
        self.root
    }

    /// Number of layers below the root.
    pub(super) fn depth(&self) -> usize {
        self.layers.len()
    }

    /// Takes the layer of `2^j` nodes out of the tree, `j >= 1`.
    pub(super) fn take(&mut self, j: usize) -> Layer<S> {
        core::mem::replace(&mut self.layers[j - 1], Layer::Witness)
    }
}

/// A layer under construction: as [`Nodes`], but a plain one is not yet split.
enum Above<S: Suite> {
    Packed(Halves<Packed<S>>),
    Plain(Vec<Node<S::Challenge>>),
}

/// The sum of two fractions.
fn add<T: PrimeCharacteristicRing + Copy>(l: Node<T>, r: Node<T>) -> Node<T> {
    [l[0] * r[1] + r[0] * l[1], l[1] * r[1]]
}

//! Trees of fractions: building them and handing out their layers.

use p3_field::{PackedFieldExtension, PrimeCharacteristicRing};
use rayon::prelude::*;
use zkml_core::{ProveError, Suite};
use zkml_device::{Device, count};
use zkml_sumcheck::lookup::{CHUNK, Fingerprint, Fraction, LeafColumns, Level, ResidentLeaves, ResidentTree};

use super::Leaves;
use super::lanes::{Packed, pack_pairs, unpack, unpack_pairs, width};

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
    /// Its nodes on the device.
    Resident(Level),
    /// The witness leaves, which are recomputed from the witness: here or on the device.
    Witness(Option<ResidentLeaves>),
}

impl<S: Suite> Nodes<S> {
    /// A level of at least two nodes from its numerators and denominators.
    pub(super) fn new(n: &[S::Challenge], d: &[S::Challenge]) -> Self {
        let half = n.len() / 2;
        let nodes = |range: core::ops::Range<usize>| n[range.clone()].iter().zip(&d[range]).map(|(&n, &d)| [n, d]);
        let (left, right) = (nodes(0..half).collect::<Vec<_>>(), nodes(half..n.len()).collect::<Vec<_>>());
        if half < width::<S>() {
            return Self::Plain(Halves { left, right });
        }
        Self::Packed(Halves { left: pack_pairs::<S>(&left), right: pack_pairs::<S>(&right) })
    }
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
    pub(super) fn over_witness(leaves: &Leaves<'_, S::Challenge>, device: &Device) -> Result<Self, ProveError> {
        match ResidentTree::over_witness(leaves.columns, leaves.fingerprint, device)? {
            Some((tree, leaves)) => {
                let mut tree = Self::resident(tree);
                tree.layers.push(Layer::Witness(Some(leaves)));
                Ok(tree)
            }
            None => Ok(Self::over_witness_here(leaves)),
        }
    }

    /// The tree over the table leaves.
    pub(super) fn over_table(leaves: &[(S::Base, S::Challenge)], device: &Device) -> Result<Self, ProveError> {
        if device.session().is_some() {
            let (n, d): (Vec<_>, Vec<_>) = leaves.iter().map(|&(n, d)| (S::Challenge::from(n), d)).unzip();
            if let Some(tree) = ResidentTree::over_leaves(&n, &d, device)? {
                return Ok(Self::resident(tree));
            }
        }
        Ok(Self::over(leaves.len(), |i| [leaves[i].0.into(), leaves[i].1]))
    }

    /// A tree that is on the device up to a level from which on it is built here.
    fn resident(ResidentTree { levels, top: [n, d] }: ResidentTree<S>) -> Self {
        let mut tree = Self::over(n.len(), |i| [n[i], d[i]]);
        tree.layers.extend(levels.into_iter().rev().map(Layer::Resident));
        tree
    }

    /// The tree over the witness leaves, on the host.
    ///
    /// Costs one product per pair of leaves and three per node above.
    fn over_witness_here(&Leaves { layout, columns, fingerprint }: &Leaves<'_, S::Challenge>) -> Self {
        let half = 1_usize << layout.variables().saturating_sub(1);
        count::ext_mul(layout.leaves().saturating_sub(half));
        let nodes = if half >= 2 * width::<S>() {
            let packs = half / width::<S>();
            let pairs = LeafPairs::<S> { columns, fingerprint, packs, stored: layout.leaves() - half };
            let (left, right) = rayon::join(|| pairs.sums(0), || pairs.sums(packs / 2));
            Above::Packed(Halves { left, right })
        } else {
            let leaves = unpack::<S>(&columns.denominators::<S>(fingerprint));
            if layout.leaves() == 1 {
                let root = Fraction { numerator: S::Challenge::ONE, denominator: leaves[0] };
                return Self { root, layers: Vec::new() };
            }
            let node = |x: usize| match leaves.get(x + half).filter(|_| x + half < layout.leaves()) {
                Some(&r) => [leaves[x] + r, leaves[x] * r],
                None => [S::Challenge::ONE, leaves[x]],
            };
            Above::Plain((0..half).map(node).collect())
        };
        let mut tree = Self::above(nodes);
        tree.layers.push(Layer::Witness(None));
        tree
    }

    /// The tree over a power of two of nodes.
    ///
    /// Costs three products per node above them.
    fn over(nodes: usize, node: impl Fn(usize) -> Node<S::Challenge> + Sync) -> Self {
        if nodes < 2 * width::<S>() {
            return Self::above(Above::Plain((0..nodes).map(node).collect()));
        }
        let pack = |x: usize| [0, 1].map(|part| Packed::<S>::from_ext_fn(|lane| node(x * width::<S>() + lane)[part]));
        Self::above(Self::split_packed(nodes / width::<S>(), pack))
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
        core::mem::replace(&mut self.layers[j - 1], Layer::Witness(None))
    }
}

/// Pairs of witness leaves `(1, d)`, and a tail of `(0, 1)`.
struct LeafPairs<'a, S: Suite> {
    columns: &'a LeafColumns<'a>,
    fingerprint: &'a Fingerprint<S::Challenge>,
    /// Packs of pairs.
    packs: usize,
    /// Pairs whose right leaf is stored.
    stored: usize,
}

impl<S: Suite> LeafPairs<'_, S> {
    /// The sums of half of the pairs, from pack `from` on.
    fn sums(&self, from: usize) -> Vec<Node<Packed<S>>> {
        let coefficients: Vec<_> = self.fingerprint.powers.iter().map(|&p| -p).collect();
        let mut out = vec![[Packed::<S>::ZERO; 2]; self.packs / 2];
        out.par_chunks_mut(CHUNK).enumerate().for_each(|(chunk, out)| {
            let first = from + chunk * CHUNK;
            let mut leaves = [[Packed::<S>::ZERO; CHUNK]; 2];
            for (leaves, first) in leaves.iter_mut().zip([first, self.packs + first]) {
                let leaves = &mut leaves[..out.len()];
                let alpha = self.fingerprint.alpha;
                self.columns.write_affine::<S>(alpha, &coefficients, S::Challenge::ONE, first, leaves);
            }
            for (j, node) in out.iter_mut().enumerate() {
                *node = self.sum(first + j, leaves[0][j], leaves[1][j]);
            }
        });
        out
    }

    /// The sums of one pack of pairs.
    fn sum(&self, pack: usize, l: Packed<S>, r: Packed<S>) -> Node<Packed<S>> {
        let stored = self.stored.saturating_sub(pack * width::<S>());
        if stored == 0 {
            return [Packed::<S>::ONE, l];
        }
        if stored >= width::<S>() {
            return [l + r, l * r];
        }
        let numerator = |lane| if lane < stored { l.extract(lane) + r.extract(lane) } else { S::Challenge::ONE };
        [Packed::<S>::from_ext_fn(numerator), l * r]
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

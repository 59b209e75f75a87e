//! The nodes of one level of a tree, and the level above.

use p3_field::{Algebra, Field, PrimeCharacteristicRing};
use rayon::prelude::*;
use zkml_core::Suite;
use zkml_device::count;
use zkml_sumcheck::vector::{Pack, lanes, pack, unpack};

use super::PARALLEL;
use super::rounds::Wires;

/// Numerators and denominators of a level with a power of two of nodes; packed from four packs on, so that both
/// halves have a packed round.
pub(super) enum Nodes<S: Suite> {
    /// Packs.
    Packed(Vec<Pack<S>>, Vec<Pack<S>>),
    /// Elements.
    Plain(Vec<S::Challenge>, Vec<S::Challenge>),
}

impl<S: Suite> Nodes<S> {
    /// A level from its elements.
    pub(super) fn from_elements(numerators: Vec<S::Challenge>, denominators: Vec<S::Challenge>) -> Self {
        if numerators.len() >= 4 * lanes::<S>() {
            Self::Packed(pack::<S>(&numerators), pack::<S>(&denominators))
        } else {
            Self::Plain(numerators, denominators)
        }
    }

    /// A level from packs.
    pub(super) fn from_packs(numerators: Vec<Pack<S>>, denominators: Vec<Pack<S>>) -> Self {
        if numerators.len() >= 4 {
            Self::Packed(numerators, denominators)
        } else {
            Self::Plain(unpack::<S>(&numerators), unpack::<S>(&denominators))
        }
    }

    /// Number of nodes.
    pub(super) fn len(&self) -> usize {
        match self {
            Self::Packed(n, _) => n.len() * lanes::<S>(),
            Self::Plain(n, _) => n.len(),
        }
    }

    /// Adds the fractions `x` and `x + half`. Three products per node of the result.
    pub(super) fn parents(&self) -> Self {
        count::ext_mul(3 * self.len() / 2);
        match self {
            Self::Packed(n, d) => {
                let (n, d) = add_halves(n, d);
                Self::from_packs(n, d)
            }
            Self::Plain(n, d) => {
                let (n, d) = add_halves(n, d);
                Self::from_elements(n, d)
            }
        }
    }

    /// The wires of every gate above this level.
    pub(super) fn wires(&self, basis: Basis<S::Challenge>) -> Wires<S, 4> {
        if !matches!(basis, Basis::SumsAndDifferences) {
            count::ext_mul(self.len() / 2);
        }
        match self {
            Self::Packed(n, d) => Wires::Packed(basis.wires(n, d)),
            Self::Plain(n, d) => Wires::Plain(basis.wires(n, d)),
        }
    }

    /// The first numerator and denominator.
    pub(super) fn first(&self) -> Option<(S::Challenge, S::Challenge)> {
        match self {
            Self::Packed(n, d) => Some((*unpack::<S>(n).first()?, *unpack::<S>(d).first()?)),
            Self::Plain(n, d) => Some((*n.first()?, *d.first()?)),
        }
    }
}

fn add_halves<R: PrimeCharacteristicRing + Copy + Send + Sync>(n: &[R], d: &[R]) -> (Vec<R>, Vec<R>) {
    let half = n.len() / 2;
    let gate = |x: usize| (n[x] * d[x + half] + n[x + half] * d[x], d[x] * d[x + half]);
    if half < PARALLEL {
        (0..half).map(gate).unzip()
    } else {
        (0..half).into_par_iter().with_min_len(PARALLEL).map(gate).unzip()
    }
}

/// Two wires.
type Pair<R> = (Vec<R>, Vec<R>);

/// The wires in which a form evaluates its layers.
#[derive(Clone, Copy, Debug)]
pub(super) enum Basis<F> {
    /// `s_d, t_d, s_n, t_n`.
    SumsAndDifferences,
    /// `m_0 + d_1, m_0 - d_1, n_1 + d_0, n_1 - d_0` with `m_0 = n_0 + ratio · d_0`.
    Crossed(F),
    /// `m_0, d_1, n_1, d_0`.
    Folded(F),
}

/// The children of a gate: numerators and denominators at child bit 0 and 1.
pub(super) struct Children<F> {
    pub(super) numerators: [F; 2],
    pub(super) denominators: [F; 2],
}

impl<F: Field> Basis<F> {
    /// The children from the wires.
    pub(super) fn children(self, [p, q, r, s]: [F; 4]) -> Children<F> {
        match self {
            Self::SumsAndDifferences => Children {
                numerators: [(r + s).halve(), (r - s).halve()],
                denominators: [(p + q).halve(), (p - q).halve()],
            },
            Self::Crossed(ratio) => {
                Self::Folded(ratio).children([(p + q).halve(), (p - q).halve(), (r + s).halve(), (r - s).halve()])
            }
            Self::Folded(ratio) => Children { numerators: [p - ratio * s, r], denominators: [s, q] },
        }
    }

    /// The ratio; zero for sums and differences.
    pub(super) fn ratio<R: Algebra<F>>(self) -> R {
        match self {
            Self::SumsAndDifferences => R::ZERO,
            Self::Crossed(ratio) | Self::Folded(ratio) => R::from(ratio),
        }
    }

    /// The wires of one gate from its children `n_0, n_1, d_0, d_1`.
    #[inline]
    pub(super) fn wires_at<R: PrimeCharacteristicRing + Copy>(self, ratio: R, [n0, n1, d0, d1]: [R; 4]) -> [R; 4] {
        match self {
            Self::SumsAndDifferences => [d0 + d1, d0 - d1, n0 + n1, n0 - n1],
            Self::Crossed(_) => {
                let m0 = n0 + ratio * d0;
                [m0 + d1, m0 - d1, n1 + d0, n1 - d0]
            }
            Self::Folded(_) => [n0 + ratio * d0, d1, n1, d0],
        }
    }

    /// The wires of every gate above a level; one product per gate except for sums and differences.
    fn wires<R: Algebra<F> + Copy + Send + Sync>(self, n: &[R], d: &[R]) -> [Vec<R>; 4] {
        let (half, ratio) = (n.len() / 2, self.ratio::<R>());
        let gate = |x: usize| {
            let [a, b, c, e] = self.wires_at(ratio, [n[x], n[x + half], d[x], d[x + half]]);
            ((a, b), (c, e))
        };
        let ((a, b), (c, d)): (Pair<R>, Pair<R>) = if half < PARALLEL {
            (0..half).map(gate).unzip()
        } else {
            (0..half).into_par_iter().with_min_len(PARALLEL).map(gate).unzip()
        };
        [a, b, c, d]
    }
}

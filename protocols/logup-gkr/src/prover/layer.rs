//! One layer of one tree during its sumcheck: the first rounds on a device, if there is one, the others on the host.

use p3_field::Field;
use zkml_core::{ProveError, Suite};
use zkml_device::{Device, Point};
use zkml_sumcheck::engine::{Resident, Traced};

use super::eq::SplitEq;
use super::gates::{GateRounds, Spare};
use super::product::ProductRounds;
use super::tree::{Layer, Nodes};
use super::{Children, Leaves};

/// Where the composition is evaluated: its value at 0 and, since it is homogeneous, its leading coefficient.
const POINTS: [Point; 2] = [Point::At(0), Point::Infinity];

/// The rounds of one layer of one tree.
pub(super) struct Rounds<'d, S: Suite> {
    there: Option<Resident<'d, S>>,
    here: Here<S>,
}

/// The rounds on the host. While they are on the device it has no nodes.
enum Here<S: Suite> {
    Gates(GateRounds<S>),
    Product(ProductRounds<S>),
}

/// What all trees of a layer have in common.
pub(super) struct Setting<'a, 'd, S: Suite> {
    pub(super) leaves: &'a Leaves<'a, S::Challenge>,
    pub(super) lambda: S::Challenge,
    /// The point of the claims on the layer's gates.
    pub(super) z: &'a [S::Challenge],
    pub(super) device: &'d Device,
    pub(super) scope: &'a str,
}

impl<'d, S: Suite> Rounds<'d, S> {
    /// The rounds of a layer, in `spare` memory if it has to be computed here.
    pub(super) fn new(
        layer: Layer<S>,
        &Setting { leaves, lambda, z, device, scope }: &Setting<'_, 'd, S>,
        spare: &mut Spare<S>,
    ) -> Result<Self, ProveError> {
        let stored = |nodes| Self { there: None, here: Here::Gates(GateRounds::new(nodes, lambda)) };
        match layer {
            Layer::Stored(nodes) => Ok(stored(nodes)),
            Layer::Resident(level) => {
                if let Some(there) = level.rounds(|factors| gate(factors, lambda), z, device)? {
                    return Ok(Self { there: Some(there), here: Here::Gates(GateRounds::elsewhere(lambda)) });
                }
                let [n, d] = level.download::<S>(device)?;
                Ok(stored(Nodes::new(&n, &d)))
            }
            Layer::Witness(resident) => {
                let mut rounds = ProductRounds::new(leaves.layout, lambda, scope)?;
                let (constant, coefficients, tail) = rounds.combination(leaves.fingerprint);
                let there = match resident {
                    Some(resident) => resident.rounds((constant, &coefficients, tail), product, z, device)?,
                    None => None,
                };
                if there.is_none() {
                    rounds.compute(leaves, core::mem::take(spare));
                }
                Ok(Self { there, here: Here::Product(rounds) })
            }
        }
    }

    /// Value at 0 and leading coefficient of the round polynomial, after binding the previous challenge.
    pub(super) fn round(
        &mut self,
        bound: &[S::Challenge],
        z: &[S::Challenge],
        eq: &SplitEq<S>,
    ) -> Result<[S::Challenge; 2], ProveError> {
        let r = bound.last().copied();
        let sums = match self.there.take() {
            None => self.here.round(r, eq),
            Some(mut there) => {
                if let Some(r) = r {
                    there.bind_next(r);
                }
                if there.goes_on() {
                    let sums = there.round(&POINTS)?;
                    self.there = Some(there);
                    [sums[0], sums[1]]
                } else {
                    self.here.go_on(there.finish()?);
                    self.here.round(None, eq)
                }
            }
        };
        Ok(match &self.here {
            Here::Gates(_) => sums,
            Here::Product(rounds) => rounds.message(sums, bound, z),
        })
    }

    /// The children at the point, whose coordinates but the last were bound already, and memory that is free now.
    pub(super) fn finish(self, point: &[S::Challenge]) -> Result<(Children<S::Challenge>, Spare<S>), ProveError> {
        let values = match self.there {
            Some(mut there) => {
                if let Some(&r) = point.last() {
                    there.bind_next(r);
                }
                there.finish()?.concat()
            }
            None => Vec::new(),
        };
        Ok(match (self.here, &values[..]) {
            (Here::Gates(_), &[n0, n1, d0, d1]) => {
                (Children { n: [n0, n1], d: [d0, d1], numerators_known: false }, Spare::<S>::default())
            }
            (Here::Gates(rounds), _) => rounds.finish(point),
            (Here::Product(rounds), &[d0, d1]) => (rounds.children([d0, d1], point), Spare::<S>::default()),
            (Here::Product(rounds), _) => (rounds.finish(point), Spare::<S>::default()),
        })
    }
}

impl<S: Suite> Here<S> {
    fn round(&mut self, r: Option<S::Challenge>, eq: &SplitEq<S>) -> [S::Challenge; 2] {
        match self {
            Self::Gates(rounds) => rounds.round(r, eq),
            Self::Product(rounds) => rounds.round(r, eq),
        }
    }

    /// Goes on with what the device left of the factors.
    fn go_on(&mut self, factors: Vec<Vec<S::Challenge>>) {
        match self {
            Self::Gates(rounds) => rounds.go_on(&factors),
            Self::Product(rounds) => rounds.go_on(factors),
        }
    }
}

/// `n0 d1 + n1 d0 + λ d0 d1`.
fn gate<F: Field>(factors: &[Traced<F>], lambda: F) -> Vec<Traced<F>> {
    let &[n0, n1, d0, d1] = factors else { return Vec::new() };
    vec![(n0 + d0 * lambda) * d1 + n1 * d0]
}

/// `D0 D1`.
fn product<F: Field>(factors: &[Traced<F>]) -> Vec<Traced<F>> {
    vec![factors.iter().copied().product()]
}

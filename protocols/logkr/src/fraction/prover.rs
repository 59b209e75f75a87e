//! The prover of a tree.

use p3_field::{Field, PrimeCharacteristicRing};
use zkml_core::{ProveError, ProverTranscript, Suite, mle};
use zkml_device::Device;
use zkml_sumcheck::engine::Traced;
use zkml_sumcheck::lookup::{Fraction, Level as ResidentLevel, ResidentLeaves, ResidentTree};

use super::gate::{FourSquares, Gate, LeafProduct, LeafSquares, SquaresAndProducts, TwoProducts};
use super::leaves::{Leaves, WitnessLeaves};
use super::nodes::{Basis, Children, Nodes};
use super::rounds::{Shell, Source, prove_rounds, traced, wires_from};
use super::tree::root_claim;
use super::verifier::{FractionClaim, scale};
use crate::Form;
use crate::difference::prove_difference;

/// A tree with all its levels above the leaves, ready to be proven from the root down.
pub struct Tree<'a, S: Suite> {
    /// Largest level first; the last has two nodes.
    levels: Vec<Level<S>>,
    root: Fraction<S::Challenge>,
    leaves: Leaves<'a, S>,
    depth: usize,
}

/// The children of a layer's gates.
enum Level<S: Suite> {
    /// On the host.
    Here(Nodes<S>),
    /// On the device.
    There(ResidentLevel),
}

impl<'a, S: Suite> Tree<'a, S> {
    /// The tree over witness leaves `(1, α - f(w_i))`: one product per gate above the leaves, three elsewhere. Errors if the
    /// device fails.
    pub fn witness(leaves: WitnessLeaves<'a, S>, device: &Device) -> Result<Self, ProveError> {
        let depth = leaves.depth();
        Ok(match leaves.tree_there(device)? {
            Some((tree, resident)) => Self::resident(tree, Leaves::Witness(leaves, Some(resident)), depth),
            None => Self::grow(Vec::new(), leaves.parents(), Leaves::Witness(leaves, None), depth),
        })
    }

    /// The tree over explicit leaves, a power of two of them. Errors if the device fails.
    pub fn explicit(
        numerators: Vec<S::Challenge>,
        denominators: Vec<S::Challenge>,
        device: &Device,
    ) -> Result<Self, ProveError> {
        let depth = numerators.len().ilog2() as usize;
        Ok(match ResidentTree::over_leaves(&numerators, &denominators, device)? {
            Some(tree) => Self::resident(tree, Leaves::Explicit, depth),
            None => Self::grow(Vec::new(), Nodes::from_elements(numerators, denominators), Leaves::Explicit, depth),
        })
    }

    fn resident(tree: ResidentTree<S>, leaves: Leaves<'a, S>, depth: usize) -> Self {
        let ResidentTree { levels, top: [numerators, denominators] } = tree;
        let levels = levels.into_iter().map(Level::There).collect();
        Self::grow(levels, Nodes::from_elements(numerators, denominators), leaves, depth)
    }

    /// The levels from `first` on are made here.
    fn grow(mut levels: Vec<Level<S>>, first: Nodes<S>, leaves: Leaves<'a, S>, depth: usize) -> Self {
        let mut top = first;
        while top.len() > 1 {
            let parents = top.parents();
            levels.push(Level::Here(core::mem::replace(&mut top, parents)));
        }
        let (numerator, denominator) = top.first().unwrap_or((S::Challenge::ZERO, S::Challenge::ZERO));
        Self { levels, root: Fraction { numerator, denominator }, leaves, depth }
    }

    /// The sum of all leaves.
    pub fn root(&self) -> Fraction<S::Challenge> {
        self.root
    }

    /// Reduces the claim on the root, which was sent already, to a claim on the leaves.
    pub fn prove(
        mut self,
        form: Form,
        transcript: &mut ProverTranscript<S>,
        device: &Device,
    ) -> Result<FractionClaim<S::Challenge>, ProveError> {
        let mut claim = root_claim(self.root, transcript.challenge());
        for _ in 0..self.depth {
            claim = match (self.levels.pop(), &self.leaves) {
                (Some(children), _) => prove_inner(form, &claim, &children, transcript, device)?,
                (None, Leaves::Witness(leaves, there)) => {
                    prove_leaves(form, &claim, (leaves, there.as_ref()), transcript, device)?
                }
                (None, Leaves::Explicit) => return Err(unlucky(transcript, "a tree without leaves")),
            };
        }
        Ok(claim)
    }
}

impl<S: Suite> Level<S> {
    /// The wires, or the level on the device together with the gate that forms wires from it.
    fn source<'d, G: Gate<4, SUMS>, const SUMS: usize>(
        &self,
        gate: G,
        basis: Basis<S::Challenge>,
        z: &[S::Challenge],
        device: &'d Device,
    ) -> Result<Source<'d, S, 4>, ProveError> {
        let level = match self {
            Self::Here(nodes) => return Ok(Source::Here(nodes.wires(basis))),
            Self::There(level) => level,
        };
        let body = |factors: &[Traced<S::Challenge>]| {
            traced(gate, factors, |children| basis.wires_at(basis.ratio(), children))
        };
        if let Some(resident) = level.rounds(body, z, device)? {
            let wires = move |factors: Vec<Vec<S::Challenge>>| {
                let (n, d) = factors.split_at(factors.len() / 2);
                Nodes::from_elements(n.concat(), d.concat()).wires(basis)
            };
            return Ok(Source::There(resident, Box::new(wires)));
        }
        let [n, d] = level.download::<S>(device)?;
        Ok(Source::Here(Nodes::from_elements(n, d).wires(basis)))
    }
}

/// Proves a layer whose children are stored.
fn prove_inner<S: Suite>(
    form: Form,
    claim: &FractionClaim<S::Challenge>,
    children: &Level<S>,
    transcript: &mut ProverTranscript<S>,
    device: &Device,
) -> Result<FractionClaim<S::Challenge>, ProveError> {
    let (a, b) = (claim.n_weight, claim.d_weight);
    let ratio = || a.try_inverse().map(|i| b * i).ok_or_else(|| unlucky(transcript, "a claim without numerators"));
    let basis = match form {
        Form::HalfSquare => Basis::SumsAndDifferences,
        Form::Square => Basis::Crossed(ratio()?),
        Form::Product => Basis::Folded(ratio()?),
    };
    let (scaled, offset) = (scale(form, claim.value), (S::Challenge::ZERO, 0));
    let (z, four_a) = (&claim.point, a.double().double());
    let (x, wires, running) = match form {
        Form::Square => {
            let source = children.source(FourSquares, basis, z, device)?;
            prove_rounds(FourSquares, &Shell { scale: [four_a], offset }, source, z, scaled, transcript, device)?
        }
        Form::Product => {
            let source = children.source(TwoProducts, basis, z, device)?;
            prove_rounds(TwoProducts, &Shell { scale: [four_a], offset }, source, z, scaled, transcript, device)?
        }
        Form::HalfSquare => {
            let shell = Shell { scale: [b, a.double()], offset };
            let source = children.source(SquaresAndProducts, basis, z, device)?;
            prove_rounds(SquaresAndProducts, &shell, source, z, scaled, transcript, device)?
        }
    };
    close_layer(form, claim, &x, &basis.children(wires), running, transcript)
}

/// Proves the layer above witness leaves: with `e = d + A/B` the gate is `B e_0 e_1 - A²/B`, and on the gates whose
/// right child is the constant `0/1` it is `B e_0`, as if `e_1` were 1 there and the offset absent.
fn prove_leaves<S: Suite>(
    form: Form,
    claim: &FractionClaim<S::Challenge>,
    (leaves, there): (&WitnessLeaves<'_, S>, Option<&ResidentLeaves>),
    transcript: &mut ProverTranscript<S>,
    device: &Device,
) -> Result<FractionClaim<S::Challenge>, ProveError> {
    let (a, b) = (claim.n_weight, claim.d_weight);
    let shift = a * b.try_inverse().ok_or_else(|| unlucky(transcript, "a claim without denominators"))?;
    let scaled = scale(form, claim.value);
    let pairs = leaves.pairs();
    let offset = (-scale(form, a * shift), pairs);
    let (z, four_b) = (&claim.point, b.double().double());
    let (x, [e0, e1], running) = match form {
        Form::Square | Form::HalfSquare => {
            let factor = if form == Form::Square { four_b } else { b };
            let shell = Shell { scale: [factor], offset };
            let source = sums_and_differences((leaves, there), shift, z, device)?;
            let (x, [sum, difference], running) =
                prove_rounds(LeafSquares, &shell, source, z, scaled, transcript, device)?;
            (x, [(sum + difference).halve(), (sum - difference).halve()], running)
        }
        Form::Product => {
            let shell = Shell { scale: [four_b], offset };
            let source = shifted((leaves, there), shift, z, device)?;
            prove_rounds(LeafProduct, &shell, source, z, scaled, transcript, device)?
        }
    };
    let paired = mle::prefix_indicator(&x, pairs);
    let children =
        Children { numerators: [S::Challenge::ONE, paired], denominators: [e0 - shift, e1 - shift * paired] };
    close_layer(form, claim, &x, &children, running, transcript)
}

/// The wires `e_0, e_1` of the leaves, here or on the device.
fn shifted<'d, S: Suite>(
    (leaves, there): (&WitnessLeaves<'_, S>, Option<&ResidentLeaves>),
    shift: S::Challenge,
    z: &[S::Challenge],
    device: &'d Device,
) -> Result<Source<'d, S, 2>, ProveError> {
    let (constant, coefficients, tail) = leaves.combination(shift);
    let body = |factors: &[Traced<S::Challenge>]| traced(LeafProduct, factors, |wires| wires);
    let rounds = |there: &ResidentLeaves| there.rounds((constant, &coefficients, tail), body, z, device);
    Ok(match there.map(rounds).transpose()?.flatten() {
        Some(resident) => Source::There(resident, Box::new(wires_from)),
        None => Source::Here(leaves.shifted(shift)),
    })
}

/// The wires `e_0 + e_1, e_0 - e_1`, likewise.
fn sums_and_differences<'d, S: Suite>(
    (leaves, there): (&WitnessLeaves<'_, S>, Option<&ResidentLeaves>),
    shift: S::Challenge,
    z: &[S::Challenge],
    device: &'d Device,
) -> Result<Source<'d, S, 2>, ProveError> {
    let (constant, coefficients, tail) = leaves.combination(shift);
    let body = |factors: &[Traced<S::Challenge>]| traced(LeafSquares, factors, |[l, r]| [l + r, l - r]);
    let rounds = |there: &ResidentLeaves| there.rounds((constant, &coefficients, tail), body, z, device);
    Ok(match there.map(rounds).transpose()?.flatten() {
        Some(resident) => Source::There(resident, Box::new(|left| wires_from::<S, 2>(left).sum_and_difference())),
        None => Source::Here(leaves.shifted(shift).sum_and_difference()),
    })
}

/// The b round, the end of the layer, and the claim on the children.
fn close_layer<S: Suite>(
    form: Form,
    claim: &FractionClaim<S::Challenge>,
    x: &[S::Challenge],
    children: &Children<S::Challenge>,
    running: S::Challenge,
    transcript: &mut ProverTranscript<S>,
) -> Result<FractionClaim<S::Challenge>, ProveError> {
    let one = S::Challenge::ONE;
    let (a2, weight) = (claim.n_weight.double(), claim.d_weight);
    let m = |i: usize| a2 * children.numerators[i] + weight * children.denominators[i];
    let ([d0, d1], [m0, m1]) = (children.denominators, [m(0), m(1)]);
    let factor = if form == Form::Square { one.double().double() } else { one };
    // At X the wires are v_0 + (1 - 2X) v_1.
    let message = [factor * (d0 + d1) * (m0 + m1), factor * (d1 * m1).double().double()];
    let (b, running) = prove_difference(running, message, transcript);
    let sign = one - b.double();
    let (d, m) = (d0 + sign * d1, m0 + sign * m1);
    let (n_weight, d_weight, value) = match form {
        Form::Square => {
            let (c, _) = prove_difference(running, [(d + m).square(), m.square().double().double()], transcript);
            let g = one - c.double();
            let u = d + g * m;
            transcript.write(&[u]);
            (a2 * g, one + g * weight, u)
        }
        Form::HalfSquare => {
            let n = children.numerators[0] + sign * children.numerators[1];
            transcript.write(&[d, n]);
            let lambda = transcript.challenge();
            (lambda, one, d + lambda * n)
        }
        Form::Product => {
            transcript.write(&[d, m]);
            let lambda = transcript.challenge();
            (a2 * lambda, one + lambda * weight, d + lambda * m)
        }
    };
    FractionClaim::from_wires(x, b, n_weight, d_weight, value).map_err(|why| unlucky(transcript, why.condition()))
}

fn unlucky<S: Suite>(transcript: &ProverTranscript<S>, what: &'static str) -> ProveError {
    ProveError::UnluckyChallenge { scope: transcript.scope(), what }
}

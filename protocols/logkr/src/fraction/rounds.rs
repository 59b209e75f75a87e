//! The x-rounds of a layer: `Σ_x eq(z, x) C(x)` for a quadratic form `C` in a few bound wires.

use p3_field::{Algebra, Field, PrimeCharacteristicRing};
use rayon::prelude::*;
use zkml_core::{ProveError, ProverTranscript, Suite, mle};
use zkml_device::{Device, Point, count};
use zkml_sumcheck::Weight;
use zkml_sumcheck::engine::{Resident, Traced};
use zkml_sumcheck::round::evaluate_round;
use zkml_sumcheck::vector::{Pack, Vector, eq_table, lanes, sum_lanes, unpack};

use super::PARALLEL;
use super::gate::Gate;

/// The wires of a layer, each over the layer's `2^k` gates.
pub(super) enum Wires<S: Suite, const N: usize> {
    /// Packs; the number of gates is a multiple of the lanes.
    Packed([Vec<Pack<S>>; N]),
    /// Elements.
    Plain([Vec<S::Challenge>; N]),
}

/// What the rounds run over.
pub(super) enum Source<'d, S: Suite, const N: usize> {
    /// The wires, on the host.
    Here(Wires<S, N>),
    /// Factors on the device, and how the wires follow from what is left of them.
    There(Resident<'d, S>, Conversion<S, N>),
}

/// From factors to wires.
pub(super) type Conversion<S, const N: usize> = Box<dyn FnOnce(Vec<Vec<<S as Suite>::Challenge>>) -> Wires<S, N>>;

/// Running state of the rounds.
struct State<'t, S: Suite> {
    claim: S::Challenge,
    bound: Vec<S::Challenge>,
    transcript: &'t mut ProverTranscript<S>,
}

impl<S: Suite> State<'_, S> {
    /// Sends a round's message from its value at one end and its leading coefficient, both without the offset.
    fn send<const SUMS: usize>(
        &mut self,
        shell: &Shell<S, SUMS>,
        z: &[S::Challenge],
        [at_end, leading]: [S::Challenge; 2],
    ) -> S::Challenge {
        let round = self.bound.len();
        let w = z[round];
        let mut point = self.bound.clone();
        point.push(S::Challenge::from_bool(w == S::Challenge::ZERO));
        point.extend_from_slice(&z[round + 1..]);
        let message = round_message(w, self.claim, at_end + shell.offset_at(&point), leading);
        self.transcript.write(&message[1..]);
        let r = self.transcript.challenge();
        self.claim = evaluate_round(message[0], &message[1..], r);
        self.bound.push(r);
        r
    }
}

/// What surrounds the summed terms: `C = combine(terms) + offset`.
pub(super) struct Shell<S: Suite, const SUMS: usize> {
    /// Scalars of the sums.
    pub(super) scale: [S::Challenge; SUMS],
    /// The multilinear part: `coefficient · prefix(x)` with the extension of the indicator of the first `prefix`
    /// gates.
    pub(super) offset: (S::Challenge, usize),
}

impl<S: Suite, const SUMS: usize> Shell<S, SUMS> {
    fn combine(&self, sums: [S::Challenge; SUMS]) -> S::Challenge {
        self.scale.iter().zip(sums).map(|(&scale, sum)| scale * sum).sum()
    }

    fn offset_at(&self, point: &[S::Challenge]) -> S::Challenge {
        let (coefficient, prefix) = self.offset;
        if coefficient == S::Challenge::ZERO { coefficient } else { coefficient * mle::prefix_indicator(point, prefix) }
    }
}

/// The point, the wires there, and the last claim.
type Proven<F, const N: usize> = (Vec<F>, [F; N], F);

/// Proves the x-rounds. Returns the point, the wires there and the last claim.
pub(super) fn prove_rounds<S: Suite, G: Gate<N, SUMS>, const N: usize, const SUMS: usize>(
    gate: G,
    shell: &Shell<S, SUMS>,
    source: Source<'_, S, N>,
    z: &[S::Challenge],
    claim: S::Challenge,
    transcript: &mut ProverTranscript<S>,
    device: &Device,
) -> Result<Proven<S::Challenge, N>, ProveError> {
    let mut state = State { claim, bound: Vec::with_capacity(z.len()), transcript };
    let wires = resident_rounds(gate, shell, source, z, &mut state, device)?;
    let suffix = z.get(state.bound.len() + 1..).unwrap_or(&[]);
    let (mut wires, mut eq) = match (wires, eq_table::<S>(suffix, S::Challenge::ONE)) {
        (Wires::Packed(mut wires), Vector::Packed(mut eq)) => {
            rounds(gate, shell, &mut wires, &mut eq, z, lanes::<S>(), sum_lanes::<S>, &mut state);
            (wires.map(|w| unpack::<S>(&w)), unpack::<S>(&eq))
        }
        (Wires::Packed(wires), eq) => (wires.map(|w| unpack::<S>(&w)), eq.to_scalars()),
        (Wires::Plain(wires), eq) => (wires, eq.to_scalars()),
    };
    // After packed rounds the table still has the variable that the next round binds.
    if eq.len() == wires[0].len() && eq.len() > 1 {
        drop_first(&mut eq);
    }
    rounds(gate, shell, &mut wires, &mut eq, z, 1, |x| x, &mut state);
    Ok((state.bound, wires.map(|w| w.first().copied().unwrap_or(S::Challenge::ZERO)), state.claim))
}

/// The first rounds on the device, as many as are worth it. Returns the wires that are left.
fn resident_rounds<S: Suite, G: Gate<N, SUMS>, const N: usize, const SUMS: usize>(
    gate: G,
    shell: &Shell<S, SUMS>,
    source: Source<'_, S, N>,
    z: &[S::Challenge],
    state: &mut State<'_, S>,
    device: &Device,
) -> Result<Wires<S, N>, ProveError> {
    let source = match source {
        Source::Here(wires) => send(gate, wires, z, device)?,
        there @ Source::There(..) => there,
    };
    let (mut resident, convert) = match source {
        Source::Here(wires) => return Ok(wires),
        Source::There(resident, convert) => (resident, convert),
    };
    while resident.goes_on() {
        let at_one = z[state.bound.len()] == S::Challenge::ZERO;
        let sums = resident.round(&[Point::At(u8::from(at_one)), Point::Infinity])?;
        let combined = |half: usize| shell.combine(core::array::from_fn(|i| sums[half * SUMS + i]));
        resident.bind_next(state.send(shell, z, [combined(0), combined(1)]));
    }
    Ok(convert(resident.finish()?))
}

/// Sends wires to the device, if it should do the first round.
fn send<'d, S: Suite, G: Gate<N, SUMS>, const N: usize, const SUMS: usize>(
    gate: G,
    wires: Wires<S, N>,
    z: &[S::Challenge],
    device: &'d Device,
) -> Result<Source<'d, S, N>, ProveError> {
    if device.info().is_none() {
        return Ok(Source::Here(wires));
    }
    let vectors: [Vector<S>; N] = match wires {
        Wires::Packed(wires) => wires.map(Vector::Packed),
        Wires::Plain(wires) => wires.map(Vector::Scalar),
    };
    let body = |values: &[Traced<S::Challenge>]| traced(gate, values, |wires| wires);
    let weights: Vec<_> = z.iter().map(|&z| Weight::Eq(z)).collect();
    Ok(match Resident::<S>::upload(&vectors, body, &weights, device)? {
        Some(resident) => Source::There(resident, Box::new(|factors| wires_from(factors))),
        None => Source::Here(wires_of(vectors)),
    })
}

/// A gate as a composition of factors that its wires are computed from.
pub(super) fn traced<F: Field, G: Gate<N, SUMS>, const N: usize, const SUMS: usize>(
    gate: G,
    factors: &[Traced<F>],
    wires: impl FnOnce([Traced<F>; N]) -> [Traced<F>; N],
) -> Vec<Traced<F>> {
    let factors = core::array::from_fn(|i| factors.get(i).copied().unwrap_or_default());
    gate.terms::<Traced<F>>(wires(factors)).to_vec()
}

/// Wires from their elements.
pub(super) fn wires_from<S: Suite, const N: usize>(wires: Vec<Vec<S::Challenge>>) -> Wires<S, N> {
    let mut left = wires.into_iter().map(Vector::from);
    wires_of(core::array::from_fn(|_| left.next().unwrap_or_else(|| Vector::Scalar(Vec::new()))))
}

/// Vectors of one length: all packed, or none.
fn wires_of<S: Suite, const N: usize>(vectors: [Vector<S>; N]) -> Wires<S, N> {
    if vectors.iter().all(|v| matches!(v, Vector::Packed(_))) {
        return Wires::Packed(vectors.map(Vector::into_packed));
    }
    Wires::Plain(vectors.map(|v| v.to_scalars()))
}

/// Rounds until one slot is left; a slot holds `lanes` elements and `total` sums them.
#[expect(clippy::too_many_arguments, reason = "packed and plain rounds share one body")]
fn rounds<S: Suite, G: Gate<N, SUMS>, R, const N: usize, const SUMS: usize>(
    gate: G,
    shell: &Shell<S, SUMS>,
    wires: &mut [Vec<R>; N],
    eq: &mut Vec<R>,
    z: &[S::Challenge],
    lanes: usize,
    total: impl Fn(R) -> S::Challenge,
    state: &mut State<'_, S>,
) where
    R: Algebra<S::Challenge> + Copy + Send + Sync,
{
    while wires[0].len() > 1 {
        let half = wires[0].len() / 2;
        let round = state.bound.len();
        let w = z[round];
        let (squarings, products) = G::OPERATIONS;
        count::ext_mul(half * lanes * (2 * (squarings + products + SUMS) + N));
        let at_one = w == S::Challenge::ZERO;
        let sums = evaluate(gate, wires, eq, at_one);
        let r = state.send(shell, z, sums.map(|sums| shell.combine(sums.map(&total))));
        for wire in wires.iter_mut() {
            bind(wire, r);
        }
        if eq.len() > 1 {
            drop_first(eq);
        }
    }
}

/// Coefficients of the round polynomial from the claim, one end and the leading coefficient; the end is `X = 0`
/// unless `w = 0`, where the claim is that value already and the end is `X = 1`.
fn round_message<F: Field>(w: F, claim: F, at_end: F, leading: F) -> [F; 3] {
    match w.try_inverse() {
        Some(inverse) => [at_end, (claim - at_end) * inverse - leading, leading],
        None => [claim, at_end - claim - leading, leading],
    }
}

/// The weighted sums of the gate's terms at one end and of their leading coefficients.
fn evaluate<G: Gate<N, SUMS>, R, const N: usize, const SUMS: usize>(
    gate: G,
    wires: &[Vec<R>; N],
    eq: &[R],
    at_one: bool,
) -> [[R; SUMS]; 2]
where
    R: PrimeCharacteristicRing + Copy + Send + Sync,
{
    let half = wires[0].len() / 2;
    let term = |x: usize| {
        let low: [R; N] = core::array::from_fn(|i| wires[i][x]);
        let high: [R; N] = core::array::from_fn(|i| wires[i][x + half]);
        let slope = core::array::from_fn(|i| high[i] - low[i]);
        let end = if at_one { high } else { low };
        [gate.terms(end).map(|t| t * eq[x]), gate.terms(slope).map(|t| t * eq[x])]
    };
    let zero = [[R::ZERO; SUMS]; 2];
    if half < PARALLEL {
        (0..half).map(term).fold(zero, add)
    } else {
        (0..half).into_par_iter().with_min_len(PARALLEL).map(term).fold(|| zero, add).reduce(|| zero, add)
    }
}

fn add<R: PrimeCharacteristicRing + Copy, const SUMS: usize>(a: [[R; SUMS]; 2], b: [[R; SUMS]; 2]) -> [[R; SUMS]; 2] {
    core::array::from_fn(|i| core::array::from_fn(|j| a[i][j] + b[i][j]))
}

/// The first variable bound at `r`: `v(0, ·) + r (v(1, ·) - v(0, ·))`.
fn bind<F: Copy + Sync, R: Algebra<F> + Copy + Send + Sync>(vector: &mut Vec<R>, r: F) {
    let r = R::from(r);
    halve(vector, |low, high| low + r * (high - low));
}

/// The first variable of an eq table summed out: `eq(0, ·) + eq(1, ·)`.
fn drop_first<R: PrimeCharacteristicRing + Copy + Send + Sync>(table: &mut Vec<R>) {
    halve(table, |low, high| low + high);
}

fn halve<R: Copy + Send + Sync>(vector: &mut Vec<R>, f: impl Fn(R, R) -> R + Sync) {
    let half = vector.len() / 2;
    let (low, high) = vector.split_at_mut(half);
    let step = |(low, high): (&mut R, &mut R)| *low = f(*low, *high);
    if half < PARALLEL {
        low.iter_mut().zip(high).for_each(step);
    } else {
        low.par_iter_mut().zip(high).with_min_len(PARALLEL).for_each(step);
    }
    vector.truncate(half);
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use rand::rngs::StdRng;
    use rand::{RngExt, SeedableRng};
    use zkml_core::Goldilocks as S;
    use zkml_device::reference::Reference;

    use super::super::gate::TwoProducts;
    use super::*;

    type F = <S as Suite>::Challenge;

    #[test]
    fn a_coordinate_of_zero_gives_the_same_message_on_a_device() {
        let mut rng = StdRng::seed_from_u64(5);
        let mut random = |n: usize| (0..n).map(|_| F::from_u64(rng.random())).collect::<Vec<_>>();
        let wires: [Vec<F>; 4] = core::array::from_fn(|_| random(32));
        for zeros in [1_usize, 0b100, 0b11111] {
            let z: Vec<F> =
                random(5).iter().enumerate().map(|(i, &z)| if zeros >> i & 1 == 1 { F::ZERO } else { z }).collect();
            let eq = mle::eq_table(&z);
            let gate = |x: usize| TwoProducts.terms([0, 1, 2, 3].map(|i| wires[i][x]))[0];
            let claim: F = (0..32).map(|x| eq[x] * gate(x)).sum();
            let shell = Shell { scale: [F::ONE], offset: (F::ZERO, 0) };
            let prove = |device: &Device| {
                let (mut t, source) = (ProverTranscript::<S>::new(), Source::Here(Wires::Plain(wires.clone())));
                let (point, at, last) = prove_rounds(TwoProducts, &shell, source, &z, claim, &mut t, device).unwrap();
                assert_eq!(last, TwoProducts.terms(at)[0], "{zeros:b}");
                (t.finish().0, point, at)
            };
            let device = Arc::new(Reference::new(1));
            assert_eq!(prove(&Device::cpu()), prove(&Device::accelerated(Arc::clone(&device) as Arc<_>)), "{zeros:b}");
            assert!(device.calls() > 5);
        }
    }
}

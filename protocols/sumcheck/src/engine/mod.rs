//! The prover of eq-factored sumchecks.
//!
//! Claim: `c = Σ_x Π_i weight_i(x_i) · C(f_1(x), …, f_k(x))` over `x ∈ {0,1}^n`, with multilinear `f_j` given by
//! their values and a composition `C` of degree `d`. Per round, with `P` pairs left:
//!
//! * one pass over memory binds the previous challenge and evaluates the round (`2 k` products per pair to bind);
//! * `C` is evaluated at `d` points `0, 2, …, d`; `q(1)` follows from the claim (at `0` instead for `w = 0`);
//! * the weights of the later variables are two short tables, one multiplied per pair and point, one per block,
//!   whose first variable is dropped by adding halves: `eq(w, 0) + eq(w, 1) = 1` (Dao-Thaler, eprint 2024/1210);
//! * if the later variables are only summed, nothing is multiplied at all.
//!
//! There are `N` pairs in all rounds, and half of them in those that bind: a product of two under an eq weight costs
//! `2·(1 + 1) N + 2·2 N/2 = 6 N` products.
//! While the factors are long enough for the prover's device, it does the rounds, with the same sums.
//!
//! [`mod@reference`] is the same prover written without any of this; both produce the same bytes.

use p3_field::{Algebra, Field, PrimeCharacteristicRing};
use zkml_core::{Cost, ProveError, ProverTranscript, Suite};
use zkml_device::{Device, count};

use crate::Weight;
use crate::round::evaluate_round;
use crate::vector::{self, Pack, Vector, lanes};

mod interpolate;
mod kernel;
pub mod reference;
mod resident;
mod weights;

use interpolate::Interpolation;
use kernel::Pass;
use resident::points_of;
pub use resident::{Resident, Traced, place};
use weights::SuffixWeights;

/// The polynomial `C` under the sum.
pub trait Composition<F: Field>: Sync {
    /// Degree in each variable of the cube, for multilinear factors: the total degree of `C`.
    fn degree(&self) -> usize;

    /// `C` at the factors' values; one body for scalars and registers.
    fn evaluate<A: Algebra<F> + Copy>(&self, factors: &[A]) -> A;

    /// Extension products of one evaluation, for counting.
    fn products(&self) -> usize {
        self.degree().saturating_sub(1)
    }
}

/// The product of all factors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Product {
    /// Number of factors.
    pub factors: usize,
}

impl<F: Field> Composition<F> for Product {
    fn degree(&self) -> usize {
        self.factors
    }

    #[inline(always)]
    #[allow(clippy::inline_always, reason = "it is the body of the innermost loop")]
    fn evaluate<A: Algebra<F> + Copy>(&self, factors: &[A]) -> A {
        match factors {
            [] => A::ONE,
            [first, rest @ ..] => rest.iter().fold(*first, |product, &f| product * f),
        }
    }
}

/// What the rounds leave behind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proven<F> {
    /// The bound point.
    pub point: Vec<F>,
    /// The factors' values there.
    pub values: Vec<F>,
    /// The remaining claim: the composition of the values.
    pub claim: F,
}

/// A bound point, and the factors' values there.
pub type Bound<F> = (Vec<F>, Vec<F>);

/// Proves `weights.len()` rounds. Returns the bound point and the factors' values there.
///
/// Factors have `2^n` values (shorter ones are padded with zeros). The message of a round is derived from the
/// claim, so a false claim gives a proof that the verifier's final check rejects. Errors if the device fails.
pub fn prove_rounds<S: Suite, C: Composition<S::Challenge>>(
    composition: &C,
    factors: Vec<impl Into<Vector<S>>>,
    weights: &[Weight<S::Challenge>],
    claim: S::Challenge,
    transcript: &mut ProverTranscript<S>,
    device: &Device,
) -> Result<Bound<S::Challenge>, ProveError> {
    let factors = factors.into_iter().map(Into::into).collect();
    let proven = prove_scaled_rounds(composition, factors, weights, S::Challenge::ONE, claim, transcript, device)?;
    Ok((proven.point, proven.values))
}

/// [`prove_rounds`] for `scale` times the composition: `d` more products per round, none per pair.
pub fn prove_scaled_rounds<S: Suite, C: Composition<S::Challenge>>(
    composition: &C,
    mut factors: Vec<Vector<S>>,
    weights: &[Weight<S::Challenge>],
    scale: S::Challenge,
    claim: S::Challenge,
    transcript: &mut ProverTranscript<S>,
    device: &Device,
) -> Result<Proven<S::Challenge>, ProveError> {
    let degree = composition.degree();
    let interpolation = Interpolation::<S>::new(degree);
    let mut messages = Messages { interpolation, scale, claim, point: Vec::with_capacity(weights.len()), transcript };
    let body = |values: &[Traced<S::Challenge>]| vec![composition.evaluate(values)];
    // Devices evaluate at integers of 8 bits.
    let device = if u8::try_from(degree).is_ok() { device } else { &Device::cpu() };
    if let Some(mut resident) = Resident::upload(&factors, body, weights, device)? {
        for &weight in weights {
            if !resident.goes_on() {
                break;
            }
            let sums = resident.round(&points_of(is_at_one(weight), degree))?;
            resident.bind_next(messages.send(weight, sums));
        }
        factors = resident.finish()?.into_iter().map(Into::into).collect();
    }
    let rest = weights.get(messages.point.len()..).unwrap_or(&[]);
    let mut prover = Rounds::<S>::new(factors, rest);
    for (i, &weight) in rest.iter().enumerate() {
        let sums = prover.round(composition, i, weight);
        prover.pending = Some(messages.send(weight, sums));
    }
    Ok(Proven { point: messages.point, values: prover.finish(), claim: messages.claim })
}

/// The conversation with the transcript.
struct Messages<'t, S: Suite> {
    interpolation: Interpolation<S>,
    scale: S::Challenge,
    claim: S::Challenge,
    point: Vec<S::Challenge>,
    transcript: &'t mut ProverTranscript<S>,
}

impl<S: Suite> Messages<'_, S> {
    /// Sends a round's coefficients, from its evaluations; returns the challenge.
    fn send(&mut self, weight: Weight<S::Challenge>, mut sums: Vec<S::Challenge>) -> S::Challenge {
        count::ext_mul(sums.len());
        for sum in &mut sums {
            *sum *= self.scale;
        }
        let values = complete(weight, self.claim, &sums, is_at_one(weight));
        let (constant, higher) = self.interpolation.coefficients(&values);
        self.transcript.write(&higher);
        let r = self.transcript.challenge();
        self.claim = evaluate_round(constant, &higher, r);
        self.point.push(r);
        r
    }
}

/// Whether the round is evaluated at 1 instead of 0, which the claim is silent about.
fn is_at_one<F: Field>(weight: Weight<F>) -> bool {
    weight == Weight::Eq(F::ZERO)
}

/// Exact operations of [`prove_rounds`] for a composition of `factors` factors, and the proof's size.
pub fn cost<S: Suite, C: Composition<S::Challenge>>(
    composition: &C,
    factors: usize,
    weights: &[Weight<S::Challenge>],
) -> Cost {
    let (n, degree) = (weights.len(), composition.degree());
    let mut tables = weights::Layout::new(weights, lanes::<S>());
    let mut ext = tables.table_products();
    for i in 0..n {
        let width = if n - i > lanes::<S>().trailing_zeros() as usize { lanes::<S>() } else { 1 };
        if i > 0 {
            tables.drop_first();
        }
        let pairs = 1_usize << (n - 1 - i);
        let (inner, blocks) = tables.multiplied(pairs);
        ext += pairs * (degree * (composition.products() + usize::from(inner)) + 2 * usize::from(i > 0) * factors);
        ext += blocks * width * degree;
    }
    ext += usize::from(n > 0) * factors + n * degree;
    Cost {
        ext_mul: ext as f64,
        base_ext_mul: (n * (degree + 1) * degree) as f64,
        proof_elements: n * degree,
        rounds: n,
        ..Cost::default()
    }
}

/// Factors and suffix weights: in registers while there are enough pairs, then one by one.
enum Layer<S: Suite> {
    Packed(Vec<Vec<Pack<S>>>, SuffixWeights<Pack<S>, S::Challenge>),
    Scalar(Vec<Vec<S::Challenge>>, SuffixWeights<S::Challenge, S::Challenge>),
}

struct Rounds<S: Suite> {
    layer: Layer<S>,
    variables: usize,
    pending: Option<S::Challenge>,
    weights: Vec<Weight<S::Challenge>>,
}

impl<S: Suite> Rounds<S> {
    fn new(factors: Vec<Vector<S>>, weights: &[Weight<S::Challenge>]) -> Self {
        let variables = weights.len();
        let layer = if Self::in_registers(variables) {
            let length = (1 << variables) / lanes::<S>();
            let factors = factors
                .into_iter()
                .map(|f| {
                    let mut packed = f.into_packed();
                    packed.resize(length, Pack::<S>::ZERO);
                    packed
                })
                .collect();
            Layer::Packed(factors, weights::packed::<S>(weights))
        } else {
            let factors = factors
                .into_iter()
                .map(|f| {
                    let mut scalars = f.to_scalars();
                    scalars.resize(1 << variables, S::Challenge::ZERO);
                    scalars
                })
                .collect();
            Layer::Scalar(factors, weights::scalar::<S>(weights))
        };
        Self { layer, variables, pending: None, weights: weights.to_vec() }
    }

    /// Whether a round with `remaining` unbound variables fills registers with pairs.
    fn in_registers(remaining: usize) -> bool {
        remaining > lanes::<S>().trailing_zeros() as usize
    }

    /// Sums of the weighted composition in round `i`, after binding the previous challenge.
    fn round<C: Composition<S::Challenge>>(
        &mut self,
        composition: &C,
        i: usize,
        weight: Weight<S::Challenge>,
    ) -> Vec<S::Challenge> {
        if !Self::in_registers(self.variables - i) {
            self.leave_registers();
        }
        let bind = self.pending.take();
        let pass = Pass { composition, bind, at_one: is_at_one(weight), points: composition.degree() };
        let dropped = (i > 0).then(|| self.weights[i]);
        match &mut self.layer {
            Layer::Packed(factors, tables) => {
                if let Some(w) = dropped {
                    tables.drop_first(w);
                }
                let sums = pass.run(factors, tables, lanes::<S>());
                sums.into_iter().map(vector::sum_lanes::<S>).collect()
            }
            Layer::Scalar(factors, tables) => {
                if let Some(w) = dropped {
                    tables.drop_first(w);
                }
                pass.run(factors, tables, 1)
            }
        }
    }

    fn leave_registers(&mut self) {
        if let Layer::Packed(factors, tables) = &self.layer {
            let factors = factors.iter().map(|f| vector::unpack::<S>(f)).collect();
            self.layer = Layer::Scalar(factors, weights::unpack::<S>(tables));
        }
    }

    fn finish(mut self) -> Vec<S::Challenge> {
        self.leave_registers();
        let Layer::Scalar(mut factors, _) = self.layer else { return Vec::new() };
        for factor in &mut factors {
            if let Some(r) = self.pending {
                vector::bind::<S>(factor, r);
            }
        }
        factors.iter().map(|f| f.first().copied().unwrap_or_default()).collect()
    }
}

/// The values `q(0), q(1), …, q(d)` from the evaluated ones and the claim.
fn complete<F: Field>(weight: Weight<F>, claim: F, sums: &[F], at_one: bool) -> Vec<F> {
    let Some((&first, rest)) = sums.split_first() else { return vec![claim] };
    let (zero, one) = match weight {
        Weight::Sum => (first, claim - first),
        // `claim = q(0)` says nothing about q(1), which was evaluated instead.
        Weight::Eq(_) if at_one => (claim, first),
        Weight::Eq(w) => (first, (claim - (F::ONE - w) * first) * w.try_inverse().unwrap_or(F::ZERO)),
    };
    [zero, one].into_iter().chain(rest.iter().copied()).collect()
}

/// Counts what one pass multiplies: `pairs` in scalars, `blocks` outer weights in registers.
fn count_pass(pairs: usize, per_pair: usize, blocks: usize) {
    count::ext_mul(pairs * per_pair + blocks);
}

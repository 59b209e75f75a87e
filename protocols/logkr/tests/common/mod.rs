//! A prover of fraction trees written from the definitions: no packing, no folding, no closed forms. It also plays
//! the cheating provers of the attack tests.
#![allow(dead_code, reason = "each test binary uses a part")]

use p3_field::{BasedVectorSpace, Field, PrimeCharacteristicRing};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use zkml_core::{ProverTranscript, Suite, mle};
use zkml_logkr::Form;
use zkml_logkr::difference::evaluate_difference;
use zkml_logkr::fraction::{FractionClaim, root_claim};
use zkml_sumcheck::Weight;
use zkml_sumcheck::lookup::Fraction;
use zkml_sumcheck::round::{constant_coefficient, evaluate_round};

/// What a cheating prover does in one layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cheat {
    /// Nothing.
    Honest,
    /// Sends the negated value(s).
    Negate,
    /// Adds one to the last value.
    AddOne,
    /// Binds c before b.
    SwapRounds,
    /// Uses `n_0 + 1` where the layer below has `n_0`.
    WrongWire,
}

/// Levels from the leaves to the root.
pub(crate) type Levels<F> = Vec<(Vec<F>, Vec<F>)>;

pub(crate) fn rng(seed: u64) -> StdRng {
    println!("seed {seed}");
    StdRng::seed_from_u64(seed)
}

pub(crate) fn random<S: Suite>(rng: &mut StdRng) -> S::Challenge {
    let limbs: Vec<u64> = (0..8).map(|_| rng.random()).collect();
    S::Challenge::from_basis_coefficients_fn(|i| S::Base::from_u64(limbs[i]))
}

pub(crate) fn levels<F: Field>(numerators: Vec<F>, denominators: Vec<F>) -> Levels<F> {
    let mut levels = vec![(numerators, denominators)];
    while levels.last().unwrap().0.len() > 1 {
        let (n, d) = levels.last().unwrap();
        let half = n.len() / 2;
        levels.push((0..half).map(|x| (n[x] * d[x + half] + n[x + half] * d[x], d[x] * d[x + half])).unzip());
    }
    levels
}

pub(crate) fn root<F: Field>(levels: &Levels<F>) -> Fraction<F> {
    let (n, d) = levels.last().unwrap();
    Fraction { numerator: n[0], denominator: d[0] }
}

pub(crate) fn evaluate<F: Field>(values: &[F], point: &[F]) -> F {
    mle::eq_table(point).iter().zip(values).map(|(&e, &v)| e * v).sum()
}

/// Whether a claim is true of a level.
pub(crate) fn is_true<F: Field>(claim: &FractionClaim<F>, (n, d): &(Vec<F>, Vec<F>)) -> bool {
    claim.n_weight * evaluate(n, &claim.point) + claim.d_weight * evaluate(d, &claim.point) == claim.value
}

/// Proves a tree; in layer `cheat.0` (from the root) the prover cheats. With `adaptive`, a prover whose running claim
/// is false chooses its last messages so that the layer's check passes all the same.
pub(crate) fn prove_tree<S: Suite>(
    form: Form,
    levels: &Levels<S::Challenge>,
    claimed_root: Fraction<S::Challenge>,
    cheat: (usize, Cheat),
    adaptive: bool,
    t: &mut ProverTranscript<S>,
) -> FractionClaim<S::Challenge> {
    let mut claim = root_claim(claimed_root, t.challenge());
    for (k, children) in levels.iter().rev().skip(1).enumerate() {
        let cheat = if k == cheat.0 { cheat.1 } else { Cheat::Honest };
        claim = layer::<S>(form, &claim, children, cheat, adaptive, t);
    }
    claim
}

/// The value under the sum of the x-rounds for a gate with these children, from the definition.
fn gate<F: Field>(form: Form, claim: &FractionClaim<F>, [n0, n1, d0, d1]: [F; 4]) -> F {
    let m = |n: F, d: F| claim.n_weight.double() * n + claim.d_weight * d;
    let mut sum = F::ZERO;
    for b in [F::ONE, -F::ONE] {
        let (wd, wm) = (d0 + b * d1, m(n0, d0) + b * m(n1, d1));
        if form == Form::Square {
            for c in [F::ONE, -F::ONE] {
                sum += b * c * (wd + c * wm).square();
            }
        } else {
            sum += b * wd * wm;
        }
    }
    sum
}

/// Coefficients of a quadratic from its values at 0, 1, 2.
fn quadratic<F: Field>([at0, at1, at2]: [F; 3]) -> [F; 3] {
    let c2 = (at2 - at1.double() + at0).halve();
    [at0, at1 - at0 - c2, c2]
}

pub(crate) fn layer<S: Suite>(
    form: Form,
    claim: &FractionClaim<S::Challenge>,
    children: &(Vec<S::Challenge>, Vec<S::Challenge>),
    cheat: Cheat,
    adaptive: bool,
    t: &mut ProverTranscript<S>,
) -> FractionClaim<S::Challenge> {
    let one = S::Challenge::ONE;
    let half = children.0.len() / 2;
    let part = |v: &[S::Challenge], i: usize| v[i * half..(i + 1) * half].to_vec();
    let mut wires = [part(&children.0, 0), part(&children.0, 1), part(&children.1, 0), part(&children.1, 1)];
    if cheat == Cheat::WrongWire {
        wires[0].iter_mut().for_each(|n| *n += one);
    }
    let mut running = claim.value * S::Challenge::from_u64(if form == Form::Square { 16 } else { 4 });
    let mut x = Vec::new();
    for (i, &w) in claim.point.iter().enumerate() {
        let later = mle::eq_table(&claim.point[i + 1..]);
        let values = [0, 1, 2].map(|at| {
            let at = S::Challenge::from_u64(at);
            let bound = wires.clone().map(|v| bind(&v, at));
            (0..later.len()).map(|x| later[x] * gate(form, claim, core::array::from_fn(|i| bound[i][x]))).sum()
        });
        let [_, c1, c2] = quadratic(values);
        t.write(&[c1, c2]);
        let r = t.challenge();
        running = evaluate_round(constant_coefficient(Weight::Eq(w), running, &[c1, c2]), &[c1, c2], r);
        wires = wires.map(|v| bind(&v, r));
        x.push(r);
    }
    let [n0, n1, d0, d1] = core::array::from_fn(|i| wires[i][0]);
    end_layer::<S>(form, claim, &x, [n0, n1, d0, d1], running, (cheat, adaptive), t)
}

fn bind<F: Field>(v: &[F], r: F) -> Vec<F> {
    let half = v.len() / 2;
    (0..half).map(|i| v[i] * (F::ONE - r) + v[i + half] * r).collect()
}

fn end_layer<S: Suite>(
    form: Form,
    claim: &FractionClaim<S::Challenge>,
    x: &[S::Challenge],
    [n0, n1, d0, d1]: [S::Challenge; 4],
    mut running: S::Challenge,
    (cheat, adaptive): (Cheat, bool),
    t: &mut ProverTranscript<S>,
) -> FractionClaim<S::Challenge> {
    let one = S::Challenge::ONE;
    let sign = |r: S::Challenge| one - r.double();
    let (a2, weight) = (claim.n_weight.double(), claim.d_weight);
    let (m0, m1) = (a2 * n0 + weight * d0, a2 * n1 + weight * d1);
    // u(b, c) of the layer, and Σ over the other bit.
    let u = |b: S::Challenge, c: S::Challenge| d0 + sign(b) * d1 + sign(c) * (m0 + sign(b) * m1);
    let at = [0, 1, 2].map(S::Challenge::from_u64);
    let over_c = |b: S::Challenge| u(b, at[0]).square() - u(b, at[1]).square();
    let over_b = |c: S::Challenge| u(at[0], c).square() - u(at[1], c).square();
    let quarter = if form == Form::Square { one } else { at[2].double().inverse() };
    let first = if cheat == Cheat::SwapRounds { at.map(over_b) } else { at.map(|b| quarter * over_c(b)) };
    let [c0, _, c2] = quadratic(first);
    t.write(&[c0, c2]);
    let b = t.challenge();
    running = evaluate_difference(running, [c0, c2], b);
    let wires = if cheat == Cheat::SwapRounds { (d0, m0) } else { (d0 + sign(b) * d1, m0 + sign(b) * m1) };
    let (mut d, mut m) = wires;
    let n = n0 + sign(b) * n1;
    let truth = if form == Form::Square { (d * m).double().double() } else { d * m };
    if form == Form::Square {
        let honest =
            if cheat == Cheat::SwapRounds { at.map(|x| u(x, b).square()) } else { at.map(|c| u(b, c).square()) };
        let [mut c0, _, mut c2] = quadratic(honest);
        // α² - (α + β)² = running, for any β.
        let beta = d + one;
        let alpha = (-running * beta.inverse() - beta).halve();
        let forged = adaptive && running != truth;
        if forged {
            (c0, c2) = (alpha.square(), beta.square());
        }
        t.write(&[c0, c2]);
        let c = t.challenge();
        let mut value = if forged { alpha + beta * c } else { d + sign(c) * m };
        match cheat {
            Cheat::Negate => value = -value,
            Cheat::AddOne => value += one,
            _ => {}
        }
        t.write(&[value]);
        return FractionClaim::from_wires(x, b, a2 * sign(c), one + sign(c) * weight, value).unwrap();
    }
    let forged = adaptive && running != truth;
    if cheat == Cheat::Negate {
        (d, m) = (-d, -m);
    }
    if form == Form::Product {
        if forged {
            m = running * d.inverse();
        }
        m += if cheat == Cheat::AddOne { one } else { S::Challenge::ZERO };
        t.write(&[d, m]);
        let lambda = t.challenge();
        return FractionClaim::from_wires(x, b, a2 * lambda, one + lambda * weight, d + lambda * m).unwrap();
    }
    // B d² + 2A n d = running
    let mut n = if cheat == Cheat::Negate { -n } else { n };
    if forged {
        n = (running * d.inverse() - weight * d) * a2.inverse();
    }
    n += if cheat == Cheat::AddOne { one } else { S::Challenge::ZERO };
    t.write(&[d, n]);
    let lambda = t.challenge();
    FractionClaim::from_wires(x, b, lambda, one, d + lambda * n).unwrap()
}

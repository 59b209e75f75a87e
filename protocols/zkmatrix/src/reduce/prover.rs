//! The prover: the first round on scalars, the others on points.
//!
//! Before the first fold both vectors are multiples of one point each, so that products of pairings are pairings of
//! multi-scalar multiplications. `s_1` and `s_2` are multiples of one vector: the eq table of the coordinates left.

use p3_bn254::Bn254 as Felt;
use p3_field::{Field as _, PrimeCharacteristicRing};
use zkml_core::{Bn254, ProverTranscript};
use zkml_device::count;
use zkml_pairing::setup::{self, ProverSetup, VerifierSetup};
use zkml_pairing::{Curve, DoryRoutines, First, Group, PairingCurve, Routines, Scalar, Second, Target};
use zkml_sumcheck::vector;

use super::{FirstMessage, LastMessage, Projections, SecondMessage, encoded, nonzero};

/// `Σ_i k_i P_i` in the first group.
fn first_msm(bases: &[First], scalars: &[Felt]) -> First {
    count::first_terms(bases.len());
    Routines::msm(bases, &lift(scalars))
}

/// `Σ_i k_i Q_i` in the second group.
fn second_msm(bases: &[Second], scalars: &[Felt]) -> Second {
    count::second_terms(bases.len());
    Routines::msm(bases, &lift(scalars))
}

/// `Σ_i e(P_i, Q_i)`.
fn pairings(first: &[First], second: &[Second]) -> Target {
    count::pairings(first.len());
    Curve::multi_pair(first, second)
}

fn lift(scalars: &[Felt]) -> Vec<Scalar> {
    scalars.iter().map(|&k| k.into()).collect()
}

fn dot(a: &[Felt], b: &[Felt]) -> Felt {
    vector::dot::<Bn254>(a, b)
}

/// Inner products of a vector's halves (the first index) with halves of the generators (the second one).
struct Quarters<G> {
    parts: [[G; 2]; 2],
}

impl<G: Group + Copy> Quarters<G> {
    fn new(generators: &[G], scalars: &[Felt], msm: impl Fn(&[G], &[Felt]) -> G) -> Self {
        let (low, high) = halves(generators);
        let (left, right) = halves(scalars);
        Self { parts: [[msm(low, left), msm(high, left)], [msm(low, right), msm(high, right)]] }
    }

    fn whole(&self) -> G {
        self.parts[0][0].add(&self.parts[1][1])
    }
}

fn halves<T>(values: &[T]) -> (&[T], &[T]) {
    values.split_at(values.len() / 2)
}

/// The two vectors and their commitments.
pub struct Lifted {
    vectors: [Vec<Felt>; 2],
    generators: ProverSetup,
    levels: VerifierSetup,
    first: Quarters<Second>,
    second: Quarters<First>,
}

impl Lifted {
    /// Commits to two vectors of `2^rounds` scalars, `rounds > 0`. Errors say what is wrong with lengths or generators.
    pub fn new(a: Vec<Felt>, b: Vec<Felt>) -> Result<Self, String> {
        let length = a.len();
        if length < 2 || !length.is_power_of_two() || b.len() != length {
            return Err(format!("vectors of {length} and {} scalars are not of one length 2, 4, 8, …", b.len()));
        }
        let level = length.trailing_zeros() as usize;
        let (generators, levels) = (setup::prover(level)?, setup::verifier(level)?);
        let first = Quarters::new(&generators.g2_vec, &a, second_msm);
        let second = Quarters::new(&generators.g1_vec, &b, first_msm);
        Ok(Self { vectors: [a, b], generators, levels, first, second })
    }

    /// The commitments.
    pub fn projections(&self) -> Projections {
        Projections { first: self.first.whole(), second: self.second.whole() }
    }

    /// Evaluates both vectors at a point with one coordinate per variable.
    pub fn at(self, point: Vec<Felt>) -> Pointed {
        let table = vector::eq_scalars::<Bn254>(point.get(1..).unwrap_or(&[]));
        let values = |vector: &[Felt]| {
            let (left, right) = halves(vector);
            [dot(left, &table), dot(right, &table)]
        };
        let halves = [values(&self.vectors[0]), values(&self.vectors[1])];
        Pointed { lifted: self, point, table, halves }
    }
}

/// The two vectors, and a point at which they are evaluated.
pub struct Pointed {
    lifted: Lifted,
    point: Vec<Felt>,
    /// The eq table of all coordinates but the first.
    table: Vec<Felt>,
    /// Values of the halves of both vectors at those coordinates.
    halves: [[Felt; 2]; 2],
}

impl Pointed {
    /// `a~(t)` and `b~(t)`.
    pub fn values(&self) -> [Felt; 2] {
        let t = self.point.first().copied().unwrap_or_default();
        self.halves.map(|[left, right]| left + t * (right - left))
    }

    /// Sends all messages.
    pub fn prove(self, transcript: &mut ProverTranscript<Bn254>) {
        let mut rest = self.point.iter().copied();
        let mut folded = self.first_round(rest.next().unwrap_or_default(), transcript);
        for t in rest {
            folded.round(t, &self.lifted.generators, transcript);
        }
        folded.finish(&self.lifted.generators, transcript);
    }

    /// The first round, and the vectors of points after it.
    fn first_round(&self, t: Felt, transcript: &mut ProverTranscript<Bn254>) -> Folded {
        let Lifted { generators, levels, first, second, vectors } = &self.lifted;
        let ProverSetup { g1_vec, g2_vec, h1, h2, .. } = generators;
        let weights = [Felt::ONE - t, t];
        let sums = Sums::new(g1_vec, g2_vec, &self.table);
        let message = FirstMessage {
            d1: [pairings(&[*h1], &[first.parts[0][0]]), pairings(&[*h1], &[first.parts[1][0]])],
            d2: [pairings(&[second.parts[0][0]], &[*h2]), pairings(&[second.parts[1][0]], &[*h2])],
            e1: first_msm(&sums.first, &weights),
            e2: second_msm(&sums.second, &weights),
        };
        transcript.write_bytes(&encoded(&message));
        let beta = nonzero(|| transcript.challenge());
        let beta_inverse = beta.try_inverse().unwrap_or_default();
        let (a, b) = (halves(&vectors[0]), halves(&vectors[1]));
        // e(k H_1, H_2) + e(H_1, Q) / β + e(β P, H_2), and a product of generators.
        let cross = |product: Felt, first: Second, second: First, constant: Option<&Target>| {
            let inner = second_msm(&[*h2, first], &[product, beta_inverse]);
            let sum = pairings(&[*h1, first_msm(&[second], &[beta])], &[inner, *h2]);
            constant.map_or(sum, |constant| sum + constant)
        };
        let level = self.point.len();
        let [[a_left, a_right], [b_left, b_right]] = self.halves;
        let message = SecondMessage {
            c: [
                cross(dot(a.0, b.1), first.parts[0][1], second.parts[1][0], levels.delta_2r.get(level)),
                cross(dot(a.1, b.0), first.parts[1][0], second.parts[0][1], levels.delta_1r.get(level)),
            ],
            e1: [
                first_msm(&[*h1, sums.first[0]], &[t * a_left, beta * t]),
                first_msm(&[*h1, sums.first[1]], &[weights[0] * a_right, beta * weights[0]]),
            ],
            e2: [
                second_msm(&[*h2, sums.second[1]], &[weights[0] * b_right, beta_inverse * weights[0]]),
                second_msm(&[*h2, sums.second[0]], &[t * b_left, beta_inverse * t]),
            ],
        };
        transcript.write_bytes(&encoded(&message));
        let alpha = nonzero(|| transcript.challenge());
        let alpha_inverse = alpha.try_inverse().unwrap_or_default();
        Folded {
            first: lifted_fold(*h1, a, g1_vec, alpha, beta, count::first_terms),
            second: lifted_fold(*h2, b, g2_vec, alpha_inverse, beta_inverse, count::second_terms),
            table: self.table.clone(),
            scales: [alpha * weights[0] + t, alpha_inverse * weights[0] + t],
        }
    }
}

/// `α (k_L P + β Γ_L) + (k_R P + β Γ_R)`, entry by entry.
fn lifted_fold<G: Group<Scalar = Scalar> + Copy>(
    point: G,
    (left, right): (&[Felt], &[Felt]),
    generators: &[G],
    alpha: Felt,
    beta: Felt,
    count: fn(usize),
) -> Vec<G>
where
    Routines: DoryRoutines<G>,
{
    count(3 * left.len());
    count::ext_mul(left.len());
    let scalars: Vec<Felt> = left.iter().zip(right).map(|(&l, &r)| alpha * l + r).collect();
    let mut folded = Routines::fixed_base_vector_scalar_mul(&point, &lift(&scalars));
    let (low, high) = halves(generators);
    let mut sums = low.to_vec();
    Routines::fixed_scalar_mul_vs_then_add(&mut sums, high, &alpha.into());
    Routines::fixed_scalar_mul_bases_then_add(&sums, &mut folded, &beta.into());
    folded
}

/// Inner products of the halves of the generators with an eq table.
struct Sums {
    first: [First; 2],
    second: [Second; 2],
}

impl Sums {
    fn new(first: &[First], second: &[Second], table: &[Felt]) -> Self {
        let ((g1, g1_high), (g2, g2_high)) = (halves(first), halves(second));
        Self {
            first: [first_msm(g1, table), first_msm(g1_high, table)],
            second: [second_msm(g2, table), second_msm(g2_high, table)],
        }
    }
}

/// Vectors of points after some folds; `s_i = scales[i] · table`.
struct Folded {
    first: Vec<First>,
    second: Vec<Second>,
    table: Vec<Felt>,
    scales: [Felt; 2],
}

impl Folded {
    /// One round; `t` is the coordinate that it binds.
    fn round(&mut self, t: Felt, generators: &ProverSetup, transcript: &mut ProverTranscript<Bn254>) {
        let (length, half) = (self.first.len(), self.first.len() / 2);
        let (low, high) = halves(&self.table);
        self.table = low.iter().zip(high).map(|(&l, &h)| l + h).collect();
        let (g1, g2) = (&generators.g1_vec[..length], &generators.g2_vec[..length]);
        let sums = Sums::new(g1, g2, &self.table);
        let weights = [Felt::ONE - t, t];
        let message = self.first_message(&sums, weights, g1, g2);
        transcript.write_bytes(&encoded(&message));
        let beta = nonzero(|| transcript.challenge());
        let beta_inverse = beta.try_inverse().unwrap_or_default();
        count::first_terms(length);
        count::second_terms(length);
        Routines::fixed_scalar_mul_bases_then_add(g1, &mut self.first, &beta.into());
        Routines::fixed_scalar_mul_bases_then_add(g2, &mut self.second, &beta_inverse.into());
        let message = self.second_message(weights);
        transcript.write_bytes(&encoded(&message));
        let alpha = nonzero(|| transcript.challenge());
        let alpha_inverse = alpha.try_inverse().unwrap_or_default();
        count::first_terms(half);
        count::second_terms(half);
        fold(&mut self.first, alpha);
        fold(&mut self.second, alpha_inverse);
        self.scales[0] *= alpha * weights[0] + t;
        self.scales[1] *= alpha_inverse * weights[0] + t;
    }

    fn first_message(&self, sums: &Sums, weights: [Felt; 2], g1: &[First], g2: &[Second]) -> FirstMessage {
        let ((v1_left, v1_right), (v2_left, v2_right)) = (halves(&self.first), halves(&self.second));
        let ((g1, _), (g2, _)) = (halves(g1), halves(g2));
        FirstMessage {
            d1: [pairings(v1_left, g2), pairings(v1_right, g2)],
            d2: [pairings(g1, v2_left), pairings(g1, v2_right)],
            e1: first_msm(&sums.first, &weights.map(|w| w * self.scales[1])),
            e2: second_msm(&sums.second, &weights.map(|w| w * self.scales[0])),
        }
    }

    fn second_message(&self, weights: [Felt; 2]) -> SecondMessage {
        let ((v1_left, v1_right), (v2_left, v2_right)) = (halves(&self.first), halves(&self.second));
        let [s1, s2] = self.scales.map(|scale| weights.map(|w| w * scale));
        let first = |points: &[First], weight: Felt| first_msm(&[first_msm(points, &self.table)], &[weight]);
        let second = |points: &[Second], weight: Felt| second_msm(&[second_msm(points, &self.table)], &[weight]);
        SecondMessage {
            c: [pairings(v1_left, v2_right), pairings(v1_right, v2_left)],
            e1: [first(v1_left, s2[1]), first(v1_right, s2[0])],
            e2: [second(v2_right, s1[0]), second(v2_left, s1[1])],
        }
    }

    /// The last message; the verifier's last challenge is drawn on both sides.
    fn finish(&self, generators: &ProverSetup, transcript: &mut ProverTranscript<Bn254>) {
        let gamma = nonzero(|| transcript.challenge());
        let scales = [gamma * self.scales[0], gamma.try_inverse().unwrap_or_default() * self.scales[1]];
        let message = LastMessage {
            first: self.first.iter().fold(first_msm(&[generators.h1], &scales[..1]), |sum, &v| sum + v),
            second: self.second.iter().fold(second_msm(&[generators.h2], &scales[1..]), |sum, &v| sum + v),
        };
        transcript.write_bytes(&encoded(&message));
        let _ = nonzero(|| transcript.challenge());
    }
}

/// `k v_L + v_R`.
fn fold<G: Group<Scalar = Scalar> + Copy>(vector: &mut Vec<G>, k: Felt)
where
    Routines: DoryRoutines<G>,
{
    let half = vector.len() / 2;
    let (left, right) = vector.split_at_mut(half);
    Routines::fixed_scalar_mul_vs_then_add(left, right, &k.into());
    vector.truncate(half);
}

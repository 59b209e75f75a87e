//! The verifier: one multi-exponentiation in each group and one product of three pairings.

use p3_bn254::Bn254 as Felt;
use p3_field::{Field as _, PrimeCharacteristicRing};
use zkml_core::{Bn254, VerifierTranscript, VerifyError};
use zkml_pairing::setup::{self, VerifierSetup};
use zkml_pairing::{Curve, DoryRoutines, Encoding, First, PairingCurve, Routines, Scalar, Second, Target};

use super::{FirstMessage, LastMessage, Projections, SecondMessage, nonzero};

/// What is shown about the committed vectors.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Statement {
    /// Commitments to `a` and `b`.
    pub projections: Projections,
    /// `v = ⟨a, b⟩`.
    pub product: Felt,
    /// The point `t`, one coordinate per variable of the vectors, most significant first.
    pub point: Vec<Felt>,
    /// `a~(t)` and `b~(t)`.
    pub values: [Felt; 2],
}

/// A challenge and its inverse.
#[derive(Clone, Copy)]
struct Challenge {
    value: Felt,
    inverse: Felt,
}

impl Challenge {
    fn draw(transcript: &mut VerifierTranscript<'_, Bn254>) -> Self {
        let value = nonzero(|| transcript.challenge());
        Self { value, inverse: value.try_inverse().unwrap_or_default() }
    }
}

struct Round {
    first: FirstMessage,
    beta: Challenge,
    second: SecondMessage,
    alpha: Challenge,
}

/// All messages, and the challenges that follow them.
struct Exchange {
    rounds: Vec<Round>,
    gamma: Challenge,
    last: LastMessage,
    d: Challenge,
}

impl Exchange {
    fn read(count: usize, transcript: &mut VerifierTranscript<'_, Bn254>) -> Result<Self, VerifyError> {
        let mut rounds = Vec::with_capacity(count);
        for _ in 0..count {
            let first = read(transcript, "a first message of Dory-Reduce")?;
            let beta = Challenge::draw(transcript);
            let second = read(transcript, "a second message of Dory-Reduce")?;
            let alpha = Challenge::draw(transcript);
            rounds.push(Round { first, beta, second, alpha });
        }
        let gamma = Challenge::draw(transcript);
        let last = read(transcript, "the last message of Dory-Reduce")?;
        let d = Challenge::draw(transcript);
        Ok(Self { rounds, gamma, last, d })
    }
}

fn read<T: Encoding>(transcript: &mut VerifierTranscript<'_, Bn254>, what: &'static str) -> Result<T, VerifyError> {
    let bytes = transcript.read_bytes(T::BYTES)?;
    T::decode(bytes).ok_or_else(|| transcript.encoding(what))
}

impl Projections {
    /// Reads both commitments.
    pub(crate) fn read(transcript: &mut VerifierTranscript<'_, Bn254>) -> Result<Self, VerifyError> {
        read(transcript, "a commitment to a projection")
    }
}

/// Reads the argument's messages and checks them. `statement` has been absorbed already.
pub fn verify(statement: &Statement, transcript: &mut VerifierTranscript<'_, Bn254>) -> Result<(), VerifyError> {
    let levels = setup::verifier(statement.point.len())
        .map_err(|what| VerifyError::Statement { scope: transcript.scope(), what })?;
    let Exchange { rounds, gamma, last, d } = Exchange::read(statement.point.len(), transcript)?;
    let equation = Equation::new(statement, &rounds, gamma, d, &levels);
    transcript.check(equation.holds(&last, d, &levels), "the folded inner product")
}

/// Terms of a multi-scalar multiplication.
struct Terms<G> {
    bases: Vec<G>,
    scalars: Vec<Scalar>,
}

impl<G: Copy> Terms<G> {
    fn add(&mut self, terms: impl IntoIterator<Item = (G, Felt)>) {
        for (base, scalar) in terms {
            self.bases.push(base);
            self.scalars.push(scalar.into());
        }
    }
}

/// With `F_1`, `F_2` the last message:
/// `e(F_1 + d Γ_1,0, F_2 + d^-1 Γ_2,0) = target + e(first, H_2) + e(H_1, second)`.
struct Equation {
    target: Terms<Target>,
    first: Terms<First>,
    second: Terms<Second>,
}

impl Equation {
    fn new(statement: &Statement, rounds: &[Round], gamma: Challenge, d: Challenge, levels: &VerifierSetup) -> Self {
        fn empty<G>() -> Terms<G> {
            Terms { bases: Vec::new(), scalars: Vec::new() }
        }
        let mut equation = Self { target: empty(), first: empty(), second: empty() };
        let (mut s1, mut s2) = (Felt::ONE, Felt::ONE);
        for (j, (round, &t)) in rounds.iter().zip(&statement.point).enumerate() {
            // What D_1 and D_2 after this round are multiplied by.
            let next = rounds.get(j + 1).map_or((d.inverse, d.value), |next| (next.beta.inverse, next.beta.value));
            equation.add_round(round, rounds.len() - j, next, gamma, levels);
            s1 *= round.alpha.value * (Felt::ONE - t) + t;
            s2 *= round.alpha.inverse * (Felt::ONE - t) + t;
        }
        let start = rounds.first().map_or((d.inverse, d.value), |round| (round.beta.inverse, round.beta.value));
        let [a, b] = statement.values;
        let generators = statement.product + s1 * s2 + gamma.inverse * a + gamma.value * b;
        equation.target.add([(levels.ht, generators)]);
        equation.target.add(levels.chi.first().map(|&chi| (chi, Felt::ONE)));
        let first = [(levels.g1_0, gamma.inverse * d.value * s2), (statement.projections.second, start.1)];
        equation.first.add(first);
        let second = [(levels.g2_0, gamma.value * d.inverse * s1), (statement.projections.first, start.0)];
        equation.second.add(second);
        equation
    }

    /// Adds the terms of a round on vectors of length `2^level`.
    fn add_round(&mut self, round: &Round, level: usize, next: (Felt, Felt), gamma: Challenge, levels: &VerifierSetup) {
        let Round { first, beta, second, alpha } = round;
        let (p, q) = next;
        let both = (alpha.value * beta.value * p, alpha.inverse * beta.inverse * q);
        self.target.add([
            (second.c[0], alpha.value),
            (second.c[1], alpha.inverse),
            (first.d1[0], alpha.value * p),
            (first.d1[1], p),
            (first.d2[0], alpha.inverse * q),
            (first.d2[1], q),
        ]);
        // The products over the lower halves of the generators are the same for D_1 and D_2.
        let constants = [
            (levels.chi.get(level), Felt::ONE),
            (levels.delta_1l.get(level), both.0 + both.1),
            (levels.delta_1r.get(level), beta.value * p),
            (levels.delta_2r.get(level), beta.inverse * q),
        ];
        self.target.add(constants.into_iter().filter_map(|(constant, scalar)| Some((*constant?, scalar))));
        self.first.add([
            (first.e1, gamma.inverse * beta.value),
            (second.e1[0], gamma.inverse * alpha.value),
            (second.e1[1], gamma.inverse * alpha.inverse),
        ]);
        self.second.add([
            (first.e2, gamma.value * beta.inverse),
            (second.e2[0], gamma.value * alpha.value),
            (second.e2[1], gamma.value * alpha.inverse),
        ]);
    }

    fn holds(&self, last: &LastMessage, d: Challenge, levels: &VerifierSetup) -> bool {
        let first = <Routines as DoryRoutines<First>>::msm(&self.first.bases, &self.first.scalars);
        let second = <Routines as DoryRoutines<Second>>::msm(&self.second.bases, &self.second.scalars);
        let folded =
            (last.first + Scalar::from(d.value) * levels.g1_0, last.second + Scalar::from(d.inverse) * levels.g2_0);
        let pairs = Curve::multi_pair(&[folded.0, -first, -levels.h1], &[folded.1, levels.h2, second]);
        pairs == Curve::gt_msm(&self.target.bases, &self.target.scalars)
    }
}

#[cfg(all(test, feature = "prover"))]
mod tests {
    use zkml_core::ProverTranscript;
    use zkml_pairing::Group;

    use super::super::{Lifted, proof_bytes};
    use super::*;

    const ROUNDS: usize = 2;

    /// `β_1, α_1, …, γ, d`.
    fn challenges(bytes: &[u8]) -> Vec<Felt> {
        let mut transcript = VerifierTranscript::new(bytes);
        let Exchange { rounds, gamma, d, .. } = Exchange::read(ROUNDS, &mut transcript).unwrap();
        transcript.finish().unwrap();
        let of_rounds = rounds.iter().flat_map(|round| [round.beta.value, round.alpha.value]);
        of_rounds.chain([gamma.value, d.value]).collect()
    }

    /// Another element of the same group.
    fn other<G: Group + Encoding>(bytes: &mut [u8], generator: &G) {
        let mut replaced = Vec::new();
        G::decode(bytes).unwrap().add(generator).encode(&mut replaced);
        bytes.copy_from_slice(&replaced);
    }

    /// No element can be chosen after a challenge that is drawn behind it.
    #[test]
    fn every_element_moves_all_challenges_behind_it_and_none_before() {
        let levels = setup::verifier(ROUNDS).unwrap();
        let vector = |first| (first..).take(1 << ROUNDS).map(Felt::from_u64).collect();
        let mut transcript = ProverTranscript::<Bn254>::new();
        Lifted::new(vector(3), vector(11)).unwrap().at(vec![Felt::TWO; ROUNDS]).prove(&mut transcript);
        let bytes = transcript.finish().0;
        let drawn = challenges(&bytes);
        let (first, second) = ([Target::BYTES; 4], [Target::BYTES; 2]);
        let points = [First::BYTES, Second::BYTES];
        let firsts = [First::BYTES, First::BYTES, Second::BYTES, Second::BYTES];
        // Messages as lengths of elements: every message is followed by one challenge, the second of a round by two at the end.
        let round = [[&first[..], &points].concat(), [&second[..], &firsts].concat()];
        let messages = (0..2 * ROUNDS).map(|i| (i, round[i % 2].clone())).chain([(2 * ROUNDS + 1, points.to_vec())]);
        let mut at = 0;
        for (before, elements) in messages {
            for length in elements {
                let mut altered = bytes.clone();
                let element = &mut altered[at..at + length];
                match length {
                    First::BYTES => other(element, &levels.g1_0),
                    Second::BYTES => other(element, &levels.g2_0),
                    _ => other(element, &levels.ht),
                }
                for (i, (old, new)) in drawn.iter().zip(challenges(&altered)).enumerate() {
                    assert_eq!(*old == new, i < before, "challenge {i} after a change of {length} bytes at {at}");
                }
                at += length;
            }
        }
        assert_eq!((at, drawn.len()), (proof_bytes(ROUNDS), 2 * ROUNDS + 2));
    }
}

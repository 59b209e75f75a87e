//! The reduction against independent ones: the messages of `dory-pcs`, and a verifier that follows the paper step by step.

mod common;

use common::{Felt, rng};
use dory_pcs::Transparent;
use dory_pcs::reduce_and_fold::DoryProverState;
use p3_field::{Field as _, PrimeCharacteristicRing};
use rand::RngExt;
use rand::rngs::StdRng;
use zkml_core::{Bn254, ProverTranscript, Suite, VerifierTranscript, mle};
use zkml_pairing::{Curve, Encoding, First, Group, PairingCurve, Routines, Scalar, Second, setup};
use zkml_zkmatrix::reduce::{self, FirstMessage, LastMessage, Lifted, SecondMessage, Statement};

fn vector(length: usize, rng: &mut StdRng) -> Vec<Felt> {
    (0..length).map(|_| Bn254::from_i64(rng.random())).collect()
}

fn scalars(values: &[Felt]) -> Vec<Scalar> {
    values.iter().map(|&v| v.into()).collect()
}

struct Proven {
    a: Vec<Felt>,
    b: Vec<Felt>,
    statement: Statement,
    bytes: Vec<u8>,
}

fn proven(rounds: usize, point: Option<Vec<Felt>>, rng: &mut StdRng) -> Proven {
    let (a, b) = (vector(1 << rounds, rng), vector(1 << rounds, rng));
    let point = point.unwrap_or_else(|| vector(rounds, rng));
    let lifted = Lifted::new(a.clone(), b.clone()).unwrap();
    let projections = lifted.projections();
    let pointed = lifted.at(point.clone());
    let values = pointed.values();
    let mut transcript = ProverTranscript::<Bn254>::new();
    pointed.prove(&mut transcript);
    let product = a.iter().zip(&b).map(|(&a, &b)| a * b).sum();
    let statement = Statement { projections, product, point, values };
    Proven { a, b, statement, bytes: transcript.finish().0 }
}

/// Messages with the challenges that follow them.
struct Reader<'a>(VerifierTranscript<'a, Bn254>);

impl Reader<'_> {
    fn read<T: Encoding>(&mut self) -> T {
        T::decode(self.0.read_bytes(T::BYTES).unwrap()).unwrap()
    }

    fn challenge(&mut self) -> (Scalar, Scalar) {
        let drawn = self.0.challenge();
        (drawn.into(), drawn.inverse().into())
    }
}

#[test]
fn projections_and_values_are_what_they_are_defined_to_be() {
    for rounds in 1..5 {
        let Proven { a, b, statement, .. } = proven(rounds, None, &mut rng());
        let generators = setup::prover(rounds).unwrap();
        let sum = scalars(&a).iter().zip(&generators.g2_vec).fold(Second::identity(), |sum, (k, q)| sum + q.scale(k));
        assert_eq!(statement.projections.first, sum);
        let sum = scalars(&b).iter().zip(&generators.g1_vec).fold(First::identity(), |sum, (k, p)| sum + p.scale(k));
        assert_eq!(statement.projections.second, sum);
        let table = mle::eq_table(&statement.point);
        for (vector, value) in [a, b].iter().zip(statement.values) {
            assert_eq!(vector.iter().zip(&table).map(|(&v, &e)| v * e).sum::<Felt>(), value);
        }
    }
}

/// The library's prover on the lifted vectors sends the same messages for the same challenges.
#[test]
fn messages_are_those_of_the_library() {
    for rounds in 1..=5 {
        let Proven { a, b, statement, bytes } = proven(rounds, None, &mut rng());
        let generators = setup::prover(rounds).unwrap();
        let table = scalars(&mle::eq_table(&statement.point));
        let v1: Vec<First> = scalars(&a).iter().map(|k| generators.h1.scale(k)).collect();
        let v2: Vec<Second> = scalars(&b).iter().map(|k| generators.h2.scale(k)).collect();
        let mut reference = DoryProverState::<Curve, Transparent>::new(v1, v2, None, table.clone(), table, &generators);
        let mut reader = Reader(VerifierTranscript::new(&bytes));
        for round in 0..rounds {
            let (ours, theirs) =
                (reader.read::<FirstMessage>(), reference.compute_first_message::<Routines, Routines>());
            assert_eq!(ours.d1, [theirs.d1_left, theirs.d1_right], "round {round} of {rounds}");
            assert_eq!(ours.d2, [theirs.d2_left, theirs.d2_right], "round {round} of {rounds}");
            assert_eq!((ours.e1, ours.e2), (theirs.e1_beta, theirs.e2_beta), "round {round} of {rounds}");
            reference.apply_first_challenge::<Routines, Routines>(&reader.challenge().0);
            let (ours, theirs) =
                (reader.read::<SecondMessage>(), reference.compute_second_message::<Routines, Routines>());
            assert_eq!(ours.c, [theirs.c_plus, theirs.c_minus], "round {round} of {rounds}");
            assert_eq!(ours.e1, [theirs.e1_plus, theirs.e1_minus], "round {round} of {rounds}");
            assert_eq!(ours.e2, [theirs.e2_plus, theirs.e2_minus], "round {round} of {rounds}");
            reference.apply_second_challenge::<Routines, Routines>(&reader.challenge().0);
        }
        reference.apply_fold_scalars(&reader.challenge().0);
        let (ours, theirs) = (reader.read::<LastMessage>(), reference.compute_final_message());
        assert_eq!((ours.first, ours.second), (theirs.e1, theirs.e2));
        reader.challenge();
        reader.0.finish().unwrap();
    }
}

/// `k v_L + v_R`.
fn folded(vector: &[Felt], k: Felt) -> Vec<Felt> {
    let (left, right) = vector.split_at(vector.len() / 2);
    left.iter().zip(right).map(|(&l, &r)| k * l + r).collect()
}

/// [Lee20], one step at a time, every pairing by itself.
fn step_by_step(statement: &Statement, bytes: &[u8]) -> bool {
    let rounds = statement.point.len();
    let levels = setup::verifier(rounds).unwrap();
    let (h1, h2) = (levels.h1, levels.h2);
    let [value_a, value_b] = statement.values.map(Scalar::from);
    let mut c = Curve::pair(&h1, &h2).scale(&statement.product.into());
    let mut d1 = Curve::pair(&h1, &statement.projections.first);
    let mut d2 = Curve::pair(&statement.projections.second, &h2);
    let (mut e1, mut e2) = (h1.scale(&value_a), h2.scale(&value_b));
    let (mut s1, mut s2) = (mle::eq_table(&statement.point), mle::eq_table(&statement.point));
    let mut reader = Reader(VerifierTranscript::new(bytes));
    for level in (1..=rounds).rev() {
        let first: FirstMessage = reader.read();
        let (beta, beta_inverse) = reader.challenge();
        let second: SecondMessage = reader.read();
        let (alpha, alpha_inverse) = reader.challenge();
        c = c + levels.chi[level] + d2.scale(&beta) + d1.scale(&beta_inverse);
        c = c + second.c[0].scale(&alpha) + second.c[1].scale(&alpha_inverse);
        d1 = first.d1[0].scale(&alpha) + first.d1[1];
        d1 = d1 + levels.delta_1l[level].scale(&(alpha * beta)) + levels.delta_1r[level].scale(&beta);
        d2 = first.d2[0].scale(&alpha_inverse) + first.d2[1];
        d2 = d2 + levels.delta_2l[level].scale(&(alpha_inverse * beta_inverse));
        d2 = d2 + levels.delta_2r[level].scale(&beta_inverse);
        e1 = e1 + first.e1.scale(&beta) + second.e1[0].scale(&alpha) + second.e1[1].scale(&alpha_inverse);
        e2 = e2 + first.e2.scale(&beta_inverse) + second.e2[0].scale(&alpha) + second.e2[1].scale(&alpha_inverse);
        (s1, s2) = (folded(&s1, alpha.into()), folded(&s2, alpha_inverse.into()));
    }
    let (gamma, gamma_inverse) = reader.challenge();
    let last: LastMessage = reader.read();
    let (s1, s2) = (Scalar::from(s1[0]), Scalar::from(s2[0]));
    c = c + Curve::pair(&h1, &e2).scale(&gamma) + Curve::pair(&e1, &h2).scale(&gamma_inverse);
    c = c + Curve::pair(&h1, &h2).scale(&(s1 * s2));
    d1 = d1 + Curve::pair(&h1, &levels.g2_0).scale(&(gamma * s1));
    d2 = d2 + Curve::pair(&levels.g1_0, &h2).scale(&(gamma_inverse * s2));
    Curve::pair(&last.first, &last.second) == c
        && Curve::pair(&last.first, &levels.g2_0) == d1
        && Curve::pair(&levels.g1_0, &last.second) == d2
}

fn in_one_equation(statement: &Statement, bytes: &[u8]) -> bool {
    let mut transcript = VerifierTranscript::<Bn254>::new(bytes);
    reduce::verify(statement, &mut transcript).is_ok() && transcript.finish().is_ok()
}

#[test]
fn one_equation_says_what_the_steps_say() {
    let mut rng = rng();
    for rounds in 1..=4 {
        // Boolean coordinates leave halves of the tables empty.
        let bits = (0..rounds).map(|i| Felt::from_bool(i % 2 == 0)).collect();
        for point in [None, Some(bits)] {
            let Proven { statement, bytes, .. } = proven(rounds, point, &mut rng);
            assert!(step_by_step(&statement, &bytes) && in_one_equation(&statement, &bytes), "{rounds} rounds");
        }
    }
}

#[test]
fn every_part_of_the_statement_matters_to_both() {
    let Proven { statement, bytes, .. } = proven(3, None, &mut rng());
    let generators = setup::prover(3).unwrap();
    let mut others = vec![statement.clone(); 4];
    others[0].product += Felt::ONE;
    others[1].projections.first = statement.projections.first + generators.g2_vec[5];
    others[2].projections.second = statement.projections.second + generators.g1_vec[0];
    others[3].projections.second = First::identity();
    for i in 0..2 {
        for value in [statement.values[i] + Felt::ONE, Felt::ZERO, -statement.values[i], statement.values[1 - i]] {
            let mut other = statement.clone();
            other.values[i] = value;
            others.push(other);
        }
    }
    for i in 0..3 {
        let mut other = statement.clone();
        other.point[i] += Felt::ONE;
        others.push(other);
    }
    let mut reversed = statement;
    reversed.point.reverse();
    others.push(reversed);
    for (i, other) in others.iter().enumerate() {
        assert!(!step_by_step(other, &bytes), "statement {i}, step by step");
        assert!(!in_one_equation(other, &bytes), "statement {i}, in one equation");
    }
}

#[test]
fn vectors_of_wrong_lengths_are_errors() {
    let ones = |n| vec![Felt::ONE; n];
    for (a, b) in [(0, 0), (1, 1), (3, 3), (4, 2), (2, 4), (4, 0)] {
        assert!(Lifted::new(ones(a), ones(b)).is_err(), "{a} and {b}");
    }
    assert!(Lifted::new(ones(2), ones(2)).is_ok());
}

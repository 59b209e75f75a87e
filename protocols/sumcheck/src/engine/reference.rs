//! The plain prover: whole eq tables, one element at a time, every value of every round evaluated.

use p3_field::Field;
use zkml_core::{ProverTranscript, Suite};

use super::Composition;
use super::interpolate::Interpolation;
use crate::Weight;

/// As [`super::prove_rounds`], with the same messages, from the definition of a round.
pub fn prove_rounds<S: Suite, C: Composition<S::Challenge>>(
    composition: &C,
    mut factors: Vec<Vec<S::Challenge>>,
    weights: &[Weight<S::Challenge>],
    transcript: &mut ProverTranscript<S>,
) -> (Vec<S::Challenge>, Vec<S::Challenge>) {
    let interpolation = Interpolation::<S>::new(composition.degree());
    let mut point = Vec::new();
    for i in 0..weights.len() {
        let values: Vec<S::Challenge> = (0..=composition.degree())
            .map(|at| value_at(composition, &factors, &weights[i + 1..], S::from_i64(at as i64).into()))
            .collect();
        let (_, higher) = interpolation.coefficients(&values);
        transcript.write(&higher);
        let r = transcript.challenge();
        for factor in &mut factors {
            *factor = bound(factor, r);
        }
        point.push(r);
    }
    (point, factors.into_iter().map(|f| f[0]).collect())
}

/// The claim that a sumcheck starts from: the weighted sum over the whole cube.
pub fn claim<F: Field, C: Composition<F>>(composition: &C, factors: &[Vec<F>], weights: &[Weight<F>]) -> F {
    let values = |x: usize| factors.iter().map(|f| f[x]).collect::<Vec<F>>();
    (0..1 << weights.len()).map(|x| weight_at(weights, x) * composition.evaluate(&values(x))).sum()
}

fn value_at<F: Field, C: Composition<F>>(composition: &C, factors: &[Vec<F>], later: &[Weight<F>], at: F) -> F {
    let factors: Vec<Vec<F>> = factors.iter().map(|f| bound(f, at)).collect();
    claim(composition, &factors, later)
}

fn bound<F: Field>(values: &[F], r: F) -> Vec<F> {
    let (low, high) = values.split_at(values.len() / 2);
    low.iter().zip(high).map(|(&low, &high)| low * (F::ONE - r) + high * r).collect()
}

fn weight_at<F: Field>(weights: &[Weight<F>], x: usize) -> F {
    let bit = |i: usize| x >> (weights.len() - 1 - i) & 1 == 1;
    let one = |(i, w): (usize, &Weight<F>)| match w {
        Weight::Sum => F::ONE,
        Weight::Eq(w) if bit(i) => *w,
        Weight::Eq(w) => F::ONE - *w,
    };
    weights.iter().enumerate().map(one).product()
}

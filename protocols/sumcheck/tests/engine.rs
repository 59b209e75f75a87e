//! The optimised prover against the plain one: the same bytes, for every size, degree, weight and thread count.

use std::sync::Arc;

use p3_field::{Algebra, BasedVectorSpace, Field, PrimeCharacteristicRing};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use zkml_core::{Bn254, Goldilocks, Goldilocks3, ProverTranscript, Suite, VerifierTranscript, mle};
use zkml_device::Device;
use zkml_device::reference::Reference;
use zkml_sumcheck::engine::{self, Composition, Product, reference};
use zkml_sumcheck::{Weight, verify_rounds};

const SEED: u64 = 0x5eed_0001;

/// `a·b + 3·c²` for any number of factors: not homogeneous in its factors, of degree 2.
struct Mixed;

impl<F: Field> Composition<F> for Mixed {
    fn degree(&self) -> usize {
        2
    }
    fn evaluate<A: Algebra<F> + Copy>(&self, factors: &[A]) -> A {
        let sum: A = factors.iter().copied().sum();
        let product = factors.iter().fold((A::ZERO, A::ONE), |(total, last), &f| (total + last * f, f)).0;
        sum.square() + product + sum + A::ONE
    }
}

/// `a^degree`: one factor, any degree.
struct Power(usize);

impl<F: Field> Composition<F> for Power {
    fn degree(&self) -> usize {
        self.0
    }
    fn evaluate<A: Algebra<F> + Copy>(&self, factors: &[A]) -> A {
        factors.iter().map(|f| f.exp_u64(self.0 as u64)).sum()
    }
}

#[derive(Clone, Copy, Debug)]
enum Values {
    Random,
    Zero,
    Largest,
}

fn element<S: Suite>(rng: &mut StdRng, values: Values) -> S::Challenge {
    match values {
        Values::Random => random::<S>(rng),
        Values::Zero => S::Challenge::ZERO,
        Values::Largest => S::Challenge::from_basis_coefficients_fn(|_| S::from_i64(-1)),
    }
}

fn random<S: Suite>(rng: &mut StdRng) -> S::Challenge {
    let coefficients: Vec<S::Base> = (0..4).map(|_| S::from_i64(rng.random::<i64>())).collect();
    S::Challenge::from_basis_coefficients_fn(|i| coefficients[i])
}

fn weights<S: Suite>(rng: &mut StdRng, n: usize, pattern: usize) -> Vec<Weight<S::Challenge>> {
    (0..n)
        .map(|i| match (pattern, rng.random_range(0..5)) {
            (0, _) => Weight::Eq(random::<S>(rng)),
            (1, _) => Weight::Sum,
            (2, _) => {
                if i < n / 2 {
                    Weight::Sum
                } else {
                    Weight::Eq(random::<S>(rng))
                }
            }
            (3, _) => {
                if i < n / 2 {
                    Weight::Eq(random::<S>(rng))
                } else {
                    Weight::Sum
                }
            }
            (_, 0) => Weight::Eq(S::Challenge::ZERO),
            (_, 1) => Weight::Eq(S::Challenge::ONE),
            (_, 2) => Weight::Sum,
            _ => Weight::Eq(random::<S>(rng)),
        })
        .collect()
}

/// A device that takes every step of so many elements.
fn reference_device(break_even: usize) -> Device {
    Device::accelerated(Arc::new(Reference::new(break_even)))
}

fn agree<S: Suite, C: Composition<S::Challenge>>(
    composition: &C,
    factors: &[Vec<S::Challenge>],
    weights: &[Weight<S::Challenge>],
    context: &str,
) {
    let claim = reference::claim(composition, factors, weights);
    let mut plain = ProverTranscript::<S>::new();
    let expected = reference::prove_rounds(composition, factors.to_vec(), weights, &mut plain);
    let plain = plain.finish().0;
    for (threads, device) in
        [(1, Device::cpu()), (2, Device::cpu()), (1, reference_device(1)), (2, reference_device(40))]
    {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        let mut fast = ProverTranscript::<S>::new();
        let prove = || engine::prove_rounds(composition, factors.to_vec(), weights, claim, &mut fast, &device);
        let got = pool.install(prove).unwrap();
        assert_eq!(got, expected, "{context}, {threads} threads, {}", device.name());
        assert_eq!(fast.finish().0, plain, "{context}, {threads} threads, {}", device.name());
    }
    let mut verifier = VerifierTranscript::<S>::new(&plain);
    let (point, last) = verify_rounds(weights, composition.degree(), claim, &mut verifier).unwrap();
    verifier.finish().unwrap();
    assert_eq!(point, expected.0, "{context}");
    assert_eq!(last, composition.evaluate(&expected.1), "{context}");
    for (factor, &value) in factors.iter().zip(&expected.1) {
        let eq = mle::eq_table(&point);
        let direct: S::Challenge = eq.iter().zip(factor).map(|(&e, &f)| e * f).sum();
        assert_eq!(direct, value, "{context}");
    }
}

fn sweep<S: Suite>(largest: usize, kinds: &[Values]) {
    let mut rng = StdRng::seed_from_u64(SEED);
    for n in 0..=largest {
        for pattern in 0..5 {
            let weights = weights::<S>(&mut rng, n, pattern);
            for &values in kinds {
                let mut factors = |k: usize| -> Vec<Vec<S::Challenge>> {
                    (0..k).map(|_| (0..1 << n).map(|_| element::<S>(&mut rng, values)).collect()).collect()
                };
                for k in 1..=5 {
                    let context = format!("seed {SEED}, {n} variables, pattern {pattern}, {values:?}, degree {k}");
                    if n <= 8 || k <= 2 {
                        agree::<S, _>(&Product { factors: k }, &factors(k), &weights, &context);
                        agree::<S, _>(&Power(k), &factors(1), &weights, &context);
                    }
                }
                agree::<S, _>(&Mixed, &factors(3), &weights, &format!("seed {SEED}, {n} variables, mixed"));
            }
        }
    }
}

#[test]
fn same_bytes_as_the_plain_prover() {
    sweep::<Goldilocks>(10, &[Values::Random]);
}

#[test]
fn same_bytes_over_the_cubic_extension() {
    sweep::<Goldilocks3>(6, &[Values::Random]);
    sweep::<Bn254>(6, &[Values::Random]);
}

#[test]
fn same_bytes_on_extreme_values() {
    sweep::<Goldilocks>(6, &[Values::Zero, Values::Largest]);
}

#[test]
fn same_bytes_at_high_degrees() {
    let mut rng = StdRng::seed_from_u64(SEED + 2);
    for degree in [17, 255, 256, 258] {
        let weights = weights::<Goldilocks>(&mut rng, 2, 4);
        let factors = vec![(0..4).map(|_| random::<Goldilocks>(&mut rng)).collect()];
        agree::<Goldilocks, _>(&Power(degree), &factors, &weights, &format!("degree {degree}"));
    }
}

#[test]
fn same_bytes_where_threads_and_two_tables_are_used() {
    let mut rng = StdRng::seed_from_u64(SEED + 1);
    for n in [11, 12, 13] {
        for pattern in [0, 3, 4] {
            let weights = weights::<Goldilocks>(&mut rng, n, pattern);
            let factors: Vec<Vec<_>> =
                (0..2).map(|_| (0..1 << n).map(|_| random::<Goldilocks>(&mut rng)).collect()).collect();
            agree::<Goldilocks, _>(&Product { factors: 2 }, &factors, &weights, &format!("{n} variables"));
        }
    }
}

//! BN254 from arkworks, as the group traits of `dory-pcs` ask for it.
//!
//! Every [`Target`] is a pairing, a product of pairings, or was decoded with a subgroup check: inverses are conjugates and
//! squarings cyclotomic.

use ark_bn254::{Bn254, Fq12, Fr, G1Affine, G1Projective, G2Affine, G2Projective};
use ark_ec::pairing::Pairing;
use ark_ec::scalar_mul::glv::GLVConfig;
use ark_ec::scalar_mul::{BatchMulPreprocessing, ScalarMul};
use ark_ec::{CurveGroup, PrimeGroup, VariableBaseMSM};
use ark_ff::{
    AdditiveGroup, BigInt, BigInteger, CyclotomicMultSubgroup, Field as _, PrimeField as _, UniformRand as _,
};
use dory_pcs::primitives::arithmetic::{DoryRoutines, Field, Group, PairingCurve};
use p3_bn254::Bn254 as Felt;
use p3_field::RawDataSerializable;

/// Width of the signed digits of exponents: tables of `2^(WINDOW - 2)` odd powers.
const WINDOW: usize = 5;
/// Odd powers of a base.
const ODD_POWERS: usize = 1 << (WINDOW - 2);
/// Multi-exponentiations and multi-pairings of fewer terms stay on one thread.
#[cfg(feature = "prover")]
const TERMS_PER_TASK: usize = 32;

/// An element of the scalar field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Scalar(pub Fr);
/// A point of the first source group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct First(pub G1Projective);
/// A point of the second source group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Second(pub G2Projective);
/// An element of the target group, of prime order `r`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Target(pub Fq12);
/// The pairing.
#[derive(Clone, Copy, Debug)]
pub struct Curve;
/// Multi-exponentiations.
#[derive(Clone, Copy, Debug)]
pub struct Routines;

impl From<Felt> for Scalar {
    fn from(value: Felt) -> Self {
        // Both libraries store x as x · 2^256 mod r, in 64-bit limbs.
        let mut limbs = [0; 4];
        for (limb, chunk) in limbs.iter_mut().zip(value.into_bytes().as_chunks::<8>().0) {
            *limb = u64::from_le_bytes(*chunk);
        }
        Self(Fr::new_unchecked(BigInt(limbs)))
    }
}

impl From<Scalar> for Felt {
    fn from(value: Scalar) -> Self {
        Self::new(value.0.into_bigint().0)
    }
}

macro_rules! additive {
    ($type:ty, $add:expr, $sub:expr, $neg:expr) => {
        impl core::ops::Add for $type {
            type Output = Self;
            fn add(self, other: Self) -> Self {
                Self($add(self.0, &other.0))
            }
        }
        impl core::ops::Add<&Self> for $type {
            type Output = Self;
            fn add(self, other: &Self) -> Self {
                Self($add(self.0, &other.0))
            }
        }
        impl core::ops::Sub for $type {
            type Output = Self;
            fn sub(self, other: Self) -> Self {
                Self($sub(self.0, &other.0))
            }
        }
        impl core::ops::Sub<&Self> for $type {
            type Output = Self;
            fn sub(self, other: &Self) -> Self {
                Self($sub(self.0, &other.0))
            }
        }
        impl core::ops::Neg for $type {
            type Output = Self;
            fn neg(self) -> Self {
                Self($neg(self.0))
            }
        }
    };
}

fn inverse(mut value: Fq12) -> Fq12 {
    value.conjugate_in_place();
    value
}

additive!(Scalar, |a: Fr, b: &Fr| a + b, |a: Fr, b: &Fr| a - b, |a: Fr| -a);
additive!(
    First,
    |a: G1Projective, b: &G1Projective| a + b,
    |a: G1Projective, b: &G1Projective| a - b,
    |a: G1Projective| -a
);
additive!(
    Second,
    |a: G2Projective, b: &G2Projective| a + b,
    |a: G2Projective, b: &G2Projective| a - b,
    |a: G2Projective| -a
);
additive!(Target, |a: Fq12, b: &Fq12| a * b, |a: Fq12, b: &Fq12| a * inverse(*b), inverse);

impl core::ops::Mul for Scalar {
    type Output = Self;
    fn mul(self, other: Self) -> Self {
        Self(self.0 * other.0)
    }
}

impl core::ops::Mul<&Self> for Scalar {
    type Output = Self;
    fn mul(self, other: &Self) -> Self {
        Self(self.0 * other.0)
    }
}

impl Field for Scalar {
    fn zero() -> Self {
        Self(Fr::ZERO)
    }
    fn one() -> Self {
        Self(Fr::ONE)
    }
    fn is_zero(&self) -> bool {
        self.0 == Fr::ZERO
    }
    fn add(&self, other: &Self) -> Self {
        Self(self.0 + other.0)
    }
    fn sub(&self, other: &Self) -> Self {
        Self(self.0 - other.0)
    }
    fn mul(&self, other: &Self) -> Self {
        Self(self.0 * other.0)
    }
    fn inv(self) -> Option<Self> {
        self.0.inverse().map(Self)
    }
    fn random() -> Self {
        Self(Fr::rand(&mut rand_core::OsRng))
    }
    fn from_u64(value: u64) -> Self {
        Self(Fr::from(value))
    }
    fn from_i64(value: i64) -> Self {
        Self(Fr::from(value))
    }
}

macro_rules! group {
    ($type:ty, $identity:expr, $generator:expr, $scale:expr) => {
        impl core::ops::Mul<$type> for Scalar {
            type Output = $type;
            fn mul(self, point: $type) -> $type {
                point.scale(&self)
            }
        }
        impl core::ops::Mul<&$type> for Scalar {
            type Output = $type;
            fn mul(self, point: &$type) -> $type {
                point.scale(&self)
            }
        }
        impl Group for $type {
            type Scalar = Scalar;
            fn identity() -> Self {
                $identity
            }
            fn add(&self, other: &Self) -> Self {
                *self + other
            }
            fn neg(&self) -> Self {
                -*self
            }
            fn scale(&self, k: &Scalar) -> Self {
                $scale(self, k)
            }
            fn random() -> Self {
                $generator.scale(&Scalar::random())
            }
        }
    };
}

group!(First, Self(G1Projective::ZERO), Self(G1Projective::generator()), |point: &Self, k: &Scalar| Self(
    ark_bn254::g1::Config::glv_mul_projective(point.0, k.0)
));
group!(Second, Self(G2Projective::ZERO), Self(G2Projective::generator()), |point: &Self, k: &Scalar| Self(
    ark_bn254::g2::Config::glv_mul_projective(point.0, k.0)
));
group!(
    Target,
    Self(Fq12::ONE),
    Curve::pair(&First(G1Projective::generator()), &Second(G2Projective::generator())),
    |element: &Self, k: &Scalar| product_of_powers(&[*element], &[*k])
);

impl PairingCurve for Curve {
    type G1 = First;
    type G2 = Second;
    type GT = Target;

    fn pair(p: &First, q: &Second) -> Target {
        Self::multi_pair(&[*p], &[*q])
    }

    fn multi_pair(ps: &[First], qs: &[Second]) -> Target {
        let pairs = ps.len().min(qs.len());
        let (ps, qs) = (first_affine(&ps[..pairs]), second_affine(&qs[..pairs]));
        let loops = miller_loops(&ps, &qs);
        // Only a Miller loop of value zero has no final power, and it never is zero.
        Target(
            Bn254::final_exponentiation(ark_ec::pairing::MillerLoopOutput(loops)).map_or(Fq12::ONE, |output| output.0),
        )
    }

    fn gt_msm(elements: &[Target], scalars: &[Scalar]) -> Target {
        product_of_powers(elements, scalars)
    }
}

/// Product of the Miller loops of as many pairs.
fn miller_loops(ps: &[G1Affine], qs: &[G2Affine]) -> Fq12 {
    #[cfg(feature = "prover")]
    if ps.len() > TERMS_PER_TASK {
        use rayon::prelude::*;
        let pairs = ps.par_chunks(TERMS_PER_TASK).zip(qs.par_chunks(TERMS_PER_TASK));
        return pairs.map(|(ps, qs)| Bn254::multi_miller_loop(ps, qs).0).product();
    }
    Bn254::multi_miller_loop(ps, qs).0
}

fn first_affine(points: &[First]) -> Vec<G1Affine> {
    G1Projective::normalize_batch(&points.iter().map(|point| point.0).collect::<Vec<_>>())
}

fn second_affine(points: &[Second]) -> Vec<G2Affine> {
    G2Projective::normalize_batch(&points.iter().map(|point| point.0).collect::<Vec<_>>())
}

/// `Π t_i^{k_i}`: signed digits, one chain of squarings for all terms.
fn product_of_powers(elements: &[Target], scalars: &[Scalar]) -> Target {
    let digits: Vec<Vec<i64>> =
        scalars.iter().map(|k| k.0.into_bigint().find_wnaf(WINDOW).unwrap_or_default()).collect();
    let powers: Vec<[Fq12; ODD_POWERS]> = elements.iter().map(|t| odd_powers(&t.0)).collect();
    let mut product = Fq12::ONE;
    for position in (0..digits.iter().map(Vec::len).max().unwrap_or(0)).rev() {
        product.cyclotomic_square_in_place();
        for (powers, digits) in powers.iter().zip(&digits) {
            let digit = digits.get(position).copied().unwrap_or(0);
            let Some(power) = powers.get(digit.unsigned_abs() as usize / 2).filter(|_| digit != 0) else { continue };
            product *= if digit > 0 { *power } else { inverse(*power) };
        }
    }
    Target(product)
}

/// `t, t^3, t^5, …`.
fn odd_powers(t: &Fq12) -> [Fq12; ODD_POWERS] {
    let mut square = *t;
    square.cyclotomic_square_in_place();
    let mut next = *t;
    core::array::from_fn(|_| {
        let power = next;
        next *= square;
        power
    })
}

/// Runs `body` on pieces of two slices of equal length, on several threads if there is enough to do.
#[cfg(feature = "prover")]
fn sum_of_parts<A: Sync, B: Sync, G: Send + core::iter::Sum>(
    a: &[A],
    b: &[B],
    body: impl Fn(&[A], &[B]) -> G + Sync,
) -> G {
    use rayon::prelude::*;
    let part = a.len().div_ceil(rayon::current_num_threads()).max(4 * TERMS_PER_TASK);
    let sums: Vec<G> = a.par_chunks(part).zip(b.par_chunks(part)).map(|(a, b)| body(a, b)).collect();
    sums.into_iter().sum()
}

#[cfg(not(feature = "prover"))]
fn sum_of_parts<A, B, G>(a: &[A], b: &[B], body: impl Fn(&[A], &[B]) -> G) -> G {
    body(a, b)
}

/// Applies `body` to the elements of two slices.
#[cfg(feature = "prover")]
fn for_each_pair<A: Send, B: Sync>(a: &mut [A], b: &[B], body: impl Fn(&mut A, &B) + Sync) {
    use rayon::prelude::*;
    a.par_iter_mut().zip(b).for_each(|(a, b)| body(a, b));
}

#[cfg(not(feature = "prover"))]
fn for_each_pair<A, B>(a: &mut [A], b: &[B], body: impl Fn(&mut A, &B)) {
    a.iter_mut().zip(b).for_each(|(a, b)| body(a, b));
}

macro_rules! routines {
    ($type:ident, $projective:ty, $affine:expr) => {
        impl DoryRoutines<$type> for Routines {
            fn msm(bases: &[$type], scalars: &[Scalar]) -> $type {
                let part = |bases: &[$type], scalars: &[Scalar]| -> $projective {
                    let scalars: Vec<_> = scalars.iter().map(|k| k.0.into_bigint()).collect();
                    <$projective>::msm_bigint(&$affine(bases), &scalars)
                };
                $type(sum_of_parts(bases, scalars, part))
            }
            fn fixed_base_vector_scalar_mul(base: &$type, scalars: &[Scalar]) -> Vec<$type> {
                let scalars: Vec<Fr> = scalars.iter().map(|k| k.0).collect();
                let table = BatchMulPreprocessing::new(base.0, scalars.len().max(1));
                let points = <$projective>::batch_mul_with_preprocessing(&table, &scalars);
                points.into_iter().map(|point| $type(point.into())).collect()
            }
            fn fixed_scalar_mul_bases_then_add(bases: &[$type], sums: &mut [$type], scalar: &Scalar) {
                for_each_pair(sums, bases, |sum, base| *sum = *sum + base.scale(scalar));
            }
            fn fixed_scalar_mul_vs_then_add(sums: &mut [$type], addends: &[$type], scalar: &Scalar) {
                for_each_pair(sums, addends, |sum, addend| *sum = sum.scale(scalar) + addend);
            }
        }
    };
}

routines!(First, G1Projective, first_affine);
routines!(Second, G2Projective, second_affine);

#[cfg(test)]
mod tests {
    use ark_ec::pairing::PairingOutput;
    use p3_field::PrimeCharacteristicRing;

    use super::*;

    /// Some points and scalars, among them the special ones.
    fn scalars() -> Vec<Scalar> {
        let mut scalars = vec![Scalar::zero(), Scalar::one(), -Scalar::one(), Scalar::from_i64(-200)];
        scalars.extend((0..140).map(|i| Scalar(Fr::from(3 + i).pow([77 + i]))));
        scalars
    }

    #[test]
    fn scalars_convert_without_change() {
        for value in [0, 1, -1, i64::MAX, i64::MIN] {
            assert_eq!(Scalar::from(Felt::from_i64(value)), Scalar(Fr::from(value)));
        }
        for scalar in scalars() {
            assert_eq!(Scalar::from(Felt::from(scalar)), scalar);
        }
    }

    #[test]
    fn multiplication_by_endomorphism_agrees_with_doubling_and_adding() {
        let (p, q) = (G1Projective::generator(), G2Projective::generator());
        for k in scalars() {
            assert_eq!(First(p).scale(&k).0, p.mul_bigint(k.0.into_bigint()));
            assert_eq!(Second(q).scale(&k).0, q.mul_bigint(k.0.into_bigint()));
            let target = Curve::pair(&First(p), &Second(q));
            assert_eq!(target.scale(&k).0, PairingOutput::<Bn254>(target.0).mul_bigint(k.0.into_bigint()).0);
        }
    }

    #[test]
    fn sums_agree_with_term_by_term_ones() {
        let ks = scalars();
        let ps: Vec<First> =
            ks.iter().map(|k| First::identity() + First(G1Projective::generator()).scale(&(*k * k))).collect();
        let qs: Vec<Second> =
            ks.iter().map(|k| Second(G2Projective::generator()).scale(&(*k + Scalar::one()))).collect();
        let sum = |points: Vec<First>| points.into_iter().fold(First::identity(), |sum, point| sum + point);
        assert_eq!(Routines::msm(&ps, &ks), sum(ps.iter().zip(&ks).map(|(p, k)| p.scale(k)).collect()));
        let by_base: Vec<Second> = Routines::fixed_base_vector_scalar_mul(&qs[5], &ks);
        assert!(by_base.iter().zip(&ks).all(|(q, k)| *q == qs[5].scale(k)));
        let pairs = ps.iter().zip(&qs).take(70);
        let product = pairs.fold(Target::identity(), |product, (p, q)| product + Curve::pair(p, q));
        assert_eq!(Curve::multi_pair(&ps[..70], &qs[..70]), product);
        let targets: Vec<Target> = (4..8).map(|i| Curve::pair(&ps[i], &qs[i])).collect();
        let powers = targets.iter().zip(&ks[4..]).fold(Target::identity(), |product, (t, k)| product + t.scale(k));
        assert_eq!(Curve::gt_msm(&targets, &ks[4..8]), powers);
        assert_eq!(powers - powers, Target::identity());
    }
}

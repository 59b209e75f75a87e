//! The rounds of a layer: sums of products of two vectors under one eq weight.

use p3_field::{Algebra, Field, PrimeCharacteristicRing};
use rayon::prelude::*;
use zkml_core::{ProveError, ProverTranscript, Suite};
use zkml_device::{Device, count};
use zkml_sumcheck::Weight;
use zkml_sumcheck::engine::{Composition, prove_scaled_rounds};
use zkml_sumcheck::vector::{Pack, Vector};

use super::tree::GRAIN;
use super::unlucky;

/// `f_0 f_1 + f_2 f_3 + …`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SumOfProducts {
    /// Number of products.
    pub(crate) products: usize,
}

impl<F: Field> Composition<F> for SumOfProducts {
    fn degree(&self) -> usize {
        2
    }

    #[inline(always)]
    #[allow(clippy::inline_always, reason = "it is the body of the innermost loop")]
    fn evaluate<A: Algebra<F> + Copy>(&self, factors: &[A]) -> A {
        match factors {
            [a, b] => *a * *b,
            [a, b, c, d] => *a * *b + *c * *d,
            _ => factors.chunks_exact(2).fold(A::ZERO, |sum, pair| sum + pair[0] * pair[1]),
        }
    }

    fn products(&self) -> usize {
        self.products
    }
}

/// A weighted product of two vectors.
pub(super) struct Product<S: Suite> {
    pub(super) weight: S::Challenge,
    pub(super) factors: [Vector<S>; 2],
}

/// Proves `Σ_x eq(z, x) Σ_i weight_i f_i(x) g_i(x) = claim`. Returns the point and the values of all `f_i`, `g_i` there.
///
/// Costs one product per element for every weight that is not the first one's.
#[allow(clippy::type_complexity, reason = "a point, and two values per product")]
pub(super) fn prove_products<S: Suite>(
    products: Vec<Product<S>>,
    z: &[S::Challenge],
    claim: S::Challenge,
    transcript: &mut ProverTranscript<S>,
    device: &Device,
) -> Result<(Vec<S::Challenge>, Vec<[S::Challenge; 2]>), ProveError> {
    let scale = products.first().map_or(S::Challenge::ONE, |p| p.weight);
    let inverse = scale.try_inverse().ok_or_else(|| unlucky(transcript, "a weight is zero"))?;
    let composition = SumOfProducts { products: products.len() };
    let (mut factors, mut weights) = (Vec::with_capacity(2 * products.len()), Vec::with_capacity(products.len()));
    for Product { weight, factors: [mut f, g] } in products {
        let relative = weight * inverse;
        weights.push(relative.try_inverse().ok_or_else(|| unlucky(transcript, "a weight is zero"))?);
        scale_vector(&mut f, relative);
        factors.extend([f, g]);
    }
    let eq: Vec<_> = z.iter().map(|&z| Weight::Eq(z)).collect();
    let proven = prove_scaled_rounds(&composition, factors, &eq, scale, claim, transcript, device)?;
    let pairs = proven.values.chunks_exact(2).zip(weights).map(|(pair, inverse)| [pair[0] * inverse, pair[1]]);
    Ok((proven.point, pairs.collect()))
}

fn scale_vector<S: Suite>(vector: &mut Vector<S>, factor: S::Challenge) {
    if factor == S::Challenge::ONE {
        return;
    }
    count::ext_mul(vector.len());
    match vector {
        Vector::Scalar(values) => values.iter_mut().for_each(|v| *v *= factor),
        Vector::Packed(values) => {
            let factor = Pack::<S>::from(factor);
            values.par_iter_mut().with_min_len(GRAIN).for_each(|v| *v *= factor);
        }
    }
}

//! Two sums of fractions per memory, `Σ 1/(R W)` and `Σ -f/(I F)`, reduced together; then their denominators, which are
//! products themselves.
//!
//! The lookup leaves' numerators are 1, and 0 after the last leaf. As in LogUp, their layer is one product: with `P` the
//! indicator of true right leaves, `n_0 d_1 + n_1 d_0 + λ d_0 d_1 = λ (d_0 + 1/λ)(d_1 + P/λ) - P/λ`.

use p3_field::{Field, PrimeCharacteristicRing};
use zkml_core::{Suite, VerifierTranscript, VerifyError, mle};
use zkml_sumcheck::lookup::{Fraction, read_roots};
use zkml_sumcheck::{Weight, verify_rounds};

use super::{MemoryClaims, combine, extended, interpolate, pairs, unlucky};
use crate::decompose::{Decomposition, Memory};
use crate::hash::Hash;

/// A leaf point, and the read fingerprints there by memory.
pub(crate) type Reads<F> = (Vec<F>, Vec<F>);

/// One tree's claim on its way down.
#[derive(Clone, Debug)]
pub(crate) struct Tree<F> {
    pub(crate) depth: usize,
    /// Whether it sums the reads, whose leaves' numerators are known.
    pub(crate) is_reads: bool,
    pub(crate) point: Vec<F>,
    pub(crate) value: Fraction<F>,
}

/// Numerators and denominators of two children.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Children<F> {
    pub(crate) n: [F; 2],
    pub(crate) d: [F; 2],
}

impl<F: Field> Tree<F> {
    /// Moves the claim to `(c, point)`.
    pub(crate) fn merge(&mut self, children: &Children<F>, c: F, point: &[F]) {
        self.value = Fraction { numerator: interpolate(children.n, c), denominator: interpolate(children.d, c) };
        self.point = extended(c, point);
    }

    /// True in the layer whose children are the lookup leaves.
    pub(crate) fn at_leaves(&self, k: usize) -> bool {
        self.is_reads && self.depth == k + 1
    }
}

/// The two trees of every memory, with their claimed roots.
pub(crate) fn trees<F: Field>(decomposition: &Decomposition<'_>, roots: &[(Fraction<F>, Fraction<F>)]) -> Vec<Tree<F>> {
    let reads = decomposition.layout.variables();
    let pair = |(memory, &(read, row)): (&Memory<'_>, &(Fraction<F>, Fraction<F>))| {
        [
            Tree { depth: reads, is_reads: true, point: Vec::new(), value: read },
            Tree { depth: memory.variables(), is_reads: false, point: Vec::new(), value: row },
        ]
    };
    decomposition.memories.iter().zip(roots).flat_map(pair).collect()
}

/// The claim of a layer before its rounds: `Σ_t ρ^t (n_t + λ d_t)`, and `ρ^t P(z)/λ` for the known numerators.
pub(crate) fn target<F: Field>(active: &[&Tree<F>], k: usize, leaves: usize, [lambda, inverse, rho]: [F; 3]) -> F {
    let of = |tree: &&Tree<F>| {
        let joined = tree.value.numerator + lambda * tree.value.denominator;
        let known = if tree.at_leaves(k) { inverse } else { F::ZERO };
        joined + known * mle::prefix_indicator(&tree.point, pairs(leaves, k))
    };
    combine(rho, active.iter().map(of))
}

/// Reads the roots, checks them, and reduces them to claims on leaves.
pub(super) fn verify<S: Suite>(
    decomposition: &Decomposition<'_>,
    hash: &Hash<S::Challenge>,
    transcript: &mut VerifierTranscript<'_, S>,
) -> Result<MemoryClaims<S::Challenge>, VerifyError> {
    let roots: Result<Vec<_>, _> = decomposition.memories.iter().map(|_| read_roots(transcript)).collect();
    let mut trees = trees(decomposition, &roots?);
    for k in 0..trees.iter().map(|t| t.depth).max().unwrap_or(0) {
        verify_layer(k, decomposition.layout.leaves(), &mut trees, transcript)?;
    }
    transcript.enter("reads");
    let (point, reads) = verify_reads(decomposition, hash, &trees, transcript)?;
    transcript.leave();
    transcript.enter("rows");
    let mut finals = Vec::with_capacity(decomposition.memories.len());
    for (memory, tree) in decomposition.memories.iter().zip(trees.iter().filter(|t| !t.is_reads)) {
        finals.push(verify_rows(memory, hash, tree, transcript)?);
    }
    transcript.leave();
    Ok(MemoryClaims { point, reads, finals })
}

/// Layer `k` of every tree deeper than `k`.
fn verify_layer<S: Suite>(
    k: usize,
    leaves: usize,
    trees: &mut [Tree<S::Challenge>],
    transcript: &mut VerifierTranscript<'_, S>,
) -> Result<(), VerifyError> {
    let mut active: Vec<_> = trees.iter_mut().filter(|t| t.depth > k).collect();
    let lambda = transcript.challenge();
    let rho = if active.len() > 1 { transcript.challenge() } else { S::Challenge::ONE };
    let inverse = lambda.try_inverse().ok_or_else(|| unlucky(transcript, "that lambda is not zero"))?;
    let shared: Vec<_> = active.iter().map(|t| &**t).collect();
    let claim = target(&shared, k, leaves, [lambda, inverse, rho]);
    let weights: Vec<_> = active.first().map_or(&[][..], |t| &t.point).iter().map(|&z| Weight::Eq(z)).collect();
    let (point, claim) = verify_rounds(&weights, 2, claim, transcript)?;
    let inside = mle::prefix_indicator(&point, pairs(leaves, k));
    let (mut children, mut gates) = (Vec::with_capacity(active.len()), Vec::with_capacity(active.len()));
    for tree in &active {
        let (values, gate) = if tree.at_leaves(k) {
            let d: [S::Challenge; 2] = transcript.read_array()?;
            let gate = lambda * (d[0] + inverse) * (d[1] + inverse * inside);
            (Children { n: [S::Challenge::ONE, inside], d }, gate)
        } else {
            let [n0, n1, d0, d1] = transcript.read_array()?;
            (Children { n: [n0, n1], d: [d0, d1] }, n0 * d1 + n1 * d0 + lambda * d0 * d1)
        };
        children.push(values);
        gates.push(gate);
    }
    transcript.check(combine(rho, gates.into_iter()) == claim, "the layer's fractions")?;
    let c = transcript.challenge();
    active.iter_mut().zip(&children).for_each(|(tree, children)| tree.merge(children, c, &point));
    Ok(())
}

/// From the lookup leaves' denominators `R W = S² - δ²/4`, `S = R + δ/2` (both 1 after the last leaf), to the reads.
fn verify_reads<S: Suite>(
    decomposition: &Decomposition<'_>,
    hash: &Hash<S::Challenge>,
    trees: &[Tree<S::Challenge>],
    transcript: &mut VerifierTranscript<'_, S>,
) -> Result<Reads<S::Challenge>, VerifyError> {
    let reads: Vec<_> = trees.iter().filter(|t| t.is_reads).collect();
    let z = reads.first().map_or(&[][..], |t| &t.point);
    let inside = decomposition.layout.numerator(z);
    transcript.check(reads.iter().all(|t| t.value.numerator == inside), "the lookup leaves' numerators")?;
    let sigma = if reads.len() > 1 { transcript.challenge() } else { S::Challenge::ONE };
    let halves: Vec<_> = decomposition.memories.iter().map(|m| hash.step(m).halve()).collect();
    let squares = reads.iter().zip(&halves).map(|(tree, half)| tree.value.denominator + half.square() * inside);
    let weights: Vec<_> = z.iter().map(|&z| Weight::Eq(z)).collect();
    let (point, claim) = verify_rounds(&weights, 2, combine(sigma, squares), transcript)?;
    let values = transcript.read(reads.len())?;
    transcript.check(
        combine(sigma, values.iter().map(PrimeCharacteristicRing::square)) == claim,
        "the lookup leaves' denominators",
    )?;
    let inside = decomposition.layout.numerator(&point);
    let tail = S::Challenge::ONE - inside;
    let reads = values.iter().zip(&halves).map(|(&value, &half)| value - half * inside - tail).collect();
    Ok((point, reads))
}

/// From a memory's leaves `(-f, I F)` to the final counters: with `s = 1/(μ δ)`, `n + μ d` is the sum of
/// `μ I F + (I - F)/δ = μ ((I - s)(F + s) + s²)`.
fn verify_rows<S: Suite>(
    memory: &Memory<'_>,
    hash: &Hash<S::Challenge>,
    tree: &Tree<S::Challenge>,
    transcript: &mut VerifierTranscript<'_, S>,
) -> Result<(Vec<S::Challenge>, S::Challenge), VerifyError> {
    let (mu, step) = (transcript.challenge(), hash.step(memory));
    let shift = (mu * step).try_inverse().ok_or_else(|| unlucky(transcript, "that mu and the step are not zero"))?;
    let claim = tree.value.numerator + mu * tree.value.denominator - mu * shift.square();
    let weights: Vec<_> = tree.point.iter().map(|&z| Weight::Eq(z)).collect();
    let (point, claim) = verify_rounds(&weights, 2, claim, transcript)?;
    let [count] = transcript.read_array()?;
    let init = hash.init_at::<S>(memory, &point);
    let last = init + step * count;
    transcript.check(mu * (init - shift) * (last + shift) == claim, "the rows of a memory")?;
    Ok((point, count))
}

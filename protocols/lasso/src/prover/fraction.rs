//! Sums of fractions.

use p3_field::{Algebra, Field, PrimeCharacteristicRing};
use zkml_core::{ProveError, ProverTranscript, Suite, mle};
use zkml_device::{Device, count};
use zkml_sumcheck::Weight;
use zkml_sumcheck::engine::{Composition, prove_scaled_rounds};
use zkml_sumcheck::lookup::{Fraction, write_roots};
use zkml_sumcheck::vector::{Vector, pack, unpack};

use super::layer::{Product, SumOfProducts, prove_products};
use super::leaves::{Leaves, Parent};
use super::product::final_rows;
use super::tree::{AddFractions, Level, Tree};
use super::unlucky;
use crate::decompose::{Decomposition, Memory};
use crate::hash::Hash;
use crate::verifier::fraction::{self as claims, Children, target};
use crate::verifier::{MemoryClaims, combine, pairs};

/// `Σ w_i f_i²`.
#[derive(Clone, Debug)]
pub(crate) struct WeightedSquares<F> {
    /// The weights after the first one, which is 1.
    pub(crate) weights: Vec<F>,
}

impl<F: Field> Composition<F> for WeightedSquares<F> {
    fn degree(&self) -> usize {
        2
    }

    #[inline(always)]
    #[allow(clippy::inline_always, reason = "it is the body of the innermost loop")]
    fn evaluate<A: Algebra<F> + Copy>(&self, factors: &[A]) -> A {
        let Some((first, rest)) = factors.split_first() else { return A::ZERO };
        let weighted = rest.iter().zip(&self.weights).map(|(f, &w)| f.square() * A::from(w));
        weighted.fold(first.square(), |sum, f| sum + f)
    }

    fn products(&self) -> usize {
        1 + 2 * self.weights.len()
    }
}

/// `1/(R_0 W_0) + 1/(R_1 W_1)`.
struct Reciprocals;

impl Parent<2> for Reciprocals {
    fn count(half: usize, pairs: usize) {
        count::ext_mul(half + 2 * pairs);
    }

    #[inline]
    fn parent<A: PrimeCharacteristicRing + Copy>(left: A, right: A, step: A) -> [A; 2] {
        let (left, right) = (left * (left + step), right * (right + step));
        [left + right, left * right]
    }

    #[inline]
    fn single<A: PrimeCharacteristicRing + Copy>(left: A, step: A) -> [A; 2] {
        [A::ONE, left * (left + step)]
    }
}

/// The leaves of a memory's tree of rows: `I` and `F`.
type Rows<F> = [Vec<F>; 2];

/// Sends the roots and reduces them to claims on leaves.
pub(super) fn prove<S: Suite>(
    decomposition: &Decomposition<'_>,
    hash: &Hash<S::Challenge>,
    leaves: &Leaves<'_, S>,
    transcript: &mut ProverTranscript<S>,
    device: &Device,
) -> Result<MemoryClaims<S::Challenge>, ProveError> {
    let (mut trees, mut roots, mut rows) = (Vec::new(), Vec::new(), Vec::new());
    for (i, memory) in decomposition.memories.iter().enumerate() {
        let reads = reads_tree(decomposition, leaves, i);
        let (tree, leaf_rows) = rows_tree(memory, hash, leaves, i);
        let [read, row] = [&reads, &tree].map(|tree: &Tree<S, 2>| {
            let [numerator, denominator] = tree.root();
            Fraction { numerator, denominator }
        });
        write_roots(read, row, transcript)?;
        trees.extend([reads, tree]);
        roots.push((read, row));
        rows.push(leaf_rows);
    }
    let mut state = claims::trees(decomposition, &roots);
    for k in 0..state.iter().map(|t| t.depth).max().unwrap_or(0) {
        prove_layer(k, decomposition, leaves, &mut trees, &mut state, transcript, device)?;
    }
    transcript.enter("reads");
    let (point, reads) = prove_reads(decomposition, leaves, &state, transcript, device)?;
    transcript.leave();
    transcript.enter("rows");
    let mut finals = Vec::with_capacity(rows.len());
    for (i, (rows, tree)) in rows.into_iter().zip(state.iter().filter(|t| !t.is_reads)).enumerate() {
        finals.push(prove_rows(leaves.step(i), rows, tree, transcript, device)?);
    }
    transcript.leave();
    Ok(MemoryClaims { point, reads, finals })
}

/// The tree over `1/(R W)`.
fn reads_tree<S: Suite>(decomposition: &Decomposition<'_>, leaves: &Leaves<'_, S>, memory: usize) -> Tree<S, 2> {
    if decomposition.layout.variables() > 0 {
        return leaves.tree::<AddFractions, Reciprocals, 2>(memory);
    }
    let read = leaves.reads(memory, S::Challenge::ZERO, S::Challenge::ONE).to_scalars()[0];
    Tree::above_nodes::<AddFractions>([vec![S::Challenge::ONE], vec![read * (read + leaves.step(memory))]])
}

/// The tree over `-f/(I F)`: one product per row.
fn rows_tree<S: Suite>(
    memory: &Memory<'_>,
    hash: &Hash<S::Challenge>,
    leaves: &Leaves<'_, S>,
    i: usize,
) -> (Tree<S, 2>, Rows<S::Challenge>) {
    let init = hash.init_rows::<S>(memory);
    let last = final_rows(leaves, i, &init);
    count::ext_mul(init.len());
    let counts = &leaves.finals[i];
    let numerators = (0..init.len()).map(|row| (-S::from_i64(counts.get(row).unwrap_or(0))).into()).collect();
    let denominators = init.iter().zip(&last).map(|(&i, &f)| i * f).collect();
    (Tree::above_nodes::<AddFractions>([numerators, denominators]), [init, last])
}

/// Layer `k` of every tree deeper than `k`.
fn prove_layer<S: Suite>(
    k: usize,
    decomposition: &Decomposition<'_>,
    leaves: &Leaves<'_, S>,
    trees: &mut [Tree<S, 2>],
    state: &mut [claims::Tree<S::Challenge>],
    transcript: &mut ProverTranscript<S>,
    device: &Device,
) -> Result<(), ProveError> {
    let active: Vec<usize> = (0..state.len()).filter(|&t| state[t].depth > k).collect();
    let lambda = transcript.challenge();
    let rho = if active.len() > 1 { transcript.challenge() } else { S::Challenge::ONE };
    let inverse = lambda.try_inverse().ok_or_else(|| unlucky(transcript, "lambda is zero"))?;
    let count = decomposition.layout.leaves();
    let shared: Vec<_> = active.iter().map(|&t| &state[t]).collect();
    let claim = target(&shared, k, count, [lambda, inverse, rho]);
    let z = state[active[0]].point.clone();

    let (mut products, mut weight) = (Vec::new(), S::Challenge::ONE);
    for &t in &active {
        if let Some(level) = trees[t].take() {
            products.extend(gate_products(level, lambda, weight));
        } else {
            let factors = shifted_denominators(leaves, t / 2, inverse, pairs(count, k));
            products.push(Product { weight: weight * lambda, factors });
        }
        weight *= rho;
    }
    let (point, values) = prove_products(products, &z, claim, transcript, device)?;
    let inside = mle::prefix_indicator(&point, pairs(count, k));
    let mut values = values.into_iter();
    let mut next = || values.next().unwrap_or_default();
    let mut children = Vec::with_capacity(active.len());
    for &t in &active {
        children.push(if state[t].at_leaves(k) {
            let [low, high] = next();
            let d = [low - inverse, high - inverse * inside];
            transcript.write(&d);
            Children { n: [S::Challenge::ONE, inside], d }
        } else {
            let ([m0, d1], [n1, d0]) = (next(), next());
            let n0 = m0 - lambda * d0;
            transcript.write(&[n0, n1, d0, d1]);
            Children { n: [n0, n1], d: [d0, d1] }
        });
    }
    let c = transcript.challenge();
    for (&t, children) in active.iter().zip(&children) {
        state[t].merge(children, c, &point);
    }
    Ok(())
}

/// `n_0 d_1 + n_1 d_0 + λ d_0 d_1 = (n_0 + λ d_0) d_1 + n_1 d_0`: one product per gate for the fold.
fn gate_products<S: Suite>(level: Level<S, 2>, lambda: S::Challenge, weight: S::Challenge) -> [Product<S>; 2] {
    let ([mut n0, d0], [n1, d1]) = (level.left, level.right);
    count::ext_mul(n0.len());
    match (&mut n0, &d0) {
        (Vector::Packed(n), Vector::Packed(d)) => super::leaves::add_scaled(n, lambda.into(), d),
        (Vector::Scalar(n), Vector::Scalar(d)) => super::leaves::add_scaled(n, lambda, d),
        // Both come from one level, which is packed or not.
        _ => {}
    }
    [Product { weight, factors: [n0, d1] }, Product { weight, factors: [n1, d0] }]
}

/// `d_0 + 1/λ` and `d_1 + 1/λ`, the latter 1 after the last leaf; `d = R W` is recomputed with one product per leaf.
fn shifted_denominators<S: Suite>(
    leaves: &Leaves<'_, S>,
    memory: usize,
    shift: S::Challenge,
    pairs: usize,
) -> [Vector<S>; 2] {
    let [left, right] = leaves.halves(memory, S::Challenge::ZERO, S::Challenge::ONE);
    count::ext_mul(left.len() + pairs);
    let step = leaves.step(memory);
    [(left, usize::MAX), (right, pairs)].map(|(side, stored)| match side {
        Vector::Packed(mut side) => {
            let lanes = zkml_sumcheck::vector::lanes::<S>();
            let full = (stored / lanes).min(side.len());
            super::leaves::square_shifted(&mut side[..full], step.into(), shift.into());
            if let Some(boundary) = side.get_mut(full).filter(|_| stored % lanes != 0) {
                let mut values = unpack::<S>(&[*boundary]);
                super::leaves::square_shifted(&mut values[..stored % lanes], step, shift);
                *boundary = pack::<S>(&values)[0];
            }
            Vector::Packed(side)
        }
        Vector::Scalar(mut side) => {
            let stored = stored.min(side.len());
            super::leaves::square_shifted(&mut side[..stored], step, shift);
            Vector::Scalar(side)
        }
    })
}

/// From the lookup leaves' denominators to the reads.
fn prove_reads<S: Suite>(
    decomposition: &Decomposition<'_>,
    leaves: &Leaves<'_, S>,
    state: &[claims::Tree<S::Challenge>],
    transcript: &mut ProverTranscript<S>,
    device: &Device,
) -> Result<claims::Reads<S::Challenge>, ProveError> {
    let reads: Vec<_> = state.iter().filter(|t| t.is_reads).collect();
    let z = &reads[0].point;
    let sigma = if reads.len() > 1 { transcript.challenge() } else { S::Challenge::ONE };
    let inside = decomposition.layout.numerator(z);
    let halves: Vec<_> = (0..reads.len()).map(|i| leaves.step(i).halve()).collect();
    let squares = reads.iter().zip(&halves).map(|(tree, half)| tree.value.denominator + half.square() * inside);
    let claim = combine(sigma, squares);
    let weights: Vec<_> = z.iter().map(|&z| Weight::Eq(z)).collect();
    let composition = WeightedSquares { weights: sigma.powers().skip(1).take(reads.len() - 1).collect() };
    let factors = halves.iter().enumerate().map(|(i, &half)| leaves.reads(i, half, S::Challenge::ONE)).collect();
    let proven = prove_scaled_rounds(&composition, factors, &weights, S::Challenge::ONE, claim, transcript, device)?;
    transcript.write(&proven.values);
    let inside = decomposition.layout.numerator(&proven.point);
    let tail = S::Challenge::ONE - inside;
    let reads = proven.values.iter().zip(&halves).map(|(&value, &half)| value - half * inside - tail).collect();
    Ok((proven.point, reads))
}

/// From a memory's leaves `(-f, I F)` to the final counters.
fn prove_rows<S: Suite>(
    step: S::Challenge,
    [mut init, mut last]: Rows<S::Challenge>,
    tree: &claims::Tree<S::Challenge>,
    transcript: &mut ProverTranscript<S>,
    device: &Device,
) -> Result<(Vec<S::Challenge>, S::Challenge), ProveError> {
    let mu = transcript.challenge();
    let shift = (mu * step).try_inverse().ok_or_else(|| unlucky(transcript, "mu or the step is zero"))?;
    let claim = tree.value.numerator + mu * tree.value.denominator - mu * shift.square();
    for (init, last) in init.iter_mut().zip(&mut last) {
        *init -= shift;
        *last += shift;
    }
    let weights: Vec<_> = tree.point.iter().map(|&z| Weight::Eq(z)).collect();
    let factors = vec![init.into(), last.into()];
    let proven = prove_scaled_rounds(&SumOfProducts { products: 1 }, factors, &weights, mu, claim, transcript, device)?;
    let [init, last] = [0, 1].map(|i| proven.values[i]);
    // The values are I - s and I + δ f + s, and s = 1/(μ δ), so that 1/δ = μ s.
    let count = (last - init - shift.double()) * mu * shift;
    transcript.write(&[count]);
    Ok((proven.point, count))
}

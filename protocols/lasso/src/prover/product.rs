//! Grand products.

use p3_field::{Field, PrimeCharacteristicRing};
use rayon::prelude::*;
use zkml_core::{ProveError, ProverTranscript, Suite, mle};
use zkml_device::{Device, count};
use zkml_sumcheck::vector::Vector;

use super::layer::{Product, prove_products};
use super::leaves::{Leaves, Parent};
use super::tree::{Combine, Level, Multiply, Tree};
use super::unlucky;
use crate::decompose::Decomposition;
use crate::hash::Hash;
use crate::verifier::product::{Role, Term, depths, terms};
use crate::verifier::{MemoryClaims, combine, extended, interpolate, pairs};

/// Products of reads and of writes, side by side.
struct ReadsAndWrites;

impl Combine<2> for ReadsAndWrites {
    const PRODUCTS: usize = 2;

    #[inline]
    fn combine<A: PrimeCharacteristicRing + Copy>(l: [A; 2], r: [A; 2]) -> [A; 2] {
        [l[0] * r[0], l[1] * r[1]]
    }
}

impl Parent<2> for ReadsAndWrites {
    fn count(_: usize, pairs: usize) {
        count::ext_mul(2 * pairs);
    }

    #[inline]
    fn parent<A: PrimeCharacteristicRing + Copy>(left: A, right: A, step: A) -> [A; 2] {
        [left * right, (left + step) * (right + step)]
    }

    #[inline]
    fn single<A: PrimeCharacteristicRing + Copy>(left: A, step: A) -> [A; 2] {
        [left, left + step]
    }
}

/// The trees of one memory.
struct Trees<S: Suite> {
    operations: Option<Tree<S, 2>>,
    rows: [Tree<S, 1>; 2],
}

/// A claim on a tree's nodes.
struct Claim<F> {
    point: Vec<F>,
    value: F,
}

/// Sends the roots and reduces them to claims on leaves.
pub(super) fn prove<S: Suite>(
    decomposition: &Decomposition<'_>,
    hash: &Hash<S::Challenge>,
    leaves: &Leaves<'_, S>,
    transcript: &mut ProverTranscript<S>,
    device: &Device,
) -> Result<MemoryClaims<S::Challenge>, ProveError> {
    let shapes = depths(decomposition);
    let (mut trees, mut claims) = (Vec::new(), Vec::with_capacity(shapes.len()));
    for memory in 0..decomposition.memories.len() {
        let (built, roots) = build(decomposition, hash, leaves, memory);
        if roots.contains(&S::Challenge::ZERO) {
            return Err(unlucky(transcript, "tau is a fingerprint"));
        }
        transcript.write(&roots);
        claims.extend(roots.map(|value| Claim { point: Vec::new(), value }));
        trees.push(built);
    }
    for k in 0..shapes.iter().map(|t| t.2).max().unwrap_or(0) {
        let active: Vec<usize> = (0..claims.len()).filter(|&t| shapes[t].2 > k).collect();
        let rho = if active.len() > 1 { transcript.challenge() } else { S::Challenge::ONE };
        let terms = terms(decomposition, hash, &shapes, k, rho)
            .ok_or_else(|| unlucky(transcript, "the weights of reads and writes cancel"))?;
        let products = products(&terms, &shapes, leaves, &mut trees);
        let z = claims[active[0]].point.clone();
        let pairs = pairs(decomposition.layout.leaves(), k);
        let mut target = combine(rho, active.iter().map(|&t| claims[t].value));
        for term in &terms {
            if let Term::Leaves { offset, .. } = term {
                target -= *offset * mle::prefix_indicator(&z, pairs);
            }
        }
        let (point, values) = prove_products(products, &z, target, transcript, device)?;
        let inside = mle::prefix_indicator(&point, pairs);
        let mut children = Vec::with_capacity(active.len());
        for (term, [low, high]) in terms.iter().zip(values) {
            match *term {
                Term::Tree { tree, .. } => {
                    transcript.write(&[low, high]);
                    children.push((tree, [low, high]));
                }
                Term::Leaves { tree, shift, step, .. } => {
                    let read = [low - shift, high - shift * inside];
                    transcript.write(&read);
                    children.push((tree, read));
                    children.push((tree + 1, [read[0] + step, read[1] + step * inside]));
                }
            }
        }
        let c = transcript.challenge();
        for (tree, values) in children {
            claims[tree] = Claim { point: extended(c, &point), value: interpolate(values, c) };
        }
    }
    leaf_claims(decomposition, leaves, &claims, transcript)
}

/// The trees of a memory, and their roots: reads, writes, init, final.
fn build<S: Suite>(
    decomposition: &Decomposition<'_>,
    hash: &Hash<S::Challenge>,
    leaves: &Leaves<'_, S>,
    memory: usize,
) -> (Trees<S>, [S::Challenge; 4]) {
    let init = hash.init_rows::<S>(&decomposition.memories[memory]);
    let last = final_rows(leaves, memory, &init);
    let rows = [init, last].map(|rows| Tree::above_nodes::<Multiply>([rows]));
    let (operations, [read, write]) = if decomposition.layout.variables() == 0 {
        let read = leaves.reads(memory, S::Challenge::ZERO, S::Challenge::ONE).to_scalars()[0];
        (None, [read, read + leaves.step(memory)])
    } else {
        let tree = leaves.tree::<ReadsAndWrites, ReadsAndWrites, 2>(memory);
        let roots = tree.root();
        (Some(tree), roots)
    };
    let [[init], [last]] = rows.each_ref().map(Tree::root);
    (Trees { operations, rows }, [read, write, init, last])
}

/// `I + δ f` for every row: one base × extension product each.
pub(super) fn final_rows<S: Suite>(leaves: &Leaves<'_, S>, memory: usize, init: &[S::Challenge]) -> Vec<S::Challenge> {
    let (step, counts) = (leaves.step(memory), &leaves.finals[memory]);
    count::base_ext_mul(init.len());
    let row = |(i, &row): (usize, &S::Challenge)| row + step * S::from_i64(counts.get(i).unwrap_or(0));
    init.par_iter().with_min_len(1 << 10).enumerate().map(row).collect()
}

/// The vectors under the sum of a layer.
fn products<S: Suite>(
    terms: &[Term<S::Challenge>],
    shapes: &[(usize, Role, usize)],
    leaves: &Leaves<'_, S>,
    trees: &mut [Trees<S>],
) -> Vec<Product<S>> {
    let mut products = Vec::with_capacity(terms.len());
    let mut writes = None;
    for term in terms {
        let (weight, factors) = match *term {
            Term::Leaves { tree, weight, shift, .. } => {
                (weight, Some(leaves.halves(shapes[tree].0, shift, S::Challenge::ONE)))
            }
            Term::Tree { tree, weight } => {
                let (memory, role, _) = shapes[tree];
                let trees = &mut trees[memory];
                let level = |level: Level<S, 1>| {
                    let ([left], [right]) = (level.left, level.right);
                    [left, right]
                };
                let factors = match role {
                    Role::Read => trees.operations.as_mut().and_then(Tree::take).map(|level| {
                        let ([read, write], [next_read, next_write]) = (level.left, level.right);
                        writes = Some([write, next_write]);
                        [read, next_read]
                    }),
                    Role::Write => writes.take(),
                    Role::Init => trees.rows[0].take().map(level),
                    Role::Final => trees.rows[1].take().map(level),
                };
                (weight, factors)
            }
        };
        let empty = || [Vec::new(), Vec::new()].map(Vector::Scalar);
        products.push(Product { weight, factors: factors.unwrap_or_else(empty) });
    }
    products
}

/// The claims on the leaves, as the verifier computes them.
fn leaf_claims<S: Suite>(
    decomposition: &Decomposition<'_>,
    leaves: &Leaves<'_, S>,
    claims: &[Claim<S::Challenge>],
    transcript: &ProverTranscript<S>,
) -> Result<MemoryClaims<S::Challenge>, ProveError> {
    let mut out = MemoryClaims { point: claims[0].point.clone(), reads: Vec::new(), finals: Vec::new() };
    let tail = S::Challenge::ONE - decomposition.layout.numerator(&out.point);
    for (memory, claims) in claims.chunks_exact(4).enumerate() {
        let inverse = leaves.step(memory).try_inverse();
        let inverse = inverse.ok_or_else(|| unlucky(transcript, "counters do not enter the fingerprints"))?;
        let (init, last) = (&claims[2], &claims[3]);
        out.finals.push((last.point.clone(), (last.value - init.value) * inverse));
        out.reads.push(claims[0].value - tail);
    }
    Ok(out)
}

//! Four grand products per memory, reduced together.
//!
//! A layer proves `Σ_t ρ^t v_t(z) = Σ_x eq(z, x) Σ_t ρ^t v_t(x, 0) v_t(x, 1)`, a sum of products. At the leaves `W = R + δ`, so that the
//! trees of reads and writes share one product: with `a`, `b` their weights and `s = b δ / (a + b)`,
//!
//! ```text
//! a R_0 R_1 + b W_0 W_1 = (a + b) (R_0 + s) (R_1 + s) + a s δ        on pairs of true leaves
//! a R_0     + b W_0     = (a + b) (R_0 + s) · 1                      where the right leaf is a 1 after the last one
//! ```

use p3_field::{Field, PrimeCharacteristicRing};
use zkml_core::{Suite, VerifierTranscript, VerifyError, mle};
use zkml_sumcheck::{Weight, verify_rounds};

use super::{MemoryClaims, combine, extended, interpolate, pairs, unlucky};
use crate::decompose::Decomposition;
use crate::hash::Hash;

/// Which multiset a tree multiplies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    /// What is read.
    Read,
    /// What is written back.
    Write,
    /// The memory at the start.
    Init,
    /// The memory at the end.
    Final,
}

impl Role {
    /// In the order of the roots of a memory.
    pub(crate) const ALL: [Self; 4] = [Self::Read, Self::Write, Self::Init, Self::Final];
}

/// The trees of all memories, by memory and role: their depths.
pub(crate) fn depths(decomposition: &Decomposition<'_>) -> Vec<(usize, Role, usize)> {
    let reads = decomposition.layout.variables();
    let of = |memory: usize, role: Role, rows: usize| match role {
        Role::Read | Role::Write => (memory, role, reads),
        Role::Init | Role::Final => (memory, role, rows),
    };
    let memories = decomposition.memories.iter().enumerate();
    memories.flat_map(|(i, m)| Role::ALL.map(|role| of(i, role, m.variables()))).collect()
}

/// One product under the sum of a layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Term<F> {
    /// The children of one tree.
    Tree {
        /// Its position.
        tree: usize,
        /// Its power of `ρ`.
        weight: F,
    },
    /// The leaves of the trees of reads and writes of a memory.
    Leaves {
        /// The tree of reads; that of writes follows it.
        tree: usize,
        /// `a + b`.
        weight: F,
        /// `s`.
        shift: F,
        /// `a s δ`.
        offset: F,
        /// `δ`.
        step: F,
    },
}

/// The terms of layer `k`; `None` if weights add up to zero, which has probability `1/|E|` or so.
pub(crate) fn terms<F: Field>(
    decomposition: &Decomposition<'_>,
    hash: &Hash<F>,
    trees: &[(usize, Role, usize)],
    k: usize,
    rho: F,
) -> Option<Vec<Term<F>>> {
    let mut terms = Vec::new();
    let mut weight = F::ONE;
    for (tree, &(memory, role, _)) in trees.iter().enumerate().filter(|(_, t)| t.2 > k) {
        let at_leaves = k + 1 == decomposition.layout.variables();
        match role {
            Role::Read if at_leaves => {
                let step = hash.step(decomposition.memories.get(memory)?);
                let (a, b) = (weight, weight * rho);
                let shift = b * step * (a + b).try_inverse()?;
                terms.push(Term::Leaves { tree, weight: a + b, shift, offset: a * shift * step, step });
            }
            Role::Write if at_leaves => {}
            _ => terms.push(Term::Tree { tree, weight }),
        }
        weight *= rho;
    }
    Some(terms)
}

struct Tree<F> {
    point: Vec<F>,
    value: F,
}

/// Reads the roots, checks them, and reduces them to claims on leaves.
pub(super) fn verify<S: Suite>(
    decomposition: &Decomposition<'_>,
    hash: &Hash<S::Challenge>,
    transcript: &mut VerifierTranscript<'_, S>,
) -> Result<MemoryClaims<S::Challenge>, VerifyError> {
    let shapes = depths(decomposition);
    let mut trees = Vec::with_capacity(shapes.len());
    for _ in &decomposition.memories {
        let roots: [_; 4] = transcript.read_array()?;
        transcript.check(roots.iter().all(|&r| r != S::Challenge::ZERO), "a product differing from zero")?;
        let [read, write, init, last] = roots;
        transcript.check(init * write == read * last, "the equality of init · write and read · final")?;
        trees.extend(roots.map(|value| Tree { point: Vec::new(), value }));
    }
    let deepest = shapes.iter().map(|t| t.2).max().unwrap_or(0);
    for k in 0..deepest {
        verify_layer(k, decomposition, hash, &shapes, &mut trees, transcript)?;
    }
    leaf_claims(decomposition, hash, &trees, transcript)
}

/// Layer `k`: from claims on `2^k` nodes to claims on their children, for every tree deeper than `k`.
fn verify_layer<S: Suite>(
    k: usize,
    decomposition: &Decomposition<'_>,
    hash: &Hash<S::Challenge>,
    shapes: &[(usize, Role, usize)],
    trees: &mut [Tree<S::Challenge>],
    transcript: &mut VerifierTranscript<'_, S>,
) -> Result<(), VerifyError> {
    let active: Vec<usize> = (0..trees.len()).filter(|&t| shapes.get(t).is_some_and(|s| s.2 > k)).collect();
    let rho = if active.len() > 1 { transcript.challenge() } else { S::Challenge::ONE };
    let terms = terms(decomposition, hash, shapes, k, rho)
        .ok_or_else(|| unlucky(transcript, "that the weights of reads and writes do not cancel"))?;
    let at = |t: &usize| trees.get(*t);
    let z = active.first().and_then(at).map_or_else(Vec::new, |t| t.point.clone());
    let pairs = pairs(decomposition.layout.leaves(), k);
    let mut target = combine(rho, active.iter().filter_map(at).map(|t| t.value));
    for term in &terms {
        if let Term::Leaves { offset, .. } = term {
            target -= *offset * mle::prefix_indicator(&z, pairs);
        }
    }
    let weights: Vec<_> = z.iter().map(|&z| Weight::Eq(z)).collect();
    let (point, claim) = verify_rounds(&weights, 2, target, transcript)?;
    let inside = mle::prefix_indicator(&point, pairs);
    let mut sum = S::Challenge::ZERO;
    let mut children = Vec::with_capacity(trees.len());
    for term in &terms {
        let [low, high] = transcript.read_array()?;
        match *term {
            Term::Tree { tree, weight } => {
                sum += weight * low * high;
                children.push((tree, [low, high]));
            }
            Term::Leaves { tree, weight, shift, step, .. } => {
                sum += weight * (low + shift) * (high + shift * inside);
                children.push((tree, [low, high]));
                children.push((tree + 1, [low + step, high + step * inside]));
            }
        }
    }
    transcript.check(sum == claim, "the layer's products")?;
    let c = transcript.challenge();
    for (tree, values) in children {
        if let Some(tree) = trees.get_mut(tree) {
            *tree = Tree { point: extended(c, &point), value: interpolate(values, c) };
        }
    }
    Ok(())
}

/// Compares the claims on a memory's leaves with each other and with the memory's rows.
fn leaf_claims<S: Suite>(
    decomposition: &Decomposition<'_>,
    hash: &Hash<S::Challenge>,
    trees: &[Tree<S::Challenge>],
    transcript: &VerifierTranscript<'_, S>,
) -> Result<MemoryClaims<S::Challenge>, VerifyError> {
    let mut claims = MemoryClaims { point: Vec::new(), reads: Vec::new(), finals: Vec::new() };
    for (memory, trees) in decomposition.memories.iter().zip(trees.chunks_exact(4)) {
        let [read, write, init, last] = trees else { continue };
        let step = hash.step(memory);
        let inside = decomposition.layout.numerator(&read.point);
        transcript
            .check(write.value == read.value + step * inside, "that reads are written back with the next counter")?;
        transcript.check(init.value == hash.init_at::<S>(memory, &init.point), "the rows of a memory")?;
        let inverse = step.try_inverse().ok_or_else(|| unlucky(transcript, "that counters enter the fingerprints"))?;
        claims.finals.push((last.point.clone(), (last.value - init.value) * inverse));
        claims.reads.push(read.value - (S::Challenge::ONE - inside));
        claims.point.clone_from(&read.point);
    }
    Ok(claims)
}

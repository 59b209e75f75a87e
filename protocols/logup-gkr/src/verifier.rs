//! The verifier: from the two roots to claims on tensors and multiplicities.

use p3_field::PrimeCharacteristicRing;
use zkml_core::{Claim, Instance, Suite, VerifierTranscript, VerifyError, mle};
use zkml_sumcheck::lookup::{
    Fingerprint, Fraction, Layout, LeafClaim, read_roots, verify_table_leaves, verify_witness_leaves,
};
use zkml_sumcheck::{Weight, verify_rounds};

/// One tree's claim on its way from the root to the leaves.
struct TreeClaim<F> {
    depth: usize,
    /// Leaves with numerator 1 if these numerators are known (the witness tree).
    known_leaves: Option<usize>,
    leaf: LeafClaim<F>,
}

/// Numerators and denominators of the two children of a layer, at the bound point.
struct Children<F> {
    n: [F; 2],
    d: [F; 2],
}

impl<F: p3_field::Field> Children<F> {
    /// `n0 d1 + n1 d0 + λ d0 d1`.
    fn gate(&self, lambda: F) -> F {
        let ([n0, n1], [d0, d1]) = (self.n, self.d);
        n0 * d1 + n1 * d0 + lambda * d0 * d1
    }
}

impl<F: p3_field::Field> TreeClaim<F> {
    fn new(depth: usize, known_leaves: Option<usize>, root: Fraction<F>) -> Self {
        let leaf = LeafClaim { point: Vec::new(), numerator: root.numerator, denominator: root.denominator };
        Self { depth, known_leaves, leaf }
    }

    /// Moves the claim to `(c, point)`.
    fn merge(&mut self, children: &Children<F>, c: F, point: &[F]) {
        let ([n0, n1], [d0, d1]) = (children.n, children.d);
        self.leaf.numerator = n0 + c * (n1 - n0);
        self.leaf.denominator = d0 + c * (d1 - d0);
        self.leaf.point = core::iter::once(c).chain(point.iter().copied()).collect();
    }
}

/// Verifies a whole lookup; the claims are on the tuples' tensors, then on the multiplicities.
pub(crate) fn verify<S: Suite>(
    instance: &Instance<'_>,
    layout: &Layout,
    transcript: &mut VerifierTranscript<'_, S>,
) -> Result<Vec<Claim<S::Challenge>>, VerifyError> {
    transcript.absorb("lookup", instance.relation.scope().as_bytes());
    let fingerprint = Fingerprint::draw(layout.width(), || transcript.challenge());
    transcript.enter("tree");
    let (witness_root, table_root) = read_roots(transcript)?;
    let mut trees = [
        TreeClaim::new(layout.variables(), Some(layout.leaves()), witness_root),
        TreeClaim::new(layout.table_variables(), None, table_root),
    ];
    for k in 0..layout.variables().max(layout.table_variables()) {
        verify_layer(k, &mut trees, transcript)?;
    }
    transcript.leave();
    transcript.enter("leaves");
    let [witness, table] = &trees;
    let mut claims = verify_witness_leaves(instance, layout, &fingerprint, &witness.leaf, transcript)?;
    claims.push(verify_table_leaves(instance, &fingerprint, &table.leaf, transcript)?);
    transcript.leave();
    Ok(claims)
}

/// Layer `k`: from claims on `2^k` nodes to claims on their `2^(k+1)` children, for every tree deeper than `k`.
fn verify_layer<S: Suite>(
    k: usize,
    trees: &mut [TreeClaim<S::Challenge>],
    transcript: &mut VerifierTranscript<'_, S>,
) -> Result<(), VerifyError> {
    let mut active: Vec<_> = trees.iter_mut().filter(|t| t.depth > k).collect();
    let lambda = transcript.challenge();
    let rho = if active.len() > 1 { transcript.challenge() } else { S::Challenge::ONE };
    let target = combine(rho, active.iter().map(|t| t.leaf.numerator + lambda * t.leaf.denominator));
    let weights: Vec<_> = active.first().map_or(&[][..], |t| &t.leaf.point).iter().map(|&z| Weight::Eq(z)).collect();
    let (point, claim) = verify_rounds(&weights, 2, target, transcript)?;

    let children: Result<Vec<_>, _> = active.iter().map(|t| read_children(k, t, &point, transcript)).collect();
    let children = children?;
    let gates = combine(rho, children.iter().map(|c| c.gate(lambda)));
    transcript.check(gates == claim, "the layer's gate equation")?;
    let c = transcript.challenge();
    active.iter_mut().zip(&children).for_each(|(tree, children)| tree.merge(children, c, &point));
    Ok(())
}

/// Reads a tree's children at `point`; the numerators of the witness leaves are not sent, because they are known.
fn read_children<S: Suite>(
    k: usize,
    tree: &TreeClaim<S::Challenge>,
    point: &[S::Challenge],
    transcript: &mut VerifierTranscript<'_, S>,
) -> Result<Children<S::Challenge>, VerifyError> {
    if let Some(leaves) = tree.known_leaves.filter(|_| tree.depth == k + 1) {
        let n1 = mle::prefix_indicator(point, leaves.saturating_sub(1 << k));
        return Ok(Children { n: [S::Challenge::ONE, n1], d: transcript.read_array()? });
    }
    let [n0, n1, d0, d1] = transcript.read_array()?;
    Ok(Children { n: [n0, n1], d: [d0, d1] })
}

/// `Σ_t ρ^t value_t`.
fn combine<F: p3_field::Field>(rho: F, values: impl DoubleEndedIterator<Item = F>) -> F {
    values.rev().fold(F::ZERO, |sum, value| sum * rho + value)
}

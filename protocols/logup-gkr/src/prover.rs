//! The prover: builds both trees, then reduces them layer by layer.

mod eq;
mod gates;
mod lanes;
mod layer;
mod product;
mod tree;

use p3_field::{Field, PrimeCharacteristicRing};
use zkml_core::{Claim, Instance, ProveError, ProverTranscript, Suite, Witness};
use zkml_device::Device;
use zkml_sumcheck::lookup::{
    Fingerprint, Fraction, Layout, LeafClaim, LeafColumns, prove_witness_leaves, table_claim, table_leaves, write_roots,
};
use zkml_sumcheck::round::evaluate_round;

use eq::SplitEq;
use gates::Spare;
use layer::{Rounds, Setting};
use tree::{Layer, Tree};

/// Proves a whole lookup; the claims equal the verifier's.
pub(crate) fn prove<S: Suite>(
    instance: &Instance<'_>,
    layout: &Layout,
    witness: &Witness,
    transcript: &mut ProverTranscript<S>,
    device: &Device,
) -> Result<Vec<Claim<S::Challenge>>, ProveError> {
    transcript.absorb("lookup", instance.relation.scope().as_bytes());
    let no_advice =
        || ProveError::Witness { scope: transcript.scope(), what: "the multiplicities are missing".to_owned() };
    let multiplicities = witness.require(instance.program, *instance.advice.first().ok_or_else(no_advice)?)?;
    let columns = LeafColumns::new(instance, layout, witness)?;
    let fingerprint = Fingerprint::draw(layout.width(), || transcript.challenge());
    transcript.enter("tree");
    let leaves = Leaves { layout, columns: &columns, fingerprint: &fingerprint };
    let witness_tree = Tree::<S>::over_witness(&leaves, device)?;
    let table_tree = Tree::<S>::over_table(&table_leaves::<S>(instance, &fingerprint, &multiplicities), device)?;
    write_roots(witness_tree.root(), table_tree.root(), transcript)?;
    let [witness_leaf, table_leaf] = reduce([witness_tree, table_tree], &leaves, transcript, device)?;
    transcript.leave();
    transcript.enter("leaves");
    let mut claims = prove_witness_leaves(instance, layout, &columns, &witness_leaf.point, transcript)?;
    claims.extend(table_claim(instance, &table_leaf));
    transcript.leave();
    Ok(claims)
}

/// What the witness tree's leaves are computed from.
struct Leaves<'a, F> {
    layout: &'a Layout,
    columns: &'a LeafColumns<'a>,
    fingerprint: &'a Fingerprint<F>,
}

/// Numerators and denominators of a layer's two children at the bound point.
pub(crate) struct Children<F> {
    /// Of the children without and with the most significant index bit.
    pub(crate) n: [F; 2],
    /// Likewise.
    pub(crate) d: [F; 2],
    /// Whether the verifier knows the numerators.
    pub(crate) numerators_known: bool,
}

/// Reduces both trees from root to leaf claims, sending every layer's messages.
fn reduce<S: Suite>(
    mut trees: [Tree<S>; 2],
    leaves: &Leaves<'_, S::Challenge>,
    transcript: &mut ProverTranscript<S>,
    device: &Device,
) -> Result<[LeafClaim<S::Challenge>; 2], ProveError> {
    let mut claims = trees.each_ref().map(|tree| {
        let Fraction { numerator, denominator } = tree.root();
        LeafClaim { point: Vec::new(), numerator, denominator }
    });
    let mut spare = Spare::<S>::default();
    for k in 0..trees[0].depth().max(trees[1].depth()) {
        let active: Vec<usize> = (0..2).filter(|&t| trees[t].depth() > k).collect();
        let layers = active.iter().map(|&t| trees[t].take(k + 1)).collect();
        let active_claims: Vec<_> = active.iter().map(|&t| &claims[t]).collect();
        let (children, mut point) = prove_layer(layers, &active_claims, leaves, &mut spare, (transcript, device))?;
        let c = transcript.challenge();
        point.insert(0, c);
        for (&t, Children { n, d, .. }) in active.iter().zip(&children) {
            claims[t] = LeafClaim {
                point: point.clone(),
                numerator: n[0] + c * (n[1] - n[0]),
                denominator: d[0] + c * (d[1] - d[0]),
            };
        }
    }
    Ok(claims)
}

/// A layer's children at the bound point, by tree, and that point.
type Bound<F> = (Vec<Children<F>>, Vec<F>);

/// Proves one layer of the trees that have it, and sends the children's values.
fn prove_layer<S: Suite>(
    layers: Vec<Layer<S>>,
    claims: &[&LeafClaim<S::Challenge>],
    leaves: &Leaves<'_, S::Challenge>,
    spare: &mut Spare<S>,
    (transcript, device): (&mut ProverTranscript<S>, &Device),
) -> Result<Bound<S::Challenge>, ProveError> {
    let lambda = transcript.challenge();
    let rho = if claims.len() > 1 { transcript.challenge() } else { S::Challenge::ONE };
    let (z, scope) = (claims.first().map_or(&[][..], |claim| &claim.point), transcript.scope());
    let setting = Setting { leaves, lambda, z, device, scope: &scope };
    let rounds: Result<Vec<_>, _> = layers.into_iter().map(|layer| Rounds::new(layer, &setting, spare)).collect();
    let mut rounds = rounds?;
    let target = combine(rho, claims.iter().map(|claim| claim.numerator + lambda * claim.denominator));
    let point = sumcheck(z, target, rho, &mut rounds, transcript)?;
    let finished: Result<Vec<_>, _> = rounds.into_iter().map(|r| r.finish(&point)).collect();
    let (children, spares): (Vec<_>, Vec<_>) = finished?.into_iter().unzip();
    // The first tree is the witness tree, the only one whose leaf layer needs memory.
    *spare = spares.into_iter().next().unwrap_or_default();
    for values in &children {
        if !values.numerators_known {
            transcript.write(&values.n);
        }
        transcript.write(&values.d);
    }
    Ok((children, point))
}

/// The rounds of one layer; returns the bound point.
fn sumcheck<S: Suite>(
    z: &[S::Challenge],
    mut claim: S::Challenge,
    rho: S::Challenge,
    trees: &mut [Rounds<'_, S>],
    transcript: &mut ProverTranscript<S>,
) -> Result<Vec<S::Challenge>, ProveError> {
    if z.contains(&S::Challenge::ZERO) {
        return Err(ProveError::UnluckyChallenge { scope: transcript.scope(), what: "a coordinate is zero" });
    }
    let inverses = p3_field::batch_multiplicative_inverse(z);
    let mut eq = SplitEq::<S>::new(z.get(1..).unwrap_or(&[]));
    let mut point = Vec::with_capacity(z.len());
    for (i, &inverse) in inverses.iter().enumerate() {
        if i > 0 {
            eq.drop_leading();
        }
        let sums: Result<Vec<_>, _> = trees.iter_mut().map(|tree| tree.round(&point, z, &eq)).collect();
        let sums = sums?;
        let at_zero = combine(rho, sums.iter().map(|s| s[0]));
        let leading = combine(rho, sums.iter().map(|s| s[1]));
        // The claim is (1 - z) q(0) + z q(1) = q(0) + z (linear + leading).
        let linear = (claim - at_zero) * inverse - leading;
        transcript.write(&[linear, leading]);
        let r = transcript.challenge();
        claim = evaluate_round(at_zero, &[linear, leading], r);
        point.push(r);
    }
    Ok(point)
}

/// `Σ_t ρ^t value_t`.
fn combine<F: Field>(rho: F, values: impl DoubleEndedIterator<Item = F>) -> F {
    values.rev().fold(F::ZERO, |sum, value| sum * rho + value)
}

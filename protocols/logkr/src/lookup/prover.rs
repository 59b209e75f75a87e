//! The prover of a lookup.

use zkml_core::{Claim, Instance, ProveError, ProverTranscript, Suite, Witness};
use zkml_device::Device;
use zkml_sumcheck::lookup::{self, Fingerprint, Layout, LeafColumns};

use super::verifier::{table_leaf, witness_leaf};
use crate::Form;
use crate::fraction::{Tree, WitnessLeaves};

/// Proves a lookup: the messages of [`super::verify`].
pub(crate) fn prove<S: Suite>(
    form: Form,
    instance: &Instance<'_>,
    witness: &Witness,
    transcript: &mut ProverTranscript<S>,
    device: &Device,
) -> Result<Vec<Claim<S::Challenge>>, ProveError> {
    let layout = Layout::new(instance).map_err(|what| ProveError::Witness { scope: transcript.scope(), what })?;
    let columns = LeafColumns::new(instance, &layout, witness)?;
    let fingerprint = Fingerprint::draw(layout.width(), || transcript.challenge());
    let witness_tree = Tree::witness(WitnessLeaves::<S>::new(&columns, &layout, &fingerprint), device)?;
    let table_tree = table_tree::<S>(instance, witness, &fingerprint, transcript, device)?;
    lookup::write_roots(witness_tree.root(), table_tree.root(), transcript)?;

    transcript.enter("witness");
    let leaves = witness_tree.prove(form, transcript, device)?;
    let leaf = witness_leaf(&layout, leaves).ok_or_else(|| unlucky(transcript, "a leaf claim without denominators"))?;
    let mut claims = lookup::prove_witness_leaves(instance, &layout, &columns, &leaf.point, transcript)?;
    transcript.leave();

    transcript.enter("table");
    let leaves = table_tree.prove(form, transcript, device)?;
    let leaf = table_leaf::<S>(instance, &fingerprint, leaves)
        .ok_or_else(|| unlucky(transcript, "a leaf claim without numerators"))?;
    claims.push(lookup::table_claim(instance, &leaf).ok_or_else(|| no_advice(transcript))?);
    transcript.leave();
    Ok(claims)
}

/// The tree over `(-m_j, α - f(t_j))`.
fn table_tree<'a, S: Suite>(
    instance: &Instance<'_>,
    witness: &Witness,
    fingerprint: &Fingerprint<S::Challenge>,
    transcript: &ProverTranscript<S>,
    device: &Device,
) -> Result<Tree<'a, S>, ProveError> {
    let advice = *instance.advice.first().ok_or_else(|| no_advice(transcript))?;
    let multiplicities = witness.require(instance.program, advice)?;
    let leaves = lookup::table_leaves::<S>(instance, fingerprint, &multiplicities);
    let (numerators, denominators) = leaves.iter().map(|&(n, d)| (S::Challenge::from(n), d)).unzip();
    Tree::explicit(numerators, denominators, device)
}

fn no_advice<S: Suite>(transcript: &ProverTranscript<S>) -> ProveError {
    ProveError::Witness { scope: transcript.scope(), what: "the multiplicities are missing".to_owned() }
}

fn unlucky<S: Suite>(transcript: &ProverTranscript<S>, what: &'static str) -> ProveError {
    ProveError::UnluckyChallenge { scope: transcript.scope(), what }
}

//! The verifier: proof, verifying key and public values, all as bytes.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use zkml_commitment::{CommittedSuite, OpeningClaim};
use zkml_core::{Claim, ProtocolSet, RelationId, TensorId, VerifierTranscript, VerifyError, View, mle};

use crate::keys::{FixedValues, Values, VerifyingKey};
use crate::plan::Plan;
use crate::walk::{Side, walk};
use crate::{KeyError, PROOF_MAGIC, SoundnessReport, read_public, short_digest};

/// What an accepted proof shows.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct VerifyReport {
    /// Suite id.
    pub suite: String,
    /// Scopes of the relations proven.
    pub relations: Vec<String>,
    /// Soundness of the proof.
    pub soundness: SoundnessReport,
}

/// Verifies a proof from bytes alone.
///
/// Errors with [`VerifyError`] for every proof of another key, of other public values or of a false statement, and for
/// every altered one: nothing in a proof can be changed by itself. (Who knows the committed tensors, or grinds
/// another proof of work and redoes what follows it, can make a different valid proof of the same statement.)
///
/// The verifying key is trusted: for weights behind a commitment, the declared bounds were checked by whoever made
/// the key and are not proven again.
pub fn verify<S: CommittedSuite>(
    key: &[u8],
    public: &[u8],
    proof: &[u8],
    protocols: &dyn ProtocolSet<S>,
) -> Result<VerifyReport, VerifyError> {
    let statement = |e: KeyError| VerifyError::Statement { scope: "statement".to_owned(), what: e.to_string() };
    let verifying = VerifyingKey::from_bytes(key).map_err(statement)?;
    let plan = verifying.plan::<S>(protocols).map_err(statement)?;
    let values = read_public(plan.program(), public).map_err(statement)?;
    let mut known: BTreeMap<TensorId, Values> = values.into_iter().collect();
    known.extend(verifying.clear_values(&plan.fixed()));

    let messages = strip_header(key, public, proof)?;
    let mut transcript = VerifierTranscript::<S>::new(messages);
    transcript.absorb("verifying key", blake3::hash(key).as_bytes());
    transcript.absorb("public values", blake3::hash(public).as_bytes());
    let committed = plan.committed();
    let mut commitment = Vec::new();
    if !committed.is_empty() {
        transcript.enter("commitment");
        commitment = transcript.read_bytes(S::commitment_bytes(&plan.shapes(&committed)))?.to_vec();
        transcript.leave();
    }
    let mut side = VerifierSide { plan: &plan, key: &verifying, known, commitment, transcript };
    walk(&plan, &mut side)?;
    side.transcript.finish()?;
    let relations = plan.program().relations().iter().map(|r| r.scope().to_owned()).collect();
    Ok(VerifyReport { suite: S::ID.to_owned(), relations, soundness: plan.soundness() })
}

/// Checks that the proof was made for this key and these public values, so that swapped files are named as such.
fn strip_header<'a>(key: &[u8], public: &[u8], proof: &'a [u8]) -> Result<&'a [u8], VerifyError> {
    let error = |what: &str| VerifyError::Statement { scope: "proof header".to_owned(), what: what.to_owned() };
    let rest =
        proof.strip_prefix(PROOF_MAGIC).ok_or_else(|| error("this is not a proof: the first bytes are wrong"))?;
    let rest =
        rest.strip_prefix(&short_digest(key)).ok_or_else(|| error("the proof was made for another verifying key"))?;
    rest.strip_prefix(&short_digest(public)).ok_or_else(|| error("the proof was made for other public values"))
}

struct VerifierSide<'a, S: CommittedSuite> {
    plan: &'a Plan<S>,
    key: &'a VerifyingKey,
    known: BTreeMap<TensorId, Values>,
    commitment: Vec<u8>,
    transcript: VerifierTranscript<'a, S>,
}

impl<S: CommittedSuite> VerifierSide<'_, S> {
    fn malformed(&self) -> VerifyError {
        VerifyError::Statement { scope: self.transcript.scope(), what: "the plan names no such relation".to_owned() }
    }
}

impl<S: CommittedSuite> Side<S> for VerifierSide<'_, S> {
    type Error = VerifyError;

    fn known(&self, tensor: TensorId, point: &[S::Challenge]) -> Result<Option<S::Challenge>, VerifyError> {
        let Some(values) = self.known.get(&tensor) else { return Ok(None) };
        let value = |i: usize| S::from_i64(values.get(i).copied().unwrap_or(0));
        Ok(Some(mle::evaluate(&self.plan.shape(tensor), point, value)))
    }

    fn exchange(&mut self, _: TensorId, _: &[S::Challenge]) -> Result<S::Challenge, VerifyError> {
        let [value] = self.transcript.read_array()?;
        Ok(value)
    }

    fn reduce(
        &mut self,
        id: RelationId,
        claim: Option<&Claim<S::Challenge>>,
    ) -> Result<Vec<Claim<S::Challenge>>, VerifyError> {
        let protocol = self.plan.protocol(id).ok_or_else(|| self.malformed())?;
        let instance = self.plan.instance(id).ok_or_else(|| self.malformed())?;
        protocol.verify(&instance, claim, &mut self.transcript)
    }

    fn view(&mut self, view: &View, claim: &Claim<S::Challenge>) -> Result<Claim<S::Challenge>, VerifyError> {
        let (output, input) = (self.plan.shape(view.output), self.plan.shape(view.input));
        zkml_sumcheck::view::verify(view, &output, &input, claim, &mut self.transcript)
    }

    fn merge(&mut self, tensor: TensorId, claims: &[Claim<S::Challenge>]) -> Result<Claim<S::Challenge>, VerifyError> {
        let variables = self.plan.shape(tensor).variables();
        zkml_sumcheck::merge::verify_merge(tensor, variables, claims, &mut self.transcript)
    }

    fn open_committed(&mut self, claims: &[OpeningClaim<S::Challenge>]) -> Result<(), VerifyError> {
        let shapes = self.plan.shapes(&self.plan.committed());
        S::verify_opening(&shapes, &self.commitment, claims, &mut self.transcript)
    }

    fn open_fixed(&mut self, claims: &[OpeningClaim<S::Challenge>]) -> Result<(), VerifyError> {
        let shapes = self.plan.shapes(&self.plan.fixed());
        match &self.key.fixed {
            FixedValues::Committed(bytes) => S::verify_opening(&shapes, bytes, claims, &mut self.transcript),
            FixedValues::Clear(_) => Err(self.malformed()),
        }
    }

    fn check(&self, holds: bool, what: &'static str) -> Result<(), VerifyError> {
        self.transcript.check(holds, what)
    }

    fn challenges(&mut self, count: usize) -> Vec<S::Challenge> {
        self.transcript.challenges(count)
    }

    fn enter(&mut self, _: &'static str, label: &str) {
        self.transcript.enter(label);
    }

    fn leave(&mut self) {
        self.transcript.leave();
    }
}

//! The two traits by which a protocol proves a relation.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use crate::{
    Claim, Cost, ErrorTerm, Program, Refusal, Relation, Shape, Suite, TensorId, VerifierTranscript, VerifyError,
};
#[cfg(feature = "prover")]
use crate::{ProveError, ProverTranscript, Witness};

/// The place of a layer that a protocol can fill.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Slot {
    /// Proves [`crate::Einsum`] relations.
    Einsum,
    /// Proves [`crate::Lookup`] relations.
    Lookup,
}

impl fmt::Display for Slot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Einsum => "einsum",
            Self::Lookup => "lookup",
        })
    }
}

/// One relation of a program, as a protocol sees it.
#[derive(Clone, Copy, Debug)]
pub struct Instance<'a> {
    /// The whole program, advice tensors included.
    pub program: &'a Program,
    /// The relation to prove.
    pub relation: &'a Relation,
    /// The tensors that hold this protocol's advice for this relation, in the order of
    /// [`LayerVerifier::advice_specs`].
    pub advice: &'a [TensorId],
}

impl Instance<'_> {
    /// Shape of a tensor of the program (a scalar for a foreign id, which [`Program::check`] rules out).
    pub fn shape(&self, tensor: TensorId) -> Shape {
        self.program.get(tensor).map_or_else(Shape::scalar, |t| t.shape.clone())
    }
}

/// A column that a protocol wants committed before any challenge is drawn.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AdviceSpec {
    /// Name within the relation, e.g. `multiplicities`.
    pub name: String,
    /// True shape.
    pub shape: Shape,
}

/// What a protocol is, for `list` and `describe`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProtocolInfo {
    /// Name used in experiment files.
    pub id: &'static str,
    /// One line.
    pub about: &'static str,
    /// Paper and construction.
    pub paper: &'static str,
    /// Slots it can fill.
    pub slots: &'static [Slot],
    /// Options, each as `name: values`, default first.
    pub options: &'static [(&'static str, &'static [&'static str])],
    /// The protocol that fills the other slot when a layer names only this one; `None` if it fills both.
    pub companion: Option<&'static str>,
    /// Setup and hiding, in words.
    pub setup: &'static str,
}

/// The verifying half of a protocol. Implementations never panic on any proof bytes.
pub trait LayerVerifier<S: Suite>: Send + Sync {
    /// What the protocol is.
    fn info(&self) -> ProtocolInfo;

    /// Whether it can prove the relation, and if not, why.
    fn supports(&self, instance: &Instance<'_>) -> Result<(), Refusal>;

    /// The columns it wants committed along with the witness. They depend on the relation only.
    fn advice_specs(&self, instance: &Instance<'_>) -> Vec<AdviceSpec>;

    /// Reads this relation's messages. `claim` is on the output of an einsum and absent for a lookup. Returns the
    /// claims on the relation's inputs and on the advice that remain to be proven.
    fn verify(
        &self,
        instance: &Instance<'_>,
        claim: Option<&Claim<S::Challenge>>,
        transcript: &mut VerifierTranscript<'_, S>,
    ) -> Result<Vec<Claim<S::Challenge>>, VerifyError>;

    /// Every way in which this relation's part can go wrong, with its probability.
    fn soundness(&self, instance: &Instance<'_>) -> Vec<ErrorTerm>;

    /// Predicted prover operations, proof size and advice.
    fn cost(&self, instance: &Instance<'_>) -> Cost;
}

/// The proving half. Sends exactly the messages that [`LayerVerifier::verify`] reads.
#[cfg(feature = "prover")]
pub trait LayerProver<S: Suite>: LayerVerifier<S> {
    /// The advice columns, in the order of [`LayerVerifier::advice_specs`].
    fn advice(&self, instance: &Instance<'_>, witness: &Witness) -> Result<Vec<zkml_device::Column>, ProveError>;

    /// Proves the relation; the returned claims equal the verifier's.
    fn prove(
        &self,
        instance: &Instance<'_>,
        witness: &Witness,
        claim: Option<&Claim<S::Challenge>>,
        transcript: &mut ProverTranscript<S>,
        device: &zkml_device::Device,
    ) -> Result<Vec<Claim<S::Challenge>>, ProveError>;
}

/// The object a layer is proven with: both halves, or the verifying one alone.
#[cfg(feature = "prover")]
pub type SharedProtocol<S> = Arc<dyn LayerProver<S>>;
/// The object a layer is proven with: both halves, or the verifying one alone.
#[cfg(not(feature = "prover"))]
pub type SharedProtocol<S> = Arc<dyn LayerVerifier<S>>;

/// Builds protocols by name. The registry implements it; the model driver only knows this trait.
pub trait ProtocolSet<S: Suite>: Send + Sync {
    /// The protocol `id` with the given options, or what is wrong with them.
    fn build(&self, id: &str, options: &BTreeMap<String, String>) -> Result<SharedProtocol<S>, String>;
}

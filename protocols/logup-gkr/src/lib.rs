//! LogUp-GKR: lookups as sums of fractions, proven by a layered sumcheck [Papini-Haböck 2023/1284].
//!
//! # Statement
//! Every row of every tuple of a [`zkml_core::Lookup`] occurs in its table:
//! `Σ_i 1/(α - f(w_i)) - Σ_j m_j/(α - f(t_j)) = 0` (see [`zkml_sumcheck::lookup`]).
//!
//! # Messages
//! Two binary trees add the fractions of the witness and of the table: node `(n, d)` has children at `x` and
//! `x + half`, `n = n0 d1 + n1 d0`, `d = d0 d1` [section 3.1]. Both are reduced together, from the root.
//!
//! | step | prover | verifier |
//! |---|---|---|
//! | challenges | | `β` (if the table has several columns), `α` |
//! | roots | `n_w, d_w, n_t, d_t` | `n_w d_t + n_t d_w = 0`, `d_w ≠ 0`, `d_t ≠ 0` |
//! | layer `k = 0, 1, …` of the trees deeper than `k` | | `λ`; `ρ` if both take part |
//! | `k` rounds | coefficients of `X, X²` of the eq-free round polynomial | `r_i` |
//! | children at `r` | `n0, n1, d0, d1` per tree (`d0, d1` for the witness leaves) | `Σ_t ρ^t (n0 d1 + n1 d0 + λ d0 d1)` is the running claim |
//! | merge | | `c`; the claims move to `z = (c, r)` |
//! | witness leaves | one value per block and column | they recombine to the leaf claim |
//! | table leaves | | the table is evaluated; a claim on the multiplicities remains |
//!
//! The children's values are absorbed before `c` is drawn; otherwise a false root can be proven.
//!
//! # Prover cost
//! In extension products per leaf of a witness of `N` leaves (details in `papers/logup-gkr.md`): 2 to build the tree,
//! 3 for the leaf layer (a product of two columns, `D0 D1` with `D = n + λ d`), 5.5 for the other layers.
//!
//! # Devices
//! A device gets the witness columns as integers, in leaf order. It adds the trees up and keeps their levels; each layer's rounds
//! run over the halves of its level, until the host takes over what is left. The levels near the root are the host's.

mod cost;
mod verifier;

#[cfg(feature = "prover")]
mod prover;

use zkml_core::{
    AdviceSpec, Claim, Cost, ErrorTerm, Instance, LayerVerifier, ProtocolInfo, Refusal, Slot, Suite,
    VerifierTranscript, VerifyError,
};
#[cfg(feature = "prover")]
use zkml_core::{LayerProver, ProveError, ProverTranscript, Witness};
use zkml_sumcheck::lookup::{self, Layout};

/// The name in experiment files and transcripts.
pub const ID: &str = "logup-gkr";

/// The protocol.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LogupGkr;

impl LogupGkr {
    fn layout(instance: &Instance<'_>) -> Result<Layout, Refusal> {
        Layout::new(instance).map_err(|reason| Refusal { protocol: ID, relation: instance.relation.kind(), reason })
    }
}

impl<S: Suite> LayerVerifier<S> for LogupGkr {
    fn info(&self) -> ProtocolInfo {
        ProtocolInfo {
            id: ID,
            about: "lookups as sums of fractions, added up in a tree and proven layer by layer",
            paper: "Papini-Haböck, eprint 2023/1284, section 3",
            slots: &[Slot::Lookup],
            options: &[],
            companion: Some("sumcheck"),
            setup: "none; the proof hides nothing",
        }
    }

    fn supports(&self, instance: &Instance<'_>) -> Result<(), Refusal> {
        Self::layout(instance).map(|_| ())
    }

    fn advice_specs(&self, instance: &Instance<'_>) -> Vec<AdviceSpec> {
        lookup::advice_specs(instance)
    }

    fn verify(
        &self,
        instance: &Instance<'_>,
        _claim: Option<&Claim<S::Challenge>>,
        transcript: &mut VerifierTranscript<'_, S>,
    ) -> Result<Vec<Claim<S::Challenge>>, VerifyError> {
        let layout = Self::layout(instance)
            .map_err(|e| VerifyError::Statement { scope: transcript.scope(), what: e.to_string() })?;
        verifier::verify(instance, &layout, transcript)
    }

    fn soundness(&self, instance: &Instance<'_>) -> Vec<ErrorTerm> {
        Self::layout(instance).map_or_else(|_| Vec::new(), |layout| cost::soundness(&layout, S::challenge_bits()))
    }

    fn cost(&self, instance: &Instance<'_>) -> Cost {
        Self::layout(instance).map_or_else(|_| Cost::default(), |layout| cost::cost(&layout))
    }
}

#[cfg(feature = "prover")]
impl<S: Suite> LayerProver<S> for LogupGkr {
    fn advice(&self, instance: &Instance<'_>, witness: &Witness) -> Result<Vec<zkml_device::Column>, ProveError> {
        Self::layout(instance)?;
        Ok(vec![lookup::multiplicities(instance, witness)?])
    }

    fn prove(
        &self,
        instance: &Instance<'_>,
        witness: &Witness,
        _claim: Option<&Claim<S::Challenge>>,
        transcript: &mut ProverTranscript<S>,
        device: &zkml_device::Device,
    ) -> Result<Vec<Claim<S::Challenge>>, ProveError> {
        let layout = Self::layout(instance)?;
        prover::prove(instance, &layout, witness, transcript, device)
    }
}

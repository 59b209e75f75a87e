//! Lasso: lookups by offline memory checking [Setty-Thaler-Wahby, eprint 2023/1216].
//!
//! # Statement
//! Every row of every tuple of a [`zkml_core::Lookup`] occurs in its table. The table splits into memories, one per chunk of
//! bits of its row number; every lookup reads one row of each, and the rows read compose to the tuple. Reading is
//! checked by counters: with `e` the row read, `t` a counter, `f` a row's last counter,
//!
//! ```text
//! { (T[k], 0) }_k  ∪  { (e_j, t_j + 1) }_j   =   { (e_j, t_j) }_j  ∪  { (T[k], f_k) }_k      as multisets, per memory.
//! ```
//!
//! `papers/lasso.md` has the argument, the messages, the error terms and the cost table.
//!
//! # Messages
//!
//! | step | prover | verifier |
//! |---|---|---|
//! | before any challenge | chunks, read counters, final counters: advice | |
//! | challenges | | `γ`, `τ`: fingerprints `R = Σ γ^l e_l + δ t - τ`, `W = R + δ`, `I`, `F` |
//! | roots | `Π R, Π W, Π I, Π F` per memory | none is zero, `Π I · Π W = Π R · Π F` |
//! | layers | eq-free rounds, children of each tree | one sumcheck for all trees of a layer |
//! | leaves | values of columns and chunks | counters have what is missing: claims |
//! | primary sumcheck | where `g` is not linear | |
//!
//! With [`MemoryCheck::Logup`] two sums of fractions per memory, `Σ 1/(R W)` and `Σ -f/(I F)`, replace the products.
//!
//! | module | holds |
//! |---|---|
//! | `decompose`, `piecewise` | memories of a table, read off its rows |
//! | `hash` | fingerprints |
//! | `verifier`, `prover` | `product`, `fraction`: the two memory checks; `close`: from leaves to claims |
//! | `cost`, `soundness` | predictions |

mod cost;
mod decompose;
mod hash;
mod options;
mod piecewise;
mod soundness;
mod verifier;

#[cfg(feature = "prover")]
mod prover;

use std::collections::BTreeMap;

use zkml_core::{
    AdviceSpec, Claim, Cost, ErrorTerm, Instance, LayerVerifier, ProtocolInfo, Refusal, Slot, Suite,
    VerifierTranscript, VerifyError,
};
#[cfg(feature = "prover")]
use zkml_core::{LayerProver, ProveError, ProverTranscript, Witness};

use decompose::Decomposition;
use options::ID;

pub use options::{Chunks, MemoryCheck};

/// The protocol.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Lasso {
    chunks: Chunks,
    check: MemoryCheck,
}

impl Lasso {
    /// The protocol with these options.
    pub fn new(chunks: Chunks, check: MemoryCheck) -> Self {
        Self { chunks, check }
    }

    /// The protocol with options as an experiment file gives them: `chunks` and `memory_check`.
    pub fn from_options(options: &BTreeMap<String, String>) -> Result<Self, String> {
        let (chunks, check) = options::parse(options)?;
        Ok(Self { chunks, check })
    }

    fn decompose<'a, S: Suite>(self, instance: &Instance<'a>) -> Result<Decomposition<'a>, Refusal> {
        Decomposition::new(instance, self.chunks, S::base_bits()).map_err(|reason| Refusal {
            protocol: ID,
            relation: instance.relation.kind(),
            reason,
        })
    }
}

impl<S: Suite> LayerVerifier<S> for Lasso {
    fn info(&self) -> ProtocolInfo {
        ProtocolInfo {
            id: ID,
            about: "lookups as reads of small memories, checked by counters and grand products",
            paper: "Setty-Thaler-Wahby, eprint 2023/1216, sections 4 and 5",
            slots: &[Slot::Lookup],
            options: &[("memory_check", options::MEMORY_CHECKS), ("chunks", options::CHUNKS)],
            companion: Some("sumcheck"),
            setup: "none; the proof hides nothing",
        }
    }

    fn supports(&self, instance: &Instance<'_>) -> Result<(), Refusal> {
        self.decompose::<S>(instance).map(|_| ())
    }

    fn advice_specs(&self, instance: &Instance<'_>) -> Vec<AdviceSpec> {
        self.decompose::<S>(instance).ok().and_then(|d| d.advice_specs()).unwrap_or_default()
    }

    fn verify(
        &self,
        instance: &Instance<'_>,
        _claim: Option<&Claim<S::Challenge>>,
        transcript: &mut VerifierTranscript<'_, S>,
    ) -> Result<Vec<Claim<S::Challenge>>, VerifyError> {
        let decomposition = self
            .decompose::<S>(instance)
            .map_err(|e| VerifyError::Statement { scope: transcript.scope(), what: e.to_string() })?;
        verifier::verify(self.check, instance, &decomposition, transcript)
    }

    fn soundness(&self, instance: &Instance<'_>) -> Vec<ErrorTerm> {
        let terms = |d: Decomposition<'_>| soundness::terms(self.check, &d, S::challenge_bits());
        self.decompose::<S>(instance).map_or_else(|_| Vec::new(), terms)
    }

    fn cost(&self, instance: &Instance<'_>) -> Cost {
        self.decompose::<S>(instance).map_or_else(|_| Cost::default(), |d| cost::cost::<S>(self.check, &d))
    }
}

#[cfg(feature = "prover")]
impl<S: Suite> LayerProver<S> for Lasso {
    fn advice(&self, instance: &Instance<'_>, witness: &Witness) -> Result<Vec<zkml_device::Column>, ProveError> {
        prover::advice(instance, &self.decompose::<S>(instance)?, witness)
    }

    fn prove(
        &self,
        instance: &Instance<'_>,
        witness: &Witness,
        _claim: Option<&Claim<S::Challenge>>,
        transcript: &mut ProverTranscript<S>,
        device: &zkml_device::Device,
    ) -> Result<Vec<Claim<S::Challenge>>, ProveError> {
        prover::prove(self.check, instance, &self.decompose::<S>(instance)?, witness, transcript, device)
    }
}

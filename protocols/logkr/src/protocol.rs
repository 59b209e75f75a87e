//! The protocol object.

use std::collections::BTreeMap;

use zkml_core::{
    AdviceSpec, Claim, Cost, ErrorTerm, Instance, LayerVerifier, ProtocolInfo, Refusal, Relation, Slot, Suite,
    VerifierTranscript, VerifyError,
};
#[cfg(feature = "prover")]
use zkml_core::{LayerProver, ProveError, ProverTranscript, Witness};
use zkml_sumcheck::lookup::{Layout, advice_specs};

use crate::{Form, cost, einsum, lookup, soundness};

const ID: &str = "logkr";

/// Einsum and Lookup over squaring circuits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LogKr {
    form: Form,
}

impl LogKr {
    /// The protocol in one of its forms.
    pub fn new(form: Form) -> Self {
        Self { form }
    }

    /// The protocol with options as an experiment file gives them; the only one is `form`.
    pub fn from_options(options: &BTreeMap<String, String>) -> Result<Self, String> {
        let mut form = Form::default();
        for (key, value) in options {
            match key.as_str() {
                "form" => form = value.parse()?,
                _ => return Err(format!("`{key}` is not an option of {ID}; the only one is `form`")),
            }
        }
        Ok(Self { form })
    }

    /// The form.
    pub fn form(self) -> Form {
        self.form
    }
}

impl<S: Suite> LayerVerifier<S> for LogKr {
    fn info(&self) -> ProtocolInfo {
        ProtocolInfo {
            id: ID,
            about: "one claim per layer: sums of squares in place of products, for sums, products and lookups",
            paper: "Soukhanov, eprint 2023/1611 (squaring circuits), over Papini-Haböck, eprint 2023/1284 (LogUp-GKR)",
            slots: &[Slot::Einsum, Slot::Lookup],
            options: &[("form", &["square", "half-square", "product"])],
            companion: None,
            setup: "no setup, not hiding",
        }
    }

    fn supports(&self, instance: &Instance<'_>) -> Result<(), Refusal> {
        let reason = match instance.relation {
            Relation::Einsum(einsum) => einsum::predict::<S>(self.form, instance, einsum).err(),
            Relation::Lookup(_) => Layout::new(instance).err(),
            Relation::Affine(_) | Relation::View(_) => Some("affine relations and views are built in".to_owned()),
        };
        match reason {
            None => Ok(()),
            Some(reason) => Err(Refusal { protocol: ID, relation: instance.relation.kind(), reason }),
        }
    }

    fn advice_specs(&self, instance: &Instance<'_>) -> Vec<AdviceSpec> {
        advice_specs(instance)
    }

    fn verify(
        &self,
        instance: &Instance<'_>,
        claim: Option<&Claim<S::Challenge>>,
        transcript: &mut VerifierTranscript<'_, S>,
    ) -> Result<Vec<Claim<S::Challenge>>, VerifyError> {
        transcript.enter(ID);
        transcript.absorb("form", self.form.name().as_bytes());
        let claims = match (instance.relation, claim) {
            (Relation::Lookup(_), None) => lookup::verify(self.form, instance, transcript)?,
            (Relation::Einsum(einsum), Some(claim)) => einsum::verify(self.form, instance, einsum, claim, transcript)?,
            _ => return Err(VerifyError::Statement { scope: transcript.scope(), what: misfit(instance) }),
        };
        transcript.leave();
        Ok(claims)
    }

    fn soundness(&self, instance: &Instance<'_>) -> Vec<ErrorTerm> {
        soundness::terms::<S>(self.form, instance)
    }

    fn cost(&self, instance: &Instance<'_>) -> Cost {
        cost::predict::<S>(self.form, instance)
    }
}

#[cfg(feature = "prover")]
impl<S: Suite> LayerProver<S> for LogKr {
    fn advice(&self, instance: &Instance<'_>, witness: &Witness) -> Result<Vec<zkml_device::Column>, ProveError> {
        match instance.relation {
            Relation::Lookup(_) => Ok(vec![zkml_sumcheck::lookup::multiplicities(instance, witness)?]),
            Relation::Einsum(_) | Relation::Affine(_) | Relation::View(_) => Ok(Vec::new()),
        }
    }

    fn prove(
        &self,
        instance: &Instance<'_>,
        witness: &Witness,
        claim: Option<&Claim<S::Challenge>>,
        transcript: &mut ProverTranscript<S>,
        device: &zkml_device::Device,
    ) -> Result<Vec<Claim<S::Challenge>>, ProveError> {
        transcript.enter(ID);
        transcript.absorb("form", self.form.name().as_bytes());
        let claims = match (instance.relation, claim) {
            (Relation::Lookup(_), None) => lookup::prove(self.form, instance, witness, transcript, device)?,
            (Relation::Einsum(einsum), Some(claim)) => {
                einsum::prove(self.form, instance, einsum, witness, claim, transcript, device)?
            }
            _ => return Err(ProveError::Witness { scope: transcript.scope(), what: misfit(instance) }),
        };
        transcript.leave();
        Ok(claims)
    }
}

fn misfit(instance: &Instance<'_>) -> String {
    let kind = instance.relation.kind();
    format!("logkr proves an einsum with a claim on its output or a lookup without one; this is an {kind}")
}

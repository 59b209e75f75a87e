//! Protocols that are not written yet.

use zkml_core::{LayerProver, ProverTranscript, Slot, Suite, VerifierTranscript};
use zkml_device::Device;

use crate::cases::{self, Case};
use crate::{Failure, seed};

/// Random relations that must be declined, besides the edge cases.
const RANDOM_CASES: usize = 10;

/// Every relation is refused with a reason: by `supports`, by the advice, by the prover, and by the verifier whatever it
/// reads. A protocol that proves something belongs into the whole suite.
pub fn every_relation_is_declined<S: Suite>(protocol: &dyn LayerProver<S>, slot: Slot) -> Result<(), Failure> {
    let mut cases = cases::all(slot, seed(), RANDOM_CASES)?;
    cases.extend(cases::to_tamper(slot, seed())?);
    for case in cases {
        declined(protocol, &case).map_err(|what| Failure::new(format!("{}: {what}", case.name)))?;
    }
    Ok(())
}

fn declined<S: Suite>(protocol: &dyn LayerProver<S>, case: &Case) -> Result<(), String> {
    let instance = case.instance().map_err(|e| e.to_string())?;
    let Err(refusal) = protocol.supports(&instance) else {
        return Err("it is not declined: test the protocol with `conformance!` without `declines`".to_owned());
    };
    if refusal.protocol != protocol.info().id || refusal.reason.trim().is_empty() {
        return Err(format!("a refusal names the protocol and a reason, this one says: {refusal}"));
    }
    if protocol.advice(&instance, &case.witness).is_ok() {
        return Err("there is advice for a relation that is declined".to_owned());
    }
    let claim = None;
    if protocol.prove(&instance, &case.witness, claim, &mut ProverTranscript::new(), &Device::cpu()).is_ok() {
        return Err("there is a proof of a relation that is declined".to_owned());
    }
    for proof in [&[][..], &[0; 1 << 10]] {
        if protocol.verify(&instance, claim, &mut VerifierTranscript::new(proof)).is_ok() {
            return Err(format!("the verifier accepts {} bytes for a relation that is declined", proof.len()));
        }
    }
    Ok(())
}

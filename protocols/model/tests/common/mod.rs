//! Statements by protocol names, and their files.
#![allow(dead_code, reason = "each test file uses a part")]

use zkml_commitment::CommittedSuite;
use zkml_core::{Program, ProtocolSet, Witness};
use zkml_device::Device;
use zkml_model::{Assignment, Plan, ProvingKey, Statement, public_bytes};
use zkml_registry::Registry;

/// The statement of a program, with one protocol per slot.
pub(crate) fn statement<S: CommittedSuite>(program: &Program, einsum: &str, lookup: &str) -> Statement {
    Statement {
        suite: S::ID.to_owned(),
        program: program.clone(),
        assignments: Statement::assign(program, &Assignment::new(einsum), &Assignment::new(lookup)),
        security_bits: S::SECURITY_BITS,
        allow_weak: false,
    }
}

/// Key, public values and proof as bytes.
pub(crate) fn prove<S: CommittedSuite>(program: &Program, witness: &Witness, einsum: &str, lookup: &str) -> [Vec<u8>; 3]
where
    Registry: ProtocolSet<S>,
{
    let plan = Plan::<S>::new(statement::<S>(program, einsum, lookup), &Registry).unwrap();
    let key = ProvingKey::new(plan, witness).unwrap();
    let proof = zkml_model::prove(&key, witness, &Device::cpu()).unwrap();
    assert_eq!(proof.breakdown.iter().map(|s| s.bytes).sum::<usize>() + 40, proof.bytes.len());
    let public = public_bytes(program, witness).unwrap();
    [key.verifying_bytes().to_vec(), public, proof.bytes]
}

/// The verifier's verdict.
pub(crate) fn accepts<S: CommittedSuite>([key, public, proof]: &[Vec<u8>; 3]) -> bool
where
    Registry: ProtocolSet<S>,
{
    zkml_model::verify::<S>(key, public, proof, &Registry).is_ok()
}

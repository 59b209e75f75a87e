//! Proving and verifying keys.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use zkml_commitment::CommittedSuite;
#[cfg(feature = "prover")]
use zkml_core::Witness;
use zkml_core::{ProtocolSet, TensorId};
#[cfg(feature = "prover")]
use zkml_device::Device;

use crate::plan::Plan;
use crate::public::check_bounds;
use crate::{KEY_MAGIC, KeyError, Statement};

/// Values of one tensor, widened.
pub(crate) type Values = Arc<Vec<i64>>;

/// How a key holds the fixed tensors.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum FixedValues {
    /// In the clear, in the program's order: few enough for the verifier to evaluate.
    Clear(Vec<Vec<i64>>),
    /// Behind one commitment.
    Committed(Vec<u8>),
}

/// What the verifier needs besides public values and proof. Its bytes are the statement: the transcript
/// absorbs their digest first.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct VerifyingKey {
    /// What is proven.
    pub statement: Statement,
    /// The fixed tensors.
    pub fixed: FixedValues,
}

impl VerifyingKey {
    /// The key as a file: a magic number, then postcard.
    pub fn to_bytes(&self) -> Result<Vec<u8>, KeyError> {
        let format = |e: postcard::Error| KeyError::Format { what: "verifying key", reason: e.to_string() };
        let mut bytes = KEY_MAGIC.to_vec();
        bytes.extend(postcard::to_stdvec(self).map_err(format)?);
        Ok(bytes)
    }

    /// Reads a key; only the bytes that [`VerifyingKey::to_bytes`] writes are accepted.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, KeyError> {
        let format = |reason: String| KeyError::Format { what: "verifying key", reason };
        let body = bytes.strip_prefix(KEY_MAGIC).ok_or_else(|| format("the first bytes are wrong".to_owned()))?;
        let (key, rest): (Self, &[u8]) = postcard::take_from_bytes(body).map_err(|e| format(e.to_string()))?;
        if !rest.is_empty() {
            return Err(format(format!("{} bytes are left over", rest.len())));
        }
        if key.to_bytes()? != bytes {
            return Err(format("it is not canonically encoded".to_owned()));
        }
        Ok(key)
    }

    /// Plans the key's statement and checks that the fixed values fit it.
    pub(crate) fn plan<S: CommittedSuite>(&self, protocols: &dyn ProtocolSet<S>) -> Result<Plan<S>, KeyError> {
        let plan = Plan::<S>::new(self.statement.clone(), protocols)?;
        let format = |reason: String| KeyError::Format { what: "verifying key", reason };
        let fixed = plan.fixed();
        match &self.fixed {
            FixedValues::Clear(columns) => {
                if !plan.fixed_in_clear() || columns.len() != fixed.len() {
                    return Err(format("it holds the wrong number of fixed tensors".to_owned()));
                }
                for (&tensor, column) in fixed.iter().zip(columns) {
                    let Some(info) = plan.program().get(tensor) else { continue };
                    if column.len() != info.shape.cells() {
                        return Err(format(format!("`{}` has {} values", info.name, column.len())));
                    }
                    check_bounds(&info.name, info.bounds, column)?;
                }
            }
            FixedValues::Committed(bytes) => {
                let expected = S::commitment_bytes(&plan.shapes(&fixed));
                if plan.fixed_in_clear() || bytes.len() != expected {
                    return Err(format("its commitment has the wrong length".to_owned()));
                }
            }
        }
        Ok(plan)
    }

    /// The fixed tensors listed in the clear.
    pub(crate) fn clear_values(&self, fixed: &[TensorId]) -> BTreeMap<TensorId, Values> {
        match &self.fixed {
            FixedValues::Clear(columns) => {
                fixed.iter().copied().zip(columns.iter().map(|c| Arc::new(c.clone()))).collect()
            }
            FixedValues::Committed(_) => BTreeMap::new(),
        }
    }
}

/// The suite that a verifying key is over, read without planning it.
pub fn suite_of_key(bytes: &[u8]) -> Result<String, KeyError> {
    Ok(VerifyingKey::from_bytes(bytes)?.statement.suite)
}

/// What the prover keeps between proofs: the plan, the key file, and the weights' commitment.
#[cfg(feature = "prover")]
pub struct ProvingKey<S: CommittedSuite> {
    pub(crate) plan: Plan<S>,
    pub(crate) verifying: VerifyingKey,
    pub(crate) verifying_bytes: Vec<u8>,
    pub(crate) fixed_data: Option<S::ProverData>,
}

#[cfg(feature = "prover")]
impl<S: CommittedSuite> ProvingKey<S> {
    /// Commits to the fixed tensors, whose values come from `witness`.
    pub fn new(plan: Plan<S>, witness: &Witness) -> Result<Self, KeyError> {
        let fixed = plan.fixed();
        let mut columns = Vec::with_capacity(fixed.len());
        for &tensor in &fixed {
            let column = witness.require(plan.program(), tensor)?;
            if let Some(info) = plan.program().get(tensor) {
                check_bounds(&info.name, info.bounds, &column.to_i64())?;
            }
            columns.push(column);
        }
        let (values, fixed_data) = if plan.fixed_in_clear() {
            (FixedValues::Clear(columns.iter().map(|c| c.to_i64()).collect()), None)
        } else {
            let (bytes, data) = S::commit(&plan.shapes(&fixed), &columns, &Device::cpu())?;
            (FixedValues::Committed(bytes), Some(data))
        };
        let verifying = VerifyingKey { statement: plan.statement().clone(), fixed: values };
        let verifying_bytes = verifying.to_bytes()?;
        Ok(Self { plan, verifying, verifying_bytes, fixed_data })
    }

    /// The plan that the key was made for.
    pub fn plan(&self) -> &Plan<S> {
        &self.plan
    }

    /// The verifying key.
    pub fn verifying_key(&self) -> &VerifyingKey {
        &self.verifying
    }

    /// The verifying key as a file.
    pub fn verifying_bytes(&self) -> &[u8] {
        &self.verifying_bytes
    }
}

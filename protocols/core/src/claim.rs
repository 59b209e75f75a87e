//! What is left to prove about a tensor.

use serde::{Deserialize, Serialize};

use crate::TensorId;

/// "The multilinear extension of `tensor` at `point` equals `value`."
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claim<EF> {
    /// The tensor.
    pub tensor: TensorId,
    /// One coordinate per variable of the tensor's shape, axes in order, most significant bit first.
    pub point: Vec<EF>,
    /// The claimed value.
    pub value: EF,
}

impl<EF> Claim<EF> {
    /// A claim.
    pub fn new(tensor: TensorId, point: Vec<EF>, value: EF) -> Self {
        Self { tensor, point, value }
    }
}

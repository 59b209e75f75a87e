//! Sums of products of an input with a fixed tensor, on the device of the forward pass.

use std::sync::Arc;

use zkml_core::TensorId;
use zkml_device::{Column, DeviceError, IntegerEinsum};

use crate::lowering::Recorder;

/// `out[o] = Σ_i input[o · outer strides + i · inner strides] · weight[likewise]`.
#[derive(Debug)]
pub(crate) struct Strides {
    /// Lengths of the output's axes.
    pub(crate) outer: Vec<usize>,
    /// Lengths of the summed axes.
    pub(crate) inner: Vec<usize>,
    /// Strides of the input along the outer and the inner axes, then those of the weight.
    pub(crate) operands: [Vec<usize>; 2],
    /// Bounds `Σ |input · weight|`.
    pub(crate) largest: u64,
}

impl Recorder<'_> {
    /// The sums from the device, or `None` if the host should compute them: too few, too large, or a device that fails or
    /// answers what cannot be, which is noted. `weight` is recorded already.
    pub(crate) fn sums_on_device(
        &self,
        input: impl FnOnce() -> Vec<i64>,
        weight: TensorId,
        strides: &Strides,
    ) -> Option<Vec<i64>> {
        let products = strides.outer.iter().chain(&strides.inner).product();
        let session = self.device().for_integers(products)?;
        let weight = self.recorded(weight)?;
        let compute = || {
            let device = session.accelerator();
            let operands = [device.upload_column(&Column::with_bounds(input(), 0, 0))?, session.resident(weight)?];
            let Strides { outer, inner, operands: strides, largest } = strides;
            let sums =
                device.einsum(&IntegerEinsum { operands: &operands, outer, inner, strides, largest: *largest })?;
            if sums.len() != outer.iter().product::<usize>() || sums.iter().any(|sum| sum.unsigned_abs() > *largest) {
                return Err(DeviceError::Invalid("sums of integers are too many, too few or too large".to_owned()));
            }
            Ok(sums)
        };
        session.unless_refused(compute()).unwrap_or_else(|error: DeviceError| {
            session.leave(&format!("the sums of a layer: {error}"));
            None
        })
    }

    fn recorded(&self, tensor: TensorId) -> Option<&Arc<Column>> {
        self.witness().get(tensor)
    }
}

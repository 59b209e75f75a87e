//! The product of two tensors, cell by cell: `y = a·b`.
//!
//! | | relation | proven for every accepted witness |
//! |---|---|---|
//! | M1 | `product = a·b` | Einsum `bo,bo->bo`; magnitude at most `A·B` |
//! | M2 | `acc = m·product` | Affine |
//! | M3 | `acc + 2^(t-1) = z·2^t + rem`, `y = clamp(z)` | `z = floor((acc + 2^(t-1))/2^t)`, unique ([`crate::requantise`]) |
//!
//! Cost: one product and `t/l + 1` lookups per cell.

use serde::{Deserialize, Serialize};
use zkml_core::{Shape, TensorId};

use crate::kernel::{FloatTensor, Kernel, KernelInfo, Step, accessors, common_shape, pair};
use crate::lowering::{Activation, Lowering, Recorder, letters};
use crate::requantise::{Accumulator, Requantisation, Rescaling};
use crate::{LayerError, Quantisation};

/// The product of two tensors of one shape, cell by cell.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Mul {
    /// The layer's name.
    pub name: String,
    /// Bits of the quantised output, sign included.
    pub bits: u32,
    /// Width of the range-checked limbs; `None` chooses the cheapest.
    pub limb_bits: Option<u32>,
}

impl Mul {
    /// What the kernel is.
    pub const INFO: KernelInfo = KernelInfo { id: "mul", about: "product of two tensors of one shape, cell by cell" };
}

impl Kernel for Mul {
    accessors!();

    fn arity(&self) -> usize {
        2
    }

    fn output_shape(&self, inputs: &[Shape]) -> Result<Shape, LayerError> {
        common_shape(&self.name, inputs)
    }

    fn float(&self, inputs: &[FloatTensor<'_>]) -> Vec<f64> {
        let [a, b] = inputs else { return Vec::new() };
        a.values.iter().zip(b.values).map(|(a, b)| a * b).collect()
    }

    fn lower(&self, builder: &mut Lowering, inputs: &[&Activation]) -> Result<(Activation, Box<dyn Step>), LayerError> {
        let (a, b) = pair(&self.name, inputs)?;
        let most = a.quantisation.bounds().lo * b.quantisation.bounds().lo;
        let accumulator = Accumulator { step: a.quantisation.scale * b.quantisation.scale, honest: most, proven: most };
        let worst = accumulator.honest as f64 * accumulator.step;
        let largest = builder.output_largest().filter(|&l| l > 0.0).unwrap_or(worst);
        let target = Quantisation::for_largest(&self.name, self.bits, largest)?;
        let rescaling = Rescaling::plan(&self.name, accumulator, target, builder.limb_bits())?;
        let axes = letters(a.shape.dims().len());
        let product = builder.value("product", &a.shape, -most, most);
        builder.einsum("product", &format!("{axes},{axes}->{axes}"), product, &[a.tensor, b.tensor])?;
        let requantisation = Requantisation::of_terms(builder, &a.shape, vec![(1, product)], most, rescaling.clone())?;
        let output =
            Activation { tensor: requantisation.output(), shape: a.shape.clone(), quantisation: rescaling.output };
        Ok((output, Box::new(LoweredMul { product, rescaling, requantisation })))
    }
}

#[derive(Debug)]
struct LoweredMul {
    product: TensorId,
    rescaling: Rescaling,
    requantisation: Requantisation,
}

fn products(inputs: &[&[i64]]) -> Vec<i64> {
    let [a, b] = inputs else { return Vec::new() };
    a.iter().zip(*b).map(|(a, b)| a * b).collect()
}

impl Step for LoweredMul {
    fn infer(&self, inputs: &[&[i64]]) -> Vec<i64> {
        products(inputs).iter().map(|&product| self.rescaling.output(product)).collect()
    }

    fn record(&self, inputs: &[&[i64]], recorder: &mut Recorder) -> Vec<i64> {
        let products = products(inputs);
        let outputs = self.requantisation.record(&products, recorder);
        recorder.set(self.product, products);
        outputs
    }
}

//! The sum of two tensors, each with its own scale: `y = f(a + b)` with `f` the identity or ReLU.
//!
//! | | relation | proven for every accepted witness |
//! |---|---|---|
//! | A1 | `acc = m_a·a + m_b·b` | Affine |
//! | A2 | `acc + 2^(t-1) = z·2^t + rem`, `y = clamp(z)` | `z = floor((acc + 2^(t-1))/2^t)`, unique ([`crate::requantise`]) |
//!
//! `m_a` and `m_b` are `step(a)/step(y)·2^t` and `step(b)/step(y)·2^t`, rounded; `t` is large enough for their rounding
//! to move no output by more than a quarter of a step. Cost: `t/l + 1` lookups per cell.

use serde::{Deserialize, Serialize};
use zkml_core::Shape;

use crate::kernel::{FloatTensor, Kernel, KernelInfo, Step, accessors, common_shape, pair};
use crate::lowering::{Activation, Lowering, Recorder};
use crate::requantise::{Accumulator, Requantisation, Rescaling};
use crate::{LayerError, Nonlinearity, Quantisation};

/// The sum of two tensors of one shape.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Add {
    /// The layer's name.
    pub name: String,
    /// Applied to the sums.
    pub nonlinearity: Nonlinearity,
    /// Bits of the quantised output, sign included.
    pub bits: u32,
    /// Width of the range-checked limbs; `None` chooses the cheapest.
    pub limb_bits: Option<u32>,
}

impl Add {
    /// What the kernel is.
    pub const INFO: KernelInfo = KernelInfo {
        id: "add",
        about: "sum of two tensors of one shape, each with its own scale, with optional ReLU fused into the clamp",
    };
}

impl Kernel for Add {
    accessors!();

    fn arity(&self) -> usize {
        2
    }

    fn output_shape(&self, inputs: &[Shape]) -> Result<Shape, LayerError> {
        common_shape(&self.name, inputs)
    }

    fn float(&self, inputs: &[FloatTensor<'_>]) -> Vec<f64> {
        let [a, b] = inputs else { return Vec::new() };
        a.values.iter().zip(b.values).map(|(a, b)| self.nonlinearity.apply(a + b)).collect()
    }

    fn lower(&self, builder: &mut Lowering, inputs: &[&Activation]) -> Result<(Activation, Box<dyn Step>), LayerError> {
        let (a, b) = pair(&self.name, inputs)?;
        let summand = |input: &Activation| {
            let most = -input.quantisation.bounds().lo;
            Accumulator { step: input.quantisation.scale, honest: most, proven: most }
        };
        let summands = [summand(a), summand(b)];
        let worst = summands.iter().map(|s| s.honest as f64 * s.step).sum();
        let largest = builder.output_largest().filter(|&l| l > 0.0).unwrap_or(worst);
        let target = Quantisation::for_largest(&self.name, self.bits, largest)?;
        let (multipliers, mut rescaling) = Rescaling::plan_sum(&self.name, &summands, target, builder.limb_bits())?;
        self.nonlinearity.restrict(&mut rescaling.clamp);
        let terms: Vec<_> = multipliers.iter().copied().zip([a.tensor, b.tensor]).collect();
        let most = multipliers.iter().zip(&summands).map(|(m, s)| m * s.proven).sum();
        let shape = &a.shape;
        let requantisation = Requantisation::of_terms(builder, shape, terms, most, rescaling.clone())?;
        let output =
            Activation { tensor: requantisation.output(), shape: shape.clone(), quantisation: rescaling.output };
        let multipliers = [0, 1].map(|k| multipliers.get(k).copied().unwrap_or(0));
        Ok((output, Box::new(LoweredAdd { multipliers, rescaling, requantisation })))
    }
}

#[derive(Debug)]
struct LoweredAdd {
    multipliers: [i64; 2],
    rescaling: Rescaling,
    requantisation: Requantisation,
}

impl LoweredAdd {
    fn sums(&self, inputs: &[&[i64]]) -> Vec<i64> {
        let ([a, b], [m, n]) = (inputs, self.multipliers) else { return Vec::new() };
        a.iter().zip(*b).map(|(a, b)| m * a + n * b).collect()
    }
}

impl Step for LoweredAdd {
    fn infer(&self, inputs: &[&[i64]]) -> Vec<i64> {
        self.sums(inputs).iter().map(|&sum| self.rescaling.output(sum)).collect()
    }

    fn record(&self, inputs: &[&[i64]], recorder: &mut Recorder) -> Vec<i64> {
        self.requantisation.record(&self.sums(inputs), recorder)
    }
}

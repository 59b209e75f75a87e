//! A matrix product `y = x·Wᵀ` whose sums are the output: nothing is rounded, nothing looked up.
//!
//! | | relation | proven for every accepted witness |
//! |---|---|---|
//! | P1 | `y = Σ_i x_bi·w_oi` | Einsum `bi,oi->bo`; magnitude at most `n·X·W` |
//!
//! `X = 2^(B-1)` bounds the input, `W` the weights. The step of the output is the product of the steps of input and
//! weight. Sums have far more bits than any kernel takes as input, so this is for the last layer of a network, where the
//! output is public: to show a network's scores as they are, or to compare proofs of nothing but a matrix product.

use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use zkml_core::{Bounds, Residence, Shape, TensorId};

use crate::kernel::{FloatTensor, Kernel, KernelInfo, Step, accessors, first, sole};
use crate::linear::Limits;
use crate::lowering::{Activation, Lowering, Recorder};
use crate::matmul::Matrix;
use crate::weights::Weights;
use crate::{LayerError, Quantisation};

/// A matrix product over `[rows, n]` with a fixed weight.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct MatMul {
    /// The layer's name.
    pub name: String,
    /// Real weights `[outputs, inputs]`, row-major.
    pub weight: Vec<f64>,
    /// Cells of an input row.
    pub inputs: usize,
    /// Bits of the quantised weights, sign included.
    pub bits: u32,
}

impl MatMul {
    /// What the kernel is.
    pub const INFO: KernelInfo = KernelInfo {
        id: "matmul",
        about: "matrix product with a fixed weight, sums kept as they are; the last layer only",
    };

    fn outputs(&self, input: &Shape) -> Result<usize, LayerError> {
        let whole = self.inputs > 0 && !self.weight.is_empty() && self.weight.len().is_multiple_of(self.inputs);
        match input.dims() {
            _ if !whole => {
                let what = format!("{} weights are not whole rows of {}", self.weight.len(), self.inputs);
                Err(LayerError::shape(&self.name, what))
            }
            [_, columns] if *columns == self.inputs => Ok(self.weight.len() / self.inputs),
            _ => {
                let what = format!("the input is {input}; the weight is for [rows, {}]", self.inputs);
                Err(LayerError::shape(&self.name, what))
            }
        }
    }
}

impl Kernel for MatMul {
    accessors!(no limbs);

    fn output_shape(&self, inputs: &[Shape]) -> Result<Shape, LayerError> {
        let input = sole(&self.name, inputs)?;
        let outputs = self.outputs(input)?;
        let rows = input.dims().first().copied().unwrap_or(1);
        Shape::new([rows, outputs]).ok_or_else(|| LayerError::shape(&self.name, "the output is too large"))
    }

    fn float(&self, inputs: &[FloatTensor<'_>]) -> Vec<f64> {
        let values = inputs.first().map_or(&[][..], |input| input.values);
        let sum = |w: &[f64], row: &[f64]| w.iter().zip(row).map(|(w, x)| w * x).sum();
        let row = |row: &[f64]| self.weight.chunks(self.inputs).map(|w| sum(w, row)).collect::<Vec<f64>>();
        values.par_chunks(self.inputs.max(1)).flat_map_iter(row).collect()
    }

    fn lower(&self, builder: &mut Lowering, inputs: &[&Activation]) -> Result<(Activation, Box<dyn Step>), LayerError> {
        let input = *sole(&self.name, inputs)?;
        let shape = self.output_shape(std::slice::from_ref(&input.shape))?;
        if builder.output_residence() != Residence::Public {
            let what = "its sums are too wide for a layer behind it; use `dense`, which scales them down";
            return Err(LayerError::parameter(&self.name, what));
        }
        let outputs = self.outputs(&input.shape)?;
        let weights = Weights::quantise(&self.name, self.bits, &self.weight, outputs, false)?;
        let limits = Limits::new(&weights, self.inputs, None, input.quantisation)
            .ok_or_else(|| LayerError::parameter(&self.name, "the sums are too large; use fewer bits"))?;
        let (largest, most) = (weights.largest, limits.product);
        let matrix = Shape::new([outputs, self.inputs])
            .ok_or_else(|| LayerError::shape(&self.name, "the weight is empty or too large"))?;
        let weight = builder.fixed("weight", &matrix, Bounds::new(-largest, largest), weights.values.clone());
        let product = builder.tensor("product", &shape, Bounds::new(-most, most), Residence::Public);
        builder.einsum("product", "bi,oi->bo", product, &[input.tensor, weight])?;
        let scale = input.quantisation.scale * weights.scales.first().copied().unwrap_or(1.0);
        let quantisation = Quantisation { bits: u64::BITS - most.unsigned_abs().leading_zeros() + 1, scale };
        let matrix = Matrix::new(&weights.values, self.inputs, limits.sum);
        Ok((Activation { tensor: product, shape, quantisation }, Box::new(LoweredMatMul { matrix, weight, product })))
    }
}

#[derive(Debug)]
struct LoweredMatMul {
    matrix: Matrix,
    weight: TensorId,
    product: TensorId,
}

impl Step for LoweredMatMul {
    fn infer(&self, inputs: &[&[i64]]) -> Vec<i64> {
        self.matrix.multiply(first(inputs), |_, sum| sum)
    }

    fn record(&self, inputs: &[&[i64]], recorder: &mut Recorder) -> Vec<i64> {
        let products = self.matrix.sums(first(inputs), self.weight, recorder);
        recorder.set(self.product, products.clone());
        products
    }
}

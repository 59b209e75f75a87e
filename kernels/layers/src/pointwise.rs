//! Functions of single values: ReLU, clamp, and activations by table.
//!
//! | kernel | relation | proven for every accepted witness |
//! |---|---|---|
//! | `relu`, `clamp` | `(x, y)` in the clamp table, or the excess of [`crate::saturate`] | `y = clamp(x, lo, hi)`; scale unchanged |
//! | `silu`, `gelu`, `sigmoid`, `tanh` | `(x, y)` in the table of the function | `y = f(x)` as tabulated |
//!
//! A function's table lists all `2^B` integers `x` of a `B`-bit input with
//! `y = clamp(round(f(x·step(x))/step(y)))`: nothing is approximated but the rounding of `y`, at most half a step. It is
//! part of the verifying key. `step(y)` is calibrated. The functions are computed by `libm`, not by the system's
//! library, so that every machine makes the same table: `gelu` is `x/2·(1 + erf(x/√2))`, not its approximation by `tanh`.
//!
//! Cost: one lookup per cell and `2^B` table rows (`2^(B+1)` committed or evaluated values); a ReLU after a dense layer is
//! cheaper as a part of that layer.

use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use zkml_core::{Bounds, Shape, Table, TensorId};

use crate::kernel::{FloatTensor, Kernel, KernelInfo, Step, first, sole};
use crate::lowering::{Activation, Lowering, Recorder};
use crate::saturate::{Clamp, Clamping};
use crate::{LayerError, Quantisation};

/// Cells that one parallel job handles at least.
const JOB_CELLS: usize = 1 << 13;

/// A function of single values.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Function {
    /// `max(0, x)`.
    Relu,
    /// `x` limited to an interval, whose ends are rounded to steps of the input.
    Clamp {
        /// Smallest output.
        lo: f64,
        /// Largest output.
        hi: f64,
    },
    /// `x/(1 + e^-x)`.
    Silu,
    /// `x/2·(1 + erf(x/√2))`.
    Gelu,
    /// `1/(1 + e^-x)`.
    Sigmoid,
    /// The hyperbolic tangent.
    Tanh,
}

impl Function {
    /// The function's value.
    pub fn at(self, x: f64) -> f64 {
        match self {
            Self::Relu => x.max(0.0),
            Self::Clamp { lo, hi } => x.max(lo).min(hi),
            Self::Silu => x / (1.0 + libm::exp(-x)),
            Self::Gelu => x / 2.0 * (1.0 + libm::erf(x * std::f64::consts::FRAC_1_SQRT_2)),
            Self::Sigmoid => 1.0 / (1.0 + libm::exp(-x)),
            Self::Tanh => libm::tanh(x),
        }
    }
}

/// A function applied to every cell.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Pointwise {
    /// The layer's name.
    pub name: String,
    /// What is applied.
    pub function: Function,
    /// Bits of the quantised output, sign included; `relu` and `clamp` keep those of the input.
    pub bits: u32,
}

impl Pointwise {
    /// `relu`.
    pub const RELU: KernelInfo = KernelInfo { id: "relu", about: "max(0, x), cell by cell" };
    /// `clamp`.
    pub const CLAMP: KernelInfo = KernelInfo { id: "clamp", about: "x limited to an interval, cell by cell" };
    /// `silu`.
    pub const SILU: KernelInfo =
        KernelInfo { id: "silu", about: "x·sigmoid(x), by a table of the whole input domain" };
    /// `gelu`.
    pub const GELU: KernelInfo =
        KernelInfo { id: "gelu", about: "x/2·(1 + erf(x/sqrt(2))), by a table of the whole input domain" };
    /// `sigmoid`.
    pub const SIGMOID: KernelInfo =
        KernelInfo { id: "sigmoid", about: "1/(1 + exp(-x)), by a table of the whole input domain" };
    /// `tanh`.
    pub const TANH: KernelInfo =
        KernelInfo { id: "tanh", about: "hyperbolic tangent, by a table of the whole input domain" };

    /// The interval of a ReLU or clamp, in steps of the input; `None` for other functions.
    fn interval(&self, input: Quantisation) -> Result<Option<Bounds>, LayerError> {
        let domain = input.bounds();
        match self.function {
            Function::Relu => Ok(Some(Bounds::new(0, domain.hi))),
            Function::Clamp { lo, hi } if lo.is_nan() || hi.is_nan() || lo >= hi => {
                let what = format!("clamp to [{lo}, {hi}]: the first bound must be below the second");
                Err(LayerError::parameter(&self.name, what))
            }
            Function::Clamp { lo, hi } => {
                let step = |v: f64| ((v / input.scale).round() as i64).clamp(domain.lo, domain.hi);
                Ok(Some(Bounds::new(step(lo), step(hi))))
            }
            _ => Ok(None),
        }
    }

    /// What the output integers stand for, and the output of every input integer from the smallest one.
    fn tabulate(&self, input: Quantisation, largest: Option<f64>) -> Result<(Quantisation, Vec<i64>), LayerError> {
        let Bounds { lo, hi } = input.bounds();
        let real: Vec<f64> = (lo..=hi).map(|x| self.function.at(x as f64 * input.scale)).collect();
        let output = match largest.filter(|&l| l > 0.0) {
            Some(largest) => Quantisation::for_largest(&self.name, self.bits, largest)?,
            None => Quantisation::calibrate(&self.name, self.bits, &real)?,
        };
        Ok((output, output.quantise(&real)))
    }
}

impl Kernel for Pointwise {
    fn info(&self) -> KernelInfo {
        match self.function {
            Function::Relu => Self::RELU,
            Function::Clamp { .. } => Self::CLAMP,
            Function::Silu => Self::SILU,
            Function::Gelu => Self::GELU,
            Function::Sigmoid => Self::SIGMOID,
            Function::Tanh => Self::TANH,
        }
    }

    fn name(&self) -> &str {
        &self.name
    }

    fn limb_bits(&self) -> Option<u32> {
        None
    }

    fn output_shape(&self, inputs: &[Shape]) -> Result<Shape, LayerError> {
        sole(&self.name, inputs).cloned()
    }

    fn float(&self, inputs: &[FloatTensor<'_>]) -> Vec<f64> {
        let values = inputs.first().map_or(&[][..], |input| input.values);
        values.par_iter().with_min_len(JOB_CELLS).map(|&x| self.function.at(x)).collect()
    }

    fn lower(&self, builder: &mut Lowering, inputs: &[&Activation]) -> Result<(Activation, Box<dyn Step>), LayerError> {
        let input = *sole(&self.name, inputs)?;
        let shape = input.shape.clone();
        let domain = input.quantisation.bounds();
        if let Some(clamp) = self.interval(input.quantisation)? {
            let tensor = builder.tensor("output", &shape, clamp, builder.output_residence());
            let clamping = Clamping { quotients: domain, clamp };
            let own = Clamp::of_tensor(builder, &shape, input.tensor, tensor, clamping)?;
            let output = Activation { tensor, shape, quantisation: input.quantisation };
            return Ok((output, Box::new(LoweredClamp { clamp, own, output: tensor })));
        }
        let (quantisation, outputs) = self.tabulate(input.quantisation, builder.output_largest())?;
        let tensor = builder.tensor("output", &shape, quantisation.bounds(), builder.output_residence());
        let (id, Quantisation { bits, scale }) = (self.info().id, quantisation);
        let name = format!("{id}[{},{}]@{:e}->{bits}bits@{scale:e}", domain.lo, domain.hi, input.quantisation.scale);
        let table = Table::listed(name, vec![(domain.lo..=domain.hi).collect(), outputs.clone()])
            .ok_or_else(|| LayerError::parameter(&self.name, "the table is too large"))?;
        builder.lookup(id, table, vec![vec![input.tensor, tensor]]);
        let output = Activation { tensor, shape, quantisation };
        Ok((output, Box::new(LoweredTable { lowest: domain.lo, outputs, output: tensor })))
    }
}

#[derive(Debug)]
struct LoweredClamp {
    clamp: Bounds,
    own: Clamp,
    output: TensorId,
}

impl Step for LoweredClamp {
    fn infer(&self, inputs: &[&[i64]]) -> Vec<i64> {
        let Bounds { lo, hi } = self.clamp;
        first(inputs).par_iter().with_min_len(JOB_CELLS).map(|&x| x.clamp(lo, hi)).collect()
    }

    fn record(&self, inputs: &[&[i64]], recorder: &mut Recorder) -> Vec<i64> {
        let outputs = self.infer(inputs);
        self.own.record(first(inputs).to_vec(), self.clamp, recorder);
        recorder.set(self.output, outputs.clone());
        outputs
    }
}

#[derive(Debug)]
struct LoweredTable {
    lowest: i64,
    outputs: Vec<i64>,
    output: TensorId,
}

impl Step for LoweredTable {
    fn infer(&self, inputs: &[&[i64]]) -> Vec<i64> {
        let at = |x: &i64| usize::try_from(x - self.lowest).ok().and_then(|i| self.outputs.get(i)).copied();
        first(inputs).par_iter().with_min_len(JOB_CELLS).map(|x| at(x).unwrap_or(0)).collect()
    }

    fn record(&self, inputs: &[&[i64]], recorder: &mut Recorder) -> Vec<i64> {
        let outputs = self.infer(inputs);
        recorder.set(self.output, outputs.clone());
        outputs
    }
}

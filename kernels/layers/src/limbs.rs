//! Non-negative integers as range-checked limbs.
//!
//! A tensor `v` with `0 <= v < 2^(width·count)` is written as `Σ_k 2^(width·k) · limb_k`, each limb looked up in
//! the table of all `width`-bit integers. Limbs are digits, so they are unique. Every limb is a full one: bounds
//! that are not a power of `2^width` are stated by two decompositions, one of `v - lo` and one of `hi - v`, never
//! by scaling a top limb.

use zkml_core::{Bounds, Shape, TensorId};

use crate::lowering::{Lowering, Recorder};

/// The limbs of one non-negative tensor, least significant first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limbs {
    tensors: Vec<TensorId>,
    width: u32,
}

impl Limbs {
    /// Adds committed limbs `name.0`, `name.1`, … that cover at least `bits` bits.
    pub fn new(builder: &mut Lowering, name: &str, shape: &Shape, bits: u32) -> Self {
        Self::of_width(builder, name, shape, bits, builder.limb_bits())
    }

    /// The same with limbs of `width` bits, which may need a range table of their own.
    pub fn of_width(builder: &mut Lowering, name: &str, shape: &Shape, bits: u32, width: u32) -> Self {
        let width = width.max(1);
        let count = bits.div_ceil(width).max(1);
        let tensors = (0..count).map(|k| builder.range_checked(&format!("{name}.{k}"), shape, width)).collect();
        Self { tensors, width }
    }

    /// Bits that the limbs cover: `width · count`.
    pub fn bits(&self) -> u32 {
        self.width * self.tensors.len() as u32
    }

    /// The values that the limbs can express.
    pub fn bounds(&self) -> Bounds {
        Bounds::new(0, (1 << self.bits()) - 1)
    }

    /// The limbs, least significant first.
    pub fn tensors(&self) -> &[TensorId] {
        &self.tensors
    }

    /// The terms of `sign · Σ_k 2^(width·k) · limb_k`.
    pub fn terms(&self, sign: i64) -> Vec<(i64, TensorId)> {
        self.tensors.iter().enumerate().map(|(k, &t)| (sign << (self.width * k as u32), t)).collect()
    }

    /// Records the limbs of non-negative `values`.
    pub fn record(&self, values: &[i64], recorder: &mut Recorder) {
        let mask = (1_i64 << self.width) - 1;
        for (k, &tensor) in self.tensors.iter().enumerate() {
            let shift = self.width * k as u32;
            recorder.set(tensor, values.iter().map(|v| v >> shift & mask).collect());
        }
    }
}

//! A fixed vector added along one axis, to true cells only.
//!
//! `spread = one·b_o`, with `one` a public tensor of ones over the other axes: tensors are padded with zeros, so adding
//! `b_o` to "every" row would put it into padded rows. Nobody can supply another `one`: its bounds are `[1, 1]`, and
//! the bounds of public tensors are checked where their values enter the verifier.

use zkml_core::{Bounds, Residence, Shape, TensorId};

use crate::LayerError;
use crate::lowering::{Lowering, Recorder, letters};

/// The tensors of one lowered bias.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct BiasRows {
    one: TensorId,
    spread: TensorId,
    /// Cells of `one`.
    rows: usize,
    /// Values along the axis, and cells for each of them within one position of the axes before.
    values: Vec<i64>,
    run: usize,
}

impl BiasRows {
    /// Spreads `values`, of magnitude at most `most`, along axis `axis` of `shape`.
    pub(crate) fn lower(
        builder: &mut Lowering,
        shape: &Shape,
        axis: usize,
        values: Vec<i64>,
        most: i64,
    ) -> Result<Self, LayerError> {
        let mut dims = shape.dims().to_vec();
        if dims.get(axis) != Some(&values.len()) {
            let what = format!("the bias has {} values, the tensor is {shape}", values.len());
            return Err(LayerError::shape(builder.layer(), what));
        }
        let run = dims.iter().skip(axis + 1).product();
        dims.remove(axis);
        let empty = || LayerError::shape(builder.layer(), "an axis is empty");
        let (others, own) = (Shape::new(dims).ok_or_else(empty)?, Shape::new([values.len()]).ok_or_else(empty)?);
        let rows = others.cells();
        let one = builder.tensor("one", &others, Bounds::new(1, 1), Residence::Public);
        let bias = builder.fixed("bias", &own, Bounds::new(-most, most), values.clone());
        let spread = builder.value("bias-rows", shape, -most, most);
        let all = letters(shape.dims().len());
        let (others, own): (Vec<_>, Vec<_>) = all.chars().enumerate().partition(|&(i, _)| i != axis);
        let join = |letters: Vec<(usize, char)>| letters.into_iter().map(|(_, c)| c).collect::<String>();
        builder.einsum("bias-rows", &format!("{},{}->{all}", join(others), join(own)), spread, &[one, bias])?;
        Ok(Self { one, spread, rows, values, run })
    }

    /// The bias in every true cell.
    pub(crate) fn spread(&self) -> TensorId {
        self.spread
    }

    /// Records the public ones; adds the bias to `sums`.
    pub(crate) fn record(&self, sums: &mut [i64], recorder: &mut Recorder) {
        recorder.set(self.one, vec![1; self.rows]);
        let mut spread = vec![0; sums.len()];
        let count = self.values.len().max(1);
        for (i, (sums, spread)) in sums.chunks_mut(self.run).zip(spread.chunks_mut(self.run)).enumerate() {
            let value = self.values.get(i % count).copied().unwrap_or(0);
            spread.fill(value);
            for sum in sums {
                *sum += value;
            }
        }
        recorder.set(self.spread, spread);
    }
}

//! A tensor of integers or challenge-field elements whose axes are contracted one after the other.

use std::sync::Arc;

use p3_field::PrimeCharacteristicRing;
use rayon::prelude::*;
use zkml_core::{Shape, Suite};
use zkml_device::{Column, Device, DeviceError, Session, Step, with_column};

use super::{CHUNK, contract_column, contract_table, from_words, to_words};

/// The cells, row-major.
#[derive(Clone, Debug)]
enum Cells<'a, S: Suite> {
    Column(&'a Column),
    Table(Vec<S::Challenge>),
}

impl<S: Suite> Cells<'_, S> {
    fn len(&self) -> usize {
        match self {
            Self::Column(column) => column.len(),
            Self::Table(table) => table.len(),
        }
    }
}

/// A tensor in its true shape.
#[derive(Clone, Debug)]
pub struct Tensor<'a, S: Suite> {
    dims: Vec<usize>,
    cells: Cells<'a, S>,
    /// Where integer cells are contracted, and the column as the device knows it.
    device: Option<(&'a Arc<Column>, &'a Device)>,
}

impl<'a, S: Suite> Tensor<'a, S> {
    /// An integer tensor; missing cells count as zero.
    pub fn new(column: &'a Column, shape: &Shape) -> Self {
        Self { dims: shape.dims().to_vec(), cells: Cells::Column(column), device: None }
    }

    /// The same; its first contraction is done on the device, if it is worth it.
    pub fn on_device(column: &'a Arc<Column>, shape: &Shape, device: &'a Device) -> Self {
        Self { device: Some((column, device)), ..Self::new(column, shape) }
    }

    /// Axis lengths.
    pub fn dims(&self) -> &[usize] {
        &self.dims
    }

    /// Replaces the tensor by a single value.
    pub fn set_scalar(&mut self, value: S::Challenge) {
        *self = Self { dims: Vec::new(), cells: Cells::Table(vec![value]), device: None };
    }

    /// The value of a tensor without axes (the first cell of any other).
    pub fn scalar(&self) -> S::Challenge {
        match &self.cells {
            Cells::Column(column) => column.get(0).map_or(S::Challenge::ZERO, |v| S::from_i64(v).into()),
            Cells::Table(table) => table.first().copied().unwrap_or_default(),
        }
    }

    /// Sums out one axis with weights: one product per cell, none for an axis of length 1 with weight 1. Axes past the
    /// last are ignored.
    pub fn contract(&mut self, axis: usize, weights: &[S::Challenge]) -> Result<(), DeviceError> {
        if self.dims.get(axis) == Some(&1) && weights.first() == Some(&S::Challenge::ONE) {
            self.dims.remove(axis);
        } else if axis < self.dims.len() {
            let split = self.around(axis);
            self.cells = Cells::Table(self.middle(split, weights)?);
            self.dims.remove(axis);
        }
        Ok(())
    }

    /// Replaces one axis by another with as many indices as there are weight vectors: cell `u` of the new axis is the
    /// sum over the old one with `weights[u]`. One product per cell and weight vector.
    pub fn transform(&mut self, axis: usize, weights: &[Vec<S::Challenge>]) -> Result<(), DeviceError> {
        let Some(length) = self.dims.get_mut(axis) else { return Ok(()) };
        *length = weights.len();
        let inner = self.dims[axis + 1..].iter().product::<usize>();
        let rows = self.dims[..axis].iter().product::<usize>();
        let split = [rows, self.cells.len() / (rows * inner).max(1), inner];
        let parts = weights.iter().map(|w| self.middle(split, w)).collect::<Result<Vec<_>, _>>()?;
        let row = |r: usize| parts.iter().flat_map(move |part| part[r * inner..(r + 1) * inner].iter().copied());
        self.cells = Cells::Table((0..rows).flat_map(row).collect());
        Ok(())
    }

    /// Sums out several axes, the longest first so that the least is left for the others.
    pub fn contract_all(&mut self, mut axes: Vec<(usize, Vec<S::Challenge>)>) -> Result<(), DeviceError> {
        while let Some(next) = longest(&self.dims, axes.iter().map(|a| a.0)) {
            let (axis, weights) = axes.remove(next);
            self.contract(axis, &weights)?;
            axes.iter_mut().filter(|a| a.0 > axis).for_each(|a| a.0 -= 1);
        }
        Ok(())
    }

    /// Sums out all axes but one; `weights` has one entry per index of the others, row-major.
    pub fn contract_others(&self, axis: usize, weights: &[S::Challenge]) -> Result<Vec<S::Challenge>, DeviceError> {
        let [rows, middle, inner] = self.around(axis);
        if inner == 1 {
            return self.middle([1, rows, middle], weights);
        }
        if rows == 1 {
            return self.middle([middle, inner, 1], weights);
        }
        // With the axis in the middle, one contraction per leading index.
        let mut total = vec![S::Challenge::ZERO; middle];
        for (row, weights) in weights.chunks(inner).enumerate().take(rows) {
            let cells = row * middle * inner..(row + 1) * middle * inner;
            let sum = match &self.cells {
                Cells::Column(column) => contract_column::<S>(&slice(column, cells), [middle, inner, 1], weights),
                Cells::Table(table) => {
                    contract_table::<S>(table.get(cells).unwrap_or(&[]), [middle, inner, 1], weights)
                }
            };
            total.iter_mut().zip(sum).for_each(|(t, s)| *t += s);
        }
        Ok(total)
    }

    /// The tensor over other axes: target axis `i` has `lengths[i]` indices and is the tensor's axis `axes[i]`, with
    /// zeros past its end; `None` repeats the tensor.
    pub fn spread(&self, lengths: &[usize], axes: &[Option<usize>]) -> Vec<S::Challenge> {
        let stride = |axis: usize| self.dims[axis + 1..].iter().product::<usize>();
        let steps: Vec<Option<(usize, usize)>> =
            axes.iter().map(|a| a.filter(|&a| a < self.dims.len()).map(|a| (stride(a), self.dims[a]))).collect();
        let (&width, outer) = lengths.split_last().unwrap_or((&1, &[]));
        let mut rows = vec![Some(0)];
        for (&n, &step) in outer.iter().zip(&steps) {
            rows = rows.iter().flat_map(|&row| (0..n).map(move |i| advance(row?, i, step))).collect();
        }
        let last = steps.get(outer.len()).copied().flatten();
        match &self.cells {
            Cells::Table(table) => fill::<S, _>(table, &rows, width, last, |&v| v),
            #[allow(clippy::useless_conversion, reason = "the macro also expands to i64")]
            Cells::Column(column) => with_column!(column, values => {
                fill::<S, _>(values, &rows, width, last, |&v| S::from_i64(i64::from(v)).into())
            }),
        }
    }

    fn around(&self, axis: usize) -> [usize; 3] {
        let (before, rest) = self.dims.split_at(axis.min(self.dims.len()));
        let (own, after) = rest.split_first().unwrap_or((&1, &[]));
        [before.iter().product(), *own, after.iter().product()]
    }

    fn middle(&self, split: [usize; 3], weights: &[S::Challenge]) -> Result<Vec<S::Challenge>, DeviceError> {
        let cells = split.iter().product();
        match (&self.cells, self.device) {
            (Cells::Column(_), Some((column, device))) if column.len() == cells => {
                if let Some(session) = device.for_step(Step::Contract, S::DEVICE_FIELD, cells)
                    && let Some(values) =
                        session.unless_refused(contract_there::<S>(session, column, split, weights))?
                {
                    return Ok(values);
                }
                Ok(contract_column::<S>(column, split, weights))
            }
            (Cells::Column(column), _) => Ok(contract_column::<S>(column, split, weights)),
            (Cells::Table(table), _) => Ok(contract_table::<S>(table, split, weights)),
        }
    }
}

/// [`contract_column`] on a device.
fn contract_there<S: Suite>(
    session: &Session,
    column: &Arc<Column>,
    split: [usize; 3],
    weights: &[S::Challenge],
) -> Result<Vec<S::Challenge>, DeviceError> {
    let device = session.accelerator();
    let field = S::DEVICE_FIELD.ok_or_else(|| device.unsupported("arithmetic in the suite's field"))?;
    let mut words = to_words::<S>(weights);
    words.resize(split[1] * field.words(), 0);
    let weights = device.upload(field, &words)?;
    let sums = from_words::<S>(&device.download(&device.contract(&session.resident(column)?, split, &weights)?)?)?;
    if sums.len() != split[0] * split[2] {
        return Err(DeviceError::Invalid("a contraction has another length".to_owned()));
    }
    Ok(sums)
}

/// Position of the longest of some axes, the first one among equals.
pub(crate) fn longest(dims: &[usize], axes: impl Iterator<Item = usize>) -> Option<usize> {
    let lengths = axes.map(|a| dims.get(a).copied().unwrap_or(1));
    lengths.enumerate().min_by_key(|&(_, n)| core::cmp::Reverse(n)).map(|(position, _)| position)
}

fn advance(offset: usize, index: usize, step: Option<(usize, usize)>) -> Option<usize> {
    match step {
        None => Some(offset),
        Some((stride, length)) => (index < length).then_some(offset + index * stride),
    }
}

fn slice(column: &Column, range: core::ops::Range<usize>) -> Column {
    match column {
        Column::I8(v) => Column::I8(v.get(range).unwrap_or(&[]).to_vec()),
        Column::I16(v) => Column::I16(v.get(range).unwrap_or(&[]).to_vec()),
        Column::I32(v) => Column::I32(v.get(range).unwrap_or(&[]).to_vec()),
        Column::I64(v) => Column::I64(v.get(range).unwrap_or(&[]).to_vec()),
    }
}

/// Rows that start at `rows` and continue along the last step, or repeat one cell.
fn fill<S: Suite, T: Sync>(
    cells: &[T],
    rows: &[Option<usize>],
    width: usize,
    last: Option<(usize, usize)>,
    convert: impl Fn(&T) -> S::Challenge + Sync,
) -> Vec<S::Challenge> {
    let mut out = vec![S::Challenge::ZERO; rows.len() * width];
    let row = |(slots, &start): (&mut [S::Challenge], &Option<usize>)| {
        let Some(start) = start else { return };
        match last {
            None => slots.fill(cells.get(start).map_or(S::Challenge::ZERO, &convert)),
            Some((1, length)) => {
                let source = cells.get(start..start + length).unwrap_or(&[]);
                slots.iter_mut().zip(source).for_each(|(slot, cell)| *slot = convert(cell));
            }
            Some((stride, length)) => {
                let source = cells.get(start..).unwrap_or(&[]).iter().step_by(stride).take(length);
                slots.iter_mut().zip(source).for_each(|(slot, cell)| *slot = convert(cell));
            }
        }
    };
    out.par_chunks_mut(width).zip(rows).with_min_len(CHUNK.div_ceil(width)).for_each(row);
    out
}

//! Witness columns in leaf order, without copying them.

use std::sync::Arc;

use p3_field::{ExtensionField, Field, PackedFieldExtension, PackedValue, PrimeCharacteristicRing};
use rayon::prelude::*;
use zkml_core::{Instance, ProveError, Suite, Witness, mle};
use zkml_device::{Column, DeviceError, Session, count, with_column};

use super::{Fingerprint, Layout, ResidentLeaves, lookup};

/// The packed base field of a suite.
type Packed<S> = <<S as Suite>::Base as Field>::Packing;
/// The packed challenge field of a suite: `WIDTH` elements, coefficient-major.
type PackedExt<S> = <<S as Suite>::Challenge as ExtensionField<<S as Suite>::Base>>::ExtensionPacking;

/// Packs per task of a parallel loop over leaves; its buffers stay in the first-level cache.
pub const CHUNK: usize = 64;

/// The tuples' columns, read in leaf order, and further columns that are stored in leaf order.
#[derive(Clone, Debug)]
pub struct LeafColumns<'a> {
    layout: &'a Layout,
    /// By tuple, then by column.
    tuples: Vec<Vec<Arc<Column>>>,
    runs: Vec<Runs>,
    /// Numbered after the tuples' columns.
    stacked: Vec<Arc<Column>>,
}

/// How a block's cells lie in its tensor: runs of `2^log_run` neighbouring cells, at offsets that follow from the
/// outer axes `(log_len, offset, stride)`.
#[derive(Clone, Debug)]
struct Runs {
    log_run: usize,
    base: usize,
    outer: Vec<(usize, usize, usize)>,
}

impl Runs {
    fn new(dims: &[usize], offset: &[usize], log_len: &[usize]) -> Self {
        let (mut log_run, mut base, mut stride, mut merging) = (0, 0, 1, true);
        let mut outer = Vec::new();
        for ((&n, &offset), &log_len) in dims.iter().zip(offset).zip(log_len).rev() {
            if merging {
                log_run += log_len;
                base += offset * stride;
            } else {
                outer.push((log_len, offset, stride));
            }
            merging &= n == 1 << log_len;
            stride *= n;
        }
        Self { log_run, base, outer }
    }

    /// First cell of a run.
    fn start(&self, mut run: usize) -> usize {
        let mut cell = self.base;
        for &(log_len, offset, stride) in &self.outer {
            cell += (offset + (run & ((1 << log_len) - 1))) * stride;
            run >>= log_len;
        }
        cell
    }
}

impl<'a> LeafColumns<'a> {
    /// The columns of the instance's lookup.
    ///
    /// Errors if a tensor has no values, or not as many as its shape says.
    pub fn new(instance: &Instance<'_>, layout: &'a Layout, witness: &Witness) -> Result<Self, ProveError> {
        let tuples = lookup(instance).map_or(&[][..], |l| &l.tuples);
        let tuples: Result<Vec<Vec<_>>, _> =
            tuples.iter().map(|tuple| tuple.iter().map(|&t| witness.require(instance.program, t)).collect()).collect();
        let runs = layout
            .blocks()
            .iter()
            .map(|b| Runs::new(layout.shapes()[b.tuple].dims(), &b.block.offset, &b.block.log_len));
        Ok(Self { layout, tuples: tuples?, runs: runs.collect(), stacked: Vec::new() })
    }

    /// Number of leaves with values.
    pub fn leaves(&self) -> usize {
        self.layout.leaves()
    }

    /// Adds columns of one value per leaf, in leaf order. They are numbered after the tuples' columns; missing values
    /// count as zero.
    #[must_use]
    pub fn with_stacked(mut self, columns: impl IntoIterator<Item = Arc<Column>>) -> Self {
        self.stacked.extend(columns);
        self
    }

    /// Writes the values of `column` at leaves `first ..` (all of them true leaves) to `out`.
    pub fn fill<S: Suite>(&self, column: usize, first: usize, out: &mut [S::Base]) {
        if let Some(stacked) = column.checked_sub(self.layout.width()).and_then(|i| self.stacked.get(i)) {
            embed::<S>(stacked, first, out);
            return;
        }
        self.copy(column, first, out, embed::<S>);
    }

    /// Copies a tuple column's values at leaves `first ..` to `out`, run by run: `copy` gets the tensor's column, the first
    /// cell and the run.
    fn copy<T>(&self, column: usize, first: usize, out: &mut [T], copy: impl Fn(&Column, usize, &mut [T])) {
        let blocks = self.layout.blocks();
        let mut index = blocks.partition_point(|b| b.start <= first).saturating_sub(1);
        let (mut leaf, mut rest) = (first, out);
        while !rest.is_empty() {
            let (block, runs) = (&blocks[index], &self.runs[index]);
            let (in_block, run) = (leaf - block.start, 1 << runs.log_run);
            let skip = in_block & (run - 1);
            let (now, later) = rest.split_at_mut(rest.len().min(run - skip));
            let cell = runs.start(in_block >> runs.log_run) + skip;
            copy(&self.tuples[block.tuple][column], cell, now);
            leaf += now.len();
            if leaf == block.start + block.block.cells() {
                index += 1;
            }
            rest = later;
        }
    }

    /// The tuples' columns on a device, in leaf order. A tensor that is in this order already is sent at most once per
    /// proof.
    pub fn resident(&self, session: &Session) -> Result<ResidentLeaves, DeviceError> {
        let whole = |column: usize| match &self.tuples[..] {
            [tuple] if self.layout.blocks().len() == 1 => tuple.get(column),
            _ => None,
        };
        let send = |column: usize| match whole(column) {
            Some(tensor) => session.resident(tensor),
            None => session.accelerator().upload_column(&self.gather(column)),
        };
        let columns = (0..self.layout.width()).map(send).collect::<Result<_, _>>()?;
        Ok(ResidentLeaves::new(columns, self.layout))
    }

    /// A tuple column in leaf order, in the widest type of its tensors.
    pub fn gather(&self, column: usize) -> Column {
        let tensors = || self.tuples.iter().filter_map(|tuple| tuple.get(column));
        let has = |kind: fn(&Column) -> bool| tensors().any(|tensor| kind(tensor));
        if has(|c| matches!(c, Column::I64(_))) {
            Column::I64(self.integers(column, |x| x))
        } else if has(|c| matches!(c, Column::I32(_))) {
            Column::I32(self.integers(column, |x| x as i32))
        } else if has(|c| matches!(c, Column::I16(_))) {
            Column::I16(self.integers(column, |x| x as i16))
        } else {
            Column::I8(self.integers(column, |x| x as i8))
        }
    }

    fn integers<T: Copy + Default + Send>(&self, column: usize, narrow: impl Fn(i64) -> T + Sync) -> Vec<T> {
        let mut out = vec![T::default(); self.layout.leaves()];
        let run = |tensor: &Column, cell: usize, out: &mut [T]| {
            #[allow(clippy::useless_conversion, reason = "the macro also expands to i64")]
            {
                with_column!(tensor, v => {
                    let values = v.get(cell..).unwrap_or(&[]);
                    out.iter_mut().zip(values).for_each(|(o, &x)| *o = narrow(i64::from(x)));
                });
            }
        };
        let piece = CHUNK * CHUNK;
        out.par_chunks_mut(piece).enumerate().for_each(|(i, out)| self.copy(column, i * piece, out, run));
        out
    }

    /// `constant + Σ coefficients[j] · column_j` for every leaf, packed; lanes after the last leaf hold `tail`.
    ///
    /// Costs one base × extension product per leaf and coefficient other than zero, one and minus one.
    pub fn affine<S: Suite>(
        &self,
        constant: S::Challenge,
        coefficients: &[S::Challenge],
        tail: S::Challenge,
    ) -> Vec<PackedExt<S>> {
        let packs = self.layout.leaves().div_ceil(Packed::<S>::WIDTH);
        let mut out = vec![PackedExt::<S>::ZERO; packs];
        out.par_chunks_mut(CHUNK).enumerate().for_each(|(chunk, out)| {
            self.write_affine::<S>(constant, coefficients, tail, chunk * CHUNK, out);
        });
        out
    }

    /// Writes what [`Self::affine`] holds from pack `first` on; packs after the last leaf hold `tail`.
    pub fn write_affine<S: Suite>(
        &self,
        constant: S::Challenge,
        coefficients: &[S::Challenge],
        tail: S::Challenge,
        first: usize,
        out: &mut [PackedExt<S>],
    ) {
        let width = Packed::<S>::WIDTH;
        for (chunk, out) in out.chunks_mut(CHUNK).enumerate() {
            let leaf = (first + chunk * CHUNK) * width;
            let mut buffer = [<S::Base as PrimeCharacteristicRing>::ZERO; CHUNK * MAX_WIDTH];
            let buffer = &mut buffer[..out.len() * width];
            let stored = buffer.len().min(self.layout.leaves().saturating_sub(leaf));
            out.fill(PackedExt::<S>::from(constant));
            let used = |&(_, &c): &(usize, &S::Challenge)| stored > 0 && c != S::Challenge::ZERO;
            for (j, &coefficient) in coefficients.iter().enumerate().filter(used) {
                self.fill::<S>(j, leaf, &mut buffer[..stored]);
                add_scaled::<S>(out, coefficient, Packed::<S>::pack_slice(buffer), stored);
            }
            if stored < buffer.len() {
                set_tail::<S>(out, stored, tail);
            }
        }
    }

    /// The denominators `α - f(w_i)`, packed; the tail is 1.
    pub fn denominators<S: Suite>(&self, fingerprint: &Fingerprint<S::Challenge>) -> Vec<PackedExt<S>> {
        let coefficients: Vec<_> = fingerprint.powers.iter().map(|&p| -p).collect();
        self.affine::<S>(fingerprint.alpha, &coefficients, S::Challenge::ONE)
    }

    /// The extension of every block and tuple column at a leaf point: blocks in layout order, columns in tuple order.
    ///
    /// Costs one base × extension product per leaf and column.
    pub fn evaluate<S: Suite>(&self, point: &[S::Challenge]) -> Vec<S::Challenge> {
        let mut values = Vec::with_capacity(self.layout.blocks().len() * self.layout.width());
        for block in self.layout.blocks() {
            let own = block.own_point(point);
            let inner_variables = own.len().min((CHUNK * Packed::<S>::WIDTH).ilog2() as usize);
            let (outer, inner) = own.split_at(own.len() - inner_variables);
            let (outer, inner) = (mle::eq_table(outer), mle::eq_table(inner));
            for column in 0..self.layout.width() {
                values.push(self.block_value::<S>(column, block.start, &outer, &inner));
            }
        }
        values
    }

    /// `Σ outer ⊗ inner · column` over the leaves from `start`.
    fn block_value<S: Suite>(
        &self,
        column: usize,
        start: usize,
        outer: &[S::Challenge],
        inner: &[S::Challenge],
    ) -> S::Challenge {
        let width = Packed::<S>::WIDTH;
        let packed: Vec<PackedExt<S>> = if inner.len() >= width {
            inner.chunks(width).map(PackedExt::<S>::from_ext_slice).collect()
        } else {
            Vec::new()
        };
        count::base_ext_mul(outer.len() * inner.len());
        count::ext_mul(outer.len());
        let row = |(i, &weight): (usize, &S::Challenge)| {
            let mut buffer = [<S::Base as PrimeCharacteristicRing>::ZERO; CHUNK * MAX_WIDTH];
            let buffer = &mut buffer[..inner.len()];
            self.fill::<S>(column, start + i * inner.len(), buffer);
            let dot: S::Challenge = if packed.is_empty() {
                inner.iter().zip(buffer.iter()).map(|(&e, &v)| e * v).sum()
            } else {
                let values = Packed::<S>::pack_slice(buffer);
                let sum = packed.iter().zip(values).fold(PackedExt::<S>::ZERO, |sum, (&e, &v)| sum + e * v);
                (0..width).map(|lane| sum.extract(lane)).sum()
            };
            weight * dot
        };
        outer.par_iter().with_min_len(8).enumerate().map(row).sum()
    }
}

/// Most lanes of any packing in use.
const MAX_WIDTH: usize = 16;

/// The leaves of the table tree, one per row: numerators `-m_j` and denominators `α - f(t_j)`.
///
/// Costs one base × extension product per row and column after the first.
pub fn table_leaves<S: Suite>(
    instance: &Instance<'_>,
    fingerprint: &Fingerprint<S::Challenge>,
    multiplicities: &Column,
) -> Vec<(S::Base, S::Challenge)> {
    let Some(lookup) = lookup(instance) else { return Vec::new() };
    let rows = lookup.table.rows();
    count::base_ext_mul(rows * (lookup.table.width().saturating_sub(1)));
    (0..rows)
        .into_par_iter()
        .with_min_len(1024)
        .map(|row| {
            let mut denominator = fingerprint.alpha;
            for (column, &power) in fingerprint.powers.iter().enumerate() {
                let value = S::from_i64(lookup.table.get(column, row).unwrap_or(0));
                denominator -= if column == 0 { S::Challenge::from(value) } else { power * value };
            }
            (-S::from_i64(multiplicities.get(row).unwrap_or(0)), denominator)
        })
        .collect()
}

/// `out += coefficient · values`.
fn add_scaled<S: Suite>(out: &mut [PackedExt<S>], coefficient: S::Challenge, values: &[Packed<S>], stored: usize) {
    if coefficient == S::Challenge::ONE {
        out.iter_mut().zip(values).for_each(|(o, &v)| *o += v);
    } else if coefficient == -S::Challenge::ONE {
        out.iter_mut().zip(values).for_each(|(o, &v)| *o -= v);
    } else {
        count::base_ext_mul(stored);
        let coefficient = PackedExt::<S>::from(coefficient);
        out.iter_mut().zip(values).for_each(|(o, &v)| *o += coefficient * v);
    }
}

/// Overwrites the lanes from `stored` on.
fn set_tail<S: Suite>(out: &mut [PackedExt<S>], stored: usize, tail: S::Challenge) {
    let width = Packed::<S>::WIDTH;
    for (i, pack) in out.iter_mut().enumerate().skip(stored / width) {
        let old = *pack;
        *pack = PackedExt::<S>::from_ext_fn(|lane| if i * width + lane < stored { old.extract(lane) } else { tail });
    }
}

/// Embeds `out.len()` neighbouring values from `cell` on.
fn embed<S: Suite>(column: &Column, cell: usize, out: &mut [S::Base]) {
    #[allow(clippy::useless_conversion, reason = "the macro also expands to i64")]
    {
        with_column!(column, v => {
            let values = v.get(cell..).unwrap_or(&[]);
            out.iter_mut().zip(values).for_each(|(o, &x)| *o = S::from_i64(i64::from(x)));
        });
    }
}

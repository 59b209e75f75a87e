//! The verbs of a device that is not the host.
//!
//! Everything here is untyped on purpose, so that one object serves every suite: elements are canonical words
//! ([`FieldKind`]), integers are [`Column`]s. Results are exact; whoever calls gets the bytes that the host would have
//! computed. The transcript stays on the host: a device sees one round at a time.

use core::any::Any;
use core::fmt::Debug;
use core::ops::Range;
use std::sync::Arc;

use crate::{Activity, Column, DeviceError, DeviceInfo, Expression, FieldKind};

/// What a buffer holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Contents {
    /// Field elements.
    Elements(FieldKind),
    /// Signed integers of so many bytes: 1, 2, 4 or 8.
    Integers(usize),
}

/// A vector in the memory of a device, or a part of one. Copies share the memory.
#[derive(Clone, Debug)]
pub struct Buffer {
    contents: Contents,
    range: Range<usize>,
    storage: Arc<dyn Any + Send + Sync>,
}

impl Buffer {
    /// A whole vector of `len` entries; `storage` is the device's own handle.
    pub fn new(contents: Contents, len: usize, storage: Arc<dyn Any + Send + Sync>) -> Self {
        Self { contents, range: 0..len, storage }
    }

    /// What it holds.
    pub fn contents(&self) -> Contents {
        self.contents
    }

    /// The entries of the storage that belong to it.
    pub fn range(&self) -> Range<usize> {
        self.range.clone()
    }

    /// Number of entries.
    pub fn len(&self) -> usize {
        self.range.len()
    }

    /// True if there are none.
    pub fn is_empty(&self) -> bool {
        self.range.is_empty()
    }

    /// The device's handle, if it is of this type.
    pub fn storage<T: 'static>(&self) -> Option<&T> {
        self.storage.downcast_ref()
    }

    /// Its two halves; the second is one entry longer if the length is odd.
    pub fn halves(self) -> [Self; 2] {
        let middle = self.range.start + self.len() / 2;
        let second = Self { range: middle..self.range.end, ..self.clone() };
        [Self { range: self.range.start..middle, ..self }, second]
    }
}

/// Where a round polynomial is evaluated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Point {
    /// At a small integer.
    At(u8),
    /// "At infinity": the composition of the factors' slopes. For homogeneous compositions this is the coefficient of the
    /// highest power.
    Infinity,
}

/// A sumcheck over factors that are resident.
#[derive(Debug)]
pub struct Sumcheck {
    /// The field of factors and challenges.
    pub field: FieldKind,
    /// One buffer of `2^n` elements per factor, `n >= 1`. They do not overlap and are overwritten.
    pub factors: Vec<Buffer>,
    /// The composition; its results are summed separately.
    pub expression: Expression,
    /// The composition's parameters, as words.
    pub parameters: Vec<u64>,
}

/// One round.
#[derive(Clone, Copy, Debug)]
pub struct Round<'a> {
    /// The previous challenge: the first variable is bound to it before anything is evaluated.
    pub bind: Option<&'a [u64]>,
    /// Where to evaluate.
    pub points: &'a [Point],
    /// Weights of the pairs: of the `P` pairs that are left after binding, pair `x` has weight
    /// `outer[x / (P / outer.len())] · inner[x mod inner.len()]`. Both lengths are powers of two whose product is at most `P`; an
    /// empty list stands for ones.
    pub outer: &'a [u64],
    /// See `outer`.
    pub inner: &'a [u64],
}

/// A running sumcheck.
pub trait Rounds: Send {
    /// Sums, point by point and for each point output by output, of `weight(x) · C(f(x))` over the pairs `x`, where at point
    /// `t` the factor's value is `f[x] + t (f[x + P] - f[x])`.
    fn round(&mut self, round: Round<'_>) -> Result<Vec<u64>, DeviceError>;

    /// Binds the last challenge and returns what is left of every factor.
    fn finish(self: Box<Self>, bind: Option<&[u64]>) -> Result<Vec<Vec<u64>>, DeviceError>;
}

/// `out[i] = constant + Σ_j coefficients[j] · columns[j][i]` for `i < stored`, and `tail` after that.
#[derive(Clone, Debug)]
pub struct Combination<'a> {
    /// The field of the result.
    pub field: FieldKind,
    /// Integer columns with at least `min(stored, range.end)` entries.
    pub columns: &'a [Buffer],
    /// One element per column, as words.
    pub coefficients: &'a [u64],
    /// An element.
    pub constant: &'a [u64],
    /// Entries that there are values for.
    pub stored: usize,
    /// An element.
    pub tail: &'a [u64],
    /// The entries to compute.
    pub range: Range<usize>,
}

/// The numerators of a level of fractions.
#[derive(Clone, Copy, Debug)]
pub enum Numerators<'a> {
    /// Stored ones.
    Stored(&'a Buffer),
    /// One for the first so many nodes, zero for the others.
    Ones(usize),
}

/// `out[o] = Σ_i Π_k operands[k][ o · outer strides + i · inner strides ]`, over integers.
#[derive(Clone, Debug)]
pub struct IntegerEinsum<'a> {
    /// One or two integer columns.
    pub operands: &'a [Buffer],
    /// Lengths of the output's axes, row-major.
    pub outer: &'a [usize],
    /// Lengths of the summed axes.
    pub inner: &'a [usize],
    /// Per operand: its strides along the outer axes, then along the inner ones.
    pub strides: &'a [Vec<usize>],
    /// No partial sum exceeds this magnitude.
    pub largest: u64,
}

/// A discrete Fourier transform over the Goldilocks base field, of every column of a matrix:
/// `out[k] = Σ_j root^(jk) · rows[j]`, rows in natural order on both sides.
///
/// An extension field's matrix is one of its words: the transform is linear.
#[derive(Clone, Copy, Debug)]
pub struct Fourier<'a> {
    /// The first rows of the matrix, row-major, as canonical words; the rows after them are zero.
    pub rows: &'a [u64],
    /// Number of columns, not zero.
    pub width: usize,
    /// Base-two logarithm of the number of rows, at most 32.
    pub log_height: u32,
    /// A primitive root of unity of that order.
    pub root: u64,
}

impl Fourier<'_> {
    /// Words of the whole matrix.
    pub fn words(&self) -> Option<usize> {
        1_usize.checked_shl(self.log_height)?.checked_mul(self.width)
    }

    /// Checks what does not need the field: the error says what does not fit.
    pub fn check(&self) -> Result<(), DeviceError> {
        let whole = self.rows.len().is_multiple_of(self.width) && self.width > 0;
        if whole && self.log_height <= 32 && self.words().is_some_and(|words| self.rows.len() <= words) {
            return Ok(());
        }
        Err(DeviceError::Request("a Fourier transform has whole rows, not more than its height".to_owned()))
    }
}

/// A device that is not the host.
///
/// Verbs that a device does not have answer [`DeviceError::Unsupported`]. No verb waits without a time limit.
pub trait Accelerator: Debug + Send + Sync {
    /// What the device is.
    fn info(&self) -> &DeviceInfo;

    /// What it has done so far.
    fn activity(&self) -> Activity;

    /// Sends field elements (words).
    fn upload(&self, field: FieldKind, words: &[u64]) -> Result<Buffer, DeviceError>;

    /// Sends integers.
    fn upload_column(&self, column: &Column) -> Result<Buffer, DeviceError>;

    /// Reads field elements back (words).
    fn download(&self, buffer: &Buffer) -> Result<Vec<u64>, DeviceError>;

    /// `scale · eq(point, x)` for all `x`, first coordinate most significant.
    fn eq_table(&self, _field: FieldKind, _point: &[u64], _scale: &[u64]) -> Result<Buffer, DeviceError> {
        Err(self.unsupported("eq tables"))
    }

    /// `out[a, b] = Σ_m weights[m] · cells[a, m, b]` for cells of shape `[a, m, b]`, row-major: integers, or elements of the
    /// weights' field.
    fn contract(&self, _cells: &Buffer, _split: [usize; 3], _weights: &Buffer) -> Result<Buffer, DeviceError> {
        Err(self.unsupported("contraction"))
    }

    /// An affine combination of integer columns.
    fn combine(&self, _request: &Combination<'_>) -> Result<Buffer, DeviceError> {
        Err(self.unsupported("combination of columns"))
    }

    /// One level of a tree of fractions: node `x` is the sum of the nodes `x` and `x + half` below, as
    /// `[n0 d1 + n1 d0, d0 d1]`; numerators and denominators are returned.
    fn add_fractions(&self, _numerators: Numerators<'_>, _denominators: &Buffer) -> Result<[Buffer; 2], DeviceError> {
        Err(self.unsupported("fraction trees"))
    }

    /// Starts a sumcheck.
    fn sumcheck(&self, _request: Sumcheck) -> Result<Box<dyn Rounds + '_>, DeviceError> {
        Err(self.unsupported("sumchecks"))
    }

    /// A sum of products of integers, row-major.
    fn einsum(&self, _request: &IntegerEinsum<'_>) -> Result<Vec<i64>, DeviceError> {
        Err(self.unsupported("integer einsums"))
    }

    /// The words of a discrete Fourier transform, as many as the matrix has.
    fn fourier(&self, _request: &Fourier<'_>) -> Result<Vec<u64>, DeviceError> {
        Err(self.unsupported("Fourier transforms"))
    }

    /// The error of a verb that this device does not have.
    fn unsupported(&self, step: &str) -> DeviceError {
        DeviceError::Unsupported { device: self.info().id.clone(), step: step.to_owned() }
    }
}

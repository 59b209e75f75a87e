//! Steps that are made of several vector operations.
//!
//! All of them work on whole vectors of the extension, and write into new memory.

use p3_field::extension::BinomialExtensionField;
use p3_field::{BasedVectorSpace, PrimeField64};
use p3_goldilocks::Goldilocks;

use crate::error::Failure;
use crate::ffi::{EXTENSION, Elementwise, Scalar, Scalars, Span, Sums};
use crate::worker::Context;

/// The field, on the host.
pub(crate) type E = BinomialExtensionField<Goldilocks, 2>;

/// Rows whose columns are summed by a call each; more are left to the host.
const MOST_ROWS: usize = 1 << 10;

/// The words of an element.
pub(crate) fn words(element: E) -> [u64; 2] {
    let coefficients: &[Goldilocks] = element.as_basis_coefficients_slice();
    core::array::from_fn(|i| coefficients.get(i).map_or(0, PrimeField64::as_canonical_u64))
}

/// The elements that are made of these words.
pub(crate) fn elements(words: &[u64]) -> Vec<E> {
    let (pairs, _) = words.as_chunks::<2>();
    pairs.iter().map(|pair| E::new(pair.map(Goldilocks::new))).collect()
}

impl Context<'_> {
    /// `a ∘ b`, element by element.
    pub(crate) fn elementwise(&self, op: Elementwise, a: &Span, b: &Span) -> Result<Span, Failure> {
        let out = self.vector(a.len())?;
        self.api.elementwise(op, a, b, &out)?;
        Ok(out)
    }

    /// One scalar `∘` each row of `v`.
    pub(crate) fn scalar(&self, op: Scalar, scalars: Scalars<'_>, v: &Span) -> Result<Span, Failure> {
        let out = self.vector(v.len())?;
        self.api.scalar(op, scalars, v, &out)?;
        Ok(out)
    }

    /// Rows of `len` elements, each made of one scalar.
    pub(crate) fn fill(&self, scalars: Scalars<'_>, len: usize) -> Result<Span, Failure> {
        let zeros = self.vector(scalars.len() * len)?;
        self.api.clear(&zeros)?;
        self.scalar(Scalar::Add, scalars, &zeros)
    }

    /// So many copies of a vector, one after the other.
    fn tile(&self, v: &Span, times: usize) -> Result<Span, Failure> {
        let out = self.vector(v.len() * times)?;
        let mut done = v.len().min(out.len());
        self.api.copy(&v.part(0..done)?, &out.part(0..done)?)?;
        while done < out.len() {
            let more = done.min(out.len() - done);
            self.api.copy(&out.part(0..more)?, &out.part(done..done + more)?)?;
            done += more;
        }
        Ok(out)
    }

    /// `scale · eq(point, x)` for all `x`, first coordinate most significant.
    pub(crate) fn eq_table(&self, point: &[u64], scale: [u64; 2]) -> Result<Span, Failure> {
        let (coordinates, _) = point.as_chunks::<2>();
        let mut table = self.upload(&scale, EXTENSION)?;
        for coordinate in coordinates.iter().rev() {
            let len = table.len();
            let next = self.vector(2 * len)?;
            let (low, high) = (next.part(0..len)?, next.part(len..2 * len)?);
            self.api.scalar(Scalar::Mul, Scalars::Host(coordinate), &table, &high)?;
            self.api.elementwise(Elementwise::Sub, &table, &high, &low)?;
            table = next;
        }
        Ok(table)
    }

    /// `low + r (high - low)` for the halves of a vector. Overwrites the second half.
    pub(crate) fn fold(&self, factor: &Span, challenge: [u64; 2]) -> Result<Span, Failure> {
        let half = factor.len() / 2;
        let (low, high) = (factor.part(0..half)?, factor.part(half..2 * half)?);
        let slopes = self.elementwise(Elementwise::Sub, &high, &low)?;
        self.api.scalar(Scalar::Mul, Scalars::Host(&challenge), &slopes, &high)?;
        self.api.elementwise(Elementwise::Add, &low, &high, &slopes)?;
        Ok(slopes)
    }

    /// `Σ_x weight(x) · v[x]` into one entry of `out`, with weights as in [`zkml_device::Round`]: `outer` stays on the host,
    /// `inner` is on the device.
    pub(crate) fn weighted_sum(
        &self,
        v: &Span,
        outer: &[u64],
        inner: Option<&Span>,
        out: &Span,
    ) -> Result<(), Failure> {
        let rows = (outer.len() / 2).max(1);
        let block = v.len() / rows;
        if block * rows != v.len() || inner.is_some_and(|inner| !block.is_multiple_of(inner.len())) {
            let inner = inner.map_or(0, Span::len);
            return Err(Failure::Misfit(format!("weights {rows} × {inner} for {} pairs", v.len())));
        }
        let scaled = if outer.is_empty() { v.clone() } else { self.scalar(Scalar::Mul, Scalars::Host(outer), v)? };
        let Some(inner) = inner else { return self.api.sum(Sums::Rows, &scaled, out) };
        let columns = if inner.len() == v.len() {
            scaled
        } else {
            let columns = self.vector(inner.len())?;
            self.api.sum(Sums::Columns, &scaled, &columns)?;
            columns
        };
        let products = self.elementwise(Elementwise::Mul, &columns, inner)?;
        self.api.sum(Sums::Rows, &products, out)
    }

    /// `out[a, b] = Σ_m weights[m] · cells[a, m, b]`; `base` tells that the cells are in the base field.
    pub(crate) fn contract(
        &self,
        cells: &Span,
        base: bool,
        [rows, middle, inner]: [usize; 3],
        weights: &Span,
    ) -> Result<Span, Failure> {
        let fits = rows.checked_mul(middle).and_then(|n| n.checked_mul(inner)) == Some(cells.len());
        if !fits || weights.len() < middle || cells.len() == 0 {
            let (cells, weights) = (cells.len(), weights.len());
            return Err(Failure::Misfit(format!("{cells} cells, {weights} weights for {rows} × {middle} × {inner}")));
        }
        if rows > MOST_ROWS && inner > 1 {
            return Err(Failure::Refused("contraction of so many short rows"));
        }
        let weights = self.tile(&weights.part(0..middle)?, rows)?;
        let products = match (base, inner) {
            (true, 1) => self.elementwise(Elementwise::Mixed, &weights, cells)?,
            (true, _) => self.elementwise(Elementwise::Mixed, &self.fill(Scalars::Device(&weights), inner)?, cells)?,
            (false, 1) => self.elementwise(Elementwise::Mul, &weights, cells)?,
            (false, _) => self.scalar(Scalar::Mul, Scalars::Device(&weights), cells)?,
        };
        let out = self.vector(rows * inner)?;
        if inner == 1 {
            self.api.sum(Sums::Rows, &products, &out)?;
            return Ok(out);
        }
        for a in 0..rows {
            let row = products.part(a * middle * inner..(a + 1) * middle * inner)?;
            self.api.sum(Sums::Columns, &row, &out.part(a * inner..(a + 1) * inner)?)?;
        }
        Ok(out)
    }

    /// `constant + Σ_j coefficients[j] · columns[j]`, the columns in the base field; `tail` for the entries after them.
    pub(crate) fn combine(
        &self,
        columns: &[(Span, [u64; 2])],
        constant: [u64; 2],
        len: usize,
        tail: ([u64; 2], usize),
    ) -> Result<Span, Failure> {
        let out = self.vector(len + tail.1)?;
        if len > 0 {
            let stored = out.part(0..len)?;
            let [zeros, filled, scaled, other] =
                [self.vector(len)?, self.vector(len)?, self.vector(len)?, self.vector(len)?];
            self.api.clear(&zeros)?;
            // The sums alternate between two vectors, so that the last one ends in `stored`.
            let mut sums = if columns.len().is_multiple_of(2) { [&stored, &other] } else { [&other, &stored] };
            self.api.scalar(Scalar::Add, Scalars::Host(&constant), &zeros, sums[0])?;
            for (column, coefficient) in columns {
                self.api.scalar(Scalar::Add, Scalars::Host(coefficient), &zeros, &filled)?;
                self.api.elementwise(Elementwise::Mixed, &filled, column, &scaled)?;
                self.api.elementwise(Elementwise::Add, sums[0], &scaled, sums[1])?;
                sums.swap(0, 1);
            }
        }
        if tail.1 > 0 {
            self.api.copy(&self.fill(Scalars::Host(&tail.0), tail.1)?, &out.part(len..len + tail.1)?)?;
        }
        Ok(out)
    }

    /// Numerators `n0 d1 + n1 d0` of a level of fractions, from the halves of both vectors.
    pub(crate) fn cross(&self, numerators: &Span, [d0, d1]: [&Span; 2]) -> Result<Span, Failure> {
        let half = d0.len();
        let (n0, n1) = (numerators.part(0..half)?, numerators.part(half..2 * half)?);
        let first = self.elementwise(Elementwise::Mul, &n0, d1)?;
        let second = self.elementwise(Elementwise::Mul, &n1, d0)?;
        self.elementwise(Elementwise::Add, &first, &second)
    }

    /// The same for numerators that are one for the first `ones` nodes and zero for the others.
    pub(crate) fn cross_ones(&self, ones: usize, [d0, d1]: [&Span; 2]) -> Result<Span, Failure> {
        let half = d0.len();
        let (low, high) = (ones.min(half), ones.saturating_sub(half).min(half));
        let out = self.vector(half)?;
        if high > 0 {
            self.api.elementwise(Elementwise::Add, &d0.part(0..high)?, &d1.part(0..high)?, &out.part(0..high)?)?;
        }
        if high < low {
            self.api.copy(&d1.part(high..low)?, &out.part(high..low)?)?;
        }
        if low < half {
            self.api.clear(&out.part(low..half)?)?;
        }
        Ok(out)
    }
}

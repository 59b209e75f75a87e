//! An accelerator that computes plainly on the host, one element at a time.
//!
//! Backends are tested against it, and code that uses devices is tested with it where there is no other. It can be told to
//! fail, like a device that is unplugged in the middle of a proof.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use p3_field::extension::{BinomialExtensionField, CubicTrinomialExtensionField};
use p3_field::{BasedVectorSpace, Field, PrimeCharacteristicRing, PrimeField64};
use p3_goldilocks::Goldilocks;

use crate::{
    Accelerator, Activity, BreakEven, Buffer, Column, Combination, Contents, DeviceError, DeviceInfo, Expression,
    FieldKind, Fourier, IntegerEinsum, Numerators, Point, Round, Rounds, Sumcheck,
};

/// The reference accelerator.
#[derive(Debug)]
pub struct Reference {
    info: DeviceInfo,
    calls: AtomicU64,
    fails_at: u64,
}

impl Reference {
    /// A reference that takes every step of at least `break_even` elements.
    pub fn new(break_even: usize) -> Self {
        Self::failing(break_even, u64::MAX)
    }

    /// As [`Reference::new`], but lost from the call number `fails_at` on.
    pub fn failing(break_even: usize, fails_at: u64) -> Self {
        let info = DeviceInfo {
            id: "reference".to_owned(),
            adapter: "the host, one element at a time".to_owned(),
            backend: "none".to_owned(),
            driver: "none".to_owned(),
            kind: "software".to_owned(),
            software: true,
            prelude: "u64".to_owned(),
            fields: FieldKind::ALL.to_vec(),
            max_binding: u64::MAX,
            max_buffer: u64::MAX,
            break_even: BreakEven::all(break_even),
            break_even_source: "given".to_owned(),
            notes: Vec::new(),
        };
        Self { info, calls: AtomicU64::new(0), fails_at }
    }

    /// Calls so far.
    pub fn calls(&self) -> u64 {
        self.calls.load(Relaxed)
    }

    fn call(&self) -> Result<(), DeviceError> {
        if self.calls.fetch_add(1, Relaxed) >= self.fails_at {
            return Err(DeviceError::Lost("told to fail".to_owned()));
        }
        Ok(())
    }
}

/// Runs `$body` with `$E` bound to the type of a field.
macro_rules! with_field {
    ($field:expr, $E:ident => $body:expr) => {
        match $field {
            FieldKind::Goldilocks => {
                type $E = Goldilocks;
                $body
            }
            FieldKind::Goldilocks2 => {
                type $E = BinomialExtensionField<Goldilocks, 2>;
                $body
            }
            FieldKind::Goldilocks3 => {
                type $E = CubicTrinomialExtensionField<Goldilocks>;
                $body
            }
        }
    };
}

/// A field over Goldilocks with elements made of words.
trait Element: Field + BasedVectorSpace<Goldilocks> {}
impl<E: Field + BasedVectorSpace<Goldilocks>> Element for E {}

fn read<E: Element>(words: &[u64]) -> Vec<E> {
    let element = |w: &[u64]| E::from_basis_coefficients_fn(|i| Goldilocks::new(w[i]));
    words.chunks_exact(E::DIMENSION).map(element).collect()
}

fn write<E: Element>(elements: &[E]) -> Vec<u64> {
    elements.iter().flat_map(|e| e.as_basis_coefficients_slice().iter().map(PrimeField64::as_canonical_u64)).collect()
}

fn one<E: Element>(words: &[u64]) -> Result<E, DeviceError> {
    read(words).first().copied().ok_or_else(|| request("an element without words"))
}

fn request(what: &str) -> DeviceError {
    DeviceError::Request(what.to_owned())
}

fn integer<E: Element>(value: i64) -> E {
    let magnitude = E::from_prime_subfield(E::PrimeSubfield::from_u64(value.unsigned_abs()));
    if value < 0 { -magnitude } else { magnitude }
}

fn elements<E: Element>(buffer: &Buffer) -> Result<Vec<E>, DeviceError> {
    match (buffer.contents(), buffer.storage::<Vec<u64>>()) {
        (Contents::Elements(field), Some(words)) if field.words() == E::DIMENSION => {
            Ok(read(&words[buffer.range().start * E::DIMENSION..buffer.range().end * E::DIMENSION]))
        }
        _ => Err(request("a buffer of elements was expected")),
    }
}

fn cells(buffer: &Buffer) -> Result<Vec<i64>, DeviceError> {
    let column = buffer.storage::<Column>().ok_or_else(|| request("a buffer of integers was expected"))?;
    Ok(column.to_i64()[buffer.range()].to_vec())
}

fn store<E: Element>(field: FieldKind, values: &[E]) -> Buffer {
    Buffer::new(Contents::Elements(field), values.len(), Arc::new(write(values)))
}

fn eq_table<E: Element>(point: &[E], scale: E) -> Vec<E> {
    let mut table = vec![scale];
    for &r in point {
        table = table.into_iter().flat_map(|e| [e * (E::ONE - r), e * r]).collect();
    }
    table
}

fn contract<E: Element>(cells: &[E], [rows, middle, inner]: [usize; 3], weights: &[E]) -> Result<Vec<E>, DeviceError> {
    if cells.len() != rows * middle * inner || weights.len() < middle {
        return Err(request("cells or weights do not have the lengths of the split"));
    }
    let cell = |a: usize, b: usize| (0..middle).map(|m| weights[m] * cells[(a * middle + m) * inner + b]).sum();
    Ok((0..rows * inner).map(|i| cell(i / inner, i % inner)).collect())
}

/// Even and odd rows apart, then together: `out[k] = even[k mod h/2] + root^k odd[k mod h/2]`.
fn fourier(rows: &[Vec<Goldilocks>], root: Goldilocks) -> Vec<Vec<Goldilocks>> {
    if rows.len() < 2 {
        return rows.to_vec();
    }
    let half = |odd: usize| fourier(&rows.iter().skip(odd).step_by(2).cloned().collect::<Vec<_>>(), root * root);
    let (even, odd) = (half(0), half(1));
    let powers = root.powers().take(rows.len());
    let row = |(k, power): (usize, Goldilocks)| {
        let at = k % even.len();
        even[at].iter().zip(&odd[at]).map(|(&e, &o)| e + power * o).collect()
    };
    powers.enumerate().map(row).collect()
}

impl Accelerator for Reference {
    fn info(&self) -> &DeviceInfo {
        &self.info
    }

    fn activity(&self) -> Activity {
        Activity { dispatches: self.calls(), ..Activity::default() }
    }

    fn upload(&self, field: FieldKind, words: &[u64]) -> Result<Buffer, DeviceError> {
        self.call()?;
        Ok(Buffer::new(Contents::Elements(field), words.len() / field.words(), Arc::new(words.to_vec())))
    }

    fn upload_column(&self, column: &Column) -> Result<Buffer, DeviceError> {
        self.call()?;
        let bytes = column.bytes() / column.len().max(1);
        Ok(Buffer::new(Contents::Integers(bytes), column.len(), Arc::new(column.clone())))
    }

    fn download(&self, buffer: &Buffer) -> Result<Vec<u64>, DeviceError> {
        self.call()?;
        let Contents::Elements(field) = buffer.contents() else { return Err(request("integers are not read back")) };
        with_field!(field, E => Ok(write(&elements::<E>(buffer)?)))
    }

    fn eq_table(&self, field: FieldKind, point: &[u64], scale: &[u64]) -> Result<Buffer, DeviceError> {
        self.call()?;
        with_field!(field, E => Ok(store(field, &eq_table::<E>(&read(point), one(scale)?))))
    }

    fn contract(&self, buffer: &Buffer, split: [usize; 3], weights: &Buffer) -> Result<Buffer, DeviceError> {
        self.call()?;
        let Contents::Elements(field) = weights.contents() else { return Err(request("weights are elements")) };
        with_field!(field, E => {
            let cells: Vec<E> = match buffer.contents() {
                Contents::Elements(_) => elements(buffer)?,
                Contents::Integers(_) => cells(buffer)?.into_iter().map(integer).collect(),
            };
            Ok(store(field, &contract(&cells, split, &elements::<E>(weights)?)?))
        })
    }

    fn combine(&self, request: &Combination<'_>) -> Result<Buffer, DeviceError> {
        self.call()?;
        with_field!(request.field, E => {
            let columns = request.columns.iter().map(cells).collect::<Result<Vec<_>, _>>()?;
            let (coefficients, constant, tail): (Vec<E>, E, E) =
                (read(request.coefficients), one(request.constant)?, one(request.tail)?);
            let stored = |i: usize| columns.iter().zip(&coefficients).map(|(v, &c)| c * integer::<E>(v[i])).sum::<E>();
            let value = |i: usize| if i < request.stored { constant + stored(i) } else { tail };
            Ok(store(request.field, &request.range.clone().map(value).collect::<Vec<E>>()))
        })
    }

    fn add_fractions(&self, numerators: Numerators<'_>, denominators: &Buffer) -> Result<[Buffer; 2], DeviceError> {
        self.call()?;
        let Contents::Elements(field) = denominators.contents() else { return Err(request("fractions are elements")) };
        with_field!(field, E => {
            let d: Vec<E> = elements(denominators)?;
            let n: Vec<E> = match numerators {
                Numerators::Stored(buffer) => elements(buffer)?,
                Numerators::Ones(ones) => (0..d.len()).map(|i| integer(i64::from(i < ones))).collect(),
            };
            let half = d.len() / 2;
            let sums: Vec<E> = (0..half).map(|x| n[x] * d[x + half] + n[x + half] * d[x]).collect();
            let products: Vec<E> = (0..half).map(|x| d[x] * d[x + half]).collect();
            Ok([store(field, &sums), store(field, &products)])
        })
    }

    fn sumcheck(&self, request: Sumcheck) -> Result<Box<dyn Rounds + '_>, DeviceError> {
        self.call()?;
        with_field!(request.field, E => Ok(Box::new(PlainRounds::<E> {
            device: self,
            factors: request.factors.iter().map(elements).collect::<Result<_, _>>()?,
            expression: request.expression,
            parameters: read(&request.parameters),
        })))
    }

    fn einsum(&self, request: &IntegerEinsum<'_>) -> Result<Vec<i64>, DeviceError> {
        self.call()?;
        let operands = request.operands.iter().map(cells).collect::<Result<Vec<_>, _>>()?;
        let lengths: Vec<usize> = request.outer.iter().chain(request.inner).copied().collect();
        let summed: usize = request.inner.iter().product();
        let place = |strides: &[usize], mut at: usize| {
            let steps = lengths.iter().zip(strides).rev().map(|(&n, &stride)| {
                let index = at % n;
                at /= n;
                index * stride
            });
            steps.sum::<usize>()
        };
        let product = |at: usize| -> i64 {
            operands.iter().zip(request.strides).map(|(v, strides)| v[place(strides, at)]).product()
        };
        let cells = request.outer.iter().product::<usize>();
        Ok((0..cells).map(|o| (o * summed..(o + 1) * summed).map(product).sum()).collect())
    }

    fn fourier(&self, wanted: &Fourier<'_>) -> Result<Vec<u64>, DeviceError> {
        self.call()?;
        wanted.check()?;
        let (height, root) = (1_usize << wanted.log_height, Goldilocks::new(wanted.root));
        let primitive =
            if height == 1 { root.is_one() } else { root.exp_u64(height as u64 / 2) == Goldilocks::NEG_ONE };
        if !primitive {
            return Err(request("the root of unity is not of the matrix's order"));
        }
        let mut rows: Vec<Vec<Goldilocks>> = wanted.rows.chunks(wanted.width).map(read).collect();
        rows.resize(height, vec![Goldilocks::ZERO; wanted.width]);
        Ok(write(&fourier(&rows, root).concat()))
    }
}

struct PlainRounds<'a, E> {
    device: &'a Reference,
    factors: Vec<Vec<E>>,
    expression: Expression,
    parameters: Vec<E>,
}

impl<E: Element> PlainRounds<'_, E> {
    fn bind(&mut self, words: Option<&[u64]>) -> Result<(), DeviceError> {
        if let Some(words) = words {
            let r = one::<E>(words)?;
            for factor in &mut self.factors {
                let (low, high) = factor.split_at(factor.len() / 2);
                *factor = low.iter().zip(high).map(|(&l, &h)| l + r * (h - l)).collect();
            }
        }
        Ok(())
    }
}

impl<E: Element> Rounds for PlainRounds<'_, E> {
    fn round(&mut self, round: Round<'_>) -> Result<Vec<u64>, DeviceError> {
        self.device.call()?;
        self.bind(round.bind)?;
        let (outer, inner): (Vec<E>, Vec<E>) = (read(round.outer), read(round.inner));
        let pairs = self.factors.first().map_or(0, Vec::len) / 2;
        let block = (pairs / outer.len().max(1)).max(1);
        let weight = |x: usize| {
            let inner = inner.get(x % inner.len().max(1)).copied().unwrap_or(E::ONE);
            outer.get(x / block).copied().unwrap_or(E::ONE) * inner
        };
        let mut sums = vec![E::ZERO; round.points.len() * self.expression.outputs().len()];
        for x in 0..pairs {
            for (point, sums) in round.points.iter().zip(sums.chunks_mut(self.expression.outputs().len())) {
                let at = |f: &Vec<E>| match *point {
                    Point::At(t) => f[x] + integer::<E>(i64::from(t)) * (f[x + pairs] - f[x]),
                    Point::Infinity => f[x + pairs] - f[x],
                };
                let values: Vec<E> = self.factors.iter().map(at).collect();
                let results = self.expression.evaluate(&values, &self.parameters);
                sums.iter_mut().zip(results).for_each(|(sum, value)| *sum += weight(x) * value);
            }
        }
        Ok(write(&sums))
    }

    fn finish(mut self: Box<Self>, bind: Option<&[u64]>) -> Result<Vec<Vec<u64>>, DeviceError> {
        self.device.call()?;
        self.bind(bind)?;
        Ok(self.factors.iter().map(|f| write(f)).collect())
    }
}

#[cfg(test)]
mod tests {
    use p3_field::TwoAdicField;

    use super::*;

    #[test]
    fn fourier_transforms_are_those_of_the_definition() {
        let device = Reference::new(0);
        for (log_height, width, given) in [(0, 1, 1), (0, 3, 0), (1, 2, 2), (3, 1, 8), (3, 5, 6), (6, 2, 33)] {
            let height = 1 << log_height;
            let root = Goldilocks::two_adic_generator(log_height);
            let rows: Vec<u64> = (0..given * width).map(|i| (i as u64 + 1).pow(9)).collect();
            let wanted = Fourier { rows: &rows, width, log_height: log_height as u32, root: root.as_canonical_u64() };
            let value = |k: usize, c: usize| -> Goldilocks {
                (0..given).map(|j| root.exp_u64((j * k) as u64) * Goldilocks::new(rows[j * width + c])).sum()
            };
            let expected: Vec<Goldilocks> = (0..height * width).map(|i| value(i / width, i % width)).collect();
            assert_eq!(device.fourier(&wanted).unwrap(), write(&expected), "2^{log_height} x {width}");
        }
    }

    #[test]
    fn fourier_transforms_that_do_not_fit_are_refused() {
        let device = Reference::new(0);
        let root = Goldilocks::two_adic_generator(2).as_canonical_u64();
        let good = Fourier { rows: &[1, 2, 3, 4], width: 1, log_height: 2, root };
        assert!(device.fourier(&good).is_ok());
        for wrong in [
            Fourier { width: 0, ..good },
            Fourier { width: 3, ..good },
            Fourier { rows: &[1; 5], ..good },
            Fourier { log_height: 33, ..good },
            Fourier { log_height: 70, ..good },
            Fourier { root: 1, ..good },
            Fourier { root: 0, ..good },
            Fourier { log_height: 3, ..good },
            Fourier { log_height: 0, rows: &[1], ..good },
        ] {
            let error = device.fourier(&wrong).unwrap_err();
            assert!(matches!(error, DeviceError::Request(_)), "{wrong:?}: {error}");
        }
    }
}

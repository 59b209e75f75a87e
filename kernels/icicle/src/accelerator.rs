//! The verbs.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use p3_field::PrimeField64;
use p3_goldilocks::Goldilocks;
use zkml_device::{
    Accelerator, Activity, Buffer, Column, Combination, Contents, DeviceError, DeviceInfo, FieldKind, Numerators,
    Round, Rounds, Sumcheck,
};

use crate::Icicle;
use crate::error::Failure;
use crate::ffi::{BASE, EXTENSION, Span};
use crate::rounds::{Request, State};
use crate::vectors::elements;
use crate::worker::Context;

/// The field that ICICLE has vector operations for.
const FIELD: FieldKind = FieldKind::Goldilocks2;

fn request<T>(what: &str) -> Result<T, DeviceError> {
    Err(DeviceError::Request(what.to_owned()))
}

/// The first element's words.
fn element(words: &[u64]) -> Result<[u64; 2], DeviceError> {
    words.first_chunk().copied().map_or_else(|| request("an element without words"), Ok)
}

/// A buffer's part of the device's memory.
fn span(buffer: &Buffer) -> Result<Span, DeviceError> {
    let whole = buffer.storage::<Span>().map_or_else(|| request("a buffer of another device"), Ok)?;
    whole.part(buffer.range()).map_err(|e| e.on("the device"))
}

fn vector(buffer: &Buffer) -> Result<Span, DeviceError> {
    match buffer.contents() {
        Contents::Elements(FIELD) => span(buffer),
        _ => request("a buffer of elements of Goldilocks2 was expected"),
    }
}

fn column(buffer: &Buffer) -> Result<Span, DeviceError> {
    match buffer.contents() {
        Contents::Integers(_) => span(buffer),
        Contents::Elements(_) => request("a buffer of integers was expected"),
    }
}

fn stored(span: Span) -> Buffer {
    Buffer::new(Contents::Elements(FIELD), span.len(), Arc::new(span))
}

impl Icicle {
    /// Runs a job on ICICLE's thread.
    pub(crate) fn run<T: Send + 'static>(
        &self,
        job: impl FnOnce(&Context<'_>) -> Result<T, Failure> + Send + 'static,
    ) -> Result<T, DeviceError> {
        self.worker.run(job)?.map_err(|failure| failure.on(&self.info.backend))
    }

    fn field(&self, field: FieldKind) -> Result<(), DeviceError> {
        if field == FIELD { Ok(()) } else { Err(self.unsupported(&format!("vectors over {field:?}"))) }
    }
}

impl Accelerator for Icicle {
    fn info(&self) -> &DeviceInfo {
        &self.info
    }

    fn activity(&self) -> Activity {
        let traffic = &self.worker.api().traffic;
        Activity {
            dispatches: traffic.operations.load(Relaxed),
            uploaded: traffic.uploaded.load(Relaxed),
            downloaded: traffic.downloaded.load(Relaxed),
            upload_seconds: traffic.upload_nanoseconds.load(Relaxed) as f64 * 1e-9,
            wait_seconds: self.worker.waited() as f64 * 1e-9,
            device_seconds: None,
        }
    }

    fn upload(&self, field: FieldKind, words: &[u64]) -> Result<Buffer, DeviceError> {
        self.field(field)?;
        let words = words.to_vec();
        self.run(move |context| context.upload(&words, EXTENSION)).map(stored)
    }

    /// Integers become elements of the base field: 8 bytes each, whatever their width.
    fn upload_column(&self, column: &Column) -> Result<Buffer, DeviceError> {
        let (len, bytes) = (column.len(), column.bytes() / column.len().max(1));
        let word = |value: i64| {
            let magnitude = Goldilocks::new(value.unsigned_abs());
            (if value < 0 { -magnitude } else { magnitude }).as_canonical_u64()
        };
        let words: Vec<u64> = column.to_i64().into_iter().map(word).collect();
        let span = self.run(move |context| context.upload(&words, BASE))?;
        Ok(Buffer::new(Contents::Integers(bytes), len, Arc::new(span)))
    }

    fn download(&self, buffer: &Buffer) -> Result<Vec<u64>, DeviceError> {
        let span = vector(buffer)?;
        self.run(move |context| context.api.receive(&span))
    }

    fn eq_table(&self, field: FieldKind, point: &[u64], scale: &[u64]) -> Result<Buffer, DeviceError> {
        self.field(field)?;
        let (point, scale) = (point.to_vec(), element(scale)?);
        self.run(move |context| context.eq_table(&point, scale)).map(stored)
    }

    fn contract(&self, cells: &Buffer, split: [usize; 3], weights: &Buffer) -> Result<Buffer, DeviceError> {
        let base = matches!(cells.contents(), Contents::Integers(_));
        let (cells, weights) = (if base { column(cells)? } else { vector(cells)? }, vector(weights)?);
        self.run(move |context| context.contract(&cells, base, split, &weights)).map(stored)
    }

    fn combine(&self, request: &Combination<'_>) -> Result<Buffer, DeviceError> {
        self.field(request.field)?;
        let (start, end) = (request.range.start, request.range.end.max(request.range.start));
        let last = request.stored.clamp(start, end);
        let (coefficients, _) = request.coefficients.as_chunks::<2>();
        if coefficients.len() != request.columns.len() {
            return self::request("one coefficient per column was expected");
        }
        let part = |(buffer, &coefficient): (&Buffer, &[u64; 2])| {
            let part = column(buffer)?.part(start.min(last)..last).map_err(|e| e.on(&self.info.backend))?;
            Ok((part, coefficient))
        };
        let columns = if last > start {
            request.columns.iter().zip(coefficients).map(part).collect::<Result<Vec<_>, DeviceError>>()?
        } else {
            Vec::new()
        };
        let (constant, tail) = (element(request.constant)?, element(request.tail)?);
        self.run(move |context| context.combine(&columns, constant, last - start, (tail, end - last))).map(stored)
    }

    fn add_fractions(&self, numerators: Numerators<'_>, denominators: &Buffer) -> Result<[Buffer; 2], DeviceError> {
        let denominators = vector(denominators)?;
        let half = denominators.len() / 2;
        if half == 0 {
            return request("a level of fractions with less than two nodes");
        }
        let stored_numerators = match numerators {
            Numerators::Stored(buffer) => Ok(vector(buffer)?),
            Numerators::Ones(ones) => Err(ones),
        };
        let [sums, products] = self.run(move |context| {
            let (d0, d1) = (denominators.part(0..half)?, denominators.part(half..2 * half)?);
            let sums = match &stored_numerators {
                Ok(numerators) => context.cross(numerators, [&d0, &d1])?,
                Err(ones) => context.cross_ones(*ones, [&d0, &d1])?,
            };
            Ok([sums, context.elementwise(crate::ffi::Elementwise::Mul, &d0, &d1)?])
        })?;
        Ok([stored(sums), stored(products)])
    }

    fn sumcheck(&self, request: Sumcheck) -> Result<Box<dyn Rounds + '_>, DeviceError> {
        self.field(request.field)?;
        let factors = request.factors.iter().map(vector).collect::<Result<Vec<_>, _>>()?;
        let len = factors.first().map_or(0, Span::len);
        if len < 2 || !len.is_power_of_two() || factors.iter().any(|f| f.len() != len) {
            return self::request("factors of 2^n elements, n at least 1, were expected");
        }
        let parameters = elements(&request.parameters);
        if (factors.len(), parameters.len()) != (request.expression.factors(), request.expression.parameters()) {
            return self::request("the expression has another number of factors or parameters");
        }
        let state = State { factors, expression: request.expression, parameters, registers: Vec::new() };
        Ok(Box::new(Running { device: self, state: Some(state) }))
    }
}

/// A sumcheck whose data is here between rounds, and on ICICLE's thread during them.
struct Running<'a> {
    device: &'a Icicle,
    state: Option<State>,
}

impl Running<'_> {
    fn take(&mut self) -> Result<State, DeviceError> {
        self.state.take().ok_or_else(|| DeviceError::Lost("an earlier round failed".to_owned()))
    }
}

impl Rounds for Running<'_> {
    fn round(&mut self, round: Round<'_>) -> Result<Vec<u64>, DeviceError> {
        let request = Request {
            bind: round.bind.map(element).transpose()?,
            points: round.points.to_vec(),
            outer: round.outer.to_vec(),
            inner: round.inner.to_vec(),
        };
        let mut state = self.take()?;
        let (state, sums) = self.device.run(move |context| {
            let sums = state.round(context, &request)?;
            Ok((state, sums))
        })?;
        self.state = Some(state);
        Ok(sums)
    }

    fn finish(mut self: Box<Self>, bind: Option<&[u64]>) -> Result<Vec<Vec<u64>>, DeviceError> {
        let (state, bind) = (self.take()?, bind.map(element).transpose()?);
        self.device.run(move |context| state.finish(context, bind))
    }
}

//! The accelerator: the verbs of one open adapter.

use core::time::Duration;
use std::time::Instant;

use zkml_device::{
    Accelerator, Activity, BreakEven, Buffer, Column, Combination, Contents, DeviceError, DeviceInfo, FieldKind,
    Fourier, IntegerEinsum, Numerators, Rounds, Sumcheck,
};

use crate::adapter::{Found, Unavailable, choose};
use crate::context::{Args, Context};
use crate::fourier::{self, Powers};
use crate::options::{Options, Prelude};
use crate::shader::vectors as kernels;
use crate::{breakeven, contract, einsum, rounds, selftest, vectors};

/// An open adapter that passed the self-test.
#[derive(Debug)]
pub struct Gpu {
    context: Context,
    info: DeviceInfo,
    powers: Powers,
}

/// Opens an adapter: the one asked for, or the best there is. 64-bit arithmetic is done natively if the adapter can and
/// passes the self-test that way, else in halves; [`DeviceInfo::notes`] tells what was given up.
pub fn open(options: &Options) -> Result<Gpu, Unavailable> {
    let (adapter, found) = choose(options.adapter.as_deref())?;
    let preludes = match options.prelude {
        Some(prelude) => vec![prelude],
        None if found.int64 => vec![Prelude::U64, Prelude::U32],
        None => vec![Prelude::U32],
    };
    let mut notes = Vec::new();
    let mut refused = true;
    for prelude in preludes {
        let result = Context::new(&adapter, options, prelude).map_err(|reason| (true, reason)).and_then(|context| {
            selftest::run(&context).map_err(|reason| (false, reason))?;
            Ok(context)
        });
        match result {
            Ok(context) => return Ok(Gpu::new(context, &found, notes, options)),
            Err((at_opening, reason)) => {
                refused &= at_opening;
                let note = format!("the prelude {prelude} was given up: {reason}");
                tracing::warn!(adapter = found.name, "{note}");
                notes.push(note);
            }
        }
    }
    let (adapter, reason) = (found.name, notes.join("; "));
    Err(if refused { Unavailable::Refused { adapter, reason } } else { Unavailable::SelfTest { adapter, reason } })
}

impl Gpu {
    fn new(context: Context, found: &Found, notes: Vec<String>, options: &Options) -> Self {
        let info = DeviceInfo {
            id: crate::ID.to_owned(),
            adapter: found.name.clone(),
            backend: found.backend.clone(),
            driver: found.driver.clone(),
            kind: found.kind.clone(),
            software: found.is_software(),
            prelude: context.prelude.name().to_owned(),
            fields: FieldKind::ALL.to_vec(),
            max_binding: context.limits.binding,
            max_buffer: context.limits.buffer,
            break_even: BreakEven::all(usize::MAX),
            break_even_source: String::new(),
            notes,
        };
        let mut gpu = Self { context, info, powers: Powers::default() };
        let (sizes, source) = breakeven::decide(&gpu, options);
        gpu.info.break_even = sizes;
        gpu.info.break_even_source = source;
        gpu
    }

    /// Gives the adapter up, as if it had been unplugged.
    #[doc(hidden)]
    pub fn destroy(&self) {
        self.context.destroy();
    }

    /// Sets another time-out.
    #[doc(hidden)]
    pub fn set_timeout(&self, timeout: Duration) {
        self.context.set_timeout(timeout);
    }

    /// Waits until everything that was submitted is done.
    pub fn synchronize(&self) -> Result<(), DeviceError> {
        let buffer = self.upload(FieldKind::Goldilocks, &[0])?;
        self.download(&buffer).map(drop)
    }

    /// Seconds for `count · times` multiplications, `times` of them one after the other.
    pub fn time_products(&self, field: FieldKind, count: usize, times: usize) -> Result<f64, DeviceError> {
        let contents = Contents::Elements(field);
        let vectors = (0..3).map(|_| self.context.vector("factors", contents, count)).collect::<Result<Vec<_>, _>>()?;
        let windows: Vec<_> = vectors.iter().map(|(_, vector)| vector.window(&self.context, 0, count).0).collect();
        let kernel = kernels::products(self.context.dialect(field));
        let run = |times: usize| {
            let args = Args::new(&[count, times])?;
            let dispatch = self.context.dispatch(&kernel, args, windows.clone(), self.context.groups(count))?;
            let (products, offset, _) = vectors[2].1.bytes();
            self.context.read(&[dispatch], products, offset, 8).map(drop)
        };
        run(1)?;
        let start = Instant::now();
        run(times)?;
        Ok(start.elapsed().as_secs_f64())
    }

    /// Seconds to copy so many bytes from one buffer to another, `times` times.
    pub fn time_copies(&self, bytes: u64, times: usize) -> Result<f64, DeviceError> {
        let from = self.context.allocate("a copy", bytes)?;
        let to = self.context.allocate("a copy", bytes)?;
        let copies = vec![(&from, 0, &to, 0, bytes); times];
        self.context.copy(&copies[..1])?;
        self.synchronize()?;
        let start = Instant::now();
        self.context.copy(&copies)?;
        self.synchronize()?;
        Ok(start.elapsed().as_secs_f64())
    }
}

impl Accelerator for Gpu {
    fn info(&self) -> &DeviceInfo {
        &self.info
    }

    fn activity(&self) -> Activity {
        self.context.activity()
    }

    fn upload(&self, field: FieldKind, words: &[u64]) -> Result<Buffer, DeviceError> {
        vectors::upload(&self.context, field, words)
    }

    fn upload_column(&self, column: &Column) -> Result<Buffer, DeviceError> {
        vectors::upload_column(&self.context, column)
    }

    fn download(&self, buffer: &Buffer) -> Result<Vec<u64>, DeviceError> {
        vectors::download(&self.context, buffer)
    }

    fn eq_table(&self, field: FieldKind, point: &[u64], scale: &[u64]) -> Result<Buffer, DeviceError> {
        vectors::eq_table(&self.context, field, point, scale)
    }

    fn contract(&self, cells: &Buffer, split: [usize; 3], weights: &Buffer) -> Result<Buffer, DeviceError> {
        contract::contract(&self.context, cells, split, weights)
    }

    fn combine(&self, request: &Combination<'_>) -> Result<Buffer, DeviceError> {
        vectors::combine(&self.context, request)
    }

    fn add_fractions(&self, numerators: Numerators<'_>, denominators: &Buffer) -> Result<[Buffer; 2], DeviceError> {
        vectors::add_fractions(&self.context, numerators, denominators)
    }

    fn sumcheck(&self, request: Sumcheck) -> Result<Box<dyn Rounds + '_>, DeviceError> {
        Ok(Box::new(rounds::start(&self.context, request)?))
    }

    fn einsum(&self, request: &IntegerEinsum<'_>) -> Result<Vec<i64>, DeviceError> {
        einsum::einsum(&self.context, request)
    }

    fn fourier(&self, request: &Fourier<'_>) -> Result<Vec<u64>, DeviceError> {
        fourier::fourier(&self.context, &self.powers, request)
    }
}

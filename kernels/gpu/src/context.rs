//! One open adapter: pipelines, submissions, waiting, and what can go wrong with them.
//!
//! Every call into wgpu is made inside [`Context::guard`], which turns out-of-memory, validation and shader errors into
//! [`DeviceError`]s. Every wait has the time limit of the options. A device that was lost, or that did not answer in time,
//! stays lost: all later calls say so at once.

use core::time::Duration;
use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use wgpu::{BufferUsages, ErrorFilter, Features, PollError, PollType};
use zkml_device::{Activity, DeviceError, FieldKind};

use crate::clock::Clock;
use crate::options::{Fault, Options, Prelude};
use crate::shader::{Dialect, Kernel, THREADS};

/// What an adapter allows.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// Bytes of a binding.
    pub(crate) binding: u64,
    /// Bytes of the arguments of a kernel.
    args: u64,
    /// Bytes of a buffer.
    pub(crate) buffer: u64,
    /// Storage bindings of a kernel.
    pub(crate) bindings: usize,
    /// Bytes that offsets of bindings are multiples of.
    pub(crate) alignment: u64,
    /// Workgroups of a dispatch.
    pub(crate) groups: u32,
}

/// A part of a buffer that a kernel sees.
#[derive(Clone, Debug)]
pub(crate) struct Window {
    pub(crate) buffer: wgpu::Buffer,
    pub(crate) offset: u64,
    pub(crate) size: u64,
}

/// The numbers and elements of a call, as words.
#[derive(Clone, Debug)]
pub(crate) struct Args(Vec<u64>);

impl Args {
    /// Starts with numbers; elements come after them.
    pub(crate) fn new(numbers: &[usize]) -> Result<Self, DeviceError> {
        let number = |n: usize| {
            u32::try_from(n).map(u64::from).map_err(|_| DeviceError::Request(format!("{n} does not fit 32 bits")))
        };
        let pair = |pair: &[usize]| -> Result<u64, DeviceError> {
            Ok(number(pair[0])? | number(pair.get(1).copied().unwrap_or(0))? << 32)
        };
        Ok(Self(numbers.chunks(2).map(pair).collect::<Result<_, _>>()?))
    }

    /// Adds elements.
    pub(crate) fn with(mut self, words: &[u64]) -> Self {
        self.0.extend_from_slice(words);
        self
    }
}

/// A dispatch that is ready to be submitted.
#[derive(Debug)]
pub(crate) struct Dispatch {
    pipeline: Arc<Pipeline>,
    args: Args,
    windows: Vec<Window>,
    groups: u32,
}

#[derive(Debug)]
struct Pipeline {
    pipeline: wgpu::ComputePipeline,
    layout: wgpu::BindGroupLayout,
}

/// One open adapter.
pub(crate) struct Context {
    device: wgpu::Device,
    queue: wgpu::Queue,
    pub(crate) prelude: Prelude,
    pub(crate) limits: Limits,
    /// Tells its buffers from those of others.
    pub(crate) id: u64,
    fault: Option<Fault>,
    timeout: Mutex<Duration>,
    lost: Arc<Mutex<Option<String>>>,
    uncaught: Arc<Mutex<Option<DeviceError>>>,
    pipelines: Mutex<HashMap<String, Arc<Pipeline>>>,
    clock: Option<Clock>,
    /// Held while something is submitted and waited for; the buffer that short answers are read through.
    line: Mutex<Option<wgpu::Buffer>>,
    activity: Mutex<Activity>,
}

/// Bytes of an answer for which no buffer of its own is made.
const SHORT: u64 = 1 << 16;

static NEXT: AtomicU64 = AtomicU64::new(0);

impl Context {
    /// Opens an adapter; the error is the driver's reason.
    pub(crate) fn new(adapter: &wgpu::Adapter, options: &Options, prelude: Prelude) -> Result<Self, String> {
        let wanted = if prelude == Prelude::U64 { Features::SHADER_INT64 } else { Features::empty() };
        if !adapter.features().contains(wanted) {
            return Err("shaders cannot compute in 64-bit integers".to_owned());
        }
        let clock = adapter.features() & Features::TIMESTAMP_QUERY;
        let descriptor = wgpu::DeviceDescriptor {
            label: Some("zkml"),
            required_features: wanted | clock,
            required_limits: adapter.limits(),
            ..wgpu::DeviceDescriptor::default()
        };
        let (device, queue) = pollster::block_on(adapter.request_device(&descriptor)).map_err(|e| e.to_string())?;
        let (lost, uncaught) = (Arc::<Mutex<Option<String>>>::default(), Arc::<Mutex<Option<DeviceError>>>::default());
        let (tell_lost, tell_uncaught) = (Arc::clone(&lost), Arc::clone(&uncaught));
        device.set_device_lost_callback(move |reason, message| {
            lock(&tell_lost).get_or_insert(format!("{reason:?}: {message}"));
        });
        device.on_uncaptured_error(Arc::new(move |error| {
            lock(&tell_uncaught).get_or_insert(device_error(&error));
        }));
        let clock = (!clock.is_empty()).then(|| Clock::new(&device, &queue));
        Ok(Self {
            limits: limits(adapter, options),
            prelude,
            id: NEXT.fetch_add(1, Relaxed),
            fault: options.fault,
            timeout: Mutex::new(options.timeout),
            lost,
            uncaught,
            pipelines: Mutex::default(),
            activity: Mutex::new(Activity { device_seconds: clock.as_ref().map(|_| 0.0), ..Activity::default() }),
            clock,
            line: Mutex::default(),
            device,
            queue,
        })
    }

    /// How kernels over a field are written.
    pub(crate) fn dialect(&self, field: FieldKind) -> Dialect {
        Dialect { prelude: self.prelude, field: Some(field), fault: self.fault }
    }

    /// How kernels over integers are written.
    pub(crate) fn plain_dialect(&self) -> Dialect {
        Dialect { prelude: self.prelude, field: None, fault: self.fault }
    }

    pub(crate) fn activity(&self) -> Activity {
        *lock(&self.activity)
    }

    pub(crate) fn set_timeout(&self, timeout: Duration) {
        *lock(&self.timeout) = timeout;
    }

    /// Gives the device up, as if it had been unplugged.
    pub(crate) fn destroy(&self) {
        self.device.destroy();
        lock(&self.lost).get_or_insert("destroyed".to_owned());
    }

    fn alive(&self) -> Result<(), DeviceError> {
        lock(&self.lost).clone().map_or(Ok(()), |reason| Err(DeviceError::Lost(reason)))
    }

    /// Runs calls into wgpu and collects their errors.
    pub(crate) fn guard<T>(&self, work: impl FnOnce() -> Result<T, DeviceError>) -> Result<T, DeviceError> {
        self.alive()?;
        let memory = self.device.push_error_scope(ErrorFilter::OutOfMemory);
        let internal = self.device.push_error_scope(ErrorFilter::Internal);
        let validation = self.device.push_error_scope(ErrorFilter::Validation);
        let result = work();
        let errors = [validation, internal, memory].map(|scope| pollster::block_on(scope.pop()));
        if let Err(timeout @ DeviceError::Timeout { .. }) = result {
            return Err(timeout);
        }
        self.alive()?;
        // Out of memory first: it makes later calls invalid.
        if let Some(error) = errors.iter().rev().flatten().next() {
            return Err(device_error(error));
        }
        lock(&self.uncaught).take().map_or(result, Err)
    }

    /// A new buffer for so many bytes, zeroed.
    pub(crate) fn allocate(&self, what: &str, bytes: u64) -> Result<wgpu::Buffer, DeviceError> {
        if bytes > self.limits.buffer {
            return Err(DeviceError::Limit { what: what.to_owned(), needed: bytes, allowed: self.limits.buffer });
        }
        let usage = BufferUsages::STORAGE | BufferUsages::COPY_SRC | BufferUsages::COPY_DST;
        self.guard(|| Ok(self.create(bytes, usage)))
    }

    fn create(&self, bytes: u64, usage: BufferUsages) -> wgpu::Buffer {
        let size = bytes.max(16).next_multiple_of(16);
        self.device.create_buffer(&wgpu::BufferDescriptor { label: None, size, usage, mapped_at_creation: false })
    }

    /// Sends bytes to the start of a buffer, in pieces so that the driver's copies stay small.
    pub(crate) fn send(&self, buffer: &wgpu::Buffer, bytes: &[u8]) -> Result<(), DeviceError> {
        const PIECE: usize = 32 << 20;
        let start = Instant::now();
        self.guard(|| {
            let _line = lock(&self.line);
            for (index, piece) in bytes.chunks(PIECE).enumerate() {
                let whole = piece.len() / 4 * 4;
                let at = (index * PIECE) as u64;
                self.queue.write_buffer(buffer, at, &piece[..whole]);
                if whole < piece.len() {
                    let mut last = [0; 4];
                    last[..piece.len() - whole].copy_from_slice(&piece[whole..]);
                    self.queue.write_buffer(buffer, at + whole as u64, &last);
                }
                if bytes.len() > PIECE {
                    let submitted = self.queue.submit([]);
                    if index % 8 == 7 {
                        self.wait(submitted)?;
                    }
                }
            }
            Ok(())
        })?;
        let mut activity = lock(&self.activity);
        activity.uploaded += bytes.len() as u64;
        activity.upload_seconds += start.elapsed().as_secs_f64();
        Ok(())
    }

    /// As many workgroups as `threads` threads need, within the limit.
    pub(crate) fn groups(&self, threads: usize) -> u32 {
        threads.div_ceil(THREADS as usize).clamp(1, self.limits.groups as usize) as u32
    }

    /// Prepares a dispatch; `windows` are the kernel's bindings after `args`.
    pub(crate) fn dispatch(
        &self,
        kernel: &Kernel,
        args: Args,
        windows: Vec<Window>,
        groups: u32,
    ) -> Result<Dispatch, DeviceError> {
        let bytes = 8 * args.0.len() as u64;
        if bytes > self.limits.args {
            let what = "the arguments of a kernel".to_owned();
            return Err(DeviceError::Limit { what, needed: bytes, allowed: self.limits.args });
        }
        Ok(Dispatch { pipeline: self.pipeline(kernel)?, args, windows, groups })
    }

    fn pipeline(&self, kernel: &Kernel) -> Result<Arc<Pipeline>, DeviceError> {
        if let Some(pipeline) = lock(&self.pipelines).get(&kernel.text) {
            return Ok(Arc::clone(pipeline));
        }
        let pipeline = Arc::new(self.guard(|| Ok(self.compile(kernel)))?);
        lock(&self.pipelines).insert(kernel.text.clone(), Arc::clone(&pipeline));
        Ok(pipeline)
    }

    fn compile(&self, kernel: &Kernel) -> Pipeline {
        let entry = |(binding, view): (usize, &crate::shader::View)| wgpu::BindGroupLayoutEntry {
            binding: binding as u32,
            visibility: wgpu::ShaderStages::COMPUTE,
            ty: wgpu::BindingType::Buffer {
                ty: wgpu::BufferBindingType::Storage { read_only: !view.writes() },
                has_dynamic_offset: false,
                min_binding_size: None,
            },
            count: None,
        };
        let entries: Vec<_> = kernel.views.iter().enumerate().map(entry).collect();
        let layout =
            self.device.create_bind_group_layout(&wgpu::BindGroupLayoutDescriptor { label: None, entries: &entries });
        let source = wgpu::ShaderSource::Wgsl(kernel.text.as_str().into());
        let module = self.device.create_shader_module(wgpu::ShaderModuleDescriptor { label: None, source });
        let whole = self.device.create_pipeline_layout(&wgpu::PipelineLayoutDescriptor {
            label: None,
            bind_group_layouts: &[Some(&layout)],
            immediate_size: 0,
        });
        let pipeline = self.device.create_compute_pipeline(&wgpu::ComputePipelineDescriptor {
            label: None,
            layout: Some(&whole),
            module: &module,
            entry_point: Some("main"),
            // Kernels write what a workgroup shares before they read it.
            compilation_options: wgpu::PipelineCompilationOptions {
                zero_initialize_workgroup_memory: false,
                ..wgpu::PipelineCompilationOptions::default()
            },
            cache: None,
        });
        Pipeline { pipeline, layout }
    }

    /// Submits dispatches, which run one after the other.
    pub(crate) fn run(&self, dispatches: &[Dispatch]) -> Result<(), DeviceError> {
        self.submit(dispatches, None).map(drop)
    }

    /// Submits dispatches and reads bytes of a buffer back when they are done. Offset and length are multiples of 4.
    pub(crate) fn read(
        &self,
        dispatches: &[Dispatch],
        from: &wgpu::Buffer,
        offset: u64,
        bytes: u64,
    ) -> Result<Vec<u8>, DeviceError> {
        self.submit(dispatches, Some((from, offset, bytes)))
    }

    fn submit(&self, dispatches: &[Dispatch], read: Option<(&wgpu::Buffer, u64, u64)>) -> Result<Vec<u8>, DeviceError> {
        self.guard(|| {
            let mut line = lock(&self.line);
            let mut encoder = self.device.create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
            self.encode(&mut encoder, dispatches);
            let bytes = read.map_or(0, |(_, _, bytes)| bytes);
            let flush = self.clock.as_ref().filter(|clock| read.is_some() || clock.is_full());
            let ticks = flush.map_or(0, Clock::bytes);
            let after = bytes.next_multiple_of(8);
            let staging = (bytes + ticks > 0).then(|| {
                let usage = BufferUsages::MAP_READ | BufferUsages::COPY_DST;
                let staging = if after + ticks > SHORT {
                    self.create(after + ticks, usage)
                } else {
                    line.get_or_insert_with(|| self.create(SHORT, usage)).clone()
                };
                if let Some((from, offset, bytes)) = read {
                    encoder.copy_buffer_to_buffer(from, offset, &staging, 0, bytes);
                }
                if let Some(clock) = flush {
                    clock.resolve(&mut encoder, &staging, after);
                }
                staging
            });
            let submitted = self.queue.submit([encoder.finish()]);
            lock(&self.activity).dispatches += dispatches.len() as u64;
            let Some(staging) = staging else { return Ok(Vec::new()) };
            let mut data = self.fetch(&staging, after + ticks, submitted)?;
            if let (Some(clock), Some(ticks)) = (flush, data.get(after as usize..))
                && let Some(seconds) = &mut lock(&self.activity).device_seconds
            {
                *seconds += clock.seconds(ticks);
            }
            data.truncate(bytes as usize);
            lock(&self.activity).downloaded += bytes;
            Ok(data)
        })
    }

    fn encode(&self, encoder: &mut wgpu::CommandEncoder, dispatches: &[Dispatch]) {
        if dispatches.is_empty() {
            return;
        }
        let alignment = self.limits.alignment as usize / 8;
        let mut words = Vec::new();
        let mut ranges = Vec::with_capacity(dispatches.len());
        for dispatch in dispatches {
            words.resize(words.len().next_multiple_of(alignment), 0);
            ranges.push((8 * words.len() as u64, 8 * dispatch.args.0.len() as u64));
            words.extend_from_slice(&dispatch.args.0);
        }
        let args = self.create(8 * words.len() as u64, BufferUsages::STORAGE | BufferUsages::COPY_DST);
        self.queue.write_buffer(&args, 0, bytemuck::cast_slice(&words));
        let timestamps = self.clock.as_ref().and_then(Clock::next);
        let mut pass =
            encoder.begin_compute_pass(&wgpu::ComputePassDescriptor { label: None, timestamp_writes: timestamps });
        for (dispatch, (offset, size)) in dispatches.iter().zip(ranges) {
            let args = Window { buffer: args.clone(), offset, size };
            let group = self.bind_group(&dispatch.pipeline, &args, &dispatch.windows);
            pass.set_pipeline(&dispatch.pipeline.pipeline);
            pass.set_bind_group(0, &group, &[]);
            pass.dispatch_workgroups(dispatch.groups, 1, 1);
        }
    }

    fn bind_group(&self, pipeline: &Pipeline, args: &Window, windows: &[Window]) -> wgpu::BindGroup {
        let entry = |(binding, window): (usize, &'_ Window)| -> (u32, wgpu::Buffer, u64, u64) {
            (binding as u32, window.buffer.clone(), window.offset, window.size)
        };
        let parts: Vec<_> = core::iter::once(args).chain(windows).enumerate().map(entry).collect();
        let entries: Vec<wgpu::BindGroupEntry<'_>> = parts
            .iter()
            .map(|(binding, buffer, offset, size)| wgpu::BindGroupEntry {
                binding: *binding,
                resource: wgpu::BindingResource::Buffer(wgpu::BufferBinding {
                    buffer,
                    offset: *offset,
                    size: core::num::NonZeroU64::new(*size),
                }),
            })
            .collect();
        self.device.create_bind_group(&wgpu::BindGroupDescriptor {
            label: None,
            layout: &pipeline.layout,
            entries: &entries,
        })
    }

    /// Copies between buffers.
    pub(crate) fn copy(&self, copies: &[(&wgpu::Buffer, u64, &wgpu::Buffer, u64, u64)]) -> Result<(), DeviceError> {
        self.guard(|| {
            let _line = lock(&self.line);
            let mut encoder = self.device.create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
            for &(from, from_offset, to, to_offset, bytes) in copies {
                encoder.copy_buffer_to_buffer(from, from_offset, to, to_offset, bytes);
            }
            self.queue.submit([encoder.finish()]);
            Ok(())
        })
    }

    /// The first bytes of a staging buffer, when the submission is done.
    fn fetch(
        &self,
        staging: &wgpu::Buffer,
        bytes: u64,
        submitted: wgpu::SubmissionIndex,
    ) -> Result<Vec<u8>, DeviceError> {
        let start = Instant::now();
        let (tell, told) = std::sync::mpsc::channel();
        staging.map_async(wgpu::MapMode::Read, ..bytes, move |result| drop(tell.send(result)));
        self.wait(submitted)?;
        let invalid = |e: &dyn core::fmt::Display| DeviceError::Invalid(format!("reading back: {e}"));
        match told.try_recv() {
            Ok(result) => result.map_err(|e| invalid(&e))?,
            Err(_) => return Err(DeviceError::Invalid("reading back: no answer to a mapping".to_owned())),
        }
        let data = staging.get_mapped_range(..bytes).map_err(|e| invalid(&e))?.to_vec();
        staging.unmap();
        lock(&self.activity).wait_seconds += start.elapsed().as_secs_f64();
        Ok(data)
    }

    /// Waits until a submission is done. wgpu panics if the device is lost meanwhile: that is caught here.
    fn wait(&self, submitted: wgpu::SubmissionIndex) -> Result<(), DeviceError> {
        let timeout = *lock(&self.timeout);
        let poll = || self.device.poll(PollType::Wait { submission_index: Some(submitted), timeout: Some(timeout) });
        match catch_unwind(AssertUnwindSafe(poll)) {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(PollError::Timeout)) => {
                let seconds = timeout.as_secs();
                lock(&self.lost).get_or_insert(format!("it did not answer within {seconds} s"));
                Err(DeviceError::Timeout { seconds })
            }
            Ok(Err(error)) => Err(DeviceError::Invalid(error.to_string())),
            Err(_) => {
                let reason = lock(&self.lost).get_or_insert("while waiting for it".to_owned()).clone();
                Err(DeviceError::Lost(reason))
            }
        }
    }
}

impl core::fmt::Debug for Context {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Context").field("prelude", &self.prelude).field("limits", &self.limits).finish_non_exhaustive()
    }
}

fn limits(adapter: &wgpu::Adapter, options: &Options) -> Limits {
    let limits = adapter.limits();
    let software = adapter.get_info().device_type == wgpu::DeviceType::Cpu;
    let bindings = limits.max_storage_buffers_per_shader_stage.min(limits.max_bindings_per_bind_group);
    Limits {
        binding: limits.max_storage_buffer_binding_size.min(options.max_binding.unwrap_or(u64::MAX)) / 16 * 16,
        args: limits.max_storage_buffer_binding_size,
        buffer: limits.max_buffer_size / 16 * 16,
        bindings: bindings.min(options.max_bindings.unwrap_or(u32::MAX)) as usize,
        alignment: u64::from(limits.min_storage_buffer_offset_alignment).max(16),
        groups: if software { 32 } else { 2048 },
    }
}

fn device_error(error: &wgpu::Error) -> DeviceError {
    match error {
        wgpu::Error::OutOfMemory { .. } => DeviceError::OutOfMemory("of the adapter".to_owned()),
        wgpu::Error::Validation { description, .. } | wgpu::Error::Internal { description, .. } => {
            DeviceError::Invalid(description.clone())
        }
    }
}

/// The lock's contents, also after a panic elsewhere: they are only ever complete.
pub(crate) fn lock<T: ?Sized>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

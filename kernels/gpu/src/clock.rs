//! The device's own clock: time stamps around compute passes.

use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

use wgpu::{BufferUsages, ComputePassTimestampWrites, QuerySet};

/// Passes that are timed before their stamps are read.
const PASSES: u32 = 64;

/// Time stamps of passes that were submitted since the last reading. Used by one thread at a time.
pub(crate) struct Clock {
    stamps: QuerySet,
    resolved: wgpu::Buffer,
    nanoseconds: f64,
    passes: AtomicU32,
}

impl Clock {
    pub(crate) fn new(device: &wgpu::Device, queue: &wgpu::Queue) -> Self {
        let stamps = device.create_query_set(&wgpu::QuerySetDescriptor {
            label: None,
            ty: wgpu::QueryType::Timestamp,
            count: 2 * PASSES,
        });
        let resolved = device.create_buffer(&wgpu::BufferDescriptor {
            label: None,
            size: u64::from(16 * PASSES),
            usage: BufferUsages::QUERY_RESOLVE | BufferUsages::COPY_SRC,
            mapped_at_creation: false,
        });
        let nanoseconds = f64::from(queue.get_timestamp_period());
        Self { stamps, resolved, nanoseconds, passes: AtomicU32::new(0) }
    }

    /// Stamps for the next pass.
    pub(crate) fn next(&self) -> Option<ComputePassTimestampWrites<'_>> {
        let pass = self.passes.load(Relaxed);
        (pass < PASSES).then(|| {
            self.passes.store(pass + 1, Relaxed);
            ComputePassTimestampWrites {
                query_set: &self.stamps,
                beginning_of_pass_write_index: Some(2 * pass),
                end_of_pass_write_index: Some(2 * pass + 1),
            }
        })
    }

    /// True if there is no room for another pass.
    pub(crate) fn is_full(&self) -> bool {
        self.passes.load(Relaxed) == PASSES
    }

    /// Bytes of the stamps that are not read yet.
    pub(crate) fn bytes(&self) -> u64 {
        u64::from(16 * self.passes.load(Relaxed))
    }

    /// Copies these stamps to a buffer and starts again.
    pub(crate) fn resolve(&self, encoder: &mut wgpu::CommandEncoder, to: &wgpu::Buffer, at: u64) {
        let passes = self.passes.swap(0, Relaxed);
        if passes > 0 {
            encoder.resolve_query_set(&self.stamps, 0..2 * passes, &self.resolved, 0);
            encoder.copy_buffer_to_buffer(&self.resolved, 0, to, at, u64::from(16 * passes));
        }
    }

    /// The seconds between pairs of stamps.
    pub(crate) fn seconds(&self, stamps: &[u8]) -> f64 {
        let stamp = |bytes: &[u8]| bytes.try_into().map_or(0, u64::from_le_bytes);
        let passes = stamps.chunks_exact(16).map(|pair| stamp(&pair[8..]).saturating_sub(stamp(&pair[..8])));
        passes.sum::<u64>() as f64 * self.nanoseconds * 1e-9
    }
}

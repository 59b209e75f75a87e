//! Vectors in the adapter's memory, and the windows through which kernels see parts of them.
//!
//! A vector is one buffer. A vector that is larger than a binding may be is worked on in parts, each in its own window.

use std::sync::Arc;

use zkml_device::{Buffer, Contents, DeviceError, FieldKind};

use crate::context::{Context, Window};

/// The device's handle of a vector.
#[derive(Debug)]
struct Storage {
    buffer: wgpu::Buffer,
    owner: u64,
}

/// A vector, looked up.
#[derive(Clone, Debug)]
pub(crate) struct Vector {
    buffer: wgpu::Buffer,
    /// Bytes of an entry.
    pub(crate) entry: usize,
    /// The first entry in the buffer.
    start: usize,
    /// Number of entries.
    pub(crate) len: usize,
}

/// Bytes of an entry.
pub(crate) fn entry_bytes(contents: Contents) -> usize {
    match contents {
        Contents::Elements(field) => field.bytes(),
        Contents::Integers(bytes) => bytes,
    }
}

impl Vector {
    /// Its window of `count` entries from `first` on, and where they start in it, in words of 64 bits (elements) or in
    /// entries (integers).
    pub(crate) fn window(&self, context: &Context, first: usize, count: usize) -> (Window, usize) {
        let from = ((self.start + first) * self.entry) as u64;
        let offset = from / context.limits.alignment * context.limits.alignment;
        let end = (from + (count * self.entry) as u64).next_multiple_of(4).max(offset + 16);
        let base = (from - offset) as usize / self.entry.min(8);
        (Window { buffer: self.buffer.clone(), offset, size: end.min(self.buffer.size()) - offset }, base)
    }

    /// A part of it.
    pub(crate) fn part(&self, first: usize, len: usize) -> Self {
        Self { start: self.start + first, len, ..self.clone() }
    }

    /// Most entries that a window can have, at least one.
    pub(crate) fn fits(&self, context: &Context) -> usize {
        window_entries(context, self.entry)
    }

    /// The buffer and the bytes that belong to the vector: offset and length.
    pub(crate) fn bytes(&self) -> (&wgpu::Buffer, u64, u64) {
        (&self.buffer, (self.start * self.entry) as u64, (self.len * self.entry) as u64)
    }
}

/// Entries of so many bytes that fit a window, wherever it starts.
pub(crate) fn window_entries(context: &Context, entry: usize) -> usize {
    ((context.limits.binding - context.limits.alignment.min(context.limits.binding / 2)) as usize / entry).max(1)
}

impl Context {
    /// A new vector.
    pub(crate) fn vector(&self, what: &str, contents: Contents, len: usize) -> Result<(Buffer, Vector), DeviceError> {
        let entry = entry_bytes(contents);
        let bytes = (len as u64).saturating_mul(entry as u64);
        let buffer = self.allocate(what, bytes)?;
        let storage = Storage { buffer: buffer.clone(), owner: self.id };
        Ok((Buffer::new(contents, len, Arc::new(storage)), Vector { buffer, entry, start: 0, len }))
    }

    /// Looks a vector up.
    pub(crate) fn find(&self, buffer: &Buffer) -> Result<Vector, DeviceError> {
        let storage = buffer.storage::<Storage>().filter(|storage| storage.owner == self.id);
        let storage = storage.ok_or_else(|| DeviceError::Request("the buffer is another device's".to_owned()))?;
        let entry = entry_bytes(buffer.contents());
        Ok(Vector { buffer: storage.buffer.clone(), entry, start: buffer.range().start, len: buffer.len() })
    }

    /// A vector of elements of this field.
    pub(crate) fn elements(&self, buffer: &Buffer, field: FieldKind) -> Result<Vector, DeviceError> {
        if buffer.contents() != Contents::Elements(field) {
            return Err(DeviceError::Request(format!("elements of {field:?} were expected")));
        }
        self.find(buffer)
    }
}

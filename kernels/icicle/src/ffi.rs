//! The C interface: all that is `unsafe` in this crate.
//!
//! Functions are called through the tables [`Runtime`], [`Vectors`] and [`Curve`]; [`Api`] wraps every one in a function that
//! checks lengths first. Memory of the device is only reachable as a [`Span`], which is checked to lie inside an allocation and
//! keeps it alive.

use core::ffi::{CStr, c_char, c_int, c_void};
use core::ops::Range;
use core::ptr::null_mut;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::mpsc::Sender;
use std::thread::{self, ThreadId};
use std::time::{Duration, Instant};

use crate::error::{Failure, Unavailable};

/// Bytes of an element of the extension.
pub(crate) const EXTENSION: usize = 16;
/// Bytes of an element of the base field.
pub(crate) const BASE: usize = 8;

/// A device's name, as `icicle::Device`.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub(crate) struct DeviceId {
    kind: [c_char; 64],
    number: c_int,
}

impl DeviceId {
    /// A device by kind and number; kinds are cut at 63 bytes.
    pub(crate) fn new(kind: &str, number: i32) -> Self {
        let mut id = Self { kind: [0; 64], number };
        id.kind.iter_mut().zip(kind.bytes().take(63)).for_each(|(to, from)| *to = from as c_char);
        id
    }
}

/// Options of vector operations, as `icicle::VecOpsConfig`: 32 bytes on 64-bit systems, the same from 3.4 to 4.0.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
struct VectorOptions {
    stream: *mut c_void,
    first_on_device: bool,
    second_on_device: bool,
    result_on_device: bool,
    asynchronous: bool,
    batch: c_int,
    batch_in_columns: bool,
    extension: *mut c_void,
}

/// Options of multi-scalar multiplications, as `icicle::MSMConfig`: 40 bytes, the same from 3.7 to 4.0.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
struct MsmOptions {
    stream: *mut c_void,
    precomputed: c_int,
    window: c_int,
    bits: c_int,
    batch: c_int,
    points_shared: bool,
    scalars_on_device: bool,
    scalars_montgomery: bool,
    points_on_device: bool,
    points_montgomery: bool,
    results_on_device: bool,
    asynchronous: bool,
    extension: *mut c_void,
}

/// A table of functions that are looked up by name. They return ICICLE's error code; `C-unwind`, because ICICLE throws C++
/// exceptions where a backend lacks an operation: Rust ends the program then.
macro_rules! table {
    ($(#[$doc:meta])* $table:ident { $($field:ident = $name:literal ($($argument:ty),*);)* }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug)]
        struct $table {
            $($field: unsafe extern "C-unwind" fn($($argument),*) -> c_int,)*
        }

        impl $table {
            fn resolve(library: &Library) -> Result<Self, Unavailable> {
                Ok(Self {
                    $(
                        // SAFETY: the types are those of ICICLE's headers from 3.9 to 4.0, whose names these are.
                        $field: unsafe { library.symbol($name)? },
                    )*
                })
            }
        }
    };
}

type Options = *const VectorOptions;

table! {
    /// Functions of `libicicle_device`.
    Runtime {
        load_backend = "icicle_load_backend"(*const c_char, bool);
        is_available = "icicle_is_device_available"(*const DeviceId);
        registered = "icicle_get_registered_devices"(*mut c_char, usize);
        set_device = "icicle_set_device"(*const DeviceId);
        available_memory = "icicle_get_available_memory"(*mut usize, *mut usize);
        malloc = "icicle_malloc"(*mut *mut c_void, usize);
        free = "icicle_free"(*mut c_void);
        memset = "icicle_memset"(*mut c_void, c_int, usize);
        copy = "icicle_copy"(*mut c_void, *const c_void, usize);
        copy_to_device = "icicle_copy_to_device"(*mut c_void, *const c_void, usize);
        copy_to_host = "icicle_copy_to_host"(*mut c_void, *const c_void, usize);
    }
}

table! {
    /// Functions of `libicicle_field_goldilocks`, over the extension; `mixed` multiplies by elements of the base field.
    Vectors {
        add = "goldilocks_extension_vector_add"(*const c_void, *const c_void, u64, Options, *mut c_void);
        sub = "goldilocks_extension_vector_sub"(*const c_void, *const c_void, u64, Options, *mut c_void);
        mul = "goldilocks_extension_vector_mul"(*const c_void, *const c_void, u64, Options, *mut c_void);
        mixed = "goldilocks_extension_vector_mixed_mul"(*const c_void, *const c_void, u64, Options, *mut c_void);
        scalar_add = "goldilocks_extension_scalar_add_vec"(*const c_void, *const c_void, u64, Options, *mut c_void);
        scalar_sub = "goldilocks_extension_scalar_sub_vec"(*const c_void, *const c_void, u64, Options, *mut c_void);
        scalar_mul = "goldilocks_extension_scalar_mul_vec"(*const c_void, *const c_void, u64, Options, *mut c_void);
        sum = "goldilocks_extension_vector_sum"(*const c_void, u64, Options, *mut c_void);
    }
}

table! {
    /// Functions of `libicicle_curve_bn254`.
    Curve {
        msm = "bn254_msm"(*const c_void, *const c_void, c_int, *const MsmOptions, *mut c_void);
    }
}

/// An opened library. It stays loaded until the program ends: ICICLE's libraries register themselves in each other.
pub(crate) struct Library {
    path: String,
    #[cfg(unix)]
    handle: core::mem::ManuallyDrop<libloading::os::unix::Library>,
}

impl Library {
    /// Opens a library with all its names visible to libraries that are loaded later, as backends need.
    pub(crate) fn open(path: &Path) -> Result<Self, Unavailable> {
        #[cfg(unix)]
        {
            use libloading::os::unix::{Library as Handle, RTLD_GLOBAL, RTLD_NOW};
            let name = path.display().to_string();
            // SAFETY: the library's initialisers run. The user asked for this library, by installing and choosing it.
            let handle = unsafe { Handle::open(Some(path), RTLD_NOW | RTLD_GLOBAL) };
            let handle = handle.map_err(|e| Unavailable::Broken { library: name.clone(), reason: e.to_string() })?;
            Ok(Self { path: name, handle: core::mem::ManuallyDrop::new(handle) })
        }
        #[cfg(not(unix))]
        {
            let _ = path;
            Err(Unavailable::Platform)
        }
    }

    /// A function by name.
    ///
    /// # Safety
    /// `T` is a function pointer of the type that the library gives the name.
    unsafe fn symbol<T: Copy>(&self, name: &str) -> Result<T, Unavailable> {
        let missing = || Unavailable::Symbol { library: self.path.clone(), symbol: name.to_owned() };
        #[cfg(unix)]
        {
            // SAFETY: the caller's promise; the library is never closed, so the pointer stays valid.
            unsafe { self.handle.get::<T>(name.as_bytes()) }.map(|symbol| *symbol).map_err(|_| missing())
        }
        #[cfg(not(unix))]
        {
            Err(missing())
        }
    }
}

/// A piece of work for the thread that ICICLE is used from.
pub(crate) type Job = Box<dyn FnOnce(&Api) + Send>;

/// `icicle_free`.
type Free = unsafe extern "C-unwind" fn(*mut c_void) -> c_int;

/// Memory of the device; given back when dropped.
struct Memory {
    address: usize,
    free: Free,
    /// ICICLE's thread, and its jobs.
    thread: ThreadId,
    jobs: Sender<Job>,
}

impl Drop for Memory {
    fn drop(&mut self) {
        let (address, free) = (self.address, self.free);
        let release = move || {
            // SAFETY: the address is from `icicle_malloc`, this was the last reference to it, and this is ICICLE's thread.
            let code = unsafe { free(address as *mut c_void) };
            if code != 0 {
                tracing::warn!(code, "icicle_free failed");
            }
        };
        if thread::current().id() == self.thread {
            release();
        } else {
            // Without the thread there is no device any more.
            let _ = self.jobs.send(Box::new(move |_: &Api| release()));
        }
    }
}

/// Elements in the memory of the device.
#[derive(Clone)]
pub(crate) struct Span {
    memory: Arc<Memory>,
    /// Bytes before it; `start + len · width` is at most what was allocated.
    start: usize,
    len: usize,
    width: usize,
}

impl Span {
    /// Number of elements.
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// Some of its elements.
    pub(crate) fn part(&self, range: Range<usize>) -> Result<Self, Failure> {
        if range.start > range.end || range.end > self.len {
            return Err(Failure::Misfit(format!("elements {range:?} of {}", self.len)));
        }
        Ok(Self { start: self.start + range.start * self.width, len: range.len(), ..self.clone() })
    }

    fn pointer(&self) -> *mut c_void {
        (self.memory.address + self.start) as *mut c_void
    }

    fn bytes(&self) -> usize {
        self.len * self.width
    }

    fn overlaps(&self, other: &Self) -> bool {
        let [a, b] = [self, other].map(|s| s.memory.address + s.start..s.memory.address + s.start + s.bytes());
        a.start < b.end && b.start < a.end
    }

    fn holds(&self, width: usize, len: usize) -> Result<(), Failure> {
        if self.width == width && self.len == len {
            return Ok(());
        }
        let (has, bytes) = (self.len, self.width);
        Err(Failure::Misfit(format!("{has} elements of {bytes} bytes where {len} of {width} were expected")))
    }
}

/// Element-wise operations on two vectors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Elementwise {
    /// `a + b`.
    Add,
    /// `a - b`.
    Sub,
    /// `a · b`.
    Mul,
    /// `a · b`, `b` in the base field.
    Mixed,
}

/// Operations of scalars with rows of a vector.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scalar {
    /// `s + v`.
    Add,
    /// `s - v`.
    Sub,
    /// `s · v`.
    Mul,
}

/// Where scalars are: two words each on the host, or elements on the device.
#[derive(Clone, Copy)]
pub(crate) enum Scalars<'a> {
    Host(&'a [u64]),
    Device(&'a Span),
}

impl Scalars<'_> {
    /// How many there are.
    pub(crate) fn len(self) -> usize {
        match self {
            Self::Host(words) => words.len() / 2,
            Self::Device(span) => span.len,
        }
    }
}

/// What is summed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sums {
    /// Each row.
    Rows,
    /// Each column.
    Columns,
}

/// What went through the interface.
#[derive(Debug, Default)]
pub(crate) struct Traffic {
    pub(crate) operations: AtomicU64,
    pub(crate) uploaded: AtomicU64,
    pub(crate) downloaded: AtomicU64,
    pub(crate) upload_nanoseconds: AtomicU64,
}

/// The functions of an installed ICICLE. The active device is one per thread there, so all calls come from one thread.
#[derive(Debug)]
pub(crate) struct Api {
    runtime: Runtime,
    vectors: Vectors,
    curve: Option<Curve>,
    pub(crate) traffic: Traffic,
}

/// Success, or the code with the name of the step.
fn check(step: &'static str, code: c_int) -> Result<(), Failure> {
    if code == 0 { Ok(()) } else { Err(Failure::Code { step, code }) }
}

fn nanoseconds(elapsed: Duration) -> u64 {
    u64::try_from(elapsed.as_nanos()).unwrap_or(u64::MAX)
}

/// Options for vectors that are on the device, `batch` of them one after the other.
fn resident(batch: usize) -> Result<VectorOptions, Failure> {
    let batch = c_int::try_from(batch).map_err(|_| Failure::Misfit(format!("{batch} rows")))?;
    Ok(VectorOptions {
        stream: null_mut(),
        first_on_device: true,
        second_on_device: true,
        result_on_device: true,
        asynchronous: false,
        batch,
        batch_in_columns: false,
        extension: null_mut(),
    })
}

impl Api {
    /// Looks all functions up.
    pub(crate) fn resolve(device: &Library, field: &Library, curve: Option<&Library>) -> Result<Self, Unavailable> {
        Ok(Self {
            runtime: Runtime::resolve(device)?,
            vectors: Vectors::resolve(field)?,
            curve: curve.map(Curve::resolve).transpose()?,
            traffic: Traffic::default(),
        })
    }

    /// True if BN254 is installed, too.
    pub(crate) fn has_curve(&self) -> bool {
        self.curve.is_some()
    }

    /// Loads the backends in a folder and the folders below it.
    pub(crate) fn load_backend(&self, folder: &CStr) -> Result<(), Failure> {
        // SAFETY: the string ends with a zero and outlives the call.
        check("icicle_load_backend", unsafe { (self.runtime.load_backend)(folder.as_ptr(), true) })
    }

    /// True if a backend for the device is loaded.
    pub(crate) fn is_available(&self, device: &DeviceId) -> bool {
        // SAFETY: the struct has the layout of `icicle::Device`, is read only, and outlives the call.
        unsafe { (self.runtime.is_available)(device) == 0 }
    }

    /// The kinds of device that backends are loaded for.
    pub(crate) fn registered(&self) -> String {
        let mut text = [0_u8; 256];
        // SAFETY: at most so many bytes are written, the last one a zero.
        let code = unsafe { (self.runtime.registered)(text.as_mut_ptr().cast(), text.len()) };
        let text = CStr::from_bytes_until_nul(&text).map(|t| t.to_string_lossy().into_owned()).unwrap_or_default();
        if code == 0 && !text.is_empty() { text } else { "none".to_owned() }
    }

    /// Makes the device this thread's active one.
    pub(crate) fn set_device(&self, device: &DeviceId) -> Result<(), Failure> {
        // SAFETY: as for `is_available`.
        check("icicle_set_device", unsafe { (self.runtime.set_device)(device) })
    }

    /// Bytes of the device's memory, if it tells.
    pub(crate) fn total_memory(&self) -> Option<u64> {
        let (mut total, mut free) = (0_usize, 0_usize);
        // SAFETY: two integers of the caller's are written.
        let code = unsafe { (self.runtime.available_memory)(&raw mut total, &raw mut free) };
        (code == 0 && total > 0).then_some(total as u64)
    }

    /// `len` elements of `width` bytes, uninitialised; called on ICICLE's thread. At least one element is allocated.
    pub(crate) fn allocate(&self, jobs: &Sender<Job>, len: usize, width: usize) -> Result<Span, Failure> {
        let bytes = len.max(1).checked_mul(width).ok_or_else(|| Failure::Misfit(format!("{len} elements")))?;
        let mut address = null_mut();
        // SAFETY: one pointer of the caller's is written.
        check("icicle_malloc", unsafe { (self.runtime.malloc)(&raw mut address, bytes) })?;
        if address.is_null() {
            return Err(Failure::Code { step: "icicle_malloc", code: 4 });
        }
        let (address, thread) = (address as usize, thread::current().id());
        let memory = Memory { address, free: self.runtime.free, thread, jobs: jobs.clone() };
        Ok(Span { memory: Arc::new(memory), start: 0, len, width })
    }

    /// Sends words.
    pub(crate) fn send(&self, to: &Span, words: &[u64]) -> Result<(), Failure> {
        to.holds(to.width, size_of_val(words) / to.width)?;
        let start = Instant::now();
        // SAFETY: as many bytes are read from the words as they have, and the span has as many.
        let code = unsafe { (self.runtime.copy_to_device)(to.pointer(), words.as_ptr().cast(), to.bytes()) };
        self.traffic.uploaded.fetch_add(to.bytes() as u64, Relaxed);
        self.traffic.upload_nanoseconds.fetch_add(nanoseconds(start.elapsed()), Relaxed);
        check("icicle_copy_to_device", code)
    }

    /// Reads words.
    pub(crate) fn receive(&self, from: &Span) -> Result<Vec<u64>, Failure> {
        let mut words = vec![0_u64; from.bytes() / size_of::<u64>()];
        // SAFETY: as many bytes are written to the words as they have, and the span has as many.
        let code = unsafe { (self.runtime.copy_to_host)(words.as_mut_ptr().cast(), from.pointer(), from.bytes()) };
        self.traffic.downloaded.fetch_add(from.bytes() as u64, Relaxed);
        check("icicle_copy_to_host", code).map(|()| words)
    }

    /// Copies inside the device.
    pub(crate) fn copy(&self, from: &Span, to: &Span) -> Result<(), Failure> {
        to.holds(from.width, from.len)?;
        Self::apart(&[from], to)?;
        // SAFETY: both spans have as many bytes, and they do not overlap.
        self.operation("icicle_copy", unsafe { (self.runtime.copy)(to.pointer(), from.pointer(), from.bytes()) })
    }

    /// Writes zeros.
    pub(crate) fn clear(&self, span: &Span) -> Result<(), Failure> {
        // SAFETY: the span has as many bytes.
        self.operation("icicle_memset", unsafe { (self.runtime.memset)(span.pointer(), 0, span.bytes()) })
    }

    /// `out[i] = a[i] ∘ b[i]`. The result does not overlap the operands.
    pub(crate) fn elementwise(&self, op: Elementwise, a: &Span, b: &Span, out: &Span) -> Result<(), Failure> {
        let (step, function, width) = match op {
            Elementwise::Add => ("vector_add", self.vectors.add, EXTENSION),
            Elementwise::Sub => ("vector_sub", self.vectors.sub, EXTENSION),
            Elementwise::Mul => ("vector_mul", self.vectors.mul, EXTENSION),
            Elementwise::Mixed => ("vector_mixed_mul", self.vectors.mixed, BASE),
        };
        a.holds(EXTENSION, out.len)?;
        b.holds(width, out.len)?;
        out.holds(EXTENSION, out.len)?;
        Self::apart(&[a, b], out)?;
        let options = resident(1)?;
        // SAFETY: all three have as many elements of the types that the function takes; the options outlive the call.
        self.operation(step, unsafe {
            function(a.pointer(), b.pointer(), out.len as u64, &raw const options, out.pointer())
        })
    }

    /// `out[r, i] = scalars[r] ∘ v[r, i]`, one scalar per row; rows are equally long.
    pub(crate) fn scalar(&self, op: Scalar, scalars: Scalars<'_>, v: &Span, out: &Span) -> Result<(), Failure> {
        let (step, function) = match op {
            Scalar::Add => ("scalar_add_vec", self.vectors.scalar_add),
            Scalar::Sub => ("scalar_sub_vec", self.vectors.scalar_sub),
            Scalar::Mul => ("scalar_mul_vec", self.vectors.scalar_mul),
        };
        let rows = scalars.len();
        let len = row_length(v.len, rows)?;
        v.holds(EXTENSION, out.len)?;
        out.holds(EXTENSION, v.len)?;
        Self::apart(&[v], out)?;
        let (first, first_on_device) = match scalars {
            Scalars::Host(words) => (words.as_ptr().cast(), false),
            Scalars::Device(span) => {
                span.holds(EXTENSION, rows)?;
                Self::apart(&[span], out)?;
                (span.pointer().cast_const(), true)
            }
        };
        let options = VectorOptions { first_on_device, ..resident(rows)? };
        // SAFETY: there are as many scalars as rows, where the options say; both vectors have `rows · len` elements.
        self.operation(step, unsafe { function(first, v.pointer(), len as u64, &raw const options, out.pointer()) })
    }

    /// Sums of a matrix, row-major: one per row of `v`, or one per column; `out` has as many entries.
    pub(crate) fn sum(&self, which: Sums, v: &Span, out: &Span) -> Result<(), Failure> {
        let len = row_length(v.len, out.len)?;
        v.holds(EXTENSION, v.len)?;
        out.holds(EXTENSION, out.len)?;
        Self::apart(&[v], out)?;
        let options = VectorOptions { batch_in_columns: which == Sums::Columns, ..resident(out.len)? };
        // SAFETY: `out` has one entry per vector of the batch, and `v` has so many vectors of `len` elements.
        self.operation("vector_sum", unsafe {
            (self.vectors.sum)(v.pointer(), len as u64, &raw const options, out.pointer())
        })
    }

    /// `Σ scalars[i] · points[i]` on BN254's first group: canonical limbs, four per scalar, eight per affine point, twelve for
    /// the projective result.
    pub(crate) fn msm(&self, scalars: &[[u64; 4]], points: &[[u64; 8]]) -> Result<[u64; 12], Failure> {
        let curve = self.curve.ok_or(Failure::Refused("multi-scalar multiplication without BN254's libraries"))?;
        let size = match c_int::try_from(scalars.len()) {
            Ok(size) if scalars.len() == points.len() => size,
            _ => return Err(Failure::Misfit(format!("{} scalars, {} points", scalars.len(), points.len()))),
        };
        let options = MsmOptions {
            stream: null_mut(),
            precomputed: 1,
            window: 0,
            bits: 0,
            batch: 1,
            points_shared: true,
            scalars_on_device: false,
            scalars_montgomery: false,
            points_on_device: false,
            points_montgomery: false,
            results_on_device: false,
            asynchronous: false,
            extension: null_mut(),
        };
        let mut result = [0_u64; 12];
        // SAFETY: `size` scalars and points of the host's are read, in the layout of ICICLE's types, and one result is written.
        let code = unsafe {
            let (scalars, points) = (scalars.as_ptr().cast(), points.as_ptr().cast());
            (curve.msm)(scalars, points, size, &raw const options, result.as_mut_ptr().cast())
        };
        self.operation("bn254_msm", code).map(|()| result)
    }

    /// Success of an operation, which is counted.
    fn operation(&self, step: &'static str, code: c_int) -> Result<(), Failure> {
        self.traffic.operations.fetch_add(1, Relaxed);
        check(step, code)
    }

    /// Results must not overlap operands.
    fn apart(operands: &[&Span], out: &Span) -> Result<(), Failure> {
        if operands.iter().any(|s| s.overlaps(out)) {
            return Err(Failure::Misfit("a result overlaps its operands".to_owned()));
        }
        Ok(())
    }
}

/// Length of each of `rows` rows.
fn row_length(len: usize, rows: usize) -> Result<usize, Failure> {
    if rows == 0 || !len.is_multiple_of(rows) || len == 0 {
        return Err(Failure::Misfit(format!("{len} elements in {rows} rows")));
    }
    Ok(len / rows)
}

#[cfg(target_pointer_width = "64")]
const _: () = {
    assert!(size_of::<DeviceId>() == 68);
    assert!(size_of::<VectorOptions>() == 32 && core::mem::offset_of!(VectorOptions, batch) == 12);
    assert!(core::mem::offset_of!(VectorOptions, extension) == 24);
    assert!(size_of::<MsmOptions>() == 40 && core::mem::offset_of!(MsmOptions, points_shared) == 24);
    assert!(core::mem::offset_of!(MsmOptions, extension) == 32);
};

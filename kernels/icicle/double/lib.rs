//! A library with the symbols and signatures of ICICLE 3.9 to 4.0, as far as `zkml-icicle` uses them, that computes plainly on
//! the host. It serves for all of `libicicle_device`, `libicicle_field_goldilocks`, `libicicle_field_bn254` and
//! `libicicle_curve_bn254`.
//!
//! It checks what it is given: options byte by byte at the offsets that ICICLE's structs have, pointers against what was
//! allocated, and that the calling thread has chosen a device. It fails on demand, as the environment variable
//! `ZKML_ICICLE_DOUBLE` or a call of `icicle_double_faults` says:
//!
//! | text | effect |
//! |---|---|
//! | `function=13` | the function returns this error code |
//! | `function=2@5` | the same from its sixth call on |
//! | `function=wrong` | its first result is another word |
//! | `function=hang` | it takes a second longer |

use std::collections::BTreeMap;
use std::ffi::{CStr, c_char, c_int, c_void};
use std::path::Path;
use std::slice::{from_raw_parts, from_raw_parts_mut};
use std::sync::{LazyLock, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use ark_ec::{AffineRepr, CurveGroup, VariableBaseMSM};
use ark_ff::{BigInt, PrimeField, Zero};
use p3_field::extension::BinomialExtensionField;
use p3_field::{BasedVectorSpace, PrimeCharacteristicRing, PrimeField64};
use p3_goldilocks::Goldilocks;

type E = BinomialExtensionField<Goldilocks, 2>;
type Answer = Result<(), c_int>;

const INVALID_DEVICE: c_int = 1;
const INVALID_POINTER: c_int = 3;
const INVALID_ARGUMENT: c_int = 11;

/// What a faulty function does.
#[derive(Clone, Copy)]
enum Fault {
    Code(c_int, u64),
    Wrong,
    Hang,
}

#[derive(Default)]
struct State {
    /// Allocations: bytes by address.
    live: BTreeMap<usize, usize>,
    allocated: u64,
    freed: u64,
    faults: BTreeMap<String, Fault>,
    calls: BTreeMap<&'static str, u64>,
    cuda: bool,
}

static STATE: LazyLock<Mutex<State>> = LazyLock::new(|| {
    let faults = std::env::var("ZKML_ICICLE_DOUBLE").map(|text| parse(&text)).unwrap_or_default();
    Mutex::new(State { faults, ..State::default() })
});

thread_local! {
    static ACTIVE: std::cell::Cell<bool> = const { std::cell::Cell::new(false) };
}

fn state() -> MutexGuard<'static, State> {
    STATE.lock().unwrap_or_else(PoisonError::into_inner)
}

fn parse(text: &str) -> BTreeMap<String, Fault> {
    let fault = |what: &str| match what {
        "wrong" => Fault::Wrong,
        "hang" => Fault::Hang,
        _ => {
            let (code, after) = what.split_once('@').unwrap_or((what, "0"));
            Fault::Code(code.parse().unwrap_or(14), after.parse().unwrap_or(0))
        }
    };
    text.split(',')
        .filter_map(|entry| entry.split_once('='))
        .map(|(name, what)| (name.to_owned(), fault(what)))
        .collect()
}

/// Counts the call; the fault's code, or whether the result has to be wrong.
fn enter(name: &'static str) -> Result<bool, c_int> {
    let mut state = state();
    let calls = state.calls.entry(name).or_default();
    let before = *calls;
    *calls += 1;
    match state.faults.get(name).copied() {
        Some(Fault::Code(code, after)) if before >= after => Err(code),
        Some(Fault::Wrong) => Ok(true),
        Some(Fault::Hang) => {
            drop(state);
            std::thread::sleep(Duration::from_secs(1));
            Ok(false)
        }
        _ => Ok(false),
    }
}

fn code(answer: Answer) -> c_int {
    answer.err().unwrap_or(0)
}

/// The calling thread has to have a device; ICICLE would throw.
fn active() -> Answer {
    if ACTIVE.get() { Ok(()) } else { Err(INVALID_DEVICE) }
}

/// `bytes` from `pointer` on have to lie inside an allocation, or for memory of the host outside of all.
fn place(pointer: *const c_void, bytes: usize, on_device: bool) -> Answer {
    let at = pointer as usize;
    let state = state();
    let before = state.live.range(..=at).next_back().map(|(&start, &len)| (start, start + len));
    let inside = before.is_some_and(|(_, end)| at + bytes <= end);
    let outside = before.is_none_or(|(_, end)| at >= end) && state.live.range(at..at + bytes.max(1)).next().is_none();
    if !pointer.is_null() && if on_device { inside } else { outside } { Ok(()) } else { Err(INVALID_POINTER) }
}

fn kind(device: *const u8) -> String {
    // SAFETY: a device is 64 bytes of a name that ends with a zero, and a number after it.
    let bytes = unsafe { from_raw_parts(device, 68) };
    CStr::from_bytes_until_nul(&bytes[..64]).map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
}

/// Sets the faults from now on; calls are counted anew.
#[unsafe(no_mangle)]
extern "C" fn icicle_double_faults(text: *const c_char) {
    // SAFETY: the caller gives a string that ends with a zero.
    let faults = parse(&unsafe { CStr::from_ptr(text) }.to_string_lossy());
    let mut state = state();
    state.calls.clear();
    state.faults = faults;
}

/// Allocations so far, and how many of them were freed.
#[unsafe(no_mangle)]
extern "C" fn icicle_double_counts(allocated: &mut u64, freed: &mut u64) {
    let state = state();
    (*allocated, *freed) = (state.allocated, state.freed);
}

#[unsafe(no_mangle)]
extern "C" fn icicle_load_backend(path: *const c_char, recursive: bool) -> c_int {
    let load = || {
        enter("icicle_load_backend")?;
        // SAFETY: the path ends with a zero.
        let path = unsafe { CStr::from_ptr(path) }.to_string_lossy().into_owned();
        let has_cuda = Path::new(&path).join("libicicle_backend_cuda_device.so").is_file();
        state().cuda |= has_cuda && recursive;
        Ok(())
    };
    code(load())
}

fn registered(kind: &str) -> bool {
    kind == "CPU" || kind == "CUDA" && state().cuda
}

#[unsafe(no_mangle)]
extern "C" fn icicle_is_device_available(device: *const u8) -> c_int {
    c_int::from(!registered(&kind(device)))
}

#[unsafe(no_mangle)]
extern "C" fn icicle_get_registered_devices(output: *mut u8, size: usize) -> c_int {
    let text = if registered("CUDA") { "CPU,CUDA\0" } else { "CPU\0" };
    if size < text.len() {
        return 2;
    }
    // SAFETY: the caller gives `size` bytes.
    unsafe { from_raw_parts_mut(output, text.len()) }.copy_from_slice(text.as_bytes());
    0
}

#[unsafe(no_mangle)]
extern "C" fn icicle_set_device(device: *const u8) -> c_int {
    let set = || {
        enter("icicle_set_device")?;
        let known = registered(&kind(device));
        ACTIVE.set(known);
        if known { Ok(()) } else { Err(INVALID_DEVICE) }
    };
    code(set())
}

#[unsafe(no_mangle)]
extern "C" fn icicle_get_available_memory(total: &mut usize, free: &mut usize) -> c_int {
    (*total, *free) = (1 << 30, 1 << 29);
    0
}

#[unsafe(no_mangle)]
extern "C" fn icicle_malloc(pointer: &mut *mut c_void, size: usize) -> c_int {
    let mut allocate = || {
        enter("icicle_malloc")?;
        active()?;
        // Not zeros: memory of a device holds whatever was there before.
        let memory = vec![0xa5a5_a5a5_a5a5_a5a5_u64; size.div_ceil(8)].into_boxed_slice();
        let address = Box::into_raw(memory).cast::<c_void>();
        let mut state = state();
        state.live.insert(address as usize, size);
        state.allocated += 1;
        *pointer = address;
        Ok(())
    };
    code(allocate())
}

#[unsafe(no_mangle)]
extern "C" fn icicle_free(pointer: *mut c_void) -> c_int {
    let free = || {
        active()?;
        let mut state = state();
        let size = state.live.remove(&(pointer as usize)).ok_or(INVALID_POINTER)?;
        state.freed += 1;
        let words = std::ptr::slice_from_raw_parts_mut(pointer.cast::<u64>(), size.div_ceil(8));
        // SAFETY: `icicle_malloc` made this box, and it was still in the list.
        drop(unsafe { Box::from_raw(words) });
        Ok(())
    };
    code(free())
}

fn copy(name: &'static str, to: (*mut c_void, bool), from: (*const c_void, bool), size: usize) -> c_int {
    let copy = || {
        let wrong = enter(name)?;
        active()?;
        place(to.0, size, to.1)?;
        place(from.0, size, from.1)?;
        // SAFETY: memory of the device was checked to have `size` bytes, the caller's has as many.
        let (from, to) =
            unsafe { (from_raw_parts(from.0.cast::<u8>(), size), from_raw_parts_mut(to.0.cast::<u8>(), size)) };
        to.copy_from_slice(from);
        if wrong && size >= 8 {
            let first = u64::from_le_bytes(std::array::from_fn(|i| from[i]));
            to[..8].copy_from_slice(&other(first).to_le_bytes());
        }
        Ok(())
    };
    code(copy())
}

#[unsafe(no_mangle)]
extern "C" fn icicle_copy(to: *mut c_void, from: *const c_void, size: usize) -> c_int {
    copy("icicle_copy", (to, true), (from, true), size)
}

#[unsafe(no_mangle)]
extern "C" fn icicle_copy_to_device(to: *mut c_void, from: *const c_void, size: usize) -> c_int {
    copy("icicle_copy_to_device", (to, true), (from, false), size)
}

#[unsafe(no_mangle)]
extern "C" fn icicle_copy_to_host(to: *mut c_void, from: *const c_void, size: usize) -> c_int {
    copy("icicle_copy_to_host", (to, false), (from, true), size)
}

#[unsafe(no_mangle)]
extern "C" fn icicle_memset(pointer: *mut c_void, value: c_int, size: usize) -> c_int {
    let set = || {
        enter("icicle_memset")?;
        active()?;
        place(pointer, size, true)?;
        // SAFETY: the memory was checked to have `size` bytes.
        unsafe { from_raw_parts_mut(pointer.cast::<u8>(), size) }.fill(value as u8);
        Ok(())
    };
    code(set())
}

/// The fields of `VecOpsConfig` at ICICLE's offsets.
struct Config {
    /// `a`, `b`, the result.
    on_device: [bool; 3],
    batch: usize,
    columns: bool,
}

fn integer(bytes: &[u8], at: usize) -> c_int {
    c_int::from_le_bytes(std::array::from_fn(|i| bytes[at + i]))
}

fn flag(bytes: &[u8], at: usize) -> Result<bool, c_int> {
    match bytes[at] {
        0 => Ok(false),
        1 => Ok(true),
        _ => Err(INVALID_ARGUMENT),
    }
}

fn options(config: *const u8) -> Result<Config, c_int> {
    // SAFETY: the struct has 32 bytes.
    let bytes = unsafe { from_raw_parts(config, 32) };
    let nothing = bytes[..8].iter().chain(&bytes[24..]).all(|&b| b == 0);
    let batch = usize::try_from(integer(bytes, 12)).unwrap_or(0);
    if !nothing || flag(bytes, 11)? || batch == 0 {
        return Err(INVALID_ARGUMENT);
    }
    Ok(Config { on_device: [flag(bytes, 8)?, flag(bytes, 9)?, flag(bytes, 10)?], batch, columns: flag(bytes, 16)? })
}

/// `len` elements of so many words, canonical.
fn vector(pointer: *const c_void, len: usize, width: usize, on_device: bool) -> Result<Vec<E>, c_int> {
    place(pointer, 8 * width * len, on_device)?;
    // SAFETY: the memory was checked, or is the caller's and as long.
    let words = unsafe { from_raw_parts(pointer.cast::<u64>(), width * len) };
    if words.iter().any(|&w| w >= Goldilocks::ORDER_U64) {
        return Err(INVALID_ARGUMENT);
    }
    let element = |w: &[u64]| E::from_basis_coefficients_fn(|i| Goldilocks::new(w.get(i).copied().unwrap_or(0)));
    Ok(words.chunks_exact(width).map(element).collect())
}

/// Another canonical word.
fn other(word: u64) -> u64 {
    u64::from(word == 0)
}

fn write(pointer: *mut c_void, values: &[E], on_device: bool, wrong: bool) -> Answer {
    place(pointer, 16 * values.len(), on_device)?;
    // SAFETY: the memory was checked, or is the caller's and as long.
    let words = unsafe { from_raw_parts_mut(pointer.cast::<u64>(), 2 * values.len()) };
    for (to, value) in words.chunks_exact_mut(2).zip(values) {
        let coefficients: &[Goldilocks] = value.as_basis_coefficients_slice();
        to.iter_mut().zip(coefficients).for_each(|(w, c)| *w = c.as_canonical_u64());
    }
    if wrong {
        words[0] = other(words[0]);
    }
    Ok(())
}

/// Arguments of most vector operations.
type Vectors = (*const c_void, *const c_void, u64, *const u8, *mut c_void);

fn elementwise(name: &'static str, (a, b, size, config, out): Vectors, width: usize, op: fn(E, E) -> E) -> c_int {
    let compute = || {
        let wrong = enter(name)?;
        active()?;
        let config = options(config)?;
        let len = size as usize * config.batch;
        let (a, b) = (vector(a, len, 2, config.on_device[0])?, vector(b, len, width, config.on_device[1])?);
        let values: Vec<E> = a.into_iter().zip(b).map(|(a, b)| op(a, b)).collect();
        write(out, &values, config.on_device[2], wrong)
    };
    code(compute())
}

fn scalar(name: &'static str, (s, v, size, config, out): Vectors, op: fn(E, E) -> E) -> c_int {
    let compute = || {
        let wrong = enter(name)?;
        active()?;
        let config = options(config)?;
        let len = size as usize * config.batch;
        let (s, v) = (vector(s, config.batch, 2, config.on_device[0])?, vector(v, len, 2, config.on_device[1])?);
        let row = |i: usize| if config.columns { i % config.batch } else { i / size as usize };
        let values: Vec<E> = v.into_iter().enumerate().map(|(i, v)| op(s[row(i)], v)).collect();
        write(out, &values, config.on_device[2], wrong)
    };
    code(compute())
}

macro_rules! operations {
    ($($name:ident = $function:ident($($argument:expr),*);)*) => {
        $(
            #[unsafe(no_mangle)]
            extern "C" fn $name(
                a: *const c_void,
                b: *const c_void,
                size: u64,
                config: *const u8,
                out: *mut c_void,
            ) -> c_int {
                $function(stringify!($name), (a, b, size, config, out), $($argument),*)
            }
        )*
    };
}

operations! {
    goldilocks_extension_vector_add = elementwise(2, |a, b| a + b);
    goldilocks_extension_vector_sub = elementwise(2, |a, b| a - b);
    goldilocks_extension_vector_mul = elementwise(2, |a, b| a * b);
    goldilocks_extension_vector_mixed_mul = elementwise(1, |a, b| a * b);
    goldilocks_extension_scalar_add_vec = scalar(|s, v| s + v);
    goldilocks_extension_scalar_sub_vec = scalar(|s, v| s - v);
    goldilocks_extension_scalar_mul_vec = scalar(|s, v| s * v);
}

#[unsafe(no_mangle)]
extern "C" fn goldilocks_extension_vector_sum(
    a: *const c_void,
    size: u64,
    config: *const u8,
    out: *mut c_void,
) -> c_int {
    let compute = || {
        let wrong = enter("goldilocks_extension_vector_sum")?;
        active()?;
        let config = options(config)?;
        let a = vector(a, size as usize * config.batch, 2, config.on_device[0])?;
        let mut sums = vec![E::ZERO; config.batch];
        for (i, &value) in a.iter().enumerate() {
            sums[if config.columns { i % config.batch } else { i / size as usize }] += value;
        }
        write(out, &sums, config.on_device[2], wrong)
    };
    code(compute())
}

/// `MSMConfig` at ICICLE's offsets has to be: one MSM, everything on the host, nothing in Montgomery form.
fn msm_options(config: *const u8) -> Answer {
    // SAFETY: the struct has 40 bytes.
    let bytes = unsafe { from_raw_parts(config, 40) };
    let integers = [8, 12, 16, 20].map(|at| integer(bytes, at));
    let flags = (24..31).map(|at| flag(bytes, at)).collect::<Result<Vec<_>, _>>()?;
    let nothing = bytes[..8].iter().chain(&bytes[32..]).all(|&b| b == 0);
    if nothing && integers == [1, 0, 0, 1] && flags == [true, false, false, false, false, false, false] {
        Ok(())
    } else {
        Err(INVALID_ARGUMENT)
    }
}

#[unsafe(no_mangle)]
extern "C" fn bn254_msm(
    scalars: *const [u64; 4],
    points: *const [[u64; 4]; 2],
    size: c_int,
    config: *const u8,
    out: *mut [[u64; 4]; 3],
) -> c_int {
    let compute = || {
        use ark_bn254::{Fq, Fr, G1Affine, G1Projective};
        enter("bn254_msm")?;
        active()?;
        msm_options(config)?;
        let size = usize::try_from(size).map_err(|_| INVALID_ARGUMENT)?;
        // SAFETY: the caller gives `size` scalars and points.
        let (scalars, points) = unsafe { (from_raw_parts(scalars, size), from_raw_parts(points, size)) };
        let number = |limbs: &[u64; 4]| Fq::from_bigint(BigInt(*limbs)).ok_or(INVALID_ARGUMENT);
        let mut bases = Vec::with_capacity(size);
        for [x, y] in points {
            let (x, y) = (number(x)?, number(y)?);
            let neutral = x.is_zero() && y.is_zero();
            bases.push(if neutral { G1Affine::zero() } else { G1Affine::new_unchecked(x, y) });
        }
        let scalars: Vec<Fr> =
            scalars.iter().map(|s| Fr::from_bigint(BigInt(*s)).ok_or(INVALID_ARGUMENT)).collect::<Result<_, _>>()?;
        let sum = G1Projective::msm(&bases, &scalars).map_err(|_| INVALID_ARGUMENT)?;
        // Homogeneous coordinates with a denominator that is not one, as ICICLE's.
        let z = Fq::from(7_u64);
        let coordinates = match sum.into_affine().xy() {
            Some((x, y)) => [x * z, y * z, z],
            None => [Fq::zero(), z, Fq::zero()],
        };
        // SAFETY: the caller gives room for one point.
        unsafe { *out = coordinates.map(|c| c.into_bigint().0) };
        Ok(())
    };
    code(compute())
}

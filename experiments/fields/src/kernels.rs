//! The loops that are timed. Slices of equal length; throughput loops have independent steps, chains dependent ones.

use crate::{DOT_TERMS, Implementation, Prime};

/// `out = a · b`.
#[inline(never)]
pub fn multiply<T: Implementation>(a: &[T::Value], b: &[T::Value], out: &mut [T::Value]) {
    for ((out, &a), &b) in out.iter_mut().zip(a).zip(b) {
        *out = a * b;
    }
}

/// `out = a + b`.
#[inline(never)]
pub fn add<T: Implementation>(a: &[T::Value], b: &[T::Value], out: &mut [T::Value]) {
    for ((out, &a), &b) in out.iter_mut().zip(a).zip(b) {
        *out = a + b;
    }
}

/// `out = out + a · b`.
#[inline(never)]
pub fn multiply_accumulate<T: Implementation>(a: &[T::Value], b: &[T::Value], out: &mut [T::Value]) {
    for ((out, &a), &b) in out.iter_mut().zip(a).zip(b) {
        *out = T::multiply_accumulate(*out, a, b);
    }
}

/// `Σ a_i b_i`, lane by lane, over whole blocks of [`DOT_TERMS`].
#[inline(never)]
pub fn dot<T: Implementation>(a: &[T::Value], b: &[T::Value]) -> Option<T::Value> {
    let (a, _) = a.as_chunks::<DOT_TERMS>();
    let (b, _) = b.as_chunks::<DOT_TERMS>();
    a.iter().zip(b).map(|(a, b)| T::dot(a, b)).reduce(|sum, block| sum + block)
}

/// `out = integer · a`, with an integer for every lane.
#[inline(never)]
pub fn scale<T: Implementation>(a: &[T::Value], integers: &[i32], out: &mut [T::Value]) {
    for ((out, &a), integers) in out.iter_mut().zip(a).zip(integers.chunks_exact(T::LANES)) {
        *out = T::scale(a, integers);
    }
}

/// Integers to elements.
#[inline(never)]
pub fn from_i64<T: Prime>(integers: &[i64], out: &mut [T::Value]) {
    for (out, &integer) in out.iter_mut().zip(integers) {
        *out = T::from_i64(integer);
    }
}

/// Small integers to elements.
#[inline(never)]
pub fn from_i8<T: Prime>(integers: &[i8], out: &mut [T::Value]) {
    for (out, &integer) in out.iter_mut().zip(integers) {
        *out = T::from_i8(integer);
    }
}

/// Elements to integers in `[0, p)`.
#[inline(never)]
pub fn to_canonical<T: Prime>(a: &[T::Value], out: &mut [T::Canonical]) {
    for (out, a) in out.iter_mut().zip(a) {
        *out = T::coefficient(a, 0, 0);
    }
}

/// `a · Π b_i`, one product after the other.
#[inline(never)]
pub fn multiply_chain<T: Implementation>(a: T::Value, b: &[T::Value]) -> T::Value {
    b.iter().fold(a, |value, &b| value * b)
}

/// `a + Σ b_i`, one sum after the other.
#[inline(never)]
pub fn add_chain<T: Implementation>(a: T::Value, b: &[T::Value]) -> T::Value {
    b.iter().fold(a, |value, &b| value + b)
}

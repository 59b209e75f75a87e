//! Vectors of challenge-field elements, packed into SIMD lanes, and what provers do with them.
//!
//! Index order is the crate-wide one: variable 0 is the most significant bit of the index, so that binding it
//! combines the two halves of a vector. All functions are deterministic for any number of threads: field
//! addition is exact, so the order of a parallel sum does not matter.

use p3_field::{ExtensionField, Field, PackedFieldExtension, PackedValue, PrimeCharacteristicRing};
use rayon::prelude::*;
use zkml_core::Suite;
use zkml_device::count;

mod column;
mod contract;
mod limbs;
mod tensor;
mod words;

pub use column::{evaluate_column, pad_column};
pub use contract::{contract_column, contract_table};
pub use tensor::Tensor;
pub(crate) use tensor::longest;
pub use words::{from_words, to_words};

/// A SIMD register's worth of challenge-field elements.
pub type Pack<S> = <<S as Suite>::Challenge as ExtensionField<<S as Suite>::Base>>::ExtensionPacking;

/// Lanes of a [`Pack`]; a power of two.
pub const fn lanes<S: Suite>() -> usize {
    <S::Base as Field>::Packing::WIDTH
}

/// Number of vector elements per parallel task; smaller vectors stay on one thread.
pub(crate) const CHUNK: usize = 1 << 12;

/// `2^n` challenge-field elements.
#[derive(Clone, Debug)]
pub enum Vector<S: Suite> {
    /// One by one: the form of vectors that are shorter than a register.
    Scalar(Vec<S::Challenge>),
    /// In registers: lane `l` of register `i` is element `i·lanes + l`.
    Packed(Vec<Pack<S>>),
}

impl<S: Suite> From<Vec<S::Challenge>> for Vector<S> {
    fn from(values: Vec<S::Challenge>) -> Self {
        if values.len() < lanes::<S>() || !values.len().is_multiple_of(lanes::<S>()) {
            return Self::Scalar(values);
        }
        Self::Packed(pack::<S>(&values))
    }
}

impl<S: Suite> Vector<S> {
    /// Number of elements.
    pub fn len(&self) -> usize {
        match self {
            Self::Scalar(v) => v.len(),
            Self::Packed(v) => v.len() * lanes::<S>(),
        }
    }

    /// True if there are no elements.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The elements one by one.
    pub fn to_scalars(&self) -> Vec<S::Challenge> {
        match self {
            Self::Scalar(v) => v.clone(),
            Self::Packed(v) => unpack::<S>(v),
        }
    }

    /// The elements in registers, zeros appended to fill the last one.
    pub fn into_packed(self) -> Vec<Pack<S>> {
        match self {
            Self::Packed(v) => v,
            Self::Scalar(mut v) => {
                v.resize(v.len().next_multiple_of(lanes::<S>()), S::Challenge::ZERO);
                pack::<S>(&v)
            }
        }
    }
}

/// Packs a slice; elements that do not fill a register are left out.
pub fn pack<S: Suite>(values: &[S::Challenge]) -> Vec<Pack<S>> {
    let chunk = CHUNK.max(lanes::<S>());
    if values.len() <= chunk {
        return values.chunks_exact(lanes::<S>()).map(Pack::<S>::from_ext_slice).collect();
    }
    values.par_chunks_exact(lanes::<S>()).with_min_len(chunk / lanes::<S>()).map(Pack::<S>::from_ext_slice).collect()
}

/// The elements of packed values one by one.
pub fn unpack<S: Suite>(packed: &[Pack<S>]) -> Vec<S::Challenge> {
    let mut out = vec![S::Challenge::ZERO; packed.len() * lanes::<S>()];
    let unpack = |(slot, value): (&mut [S::Challenge], &Pack<S>)| value.to_ext_slice(slot);
    if out.len() <= CHUNK {
        out.chunks_exact_mut(lanes::<S>()).zip(packed).for_each(unpack);
    } else {
        out.par_chunks_exact_mut(lanes::<S>()).zip(packed).with_min_len(CHUNK / lanes::<S>()).for_each(unpack);
    }
    out
}

/// Sum of the lanes.
pub fn sum_lanes<S: Suite>(packed: Pack<S>) -> S::Challenge {
    (0..lanes::<S>()).map(|lane| packed.extract(lane)).sum()
}

/// `scale · eq(point, x)` for all `x`, built by prepending variables: `2^n - 1` products (and one for the scale).
pub fn eq_table<S: Suite>(point: &[S::Challenge], scale: S::Challenge) -> Vector<S> {
    let in_lanes = lanes::<S>().trailing_zeros() as usize;
    let (outer, inner) = point.split_at(point.len().saturating_sub(in_lanes));
    let mut first = vec![scale];
    count::ext_mul((1 << point.len()) - 1);
    extend_eq(inner, &mut first, |e, r| e * r);
    if point.len() < in_lanes {
        return Vector::Scalar(first);
    }
    let mut table = pack::<S>(&first);
    extend_eq(outer, &mut table, |e, r| e * Pack::<S>::from(r));
    Vector::Packed(table)
}

/// `eq(point, x)` for all `x`, one by one.
pub fn eq_scalars<S: Suite>(point: &[S::Challenge]) -> Vec<S::Challenge> {
    eq_table::<S>(point, S::Challenge::ONE).to_scalars()
}

/// Prepends variables to an eq table: the new half is the product, the old one loses it.
fn extend_eq<A, F>(point: &[F], table: &mut Vec<A>, multiply: impl Fn(A, F) -> A + Sync)
where
    A: PrimeCharacteristicRing + Copy + Send + Sync,
    F: Copy + Send + Sync,
{
    for &r in point.iter().rev() {
        let half = table.len();
        table.resize(2 * half, A::ZERO);
        let (low, high) = table.split_at_mut(half);
        let split = |(low, high): (&mut A, &mut A)| {
            *high = multiply(*low, r);
            *low -= *high;
        };
        if half * size_of::<A>() <= CHUNK * 16 {
            low.iter_mut().zip(high).for_each(split);
        } else {
            low.par_iter_mut().zip(high).with_min_len(CHUNK / 8).for_each(split);
        }
    }
}

/// Binds the first variable at `r`, in place: `v[j] += r (v[j + half] - v[j])`. Vectors of one element stay.
pub fn bind<S: Suite>(vector: &mut Vec<S::Challenge>, r: S::Challenge) {
    count::ext_mul(vector.len() / 2);
    bind_halves(vector, r);
}

/// [`bind`] in registers. Vectors of one register stay: unpack them first.
pub fn bind_packed<S: Suite>(vector: &mut Vec<Pack<S>>, r: S::Challenge) {
    count::ext_mul(vector.len() / 2 * lanes::<S>());
    bind_halves(vector, Pack::<S>::from(r));
}

fn bind_halves<A: PrimeCharacteristicRing + Copy + Send + Sync>(vector: &mut Vec<A>, r: A) {
    let half = vector.len() / 2;
    if half == 0 {
        return;
    }
    let (low, high) = vector.split_at_mut(half);
    let bind = |(low, high): (&mut A, &A)| *low += r * (*high - *low);
    if half * size_of::<A>() <= CHUNK * 16 {
        low.iter_mut().zip(&*high).for_each(bind);
    } else {
        low.par_iter_mut().zip(&*high).with_min_len(CHUNK / 8).for_each(bind);
    }
    vector.truncate(half);
}

/// `Σ a_i b_i` over the common length.
pub fn dot<S: Suite>(a: &[S::Challenge], b: &[S::Challenge]) -> S::Challenge {
    count::ext_mul(a.len().min(b.len()));
    let part =
        |(a, b): (&[S::Challenge], &[S::Challenge])| -> S::Challenge { a.iter().zip(b).map(|(&a, &b)| a * b).sum() };
    a.par_chunks(CHUNK).zip(b.par_chunks(CHUNK)).map(part).sum()
}

/// `Σ a_i b_i` in registers, over the common length.
pub fn dot_packed<S: Suite>(a: &[Pack<S>], b: &[Pack<S>]) -> S::Challenge {
    count::ext_mul(a.len().min(b.len()) * lanes::<S>());
    let part = |(a, b): (&[Pack<S>], &[Pack<S>])| -> S::Challenge {
        sum_lanes::<S>(a.iter().zip(b).map(|(&a, &b)| a * b).sum())
    };
    a.par_chunks(CHUNK / 8).zip(b.par_chunks(CHUNK / 8)).map(part).sum()
}

/// The multilinear extension of a vector at a point with one coordinate per variable: `2^n - 1` products.
pub fn evaluate_vector<S: Suite>(vector: Vec<S::Challenge>, point: &[S::Challenge]) -> S::Challenge {
    let mut vector = vector;
    for &r in point {
        bind::<S>(&mut vector, r);
    }
    vector.first().copied().unwrap_or_default()
}

/// `Σ_t scale_t · eq(point_t, x)` for all `x`; the points have the same number of coordinates.
pub fn eq_combination<'a, S: Suite>(terms: impl IntoIterator<Item = (S::Challenge, &'a [S::Challenge])>) -> Vector<S> {
    let mut sum: Option<Vector<S>> = None;
    for (scale, point) in terms {
        let table = eq_table::<S>(point, scale);
        sum = Some(match (sum, table) {
            (Some(Vector::Packed(mut sum)), Vector::Packed(table)) => {
                sum.par_iter_mut().zip(&table).with_min_len(CHUNK / 8).for_each(|(s, t)| *s += *t);
                Vector::Packed(sum)
            }
            (Some(Vector::Scalar(mut sum)), Vector::Scalar(table)) => {
                sum.iter_mut().zip(&table).for_each(|(s, t)| *s += *t);
                Vector::Scalar(sum)
            }
            (_, table) => table,
        });
    }
    sum.unwrap_or_else(|| Vector::Scalar(Vec::new()))
}

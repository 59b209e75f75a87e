//! Packed and plain challenge-field elements under one name, conversions between them, and products that share work.

use p3_field::{
    Algebra, BasedVectorSpace, ExtensionField, Field, PackedFieldExtension, PackedValue, PrimeCharacteristicRing,
};
use zkml_core::Suite;

/// The packed challenge field: [`width`] elements.
pub(super) type Packed<S> = <<S as Suite>::Challenge as ExtensionField<<S as Suite>::Base>>::ExtensionPacking;

/// The packed base field: the coefficients of [`Packed`].
pub(super) type PackedBase<S> = <<S as Suite>::Base as Field>::Packing;

/// What a round computes with: packed or plain elements of the challenge field `F`, with coefficients `B`.
pub(super) trait Lanes<F, B>: Algebra<F> + BasedVectorSpace<B> + Copy + Send + Sync
where
    B: Coefficients,
{
    /// Elements in one.
    const LANES: usize = size_of::<Self>() / size_of::<F>();
}
impl<F, B: Coefficients, T: Algebra<F> + BasedVectorSpace<B> + Copy + Send + Sync> Lanes<F, B> for T {}

/// Packed or plain base-field elements.
pub(super) trait Coefficients: PrimeCharacteristicRing + Copy + Send + Sync {}
impl<B: PrimeCharacteristicRing + Copy + Send + Sync> Coefficients for B {}

/// `W` of a quadratic challenge field `X² = W` (zero for other degrees, where it is not used).
pub(super) fn non_residue<S: Suite>() -> S::Base {
    let generator = <S::Challenge as BasedVectorSpace<S::Base>>::ith_basis_element(1);
    generator.and_then(|x| x.square().as_base()).unwrap_or(S::Base::ZERO)
}

/// A factor of many products. In a quadratic field it carries `W` times its second coefficient, which saves one of
/// the five base products.
#[derive(Clone, Copy)]
pub(super) struct Factor<T, B> {
    value: T,
    scaled: B,
}

impl<B: Coefficients, T: BasedVectorSpace<B> + PrimeCharacteristicRing + Copy> Factor<T, B> {
    pub(super) fn new(value: T, non_residue: B) -> Self {
        let scaled = match value.as_basis_coefficients_slice() {
            &[_, second] => second * non_residue,
            _ => B::ZERO,
        };
        Self { value, scaled }
    }

    pub(super) fn plus(self, other: Self) -> Self {
        Self { value: self.value + other.value, scaled: self.scaled + other.scaled }
    }

    /// `x` times this factor.
    #[inline]
    pub(super) fn times(&self, x: T) -> T {
        if T::DIMENSION != 2 {
            return self.value * x;
        }
        let (x, f) = (x.as_basis_coefficients_slice(), self.value.as_basis_coefficients_slice());
        let x = [x[0], x[1]];
        let rows = [[f[0], self.scaled], [f[1], f[0]]];
        T::from_basis_coefficients_fn(|i| B::dot_product(&x, &rows[i]))
    }

    /// `low + self · (high - low)`.
    #[inline]
    pub(super) fn interpolate(&self, low: T, high: T) -> T {
        low + self.times(high - low)
    }
}

/// `a b + c d`; in a quadratic field with a shared reduction.
#[inline]
pub(super) fn sum_of_products<B: Coefficients, T>([a, b]: [T; 2], [c, d]: [T; 2], non_residue: B) -> T
where
    T: BasedVectorSpace<B> + PrimeCharacteristicRing + Copy,
{
    if T::DIMENSION != 2 {
        return a * b + c * d;
    }
    let [a, b, c, d] = [a, b, c, d].map(|x| {
        let x = x.as_basis_coefficients_slice();
        [x[0], x[1]]
    });
    T::from_basis_coefficients_fn(|i| {
        if i == 0 {
            B::dot_product(&[a[0], c[0]], &[b[0], d[0]]) + non_residue * B::dot_product(&[a[1], c[1]], &[b[1], d[1]])
        } else {
            B::dot_product(&[a[0], a[1], c[0], c[1]], &[b[1], b[0], d[1], d[0]])
        }
    })
}

/// The weights of one round, and the constant that products need.
pub(super) struct Weights<'a, F, B, T> {
    pub(super) outer: &'a [F],
    pub(super) inner: &'a [Factor<T, B>],
    pub(super) non_residue: B,
}

impl<F, B: Copy, T> Copy for Weights<'_, F, B, T> {}
impl<F, B: Copy, T> Clone for Weights<'_, F, B, T> {
    fn clone(&self) -> Self {
        *self
    }
}

/// Elements (not packs) per parallel task and column.
pub(super) const GRAIN: usize = 1 << 11;

impl<'a, F: Field, B: Coefficients, T: Lanes<F, B>> Weights<'a, F, B, T> {
    /// Two halves and the number of pairs in the first, if there is work for two tasks.
    pub(super) fn halves(self) -> Option<(Self, Self, usize)> {
        if self.outer.len() < 2 || self.outer.len() * self.inner.len() * T::LANES <= GRAIN {
            return None;
        }
        let (first, second) = self.outer.split_at(self.outer.len() / 2);
        Some((Self { outer: first, ..self }, Self { outer: second, ..self }, first.len() * self.inner.len()))
    }

    /// The chunks: outer weight, and the range of its pairs.
    pub(super) fn chunks(self) -> impl Iterator<Item = (F, core::ops::Range<usize>)> + 'a {
        let length = self.inner.len();
        self.outer.iter().enumerate().map(move |(i, &weight)| (weight, i * length..(i + 1) * length))
    }

    /// A factor of many products.
    pub(super) fn factor(self, value: F) -> Factor<T, B> {
        Factor::new(T::from(value), self.non_residue)
    }
}

/// `total += weight · sums`; one product per chunk, not counted.
pub(super) fn add_weighted<F: Field, T: Algebra<F> + Copy>(total: &mut [T; 2], sums: [T; 2], weight: F) {
    total[0] += sums[0] * weight;
    total[1] += sums[1] * weight;
}

/// Elements per packed one, a power of two.
pub(super) fn width<S: Suite>() -> usize {
    <S::Base as Field>::Packing::WIDTH
}

/// The elements of packed ones, in order.
pub(super) fn unpack<S: Suite>(packed: &[Packed<S>]) -> Vec<S::Challenge> {
    packed.iter().flat_map(|p| (0..width::<S>()).map(move |lane| p.extract(lane))).collect()
}

/// As [`unpack`], for pairs.
pub(super) fn unpack_pairs<S: Suite>(packed: &[[Packed<S>; 2]]) -> Vec<[S::Challenge; 2]> {
    packed.iter().flat_map(|p| (0..width::<S>()).map(move |lane| p.map(|x| x.extract(lane)))).collect()
}

/// Packs a vector whose length is a multiple of [`width`].
pub(super) fn pack<S: Suite>(values: &[S::Challenge]) -> Vec<Packed<S>> {
    values.chunks_exact(width::<S>()).map(Packed::<S>::from_ext_slice).collect()
}

/// As [`pack`], for pairs.
pub(super) fn pack_pairs<S: Suite>(values: &[[S::Challenge; 2]]) -> Vec<[Packed<S>; 2]> {
    let pack = |pairs: &[[S::Challenge; 2]]| [0, 1].map(|part| Packed::<S>::from_ext_fn(|lane| pairs[lane][part]));
    values.chunks_exact(width::<S>()).map(pack).collect()
}

/// Sum of all lanes.
pub(super) fn sum_lanes<S: Suite>(packed: Packed<S>) -> S::Challenge {
    (0..width::<S>()).map(|lane| packed.extract(lane)).sum()
}

//! The rounds of the witness tree's leaf layer.
//!
//! With `D = n + λ d` for each child, `λ · (n0 d1 + n1 d0 + λ d0 d1) = D0 D1 - n0 n1`. Here `n0 = 1`, and `n1` is the
//! indicator of the stored leaves, whose extension is known. So the layer is the sumcheck of one product, of
//! `D0 = 1 + λ d0` and `D1`, which is `1 + λ d1` on stored leaves and the constant `λ` on the tail. Only the stored part of
//! `D1` is touched: binding keeps the tail constant.

use p3_field::{BasedVectorSpace, Field, PrimeCharacteristicRing};
use rayon::prelude::*;
use zkml_core::{ProveError, Suite, mle};
use zkml_device::count;
use zkml_sumcheck::lookup::{CHUNK, Fingerprint, Layout};

use super::eq::SplitEq;
use super::gates::Spare;
use super::lanes::{
    Coefficients, Factor, Lanes, Packed, Weights, add_weighted, non_residue, pack, sum_lanes, unpack, width,
};
use super::{Children, Leaves};

/// The leaf layer during its sumcheck.
pub(super) struct ProductRounds<S: Suite> {
    columns: Columns<S>,
    lambda: S::Challenge,
    inverse: S::Challenge,
    /// Stored leaves of the right half.
    stored: usize,
}

enum Columns<S: Suite> {
    Packed(Product<Packed<S>, S::Challenge>),
    Plain(Product<S::Challenge, S::Challenge>),
}

/// `D0`, and the stored part of `D1` before its constant tail.
struct Product<T, F> {
    full: Vec<T>,
    ragged: Vec<T>,
    tail: F,
}

impl<S: Suite> ProductRounds<S> {
    /// The layer without its leaves, for which there is [`Self::compute`] or [`Self::go_on`].
    ///
    /// Errors if `λ` is zero.
    pub(super) fn new(layout: &Layout, lambda: S::Challenge, scope: &str) -> Result<Self, ProveError> {
        let unlucky = || ProveError::UnluckyChallenge { scope: scope.to_owned(), what: "lambda is zero" };
        let inverse = lambda.try_inverse().ok_or_else(unlucky)?;
        let stored = layout.leaves() - half(layout);
        let columns = Columns::Plain(Product { full: Vec::new(), ragged: Vec::new(), tail: lambda });
        Ok(Self { columns, lambda, inverse, stored })
    }

    /// What the factors are: `(1 + λ α) - Σ λ β^(j-1) w_j`, and `λ` on the tail.
    pub(super) fn combination(
        &self,
        fingerprint: &Fingerprint<S::Challenge>,
    ) -> (S::Challenge, Vec<S::Challenge>, S::Challenge) {
        let coefficients = fingerprint.powers.iter().map(|&p| -(self.lambda * p)).collect();
        (S::Challenge::ONE + self.lambda * fingerprint.alpha, coefficients, self.lambda)
    }

    /// Computes the leaves from the witness, into memory that is free.
    pub(super) fn compute(&mut self, leaves: &Leaves<'_, S::Challenge>, [mut full, mut ragged]: Spare<S>) {
        let Leaves { layout, columns, fingerprint } = leaves;
        let (constant, coefficients, lambda) = self.combination(fingerprint);
        let half = half(layout);
        self.columns = if half >= width::<S>() {
            let packs = half / width::<S>();
            let stored = self.stored.div_ceil(width::<S>());
            for (out, first, length) in [(&mut full, 0, packs), (&mut ragged, packs, stored)] {
                out.clear();
                out.resize(length, Packed::<S>::ZERO);
                out.par_chunks_mut(CHUNK).enumerate().for_each(|(i, out)| {
                    columns.write_affine::<S>(constant, &coefficients, lambda, first + i * CHUNK, out);
                });
            }
            Columns::Packed(Product { full, ragged, tail: lambda })
        } else {
            let mut full = unpack::<S>(&columns.affine::<S>(constant, &coefficients, lambda));
            full.resize(2 * half, lambda);
            let ragged = full.split_off(half);
            Columns::Plain(Product { full, ragged, tail: lambda })
        };
    }

    /// Goes on with what is left of `[D0, D1]`.
    pub(super) fn go_on(&mut self, factors: Vec<Vec<S::Challenge>>) {
        let Ok([full, mut ragged]) = <[_; 2]>::try_from(factors) else { return };
        let packed = full.len() >= width::<S>();
        let whole = if packed { self.stored.next_multiple_of(width::<S>()) } else { self.stored };
        ragged.truncate(whole);
        self.columns = if packed {
            Columns::Packed(Product { full: pack::<S>(&full), ragged: pack::<S>(&ragged), tail: self.lambda })
        } else {
            Columns::Plain(Product { full, ragged, tail: self.lambda })
        };
    }

    /// Value at 0 and leading coefficient of this round's polynomial, from those of the product. The last coordinate of
    /// `bound` is bound already.
    pub(super) fn message(
        &self,
        [at_zero, leading]: [S::Challenge; 2],
        bound: &[S::Challenge],
        z: &[S::Challenge],
    ) -> [S::Challenge; 2] {
        let mut point = bound.to_vec();
        point.push(S::Challenge::ZERO);
        point.extend(z.iter().skip(point.len()));
        let numerators = mle::prefix_indicator(&point, self.stored);
        [(at_zero - numerators) * self.inverse, leading * self.inverse]
    }

    /// The product's weighted sum at 0 and that of its leading coefficient, after binding `r`.
    ///
    /// Costs 6 products per pair of bound, stored leaves (4 in the first round).
    pub(super) fn round(&mut self, r: Option<S::Challenge>, eq: &SplitEq<S>) -> [S::Challenge; 2] {
        if let Columns::Packed(product) = &mut self.columns {
            let bound = if r.is_some() { product.full.len() / 2 } else { product.full.len() };
            if bound >= 2 {
                return product.round(r, eq.packed()).map(sum_lanes::<S>);
            }
            if let Some(r) = r {
                product.bind(&eq.packed().factor(r));
            }
            let (full, ragged) = (unpack::<S>(&product.full), unpack::<S>(&product.ragged));
            let mut plain = Product { full, ragged, tail: self.lambda };
            let sums = plain.round(None, eq.plain());
            self.columns = Columns::Plain(plain);
            return sums;
        }
        let Columns::Plain(product) = &mut self.columns else { return [S::Challenge::ZERO; 2] };
        product.round(r, eq.plain())
    }

    /// The children at the point whose coordinates were all but the last bound already.
    pub(super) fn finish(self, point: &[S::Challenge]) -> Children<S::Challenge> {
        let (stored, inverse, lambda) = (self.stored, self.inverse, self.lambda);
        let mut product = match self.columns {
            Columns::Plain(product) => product,
            Columns::Packed(p) => Product { full: unpack::<S>(&p.full), ragged: unpack::<S>(&p.ragged), tail: lambda },
        };
        if let Some(&r) = point.last() {
            product.bind(&Factor::<_, S::Base>::new(r, non_residue::<S>()));
        }
        children([product.full[0], product.ragged.first().copied().unwrap_or(lambda)], stored, inverse, point)
    }

    /// The children at the point where the factors have these values.
    pub(super) fn children(&self, factors: [S::Challenge; 2], point: &[S::Challenge]) -> Children<S::Challenge> {
        children(factors, self.stored, self.inverse, point)
    }
}

fn children<F: Field>(factors: [F; 2], stored: usize, inverse: F, point: &[F]) -> Children<F> {
    let n = [F::ONE, mle::prefix_indicator(point, stored)];
    let d = [0, 1].map(|i| (factors[i] - n[i]) * inverse);
    Children { n, d, numerators_known: true }
}

/// Leaves of one half, `1` for a tree of one leaf.
fn half(layout: &Layout) -> usize {
    1 << layout.variables().saturating_sub(1)
}

impl<T, F: Field> Product<T, F> {
    fn round<B: Coefficients>(&mut self, r: Option<F>, weights: Weights<'_, F, B, T>) -> [T; 2]
    where
        T: Lanes<F, B>,
    {
        let tail = T::from(self.tail);
        let Some(r) = r else {
            let pairs = self.full.len() / 2;
            self.count::<B>(pairs);
            let (full, ragged) = (parts(&mut self.full, pairs), parts(&mut self.ragged, pairs));
            return evaluate(full, ragged, tail, weights);
        };
        let pairs = self.full.len() / 4;
        self.count_bind::<B>(2 * pairs);
        let (full, ragged) = (parts(&mut self.full, pairs), parts(&mut self.ragged, pairs));
        let sums = bind_evaluate(full, ragged, (&weights.factor(r), tail), weights);
        self.full.truncate(2 * pairs);
        self.ragged.truncate(2 * pairs);
        self.count::<B>(pairs);
        sums
    }

    fn bind<B: Coefficients>(&mut self, r: &Factor<T, B>)
    where
        T: Lanes<F, B>,
    {
        let half = self.full.len() / 2;
        self.count_bind::<B>(half);
        let tail = T::from(self.tail);
        for values in [&mut self.full, &mut self.ragged] {
            let [low, high] = parts(values, half);
            for (j, l) in low.iter_mut().enumerate() {
                *l = r.interpolate(*l, high.get(j).copied().unwrap_or(tail));
            }
            values.truncate(half);
        }
    }

    /// Counts the evaluation of a round of so many pairs.
    fn count<B: Coefficients>(&self, pairs: usize)
    where
        T: Lanes<F, B>,
    {
        let products = self.ragged.len().min(pairs);
        count::ext_mul((4 * products + (pairs - products)) * T::LANES);
    }

    /// Counts binding to length `half`.
    fn count_bind<B: Coefficients>(&self, half: usize)
    where
        T: Lanes<F, B>,
    {
        count::ext_mul((half + self.ragged.len().min(half)) * T::LANES);
    }
}

fn evaluate<F: Field, B: Coefficients, T: Lanes<F, B>>(
    full: [&mut [T]; 2],
    ragged: [&mut [T]; 2],
    tail: T,
    weights: Weights<'_, F, B, T>,
) -> [T; 2] {
    if let Some((first, second, at)) = weights.halves() {
        let ((f0, f1), (g0, g1)) = (split(full, at), split(ragged, at));
        let (a, b) = rayon::join(|| evaluate(f0, g0, tail, first), || evaluate(f1, g1, tail, second));
        return [a[0] + b[0], a[1] + b[1]];
    }
    let ([f0, f1], [g0, g1]) = (full, ragged);
    let mut total = [T::ZERO; 2];
    for (weight, range) in weights.chunks() {
        let mut sums = Sums::new(tail);
        for (j, e) in range.zip(weights.inner) {
            let low = g0.get(j).copied();
            sums.add(e, [f0[j], f1[j]], low, || g1.get(j).copied());
        }
        add_weighted(&mut total, sums.finish(), weight);
    }
    total
}

/// Binds `r` and evaluates the next round in one pass over memory.
fn bind_evaluate<F: Field, B: Coefficients, T: Lanes<F, B>>(
    full: [&mut [T]; 4],
    ragged: [&mut [T]; 4],
    (r, tail): (&Factor<T, B>, T),
    weights: Weights<'_, F, B, T>,
) -> [T; 2] {
    if let Some((first, second, at)) = weights.halves() {
        let ((f0, f1), (g0, g1)) = (split(full, at), split(ragged, at));
        let (a, b) =
            rayon::join(|| bind_evaluate(f0, g0, (r, tail), first), || bind_evaluate(f1, g1, (r, tail), second));
        return [a[0] + b[0], a[1] + b[1]];
    }
    let ([f0, f1, f2, f3], [g0, g1, g2, g3]) = (full, ragged);
    let mut total = [T::ZERO; 2];
    for (weight, range) in weights.chunks() {
        let mut sums = Sums::new(tail);
        for (j, e) in range.zip(weights.inner) {
            f0[j] = r.interpolate(f0[j], f2[j]);
            f1[j] = r.interpolate(f1[j], f3[j]);
            let low = bind_stored(g0.get_mut(j), g2.get(j), r, tail);
            sums.add(e, [f0[j], f1[j]], low, || bind_stored(g1.get_mut(j), g3.get(j), r, tail));
        }
        add_weighted(&mut total, sums.finish(), weight);
    }
    total
}

#[inline]
fn bind_stored<B: Coefficients, T>(low: Option<&mut T>, high: Option<&T>, r: &Factor<T, B>, tail: T) -> Option<T>
where
    T: PrimeCharacteristicRing + BasedVectorSpace<B> + Copy,
{
    let low = low?;
    *low = r.interpolate(*low, *high.unwrap_or(&tail));
    Some(*low)
}

/// Sums within one chunk.
struct Sums<T> {
    at_zero: T,
    leading: T,
    /// `Σ eq · D0` over pairs whose `D1` is the tail.
    linear: T,
    tail: T,
}

impl<T: PrimeCharacteristicRing + Copy> Sums<T> {
    fn new(tail: T) -> Self {
        Self { at_zero: T::ZERO, leading: T::ZERO, linear: T::ZERO, tail }
    }

    /// Adds one pair; `low` and `high` are the stored values of `D1`. A stored `high` implies a stored `low`.
    #[inline]
    fn add<B: Coefficients>(&mut self, e: &Factor<T, B>, full: [T; 2], low: Option<T>, high: impl FnOnce() -> Option<T>)
    where
        T: BasedVectorSpace<B>,
    {
        match low {
            Some(low) => {
                let high = high().unwrap_or(self.tail);
                self.at_zero += e.times(full[0] * low);
                self.leading += e.times((full[1] - full[0]) * (high - low));
            }
            None => self.linear += e.times(full[0]),
        }
    }

    fn finish(self) -> [T; 2] {
        [self.at_zero + self.linear * self.tail, self.leading]
    }
}

/// The first `N` runs of `length`; the last ones may be shorter or empty.
fn parts<T, const N: usize>(values: &mut [T], length: usize) -> [&mut [T]; N] {
    let mut rest = values;
    core::array::from_fn(|_| {
        let all = core::mem::take(&mut rest);
        let at = length.min(all.len());
        let (part, tail) = all.split_at_mut(at);
        rest = tail;
        part
    })
}

fn split<T, const N: usize>(parts: [&mut [T]; N], at: usize) -> ([&mut [T]; N], [&mut [T]; N]) {
    let mut later: [&mut [T]; N] = core::array::from_fn(|_| &mut [][..]);
    let mut slots = later.iter_mut();
    let first = parts.map(|part| {
        let (head, tail) = part.split_at_mut(at.min(part.len()));
        if let Some(slot) = slots.next() {
            *slot = tail;
        }
        head
    });
    (first, later)
}

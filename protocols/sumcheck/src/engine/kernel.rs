//! One pass over the factors: bind the previous challenge and evaluate the round.

#![allow(clippy::inline_always, reason = "registers only stay in registers if the whole pass is one function")]

use p3_field::{Algebra, Field};
use rayon::prelude::*;

use super::weights::SuffixWeights;
use super::{Composition, count_pass};

/// Fewest bytes of factors for which a pass uses several threads.
const PARALLEL_BYTES: usize = 1 << 17;

/// What a round evaluates.
pub(super) struct Pass<'a, C, F> {
    /// The polynomial under the sum.
    pub(super) composition: &'a C,
    /// The challenge of the previous round, not bound yet.
    pub(super) bind: Option<F>,
    /// Whether the first point is 1 (else 0); the others are 2, 3, ….
    pub(super) at_one: bool,
    /// Number of points.
    pub(super) points: usize,
}

/// The parts of one factor that one task works on: with a challenge to bind, `low` and `high` become the bound
/// values from themselves and the second half; without one, the second half is empty.
struct Part<'a, A> {
    low: &'a mut [A],
    high: &'a mut [A],
    low_second: &'a [A],
    high_second: &'a [A],
}

impl<C, F> Pass<'_, C, F>
where
    F: Field,
    C: Composition<F>,
{
    /// Sums of the weighted composition at the points; factors end up bound.
    pub(super) fn run<A>(&self, factors: &mut [Vec<A>], weights: &SuffixWeights<A, F>, lanes: usize) -> Vec<A>
    where
        A: Algebra<F> + Copy + Send + Sync,
    {
        let kept = if self.bind.is_some() { 2 } else { 1 };
        let pairs = factors.first().map_or(0, |f| f.len() / (2 * kept));
        let block = (pairs / weights.blocks()).max(1);
        let parallel = pairs * factors.len() * size_of::<A>() >= PARALLEL_BYTES && rayon::current_num_threads() > 1;
        let task =
            if parallel { block.max(pairs / (4 * rayon::current_num_threads()).next_power_of_two()) } else { pairs };
        let per_pair = self.points * (self.composition.products() + usize::from(weights.inner().is_some()))
            + 2 * usize::from(self.bind.is_some()) * factors.len();
        let blocks = if weights.outer().is_some() { pairs / block * self.points } else { 0 };
        count_pass(pairs * lanes, per_pair, blocks * lanes);

        let mut tasks = split(factors, pairs, task.max(1), kept);
        let run = |(i, parts): (usize, &mut Vec<Part<'_, A>>)| self.task(parts, i * task, block, weights);
        let sums: Vec<Vec<A>> = if parallel {
            tasks.par_iter_mut().enumerate().map(run).collect()
        } else {
            tasks.iter_mut().enumerate().map(run).collect()
        };
        drop(tasks);
        if self.bind.is_some() {
            for factor in factors {
                factor.truncate(2 * pairs);
            }
        }
        sums.into_iter().fold(vec![A::ZERO; self.points], |mut total, sums| {
            total.iter_mut().zip(sums).for_each(|(t, s)| *t += s);
            total
        })
    }

    /// Chooses the size of the working set at compile time for the usual numbers of factors.
    fn task<A>(&self, parts: &mut [Part<'_, A>], start: usize, block: usize, weights: &SuffixWeights<A, F>) -> Vec<A>
    where
        A: Algebra<F> + Copy + Send + Sync,
    {
        match parts {
            [a] => self.blocks::<A, 1>([a], start, block, weights),
            [a, b] => self.blocks::<A, 2>([a, b], start, block, weights),
            [a, b, c] => self.blocks::<A, 3>([a, b, c], start, block, weights),
            [a, b, c, d] => self.blocks::<A, 4>([a, b, c, d], start, block, weights),
            many => {
                let mut scratch = vec![A::ZERO; 3 * many.len()];
                let mut many: Vec<&mut Part<'_, A>> = many.iter_mut().collect();
                self.each_block(&mut many, start, block, weights, &mut scratch)
            }
        }
    }

    fn blocks<A, const K: usize>(
        &self,
        mut parts: [&mut Part<'_, A>; K],
        start: usize,
        block: usize,
        weights: &SuffixWeights<A, F>,
    ) -> Vec<A>
    where
        A: Algebra<F> + Copy + Send + Sync,
    {
        let mut scratch = [[A::ZERO; K]; 3];
        self.each_block(&mut parts, start, block, weights, scratch.as_flattened_mut())
    }

    #[inline(always)]
    fn each_block<A>(
        &self,
        parts: &mut [&mut Part<'_, A>],
        start: usize,
        block: usize,
        weights: &SuffixWeights<A, F>,
        scratch: &mut [A],
    ) -> Vec<A>
    where
        A: Algebra<F> + Copy + Send + Sync,
    {
        let mut total = vec![A::ZERO; self.points];
        let mut sums = vec![A::ZERO; self.points];
        let length = parts.first().map_or(0, |p| p.low.len());
        for from in (0..length).step_by(block) {
            let range = from..(from + block).min(length);
            sums.fill(A::ZERO);
            match self.bind {
                Some(r) => {
                    let r = A::from(r);
                    self.block(parts, range, weights.inner(), &mut sums, scratch, |p, j| p.bind(j, r));
                }
                #[allow(clippy::redundant_closure_for_method_calls, reason = "a closure serves parts of any lifetime")]
                None => self.block(parts, range, weights.inner(), &mut sums, scratch, |p, j| p.load(j)),
            }
            let outer = weights.outer().and_then(|w| w.get((start + from) / block));
            for (total, &sum) in total.iter_mut().zip(&sums) {
                *total += outer.map_or(sum, |&w| sum * A::from(w));
            }
        }
        total
    }

    /// The pairs of one block.
    #[inline(always)]
    fn block<A>(
        &self,
        parts: &mut [&mut Part<'_, A>],
        range: core::ops::Range<usize>,
        weights: Option<&[A]>,
        sums: &mut [A],
        scratch: &mut [A],
        fetch: impl Fn(&mut Part<'_, A>, usize) -> (A, A),
    ) where
        A: Algebra<F> + Copy,
    {
        let (first, others) = scratch.split_at_mut(parts.len());
        let (value, step) = others.split_at_mut(parts.len());
        let from = range.start;
        for j in range {
            for (((part, first), value), step) in parts.iter_mut().zip(&mut *first).zip(&mut *value).zip(&mut *step) {
                let (low, high) = fetch(part, j);
                *first = if self.at_one { high } else { low };
                *value = high;
                *step = high - low;
            }
            let weight = weights.and_then(|w| w.get(j - from));
            let weighted = |value: A| weight.map_or(value, |&w| value * w);
            let Some((at_first, at_others)) = sums.split_first_mut() else { continue };
            *at_first += weighted(self.composition.evaluate(first));
            for sum in at_others {
                value.iter_mut().zip(&*step).for_each(|(v, s)| *v += *s);
                *sum += weighted(self.composition.evaluate(value));
            }
        }
    }
}

impl<A: p3_field::PrimeCharacteristicRing + Copy> Part<'_, A> {
    #[inline(always)]
    fn load(&mut self, j: usize) -> (A, A) {
        (self.low[j], self.high[j])
    }

    #[inline(always)]
    fn bind(&mut self, j: usize, r: A) -> (A, A) {
        let low = self.low[j] + r * (self.low_second[j] - self.low[j]);
        let high = self.high[j] + r * (self.high_second[j] - self.high[j]);
        self.low[j] = low;
        self.high[j] = high;
        (low, high)
    }
}

/// Cuts every factor into parts of `task` pairs; the parts of one task side by side.
fn split<A>(factors: &mut [Vec<A>], pairs: usize, task: usize, kept: usize) -> Vec<Vec<Part<'_, A>>> {
    let mut tasks: Vec<Vec<Part<'_, A>>> = (0..pairs.div_ceil(task)).map(|_| Vec::new()).collect();
    for factor in factors {
        let (first, second) = factor.split_at_mut(2 * pairs);
        let (low, high) = first.split_at_mut(pairs);
        let (low_second, high_second) = if kept == 2 { second.split_at(pairs) } else { (&second[..0], &second[..0]) };
        let mut low_second = low_second.chunks(task);
        let mut high_second = high_second.chunks(task);
        for ((parts, low), high) in tasks.iter_mut().zip(low.chunks_mut(task)).zip(high.chunks_mut(task)) {
            let low_second = low_second.next().unwrap_or(&[]);
            let high_second = high_second.next().unwrap_or(&[]);
            parts.push(Part { low, high, low_second, high_second });
        }
    }
    tasks
}

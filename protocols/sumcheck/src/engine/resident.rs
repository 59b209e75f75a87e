//! Rounds on a device, as long as the vectors are worth it.

use zkml_core::{ProveError, Suite};
use zkml_device::{
    Buffer, Device, DeviceError, Expression, FieldKind, Point, Round, Rounds, Session, Step, Sumcheck, Trace,
};

use super::weights::{self, SuffixWeights};
use crate::Weight;
use crate::vector::{Vector, from_words, to_words};

/// A composition's body, as it is traced.
pub type Traced<F> = Trace<F>;

/// Factors on a device, and the weights of the variables after the current one.
pub struct Resident<'d, S: Suite> {
    rounds: Box<dyn Rounds + 'd>,
    tables: SuffixWeights<S::Challenge, S::Challenge>,
    weights: Vec<Weight<S::Challenge>>,
    started: usize,
    factors: usize,
    outputs: usize,
    least: usize,
    pending: Option<S::Challenge>,
}

impl<'d, S: Suite> Resident<'d, S> {
    /// Sends factors to the device, if it should do the first round. `body` is the composition; shorter factors are padded
    /// with zeros.
    pub fn upload(
        factors: &[Vector<S>],
        body: impl FnOnce(&[Traced<S::Challenge>]) -> Vec<Traced<S::Challenge>>,
        weights: &[Weight<S::Challenge>],
        device: &'d Device,
    ) -> Result<Option<Self>, ProveError> {
        if factors.is_empty() || weights.is_empty() {
            return Ok(None);
        }
        let size = factors.len() << weights.len();
        let Some((session, field)) = place::<S>(device, Step::Rounds, size) else { return Ok(None) };
        let upload = |factor: &Vector<S>| {
            let mut words = to_words::<S>(&factor.to_scalars());
            words.resize(field.words() << weights.len(), 0);
            session.accelerator().upload(field, &words)
        };
        let Some(buffers) = session.unless_refused(factors.iter().map(upload).collect())? else { return Ok(None) };
        Self::of_buffers(buffers, body, weights, (session, field))
    }

    /// Starts with factors that are on the device already; they are overwritten. `None` if it has no sumchecks.
    pub fn of_buffers(
        factors: Vec<Buffer>,
        body: impl FnOnce(&[Traced<S::Challenge>]) -> Vec<Traced<S::Challenge>>,
        weights: &[Weight<S::Challenge>],
        (session, field): (&'d Session, FieldKind),
    ) -> Result<Option<Self>, ProveError> {
        let count = factors.len();
        let (expression, parameters) = Expression::trace(count, body);
        let (outputs, parameters) = (expression.outputs().len(), to_words::<S>(&parameters));
        let request = Sumcheck { field, factors, expression, parameters };
        let device = session.accelerator();
        let rounds = session.unless_refused(device.sumcheck(request))?;
        let least = device.info().break_even.of(Step::Rounds).unwrap_or(usize::MAX).max(2 * count);
        Ok(rounds.map(|rounds| Self {
            rounds,
            tables: weights::scalar::<S>(weights),
            weights: weights.to_vec(),
            started: 0,
            factors: count,
            outputs,
            least,
            pending: None,
        }))
    }

    /// Whether the device should also do the next round.
    pub fn goes_on(&self) -> bool {
        let left = self.weights.len() - self.started;
        left > 0 && self.factors << left >= self.least
    }

    /// The next round: weighted sums of the composition, point by point, after binding the challenge that was left.
    pub fn round(&mut self, points: &[Point]) -> Result<Vec<S::Challenge>, ProveError> {
        if let Some(&weight) = self.weights.get(self.started).filter(|_| self.started > 0) {
            self.tables.drop_first(weight);
        }
        self.started += 1;
        let bind = self.pending.take().map(|r| to_words::<S>(&[r]));
        let words = |table: Option<&[S::Challenge]>| table.map(to_words::<S>).unwrap_or_default();
        let (outer, inner) = (words(self.tables.outer()), words(self.tables.inner()));
        let sums = self.rounds.round(Round { bind: bind.as_deref(), points, outer: &outer, inner: &inner })?;
        let sums = from_words::<S>(&sums)?;
        if sums.len() != points.len() * self.outputs {
            return Err(DeviceError::Invalid("a round has another number of sums".to_owned()).into());
        }
        Ok(sums)
    }

    /// Leaves a challenge to be bound.
    pub fn bind_next(&mut self, r: S::Challenge) {
        self.pending = Some(r);
    }

    /// What is left of the factors.
    pub fn finish(self) -> Result<Vec<Vec<S::Challenge>>, ProveError> {
        let bind = self.pending.map(|r| to_words::<S>(&[r]));
        let factors = self.rounds.finish(bind.as_deref())?;
        let length = 1 << (self.weights.len() - self.started);
        let factors = factors.iter().map(|words| from_words::<S>(words)).collect::<Result<Vec<_>, _>>()?;
        if factors.len() != self.factors || factors.iter().any(|f| f.len() != length) {
            return Err(DeviceError::Invalid("the factors have another length".to_owned()).into());
        }
        Ok(factors)
    }
}

/// The accelerator for a step of this size, and the suite's challenge field on it; `None` if the host should do it.
pub fn place<S: Suite>(device: &Device, step: Step, size: usize) -> Option<(&Session, FieldKind)> {
    device.for_step(step, S::DEVICE_FIELD, size).zip(S::DEVICE_FIELD)
}

/// Where a composition of degree `count`, at most 255, is evaluated: 0 (or 1), then 2, 3, ….
pub(super) fn points_of(at_one: bool, count: usize) -> Vec<Point> {
    let rest = (2..=count).map(|t| Point::At(t as u8));
    core::iter::once(Point::At(u8::from(at_one))).chain(rest).take(count).collect()
}

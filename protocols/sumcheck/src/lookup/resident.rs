//! Trees of fractions that stay on a device: leaves, levels, and the rounds of a layer.

use core::ops::Range;

use p3_field::PrimeCharacteristicRing;
use zkml_core::{ProveError, Suite};
use zkml_device::{Buffer, Combination, Device, DeviceError, FieldKind, Numerators, Session, Step};

use super::{Fingerprint, Layout, LeafColumns};
use crate::Weight;
use crate::engine::{Resident, Traced, place};
use crate::vector::{from_words, to_words};

/// The tuples' columns on a device, one integer per column and leaf. Copies share the memory.
#[derive(Clone, Debug)]
pub struct ResidentLeaves {
    columns: Vec<Buffer>,
    stored: usize,
    variables: usize,
}

impl ResidentLeaves {
    pub(super) fn new(columns: Vec<Buffer>, layout: &Layout) -> Self {
        Self { columns, stored: layout.leaves(), variables: layout.variables() }
    }

    /// `constant + Σ coefficients[j] · column_j` for some of the `2^n` leaves; those after the last stored one are `tail`.
    fn affine<S: Suite>(
        &self,
        constant: S::Challenge,
        coefficients: &[S::Challenge],
        tail: S::Challenge,
        range: Range<usize>,
        (session, field): (&Session, FieldKind),
    ) -> Result<Buffer, DeviceError> {
        let length = range.len();
        let buffer = session.accelerator().combine(&Combination {
            field,
            columns: &self.columns,
            coefficients: &to_words::<S>(coefficients),
            constant: &to_words::<S>(&[constant]),
            stored: self.stored,
            tail: &to_words::<S>(&[tail]),
            range,
        })?;
        of_length(buffer, length)
    }

    /// Starts the rounds of the layer above the leaves, if the device should do them. The factors are the two halves of
    /// `constant + Σ coefficients[j] · column_j`, where leaves after the last stored one are `tail`. `None` also if the device
    /// has no such step.
    pub fn rounds<'d, S: Suite>(
        &self,
        (constant, coefficients, tail): (S::Challenge, &[S::Challenge], S::Challenge),
        body: impl FnOnce(&[Traced<S::Challenge>]) -> Vec<Traced<S::Challenge>>,
        z: &[S::Challenge],
        device: &'d Device,
    ) -> Result<Option<Resident<'d, S>>, ProveError> {
        let (half, size) = ((1 << self.variables) / 2, 1 << self.variables);
        let Some(place) = place::<S>(device, Step::Rounds, size).filter(|_| !z.is_empty()) else { return Ok(None) };
        let ranges = [0..half, half..size].into_iter();
        let factors = ranges.map(|range| self.affine::<S>(constant, coefficients, tail, range, place)).collect();
        let Some(factors) = place.0.unless_refused(factors)? else { return Ok(None) };
        Resident::of_buffers(factors, body, &weights(z), place)
    }
}

/// One level of a tree on a device: a power of two of fractions.
#[derive(Clone, Debug)]
pub struct Level {
    numerators: Buffer,
    denominators: Buffer,
}

impl Level {
    /// Number of nodes.
    pub fn nodes(&self) -> usize {
        self.denominators.len()
    }

    /// The level above.
    fn parents(numerators: Numerators<'_>, denominators: &Buffer, session: &Session) -> Result<Self, DeviceError> {
        let half = denominators.len() / 2;
        let [numerators, denominators] = session.accelerator().add_fractions(numerators, denominators)?;
        Ok(Self { numerators: of_length(numerators, half)?, denominators: of_length(denominators, half)? })
    }

    /// Numerators and denominators.
    pub fn download<S: Suite>(&self, device: &Device) -> Result<[Vec<S::Challenge>; 2], ProveError> {
        let session = device.session().ok_or_else(|| wrong("the device of a level is gone"))?;
        Ok(self.read::<S>(session)?)
    }

    fn read<S: Suite>(&self, session: &Session) -> Result<[Vec<S::Challenge>; 2], DeviceError> {
        let read = |buffer: &Buffer| {
            let elements = from_words::<S>(&session.accelerator().download(buffer)?)?;
            (elements.len() == buffer.len()).then_some(elements).ok_or_else(|| wrong("a level has another length"))
        };
        Ok([read(&self.numerators)?, read(&self.denominators)?])
    }

    /// Starts the rounds of the layer above this level, if the device should do them; they overwrite the level. The factors are
    /// `n_0, n_1, d_0, d_1`, numerators and denominators of the nodes without and with the most significant index bit.
    /// `None` also if the device has no such step.
    pub fn rounds<'d, S: Suite>(
        &self,
        body: impl FnOnce(&[Traced<S::Challenge>]) -> Vec<Traced<S::Challenge>>,
        z: &[S::Challenge],
        device: &'d Device,
    ) -> Result<Option<Resident<'d, S>>, ProveError> {
        let place = place::<S>(device, Step::Rounds, 2 * self.nodes()).filter(|_| !z.is_empty());
        let Some(place) = place else { return Ok(None) };
        let factors = [&self.numerators, &self.denominators].into_iter().flat_map(|buffer| buffer.clone().halves());
        Resident::of_buffers(factors.collect(), body, &weights(z), place)
    }
}

/// A tree of fractions, most of it on a device.
#[derive(Clone, Debug)]
pub struct ResidentTree<S: Suite> {
    /// The levels on the device, largest first, without witness leaves.
    pub levels: Vec<Level>,
    /// Numerators and denominators of the level above those.
    pub top: [Vec<S::Challenge>; 2],
}

impl<S: Suite> ResidentTree<S> {
    /// The tree over the witness leaves `(1, α - f(w_i))` without these, and what they are computed from, if the device should
    /// add them up.
    pub fn over_witness(
        columns: &LeafColumns<'_>,
        fingerprint: &Fingerprint<S::Challenge>,
        device: &Device,
    ) -> Result<Option<(Self, ResidentLeaves)>, ProveError> {
        let place = place::<S>(device, Step::Tree, columns.leaves()).filter(|_| columns.leaves() > 1);
        let Some(place) = place else { return Ok(None) };
        let build = || {
            let leaves = columns.resident(place.0)?;
            let coefficients: Vec<_> = fingerprint.powers.iter().map(|&p| -p).collect();
            let all = 0..1 << leaves.variables;
            let denominators = leaves.affine::<S>(fingerprint.alpha, &coefficients, S::Challenge::ONE, all, place)?;
            let parents = Level::parents(Numerators::Ones(leaves.stored), &denominators, place.0)?;
            drop(denominators);
            Ok((Self::above(parents, device, place.0)?, leaves))
        };
        Ok(place.0.unless_refused(build())?)
    }

    /// The tree over stored leaves, a power of two of them, if the device should add them up.
    pub fn over_leaves(
        numerators: &[S::Challenge],
        denominators: &[S::Challenge],
        device: &Device,
    ) -> Result<Option<Self>, ProveError> {
        let count = denominators.len();
        let Some((session, field)) = place::<S>(device, Step::Tree, count).filter(|_| count > TOP) else {
            return Ok(None);
        };
        let build = || {
            let upload = |values: &[S::Challenge]| {
                of_length(session.accelerator().upload(field, &to_words::<S>(values))?, count)
            };
            let level = Level { numerators: upload(numerators)?, denominators: upload(denominators)? };
            Self::above(level, device, session)
        };
        Ok(session.unless_refused(build())?)
    }

    /// The tree over a level.
    fn above(mut level: Level, device: &Device, session: &Session) -> Result<Self, DeviceError> {
        let mut levels = Vec::new();
        while level.nodes() > TOP && place::<S>(device, Step::Tree, level.nodes()).is_some() {
            let parents = Level::parents(Numerators::Stored(&level.numerators), &level.denominators, session)?;
            levels.push(core::mem::replace(&mut level, parents));
        }
        Ok(Self { levels, top: level.read::<S>(session)? })
    }
}

/// Nodes of the largest level that is never worth keeping on a device: it has no rounds.
const TOP: usize = 2;

fn weights<F: Copy>(z: &[F]) -> Vec<Weight<F>> {
    z.iter().map(|&z| Weight::Eq(z)).collect()
}

fn of_length(buffer: Buffer, length: usize) -> Result<Buffer, DeviceError> {
    if buffer.len() == length { Ok(buffer) } else { Err(wrong("a vector has another length")) }
}

fn wrong(what: &str) -> DeviceError {
    DeviceError::Invalid(what.to_owned())
}

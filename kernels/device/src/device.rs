//! The device that a proof is made on.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard};

use crate::{Accelerator, Activity, Buffer, Column, DeviceError, DeviceInfo, FieldKind, Step};

/// The hardware that a prover runs on. Copies share it, and what is resident there.
#[derive(Clone, Debug, Default)]
pub struct Device {
    session: Option<Arc<Session>>,
}

impl Device {
    /// The host's cores, through rayon's current thread pool.
    pub fn cpu() -> Self {
        Self::default()
    }

    /// A device beside the host. What is uploaded stays there until the last copy of this is dropped: use one per proof.
    pub fn accelerated(accelerator: Arc<dyn Accelerator>) -> Self {
        Self { session: Some(Arc::new(Session { accelerator, columns: Mutex::default(), left: Mutex::default() })) }
    }

    /// The name used in experiment files.
    pub fn name(&self) -> &str {
        self.session.as_ref().map_or("cpu", |s| &s.accelerator.info().id)
    }

    /// Threads that parallel loops may use.
    pub fn threads(&self) -> usize {
        rayon::current_num_threads()
    }

    /// The accelerator and what is resident on it, if there is one: for what is there already, whatever its size.
    pub fn session(&self) -> Option<&Session> {
        self.session.as_deref()
    }

    /// What the accelerator is, if there is one.
    pub fn info(&self) -> Option<&DeviceInfo> {
        self.session.as_ref().map(|s| s.accelerator.info())
    }

    /// What the accelerator has done so far.
    pub fn activity(&self) -> Activity {
        self.session.as_ref().map(|s| s.accelerator.activity()).unwrap_or_default()
    }

    /// The accelerator for a step of this size over this field, or `None` if the host should do it: the step is too small, or
    /// the device does not know the field. `field` is `None` for a field that no device knows.
    pub fn for_step(&self, step: Step, field: Option<FieldKind>, size: usize) -> Option<&Session> {
        let session = self.session.as_deref()?;
        let info = session.accelerator.info();
        if !field.is_some_and(|f| info.fields.contains(&f)) {
            session.leave("the device does not compute in the suite's field");
            return None;
        }
        (size >= info.break_even.of(step)?).then_some(session)
    }

    /// The accelerator for a sum of so many products of integers, whatever the suite's field is.
    pub fn for_integers(&self, products: usize) -> Option<&Session> {
        let session = self.session.as_deref()?;
        (products >= session.accelerator.info().break_even.of(Step::Forward)?).then_some(session)
    }

    /// The accelerator for code words of so many words of the base field, whatever the challenges' field is.
    pub fn for_encoding(&self, words: usize) -> Option<&Session> {
        let session = self.session.as_deref()?;
        (words >= session.accelerator.info().break_even.of(Step::Encode)?).then_some(session)
    }

    /// Reasons for which steps were left to the host, each once. Small sizes are no reason worth telling.
    pub fn left_to_the_host(&self) -> Vec<String> {
        self.session.as_ref().map(|s| lock(&s.left).clone()).unwrap_or_default()
    }
}

/// An accelerator and the columns that are resident on it.
#[derive(Debug)]
pub struct Session {
    accelerator: Arc<dyn Accelerator>,
    /// By address; the column is kept so that the address stays taken.
    columns: Mutex<HashMap<usize, (Arc<Column>, Buffer)>>,
    left: Mutex<Vec<String>>,
}

impl Session {
    /// The accelerator.
    pub fn accelerator(&self) -> &dyn Accelerator {
        &*self.accelerator
    }

    /// A column on the device, sent at its first use.
    pub fn resident(&self, column: &Arc<Column>) -> Result<Buffer, DeviceError> {
        let mut columns = lock(&self.columns);
        let key = Arc::as_ptr(column) as usize;
        if let Some((_, buffer)) = columns.get(&key) {
            return Ok(buffer.clone());
        }
        let buffer = self.accelerator.upload_column(column)?;
        columns.insert(key, (Arc::clone(column), buffer.clone()));
        Ok(buffer)
    }

    /// `None` for a step that the device does not have, which is noted; other errors remain.
    pub fn unless_refused<T>(&self, result: Result<T, DeviceError>) -> Result<Option<T>, DeviceError> {
        match result {
            Err(refusal) if refusal.is_refusal() => {
                self.leave(&refusal.to_string());
                Ok(None)
            }
            other => other.map(Some),
        }
    }

    /// Notes why a step is left to the host, once per reason, and announces it.
    pub fn leave(&self, reason: &str) {
        let mut left = lock(&self.left);
        if !left.iter().any(|r| r == reason) {
            tracing::warn!(device = self.accelerator.info().id, "left to the host: {reason}");
            left.push(reason.to_owned());
        }
    }
}

/// The lock's contents, also after a panic elsewhere: they are only ever complete.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

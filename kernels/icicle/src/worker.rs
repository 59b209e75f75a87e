//! The thread that ICICLE is used from.
//!
//! ICICLE's active device belongs to the thread that chose it, and its calls return when they are done. So one thread makes all
//! calls, and whoever asks waits for it with a time limit.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread::Builder;
use std::time::{Duration, Instant};

use zkml_device::DeviceError;

use crate::error::Failure;
use crate::ffi::{Api, EXTENSION, Job, Span};

/// The thread, from outside.
#[derive(Debug)]
pub(crate) struct Worker {
    api: Arc<Api>,
    jobs: Sender<Job>,
    timeout: Duration,
    /// Set by a job that did not come back.
    lost: AtomicBool,
    waited: AtomicU64,
}

/// What a job on the thread has at hand.
pub(crate) struct Context<'a> {
    pub(crate) api: &'a Api,
    jobs: &'a Sender<Job>,
}

impl Context<'_> {
    /// Uninitialised elements of the extension.
    pub(crate) fn vector(&self, len: usize) -> Result<Span, Failure> {
        self.api.allocate(self.jobs, len, EXTENSION)
    }

    /// Elements of so many bytes, from the host's words.
    pub(crate) fn upload(&self, words: &[u64], width: usize) -> Result<Span, Failure> {
        let span = self.api.allocate(self.jobs, size_of_val(words) / width, width)?;
        self.api.send(&span, words)?;
        Ok(span)
    }
}

impl Worker {
    /// Starts the thread. It ends when the last handle and the last memory of the device are gone.
    pub(crate) fn start(api: Api, timeout: Duration) -> Result<Self, std::io::Error> {
        let api = Arc::new(api);
        let (jobs, queue) = channel::<Job>();
        let own = Arc::clone(&api);
        Builder::new().name("icicle".to_owned()).spawn(move || queue.into_iter().for_each(|job| job(&own)))?;
        Ok(Self { api, jobs, timeout, lost: AtomicBool::new(false), waited: AtomicU64::new(0) })
    }

    /// The functions, for reading counters.
    pub(crate) fn api(&self) -> &Api {
        &self.api
    }

    /// Nanoseconds spent waiting.
    pub(crate) fn waited(&self) -> u64 {
        self.waited.load(Relaxed)
    }

    /// Runs a job on the thread.
    pub(crate) fn run<T, J>(&self, job: J) -> Result<T, DeviceError>
    where
        T: Send + 'static,
        J: FnOnce(&Context<'_>) -> T + Send + 'static,
    {
        if self.lost.load(Relaxed) {
            return Err(DeviceError::Lost("an earlier step did not come back".to_owned()));
        }
        let start = Instant::now();
        let (answer, answers) = channel();
        let jobs = self.jobs.clone();
        let gone = || DeviceError::Lost("ICICLE's thread has ended".to_owned());
        let job: Job = Box::new(move |api: &Api| {
            let result = job(&Context { api, jobs: &jobs });
            // Nobody may be waiting any more.
            let _ = answer.send(result);
        });
        self.jobs.send(job).map_err(|_| gone())?;
        let result = answers.recv_timeout(self.timeout);
        self.waited.fetch_add(u64::try_from(start.elapsed().as_nanos()).unwrap_or(u64::MAX), Relaxed);
        result.map_err(|e| match e {
            RecvTimeoutError::Timeout => {
                self.lost.store(true, Relaxed);
                DeviceError::Timeout { seconds: self.timeout.as_secs() }
            }
            RecvTimeoutError::Disconnected => gone(),
        })
    }
}

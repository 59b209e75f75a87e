//! Cells in processes of their own, some at a time.

use std::collections::{BTreeMap, VecDeque};
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::{Duration, Instant};

use super::cell::{JOB, read_record};
use super::estimate::Estimate;
use super::gather::take_environment;
use crate::progress::Progress;
use crate::table;
use zkml_engine::exit::{Exit, Failure};
use zkml_engine::job::{Attempt, Job, Step, Stopped};
use zkml_engine::plan::CellPlan;
use zkml_engine::verify::this_executable;
use zkml_results::record::{CellRecord, Evaluation, Status};
use zkml_results::store::{RunFolder, write_json};

/// A cell keeps its own time limit; one that has not ended this long after it is stopped from outside.
const GRACE: Duration = Duration::from_secs(15);

/// How often the time left is shown anew.
const TICK: Duration = Duration::from_millis(500);

/// The variable that says how many threads parallel loops use.
const THREADS: &str = "RAYON_NUM_THREADS";

/// What the scheduler waits for.
enum Event {
    /// The cell at this position of the plan begins a step.
    Step(usize, Step),
    /// The cell's process has closed its output: it is ending.
    Ended(usize),
    /// A signal to stop.
    Interrupted,
}

/// A cell that runs.
struct Running<'a> {
    plan: &'a CellPlan,
    process: Child,
    folder: PathBuf,
    job: Job,
    attempt: Attempt,
    since: Instant,
    overdue: bool,
}

impl Running<'_> {
    fn deadline(&self) -> Instant {
        self.since + Duration::from_secs(self.job.experiment.measure.timeout_s) + GRACE
    }
}

/// How the cells of a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// All of them have ended.
    Complete,
    /// A signal stopped the run.
    Interrupted,
}

/// Runs cells and records them.
pub(super) struct Scheduler<'a> {
    folder: &'a RunFolder,
    name: &'a str,
    /// The folder of the input files.
    data: &'a Path,
    environment: &'a str,
    jobs: usize,
    estimate: Estimate,
    progress: Progress,
    /// Networks on held-out inputs, by the network's digest: cells that differ in their protocols share one.
    evaluations: BTreeMap<String, Evaluation>,
    running: BTreeMap<usize, Running<'a>>,
    sender: Sender<Event>,
    events: Receiver<Event>,
}

impl Drop for Scheduler<'_> {
    fn drop(&mut self) {
        self.stop_all();
    }
}

impl<'a> Scheduler<'a> {
    /// A scheduler of `jobs` cells at a time; `all` of them in the whole run.
    pub(super) fn new(
        folder: &'a RunFolder,
        (name, data): (&'a str, &'a Path),
        environment: &'a str,
        jobs: usize,
        estimate: Estimate,
        all: usize,
    ) -> Self {
        let (sender, events) = channel();
        let progress = Progress::new(all);
        let (evaluations, running) = (BTreeMap::new(), BTreeMap::new());
        Self { folder, name, data, environment, jobs, estimate, progress, evaluations, running, sender, events }
    }

    /// Runs the cells without an ok record among `finished`.
    pub(super) fn run(&mut self, plans: &'a [CellPlan], finished: &[CellRecord]) -> Result<Outcome, Failure> {
        let sender = self.sender.clone();
        let handler = move || {
            let _ = sender.send(Event::Interrupted);
        };
        if let Err(e) = ctrlc::set_handler(handler) {
            tracing::warn!("signals are not handled: {e}");
        }
        let mut waiting = VecDeque::new();
        for (number, plan) in plans.iter().enumerate() {
            match finished.iter().find(|r| r.identity == plan.identity && r.status == Status::Ok) {
                Some(record) => {
                    self.remember(plan, record);
                    self.progress.skip();
                }
                None => waiting.push_back((number, plan)),
            }
        }
        loop {
            while self.running.len() < self.jobs
                && let Some(&(number, plan)) = waiting.front()
            {
                // The cell that begins now is among those that the time left is of.
                self.show_left(&waiting);
                waiting.pop_front();
                self.start(number, plan)?;
            }
            if self.running.is_empty() {
                return Ok(Outcome::Complete);
            }
            match self.events.recv_timeout(TICK) {
                Ok(Event::Step(number, step)) => self.progress.step(number, &step),
                Ok(Event::Ended(number)) => self.end(number)?,
                Ok(Event::Interrupted) => {
                    self.stop_all();
                    return Ok(Outcome::Interrupted);
                }
                // This scheduler holds a sender itself.
                Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => self.stop_overdue(),
            }
            self.show_left(&waiting);
        }
    }

    fn show_left(&self, waiting: &VecDeque<(usize, &CellPlan)>) {
        let running = self.running.values().map(|r| (r.plan.label.as_str(), r.since.elapsed().as_secs_f64()));
        let labels = waiting.iter().map(|(_, plan)| plan.label.as_str());
        self.progress.left(self.estimate.left(labels, running, self.jobs));
    }

    fn remember(&mut self, plan: &CellPlan, record: &CellRecord) {
        if let Some(evaluation) = record.measured.as_ref().and_then(|m| m.evaluation.as_ref()) {
            self.evaluations.insert(plan.network.clone(), evaluation.clone());
        }
    }

    /// Starts a cell's process. One that cannot be started is recorded as failed.
    fn start(&mut self, number: usize, plan: &'a CellPlan) -> Result<(), Failure> {
        let folder = self.folder.cell(&plan.id)?;
        let job = Job::new(plan, self.name, self.data, self.evaluations.get(&plan.network).cloned());
        write_json(&folder.join(JOB), &job)?;
        self.progress.begin(number, &plan.label);
        let attempt = Attempt::begin(self.environment);
        let process = match self.spawn(&folder) {
            Ok(process) => process,
            Err(reason) => {
                return self.keep(number, plan, &job.record(&attempt, Err(failed(reason))));
            }
        };
        let mut running = Running { plan, process, folder, job, attempt, since: Instant::now(), overdue: false };
        follow(&mut running.process, number, self.sender.clone());
        self.running.insert(number, running);
        Ok(())
    }

    fn spawn(&self, folder: &Path) -> Result<Child, String> {
        let log = File::create(folder.join("log.txt")).map_err(|e| format!("the log cannot be written: {e}"))?;
        let mut command = Command::new(this_executable());
        command.args(["-v", "run-cell", "--child", "--jobs"]).arg(self.jobs.to_string()).arg(folder);
        if self.jobs > 1 && std::env::var_os(THREADS).is_none() {
            let cores = std::thread::available_parallelism().map_or(1, usize::from);
            command.env(THREADS, (cores / self.jobs).max(1).to_string());
        }
        // A Ctrl-C at the terminal is for this process, which then ends the cells.
        #[cfg(unix)]
        std::os::unix::process::CommandExt::process_group(&mut command, 0);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(log);
        command.spawn().map_err(|e| format!("the cell's process cannot be started: {e}"))
    }

    /// A cell's process is ending: takes over its record, or writes one that says how it ended.
    fn end(&mut self, number: usize) -> Result<(), Failure> {
        let Some(mut running) = self.running.remove(&number) else { return Ok(()) };
        let record = match running.process.wait() {
            Ok(status) => self.record(&running, status)?,
            Err(e) => {
                let reason = format!("the cell's process cannot be waited for: {e}");
                running.job.record(&running.attempt, Err(failed(reason)))
            }
        };
        self.keep(number, running.plan, &record)
    }

    fn record(&self, running: &Running<'_>, status: ExitStatus) -> Result<CellRecord, Failure> {
        let Running { folder, job, attempt, .. } = running;
        let wrote = [Exit::Done, Exit::CheckViolated, Exit::CellFailed];
        let reason = if running.overdue {
            format!("stopped after measure.timeout_s = {} s: it did not end itself", job.experiment.measure.timeout_s)
        } else if status.code().is_some_and(|code| wrote.iter().any(|exit| i32::from(exit.code()) == code)) {
            match read_record(folder, &job.identity) {
                Ok(Some(record)) => {
                    take_environment(self.folder, folder, &record)?;
                    return Ok(record);
                }
                Ok(None) => "the cell's process left no record".to_owned(),
                Err(reason) => reason,
            }
        } else {
            format!("the cell's process ended with {status}; its last words: {}", last_words(folder))
        };
        Ok(job.record(attempt, Err(failed(reason))))
    }

    fn keep(&mut self, number: usize, plan: &CellPlan, record: &CellRecord) -> Result<(), Failure> {
        self.folder.append(record)?;
        self.remember(plan, record);
        self.estimate.finished(&plan.label, record.seconds);
        self.progress.end(number, &format!("  {}: {}", plan.label, table::one_line(record)));
        Ok(())
    }

    fn stop_overdue(&mut self) {
        let now = Instant::now();
        for running in self.running.values_mut().filter(|r| !r.overdue && r.deadline() < now) {
            running.overdue = true;
            if let Err(e) = running.process.kill() {
                tracing::warn!("{}: the cell cannot be stopped: {e}", running.plan.label);
            }
        }
    }

    /// Ends all cells that run. Their files are whole or absent.
    fn stop_all(&mut self) {
        for running in self.running.values_mut() {
            let _ = running.process.kill();
        }
        for (_, mut running) in std::mem::take(&mut self.running) {
            let _ = running.process.wait();
        }
    }
}

fn failed(reason: String) -> Stopped {
    Stopped { status: Status::Failed, reason }
}

/// Passes on a process's steps in a thread, and its end.
fn follow(process: &mut Child, number: usize, events: Sender<Event>) {
    let output = process.stdout.take();
    std::thread::spawn(move || {
        for line in output.into_iter().flat_map(|o| BufReader::new(o).lines().map_while(Result::ok)) {
            if let Ok(step) = serde_json::from_str::<Step>(&line)
                && events.send(Event::Step(number, step)).is_err()
            {
                return;
            }
        }
        let _ = events.send(Event::Ended(number));
    });
}

fn last_words(folder: &Path) -> String {
    let log = std::fs::read_to_string(folder.join("log.txt")).unwrap_or_default();
    let lines: Vec<&str> = log.lines().filter(|l| !l.trim().is_empty()).collect();
    let from = lines.len().saturating_sub(3);
    lines.get(from..).unwrap_or_default().join(" / ")
}

//! The first error that a device reports outside a call; wgpu would otherwise abort the program.

use crate::error::{Error, Result};
use crate::panics::expecting_panic;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use web_time::{Duration, Instant};

/// How long submitted work may take before its device counts as lost, unless [`Engine::set_timeout`] says otherwise.
///
/// [`Engine::set_timeout`]: crate::engine::Engine::set_timeout
pub const DEFAULT_TIMEOUT: Duration = Duration::from_secs(120);

/// What a device reported.
#[derive(Clone)]
enum Report {
    /// It is gone, or does not answer.
    Lost(String),
    /// It had no memory for a buffer, and goes on without it.
    NoMemory(String),
    /// Anything else.
    Other(String),
}

/// What a device reported first, and again that it is lost, shared with its callbacks.
#[derive(Clone, Default)]
struct Reports(Arc<Mutex<Option<Report>>>);

impl Reports {
    fn first(&self) -> MutexGuard<'_, Option<Report>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn add(&self, report: Report) {
        let (Report::Lost(text) | Report::NoMemory(text) | Report::Other(text)) = &report;
        log::debug!("device error: {text}");
        let mut first = self.first();
        // Of a device that is lost, calls say all kinds of things.
        match (&*first, &report) {
            (Some(Report::Lost(_)), _) => {}
            (None, _) | (_, Report::Lost(_)) => *first = Some(report),
            _ => {}
        }
    }
}

/// Shared by a device's engine and the readings on their way from it.
#[derive(Clone)]
pub(super) struct Failure {
    device: wgpu::Device,
    /// The device's name, for messages.
    name: String,
    reports: Reports,
    /// Milliseconds to wait for the device, of all clones.
    timeout: Arc<AtomicU64>,
}

impl Failure {
    /// Listens to what a device reports from now on.
    pub fn of(device: wgpu::Device, name: String) -> Failure {
        let reports = Reports::default();
        let of_callback = reports.clone();
        device.on_uncaptured_error(Arc::new(move |error: wgpu::Error| {
            let text = error.to_string();
            let out_of_memory = matches!(error, wgpu::Error::OutOfMemory { .. });
            of_callback.add(if out_of_memory { Report::NoMemory(text) } else { Report::Other(text) });
        }));
        let of_callback = reports.clone();
        // Dropping the engine also counts as losing the device, but then nobody asks any more.
        device.set_device_lost_callback(move |_, message| of_callback.add(Report::Lost(message)));
        let failure = Failure { device, name, reports, timeout: Arc::default() };
        failure.set_timeout(DEFAULT_TIMEOUT);
        failure
    }

    /// A buffer that the device has no memory for.
    pub fn report_no_memory(&self, what: &str) {
        self.reports.add(Report::NoMemory(what.into()));
    }

    /// The first error that was reported, if any: what came after it is not to be trusted.
    pub fn check(&self) -> Result<()> {
        if matches!(*self.reports.first(), Some(Report::Other(_))) {
            // Whether it is lost, a device says when its work is done.
            if let Err(panic) = expecting_panic(|| self.poll(None)) {
                self.reports.add(Report::Lost(panic));
            }
        }
        let device = self.name.clone();
        let mut first = self.reports.first();
        // What it had no memory for was not made, and all else is as before.
        let report = if let Some(Report::NoMemory(_)) = *first { first.take() } else { first.clone() };
        match report {
            None => Ok(()),
            Some(Report::Lost(problem)) => Err(Error::DeviceLost { device, problem }),
            Some(Report::NoMemory(problem)) => Err(Error::OutOfMemory { device, problem }),
            Some(Report::Other(problem)) => Err(Error::Device { device, problem }),
        }
    }

    /// How long to wait for the device.
    pub fn set_timeout(&self, timeout: Duration) {
        self.timeout.store(timeout.as_millis().try_into().unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    /// Polls until the work is done or the time is up; some backends wait for two seconds at most.
    fn poll(&self, submission_index: Option<wgpu::SubmissionIndex>) -> std::result::Result<(), wgpu::PollError> {
        let (start, timeout) = (Instant::now(), Duration::from_millis(self.timeout.load(Ordering::Relaxed)));
        loop {
            let left = timeout.saturating_sub(start.elapsed());
            let wait = wgpu::PollType::Wait { submission_index: submission_index.clone(), timeout: Some(left) };
            match self.device.poll(wait) {
                Err(wgpu::PollError::Timeout) if start.elapsed() < timeout => {}
                outcome => return outcome.map(drop),
            }
        }
    }

    /// Whether the device may not answer any more.
    pub fn is_lost(&self) -> bool {
        !matches!(*self.reports.first(), None | Some(Report::NoMemory(_)))
    }

    /// An error of this device: what it reported, or else this.
    pub fn error(&self, problem: impl Into<String>) -> Error {
        let own = Error::Device { device: self.name.clone(), problem: problem.into() };
        self.check().err().unwrap_or(own)
    }

    /// Waits for a submission, or for all, and checks what the device reported.
    pub fn wait(&self, submission_index: Option<wgpu::SubmissionIndex>) -> Result<()> {
        match expecting_panic(|| self.poll(submission_index)) {
            Ok(Ok(())) => {}
            Ok(Err(wgpu::PollError::Timeout)) => {
                let seconds = self.timeout.load(Ordering::Relaxed) as f64 / 1e3;
                self.reports.add(Report::Lost(format!("its work was not done within {seconds} seconds")));
            }
            // Work was refused, by a device that is lost or has told why.
            Ok(Err(error)) => self.reports.add(Report::Other(error.to_string())),
            Err(panic) => self.reports.add(Report::Lost(panic)),
        }
        self.check()
    }
}

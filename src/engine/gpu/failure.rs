//! The first error that a device reports outside a call; wgpu would otherwise abort the program.

use crate::error::{Error, Result};
use std::sync::{Arc, Mutex};

/// Shared by a device's callbacks, its engine, and the readings on their way from it.
#[derive(Clone)]
pub(super) struct Failure {
    /// The device's name, for messages.
    device: String,
    first: Arc<Mutex<Option<String>>>,
}

impl Failure {
    /// Listens to what a device reports from now on.
    pub fn of(device: &wgpu::Device, name: String) -> Failure {
        let failure = Failure { device: name, first: Arc::default() };
        let of_callback = failure.clone();
        device.on_uncaptured_error(Arc::new(move |error: wgpu::Error| {
            of_callback.report(error.to_string());
        }));
        let of_callback = failure.clone();
        device.set_device_lost_callback(move |reason, message| {
            // Dropping the engine also counts as losing the device.
            if reason != wgpu::DeviceLostReason::Destroyed {
                of_callback.report(format!("the device was lost ({message}); open it again"));
            }
        });
        failure
    }

    fn report(&self, problem: String) {
        log::debug!("device error: {problem}");
        self.first.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).get_or_insert(problem);
    }

    /// The first error that was reported, if any: what came after it is not to be trusted.
    pub fn check(&self) -> Result<()> {
        match self.first.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).clone() {
            Some(problem) => Err(self.error(problem)),
            None => Ok(()),
        }
    }

    /// An error of this device.
    pub fn error(&self, problem: impl Into<String>) -> Error {
        Error::Device { device: self.device.clone(), problem: problem.into() }
    }

    /// Polls the device, and checks what it reported.
    pub fn poll(&self, device: &wgpu::Device, poll: wgpu::PollType) -> Result<()> {
        device.poll(poll).map_err(|error| self.error(error.to_string()))?;
        self.check()
    }
}

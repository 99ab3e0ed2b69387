//! Training as Python sees it: it may stop it, and its callbacks are told of it.

use pyo3::prelude::*;
use srnn::train::{Epoch, Observer, StepReport, Trainer};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// Tells a callback of steps and epochs.
pub struct PyObserver<'s> {
    /// An object with `step(epoch, epochs, step, steps, loss, score, seconds)`, `epoch(text)` and `refit(sequences, epochs)`.
    callback: Option<Py<PyAny>>,
    /// When it was told of a step last.
    told: Instant,
    /// Whether the training is to end.
    stop: &'s AtomicBool,
    /// What the callback raised: it ends the training.
    pub raised: Option<PyErr>,
}

/// As the interpreter's lock has its price, a callback is told of steps this often at most.
const BETWEEN_STEPS: Duration = Duration::from_millis(100);

impl PyObserver<'_> {
    /// Without a callback it tells nobody.
    pub fn new(callback: Option<Py<PyAny>>, stop: &AtomicBool) -> PyObserver<'_> {
        PyObserver { callback, told: Instant::now(), stop, raised: None }
    }

    fn tell(&mut self, tell: impl FnOnce(&Bound<'_, PyAny>) -> PyResult<()>) {
        let Some(callback) = &self.callback else { return };
        let outcome = Python::attach(|py| tell(callback.bind(py)));
        self.raised = self.raised.take().or(outcome.err());
    }
}

impl Observer for PyObserver<'_> {
    fn step(&mut self, report: &StepReport) {
        let StepReport { epoch, step, steps, epochs, seconds, totals, .. } = *report;
        if self.told.elapsed() >= BETWEEN_STEPS || step == steps {
            self.told = Instant::now();
            let (loss, score) = totals.unzip();
            self.tell(|own| own.call_method1("step", (epoch, epochs, step, steps, loss, score, seconds)).map(drop));
        }
    }

    fn epoch(&mut self, epoch: &Epoch, trainer: &mut Trainer) -> srnn::Result<()> {
        let text = serde_json::to_string(epoch).unwrap_or_default();
        let epochs = trainer.options.epochs;
        self.tell(|own| own.call_method1("epoch", (text, epochs)).map(drop));
        Ok(())
    }

    fn refit(&mut self, sequences: usize, epochs: usize) {
        self.tell(|own| own.call_method1("refit", (sequences, epochs)).map(drop));
    }

    fn stop(&self) -> bool {
        self.raised.is_some() || self.stop.load(Ordering::Relaxed)
    }
}

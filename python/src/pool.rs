//! Long work beside Python: in the engine's own threads, while the calling thread listens for signals.

use pyo3::prelude::*;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{RecvTimeoutError, sync_channel};
use std::time::Duration;

/// How often Python is asked for signals; it hears them in its main thread alone.
const BETWEEN_SIGNALS: Duration = Duration::from_millis(20);

/// Does work in the engine's threads, as a kernel of a thread that is none of them wakes two and waits. Python's lock is free
/// meanwhile. A signal, such as Ctrl-C, sets `stop`, and is raised when the work has ended, beside what that came to.
pub fn in_pool<T: Send>(py: Python<'_>, stop: &AtomicBool, work: impl FnOnce() -> T + Send) -> (T, Option<PyErr>) {
    py.detach(|| {
        std::thread::scope(|scope| {
            let (done, ends) = sync_channel::<()>(0);
            let thread = scope.spawn(move || {
                let outcome = rayon::scope(|_| work());
                drop(done);
                outcome
            });
            let mut raised = None;
            while ends.recv_timeout(BETWEEN_SIGNALS) == Err(RecvTimeoutError::Timeout) {
                if raised.is_none() {
                    raised = Python::attach(|py| py.check_signals()).err();
                    stop.store(raised.is_some(), Ordering::Relaxed);
                }
            }
            let outcome = thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
            (outcome, raised)
        })
    })
}

/// The same of work that nothing stops: a signal is raised behind it.
///
/// # Errors
/// What was raised, else what the work came to.
pub fn to_its_end<T: Send>(py: Python<'_>, work: impl FnOnce() -> PyResult<T> + Send) -> PyResult<T> {
    let (outcome, raised) = in_pool(py, &AtomicBool::new(false), work);
    raised.map_or(outcome, Err)
}

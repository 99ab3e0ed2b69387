//! The engine's threads, and long work in them beside Python.

use pyo3::prelude::*;
use rayon::ThreadPool;
use std::process::id;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{RecvTimeoutError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// How often Python is asked for signals; it hears them in its main thread alone.
const BETWEEN_SIGNALS: Duration = Duration::from_millis(20);

/// The threads of this process: one that was forked has none of its parent's.
static POOL: Mutex<Option<(u32, Arc<ThreadPool>)>> = Mutex::new(None);

fn pool() -> Arc<ThreadPool> {
    let mut own = POOL.lock().unwrap_or_else(PoisonError::into_inner);
    match &*own {
        Some((process, pool)) if *process == id() => pool.clone(),
        other => {
            if let Some((_, pool)) = other {
                // To give it up would wait for threads that are not there.
                std::mem::forget(pool.clone());
            }
            let made = rayon::ThreadPoolBuilder::new().build().expect("a process may have threads");
            let made = Arc::new(made);
            *own = Some((id(), made.clone()));
            made
        }
    }
}

/// Does short work in the engine's threads, for a caller without Python's lock. Locks that others may wait for are taken before: a thread that waits for a part of its
/// work takes up that of others meanwhile, and would wait for a lock that it holds itself.
pub fn briefly<T: Send>(work: impl FnOnce() -> T + Send) -> T {
    pool().install(work)
}

/// Does work in the engine's threads, while this one, without Python's lock, listens for signals: one, such as Ctrl-C, sets `stop`, and
/// is given when the work has ended, beside what that came to. Locks are taken before, as for [`briefly`].
pub fn listening<T: Send>(stop: &AtomicBool, work: impl FnOnce() -> T + Send) -> (T, Option<PyErr>) {
    std::thread::scope(|scope| {
        let (done, ends) = sync_channel::<()>(0);
        let thread = scope.spawn(move || {
            let outcome = pool().install(work);
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
}

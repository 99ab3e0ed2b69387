//! Ctrl-C, SIGTERM and SIGHUP: the first asks for a clean stop, another one after a second ends the program.

use std::sync::{Once, OnceLock};
use std::time::{Duration, Instant};

/// When a stop was asked for first.
static ASKED: OnceLock<Instant> = OnceLock::new();

/// Some programs and terminals send a signal twice.
const TWICE: Duration = Duration::from_secs(1);

/// Begins to listen for Ctrl-C, SIGTERM and SIGHUP, once.
pub fn listen() {
    static LISTENING: Once = Once::new();
    LISTENING.call_once(begin);
}

fn begin() {
    let handler = || match ASKED.get() {
        None => {
            let _ = ASKED.set(Instant::now());
            super::note("\nstopping after this step (Ctrl-C again to end at once)");
        }
        Some(first) if first.elapsed() < TWICE => {}
        Some(_) => std::process::exit(130),
    };
    sparing_ignored_hangup(|| {
        if let Err(error) = ctrlc::set_handler(handler) {
            log::warn!("Ctrl-C will end the program without saving: {error}");
        }
    });
}

/// Whether a stop was asked for.
pub fn asked() -> bool {
    ASKED.get().is_some()
}

/// Begins to listen; a SIGHUP that was ignored before goes on to be: under `nohup` a terminal may be closed.
#[cfg(unix)]
fn sparing_ignored_hangup(listen: impl FnOnce()) {
    // SAFETY: `sigaction` writes nothing but `now`, for which all zeros are a value, and changes nothing.
    let is_ignored = unsafe {
        let mut now: libc::sigaction = std::mem::zeroed();
        libc::sigaction(libc::SIGHUP, std::ptr::null(), &mut now) == 0 && now.sa_sigaction == libc::SIG_IGN
    };
    listen();
    if is_ignored {
        // SAFETY: to ignore a signal runs no code.
        unsafe { libc::signal(libc::SIGHUP, libc::SIG_IGN) };
    }
}

#[cfg(not(unix))]
fn sparing_ignored_hangup(listen: impl FnOnce()) {
    listen();
}

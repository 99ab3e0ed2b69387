//! What a callback of wgpu brings, to be awaited.

use std::future::poll_fn;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Poll, Waker};

/// A callback, and a future that ends with what the callback was given.
pub(super) fn arrival<T: Send + 'static>() -> (impl FnOnce(T) + Send + 'static, impl Future<Output = T> + Send) {
    let ours = Arc::new(Mutex::new((None, Waker::noop().clone())));
    let theirs = ours.clone();
    let callback = move |value| {
        let mut slot = theirs.lock().unwrap_or_else(PoisonError::into_inner);
        slot.0 = Some(value);
        slot.1.wake_by_ref();
    };
    let arrived = poll_fn(move |context| {
        let mut slot = ours.lock().unwrap_or_else(PoisonError::into_inner);
        slot.1.clone_from(context.waker());
        slot.0.take().map_or(Poll::Pending, Poll::Ready)
    });
    (callback, arrived)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_waits_is_woken() {
        let (callback, arrived) = arrival();
        let other = std::thread::spawn(move || callback(7));
        assert_eq!(pollster::block_on(arrived), 7);
        other.join().unwrap();
    }
}

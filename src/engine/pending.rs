//! What a device is still working on, to be awaited or waited for.

use crate::error::Result;
use std::pin::Pin;

/// What a device will have ready later. On native systems whoever polls it waits for the device there and then, so that
/// any executor will do and none is needed; on the web the browser wakes the task.
#[cfg(not(target_arch = "wasm32"))]
pub type Pending<T> = Pin<Box<dyn Future<Output = Result<T>> + Send>>;
/// What a device will have ready later; the browser wakes the task that awaits it.
#[cfg(target_arch = "wasm32")]
pub type Pending<T> = Pin<Box<dyn Future<Output = Result<T>>>>;

/// `Send`, but on the web, where what belongs to a device stays on its thread.
#[cfg(not(target_arch = "wasm32"))]
pub use std::marker::Send as MaybeSend;
/// `Send`, but on the web, where what belongs to a device stays on its thread.
#[cfg(target_arch = "wasm32")]
pub trait MaybeSend {}
#[cfg(target_arch = "wasm32")]
impl<T: ?Sized> MaybeSend for T {}

/// What is there already.
pub fn ready<T: Send + 'static>(outcome: Result<T>) -> Pending<T> {
    Box::pin(std::future::ready(outcome))
}

/// Waits for what is pending.
///
/// # Errors
/// Its own; on the web, whose threads must not wait, [`Error::Missing`](crate::Error::Missing) for what is not there
/// yet.
pub fn block_on<T>(pending: impl Future<Output = Result<T>>) -> Result<T> {
    #[cfg(not(target_arch = "wasm32"))]
    return pollster::block_on(pending);
    #[cfg(target_arch = "wasm32")]
    {
        use std::task::{Context, Poll, Waker};
        match std::pin::pin!(pending).poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(outcome) => outcome,
            Poll::Pending => {
                let ability = "call that waits for a GPU: await the asynchronous form";
                Err(crate::Error::Missing { device: "the web".into(), ability })
            }
        }
    }
}

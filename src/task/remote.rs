//! Tasks that are made on one thread to run on another.

use std::future::Future;
use std::panic::Location;

use super::handle::{AbortHandle, JoinError, forget_payload};
use super::header::{TaskRef, new_remote};
use super::home::HomeRef;

/// Sends a task to its home: `make` is called there, and the future that it returns is run there. If the runtime has
/// ended, `make` is dropped here, and not called.
pub(crate) fn send<F: Future + 'static>(
    home: &HomeRef,
    at: &'static Location<'static>,
    make: impl FnOnce() -> F + Send + 'static,
) -> AbortHandle {
    let future = async move {
        make().await;
    };
    // SAFETY: an `async` block that has not been polled holds what it captured and nothing else, and that is `Send`.
    let task = unsafe { new_remote(home, at, future) };
    let abort = AbortHandle::new(task);
    if !home.push(task.0) {
        discard(task);
    }
    abort
}

/// Nobody took the task: what the home and the inbox would have held is given up here. The caller has a reference.
fn discard(task: TaskRef) {
    task.end(JoinError::Cancelled);
    // Nobody has a handle; and an abort that comes now finds it ended.
    let _ = task.header().owner.complete();
    // SAFETY: T2: the home is closed, and nobody else knows the task.
    if let Some(payload) = unsafe { task.discard() } {
        forget_payload(payload);
    }
    // SAFETY: T2 as above; T4: the home's reference.
    unsafe { task.release_home() };
    // SAFETY: T4: the inbox's reference.
    unsafe { task.release() };
}

//! Code of the user's that must not unwind into the runtime: wakers and drops.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::task::Waker;

/// What a panic carries.
pub(crate) type Payload = Box<dyn Any + Send>;

/// Runs such code. Its panic, if it does.
#[inline]
pub(crate) fn contain(code: impl FnOnce()) -> Option<Payload> {
    catch_unwind(AssertUnwindSafe(code)).err()
}

/// Wakes somebody whose waker may be anyone's; a panic of it ends here, after the panic hook has reported it.
#[inline]
pub(crate) fn wake(waker: Waker) {
    // One of our tasks' wakes never panics.
    if super::waker::is_ours(&waker) {
        return waker.wake();
    }
    if let Some(payload) = contain(|| waker.wake()) {
        super::handle::forget_payload(payload);
    }
}

/// Drops what holds wakers of others, likewise.
pub(crate) fn let_go<T>(wakers: T) {
    if !std::mem::needs_drop::<T>() {
        return;
    }
    if let Some(payload) = contain(|| drop(wakers)) {
        super::handle::forget_payload(payload);
    }
}

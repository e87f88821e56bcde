//! A child of one task: polled and dropped so that a panic of it is a value, like the outcome of a task is.

use std::cell::Cell;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::pin::Pin;
use std::task::{Context, Poll};

use crate::task::{Payload, contain, forget_payload};

/// Polls a future that is there, and drops it as soon as it has ended. A panic of its poll is its outcome, and so is
/// one of its drop, whatever came before.
pub(crate) fn poll_and_drop<F: Future>(
    mut future: Pin<&mut Option<F>>,
    cx: &mut Context<'_>,
) -> Poll<Result<F::Output, Payload>> {
    let polled = catch_unwind(AssertUnwindSafe(|| match future.as_mut().as_pin_mut() {
        Some(future) => future.poll(cx),
        None => unreachable!("a child was polled after its end"),
    }));
    let outcome = match polled {
        Ok(Poll::Pending) => return Poll::Pending,
        Ok(Poll::Ready(output)) => Ok(output),
        Err(payload) => Err(payload),
    };
    let Some(panic) = contain(|| future.set(None)) else { return Poll::Ready(outcome) };
    if let Some(other) = contain(|| drop(outcome)) {
        forget_payload(other);
    }
    Poll::Ready(Err(panic))
}

/// The first of several panics: the one that goes on. The hook has reported the others when they happened.
#[derive(Default)]
pub(crate) struct FirstPanic(Cell<Option<Payload>>);

impl FirstPanic {
    /// Runs code of the user's; a panic of it is kept, if it is the first. Whether it panicked.
    pub(crate) fn contain(&self, code: impl FnOnce()) -> bool {
        contain(code).map(|payload| self.keep(payload)).is_some()
    }

    pub(crate) fn keep(&self, payload: Payload) {
        let first = self.0.take();
        if first.is_none() {
            self.0.set(Some(payload));
        } else {
            self.0.set(first);
            forget_payload(payload);
        }
    }

    /// The panic goes on, if there was one, unless this thread is unwinding already.
    pub(crate) fn resume(&self) {
        match self.0.take() {
            Some(payload) if !std::thread::panicking() => resume_unwind(payload),
            Some(payload) => forget_payload(payload),
            None => {}
        }
    }
}

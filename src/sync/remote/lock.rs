//! [`Lock`] and [`Condition`]: std's mutex and condition variable, or loom's when the models are checked (`--cfg
//! loom`).
//!
//! A panic does not poison them: whatever is kept in a [`Lock`] is changed by code that cannot panic half-way, and no
//! user code runs while one is held. This is the one place that says so.

use std::sync::PoisonError;
use std::time::Duration;

#[cfg(loom)]
use loom::sync::{Condvar, Mutex, MutexGuard};
#[cfg(not(loom))]
use std::sync::{Condvar, Mutex, MutexGuard};

/// A value that one thread uses at a time.
pub(crate) struct Lock<T>(Mutex<T>);

/// The right to use it, until dropped.
pub(crate) type Guard<'a, T> = MutexGuard<'a, T>;

impl<T> Lock<T> {
    pub(crate) fn new(value: T) -> Lock<T> {
        Lock(Mutex::new(value))
    }

    #[inline]
    pub(crate) fn lock(&self) -> Guard<'_, T> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What threads wait for with a [`Guard`] in their hands; it is let go meanwhile. A wait may end for no reason.
pub(crate) struct Condition(Condvar);

impl Condition {
    pub(crate) fn new() -> Condition {
        Condition(Condvar::new())
    }

    pub(crate) fn wait<'a, T>(&self, guard: Guard<'a, T>) -> Guard<'a, T> {
        self.0.wait(guard).unwrap_or_else(PoisonError::into_inner)
    }

    /// The same, for about `limit` at most. Whether that has passed.
    pub(crate) fn wait_at_most<'a, T>(&self, guard: Guard<'a, T>, limit: Duration) -> (Guard<'a, T>, bool) {
        let (guard, result) = self.0.wait_timeout(guard, limit).unwrap_or_else(PoisonError::into_inner);
        (guard, result.timed_out())
    }

    pub(crate) fn notify_one(&self) {
        self.0.notify_one();
    }

    pub(crate) fn notify_all(&self) {
        self.0.notify_all();
    }
}

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

#[cfg(loom)]
pub(super) use loom::sync::atomic::{AtomicUsize, Ordering};
#[cfg(not(loom))]
pub(super) use std::sync::atomic::{AtomicUsize, Ordering};

/// How often a lock that is taken is looked at before the thread sleeps until it is free, after 1, 2, 4, .. pauses: for
/// about a microsecond. Arbitrary; in loom's models, where a thread that spins waits for nobody, not at all.
const LOOKS: u32 = if cfg!(loom) { 0 } else { 6 };

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
        match self.0.try_lock() {
            Ok(guard) => guard,
            Err(_) => self.lock_taken(),
        }
    }

    /// Whoever holds it lets go of it after a few instructions, nearly always: to look again costs less than to sleep,
    /// and less than to wake the sleeper, which would be left to the holder. But each look slows the holder down.
    #[cold]
    fn lock_taken(&self) -> Guard<'_, T> {
        for look in 0..LOOKS {
            pause(1 << look);
            if let Ok(guard) = self.0.try_lock() {
                return guard;
            }
        }
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The same, if it is free now.
    #[inline]
    pub(super) fn try_lock(&self) -> Option<Guard<'_, T>> {
        self.0.try_lock().ok()
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

/// Does nothing, so many times for some twenty nanoseconds (on some processors forty).
pub(super) fn pause(times: usize) {
    if cfg!(not(loom)) {
        (0..times).for_each(|_| std::hint::spin_loop());
    }
}

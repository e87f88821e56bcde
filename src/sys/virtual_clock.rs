//! [`VirtualClock`]: time that passes when somebody says so. It begins at the real time at which it is made.
//!
//! A world that has one moves it by itself when nothing can happen before the next deadline. Two rules for such a
//! world, which are what `testing::settle` and `testing::hold_clock` are made of:
//!
//! 1. Before it moves the clock it calls [`wake_at_rest`](VirtualClock::wake_at_rest), and if that has woken anybody,
//!    it does not move it: those are who wanted to know that nothing can happen any more.
//! 2. While the clock [is held](VirtualClock::is_held), it does not move it.
//!
//! Used by the paused and the simulated world, and by `testing`. It knows no task and no network.

use std::collections::BTreeMap;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::Waker;
use std::time::{Duration, Instant};

/// Far above what a peer on the same machine needs to answer, as long as it gets a processor.
const PATIENCE: Duration = Duration::from_millis(50);

/// See the head of this file.
pub(crate) struct VirtualClock {
    origin: Instant,
    /// Nanoseconds since then: room for 584 years.
    passed: AtomicU64,
    /// How many want that nobody but a program moves it.
    held: AtomicUsize,
    resting: Mutex<Resting>,
    /// So long, in nanoseconds of real time, it waits for what it cannot know.
    patience: AtomicU64,
    /// What made it wait in real time, each once.
    foreign: Mutex<Vec<String>>,
}

/// Who waits until nothing can happen any more, by number.
#[derive(Default)]
struct Resting {
    next: u64,
    wakers: BTreeMap<u64, Waker>,
}

impl VirtualClock {
    pub(crate) fn beginning_at(origin: Instant) -> VirtualClock {
        VirtualClock {
            origin,
            passed: AtomicU64::new(0),
            held: AtomicUsize::new(0),
            resting: Mutex::default(),
            patience: AtomicU64::new(nanoseconds(PATIENCE)),
            foreign: Mutex::default(),
        }
    }

    pub(crate) fn now(&self) -> Instant {
        self.origin + self.passed()
    }

    pub(crate) fn passed(&self) -> Duration {
        Duration::from_nanos(self.passed.load(Ordering::Relaxed))
    }

    /// So long after now, on this clock: at its end, if that comes first.
    pub(crate) fn after(&self, time: Duration) -> Duration {
        self.passed().saturating_add(time).min(Duration::from_nanos(u64::MAX))
    }

    /// At the end of its years it stands still.
    pub(crate) fn advance(&self, time: Duration) {
        self.advance_to(self.after(time));
    }

    /// Until then, if that is not behind it.
    pub(crate) fn advance_to(&self, passed: Duration) {
        self.passed.fetch_max(nanoseconds(passed), Ordering::Relaxed);
    }

    // ---- by programs only ----------------------------------------------------------------------------------------

    pub(crate) fn hold(&self) {
        self.held.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn let_go(&self) {
        self.held.fetch_sub(1, Ordering::Relaxed);
    }

    pub(crate) fn is_held(&self) -> bool {
        self.held.load(Ordering::Relaxed) > 0
    }

    // ---- at rest -------------------------------------------------------------------------------------------------

    /// Whether the world has come to rest since `place` was taken; else the waker will be woken then. `place` is `None`
    /// before and after.
    pub(crate) fn poll_rest(&self, place: &mut Option<u64>, waker: Waker) -> bool {
        let mut resting = self.resting();
        let number = match *place {
            Some(number) if !resting.wakers.contains_key(&number) => {
                *place = None;
                drop(resting);
                return true;
            }
            Some(number) => number,
            None => {
                resting.next += 1;
                resting.next
            }
        };
        let old = resting.wakers.insert(number, waker);
        *place = Some(number);
        drop(resting);
        drop(old);
        false
    }

    /// Whoever has this place does not want to know any more.
    pub(crate) fn leave_rest(&self, place: &mut Option<u64>) {
        let Some(number) = place.take() else { return };
        let waker = self.resting().wakers.remove(&number);
        drop(waker);
    }

    /// Whether anybody waits until nothing can happen any more.
    pub(crate) fn is_rest_awaited(&self) -> bool {
        !self.resting().wakers.is_empty()
    }

    /// Nothing can happen any more before the clock moves: tells those who wait for that. Whether there are any.
    pub(crate) fn wake_at_rest(&self) -> bool {
        let wakers = std::mem::take(&mut self.resting().wakers);
        let any = !wakers.is_empty();
        for waker in wakers.into_values() {
            // Its panic is no matter of the world's; and a payload may panic in its drop.
            if let Err(payload) = catch_unwind(AssertUnwindSafe(|| waker.wake())) {
                std::mem::forget(payload);
            }
        }
        any
    }

    fn resting(&self) -> MutexGuard<'_, Resting> {
        self.resting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    // ---- what it waits for ---------------------------------------------------------------------------------------

    /// So long nothing must have happened in real time before the clock moves although somebody else could do something.
    pub(crate) fn patience(&self) -> Duration {
        Duration::from_nanos(self.patience.load(Ordering::Relaxed))
    }

    pub(crate) fn set_patience(&self, time: Duration) {
        self.patience.store(nanoseconds(time), Ordering::Relaxed);
    }

    /// This makes the clock wait in real time. Said once.
    pub(crate) fn waits_for(&self, what: String) {
        let mut foreign = self.foreign.lock().unwrap_or_else(PoisonError::into_inner);
        if !foreign.contains(&what) {
            foreign.push(what);
        }
    }

    /// All that has made it wait so far.
    pub(crate) fn foreign(&self) -> Vec<String> {
        self.foreign.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

fn nanoseconds(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

impl fmt::Debug for VirtualClock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("VirtualClock").field("passed", &self.passed()).finish_non_exhaustive()
    }
}

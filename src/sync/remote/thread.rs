//! [`block_until`]: how a plain thread waits for what tasks wait for.
//!
//! The thread is given a waker of its own and polls like a task, so that there is one way to wait and one queue of
//! those who do. It knows nothing of `task::here`: a budget is a task's, and a thread that blocks has none.

use std::sync::Arc;
use std::task::{Poll, Wake, Waker};

use super::lock::{Condition, Lock, pause};
use crate::task::wake;

/// Polls until it is ready, and blocks this thread between two polls, each time until the waker is used. One
/// allocation.
pub(crate) fn block_until<T>(mut poll: impl FnMut(&Waker) -> Poll<T>) -> T {
    let bell = Arc::new(Bell { rung: Lock::new(false), ringing: Condition::new() });
    let waker = Waker::from(bell.clone());
    loop {
        if let Poll::Ready(value) = poll(&waker) {
            return value;
        }
        bell.wait();
    }
}

/// Tries a few times more, at growing distances, before a thread begins to wait: the other end is often about to do its
/// part, and to sleep costs both threads more. The first distance is `pauses`: long enough for the other end to do more
/// than one thing, so that the two do not meet at each. Gives back what is still to be done.
pub(super) fn try_for_a_while<T, W>(
    mut pauses: usize,
    mut work: W,
    mut attempt: impl FnMut(W) -> Result<T, W>,
) -> Result<T, W> {
    while pauses <= MOST_PAUSES {
        pause(pauses);
        match attempt(work) {
            Ok(done) => return Ok(done),
            Err(again) => work = again,
        }
        pauses *= 2;
    }
    Err(work)
}

/// The last of the distances: all together are some ten microseconds, about what it costs to sleep. Arbitrary; in
/// loom's models, where a thread that spins waits for nobody, there is none.
const MOST_PAUSES: usize = if cfg!(loom) { 0 } else { 256 };

/// Nearly always nobody waits. A waker of a thread or a task: whatever it does, and if it panics, it ends here.
#[inline]
pub(crate) fn wake_if_any(waker: Option<Waker>) {
    if let Some(waker) = waker {
        wake(waker);
    }
}

/// What a waker rings for a thread that blocks.
struct Bell {
    rung: Lock<bool>,
    ringing: Condition,
}

impl Bell {
    fn wait(&self) {
        let mut rung = self.rung.lock();
        while !*rung {
            rung = self.ringing.wait(rung);
        }
        *rung = false;
    }
}

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        *self.rung.lock() = true;
        self.ringing.notify_one();
    }
}

//! [`Barrier`]: tasks wait for each other, round after round.
//!
//! A count of those that have come, and a `WaitQueue` in which they stand; the one that makes it full wakes the others.

use std::cell::Cell;
use std::fmt;
use std::future::Future;
use std::panic::Location;
use std::pin::Pin;
use std::task::{Context, Poll};

use super::WaitQueue;
use crate::observer::WaitReason;
use crate::task::here;
use crate::wait_list::WaitKey;

const WHAT: WaitReason = WaitReason::Sync("the others at a barrier");

/// Lets `n` tasks wait until all of them have come, round after round.
///
/// The last to come is the *leader* of its round, and goes on without waiting. A task that gives up waiting leaves as
/// if it had not come. With `n` of 0 or 1 nobody waits, and everybody is a leader.
///
/// ```
/// use std::rc::Rc;
/// let barrier = Rc::new(coracle::sync::Barrier::new(3));
/// coracle::block_on(async {
///     let tasks: Vec<_> = (0..3)
///         .map(|_| {
///             let barrier = barrier.clone();
///             coracle::spawn(async move { barrier.wait().await.is_leader() })
///         })
///         .collect();
///     let mut leaders = 0;
///     for task in tasks {
///         leaders += u32::from(task.await.unwrap());
///     }
///     assert_eq!(leaders, 1);
/// });
/// ```
pub struct Barrier {
    n: usize,
    /// How many stand in the queue for this round; those of the round before have been chosen.
    come: Cell<usize>,
    queue: WaitQueue,
}

impl Barrier {
    /// For `n` tasks.
    ///
    /// ```
    /// let alone = coracle::sync::Barrier::new(1);
    /// assert!(coracle::block_on(alone.wait()).is_leader());
    /// ```
    pub fn new(n: usize) -> Barrier {
        Barrier { n, come: Cell::new(0), queue: WaitQueue::new() }
    }

    /// Comes, and waits for the others. It has come from its first poll.
    ///
    /// **Cancel safety**: cancel-safe; it leaves as if it had not come. If the round is full already, it counts.
    ///
    /// ```
    /// coracle::block_on(async {
    ///     let barrier = std::rc::Rc::new(coracle::sync::Barrier::new(2));
    ///     let other = coracle::spawn({
    ///         let barrier = barrier.clone();
    ///         async move { barrier.wait().await }
    ///     });
    ///     let own = barrier.wait().await;
    ///     assert!(own.is_leader() != other.await.unwrap().is_leader());
    /// });
    /// ```
    #[track_caller]
    pub fn wait(&self) -> BarrierWait<'_> {
        BarrierWait { barrier: self, place: None, at: Location::caller() }
    }

    /// Counts one more. Whether that makes the round full: then it is over, and all that stand there were woken.
    fn completes_the_round(&self) -> bool {
        let come = self.come.get() + 1;
        let full = come >= self.n;
        self.come.set(if full { 0 } else { come });
        if full {
            self.queue.wake_all();
        }
        full
    }
}

impl fmt::Debug for Barrier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Barrier").field("n", &self.n).field("come", &self.come.get()).finish()
    }
}

/// What [`Barrier::wait`] says when all have come.
///
/// ```
/// let result = coracle::block_on(coracle::sync::Barrier::new(0).wait());
/// assert!(result.is_leader());
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BarrierWaitResult {
    leader: bool,
}

impl BarrierWaitResult {
    /// Whether this is the one of its round that is to do what only one should.
    ///
    /// ```
    /// assert!(coracle::block_on(coracle::sync::Barrier::new(1).wait()).is_leader());
    /// ```
    pub fn is_leader(&self) -> bool {
        self.leader
    }
}

/// See [`Barrier::wait`].
#[derive(Debug)]
#[must_use = "a future does nothing unless awaited"]
pub struct BarrierWait<'a> {
    barrier: &'a Barrier,
    place: Option<WaitKey>,
    at: &'static Location<'static>,
}

impl Future for BarrierWait<'_> {
    type Output = BarrierWaitResult;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<BarrierWaitResult> {
        let this = &mut *self;
        let (barrier, queue) = (this.barrier, &this.barrier.queue);
        if this.place.as_ref().is_some_and(|place| queue.is_chosen(place)) {
            here::spend();
            queue.leave(&mut this.place, true);
            return Poll::Ready(BarrierWaitResult { leader: false });
        }
        let is_new = this.place.is_none();
        if is_new && !here::may_go_on(cx) {
            here::waits(WHAT, this.at);
            return Poll::Pending;
        }
        if !is_new || barrier.come.get() + 1 < barrier.n {
            queue.stand(&mut this.place, cx, || false);
        }
        // Counted after it stands there: a waker was cloned, and whose code that is may have brought others.
        if is_new && barrier.completes_the_round() {
            here::spend();
            queue.leave(&mut this.place, true);
            return Poll::Ready(BarrierWaitResult { leader: true });
        }
        here::waits(WHAT, this.at);
        Poll::Pending
    }
}

impl Drop for BarrierWait<'_> {
    fn drop(&mut self) {
        let queue = &self.barrier.queue;
        if self.place.as_ref().is_some_and(|place| !queue.is_chosen(place)) {
            self.barrier.come.set(self.barrier.come.get() - 1);
        }
        queue.leave(&mut self.place, false);
    }
}

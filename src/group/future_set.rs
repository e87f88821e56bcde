//! [`FutureSet`]: futures that run within one task, and end in any order.

use std::fmt;
use std::future::Future;
use std::panic::Location;
use std::pin::Pin;
use std::task::{Context, Poll};

use super::child::{FirstPanic, poll_and_drop};
use super::ready::{Polled, ReadyList};
use crate::observer::WaitReason;
use crate::task::{here, wake};

/// Futures that run within one task, each polled only when it was woken, and whose outputs come in the order in which
/// they end. (futures-rs calls it `FuturesUnordered`.)
///
/// The futures need not be `'static`. They run only while the set is polled, by [`next`](FutureSet::next) for instance:
/// see [`select`](crate::task::select) about futures that are kept and not polled. Their first polls are in the order
/// of their insertion, later ones in that of their wakes. At most 64 are polled in one poll of the task, which then
/// lets the other tasks go first; a future that yields does, too.
///
/// A wake costs O(1). A future costs two allocations, which the next one that is inserted takes over; the set keeps
/// room for as many as it ever held at once. Dropping the set drops the futures, in the order of their insertion, on
/// the spot.
///
/// The waker of the task that polled last stays in the set until it is polled again, or is empty and dropped.
///
/// ```
/// use coracle::task::FutureSet;
/// use coracle::time::sleep;
/// use std::time::Duration;
///
/// coracle::block_on(async {
///     let mut set: FutureSet<_> = [30, 10, 20]
///         .into_iter()
///         .map(|n| async move {
///             sleep(Duration::from_millis(n)).await;
///             n
///         })
///         .collect();
///     let mut ended = Vec::new();
///     while let Some(n) = set.next().await {
///         ended.push(n);
///     }
///     assert_eq!(ended, [10, 20, 30]);
/// });
/// ```
pub struct FutureSet<F> {
    ready: ReadyList,
    /// By the keys of `ready`. `None`: the place is free.
    futures: Vec<Pin<Box<Option<F>>>>,
}

impl<F> FutureSet<F> {
    /// An empty set.
    ///
    /// ```
    /// assert!(coracle::task::FutureSet::<std::future::Ready<()>>::new().is_empty());
    /// ```
    pub fn new() -> FutureSet<F> {
        FutureSet { ready: ReadyList::new(), futures: Vec::new() }
    }

    /// Puts a future into the set. It is polled when the set is; whoever waits for the set is woken.
    ///
    /// ```
    /// let mut set = coracle::task::FutureSet::new();
    /// set.insert(async { 1 });
    /// assert_eq!(coracle::block_on(set.next()), Some(1));
    /// ```
    pub fn insert(&mut self, future: F) {
        let key = self.ready.insert();
        if key == self.futures.len() {
            self.futures.push(Box::pin(None));
        }
        self.futures[key].set(Some(future));
    }

    /// How many futures are in the set.
    ///
    /// ```
    /// let set: coracle::task::FutureSet<_> = (0..3).map(std::future::ready).collect();
    /// assert_eq!(set.len(), 3);
    /// ```
    pub fn len(&self) -> usize {
        self.ready.len()
    }

    /// Whether no future is in the set.
    ///
    /// ```
    /// let set: coracle::task::FutureSet<_> = [std::future::ready(())].into_iter().collect();
    /// assert!(!set.is_empty());
    /// ```
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Drops all futures, in the order of their insertion; whoever waits for the set is woken. All are dropped even if
    /// the drop of some panics; the first of those panics goes on.
    ///
    /// ```
    /// let mut set: coracle::task::FutureSet<_> = [std::future::pending::<()>()].into_iter().collect();
    /// set.clear();
    /// assert_eq!(coracle::block_on(set.next()), None);
    /// ```
    pub fn clear(&mut self) {
        let panic = self.drop_all();
        if let Some(parent) = self.ready.forget_wakes() {
            wake(parent);
        }
        panic.resume();
    }

    fn drop_all(&mut self) -> FirstPanic {
        let panic = FirstPanic::default();
        for key in self.ready.by_age() {
            self.ready.retire(key);
            panic.contain(|| self.futures[key].set(None));
        }
        panic
    }
}

impl<F: Future> FutureSet<F> {
    /// The output of the next future that ends. `None`: the set is empty.
    ///
    /// **Cancel safety**: cancel-safe. A dropped `Next` takes no output with it, and the futures stay in the set, as
    /// far as they have come.
    ///
    /// # Panics
    /// With the panic of a future. That one is gone then; the others stay, and can be waited for.
    ///
    /// ```
    /// let mut set: coracle::task::FutureSet<_> = (1..=2).map(std::future::ready).collect();
    /// coracle::block_on(async {
    ///     assert_eq!((set.next().await, set.next().await, set.next().await), (Some(1), Some(2), None));
    /// });
    /// ```
    #[allow(clippy::should_implement_trait, reason = "it gives a future of what an iterator gives")]
    #[track_caller]
    pub fn next(&mut self) -> Next<'_, F> {
        Next { set: self, at: Location::caller() }
    }

    /// The same as a function: what [`next`](FutureSet::next) does when it is polled.
    ///
    /// ```
    /// use std::task::{Context, Poll, Waker};
    /// let mut set: coracle::task::FutureSet<_> = [std::future::ready(1)].into_iter().collect();
    /// assert_eq!(set.poll_next(&mut Context::from_waker(Waker::noop())), Poll::Ready(Some(1)));
    /// ```
    pub fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<F::Output>> {
        let mut next = None;
        self.poll_children(cx, |_, output| {
            next = Some(output);
            false
        });
        if next.is_some() {
            here::spend();
        }
        if next.is_some() || self.is_empty() { Poll::Ready(next) } else { Poll::Pending }
    }

    /// Polls those that were woken; `ended` gets the outputs with their keys, and says whether to go on. If all were to
    /// go on and some have not ended, the task will be woken.
    pub(super) fn poll_children(&mut self, cx: &mut Context<'_>, mut ended: impl FnMut(usize, F::Output) -> bool) {
        let panic = FirstPanic::default();
        let futures = &mut self.futures;
        let stopped = self.ready.run(cx, |key, cx| {
            let go_on = match poll_and_drop(futures[key].as_mut(), cx) {
                Poll::Pending => return Polled::Waits,
                Poll::Ready(Ok(output)) => ended(key, output),
                Poll::Ready(Err(payload)) => {
                    panic.keep(payload);
                    false
                }
            };
            if go_on { Polled::Ended } else { Polled::EndedLast }
        });
        panic.resume();
        if !stopped && !self.is_empty() {
            self.ready.sleep(cx);
        }
    }
}

impl<F> Drop for FutureSet<F> {
    fn drop(&mut self) {
        self.drop_all().resume();
    }
}

impl<F> Default for FutureSet<F> {
    fn default() -> FutureSet<F> {
        FutureSet::new()
    }
}

impl<F> Extend<F> for FutureSet<F> {
    fn extend<I: IntoIterator<Item = F>>(&mut self, futures: I) {
        futures.into_iter().for_each(|future| self.insert(future));
    }
}

impl<F> FromIterator<F> for FutureSet<F> {
    fn from_iter<I: IntoIterator<Item = F>>(futures: I) -> FutureSet<F> {
        let mut set = FutureSet::new();
        set.extend(futures);
        set
    }
}

impl<F> fmt::Debug for FutureSet<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FutureSet").field("len", &self.len()).finish()
    }
}

/// See [`FutureSet::next`].
#[derive(Debug)]
#[must_use = "a future does nothing unless awaited"]
pub struct Next<'a, F> {
    set: &'a mut FutureSet<F>,
    at: &'static Location<'static>,
}

impl<F: Future> Future for Next<'_, F> {
    type Output = Option<F::Output>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let polled = self.set.poll_next(cx);
        if polled.is_pending() {
            here::waits(WaitReason::Sync("a future of a set"), self.at);
        }
        polled
    }
}

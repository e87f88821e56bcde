//! [`Notify`]: wakes that do not get lost: one is kept for the task that comes too late.
//!
//! A `WaitQueue`, and a cell for the one wake that found nobody. It says that something happened, not what; the values
//! themselves travel in channels.

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

/// Tells tasks that something happened.
///
/// [`notify_one`](Notify::notify_one) wakes the task that has waited longest. If nobody waits, it is kept, and the next
/// [`notified`](Notify::notified) goes on at once; one is kept, however often it is called. So the task that deals with
/// what happened, and then waits, misses nothing. [`notify_all`](Notify::notify_all) wakes those that wait now, and
/// keeps nothing.
///
/// Take a `Notify` for *something that happened* and that one task is to deal with. Take an [`Event`](super::Event) for
/// a *state* that many ask for, and that lasts. To wait for a *condition* in cells of yours, check it in a loop:
/// `while !condition() { notify.notified().await }`, with `notify_one` or `notify_all` after each change; that is what
/// a condition variable would be for, and because one thread runs all tasks, nothing comes between check and wait. If
/// nothing needs to be kept, a bare [`WaitQueue`] does the same.
///
/// ```
/// use coracle::sync::Notify;
/// use std::{cell::RefCell, collections::VecDeque, rc::Rc};
///
/// let (work, more) = (Rc::new(RefCell::new(VecDeque::from([1, 2]))), Rc::new(Notify::new()));
/// coracle::block_on(async {
///     let worker = coracle::spawn({
///         let (work, more) = (work.clone(), more.clone());
///         async move {
///             let mut sum = 0;
///             while sum < 6 {
///                 more.notified().await;
///                 sum += work.borrow_mut().drain(..).sum::<i32>();
///             }
///         }
///     });
///     more.notify_one(); // Nobody waits yet.
///     coracle::task::yield_now().await;
///     assert!(work.borrow().is_empty());
///     work.borrow_mut().push_back(3);
///     more.notify_one();
///     worker.await.unwrap();
/// });
/// ```
#[derive(Default)]
pub struct Notify {
    /// A wake that found nobody. While it is kept, nobody waits.
    kept: Cell<bool>,
    queue: WaitQueue,
}

impl Notify {
    /// Without a wake.
    ///
    /// ```
    /// let notify = coracle::sync::Notify::new();
    /// notify.notify_one();
    /// coracle::block_on(notify.notified());
    /// ```
    pub fn new() -> Notify {
        Notify::default()
    }

    /// Wakes the one that has waited longest. If nobody waits, the wake is kept for the next that comes; only one is.
    ///
    /// ```
    /// let notify = coracle::sync::Notify::new();
    /// notify.notify_one();
    /// notify.notify_one();
    /// coracle::block_on(async {
    ///     notify.notified().await;
    ///     let second = coracle::time::timeout(std::time::Duration::from_millis(1), notify.notified());
    ///     assert!(second.await.is_err(), "one was kept, not two");
    /// });
    /// ```
    #[inline]
    pub fn notify_one(&self) {
        if !self.queue.wake_one() {
            self.kept.set(true);
        }
    }

    /// Wakes all that wait now, in order; not those that come later, also not in place of one that is dropped. How
    /// many. It keeps nothing, and takes nothing away that is kept.
    ///
    /// ```
    /// assert_eq!(coracle::sync::Notify::new().notify_all(), 0);
    /// ```
    pub fn notify_all(&self) -> usize {
        self.queue.wake_all()
    }

    /// Waits for a wake, or takes the one that was kept. It stands in the queue from its first poll.
    ///
    /// **Cancel safety**: cancel-safe; a wake of `notify_one` that it was given goes to the next that waits, and is
    /// kept if nobody does. One of `notify_all` was for it alone.
    ///
    /// ```
    /// use std::rc::Rc;
    /// let notify = Rc::new(coracle::sync::Notify::new());
    /// coracle::block_on(async {
    ///     let waiter = coracle::spawn({ let notify = notify.clone(); async move { notify.notified().await } });
    ///     coracle::task::yield_now().await;
    ///     assert_eq!(notify.notify_all(), 1);
    ///     waiter.await.unwrap();
    /// });
    /// ```
    #[track_caller]
    pub fn notified(&self) -> Notified<'_> {
        Notified { notify: self, place: None, at: Location::caller() }
    }
}

impl fmt::Debug for Notify {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Notify").field("kept", &self.kept.get()).field("waiting", &self.queue.len()).finish()
    }
}

/// See [`Notify::notified`].
#[derive(Debug)]
#[must_use = "a future does nothing unless awaited"]
pub struct Notified<'a> {
    notify: &'a Notify,
    place: Option<WaitKey>,
    at: &'static Location<'static>,
}

impl Future for Notified<'_> {
    type Output = ();

    #[inline]
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = &mut *self;
        let kept = &this.notify.kept;
        if this.place.is_none() && kept.get() && here::has_budget() {
            here::spend();
            kept.set(false);
            return Poll::Ready(());
        }
        this.wait(cx)
    }
}

impl Notified<'_> {
    #[inline(never)]
    fn wait(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let this = self;
        let Notify { kept, queue } = this.notify;
        let chosen = this.place.as_ref().is_some_and(|place| queue.is_chosen(place));
        if (chosen || kept.get()) && here::may_go_on(cx) {
            here::spend();
            if !chosen {
                kept.set(false);
            }
            queue.leave(&mut this.place, true);
            return Poll::Ready(());
        }
        if !chosen && !kept.get() {
            queue.stand(&mut this.place, cx, || kept.get());
        }
        here::waits(WaitReason::Sync("a notification"), this.at);
        Poll::Pending
    }
}

impl Drop for Notified<'_> {
    #[inline]
    fn drop(&mut self) {
        if self.notify.queue.leave(&mut self.place, false) {
            self.notify.kept.set(true);
        }
    }
}

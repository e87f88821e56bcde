//! [`WaitQueue`]: the primitive on which everything is built that tasks wait for.

use std::cell::{Cell, RefCell};
use std::fmt;
use std::future::Future;
use std::panic::Location;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use crate::observer::WaitReason;
use crate::task::{here, keep, wake};
use crate::wait_list::{Left, WaitKey, WaitList};

/// A queue of waiting tasks, first come, first woken.
///
/// It has no memory: a wake that finds nobody is lost, so check the condition first, then wait. On one thread nothing
/// can come between. A waiter that was chosen but is dropped before it goes on *passes its wake on* to the next.
///
/// It is also the *condition variable* of this library: the condition stands in cells of yours, whoever waits checks it
/// in a loop, as below, and whoever changes it wakes. It needs no mutex beside it, as a condition variable of threads
/// does. A loop, because between the wake and the waiter's turn others run, and may undo what it was woken for. Wakes
/// that must not get lost are a [`Notify`](crate::sync::Notify); a condition that is one flag is an
/// [`Event`](crate::sync::Event).
///
/// ```
/// use coracle::sync::WaitQueue;
/// use std::{cell::Cell, rc::Rc};
///
/// let (queue, open) = (Rc::new(WaitQueue::new()), Rc::new(Cell::new(false)));
/// coracle::block_on(async {
///     let waiter = coracle::spawn({
///         let (queue, open) = (queue.clone(), open.clone());
///         async move {
///             while !open.get() {
///                 queue.wait().await;
///             }
///         }
///     });
///     coracle::task::yield_now().await;
///     open.set(true);
///     queue.wake_one();
///     waiter.await.unwrap();
/// });
/// ```
#[derive(Default)]
pub struct WaitQueue {
    /// Whether anybody waits who was not chosen yet: a wake for nobody is one comparison, and does not touch the list.
    is_waited_for: Cell<bool>,
    list: RefCell<WaitList>,
}

impl WaitQueue {
    /// An empty queue. Allocates nothing before somebody waits.
    ///
    /// ```
    /// assert!(coracle::sync::WaitQueue::new().is_empty());
    /// ```
    pub fn new() -> WaitQueue {
        WaitQueue::default()
    }

    /// Waits until it is chosen by [`wake_one`](WaitQueue::wake_one) or [`wake_all`](WaitQueue::wake_all). It stands in
    /// the queue from its first poll.
    ///
    /// **Cancel safety**: cancel-safe; a wake that it was given goes to the next waiter.
    ///
    /// ```
    /// use std::rc::Rc;
    /// let queue = Rc::new(coracle::sync::WaitQueue::new());
    /// coracle::block_on(async {
    ///     let waiter = coracle::spawn({ let queue = queue.clone(); async move { queue.wait().await } });
    ///     coracle::task::yield_now().await;
    ///     assert!(queue.wake_one());
    ///     waiter.await.unwrap();
    /// });
    /// ```
    #[track_caller]
    pub fn wait(&self) -> Waiting<'_> {
        Waiting { queue: self, place: None, at: Location::caller() }
    }

    /// Wakes the one that has waited longest. `false`: nobody waits, and nothing is kept for those who come.
    ///
    /// ```
    /// assert!(!coracle::sync::WaitQueue::new().wake_one());
    /// ```
    #[inline]
    pub fn wake_one(&self) -> bool {
        self.is_waited_for.get() && self.wake_first()
    }

    #[inline(never)]
    fn wake_first(&self) -> bool {
        let chosen = self.choose(WaitList::notify_one);
        chosen.map(wake).is_some()
    }

    /// Wakes all that wait now, in order; not those that come meanwhile, also not in place of one that is dropped. How
    /// many.
    ///
    /// ```
    /// assert_eq!(coracle::sync::WaitQueue::new().wake_all(), 0);
    /// ```
    #[inline]
    pub fn wake_all(&self) -> usize {
        if self.is_waited_for.get() { self.wake_everybody() } else { 0 }
    }

    #[inline(never)]
    fn wake_everybody(&self) -> usize {
        let Some(first) = self.choose(WaitList::notify_with_all) else { return 0 };
        // All are chosen before any is woken: one that waits again at once is not among them. One alone, which is the
        // commonest case, costs no allocation.
        let others: Vec<_> = std::iter::from_fn(|| self.choose(WaitList::notify_with_all)).collect();
        let count = 1 + others.len();
        wake(first);
        others.into_iter().for_each(wake);
        count
    }

    /// Whether nobody stands in it: nobody waits, and all that were chosen have gone on.
    ///
    /// ```
    /// assert!(coracle::sync::WaitQueue::new().is_empty());
    /// ```
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many wait, counting those that were chosen and have not gone on yet.
    ///
    /// ```
    /// assert_eq!(coracle::sync::WaitQueue::new().len(), 0);
    /// ```
    pub fn len(&self) -> usize {
        self.list.borrow().len()
    }

    /// For operations that check a condition at each poll: stands in the queue until [`leave`](WaitQueue::leave). Then,
    /// if `changed`, it wakes itself: a waker was cloned, which is code of somebody else's that may have changed what
    /// was checked before.
    #[inline]
    pub(crate) fn stand(&self, place: &mut Option<WaitKey>, cx: &Context<'_>, changed: impl FnOnce() -> bool) {
        if self.stand_as(place, cx.waker()) && changed() {
            cx.waker().wake_by_ref();
        }
    }

    /// Whether the waker was cloned.
    #[inline]
    fn stand_as(&self, place: &mut Option<WaitKey>, waker: &Waker) -> bool {
        if let Some(place) = place {
            return self.stand_on(place, waker);
        }
        let waker = keep(waker);
        *place = Some(self.list.borrow_mut().push(waker));
        self.is_waited_for.set(true);
        true
    }

    /// The same for one who stands there.
    #[inline(never)]
    fn stand_on(&self, place: &WaitKey, waker: &Waker) -> bool {
        if self.list.borrow().waits_as(place, waker) {
            return false;
        }
        let was_chosen = self.is_chosen(place);
        let waker = keep(waker);
        if !was_chosen && self.is_chosen(place) {
            // The clone chose it: that was meant for this wait, so it must not begin another.
            waker.wake();
            return false;
        }
        let old = self.list.borrow_mut().renew(place, waker);
        self.is_waited_for.set(true);
        drop(old);
        true
    }

    /// The operation is over. `used`: what it was woken for was taken; else a wake that it had goes to the next.
    /// Whether such a wake found nobody: it is lost, unless the caller keeps it.
    #[inline]
    pub(crate) fn leave(&self, place: &mut Option<WaitKey>, used: bool) -> bool {
        // Looked at first: in the ordinary case nothing is written.
        place.is_some() && self.give_up(place, used)
    }

    #[inline(never)]
    fn give_up(&self, place: &mut Option<WaitKey>, used: bool) -> bool {
        let Some(place) = place.take() else { return false };
        let left = self.list.borrow_mut().remove(place);
        match left {
            Left::Waiting(waker) => {
                self.is_waited_for.set(!self.list.borrow().is_empty());
                drop(waker);
            }
            Left::PassOn if !used => return !self.wake_one(),
            Left::PassOn | Left::Nothing => {}
        }
        false
    }

    /// Chooses somebody, and notes whether others wait.
    #[inline]
    fn choose(&self, choose: impl FnOnce(&mut WaitList) -> Option<Waker>) -> Option<Waker> {
        let mut list = self.list.borrow_mut();
        let chosen = choose(&mut list);
        self.is_waited_for.set(!list.is_empty());
        chosen
    }

    /// Whether the one who stands there was chosen.
    pub(crate) fn is_chosen(&self, place: &WaitKey) -> bool {
        self.list.borrow().is_notified(place)
    }
}

impl fmt::Debug for WaitQueue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WaitQueue").field("waiting", &self.len()).finish()
    }
}

/// See [`WaitQueue::wait`].
#[derive(Debug)]
#[must_use = "a future does nothing unless awaited"]
pub struct Waiting<'a> {
    queue: &'a WaitQueue,
    place: Option<WaitKey>,
    at: &'static Location<'static>,
}

impl Future for Waiting<'_> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = &mut *self;
        if this.place.as_ref().is_some_and(|place| this.queue.is_chosen(place)) {
            this.queue.leave(&mut this.place, true);
            return Poll::Ready(());
        }
        // What this waits for, nobody can know before it stands there.
        this.queue.stand(&mut this.place, cx, || false);
        here::waits(WaitReason::Sync("a wake"), this.at);
        Poll::Pending
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.queue.leave(&mut self.place, false);
    }
}

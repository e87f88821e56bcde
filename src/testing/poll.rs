//! Polling by hand: [`poll_once`], [`assert_pending`], [`assert_ready`], and [`WakeCounter`], a waker that counts.
//!
//! With these a test looks at a future between two of its steps, and needs no second task and no time to do so. They
//! work on any executor and on none; a future that needs a runtime must be polled in it.

use std::fmt;
use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Wake, Waker};

/// Polls a future once, with a waker that does nothing. Given by value, it is dropped after that: *cancelled* if it was
/// pending. Given by `&mut`, it can go on; one that cannot be moved is pinned first, by [`pin!`](std::pin::pin).
///
/// ```
/// use coracle::{sync::channel, testing::poll_once};
/// use std::task::Poll;
/// let (sender, receiver) = channel::unbounded();
/// assert_eq!(poll_once(receiver.recv()), Poll::Pending);
/// sender.send(7).unwrap();
/// assert_eq!(poll_once(receiver.recv()), Poll::Ready(Some(7)));
/// ```
pub fn poll_once<F: Future>(future: F) -> Poll<F::Output> {
    pin!(future).poll(&mut Context::from_waker(Waker::noop()))
}

/// Polls a future once; it must be pending.
///
/// # Panics
/// If it is ready, with what it gave.
///
/// ```
/// use coracle::{sync::Event, testing::{assert_pending, assert_ready}};
/// let event = Event::new();
/// let mut waiting = event.wait();
/// assert_pending(&mut waiting);
/// event.set();
/// assert_ready(&mut waiting);
/// ```
#[track_caller]
pub fn assert_pending<F>(future: &mut F)
where
    F: Future<Output: fmt::Debug> + Unpin,
{
    if let Poll::Ready(output) = poll_once(future) {
        panic!("the future was to be pending, and it is ready, with {output:?}");
    }
}

/// Polls a future once; it must be ready. What it gave.
///
/// For what is certain to be there. A socket may take a while to have what its peer has sent, and in a hostile world it
/// may say that it has nothing although it has: such futures are awaited.
///
/// # Panics
/// If it is pending.
///
/// ```
/// use coracle::testing::{assert_pending, assert_ready};
/// use std::pin::pin;
/// let mut yielding = pin!(async {
///     coracle::task::yield_now().await;
///     7
/// });
/// assert_pending(&mut yielding);
/// assert_eq!(assert_ready(&mut yielding), 7);
/// ```
#[track_caller]
pub fn assert_ready<F: Future + Unpin>(future: &mut F) -> F::Output {
    match poll_once(future) {
        Poll::Ready(output) => output,
        Poll::Pending => panic!("the future was to be ready, and it is pending"),
    }
}

/// Makes wakers, and counts how often they are woken.
///
/// What a test asks of it is nearly always one of three things: that a wake came ([`take`](WakeCounter::take)), that
/// none came, and that somebody keeps a waker, so that one can come ([`kept`](WakeCounter::kept)).
///
/// ```
/// use coracle::{sync::Event, testing::WakeCounter};
/// let (event, counter) = (Event::new(), WakeCounter::new());
/// let mut waiting = event.wait();
/// assert!(counter.poll(&mut waiting).is_pending());
/// assert_eq!((counter.wakes(), counter.kept()), (0, 1));
/// event.set();
/// assert_eq!((counter.wakes(), counter.kept()), (1, 0));
/// assert!(counter.poll(&mut waiting).is_ready());
/// ```
#[derive(Default)]
pub struct WakeCounter {
    count: Arc<Count>,
}

#[derive(Default)]
struct Count {
    wakes: AtomicUsize,
    /// How many of them [`WakeCounter::take`] gave.
    taken: AtomicUsize,
}

impl Wake for Count {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.wakes.fetch_add(1, Ordering::SeqCst);
    }
}

impl WakeCounter {
    /// One that has counted nothing.
    ///
    /// ```
    /// assert_eq!(coracle::testing::WakeCounter::new().wakes(), 0);
    /// ```
    pub fn new() -> WakeCounter {
        WakeCounter::default()
    }

    /// A waker whose wakes it counts. All that it gives, and their clones, wake the same "task".
    ///
    /// ```
    /// let counter = coracle::testing::WakeCounter::new();
    /// counter.waker().wake();
    /// assert_eq!(counter.wakes(), 1);
    /// ```
    pub fn waker(&self) -> Waker {
        Waker::from(self.count.clone())
    }

    /// Polls a future with such a waker.
    ///
    /// ```
    /// let counter = coracle::testing::WakeCounter::new();
    /// assert!(counter.poll(&mut std::future::ready(7)).is_ready());
    /// ```
    pub fn poll<F: Future + Unpin>(&self, future: &mut F) -> Poll<F::Output> {
        Pin::new(future).poll(&mut Context::from_waker(&self.waker()))
    }

    /// How many wakes there were.
    ///
    /// ```
    /// let counter = coracle::testing::WakeCounter::new();
    /// counter.waker().wake_by_ref();
    /// counter.waker().wake_by_ref();
    /// assert_eq!(counter.wakes(), 2);
    /// ```
    pub fn wakes(&self) -> usize {
        self.count.wakes.load(Ordering::SeqCst)
    }

    /// How many wakes there were since the last call.
    ///
    /// ```
    /// let counter = coracle::testing::WakeCounter::new();
    /// counter.waker().wake();
    /// assert_eq!((counter.take(), counter.take()), (1, 0));
    /// ```
    pub fn take(&self) -> usize {
        let wakes = self.wakes();
        wakes - self.count.taken.swap(wakes, Ordering::SeqCst)
    }

    /// How many of its wakers are kept somewhere. A future that is pending while nobody keeps one is never woken.
    ///
    /// ```
    /// let counter = coracle::testing::WakeCounter::new();
    /// let waker = counter.waker();
    /// assert_eq!(counter.kept(), 1);
    /// drop(waker);
    /// assert_eq!(counter.kept(), 0);
    /// ```
    pub fn kept(&self) -> usize {
        Arc::strong_count(&self.count) - 1
    }
}

impl fmt::Debug for WakeCounter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WakeCounter").field("wakes", &self.wakes()).field("kept", &self.kept()).finish()
    }
}

//! What the work waits for: the same futures for every runtime, so that only the runtime differs.
//!
//! Not any runtime's own `yield_now`: some of those do more (tokio's goes by way of its driver), which would be
//! another row.

use std::cell::Cell;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

/// Wakes its own task, and is ready at the next poll.
pub struct Yield {
    yielded: bool,
}

impl Yield {
    pub fn new() -> Yield {
        Yield { yielded: false }
    }
}

impl Future for Yield {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context) -> Poll<()> {
        if self.yielded {
            return Poll::Ready(());
        }
        self.yielded = true;
        context.waker().wake_by_ref();
        Poll::Pending
    }
}

/// A token that goes round: its holder passes it to the next, whose stored waker is woken.
pub struct Ring {
    holder: Cell<usize>,
    wakers: Vec<Cell<Option<Waker>>>,
}

impl Ring {
    /// The token starts at member 0.
    pub fn new(members: usize) -> Rc<Ring> {
        Rc::new(Ring { holder: Cell::new(0), wakers: (0..members).map(|_| Cell::new(None)).collect() })
    }

    /// Waits until `member` holds the token, as most leaf futures wait: with a clone of the waker, taken by who wakes
    /// it.
    pub fn turn(&self, member: usize) -> impl Future<Output = ()> {
        poll_fn(move |context| {
            if self.holder.get() == member {
                return Poll::Ready(());
            }
            self.wakers[member].set(Some(context.waker().clone()));
            Poll::Pending
        })
    }

    /// Passes the token on.
    pub fn pass(&self) {
        let after = self.holder.get() + 1;
        let next = if after == self.wakers.len() { 0 } else { after };
        self.holder.set(next);
        if let Some(waker) = self.wakers[next].take() {
            waker.wake();
        }
    }
}

/// Polls `future` once, which must not be ready. Where it lies: a timer may be large, and moving it is not what is
/// measured.
pub async fn poll_once(mut future: Pin<&mut impl Future>) {
    poll_fn(|context| {
        assert!(future.as_mut().poll(context).is_pending(), "it was ready at once");
        Poll::Ready(())
    })
    .await;
}

/// Counts those who come, and wakes the one who waits for all of them: what joins many tasks without a wake for each.
pub struct Arrivals {
    missing: Cell<u64>,
    waiting: Cell<Option<Waker>>,
}

impl Arrivals {
    pub fn of(count: u64) -> Arrivals {
        Arrivals { missing: Cell::new(count), waiting: Cell::new(None) }
    }

    /// One is there. Beyond the expected count it does nothing.
    pub fn arrive(&self) {
        let missing = self.missing.get();
        self.missing.set(missing.saturating_sub(1));
        if missing == 1 {
            self.waiting.take().into_iter().for_each(Waker::wake);
        }
    }

    pub fn all(&self) -> impl Future<Output = ()> {
        poll_fn(|context| {
            if self.missing.get() == 0 {
                return Poll::Ready(());
            }
            self.waiting.set(Some(context.waker().clone()));
            Poll::Pending
        })
    }
}

/// Futures that lie side by side, pinned: no allocation for each, as for a sleep within its task's future.
pub struct InPlace<F> {
    futures: Vec<F>,
}

impl<F: Future> InPlace<F> {
    pub fn with_capacity(capacity: usize) -> InPlace<F> {
        InPlace { futures: Vec::with_capacity(capacity) }
    }

    /// Panics if there is no room: those that are there may not move.
    pub fn push(&mut self, future: F) -> Pin<&mut F> {
        assert!(self.futures.len() < self.futures.capacity(), "there is no room");
        self.futures.push(future);
        let last = self.futures.last_mut().expect("it was just pushed");
        // SAFETY: the vector never grows beyond its room, so it moves nothing; and its futures are only dropped, in
        // place.
        unsafe { Pin::new_unchecked(last) }
    }

    /// Drops them in the order of pushing, and keeps the room.
    pub fn clear(&mut self) {
        self.futures.clear();
    }
}

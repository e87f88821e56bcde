//! The one structure in which anything waits: a FIFO of wakers from which each can leave at any time.
//!
//! Descriptors, channels and locks keep one each. It is plain data without any user code: whoever holds it in a
//! `RefCell` wakes, and drops wakers, after the borrow has ended. [`sync::WaitQueue`](crate::sync::WaitQueue) is this
//! list with a future before it.
//!
//! A waiter that was chosen stays in the list, as *notified*, until it has seen so. If it leaves before, the wake was
//! wasted on it and must be passed on: [`Left::PassOn`].

use std::task::Waker;

use slab::Slab;

/// See the head of this file.
#[derive(Default)]
pub(crate) struct WaitList {
    waiters: Slab<Waiter>,
    /// Keys of the first and last that are not notified.
    ends: Option<(usize, usize)>,
}

struct Waiter {
    /// `None`: notified, and no longer linked.
    waker: Option<Waker>,
    previous: usize,
    next: usize,
}

/// No waiter.
const NONE: usize = usize::MAX;

/// A waiter in a list: the right to leave it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct WaitKey(usize);

/// What a waiter that left owes.
#[must_use]
pub(crate) enum Left {
    /// It was waiting; here is its waker, to be dropped outside of all borrows.
    Waiting(Waker),
    /// It had been notified: if it did not use that, the next must be.
    PassOn,
}

impl WaitList {
    /// Puts a waiter at the end.
    pub(crate) fn push(&mut self, waker: Waker) -> WaitKey {
        let key = self.waiters.insert(Waiter { waker: Some(waker), previous: NONE, next: NONE });
        self.link_last(key);
        WaitKey(key)
    }

    /// Whether the waiter waits, and `waker` would be woken for it.
    pub(crate) fn waits_as(&self, key: &WaitKey, waker: &Waker) -> bool {
        self.waiters[key.0].waker.as_ref().is_some_and(|own| own.will_wake(waker))
    }

    pub(crate) fn is_notified(&self, key: &WaitKey) -> bool {
        self.waiters[key.0].waker.is_none()
    }

    /// Lets a waiter wait on with another waker. One that was notified and came to nothing waits again: as the first,
    /// which it was, or the others would overtake it for ever. The old waker is to be dropped outside of all borrows.
    pub(crate) fn renew(&mut self, key: &WaitKey, waker: Waker) -> Option<Waker> {
        let old = self.waiters[key.0].waker.replace(waker);
        if old.is_none() {
            self.link_first(key.0);
        }
        old
    }

    /// Chooses the first who waits. The caller wakes it outside of all borrows.
    pub(crate) fn notify_one(&mut self) -> Option<Waker> {
        let (first, _) = self.ends?;
        self.unlink(first);
        self.waiters[first].waker.take()
    }

    /// The waiter leaves.
    pub(crate) fn remove(&mut self, key: WaitKey) -> Left {
        if self.waiters[key.0].waker.is_some() {
            self.unlink(key.0);
        }
        let waiter = self.waiters.remove(key.0);
        if self.waiters.is_empty() && self.waiters.capacity() > MOST_IDLE_ROOM {
            self.waiters = Slab::new();
        }
        waiter.waker.map_or(Left::PassOn, Left::Waiting)
    }

    /// Whether nobody waits, not counting the notified.
    pub(crate) fn is_empty(&self) -> bool {
        self.ends.is_none()
    }

    /// How many are in the list, the notified too.
    pub(crate) fn len(&self) -> usize {
        self.waiters.len()
    }

    fn link_first(&mut self, key: usize) {
        let Some((first, last)) = self.ends else { return self.link_last(key) };
        self.waiters[first].previous = key;
        let waiter = &mut self.waiters[key];
        (waiter.previous, waiter.next) = (NONE, first);
        self.ends = Some((key, last));
    }

    fn link_last(&mut self, key: usize) {
        let previous = match self.ends {
            None => {
                self.ends = Some((key, key));
                NONE
            }
            Some((first, last)) => {
                self.waiters[last].next = key;
                self.ends = Some((first, key));
                last
            }
        };
        let waiter = &mut self.waiters[key];
        (waiter.previous, waiter.next) = (previous, NONE);
    }

    fn unlink(&mut self, key: usize) {
        let Waiter { previous, next, .. } = self.waiters[key];
        let Some((mut first, mut last)) = self.ends else { unreachable!("a waiter waits in a list where none does") };
        match previous {
            NONE => first = next,
            _ => self.waiters[previous].next = next,
        }
        match next {
            NONE => last = previous,
            _ => self.waiters[next].previous = previous,
        }
        self.ends = (first != NONE).then_some((first, last));
    }
}

/// An empty list keeps room for this many waiters. Arbitrary: a few kilobytes.
const MOST_IDLE_ROOM: usize = 64;

//! The inbox: where other threads put the tasks that they wake.
//!
//! A lock-free stack that is taken whole. It is linked through the tasks themselves, so a wake never allocates. One
//! pointer says everything, also whether the loop sleeps:
//!
//! ```text
//!   head = null       the loop is awake; nothing has come
//!   head = PARKED     the loop sleeps, or is not turning; the one who pushes must notify it
//!   head = a task     something has come; the loop is awake, or has been notified
//!   head = CLOSED     the runtime has ended; nothing is taken any more
//! ```
//!
//! Whoever turns PARKED into a task owes the notification: exactly one a sleep, however many push. The loop goes to
//! sleep by turning null into PARKED, which fails if something has come. So no wake is lost, and without a fence
//! beyond these exchanges.

use std::hint;
use std::ptr::{self, NonNull};

use super::atomic::{AtomicPtr, Ordering};

/// What can be linked into an inbox.
///
/// # Safety
/// `next` gives the same link for as long as the node is in the inbox, and the node stays allocated meanwhile.
pub(crate) unsafe trait Node: Sized {
    fn next(&self) -> &AtomicPtr<Self>;
}

/// See the head of this file.
pub(crate) struct Inbox<N> {
    head: AtomicPtr<N>,
}

/// What one who pushed must do.
#[must_use]
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Pushed {
    /// The loop is awake, or somebody else notifies it.
    Quiet,
    /// Notify the loop.
    Notify,
    /// The runtime has ended: the node was not taken.
    Closed,
}

/// How often [`Inbox::watch`] looks: for about a microsecond, a tenth of what the sleep costs that it may save.
/// Arbitrary; in loom's models, where a thread that spins waits for nobody, not at all.
const MOST_LOOKS: usize = if cfg!(loom) { 0 } else { 50 };

const PARKED: usize = 1;
const CLOSED: usize = 2;

fn mark<N>(mark: usize) -> *mut N {
    ptr::without_provenance_mut(mark)
}

fn is_node<N>(head: *mut N) -> bool {
    head.addr() > CLOSED
}

impl<N: Node> Inbox<N> {
    /// Begins parked: a loop that does not turn is woken like one that sleeps.
    pub(crate) fn new() -> Inbox<N> {
        Inbox { head: AtomicPtr::new(mark(PARKED)) }
    }

    /// From any thread. The node must not be in an inbox already; [`Shared::request`](super::state::Shared::request)
    /// sees to that.
    pub(crate) fn push(&self, node: NonNull<N>) -> Pushed {
        let mut head = self.head.load(Ordering::Relaxed);
        loop {
            if head.addr() == CLOSED {
                // Synchronises with `close`: what the runtime's thread did before its end is seen from here on.
                let _ = self.head.load(Ordering::Acquire);
                return Pushed::Closed;
            }
            let next = if is_node(head) { head } else { ptr::null_mut() };
            // SAFETY: T3: the caller holds the inbox's reference to the node, so it is allocated.
            unsafe { node.as_ref() }.next().store(next, Ordering::Relaxed);
            match self.head.compare_exchange_weak(head, node.as_ptr(), Ordering::AcqRel, Ordering::Relaxed) {
                Ok(was) if was.addr() == PARKED => return Pushed::Notify,
                Ok(_) => return Pushed::Quiet,
                Err(now) => head = now,
            }
        }
    }

    /// Whether something has come, or may have. The loop must be marked awake.
    #[inline]
    pub(crate) fn has_mail(&self) -> bool {
        !self.head.load(Ordering::Relaxed).is_null()
    }

    /// Takes everything, the oldest first, and marks the loop awake. Home thread only, like all that follows.
    #[inline]
    pub(crate) fn take(&self) -> Taken<N> {
        // Usually nothing has come: a load is enough to see it.
        if self.head.load(Ordering::Relaxed).is_null() {
            return Taken { first: ptr::null_mut() };
        }
        Taken::reversed(self.head.swap(ptr::null_mut(), Ordering::AcqRel))
    }

    /// Looks for a moment whether something comes. Only reads, so whoever pushes is not slowed down by it.
    pub(crate) fn watch(&self) {
        for _ in 0..MOST_LOOKS {
            if !self.head.load(Ordering::Relaxed).is_null() {
                return;
            }
            hint::spin_loop();
        }
    }

    /// Marks the loop as asleep. `false`: something has come, do not sleep.
    pub(crate) fn park(&self) -> bool {
        match self.head.compare_exchange(ptr::null_mut(), mark(PARKED), Ordering::AcqRel, Ordering::Acquire) {
            Ok(_) => true,
            Err(head) => head.addr() == PARKED,
        }
    }

    /// Marks the loop as awake, so that pushes from now on notify nobody.
    pub(crate) fn unpark(&self) {
        let _ = self.head.compare_exchange(mark(PARKED), ptr::null_mut(), Ordering::AcqRel, Ordering::Relaxed);
    }

    /// Takes everything for the last time: from now on, pushing fails.
    pub(crate) fn close(&self) -> Taken<N> {
        Taken::reversed(self.head.swap(mark(CLOSED), Ordering::AcqRel))
    }

    /// Whether `close` was called; if so, all that the home thread did before is visible. From any thread.
    pub(crate) fn is_closed(&self) -> bool {
        self.head.load(Ordering::Acquire).addr() == CLOSED
    }
}

/// Nodes that were taken out, the oldest first. A node's link is free once the node has been yielded.
pub(crate) struct Taken<N> {
    first: *mut N,
}

impl<N: Node> Taken<N> {
    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.first.is_null()
    }

    /// The stack has the newest on top: turn it round.
    fn reversed(mut head: *mut N) -> Taken<N> {
        let mut first = ptr::null_mut();
        while is_node(head) {
            // SAFETY: T3: the inbox holds a reference to each node in it, and it has just been taken over.
            let link = unsafe { &*head }.next();
            let next = link.load(Ordering::Relaxed);
            link.store(first, Ordering::Relaxed);
            first = head;
            head = next;
        }
        Taken { first }
    }
}

impl<N: Node> Iterator for Taken<N> {
    type Item = NonNull<N>;

    fn next(&mut self) -> Option<NonNull<N>> {
        let node = NonNull::new(self.first)?;
        // SAFETY: T3: as above; the node's reference is the caller's only from here on.
        self.first = unsafe { node.as_ref() }.next().load(Ordering::Relaxed);
        Some(node)
    }
}

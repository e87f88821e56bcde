//! The state of a task, in two words, and every transition that there is.
//!
//! A task's state is split by *who may touch it* (the owner rule, see `mod.rs`):
//!
//! - [`Shared`] is atomic, for any thread: the count of references, and requests from other threads.
//! - [`Owner`] is a plain cell, for the runtime's thread only: where the task is in its life.
//!
//! Each transition is a method that returns what its caller must now do. There is no compare-exchange on a task outside
//! of this file.
//!
//! ```text
//!            spawn                 1 wake            2 begin_poll
//!   (new) ──────────▶ QUEUED ◀──────────────┐   ┌────────────────▶ RUNNING
//!                       │                   │   │                    │
//!                       └───────────────────│───┘      3 end_poll    │
//!                                           IDLE ◀───────────────────┤
//!                                                                    │ 4 complete (ready, panicked,
//!                                                                    ▼            or aborted: cancelled)
//!                                                                 COMPLETE
//!   1 wake, abort      `Waker::wake` on the home thread; from elsewhere through the inbox (`Shared::request`)
//!   2 begin_poll       `Executor::run_task`; says Cancel instead of Poll if the task was aborted
//!   3 end_poll         the same; a task that was woken while it ran goes straight back to QUEUED
//!   4 complete         the same, or `Executor::shutdown`; the future is gone, the output waits for the handle
//! ```

use std::cell::Cell;

use super::atomic::{AtomicUsize, Ordering, fence};

// ---- the shared word ---------------------------------------------------------------------------------------------
//
//   bit 0   IN_INBOX   linked into the inbox (the link is in use, and the inbox holds a reference)
//   bit 1   ABORT      another thread asks for an abort
//   bit 2   DETACH     another thread dropped the JoinHandle
//   bit 3   DEAF       the task is complete: wakes from other threads need not travel any more
//   bits 4… references: one for the home (executor and JoinHandle together), one a Waker, AbortHandle or inbox link

const IN_INBOX: usize = 1;
const ABORT: usize = 2;
const DETACH: usize = 4;
const DEAF: usize = 8;
const REFERENCE: usize = 16;
const FLAGS: usize = REFERENCE - 1;

/// The word that any thread may touch.
pub(crate) struct Shared(AtomicUsize);

/// What a thread asks of a task that lives on another one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Request {
    Wake,
    Abort,
    Detach,
}

/// What a caller of [`Shared::request`] must do.
#[must_use]
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Requested {
    /// The request is on its way, or came too late to matter.
    Nothing,
    /// Link the task into the inbox, which takes over a reference that was counted for it.
    PushToInbox,
}

/// What a caller that gave up a reference must do.
#[must_use]
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Released {
    /// Others hold the task.
    Kept,
    /// It was the last one: free the task's memory.
    Free,
}

/// What other threads asked for since the task was last taken out of the inbox.
#[must_use]
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Arrival {
    pub(crate) abort: bool,
    pub(crate) detach: bool,
}

impl Shared {
    /// One reference: the home's.
    pub(crate) fn new() -> Shared {
        Shared(AtomicUsize::new(REFERENCE))
    }

    /// Two references and the mark of the inbox: a task that another thread makes and sends home.
    pub(crate) fn new_in_inbox() -> Shared {
        Shared(AtomicUsize::new((2 * REFERENCE) | IN_INBOX))
    }

    /// Another thread wakes, aborts or detaches. Also publishes what that thread wrote before to the poll that follows,
    /// even if the task was in the inbox already: hence always a read-modify-write.
    pub(crate) fn request(&self, request: Request) -> Requested {
        let asked = match request {
            Request::Wake => IN_INBOX,
            Request::Abort => IN_INBOX | ABORT,
            Request::Detach => IN_INBOX | DETACH,
        };
        let mut word = self.0.load(Ordering::Relaxed);
        loop {
            if word & DEAF != 0 && request != Request::Detach {
                return Requested::Nothing;
            }
            let linked = if word & IN_INBOX == 0 { REFERENCE } else { 0 };
            match self.0.compare_exchange_weak(word, (word | asked) + linked, Ordering::AcqRel, Ordering::Relaxed) {
                Ok(_) if linked != 0 => return Requested::PushToInbox,
                Ok(_) => return Requested::Nothing,
                Err(now) => word = now,
            }
        }
    }

    /// The home thread took the task out of the inbox. The inbox's reference is now the caller's to release.
    pub(crate) fn take_in(&self) -> Arrival {
        let word = self.0.fetch_and(!(IN_INBOX | ABORT | DETACH), Ordering::AcqRel);
        debug_assert!(word & IN_INBOX != 0, "a task was taken out of an inbox that it was not in");
        Arrival { abort: word & ABORT != 0, detach: word & DETACH != 0 }
    }

    /// The task is complete, and somebody elsewhere still wakes it: from now on that is a no-op.
    pub(crate) fn deafen(&self) {
        self.0.fetch_or(DEAF, Ordering::Relaxed);
    }

    /// One more reference, by one who has one.
    #[inline]
    pub(crate) fn acquire(&self) {
        let before = self.0.fetch_add(REFERENCE, Ordering::Relaxed);
        // 2^60 references do not fit into memory: only leaked ones get here. std's Arc ends the process likewise.
        if before > usize::MAX / 2 {
            std::process::abort();
        }
    }

    /// One reference less.
    #[inline]
    pub(crate) fn release(&self) -> Released {
        // The only holder cannot be raced, which saves the read-modify-write in the commonest case.
        if self.0.load(Ordering::Acquire) & !FLAGS == REFERENCE {
            return Released::Free;
        }
        if self.0.fetch_sub(REFERENCE, Ordering::Release) & !FLAGS == REFERENCE {
            fence(Ordering::Acquire);
            return Released::Free;
        }
        Released::Kept
    }

    /// How many there are, the home's among them. If it is one, nobody can make it more but the home thread.
    pub(crate) fn references(&self) -> usize {
        self.0.load(Ordering::Relaxed) / REFERENCE
    }
}

// ---- the owner's word --------------------------------------------------------------------------------------------

const QUEUED: u8 = 1;
const RUNNING: u8 = 2;
const COMPLETE: u8 = 4;
const ABORTED: u8 = 8;
/// A JoinHandle exists. The home's reference is held by the executor (not COMPLETE) and the handle (HELD) together.
const HELD: u8 = 16;

/// The word that only the home thread touches.
pub(crate) struct Owner(Cell<u8>);

/// What a caller of [`Owner::wake`] must do.
#[must_use]
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Woken {
    /// The task is queued already, will be when its poll ends, or is complete.
    Nothing,
    /// Put it into the run queue.
    Enqueue,
}

/// What to do with a task that was taken out of the run queue.
#[must_use]
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Begin {
    Poll,
    /// It was aborted: drop the future instead.
    Cancel,
}

/// What to do with a task whose poll returned `Pending`.
#[must_use]
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Ended {
    /// It waits.
    Idle,
    /// It was woken while it ran.
    Enqueue,
}

/// Who is to have the output of a completed task, or of one whose handle was dropped.
#[must_use]
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// Nobody: drop it, and release the home's reference.
    Discard,
    /// The handle (after [`Owner::complete`]); or there is none yet (after [`Owner::detach`]).
    Keep,
}

impl Owner {
    /// A new task: queued, with a handle.
    pub(crate) fn new() -> Owner {
        Owner(Cell::new(QUEUED | HELD))
    }

    /// A task made elsewhere: not queued yet, and without a handle of ours.
    pub(crate) fn new_remote() -> Owner {
        Owner(Cell::new(0))
    }

    fn has(&self, flag: u8) -> bool {
        self.0.get() & flag != 0
    }

    fn set(&self, flag: u8) {
        self.0.set(self.0.get() | flag);
    }

    fn clear(&self, flag: u8) {
        self.0.set(self.0.get() & !flag);
    }

    /// Edge 1.
    #[inline]
    pub(crate) fn wake(&self) -> Woken {
        if self.has(QUEUED | COMPLETE) {
            return Woken::Nothing;
        }
        self.set(QUEUED);
        if self.has(RUNNING) { Woken::Nothing } else { Woken::Enqueue }
    }

    /// Edge 1, for a task that shall be cancelled when its turn comes. Never cancels on the spot: the caller may be
    /// the task itself.
    pub(crate) fn abort(&self) -> Woken {
        if !self.has(COMPLETE) {
            self.set(ABORTED);
        }
        self.wake()
    }

    /// Edge 2.
    #[inline]
    pub(crate) fn begin_poll(&self) -> Begin {
        debug_assert!(self.has(QUEUED) && !self.has(RUNNING | COMPLETE), "only a queued task is begun");
        self.clear(QUEUED);
        self.set(RUNNING);
        if self.has(ABORTED) { Begin::Cancel } else { Begin::Poll }
    }

    /// Edge 2 at the end of the runtime, for a task that may not even be queued: its future is dropped next. From here
    /// on no wake can queue it.
    pub(crate) fn begin_last(&self) {
        debug_assert!(!self.has(COMPLETE), "a task ends once");
        self.clear(QUEUED);
        self.set(RUNNING);
    }

    /// Edge 3.
    #[inline]
    pub(crate) fn end_poll(&self) -> Ended {
        debug_assert!(self.has(RUNNING), "only a running task's poll ends");
        self.clear(RUNNING);
        if self.has(QUEUED) { Ended::Enqueue } else { Ended::Idle }
    }

    /// Edge 4. The future has been dropped and the output stored.
    #[inline]
    pub(crate) fn complete(&self) -> Outcome {
        debug_assert!(!self.has(COMPLETE), "a task completes once");
        self.clear(QUEUED | RUNNING | ABORTED);
        self.set(COMPLETE);
        if self.has(HELD) { Outcome::Keep } else { Outcome::Discard }
    }

    /// The handle is gone.
    pub(crate) fn detach(&self) -> Outcome {
        debug_assert!(self.has(HELD), "a handle is dropped once");
        self.clear(HELD);
        if self.has(COMPLETE) { Outcome::Discard } else { Outcome::Keep }
    }

    pub(crate) fn is_complete(&self) -> bool {
        self.has(COMPLETE)
    }

    pub(crate) fn is_running(&self) -> bool {
        self.has(RUNNING)
    }

    pub(crate) fn is_queued(&self) -> bool {
        self.has(QUEUED)
    }
}

//! The state of a task, in three words, and every transition that there is.
//!
//! A task's state is split by *who may touch it* (the owner rule, see `mod.rs`):
//!
//! - [`Shared`] is atomic, for any thread: references that other threads count, and their requests.
//! - [`Owner`] is a plain cell, for the runtime's thread only: where the task is in its life. [`Tally`] too: the references
//!   that this thread counts.
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

use super::atomic::{AtomicU32, Ordering, fence};
use crate::observer::TaskId;

// ---- the shared word ---------------------------------------------------------------------------------------------
//
//   bit 0   IN_INBOX   linked into the inbox (the link is in use, and the inbox holds a reference)
//   bit 1   ABORT      another thread asks for an abort
//   bit 2   DETACH     another thread dropped the JoinHandle
//   bit 3   DEAF       the task is complete: wakes from other threads need not travel any more
//   bits 4… references counted here, from a bias: see `Tally`

const IN_INBOX: u32 = 1;
const ABORT: u32 = 2;
const DETACH: u32 = 4;
const DEAF: u32 = 8;
const REFERENCE: u32 = 16;

/// Keeps the word's count away from zero, whatever is released elsewhere that was counted at home.
const BIAS: u32 = 1 << 27;

/// More references to one task at once than any program has: as wakers they would fill a gigabyte. std's Arc ends the
/// process likewise at its limit.
const MOST: u32 = 1 << 26;

/// How far the tally goes from zero before the shared word takes over what it has.
const FAR: u32 = MOST / 2;

/// The word that any thread may touch.
pub(crate) struct Shared(AtomicU32);

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
    /// Nothing is counted here: the home's reference stands in the tally.
    pub(crate) fn new() -> Shared {
        Shared(AtomicU32::new(BIAS * REFERENCE))
    }

    /// Two references and the mark of the inbox: a task that another thread makes and sends home.
    pub(crate) fn new_in_inbox() -> Shared {
        Shared(AtomicU32::new(((BIAS + 2) * REFERENCE) | IN_INBOX))
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

    /// One more reference, by one who has one. From any thread.
    pub(crate) fn acquire(&self) {
        let before = self.0.fetch_add(REFERENCE, Ordering::Relaxed);
        if before / REFERENCE > BIAS + MOST {
            std::process::abort();
        }
    }

    /// One reference less. From any thread.
    pub(crate) fn release(&self) -> Released {
        // The only holder cannot be raced, which saves the read-modify-write.
        if self.0.load(Ordering::Acquire) / REFERENCE == 1 {
            return Released::Free;
        }
        if self.0.fetch_sub(REFERENCE, Ordering::Release) / REFERENCE == 1 {
            fence(Ordering::Acquire);
            return Released::Free;
        }
        Released::Kept
    }
}

// ---- the tally ---------------------------------------------------------------------------------------------------

/// The references that are counted at home, where that costs no atomic operation: a biased count.
///
/// A reference is counted where it is made and uncounted where it ends, so this may wrap below zero; with the shared word,
/// less its bias, it says how many there are. When the home's own reference ends, the tally is *settled*: added to the shared
/// word, which from then on is the whole truth. What it finds there is a consistent cut: a reference that came home from
/// another thread brought the news of that thread's counting along.
///
/// After Choi, Shull, Torrellas: "Biased Reference Counting", PACT 2018, with an owner that ends explicitly.
pub(crate) struct Tally(Cell<u32>);

/// What a settled tally says: no number of references.
const SETTLED: u32 = 1 << 31;

impl Tally {
    /// The home's reference.
    pub(crate) fn new() -> Tally {
        Tally(Cell::new(1))
    }

    /// A task made elsewhere, whose references stand in the shared word.
    pub(crate) fn new_remote() -> Tally {
        Tally(Cell::new(0))
    }

    /// One more, on the home thread. `false`: it is settled, count in the shared word.
    #[inline]
    pub(crate) fn acquire(&self, shared: &Shared) -> bool {
        if self.is_far() && !self.come_back(shared) {
            return false;
        }
        self.0.set(self.0.get().wrapping_add(1));
        true
    }

    /// One less, on the home thread, and never the last. `false` as above.
    #[inline]
    pub(crate) fn release(&self, shared: &Shared) -> bool {
        if self.is_far() && !self.come_back(shared) {
            return false;
        }
        self.0.set(self.0.get().wrapping_sub(1));
        true
    }

    /// What is settled is far, too.
    #[inline]
    fn is_far(&self) -> bool {
        self.0.get().wrapping_add(FAR) >= 2 * FAR
    }

    /// Wakers that are always made here and always end elsewhere, or the other way round, drive the two counts apart: now
    /// and then they are brought together. `false`: it is settled.
    #[cold]
    fn come_back(&self, shared: &Shared) -> bool {
        if self.0.get() == SETTLED {
            return false;
        }
        let rest = self.0.replace(1).wrapping_sub(1);
        let before = shared.0.fetch_add(rest.wrapping_mul(REFERENCE), Ordering::AcqRel);
        if (before / REFERENCE).wrapping_add(rest) > BIAS + MOST {
            std::process::abort();
        }
        true
    }

    /// The home's reference ends, and the tally with it.
    pub(crate) fn settle(&self, shared: &Shared) -> Released {
        let rest = self.0.replace(SETTLED).wrapping_sub(1);
        // Nobody else has a reference: nobody can make one either.
        if (shared.0.load(Ordering::Acquire) / REFERENCE).wrapping_add(rest) == BIAS {
            return Released::Free;
        }
        let more = rest.wrapping_sub(BIAS).wrapping_mul(REFERENCE);
        if shared.0.fetch_add(more, Ordering::AcqRel).wrapping_add(more) / REFERENCE == 0 {
            return Released::Free;
        }
        Released::Kept
    }

    /// How many references there are, the home's among them. If it is one, nobody can make it more but the home thread.
    pub(crate) fn references(&self, shared: &Shared) -> usize {
        let here = if self.0.get() == SETTLED { 0 } else { self.0.get().wrapping_sub(BIAS) };
        (shared.0.load(Ordering::Relaxed) / REFERENCE).wrapping_add(here) as usize
    }
}

// ---- the owner's word --------------------------------------------------------------------------------------------

const QUEUED: u64 = 1;
const RUNNING: u64 = 2;
const COMPLETE: u64 = 4;
const ABORTED: u64 = 8;
/// A JoinHandle exists. The home's reference is held by the executor (not COMPLETE) and the handle (HELD) together.
const HELD: u64 = 16;
/// The stage is an output (T5).
const OUTPUT: u64 = 32;
/// In its last poll it said what it waits for.
const SAID: u64 = 64;
/// It has, or had, a name or a local value.
const EXTRAS: u64 = 128;
/// Above the flags stands the task's number: at a task a nanosecond, 2^56 of them last two years.
const NUMBER: u32 = 8;

/// The word that only the home thread touches: the task's number, and where it is in its life.
pub(crate) struct Owner(Cell<u64>);

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
    #[inline]
    pub(crate) fn new(id: TaskId) -> Owner {
        Owner(Cell::new((id.0 << NUMBER) | QUEUED | HELD))
    }

    /// A task made elsewhere: not queued yet, without a handle of ours, and without a number before it arrives.
    pub(crate) fn new_remote() -> Owner {
        Owner(Cell::new(0))
    }

    #[inline]
    pub(crate) fn id(&self) -> TaskId {
        TaskId(self.0.get() >> NUMBER)
    }

    /// It has arrived.
    pub(crate) fn set_id(&self, id: TaskId) {
        debug_assert!(self.id().0 == 0, "a task gets its number once");
        self.set(id.0 << NUMBER);
    }

    fn has(&self, flag: u64) -> bool {
        self.0.get() & flag != 0
    }

    fn set(&self, flag: u64) {
        self.0.set(self.0.get() | flag);
    }

    fn clear(&self, flag: u64) {
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
        self.0.set((self.0.get() & !(QUEUED | SAID)) | RUNNING);
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
        self.0.set((self.0.get() & !(QUEUED | RUNNING | ABORTED | SAID)) | COMPLETE);
        if self.has(HELD) { Outcome::Keep } else { Outcome::Discard }
    }

    /// The handle is gone.
    pub(crate) fn detach(&self) -> Outcome {
        debug_assert!(self.has(HELD), "a handle is dropped once");
        self.clear(HELD);
        if self.has(COMPLETE) { Outcome::Discard } else { Outcome::Keep }
    }

    /// The stage is an output from now on.
    #[inline]
    pub(crate) fn has_output(&self) {
        self.set(OUTPUT);
    }

    /// Whether the stage is an output; if so it is the caller's, once.
    #[inline]
    pub(crate) fn take_output(&self) -> bool {
        let was = self.has(OUTPUT);
        self.clear(OUTPUT);
        was
    }

    /// It says in this poll what it waits for.
    #[inline]
    pub(crate) fn says(&self) {
        self.set(SAID);
    }

    #[inline]
    pub(crate) fn has_said(&self) -> bool {
        self.has(SAID)
    }

    pub(crate) fn gets_extras(&self) {
        self.set(EXTRAS);
    }

    #[inline]
    pub(crate) fn has_extras(&self) -> bool {
        self.has(EXTRAS)
    }

    /// It takes that back.
    pub(crate) fn unsays(&self) {
        self.clear(SAID);
    }

    #[inline]
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

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    /// Wakers that are made at home and end elsewhere, more of them in a task's life than there may be at once.
    #[test]
    fn counts_that_drift_apart_are_brought_together() {
        let (shared, tally) = (Shared::new(), Tally::new());
        for start in [FAR - 1, FAR.wrapping_neg()] {
            let drift = start.wrapping_sub(tally.0.replace(start)).wrapping_mul(REFERENCE);
            shared.0.fetch_sub(drift, Ordering::Relaxed);
            assert_eq!(tally.references(&shared), 1);
            assert!(tally.acquire(&shared) && tally.acquire(&shared));
            assert_eq!((tally.references(&shared), tally.is_far()), (3, false));
            assert!(tally.release(&shared) && tally.release(&shared));
            assert_eq!(tally.references(&shared), 1);
        }
        assert_eq!(tally.settle(&shared), Released::Free);
    }

    #[test]
    fn a_settled_tally_counts_nothing() {
        let (shared, tally) = (Shared::new(), Tally::new());
        assert!(tally.acquire(&shared));
        assert_eq!(tally.settle(&shared), Released::Kept);
        assert!(!tally.acquire(&shared) && !tally.release(&shared));
        assert_eq!(tally.references(&shared), 1);
        assert_eq!(shared.release(), Released::Free);
    }
}

//! A reference count that costs its owner's thread no atomic operation: a biased count.
//!
//! Every task holds a reference to its home, so spawning and ending a task count; nearly always on the home thread.
//! There the count is a plain cell. Other threads count atomically, from a large bias that keeps their sum away from
//! zero, whatever they release that was counted locally. When the runtime ends, the cell is added and the bias taken
//! off: from then on the atomic word is the whole truth, and whoever brings it to zero frees.
//!
//! After Choi, Shull, Torrellas: "Biased Reference Counting", PACT 2018, made simpler by an owner that ends explicitly.

use std::cell::Cell;

use super::atomic::{AtomicUsize, Ordering, fence};
use super::state::Released;

/// More references than fit into memory.
const BIAS: usize = 1 << (usize::BITS - 2);

/// See the head of this file.
pub(crate) struct Count {
    /// Touched by the home thread only.
    local: Cell<usize>,
    remote: AtomicUsize,
}

impl Count {
    /// One reference.
    pub(crate) fn new() -> Count {
        Count { local: Cell::new(1), remote: AtomicUsize::new(BIAS) }
    }

    /// One more, on the home thread, before `settle`.
    #[inline]
    pub(crate) fn acquire_local(&self) {
        self.local.set(self.local.get().wrapping_add(1));
    }

    /// One less, on the home thread, before `settle`: never the last, since the bias stands. Wraps below zero where
    /// references that were counted elsewhere end here; the sum is what counts.
    #[inline]
    pub(crate) fn release_local(&self) {
        self.local.set(self.local.get().wrapping_sub(1));
    }

    /// One more, on any thread.
    pub(crate) fn acquire_remote(&self) {
        self.remote.fetch_add(1, Ordering::Relaxed);
    }

    /// One less, on any thread.
    pub(crate) fn release_remote(&self) -> Released {
        if self.remote.fetch_sub(1, Ordering::Release) == 1 {
            fence(Ordering::Acquire);
            return Released::Free;
        }
        Released::Kept
    }

    /// The home thread counts locally no more. The caller still holds a reference, so this is never the end.
    pub(crate) fn settle(&self) {
        self.remote.fetch_add(self.local.replace(0).wrapping_sub(BIAS), Ordering::AcqRel);
    }
}

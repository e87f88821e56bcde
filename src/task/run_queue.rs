//! The run queue: tasks that are ready, first in, first out, linked through their headers.
//!
//! A queued task is not complete, so the executor holds it: the queue counts no references. Home thread only.

use std::cell::Cell;
use std::ptr::{self, NonNull};

use super::header::Header;

/// See the head of this file.
pub(crate) struct RunQueue {
    head: Cell<*const Header>,
    tail: Cell<*const Header>,
    length: Cell<usize>,
}

impl RunQueue {
    pub(crate) fn new() -> RunQueue {
        RunQueue { head: Cell::new(ptr::null()), tail: Cell::new(ptr::null()), length: Cell::new(0) }
    }

    /// The caller was told so by [`Owner::wake`](super::state::Owner::wake), once for each time.
    #[inline]
    pub(crate) fn push(&self, task: NonNull<Header>) {
        // SAFETY: T2: home thread; T4: the executor holds a task that is not complete.
        let header = unsafe { task.as_ref() };
        header.queue_next.set(ptr::null());
        let last = self.tail.replace(task.as_ptr());
        // SAFETY: T4: as above, for the one that was pushed last.
        match unsafe { last.as_ref() } {
            Some(last) => last.queue_next.set(task.as_ptr()),
            None => self.head.set(task.as_ptr()),
        }
        self.length.set(self.length.get() + 1);
    }

    #[inline]
    pub(crate) fn pop(&self) -> Option<NonNull<Header>> {
        let task = NonNull::new(self.head.get().cast_mut())?;
        // SAFETY: T2 and T4, as above.
        let next = unsafe { task.as_ref() }.queue_next.get();
        self.head.set(next);
        if next.is_null() {
            self.tail.set(ptr::null());
        }
        self.length.set(self.length.get() - 1);
        Some(task)
    }

    /// Takes out the one that stands behind `before` others.
    pub(crate) fn take(&self, before: usize) -> Option<NonNull<Header>> {
        if before == 0 {
            return self.pop();
        }
        let mut previous = NonNull::new(self.head.get().cast_mut())?;
        for _ in 1..before {
            // SAFETY: T2 and T4, as above.
            previous = NonNull::new(unsafe { previous.as_ref() }.queue_next.get().cast_mut())?;
        }
        // SAFETY: T2 and T4, as above.
        let link = &unsafe { previous.as_ref() }.queue_next;
        let task = NonNull::new(link.get().cast_mut())?;
        // SAFETY: T2 and T4, as above.
        link.set(unsafe { task.as_ref() }.queue_next.get());
        if link.get().is_null() {
            self.tail.set(previous.as_ptr());
        }
        self.length.set(self.length.get() - 1);
        Some(task)
    }

    /// The one that was pushed last; null if the queue is empty. To be compared only.
    #[inline]
    pub(crate) fn last(&self) -> *const Header {
        self.tail.get()
    }

    #[inline]
    pub(crate) fn len(&self) -> usize {
        self.length.get()
    }

    /// Calls `seen` for each task in order, for inspection.
    pub(crate) fn for_each(&self, mut seen: impl FnMut(&Header)) {
        let mut next = self.head.get();
        // SAFETY: T2 and T4, as above; `seen` gets no way to change the queue but through a wake, which appends.
        while let Some(header) = unsafe { next.as_ref() } {
            seen(header);
            next = header.queue_next.get();
        }
    }
}

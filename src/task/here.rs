//! What this thread is doing right now: the thread-local that a waker and a leaf future may look at.
//!
//! It is written by the loop and the executor, and read by wakers (am I on the thread whose loop turns?) and by leaf
//! futures (may I go on? this is what I wait for). All fields are plain cells without destructors, so that it can be
//! read even while the thread ends. On a thread where no runtime turns, everything here is a no-op: that is why `sync`
//! and `io` run on any executor.

use std::cell::Cell;
use std::panic::Location;
use std::ptr;
use std::task::Context;

use super::home::Home;
use crate::observer::{TaskId, Wait, WaitReason};

/// How many leaf operations one poll may complete before the next one yields. Arbitrary: large enough to make the
/// yield free (under a hundredth of the work done), small enough that an endless socket keeps others waiting for less
/// than a tenth of a millisecond.
const OPERATIONS_A_POLL: u32 = 128;

const UNLIMITED: u32 = u32::MAX;

struct Here {
    turning: Cell<*const Home>,
    task: Cell<Option<TaskId>>,
    budget: Cell<u32>,
    wait: Cell<Option<Wait>>,
}

thread_local! {
    static HERE: Here = const {
        Here {
            turning: Cell::new(ptr::null()),
            task: Cell::new(None),
            budget: Cell::new(UNLIMITED),
            wait: Cell::new(None),
        }
    };
}

/// Whether this thread is inside a turn of the runtime whose home this is. The one test on the path of a wake.
#[inline]
pub(crate) fn is_turning(home: *const Home) -> bool {
    HERE.with(|here| ptr::eq(here.turning.get(), home))
}

/// Marks this thread as turning `home` until the guard is dropped; turns of different runtimes nest.
pub(crate) fn enter(home: *const Home) -> Turning {
    HERE.with(|here| Turning { outer: here.turning.replace(home) })
}

/// See [`enter`].
pub(crate) struct Turning {
    outer: *const Home,
}

impl Drop for Turning {
    fn drop(&mut self) {
        HERE.with(|here| here.turning.set(self.outer));
    }
}

/// Notes that a task's poll begins: it gets a full budget.
#[inline]
pub(crate) fn begin_poll(task: TaskId) -> Polling {
    HERE.with(|here| Polling {
        task: here.task.replace(Some(task)),
        budget: here.budget.replace(OPERATIONS_A_POLL),
        wait: here.wait.replace(None),
    })
}

/// What the poll outside of this one (of another runtime, on the same stack) had; restored by [`Polling::end`].
pub(crate) struct Polling {
    task: Option<TaskId>,
    budget: u32,
    wait: Option<Wait>,
}

impl Polling {
    /// Ends the poll, and tells what the task said last that it waits for.
    #[inline]
    pub(crate) fn end(self) -> Option<Wait> {
        HERE.with(|here| {
            here.task.set(self.task);
            here.budget.set(self.budget);
            here.wait.replace(self.wait)
        })
    }
}

/// The task that is being polled on this thread.
pub(crate) fn task() -> Option<TaskId> {
    HERE.with(|here| here.task.get())
}

/// Says what the current task waits for, and where in the user's source. Costs a store; the last one of a poll counts.
#[inline]
pub(crate) fn waits(reason: WaitReason, at: &'static Location<'static>) {
    HERE.with(|here| here.wait.set(Some(Wait { reason, at })));
}

/// Whether this poll has budget left. `false`: the task has been woken and must return `Pending` now, so that others
/// get their turn.
#[inline]
pub(crate) fn may_go_on(cx: &mut Context<'_>) -> bool {
    if HERE.with(|here| here.budget.get()) == 0 {
        cx.waker().wake_by_ref();
        return false;
    }
    true
}

/// A leaf operation was completed. Those that come to nothing do not count: a task may wait for any number at once.
#[inline]
pub(crate) fn spend() {
    HERE.with(|here| {
        let left = here.budget.get();
        // Outside of a runtime the budget never ends.
        if left != UNLIMITED {
            here.budget.set(left.saturating_sub(1));
        }
    });
}

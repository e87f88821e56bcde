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

use super::header::Header;
use super::home::{Home, HomeRef};
use crate::observer::{TaskId, Wait, WaitReason};

/// How many leaf operations one poll may complete before the next one yields. Arbitrary: large enough to make the
/// yield free (under a hundredth of the work done), small enough that an endless socket keeps others waiting for less
/// than a tenth of a millisecond.
const OPERATIONS_A_POLL: u32 = 128;

const UNLIMITED: u32 = u32::MAX;

struct Here {
    turning: Cell<*const Home>,
    /// The header of the task that is being polled; null between polls.
    task: Cell<*const Header>,
    budget: Cell<u32>,
    /// What a poll begins with.
    full_budget: Cell<u32>,
}

thread_local! {
    static HERE: Here = const {
        Here {
            turning: Cell::new(ptr::null()),
            task: Cell::new(ptr::null()),
            budget: Cell::new(UNLIMITED),
            full_budget: Cell::new(OPERATIONS_A_POLL),
        }
    };
}

/// Whether this thread is inside a turn of the runtime whose home this is. The one test on the path of a wake.
#[inline]
pub(crate) fn is_turning(home: *const Home) -> bool {
    HERE.with(|here| ptr::eq(here.turning.get(), home))
}

/// Marks this thread as turning `home` until the guard is dropped. Turns of different runtimes nest: what the outer one
/// was doing is put aside meanwhile.
pub(crate) fn enter(home: *const Home) -> Turning {
    HERE.with(|here| Turning {
        home: here.turning.replace(home),
        task: here.task.replace(ptr::null()),
        budget: here.budget.replace(UNLIMITED),
    })
}

/// See [`enter`]. It holds what the outer turn was doing.
pub(crate) struct Turning {
    home: *const Home,
    task: *const Header,
    budget: u32,
}

impl Drop for Turning {
    fn drop(&mut self) {
        HERE.with(|here| {
            here.turning.set(self.home);
            here.task.set(self.task);
            here.budget.set(self.budget);
        });
    }
}

/// Notes that a task's poll begins, until the guard is dropped: it gets a full budget.
#[inline]
pub(super) fn begin_poll(task: &Header) -> Polling<'_> {
    task.wait.set(None);
    HERE.with(|here| {
        here.task.set(task);
        here.budget.set(here.full_budget.get());
    });
    Polling { _task: task }
}

/// See [`begin_poll`]. It borrows the task, which [`with_task`] relies on.
pub(super) struct Polling<'a> {
    _task: &'a Header,
}

impl Drop for Polling<'_> {
    #[inline]
    fn drop(&mut self) {
        HERE.with(|here| {
            here.task.set(ptr::null());
            here.budget.set(UNLIMITED);
        });
    }
}

/// Polls begin with so small a budget while `code` runs: a task yields early.
pub(crate) fn with_budget<T>(operations: u32, code: impl FnOnce() -> T) -> T {
    /// Also if `code` unwinds.
    struct Before(u32);
    impl Drop for Before {
        fn drop(&mut self) {
            HERE.with(|here| here.full_budget.set(self.0));
        }
    }
    let _before = Before(HERE.with(|here| here.full_budget.replace(operations)));
    code()
}

/// Looks at the header of the task that is being polled on this thread, if there is one.
#[inline]
fn with_task<T>(look: impl FnOnce(&Header) -> T) -> Option<T> {
    // SAFETY: T4: the pointer is not null only while a `Polling` borrows the header.
    HERE.with(|here| unsafe { here.task.get().as_ref() }.map(look))
}

/// The task that is being polled on this thread.
pub(crate) fn task() -> Option<TaskId> {
    with_task(Header::id)
}

/// The same, told apart from the tasks of other runtimes that live.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Who {
    home: usize,
    task: TaskId,
}

impl Who {
    pub(super) fn of(task: &Header) -> Who {
        Who { home: task.home().address(), task: task.id() }
    }

    pub(crate) fn task(self) -> TaskId {
        self.task
    }
}

/// See [`Who`].
#[inline]
pub(crate) fn who() -> Option<Who> {
    with_task(Who::of)
}

/// Looks at the home of the task that is being polled on this thread, and at its executor's key, if there is one.
pub(crate) fn with_key<T>(look: impl FnOnce(&HomeRef, u32) -> T) -> Option<T> {
    with_task(|task| look(task.home(), task.key.get()))
}

/// Says what the current task waits for, and where in the user's source. Costs a store; the last one of a poll counts.
#[inline]
pub(crate) fn waits(reason: WaitReason, at: &'static Location<'static>) {
    with_task(|task| task.wait.set(Some(Wait { reason, at })));
}

/// Takes back what the current task said.
#[cold]
pub(super) fn take_wait() -> Option<Wait> {
    with_task(|task| task.wait.take()).flatten()
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

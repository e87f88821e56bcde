//! What this thread is doing right now: the thread-local that a waker and a leaf future may look at.
//!
//! It is written by the loop and the executor, and read by wakers (am I on the thread whose loop turns?) and by leaf
//! futures (may I go on? this is what I wait for). All fields are plain cells without destructors, so that it can be
//! read even while the thread ends. On a thread where no runtime turns, everything here is a no-op: that is why `sync`
//! and `io` run on any executor.

use std::cell::Cell;
use std::panic::Location;
use std::ptr::{self, NonNull};
use std::task::Context;

use super::header::{Header, TaskRef};
use super::home::Home;
use crate::observer::{TaskId, Wait, WaitReason};

/// How many leaf operations one poll may complete before the next one yields. Arbitrary: large enough to make the
/// yield free (under a hundredth of the work done), small enough that an endless socket keeps others waiting for less
/// than a tenth of a millisecond.
const OPERATIONS_A_POLL: isize = 128;

/// Outside of a runtime. It is spent from like any other, so that nobody has to ask which it is: nothing lives to spend
/// it up.
const UNLIMITED: isize = isize::MAX;

struct Here {
    turning: Cell<*const Home>,
    /// The header of the task that is being polled; null between polls.
    task: Cell<*const Header>,
    budget: Cell<isize>,
    /// What a poll begins with.
    full_budget: Cell<isize>,
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
    budget: isize,
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

/// Notes that a task's poll begins: it gets a full budget. Until [`end_poll`], [`end_unwound_poll`] or the next.
#[inline]
pub(super) fn begin_poll(task: NonNull<Header>) {
    HERE.with(|here| {
        here.task.set(task.as_ptr());
        here.budget.set(here.full_budget.get());
    });
}

/// No task is being polled. To be said before code runs that is none of a poll: not after each, but before what follows.
#[inline]
pub(crate) fn end_poll() {
    HERE.with(|here| {
        here.task.set(ptr::null());
        here.budget.set(UNLIMITED);
    });
}

/// Something has unwound. If it was a poll, that has ended now, and this is whose it was.
pub(crate) fn end_unwound_poll() -> Option<TaskRef> {
    let task = HERE.with(|here| here.task.get());
    end_poll();
    NonNull::new(task.cast_mut()).map(TaskRef)
}

/// Polls begin with so small a budget while `code` runs: a task yields early.
pub(crate) fn with_budget<T>(operations: u32, code: impl FnOnce() -> T) -> T {
    /// Also if `code` unwinds.
    struct Before(isize);
    impl Drop for Before {
        fn drop(&mut self) {
            HERE.with(|here| here.full_budget.set(self.0));
        }
    }
    let _before = Before(HERE.with(|here| here.full_budget.replace(operations as isize)));
    code()
}

/// Looks at the header of the task that is being polled on this thread, if there is one.
#[inline]
pub(crate) fn with_task<T>(look: impl FnOnce(&Header) -> T) -> Option<T> {
    // SAFETY: T4: the pointer is not null only while the executor, which holds that task, polls it; or has just done so,
    // and no code that could end it or look here ran since (`end_poll`).
    HERE.with(|here| unsafe { here.task.get().as_ref() }.map(look))
}

/// The task that is being polled on this thread.
#[inline]
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

/// Says what the current task waits for, and where in the user's source. Costs a store; the last one of a poll counts.
#[inline]
pub(crate) fn waits(reason: WaitReason, at: &'static Location<'static>) {
    with_task(|task| task.set_wait(Wait { reason, at }));
}

/// Takes back what the current task said.
#[cold]
pub(super) fn take_wait() -> Option<Wait> {
    with_task(Header::take_wait).flatten()
}

/// Whether this poll has budget left. `false`: the task has been woken and must return `Pending` now, so that others
/// get their turn.
#[inline]
pub(crate) fn may_go_on(cx: &mut Context<'_>) -> bool {
    has_budget() || {
        come_back(cx);
        false
    }
}

/// The same for a short way, beside a longer one that asks [`may_go_on`]: here nobody is woken.
#[inline]
pub(crate) fn has_budget() -> bool {
    HERE.with(|here| here.budget.get()) > 0
}

#[cold]
fn come_back(cx: &mut Context<'_>) {
    cx.waker().wake_by_ref();
}

/// A leaf operation was completed. Those that come to nothing do not count: a task may wait for any number at once.
#[inline]
pub(crate) fn spend() {
    HERE.with(|here| here.budget.set(here.budget.get() - 1));
}

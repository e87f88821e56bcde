//! The waker of a task: where a wake begins.
//!
//! It compares one thread-local pointer. On the thread whose loop is turning this task's home, the wake is a plain flag
//! and a plain push to the run queue. Anywhere else it is a request in the shared word and a push to the inbox.

use std::mem::ManuallyDrop;
use std::ptr::{self, NonNull};
use std::task::{RawWaker, RawWakerVTable, Waker};

use super::header::{Header, TaskRef};
use super::state::{Request, Requested, Woken};

static VTABLE: RawWakerVTable = RawWakerVTable::new(clone, wake, wake_by_ref, release);

/// A waker for the length of a poll: it has no reference of its own, so making it costs nothing.
#[inline]
pub(crate) fn borrowed_waker(task: &TaskRef) -> ManuallyDrop<Waker> {
    // SAFETY: T4: the executor holds the task while it polls it; a waker that is never dropped releases nothing.
    ManuallyDrop::new(unsafe { Waker::from_raw(RawWaker::new(task.0.as_ptr().cast(), &VTABLE)) })
}

/// Whether this is the waker of a task, of whatever runtime.
#[inline]
pub(crate) fn is_ours(waker: &Waker) -> bool {
    ptr::eq(waker.vtable(), &VTABLE)
}

/// Wakes or aborts a task, from any thread.
#[inline]
pub(super) fn request(task: TaskRef, request: Request) {
    let header = task.header();
    let Some(local) = header.home().turning() else { return request_from_afar(task, request) };
    let woken = match request {
        Request::Abort => header.owner.abort(),
        Request::Wake | Request::Detach => header.owner.wake(),
    };
    if woken == Woken::Enqueue {
        local.enqueue(task.0);
    }
}

/// The same from another thread, or from this one while its loop does not turn.
pub(super) fn request_from_afar(task: TaskRef, request: Request) {
    let header = task.header();
    if header.shared.request(request) == Requested::PushToInbox && !header.home().push(task.0) {
        give_up(task);
    }
}

/// The runtime ended before the task could be pushed. A JoinHandle that was dropped meanwhile saw the mark of the inbox
/// and trusted this thread to carry its request: so it is carried out here.
#[cold]
fn give_up(task: TaskRef) {
    if task.header().take_in().detach {
        // SAFETY: T2: the home is closed, and all tasks that have handles are complete. The handle was on another
        // thread than the task's, so its output is `Send`.
        unsafe { super::handle::detach(task) };
    }
    // SAFETY: T4: the reference that was counted for the inbox.
    unsafe { task.release() };
}

fn task(data: *const ()) -> TaskRef {
    // SAFETY: the data pointer of our wakers is a header's, never null.
    TaskRef(unsafe { NonNull::new_unchecked(data.cast::<Header>().cast_mut()) })
}

unsafe fn clone(data: *const ()) -> RawWaker {
    task(data).header().acquire();
    RawWaker::new(data, &VTABLE)
}

unsafe fn wake(data: *const ()) {
    let task = task(data);
    let header = task.header();
    // The common case, with one look at where we are.
    if let Some(local) = header.home().turning() {
        if header.owner.wake() == Woken::Enqueue {
            local.enqueue(task.0);
        }
        if header.tally.release(&header.shared) {
            return;
        }
    } else {
        request_from_afar(task, Request::Wake);
    }
    // SAFETY: T4: waking by value ends the waker, whose reference this is.
    unsafe { task.release() };
}

unsafe fn wake_by_ref(data: *const ()) {
    request(task(data), Request::Wake);
}

unsafe fn release(data: *const ()) {
    // SAFETY: T4: the waker's own reference.
    unsafe { task(data).release() };
}

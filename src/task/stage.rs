//! The part of a task that depends on its future's type: the stage, and what can be done with it.
//!
//! A stage is a union: the future, and in its place the output. Which of the two it is, the owner's word says (T5).

use std::alloc::Layout;
use std::cell::UnsafeCell;
use std::future::Future;
use std::mem::{ManuallyDrop, offset_of};
use std::pin::Pin;
use std::ptr::NonNull;
use std::task::{Context, Poll};

use super::contain::{Payload, contain};
use super::handle::{JoinError, forget_payload};
use super::header::Header;
use crate::observer::Ending;

/// The whole allocation.
#[repr(C)]
pub(super) struct TaskCell<F: Future> {
    header: Header,
    stage: UnsafeCell<Stage<F>>,
}

#[repr(C)]
union Stage<F: Future> {
    future: ManuallyDrop<F>,
    output: ManuallyDrop<Output<F>>,
}

type Output<F> = Result<<F as Future>::Output, JoinError>;

/// What depends on the future's type. Each function may be called on the home thread only (T2).
pub(super) struct Vtable {
    pub(super) layout: Layout,
    /// Where in the allocation the output stands.
    pub(super) output: usize,
    /// Polls the future. Ready: it has been dropped, and the output stored. A panic of the poll unwinds through.
    pub(super) poll: unsafe fn(NonNull<Header>, &mut Context<'_>) -> Poll<Ending>,
    /// Drops the future unfinished, and stores why: it panicked, or was cancelled.
    pub(super) end: unsafe fn(NonNull<Header>, JoinError) -> Ending,
    /// Drops the output, which the caller has taken over (`Owner::take_output`). If it was a panic, or became one: its payload.
    pub(super) discard: unsafe fn(NonNull<Header>) -> Option<Payload>,
}

/// The functions of the vtable, for one type of future.
pub(super) struct Typed<F>(F);

impl<F: Future> Typed<F> {
    pub(super) const VTABLE: Vtable = Vtable {
        layout: Layout::new::<TaskCell<F>>(),
        output: offset_of!(TaskCell<F>, stage),
        poll: Self::poll,
        end: Self::end,
        discard: Self::discard,
    };

    /// Writes a new task into its memory.
    ///
    /// # Safety
    /// The block has the layout of the vtable, and is nobody else's.
    #[inline]
    pub(super) unsafe fn write(block: NonNull<u8>, header: Header, future: F) -> NonNull<Header> {
        let stage = UnsafeCell::new(Stage { future: ManuallyDrop::new(future) });
        let cell = block.cast::<TaskCell<F>>();
        // SAFETY: the caller's promise.
        unsafe { cell.write(TaskCell { header, stage }) };
        cell.cast()
    }

    /// # Safety
    /// T2 and T4, and the header is of a `TaskCell<F>`.
    #[inline]
    unsafe fn stage(task: NonNull<Header>) -> NonNull<Stage<F>> {
        // SAFETY: the caller's promise; the header is the first field of a `repr(C)` struct.
        let stage = unsafe { task.cast::<TaskCell<F>>().as_ref() }.stage.get();
        // SAFETY: the place of a field is never null.
        unsafe { NonNull::new_unchecked(stage) }
    }

    unsafe fn poll(task: NonNull<Header>, cx: &mut Context<'_>) -> Poll<Ending> {
        // SAFETY: the promise of the vtable.
        let stage = unsafe { Self::stage(task) };
        // SAFETY: T5: the caller's task is not complete; T6: the reference goes to the future's own poll.
        let future = unsafe { &mut *stage.cast::<F>().as_ptr() };
        // SAFETY: a task's future stays where it is until it is dropped in place.
        let Poll::Ready(output) = unsafe { Pin::new_unchecked(future) }.poll(cx) else { return Poll::Pending };
        // SAFETY: as above.
        Poll::Ready(unsafe { Self::finish(task, Ok(output)) })
    }

    unsafe fn end(task: NonNull<Header>, error: JoinError) -> Ending {
        // SAFETY: the promise of the vtable; T5: the caller's task is not complete.
        unsafe { Self::finish(task, Err(error)) }
    }

    /// Drops the future *first*, then stores the output. A panic of that drop is the outcome, whatever came before it.
    ///
    /// # Safety
    /// T2, T4; the stage is a future, and nobody else looks at it.
    unsafe fn finish(task: NonNull<Header>, output: Output<F>) -> Ending {
        // SAFETY: the caller's promise.
        let stage = unsafe { Self::stage(task) };
        let output = if std::mem::needs_drop::<F>() {
            // SAFETY: T5, T6: in place, and once: the stage is overwritten below.
            settle(contain(|| unsafe { stage.cast::<F>().drop_in_place() }), output)
        } else {
            output
        };
        let ending = match &output {
            Ok(_) => Ending::Finished,
            Err(JoinError::Panicked(_)) => Ending::Panicked,
            Err(_) => Ending::Cancelled,
        };
        // SAFETY: the future in it has been dropped, so nothing is lost by overwriting it.
        unsafe { stage.write(Stage { output: ManuallyDrop::new(output) }) };
        // SAFETY: T4: the caller's promise.
        unsafe { task.as_ref() }.owner.has_output();
        ending
    }

    unsafe fn discard(task: NonNull<Header>) -> Option<Payload> {
        // SAFETY: the promise of the vtable.
        let stage = unsafe { Self::stage(task) };
        // SAFETY: T5: the caller took it over; from here on it is nobody's but ours.
        match unsafe { stage.cast::<Output<F>>().read() } {
            Err(JoinError::Panicked(payload)) => Some(payload),
            output => contain(|| drop(output)),
        }
    }
}

/// The output, unless dropping the future panicked: then that.
fn settle<T>(dropped: Option<Payload>, output: Result<T, JoinError>) -> Result<T, JoinError> {
    let Some(payload) = dropped else { return output };
    if let Some(second) = contain(|| drop(output)) {
        forget_payload(second);
    }
    Err(JoinError::Panicked(payload))
}

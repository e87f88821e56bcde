//! The memory of a task: the header, the stage behind it, and the four things that depend on the future's type.

use std::any::Any;
use std::cell::{Cell, UnsafeCell};
use std::future::Future;
use std::mem::ManuallyDrop;
use std::panic::{AssertUnwindSafe, Location, catch_unwind};
use std::pin::Pin;
use std::ptr::{self, NonNull};
use std::task::{Context, Poll, Waker};

use super::atomic::AtomicPtr;
use super::here;
use super::home::HomeRef;
use super::inbox::Node;
use super::join::JoinError;
use super::state::{Arrival, Owner, Released, Shared};
use crate::observer::{Ending, TaskId, Wait};

/// What a panic carries.
pub(crate) type Payload = Box<dyn Any + Send>;

/// The part of a task whose type does not depend on its future. See the picture in `mod.rs`.
#[repr(C)]
pub(crate) struct Header {
    pub(super) shared: Shared,
    inbox_next: AtomicPtr<Header>,
    vtable: &'static Vtable,
    pub(super) home: HomeRef,
    at: &'static Location<'static>,

    pub(crate) owner: Owner,
    /// The executor's key; [`NO_KEY`] for a task that has not arrived at home yet.
    pub(crate) key: Cell<u32>,
    id: Cell<TaskId>,
    pub(super) queue_next: Cell<*const Header>,
    /// Who awaits the JoinHandle.
    joiner: Cell<Option<Waker>>,
    /// What it said in its last poll that it waits for.
    pub(crate) wait: Cell<Option<Wait>>,
}

pub(crate) const NO_KEY: u32 = u32::MAX;

// SAFETY: T3: the link is a field of the header, and whoever pushes it holds the inbox's reference.
unsafe impl Node for Header {
    fn next(&self) -> &AtomicPtr<Header> {
        &self.inbox_next
    }
}

/// What depends on the future's type. Each function may be called on the home thread only (T2), but for `free`.
struct Vtable {
    /// Polls the future. Ready: it has been dropped, and the output stored.
    poll: unsafe fn(NonNull<Header>, &mut Context<'_>) -> Poll<Ending>,
    /// Drops the future unfinished, and stores that it was cancelled.
    cancel: unsafe fn(NonNull<Header>) -> Ending,
    /// Moves the output into an `Option<Result<T, JoinError>>`; leaves it alone if there is none.
    take_output: unsafe fn(NonNull<Header>, *mut ()),
    /// Drops the output. If it was a panic, or became one: its payload.
    discard: unsafe fn(NonNull<Header>) -> Option<Payload>,
    /// Frees the memory.
    free: unsafe fn(NonNull<Header>),
}

impl Header {
    fn new(
        shared: Shared,
        owner: Owner,
        vtable: &'static Vtable,
        home: HomeRef,
        at: &'static Location<'static>,
        id: TaskId,
        key: u32,
    ) -> Header {
        Header {
            shared,
            inbox_next: AtomicPtr::new(ptr::null_mut()),
            vtable,
            home,
            at,
            owner,
            key: Cell::new(key),
            id: Cell::new(id),
            queue_next: Cell::new(ptr::null()),
            joiner: Cell::new(None),
            wait: Cell::new(None),
        }
    }

    #[inline]
    pub(crate) fn id(&self) -> TaskId {
        self.id.get()
    }

    /// A task from elsewhere gets its number when it arrives.
    pub(crate) fn set_id(&self, id: TaskId) {
        self.id.set(id);
    }

    /// The line that spawned it.
    pub(crate) fn at(&self) -> &'static Location<'static> {
        self.at
    }

    /// See [`Shared::take_in`].
    pub(crate) fn take_in(&self) -> Arrival {
        self.shared.take_in()
    }

    /// See [`Shared::deafen`].
    pub(crate) fn deafen(&self) {
        self.shared.deafen();
    }

    /// How many wakers and abort handles there are, and links of the inbox.
    pub(crate) fn references(&self) -> usize {
        self.shared.references() - 1
    }

    #[inline]
    pub(super) fn home(&self) -> &HomeRef {
        &self.home
    }

    pub(super) fn set_joiner(&self, waker: &Waker) {
        // Dropped at the end, when the cell is whole again: a waker's drop is user code (T6).
        let _old = match self.joiner.take() {
            Some(old) if old.will_wake(waker) => {
                self.joiner.set(Some(old));
                None
            }
            old => {
                self.joiner.set(Some(super::keep(waker)));
                old
            }
        };
    }

    pub(crate) fn take_joiner(&self) -> Option<Waker> {
        self.joiner.take()
    }
}

/// A task, not counted: for as long as T4 says. The methods are those of the executor.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct TaskRef(pub(crate) NonNull<Header>);

impl TaskRef {
    /// A new task, queued and with a handle; the caller is to be its executor, and is on the home thread.
    pub(crate) fn new<F: Future>(
        home: HomeRef,
        id: TaskId,
        key: u32,
        at: &'static Location<'static>,
        future: F,
    ) -> TaskRef {
        TaskRef(allocate(future, |vtable| Header::new(Shared::new(), Owner::new(), vtable, home, at, id, key)))
    }

    #[inline]
    pub(crate) fn header(&self) -> &Header {
        // SAFETY: T4: the executor and the handle have a `TaskRef` only while they hold the home's reference.
        unsafe { self.0.as_ref() }
    }

    /// Ready: the future has been dropped, and the output stored.
    #[inline]
    pub(crate) fn poll(&self, cx: &mut Context<'_>) -> Poll<Ending> {
        debug_assert!(self.header().owner.is_running());
        let _polling = here::begin_poll(self.header());
        // SAFETY: T2: the executor is on the home thread. T5: a running task's stage is a future.
        unsafe { (self.header().vtable.poll)(self.0, cx) }
    }

    /// Drops the future, and stores that the task was cancelled.
    pub(crate) fn cancel(&self) -> Ending {
        // SAFETY: T2 as above; T5: the task is not complete.
        unsafe { (self.header().vtable.cancel)(self.0) }
    }

    /// Drops the output.
    ///
    /// # Safety
    /// T2: on the home thread, or as the sole holder of a complete task.
    pub(crate) unsafe fn discard(&self) -> Option<Payload> {
        // SAFETY: the caller's promise.
        unsafe { (self.header().vtable.discard)(self.0) }
    }

    /// Moves the output out, if it is there.
    ///
    /// # Safety
    /// T2 as in `discard`; `T` is the output of the task's future.
    pub(super) unsafe fn take_output<T>(&self) -> Option<Result<T, JoinError>> {
        let mut output: Option<Result<T, JoinError>> = None;
        // SAFETY: the caller's promise; `output` has the type that the vtable's function writes.
        unsafe { (self.header().vtable.take_output)(self.0, (&raw mut output).cast()) };
        output
    }

    /// Gives up a reference, and frees the task if it was the last.
    ///
    /// # Safety
    /// T4: the caller has a reference to give up.
    #[inline]
    pub(crate) unsafe fn release(self) {
        if self.header().shared.release() == Released::Free {
            let free = self.header().vtable.free;
            // SAFETY: T4: nobody references it any more.
            unsafe { free(self.0) };
        }
    }
}

/// A task made on any thread, to be pushed into its home's inbox: it holds the inbox's reference. Its number and key
/// come when it arrives.
///
/// # Safety
/// The future must be safe to send and to drop on another thread as long as it has not been polled.
pub(crate) unsafe fn new_remote<F: Future>(home: HomeRef, at: &'static Location<'static>, future: F) -> TaskRef {
    let (shared, owner) = (Shared::new_in_inbox(), Owner::new_remote());
    TaskRef(allocate(future, |vtable| Header::new(shared, owner, vtable, home, at, TaskId(0), NO_KEY)))
}

/// The whole allocation.
#[repr(C)]
struct TaskCell<F: Future> {
    header: Header,
    stage: UnsafeCell<Stage<F>>,
}

enum Stage<F: Future> {
    Future(ManuallyDrop<F>),
    Output(Result<F::Output, JoinError>),
    Empty,
}

fn allocate<F: Future>(future: F, header: impl FnOnce(&'static Vtable) -> Header) -> NonNull<Header> {
    let stage = UnsafeCell::new(Stage::Future(ManuallyDrop::new(future)));
    let cell = TaskCell { header: header(&Typed::<F>::VTABLE), stage };
    NonNull::from(Box::leak(Box::new(cell))).cast()
}

/// The functions of the vtable, for one type of future.
struct Typed<F>(F);

impl<F: Future> Typed<F> {
    const VTABLE: Vtable = Vtable {
        poll: Self::poll,
        cancel: Self::cancel,
        take_output: Self::take_output,
        discard: Self::discard,
        free: Self::free,
    };

    /// # Safety
    /// T2 and T4, and the header is of a `TaskCell<F>`.
    #[inline]
    unsafe fn stage(task: NonNull<Header>) -> *mut Stage<F> {
        // SAFETY: the caller's promise; the header is the first field of a `repr(C)` struct.
        unsafe { task.cast::<TaskCell<F>>().as_ref() }.stage.get()
    }

    unsafe fn poll(task: NonNull<Header>, cx: &mut Context<'_>) -> Poll<Ending> {
        // SAFETY: the promise of the vtable.
        let stage = unsafe { Self::stage(task) };
        let polled = catch_unwind(AssertUnwindSafe(|| {
            // SAFETY: T6: the reference goes to the future's own poll; nobody else looks at the stage meanwhile.
            let Stage::Future(future) = (unsafe { &mut *stage }) else { unreachable!("polled after the end") };
            // SAFETY: a task's future stays where it is until it is dropped in place.
            unsafe { Pin::new_unchecked(&mut **future) }.poll(cx)
        }));
        let output = match polled {
            Ok(Poll::Pending) => return Poll::Pending,
            Ok(Poll::Ready(output)) => Ok(output),
            Err(payload) => Err(JoinError::Panicked(payload)),
        };
        // SAFETY: T5: the stage was a future.
        Poll::Ready(unsafe { Self::finish(stage, output) })
    }

    unsafe fn cancel(task: NonNull<Header>) -> Ending {
        // SAFETY: the promise of the vtable.
        let stage = unsafe { Self::stage(task) };
        // SAFETY: T5: the caller's task is not complete, so the stage is a future.
        unsafe { Self::finish(stage, Err(JoinError::Cancelled)) }
    }

    /// Drops the future *first*, then stores the output. A panic of that drop is the outcome, whatever came before it.
    ///
    /// # Safety
    /// The stage is a future, and nobody else looks at it.
    unsafe fn finish(stage: *mut Stage<F>, output: Result<F::Output, JoinError>) -> Ending {
        let dropped = contain(|| {
            // SAFETY: T6, as in `poll`.
            let Stage::Future(future) = (unsafe { &mut *stage }) else { unreachable!("ended twice") };
            // SAFETY: in place, and once: the stage is overwritten below without being dropped.
            unsafe { ManuallyDrop::drop(future) }
        });
        let output = match dropped {
            None => output,
            Some(payload) => {
                if let Some(second) = contain(|| drop(output)) {
                    super::join::forget_payload(second);
                }
                Err(JoinError::Panicked(payload))
            }
        };
        let ending = match &output {
            Ok(_) => Ending::Finished,
            Err(JoinError::Panicked(_)) => Ending::Panicked,
            Err(_) => Ending::Cancelled,
        };
        // SAFETY: the future in it has been dropped, so nothing is lost by overwriting it.
        unsafe { stage.write(Stage::Output(output)) };
        ending
    }

    unsafe fn take_output(task: NonNull<Header>, output: *mut ()) {
        // SAFETY: the promise of the vtable.
        let stage = unsafe { Self::stage(task) };
        // SAFETY: T6: no user code in this statement.
        match unsafe { stage.replace(Stage::Empty) } {
            Stage::Output(value) => {
                // SAFETY: `TaskRef::take_output` gives a place of this type.
                unsafe { *output.cast::<Option<Result<F::Output, JoinError>>>() = Some(value) };
            }
            Stage::Empty => {}
            Stage::Future(_) => unreachable!("the output of a task that is not complete"),
        }
    }

    unsafe fn discard(task: NonNull<Header>) -> Option<Payload> {
        // SAFETY: the promise of the vtable.
        let stage = unsafe { Self::stage(task) };
        // SAFETY: T6: the output is dropped below, outside of the stage.
        match unsafe { stage.replace(Stage::Empty) } {
            Stage::Output(Err(JoinError::Panicked(payload))) => Some(payload),
            Stage::Output(output) => contain(|| drop(output)),
            Stage::Empty => None,
            Stage::Future(_) => unreachable!("the output of a task that is not complete"),
        }
    }

    unsafe fn free(task: NonNull<Header>) {
        // SAFETY: T4: nobody references it; it was made by `allocate` as this type.
        drop(unsafe { Box::from_raw(task.cast::<TaskCell<F>>().as_ptr()) });
    }
}

/// Runs code of the user's that must not unwind into the runtime. Its panic, if it does.
pub(crate) fn contain(code: impl FnOnce()) -> Option<Payload> {
    catch_unwind(AssertUnwindSafe(code)).err()
}

/// Wakes somebody whose waker may be anyone's; a panic of it ends here, after the panic hook has reported it.
#[inline]
pub(crate) fn wake(waker: Waker) {
    if let Some(payload) = contain(|| waker.wake()) {
        super::join::forget_payload(payload);
    }
}

/// Drops what holds wakers of others, likewise.
pub(crate) fn let_go<T>(wakers: T) {
    if let Some(payload) = contain(|| drop(wakers)) {
        super::join::forget_payload(payload);
    }
}

//! The floor: the least that any executor on one thread could do for this work. No rival, and no runtime.
//!
//! One `Box` a task, an intrusive queue, plain cells. It has no cancellation, no thread safety (a waker sent to
//! another thread is undefined behaviour), no care for panics and no I/O; a task that nothing holds or wakes is
//! dropped. What a real runtime costs above this is the price of those.
//!
//! # Access rules
//!
//! 1. Everything here is used by one thread only. The workloads keep that: they start no thread.
//! 2. A `TaskRef` holds one count of its task, which is freed with the last. Each waker, the queue's link and the
//!    `Join` is one; so a `TaskRef` may always reach its header, and only the last one frees.
//! 3. `slot` is reached by the executor while it polls (only from the queue, which polls one task at a time, never
//!    within another's poll), and by the `Join` only once `done` is set: never by two at once.
//! 4. `Task` is `#[repr(C)]` and begins with its header, and pointers to the header come from the box of the whole
//!    task: one may be cast to the other.

use std::cell::{Cell, UnsafeCell};
use std::future::Future;
use std::marker::PhantomData;
use std::mem::{self, ManuallyDrop};
use std::pin::Pin;
use std::ptr::{self, NonNull};
use std::task::{Context, Poll, RawWaker, RawWakerVTable, Waker};
use std::time::Duration;

use super::floor_channel::{Bounded, Unbounded};
use super::floor_timer::Sleep;
use super::rival::{Remote, Rival};
use super::row::{Kind, Row, Work};

#[derive(Clone, Copy)]
pub struct Floor;

impl Rival for Floor {
    type Runtime = ();
    type Join = Join<u64>;
    type Bounded = Bounded;
    type Unbounded = Unbounded;
    type RemoteBounded = NoRemote;
    type RemoteUnbounded = NoRemote;

    fn offers(row: &Row) -> bool {
        row.kind != Kind::Threads && !matches!(row.work, Work::TimersFire { .. })
    }

    fn make() {}

    /// The main future is a task like any other. What is queued in the end stays so: the workloads leave nothing.
    fn block_on<F>(_runtime: &mut (), main: impl FnOnce(Floor) -> F) -> F::Output
    where
        F: Future<Output: 'static> + 'static,
    {
        let join = spawn(main(Floor));
        while !join.task.header().done.get() {
            let mut batch = QUEUE.with(|queue| queue.take());
            assert!(batch.is_some(), "no task is ready, and none ever will be");
            while let Some(task) = batch {
                batch = task.header().next.take();
                task.run();
            }
        }
        join.take()
    }

    fn spawn(&self, task: impl Future<Output = u64> + 'static) -> Join<u64> {
        spawn(task)
    }

    fn value(joined: u64) -> u64 {
        joined
    }

    fn sleep(length: Duration) -> impl Future {
        Sleep::new(length)
    }
}

/// No channel from other threads.
pub struct NoRemote;

impl Remote for NoRemote {
    type Sender = ();
    type Receiver = ();

    fn new(_capacity: usize) -> ((), ()) {
        unreachable!("no thread is offered")
    }

    fn send(_sender: &mut (), _value: u64) {}

    async fn receive(_receiver: &mut ()) -> Option<u64> {
        None
    }
}

// The task.

#[repr(C)]
struct Task<F: Future> {
    header: Header,
    slot: UnsafeCell<Slot<F>>,
}

struct Header {
    next: Cell<Option<TaskRef>>,
    count: Cell<usize>,
    queued: Cell<bool>,
    done: Cell<bool>,
    joiner: Cell<Option<Waker>>,
    methods: &'static Methods,
}

enum Slot<F: Future> {
    Future(F),
    Output(F::Output),
    Taken,
}

/// What depends on the type of the future. Each wants a live task of that type.
struct Methods {
    poll: unsafe fn(NonNull<Header>, &mut Context),
    /// Moves the output to where the second pointer says; the task is done, and this is the first time.
    take: unsafe fn(NonNull<Header>, *mut ()),
    free: unsafe fn(NonNull<Header>),
}

impl<F: Future> Task<F> {
    const METHODS: Methods = Methods { poll: Self::poll, take: Self::take, free: Self::free };

    unsafe fn poll(header: NonNull<Header>, context: &mut Context) {
        // SAFETY: rule 4, and the caller's promise that the task is live and of this type.
        let task = unsafe { header.cast::<Self>().as_ref() };
        // SAFETY: rule 3.
        let slot = unsafe { &mut *task.slot.get() };
        let Slot::Future(future) = slot else { return };
        // SAFETY: the future stays in its box until it is dropped in place.
        let future = unsafe { Pin::new_unchecked(future) };
        if let Poll::Ready(output) = future.poll(context) {
            *slot = Slot::Output(output);
            task.header.done.set(true);
            if let Some(joiner) = task.header.joiner.take() {
                joiner.wake();
            }
        }
    }

    unsafe fn take(header: NonNull<Header>, output: *mut ()) {
        // SAFETY: rule 4, and the caller's promise that the task is live and of this type.
        let task = unsafe { header.cast::<Self>().as_ref() };
        // SAFETY: rule 3.
        let slot = unsafe { &mut *task.slot.get() };
        let Slot::Output(value) = mem::replace(slot, Slot::Taken) else { panic!("the output was taken already") };
        // SAFETY: the caller promises room for an output there.
        unsafe { output.cast::<F::Output>().write(value) };
    }

    unsafe fn free(header: NonNull<Header>) {
        // SAFETY: it was made by `Box::into_raw` as this type (rule 4), and this was the last count (rule 2).
        drop(unsafe { Box::from_raw(header.cast::<Self>().as_ptr()) });
    }
}

fn spawn<F: Future + 'static>(future: F) -> Join<F::Output> {
    let header = Header {
        next: Cell::new(None),
        count: Cell::new(1),
        queued: Cell::new(false),
        done: Cell::new(false),
        joiner: Cell::new(None),
        methods: &Task::<F>::METHODS,
    };
    let task = Box::into_raw(Box::new(Task { header, slot: UnsafeCell::new(Slot::Future(future)) }));
    let task = TaskRef(NonNull::new(task.cast()).expect("a box is not null"));
    task.wake_by_ref();
    Join { task, output: PhantomData }
}

// One count of it.

struct TaskRef(NonNull<Header>);

impl TaskRef {
    fn header(&self) -> &Header {
        // SAFETY: rule 2.
        unsafe { self.0.as_ref() }
    }

    fn wake_by_ref(&self) {
        if !self.header().queued.replace(true) {
            QUEUE.with(|queue| queue.push(self.clone()));
        }
    }

    /// Polls it. The waker it is shown is counted with `self`: a clone of it counts for itself.
    fn run(self) {
        self.header().queued.set(false);
        let pointer = self.0.as_ptr().cast_const().cast();
        // SAFETY: the table's functions keep the contract of wakers (on one thread: rule 1), and the data is theirs.
        let waker = ManuallyDrop::new(unsafe { Waker::from_raw(RawWaker::new(pointer, &WAKER)) });
        // SAFETY: the task is live (rule 2), and its methods are those of its type.
        unsafe { (self.header().methods.poll)(self.0, &mut Context::from_waker(&waker)) };
    }
}

impl Clone for TaskRef {
    fn clone(&self) -> TaskRef {
        let count = &self.header().count;
        count.set(count.get() + 1);
        TaskRef(self.0)
    }
}

impl Drop for TaskRef {
    fn drop(&mut self) {
        let count = self.header().count.get() - 1;
        self.header().count.set(count);
        if count == 0 {
            let free = self.header().methods.free;
            // SAFETY: this was the last count (rule 2), and its methods are those of its type.
            unsafe { free(self.0) };
        }
    }
}

// The waker: a `TaskRef` as a pointer.

static WAKER: RawWakerVTable = RawWakerVTable::new(clone_waker, wake, wake_by_ref, drop_waker);

/// The `TaskRef` that a waker is, without its count: the waker keeps that.
///
/// # Safety
/// The pointer is the data of a live waker of ours.
unsafe fn borrowed(waker: *const ()) -> ManuallyDrop<TaskRef> {
    let header = NonNull::new(waker.cast_mut().cast()).expect("a waker's data is its task");
    ManuallyDrop::new(TaskRef(header))
}

unsafe fn clone_waker(waker: *const ()) -> RawWaker {
    // SAFETY: called by a live waker of ours, as are the three below.
    mem::forget(TaskRef::clone(&*unsafe { borrowed(waker) }));
    RawWaker::new(waker, &WAKER)
}

unsafe fn wake(waker: *const ()) {
    // SAFETY: as above; the waker ends here, so its count is ours.
    let task = ManuallyDrop::into_inner(unsafe { borrowed(waker) });
    if !task.header().queued.replace(true) {
        QUEUE.with(|queue| queue.push(task));
    }
}

unsafe fn wake_by_ref(waker: *const ()) {
    // SAFETY: as above.
    unsafe { borrowed(waker) }.wake_by_ref();
}

unsafe fn drop_waker(waker: *const ()) {
    // SAFETY: as above; the waker ends here, so its count is ours.
    drop(ManuallyDrop::into_inner(unsafe { borrowed(waker) }));
}

// The queue: linked through the headers, first in, first out.

struct Queue {
    first: Cell<Option<TaskRef>>,
    /// The `next` of the last task, alive with that task (rule 2); null while the queue is empty.
    end: Cell<*const Cell<Option<TaskRef>>>,
}

thread_local! {
    // Without a destructor, access to it is one load: there is nothing to register or to ask.
    static QUEUE: ManuallyDrop<Queue> = const {
        ManuallyDrop::new(Queue { first: Cell::new(None), end: Cell::new(ptr::null()) })
    };
}

impl Queue {
    fn push(&self, task: TaskRef) {
        let end = self.end.replace(&task.header().next);
        if end.is_null() {
            self.first.set(Some(task));
        } else {
            // SAFETY: it is the `next` of the last queued task, and not null.
            unsafe { &*end }.set(Some(task));
        }
    }

    /// Takes all there is: the first task, linked to the others.
    fn take(&self) -> Option<TaskRef> {
        self.end.set(ptr::null());
        self.first.take()
    }
}

// The handle.

pub struct Join<T> {
    task: TaskRef,
    output: PhantomData<T>,
}

impl<T> Join<T> {
    /// The output of a task that is done.
    fn take(&self) -> T {
        let mut output = mem::MaybeUninit::<T>::uninit();
        let take = self.task.header().methods.take;
        // SAFETY: the task is live (rule 2), its methods are those of its type, whose output is a `T`.
        unsafe { take(self.task.0, output.as_mut_ptr().cast()) };
        // SAFETY: `take` has written it.
        unsafe { output.assume_init() }
    }
}

impl<T> Future for Join<T> {
    type Output = T;

    fn poll(self: Pin<&mut Self>, context: &mut Context) -> Poll<T> {
        let header = self.task.header();
        if header.done.get() {
            return Poll::Ready(self.take());
        }
        header.joiner.set(Some(context.waker().clone()));
        Poll::Pending
    }
}

//! The loop: the only module that knows both sides.
//!
//! [`Runtime`] is the owned value that programs hold. The loop behind it (`turn.rs`) joins the executor to the reactor and
//! the timers. `current.rs` finds the runtime of this thread, `spawner.rs` reaches it from others, `inspect.rs` shows
//! what is inside.

mod builder;
mod current;
mod extensions;
mod inspect;
mod local;
mod spawner;
mod spin;
mod stall;
mod surroundings;
mod table;
mod turn;

use std::fmt;
use std::future::Future;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};
use std::panic::Location;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};
use std::time::Instant;

use crate::projection::future_beside;
use crate::task::{JoinError, JoinHandle};

pub use builder::{Builder as TaskBuilder, PanicPolicy, RuntimeBuilder, name};
pub(crate) use current::{at_home, current, current_or_error, inside, on};
pub use inspect::{Snapshot, SourceView, TimerView};
pub use local::{Local, NoTask};
pub use spawner::{RemoteHandle, SpawnError, Spawner};
pub use stall::OnStall;
use stall::{JUDGE, Judge};
pub(crate) use surroundings::world_here;
pub use surroundings::{everywhere, within};
pub use table::{Stall, Stuck, StuckOn};
pub(crate) use turn::Loop;
pub use turn::{Budget, Turn};

/// A runtime for the thread that makes it: an owned value, without globals and without threads of its own.
///
/// Any number of them can exist in one process and on one thread; they do not know of each other. It makes no system
/// call before the first descriptor or the first sleep, and none at all if it needs neither.
///
/// Dropping it ends its tasks: their futures are dropped in the order in which they were spawned, then the wakers of
/// its sockets and timers. What outlives it says so: a join handle gives its result or
/// [`JoinError::Cancelled`], an operation on a socket fails with [`io::ErrorKind::NotConnected`], waking does nothing.
///
/// ```
/// let runtime = coracle::Runtime::new();
/// let task = runtime.spawn(async { 6 * 7 });
/// assert_eq!(runtime.block_on(task).unwrap(), 42);
/// ```
pub struct Runtime {
    event_loop: Rc<Loop>,
    /// `block_on` panics when there is a verdict.
    judge: Option<&'static Judge>,
}

impl Runtime {
    /// A runtime over the operating system's kernel, with default settings. Cannot fail, and makes no system call.
    ///
    /// ```
    /// assert_eq!(coracle::Runtime::new().block_on(async { 1 }), 1);
    /// ```
    #[allow(clippy::new_without_default, reason = "a runtime is not a neutral element; write `new`")]
    pub fn new() -> Runtime {
        Runtime::builder().build()
    }

    /// Settings, then a runtime.
    ///
    /// ```
    /// use coracle::{PanicPolicy, Runtime};
    /// let runtime = Runtime::builder().panic_policy(PanicPolicy::Log).build();
    /// runtime.block_on(async {});
    /// ```
    pub fn builder() -> RuntimeBuilder {
        RuntimeBuilder::new()
    }

    fn from_loop(event_loop: Rc<Loop>, judge: Option<&'static Judge>) -> Runtime {
        current::register(&event_loop);
        Runtime { event_loop, judge }
    }

    /// Runs until `future` is done, and everything that was spawned meanwhile as far as it comes. Tasks that are left
    /// go on in the next call.
    ///
    /// The future becomes a task like any other. It may borrow from the caller.
    ///
    /// # Panics
    /// With the future's own panic. By the [`PanicPolicy`], with that of a task that nobody awaited. If it is called
    /// inside a task of this very runtime, which could never go on. (Inside a task of *another* runtime it works, and
    /// that one stands still meanwhile.) In a child process after `fork`.
    ///
    /// ```
    /// let runtime = coracle::Runtime::new();
    /// let text = String::from("borrowed");
    /// assert_eq!(runtime.block_on(async { text.len() }), 8);
    /// ```
    #[track_caller]
    pub fn block_on<F: Future>(&self, future: F) -> F::Output {
        match self.run(future, self.judge, Location::caller()) {
            Ok(output) => output,
            Err(stall) => panic!("{}", self.judge.map_or_else(String::new, |judge| (judge.table)(&stall))),
        }
    }

    /// [`block_on`](Runtime::block_on) that gives up when nothing can happen any more: no task is ready, no timer is
    /// set, and nothing outside could wake a task. The future is dropped then; the other tasks wait on.
    ///
    /// It gives up only if that is certain. While anything outside may come, it waits: another thread that has a waker,
    /// a channel between threads, a job, a [`Spawner`], a descriptor whose other end is not known. For those there is
    /// [`hang_after`](RuntimeBuilder::hang_after). One thing is not seen: a thread that was given a `JoinHandle` or a
    /// socket of this runtime and does something with it.
    ///
    /// To know, each waker that is kept costs an allocation, from the first call on. Tasks that wait already are polled
    /// once more.
    ///
    /// # Errors
    /// With the table of all tasks.
    ///
    /// # Panics
    /// As `block_on`.
    ///
    /// ```
    /// let runtime = coracle::Runtime::new();
    /// assert_eq!(runtime.try_block_on(async { 6 * 7 }).unwrap(), 42);
    /// let stall = runtime.try_block_on(async {
    ///     let (_sender, receiver) = coracle::sync::oneshot::channel::<()>();
    ///     receiver.await
    /// });
    /// assert!(stall.unwrap_err().to_string().contains("waits for the value of a oneshot at "));
    /// ```
    #[track_caller]
    pub fn try_block_on<F: Future>(&self, future: F) -> Result<F::Output, Stall> {
        self.run(future, Some(&JUDGE), Location::caller())
    }

    fn run<F: Future>(
        &self,
        future: F,
        judge: Option<&Judge>,
        at: &'static Location<'static>,
    ) -> Result<F::Output, Stall> {
        let ended = self.run_to_the_end(future, judge, at);
        self.event_loop.keep_descriptor_true();
        let (output, own) = match ended? {
            Ok(output) => (Some(output), None),
            Err(JoinError::Panicked(payload)) => (None, Some(payload)),
            Err(error) => unreachable!("the main task is never aborted: {error}"),
        };
        self.event_loop.report_unobserved(own);
        Ok(output.expect("without an output there is a panic that went on"))
    }

    fn run_to_the_end<F: Future>(
        &self,
        future: F,
        judge: Option<&Judge>,
        at: &'static Location<'static>,
    ) -> Result<Result<F::Output, JoinError>, Stall> {
        assert!(
            !self.event_loop.is_turning(),
            "block_on inside a task of the same runtime: it would wait for itself; `.await` instead"
        );
        let _current = current::enter(&self.event_loop);
        // From here on this thread is at home, so that the main task comes and goes as cheaply as any.
        let _turning = self.event_loop.executor.home().turn();
        let main = Main { future, rest: Returned(self.event_loop.clone()) };
        // SAFETY: `Ended` does not let go of this frame before the task has ended, so `main` and all that it borrows
        // live longer; and it is not the caller's to forget.
        let handle = unsafe { self.event_loop.executor.spawn_unchecked(main, None, at) };
        let mut ended = Ended { event_loop: &self.event_loop, handle };
        let verdict = judge.map_or(Ok(()), |judge| (judge.run)(&self.event_loop));
        if judge.is_none() {
            self.event_loop.run_until_main_returns();
        }
        if let Err(stall) = verdict {
            // Before the stall is on its way out: what a destructor that panics meets there would be leaked.
            drop(ended);
            return Err(stall);
        }
        Ok(ended.output())
    }

    /// Makes a task of `future`. It starts when the runtime turns; see [`spawn`].
    ///
    /// ```
    /// let runtime = coracle::Runtime::new();
    /// let task = runtime.spawn(async { "done" });
    /// assert_eq!(runtime.block_on(task).unwrap(), "done");
    /// ```
    #[track_caller]
    pub fn spawn<F: Future + 'static>(&self, future: F) -> JoinHandle<F::Output> {
        self.event_loop.spawn(future, None, Location::caller())
    }

    /// A way to spawn from other threads.
    ///
    /// ```
    /// let runtime = coracle::Runtime::new();
    /// let spawner = runtime.spawner();
    /// let thread = std::thread::spawn(move || spawner.spawn(|| async { 6 * 7 }).unwrap());
    /// let handle = thread.join().unwrap();
    /// assert_eq!(runtime.block_on(handle).unwrap(), 42);
    /// ```
    pub fn spawner(&self) -> Spawner {
        Spawner::new(self.event_loop.executor.home().home().clone())
    }

    /// One turn of the loop, for programs that have a loop of their own. It runs the tasks that are ready, at most
    /// `budget.polls` of them, then looks at the world, waiting for at most `budget.wait` if there is nothing to run.
    ///
    /// # Errors
    /// If the poller cannot be made or fails: timers and tasks were served all the same. If this runtime is turning
    /// already.
    ///
    /// ```
    /// use coracle::{Budget, Runtime};
    /// let runtime = Runtime::new();
    /// let task = runtime.spawn(async { coracle::task::yield_now().await; "done" });
    /// let first = runtime.turn(Budget::no_wait()).unwrap();
    /// assert!(first.polled == 1 && first.more);
    /// let second = runtime.turn(Budget::no_wait()).unwrap();
    /// assert!(second.polled == 1 && !second.more && task.is_finished());
    /// # drop(task);
    /// ```
    pub fn turn(&self, budget: Budget) -> io::Result<Turn> {
        if self.event_loop.is_turning() {
            return Err(io::Error::other("a runtime was turned inside of its own turn"));
        }
        let _current = current::enter(&self.event_loop);
        let turn = self.event_loop.turn(budget);
        self.event_loop.keep_descriptor_true();
        turn
    }

    /// When the next timer is due, if any is set.
    ///
    /// ```
    /// use std::time::{Duration, Instant};
    /// let runtime = coracle::Runtime::new();
    /// assert_eq!(runtime.next_deadline(), None);
    /// let _task = runtime.spawn(async { coracle::time::sleep(Duration::from_secs(60)).await });
    /// runtime.turn(coracle::Budget::no_wait()).unwrap();
    /// assert!(runtime.next_deadline().unwrap() > Instant::now() + Duration::from_secs(50));
    /// ```
    pub fn next_deadline(&self) -> Option<Instant> {
        self.event_loop.timers.next()
    }

    /// The one descriptor of this runtime: readable exactly when [`turn`](Runtime::turn) has something to do, be it
    /// input or output, a wake from anywhere, or a timer that is due. From the first call on, each turn ends with a
    /// system call that keeps it so. Only for waiting: never read from it, and do not close it.
    ///
    /// # Errors
    /// If the poller cannot be made, for lack of descriptors for instance.
    ///
    /// ```
    /// # use std::os::fd::{AsFd, AsRawFd};
    /// let runtime = coracle::Runtime::new();
    /// let descriptor = runtime.descriptor().unwrap();
    /// assert!(descriptor.as_fd().as_raw_fd() >= 0);
    /// ```
    pub fn descriptor(&self) -> io::Result<Descriptor<'_>> {
        self.event_loop.watch()?;
        Ok(Descriptor { event_loop: &self.event_loop })
    }

    /// Runs `code` with this runtime as the current one of the thread, so that it can bind sockets, set timers and
    /// spawn. Runs no task.
    ///
    /// ```
    /// let runtime = coracle::Runtime::new();
    /// let listener = runtime.enter(|| coracle::net::TcpListener::bind("127.0.0.1:0")).unwrap();
    /// assert!(listener.local_addr().unwrap().port() > 0);
    /// ```
    pub fn enter<T>(&self, code: impl FnOnce() -> T) -> T {
        let _current = current::enter(&self.event_loop);
        code()
    }

    /// The time, by the clock of this runtime's world.
    ///
    /// ```
    /// let runtime = coracle::Runtime::new();
    /// assert!(runtime.now() <= runtime.now());
    /// ```
    pub fn now(&self) -> Instant {
        self.event_loop.now()
    }

    /// What is inside, at this moment: the run queue, the tasks and what they wait for, the timers, the sources.
    ///
    /// ```
    /// let runtime = coracle::Runtime::new();
    /// let _task = runtime.spawn(async {});
    /// let snapshot = runtime.inspect();
    /// assert_eq!((snapshot.tasks.len(), snapshot.queue.len()), (1, 1));
    /// ```
    pub fn inspect(&self) -> Snapshot {
        inspect::snapshot(&self.event_loop)
    }
}

impl Drop for Runtime {
    fn drop(&mut self) {
        {
            let _current = current::enter(&self.event_loop);
            self.event_loop.shutdown();
        }
        current::forget(&self.event_loop);
        self.event_loop.report_unobserved(None);
    }
}

impl fmt::Debug for Runtime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Runtime").field("inside", &self.inspect()).finish()
    }
}

/// The descriptor of a runtime; see [`Runtime::descriptor`].
///
/// ```
/// # use std::os::fd::AsRawFd;
/// let runtime = coracle::Runtime::new();
/// assert!(runtime.descriptor().unwrap().as_raw_fd() >= 0);
/// ```
#[derive(Clone, Copy)]
pub struct Descriptor<'a> {
    event_loop: &'a Loop,
}

impl AsFd for Descriptor<'_> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.event_loop.descriptor()
    }
}

impl AsRawFd for Descriptor<'_> {
    fn as_raw_fd(&self) -> RawFd {
        self.as_fd().as_raw_fd()
    }
}

impl fmt::Debug for Descriptor<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Descriptor").field(&self.as_raw_fd()).finish()
    }
}

future_beside! {
    /// The main future as a task: when it is gone, finished or not, the loop is told.
    struct Main<F> { rest: Returned }
}

struct Returned(Rc<Loop>);

impl<F: Future> Future for Main<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        self.project().0.poll(cx)
    }
}

impl Drop for Returned {
    fn drop(&mut self) {
        self.0.main_returned();
    }
}

/// Sees to it that the main task has ended, whatever happens, before the frame that it borrows from.
struct Ended<'a, T> {
    event_loop: &'a Loop,
    handle: JoinHandle<T>,
}

impl<T> Ended<'_, T> {
    fn output(&mut self) -> Result<T, JoinError> {
        match Pin::new(&mut self.handle).poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(output) => output,
            Poll::Pending => unreachable!("the loop returned before the main task"),
        }
    }
}

impl<T> Drop for Ended<'_, T> {
    fn drop(&mut self) {
        if !self.handle.is_finished() {
            self.event_loop.executor.end_now(self.handle.id());
        }
        self.event_loop.main_is_gone();
    }
}

/// Makes a task of `future`, on the runtime of this thread, and puts it at the end of the run queue: tasks are polled
/// first in the order in which they were spawned.
///
/// One allocation. The future need not be `Send`. Dropping the handle lets the task run on.
///
/// # Panics
/// Outside of a runtime; [`Runtime::spawn`] works there too.
///
/// ```
/// coracle::block_on(async {
///     let task = coracle::spawn(async { 6 * 7 });
///     assert_eq!(task.await.unwrap(), 42);
/// });
/// ```
#[track_caller]
pub fn spawn<F: Future + 'static>(future: F) -> JoinHandle<F::Output> {
    let at = Location::caller();
    current::with_current(|current| match current {
        Some(event_loop) => event_loop.spawn(future, None, at),
        None => panic!("spawn: no runtime on this thread; call it inside `block_on`, or use `Runtime::spawn`"),
    })
}

/// Runs `future` on a runtime of its own: the shortest way from `main` into `async`.
///
/// What [`Runtime::new`] and [`Runtime::block_on`] do, one after the other.
///
/// # Panics
/// Inside of a task: it would hold up all others of this thread, and wait for ever if it needs one of them. (Who means
/// that makes a [`Runtime`] there.) As [`Runtime::block_on`] does.
///
/// ```
/// assert_eq!(coracle::block_on(async { 6 * 7 }), 42);
/// ```
#[track_caller]
pub fn block_on<F: Future>(future: F) -> F::Output {
    assert!(crate::task::id().is_none(), "block_on inside of a task: all others would wait for it; `.await` instead");
    Runtime::new().block_on(future)
}

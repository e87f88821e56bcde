//! Seeing inside: the events of a runtime, and the nouns they use.
//!
//! The loop, the executor, the reactor and the timers call an [`Observer`] from one line each; without one, that line
//! is a branch. The events are complete: the run queue, the live tasks, the timers and the sources are what one gets by
//! folding the events over an empty runtime (`tests/it/observer` holds the fold against [`Runtime::inspect`] after
//! every turn). Logs, traces, timelines and test oracles are observers; nothing in the core prints.
//!
//! [`Runtime::inspect`]: crate::Runtime::inspect

pub(crate) mod blame;
mod both;
mod hogs;
mod ledger;

use std::fmt;
use std::os::fd::RawFd;
use std::panic::Location;
use std::rc::Rc;
use std::time::Duration;

pub use blame::LockHolder;
use both::Both;
pub use hogs::{Hog, Hogs};
pub use ledger::{Entry, Ledger};

/// The number of a task: counted from 1 in each runtime, in order of spawning, never used twice.
///
/// ```
/// let runtime = coracle::Runtime::new();
/// let id = runtime.block_on(async { coracle::task::id() });
/// assert_eq!(id.unwrap().to_string(), "task 1");
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TaskId(pub(crate) u64);

impl TaskId {
    /// The bare number.
    ///
    /// ```
    /// let runtime = coracle::Runtime::new();
    /// assert_eq!(runtime.block_on(async { coracle::task::id().unwrap().number() }), 1);
    /// ```
    pub fn number(self) -> u64 {
        self.0
    }
}

impl fmt::Display for TaskId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "task {}", self.0)
    }
}

impl fmt::Debug for TaskId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// What a task waits for. Said by the leaf future that returned `Pending`.
///
/// ```
/// assert_eq!(coracle::observer::WaitReason::Readable(5).to_string(), "descriptor 5 to be readable");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum WaitReason {
    /// A descriptor must become readable.
    Readable(RawFd),
    /// A descriptor must become writable.
    Writable(RawFd),
    /// A deadline must pass.
    Timer,
    /// Another task must end.
    Join(TaskId),
    /// It let the others go first, and is in the run queue.
    Yield,
    /// Something of this thread's that is not a descriptor or a timer, in words: most things of `sync`.
    Sync(&'static str),
    /// A lock, in words, and which one.
    Lock(&'static str, LockId),
    /// Something that other threads bring about, in words.
    Outside(&'static str),
}

/// Which lock: known while somebody waits for it, and of no other use than to be compared.
///
/// ```
/// use coracle::{observer::WaitReason, sync::Mutex};
/// let runtime = coracle::Runtime::new();
/// let mutex = std::rc::Rc::new(Mutex::new(()));
/// let other = mutex.clone();
/// let _task = runtime.spawn(async move { let _guards = (other.lock().await, other.lock().await); });
/// runtime.turn(coracle::Budget::no_wait()).unwrap();
/// assert!(matches!(runtime.inspect().tasks[0].wait.unwrap().reason, WaitReason::Lock("a mutex", _)));
/// ```
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct LockId(pub(crate) u64);

impl fmt::Debug for LockId {
    /// Without its number, which depends on what else the thread has done.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("LockId")
    }
}

impl fmt::Display for WaitReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            WaitReason::Readable(fd) => write!(f, "descriptor {fd} to be readable"),
            WaitReason::Writable(fd) => write!(f, "descriptor {fd} to be writable"),
            WaitReason::Timer => f.write_str("a timer"),
            WaitReason::Join(task) => write!(f, "the end of {task}"),
            WaitReason::Yield => f.write_str("its turn"),
            WaitReason::Sync(what) | WaitReason::Lock(what, _) | WaitReason::Outside(what) => f.write_str(what),
        }
    }
}

/// What a task waits for, and where in the source the waiting operation was begun.
///
/// ```
/// use std::time::Duration;
/// let runtime = coracle::Runtime::new();
/// let task = runtime.spawn(async { coracle::time::sleep(Duration::from_secs(3600)).await });
/// runtime.turn(coracle::Budget::no_wait()).unwrap();
/// let wait = runtime.inspect().tasks[0].wait.unwrap();
/// assert_eq!(wait.reason, coracle::observer::WaitReason::Timer);
/// assert!(wait.to_string().starts_with("waits for a timer at "));
/// # drop(task);
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Wait {
    /// What it waits for.
    pub reason: WaitReason,
    /// The caller of the leaf operation: a line of the program, not of this library.
    pub at: &'static Location<'static>,
}

impl Wait {
    /// Whether both say the same, of the same line.
    pub(crate) fn is_same(&self, other: &Wait) -> bool {
        self.reason == other.reason && self.at == other.at
    }
}

impl fmt::Display for Wait {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "waits for {} at {}", self.reason, self.at)
    }
}

/// How a task ended.
///
/// ```
/// assert_ne!(coracle::observer::Ending::Finished, coracle::observer::Ending::Cancelled);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// Its future returned.
    Finished,
    /// It was aborted, or its runtime ended first.
    Cancelled,
    /// Its future panicked, in a poll or when it was dropped.
    Panicked,
}

/// Is told what happens in a runtime. Every method does nothing by default.
///
/// Called on the runtime's thread, never while the runtime holds a borrow: an observer may spawn and wake. What it must
/// not do is panic: that ends the turn.
///
/// ```
/// use coracle::observer::{Ending, Observer, TaskId};
/// use std::{cell::RefCell, rc::Rc};
///
/// #[derive(Default)]
/// struct Ended(RefCell<Vec<(TaskId, Ending)>>);
/// impl Observer for Ended {
///     fn task_ended(&self, task: TaskId, ending: Ending) {
///         self.0.borrow_mut().push((task, ending));
///     }
/// }
///
/// let seen = Rc::new(Ended::default());
/// let runtime = coracle::Runtime::builder().observer(seen.clone()).build();
/// runtime.block_on(async { coracle::spawn(async {}).await.unwrap() });
/// let seen: Vec<_> = seen.0.borrow().iter().map(|(task, _)| task.number()).collect();
/// assert_eq!(seen, [2, 1]);
/// ```
#[allow(unused_variables, reason = "the default methods ignore what they are told")]
pub trait Observer {
    /// A turn begins.
    fn turn_began(&self) {}
    /// The thread is about to sleep, for at most `time` (`None`: until something happens).
    fn parking(&self, time: Option<Duration>) {}
    /// The thread has slept, and `events` sources became ready.
    fn parked(&self, events: usize) {}

    /// A task was made, and stands for the first time in the run queue (`task_queued` follows).
    fn task_spawned(&self, task: TaskId, at: &'static Location<'static>) {}
    /// The task that was spawned just now has a name.
    fn task_named(&self, task: TaskId, name: &Rc<str>) {}
    /// A task was put at the end of the run queue.
    fn task_queued(&self, task: TaskId) {}
    /// A task was taken from the head of the run queue and is polled, or cancelled.
    fn poll_began(&self, task: TaskId) {}
    /// A poll returned `Pending`; `wait` is what the task said it waits for.
    fn poll_ended(&self, task: TaskId, wait: Option<Wait>) {}
    /// A poll returned `Pending`, and nobody keeps a waker of the task, nor an
    /// [`AbortHandle`](crate::task::AbortHandle): nobody can wake it. Follows `poll_ended`. A future may mean that, as
    /// [`std::future::pending`] does; if not, this is where its wake-up was lost.
    fn waker_lost(&self, task: TaskId) {}
    /// A task is over; its future has been dropped.
    fn task_ended(&self, task: TaskId, ending: Ending) {}

    /// A descriptor was registered with the poller as `source`.
    fn source_added(&self, source: u64, fd: RawFd) {}
    /// The poller reported readiness, as the bits that the source now has.
    fn source_ready(&self, source: u64, bits: u8) {}
    /// An operation found nothing left to do: these bits remain.
    fn source_drained(&self, source: u64, bits: u8) {}
    /// A source was taken out of the poller.
    fn source_removed(&self, source: u64) {}
    /// The poller reported a source that is gone; nobody was woken.
    fn source_stale(&self, source: u64) {}

    /// A timer was set for `deadline`, counted from the runtime's birth.
    fn timer_set(&self, timer: usize, deadline: Duration) {}
    /// A timer was due and its task was woken.
    fn timer_fired(&self, timer: usize) {}
    /// A timer was taken back before it was due.
    fn timer_cancelled(&self, timer: usize) {}
}

/// An observer, if there is one: the branch that the head of this file speaks of.
#[derive(Clone, Default)]
pub(crate) struct Observers(pub(crate) Option<Rc<dyn Observer>>);

impl Observers {
    /// This one too, after those that there are.
    pub(crate) fn and(self, observer: Rc<dyn Observer>) -> Observers {
        Observers(Some(match self.0 {
            Some(first) => Rc::new(Both(first, observer)),
            None => observer,
        }))
    }

    #[inline]
    pub(crate) fn tell(&self, what: impl FnOnce(&dyn Observer)) {
        if let Some(observer) = &self.0 {
            tell_cold(&**observer, what);
        }
    }
}

#[cold]
fn tell_cold(observer: &dyn Observer, what: impl FnOnce(&dyn Observer)) {
    what(observer);
}

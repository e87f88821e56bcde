//! [`Job`]: the right to the result of a closure on the pool. Behind it a slot, which the pool's thread fills once.
//!
//! The slot is plain data in a lock; callbacks, wakers and drops run outside of it.

use std::any::Any;
use std::fmt;
use std::future::Future;
use std::io;
use std::panic::{AssertUnwindSafe, Location, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use super::workers::{Work, Workers, in_a_child};
use crate::observer::WaitReason;
use crate::sync::remote::{Lock, block_until, wake_if_any};
use crate::task::{contain, forget_payload, here, keep, let_go, message};

/// Why a job has no result.
///
/// ```
/// use coracle::blocking::{JobError, submit};
/// coracle::block_on(async {
///     let job = submit(|| -> u8 { panic!("no luck") });
///     assert!(matches!(job.await, Err(JobError::Panicked(payload)) if payload.is::<&str>()));
/// });
/// ```
#[non_exhaustive]
pub enum JobError {
    /// It panicked with this payload; [`std::panic::resume_unwind`] passes it on.
    Panicked(Box<dyn Any + Send + 'static>),
    /// It was cancelled before it began: by [`Job::cancel`], or because its pool ended.
    Cancelled,
    /// It could not begin, and why: the system starts no thread, and the pool has none; the pool was shut down, or is
    /// the parent's of a child process after `fork`; there is no runtime on this thread whose pool could take it.
    NotStarted(io::Error),
}

impl fmt::Display for JobError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            JobError::Panicked(payload) => write!(f, "the job panicked{}", message(payload)),
            JobError::Cancelled => f.write_str("the job was cancelled before it began"),
            JobError::NotStarted(error) => write!(f, "the job could not begin: {error}"),
        }
    }
}

impl std::error::Error for JobError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            JobError::NotStarted(error) => Some(error),
            JobError::Panicked(_) | JobError::Cancelled => None,
        }
    }
}

impl fmt::Debug for JobError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            JobError::Panicked(payload) => write!(f, "Panicked{}", message(payload)),
            JobError::Cancelled => f.write_str("Cancelled"),
            JobError::NotStarted(error) => f.debug_tuple("NotStarted").field(error).finish(),
        }
    }
}

/// With the kind of what kept it from beginning.
impl From<JobError> for io::Error {
    fn from(error: JobError) -> io::Error {
        match error {
            JobError::NotStarted(error) => error,
            // A payload need not be `Sync`, and an error must be: so only what it said is passed on.
            other => io::Error::other(other.to_string()),
        }
    }
}

/// What a closure on the pool will return; made by [`Pool::submit`](super::Pool::submit) and [`submit`](super::submit).
///
/// It is the future of the result, on any executor, and can be waited for by a plain thread too. Dropping it
/// *detaches*: the closure runs all the same, and its result is dropped on the pool's thread (or with the `Job`, if it
/// is there already). A panic that nobody asks for is reported by the panic hook and nowhere else.
///
/// **Cancel safety**: cancel-safe. `&mut job` can be awaited; a result not yet taken stays. **Panics** if polled again
/// after it gave its result.
///
/// ```
/// coracle::block_on(async {
///     let job = coracle::blocking::submit(|| std::thread::current().name().map(str::to_owned));
///     assert_eq!(job.await.unwrap().as_deref(), Some("coracle-pool-1"));
/// });
/// ```
#[must_use = "dropping a job detaches it; say so with `drop`, or await it"]
pub struct Job<T> {
    slot: Arc<Lock<Slot<T>>>,
    /// To whom it was submitted, and under which number.
    place: Option<(Arc<Workers>, u64)>,
    at: &'static Location<'static>,
}

type Callback<T> = Box<dyn FnOnce(&Result<T, JobError>) + Send>;

struct Slot<T> {
    stage: Stage<T>,
    callbacks: Vec<Callback<T>>,
    waker: Option<Waker>,
}

enum Stage<T> {
    /// It waits or runs.
    Open,
    Done(Result<T, JobError>),
    /// The job gave its result.
    Taken,
}

impl<T: Send + 'static> Job<T> {
    /// Submits the closure.
    pub(super) fn new<F>(workers: &Arc<Workers>, label: super::workers::Label, closure: F) -> Job<T>
    where
        F: FnOnce() -> T + Send + 'static,
    {
        let at = label.at;
        let slot = Arc::new(Lock::new(Slot::new(Stage::Open)));
        let answer = Answer { slot: Some(slot.clone()) };
        let number = workers.submit(label, Box::new(Submitted { closure, answer }));
        Job { slot, place: Some((workers.clone(), number)), at }
    }

    /// Calls `callback` with the result: when the job is done, on the thread that does it; or, if it is cancelled, on
    /// that which cancels it; or at once, here, if it is done already. Callbacks are called in order, before those who
    /// wait for the result go on, and also if the job is detached. What they panic with, only the panic hook hears of.
    /// If the job gave its result before, there is nothing to show, and the callback is dropped.
    ///
    /// ```
    /// use coracle::sync::remote::channel;
    /// let (sender, receiver) = channel::unbounded();
    /// let pool = coracle::blocking::Pool::new();
    /// let mut job = pool.submit(|| 6 * 7);
    /// job.on_done(move |result| sender.send(*result.as_ref().unwrap()).unwrap());
    /// assert_eq!(receiver.recv_blocking(), Some(42));
    /// assert_eq!(job.wait().unwrap(), 42);
    /// ```
    pub fn on_done(&mut self, callback: impl FnOnce(&Result<T, JobError>) + Send + 'static) {
        if self.is_in_a_child() {
            return;
        }
        let callback = Box::new(callback);
        let mut slot = self.slot.lock();
        match std::mem::replace(&mut slot.stage, Stage::Taken) {
            Stage::Open => {
                slot.stage = Stage::Open;
                slot.callbacks.push(callback);
            }
            Stage::Done(result) => {
                drop(slot);
                call(callback, &result);
                // Nobody else could take it meanwhile: that takes `&mut self`.
                self.slot.lock().stage = Stage::Done(result);
            }
            Stage::Taken => {
                drop(slot);
                drop(callback);
            }
        }
    }
}

impl<T> Job<T> {
    /// A job that cannot begin.
    pub(super) fn refused(error: io::Error, at: &'static Location<'static>) -> Job<T> {
        let stage = Stage::Done(Err(JobError::NotStarted(error)));
        Job { slot: Arc::new(Lock::new(Slot::new(stage))), place: None, at }
    }

    /// Blocks this thread until the job is done, and gives its result. For plain threads: in a task it would hold up
    /// the whole runtime, and in a job of the same pool it can wait for a job that waits for this very thread.
    ///
    /// # Errors
    /// If it panicked, was cancelled, or could not begin.
    ///
    /// ```
    /// let pool = coracle::blocking::Pool::new();
    /// assert_eq!(pool.submit(|| 6 * 7).wait().unwrap(), 42);
    /// ```
    pub fn wait(self) -> Result<T, JobError> {
        block_until(|waker| self.poll_result(waker))
    }

    /// Takes the job back if it has not begun: its closure is dropped, here, and its result is
    /// [`Cancelled`](JobError::Cancelled). `false`: it has begun or is done, and goes its way.
    ///
    /// ```
    /// use coracle::blocking::{JobError, Pool};
    /// let pool = Pool::builder().threads(1).build();
    /// let (release, released) = coracle::sync::remote::oneshot::channel();
    /// let busy = pool.submit(|| released.recv_blocking());
    /// let waits = pool.submit(|| unreachable!("it never begins"));
    /// assert!(waits.cancel());
    /// assert!(matches!(waits.wait(), Err::<(), _>(JobError::Cancelled)));
    /// release.send(()).unwrap();
    /// busy.wait().unwrap().unwrap();
    /// ```
    pub fn cancel(&self) -> bool {
        self.place.as_ref().is_some_and(|(workers, number)| workers.cancel(*number))
    }

    /// Whether its result is there, or has been given.
    ///
    /// ```
    /// let job = coracle::blocking::submit(|| ());
    /// assert!(job.is_finished(), "outside of a runtime it cannot begin");
    /// # drop(job);
    /// ```
    pub fn is_finished(&self) -> bool {
        self.is_in_a_child() || !matches!(self.slot.lock().stage, Stage::Open)
    }

    /// Whether the pool's threads are not in this process. Then the slot may be locked for ever.
    fn is_in_a_child(&self) -> bool {
        self.place.as_ref().is_some_and(|(workers, _)| workers.are_in_a_parent())
    }

    fn poll_result(&self, waker: &Waker) -> Poll<Result<T, JobError>> {
        if self.is_in_a_child() {
            return Poll::Ready(Err(JobError::NotStarted(in_a_child())));
        }
        // A waker is cloned while nothing is locked, and only if it is needed: then the slot is looked at once more.
        let mut clone = None;
        loop {
            let mut slot = self.slot.lock();
            let result = slot.take();
            let waits = slot.waker.as_ref().is_some_and(|own| own.will_wake(waker));
            if result.is_pending() && !waits {
                if clone.is_none() {
                    drop(slot);
                    clone = Some(keep(waker));
                    continue;
                }
                std::mem::swap(&mut slot.waker, &mut clone);
            }
            drop(slot);
            let_go(clone);
            return result;
        }
    }
}

impl<T> Future for Job<T> {
    type Output = Result<T, JobError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        if here::may_go_on(cx) {
            let result = self.poll_result(cx.waker());
            if result.is_ready() {
                here::spend();
                return result;
            }
        }
        here::waits(WaitReason::Outside("a job on the pool of threads"), self.at);
        Poll::Pending
    }
}

/// Detached: nobody is to be woken any more.
impl<T> Drop for Job<T> {
    fn drop(&mut self) {
        if !self.is_in_a_child() {
            let waker = self.slot.lock().waker.take();
            let_go(waker);
        }
    }
}

impl<T> fmt::Debug for Job<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Job").field("at", &self.at).field("finished", &self.is_finished()).finish_non_exhaustive()
    }
}

impl<T> Slot<T> {
    fn new(stage: Stage<T>) -> Slot<T> {
        Slot { stage, callbacks: Vec::new(), waker: None }
    }

    fn take(&mut self) -> Poll<Result<T, JobError>> {
        match std::mem::replace(&mut self.stage, Stage::Taken) {
            Stage::Done(result) => Poll::Ready(result),
            Stage::Open => {
                self.stage = Stage::Open;
                Poll::Pending
            }
            Stage::Taken => panic!("a Job was polled after it gave its result"),
        }
    }
}

/// A closure on its way, and where its result goes. Dropped, the closure goes first: whoever hears that it was
/// cancelled knows that what it held is gone.
struct Submitted<F, T> {
    closure: F,
    answer: Answer<T>,
}

impl<F, T> Work for Submitted<F, T>
where
    F: FnOnce() -> T + Send,
    T: Send,
{
    fn run(self: Box<Self>, ended: &mut dyn FnMut()) {
        let Submitted { closure, answer } = *self;
        answer.give(catch_unwind(AssertUnwindSafe(closure)).map_err(JobError::Panicked), ended);
    }

    fn refuse(self: Box<Self>, error: io::Error) {
        let Submitted { closure, answer } = *self;
        let_go(closure);
        answer.give(Err(JobError::NotStarted(error)), &mut || {});
    }
}

/// The other end of a [`Job`]. Dropped without an answer, it says that the job was cancelled.
struct Answer<T> {
    slot: Option<Arc<Lock<Slot<T>>>>,
}

impl<T> Answer<T> {
    /// Calls the callbacks, then `ended`, then wakes who waits.
    fn give(mut self, result: Result<T, JobError>, ended: &mut dyn FnMut()) {
        if let Some(slot) = self.slot.take() {
            deliver(&slot, result, ended);
            // Perhaps the last reference: a result that nobody wants is dropped here.
            let_go(slot);
        }
    }
}

impl<T> Drop for Answer<T> {
    fn drop(&mut self) {
        if let Some(slot) = self.slot.take() {
            deliver(&slot, Err(JobError::Cancelled), &mut || {});
        }
    }
}

fn deliver<T>(slot: &Lock<Slot<T>>, result: Result<T, JobError>, ended: &mut dyn FnMut()) {
    call_all(slot, &result);
    ended();
    loop {
        // Those that came since.
        call_all(slot, &result);
        let mut state = slot.lock();
        if state.callbacks.is_empty() {
            state.stage = Stage::Done(result);
            let waker = state.waker.take();
            drop(state);
            wake_if_any(waker);
            return;
        }
    }
}

fn call_all<T>(slot: &Lock<Slot<T>>, result: &Result<T, JobError>) {
    let callbacks = std::mem::take(&mut slot.lock().callbacks);
    callbacks.into_iter().for_each(|callback| call(callback, result));
}

fn call<T>(callback: Callback<T>, result: &Result<T, JobError>) {
    if let Some(payload) = contain(|| callback(result)) {
        forget_payload(payload);
    }
}

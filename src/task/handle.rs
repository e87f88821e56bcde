//! What others hold of a task: [`JoinHandle`] for its result, [`AbortHandle`] to end it early.

use std::fmt;
use std::future::Future;
use std::marker::PhantomData;
use std::panic::Location;
use std::pin::Pin;
use std::task::{Context, Poll};

use super::contain::Payload;
use super::header::TaskRef;
use super::here;
use super::state::{Outcome, Request};
use super::waker::{request, request_from_afar};
use crate::observer::{TaskId, WaitReason};

/// Why a task has no result.
///
/// ```
/// use coracle::task::JoinError;
/// coracle::block_on(async {
///     let task = coracle::spawn(std::future::pending::<()>());
///     task.abort();
///     assert!(matches!(task.await, Err(JoinError::Cancelled)));
/// });
/// ```
#[non_exhaustive]
pub enum JoinError {
    /// It was aborted, or its runtime ended before it did.
    Cancelled,
    /// It panicked with this payload; [`std::panic::resume_unwind`] passes it on.
    Panicked(Box<dyn std::any::Any + Send + 'static>),
    /// The handle was awaited on another thread than the task's, while the runtime lives. Await it at home, or spawn
    /// with a [`Spawner`](crate::Spawner), whose handle may be awaited anywhere.
    Elsewhere,
}

impl fmt::Display for JoinError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            JoinError::Cancelled => f.write_str("the task was cancelled"),
            JoinError::Panicked(payload) => write!(f, "the task panicked{}", message(payload)),
            JoinError::Elsewhere => f.write_str("the task was awaited on another thread than its own"),
        }
    }
}

impl std::error::Error for JoinError {}

impl fmt::Debug for JoinError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            JoinError::Cancelled => f.write_str("Cancelled"),
            JoinError::Panicked(payload) => write!(f, "Panicked{}", message(payload)),
            JoinError::Elsewhere => f.write_str("Elsewhere"),
        }
    }
}

impl From<JoinError> for std::io::Error {
    /// What a panic said is passed on, and not its payload: that need not be `Sync`, and an error must be.
    fn from(error: JoinError) -> std::io::Error {
        std::io::Error::other(error.to_string())
    }
}

/// What a panic said, if it said it in words.
pub(crate) fn message(payload: &Payload) -> String {
    let words = payload.downcast_ref::<&str>().copied().or(payload.downcast_ref::<String>().map(String::as_str));
    words.map_or_else(String::new, |words| format!(": {words}"))
}

/// A panic that nobody awaited.
pub(crate) struct Unobserved {
    pub(crate) task: TaskId,
    pub(crate) payload: Payload,
}

/// The right to a task's result, and to end it.
///
/// Awaiting gives `Ok` with what the future returned, or why there is nothing. By then the task's future has been
/// dropped, on its own thread. Dropping the handle *detaches*: the task goes on, and a panic of it is reported when the
/// runtime ends (see [`PanicPolicy`](crate::PanicPolicy)). The handle may outlive the runtime.
///
/// It may be sent to another thread to be dropped or aborted there; awaiting it there is an error
/// ([`JoinError::Elsewhere`]) until the runtime has ended.
///
/// **Cancel safety**: cancel-safe. The handle is the future (`&mut handle` can be awaited too): a result not yet taken
/// stays. **Panics** if polled again after it gave its result. A task that awaits its own handle waits for ever.
///
/// ```
/// coracle::block_on(async {
///     let task = coracle::spawn(async { 6 * 7 });
///     assert_eq!(task.await.unwrap(), 42);
/// });
/// ```
#[must_use = "dropping a JoinHandle detaches the task; say so with `drop`, or await it"]
pub struct JoinHandle<T> {
    task: TaskRef,
    id: TaskId,
    at: &'static Location<'static>,
    output: PhantomData<T>,
}

// SAFETY: T2: on another thread the handle uses the shared word only, unless the home is closed and the task complete;
// then it may take or drop the output there, which `T: Send` allows.
unsafe impl<T: Send> Send for JoinHandle<T> {}
// SAFETY: T2: by reference a handle can only abort, which goes by the shared word; its number is a copy.
unsafe impl<T: Send> Sync for JoinHandle<T> {}

impl<T> Unpin for JoinHandle<T> {}

impl<T> JoinHandle<T> {
    /// The handle of a task whose output is `T`, which holds a share in the home's reference.
    pub(crate) fn new(task: TaskRef, at: &'static Location<'static>) -> JoinHandle<T> {
        JoinHandle { task, id: task.header().id(), at, output: PhantomData }
    }

    /// The task's number.
    ///
    /// ```
    /// coracle::block_on(async {
    ///     let task = coracle::spawn(async { coracle::task::id() });
    ///     let id = task.id();
    ///     assert_eq!(task.await.unwrap(), Some(id));
    /// });
    /// ```
    pub fn id(&self) -> TaskId {
        self.id
    }

    /// Whether the task has ended and its result can be had without waiting. `false` on another thread than its own,
    /// where nobody can know.
    ///
    /// ```
    /// coracle::block_on(async {
    ///     let task = coracle::spawn(async {});
    ///     assert!(!task.is_finished());
    ///     coracle::task::yield_now().await;
    ///     assert!(task.is_finished());
    /// });
    /// ```
    pub fn is_finished(&self) -> bool {
        self.may_look() && self.task.header().owner.is_complete()
    }

    /// Asks the task to end where it stands: when its turn comes, its future is dropped, and the handle gives
    /// [`JoinError::Cancelled`]. No effect on one that has ended. From any thread.
    ///
    /// ```
    /// coracle::block_on(async {
    ///     let task = coracle::spawn(async { std::future::pending::<()>().await });
    ///     task.abort();
    ///     assert!(task.await.is_err());
    /// });
    /// ```
    pub fn abort(&self) {
        request(self.task, Request::Abort);
    }

    /// A handle that can only abort, can be cloned, and keeps neither the task nor its result alive.
    ///
    /// ```
    /// coracle::block_on(async {
    ///     let task = coracle::spawn(std::future::pending::<()>());
    ///     let abort = task.abort_handle();
    ///     coracle::spawn(async move { abort.abort() }).await.unwrap();
    ///     assert!(task.await.is_err());
    /// });
    /// ```
    pub fn abort_handle(&self) -> AbortHandle {
        AbortHandle::new(self.task)
    }

    /// Lets the task run on by itself. The same as dropping the handle, in a word.
    ///
    /// ```
    /// coracle::block_on(async {
    ///     let (sender, receiver) = coracle::sync::oneshot::channel();
    ///     coracle::spawn(async move { sender.send("done").unwrap() }).detach();
    ///     assert_eq!(receiver.await, Ok("done"));
    /// });
    /// ```
    pub fn detach(self) {}

    /// The same handle, but dropping it aborts the task.
    ///
    /// ```
    /// coracle::block_on(async {
    ///     let (sender, receiver) = coracle::sync::oneshot::channel::<()>();
    ///     let task = coracle::spawn(async move { std::future::pending::<()>().await; drop(sender) }).abort_on_drop();
    ///     drop(task);
    ///     assert!(receiver.await.is_err(), "the task was dropped, and the sender with it");
    /// });
    /// ```
    pub fn abort_on_drop(self) -> AbortOnDrop<T> {
        AbortOnDrop { handle: self }
    }

    /// T2: whether the owner's fields may be touched here.
    fn may_look(&self) -> bool {
        self.task.header().home().turning().is_some()
            || self.task.header().home().is_mine()
            || self.task.header().home().is_closed()
    }
}

/// The handle is gone: its part of the home's reference with it.
///
/// # Safety
/// T2: on the home thread; or the home is closed and the task complete, and the handle was given up here.
pub(super) unsafe fn detach(task: TaskRef) {
    let header = task.header();
    if let Some(joiner) = header.take_joiner() {
        if let Some(payload) = super::contain(|| drop(joiner)) {
            report(task, payload);
        }
    }
    if header.owner.detach() == Outcome::Discard {
        // SAFETY: the caller's promise.
        if let Some(payload) = unsafe { task.discard() } {
            report(task, payload);
        }
        // SAFETY: T2: the caller's promise; T4: complete and without a handle: the home's reference ends here.
        unsafe { task.release_home() };
    }
}

/// Keeps a panic for the runtime to report. Elsewhere, after the runtime's end, there is nobody to report to.
pub(crate) fn report(task: TaskRef, payload: Payload) {
    let header = task.header();
    match header.home().local() {
        Some(local) => local.unobserved(Unobserved { task: header.id(), payload }),
        None => forget_payload(payload),
    }
}

/// Drops a payload, whose drop may panic too: then that second payload is leaked rather than looped over.
pub(crate) fn forget_payload(payload: Payload) {
    if let Some(second) = super::contain(|| drop(payload)) {
        std::mem::forget(second);
    }
}

impl<T> Future for JoinHandle<T> {
    type Output = Result<T, JoinError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        if !self.may_look() {
            return Poll::Ready(Err(JoinError::Elsewhere));
        }
        let header = self.task.header();
        if !header.owner.is_complete() {
            header.set_joiner(cx.waker());
        }
        // Asked again: cloning a waker is the user's code, and may have turned the runtime.
        if header.owner.is_complete() {
            // SAFETY: T2: `may_look`. `T` is the future's output, by `new`.
            let output = unsafe { self.task.take_output::<T>() };
            return Poll::Ready(output.expect("a JoinHandle was polled after it gave its result"));
        }
        // A number says nothing in another runtime.
        let is_of_ours = here::with_task(|task| header.home().is(task.home())) != Some(false);
        let other = WaitReason::Outside("the end of a task of another runtime");
        here::waits(if is_of_ours { WaitReason::Join(header.id()) } else { other }, self.at);
        Poll::Pending
    }
}

impl<T> Drop for JoinHandle<T> {
    fn drop(&mut self) {
        if self.may_look() {
            // SAFETY: T2: `may_look` was asked.
            return unsafe { detach(self.task) };
        }
        request_from_afar(self.task, Request::Detach);
    }
}

impl<T> fmt::Debug for JoinHandle<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JoinHandle").field("task", &self.id()).finish_non_exhaustive()
    }
}

/// Aborts a task; see [`JoinHandle::abort_handle`].
///
/// ```
/// fn is_send<T: Send + Sync + Clone>() {}
/// is_send::<coracle::task::AbortHandle>();
/// ```
pub struct AbortHandle {
    task: TaskRef,
}

// SAFETY: T1: an abort handle uses the shared word only, unless it is on the home thread inside of a turn.
unsafe impl Send for AbortHandle {}
// SAFETY: T1: as above.
unsafe impl Sync for AbortHandle {}

impl AbortHandle {
    pub(crate) fn new(task: TaskRef) -> AbortHandle {
        task.header().acquire();
        AbortHandle { task }
    }

    /// See [`JoinHandle::abort`].
    ///
    /// ```
    /// let runtime = coracle::Runtime::new();
    /// let task = runtime.spawn(std::future::pending::<()>());
    /// let abort = task.abort_handle();
    /// std::thread::spawn(move || abort.abort()).join().unwrap();
    /// assert!(runtime.block_on(task).is_err());
    /// ```
    pub fn abort(&self) {
        match self.task.header().home().turning() {
            Some(_) => request(self.task, Request::Abort),
            None => request_from_afar(self.task, Request::Abort),
        }
    }
}

impl Clone for AbortHandle {
    fn clone(&self) -> AbortHandle {
        AbortHandle::new(self.task)
    }
}

impl Drop for AbortHandle {
    fn drop(&mut self) {
        // SAFETY: T4: its own reference.
        unsafe { self.task.release() };
    }
}

impl fmt::Debug for AbortHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AbortHandle")
    }
}

/// A [`JoinHandle`] whose drop aborts the task; see [`JoinHandle::abort_on_drop`].
///
/// **Cancel safety**: lossy; dropping it cancels the task: that is its purpose. `&mut handle` can be awaited without.
///
/// ```
/// coracle::block_on(async {
///     assert_eq!(coracle::spawn(async { 1 }).abort_on_drop().await.unwrap(), 1);
/// });
/// ```
#[must_use = "dropping it aborts the task"]
#[derive(Debug)]
pub struct AbortOnDrop<T> {
    handle: JoinHandle<T>,
}

impl<T> Future for AbortOnDrop<T> {
    type Output = Result<T, JoinError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        Pin::new(&mut self.handle).poll(cx)
    }
}

impl<T> Drop for AbortOnDrop<T> {
    fn drop(&mut self) {
        self.handle.abort();
    }
}

//! Spawning from other threads.
//!
//! What travels is a closure that *makes* a future: it must be `Send`, the future need not be. It travels as a task that
//! has not begun, through the inbox, like any wake.

use std::fmt;
use std::future::{Future, poll_fn};
use std::panic::{AssertUnwindSafe, Location, catch_unwind};
use std::pin::{Pin, pin};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use crate::task::{AbortHandle, HomeRef, JoinError, keep, send};

/// Spawns tasks on a runtime from any thread; made by [`Runtime::spawner`](crate::Runtime::spawner).
///
/// It keeps neither the runtime nor its tasks alive.
///
/// ```
/// let runtime = coracle::Runtime::new();
/// let spawner = runtime.spawner();
/// let thread = std::thread::spawn(move || {
///     let handle = spawner.spawn(|| async { *std::rc::Rc::new(42) }).unwrap();
///     drop(handle);
/// });
/// thread.join().unwrap();
/// runtime.turn(coracle::Budget::no_wait()).unwrap();
/// ```
pub struct Spawner {
    home: HomeRef,
}

impl Clone for Spawner {
    fn clone(&self) -> Spawner {
        Spawner::new(self.home.clone())
    }
}

impl Drop for Spawner {
    fn drop(&mut self) {
        self.home.spawners().fetch_sub(1, Ordering::Release);
    }
}

/// The runtime has ended; here is the closure back.
///
/// ```
/// let spawner = coracle::Runtime::new().spawner();
/// let error = spawner.spawn(|| async {}).unwrap_err();
/// assert_eq!(error.to_string(), "the runtime has ended");
/// ```
pub struct SpawnError<F>(pub F);

impl<F> fmt::Display for SpawnError<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the runtime has ended")
    }
}

impl<F> std::error::Error for SpawnError<F> {}

impl<F> fmt::Debug for SpawnError<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SpawnError")
    }
}

impl Spawner {
    pub(super) fn new(home: HomeRef) -> Spawner {
        home.spawners().fetch_add(1, Ordering::Relaxed);
        Spawner { home }
    }

    /// Calls `make` on the runtime's thread, in a task of its own, and runs the future that it returns. From any
    /// thread; wakes the runtime if it sleeps. Spawns of one thread begin in order.
    ///
    /// # Errors
    /// If the runtime has ended. If it ends before the task does, the handle says [`JoinError::Cancelled`].
    ///
    /// ```
    /// let runtime = coracle::Runtime::new();
    /// let handle = runtime.spawner().spawn(|| async { 6 * 7 }).unwrap();
    /// assert_eq!(runtime.block_on(handle).unwrap(), 42);
    /// ```
    #[track_caller]
    pub fn spawn<F, Fut>(&self, make: F) -> Result<RemoteHandle<Fut::Output>, SpawnError<F>>
    where
        F: FnOnce() -> Fut + Send + 'static,
        Fut: Future + 'static,
        Fut::Output: Send + 'static,
    {
        if self.home.is_closed() {
            return Err(SpawnError(make));
        }
        let result = Arc::new(Mutex::new(Slot { output: None, taken: false, waker: None }));
        let deliver = Deliver { result: result.clone() };
        let abort = send(&self.home, Location::caller(), move || async move {
            let output = contained(async move { make().await }).await;
            deliver.deliver(output.map_err(JoinError::Panicked));
        });
        Ok(RemoteHandle { result, abort })
    }
}

impl fmt::Debug for Spawner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Spawner").field("ended", &self.home.is_closed()).finish()
    }
}

/// Runs a future up to its end or its panic.
async fn contained<F: Future>(future: F) -> std::thread::Result<F::Output> {
    let mut future = pin!(future);
    poll_fn(|cx| match catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(cx))) {
        Ok(Poll::Pending) => Poll::Pending,
        Ok(Poll::Ready(output)) => Poll::Ready(Ok(output)),
        Err(payload) => Poll::Ready(Err(payload)),
    })
    .await
}

/// Where a result crosses from one thread to another.
struct Slot<T> {
    output: Option<Result<T, JoinError>>,
    /// The handle gave the output; there will not be another.
    taken: bool,
    waker: Option<Waker>,
}

/// No code of the user's runs under the lock, so a poisoned one is as good as any.
fn lock<T>(result: &Mutex<Slot<T>>) -> MutexGuard<'_, Slot<T>> {
    result.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The task's side of the slot: if it is dropped without a delivery, the task was cancelled.
struct Deliver<T> {
    result: Arc<Mutex<Slot<T>>>,
}

impl<T> Deliver<T> {
    fn deliver(&self, output: Result<T, JoinError>) {
        let mut slot = lock(&self.result);
        if !slot.taken {
            slot.output.get_or_insert(output);
        }
        let waker = slot.waker.take();
        drop(slot);
        if let Some(waker) = waker {
            crate::task::wake(waker);
        }
    }
}

impl<T> Drop for Deliver<T> {
    fn drop(&mut self) {
        self.deliver(Err(JoinError::Cancelled));
    }
}

/// The right to the result of a task that lives on another thread; made by [`Spawner::spawn`].
///
/// May be awaited on any thread and any executor. Dropping it detaches the task. **Cancel safety**: cancel-safe.
/// **Panics** if polled again after it gave its result.
///
/// ```
/// let runtime = coracle::Runtime::new();
/// let handle = runtime.spawner().spawn(|| std::future::pending::<()>()).unwrap();
/// handle.abort();
/// assert!(runtime.block_on(handle).is_err());
/// ```
#[must_use = "dropping a handle detaches the task; say so with `drop`, or await it"]
pub struct RemoteHandle<T> {
    result: Arc<Mutex<Slot<T>>>,
    abort: AbortHandle,
}

impl<T> RemoteHandle<T> {
    /// See [`JoinHandle::abort`](crate::task::JoinHandle::abort).
    ///
    /// ```
    /// let runtime = coracle::Runtime::new();
    /// let handle = runtime.spawner().spawn(|| std::future::pending::<()>()).unwrap();
    /// handle.abort();
    /// assert!(runtime.block_on(handle).is_err());
    /// ```
    pub fn abort(&self) {
        self.abort.abort();
    }
}

impl<T> Future for RemoteHandle<T> {
    type Output = Result<T, JoinError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let waker = keep(cx.waker());
        let mut slot = lock(&self.result);
        if let Some(output) = slot.output.take() {
            slot.taken = true;
            drop(slot);
            return Poll::Ready(output);
        }
        assert!(!slot.taken, "a RemoteHandle was polled after it gave its result");
        let old = slot.waker.replace(waker);
        drop(slot);
        drop(old);
        Poll::Pending
    }
}

impl<T> fmt::Debug for RemoteHandle<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RemoteHandle")
    }
}

//! [`join_all`] and [`try_join_all`]: any number of futures of one type, until all have ended, or one has failed.

use std::fmt;
use std::future::Future;
use std::panic::Location;
use std::pin::Pin;
use std::task::{Context, Poll};

use super::future_set::FutureSet;
use crate::observer::WaitReason;
use crate::task::here;

/// Runs any number of futures at once, within this task, and waits for all. The outputs come in the order in which the
/// futures were given. The futures wait in a [`FutureSet`]: only those that were woken are polled, so that ten thousand
/// cost ten thousand times what one costs.
///
/// Results and errors by task: `join_all` over [`JoinHandle`](crate::task::JoinHandle)s gives what each task returned,
/// or why there is nothing.
///
/// **Cancel safety**: lossy; dropping it drops the futures that have not ended, and the outputs of those that have.
/// (Tasks whose handles are dropped go on.)
///
/// ```
/// use coracle::task::{JoinError, join_all};
/// coracle::block_on(async {
///     assert_eq!(join_all((1..=3).map(|n| async move { n * n })).await, [1, 4, 9]);
///
///     let tasks = [coracle::spawn(async { 1 }), coracle::spawn(async { panic!("boom") })];
///     let results = join_all(tasks).await;
///     assert!(matches!(results[..], [Ok(1), Err(JoinError::Panicked(_))]));
/// });
/// ```
#[track_caller]
pub fn join_all<I>(futures: I) -> JoinAll<I::Item>
where
    I: IntoIterator,
    I::Item: Future,
{
    JoinAll { all: All::new(futures), at: Location::caller() }
}

/// Like [`join_all`], but ends at the first error: the one that comes first in time. The other futures are dropped
/// then, in order, before it returns.
///
/// Of tasks it drops the handles, and a task whose handle is dropped goes on: use
/// [`abort_on_drop`](crate::task::JoinHandle::abort_on_drop) if it is not to.
///
/// **Cancel safety**: lossy; as that of [`join_all`].
///
/// # Errors
/// With the first error.
///
/// ```
/// use coracle::task::try_join_all;
/// coracle::block_on(async {
///     let even = |n: u32| async move { if n % 2 == 0 { Ok(n) } else { Err(n) } };
///     assert_eq!(try_join_all([0, 2].map(even)).await, Ok(vec![0, 2]));
///     assert_eq!(try_join_all([0, 1, 3].map(even)).await, Err(1));
/// });
/// ```
#[track_caller]
pub fn try_join_all<I, T, E>(futures: I) -> TryJoinAll<I::Item, T>
where
    I: IntoIterator,
    I::Item: Future<Output = Result<T, E>>,
{
    TryJoinAll { all: All::new(futures), at: Location::caller() }
}

/// Futures, and the places of what they are to give, in the same order.
struct All<F, T> {
    set: FutureSet<F>,
    /// By the keys of the set: nothing was inserted after the first went, so they count from 0 on.
    outputs: Vec<Option<T>>,
}

impl<F, T> All<F, T> {
    fn new(futures: impl IntoIterator<Item = F>) -> All<F, T> {
        let set: FutureSet<F> = futures.into_iter().collect();
        let outputs = (0..set.len()).map(|_| None).collect();
        All { set, outputs }
    }

    fn is_done(&self) -> bool {
        self.set.is_empty()
    }

    fn take(&mut self) -> Vec<T> {
        let outputs = std::mem::take(&mut self.outputs);
        outputs.into_iter().map(|output| output.expect("a join was polled after its end, or after a panic")).collect()
    }
}

/// See [`join_all`].
#[must_use = "a future does nothing unless awaited"]
pub struct JoinAll<F: Future> {
    all: All<F, F::Output>,
    at: &'static Location<'static>,
}

impl<F: Future> Unpin for JoinAll<F> {}

impl<F: Future> Future for JoinAll<F> {
    type Output = Vec<F::Output>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        let outputs = &mut this.all.outputs;
        this.all.set.poll_children(cx, |key, output| {
            outputs[key] = Some(output);
            true
        });
        if this.all.is_done() {
            return Poll::Ready(this.all.take());
        }
        here::waits(WaitReason::Sync("the futures of a join"), this.at);
        Poll::Pending
    }
}

impl<F: Future> fmt::Debug for JoinAll<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JoinAll").field("left", &self.all.set.len()).finish_non_exhaustive()
    }
}

/// See [`try_join_all`].
#[must_use = "a future does nothing unless awaited"]
pub struct TryJoinAll<F, T> {
    all: All<F, T>,
    at: &'static Location<'static>,
}

impl<F, T> Unpin for TryJoinAll<F, T> {}

impl<F: Future<Output = Result<T, E>>, T, E> Future for TryJoinAll<F, T> {
    type Output = Result<Vec<T>, E>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        let (outputs, mut error) = (&mut this.all.outputs, None);
        this.all.set.poll_children(cx, |key, result| {
            match result {
                Ok(output) => outputs[key] = Some(output),
                Err(first) => error = Some(first),
            }
            error.is_none()
        });
        if let Some(error) = error {
            this.all.set.clear();
            return Poll::Ready(Err(error));
        }
        if this.all.is_done() {
            return Poll::Ready(Ok(this.all.take()));
        }
        here::waits(WaitReason::Sync("the futures of a join"), this.at);
        Poll::Pending
    }
}

impl<F, T> fmt::Debug for TryJoinAll<F, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TryJoinAll").field("left", &self.all.set.len()).finish_non_exhaustive()
    }
}

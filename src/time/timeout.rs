//! [`timeout`]: a limit on any future.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use super::sleep::Sleep;
use crate::projection::future_beside;

/// The time of a [`timeout`] passed before the future was done.
///
/// ```
/// use std::time::Duration;
/// coracle::block_on(async {
///     let error = coracle::time::timeout(Duration::from_millis(1), std::future::pending::<()>()).await.unwrap_err();
///     assert_eq!(std::io::Error::from(error).kind(), std::io::ErrorKind::TimedOut);
/// });
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Elapsed(());

impl fmt::Display for Elapsed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the time is up")
    }
}

impl std::error::Error for Elapsed {}

impl From<Elapsed> for std::io::Error {
    fn from(elapsed: Elapsed) -> std::io::Error {
        std::io::Error::new(std::io::ErrorKind::TimedOut, elapsed)
    }
}

/// Waits for `future`, but at most for `duration`, counted from this call. The future goes first: if it is done at the
/// last moment, its output counts. When the time is up the future is dropped with the `Timeout`.
///
/// **Cancel safety**: as that of `future`.
///
/// # Panics
/// Outside of a runtime.
///
/// ```
/// use std::time::Duration;
/// coracle::block_on(async {
///     assert_eq!(coracle::time::timeout(Duration::from_secs(1), async { 42 }).await, Ok(42));
/// });
/// ```
#[track_caller]
pub fn timeout<F: Future>(duration: Duration, future: F) -> Timeout<F> {
    Timeout { future, rest: Sleep::after(duration) }
}

/// Like [`timeout`], until a point in time.
///
/// **Cancel safety**: as that of `future`.
///
/// ```
/// coracle::block_on(async {
///     let late = coracle::time::timeout_at(coracle::time::now(), std::future::pending::<()>()).await;
///     assert!(late.is_err());
/// });
/// ```
#[track_caller]
pub fn timeout_at<F: Future>(deadline: Instant, future: F) -> Timeout<F> {
    Timeout { future, rest: Sleep::new(Some(deadline)) }
}

future_beside! {
    /// See [`timeout`].
    #[derive(Debug)]
    #[must_use = "a future does nothing unless awaited"]
    pub struct Timeout<F> { rest: Sleep }
}

impl<F: Future> Future for Timeout<F> {
    type Output = Result<F::Output, Elapsed>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let (future, sleep) = self.project();
        match future.poll(cx) {
            Poll::Ready(output) => Poll::Ready(Ok(output)),
            Poll::Pending => Pin::new(sleep).poll(cx).map(|()| Err(Elapsed(()))),
        }
    }
}

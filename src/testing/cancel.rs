//! [`cancel_at_each_await`]: what is left when a future is dropped, tried at every place where that can happen.
//!
//! A future can be dropped wherever it waits: by a timeout, a race, an abort. What it then leaves behind is part of
//! what it promises, and nearly never tested, since each place needs a test of its own. Here one scenario is run for
//! all.

use std::cell::Cell;
use std::fmt;
use std::future::{Future, poll_fn};
use std::task::Poll;

/// After so many runs the future is taken to be one that never ends. Arbitrary.
const MOST: usize = 10_000;

/// Runs a scenario again and again, and each time drops the future that it names a little later: before the first poll;
/// when its first poll gave `Pending`; when it was woken after that, and not polled again; after the second poll; and
/// so on, until it is done before it would be dropped. How often it was dropped.
///
/// `scenario` runs to its end each time, and checks what is left. It must await [`Cut::at`] once. *Woken and not polled
/// again* is the case that is forgotten most easily: something was meant for this future already (a value, a permit),
/// and must now go to somebody else.
///
/// Where a scenario fails, it is said at which place the future was dropped.
///
/// # Panics
/// If the scenario did not await [`Cut::at`], or the future was not done after 10,000 runs. If the scenario panics.
///
/// ```
/// use coracle::{sync::channel::bounded, testing::cancel_at_each_await};
/// let dropped = cancel_at_each_await(|cut| coracle::block_on(async {
///     let (sender, receiver) = bounded(1);
///     let sending = coracle::spawn(async move { sender.send(7).await.is_ok() });
///     let received = cut.at(receiver.recv()).await.flatten();
///     assert_eq!(received.or(receiver.recv().await), Some(7), "dropped, it lost the value");
///     assert!(sending.await.unwrap());
/// }));
/// assert!(dropped >= 2);
/// ```
#[track_caller]
pub fn cancel_at_each_await(mut scenario: impl FnMut(&Cut)) -> usize {
    for round in 0..MOST {
        let cut = Cut { polls: round / 2, once_woken: round % 2 == 1, was_done: Cell::new(None) };
        let place = OnPanic(&cut);
        scenario(&cut);
        drop(place);
        match cut.was_done.get() {
            None => panic!("the scenario did not await `Cut::at`"),
            Some(true) => return round,
            Some(false) => {}
        }
    }
    panic!("the future is not done after {} polls, so it cannot be cancelled at each await", MOST / 2);
}

/// Says where the future was dropped, if the scenario fails.
struct OnPanic<'a>(&'a Cut);

impl Drop for OnPanic<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("cancel_at_each_await: failed with the future {}", self.0);
        }
    }
}

/// Where in this run of [`cancel_at_each_await`] the future is dropped.
///
/// ```
/// coracle::testing::cancel_at_each_await(|cut| {
///     println!("{cut}");
///     coracle::block_on(cut.at(coracle::task::yield_now()));
/// });
/// ```
#[derive(Debug)]
pub struct Cut {
    polls: usize,
    /// It is dropped not when its last poll gave `Pending`, but when it is woken after that.
    once_woken: bool,
    /// Whether the future was done before it was to be dropped; `None` before it was tried.
    was_done: Cell<Option<bool>>,
}

impl Cut {
    /// Awaits the future until it is to be dropped in this run. `None`: it was dropped; it is gone when this returns.
    ///
    /// **Cancel safety**: lossy; it drops the future.
    ///
    /// ```
    /// let dropped = coracle::testing::cancel_at_each_await(|cut| coracle::block_on(async {
    ///     let done = cut.at(async { coracle::task::yield_now().await; 7 }).await;
    ///     assert!(done.is_none_or(|done| done == 7));
    /// }));
    /// assert_eq!(dropped, 4);
    /// ```
    pub async fn at<F: Future>(&self, future: F) -> Option<F::Output> {
        // If this is dropped itself, so is the future, before it was done.
        self.was_done.set(Some(false));
        let mut future = Box::pin(future);
        let mut left = self.polls;
        let output = poll_fn(|cx| {
            if left == 0 {
                return Poll::Ready(None);
            }
            left -= 1;
            match future.as_mut().poll(cx) {
                Poll::Ready(output) => Poll::Ready(Some(output)),
                Poll::Pending if left == 0 && !self.once_woken => Poll::Ready(None),
                Poll::Pending => Poll::Pending,
            }
        })
        .await;
        drop(future);
        self.was_done.set(Some(output.is_some()));
        output
    }
}

impl fmt::Display for Cut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.polls, self.once_woken) {
            (0, _) => f.write_str("dropped before its first poll"),
            (polls, false) => write!(f, "dropped after poll {polls}"),
            (polls, true) => write!(f, "dropped when it was woken after poll {polls}"),
        }
    }
}

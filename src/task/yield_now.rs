//! [`yield_now`]: let the others go first.

use std::future::Future;
use std::panic::Location;
use std::pin::Pin;
use std::task::{Context, Poll};

use super::here;
use crate::observer::WaitReason;

/// Puts the current task at the end of the run queue, once. Every task that is ready runs before it goes on.
///
/// It costs a trip through the run queue and no system call. Runs on any executor. **Cancel safety**: cancel-safe.
///
/// ```
/// use std::{cell::RefCell, rc::Rc};
/// let seen = Rc::new(RefCell::new(String::new()));
/// coracle::block_on(async {
///     let other = coracle::spawn({ let seen = seen.clone(); async move { seen.borrow_mut().push_str("other ") } });
///     coracle::task::yield_now().await;
///     seen.borrow_mut().push_str("main");
///     other.await.unwrap();
/// });
/// assert_eq!(*seen.borrow(), "other main");
/// ```
#[track_caller]
pub fn yield_now() -> YieldNow {
    YieldNow { yielded: false, at: Location::caller() }
}

/// See [`yield_now`].
#[derive(Debug)]
#[must_use = "a future does nothing unless awaited"]
pub struct YieldNow {
    yielded: bool,
    at: &'static Location<'static>,
}

impl Future for YieldNow {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        if self.yielded {
            return Poll::Ready(());
        }
        self.yielded = true;
        cx.waker().wake_by_ref();
        here::waits(WaitReason::Yield, self.at);
        Poll::Pending
    }
}

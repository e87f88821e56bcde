//! [`UntilClosed`]: the wait for the other side of a channel to end.
//!
//! Every kind of channel that can be closed holds a [`Closing`]. Sending and receiving read its flag; only closing, and
//! those who wait for it, touch the rest.

use std::cell::Cell;
use std::fmt;
use std::future::Future;
use std::panic::Location;
use std::pin::Pin;
use std::task::{Context, Poll};

use crate::observer::WaitReason;
use crate::sync::WaitQueue;
use crate::task::here;
use crate::wait_list::WaitKey;

/// Whether a channel is closed, and who waits for that.
#[derive(Debug, Default)]
pub(super) struct Closing {
    is_closed: Cell<bool>,
    waiting: WaitQueue,
}

impl Closing {
    pub(super) fn is_closed(&self) -> bool {
        self.is_closed.get()
    }

    pub(super) fn close(&self) {
        self.is_closed.set(true);
        self.waiting.wake_all();
    }

    /// For channels whose receivers can come back. Who has been woken and has not run yet waits on.
    pub(super) fn reopen(&self) {
        self.is_closed.set(false);
    }

    #[track_caller]
    pub(super) fn wait(&self) -> UntilClosed<'_> {
        UntilClosed { closing: self, place: None, at: Location::caller() }
    }
}

/// See [`channel::Sender::closed`](crate::sync::channel::Sender::closed).
#[must_use = "a future does nothing unless awaited"]
pub struct UntilClosed<'a> {
    closing: &'a Closing,
    place: Option<WaitKey>,
    at: &'static Location<'static>,
}

impl Future for UntilClosed<'_> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = &mut *self;
        if this.closing.is_closed() && here::may_go_on(cx) {
            here::spend();
            this.closing.waiting.leave(&mut this.place, true);
            return Poll::Ready(());
        }
        this.closing.waiting.stand(&mut this.place, cx, || this.closing.is_closed());
        here::waits(WaitReason::Sync("the receivers of a channel to be gone"), this.at);
        Poll::Pending
    }
}

impl Drop for UntilClosed<'_> {
    fn drop(&mut self) {
        self.closing.waiting.leave(&mut self.place, false);
    }
}

impl fmt::Debug for UntilClosed<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UntilClosed").field("closed", &self.closing.is_closed()).finish_non_exhaustive()
    }
}

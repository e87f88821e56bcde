//! [`Retry`]: for what is full now, and the system gives no sign when it no longer is: it is tried again after a pause.
//!
//! Two calls are so, both of Unix sockets on Linux. A connect to a listener whose queue is full says EAGAIN, and there is
//! no event for "there is room now" (async-io#18). A datagram to a receiver that is full says the same; the poller then
//! reports the *sender* as writable after each such attempt, because the attempt itself has taken and freed a little
//! memory: who waited for that would spin.

use std::future::Future;
use std::io;
use std::panic::Location;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use crate::observer::WaitReason;
use crate::task::here;
use crate::time::{Sleep, sleep};

/// The first pause, and the longest. Arbitrary: hardly felt by those who wait, and next to no work.
const FIRST: Duration = Duration::from_millis(1);
const LONGEST: Duration = Duration::from_millis(16);

/// See the head of this file.
#[derive(Debug)]
pub(super) struct Retry {
    pause: Option<Sleep>,
    next: Duration,
    at: &'static Location<'static>,
}

impl Retry {
    #[track_caller]
    pub(super) fn new() -> Retry {
        Retry { pause: None, next: FIRST, at: Location::caller() }
    }

    /// Tries `attempt`, and again after a pause each time it says `WouldBlock`. Nothing is done while it waits.
    pub(super) fn poll<T>(
        &mut self,
        cx: &mut Context<'_>,
        mut attempt: impl FnMut() -> io::Result<T>,
    ) -> Poll<io::Result<T>> {
        loop {
            if !here::may_go_on(cx) {
                here::waits(WaitReason::Timer, self.at);
                return Poll::Pending;
            }
            if let Some(pause) = &mut self.pause {
                if Pin::new(pause).poll(cx).is_pending() {
                    // The line of the program, not the one below.
                    here::waits(WaitReason::Timer, self.at);
                    return Poll::Pending;
                }
            }
            match attempt() {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.pause = Some(sleep(self.next));
                    self.next = (2 * self.next).min(LONGEST);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {
                    // At once, but not for ever: each try costs budget.
                    self.pause = None;
                    here::spend();
                }
                result => {
                    here::spend();
                    return Poll::Ready(result);
                }
            }
        }
    }
}

//! [`Operation`]: a call to the file system as a future. It goes to the pool when it is first polled.

use std::fmt;
use std::future::Future;
use std::io;
use std::panic::Location;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use crate::blocking::{Job, submit_as};

/// See [`read`](crate::fs::read) and the other functions of [`fs`](crate::fs).
///
/// Nothing happens before the first poll.
///
/// **Cancel safety**: lossy. Dropped while it waits for a thread, it is never carried out; dropped later, it is carried
/// out whole, and nobody hears how it went.
///
/// **Panics** if polled again after it was done.
#[must_use = "a future does nothing unless awaited"]
pub struct Operation<T> {
    /// What is shown of it while it runs.
    name: &'static str,
    at: &'static Location<'static>,
    stage: Stage<T>,
}

enum Stage<T> {
    Fresh(Box<dyn FnOnce() -> io::Result<T> + Send>),
    Begun(Job<io::Result<T>>),
    Done,
}

impl<T> Operation<T> {
    /// Where `call` may block.
    #[track_caller]
    pub(super) fn new(name: &'static str, call: impl FnOnce() -> io::Result<T> + Send + 'static) -> Operation<T> {
        Operation { name, at: Location::caller(), stage: Stage::Fresh(Box::new(call)) }
    }
}

impl<T: Send + 'static> Future for Operation<T> {
    type Output = io::Result<T>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<T>> {
        let this = &mut *self;
        loop {
            match std::mem::replace(&mut this.stage, Stage::Done) {
                Stage::Fresh(call) => this.stage = Stage::Begun(submit_as(Some(this.name), this.at, call)),
                Stage::Begun(mut job) => {
                    let result = Pin::new(&mut job).poll(cx);
                    if result.is_pending() {
                        this.stage = Stage::Begun(job);
                    }
                    return Poll::Ready(ready!(result)?);
                }
                Stage::Done => panic!("an operation on files was polled after it was done"),
            }
        }
    }
}

impl<T> Drop for Operation<T> {
    fn drop(&mut self) {
        if let Stage::Begun(job) = &self.stage {
            job.cancel();
        }
    }
}

impl<T> fmt::Debug for Operation<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Operation").field(&self.name).finish()
    }
}

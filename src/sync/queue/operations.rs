//! The futures of a [`Queue`]: putting a value in, and getting one.

use std::fmt;
use std::future::Future;
use std::panic::Location;
use std::pin::Pin;
use std::task::{Context, Poll};

use super::{Fifo, Order, PutError, Queue, TryGetError, TryPutError};
use crate::observer::WaitReason;
use crate::task::here;
use crate::wait_list::WaitKey;

impl<T, O: Order<T>> Queue<T, O> {
    /// Whether who puts need not wait, or, if that cannot be said now, should look again.
    fn takes_a_value(&self) -> bool {
        self.is_closed() || self.is_busy() || !self.is_full()
    }

    /// Whether who gets need not wait, or should look again.
    fn answers(&self) -> bool {
        self.is_closed() || self.is_busy() || !self.is_empty()
    }
}

/// See [`Queue::put`].
#[must_use = "a future does nothing unless awaited"]
pub struct Put<'a, T, O: Order<T> = Fifo<T>> {
    pub(super) queue: &'a Queue<T, O>,
    pub(super) value: Option<T>,
    pub(super) place: Option<WaitKey>,
    pub(super) at: &'static Location<'static>,
}

impl<T, O: Order<T>> Unpin for Put<'_, T, O> {}

impl<T, O: Order<T>> Put<'_, T, O> {
    /// Gives up putting. The value, if it has not been put.
    ///
    /// ```
    /// let queue = coracle::sync::Queue::fifo(1);
    /// assert_eq!(queue.put(5).into_value(), Some(5));
    /// ```
    pub fn into_value(mut self) -> Option<T> {
        self.value.take()
    }
}

impl<T, O: Order<T>> Future for Put<'_, T, O> {
    type Output = Result<(), PutError<T>>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        let queue = this.queue;
        if !here::may_go_on(cx) {
            // Its place, and a wake that it may have there, it keeps: if it is dropped now, it passes that on.
            here::waits(WaitReason::Sync("room in a queue"), this.at);
            return Poll::Pending;
        }
        let value = this.value.take().expect("a Put was polled after it was done");
        let result = match queue.try_put(value) {
            Ok(()) => Ok(()),
            Err(TryPutError::Closed(value)) => Err(PutError(value)),
            Err(TryPutError::Full(value)) => {
                this.value = Some(value);
                queue.room.stand(&mut this.place, cx, || queue.takes_a_value());
                here::waits(WaitReason::Sync("room in a queue"), this.at);
                return Poll::Pending;
            }
        };
        here::spend();
        queue.room.leave(&mut this.place, true);
        Poll::Ready(result)
    }
}

impl<T, O: Order<T>> Drop for Put<'_, T, O> {
    fn drop(&mut self) {
        self.queue.room.leave(&mut self.place, false);
    }
}

impl<T, O: Order<T>> fmt::Debug for Put<'_, T, O> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Put").field("waits", &self.place.is_some()).finish_non_exhaustive()
    }
}

/// See [`Queue::get`].
#[must_use = "a future does nothing unless awaited"]
pub struct Get<'a, T, O: Order<T> = Fifo<T>> {
    pub(super) queue: &'a Queue<T, O>,
    pub(super) place: Option<WaitKey>,
    pub(super) at: &'static Location<'static>,
}

impl<T, O: Order<T>> Future for Get<'_, T, O> {
    type Output = Option<T>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<T>> {
        let this = &mut *self;
        let queue = this.queue;
        if !here::may_go_on(cx) {
            // As in `Put`.
            here::waits(WaitReason::Sync("a value in a queue"), this.at);
            return Poll::Pending;
        }
        let result = queue.try_get();
        if matches!(result, Err(TryGetError::Empty)) {
            queue.value.stand(&mut this.place, cx, || queue.answers());
            if queue.capacity == 0 {
                // Standing here is what makes room.
                queue.room.wake_one();
            }
            here::waits(WaitReason::Sync("a value in a queue"), this.at);
            return Poll::Pending;
        }
        here::spend();
        queue.value.leave(&mut this.place, true);
        Poll::Ready(result.ok())
    }
}

impl<T, O: Order<T>> Drop for Get<'_, T, O> {
    fn drop(&mut self) {
        self.queue.value.leave(&mut self.place, false);
    }
}

impl<T, O: Order<T>> fmt::Debug for Get<'_, T, O> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Get").field("waits", &self.place.is_some()).finish_non_exhaustive()
    }
}

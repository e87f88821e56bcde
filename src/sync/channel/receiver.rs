//! The receiving side of a channel.

use std::fmt;
use std::future::Future;
use std::panic::Location;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use super::{Channel, TryRecvError};
use crate::observer::WaitReason;
use crate::task::here;
use crate::wait_list::WaitKey;

/// The receiving side of a channel. Clone it for more receivers: each value goes to one of them.
///
/// ```
/// let (sender, receiver) = coracle::sync::channel::bounded(1);
/// sender.try_send("x").unwrap();
/// assert_eq!(receiver.try_recv(), Ok("x"));
/// ```
pub struct Receiver<T> {
    pub(super) channel: Rc<Channel<T>>,
}

impl<T> Receiver<T> {
    /// Receives the next value, waiting for one. `None`: the channel is empty, and every sender is gone or a receiver
    /// closed it.
    ///
    /// **Cancel safety**: cancel-safe. A value is taken in the poll that returns it; a wake that a dropped `Recv` had
    /// goes to the next receiver.
    ///
    /// ```
    /// coracle::block_on(async {
    ///     let (sender, receiver) = coracle::sync::channel::bounded(1);
    ///     sender.send(1).await.unwrap();
    ///     drop(sender);
    ///     assert_eq!((receiver.recv().await, receiver.recv().await), (Some(1), None));
    /// });
    /// ```
    #[track_caller]
    pub fn recv(&self) -> Recv<'_, T> {
        Recv { channel: &self.channel, place: None, at: Location::caller() }
    }

    /// Receives a value if there is one now.
    ///
    /// # Errors
    /// If there is none, or none will come.
    ///
    /// ```
    /// let (_sender, receiver) = coracle::sync::channel::bounded::<u8>(1);
    /// assert!(receiver.try_recv().is_err());
    /// ```
    pub fn try_recv(&self) -> Result<T, TryRecvError> {
        self.channel.try_recv()
    }

    /// Closes the channel for all: from now on nothing can be sent, and who waits to send gets the value back. What is
    /// in the channel can still be received; then every receiver gets `None`.
    ///
    /// ```
    /// coracle::block_on(async {
    ///     let (sender, receiver) = coracle::sync::channel::bounded(3);
    ///     sender.send("last").await.unwrap();
    ///     receiver.close();
    ///     assert!(sender.send("late").await.is_err());
    ///     assert_eq!((receiver.recv().await, receiver.recv().await), (Some("last"), None));
    /// });
    /// ```
    pub fn close(&self) {
        self.channel.close();
    }

    /// Whether nothing comes in any more: every sender is gone, or a receiver closed the channel. Values may be left.
    ///
    /// ```
    /// let (sender, receiver) = coracle::sync::channel::bounded::<()>(1);
    /// drop(sender);
    /// assert!(receiver.is_closed());
    /// ```
    pub fn is_closed(&self) -> bool {
        self.channel.closing.is_closed()
    }

    /// How many values the channel holds at most; `usize::MAX` if it is unbounded.
    ///
    /// ```
    /// assert_eq!(coracle::sync::channel::bounded::<()>(3).1.capacity(), 3);
    /// ```
    pub fn capacity(&self) -> usize {
        self.channel.capacity
    }

    /// How many values wait in the channel.
    ///
    /// ```
    /// assert_eq!(coracle::sync::channel::bounded::<u8>(1).1.len(), 0);
    /// ```
    pub fn len(&self) -> usize {
        self.channel.len()
    }

    /// Whether no value waits in the channel.
    ///
    /// ```
    /// assert!(coracle::sync::channel::bounded::<u8>(1).1.is_empty());
    /// ```
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl<T> Clone for Receiver<T> {
    fn clone(&self) -> Receiver<T> {
        self.channel.receivers.set(self.channel.receivers.get() + 1);
        Receiver { channel: self.channel.clone() }
    }
}

impl<T> Drop for Receiver<T> {
    fn drop(&mut self) {
        self.channel.receiver_left();
    }
}

impl<T> fmt::Debug for Receiver<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Receiver").field("len", &self.len()).finish()
    }
}

/// See [`Receiver::recv`].
#[must_use = "a future does nothing unless awaited"]
pub struct Recv<'a, T> {
    channel: &'a Channel<T>,
    place: Option<WaitKey>,
    at: &'static Location<'static>,
}

impl<T> Future for Recv<'_, T> {
    type Output = Option<T>;

    #[inline]
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<T>> {
        let this = &mut *self;
        if here::has_budget() {
            if let Some(value) = this.channel.take() {
                return this.done(Some(value));
            }
        }
        this.wait(cx)
    }
}

impl<T> Recv<'_, T> {
    #[inline]
    fn done(&mut self, result: Option<T>) -> Poll<Option<T>> {
        here::spend();
        self.channel.value.leave(&mut self.place, true);
        Poll::Ready(result)
    }

    /// There is nothing, or others get their turn first.
    #[inline(never)]
    fn wait(&mut self, cx: &mut Context<'_>) -> Poll<Option<T>> {
        let channel = self.channel;
        if !here::may_go_on(cx) {
            // As in `Send`.
            return self.waits();
        }
        if channel.closing.is_closed() {
            return self.done(None);
        }
        channel.value.stand(&mut self.place, cx, || channel.answers());
        if channel.capacity == 0 {
            // Standing here is what makes room.
            channel.room.wake_one();
        }
        self.waits()
    }

    fn waits(&self) -> Poll<Option<T>> {
        here::waits(WaitReason::Sync("a value in a channel"), self.at);
        Poll::Pending
    }
}

impl<T> Drop for Recv<'_, T> {
    #[inline]
    fn drop(&mut self) {
        self.channel.value.leave(&mut self.place, false);
    }
}

impl<T> fmt::Debug for Recv<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Recv").field("waits", &self.place.is_some()).finish_non_exhaustive()
    }
}

//! [`Permit`]: a place in a channel that is held before there is a value for it.
//!
//! For values that must not be made, or taken from elsewhere, before it is certain that they can be sent: wait for the
//! permit, then make the value, then send it without waiting. Permits cost those nothing who do not use them: a permit
//! makes the channel smaller as long as it lives.

use std::fmt;
use std::future::Future;
use std::panic::Location;
use std::pin::Pin;
use std::task::{Context, Poll};

use super::{Channel, SendError, Sender, TrySendError};
use crate::observer::WaitReason;
use crate::task::here;
use crate::wait_list::WaitKey;

impl<T> Channel<T> {
    fn try_reserve(&self) -> Result<Permit<'_, T>, TrySendError<()>> {
        if self.closing.is_closed() {
            return Err(TrySendError::Closed(()));
        }
        if self.is_full() {
            return Err(TrySendError::Full(()));
        }
        self.set_permits(self.permits.get() + 1);
        Ok(Permit { channel: self })
    }
}

impl<T> Sender<T> {
    /// Waits for room, and keeps it: a [`Permit`] to send one value later without waiting. It waits in one queue with
    /// those who [`send`](Sender::send).
    ///
    /// In a channel with a capacity of 0 the room is a receiver that waits; if that one gives up meanwhile, the value
    /// is there for the next.
    ///
    /// **Cancel safety**: cancel-safe. A wake that it had goes to the next sender.
    ///
    /// # Errors
    /// If the channel is closed, also while it waits.
    ///
    /// ```
    /// coracle::block_on(async {
    ///     let (sender, receiver) = coracle::sync::channel::bounded(1);
    ///     let permit = sender.reserve().await.unwrap();
    ///     assert!(sender.try_send("other").is_err(), "the place is taken");
    ///     permit.send("first").unwrap();
    ///     assert_eq!(receiver.recv().await, Some("first"));
    /// });
    /// ```
    #[track_caller]
    pub fn reserve(&self) -> Reserve<'_, T> {
        Reserve { channel: &self.channel, place: None, at: Location::caller() }
    }

    /// A [`Permit`], if there is room now.
    ///
    /// # Errors
    /// If there is none, or the channel is closed.
    ///
    /// ```
    /// let (sender, receiver) = coracle::sync::channel::bounded(1);
    /// let permit = sender.try_reserve().unwrap();
    /// assert!(sender.try_reserve().is_err());
    /// permit.send(1).unwrap();
    /// assert_eq!(receiver.try_recv(), Ok(1));
    /// ```
    pub fn try_reserve(&self) -> Result<Permit<'_, T>, TrySendError<()>> {
        self.channel.try_reserve()
    }
}

/// A place in a channel for one value; made by [`Sender::reserve`]. Dropped unused, it gives the place to the next
/// sender.
#[must_use = "a permit that is dropped gives its place back"]
pub struct Permit<'a, T> {
    channel: &'a Channel<T>,
}

impl<T> Permit<'_, T> {
    /// Sends the value, without waiting.
    ///
    /// # Errors
    /// If the channel was closed meanwhile.
    ///
    /// ```
    /// let (sender, receiver) = coracle::sync::channel::bounded(1);
    /// let permit = sender.try_reserve().unwrap();
    /// drop(receiver);
    /// assert_eq!(permit.send(1).unwrap_err().0, 1);
    /// ```
    pub fn send(self, value: T) -> Result<(), SendError<T>> {
        let channel = self.channel;
        if channel.closing.is_closed() {
            return Err(SendError(value));
        }
        // The place goes from the permit to the value: nobody is told of room.
        std::mem::forget(self);
        channel.set_permits(channel.permits.get() - 1);
        channel.put_in(value);
        Ok(())
    }
}

impl<T> Drop for Permit<'_, T> {
    fn drop(&mut self) {
        self.channel.set_permits(self.channel.permits.get() - 1);
        self.channel.room.wake_one();
    }
}

impl<T> fmt::Debug for Permit<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Permit").field("closed", &self.channel.closing.is_closed()).finish()
    }
}

/// See [`Sender::reserve`].
#[must_use = "a future does nothing unless awaited"]
pub struct Reserve<'a, T> {
    channel: &'a Channel<T>,
    place: Option<WaitKey>,
    at: &'static Location<'static>,
}

impl<'a, T> Future for Reserve<'a, T> {
    type Output = Result<Permit<'a, T>, SendError<()>>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        let channel = this.channel;
        if !here::may_go_on(cx) {
            // As in `Send`.
            here::waits(WaitReason::Sync("room in a channel"), this.at);
            return Poll::Pending;
        }
        let result = match channel.try_reserve() {
            Ok(permit) => Ok(permit),
            Err(TrySendError::Closed(())) => Err(SendError(())),
            Err(TrySendError::Full(())) => {
                channel.room.stand(&mut this.place, cx, || channel.takes_a_value());
                here::waits(WaitReason::Sync("room in a channel"), this.at);
                return Poll::Pending;
            }
        };
        here::spend();
        channel.room.leave(&mut this.place, true);
        Poll::Ready(result)
    }
}

impl<T> Drop for Reserve<'_, T> {
    fn drop(&mut self) {
        self.channel.room.leave(&mut self.place, false);
    }
}

impl<T> fmt::Debug for Reserve<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reserve").field("waits", &self.place.is_some()).finish_non_exhaustive()
    }
}

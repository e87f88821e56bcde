//! The sending side of a bounded channel: [`Sender`], and [`WeakSender`], which does not keep the channel open.

use std::fmt;
use std::future::Future;
use std::panic::Location;
use std::pin::Pin;
use std::rc::{Rc, Weak};
use std::task::{Context, Poll};

use super::{Channel, SendError, TrySendError};
use crate::observer::WaitReason;
use crate::sync::UntilClosed;
use crate::task::here;
use crate::wait_list::WaitKey;

/// The sending side of a [`bounded`](super::bounded) channel. Clone it for more senders.
///
/// ```
/// let (sender, receiver) = coracle::sync::channel::bounded(2);
/// sender.clone().try_send(1).unwrap();
/// sender.try_send(2).unwrap();
/// assert_eq!((receiver.try_recv(), receiver.try_recv()), (Ok(1), Ok(2)));
/// ```
pub struct Sender<T> {
    pub(super) channel: Rc<Channel<T>>,
}

impl<T> Sender<T> {
    /// Sends a value, waiting for room.
    ///
    /// **Cancel safety**: lossy. A dropped `Send` that is not done has sent nothing, and drops its value;
    /// [`Send::into_value`] saves it. A wake that it had goes to the next sender.
    ///
    /// # Errors
    /// If the channel is closed, also while it waits.
    ///
    /// ```
    /// coracle::block_on(async {
    ///     let (sender, receiver) = coracle::sync::channel::bounded(1);
    ///     sender.send(1).await.unwrap();
    ///     assert_eq!(receiver.recv().await, Some(1));
    /// });
    /// ```
    #[track_caller]
    pub fn send(&self, value: T) -> Send<'_, T> {
        Send { channel: &self.channel, value: Some(value), place: None, at: Location::caller() }
    }

    /// Sends a value if there is room now.
    ///
    /// # Errors
    /// If there is none, or the channel is closed.
    ///
    /// ```
    /// let (sender, _receiver) = coracle::sync::channel::bounded(1);
    /// assert!(sender.try_send(1).is_ok() && sender.try_send(2).is_err());
    /// ```
    pub fn try_send(&self, value: T) -> Result<(), TrySendError<T>> {
        self.channel.try_send(value)
    }

    /// Whether every receiver is gone, or one of them [closed](super::Receiver::close) the channel.
    ///
    /// ```
    /// let (sender, receiver) = coracle::sync::channel::bounded::<()>(1);
    /// drop(receiver);
    /// assert!(sender.is_closed());
    /// ```
    pub fn is_closed(&self) -> bool {
        self.channel.closing.is_closed()
    }

    /// Waits until the channel is closed, as [`is_closed`](Sender::is_closed) says: the work for it can stop.
    ///
    /// **Cancel safety**: cancel-safe.
    ///
    /// ```
    /// coracle::block_on(async {
    ///     let (sender, receiver) = coracle::sync::channel::bounded::<()>(1);
    ///     let worker = coracle::spawn(async move { sender.closed().await });
    ///     drop(receiver);
    ///     worker.await.unwrap();
    /// });
    /// ```
    #[track_caller]
    pub fn closed(&self) -> UntilClosed<'_> {
        self.channel.closing.wait()
    }

    /// A sender that does not keep the channel open.
    ///
    /// ```
    /// let (sender, receiver) = coracle::sync::channel::bounded(1);
    /// let weak = sender.downgrade();
    /// weak.upgrade().unwrap().try_send(1).unwrap();
    /// drop(sender);
    /// assert!(weak.upgrade().is_none());
    /// assert_eq!(receiver.try_recv(), Ok(1));
    /// assert!(receiver.try_recv().is_err(), "the last sender is gone");
    /// ```
    pub fn downgrade(&self) -> WeakSender<T> {
        WeakSender { channel: Rc::downgrade(&self.channel) }
    }

    /// How many values the channel holds at most: what [`bounded`](super::bounded) was told.
    ///
    /// ```
    /// assert_eq!(coracle::sync::channel::bounded::<()>(3).0.capacity(), 3);
    /// ```
    pub fn capacity(&self) -> usize {
        self.channel.capacity
    }

    /// Whether a value could not be sent now for want of room. Places that permits hold are taken.
    ///
    /// ```
    /// let (sender, _receiver) = coracle::sync::channel::bounded(1);
    /// sender.try_send(1).unwrap();
    /// assert!(sender.is_full());
    /// ```
    pub fn is_full(&self) -> bool {
        self.channel.is_full()
    }

    /// How many values wait in the channel.
    ///
    /// ```
    /// let (sender, _receiver) = coracle::sync::channel::bounded(3);
    /// sender.try_send('a').unwrap();
    /// assert_eq!(sender.len(), 1);
    /// ```
    pub fn len(&self) -> usize {
        self.channel.len()
    }

    /// Whether no value waits in the channel.
    ///
    /// ```
    /// assert!(coracle::sync::channel::bounded::<()>(3).0.is_empty());
    /// ```
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl<T> Clone for Sender<T> {
    fn clone(&self) -> Sender<T> {
        self.channel.senders.set(self.channel.senders.get() + 1);
        Sender { channel: self.channel.clone() }
    }
}

impl<T> Drop for Sender<T> {
    fn drop(&mut self) {
        self.channel.sender_left();
    }
}

impl<T> fmt::Debug for Sender<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sender").field("len", &self.len()).field("capacity", &self.capacity()).finish()
    }
}

/// See [`Sender::send`].
#[must_use = "a future does nothing unless awaited"]
pub struct Send<'a, T> {
    channel: &'a Channel<T>,
    value: Option<T>,
    place: Option<WaitKey>,
    at: &'static Location<'static>,
}

impl<T> Unpin for Send<'_, T> {}

impl<T> Send<'_, T> {
    /// Gives up sending. The value, if it has not been sent.
    ///
    /// ```
    /// let (sender, _receiver) = coracle::sync::channel::bounded(1);
    /// assert_eq!(sender.send(5).into_value(), Some(5));
    /// ```
    pub fn into_value(mut self) -> Option<T> {
        self.value.take()
    }
}

impl<T> Future for Send<'_, T> {
    type Output = Result<(), SendError<T>>;

    #[inline]
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        if here::has_budget() && this.channel.put(|| this.value.take().expect(AGAIN)) {
            here::spend();
            this.channel.room.leave(&mut this.place, true);
            return Poll::Ready(Ok(()));
        }
        this.wait(cx)
    }
}

/// What a broken promise to the caller's executor says.
const AGAIN: &str = "a Send was polled after it was done";

impl<T> Send<'_, T> {
    /// There is no free place, or others get their turn first.
    #[inline(never)]
    fn wait(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), SendError<T>>> {
        if !here::may_go_on(cx) {
            // Its place, and a wake that it may have there, it keeps: if it is dropped now, it passes that on.
            return self.waits();
        }
        let (channel, value) = (self.channel, self.value.take().expect(AGAIN));
        let result = match channel.put_if_received(value) {
            Ok(()) => {
                here::spend();
                Ok(())
            }
            Err(TrySendError::Closed(value)) => Err(SendError(value)),
            Err(TrySendError::Full(value)) => {
                self.value = Some(value);
                channel.room.stand(&mut self.place, cx, || channel.takes_a_value());
                return self.waits();
            }
        };
        channel.room.leave(&mut self.place, true);
        Poll::Ready(result)
    }

    fn waits(&self) -> Poll<Result<(), SendError<T>>> {
        here::waits(WaitReason::Sync("room in a channel"), self.at);
        Poll::Pending
    }
}

impl<T> Drop for Send<'_, T> {
    #[inline]
    fn drop(&mut self) {
        self.channel.room.leave(&mut self.place, false);
    }
}

impl<T> fmt::Debug for Send<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Send").field("waits", &self.place.is_some()).finish_non_exhaustive()
    }
}

/// A sender that does not keep the channel open; made by [`Sender::downgrade`].
pub struct WeakSender<T> {
    channel: Weak<Channel<T>>,
}

impl<T> WeakSender<T> {
    /// A sender, if there still is another.
    ///
    /// ```
    /// let (sender, _receiver) = coracle::sync::channel::bounded::<u8>(1);
    /// let weak = sender.downgrade();
    /// assert!(weak.upgrade().is_some());
    /// drop(sender);
    /// assert!(weak.upgrade().is_none());
    /// ```
    pub fn upgrade(&self) -> Option<Sender<T>> {
        let channel = self.channel.upgrade().filter(|channel| channel.senders.get() > 0)?;
        channel.senders.set(channel.senders.get() + 1);
        Some(Sender { channel })
    }
}

impl<T> Clone for WeakSender<T> {
    fn clone(&self) -> WeakSender<T> {
        WeakSender { channel: self.channel.clone() }
    }
}

impl<T> fmt::Debug for WeakSender<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WeakSender").finish_non_exhaustive()
    }
}

//! Channels: a queue of values between tasks, bounded or not.
//!
//! Many senders, many receivers, each value to one receiver, in order. A full channel makes senders wait: that is the
//! back-pressure. When the last sender is gone, the receivers get what is left, then `None`; when the last receiver is
//! gone, sending fails and gives the value back, and what was left is dropped.
//!
//! Waiting senders and receivers are served in order, but one that comes just when there is room or a value may be
//! quicker than one that was woken for it and has not run yet; that one then waits on.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::fmt;
use std::future::Future;
use std::panic::Location;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use crate::observer::WaitReason;
use crate::sync::WaitQueue;
use crate::task::here;
use crate::wait_list::WaitKey;

/// Every receiver is gone. Here is the value back.
///
/// ```
/// let (sender, receiver) = coracle::sync::channel::unbounded();
/// drop(receiver);
/// assert_eq!(sender.send(7).unwrap_err().0, 7);
/// ```
#[derive(Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the channel is closed: nobody receives any more")]
pub struct SendError<T>(pub T);

impl<T> fmt::Debug for SendError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SendError(..)")
    }
}

/// Why a value could not be sent at once. Here it is back.
///
/// ```
/// use coracle::sync::channel::{TrySendError, bounded};
/// let (sender, receiver) = bounded(1);
/// sender.try_send("first").unwrap();
/// assert_eq!(sender.try_send("second"), Err(TrySendError::Full("second")));
/// drop(receiver);
/// assert_eq!(sender.try_send("third"), Err(TrySendError::Closed("third")));
/// ```
#[derive(Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TrySendError<T> {
    /// There is no room now.
    #[error("the channel is full")]
    Full(T),
    /// Every receiver is gone.
    #[error("the channel is closed: nobody receives any more")]
    Closed(T),
}

impl<T> fmt::Debug for TrySendError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            TrySendError::Full(_) => "Full(..)",
            TrySendError::Closed(_) => "Closed(..)",
        })
    }
}

/// Why there is no value at once.
///
/// ```
/// use coracle::sync::channel::{TryRecvError, bounded};
/// let (sender, receiver) = bounded::<u8>(1);
/// assert_eq!(receiver.try_recv(), Err(TryRecvError::Empty));
/// drop(sender);
/// assert_eq!(receiver.try_recv(), Err(TryRecvError::Closed));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TryRecvError {
    /// None now.
    #[error("the channel is empty")]
    Empty,
    /// None any more: every sender is gone.
    #[error("the channel is closed: nobody sends any more")]
    Closed,
}

/// A channel that holds at most `capacity` values; sending waits for room. Room is allocated as it is needed.
///
/// With a capacity of 0 a value is taken only while a receiver waits for it, so a sender waits for its receiver.
///
/// ```
/// coracle::block_on(async {
///     let (sender, receiver) = coracle::sync::channel::bounded(3);
///     let producer = coracle::spawn(async move {
///         for n in 0..20 {
///             sender.send(n).await.unwrap();
///         }
///     });
///     let mut sum = 0;
///     while let Some(n) = receiver.recv().await {
///         sum += n;
///     }
///     producer.await.unwrap();
///     assert_eq!(sum, 190);
/// });
/// ```
pub fn bounded<T>(capacity: usize) -> (Sender<T>, Receiver<T>) {
    let channel = Rc::new(Channel::new(capacity));
    (Sender { channel: channel.clone() }, Receiver { channel })
}

/// A channel without a bound; sending never waits. Its memory is bounded by nothing but what you send.
///
/// ```
/// coracle::block_on(async {
///     let (sender, receiver) = coracle::sync::channel::unbounded();
///     sender.send("hello").unwrap();
///     assert_eq!(receiver.recv().await, Some("hello"));
/// });
/// ```
pub fn unbounded<T>() -> (UnboundedSender<T>, Receiver<T>) {
    let (sender, receiver) = bounded(usize::MAX);
    (UnboundedSender { sender }, receiver)
}

struct Channel<T> {
    values: RefCell<VecDeque<T>>,
    capacity: usize,
    senders: Cell<usize>,
    receivers: Cell<usize>,
    /// Who waits for room.
    room: WaitQueue,
    /// Who waits for a value.
    value: WaitQueue,
}

impl<T> Channel<T> {
    fn new(capacity: usize) -> Channel<T> {
        Channel {
            values: RefCell::default(),
            capacity,
            senders: Cell::new(1),
            receivers: Cell::new(1),
            room: WaitQueue::new(),
            value: WaitQueue::new(),
        }
    }

    /// How many values fit: with capacity 0, as many as there are receivers waiting for one.
    fn limit(&self) -> usize {
        if self.capacity == 0 { self.value.len() } else { self.capacity }
    }

    /// Whether a sender need not wait.
    fn takes_a_value(&self) -> bool {
        self.receivers.get() == 0 || self.values.borrow().len() < self.limit()
    }

    /// Whether a receiver need not wait.
    fn answers(&self) -> bool {
        self.senders.get() == 0 || !self.values.borrow().is_empty()
    }

    fn try_send(&self, value: T) -> Result<(), TrySendError<T>> {
        if self.receivers.get() == 0 {
            return Err(TrySendError::Closed(value));
        }
        if self.values.borrow().len() >= self.limit() {
            return Err(TrySendError::Full(value));
        }
        self.values.borrow_mut().push_back(value);
        self.value.wake_one();
        Ok(())
    }

    fn try_recv(&self) -> Result<T, TryRecvError> {
        let value = self.values.borrow_mut().pop_front();
        match value {
            Some(value) => {
                self.room.wake_one();
                Ok(value)
            }
            None if self.senders.get() == 0 => Err(TryRecvError::Closed),
            None => Err(TryRecvError::Empty),
        }
    }

    fn sender_left(&self) {
        self.senders.set(self.senders.get() - 1);
        if self.senders.get() == 0 {
            self.value.wake_all();
        }
    }

    fn receiver_left(&self) {
        self.receivers.set(self.receivers.get() - 1);
        if self.receivers.get() == 0 {
            // Taken out first, dropped last: a value's drop may use the channel, or panic.
            let rest = self.values.take();
            self.room.wake_all();
            drop(rest);
        }
    }
}

/// The sending side of a [`bounded`] channel. Clone it for more senders.
///
/// ```
/// let (sender, receiver) = coracle::sync::channel::bounded(2);
/// sender.clone().try_send(1).unwrap();
/// sender.try_send(2).unwrap();
/// assert_eq!((receiver.try_recv(), receiver.try_recv()), (Ok(1), Ok(2)));
/// ```
pub struct Sender<T> {
    channel: Rc<Channel<T>>,
}

impl<T> Sender<T> {
    /// Sends a value, waiting for room.
    ///
    /// **Cancel safety**: a dropped `Send` that is not done has sent nothing, and drops its value;
    /// [`Send::into_value`] saves it. A wake that it had goes to the next sender.
    ///
    /// # Errors
    /// If every receiver is gone, also while it waits.
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
    /// If there is none, or nobody receives any more.
    ///
    /// ```
    /// let (sender, _receiver) = coracle::sync::channel::bounded(1);
    /// assert!(sender.try_send(1).is_ok() && sender.try_send(2).is_err());
    /// ```
    pub fn try_send(&self, value: T) -> Result<(), TrySendError<T>> {
        self.channel.try_send(value)
    }

    /// Whether every receiver is gone.
    ///
    /// ```
    /// let (sender, receiver) = coracle::sync::channel::bounded::<()>(1);
    /// drop(receiver);
    /// assert!(sender.is_closed());
    /// ```
    pub fn is_closed(&self) -> bool {
        self.channel.receivers.get() == 0
    }

    /// How many values wait in the channel.
    ///
    /// ```
    /// let (sender, _receiver) = coracle::sync::channel::bounded(3);
    /// sender.try_send('a').unwrap();
    /// assert_eq!(sender.len(), 1);
    /// ```
    pub fn len(&self) -> usize {
        self.channel.values.borrow().len()
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
        f.debug_struct("Sender").field("len", &self.len()).field("capacity", &self.channel.capacity).finish()
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

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        if !here::may_go_on(cx) {
            // Its place, and a wake that it may have there, it keeps: if it is dropped now, it passes that on.
            here::waits(WaitReason::Sync("room in a channel"), this.at);
            return Poll::Pending;
        }
        let value = this.value.take().expect("a Send was polled after it was done");
        match this.channel.try_send(value) {
            Ok(()) => {
                here::spend();
                this.channel.room.leave(&mut this.place, true);
                Poll::Ready(Ok(()))
            }
            Err(TrySendError::Closed(value)) => {
                this.channel.room.leave(&mut this.place, true);
                Poll::Ready(Err(SendError(value)))
            }
            Err(TrySendError::Full(value)) => {
                this.value = Some(value);
                this.channel.room.stand(&mut this.place, cx, || this.channel.takes_a_value());
                here::waits(WaitReason::Sync("room in a channel"), this.at);
                Poll::Pending
            }
        }
    }
}

impl<T> Drop for Send<'_, T> {
    fn drop(&mut self) {
        self.channel.room.leave(&mut self.place, false);
    }
}

impl<T> fmt::Debug for Send<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Send").field("waits", &self.place.is_some()).finish_non_exhaustive()
    }
}

/// The sending side of an [`unbounded`] channel. Clone it for more senders.
///
/// ```
/// let (sender, receiver) = coracle::sync::channel::unbounded();
/// sender.send(1).unwrap();
/// assert_eq!(receiver.try_recv(), Ok(1));
/// ```
pub struct UnboundedSender<T> {
    sender: Sender<T>,
}

impl<T> UnboundedSender<T> {
    /// Sends a value, without waiting.
    ///
    /// # Errors
    /// If every receiver is gone.
    ///
    /// ```
    /// let (sender, receiver) = coracle::sync::channel::unbounded();
    /// drop(receiver);
    /// assert!(sender.send(1).is_err());
    /// ```
    pub fn send(&self, value: T) -> Result<(), SendError<T>> {
        self.sender.try_send(value).map_err(|error| match error {
            TrySendError::Closed(value) | TrySendError::Full(value) => SendError(value),
        })
    }

    /// Whether every receiver is gone.
    ///
    /// ```
    /// let (sender, receiver) = coracle::sync::channel::unbounded::<()>();
    /// drop(receiver);
    /// assert!(sender.is_closed());
    /// ```
    pub fn is_closed(&self) -> bool {
        self.sender.is_closed()
    }

    /// How many values wait in the channel.
    ///
    /// ```
    /// assert_eq!(coracle::sync::channel::unbounded::<()>().0.len(), 0);
    /// ```
    pub fn len(&self) -> usize {
        self.sender.len()
    }

    /// Whether no value waits in the channel.
    ///
    /// ```
    /// assert!(coracle::sync::channel::unbounded::<()>().0.is_empty());
    /// ```
    pub fn is_empty(&self) -> bool {
        self.sender.is_empty()
    }
}

impl<T> Clone for UnboundedSender<T> {
    fn clone(&self) -> UnboundedSender<T> {
        UnboundedSender { sender: self.sender.clone() }
    }
}

impl<T> fmt::Debug for UnboundedSender<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UnboundedSender").field("len", &self.len()).finish()
    }
}

/// The receiving side of a channel. Clone it for more receivers: each value goes to one of them.
///
/// ```
/// let (sender, receiver) = coracle::sync::channel::bounded(1);
/// sender.try_send("x").unwrap();
/// assert_eq!(receiver.try_recv(), Ok("x"));
/// ```
pub struct Receiver<T> {
    channel: Rc<Channel<T>>,
}

impl<T> Receiver<T> {
    /// Receives the next value, waiting for one. `None`: the channel is empty and every sender is gone.
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

    /// How many values wait in the channel.
    ///
    /// ```
    /// assert_eq!(coracle::sync::channel::bounded::<u8>(1).1.len(), 0);
    /// ```
    pub fn len(&self) -> usize {
        self.channel.values.borrow().len()
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

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<T>> {
        let this = &mut *self;
        if !here::may_go_on(cx) {
            // As in `Send`.
            here::waits(WaitReason::Sync("a value in a channel"), this.at);
            return Poll::Pending;
        }
        let result = this.channel.try_recv();
        if matches!(result, Err(TryRecvError::Empty)) {
            this.channel.value.stand(&mut this.place, cx, || this.channel.answers());
            if this.channel.capacity == 0 {
                // Standing here is what makes room.
                this.channel.room.wake_one();
            }
            here::waits(WaitReason::Sync("a value in a channel"), this.at);
            return Poll::Pending;
        }
        here::spend();
        this.channel.value.leave(&mut this.place, true);
        Poll::Ready(result.ok())
    }
}

impl<T> Drop for Recv<'_, T> {
    fn drop(&mut self) {
        self.channel.value.leave(&mut self.place, false);
    }
}

impl<T> fmt::Debug for Recv<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Recv").field("waits", &self.place.is_some()).finish_non_exhaustive()
    }
}

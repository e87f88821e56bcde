//! Channels between threads: a queue of values, bounded or not.
//!
//! As [`sync::channel`](crate::sync::channel), whose errors these use: many senders, many receivers, each value to one
//! of them, in order. When the last sender is gone, the receivers get what is left, then `None`; when the last receiver
//! is gone, sending fails and gives the value back, and what was left is dropped.
//!
//! Every end may live on another thread, in a task or not: an operation waits as a future, or, if its name ends in
//! `_blocking`, by blocking its thread. Both kinds stand in one queue and are served in order; but one that comes just
//! when there is room or a value may be quicker than one that was woken for it and has not run yet; that one waits on.

use std::fmt;
use std::future::Future;
use std::panic::Location;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use super::queue::{Both, End, Owed, Queue};
use super::thread::{block_until, try_for_a_while, wake_if_any};
use crate::observer::WaitReason;
use crate::task::{here, keep, let_go, wake};
use crate::wait_list::WaitKey;

pub use crate::sync::channel::{SendError, TryRecvError, TrySendError};

const ROOM: WaitReason = WaitReason::Outside("room in a channel between threads");
const VALUE: WaitReason = WaitReason::Outside("a value in a channel between threads");

/// A channel that holds at most `capacity` values; sending waits for room. Room is allocated as it is needed.
///
/// With a capacity of 0 a value is taken only while a receiver waits for it, so a sender waits for its receiver.
///
/// ```
/// let (sender, receiver) = coracle::sync::remote::channel::bounded(3);
/// let producer = std::thread::spawn(move || {
///     for n in 0..20 {
///         sender.send_blocking(n).unwrap();
///     }
/// });
/// coracle::block_on(async {
///     let mut sum = 0;
///     while let Some(n) = receiver.recv().await {
///         sum += n;
///     }
///     assert_eq!(sum, 190);
/// });
/// producer.join().unwrap();
/// ```
///
/// What may be sent to another thread may travel, also if two threads must not share it:
///
/// ```
/// fn travels<T: Send + Sync>(_: T) {}
/// travels(coracle::sync::remote::channel::bounded::<std::cell::Cell<u8>>(1));
/// ```
///
/// and what may not, may not (the first such bug of a channel is RUSTSEC-2025-0023):
///
/// ```compile_fail
/// fn travels<T: Send>(_: T) {}
/// travels(coracle::sync::remote::channel::bounded::<std::rc::Rc<u8>>(1));
/// ```
pub fn bounded<T>(capacity: usize) -> (Sender<T>, Receiver<T>) {
    let channel = Arc::new(Channel { queue: Queue::new(capacity) });
    (Sender { channel: channel.clone() }, Receiver { channel })
}

/// A channel without a bound; sending never waits. Its memory is bounded by nothing but what you send.
///
/// ```
/// let (sender, receiver) = coracle::sync::remote::channel::unbounded();
/// let thread = std::thread::spawn(move || sender.send("hello"));
/// assert_eq!(coracle::block_on(receiver.recv()), Some("hello"));
/// # thread.join().unwrap().unwrap();
/// ```
pub fn unbounded<T>() -> (UnboundedSender<T>, Receiver<T>) {
    let (sender, receiver) = bounded(usize::MAX);
    (UnboundedSender { sender }, receiver)
}

struct Channel<T> {
    queue: Queue<T>,
}

impl<T> Channel<T> {
    #[inline]
    fn try_send(&self, value: T) -> Result<(), TrySendError<T>> {
        let receiver = self.queue.push(value)?;
        wake_if_any(receiver);
        Ok(())
    }

    #[inline]
    fn try_recv(&self) -> Result<T, TryRecvError> {
        let (value, sender) = match self.queue.pop_at_hand() {
            Some(found) => found,
            None => self.queue.both_at_leisure().pop()?,
        };
        wake_if_any(sender);
        Ok(value)
    }

    /// Sends, or stands in the queue of senders; then the value is back in `value`.
    #[inline]
    fn poll_send(
        &self,
        value: &mut Option<T>,
        place: &mut Option<WaitKey>,
        waker: &Waker,
    ) -> Poll<Result<(), SendError<T>>> {
        const DONE: &str = "a Send was polled after it was done";
        if place.is_none() {
            match self.try_send(value.take().expect(DONE)) {
                Ok(()) => return Poll::Ready(Ok(())),
                Err(TrySendError::Closed(value)) => return Poll::Ready(Err(SendError(value))),
                Err(TrySendError::Full(back)) => *value = Some(back),
            }
        }
        self.wait(End::Room, place, waker, |both| match both.push(value.take().expect(DONE)) {
            Ok(receiver) => Poll::Ready((Ok(()), receiver)),
            Err(TrySendError::Closed(value)) => Poll::Ready((Err(SendError(value)), None)),
            Err(TrySendError::Full(back)) => {
                *value = Some(back);
                Poll::Pending
            }
        })
    }

    /// Receives, or stands in the queue of receivers.
    #[inline]
    fn poll_recv(&self, place: &mut Option<WaitKey>, waker: &Waker) -> Poll<Option<T>> {
        if place.is_none() {
            if let Some((value, sender)) = self.queue.pop_at_hand() {
                wake_if_any(sender);
                return Poll::Ready(Some(value));
            }
        }
        self.wait(End::Value, place, waker, |both| match both.pop() {
            Ok((value, sender)) => Poll::Ready((Some(value), sender)),
            Err(TryRecvError::Closed) => Poll::Ready((None, None)),
            Err(TryRecvError::Empty) => Poll::Pending,
        })
    }

    /// Tries, and stands in the list of those who wait at this end in the same moment: nothing can come between. A
    /// waker is cloned while nothing is locked: before the first look by one that comes anew, else only if it is
    /// needed, and then it is looked once more.
    #[inline(never)]
    fn wait<R>(
        &self,
        end: End,
        place: &mut Option<WaitKey>,
        waker: &Waker,
        mut attempt: impl FnMut(&mut Both<'_, T>) -> Poll<(R, Option<Waker>)>,
    ) -> Poll<R> {
        let mut clone = place.is_none().then(|| keep(waker));
        loop {
            let mut both = match end {
                End::Room => self.queue.both(),
                End::Value => self.queue.both_at_leisure(),
            };
            if let Poll::Ready((result, other)) = attempt(&mut both) {
                let owed = both.leave(end, place, true);
                settle(both, owed);
                wake_if_any(other);
                let_go(clone);
                return Poll::Ready(result);
            }
            if both.stands(end, place, waker) {
                drop(both);
                let_go(clone);
                return Poll::Pending;
            }
            if let Some(clone) = clone {
                let owed = both.stand(end, place, clone);
                settle(both, owed);
                return Poll::Pending;
            }
            drop(both);
            clone = Some(keep(waker));
        }
    }

    /// An operation is over, and was not done.
    fn leave(&self, end: End, place: &mut Option<WaitKey>) {
        if place.is_some() {
            let mut both = self.queue.both();
            let owed = both.leave(end, place, false);
            settle(both, owed);
        }
    }
}

/// Lets go of the locks, then does what is owed.
fn settle<T>(both: Both<'_, T>, owed: Owed) {
    drop(both);
    let_go(owed.drop);
    wake_if_any(owed.wake);
}

/// The sending side of a [`bounded`] channel. Clone it for more senders.
///
/// ```
/// let (sender, receiver) = coracle::sync::remote::channel::bounded(2);
/// sender.clone().try_send(1).unwrap();
/// sender.try_send(2).unwrap();
/// assert_eq!((receiver.try_recv(), receiver.try_recv()), (Ok(1), Ok(2)));
/// ```
pub struct Sender<T> {
    channel: Arc<Channel<T>>,
}

impl<T> Sender<T> {
    /// Sends a value, waiting for room.
    ///
    /// **Cancel safety**: lossy. A dropped `Send` that is not done has sent nothing, and drops its value;
    /// [`Send::into_value`] saves it. A wake that it had goes to the next sender.
    ///
    /// # Errors
    /// If every receiver is gone, also while it waits.
    ///
    /// ```
    /// coracle::block_on(async {
    ///     let (sender, receiver) = coracle::sync::remote::channel::bounded(1);
    ///     sender.send(1).await.unwrap();
    ///     assert_eq!(receiver.recv().await, Some(1));
    /// });
    /// ```
    #[track_caller]
    pub fn send(&self, value: T) -> Send<'_, T> {
        Send { channel: &self.channel, value: Some(value), place: None, at: Location::caller() }
    }

    /// Sends a value, blocking this thread until there is room. For plain threads: in a task it would hold up the whole
    /// runtime.
    ///
    /// # Errors
    /// If every receiver is gone, also while it waits.
    ///
    /// ```
    /// let (sender, receiver) = coracle::sync::remote::channel::bounded(1);
    /// let thread = std::thread::spawn(move || (1..=3).for_each(|n| sender.send_blocking(n).unwrap()));
    /// assert_eq!([(); 3].map(|()| receiver.recv_blocking()), [Some(1), Some(2), Some(3)]);
    /// # thread.join().unwrap();
    /// ```
    pub fn send_blocking(&self, value: T) -> Result<(), SendError<T>> {
        let attempt = |value| match self.channel.try_send(value) {
            Ok(()) => Ok(Ok(())),
            Err(TrySendError::Closed(value)) => Ok(Err(SendError(value))),
            Err(TrySendError::Full(value)) => Err(value),
        };
        let full = match attempt(value) {
            Ok(result) => return result,
            Err(value) => value,
        };
        // Until a few values have been taken, not only one, and not all.
        let pauses = (self.channel.queue.inlet().capacity() / 2).clamp(1, 32);
        try_for_a_while(pauses, full, attempt).unwrap_or_else(|value| {
            let (mut value, mut place) = (Some(value), None);
            block_until(|waker| self.channel.poll_send(&mut value, &mut place, waker))
        })
    }

    /// Sends a value if there is room now.
    ///
    /// # Errors
    /// If there is none, or nobody receives any more.
    ///
    /// ```
    /// let (sender, _receiver) = coracle::sync::remote::channel::bounded(1);
    /// assert!(sender.try_send(1).is_ok() && sender.try_send(2).is_err());
    /// ```
    pub fn try_send(&self, value: T) -> Result<(), TrySendError<T>> {
        self.channel.try_send(value)
    }

    /// Whether every receiver is gone.
    ///
    /// ```
    /// let (sender, receiver) = coracle::sync::remote::channel::bounded::<()>(1);
    /// drop(receiver);
    /// assert!(sender.is_closed());
    /// ```
    pub fn is_closed(&self) -> bool {
        !self.channel.queue.inlet().has_receivers()
    }

    /// How many values wait in the channel, at this moment.
    ///
    /// ```
    /// let (sender, _receiver) = coracle::sync::remote::channel::bounded(3);
    /// sender.try_send('a').unwrap();
    /// assert_eq!(sender.len(), 1);
    /// ```
    pub fn len(&self) -> usize {
        self.channel.queue.len()
    }

    /// Whether no value waits in the channel, at this moment.
    ///
    /// ```
    /// assert!(coracle::sync::remote::channel::bounded::<()>(3).0.is_empty());
    /// ```
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl<T> Clone for Sender<T> {
    fn clone(&self) -> Sender<T> {
        self.channel.queue.inlet().add_sender();
        Sender { channel: self.channel.clone() }
    }
}

impl<T> Drop for Sender<T> {
    fn drop(&mut self) {
        let waiting = self.channel.queue.inlet().remove_sender();
        waiting.into_iter().for_each(wake);
    }
}

impl<T> fmt::Debug for Sender<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (len, capacity) = (self.len(), self.channel.queue.inlet().capacity());
        f.debug_struct("remote::Sender").field("len", &len).field("capacity", &capacity).finish()
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
    /// let (sender, _receiver) = coracle::sync::remote::channel::bounded(1);
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
        // Without budget it keeps its place, and a wake that it may have there: if it is dropped now, it passes that
        // on.
        if here::may_go_on(cx) {
            let poll = this.channel.poll_send(&mut this.value, &mut this.place, cx.waker());
            if poll.is_ready() {
                here::spend();
                return poll;
            }
        }
        here::waits(ROOM, this.at);
        Poll::Pending
    }
}

impl<T> Drop for Send<'_, T> {
    fn drop(&mut self) {
        self.channel.leave(End::Room, &mut self.place);
    }
}

impl<T> fmt::Debug for Send<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("remote::Send").field("waits", &self.place.is_some()).finish_non_exhaustive()
    }
}

/// The sending side of an [`unbounded`] channel. Clone it for more senders.
///
/// ```
/// let (sender, receiver) = coracle::sync::remote::channel::unbounded();
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
    /// let (sender, receiver) = coracle::sync::remote::channel::unbounded();
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
    /// let (sender, receiver) = coracle::sync::remote::channel::unbounded::<()>();
    /// drop(receiver);
    /// assert!(sender.is_closed());
    /// ```
    pub fn is_closed(&self) -> bool {
        self.sender.is_closed()
    }

    /// How many values wait in the channel, at this moment.
    ///
    /// ```
    /// assert_eq!(coracle::sync::remote::channel::unbounded::<()>().0.len(), 0);
    /// ```
    pub fn len(&self) -> usize {
        self.sender.len()
    }

    /// Whether no value waits in the channel, at this moment.
    ///
    /// ```
    /// assert!(coracle::sync::remote::channel::unbounded::<()>().0.is_empty());
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
        f.debug_struct("remote::UnboundedSender").field("len", &self.len()).finish()
    }
}

/// The receiving side of a channel. Clone it for more receivers: each value goes to one of them.
///
/// ```
/// let (sender, receiver) = coracle::sync::remote::channel::bounded(1);
/// sender.try_send("x").unwrap();
/// assert_eq!(receiver.try_recv(), Ok("x"));
/// ```
pub struct Receiver<T> {
    channel: Arc<Channel<T>>,
}

impl<T> Receiver<T> {
    /// Receives the next value, waiting for one. `None`: the channel is empty and every sender is gone.
    ///
    /// **Cancel safety**: cancel-safe. A value is taken in the poll that returns it; a wake that a dropped `Recv` had
    /// goes to the next receiver.
    ///
    /// ```
    /// coracle::block_on(async {
    ///     let (sender, receiver) = coracle::sync::remote::channel::bounded(1);
    ///     sender.send(1).await.unwrap();
    ///     drop(sender);
    ///     assert_eq!((receiver.recv().await, receiver.recv().await), (Some(1), None));
    /// });
    /// ```
    #[track_caller]
    pub fn recv(&self) -> Recv<'_, T> {
        Recv { channel: &self.channel, place: None, at: Location::caller() }
    }

    /// Receives the next value, blocking this thread until there is one. `None`: the channel is empty and every sender
    /// is gone. For plain threads: in a task it would hold up the whole runtime.
    ///
    /// ```
    /// let (sender, receiver) = coracle::sync::remote::channel::unbounded();
    /// let thread = std::thread::spawn(move || receiver.recv_blocking());
    /// sender.send(5).unwrap();
    /// assert_eq!(thread.join().unwrap(), Some(5));
    /// ```
    pub fn recv_blocking(&self) -> Option<T> {
        let attempt = |()| match self.channel.try_recv() {
            Ok(value) => Ok(Some(value)),
            Err(TryRecvError::Closed) => Ok(None),
            Err(TryRecvError::Empty) => Err(()),
        };
        if let Ok(result) = attempt(()) {
            return result;
        }
        try_for_a_while(4, (), attempt).unwrap_or_else(|()| {
            let mut place = None;
            block_until(|waker| self.channel.poll_recv(&mut place, waker))
        })
    }

    /// Receives a value if there is one now.
    ///
    /// # Errors
    /// If there is none, or none will come.
    ///
    /// ```
    /// let (_sender, receiver) = coracle::sync::remote::channel::bounded::<u8>(1);
    /// assert!(receiver.try_recv().is_err());
    /// ```
    pub fn try_recv(&self) -> Result<T, TryRecvError> {
        self.channel.try_recv()
    }

    /// How many values wait in the channel, at this moment.
    ///
    /// ```
    /// assert_eq!(coracle::sync::remote::channel::bounded::<u8>(1).1.len(), 0);
    /// ```
    pub fn len(&self) -> usize {
        self.channel.queue.len()
    }

    /// Whether no value waits in the channel, at this moment.
    ///
    /// ```
    /// assert!(coracle::sync::remote::channel::bounded::<u8>(1).1.is_empty());
    /// ```
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl<T> Clone for Receiver<T> {
    fn clone(&self) -> Receiver<T> {
        self.channel.queue.inlet().add_receiver();
        Receiver { channel: self.channel.clone() }
    }
}

impl<T> Drop for Receiver<T> {
    fn drop(&mut self) {
        let (waiting, rest) = self.channel.queue.both().remove_receiver();
        waiting.into_iter().for_each(wake);
        // Last: a value's drop may use the channel, or panic.
        drop(rest);
    }
}

impl<T> fmt::Debug for Receiver<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("remote::Receiver").field("len", &self.len()).finish()
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
        // As in `Send`.
        if here::may_go_on(cx) {
            let poll = this.channel.poll_recv(&mut this.place, cx.waker());
            if poll.is_ready() {
                here::spend();
                return poll;
            }
        }
        here::waits(VALUE, this.at);
        Poll::Pending
    }
}

impl<T> Drop for Recv<'_, T> {
    fn drop(&mut self) {
        self.channel.leave(End::Value, &mut self.place);
    }
}

impl<T> fmt::Debug for Recv<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("remote::Recv").field("waits", &self.place.is_some()).finish_non_exhaustive()
    }
}

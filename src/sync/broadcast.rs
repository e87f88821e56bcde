//! Broadcast: every receiver gets every value.
//!
//! The sender never waits. What it sends is kept until all receivers that were there have seen it, but never more than
//! the capacity: then the oldest value goes, and whoever has not seen it is told how many were missed. A receiver sees
//! what is sent after it was made.
//!
//! A value lies in an `Rc`, an allocation each, so that it is cloned, which is code of the user's, while nothing here
//! is borrowed. The last receiver to see it gets the value itself. On one thread no two clones are made at once, so a
//! value need not be `Sync`, and nothing here is `Send`.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::fmt;
use std::future::Future;
use std::panic::Location;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use super::closed::{Closing, UntilClosed};
use crate::observer::WaitReason;
use crate::sync::WaitQueue;
use crate::task::here;
use crate::wait_list::WaitKey;

/// There is no receiver now. Here is the value back.
///
/// ```
/// let (sender, receiver) = coracle::sync::broadcast::channel(1);
/// drop(receiver);
/// assert_eq!(sender.send(7).unwrap_err().0, 7);
/// ```
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct SendError<T>(pub T);

impl<T> fmt::Display for SendError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("nobody receives this broadcast")
    }
}

impl<T> std::error::Error for SendError<T> {}

impl<T> fmt::Debug for SendError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SendError(..)")
    }
}

/// Why a receiver gets no value.
///
/// ```
/// use coracle::sync::broadcast::{RecvError, channel};
/// let (sender, mut receiver) = channel(2);
/// for n in 0..5 {
///     sender.send(n).unwrap();
/// }
/// drop(sender);
/// coracle::block_on(async {
///     assert_eq!(receiver.recv().await, Err(RecvError::Lagged(3)));
///     assert_eq!((receiver.recv().await, receiver.recv().await), (Ok(3), Ok(4)));
///     assert_eq!(receiver.recv().await, Err(RecvError::Closed));
/// });
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RecvError {
    /// It was too slow and missed so many values. The next one it gets is the oldest that is left.
    Lagged(u64),
    /// It has seen all, and every sender is gone.
    Closed,
}

impl fmt::Display for RecvError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            RecvError::Lagged(missed) => write!(f, "the receiver was too slow and missed {missed} values"),
            RecvError::Closed => f.write_str("the broadcast has ended"),
        }
    }
}

impl std::error::Error for RecvError {}

/// Why a receiver gets no value at once.
///
/// ```
/// use coracle::sync::broadcast::{TryRecvError, channel};
/// let (_sender, mut receiver) = channel::<u8>(2);
/// assert_eq!(receiver.try_recv(), Err(TryRecvError::Empty));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TryRecvError {
    /// It has seen all that was sent.
    Empty,
    /// As [`RecvError::Lagged`].
    Lagged(u64),
    /// As [`RecvError::Closed`].
    Closed,
}

impl fmt::Display for TryRecvError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            TryRecvError::Empty => f.write_str("there is no new value"),
            TryRecvError::Lagged(missed) => write!(f, "the receiver was too slow and missed {missed} values"),
            TryRecvError::Closed => f.write_str("the broadcast has ended"),
        }
    }
}

impl std::error::Error for TryRecvError {}

/// A broadcast that keeps at most `capacity` values for slow receivers. Room is allocated as it is needed.
///
/// With a capacity of 0 none is kept: receivers learn only how many were sent. With `usize::MAX` nobody misses any, and
/// memory is bounded by nothing but the slowest receiver.
///
/// ```
/// coracle::block_on(async {
///     let (sender, mut one) = coracle::sync::broadcast::channel(16);
///     let mut other = sender.subscribe();
///     sender.send("news").unwrap();
///     assert_eq!((one.recv().await, other.recv().await), (Ok("news"), Ok("news")));
/// });
/// ```
///
/// It stays on its thread, so that values can be cloned without being `Sync`:
///
/// ```compile_fail
/// fn must_be_send<T: Send>(_: T) {}
/// must_be_send(coracle::sync::broadcast::channel::<u8>(1).0);
/// ```
///
/// ```compile_fail
/// fn must_be_send<T: Send>(_: T) {}
/// must_be_send(coracle::sync::broadcast::channel::<u8>(1).1);
/// ```
pub fn channel<T>(capacity: usize) -> (Sender<T>, Receiver<T>) {
    let channel = Rc::new(Channel {
        values: RefCell::default(),
        first: Cell::new(0),
        capacity,
        senders: Cell::new(1),
        receivers: Cell::new(0),
        value: WaitQueue::new(),
        closing: Closing::default(),
    });
    let receiver = Receiver::new(&channel);
    (Sender { channel }, receiver)
}

struct Channel<T> {
    /// What was sent and not seen by all. No value has fewer receivers that have not seen it than the one before.
    values: RefCell<VecDeque<Slot<T>>>,
    /// The number of the first of them; every value that is sent gets the next number.
    first: Cell<u64>,
    capacity: usize,
    senders: Cell<usize>,
    receivers: Cell<usize>,
    /// Who waits for a value.
    value: WaitQueue,
    /// Whether there is no receiver.
    closing: Closing,
}

struct Slot<T> {
    value: Rc<T>,
    /// How many receivers have not seen it.
    unseen: usize,
}

impl<T> Channel<T> {
    /// The number of the value that is sent next.
    fn next(&self) -> u64 {
        self.first.get() + self.values.borrow().len() as u64
    }

    /// Takes the first value out of the ring; to be dropped outside of all borrows.
    fn pop(&self) -> Option<Rc<T>> {
        let slot = self.values.borrow_mut().pop_front()?;
        self.first.set(self.first.get() + 1);
        Some(slot.value)
    }

    /// What the receiver sees that has seen all before `next`.
    fn see(&self, next: &mut u64) -> Result<Rc<T>, TryRecvError> {
        let first = self.first.get();
        if *next < first {
            let missed = first - *next;
            *next = first;
            return Err(TryRecvError::Lagged(missed));
        }
        let mut values = self.values.borrow_mut();
        let Some(slot) = values.get_mut((*next - first) as usize) else {
            return Err(if self.senders.get() == 0 { TryRecvError::Closed } else { TryRecvError::Empty });
        };
        *next += 1;
        slot.unseen -= 1;
        let (value, is_last) = (slot.value.clone(), slot.unseen == 0);
        drop(values);
        if is_last {
            // What all have seen is the first. This was not the last reference to it.
            drop(self.pop());
        }
        Ok(value)
    }

    /// A receiver goes that has seen all before `next`.
    fn receiver_left(&self, next: u64) {
        self.receivers.set(self.receivers.get() - 1);
        let mut values = self.values.borrow_mut();
        let seen = next.saturating_sub(self.first.get()) as usize;
        values.iter_mut().skip(seen).for_each(|slot| slot.unseen -= 1);
        let done = values.iter().take_while(|slot| slot.unseen == 0).count();
        let gone: Vec<_> = values.drain(..done).collect();
        drop(values);
        self.first.set(self.first.get() + done as u64);
        if self.receivers.get() == 0 {
            self.closing.close();
        }
        drop(gone);
    }
}

/// The side that sends; made by [`channel`]. Clone it for more senders.
///
/// ```
/// let (sender, mut receiver) = coracle::sync::broadcast::channel(2);
/// sender.clone().send(1).unwrap();
/// assert_eq!(receiver.try_recv(), Ok(1));
/// ```
pub struct Sender<T> {
    channel: Rc<Channel<T>>,
}

impl<T> Sender<T> {
    /// Sends a value to all receivers there are; how many. It never waits: if the ring is full, the oldest value goes,
    /// and is dropped when all who wait have been woken.
    ///
    /// # Errors
    /// If there is no receiver now.
    ///
    /// ```
    /// let (sender, _one) = coracle::sync::broadcast::channel(2);
    /// let _other = sender.subscribe();
    /// assert_eq!(sender.send("x").unwrap(), 2);
    /// ```
    pub fn send(&self, value: T) -> Result<usize, SendError<T>> {
        let channel = &self.channel;
        let receivers = channel.receivers.get();
        if receivers == 0 {
            return Err(SendError(value));
        }
        channel.values.borrow_mut().push_back(Slot { value: Rc::new(value), unseen: receivers });
        let oldest = if self.len() > channel.capacity { channel.pop() } else { None };
        channel.value.wake_all();
        drop(oldest);
        Ok(receivers)
    }

    /// A receiver of what is sent from now on.
    ///
    /// ```
    /// let (sender, mut early) = coracle::sync::broadcast::channel(2);
    /// sender.send(1).unwrap();
    /// let mut late = sender.subscribe();
    /// sender.send(2).unwrap();
    /// assert_eq!((early.try_recv(), late.try_recv()), (Ok(1), Ok(2)));
    /// ```
    pub fn subscribe(&self) -> Receiver<T> {
        Receiver::new(&self.channel)
    }

    /// How many receivers there are.
    ///
    /// ```
    /// let (sender, _receiver) = coracle::sync::broadcast::channel::<u8>(2);
    /// assert_eq!(sender.receivers(), 1);
    /// ```
    pub fn receivers(&self) -> usize {
        self.channel.receivers.get()
    }

    /// How many values are kept: what not all receivers have seen.
    ///
    /// ```
    /// let (sender, _receiver) = coracle::sync::broadcast::channel(2);
    /// sender.send('a').unwrap();
    /// assert_eq!(sender.len(), 1);
    /// ```
    pub fn len(&self) -> usize {
        self.channel.values.borrow().len()
    }

    /// Whether all receivers have seen all that was sent.
    ///
    /// ```
    /// assert!(coracle::sync::broadcast::channel::<u8>(2).0.is_empty());
    /// ```
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many values are kept at most.
    ///
    /// ```
    /// assert_eq!(coracle::sync::broadcast::channel::<u8>(2).0.capacity(), 2);
    /// ```
    pub fn capacity(&self) -> usize {
        self.channel.capacity
    }

    /// Waits until there is no receiver. There may be one again later, by [`subscribe`](Sender::subscribe).
    ///
    /// **Cancel safety**: cancel-safe.
    ///
    /// ```
    /// let (sender, receiver) = coracle::sync::broadcast::channel::<u8>(2);
    /// drop(receiver);
    /// coracle::block_on(sender.closed());
    /// ```
    #[track_caller]
    pub fn closed(&self) -> UntilClosed<'_> {
        self.channel.closing.wait()
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
        self.channel.senders.set(self.channel.senders.get() - 1);
        if self.channel.senders.get() == 0 {
            self.channel.value.wake_all();
        }
    }
}

impl<T> fmt::Debug for Sender<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("broadcast::Sender").field("len", &self.len()).field("receivers", &self.receivers()).finish()
    }
}

/// A side that receives; made by [`channel`] and [`Sender::subscribe`]. Dropped, it no longer keeps values that only it
/// had not seen; that costs a step for each that it has not.
pub struct Receiver<T> {
    channel: Rc<Channel<T>>,
    /// The number of the value that it sees next.
    next: u64,
}

impl<T> Receiver<T> {
    fn new(channel: &Rc<Channel<T>>) -> Receiver<T> {
        channel.receivers.set(channel.receivers.get() + 1);
        channel.closing.reopen();
        Receiver { next: channel.next(), channel: channel.clone() }
    }

    /// Another receiver, of what is sent from now on.
    ///
    /// ```
    /// let (sender, receiver) = coracle::sync::broadcast::channel(2);
    /// let mut other = receiver.resubscribe();
    /// sender.send(1).unwrap();
    /// assert_eq!(other.try_recv(), Ok(1));
    /// ```
    pub fn resubscribe(&self) -> Receiver<T> {
        Receiver::new(&self.channel)
    }

    /// How many values are kept that it has not seen; what it missed does not count.
    ///
    /// ```
    /// let (sender, receiver) = coracle::sync::broadcast::channel(2);
    /// sender.send('a').unwrap();
    /// assert_eq!(receiver.len(), 1);
    /// ```
    pub fn len(&self) -> usize {
        (self.channel.next() - self.next.max(self.channel.first.get())) as usize
    }

    /// Whether no value is kept that it has not seen.
    ///
    /// ```
    /// assert!(coracle::sync::broadcast::channel::<u8>(2).1.is_empty());
    /// ```
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether a receiver need not wait.
    fn is_answered(&self) -> bool {
        self.channel.senders.get() == 0 || self.next < self.channel.next()
    }
}

impl<T: Clone> Receiver<T> {
    /// Receives the next value, waiting for one.
    ///
    /// **Cancel safety**: cancel-safe. A value is seen in the poll that returns it.
    ///
    /// # Errors
    /// If it missed values, or every sender is gone and it has seen all.
    ///
    /// # Panics
    /// If the value's `Clone` does. The value counts as seen then.
    ///
    /// ```
    /// coracle::block_on(async {
    ///     let (sender, mut receiver) = coracle::sync::broadcast::channel(16);
    ///     let task = coracle::spawn(async move { receiver.recv().await });
    ///     sender.send(1).unwrap();
    ///     assert_eq!(task.await.unwrap(), Ok(1));
    /// });
    /// ```
    #[track_caller]
    pub fn recv(&mut self) -> Recv<'_, T> {
        Recv { receiver: self, place: None, at: Location::caller() }
    }

    /// Receives the next value, if there is one now.
    ///
    /// # Errors
    /// If there is none, or as [`recv`](Receiver::recv).
    ///
    /// # Panics
    /// As [`recv`](Receiver::recv).
    ///
    /// ```
    /// let (sender, mut receiver) = coracle::sync::broadcast::channel(16);
    /// assert!(receiver.try_recv().is_err());
    /// sender.send(1).unwrap();
    /// assert_eq!(receiver.try_recv(), Ok(1));
    /// ```
    pub fn try_recv(&mut self) -> Result<T, TryRecvError> {
        let value = self.channel.see(&mut self.next)?;
        Ok(Rc::try_unwrap(value).unwrap_or_else(|shared| T::clone(&shared)))
    }
}

impl<T> Drop for Receiver<T> {
    fn drop(&mut self) {
        self.channel.receiver_left(self.next);
    }
}

impl<T> fmt::Debug for Receiver<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("broadcast::Receiver").field("len", &self.len()).finish()
    }
}

/// See [`Receiver::recv`].
#[must_use = "a future does nothing unless awaited"]
pub struct Recv<'a, T> {
    receiver: &'a mut Receiver<T>,
    place: Option<WaitKey>,
    at: &'static Location<'static>,
}

impl<T: Clone> Future for Recv<'_, T> {
    type Output = Result<T, RecvError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        let result = if here::may_go_on(cx) {
            this.receiver.try_recv()
        } else {
            // It has been woken, and looks again in its next turn.
            here::waits(WaitReason::Sync("a broadcast"), this.at);
            return Poll::Pending;
        };
        let channel = &this.receiver.channel;
        let result = match result {
            Ok(value) => Ok(value),
            Err(TryRecvError::Lagged(missed)) => Err(RecvError::Lagged(missed)),
            Err(TryRecvError::Closed) => Err(RecvError::Closed),
            Err(TryRecvError::Empty) => {
                channel.value.stand(&mut this.place, cx, || this.receiver.is_answered());
                here::waits(WaitReason::Sync("a broadcast"), this.at);
                return Poll::Pending;
            }
        };
        here::spend();
        channel.value.leave(&mut this.place, true);
        Poll::Ready(result)
    }
}

impl<T> Drop for Recv<'_, T> {
    fn drop(&mut self) {
        self.receiver.channel.value.leave(&mut self.place, false);
    }
}

impl<T> fmt::Debug for Recv<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("broadcast::Recv").field("waits", &self.place.is_some()).finish_non_exhaustive()
    }
}

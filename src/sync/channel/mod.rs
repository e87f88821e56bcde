//! Channels: a queue of values between tasks, bounded or not.
//!
//! Many senders, many receivers, each value to one receiver, in order. A full channel makes senders wait: that is the
//! back-pressure. When the last sender is gone, or a receiver closes the channel, the receivers get what is left, then
//! `None`; when the last receiver is gone, sending fails and gives the value back, and what was left is dropped.
//!
//! Waiting senders and receivers are served in order, but one that comes just when there is room or a value may be
//! quicker than one that was woken for it and has not run yet; that one then waits on.
//!
//! Here is what both sides hold in common; each side, and the permit to send later, has a file of its own. Values in
//! another order than that of sending, and answers when they are done: that is a [`Queue`](crate::sync::Queue).

mod error;
mod permit;
mod receiver;
mod sender;
mod unbounded;

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::rc::Rc;

use crate::sync::WaitQueue;
use crate::sync::closed::Closing;

pub use error::{SendError, TryRecvError, TrySendError};
pub use permit::{Permit, Reserve};
pub use receiver::{Receiver, Recv};
pub use sender::{Send, Sender, WeakSender};
pub use unbounded::UnboundedSender;

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
    /// How many values there may be: the capacity, less the places that permits hold; none once nothing comes in any
    /// more. So one comparison with the length tells the ordinary sender that it can go on.
    places: Cell<usize>,
    /// Nothing comes in any more: a side is gone, or a receiver closed it.
    closing: Closing,
    /// Who waits for room.
    room: WaitQueue,
    /// Who waits for a value.
    value: WaitQueue,
    capacity: usize,
    permits: Cell<usize>,
    senders: Cell<usize>,
    receivers: Cell<usize>,
}

impl<T> Channel<T> {
    fn new(capacity: usize) -> Channel<T> {
        Channel {
            values: RefCell::default(),
            places: Cell::new(capacity),
            closing: Closing::default(),
            room: WaitQueue::new(),
            value: WaitQueue::new(),
            capacity,
            permits: Cell::new(0),
            senders: Cell::new(1),
            receivers: Cell::new(1),
        }
    }

    fn len(&self) -> usize {
        self.values.borrow().len()
    }

    /// Whether there is no room. With capacity 0, there is as much as there are receivers waiting for a value.
    fn is_full(&self) -> bool {
        let len = self.len();
        let places = self.capacity.saturating_sub(self.permits.get());
        len >= places && !(self.capacity == 0 && len + self.permits.get() < self.value.len())
    }

    /// Whether a sender need not wait.
    fn takes_a_value(&self) -> bool {
        self.closing.is_closed() || !self.is_full()
    }

    /// Whether a receiver need not wait.
    fn answers(&self) -> bool {
        self.closing.is_closed() || !self.values.borrow().is_empty()
    }

    /// Sends the value that `value` gives, if a place is free.
    #[inline]
    fn put(&self, value: impl FnOnce() -> T) -> bool {
        let mut values = self.values.borrow_mut();
        if values.len() >= self.places.get() {
            return false;
        }
        values.push_back(value());
        drop(values);
        self.value.wake_one();
        true
    }

    /// No place is free: only a receiver that waits makes room.
    fn put_if_received(&self, value: T) -> Result<(), TrySendError<T>> {
        if self.closing.is_closed() {
            return Err(TrySendError::Closed(value));
        }
        if self.is_full() {
            return Err(TrySendError::Full(value));
        }
        self.put_in(value);
        Ok(())
    }

    /// There is room.
    #[inline]
    fn put_in(&self, value: T) {
        self.values.borrow_mut().push_back(value);
        self.value.wake_one();
    }

    #[inline]
    fn try_send(&self, value: T) -> Result<(), TrySendError<T>> {
        if self.len() >= self.places.get() {
            return self.put_if_received(value);
        }
        self.put_in(value);
        Ok(())
    }

    /// The next value, if there is one.
    #[inline]
    fn take(&self) -> Option<T> {
        let mut values = self.values.borrow_mut();
        let value = values.pop_front()?;
        drop(values);
        self.room.wake_one();
        Some(value)
    }

    fn try_recv(&self) -> Result<T, TryRecvError> {
        match self.take() {
            Some(value) => Ok(value),
            None if self.closing.is_closed() => Err(TryRecvError::Closed),
            None => Err(TryRecvError::Empty),
        }
    }

    fn set_permits(&self, permits: usize) {
        self.permits.set(permits);
        if !self.closing.is_closed() {
            self.places.set(self.capacity.saturating_sub(permits));
        }
    }

    /// Nothing comes in from now on, and whoever waits learns it. After that nobody begins to wait.
    fn close(&self) {
        if self.closing.is_closed() {
            return;
        }
        self.places.set(0);
        self.closing.close();
        self.room.wake_all();
        self.value.wake_all();
    }

    fn sender_left(&self) {
        self.senders.set(self.senders.get() - 1);
        if self.senders.get() == 0 {
            self.close();
        }
    }

    fn receiver_left(&self) {
        self.receivers.set(self.receivers.get() - 1);
        if self.receivers.get() == 0 {
            // Taken out first, dropped last: a value's drop may use the channel, or panic.
            let rest = self.values.take();
            self.close();
            drop(rest);
        }
    }
}

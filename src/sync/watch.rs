//! Watch: the latest value of something that changes, and who waits for changes.
//!
//! For what is only of interest as it is now: a configuration, a state, a progress. Receivers see the latest value;
//! those before it, if they were slow, they do not.
//!
//! The value lies in an `Rc`, and looking at it gives the `Rc`: cheap, no lock, and it may be kept over an `await`. So
//! nothing that a reader does can be in the way of a sender, or panic because something is borrowed. The price is an
//! allocation a change, and that modifying means to copy, modify, and publish.

use std::cell::{Cell, RefCell};
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

/// Every sender is gone, and the last value has been seen: nothing changes any more.
///
/// ```
/// let (sender, mut receiver) = coracle::sync::watch::channel(0);
/// drop(sender);
/// assert_eq!(coracle::block_on(receiver.changed()), Err(coracle::sync::watch::Ended));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ended;

impl fmt::Display for Ended {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the value does not change any more: every sender is gone")
    }
}

impl std::error::Error for Ended {}

/// There is no receiver now. Here is the value back.
///
/// ```
/// let (sender, receiver) = coracle::sync::watch::channel(0);
/// drop(receiver);
/// assert_eq!(sender.send(7).unwrap_err().0, 7);
/// ```
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct SendError<T>(pub T);

impl<T> fmt::Display for SendError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("nobody watches")
    }
}

impl<T> std::error::Error for SendError<T> {}

impl<T> fmt::Debug for SendError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SendError(..)")
    }
}

/// A value to watch. The receiver counts the first value as seen.
///
/// ```
/// coracle::block_on(async {
///     let (sender, mut receiver) = coracle::sync::watch::channel("starting");
///     let watcher = coracle::spawn(async move {
///         while *receiver.borrow_and_update() != "ready" {
///             receiver.changed().await.unwrap();
///         }
///     });
///     sender.send("ready").unwrap();
///     watcher.await.unwrap();
/// });
/// ```
pub fn channel<T>(value: T) -> (Sender<T>, Receiver<T>) {
    let channel = Rc::new(Channel {
        value: RefCell::new(Rc::new(value)),
        version: Cell::new(0),
        senders: Cell::new(1),
        receivers: Cell::new(0),
        change: WaitQueue::new(),
        closing: Closing::default(),
    });
    let receiver = Receiver::new(&channel, 0);
    (Sender { channel }, receiver)
}

struct Channel<T> {
    value: RefCell<Rc<T>>,
    /// How often it was changed.
    version: Cell<u64>,
    senders: Cell<usize>,
    receivers: Cell<usize>,
    /// Who waits for a change.
    change: WaitQueue,
    /// Whether there is no receiver.
    closing: Closing,
}

impl<T> Channel<T> {
    fn value(&self) -> Rc<T> {
        self.value.borrow().clone()
    }

    fn publish(&self, value: T) -> Rc<T> {
        let old = self.value.replace(Rc::new(value));
        self.version.set(self.version.get() + 1);
        self.change.wake_all();
        old
    }

    /// Whether there is something new for one who has seen this version.
    fn has_changed(&self, seen: u64) -> Result<bool, Ended> {
        match self.version.get() != seen {
            true => Ok(true),
            false if self.senders.get() == 0 => Err(Ended),
            false => Ok(false),
        }
    }
}

/// The side that changes the value; made by [`channel`]. Clone it for more senders.
///
/// ```
/// let (sender, receiver) = coracle::sync::watch::channel(1);
/// sender.clone().send(2).unwrap();
/// assert_eq!(*receiver.borrow(), 2);
/// ```
pub struct Sender<T> {
    channel: Rc<Channel<T>>,
}

impl<T> Sender<T> {
    /// Changes the value, and wakes all who wait for that, also if it is equal to the old one. The old one is dropped
    /// last.
    ///
    /// # Errors
    /// If there is no receiver now; nothing is changed then. [`send_replace`](Sender::send_replace) does not mind.
    ///
    /// ```
    /// let (sender, receiver) = coracle::sync::watch::channel(1);
    /// sender.send(2).unwrap();
    /// assert_eq!(*receiver.borrow(), 2);
    /// ```
    pub fn send(&self, value: T) -> Result<(), SendError<T>> {
        if self.is_closed() {
            return Err(SendError(value));
        }
        self.channel.publish(value);
        Ok(())
    }

    /// Changes the value, whether anybody watches or not. The old one.
    ///
    /// ```
    /// let (sender, _receiver) = coracle::sync::watch::channel(1);
    /// assert_eq!(*sender.send_replace(2), 1);
    /// ```
    pub fn send_replace(&self, value: T) -> Rc<T> {
        self.channel.publish(value)
    }

    /// Changes a copy of the value and publishes it, whether anybody watches or not. If `modify` panics, nothing has
    /// changed; if it sends itself, what it sent is replaced.
    ///
    /// ```
    /// let (sender, receiver) = coracle::sync::watch::channel(vec![1]);
    /// let before = receiver.borrow();
    /// sender.send_modify(|list| list.push(2));
    /// assert_eq!((&*before, &*receiver.borrow()), (&vec![1], &vec![1, 2]));
    /// ```
    pub fn send_modify(&self, modify: impl FnOnce(&mut T))
    where
        T: Clone,
    {
        self.send_if_modified(|value| {
            modify(value);
            true
        });
    }

    /// As [`send_modify`](Sender::send_modify), but the copy is published only if `modify` says `true`. What it said.
    ///
    /// ```
    /// let (sender, receiver) = coracle::sync::watch::channel(5);
    /// let raise = |to| sender.send_if_modified(|value| to > std::mem::replace(value, to));
    /// assert!(raise(7) && !raise(6));
    /// assert_eq!(*receiver.borrow(), 7);
    /// ```
    pub fn send_if_modified(&self, modify: impl FnOnce(&mut T) -> bool) -> bool
    where
        T: Clone,
    {
        let mut value = T::clone(&self.borrow());
        let is_modified = modify(&mut value);
        if is_modified {
            self.channel.publish(value);
        }
        is_modified
    }

    /// The value as it is now. It stays as it is, and alive, as long as this is kept.
    ///
    /// ```
    /// assert_eq!(*coracle::sync::watch::channel(1).0.borrow(), 1);
    /// ```
    pub fn borrow(&self) -> Rc<T> {
        self.channel.value()
    }

    /// A receiver that counts the value as it is now as seen.
    ///
    /// ```
    /// let (sender, _receiver) = coracle::sync::watch::channel(1);
    /// assert_eq!(sender.subscribe().has_changed(), Ok(false));
    /// ```
    pub fn subscribe(&self) -> Receiver<T> {
        Receiver::new(&self.channel, self.channel.version.get())
    }

    /// How many receivers there are.
    ///
    /// ```
    /// let (sender, _receiver) = coracle::sync::watch::channel(1);
    /// assert_eq!(sender.receivers(), 1);
    /// ```
    pub fn receivers(&self) -> usize {
        self.channel.receivers.get()
    }

    /// Whether there is no receiver. There may be one again later, by [`subscribe`](Sender::subscribe).
    ///
    /// ```
    /// let (sender, receiver) = coracle::sync::watch::channel(1);
    /// drop(receiver);
    /// assert!(sender.is_closed());
    /// ```
    pub fn is_closed(&self) -> bool {
        self.channel.closing.is_closed()
    }

    /// Waits until there is no receiver.
    ///
    /// **Cancel safety**: cancel-safe.
    ///
    /// ```
    /// let (sender, receiver) = coracle::sync::watch::channel(1);
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
            self.channel.change.wake_all();
        }
    }
}

impl<T: fmt::Debug> fmt::Debug for Sender<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("watch::Sender").field("value", &self.borrow()).finish_non_exhaustive()
    }
}

/// A side that watches; made by [`channel`] and [`Sender::subscribe`]. A clone has seen what this one has seen.
pub struct Receiver<T> {
    channel: Rc<Channel<T>>,
    /// The version that it has seen. No version: it is to see the next value in any case.
    seen: u64,
}

/// What no version reaches.
const UNSEEN: u64 = u64::MAX;

impl<T> Receiver<T> {
    fn new(channel: &Rc<Channel<T>>, seen: u64) -> Receiver<T> {
        channel.receivers.set(channel.receivers.get() + 1);
        channel.closing.reopen();
        Receiver { channel: channel.clone(), seen }
    }

    /// The value as it is now. It does not count as seen.
    ///
    /// ```
    /// let (sender, receiver) = coracle::sync::watch::channel(1);
    /// sender.send(2).unwrap();
    /// assert_eq!((*receiver.borrow(), receiver.has_changed()), (2, Ok(true)));
    /// ```
    pub fn borrow(&self) -> Rc<T> {
        self.channel.value()
    }

    /// The value as it is now, which counts as seen.
    ///
    /// ```
    /// let (sender, mut receiver) = coracle::sync::watch::channel(1);
    /// sender.send(2).unwrap();
    /// assert_eq!((*receiver.borrow_and_update(), receiver.has_changed()), (2, Ok(false)));
    /// ```
    pub fn borrow_and_update(&mut self) -> Rc<T> {
        self.seen = self.channel.version.get();
        self.channel.value()
    }

    /// Whether there is a value that it has not seen.
    ///
    /// # Errors
    /// If it has seen the last value, and every sender is gone.
    ///
    /// ```
    /// let (sender, mut receiver) = coracle::sync::watch::channel(1);
    /// sender.send(2).unwrap();
    /// drop(sender);
    /// assert_eq!(receiver.has_changed(), Ok(true));
    /// receiver.borrow_and_update();
    /// assert!(receiver.has_changed().is_err());
    /// ```
    pub fn has_changed(&self) -> Result<bool, Ended> {
        self.channel.has_changed(self.seen)
    }

    /// Lets the value count as not seen, so that the next [`changed`](Receiver::changed) does not wait: for loops that
    /// are to begin with the value as it is.
    ///
    /// ```
    /// coracle::block_on(async {
    ///     let (_sender, mut receiver) = coracle::sync::watch::channel(1);
    ///     receiver.mark_changed();
    ///     receiver.changed().await.unwrap();
    ///     assert_eq!(*receiver.borrow(), 1);
    /// });
    /// ```
    pub fn mark_changed(&mut self) {
        self.seen = UNSEEN;
    }

    /// Waits for a value that it has not seen; from then on it counts as seen. At once if there is one.
    ///
    /// **Cancel safety**: cancel-safe. The value counts as seen in the poll that says so.
    ///
    /// # Errors
    /// If it has seen the last value, and every sender is gone.
    ///
    /// ```
    /// coracle::block_on(async {
    ///     let (sender, mut receiver) = coracle::sync::watch::channel(1);
    ///     sender.send(2).unwrap();
    ///     drop(sender);
    ///     assert!(receiver.changed().await.is_ok() && receiver.changed().await.is_err());
    /// });
    /// ```
    #[track_caller]
    pub fn changed(&mut self) -> Changed<'_, T> {
        Changed { receiver: self, place: None, at: Location::caller() }
    }

    /// Waits until the value is as `predicate` wants it; here it is, and counts as seen. The value as it is now is
    /// looked at first, then each that it comes to see: a slow receiver does not see all.
    ///
    /// **Cancel safety**: cancel-safe. What the predicate did not want counts as seen.
    ///
    /// # Errors
    /// If the last value is not as wanted, and every sender is gone.
    ///
    /// # Panics
    /// If the predicate does. The value counts as seen then.
    ///
    /// ```
    /// coracle::block_on(async {
    ///     let (sender, mut receiver) = coracle::sync::watch::channel(1);
    ///     let task = coracle::spawn(async move { *receiver.wait_for(|value| *value > 3).await.unwrap() });
    ///     for n in 2..6 {
    ///         sender.send(n).unwrap();
    ///     }
    ///     assert_eq!(task.await.unwrap(), 5);
    /// });
    /// ```
    #[track_caller]
    pub fn wait_for<P: FnMut(&T) -> bool>(&mut self, predicate: P) -> WaitFor<'_, T, P> {
        WaitFor { is_first: true, predicate, changed: self.changed() }
    }
}

impl<T> Clone for Receiver<T> {
    fn clone(&self) -> Receiver<T> {
        Receiver::new(&self.channel, self.seen)
    }
}

impl<T> Drop for Receiver<T> {
    fn drop(&mut self) {
        self.channel.receivers.set(self.channel.receivers.get() - 1);
        if self.channel.receivers.get() == 0 {
            self.channel.closing.close();
        }
    }
}

impl<T: fmt::Debug> fmt::Debug for Receiver<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("watch::Receiver").field("value", &self.borrow()).finish_non_exhaustive()
    }
}

/// See [`Receiver::changed`].
#[must_use = "a future does nothing unless awaited"]
pub struct Changed<'a, T> {
    receiver: &'a mut Receiver<T>,
    place: Option<WaitKey>,
    at: &'static Location<'static>,
}

impl<T> Future for Changed<'_, T> {
    type Output = Result<(), Ended>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        let channel = &this.receiver.channel;
        let seen = &mut this.receiver.seen;
        let changed = channel.has_changed(*seen);
        if changed == Ok(false) || !here::may_go_on(cx) {
            channel.change.stand(&mut this.place, cx, || channel.has_changed(*seen) != Ok(false));
            here::waits(WaitReason::Sync("a watched value to change"), this.at);
            return Poll::Pending;
        }
        here::spend();
        channel.change.leave(&mut this.place, true);
        if changed.is_ok() {
            *seen = channel.version.get();
        }
        Poll::Ready(changed.map(drop))
    }
}

impl<T> Drop for Changed<'_, T> {
    fn drop(&mut self) {
        self.receiver.channel.change.leave(&mut self.place, false);
    }
}

impl<T> fmt::Debug for Changed<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Changed").field("waits", &self.place.is_some()).finish_non_exhaustive()
    }
}

/// See [`Receiver::wait_for`].
#[must_use = "a future does nothing unless awaited"]
pub struct WaitFor<'a, T, P> {
    /// The value as it is is still to be looked at.
    is_first: bool,
    predicate: P,
    changed: Changed<'a, T>,
}

/// The predicate is called, never pinned.
impl<T, P> Unpin for WaitFor<'_, T, P> {}

impl<T, P: FnMut(&T) -> bool> Future for WaitFor<'_, T, P> {
    type Output = Result<Rc<T>, Ended>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        loop {
            if !this.is_first {
                match Pin::new(&mut this.changed).poll(cx) {
                    Poll::Ready(Ok(())) => {}
                    Poll::Ready(Err(ended)) => return Poll::Ready(Err(ended)),
                    Poll::Pending => return Poll::Pending,
                }
            } else if here::may_go_on(cx) {
                this.is_first = false;
                here::spend();
            } else {
                here::waits(WaitReason::Sync("a watched value to change"), this.changed.at);
                return Poll::Pending;
            }
            let value = this.changed.receiver.borrow_and_update();
            if (this.predicate)(&value) {
                return Poll::Ready(Ok(value));
            }
        }
    }
}

impl<T, P> fmt::Debug for WaitFor<'_, T, P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WaitFor").field("changed", &self.changed).finish_non_exhaustive()
    }
}

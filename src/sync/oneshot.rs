//! Oneshot: one value, once, from one task to another.

use std::cell::{Cell, RefCell};
use std::fmt;
use std::future::Future;
use std::panic::Location;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use super::channel::TryRecvError;
use crate::observer::WaitReason;
use crate::task::{here, keep, wake};

/// No value comes: the sender was dropped without sending, or the receiver closed the channel before.
///
/// ```
/// let (sender, receiver) = coracle::sync::oneshot::channel::<()>();
/// drop(sender);
/// assert_eq!(coracle::block_on(receiver), Err(coracle::sync::oneshot::Dropped));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Dropped;

impl fmt::Display for Dropped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("no value comes: the sender was dropped without sending, or the receiver was closed")
    }
}

impl std::error::Error for Dropped {}

/// A channel for one value.
///
/// ```
/// coracle::block_on(async {
///     let (sender, receiver) = coracle::sync::oneshot::channel();
///     coracle::spawn(async move { sender.send(42).unwrap() }).await.unwrap();
///     assert_eq!(receiver.await, Ok(42));
/// });
/// ```
#[track_caller]
pub fn channel<T>() -> (Sender<T>, Receiver<T>) {
    let slot = Rc::new(Slot {
        value: RefCell::new(None),
        waker: Cell::new(None),
        sender_waker: Cell::new(None),
        sender: Cell::new(true),
        receiver: Cell::new(true),
    });
    (Sender { slot: slot.clone() }, Receiver { slot, at: Location::caller() })
}

struct Slot<T> {
    value: RefCell<Option<T>>,
    waker: Cell<Option<Waker>>,
    /// Of a sender that waits until nobody receives.
    sender_waker: Cell<Option<Waker>>,
    /// A value may still come.
    sender: Cell<bool>,
    /// A value that comes is taken.
    receiver: Cell<bool>,
}

impl<T> Slot<T> {
    fn close(&self) {
        self.receiver.set(false);
        self.sender.set(false);
        if let Some(waker) = self.sender_waker.take() {
            wake(waker);
        }
    }
}

/// The side that sends; made by [`channel`].
///
/// ```
/// let (sender, receiver) = coracle::sync::oneshot::channel();
/// drop(receiver);
/// assert_eq!(sender.send(1), Err(1));
/// ```
pub struct Sender<T> {
    slot: Rc<Slot<T>>,
}

impl<T> Sender<T> {
    /// Sends the value. Never waits.
    ///
    /// # Errors
    /// With the value, if the receiver is gone or closed.
    ///
    /// ```
    /// let (sender, receiver) = coracle::sync::oneshot::channel();
    /// sender.send("x").unwrap();
    /// assert_eq!(coracle::block_on(receiver), Ok("x"));
    /// ```
    pub fn send(self, value: T) -> Result<(), T> {
        if !self.slot.receiver.get() {
            return Err(value);
        }
        *self.slot.value.borrow_mut() = Some(value);
        Ok(())
    }

    /// Whether the receiver is gone, or [closed](Receiver::close).
    ///
    /// ```
    /// let (sender, receiver) = coracle::sync::oneshot::channel::<()>();
    /// drop(receiver);
    /// assert!(sender.is_closed());
    /// ```
    pub fn is_closed(&self) -> bool {
        !self.slot.receiver.get()
    }

    /// Waits until the receiver is gone, or [closed](Receiver::close): nobody wants the value any more.
    ///
    /// **Cancel safety**: cancel-safe.
    ///
    /// ```
    /// coracle::block_on(async {
    ///     let (mut sender, receiver) = coracle::sync::oneshot::channel::<u8>();
    ///     let worker = coracle::spawn(async move { sender.closed().await });
    ///     drop(receiver);
    ///     worker.await.unwrap();
    /// });
    /// ```
    #[track_caller]
    pub fn closed(&mut self) -> Closed<'_, T> {
        Closed { slot: &self.slot, at: Location::caller() }
    }
}

/// Sent or not, the receiver has its answer.
impl<T> Drop for Sender<T> {
    fn drop(&mut self) {
        self.slot.sender.set(false);
        if let Some(waker) = self.slot.waker.take() {
            wake(waker);
        }
    }
}

impl<T> fmt::Debug for Sender<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("oneshot::Sender").field("closed", &self.is_closed()).finish()
    }
}

/// See [`Sender::closed`].
#[must_use = "a future does nothing unless awaited"]
pub struct Closed<'a, T> {
    slot: &'a Slot<T>,
    at: &'static Location<'static>,
}

impl<T> Future for Closed<'_, T> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let slot = self.slot;
        if !slot.receiver.get() {
            return Poll::Ready(());
        }
        stand(&slot.sender_waker, cx);
        if !slot.receiver.get() {
            // The waker's clone is code of somebody else's, and has closed the channel.
            drop(slot.sender_waker.take());
            return Poll::Ready(());
        }
        here::waits(WaitReason::Sync("the receiver of a oneshot to be gone"), self.at);
        Poll::Pending
    }
}

impl<T> Drop for Closed<'_, T> {
    fn drop(&mut self) {
        drop(self.slot.sender_waker.take());
    }
}

impl<T> fmt::Debug for Closed<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("oneshot::Closed").field("closed", &!self.slot.receiver.get()).finish_non_exhaustive()
    }
}

/// The side that receives, and the future of the value; made by [`channel`].
///
/// **Cancel safety**: cancel-safe: `&mut receiver` can be awaited, a value not taken stays. Dropping the receiver drops
/// a value that was sent. Polled again after it gave the value, it says [`Dropped`].
///
/// ```
/// let (sender, mut receiver) = coracle::sync::oneshot::channel();
/// assert!(receiver.try_recv().is_err());
/// sender.send(5).unwrap();
/// assert_eq!(receiver.try_recv(), Ok(5));
/// ```
#[must_use = "a future does nothing unless awaited"]
pub struct Receiver<T> {
    slot: Rc<Slot<T>>,
    /// Where the channel was made: the receiver is its own future, so no call shows where it is awaited.
    at: &'static Location<'static>,
}

impl<T> Receiver<T> {
    /// The value, if it has been sent.
    ///
    /// # Errors
    /// If it has not been sent yet, or will not be.
    ///
    /// ```
    /// use coracle::sync::{channel::TryRecvError, oneshot};
    /// let (sender, mut receiver) = oneshot::channel::<()>();
    /// assert_eq!(receiver.try_recv(), Err(TryRecvError::Empty));
    /// drop(sender);
    /// assert_eq!(receiver.try_recv(), Err(TryRecvError::Closed));
    /// ```
    pub fn try_recv(&mut self) -> Result<T, TryRecvError> {
        let value = self.slot.value.borrow_mut().take();
        match value {
            Some(value) => Ok(value),
            None if self.slot.sender.get() => Err(TryRecvError::Empty),
            None => Err(TryRecvError::Closed),
        }
    }

    /// From now on nothing can be sent: the sender learns it, and keeps its value. A value that was sent before can
    /// still be had.
    ///
    /// ```
    /// use coracle::sync::oneshot;
    /// let (sender, mut receiver) = oneshot::channel();
    /// receiver.close();
    /// assert_eq!(sender.send("late"), Err("late"));
    /// assert_eq!(coracle::block_on(receiver), Err(oneshot::Dropped));
    /// ```
    pub fn close(&mut self) {
        self.slot.close();
    }
}

impl<T> Future for Receiver<T> {
    type Output = Result<T, Dropped>;

    #[inline]
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match self.try_recv() {
            Ok(value) => Poll::Ready(Ok(value)),
            Err(TryRecvError::Closed) => Poll::Ready(Err(Dropped)),
            Err(TryRecvError::Empty) => self.wait(cx),
        }
    }
}

impl<T> Receiver<T> {
    #[inline(never)]
    fn wait(&mut self, cx: &mut Context<'_>) -> Poll<Result<T, Dropped>> {
        stand(&self.slot.waker, cx);
        if !self.slot.sender.get() {
            // The waker's clone is code of somebody else's, and has sent.
            drop(self.slot.waker.take());
            return Poll::Ready(self.try_recv().map_err(|_| Dropped));
        }
        here::waits(WaitReason::Sync("the value of a oneshot"), self.at);
        Poll::Pending
    }
}

impl<T> Drop for Receiver<T> {
    fn drop(&mut self) {
        self.slot.close();
        let (waker, value) = (self.slot.waker.take(), self.slot.value.take());
        drop((waker, value));
    }
}

impl<T> fmt::Debug for Receiver<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("oneshot::Receiver").field("sent", &self.slot.value.borrow().is_some()).finish()
    }
}

/// Leaves the waker in its place; it is cloned only if another stands there.
fn stand(place: &Cell<Option<Waker>>, cx: &Context<'_>) {
    let old = place.take();
    let stays = old.as_ref().is_some_and(|old| old.will_wake(cx.waker()));
    let (waker, old) = if stays { (old, None) } else { (Some(keep(cx.waker())), old) };
    // Dropped when the new one stands: that is code of others, as the clone was.
    let meanwhile = place.replace(waker);
    drop((old, meanwhile));
}

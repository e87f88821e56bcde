//! Oneshot: one value, once, from any thread to any other.

use std::fmt;
use std::future::Future;
use std::panic::Location;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use super::lock::Lock;
use super::thread::{block_until, wake_if_any};
use crate::observer::WaitReason;
use crate::sync::channel::TryRecvError;
use crate::task::{here, keep, let_go};

pub use crate::sync::oneshot::Dropped;

/// A channel for one value, whose ends may live on different threads.
///
/// ```
/// use coracle::sync::remote::oneshot;
/// let (sender, receiver) = oneshot::channel();
/// std::thread::spawn(move || sender.send(6 * 7));
/// assert_eq!(coracle::block_on(receiver), Ok(42));
/// ```
///
/// What cannot be sent to another thread cannot travel in it:
///
/// ```compile_fail
/// fn travels<T: Send>(_: T) {}
/// travels(coracle::sync::remote::oneshot::channel::<std::rc::Rc<u8>>());
/// ```
#[track_caller]
pub fn channel<T>() -> (Sender<T>, Receiver<T>) {
    let slot = Arc::new(Lock::new(Slot { value: None, waker: None, sends: true, receives: true }));
    (Sender { slot: Some(slot.clone()) }, Receiver { slot, at: Location::caller() })
}

struct Slot<T> {
    value: Option<T>,
    waker: Option<Waker>,
    /// The sender has neither sent nor been dropped.
    sends: bool,
    /// The receiver has neither closed nor been dropped.
    receives: bool,
}

impl<T> Slot<T> {
    fn take(&mut self) -> Result<T, TryRecvError> {
        match self.value.take() {
            Some(value) => Ok(value),
            None if self.sends && self.receives => Err(TryRecvError::Empty),
            None => Err(TryRecvError::Closed),
        }
    }
}

/// The side that sends; made by [`channel`].
///
/// ```
/// let (sender, receiver) = coracle::sync::remote::oneshot::channel();
/// drop(receiver);
/// assert_eq!(sender.send(1), Err(1));
/// ```
pub struct Sender<T> {
    /// `None` once it has sent.
    slot: Option<Arc<Lock<Slot<T>>>>,
}

impl<T> Sender<T> {
    /// Sends the value. Never waits.
    ///
    /// # Errors
    /// With the value, if the receiver is gone or closed.
    ///
    /// ```
    /// let (sender, receiver) = coracle::sync::remote::oneshot::channel();
    /// sender.send("x").unwrap();
    /// assert_eq!(receiver.recv_blocking(), Ok("x"));
    /// ```
    pub fn send(mut self, value: T) -> Result<(), T> {
        // Sent or not, this end is done: its drop finds nothing to do.
        let Some(slot) = self.slot.take() else { return Err(value) };
        let mut state = slot.lock();
        state.sends = false;
        if !state.receives {
            return Err(value);
        }
        state.value = Some(value);
        let waker = state.waker.take();
        drop(state);
        wake_if_any(waker);
        Ok(())
    }

    /// Whether the receiver is gone or closed.
    ///
    /// ```
    /// let (sender, receiver) = coracle::sync::remote::oneshot::channel::<()>();
    /// drop(receiver);
    /// assert!(sender.is_closed());
    /// ```
    pub fn is_closed(&self) -> bool {
        self.slot.as_ref().is_none_or(|slot| !slot.lock().receives)
    }
}

impl<T> Drop for Sender<T> {
    fn drop(&mut self) {
        let Some(slot) = self.slot.take() else { return };
        let mut state = slot.lock();
        state.sends = false;
        let waker = state.waker.take();
        drop(state);
        wake_if_any(waker);
    }
}

impl<T> fmt::Debug for Sender<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("remote::oneshot::Sender").field("closed", &self.is_closed()).finish()
    }
}

/// The side that receives, and the future of the value; made by [`channel`].
///
/// **Cancel safety**: cancel-safe: `&mut receiver` can be awaited, a value not taken stays. Dropping the receiver drops
/// a value that was sent. Polled again after it gave the value, it says [`Dropped`].
///
/// ```
/// let (sender, mut receiver) = coracle::sync::remote::oneshot::channel();
/// assert!(receiver.try_recv().is_err());
/// sender.send(5).unwrap();
/// assert_eq!(receiver.try_recv(), Ok(5));
/// ```
#[must_use = "a future does nothing unless awaited"]
pub struct Receiver<T> {
    slot: Arc<Lock<Slot<T>>>,
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
    /// use coracle::sync::{channel::TryRecvError, remote::oneshot};
    /// let (sender, mut receiver) = oneshot::channel::<()>();
    /// assert_eq!(receiver.try_recv(), Err(TryRecvError::Empty));
    /// drop(sender);
    /// assert_eq!(receiver.try_recv(), Err(TryRecvError::Closed));
    /// ```
    pub fn try_recv(&mut self) -> Result<T, TryRecvError> {
        self.slot.lock().take()
    }

    /// Blocks this thread until the value comes. For plain threads: in a task it would hold up the whole runtime.
    ///
    /// # Errors
    /// If the sender is dropped without sending.
    ///
    /// ```
    /// let (sender, receiver) = coracle::sync::remote::oneshot::channel();
    /// let thread = std::thread::spawn(move || receiver.recv_blocking());
    /// sender.send(5).unwrap();
    /// assert_eq!(thread.join().unwrap(), Ok(5));
    /// ```
    pub fn recv_blocking(self) -> Result<T, Dropped> {
        block_until(|waker| self.poll_value(waker))
    }

    /// From now on nothing can be sent. A value that was sent before can still be taken; without one, the receiver now
    /// says [`Dropped`].
    ///
    /// ```
    /// let (sender, mut receiver) = coracle::sync::remote::oneshot::channel();
    /// receiver.close();
    /// assert_eq!(sender.send(1), Err(1));
    /// assert!(receiver.recv_blocking().is_err());
    /// ```
    pub fn close(&mut self) {
        self.slot.lock().receives = false;
    }

    fn poll_value(&self, waker: &Waker) -> Poll<Result<T, Dropped>> {
        // A waker is cloned while nothing is locked, and only if it is needed: then the slot is looked at once more.
        let mut clone = None;
        loop {
            let mut state = self.slot.lock();
            let answer = match state.take() {
                Err(TryRecvError::Empty) => Poll::Pending,
                answer => Poll::Ready(answer.map_err(|_| Dropped)),
            };
            let waits = state.waker.as_ref().is_some_and(|own| own.will_wake(waker));
            if answer.is_pending() && !waits {
                if clone.is_none() {
                    drop(state);
                    clone = Some(keep(waker));
                    continue;
                }
                std::mem::swap(&mut state.waker, &mut clone);
            }
            drop(state);
            let_go(clone);
            return answer;
        }
    }
}

impl<T> Future for Receiver<T> {
    type Output = Result<T, Dropped>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let poll = self.poll_value(cx.waker());
        if poll.is_pending() {
            here::waits(WaitReason::Outside("the value of a oneshot"), self.at);
        }
        poll
    }
}

impl<T> Drop for Receiver<T> {
    fn drop(&mut self) {
        let mut state = self.slot.lock();
        state.receives = false;
        let (waker, value) = (state.waker.take(), state.value.take());
        drop(state);
        let_go(waker);
        drop(value);
    }
}

impl<T> fmt::Debug for Receiver<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("remote::oneshot::Receiver").field("sent", &self.slot.lock().value.is_some()).finish()
    }
}

//! Answers: every value that was put is to be answered by `task_done`, and `join` waits until all are.
//!
//! As in Python. An [`Item`] gives its answer by itself, when it is dropped.

use std::cell::Cell;
use std::fmt;
use std::future::Future;
use std::ops::{Deref, DerefMut};
use std::panic::Location;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use super::{Fifo, Get, Order, Queue};
use crate::observer::WaitReason;
use crate::sync::Waiting;
use crate::task::here;

/// [`Queue::task_done`] was called more often than values were put.
///
/// ```
/// use coracle::sync::queue::{Queue, TooManyDone};
/// assert_eq!(Queue::<u8>::fifo(1).task_done(), Err(TooManyDone));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooManyDone;

impl fmt::Display for TooManyDone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("task_done() was called more often than values were put into the queue")
    }
}

impl std::error::Error for TooManyDone {}

impl<T, O: Order<T>> Queue<T, O> {
    /// Says that one value that was got has been worked on. To be called once for each, by those who want to
    /// [`join`](Queue::join).
    ///
    /// # Errors
    /// If all values that were put have been answered already; nothing is changed then.
    ///
    /// ```
    /// let queue = coracle::sync::Queue::fifo(1);
    /// queue.try_put(1).unwrap();
    /// queue.try_get().unwrap();
    /// assert!(queue.task_done().is_ok() && queue.task_done().is_err());
    /// ```
    pub fn task_done(&self) -> Result<(), TooManyDone> {
        if self.unfinished.get() == 0 {
            return Err(TooManyDone);
        }
        self.finish(1);
        Ok(())
    }

    pub(super) fn finish(&self, count: usize) {
        // An impatient user may have answered what was not got yet.
        let left = self.unfinished.get().saturating_sub(count);
        self.unfinished.set(left);
        if left == 0 {
            self.done.wake_all();
        }
    }

    /// How many values were put and not answered yet: those in the queue, and those that are being worked on.
    ///
    /// ```
    /// let queue = coracle::sync::Queue::fifo(2);
    /// queue.try_put(1).unwrap();
    /// queue.try_get().unwrap();
    /// assert_eq!((queue.len(), queue.unfinished()), (0, 1));
    /// ```
    pub fn unfinished(&self) -> usize {
        self.unfinished.get()
    }

    /// Waits until every value that was put has been answered by [`task_done`](Queue::task_done), by the drop of an
    /// [`Item`], or by [`close_now`](Queue::close_now). At once if there is none. A moment at which nothing is left to
    /// do ends the wait, also if more is put before the one who waits has run.
    ///
    /// **Cancel safety**: cancel-safe.
    ///
    /// ```
    /// use coracle::sync::Queue;
    /// use std::rc::Rc;
    ///
    /// coracle::block_on(async {
    ///     let queue = Rc::new(Queue::fifo(3));
    ///     let worker = coracle::spawn({
    ///         let queue = queue.clone();
    ///         async move {
    ///             while let Some(n) = queue.get().await {
    ///                 println!("working on {n}");
    ///                 queue.task_done().unwrap();
    ///             }
    ///         }
    ///     });
    ///     for n in 0..20 {
    ///         queue.put(n).await.unwrap();
    ///     }
    ///     queue.join().await;
    ///     assert_eq!(queue.unfinished(), 0);
    ///     worker.abort();
    /// });
    /// ```
    #[track_caller]
    pub fn join(&self) -> Join<'_> {
        Join { unfinished: &self.unfinished, waiting: self.done.wait(), at: Location::caller() }
    }

    /// As [`get`](Queue::get), with the value in a guard that answers for it when it is dropped: also when the task
    /// that works on it panics, is aborted, or forgets.
    ///
    /// **Cancel safety**: cancel-safe, as `get`.
    ///
    /// ```
    /// coracle::block_on(async {
    ///     let queue = coracle::sync::Queue::fifo(1);
    ///     queue.put("x".to_owned()).await.unwrap();
    ///     let item = queue.get_item().await.unwrap();
    ///     assert_eq!((item.as_str(), queue.unfinished()), ("x", 1));
    ///     drop(item);
    ///     queue.join().await;
    /// });
    /// ```
    #[track_caller]
    pub fn get_item(&self) -> GetItem<'_, T, O> {
        GetItem { get: self.get() }
    }
}

/// See [`Queue::join`].
#[derive(Debug)]
#[must_use = "a future does nothing unless awaited"]
pub struct Join<'a> {
    unfinished: &'a Cell<usize>,
    waiting: Waiting<'a>,
    at: &'static Location<'static>,
}

impl Future for Join<'_> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        // It is looked at again once it stands there: the waker's clone is code of somebody else's.
        let is_done = here::may_go_on(cx)
            && (self.unfinished.get() == 0
                || Pin::new(&mut self.waiting).poll(cx).is_ready()
                || self.unfinished.get() == 0);
        if is_done {
            here::spend();
            return Poll::Ready(());
        }
        here::waits(WaitReason::Sync("all values of a queue to be done"), self.at);
        Poll::Pending
    }
}

/// See [`Queue::get_item`].
#[must_use = "a future does nothing unless awaited"]
pub struct GetItem<'a, T, O: Order<T> = Fifo<T>> {
    get: Get<'a, T, O>,
}

impl<'a, T, O: Order<T>> Future for GetItem<'a, T, O> {
    type Output = Option<Item<'a, T, O>>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let value = ready!(Pin::new(&mut self.get).poll(cx));
        Poll::Ready(value.map(|value| Item { queue: self.get.queue, value: Some(value) }))
    }
}

impl<T, O: Order<T>> fmt::Debug for GetItem<'_, T, O> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GetItem").field("get", &self.get).finish()
    }
}

/// A value that was got, and is answered for when this is dropped; made by [`Queue::get_item`].
#[must_use = "dropping it says that the work is done"]
pub struct Item<'a, T, O: Order<T> = Fifo<T>> {
    queue: &'a Queue<T, O>,
    /// There until it is taken by `into_value`.
    value: Option<T>,
}

impl<T, O: Order<T>> Item<'_, T, O> {
    /// The value alone: whoever has it now is to call [`Queue::task_done`].
    ///
    /// ```
    /// coracle::block_on(async {
    ///     let queue = coracle::sync::Queue::fifo(1);
    ///     queue.put(7).await.unwrap();
    ///     assert_eq!(queue.get_item().await.unwrap().into_value(), 7);
    ///     queue.task_done().unwrap();
    /// });
    /// ```
    pub fn into_value(mut self) -> T {
        self.value.take().expect("only this takes it")
    }
}

impl<T, O: Order<T>> Deref for Item<'_, T, O> {
    type Target = T;

    fn deref(&self) -> &T {
        self.value.as_ref().expect("only `into_value` takes it")
    }
}

impl<T, O: Order<T>> DerefMut for Item<'_, T, O> {
    fn deref_mut(&mut self) -> &mut T {
        self.value.as_mut().expect("only `into_value` takes it")
    }
}

impl<T, O: Order<T>> Drop for Item<'_, T, O> {
    fn drop(&mut self) {
        if self.value.is_some() {
            self.queue.finish(1);
        }
    }
}

impl<T: fmt::Debug, O: Order<T>> fmt::Debug for Item<'_, T, O> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Item").field(&**self).finish()
    }
}

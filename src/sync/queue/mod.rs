//! [`Queue`]: the queue of gevent and asyncio, one value that all its users share.
//!
//! A [channel](crate::sync::channel) has two sides, and ends when one of them is gone. A queue has no sides: whoever
//! has it puts and gets, it ends when somebody closes it, and it can give its values in another [`Order`] than that of
//! putting. It also counts the values that were not answered by [`task_done`](Queue::task_done), for those who
//! [`join`](Queue::join) it.
//!
//! It is a value like a `WaitQueue`, and not a handle: tasks that borrow need no more than `&Queue`, others share an
//! `Rc<Queue<_>>`. A handle that can be cloned would suggest that the last one closes it, as that of a channel does.
//!
//! Those who wait are served in order, but one that comes just when there is room or a value may be quicker than one
//! that was woken for it and has not run yet; that one then waits on, before all others.
//!
//! Here is the queue itself; `operations` has its futures, `done` the counting of answers, `order` the orders.

mod done;
mod operations;
mod order;

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::fmt;
use std::marker::PhantomData;
use std::panic::Location;

use crate::sync::WaitQueue;

pub use done::{GetItem, Item, Join, TooManyDone};
pub use operations::{Get, Put};
pub use order::{Fifo, Lifo, Order, Priority, Ranked};

/// The capacity of a queue without a bound: its memory is bounded by nothing but what is put.
///
/// ```
/// use coracle::sync::queue::{Queue, UNBOUNDED};
/// assert!(Queue::lifo(UNBOUNDED).try_put(1).is_ok());
/// ```
pub const UNBOUNDED: usize = usize::MAX;

/// The queue is closed. Here is the value back.
///
/// ```
/// let queue = coracle::sync::Queue::fifo(1);
/// queue.close();
/// assert_eq!(coracle::block_on(queue.put(7)).unwrap_err().0, 7);
/// ```
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct PutError<T>(pub T);

impl<T> fmt::Display for PutError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the queue is closed")
    }
}

impl<T> std::error::Error for PutError<T> {}

impl<T> fmt::Debug for PutError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PutError(..)")
    }
}

/// Why a value could not be put at once. Here it is back.
///
/// ```
/// use coracle::sync::queue::{Queue, TryPutError};
/// let queue = Queue::fifo(1);
/// queue.try_put("first").unwrap();
/// assert_eq!(queue.try_put("second"), Err(TryPutError::Full("second")));
/// queue.close();
/// assert_eq!(queue.try_put("third"), Err(TryPutError::Closed("third")));
/// ```
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum TryPutError<T> {
    /// There is no room now.
    Full(T),
    /// Nothing is taken any more.
    Closed(T),
}

impl<T> fmt::Display for TryPutError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            TryPutError::Full(_) => "the queue is full",
            TryPutError::Closed(_) => "the queue is closed",
        })
    }
}

impl<T> std::error::Error for TryPutError<T> {}

impl<T> fmt::Debug for TryPutError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            TryPutError::Full(_) => "Full(..)",
            TryPutError::Closed(_) => "Closed(..)",
        })
    }
}

/// Why there is no value at once.
///
/// ```
/// use coracle::sync::queue::{Queue, TryGetError};
/// let queue = Queue::<u8>::fifo(1);
/// assert_eq!(queue.try_get(), Err(TryGetError::Empty));
/// queue.close();
/// assert_eq!(queue.try_get(), Err(TryGetError::Closed));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TryGetError {
    /// None now.
    Empty,
    /// None any more.
    Closed,
}

impl fmt::Display for TryGetError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            TryGetError::Empty => "the queue is empty",
            TryGetError::Closed => "the queue is closed, and empty",
        })
    }
}

impl std::error::Error for TryGetError {}

/// A queue of at most `capacity` values, which are got in the order `O`. Room is allocated as it is needed.
///
/// With a capacity of 0 a value is taken only while somebody waits to get it, so who puts waits for who gets. (In
/// Python 0 stands for a queue without a bound: that is [`UNBOUNDED`].)
///
/// ```
/// use coracle::sync::Queue;
/// use std::rc::Rc;
///
/// coracle::block_on(async {
///     let queue = Rc::new(Queue::fifo(3));
///     let producer = coracle::spawn({
///         let queue = queue.clone();
///         async move {
///             for n in 0..20 {
///                 queue.put(n).await.unwrap();
///             }
///             queue.close();
///         }
///     });
///     let mut sum = 0;
///     while let Some(n) = queue.get().await {
///         sum += n;
///     }
///     producer.await.unwrap();
///     assert_eq!(sum, 190);
/// });
/// ```
pub struct Queue<T, O: Order<T> = Fifo<T>> {
    /// Borrowed while an order's code runs, which may be the user's, who compares values. So nothing here relies on
    /// getting it: a queue that is in use by its order is full and empty.
    values: RefCell<O>,
    capacity: usize,
    is_closed: Cell<bool>,
    /// How many values were put and not answered.
    unfinished: Cell<usize>,
    /// Who waits for room.
    room: WaitQueue,
    /// Who waits for a value.
    value: WaitQueue,
    /// Who waits until all is done.
    done: WaitQueue,
    of: PhantomData<T>,
}

/// A queue that gives what came last first: see [`Queue::lifo`].
pub type LifoQueue<T> = Queue<T, Lifo<T>>;

/// A queue that gives the smallest first: see [`Queue::priority`].
pub type PriorityQueue<T> = Queue<T, Priority<T>>;

impl<T> Queue<T, Fifo<T>> {
    /// A queue that gives first what came first.
    ///
    /// ```
    /// let queue = coracle::sync::Queue::fifo(3);
    /// for n in [2, 1, 3] {
    ///     queue.try_put(n).unwrap();
    /// }
    /// assert_eq!(queue.close_now(), [2, 1, 3]);
    /// ```
    pub fn fifo(capacity: usize) -> Queue<T, Fifo<T>> {
        Queue::with_order(capacity, Fifo(VecDeque::new()))
    }
}

impl<T> Queue<T, Lifo<T>> {
    /// A queue that gives first what came last.
    ///
    /// ```
    /// let queue = coracle::sync::Queue::lifo(3);
    /// for n in [2, 1, 3] {
    ///     queue.try_put(n).unwrap();
    /// }
    /// assert_eq!(queue.close_now(), [3, 1, 2]);
    /// ```
    pub fn lifo(capacity: usize) -> Queue<T, Lifo<T>> {
        Queue::with_order(capacity, Lifo(Vec::new()))
    }
}

impl<T: Ord> Queue<T, Priority<T>> {
    /// A queue that gives the smallest first, and of equal ones what came first. For the greatest first, see
    /// [`Reverse`](std::cmp::Reverse); for values without an order, [`Ranked`]. A comparison that panics does so in
    /// `put`, and the value is dropped.
    ///
    /// ```
    /// let queue = coracle::sync::Queue::priority(3);
    /// for n in [2, 1, 3] {
    ///     queue.try_put(n).unwrap();
    /// }
    /// assert_eq!(queue.close_now(), [1, 2, 3]);
    /// ```
    pub fn priority(capacity: usize) -> Queue<T, Priority<T>> {
        Queue::with_order(capacity, Priority::default())
    }
}

/// A queue without a bound that gives first what came first, as Python's `Queue()`.
impl<T> Default for Queue<T, Fifo<T>> {
    fn default() -> Queue<T, Fifo<T>> {
        Queue::fifo(UNBOUNDED)
    }
}

impl<T, O: Order<T>> Queue<T, O> {
    /// A queue with an order of your own, and the values that are in it: see [`Order`].
    ///
    /// ```
    /// use coracle::sync::queue::{Priority, Queue};
    /// assert!(Queue::with_order(1, Priority::default()).try_put('x').is_ok());
    /// ```
    pub fn with_order(capacity: usize, values: O) -> Queue<T, O> {
        Queue {
            capacity,
            is_closed: Cell::new(false),
            unfinished: Cell::new(values.len()),
            values: RefCell::new(values),
            room: WaitQueue::new(),
            value: WaitQueue::new(),
            done: WaitQueue::new(),
            of: PhantomData,
        }
    }

    /// Puts a value in, waiting for room.
    ///
    /// **Cancel safety**: lossy. A dropped `Put` that is not done has put nothing, and drops its value;
    /// [`Put::into_value`] saves it. A wake that it had goes to the next that puts.
    ///
    /// # Errors
    /// If the queue is closed, also while it waits.
    ///
    /// ```
    /// coracle::block_on(async {
    ///     let queue = coracle::sync::Queue::fifo(1);
    ///     queue.put("x").await.unwrap();
    ///     assert_eq!(queue.get().await, Some("x"));
    /// });
    /// ```
    #[track_caller]
    pub fn put(&self, value: T) -> Put<'_, T, O> {
        Put { queue: self, value: Some(value), place: None, at: Location::caller() }
    }

    /// Puts a value in if there is room now.
    ///
    /// # Errors
    /// If there is none, or the queue is closed.
    ///
    /// ```
    /// let queue = coracle::sync::Queue::fifo(1);
    /// assert!(queue.try_put(1).is_ok() && queue.try_put(2).is_err());
    /// ```
    pub fn try_put(&self, value: T) -> Result<(), TryPutError<T>> {
        if self.is_closed() {
            return Err(TryPutError::Closed(value));
        }
        if self.is_full() {
            return Err(TryPutError::Full(value));
        }
        let Ok(mut values) = self.values.try_borrow_mut() else { return Err(TryPutError::Full(value)) };
        let before = values.len();
        values.push(value);
        let more = values.len().saturating_sub(before);
        drop(values);
        // An order of the user's may keep only some.
        if more > 0 {
            self.unfinished.set(self.unfinished.get() + more);
            self.value.wake_one();
        }
        Ok(())
    }

    /// Gets the next value, waiting for one. `None`: the queue is closed, and empty.
    ///
    /// **Cancel safety**: cancel-safe. A value is taken in the poll that returns it; a wake that a dropped `Get` had
    /// goes to the next.
    ///
    /// ```
    /// coracle::block_on(async {
    ///     let queue = coracle::sync::Queue::fifo(2);
    ///     queue.put(1).await.unwrap();
    ///     queue.close();
    ///     assert_eq!((queue.get().await, queue.get().await), (Some(1), None));
    /// });
    /// ```
    #[track_caller]
    pub fn get(&self) -> Get<'_, T, O> {
        Get { queue: self, place: None, at: Location::caller() }
    }

    /// Gets a value if there is one now.
    ///
    /// # Errors
    /// If there is none, or none will come.
    ///
    /// ```
    /// assert!(coracle::sync::Queue::<u8>::fifo(1).try_get().is_err());
    /// ```
    pub fn try_get(&self) -> Result<T, TryGetError> {
        let Ok(mut values) = self.values.try_borrow_mut() else { return Err(TryGetError::Empty) };
        let value = values.pop();
        drop(values);
        match value {
            Some(value) => {
                self.room.wake_one();
                Ok(value)
            }
            None if self.is_closed() => Err(TryGetError::Closed),
            None => Err(TryGetError::Empty),
        }
    }

    /// Closes the queue: nothing can be put any more, and who waits to put gets the value back. What is left can still
    /// be got; after it, and at once for those who wait in vain, comes `None`. Closing twice changes nothing.
    ///
    /// ```
    /// let queue = coracle::sync::Queue::fifo(2);
    /// queue.try_put(1).unwrap();
    /// queue.close();
    /// assert!(queue.try_put(2).is_err());
    /// assert_eq!(queue.try_get(), Ok(1));
    /// ```
    pub fn close(&self) {
        self.is_closed.set(true);
        self.room.wake_all();
        self.value.wake_all();
    }

    /// Closes the queue and takes out what is left, in its order. That counts as done: whoever [joins](Queue::join) the
    /// queue waits only for what was got before.
    ///
    /// ```
    /// let queue = coracle::sync::Queue::fifo(2);
    /// queue.try_put(1).unwrap();
    /// assert_eq!(queue.close_now(), [1]);
    /// assert!(queue.is_closed() && queue.is_empty());
    /// coracle::block_on(queue.join());
    /// ```
    pub fn close_now(&self) -> Vec<T> {
        self.is_closed.set(true);
        let next = || self.values.try_borrow_mut().ok()?.pop();
        let rest: Vec<T> = std::iter::from_fn(next).collect();
        self.close();
        self.finish(rest.len());
        rest
    }

    /// Whether it was closed. Values may be left.
    ///
    /// ```
    /// assert!(!coracle::sync::Queue::<u8>::default().is_closed());
    /// ```
    pub fn is_closed(&self) -> bool {
        self.is_closed.get()
    }

    /// How many values there are.
    ///
    /// ```
    /// let queue = coracle::sync::Queue::fifo(2);
    /// queue.try_put('a').unwrap();
    /// assert_eq!(queue.len(), 1);
    /// ```
    pub fn len(&self) -> usize {
        self.values.try_borrow().map_or(0, |values| values.len())
    }

    /// Whether there are none.
    ///
    /// ```
    /// assert!(coracle::sync::Queue::<u8>::fifo(2).is_empty());
    /// ```
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether there is no room now. With a capacity of 0, there is as much as there are waiting to get.
    ///
    /// ```
    /// let queue = coracle::sync::Queue::fifo(1);
    /// queue.try_put('a').unwrap();
    /// assert!(queue.is_full());
    /// ```
    pub fn is_full(&self) -> bool {
        let limit = if self.capacity == 0 { self.value.len() } else { self.capacity };
        self.values.try_borrow().map_or(true, |values| values.len() >= limit)
    }

    /// How many values it holds at most.
    ///
    /// ```
    /// assert_eq!(coracle::sync::Queue::<u8>::fifo(3).capacity(), 3);
    /// ```
    pub fn capacity(&self) -> usize {
        self.capacity
    }

    /// Whether its order's code is running, so that it cannot be used.
    fn is_busy(&self) -> bool {
        self.values.try_borrow_mut().is_err()
    }
}

impl<T, O: Order<T>> fmt::Debug for Queue<T, O> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Queue")
            .field("len", &self.len())
            .field("capacity", &self.capacity)
            .field("closed", &self.is_closed())
            .field("unfinished", &self.unfinished.get())
            .finish()
    }
}

//! [`Order`]: which value of a queue is the next.
//!
//! Three orders are here: [`Fifo`], [`Lifo`] and [`Priority`]; with [`Ranked`], which gives a priority to what has
//! none.

use std::cmp::Ordering;
use std::collections::{BTreeSet, VecDeque};

/// The values of a [`Queue`](super::Queue), and which of them is the next.
///
/// For an order of your own. The queue calls `push` and `pop`, and relies on `len` to count what `push` took and `pop`
/// has not given. While a call runs, the queue cannot be used: to code that tries from in here, it seems full and
/// empty.
///
/// ```
/// use coracle::sync::queue::{Order, Queue, UNBOUNDED};
///
/// /// Every value once, however often it is put.
/// #[derive(Default)]
/// struct Distinct(std::collections::BTreeSet<u32>);
///
/// impl Order<u32> for Distinct {
///     fn push(&mut self, value: u32) {
///         self.0.insert(value);
///     }
///     fn pop(&mut self) -> Option<u32> {
///         self.0.pop_last()
///     }
///     fn len(&self) -> usize {
///         self.0.len()
///     }
/// }
///
/// let queue = Queue::with_order(UNBOUNDED, Distinct::default());
/// for n in [3, 5, 3] {
///     queue.try_put(n).unwrap();
/// }
/// assert_eq!(queue.close_now(), [5, 3]);
/// ```
pub trait Order<T> {
    /// Puts a value in.
    fn push(&mut self, value: T);

    /// Takes the next value out.
    fn pop(&mut self) -> Option<T>;

    /// How many values there are.
    fn len(&self) -> usize;

    /// Whether there are none.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// What came first is the next: the order of a queue made by [`Queue::fifo`](super::Queue::fifo).
#[derive(Debug)]
pub struct Fifo<T>(pub(super) VecDeque<T>);

impl<T> Order<T> for Fifo<T> {
    fn push(&mut self, value: T) {
        self.0.push_back(value);
    }

    fn pop(&mut self) -> Option<T> {
        self.0.pop_front()
    }

    fn len(&self) -> usize {
        self.0.len()
    }
}

/// What came last is the next: the order of a queue made by [`Queue::lifo`](super::Queue::lifo).
#[derive(Debug)]
pub struct Lifo<T>(pub(super) Vec<T>);

impl<T> Order<T> for Lifo<T> {
    fn push(&mut self, value: T) {
        self.0.push(value);
    }

    fn pop(&mut self) -> Option<T> {
        self.0.pop()
    }

    fn len(&self) -> usize {
        self.0.len()
    }
}

/// The smallest is the next: the order of a queue made by [`Queue::priority`](super::Queue::priority). Of equal ones,
/// what came first. Putting and getting cost the logarithm of how many there are.
///
/// A tree and not a heap, because comparing is code of the user's, which may panic: a tree compares before it changes
/// anything, and not at all when the first is taken; a heap would be left with one value too many, or lose one.
#[derive(Debug)]
pub struct Priority<T> {
    values: BTreeSet<Arrived<T>>,
    /// How many ever came.
    arrivals: u64,
}

impl<T> Default for Priority<T> {
    fn default() -> Priority<T> {
        Priority { values: BTreeSet::new(), arrivals: 0 }
    }
}

impl<T: Ord> Order<T> for Priority<T> {
    fn push(&mut self, value: T) {
        self.arrivals += 1;
        self.values.insert(Arrived { value, number: self.arrivals });
    }

    fn pop(&mut self) -> Option<T> {
        self.values.pop_first().map(|arrived| arrived.value)
    }

    fn len(&self) -> usize {
        self.values.len()
    }
}

/// A value and when it came; no two are equal.
#[derive(Debug)]
struct Arrived<T> {
    value: T,
    number: u64,
}

impl<T: Ord> Ord for Arrived<T> {
    fn cmp(&self, other: &Self) -> Ordering {
        self.value.cmp(&other.value).then(self.number.cmp(&other.number))
    }
}

impl<T: Ord> PartialOrd for Arrived<T> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl<T: Ord> PartialEq for Arrived<T> {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl<T: Ord> Eq for Arrived<T> {}

/// A rank and a value: compared by the rank alone. For priority queues of values that have no order themselves.
///
/// ```
/// use coracle::sync::queue::{Queue, Ranked};
/// let queue = Queue::priority(2);
/// queue.try_put(Ranked(2, "sweep")).unwrap();
/// queue.try_put(Ranked(1, "answer")).unwrap();
/// let Ranked(rank, job) = queue.try_get().unwrap();
/// assert_eq!((rank, job), (1, "answer"));
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Ranked<R, T>(
    /// Its rank.
    pub R,
    /// The value itself.
    pub T,
);

impl<R: Ord, T> Ord for Ranked<R, T> {
    fn cmp(&self, other: &Self) -> Ordering {
        self.0.cmp(&other.0)
    }
}

impl<R: Ord, T> PartialOrd for Ranked<R, T> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl<R: Ord, T> PartialEq for Ranked<R, T> {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl<R: Ord, T> Eq for Ranked<R, T> {}

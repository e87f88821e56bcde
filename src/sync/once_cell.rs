//! [`OnceCell`]: a value that is made once, by an async operation, and then only read.
//!
//! The value is in a `std::cell::OnceCell`. One permit is the right to make it, and is never given back by the one who
//! succeeds: the permits are closed, so that all that wait go on together.

use std::cell;
use std::convert::Infallible;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use super::permits::{Claim, Held, Permits, Refused};

/// Why a value was not put into a [`OnceCell`]. Here it is back.
///
/// ```
/// use coracle::sync::{OnceCell, SetError};
/// let cell = OnceCell::from(1);
/// assert_eq!(cell.set(2), Err(SetError::AlreadySet(2)));
/// ```
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum SetError<T> {
    /// There is a value.
    AlreadySet(T),
    /// A task is about to make one.
    Initializing(T),
}

impl<T> fmt::Display for SetError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            SetError::AlreadySet(_) => "the cell has a value already",
            SetError::Initializing(_) => "the cell is being initialised",
        })
    }
}

impl<T> std::error::Error for SetError<T> {}

impl<T> fmt::Debug for SetError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            SetError::AlreadySet(_) => "AlreadySet(..)",
            SetError::Initializing(_) => "Initializing(..)",
        })
    }
}

/// A value that is made once, by an async operation, and then only read.
///
/// Of several tasks that ask for it, the first makes it, and the others wait. If that one fails, panics or is dropped,
/// the one that has waited longest tries, with its own operation. Once the value is there, asking for it does not wait.
/// An operation that asks the cell that it is to fill waits for itself, for ever; so does a task that keeps one
/// unfinished and not polled, and asks again (*futurelock*, see [`Mutex`](super::Mutex)).
///
/// ```
/// use coracle::sync::OnceCell;
/// use std::{cell::Cell, rc::Rc};
///
/// let (config, loads) = (Rc::new(OnceCell::new()), Rc::new(Cell::new(0)));
/// coracle::block_on(async {
///     let tasks: Vec<_> = (0..5)
///         .map(|_| {
///             let (config, loads) = (config.clone(), loads.clone());
///             coracle::spawn(async move {
///                 let load = async || {
///                     loads.set(loads.get() + 1);
///                     coracle::task::yield_now().await;
///                     "read from afar"
///                 };
///                 config.get_or_init(load).await.len()
///             })
///         })
///         .collect();
///     for task in tasks {
///         assert_eq!(task.await.unwrap(), 14);
///     }
///     assert_eq!(loads.get(), 1);
/// });
/// ```
pub struct OnceCell<T> {
    value: cell::OnceCell<T>,
    /// One, the right to make the value; closed when it is there.
    right: Permits,
}

impl<T> OnceCell<T> {
    /// An empty cell.
    ///
    /// ```
    /// assert!(coracle::sync::OnceCell::<u8>::new().get().is_none());
    /// ```
    pub fn new() -> OnceCell<T> {
        OnceCell { value: cell::OnceCell::new(), right: Permits::new(1) }
    }

    /// The value, if it is there.
    ///
    /// ```
    /// assert_eq!(coracle::sync::OnceCell::from(1).get(), Some(&1));
    /// ```
    pub fn get(&self) -> Option<&T> {
        self.value.get()
    }

    /// The value, to change, if it is there.
    ///
    /// ```
    /// let mut cell = coracle::sync::OnceCell::from(1);
    /// *cell.get_mut().unwrap() = 2;
    /// assert_eq!(cell.into_inner(), Some(2));
    /// ```
    pub fn get_mut(&mut self) -> Option<&mut T> {
        self.value.get_mut()
    }

    /// Puts a value in.
    ///
    /// # Errors
    /// If there is one, or a task is about to make one; here is the other one back.
    ///
    /// ```
    /// let cell = coracle::sync::OnceCell::new();
    /// assert!(cell.set(1).is_ok() && cell.set(2).is_err());
    /// ```
    pub fn set(&self, value: T) -> Result<(), SetError<T>> {
        match self.right.try_take(1) {
            Ok(()) => {
                self.fill(value);
                Ok(())
            }
            Err(Refused::Closed) => Err(SetError::AlreadySet(value)),
            Err(Refused::Busy) => Err(SetError::Initializing(value)),
        }
    }

    /// The value; if it is not there, it is made by `init`, or by the task that is at it.
    ///
    /// `init` is called only if it is needed. Its future is allocated once; where the value is there, nothing is.
    ///
    /// **Cancel safety**: cancel-safe; a dropped one drops its operation, and the one that has waited longest tries.
    ///
    /// ```
    /// let cell = coracle::sync::OnceCell::new();
    /// coracle::block_on(async {
    ///     assert_eq!(cell.get_or_init(|| async { 1 }).await, &1);
    ///     assert_eq!(cell.get_or_init(|| async { 2 }).await, &1);
    /// });
    /// ```
    #[track_caller]
    pub fn get_or_init<I, F>(&self, init: I) -> GetOrInit<'_, T, I, F>
    where
        I: FnOnce() -> F,
        F: Future<Output = T>,
    {
        GetOrInit { attempt: Attempt::new(self, init) }
    }

    /// The value; if it is not there, it is made by `init`, or by the task that is at it. An error stays with its own
    /// caller: the one that has waited longest tries next.
    ///
    /// **Cancel safety**: cancel-safe; as [`get_or_init`](OnceCell::get_or_init).
    ///
    /// # Errors
    /// That of `init`.
    ///
    /// ```
    /// let cell = coracle::sync::OnceCell::new();
    /// coracle::block_on(async {
    ///     assert_eq!(cell.get_or_try_init(|| async { Err("not now") }).await, Err("not now"));
    ///     assert_eq!(cell.get_or_try_init(|| async { Ok::<_, &str>(2) }).await, Ok(&2));
    /// });
    /// ```
    #[track_caller]
    pub fn get_or_try_init<I, F, E>(&self, init: I) -> GetOrTryInit<'_, T, I, F>
    where
        I: FnOnce() -> F,
        F: Future<Output = Result<T, E>>,
    {
        GetOrTryInit { attempt: Attempt::new(self, init) }
    }

    /// Takes the value out, and leaves the cell empty.
    ///
    /// ```
    /// let mut cell = coracle::sync::OnceCell::from(1);
    /// assert_eq!((cell.take(), cell.take()), (Some(1), None));
    /// assert!(cell.set(2).is_ok());
    /// ```
    pub fn take(&mut self) -> Option<T> {
        std::mem::take(self).into_inner()
    }

    /// The value, if it is there.
    ///
    /// ```
    /// assert_eq!(coracle::sync::OnceCell::<u8>::new().into_inner(), None);
    /// ```
    pub fn into_inner(self) -> Option<T> {
        self.value.into_inner()
    }

    /// For the one who has the right.
    fn fill(&self, value: T) {
        let was_empty = self.value.set(value).is_ok();
        debug_assert!(was_empty, "two had the right to make the value");
        self.right.close();
    }
}

impl<T> Default for OnceCell<T> {
    fn default() -> OnceCell<T> {
        OnceCell::new()
    }
}

impl<T> From<T> for OnceCell<T> {
    fn from(value: T) -> OnceCell<T> {
        let cell = OnceCell::new();
        cell.fill(value);
        cell
    }
}

impl<T: fmt::Debug> fmt::Debug for OnceCell<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut tuple = f.debug_tuple("OnceCell");
        match self.get() {
            Some(value) => tuple.field(value),
            None => tuple.field(&format_args!("<empty>")),
        };
        tuple.finish()
    }
}

/// What both ways of asking do: wait for the right, make the value.
struct Attempt<'a, T, I, F> {
    cell: &'a OnceCell<T>,
    claim: Claim,
    init: Option<I>,
    running: Option<Running<'a, F>>,
}

/// An operation under way. Dropped, the operation goes first, then the right goes to the next.
struct Running<'a, F> {
    operation: Pin<Box<F>>,
    _right: Held<'a>,
}

impl<'a, T, I: FnOnce() -> F, F: Future> Attempt<'a, T, I, F> {
    #[track_caller]
    fn new(cell: &'a OnceCell<T>, init: I) -> Attempt<'a, T, I, F> {
        Attempt { cell, claim: Claim::new(1), init: Some(init), running: None }
    }

    /// `result_of` makes a result of what the operation gives.
    fn poll<E>(
        &mut self,
        cx: &mut Context<'_>,
        result_of: impl FnOnce(F::Output) -> Result<T, E>,
    ) -> Poll<Result<&'a T, E>> {
        let cell = self.cell;
        if let Some(value) = cell.get() {
            return Poll::Ready(Ok(value));
        }
        let running = match &mut self.running {
            Some(running) => running,
            None => {
                let right = ready!(cell.right.poll_take(&mut self.claim, cx, "a cell to be initialised"));
                let Ok(()) = right else { return Poll::Ready(Ok(cell.get().expect("closed when filled"))) };
                // It is given back if `init` panics.
                let right = Held::new(&cell.right, 1);
                let init = self.init.take().expect("a OnceCell's future was polled after it failed");
                self.running.insert(Running { operation: Box::pin(init()), _right: right })
            }
        };
        let result = result_of(ready!(running.operation.as_mut().poll(cx)));
        let over = self.running.take();
        let answer = result.map(|value| {
            cell.fill(value);
            cell.get().expect("it was just filled")
        });
        // Last, since it is code of somebody else's. Then, if it failed, the next one gets the right.
        drop(over);
        Poll::Ready(answer)
    }

    fn is_running(&self) -> bool {
        self.running.is_some()
    }
}

impl<T, I, F> Drop for Attempt<'_, T, I, F> {
    fn drop(&mut self) {
        self.cell.right.abandon(&mut self.claim);
    }
}

/// See [`OnceCell::get_or_init`].
#[must_use = "a future does nothing unless awaited"]
pub struct GetOrInit<'a, T, I, F> {
    attempt: Attempt<'a, T, I, F>,
}

// The operation is pinned in a box of its own.
impl<T, I, F> Unpin for GetOrInit<'_, T, I, F> {}

impl<'a, T, I: FnOnce() -> F, F: Future<Output = T>> Future for GetOrInit<'a, T, I, F> {
    type Output = &'a T;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<&'a T> {
        self.attempt.poll(cx, Ok::<T, Infallible>).map(|Ok(value)| value)
    }
}

impl<T, I: FnOnce() -> F, F: Future> fmt::Debug for GetOrInit<'_, T, I, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GetOrInit").field("initialises", &self.attempt.is_running()).finish_non_exhaustive()
    }
}

/// See [`OnceCell::get_or_try_init`].
#[must_use = "a future does nothing unless awaited"]
pub struct GetOrTryInit<'a, T, I, F> {
    attempt: Attempt<'a, T, I, F>,
}

impl<T, I, F> Unpin for GetOrTryInit<'_, T, I, F> {}

impl<'a, T, I: FnOnce() -> F, F: Future<Output = Result<T, E>>, E> Future for GetOrTryInit<'a, T, I, F> {
    type Output = Result<&'a T, E>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<&'a T, E>> {
        self.attempt.poll(cx, |result| result)
    }
}

impl<T, I: FnOnce() -> F, F: Future> fmt::Debug for GetOrTryInit<'_, T, I, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GetOrTryInit").field("initialises", &self.attempt.is_running()).finish_non_exhaustive()
    }
}

//! [`Semaphore`]: a number of permits that tasks take and give back.
//!
//! All it does is in `permits`, whose four rules are its promises; here are the types. A [`Permit`] and an [`Acquire`]
//! hold the semaphore by reference or by `Rc`, and are else the same.

use std::fmt;
use std::future::Future;
use std::ops::Deref;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use super::permits::{Claim, Permits, Refused};

/// The semaphore is closed: it gives no permits any more.
///
/// ```
/// let semaphore = coracle::sync::Semaphore::new(1);
/// semaphore.close();
/// coracle::block_on(async {
///     assert_eq!(semaphore.acquire().await.unwrap_err().to_string(), "the semaphore is closed");
/// });
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AcquireError;

impl fmt::Display for AcquireError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the semaphore is closed")
    }
}

impl std::error::Error for AcquireError {}

/// Why there are no permits at once.
///
/// ```
/// use coracle::sync::{Semaphore, TryAcquireError};
/// let semaphore = Semaphore::new(0);
/// assert_eq!(semaphore.try_acquire().unwrap_err(), TryAcquireError::NoPermits);
/// semaphore.close();
/// assert_eq!(semaphore.try_acquire().unwrap_err(), TryAcquireError::Closed);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TryAcquireError {
    /// There are too few now, or others wait for them.
    NoPermits,
    /// There will be none any more.
    Closed,
}

impl fmt::Display for TryAcquireError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            TryAcquireError::NoPermits => "the semaphore has no permits to give now",
            TryAcquireError::Closed => "the semaphore is closed",
        })
    }
}

impl std::error::Error for TryAcquireError {}

/// A number of permits that tasks take and give back: it bounds how many do something at a time.
///
/// **Order.** First come, first served. Permits that come back are counted out to those that wait, the first first, and
/// a request for many at the head of the line holds back requests for few behind it, so nobody is starved. If it is
/// dropped, those behind go on. `try_acquire` does not overtake either.
///
/// **Numbers.** There are never more than `usize::MAX` permits: adding above that *saturates*. A request for none is
/// granted at once. A request for more than there will ever be waits for ever, and all that come after it too. An
/// uncontended acquire allocates nothing.
///
/// ```
/// use std::rc::Rc;
/// use coracle::sync::Semaphore;
///
/// coracle::block_on(async {
///     let at_most_two = Rc::new(Semaphore::new(2));
///     let mut tasks = Vec::new();
///     for n in 0..10 {
///         let permit = at_most_two.clone().acquire_owned().await.unwrap();
///         tasks.push(coracle::spawn(async move {
///             coracle::task::yield_now().await;
///             drop(permit);
///             n
///         }));
///     }
///     for task in tasks {
///         task.await.unwrap();
///     }
///     assert_eq!(at_most_two.available_permits(), 2);
/// });
/// ```
pub struct Semaphore {
    permits: Permits,
}

impl Semaphore {
    /// With so many permits. `usize::MAX` is as good as no bound.
    ///
    /// ```
    /// assert_eq!(coracle::sync::Semaphore::new(3).available_permits(), 3);
    /// ```
    pub fn new(permits: usize) -> Semaphore {
        Semaphore { permits: Permits::new(permits) }
    }

    /// Takes a permit, waiting for it and for those that came before. It stands in the line from its first poll.
    ///
    /// **Cancel safety**: cancel-safe; it gives up its place, and permits that were counted out to it go to the next.
    ///
    /// # Errors
    /// If the semaphore is closed, also while it waits.
    ///
    /// ```
    /// coracle::block_on(async {
    ///     let semaphore = coracle::sync::Semaphore::new(1);
    ///     let permit = semaphore.acquire().await.unwrap();
    ///     assert_eq!(semaphore.available_permits(), 0);
    ///     drop(permit);
    ///     assert_eq!(semaphore.available_permits(), 1);
    /// });
    /// ```
    #[track_caller]
    pub fn acquire(&self) -> Acquire<&Semaphore> {
        self.acquire_many(1)
    }

    /// Takes `count` permits, all or none, waiting for them and for those that came before.
    ///
    /// **Cancel safety**: cancel-safe; as [`acquire`](Semaphore::acquire).
    ///
    /// # Errors
    /// If the semaphore is closed, also while it waits.
    ///
    /// ```
    /// coracle::block_on(async {
    ///     let semaphore = coracle::sync::Semaphore::new(3);
    ///     let two = semaphore.acquire_many(2).await.unwrap();
    ///     assert_eq!((two.count(), semaphore.available_permits()), (2, 1));
    /// });
    /// ```
    #[track_caller]
    pub fn acquire_many(&self, count: usize) -> Acquire<&Semaphore> {
        Acquire { semaphore: self, claim: Claim::new(count) }
    }

    /// Takes a permit that holds the semaphore by its `Rc`: to be moved into a task, or kept.
    ///
    /// **Cancel safety**: cancel-safe; as [`acquire`](Semaphore::acquire).
    ///
    /// # Errors
    /// If the semaphore is closed, also while it waits.
    ///
    /// ```
    /// let semaphore = std::rc::Rc::new(coracle::sync::Semaphore::new(1));
    /// coracle::block_on(async {
    ///     let permit = semaphore.clone().acquire_owned().await.unwrap();
    ///     coracle::spawn(async move { drop(permit) }).await.unwrap();
    /// });
    /// assert_eq!(semaphore.available_permits(), 1);
    /// ```
    #[track_caller]
    pub fn acquire_owned(self: Rc<Self>) -> Acquire<Rc<Semaphore>> {
        self.acquire_many_owned(1)
    }

    /// Takes `count` permits, all or none, that hold the semaphore by its `Rc`.
    ///
    /// **Cancel safety**: cancel-safe; as [`acquire`](Semaphore::acquire).
    ///
    /// # Errors
    /// If the semaphore is closed, also while it waits.
    ///
    /// ```
    /// let semaphore = std::rc::Rc::new(coracle::sync::Semaphore::new(5));
    /// coracle::block_on(async {
    ///     let _three = semaphore.clone().acquire_many_owned(3).await.unwrap();
    ///     assert_eq!(semaphore.available_permits(), 2);
    /// });
    /// ```
    #[track_caller]
    pub fn acquire_many_owned(self: Rc<Self>, count: usize) -> Acquire<Rc<Semaphore>> {
        Acquire { semaphore: self, claim: Claim::new(count) }
    }

    /// Takes a permit if that needs no waiting.
    ///
    /// # Errors
    /// If there is none, or somebody waits, or the semaphore is closed.
    ///
    /// ```
    /// let semaphore = coracle::sync::Semaphore::new(1);
    /// let _permit = semaphore.try_acquire().unwrap();
    /// assert!(semaphore.try_acquire().is_err());
    /// ```
    pub fn try_acquire(&self) -> Result<Permit<&Semaphore>, TryAcquireError> {
        self.try_acquire_many(1)
    }

    /// Takes `count` permits, all or none, if that needs no waiting.
    ///
    /// # Errors
    /// If there are too few, or somebody waits, or the semaphore is closed.
    ///
    /// ```
    /// let semaphore = coracle::sync::Semaphore::new(2);
    /// assert!(semaphore.try_acquire_many(2).is_ok());
    /// assert!(semaphore.try_acquire_many(3).is_err());
    /// ```
    #[inline]
    pub fn try_acquire_many(&self, count: usize) -> Result<Permit<&Semaphore>, TryAcquireError> {
        self.try_take(count)?;
        Ok(Permit { semaphore: self, count })
    }

    /// Takes a permit that holds the semaphore by its `Rc`, if that needs no waiting.
    ///
    /// # Errors
    /// If there is none, or somebody waits, or the semaphore is closed.
    ///
    /// ```
    /// let semaphore = std::rc::Rc::new(coracle::sync::Semaphore::new(1));
    /// let _permit = semaphore.clone().try_acquire_owned().unwrap();
    /// assert!(semaphore.try_acquire_owned().is_err());
    /// ```
    pub fn try_acquire_owned(self: Rc<Self>) -> Result<Permit<Rc<Semaphore>>, TryAcquireError> {
        self.try_take(1)?;
        Ok(Permit { semaphore: self, count: 1 })
    }

    #[inline]
    fn try_take(&self, count: usize) -> Result<(), TryAcquireError> {
        self.permits.try_take(count).map_err(|refused| match refused {
            Refused::Busy => TryAcquireError::NoPermits,
            Refused::Closed => TryAcquireError::Closed,
        })
    }

    /// Adds permits, for good, and serves those that wait. Above `usize::MAX` it saturates.
    ///
    /// ```
    /// let semaphore = coracle::sync::Semaphore::new(1);
    /// semaphore.add_permits(2);
    /// assert_eq!(semaphore.available_permits(), 3);
    /// semaphore.add_permits(usize::MAX);
    /// assert_eq!(semaphore.available_permits(), usize::MAX);
    /// ```
    pub fn add_permits(&self, count: usize) {
        self.permits.release(count);
    }

    /// How many permits nobody has. Those that wait for more than that keep the rest from taking them.
    ///
    /// ```
    /// assert_eq!(coracle::sync::Semaphore::new(3).available_permits(), 3);
    /// ```
    pub fn available_permits(&self) -> usize {
        self.permits.free()
    }

    /// Gives no permits any more: all that wait get an error, and so do all that come. Permits that were given stay
    /// good, also those counted out to a task that has not run yet. A second time it does nothing.
    ///
    /// ```
    /// let semaphore = coracle::sync::Semaphore::new(1);
    /// semaphore.close();
    /// assert!(semaphore.is_closed() && semaphore.try_acquire().is_err());
    /// ```
    pub fn close(&self) {
        self.permits.close();
    }

    /// Whether it was closed.
    ///
    /// ```
    /// assert!(!coracle::sync::Semaphore::new(1).is_closed());
    /// ```
    pub fn is_closed(&self) -> bool {
        self.permits.is_closed()
    }
}

impl fmt::Debug for Semaphore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut fields = f.debug_struct("Semaphore");
        fields.field("available", &self.available_permits()).field("waiting", &self.permits.waiting());
        fields.field("closed", &self.is_closed()).finish()
    }
}

/// See [`Semaphore::acquire`].
#[must_use = "a future does nothing unless awaited"]
pub struct Acquire<S: Deref<Target = Semaphore>> {
    semaphore: S,
    claim: Claim,
}

// The handle is never pinned.
impl<S: Deref<Target = Semaphore>> Unpin for Acquire<S> {}

impl<S: Deref<Target = Semaphore> + Clone> Future for Acquire<S> {
    type Output = Result<Permit<S>, AcquireError>;

    #[inline]
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        let taken = this.semaphore.permits.poll_take(&mut this.claim, cx, "permits of a semaphore");
        taken.map(|taken| match taken {
            Ok(()) => Ok(Permit { semaphore: this.semaphore.clone(), count: this.claim.want }),
            Err(Refused::Closed | Refused::Busy) => Err(AcquireError),
        })
    }
}

impl<S: Deref<Target = Semaphore>> Drop for Acquire<S> {
    #[inline]
    fn drop(&mut self) {
        self.semaphore.permits.abandon(&mut self.claim);
    }
}

impl<S: Deref<Target = Semaphore>> fmt::Debug for Acquire<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut fields = f.debug_struct("Acquire");
        fields.field("count", &self.claim.want).field("waits", &self.claim.waits()).finish_non_exhaustive()
    }
}

/// Permits that were taken. Dropped, they go to those that wait, or back.
///
/// It holds the semaphore by reference ([`Semaphore::acquire`]) or by `Rc` ([`Semaphore::acquire_owned`]).
///
/// ```
/// let semaphore = coracle::sync::Semaphore::new(2);
/// let permit = semaphore.try_acquire_many(2).unwrap();
/// assert_eq!(permit.count(), 2);
/// ```
#[must_use = "a permit that is dropped is given back at once"]
pub struct Permit<S: Deref<Target = Semaphore>> {
    semaphore: S,
    count: usize,
}

impl<S: Deref<Target = Semaphore>> Permit<S> {
    /// How many permits these are.
    ///
    /// ```
    /// assert_eq!(coracle::sync::Semaphore::new(1).try_acquire().unwrap().count(), 1);
    /// ```
    pub fn count(&self) -> usize {
        self.count
    }

    /// Does not give the permits back: the semaphore has so many fewer from now on.
    ///
    /// ```
    /// let semaphore = coracle::sync::Semaphore::new(2);
    /// semaphore.try_acquire().unwrap().forget();
    /// assert_eq!(semaphore.available_permits(), 1);
    /// ```
    pub fn forget(mut self) {
        self.count = 0;
    }
}

impl<S: Deref<Target = Semaphore>> Drop for Permit<S> {
    #[inline]
    fn drop(&mut self) {
        self.semaphore.permits.release(self.count);
    }
}

impl<S: Deref<Target = Semaphore>> fmt::Debug for Permit<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Permit").field("count", &self.count).finish_non_exhaustive()
    }
}

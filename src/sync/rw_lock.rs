//! [`RwLock`]: a value that many tasks read at a time, or one changes.
//!
//! Very many permits: a reader takes one, a writer all. So the order, in which a waiting writer holds back the readers
//! that come after it, is that of `permits`, and so is everything about hand-over and cancellation.

use std::cell::{Ref, RefCell, RefMut};
use std::fmt;
use std::future::Future;
use std::ops::{Deref, DerefMut};
use std::panic::Location;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use super::permits::{Claim, Held, Permits};

/// What a writer takes. A `RefCell` counts as many borrows at most, so no reader is ever turned away.
const ALL: usize = isize::MAX as usize;

/// A value that many tasks read at a time, or one changes; also across awaits.
///
/// **Order.** First come, first served, by hand-over, as at [`Mutex`](super::Mutex). A writer that waits holds back the
/// readers that come after it, so it is not starved; the readers that stand together at the head of the line enter
/// together. `try_read` and `try_write` do not overtake either. No poisoning. An uncontended `read` or `write`
/// allocates nothing.
///
/// A task that reads must not read again while it has the first guard: a writer may have come in between, waits for the
/// first, and holds back the second. What is said of *futurelock* at `Mutex` is true here too.
///
/// ```
/// coracle::block_on(async {
///     let lock = coracle::sync::RwLock::new(vec![1, 2]);
///     {
///         let (one, other) = (lock.read().await, lock.try_read().unwrap());
///         assert_eq!(one.len() + other.len(), 4);
///         assert!(lock.try_write().is_none());
///     }
///     lock.write().await.push(3);
///     assert_eq!(lock.into_inner(), [1, 2, 3]);
/// });
/// ```
pub struct RwLock<T: ?Sized> {
    /// Whoever has one may borrow the value; whoever has all, mutably.
    permits: Permits,
    value: RefCell<T>,
}

impl<T> RwLock<T> {
    /// An unlocked lock.
    ///
    /// ```
    /// assert!(coracle::sync::RwLock::new(5).try_write().is_some());
    /// ```
    pub fn new(value: T) -> RwLock<T> {
        RwLock { permits: Permits::of_lock(ALL), value: RefCell::new(value) }
    }

    /// The value. Nobody can have it locked.
    ///
    /// ```
    /// assert_eq!(coracle::sync::RwLock::new("x").into_inner(), "x");
    /// ```
    pub fn into_inner(self) -> T {
        self.value.into_inner()
    }
}

impl<T: ?Sized> RwLock<T> {
    /// Locks for reading, together with other readers; waits for the writer that has it, and for those that came
    /// before.
    ///
    /// **Cancel safety**: cancel-safe; it gives up its place, and a lock that was handed to it goes on to others.
    ///
    /// ```
    /// coracle::block_on(async {
    ///     let lock = coracle::sync::RwLock::new(1);
    ///     assert_eq!(*lock.read().await, 1);
    /// });
    /// ```
    #[track_caller]
    pub fn read(&self) -> LockRead<'_, T> {
        LockRead { lock: self, claim: Claim::new(1) }
    }

    /// Locks for reading if that needs no waiting: no writer has it, and nobody waits. `None`: not now.
    ///
    /// ```
    /// let lock = coracle::sync::RwLock::new(1);
    /// let _writer = lock.try_write().unwrap();
    /// assert!(lock.try_read().is_none());
    /// ```
    #[track_caller]
    pub fn try_read(&self) -> Option<RwLockReadGuard<'_, T>> {
        let at = Location::caller();
        self.permits.try_take(1).ok().map(|()| self.read_guard(at))
    }

    /// Locks for writing, alone; waits for all that have it, and for those that came before.
    ///
    /// **Cancel safety**: cancel-safe; it gives up its place, so the readers that it held back go on; a lock that was
    /// handed to it goes on to others.
    ///
    /// ```
    /// coracle::block_on(async {
    ///     let lock = coracle::sync::RwLock::new(1);
    ///     *lock.write().await = 2;
    ///     assert_eq!(*lock.read().await, 2);
    /// });
    /// ```
    #[track_caller]
    pub fn write(&self) -> LockWrite<'_, T> {
        LockWrite { lock: self, claim: Claim::new(ALL) }
    }

    /// Locks for writing if that needs no waiting: nobody has it, and nobody waits. `None`: not now.
    ///
    /// ```
    /// let lock = coracle::sync::RwLock::new(1);
    /// let _reader = lock.try_read().unwrap();
    /// assert!(lock.try_write().is_none());
    /// ```
    #[track_caller]
    pub fn try_write(&self) -> Option<RwLockWriteGuard<'_, T>> {
        let at = Location::caller();
        self.permits.try_take(ALL).ok().map(|()| self.write_guard(at))
    }

    /// The value, without locking: nobody else can have it.
    ///
    /// ```
    /// let mut lock = coracle::sync::RwLock::new(1);
    /// *lock.get_mut() = 2;
    /// assert_eq!(lock.into_inner(), 2);
    /// ```
    pub fn get_mut(&mut self) -> &mut T {
        self.value.get_mut()
    }

    /// For one who has a permit.
    #[inline]
    fn read_guard(&self, at: &'static Location<'static>) -> RwLockReadGuard<'_, T> {
        self.permits.note(at);
        let permit = Held::new(&self.permits, 1);
        RwLockReadGuard { value: self.value.borrow(), _permit: permit }
    }

    /// For the one who has all permits.
    #[inline]
    fn write_guard(&self, at: &'static Location<'static>) -> RwLockWriteGuard<'_, T> {
        self.permits.note(at);
        let permits = Held::new(&self.permits, ALL);
        RwLockWriteGuard { value: self.value.borrow_mut(), permits, lock: self }
    }
}

impl<T: Default> Default for RwLock<T> {
    fn default() -> RwLock<T> {
        RwLock::new(T::default())
    }
}

impl<T> From<T> for RwLock<T> {
    fn from(value: T) -> RwLock<T> {
        RwLock::new(value)
    }
}

impl<T: ?Sized + fmt::Debug> fmt::Debug for RwLock<T> {
    /// The value, if it may be read now.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut fields = f.debug_struct("RwLock");
        match self.try_read() {
            Some(guard) => fields.field("value", &guard),
            None => fields.field("value", &format_args!("<locked>")),
        };
        fields.field("waiting", &self.permits.waiting()).finish()
    }
}

/// See [`RwLock::read`].
#[must_use = "a future does nothing unless awaited"]
pub struct LockRead<'a, T: ?Sized> {
    lock: &'a RwLock<T>,
    claim: Claim,
}

impl<'a, T: ?Sized> Future for LockRead<'a, T> {
    type Output = RwLockReadGuard<'a, T>;

    #[inline]
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<RwLockReadGuard<'a, T>> {
        if self.lock.permits.take_at_once(&self.claim) {
            return Poll::Ready(self.lock.read_guard(self.claim.at));
        }
        self.wait(cx)
    }
}

impl<'a, T: ?Sized> LockRead<'a, T> {
    #[cold]
    fn wait(&mut self, cx: &mut Context<'_>) -> Poll<RwLockReadGuard<'a, T>> {
        let taken = self.lock.permits.wait(&mut self.claim, cx, "a lock, to read");
        ready!(taken).expect("a lock is never closed");
        Poll::Ready(self.lock.read_guard(self.claim.at))
    }
}

impl<T: ?Sized> Drop for LockRead<'_, T> {
    #[inline]
    fn drop(&mut self) {
        self.lock.permits.abandon(&mut self.claim);
    }
}

impl<T: ?Sized> fmt::Debug for LockRead<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LockRead").field("waits", &self.claim.waits()).finish_non_exhaustive()
    }
}

/// See [`RwLock::write`].
#[must_use = "a future does nothing unless awaited"]
pub struct LockWrite<'a, T: ?Sized> {
    lock: &'a RwLock<T>,
    claim: Claim,
}

impl<'a, T: ?Sized> Future for LockWrite<'a, T> {
    type Output = RwLockWriteGuard<'a, T>;

    #[inline]
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<RwLockWriteGuard<'a, T>> {
        if self.lock.permits.take_at_once(&self.claim) {
            return Poll::Ready(self.lock.write_guard(self.claim.at));
        }
        self.wait(cx)
    }
}

impl<'a, T: ?Sized> LockWrite<'a, T> {
    #[cold]
    fn wait(&mut self, cx: &mut Context<'_>) -> Poll<RwLockWriteGuard<'a, T>> {
        let taken = self.lock.permits.wait(&mut self.claim, cx, "a lock, to write");
        ready!(taken).expect("a lock is never closed");
        Poll::Ready(self.lock.write_guard(self.claim.at))
    }
}

impl<T: ?Sized> Drop for LockWrite<'_, T> {
    #[inline]
    fn drop(&mut self) {
        self.lock.permits.abandon(&mut self.claim);
    }
}

impl<T: ?Sized> fmt::Debug for LockWrite<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LockWrite").field("waits", &self.claim.waits()).finish_non_exhaustive()
    }
}

/// The right to read, made by [`RwLock::read`].
pub struct RwLockReadGuard<'a, T: ?Sized> {
    // In this order: the borrow ends before the permit goes to a writer.
    value: Ref<'a, T>,
    _permit: Held<'a>,
}

impl<T: ?Sized> Deref for RwLockReadGuard<'_, T> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        &self.value
    }
}

impl<T: ?Sized + fmt::Debug> fmt::Debug for RwLockReadGuard<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}

/// The right to change, made by [`RwLock::write`].
pub struct RwLockWriteGuard<'a, T: ?Sized> {
    // In this order, as above.
    value: RefMut<'a, T>,
    permits: Held<'a>,
    lock: &'a RwLock<T>,
}

impl<'a, T: ?Sized> RwLockWriteGuard<'a, T> {
    /// Goes on as a reader, and lets in the readers at the head of the line. No writer comes in between.
    ///
    /// ```
    /// use coracle::sync::{RwLock, RwLockWriteGuard};
    /// let lock = RwLock::new(1);
    /// let mut writer = lock.try_write().unwrap();
    /// *writer = 2;
    /// let reader = RwLockWriteGuard::downgrade(writer);
    /// assert_eq!((*reader, *lock.try_read().unwrap()), (2, 2));
    /// assert!(lock.try_write().is_none());
    /// ```
    pub fn downgrade(guard: RwLockWriteGuard<'a, T>) -> RwLockReadGuard<'a, T> {
        let RwLockWriteGuard { value, mut permits, lock } = guard;
        drop(value);
        let value = lock.value.borrow();
        permits.keep(1);
        RwLockReadGuard { value, _permit: permits }
    }
}

impl<T: ?Sized> Deref for RwLockWriteGuard<'_, T> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        &self.value
    }
}

impl<T: ?Sized> DerefMut for RwLockWriteGuard<'_, T> {
    #[inline]
    fn deref_mut(&mut self) -> &mut T {
        &mut self.value
    }
}

impl<T: ?Sized + fmt::Debug> fmt::Debug for RwLockWriteGuard<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}

//! [`ReentrantMutex`]: a mutex that the task which has it may lock again.
//!
//! It is what Python calls `RLock`. The task is the one that is being polled, as `task::here` knows it: it goes on at
//! once if it is the owner, whatever depth of calls it locks from. Because several guards may exist, none gives more
//! than `&T`.

use std::cell::Cell;
use std::fmt;
use std::future::Future;
use std::ops::Deref;
use std::panic::Location;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use super::permits::{Claim, Permits};
use crate::task::here::{self, Who};

/// A mutex that the task which has it may lock again; Python's `RLock`.
///
/// The value is free for others once as many guards were dropped as were made. Guards lend the value unchangeably; put
/// a `Cell` or `RefCell` into it for what changes. Order and hand-over are those of [`Mutex`](super::Mutex).
///
/// The owner is the task whose poll took the lock, until the last guard is dropped, wherever the guards are moved. So
/// two futures that are joined *in one task* are not kept apart. Outside of a task (on another executor) nobody can be
/// recognised: there it does not let anybody in twice, and is a plain mutex.
///
/// ```
/// use coracle::sync::ReentrantMutex;
/// use std::cell::Cell;
///
/// async fn add(account: &ReentrantMutex<Cell<i32>>, n: i32) {
///     let account = account.lock().await;
///     account.set(account.get() + n);
/// }
///
/// coracle::block_on(async {
///     let (one, other) = (ReentrantMutex::new(Cell::new(5)), ReentrantMutex::new(Cell::new(0)));
///     let _both = (one.lock().await, other.lock().await);
///     add(&one, -3).await; // This locks again.
///     add(&other, 3).await;
///     assert_eq!((one.lock().await.get(), other.lock().await.get()), (2, 3));
/// });
/// ```
pub struct ReentrantMutex<T>
where
    T: ?Sized,
{
    /// One, for the owner.
    permits: Permits,
    /// Whose poll took the permit. `None`: nobody's, or no task's.
    owner: Cell<Option<Who>>,
    /// How many guards there are.
    depth: Cell<usize>,
    value: T,
}

impl<T> ReentrantMutex<T> {
    /// An unlocked mutex.
    ///
    /// ```
    /// assert_eq!(coracle::sync::ReentrantMutex::new(5).into_inner(), 5);
    /// ```
    pub fn new(value: T) -> ReentrantMutex<T> {
        ReentrantMutex { permits: Permits::of_lock(1), owner: Cell::new(None), depth: Cell::new(0), value }
    }

    /// The value. Nobody can have it locked.
    ///
    /// ```
    /// assert_eq!(coracle::sync::ReentrantMutex::new("x").into_inner(), "x");
    /// ```
    pub fn into_inner(self) -> T {
        self.value
    }
}

impl<T: ?Sized> ReentrantMutex<T> {
    /// Locks: at once if this task has it already, else waiting for those that came before.
    ///
    /// **Cancel safety**: cancel-safe; it gives up its place, and a lock that was handed to it goes to the next.
    ///
    /// ```
    /// coracle::block_on(async {
    ///     let mutex = coracle::sync::ReentrantMutex::new(1);
    ///     let guards = (mutex.lock().await, mutex.lock().await);
    ///     assert_eq!(*guards.0 + *guards.1, 2);
    /// });
    /// ```
    #[track_caller]
    pub fn lock(&self) -> LockReentrant<'_, T> {
        LockReentrant { mutex: self, claim: Claim::new(1) }
    }

    /// Locks if this task has it already, or nobody has it and nobody waits for it. `None`: not now.
    ///
    /// ```
    /// let mutex = coracle::sync::ReentrantMutex::new(1);
    /// let guard = mutex.try_lock().unwrap();
    /// assert!(mutex.try_lock().is_none(), "outside of a task, nobody is recognised");
    /// drop(guard);
    /// coracle::block_on(async {
    ///     let guards = (mutex.try_lock().unwrap(), mutex.try_lock().unwrap());
    ///     assert_eq!(*guards.0, *guards.1);
    /// });
    /// ```
    #[track_caller]
    pub fn try_lock(&self) -> Option<ReentrantMutexGuard<'_, T>> {
        if !self.is_mine() {
            self.permits.try_take(1).ok()?;
        }
        Some(self.enter(Location::caller()))
    }

    /// The value, without locking: nobody else can have it.
    ///
    /// ```
    /// let mut mutex = coracle::sync::ReentrantMutex::new(1);
    /// *mutex.get_mut() = 2;
    /// assert_eq!(mutex.into_inner(), 2);
    /// ```
    pub fn get_mut(&mut self) -> &mut T {
        &mut self.value
    }

    /// Whether the task that is being polled has the lock.
    fn is_mine(&self) -> bool {
        let owner = self.owner.get();
        owner.is_some() && owner == here::who()
    }

    /// For the owner, and for whoever just got the permit.
    fn enter(&self, at: &'static Location<'static>) -> ReentrantMutexGuard<'_, T> {
        if self.depth.get() == 0 {
            self.owner.set(here::who());
            self.permits.note(at);
        }
        self.depth.set(self.depth.get() + 1);
        ReentrantMutexGuard { mutex: self }
    }
}

impl<T: ?Sized + fmt::Debug> fmt::Debug for ReentrantMutex<T> {
    /// The value, if this task may lock.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut fields = f.debug_struct("ReentrantMutex");
        match self.try_lock() {
            Some(guard) => fields.field("value", &guard),
            None => fields.field("value", &format_args!("<locked>")),
        };
        fields.field("owner", &self.owner.get()).field("waiting", &self.permits.waiting()).finish()
    }
}

/// See [`ReentrantMutex::lock`].
#[must_use = "a future does nothing unless awaited"]
pub struct LockReentrant<'a, T: ?Sized> {
    mutex: &'a ReentrantMutex<T>,
    claim: Claim,
}

impl<'a, T: ?Sized> Future for LockReentrant<'a, T> {
    type Output = ReentrantMutexGuard<'a, T>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<ReentrantMutexGuard<'a, T>> {
        const WHAT: &str = "a re-entrant mutex";
        let this = &mut *self;
        let mutex = this.mutex;
        if mutex.is_mine() {
            if !this.claim.may_go_on(cx, WHAT) {
                return Poll::Pending;
            }
            here::spend();
            // It may stand in the line since before another future of this task got the lock.
            mutex.permits.abandon(&mut this.claim);
            return Poll::Ready(mutex.enter(this.claim.at));
        }
        ready!(mutex.permits.poll_take(&mut this.claim, cx, WHAT)).expect("a mutex is never closed");
        Poll::Ready(mutex.enter(this.claim.at))
    }
}

impl<T: ?Sized> Drop for LockReentrant<'_, T> {
    fn drop(&mut self) {
        self.mutex.permits.abandon(&mut self.claim);
    }
}

impl<T: ?Sized> fmt::Debug for LockReentrant<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LockReentrant").field("waits", &self.claim.waits()).finish_non_exhaustive()
    }
}

/// The use of a locked value, made by [`ReentrantMutex::lock`]. The last one dropped hands the lock to the next task.
pub struct ReentrantMutexGuard<'a, T: ?Sized> {
    mutex: &'a ReentrantMutex<T>,
}

impl<T: ?Sized> Deref for ReentrantMutexGuard<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.mutex.value
    }
}

impl<T: ?Sized> Drop for ReentrantMutexGuard<'_, T> {
    fn drop(&mut self) {
        let depth = self.mutex.depth.get() - 1;
        self.mutex.depth.set(depth);
        if depth == 0 {
            self.mutex.owner.set(None);
            self.mutex.permits.release(1);
        }
    }
}

impl<T: ?Sized + fmt::Debug> fmt::Debug for ReentrantMutexGuard<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}

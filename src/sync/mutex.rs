//! [`Mutex`]: a value that one task uses at a time, also across awaits.
//!
//! One permit, and a `RefCell` for the value: who has the permit has the only borrow. No `unsafe`, so a guard *is* a
//! `RefMut`.

use std::cell::{Ref, RefCell, RefMut};
use std::fmt;
use std::future::Future;
use std::ops::{Deref, DerefMut};
use std::panic::Location;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use super::permits::{Claim, Held, Permits};

/// What an inspection says that a task waits for.
const WHAT: &str = "a mutex";

/// A value that one task uses at a time, also across awaits.
///
/// If nothing is awaited while the value is in use, a `RefCell` does, and cannot make anybody wait. A mutex is for the
/// case where a task begins something, awaits, and must find the value as it left it.
///
/// **Order.** First come, first served, by *hand-over*: the guard that is dropped gives the lock to the task that has
/// waited longest, though that one runs only later. The other way is to let it race with whoever comes just now
/// (*barging*). On many cores that saves idle time; on one thread there is none to save, and a task that locks in a
/// loop would always be quicker than those that wait. So with n tasks in front of you, you wait for n guards to be
/// dropped, not more. [`try_lock`](Mutex::try_lock) does not overtake anybody either. An uncontended lock costs a few
/// instructions, allocates nothing, and yields only when the budget of the poll is used up.
///
/// **No poisoning.** A panic drops the guard and so unlocks; the next task finds the value as the panic left it. The
/// panic is not lost for that: it is the result of its task. Where a value can be left half changed, change it in one
/// step.
///
/// # Futurelock
///
/// A future that stands in the line, or has the lock, must be polled to go on, and it is not polled while its task
/// awaits something else. If that something else waits for the same lock, the task waits for itself, for ever. This has
/// been named *futurelock* (Oxide, RFD 609). It needs a future that is kept but not awaited: typically a `select` over
/// `&mut future`, whose other arm locks.
///
/// ```
/// use coracle::{sync::Mutex, time::timeout};
/// use std::{future::Future, pin::pin, task::{Context, Poll, Waker}, time::Duration};
///
/// coracle::block_on(async {
///     let mutex = Mutex::new(0);
///     let guard = mutex.lock().await;
///     let mut work = pin!(async { *mutex.lock().await += 1 });
///     // A select polls `work`, and then takes its other arm. `work` is kept, and stands in the line.
///     assert!(work.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
///     drop(guard); // The lock is handed to `work`, which nobody polls now.
///
///     // The other arm. Without the timeout: futurelock.
///     assert!(timeout(Duration::from_millis(5), mutex.lock()).await.is_err());
///
///     work.await; // Once it is polled, everything goes on.
///     assert_eq!(*mutex.lock().await, 1);
/// });
/// ```
///
/// What to do: let a future that may wait for a lock be *dropped* by the `select` (pass it by value: a dropped one
/// hands the lock on), or make it a task of its own with [`spawn`](crate::spawn), which is polled whatever its spawner
/// awaits; and do not await while you keep a future that you have polled and have not finished.
///
/// ```
/// use std::rc::Rc;
/// use coracle::sync::Mutex;
///
/// coracle::block_on(async {
///     let total = Rc::new(Mutex::new(0));
///     let tasks: Vec<_> = (0..10)
///         .map(|_| {
///             let total = total.clone();
///             coracle::spawn(async move {
///                 let mut total = total.lock().await;
///                 let before = *total;
///                 coracle::task::yield_now().await;
///                 *total = before + 1;
///             })
///         })
///         .collect();
///     for task in tasks {
///         task.await.unwrap();
///     }
///     assert_eq!(*total.lock().await, 10);
/// });
/// ```
pub struct Mutex<T: ?Sized> {
    /// One. Whoever has it has the only borrow of the value.
    permits: Permits,
    value: RefCell<T>,
}

impl<T> Mutex<T> {
    /// An unlocked mutex.
    ///
    /// ```
    /// assert_eq!(coracle::sync::Mutex::new(5).into_inner(), 5);
    /// ```
    pub fn new(value: T) -> Mutex<T> {
        Mutex { permits: Permits::of_lock(1), value: RefCell::new(value) }
    }

    /// The value. Nobody can have it locked.
    ///
    /// ```
    /// assert_eq!(coracle::sync::Mutex::new("x").into_inner(), "x");
    /// ```
    pub fn into_inner(self) -> T {
        self.value.into_inner()
    }
}

impl<T: ?Sized> Mutex<T> {
    /// Locks, waiting for those that came before. It stands in the line from its first poll.
    ///
    /// **Cancel safety**: cancel-safe; it gives up its place, and a lock that was handed to it goes to the next. What
    /// was begun under an earlier guard is not undone.
    ///
    /// ```
    /// coracle::block_on(async {
    ///     let mutex = coracle::sync::Mutex::new(1);
    ///     *mutex.lock().await += 1;
    ///     assert_eq!(*mutex.lock().await, 2);
    /// });
    /// ```
    #[track_caller]
    pub fn lock(&self) -> Lock<'_, T> {
        Lock { mutex: self, claim: Claim::new(1) }
    }

    /// Locks if nobody has it and nobody waits for it. `None`: not now.
    ///
    /// ```
    /// let mutex = coracle::sync::Mutex::new(1);
    /// let guard = mutex.try_lock().unwrap();
    /// assert!(mutex.try_lock().is_none());
    /// drop(guard);
    /// assert!(mutex.try_lock().is_some());
    /// ```
    #[inline]
    #[track_caller]
    pub fn try_lock(&self) -> Option<MutexGuard<'_, T>> {
        let at = Location::caller();
        self.permits.try_take(1).ok().map(|()| self.guard(at))
    }

    /// Locks as [`lock`](Mutex::lock) does, for a guard that holds the mutex by its `Rc`, so that it can be kept in a
    /// struct or sent through a channel. Where a guard only lives in an `async` block that owns the `Rc`, `lock` is
    /// simpler.
    ///
    /// **Cancel safety**: cancel-safe; as `lock`.
    ///
    /// ```
    /// use std::rc::Rc;
    /// let mutex = Rc::new(coracle::sync::Mutex::new(1));
    /// coracle::block_on(async {
    ///     let mut guard = mutex.clone().lock_owned().await;
    ///     let task = coracle::spawn(async move { *guard.borrow_mut() += 1 });
    ///     assert!(mutex.try_lock().is_none());
    ///     task.await.unwrap();
    ///     assert_eq!(*mutex.lock().await, 2);
    /// });
    /// ```
    #[track_caller]
    pub fn lock_owned(self: Rc<Self>) -> LockOwned<T> {
        LockOwned { mutex: self, claim: Claim::new(1) }
    }

    /// The value, without locking: nobody else can have it.
    ///
    /// ```
    /// let mut mutex = coracle::sync::Mutex::new(1);
    /// *mutex.get_mut() = 2;
    /// assert_eq!(mutex.into_inner(), 2);
    /// ```
    pub fn get_mut(&mut self) -> &mut T {
        self.value.get_mut()
    }

    /// For the one who has the permit.
    #[inline]
    fn guard(&self, at: &'static Location<'static>) -> MutexGuard<'_, T> {
        self.permits.note(at);
        let permit = Held::new(&self.permits, 1);
        MutexGuard { value: self.value.borrow_mut(), _permit: permit }
    }
}

impl<T: Default> Default for Mutex<T> {
    fn default() -> Mutex<T> {
        Mutex::new(T::default())
    }
}

impl<T> From<T> for Mutex<T> {
    fn from(value: T) -> Mutex<T> {
        Mutex::new(value)
    }
}

impl<T: ?Sized + fmt::Debug> fmt::Debug for Mutex<T> {
    /// The value, if nobody has it locked.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut fields = f.debug_struct("Mutex");
        match self.try_lock() {
            Some(guard) => fields.field("value", &guard),
            None => fields.field("value", &format_args!("<locked>")),
        };
        fields.field("waiting", &self.permits.waiting()).finish()
    }
}

/// See [`Mutex::lock`].
#[must_use = "a future does nothing unless awaited"]
pub struct Lock<'a, T: ?Sized> {
    mutex: &'a Mutex<T>,
    claim: Claim,
}

impl<'a, T: ?Sized> Future for Lock<'a, T> {
    type Output = MutexGuard<'a, T>;

    #[inline]
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<MutexGuard<'a, T>> {
        if self.mutex.permits.take_at_once(&self.claim) {
            return Poll::Ready(self.mutex.guard(self.claim.at));
        }
        self.wait(cx)
    }
}

impl<'a, T: ?Sized> Lock<'a, T> {
    #[cold]
    fn wait(&mut self, cx: &mut Context<'_>) -> Poll<MutexGuard<'a, T>> {
        ready!(self.mutex.permits.wait(&mut self.claim, cx, WHAT)).expect("a mutex is never closed");
        Poll::Ready(self.mutex.guard(self.claim.at))
    }
}

impl<T: ?Sized> Drop for Lock<'_, T> {
    #[inline]
    fn drop(&mut self) {
        self.mutex.permits.abandon(&mut self.claim);
    }
}

impl<T: ?Sized> fmt::Debug for Lock<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lock").field("waits", &self.claim.waits()).finish_non_exhaustive()
    }
}

/// The use of a locked value, made by [`Mutex::lock`]. Dropped, it hands the lock to the next. Leaked by
/// [`std::mem::forget`], it keeps the mutex locked for ever.
pub struct MutexGuard<'a, T: ?Sized> {
    // In this order: the borrow ends before the next one gets the permit.
    value: RefMut<'a, T>,
    _permit: Held<'a>,
}

impl<'a, T: ?Sized> MutexGuard<'a, T> {
    /// A guard of a part of the value. The whole stays locked.
    ///
    /// ```
    /// use coracle::sync::{Mutex, MutexGuard};
    /// let mutex = Mutex::new((1, "x"));
    /// let mut first = MutexGuard::map(mutex.try_lock().unwrap(), |pair| &mut pair.0);
    /// *first += 1;
    /// assert!(mutex.try_lock().is_none());
    /// drop(first);
    /// assert_eq!(mutex.into_inner(), (2, "x"));
    /// ```
    pub fn map<U: ?Sized>(guard: MutexGuard<'a, T>, part: impl FnOnce(&mut T) -> &mut U) -> MutexGuard<'a, U> {
        let MutexGuard { value, _permit } = guard;
        MutexGuard { value: RefMut::map(value, part), _permit }
    }
}

impl<T: ?Sized> Deref for MutexGuard<'_, T> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        &self.value
    }
}

impl<T: ?Sized> DerefMut for MutexGuard<'_, T> {
    #[inline]
    fn deref_mut(&mut self) -> &mut T {
        &mut self.value
    }
}

impl<T: ?Sized + fmt::Debug> fmt::Debug for MutexGuard<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}

impl<T: ?Sized + fmt::Display> fmt::Display for MutexGuard<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}

/// See [`Mutex::lock_owned`].
#[must_use = "a future does nothing unless awaited"]
pub struct LockOwned<T: ?Sized> {
    mutex: Rc<Mutex<T>>,
    claim: Claim,
}

impl<T: ?Sized> Future for LockOwned<T> {
    type Output = OwnedMutexGuard<T>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<OwnedMutexGuard<T>> {
        let this = &mut *self;
        ready!(this.mutex.permits.poll_take(&mut this.claim, cx, WHAT)).expect("a mutex is never closed");
        this.mutex.permits.note(this.claim.at);
        Poll::Ready(OwnedMutexGuard { mutex: this.mutex.clone() })
    }
}

impl<T: ?Sized> Drop for LockOwned<T> {
    fn drop(&mut self) {
        self.mutex.permits.abandon(&mut self.claim);
    }
}

impl<T: ?Sized> fmt::Debug for LockOwned<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LockOwned").field("waits", &self.claim.waits()).finish_non_exhaustive()
    }
}

/// The use of a locked value, made by [`Mutex::lock_owned`].
///
/// It has the lock, and lends the value: without `unsafe` nothing can hold both the `Rc` and a borrow of what is in it,
/// so there is no `Deref`.
pub struct OwnedMutexGuard<T: ?Sized> {
    mutex: Rc<Mutex<T>>,
}

impl<T: ?Sized> OwnedMutexGuard<T> {
    /// The value, to look at.
    ///
    /// # Panics
    /// If the result of an earlier `borrow_mut` was leaked.
    ///
    /// ```
    /// let mutex = std::rc::Rc::new(coracle::sync::Mutex::new(1));
    /// coracle::block_on(async { assert_eq!(*mutex.lock_owned().await.borrow(), 1) });
    /// ```
    pub fn borrow(&self) -> Ref<'_, T> {
        self.mutex.value.borrow()
    }

    /// The value, to change.
    ///
    /// # Panics
    /// If the result of an earlier `borrow` or `borrow_mut` was leaked.
    ///
    /// ```
    /// let mutex = std::rc::Rc::new(coracle::sync::Mutex::new(1));
    /// coracle::block_on(async { *mutex.clone().lock_owned().await.borrow_mut() = 2 });
    /// assert_eq!(*mutex.try_lock().unwrap(), 2);
    /// ```
    pub fn borrow_mut(&mut self) -> RefMut<'_, T> {
        self.mutex.value.borrow_mut()
    }
}

impl<T: ?Sized> Drop for OwnedMutexGuard<T> {
    fn drop(&mut self) {
        // A leaked borrow keeps the mutex locked, as a leaked guard does.
        if self.mutex.value.try_borrow_mut().is_ok() {
            self.mutex.permits.release(1);
        }
    }
}

impl<T: ?Sized + fmt::Debug> fmt::Debug for OwnedMutexGuard<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.mutex.value.try_borrow() {
            Ok(value) => f.debug_tuple("OwnedMutexGuard").field(&value).finish(),
            Err(_) => f.write_str("OwnedMutexGuard(<borrowed>)"),
        }
    }
}

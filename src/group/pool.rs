//! [`Pool`]: no more than so many tasks at once.

use std::cell::Cell;
use std::fmt;
use std::future::Future;
use std::panic::Location;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use crate::observer::WaitReason;
use crate::projection::future_beside;
use crate::sync::{Acquire, Permit, Semaphore, WaitQueue, Waiting};
use crate::task::{JoinError, JoinHandle, here};

/// There is no room in the pool. Here is the future back.
///
/// ```
/// use coracle::task::{Pool, PoolFull};
/// coracle::block_on(async {
///     let pool = Pool::new(0);
///     let PoolFull(future) = pool.try_spawn(async { 5 }).unwrap_err();
///     assert_eq!(future.await, 5);
/// });
/// ```
#[derive(Clone, Copy)]
pub struct PoolFull<F>(pub F);

impl<F> fmt::Display for PoolFull<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the pool is full")
    }
}

impl<F> std::error::Error for PoolFull<F> {}

impl<F> fmt::Debug for PoolFull<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PoolFull(..)")
    }
}

/// A bound on how many tasks live at once; gevent's `Pool`. Clone it to spawn from several tasks: it is one pool.
///
/// A slot is taken when a task is spawned, and free when its future has been dropped, however it ended: by its return,
/// a panic or an abort. Who waits for a slot gets one in order of coming, and nobody overtakes. Dropping the pool ends
/// nothing.
///
/// With a bound of 0 nothing is ever spawned: [`spawn`](Pool::spawn) waits until it is dropped. `usize::MAX` is no
/// bound. Nothing is allocated ahead.
///
/// For the results as they come, put the handles into a [`FutureSet`](crate::task::FutureSet).
///
/// ```
/// use coracle::task::Pool;
/// use std::{cell::Cell, rc::Rc};
///
/// coracle::block_on(async {
///     let pool = Pool::new(3);
///     let most = Rc::new(Cell::new(0));
///     for _ in 0..10 {
///         let (inside, most) = (pool.clone(), most.clone());
///         drop(pool.spawn(async move {
///             most.set(most.get().max(inside.live()));
///             coracle::task::yield_now().await;
///         }).await);
///     }
///     pool.join().await;
///     assert_eq!((most.get(), pool.live()), (3, 0));
/// });
/// ```
#[derive(Clone)]
pub struct Pool {
    slots: Rc<Slots>,
}

/// The state that tasks share with their pool.
struct Slots {
    bound: usize,
    /// A permit for each slot.
    room: Rc<Semaphore>,
    live: Cell<usize>,
    /// How many wait for a slot, or have one and have not gone on yet.
    waiting: Cell<usize>,
    /// Who waits until no task lives.
    idle: WaitQueue,
}

impl Slots {
    fn is_idle(&self) -> bool {
        self.live.get() == 0 && self.waiting.get() == 0
    }

    fn tell_if_idle(&self) {
        if self.is_idle() {
            self.idle.wake_all();
        }
    }
}

/// Its drop says that the future beside it is gone.
struct Slot {
    slots: Rc<Slots>,
    /// Given back right after.
    _permit: Permit<Rc<Semaphore>>,
}

impl Slot {
    fn new(slots: &Rc<Slots>, permit: Permit<Rc<Semaphore>>) -> Slot {
        slots.live.set(slots.live.get() + 1);
        Slot { slots: slots.clone(), _permit: permit }
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.slots.live.set(self.slots.live.get() - 1);
        self.slots.tell_if_idle();
    }
}

future_beside! {
    struct InSlot<F> { rest: Slot }
}

impl<F: Future> Future for InSlot<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        self.project().0.poll(cx)
    }
}

impl Pool {
    /// A pool of at most `bound` live tasks.
    ///
    /// ```
    /// assert_eq!(coracle::task::Pool::new(5).free(), 5);
    /// ```
    pub fn new(bound: usize) -> Pool {
        let (live, waiting) = (Cell::new(0), Cell::new(0));
        let room = Rc::new(Semaphore::new(bound));
        Pool { slots: Rc::new(Slots { bound, room, live, waiting, idle: WaitQueue::new() }) }
    }

    /// Waits for a free slot, then makes a task of `future`, as [`spawn`](crate::spawn) does.
    ///
    /// **Cancel safety**: cancel-safe; a dropped `PoolSpawn` has spawned nothing, and drops its future;
    /// [`PoolSpawn::into_future`] saves that. Its place in line, or the slot it was given, goes to the next.
    ///
    /// # Panics
    /// Outside of a runtime.
    ///
    /// ```
    /// # use coracle::task::Pool;
    /// coracle::block_on(async {
    ///     let pool = Pool::new(1);
    ///     let first = pool.spawn(async { 1 }).await;
    ///     let second = pool.spawn(async { 2 }).await;
    ///     assert!(first.is_finished(), "there was no room for the second before");
    ///     assert_eq!(first.await.unwrap() + second.await.unwrap(), 3);
    /// });
    /// ```
    #[track_caller]
    pub fn spawn<F: Future + 'static>(&self, future: F) -> PoolSpawn<'_, F> {
        let room = self.slots.room.clone().acquire_owned();
        PoolSpawn { slots: &self.slots, future: Some(future), room, waits: false, at: Location::caller() }
    }

    /// Makes a task of `future` if there is a free slot now that nobody waits for.
    ///
    /// # Errors
    /// If there is none; here is the future back.
    ///
    /// # Panics
    /// Outside of a runtime.
    ///
    /// ```
    /// # use coracle::task::Pool;
    /// coracle::block_on(async {
    ///     let pool = Pool::new(1);
    ///     let task = pool.try_spawn(async {}).unwrap();
    ///     assert!(pool.try_spawn(async {}).is_err());
    ///     task.await.unwrap();
    /// });
    /// ```
    #[track_caller]
    pub fn try_spawn<F: Future + 'static>(&self, future: F) -> Result<JoinHandle<F::Output>, PoolFull<F>> {
        match self.slots.room.clone().try_acquire_owned() {
            Ok(permit) => Ok(crate::task::spawn(InSlot { future, rest: Slot::new(&self.slots, permit) })),
            Err(_) => Err(PoolFull(future)),
        }
    }

    /// How many tasks of this pool live.
    ///
    /// ```
    /// assert_eq!(coracle::task::Pool::new(5).live(), 0);
    /// ```
    pub fn live(&self) -> usize {
        self.slots.live.get()
    }

    /// How many slots are free, not counting those that were given to somebody who waited and has not gone on yet.
    ///
    /// ```
    /// assert_eq!(coracle::task::Pool::new(usize::MAX).free(), usize::MAX);
    /// ```
    pub fn free(&self) -> usize {
        self.slots.room.available_permits()
    }

    /// Waits until no task of this pool lives and nobody waits for a slot. It is over as soon as there was such a
    /// moment, whatever has been spawned since.
    ///
    /// **Cancel safety**: cancel-safe.
    ///
    /// ```
    /// # use coracle::task::Pool;
    /// coracle::block_on(async {
    ///     let pool = Pool::new(2);
    ///     let task = pool.spawn(async { coracle::task::yield_now().await }).await;
    ///     pool.join().await;
    ///     assert!(task.is_finished());
    ///     # drop(task);
    /// });
    /// ```
    #[track_caller]
    pub fn join(&self) -> PoolJoin<'_> {
        PoolJoin { slots: &self.slots, waiting: None, at: Location::caller() }
    }

    /// Makes a future of each item and runs it as a task, as slots become free. What each task gave, in the order of
    /// the items. Items are taken from the iterator one ahead of the free slots, not all at once.
    ///
    /// **Cancel safety**: lossy; dropping it aborts the tasks that have not ended, and drops the results of those that
    /// have.
    ///
    /// # Panics
    /// Outside of a runtime.
    ///
    /// ```
    /// # use coracle::task::Pool;
    /// coracle::block_on(async {
    ///     let squares = Pool::new(2).map(1..=4, |n| async move { n * n }).await;
    ///     let squares: Vec<u32> = squares.into_iter().map(Result::unwrap).collect();
    ///     assert_eq!(squares, [1, 4, 9, 16]);
    /// });
    /// ```
    pub async fn map<I, M, F>(&self, items: I, mut make: M) -> Vec<Result<F::Output, JoinError>>
    where
        I: IntoIterator,
        M: FnMut(I::Item) -> F,
        F: Future + 'static,
    {
        let mut tasks = Vec::new();
        for item in items {
            tasks.push(self.spawn(make(item)).await.abort_on_drop());
        }
        let mut results = Vec::with_capacity(tasks.len());
        for task in tasks {
            results.push(task.await);
        }
        results
    }
}

impl fmt::Debug for Pool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pool").field("live", &self.live()).field("bound", &self.slots.bound).finish()
    }
}

/// See [`Pool::spawn`].
#[must_use = "a future does nothing unless awaited"]
pub struct PoolSpawn<'a, F> {
    slots: &'a Rc<Slots>,
    future: Option<F>,
    room: Acquire<Rc<Semaphore>>,
    /// It is counted among those that wait.
    waits: bool,
    at: &'static Location<'static>,
}

impl<F> Unpin for PoolSpawn<'_, F> {}

impl<F> PoolSpawn<'_, F> {
    /// Gives up waiting. The future, if it has not been spawned.
    ///
    /// ```
    /// # use coracle::task::Pool;
    /// let pool = Pool::new(0);
    /// let future = pool.spawn(async { 5 }).into_future();
    /// assert_eq!(coracle::block_on(future.unwrap()), 5);
    /// ```
    pub fn into_future(mut self) -> Option<F> {
        self.future.take()
    }
}

impl<F: Future + 'static> Future for PoolSpawn<'_, F> {
    type Output = JoinHandle<F::Output>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        let Poll::Ready(permit) = Pin::new(&mut this.room).poll(cx) else {
            if !std::mem::replace(&mut this.waits, true) {
                this.slots.waiting.set(this.slots.waiting.get() + 1);
            }
            here::waits(WaitReason::Sync("room in a pool"), this.at);
            return Poll::Pending;
        };
        let permit = permit.unwrap_or_else(|_| unreachable!("a pool is never closed"));
        let future = this.future.take().expect("a PoolSpawn was polled after its end");
        let slot = Slot::new(this.slots, permit);
        this.wait_no_more();
        Poll::Ready(crate::task::spawn(InSlot { future, rest: slot }))
    }
}

impl<F> PoolSpawn<'_, F> {
    fn wait_no_more(&mut self) {
        if std::mem::take(&mut self.waits) {
            self.slots.waiting.set(self.slots.waiting.get() - 1);
            self.slots.tell_if_idle();
        }
    }
}

impl<F> Drop for PoolSpawn<'_, F> {
    fn drop(&mut self) {
        self.wait_no_more();
    }
}

impl<F> fmt::Debug for PoolSpawn<'_, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PoolSpawn").field("waits", &self.waits).finish_non_exhaustive()
    }
}

/// See [`Pool::join`].
#[derive(Debug)]
#[must_use = "a future does nothing unless awaited"]
pub struct PoolJoin<'a> {
    slots: &'a Slots,
    waiting: Option<Waiting<'a>>,
    at: &'static Location<'static>,
}

impl fmt::Debug for Slots {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Slots").field("live", &self.live).field("bound", &self.bound).finish_non_exhaustive()
    }
}

impl Future for PoolJoin<'_> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = &mut *self;
        let idle = &this.slots.idle;
        // Asked after it stands there: a clone of its waker may have ended the last task.
        let was_idle = Pin::new(this.waiting.get_or_insert_with(|| idle.wait())).poll(cx).is_ready();
        if was_idle || this.slots.is_idle() {
            return Poll::Ready(());
        }
        here::waits(WaitReason::Sync("the tasks of a pool to end"), this.at);
        Poll::Pending
    }
}

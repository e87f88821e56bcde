//! [`JoinSet`]: tasks that belong together, and whose results come as they end.
//!
//! Each task's future has a ticket beside it, which is dropped right after it, however the task ends. That puts the
//! task's key at the end of a list. So the set asks no handle in vain, and needs no waker a task.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::fmt;
use std::future::Future;
use std::panic::Location;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use slab::Slab;

use crate::observer::{TaskId, WaitReason};
use crate::projection::future_beside;
use crate::task::{JoinError, JoinHandle, here, keep, wake};

/// Tasks that belong together. Their results come in the order in which the tasks end; dropping the set aborts those
/// that have not.
///
/// It costs one allocation a task, that of the task itself, and a place for its handle.
///
/// To stop at the first error, `return` it and let the drop of the set abort the others; to wait until those are gone,
/// use [`shutdown`](JoinSet::shutdown). To keep all results and errors, collect them.
///
/// ```
/// use coracle::task::JoinSet;
///
/// coracle::block_on(async {
///     let mut set = JoinSet::new();
///     for n in 0..3 {
///         set.spawn(async move { n * 10 });
///     }
///     let mut results = Vec::new();
///     while let Some((_id, result)) = set.next().await {
///         results.push(result.unwrap());
///     }
///     assert_eq!(results, [0, 10, 20]);
/// });
/// ```
pub struct JoinSet<T> {
    tasks: Slab<JoinHandle<T>>,
    ends: Rc<Ends>,
}

/// What the tasks of a set know of it.
#[derive(Default)]
struct Ends {
    /// Who has ended, in order.
    keys: RefCell<VecDeque<usize>>,
    /// Who waits for that.
    waker: Cell<Option<Waker>>,
}

/// Its drop says that the future beside it is gone.
struct Ticket {
    ends: Rc<Ends>,
    key: usize,
}

impl Drop for Ticket {
    fn drop(&mut self) {
        self.ends.keys.borrow_mut().push_back(self.key);
        if let Some(waker) = self.ends.waker.take() {
            wake(waker);
        }
    }
}

future_beside! {
    struct Ticketed<F> { rest: Ticket }
}

impl<F: Future> Future for Ticketed<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        self.project().0.poll(cx)
    }
}

impl<T> JoinSet<T> {
    /// An empty set.
    ///
    /// ```
    /// assert!(coracle::task::JoinSet::<()>::new().is_empty());
    /// ```
    pub fn new() -> JoinSet<T> {
        JoinSet { tasks: Slab::new(), ends: Rc::default() }
    }

    /// Makes a task of `future`, as [`spawn`](crate::spawn) does, and keeps its handle. Its number, by which
    /// [`next`](JoinSet::next) names it.
    ///
    /// # Panics
    /// Outside of a runtime.
    ///
    /// ```
    /// # use coracle::task::JoinSet;
    /// coracle::block_on(async {
    ///     let mut set = JoinSet::new();
    ///     let id = set.spawn(async { "done" });
    ///     assert!(matches!(set.next().await, Some((ended, Ok("done"))) if ended == id));
    /// });
    /// ```
    #[track_caller]
    pub fn spawn<F: Future<Output = T> + 'static>(&mut self, future: F) -> TaskId {
        let place = self.tasks.vacant_entry();
        let rest = Ticket { ends: self.ends.clone(), key: place.key() };
        let handle = crate::task::spawn(Ticketed { future, rest });
        let id = handle.id();
        place.insert(handle);
        id
    }

    /// How many tasks are in the set: those that have not ended, and those whose results have not been taken.
    ///
    /// ```
    /// # use coracle::task::JoinSet;
    /// coracle::block_on(async {
    ///     let mut set = JoinSet::new();
    ///     set.spawn(async {});
    ///     assert_eq!(set.len(), 1);
    /// });
    /// ```
    pub fn len(&self) -> usize {
        self.tasks.len()
    }

    /// Whether no task is in the set.
    ///
    /// ```
    /// assert!(coracle::task::JoinSet::<()>::new().is_empty());
    /// ```
    pub fn is_empty(&self) -> bool {
        self.tasks.is_empty()
    }

    /// The next task that ends, and what it gave, or why there is nothing. `None`: the set is empty.
    ///
    /// **Cancel safety**: cancel-safe. A result is taken in the poll that returns it.
    ///
    /// ```
    /// # use coracle::task::{JoinError, JoinSet};
    /// coracle::block_on(async {
    ///     let mut set = JoinSet::new();
    ///     let id = set.spawn(async { panic!("boom") });
    ///     let (ended, result) = set.next().await.unwrap();
    ///     assert!(ended == id && matches!(result, Err::<(), _>(JoinError::Panicked(_))));
    ///     assert!(set.next().await.is_none());
    /// });
    /// ```
    #[allow(clippy::should_implement_trait, reason = "it gives a future of what an iterator gives")]
    #[track_caller]
    pub fn next(&mut self) -> NextTask<'_, T> {
        NextTask { set: self, at: Location::caller() }
    }

    /// The same as a function: what [`next`](JoinSet::next) does when it is polled.
    ///
    /// ```
    /// # use std::task::{Context, Poll, Waker};
    /// let mut set = coracle::task::JoinSet::<()>::new();
    /// assert!(matches!(set.poll_next(&mut Context::from_waker(Waker::noop())), Poll::Ready(None)));
    /// ```
    pub fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<(TaskId, Result<T, JoinError>)>> {
        if self.is_empty() {
            return Poll::Ready(None);
        }
        if !here::may_go_on(cx) {
            return Poll::Pending;
        }
        let Some(key) = self.poll_end(cx) else { return Poll::Pending };
        let handle = &mut self.tasks[key];
        let id = handle.id();
        let Poll::Ready(result) = Pin::new(handle).poll(cx) else {
            // The future is gone, its task not quite at its end: the handle wakes us then.
            self.ends.keys.borrow_mut().push_front(key);
            return Poll::Pending;
        };
        here::spend();
        drop(self.tasks.remove(key));
        Poll::Ready(Some((id, result)))
    }

    /// Takes the first key of those that have ended. `None`: none has, and the next one wakes.
    fn poll_end(&mut self, cx: &mut Context<'_>) -> Option<usize> {
        let first = || self.ends.keys.borrow_mut().pop_front();
        first().or_else(|| {
            let waker = keep(cx.waker());
            let old = self.ends.waker.replace(Some(waker));
            drop(old);
            // Asked again: cloning a waker is the user's code, and may have turned the runtime.
            first()
        })
    }

    /// Aborts one task: its future is dropped when its turn comes, and [`next`](JoinSet::next) gives
    /// [`JoinError::Cancelled`] for it. No effect if it has ended, or is not in the set. Looks through the set.
    ///
    /// ```
    /// # use coracle::task::JoinSet;
    /// coracle::block_on(async {
    ///     let mut set = JoinSet::new();
    ///     let id = set.spawn(std::future::pending::<()>());
    ///     set.abort(id);
    ///     assert!(set.next().await.unwrap().1.is_err());
    /// });
    /// ```
    pub fn abort(&self, task: TaskId) {
        if let Some((_, handle)) = self.tasks.iter().find(|(_, handle)| handle.id() == task) {
            handle.abort();
        }
    }

    /// Aborts all tasks, in the order in which they were spawned. They stay in the set until they have ended and
    /// [`next`](JoinSet::next) has said so.
    ///
    /// ```
    /// # use coracle::task::JoinSet;
    /// coracle::block_on(async {
    ///     let mut set = JoinSet::new();
    ///     set.spawn(std::future::pending::<()>());
    ///     set.abort_all();
    ///     assert!(set.next().await.unwrap().1.is_err());
    /// });
    /// ```
    pub fn abort_all(&self) {
        let mut handles: Vec<&JoinHandle<T>> = self.tasks.iter().map(|(_, handle)| handle).collect();
        handles.sort_unstable_by_key(|handle| handle.id());
        handles.into_iter().for_each(JoinHandle::abort);
    }

    /// Lets all tasks go: they run on, and the set is empty. What they give is lost, a panic is reported when the
    /// runtime ends.
    ///
    /// ```
    /// # use coracle::task::JoinSet;
    /// coracle::block_on(async {
    ///     let mut set = JoinSet::new();
    ///     set.spawn(async {});
    ///     set.detach_all();
    ///     assert!(set.is_empty());
    /// });
    /// ```
    pub fn detach_all(&mut self) {
        // They report to a list of their own from now on.
        let (tasks, ends) = (std::mem::take(&mut self.tasks), std::mem::take(&mut self.ends));
        drop((tasks, ends.waker.take()));
    }

    /// Aborts all tasks and waits until they have ended: then their futures have been dropped. Their results are
    /// dropped too; a panic among them is reported when the runtime ends.
    ///
    /// **Cancel safety**: cancel-safe. A dropped `Shutdown` that was polled has aborted all; those that have not ended
    /// yet are still in the set.
    ///
    /// ```
    /// # use coracle::task::JoinSet;
    /// coracle::block_on(async {
    ///     let mut set = JoinSet::new();
    ///     set.spawn(std::future::pending::<()>());
    ///     set.shutdown().await;
    ///     assert!(set.is_empty());
    /// });
    /// ```
    #[track_caller]
    pub fn shutdown(&mut self) -> Shutdown<'_, T> {
        Shutdown { set: self, aborted: false, at: Location::caller() }
    }
}

impl<T> Drop for JoinSet<T> {
    fn drop(&mut self) {
        self.abort_all();
    }
}

impl<T> Default for JoinSet<T> {
    fn default() -> JoinSet<T> {
        JoinSet::new()
    }
}

impl<T> fmt::Debug for JoinSet<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JoinSet").field("len", &self.len()).finish()
    }
}

/// See [`JoinSet::next`].
#[derive(Debug)]
#[must_use = "a future does nothing unless awaited"]
pub struct NextTask<'a, T> {
    set: &'a mut JoinSet<T>,
    at: &'static Location<'static>,
}

impl<T> Future for NextTask<'_, T> {
    type Output = Option<(TaskId, Result<T, JoinError>)>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let polled = self.set.poll_next(cx);
        if polled.is_pending() {
            here::waits(WaitReason::Sync("a task of a set"), self.at);
        }
        polled
    }
}

/// See [`JoinSet::shutdown`].
#[derive(Debug)]
#[must_use = "a future does nothing unless awaited"]
pub struct Shutdown<'a, T> {
    set: &'a mut JoinSet<T>,
    aborted: bool,
    at: &'static Location<'static>,
}

impl<T> Future for Shutdown<'_, T> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        if !std::mem::replace(&mut self.aborted, true) {
            self.set.abort_all();
        }
        while !self.set.is_empty() {
            let ended = self.set.poll_end(cx);
            let Some(key) = ended.filter(|key| self.set.tasks[*key].is_finished()) else {
                if let Some(key) = ended {
                    self.set.ends.keys.borrow_mut().push_front(key);
                    cx.waker().wake_by_ref();
                }
                here::waits(WaitReason::Sync("the tasks of a set to end"), self.at);
                return Poll::Pending;
            };
            // Not asked for its result, so that the runtime hears of a panic.
            drop(self.set.tasks.remove(key));
        }
        Poll::Ready(())
    }
}

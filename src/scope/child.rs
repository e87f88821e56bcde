//! [`Child`] and [`CaughtChild`]: the handles of a scope's children, and the slot between child and handle.

use std::cell::Cell;
use std::fmt;
use std::future::Future;
use std::panic::Location;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use super::Notes;
use crate::observer::WaitReason;
use crate::task::{JoinError, here, keep, let_go, wake};

/// Where a child puts its output, and its handle takes it.
pub(super) struct Slot<T> {
    output: Cell<Option<T>>,
    /// Who awaits it.
    waker: Cell<Option<Waker>>,
    state: Cell<State>,
    /// The handle is gone.
    abandoned: Cell<bool>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Spawned, and not yet among the children.
    New,
    /// With this key.
    Lives(usize),
    Ended,
    Aborted,
    /// With an error, which the scope has.
    Failed,
}

impl<T> Slot<T> {
    pub(super) fn new() -> Rc<Slot<T>> {
        let (output, waker) = (Cell::new(None), Cell::new(None));
        Rc::new(Slot { output, waker, state: Cell::new(State::New), abandoned: Cell::new(false) })
    }

    pub(super) fn is_abandoned(&self) -> bool {
        self.abandoned.get()
    }

    /// The child has ended. Its output is given back if nobody can take it any more.
    pub(super) fn put(&self, output: T) -> Option<T> {
        self.state.set(State::Ended);
        if self.is_abandoned() {
            return Some(output);
        }
        self.output.set(Some(output));
        if let Some(waker) = self.waker.take() {
            wake(waker);
        }
        None
    }

    /// The child has failed.
    pub(super) fn fail(&self) {
        self.state.set(State::Failed);
        if let Some(waker) = self.waker.take() {
            wake(waker);
        }
    }

    /// The output, or why there is none. Pending: the child lives.
    fn poll(&self, cx: &mut Context<'_>) -> Poll<Result<T, JoinError>> {
        if let Some(answer) = self.answer() {
            return Poll::Ready(answer);
        }
        let waker = keep(cx.waker());
        let_go(self.waker.replace(Some(waker)));
        // A clone is code of somebody else's, but none that can end a child while another one is polled.
        Poll::Pending
    }

    fn answer(&self) -> Option<Result<T, JoinError>> {
        match self.state.get() {
            State::New | State::Lives(_) | State::Failed => None,
            State::Aborted => Some(Err(JoinError::Cancelled)),
            State::Ended => {
                Some(Ok(self.output.take().expect("a child of a scope was awaited after it gave its output")))
            }
        }
    }
}

/// What the scope knows of a slot, whatever its type.
pub(super) trait Seat {
    /// The child is among the others now. `false`: it has been aborted meanwhile.
    fn take(&self, key: usize) -> bool;

    fn mark_aborted(&self);

    fn is_aborted(&self) -> bool;
}

impl<T> Seat for Slot<T> {
    fn take(&self, key: usize) -> bool {
        let is_new = self.state.get() == State::New;
        if is_new {
            self.state.set(State::Lives(key));
        }
        is_new
    }

    fn mark_aborted(&self) {
        if matches!(self.state.get(), State::New | State::Lives(_)) {
            self.state.set(State::Aborted);
            if let Some(waker) = self.waker.take() {
                wake(waker);
            }
        }
    }

    fn is_aborted(&self) -> bool {
        self.state.get() == State::Aborted
    }
}

/// The handle of a child: awaited, it gives the child's output. Dropping it changes nothing for the child.
///
/// There is no error to handle: if the child panics or, in a [`try_scope`](super::try_scope), fails, then the scope
/// ends, and who awaits the child with it.
///
/// **Cancel safety**: cancel-safe. The handle is the future (`&mut handle` can be awaited too): an output not yet taken
/// stays. **Panics** if the child was aborted by [`abort_all`](super::Scope::abort_all), or if polled again after it
/// gave its output. A child that awaits its own handle waits for ever.
///
/// ```
/// use coracle::scope::scope;
/// coracle::block_on(scope(async |s| {
///     let child = s.spawn(async { 6 * 7 });
///     assert_eq!(child.await, 42);
/// }));
/// ```
pub struct Child<'scope, T> {
    slot: Rc<Slot<T>>,
    notes: &'scope Notes,
    at: &'static Location<'static>,
}

impl<'scope, T> Child<'scope, T> {
    #[track_caller]
    pub(super) fn new(slot: Rc<Slot<T>>, notes: &'scope Notes) -> Child<'scope, T> {
        Child { slot, notes, at: Location::caller() }
    }

    /// Whether the child has ended and its output can be had without waiting.
    ///
    /// ```
    /// use coracle::scope::scope;
    /// coracle::block_on(scope(async |s| {
    ///     let child = s.spawn(async {});
    ///     assert!(!child.is_finished());
    ///     coracle::task::yield_now().await;
    ///     assert!(child.is_finished());
    /// }));
    /// ```
    pub fn is_finished(&self) -> bool {
        self.slot.state.get() == State::Ended
    }

    /// Ends the child where it stands, unless it has ended: it is polled no more, and dropped at the end of the scope's
    /// poll, in which this is called.
    ///
    /// ```
    /// use coracle::scope::scope;
    /// coracle::block_on(scope(async |s| {
    ///     let heartbeat = s.spawn(std::future::pending::<()>());
    ///     heartbeat.abort(); // else the scope would never end
    /// }));
    /// ```
    pub fn abort(self) {
        self.slot.abort(self.notes);
    }

    fn poll_slot(&self, cx: &mut Context<'_>) -> Poll<Result<T, JoinError>> {
        let polled = self.slot.poll(cx);
        if polled.is_pending() {
            self.notes.stuck.set(self.notes.stuck.get() || self.slot.state.get() == State::Failed);
            here::waits(WaitReason::Sync("a child of a scope"), self.at);
        }
        polled
    }
}

impl<T> Slot<T> {
    fn abort(&self, notes: &Notes) {
        if let State::Lives(key) = self.state.get() {
            notes.aborted.borrow_mut().push(key);
        }
        self.mark_aborted();
    }
}

impl<T> Future for Child<'_, T> {
    type Output = T;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<T> {
        self.poll_slot(cx)
            .map(|result| result.unwrap_or_else(|_| panic!("a child of a scope was awaited, but is aborted")))
    }
}

impl<T> Drop for Child<'_, T> {
    fn drop(&mut self) {
        self.slot.abandoned.set(true);
        let left = (self.slot.waker.take(), self.slot.output.take());
        drop(left);
    }
}

impl<T> fmt::Debug for Child<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Child").field("state", &self.slot.state.get()).finish_non_exhaustive()
    }
}

/// The handle of a child whose panic is its own; made by [`Scope::spawn_catching`](super::Scope::spawn_catching).
/// Awaited, it gives the child's output, or why there is none. Dropping it changes nothing for the child; a panic that
/// it holds then goes on at the end of the scope.
///
/// **Cancel safety**: cancel-safe, as [`Child`]. **Panics** if polled again after it gave its output.
///
/// ```
/// use coracle::{scope::scope, task::JoinError};
/// coracle::block_on(scope(async |s| {
///     let child = s.spawn_catching(std::future::pending::<()>());
///     s.abort_all();
///     assert!(matches!(child.await, Err(JoinError::Cancelled)));
/// }));
/// ```
pub struct CaughtChild<'scope, T> {
    child: Child<'scope, Result<T, JoinError>>,
}

impl<'scope, T> CaughtChild<'scope, T> {
    pub(super) fn new(child: Child<'scope, Result<T, JoinError>>) -> CaughtChild<'scope, T> {
        CaughtChild { child }
    }

    /// See [`Child::is_finished`].
    ///
    /// ```
    /// use coracle::scope::scope;
    /// coracle::block_on(scope(async |s| assert!(!s.spawn_catching(async {}).is_finished())));
    /// ```
    pub fn is_finished(&self) -> bool {
        self.child.is_finished()
    }

    /// See [`Child::abort`].
    ///
    /// ```
    /// use coracle::scope::scope;
    /// coracle::block_on(scope(async |s| s.spawn_catching(std::future::pending::<()>()).abort()));
    /// ```
    pub fn abort(self) {
        self.child.slot.abort(self.child.notes);
    }
}

impl<T> Future for CaughtChild<'_, T> {
    type Output = Result<T, JoinError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.child.poll_slot(cx).map(|result| result.and_then(|caught| caught))
    }
}

impl<T> Drop for CaughtChild<'_, T> {
    fn drop(&mut self) {
        match self.child.slot.output.take() {
            Some(Err(JoinError::Panicked(payload))) => self.child.notes.panics.keep(payload),
            other => drop(other),
        }
    }
}

impl<T> fmt::Debug for CaughtChild<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.child, f)
    }
}

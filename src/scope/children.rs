//! The future of a scope: it owns the children, and nobody else does.

use std::future::Future;
use std::mem::ManuallyDrop;
use std::ops::ControlFlow;
use std::panic::Location;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use super::Scope;
use super::child::Seat;
use crate::group::child::poll_and_drop;
use crate::group::ready::{Polled, ReadyList};
use crate::observer::WaitReason;
use crate::task::{Payload, here};

/// A child that has not ended. Its future gives whether the scope goes on.
pub(super) struct Live<'scope> {
    pub(super) future: Pin<Box<dyn Future<Output = ControlFlow<()>> + 'scope>>,
    /// `None`: the body, which nobody aborts.
    pub(super) seat: Option<Rc<dyn Seat + 'scope>>,
}

/// A child of this future, which tells `ended` what it gave or that it panicked, after it was dropped.
pub(super) fn boxed<'scope, F: Future + 'scope>(
    future: F,
    ended: impl FnOnce(Result<F::Output, Payload>) -> ControlFlow<()> + 'scope,
) -> Pin<Box<dyn Future<Output = ControlFlow<()>> + 'scope>> {
    // A box of its own: a closure or block around the bare future would hold it twice over.
    let mut future = Box::pin(Some(future));
    let mut ended = Some(ended);
    Box::pin(std::future::poll_fn(move |cx| {
        let outcome = ready!(poll_and_drop(future.as_mut(), cx));
        let ended = ended.take().expect("a child is not polled after its end");
        Poll::Ready(ended(outcome))
    }))
}

pub(super) struct Children<'scope, 'env, E> {
    scope: &'scope Scope<'scope, 'env, E>,
    ready: ReadyList,
    /// By the keys of `ready`.
    live: Vec<Option<Live<'scope>>>,
    /// A child panicked when it was dropped.
    failed: bool,
    at: &'static Location<'static>,
}

impl<'scope, 'env, E> Children<'scope, 'env, E> {
    pub(super) fn new(scope: &'scope Scope<'scope, 'env, E>, at: &'static Location<'static>) -> Self {
        Children { scope, ready: ReadyList::new(), live: Vec::new(), failed: false, at }
    }

    pub(super) fn insert(&mut self, child: Live<'scope>) {
        let key = self.ready.insert_inside();
        if key == self.live.len() {
            self.live.push(None);
        }
        if child.seat.as_ref().is_some_and(|seat| !seat.take(key)) {
            self.ready.retire(key);
            return self.let_go(child);
        }
        self.live[key] = Some(child);
    }

    /// Ready: all have ended, or one has failed and the others are dropped.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let (live, notes) = (&mut self.live, &self.scope.notes);
        let failed = self.ready.run(cx, |key, cx| {
            let Some(child) = &mut live[key] else { unreachable!("a child was polled after its end") };
            if child.seat.as_ref().is_some_and(|seat| notes.abort_all.get() || seat.is_aborted()) {
                return Polled::Waits; // for its drop, below
            }
            let Poll::Ready(flow) = child.future.as_mut().poll(cx) else { return Polled::Waits };
            live[key] = None;
            if flow.is_continue() { Polled::Ended } else { Polled::EndedLast }
        });
        self.drop_aborted();
        if failed || self.failed || self.scope.notes.stuck.get() {
            self.cancel();
            return Poll::Ready(());
        }
        self.take_in();
        if self.ready.len() == 0 {
            return Poll::Ready(());
        }
        self.ready.sleep(cx);
        here::waits(WaitReason::Sync("a child of a scope"), self.at);
        Poll::Pending
    }

    /// Those that have been spawned since.
    fn take_in(&mut self) {
        let new = std::mem::take(&mut *self.scope.new.borrow_mut());
        ManuallyDrop::into_inner(new).into_iter().for_each(|child| self.insert(child));
    }

    fn drop_aborted(&mut self) {
        let notes = &self.scope.notes;
        if notes.abort_all.take() {
            let mut keys = self.ready.by_age();
            keys.retain(|key| self.live[*key].as_ref().is_some_and(|child| child.seat.is_some()));
            keys.into_iter().for_each(|key| self.end(key));
        }
        loop {
            let aborted = std::mem::take(&mut *notes.aborted.borrow_mut());
            if aborted.is_empty() {
                return;
            }
            aborted.into_iter().for_each(|key| self.end(key));
        }
    }

    /// Drops a child, if it lives, unfinished.
    fn end(&mut self, key: usize) {
        let Some(child) = self.live[key].take() else { return };
        self.ready.retire(key);
        if let Some(seat) = &child.seat {
            seat.mark_aborted();
        }
        self.let_go(child);
    }

    fn let_go(&mut self, child: Live<'scope>) {
        self.failed |= self.scope.notes.panics.contain(|| drop(child));
    }

    /// Drops all, in the order of their spawning, and what is spawned by their drops.
    fn cancel(&mut self) {
        for key in self.ready.by_age() {
            self.end(key);
        }
        loop {
            let new = std::mem::take(&mut *self.scope.new.borrow_mut());
            if new.is_empty() {
                return;
            }
            ManuallyDrop::into_inner(new).into_iter().for_each(|child| self.let_go(child));
        }
    }
}

/// Half-way: the children go before what they borrow.
impl<E> Drop for Children<'_, '_, E> {
    fn drop(&mut self) {
        self.cancel();
        self.scope.notes.panics.resume();
    }
}

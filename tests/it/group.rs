//! Many at once: sets of futures within one task, joins and races, sets and pools of tasks.
//!
//! `future_set` and `future_set_model` are about the heart of it; `joins`, `races` about plain functions; `join_set`,
//! `pool` and `tasks_model` about tasks; `cancel` drops each future at every point; `many` has a million of each;
//! `seeds` the programs that the tutorials begin with.

mod cancel;
mod future_set;
mod future_set_model;
mod join_set;
mod joins;
mod many;
mod pool;
mod races;
mod seeds;
mod tasks_model;

use std::cell::{Cell, RefCell};
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

/// What happened, in order.
#[derive(Clone, Debug, Default)]
pub(crate) struct Trace(Rc<RefCell<Vec<String>>>);

impl Trace {
    pub(crate) fn note(&self, what: impl Into<String>) {
        self.0.borrow_mut().push(what.into());
    }

    /// What has happened since the last call.
    pub(crate) fn take(&self) -> Vec<String> {
        self.0.take()
    }
}

/// Notes its drop.
pub(crate) struct Noted(pub(crate) Trace, pub(crate) String);

impl Drop for Noted {
    fn drop(&mut self) {
        self.0.note(format!("drop {}", self.1));
    }
}

/// A future that ends when its [`Hand`] says so. It notes its polls and its drop.
pub(crate) struct ByHand<T> {
    hand: Hand<T>,
    noted: Noted,
}

/// See [`ByHand`].
pub(crate) struct Hand<T> {
    output: Rc<RefCell<Option<T>>>,
    waker: Rc<Cell<Option<Waker>>>,
}

impl<T> Clone for Hand<T> {
    fn clone(&self) -> Hand<T> {
        Hand { output: self.output.clone(), waker: self.waker.clone() }
    }
}

/// A future with this name, and what ends it.
pub(crate) fn by_hand<T>(trace: &Trace, name: impl ToString) -> (Hand<T>, ByHand<T>) {
    let hand = Hand { output: Rc::default(), waker: Rc::default() };
    (hand.clone(), ByHand { hand, noted: Noted(trace.clone(), name.to_string()) })
}

impl<T> Hand<T> {
    pub(crate) fn end(&self, output: T) {
        *self.output.borrow_mut() = Some(output);
        self.wake();
    }

    pub(crate) fn wake(&self) {
        if let Some(waker) = self.waker.take() {
            waker.wake_by_ref();
            self.waker.set(Some(waker));
        }
    }

    pub(crate) fn take_waker(&self) -> Option<Waker> {
        self.waker.take()
    }
}

impl<T> Future for ByHand<T> {
    type Output = T;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<T> {
        self.noted.0.note(format!("poll {}", self.noted.1));
        self.hand.waker.set(Some(cx.waker().clone()));
        let output = self.hand.output.borrow_mut().take();
        output.map_or(Poll::Pending, Poll::Ready)
    }
}

/// Runs on a small stack, where a recursion over the number of children would end the process.
pub(crate) fn on_a_small_stack(code: impl FnOnce() + Send + 'static) {
    std::thread::Builder::new().stack_size(256 << 10).spawn(code).unwrap().join().unwrap();
}

//! Tests of `task`: wakes, results, aborts, panics, and what is freed when.

mod aborts;
mod chains;
mod endings;
mod leaf;
mod leaves;
mod locals;
mod memory;
mod odd_wakers;
mod panics;
mod shutdown;
mod spy;
mod wakes;

use std::any::Any;
use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::task::Waker;

use coracle::task::JoinError;
use coracle::{Budget, Runtime};

/// One turn that does not sleep.
fn turn(runtime: &Runtime) -> coracle::Turn {
    runtime.turn(Budget::no_wait()).unwrap()
}

/// Turns until nothing is ready.
fn settle(runtime: &Runtime) {
    while turn(runtime).more {}
}

/// Wakes by value, as a clone that is used up.
fn wake_by_value(waker: &Waker) {
    let own = waker.clone();
    own.wake();
}

/// Counts drops.
#[derive(Clone, Default)]
struct Drops(Rc<Cell<usize>>);

impl Drops {
    fn count(&self) -> usize {
        self.0.get()
    }

    /// A value whose drop is counted.
    fn token(&self) -> Token {
        Token(self.clone())
    }
}

struct Token(Drops);

impl Drop for Token {
    fn drop(&mut self) {
        self.0.0.set(self.0.count() + 1);
    }
}

/// Runs code that may panic. Whether it did; a payload that panics when it is dropped is defused.
fn panics(code: impl FnOnce()) -> bool {
    match catch_unwind(AssertUnwindSafe(code)) {
        Ok(()) => false,
        Err(payload) => {
            defuse(payload);
            true
        }
    }
}

/// Drops a payload, and those that come out of its drop.
fn defuse(mut payload: Box<dyn Any + Send>) {
    while let Err(next) = catch_unwind(AssertUnwindSafe(|| drop(payload))) {
        payload = next;
    }
}

/// How a task ended, in a word.
fn word<T>(result: Result<T, JoinError>) -> &'static str {
    match result {
        Ok(value) => {
            panics(|| drop(value));
            "finished"
        }
        Err(JoinError::Cancelled) => "cancelled",
        Err(JoinError::Panicked(payload)) => {
            defuse(payload);
            "panicked"
        }
        Err(_) => "elsewhere",
    }
}

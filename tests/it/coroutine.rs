//! Tests of `coroutine`: generators, transfer to a named peer, and the seed programs that they are for.

mod concurrent;
mod delegate;
mod generator;
mod memory;
mod model;
mod peers;
mod peers_async;
mod seeds;
mod waiting;

use std::cell::{Cell, RefCell};
use std::future::{Future, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::rc::Rc;
use std::task::Poll;

/// What happened, line by line.
#[derive(Clone, Default)]
struct Trace(Rc<RefCell<Vec<String>>>);

impl Trace {
    fn say(&self, line: impl Into<String>) {
        self.0.borrow_mut().push(line.into());
    }

    /// All lines so far, which are forgotten.
    fn lines(&self) -> Vec<String> {
        self.0.take()
    }

    /// Says a line when it is dropped.
    fn at_drop(&self, line: &'static str) -> SaysAtDrop {
        SaysAtDrop(self.clone(), line)
    }
}

struct SaysAtDrop(Trace, &'static str);

impl Drop for SaysAtDrop {
    fn drop(&mut self) {
        self.0.say(self.1);
    }
}

/// `Pending` once, and again as often as it is polled before `ready` is set. It wakes nobody.
async fn until(ready: &Cell<bool>) {
    poll_fn(|_| if ready.get() { Poll::Ready(()) } else { Poll::Pending }).await
}

/// Both, each polled whenever this is.
async fn both<A: Future, B: Future>(a: A, b: B) -> (A::Output, B::Output) {
    let (mut a, mut b) = (pin!(a), pin!(b));
    let (mut of_a, mut of_b) = (None, None);
    poll_fn(|cx| {
        if of_a.is_none() {
            of_a = ready(a.as_mut().poll(cx));
        }
        if of_b.is_none() {
            of_b = ready(b.as_mut().poll(cx));
        }
        if of_a.is_some() && of_b.is_some() { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
    (of_a.unwrap(), of_b.unwrap())
}

fn ready<T>(poll: Poll<T>) -> Option<T> {
    match poll {
        Poll::Ready(value) => Some(value),
        Poll::Pending => None,
    }
}

/// What the code panicked with, if in words.
fn panic_of<T>(code: impl FnOnce() -> T) -> Option<String> {
    let payload = catch_unwind(AssertUnwindSafe(code)).err()?;
    let words = payload.downcast_ref::<&str>().map(|words| (*words).to_owned());
    Some(words.or_else(|| payload.downcast_ref::<String>().cloned()).unwrap_or_default())
}

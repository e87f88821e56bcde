//! What the tests of locks and their like share: a future with its own waker, wakers that meddle, small stacks.

use std::cell::{Cell, RefCell};
use std::future::Future;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Poll, RawWaker, RawWakerVTable, Waker};

use crate::support::{CountingWaker, poll_with};

/// A future and how many of its wakes were followed by a poll.
pub(super) struct Waiter<F> {
    pub(super) future: F,
    counting: Arc<CountingWaker>,
    seen: usize,
}

impl<F: Future + Unpin> Waiter<F> {
    pub(super) fn new(future: F) -> Waiter<F> {
        Waiter { future, counting: CountingWaker::new().0, seen: 0 }
    }

    /// Polled for the first time: it must wait.
    pub(super) fn standing(future: F) -> Waiter<F> {
        let mut waiter = Waiter::new(future);
        assert!(waiter.poll().is_pending());
        waiter
    }

    pub(super) fn poll(&mut self) -> Poll<F::Output> {
        self.seen = self.counting.wakes();
        poll_with(&mut self.future, &self.counting.clone().into())
    }

    /// Polls as another task would: the waker that it had must be forgotten.
    pub(super) fn poll_elsewhere(&mut self) -> Poll<F::Output> {
        let old = std::mem::replace(&mut self.counting, CountingWaker::new().0);
        self.seen = 0;
        let poll = self.poll();
        assert_eq!(Arc::strong_count(&old), 1, "a waker is kept for nobody");
        poll
    }

    /// Whether it was woken since its last poll.
    pub(super) fn is_woken(&self) -> bool {
        self.counting.wakes() > self.seen
    }
}

/// Which of them were woken since their last poll.
pub(super) fn woken<F: Future + Unpin>(waiters: &[Waiter<F>]) -> Vec<bool> {
    waiters.iter().map(Waiter::is_woken).collect()
}

/// What is done with a waker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Op {
    Clone,
    Wake,
    Drop,
}

/// What meddles.
type Meddler = Rc<dyn Fn(Op)>;

thread_local! {
    static MEDDLING: RefCell<Option<Meddler>> = const { RefCell::new(None) };
}

fn meddle(op: Op) {
    let code = MEDDLING.with(|code| code.borrow().clone());
    if let Some(code) = code {
        code(op);
    }
}

/// Runs `test` with a waker that calls `code` at each clone, wake and drop of it, but not from within `code`.
pub(super) fn with_meddling_waker<T>(code: impl Fn(Op) + 'static, test: impl FnOnce(&Waker) -> T) -> T {
    const TABLE: RawWakerVTable = RawWakerVTable::new(
        |data| {
            meddle(Op::Clone);
            RawWaker::new(data, &TABLE)
        },
        |_| meddle(Op::Wake),
        |_| meddle(Op::Wake),
        |_| meddle(Op::Drop),
    );
    let inside = Cell::new(false);
    let once_at_a_time = move |op| {
        if !inside.replace(true) {
            let _end = Outside(&inside);
            code(op);
        }
    };
    // SAFETY: the functions of the table do not use the pointer.
    let waker = unsafe { Waker::from_raw(RawWaker::new(std::ptr::null(), &TABLE)) };
    MEDDLING.set(Some(Rc::new(once_at_a_time)));
    let result = test(&waker);
    MEDDLING.set(None);
    result
}

/// Ends the meddling, also by a panic.
struct Outside<'a>(&'a Cell<bool>);

impl Drop for Outside<'_> {
    fn drop(&mut self) {
        self.0.set(false);
    }
}

/// Runs `test` once for each number of operations on a waker after which the next one panics. What may raise that panic
/// stands in [`caught`].
pub(super) fn with_panicking_waker(mut test: impl FnMut(&Waker)) {
    for after in 0..12 {
        let done = Cell::new(0);
        let panics = move |op| {
            done.set(done.get() + 1);
            if done.get() == after + 1 {
                std::panic::panic_any(op);
            }
        };
        with_meddling_waker(panics, &mut test);
    }
}

/// Catches the panic of a meddling waker; any other goes on.
pub(super) fn caught<T>(code: impl FnOnce() -> T) -> Option<T> {
    match std::panic::catch_unwind(std::panic::AssertUnwindSafe(code)) {
        Ok(value) => Some(value),
        Err(payload) if payload.is::<Op>() => None,
        Err(payload) => std::panic::resume_unwind(payload),
    }
}

/// Runs code that would overflow this stack if it recursed once for each of very many waiters.
pub(super) fn on_a_small_stack(code: impl FnOnce() + Send + 'static) {
    std::thread::Builder::new().stack_size(256 << 10).spawn(code).unwrap().join().unwrap();
}

/// How many waiters stand in a chain.
pub(super) const VERY_MANY: usize = 1_000_000;

/// An operation that never has to wait, in a loop, must let other tasks run.
pub(super) fn lets_others_run(operation: impl AsyncFn()) {
    coracle::block_on(async {
        let ran = Rc::new(Cell::new(false));
        let other = coracle::spawn({
            let ran = ran.clone();
            async move { ran.set(true) }
        });
        let mut times = 0;
        while !ran.get() {
            operation().await;
            times += 1;
            assert!(times < 100_000, "the other task does not get its turn");
        }
        assert!(times > 10, "it yields at every operation");
        other.await.unwrap();
    });
}

/// What an inspection says that a task waits for which awaits this.
pub(super) fn said_to_wait_for<F: Future + 'static>(future: F) -> String {
    let runtime = coracle::Runtime::new();
    let task = runtime.spawn(async move { drop(future.await) });
    runtime.turn(coracle::Budget::no_wait()).unwrap();
    let wait = runtime.inspect().tasks[0].wait.expect("it does not say what it waits for");
    assert!(wait.at.file().starts_with("tests/it/sync/"), "the place is not that of the caller: {}", wait.at);
    drop(task);
    wait.reason.to_string()
}

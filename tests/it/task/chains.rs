//! Long chains: nothing in the library recurses as deep as a program's data is (futures-rs#202, swift-nio#970). A
//! million links, on a stack of 256 KiB.

use std::future::pending;

use coracle::sync::oneshot;
use coracle::task::JoinHandle;
use coracle::{Budget, Runtime};

const LINKS: usize = 1_000_000;

/// Runs on a small stack, where a recursion over the chain would end the process.
fn on_a_small_stack(code: impl FnOnce() + Send + 'static) {
    std::thread::Builder::new().stack_size(256 << 10).spawn(code).unwrap().join().unwrap();
}

/// Each task awaits the one before it; the first ends when `first` does.
fn chain_of_handles(runtime: &Runtime, first: JoinHandle<()>, links: usize) -> JoinHandle<()> {
    (0..links).fold(first, |previous, _| {
        runtime.spawn(async move {
            let _ = previous.await;
        })
    })
}

#[test]
fn a_million_tasks_that_await_each_other_all_end() {
    on_a_small_stack(|| {
        let runtime = Runtime::new();
        let last = chain_of_handles(&runtime, runtime.spawn(async {}), LINKS);
        runtime.block_on(last).unwrap();
        assert!(runtime.inspect().tasks.is_empty());
    });
}

#[test]
fn a_million_tasks_that_await_each_other_are_dropped_half_way() {
    on_a_small_stack(|| {
        let runtime = Runtime::new();
        let (sender, receiver) = oneshot::channel::<()>();
        let first = runtime.spawn(async {
            {
                let _ = receiver.await;
            }
        });
        let last = chain_of_handles(&runtime, first, LINKS);
        // All wait; then those in the first half end, and the rest goes with the runtime.
        while runtime.turn(Budget::no_wait()).unwrap().more {}
        drop(sender);
        let mut polled = 0;
        while polled < LINKS / 2 {
            polled += runtime.turn(Budget::no_wait()).unwrap().polled;
        }
        drop(runtime);
        assert!(last.is_finished());
    });
}

/// Each task's end, or its drop, drops the sender that the next one waits for.
#[test]
fn a_million_drops_that_wake_each_other_do_not_nest() {
    on_a_small_stack(|| {
        for by_shutdown in [false, true] {
            let runtime = Runtime::new();
            let (first, mut receiver) = oneshot::channel::<()>();
            for _ in 0..LINKS / 2 {
                let (sender, next) = oneshot::channel::<()>();
                let waits_for = std::mem::replace(&mut receiver, next);
                drop(runtime.spawn(async move {
                    let _sender = sender;
                    let _ = waits_for.await;
                }));
            }
            while runtime.turn(Budget::no_wait()).unwrap().more {}
            if by_shutdown {
                drop(runtime);
                drop(first);
            } else {
                drop(first);
                assert!(runtime.block_on(receiver).is_err());
            }
        }
    });
}

/// An abort that goes down the chain: each future owns the handle of the one before, and dropping it aborts.
#[test]
fn an_abort_travels_down_a_million_tasks() {
    on_a_small_stack(|| {
        let runtime = Runtime::new();
        let first = runtime.spawn(pending::<()>()).abort_on_drop();
        let last = (0..LINKS / 2)
            .fold(first, |previous, _| runtime.spawn(async move { drop(previous.await) }).abort_on_drop());
        while runtime.turn(Budget::no_wait()).unwrap().more {}
        drop(last);
        while runtime.turn(Budget::no_wait()).unwrap().more {}
        assert!(runtime.inspect().tasks.is_empty());
    });
}

//! Very many children in one scope, on a stack of 256 KiB.

use std::cell::Cell;
use std::future::pending;

use coracle::scope::scope;
use coracle::sync::oneshot;
use coracle::task::yield_now;

use crate::group::on_a_small_stack;
use crate::support::poll_once;

const MANY: usize = 1_000_000;

#[test]
fn very_many_children_end() {
    on_a_small_stack(|| {
        let ended = Cell::new(0);
        coracle::block_on(scope(async |s| {
            for _ in 0..MANY {
                s.spawn(async {
                    yield_now().await;
                    ended.set(ended.get() + 1);
                });
            }
        }));
        assert_eq!(ended.get(), MANY);
    });
}

/// Each child spawns the next: a chain as long as you like, of which two live at a time.
#[test]
fn a_chain_of_children_does_not_nest() {
    on_a_small_stack(|| {
        fn next<'scope>(s: &'scope coracle::scope::Scope<'scope, '_>, left: &'scope Cell<usize>) {
            if left.get() > 0 {
                left.set(left.get() - 1);
                s.spawn(async move { next(s, left) });
            }
        }
        let left = Cell::new(MANY);
        coracle::block_on(scope(async |s| next(s, &left)));
        assert_eq!(left.get(), 0);
    });
}

/// Children that await each other end one after the other, or are dropped, without nesting.
#[test]
fn children_that_await_each_other_end_and_are_dropped() {
    on_a_small_stack(|| {
        for ends in [true, false] {
            let mut running = Box::pin(scope(async |s| {
                let (sender, receiver) = oneshot::channel::<()>();
                let mut last = s.spawn(async {
                    let _ = receiver.await;
                });
                for _ in 0..MANY {
                    last = s.spawn(last);
                }
                if ends {
                    drop(sender);
                } else {
                    let _sender = sender;
                    pending::<()>().await;
                }
            }));
            if ends {
                coracle::block_on(running);
            } else {
                // The first round takes all in and polls none.
                (0..MANY / 64 / 2).for_each(|_| assert!(poll_once(&mut running).is_pending()));
                drop(running);
            }
        }
    });
}

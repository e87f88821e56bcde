//! What holds for every leaf future of the library, whatever wakes it: polled with another waker each time
//! (futures-intrusive#19), abandoned (moq#353), polled after its end, and with a waker that panics or that comes back
//! in one of its operations (tokio#4069, tokio#5429).

use std::cell::RefCell;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::rc::Rc;
use std::task::Context;
use std::time::Duration;

use coracle::Runtime;
use coracle::net::TcpListener;
use coracle::sync::{WaitQueue, channel};
use coracle::time::sleep;

use super::leaf::{LEAVES, Leaf, Make, abort_on_drop, join_handle, remote_handle};
use super::spy::{OPS, Op, Spy};
use super::{panics, settle};
use crate::support::{CountingWaker, alone, heap, poll_once, poll_with};

/// A poll whose waker may panic.
fn try_poll(leaf: &mut Leaf, waker: &std::task::Waker) {
    panics(|| {
        let _ = poll_with(&mut leaf.future, waker);
    });
}

/// A new leaf that waits. One that is done at once (a timer, when this thread stood still) is made again.
fn waiting_leaf(make: Make, runtime: &Rc<Runtime>, waker: &std::task::Waker) -> Leaf {
    for _ in 0..100 {
        let mut leaf = make(runtime);
        if leaf.future.as_mut().poll(&mut Context::from_waker(waker)).is_pending() {
            return leaf;
        }
    }
    panic!("it never waits");
}

#[test]
fn a_leaf_wakes_the_waker_of_its_last_poll_whoever_polled_before() {
    alone("task::leaves::a_leaf_wakes_the_waker_of_its_last_poll_whoever_polled_before", || {
        for (name, make) in LEAVES {
            let runtime = Rc::new(Runtime::new());
            let ((_, first), (second_wakes, second)) = (CountingWaker::new(), CountingWaker::new());
            let mut leaf = waiting_leaf(*make, &runtime, &first);
            if poll_with(&mut leaf.future, &second).is_ready() {
                continue; // Only a timer on a machine that stands still.
            }
            (leaf.event)();
            assert!(second_wakes.wakes() > 0, "{name}: the waker of the last poll was not woken");
            assert!(poll_with(&mut leaf.future, &second).is_ready(), "{name}");
        }
    });
}

/// A clear panic, or an answer: but nothing worse.
#[test]
fn a_leaf_polled_after_its_end_answers_or_panics_in_words() {
    alone("task::leaves::a_leaf_polled_after_its_end_answers_or_panics_in_words", || {
        let promised = ["JoinHandle", "AbortOnDrop", "RemoteHandle", "Send"];
        for (name, make) in LEAVES {
            let runtime = Rc::new(Runtime::new());
            let (_, waker) = CountingWaker::new();
            let mut leaf = waiting_leaf(*make, &runtime, &waker);
            (leaf.event)();
            assert!(poll_with(&mut leaf.future, &waker).is_ready(), "{name}");
            for _ in 0..3 {
                let polled = catch_unwind(AssertUnwindSafe(|| poll_with(&mut leaf.future, &waker)));
                if let Err(payload) = &polled {
                    let words = payload.downcast_ref::<String>().map(String::as_str);
                    let words = words.or(payload.downcast_ref::<&str>().copied()).unwrap();
                    assert!(words.contains("polled after"), "{name}: {words}");
                }
                assert_eq!(polled.is_err(), promised.contains(name), "{name}: its documentation says otherwise");
            }
            drop(leaf);
            settle(&runtime);
        }
    });
}

/// Whatever operation of the waker panics, the first, second or third time: the leaf can be polled again, dropped, and
/// others of its kind work.
#[test]
fn a_waker_that_panics_in_any_operation_spoils_no_leaf() {
    alone("task::leaves::a_waker_that_panics_in_any_operation_spoils_no_leaf", || {
        std::panic::set_hook(Box::new(|_| {}));
        for (name, make) in LEAVES {
            for (op, nth) in OPS.into_iter().flat_map(|op| (0..3).map(move |nth| (op, nth))) {
                let runtime = Rc::new(Runtime::builder().panic_policy(coracle::PanicPolicy::Log).build());
                let (spy, (_, other)) = (Spy::new(), CountingWaker::new());
                spy.acts_once(op, nth, || resume_unwind(Box::new("the waker")));
                let mut leaf = make(&runtime);
                // Whose panic it is does not matter here, only that it goes no further.
                try_poll(&mut leaf, &spy.waker());
                try_poll(&mut leaf, &other);
                try_poll(&mut leaf, &spy.waker());
                panics(|| (leaf.event)());
                panics(|| drop(leaf));
                spy.acts_no_more();

                let (wakes, waker) = CountingWaker::new();
                let mut next = waiting_leaf(*make, &runtime, &waker);
                (next.event)();
                assert!(wakes.wakes() > 0, "{name}: after a panic in {op:?} {nth} the next one is not woken");
                assert!(poll_with(&mut next.future, &waker).is_ready(), "{name}");
                drop(next);
                settle(&runtime);
            }
        }
    });
}

/// A waker that in its clone, wake or drop uses what holds it: no borrow is held then, so nothing panics.
#[test]
fn a_waker_may_use_what_holds_it_in_any_operation() {
    alone("task::leaves::a_waker_may_use_what_holds_it_in_any_operation", || {
        for (name, make) in LEAVES {
            let runtime = Rc::new(Runtime::new());
            let ((one, another), mut used) = ((Spy::new(), Spy::new()), vec![]);
            let mut leaf = make(&runtime);
            let seen = Rc::new(RefCell::new(vec![]));
            for spy in [&one, &another] {
                let (touch, seen) = (leaf.touch.clone(), seen.clone());
                spy.acts(move |op| {
                    seen.borrow_mut().push((op, panics(|| touch())));
                });
            }
            for spy in [&one, &another, &one] {
                let _ = poll_with(&mut leaf.future, &spy.waker());
            }
            (leaf.event)();
            drop(leaf);
            used.append(&mut seen.borrow_mut());
            assert!(used.iter().all(|(_, panicked)| !panicked), "{name}: {used:?}");
            assert!(OPS.iter().all(|op| used.contains(&(*op, false))), "{name}: not all were tried: {used:?}");
            settle(&runtime);
        }
    });
}

/// The same with the event itself: if the clone of a waker turns the runtime, and the task ends in that turn, then the
/// handle is ready, or its waker is woken.
#[test]
fn a_task_that_ends_in_the_clone_of_its_joiners_waker_is_noticed() {
    let handles: [Make; 3] = [join_handle, abort_on_drop, remote_handle];
    for make in handles {
        let runtime = Rc::new(Runtime::new());
        let spy = Spy::new();
        let mut leaf = make(&runtime);
        let event = leaf.event.clone();
        spy.acts_once(Op::Clone, 0, move || event());
        let polled = poll_with(&mut leaf.future, &spy.waker());
        spy.acts_no_more();
        assert!(polled.is_ready() || spy.wakes() > 0, "it became ready, and nobody is woken");
    }
}

/// Polled once and dropped, again and again: nothing is left in any list.
#[test]
fn abandoned_leaves_leave_nothing_behind() {
    alone("task::leaves::abandoned_leaves_leave_nothing_behind", || {
        let runtime = Runtime::new();
        let (queue, (_full, full_receiver), (_sender, receiver)) =
            (WaitQueue::new(), channel::bounded::<u8>(1), channel::bounded::<u8>(1));
        _full.try_send(0).unwrap();
        let listener = runtime.enter(|| TcpListener::bind("127.0.0.1:0")).unwrap();
        let mut task = runtime.spawn(std::future::pending::<()>());
        let mut before = 0;
        for round in 0..100_000 {
            assert!(poll_once(&mut queue.wait()).is_pending());
            assert!(poll_once(&mut receiver.recv()).is_pending());
            assert!(poll_once(&mut _full.send(1)).is_pending());
            assert!(poll_once(&mut task).is_pending());
            assert!(poll_once(&mut listener.accept()).is_pending());
            assert!(poll_once(&mut runtime.enter(|| sleep(Duration::from_secs(3600)))).is_pending());
            if round == 1000 {
                before = heap();
            }
        }
        let inside = runtime.inspect();
        assert!(queue.is_empty() && inside.timers.is_empty() && inside.sources[0].reading == 0, "{inside:?}");
        assert!(heap() - before < 4096, "the heap grew by {} bytes", heap() - before);
        drop(full_receiver);
    });
}

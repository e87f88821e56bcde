//! Futures that are polled by hand.

use std::panic::catch_unwind;
use std::pin::pin;
use std::task::Poll;

use coracle::sync::Event;
use coracle::sync::channel::unbounded;
use coracle::task::yield_now;
use coracle::testing::{WakeCounter, assert_pending, assert_ready, poll_once};

#[test]
fn a_future_given_by_value_is_cancelled() {
    let (sender, receiver) = unbounded();
    assert_eq!(poll_once(receiver.recv()), Poll::Pending);
    sender.send(7).unwrap();
    let (mut first, mut second) = (receiver.recv(), receiver.recv());
    assert_eq!(poll_once(&mut first), Poll::Ready(Some(7)));
    assert_eq!(poll_once(&mut second), Poll::Pending);
}

#[test]
fn what_cannot_be_moved_is_pinned_first() {
    let mut future = pin!(async {
        yield_now().await;
        yield_now().await;
        "done"
    });
    assert_pending(&mut future);
    assert_pending(&mut future);
    assert_eq!(assert_ready(&mut future), "done");
}

#[test]
fn a_failed_assertion_says_what_is_and_where() {
    let result = catch_unwind(|| assert_pending(&mut std::future::ready(7)));
    let message = *result.unwrap_err().downcast::<String>().unwrap();
    assert_eq!(message, "the future was to be pending, and it is ready, with 7");
    let result = catch_unwind(|| assert_ready(&mut std::future::pending::<()>()));
    let message = *result.unwrap_err().downcast::<&str>().unwrap();
    assert_eq!(message, "the future was to be ready, and it is pending");
}

#[test]
fn wakes_and_kept_wakers_are_counted() {
    let (event, counter) = (Event::new(), WakeCounter::new());
    assert_eq!((counter.wakes(), counter.kept()), (0, 0));
    let (mut one, mut other) = (event.wait(), event.wait());
    assert!(counter.poll(&mut one).is_pending() && counter.poll(&mut other).is_pending());
    assert_eq!((counter.take(), counter.kept()), (0, 2));
    drop(one);
    assert_eq!(counter.kept(), 1, "a cancelled wait keeps no waker");
    event.set();
    assert_eq!((counter.take(), counter.take(), counter.wakes(), counter.kept()), (1, 0, 1, 0));
    assert!(counter.poll(&mut other).is_ready());
    assert_eq!(format!("{counter:?}"), "WakeCounter { wakes: 1, kept: 0 }");
}

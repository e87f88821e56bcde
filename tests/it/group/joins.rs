//! `join`, `join_all`, `try_join`, `try_join_all`: order of outputs, of polls, and of what is dropped.

use std::future::{Future, ready};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use coracle::task::{JoinError, join, join_all, try_join, try_join_all};
use coracle::time::sleep;
use coracle::{PanicPolicy, Runtime};

use super::{Noted, Trace, by_hand};
use crate::support::{CountingWaker, poll_with};

#[test]
fn a_tuple_gives_its_outputs_in_its_own_order() {
    let trace = Trace::default();
    let ((a, first), (b, second)) = (by_hand(&trace, "a"), by_hand(&trace, "b"));
    let mut both = pin!(join((first, second)));
    let mut poll = || both.as_mut().poll(&mut Context::from_waker(Waker::noop()));
    assert!(poll().is_pending());
    b.end("b");
    assert!(poll().is_pending());
    assert_eq!(trace.take(), ["poll a", "poll b", "poll a", "poll b", "drop b"], "dropped as soon as it has ended");
    a.end(1);
    assert_eq!(poll(), Poll::Ready((1, "b")));
    assert_eq!(trace.take(), ["poll a", "drop a"]);
}

#[test]
fn tuples_of_one_to_eight_arrays_and_vectors_can_be_joined() {
    coracle::block_on(async {
        assert_eq!(join((ready(1),)).await, (1,));
        let eight =
            join((ready(1), ready('2'), ready("3"), ready(4_u8), async { 5 }, ready([6]), ready(7.0), ready(()))).await;
        assert_eq!(eight, (1, '2', "3", 4, 5, [6], 7.0, ()));
        assert_eq!(join([ready(1), ready(2)]).await, [1, 2]);
        assert_eq!(join(vec![ready(1); 3]).await, [1, 1, 1]);
        assert_eq!(join([] as [std::future::Ready<u8>; 0]).await, []);
        assert_eq!(join(Vec::<std::future::Ready<u8>>::new()).await, []);
        assert_eq!(join_all(std::iter::empty::<std::future::Ready<u8>>()).await, []);
        assert_eq!(try_join_all(std::iter::empty::<std::future::Ready<Result<(), u8>>>()).await, Ok(vec![]));
    });
}

/// They end in the opposite order of that in which they were given.
#[test]
fn join_all_gives_the_outputs_in_the_order_given() {
    let outputs = coracle::block_on(join_all((0..20_u64).map(|n| async move {
        sleep(Duration::from_micros(100 * (20 - n))).await;
        n
    })));
    assert_eq!(outputs, (0..20).collect::<Vec<_>>());
}

/// Every wake costs the poll of one future (futures-rs#2526: it was all of them).
#[test]
fn join_all_polls_those_that_were_woken() {
    const COUNT: usize = 10_000;
    let trace = Trace::default();
    let (hands, futures): (Vec<_>, Vec<_>) = (0..COUNT).map(|n| by_hand(&trace, n)).unzip();
    let mut joined = join_all(futures);
    let (counting, waker) = CountingWaker::new();
    let mut polls = 0;
    loop {
        let wakes = counting.wakes();
        assert!(poll_with(&mut joined, &waker).is_pending());
        polls += trace.take().len();
        if counting.wakes() == wakes {
            break;
        }
    }
    assert_eq!(polls, COUNT);
    for (n, hand) in hands.iter().enumerate().rev() {
        hand.end(n);
        assert_eq!(poll_with(&mut joined, &waker).is_ready(), n == 0);
    }
    assert_eq!(trace.take().len(), 2 * COUNT, "a poll and a drop each");
}

/// gevent's `joinall`: what became of each task, in the order of the handles.
#[test]
fn joined_handles_give_results_and_errors_by_task() {
    let runtime = Runtime::builder().panic_policy(PanicPolicy::Propagate).build();
    runtime.block_on(async {
        let tasks = [
            coracle::spawn(async { 1 }),
            coracle::spawn(async { panic!("second") }),
            coracle::spawn(std::future::pending()),
            coracle::spawn(async {
                sleep(Duration::from_millis(1)).await;
                4
            }),
        ];
        tasks[2].abort();
        let results = join_all(tasks).await;
        let [Ok(1), Err(JoinError::Panicked(payload)), Err(JoinError::Cancelled), Ok(4)] = &results[..] else {
            panic!("{results:?}");
        };
        assert_eq!(payload.downcast_ref::<&str>(), Some(&"second"));
    });
}

#[test]
fn the_first_error_in_time_wins_and_the_others_are_dropped_at_once() {
    let trace = Trace::default();
    let (hands, futures): (Vec<_>, Vec<_>) = (0..4).map(|n| by_hand::<Result<u8, &str>>(&trace, n)).unzip();
    let mut all = try_join_all(futures);
    assert!(poll_with(&mut all, Waker::noop()).is_pending());
    hands[1].end(Ok(1));
    hands[2].end(Err("two"));
    hands[0].end(Err("too late"));
    trace.take();
    assert_eq!(poll_with(&mut all, Waker::noop()), Poll::Ready(Err("two")));
    assert_eq!(trace.take(), ["poll 1", "drop 1", "poll 2", "drop 2", "drop 0", "drop 3"]);
}

#[test]
fn a_tuple_ends_with_the_first_error_and_drops_the_others_in_order() {
    let trace = Trace::default();
    let (_a, first) = by_hand::<Result<u8, &str>>(&trace, "a");
    let (b, second) = by_hand::<Result<char, &str>>(&trace, "b");
    let (_c, third) = by_hand::<Result<(), &str>>(&trace, "c");
    let mut all = pin!(try_join((first, second, third)));
    let mut poll = || all.as_mut().poll(&mut Context::from_waker(Waker::noop()));
    assert!(poll().is_pending());
    b.end(Err("b"));
    trace.take();
    assert_eq!(poll(), Poll::Ready(Err("b")));
    assert_eq!(trace.take(), ["poll a", "poll b", "drop b", "drop a", "drop c"]);
}

#[test]
fn without_an_error_try_join_gives_the_values() {
    coracle::block_on(async {
        let ok = |n: u8| async move { Ok::<_, ()>(n) };
        assert_eq!(try_join((ok(1), async { Ok('2') })).await, Ok((1, '2')));
        assert_eq!(try_join([ok(1), ok(2)]).await, Ok([1, 2]));
        assert_eq!(try_join(vec![ok(1)]).await, Ok(vec![1]));
    });
}

/// An error drops the handles, and a task without a handle goes on, unless it is aborted by the drop.
#[test]
fn tasks_whose_handles_are_dropped_by_an_error_go_on_unless_told_otherwise() {
    let trace = Trace::default();
    let task = |name: &str| {
        let noted = Noted(trace.clone(), name.to_owned());
        coracle::spawn(async move {
            coracle::task::yield_now().await;
            coracle::task::yield_now().await;
            noted.0.note(format!("end {}", noted.1));
        })
    };
    coracle::block_on(async {
        let failing = || coracle::spawn(async { panic!("as it should") });
        assert!(try_join_all([failing(), task("kept")]).await.is_err());
        assert!(try_join_all([failing().abort_on_drop(), task("aborted").abort_on_drop()]).await.is_err());
        for _ in 0..4 {
            coracle::task::yield_now().await;
        }
    });
    assert_eq!(trace.take(), ["end kept", "drop kept", "drop aborted"]);
}

/// The panic of one goes on; the others are dropped with the join, and the process lives.
#[test]
fn a_panic_of_one_is_that_of_the_join() {
    let trace = Trace::default();
    for round in 0..2 {
        let child = |name: &'static str| {
            let noted = Noted(trace.clone(), name.to_owned());
            async move {
                coracle::task::yield_now().await;
                assert_ne!(noted.1, "b", "as it should");
            }
        };
        let caught = catch_unwind(AssertUnwindSafe(|| {
            coracle::block_on(async {
                match round {
                    0 => drop(join((child("a"), child("b"), child("c"))).await),
                    _ => drop(join_all(["a", "b", "c"].map(child)).await),
                }
            })
        }));
        assert!(caught.is_err());
        let mut dropped = trace.take();
        dropped.sort();
        assert_eq!(dropped, ["drop a", "drop b", "drop c"]);
    }
}

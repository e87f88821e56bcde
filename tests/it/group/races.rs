//! `race`, `race_ok` and `select`: who wins, and what becomes of the losers.

use std::cell::RefCell;
use std::future::{Future, pending, poll_fn, ready};
use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker};

use coracle::sync::{Mutex, channel::bounded};
use coracle::task::{Either, JoinError, race, race_ok, select, yield_now};

use super::{Trace, by_hand};

#[test]
fn the_losers_are_dropped_in_order_before_the_race_returns() {
    let trace = Trace::default();
    coracle::block_on(async {
        let (_a, first) = by_hand(&trace, "a");
        let (b, second) = by_hand(&trace, "b");
        let (_c, third) = by_hand(&trace, "c");
        b.end(2);
        assert_eq!(race((first, second, third)).await, 2);
        assert_eq!(trace.take(), ["poll a", "poll b", "drop b", "drop a", "drop c"]);

        let (hands, futures): (Vec<_>, Vec<_>) = (0..4).map(|n| by_hand(&trace, n)).unzip();
        hands[2].end(2);
        assert_eq!(race(futures).await, 2);
        let polls = ["poll 0", "poll 1", "poll 2", "drop 2", "drop 0", "drop 1", "drop 3"];
        assert_eq!(trace.take(), polls);
    });
}

/// No dice: of those that are ready the first wins, each time.
#[test]
fn of_those_that_are_ready_the_first_given_wins() {
    coracle::block_on(async {
        for _ in 0..100 {
            assert_eq!(race((ready('a'), ready('b'))).await, 'a');
            assert_eq!(race([ready('a'), ready('b')]).await, 'a');
            assert_eq!(race(vec![ready('a'), ready('b')]).await, 'a');
            let eight = (pending(), pending(), pending(), pending(), pending(), pending(), ready('g'), ready('h'));
            assert_eq!(race(eight).await, 'g');
        }
    });
}

#[test]
fn a_race_of_none_never_ends() {
    let mut none = pin!(race(Vec::<std::future::Ready<()>>::new()));
    assert!(none.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
}

/// A task that loses by its handle goes on; by a handle that aborts, it does not.
#[test]
fn a_race_of_tasks_ends_the_losers_if_their_handles_abort() {
    coracle::block_on(async {
        let (sender, receiver) = bounded::<()>(1);
        let loser = coracle::spawn(async move {
            let _sender = sender;
            pending::<u8>().await
        });
        let winner = coracle::spawn(async {
            yield_now().await;
            1
        });
        assert!(matches!(race([loser.abort_on_drop(), winner.abort_on_drop()]).await, Ok::<_, JoinError>(1)));
        assert_eq!(receiver.recv().await, None, "its future was dropped");
    });
}

#[test]
fn the_first_success_wins_and_all_failures_are_kept() {
    let trace = Trace::default();
    coracle::block_on(async {
        let (hands, futures): (Vec<_>, Vec<_>) = (0..4).map(|n| by_hand::<Result<u8, u8>>(&trace, n)).unzip();
        hands[0].end(Err(0));
        hands[2].end(Ok(2));
        assert_eq!(race_ok(futures).await, Ok(2));
        assert_eq!(trace.take(), ["poll 0", "drop 0", "poll 1", "poll 2", "drop 2", "drop 1", "drop 3"]);

        let late = |n: u8| async move {
            for _ in n..3 {
                yield_now().await;
            }
            Err::<u8, _>(n)
        };
        assert_eq!(race_ok((0..3).map(late)).await, Err(vec![0, 1, 2]));
        assert_eq!(race_ok(Vec::<std::future::Ready<Result<(), ()>>>::new()).await, Err(vec![]));
    });
}

#[test]
fn the_loser_of_a_select_goes_on_where_it_stood() {
    let trace = Trace::default();
    coracle::block_on(async {
        let ((a, first), (b, second)) = (by_hand(&trace, "a"), by_hand(&trace, "b"));
        b.end('b');
        let Either::Right(('b', first)) = select(first, second).await else { panic!() };
        assert_eq!(trace.take(), ["poll a", "poll b", "drop b"]);
        a.end('a');
        let Either::Left(('a', _pending)) = select(first, pending::<()>()).await else { panic!() };
        assert_eq!(trace.take(), ["poll a", "drop a"]);
    });
}

/// Nothing of what a channel gives is lost, whoever wins how often.
#[test]
fn a_loop_over_select_loses_no_value() {
    coracle::block_on(async {
        let (sender, receiver) = bounded(1);
        let producer = coracle::spawn(async move {
            for n in 0..100 {
                sender.send(n).await.unwrap();
            }
        });
        let (mut received, mut ticks) = (Vec::new(), 0);
        let mut next = pin!(receiver.recv());
        let mut tick = pin!(yield_now());
        loop {
            match select(next.as_mut(), tick.as_mut()).await {
                Either::Left((Some(n), _)) => {
                    received.push(n);
                    next.set(receiver.recv());
                }
                Either::Left((None, _)) => break,
                Either::Right(((), _)) => {
                    ticks += 1;
                    tick.set(yield_now());
                }
            }
        }
        assert_eq!(received, (0..100).collect::<Vec<_>>());
        assert!(ticks > 0);
        producer.await.unwrap();
    });
}

/// Futurelock (Oxide RFD 609), and the three ways out that the docs name. The loser stands first in line for a lock;
/// while it is kept and not polled, the lock is its own, and nobody gets it.
#[test]
fn a_loser_that_is_kept_holds_its_place_until_it_is_polled_or_dropped() {
    for way in ["poll", "drop", "task"] {
        coracle::block_on(async {
            let lock = std::rc::Rc::new(Mutex::new(()));
            let held = lock.try_lock().unwrap();
            let wants = {
                let lock = lock.clone();
                async move { drop(lock.lock().await) }
            };
            let loser: Pin<Box<dyn Future<Output = ()>>> = match way {
                "task" => {
                    let task = coracle::spawn(wants);
                    Box::pin(async { task.await.unwrap() })
                }
                _ => Box::pin(wants),
            };
            // Two turns, so that the task stands in line too.
            let tick = pin!(async {
                yield_now().await;
                yield_now().await;
            });
            let Either::Right(((), loser)) = select(loser, tick).await else { panic!("the lock was held") };
            drop(held);
            let mut next = pin!(lock.lock());
            let mut is_locked = async |turns: usize| {
                for _ in 0..turns {
                    if poll_fn(|cx| Poll::Ready(next.as_mut().poll(cx).is_ready())).await {
                        return false;
                    }
                    yield_now().await;
                }
                true
            };
            match way {
                "poll" => {
                    assert!(is_locked(3).await, "it was handed to the loser, which does not know yet");
                    loser.await;
                }
                "drop" => {
                    assert!(is_locked(3).await);
                    drop(loser);
                }
                _ => drop(loser), // the handle: the task has taken the lock by itself
            }
            assert!(!is_locked(3).await, "{way}");
        });
    }
}

/// Each may give something else; the losers are dropped, in order.
#[test]
fn the_first_of_several_says_which_it_was() {
    use coracle::task::{OneOf, first_of};
    coracle::block_on(async {
        assert_eq!(first_of((pending::<u8>(), ready("b"))).await, OneOf::Second("b"));
        assert_eq!(first_of((ready(1), ready("b"), ready('c'))).await, OneOf::First(1), "in the order given");
        let third = first_of((pending::<u8>(), pending::<&str>(), yield_now())).await;
        assert_eq!(third, OneOf::Third(()));
        let fourth = first_of((pending::<()>(), pending::<()>(), pending::<()>(), ready(4))).await;
        assert_eq!(fourth, OneOf::Fourth(4));

        let dropped = RefCell::new(Vec::new());
        let told = |name: &'static str| {
            let guard = Told(name, &dropped);
            async move {
                let _guard = guard;
                pending::<()>().await
            }
        };
        first_of((told("one"), told("two"), yield_now())).await;
        assert_eq!(*dropped.borrow(), ["one", "two"]);
    });

    struct Told<'a>(&'static str, &'a RefCell<Vec<&'static str>>);
    impl Drop for Told<'_> {
        fn drop(&mut self) {
            self.1.borrow_mut().push(self.0);
        }
    }
}

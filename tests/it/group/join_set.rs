//! `JoinSet`: results in the order of completion, aborts, and what a set leaves behind.

use std::cell::Cell;
use std::future::pending;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use coracle::task::{JoinError, JoinSet, yield_now};
use coracle::time::sleep;
use coracle::{Budget, PanicPolicy, Runtime};

use super::{Noted, Trace};
use crate::support::{alone, leaves_the_heap_as_it_was};

async fn after(turns: usize, noted: Noted) -> String {
    for _ in 0..turns {
        yield_now().await;
    }
    noted.0.note(format!("end {}", noted.1));
    noted.1.clone()
}

#[test]
fn results_come_in_the_order_in_which_the_tasks_end() {
    let trace = Trace::default();
    coracle::block_on(async {
        let mut set = JoinSet::new();
        let ids: Vec<_> =
            [3, 0, 2, 1].map(|turns| set.spawn(after(turns, Noted(trace.clone(), turns.to_string())))).into();
        let mut results = Vec::new();
        while let Some((id, result)) = set.next().await {
            results.push((id, result.unwrap()));
        }
        let expected = [(1, "0"), (3, "1"), (2, "2"), (0, "3")].map(|(at, name)| (ids[at], name.to_owned()));
        assert_eq!(results, expected);
    });
}

/// Those that have ended before anybody asked are given in that order, too.
#[test]
fn results_that_nobody_waited_for_stay_in_order() {
    let trace = Trace::default();
    let runtime = Runtime::new();
    runtime.block_on(async {
        let mut set = JoinSet::new();
        for turns in [2, 1, 0] {
            set.spawn(after(turns, Noted(trace.clone(), turns.to_string())));
        }
        sleep(Duration::from_millis(1)).await;
        assert_eq!(set.len(), 3);
        for turns in ["0", "1", "2"] {
            assert_eq!(set.next().await.unwrap().1.unwrap(), turns);
        }
        assert!(set.is_empty() && set.next().await.is_none());
    });
}

#[test]
fn panics_and_aborts_are_results() {
    coracle::block_on(async {
        let mut set = JoinSet::new();
        let panics = set.spawn(async { panic!("as it should") });
        let aborted = set.spawn(pending::<()>());
        let never_polled = set.spawn(pending::<()>());
        yield_now().await;
        set.abort(aborted);
        set.abort(never_polled);
        let (id, result) = set.next().await.unwrap();
        assert!(id == panics && matches!(result, Err(JoinError::Panicked(_))));
        for expected in [aborted, never_polled] {
            let (id, result) = set.next().await.unwrap();
            assert!(id == expected && matches!(result, Err(JoinError::Cancelled)));
        }
        set.abort(aborted); // gone: no effect
        assert!(set.next().await.is_none());
    });
}

#[test]
fn dropping_the_set_aborts_its_tasks_in_the_order_of_spawning() {
    let trace = Trace::default();
    coracle::block_on(async {
        let mut set = JoinSet::new();
        let task = |n: usize| {
            let noted = Noted(trace.clone(), n.to_string());
            async move {
                let _noted = noted;
                if n > 1 {
                    pending::<()>().await;
                }
            }
        };
        for n in 0..4 {
            set.spawn(task(n));
        }
        // Two end and their places are used again: the order is not that of the places.
        assert!(set.next().await.is_some() && set.next().await.is_some());
        for n in 4..6 {
            set.spawn(task(n));
        }
        yield_now().await;
        trace.take();
        drop(set);
        assert!(trace.take().is_empty(), "each in its turn");
        yield_now().await;
        assert_eq!(trace.take(), ["drop 2", "drop 3", "drop 4", "drop 5"]);
    });
}

#[test]
fn shutdown_waits_for_the_last_drop() {
    let trace = Trace::default();
    coracle::block_on(async {
        let mut set = JoinSet::new();
        for n in 0..3 {
            let noted = Noted(trace.clone(), n.to_string());
            set.spawn(async move {
                let _noted = noted;
                pending::<()>().await;
            });
        }
        set.spawn(async {});
        yield_now().await;
        set.shutdown().await;
        assert_eq!(trace.take(), ["drop 0", "drop 1", "drop 2"]);
        assert!(set.is_empty());
        set.shutdown().await;
        // It can be used again.
        set.spawn(async {});
        assert!(set.next().await.unwrap().1.is_ok());
    });
}

/// Panics in a set that is dropped, detached or shut down are reported like those of any task that nobody awaited.
#[test]
fn panics_that_nobody_asked_for_are_reported_when_the_runtime_ends() {
    let end: [fn(&mut JoinSet<()>); 2] = [|set| drop(std::mem::take(set)), |set| set.detach_all()];
    for (way, end) in end.into_iter().enumerate() {
        let caught = std::panic::catch_unwind(|| {
            coracle::block_on(async move {
                let mut set = JoinSet::new();
                set.spawn(async { panic!("unheard") });
                yield_now().await;
                end(&mut set);
            });
        });
        assert_eq!(caught.unwrap_err().downcast_ref::<&str>(), Some(&"unheard"), "way {way}");
    }
    let caught = std::panic::catch_unwind(|| {
        coracle::block_on(async move {
            let mut set = JoinSet::new();
            set.spawn(async { panic!("unheard") });
            yield_now().await;
            set.shutdown().await;
            assert!(set.is_empty());
        });
    });
    assert_eq!(caught.unwrap_err().downcast_ref::<&str>(), Some(&"unheard"));
}

#[test]
fn detached_tasks_run_on_and_do_not_disturb_those_that_come_after() {
    let trace = Trace::default();
    coracle::block_on(async {
        let mut set = JoinSet::new();
        for name in ["a", "b"] {
            set.spawn(after(3, Noted(trace.clone(), name.to_owned())));
        }
        set.detach_all();
        assert!(set.next().await.is_none());
        set.spawn(after(6, Noted(trace.clone(), "c".to_owned())));
        assert_eq!(set.next().await.unwrap().1.unwrap(), "c");
        assert!(set.next().await.is_none());
    });
    assert_eq!(trace.take(), ["end a", "drop a", "end b", "drop b", "end c", "drop c"]);
}

/// The set outlives its runtime: then all tasks were cancelled.
#[test]
fn a_set_that_outlives_its_runtime_says_that_its_tasks_are_cancelled() {
    let runtime = Runtime::new();
    let mut set = runtime.enter(|| {
        let mut set = JoinSet::new();
        set.spawn(pending::<()>());
        set.spawn(pending::<()>());
        set
    });
    runtime.turn(Budget::no_wait()).unwrap();
    drop(runtime);
    let mut poll = || set.poll_next(&mut Context::from_waker(Waker::noop()));
    for _ in 0..2 {
        assert!(matches!(poll(), Poll::Ready(Some((_, Err(JoinError::Cancelled))))));
    }
    assert!(matches!(poll(), Poll::Ready(None)));
}

/// A set that always has a result does not starve the others (tokio#2542).
#[test]
fn a_loop_over_results_lets_others_go_on() {
    coracle::block_on(async {
        let seen = Rc::new(Cell::new(0));
        let mut set = JoinSet::new();
        for _ in 0..10_000 {
            let seen = seen.clone();
            set.spawn(async move { seen.set(seen.get() + 1) });
        }
        yield_now().await;
        let other = Rc::new(Cell::new(None));
        let task = coracle::spawn({
            let (other, left) = (other.clone(), Rc::new(()));
            async move {
                let _left = left;
                other.set(Some(()));
            }
        });
        let mut taken = 0;
        while other.get().is_none() {
            assert!(set.next().await.is_some());
            taken += 1;
        }
        assert!(taken < 1_000, "{taken} results before another task had its turn");
        task.await.unwrap();
    });
}

/// One allocation a task: the set adds none that stays, and none a task once it has grown.
#[test]
fn a_set_leaves_nothing_behind() {
    alone("group::join_set::a_set_leaves_nothing_behind", || {
        leaves_the_heap_as_it_was(|| {
            let runtime = Runtime::builder().panic_policy(PanicPolicy::Log).build();
            runtime.block_on(async {
                let mut set = JoinSet::new();
                for n in 0..100 {
                    set.spawn(async move {
                        if n % 3 == 0 {
                            pending::<()>().await;
                        }
                    });
                }
                for _ in 0..66 {
                    set.next().await.unwrap().1.unwrap();
                }
                set.shutdown().await;
            });
        });
    });
}

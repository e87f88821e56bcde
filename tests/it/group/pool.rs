//! `Pool`: the bound, the order of those who wait, and when a slot is free.

use std::cell::{Cell, RefCell};
use std::future::{pending, ready};
use std::rc::Rc;
use std::task::Waker;
use std::time::Duration;

use coracle::Runtime;
use coracle::task::{FutureSet, JoinError, Pool, PoolFull, yield_now};
use coracle::time::sleep;

use super::Trace;
use crate::support::{poll_once, poll_with};

#[test]
fn the_bound_holds_and_those_who_wait_are_served_in_order() {
    let trace = Trace::default();
    coracle::block_on(async {
        let pool = Pool::new(2);
        let spawners: Vec<_> = (0..6)
            .map(|n| {
                let (pool, trace) = (pool.clone(), trace.clone());
                coracle::spawn(async move {
                    let task = pool.spawn({
                        let (pool, trace) = (pool.clone(), trace.clone());
                        async move {
                            assert!(pool.live() <= 2);
                            trace.note(format!("begin {n}"));
                            for _ in 0..3 {
                                yield_now().await;
                            }
                            trace.note(format!("end {n}"));
                        }
                    });
                    task.await.await.unwrap();
                })
            })
            .collect();
        for spawner in spawners {
            spawner.await.unwrap();
        }
        assert_eq!((pool.live(), pool.free()), (0, 2));
    });
    let pairs: Vec<_> = (0..6).map(|n| (format!("begin {n}"), format!("end {n}"))).collect();
    let mut expected = Vec::new();
    for two in pairs.chunks(2) {
        expected.extend(two.iter().map(|(begin, _)| begin.clone()));
        expected.extend(two.iter().map(|(_, end)| end.clone()));
    }
    assert_eq!(trace.take(), expected);
}

/// However a task ends, the one who waits gets its slot.
#[test]
fn a_slot_is_free_however_its_task_ended() {
    coracle::block_on(async {
        let pool = Pool::new(1);
        for way in ["return", "panic", "abort", "abort before the first poll"] {
            let task = pool
                .try_spawn(async move {
                    match way {
                        "return" => {}
                        "panic" => panic!("as it should"),
                        _ => pending::<()>().await,
                    }
                })
                .unwrap();
            let mut next = pool.spawn(ready(way));
            assert!(poll_once(&mut next).is_pending());
            assert_eq!((pool.live(), pool.free()), (1, 0));
            if way == "abort" {
                yield_now().await;
            }
            if way.starts_with("abort") {
                task.abort();
            }
            assert_eq!(next.await.await.unwrap(), way);
            assert_eq!(task.await.is_ok(), way == "return");
        }
        assert_eq!((pool.live(), pool.free()), (0, 1));
    });
}

/// A task's own end, not the look at its handle, frees its slot; also if the handle was dropped.
#[test]
fn handles_hold_no_slot() {
    coracle::block_on(async {
        let pool = Pool::new(1);
        drop(pool.try_spawn(async {}).unwrap());
        assert!(pool.try_spawn(async {}).is_err());
        yield_now().await;
        let kept = pool.try_spawn(async { 5 }).unwrap();
        yield_now().await;
        assert_eq!(pool.free(), 1);
        assert_eq!(kept.await.unwrap(), 5);
    });
}

#[test]
fn nobody_overtakes_one_who_waits() {
    coracle::block_on(async {
        let pool = Pool::new(1);
        let first = pool.try_spawn(async {}).unwrap();
        let mut second = pool.spawn(async {});
        assert!(poll_once(&mut second).is_pending());
        first.await.unwrap();
        // The slot is free, but it is the second's, who does not know yet.
        assert_eq!((pool.live(), pool.free()), (0, 0));
        let PoolFull(_) = pool.try_spawn(async {}).unwrap_err();
        let mut third = pool.spawn(async {});
        assert!(poll_once(&mut third).is_pending());
        drop(second);
        assert!(poll_once(&mut third).is_ready(), "what the second gave up is the third's");
    });
}

#[test]
fn one_who_gives_up_gets_the_future_back() {
    coracle::block_on(async {
        let pool = Pool::new(1);
        let _first = pool.try_spawn(pending::<()>()).unwrap().abort_on_drop();
        let mut waits = pool.spawn(async { 7 });
        assert!(poll_once(&mut waits).is_pending());
        assert_eq!(waits.into_future().unwrap().await, 7);
        assert_eq!(pool.spawn(async { 8 }).into_future().unwrap().await, 8);
        let full = pool.try_spawn(async { 9 }).unwrap_err();
        assert_eq!(full.to_string(), "the pool is full");
        assert_eq!(full.0.await, 9);
    });
}

#[test]
fn a_pool_of_none_spawns_nothing_and_one_of_all_has_no_bound() {
    coracle::block_on(async {
        let none = Pool::new(0);
        assert_eq!((none.free(), none.live()), (0, 0));
        assert!(none.try_spawn(async {}).is_err());
        none.join().await;
        let mut waits = none.spawn(async {});
        assert!(poll_once(&mut waits).is_pending());
        let mut join = none.join();
        assert!(poll_once(&mut join).is_pending(), "somebody waits");
        drop(waits);
        join.await;

        let all = Pool::new(usize::MAX);
        let tasks: Vec<_> = (0..1_000).map(|n| all.try_spawn(ready(n)).unwrap()).collect();
        assert_eq!((all.live(), all.free()), (1_000, usize::MAX - 1_000));
        all.join().await;
        assert!(tasks.iter().all(coracle::task::JoinHandle::is_finished));
        tasks.into_iter().for_each(drop);
    });
}

/// Not only for those that live, also for those that wait for a slot; all who join are told.
#[test]
fn join_waits_for_those_that_wait_too() {
    let trace = Trace::default();
    coracle::block_on(async {
        let pool = Pool::new(1);
        for n in 0..4 {
            let (pool, trace) = (pool.clone(), trace.clone());
            drop(coracle::spawn(async move {
                drop(pool.spawn(async move { trace.note(format!("{n}")) }).await);
            }));
        }
        yield_now().await;
        let joins: Vec<_> = (0..2)
            .map(|_| {
                let pool = pool.clone();
                coracle::spawn(async move { pool.join().await })
            })
            .collect();
        pool.join().await;
        assert_eq!(trace.take(), ["0", "1", "2", "3"]);
        for join in joins {
            join.await.unwrap();
        }
        pool.join().await;
    });
}

/// The pool is gone, its tasks are not.
#[test]
fn dropping_the_pool_ends_nothing() {
    coracle::block_on(async {
        let pool = Pool::new(1);
        let task = pool.try_spawn(async { 3 }).unwrap();
        drop(pool);
        assert_eq!(task.await.unwrap(), 3);
    });
}

#[test]
fn map_gives_results_in_order_and_never_runs_more_than_the_bound() {
    coracle::block_on(async {
        let pool = Pool::new(3);
        let (live, most) = (Rc::new(Cell::new(0)), Rc::new(Cell::new(0)));
        let made = RefCell::new(Vec::new());
        let results = pool
            .map(0..10_u64, |n| {
                made.borrow_mut().push((n, live.get()));
                let (live, most) = (live.clone(), most.clone());
                async move {
                    live.set(live.get() + 1);
                    most.set(most.get().max(live.get()));
                    sleep(Duration::from_micros(100 * (10 - n))).await;
                    live.set(live.get() - 1);
                    assert_ne!(n, 4, "as it should");
                    n
                }
            })
            .await;
        for (n, result) in results.iter().enumerate() {
            match result {
                Ok(output) => assert_eq!(*output, n as u64),
                Err(error) => assert!(n == 4 && matches!(error, JoinError::Panicked(_))),
            }
        }
        assert_eq!((results.len(), most.get(), pool.live()), (10, 3, 0));
        assert_eq!(pool.map(Vec::<u8>::new(), |_| async {}).await.len(), 0);
    });
}

/// The unordered map of gevent: handles in a set.
#[test]
fn handles_in_a_set_give_results_as_they_come() {
    coracle::block_on(async {
        let (pool, mut set) = (Pool::new(2), FutureSet::new());
        for turns in [9, 1, 2] {
            let task = pool.spawn(async move {
                for _ in 0..turns {
                    yield_now().await;
                }
                turns
            });
            set.insert(task.await);
        }
        let mut ended = Vec::new();
        while let Some(result) = set.next().await {
            ended.push(result.unwrap());
        }
        assert_eq!(ended, [1, 2, 9]);
    });
}

/// A pool that a runtime's end finds full: slots come back as its tasks are dropped, and nobody is lost in between.
#[test]
fn the_end_of_the_runtime_frees_the_slots() {
    let runtime = Runtime::new();
    let pool = Pool::new(1);
    let task = runtime.enter(|| pool.try_spawn(pending::<()>())).unwrap();
    let mut next = pool.spawn(async {});
    assert!(poll_with(&mut next, Waker::noop()).is_pending());
    drop(runtime);
    assert_eq!(pool.live(), 0);
    drop(next);
    assert_eq!(pool.free(), 1);
    assert!(task.is_finished());
    drop(task);
}

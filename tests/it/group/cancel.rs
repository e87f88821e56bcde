//! Every future of this concept, dropped at every point: what its docs say under *Cancel safety* holds.

use std::cell::{Cell, RefCell};
use std::future::pending;
use std::rc::Rc;

use coracle::sync::channel::bounded;
use coracle::task::try_join_all;
use coracle::task::{Either, FutureSet, JoinSet, Pool, join, join_all, race, race_ok, select, try_join, yield_now};

use super::{Noted, Trace};
use crate::support::cut_at_every_poll;

/// Waits some turns, and notes its drop.
async fn turns(count: usize, noted: Noted) -> usize {
    let _noted = noted;
    for _ in 0..count {
        yield_now().await;
    }
    count
}

fn named(trace: &Trace, name: impl ToString) -> Noted {
    Noted(trace.clone(), name.to_string())
}

/// Of `count` futures that were made, each was dropped once by now.
fn all_dropped(trace: &Trace, count: usize) {
    let mut dropped = trace.take();
    dropped.sort();
    assert_eq!(dropped, (0..count).map(|n| format!("drop {n}")).collect::<Vec<_>>());
}

#[test]
fn a_dropped_next_takes_nothing_with_it() {
    let trace = Trace::default();
    let dropped = cut_at_every_poll(|cut| {
        coracle::block_on(async {
            let mut set: FutureSet<_> = (1..4).map(|n| turns(n, named(&trace, n - 1))).collect();
            let mut outputs: Vec<usize> = cut.at(set.next()).await.flatten().into_iter().collect();
            while let Some(output) = set.next().await {
                outputs.push(output);
            }
            assert_eq!(outputs, [1, 2, 3], "nothing is lost, and all go on where they stood");
        });
        all_dropped(&trace, 3);
    });
    assert!(dropped >= 3);
}

#[test]
fn dropped_joins_and_races_drop_their_futures() {
    let trace = Trace::default();
    let future = |n: usize| turns(n + 1, named(&trace, n));
    let fine = |n: usize| {
        let future = future(n);
        async move { Ok::<_, usize>(future.await) }
    };
    let bad = |n: usize| {
        let future = future(n);
        async move { Err::<usize, _>(future.await) }
    };
    macro_rules! at_every_poll {
        ($made:expr, $expected:expr) => {
            let dropped = cut_at_every_poll(|cut| {
                coracle::block_on(async {
                    if let Some(output) = cut.at($made).await {
                        assert_eq!(output, $expected);
                    }
                    all_dropped(&trace, 3);
                });
            });
            assert!(dropped >= 3, "{}: {dropped}", stringify!($made));
        };
    }
    at_every_poll!(join((future(0), future(1), future(2))), (1, 2, 3));
    at_every_poll!(join([future(0), future(1), future(2)]), [1, 2, 3]);
    at_every_poll!(join_all((0..3).map(future)), vec![1, 2, 3]);
    at_every_poll!(try_join((fine(0), fine(1), fine(2))), Ok((1, 2, 3)));
    at_every_poll!(try_join((fine(0), bad(1), fine(2))), Err(2));
    at_every_poll!(try_join_all((0..3).map(fine)), Ok(vec![1, 2, 3]));
    at_every_poll!(try_join_all((0..3).map(bad)), Err(1));
    at_every_poll!(race((future(1), future(0), future(2))), 1);
    at_every_poll!(race([future(1), future(0), future(2)]), 1);
    at_every_poll!(race_ok((0..3).map(fine)), Ok(1));
    at_every_poll!(race_ok((0..3).map(bad)), Err(vec![1, 2, 3]));
    let in_turn = || {
        let (first, second, third) = (Box::pin(future(1)), Box::pin(future(0)), Box::pin(future(2)));
        async {
            let Either::Right((1, first)) = select(first, second).await else { panic!("1 ends first") };
            let Either::Left((2, third)) = select(first, third).await else { panic!("2 ends next") };
            third.await
        }
    };
    at_every_poll!(in_turn(), 3);
}

/// By reference: neither future is dropped with the `Select`, and neither loses anything.
#[test]
fn a_dropped_select_leaves_what_it_borrowed() {
    let dropped = cut_at_every_poll(|cut| {
        coracle::block_on(async {
            let ((to_a, from_a), (to_b, from_b)) = (bounded(1), bounded(1));
            let (mut a, mut b) = (from_a.recv(), from_b.recv());
            let sending = coracle::spawn(async move {
                yield_now().await;
                to_b.send(2).await.unwrap();
                to_a.send(1).await.unwrap();
            });
            match cut.at(select(&mut a, &mut b)).await {
                Some(Either::Right((b, a))) => assert_eq!((a.await, b), (Some(1), Some(2))),
                Some(Either::Left((a, b))) => assert_eq!((a, b.await), (Some(1), Some(2))),
                None => assert_eq!((a.await, b.await), (Some(1), Some(2))),
            }
            sending.await.unwrap();
        });
    });
    assert!(dropped >= 2);
}

#[test]
fn a_dropped_wait_for_a_set_of_tasks_takes_no_result_with_it() {
    let trace = Trace::default();
    let dropped = cut_at_every_poll(|cut| {
        coracle::block_on(async {
            let mut set = JoinSet::new();
            for n in 1..4 {
                set.spawn(turns(n, named(&trace, n - 1)));
            }
            let mut outputs = Vec::new();
            if let Some(first) = cut.at(set.next()).await {
                outputs.push(first.unwrap().1.unwrap());
            }
            while let Some((_, result)) = set.next().await {
                outputs.push(result.unwrap());
            }
            assert_eq!(outputs, [1, 2, 3]);
        });
        all_dropped(&trace, 3);
    });
    assert!(dropped >= 2);
}

#[test]
fn a_dropped_shutdown_has_aborted_all_or_none() {
    let trace = Trace::default();
    let dropped = cut_at_every_poll(|cut| {
        coracle::block_on(async {
            let mut set = JoinSet::new();
            for n in 0..3 {
                let noted = named(&trace, n);
                set.spawn(async move {
                    let _noted = noted;
                    pending::<()>().await;
                });
            }
            yield_now().await;
            let mut shutdown = set.shutdown();
            let polled = Cell::new(false);
            let done = cut
                .at(std::future::poll_fn(|cx| {
                    polled.set(true);
                    std::pin::Pin::new(&mut shutdown).poll(cx)
                }))
                .await;
            yield_now().await;
            assert_eq!(trace.0.borrow().len(), if polled.get() { 3 } else { 0 });
            assert_eq!(set.is_empty(), done.is_some());
            set.shutdown().await;
        });
        all_dropped(&trace, 3);
    });
    assert!(dropped >= 2);
}

/// A dropped `PoolSpawn` has spawned nothing, dropped its future, and given its slot or place to the next.
#[test]
fn a_dropped_spawn_in_a_pool_makes_way() {
    let trace = Trace::default();
    let dropped = cut_at_every_poll(|cut| {
        coracle::block_on(async {
            let pool = Pool::new(1);
            let first = pool.try_spawn(turns(2, named(&trace, 0))).unwrap();
            let cut_one = {
                let future = turns(0, named(&trace, 1));
                cut.at(pool.spawn(future))
            };
            let next = {
                let (pool, future) = (pool.clone(), turns(0, named(&trace, 2)));
                // Behind the other: it is polled first a turn later.
                coracle::spawn(async move {
                    yield_now().await;
                    pool.spawn(future).await.await.unwrap()
                })
            };
            if let Some(task) = cut_one.await {
                assert_eq!(task.await.unwrap(), 0);
            }
            assert_eq!((first.await.unwrap(), next.await.unwrap()), (2, 0));
            pool.join().await;
            assert_eq!((pool.live(), pool.free()), (0, 1));
        });
        all_dropped(&trace, 3);
    });
    assert!(dropped >= 2);
}

#[test]
fn a_dropped_join_of_a_pool_changes_nothing() {
    let dropped = cut_at_every_poll(|cut| {
        coracle::block_on(async {
            let pool = Pool::new(2);
            let ended = Rc::new(Cell::new(0));
            for n in 0..2 {
                let ended = ended.clone();
                let task = pool.try_spawn(async move {
                    for _ in 0..=n {
                        yield_now().await;
                    }
                    ended.set(ended.get() + 1);
                });
                drop(task.unwrap());
            }
            cut.at(pool.join()).await;
            pool.join().await;
            assert_eq!((ended.get(), pool.free()), (2, 2));
        });
    });
    assert!(dropped >= 2);
}

#[test]
fn a_dropped_map_aborts_its_tasks_and_begins_no_others() {
    let trace = Trace::default();
    let dropped = cut_at_every_poll(|cut| {
        let begun = Rc::new(RefCell::new(0));
        coracle::block_on(async {
            let pool = Pool::new(2);
            let done = cut
                .at(pool.map(0..4, |n| {
                    *begun.borrow_mut() += 1;
                    turns(n + 1, named(&trace, n))
                }))
                .await;
            let made = *begun.borrow();
            pool.join().await;
            assert_eq!((pool.live(), pool.free()), (0, 2));
            assert!(made == 4 || done.is_none());
            all_dropped(&trace, made);
        });
    });
    assert!(dropped >= 4);
}

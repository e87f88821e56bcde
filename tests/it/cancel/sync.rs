//! Permits, a cell that is filled once, and a value for one.

use std::cell::Cell;
use std::future::ready;
use std::rc::Rc;

use coracle::sync::{OnceCell, Semaphore, WaitQueue, oneshot};
use coracle::task::yield_now;

use crate::group::{Noted, Trace};
use crate::support::{Cut, cut_at_every_poll};

/// Two permits are held for some turns, `acquire` waits for one or two, and another behind it for both: which comes to
/// its turn whenever the first is dropped, and all permits are there in the end.
fn gives_up_its_place(acquire: impl AsyncFn(&Cut, &Rc<Semaphore>) -> bool) {
    let mut granted = 0;
    let dropped = cut_at_every_poll(|cut| {
        coracle::block_on(async {
            let semaphore = Rc::new(Semaphore::new(2));
            let held = semaphore.clone().acquire_many_owned(2).await.unwrap();
            let holding = coracle::spawn(async move {
                yield_now().await;
                yield_now().await;
                drop(held);
            });
            let next = {
                let semaphore = semaphore.clone();
                coracle::spawn(async move { semaphore.acquire_many(2).await.map(drop) })
            };
            granted += usize::from(acquire(cut, &semaphore).await);
            next.await.unwrap().unwrap();
            holding.await.unwrap();
            assert_eq!(semaphore.available_permits(), 2);
        });
    });
    assert!(dropped >= 3 && granted == 1, "{dropped} {granted}");
}

#[test]
fn an_acquire_of_any_kind_that_is_dropped_anywhere_takes_nothing() {
    gives_up_its_place(async |cut, semaphore| cut.at(semaphore.acquire()).await.is_some());
    gives_up_its_place(async |cut, semaphore| cut.at(semaphore.acquire_many(2)).await.is_some());
    gives_up_its_place(async |cut, semaphore| cut.at(semaphore.clone().acquire_owned()).await.is_some());
    gives_up_its_place(async |cut, semaphore| cut.at(semaphore.clone().acquire_many_owned(2)).await.is_some());
}

/// It drops its operation, and the one that waits tries.
#[test]
fn a_try_to_fill_a_cell_that_is_dropped_anywhere_lets_the_next_one_try() {
    for fails in [false, true] {
        let trace = Trace::default();
        let dropped = cut_at_every_poll(|cut| {
            coracle::block_on(async {
                let (cell, begun) = (Rc::new(OnceCell::new()), Cell::new(false));
                let next = {
                    let cell = cell.clone();
                    coracle::spawn(async move {
                        yield_now().await;
                        *cell.get_or_init(|| ready(2)).await
                    })
                };
                let noted = Noted(trace.clone(), String::from("operation"));
                let operation = async || {
                    let _noted = noted;
                    begun.set(true);
                    for _ in 0..3 {
                        yield_now().await;
                    }
                    if fails { Err(()) } else { Ok(1) }
                };
                let got = cut.at(cell.get_or_try_init(operation)).await;
                assert_eq!(trace.take(), ["drop operation"], "begun: {}", begun.get());
                let expected = match got {
                    Some(Ok(value)) => *value,
                    Some(Err(())) | None => 2,
                };
                assert_eq!((next.await.unwrap(), cell.get()), (expected, Some(&expected)));
            });
        });
        assert!(dropped >= 3, "{dropped}");
    }
}

/// Awaited by reference: a value that was not taken stays.
#[test]
fn a_wait_for_one_value_that_is_dropped_leaves_it_there() {
    let dropped = cut_at_every_poll(|cut| {
        coracle::block_on(async {
            let (sender, mut receiver) = oneshot::channel();
            let sending = coracle::spawn(async move { sender.send(5) });
            let received = match cut.at(&mut receiver).await {
                Some(received) => received,
                None => receiver.await,
            };
            assert_eq!(received, Ok(5));
            sending.await.unwrap().unwrap();
        });
    });
    assert!(dropped >= 2, "{dropped}");
}

/// A wake that it was given goes to the next waiter.
#[test]
fn a_place_in_a_queue_that_is_dropped_anywhere_passes_its_wake_on() {
    let dropped = cut_at_every_poll(|cut| {
        coracle::block_on(async {
            let queue = Rc::new(WaitQueue::new());
            let next = {
                let queue = queue.clone();
                coracle::spawn(async move {
                    yield_now().await;
                    queue.wait().await;
                })
            };
            let waking = {
                let queue = queue.clone();
                coracle::spawn(async move {
                    yield_now().await;
                    yield_now().await;
                    assert!(queue.wake_one());
                })
            };
            if cut.at(queue.wait()).await.is_some() {
                assert!(!next.is_finished() && queue.wake_one(), "the one wake came here");
            }
            waking.await.unwrap();
            next.await.unwrap();
        });
    });
    assert!(dropped >= 3, "{dropped}");
}

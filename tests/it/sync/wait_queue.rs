//! `WaitQueue`: first come, first woken; a chosen waiter that goes passes its wake on.

use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, RawWaker, RawWakerVTable, Wake, Waker};

use coracle::sync::{WaitQueue, Waiting};

use super::waiter::{Op, with_meddling_waker};
use super::{both, foreign_block_on, permutations};
use crate::support::{self, CountingWaker, poll_once, poll_with};

/// A waiter in the queue, with its own waker.
fn stand(queue: &WaitQueue) -> (Waiting<'_>, Arc<CountingWaker>, Waker) {
    let (counting, waker) = CountingWaker::new();
    let mut waiting = queue.wait();
    assert!(poll_with(&mut waiting, &waker).is_pending());
    (waiting, counting, waker)
}

#[test]
fn wake_one_wakes_in_the_order_of_arrival() {
    let queue = WaitQueue::new();
    let mut waiters: Vec<_> = (0..5).map(|_| stand(&queue)).collect();
    for chosen in 0..5 {
        assert!(queue.wake_one());
        let wakes: Vec<_> = waiters.iter().map(|(_, counting, _)| counting.wakes()).collect();
        let expected: Vec<_> = (0..5).map(|n| usize::from(n <= chosen)).collect();
        assert_eq!(wakes, expected);
    }
    assert!(!queue.wake_one());
    assert_eq!((queue.len(), queue.is_empty()), (5, false), "those that have not gone on yet are counted");
    for (waiting, _, waker) in &mut waiters {
        assert!(poll_with(waiting, waker).is_ready());
    }
    assert!(queue.is_empty());
}

#[test]
fn wake_all_wakes_those_that_wait_now_in_order() {
    let queue = WaitQueue::new();
    let order = Rc::new(std::cell::RefCell::new(Vec::new()));
    coracle::block_on(async {
        for number in 0..5 {
            let (queue, order) = (&queue, order.clone());
            let (mut waiting, counting, _) = stand(queue);
            assert_eq!(queue.wake_all(), 1);
            assert_eq!(counting.wakes(), 1);
            assert!(poll_once(&mut waiting).is_ready());
            order.borrow_mut().push(number);
        }
    });
    let queue = Rc::new(WaitQueue::new());
    let runtime = coracle::Runtime::new();
    order.borrow_mut().clear();
    let tasks: Vec<_> = (0..5)
        .map(|number| {
            let (queue, order) = (queue.clone(), order.clone());
            runtime.spawn(async move {
                queue.wait().await;
                order.borrow_mut().push(number);
            })
        })
        .collect();
    runtime.turn(coracle::Budget::no_wait()).unwrap();
    assert_eq!(queue.wake_all(), 5);
    assert_eq!(queue.wake_all(), 0);
    for task in tasks {
        runtime.block_on(task).unwrap();
    }
    assert_eq!(*order.borrow(), [0, 1, 2, 3, 4]);
}

/// One call must not satisfy two waits that follow each other (tokio#5396, tokio#5458).
#[test]
fn wake_all_does_not_satisfy_two_waits_in_sequence() {
    let queue = Rc::new(WaitQueue::new());
    let runtime = coracle::Runtime::new();
    let steps = Rc::new(std::cell::Cell::new(0));
    let tasks: Vec<_> = (0..3)
        .map(|_| {
            let (queue, steps) = (queue.clone(), steps.clone());
            runtime.spawn(async move {
                queue.wait().await;
                steps.set(steps.get() + 1);
                queue.wait().await;
                steps.set(steps.get() + 1);
            })
        })
        .collect();
    let turns = || (0..5).for_each(|_| _ = runtime.turn(coracle::Budget::no_wait()).unwrap());
    turns();
    assert_eq!(queue.wake_all(), 3);
    turns();
    assert_eq!((steps.get(), queue.len()), (3, 3));
    assert_eq!(queue.wake_all(), 3);
    turns();
    assert_eq!(steps.get(), 6);
    drop(tasks);
}

/// One of those that were woken is dropped before it goes on: its wake was for those who waited then, and is not passed
/// on to one who came later (tokio#5396). A wake by `wake_one` still is.
#[test]
fn a_waiter_woken_with_all_that_is_dropped_wakes_nobody_who_came_later() {
    let queue = WaitQueue::new();
    let ((mut one, ..), (dropped, ..)) = (stand(&queue), stand(&queue));
    assert_eq!(queue.wake_all(), 2);
    assert!(poll_once(&mut one).is_ready());
    let (mut later, counting, waker) = stand(&queue);
    drop(dropped);
    assert!(poll_with(&mut later, &waker).is_pending(), "one call satisfied two waits in sequence");
    assert_eq!(counting.wakes(), 0);
    let (_behind, counting, _) = stand(&queue);
    assert!(queue.wake_one());
    drop(later);
    assert_eq!(counting.wakes(), 1);
}

/// A waker that puts a new waiter into the queue while `wake_all` runs: the newcomer is not among "all that wait now".
#[test]
fn a_waiter_that_comes_while_all_are_woken_is_not_woken() {
    struct Again(std::sync::Mutex<Vec<Waiting<'static>>>, &'static WaitQueue);
    // SAFETY: the test has one thread; `Wake` asks for it by type only.
    unsafe impl Send for Again {}
    // SAFETY: as above.
    unsafe impl Sync for Again {}
    impl Wake for Again {
        fn wake(self: Arc<Self>) {
            let mut waiting = self.1.wait();
            assert!(poll_once(&mut waiting).is_pending());
            self.0.lock().unwrap().push(waiting);
        }
    }
    let queue: &'static WaitQueue = crate::support::keep(WaitQueue::new());
    let again = Arc::new(Again(std::sync::Mutex::default(), queue));
    let mut waiting = queue.wait();
    assert!(poll_with(&mut waiting, &again.clone().into()).is_pending());
    assert_eq!(queue.wake_all(), 1);
    assert!(poll_once(&mut waiting).is_ready());
    assert!(poll_once(&mut again.0.lock().unwrap()[0]).is_pending());
    assert!(queue.wake_one());
    assert!(poll_once(&mut again.0.lock().unwrap()[0]).is_ready());
}

/// `chosen` of `n` waiters are chosen one after the other, then all are dropped, in every order, without having gone
/// on: each wake goes to the first who still waits, until nobody does (tokio#4618, tokio#3652).
#[test]
fn a_chosen_waiter_that_is_dropped_passes_its_wake_on_in_every_order() {
    for n in 1..=4 {
        for chosen in 1..=n {
            for order in permutations(n) {
                let queue = WaitQueue::new();
                let mut waiters: Vec<_> = (0..n).map(|_| Some(stand(&queue))).collect();
                for _ in 0..chosen {
                    assert!(queue.wake_one());
                }
                // The model: who waits, who has a wake.
                let mut waits: Vec<usize> = (chosen..n).collect();
                let mut woken: Vec<usize> = (0..chosen).collect();
                for &gone in &order {
                    drop(waiters[gone].take());
                    waits.retain(|waiter| *waiter != gone);
                    if woken.contains(&gone) {
                        woken.retain(|waiter| *waiter != gone);
                        if !waits.is_empty() {
                            woken.push(waits.remove(0));
                        }
                    }
                    for (number, waiter) in waiters.iter().enumerate() {
                        let Some((_, counting, _)) = waiter else { continue };
                        let expected = usize::from(woken.contains(&number));
                        assert_eq!(counting.wakes(), expected, "{n} wait, {chosen} chosen, dropped {order:?}");
                    }
                }
                assert_eq!(queue.len(), 0);
                assert!(!queue.wake_one());
            }
        }
    }
}

/// Only the waker of the last poll is woken (futures-intrusive#19); the others are let go.
#[test]
fn polling_with_another_waker_moves_the_wake() {
    let queue = WaitQueue::new();
    let (mut waiting, first, _) = stand(&queue);
    let (second, waker) = CountingWaker::new();
    assert!(poll_with(&mut waiting, &waker).is_pending());
    drop(waker);
    assert_eq!((Arc::strong_count(&first), Arc::strong_count(&second)), (1, 2), "only the last waker is kept");
    queue.wake_one();
    assert_eq!((first.wakes(), second.wakes()), (0, 1));
    assert!(poll_once(&mut waiting).is_ready());
    assert_eq!(Arc::strong_count(&second), 1, "no waker is kept after the wake");
}

/// Another waker does not cost the place in the queue.
#[test]
fn polling_with_another_waker_keeps_the_place() {
    let queue = WaitQueue::new();
    let (mut one, _, _) = stand(&queue);
    let (_two, second, _) = stand(&queue);
    let (first, waker) = CountingWaker::new();
    assert!(poll_with(&mut one, &waker).is_pending());
    queue.wake_one();
    assert_eq!((first.wakes(), second.wakes()), (1, 0));
}

/// Waiters that are polled once and dropped leave nothing (moq#353, msquic#81).
#[test]
fn abandoned_waiters_leave_nothing_behind() {
    support::alone("sync::wait_queue::abandoned_waiters_leave_nothing_behind", || {
        let queue = WaitQueue::new();
        let before = support::heap();
        for _ in 0..100_000 {
            assert!(poll_once(&mut queue.wait()).is_pending());
        }
        assert_eq!(queue.len(), 0);
        assert!(support::heap() - before < 4096, "the queue has grown by {}", support::heap() - before);
        let many: Vec<_> = (0..10_000).map(|_| stand(&queue)).collect();
        drop(many);
        assert!(support::heap() - before < 16 * 1024, "{} bytes are kept for nobody", support::heap() - before);
    });
}

/// A waker whose drop uses the queue again must not find it borrowed (tokio#5429, tokio#5578).
#[test]
fn a_waker_that_uses_the_queue_when_it_is_dropped_does_no_harm() {
    struct Table;
    impl Table {
        const TABLE: RawWakerVTable = RawWakerVTable::new(Table::clone, Table::drop, |_| {}, Table::drop);
        fn clone(queue: *const ()) -> RawWaker {
            RawWaker::new(queue, &Table::TABLE)
        }
        fn drop(queue: *const ()) {
            // SAFETY: the pointer is to a queue that was leaked.
            let queue = unsafe { &*queue.cast::<WaitQueue>() };
            queue.wake_one();
            let _ = poll_once(&mut queue.wait());
        }
    }
    let queue: &'static WaitQueue = crate::support::keep(WaitQueue::new());
    // SAFETY: the table's functions ask of the pointer only that it is to a live queue, on one thread.
    let waker = || unsafe { Waker::from_raw(Table::clone(std::ptr::from_ref(queue).cast())) };
    let (_other, counting, _) = stand(queue);
    let mut waiting = queue.wait();
    // The first drop of such a waker wakes the other waiter; a later one may wake this very one.
    assert!(poll_with(&mut waiting, &waker()).is_pending());
    assert_eq!(counting.wakes(), 1);
    assert!(poll_with(&mut waiting, Waker::noop()).is_pending());
    let _ = poll_with(&mut waiting, &waker());
    let _ = poll_with(&mut waiting, &waker());
    drop(waiting);
    assert_eq!((counting.wakes(), queue.len()), (1, 1));
}

/// A waker that wakes the queue while it is cloned: who is chosen in that moment, is polled and has another waker, must
/// not wait on.
#[test]
fn a_wake_that_comes_while_the_waker_is_cloned_is_not_lost() {
    let queue: &'static WaitQueue = support::keep(WaitQueue::new());
    for wake_all in [false, true] {
        let (mut waiting, ..) = stand(queue);
        let woken = Rc::new(std::cell::Cell::new(0));
        let wakes = woken.clone();
        let meddle = move |op| match op {
            Op::Clone if wake_all => _ = queue.wake_all(),
            Op::Clone => _ = queue.wake_one(),
            Op::Wake => wakes.set(wakes.get() + 1),
            Op::Drop => {}
        };
        with_meddling_waker(meddle, |waker| {
            let done = poll_with(&mut waiting, waker).is_ready();
            assert!(done || woken.get() == 1, "it is chosen, and its last waker is not woken");
            assert!(done || poll_once(&mut waiting).is_ready(), "the wake is lost");
        });
        assert_eq!(queue.len(), 0);
    }
}

#[test]
fn a_finished_wait_that_is_polled_again_waits_anew() {
    let queue = WaitQueue::new();
    let mut waiting = queue.wait();
    for _ in 0..3 {
        assert!(poll_once(&mut waiting).is_pending());
        assert!(queue.wake_one());
        assert_eq!(poll_once(&mut waiting), Poll::Ready(()));
    }
    assert_eq!(queue.len(), 0);
}

#[test]
fn it_works_on_a_foreign_executor() {
    let queue = WaitQueue::new();
    foreign_block_on(async {
        let mut waiting = queue.wait();
        std::future::poll_fn(|cx| {
            assert!(std::pin::Pin::new(&mut waiting).poll(cx).is_pending());
            Poll::Ready(())
        })
        .await;
        both(waiting, async { assert!(queue.wake_one()) }).await;
    });
    let mut context = Context::from_waker(Waker::noop());
    assert!(std::pin::pin!(queue.wait()).poll(&mut context).is_pending());
}

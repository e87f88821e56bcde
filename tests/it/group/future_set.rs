//! Which children of a set are polled, when, and what becomes of their wakers.

use std::cell::Cell;
use std::future::{pending, poll_fn, ready};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Waker};

use coracle::task::{FutureSet, yield_now};

use super::{ByHand, Hand, Noted, Trace, by_hand};
use crate::support::{CountingWaker, alone, leaves_the_heap_as_it_was};

fn hands(trace: &Trace, count: usize) -> (Vec<Hand<usize>>, FutureSet<ByHand<usize>>) {
    let (hands, futures): (Vec<_>, Vec<_>) = (0..count).map(|n| by_hand(trace, n)).unzip();
    (hands, futures.into_iter().collect())
}

fn poll<F: Future>(set: &mut FutureSet<F>, waker: &Waker) -> Poll<Option<F::Output>> {
    set.poll_next(&mut Context::from_waker(waker))
}

#[test]
fn only_those_that_were_woken_are_polled_in_the_order_of_their_wakes() {
    let trace = Trace::default();
    let (hands, mut set) = hands(&trace, 5);
    let (counting, waker) = CountingWaker::new();
    assert!(poll(&mut set, &waker).is_pending());
    assert_eq!(trace.take(), ["poll 0", "poll 1", "poll 2", "poll 3", "poll 4"]);
    assert_eq!(counting.wakes(), 0);

    for n in [3, 1, 3, 3] {
        hands[n].wake();
    }
    assert_eq!(counting.wakes(), 1, "the parent is woken once");
    assert!(poll(&mut set, &waker).is_pending());
    assert_eq!(trace.take(), ["poll 3", "poll 1"]);

    hands[4].end(40);
    hands[0].end(0);
    assert_eq!(poll(&mut set, &waker), Poll::Ready(Some(40)));
    assert_eq!(poll(&mut set, &waker), Poll::Ready(Some(0)));
    assert_eq!(trace.take(), ["poll 4", "drop 4", "poll 0", "drop 0"]);
    assert_eq!(set.len(), 3);
    drop(set);
    assert_eq!(trace.take(), ["drop 1", "drop 2", "drop 3"]);
}

/// One poll of the parent is bounded, and goes on by itself.
#[test]
fn at_most_sixty_four_are_polled_at_once_and_the_rest_follows() {
    let trace = Trace::default();
    let (_hands, mut set) = hands(&trace, 150);
    let (counting, waker) = CountingWaker::new();
    let mut polls = Vec::new();
    for round in 1..=3 {
        assert!(poll(&mut set, &waker).is_pending());
        polls.push(trace.take().len());
        assert_eq!(counting.wakes(), round.min(2));
    }
    assert_eq!(polls, [64, 64, 22]);
}

/// Ten thousand that end one by one cost ten thousand polls, and not as many squared (futures-rs#2526).
#[test]
fn ten_thousand_that_end_one_by_one_are_polled_twice_each() {
    let trace = Trace::default();
    let (hands, mut set) = hands(&trace, 10_000);
    let waker = Waker::noop();
    while !trace.take().is_empty() {
        assert!(poll(&mut set, waker).is_pending());
    }
    for (n, hand) in hands.iter().enumerate() {
        hand.end(n);
        assert_eq!(poll(&mut set, waker), Poll::Ready(Some(n)));
    }
    assert_eq!(poll(&mut set, waker), Poll::Ready(None));
    assert_eq!(trace.take().len(), 2 * 10_000, "a poll and a drop each");
}

/// `yield_now` says that every task that is ready goes first: inside of a set too.
#[test]
fn a_child_that_yields_lets_the_other_tasks_go_first() {
    let trace = Trace::default();
    coracle::block_on(async {
        let other = trace.clone();
        let task = coracle::spawn(async move {
            for n in 0..2 {
                other.note(format!("task {n}"));
                yield_now().await;
            }
        });
        let mut set: FutureSet<_> = (0..2)
            .map(|child| {
                let trace = trace.clone();
                async move {
                    for n in 0..2 {
                        trace.note(format!("child {child} {n}"));
                        yield_now().await;
                    }
                }
            })
            .collect();
        while set.next().await.is_some() {}
        task.await.unwrap();
    });
    assert_eq!(trace.take(), ["child 0 0", "child 1 0", "task 0", "child 0 1", "child 1 1", "task 1"]);
}

/// A loop over a set that always has something ready lets others go on (tokio#2542).
#[test]
fn a_set_that_is_always_ready_does_not_starve_others() {
    coracle::block_on(async {
        let ended = Rc::new(Cell::new(false));
        let task = coracle::spawn({
            let ended = ended.clone();
            async move {
                yield_now().await;
                ended.set(true);
            }
        });
        let mut set = FutureSet::new();
        let mut rounds = 0;
        while !ended.get() {
            set.insert(ready(()));
            set.next().await;
            rounds += 1;
            assert!(rounds < 10_000, "the other task never got its turn");
        }
        task.await.unwrap();
    });
}

/// A waker that somebody keeps after its child's end wakes nobody: not the parent, not the next child in the same
/// place.
#[test]
fn a_waker_kept_after_the_end_of_its_child_does_nothing() {
    let trace = Trace::default();
    let (hands, mut set) = hands(&trace, 2);
    let (counting, waker) = CountingWaker::new();
    assert!(poll(&mut set, &waker).is_pending());
    let kept = hands[0].take_waker().unwrap();
    hands[0].end(7);
    kept.wake_by_ref();
    assert_eq!(poll(&mut set, &waker), Poll::Ready(Some(7)));
    let mut wakes = counting.wakes();
    let mut nothing_happens = |set: &mut FutureSet<_>| {
        assert!(poll(set, &waker).is_pending());
        trace.take();
        wakes = wakes.max(counting.wakes());
        kept.wake_by_ref();
        drop(kept.clone());
        kept.wake_by_ref();
        assert_eq!(counting.wakes(), wakes, "the parent was woken for a child that is gone");
        assert!(poll(set, &waker).is_pending());
        assert!(trace.take().is_empty(), "somebody else was polled");
    };
    nothing_happens(&mut set);
    let (_next, child) = by_hand(&trace, "next");
    set.insert(child);
    nothing_happens(&mut set);
}

#[test]
fn a_waker_kept_after_the_end_of_the_set_does_nothing_and_keeps_nothing() {
    let trace = Trace::default();
    let (hands, mut set) = hands(&trace, 2);
    let (counting, waker) = CountingWaker::new();
    assert!(poll(&mut set, &waker).is_pending());
    let kept = hands[0].take_waker().unwrap();
    drop(waker);
    assert_eq!(Arc::strong_count(&counting), 2, "the set sleeps with the parent's waker");
    drop(set);
    assert_eq!(Arc::strong_count(&counting), 1);
    kept.wake();
    assert_eq!(counting.wakes(), 0);
}

/// Polled by one task, then by another: only the second is woken (futures-intrusive#19).
#[test]
fn the_last_who_polled_is_woken() {
    let trace = Trace::default();
    let (hands, mut set) = hands(&trace, 1);
    let ((first, first_waker), (second, second_waker)) = (CountingWaker::new(), CountingWaker::new());
    assert!(poll(&mut set, &first_waker).is_pending());
    assert!(poll(&mut set, &second_waker).is_pending());
    hands[0].wake();
    assert_eq!((first.wakes(), second.wakes()), (0, 1));
}

#[test]
fn an_insertion_wakes_whoever_waits_for_the_set() {
    let trace = Trace::default();
    let (_hands, mut set) = hands(&trace, 1);
    let (counting, waker) = CountingWaker::new();
    assert!(poll(&mut set, &waker).is_pending());
    let (_hand, second) = by_hand(&trace, "second");
    set.insert(second);
    assert_eq!(counting.wakes(), 1);
    trace.take();
    assert!(poll(&mut set, &waker).is_pending());
    assert_eq!(trace.take(), ["poll second"]);
}

/// Wakes come from eight threads while the set is polled; none is lost.
#[test]
fn wakes_from_other_threads_are_not_lost() {
    const ROUNDS: usize = 200;
    let (send, wakers) = std::sync::mpsc::channel::<(Waker, Arc<AtomicBool>)>();
    let threads: Vec<_> = {
        let wakers = Arc::new(std::sync::Mutex::new(wakers));
        let waking = move || {
            loop {
                let next = wakers.lock().unwrap().recv();
                let Ok((waker, flag)) = next else { return };
                flag.store(true, Ordering::Release);
                waker.wake();
            }
        };
        (0..8).map(|_| std::thread::spawn(waking.clone())).collect()
    };
    let child = || {
        let send = send.clone();
        async move {
            for _ in 0..ROUNDS {
                let mut flag = None;
                poll_fn(|cx| {
                    let flag = flag.get_or_insert_with(|| {
                        let flag = Arc::new(AtomicBool::new(false));
                        send.send((cx.waker().clone(), flag.clone())).unwrap();
                        flag
                    });
                    if flag.load(Ordering::Acquire) { Poll::Ready(()) } else { Poll::Pending }
                })
                .await;
            }
        }
    };
    coracle::block_on(async {
        let mut set: FutureSet<_> = (0..16).map(|_| child()).collect();
        let mut ended = 0;
        while set.next().await.is_some() {
            ended += 1;
        }
        assert_eq!(ended, 16);
    });
    drop(send);
    threads.into_iter().for_each(|thread| thread.join().unwrap());
}

#[test]
fn a_panic_comes_out_of_next_and_the_others_stay() {
    let trace = Trace::default();
    let noted = |name: &str| Noted(trace.clone(), name.to_owned());
    let child = |name: &'static str| {
        let noted = noted(name);
        async move {
            let _noted = noted;
            assert_ne!(name, "bad", "as it should");
            name
        }
    };
    coracle::block_on(async {
        let mut set: FutureSet<_> = ["a", "bad", "b"].map(child).into_iter().collect();
        assert_eq!(set.next().await, Some("a"));
        let caught = catch_unwind(AssertUnwindSafe(|| poll(&mut set, Waker::noop())));
        assert!(caught.is_err() && set.len() == 1);
        assert_eq!(set.next().await, Some("b"));
        assert_eq!(set.next().await, None);
    });
    assert_eq!(trace.take(), ["drop a", "drop bad", "drop b"]);
}

struct PanicOnDrop(Noted);

impl Future for PanicOnDrop {
    type Output = ();

    fn poll(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<()> {
        Poll::Ready(())
    }
}

impl Drop for PanicOnDrop {
    fn drop(&mut self) {
        panic!("{}", self.0.1);
    }
}

/// Drops that panic: each future is dropped all the same, the process lives, and the first panic goes on.
#[test]
fn all_are_dropped_though_each_drop_panics() {
    let trace = Trace::default();
    let new = || -> FutureSet<_> { (0..3).map(|n| PanicOnDrop(Noted(trace.clone(), n.to_string()))).collect() };
    fn first<T>(caught: Result<T, Box<dyn std::any::Any + Send>>) -> String {
        *caught.err().expect("it panics").downcast::<String>().unwrap()
    }
    let all = ["drop 0", "drop 1", "drop 2"];

    let set = new();
    assert_eq!(first(catch_unwind(AssertUnwindSafe(|| drop(set)))), "0");
    assert_eq!(trace.take(), all);

    let mut set = new();
    assert_eq!(first(catch_unwind(AssertUnwindSafe(|| set.clear()))), "0");
    assert!(set.is_empty());
    assert_eq!(trace.take(), all);

    // A future that is done and panics in its drop: that is its outcome.
    let mut set = new();
    for n in ["0", "1", "2"] {
        assert_eq!(first(catch_unwind(AssertUnwindSafe(|| poll(&mut set, Waker::noop())))), n);
    }
    assert!(set.is_empty() && trace.take() == all);

    // While the thread unwinds for another reason, no second panic ends the process.
    let set = new();
    let outer = catch_unwind(AssertUnwindSafe(|| {
        let _set = set;
        panic!("outer");
    }));
    assert_eq!(outer.unwrap_err().downcast_ref::<&str>(), Some(&"outer"));
    assert_eq!(trace.take(), all);
}

/// In the steady state a set allocates nothing and keeps nothing, also if wakers were cloned (tokio#5861).
#[test]
fn places_are_used_again() {
    alone("group::future_set::places_are_used_again", || {
        let mut set = FutureSet::new();
        for _ in 0..100 {
            set.insert(yield_now());
        }
        leaves_the_heap_as_it_was(|| {
            coracle::block_on(async {
                for _ in 0..10_000 {
                    assert!(set.next().await.is_some());
                    set.insert(yield_now());
                }
            });
        });
        assert_eq!(set.len(), 100);
    });
}

#[test]
fn an_empty_set_is_at_its_end_each_time() {
    let mut set = FutureSet::<std::future::Pending<()>>::new();
    for _ in 0..2 {
        assert_eq!(poll(&mut set, Waker::noop()), Poll::Ready(None));
        set.insert(pending());
        assert!(poll(&mut set, Waker::noop()).is_pending());
        set.clear();
    }
    assert_eq!(format!("{set:?}"), "FutureSet { len: 0 }");
}

//! Several yields of one body at once, and yields that are dropped: who has the answer.

use std::cell::{Cell, RefCell};
use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};

use coracle::coroutine::{Generator, StartError, Step};

use super::{both, ready, until};
use crate::support::cut_at_every_poll;

/// Two producers in one body: their values come out one at a time, and each has the answer to its own.
#[test]
fn yields_at_once_go_out_in_turn_each_with_its_own_answer() {
    let merged = Generator::new(async |co| {
        let one = async { [co.yield_("a1").await, co.yield_("a2").await] };
        let other = async { [co.yield_("b1").await, co.yield_("b2").await] };
        both(one, other).await
    });
    assert_eq!(merged.start(), Ok(Step::Yielded("a1")));
    assert_eq!(merged.resume(1), Ok(Step::Yielded("b1")), "a comes back for a2, and stands behind b1");
    assert_eq!(merged.resume(2), Ok(Step::Yielded("a2")), "and b behind a, though a is polled before b");
    assert_eq!(merged.resume(3), Ok(Step::Yielded("b2")));
    assert_eq!(merged.resume(4), Ok(Step::Returned(([1, 3], [2, 4]))));
}

/// As any future: a panic, and the yield that is out meanwhile keeps its answer.
#[test]
fn a_yield_polled_after_its_end_panics_and_disturbs_no_other() {
    let generator = Generator::new(async |co| {
        let mut done = Box::pin(co.yield_("done"));
        let first: u32 = done.as_mut().await;
        let next = co.yield_("next");
        let after = async {
            let panic = super::panic_of(|| done.as_mut().poll(&mut Context::from_waker(Waker::noop())));
            drop(done);
            panic.unwrap()
        };
        let (second, panic) = both(next, after).await;
        (first, second, panic)
    });
    generator.start().unwrap();
    assert_eq!(generator.resume(1), Ok(Step::Yielded("next")));
    let panic = "a Yield was polled after it was done".to_owned();
    assert_eq!(generator.resume(2), Ok(Step::Returned((1, 2, panic))));
}

#[test]
fn of_two_endless_producers_none_starves() {
    let words = Generator::<&str>::new(async |co| {
        let endless = |word| async move {
            loop {
                co.yield_(word).await
            }
        };
        let ((), ()) = both(endless("a"), endless("b")).await;
    });
    assert_eq!(words.take(10).collect::<String>(), "ababababab");
}

type Boxed<'a, T> = Pin<Box<dyn Future<Output = T> + 'a>>;

/// One future of a combinator that polls only those that were woken, each with a waker of its own.
struct Child<'a, T> {
    future: Boxed<'a, T>,
    woken: Arc<Woken>,
    output: Option<T>,
}

struct Woken {
    woken: AtomicBool,
    parent: Waker,
}

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.woken.store(true, Ordering::SeqCst);
        self.parent.wake_by_ref();
    }
}

async fn only_woken<T>(futures: Vec<Boxed<'_, T>>) -> Vec<T> {
    let parent = poll_fn(|cx| Poll::Ready(cx.waker().clone())).await;
    let child = |future| {
        let woken = Arc::new(Woken { woken: AtomicBool::new(true), parent: parent.clone() });
        Child { future, woken, output: None }
    };
    let mut children: Vec<_> = futures.into_iter().map(child).collect();
    poll_fn(|_| {
        for Child { future, woken, output } in &mut children {
            if output.is_none() && woken.woken.swap(false, Ordering::SeqCst) {
                *output = ready(future.as_mut().poll(&mut Context::from_waker(&Waker::from(woken.clone()))));
            }
        }
        if children.iter().all(|child| child.output.is_some()) { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
    children.into_iter().map(|child| child.output.unwrap()).collect()
}

/// A yield is woken by its answer, and one that waits for its turn when that comes: else such a combinator would never
/// poll them again.
#[test]
fn yields_under_a_combinator_with_wakers_of_its_own_are_woken() {
    let merged = Generator::new(async |co| {
        let one = |first: u32| async move { co.yield_(first).await + co.yield_(first + 1).await };
        only_woken(vec![Box::pin(one(10)) as Boxed<'_, u32>, Box::pin(one(20)), Box::pin(one(30))]).await
    });
    let mut step = merged.start().unwrap();
    let mut order = Vec::new();
    let sums = loop {
        match step {
            Step::Yielded(n) => {
                order.push(n);
                step = merged.resume(n * 100).unwrap();
            }
            Step::Returned(sums) => break sums,
        }
    };
    assert_eq!(sums, [2100, 4100, 6100], "an answer went to another yield than its own");
    order.sort_unstable();
    assert_eq!(order, [10, 11, 20, 21, 30, 31]);
}

/// Dropped before its value was seen, a yield did not happen; after, its answer goes to nobody.
#[test]
fn a_dropped_yield_is_not_seen_or_its_answer_goes_with_it() {
    let dropped = cut_at_every_poll(|cut| {
        let (answers, drops) = (RefCell::new(Vec::new()), Rc::new(Cell::new(0)));
        let value = |n| Counted(n, drops.clone());
        let generator = Generator::new(async |co| {
            let first = cut.at(co.yield_(value(1))).await;
            answers.borrow_mut().push(first);
            let second: u32 = co.yield_(value(2)).await;
            answers.borrow_mut().push(Some(second));
        });
        let mut seen = Vec::new();
        let mut step = generator.start().unwrap();
        while let Step::Yielded(value) = &step {
            seen.push(value.0);
            let answer = value.0 * 10;
            step = generator.resume(answer).unwrap();
        }
        match seen[..] {
            [2] => assert_eq!(*answers.borrow(), [None, Some(20)]),
            [1, 2] => assert!(*answers.borrow() == [None, Some(20)] || *answers.borrow() == [Some(10), Some(20)]),
            _ => panic!("yielded {seen:?}"),
        }
        drop((step, generator));
        assert_eq!(drops.get(), 2, "each value is dropped once");
    });
    assert_eq!(dropped, 4, "before its first poll (twice), right after it, and when it was resumed");
}

/// The same where nothing comes after it that would cover what is left.
#[test]
fn of_a_dropped_yield_neither_its_value_nor_its_answer_stays_behind() {
    let go_on = Cell::new(false);
    let generator = Generator::new(async |co| {
        let mut unseen = Box::pin(co.yield_("unseen"));
        assert!(poll_fn(|cx| Poll::Ready(unseen.as_mut().poll(cx).is_pending())).await);
        drop(unseen);
        until(&go_on).await;
        let mut seen = Box::pin(co.yield_("seen"));
        let mut polls = 0;
        poll_fn(|cx| {
            polls += 1;
            if polls == 1 { seen.as_mut().poll(cx).map(drop) } else { Poll::Ready(()) }
        })
        .await;
        drop(seen);
        let mut last = co.yield_("last");
        poll_fn(|cx| {
            // Polled more than once before the resumer sees it.
            assert!(Pin::new(&mut last).poll(cx).is_pending());
            assert!(Pin::new(&mut last).poll(cx).is_pending(), "it took the answer to another yield");
            Poll::Ready(())
        })
        .await;
        let answer: u32 = last.await;
        answer
    });
    assert_eq!(generator.start(), Err(StartError::Awaiting), "a yield was seen that did not happen");
    go_on.set(true);
    assert_eq!(generator.start(), Ok(Step::Yielded("seen")));
    assert_eq!(generator.resume(1), Ok(Step::Yielded("last")));
    assert_eq!(generator.resume(2), Ok(Step::Returned(2)));
}

struct Counted(u32, Rc<Cell<u32>>);

impl Drop for Counted {
    fn drop(&mut self) {
        self.1.set(self.1.get() + 1);
    }
}

/// The turn of one that is dropped while it waits goes to the next.
#[test]
fn a_dropped_yield_that_was_waiting_for_its_turn_leaves_the_queue() {
    let generator = Generator::new(async |co| {
        let mut second = Some(Box::pin(co.yield_("second")));
        let mut first = pin!(co.yield_("first"));
        let mut third = pin!(co.yield_("third"));
        poll_fn(|cx| {
            let polled = [first.as_mut().poll(cx), second.as_mut().unwrap().as_mut().poll(cx), third.as_mut().poll(cx)];
            assert!(polled.iter().all(Poll::is_pending));
            second = None;
            Poll::Ready(())
        })
        .await;
        let answers: (u32, u32) = both(first, third).await;
        answers
    });
    assert_eq!(generator.start(), Ok(Step::Yielded("first")));
    assert_eq!(generator.resume(1), Ok(Step::Yielded("third")));
    assert_eq!(generator.resume(3), Ok(Step::Returned((1, 3))));
}

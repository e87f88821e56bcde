//! `Event`: a flag that is waited for.

use std::cell::RefCell;
use std::rc::Rc;

use coracle::sync::{Event, EventWait};
use coracle::task::yield_now;
use proptest::prelude::*;

use super::waiter::{
    Op, VERY_MANY, Waiter, caught, lets_others_run, on_a_small_stack, said_to_wait_for, with_meddling_waker,
    with_panicking_waker, woken,
};
use super::{both, foreign_block_on, permutations};
use crate::support::{self, cut_at_every_poll, poll_once, poll_with};

#[test]
fn all_that_wait_go_on_in_order_when_it_is_set() {
    let (event, order) = (Rc::new(Event::new()), Rc::new(RefCell::new(Vec::new())));
    coracle::block_on(async {
        let tasks: Vec<_> = (0..5)
            .map(|n| {
                let (event, order) = (event.clone(), order.clone());
                coracle::spawn(async move {
                    event.wait().await;
                    order.borrow_mut().push(n);
                })
            })
            .collect();
        yield_now().await;
        assert!(order.borrow().is_empty());
        assert_eq!((event.set(), event.set()), (5, 0));
        for task in tasks {
            task.await.unwrap();
        }
        event.wait().await;
    });
    assert_eq!(*order.borrow(), [0, 1, 2, 3, 4]);
}

/// As in asyncio: who waits when it is set goes on, also if it is cleared before his turn; who comes then waits.
#[test]
fn setting_and_clearing_at_once_lets_those_through_that_wait() {
    let event = Event::new();
    let mut waiters: Vec<_> = (0..3).map(|_| Waiter::standing(event.wait())).collect();
    event.set();
    event.clear();
    let mut late = Waiter::standing(event.wait());
    assert_eq!(woken(&waiters), [true; 3]);
    assert!(waiters.iter_mut().all(|waiter| waiter.poll().is_ready()));
    assert!(!event.is_set() && !late.is_woken() && late.poll().is_pending());
    event.set();
    assert!(late.is_woken() && late.poll().is_ready());
}

/// One call satisfies one wait: a task that waits, goes on, and waits again needs a second one (tokio#5396,
/// tokio#5458).
#[test]
fn one_setting_that_is_cleared_does_not_satisfy_two_waits_in_sequence() {
    let event = Event::new();
    let mut one = Waiter::standing(event.wait());
    let dropped = Waiter::standing(event.wait());
    event.set();
    event.clear();
    assert!(one.poll().is_ready());
    let mut again = Waiter::standing(event.wait());
    drop(dropped);
    assert!(!again.is_woken() && again.poll().is_pending());
}

#[test]
fn waiters_leave_in_every_order() {
    for order in permutations(4) {
        for set_after in 0..4 {
            let event = Event::new();
            let mut waiters: Vec<_> = (0..4).map(|_| Some(Waiter::standing(event.wait()))).collect();
            for (at, gone) in order.iter().enumerate() {
                if at == set_after {
                    assert_eq!(event.set(), 4 - at);
                    event.clear();
                }
                drop(waiters[*gone].take());
                assert!(waiters.iter().flatten().all(|waiter| waiter.is_woken() == (at >= set_after)));
            }
            assert_eq!(event.set(), 0);
        }
    }
}

/// As documented: a dropped wait changes nothing.
#[test]
fn a_wait_that_is_dropped_at_any_point_changes_nothing() {
    let dropped = cut_at_every_poll(|cut| {
        coracle::block_on(async {
            let event = Rc::new(Event::new());
            let setter = coracle::spawn({
                let event = event.clone();
                async move { event.set() }
            });
            cut.at(event.wait()).await;
            event.wait().await;
            assert!(event.is_set());
            assert!(setter.await.unwrap() <= 1);
        });
    });
    assert!(dropped >= 2, "it was dropped {dropped} times");
}

#[test]
fn a_million_waiters_are_woken() {
    on_a_small_stack(|| {
        let event = Event::new();
        let mut waiters: Vec<_> = (0..VERY_MANY).map(|_| event.wait()).collect();
        assert!(waiters.iter_mut().all(|waiter| poll_once(waiter).is_pending()));
        assert_eq!(event.set(), VERY_MANY);
        event.clear();
        assert!(waiters.iter_mut().step_by(2).all(|waiter| poll_once(waiter).is_ready()));
        drop(waiters);
        assert_eq!(event.set(), 0);
    });
}

/// A waker that sets the event while it is cloned, when the wait has not been put down yet: the wait must not miss
/// that.
#[test]
fn a_waker_that_sets_the_event_does_no_harm() {
    for moment in [Op::Clone, Op::Wake, Op::Drop] {
        let event = Rc::new(Event::new());
        let (used, woken) = (event.clone(), Rc::new(std::cell::Cell::new(false)));
        let wakes = woken.clone();
        let meddle = move |op| {
            wakes.set(wakes.get() || op == Op::Wake);
            if op == moment {
                used.set();
                let _ = poll_once(&mut used.wait());
            }
        };
        with_meddling_waker(meddle, |waker| {
            let mut wait = event.wait();
            let ready = poll_with(&mut wait, waker).is_ready();
            if event.is_set() {
                assert!(ready || woken.get(), "{moment:?}: it is set, and who waits is not woken");
            }
            event.set();
            assert!(ready || poll_with(&mut wait, waker).is_ready());
        });
    }
}

#[test]
fn a_waker_that_panics_keeps_nobody_waiting() {
    with_panicking_waker(|waker| {
        let event = Event::new();
        let mut hostile = Some(event.wait());
        let _ = caught(|| poll_with(hostile.as_mut().unwrap(), waker));
        let behind = Waiter::standing(event.wait());
        let _ = caught(|| poll_with(hostile.as_mut().unwrap(), std::task::Waker::noop()));
        let _ = caught(|| poll_with(hostile.as_mut().unwrap(), waker));
        event.set();
        assert!(behind.is_woken());
        let _ = caught(|| hostile = None);
        drop(behind);
        event.clear();
        assert_eq!(format!("{event:?}"), "Event { set: false, waiting: 0 }");
    });
}

#[test]
fn waiting_in_a_loop_lets_others_run() {
    let event = Event::new();
    event.set();
    lets_others_run(async || event.wait().await);
}

#[test]
fn an_inspection_says_what_is_waited_for() {
    let event = Rc::new(Event::new());
    assert_eq!(said_to_wait_for(async move { event.wait().await }), "an event");
}

/// Waits that are polled once and dropped leave nothing (moq#353, msquic#81).
#[test]
fn nothing_is_left_on_the_heap() {
    support::alone("sync::event::nothing_is_left_on_the_heap", || {
        let event = Event::new();
        support::leaves_the_heap_as_it_was(|| {
            let _one = Waiter::standing(event.wait());
            (0..10_000).for_each(|_| assert!(poll_once(&mut event.wait()).is_pending()));
        });
    });
}

#[test]
fn it_works_on_a_foreign_executor() {
    let event = Event::new();
    foreign_block_on(both(event.wait(), async { event.set() }));
}

#[derive(Clone, Debug)]
enum Step {
    Wait,
    Poll(usize),
    Cancel(usize),
    Set,
    Clear,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => Just(Step::Wait),
        4 => any::<usize>().prop_map(Step::Poll),
        2 => any::<usize>().prop_map(Step::Cancel),
        1 => Just(Step::Set),
        1 => Just(Step::Clear),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    /// The model: the flag, and for each that waits whether it was set since he came.
    #[test]
    fn an_event_is_a_flag_whoever_gives_up(steps in proptest::collection::vec(step(), 0..120)) {
        let event = Event::new();
        let mut set = false;
        let mut waiting: Vec<(Waiter<EventWait<'_>>, bool)> = Vec::new();
        for step in steps {
            match step {
                Step::Wait => {
                    let mut waiter = Waiter::new(event.wait());
                    assert_eq!(waiter.poll().is_ready(), set);
                    if !set {
                        waiting.push((waiter, false));
                    }
                }
                Step::Poll(at) if !waiting.is_empty() => {
                    let at = at % waiting.len();
                    let through = waiting[at].1;
                    assert_eq!(waiting[at].0.poll().is_ready(), through);
                    if through {
                        drop(waiting.remove(at));
                    }
                }
                Step::Cancel(at) if !waiting.is_empty() => drop(waiting.remove(at % waiting.len())),
                Step::Set => {
                    let wait = waiting.iter().filter(|(_, through)| !through).count();
                    assert_eq!(event.set(), wait);
                    set = true;
                    waiting.iter_mut().for_each(|(_, through)| *through = true);
                }
                Step::Clear => {
                    event.clear();
                    set = false;
                }
                Step::Poll(_) | Step::Cancel(_) => {}
            }
            assert_eq!(event.is_set(), set);
            assert!(waiting.iter().all(|(waiter, through)| waiter.is_woken() == *through));
        }
    }
}

//! `Barrier`: rounds, leaders, and those that give up.

use std::cell::RefCell;
use std::rc::Rc;
use std::task::Poll;

use coracle::sync::{Barrier, BarrierWait};
use coracle::task::yield_now;
use proptest::prelude::*;

use super::waiter::{
    Op, VERY_MANY, Waiter, caught, lets_others_run, on_a_small_stack, said_to_wait_for, with_meddling_waker,
    with_panicking_waker, woken,
};
use super::{both, foreign_block_on, permutations};
use crate::support::{self, cut_at_every_poll, poll_once, poll_with};

#[test]
fn nobody_begins_a_round_before_all_have_ended_the_last_one() {
    let (barrier, trace) = (Rc::new(Barrier::new(4)), Rc::new(RefCell::new(Vec::new())));
    coracle::block_on(async {
        let tasks: Vec<_> = (0..4)
            .map(|task| {
                let (barrier, trace) = (barrier.clone(), trace.clone());
                coracle::spawn(async move {
                    let mut led = 0;
                    for round in 0..5 {
                        for _ in 0..(task + round) % 3 {
                            yield_now().await;
                        }
                        trace.borrow_mut().push(round);
                        led += usize::from(barrier.wait().await.is_leader());
                    }
                    led
                })
            })
            .collect();
        let mut led = 0;
        for task in tasks {
            led += task.await.unwrap();
        }
        assert_eq!(led, 5, "one leader a round");
    });
    assert!(trace.borrow().is_sorted() && trace.borrow().len() == 20, "{:?}", trace.borrow());
}

#[test]
fn with_none_or_one_nobody_waits_and_everybody_leads() {
    for n in [0, 1] {
        let barrier = Barrier::new(n);
        for _ in 0..3 {
            assert!(matches!(poll_once(&mut barrier.wait()), Poll::Ready(result) if result.is_leader()));
        }
        lets_others_run(async || assert!(barrier.wait().await.is_leader()));
    }
    assert!(poll_once(&mut Barrier::new(usize::MAX).wait()).is_pending());
}

/// The last to come leads and does not wait; the others go on in order, and are not the leader. Those of the next round
/// do not mix with those that have not gone on yet.
#[test]
fn a_round_is_not_mixed_up_with_the_one_before() {
    let barrier = Barrier::new(3);
    let mut first: Vec<_> = (0..2).map(|_| Waiter::standing(barrier.wait())).collect();
    let mut leader = Waiter::new(barrier.wait());
    assert!(matches!(leader.poll(), Poll::Ready(result) if result.is_leader()));
    assert!(!leader.is_woken() && woken(&first) == [true; 2]);
    let second: Vec<_> = (0..2).map(|_| Waiter::standing(barrier.wait())).collect();
    for waiter in &mut first {
        assert!(matches!(waiter.poll(), Poll::Ready(result) if !result.is_leader()));
    }
    assert_eq!(woken(&second), [false; 2]);
    assert!(poll_once(&mut barrier.wait()).is_ready());
    assert_eq!(woken(&second), [true; 2]);
}

/// Waiters give up, in every order, before the round is full or after: before, they have not come; after, they have.
#[test]
fn waiters_that_give_up_in_every_order_leave_as_if_they_had_not_come() {
    for n in 2..=5_usize {
        for order in permutations(n - 1) {
            for given_up in 0..n {
                let barrier = Barrier::new(n);
                let mut waiters: Vec<_> = (1..n).map(|_| Some(Waiter::standing(barrier.wait()))).collect();
                order.iter().take(given_up).for_each(|gone| drop(waiters[*gone].take()));
                for _ in 0..given_up {
                    waiters.push(Some(Waiter::standing(barrier.wait())));
                }
                assert!(waiters.iter().flatten().all(|waiter| !waiter.is_woken()));
                assert!(poll_once(&mut barrier.wait()).is_ready(), "{n} {order:?} {given_up}");
                assert!(waiters.iter().flatten().all(Waiter::is_woken));
                // These have been through: dropping them takes nothing from the next round.
                drop(waiters);
                let next: Vec<_> = (1..n).map(|_| Waiter::standing(barrier.wait())).collect();
                assert!(poll_once(&mut barrier.wait()).is_ready());
                assert!(next.iter().all(Waiter::is_woken));
            }
        }
    }
}

/// As documented: dropped before the round is full it has not come, and another must; dropped after, it counts.
#[test]
fn a_wait_that_is_dropped_at_any_point_leaves_or_counts() {
    let dropped = cut_at_every_poll(|cut| {
        coracle::block_on(async {
            let barrier = Rc::new(Barrier::new(2));
            let other = coracle::spawn({
                let barrier = barrier.clone();
                async move { barrier.wait().await.is_leader() }
            });
            let passed = cut.at(barrier.wait()).await.is_some();
            yield_now().await;
            if !passed && !other.is_finished() {
                assert!(barrier.wait().await.is_leader());
            }
            assert_eq!(format!("{barrier:?}"), "Barrier { n: 2, come: 0 }");
            other.await.unwrap();
        });
    });
    assert!(dropped >= 2, "it was dropped {dropped} times");
}

#[test]
fn a_million_wait_for_each_other() {
    on_a_small_stack(|| {
        let barrier = Barrier::new(VERY_MANY + 1);
        let mut waiters: Vec<_> = (0..VERY_MANY).map(|_| barrier.wait()).collect();
        assert!(waiters.iter_mut().all(|waiter| poll_once(waiter).is_pending()));
        assert!(poll_once(&mut barrier.wait()).is_ready());
        assert!(waiters.iter_mut().step_by(2).all(|waiter| poll_once(waiter).is_ready()));
    });
}

/// A waker that brings another one to the barrier while it is cloned: the round is full, and somebody must notice.
#[test]
fn a_waker_that_comes_too_does_no_harm() {
    for moment in [Op::Clone, Op::Wake, Op::Drop] {
        let barrier: &'static Barrier = support::keep(Barrier::new(3));
        let others: Rc<RefCell<Vec<Waiter<BarrierWait<'static>>>>> = Rc::default();
        let come = others.clone();
        let meddle = move |op| {
            if op == moment && come.borrow().len() < 2 {
                let mut waiter = Waiter::new(barrier.wait());
                if waiter.poll().is_pending() {
                    come.borrow_mut().push(waiter);
                }
            }
        };
        with_meddling_waker(meddle, |waker| {
            let mut one = barrier.wait();
            let mut passed = poll_with(&mut one, waker).is_ready();
            passed = passed || poll_once(&mut one).is_ready();
            passed = passed || poll_with(&mut one, waker).is_ready();
            while !passed && others.borrow().len() < 2 {
                let mut waiter = Waiter::new(barrier.wait());
                if waiter.poll().is_pending() {
                    others.borrow_mut().push(waiter);
                } else {
                    break;
                }
            }
            assert!(passed || poll_with(&mut one, waker).is_ready(), "{moment:?}: three have come");
        });
        let all: Vec<_> = others.borrow_mut().iter_mut().map(|other| other.poll().is_ready()).collect();
        assert!(all[0], "{moment:?}: {all:?}");
    }
}

#[test]
fn a_waker_that_panics_keeps_nobody_waiting() {
    with_panicking_waker(|waker| {
        let barrier = Barrier::new(2);
        let mut hostile = Some(barrier.wait());
        let _ = caught(|| poll_with(hostile.as_mut().unwrap(), waker));
        let _ = caught(|| poll_with(hostile.as_mut().unwrap(), std::task::Waker::noop()));
        let _ = caught(|| poll_with(hostile.as_mut().unwrap(), waker));
        let _ = caught(|| hostile = None);
        let one = Waiter::standing(barrier.wait());
        assert!(poll_once(&mut barrier.wait()).is_ready() && one.is_woken());
    });
}

#[test]
fn an_inspection_says_what_is_waited_for() {
    let barrier = Rc::new(Barrier::new(2));
    let waits = barrier.clone();
    assert_eq!(said_to_wait_for(async move { waits.wait().await }), "the others at a barrier");
    assert_eq!(format!("{barrier:?}"), "Barrier { n: 2, come: 0 }");
}

#[test]
fn it_works_on_a_foreign_executor() {
    let barrier = Barrier::new(2);
    let (one, two) = foreign_block_on(both(barrier.wait(), barrier.wait()));
    assert_eq!((one.is_leader(), two.is_leader()), (false, true));
}

#[derive(Clone, Debug)]
enum Step {
    Wait,
    Poll(usize),
    Cancel(usize),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => Just(Step::Wait),
        3 => any::<usize>().prop_map(Step::Poll),
        2 => any::<usize>().prop_map(Step::Cancel),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    /// The model: for each that stands there, whether his round is full.
    #[test]
    fn a_barrier_is_a_counter_whoever_gives_up(n in 0..6_usize, steps in proptest::collection::vec(step(), 0..120)) {
        let barrier = Barrier::new(n);
        let mut waiting: Vec<(Waiter<BarrierWait<'_>>, bool)> = Vec::new();
        for step in steps {
            match step {
                Step::Wait => {
                    let mut waiter = Waiter::new(barrier.wait());
                    let come = 1 + waiting.iter().filter(|(_, passed)| !passed).count();
                    match waiter.poll() {
                        Poll::Ready(result) => {
                            assert!(come >= n && result.is_leader());
                            waiting.iter_mut().for_each(|(_, passed)| *passed = true);
                        }
                        Poll::Pending => {
                            assert!(come < n, "all have come, and it waits");
                            waiting.push((waiter, false));
                        }
                    }
                }
                Step::Poll(at) if !waiting.is_empty() => {
                    let at = at % waiting.len();
                    let passed = waiting[at].1;
                    let result = super::ready(waiting[at].0.poll());
                    assert_eq!(result.map(|result| result.is_leader()), passed.then_some(false));
                    if passed {
                        drop(waiting.remove(at));
                    }
                }
                Step::Cancel(at) if !waiting.is_empty() => drop(waiting.remove(at % waiting.len())),
                Step::Poll(_) | Step::Cancel(_) => {}
            }
            assert!(waiting.iter().all(|(waiter, passed)| waiter.is_woken() == *passed));
        }
    }
}

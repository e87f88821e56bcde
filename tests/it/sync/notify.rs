//! `Notify`: a wake goes to one that waits, or is kept for one that comes.

use std::rc::Rc;

use coracle::sync::{Notified, Notify};
use coracle::task::yield_now;
use proptest::prelude::*;

use super::waiter::{
    Op, VERY_MANY, Waiter, caught, lets_others_run, on_a_small_stack, said_to_wait_for, with_meddling_waker,
    with_panicking_waker, woken,
};
use super::{both, foreign_block_on, permutations};
use crate::support::{self, cut_at_every_poll, poll_once, poll_with};

#[test]
fn one_wake_is_kept_and_not_two() {
    let notify = Notify::new();
    notify.notify_one();
    notify.notify_one();
    assert!(poll_once(&mut notify.notified()).is_ready());
    assert!(poll_once(&mut notify.notified()).is_pending());
}

#[test]
fn wakes_go_to_those_that_wait_in_order_and_only_then_are_kept() {
    let notify = Notify::new();
    let mut waiters: Vec<_> = (0..3).map(|_| Waiter::standing(notify.notified())).collect();
    notify.notify_one();
    notify.notify_one();
    assert_eq!(woken(&waiters), [true, true, false]);
    notify.notify_one();
    notify.notify_one();
    assert!(waiters.iter_mut().all(|waiter| waiter.poll().is_ready()));
    assert!(poll_once(&mut notify.notified()).is_ready(), "the fourth was kept");
    assert!(poll_once(&mut notify.notified()).is_pending());
}

/// One call must not satisfy two waits that follow each other (tokio#5396, tokio#5458).
#[test]
fn notifying_all_does_not_satisfy_two_waits_in_sequence() {
    let notify = Notify::new();
    let mut first: Vec<_> = (0..3).map(|_| Waiter::standing(notify.notified())).collect();
    assert_eq!(notify.notify_all(), 3);
    // The first goes on and waits again, the second is dropped instead, the third is slow.
    assert!(first[0].poll().is_ready());
    let mut again = Waiter::standing(notify.notified());
    drop(first.remove(1));
    assert!(!again.is_woken() && again.poll().is_pending());
    assert!(first[1].poll().is_ready());
    assert_eq!((notify.notify_all(), notify.notify_all()), (1, 0));
    assert!(again.poll().is_ready());
    assert!(poll_once(&mut notify.notified()).is_pending(), "notify_all keeps nothing");
}

/// A waiter that was woken with all, and one that is woken alone behind it: the two wakes are not mixed up.
#[test]
fn a_wake_for_one_after_a_wake_for_all_is_kept() {
    let notify = Notify::new();
    let mut waiter = Waiter::standing(notify.notified());
    assert_eq!(notify.notify_all(), 1);
    notify.notify_one();
    assert!(waiter.poll().is_ready());
    assert!(poll_once(&mut notify.notified()).is_ready());
    assert_eq!(notify.notify_all(), 0);
    notify.notify_one();
    assert_eq!(notify.notify_all(), 0);
    assert!(poll_once(&mut notify.notified()).is_ready(), "notify_all takes nothing away");
}

/// `chosen` of `n` waiters were notified, then all are dropped, in every order: each wake goes to the first that still
/// waits; when nobody does, one is kept (tokio#4618, tokio#3652, tokio#904, embassy#6964, async-lock#23).
#[test]
fn a_notified_waiter_that_is_dropped_passes_its_wake_on_in_every_order() {
    for n in 1..=4 {
        for chosen in 0..=n {
            for order in permutations(n) {
                let notify = Notify::new();
                let mut waiters: Vec<_> = (0..n).map(|_| Some(Waiter::standing(notify.notified()))).collect();
                (0..chosen).for_each(|_| notify.notify_one());
                let mut model = Model { wakes: (0..n).map(|id| (id, id < chosen)).collect(), kept: false };
                for gone in &order {
                    drop(waiters[*gone].take());
                    model.cancel(*gone);
                    for (id, waiter) in waiters.iter().enumerate() {
                        let Some(waiter) = waiter else { continue };
                        assert_eq!(waiter.is_woken(), model.is_woken(id), "{n} wait, {chosen} chosen, {order:?}");
                    }
                }
                assert_eq!(model.kept, chosen > 0);
                assert_eq!(poll_once(&mut notify.notified()).is_ready(), model.kept, "{n} {chosen} {order:?}");
            }
        }
    }
}

/// As documented: dropped at any point, it loses no wake of `notify_one`.
#[test]
fn a_wait_that_is_dropped_at_any_point_loses_no_wake() {
    let dropped = cut_at_every_poll(|cut| {
        coracle::block_on(async {
            let notify = Rc::new(Notify::new());
            let notifier = coracle::spawn({
                let notify = notify.clone();
                async move { notify.notify_one() }
            });
            if cut.at(notify.notified()).await.is_none() {
                notify.notified().await;
            }
            assert!(poll_once(&mut notify.notified()).is_pending());
            notifier.await.unwrap();
        });
    });
    assert!(dropped >= 2, "it was dropped {dropped} times");
}

/// The worker that deals with what happened, and then waits, misses nothing that happens meanwhile.
#[test]
fn a_worker_that_is_notified_while_it_works_comes_again() {
    let (notify, work) = (Rc::new(Notify::new()), Rc::new(std::cell::Cell::new(0)));
    coracle::block_on(async {
        let worker = coracle::spawn({
            let (notify, work) = (notify.clone(), work.clone());
            async move {
                let mut done = 0;
                while done < 10 {
                    notify.notified().await;
                    done += work.take();
                    yield_now().await;
                }
            }
        });
        for pause in 0..10 {
            work.set(work.get() + 1);
            notify.notify_one();
            for _ in 0..pause % 4 {
                yield_now().await;
            }
        }
        worker.await.unwrap();
    });
}

#[test]
fn a_million_waiters_are_notified() {
    on_a_small_stack(|| {
        let notify = Notify::new();
        let mut waiters: Vec<_> = (0..VERY_MANY).map(|_| notify.notified()).collect();
        assert!(waiters.iter_mut().all(|waiter| poll_once(waiter).is_pending()));
        // One wake travels through all that are dropped, and is kept.
        notify.notify_one();
        waiters.drain(..VERY_MANY / 2).for_each(drop);
        assert!(poll_once(&mut waiters[0]).is_ready());
        assert_eq!(notify.notify_all(), VERY_MANY / 2 - 1);
        drop(waiters);
        assert!(poll_once(&mut notify.notified()).is_pending());
    });
}

#[test]
fn a_waker_that_notifies_does_no_harm() {
    for moment in [Op::Clone, Op::Wake, Op::Drop] {
        let notify = Rc::new(Notify::new());
        let (used, woken) = (notify.clone(), Rc::new(std::cell::Cell::new(false)));
        let wakes = woken.clone();
        let meddle = move |op| {
            wakes.set(wakes.get() || op == Op::Wake);
            if op == moment {
                used.notify_one();
                let _ = poll_once(&mut used.notified()).is_ready().then(|| used.notify_one());
            }
        };
        with_meddling_waker(meddle, |waker| {
            let mut notified = notify.notified();
            let mut ready = poll_with(&mut notified, waker).is_ready();
            assert!(moment != Op::Clone || ready || woken.get(), "notified, and not woken");
            notify.notify_all();
            notify.notify_one();
            ready = ready || poll_with(&mut notified, waker).is_ready();
            assert!(ready, "{moment:?}: it waits for ever");
        });
    }
}

#[test]
fn a_waker_that_panics_loses_no_wake() {
    with_panicking_waker(|waker| {
        let notify = Notify::new();
        let mut hostile = Some(notify.notified());
        let _ = caught(|| poll_with(hostile.as_mut().unwrap(), waker));
        let _ = caught(|| poll_with(hostile.as_mut().unwrap(), std::task::Waker::noop()));
        let _ = caught(|| poll_with(hostile.as_mut().unwrap(), waker));
        let behind = Waiter::standing(notify.notified());
        notify.notify_one();
        let _ = caught(|| hostile = None);
        assert!(behind.is_woken());
    });
}

#[test]
fn waiting_in_a_loop_lets_others_run() {
    let notify = Notify::new();
    lets_others_run(async || {
        notify.notify_one();
        notify.notified().await;
    });
}

#[test]
fn an_inspection_says_what_is_waited_for() {
    let notify = Rc::new(Notify::new());
    let waits = notify.clone();
    assert_eq!(said_to_wait_for(async move { waits.notified().await }), "a notification");
    notify.notify_one();
    assert_eq!(format!("{notify:?}"), "Notify { kept: true, waiting: 0 }");
}

/// Waits that are polled once and dropped leave nothing (moq#353, msquic#81).
#[test]
fn nothing_is_left_on_the_heap() {
    support::alone("sync::notify::nothing_is_left_on_the_heap", || {
        let notify = Notify::new();
        support::leaves_the_heap_as_it_was(|| {
            let _one = Waiter::standing(notify.notified());
            (0..10_000).for_each(|_| assert!(poll_once(&mut notify.notified()).is_pending()));
        });
    });
}

#[test]
fn it_works_on_a_foreign_executor() {
    let notify = Notify::new();
    foreign_block_on(both(notify.notified(), async { notify.notify_one() }));
    foreign_block_on(both(notify.notified(), async { notify.notify_all() }));
}

/// The model: who stands in the queue, in order, and whether he was woken alone; and the wake that is kept.
#[derive(Debug, Default)]
struct Model {
    wakes: Vec<(usize, bool)>,
    kept: bool,
}

impl Model {
    fn notify_one(&mut self) {
        match self.wakes.iter_mut().find(|(_, woken)| !woken) {
            Some((_, woken)) => *woken = true,
            None => self.kept = true,
        }
    }

    fn is_woken(&self, id: usize) -> bool {
        self.wakes.contains(&(id, true))
    }

    fn cancel(&mut self, id: usize) {
        let woken = self.is_woken(id);
        self.wakes.retain(|(other, _)| *other != id);
        if woken {
            self.notify_one();
        }
    }
}

#[derive(Clone, Debug)]
enum Step {
    Wait,
    Poll(usize),
    Cancel(usize),
    NotifyOne,
    NotifyAll,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => Just(Step::Wait),
        5 => any::<usize>().prop_map(Step::Poll),
        4 => any::<usize>().prop_map(Step::Cancel),
        4 => Just(Step::NotifyOne),
        1 => Just(Step::NotifyAll),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_notify_is_a_flag_and_a_queue_whoever_gives_up(steps in proptest::collection::vec(step(), 0..120)) {
        let notify = Notify::new();
        let mut model = Model::default();
        let mut waiting: Vec<(usize, Waiter<Notified<'_>>)> = Vec::new();
        // Those that were woken with all others.
        let mut with_all: Vec<usize> = Vec::new();
        for (id, step) in steps.into_iter().enumerate() {
            match step {
                Step::Wait => {
                    let mut waiter = Waiter::new(notify.notified());
                    assert_eq!(waiter.poll().is_ready(), std::mem::take(&mut model.kept), "{model:?}");
                    if waiter.poll().is_pending() {
                        model.wakes.push((id, false));
                        waiting.push((id, waiter));
                    }
                }
                Step::Poll(at) if !waiting.is_empty() => {
                    let at = at % waiting.len();
                    let id = waiting[at].0;
                    let through = with_all.contains(&id) || model.is_woken(id);
                    assert_eq!(waiting[at].1.poll().is_ready(), through, "{model:?}");
                    if through {
                        with_all.retain(|other| *other != id);
                        model.wakes.retain(|(other, _)| *other != id);
                        drop(waiting.remove(at));
                    }
                }
                Step::Cancel(at) if !waiting.is_empty() => {
                    let (id, waiter) = waiting.remove(at % waiting.len());
                    drop(waiter);
                    with_all.retain(|other| *other != id);
                    model.cancel(id);
                }
                Step::NotifyOne => {
                    notify.notify_one();
                    model.notify_one();
                }
                Step::NotifyAll => {
                    let before = with_all.len();
                    with_all.extend(model.wakes.iter().filter(|(_, woken)| !woken).map(|(id, _)| id));
                    model.wakes.retain(|(_, woken)| *woken);
                    assert_eq!(notify.notify_all(), with_all.len() - before);
                }
                Step::Poll(_) | Step::Cancel(_) => {}
            }
            for (id, waiter) in &waiting {
                assert_eq!(waiter.is_woken(), with_all.contains(id) || model.is_woken(*id), "{id} of {model:?}");
            }
        }
        drop(waiting);
        let woken_alone = model.wakes.iter().any(|(_, woken)| *woken);
        assert_eq!(poll_once(&mut notify.notified()).is_ready(), model.kept || woken_alone, "{model:?}");
    }
}

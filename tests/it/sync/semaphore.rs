//! `Semaphore`, and so the line of permits that the locks are made of: order, hand-over, cancellation, numbers.

use std::collections::VecDeque;
use std::rc::Rc;
use std::task::Poll;

use coracle::sync::{Acquire, AcquireError, Permit, Semaphore, TryAcquireError};
use proptest::prelude::*;

use super::waiter::{
    Op, VERY_MANY, Waiter, caught, lets_others_run, on_a_small_stack, said_to_wait_for, with_meddling_waker,
    with_panicking_waker, woken,
};
use super::{both, foreign_block_on, permutations};
use crate::support::{self, cut_at_every_poll, poll_once, poll_with};

type Acquiring<'a> = Waiter<Acquire<&'a Semaphore>>;

fn granted<'a>(waiter: &mut Acquiring<'a>) -> Permit<&'a Semaphore> {
    match waiter.poll() {
        Poll::Ready(Ok(permit)) => permit,
        other => panic!("it was to have its permits: {other:?}"),
    }
}

#[test]
fn permits_go_to_those_that_wait_in_the_order_of_arrival() {
    let semaphore = Semaphore::new(0);
    let mut waiters: Vec<_> = (0..4).map(|_| Waiter::standing(semaphore.acquire())).collect();
    for served in 0..4 {
        semaphore.add_permits(1);
        assert_eq!(woken(&waiters), (0..4).map(|n| n == served).collect::<Vec<_>>());
        assert_eq!(semaphore.available_permits(), 0, "it has been handed over");
        assert!(semaphore.try_acquire().is_err());
        granted(&mut waiters[served]).forget();
    }
    semaphore.add_permits(1);
    assert_eq!(semaphore.available_permits(), 1);
}

#[test]
fn a_request_for_many_is_not_starved_by_those_behind_it() {
    let semaphore = Semaphore::new(3);
    let one = semaphore.try_acquire().unwrap();
    let (mut three, mut small) = (Waiter::standing(semaphore.acquire_many(3)), Waiter::standing(semaphore.acquire()));
    assert_eq!(semaphore.available_permits(), 2);
    assert_eq!(semaphore.try_acquire().unwrap_err(), TryAcquireError::NoPermits, "two are there, and it overtakes");
    assert!(small.poll().is_pending(), "it overtakes");
    drop(one);
    assert!(three.is_woken() && !small.is_woken());
    let permit = granted(&mut three);
    assert_eq!((permit.count(), semaphore.available_permits()), (3, 0));
    drop(permit);
    assert!(small.is_woken());
    drop(granted(&mut small));
    assert_eq!(semaphore.available_permits(), 3);
}

/// The first in the line wants more than there is. It gives up: whoever stood behind it, and wants less, must be woken.
#[test]
fn a_cancelled_head_lets_those_behind_it_go_on() {
    let semaphore = Semaphore::new(2);
    let large = Waiter::standing(semaphore.acquire_many(5));
    let mut behind: Vec<_> = (0..3).map(|_| Waiter::standing(semaphore.acquire())).collect();
    drop(large);
    assert_eq!(woken(&behind), [true, true, false]);
    drop(granted(&mut behind[0]));
    assert!(behind[2].is_woken());
}

/// One after the other all waiters are dropped, in every order, some of them when they had been given permits that they
/// have not seen: each permit goes to somebody who waits, and back when nobody does (tokio#4618, tokio#3652, tokio#904,
/// embassy#6964, async-lock#23).
#[test]
fn a_served_waiter_that_is_dropped_passes_its_permits_on_in_every_order() {
    for n in 1..=4 {
        // Every waiter wants one permit, or two.
        for wants in 0..1_usize << n {
            let wants: Vec<usize> = (0..n).map(|bit| 1 + (wants >> bit & 1)).collect();
            for added in 0..=5 {
                for order in permutations(n) {
                    let semaphore = Semaphore::new(0);
                    let mut model = Model::default();
                    let mut waiters = Vec::new();
                    for (id, want) in wants.iter().enumerate() {
                        waiters.push(Some(Waiter::standing(semaphore.acquire_many(*want))));
                        model.line.push_back((id, *want));
                    }
                    semaphore.add_permits(added);
                    model.add(added);
                    for gone in &order {
                        drop(waiters[*gone].take());
                        model.cancel(*gone);
                        for (id, waiter) in waiters.iter().enumerate() {
                            let Some(waiter) = waiter else { continue };
                            assert_eq!(waiter.is_woken(), model.is_answered(id), "{wants:?} {added} {order:?}");
                        }
                        assert_eq!(semaphore.available_permits(), model.free);
                    }
                    assert_eq!(semaphore.available_permits(), added, "{wants:?} {order:?}: a permit is lost");
                }
            }
        }
    }
}

#[test]
fn closing_refuses_those_that_wait_and_all_that_come() {
    let semaphore = Semaphore::new(1);
    let held = semaphore.try_acquire().unwrap();
    let mut waiters: Vec<_> = (0..3).map(|_| Waiter::standing(semaphore.acquire())).collect();
    drop(held);
    assert_eq!(woken(&waiters), [true, false, false]);
    semaphore.close();
    semaphore.close();
    assert_eq!(woken(&waiters), [true; 3]);
    let permit = granted(&mut waiters[0]);
    for waiter in &mut waiters[1..] {
        assert!(matches!(waiter.poll(), Poll::Ready(Err(AcquireError))));
    }
    assert!(matches!(poll_once(&mut semaphore.acquire_many(0)), Poll::Ready(Err(AcquireError))));
    assert_eq!(semaphore.try_acquire().unwrap_err(), TryAcquireError::Closed);
    drop(permit);
    semaphore.add_permits(1);
    assert!(semaphore.try_acquire().is_err() && semaphore.is_closed());
    assert_eq!(semaphore.available_permits(), 2);
}

/// One that was refused, and is dropped before it sees that, passes nothing on: it had nothing.
#[test]
fn a_refused_waiter_that_is_dropped_gives_nothing_back() {
    let semaphore = Semaphore::new(0);
    let waiter = Waiter::standing(semaphore.acquire_many(7));
    semaphore.close();
    drop(waiter);
    assert_eq!(semaphore.available_permits(), 0);
}

#[test]
fn none_and_the_most_are_numbers_too() {
    let semaphore = Semaphore::new(usize::MAX);
    assert_eq!(semaphore.try_acquire_many(usize::MAX).unwrap().count(), usize::MAX);
    semaphore.add_permits(usize::MAX);
    let held = semaphore.try_acquire().unwrap();
    semaphore.add_permits(5);
    drop(held);
    assert_eq!(semaphore.available_permits(), usize::MAX, "it saturates");

    let semaphore = Semaphore::new(0);
    assert_eq!(semaphore.try_acquire_many(0).unwrap().count(), 0);
    let mut most = Waiter::standing(semaphore.acquire_many(usize::MAX));
    semaphore.add_permits(usize::MAX - 1);
    assert!(!most.is_woken());
    assert!(poll_once(&mut semaphore.acquire_many(0)).is_ready(), "for nothing nobody waits");
    semaphore.add_permits(1);
    drop(granted(&mut most));
}

#[test]
fn an_owned_permit_keeps_the_semaphore() {
    let semaphore = Rc::new(Semaphore::new(5));
    let two = coracle::block_on(semaphore.clone().acquire_many_owned(2)).unwrap();
    let one = semaphore.clone().try_acquire_owned().unwrap();
    assert_eq!(semaphore.available_permits(), 2);
    let mut waiter = Waiter::standing(semaphore.clone().acquire_many_owned(3));
    let weak = Rc::downgrade(&semaphore);
    drop(semaphore);
    drop(two);
    let Poll::Ready(Ok(three)) = waiter.poll() else { panic!("four are free") };
    drop((one, waiter));
    assert_eq!(weak.upgrade().unwrap().available_permits(), 2);
    drop(three);
    assert!(weak.upgrade().is_none());
}

/// As documented: one that is dropped, before it was polled, while it stands in the line, or when it was served and has
/// not seen it, leaves all permits there.
#[test]
fn an_acquire_that_is_dropped_at_any_point_takes_nothing() {
    let dropped = cut_at_every_poll(|cut| {
        coracle::block_on(async {
            let semaphore = Rc::new(Semaphore::new(1));
            let held = semaphore.clone().acquire_owned().await.unwrap();
            let holder = coracle::spawn(async move {
                coracle::task::yield_now().await;
                drop(held);
            });
            let before = cut.at(semaphore.acquire()).await;
            let behind = semaphore.acquire();
            drop(before);
            assert!(behind.await.is_ok());
            holder.await.unwrap();
            assert_eq!(semaphore.available_permits(), 1);
        });
    });
    assert!(dropped >= 2, "it was dropped {dropped} times");
}

#[test]
fn a_finished_acquire_that_is_polled_again_acquires_anew() {
    let semaphore = Semaphore::new(1);
    let mut acquire = Waiter::new(semaphore.acquire());
    let first = granted(&mut acquire);
    assert!(acquire.poll().is_pending());
    drop(first);
    drop(granted(&mut acquire));
    assert_eq!(semaphore.available_permits(), 1);
}

/// Each that is served wakes nobody from within; so neither a chain of drops nor a chain of uses nests.
#[test]
fn a_million_waiters_are_served_one_after_the_other() {
    on_a_small_stack(|| {
        let semaphore = Semaphore::new(0);
        let mut waiters: VecDeque<_> = (0..VERY_MANY).map(|_| semaphore.acquire()).collect();
        assert!(waiters.iter_mut().all(|waiter| poll_once(waiter).is_pending()));
        semaphore.add_permits(1);
        // A third goes on and gives its permit back, a third gives up when it was served, a third behind that.
        for _ in 0..VERY_MANY / 3 {
            assert!(poll_once(&mut waiters.pop_front().unwrap()).is_ready());
            drop(waiters.pop_front());
            drop(waiters.pop_back());
        }
        semaphore.add_permits(waiters.len());
        assert!(waiters.iter_mut().all(|waiter| poll_once(waiter).map(|permit| permit.unwrap().forget()).is_ready()));
        assert_eq!(semaphore.available_permits(), 1);
    });
}

#[test]
fn a_million_waiters_are_refused_at_once() {
    on_a_small_stack(|| {
        let semaphore = Semaphore::new(0);
        let mut waiters: Vec<_> = (0..VERY_MANY).map(|_| semaphore.acquire()).collect();
        assert!(waiters.iter_mut().all(|waiter| poll_once(waiter).is_pending()));
        semaphore.close();
        assert!(waiters.iter_mut().all(|waiter| matches!(poll_once(waiter), Poll::Ready(Err(AcquireError)))));
    });
}

/// A waker that uses the semaphore at each clone, wake and drop must not find it borrowed, nor take a permit away from
/// one that was served (tokio#5429, tokio#5578).
#[test]
fn a_waker_that_uses_the_semaphore_does_no_harm() {
    for moment in [Op::Clone, Op::Wake, Op::Drop] {
        let semaphore = Rc::new(Semaphore::new(0));
        let used = semaphore.clone();
        let meddle = move |op| {
            if op == moment {
                used.add_permits(1);
                drop(used.try_acquire());
                let _ = poll_once(&mut used.acquire());
            }
        };
        with_meddling_waker(meddle, |waker| {
            let mut first = semaphore.acquire_many(3);
            let mut second = semaphore.acquire_many(2);
            let mut permits = 0;
            for _ in 0..20 {
                for acquire in [&mut first, &mut second] {
                    if let Poll::Ready(permit) = poll_with(acquire, waker) {
                        permits += permit.unwrap().count();
                    }
                    let _ = poll_once(acquire).map(|permit| permits += permit.unwrap().count());
                }
                semaphore.add_permits(1);
            }
            assert!(permits >= 5, "{moment:?}: they wait for ever");
            drop((first, second));
        });
        let left = semaphore.available_permits();
        assert!(semaphore.try_acquire_many(left).is_ok(), "{moment:?}: nobody waits, and {left} are not to be had");
    }
}

/// A permit that comes while a waker is cloned, when the one that waits is about to stand in the line, or stands there
/// and gets another waker.
#[test]
fn a_permit_that_comes_while_the_waker_is_cloned_is_taken() {
    for stands in [false, true] {
        let semaphore = Rc::new(Semaphore::new(0));
        let used = semaphore.clone();
        let mut acquire = semaphore.acquire();
        assert!(!stands || poll_once(&mut acquire).is_pending());
        let adds = move |op| {
            if op == Op::Clone {
                used.add_permits(1);
            }
        };
        with_meddling_waker(adds, |waker| {
            let Poll::Ready(Ok(permit)) = poll_with(&mut acquire, waker) else { panic!("it is its own: {stands}") };
            permit.forget();
        });
        assert_eq!(semaphore.available_permits(), 0);
    }
}

/// A waker that panics, at any moment, costs nobody else his permits (tokio#4069, tokio#4055).
#[test]
fn a_waker_that_panics_loses_no_permit() {
    with_panicking_waker(|waker| {
        let semaphore = Semaphore::new(1);
        let held = semaphore.try_acquire().unwrap();
        let mut hostile = Some(semaphore.acquire());
        let _ = caught(|| poll_with(hostile.as_mut().unwrap(), waker));
        let mut behind = Waiter::standing(semaphore.acquire());
        let _ = caught(|| poll_with(hostile.as_mut().unwrap(), std::task::Waker::noop()));
        let _ = caught(|| poll_with(hostile.as_mut().unwrap(), waker));
        let _ = caught(|| drop(held));
        let _ = caught(|| drop(poll_with(hostile.as_mut().unwrap(), waker)));
        let _ = caught(|| hostile = None);
        assert!(behind.is_woken());
        drop(granted(&mut behind));
        assert_eq!(semaphore.available_permits(), 1);
    });
}

#[test]
fn acquiring_in_a_loop_lets_others_run() {
    let semaphore = Semaphore::new(1);
    lets_others_run(async || drop(semaphore.acquire().await));
}

#[test]
fn an_inspection_says_what_is_waited_for() {
    let semaphore = Rc::new(Semaphore::new(0));
    assert_eq!(said_to_wait_for(semaphore.clone().acquire_owned()), "permits of a semaphore");
    assert_eq!(format!("{semaphore:?}"), "Semaphore { available: 0, waiting: 0, closed: false }");
}

/// Futures that are polled once and dropped leave nothing (moq#353, msquic#81); a permit that is held costs no heap.
#[test]
fn nothing_is_left_on_the_heap() {
    support::alone("sync::semaphore::nothing_is_left_on_the_heap", || {
        let semaphore = Semaphore::new(1);
        support::leaves_the_heap_as_it_was(|| {
            let _held = semaphore.try_acquire().unwrap();
            for _ in 0..10_000 {
                assert!(poll_once(&mut semaphore.acquire()).is_pending());
            }
            let many: Vec<_> = (0..1000).map(|_| Waiter::standing(semaphore.acquire())).collect();
            drop(many);
        });
        let mut grown = Vec::new();
        for _ in 0..8 {
            let before = support::heap();
            let Poll::Ready(held) = poll_once(&mut semaphore.acquire()) else { panic!("it is free") };
            grown.push(support::heap() - before);
            drop(held);
        }
        assert!(grown.contains(&0), "an uncontended permit allocates: {grown:?}");
    });
}

#[test]
fn it_works_on_a_foreign_executor() {
    let semaphore = Semaphore::new(1);
    let held = semaphore.try_acquire().unwrap();
    let (permit, ()) = foreign_block_on(both(semaphore.acquire(), async { drop(held) }));
    assert_eq!(permit.unwrap().count(), 1);
}

/// The model: who waits, and for how many, in a queue; who has been served, or refused, and has not seen it.
#[derive(Debug, Default)]
struct Model {
    free: usize,
    line: VecDeque<(usize, usize)>,
    served: Vec<(usize, usize)>,
    refused: Vec<usize>,
    closed: bool,
}

impl Model {
    fn try_take(&mut self, want: usize) -> Result<(), TryAcquireError> {
        if self.closed {
            return Err(TryAcquireError::Closed);
        }
        if want > 0 && (want > self.free || !self.line.is_empty()) {
            return Err(TryAcquireError::NoPermits);
        }
        self.free -= want;
        Ok(())
    }

    fn add(&mut self, count: usize) {
        self.free += count;
        self.serve();
    }

    fn serve(&mut self) {
        while let Some(&(id, want)) = self.line.front().filter(|(_, want)| *want <= self.free) {
            self.line.pop_front();
            self.free -= want;
            self.served.push((id, want));
        }
    }

    fn cancel(&mut self, id: usize) {
        self.line.retain(|(other, _)| *other != id);
        self.refused.retain(|other| *other != id);
        if let Some(at) = self.served.iter().position(|(other, _)| *other == id) {
            self.free += self.served.remove(at).1;
        }
        self.serve();
    }

    fn close(&mut self) {
        self.closed = true;
        self.refused.extend(self.line.drain(..).map(|(id, _)| id));
    }

    fn is_answered(&self, id: usize) -> bool {
        self.refused.contains(&id) || self.served.iter().any(|(other, _)| *other == id)
    }

    /// A poll of one that stands in the line: what it must give.
    fn poll(&mut self, id: usize) -> Poll<Result<usize, AcquireError>> {
        if let Some(at) = self.served.iter().position(|(other, _)| *other == id) {
            return Poll::Ready(Ok(self.served.remove(at).1));
        }
        if let Some(at) = self.refused.iter().position(|other| *other == id) {
            self.refused.remove(at);
            return Poll::Ready(Err(AcquireError));
        }
        Poll::Pending
    }

    fn counted_out(&self) -> usize {
        self.served.iter().map(|(_, want)| want).sum()
    }
}

#[derive(Clone, Debug)]
enum Step {
    Acquire(usize),
    TryAcquire(usize),
    Poll(usize),
    PollElsewhere(usize),
    Cancel(usize),
    Release(usize),
    Forget(usize),
    Add(usize),
    Close,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        24 => (0..5_usize).prop_map(Step::Acquire),
        8 => (0..5_usize).prop_map(Step::TryAcquire),
        16 => any::<usize>().prop_map(Step::Poll),
        4 => any::<usize>().prop_map(Step::PollElsewhere),
        12 => any::<usize>().prop_map(Step::Cancel),
        16 => any::<usize>().prop_map(Step::Release),
        2 => any::<usize>().prop_map(Step::Forget),
        8 => (0..4_usize).prop_map(Step::Add),
        1 => Just(Step::Close),
    ]
}

struct Run<'a> {
    semaphore: &'a Semaphore,
    model: Model,
    waiting: Vec<(usize, Acquiring<'a>)>,
    held: Vec<Permit<&'a Semaphore>>,
    next: usize,
}

impl<'a> Run<'a> {
    fn acquire(&mut self, want: usize) {
        let mut waiter = Waiter::new(self.semaphore.acquire_many(want));
        let expected = self.model.try_take(want);
        match waiter.poll() {
            Poll::Ready(Ok(permit)) => {
                assert_eq!(expected, Ok(()), "it overtook");
                self.held.push(permit);
            }
            Poll::Ready(Err(AcquireError)) => assert_eq!(expected, Err(TryAcquireError::Closed)),
            Poll::Pending => {
                assert_eq!(expected, Err(TryAcquireError::NoPermits), "it waits for nothing");
                self.model.line.push_back((self.next, want));
                self.waiting.push((self.next, waiter));
                self.next += 1;
            }
        }
    }

    fn poll(&mut self, at: usize, elsewhere: bool) {
        let (id, waiter) = &mut self.waiting[at];
        let poll = if elsewhere { waiter.poll_elsewhere() } else { waiter.poll() };
        let seen = match &poll {
            Poll::Ready(Ok(permit)) => Poll::Ready(Ok(permit.count())),
            Poll::Ready(Err(error)) => Poll::Ready(Err(*error)),
            Poll::Pending => Poll::Pending,
        };
        assert_eq!(seen, self.model.poll(*id));
        if let Poll::Ready(result) = poll {
            self.held.extend(result);
            drop(self.waiting.remove(at));
        }
    }

    fn take(&mut self, step: Step) {
        match step {
            Step::Acquire(want) => self.acquire(want),
            Step::TryAcquire(want) => {
                let permit = self.semaphore.try_acquire_many(want);
                assert_eq!(permit.as_ref().map(|_| ()).map_err(|error| *error), self.model.try_take(want));
                self.held.extend(permit);
            }
            Step::Poll(at) if !self.waiting.is_empty() => self.poll(at % self.waiting.len(), false),
            Step::PollElsewhere(at) if !self.waiting.is_empty() => self.poll(at % self.waiting.len(), true),
            Step::Cancel(at) if !self.waiting.is_empty() => {
                let (id, waiter) = self.waiting.remove(at % self.waiting.len());
                drop(waiter);
                self.model.cancel(id);
            }
            Step::Release(at) if !self.held.is_empty() => {
                let permit = self.held.remove(at % self.held.len());
                self.model.add(permit.count());
                drop(permit);
            }
            Step::Forget(at) if !self.held.is_empty() => self.held.remove(at % self.held.len()).forget(),
            Step::Add(count) => {
                self.semaphore.add_permits(count);
                self.model.add(count);
            }
            Step::Close => {
                self.semaphore.close();
                self.model.close();
            }
            _ => {}
        }
    }

    /// Nobody waits who could go on without being woken, nobody was woken for nothing, and no permit is lost.
    fn check(&self) {
        for (id, waiter) in &self.waiting {
            assert_eq!(waiter.is_woken(), self.model.is_answered(*id), "waiter {id} of {:?}", self.model);
        }
        assert_eq!(self.semaphore.available_permits(), self.model.free);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 600, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_semaphore_is_a_counter_and_a_queue_whoever_gives_up(
        permits in 0..6_usize,
        steps in proptest::collection::vec(step(), 0..120),
    ) {
        let semaphore = Semaphore::new(permits);
        let model = Model { free: permits, ..Model::default() };
        let mut run = Run { semaphore: &semaphore, model, waiting: Vec::new(), held: Vec::new(), next: 0 };
        let mut total = permits;
        for step in steps {
            let held = |run: &Run| run.held.iter().map(Permit::count).sum::<usize>();
            let (before, forgets) = (held(&run), matches!(step, Step::Forget(_)));
            if let Step::Add(count) = step {
                total += count;
            }
            run.take(step);
            if forgets {
                total -= before - held(&run);
            }
            run.check();
            let there = semaphore.available_permits() + held(&run) + run.model.counted_out();
            assert_eq!(there, total, "a permit was lost, or made from nothing");
        }
        drop(run.waiting);
        drop(run.held);
        assert_eq!(semaphore.available_permits(), total);
    }
}

//! `Mutex`: exclusion, order, cancellation, futurelock. The line in which one waits for it is tested in `semaphore`.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::future::Future;
use std::pin::pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use coracle::sync::{Lock, Mutex, MutexGuard, OwnedMutexGuard};
use coracle::task::{JoinError, yield_now};
use proptest::prelude::*;

use super::waiter::{
    Op, VERY_MANY, Waiter, caught, lets_others_run, on_a_small_stack, said_to_wait_for, with_meddling_waker,
    with_panicking_waker, woken,
};
use super::{both, foreign_block_on, permutations};
use crate::support::{self, cut_at_every_poll, poll_once, poll_with};

fn granted<F: Future + Unpin>(waiter: &mut Waiter<F>) -> F::Output {
    match waiter.poll() {
        Poll::Ready(guard) => guard,
        Poll::Pending => panic!("the lock was to be handed to it"),
    }
}

#[test]
fn one_task_at_a_time_has_the_value_in_the_order_of_arrival() {
    let (mutex, trace) = (Rc::new(Mutex::new(0)), Rc::new(RefCell::new(Vec::new())));
    coracle::block_on(async {
        let tasks: Vec<_> = (0..4)
            .map(|task| {
                let (mutex, trace) = (mutex.clone(), trace.clone());
                coracle::spawn(async move {
                    for round in 0..3 {
                        let mut value = mutex.lock().await;
                        let before = *value;
                        yield_now().await;
                        *value = before + 1;
                        trace.borrow_mut().push((round, task));
                    }
                })
            })
            .collect();
        for task in tasks {
            task.await.unwrap();
        }
    });
    assert_eq!(*mutex.try_lock().unwrap(), 12);
    // Each locks again at once, and stands behind all others: no barging.
    let expected: Vec<_> = (0..3).flat_map(|round| (0..4).map(move |task| (round, task))).collect();
    assert_eq!(*trace.borrow(), expected);
}

#[test]
fn a_lock_is_handed_over_and_nobody_is_quicker() {
    let mutex = Mutex::new(());
    let guard = mutex.try_lock().unwrap();
    let mut waiters: Vec<_> = (0..3).map(|_| Waiter::standing(mutex.lock())).collect();
    drop(guard);
    assert_eq!(woken(&waiters), [true, false, false]);
    assert!(mutex.try_lock().is_none(), "it belongs to one that has not run yet");
    let mut late = Waiter::standing(mutex.lock());
    for waiter in &mut waiters {
        drop(granted(waiter));
    }
    drop(granted(&mut late));
    assert!(mutex.try_lock().is_some());
}

/// The holder and all waiters go, in every order; the lock is always handed to the one that has waited longest of those
/// that are left (tokio#4618, tokio#3652, tokio#904, embassy#6964, async-lock#23).
#[test]
fn a_waiter_that_is_dropped_with_the_lock_hands_it_on_in_every_order() {
    for n in 1..=4 {
        for order in permutations(n + 1) {
            let mutex = Mutex::new(());
            let mut guard = mutex.try_lock();
            let mut waiters: Vec<_> = (0..n).map(|_| Some(Waiter::standing(mutex.lock()))).collect();
            // The last number is the holder.
            for (at, gone) in order.iter().enumerate() {
                if *gone == n {
                    drop(guard.take())
                } else {
                    drop(waiters[*gone].take())
                }
                let free = order[..=at].contains(&n);
                let owner = waiters.iter().position(Option::is_some).filter(|_| free);
                for (number, waiter) in waiters.iter().enumerate() {
                    let Some(waiter) = waiter else { continue };
                    assert_eq!(waiter.is_woken(), owner == Some(number), "dropped {:?}", &order[..=at]);
                }
                assert_eq!(mutex.try_lock().is_some(), free && owner.is_none());
            }
        }
    }
}

/// As documented: dropped at any point, it leaves the lock to the next.
#[test]
fn a_lock_that_is_dropped_at_any_point_is_not_lost() {
    let dropped = cut_at_every_poll(|cut| {
        coracle::block_on(async {
            let mutex = Rc::new(Mutex::new(0));
            let mut held = mutex.clone().lock_owned().await;
            let holder = coracle::spawn(async move {
                yield_now().await;
                *held.borrow_mut() += 1;
            });
            let cut_off = cut.at(mutex.lock()).await.map(|mut guard| *guard += 1).is_none();
            assert_eq!(*mutex.lock().await, if cut_off { 1 } else { 2 });
            holder.await.unwrap();
        });
    });
    assert!(dropped >= 2, "it was dropped {dropped} times");
    let dropped = cut_at_every_poll(|cut| {
        coracle::block_on(async {
            let mutex = Rc::new(Mutex::new(()));
            let held = mutex.clone().lock_owned().await;
            let holder = coracle::spawn(async move { drop(held) });
            drop(cut.at(mutex.clone().lock_owned()).await);
            drop(mutex.lock().await);
            holder.await.unwrap();
            assert_eq!(Rc::strong_count(&mutex), 1);
        });
    });
    assert!(dropped >= 2, "it was dropped {dropped} times");
}

/// Oxide RFD 609: a future that stands in the line is not polled while its own task waits for the lock that is handed
/// to it. It hangs, as documented; dropping the future, or making it a task, are the ways out.
#[test]
fn futurelock_is_as_documented() {
    coracle::block_on(async {
        let mutex = Rc::new(Mutex::new(0));
        let work = || {
            let mutex = mutex.clone();
            async move { *mutex.lock().await += 1 }
        };
        let mut context = Context::from_waker(Waker::noop());

        let guard = mutex.lock().await;
        let mut kept = pin!(work());
        assert!(kept.as_mut().poll(&mut context).is_pending());
        drop(guard);
        let mut other_arm = mutex.lock();
        for _ in 0..100 {
            assert!(poll_once(&mut other_arm).is_pending(), "it was to be locked for ever");
            yield_now().await;
        }
        kept.await;
        assert_eq!(*other_arm.await, 1);

        let guard = mutex.lock().await;
        let mut dropped = Box::pin(work());
        assert!(dropped.as_mut().poll(&mut context).is_pending());
        drop(guard);
        drop(dropped);
        assert_eq!(*mutex.lock().await, 1);

        let guard = mutex.lock().await;
        let spawned = coracle::spawn(work());
        yield_now().await;
        drop(guard);
        assert_eq!(*mutex.lock().await, 2);
        spawned.await.unwrap();
    });
}

/// No poisoning: a task that panics unlocks, and the next one finds the value as it was left.
#[test]
fn a_panic_unlocks() {
    let mutex = Rc::new(Mutex::new(0));
    coracle::block_on(async {
        let panics = coracle::spawn({
            let mutex = mutex.clone();
            async move {
                let mut guard = mutex.lock().await;
                *guard = 1;
                yield_now().await;
                panic!("with the lock");
            }
        });
        yield_now().await;
        assert_eq!(*mutex.lock().await, 1);
        assert!(matches!(panics.await, Err(JoinError::Panicked(_))));
    });
}

#[test]
fn a_guard_of_a_part_keeps_the_whole_locked() {
    let mutex = Mutex::new((1, String::from("x")));
    let text = MutexGuard::map(mutex.try_lock().unwrap(), |pair| &mut pair.1);
    let mut waiter = Waiter::standing(mutex.lock());
    let mut text: MutexGuard<'_, str> = MutexGuard::map(text, |text| text.as_mut_str());
    text.make_ascii_uppercase();
    assert!(!waiter.is_woken());
    drop(text);
    assert_eq!(*granted(&mut waiter), (1, String::from("X")));
    let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        let _ = MutexGuard::map(mutex.try_lock().unwrap(), |_| -> &mut u8 { panic!("while mapping") });
    }));
    assert!(panicked.is_err() && mutex.try_lock().is_some());
}

#[test]
fn a_value_without_a_size_can_be_locked() {
    let mutex: Rc<Mutex<[u8]>> = Rc::new(Mutex::new([1, 2, 3]));
    mutex.try_lock().unwrap()[0] = 7;
    assert_eq!(coracle::block_on(mutex.lock_owned()).borrow()[..], [7, 2, 3]);
}

/// What is leaked stays locked; it does not become anybody else's, and nothing panics.
#[test]
fn a_leaked_guard_or_borrow_keeps_the_mutex_locked() {
    let mut mutex = Mutex::new(1);
    std::mem::forget(mutex.try_lock().unwrap());
    assert!(mutex.try_lock().is_none());
    *mutex.get_mut() += 1;
    assert_eq!(mutex.into_inner(), 2);

    let mutex = Rc::new(Mutex::new(1));
    let mut guard = coracle::block_on(mutex.clone().lock_owned());
    std::mem::forget(guard.borrow_mut());
    assert_eq!(format!("{guard:?}"), "OwnedMutexGuard(<borrowed>)");
    drop(guard);
    assert!(mutex.try_lock().is_none());
}

#[test]
fn an_inspection_and_a_print_say_who_waits() {
    let mutex = Rc::new(Mutex::new(5));
    assert_eq!(format!("{mutex:?}"), "Mutex { value: 5, waiting: 0 }");
    assert_eq!(format!("{:?}", mutex.lock()), "Lock { waits: false, .. }");
    let guard = mutex.try_lock().unwrap();
    let waiter = Waiter::standing(mutex.lock());
    assert_eq!(format!("{mutex:?} {guard:?} {guard}"), "Mutex { value: <locked>, waiting: 1 } 5 5");
    drop(waiter);
    assert_eq!(said_to_wait_for(mutex.clone().lock_owned()), "a mutex");
}

/// A value whose `Debug` locks the very mutex that it is in must not find it borrowed.
#[test]
fn a_value_that_locks_when_it_is_printed_does_no_harm() {
    struct Locks(RefCell<std::rc::Weak<Mutex<Locks>>>);
    impl std::fmt::Debug for Locks {
        fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str(if self.0.borrow().upgrade().unwrap().try_lock().is_some() { "free" } else { "locked" })
        }
    }
    let mutex = Rc::new(Mutex::new(Locks(RefCell::default())));
    *mutex.try_lock().unwrap().0.borrow_mut() = Rc::downgrade(&mutex);
    assert_eq!(format!("{mutex:?}"), "Mutex { value: locked, waiting: 0 }");
}

#[test]
fn locking_in_a_loop_lets_others_run() {
    let mutex = Mutex::new(());
    lets_others_run(async || drop(mutex.lock().await));
}

#[test]
fn a_million_waiters_have_it_one_after_the_other() {
    on_a_small_stack(|| {
        let mutex = Mutex::new(0);
        let guard = mutex.try_lock().unwrap();
        let mut waiters: VecDeque<_> = (0..VERY_MANY).map(|_| mutex.lock()).collect();
        assert!(waiters.iter_mut().all(|waiter| poll_once(waiter).is_pending()));
        drop(guard);
        // Each second one is dropped when the lock was handed to it.
        while let Some(mut waiter) = waiters.pop_front() {
            match poll_once(&mut waiter) {
                Poll::Ready(mut guard) => *guard += 1,
                Poll::Pending => panic!("the lock is lost"),
            }
            drop(waiters.pop_front());
        }
        assert_eq!(*mutex.try_lock().unwrap(), VERY_MANY / 2);
    });
}

/// A value whose drop, or a waker whose clone, wake and drop, use the same mutex (tokio#5429, tokio#5578).
#[test]
fn wakers_that_lock_do_no_harm() {
    for moment in [Op::Clone, Op::Wake, Op::Drop] {
        let mutex = Rc::new(Mutex::new(()));
        let used = mutex.clone();
        let meddle = move |op| {
            if op == moment {
                drop(used.try_lock());
                let _ = poll_once(&mut used.lock());
            }
        };
        with_meddling_waker(meddle, |waker| {
            let guard = mutex.try_lock().unwrap();
            let (mut one, mut two) = (mutex.lock(), mutex.lock());
            assert!(poll_with(&mut one, waker).is_pending() && poll_with(&mut two, waker).is_pending());
            assert!(poll_once(&mut one).is_pending() && poll_with(&mut one, waker).is_pending());
            drop(guard);
            assert!(poll_with(&mut two, waker).is_pending());
            drop(poll_with(&mut one, waker));
            assert!(poll_with(&mut two, waker).is_ready());
        });
        assert!(mutex.try_lock().is_some());
    }
}

/// A waker that polls at once, from within the drop of the guard, as some executors do: the value must be free by then.
#[test]
fn a_waker_that_polls_at_once_finds_the_value_free() {
    let mutex: &'static Mutex<i32> = support::keep(Mutex::new(0));
    let next = Rc::new(RefCell::new(None));
    let polled = next.clone();
    let meddle = move |op| {
        if op == Op::Wake {
            let mut lock: Lock<'static, i32> = polled.borrow_mut().take().unwrap();
            let Poll::Ready(mut guard) = poll_once(&mut lock) else { panic!("it is handed over") };
            *guard += 1;
        }
    };
    with_meddling_waker(meddle, |waker| {
        let guard = mutex.try_lock().unwrap();
        let mut lock = mutex.lock();
        assert!(poll_with(&mut lock, waker).is_pending());
        *next.borrow_mut() = Some(lock);
        drop(guard);
    });
    assert_eq!(*mutex.try_lock().unwrap(), 1);
}

#[test]
fn a_waker_that_panics_does_not_keep_the_lock() {
    with_panicking_waker(|waker| {
        let mutex = Mutex::new(());
        let guard = mutex.try_lock().unwrap();
        let mut hostile = Some(mutex.lock());
        let _ = caught(|| drop(poll_with(hostile.as_mut().unwrap(), waker)));
        let mut behind = Waiter::standing(mutex.lock());
        let _ = caught(|| drop(guard));
        let _ = caught(|| drop(poll_with(hostile.as_mut().unwrap(), waker)));
        let _ = caught(|| hostile = None);
        drop(granted(&mut behind));
        assert!(mutex.try_lock().is_some());
    });
}

#[test]
fn an_uncontended_lock_does_not_allocate() {
    support::alone("sync::mutex::an_uncontended_lock_does_not_allocate", || {
        let mutex = Mutex::new(0);
        let grown: Vec<_> = (0..8)
            .map(|_| {
                let before = support::heap();
                let Poll::Ready(mut guard) = poll_once(&mut mutex.lock()) else { panic!("it is free") };
                *guard += 1;
                support::heap() - before
            })
            .collect();
        assert!(grown.contains(&0), "{grown:?}");
    });
}

#[test]
fn it_works_on_a_foreign_executor() {
    let mutex = Mutex::new(1);
    let guard = mutex.try_lock().unwrap();
    let (locked, ()) = foreign_block_on(both(mutex.lock(), async { drop(guard) }));
    assert_eq!(*locked, 1);
}

#[derive(Clone, Debug)]
enum Step {
    Lock,
    TryLock,
    Poll(usize),
    Cancel(usize),
    /// The holder adds one to the value, and unlocks.
    Unlock,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        3 => Just(Step::Lock),
        1 => Just(Step::TryLock),
        2 => any::<usize>().prop_map(Step::Poll),
        2 => any::<usize>().prop_map(Step::Cancel),
        3 => Just(Step::Unlock),
    ]
}

/// Who has the lock. By the model, it is one of these, or the first of those that wait.
enum Owner<'a> {
    Nobody,
    Borrowed(MutexGuard<'a, usize>),
    Owned(OwnedMutexGuard<usize>),
}

impl Owner<'_> {
    fn is_nobody(&self) -> bool {
        matches!(self, Owner::Nobody)
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    /// The model: a queue of waiters, of which the first has the lock if no guard is there.
    #[test]
    fn a_mutex_is_a_queue_whoever_gives_up(steps in proptest::collection::vec(step(), 0..120)) {
        let mutex = Rc::new(Mutex::new(0));
        let mut owner = Owner::Nobody;
        let mut line: Vec<Waiter<Lock<'_, usize>>> = Vec::new();
        let mut unlocked = 0;
        for step in steps {
            let free = owner.is_nobody() && line.is_empty();
            match step {
                Step::Lock => {
                    let mut waiter = Waiter::new(mutex.lock());
                    match waiter.poll() {
                        Poll::Ready(guard) => {
                            assert!(free, "two have it, or it overtook");
                            owner = Owner::Borrowed(guard);
                        }
                        Poll::Pending => {
                            assert!(!free, "it waits for nobody");
                            line.push(waiter);
                        }
                    }
                }
                Step::TryLock => {
                    assert_eq!(mutex.try_lock().is_some(), free);
                    if let Poll::Ready(guard) = poll_once(&mut mutex.clone().lock_owned()) {
                        assert!(free);
                        owner = Owner::Owned(guard);
                    }
                }
                Step::Poll(at) if !line.is_empty() => {
                    let at = at % line.len();
                    let is_its = owner.is_nobody() && at == 0;
                    match line[at].poll() {
                        Poll::Ready(guard) => {
                            assert!(is_its, "two have it, or it overtook");
                            owner = Owner::Borrowed(guard);
                            drop(line.remove(at));
                        }
                        Poll::Pending => assert!(!is_its, "it was woken, and does not get the lock"),
                    }
                }
                Step::Cancel(at) if !line.is_empty() => drop(line.remove(at % line.len())),
                Step::Unlock => {
                    unlocked += usize::from(!owner.is_nobody());
                    match std::mem::replace(&mut owner, Owner::Nobody) {
                        Owner::Nobody => {}
                        Owner::Borrowed(mut guard) => *guard += 1,
                        Owner::Owned(mut guard) => *guard.borrow_mut() += 1,
                    }
                }
                Step::Poll(_) | Step::Cancel(_) => {}
            }
            for (at, waiter) in line.iter().enumerate() {
                assert_eq!(waiter.is_woken(), owner.is_nobody() && at == 0, "{at} of {}", line.len());
            }
        }
        drop((owner, line));
        assert_eq!(*mutex.try_lock().expect("all are gone"), unlocked);
    }
}

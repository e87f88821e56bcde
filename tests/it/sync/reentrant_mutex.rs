//! `ReentrantMutex`: the task that has it enters again, all others wait. The line is tested in `semaphore`.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::task::Poll;

use coracle::sync::ReentrantMutex;
use coracle::task::yield_now;

use super::waiter::{Waiter, lets_others_run, said_to_wait_for};
use super::{both, foreign_block_on};
use crate::support::cut_at_every_poll;

#[test]
fn locking_in_a_loop_lets_others_run() {
    let mutex = ReentrantMutex::new(());
    lets_others_run(async || drop(mutex.lock().await));
    let outer = ReentrantMutex::new(());
    lets_others_run(async || {
        let guard = outer.try_lock().unwrap();
        drop(outer.lock().await);
        drop(guard);
    });
}

/// Its guards are spread over a task that panics half way: they are dropped, and it is free.
#[test]
fn a_panic_unlocks_at_every_depth() {
    let mutex = Rc::new(ReentrantMutex::new(()));
    coracle::block_on(async {
        let panics = coracle::spawn({
            let mutex = mutex.clone();
            async move {
                let _guards = (mutex.lock().await, mutex.lock().await);
                yield_now().await;
                panic!("with two guards");
            }
        });
        yield_now().await;
        drop(mutex.lock().await);
        assert!(panics.await.is_err());
    });
}

#[test]
fn a_reentrant_mutex_lets_its_task_in_again_and_others_when_all_guards_are_gone() {
    let (mutex, trace) = (Rc::new(ReentrantMutex::new(())), Rc::new(RefCell::new(Vec::new())));
    coracle::block_on(async {
        let outer = mutex.lock().await;
        let other = coracle::spawn({
            let (mutex, trace) = (mutex.clone(), trace.clone());
            async move {
                let _guards = (mutex.lock().await, mutex.lock().await);
                trace.borrow_mut().push("other");
            }
        });
        yield_now().await;
        assert!(!other.is_finished());
        let again = (mutex.lock().await, mutex.try_lock().unwrap());
        drop(outer);
        yield_now().await;
        drop(again.0);
        yield_now().await;
        trace.borrow_mut().push("this");
        drop(again.1);
        // It is handed over: this task must wait now.
        assert!(mutex.try_lock().is_none());
        drop(mutex.lock().await);
        assert_eq!(*trace.borrow(), ["this", "other"]);
        other.await.unwrap();
    });
}

/// Two futures of one task are the same owner, as documented: the second goes on though it stood in the line, and its
/// place is not left behind.
#[test]
fn a_reentrant_mutex_that_stands_in_the_line_enters_with_its_task() {
    let mutex = Rc::new(ReentrantMutex::new(Cell::new(0)));
    coracle::block_on(async {
        let holder = coracle::spawn({
            let mutex = mutex.clone();
            async move {
                let _guard = mutex.lock().await;
                yield_now().await;
            }
        });
        yield_now().await;
        // They are kept after they are done: what is left in the line would be handed the lock, and never take it.
        let (mut first, mut second) = (mutex.lock(), mutex.lock());
        let (one, two) = both(&mut first, &mut second).await;
        one.set(one.get() + 1);
        drop(one);
        assert!(mutex.try_lock().is_some(), "the second guard is there");
        drop(two);
        holder.await.unwrap();
        coracle::spawn({
            let mutex = mutex.clone();
            async move { assert!(mutex.try_lock().is_some(), "nobody has it") }
        })
        .await
        .unwrap();
    });
    assert_eq!(mutex.try_lock().unwrap().get(), 1);
    assert_eq!(format!("{mutex:?}"), "ReentrantMutex { value: Cell { value: 1 }, owner: None, waiting: 0 }");
}

/// Outside of a task nobody is recognised: it is a plain mutex there.
#[test]
fn a_reentrant_mutex_outside_of_a_task_lets_nobody_in_twice() {
    let mut mutex = ReentrantMutex::new(1);
    let guard = mutex.try_lock().unwrap();
    assert!(mutex.try_lock().is_none());
    let mut waiter = Waiter::standing(mutex.lock());
    coracle::block_on(async { assert!(mutex.try_lock().is_none(), "a task is not nobody") });
    drop(guard);
    assert!(matches!(waiter.poll(), Poll::Ready(_)));
    drop(waiter);
    let guard = mutex.try_lock().unwrap();
    let (locked, ()) = foreign_block_on(both(mutex.lock(), async { drop(guard) }));
    assert_eq!(*locked, 1);
    drop(locked);
    *mutex.get_mut() = 2;
    assert_eq!(mutex.into_inner(), 2);
}

#[test]
fn a_reentrant_mutex_that_is_dropped_at_any_point_is_not_lost() {
    let dropped = cut_at_every_poll(|cut| {
        coracle::block_on(async {
            let mutex = Rc::new(ReentrantMutex::new(()));
            let holder = coracle::spawn({
                let mutex = mutex.clone();
                async move {
                    let _guards = (mutex.lock().await, mutex.lock().await);
                    yield_now().await;
                }
            });
            yield_now().await;
            drop(cut.at(mutex.lock()).await);
            drop(mutex.lock().await);
            holder.await.unwrap();
        });
    });
    assert!(dropped >= 2, "it was dropped {dropped} times");
    let mutex = Rc::new(ReentrantMutex::new(()));
    std::mem::forget(mutex.try_lock());
    let waits = mutex.clone();
    assert_eq!(said_to_wait_for(async move { drop(waits.lock().await) }), "a re-entrant mutex");
}

/// Both are the first task of their runtime, and so have the same number.
#[test]
fn tasks_of_two_runtimes_are_told_apart() {
    let mutex = Rc::new(ReentrantMutex::new(()));
    let (one, other) = (coracle::Runtime::new(), coracle::Runtime::new());
    let (release, released) = coracle::sync::oneshot::channel::<()>();
    let held = mutex.clone();
    let holding = one.spawn(async move {
        let _guard = held.lock().await;
        let _ = released.await;
    });
    one.turn(coracle::Budget::no_wait()).unwrap();
    let tried = mutex.clone();
    assert!(!other.block_on(async move { tried.try_lock().is_some() }), "the first task of the other one has it");
    release.send(()).unwrap();
    one.block_on(holding).unwrap();
    assert!(mutex.try_lock().is_some());
}

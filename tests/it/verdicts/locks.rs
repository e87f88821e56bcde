//! Who has the lock that somebody waits for.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::rc::Rc;
use std::task::Poll;

use coracle::sync::{Mutex, Notify, ReentrantMutex, RwLock};
use coracle::{Runtime, Stall};

use super::table;

#[track_caller]
fn stall(of: impl Future) -> Stall {
    Runtime::new().try_block_on(of).err().expect("a stall")
}

/// Polls once, in the task, and keeps the future.
async fn poll_once<F: Future>(mut future: std::pin::Pin<&mut F>) {
    poll_fn(|cx| {
        assert!(future.as_mut().poll(cx).is_pending());
        Poll::Ready(())
    })
    .await;
}

#[test]
fn a_lock_that_is_held_across_the_wait_of_its_own_task() {
    let mutex = Mutex::new(());
    let line = line!() + 1;
    let stall = stall(async {
        let _guard = mutex.lock().await;
        mutex.lock().await;
    });
    let held = format!("which it has itself since locks:{}", line + 1);
    assert_eq!(table(&stall)[1], format!("    waits for a mutex at locks:{}, {held}", line + 2));
    assert_eq!(table(&stall)[2], "cycle: task 1 waits for itself");
}

/// "Futurelock", Oxide's RFD 609: the lock is handed to a future that is kept, but not polled any more.
#[test]
fn a_lock_that_was_handed_to_a_future_that_is_not_polled() {
    let mutex = Mutex::new(0);
    let line = line!() + 1;
    let stall = stall(async {
        let guard = mutex.lock().await;
        let mut kept = pin!(async { *mutex.lock().await += 1 });
        poll_once(kept.as_mut()).await;
        drop(guard);
        mutex.lock().await;
    });
    let holder = format!("which was handed to a future of task 1 that is not polled, begun at locks:{}", line + 2);
    assert_eq!(table(&stall)[1], format!("    waits for a mutex at locks:{}, {holder}", line + 5));
    assert_eq!(table(&stall)[2], "cycle: task 1 waits for itself");
    let holder = stall.tasks()[0].waits[0].holder.unwrap();
    assert!(holder.was_handed && holder.task == Some(stall.tasks()[0].task));
}

/// The other form: it has the lock, and waits for something else, while its task waits for the lock.
#[test]
fn a_lock_that_a_future_has_which_is_not_polled() {
    let (mutex, notify) = (Mutex::new(0), Notify::new());
    let line = line!() + 1;
    let stall = stall(async {
        let mut kept = pin!(async {
            let _guard = mutex.lock().await;
            notify.notified().await;
        });
        poll_once(kept.as_mut()).await;
        coracle::task::yield_now().await;
        mutex.lock().await;
    });
    let left = "in a future that was polled in poll 1, and not in the last, poll 2";
    let expected = [
        format!("task 1, spawned at locks:{line}"),
        format!("    waits for a notification at locks:{}, {left}", line + 3),
        format!("    waits for a mutex at locks:{}, which it has itself since locks:{}", line + 7, line + 2),
        "cycle: task 1 waits for itself".to_owned(),
    ];
    assert_eq!(table(&stall), expected);
}

#[test]
fn the_holder_is_the_one_of_now_and_not_of_then() {
    let mutex = Rc::new(Mutex::new(()));
    let line = line!() + 1;
    let take = |forever: bool, mutex: Rc<Mutex<()>>| async move {
        let guard = mutex.lock().await;
        if forever {
            Notify::new().notified().await;
        }
        coracle::task::yield_now().await;
        drop(guard);
    };
    let stall = stall(async {
        let tasks = [false, true, false].map(|forever| coracle::spawn(take(forever, mutex.clone())));
        for task in tasks {
            task.await.unwrap();
        }
    });
    let expected = [
        format!("task 1, spawned at locks:{}", line + 8),
        format!("    waits for the end of task 3 at locks:{}", line + 9),
        format!("task 3, spawned at locks:{}", line + 9),
        format!("    waits for a notification at locks:{}", line + 3),
        format!("task 4, spawned at locks:{}", line + 9),
        format!("    waits for a mutex at locks:{}, which task 3 has since locks:{}", line + 1, line + 1),
    ];
    assert_eq!(table(&stall), expected);
}

#[test]
fn readers_are_counted_and_the_last_is_named() {
    let lock = RwLock::new(());
    let line = line!() + 1;
    let stall = stall(async {
        let _readers = (lock.read().await, lock.try_read().unwrap());
        lock.write().await;
    });
    let held = format!("which 2 have; the last, task 1, since locks:{}", line + 1);
    assert_eq!(table(&stall)[1], format!("    waits for a lock, to write at locks:{}, {held}", line + 2));
    assert!(stall.cycles().is_empty(), "which of them is waited for is not known");
}

#[test]
fn a_reentrant_mutex_and_one_that_was_locked_outside_of_a_task() {
    let (reentrant, plain) = (Rc::new(ReentrantMutex::new(())), Mutex::new(()));
    let _outside = plain.try_lock().unwrap();
    let line = line!() - 1;
    let stall = stall(async {
        let _guard = reentrant.lock().await;
        let other = reentrant.clone();
        drop(coracle::spawn(async move { drop(other.lock().await) }));
        plain.lock().await;
    });
    let table = table(&stall);
    let outside = format!("which was locked outside of a task at locks:{line}");
    assert_eq!(table[1], format!("    waits for a mutex at locks:{}, {outside}", line + 6));
    let held = format!("which task 1 has since locks:{}", line + 3);
    assert_eq!(table[3], format!("    waits for a re-entrant mutex at locks:{}, {held}", line + 5));
}

#[test]
fn a_lock_that_went_to_one_who_was_dropped_is_the_next_ones() {
    let mutex = Mutex::new(());
    let line = line!() + 1;
    let stall = stall(async {
        let guard = mutex.lock().await;
        {
            let mut dropped = pin!(mutex.lock());
            poll_once(dropped.as_mut()).await;
            drop(guard);
        }
        let _again = mutex.try_lock().unwrap();
        mutex.lock().await;
    });
    let held = format!("which it has itself since locks:{}", line + 7);
    assert_eq!(table(&stall)[1], format!("    waits for a mutex at locks:{}, {held}", line + 8));
}

//! Spawning from other threads.

use std::cell::RefCell;
use std::future::pending;
use std::rc::Rc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, mpsc};
use std::task::Poll;

use coracle::task::{JoinError, yield_now};
use coracle::{Budget, Runtime, block_on};

use crate::support::{alone, heap, poll_once};

thread_local!(static BEGUN: RefCell<Vec<(u8, usize)>> = RefCell::default());

/// Those of one thread begin in order, those of all arrive, and the closures run on the runtime's thread.
#[test]
fn spawns_of_one_thread_begin_in_order_at_home() {
    let runtime = Runtime::new();
    let home = std::thread::current().id();
    let threads: Vec<_> = (0..3)
        .map(|thread| {
            let spawner = runtime.spawner();
            std::thread::spawn(move || {
                for n in 0..500 {
                    let make = move || {
                        assert_eq!(std::thread::current().id(), home);
                        BEGUN.with_borrow_mut(|begun| begun.push((thread, n)));
                        async {}
                    };
                    drop(spawner.spawn(make).unwrap());
                }
            })
        })
        .collect();
    let all = || BEGUN.with_borrow(Vec::len);
    while all() < 1500 {
        runtime.turn(Budget { wait: Some(std::time::Duration::from_millis(1)), ..Budget::no_wait() }).unwrap();
    }
    threads.into_iter().for_each(|thread| thread.join().unwrap());
    let begun = BEGUN.take();
    for thread in 0..3 {
        let of_one: Vec<_> = begun.iter().filter(|(other, _)| *other == thread).map(|(_, n)| *n).collect();
        assert_eq!(of_one, (0..500).collect::<Vec<_>>());
    }
}

/// The future need not be `Send`, and its handle may be awaited by another runtime on another thread.
#[test]
fn a_remote_handle_is_awaited_on_another_runtime() {
    let (give, spawner) = mpsc::channel();
    let other = std::thread::spawn(move || {
        let spawner: coracle::Spawner = spawner.recv().unwrap();
        let task = || async {
            let local = Rc::new(20);
            yield_now().await;
            *local + 1
        };
        block_on(async {
            let two = (spawner.spawn(task).unwrap(), spawner.spawn(task).unwrap());
            two.0.await.unwrap() + two.1.await.unwrap()
        })
    });
    let runtime = Runtime::new();
    give.send(runtime.spawner()).unwrap();
    while !other.is_finished() {
        runtime.turn(Budget { wait: Some(std::time::Duration::from_millis(1)), ..Budget::no_wait() }).unwrap();
    }
    assert_eq!(other.join().unwrap(), 42);
}

/// After the end: the closure comes back unused, with what it holds.
#[test]
fn a_spawn_after_the_end_gives_the_closure_back() {
    let runtime = Runtime::new();
    let spawner = runtime.spawner();
    drop(runtime);
    let held = Arc::new(5);
    let error = spawner
        .spawn({
            let held = held.clone();
            move || async move { *held }
        })
        .unwrap_err();
    assert_eq!(Arc::strong_count(&held), 2);
    assert_eq!(block_on((error.0)()), 5, "it can still be called");
    assert_eq!(Arc::strong_count(&held), 1);
}

/// The runtime ends while another thread spawns without a pause: that does not keep it from ending, and each closure is
/// called at home, or given back, or dropped with its handle told so.
#[test]
fn spawns_while_the_runtime_ends_are_run_refused_or_cancelled() {
    for _ in 0..50 {
        let runtime = Runtime::new();
        let (called, closures) = (Arc::new(AtomicUsize::new(0)), Arc::new(()));
        let spawner = runtime.spawner();
        let thread = std::thread::spawn({
            let (called, closures) = (called.clone(), closures.clone());
            move || {
                let (mut handles, mut refused) = (vec![], 0);
                while refused < 3 {
                    let (called, held) = (called.clone(), closures.clone());
                    let make = move || {
                        called.fetch_add(1, SeqCst);
                        async move { drop(held) }
                    };
                    match spawner.spawn(make) {
                        Ok(handle) => handles.push(handle),
                        Err(_) => refused += 1,
                    }
                }
                handles
            }
        });
        while called.load(SeqCst) < 10 {
            runtime.turn(Budget::no_wait()).unwrap();
        }
        drop(runtime);
        let results: Vec<_> = thread.join().unwrap().iter_mut().map(poll_once).collect();
        let cancelled =
            results.iter().filter(|result| matches!(result, Poll::Ready(Err(JoinError::Cancelled)))).count();
        let finished = results.iter().filter(|result| matches!(result, Poll::Ready(Ok(())))).count();
        assert_eq!((finished, cancelled + finished), (called.load(SeqCst), results.len()), "each has an answer");
        assert_eq!(Arc::strong_count(&closures), 1, "no closure is left");
    }
}

#[test]
fn a_remote_handle_aborts_before_and_after_the_first_poll() {
    for polled in [false, true] {
        let runtime = Runtime::new();
        let mut handle = runtime.spawner().spawn(pending::<()>).unwrap();
        if polled {
            runtime.turn(Budget::no_wait()).unwrap();
        }
        let handle_back = std::thread::spawn(move || {
            handle.abort();
            assert!(poll_once(&mut handle).is_pending(), "it is only asked to end");
            handle
        });
        let mut handle = handle_back.join().unwrap();
        runtime.turn(Budget::no_wait()).unwrap();
        assert!(matches!(poll_once(&mut handle), Poll::Ready(Err(JoinError::Cancelled))));
        assert!(runtime.inspect().tasks.is_empty());
    }
}

/// A handle that is dropped detaches: the task goes on, and its output is dropped at home.
#[test]
fn a_remote_handle_dropped_lets_the_task_go_on() {
    let runtime = Runtime::new();
    let done = Arc::new(AtomicUsize::new(0));
    let handle = runtime.spawner().spawn({
        let done = done.clone();
        move || async move {
            yield_now().await;
            done.fetch_add(1, SeqCst)
        }
    });
    std::thread::spawn(move || drop(handle)).join().unwrap();
    while runtime.turn(Budget::no_wait()).unwrap().more {}
    assert_eq!(done.load(SeqCst), 1);
}

#[test]
fn a_thousand_remote_tasks_leave_the_heap_as_it_was() {
    alone("runtime::spawner::a_thousand_remote_tasks_leave_the_heap_as_it_was", || {
        let runtime = Runtime::new();
        let round = || {
            let spawner = runtime.spawner();
            let thread = std::thread::spawn(move || {
                (0..1000).map(|n| spawner.spawn(move || async move { n }).unwrap()).collect::<Vec<_>>()
            });
            let handles = thread.join().unwrap();
            let sum = runtime.block_on(async {
                let mut sum = 0;
                for handle in handles {
                    sum += handle.await.unwrap();
                }
                sum
            });
            assert_eq!(sum, 1000 * 999 / 2);
        };
        (0..3).for_each(|_| round());
        let before = heap();
        (0..3).for_each(|_| round());
        assert!(heap() - before < 1024, "it grew by {}", heap() - before);
    });
}

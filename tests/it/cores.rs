//! `cores`: several threads, each with a runtime, that start, stop and fail together.

use std::cell::Cell;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use coracle::cores::{self, Crew};
use coracle::sync::remote::channel;
use coracle::task::yield_now;

use crate::support::{alone, descriptors, poll_once};

#[test]
fn each_member_has_a_number_a_thread_and_a_runtime_of_its_own() {
    let crew = Crew::start(3, |member| async move {
        let local = Rc::new(Cell::new(member.number())); // it never leaves this thread
        let task = coracle::spawn({
            let local = local.clone();
            async move { local.set(local.get() * 10) }
        });
        task.await.unwrap();
        (local.get(), member.count(), std::thread::current().id())
    })
    .unwrap();
    assert_eq!(crew.len(), 3);
    let ended: Vec<_> = crew.join().into_iter().map(Result::unwrap).collect();
    assert_eq!(ended.iter().map(|end| (end.0, end.1)).collect::<Vec<_>>(), [(0, 3), (10, 3), (20, 3)]);
    let threads: std::collections::HashSet<_> = ended.iter().map(|end| end.2).collect();
    assert_eq!(threads.len(), 3);
}

#[test]
fn a_stop_reaches_every_task_that_waits_for_it_and_those_that_come_later() {
    let (waits, all_wait) = channel::unbounded();
    let crew = Crew::start(2, move |member| {
        let waits = waits.clone();
        async move {
            let tasks = [0, 1].map(|_| {
                let (member, waits) = (member.clone(), waits.clone());
                coracle::spawn(async move {
                    waits.send(()).unwrap();
                    member.stopped().await;
                })
            });
            for task in tasks {
                task.await.unwrap();
            }
            member.stopped().await; // it was asked before this was called
            member.number()
        }
    })
    .unwrap();
    (0..4).for_each(|_| all_wait.recv_blocking().unwrap());
    crew.stop();
    crew.stop();
    assert_eq!(crew.join().into_iter().map(Result::unwrap).collect::<Vec<_>>(), [0, 1]);
}

#[test]
fn a_panic_of_one_stops_the_others_and_is_given_to_whoever_joins() {
    let crew = Crew::start(3, |member| async move {
        if member.number() == 1 {
            panic!("overboard");
        }
        member.stopped().await;
        member.number()
    })
    .unwrap();
    let ended = crew.join();
    assert_eq!(ended[1].as_ref().unwrap_err().downcast_ref(), Some(&"overboard"));
    assert_eq!((ended[0].as_ref().ok(), ended[2].as_ref().ok()), (Some(&0), Some(&2)));
}

#[test]
fn a_panic_while_the_future_is_made_stops_the_others_too() {
    let crew = Crew::start(2, |member| {
        assert_ne!(member.number(), 0, "not this one");
        async move { member.stopped().await }
    })
    .unwrap();
    let ended = crew.join();
    assert!(ended[0].is_err() && ended[1].is_ok());
}

#[test]
fn tasks_are_spawned_on_each_from_outside() {
    let crew = Crew::start(2, |member| async move {
        member.stopped().await;
        std::thread::current().id()
    })
    .unwrap();
    let handles: Vec<_> =
        crew.spawners().iter().map(|s| s.spawn(|| async { std::thread::current().id() }).unwrap()).collect();
    let spawned: Vec<_> = handles.into_iter().map(|handle| coracle::block_on(handle).unwrap()).collect();
    let spawners = crew.spawners();
    crew.stop();
    assert_eq!(crew.join().into_iter().map(Result::unwrap).collect::<Vec<_>>(), spawned);
    assert!(spawners.iter().all(|spawner| spawner.spawn(|| async {}).is_err()), "they have ended");
}

#[test]
fn a_crew_that_is_dropped_goes_on() {
    let ran = Arc::new(AtomicUsize::new(0));
    let (done, is_done) = channel::unbounded();
    let counted = ran.clone();
    drop(Crew::start(2, move |_| {
        let (ran, done) = (counted.clone(), done.clone());
        async move {
            yield_now().await;
            ran.fetch_add(1, Ordering::SeqCst);
            done.send(()).unwrap();
        }
    }));
    (0..2).for_each(|_| is_done.recv_blocking().unwrap());
    assert_eq!(ran.load(Ordering::SeqCst), 2);
}

#[test]
fn a_wait_for_the_stop_that_is_dropped_leaves_the_others_waiting() {
    let (dropped, is_dropped) = channel::unbounded();
    let crew = Crew::start(1, move |member| {
        let dropped = dropped.clone();
        async move {
            let mut others = [0, 1].map(|_| {
                let member = member.clone();
                coracle::spawn(async move { member.stopped().await })
            });
            yield_now().await;
            let mut waiting = Box::pin(member.stopped());
            assert!(poll_once(&mut waiting).is_pending());
            drop(waiting);
            yield_now().await;
            assert!(others.iter().all(|other| !other.is_finished()));
            dropped.send(()).unwrap();
            for other in &mut others {
                other.await.unwrap();
            }
        }
    })
    .unwrap();
    is_dropped.recv_blocking().unwrap();
    crew.stop();
    assert!(crew.join()[0].is_ok());
}

#[test]
fn joined_threads_leave_no_descriptor_behind() {
    alone("cores::joined_threads_leave_no_descriptor_behind", || {
        let before = descriptors();
        for _ in 0..3 {
            let crew = Crew::start(2, |member| async move {
                let listener = coracle::net::TcpListener::bind("127.0.0.1:0").unwrap();
                member.stopped().await;
                drop(listener);
            })
            .unwrap();
            crew.stop();
            assert!(crew.join().iter().all(Result::is_ok));
        }
        assert_eq!(descriptors(), before);
    });
}

#[test]
fn a_pinned_thread_runs_on_one_processor_and_a_strange_one_is_refused() {
    let crew = Crew::start(2, |member| async move {
        let all = cores::available().unwrap();
        member.pin().unwrap();
        let number = all[member.number() % all.len()];
        assert_eq!(cores::available().unwrap(), [number]);
        cores::pin(100_000).unwrap_err().kind()
    })
    .unwrap();
    for refused in crew.join() {
        assert_eq!(refused.unwrap(), std::io::ErrorKind::InvalidInput);
    }
}

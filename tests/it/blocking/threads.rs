//! Which threads there are, and which takes which job.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use coracle::blocking::Pool;

use super::{Gate, until};

fn thread_name() -> Option<String> {
    std::thread::current().name().map(str::to_owned)
}

#[test]
fn no_thread_starts_before_the_first_job() {
    let pool = Pool::new();
    assert_eq!(pool.inspect().threads, 0);
    assert_eq!(pool.submit(thread_name).wait().unwrap().as_deref(), Some("coracle-pool-1"));
    assert_eq!((pool.inspect().threads, pool.inspect().idle), (1, 1));
}

/// Whoever has a result knows that the thread that made it is free for the next job.
#[test]
fn one_job_after_the_other_needs_one_thread() {
    let pool = Pool::new();
    for _ in 0..200 {
        assert_eq!(pool.submit(thread_name).wait().unwrap().as_deref(), Some("coracle-pool-1"));
    }
    assert_eq!(pool.inspect().threads, 1);
}

#[test]
fn there_are_never_more_threads_than_allowed_and_jobs_begin_in_order() {
    const NAMES: [&str; 8] = ["a", "b", "c", "d", "e", "f", "g", "h"];
    let (pool, gate) = (Pool::builder().threads(3).build(), Gate::new());
    let (mut keys, mut jobs) = (Vec::new(), Vec::new());
    for name in NAMES {
        let (key, closure) = gate.closure(name);
        keys.push(Some(key));
        jobs.push(pool.submit(closure));
    }
    let mut begun = [gate.wait(), gate.wait(), gate.wait()];
    begun.sort_unstable();
    assert_eq!(begun, ["a", "b", "c"]);
    let view = pool.inspect();
    assert_eq!((view.threads, view.idle, view.queued, view.running.len()), (3, 0, 5, 3));
    for (done, next) in [(1, "d"), (0, "e"), (4, "f"), (2, "g"), (3, "h")] {
        keys[done].take().unwrap().send(()).unwrap();
        assert_eq!(gate.wait(), next, "when {} is done", NAMES[done]);
        assert_eq!(pool.inspect().threads, 3);
    }
    drop(keys);
    let done: Vec<_> = jobs.into_iter().map(|job| job.wait().unwrap()).collect();
    assert_eq!(done, NAMES);
}

/// Several jobs are submitted while the only thread is idle: each gets a thread, none waits for another's to end.
#[test]
fn jobs_that_wait_for_each_other_all_run() {
    let pool = Pool::new();
    for _ in 0..50 {
        let barrier = Arc::new(std::sync::Barrier::new(5));
        let jobs: Vec<_> = (0..5)
            .map(|_| {
                let barrier = barrier.clone();
                pool.submit(move || barrier.wait().is_leader())
            })
            .collect();
        let leaders = jobs.into_iter().filter_map(|job| job.wait().ok()).filter(|leads| *leads);
        assert_eq!(leaders.count(), 1);
        assert!(pool.inspect().threads <= 5);
    }
}

#[test]
fn idle_threads_end_and_come_back() {
    let pool = Pool::builder().keep_idle(Duration::from_millis(20)).build();
    for round in 1..=2 {
        assert_eq!(pool.submit(thread_name).wait().unwrap(), Some(format!("coracle-pool-{round}")));
        until("no thread is left", || pool.inspect().threads == 0);
    }
    let pool = Pool::builder().keep_idle(Duration::ZERO).build();
    for _ in 0..100 {
        assert_eq!(pool.submit(|| 1).wait().unwrap(), 1);
    }
    until("no thread is left", || pool.inspect().threads == 0);
}

#[test]
fn odd_settings_are_borne() {
    let pool = Pool::builder().threads(0).name("zero\0byte").keep_idle(Duration::MAX).build();
    let jobs: Vec<_> = (0..10).map(|_| pool.submit(thread_name)).collect();
    for job in jobs {
        assert_eq!(job.wait().unwrap().as_deref(), Some("zerobyte-1"), "no thread counts as one");
    }
    let pool = Pool::builder().threads(usize::MAX).build();
    assert_eq!(pool.submit(|| 1).wait().unwrap(), 1);
}

/// Many threads submit at once: every job runs once.
#[test]
fn every_job_runs_once() {
    let pool = Pool::builder().threads(4).keep_idle(Duration::from_micros(50)).build();
    let ran = Arc::new(Mutex::new(Vec::new()));
    let threads: Vec<_> = (0..4)
        .map(|who| {
            let (pool, ran) = (pool.clone(), ran.clone());
            std::thread::spawn(move || {
                for n in 0..500 {
                    let ran = ran.clone();
                    let job = pool.submit(move || ran.lock().unwrap().push((who, n)));
                    if n % 3 == 0 {
                        job.wait().unwrap();
                    }
                }
            })
        })
        .collect();
    threads.into_iter().for_each(|thread| thread.join().unwrap());
    pool.shutdown(super::LONG).unwrap();
    let mut ran = ran.lock().unwrap().clone();
    ran.sort_unstable();
    assert_eq!(ran, (0..4).flat_map(|who| (0..500).map(move |n| (who, n))).collect::<Vec<_>>());
}

/// A job may submit others, to the pool that it runs on.
#[test]
fn jobs_may_submit_jobs() {
    let pool = Pool::builder().threads(1).build();
    let inner = pool.clone();
    let job = pool.submit(move || inner.submit(|| 5));
    assert_eq!(job.wait().unwrap().wait().unwrap(), 5);
}

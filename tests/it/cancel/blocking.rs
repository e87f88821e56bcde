//! Jobs on the pool of threads.

use std::sync::mpsc;
use std::time::Duration;

use coracle::blocking::{self, Pool};

use crate::support::cut_at_every_poll;

/// What a job does to show that it ran, and how that is seen.
fn job() -> (impl FnOnce() -> u8 + Send + 'static, impl FnOnce()) {
    let (ran, has_run) = mpsc::channel();
    let closure = move || {
        ran.send(()).unwrap();
        5
    };
    (closure, move || has_run.recv_timeout(Duration::from_secs(10)).expect("the job never ran"))
}

/// Dropping the `Job` detaches: the closure runs all the same.
#[test]
fn a_job_that_is_dropped_anywhere_runs_all_the_same() {
    let shared = cut_at_every_poll(|cut| {
        coracle::block_on(async {
            let (closure, has_run) = job();
            assert_eq!(cut.at(blocking::submit(closure)).await.map_or(5, Result::unwrap), 5);
            has_run();
        });
    });
    let pool = Pool::new();
    let own = cut_at_every_poll(|cut| {
        coracle::block_on(async {
            let (closure, has_run) = job();
            assert_eq!(cut.at(pool.submit(closure)).await.map_or(5, Result::unwrap), 5);
            has_run();
        });
    });
    let named = cut_at_every_poll(|cut| {
        coracle::block_on(async {
            let (closure, has_run) = job();
            assert_eq!(cut.at(pool.submit_named("a job", closure)).await.map_or(5, Result::unwrap), 5);
            has_run();
        });
    });
    assert!(shared >= 2 && own >= 2 && named >= 2);
}

/// Awaited by reference it is cancel-safe: the result stays in it.
#[test]
fn a_wait_for_a_job_that_is_dropped_leaves_its_result_there() {
    cut_at_every_poll(|cut| {
        coracle::block_on(async {
            let mut job = blocking::submit(|| 5);
            let result = match cut.at(&mut job).await {
                Some(result) => result,
                None => job.await,
            };
            assert_eq!(result.unwrap(), 5);
        });
    });
}

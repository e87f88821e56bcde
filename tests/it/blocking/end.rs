//! How a pool ends: in order, or dropped; and what is said of jobs that do not end.

use std::task::Poll;
use std::time::{Duration, Instant};

use coracle::blocking::{JobError, Pool};

use super::{Gate, LONG, busy_pool, until};
use crate::support::{CountingWaker, cut_at_every_poll, poll_once, poll_with};

#[test]
fn shutdown_runs_what_was_submitted_and_ends_the_threads() {
    let pool = Pool::builder().threads(2).build();
    let jobs: Vec<_> = (0..100).map(|n| pool.submit(move || n)).collect();
    pool.shutdown(LONG).unwrap();
    assert_eq!(pool.inspect().threads, 0);
    for (n, job) in jobs.into_iter().enumerate() {
        assert!(job.is_finished());
        assert_eq!(job.wait().unwrap(), n);
    }
    let Err(JobError::NotStarted(error)) = pool.submit(|| ()).wait() else { panic!("it took another") };
    assert_eq!(error.to_string(), "the pool has been shut down");
    pool.shutdown(LONG).unwrap();
    Pool::new().shutdown(Duration::MAX).unwrap();
}

/// What runs when the time is up is named; what has not begun is dropped; asked again, it waits on.
#[test]
fn shutdown_names_what_is_stuck() {
    let gate = Gate::new();
    let pool = Pool::builder().threads(2).build();
    let ((named_key, named), (other_key, other)) = (gate.closure("named"), gate.closure("other"));
    let named = pool.submit_named("resolve", named);
    gate.wait();
    let line = line!() + 1;
    let other = pool.submit(other);
    gate.wait();
    let waits = pool.submit(|| ());

    let begin = Instant::now();
    let stuck = pool.shutdown(Duration::from_millis(30)).unwrap_err();
    assert!(begin.elapsed() >= Duration::from_millis(30));
    let names: Vec<_> = stuck.jobs.iter().map(|job| (job.name(), job.at().line() == line)).collect();
    assert_eq!(names, [(Some("resolve"), false), (None, true)]);
    assert!(stuck.jobs.iter().all(|job| job.at().file() == file!()));
    assert!(stuck.jobs.iter().all(|job| job.running_for() >= Duration::from_millis(30)));
    let said = stuck.to_string();
    let begins = format!("2 jobs still run: \"resolve\", submitted at {}:", file!());
    assert!(said.starts_with(&begins) && said.contains("; a job, submitted at "), "{said}");
    assert!(matches!(waits.wait(), Err(JobError::Cancelled)));

    named_key.send(()).unwrap();
    assert_eq!(named.wait().unwrap(), "named");
    let stuck = pool.shutdown(Duration::ZERO).unwrap_err();
    assert_eq!(stuck.jobs.len(), 1);
    other_key.send(()).unwrap();
    pool.shutdown(LONG).unwrap();
    assert_eq!(other.wait().unwrap(), "other");
}

#[test]
fn a_job_that_shuts_its_own_pool_down_is_stuck() {
    let pool = Pool::new();
    let inner = pool.clone();
    let job = pool.submit(move || inner.shutdown(Duration::from_millis(5)));
    assert_eq!(job.wait().unwrap().unwrap_err().jobs.len(), 1);
}

#[test]
fn a_dropped_pool_blocks_nobody_and_drops_what_has_not_begun() {
    let (pool, key, first) = busy_pool();
    let waits = pool.submit(|| unreachable!("the pool is gone"));
    let clone = pool.clone();
    drop(pool);
    assert!(!waits.is_finished(), "a clone lives");
    drop(clone);
    assert!(matches!(waits.wait(), Err::<(), _>(JobError::Cancelled)));
    assert!(!first.is_finished());
    key.send(()).unwrap();
    assert_eq!(first.wait().unwrap(), "first", "what runs is finished");
}

/// The last handle is dropped by a job: on the pool's own thread.
#[test]
fn a_pool_may_be_dropped_by_its_own_job() {
    let (pool, key, first) = busy_pool();
    let own = pool.clone();
    let job = pool.submit(move || drop(own));
    key.send(()).unwrap();
    first.wait().unwrap();
    drop(pool);
    // It had begun, or was dropped with the rest.
    assert!(matches!(job.wait(), Ok(()) | Err(JobError::Cancelled)));
}

#[test]
fn shutdown_in_a_task_lets_others_go_on() {
    let (pool, key, first) = busy_pool();
    coracle::block_on(async {
        let ending = coracle::spawn({
            let pool = pool.clone();
            async move { pool.shutdown_async(LONG).await }
        });
        coracle::task::yield_now().await;
        assert!(pool.submit(|| ()).await.is_err(), "it takes no more");
        key.send(()).unwrap();
        ending.await.unwrap().unwrap();
        assert_eq!((first.is_finished(), pool.inspect().threads), (true, 0));
        pool.shutdown_async(Duration::ZERO).await.unwrap();
    });
    drop(first);

    let (pool, _key, first) = busy_pool();
    let stuck = coracle::block_on(pool.shutdown_async(Duration::from_millis(5))).unwrap_err();
    assert_eq!(stuck.jobs.len(), 1);
    drop(first);
}

#[test]
fn a_shutdown_that_is_cut_goes_on_and_can_be_asked_again() {
    let dropped = cut_at_every_poll(|cut| {
        let (pool, key, first) = busy_pool();
        let queued = pool.submit(|| "queued");
        coracle::block_on(async {
            let unlock = coracle::spawn(async move { key.send(()) });
            match cut.at(pool.shutdown_async(LONG)).await {
                Some(result) => result.unwrap(),
                None => pool.shutdown_async(LONG).await.unwrap(),
            }
            unlock.await.unwrap().unwrap();
            assert_eq!((first.await.unwrap(), queued.await.unwrap()), ("first", "queued"));
        });
    });
    assert!(dropped >= 2, "{dropped}");
}

/// Two tasks wait for the same end, one with another waker each time; one gives up.
#[test]
fn all_who_wait_for_the_end_are_told() {
    let (pool, key, first) = busy_pool();
    let runtime = coracle::Runtime::new();
    runtime.enter(|| {
        let ((one, waker), (two, other)) = (CountingWaker::new(), CountingWaker::new());
        let (mut a, mut b, mut c) = (pool.shutdown_async(LONG), pool.shutdown_async(LONG), pool.shutdown_async(LONG));
        assert!(poll_with(&mut a, &waker).is_pending());
        assert!(poll_with(&mut b, &waker).is_pending());
        assert!(poll_with(&mut c, &waker).is_pending());
        assert!(poll_with(&mut b, &other).is_pending());
        drop(c);
        key.send(()).unwrap();
        until("both are woken", || one.wakes() == 1 && two.wakes() == 1);
        assert!(matches!((poll_once(&mut a), poll_once(&mut b)), (Poll::Ready(Ok(())), Poll::Ready(Ok(())))));
    });
    first.wait().unwrap();
}

//! Results, callbacks, panics, cancelling.

use std::panic::panic_any;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use coracle::blocking::{JobError, Pool};
use coracle::sync::remote::{channel, oneshot};

use super::{Gate, busy_pool, until};
use crate::support::{CountingWaker, cut_at_every_poll, poll_once, poll_with};

type Trace = Arc<Mutex<Vec<String>>>;

fn tell(trace: &Trace, what: impl ToString) {
    trace.lock().unwrap().push(what.to_string());
}

#[test]
fn a_result_comes_to_tasks_threads_and_foreign_executors() {
    let pool = Pool::new();
    assert_eq!(pool.submit(|| 1).wait().unwrap(), 1);
    assert_eq!(coracle::block_on(pool.submit(|| 2)).unwrap(), 2);
    let (mut job, (counting, waker)) = (pool.submit(|| 3), CountingWaker::new());
    if poll_with(&mut job, &waker).is_pending() {
        until("the waker is woken", || counting.wakes() == 1);
    }
    until("it is done", || job.is_finished());
    drop(job);
    let job = pool.submit(|| 4);
    assert_eq!(std::thread::spawn(|| job.wait()).join().unwrap().unwrap(), 4);
}

#[test]
fn the_last_waker_is_woken_once() {
    let gate = Gate::new();
    let (key, closure) = gate.closure("x");
    let pool = Pool::new();
    let mut job = pool.submit(closure);
    gate.wait();
    let ((one, first), (two, second)) = (CountingWaker::new(), CountingWaker::new());
    assert!(poll_with(&mut job, &first).is_pending());
    assert!(poll_with(&mut job, &second).is_pending());
    key.send(()).unwrap();
    until("the waker is woken", || two.wakes() == 1);
    assert_eq!((one.wakes(), job.is_finished()), (0, true));
    assert!(matches!(poll_once(&mut job), std::task::Poll::Ready(Ok("x"))));
}

/// Before those who wait go on, in order, on the thread that does the job.
#[test]
fn callbacks_are_called_in_order_before_the_result_is_given() {
    let (gate, pool, trace) = (Gate::new(), Pool::new(), Trace::default());
    let (key, closure) = gate.closure("x");
    let mut job = pool.submit(closure);
    for n in 1..=3 {
        let trace = trace.clone();
        job.on_done(move |result| {
            let on = std::thread::current().name().unwrap_or_default().to_owned();
            tell(&trace, format!("{n} {} {on}", result.as_ref().unwrap()));
            assert_ne!(n, 2, "the second panics, and nobody minds");
        });
    }
    key.send(()).unwrap();
    tell(&trace, job.wait().unwrap());
    assert_eq!(*trace.lock().unwrap(), ["1 x coracle-pool-1", "2 x coracle-pool-1", "3 x coracle-pool-1", "x"]);
    assert_eq!(pool.submit(|| 1).wait().unwrap(), 1);
}

#[test]
fn a_callback_of_a_job_that_is_done_is_called_at_once() {
    let (pool, trace) = (Pool::new(), Trace::default());
    let mut job = pool.submit(|| 6 * 7);
    until("it is done", || job.is_finished());
    let here = std::thread::current().id();
    for n in 1..=2 {
        let trace = trace.clone();
        job.on_done(move |result| {
            assert_eq!(std::thread::current().id(), here);
            tell(&trace, format!("{n} {}", result.as_ref().unwrap()));
        });
    }
    assert_eq!(*trace.lock().unwrap(), ["1 42", "2 42"]);
    assert!(matches!(poll_once(&mut job), std::task::Poll::Ready(Ok(42))), "it has its result still");
    job.on_done(|_| panic!("there is nothing to show any more"));
}

#[test]
fn a_detached_job_runs_and_its_callbacks_too() {
    let (sender, receiver) = channel::unbounded();
    let (pool, other) = (Pool::new(), sender.clone());
    let mut job = pool.submit(move || sender.send("ran").unwrap());
    job.on_done(move |_| other.send("done").unwrap());
    drop(job);
    assert_eq!([receiver.recv_blocking(), receiver.recv_blocking()], [Some("ran"), Some("done")]);
}

/// What it panicked with comes to whoever waits, and the thread goes on with the next job.
#[test]
fn a_panic_stays_in_its_job() {
    struct Odd;
    impl Drop for Odd {
        fn drop(&mut self) {
            panic!("so does its drop");
        }
    }
    let pool = Pool::builder().threads(1).build();
    let Err(JobError::Panicked(payload)) = pool.submit(|| -> u8 { panic_any(42_i64) }).wait() else { panic!() };
    assert_eq!(payload.downcast_ref(), Some(&42_i64));
    let error = pool.submit(|| -> u8 { panic!("in words") }).wait().unwrap_err();
    assert_eq!(error.to_string(), "the job panicked: in words");
    assert_eq!(std::io::Error::from(error).to_string(), "the job panicked: in words");
    // Detached while they wait: a panic whose payload panics, and a result that does.
    let gate = Gate::new();
    let (key, closure) = gate.closure("first");
    drop(pool.submit(closure));
    drop(pool.submit(|| -> u8 { panic_any(Odd) }));
    drop(pool.submit(|| Odd));
    key.send(()).unwrap();
    let name = pool.submit(|| std::thread::current().name().map(str::to_owned)).wait().unwrap();
    assert_eq!((name.as_deref(), pool.inspect().threads), (Some("coracle-pool-1"), 1));
}

/// A value that counts its drops.
struct Counted(Arc<AtomicUsize>);
impl Drop for Counted {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

/// Whoever hears that a job was cancelled knows that its closure is gone.
#[test]
fn a_job_that_has_not_begun_can_be_cancelled() {
    let (pool, key, first) = busy_pool();
    let (drops, trace) = (Arc::new(AtomicUsize::new(0)), Trace::default());
    let held = Counted(drops.clone());
    let mut job = pool.submit(move || drop(held));
    let other = pool.submit(|| "other");
    let (seen, at_callback) = (drops.clone(), trace.clone());
    job.on_done(move |result| {
        assert!(matches!(result, Err(JobError::Cancelled)));
        tell(&at_callback, seen.load(Ordering::SeqCst));
    });
    let (counting, waker) = CountingWaker::new();
    assert!(poll_with(&mut job, &waker).is_pending());
    assert_eq!(pool.inspect().queued, 2);
    assert!(job.cancel() && !job.cancel());
    assert_eq!((counting.wakes(), pool.inspect().queued), (1, 1));
    assert_eq!(*trace.lock().unwrap(), ["1"], "the closure was dropped first");
    assert!(matches!(job.wait(), Err(JobError::Cancelled)));
    assert!(!first.cancel(), "it has begun");
    key.send(()).unwrap();
    assert_eq!((first.wait().unwrap(), other.wait().unwrap()), ("first", "other"));
    assert_eq!(drops.load(Ordering::SeqCst), 1);
}

#[test]
fn cancelling_while_it_may_begin_does_one_or_the_other() {
    let pool = Pool::builder().threads(2).build();
    let (mut began, mut cancelled) = (0, 0);
    for n in 0..500 {
        let job = pool.submit(move || n);
        if n % 2 == 0 {
            std::thread::yield_now();
        }
        let said = job.cancel();
        match job.wait() {
            Ok(result) => {
                assert!(!said && result == n);
                began += 1;
            }
            Err(JobError::Cancelled) => {
                assert!(said);
                cancelled += 1;
            }
            Err(error) => panic!("{error}"),
        }
    }
    assert_eq!(began + cancelled, 500);
}

#[test]
fn a_job_that_is_cut_keeps_its_result() {
    let pool = Pool::new();
    let dropped = cut_at_every_poll(|cut| {
        coracle::block_on(async {
            let (sender, receiver) = oneshot::channel();
            let mut job = pool.submit(|| receiver.recv_blocking());
            let sending = coracle::spawn(async move { sender.send(5) });
            let result = match cut.at(&mut job).await {
                Some(result) => result,
                None => job.await,
            };
            assert_eq!(result.unwrap(), Ok(5));
            sending.await.unwrap().unwrap();
        });
    });
    assert!(dropped >= 2, "{dropped}");
}

/// A job that is dropped lets its waker go at once, and not when it ends.
#[test]
fn a_dropped_job_keeps_no_waker() {
    let (_pool, _key, mut job) = busy_pool();
    let (counting, waker) = CountingWaker::new();
    assert!(poll_with(&mut job, &waker).is_pending());
    drop((job, waker));
    assert_eq!(Arc::strong_count(&counting), 1);
}

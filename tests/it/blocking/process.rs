//! What the process sees of a pool: its threads, its heap, its forks. Each test in a process of its own.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use coracle::blocking::{JobError, Pool};

use super::{Gate, LONG, until};
use crate::support::{alone, leaves_the_heap_as_it_was};

/// The threads of this process whose name begins so, by number.
fn threads(name: &str) -> Vec<String> {
    let all = std::fs::read_dir("/proc/self/task").unwrap().map(|entry| entry.unwrap().path());
    let of_that_name =
        all.filter(|task| std::fs::read_to_string(task.join("comm")).is_ok_and(|comm| comm.starts_with(name)));
    of_that_name.map(|task| task.display().to_string()).collect()
}

/// How often a thread went to sleep of its own accord.
fn sleeps(task: &str) -> u64 {
    let status = std::fs::read_to_string(format!("{task}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("voluntary_ctxt_switches:")).unwrap();
    line.trim().parse().unwrap()
}

#[test]
fn an_idle_pool_does_not_wake_up() {
    alone("blocking::process::an_idle_pool_does_not_wake_up", || {
        let pool = Pool::new();
        pool.submit(|| ()).wait().unwrap();
        let thread = threads("coracle-pool").remove(0);
        let sleeping = || std::fs::read_to_string(format!("{thread}/stat")).unwrap().contains(") S ");
        until("its thread sleeps", sleeping);
        let before = sleeps(&thread);
        std::thread::sleep(Duration::from_millis(300));
        assert_eq!(sleeps(&thread), before);
    });
}

#[test]
fn the_threads_are_gone_after_a_shutdown() {
    alone("blocking::process::the_threads_are_gone_after_a_shutdown", || {
        let pool = Pool::builder().threads(8).build();
        let gate = Gate::new();
        let (keys, jobs): (Vec<_>, Vec<_>) = (0..8)
            .map(|_| {
                let (key, closure) = gate.closure("x");
                (key, pool.submit(closure))
            })
            .unzip();
        (0..8).for_each(|_| assert_eq!(gate.wait(), "x"));
        assert_eq!(threads("coracle-pool").len(), 8);
        drop((keys, jobs));
        pool.shutdown(LONG).unwrap();
        until("they have ended", || threads("coracle-pool").is_empty());
    });
}

#[test]
fn nothing_is_left_on_the_heap() {
    alone("blocking::process::nothing_is_left_on_the_heap", || {
        leaves_the_heap_as_it_was(|| {
            let pool = Pool::builder().threads(2).build();
            let mut jobs: Vec<_> = (0..20).map(|n| pool.submit(move || Box::new(n))).collect();
            jobs.iter_mut().for_each(|job| job.on_done(|_| ()));
            let _ = jobs.iter().filter(|job| job.cancel()).count();
            jobs.truncate(10);
            jobs.into_iter().for_each(|job| drop(job.wait()));
            pool.shutdown(LONG).unwrap();
            until("the threads have ended", || threads("coracle-pool").is_empty());
        });
    });
}

/// What a forked child does in its few moments; its exit status is the number of the first thing that went wrong.
fn in_child(body: impl FnOnce() -> i32) -> i32 {
    // SAFETY: the child runs on a copy of this thread alone, and allocates: glibc sees to it that it can.
    let pid = unsafe { libc::fork() };
    assert!(pid >= 0);
    if pid == 0 {
        let status = catch_unwind(AssertUnwindSafe(body)).unwrap_or(99);
        // SAFETY: no pointers; nothing of the parent's is unwound or flushed.
        unsafe { libc::_exit(status) };
    }
    let mut status = 0;
    // SAFETY: the kernel writes to `status`.
    assert_eq!(unsafe { libc::waitpid(pid, &mut status, 0) }, pid);
    assert!(libc::WIFEXITED(status), "the child did not exit: {status}");
    libc::WEXITSTATUS(status)
}

/// The threads are the parent's. The child is told so, waits for nothing, and can make a pool of its own.
#[test]
fn a_child_after_fork_is_told_that_the_threads_are_its_parents() {
    alone("blocking::process::a_child_after_fork_is_told_that_the_threads_are_its_parents", || {
        let pool = Pool::builder().threads(1).build();
        let gate = Gate::new();
        let (key, closure) = gate.closure("first");
        let first = pool.submit(closure);
        gate.wait();
        let second = pool.submit(|| "second");
        let (mut first, mut second) = (Some(first), Some(second));

        let status = in_child(|| {
            let mut late = pool.submit(|| ());
            late.on_done(|_| ());
            let refused =
                |error: &JobError| matches!(error, JobError::NotStarted(error) if error.to_string().contains("fork"));
            if !late.wait().is_err_and(|error| refused(&error)) {
                return 1;
            }
            if second.as_ref().unwrap().cancel() || !first.take().unwrap().wait().is_err_and(|error| refused(&error)) {
                return 2;
            }
            drop(second.take());
            if pool.inspect().threads != 0 || pool.shutdown(LONG).is_err() {
                return 3;
            }
            drop(pool.clone());
            if Pool::new().submit(|| 5).wait().is_ok_and(|five| five == 5) { 0 } else { 4 }
        });
        assert_eq!(status, 0);

        key.send(()).unwrap();
        assert_eq!(first.unwrap().wait().unwrap(), "first");
        assert_eq!(second.unwrap().wait().unwrap(), "second");
    });
}

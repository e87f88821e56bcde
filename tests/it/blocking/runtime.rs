//! The pool of a runtime: tasks go on while calls block; what the world refuses; how it ends.

use std::cell::RefCell;
use std::io;
use std::os::fd::RawFd;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use coracle::blocking::{self, JobError, Pool};
use coracle::sys::{Call, Hook, World};
use coracle::time::sleep;
use coracle::{Budget, Runtime};

use super::{Gate, until};

/// Three calls block, each on its thread; a task that sleeps goes on, and each call's task does when its call is done.
#[test]
fn a_sleeping_task_goes_on_while_three_calls_block() {
    let trace = Rc::new(RefCell::new(Vec::new()));
    coracle::block_on(async {
        let gate = Gate::new();
        let (mut keys, mut tasks) = (Vec::new(), Vec::new());
        for name in ["a", "b", "c"] {
            let (key, closure) = gate.closure(name);
            keys.push(Some(key));
            let trace = trace.clone();
            tasks.push(coracle::spawn(async move {
                trace.borrow_mut().push(format!("{name} begins"));
                let done = blocking::submit(closure).await.unwrap();
                trace.borrow_mut().push(format!("{done} is done"));
            }));
        }
        let ticking = coracle::spawn({
            let trace = trace.clone();
            async move {
                for n in 1..=3 {
                    sleep(Duration::from_millis(1)).await;
                    trace.borrow_mut().push(format!("tick {n}"));
                }
            }
        });
        // All three block now.
        for _ in 0..3 {
            gate.begun.recv().await.unwrap();
        }
        ticking.await.unwrap();
        assert_eq!(blocking::pool().unwrap().inspect().running.len(), 3);
        for at in [1, 0, 2] {
            keys[at].take().unwrap().send(()).unwrap();
            while trace.borrow().last().is_none_or(|last| !last.ends_with("is done")) || !tasks[at].is_finished() {
                coracle::task::yield_now().await;
            }
        }
        for task in tasks {
            task.await.unwrap();
        }
    });
    assert_eq!(
        *trace.borrow(),
        ["a begins", "b begins", "c begins", "tick 1", "tick 2", "tick 3", "b is done", "a is done", "c is done"]
    );
}

#[test]
fn a_task_shows_that_it_waits_for_a_job_and_where() {
    let runtime = Runtime::new();
    let gate = Gate::new();
    let (key, closure) = gate.closure("x");
    let line = line!() + 1;
    let task = runtime.spawn(async move { blocking::submit(closure).await.unwrap() });
    runtime.turn(Budget::no_wait()).unwrap();
    let wait = runtime.inspect().tasks[0].wait.unwrap();
    assert_eq!(wait.reason.to_string(), "a job on the pool of threads");
    assert_eq!((wait.at.file(), wait.at.line()), (file!(), line));
    key.send(()).unwrap();
    assert_eq!(runtime.block_on(task).unwrap(), "x");
}

#[test]
fn outside_of_a_runtime_there_is_no_pool() {
    assert!(blocking::pool().is_err() && blocking::set_pool(Pool::new()).is_err());
    let Err(JobError::NotStarted(error)) = blocking::submit(|| ()).wait() else { panic!() };
    assert!(error.to_string().contains("no runtime on this thread"), "{error}");
}

#[test]
fn each_runtime_has_its_own_pool_unless_it_is_given_one() {
    let shared = Pool::builder().threads(1).name("shared").build();
    let name =
        || async { blocking::submit(|| std::thread::current().name().map(str::to_owned)).await.unwrap().unwrap() };
    let runtimes = [Runtime::new(), Runtime::new(), Runtime::new()];
    for runtime in &runtimes[..2] {
        runtime.enter(|| blocking::set_pool(shared.clone())).unwrap();
    }
    let names: Vec<_> = runtimes.iter().map(|runtime| runtime.block_on(name())).collect();
    assert_eq!(names, ["shared-1", "shared-1", "coracle-pool-1"]);
    drop(runtimes);
    assert_eq!(shared.submit(|| 1).wait().unwrap(), 1, "it does not end with a runtime");
}

/// What has not begun when its runtime ends is dropped; what runs is finished; the end does not wait.
#[test]
fn the_pool_ends_with_its_runtime() {
    let runtime = Runtime::new();
    runtime.enter(|| blocking::set_pool(Pool::builder().threads(1).build())).unwrap();
    let gate = Gate::new();
    let (key, closure) = gate.closure("first");
    let (first, second) = runtime.enter(|| (blocking::submit(closure), blocking::submit(|| "second")));
    gate.wait();
    drop(runtime);
    assert!(matches!(second.wait(), Err(JobError::Cancelled)));
    key.send(()).unwrap();
    assert_eq!(first.wait().unwrap(), "first");
}

/// A task that is dropped at the end may use the pool still: it goes after the tasks.
#[test]
fn the_pool_is_there_while_tasks_are_dropped() {
    struct Asks(Rc<RefCell<Option<io::Result<Pool>>>>);
    impl Drop for Asks {
        fn drop(&mut self) {
            *self.0.borrow_mut() = Some(blocking::pool());
        }
    }
    let seen = Rc::new(RefCell::new(None));
    let runtime = Runtime::new();
    let asks = Asks(seen.clone());
    drop(runtime.spawn(async move {
        let _asks = asks;
        std::future::pending::<()>().await;
    }));
    runtime.turn(Budget::no_wait()).unwrap();
    drop(runtime);
    assert!(seen.borrow().as_ref().unwrap().is_ok());
}

/// The system starts so many threads, and no more.
struct FewThreads(AtomicUsize);

impl FewThreads {
    fn world(threads: usize) -> (Arc<FewThreads>, World) {
        let hook = Arc::new(FewThreads(AtomicUsize::new(threads)));
        (hook.clone(), World::kernel().hooked(hook))
    }
}

impl Hook for FewThreads {
    fn before(&self, call: Call, _: Option<RawFd>) -> io::Result<()> {
        if call != Call::Thread {
            return Ok(());
        }
        let less = |left: usize| left.checked_sub(1);
        let left = self.0.fetch_update(Ordering::SeqCst, Ordering::SeqCst, less);
        left.map(drop).map_err(|_| io::Error::from_raw_os_error(libc::EAGAIN))
    }
}

#[test]
fn without_any_thread_a_job_says_why_it_cannot_begin() {
    let (hook, world) = FewThreads::world(0);
    let runtime = Runtime::builder().world(world).build();
    runtime.block_on(async {
        let held = Arc::new(());
        let weak = Arc::downgrade(&held);
        let job = blocking::submit(move || drop(held));
        assert!(job.is_finished() && weak.upgrade().is_none(), "its closure is dropped at once");
        let Err(JobError::NotStarted(error)) = job.await else { panic!() };
        assert_eq!(error.raw_os_error(), Some(libc::EAGAIN));
        let error = coracle::fs::read("Cargo.toml").await.unwrap_err();
        assert_eq!(error.raw_os_error(), Some(libc::EAGAIN));
        // Later there are threads again.
        hook.0.store(1, Ordering::SeqCst);
        assert_eq!(blocking::submit(|| 1).await.unwrap(), 1);
    });
}

#[test]
fn jobs_wait_for_the_threads_that_there_are() {
    let (_, world) = FewThreads::world(1);
    let runtime = Runtime::builder().world(world).build();
    runtime.block_on(async {
        let gate = Gate::new();
        let (key, closure) = gate.closure("first");
        let first = blocking::submit(closure);
        gate.begun.recv().await.unwrap();
        let second = blocking::submit(|| std::thread::current().name().map(str::to_owned));
        assert!(!second.is_finished());
        assert_eq!(blocking::pool().unwrap().inspect().threads, 1);
        key.send(()).unwrap();
        assert_eq!(first.await.unwrap(), "first");
        assert_eq!(second.await.unwrap().as_deref(), Some("coracle-pool-1"));
    });
}

/// A job's end comes as a wake from another thread: the loop sleeps meanwhile, and makes one turn for it.
#[test]
fn a_loop_that_waits_for_a_job_sleeps() {
    let runtime = Runtime::new();
    let gate = Gate::new();
    let (key, closure) = gate.closure("x");
    let task = runtime.spawn(async move { blocking::submit(closure).await.unwrap() });
    runtime.turn(Budget::no_wait()).unwrap();
    gate.wait();
    let briefly = Budget { wait: Some(Duration::from_millis(10)), ..Budget::no_wait() };
    let turn = runtime.turn(briefly).unwrap();
    assert_eq!(turn, coracle::Turn::default(), "nothing happens while it blocks");
    key.send(()).unwrap();
    let mut polled = 0;
    until("the task is done", || {
        polled += runtime.turn(briefly).unwrap().polled;
        task.is_finished()
    });
    assert_eq!(polled, 1, "one wake, one poll");
    drop(task);
}

//! What becomes of panics that nobody awaited.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use coracle::task::yield_now;
use coracle::{PanicPolicy, Runtime};

fn panicking(runtime: &Runtime) {
    drop(runtime.spawn(async { resume_unwind(Box::new("unseen")) }));
}

/// By default, when the main future is done, or when the runtime is dropped; once.
#[test]
fn propagate_goes_on_with_the_first_panic_once() {
    let runtime = Runtime::new();
    panicking(&runtime);
    let caught = catch_unwind(AssertUnwindSafe(|| runtime.block_on(yield_now()))).unwrap_err();
    assert_eq!(*caught.downcast_ref::<&str>().unwrap(), "unseen");
    runtime.block_on(yield_now());

    panicking(&runtime);
    runtime.turn(coracle::Budget::no_wait()).unwrap();
    let caught = catch_unwind(AssertUnwindSafe(|| drop(runtime))).unwrap_err();
    assert_eq!(*caught.downcast_ref::<&str>().unwrap(), "unseen");
}

/// A panic that is awaited is the business of whoever awaits it, also if the task ended long before.
#[test]
fn a_panic_that_is_awaited_is_not_reported() {
    let runtime = Runtime::new();
    let task = runtime.spawn(async { resume_unwind(Box::new("seen")) });
    runtime.block_on(yield_now());
    runtime.block_on(yield_now());
    let result: Result<(), _> = runtime.block_on(task);
    assert!(result.is_err());
}

/// The main future's own panic goes on, not that of a task.
#[test]
fn the_main_futures_own_panic_comes_first() {
    let runtime = Runtime::new();
    panicking(&runtime);
    let main = async {
        yield_now().await;
        resume_unwind(Box::new("main"))
    };
    let caught = catch_unwind(AssertUnwindSafe(|| runtime.block_on::<_>(main))).map(|(): ()| ()).unwrap_err();
    assert_eq!(*caught.downcast_ref::<&str>().unwrap(), "main");
    runtime.block_on(yield_now());
}

/// A runtime that is dropped by an unwinding does not panic a second time.
#[test]
fn a_runtime_dropped_while_its_thread_panics_keeps_quiet() {
    let caught = catch_unwind(|| {
        let runtime = Runtime::new();
        panicking(&runtime);
        runtime.turn(coracle::Budget::no_wait()).unwrap();
        resume_unwind(Box::new("outside"));
    });
    assert_eq!(*caught.unwrap_err().downcast_ref::<&str>().unwrap(), "outside");
}

/// Plays itself again in a process of its own, with the policy, and gives how that ended and what it said.
fn in_a_process(name: &str, policy: PanicPolicy) -> Option<(std::process::ExitStatus, String)> {
    const MARK: &str = "CORACLE_TEST_POLICY";
    if std::env::var(MARK).is_ok_and(|marked| marked == name) {
        let runtime = Runtime::builder().panic_policy(policy).build();
        panicking(&runtime);
        runtime.block_on(yield_now());
        return None;
    }
    let output = std::process::Command::new(std::env::current_exe().unwrap())
        .args([name, "--exact", "--nocapture"])
        .env(MARK, name)
        .output()
        .unwrap();
    Some((output.status, String::from_utf8_lossy(&output.stderr).into_owned()))
}

#[test]
fn log_writes_a_line_and_goes_on() {
    let ended = in_a_process("runtime::policy::log_writes_a_line_and_goes_on", PanicPolicy::Log);
    let Some((status, said)) = ended else { return };
    assert!(status.success(), "{status}");
    assert!(said.contains("coracle: task 1 panicked and was not awaited: unseen"), "{said}");
}

#[test]
fn abort_writes_a_line_and_ends_the_process() {
    use std::os::unix::process::ExitStatusExt;
    let ended = in_a_process("runtime::policy::abort_writes_a_line_and_ends_the_process", PanicPolicy::Abort);
    let Some((status, said)) = ended else { return };
    assert_eq!(status.signal(), Some(libc::SIGABRT), "{status}");
    assert!(said.contains("coracle: task 1 panicked and was not awaited: unseen"), "{said}");
}

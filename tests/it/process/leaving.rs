//! Whoever loses interest leaves no zombie, no descriptor and no thread.

use coracle::process::{Child, Command, Stdio};
use coracle::sys::Call;
use coracle::{Runtime, block_on};

use super::{children, shell, soon, turn_until_there_are_no_children, until_told, without_exit_descriptors};
use crate::reactor::calls::{Calls, errno};
use crate::support::{self, alone, cut_at_every_poll};

/// Ends when its input ends, of which this gives our end.
fn dropped_while_it_runs() -> Option<coracle::net::PipeWriter> {
    let mut child = until_told(0);
    child.stdin.take()
}

fn is_alive(number: u32) -> bool {
    // SAFETY: no pointers; signal 0 is none.
    unsafe { libc::kill(number as i32, 0) == 0 }
}

#[test]
fn a_child_that_is_dropped_goes_on_and_is_reaped_when_it_ends() {
    alone("process::leaving::a_child_that_is_dropped_goes_on_and_is_reaped_when_it_ends", || {
        for runtime in [Runtime::new(), without_exit_descriptors()] {
            let before = support::descriptors();
            let input = runtime.block_on(async {
                let input = dropped_while_it_runs();
                coracle::time::sleep(std::time::Duration::from_millis(5)).await;
                input
            });
            let [number] = children()[..] else { panic!("{:?}", children()) };
            assert!(is_alive(number), "nobody has ended it");
            assert_eq!(runtime.inspect().tasks.len(), 1, "a task waits for its end");
            drop(input);
            turn_until_there_are_no_children(&runtime);
            assert!(runtime.inspect().tasks.is_empty());
            drop(runtime);
            assert!(support::descriptors() <= before);
        }
    });
}

/// Nobody is told of an error here, so nobody else could try again.
#[test]
fn a_child_that_is_dropped_while_nothing_can_wait_for_it_is_reaped() {
    alone("process::leaving::a_child_that_is_dropped_while_nothing_can_wait_for_it_is_reaped", || {
        for broken in [Call::Add, Call::Thread] {
            let faults = std::sync::atomic::AtomicI32::new(2);
            let runtime = Calls::before(move |call| match call {
                Call::ExitDescriptor if broken == Call::Thread => Err(errno(libc::ENOSYS)),
                _ if call == broken && faults.fetch_sub(1, std::sync::atomic::Ordering::SeqCst) > 0 => {
                    Err(errno(libc::ENOMEM))
                }
                _ => Ok(()),
            })
            .runtime();
            drop(runtime.block_on(async {
                let input = dropped_while_it_runs();
                coracle::task::yield_now().await;
                input
            }));
            turn_until_there_are_no_children(&runtime);
            assert!(runtime.inspect().tasks.is_empty());
        }
    });
}

#[test]
fn a_child_that_has_ended_is_reaped_by_its_drop() {
    alone("process::leaving::a_child_that_has_ended_is_reaped_by_its_drop", || {
        let runtime = Runtime::new();
        runtime.enter(|| {
            let mut child = until_told(0);
            drop(child.stdin.take());
            wait_for_zombie(child.id());
            drop(child);
            assert_eq!(children(), []);
        });
        assert!(runtime.inspect().tasks.is_empty());
    });
}

/// Leaves it as it is.
fn wait_for_zombie(number: u32) {
    // SAFETY: the structure is integers only.
    let mut info: libc::siginfo_t = unsafe { std::mem::zeroed() };
    // SAFETY: the kernel writes to `info`.
    assert_eq!(unsafe { libc::waitid(libc::P_PID, number, &mut info, libc::WEXITED | libc::WNOWAIT) }, 0);
}

#[test]
fn kill_on_drop_kills_and_reaps() {
    alone("process::leaving::kill_on_drop_kills_and_reaps", || {
        let before = support::descriptors();
        let runtime = Runtime::new();
        let start = |kill| runtime.enter(|| Command::new("sleep").arg("60").kill_on_drop(kill).spawn()).unwrap();
        drop(start(true));
        turn_until_there_are_no_children(&runtime);
        // Whoever has waited has nothing to kill.
        let mut child = start(true);
        child.kill().unwrap();
        runtime.block_on(soon(child.wait())).unwrap();
        drop(child);
        // And who has not said so kills nobody.
        let child = start(false);
        let number = child.id();
        drop(child);
        assert!(is_alive(number));
        // SAFETY: no pointers; it was not reaped, so the number is still its own.
        assert_eq!(unsafe { libc::kill(number as i32, libc::SIGKILL) }, 0);
        turn_until_there_are_no_children(&runtime);
        drop(runtime);
        assert_eq!(support::descriptors(), before);
    });
}

/// Two hundred at once, which nobody waits for.
#[test]
fn many_that_are_dropped_leave_no_zombie() {
    alone("process::leaving::many_that_are_dropped_leave_no_zombie", || {
        let before = support::descriptors();
        let runtime = Runtime::new();
        let inputs: Vec<_> = runtime.enter(|| (0..200).map(|_| dropped_while_it_runs()).collect());
        drop(inputs);
        turn_until_there_are_no_children(&runtime);
        drop(runtime);
        assert_eq!(support::descriptors(), before);
    });
}

/// The request travels home, and a task there waits.
#[test]
fn a_child_that_is_dropped_on_another_thread_is_reaped_at_home() {
    alone("process::leaving::a_child_that_is_dropped_on_another_thread_is_reaped_at_home", || {
        let runtime = Runtime::new();
        let mut child = runtime.enter(|| until_told(0));
        let input = child.stdin.take();
        std::thread::spawn(move || drop(child)).join().unwrap();
        assert_eq!(children().len(), 1);
        drop(input);
        turn_until_there_are_no_children(&runtime);
        assert!(runtime.inspect().tasks.is_empty());
    });
}

/// At its end a runtime asks once more. What runs on is a zombie when it ends, until somebody reaps it.
#[test]
fn the_end_of_the_runtime_reaps_what_has_ended() {
    alone("process::leaving::the_end_of_the_runtime_reaps_what_has_ended", || {
        let runtime = Runtime::new();
        let mut numbers = Vec::new();
        let inputs = [(); 2].map(|()| {
            let mut child = runtime.enter(|| until_told(0));
            numbers.push(child.id());
            child.stdin.take()
        });
        assert_eq!(runtime.block_on(async { children().len() }), 2);
        let [first, second] = inputs;
        drop(first);
        wait_for_zombie(numbers[0]);
        drop(runtime);
        assert_eq!(children(), [numbers[1]], "the one that has ended is reaped, the other runs on");
        drop(second);
        wait_for_zombie(numbers[1]);
        // SAFETY: the status is not wanted.
        assert_eq!(unsafe { libc::waitpid(numbers[1] as i32, std::ptr::null_mut(), 0) }, numbers[1] as i32);
    });
}

/// Dropped after the runtime: there is no task, but one that is asked to is killed.
#[test]
fn a_child_that_outlives_its_runtime_is_asked_once() {
    alone("process::leaving::a_child_that_outlives_its_runtime_is_asked_once", || {
        let runtime = Runtime::new();
        let mut child = runtime.enter(|| until_told(0));
        let input = child.stdin.take();
        drop((runtime, input));
        wait_for_zombie(child.id());
        drop(child);
        assert_eq!(children(), []);
    });
}

#[test]
fn an_output_that_is_dropped_anywhere_leaves_nothing() {
    alone("process::leaving::an_output_that_is_dropped_anywhere_leaves_nothing", || {
        let before = support::descriptors();
        let dropped = cut_at_every_poll(|cut| {
            let runtime = Runtime::new();
            let output = runtime.block_on(soon(async {
                let mut command = shell("echo one; echo two >&2; sleep 0.01; echo three");
                cut.at(command.kill_on_drop(true).output()).await
            }));
            if let Some(output) = output {
                let output = output.unwrap();
                assert_eq!((&output.stdout[..], &output.stderr[..]), (&b"one\nthree\n"[..], &b"two\n"[..]));
            }
            turn_until_there_are_no_children(&runtime);
        });
        assert!(dropped >= 3, "{dropped}");
        assert_eq!(support::descriptors(), before);
    });
}

#[test]
fn a_status_that_is_dropped_anywhere_leaves_nothing() {
    alone("process::leaving::a_status_that_is_dropped_anywhere_leaves_nothing", || {
        let before = support::descriptors();
        let dropped = cut_at_every_poll(|cut| {
            let runtime = Runtime::new();
            let status = runtime.block_on(soon(async { cut.at(shell("exit 2").status()).await }));
            status.into_iter().for_each(|status| assert_eq!(status.unwrap().code(), Some(2)));
            turn_until_there_are_no_children(&runtime);
        });
        assert!(dropped >= 1, "{dropped}");
        assert_eq!(support::descriptors(), before);
    });
}

/// A future that was never polled has started nothing.
#[test]
fn a_future_that_is_not_polled_starts_nothing() {
    let calls = Calls::new();
    let runtime = calls.runtime();
    let mut command = Command::new("true");
    drop(command.output());
    drop(command.status());
    drop(runtime);
    assert_eq!(calls.of(Call::Spawn), 0);
}

/// To a child process after a fork its parent's children are no children: it must not kill them.
#[test]
fn a_forked_child_does_not_kill_its_parents_children() {
    alone("process::leaving::a_forked_child_does_not_kill_its_parents_children", || {
        let runtime = Runtime::new();
        let start = || Command::new("cat").stdin(Stdio::piped()).stdout(Stdio::null()).kill_on_drop(true).spawn();
        let child: Child = runtime.enter(start).unwrap();
        let mut child = Some(child);
        // SAFETY: the test runs in a process of its own, in which no other thread holds a lock that the child needs.
        let pid = unsafe { libc::fork() };
        if pid == 0 {
            drop(child.take());
            // SAFETY: no pointers; nothing of the parent's is unwound or flushed.
            unsafe { libc::_exit(0) };
        }
        // SAFETY: the status is not wanted.
        assert_eq!(unsafe { libc::waitpid(pid, std::ptr::null_mut(), 0) }, pid);
        let mut child = child.unwrap();
        assert!(runtime.block_on(soon(child.wait())).unwrap().success(), "it ended by itself, at the end of its input");
    });
}

#[test]
fn a_drop_inside_a_runtime_that_never_turns_again_is_harmless() {
    block_on(async { drop(Command::new("true").spawn().unwrap()) });
}

//! Every end is seen, by whatever means, and can be asked for again.

use std::os::unix::process::ExitStatusExt;
use std::time::Duration;

use coracle::process::{Command, StatusLost, Stdio};
use coracle::sys::Call;
use coracle::{Runtime, block_on};

use super::{children, shell, soon, until_told, without_exit_descriptors};
use crate::reactor::calls::{Calls, errno};
use crate::support::{self, alone, cut_at_every_poll};

/// A kernel that can show the end of a child as a descriptor, and one that cannot.
fn with_and_without_descriptors(body: impl Fn(&Runtime)) {
    body(&Runtime::new());
    body(&without_exit_descriptors());
}

#[test]
fn the_end_can_be_asked_for_again_and_again() {
    with_and_without_descriptors(|runtime| {
        runtime.block_on(soon(async {
            let mut child = until_told(5);
            assert_eq!(child.try_wait().unwrap(), None);
            for _ in 0..3 {
                assert_eq!(child.wait().await.unwrap().code(), Some(5));
                assert_eq!(child.try_wait().unwrap().unwrap().code(), Some(5));
            }
        }));
    });
}

/// The child reads to the end of its input, which comes when `wait` drops our end of it.
#[test]
fn waiting_ends_the_childs_input() {
    block_on(soon(async {
        let mut child = Command::new("cat").stdin(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
        assert!(child.try_wait().unwrap().is_none());
        assert!(child.stdin.is_some(), "asking is not waiting");
        assert!(child.wait().await.unwrap().success());
        assert!(child.stdin.is_none());
    }));
}

#[test]
fn a_wait_that_is_dropped_anywhere_can_be_taken_up_again() {
    with_and_without_descriptors(|runtime| {
        let dropped = cut_at_every_poll(|cut| {
            runtime.block_on(soon(async {
                let mut child = until_told(4);
                let waited = cut.at(child.wait()).await;
                let status = match waited {
                    Some(status) => status,
                    None => child.wait().await,
                };
                assert_eq!(status.unwrap().code(), Some(4));
            }));
        });
        assert!(dropped >= 3, "{dropped}");
    });
}

/// While a thread waits, for lack of a descriptor, the loop goes on.
#[test]
fn others_go_on_while_one_waits() {
    with_and_without_descriptors(|runtime| {
        runtime.block_on(soon(async {
            let mut child = until_told(0);
            let input = child.stdin.take().unwrap();
            let waiting = coracle::spawn(async move { child.wait().await.unwrap() });
            for _ in 0..3 {
                coracle::time::sleep(Duration::from_millis(1)).await;
                assert!(!waiting.is_finished());
            }
            drop(input);
            assert!(waiting.await.unwrap().success());
        }));
    });
}

/// SIGCHLD is one bit: of two hundred children that end at once, who counts signals sees a few (tcpdump#972,
/// petitboot#95).
#[test]
fn two_hundred_children_that_end_at_once_are_all_waited_for() {
    alone("process::waiting::two_hundred_children_that_end_at_once_are_all_waited_for", || {
        let before = support::descriptors();
        block_on(soon(async {
            // All read from one pipe, whose end is the end of them all.
            let (reader, writer) = coracle::net::pipe().unwrap();
            let start = |number: i32| {
                let input = std::os::fd::AsFd::as_fd(&reader).try_clone_to_owned().unwrap();
                shell(&format!("read line; exit {}", number % 100)).stdin(input).spawn().unwrap()
            };
            // The children block in their reads, as ours never does.
            set_blocking(&reader);
            let mut waiting: Vec<_> = (0..200)
                .map(|number| {
                    let mut child = start(number);
                    coracle::spawn(async move { child.wait().await.unwrap().code() })
                })
                .collect();
            coracle::task::yield_now().await;
            assert_eq!(children().len(), 200);
            drop(writer);
            for (number, waiting) in waiting.drain(..).enumerate() {
                assert_eq!(waiting.await.unwrap(), Some(number as i32 % 100));
            }
        }));
        assert_eq!((children(), support::descriptors()), (vec![], before));
    });
}

fn set_blocking(fd: &impl std::os::fd::AsRawFd) {
    // SAFETY: no pointers.
    let flags = unsafe { libc::fcntl(fd.as_raw_fd(), libc::F_GETFL) };
    // SAFETY: no pointers.
    assert_eq!(unsafe { libc::fcntl(fd.as_raw_fd(), libc::F_SETFL, flags & !libc::O_NONBLOCK) }, 0);
}

/// Nothing depends on SIGCHLD: here it is blocked, which is what many who handle it do.
#[test]
fn sigchld_may_be_blocked() {
    alone("process::waiting::sigchld_may_be_blocked", || {
        let mut set = std::mem::MaybeUninit::uninit();
        // SAFETY: the pointer is to room for a set, which is then valid.
        unsafe { libc::sigemptyset(set.as_mut_ptr()) };
        // SAFETY: as above.
        unsafe { libc::sigaddset(set.as_mut_ptr(), libc::SIGCHLD) };
        // SAFETY: the set is valid; the old one is not wanted.
        assert_eq!(unsafe { libc::pthread_sigmask(libc::SIG_BLOCK, set.as_ptr(), std::ptr::null_mut()) }, 0);
        block_on(soon(async { assert_eq!(until_told(6).wait().await.unwrap().code(), Some(6)) }));
    });
}

/// The kernel reaps such children itself: the end is seen, the status is lost, and that is said, again and again
/// (cpython#76296).
#[test]
fn with_sigchld_ignored_the_status_is_lost() {
    alone("process::waiting::with_sigchld_ignored_the_status_is_lost", || {
        // SAFETY: to ignore a signal runs no code.
        assert_ne!(unsafe { libc::signal(libc::SIGCHLD, libc::SIG_IGN) }, libc::SIG_ERR);
        with_and_without_descriptors(|runtime| {
            runtime.block_on(soon(async {
                let mut child = until_told(3);
                assert!(child.try_wait().unwrap().is_none(), "it is still there");
                for _ in 0..2 {
                    let error = child.wait().await.unwrap_err();
                    assert!(error.get_ref().is_some_and(|error| error.is::<StatusLost>()), "{error}");
                    assert!(error.to_string().contains("SIGCHLD is ignored"), "{error}");
                    assert!(child.try_wait().is_err());
                }
                child.kill().unwrap();
                let error = shell("echo said").output().await.unwrap_err();
                assert!(error.get_ref().is_some_and(|error| error.is::<StatusLost>()), "{error}");
            }));
        });
        assert_eq!(children(), []);
    });
}

/// Some other code of the process waits for whatever child there is.
#[test]
fn a_status_that_somebody_else_took_is_lost() {
    alone("process::waiting::a_status_that_somebody_else_took_is_lost", || {
        with_and_without_descriptors(|runtime| {
            runtime.block_on(soon(async {
                let mut child = until_told(3);
                drop(child.stdin.take());
                // SAFETY: the status is not wanted.
                assert_eq!(unsafe { libc::waitpid(-1, std::ptr::null_mut(), 0) }, child.id() as i32);
                let error = child.wait().await.unwrap_err();
                assert!(error.get_ref().is_some_and(|error| error.is::<StatusLost>()), "{error}");
            }));
        });
    });
}

/// A number that the kernel has given up may be another process's by now: nothing is sent to it. That the child is gone is
/// found out by asking, not by the signal.
#[test]
fn a_child_that_somebody_else_reaped_is_not_killed() {
    alone("process::waiting::a_child_that_somebody_else_reaped_is_not_killed", || {
        let runtime = Calls::before(|now| match now {
            Call::SendSignal => panic!("to whom?"),
            _ => Ok(()),
        })
        .runtime();
        runtime.block_on(soon(async {
            let mut child = until_told(3);
            drop(child.stdin.take());
            // SAFETY: the status is not wanted.
            assert_eq!(unsafe { libc::waitpid(-1, std::ptr::null_mut(), 0) }, child.id() as i32);
            child.kill().unwrap();
            assert!(child.try_wait().is_err());
        }));
    });
}

/// If it cannot be found out whether it is still there, it is told all the same: most often it is.
#[test]
fn a_child_that_cannot_be_asked_is_killed() {
    alone("process::waiting::a_child_that_cannot_be_asked_is_killed", || {
        let once = std::sync::atomic::AtomicBool::new(true);
        let runtime = Calls::before(move |now| match now {
            Call::Reap if once.swap(false, std::sync::atomic::Ordering::SeqCst) => Err(errno(libc::ENOMEM)),
            _ => Ok(()),
        })
        .runtime();
        runtime.block_on(soon(async {
            let mut child = until_told(3);
            let _input = child.stdin.take();
            child.kill().unwrap();
            assert_eq!(child.wait().await.unwrap().signal(), Some(libc::SIGKILL));
        }));
    });
}

/// Where only threads can wait, a child that runs on takes none away from others: not from another child, nor from
/// files and names.
#[test]
fn children_that_run_on_hold_nobody_up() {
    alone("process::waiting::children_that_run_on_hold_nobody_up", || {
        without_exit_descriptors().block_on(soon(async {
            coracle::blocking::set_pool(coracle::blocking::Pool::builder().threads(1).build()).unwrap();
            let mut lasting = until_told(1);
            let input = lasting.stdin.take();
            let waiting = coracle::spawn(async move { lasting.wait().await.unwrap().code() });
            coracle::task::yield_now().await;
            assert_eq!(shell("exit 2").status().await.unwrap().code(), Some(2));
            assert_eq!(coracle::blocking::submit(|| 3).await.unwrap(), 3);
            drop(input);
            assert_eq!(waiting.await.unwrap(), Some(1));
        }));
    });
}

/// An error on the way says nothing about the child: it can be asked again, also by another way.
#[test]
fn after_a_fault_the_end_can_still_be_waited_for() {
    alone("process::waiting::after_a_fault_the_end_can_still_be_waited_for", || {
        for call in [Call::Add, Call::Poller, Call::Reap, Call::AwaitExit, Call::Thread] {
            let once = std::sync::atomic::AtomicBool::new(true);
            let by_thread = [Call::AwaitExit, Call::Thread].contains(&call);
            let runtime = Calls::before(move |now| match now {
                Call::ExitDescriptor if by_thread => Err(errno(libc::ENOSYS)),
                now if now == call && once.swap(false, std::sync::atomic::Ordering::SeqCst) => Err(errno(libc::ENOMEM)),
                _ => Ok(()),
            })
            .runtime();
            runtime.block_on(soon(async {
                let mut child = until_told(9);
                let input = child.stdin.take();
                let error = child.wait().await.unwrap_err();
                assert_eq!(error.raw_os_error(), Some(libc::ENOMEM), "{call:?}");
                drop(input);
                assert_eq!(child.wait().await.unwrap().code(), Some(9), "{call:?}");
            }));
        }
        assert_eq!(children(), []);
    });
}

#[test]
fn away_from_its_runtime_a_child_can_be_asked_but_not_waited_for() {
    alone("process::waiting::away_from_its_runtime_a_child_can_be_asked_but_not_waited_for", || {
        let runtime = Runtime::new();
        let mut child = runtime.enter(|| Command::new("sleep").arg("60").spawn()).unwrap();
        let mut child = std::thread::spawn(move || {
            let error = block_on(child.wait()).unwrap_err();
            assert!(error.to_string().contains("another thread"), "{error}");
            assert!(child.try_wait().unwrap().is_none());
            child
        })
        .join()
        .unwrap();
        drop(runtime);
        assert_eq!(block_on(child.wait()).unwrap_err().kind(), std::io::ErrorKind::NotConnected);
        child.kill().unwrap();
        let status = loop {
            if let Some(status) = child.try_wait().unwrap() {
                break status;
            }
        };
        assert_eq!(status.signal(), Some(libc::SIGKILL));
    });
}

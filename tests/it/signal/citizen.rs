//! A good citizen of its process: what was there before comes back, children are left alone, nothing is written where
//! it should not be, nothing is interrupted.

use std::collections::VecDeque;
use std::io::{Read, Write};
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::task::Poll;
use std::time::{Duration, Instant};

use coracle::signal::{Signal, Signals};
use coracle::{Budget, Runtime, block_on};

use super::{disposition, raise, set_disposition};
use crate::support::{self, alone, poll_once};

const USR1: Signal = Signal::USR1;

static HANDLED: AtomicUsize = AtomicUsize::new(0);

extern "C" fn count(_: libc::c_int) {
    HANDLED.fetch_add(1, Ordering::SeqCst);
}

fn count_address() -> usize {
    count as extern "C" fn(libc::c_int) as usize
}

fn handled() -> usize {
    HANDLED.load(Ordering::SeqCst)
}

#[test]
fn the_last_who_watches_puts_back_what_was_there_before() {
    alone("signal::citizen::the_last_who_watches_puts_back_what_was_there_before", || {
        let runtime = Runtime::new();
        let watch = || runtime.enter(|| Signals::new(&[USR1])).unwrap();
        for before in [libc::SIG_DFL, libc::SIG_IGN, count_address()] {
            set_disposition(USR1, before);
            let first = watch();
            let ours = disposition(USR1);
            assert_ne!(ours, before);
            let second = watch();
            drop(first);
            assert_eq!(disposition(USR1), ours, "one still watches");
            drop(second);
            assert_eq!(disposition(USR1), before);
        }
        raise(USR1);
        assert_eq!(handled(), 1, "the handler of before works");
    });
}

#[test]
fn a_handler_that_somebody_else_put_in_our_place_stays() {
    alone("signal::citizen::a_handler_that_somebody_else_put_in_our_place_stays", || {
        let runtime = Runtime::new();
        let signals = runtime.enter(|| Signals::new(&[USR1])).unwrap();
        set_disposition(USR1, count_address());
        drop(signals);
        assert_eq!(disposition(USR1), count_address());
    });
}

/// What a forked child does in its few moments; 0 if it is right.
fn child(fork: impl FnOnce() -> libc::pid_t, body: impl FnOnce() -> i32) -> i32 {
    let pid = fork();
    assert!(pid >= 0);
    if pid == 0 {
        let status = std::panic::catch_unwind(std::panic::AssertUnwindSafe(body)).unwrap_or(99);
        // SAFETY: no pointers; nothing of the parent's is unwound or flushed.
        unsafe { libc::_exit(status) };
    }
    let mut status = 0;
    // SAFETY: the kernel writes to `status`.
    assert_eq!(unsafe { libc::waitpid(pid, &mut status, 0) }, pid);
    if libc::WIFEXITED(status) { libc::WEXITSTATUS(status) } else { 1000 + libc::WTERMSIG(status) }
}

fn fork() -> libc::pid_t {
    // SAFETY: the test runs in a process of its own, in which no other thread holds a lock that the child needs.
    unsafe { libc::fork() }
}

/// USR1, and its descriptor is registered: what is written to it shows in the next turn.
fn waited_for(runtime: &Runtime) -> Signals {
    let signals = runtime.enter(|| Signals::new(&[USR1])).unwrap();
    assert!(matches!(runtime.enter(|| poll_once(&mut signals.recv())), Poll::Pending));
    assert_eq!(
        runtime.turn(Budget::no_wait()).unwrap().ready,
        1,
        "what is registered is looked at once: it can be written"
    );
    signals
}

/// The sockets are shared with the parent: what the child's handler wrote there, the parent would take for its own.
#[test]
fn a_signal_to_a_forked_child_is_none_to_its_parent() {
    alone("signal::citizen::a_signal_to_a_forked_child_is_none_to_its_parent", || {
        set_disposition(USR1, count_address());
        let runtime = Runtime::new();
        let signals = std::cell::RefCell::new(Some(waited_for(&runtime)));
        let status = child(fork, || {
            // As if nobody had ever watched.
            if disposition(USR1) != count_address() {
                return 1;
            }
            raise(USR1);
            if handled() != 1 {
                return 2;
            }
            // Its own subscribers are its own, and dropping the parent's takes nothing away from them.
            Runtime::new().block_on(async {
                let own = Signals::new(&[USR1]).unwrap();
                drop(signals.take());
                raise(USR1);
                assert_eq!(own.recv().await.unwrap(), USR1);
                drop(own);
            });
            if disposition(USR1) != count_address() { 3 } else { 0 }
        });
        assert_eq!(status, 0);
        let signals = signals.take().unwrap();
        assert_eq!(runtime.turn(Budget::no_wait()).unwrap().ready, 0, "something was written");
        raise(USR1);
        assert_eq!(runtime.block_on(signals.recv()).unwrap(), USR1);
        assert_eq!(handled(), 0);
    });
}

/// A fork waits until a change of the table is over, and no child keeps the handler, which would swallow its signals.
#[test]
fn a_child_that_is_forked_while_another_thread_subscribes_has_what_was_there_before() {
    alone("signal::citizen::a_child_that_is_forked_while_another_thread_subscribes_has_what_was_there_before", || {
        let done = std::sync::Arc::new(AtomicBool::new(false));
        drop(Runtime::new().enter(|| Signals::new(&[USR1])).unwrap());
        let subscribers = [0, 1].map(|_| {
            let done = done.clone();
            std::thread::spawn(move || {
                let runtime = Runtime::new();
                while !done.load(Ordering::SeqCst) {
                    drop(runtime.enter(|| Signals::new(&[USR1])).unwrap());
                }
            })
        });
        let kept: i32 = (0..200).map(|_| child(fork, || i32::from(disposition(USR1) != libc::SIG_DFL))).sum();
        done.store(true, Ordering::SeqCst);
        for thread in subscribers {
            thread.join().unwrap();
        }
        assert_eq!(kept, 0, "so many of 200 children kept the handler");
    });
}

/// A child that the C library knows nothing of, as between `vfork` and `exec`: it keeps the handler, which is silent
/// there.
#[cfg(target_os = "linux")]
#[test]
fn the_handler_is_silent_in_a_child_that_was_made_behind_the_librarys_back() {
    alone("signal::citizen::the_handler_is_silent_in_a_child_that_was_made_behind_the_librarys_back", || {
        let runtime = Runtime::new();
        let signals = waited_for(&runtime);
        let ours = disposition(USR1);
        let clone = || {
            // SAFETY: like `fork`, but that no handlers of forks are called: no stack, so the child goes on with a copy
            // of ours.
            unsafe { libc::syscall(libc::SYS_clone, libc::SIGCHLD, 0, 0, 0, 0) as libc::pid_t }
        };
        let status = child(clone, || {
            let own = std::process::id() as libc::pid_t;
            // SAFETY: no pointers. (`raise` may believe that it is still the parent.)
            unsafe { libc::kill(own, USR1.number()) };
            if disposition(USR1) == ours { 0 } else { 1 }
        });
        assert_eq!(status, 0);
        assert_eq!(runtime.turn(Budget::no_wait()).unwrap().ready, 0, "something was written");
        drop(signals);
    });
}

/// Signals rain on more threads than there are processors, so that many a handler is put aside half-way, while
/// subscribers come and go. The numbers of their descriptors are given to others at once, who keep them: no byte is
/// ever written there.
#[test]
fn a_handler_never_writes_to_a_descriptor_that_was_given_up() {
    alone("signal::citizen::a_handler_never_writes_to_a_descriptor_that_was_given_up", || {
        set_disposition(USR1, libc::SIG_IGN);
        static OVER: AtomicBool = AtomicBool::new(false);
        let rain = || {
            while !OVER.load(Ordering::SeqCst) {
                raise(USR1);
            }
        };
        let rains: Vec<_> = (0..4).map(|_| std::thread::spawn(rain)).collect();
        let before = support::descriptors();
        let runtime = Runtime::new();
        let begin = Instant::now();
        let mut others = VecDeque::new();
        while begin.elapsed() < Duration::from_millis(500) || others.is_empty() {
            let signals = runtime.enter(|| Signals::new(&[USR1])).unwrap();
            assert_eq!(runtime.block_on(signals.recv()).unwrap(), USR1);
            drop(signals);
            others.push_back(UnixStream::pair().unwrap());
            if others.len() > 200 {
                others.pop_front().into_iter().for_each(assert_nothing_came);
            }
        }
        OVER.store(true, Ordering::SeqCst);
        rains.into_iter().for_each(|thread| thread.join().unwrap());
        others.into_iter().for_each(assert_nothing_came);
        drop(runtime);
        assert_eq!((support::descriptors(), disposition(USR1)), (before, libc::SIG_IGN));
    });
}

fn assert_nothing_came((one, other): (UnixStream, UnixStream)) {
    for mut end in [&one, &other] {
        end.set_nonblocking(true).unwrap();
        let read = end.read(&mut [0; 16]).map_err(|error| error.kind());
        assert_eq!(read, Err(std::io::ErrorKind::WouldBlock), "descriptor {}", end.as_raw_fd());
    }
}

/// A call of another thread that the handler interrupts goes on by itself.
#[test]
fn blocking_calls_of_others_are_not_interrupted() {
    alone("signal::citizen::blocking_calls_of_others_are_not_interrupted", || {
        block_on(async {
            let signals = Signals::new(&[USR1]).unwrap();
            let (mut ours, theirs) = UnixStream::pair().unwrap();
            let (send, thread) = std::sync::mpsc::channel();
            let reader = std::thread::spawn(move || {
                // SAFETY: no pointers.
                send.send(unsafe { libc::pthread_self() } as usize).unwrap();
                let mut byte = [0_u8];
                // SAFETY: the kernel writes at most one byte. (`Read::read` would hide what is looked for here.)
                unsafe { libc::read(theirs.as_raw_fd(), byte.as_mut_ptr().cast(), 1) }
            });
            let thread = thread.recv().unwrap();
            let mut seen = 0;
            for _ in 0..20 {
                // SAFETY: the thread is not joined yet.
                assert_eq!(unsafe { libc::pthread_kill(thread as libc::pthread_t, USR1.number()) }, 0);
                assert_eq!(signals.recv().await.unwrap(), USR1);
                seen += 1;
                std::thread::sleep(Duration::from_millis(1));
            }
            ours.write_all(b"x").unwrap();
            assert_eq!((reader.join().unwrap(), seen), (1, 20));
        });
    });
}

#[test]
fn descriptors_and_slots_are_used_again() {
    alone("signal::citizen::descriptors_and_slots_are_used_again", || {
        let before = support::descriptors();
        let runtime = Runtime::new();
        runtime.block_on(async {
            for _ in 0..3 {
                let many: Vec<_> = (0..50).map(|_| Signals::new(&[USR1, Signal::USR2]).unwrap()).collect();
                raise(USR1);
                for signals in &many {
                    assert_eq!(signals.recv().await.unwrap(), USR1);
                }
            }
        });
        drop(runtime);
        assert_eq!(support::descriptors(), before);
        support::leaves_the_heap_as_it_was(|| {
            let runtime = Runtime::new();
            drop(runtime.enter(|| Signals::new(&[USR1, Signal::USR2])).unwrap());
        });
    });
}

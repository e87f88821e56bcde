//! What a connection costs that soon goes: one registration, no try of which it is known that it would find nothing, and
//! nothing on its way out, unless somebody may have a duplicate of its descriptor.

use std::io::{Read, Write};
use std::net::TcpStream as StdStream;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::sync::Arc;
use std::task::Waker;
use std::time::Duration;

use coracle::net::{Interest, TcpListener, TcpStream};
use coracle::sys::Call;
use coracle::{Budget, Runtime, Turn};

use super::calls::{Calls, errno};
use super::{poll_read, register, settle, soon};
use crate::support::{alone, poll_once};

/// A connection that the runtime has accepted, so that nobody else has its descriptor; and its peer, which blocks.
fn accepted(runtime: &Runtime) -> (TcpStream, StdStream) {
    runtime.enter(|| {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let peer = StdStream::connect(listener.local_addr().unwrap()).unwrap();
        peer.set_nodelay(true).unwrap();
        (listener.try_accept().unwrap().0, peer)
    })
}

fn watched() -> (Arc<Calls>, Runtime) {
    let calls = Calls::new();
    let runtime = calls.runtime();
    (calls, runtime)
}

/// What comes from the peer makes neither an event nor a turn.
fn hears_nothing(runtime: &Runtime, peer: &mut StdStream) {
    // That it is refused would be just as well.
    let _ = peer.write_all(b"to nobody");
    let turn = runtime.turn(Budget { wait: Some(Duration::from_millis(50)), ..Budget::no_wait() }).unwrap();
    assert_eq!((turn, runtime.inspect().stale_events), (Turn::default(), 0));
}

/// Accept, read, write, register, read the end, close: what a plain epoll loop does, and no more.
#[test]
fn a_connection_for_one_request_costs_six_calls() {
    let (calls, runtime) = watched();
    let listener = runtime.enter(|| TcpListener::bind("127.0.0.1:0")).unwrap();
    let mut peer = StdStream::connect(listener.local_addr().unwrap()).unwrap();
    peer.write_all(b"?").unwrap();
    calls.take();
    let serving = runtime.spawn(async move {
        let (stream, _) = listener.accept().await.unwrap();
        let mut buffer = [0; 64];
        assert_eq!(stream.read(&mut buffer).await.unwrap(), 1);
        stream.write_all(b"!").await.unwrap();
        assert_eq!(stream.read(&mut buffer).await.unwrap(), 0);
        listener
    });
    settle(&runtime);
    peer.read_exact(&mut [0]).unwrap();
    drop(peer);
    let _listener = runtime.block_on(soon(serving)).unwrap();

    let mut made = calls.take();
    made.retain(|call, _| !matches!(call, Call::Wait | Call::Now | Call::Notify));
    let mut made: Vec<_> = made.into_iter().map(|(call, count)| (format!("{call:?}"), count)).collect();
    made.sort();
    let expected = [("Accept", 1), ("Add", 1), ("Close", 1), ("Receive", 2), ("Send", 1)];
    assert_eq!(made, expected.map(|(call, count)| (call.to_owned(), count)));
}

/// What comes between a short read and the registration is seen: bytes, the end, a reset. The same for a second read
/// that waits, is given up, and is made anew.
#[test]
fn what_comes_before_a_registration_without_a_try_is_seen() {
    for gives_up in [false, true] {
        for last in ["bytes", "end", "reset"] {
            let runtime = Runtime::new();
            let (ours, mut peer) = accepted(&runtime);
            peer.write_all(b"1").unwrap();
            let mut buffer = [0; 8];
            assert_eq!(runtime.block_on(soon(ours.read(&mut buffer))).unwrap(), 1, "a short one");
            assert!(runtime.inspect().sources.is_empty());
            match last {
                "bytes" => peer.write_all(b"23").unwrap(),
                "end" => drop(peer),
                _ => {
                    ours.try_write(b"unread, so that the close is a reset").unwrap();
                    drop(peer);
                }
            }
            if gives_up {
                assert!(runtime.enter(|| poll_once(&mut ours.read(&mut buffer))).is_pending());
            }
            let read = runtime.block_on(soon(ours.read(&mut buffer)));
            match last {
                "bytes" => assert_eq!(&buffer[..read.unwrap().min(1)], b"2"),
                "end" => assert_eq!(read.unwrap(), 0),
                _ => assert_eq!(read.unwrap_err().kind(), std::io::ErrorKind::ConnectionReset),
            }
        }
    }
}

/// A short write is followed by no try either, and goes on when there is room.
#[test]
fn a_write_that_filled_its_socket_goes_on_when_there_is_room() {
    let (calls, runtime) = watched();
    let (ours, mut peer) = accepted(&runtime);
    let bytes = vec![7; 16 << 20];
    let reading = std::thread::spawn(move || {
        let mut all = Vec::new();
        peer.read_to_end(&mut all).unwrap();
        all.len()
    });
    runtime.block_on(soon(ours.write_all(&bytes))).unwrap();
    drop(ours);
    assert_eq!((calls.of(Call::Add), calls.of(Call::Remove)), (1, 0));
    assert_eq!(reading.join().unwrap(), bytes.len());
}

/// If the registration fails, the try decides: what is there already needs no poller. And nothing is forgotten by it.
#[test]
fn a_registration_without_a_try_that_fails_hides_nothing() {
    let calls = Calls::before(|call| if call == Call::Add { Err(errno(libc::ENOSPC)) } else { Ok(()) });
    let runtime = calls.runtime();
    let (ours, mut peer) = accepted(&runtime);
    peer.write_all(b"1").unwrap();
    let mut buffer = [0; 8];
    assert_eq!(runtime.block_on(ours.read(&mut buffer)).unwrap(), 1);
    peer.write_all(b"2").unwrap();
    assert_eq!(runtime.block_on(ours.read(&mut buffer)).unwrap(), 1);
    assert_eq!(runtime.block_on(ours.read(&mut buffer)).unwrap_err().raw_os_error(), Some(libc::ENOSPC));
    assert!(runtime.inspect().sources.is_empty());
}

/// Nobody else has the descriptor, so its close takes it out of the poller: also on another thread.
#[test]
fn a_descriptor_that_was_never_shown_leaves_with_its_close() {
    let (calls, runtime) = watched();
    for elsewhere in [false, true] {
        let (ours, mut peer) = accepted(&runtime);
        register(&runtime, &ours);
        // `register` has looked at its number, which is to show it.
        assert_eq!(runtime.inspect().sources.len(), 1);
        drop(ours);
        assert_eq!(calls.of(Call::Remove), 1);
        let (ours, _) = runtime.enter(|| {
            let listener = TcpListener::bind("127.0.0.1:0").unwrap();
            peer = StdStream::connect(listener.local_addr().unwrap()).unwrap();
            listener.try_accept().unwrap()
        });
        runtime.enter(|| assert!(poll_read(&ours, Waker::noop()).is_none()));
        calls.take();
        if elsewhere {
            std::thread::spawn(move || drop(ours)).join().unwrap();
            runtime.turn(Budget::no_wait()).unwrap();
        } else {
            drop(ours);
        }
        assert_eq!((calls.of(Call::Close), calls.of(Call::Remove)), (1, 0));
        hears_nothing(&runtime, &mut peer);
        assert!(runtime.inspect().sources.is_empty());
        calls.take();
    }
}

type Duplicate = fn(&Runtime, &TcpStream) -> OwnedFd;

/// Each way to a duplicate that a program has. The socket is dropped, the duplicate lives: with epoll the registration
/// would live with it, and every packet would wake the loop for nothing (mio#361, uvloop#61).
#[test]
fn a_duplicate_made_in_whatever_way_makes_no_events() {
    let ways: [(&str, Duplicate); 3] = [
        ("AsFd", |_, ours| ours.as_fd().try_clone_to_owned().unwrap()),
        ("AsRawFd", |_, ours| {
            let number = ours.as_raw_fd();
            // SAFETY: it is open, and `ours` is borrowed.
            unsafe { std::os::fd::BorrowedFd::borrow_raw(number) }.try_clone_to_owned().unwrap()
        }),
        ("poll_io", |runtime, ours| {
            let clone = std::future::poll_fn(|cx| ours.poll_io(cx, Interest::Write, |fd| fd.try_clone_to_owned()));
            runtime.block_on(clone).unwrap()
        }),
    ];
    for (way, duplicate) in ways {
        let runtime = Runtime::new();
        let (ours, mut peer) = accepted(&runtime);
        // The first of the two polls reads one byte of two, hence does not register.
        let duplicate_before = (way == "AsFd").then(|| duplicate(&runtime, &ours));
        runtime.enter(|| assert!(poll_read(&ours, Waker::noop()).is_none()));
        settle(&runtime);
        let duplicate = duplicate_before.unwrap_or_else(|| duplicate(&runtime, &ours));
        drop(ours);
        hears_nothing(&runtime, &mut peer);
        drop(duplicate);
    }
}

/// What is handed over is taken out, whether anybody has seen it before or not.
#[test]
fn a_descriptor_that_is_handed_over_makes_no_events() {
    let (calls, runtime) = watched();
    let (ours, mut peer) = accepted(&runtime);
    runtime.enter(|| assert!(poll_read(&ours, Waker::noop()).is_none()));
    settle(&runtime);
    let theirs = ours.into_std();
    assert_eq!(calls.of(Call::Remove), 1);
    hears_nothing(&runtime, &mut peer);
    // And it can be registered anew.
    let again = runtime.enter(|| TcpStream::from_std(theirs)).unwrap();
    let mut buffer = [0; 16];
    assert_eq!(runtime.block_on(soon(again.read(&mut buffer))).unwrap(), 9);
    runtime.enter(|| assert!(poll_read(&again, Waker::noop()).is_none()));
}

/// A child process that was forked off has a duplicate of each descriptor, though nobody was shown it; one that was made
/// after the fork has none.
#[test]
fn what_a_forked_child_has_too_makes_no_events() {
    alone("reactor::leaving::what_a_forked_child_has_too_makes_no_events", || {
        let (calls, runtime) = watched();
        let (ours, mut peer) = accepted(&runtime);
        runtime.enter(|| assert!(poll_read(&ours, Waker::noop()).is_none()));
        settle(&runtime);
        // SAFETY: the child only sleeps, and is killed.
        let child = unsafe { libc::fork() };
        assert!(child >= 0);
        if child == 0 {
            // SAFETY: no pointers. Should the test fail, it ends by itself.
            unsafe { libc::alarm(10) };
            loop {
                // SAFETY: no pointers.
                unsafe { libc::pause() };
            }
        }
        drop(ours);
        assert_eq!(calls.of(Call::Remove), 1);
        hears_nothing(&runtime, &mut peer);

        let (later, _peer) = accepted(&runtime);
        runtime.enter(|| assert!(poll_read(&later, Waker::noop()).is_none()));
        drop(later);
        assert_eq!(calls.of(Call::Remove), 1, "the child has no duplicate of this one");
        // SAFETY: no pointers; the child has not been waited for, so the number is its own.
        unsafe { libc::kill(child, libc::SIGKILL) };
        // SAFETY: no status is asked for.
        unsafe { libc::waitpid(child, std::ptr::null_mut(), 0) };
    });
}

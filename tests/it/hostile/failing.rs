//! `testing::Failing`: the n-th call fails. And what an interruption is to operations that do not wait.

use std::io::ErrorKind;
use std::sync::Arc;

use coracle::Runtime;
use coracle::net::{self, UdpSocket, UnixStream};
use coracle::sys::{Call, World};
use coracle::testing::Failing;

use super::Log;

fn with(failing: Failing) -> (Runtime, Arc<Failing>) {
    let failing = Arc::new(failing);
    (Runtime::builder().world(World::kernel().hooked(failing.clone())).build(), failing)
}

/// What some pipes in a row say.
fn pipes(runtime: &Runtime, count: usize) -> Vec<Option<ErrorKind>> {
    runtime.block_on(async { (0..count).map(|_| net::pipe().err().map(|error| error.kind())).collect() })
}

const NO_ROOM: Option<ErrorKind> = Some(ErrorKind::OutOfMemory);

#[test]
fn the_nth_call_fails_and_no_other() {
    let (runtime, failing) = with(Failing::nth(Call::Pipe, 2, ErrorKind::OutOfMemory));
    assert_eq!(pipes(&runtime, 4), [None, NO_ROOM, None, None]);
    assert_eq!(failing.count(), 4);
}

#[test]
fn from_then_on_all_fail() {
    let (runtime, failing) = with(Failing::nth(Call::Pipe, 2, ErrorKind::OutOfMemory).from_then_on());
    assert_eq!(pipes(&runtime, 4), [None, NO_ROOM, NO_ROOM, NO_ROOM]);
    assert_eq!(failing.count(), 4, "a call that failed was one too");
}

#[test]
fn with_zero_nothing_fails_and_all_are_counted() {
    for failing in [Failing::nth(Call::Pipe, 0, 24), Failing::nth(Call::Pipe, 0, 24).from_then_on()] {
        let (runtime, failing) = with(failing);
        assert_eq!(pipes(&runtime, 3), [None; 3]);
        assert_eq!(failing.count(), 3);
    }
}

#[test]
fn a_number_of_the_systems_comes_as_it_is() {
    let (runtime, _) = with(Failing::nth(Call::Pipe, 1, libc::EMFILE));
    let error = runtime.block_on(async { net::pipe().unwrap_err() });
    assert_eq!(error.raw_os_error(), Some(libc::EMFILE));
}

#[test]
fn another_hook_sees_what_does_not_fail_here_and_may_fail_too() {
    let log = Log::new();
    let third = Arc::new(Failing::nth(Call::Pipe, 1, ErrorKind::PermissionDenied).and(log.clone()));
    let (runtime, _) = with(Failing::nth(Call::Pipe, 1, ErrorKind::OutOfMemory).and(third.clone()));
    assert_eq!(pipes(&runtime, 3), [NO_ROOM, Some(ErrorKind::PermissionDenied), None]);
    assert_eq!(third.count(), 2);
    let pipes: Vec<_> = log.take().into_iter().filter(|(call, _)| *call == Call::Pipe).collect();
    assert_eq!(pipes, [(Call::Pipe, None)]);
}

/// `try_read` and the like gave the program an EINTR, which says nothing of the descriptor.
#[test]
fn a_try_that_is_interrupted_is_made_anew() {
    type Tries = fn() -> std::io::Result<usize>;
    let tries: [(Call, Tries); 6] = [
        (Call::Send, || UnixStream::pair()?.0.try_write(b"bytes")),
        (Call::Receive, || {
            let (one, other) = UnixStream::pair()?;
            one.try_write(b"bytes")?;
            other.try_read(&mut [0; 8])
        }),
        (Call::Write, || net::pipe()?.1.try_write(b"bytes")),
        (Call::Read, || {
            let (reader, writer) = net::pipe()?;
            writer.try_write(b"bytes")?;
            reader.try_read(&mut [0; 8])
        }),
        (Call::SendMessage, || {
            let socket = UdpSocket::bind("127.0.0.1:0")?;
            socket.try_send_to(b"bytes", socket.local_addr()?)
        }),
        (Call::ReceiveMessage, || {
            let socket = UdpSocket::bind("127.0.0.1:0")?;
            socket.try_send_to(b"bytes", socket.local_addr()?)?;
            socket.try_recv_from(&mut [0; 8]).map(|(count, _)| count)
        }),
    ];
    for (call, tries) in tries {
        let (runtime, failing) = with(Failing::nth(call, 1, ErrorKind::Interrupted));
        assert_eq!(runtime.block_on(async { tries().unwrap() }), 5, "{call:?}");
        assert_eq!(failing.count(), 2, "{call:?}");
        // And not for ever: a world that says nothing else must not hold the thread.
        let (runtime, _) = with(Failing::nth(call, 1, ErrorKind::Interrupted).from_then_on());
        assert_eq!(runtime.block_on(async { tries().unwrap_err().kind() }), ErrorKind::Interrupted, "{call:?}");
    }
}

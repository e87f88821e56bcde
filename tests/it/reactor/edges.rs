//! No readiness is lost, and none is seen for ever: the facts about edge-triggered polling on which the sockets rest.

use std::io::{self, Read, Write};
use std::net::Shutdown;
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd};
use std::sync::{Arc, Mutex};
use std::task::{Poll, Waker};
use std::time::{Duration, Instant};

use coracle::net::{Interest, TcpStream};
use coracle::sys::Call;
use coracle::{Budget, Runtime};

use super::calls::Calls;
use super::{connection, poll_read, register, settle, soon, stream, turn_until};
use crate::support::{CountingWaker, alone, poll_with};

/// Lets the peer write when a call is made for which `when` holds, and reads.
fn read_while_the_peer_writes(when: fn(Call, bool) -> bool) -> Vec<u8> {
    let (ours, theirs) = connection();
    let peer = Mutex::new(Some(theirs));
    let peer = Arc::new(peer);
    let write = move |call: Call, would_block: bool| {
        if !when(call, would_block) {
            return;
        }
        if let Some(theirs) = &mut *peer.lock().unwrap() {
            theirs.write_all(b"!").unwrap();
        }
    };
    let (before, after) = (write.clone(), write);
    let calls = Calls::with(
        move |call| {
            before(call, false);
            Ok(())
        },
        move |call, error| after(call, error.is_some_and(|error| error.kind() == io::ErrorKind::WouldBlock)),
    );
    let runtime = calls.runtime();
    let ours = runtime.enter(|| TcpStream::from_std(ours)).unwrap();
    let mut buffer = [0; 8];
    let count = runtime.block_on(soon(ours.read(&mut buffer))).unwrap();
    buffer[..count].to_vec()
}

/// Between the read that finds nothing and the registration, bytes arrive; nobody announces them again (tokio#6133).
#[test]
fn bytes_that_come_between_would_block_and_the_registration_are_seen() {
    assert_eq!(read_while_the_peer_writes(|call, would_block| call == Call::Receive && would_block), b"!");
}

/// The same, just before the registration and just after it (`Add` is seen on both sides of the call).
#[test]
fn bytes_that_come_around_the_registration_are_seen() {
    assert_eq!(read_while_the_peer_writes(|call, _| call == Call::Add), b"!!");
}

/// Bytes arrive while the reader takes its wake in, again and again: every one of them is read, and the clearing of an
/// old readiness never hides a new one (tokio#8331).
#[test]
fn bytes_that_come_with_every_would_block_are_all_seen() {
    const ROUNDS: usize = 600;
    let (ours, theirs) = connection();
    let sent = Arc::new(Mutex::new(0));
    let count = sent.clone();
    let calls = Calls::after(move |call, error| {
        let mut sent = count.lock().unwrap();
        if call == Call::Receive && error.is_some() && *sent < ROUNDS {
            *sent += 1;
            (&theirs).write_all(b"!").unwrap();
        }
    });
    let runtime = calls.runtime();
    let ours = runtime.enter(|| TcpStream::from_std(ours)).unwrap();
    let read = runtime.block_on(soon(async {
        let mut read = 0;
        while read < ROUNDS {
            // A byte at a time: every read asks for no more than there is, so only `WouldBlock` says that it is over.
            read += ours.read(&mut [0]).await.unwrap();
        }
        read
    }));
    assert_eq!((read, *sent.lock().unwrap()), (ROUNDS, ROUNDS));
}

/// Sends bytes and the end of the stream in one segment.
fn send_with_fin(theirs: &std::net::TcpStream, bytes: &[u8]) {
    let flags = libc::MSG_MORE | libc::MSG_NOSIGNAL;
    // SAFETY: the kernel reads `bytes.len()` bytes of `bytes`.
    let sent = unsafe { libc::send(theirs.as_raw_fd(), bytes.as_ptr().cast(), bytes.len(), flags) };
    assert_eq!(sent, bytes.len() as isize);
    theirs.shutdown(Shutdown::Write).unwrap();
}

/// A short read says "drained", but the end of the stream made its only event together with the bytes (tokio#5881).
#[test]
fn the_end_that_came_in_one_segment_with_the_last_bytes_is_read() {
    let runtime = Runtime::new();
    for length in (1..32).chain([63, 64, 65, 127, 255, 256, 511, 512]) {
        let (ours, theirs) = stream(&runtime);
        register(&runtime, &ours);
        settle(&runtime);
        let bytes: Vec<u8> = (0..length).map(|byte| byte as u8).collect();
        send_with_fin(&theirs, &bytes);
        let (mut buffer, mut seen) = ([0; 64], Vec::new());
        runtime.block_on(soon(async {
            loop {
                match ours.read(&mut buffer).await.unwrap() {
                    0 => break,
                    count => seen.extend_from_slice(&buffer[..count]),
                }
            }
            assert_eq!(ours.read(&mut buffer).await.unwrap(), 0, "and it stays so");
        }));
        assert_eq!(seen, bytes);
    }
}

/// The same in the smallest case, as a trace.
#[test]
fn one_byte_and_the_end_read_as_one_and_zero() {
    let runtime = Runtime::new();
    let (ours, theirs) = stream(&runtime);
    register(&runtime, &ours);
    send_with_fin(&theirs, b"x");
    let trace: Vec<usize> = runtime.block_on(soon(async {
        let mut buffer = [0; 4096];
        let mut trace = Vec::new();
        for _ in 0..3 {
            trace.push(ours.read(&mut buffer).await.unwrap());
        }
        trace
    }));
    assert_eq!(trace, [1, 0, 0]);
}

/// A peer that has ended its own direction reads on, slowly: that it has ended must not make us spin while there is no
/// room to write (mio#933, tokio-rustls#33: a full core).
#[test]
fn writing_to_a_half_closed_slow_peer_sleeps_between_bursts() {
    const LENGTH: usize = 8 << 20;
    let calls = Calls::new();
    let runtime = calls.runtime();
    let (ours, theirs) = stream(&runtime);
    theirs.shutdown(Shutdown::Write).unwrap();
    let reader = std::thread::spawn(move || {
        let (mut theirs, mut buffer, mut next, mut total) = (theirs, vec![0; 128 << 10], 0u8, 0);
        loop {
            let count = theirs.read(&mut buffer).unwrap();
            for &byte in &buffer[..count] {
                assert_eq!(byte, next, "at {total}");
                next = (next + 1) % 251;
                total += 1;
            }
            if count == 0 {
                return total;
            }
        }
    });
    let bytes: Vec<u8> = (0..251).cycle().take(LENGTH).collect();
    runtime.block_on(async {
        assert_eq!(soon(ours.read(&mut [0])).await.unwrap(), 0, "the peer has ended its direction");
        soon(ours.write_all(&bytes)).await.unwrap();
        ours.shutdown(Shutdown::Write).unwrap();
    });
    let waits = calls.of(Call::Wait);
    assert_eq!(reader.join().unwrap(), LENGTH);
    assert!(0 < waits && waits < 10 * (LENGTH >> 20), "{waits} waits for {} MiB", LENGTH >> 20);
}

/// Waits 100 ms of turns and says how often the poller was asked.
fn waits_while_idle(calls: &Calls, runtime: &Runtime) -> usize {
    settle(runtime);
    calls.take();
    let begin = Instant::now();
    while let Some(rest) = Duration::from_millis(100).checked_sub(begin.elapsed()) {
        runtime.turn(Budget { wait: Some(rest), ..Budget::no_wait() }).unwrap();
    }
    calls.of(Call::Wait)
}

/// A reset is reported though nobody asked, and once (h2o#603).
#[test]
fn a_reset_that_nobody_awaits_does_not_spin() {
    let calls = Calls::new();
    let runtime = calls.runtime();
    let (ours, theirs) = stream(&runtime);
    register(&runtime, &ours);
    reset(theirs);
    assert!(waits_while_idle(&calls, &runtime) <= 3);
    let error = runtime.block_on(soon(ours.read(&mut [0]))).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::ConnectionReset);
}

/// Closes with an RST: what SO_LINGER of zero does.
pub(super) fn reset(stream: std::net::TcpStream) {
    let linger = libc::linger { l_onoff: 1, l_linger: 0 };
    let length = size_of::<libc::linger>() as libc::socklen_t;
    let value = (&raw const linger).cast();
    // SAFETY: the kernel reads `length` bytes of `linger`.
    let set = unsafe { libc::setsockopt(stream.as_raw_fd(), libc::SOL_SOCKET, libc::SO_LINGER, value, length) };
    assert_eq!(set, 0);
}

/// A socket that was never connected is "hung up" from the beginning (tokio#4549, mio#1523).
#[test]
fn a_socket_that_was_never_connected_does_not_spin() {
    let calls = Calls::new();
    let runtime = calls.runtime();
    // SAFETY: no pointers.
    let fd = unsafe { libc::socket(libc::AF_INET, libc::SOCK_STREAM | libc::SOCK_CLOEXEC, 0) };
    assert!(fd >= 0);
    // SAFETY: just made, and nobody else's.
    let fd = unsafe { OwnedFd::from_raw_fd(fd) };
    let fresh = runtime.enter(|| TcpStream::try_from(fd)).unwrap();
    let error = runtime.block_on(soon(fresh.read(&mut [0]))).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::NotConnected);
    let (counter, waker) = CountingWaker::new();
    let mut never = std::future::poll_fn(|cx| {
        fresh.poll_io(cx, Interest::Read, |_| io::Result::<()>::Err(io::ErrorKind::WouldBlock.into()))
    });
    for _ in 0..4 {
        assert!(runtime.enter(|| poll_with(&mut never, &waker)).is_pending());
        settle(&runtime);
    }
    assert_eq!(counter.wakes(), 1, "the hang-up is told once");
    assert!(waits_while_idle(&calls, &runtime) <= 3);
}

/// More descriptors are ready than one wait takes in: the rest comes with the next turn, nobody starves (miri#3812).
#[test]
fn more_ready_descriptors_than_a_wait_takes_are_all_served_by_the_second() {
    alone("reactor::edges::more_ready_descriptors_than_a_wait_takes_are_all_served_by_the_second", || {
        const READY: usize = 1_500;
        raise_limit(READY as u64 + 100);
        let runtime = Runtime::new();
        let (ours, mut theirs) = stream(&runtime);
        // Duplicates of one socket: each is registered on its own.
        let duplicates: Vec<TcpStream> = (0..READY)
            .map(|_| {
                let fd = ours.as_fd().try_clone_to_owned().unwrap();
                runtime.enter(|| TcpStream::try_from(fd)).unwrap()
            })
            .collect();
        let (counter, waker) = CountingWaker::new();
        runtime.enter(|| duplicates.iter().for_each(|stream| assert_eq!(poll_read(stream, &waker), None)));
        settle(&runtime);
        theirs.write_all(b"for all").unwrap();
        let (first, second) = (runtime.turn(Budget::no_wait()).unwrap(), runtime.turn(Budget::no_wait()).unwrap());
        assert_eq!((first.ready, first.ready + second.ready), (1024, READY));
        assert_eq!(counter.wakes(), READY);
        for stream in &duplicates {
            let mut buffer = [0; 8];
            let mut peek = stream.peek(&mut buffer);
            assert!(matches!(runtime.enter(|| poll_with(&mut peek, Waker::noop())), Poll::Ready(Ok(7))));
        }
    });
}

fn raise_limit(least: u64) {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: the kernel writes to `limit`.
    assert_eq!(unsafe { libc::getrlimit(libc::RLIMIT_NOFILE, &mut limit) }, 0);
    assert!(limit.rlim_max >= least, "this test needs {least} descriptors; the hard limit is {}", limit.rlim_max);
    limit.rlim_cur = limit.rlim_cur.max(least);
    // SAFETY: the kernel reads `limit`.
    assert_eq!(unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &limit) }, 0);
}

/// A reader and a writer in two tasks: bytes wake the one, room the other (turmoil-net tcp_split_concurrent).
#[test]
fn a_reader_and_a_writer_of_one_stream_are_woken_each_by_its_own_event() {
    let runtime = Runtime::new();
    let (ours, mut theirs) = stream(&runtime);
    let (reader, reads) = CountingWaker::new();
    let (writer, writes) = CountingWaker::new();
    let block = vec![7u8; 64 << 10];
    let mut write = std::future::poll_fn(|cx| ours.poll_write(cx, &block));
    let mut written = 0;
    // The kernel moves bytes on to the peer's buffer for a while: "full" is what stays so over a few turns.
    for _ in 0..50 {
        while let Poll::Ready(count) = runtime.enter(|| poll_with(&mut write, &writes)) {
            written += count.unwrap();
        }
        settle(&runtime);
    }
    assert!(runtime.enter(|| poll_with(&mut write, &writes)).is_pending());
    runtime.enter(|| assert_eq!(poll_read(&ours, &reads), None));
    settle(&runtime);
    let before = writer.wakes();

    theirs.write_all(b"bytes").unwrap();
    turn_until(&runtime, || reader.wakes() == 1);
    assert_eq!(writer.wakes(), before, "there is no more room than before");
    runtime.enter(|| assert_eq!(poll_read(&ours, &reads), Some(b"bytes".to_vec())));
    runtime.enter(|| assert_eq!(poll_read(&ours, &reads), None));

    let mut drain = vec![0; written];
    theirs.read_exact(&mut drain).unwrap();
    turn_until(&runtime, || writer.wakes() > before);
    assert_eq!(reader.wakes(), 1, "nothing has come to be read");
}

/// The same with tasks that own their halves: an echo in both directions at once, of more than the buffers hold.
#[test]
fn both_directions_carry_more_than_the_buffers_hold_at_once() {
    const LENGTH: usize = 2 << 20;
    let runtime = Runtime::new();
    let (ours, theirs) = stream(&runtime);
    let echo = std::thread::spawn(move || {
        let (mut from, mut to) = (theirs.try_clone().unwrap(), theirs);
        io::copy(&mut from, &mut to).unwrap();
        to.shutdown(Shutdown::Write).unwrap();
    });
    let (read, write) = ours.into_split();
    let echoed = runtime.block_on(async {
        let writer = coracle::spawn(async move {
            soon(write.write_all(&vec![5; LENGTH])).await.unwrap();
            write.shutdown().unwrap();
        });
        let (mut total, mut buffer) = (0, vec![0; 64 << 10]);
        loop {
            match soon(read.read(&mut buffer)).await.unwrap() {
                0 => break,
                count => total += count,
            }
        }
        writer.await.unwrap();
        total
    });
    echo.join().unwrap();
    assert_eq!(echoed, LENGTH);
}

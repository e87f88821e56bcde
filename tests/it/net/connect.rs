//! Connecting: errors come from the first await and are the right ones, the next address is tried, nothing leaks.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::os::fd::RawFd;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Waker};

use coracle::net::{TcpListener, TcpStream};
use coracle::sys::{Call, Hook, World};
use coracle::{Budget, Runtime};

use super::{cancel_at_each_poll, cut_short, kind, pair, refusing, settle, soon};
use crate::support;

/// Lets the first `good` calls of one kind pass, then makes `bad` of them fail.
struct Fault {
    call: Call,
    errno: i32,
    good: usize,
    bad: usize,
    seen: AtomicUsize,
}

impl Fault {
    fn first(call: Call, errno: i32) -> Runtime {
        Fault { call, errno, good: 0, bad: 1, seen: AtomicUsize::new(0) }.runtime()
    }

    fn always(call: Call, errno: i32) -> Runtime {
        Fault { call, errno, good: 0, bad: usize::MAX, seen: AtomicUsize::new(0) }.runtime()
    }

    fn runtime(self) -> Runtime {
        Runtime::builder().world(World::kernel().hooked(Arc::new(self))).build()
    }
}

impl Hook for Fault {
    fn before(&self, call: Call, _: Option<RawFd>) -> io::Result<()> {
        if call != self.call {
            return Ok(());
        }
        let index = self.seen.fetch_add(1, Ordering::SeqCst);
        let fails = (self.good..self.good.saturating_add(self.bad)).contains(&index);
        if fails { Err(io::Error::from_raw_os_error(self.errno)) } else { Ok(()) }
    }
}

const UNREACHABLE: [(i32, io::ErrorKind); 4] = [
    (libc::ENETUNREACH, io::ErrorKind::NetworkUnreachable),
    (libc::EHOSTUNREACH, io::ErrorKind::HostUnreachable),
    (libc::ETIMEDOUT, io::ErrorKind::TimedOut),
    (libc::EADDRNOTAVAIL, io::ErrorKind::AddrNotAvailable),
];

/// A non-blocking connect says EINPROGRESS even on loopback, so the refusal is found in SO_ERROR when the socket becomes
/// writable: never `Ok`, and not at the first read only (mio#197, mioco#131).
#[test]
fn a_refused_connection_is_an_error_of_the_first_await() {
    let (_holds_the_port, address) = refusing();
    let runtime = Fault { call: Call::Option, errno: 0, good: usize::MAX, bad: 0, seen: AtomicUsize::new(0) }.runtime();
    assert_eq!(kind(runtime.block_on(soon(TcpStream::connect(address)))), io::ErrorKind::ConnectionRefused);
    assert!(runtime.inspect().sources.is_empty(), "the socket of the failed attempt is gone");
}

#[test]
fn when_one_address_refuses_the_next_is_tried() {
    let (_one, first) = refusing();
    let (_two, second) = refusing();
    coracle::block_on(soon(async {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let good = listener.local_addr().unwrap();
        let stream = TcpStream::connect(&[first, second, good][..]).await.unwrap();
        assert_eq!(stream.peer_addr().unwrap(), good);
    }));
}

#[test]
fn an_address_that_answers_is_the_last_to_be_tried() {
    let (_one, refuses) = refusing();
    coracle::block_on(soon(async {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let good = listener.local_addr().unwrap();
        let stream = TcpStream::connect(vec![good, refuses]).await.unwrap();
        assert_eq!(stream.peer_addr().unwrap(), good);
    }));
}

#[test]
fn of_several_failing_addresses_the_error_of_the_last_is_returned() {
    let (_one, refuses) = refusing();
    let runtime = Fault::first(Call::Connect, libc::ENETUNREACH);
    let result = runtime.block_on(soon(TcpStream::connect(&[refuses, refuses][..])));
    assert_eq!(
        kind(result),
        io::ErrorKind::ConnectionRefused,
        "the first failed with ENETUNREACH, the last was refused"
    );
}

#[test]
fn no_address_at_all_is_an_error() {
    let result = coracle::block_on(soon(TcpStream::connect(Vec::<SocketAddr>::new())));
    assert_eq!(kind(result), io::ErrorKind::InvalidInput);
    assert_eq!(
        coracle::block_on(async { kind(TcpListener::bind(Vec::<SocketAddr>::new())) }),
        io::ErrorKind::InvalidInput
    );
}

/// The address is one that the documentation of networks uses (RFC 5737), so it is never this machine's. Nothing is sent.
#[test]
fn an_address_of_another_machine_cannot_be_bound() {
    coracle::block_on(async {
        assert_eq!(kind(TcpListener::bind("192.0.2.1:0")), io::ErrorKind::AddrNotAvailable);
        let both: [SocketAddr; 2] = ["192.0.2.1:0".parse().unwrap(), "127.0.0.1:0".parse().unwrap()];
        let listener = TcpListener::bind(&both[..]).unwrap();
        assert!(listener.local_addr().unwrap().ip().is_loopback(), "the next address is tried");
    });
}

/// Routes that are missing cannot be arranged without privileges, so the calls are made to fail (mio#1523).
#[test]
fn an_error_of_the_connect_call_is_returned() {
    for (errno, expected) in UNREACHABLE {
        let runtime = Fault::always(Call::Connect, errno);
        let listener = runtime.enter(|| TcpListener::bind("127.0.0.1:0")).unwrap();
        let result = runtime.block_on(soon(TcpStream::connect(listener.local_addr().unwrap())));
        assert_eq!(kind(result), expected);
        assert!(runtime.inspect().sources.is_empty());
    }
}

/// The connection was under way; what became of it is asked with SO_ERROR.
#[test]
fn an_error_after_in_progress_is_returned() {
    for (errno, expected) in UNREACHABLE {
        let runtime = Fault::always(Call::Option, errno);
        let listener = runtime.enter(|| TcpListener::bind("127.0.0.1:0")).unwrap();
        let result = runtime.block_on(soon(TcpStream::connect(listener.local_addr().unwrap())));
        assert_eq!(kind(result), expected);
        assert!(runtime.inspect().sources.is_empty());
    }
}

#[test]
fn an_error_after_in_progress_leads_to_the_next_address() {
    let runtime = Fault::first(Call::Option, libc::ETIMEDOUT);
    let listener = runtime.enter(|| TcpListener::bind("127.0.0.1:0")).unwrap();
    let address = listener.local_addr().unwrap();
    runtime.block_on(soon(TcpStream::connect(&[address, address][..]))).unwrap();
}

/// Whatever fails on the way is an error of the connect, and leaves neither a descriptor nor a registration.
#[test]
fn a_fault_in_any_call_of_a_connect_is_returned_and_leaks_nothing() {
    support::alone("net::connect::a_fault_in_any_call_of_a_connect_is_returned_and_leaks_nothing", || {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        for call in [Call::Socket, Call::Connect, Call::Poller, Call::Add, Call::Option, Call::Address] {
            for errno in [libc::EMFILE, libc::ENOBUFS, libc::EPERM, libc::EIO] {
                let before = support::descriptors();
                let runtime = Fault { call, errno, good: 0, bad: usize::MAX, seen: AtomicUsize::new(0) }.runtime();
                let error = runtime.block_on(TcpStream::connect(address)).unwrap_err();
                assert_eq!(error.raw_os_error(), Some(errno), "{call:?}");
                assert!(runtime.inspect().sources.is_empty(), "{call:?}");
                drop(runtime);
                assert_eq!(support::descriptors(), before, "{call:?} leaked a descriptor");
            }
        }
    });
}

/// A socket that was never connected shows a hang-up, which is neither success nor failure of a connection, and must not
/// make the loop spin (tokio#4549, mio#1523). The connect call is made to say "in progress" without being made.
#[test]
fn a_connection_that_never_begins_waits_and_does_not_spin() {
    let runtime = Fault::always(Call::Connect, libc::EAGAIN);
    let listener = runtime.enter(|| TcpListener::bind("127.0.0.1:0")).unwrap();
    let address = listener.local_addr().unwrap();
    let task = runtime.spawn(async move { TcpStream::connect(address).await });
    let polled: usize = (0..20).map(|_| runtime.turn(Budget::no_wait()).unwrap().polled).sum();
    assert!(!task.is_finished(), "it is not connected, and nothing has failed");
    assert!(polled <= 3, "polled {polled} times in 20 turns");
    task.abort();
    settle(&runtime);
    assert!(runtime.inspect().sources.is_empty());
}

/// A connect that is dropped closes its socket, wherever it is dropped, also when it has just succeeded.
#[test]
fn a_cancelled_connect_leaks_no_descriptor() {
    support::alone("net::connect::a_cancelled_connect_leaks_no_descriptor", || {
        let (_refuses, refused) = refusing();
        let before = support::descriptors();
        let polls = cancel_at_each_poll(async |cut| {
            let listener = TcpListener::bind("127.0.0.1:0").unwrap();
            let addresses = [refused, listener.local_addr().unwrap()];
            cut_short(TcpStream::connect(&addresses[..]), cut).await.is_some()
        });
        assert_eq!(polls, 3, "one attempt that is refused, one that succeeds, and the end");
        assert_eq!(support::descriptors(), before);
    });
}

/// The listener is whole after clients that gave up: those that had connected can be accepted and show their end.
#[test]
fn a_cancelled_connect_leaves_the_listener_usable() {
    cancel_at_each_poll(async |cut| {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let done = cut_short(TcpStream::connect(listener.local_addr().unwrap()), cut).await.is_some();
        if cut != super::Cut::Before(0) {
            let (gave_up, _) = listener.accept().await.unwrap();
            assert_eq!(gave_up.read(&mut [0; 8]).await.unwrap(), 0);
        }
        let client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let (server, peer) = listener.accept().await.unwrap();
        assert_eq!(peer, client.local_addr().unwrap());
        client.write_all(b"x").await.unwrap();
        assert_eq!(server.read(&mut [0; 8]).await.unwrap(), 1);
        done
    });
}

#[test]
fn outside_of_a_runtime_a_connect_is_an_error_that_says_what_to_do() {
    let connect = pin!(TcpStream::connect("127.0.0.1:1"));
    let Poll::Ready(Err(error)) = connect.poll(&mut Context::from_waker(Waker::noop())) else {
        panic!("it should have failed")
    };
    assert!(error.to_string().contains("no runtime on this thread"), "{error}");
}

#[test]
fn a_fresh_connection_carries_bytes_both_ways() {
    coracle::block_on(soon(async {
        let (client, server) = pair().await;
        assert_eq!(client.local_addr().unwrap(), server.peer_addr().unwrap());
        assert_eq!(server.local_addr().unwrap(), client.peer_addr().unwrap());
        client.write_all(b"ping").await.unwrap();
        let mut bytes = [0; 4];
        server.read_exact(&mut bytes).await.unwrap();
        server.write_all(&bytes).await.unwrap();
        client.read_exact(&mut bytes).await.unwrap();
        assert_eq!(&bytes, b"ping");
        assert!(client.take_error().unwrap().is_none());
    }));
}

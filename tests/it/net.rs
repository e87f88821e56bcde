//! Sockets, pipes and other descriptors, in the ways in which they went wrong elsewhere: connecting, closing, cancelling,
//! odd sizes, many waiters. Where a module does not say otherwise, it is about TCP.
//!
//! This file has what its modules share: connected pairs, a limit of time, a runtime that is turned by hand, and a
//! future that is cut short at a chosen point.

mod cancel;
mod close;
mod connect;
mod convert;
mod custom;
mod data;
mod families;
mod faults;
mod load;
mod pipe;
mod pooled;
mod resolve;
mod reuse_port;
mod stdin;
mod udp;
mod unix;
mod unix_datagram;
mod unix_fds;
mod wait;

use std::future::{Future, poll_fn};
use std::io;
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use coracle::net::{TcpListener, TcpStream};
use coracle::{Budget, Runtime};

/// Two ends of a connection, both of the current runtime: the one that connected, and the one that was accepted.
async fn pair() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
    let (server, _) = listener.accept().await.unwrap();
    (client, server)
}

/// One end of the current runtime, and one of std, which blocks.
async fn pair_with_std() -> (TcpStream, std::net::TcpStream) {
    let (ours, theirs) = pair().await;
    let theirs = theirs.into_std();
    theirs.set_nonblocking(false).unwrap();
    (ours, theirs)
}

/// Awaits what must come soon: a hang becomes a failure that names its line.
#[track_caller]
pub(crate) fn soon<F: Future>(future: F) -> impl Future<Output = F::Output> {
    let at = std::panic::Location::caller();
    async move {
        match coracle::time::timeout(Duration::from_secs(10), future).await {
            Ok(output) => output,
            Err(_) => panic!("what was awaited at {at} did not come in ten seconds"),
        }
    }
}

/// Turns until nothing is ready, without ever sleeping: whoever can wait then waits.
fn settle(runtime: &Runtime) {
    // More than once: what a task did in the last turn shows in the next look at the world; and a hostile world keeps
    // events back, now and then for several looks.
    let mut quiet = 0;
    for _ in 0..10_000 {
        let turn = runtime.turn(Budget::no_wait()).unwrap();
        quiet = if turn.polled == 0 && turn.ready == 0 && !turn.more { quiet + 1 } else { 0 };
        if quiet == 8 {
            return;
        }
    }
    panic!("the runtime does not come to rest");
}

/// Makes the runtime's poller, which costs descriptors, before a test counts those.
fn make_poller(runtime: &Runtime) {
    drop(runtime.block_on(async { TcpListener::bind("127.0.0.1:0") }).unwrap());
}

/// How many wait to read, and how many to write, on all registered descriptors together.
fn waiting(runtime: &Runtime) -> (usize, usize) {
    let sources = runtime.inspect().sources;
    (sources.iter().map(|source| source.reading).sum(), sources.iter().map(|source| source.writing).sum())
}

/// Where a future is dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Cut {
    /// When its task has been woken, but before the poll with this number.
    Before(usize),
    /// Right after the poll with this number, if that was pending.
    After(usize),
}

/// Runs `future` until it is done or the cut is reached. Polls are counted from 0.
async fn cut_short<F: Future>(future: F, cut: Cut) -> Option<F::Output> {
    let mut future = pin!(future);
    let mut polls = 0;
    poll_fn(move |cx| {
        if cut == Cut::Before(polls) {
            return Poll::Ready(None);
        }
        polls += 1;
        match future.as_mut().poll(cx) {
            Poll::Ready(output) => Poll::Ready(Some(output)),
            Poll::Pending if cut == Cut::After(polls - 1) => Poll::Ready(None),
            Poll::Pending => Poll::Pending,
        }
    })
    .await
}

/// Runs `round` for each point at which a future can be dropped, each time in a new runtime, until a round says that its
/// future was done before the cut. How many polls a future needed that was not cut.
fn cancel_at_each_poll(mut round: impl AsyncFnMut(Cut) -> bool) -> usize {
    for poll in 0..1_000 {
        coracle::block_on(soon(round(Cut::Before(poll))));
        if coracle::block_on(soon(round(Cut::After(poll)))) {
            return poll + 1;
        }
    }
    panic!("the future is never done");
}

/// An error kind, for comparison with the kinds that are allowed.
fn kind<T: std::fmt::Debug>(result: io::Result<T>) -> io::ErrorKind {
    result.expect_err("an error should have come").kind()
}

/// Bytes that show if they were lost, doubled or exchanged.
fn pattern(length: usize) -> Vec<u8> {
    (0..length as u64).map(|n| (n.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 32) as u8).collect()
}

/// A loopback address that refuses, as long as the socket lives: bound, but not listening.
fn refusing() -> (std::net::TcpListener, std::net::SocketAddr) {
    use std::os::fd::FromRawFd;
    // SAFETY: no pointers.
    let fd = unsafe { libc::socket(libc::AF_INET, libc::SOCK_STREAM | libc::SOCK_CLOEXEC, 0) };
    assert!(fd >= 0);
    // SAFETY: the descriptor was made just now and nobody else owns it. The type only lends its `local_addr`.
    let socket = unsafe { std::net::TcpListener::from_raw_fd(fd) };
    // SAFETY: `sockaddr_in` is integers only.
    let mut address: libc::sockaddr_in = unsafe { std::mem::zeroed() };
    address.sin_family = libc::AF_INET as libc::sa_family_t;
    address.sin_addr.s_addr = u32::from(std::net::Ipv4Addr::LOCALHOST).to_be();
    let length = size_of::<libc::sockaddr_in>() as libc::socklen_t;
    // SAFETY: the pointer is to `address`, which outlives the call and has that length.
    assert_eq!(unsafe { libc::bind(fd, (&raw const address).cast(), length) }, 0);
    let address = socket.local_addr().unwrap();
    (socket, address)
}

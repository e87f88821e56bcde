//! Tests of `reactor` and of what the loop makes of it, from outside: real descriptors of a real kernel.
//!
//! | file            | what is held                                                               |
//! |-----------------|----------------------------------------------------------------------------|
//! | `identity.rs`   | an event reaches the registration it was meant for, and no other           |
//! | `edges.rs`      | no readiness is lost, and none is seen for ever                             |
//! | `leaving.rs`    | how few calls a connection costs that soon goes, and duplicates of it        |
//! | `accepting.rs`  | listeners: exhaustion, broken connections, many who wait                   |
//! | `waking.rs`     | other threads end the loop's sleep, whatever they bring                    |
//! | `process.rs`    | signals, children, forks                                                   |
//! | `outliving.rs`  | sockets and timers after their runtime, and away from its thread           |
//! | `idle.rs`       | in no state does a loop spin that has nothing to do                        |
//! | `descriptor.rs` | the one descriptor of a runtime tells the truth                            |
//!
//! `calls.rs` counts the calls to the world and makes them fail.

mod accepting;
pub(crate) mod calls;
mod descriptor;
mod edges;
mod identity;
mod idle;
mod leaving;
mod outliving;
mod process;
mod waking;

use std::future::Future;
use std::net::{TcpListener as StdListener, TcpStream as StdStream};
use std::os::fd::AsRawFd;
use std::task::Poll;
use std::time::Duration;

use coracle::net::TcpStream;
use coracle::{Budget, Runtime};

use crate::support::{poll_once, poll_with};

/// Both ends of a connection, blocking.
pub(crate) fn connection() -> (StdStream, StdStream) {
    let listener = StdListener::bind("127.0.0.1:0").unwrap();
    let ours = StdStream::connect(listener.local_addr().unwrap()).unwrap();
    (ours, listener.accept().unwrap().0)
}

/// A connection of which one end belongs to the runtime, and the other blocks.
pub(crate) fn stream(runtime: &Runtime) -> (TcpStream, StdStream) {
    let (ours, theirs) = connection();
    (runtime.enter(|| TcpStream::from_std(ours)).unwrap(), theirs)
}

/// Has the descriptor registered, by a read that finds nothing and is given up.
fn register(runtime: &Runtime, stream: &TcpStream) {
    let read = runtime.enter(|| poll_once(&mut stream.read(&mut [0])));
    assert!(matches!(read, Poll::Pending), "something was there: {read:?}");
    let fd = stream.as_raw_fd();
    assert!(runtime.inspect().sources.iter().any(|source| source.fd == fd), "a read that waits registers");
}

/// Turns, without a sleep, until nothing happens any more.
pub(crate) fn settle(runtime: &Runtime) {
    for _ in 0..1000 {
        let turn = runtime.turn(Budget::no_wait()).unwrap();
        if turn == coracle::Turn::default() {
            return;
        }
    }
    panic!("a runtime that is left alone does not come to rest: {:#?}", runtime.inspect());
}

/// Turns until `done`, for at most five seconds.
fn turn_until(runtime: &Runtime, mut done: impl FnMut() -> bool) {
    let begin = std::time::Instant::now();
    while !done() {
        assert!(begin.elapsed() < Duration::from_secs(5), "it never happened: {:#?}", runtime.inspect());
        runtime.turn(Budget { wait: Some(Duration::from_millis(20)), ..Budget::no_wait() }).unwrap();
    }
}

/// Waits for what must come, and fails after five seconds.
async fn soon<F: Future>(future: F) -> F::Output {
    coracle::time::timeout(Duration::from_secs(5), future).await.expect("it never came")
}

/// A read that is polled with `waker`: its bytes, or `None` when it waits.
fn poll_read(stream: &TcpStream, waker: &std::task::Waker) -> Option<Vec<u8>> {
    let mut buffer = [0; 64];
    let polled = poll_with(&mut std::future::poll_fn(|cx| stream.poll_read(cx, &mut buffer)), waker);
    match polled {
        Poll::Ready(count) => Some(buffer[..count.unwrap()].to_vec()),
        Poll::Pending => None,
    }
}

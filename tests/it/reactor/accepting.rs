//! Listeners: descriptors run out, connections break before they are accepted, and many tasks wait for few connections.

use std::cell::{Cell, RefCell};
use std::fs::File;
use std::future::Future;
use std::net::{TcpStream as StdStream, UdpSocket};
use std::os::fd::OwnedFd;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use coracle::net::TcpListener;
use coracle::sys::Call;
use coracle::{Budget, Runtime};

use super::calls::{Calls, errno};
use super::{settle, soon, stream};
use crate::support::alone;

/// Opens files until this process may not open any more.
fn use_up_descriptors(limit: u64) -> Vec<File> {
    let limit = libc::rlimit { rlim_cur: limit, rlim_max: limit };
    // SAFETY: the kernel reads `limit`.
    assert_eq!(unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &limit) }, 0);
    std::iter::from_fn(|| File::open("/dev/null").ok()).collect()
}

/// Turns for `time`, and says how often the world was asked to accept.
fn accepts_in(runtime: &Runtime, calls: &Calls, time: Duration) -> usize {
    let (before, begin) = (calls.of(Call::Accept), Instant::now());
    while let Some(rest) = time.checked_sub(begin.elapsed()) {
        runtime.turn(Budget { wait: Some(rest), ..Budget::no_wait() }).unwrap();
    }
    calls.of(Call::Accept) - before
}

/// No descriptor is left, twenty connections wait: `accept` neither fails nor spins, and when there is room again, all
/// are accepted (tokio#3529, bun#32705, libuv's test-emfile).
#[test]
fn a_listener_without_descriptors_waits_and_then_accepts_all() {
    alone("reactor::accepting::a_listener_without_descriptors_waits_and_then_accepts_all", || {
        let calls = Calls::new();
        let runtime = calls.runtime();
        let listener = runtime.enter(|| TcpListener::bind("127.0.0.1:0")).unwrap();
        let address = listener.local_addr().unwrap();
        let (of_ours, _peer) = stream(&runtime);
        let accepted = Rc::new(RefCell::new(Vec::new()));
        let server = runtime.spawn({
            let accepted = accepted.clone();
            async move {
                loop {
                    let (stream, peer) = listener.accept().await.expect("a loop around accept never ends for this");
                    accepted.borrow_mut().push((stream, peer));
                }
            }
        });
        settle(&runtime);
        let fillers = use_up_descriptors(128);
        let mut clients = Vec::new();
        let mut fillers = fillers.into_iter();
        for _ in 0..20 {
            drop(fillers.next().unwrap());
            clients.push(StdStream::connect(address).unwrap());
        }
        assert!(accepts_in(&runtime, &calls, Duration::from_millis(300)) <= 2);
        assert!(accepted.borrow().is_empty());

        // One of the runtime's own descriptors is closed: that it hears of, and does not wait for the pause to end.
        let before = Instant::now();
        drop(of_ours);
        assert!(accepts_in(&runtime, &calls, Duration::from_millis(50)) <= 2);
        assert_eq!(accepted.borrow().len(), 1, "the place of the descriptor that was closed");
        assert!(before.elapsed() < Duration::from_millis(900), "this machine is too busy for this test");

        drop(fillers);
        super::turn_until(&runtime, || accepted.borrow().len() == 20);
        let mut peers: Vec<_> = accepted.borrow().iter().map(|(_, peer)| *peer).collect();
        let mut expected: Vec<_> = clients.iter().map(|client| client.local_addr().unwrap()).collect();
        peers.sort();
        expected.sort();
        assert_eq!(peers, expected);
        server.abort();
        settle(&runtime);
        accepted.borrow_mut().clear();
    });
}

/// A hook that makes the first `times` accepts fail.
fn broken_accepts(number: i32, times: usize) -> Arc<Calls> {
    let failed = AtomicUsize::new(0);
    Calls::before(move |call| match call {
        Call::Accept if failed.fetch_add(1, Ordering::SeqCst) < times => Err(errno(number)),
        _ => Ok(()),
    })
}

/// The same limits of the whole system, injected: the wait ends as soon as the runtime closes anything.
#[test]
fn exhaustion_of_the_system_ends_when_a_descriptor_is_closed() {
    for number in [libc::EMFILE, libc::ENFILE, libc::ENOBUFS, libc::ENOMEM] {
        let calls = broken_accepts(number, 1);
        let runtime = calls.runtime();
        let (of_ours, _peer) = stream(&runtime);
        runtime.block_on(async {
            let listener = TcpListener::bind("127.0.0.1:0").unwrap();
            let client = StdStream::connect(listener.local_addr().unwrap()).unwrap();
            let begin = Instant::now();
            let accept = coracle::spawn(async move { listener.accept().await });
            coracle::task::yield_now().await;
            assert!(!accept.is_finished(), "errno {number} is waited out");
            drop(of_ours);
            let (_, peer) = soon(accept).await.unwrap().unwrap();
            assert_eq!(peer, client.local_addr().unwrap());
            assert!(begin.elapsed() < Duration::from_millis(900), "it did not hear that a descriptor was closed");
        });
        assert_eq!(calls.of(Call::Accept), 2);
    }
}

/// One that waits out an exhaustion and is given up leaves neither timer nor waiter.
#[test]
fn an_accept_that_is_given_up_while_exhausted_leaves_nothing() {
    let calls = broken_accepts(libc::EMFILE, 1);
    let runtime = calls.runtime();
    let listener = runtime.enter(|| TcpListener::bind("127.0.0.1:0")).unwrap();
    let address = listener.local_addr().unwrap();
    let listener = Rc::new(listener);
    let first = runtime.spawn({
        let listener = listener.clone();
        async move { listener.accept().await.map(drop) }
    });
    settle(&runtime);
    assert_eq!(runtime.inspect().timers.len(), 1);
    first.abort();
    settle(&runtime);
    assert!(runtime.inspect().timers.is_empty());
    let _client = StdStream::connect(address).unwrap();
    runtime.block_on(soon(listener.accept())).expect("the next one is not harmed");
}

/// A connection that broke while it waited is no error of the listener (hickory#3725, tiny-http#284).
#[test]
fn connections_that_broke_before_they_were_accepted_are_passed_over() {
    for number in [libc::ECONNABORTED, libc::EPROTO, libc::EPERM, libc::ECONNRESET, libc::EINTR, libc::ENETDOWN] {
        let calls = broken_accepts(number, 3);
        let runtime = calls.runtime();
        runtime.block_on(async {
            let listener = TcpListener::bind("127.0.0.1:0").unwrap();
            let client = StdStream::connect(listener.local_addr().unwrap()).unwrap();
            let (_, peer) = soon(listener.accept()).await.unwrap();
            assert_eq!(peer, client.local_addr().unwrap());
        });
        assert_eq!(calls.of(Call::Accept), 4, "errno {number}");
    }
}

/// The kernel says of every connection that it broke: a task that waits to run gets its turn all the same.
#[test]
fn connections_that_break_without_end_do_not_keep_others_from_running() {
    const ENOUGH: usize = 100_000;
    let calls = broken_accepts(libc::ECONNABORTED, ENOUGH);
    let runtime = calls.runtime();
    runtime.block_on(async {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let _client = StdStream::connect(listener.local_addr().unwrap()).unwrap();
        let accept = coracle::spawn(async move { listener.accept().await.map(drop) });
        for _ in 0..3 {
            coracle::task::yield_now().await;
        }
        let tried = calls.of(Call::Accept);
        accept.abort();
        assert!(0 < tried && tried < ENOUGH, "{tried} tries in a row, of which nobody else saw an end");
    });
}

/// What cannot accept at all says so, and is not tried for ever.
#[test]
fn a_descriptor_that_is_no_listener_fails_to_accept() {
    let runtime = Runtime::new();
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let listener = runtime.enter(|| TcpListener::try_from(OwnedFd::from(socket))).unwrap();
    let error = runtime.block_on(soon(listener.accept())).unwrap_err();
    assert_eq!(error.raw_os_error(), Some(libc::EOPNOTSUPP));
}

/// Fifty tasks accept from one listener: each gets a connection, no connection is lost (tokio's tcp_accept).
#[test]
fn fifty_tasks_in_accept_are_all_served() {
    const TASKS: usize = 50;
    let runtime = Runtime::new();
    runtime.block_on(async {
        let listener = Rc::new(TcpListener::bind("127.0.0.1:0").unwrap());
        let address = listener.local_addr().unwrap();
        let accepts: Vec<_> = (0..TASKS)
            .map(|_| {
                let listener = listener.clone();
                coracle::spawn(async move { listener.accept().await.unwrap().1 })
            })
            .collect();
        coracle::task::yield_now().await;
        let clients: Vec<_> = (0..TASKS).map(|_| StdStream::connect(address).unwrap()).collect();
        let mut peers = Vec::new();
        for accept in accepts {
            peers.push(soon(accept).await.unwrap());
        }
        let mut expected: Vec<_> = clients.iter().map(|client| client.local_addr().unwrap()).collect();
        peers.sort();
        expected.sort();
        assert_eq!(peers, expected);
    });
}

/// A future whose polls are counted.
struct Counted<F> {
    future: F,
    polls: Rc<Cell<usize>>,
}

impl<F: Future + Unpin> Future for Counted<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        self.polls.set(self.polls.get() + 1);
        pin!(&mut self.future).poll(cx)
    }
}

/// A hundred wait, one connection comes: the one that gets it is polled, and the next, who finds nothing, and nobody
/// else (polling#69, grpc#6110). The same for three connections.
#[test]
fn a_connection_wakes_one_of_a_hundred_and_one_who_looks_after_it() {
    for connections in [1, 3] {
        let runtime = Runtime::new();
        let listener = Rc::new(runtime.enter(|| TcpListener::bind("127.0.0.1:0")).unwrap());
        let address = listener.local_addr().unwrap();
        let (polls, accepted) = (Rc::new(Cell::new(0)), Rc::new(Cell::new(0)));
        let tasks: Vec<_> = (0..100)
            .map(|_| {
                let (listener, polls, accepted) = (listener.clone(), polls.clone(), accepted.clone());
                runtime.spawn(async move {
                    Counted { future: listener.accept(), polls }.await.unwrap();
                    accepted.set(accepted.get() + 1);
                })
            })
            .collect();
        settle(&runtime);
        assert_eq!(polls.replace(0), 100);
        let _clients: Vec<_> = (0..connections).map(|_| StdStream::connect(address).unwrap()).collect();
        super::turn_until(&runtime, || accepted.get() == connections);
        settle(&runtime);
        assert!(polls.get() <= connections + 1, "{} polls for {connections}", polls.get());
        drop(tasks);
    }
}

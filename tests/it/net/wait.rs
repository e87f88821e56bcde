//! Who waits for one socket, and who is woken: the last poller, futures in order, both directions apart.

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::io::{self, Read as _};
use std::os::fd::BorrowedFd;
use std::rc::Rc;
use std::task::{Context, Poll};

use coracle::net::{Interest, TcpListener, TcpStream};
use coracle::{Budget, Runtime};

use super::{pair, settle, soon, waiting};
use crate::support::{CountingWaker, poll_once, poll_with};

/// `poll_…` functions keep one waker a direction. Polling with another waker moves the wake there.
#[test]
fn of_several_pollers_the_last_is_woken() {
    let runtime = Runtime::new();
    let (client, server) = runtime.block_on(pair());
    let ((first, one), (last, two)) = (CountingWaker::new(), CountingWaker::new());
    let mut buffer = [0; 8];
    assert!(server.poll_read(&mut Context::from_waker(&one), &mut buffer).is_pending());
    assert!(server.poll_read(&mut Context::from_waker(&two), &mut buffer).is_pending());
    assert!(server.poll_read(&mut Context::from_waker(&two), &mut buffer).is_pending());
    client.try_write(b"x").unwrap();
    settle(&runtime);
    assert_eq!((first.wakes(), last.wakes()), (0, 1));
    assert!(server.poll_read(&mut Context::from_waker(&two), &mut buffer).is_ready());
}

/// A future that is polled with another waker is woken by that one only (futures-intrusive#19).
#[test]
fn a_read_polled_with_another_waker_wakes_that_one() {
    let runtime = Runtime::new();
    let (client, server) = runtime.block_on(pair());
    let ((first, one), (last, two)) = (CountingWaker::new(), CountingWaker::new());
    let mut buffer = [0; 8];
    let mut read = server.read(&mut buffer);
    assert!(poll_with(&mut read, &one).is_pending());
    assert!(poll_with(&mut read, &two).is_pending());
    client.try_write(b"x").unwrap();
    settle(&runtime);
    assert_eq!((first.wakes(), last.wakes()), (0, 1));
    assert!(poll_with(&mut read, &two).is_ready());
}

/// Somebody polled once and lost interest. He has no way to say so; his waker must not take the wake of a read in
/// another task.
#[test]
fn a_stale_poller_does_not_steal_the_wake_of_a_read() {
    for poller_comes_first in [true, false] {
        let runtime = Runtime::new();
        let (client, server) = runtime.block_on(pair());
        let (_, stale) = CountingWaker::new();
        let poll = || assert!(server.poll_read(&mut Context::from_waker(&stale), &mut [0; 8]).is_pending());
        let (woken, waker) = CountingWaker::new();
        let mut buffer = [0; 8];
        let mut read = server.read(&mut buffer);
        if poller_comes_first {
            poll();
        }
        assert!(poll_with(&mut read, &waker).is_pending());
        if !poller_comes_first {
            poll();
        }
        for byte in [b'a', b'b'] {
            client.try_write(&[byte]).unwrap();
            settle(&runtime);
            assert_eq!(woken.wakes(), 1, "poller first: {poller_comes_first}");
        }
        assert!(matches!(poll_with(&mut read, &waker), Poll::Ready(Ok(2))));
    }
}

/// A poller and a future in one direction are both woken; the one that finds nothing waits on, and is woken again.
#[test]
fn a_poller_and_a_future_are_both_served() {
    coracle::block_on(soon(async {
        let (client, server) = pair().await;
        let server = Rc::new(server);
        let future = coracle::spawn({
            let server = server.clone();
            async move { server.read(&mut [0; 1]).await.unwrap() }
        });
        let poller = coracle::spawn(async move { poll_fn(|cx| server.poll_read(cx, &mut [0; 1])).await.unwrap() });
        coracle::task::yield_now().await;
        client.write_all(b"a").await.unwrap();
        coracle::task::yield_now().await;
        client.write_all(b"b").await.unwrap();
        assert_eq!((future.await.unwrap(), poller.await.unwrap()), (1, 1));
    }));
}

/// Readers in one direction: each gets something, in the order of their calls, and none is left behind (tokio's
/// `accept_many`).
#[test]
fn several_readers_of_one_stream_are_served_in_order() {
    coracle::block_on(soon(async {
        let (client, server) = pair().await;
        let (server, order) = (Rc::new(server), Rc::new(RefCell::new(Vec::new())));
        let readers: Vec<_> = (0..10)
            .map(|number| {
                let (server, order) = (server.clone(), order.clone());
                coracle::spawn(async move {
                    let mut byte = [0];
                    server.read_exact(&mut byte).await.unwrap();
                    order.borrow_mut().push((number, byte[0]));
                })
            })
            .collect();
        coracle::task::yield_now().await;
        client.write_all(&[0, 1, 2, 3, 4, 5, 6, 7, 8, 9]).await.unwrap();
        for reader in readers {
            reader.await.unwrap();
        }
        assert_eq!(*order.borrow(), (0..10).map(|n| (n, n)).collect::<Vec<_>>());
    }));
}

/// The last bytes and the end come together, and the first reader takes the bytes and stops. The others must hear of the
/// end, although no further event will come.
#[test]
fn the_end_behind_a_short_read_reaches_the_other_readers() {
    coracle::block_on(soon(async {
        let (client, server) = pair().await;
        let server = Rc::new(server);
        let read = |server: Rc<TcpStream>| coracle::spawn(async move { server.read(&mut [0; 64]).await.unwrap() });
        let readers: Vec<_> = (0..3).map(|_| read(server.clone())).collect();
        coracle::task::yield_now().await;
        client.write_all(b"last").await.unwrap();
        drop(client);
        let mut counts = Vec::new();
        for reader in readers {
            counts.push(reader.await.unwrap());
        }
        assert_eq!(counts, [4, 0, 0]);
    }));
}

/// A chosen reader that is dropped before it reads passes its wake on.
#[test]
fn a_woken_reader_that_is_dropped_wakes_the_next() {
    let runtime = Runtime::new();
    let (client, server) = runtime.block_on(pair());
    let ((first, one), (second, two)) = (CountingWaker::new(), CountingWaker::new());
    let (mut a, mut b) = ([0; 8], [0; 8]);
    let mut chosen = server.read(&mut a);
    let mut next = server.read(&mut b);
    assert!(poll_with(&mut chosen, &one).is_pending());
    assert!(poll_with(&mut next, &two).is_pending());
    client.try_write(b"x").unwrap();
    settle(&runtime);
    assert_eq!((first.wakes(), second.wakes()), (1, 0));
    drop(chosen);
    assert_eq!(second.wakes(), 1);
    assert!(matches!(poll_with(&mut next, &two), Poll::Ready(Ok(1))));
}

/// Reading and writing wait apart: an event of one direction does not poll the other's task.
#[test]
fn each_direction_wakes_its_own_side() {
    let runtime = Runtime::new();
    let (ours, theirs) = runtime.block_on(pair());
    while ours.try_write(&[1; 64 * 1024]).is_ok() {}
    let ((reads, reader), (writes, writer)) = (CountingWaker::new(), CountingWaker::new());
    let mut buffer = [0; 8];
    let (mut read, mut write) = (ours.read(&mut buffer), ours.write(b"more"));
    assert!(poll_with(&mut read, &reader).is_pending());
    assert!(poll_with(&mut write, &writer).is_pending());
    theirs.try_write(b"x").unwrap();
    settle(&runtime);
    assert_eq!((reads.wakes(), writes.wakes()), (1, 0));
    assert!(poll_with(&mut read, &reader).is_ready());
    let mut sink = vec![0; 1 << 20];
    while theirs.try_read(&mut sink).is_ok() {}
    settle(&runtime);
    while theirs.try_read(&mut sink).is_ok() {}
    settle(&runtime);
    assert_eq!((reads.wakes(), writes.wakes()), (1, 1));
    assert!(poll_with(&mut write, &writer).is_ready());
}

/// Operations that are polled once and given up leave no trace in the lists of the socket (msquic#81).
#[test]
fn abandoned_operations_leave_nothing_behind() {
    let runtime = Runtime::new();
    let (client, server) = runtime.block_on(pair());
    let listener = runtime.enter(|| TcpListener::bind("127.0.0.1:0")).unwrap();
    for _ in 0..10_000 {
        assert!(poll_once(&mut server.read(&mut [0; 8])).is_pending());
        assert!(poll_once(&mut listener.accept()).is_pending());
    }
    assert_eq!(waiting(&runtime), (0, 0));
    drop(client);
}

/// Fifty wait for connections on one listener; each connection is accepted by one of them, in order, and wakes no more
/// than two tasks.
#[test]
fn fifty_accepts_on_one_listener_are_all_served() {
    let runtime = Runtime::new();
    let listener = Rc::new(runtime.enter(|| TcpListener::bind("127.0.0.1:0")).unwrap());
    let address = listener.local_addr().unwrap();
    let order = Rc::new(RefCell::new(Vec::new()));
    for number in 0..50 {
        let (listener, order) = (listener.clone(), order.clone());
        drop(runtime.spawn(async move {
            let accepted = listener.accept().await.unwrap();
            order.borrow_mut().push(number);
            accepted
        }));
    }
    settle(&runtime);
    assert_eq!(waiting(&runtime), (50, 0));
    let mut polled = 0;
    let clients: Vec<_> = (0..50)
        .map(|_| {
            let client = std::net::TcpStream::connect(address).unwrap();
            loop {
                let turn = runtime.turn(Budget::no_wait()).unwrap();
                polled += turn.polled;
                if turn == coracle::Turn::default() {
                    return client;
                }
            }
        })
        .collect();
    settle(&runtime);
    assert_eq!(*order.borrow(), (0..50).collect::<Vec<_>>());
    assert!(polled <= 100, "{polled} polls for {} connections", clients.len());
}

/// The closure form of readiness: it is called again each time it said `WouldBlock` and the descriptor became ready.
#[test]
fn poll_io_tries_again_when_the_descriptor_is_ready() {
    coracle::block_on(soon(async {
        let (client, server) = pair().await;
        let tries = Rc::new(Cell::new(0));
        let task = coracle::spawn({
            let tries = tries.clone();
            let attempt = move |fd: BorrowedFd<'_>| {
                tries.set(tries.get() + 1);
                let mut byte = [0];
                std::net::TcpStream::from(fd.try_clone_to_owned()?).read(&mut byte).map(|_| byte[0])
            };
            async move { poll_fn(|cx| server.poll_io(cx, Interest::Read, &attempt)).await.unwrap() }
        });
        coracle::task::yield_now().await;
        assert_eq!(tries.get(), 1);
        client.write_all(b"x").await.unwrap();
        assert_eq!(task.await.unwrap(), b'x');
        assert_eq!(tries.get(), 2);
    }));
}

#[test]
fn poll_io_returns_errors_and_tries_again_when_interrupted() {
    coracle::block_on(soon(async {
        let (client, _server) = pair().await;
        let mut results = vec![Ok(7), Err(io::ErrorKind::Interrupted.into()), Err(io::ErrorKind::Interrupted.into())];
        let got = poll_fn(|cx| client.poll_io(cx, Interest::Write, |_| results.pop().unwrap())).await;
        assert_eq!(got.unwrap(), 7);
        let error =
            poll_fn(|cx| client.poll_io(cx, Interest::Write, |_| Err::<(), _>(io::ErrorKind::PermissionDenied.into())))
                .await;
        assert_eq!(super::kind(error), io::ErrorKind::PermissionDenied);
    }));
}

/// The waker that an operation held is not kept after the operation is over.
#[test]
fn a_finished_read_keeps_no_waker() {
    let runtime = Runtime::new();
    let (client, server) = runtime.block_on(pair());
    let (counting, waker) = CountingWaker::new();
    let mut buffer = [0; 8];
    let mut read = server.read(&mut buffer);
    assert!(poll_with(&mut read, &waker).is_pending());
    client.try_write(b"x").unwrap();
    settle(&runtime);
    assert!(poll_with(&mut read, &waker).is_ready());
    drop(waker);
    assert_eq!(std::sync::Arc::strong_count(&counting), 1);
}

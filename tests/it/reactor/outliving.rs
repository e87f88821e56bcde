//! Sockets and timers after their runtime has ended, and away from its thread: errors, not panics; no hang; no leak.

use std::future::Future;
use std::io::{ErrorKind, Read, Write};
use std::pin::pin;
use std::task::{Context, Waker};
use std::time::{Duration, Instant};

use coracle::net::{TcpListener, TcpStream};
use coracle::time::sleep;
use coracle::{Budget, Runtime};

use super::{register, settle, soon, stream};
use crate::support::{alone, descriptors, poll_once};

/// Everything that a program may hold longer than its runtime (tokio#214, streamling#112).
#[test]
fn what_outlives_its_runtime_fails_with_an_error_and_is_dropped_cleanly() {
    alone("reactor::outliving::what_outlives_its_runtime_fails_with_an_error_and_is_dropped_cleanly", || {
        let before = descriptors();
        let runtime = Runtime::new();
        let (fresh, _peer) = stream(&runtime);
        let (used, mut theirs) = stream(&runtime);
        register(&runtime, &used);
        let listener = runtime.enter(|| TcpListener::bind("127.0.0.1:0")).unwrap();
        let mut slept = runtime.enter(|| sleep(Duration::from_secs(3600)));
        assert!(runtime.enter(|| poll_once(&mut slept)).is_pending());
        let mut task = runtime.spawn(std::future::pending::<()>());
        let (spawner, abort) = (runtime.spawner(), task.abort_handle());
        let mut buffer = [0; 8];
        let mut reading = used.read(&mut buffer);
        assert!(runtime.enter(|| poll_once(&mut reading)).is_pending());
        theirs.write_all(b"unread").unwrap();
        drop(runtime);

        let ended = |error: std::io::Error| assert_eq!(error.kind(), ErrorKind::NotConnected, "{error}");
        let done = |polled: std::task::Poll<_>| match polled {
            std::task::Poll::Ready(result) => result,
            std::task::Poll::Pending => panic!("it waits for a runtime that has ended"),
        };
        ended(done(poll_once(&mut reading)).unwrap_err());
        drop(reading);
        for stream in [&fresh, &used] {
            ended(done(poll_once(&mut stream.read(&mut [0; 8]))).unwrap_err());
            ended(done(poll_once(&mut stream.write(b"x"))).unwrap_err());
            ended(stream.try_read(&mut [0; 8]).unwrap_err());
        }
        ended(done(poll_once(&mut listener.accept()).map_ok(drop).map_ok(|()| 0)).unwrap_err());
        assert!(matches!(poll_once(&mut task), std::task::Poll::Ready(Err(coracle::task::JoinError::Cancelled))));
        assert!(spawner.spawn(|| async {}).is_err());
        abort.abort();
        // What the system knows of them needs no runtime, and they can go to another one.
        used.local_addr().unwrap();
        let mut moved = used.into_std();
        moved.set_nonblocking(false).unwrap();
        let mut buffer = [0; 8];
        assert_eq!(moved.read(&mut buffer).unwrap(), 6);
        drop((fresh, moved, listener, slept, task, theirs, _peer));
        assert_eq!(descriptors(), before);
    });
}

/// A timer has no error to give: it says in a panic what is wrong, and can be dropped.
#[test]
fn a_sleep_that_outlives_its_runtime_says_so() {
    let mut slept = Runtime::new().enter(|| sleep(Duration::from_secs(1)));
    let panic = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| poll_once(&mut slept))).unwrap_err();
    let message = panic.downcast_ref::<String>().unwrap();
    assert!(message.contains("its runtime has ended"), "{message}");
}

/// Ends while a task stands in the middle of a read, a write, an accept and a connect.
#[test]
fn a_runtime_that_ends_drops_what_waits_in_it() {
    alone("reactor::outliving::a_runtime_that_ends_drops_what_waits_in_it", || {
        let before = descriptors();
        let runtime = Runtime::new();
        let (reader, _a) = stream(&runtime);
        let (writer, _b) = stream(&runtime);
        drop(runtime.spawn(async move { reader.read(&mut [0]).await }));
        drop(runtime.spawn(async move { writer.write_all(&vec![0; 64 << 20]).await }));
        drop(runtime.spawn(async { TcpListener::bind("127.0.0.1:0").unwrap().accept().await.map(drop) }));
        drop(runtime.spawn(async { sleep(Duration::from_secs(3600)).await }));
        runtime.turn(Budget::no_wait()).unwrap();
        assert_eq!(runtime.inspect().tasks.len(), 4);
        drop((runtime, _a, _b));
        assert_eq!(descriptors(), before);
    });
}

/// On another thread: an error for each use, and a drop that closes at once; what the reactor had is gone after the next
/// turn.
#[test]
fn a_stream_on_another_thread_fails_and_its_drop_closes_it() {
    let runtime = Runtime::new();
    let (ours, mut theirs) = stream(&runtime);
    register(&runtime, &ours);
    std::thread::spawn(move || {
        let elsewhere = |error: std::io::Error| assert!(error.to_string().contains("another thread"), "{error}");
        elsewhere(ours.try_read(&mut [0]).unwrap_err());
        let mut buffer = [0; 8];
        let mut read = pin!(ours.read(&mut buffer));
        match read.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            std::task::Poll::Ready(result) => elsewhere(result.unwrap_err()),
            std::task::Poll::Pending => panic!("it waits on the wrong thread"),
        }
    })
    .join()
    .unwrap();
    // It was dropped there, and the peer knows, though the runtime has not turned.
    theirs.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    assert_eq!(theirs.read(&mut [0]).unwrap(), 0);
    assert_eq!(runtime.inspect().sources.len(), 1);
    settle(&runtime);
    assert!(runtime.inspect().sources.is_empty());
}

/// An operation under way is dropped on another thread: the queue of the descriptor is empty after the next turn.
#[test]
fn a_read_that_is_dropped_on_another_thread_leaves_the_queue() {
    let runtime = Runtime::new();
    let (ours, _theirs) = stream(&runtime);
    let mut buffer = [0; 8];
    let mut read = ours.read(&mut buffer);
    assert!(runtime.enter(|| poll_once(&mut read)).is_pending());
    assert_eq!(runtime.inspect().sources[0].reading, 1);
    std::thread::scope(|scope| {
        scope.spawn(move || drop(read));
    });
    settle(&runtime);
    assert_eq!(runtime.inspect().sources[0].reading, 0);
}

/// Three runtimes on one thread, turned one after the other: each serves its own sockets, though they talk to each other.
#[test]
fn several_runtimes_on_one_thread_do_not_know_of_each_other() {
    let runtimes = [Runtime::new(), Runtime::new(), Runtime::new()];
    let mut ends = Vec::new();
    for index in 0..3 {
        let (here, there) = super::connection();
        let here = runtimes[index].enter(|| TcpStream::from_std(here)).unwrap();
        let there = runtimes[(index + 1) % 3].enter(|| TcpStream::from_std(there)).unwrap();
        drop(runtimes[(index + 1) % 3].spawn(async move {
            let mut buffer = [0; 16];
            while let Ok(count @ 1..) = there.read(&mut buffer).await {
                there.write_all(&buffer[..count]).await.unwrap();
            }
        }));
        ends.push(runtimes[index].spawn(async move {
            let mut sum = 0;
            for byte in 0..100 {
                here.write_all(&[byte]).await.unwrap();
                let mut answer = [0];
                here.read_exact(&mut answer).await.unwrap();
                assert_eq!(answer, [byte]);
                sum += usize::from(byte);
            }
            sum
        }));
    }
    let begin = Instant::now();
    while !ends.iter().all(|end| end.is_finished()) {
        assert!(begin.elapsed() < Duration::from_secs(5), "{runtimes:#?}");
        runtimes.iter().for_each(|runtime| assert!(runtime.turn(Budget::no_wait()).is_ok()));
    }
    for (runtime, end) in runtimes.iter().zip(ends) {
        assert_eq!(runtime.block_on(soon(end)).unwrap(), 4950);
    }
}

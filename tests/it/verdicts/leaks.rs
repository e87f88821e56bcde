//! What is left at the end.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use coracle::net::{TcpListener, TcpStream, UdpSocket, UnixStream};
use coracle::sync::remote;
use coracle::testing::{Leaks, Trial};
use coracle::{blocking, time};

use super::{lines, panic_of};

/// The line of the main tasks of [`leaked`].
const RUN: u32 = line!() + 4;

/// What a trial says that this leaves.
fn leaked<F: Future>(make: impl FnOnce() -> F) -> Vec<String> {
    let mut lines = lines(&panic_of(|| Trial::new().run(make)));
    assert_eq!(lines.remove(0), "leaked: this is left when the main future is done");
    assert!(lines.pop().unwrap().ends_with("or allow it: `Trial::new().allow(Leaks::…)`"));
    lines
}

#[test]
fn a_task() {
    let line = line!() + 1;
    let left = leaked(|| async { drop(coracle::spawn(std::future::pending::<()>())) });
    let said = "polls: 1, has not said what it waits for, and nobody can wake it";
    assert_eq!(left, [format!("task 2, spawned at leaks:{line}, {said}")]);
    Trial::new().allow(Leaks::TASKS).run(|| async { drop(coracle::spawn(std::future::pending::<()>())) });
}

#[test]
fn a_task_that_ends_by_itself_is_none() {
    Trial::new().run(|| async {
        let (client, server) = UnixStream::pair().unwrap();
        let echo = coracle::spawn(async move {
            let mut buffer = [0; 64];
            loop {
                match server.read(&mut buffer).await.unwrap() {
                    0 => return,
                    n => server.write_all(&buffer[..n]).await.unwrap(),
                }
            }
        });
        client.write_all(b"echo").await.unwrap();
        client.read_exact(&mut [0; 4]).await.unwrap();
        drop(echo); // it ends when it sees that the client is gone
    });
}

#[test]
fn a_timer() {
    let kept = Rc::new(RefCell::new(None));
    let left = leaked(|| async {
        let mut sleep = time::sleep(Duration::from_secs(60));
        std::future::poll_fn(|cx| {
            assert!(std::pin::Pin::new(&mut sleep).poll(cx).is_pending());
            std::task::Poll::Ready(())
        })
        .await;
        *kept.borrow_mut() = Some(sleep);
    });
    assert_eq!(left, [format!("a timer, set by task 1, spawned at leaks:{RUN}")]);
    let mine = kept.take();
    assert!(mine.is_some());
}

#[test]
fn sockets_that_were_used_and_such_that_were_not() {
    let kept = RefCell::new(Vec::new());
    let left = leaked(|| async {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let (client, server) =
            coracle::task::join((TcpStream::connect(listener.local_addr().unwrap()), listener.accept())).await;
        kept.borrow_mut().push((client.unwrap(), server.unwrap().0));
    });
    let by = format!("opened by task 1, spawned at leaks:{RUN}");
    let mut left = left;
    left.sort();
    assert_eq!(left, [format!("a socket, {by}"), format!("an accepted connection, {by}")]);
    drop(kept.take());

    let (line, kept) = (line!() + 1, RefCell::new(None));
    let left = leaked(|| async {
        let bind = coracle::spawn(async { UdpSocket::bind("127.0.0.1:0").unwrap() });
        *kept.borrow_mut() = Some(bind.await.unwrap());
    });
    assert_eq!(left, [format!("a socket, opened by task 2, spawned at leaks:{}", line + 1)]);
}

#[test]
fn a_socket_that_is_closed_in_any_way_is_none() {
    Trial::new().run(|| async {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (client, server) = coracle::task::join((TcpStream::connect(address), listener.accept())).await;
        let std = client.unwrap().into_std();
        drop(TcpStream::from_std(std).unwrap());
        let (reader, writer) = server.unwrap().0.into_split();
        drop((reader, writer, listener));
        assert!(TcpStream::connect(address).await.is_err());
        drop(UnixStream::pair().unwrap());
        drop(coracle::net::pipe().unwrap());
    });
}

#[test]
fn what_an_allowed_task_made_is_allowed_with_it() {
    Trial::new().allow(Leaks::TASKS).run(|| async {
        drop(coracle::spawn(async {
            let listener = TcpListener::bind("127.0.0.1:0").unwrap();
            let mut clock = time::interval(Duration::from_secs(1));
            clock.tick().await;
            drop(coracle::task::select(Box::pin(clock.tick()), Box::pin(listener.accept())).await);
        }));
    });
}

#[test]
fn a_job() {
    let (release, is_released) = remote::oneshot::channel::<()>();
    let line = line!() + 2;
    let left = leaked(|| async {
        drop(blocking::submit(move || is_released.recv_blocking()));
    });
    assert_eq!(left.len(), 1);
    assert!(left[0].starts_with("a job, "), "{left:?}");
    assert!(left[0].contains(&format!("submitted at leaks:{line}")), "{left:?}");
    drop(release);
    Trial::new().run(|| async { drop(blocking::submit(|| std::thread::sleep(Duration::from_millis(5)))) });
}

#[test]
fn a_hog() {
    let line = line!() + 1;
    let trial = || Trial::new().hogs_above(Duration::from_millis(5));
    let text = panic_of(|| trial().run(|| async { std::thread::sleep(Duration::from_millis(10)) }));
    let lines = lines(&text);
    assert_eq!(lines[0], "hogged: polls that took too long");
    assert!(lines[1].starts_with(&format!("task 1, spawned at leaks:{}, kept the thread", line + 1)), "{lines:?}");
}

#[test]
fn a_panic_of_the_test_is_not_covered_by_what_it_leaves() {
    let text = panic_of(|| {
        Trial::new().run(|| async {
            drop(coracle::spawn(std::future::pending::<()>()));
            panic!("the test's own");
        })
    });
    assert_eq!(text, "the test's own");
}

#[test]
fn every_seed_of_a_sound_program_passes() {
    for seed in 0..30 {
        Trial::new().seed(seed).run(|| async {
            let listener = TcpListener::bind("127.0.0.1:0").unwrap();
            let address = listener.local_addr().unwrap();
            let server = coracle::spawn(async move {
                let (stream, _) = listener.accept().await.unwrap();
                let mut buffer = [0; 16];
                loop {
                    match stream.read(&mut buffer).await.unwrap() {
                        0 => return,
                        n => stream.write_all(&buffer[..n]).await.unwrap(),
                    }
                }
            });
            let client = TcpStream::connect(address).await.unwrap();
            client.write_all(&[7; 100]).await.unwrap();
            time::sleep(Duration::from_secs(30)).await;
            client.read_exact(&mut [0; 100]).await.unwrap();
            drop(client);
            server.await.unwrap();
        });
    }
}

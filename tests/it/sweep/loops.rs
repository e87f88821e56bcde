//! More than one loop, or none of ours: other threads, a crew, a foreign loop, and a runtime that is dropped.

use std::io;
use std::os::fd::AsRawFd;
use std::time::{Duration, Instant};

use coracle::cores::Crew;
use coracle::net::{TcpListener, TcpStream, UdpSocket, UnixStream};
use coracle::task::try_join;
use coracle::{Budget, Runtime};

use super::run::{is_at_rest, limit, note};
use super::tcp::connection;

/// Another thread spawns while the loop sleeps.
pub(super) fn spawner() -> io::Result<()> {
    let runtime = Runtime::new();
    let spawner = runtime.spawner();
    let result = runtime.block_on(async {
        let (sender, receiver) = coracle::sync::remote::oneshot::channel();
        let thread = std::thread::spawn(move || {
            let handle = spawner.spawn(move || async move { note(connection().await.map(drop)) }).unwrap();
            let _ = sender.send(handle);
        });
        let waiting = async { receiver.await.unwrap().await.unwrap() };
        let result = coracle::time::timeout(limit(), waiting).await;
        thread.join().unwrap();
        result.unwrap_or_else(|_| super::run::given_up())
    });
    is_at_rest_or_given_up(&runtime, &result);
    result
}

/// What was given up may be anywhere.
fn is_at_rest_or_given_up(runtime: &Runtime, result: &io::Result<()>) {
    if result.is_ok() {
        is_at_rest(runtime);
    }
}

/// Two threads, each with a runtime that talks, until one is told to stop.
pub(super) fn crew() -> io::Result<()> {
    let crew = Crew::start(2, |member| async move {
        let talking = coracle::time::timeout(limit(), async {
            member.pin()?;
            connection().await.map(drop)
        });
        let result = note(talking.await.unwrap_or_else(|_| super::run::given_up()));
        if result.is_ok() {
            let _ = coracle::time::timeout(limit(), member.stopped()).await;
        }
        result
    })?;
    std::thread::yield_now();
    crew.stop();
    crew.join().into_iter().try_for_each(|ended| ended.unwrap_or_else(|payload| std::panic::resume_unwind(payload)))
}

/// A loop of poll(2) drives the runtime by its descriptor, and never blocks in it.
pub(super) fn foreign() -> io::Result<()> {
    let runtime = Runtime::new();
    let talking = runtime.spawn(async {
        coracle::time::sleep(Duration::from_micros(100)).await;
        let (client, server) = connection().await?;
        try_join((client.write_all(b"x"), server.read_exact(&mut [0; 1]))).await.map(drop)
    });
    let result = drive(&runtime, || talking.is_finished());
    if result.is_err() {
        talking.abort();
        drop(talking);
        return note(result);
    }
    let result = note(runtime.block_on(talking).unwrap());
    is_at_rest(&runtime);
    result
}

fn drive(runtime: &Runtime, done: impl Fn() -> bool) -> io::Result<()> {
    let begin = Instant::now();
    let fd = note(runtime.descriptor())?.as_raw_fd();
    while !done() {
        if begin.elapsed() > limit() {
            return super::run::given_up();
        }
        let mut readable = libc::pollfd { fd, events: libc::POLLIN, revents: 0 };
        // SAFETY: one pollfd, which lives to the end of the call.
        unsafe { libc::poll(&mut readable, 1, 2) };
        // An error of one turn is no reason not to make the next.
        let _ = note(runtime.turn(Budget::no_wait()));
    }
    Ok(())
}

/// Tasks wait for everything that there is to wait for, and the runtime goes.
pub(super) fn dropped() -> io::Result<()> {
    let runtime = Runtime::new();
    let _waiting = runtime.spawn(async {
        let listener = note(TcpListener::bind("127.0.0.1:0"))?;
        let connecting = TcpStream::connect(note(listener.local_addr())?);
        let (client, (server, _)) = note(try_join((connecting, listener.accept())).await)?;
        let socket = note(UdpSocket::bind("127.0.0.1:0"))?;
        coracle::spawn(async move { note(server.read(&mut [0; 8]).await) }).detach();
        coracle::spawn(async move { note(socket.recv(&mut [0; 8]).await) }).detach();
        coracle::spawn(async move { note(listener.accept().await) }).detach();
        coracle::spawn(async move { coracle::time::sleep(Duration::from_secs(60)).await }).detach();
        let _client = client.into_split();
        std::future::pending::<io::Result<()>>().await
    });
    for _ in 0..20 {
        let _ = note(runtime.turn(Budget { wait: Some(Duration::from_micros(50)), ..Budget::no_wait() }));
    }
    Ok(())
}

/// A socket that waits, and was shown to others, travels to another thread, and is dropped there. The other becomes one of std's.
pub(super) async fn moved_away() -> io::Result<()> {
    let (one, other) = UnixStream::pair()?;
    let waiting = coracle::time::timeout(Duration::from_micros(50), one.read(&mut [0; 8])).await;
    let _ = waiting.map(note);
    let _ = one.as_raw_fd();
    let thread = std::thread::spawn(move || drop(one));
    let result = other.read(&mut [0; 8]).await;
    thread.join().unwrap();
    assert_eq!(result?, 0);
    drop(other.into_std());
    Ok(())
}

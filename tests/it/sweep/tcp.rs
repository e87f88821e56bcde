//! TCP: echo, half close, every way to read and write, who is refused, the race of families, a proxy, time-outs, and a
//! server that is shut down.

use std::future::poll_fn;
use std::io::{self, ErrorKind, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::net::{Shutdown, SocketAddr};
use std::time::Duration;

use coracle::io::{AsyncReadExt, Buffers, copy, copy_bidirectional};
use coracle::net::{ListenerOptions, TcpListener, TcpStream};
use coracle::task::{JoinSet, join_all, try_join};
use coracle::time::{sleep, timeout};

use super::run::{is_empty, is_well, note};
use super::task;

const LOCAL: &str = "127.0.0.1:0";

/// Both ends of a connection.
pub(super) async fn connection() -> io::Result<(TcpStream, TcpStream)> {
    let listener = TcpListener::bind(LOCAL)?;
    let (client, server) = try_join((TcpStream::connect(listener.local_addr()?), listener.accept())).await?;
    Ok((client, server.0))
}

async fn echo_to(stream: TcpStream) -> io::Result<()> {
    let (mut reader, mut writer) = (&stream, &stream);
    copy(&mut reader, &mut writer).await?;
    stream.shutdown(Shutdown::Write)
}

async fn talk(address: SocketAddr) -> io::Result<()> {
    let stream = TcpStream::connect(address).await?;
    stream.write_all(b"ping").await?;
    let mut answer = [0; 4];
    stream.read_exact(&mut answer).await?;
    assert_eq!(&answer, b"ping");
    stream.shutdown(Shutdown::Write)?;
    assert_eq!(stream.read(&mut [0; 4]).await?, 0);
    Ok(())
}

/// A loop that accepts, a task a connection, two clients.
pub(super) async fn echo() -> io::Result<()> {
    let listener = TcpListener::bind(LOCAL)?;
    let address = listener.local_addr()?;
    let serving = task(async move {
        let mut connections = Vec::new();
        for _ in 0..2 {
            connections.push(task(echo_to(listener.accept().await?.0)));
        }
        join_all(connections).await.into_iter().collect()
    });
    try_join((serving, task(talk(address)), task(talk(address)))).await.map(drop)
}

pub(super) async fn half_close() -> io::Result<()> {
    let (client, server) = connection().await?;
    let answering = task(async move {
        let (mut all, mut server) = (Vec::new(), server);
        server.read_to_end(&mut all).await?;
        server.write_all(&all).await
    });
    client.write_all(b"question").await?;
    client.shutdown(Shutdown::Write)?;
    client.shutdown(Shutdown::Write)?;
    let (mut all, mut client) = (Vec::new(), client);
    client.read_to_end(&mut all).await?;
    answering.await?;
    assert_eq!(all, b"question");
    Ok(())
}

/// Each way to do what a stream can do, the first of them while nothing is there.
pub(super) async fn ways() -> io::Result<()> {
    let listener = ListenerOptions::new().reuse_port(true).v6_only(true).bind("[::1]:0")?;
    is_empty(listener.try_accept())?;
    let connecting = task(async { TcpStream::connect("[::1]:1").await.map(drop) });
    drop(connecting);
    let (client, server) = {
        let accepting = poll_fn(|cx| listener.poll_accept(cx));
        let (client, server) = try_join((TcpStream::connect(listener.local_addr()?), accepting)).await?;
        (client, server.0)
    };
    client.set_nodelay(true)?;
    assert!(client.nodelay()?);
    assert_eq!(client.local_addr()?, server.peer_addr()?);
    assert!(client.take_error()?.is_none());

    let writing = task(async move {
        client.write(b"a").await?;
        client.write_vectored(&[IoSlice::new(b"b"), IoSlice::new(b"c")]).await?;
        poll_fn(|cx| client.poll_write(cx, b"d")).await?;
        poll_fn(|cx| client.poll_write_vectored(cx, &[IoSlice::new(b"e")])).await?;
        client.try_write(b"fgh")?;
        client.write_all(b"i").await?;
        client.read(&mut [0; 1]).await.map(drop)
    });
    let mut byte = [0];
    server.peek(&mut byte).await?;
    poll_fn(|cx| server.poll_peek(cx, &mut byte)).await?;
    server.read(&mut byte).await?;
    server.read_vectored(&mut [IoSliceMut::new(&mut byte)]).await?;
    poll_fn(|cx| server.poll_read(cx, &mut byte)).await?;
    poll_fn(|cx| server.poll_read_uninit(cx, &mut [MaybeUninit::uninit()])).await?;
    poll_fn(|cx| server.poll_read_vectored(cx, &mut [IoSliceMut::new(&mut byte)])).await?;
    assert!(server.try_read(&mut byte)? == 1 || !is_well());
    server.read_pooled(&Buffers::new(1)).await?;
    server.read_exact(&mut [0; 2]).await?;
    server.try_write(b"x")?;
    writing.await
}

/// Nobody listens there.
pub(super) async fn refused() -> io::Result<()> {
    let address = TcpListener::bind(LOCAL)?.local_addr()?;
    for _ in 0..2 {
        match note(TcpStream::connect(address).await) {
            Err(error) if error.kind() == ErrorKind::ConnectionRefused => {}
            other => return other.map(|_| panic!("nobody listens")),
        }
    }
    Ok(())
}

/// A name with two addresses, of which only the second is served.
pub(super) async fn race() -> io::Result<()> {
    let listener = TcpListener::bind(LOCAL)?;
    let connecting = TcpStream::connect(("both.test", listener.local_addr()?.port()));
    let (client, _server) = try_join((connecting, listener.accept())).await?;
    assert!(client.peer_addr()?.is_ipv4());
    Ok(())
}

/// A client, a proxy that copies both ways, a server that is split in halves.
pub(super) async fn proxy() -> io::Result<()> {
    let (mut client, mut front) = connection().await?;
    let (mut back, server) = connection().await?;
    let passing_on = task(async move { copy_bidirectional(&mut front, &mut back).await.map(drop) });
    let serving = task(async move {
        let (mut reader, mut writer) = server.into_split();
        copy(&mut reader, &mut writer).await.map(drop)
    });
    let talking = task(async move {
        let (mut reader, writer) = client.split();
        writer.write_all(b"through it").await?;
        writer.shutdown()?;
        let mut all = Vec::new();
        reader.read_to_end(&mut all).await?;
        assert!(all == b"through it" || !is_well());
        Ok(())
    });
    try_join((talking, passing_on, serving)).await.map(drop)
}

/// A read that is given up, and one that comes in time.
pub(super) async fn timeouts() -> io::Result<()> {
    let (client, server) = connection().await?;
    assert!(
        timeout(Duration::from_micros(100), client.read(&mut [0; 4])).await.map_or(true, |read| note(read).is_err())
    );
    let answering = task(async move {
        sleep(Duration::from_micros(100)).await;
        server.write_all(b"late").await?;
        server.read(&mut [0; 4]).await.map(drop)
    });
    match timeout(Duration::from_secs(60), client.read_exact(&mut [0; 4])).await {
        Ok(read) => read?,
        Err(_) => panic!("a minute has passed"),
    };
    drop(client);
    answering.await
}

/// Connections that are served by a set of tasks, which is shut down while they wait.
pub(super) async fn server_shutdown() -> io::Result<()> {
    let listener = TcpListener::bind(LOCAL)?;
    let address = listener.local_addr()?;
    let mut connections = JoinSet::new();
    let mut clients = Vec::new();
    for _ in 0..2 {
        let (client, server) = try_join((TcpStream::connect(address), listener.accept())).await?;
        clients.push(client);
        connections.spawn(async move { note(echo_to(server.0).await) });
    }
    clients[0].write_all(b"x").await?;
    clients[0].read_exact(&mut [0; 1]).await?;
    connections.shutdown().await;
    for client in clients {
        assert_eq!(client.read(&mut [0; 1]).await?, 0);
    }
    Ok(())
}

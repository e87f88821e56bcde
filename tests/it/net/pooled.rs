//! Connections that read into pooled buffers.

use std::io::{Read, Write};

use coracle::Runtime;
use coracle::io::{AsyncReadExt, Buffers, copy};
use coracle::net::{TcpListener, TcpStream};
use coracle::task::yield_now;

use super::{pair, pattern, settle, soon, waiting};
use crate::support::{alone, cut_at_every_poll, heap};

async fn echo(stream: TcpStream, buffers: Buffers) -> std::io::Result<()> {
    loop {
        let bytes = stream.read_pooled(&buffers).await?;
        if bytes.is_empty() {
            return Ok(());
        }
        stream.write_all(&bytes).await?;
    }
}

/// Four hundred connections have been served and wait: they hold no buffer, and each takes at most 600 bytes of heap,
/// for its task, its descriptor, its place in the reactor and its waker together.
#[test]
fn an_idle_connection_takes_at_most_six_hundred_bytes() {
    alone("net::pooled::an_idle_connection_takes_at_most_six_hundred_bytes", || {
        const CONNECTIONS: usize = 400;
        let runtime = Runtime::new();
        let buffers = Buffers::new(256 * 1024);
        let listener = runtime.enter(|| TcpListener::bind("127.0.0.1:0")).unwrap();
        let address = listener.local_addr().unwrap();
        let serving = buffers.clone();
        drop(runtime.spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                drop(coracle::spawn(echo(stream, serving.clone())));
            }
        }));
        let mut clients = Vec::with_capacity(CONNECTIONS + 1);
        let mut connect = || {
            let mut client = std::net::TcpStream::connect(address).unwrap();
            client.write_all(b"ping").unwrap();
            while buffers.in_use() == 0 && buffers.spare() == 0 || waiting(&runtime).0 < clients.len() + 2 {
                settle(&runtime);
            }
            client.read_exact(&mut [0; 4]).unwrap();
            clients.push(client);
        };
        // The first makes the poller, the buffer and the room for events.
        connect();
        let before = heap();
        (0..CONNECTIONS).for_each(|_| connect());
        let each = (heap() - before) / CONNECTIONS as isize;
        assert_eq!((buffers.in_use(), buffers.spare()), (0, 1), "all used the same one");
        assert!((100..=600).contains(&each), "{each} bytes for an idle connection");
    });
}

/// As large as many reads, larger than what a socket holds, and several at once: what is sent comes back.
#[test]
fn whatever_the_sizes_what_is_sent_comes_back() {
    coracle::block_on(soon(async {
        for (buffer, length) in [(1, 100), (7, 10_000), (4096, 1 << 20), (256 * 1024, 4 << 20)] {
            let (buffers, sent) = (Buffers::new(buffer), pattern(length));
            let clients = (0..3).map(|_| async {
                let (client, server) = pair().await;
                let serving = coracle::spawn(echo(server, buffers.clone()));
                let (mut reader, writer) = client.into_split();
                let bytes = sent.clone();
                let sending = coracle::spawn(async move {
                    writer.write_all(&bytes).await.unwrap();
                    writer.shutdown().unwrap();
                });
                let mut back = Vec::new();
                copy(&mut reader, &mut back).await.unwrap();
                sending.await.unwrap();
                serving.await.unwrap().unwrap();
                assert!(back == sent, "with buffers of {buffer}");
            });
            coracle::task::join_all(clients.map(Box::pin)).await;
            assert_eq!(buffers.in_use(), 0);
        }
    }));
}

/// Several tasks may read one stream: each byte comes to one of them.
#[test]
fn each_byte_comes_to_one_of_the_tasks_that_read() {
    coracle::block_on(soon(async {
        let (client, server) = pair().await;
        let (buffers, server) = (Buffers::new(2), std::rc::Rc::new(server));
        let reading: Vec<_> = (0..3)
            .map(|_| {
                let (buffers, server) = (buffers.clone(), server.clone());
                coracle::spawn(async move { server.read_pooled(&buffers).await.unwrap().to_vec() })
            })
            .collect();
        client.write_all(b"abcdef").await.unwrap();
        let mut got = Vec::new();
        for read in reading {
            let bytes = read.await.unwrap();
            assert!((1..=2).contains(&bytes.len()));
            got.extend(bytes);
        }
        got.sort_unstable();
        assert_eq!(got, b"abcdef"[..got.len()], "the rest is there still");
    }));
}

/// Cancel-safe: whichever end is read, what a read that was dropped would have taken is there for the next, and no buffer
/// is held.
#[test]
fn a_pooled_read_that_is_dropped_anywhere_loses_no_byte() {
    let buffers = Buffers::new(8);
    let dropped = cut_at_every_poll(|cut| {
        coracle::block_on(soon(async {
            for half in [false, true] {
                let (client, server) = pair().await;
                let writing = coracle::spawn(async move {
                    yield_now().await;
                    server.write_all(b"abc").await.unwrap();
                });
                let (mut reader, writer) = client.into_split();
                let read = if half {
                    cut.at(reader.read_pooled(&buffers)).await.map(Result::unwrap)
                } else {
                    let client = reader.reunite(writer).unwrap();
                    let read = cut.at(client.read_pooled(&buffers)).await.map(Result::unwrap);
                    reader = client.into_split().0;
                    read
                };
                let mut all = read.as_deref().unwrap_or_default().to_vec();
                drop(read);
                assert_eq!(buffers.in_use(), 0);
                writing.await.unwrap();
                reader.read_to_end(&mut all).await.unwrap();
                assert_eq!(all, b"abc");
            }
        }));
    });
    assert!(dropped >= 2, "{dropped}");
}

//! Every future of `net`, dropped at every point: what its line "Cancel safety" says is what happens.
//!
//! The peer acts a little later each time, so that the future waits in between and is cut at each of its polls, both right
//! after it and when it has been woken for the next.

use std::io::{IoSlice, IoSliceMut};

use coracle::io::Buffers;
use coracle::net::{TcpListener, TcpStream};
use coracle::task::yield_now;

use super::{Cut, cancel_at_each_poll, cut_short, pair, pattern};
use crate::support;

/// Lets so many polls pass that the loop has looked at the world meanwhile.
async fn let_the_world_in() {
    for _ in 0..65 {
        yield_now().await;
    }
}

/// Sends `bytes` one by one, so far apart that each makes an event of its own.
fn drip(stream: TcpStream, bytes: Vec<u8>) -> coracle::task::JoinHandle<TcpStream> {
    coracle::spawn(async move {
        for byte in bytes {
            let_the_world_in().await;
            stream.write_all(&[byte]).await.unwrap();
        }
        stream
    })
}

/// Reads everything up to the end.
async fn rest(stream: &TcpStream) -> Vec<u8> {
    let mut all = Vec::new();
    coracle::io::AsyncReadExt::read_to_end(&mut &*stream, &mut all).await.unwrap();
    all
}

/// What a read that was given up would have taken is still there for the next.
#[test]
fn a_cancelled_read_loses_no_byte() {
    let polls = cancel_at_each_poll(async |cut| {
        let (client, server) = pair().await;
        let peer = drip(server, b"abc".to_vec());
        let mut buffer = [0; 8];
        let mut got = Vec::new();
        let done = cut_short(client.read(&mut buffer), cut).await.map(Result::unwrap);
        got.extend_from_slice(&buffer[..done.unwrap_or(0)]);
        drop(peer.await.unwrap());
        got.extend(rest(&client).await);
        assert_eq!(got, b"abc", "{cut:?}");
        done.is_some()
    });
    assert_eq!(polls, 2);
}

/// The same into a pooled buffer, which is not held meanwhile.
#[test]
fn a_cancelled_pooled_read_loses_no_byte_and_holds_no_buffer() {
    let buffers = Buffers::new(2);
    let polls = cancel_at_each_poll(async |cut| {
        let (client, server) = pair().await;
        let peer = drip(server, b"abc".to_vec());
        let done = cut_short(client.read_pooled(&buffers), cut).await.map(Result::unwrap);
        assert_eq!(buffers.in_use(), usize::from(done.is_some()));
        let mut got = done.as_deref().unwrap_or_default().to_vec();
        drop(peer.await.unwrap());
        got.extend(rest(&client).await);
        assert_eq!(got, b"abc", "{cut:?}");
        done.is_some()
    });
    assert_eq!((polls, buffers.in_use(), buffers.spare()), (2, 0, 1));
}

#[test]
fn a_cancelled_vectored_read_loses_no_byte() {
    let polls = cancel_at_each_poll(async |cut| {
        let (client, server) = pair().await;
        let peer = drip(server, b"abc".to_vec());
        let (mut one, mut two) = ([0; 1], [0; 8]);
        let mut buffers = [IoSliceMut::new(&mut one), IoSliceMut::new(&mut two)];
        let done = cut_short(client.read_vectored(&mut buffers), cut).await.map(Result::unwrap);
        let mut got = [&one[..], &two[..]].concat()[..done.unwrap_or(0)].to_vec();
        drop(peer.await.unwrap());
        got.extend(rest(&client).await);
        assert_eq!(got, b"abc", "{cut:?}");
        done.is_some()
    });
    assert_eq!(polls, 2);
}

#[test]
fn a_cancelled_peek_takes_nothing() {
    let polls = cancel_at_each_poll(async |cut| {
        let (client, server) = pair().await;
        let peer = drip(server, b"abc".to_vec());
        let done = cut_short(client.peek(&mut [0; 8]), cut).await.map(Result::unwrap);
        drop(peer.await.unwrap());
        assert_eq!(rest(&client).await, b"abc", "{cut:?}");
        done.is_some()
    });
    assert_eq!(polls, 2);
}

/// Prefix-safe: `filled` says how much of the buffer was read, and the next read goes on right there.
#[test]
fn a_cancelled_read_exact_says_how_much_it_filled() {
    let polls = cancel_at_each_poll(async |cut| {
        let (client, server) = pair().await;
        let peer = drip(server, b"abcdef".to_vec());
        let mut buffer = [0; 4];
        let mut read = client.read_exact(&mut buffer);
        let done = cut_short(&mut read, cut).await.map(Result::unwrap);
        let filled = read.filled();
        drop(read);
        drop(peer.await.unwrap());
        let got = [&buffer[..filled], &rest(&client).await].concat();
        assert_eq!(got, b"abcdef", "{cut:?}");
        assert_eq!(done.is_some(), filled == 4, "{cut:?}");
        assert!(buffer[filled..].iter().all(|byte| *byte == 0), "{cut:?}: more was written than `filled` says");
        done.is_some()
    });
    assert_eq!(polls, 5, "one that finds nothing, and one for each byte");
}

/// An end whose buffers are full of what was written so far; how much that is. And the other end.
async fn full() -> (TcpStream, TcpStream, usize) {
    let (client, server) = pair().await;
    client.set_nodelay(true).unwrap();
    let mut written = 0;
    while let Ok(n) = client.try_write(&[0; 64 * 1024]) {
        written += n;
    }
    (client, server, written)
}

/// Takes away what is in the buffers, some turns later, and gives everything up to the end.
fn drain(stream: TcpStream) -> coracle::task::JoinHandle<Vec<u8>> {
    coracle::spawn(async move {
        let_the_world_in().await;
        rest(&stream).await
    })
}

/// Not done means that nothing was written.
#[test]
fn a_cancelled_write_has_written_nothing() {
    let polls = cancel_at_each_poll(async |cut| {
        let (client, server, before) = full().await;
        let peer = drain(server);
        let done = cut_short(client.write(b"abc"), cut).await.map(Result::unwrap);
        drop(client);
        let got = peer.await.unwrap();
        assert_eq!(got[before..], b"abc"[..done.unwrap_or(0)], "{cut:?}");
        done.is_some()
    });
    assert!(polls >= 2);
}

#[test]
fn a_cancelled_vectored_write_has_written_nothing() {
    let polls = cancel_at_each_poll(async |cut| {
        let (client, server, before) = full().await;
        let peer = drain(server);
        let slices = [IoSlice::new(b"ab"), IoSlice::new(b"c")];
        let done = cut_short(client.write_vectored(&slices), cut).await.map(Result::unwrap);
        drop(client);
        let got = peer.await.unwrap();
        assert_eq!(got[before..], b"abc"[..done.unwrap_or(0)], "{cut:?}");
        done.is_some()
    });
    assert!(polls >= 2);
}

/// A write of one mebibyte that is given up has written a prefix, and `written` says how long it is, to the byte
/// (async-channel#87 is the same loss in another place).
#[test]
fn a_cancelled_write_all_has_written_exactly_what_it_says() {
    let bytes = pattern(1 << 20);
    // How the kernel cuts a mebibyte into writes is up to it; the first cuts and some later ones stand for all.
    let cuts = (0..12).flat_map(|poll| [Cut::Before(poll), Cut::After(poll)]).chain([Cut::After(usize::MAX)]);
    let (mut partial, mut whole) = (0, 0);
    for cut in cuts {
        coracle::block_on(super::soon(async {
            let (client, server) = pair().await;
            client.set_nodelay(true).unwrap();
            client.set_send_buffer_size(4096).unwrap();
            let peer = drain(server);
            let mut write = client.write_all(&bytes);
            let done = cut_short(&mut write, cut).await.map(Result::unwrap);
            let written = write.written();
            drop(write);
            drop(client);
            let got = peer.await.unwrap();
            assert_eq!(got.len(), written, "{cut:?}: `written` is not what the peer got");
            assert!(got == bytes[..written], "{cut:?}: not a prefix");
            assert_eq!(done.is_some(), written == bytes.len(), "{cut:?}");
            partial += usize::from(0 < written && written < bytes.len());
            whole += usize::from(done.is_some());
        }));
    }
    assert!(partial >= 5 && whole >= 1, "{partial} cuts were in the middle, {whole} at the end");
}

/// The next `accept` gets the connection that a cancelled one was woken for, and nothing leaks.
#[test]
fn a_cancelled_accept_loses_no_connection_and_no_descriptor() {
    support::alone("net::cancel::a_cancelled_accept_loses_no_connection_and_no_descriptor", || {
        let before = support::descriptors();
        let polls = cancel_at_each_poll(async |cut| {
            let listener = TcpListener::bind("127.0.0.1:0").unwrap();
            let address = listener.local_addr().unwrap();
            let client = coracle::spawn(async move {
                yield_now().await;
                TcpStream::connect(address).await.unwrap()
            });
            let done = cut_short(listener.accept(), cut).await.map(Result::unwrap);
            let client = client.await.unwrap();
            let was_done = done.is_some();
            let (server, peer) = match done {
                Some(accepted) => accepted,
                None => listener.accept().await.unwrap(),
            };
            assert_eq!(peer, client.local_addr().unwrap(), "{cut:?}");
            client.write_all(b"x").await.unwrap();
            assert_eq!(server.read(&mut [0; 8]).await.unwrap(), 1, "{cut:?}");
            was_done
        });
        assert_eq!(polls, 2);
        assert_eq!(support::descriptors(), before);
    });
}

/// The halves give the same futures as the stream.
#[test]
fn a_cancelled_read_of_a_half_loses_no_byte() {
    cancel_at_each_poll(async |cut| {
        let (client, server) = pair().await;
        let peer = drip(server, b"abc".to_vec());
        let (reader, _writer) = client.into_split();
        let mut buffer = [0; 3];
        let mut read = reader.read_exact(&mut buffer);
        let done = cut_short(&mut read, cut).await.map(Result::unwrap);
        let filled = read.filled();
        drop(read);
        reader.read_exact(&mut buffer[filled..]).await.unwrap();
        assert_eq!(&buffer, b"abc", "{cut:?}");
        drop(peer.await.unwrap());
        done.is_some()
    });
}

/// Given up and never polled again, a future leaves no registration of itself: the socket closes and the runtime is empty.
#[test]
fn cancelled_operations_leave_the_runtime_empty() {
    let runtime = coracle::Runtime::new();
    runtime.block_on(async {
        let (client, server, _) = full().await;
        let (mut one, mut two) = ([0; 8], [0; 8]);
        for cut in [Cut::Before(0), Cut::After(0)] {
            assert!(cut_short(client.read(&mut one), cut).await.is_none());
            assert!(cut_short(client.peek(&mut one), cut).await.is_none());
            assert!(cut_short(client.read_exact(&mut two), cut).await.is_none());
            assert!(cut_short(client.write(b"x"), cut).await.is_none());
            assert!(cut_short(client.write_all(b"x"), cut).await.is_none());
        }
        drop((client, server));
    });
    let left = runtime.inspect();
    assert!(left.sources.is_empty() && left.tasks.is_empty() && left.timers.is_empty(), "{left:?}");
}

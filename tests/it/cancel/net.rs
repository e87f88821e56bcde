//! Streams, their halves, and sockets with names.

use std::io::IoSliceMut;
use std::os::fd::AsRawFd;
use std::time::Duration;

use coracle::net::{OwnedReadHalf, OwnedWriteHalf, UnixDatagram, UnixListener, UnixStream};
use coracle::task::yield_now;

use crate::fs::Folder;
use crate::net::soon;
use crate::support::{alone, cut_at_every_poll, descriptors};

const LENGTH: usize = 1 << 17;

/// A stream to which another task writes `cd` a little later; `ab` is there at once, or comes then, too.
async fn slow_stream(at_once: bool) -> (UnixStream, coracle::task::JoinHandle<UnixStream>) {
    let (one, other) = UnixStream::pair().unwrap();
    let (early, late) = b"abcd".split_at(if at_once { 2 } else { 0 });
    one.write_all(early).await.unwrap();
    let writing = coracle::spawn(async move {
        yield_now().await;
        one.write_all(late).await.unwrap();
        one
    });
    (other, writing)
}

/// A stream that takes little at once, and a task that reads all of it.
fn narrow_stream() -> (UnixStream, coracle::task::JoinHandle<usize>) {
    let (one, other) = UnixStream::pair().unwrap();
    one.set_send_buffer_size(4096).unwrap();
    let reading = coracle::spawn(async move {
        yield_now().await;
        let (mut all, mut buffer) = (0, [0; 4096]);
        loop {
            match other.read(&mut buffer).await.unwrap() {
                0 => return all,
                count => all += count,
            }
        }
    });
    (one, reading)
}

/// How much of a buffer of zeroes was filled.
fn filled(buffer: &[u8]) -> usize {
    buffer.iter().position(|byte| *byte == 0).unwrap_or(buffer.len())
}

#[test]
fn a_vectored_read_that_is_dropped_anywhere_loses_no_byte() {
    let dropped = cut_at_every_poll(|cut| {
        coracle::block_on(soon(async {
            let (stream, writing) = slow_stream(false).await;
            let (mut head, mut body) = ([0; 1], [0; 2]);
            let mut buffers = [IoSliceMut::new(&mut head), IoSliceMut::new(&mut body)];
            let count = cut.at(stream.read_vectored(&mut buffers)).await.map_or(0, Result::unwrap);
            let mut all = [0; 4];
            [head[0], body[0], body[1]].iter().zip(&mut all).for_each(|(byte, place)| *place = *byte);
            assert_eq!(filled(&all), count);
            let _open = writing.await.unwrap();
            stream.read_exact(&mut all[count..]).await.unwrap();
            assert_eq!(&all, b"abcd");
        }));
    });
    assert!(dropped >= 3, "{dropped}");
}

/// Prefix-safe: what was read stands in the buffer, and the stream has the rest.
#[test]
fn a_read_exact_that_is_dropped_anywhere_has_its_prefix() {
    let mut parts = 0;
    let whole = cut_at_every_poll(|cut| {
        coracle::block_on(soon(async {
            let ((stream, writing), mut all) = (slow_stream(true).await, [0; 4]);
            cut.at(stream.read_exact(&mut all)).await;
            let _open = writing.await.unwrap();
            let count = filled(&all);
            stream.read_exact(&mut all[count..]).await.unwrap();
            assert_eq!(&all, b"abcd");
        }));
    });
    let half = cut_at_every_poll(|cut| {
        coracle::block_on(soon(async {
            let ((stream, writing), mut all) = (slow_stream(true).await, [0; 4]);
            let (reader, _writer): (OwnedReadHalf<_>, OwnedWriteHalf<_>) = stream.into_split();
            cut.at(reader.read_exact(&mut all)).await;
            let _open = writing.await.unwrap();
            let count = filled(&all);
            parts += usize::from((1..4).contains(&count));
            reader.read_exact(&mut all[count..]).await.unwrap();
            assert_eq!(&all, b"abcd");
        }));
    });
    assert!(whole >= 3 && half >= 3 && parts >= 1, "{whole} {half} {parts}");
}

/// Prefix-safe: awaited by reference, it says how much was written, and that much arrives.
#[test]
fn a_write_all_that_is_dropped_anywhere_has_written_a_prefix() {
    let bytes = vec![1; LENGTH];
    let mut parts = 0;
    let half = cut_at_every_poll(|cut| {
        coracle::block_on(soon(async {
            let (stream, reading) = narrow_stream();
            let (reader, writer): (OwnedReadHalf<_>, OwnedWriteHalf<_>) = stream.into_split();
            let mut write = writer.write_all(&bytes);
            let done = cut.at(&mut write).await.is_some();
            let written = write.written();
            assert_eq!(done, written == LENGTH);
            parts += usize::from(0 < written && !done);
            drop(write);
            drop((reader, writer));
            assert_eq!(reading.await.unwrap(), written);
        }));
    });
    let moved = cut_at_every_poll(|cut| {
        coracle::block_on(soon(async {
            let (stream, reading) = narrow_stream();
            let done = cut.at(stream.write_all(&bytes)).await.is_some();
            drop(stream);
            assert_eq!(reading.await.unwrap() == LENGTH, done);
        }));
    });
    assert!(half >= 4 && moved >= 4 && parts >= 2, "{half} {moved} {parts}");
}

/// Dropped at any point it leaves no socket, and the next one connects.
#[test]
fn a_connect_to_a_name_that_is_dropped_anywhere_leaves_no_descriptor() {
    alone("cancel::net::a_connect_to_a_name_that_is_dropped_anywhere_leaves_no_descriptor", || {
        let folder = Folder::new();
        let before = descriptors();
        let mut round = 0;
        let dropped = cut_at_every_poll(|cut| {
            round += 1;
            let path = folder.join(format!("{round}"));
            coracle::block_on(soon(async {
                let listener = std::os::unix::net::UnixListener::bind(&path).unwrap();
                // SAFETY: no pointers.
                assert_eq!(unsafe { libc::listen(listener.as_raw_fd(), 0) }, 0);
                let name = listener.local_addr().unwrap();
                // The queue is full with it.
                let first = std::os::unix::net::UnixStream::connect(&path).unwrap();
                let listener = UnixListener::from_std(listener).unwrap();
                let accepting = coracle::spawn(async move {
                    coracle::time::sleep(Duration::from_millis(2)).await;
                    listener.accept().await.unwrap();
                    drop(first);
                    listener
                });
                let connected = cut.at(UnixStream::connect_addr(&name)).await.map(Result::unwrap);
                let listener = accepting.await.unwrap();
                let client = match connected {
                    Some(client) => client,
                    None => UnixStream::connect_addr(&name).await.unwrap(),
                };
                client.write_all(b"x").await.unwrap();
                let (server, _) = listener.accept().await.unwrap();
                assert_eq!(server.read(&mut [0; 8]).await.unwrap(), 1);
            }));
        });
        assert!(dropped >= 3, "{dropped}");
        assert_eq!(descriptors(), before);
    });
}

/// Not done means nothing sent.
#[test]
fn a_send_to_a_name_that_is_dropped_anywhere_has_sent_nothing() {
    let dropped = cut_at_every_poll(|cut| {
        let folder = Folder::new();
        coracle::block_on(soon(async {
            let receiver = UnixDatagram::bind(folder.join("socket")).unwrap();
            let (sender, name, mut queued) = (UnixDatagram::unbound().unwrap(), receiver.local_addr().unwrap(), 0);
            while sender.try_send_to_addr(b"fill", &name).is_ok() {
                queued += 1;
            }
            let receiving = coracle::spawn(async move {
                yield_now().await;
                for _ in 0..queued {
                    receiver.recv(&mut [0; 8]).await.unwrap();
                }
                receiver
            });
            let sent = cut.at(sender.send_to_addr(b"x", &name)).await.map(Result::unwrap);
            let receiver = receiving.await.unwrap();
            assert_eq!(receiver.try_recv(&mut [0; 8]).ok(), sent);
        }));
    });
    assert!(dropped >= 2, "{dropped}");
}

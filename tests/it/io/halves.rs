//! `split` and `join`: halves of streams, streams of halves.

use std::cell::RefCell;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use coracle::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadHalf, duplex, join, split};

use super::{Scripted, drive};
use crate::support::{CountingWaker, poll_once, poll_with};

#[test]
fn two_tasks_use_one_stream_by_its_halves() {
    coracle::block_on(async {
        let (stream, peer) = duplex(3);
        let (mut reader, mut writer) = split(stream);
        let (mut peer_reader, mut peer_writer) = split(peer);
        let echo = coracle::spawn(async move {
            coracle::io::copy(&mut peer_reader, &mut peer_writer).await.unwrap();
            peer_writer.close().await.unwrap();
        });
        let sending = coracle::spawn(async move {
            writer.write_all(&[7; 1000]).await.unwrap();
            writer.close().await.unwrap();
        });
        let mut all = Vec::new();
        reader.read_to_end(&mut all).await.unwrap();
        assert_eq!(all, [7; 1000]);
        sending.await.unwrap();
        echo.await.unwrap();
    });
}

#[test]
fn halves_of_one_stream_become_it_again_and_others_come_back() {
    let mut stream = Scripted::new([], b"in");
    drive(&mut stream.write_all(b"out")).0.unwrap();
    let (reader, mut writer) = split(stream);
    let (other, _) = split(Scripted::default());
    assert!(!other.is_pair_of(&writer));
    drive(&mut writer.write_all(b"!")).0.unwrap();
    let error = other.reunite(writer).unwrap_err();
    assert!(reader.is_pair_of(&error.1));
    let stream = reader.reunite(error.1).unwrap();
    assert_eq!((stream.sink, stream.source.len()), (b"out!".to_vec(), 2));
}

#[test]
fn the_stream_goes_with_the_second_half() {
    let stream = Rc::new(());
    let (reader, writer) = split(stream.clone());
    drop(reader);
    assert_eq!(Rc::strong_count(&stream), 2);
    drop(writer);
    assert_eq!(Rc::strong_count(&stream), 1);
}

/// Dropping the writing half ends nothing: the peer waits on. Closing does.
#[test]
fn a_dropped_half_closes_nothing() {
    let (stream, mut peer) = duplex(8);
    let (reader, mut writer) = split(stream);
    drive(&mut writer.write_all(b"x")).0.unwrap();
    drop(writer);
    assert_eq!(drive(&mut peer.read(&mut [0; 8])).0.unwrap(), 1);
    assert!(poll_once(&mut peer.read(&mut [0; 8])).is_pending());
    drop(reader);
    assert_eq!(drive(&mut peer.read(&mut [0; 8])).0.unwrap(), 0);
}

type Callback = Rc<RefCell<Option<Box<dyn FnOnce()>>>>;

/// A stream that calls back while it is polled, as one does that wakes somebody who polls at once.
struct Calls {
    during: Callback,
}

impl AsyncRead for Calls {
    fn poll_read(self: Pin<&mut Self>, _: &mut Context<'_>, _: &mut [u8]) -> Poll<io::Result<usize>> {
        if let Some(call) = self.during.take() {
            call();
        }
        Poll::Ready(Ok(0))
    }
}

impl AsyncWrite for Calls {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_close(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

#[test]
fn a_half_used_while_the_other_is_being_polled_tries_again_later() {
    let during: Callback = Rc::default();
    let (mut reader, mut writer): (ReadHalf<Calls>, _) = split(Calls { during: during.clone() });
    let seen = Rc::new(RefCell::new(Vec::new()));
    *during.borrow_mut() = Some(Box::new({
        let seen = seen.clone();
        move || {
            let (counting, waker) = CountingWaker::new();
            let first = poll_with(&mut writer.write(b"x"), &waker).is_pending();
            seen.borrow_mut().push((first, counting.wakes()));
        }
    }));
    assert_eq!(drive(&mut reader.read(&mut [0; 1])).0.unwrap(), 0);
    assert_eq!(*seen.borrow(), [(true, 1)], "pending, and woken to try again; no panic");
}

#[test]
fn a_joined_stream_reads_from_one_and_writes_to_the_other() {
    let mut stream = join(&b"in"[..], Vec::new());
    drive(&mut stream.write_all(b"out")).0.unwrap();
    assert_eq!(drive(&mut stream.read_array()).0.unwrap(), *b"in");
    assert_eq!(stream.get_ref(), (&&b""[..], &b"out".to_vec()));
    stream.get_mut().1.clear();
    assert_eq!(stream.into_parts(), (&b""[..], vec![]));
}

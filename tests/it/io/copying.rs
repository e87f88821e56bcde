//! `copy`, `copy_buf`, `copy_bidirectional`: everything arrives, nothing waits in a buffer for ever, each direction
//! ends by itself, and what is in between when it is given up can be seen.

use std::io::{self, ErrorKind};
use std::pin::Pin;
use std::task::{Context, Poll};

use coracle::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader, BufWriter, duplex};
use coracle::io::{copy, copy_bidirectional, copy_buf, join, pipe, repeat, sink};

use super::{Say, Scripted, all_cuts, bytes, drive, in_pieces, slow, with_a_new_future_each_poll, within_seconds};
use crate::support::{CountingWaker, cut_at_every_poll, poll_once, poll_with};

#[test]
fn everything_is_copied_and_flushed_but_not_closed() {
    for pieces in all_cuts(8) {
        for room in [1, 3, 8] {
            let mut reader = Scripted::new(in_pieces(&pieces), &bytes(8));
            let mut writer = Scripted::new(slow(room).take(60), b"");
            assert_eq!(drive(&mut copy(&mut reader, &mut writer)).0.unwrap(), 8);
            assert_eq!((&writer.sink[..], writer.flushed, writer.closed), (&bytes(8)[..], 8, false));
            let mut reader = BufReader::with_capacity(3, Scripted::new(in_pieces(&pieces), &bytes(8)));
            let mut writer = Scripted::new(slow(room).take(60), b"");
            assert_eq!(drive(&mut copy_buf(&mut reader, &mut writer)).0.unwrap(), 8);
            assert_eq!((&writer.sink[..], writer.flushed, writer.closed), (&bytes(8)[..], 8, false));
        }
    }
    let mut sink = Vec::new();
    assert_eq!(drive(&mut copy(&mut &bytes(3_000_000)[..], &mut sink)).0.unwrap(), 3_000_000);
    assert_eq!(sink, bytes(3_000_000));
}

/// A question that stays in a buffer waits for an answer that cannot come (tokio#4001, #8424, #3876, #322): the writer
/// is flushed when there is nothing to read for the moment, and only then.
#[test]
fn when_the_reader_has_to_wait_the_writer_is_flushed_once() {
    let (reader, mut peer) = pipe(64);
    let (mut reader, mut writer) = (BufReader::new(reader), BufWriter::new(Scripted::default()));
    for buffered in [false, true] {
        let before = writer.get_ref().flushed;
        drive(&mut peer.write_all(b"question")).0.unwrap();
        if buffered {
            let mut copying = copy_buf(&mut reader, &mut writer);
            assert!(poll_once(&mut copying).is_pending());
            assert!(poll_once(&mut copying).is_pending());
            assert_eq!(copying.written(), 8);
        } else {
            let mut copying = copy(&mut reader, &mut writer);
            assert!(poll_once(&mut copying).is_pending());
            assert!(poll_once(&mut copying).is_pending());
            assert_eq!((copying.written(), copying.unwritten()), (8, &b""[..]));
        }
        assert_eq!(writer.get_ref().flushed, before + 8);
        assert_eq!(
            writer.get_ref().calls,
            2 * (1 + usize::from(buffered)),
            "one write and one flush, though polled twice"
        );
    }
}

/// The same, when the flush itself has to wait, and data come meanwhile.
#[test]
fn a_flush_that_waits_does_not_stop_the_copy() {
    let (mut reader, mut peer) = pipe(64);
    // Write; flush: wait; write; flush.
    let mut writer = Scripted::new([Say::AtMost(3), Say::Pending, Say::AtMost(3)], b"");
    drive(&mut peer.write_all(b"one")).0.unwrap();
    let mut copying = copy(&mut reader, &mut writer);
    assert!(poll_once(&mut copying).is_pending());
    drive(&mut peer.write_all(b"two")).0.unwrap();
    assert!(poll_once(&mut copying).is_pending());
    drop(copying);
    assert_eq!((&writer.sink[..], writer.flushed), (&b"onetwo"[..], 6));
}

#[test]
fn an_error_of_either_side_ends_it_and_shows_what_is_in_between() {
    let mut reader = Scripted::new([Say::AtMost(4), Say::Error(ErrorKind::ConnectionReset)], &bytes(8));
    let mut writer = Scripted::default();
    let mut copying = copy(&mut reader, &mut writer);
    assert_eq!(drive(&mut copying).0.unwrap_err().kind(), ErrorKind::ConnectionReset);
    assert_eq!((copying.written(), copying.unwritten()), (4, &b""[..]), "what was read before has been written");

    for (say, kind) in
        [(Say::Error(ErrorKind::BrokenPipe), ErrorKind::BrokenPipe), (Say::AtMost(0), ErrorKind::WriteZero)]
    {
        let source = bytes(8);
        let (mut reader, mut writer) = (&source[..], Scripted::new([Say::AtMost(3), say], b""));
        let mut copying = copy(&mut reader, &mut writer);
        assert_eq!(drive(&mut copying).0.unwrap_err().kind(), kind);
        assert_eq!((copying.written(), copying.unwritten()), (3, &bytes(8)[3..]));
        // `copy_buf` leaves with the reader what was not written.
        let (mut reader, mut writer) = (&source[..], Scripted::new([Say::AtMost(3), say], b""));
        let mut copying = copy_buf(&mut reader, &mut writer);
        assert_eq!(drive(&mut copying).0.unwrap_err().kind(), kind);
        assert_eq!(copying.written(), 3);
        assert_eq!(reader, &source[3..]);
    }
}

/// Lossy, as its "Cancel safety" says, but visibly: written, in between, and not read are together all there was.
#[test]
fn dropped_anywhere_a_copy_shows_what_is_in_between() {
    for (pieces, room) in [(vec![3, 5], 2), (vec![8], 3), (vec![1; 8], 8)] {
        for polls in 0.. {
            let mut reader = Scripted::new(in_pieces(&pieces), &bytes(8));
            let mut writer = Scripted::new(slow(room).take(60), b"");
            let mut copying = copy(&mut reader, &mut writer);
            let is_done = (0..polls).any(|_| poll_once(&mut copying).is_ready());
            let (written, between) = (copying.written() as usize, copying.unwritten().to_vec());
            drop(copying);
            assert_eq!(writer.sink.len(), written);
            assert_eq!([&writer.sink[..], &between, reader.source.make_contiguous()].concat(), bytes(8));
            if is_done {
                break;
            }
        }
    }
}

#[test]
fn dropped_anywhere_copy_buf_goes_on_the_next_time() {
    let cuts = cut_at_every_poll(|cut| {
        coracle::block_on(async {
            let mut reader = BufReader::with_capacity(3, Scripted::new(slow(2), &bytes(8)));
            let mut writer = Scripted::new(slow(1).take(60), b"");
            cut.at(copy_buf(&mut reader, &mut writer)).await;
            assert_eq!(
                [&writer.sink[..], reader.buffer(), &Vec::from(reader.get_ref().source.clone())].concat(),
                bytes(8)
            );
            copy_buf(&mut reader, &mut writer).await.unwrap();
            assert_eq!((&writer.sink[..], writer.flushed), (&bytes(8)[..], 8));
        });
    });
    assert!(cuts >= 16, "{cuts}");
    // Dropped at every poll, not only once.
    let mut reader = BufReader::with_capacity(3, Scripted::new(slow(2), &bytes(8)));
    let mut writer = Scripted::new(slow(1).take(60), b"");
    with_a_new_future_each_poll(|waker| poll_with(&mut copy_buf(&mut reader, &mut writer), waker)).unwrap();
    assert_eq!(writer.sink, bytes(8));
}

/// With a reader and a writer that never wait: the task gives way by itself, on any executor.
#[test]
fn a_copy_without_an_end_gives_way() {
    struct Endless(usize);
    impl AsyncRead for Endless {
        fn poll_read(mut self: Pin<&mut Self>, _: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
            self.0 += 1;
            assert!(self.0 < 1000, "nobody else would ever have been polled");
            Poll::Ready(Ok(buffer.len()))
        }
    }
    let (counting, waker) = CountingWaker::new();
    assert!(poll_with(&mut copy(&mut Endless(0), &mut sink()), &waker).is_pending());
    assert!(poll_with(&mut copy_buf(&mut BufReader::new(Endless(0)), &mut sink()), &waker).is_pending());
    assert_eq!(counting.wakes(), 2);
}

/// Endless one way, a few bytes the other way: both get their share, in whatever order they are polled.
#[test]
fn a_direction_that_never_waits_does_not_starve_the_other() {
    for is_a in [true, false] {
        coracle::block_on(async {
            let ((few, mut asking), (mut heard, answering)) = (pipe(64), pipe(64));
            asking.write_all(b"few").await.unwrap();
            let (mut endless, mut few) = (join(repeat(7), answering), join(few, sink()));
            let mut copying: Pin<Box<dyn Future<Output = _>>> = if is_a {
                Box::pin(copy_bidirectional(&mut endless, &mut few))
            } else {
                Box::pin(copy_bidirectional(&mut few, &mut endless))
            };
            let (mut reading, mut polls) = (heard.read_array(), 0);
            let seen = std::future::poll_fn(|cx| {
                polls += 1;
                assert!(polls < 10, "the few bytes do not get through");
                let read = Pin::new(&mut reading).poll(cx);
                assert!(copying.as_mut().poll(cx).is_pending());
                read
            });
            assert_eq!(seen.await.unwrap(), *b"few");
        });
    }
}

/// Ping-pong through buffered writers on both sides: every turn needs a flush in the proxy.
#[test]
fn questions_and_answers_pass_a_proxy_that_buffers() {
    within_seconds(async {
        let ((client, inbound), (outbound, server)) = (duplex(16), duplex(16));
        let proxy = coracle::spawn(async move {
            let (mut inbound, mut outbound) = (BufWriter::new(inbound), BufWriter::new(outbound));
            copy_bidirectional(&mut inbound, &mut outbound).await
        });
        let serving = coracle::spawn(async move {
            let mut server = BufReader::new(server);
            let mut line = String::new();
            while server.read_line(&mut line).await.unwrap() > 0 {
                server.write_all(line.to_uppercase().as_bytes()).await.unwrap();
                line.clear();
            }
            server.close().await.unwrap();
        });
        let mut client = BufReader::new(client);
        for question in ["one\n", "two, which is longer than a pipe\n", "three\n"] {
            client.write_all(question.as_bytes()).await.unwrap();
            let mut answer = String::new();
            client.read_line(&mut answer).await.unwrap();
            assert_eq!(answer, question.to_uppercase());
        }
        client.close().await.unwrap();
        assert_eq!(client.read(&mut [0; 8]).await.unwrap(), 0);
        serving.await.unwrap();
        assert_eq!(proxy.await.unwrap().unwrap(), (43, 43));
    });
}

/// The end of one direction is handed on by a half close, and the other direction goes on for as long as it likes.
#[test]
fn each_direction_ends_by_itself() {
    for first_is_a in [true, false] {
        within_seconds(async {
            let ((client, mut a), (mut b, server)) = (duplex(16), duplex(16));
            let proxy = coracle::spawn(async move { copy_bidirectional(&mut a, &mut b).await.unwrap() });
            let (mut first, mut second) = if first_is_a { (client, server) } else { (server, client) };
            first.write_all(b"all that I have").await.unwrap();
            first.close().await.unwrap();
            let mut heard = String::new();
            second.read_to_string(&mut heard).await.unwrap();
            assert_eq!(heard, "all that I have");
            for n in 0..5 {
                second.write_all(&[n; 10]).await.unwrap();
                assert_eq!(first.read_array().await.unwrap(), [n; 10]);
                assert!(!proxy.is_finished());
            }
            second.close().await.unwrap();
            assert_eq!(first.read(&mut [0; 8]).await.unwrap(), 0);
            assert_eq!(proxy.await.unwrap(), if first_is_a { (15, 50) } else { (50, 15) });
        });
    }
}

#[test]
fn an_error_in_one_direction_ends_both_and_closes_nothing() {
    let kinds = [
        // Reading, writing, flushing at the end, closing.
        (vec![Say::Error(ErrorKind::ConnectionReset)], vec![]),
        (vec![Say::AtMost(1)], vec![Say::Error(ErrorKind::ConnectionReset)]),
        (vec![Say::AtMost(0)], vec![Say::Error(ErrorKind::ConnectionReset)]),
        (vec![Say::AtMost(0)], vec![Say::AtMost(0), Say::Error(ErrorKind::ConnectionReset)]),
    ];
    for (reads, writes) in kinds {
        for is_a in [true, false] {
            let mut broken = join(Scripted::new(reads.clone(), b"x"), Scripted::default());
            let (waits, _peer) = pipe(8);
            let mut other = join(waits, Scripted::new(writes.clone(), b""));
            let error = if is_a {
                drive(&mut copy_bidirectional(&mut broken, &mut other)).0.unwrap_err()
            } else {
                drive(&mut copy_bidirectional(&mut other, &mut broken)).0.unwrap_err()
            };
            assert_eq!(error.kind(), ErrorKind::ConnectionReset);
            assert!(!broken.get_ref().1.closed && !other.get_ref().1.closed);
        }
    }
}

/// Lossy, but visibly, in both directions; also while a close is waited for.
#[test]
fn dropped_anywhere_a_proxy_shows_what_is_in_between() {
    let streams = |length| {
        let reader = Scripted::new(slow(3), &bytes(length));
        join(reader, Scripted::new([Say::Pending, Say::AtMost(2)].repeat(8), b""))
    };
    let mut polls = 0;
    loop {
        let (mut a, mut b) = (streams(5), streams(8));
        let mut copying = copy_bidirectional(&mut a, &mut b);
        let is_done = (0..polls).any(|_| poll_once(&mut copying).is_ready());
        let (written, between) = (copying.written(), copying.unwritten());
        let between = [between.0.to_vec(), between.1.to_vec()];
        drop(copying);
        assert_eq!((written.0 as usize, written.1 as usize), (b.get_ref().1.sink.len(), a.get_ref().1.sink.len()));
        for (from, to, between, length) in [(&a, &b, &between[0], 5), (&b, &a, &between[1], 8)] {
            let unread = Vec::from(from.get_ref().0.source.clone());
            assert_eq!([&to.get_ref().1.sink[..], between, &unread].concat(), bytes(length));
        }
        if is_done {
            assert!(a.get_ref().1.closed && b.get_ref().1.closed);
            break;
        }
        polls += 1;
    }
    assert!(polls > 6, "{polls}");
}

/// Awaited by `&mut` and beaten in a race, it goes on as if nothing had been.
#[test]
fn a_copy_that_loses_a_race_is_awaited_again() {
    coracle::block_on(async {
        let (mut reader, mut peer) = pipe(4);
        let mut sink = Vec::new();
        let mut copying = copy(&mut reader, &mut sink);
        peer.write_all(b"one ").await.unwrap();
        for _ in 0..3 {
            let lost = coracle::time::timeout(std::time::Duration::ZERO, &mut copying).await;
            assert!(lost.is_err());
        }
        peer.write_all(b"two").await.unwrap();
        drop(peer);
        assert_eq!(copying.await.unwrap(), 7);
        assert_eq!(sink, b"one two");
    });
}

/// Streams of any kind, also behind `dyn`.
#[test]
fn what_is_copied_between_need_not_be_sized() {
    let (mut reader, mut sink) = (&b"bytes"[..], Vec::new());
    let reader: &mut (dyn AsyncRead + Unpin) = &mut reader;
    let writer: &mut (dyn AsyncWrite + Unpin) = &mut sink;
    assert_eq!(drive(&mut copy(reader, writer)).0.unwrap(), 5);
}

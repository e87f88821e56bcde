//! `BufReader` and `BufWriter`.

use std::io::{ErrorKind, IoSlice, IoSliceMut};
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use coracle::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader, BufWriter};

use super::{Say, Scripted, all_cuts, bytes, drive, in_pieces, slow, with_a_new_future_each_poll};
use crate::support::{cut_at_every_poll, poll_once, poll_with};

/// The capacities that matter for ten bytes. A capacity of 0 must not look like the end.
const CAPACITIES: [usize; 6] = [0, 1, 3, 9, 10, usize::MAX];

#[test]
fn whatever_the_capacity_and_the_pieces_all_bytes_come_in_order() {
    let source = bytes(10);
    for capacity in CAPACITIES {
        for pieces in all_cuts(10) {
            let mut reader = BufReader::with_capacity(capacity, Scripted::new(in_pieces(&pieces), &source));
            let mut all = Vec::new();
            loop {
                let shown = with_a_new_future_each_poll(|waker| {
                    poll_with(&mut reader.fill_buf(), waker).map(|shown| shown.unwrap().to_vec())
                });
                if shown.is_empty() {
                    break;
                }
                assert!(shown.len() <= capacity.max(1));
                let some = shown.len().div_ceil(2);
                all.extend_from_slice(&shown[..some]);
                reader.consume(some);
            }
            assert_eq!(all, source, "capacity {capacity}, pieces {pieces:?}");
        }
    }
}

#[test]
fn a_read_is_served_from_the_buffer_and_a_large_one_passes_it_by() {
    let mut reader = BufReader::with_capacity(4, Scripted::new([], &bytes(20)));
    let mut buffer = [0; 20];
    assert_eq!(drive(&mut reader.read(&mut buffer[..2])).0.unwrap(), 2);
    assert_eq!((reader.buffer(), reader.get_ref().calls), (&bytes(20)[2..4], 1));
    assert_eq!(drive(&mut reader.read(&mut buffer[..8])).0.unwrap(), 2, "first what is buffered, without a call");
    assert_eq!(reader.get_ref().calls, 1);
    assert_eq!(drive(&mut reader.read(&mut buffer[..4])).0.unwrap(), 4);
    assert_eq!((reader.buffer(), reader.get_ref().calls), (&b""[..], 2), "straight into the caller's memory");
    assert_eq!(drive(&mut reader.read(&mut [])).0.unwrap(), 0);
    assert_eq!(reader.get_ref().calls, 2, "nothing is read into nothing");
    let (mut one, mut two) = ([0; 1], [0; 2]);
    let mut slices = [IoSliceMut::new(&mut one), IoSliceMut::new(&mut []), IoSliceMut::new(&mut two)];
    let mut cx = Context::from_waker(Waker::noop());
    assert!(matches!(Pin::new(&mut reader).poll_read_vectored(&mut cx, &mut slices), Poll::Ready(Ok(3))));
    assert_eq!([&one[..], &two, reader.buffer()].concat(), &bytes(20)[8..12]);
    let (scripted, buffered) = reader.into_parts();
    assert_eq!((scripted.source.len(), &buffered[..]), (8, &bytes(20)[11..12]));
}

/// An error is not the end: what comes after it can be read, and what came before is not lost.
#[test]
fn an_error_of_the_reader_leaves_the_buffer_usable() {
    let script = [Say::AtMost(2), Say::Error(ErrorKind::TimedOut), Say::Pending, Say::AtMost(2)];
    let mut reader = BufReader::new(Scripted::new(script, b"abcd"));
    let mut all = Vec::new();
    assert_eq!(drive(&mut reader.read_to_end(&mut all)).0.unwrap_err().kind(), ErrorKind::TimedOut);
    assert_eq!(drive(&mut reader.read_to_end(&mut all)).0.unwrap(), 2);
    assert_eq!(all, b"abcd");
}

/// After the end it asks again: a file that grows, a terminal.
#[test]
fn the_end_may_not_be_the_last_word() {
    let mut reader = BufReader::new(Scripted::new([Say::AtMost(0), Say::AtMost(3)], b"abc"));
    assert!(drive(&mut reader.fill_buf()).0.unwrap().is_empty());
    assert_eq!(drive(&mut reader.fill_buf()).0.unwrap(), b"abc");
    assert_eq!(drive(&mut reader.fill_buf()).0.unwrap(), b"abc", "what is not consumed is shown again");
    reader.consume(100);
    assert!(reader.buffer().is_empty(), "no more is consumed than there is");
}

#[test]
fn memory_grows_with_what_comes_and_not_with_what_is_allowed() {
    let mut reader = BufReader::with_capacity(usize::MAX, Scripted::new([], &bytes(100_000)));
    let mut sizes = Vec::new();
    loop {
        let size = drive(&mut reader.fill_buf()).0.unwrap().len();
        if size == 0 {
            break;
        }
        sizes.push(size);
        reader.consume(size);
    }
    assert_eq!(sizes, [8192, 16384, 32768, 42656]);
    assert_eq!(reader.into_inner().calls, 5);
}

#[test]
fn peek_shows_as_much_as_it_is_asked_for_and_takes_nothing() {
    for capacity in CAPACITIES {
        for pieces in all_cuts(8) {
            let mut reader = BufReader::with_capacity(capacity, Scripted::new(in_pieces(&pieces), &bytes(8)));
            for (from, count) in [(0, 1), (0, 0), (0, 3), (2, 5), (6, 2)] {
                reader.consume(from - (8 - reader.get_ref().source.len() - reader.buffer().len()));
                let shown = with_a_new_future_each_poll(|waker| {
                    poll_with(&mut reader.peek(count), waker).map(|shown| shown.unwrap().to_vec())
                });
                assert!(shown.len() >= count, "{count} of {shown:?}");
                assert_eq!(shown[..count], bytes(8)[from..from + count]);
            }
            let rest = drive(&mut reader.peek(usize::MAX)).0.unwrap();
            assert_eq!(rest, &bytes(8)[6..], "fewer only at the end");
        }
    }
}

#[test]
fn dropped_anywhere_peek_and_fill_buf_lose_nothing() {
    let source = || BufReader::with_capacity(2, Scripted::new(slow(1), b"abcdef"));
    let peeks = cut_at_every_poll(|cut| {
        coracle::block_on(async {
            let mut reader = source();
            cut.at(reader.peek(4)).await;
            assert!(reader.buffer().len() <= 4);
            let mut all = Vec::new();
            reader.read_to_end(&mut all).await.unwrap();
            assert_eq!(all, b"abcdef");
        });
    });
    let fills = cut_at_every_poll(|cut| {
        coracle::block_on(async {
            let mut reader = source();
            cut.at(reader.fill_buf()).await;
            assert_eq!(reader.read_array().await.unwrap(), *b"abcdef");
        });
    });
    assert!(peeks >= 8 && fills >= 2, "{peeks} {fills}");
}

#[test]
fn a_buffered_reader_of_a_stream_also_writes() {
    let mut stream = BufReader::new(BufWriter::new(Scripted::new([], b"in")));
    drive(&mut stream.write_all(b"out")).0.unwrap();
    assert_eq!(drive(&mut stream.read_array()).0.unwrap(), *b"in");
    assert!(stream.get_ref().get_ref().sink.is_empty());
    drive(&mut stream.close()).0.unwrap();
    assert_eq!((&stream.get_ref().get_ref().sink[..], stream.get_ref().get_ref().closed), (&b"out"[..], true));
    let mut stream = BufWriter::new(BufReader::new(Scripted::new([], b"line\nrest")));
    drive(&mut stream.skip_until(b'\n')).0.unwrap();
    assert_eq!(drive(&mut stream.read_array()).0.unwrap(), *b"rest");
}

#[test]
fn writes_are_gathered_until_the_buffer_is_full() {
    let mut writer = BufWriter::with_capacity(4, Scripted::default());
    for piece in [&b"a"[..], b"", b"bc", b"de"] {
        drive(&mut writer.write_all(piece)).0.unwrap();
    }
    assert_eq!((&writer.get_ref().sink[..], writer.buffer()), (&b"abc"[..], &b"de"[..]));
    drive(&mut writer.write_all(b"fghi")).0.unwrap();
    assert_eq!(
        (&writer.get_ref().sink[..], writer.buffer()),
        (&b"abcdefghi"[..], &b""[..]),
        "what is as large as the buffer passes it by, in order"
    );
    assert_eq!(writer.get_ref().calls, 3);
    drive(&mut writer.write_all(b"j")).0.unwrap();
    assert_eq!(writer.get_ref().flushed, 0);
    drive(&mut writer.flush()).0.unwrap();
    assert_eq!(writer.get_ref().flushed, 10);
}

#[test]
fn vectored_writes_are_gathered_too() {
    let mut cx = Context::from_waker(Waker::noop());
    let mut writer = BufWriter::with_capacity(4, Scripted::default());
    let mut write = |writer: &mut BufWriter<Scripted>, slices: &[&[u8]]| {
        let slices: Vec<_> = slices.iter().map(|slice| IoSlice::new(slice)).collect();
        Pin::new(writer).poll_write_vectored(&mut cx, &slices).map(Result::unwrap)
    };
    assert_eq!(write(&mut writer, &[b"a", b"", b"bc"]), Poll::Ready(3));
    assert_eq!(write(&mut writer, &[]), Poll::Ready(0));
    assert_eq!(writer.buffer(), b"abc");
    assert_eq!(write(&mut writer, &[b"d", b"e"]), Poll::Ready(2));
    assert_eq!((&writer.get_ref().sink[..], writer.buffer()), (&b"abc"[..], &b"de"[..]));
    // Too much for the buffer: the writer gets the slices, and takes of them what it takes.
    assert_eq!(write(&mut writer, &[b"", b"fghi", b"j"]), Poll::Ready(4));
    assert_eq!(writer.get_ref().sink, b"abcdefghi");
}

/// Whether a flush waits, fails or is given up: what was written is not written twice, and the rest is not lost.
#[test]
fn a_flush_goes_on_where_the_last_one_stopped() {
    let wrong = [Say::Pending, Say::Error(ErrorKind::TimedOut), Say::AtMost(0)];
    for say in wrong {
        let script = [Say::AtMost(2), say, Say::AtMost(1)];
        let mut writer = BufWriter::with_capacity(6, Scripted::new(script, b""));
        drive(&mut writer.write_all(b"abcde")).0.unwrap();
        let first = poll_once(&mut writer.flush());
        assert!(!matches!(first, Poll::Ready(Ok(()))));
        assert_eq!((&writer.get_ref().sink[..], writer.buffer()), (&b"ab"[..], &b"cde"[..]));
        drive(&mut writer.write_all(b"fg")).0.unwrap();
        assert_eq!(writer.buffer(), b"cdefg", "what was written makes room");
        drive(&mut writer.flush()).0.unwrap();
        assert_eq!(writer.get_ref().sink, b"abcdefg");
    }
}

/// A writer that is always a little behind: the buffer never becomes empty, and does not grow either.
#[test]
fn a_buffer_that_never_becomes_empty_does_not_grow() {
    let script = [Say::AtMost(1), Say::Pending].repeat(10_000);
    let mut writer = BufWriter::with_capacity(8, Scripted::new(script, b""));
    drive(&mut writer.write_all(b"12")).0.unwrap();
    for _ in 0..5_000 {
        assert!(poll_once(&mut writer.flush()).is_pending());
        drive(&mut writer.write_all(b"x")).0.unwrap();
        assert_eq!(writer.buffer().len(), 2);
    }
    assert!(writer.into_parts().1.capacity() < 100);
}

/// The error is that of earlier bytes: of those that were to be written none was taken.
#[test]
fn a_write_that_cannot_make_room_takes_nothing() {
    for say in [Say::Pending, Say::Error(ErrorKind::BrokenPipe), Say::AtMost(0)] {
        let mut writer = BufWriter::with_capacity(4, Scripted::new([say], b""));
        drive(&mut writer.write_all(b"abc")).0.unwrap();
        assert!(!matches!(poll_once(&mut writer.write(b"de")), Poll::Ready(Ok(_))));
        assert_eq!(writer.buffer(), b"abc");
        assert_eq!(drive(&mut writer.write(b"de")).0.unwrap(), 2);
        assert_eq!(writer.into_parts().1, b"de");
    }
}

#[test]
fn dropping_a_buffered_writer_does_not_flush() {
    let mut sink = Vec::new();
    drive(&mut BufWriter::new(&mut sink).write_all(b"gone")).0.unwrap();
    assert!(sink.is_empty());
}

#[test]
fn whatever_the_capacity_the_writer_gets_all_bytes_in_order() {
    for capacity in CAPACITIES {
        for pieces in all_cuts(8) {
            let mut writer = BufWriter::with_capacity(capacity, Scripted::new(slow(2).take(40), b""));
            let mut from = 0;
            for piece in pieces {
                let payload = &bytes(8)[from..from + piece];
                let mut done = 0;
                while done < piece {
                    done += with_a_new_future_each_poll(|waker| poll_with(&mut writer.write(&payload[done..]), waker))
                        .unwrap();
                }
                assert!(writer.buffer().len() <= capacity);
                from += piece;
            }
            with_a_new_future_each_poll(|waker| poll_with(&mut writer.close(), waker)).unwrap();
            assert_eq!((&writer.get_ref().sink[..], writer.get_ref().closed), (&bytes(8)[..], true));
        }
    }
}

#[test]
fn dropped_anywhere_a_flush_or_close_goes_on_the_next_time() {
    let writer = || BufWriter::new(Scripted::new(slow(1).take(9), b""));
    let flushes = cut_at_every_poll(|cut| {
        coracle::block_on(async {
            let mut writer = writer();
            writer.write_all(b"abc").await.unwrap();
            cut.at(writer.flush()).await;
            assert_eq!([&writer.get_ref().sink[..], writer.buffer()].concat(), b"abc");
            writer.flush().await.unwrap();
            assert_eq!((&writer.get_ref().sink[..], writer.get_ref().flushed), (&b"abc"[..], 3));
        });
    });
    let closes = cut_at_every_poll(|cut| {
        coracle::block_on(async {
            let mut writer = writer();
            writer.write_all(b"abc").await.unwrap();
            cut.at(writer.close()).await;
            writer.close().await.unwrap();
            assert_eq!((&writer.get_ref().sink[..], writer.get_ref().closed), (&b"abc"[..], true));
        });
    });
    assert!(flushes >= 8 && closes >= 8, "{flushes} {closes}");
}

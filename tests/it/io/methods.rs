//! The everyday methods of readers and writers, of pointers to them, and of slices and vectors.

use std::io::{self, ErrorKind, IoSlice, IoSliceMut};
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use coracle::io::{AsyncBufRead, AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use super::{Say, Scripted, bytes, drive, slow};
use crate::support::{cut_at_every_poll, poll_once};

#[test]
fn read_gives_what_one_call_gives() {
    let mut reader = Scripted::new([Say::Pending, Say::AtMost(3)], b"abcdef");
    let mut buffer = [0; 8];
    let (read, polls) = drive(&mut reader.read(&mut buffer));
    assert_eq!((read.unwrap(), polls, &buffer[..3]), (3, 2, &b"abc"[..]));
    assert_eq!(drive(&mut reader.read(&mut buffer)).0.unwrap(), 3);
    assert_eq!(drive(&mut reader.read(&mut buffer)).0.unwrap(), 0);
    assert_eq!(drive(&mut reader.read(&mut [])).0.unwrap(), 0);
}

#[test]
fn read_exact_fills_its_buffer_from_pieces_of_any_size() {
    for piece in 1..=17 {
        let mut reader = Scripted::new(slow(piece), &bytes(100));
        let mut buffer = [0; 64];
        let (read, polls) = drive(&mut reader.read_exact(&mut buffer));
        read.unwrap();
        assert_eq!((&buffer[..], polls), (&bytes(100)[..64], 64_usize.div_ceil(piece) + 1), "pieces of {piece}");
        assert_eq!(reader.source.len(), 36, "not a byte more than it needs");
    }
    let mut reader = Scripted::new([Say::Error(ErrorKind::Other)], b"");
    drive(&mut reader.read_exact(&mut [])).0.unwrap();
    assert_eq!(reader.calls, 0, "nothing is read into nothing");
}

#[test]
fn read_exact_at_the_end_is_an_error_that_says_how_much_came() {
    let mut reader = Scripted::new(slow(2), b"abc");
    let mut buffer = [0; 4];
    let mut read = reader.read_exact(&mut buffer);
    assert_eq!(drive(&mut read).0.unwrap_err().kind(), ErrorKind::UnexpectedEof);
    assert_eq!(read.filled(), 3);
    assert_eq!(&buffer, b"abc\0");
}

/// Prefix-safe, as its "Cancel safety" says: dropped after any poll, `filled` bytes stand in the buffer, the rest is
/// there.
#[test]
fn a_cancelled_read_exact_says_how_much_it_filled() {
    for polls in 0..=6 {
        let mut reader = Scripted::new(slow(1), b"abcdef");
        let mut buffer = [0; 6];
        let mut read = reader.read_exact(&mut buffer);
        for _ in 0..polls {
            assert!(poll_once(&mut read).is_pending());
        }
        let filled = read.filled();
        drop(read);
        let rest: Vec<u8> = reader.source.iter().copied().collect();
        assert_eq!([&buffer[..filled], &rest].concat(), b"abcdef", "after {polls} polls");
        assert_eq!(filled, usize::saturating_sub(polls, 1));
    }
}

#[test]
fn read_to_end_appends_everything() {
    for piece in [1, 2, 31, 32, 33, 511, 512, 513, 4096] {
        for length in [0, 1, 511, 512, 513, 3000] {
            let mut reader = Scripted::new(slow(piece), &bytes(length));
            let mut all = b"before".to_vec();
            assert_eq!(drive(&mut reader.read_to_end(&mut all)).0.unwrap(), length);
            assert_eq!(all, [b"before", &bytes(length)[..]].concat(), "{length} bytes in pieces of {piece}");
        }
    }
}

/// Prefix-safe: after each poll `bytes` holds what was read and nothing else.
#[test]
fn a_cancelled_read_to_end_keeps_what_was_read() {
    for polls in 0..=7 {
        let mut reader = Scripted::new(slow(1), b"abcdef");
        let mut all = b"-".to_vec();
        let mut read = reader.read_to_end(&mut all);
        for _ in 0..polls {
            assert!(poll_once(&mut read).is_pending());
        }
        drop(read);
        let rest: Vec<u8> = reader.source.iter().copied().collect();
        assert_eq!([&all[..], &rest].concat(), b"-abcdef", "after {polls} polls");
        assert_eq!(all.len(), 1 + usize::saturating_sub(polls, 1));
    }
}

#[test]
fn an_error_ends_a_read_and_keeps_what_came_before() {
    let script = [Say::AtMost(2), Say::Pending, Say::Error(ErrorKind::ConnectionReset)];
    let mut all = Vec::new();
    let mut reader = Scripted::new(script, b"abcdef");
    assert_eq!(drive(&mut reader.read_to_end(&mut all)).0.unwrap_err().kind(), ErrorKind::ConnectionReset);
    assert_eq!(all, b"ab");
    assert_eq!(drive(&mut reader.read_to_end(&mut all)).0.unwrap(), 4, "and reading may go on");
    assert_eq!(all, b"abcdef");
    let mut buffer = [0; 6];
    let mut reader = Scripted::new(script, b"abcdef");
    let mut read = reader.read_exact(&mut buffer);
    assert_eq!(drive(&mut read).0.unwrap_err().kind(), ErrorKind::ConnectionReset);
    assert_eq!(read.filled(), 2);
}

/// Gives `piece` bytes at most, and counts its calls and the room that it was offered, all of which had to be cleared.
struct Counting {
    left: usize,
    piece: usize,
    calls: usize,
    offered: usize,
}

impl AsyncRead for Counting {
    fn poll_read(mut self: Pin<&mut Self>, _: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        let count = buffer.len().min(self.left).min(self.piece);
        self.left -= count;
        self.calls += 1;
        self.offered += buffer.len();
        Poll::Ready(Ok(count))
    }
}

/// Calls, memory, and the bytes that are cleared for the reader are linear in what is read, also when it comes in small
/// pieces, and when small pieces follow large ones.
#[test]
fn read_to_end_is_linear() {
    let read = |length, piece| {
        let mut reader = Counting { left: length, piece, calls: 0, offered: 0 };
        let mut all = Vec::new();
        assert_eq!(drive(&mut reader.read_to_end(&mut all)).0.unwrap(), length);
        assert!(all.capacity() <= 4 * length, "{} bytes of room for {length}", all.capacity());
        (reader.calls, reader.offered)
    };
    for length in [1 << 20, 1 << 21, 1 << 22] {
        let (calls, offered) = read(length, usize::MAX);
        assert!(calls <= 16 + length / (128 * 1024), "{calls} calls for {length} bytes");
        assert!(offered <= 4 * length, "{offered} bytes cleared for {length}");
        let (_, offered) = read(length, 1000);
        assert!(offered <= 4 * length, "{offered} bytes cleared for {length}");
    }
    let (calls, offered) = read(50_000, 1);
    assert!(offered <= 1024 * calls, "{offered} bytes cleared in {calls} reads of one byte");
}

#[test]
fn read_to_string_appends_text_whose_letters_come_in_pieces() {
    let text = "grüße, 世界 🛶".repeat(50);
    for piece in 1..=5 {
        let mut reader = Scripted::new(slow(piece), text.as_bytes());
        let mut all = String::from("> ");
        assert_eq!(drive(&mut reader.read_to_string(&mut all)).0.unwrap(), text.len());
        assert_eq!(all, format!("> {text}"));
    }
}

#[test]
fn what_is_not_utf_8_leaves_the_text_as_it_was() {
    for wrong in [&b"abc\xFF"[..], b"\xC3", b"ok\xE4\xB8"] {
        let mut reader = Scripted::new(slow(1), wrong);
        let mut text = String::from("as it was");
        assert_eq!(drive(&mut reader.read_to_string(&mut text)).0.unwrap_err().kind(), ErrorKind::InvalidData);
        assert_eq!(text, "as it was");
    }
    let mut reader = Scripted::new([Say::AtMost(2), Say::Error(ErrorKind::TimedOut)], b"abc");
    let mut text = String::from("as it was");
    assert_eq!(drive(&mut reader.read_to_string(&mut text)).0.unwrap_err().kind(), ErrorKind::TimedOut);
    assert_eq!(text, "as it was");
}

/// Lossy, as its "Cancel safety" says: what was read is gone, and the text is as it was.
#[test]
fn a_cancelled_read_to_string_leaves_the_text_as_it_was() {
    let mut reader = Scripted::new(slow(1), b"abcdef");
    let mut text = String::from("as it was");
    let mut read = reader.read_to_string(&mut text);
    for _ in 0..4 {
        assert!(poll_once(&mut read).is_pending());
    }
    drop(read);
    assert_eq!((text.as_str(), reader.source.len()), ("as it was", 3));
}

#[test]
fn write_all_writes_everything_in_pieces_of_any_size() {
    for piece in 1..=17 {
        let mut writer = Scripted::new(slow(piece), b"");
        let (written, polls) = drive(&mut writer.write_all(&bytes(64)));
        written.unwrap();
        assert_eq!((writer.sink, polls), (bytes(64), 64_usize.div_ceil(piece) + 1), "pieces of {piece}");
    }
    let mut writer = Scripted::new([Say::Error(ErrorKind::Other)], b"");
    drive(&mut writer.write_all(&[])).0.unwrap();
    assert_eq!(writer.calls, 0, "nothing is written of nothing");
}

/// Prefix-safe: dropped after any poll, `written` bytes have arrived and no more.
#[test]
fn a_cancelled_write_all_says_how_much_it_wrote() {
    for polls in 0..=6 {
        let mut writer = Scripted::new(slow(1), b"");
        let mut write = writer.write_all(b"abcdef");
        for _ in 0..polls {
            assert!(poll_once(&mut write).is_pending());
        }
        let written = write.written();
        drop(write);
        assert_eq!((&writer.sink[..], written), (&b"abcdef"[..written], usize::saturating_sub(polls, 1)));
    }
}

#[test]
fn a_writer_that_takes_no_more_is_an_error_and_not_a_loop() {
    let mut writer = Scripted::new([Say::AtMost(2), Say::AtMost(0)], b"");
    let mut write = writer.write_all(b"abcdef");
    assert_eq!(drive(&mut write).0.unwrap_err().kind(), ErrorKind::WriteZero);
    assert_eq!(write.written(), 2);
    let mut writer = Scripted::new([Say::AtMost(3), Say::Error(ErrorKind::BrokenPipe)], b"");
    let mut write = writer.write_all(b"abcdef");
    assert_eq!(drive(&mut write).0.unwrap_err().kind(), ErrorKind::BrokenPipe);
    assert_eq!(write.written(), 3);
}

/// Cancel-safe: given up, nothing was written, or flushed, or closed; doing it again does it.
#[test]
fn a_cancelled_write_flush_or_close_is_done_again() {
    let mut writer = Scripted::new([Say::Pending, Say::AtMost(2), Say::Pending], b"");
    assert!(poll_once(&mut writer.write(b"abc")).is_pending());
    assert!(writer.sink.is_empty());
    assert_eq!(drive(&mut writer.write(b"abc")).0.unwrap(), 2);
    assert!(poll_once(&mut writer.flush()).is_pending());
    assert_eq!(writer.flushed, 0);
    drive(&mut writer.flush()).0.unwrap();
    assert_eq!(writer.flushed, 2);
    writer.script.extend([Say::Pending, Say::Error(ErrorKind::Other)]);
    assert!(poll_once(&mut writer.close()).is_pending());
    assert!(!writer.closed);
    assert_eq!(drive(&mut writer.close()).0.unwrap_err().kind(), ErrorKind::Other);
    drive(&mut writer.close()).0.unwrap();
    assert!(writer.closed);
}

/// The default of the vectored methods: one call, with the first buffer that is not empty.
#[test]
fn vectored_calls_fall_back_to_the_first_buffer_that_is_not_empty() {
    let mut cx = Context::from_waker(Waker::noop());
    let mut both = Scripted::new([], b"abcdef");
    let (mut none, mut two, mut more) = ([0; 0], [0; 2], [0; 4]);
    let mut buffers = [IoSliceMut::new(&mut none), IoSliceMut::new(&mut two), IoSliceMut::new(&mut more)];
    assert!(matches!(Pin::new(&mut both).poll_read_vectored(&mut cx, &mut buffers), Poll::Ready(Ok(2))));
    assert!(matches!(Pin::new(&mut both).poll_read_vectored(&mut cx, &mut []), Poll::Ready(Ok(0))));
    assert_eq!((&two, &more), (b"ab", &[0; 4]));
    let slices = [IoSlice::new(b""), IoSlice::new(b"xy"), IoSlice::new(b"z")];
    assert!(matches!(Pin::new(&mut both).poll_write_vectored(&mut cx, &slices), Poll::Ready(Ok(2))));
    assert!(matches!(Pin::new(&mut both).poll_write_vectored(&mut cx, &[]), Poll::Ready(Ok(0))));
    assert_eq!(both.sink, b"xy");
}

/// References, boxes and pins of readers and writers are readers and writers, trait objects too.
#[test]
fn pointers_to_readers_and_writers_forward() {
    let mut inner = Scripted::new([], b"abcdefgh");
    let mut buffer = [0; 2];
    drive(&mut Pin::new(&mut inner).read_exact(&mut buffer)).0.unwrap();
    {
        let mut dynamic: &mut (dyn AsyncRead + Unpin) = &mut inner;
        drive(&mut dynamic.read_exact(&mut buffer)).0.unwrap();
        drive(&mut Pin::new(&mut dynamic).read_exact(&mut buffer)).0.unwrap();
    }
    let mut boxed: Box<dyn AsyncRead + Unpin> = Box::new(inner);
    drive(&mut boxed.read_exact(&mut buffer)).0.unwrap();
    assert_eq!(&buffer, b"gh");
    let mut sink = Vec::new();
    drive(&mut Box::pin(&mut sink).write_all(b"ab")).0.unwrap();
    let mut dynamic: Box<dyn AsyncWrite + Unpin> = Box::new(Vec::new());
    drive(&mut dynamic.write_all(b"cd")).0.unwrap();
    drive(&mut dynamic.flush()).0.unwrap();
    drive(&mut dynamic.close()).0.unwrap();
    assert_eq!(sink, b"ab");
}

#[test]
fn a_slice_is_a_buffered_reader() {
    let mut cx = Context::from_waker(Waker::noop());
    let mut source: &[u8] = b"abcdef";
    let Poll::Ready(Ok(seen)) = Pin::new(&mut source).poll_fill_buf(&mut cx) else { panic!("a slice never waits") };
    assert_eq!(seen, b"abcdef");
    Pin::new(&mut source).consume(4);
    let mut boxed: Box<dyn AsyncBufRead + Unpin> = Box::new(source);
    assert!(matches!(Pin::new(&mut boxed).poll_fill_buf(&mut cx), Poll::Ready(Ok(b"ef"))));
    Pin::new(&mut boxed).consume(2);
    assert!(matches!(Pin::new(&mut boxed).poll_fill_buf(&mut cx), Poll::Ready(Ok(b""))));
}

#[test]
fn an_array_is_read_whole_and_the_future_shows_what_came() {
    let mut reader = Scripted::new(slow(1), &[1, 2, 3, 4, 5]);
    assert_eq!(drive(&mut reader.read_array::<4>()).0.unwrap(), [1, 2, 3, 4]);
    let mut read = reader.read_array::<4>();
    assert_eq!(drive(&mut read).0.unwrap_err().kind(), ErrorKind::UnexpectedEof);
    assert_eq!(read.filled(), [5]);
    assert_eq!(drive(&mut Scripted::default().read_array::<0>()).0.unwrap(), []);
}

/// Each method is dropped at each point of its life, and what its "Cancel safety" says is held against what is left.
#[test]
fn dropped_anywhere_a_read_has_read_what_it_says() {
    let source = || Scripted::new(slow(2), &bytes(7));
    let read = cut_at_every_poll(|cut| {
        coracle::block_on(async {
            let (mut reader, mut buffer) = (source(), [0; 7]);
            let count = cut.at(reader.read(&mut buffer)).await.map_or(0, Result::unwrap);
            assert_eq!([&buffer[..count], reader.source.make_contiguous()].concat(), bytes(7));
        });
    });
    let array = cut_at_every_poll(|cut| {
        coracle::block_on(async {
            let mut reader = source();
            let done = cut.at(reader.read_array::<7>()).await;
            assert!(done.is_none_or(|array| array.unwrap()[..] == bytes(7)));
        });
    });
    let to_end = cut_at_every_poll(|cut| {
        coracle::block_on(async {
            let (mut reader, mut all) = (source(), Vec::new());
            cut.at(reader.read_to_end(&mut all)).await;
            assert_eq!([&all[..], reader.source.make_contiguous()].concat(), bytes(7));
        });
    });
    assert!(read >= 2 && array >= 8 && to_end >= 8, "{read} {array} {to_end}");
}

#[test]
fn dropped_anywhere_a_write_has_written_nothing_or_what_it_says() {
    let writes = cut_at_every_poll(|cut| {
        coracle::block_on(async {
            let mut writer = Scripted::new(slow(2), b"");
            let slices = [IoSlice::new(b"ab"), IoSlice::new(b"cd")];
            let count = cut.at(writer.write_vectored(&slices)).await.map_or(0, Result::unwrap);
            assert_eq!(writer.sink, b"abcd"[..count]);
        });
    });
    let flushes = cut_at_every_poll(|cut| {
        coracle::block_on(async {
            let mut writer = Scripted::new([Say::AtMost(3), Say::Pending], b"");
            writer.write_all(b"abc").await.unwrap();
            let done = cut.at(writer.flush()).await.is_some();
            assert_eq!(writer.flushed, if done { 3 } else { 0 });
        });
    });
    let closes = cut_at_every_poll(|cut| {
        coracle::block_on(async {
            let mut writer = Scripted::new([Say::Pending], b"");
            assert_eq!(cut.at(writer.close()).await.is_some(), writer.closed);
        });
    });
    assert!(writes >= 2 && flushes >= 2 && closes >= 2);
}

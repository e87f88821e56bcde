//! Small readers and writers: in memory, limited, one after another.

use std::io::ErrorKind;
use std::marker::PhantomPinned;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use coracle::io::{self, AsyncBufRead, AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWriteExt, BufReader, Cursor};
use coracle::io::{IoSliceMut, empty, repeat, sink};

use super::{Say, Scripted, all_cuts, bytes, drive, in_pieces};

fn read_all(reader: &mut (impl AsyncRead + Unpin)) -> Vec<u8> {
    let mut all = Vec::new();
    drive(&mut reader.read_to_end(&mut all)).0.unwrap();
    all
}

#[test]
fn empty_sink_and_repeat_do_as_in_std() {
    assert_eq!(read_all(&mut empty()), b"");
    assert_eq!(drive(&mut empty().fill_buf()).0.unwrap(), b"");
    AsyncBufReadExt::consume(&mut empty(), 5);
    assert_eq!(drive(&mut io::copy(&mut (&bytes(100_000)[..]), &mut sink())).0.unwrap(), 100_000);
    assert_eq!(read_all(&mut repeat(7).take(10_000)), [7; 10_000]);
}

/// The one reader without an end that has no socket behind it. A task that reads from it for ever lets others go first.
#[test]
fn repeat_lets_others_go_first() {
    coracle::block_on(async {
        let reading = coracle::spawn(async { io::copy(&mut repeat(1), &mut Vec::new()).await });
        for _ in 0..3 {
            coracle::task::yield_now().await;
        }
        reading.abort();
        assert!(reading.await.is_err());
    });
}

#[test]
fn a_cursor_reads_and_writes_at_its_position() {
    let mut cursor = Cursor::new(b"abcdef".to_vec());
    cursor.set_position(2);
    assert_eq!(drive(&mut cursor.fill_buf()).0.unwrap(), b"cdef");
    AsyncBufReadExt::consume(&mut cursor, 1);
    drive(&mut cursor.write_all(b"XY")).0.unwrap();
    assert_eq!(cursor.get_ref(), b"abcXYf");
    assert_eq!(read_all(&mut cursor), b"f");
    drive(&mut cursor.write_all(b"!")).0.unwrap();
    assert_eq!(cursor.into_inner(), b"abcXYf!");
    // Beyond its end there is nothing, and consuming does not move it back.
    let mut beyond = Cursor::new(b"ab");
    beyond.set_position(u64::MAX);
    assert_eq!(read_all(&mut beyond), b"");
    AsyncBufReadExt::consume(&mut beyond, 1);
    assert_eq!(beyond.position(), u64::MAX);
}

#[test]
fn what_is_full_takes_no_more() {
    let mut memory = [0; 3];
    let mut slice = &mut memory[..];
    assert_eq!(drive(&mut slice.write_all(b"abcd")).0.unwrap_err().kind(), ErrorKind::WriteZero);
    assert!(slice.is_empty());
    assert_eq!(&memory, b"abc");
    let mut cursor = Cursor::new([0; 2]);
    assert_eq!(drive(&mut cursor.write_all(b"abc")).0.unwrap_err().kind(), ErrorKind::WriteZero);
    assert_eq!(cursor.get_ref(), b"ab");
    drive(&mut cursor.flush()).0.unwrap();
    drive(&mut cursor.close()).0.unwrap();
}

#[test]
fn take_ends_after_its_limit_and_the_rest_can_still_be_read() {
    for pieces in all_cuts(6) {
        for limit in 0..=8 {
            let mut take = Scripted::new(in_pieces(&pieces), &bytes(6)).take(limit);
            let count = 6.min(limit as usize);
            assert_eq!(read_all(&mut take), bytes(6)[..count]);
            assert_eq!(take.limit(), limit.saturating_sub(6));
            assert_eq!(read_all(&mut take.into_inner()), bytes(6)[count..]);
        }
    }
    // At its limit it does not ask the reader, which might wait for ever.
    let mut take = Scripted::new([Say::Error(ErrorKind::Other)], b"x").take(0);
    assert_eq!(drive(&mut take.read(&mut [0; 4])).0.unwrap(), 0);
    take.set_limit(u64::MAX);
    assert!(drive(&mut take.read(&mut [0; 4])).0.is_err());
    assert_eq!(read_all(&mut take), b"x");
    assert_eq!((take.limit(), take.get_ref().calls), (u64::MAX - 1, 3));
}

#[test]
fn a_limited_buffer_shows_and_takes_no_more_than_the_limit() {
    let mut take = (&b"abcdef"[..]).take(4);
    assert_eq!(drive(&mut take.fill_buf()).0.unwrap(), b"abcd");
    take.consume(1);
    assert_eq!(drive(&mut take.fill_buf()).0.unwrap(), b"bcd");
    take.consume(100);
    assert!(drive(&mut take.fill_buf()).0.unwrap().is_empty());
    assert_eq!((take.limit(), take.into_inner()), (0, &b"ef"[..]));
}

#[test]
fn a_chain_reads_one_after_the_other() {
    for at in 0..=6 {
        for pieces in all_cuts(6) {
            let source = bytes(6);
            let pieces = || in_pieces(&pieces);
            let reader = |range: &[u8]| Scripted::new(pieces(), range);
            assert_eq!(read_all(&mut reader(&source[..at]).chain(reader(&source[at..]))), source);
            let mut buffered = BufReader::with_capacity(2, reader(&source[..at])).chain(&source[at..]);
            let mut all = Vec::new();
            drive(&mut buffered.read_until(255, &mut all)).0.unwrap();
            assert_eq!(all, source);
        }
    }
}

#[test]
fn a_chain_goes_on_only_at_the_end_of_the_first() {
    let mut chain = Scripted::new([Say::AtMost(2), Say::Error(ErrorKind::TimedOut)], b"abc").chain(&b"def"[..]);
    assert_eq!(drive(&mut chain.read(&mut [])).0.unwrap(), 0, "nothing read into nothing is not the end");
    let mut all = Vec::new();
    assert_eq!(drive(&mut chain.read_to_end(&mut all)).0.unwrap_err().kind(), ErrorKind::TimedOut);
    drive(&mut chain.read_to_end(&mut all)).0.unwrap();
    assert_eq!(all, b"abcdef");
    assert_eq!(chain.into_inner().0.calls, 4, "it was not asked again after its end");
    let mut chain = (&b"ab"[..]).chain(&b"cd"[..]);
    let (mut none, mut one) = ([0; 0], [0; 1]);
    let mut cx = Context::from_waker(Waker::noop());
    let mut slices = [IoSliceMut::new(&mut none), IoSliceMut::new(&mut one)];
    for expected in [Poll::Ready(1), Poll::Ready(1), Poll::Ready(1), Poll::Ready(1), Poll::Ready(0)] {
        assert_eq!(Pin::new(&mut chain).poll_read_vectored(&mut cx, &mut slices).map(Result::unwrap), expected);
    }
}

#[test]
fn a_reader_that_may_not_be_moved_is_pinned_first() {
    struct Immovable(PhantomPinned);
    impl AsyncRead for Immovable {
        fn poll_read(self: Pin<&mut Self>, _: &mut Context<'_>, _: &mut [u8]) -> Poll<std::io::Result<usize>> {
            Poll::Ready(Ok(0))
        }
    }
    let immovable = Box::pin(Immovable(PhantomPinned));
    assert_eq!(read_all(&mut BufReader::new(immovable).take(3).chain(&b"x"[..])), b"x");
}

/// By default nothing can be put back, and nothing need be.
#[test]
fn putting_back_is_refused_by_default() {
    let mut slice: &[u8] = b"x";
    assert!(Pin::new(&mut slice).put_back(b""));
    assert!(!Pin::new(&mut slice).put_back(b"y"));
    let mut reader = BufReader::with_capacity(1, slice);
    assert!(Pin::new(&mut reader).put_back(b"abc"));
    assert_eq!(read_all(&mut reader), b"abcx");
}

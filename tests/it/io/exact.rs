//! `Exact`: bytes that are read exactly, and kept outside of the future.

use std::io::ErrorKind;

use coracle::io::{AsyncReadExt, Exact};

use super::{Say, Scripted, all_cuts, bytes, drive, in_pieces, slow, with_a_new_future_each_poll};
use crate::support::{cut_at_every_poll, poll_with};

#[test]
fn it_is_filled_by_any_number_of_futures_and_takes_not_a_byte_more() {
    for pieces in all_cuts(8) {
        for length in 0..=8 {
            let mut reader = Scripted::new(in_pieces(&pieces), &bytes(8));
            let mut exact = Exact::new(length);
            with_a_new_future_each_poll(|waker| poll_with(&mut exact.read_from(&mut reader), waker).map_ok(drop))
                .unwrap();
            assert_eq!((exact.filled(), exact.missing()), (&bytes(8)[..length], 0));
            assert_eq!(reader.source.len(), 8 - length);
            // Nothing is missing: it does not read again.
            let calls = reader.calls;
            assert_eq!(drive(&mut exact.read_from(&mut reader)).0.unwrap().len(), length);
            assert_eq!(reader.calls, calls);
        }
    }
}

#[test]
fn errors_and_the_end_keep_what_came() {
    let mut reader = Scripted::new([Say::AtMost(2), Say::Error(ErrorKind::TimedOut), Say::AtMost(1)], b"abc");
    let mut exact = Exact::new(4);
    assert_eq!(drive(&mut exact.read_from(&mut reader)).0.unwrap_err().kind(), ErrorKind::TimedOut);
    assert_eq!((exact.filled(), exact.missing()), (&b"ab"[..], 2));
    assert_eq!(drive(&mut exact.read_from(&mut reader)).0.unwrap_err().kind(), ErrorKind::UnexpectedEof);
    assert_eq!((exact.filled(), exact.missing()), (&b"abc"[..], 1));
    // It may go on with another reader: that of a connection made again.
    assert_eq!(drive(&mut exact.read_from(&mut &b"de"[..])).0.unwrap(), b"abcd");
    assert_eq!(exact.into_bytes(), b"abcd");
}

#[test]
fn a_number_alone_takes_no_memory() {
    let mut exact = Exact::new(usize::MAX);
    let mut reader = Scripted::new([Say::AtMost(3), Say::Error(ErrorKind::Other)], b"abc");
    drive(&mut exact.read_from(&mut reader)).0.unwrap_err();
    assert_eq!((exact.filled(), exact.missing()), (&b"abc"[..], usize::MAX - 3));
    assert!(exact.into_bytes().capacity() < 10_000);
}

#[test]
fn it_is_used_again_with_its_memory() {
    let mut source: &[u8] = b"\x03one\x05three\x00\x01x";
    let (mut exact, mut seen) = (Exact::new(1), Vec::new());
    while !source.is_empty() {
        let length = drive(&mut exact.read_from(&mut source)).0.unwrap()[0];
        exact.restart(usize::from(length));
        seen.push(drive(&mut exact.read_from(&mut source)).0.unwrap().to_vec());
        exact.restart(1);
    }
    assert_eq!(seen, [&b"one"[..], b"three", b"", b"x"]);
}

#[test]
fn dropped_anywhere_it_goes_on_the_next_time() {
    let cuts = cut_at_every_poll(|cut| {
        coracle::block_on(async {
            let mut reader = Scripted::new(slow(1), b"abcdef");
            let mut exact = Exact::new(5);
            cut.at(exact.read_from(&mut reader)).await;
            assert_eq!([exact.filled(), reader.source.make_contiguous()].concat(), b"abcdef");
            assert_eq!(exact.read_from(&mut reader).await.unwrap(), b"abcde");
            assert_eq!(reader.read_array().await.unwrap(), *b"f");
        });
    });
    assert_eq!(cuts, 12);
}

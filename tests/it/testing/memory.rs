//! A stream that has its input from the beginning.

use std::task::Poll;

use coracle::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader, BufWriter, ErrorKind};
use coracle::testing::{Memory, poll_once};

/// What single polls of reads give, up to the end; `None` for a pending one.
fn reads(mut stream: Memory, room: usize) -> Vec<Option<Vec<u8>>> {
    let mut reads = Vec::new();
    loop {
        let mut buffer = vec![0; room];
        let polled = poll_once(stream.read(&mut buffer));
        match polled {
            Poll::Pending => reads.push(None),
            Poll::Ready(Ok(0)) => return reads,
            Poll::Ready(count) => reads.push(Some(buffer[..count.unwrap()].to_vec())),
        }
    }
}

fn some(text: &str) -> Option<Vec<u8>> {
    Some(text.into())
}

#[test]
fn input_comes_in_the_pieces_that_were_said() {
    assert_eq!(reads(Memory::new("hello"), 16), [some("hello")]);
    assert_eq!(reads(Memory::new("hello").reads_of([2, 1]), 16), [some("he"), some("l"), some("l"), some("o")]);
    assert_eq!(reads(Memory::new("hello").reads_of([3, usize::MAX]), 2), [some("he"), some("l"), some("lo")]);
    assert_eq!(reads(Memory::new("").reads_of([3]), 2), []);
}

#[test]
fn a_piece_of_no_bytes_is_a_pause() {
    let paused = Memory::new("hello").reads_of([0, 1, 0, 0, 2]);
    assert_eq!(reads(paused, 16), [None, some("h"), None, None, some("el"), some("lo")]);
    assert_eq!(reads(Memory::new("hi").reads_of([0]), 16), [None, some("hi")]);
}

#[test]
fn output_is_taken_in_pieces_and_kept() {
    coracle::block_on(async {
        let mut stream = Memory::new("").writes_of([1, 0, 2]);
        assert_eq!(stream.write(b"").await.unwrap(), 0);
        stream.write_all(b"hello").await.unwrap();
        assert_eq!(stream.written(), b"hello");
        assert_eq!(stream.flushed(), b"");
        stream.close().await.unwrap();
        assert!(stream.is_closed());
        assert_eq!(stream.flushed(), b"hello");
        assert_eq!(stream.write(b"more").await.unwrap_err().kind(), ErrorKind::BrokenPipe);
        assert_eq!(stream.written(), b"hello");
    });
}

/// What it is for: a parser that works whatever the pieces are.
#[test]
fn lines_are_lines_however_they_are_cut() {
    for size in 1..14 {
        coracle::block_on(async {
            let mut reader = BufReader::new(Memory::new("one\ntwo\nthree").reads_of([size, 0, size, 0]));
            let (mut lines, mut line) = (Vec::new(), String::new());
            while reader.read_line(&mut line).await.unwrap() > 0 {
                lines.push(std::mem::take(&mut line));
            }
            assert_eq!(lines, ["one\n", "two\n", "three"], "pieces of {size}");
        });
    }
}

#[test]
fn what_was_not_flushed_is_seen() {
    coracle::block_on(async {
        let mut writer = BufWriter::new(Memory::default());
        writer.write_all(b"question").await.unwrap();
        assert_eq!(writer.get_ref().written(), b"");
        writer.flush().await.unwrap();
        assert_eq!(writer.get_ref().flushed(), b"question");
    });
}

//! `Buffers`: memory that is taken when there is something to read.

use std::io::ErrorKind;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use coracle::io::{AsyncRead, AsyncReadExt, AsyncWriteExt, Buffer, Buffers, pipe};
use proptest::prelude::*;

use super::{Say, Scripted, bytes, drive, slow};
use crate::support::{cut_at_every_poll, poll_once};

#[test]
fn a_reader_that_waits_holds_no_buffer() {
    let buffers = Buffers::new(8);
    let mut reader = Scripted::new([Say::Pending, Say::Pending], b"abc");
    let mut read = reader.read_pooled(&buffers);
    for _ in 0..2 {
        assert!(poll_once(&mut read).is_pending());
        assert_eq!((buffers.in_use(), buffers.spare()), (0, 1));
    }
    let Poll::Ready(Ok(got)) = poll_once(&mut read) else { panic!("the script has ended") };
    assert_eq!((&got[..], buffers.in_use(), buffers.spare()), (&b"abc"[..], 1, 0));
    drop(got);
    assert_eq!((buffers.in_use(), buffers.spare()), (0, 1));
}

/// The buffer that came back last is taken first: ten thousand readers, one after the other, use one.
#[test]
fn readers_that_take_turns_share_one_buffer() {
    let buffers = Buffers::new(64);
    for round in 0..10_000_u32 {
        let mut source = &round.to_ne_bytes()[..];
        let (got, _) = drive(&mut source.read_pooled(&buffers));
        assert_eq!(&got.unwrap()[..], round.to_ne_bytes());
        assert_eq!((buffers.in_use(), buffers.spare()), (0, 1));
    }
}

/// What another read has left in the memory is never shown: bytes of one connection do not leak to the next.
#[test]
fn only_what_was_read_is_shown() {
    let buffers = Buffers::new(16);
    drop(drive(&mut (&b"another's secret"[..]).read_pooled(&buffers)).0);
    let (mine, _) = drive(&mut (&b"mine"[..]).read_pooled(&buffers));
    let mut mine = mine.unwrap();
    assert_eq!((&mine[..], mine.as_ref().len(), mine.len()), (&b"mine"[..], 4, 4));
    mine.reverse();
    assert_eq!(format!("{mine:?}"), format!("Buffer {{ bytes: {:?} }}", b"enim"));
}

#[test]
fn the_end_and_an_error_hold_no_buffer() {
    let buffers = Buffers::new(8);
    let (end, _) = drive(&mut (&b""[..]).read_pooled(&buffers));
    let end = end.unwrap();
    assert!(end.is_empty());
    assert_eq!((buffers.in_use(), buffers.spare()), (0, 1));
    let mut broken = Scripted::new([Say::Error(ErrorKind::ConnectionReset)], b"");
    let (error, _) = drive(&mut broken.read_pooled(&buffers));
    assert_eq!(error.unwrap_err().kind(), ErrorKind::ConnectionReset);
    drop(end);
    assert_eq!((buffers.in_use(), buffers.spare()), (0, 1));
}

#[test]
fn no_size_is_too_small_or_too_large() {
    for (asked, size) in [(0, 1), (1, 1), (4096, 4096), (usize::MAX, 16 << 20)] {
        let buffers = Buffers::new(asked);
        assert_eq!(buffers.size(), size);
        let (got, _) = drive(&mut (&b"abc"[..]).read_pooled(&buffers));
        assert_eq!(&got.unwrap()[..], &b"abc"[..size.min(3)]);
    }
}

/// A burst takes as many as it needs; what is kept of them is bounded.
#[test]
fn after_a_burst_sixteen_are_kept() {
    let buffers = Buffers::new(1);
    let burst: Vec<Buffer> = (0..100).map(|_| drive(&mut (&b"x"[..]).read_pooled(&buffers)).0.unwrap()).collect();
    assert_eq!((buffers.in_use(), buffers.spare()), (100, 0));
    drop(burst);
    assert_eq!((buffers.in_use(), buffers.spare()), (0, 16));
}

#[test]
fn a_buffer_outlives_its_buffers() {
    let buffers = Buffers::new(8);
    let (got, _) = drive(&mut (&b"abc"[..]).read_pooled(&buffers));
    drop(buffers);
    assert_eq!(&got.unwrap()[..], b"abc");
}

/// Panics, or says that it read more than there is room for.
struct Liar(bool);

impl AsyncRead for Liar {
    fn poll_read(self: Pin<&mut Self>, _: &mut Context<'_>, buffer: &mut [u8]) -> Poll<std::io::Result<usize>> {
        assert!(self.0, "a reader that panics");
        Poll::Ready(Ok(buffer.len() + 1))
    }
}

#[test]
fn a_reader_that_breaks_the_rules_takes_nothing_with_it() {
    let buffers = Buffers::new(8);
    let (got, _) = drive(&mut Liar(true).read_pooled(&buffers));
    assert_eq!(got.unwrap().len(), 8, "no more than there is");
    let mut cx = Context::from_waker(Waker::noop());
    let panicked = catch_unwind(AssertUnwindSafe(|| buffers.poll_read(Pin::new(&mut Liar(false)), &mut cx)));
    assert!(panicked.is_err());
    assert_eq!((buffers.in_use(), buffers.spare()), (0, 1));
}

/// Cancel-safe: what a read that was dropped would have taken is there for the next; and it holds no buffer.
#[test]
fn a_pooled_read_that_is_dropped_anywhere_loses_no_byte() {
    let dropped = cut_at_every_poll(|cut| {
        coracle::block_on(async {
            let buffers = Buffers::new(2);
            let (mut reader, mut writer) = pipe(1);
            drop(coracle::spawn(async move {
                for byte in b"abc" {
                    coracle::task::yield_now().await;
                    writer.write_all(&[*byte]).await.unwrap();
                }
            }));
            let mut all = Vec::new();
            if let Some(read) = cut.at(reader.read_pooled(&buffers)).await {
                all.extend_from_slice(&read.unwrap());
            }
            assert_eq!(buffers.in_use(), 0);
            reader.read_to_end(&mut all).await.unwrap();
            assert_eq!(all, b"abc");
        });
    });
    assert!(dropped >= 1, "{dropped}");
}

#[derive(Clone, Debug)]
enum Op {
    /// A reader that waits so often reads so many bytes; given up after so many polls.
    Read { waits: usize, count: usize, polls: usize },
    /// The n-th buffer that is held is dropped.
    Drop(usize),
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        (0..3_usize, 0..12_usize, 1..4_usize).prop_map(|(waits, count, polls)| Op::Read { waits, count, polls }),
        any::<usize>().prop_map(Op::Drop),
    ]
}

proptest! {
    /// The naive model: a vector of what was read and is held. Reads are given up at any poll.
    #[test]
    fn behaves_like_a_vector_for_each_read(ops in proptest::collection::vec(op(), 1..60)) {
        const SIZE: usize = 8;
        let (buffers, mut held, mut most) = (Buffers::new(SIZE), Vec::<(Buffer, Vec<u8>)>::new(), 0);
        for op in ops {
            match op {
                Op::Read { waits, count, polls } => {
                    let source = bytes(count);
                    let mut reader = Scripted::new(vec![Say::Pending; waits], &source);
                    let mut read = reader.read_pooled(&buffers);
                    let done = (0..polls).find_map(|_| match poll_once(&mut read) {
                        Poll::Ready(done) => Some(done.unwrap()),
                        Poll::Pending => None,
                    });
                    prop_assert_eq!(done.is_some(), polls > waits);
                    most = most.max(held.len() + 1);
                    held.extend(done.map(|buffer| (buffer, source[..count.min(SIZE)].to_vec())));
                }
                Op::Drop(n) if !held.is_empty() => drop(held.swap_remove(n % held.len())),
                Op::Drop(_) => {}
            }
            for (buffer, expected) in &held {
                prop_assert_eq!(&buffer[..], &expected[..]);
            }
            prop_assert_eq!(buffers.in_use(), held.iter().filter(|(buffer, _)| !buffer.is_empty()).count());
            prop_assert!(buffers.in_use() + buffers.spare() <= most.max(16));
        }
    }
}

/// Whatever can be read can be read so: here, byte by byte.
#[test]
fn a_slow_reader_is_read_to_its_end() {
    let (buffers, source) = (Buffers::new(4), bytes(20));
    let mut reader = Scripted::new(slow(1), &source);
    let mut all = Vec::new();
    loop {
        let (got, _) = drive(&mut reader.read_pooled(&buffers));
        let got = got.unwrap();
        if got.is_empty() {
            break;
        }
        all.extend_from_slice(&got);
    }
    assert_eq!((all, buffers.spare()), (source, 1));
}

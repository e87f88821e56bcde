//! `io`: over readers and writers in memory that are as slow and odd as the traits allow. Most tests need no runtime
//! and have none: everything is polled by hand.

mod adapters;
mod buffers;
mod copying;
mod delimited;
mod exact;
mod framing;
mod halves;
mod methods;
mod model;
mod pipes;
mod pooled;
mod sockets;

use std::collections::VecDeque;
use std::future::Future;
use std::io::{self, ErrorKind};
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use coracle::io::{AsyncRead, AsyncWrite};

use crate::support::{CountingWaker, poll_with};

/// What one call of a poll function is to say.
#[derive(Clone, Copy, Debug)]
enum Say {
    /// At most so many bytes; of a reader that has none left, the end.
    AtMost(usize),
    /// Nothing now. The waker is woken at once.
    Pending,
    Error(ErrorKind),
}

/// A reader and writer that does as it is told, call by call; without orders it moves all it can.
#[derive(Debug, Default)]
struct Scripted {
    script: VecDeque<Say>,
    /// What is still to be read.
    source: VecDeque<u8>,
    /// What was written, and how much of it is flushed.
    sink: Vec<u8>,
    flushed: usize,
    closed: bool,
    calls: usize,
    /// The last call gave `Pending`.
    is_waiting: bool,
}

impl Scripted {
    fn new(script: impl IntoIterator<Item = Say>, source: &[u8]) -> Scripted {
        Scripted {
            script: script.into_iter().collect(),
            source: source.iter().copied().collect(),
            ..Scripted::default()
        }
    }

    /// How many of `wanted` bytes this call moves.
    fn next(&mut self, cx: &mut Context<'_>, wanted: usize) -> Poll<io::Result<usize>> {
        self.calls += 1;
        let say = self.script.pop_front();
        self.is_waiting = matches!(say, Some(Say::Pending));
        match say {
            None => Poll::Ready(Ok(wanted)),
            Some(Say::AtMost(most)) => Poll::Ready(Ok(wanted.min(most))),
            Some(Say::Error(kind)) => Poll::Ready(Err(kind.into())),
            Some(Say::Pending) => {
                cx.waker().wake_by_ref();
                Poll::Pending
            }
        }
    }
}

impl AsyncRead for Scripted {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        self.next(cx, buffer.len()).map_ok(|most| {
            let count = most.min(self.source.len());
            self.source.drain(..count).zip(buffer).for_each(|(byte, place)| *place = byte);
            count
        })
    }
}

impl AsyncWrite for Scripted {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.next(cx, bytes.len()).map_ok(|count| {
            self.sink.extend_from_slice(&bytes[..count]);
            count
        })
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.next(cx, 0).map_ok(|_| self.flushed = self.sink.len())
    }

    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.next(cx, 0).map_ok(|_| (self.flushed, self.closed) = (self.sink.len(), true))
    }
}

/// Polls to the end; each pending poll must have woken. The output, and how many polls it took.
fn drive<F: Future + Unpin>(future: &mut F) -> (F::Output, usize) {
    let (counting, waker) = CountingWaker::new();
    for polls in 1..1_000_000 {
        let wakes = counting.wakes();
        if let Poll::Ready(output) = poll_with(future, &waker) {
            return (output, polls);
        }
        assert!(counting.wakes() > wakes, "a pending poll that registered no wake");
    }
    panic!("it never ends");
}

fn bytes(length: usize) -> Vec<u8> {
    (0..length).map(|n| (n * 7 + n / 251) as u8).collect()
}

/// Pieces of `piece` bytes with a pause before each.
fn slow(piece: usize) -> impl Iterator<Item = Say> {
    std::iter::repeat_n([Say::Pending, Say::AtMost(piece)], 5_000).flatten()
}

/// All ways to cut `length` into pieces, in order.
fn all_cuts(length: usize) -> impl Iterator<Item = Vec<usize>> {
    some_cuts(length, 1)
}

/// One of so many ways to cut `length` into pieces.
fn some_cuts(length: usize, step: usize) -> impl Iterator<Item = Vec<usize>> {
    (0..1_u32 << length.saturating_sub(1)).step_by(step).map(move |cuts| {
        let mut pieces = vec![1];
        for at in 1..length {
            if cuts >> (at - 1) & 1 == 1 {
                pieces.push(1);
            } else {
                *pieces.last_mut().unwrap() += 1;
            }
        }
        pieces
    })
}

/// These pieces, with a pause before each and before the end.
fn in_pieces(pieces: &[usize]) -> impl Iterator<Item = Say> {
    pieces.iter().flat_map(|piece| [Say::Pending, Say::AtMost(*piece)]).chain([Say::Pending])
}

/// Does it again and again, each time with a new future that is dropped when it has to wait: the hardest way to cancel.
fn with_a_new_future_each_poll<T>(mut poll_new: impl FnMut(&Waker) -> Poll<T>) -> T {
    for _ in 0..100_000 {
        let (counting, waker) = CountingWaker::new();
        if let Poll::Ready(output) = poll_new(&waker) {
            return output;
        }
        assert!(counting.wakes() > 0, "a pending poll that registered no wake");
    }
    panic!("it never ends");
}

/// Runs it, and fails if it waits for ever.
fn within_seconds<T>(program: impl Future<Output = T>) -> T {
    let limit = std::time::Duration::from_secs(20);
    coracle::block_on(async { coracle::time::timeout(limit, program).await.expect("it waits for ever") })
}

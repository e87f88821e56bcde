//! [`Memory`]: a stream that has its input from the beginning, and keeps its output.
//!
//! For code that reads a message and writes an answer, with nobody at the other end: parsers, encoders, handlers. What
//! it is made for is to give the input in *pieces*, as a network does, and pending in between. A peer that acts is a
//! [`Script`](super::Script), or the other end of a [`lockstep`](super::lockstep()) pair.

use std::io::{Error, ErrorKind, Result};
use std::pin::Pin;
use std::task::{Context, Poll};

use crate::io::{AsyncRead, AsyncWrite};

/// A stream in memory: it reads from given bytes, then the end, and keeps what is written. It knows no runtime, and by
/// itself it is never pending.
///
/// With [`reads_of`](Memory::reads_of) and [`writes_of`](Memory::writes_of) it moves pieces of given sizes, and is
/// pending in between.
///
/// ```
/// use coracle::{io::{AsyncReadExt, AsyncWriteExt}, testing::Memory};
/// coracle::block_on(async {
///     let mut stream = Memory::new("ping");
///     assert_eq!(stream.read_array().await.unwrap(), *b"ping");
///     stream.write_all(b"pong").await.unwrap();
///     assert_eq!(stream.written(), b"pong");
/// });
/// ```
#[derive(Clone, Debug, Default)]
pub struct Memory {
    input: Vec<u8>,
    /// How much of it was read.
    read: usize,
    reads: Pieces,
    output: Vec<u8>,
    writes: Pieces,
    /// How much of the output was flushed.
    flushed: usize,
    is_closed: bool,
}

impl Memory {
    /// It reads from these bytes.
    ///
    /// ```
    /// assert_eq!(coracle::testing::Memory::new([1, 2, 3]).unread(), [1, 2, 3]);
    /// ```
    pub fn new(input: impl Into<Vec<u8>>) -> Memory {
        Memory { input: input.into(), ..Memory::default() }
    }

    /// The input comes in pieces of these sizes, and no read gives bytes of two. A size of 0 is a pause: that read is
    /// *pending* once, and wakes its task at once. When the list is at its end, the last size that is not 0 holds for
    /// all that follows; if there is none, nothing is cut.
    ///
    /// ```
    /// use coracle::{io::AsyncReadExt, testing::{Memory, assert_pending, poll_once}};
    /// let mut stream = Memory::new("hello").reads_of([2, 0, 1]);
    /// let mut buffer = [0; 16];
    /// assert!(matches!(poll_once(stream.read(&mut buffer)), std::task::Poll::Ready(Ok(2))));
    /// assert_pending(&mut stream.read(&mut buffer));
    /// assert!(matches!(poll_once(stream.read(&mut buffer)), std::task::Poll::Ready(Ok(1))));
    /// ```
    #[must_use]
    pub fn reads_of(self, sizes: impl IntoIterator<Item = usize>) -> Memory {
        Memory { reads: Pieces::new(sizes), ..self }
    }

    /// Writes take pieces of these sizes at most; as in [`reads_of`](Memory::reads_of).
    ///
    /// ```
    /// use coracle::{io::AsyncWriteExt, testing::Memory};
    /// coracle::block_on(async {
    ///     let mut stream = Memory::new("").writes_of([1, 0, 2]);
    ///     assert_eq!(stream.write(b"hello").await.unwrap(), 1);
    ///     assert_eq!(stream.write(b"ello").await.unwrap(), 2);
    /// });
    /// ```
    #[must_use]
    pub fn writes_of(self, sizes: impl IntoIterator<Item = usize>) -> Memory {
        Memory { writes: Pieces::new(sizes), ..self }
    }

    /// What was written so far.
    ///
    /// ```
    /// assert_eq!(coracle::testing::Memory::new("input").written(), b"");
    /// ```
    pub fn written(&self) -> &[u8] {
        &self.output
    }

    /// What was flushed, of what was written: what a peer can rely on to have.
    ///
    /// ```
    /// use coracle::{io::AsyncWriteExt, testing::Memory};
    /// coracle::block_on(async {
    ///     let mut stream = Memory::default();
    ///     stream.write_all(b"question").await.unwrap();
    ///     assert_eq!(stream.flushed(), b"");
    ///     stream.flush().await.unwrap();
    ///     assert_eq!(stream.flushed(), b"question");
    /// });
    /// ```
    pub fn flushed(&self) -> &[u8] {
        &self.output[..self.flushed]
    }

    /// What was not read yet.
    ///
    /// ```
    /// assert_eq!(coracle::testing::Memory::new("input").unread(), b"input");
    /// ```
    pub fn unread(&self) -> &[u8] {
        &self.input[self.read..]
    }

    /// Whether it was closed. Writing to it then fails with [`BrokenPipe`](ErrorKind::BrokenPipe).
    ///
    /// ```
    /// assert!(!coracle::testing::Memory::default().is_closed());
    /// ```
    pub fn is_closed(&self) -> bool {
        self.is_closed
    }
}

impl AsyncRead for Memory {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<Result<usize>> {
        let this = &mut *self;
        let most = buffer.len().min(this.unread().len());
        let Some(count) = this.reads.take(most) else { return pause(cx) };
        buffer[..count].copy_from_slice(&this.input[this.read..this.read + count]);
        this.read += count;
        Poll::Ready(Ok(count))
    }
}

impl AsyncWrite for Memory {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<Result<usize>> {
        let this = &mut *self;
        if this.is_closed {
            return Poll::Ready(Err(Error::new(ErrorKind::BrokenPipe, "the stream in memory was closed")));
        }
        let Some(count) = this.writes.take(bytes.len()) else { return pause(cx) };
        this.output.extend_from_slice(&bytes[..count]);
        Poll::Ready(Ok(count))
    }

    fn poll_flush(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Result<()>> {
        self.flushed = self.output.len();
        Poll::Ready(Ok(()))
    }

    fn poll_close(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Result<()>> {
        self.flushed = self.output.len();
        self.is_closed = true;
        Poll::Ready(Ok(()))
    }
}

fn pause<T>(cx: &mut Context<'_>) -> Poll<T> {
    cx.waker().wake_by_ref();
    Poll::Pending
}

/// Into what pieces bytes are cut.
#[derive(Clone, Debug)]
struct Pieces {
    sizes: std::vec::IntoIter<usize>,
    /// The size of the pieces when there are no more sizes: that of the last one.
    size: usize,
    /// What is left of the present piece.
    left: usize,
}

impl Default for Pieces {
    fn default() -> Pieces {
        Pieces::new([])
    }
}

impl Pieces {
    fn new(sizes: impl IntoIterator<Item = usize>) -> Pieces {
        Pieces { sizes: sizes.into_iter().collect::<Vec<_>>().into_iter(), size: usize::MAX, left: 0 }
    }

    /// How many bytes go now, of so many that could. `None`: a pause comes first. For none there is no pause, so that
    /// what gives the end gives it always.
    fn take(&mut self, most: usize) -> Option<usize> {
        if most == 0 {
            return Some(0);
        }
        if self.left == 0 {
            match self.sizes.next() {
                Some(0) => return None,
                Some(size) => self.size = size,
                None => {}
            }
            self.left = self.size;
        }
        let count = most.min(self.left);
        self.left -= count;
        Some(count)
    }
}

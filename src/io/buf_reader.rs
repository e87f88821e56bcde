//! [`BufReader`]: few large reads instead of many small ones.
//!
//! Over any reader that may be moved; one that may not is pinned first, `BufReader::new(pin!(reader))`. It also passes
//! on writes, so that a connection can be read by lines and written to: `BufReader::new(BufWriter::new(stream))`
//! buffers both ways.

use std::fmt;
use std::future::Future;
use std::io::{IoSlice, IoSliceMut, Result};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use super::traits::forward_write;
use super::{AsyncBufRead, AsyncRead, AsyncWrite};

/// What a buffer holds unless something else is said. Arbitrary: some packets, and a small part of what a task is.
pub(super) const USUAL_CAPACITY: usize = 8 * 1024;

/// A reader with a buffer in front of it.
///
/// What is in the buffer has been taken from the reader: read on through the `BufReader`, or take both with
/// [`into_parts`](BufReader::into_parts). Reads that are as large as the buffer pass it by when it is empty.
///
/// ```
/// use coracle::io::{AsyncBufReadExt, BufReader, duplex};
/// coracle::block_on(async {
///     let (server, client) = duplex(64);
///     let mut server = BufReader::new(server);
///     coracle::io::AsyncWriteExt::write_all(&mut { client }, b"GET\nbody").await.unwrap();
///     let mut line = String::new();
///     server.read_line(&mut line).await.unwrap();
///     assert_eq!((&line[..], server.buffer()), ("GET\n", &b"body"[..]));
/// });
/// ```
pub struct BufReader<R> {
    reader: R,
    /// Memory, all of it initialised; grows up to the capacity as long as reads fill it.
    memory: Vec<u8>,
    /// What of it is buffered.
    start: usize,
    end: usize,
    capacity: usize,
}

impl<R> BufReader<R> {
    /// With a buffer of 8 KiB, allocated at the first read.
    ///
    /// ```
    /// assert!(coracle::io::BufReader::new(&b"bytes"[..]).buffer().is_empty());
    /// ```
    pub fn new(reader: R) -> BufReader<R> {
        BufReader::with_capacity(USUAL_CAPACITY, reader)
    }

    /// With a buffer of at most `capacity` bytes: no read takes more in advance. Memory beyond 8 KiB is allocated when
    /// reads have filled what there was. A capacity of 0 counts as 1, for a buffer that holds nothing would look like
    /// the end.
    ///
    /// ```
    /// use coracle::io::{AsyncBufReadExt, BufReader};
    /// coracle::block_on(async {
    ///     let mut reader = BufReader::with_capacity(0, &b"ab"[..]);
    ///     assert_eq!(reader.fill_buf().await.unwrap(), b"a");
    /// });
    /// ```
    pub fn with_capacity(capacity: usize, reader: R) -> BufReader<R> {
        BufReader { reader, memory: Vec::new(), start: 0, end: 0, capacity: capacity.max(1) }
    }

    /// What has been taken from the reader and not read yet.
    ///
    /// ```
    /// use coracle::io::{AsyncReadExt, BufReader};
    /// coracle::block_on(async {
    ///     let mut reader = BufReader::new(&b"bytes"[..]);
    ///     reader.read(&mut [0; 2]).await.unwrap();
    ///     assert_eq!(reader.buffer(), b"tes");
    /// });
    /// ```
    pub fn buffer(&self) -> &[u8] {
        &self.memory[self.start..self.end]
    }

    /// The reader.
    ///
    /// ```
    /// assert_eq!(coracle::io::BufReader::new(7).get_ref(), &7);
    /// ```
    pub fn get_ref(&self) -> &R {
        &self.reader
    }

    /// The reader. Reading from it here overtakes what is buffered.
    ///
    /// ```
    /// assert_eq!(coracle::io::BufReader::new(7).get_mut(), &mut 7);
    /// ```
    pub fn get_mut(&mut self) -> &mut R {
        &mut self.reader
    }

    /// The reader. **What is buffered is lost**: see [`into_parts`](BufReader::into_parts).
    ///
    /// ```
    /// assert_eq!(coracle::io::BufReader::new(7).into_inner(), 7);
    /// ```
    pub fn into_inner(self) -> R {
        self.reader
    }

    /// The reader, and what was taken from it and not read.
    ///
    /// ```
    /// use coracle::io::{AsyncReadExt, BufReader};
    /// coracle::block_on(async {
    ///     let mut reader = BufReader::new(&b"bytes"[..]);
    ///     reader.read(&mut [0; 2]).await.unwrap();
    ///     assert_eq!(reader.into_parts(), (&b""[..], b"tes".to_vec()));
    /// });
    /// ```
    pub fn into_parts(self) -> (R, Vec<u8>) {
        let buffered = self.buffer().to_vec();
        (self.reader, buffered)
    }

    /// How much is asked for when nothing is buffered: a read that filled all the memory earns twice as much for the
    /// next.
    fn next_size(&self) -> usize {
        let is_full = self.end == self.memory.len();
        let size = if is_full { 2 * self.memory.len() } else { self.memory.len() };
        size.max(USUAL_CAPACITY).min(self.capacity)
    }

    fn copy_to(&mut self, buffer: &mut [u8]) -> usize {
        let count = buffer.len().min(self.end - self.start);
        buffer[..count].copy_from_slice(&self.memory[self.start..self.start + count]);
        self.start += count;
        count
    }
}

impl<R: AsyncRead + Unpin> BufReader<R> {
    /// Waits until at least `count` bytes are buffered, and shows all that are; fewer only at the end. The buffer grows
    /// beyond its capacity if `count` is larger.
    ///
    /// Reading exactly, without a byte being taken before all are there: `peek(16)`, then
    /// [`consume(16)`](super::AsyncBufReadExt::consume).
    ///
    /// **Cancel safety**: cancel-safe; nothing is taken, and what came stays in the buffer.
    ///
    /// ```
    /// use coracle::io::{AsyncBufReadExt, BufReader};
    /// coracle::block_on(async {
    ///     let mut reader = BufReader::new(&b"\x05bytes"[..]);
    ///     let length = reader.peek(1).await.unwrap()[0] as usize;
    ///     assert_eq!(&reader.peek(1 + length).await.unwrap()[1..], b"bytes");
    ///     reader.consume(1 + length);
    ///     assert!(reader.peek(1).await.unwrap().is_empty(), "the end");
    /// });
    /// ```
    pub fn peek(&mut self, count: usize) -> Peek<'_, R> {
        Peek { reader: Some(self), count }
    }

    /// Reads once behind what is buffered, so that it becomes at most `size`. How many bytes; 0 is the end.
    fn poll_fill_more(&mut self, cx: &mut Context<'_>, size: usize) -> Poll<Result<usize>> {
        if self.start + size > self.memory.len() {
            self.memory.copy_within(self.start..self.end, 0);
            (self.start, self.end) = (0, self.end - self.start);
            self.memory.resize(size.max(self.memory.len()), 0);
        }
        let room = &mut self.memory[self.end..self.start + size];
        let count = ready!(Pin::new(&mut self.reader).poll_read(cx, room))?;
        self.end += count;
        Poll::Ready(Ok(count))
    }
}

impl<R: AsyncRead + Unpin> AsyncRead for BufReader<R> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<Result<usize>> {
        if self.start == self.end && buffer.len() >= self.next_size() {
            return Pin::new(&mut self.reader).poll_read(cx, buffer);
        }
        if !buffer.is_empty() {
            ready!(self.as_mut().poll_fill_buf(cx))?;
        }
        Poll::Ready(Ok(self.copy_to(buffer)))
    }

    fn poll_read_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffers: &mut [IoSliceMut<'_>],
    ) -> Poll<Result<usize>> {
        let wanted = buffers.iter().fold(0, |sum: usize, buffer| sum.saturating_add(buffer.len()));
        if self.start == self.end && wanted >= self.next_size() {
            return Pin::new(&mut self.reader).poll_read_vectored(cx, buffers);
        }
        if wanted > 0 {
            ready!(self.as_mut().poll_fill_buf(cx))?;
        }
        Poll::Ready(Ok(buffers.iter_mut().map(|buffer| self.copy_to(buffer)).sum()))
    }
}

impl<R: AsyncRead + Unpin> AsyncBufRead for BufReader<R> {
    fn poll_fill_buf(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<&[u8]>> {
        let this = self.get_mut();
        if this.start == this.end {
            let size = this.next_size();
            (this.start, this.end) = (0, 0);
            ready!(this.poll_fill_more(cx, size))?;
        }
        Poll::Ready(Ok(this.buffer()))
    }

    fn consume(mut self: Pin<&mut Self>, amount: usize) {
        self.start += amount.min(self.end - self.start);
    }

    fn put_back(mut self: Pin<&mut Self>, bytes: &[u8]) -> bool {
        let this = &mut *self;
        if this.start < bytes.len() {
            // As a rule nothing is buffered now, and all the memory is free.
            let moved = bytes.len() - this.start;
            this.memory.resize(this.memory.len().max(this.end + moved), 0);
            this.memory.copy_within(this.start..this.end, bytes.len());
            (this.start, this.end) = (bytes.len(), this.end + moved);
        }
        this.start -= bytes.len();
        this.memory[this.start..this.start + bytes.len()].copy_from_slice(bytes);
        true
    }
}

impl<R: AsyncWrite + Unpin> AsyncWrite for BufReader<R> {
    forward_write!(of_reader);
}

fn of_reader<R: Unpin>(this: Pin<&mut BufReader<R>>) -> Pin<&mut R> {
    Pin::new(&mut this.get_mut().reader)
}

impl<R: fmt::Debug> fmt::Debug for BufReader<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let buffered = self.end - self.start;
        f.debug_struct("BufReader").field("reader", &self.reader).field("buffered", &buffered).finish_non_exhaustive()
    }
}

/// See [`BufReader::peek`].
#[derive(Debug)]
#[must_use = "a future does nothing unless awaited"]
pub struct Peek<'a, R> {
    /// Handed over with the answer.
    reader: Option<&'a mut BufReader<R>>,
    count: usize,
}

impl<'a, R: AsyncRead + Unpin> Future for Peek<'a, R> {
    type Output = Result<&'a [u8]>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<&'a [u8]>> {
        let this = &mut *self;
        let reader = this.reader.as_mut().expect("a Peek was polled after it was done");
        loop {
            let buffered = reader.buffer().len();
            if buffered >= this.count {
                break;
            }
            // It grows by doubling, whatever `count` is, so that a number alone takes up no memory.
            let most = this.count.max(reader.capacity);
            let size = reader.next_size().max(2 * buffered).min(most);
            if ready!(reader.poll_fill_more(cx, size))? == 0 {
                break;
            }
        }
        let reader = this.reader.take().expect("it was there a moment ago");
        Poll::Ready(Ok(reader.buffer()))
    }
}

//! [`BufWriter`]: few large writes instead of many small ones.
//!
//! Over any writer that may be moved, as [`BufReader`](super::BufReader); it also passes on reads.

use std::fmt;
use std::io::{IoSlice, IoSliceMut, Result};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use super::buf_reader::USUAL_CAPACITY;
use super::traits::{forward_buf_read, forward_read};
use super::write::no_more_taken;
use super::{AsyncBufRead, AsyncRead, AsyncWrite};

/// A writer with a buffer in front of it.
///
/// **Dropping it does not flush**: a drop cannot wait. What is buffered then is gone. End with
/// [`flush`](super::AsyncWriteExt::flush) or [`close`](super::AsyncWriteExt::close), and look at their result.
///
/// A flush that fails, or is dropped, keeps what was not written; the next one goes on there. A write that has to make
/// room first may fail with the error of earlier bytes; of its own bytes it has taken none then.
///
/// ```
/// use coracle::io::{AsyncWriteExt, BufWriter};
/// coracle::block_on(async {
///     let mut writer = BufWriter::new(Vec::new());
///     writer.write_all(b"one, ").await.unwrap();
///     writer.write_all(b"two").await.unwrap();
///     assert!(writer.get_ref().is_empty(), "nothing was written yet");
///     writer.flush().await.unwrap();
///     assert_eq!(writer.into_inner(), b"one, two");
/// });
/// ```
pub struct BufWriter<W> {
    writer: W,
    buffer: Vec<u8>,
    /// How much of the buffer the writer has taken.
    written: usize,
    capacity: usize,
}

impl<W> BufWriter<W> {
    /// With a buffer of 8 KiB, allocated as it is needed.
    ///
    /// ```
    /// assert!(coracle::io::BufWriter::new(Vec::<u8>::new()).buffer().is_empty());
    /// ```
    pub fn new(writer: W) -> BufWriter<W> {
        BufWriter::with_capacity(USUAL_CAPACITY, writer)
    }

    /// With a buffer of at most `capacity` bytes, allocated as it is needed. Writes that are as large as that pass it
    /// by: all of them if it is 0.
    ///
    /// ```
    /// use coracle::io::{AsyncWriteExt, BufWriter};
    /// coracle::block_on(async {
    ///     let mut writer = BufWriter::with_capacity(0, Vec::new());
    ///     writer.write_all(b"x").await.unwrap();
    ///     assert_eq!(writer.get_ref(), b"x");
    /// });
    /// ```
    pub fn with_capacity(capacity: usize, writer: W) -> BufWriter<W> {
        BufWriter { writer, buffer: Vec::new(), written: 0, capacity }
    }

    /// What has been accepted and not been passed on yet.
    ///
    /// ```
    /// use coracle::io::{AsyncWriteExt, BufWriter};
    /// coracle::block_on(async {
    ///     let mut writer = BufWriter::new(Vec::new());
    ///     writer.write_all(b"bytes").await.unwrap();
    ///     assert_eq!(writer.buffer(), b"bytes");
    /// });
    /// ```
    pub fn buffer(&self) -> &[u8] {
        &self.buffer[self.written..]
    }

    /// The writer.
    ///
    /// ```
    /// assert_eq!(coracle::io::BufWriter::new(7).get_ref(), &7);
    /// ```
    pub fn get_ref(&self) -> &W {
        &self.writer
    }

    /// The writer. Writing to it here overtakes what is buffered.
    ///
    /// ```
    /// assert_eq!(coracle::io::BufWriter::new(7).get_mut(), &mut 7);
    /// ```
    pub fn get_mut(&mut self) -> &mut W {
        &mut self.writer
    }

    /// The writer. **What is buffered is lost**: flush before, or see [`into_parts`](BufWriter::into_parts).
    ///
    /// ```
    /// assert_eq!(coracle::io::BufWriter::new(7).into_inner(), 7);
    /// ```
    pub fn into_inner(self) -> W {
        self.writer
    }

    /// The writer, and what it has not been given.
    ///
    /// ```
    /// use coracle::io::{AsyncWriteExt, BufWriter};
    /// coracle::block_on(async {
    ///     let mut writer = BufWriter::new(Vec::new());
    ///     writer.write_all(b"bytes").await.unwrap();
    ///     assert_eq!(writer.into_parts(), (vec![], b"bytes".to_vec()));
    /// });
    /// ```
    pub fn into_parts(mut self) -> (W, Vec<u8>) {
        self.buffer.drain(..self.written);
        (self.writer, self.buffer)
    }
}

impl<W: AsyncWrite + Unpin> BufWriter<W> {
    /// Passes the buffer on. What was written is noted after each call, so that it goes on wherever it stopped.
    fn poll_empty(&mut self, cx: &mut Context<'_>) -> Poll<Result<()>> {
        while self.written < self.buffer.len() {
            match ready!(Pin::new(&mut self.writer).poll_write(cx, &self.buffer[self.written..]))? {
                0 => return Poll::Ready(Err(no_more_taken())),
                count => self.written += count,
            }
        }
        self.buffer.clear();
        self.written = 0;
        Poll::Ready(Ok(()))
    }

    /// Makes room for `length` bytes if they fit at all. Whether they do.
    fn poll_room(&mut self, cx: &mut Context<'_>, length: usize) -> Poll<Result<bool>> {
        if length > self.capacity.saturating_sub(self.buffer().len()) {
            ready!(self.poll_empty(cx))?;
        }
        if self.written > 0 {
            // A flush was given up half-way: what it wrote must not take up room.
            self.buffer.drain(..self.written);
            self.written = 0;
        }
        Poll::Ready(Ok(length < self.capacity))
    }
}

impl<W: AsyncWrite + Unpin> AsyncWrite for BufWriter<W> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<Result<usize>> {
        let this = &mut *self;
        if bytes.is_empty() {
            return Poll::Ready(Ok(0));
        }
        if !ready!(this.poll_room(cx, bytes.len()))? {
            return Pin::new(&mut this.writer).poll_write(cx, bytes);
        }
        this.buffer.extend_from_slice(bytes);
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffers: &[IoSlice<'_>],
    ) -> Poll<Result<usize>> {
        let this = &mut *self;
        let length = buffers.iter().fold(0, |sum: usize, buffer| sum.saturating_add(buffer.len()));
        if length == 0 {
            return Poll::Ready(Ok(0));
        }
        if !ready!(this.poll_room(cx, length))? {
            return Pin::new(&mut this.writer).poll_write_vectored(cx, buffers);
        }
        buffers.iter().for_each(|buffer| this.buffer.extend_from_slice(buffer));
        Poll::Ready(Ok(length))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<()>> {
        ready!(self.poll_empty(cx))?;
        Pin::new(&mut self.writer).poll_flush(cx)
    }

    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<()>> {
        ready!(self.poll_empty(cx))?;
        Pin::new(&mut self.writer).poll_close(cx)
    }
}

fn of_writer<W: Unpin>(this: Pin<&mut BufWriter<W>>) -> Pin<&mut W> {
    Pin::new(&mut this.get_mut().writer)
}

impl<W: AsyncRead + Unpin> AsyncRead for BufWriter<W> {
    forward_read!(of_writer);
}

impl<W: AsyncBufRead + Unpin> AsyncBufRead for BufWriter<W> {
    forward_buf_read!(of_writer);
}

impl<W: fmt::Debug> fmt::Debug for BufWriter<W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let buffered = self.buffer().len();
        f.debug_struct("BufWriter").field("writer", &self.writer).field("buffered", &buffered).finish_non_exhaustive()
    }
}

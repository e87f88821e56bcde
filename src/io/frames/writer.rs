//! [`FrameWriter`]: frames into a stream, never torn.
//!
//! A frame goes straight from the caller's memory to the writer, prefix and payload in one vectored call. Only if the
//! writer stops in the middle is the rest copied: from then on it belongs to the `FrameWriter`, and goes out before
//! anything else, whatever becomes of the future. (A copy in the future's drop would do, too, but for `mem::forget`.)

use std::fmt;
use std::future::Future;
use std::io::{IoSlice, Result};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use super::super::AsyncWrite;
use super::super::write::no_more_taken;
use super::{LengthPrefix, too_long};
use crate::task::here;

/// Writes frames, one after another.
///
/// ```
/// use coracle::io::{FrameWriter, LengthPrefix};
/// coracle::block_on(async {
///     let mut frames = FrameWriter::new(Vec::new(), LengthPrefix::U16Be, 1024);
///     frames.send(b"hello").await.unwrap();
///     assert_eq!(frames.get_ref(), b"\0\x05hello");
/// });
/// ```
pub struct FrameWriter<W> {
    writer: W,
    prefix: LengthPrefix,
    limit: usize,
    /// What is left of frames that were begun, and how much of it has been written.
    rest: Vec<u8>,
    written: usize,
}

impl<W> FrameWriter<W> {
    /// For frames of at most `limit` bytes, not counting the prefix; or as many as the prefix can say, if that is less.
    ///
    /// ```
    /// use coracle::io::{FrameWriter, LengthPrefix};
    /// let frames = FrameWriter::new(Vec::<u8>::new(), LengthPrefix::U64Le, usize::MAX);
    /// # drop(frames);
    /// ```
    pub fn new(writer: W, prefix: LengthPrefix, limit: usize) -> FrameWriter<W> {
        FrameWriter { writer, prefix, limit: prefix.longest(limit), rest: Vec::new(), written: 0 }
    }

    /// Writes `payload` as a frame, after all that is left of earlier ones. It does not flush.
    ///
    /// **Cancel safety**: prefix-safe. Dropped before the writer has taken a byte of it, nothing is sent. Dropped
    /// later, the whole frame is: the rest is kept here ([`unsent`](FrameWriter::unsent)) and goes out with the next
    /// `send`, `flush` or `close`. [`SendFrame::is_begun`] says which, if it is awaited by `&mut`.
    ///
    /// # Errors
    /// [`InvalidInput`](crate::io::ErrorKind::InvalidInput) with a [`TooLong`](crate::io::TooLong) if the payload is
    /// longer than the limit; nothing is sent. Else those of the writer;
    /// [`WriteZero`](crate::io::ErrorKind::WriteZero) if it takes no more. Then the rest of a frame that was begun is
    /// kept.
    ///
    /// ```
    /// use coracle::io::{ErrorKind, FrameWriter, LengthPrefix};
    /// coracle::block_on(async {
    ///     let mut frames = FrameWriter::new(Vec::new(), LengthPrefix::U8, usize::MAX);
    ///     let error = frames.send(&[0; 256]).await.unwrap_err();
    ///     assert_eq!(error.to_string(), "a frame is longer than the limit of 255 bytes");
    ///     frames.send(&[0; 255]).await.unwrap();
    /// });
    /// ```
    pub fn send<'a>(&'a mut self, payload: &'a [u8]) -> SendFrame<'a, W>
    where
        W: AsyncWrite + Unpin,
    {
        SendFrame { frames: self, payload, sent: 0 }
    }

    /// Writes what is left of a frame, and flushes the writer.
    ///
    /// **Cancel safety**: cancel-safe; flush again.
    ///
    /// ```
    /// use coracle::io::{BufWriter, FrameWriter, LengthPrefix};
    /// coracle::block_on(async {
    ///     let mut frames = FrameWriter::new(BufWriter::new(Vec::new()), LengthPrefix::U8, 8);
    ///     frames.send(b"x").await.unwrap();
    ///     frames.flush().await.unwrap();
    ///     assert_eq!(frames.get_ref().get_ref(), b"\x01x");
    /// });
    /// ```
    pub fn flush(&mut self) -> FlushFrames<'_, W>
    where
        W: AsyncWrite + Unpin,
    {
        FlushFrames { frames: self }
    }

    /// Writes what is left of a frame, and closes the writer.
    ///
    /// **Cancel safety**: cancel-safe; close again.
    ///
    /// ```
    /// use coracle::io::{FrameWriter, LengthPrefix, pipe};
    /// coracle::block_on(async {
    ///     let (reader, writer) = pipe(16);
    ///     FrameWriter::new(writer, LengthPrefix::U8, 8).close().await.unwrap();
    ///     # drop(reader);
    /// });
    /// ```
    pub fn close(&mut self) -> CloseFrames<'_, W>
    where
        W: AsyncWrite + Unpin,
    {
        CloseFrames { frames: self }
    }

    /// What the writer must still be given of a frame that was begun.
    ///
    /// ```
    /// use coracle::io::{FrameWriter, LengthPrefix};
    /// assert!(FrameWriter::new(Vec::<u8>::new(), LengthPrefix::U8, 8).unsent().is_empty());
    /// ```
    pub fn unsent(&self) -> &[u8] {
        &self.rest[self.written..]
    }

    /// The writer.
    ///
    /// ```
    /// use coracle::io::{FrameWriter, LengthPrefix};
    /// assert!(FrameWriter::new(Vec::<u8>::new(), LengthPrefix::U8, 8).get_ref().is_empty());
    /// ```
    pub fn get_ref(&self) -> &W {
        &self.writer
    }

    /// The writer. Writing to it here may tear a frame, if one is [unsent](FrameWriter::unsent).
    ///
    /// ```
    /// use coracle::io::{FrameWriter, LengthPrefix};
    /// assert!(FrameWriter::new(Vec::<u8>::new(), LengthPrefix::U8, 8).get_mut().is_empty());
    /// ```
    pub fn get_mut(&mut self) -> &mut W {
        &mut self.writer
    }

    /// The writer, and what it must still be given of a frame that was begun.
    ///
    /// ```
    /// use coracle::io::{FrameWriter, LengthPrefix};
    /// assert_eq!(FrameWriter::new(vec![7], LengthPrefix::U8, 8).into_parts(), (vec![7], vec![]));
    /// ```
    pub fn into_parts(mut self) -> (W, Vec<u8>) {
        self.rest.drain(..self.written);
        (self.writer, self.rest)
    }
}

impl<W: AsyncWrite + Unpin> FrameWriter<W> {
    /// Writes what is left of frames that were begun.
    fn poll_rest(&mut self, cx: &mut Context<'_>) -> Poll<Result<()>> {
        while self.written < self.rest.len() {
            match ready!(Pin::new(&mut self.writer).poll_write(cx, &self.rest[self.written..]))? {
                0 => return Poll::Ready(Err(no_more_taken())),
                count => self.written += count,
            }
        }
        self.rest.clear();
        self.written = 0;
        Poll::Ready(Ok(()))
    }

    /// Writes the frame, from byte `sent` on, and counts on.
    fn poll_frame(&mut self, payload: &[u8], sent: &mut usize, cx: &mut Context<'_>) -> Poll<Result<()>> {
        let prefix = self.prefix.encode(payload.len());
        let prefix = &prefix[..self.prefix.width()];
        while *sent < prefix.len() + payload.len() {
            let slices = [
                IoSlice::new(&prefix[prefix.len().min(*sent)..]),
                IoSlice::new(&payload[sent.saturating_sub(prefix.len())..]),
            ];
            match ready!(Pin::new(&mut self.writer).poll_write_vectored(cx, &slices))? {
                0 => return Poll::Ready(Err(no_more_taken())),
                count => *sent += count,
            }
        }
        Poll::Ready(Ok(()))
    }

    /// The frame was begun and could not be ended: the rest of it is now kept here.
    fn keep(&mut self, payload: &[u8], sent: usize) {
        let width = self.prefix.width();
        self.rest.extend_from_slice(&self.prefix.encode(payload.len())[width.min(sent)..width]);
        self.rest.extend_from_slice(&payload[sent.saturating_sub(width)..]);
    }
}

impl<W: fmt::Debug> fmt::Debug for FrameWriter<W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let unsent = self.unsent().len();
        f.debug_struct("FrameWriter").field("writer", &self.writer).field("unsent", &unsent).finish_non_exhaustive()
    }
}

/// See [`FrameWriter::send`].
#[derive(Debug)]
#[must_use = "a future does nothing unless awaited"]
pub struct SendFrame<'a, W> {
    frames: &'a mut FrameWriter<W>,
    payload: &'a [u8],
    /// How much of the frame has been written from here; if that is not nothing when a poll ends, the rest is kept.
    sent: usize,
}

impl<W> SendFrame<'_, W> {
    /// Whether the writer has taken something of this frame: then it will be sent, also if this is dropped.
    pub fn is_begun(&self) -> bool {
        self.sent > 0
    }
}

impl<W: AsyncWrite + Unpin> Future for SendFrame<'_, W> {
    type Output = Result<()>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<()>> {
        let this = &mut *self;
        if this.payload.len() > this.frames.limit {
            return Poll::Ready(Err(too_long(this.frames.limit).to_be_sent()));
        }
        if !here::may_go_on(cx) {
            return Poll::Pending;
        }
        ready!(this.frames.poll_rest(cx))?;
        if this.sent == 0 {
            let polled = this.frames.poll_frame(this.payload, &mut this.sent, cx);
            if this.sent > 0 && !matches!(polled, Poll::Ready(Ok(()))) {
                this.frames.keep(this.payload, this.sent);
            }
            ready!(polled)?;
        }
        here::spend();
        Poll::Ready(Ok(()))
    }
}

/// See [`FrameWriter::flush`].
#[derive(Debug)]
#[must_use = "a future does nothing unless awaited"]
pub struct FlushFrames<'a, W> {
    frames: &'a mut FrameWriter<W>,
}

impl<W: AsyncWrite + Unpin> Future for FlushFrames<'_, W> {
    type Output = Result<()>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<()>> {
        ready!(self.frames.poll_rest(cx))?;
        Pin::new(&mut self.frames.writer).poll_flush(cx)
    }
}

/// See [`FrameWriter::close`].
#[derive(Debug)]
#[must_use = "a future does nothing unless awaited"]
pub struct CloseFrames<'a, W> {
    frames: &'a mut FrameWriter<W>,
}

impl<W: AsyncWrite + Unpin> Future for CloseFrames<'_, W> {
    type Output = Result<()>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<()>> {
        ready!(self.frames.poll_rest(cx))?;
        Pin::new(&mut self.frames.writer).poll_close(cx)
    }
}

//! [`copy`] and [`copy_buf`]: everything that one side has, to the other.
//!
//! When the reader has nothing more for the moment, the writer is flushed before the task waits: else a question that
//! stays in a buffer waits for an answer that cannot come.

use std::future::Future;
use std::io::Result;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use super::write::no_more_taken;
use super::{AsyncBufRead, AsyncRead, AsyncWrite};

/// Copies from `reader` to `writer` to the end, and flushes. How many bytes. The writer is not closed.
///
/// It goes through one buffer of 16 KiB.
///
/// **Cancel safety**: lossy, unless it is awaited by `&mut`: what was read and not yet written is lost when it is
/// dropped. [`Copy::unwritten`] shows it. [`copy_buf`] loses nothing.
///
/// # Errors
/// The first of either side; [`WriteZero`](super::ErrorKind::WriteZero) if the writer takes no more.
/// [`Copy::unwritten`] has what was not written; what was written may not be flushed.
///
/// ```
/// coracle::block_on(async {
///     let (mut source, mut sink) = (&b"bytes"[..], Vec::new());
///     assert_eq!(coracle::io::copy(&mut source, &mut sink).await.unwrap(), 5);
///     assert_eq!(sink, b"bytes");
/// });
/// ```
pub fn copy<'a, R, W>(reader: &'a mut R, writer: &'a mut W) -> Copy<'a, R, W>
where
    R: AsyncRead + Unpin + ?Sized,
    W: AsyncWrite + Unpin + ?Sized,
{
    Copy { reader, writer, transfer: Transfer::default() }
}

/// Copies from `reader` to `writer` to the end, and flushes. How many bytes. There is no buffer but the reader's.
///
/// **Cancel safety**: prefix-safe; what is not written stays with the reader, and [`CopyBuf::written`] says how much
/// has been, if it is awaited by `&mut`. Calling it again goes on.
///
/// # Errors
/// As [`copy`].
///
/// ```
/// coracle::block_on(async {
///     let (mut source, mut sink) = (&b"bytes"[..], Vec::new());
///     assert_eq!(coracle::io::copy_buf(&mut source, &mut sink).await.unwrap(), 5);
///     assert_eq!(sink, b"bytes");
/// });
/// ```
pub fn copy_buf<'a, R, W>(reader: &'a mut R, writer: &'a mut W) -> CopyBuf<'a, R, W>
where
    R: AsyncBufRead + Unpin + ?Sized,
    W: AsyncWrite + Unpin + ?Sized,
{
    CopyBuf { reader, writer, written: 0, is_flushed: false }
}

/// How much is read at a time. Arbitrary: as much as a busy socket gives at once.
const BUFFER_SIZE: usize = 16 * 1024;

/// How often one poll reads before it lets the others go first, also with a reader and a writer that are always ready.
/// Arbitrary: two directions of sockets together use up the budget of one poll.
const READS_A_POLL: usize = 32;

/// A copy under way: what is in between, and how far it is.
#[derive(Default)]
pub(super) struct Transfer {
    /// Allocated at the first poll.
    memory: Vec<u8>,
    start: usize,
    end: usize,
    written: u64,
    has_ended: bool,
    /// Whether the writer was flushed since it was written to. Not at the beginning: it may hold what others wrote,
    /// such as an earlier copy that was given up.
    is_flushed: bool,
}

impl Transfer {
    pub(super) fn written(&self) -> u64 {
        self.written
    }

    pub(super) fn unwritten(&self) -> &[u8] {
        &self.memory[self.start..self.end]
    }

    /// Copies to the end, and flushes. How many bytes.
    pub(super) fn poll<R, W>(&mut self, reader: &mut R, writer: &mut W, cx: &mut Context<'_>) -> Poll<Result<u64>>
    where
        R: AsyncRead + Unpin + ?Sized,
        W: AsyncWrite + Unpin + ?Sized,
    {
        for _ in 0..READS_A_POLL {
            while self.start < self.end {
                match ready!(Pin::new(&mut *writer).poll_write(cx, &self.memory[self.start..self.end]))? {
                    0 => return Poll::Ready(Err(no_more_taken())),
                    count => self.wrote(count),
                }
            }
            if self.has_ended {
                ready!(Pin::new(writer).poll_flush(cx))?;
                return Poll::Ready(Ok(self.written));
            }
            let Poll::Ready(count) = self.poll_read(reader, cx)? else {
                return poll_flush_once(writer, &mut self.is_flushed, cx);
            };
            self.has_ended = count == 0;
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    fn wrote(&mut self, count: usize) {
        self.start += count;
        self.written += count as u64;
        self.is_flushed = false;
    }

    fn poll_read<R>(&mut self, reader: &mut R, cx: &mut Context<'_>) -> Poll<Result<usize>>
    where
        R: AsyncRead + Unpin + ?Sized,
    {
        self.memory.resize(BUFFER_SIZE, 0);
        (self.start, self.end) = (0, 0);
        self.end = ready!(Pin::new(reader).poll_read(cx, &mut self.memory))?;
        Poll::Ready(Ok(self.end))
    }
}

/// The reader has to wait: what was written since the last flush goes on its way meanwhile. Never done but by an error.
fn poll_flush_once<W, T>(writer: &mut W, is_flushed: &mut bool, cx: &mut Context<'_>) -> Poll<Result<T>>
where
    W: AsyncWrite + Unpin + ?Sized,
{
    if !*is_flushed {
        ready!(Pin::new(writer).poll_flush(cx))?;
        *is_flushed = true;
    }
    Poll::Pending
}

impl std::fmt::Debug for Transfer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let unwritten = self.end - self.start;
        f.debug_struct("Transfer")
            .field("written", &self.written)
            .field("unwritten", &unwritten)
            .finish_non_exhaustive()
    }
}

/// See [`copy`].
#[derive(Debug)]
#[must_use = "a future does nothing unless awaited"]
pub struct Copy<'a, R: ?Sized, W: ?Sized> {
    reader: &'a mut R,
    writer: &'a mut W,
    transfer: Transfer,
}

impl<R: ?Sized, W: ?Sized> Copy<'_, R, W> {
    /// How many bytes have been written.
    pub fn written(&self) -> u64 {
        self.transfer.written()
    }

    /// What has been read and not been written yet.
    pub fn unwritten(&self) -> &[u8] {
        self.transfer.unwritten()
    }
}

impl<R, W> Future for Copy<'_, R, W>
where
    R: AsyncRead + Unpin + ?Sized,
    W: AsyncWrite + Unpin + ?Sized,
{
    type Output = Result<u64>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<u64>> {
        let this = &mut *self;
        this.transfer.poll(this.reader, this.writer, cx)
    }
}

/// See [`copy_buf`].
#[derive(Debug)]
#[must_use = "a future does nothing unless awaited"]
pub struct CopyBuf<'a, R: ?Sized, W: ?Sized> {
    reader: &'a mut R,
    writer: &'a mut W,
    written: u64,
    is_flushed: bool,
}

impl<R: ?Sized, W: ?Sized> CopyBuf<'_, R, W> {
    /// How many bytes have been written.
    pub fn written(&self) -> u64 {
        self.written
    }
}

impl<R, W> Future for CopyBuf<'_, R, W>
where
    R: AsyncBufRead + Unpin + ?Sized,
    W: AsyncWrite + Unpin + ?Sized,
{
    type Output = Result<u64>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<u64>> {
        let this = &mut *self;
        for _ in 0..READS_A_POLL {
            let Poll::Ready(shown) = Pin::new(&mut *this.reader).poll_fill_buf(cx)? else {
                return poll_flush_once(this.writer, &mut this.is_flushed, cx);
            };
            if shown.is_empty() {
                ready!(Pin::new(&mut *this.writer).poll_flush(cx))?;
                return Poll::Ready(Ok(this.written));
            }
            let count = ready!(Pin::new(&mut *this.writer).poll_write(cx, shown))?;
            if count == 0 {
                return Poll::Ready(Err(no_more_taken()));
            }
            Pin::new(&mut *this.reader).consume(count);
            this.written += count as u64;
            this.is_flushed = false;
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}

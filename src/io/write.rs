//! [`AsyncWriteExt`]: the everyday methods of whatever can be written.

use std::future::Future;
use std::io::{Error, ErrorKind, Result};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use super::AsyncWrite;

/// Methods of every [`AsyncWrite`].
///
/// ```
/// use coracle::io::AsyncWriteExt;
/// coracle::block_on(async {
///     let mut sink = Vec::new();
///     sink.write_all(b"all of it").await.unwrap();
///     sink.flush().await.unwrap();
///     sink.close().await.unwrap();
///     assert_eq!(sink, b"all of it");
/// });
/// ```
pub trait AsyncWriteExt: AsyncWrite {
    /// Writes once, at most all of `bytes`. How many.
    ///
    /// **Cancel safety**: cancel-safe; not done means nothing written.
    fn write<'a>(&'a mut self, bytes: &'a [u8]) -> Write<'a, Self>
    where
        Self: Unpin,
    {
        Write { writer: self, bytes }
    }

    /// Writes all of `bytes`.
    ///
    /// **Cancel safety**: prefix-safe. When it is dropped, a prefix has been written; [`WriteAll::written`] says how long
    /// it is, if it is awaited by `&mut`.
    ///
    /// # Errors
    /// [`ErrorKind::WriteZero`] if no more is taken.
    fn write_all<'a>(&'a mut self, bytes: &'a [u8]) -> WriteAll<'a, Self>
    where
        Self: Unpin,
    {
        WriteAll { writer: self, bytes, written: 0 }
    }

    /// Passes on what is buffered.
    ///
    /// **Cancel safety**: cancel-safe; flush again.
    fn flush(&mut self) -> Flush<'_, Self>
    where
        Self: Unpin,
    {
        Flush { writer: self }
    }

    /// Passes on what is buffered and says that nothing will follow.
    ///
    /// **Cancel safety**: cancel-safe; close again.
    fn close(&mut self) -> Close<'_, Self>
    where
        Self: Unpin,
    {
        Close { writer: self }
    }
}

impl<W: AsyncWrite + ?Sized> AsyncWriteExt for W {}

/// See [`AsyncWriteExt::write`].
#[derive(Debug)]
#[must_use = "a future does nothing unless awaited"]
pub struct Write<'a, W: ?Sized> {
    writer: &'a mut W,
    bytes: &'a [u8],
}

impl<W: AsyncWrite + Unpin + ?Sized> Future for Write<'_, W> {
    type Output = Result<usize>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<usize>> {
        let this = &mut *self;
        Pin::new(&mut *this.writer).poll_write(cx, this.bytes)
    }
}

/// See [`AsyncWriteExt::write_all`].
#[derive(Debug)]
#[must_use = "a future does nothing unless awaited"]
pub struct WriteAll<'a, W: ?Sized> {
    writer: &'a mut W,
    bytes: &'a [u8],
    written: usize,
}

impl<W: ?Sized> WriteAll<'_, W> {
    /// How many bytes have been written.
    pub fn written(&self) -> usize {
        self.written
    }
}

impl<W: AsyncWrite + Unpin + ?Sized> Future for WriteAll<'_, W> {
    type Output = Result<()>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<()>> {
        let this = &mut *self;
        while this.written < this.bytes.len() {
            match ready!(Pin::new(&mut *this.writer).poll_write(cx, &this.bytes[this.written..]))? {
                0 => return Poll::Ready(Err(no_more_taken())),
                n => this.written += n,
            }
        }
        Poll::Ready(Ok(()))
    }
}

pub(crate) fn no_more_taken() -> Error {
    Error::new(ErrorKind::WriteZero, "no more bytes are taken")
}

/// See [`AsyncWriteExt::flush`].
#[derive(Debug)]
#[must_use = "a future does nothing unless awaited"]
pub struct Flush<'a, W: ?Sized> {
    writer: &'a mut W,
}

impl<W: AsyncWrite + Unpin + ?Sized> Future for Flush<'_, W> {
    type Output = Result<()>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<()>> {
        Pin::new(&mut *self.writer).poll_flush(cx)
    }
}

/// See [`AsyncWriteExt::close`].
#[derive(Debug)]
#[must_use = "a future does nothing unless awaited"]
pub struct Close<'a, W: ?Sized> {
    writer: &'a mut W,
}

impl<W: AsyncWrite + Unpin + ?Sized> Future for Close<'_, W> {
    type Output = Result<()>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<()>> {
        Pin::new(&mut *self.writer).poll_close(cx)
    }
}

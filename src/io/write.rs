//! [`AsyncWriteExt`]: the everyday methods of whatever can be written.

use std::future::Future;
use std::io::{Error, ErrorKind, IoSlice, Result};
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
    ///
    /// ```
    /// use coracle::io::AsyncWriteExt;
    /// coracle::block_on(async {
    ///     assert_eq!(Vec::new().write(b"abc").await.unwrap(), 3);
    /// });
    /// ```
    fn write<'a>(&'a mut self, bytes: &'a [u8]) -> Write<'a, Self>
    where
        Self: Unpin,
    {
        Write { writer: self, bytes }
    }

    /// Writes once, from several buffers in order. How many bytes. How many buffers one call takes is the writer's
    /// affair.
    ///
    /// **Cancel safety**: cancel-safe; not done means nothing written.
    ///
    /// ```
    /// use coracle::io::{AsyncWriteExt, IoSlice};
    /// coracle::block_on(async {
    ///     let mut sink = Vec::new();
    ///     let count = sink.write_vectored(&[IoSlice::new(b"head"), IoSlice::new(b"body")]).await.unwrap();
    ///     assert_eq!((count, &sink[..]), (8, &b"headbody"[..]));
    /// });
    /// ```
    fn write_vectored<'a, 'b>(&'a mut self, buffers: &'a [IoSlice<'b>]) -> WriteVectored<'a, 'b, Self>
    where
        Self: Unpin,
    {
        WriteVectored { writer: self, buffers }
    }

    /// Writes all of `bytes`.
    ///
    /// **Cancel safety**: prefix-safe. When it is dropped, a prefix has been written; [`WriteAll::written`] says how
    /// long it is, if it is awaited by `&mut`.
    ///
    /// # Errors
    /// [`ErrorKind::WriteZero`] if no more is taken.
    ///
    /// ```
    /// use coracle::io::AsyncWriteExt;
    /// coracle::block_on(async {
    ///     let mut sink = Vec::new();
    ///     sink.write_all(b"abc").await.unwrap();
    ///     assert_eq!(sink, b"abc");
    /// });
    /// ```
    fn write_all<'a>(&'a mut self, bytes: &'a [u8]) -> WriteAll<'a, Self>
    where
        Self: Unpin,
    {
        WriteAll { writer: self, bytes, written: 0 }
    }

    /// Passes on what is buffered.
    ///
    /// **Cancel safety**: cancel-safe; flush again.
    ///
    /// ```
    /// use coracle::io::{AsyncWriteExt, BufWriter};
    /// coracle::block_on(async {
    ///     let mut writer = BufWriter::new(Vec::new());
    ///     writer.write_all(b"abc").await.unwrap();
    ///     writer.flush().await.unwrap();
    ///     assert_eq!(writer.get_ref(), b"abc");
    /// });
    /// ```
    fn flush(&mut self) -> Flush<'_, Self>
    where
        Self: Unpin,
    {
        Flush { writer: self }
    }

    /// Passes on what is buffered and says that nothing will follow.
    ///
    /// **Cancel safety**: cancel-safe; close again.
    ///
    /// ```
    /// use coracle::io::{AsyncReadExt, AsyncWriteExt, pipe};
    /// coracle::block_on(async {
    ///     let (mut reader, mut writer) = pipe(8);
    ///     writer.close().await.unwrap();
    ///     assert_eq!(reader.read(&mut [0; 8]).await.unwrap(), 0);
    /// });
    /// ```
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

/// See [`AsyncWriteExt::write_vectored`].
#[derive(Debug)]
#[must_use = "a future does nothing unless awaited"]
pub struct WriteVectored<'a, 'b, W: ?Sized> {
    writer: &'a mut W,
    buffers: &'a [IoSlice<'b>],
}

impl<W: AsyncWrite + Unpin + ?Sized> Future for WriteVectored<'_, '_, W> {
    type Output = Result<usize>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<usize>> {
        let this = &mut *self;
        Pin::new(&mut *this.writer).poll_write_vectored(cx, this.buffers)
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
